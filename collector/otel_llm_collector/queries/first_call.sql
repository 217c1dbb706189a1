-- When did the first call of all begin? Only the files of the first date are opened.
SELECT min(start_time)
FROM llm_calls
WHERE date = (
    SELECT min(TRY_CAST(regexp_extract(file, '/date=([^/]+)/[^/]+$', 1) AS DATE))
    FROM (SELECT unnest(getvariable('spans_files')) AS file)
);
