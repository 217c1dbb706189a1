-- What counted calls add up to, beforehand: a row a combination of dimensions, in several cubes, each of which has every
-- call once in its files of dates, and once more in those of months. `otel-llm cost` and `latency` know which files fit.
CREATE OR REPLACE VIEW rollups AS
FROM ({source});
