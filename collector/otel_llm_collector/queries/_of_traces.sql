-- Is the span in a trace of one of the chosen calls?
trace_id IN (SELECT trace_id FROM (SELECT * FROM llm_calls WHERE {where}) WHERE {filter})
