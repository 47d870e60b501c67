-- CALL telemetry.run_jobs(wait => true): what was committed before it is in the rollups after it.
\set VERBOSITY terse
SET timezone = 'UTC';
SET search_path = telemetry, public;
TRUNCATE block, dead_letter, event_log, event_key, event_batch, event_change, event_rollup_hour;
INSERT INTO stream (name, description) VALUES ('waited', 'For this test.');

-- nothing_to_wait_for
CALL run_jobs(wait => true);
-- points_and_events_are_rolled_up
INSERT INTO point (ts, device_id, metric, value) SELECT '2024-01-01'::timestamptz + i * interval '1 min', 'd' || i % 10, 'm', '1' FROM generate_series(0, 999) AS i;
INSERT INTO event (stream, event_id, event_type) SELECT 'waited', i::text, 'a' FROM generate_series(1, 100) AS i;
SELECT (SELECT count(*) > 0 FROM pending_point) AS points, (SELECT pending_events FROM event_freshness) AS events;
CALL run_jobs(wait => true);
SELECT (SELECT count(*) FROM pending_point) AS points, (SELECT pending_events FROM event_freshness) AS events,
	(SELECT sum(n) FROM metric_hourly) AS rolled_up, (SELECT sum(n) FROM event_hourly WHERE stream = 'waited') AS events_rolled_up;
-- of_one_kind
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-02', 'd', 'm', '1');
INSERT INTO event (stream, event_id, event_type) VALUES ('waited', '101', 'a');
CALL run_jobs('roll_up', wait => true);
SELECT (SELECT count(*) FROM pending_point) AS points, (SELECT pending_events FROM event_freshness) AS events;
CALL run_jobs('compact', wait => true);
CALL run_jobs('no_such_job', wait => true);
CALL run_jobs(wait => true, timeout => '-1 s');
CALL run_jobs(wait => true, timeout => NULL);
CALL run_jobs(wait => true, timeout => '2 days');
-- not_in_a_transaction
BEGIN;
CALL run_jobs(wait => true);
ROLLBACK;

-- a_disabled_job: an error, if there is something to wait for, and it is not named
SELECT enabled FROM alter_job('roll_up_events', enabled => false);
CALL run_jobs(wait => true);
SELECT pending_events FROM event_freshness;
CALL run_jobs('roll_up_events', wait => true);
SELECT pending_events FROM event_freshness;
CALL run_jobs(wait => true);
SELECT enabled FROM alter_job('roll_up_events', enabled => true);

-- a_job_that_fails
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-03', 'd', 'm', '1');
ALTER TABLE rollup_hour RENAME TO rollup_hour_away;
\set VERBOSITY sqlstate
CALL run_jobs(wait => true);
\set VERBOSITY terse
ALTER TABLE rollup_hour_away RENAME TO rollup_hour;
CALL run_jobs(wait => true);
SELECT count(*) FROM pending_point;
DELETE FROM stream WHERE name = 'waited';
TRUNCATE block, dead_letter, event_log, event_key, event_batch, event_change, event_rollup_hour, event_rollup_day, stream_rollup_day, user_rollup_day;
