-- telemetry.ingest(): bodies, answers, the reading of times and values, and every reason to refuse.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = pg_catalog, pg_temp;

-- The error of a statement that fails: code and message.
CREATE FUNCTION pg_temp.failure(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate || ' ' || sqlerrm;
END
$$;

CREATE FUNCTION pg_temp.refusal(body text, device text DEFAULT NULL, kind text DEFAULT NULL) RETURNS text
	LANGUAGE sql AS $$ SELECT pg_temp.failure(format('SELECT telemetry.ingest(%L, %L, %L)', body, device, kind)) $$;

-- The answer to a point with one member replaced; without the member if it is null.
CREATE FUNCTION pg_temp.answer(member text, content jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(nullif(concat_ws(': ', a ->> 'code', a ->> 'detail'), ''), 'ingested')
	FROM (VALUES (jsonb '{"timestamp": "2025-12-18T10:00:00Z", "metric_name": "m", "value": 1}')) AS t (p),
		telemetry.ingest(CASE WHEN content IS NULL THEN p - member ELSE p || jsonb_build_object(member, content) END, 'probe') AS a
$$;

-- single_point_is_stored_and_confirmed
BEGIN;
SELECT telemetry.ingest('{"timestamp": "2025-12-18T10:00:00Z", "metric_name": "temperature", "value": 25.5, "unit": "celsius",
	"tags": {"location": "room_1"}, "metadata": {"firmware": "1.2"}, "of no meaning": 1}', 'device_001');
SELECT * FROM telemetry.point WHERE device_id = 'device_001';
SELECT * FROM telemetry.ingest_result();
COMMIT;

-- a_point_may_name_its_device
SELECT telemetry.ingest('{"device_id": "own", "timestamp": 0, "metric_name": "m", "value": 1}') ->> 'device_id' AS device;
SELECT telemetry.ingest('{"device_id": "own", "timestamp": 1, "metric_name": "m", "value": 1}', 'own') ->> 'device_id' AS device;
SELECT telemetry.ingest('{"device_id": null, "timestamp": 1, "metric_name": "m", "value": 1}', 'given') ->> 'device_id' AS device;
SELECT pg_temp.refusal('{"device_id": "own", "timestamp": 1, "metric_name": "m", "value": 1}', 'other');
SELECT pg_temp.refusal('{"device_id": 7, "timestamp": 1, "metric_name": "m", "value": 1}');

-- a_rejected_point_says_why
SELECT telemetry.ingest('{"metric_name": "m", "value": 1}', 'd');
SELECT telemetry.ingest('{}', 'd');
SELECT telemetry.ingest('{"timestamp": 1, "metric_name": "m", "value": 1}');
SELECT telemetry.ingest('{"timestamp": 1, "metric_name": "m", "value": 1}', '');
SELECT telemetry.ingest('{"timestamp": 1, "metric_name": "m", "value": 1}', repeat('d', 129));
SELECT telemetry.ingest('{"timestamp": 1, "metric_name": "m", "value": 1}', E'a\tb');

-- each_member_is_checked_by_type
SELECT member, content, pg_temp.answer(member, content)
FROM unnest(ARRAY['timestamp', 'metric_name', 'value', 'unit', 'tags', 'metadata']) WITH ORDINALITY AS m (member, i),
	unnest(ARRAY[NULL, 'null', '1', '"2025-12-18T10:00:00Z"', 'true', '[]', '{}']::jsonb[]) WITH ORDINALITY AS c (content, j)
ORDER BY i, j;

-- contents_are_checked_by_the_rules_of_rows
SELECT member, left(content::text, 20) AS content, pg_temp.answer(member, content)
FROM (VALUES
	('metric_name', '""'::jsonb), ('metric_name', to_jsonb(repeat('m', 129))), ('metric_name', '"a\nb"'), ('metric_name', to_jsonb(repeat('m', 128))),
	('unit', to_jsonb(repeat('u', 129))), ('unit', '"a\u0007"'), ('unit', '""'),
	('value', '1e400'), ('value', '{"$geo": [91, 0]}'), ('value', '{"$geo": [52.1, 5.2]}'), ('value', '{"$binary": "%"}'), ('value', '{"$binary": "3q0="}'),
	('value', to_jsonb(repeat('v', 1024 * 1024 + 1)))) AS t (member, content);

-- values_of_every_kind_are_kept
SELECT count(telemetry.ingest(jsonb_build_object('timestamp', i, 'metric_name', 'kind', 'value', v), 'kinds'))
FROM unnest(ARRAY['1.50', '-1e-400', '"open"', '""', 'true', 'false', '{"b": 1, "a": [null]}', '[]', '{"$geo": [1, 2, 3]}', '{"$binary": ""}']::jsonb[])
	WITH ORDINALITY AS t (v, i);
SELECT ts, value, telemetry.kind(value), num FROM telemetry.point WHERE device_id = 'kinds' ORDER BY ts;

-- times_in_text_are_read_as_timestamptz_reads_them
CREATE TEMP TABLE times (form text, i int GENERATED ALWAYS AS IDENTITY);
INSERT INTO times (form) VALUES
	('2025-12-18T10:00:00Z'), ('2025-12-18t10:00:00z'), ('2025-12-18 10:00:00'), ('2025-12-18T10:00'), ('2025-12-18T10:00Z'), ('2025-12-18T10:00+02'),
	('2025-12-18T10:00:00+02:00'), ('2025-12-18T10:00:00-0330'), ('2025-12-18T10:00:00+15:59'), ('2025-12-18T10:00:00-00:00'),
	('2025-12-18T10:00:00.5Z'), ('2025-12-18T10:00:00.123456Z'), ('2025-12-18T10:00:00.1234564Z'), ('2025-12-18T10:00:00.1234565Z'),
	('2025-12-18T10:00:00.123456789012345678901234567890123456789Z'), ('2025-12-18T10:00:00.9999999Z'), ('2025-12-18T23:59:59.9999999'),
	('2016-12-31T23:59:60Z'), ('2024-02-29T00:00:00Z'), ('2000-02-29T00:00:00Z'), ('0001-01-01T00:00:00Z'), ('1969-12-31T23:59:59.999999Z'),
	('1582-10-10T00:00:00Z'), ('1999-12-31T23:59:59.999999-15:59');
SELECT pg_temp.answer('timestamp', to_jsonb(form)) AS answer, count(*) FROM times GROUP BY 1;
-- Its key finds each of them.
SELECT form, (SELECT ts FROM telemetry.point WHERE device_id = 'probe' AND metric = 'm' AND ts = form::timestamptz) FROM times ORDER BY i;
-- timestamptz has no fractions of a leap second; RFC 3339 does.
SELECT pg_temp.answer('timestamp', '"2016-12-31T23:59:60.25Z"') AS answer;
SELECT ts FROM telemetry.point WHERE device_id = 'probe' AND ts > '2017-01-01 00:00:00Z' AND ts < '2017-01-01 00:00:01Z';

-- other_times_in_text_are_invalid
SELECT form, pg_temp.answer('timestamp', to_jsonb(form)) FROM unnest(ARRAY[
	'', ' ', 'now', 'today', 'yesterday', 'tomorrow', 'epoch', 'infinity', '-infinity', 'allballs', '1734516000',
	'2025-12-18', '2025-12-18T', '2025-12-18T10', '2025-12-18T10:', '2025-12-18T10:0', '2025-12-18T10:00:', '2025-12-18T10:00:0', '2025-12-18T10:00:00.', '2025-12-18T10:00:00.Z',
	'2025-12-18T10:00:00,5Z', '2025-12-18T10:00.5Z', '2025-12-18T10:00:00 Z', ' 2025-12-18T10:00:00Z', '2025-12-18T10:00:00Z ', '2025-12-18  10:00:00Z', '2025-12-18_10:00:00Z',
	'2025-13-18T10:00:00Z', '2025-00-18T10:00:00Z', '2025-12-32T10:00:00Z', '2025-12-00T10:00:00Z', '2025-02-29T10:00:00Z', '1900-02-29T10:00:00Z', '2025-04-31T10:00:00Z',
	'0000-01-01T00:00:00Z', '10000-01-01T00:00:00Z', '-001-01-01T00:00:00Z', '25-12-18T10:00:00Z', '18/12/2025 10:00:00', '20251218T100000Z', '2025-12-18T100000Z', '2025-W51-4T10:00:00Z',
	'2025-12-18T24:00:00Z', '2025-12-18T10:60:00Z', '2025-12-18T10:00:61Z', '2025-12-18T+1:00:00Z', '2025-12-18T10:00:00+16:00', '2025-12-18T10:00:00+01:60', '2025-12-18T10:00:00+1', '2025-12-18T10:00:00+01:',
	'2025-12-18T10:00:00+01:0', '2025-12-18T10:00:00+01:00:00', '2025-12-18T10:00:00ZZ', '2025-12-18T10:00:00+', '2025-12-18T10:00:00 PST', '2025-12-18T10:00:00 Europe/Berlin', '2025-12-18T10:00:00 BC',
	'２０２５-12-18T10:00:00Z', repeat('é', 100)]) AS form;

-- times_in_numbers_are_seconds_or_milliseconds
CREATE TEMP TABLE numbers (n numeric, i int GENERATED ALWAYS AS IDENTITY);
INSERT INTO numbers (n) VALUES (0), (1766052000), (1766052000.5), (1766052000.123456), (1766052000.1234565), (1766052000000), (1766052000123), (1766052000123.4567),
	(-1), (-0.0000005), (-20000000000), (-20000000001), (-62135596800000);
SELECT pg_temp.answer('timestamp', to_jsonb(n)) AS answer, count(*) FROM numbers GROUP BY 1;
SELECT n, (SELECT ts FROM telemetry.point WHERE device_id = 'probe' AND metric = 'm'
	AND ts = 'epoch'::timestamptz + round(n * CASE WHEN abs(n) > 2e10 THEN 1000 ELSE 1000000 END)::bigint * interval '1 microsecond') FROM numbers ORDER BY i;
SELECT left(n::text, 20) AS n, pg_temp.answer('timestamp', to_jsonb(n)) AS answer FROM unnest(ARRAY[-62135596800001, 253402300800000, 1e300, -1e300, 1e5000]) AS n;
SELECT pg_temp.answer('timestamp', '20000000000') LIKE 'timestamp_in_future: timestamp 2603-10-11 11:33:20+00 is more than 300 s ahead%' AS seconds_go_to_2603;

-- the_future_ends_at_max_future
SELECT pg_temp.answer('timestamp', to_jsonb(now() + interval '200 s')) AS near,
	split_part(pg_temp.answer('timestamp', to_jsonb(now() + interval '400 s')), ':', 1) AS far;

-- batch_counts_what_was_stored_and_lists_the_rest
BEGIN;
SELECT jsonb_pretty(telemetry.ingest('{"data_points": [
	{"timestamp": "2025-12-18T10:00:00Z", "metric_name": "temperature", "value": 25.5},
	{"timestamp": "yesterday", "metric_name": "humidity", "value": 60},
	{"timestamp": "2025-12-18T10:00:00Z", "metric_name": "humidity", "value": 60},
	{"timestamp": "2025-12-18T10:00:01Z", "value": 60},
	7, null, [1],
	{"timestamp": "2025-12-18T10:00:01Z", "metric_name": 7, "value": 60},
	{"timestamp": "2025-12-18T10:00:02Z", "metric_name": "humidity", "value": null}], "compression": null, "batch_id": null}', 'batch'));
SELECT metric, ts, value FROM telemetry.point WHERE device_id = 'batch' ORDER BY 1, 2;
SELECT received, accepted, duplicates, conflicts, rejected, jsonb_path_query_array(rows, '$[*].row') AS rows FROM telemetry.ingest_result();
COMMIT;

-- repeats_within_a_batch_count_as_ingested_and_the_last_wins
BEGIN;
SELECT telemetry.ingest('{"data_points": [
	{"timestamp": 1, "metric_name": "a", "value": 1}, {"timestamp": 1, "metric_name": "a", "value": 2}, {"timestamp": 2, "metric_name": "a", "value": 3},
	{"timestamp": 2, "metric_name": "a", "value": 3}], "compression": "gzip"}', 'repeats');
SELECT ts, value FROM telemetry.point WHERE device_id = 'repeats' ORDER BY ts;
SELECT received, accepted, duplicates, rejected FROM telemetry.ingest_result();
COMMIT;

-- answers_are_complete_however_few_rows_ingest_result_shows
SET telemetry.max_result_rows = 1;
BEGIN;
SELECT a -> 'failed_count' AS failed, jsonb_path_query_array(a, '$.errors[*].index') AS indexes
FROM telemetry.ingest('{"data_points": [1, {"timestamp": 1, "metric_name": "", "value": 1}, 3]}', 'complete') AS a;
SELECT rejected, jsonb_array_length(rows) AS shown FROM telemetry.ingest_result();
COMMIT;
RESET telemetry.max_result_rows;

-- answers_are_complete_however_often_memory_is_flushed
SET telemetry.batch_memory = '256kB';
SELECT a -> 'ingested_count' AS ingested, jsonb_path_query_array(a, '$.errors[*].index') AS indexes
FROM telemetry.ingest(jsonb_build_object('data_points', (SELECT jsonb_agg(CASE WHEN i % 333 = 0 THEN '1'
	ELSE jsonb_build_object('timestamp', i, 'metric_name', 'm', 'value', repeat(i::text, 500)) END ORDER BY i) FROM generate_series(1, 1000) AS i)), 'flushed') AS a;
SELECT count(*), count(DISTINCT value) FROM telemetry.point WHERE device_id = 'flushed';
RESET telemetry.batch_memory;

-- repeats_are_counted_exactly_then, too
SET telemetry.batch_memory = '256kB';
SELECT a -> 'ingested_count' AS ingested, a -> 'replaced_count' AS replaced
FROM telemetry.ingest(jsonb_build_object('batch_id', 'repeated', 'data_points', (SELECT jsonb_agg(jsonb_build_object('timestamp', 7 + i % 7 * 1e-7, 'metric_name', 'm' || i % 5,
	'value', repeat(i::text, 500)) ORDER BY i) FROM generate_series(1, 1000) AS i)), 'repeated') AS a;
SELECT replaced_count FROM telemetry.receipt WHERE batch_id = 'repeated';
SELECT count(*) FROM telemetry.point WHERE device_id = 'repeated';
RESET telemetry.batch_memory;

-- a_name_too_long_to_store_is_told_in_part
SELECT a #>> '{errors,0,metric_name}' = repeat('é', 64) AS told, a #>> '{errors,0,error}' AS error
FROM telemetry.ingest(jsonb_build_object('data_points', jsonb_build_array(jsonb_build_object('timestamp', 1, 'metric_name', repeat('é', 2000), 'value', 1))), 'd') AS a;

-- bulk_answers_for_each_device
BEGIN;
SELECT jsonb_pretty(telemetry.ingest('{
	"device_002": [{"timestamp": "2025-12-18T10:00:00Z", "metric_name": "bulk", "value": 26}],
	"device_001": [{"timestamp": "2025-12-18T10:00:00Z", "metric_name": "bulk", "value": 25}, {"metric_name": "bulk"}],
	"idle": [], "": [{"timestamp": 1, "metric_name": "bulk", "value": 1}], "data_points_2": [7]}'));
SELECT device_id, ts, value FROM telemetry.point WHERE metric = 'bulk' ORDER BY 1, 2;
SELECT received, accepted, rejected, jsonb_path_query_array(rows, '$[*].row') AS rows FROM telemetry.ingest_result();
COMMIT;
SELECT telemetry.ingest('{"a": []}');

-- kind_overrules_what_a_body_looks_like
SELECT telemetry.ingest('{"data_points": [{"timestamp": 1, "metric_name": "m", "value": 1}]}', 'd', 'single');
SELECT telemetry.ingest('{"data_points": [{"timestamp": 1, "metric_name": "kind", "value": 1}], "value": []}', NULL, 'bulk') -> 'results' -> 'data_points' AS device;
SELECT jsonb_object_keys(telemetry.ingest('{"timestamp": [{"timestamp": 1, "metric_name": "kind", "value": 1}]}') -> 'results') AS device;
SELECT pg_temp.refusal('{"timestamp": 1, "metric_name": "m", "value": 1}', 'd', 'batch');
SELECT jsonb_path_query_array(telemetry.ingest('{"timestamp": 1, "metric_name": "m", "value": 1}', NULL, 'bulk'), '$.results.*.errors[*].error') AS errors;
SELECT pg_temp.refusal('{}', 'd', 'Single');
SELECT pg_temp.refusal('{}', 'd', '');

-- bodies_of_the_wrong_shape_raise
CREATE FUNCTION pg_temp.points(n int) RETURNS jsonb LANGUAGE sql AS $$
	SELECT coalesce(jsonb_agg(jsonb_build_object('timestamp', i, 'metric_name', 'shape', 'value', i)), '[]') FROM generate_series(1, n) AS i $$;
SELECT body, pg_temp.refusal(body, 'd') FROM unnest(ARRAY[
	NULL, 'null', '1', '"a"', 'true', '[]', '[{}]', '{"data_points": null}', '{"data_points": {}}', '{"data_points": "a"}', '{"data_points": []}',
	'{"data_points": [1], "compression": "zip"}', '{"data_points": [1], "compression": "GZIP"}', '{"data_points": [1], "compression": true}',
	'{"data_points": [1], "batch_id": ""}', '{"data_points": [1], "batch_id": 7}', '{"data_points": [1], "batch_id": "a\u001fb"}', '{"data_points": [1], "batch_id": {}}',
	'{"data_points": [1], "device_id": "e"}', '{"data_points": [1], "device_id": []}']) AS body;
SELECT pg_temp.refusal(body) FROM unnest(ARRAY['{}', '{"data_points": [1]}']) AS body;
SELECT pg_temp.refusal('{"a": []}', 'd', 'bulk');
SELECT pg_temp.refusal(jsonb_build_object('data_points', jsonb_build_array(1), 'batch_id', repeat('b', 129))::text, 'd') AS long_id;
SELECT pg_temp.refusal(jsonb_build_object('data_points', pg_temp.points(1001))::text, 'd') AS long_batch;
SELECT pg_temp.refusal((SELECT jsonb_object_agg('d' || i, pg_temp.points(CASE i WHEN 11 THEN 1 ELSE 1000 END)) FROM generate_series(1, 11) AS i)::text) AS long_bulk;

-- what_is_wrong_with_the_list_of_a_device_is_its_own_error
SELECT r.key AS device, r.value - 'errors' AS result, r.value -> 'errors' AS errors
FROM jsonb_each(telemetry.ingest(jsonb_build_object('good', pg_temp.points(2), 'none', '[]'::jsonb, 'number', 1, 'object', pg_temp.points(1) -> 0, 'null', NULL,
	'long', pg_temp.points(1001), 'mixed', pg_temp.points(1) || '[7]'))-> 'results') AS r;
SELECT device_id, count(*) FROM telemetry.point WHERE metric = 'shape' GROUP BY device_id;
-- a_device_whose_points_are_not_taken_does_not_count_for_the_limit_of_all
SELECT a - 'results' AS bulk, a #> '{results,d}' AS d
FROM telemetry.ingest((SELECT jsonb_object_agg('full_' || i, pg_temp.points(1000)) FROM generate_series(1, 10) AS i)
	|| jsonb_build_object('d', pg_temp.points(1001))) AS a;

-- limits_are_inclusive
SELECT telemetry.ingest(jsonb_build_object('data_points', pg_temp.points(1000)), repeat('d', 128)) - 'errors' AS batch;
SELECT a - 'results' AS bulk, a #> '{results,d10}' AS d10
FROM telemetry.ingest((SELECT jsonb_object_agg('d' || i, pg_temp.points(1000)) FROM generate_series(1, 10) AS i)) AS a;

-- nothing_of_a_body_that_raises_is_stored
SELECT count(*) FROM telemetry.point WHERE device_id IN ('a', 'b', 'd11');

-- rejected_points_are_kept_as_they_came
DELETE FROM telemetry.dead_letter;
SELECT jsonb_array_length(telemetry.ingest('{"data_points": [
	{"timestamp": "when", "metric_name": "m", "value": {"a": [1.50]}, "extra": true}, {"device_id": "another", "value": 1}, {}, 7, "x", null, [],
	{"timestamp": 1, "metric_name": "", "value": 1}]}', 'dead') -> 'errors') AS errors;
SELECT telemetry.ingest(jsonb_build_object('data_points', jsonb_build_array(jsonb_build_object('timestamp', 'when', 'metric_name', 'm', 'value', repeat('é', 100000)))), 'dead') -> 'failed_count' AS failed;
SELECT kind, code, reason, left(payload::text, 140) AS payload, length(payload::text) AS length, sender = current_user AS sender FROM telemetry.dead_letter ORDER BY id;

-- a_short_document_of_long_numbers_is_too_large
SELECT jsonb_path_query_array(a, '$.errors[*].code') AS codes, jsonb_path_query_array(a, '$.errors[*].error') AS errors
FROM telemetry.ingest(jsonb_build_object('batch_id', 'long numbers', 'data_points', (
	SELECT jsonb_agg(jsonb_build_object('timestamp', 1, 'metric_name', 'm', 'value', 1) || jsonb_build_object(member, content) ORDER BY i)
	FROM (VALUES
		(1, 'value', to_jsonb(array_fill(1e131071, ARRAY[10]))), (2, 'tags', jsonb_build_object('a', array_fill(1e131071, ARRAY[10]))),
		(3, 'metadata', jsonb_build_object('a', array_fill(1e-16383, ARRAY[100]))), (4, 'timestamp', to_jsonb(1e131071)), (5, 'value', to_jsonb(1e131071)),
		(6, 'ignored', to_jsonb(array_fill(1e131071, ARRAY[10]))), (7, 'value', to_jsonb(array_fill(25.5, ARRAY[100000])))
	) AS t (i, member, content))), 'dead') AS a;
SELECT payload FROM telemetry.dead_letter WHERE code IN ('invalid_value', 'invalid_tags', 'invalid_metadata') AND reason LIKE '% characters%' ORDER BY id;

-- a_failed_call_leaves_no_result
SELECT telemetry.ingest('[]', 'd');
SELECT received FROM telemetry.ingest_result();

-- a_writer_may_ingest_and_no_one_else
SELECT telemetry.ingest('{}', 'd') ->> 'code' AS code;
CREATE ROLE ingest_writer IN ROLE telemetry_writer;
CREATE ROLE ingest_reader IN ROLE telemetry_reader;
CREATE ROLE ingest_caller;
GRANT USAGE ON SCHEMA telemetry TO ingest_caller;
GRANT EXECUTE ON FUNCTION telemetry.ingest TO ingest_caller;
SET ROLE ingest_writer;
SELECT telemetry.ingest('{"data_points": [{"timestamp": 1, "metric_name": "m", "value": 1}, 2], "batch_id": "w"}', 'writer') - 'errors' AS answer;
SELECT pg_temp.failure('SELECT * FROM telemetry.point'), pg_temp.failure('SELECT * FROM telemetry.receipt'), pg_temp.failure('SELECT * FROM telemetry.block'),
	pg_temp.failure('SELECT * FROM telemetry.dead_letter'), pg_temp.failure('INSERT INTO telemetry.receipt DEFAULT VALUES'), pg_temp.failure('SELECT telemetry.prune_receipts()');
SET ROLE ingest_reader;
SELECT pg_temp.failure($$SELECT telemetry.ingest('{}', 'd')$$);
SET ROLE ingest_caller;
SELECT pg_temp.failure($$SELECT telemetry.ingest('{}', 'd')$$);
RESET ROLE;
SELECT sender, count(*) FROM telemetry.dead_letter WHERE sender = 'ingest_writer' GROUP BY 1;
REVOKE ALL ON SCHEMA telemetry FROM ingest_caller;
REVOKE ALL ON FUNCTION telemetry.ingest FROM ingest_caller;
DROP ROLE ingest_writer, ingest_reader, ingest_caller;

-- what_is_on_the_search_path_does_not_matter
CREATE SCHEMA trap;
CREATE FUNCTION trap.never(anyelement, anyelement) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE OPERATOR trap.= (LEFTARG = anyelement, RIGHTARG = anyelement, FUNCTION = trap.never);
CREATE OPERATOR trap.< (LEFTARG = anyelement, RIGHTARG = anyelement, FUNCTION = trap.never);
CREATE FUNCTION trap.eq(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.eq);
CREATE TABLE trap.receipt (a int);
\c -
SET search_path = trap, pg_catalog;
SELECT telemetry.ingest('{"data_points": [{"timestamp": 1, "metric_name": "m", "value": 1}, 2], "batch_id": "trap"}', 'trap') ->> 'total_count' AS first;
SELECT telemetry.ingest('{"data_points": [{"timestamp": 1, "metric_name": "m", "value": 1}, 2], "batch_id": "trap"}', 'trap') ->> 'total_count' AS again;
SELECT telemetry.prune_receipts() AS pruned;
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA trap CASCADE;

-- a_read_only_transaction_refuses
BEGIN READ ONLY;
SELECT telemetry.ingest('{"timestamp": 1, "metric_name": "m", "value": 1}', 'd');
ROLLBACK;
