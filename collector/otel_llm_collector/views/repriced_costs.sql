-- What `otel-llm reprice` computed, a row a call and run: figures beside the billed ones, never in their place.
CREATE OR REPLACE VIEW repriced_costs AS
FROM ({source});
