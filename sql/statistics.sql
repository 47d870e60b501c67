-- Statistics and health: acceptance criteria of Epic 6 of seed 004.
\set VERBOSITY terse
\pset null (null)
\pset format unaligned
SET timezone = 'UTC';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS telemetry CASCADE;
SET search_path = telemetry, public;
TRUNCATE telemetry.block;
DELETE FROM telemetry.dead_letter;
DELETE FROM telemetry.alert;
DELETE FROM telemetry.statistics_hour;
DELETE FROM telemetry.statistics_state;

CREATE FUNCTION pg_temp.stats(device text, OUT status integer, OUT body jsonb) LANGUAGE sql AS $$
	SELECT h.status, h.body FROM telemetry.http_call('GET /api/v1/telemetry/devices/{device_id}/stats', jsonb_build_object('device_id', device)) AS h
$$;
CREATE FUNCTION pg_temp.service(OUT status integer, OUT body jsonb) LANGUAGE sql AS $$
	SELECT h.status, h.body FROM telemetry.http_call('GET /api/v1/telemetry/stats', '{"proxy": {"latency_avg_ms": 1.5}}') AS h
$$;

-- E6-US1 AC6: zeros if there is nothing.
SELECT status, jsonb_pretty(body) FROM pg_temp.stats('device_001');
-- E6-US2 AC6: the same of all.
SELECT s.status, jsonb_pretty(s.body - '{as_of,data_by_hour}'::text[]) AS body, (SELECT count(*) FROM jsonb_each_text(s.body -> 'data_by_hour') AS h WHERE h.value = '0') AS hours
FROM pg_temp.service() AS s;

-- E6-US1 AC1 to AC5, as printed: an hour's points of one metric, each minute; a day's of another; long ago, and of other devices.
BEGIN;
INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT now() - i * interval '1 min', 'device_001', 'temperature', i::float8::telemetry.value FROM generate_series(1, 60) AS i;
INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT now() - i * interval '1 hour', 'device_001', 'door', '"open"' FROM generate_series(0, 30) AS i;
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES (now() - interval '10 days', 'device_001', 'old', '1'), (now(), 'device_002', 'temperature', '1');
INSERT INTO telemetry.alert (alert_id, rule_id, rule_name, device_id, metric_name, level, condition, threshold_value, value, message, triggered_at) VALUES
	('stats_1', 'r', 'r', 'device_001', 'm', 'info', '>', '0', '1', 'm', now() - interval '23 hours'), ('stats_2', 'r', 'r', 'device_001', 'n', 'info', '>', '0', '1', 'm', now() - interval '25 hours');
SELECT status, body - '{last_update,storage_size}'::text[] AS body, (body ->> 'last_update')::timestamptz = date_trunc('milliseconds', now()) AS is_last,
	(body ->> 'storage_size')::bigint > 0 AS takes_room
FROM pg_temp.stats('device_001');
SELECT array_agg(k ORDER BY k) FROM pg_temp.stats('device_001') AS s, jsonb_object_keys(s.body) AS k;
SELECT m.metric, m.points, m.last_24h_points FROM telemetry.device_metric_statistics('device_001') AS m ORDER BY m.metric;
-- E6-US2 AC1 to AC5.
SELECT s.status, s.body - '{as_of,data_by_hour,points_per_second}'::text[] AS body, (SELECT sum(h.value::bigint) FROM jsonb_each_text(s.body -> 'data_by_hour') AS h) > 60 AS by_hour,
	(s.body ->> 'points_per_second')::float8 > 0 AS rate
FROM pg_temp.service() AS s;
SELECT array_agg(k ORDER BY k) FROM pg_temp.service() AS s, jsonb_object_keys(s.body) AS k;
COMMIT;

-- Rolled up, replaced, deleted: what is stored counts, once each.
CALL telemetry.run_jobs('roll_up');
SELECT (body ->> 'data_points_count')::bigint AS points, body -> 'top_metrics' AS top_metrics FROM pg_temp.stats('device_001');
INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT ts, device_id, metric, '0' FROM telemetry.point WHERE device_id = 'device_001';
SELECT (body ->> 'data_points_count')::bigint AS points FROM pg_temp.stats('device_001');
SELECT count(telemetry.delete_points('device_001', 'door', NULL, NULL)) AS deletions;
SELECT body -> 'data_points_count' AS points, body -> 'total_metrics' AS metrics, body -> 'last_24h_points' AS last_24h FROM pg_temp.stats('device_001');

-- E6-US1 AC5, E6-US2 AC5: types of metrics are those of their definitions.
BEGIN;
INSERT INTO telemetry.metric_definition (name, data_type, metric_type) VALUES ('temperature', 'numeric', 'counter'), ('nobody''s', 'numeric', 'histogram');
SELECT d.body -> 'metrics_by_type' AS of_device, s.body -> 'metrics_by_type' AS of_all FROM pg_temp.stats('device_001') AS d, pg_temp.service() AS s;
ROLLBACK;

-- E6-US1: a device that cannot be.
SELECT * FROM pg_temp.stats(repeat('d', 129));
SELECT * FROM pg_temp.stats('''; DROP TABLE telemetry.block') AS s WHERE s.body ->> 'data_points_count' <> '0';
SELECT * FROM telemetry.http_call('GET /api/v1/telemetry/devices/{device_id}/stats', '{"device_id": {"a": 1}}') AS h WHERE h.body ->> 'data_points_count' <> '0';

-- Rejected points are errors.
BEGIN;
INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT now(), 'device_002', '', '1' FROM generate_series(1, 3);
INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT now() - interval '1 s', 'device_002', 'error' || i, '1' FROM generate_series(1, 9 - (SELECT count(*)::integer FROM telemetry.point WHERE ts >= now() - interval '5 min' AND ts < now())) AS i;
SELECT body -> 'error_rate' AS error_rate FROM pg_temp.service();
ROLLBACK;

-- What job statistics found is what is read, for ten minutes; then what there is.
BEGIN;
DO $$ BEGIN WHILE telemetry.job_statistics() LOOP END LOOP; END $$;
SELECT (SELECT count(*) FROM telemetry.statistics_hour) AS hours, (SELECT count(*) FROM telemetry.statistics_state) AS rows;
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES (now(), 'device_003', 'temperature', '1');
SELECT body -> 'total_devices' AS devices FROM pg_temp.service();
UPDATE telemetry.statistics_state SET as_of = now() - interval '11 minutes';
SELECT body -> 'total_devices' AS devices FROM pg_temp.service();
-- Hours gone by are counted anew after an hour.
UPDATE telemetry.statistics_hour SET points = -1;
SELECT telemetry.job_statistics(), (SELECT count(*) FROM telemetry.statistics_hour WHERE points = -1) AS wrong;
UPDATE telemetry.statistics_hour SET counted_at = now() - interval '61 minutes';
DO $$ BEGIN WHILE telemetry.job_statistics() LOOP END LOOP; END $$;
SELECT count(*) FROM telemetry.statistics_hour WHERE points = -1;
ROLLBACK;

-- E6-US3 AC1, AC3: health.
SELECT h.status, h.body - 'version' AS body FROM telemetry.http_health('{"port": 8218}') AS h;
-- E6-US4 AC1 to AC3: in detail.
SELECT h.status, (SELECT jsonb_object_agg(c.key, c.value -> 'status') FROM jsonb_each(h.body -> 'components') AS c WHERE c.key <> 'alert_engine') AS components, h.body #> '{components,alert_engine}' ? 'status' AS alert_engine,
	h.body #> '{performance,proxy}' AS proxy, h.body -> 'performance' ? 'database_ms' AS database
FROM telemetry.http_health_detailed('{"port": 8218, "proxy": {"latency_avg_ms": 1.5}}') AS h;

DELETE FROM telemetry.alert;
DELETE FROM telemetry.dead_letter;
DELETE FROM telemetry.statistics_hour;
DELETE FROM telemetry.statistics_state;
TRUNCATE telemetry.block;
