-- What each UTC day cost, by model. For days of another time zone: otel-llm cost --by day --tz ZONE.
CREATE OR REPLACE VIEW cost_daily AS
SELECT
    date,
    provider,
    model,
{call_sums}
FROM llm_calls
GROUP BY date, provider, model;
