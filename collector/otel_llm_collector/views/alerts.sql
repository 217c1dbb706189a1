-- What fired and what was over, one row each: `breach_id` joins the two rows of a breach.
CREATE OR REPLACE VIEW alerts AS
FROM ({source});
