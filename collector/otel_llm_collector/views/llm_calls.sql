-- The calls that count: one row a model call, no rollups, no duplicates. Its cost_usd adds up to the bill.
CREATE OR REPLACE VIEW llm_calls AS
FROM spans
WHERE is_llm_call;
