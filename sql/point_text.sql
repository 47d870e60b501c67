-- telemetry.point_text: points as files have them. A bad row is rejected with a reason, and never fails the load.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = telemetry, public;
TRUNCATE block, dead_letter;

-- What one row became: its time and value, or why it was rejected. What the parser of JSON says differs between versions.
CREATE FUNCTION pg_temp.fate(ts text, value text, tags text DEFAULT NULL, device text DEFAULT 'd', metric text DEFAULT 'm', unit text DEFAULT NULL)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	why text;
BEGIN
	TRUNCATE telemetry.block;
	INSERT INTO telemetry.point_text (ts, device_id, metric, value, unit, tags) VALUES (ts, device, metric, value, unit, tags);
	SELECT r ->> 'code' || ': ' || regexp_replace(r ->> 'message', 'is not JSON: .*', 'is not JSON: ...') INTO why FROM telemetry.ingest_result() AS i, jsonb_array_elements(i.rows) AS r;
	RETURN coalesce(why, (SELECT concat_ws(' ', p.ts, p.value, p.unit, p.tags) FROM telemetry.point AS p));
END
$$;

-- times_are_read_as_files_have_them
SELECT t AS ts, pg_temp.fate(t, '1') AS fate FROM unnest(ARRAY[
	'2024-02-29T12:30:05Z', '2024-02-29 12:30:05.123456789', '2024-02-29 12:30:05,5 +01:30', ' 2024-02-29 12:30-0800 ', '2024-02-29',
	'2024/2/9 9:05', '2024.02.09 9:05:07', '2024-02-29 12:05 am', '2024-02-29 12:05:01 PM', '2024-02-29 24:00', '2024-02-29 23:59:60',
	'20240229', '20240229T123000Z', '20240229123000', '20240229 1230', '2024-02-29 12:30 UTC',
	'0', '-1', '1709209800', '1709209800.25', '1709209800.1234565', '1709209800250', '1709209800250000', '1709209800250000499', '1709209800250000500',
	'20000000000', '20000000001', '+5']) AS t;
-- times_that_are_none_say_what_is_wrong
SELECT t AS ts, pg_temp.fate(t, '1') AS fate FROM unnest(ARRAY[
	'2024-13-01', '2024-00-01', '2023-02-29', '2024-04-31 00:00', '0000-01-01', '2024-01-01 24:01', '2024-01-01 12:60', '2024-01-01 12:00:61',
	'2024-01-01 13:00 PM', '2024-01-01 0:00 am', '2024-01-01 12:00 CET', '2024-01-01 12:00+16', '2024-01-01 12:00x', '2024-01-01 12', '2024-01/01', '24-01-01',
	'31.12.2023', '12/31/2023 5:00', 'now', 'infinity', 'yesterday', '99999999', '20241301', '1.7e9', '1709209800.', '.5', '-', '',
	'99999999999999999999', '2999-01-01', '12345-01-01', E'2024-01-01\u00a0', '0x10']) AS t;

-- epochs_and_orders_and_zones_are_set
SET telemetry.text_epoch = 's';
SELECT pg_temp.fate('20240229', '1'), pg_temp.fate('1709209800250', '1');
SET telemetry.text_epoch = 'ms';
SELECT pg_temp.fate('20240229', '1'), pg_temp.fate('1709209800250.5', '1');
SET telemetry.text_epoch = 'us';
SELECT pg_temp.fate('1709209800250000.4', '1'), pg_temp.fate('1', '1');
SET telemetry.text_epoch = 'ns';
SELECT pg_temp.fate('1709209800250000000', '1'), pg_temp.fate('2024-02-29', '1');
RESET telemetry.text_epoch;
SET telemetry.text_date_order = 'dmy';
SELECT pg_temp.fate('31.12.2023 17:24:00', '1'), pg_temp.fate('1/2/2024', '1'), pg_temp.fate('12/31/2023', '1'), pg_temp.fate('2024-02-01', '1');
SET telemetry.text_date_order = 'mdy';
SELECT pg_temp.fate('12/31/2023 5:24 pm', '1'), pg_temp.fate('1/2/2024', '1'), pg_temp.fate('1/2/24', '1');
RESET telemetry.text_date_order;
SET telemetry.text_timezone = 'Europe/Vienna';
-- as timestamptz has hours that are not there, or there twice
SELECT t AS ts, pg_temp.fate(t, '1') AS fate, (t || ' Europe/Vienna')::timestamptz AS timestamptz
FROM unnest(ARRAY['2024-01-01 00:00', '2024-07-01 00:00', '2024-03-31 02:30', '2024-10-27 02:30', '1900-01-01 00:00']) AS t;
SELECT pg_temp.fate('2024-07-01 00:00Z', '1');
SET telemetry.text_timezone = 'Europe/Nowhere';
RESET telemetry.text_timezone;
SET timezone = 'Asia/Kolkata';
SELECT pg_temp.fate('2024-07-01 00:00', '1');
SET timezone = 'UTC';

-- values_are_what_they_read_as
SELECT left(v, 30) AS value, pg_temp.fate('2024-01-01', v) AS fate FROM unnest(ARRAY[
	'21.5', '+21.5', '-0', '.5', '-.5', '5.', '007', '1e3', '1E+3', ' 1 ', '1e-400', '123456789012345678901234567890', '0.1', '5e-324',
	'NaN', 'nan', 'inf', '-INF', '+Infinity', 'true', 'FALSE', '"open"', '"a \u00e4"', '{"a": [1, {}]}', '[1, null]', '{"$geo": [48.2, 16.4]}', '{"$binary": "AAE="}']) AS v;
SELECT left(v, 30) AS value, pg_temp.fate('2024-01-01', v) AS fate FROM unnest(ARRAY[
	'MM', 'n/a', '?', 'open', '21,5', '1,234.5', '1.234,5', '1e400', '-1e400', '--1', '+-1', '1e', '1e+', '.', '-', '+', ',', 't', 'yes', '0x1F', '1 2', '1_000', '',
	' ', 'null', 'NULL', '"open', '{"a": 1', '{"a": 1e999999}', '{"$geo": [91, 0]}', '["\ud800"]', '["\u0000"]', 'null,', repeat('[', 65), repeat('7', 401), 'Infinity!', E'\u00bd']) AS v;
SET telemetry.text_decimal_comma = on;
SELECT left(v, 30) AS value, pg_temp.fate('2024-01-01', v) AS fate FROM unnest(ARRAY['21,5', '-,5', '5,', '21.5', '21', '1.234,5', '{"a": 1.5}', '1,5e3']) AS v;
RESET telemetry.text_decimal_comma;
-- other_words_are_texts_if_so_set, but no number becomes one
SET telemetry.text_words = on;
SELECT left(v, 30) AS value, pg_temp.fate('2024-01-01', v) AS fate FROM unnest(ARRAY['open', ' half open ', 'TRUE', '"open"', '21,5', '1.2.3', '{broken', 'null', E'Gr\u00fc\u00dfe']) AS v;
RESET telemetry.text_words;
-- what_says_that_there_is_no_value: such a row is no dead letter
SET telemetry.text_nulls = 'MM, n/a , ?, NaN, ""';
DELETE FROM dead_letter;
SELECT left(v, 30) AS value, pg_temp.fate('2024-01-01', v) AS fate FROM unnest(ARRAY['MM', 'mm', 'N/A', ' ? ', 'nan', '', '-nan', 'MMM', '""']) AS v;
SELECT pg_temp.fate('2024-01-01', '1', unit => 'MM', device => 'MM', metric => 'MM');
SELECT code, payload ->> 'value' AS value FROM dead_letter ORDER BY id;
SET telemetry.text_nulls = ' ';
SELECT pg_temp.fate('2024-01-01', '');
RESET telemetry.text_nulls;

-- attributes
SELECT pg_temp.fate('2024-01-01', '1', tags, unit => unit)
FROM (VALUES ('{"site": "a"}', 'V'), (' ', ''), ('[1]', NULL), ('{"a": ', NULL), ('n/a', NULL), ('{"a": "\u0000"}', NULL), (NULL, E'a\tb')) AS v (tags, unit);
-- names
SELECT pg_temp.fate('2024-01-01', '1', device => device, metric => metric)
FROM (VALUES (NULL, 'm'), ('d', NULL), ('', 'm'), ('d', ''), (repeat('d', 129), 'm'), ('d', E'a\nb')) AS v (device, metric);

-- a_bad_row_is_a_dead_letter_with_its_fields
DELETE FROM dead_letter;
INSERT INTO point_text (ts, device_id, metric, value, unit, tags, metadata) VALUES ('2024-13-01', 'd', 'm', 'MM', 'V', '{', '{}');
INSERT INTO point_text (ts, device_id, metric, value) VALUES ('2024-01-01', 'd', 'm', repeat('x', 5000)), ('2999-01-01', 'd', 'm', '1');
SELECT kind, code, reason, left(payload::text, 120) AS payload, length(payload::text) AS length, whole FROM dead_letter ORDER BY id;
-- those that could not be read are not tried again: the file is, with other settings
SELECT * FROM retry_dead_letters();

-- a_file_with_a_byte_order_mark_and_carriage_returns
TRUNCATE block, dead_letter;
\copy point_text (ts, device_id, metric, value) FROM PROGRAM 'printf "\357\273\2772024-01-01,d,m,1\r\n2024-01-02,d,m,MM\r\n2024-01-03,d,m,3\r\n"' (FORMAT csv)
\copy point_text (device_id, metric, ts, value) FROM PROGRAM 'printf "\357\273\277\"e\",m,2024-01-01,1\n\357\273\277e,m,2024-01-02,1\n"' (FORMAT csv)
\copy point_text (ts, device_id, metric, value) FROM PROGRAM 'printf "\357\273\277ts;device;metric;value\r\n2024-01-01;f;m;1\r\n"' (FORMAT csv, HEADER, DELIMITER ';')
SELECT ts, encode(device_id::bytea, 'escape') AS device_id, value FROM point ORDER BY device_id, ts;

-- household_power: semicolons, decimal commas, question marks, days first
TRUNCATE block, dead_letter;
SET telemetry.text_decimal_comma = on;
SET telemetry.text_nulls = '?';
SET telemetry.text_date_order = 'dmy';
SET telemetry.text_timezone = 'Europe/Paris';
SET telemetry.text_device_id = 'meter';
BEGIN;
COPY point_text (ts, metric, value) FROM STDIN (FORMAT csv, DELIMITER ';', HEADER);
time;metric;value
16/12/2006 17:24:00;voltage;234,840
16/12/2006 17:25:00;voltage;?
16/12/2006 17:26:00;voltage;233.290
16/13/2006 17:27:00;voltage;233,740
16/12/2006 17:28:00;voltage;235,680
\.
SELECT received, accepted, rejected, jsonb_path_query_array(rows, '$[*].code') AS codes FROM ingest_result();
COMMIT;
SELECT ts, device_id, metric, value FROM point ORDER BY ts;
SELECT code, reason FROM dead_letter ORDER BY id;
RESET telemetry.text_decimal_comma;
RESET telemetry.text_nulls;
RESET telemetry.text_date_order;
RESET telemetry.text_timezone;

-- a_file_of_one_series: its names are settings; a column that is there is taken as it is
SET telemetry.text_metric = 'temperature';
COPY point_text (ts, value) FROM STDIN (FORMAT csv);
2013-12-02 21:15:00,73.96732207
2013-12-02 21:20:00,74.935882
\.
BEGIN;
COPY point_text (ts, metric, value) FROM STDIN (FORMAT csv);
2013-12-02 21:15:00,,1
\.
SELECT rejected, rows FROM ingest_result();
COMMIT;
RESET telemetry.text_metric;
BEGIN;
RESET telemetry.text_device_id;
COPY point_text (ts, value) FROM STDIN (FORMAT csv);
2013-12-02 21:15:00,73.96732207
\.
SELECT rejected, rows FROM ingest_result();
COMMIT;
SELECT ts, device_id, metric, num FROM point WHERE metric = 'temperature' ORDER BY ts;

-- more_rows_than_the_memory: repeats are found as in telemetry.point
TRUNCATE block, dead_letter;
SET telemetry.batch_memory = '256kB';
BEGIN;
INSERT INTO point_text (ts, device_id, metric, value)
SELECT (1704067200 + i)::text, 'd' || i % 7, 'm', CASE WHEN i % 100 = 0 THEN 'MM' ELSE (i / 10.0)::text END FROM generate_series(1, 20000) AS i;
SELECT received, accepted, rejected FROM ingest_result();
COMMIT;
RESET telemetry.batch_memory;
SELECT count(*), round(sum(num)::numeric, 3) AS sum FROM point;
SELECT count(*), count(DISTINCT reason) FROM dead_letter;

-- it_is_for_writing_only
SELECT count(*) FROM point_text;
UPDATE point_text SET value = '1';
DELETE FROM point_text;
INSERT INTO point_text (ts, device_id, metric, value) VALUES ('2024-01-01', 'returning', 'm', 'MM') RETURNING ts, value;
ANALYZE point_text;
-- tables_of_ones_own
CREATE FOREIGN TABLE few (value text, ts text, metric text, device_id text) SERVER telemetry OPTIONS (text 'true');
BEGIN;
INSERT INTO few VALUES ('5', '2024-01-01', 'm', 'few'), ('x', '2024-01-01', 'm', 'few');
SELECT accepted, rejected FROM ingest_result();
COMMIT;
DROP FOREIGN TABLE few;
CREATE FOREIGN TABLE wrong (value text, ts timestamptz, metric text, device_id text) SERVER telemetry OPTIONS (text 'true');
INSERT INTO wrong VALUES ('5', '2024-01-01', 'm', 'few');
DROP FOREIGN TABLE wrong;
CREATE FOREIGN TABLE wrong (value text, ts text, metric text, device_id text, num text) SERVER telemetry OPTIONS (text 'true');
INSERT INTO wrong VALUES ('5', '2024-01-01', 'm', 'few', '1');
DROP FOREIGN TABLE wrong;
CREATE FOREIGN TABLE wrong (value text) SERVER telemetry OPTIONS (text 'true', rolled_up 'false');
TRUNCATE block, dead_letter;
