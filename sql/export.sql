-- Points as files: each acceptance criterion of Epic 7 of seed 004.
\set VERBOSITY terse
\pset null (null)
\pset format unaligned
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS telemetry CASCADE;
SET search_path = telemetry, public;
TRUNCATE telemetry.block;

-- A request as the proxy passes it on; the answer's parts together.
CREATE FUNCTION pg_temp.export(params jsonb, format text DEFAULT 'csv', OUT status integer, OUT content_type text, OUT body text) LANGUAGE sql AS $$
	SELECT max(p.status), max(p.content_type), string_agg(p.body, '')
	FROM telemetry.http_parts('GET /api/v1/telemetry/export/' || format, params || '{"caller": {}}') AS p
$$;
\set range '"start_time": "2024-01-01T00:00:00Z", "end_time": "2024-02-01T00:00:00Z"'

INSERT INTO telemetry.point (ts, device_id, metric, value, unit, tags, metadata) VALUES
	('2024-01-02 10:00:00', 'device_001', 'temperature', '21.5', 'C', '{"room": "a, b"}', '{"by": "hand"}'),
	('2024-01-02 10:00:00.5', 'device_001', 'temperature', '-3', NULL, NULL, NULL),
	('2024-01-01 00:00:00', 'device_001', 'state', '"open"', NULL, NULL, NULL),
	('2024-01-31 23:59:59.999999', 'device_001', 'state', '{"a": [1, null]}', NULL, NULL, NULL),
	('2024-02-01 00:00:00', 'device_001', 'state', '"too late"', NULL, NULL, NULL),
	('2023-12-31 23:59:59.999999', 'device_001', 'state', '"too early"', NULL, NULL, NULL),
	('2024-01-03', 'a "b", c', 'm', 'NaN', '"', '{}', NULL),
	('2024-01-03', '=1+1', '@m', 'true', '-C', NULL, NULL),
	('2024-01-03', 'ü', 'm', '{"$binary": "AAEC"}', NULL, '{"k": "\"\\\n"}', NULL);

-- E7-US1 AC1, AC2, AC4: a file with a line of names, of the devices and metrics that are asked for, from start_time to before end_time.
SELECT * FROM pg_temp.export(('{"device_ids": "device_001", "metric_names": "temperature,state", ' || :'range' || '}')::jsonb);
-- The same when it is rolled up, but for one that is replaced.
CALL telemetry.run_jobs('roll_up');
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-02 10:00:00.5', 'device_001', 'temperature', '-4');
SELECT * FROM pg_temp.export(('{"device_ids": "device_001", "metric_names": "temperature,state", ' || :'range' || '}')::jsonb);

-- E7-US1 AC2: what is required, and what cannot be read, by name.
SELECT p.what, e.status, e.content_type, e.body
FROM (VALUES
	('nothing', '{}'::jsonb),
	('no device', '{"metric_names": "m", "start_time": "2024-01-01", "end_time": "2024-01-02"}'),
	('empty', '{"device_ids": "", "metric_names": "m", "start_time": "2024-01-01", "end_time": "2024-01-02"}'),
	('empty among others', '{"device_ids": "a,,b", "metric_names": "m", "start_time": "2024-01-01", "end_time": "2024-01-02"}'),
	('no metric', '{"device_ids": "d", "start_time": "2024-01-01", "end_time": "2024-01-02"}'),
	('no start', '{"device_ids": "d", "metric_names": "m", "end_time": "2024-01-02"}'),
	('no end', '{"device_ids": "d", "metric_names": "m", "start_time": "2024-01-02"}'),
	('not a time', '{"device_ids": "d", "metric_names": "m", "start_time": "yesterday", "end_time": "2024-01-02"}'),
	('month 13', '{"device_ids": "d", "metric_names": "m", "start_time": "2024-01-01", "end_time": "2024-13-01"}'),
	('infinity', '{"device_ids": "d", "metric_names": "m", "start_time": "-infinity", "end_time": "infinity"}'),
	('no time between', '{"device_ids": "d", "metric_names": "m", "start_time": "2024-01-02", "end_time": "2024-01-02"}'),
	('too long', jsonb_build_object('device_ids', repeat('d', 129), 'metric_names', 'm', 'start_time', '2024-01-01', 'end_time', '2024-01-02')),
	('no JSON', '{"device_ids": "[1", "metric_names": "m", "start_time": "2024-01-01", "end_time": "2024-01-02"}'),
	('no texts', '{"device_ids": "[1]", "metric_names": "m", "start_time": "2024-01-01", "end_time": "2024-01-02"}'),
	('deep', jsonb_build_object('device_ids', repeat('[', 1000), 'metric_names', 'm', 'start_time', '2024-01-01', 'end_time', '2024-01-02')),
	('not a text', '{"device_ids": {"a": 1}, "metric_names": "m", "start_time": "2024-01-01", "end_time": "2024-01-02"}'),
	('spreadsheet', '{"device_ids": "d", "metric_names": "m", "start_time": "2024-01-01", "end_time": "2024-01-02", "spreadsheet": "yes"}'),
	('too many', jsonb_build_object('device_ids', (SELECT string_agg('d' || i, ',') FROM generate_series(1, 101) AS i),
		'metric_names', (SELECT string_agg('m' || i, ',') FROM generate_series(1, 100) AS i), 'start_time', '2024-01-01', 'end_time', '2024-01-02'))
) AS p (what, params), pg_temp.export(p.params) AS e;

-- E7-US1 AC5: 404 if there is none, of whatever is not there; also when all have been deleted.
SELECT p.what, e.status, e.content_type, e.body
FROM (VALUES
	('of the device', '{"device_ids": "nobody; DROP TABLE telemetry.block", "metric_names": "m", "start_time": "2024-01-01", "end_time": "2024-02-01"}'::jsonb),
	('at the time', '{"device_ids": "device_001", "metric_names": "temperature", "start_time": "2023-01-01", "end_time": "2024-01-02"}'),
	('between two', '{"device_ids": "device_001", "metric_names": "state", "start_time": "2024-01-05", "end_time": "2024-01-06"}')
) AS p (what, params), pg_temp.export(p.params) AS e;
SELECT * FROM pg_temp.export(('{"device_ids": "nobody", "metric_names": "m", ' || :'range' || '}')::jsonb, 'ndjson');

-- Names with commas, names that are given several times, and the order: by bytes, each once.
SELECT l.params, telemetry.list_parameter(l.params, 'x') FROM (VALUES
	('{}'::jsonb), ('{"x": "b,a,b"}'), ('{"x": "[\"a,b\", \"c\"]"}'), ('{"x": "b", "repeated": {"x": ["c,a", "[\"d\"]", "b"]}}'),
	('{"x": "b", "repeated": "nonsense"}'), ('{"x": "b", "repeated": {"x": "c"}}'), ('{"x": "[]"}'), ('{"x": "[1]"}'), ('{"x": "[{"}')) AS l (params);

-- What a spreadsheet takes for a formula is a text, unless it is not for one.
SELECT e.body FROM pg_temp.export(('{"device_ids": "[\"a \\\"b\\\", c\", \"=1+1\", \"ü\"]", "metric_names": "m,@m", ' || :'range' || '}')::jsonb) AS e;
SELECT e.body FROM pg_temp.export(('{"device_ids": "[\"a \\\"b\\\", c\", \"=1+1\", \"ü\"]", "metric_names": "m,@m", "spreadsheet": "false", ' || :'range' || '}')::jsonb) AS e;

-- A JSON object a line.
SELECT * FROM pg_temp.export(('{"device_ids": "[\"a \\\"b\\\", c\", \"=1+1\", \"ü\", \"device_001\"]", "metric_names": "m,@m,temperature", ' || :'range' || '}')::jsonb, 'ndjson');
SELECT l.line::jsonb ->> 'device_id', l.line::jsonb -> 'value', l.line::jsonb -> 'tags'
FROM pg_temp.export(('{"device_ids": "[\"a \\\"b\\\", c\", \"ü\"]", "metric_names": "m", ' || :'range' || '}')::jsonb, 'ndjson') AS e,
	regexp_split_to_table(rtrim(e.body, E'\n'), '\n') AS l (line);

-- From psql, the same; with times that have no year of four digits.
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('0044-03-15 12:00:00 BC', 'old', 'm', '1'), ('0001-01-01', 'old', 'm', '2'), ('1969-12-31 23:59:59.9', 'old', 'm', '3');
SELECT telemetry.export_points('{old}', '{m}', '-infinity', 'infinity', 'csv');
SELECT telemetry.export_points('{old}', '{m}', 'infinity', '-infinity', 'csv');
SELECT telemetry.export_points('{old}', '{m}', NULL, 'infinity', 'csv');
SELECT telemetry.export_points('{old}', '{m}', '-infinity', 'infinity', 'xml');

-- Round trip: what is read back is what was there, of any kind of value, however many parts there are.
INSERT INTO telemetry.point (ts, device_id, metric, value, unit, tags)
SELECT '2024-01-10'::timestamptz + i * interval '1.5 s', E'd, "' || i % 3, 'trip',
	CASE i % 7
		WHEN 0 THEN (i / 7.0)::float8::telemetry.value
		WHEN 1 THEN format(E'"\\t, \\" %s \\n ü"', i)::telemetry.value
		WHEN 2 THEN (i % 2 = 0)::telemetry.value
		WHEN 3 THEN jsonb_build_object('i', i, 'list', jsonb_build_array(1, 'a,b', NULL))::telemetry.value
		WHEN 4 THEN telemetry.geo(i % 90, -5.25)
		WHEN 5 THEN decode(md5(i::text), 'hex')::telemetry.value
		ELSE (-i)::float8::telemetry.value
	END, CASE WHEN i % 5 = 0 THEN 'u' || i % 10 END, CASE WHEN i % 4 = 0 THEN jsonb_build_object('t', i % 8) END
FROM generate_series(1, 5000) AS i;
CALL telemetry.run_jobs('roll_up');
CREATE TEMP TABLE before AS SELECT ts, device_id, metric, value, unit, tags FROM telemetry.point WHERE metric = 'trip';
SELECT count(*) > 5 AS many_parts, bool_and(octet_length(p.lines) < 70000) AS bounded
FROM (SELECT telemetry.export_points(array_agg(DISTINCT device_id), '{trip}', '2024-01-01', '2024-02-01', 'csv_exact') AS lines FROM before) AS p;
SELECT lo_from_bytea(0, string_agg(convert_to(p.lines, 'UTF8'), '')) AS file
FROM (SELECT telemetry.export_points(array_agg(DISTINCT device_id), '{trip}', '2024-01-01', '2024-02-01', 'csv_exact') AS lines FROM before) AS p \gset
SELECT lo_export(:file, '/tmp/telemetry_export.csv');
SELECT lo_unlink(:file);
SELECT n FROM (SELECT count(telemetry.delete_points(d.device_id, 'trip', '2024-01-01', '2024-02-01')) AS n FROM (SELECT DISTINCT device_id FROM before) AS d) AS gone;
SELECT count(*) FROM telemetry.point WHERE metric = 'trip';
COPY telemetry.point_text (ts, device_id, metric, value, unit, tags) FROM '/tmp/telemetry_export.csv' (FORMAT csv, HEADER, ENCODING 'UTF8');
SELECT count(*) FROM (SELECT ts, device_id, metric, value, unit, tags FROM telemetry.point WHERE metric = 'trip') AS p;
SELECT count(*) AS differences
FROM (TABLE before EXCEPT ALL SELECT ts, device_id, metric, value, unit, tags FROM telemetry.point WHERE metric = 'trip') AS d;

-- In the order of device, metric and time, by bytes, each point once, whether rolled up or not.
INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT ts, device_id, metric, '0' FROM before WHERE ts < '2024-01-10 01:00';
CREATE TEMP TABLE line (n serial, line jsonb);
INSERT INTO line (line)
SELECT x.line::jsonb
FROM (SELECT telemetry.export_points(array_agg(DISTINCT device_id), '{trip}', '2024-01-01', '2024-02-01', 'ndjson') AS lines FROM before) AS p,
	regexp_split_to_table(rtrim(p.lines, E'\n'), E'\n') AS x (line);
SELECT count(*), count(*) FILTER (WHERE l.line -> 'value' = '0') > 2000 AS replaced,
	array_agg(l.n ORDER BY l.n) = array_agg(l.n ORDER BY l.line ->> 'device_id' COLLATE "C", (l.line ->> 'timestamp')::timestamptz) AS in_order
FROM line AS l;

DELETE FROM telemetry.dead_letter;
TRUNCATE telemetry.block;
