-- Data points of metrics, one row each, as they came.
CREATE OR REPLACE VIEW metrics AS
FROM ({source});
