    count(*) FILTER (WHERE is_llm_call) AS calls,
    count(*) FILTER (WHERE is_llm_call AND status = 'ERROR') AS errors,
    TRY_CAST(sum(input_tokens) FILTER (WHERE is_llm_call AND input_tokens < 1e12) AS BIGINT) AS input_tokens,
    TRY_CAST(sum(cache_read_tokens) FILTER (WHERE is_llm_call AND cache_read_tokens < 1e12) AS BIGINT) AS cache_read_tokens,
    TRY_CAST(sum(output_tokens) FILTER (WHERE is_llm_call AND output_tokens < 1e12) AS BIGINT) AS output_tokens,
    sum(cost_usd) FILTER (WHERE is_llm_call) AS cost_usd,
    count(*) FILTER (WHERE is_llm_call AND cost_usd IS NULL) AS unpriced_calls
