-- Queries, in SQL and as HTTP serves them (seed 004, Epic 3).
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = telemetry, public;
TRUNCATE block, dead_letter, drop_log;
DELETE FROM retention;

-- A day of temperature, each minute, half of it rolled up; humidity; and another device, which has one text.
INSERT INTO point (ts, device_id, metric, value, unit, tags)
SELECT '2025-12-17'::timestamptz + i * interval '1 minute', 'device_001', 'temperature', 24 + (i % 60) / 59.0, 'celsius',
	jsonb_build_object('room', CASE i % 2 WHEN 0 THEN 'north' ELSE 'south' END)
FROM generate_series(0, 719) AS i;
INSERT INTO point (ts, device_id, metric, value) SELECT '2025-12-17'::timestamptz + i * interval '10 minutes', 'device_001', 'humidity', 60 + i FROM generate_series(0, 3) AS i;
SELECT job_roll_up();
INSERT INTO point (ts, device_id, metric, value, unit, tags)
SELECT '2025-12-17'::timestamptz + i * interval '1 minute', 'device_001', 'temperature', 24 + (i % 60) / 59.0, 'celsius',
	jsonb_build_object('room', CASE i % 2 WHEN 0 THEN 'north' ELSE 'south' END)
FROM generate_series(720, 1439) AS i;
INSERT INTO point (ts, device_id, metric, value) VALUES
	('2025-12-17 00:00', 'device_002', 'temperature', '10'), ('2025-12-17 00:30', 'device_002', 'temperature', '"broken"'), ('2025-12-17 23:00', 'device_002', 'temperature', '30');
CREATE FUNCTION pg_temp.post(body jsonb) RETURNS SETOF text LANGUAGE sql AS
	$$ SELECT a.status || ' ' || jsonb_pretty(a.body) FROM telemetry.http_query('{}', body) AS a $$;
CREATE FUNCTION pg_temp.answer(name text, params jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE format('SELECT a.status || '' '' || a.body FROM telemetry.%I($1) AS a', name) INTO answer USING params;
	RETURN answer;
END
$$;
CREATE FUNCTION pg_temp.wrong(more jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT a.status || ' ' || (a.body ->> 'detail')
	FROM telemetry.http_query('{}', '{"metrics": ["temperature"], "start_time": "2025-12-17T00:00:00Z", "end_time": "2025-12-18T00:00:00Z"}' || more) AS a
$$;

-- E3-US1 AC1, AC5: POST …/query answers with data_points
SELECT method, path FROM route WHERE function::text ~ 'http_(query|latest|device_metrics|range|aggregated)' ORDER BY path COLLATE "C";
SELECT pg_temp.post('{"devices": ["device_001"], "metrics": ["temperature"], "start_time": "2025-12-17T00:00:00Z", "end_time": "2025-12-18T00:00:00Z", "aggregation": "avg", "interval": 43200, "limit": 1000}');
SELECT a.status, a.body -> 'count' AS count, a.body -> 'series' AS series, a.body -> 'data_points' -> 0 AS first, a.body ? 'next_cursor' AS more
FROM http_query('{}', '{
  "devices": ["device_001"],
  "metrics": ["temperature", "humidity"],
  "start_time": "2025-12-17T00:00:00Z",
  "end_time": "2025-12-18T00:00:00Z",
  "aggregation": "avg",
  "interval": 3600,
  "limit": 1000
}') AS a;
-- E3-US1 AC2: metrics, start_time and end_time are required
SELECT a.status, a.body FROM http_query('{}', '{"start_time": "2025-12-17", "end_time": "2025-12-18"}') AS a;
SELECT a.status, a.body FROM http_query('{}', '{"metrics": ["m"], "end_time": "2025-12-18"}') AS a;
SELECT a.status, a.body FROM http_query('{}', '{"metrics": ["m"], "start_time": "2025-12-18"}') AS a;
SELECT a.status, a.body FROM http_query('{}', NULL) AS a;
SELECT a.status, a.body FROM http_query('{}', '[1]') AS a;
-- E3-US1 AC3: devices, aggregation, interval, filters and limit are optional
SELECT pg_temp.post('{"metrics": ["temperature"], "start_time": "2025-12-17T00:00:00Z", "end_time": "2025-12-18T00:00:00Z", "filters": {"room": "south"}, "limit": 2}');
SELECT pg_temp.post('{"metrics": ["temperature"], "start_time": "2025-12-17T00:00:00Z", "end_time": "2025-12-17T01:00:00Z", "devices": ["device_002"]}');
-- E3-US1 AC4: avg, min, max, sum, count, and more
SELECT g.aggregation, q.device_id, round(q.num::numeric, 6) AS num, q.n, q.unit
FROM unnest('{avg,min,max,sum,count,median,p95,p99,first,last,stddev,rate,delta}'::text[]) WITH ORDINALITY AS g (aggregation, place),
	query('{temperature}', '2025-12-17', '2025-12-18', NULL, g.aggregation, '1 day') AS q
ORDER BY g.place, q.device_id;
-- E3-US1 AC7: 10000 data points at most, and limits are named
SELECT pg_temp.wrong('{"limit": 10001}'), pg_temp.wrong('{"limit": 0}'), pg_temp.wrong('{"aggregation": "avg", "interval": 1}');
SELECT count(*) FROM query('{temperature,humidity}', '2025-12-17', '2025-12-18', max_rows => 10000);
SELECT * FROM query('{temperature}', '2025-12-17', '2025-12-18', max_rows => 10001);

-- pages_follow_each_other
SELECT a.body -> 'series' AS series, (b.body -> 'data_points') #> '{0}' AS first_of_next, b.body -> 'count' AS rest, b.body ? 'next_cursor' AS more
FROM http_query('{}', '{"metrics": ["humidity", "temperature"], "start_time": "2025-12-17", "end_time": "2025-12-18", "limit": 1442}') AS a,
	http_query('{}', jsonb_build_object('metrics', '["humidity", "temperature"]'::jsonb, 'start_time', '2025-12-17', 'end_time', '2025-12-18', 'cursor', a.body -> 'next_cursor')) AS b;
-- both_ways_agree: by rollups, and by points
SELECT count(*), bool_and(abs(h.num - p.num) < 1e-9 AND h.n = p.n) AS same
FROM query('{temperature}', '2025-12-17 00:10', '2025-12-17 20:20', '{device_001}', 'avg', '1 hour') AS h
FULL JOIN query('{temperature}', '2025-12-17 00:10', '2025-12-17 20:20', '{device_001}', 'avg', '1 hour', '{}') AS p USING (device_id, metric, ts);
-- all_devices_as_one
SELECT device_id, ts, num, n FROM query('{temperature}', '2025-12-17', '2025-12-18', NULL, 'max', '12 hours', group_devices => true);
-- buckets_without_numbers_are_filled
SELECT f.fill, q.ts, q.num, q.n FROM unnest('{none,"null",previous,linear}'::text[]) AS f (fill), query('{temperature}', '2025-12-17', '2025-12-18', '{device_002}', 'last', '6 hours', fill => f.fill) AS q;
SELECT * FROM query('{temperature}', '2025-12-17', '2025-12-18', '{nobody}', 'avg', '1 day', fill => 'null');
-- a_definition_says_the_unit_and_the_interval
INSERT INTO metric_definition (name, data_type, unit, aggregation_interval) VALUES ('humidity', 'numeric', 'percent', 1800);
SELECT ts, num, unit FROM query('{humidity}', '2025-12-17', '2025-12-18', '{device_001}', 'avg');
SELECT query_bucket('{humidity,temperature}', '2025-12-17', '2025-12-18'), query_bucket('{temperature}', '2025-12-17', '2025-12-18'), query_bucket('{temperature}', '2025-12-17', '2026-12-17');
SELECT unit FROM query('{humidity}', '2025-12-17', '2025-12-18', '{device_001}', 'rate') LIMIT 1;
DELETE FROM metric_definition;
-- what_is_wrong_is_named
SELECT pg_temp.wrong('{"metrics": []}'), pg_temp.wrong('{"metrics": "temperature"}'), pg_temp.wrong(jsonb_build_object('metrics', jsonb_build_array(repeat('m', 129))));
SELECT pg_temp.wrong('{"start_time": "yesterday"}'), pg_temp.wrong('{"end_time": "2025-12-17T00:00:00Z"}'), pg_temp.wrong('{"end_time": "infinity"}');
SELECT pg_temp.wrong('{"aggregation": "mode"}'), pg_temp.wrong('{"interval": 1e30}'), pg_temp.wrong('{"interval": "1 hour"}'), pg_temp.wrong('{"interval": 0}');
SELECT pg_temp.wrong('{"filters": [1]}'), pg_temp.wrong('{"fill": "null"}'), pg_temp.wrong('{"timezone": "Mars"}'), pg_temp.wrong('{"order": "desc"}');
SELECT pg_temp.wrong('{"cursor": "x"}'), pg_temp.wrong('{"cursor": "e30"}'), pg_temp.wrong(jsonb_build_object('cursor', repeat('A', 1000)));
SELECT count(*) FROM query(ARRAY[$$'; DROP TABLE telemetry.block; --$$, '$1', '%'], '2025-12-17', '2025-12-18', ARRAY[$$'; DROP TABLE telemetry.block; --$$, '$1', '%']);
SELECT pg_temp.wrong(('{"filters": ' || repeat('{"a": ', 1000) || '1' || repeat('}', 1000) || '}')::jsonb) IS NOT NULL AS answered;
SELECT * FROM query('{temperature}', '2025-12-17', '2025-12-18', bucket => '1 hour');
SELECT * FROM query('{temperature}', '-infinity', '2025-12-18');
SELECT * FROM query(ARRAY[NULL], '2025-12-17', '2025-12-18');
SELECT * FROM query('{temperature}', '2025-12-17', '2025-12-18', aggregation => 'avg', bucket => '0');
-- Before anything is made of them: that there are too many of one is said, not that the other is unknown.
SELECT * FROM query(array_fill('temperature'::text, '{101}'), '2025-12-17', '2025-12-18', aggregation => 'avg', bucket => '1 hour', zone => 'Mars');
SELECT * FROM query('{temperature}', '2025-12-17', '2025-12-18', aggregation => 'avg', bucket => '1 hour', zone => repeat('x', 10000));
SELECT zone_has_whole_hours(repeat('x', 10000));

-- E3-US2 AC1, AC2: the newest point
INSERT INTO point (ts, device_id, metric, value, unit) VALUES (date_trunc('second', now() - interval '3 hours'), 'device_003', 'temperature', '25', 'celsius'),
	(date_trunc('second', now() - interval '2 hours'), 'device_003', 'temperature', '25.5', 'celsius'), (now() - interval '30 hours', 'device_003', 'humidity', '60', NULL);
SELECT a.status, a.body - 'timestamp' AS body, (a.body ->> 'timestamp')::timestamptz = date_trunc('second', now() - interval '2 hours') AS is_newest
FROM http_latest('{"device_id": "device_003", "metric_name": "temperature"}') AS a;
-- E3-US2 AC3: 24 hours back by default
SELECT pg_temp.answer('http_latest', '{"device_id": "device_003", "metric_name": "humidity"}');
SELECT a.status, a.body -> 'value' AS value FROM http_latest('{"device_id": "device_003", "metric_name": "humidity", "hours": "48"}') AS a;
SELECT pg_temp.answer('http_latest', '{"device_id": "device_003", "metric_name": "humidity", "hours": "-1"}');
-- E3-US2 AC4: 404 if there is none
SELECT pg_temp.answer('http_latest', '{"device_id": "nobody", "metric_name": "temperature"}');

-- E3-US3 AC1, AC2: names of metrics, each once
SELECT pg_temp.answer('http_device_metrics', '{"device_id": "device_001"}');
-- E3-US3 AC3: an empty array if there are none
SELECT pg_temp.answer('http_device_metrics', '{"device_id": "nobody"}');

-- E3-US4 AC1, AC4: a range answers as a query does
SELECT a.status, a.body::jsonb - '{start_time,end_time,data_points}'::text[] AS body, jsonb_array_length(a.body::jsonb -> 'data_points') AS points,
	(a.body::jsonb ->> 'end_time')::timestamptz - (a.body::jsonb ->> 'start_time')::timestamptz AS range
FROM http_range('{"device_id": "device_003", "metric_name": "temperature", "time_range": "6h"}') AS a;
-- E3-US4 AC2: 1h, 6h, 24h, 7d, 30d, 90d
SELECT t.time_range, a.status, a.body::json -> 'count' AS count
FROM unnest('{1h,6h,24h,7d,30d,90d}'::text[]) AS t (time_range), http_range(jsonb_build_object('device_id', 'device_003', 'metric_name', 'humidity', 'time_range', t.time_range)) AS a;
SELECT pg_temp.answer('http_range', '{"device_id": "device_003", "metric_name": "temperature", "time_range": "2h"}');
-- the_text_of_points_is_that_of_jsonb: of any value, name, time and tags
SELECT count(*), bool_and(json_points(ARRAY[p], d)::text = json_points(ARRAY[p], d)::jsonb::text) AS same,
	bool_and(json_points(ARRAY[p], d)::jsonb = jsonb_build_array(jsonb_build_object('timestamp', json_timestamp((p).ts), 'metric_name', (p).metric, 'value', (p).value::jsonb, 'unit', (p).unit)
		|| CASE WHEN d THEN jsonb_build_object('device_id', (p).device_id) ELSE '{}' END || CASE WHEN (p).tags IS NOT NULL THEN jsonb_build_object('tags', (p).tags) ELSE '{}' END)) AS right
FROM (SELECT w.text::value FROM unnest(ARRAY['0', '-0', '1e300', '1e-7', '-12.5', '123456789012345680000', E'"x\\"y\\u00e9\\n"', 'true', '{"b": [1, 2.50]}', '[1e2]']) AS w (text)
		UNION ALL SELECT f.num::value FROM unnest('{NaN,-Infinity,-0}'::float8[]) AS f (num) UNION ALL SELECT NULL) AS v (value),
	unnest('{2025-12-17 00:00:00,2025-12-17 01:02:03.4567,0044-03-15 BC,12025-01-01,infinity}'::timestamptz[]) AS t (ts),
	unnest(ARRAY[NULL, E'{"b": 1.0, "a": "\\u00e9"}']::jsonb[]) AS g (tags), unnest(ARRAY[false, true]) AS d (d),
	LATERAL (SELECT (E'de"\t1', E'é\\', t.ts, v.value, NULL, 1, g.tags ->> 'a', g.tags)::query_row) AS r (p);
SELECT json_points('{}', true), json_points(ARRAY[('d', 'm', '2025-12-17', '1.50', 1.5, 1, 'V', '{"k": 1}')]::query_row[], true);
SELECT json_points(ARRAY[NULL]::query_row[], true);
-- E3-US4 AC3: aggregation and interval are optional
SELECT a.status, a.body::json -> 'aggregation' AS aggregation, a.body::json -> 'interval' AS "interval", a.body::json -> 'count' AS count
FROM unnest(ARRAY['{"aggregation": "count", "interval": "86400"}', '{"aggregation": "count"}', '{"interval": "60"}']::jsonb[]) AS p (params),
	http_range('{"device_id": "device_003", "metric_name": "humidity", "time_range": "90d"}' || p.params) AS a;
SELECT pg_temp.answer('http_range', '{"device_id": "d", "metric_name": "m", "interval": "x"}'), pg_temp.answer('http_range', '{"device_id": "d", "metric_name": "m", "aggregation": "mode"}');

-- E3-US5 AC1, AC4: aggregates of a metric
SELECT pg_temp.answer('http_aggregated', '{"metric_name": "temperature", "aggregation_type": "max", "interval": "43200", "start_time": "2025-12-17T00:00:00Z", "end_time": "2025-12-18T00:00:00Z"}');
-- E3-US5 AC2: all but the device are required
SELECT pg_temp.answer('http_aggregated', params - name)
FROM (VALUES ('{"metric_name": "temperature", "aggregation_type": "max", "interval": "43200", "start_time": "2025-12-17T00:00:00Z", "end_time": "2025-12-18T00:00:00Z"}'::jsonb)) AS p (params),
	unnest('{metric_name,aggregation_type,interval,start_time,end_time}'::text[]) AS n (name);
SELECT pg_temp.answer('http_aggregated', '{"metric_name": "temperature", "aggregation_type": "max", "interval": "1", "start_time": "2025-12-17T00:00:00Z", "end_time": "2025-12-18T00:00:00Z"}');
-- fill=null_is_a_choice
SELECT pg_temp.answer('http_aggregated', '{"metric_name": "temperature", "aggregation_type": "max", "interval": "43200", "start_time": "2025-12-17T00:00:00Z", "end_time": "2025-12-19T00:00:00Z", "fill": "null"}');
SELECT (http_range('{"device_id": "device_002", "metric_name": "temperature", "aggregation": "avg", "fill": "null"}')).status, (http_range('{"device_id": "device_002", "metric_name": "temperature", "aggregation": "avg", "fill": "nothing"}')).body;
-- E3-US5 AC3: of one device
SELECT pg_temp.answer('http_aggregated', '{"metric_name": "temperature", "aggregation_type": "max", "interval": "43200", "start_time": "2025-12-17T00:00:00Z", "end_time": "2025-12-18T00:00:00Z", "device_id": "device_002"}');
TRUNCATE block;
