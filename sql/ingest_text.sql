-- telemetry.ingest_text(): what jsonb cannot hold rejects the point that it is in.
\set VERBOSITY terse
\pset null (null)
SET timezone = 'UTC';
DELETE FROM telemetry.receipt;
DELETE FROM telemetry.dead_letter;

-- A point in the words of the HTTP interface, some members of which are texts of JSON.
CREATE FUNCTION pg_temp.point(metric text, member text DEFAULT 'unit', form text DEFAULT 'null') RETURNS text LANGUAGE sql AS
	$$ SELECT format('{"timestamp": "2025-12-18T10:00:00Z", "metric_name": %s, "value": 1, "%s": %s}', to_json(metric), member, form) $$;

-- each_field_has_its_code_and_the_path_is_told
CREATE TEMP TABLE fault (member text, form text);
INSERT INTO fault VALUES
	('value', '"\ud83d"'), ('value', '"a\u0000b"'), ('value', '"\ude00\ud83d"'), ('value', '"\ud83d\u0041"'), ('value', '"\ud83d\ud83d\ude00"'), ('value', '1e200000'), ('value', '-1E+131071'),
	('value', '1e-20000'), ('value', '[1, {"deep": ["\udfff"]}]'), ('value', '{"a\u0000b": 1}'), ('value', '{"a": 1e1001}'),
	('timestamp', '"\u0000"'), ('timestamp', '1e200000'), ('metric_name', '"m\u0000"'), ('unit', '"\uD800"'),
	('tags', '{"note": "\ud83d"}'), ('tags', '{"\ud83d": 1}'), ('tags', '{"list": [1, 2, 1e2000]}'), ('metadata', '{"a": {"b": {"c": "\u0000"}}}'),
	('ignored', '"\u0000"'), ('ignored\u0000', '1');
SELECT member, form, r.body FROM fault, LATERAL (SELECT telemetry.ingest_text(pg_temp.point('m', member, form), 'text_1', 'single') - 'success' AS body) AS r;
-- of_a_batch_all_others_are_stored
SELECT a - 'errors' AS batch, a -> 'errors' -> 0 AS first, jsonb_path_query_array(a, '$.errors[*].index') AS indexes, jsonb_path_query_array(a, '$.errors[*].metric_name') AS metrics,
	jsonb_path_query_array(a, '$.errors[*].code') = (SELECT jsonb_agg(payload ORDER BY n) FROM (SELECT to_jsonb(d.code), row_number() OVER (ORDER BY d.id) FROM telemetry.dead_letter AS d) AS d (payload, n)) AS codes
FROM telemetry.ingest_text((SELECT format('{"data_points": [%s], "batch_id": "b1"}', string_agg(pg_temp.point('good ' || n) || ',' || pg_temp.point('bad ' || n, member, form), ',' ORDER BY n))
	FROM (SELECT *, row_number() OVER () AS n FROM fault) AS f), 'text_1', 'batch') AS a;
SELECT count(*), count(*) FILTER (WHERE metric LIKE 'good%') AS good FROM telemetry.point WHERE device_id = 'text_1';
-- it_is_kept_as_it_was_written, and is nothing that could be tried again
SELECT code, reason, payload, whole FROM telemetry.dead_letter WHERE payload ->> 'metric_name' IN ('bad 2', 'bad 6', 'bad 10', 'bad 19') ORDER BY id;
-- what_is_all_right_is_no_fault
CREATE TEMP TABLE fine AS SELECT * FROM (VALUES ('"\ud83d\ude00 \u00e9 \\u0000 \\ud83d \" \\"'), ('{"a\"b": ["\\\\", "]", "}", "1e9999", {"\\": 1e308}]}'), ('[1e999, -1e998, 0.1e1000, 1e-998, 0e99]')) AS v (form);
SELECT telemetry.ingest_text(pg_temp.point(form, 'value', form), 'text_2', 'single') -> 'success' AS success FROM fine;
SELECT metric::jsonb = value::jsonb AS same FROM telemetry.point WHERE device_id = 'text_2';
SELECT telemetry.ingest_text(pg_temp.point('edge ' || form, 'tags', format('{"a": %s}', form)), 'text_2', 'single') -> 'detail' AS detail
FROM unnest(ARRAY['1e999', '1e1000', '-1e998', '-1e999', '12e998', '12e999', '0.1e1000', '0.1e1001', '1e-998', '1e-999', '10.0e-997', '0e999', '0e-1001', '0.0e9999', '0e9999']) AS form;
SELECT telemetry.ingest_text(pg_temp.point('edge', 'tags', format('{"a": %s}', form)), 'text_2', 'single') -> 'success' AS success
FROM unnest(ARRAY[repeat('9', 1000), repeat('9', 1001), '-' || repeat('9', 999), '0.' || repeat('1', 998), '0.' || repeat('1', 999)]) AS form;

-- a_batch_came_again_is_answered_as_before
SELECT telemetry.ingest_text(body, 'text_3', 'batch') = telemetry.ingest_text(body, 'text_3', 'batch') AS same, count(*) OVER () AS bodies
FROM (SELECT format('{"batch_id": "again", "data_points": [%s, %s]}', pg_temp.point('a'), pg_temp.point('b', 'value', '"\u0000"')) AS body) AS b;
\set VERBOSITY sqlstate
SELECT telemetry.ingest_text(format('{"batch_id": "again", "data_points": [%s, %s]}', pg_temp.point('a'), pg_temp.point('b', 'value', '"\ud83d"')), 'text_3', 'batch');
\set VERBOSITY terse

-- what_is_beside_the_points
SELECT telemetry.ingest_text('{"batch_id": "\u0000", "data_points": [1]}', 'text_4', 'batch');
SELECT telemetry.ingest_text('{"compression": ["\ud83d"], "data_points": [1]}', 'text_4', 'batch');
SELECT telemetry.ingest_text('{"data_points": [1], "data_points": [2]}', 'text_4', 'batch');
SELECT telemetry.ingest_text('{"data_points": [1], "data_p\u006fints": []}', 'text_4', 'batch');
SELECT telemetry.ingest_text('{"data_points": "\u0000"}', 'text_4', 'batch');
SELECT telemetry.ingest_text(format('{"sender": {"note": "\u0000"}, "d\u0061ta_points": [%s, "\u0000", %s], "x": 1e9999, "device_id": 7}', pg_temp.point('a'), pg_temp.point('b')), 'text_4', 'batch');

-- bulk: each device by itself
SELECT a - 'results' AS bulk, r.key AS device, r.value - 'errors' AS result, r.value -> 'errors' AS errors
FROM telemetry.ingest_text(format('{"text_5": [%s, %s], "text_6": [%s], "text_7": {"a": "\u0000"}, "text\u0000": [%1$s], "text_8": [], "text_9": "\ud83d"}', pg_temp.point('a'),
	pg_temp.point('b', 'tags', '{"x": [1e9999]}'), pg_temp.point('c')), NULL, 'bulk') AS a, jsonb_each(a -> 'results') AS r;
SELECT device_id, metric FROM telemetry.point WHERE device_id BETWEEN 'text_5' AND 'text_9' ORDER BY 1, 2;
-- a_device_that_is_there_twice_has_the_points_of_both
SELECT a - 'results' AS bulk, r.key AS device, r.value - 'errors' AS result, r.value -> 'errors' AS errors
FROM telemetry.ingest_text(format('{"twice": [%1$s, 7], "other": [%1$s], "twic\u0065": [%2$s, "\u0000", %3$s], "twice": [8], "half": [%1$s], "half": 5}', pg_temp.point('a'), pg_temp.point('b'),
	pg_temp.point('a', 'unit', '"last"')), NULL, 'bulk') AS a, jsonb_each(a -> 'results') AS r;
SELECT device_id, metric, unit FROM telemetry.point WHERE device_id IN ('twice', 'other', 'half') ORDER BY 1, 2;
SELECT a #> '{results,long}' AS long, a #> '{results,full,success}' AS is_full
FROM (SELECT string_agg(pg_temp.point('p' || i), ',') AS list FROM generate_series(1, 500) AS i) AS p,
	telemetry.ingest_text(format('{"long": [%1$s], "full": [%1$s], "long": [%1$s, 1], "full": [%1$s]}', p.list), NULL, 'bulk') AS a;

-- what_is_no_json_is_an_error
SELECT telemetry.ingest_text(body, 'text_9', kind) FROM (VALUES ('{"a": "\u0000"', 'single')) AS v (body, kind);
SELECT telemetry.ingest_text(body, NULL, kind) FROM (VALUES ('{"a": [], "b"}', 'bulk')) AS v (body, kind);
SELECT telemetry.ingest_text(body, NULL, kind) FROM (VALUES ('{1: []}', 'bulk')) AS v (body, kind);
SELECT telemetry.ingest_text(body, 'text_9', kind) FROM (VALUES ('{"data_points": [01e99999]}', 'batch')) AS v (body, kind);
SELECT telemetry.ingest_text('{"a": "\u00"}', 'text_9', 'single');
SELECT telemetry.ingest_text('{"a": "\', 'text_9', 'single');
SELECT telemetry.ingest_text('', 'text_9', 'single');
SELECT telemetry.ingest_text(repeat('[', 20000), 'text_9', 'batch');
SELECT telemetry.ingest_text('"\u0000"', 'text_9', 'single');
SELECT telemetry.ingest_text('1e999999', NULL, 'bulk');
SELECT telemetry.ingest_text(NULL, 'text_9', 'single');
SELECT telemetry.ingest_text('{}', 'text_9', NULL);
SELECT telemetry.ingest_text('{}', 'text_9', 'bulk');
SELECT telemetry.ingest_text('{}', 'text_9', 'all');

-- numbers_are_limited_wherever_they_come_from
BEGIN;
INSERT INTO telemetry.point (ts, device_id, metric, value, tags, metadata) VALUES
	('2025-12-18', 'text_10', 'ok', '1', '{"a": 1e999}', '{"a": [1e-998]}'),
	('2025-12-18', 'text_10', 'tags', '1', '{"a": 1, "b": {"c": [0, 1e1000]}}', NULL),
	('2025-12-18', 'text_10', 'metadata', '1', NULL, '{"a": 1e-1000}'),
	('2025-12-18', 'text_10', 'value', '{"a": [1, 1e1000]}', NULL, NULL);
SELECT r.rejected, e.value FROM telemetry.ingest_result() AS r, jsonb_array_elements(r.rows) AS e;
SELECT metric FROM telemetry.point WHERE device_id = 'text_10';
COMMIT;
DELETE FROM telemetry.receipt;
DELETE FROM telemetry.dead_letter;
