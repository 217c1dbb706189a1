-- Log records and events, one row each, as they came.
CREATE OR REPLACE VIEW logs AS
FROM ({source});
