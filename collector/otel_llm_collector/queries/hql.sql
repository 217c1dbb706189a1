-- Functions of ClickHouse that queries of request_response_rmt use, beside those that its view brings along.
CREATE OR REPLACE MACRO toDateTime(moment) AS CAST(moment AS TIMESTAMPTZ);
CREATE OR REPLACE MACRO toDateTime64(moment, digits) AS CAST(moment AS TIMESTAMPTZ);
CREATE OR REPLACE MACRO toUnixTimestamp(moment) AS CAST(floor(epoch(moment)) AS BIGINT);
CREATE OR REPLACE MACRO toStartOfMinute(moment) AS date_trunc('minute', moment);
CREATE OR REPLACE MACRO toStartOfFiveMinutes(moment) AS time_bucket(INTERVAL 5 MINUTE, moment);
CREATE OR REPLACE MACRO toStartOfFifteenMinutes(moment) AS time_bucket(INTERVAL 15 MINUTE, moment);
CREATE OR REPLACE MACRO toStartOfInterval(moment, width) AS time_bucket(width, moment);
CREATE OR REPLACE MACRO toStartOfTenMinutes(moment) AS time_bucket(INTERVAL 10 MINUTE, moment);
CREATE OR REPLACE MACRO toStartOfQuarter(moment) AS CAST(date_trunc('quarter', moment) AS DATE);
CREATE OR REPLACE MACRO toStartOfYear(moment) AS CAST(date_trunc('year', moment) AS DATE);
CREATE OR REPLACE MACRO toMonday(moment) AS CAST(date_trunc('week', moment) AS DATE);
CREATE OR REPLACE MACRO toYYYYMM(moment) AS year(moment) * 100 + month(moment);
CREATE OR REPLACE MACRO toYYYYMMDD(moment) AS toYYYYMM(moment) * 100 + day(moment);
CREATE OR REPLACE MACRO toDayOfWeek(moment) AS isodow(moment);
CREATE OR REPLACE MACRO toYear(moment) AS year(moment);
CREATE OR REPLACE MACRO toMonth(moment) AS month(moment);
CREATE OR REPLACE MACRO toMinute(moment) AS minute(moment);
CREATE OR REPLACE MACRO toDayOfMonth(moment) AS day(moment);
CREATE OR REPLACE MACRO toIntervalMinute(number) AS to_minutes(number);
CREATE OR REPLACE MACRO toIntervalHour(number) AS to_hours(number);
CREATE OR REPLACE MACRO toIntervalDay(number) AS to_days(number);
CREATE OR REPLACE MACRO toIntervalWeek(number) AS to_weeks(number);
CREATE OR REPLACE MACRO toIntervalMonth(number) AS to_months(number);
CREATE OR REPLACE MACRO yesterday() AS today() - 1;
CREATE OR REPLACE MACRO toString(value) AS CAST(value AS VARCHAR);
CREATE OR REPLACE MACRO toFloat64(value) AS CAST(value AS DOUBLE);
CREATE OR REPLACE MACRO toFloat32(value) AS CAST(value AS FLOAT);
CREATE OR REPLACE MACRO toInt8(value) AS CAST(trunc(CAST(value AS DECIMAL(38, 9))) AS TINYINT);
CREATE OR REPLACE MACRO toInt16(value) AS CAST(trunc(CAST(value AS DECIMAL(38, 9))) AS SMALLINT);
CREATE OR REPLACE MACRO toInt32(value) AS CAST(trunc(CAST(value AS DECIMAL(38, 9))) AS INTEGER);
CREATE OR REPLACE MACRO toInt64(value) AS CAST(trunc(CAST(value AS DECIMAL(38, 9))) AS BIGINT);
CREATE OR REPLACE MACRO toUInt8(value) AS CAST(trunc(CAST(value AS DECIMAL(38, 9))) AS UTINYINT);
CREATE OR REPLACE MACRO toUInt16(value) AS CAST(trunc(CAST(value AS DECIMAL(38, 9))) AS USMALLINT);
CREATE OR REPLACE MACRO toUInt32(value) AS CAST(trunc(CAST(value AS DECIMAL(38, 9))) AS UINTEGER);
CREATE OR REPLACE MACRO toUInt64(value) AS CAST(trunc(CAST(value AS DECIMAL(38, 9))) AS UBIGINT);
CREATE OR REPLACE MACRO toInt32OrNull(value) AS TRY_CAST(value AS INTEGER);
CREATE OR REPLACE MACRO toInt32OrZero(value) AS coalesce(TRY_CAST(value AS INTEGER), 0);
CREATE OR REPLACE MACRO toInt64OrNull(value) AS TRY_CAST(value AS BIGINT);
CREATE OR REPLACE MACRO toInt64OrZero(value) AS coalesce(TRY_CAST(value AS BIGINT), 0);
CREATE OR REPLACE MACRO toFloat64OrNull(value) AS TRY_CAST(value AS DOUBLE);
CREATE OR REPLACE MACRO toFloat64OrZero(value) AS coalesce(TRY_CAST(value AS DOUBLE), 0);
CREATE OR REPLACE MACRO uniqExact(value) AS count(DISTINCT value);
CREATE OR REPLACE MACRO uniqIf(value, condition) AS count(DISTINCT value) FILTER (WHERE condition);
CREATE OR REPLACE MACRO minIf(value, condition) AS min(value) FILTER (WHERE condition);
CREATE OR REPLACE MACRO maxIf(value, condition) AS max(value) FILTER (WHERE condition);
CREATE OR REPLACE MACRO anyLast(value) AS last(value);
CREATE OR REPLACE MACRO groupArray(value) AS list(value);
CREATE OR REPLACE MACRO groupUniqArray(value) AS list(DISTINCT value);
CREATE OR REPLACE MACRO arrayJoin(items) AS unnest(items);
CREATE OR REPLACE MACRO mapContains(pairs, name) AS list_contains(map_keys(pairs), name);
CREATE OR REPLACE MACRO JSONExtractString(document, name) AS json_extract_string(document, [name])[1];
CREATE OR REPLACE MACRO multiIf
    (a, then_a, otherwise) AS if(a, then_a, otherwise),
    (a, then_a, b, then_b, otherwise) AS CASE WHEN a THEN then_a WHEN b THEN then_b ELSE otherwise END,
    (a, then_a, b, then_b, c, then_c, otherwise) AS
        CASE WHEN a THEN then_a WHEN b THEN then_b WHEN c THEN then_c ELSE otherwise END;
