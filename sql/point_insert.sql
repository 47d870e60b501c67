-- Points on their way in: INSERT and COPY, kinds of values, attributes, and the rows that are rejected.
-- Expects a database in UTF8, and a server that may write to /tmp.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = telemetry, public;
TRUNCATE block, dead_letter;

-- What a statement fails with.
CREATE FUNCTION pg_temp.failure(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN sqlstate || ' ' || sqlerrm || CASE WHEN hint <> '' THEN E'\n' || hint ELSE '' END;
END
$$;

-- nothing_ingested_yet
SELECT * FROM ingest_result();

-- every_kind_of_value_comes_back
BEGIN;
INSERT INTO point (ts, device_id, metric, value) VALUES
	('2024-01-01 00:00', 'kinds', 'any', '25.5'),
	('2024-01-01 00:01', 'kinds', 'any', '"open"'),
	('2024-01-01 00:02', 'kinds', 'any', 'true'),
	('2024-01-01 00:03', 'kinds', 'any', '{"a": [1, null]}'),
	('2024-01-01 00:04', 'kinds', 'any', '{"$geo":[52.1,5.2,-3]}'),
	('2024-01-01 00:05', 'kinds', 'any', '{"$binary":"3q0="}'),
	('2024-01-01 00:06', 'kinds', 'any', '""'),
	('2024-01-01 00:07', 'kinds', 'any', 'false'),
	('2024-01-01 00:08', 'kinds', 'any', '{"$binary":""}');
SELECT * FROM ingest_result();
COMMIT;
SELECT ts, value, kind(value), num FROM point WHERE device_id = 'kinds' ORDER BY ts;

-- numbers_are_kept_to_the_bit: NaN and infinities, too
BEGIN;
INSERT INTO point (ts, device_id, metric, value)
SELECT '2024-01-01'::timestamptz + i * interval '1 second', 'numbers', 'n', f::value
FROM unnest(ARRAY['NaN', 'Infinity', '-Infinity', '-0', '0', '5e-324', '-1.7976931348623157e308', '0.1', '1e15',
	'9007199254740993', '0.30000000000000004', '123456.789']::float8[]) WITH ORDINALITY AS u (f, i);
SELECT accepted, rejected, rows FROM ingest_result();
COMMIT;
SELECT value, num FROM point WHERE device_id = 'numbers' ORDER BY ts;

-- columns_come_in_any_order, and those left out are null
INSERT INTO point (metric, value, ts, device_id) VALUES ('order', '1', '2024-01-01', 'columns');
INSERT INTO point (metadata, device_id, tags, metric, unit, ts, value)
	VALUES ('{"m": 1}', 'columns', '{"t": [1, 2]}', 'order', '°C', '2024-01-02', '2');
INSERT INTO point VALUES ('2024-01-03', 'columns', 'order', '3', '', '{}', '{}');
INSERT INTO point VALUES ('2024-01-04', 'columns', 'order', '4', 'V', NULL, '{"only": "metadata"}', NULL);
SELECT ts, device_id, metric, value, unit, unit IS NULL AS no_unit, tags, metadata, num
FROM point WHERE device_id = 'columns' ORDER BY ts;

-- attributes_are_those_of_their_point, not of its neighbour or of another day
INSERT INTO point (ts, device_id, metric, value, unit, tags)
SELECT '2024-01-01 23:58'::timestamptz + i * interval '1 minute', 'attributes', 'm', i::float8::value,
	CASE WHEN i < 2 THEN 'V' END, CASE WHEN i IN (1, 5) THEN jsonb_build_object('i', i) END
FROM generate_series(0, 5) AS i;
SELECT ts, num, unit, tags FROM point WHERE device_id = 'attributes' ORDER BY ts;

-- a_number_column_can_only_be_read
SELECT pg_temp.failure($$INSERT INTO point (ts, device_id, metric, value, num) VALUES (now(), 'd', 'm', '1', 1)$$);
BEGIN;
INSERT INTO point (ts, device_id, metric, value, num) VALUES ('2024-01-01', 'num', 'm', '1', NULL), ('2024-01-02', 'num', 'm', '2', DEFAULT);
SELECT accepted FROM ingest_result();
COMMIT;

-- bad_text_of_a_column_fails_the_statement: this is not about points
SELECT pg_temp.failure($$INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-01', 'd', 'm', 'open')$$);

-- copy_text
BEGIN;
COPY point (ts, device_id, metric, value, unit, tags) FROM STDIN;
2024-02-01 00:00:00+00	copy	text	1.5	V	{"a": 1}
2024-02-01 01:00:00+01	copy	text	2.5	\N	\N
2024-02-01 00:00:01+00	copy	text	"tab\\there"	V	\N
2024-02-01 00:00:02+00	\N	text	1	\N	\N
2024-02-01 00:00:03+00	copy	text	{"$geo":[1,2]}	\N	\N
\.
SELECT * FROM ingest_result();
COMMIT;
-- copy_csv
BEGIN;
COPY point (device_id, metric, value, ts) FROM STDIN (FORMAT csv, HEADER);
device_id,metric,value,ts
copy,csv,1,2024-02-01T00:00:00Z
copy,csv,"""say \""hi\""""",2024-02-01T00:00:01Z
,csv,1,2024-02-01T00:00:02Z
"",csv,1,2024-02-01T00:00:02Z
\.
SELECT * FROM ingest_result();
COMMIT;
SELECT ts, metric, value, unit, tags FROM point WHERE device_id = 'copy' ORDER BY metric, ts;
-- copy_where: what is left out was never received
BEGIN;
COPY point (device_id, metric, value, ts) FROM STDIN (FORMAT csv) WHERE metric = 'where';
copy,where,1,2024-02-01T00:00:00Z
copy,other,1,2024-02-01T00:00:01Z
\.
SELECT * FROM ingest_result();
COMMIT;

-- copied_out_and_in_again_is_the_same, in each format
CREATE TEMP TABLE before AS SELECT ts, device_id, metric, value::text, unit, tags, metadata, num FROM point;
SELECT count(*) FROM before;
COPY (SELECT ts, device_id, metric, value, unit, tags, metadata FROM point) TO '/tmp/telemetry_point.text';
COPY (SELECT ts, device_id, metric, value, unit, tags, metadata FROM point) TO '/tmp/telemetry_point.csv' (FORMAT csv, HEADER);
COPY (SELECT ts, device_id, metric, value, unit, tags, metadata FROM point) TO '/tmp/telemetry_point.binary' (FORMAT binary);
CREATE FUNCTION pg_temp.differences() RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM (
		(SELECT ts, device_id, metric, value::text, unit, tags, metadata, num FROM telemetry.point EXCEPT ALL TABLE before)
		UNION ALL
		(TABLE before EXCEPT ALL SELECT ts, device_id, metric, value::text, unit, tags, metadata, num FROM telemetry.point)) AS d
$$;
TRUNCATE block;
BEGIN;
COPY point (ts, device_id, metric, value, unit, tags, metadata) FROM '/tmp/telemetry_point.text';
SELECT received, accepted, pg_temp.differences() FROM ingest_result();
COMMIT;
TRUNCATE block;
BEGIN;
COPY point (ts, device_id, metric, value, unit, tags, metadata) FROM '/tmp/telemetry_point.csv' (FORMAT csv, HEADER);
SELECT received, accepted, pg_temp.differences() FROM ingest_result();
COMMIT;
TRUNCATE block;
BEGIN;
COPY point (ts, device_id, metric, value, unit, tags, metadata) FROM '/tmp/telemetry_point.binary' (FORMAT binary);
SELECT received, accepted, pg_temp.differences() FROM ingest_result();
COMMIT;
\! rm -f /tmp/telemetry_point.text /tmp/telemetry_point.csv /tmp/telemetry_point.binary
SELECT pg_temp.failure('COPY telemetry.point TO ''/tmp/telemetry_point.text''');

--
-- Rows that break a rule
--

-- The result of one row, and the dead letter that it left.
CREATE FUNCTION pg_temp.try(ts text, device text, metric text, value text, unit text DEFAULT NULL, tags text DEFAULT NULL, metadata text DEFAULT NULL)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result record;
	letter record;
BEGIN
	DELETE FROM telemetry.dead_letter;
	EXECUTE format('INSERT INTO telemetry.point (ts, device_id, metric, value, unit, tags, metadata) VALUES ($1, $2, $3, %L, $4, $5, $6)', value)
		USING ts::timestamptz, device, metric, unit, tags::jsonb, metadata::jsonb;
	SELECT * INTO result FROM telemetry.ingest_result();
	SELECT * INTO letter FROM telemetry.dead_letter;
	IF result.accepted = 1 THEN
		RETURN CASE WHEN letter IS NULL AND result.rows = '[]' THEN 'accepted' ELSE 'accepted?' END;
	END IF;
	IF result.rejected <> 1 OR result.rows -> 0 ->> 'row' <> '0' OR result.rows -> 0 ->> 'status' <> 'rejected'
		OR result.rows -> 0 ->> 'code' <> letter.code OR result.rows -> 0 ->> 'message' <> letter.reason
		OR letter.kind <> 'point' OR letter.sender <> current_user OR letter.received_at <> now()
	THEN
		RETURN 'result and dead letter differ: ' || result::text || letter::text;
	END IF;
	RETURN letter.code || ': ' || letter.reason;
END
$$;

-- what_is_missing
SELECT pg_temp.try(NULL, 'd', 'm', '1');
SELECT pg_temp.try('2024-01-01', NULL, 'm', '1');
SELECT pg_temp.try('2024-01-01', 'd', NULL, '1');
SELECT pg_temp.try('2024-01-01', 'd', 'm', NULL);
SELECT pg_temp.try(NULL, NULL, NULL, NULL);

-- keys_have_1_to_128_bytes, which are fewer characters than that if some take more than one
SELECT n, pg_temp.try('2024-01-01', repeat('d', n), 'm', '1') AS device, pg_temp.try('2024-01-01', 'd', repeat('m', n), '1') AS metric
FROM unnest(ARRAY[0, 1, 127, 128, 129, 5000]) AS n;
SELECT n, pg_temp.try('2024-01-01', repeat('é', n), 'm', '1') AS device, pg_temp.try('2024-01-01', 'd', repeat('é', n), '1') AS metric
FROM unnest(ARRAY[64, 65]) AS n;

-- keys_have_no_control_characters: C0, DEL and C1, while their neighbours are fine
SELECT to_hex(c) AS code_point, pg_temp.try('2024-01-01', 'd' || chr(c), 'm', '1') AS device, pg_temp.try('2024-01-01', 'd', chr(c) || 'm', '1') AS metric
FROM unnest(ARRAY[1, 9, 10, 31, 32, 126, 127, 128, 159, 160, 8232]) AS c;
-- A key that was found bad stays bad for all of its rows in the statement.
BEGIN;
INSERT INTO point (ts, device_id, metric, value)
SELECT '2024-01-01'::timestamptz + i * interval '1 s', E'bad\x01', 'm', '1' FROM generate_series(1, 3) AS i;
SELECT * FROM ingest_result();
COMMIT;

-- timestamps_are_finite, and any in the past from 4713 BC on is fine
SELECT t, pg_temp.try(t, 'edges of time', 'm', '1')
FROM unnest(ARRAY['infinity', '-infinity', '4714-11-24 00:00:00+00 BC', '0001-01-01', '1900-01-01', '1969-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999']) AS t;
SELECT ts FROM point WHERE device_id = 'edges of time' ORDER BY ts;

-- timestamps_are_at_most_max_future_ahead
SELECT pg_temp.try((now() + interval '5 minutes')::text, 'd', 'future', '1');
SELECT regexp_replace(pg_temp.try((now() + interval '7 minutes')::text, 'd', 'future', '1'), '\d{4}-\S+ \S+', '(when)');
SET telemetry.max_future = '10 min';
SELECT pg_temp.try((now() + interval '7 minutes')::text, 'd', 'future', '1');
SET telemetry.max_future = 0;
SELECT regexp_replace(pg_temp.try((now() + interval '1 minute')::text, 'd', 'future', '1'), '\d{4}-\S+ \S+', '(when)');
SELECT pg_temp.try(now()::text, 'd', 'future', '1');
RESET telemetry.max_future;

-- units_are_up_to_128_bytes_without_control_characters
SELECT pg_temp.try('2024-01-01', 'd', 'm', '1', repeat('u', 128));
SELECT pg_temp.try('2024-01-01', 'd', 'm', '1', repeat('u', 129));
SELECT pg_temp.try('2024-01-01', 'd', 'm', '1', E'\x7f');
SELECT pg_temp.try('2024-01-01', 'd', 'm', '1', E'm\u0085s');
SELECT pg_temp.try('2024-01-01', 'd', 'm', '1', '');

-- tags_and_metadata_are_objects
SELECT j, pg_temp.try('2024-01-01', 'd', 'm', '1', NULL, j) AS tags, pg_temp.try('2024-01-01', 'd', 'm', '1', NULL, NULL, j) AS metadata
FROM unnest(ARRAY['{}', '{"a": {"b": [1]}}', '[]', '[{}]', 'null', '1', '"a"', 'true']) AS j;

-- values_tags_and_metadata_are_limited_in_size
SET telemetry.max_value_size = 1024;
SELECT pg_temp.try('2024-01-01', 'd', 'size', to_jsonb(repeat('x', 1024))::text);
SELECT pg_temp.try('2024-01-01', 'd', 'size', to_jsonb(repeat('x', 1025))::text);
-- UTF-8 counts bytes
SELECT pg_temp.try('2024-01-01', 'd', 'size', to_jsonb(repeat('é', 513))::text);
SELECT pg_temp.try('2024-01-01', 'd', 'size', jsonb_build_object('$binary', encode(repeat('x', 1025)::bytea, 'base64'))::text);
SELECT regexp_replace(pg_temp.try('2024-01-01', 'd', 'size', '1', NULL, jsonb_build_object('t', repeat('x', 1024))::text), '\d{4}', '(size)');
SELECT regexp_replace(pg_temp.try('2024-01-01', 'd', 'size', '1', NULL, NULL, jsonb_build_object('t', repeat('x', 1024))::text), '\d{4}', '(size)');
RESET telemetry.max_value_size;
-- A value that TOAST would compress or keep out of line is taken by its full size.
CREATE TEMP TABLE large AS SELECT repeat('x', 1000000)::value AS v UNION ALL SELECT repeat('x', 1048577)::value;
BEGIN;
INSERT INTO point (ts, device_id, metric, value) SELECT '2024-01-01', 'd', 'large', v FROM large;
SELECT accepted, rejected, rows FROM ingest_result();
COMMIT;
SELECT length(value::text), value::text = repeat('x', 1000000) AS same FROM point WHERE metric = 'large';
-- (whether the range is given with its unit varies)
SELECT split_part(pg_temp.failure('SET telemetry.max_value_size = 100'), ' (', 1) AS failure;

-- dead_letters_show_the_row: large fields are cut or left out
DELETE FROM dead_letter;
INSERT INTO point (ts, device_id, metric, value, unit, tags, metadata) VALUES
	('infinity', E'quote"tab\t', 'm', '{"$geo":[1,2]}', 'V', '{"t": 1}', '{"m": 2}'),
	('-infinity', 'd', 'm', 'NaN', NULL, NULL, NULL),
	(NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('infinity', 'd', 'm', '"text"', repeat('é', 5000), jsonb_build_object('long', repeat('x', 5000)), NULL),
	('infinity', repeat('x', 5001), 'm', repeat('x', 5000)::value, NULL, NULL, NULL);
SELECT kind, code, reason, sender = current_user AS mine,
	CASE WHEN octet_length(payload::text) < 500 THEN payload ELSE (SELECT jsonb_object_agg(key, octet_length(value)) FROM jsonb_each_text(payload)) END AS payload
FROM dead_letter ORDER BY id;

-- positions_count_all_rows, good and bad
BEGIN;
INSERT INTO point (ts, device_id, metric, value)
SELECT CASE WHEN i IN (3, 999) THEN 'infinity' ELSE '2024-03-01'::timestamptz + least(i, 997) * interval '1 second' END,
	CASE WHEN i IN (0, 500) THEN '' ELSE 'positions' END, 'm', i::float8::value
FROM generate_series(0, 999) AS i;
SELECT received, accepted, duplicates, conflicts, rejected FROM ingest_result();
SELECT r ->> 'row' AS row, r ->> 'status' AS status, r ->> 'code' AS code, r ->> 'message' AS message FROM ingest_result() AS i, jsonb_array_elements(i.rows) AS r;
COMMIT;

-- repeats_within_a_statement: the last row wins; those before are told by whether they said the same
BEGIN;
INSERT INTO point (ts, device_id, metric, value, unit) VALUES
	('2024-03-01', 'repeats', 'm', '1', NULL), ('2024-03-01', 'repeats', 'm', '2', NULL), ('2024-03-01', 'repeats', 'm', '2', 'V'), ('2024-03-01', 'repeats', 'm', '2', NULL),
	('2024-03-02', 'repeats', 'm', '"a"', 'V'), ('2024-03-02', 'repeats', 'm', '"a"', 'V');
SELECT received, accepted, duplicates, rejected FROM ingest_result();
SELECT r ->> 'row' AS row, r ->> 'status' AS status, r ->> 'code' AS code, r ->> 'message' AS message FROM ingest_result() AS i, jsonb_array_elements(i.rows) AS r;
COMMIT;
SELECT ts, value, unit FROM point WHERE device_id = 'repeats' ORDER BY ts;

-- max_result_rows_limits_the_list_only
SET telemetry.max_result_rows = 2;
DELETE FROM dead_letter;
BEGIN;
INSERT INTO point (ts, device_id, metric, value) SELECT 'infinity', 'd' || i, 'm', '1' FROM generate_series(1, 600) AS i;
SELECT * FROM ingest_result();
COMMIT;
SELECT count(*), min(payload ->> 'device_id'), count(DISTINCT payload) FROM dead_letter;
SET telemetry.max_result_rows = 0;
BEGIN;
INSERT INTO point (ts, device_id, metric, value) VALUES ('infinity', 'd', 'm', '1');
SELECT * FROM ingest_result();
COMMIT;
RESET telemetry.max_result_rows;

-- no_rows
BEGIN;
INSERT INTO point (ts, device_id, metric, value) SELECT now(), 'd', 'm', '1' WHERE false;
SELECT * FROM ingest_result();
COMMIT;

-- a_result_is_told_in_its_transaction_only: behind a pooler the session's last statement may be another client's
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-04-01', 'another', 'm', '1'), ('infinity', 'another', 'm', '1');
SELECT * FROM ingest_result();
BEGIN;
SAVEPOINT s;
SELECT pg_temp.failure('SELECT * FROM telemetry.ingest_result()');
ROLLBACK TO s;
INSERT INTO event (stream, event_type) VALUES ('nowhere', 'x');
SELECT received, rejected FROM ingest_result();
COMMIT;
SELECT * FROM ingest_result();
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-04-01', 'another', 'm', '1')\; SELECT received, accepted FROM ingest_result();

-- a_failed_transaction_leaves_no_result, nor points, nor dead letters
DELETE FROM dead_letter;
BEGIN;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-04-01', 'failed', 'm', '1'), ('infinity', 'failed', 'm', '1');
SELECT accepted, rejected FROM ingest_result();
ROLLBACK;
SELECT * FROM ingest_result();
SELECT (SELECT count(*) FROM point WHERE device_id = 'failed') AS points, (SELECT count(*) FROM dead_letter) AS letters;
-- a_statement_that_fails_half_way
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-04-01', 'failed', 'm', '1');
INSERT INTO point (ts, device_id, metric, value) SELECT '2024-04-01'::timestamptz, 'failed', 'm', (1 / (3 - i))::float8::value FROM generate_series(1, 3) AS i;
SELECT * FROM ingest_result();
SELECT value FROM point WHERE device_id = 'failed';
-- a_result_goes_with_its_savepoint
BEGIN;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-04-01', 'kept', 'm', '1'), ('2024-04-02', 'kept', 'm', '1');
SAVEPOINT s;
SELECT 1 / 0;
ROLLBACK TO s;
SELECT accepted AS kept FROM ingest_result();
SAVEPOINT t;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-04-03', 'kept', 'm', '1');
RELEASE t;
SELECT accepted AS released FROM ingest_result();
ROLLBACK TO s;
SELECT pg_temp.failure('SELECT accepted FROM telemetry.ingest_result()') AS rolled_back;
COMMIT;

-- two_inserts_in_one_statement: the last one to end is told of, with its own rows only
BEGIN;
WITH one AS (
	INSERT INTO point (ts, device_id, metric, value) VALUES ('infinity', 'first', 'm', '1'), ('2024-04-01', 'first', 'm', '1') RETURNING ts)
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-04-01', 'second', 'm', '1'), ('2024-04-02', 'second', 'm', '1'), ('2024-04-03', '', 'm', '1');
SELECT i.received = 1 + jsonb_array_length(i.rows) OR i.received = 2 + jsonb_array_length(i.rows) AS consistent, jsonb_array_length(i.rows) AS rows FROM ingest_result() AS i;
COMMIT;
SELECT device_id, ts FROM point WHERE device_id IN ('first', 'second') ORDER BY 1, 2;

TRUNCATE block, dead_letter;
