-- Scores, one row each: what people and evaluators thought of a span, a trace or a response.
CREATE OR REPLACE VIEW scores AS
FROM ({source});
