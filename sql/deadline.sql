-- telemetry.deadline: nothing is stored after it, whatever way it comes.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
SET search_path = telemetry, public;
SET timezone = 'UTC';
TRUNCATE block;
SELECT count(*) FROM point;

SET telemetry.deadline = 'soon';
SET telemetry.deadline = '-1';
SET telemetry.deadline = '99999999999999999999';
SHOW telemetry.deadline;

-- Passed.
SET telemetry.deadline = '1';
INSERT INTO point (ts, device_id, metric, value) VALUES ('2025-01-01', 'd1', 'm', '1');
COPY point (ts, device_id, metric, value) FROM stdin;
2025-01-01	d1	m	1
\.
SELECT ingest('{"timestamp": "2025-01-01T00:00:00Z", "metric_name": "m", "value": 1}', 'd1', 'single');
-- Reading and what stores no data go on.
SELECT count(*) FROM point;
SELECT job_roll_up();

-- To come, and none.
SELECT set_config('telemetry.deadline', (extract(epoch FROM now() + interval '1 hour') * 1000000)::bigint::text, false) IS NOT NULL;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2025-01-01', 'd1', 'm', '1');
RESET telemetry.deadline;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2025-01-01', 'd1', 'm', '2');
SELECT value FROM point;

-- It may pass while a statement runs.
DO $$
BEGIN
	PERFORM set_config('telemetry.deadline', (extract(epoch FROM clock_timestamp() + interval '50 ms') * 1000000)::bigint::text, true);
	INSERT INTO telemetry.point (ts, device_id, metric, value)
	SELECT '2025-01-02'::timestamptz + i * interval '1 second', 'd1', 'm', '1' FROM generate_series(1, 3) AS i, pg_sleep(0.1);
END
$$;
SELECT count(*) FROM point;

-- Events, too.
BEGIN;
INSERT INTO stream (name, description) VALUES ('deadline', 'For this test.');
SAVEPOINT before;
SET LOCAL telemetry.deadline = '1';
INSERT INTO event (stream, event_id, event_type, occurred_at) VALUES ('deadline', 'e1', 't', now());
ROLLBACK TO before;
INSERT INTO event (stream, event_id, event_type, occurred_at) VALUES ('deadline', 'e1', 't', now());
SELECT count(*) FROM event WHERE stream = 'deadline';
ROLLBACK;
TRUNCATE block;
