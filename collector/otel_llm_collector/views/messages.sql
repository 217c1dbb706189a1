-- Content of the spans that captured it, kept for a shorter time than the spans: join on row_id.
CREATE OR REPLACE VIEW messages AS
FROM ({source});
