-- Definitions of metrics as people, ingest and HTTP clients use them: each acceptance criterion of Epic 2 of seed 004.
\set VERBOSITY terse
\pset null (null)
\pset format unaligned
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS telemetry CASCADE;
SET search_path = telemetry, public;
DELETE FROM metric_definition;
DELETE FROM retention;
TRUNCATE dead_letter, outbox;

-- A request of a user. Names and times that differ from run to run are not shown.
CREATE FUNCTION pg_temp.request(route text, params jsonb, body jsonb DEFAULT NULL, OUT status integer, OUT body jsonb) LANGUAGE sql AS $$
	SELECT h.status, h.body
	FROM telemetry.http_call(regexp_replace(route, ' ', ' /api/v1/telemetry'), params || '{"caller": {"user_id": "admin_001"}}', body) AS h
$$;
CREATE FUNCTION pg_temp.plain(body jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(jsonb_pretty(body), 'met_[0-9a-f]{24}', 'met_…', 'g'),
		'"[0-9]{4}-[0-9-]+T[0-9:]+[.][0-9]{3}Z"', '"(time)"', 'g')
$$;
-- What becomes of values of a metric, in this order; each is a point of its own.
CREATE FUNCTION pg_temp.judge(metric text, "values" telemetry.value[], given_unit text DEFAULT NULL)
	RETURNS TABLE (given text, stored text, unit text, code text, message text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM telemetry.delete_points('judged', judge.metric, NULL, NULL);
	INSERT INTO telemetry.point (ts, device_id, metric, value, unit)
	SELECT timestamptz '2024-01-01' + v.n * interval '1 s', 'judged', judge.metric, v.value, judge.given_unit
	FROM unnest(judge."values") WITH ORDINALITY AS v (value, n) ORDER BY v.n;
	RETURN QUERY
	SELECT format('%s', v.value), format('%s', p.value), p.unit, r.code, r.message
	FROM unnest(judge."values") WITH ORDINALITY AS v (value, n)
	LEFT JOIN telemetry.point AS p ON p.device_id = 'judged' AND p.metric = judge.metric AND p.ts = timestamptz '2024-01-01' + v.n * interval '1 s'
	LEFT JOIN (SELECT (e ->> 'row')::bigint + 1 AS n, e ->> 'code' AS code, e ->> 'message' AS message
		FROM telemetry.ingest_result() AS i, jsonb_array_elements(i.rows) AS e) AS r ON r.n = v.n
	ORDER BY v.n;
END $$;

-- E2-US1 AC1, AC7: the printed request defines a metric, which is answered with its metric_id.
SELECT status, pg_temp.plain(body) AS body, body ->> 'metric_id' ~ '^met_[0-9a-f]{24}$' AS has_id,
	body @> '{
  "name": "battery_level",
  "description": "Device battery percentage",
  "data_type": "numeric",
  "metric_type": "gauge",
  "unit": "percent",
  "min_value": 0,
  "max_value": 100,
  "retention_days": 90,
  "aggregation_interval": 60,
  "tags": [],
  "metadata": {},
  "created_by": "admin_001"
}' AS has_what_is_printed
FROM pg_temp.request('POST /metrics', '{}', '{
  "name": "battery_level",
  "description": "Device battery percentage",
  "data_type": "numeric",
  "metric_type": "gauge",
  "unit": "percent",
  "min_value": 0,
  "max_value": 100,
  "retention_days": 90,
  "aggregation_interval": 60
}') \gset printed_
\echo :printed_status :printed_has_id :printed_has_what_is_printed
\echo :printed_body
-- How long it is kept is said where retention looks.
SELECT * FROM retention;

-- E2-US1 AC6: it is told of, and what happens to it later.
SELECT event_type, key, pg_temp.plain(data) AS data FROM outbox ORDER BY id;
UPDATE metric_definition SET max_value = 101;
UPDATE metric_definition SET max_value = 101;
UPDATE metric_definition SET retention_days = 91;
UPDATE metric_definition SET max_value = 100, retention_days = 90;
SELECT event_type, key, data -> 'change' AS change, data -> 'max_value' AS max_value, data -> 'retention_days' AS retention_days FROM outbox ORDER BY id;
SELECT publish('metric.defined', 'x', '{}');
SELECT publish('metric.deleted', 'x', '{}');

-- E2-US1 AC2: what is required, by name; with these alone all else is as in a row that is inserted with these alone.
SELECT f.left_out, r.status, r.body FROM unnest('{name,data_type}'::text[]) AS f (left_out),
	pg_temp.request('POST /metrics', '{}', '{"name": "n", "data_type": "string"}'::jsonb - f.left_out) AS r;
SELECT r.status, pg_temp.plain(r.body) AS body FROM pg_temp.request('POST /metrics', '{}', '{"name": "least", "data_type": "string"}') AS r;
INSERT INTO metric_definition (name, data_type) VALUES ('inserted', 'string');
SELECT (SELECT to_jsonb(d) FROM metric_definition AS d WHERE name = 'least') - '{metric_id,name,created_at,updated_at,created_by}'::text[]
	= (SELECT to_jsonb(d) FROM metric_definition AS d WHERE name = 'inserted') - '{metric_id,name,created_at,updated_at,created_by}'::text[] AS same;
DELETE FROM metric_definition WHERE name IN ('least', 'inserted');

-- E2-US1 AC3, AC4: what is optional is kept, and what is wrong named, with its limit; nothing is stored then.
SELECT b.n, r.status, r.body -> 'detail' AS detail, (SELECT jsonb_object_agg(o.key, r.body -> o.key) FROM jsonb_each(b.body) AS o WHERE r.status = 201) AS answered
FROM (VALUES
	(1, '{"name": "o1", "description": "What it is.", "metric_type": "counter", "unit": "°C", "min_value": -40.5, "max_value": 1e3}'::jsonb),
	(2, '{"name": "o2", "retention_days": 3650, "aggregation_interval": 31622400, "tags": ["indoor", "lab"], "metadata": {"owner": "ann", "at": [1, {"x": null}]}}'),
	(3, '{"name": "o3", "allowed_values": [1, 2.5, 1], "coerce": true, "name_pattern": "o3.%"}'),
	(4, '{"name": "o4", "data_type": "string", "allowed_values": ["on", "off", ""]}'),
	(5, '{"name": "o5", "data_type": "boolean", "allowed_values": [true]}'),
	(6, '{"name": "o6", "metric_type": null, "tags": null, "metadata": null, "coerce": null, "aggregation_interval": null, "retention_days": null, "min_value": null, "allowed_values": null}'),
	(7, '{"name": "x''; DROP TABLE telemetry.metric; --", "description": "Robert''); SELECT 1; --"}'),
	(10, '{"data_type": "float"}'), (11, '{"data_type": 1}'), (12, '{"metric_type": "summary"}'), (13, '{"name": ""}'), (14, '{"name": 7}'),
	(15, jsonb_build_object('name', repeat('é', 65))), (16, jsonb_build_object('name', E'a\x01b')), (17, jsonb_build_object('description', repeat('x', 2001))),
	(18, '{"description": ["x"]}'), (19, jsonb_build_object('unit', repeat('x', 129))), (20, '{"unit": ""}'), (21, '{"unit": "a\tb"}'), (22, '{"unit": 1}'),
	(23, '{"min_value": "0"}'), (24, '{"min_value": 1e400}'), (25, '{"max_value": 1e-400}'), (26, '{"min_value": 2, "max_value": 1}'), (27, '{"data_type": "string", "min_value": 1}'),
	(28, '{"retention_days": 0}'), (29, '{"retention_days": 3651}'), (30, '{"retention_days": 1.5}'), (31, '{"retention_days": "90"}'), (32, '{"retention_days": 1e99}'),
	(33, '{"aggregation_interval": 0}'), (34, '{"aggregation_interval": 31622401}'), (35, '{"tags": {}}'), (36, '{"tags": [1]}'), (37, '{"tags": [""]}'),
	(38, jsonb_build_object('tags', (SELECT jsonb_agg(i::text) FROM generate_series(1, 101) AS i))), (39, jsonb_build_object('tags', jsonb_build_array(repeat('x', 129)))),
	(40, '{"metadata": []}'), (41, jsonb_build_object('metadata', jsonb_build_object('x', repeat('x', 70000)))), (42, '{"allowed_values": []}'), (43, '{"allowed_values": 1}'),
	(44, '{"allowed_values": ["1"]}'), (45, '{"allowed_values": [null]}'), (46, '{"allowed_values": [[1]]}'), (47, '{"allowed_values": [1e400]}'),
	(48, '{"data_type": "json", "allowed_values": [1]}'), (49, jsonb_build_object('allowed_values', (SELECT jsonb_agg(i) FROM generate_series(1, 1001) AS i))),
	(50, jsonb_build_object('data_type', 'string', 'allowed_values', jsonb_build_array(repeat('x', 1025)))), (51, '{"coerce": "yes"}'), (52, '{"name_pattern": "a\\"}'), (53, '{"name_pattern": ""}'),
	(54, '{"name_pattern": "a%", "retention_days": 5}'), (55, '{"naem": "x"}'), (56, '{"metric_id": "mine"}'), (57, '{"created_by": "me"}'),
	(58, jsonb_build_object('metadata', ('{"a":' || repeat('[', 1000) || repeat(']', 1000) || '}')::jsonb, 'unit', 1))
) AS b (n, body), pg_temp.request('POST /metrics', '{}', '{"name": "optional", "data_type": "numeric"}'::jsonb || b.body) AS r
ORDER BY b.n;
SELECT r.* FROM (VALUES (NULL::jsonb), ('null'), ('[]'), ('7'), ('{}')) AS b (body), pg_temp.request('POST /metrics', '{}', b.body) AS r;
-- As deep as JSON may be, and no field of it.
SELECT r.status, length(r.body ->> 'detail') FROM pg_temp.request('POST /metrics', '{}', (repeat('[', 1000) || repeat(']', 1000))::jsonb) AS r;
SELECT r.status, r.body -> 'detail' AS detail FROM pg_temp.request('POST /metrics', '{}', jsonb_build_object('data_type', 'json', 'name', (repeat('[', 1000) || repeat(']', 1000))::jsonb)) AS r;
SELECT r.status, r.body -> 'metadata' = ('{"a":' || repeat('[', 1000) || repeat(']', 1000) || '}')::jsonb AS kept
FROM pg_temp.request('POST /metrics', '{}', jsonb_build_object('name', 'deep', 'data_type', 'json', 'metadata', ('{"a":' || repeat('[', 1000) || repeat(']', 1000) || '}')::jsonb)) AS r;
SELECT name FROM metric_definition WHERE name NOT LIKE 'o_' ORDER BY name;
SELECT * FROM retention ORDER BY metric;

-- E2-US1 AC5: a name has one definition.
SELECT * FROM pg_temp.request('POST /metrics', '{}', '{"name": "battery_level", "data_type": "string", "retention_days": 5}');
SELECT retention_days FROM retention WHERE metric = 'battery_level';
INSERT INTO metric_definition (name, data_type) VALUES ('battery_level', 'string');
INSERT INTO metric (name, data_type) VALUES ('battery_level', 'string');

-- Constraints say the same to SQL users.
INSERT INTO metric_definition (name, data_type) VALUES ('x', 'float');
INSERT INTO metric_definition (name, data_type) VALUES (NULL, 'json');
INSERT INTO metric_definition (name, data_type, min_value) VALUES ('x', 'numeric', 'NaN');
INSERT INTO metric_definition (name, data_type, max_value) VALUES ('x', 'numeric', 'Infinity');
INSERT INTO metric_definition (name, data_type, retention_days) VALUES ('x', 'numeric', 0);
INSERT INTO metric_definition (name, data_type, name_pattern, retention_days) VALUES ('x', 'numeric', 'x%', 5);
INSERT INTO metric_definition (name, data_type, allowed_values) VALUES ('x', 'numeric', '{}');
INSERT INTO metric_definition (name, data_type, allowed_values) VALUES ('x', 'numeric', 'null');
INSERT INTO metric_definition (name, data_type, tags) VALUES ('x', 'numeric', '{{a,b},{c,d}}');
INSERT INTO metric_definition (name, data_type, created_at) VALUES ('x', 'numeric', 'infinity');
INSERT INTO metric_definition (name, data_type, updated_at) VALUES ('x', 'numeric', '-infinity');
UPDATE metric_definition SET name = 'y' WHERE name = 'battery_level';
UPDATE metric_definition SET metric_id = 'y' WHERE name = 'battery_level';

-- E2-US2 AC1, AC4: definitions are listed and counted.
DELETE FROM metric_definition WHERE name <> 'battery_level';
INSERT INTO metric_definition (name, data_type, metric_type)
SELECT 'm' || i, CASE WHEN i % 2 = 0 THEN 'numeric' ELSE 'string' END, CASE WHEN i = 4 THEN 'counter' ELSE 'gauge' END FROM generate_series(1, 5) AS i;
CREATE FUNCTION pg_temp.listed(params jsonb) RETURNS TABLE (status integer, metrics jsonb, "rest" jsonb) LANGUAGE sql AS $$
	SELECT r.status, jsonb_path_query_array(r.body, '$.metrics[*].name'), r.body - 'metrics' FROM pg_temp.request('GET /metrics', params) AS r $$;
SELECT * FROM pg_temp.listed('{}');
SELECT (SELECT body #> '{metrics,0}' FROM pg_temp.request('GET /metrics', '{}')) = (SELECT body FROM pg_temp.request('GET /metrics/{metric_name}', '{"metric_name": "battery_level"}')) AS same;
-- E2-US2 AC2: filters; the printed request.
SELECT p.params, l.* FROM (VALUES ('{"data_type": "numeric", "limit": "100"}'::jsonb), ('{"data_type": "string"}'), ('{"metric_type": "counter"}'), ('{"data_type": "string", "metric_type": "counter"}'),
	('{"data_type": "json"}'), ('{"data_type": "float"}'), ('{"metric_type": ""}')) AS p (params), pg_temp.listed(p.params) AS l;
-- E2-US2 AC3: pages.
SELECT p.params, l.* FROM (VALUES ('{"limit": "2"}'::jsonb), ('{"limit": "2", "offset": "4"}'), ('{"limit": "2", "offset": "6"}'), ('{"limit": "0"}'), ('{"limit": "1001"}'),
	('{"offset": "-1"}'), ('{"limit": "x"}'), ('{"limit": "99999999999999999999"}')) AS p (params), pg_temp.listed(p.params) AS l;
-- E2-US2 AC5, E2-US3 AC3: what reads finds an index.
CREATE FUNCTION pg_temp.indexes(query text) RETURNS TABLE (index text) LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	SET LOCAL enable_seqscan = off;
	EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
	RESET enable_seqscan;
	RETURN QUERY SELECT DISTINCT i #>> '{}' FROM jsonb_path_query(plan, '$.**."Index Name"') AS i ORDER BY 1;
END $$;
SELECT * FROM pg_temp.indexes($$SELECT * FROM telemetry.metric_definition WHERE name = 'battery_level'$$);
SELECT * FROM pg_temp.indexes($$SELECT * FROM telemetry.metric_definition ORDER BY name LIMIT 100$$);

-- E2-US3 AC1, AC2: by name.
SELECT status, body ->> 'metric_id' = :'printed_body'::jsonb ->> 'metric_id' AS other_id, body ->> 'name' AS name, body -> 'max_value' AS max_value FROM pg_temp.request('GET /metrics/{metric_name}', '{"metric_name": "battery_level"}');
SELECT * FROM pg_temp.request('GET /metrics/{metric_name}', '{"metric_name": "none"}');
SELECT * FROM pg_temp.request('GET /metrics/{metric_name}', '{"metric_name": "'' OR true --"}');
SELECT * FROM pg_temp.request('GET /metrics/{metric_name}', '{}');

-- A definition is changed in part; null is what it would be if it were left out.
SELECT b.n, r.status, r.body -> 'detail' AS detail, r.body -> 'max_value' AS max, r.body -> 'unit' AS unit, r.body -> 'metric_type' AS type, r.body -> 'retention_days' AS days, r.body -> 'description' AS description
FROM (VALUES (1, '{"max_value": 99.5, "metric_type": "counter", "retention_days": 30}'::jsonb), (2, '{}'), (3, '{"unit": null, "metric_type": null, "description": null, "retention_days": null}'),
	(4, '{"name": "battery_level"}'), (5, '{"name": "other"}'), (6, '{"data_type": null}'), (7, '{"data_type": "string"}'), (8, '{"min_value": 100}'), (9, '{"max_value": "x"}'), (10, '{"created_by": "me"}'),
	(11, '{"data_type": "string", "min_value": null, "max_value": null}')) AS b (n, body),
	pg_temp.request('PUT /metrics/{metric_name}', '{"metric_name": "battery_level"}', b.body) AS r ORDER BY b.n;
SELECT * FROM pg_temp.request('PUT /metrics/{metric_name}', '{"metric_name": "none"}', '{}');
SELECT * FROM retention;

-- Retention is in one place: the metric's own rule, or else that of all metrics.
INSERT INTO retention VALUES (NULL, 365, NULL), ('m1', 10, 20);
SELECT name, retention_days FROM metric_definition WHERE name IN ('m1', 'm2', 'battery_level') ORDER BY name;
UPDATE metric_definition SET retention_days = 15 WHERE name = 'm1';
UPDATE metric_definition SET retention_days = 25 WHERE name = 'm1';
SELECT r.status, r.body -> 'detail' AS detail FROM pg_temp.request('PUT /metrics/{metric_name}', '{"metric_name": "m1"}', '{"retention_days": 25}') AS r;
-- What is said of all metrics may be said of one; in SQL it is no change then.
UPDATE metric_definition SET retention_days = 365 WHERE name = 'm2' RETURNING name, retention_days;
SELECT r.status, r.body -> 'retention_days' AS days FROM pg_temp.request('PUT /metrics/{metric_name}', '{"metric_name": "m3"}', '{"retention_days": 365}') AS r;
SELECT * FROM retention ORDER BY metric;
WITH changed AS (UPDATE metric_definition SET retention_days = NULL WHERE name IN ('m1', 'm2', 'm3') RETURNING name, retention_days) SELECT * FROM changed ORDER BY name;
SELECT * FROM retention ORDER BY metric;
DELETE FROM retention;

-- rollups_are_kept_as_long_as_they_were_before_a_metric_had_days_of_its_own
INSERT INTO retention VALUES (NULL, 30, 400);
UPDATE metric_definition SET retention_days = CASE name WHEN 'm1' THEN 10 WHEN 'm2' THEN 500 END WHERE name IN ('m1', 'm2');
SELECT r.status FROM pg_temp.request('PUT /metrics/{metric_name}', '{"metric_name": "m3"}', '{"retention_days": 30}') AS r;
SELECT * FROM retention ORDER BY metric;
DELETE FROM retention WHERE metric IS NULL;
UPDATE metric_definition SET retention_days = 5 WHERE name = 'm2';
SELECT * FROM retention ORDER BY metric;
DELETE FROM retention;

-- E2-US4 AC1, AC3, AC4: a definition is deleted, once.
INSERT INTO metric_definition (name, data_type, retention_days) VALUES ('gone', 'numeric', 30);
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-01', 'd', 'gone', '1');
SELECT * FROM pg_temp.request('DELETE /metrics/{metric_name}', '{"metric_name": "gone"}');
SELECT * FROM pg_temp.request('DELETE /metrics/{metric_name}', '{"metric_name": "gone"}');
SELECT * FROM pg_temp.request('GET /metrics/{metric_name}', '{"metric_name": "gone"}');
SELECT event_type, key, data -> 'unit' AS unit FROM outbox ORDER BY id DESC LIMIT 1;
-- E2-US4 AC2: data stay, and their retention goes on.
SELECT value FROM point WHERE device_id = 'd' AND metric = 'gone';
SELECT * FROM retention;
DELETE FROM retention;

-- FR-007: ingest judges by bounds, and by types.
DELETE FROM metric_definition;
INSERT INTO metric_definition (name, data_type, unit, min_value, max_value) VALUES ('battery_level', 'numeric', 'percent', 0, 100), ('cold', 'numeric', NULL, NULL, -1e300), ('warm', 'numeric', NULL, 0.1, NULL);
SELECT * FROM pg_temp.judge('battery_level', '{0,-0,100,50.5,120,-1,-1e-300,100.00000000000001,NaN,Infinity,-Infinity,"\"50\"",true,"{\"a\": 1}","{\"$geo\": [1, 2]}"}');
SELECT * FROM pg_temp.judge('battery_level', '{50,101}', 'bar');
SELECT * FROM pg_temp.judge('cold', '{0,-1e301,-Infinity,NaN}');
SELECT * FROM pg_temp.judge('warm', '{0.1,0.09999999999999999,Infinity,NaN}');
INSERT INTO metric_definition (name, data_type) VALUES ('type.numeric', 'numeric'), ('type.string', 'string'), ('type.boolean', 'boolean'), ('type.json', 'json'), ('type.geolocation', 'geolocation'),
	('type.binary', 'binary');
SELECT t.type, j.* FROM unnest('{numeric,string,boolean,json,geolocation,binary}'::text[]) AS t (type),
	pg_temp.judge('type.' || t.type, '{NaN,"\"x\"",false,"[1]","{\"$geo\": [1, 2]}","{\"$binary\": \"AAE=\"}"}') AS j WHERE j.stored IS NOT NULL OR t.type IN ('numeric', 'json');

-- Values that are allowed.
INSERT INTO metric_definition (name, data_type, allowed_values, min_value) VALUES ('gear', 'numeric', '[3, 1, 2.5, 0, 100]', -5);
INSERT INTO metric_definition (name, data_type, allowed_values) VALUES ('state', 'string', '["open", "closed", ""]'), ('alarm', 'boolean', '[true]');
SELECT * FROM pg_temp.judge('gear', '{1,2.5,-0,2,100,-6,NaN,"\"1\""}');
SELECT * FROM pg_temp.judge('state', '{"\"open\"","\"\"","\"Open\"","\"ope\"",1}');
SELECT * FROM pg_temp.judge('state', ARRAY[repeat('long "text" ', 20)::telemetry.value]);
SELECT * FROM pg_temp.judge('alarm', '{true,false}');

-- Coercion: what is plain, and nothing else; then bounds and what is allowed.
SELECT * FROM pg_temp.judge('battery_level', '{"\"21.5\""}');
UPDATE metric_definition SET coerce = true;
SELECT * FROM pg_temp.judge('battery_level', '{"\"21.5\"","\"21,5\"","\" 21.5 \"","\"\\t+7\"","\"1e1\"","\"120\"","\"NaN\"","\"Infinity\"","\"\"","\"  \"","\"1.2.3\"","\"1,2.3\"","\"21.5 %\"","\"0x10\"","\"1e400\"","\"true\"",true,"[1]","\"{\\\"a\\\": 1}\""}');
SELECT * FROM pg_temp.judge('type.numeric', '{"\"NaN\"","\"-inf\"","\"Infinity\"","\"abc\"","\"1e400\""}');
SELECT * FROM pg_temp.judge('type.boolean', '{"\"true\"","\"False\"","\" ON \"","\"off\"","\"YES\"","\"no\"","\"1\"","\"0\"",1,0,-0,2,NaN,"\"maybe\"","\"\"","[true]"}');
SELECT * FROM pg_temp.judge('type.string', '{21.5,-0,1e300,NaN,Infinity,true,false,"\"x\"","{\"a\": 1}"}');
SELECT * FROM pg_temp.judge('type.json', '{"\"{}\"",1,"{}"}');
SELECT * FROM pg_temp.judge('gear', '{"\"2,5\"","\"4\""}');
SELECT * FROM pg_temp.judge('state', '{1,"\"open\""}');

-- Patterns: of metrics without a definition of their own; the longest counts, and of two the first by name.
DELETE FROM metric_definition;
INSERT INTO metric_definition (name, name_pattern, data_type, unit) VALUES ('All', '%', 'numeric', 'all'), ('Rooms', 'room.%', 'numeric', 'rooms'), ('Second', 'room.%.a', 'numeric', 'second'),
	('First', 'room.b.%', 'numeric', 'first'), ('Percent', '\%%', 'numeric', 'percent'), ('room.own', NULL, 'numeric', 'own'), ('label', 'labelled.%', 'numeric', 'label');
SELECT m.metric, j.unit, (metric_definition_of(m.metric)).name
FROM unnest('{room.own,room.c,room.c.a,room.b.c,room.b.a,other,%x,Rooms,label,labelled.x}'::text[]) AS m (metric), pg_temp.judge(m.metric, '{1}') AS j;
DELETE FROM metric_definition WHERE name IN ('All', 'Rooms');
SELECT metric_definition_of('other') IS NULL AS none, (metric_definition_of('room.b.a')).name;

-- A rejected row is as all others are: kept, and tried again.
DELETE FROM metric_definition;
TRUNCATE dead_letter;
INSERT INTO metric_definition (name, data_type, max_value) VALUES ('again', 'numeric', 100);
INSERT INTO point (ts, device_id, metric, value, unit, tags) VALUES ('2024-01-01', 'd', 'again', '120', 'u', '{"a": 1}'), ('2024-01-02', 'd', 'again', '"130"', NULL, NULL) RETURNING *;
SELECT code, reason, payload, whole, attempts FROM dead_letter ORDER BY id;
SELECT * FROM retry_dead_letters();
UPDATE metric_definition SET max_value = 200, coerce = true, unit = 'w' WHERE name = 'again';
SELECT * FROM retry_dead_letters(code => 'out_of_range');
SELECT * FROM retry_dead_letters(code => 'type_mismatch');
SELECT ts, value, unit, tags FROM point WHERE device_id = 'd' AND metric = 'again' ORDER BY ts;

-- All ways in: INSERT, COPY, COPY of texts, JSON bodies, and the errors of HTTP answers. What comes back is what is stored.
TRUNCATE dead_letter;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-02-01', 'd', 'again', '" 7,5 "'), ('2024-02-02', 'd', 'again', '201') RETURNING *;
BEGIN;
COPY point (ts, device_id, metric, value) FROM STDIN;
2024-02-03Z	d	again	"8"
2024-02-04Z	d	again	201
\.
SELECT accepted, rejected, rows FROM ingest_result();
COPY point_text (ts, device_id, metric, value) FROM STDIN;
2024-02-05 00:00Z	d	again	9
2024-02-06 00:00Z	d	again	"10"
2024-02-07 00:00Z	d	again	201
\.
SELECT accepted, rejected, rows FROM ingest_result();
COMMIT;
SELECT jsonb_pretty(ingest('{"data_points": [{"timestamp": "2024-02-08", "metric_name": "again", "value": "11"}, {"timestamp": "2024-02-09T00:00:00Z", "metric_name": "again", "value": "12"},
	{"timestamp": "2024-02-10T00:00:00Z", "metric_name": "again", "value": 201}, {"timestamp": "2024-02-11T00:00:00Z", "metric_name": "again", "value": {"a": 1}}]}', 'd'));
SELECT ingest('{"timestamp": "2024-02-12T00:00:00Z", "metric_name": "again", "value": 201}', 'd');
SELECT ts, value, unit FROM point WHERE device_id = 'd' AND metric = 'again' AND ts >= '2024-02-01' ORDER BY ts;
SELECT code, count(*) FROM dead_letter GROUP BY code ORDER BY code;

-- In one transaction, also one that is undone: the next statement obeys.
BEGIN;
UPDATE metric_definition SET max_value = 5 WHERE name = 'again';
SELECT * FROM pg_temp.judge('again', '{5,6}');
SAVEPOINT a;
DELETE FROM metric_definition;
SELECT * FROM pg_temp.judge('again', '{5,6,201}');
ROLLBACK TO a;
SELECT * FROM pg_temp.judge('again', '{5,6}');
ROLLBACK;
SELECT * FROM pg_temp.judge('again', '{5,6,201}');
TRUNCATE metric;
SELECT * FROM pg_temp.judge('again', '{201}');

-- A definition that cannot be read counts for nothing, and fails no batch; others do.
BEGIN;
ALTER TABLE metric DISABLE TRIGGER check_metric;
ALTER TABLE metric DROP CONSTRAINT data_type_is_one_of_six;
INSERT INTO metric (name, name_pattern, data_type, allowed_values) VALUES ('b1', 'b1\', 'numeric', NULL), ('b2', NULL, 'quaternion', NULL), ('b3', NULL, 'numeric', '["x"]'), ('b4', NULL, 'numeric', '7'),
	('b5', NULL, 'string', '[null]'), ('b6', NULL, 'string', NULL);
SELECT m.metric, j.code FROM unnest('{b1,b2,b3,b4,b5,b6}'::text[]) AS m (metric), pg_temp.judge(m.metric, '{1}') AS j;
ROLLBACK;

-- What is stored already is not looked at, and rollups of it stay as they are.
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-03-01', 'before', 'late', '500');
INSERT INTO metric_definition (name, data_type, max_value) VALUES ('late', 'numeric', 100);
CALL run_jobs('roll_up');
SELECT n, max FROM metric_hourly WHERE device_id = 'before' AND metric = 'late';
SELECT value FROM point WHERE device_id = 'before';
CALL refresh('before', 'late', '2024-01-01', '2025-01-01');
SELECT n, max FROM metric_hourly WHERE device_id = 'before' AND metric = 'late';

-- Rights: those on the tables.
CREATE ROLE metric_reader IN ROLE telemetry_reader;
CREATE ROLE metric_admin IN ROLE telemetry_admin;
CREATE ROLE metric_writer IN ROLE telemetry_writer;
SET ROLE metric_reader;
SELECT name FROM metric_definition;
INSERT INTO metric_definition (name, data_type) VALUES ('x', 'json');
UPDATE metric_definition SET unit = 'x';
DELETE FROM metric_definition;
SET ROLE metric_writer;
SELECT (http_create_metric('{}', '{"name": "x", "data_type": "json"}')).*;
SELECT (http_change_metric('{"metric_name": "late"}', '{"unit": "x"}')).*;
SELECT (http_delete_metric('{"metric_name": "late"}')).*;
RESET ROLE;
GRANT INSERT, UPDATE, DELETE, SELECT ON metric_definition, metric TO metric_writer;
SET ROLE metric_writer;
SELECT (http_create_metric('{}', '{"name": "x", "data_type": "json", "retention_days": 7}')).*;
SELECT (http_create_metric('{}', '{"name": "x", "data_type": "json"}')).status;
INSERT INTO metric_definition (name, data_type, retention_days) VALUES ('y', 'json', 7);
-- The view alone is not enough.
RESET ROLE;
REVOKE ALL ON metric FROM metric_writer;
SET ROLE metric_writer;
INSERT INTO metric_definition (name, data_type) VALUES ('y', 'json');
DELETE FROM metric_definition;
SET ROLE metric_admin;
INSERT INTO metric_definition (name, data_type, retention_days) VALUES ('y', 'json', 7);
UPDATE metric_definition SET unit = 'x', retention_days = 8 WHERE name = 'y' RETURNING name, unit, retention_days;
DELETE FROM metric_definition;
RESET ROLE;
SELECT * FROM retention;
DELETE FROM retention;
DROP OWNED BY metric_reader, metric_admin, metric_writer;
DROP ROLE metric_reader, metric_admin, metric_writer;
SELECT count(*) FROM metric;

-- a_session_keeps_one_copy_of_definitions, however often they change in a transaction, and those of an outer statement as long as that needs them
INSERT INTO metric_definition (name, data_type, min_value, max_value) VALUES ('copied', 'numeric', 0, 0);
CREATE FUNCTION pg_temp.copies(name text) RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM pg_backend_memory_contexts AS c WHERE c.name = copies.name $$;
CREATE FUNCTION pg_temp.redefine(n integer) RETURNS float8 LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 20 LOOP
		UPDATE telemetry.metric_definition SET max_value = n + i WHERE name = 'copied';
		INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2026-01-01', 'copied', 'copied', (n + i)::float8::telemetry.value);
	END LOOP;
	RETURN n;
END
$$;
BEGIN;
SELECT pg_temp.redefine(0), pg_temp.copies('telemetry metric definitions');
SELECT count(*) FROM point WHERE device_id = 'copied';
-- The second row is judged by what was known at the first.
UPDATE metric_definition SET max_value = 50 WHERE name = 'copied';
INSERT INTO point (ts, device_id, metric, value)
SELECT '2026-01-02'::timestamptz + n * interval '1 s', 'copied', 'copied', CASE n WHEN 1 THEN 30 WHEN 2 THEN pg_temp.redefine(0) + pg_temp.copies('telemetry metric definitions') ELSE 40 END
FROM generate_series(1, 3) AS n;
SELECT ts, num FROM point WHERE device_id = 'copied' AND ts >= '2026-01-02' ORDER BY ts;
SELECT pg_temp.copies('telemetry metric definitions');
-- And after an error.
DO $$
BEGIN
	INSERT INTO telemetry.point (ts, device_id, metric, value)
	SELECT '2026-01-02'::timestamptz + n * interval '1 s', 'copied', 'copied', 1 / (pg_temp.redefine(0) + 2 - n) FROM generate_series(1, 3) AS n;
EXCEPTION WHEN division_by_zero THEN
	RAISE WARNING '%', SQLERRM;
END
$$;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2026-01-01', 'copied', 'copied', 2);
SELECT pg_temp.copies('telemetry metric definitions');
ROLLBACK;
-- The definition is again what it was.
INSERT INTO point (ts, device_id, metric, value) SELECT '2026-01-01'::timestamptz + n * interval '1 s', 'copied', 'copied', n FROM generate_series(0, 1) AS n;
SELECT ts, num FROM point WHERE device_id = 'copied';
SELECT delete_device('copied') \g /dev/null
SELECT pg_temp.copies('telemetry metric definitions');
DELETE FROM metric_definition;

-- patterns_are_1000_at_most, since a metric that is new is compared with all of them
BEGIN;
INSERT INTO metric_definition (name, name_pattern, data_type) SELECT 'pattern ' || n, 'pattern' || n || '.%', 'numeric' FROM generate_series(1, 1000) AS n;
SAVEPOINT full_up;
INSERT INTO metric_definition (name, name_pattern, data_type) VALUES ('one more', 'x%', 'numeric');
ROLLBACK TO full_up;
SELECT * FROM pg_temp.request('POST /metrics', '{}', '{"name": "one more", "name_pattern": "x%", "data_type": "numeric"}');
UPDATE metric_definition SET name_pattern = 'x%' WHERE name = 'pattern 1';
INSERT INTO metric_definition (name, data_type) VALUES ('one more', 'numeric');
SAVEPOINT full_up;
UPDATE metric_definition SET name_pattern = 'y%' WHERE name = 'one more';
ROLLBACK TO full_up;
UPDATE metric_definition SET name_pattern = NULL WHERE name = 'pattern 2';
UPDATE metric_definition SET name_pattern = 'y%' WHERE name = 'one more';
SELECT count(*) FROM metric_definition WHERE name_pattern IS NOT NULL;
ROLLBACK;
-- What comes before the first % or _, with escapes, is compared by itself.
INSERT INTO metric_definition (name, name_pattern, data_type, unit)
VALUES ('a', 'a.%', 'numeric', 'a'), ('b', 'b', 'numeric', 'b'), ('c', 'c\%%', 'numeric', 'c'), ('d', 'dä_', 'numeric', 'd'), ('e', '_e', 'numeric', 'e');
SELECT m.metric, j.unit FROM unnest('{a.,a.b,a,A.b,b,bb,c%,cx,dä€,dä,dää,xe,e}'::text[]) WITH ORDINALITY AS m (metric, place), pg_temp.judge(m.metric, '{1}') AS j ORDER BY m.place;
SELECT delete_device('judged') \g /dev/null
DELETE FROM metric_definition;
