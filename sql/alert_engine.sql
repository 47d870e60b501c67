-- telemetry.alert_engine_status and /health/detailed: how it goes with alerts, for who watches the server.
\set VERBOSITY terse
\pset null (null)
SET timezone = 'UTC';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS telemetry CASCADE;
SET search_path = telemetry, public;

BEGIN;
-- Nothing is left of other tests, and jobs have run well.
DELETE FROM alert_pending;
DELETE FROM alert_state;
DELETE FROM alert;
DELETE FROM alert_rule_error;
DELETE FROM alert_rule;
DELETE FROM notification_channel;
DELETE FROM outbox;
INSERT INTO job_state (name, next_run_at, last_started_at, last_finished_at, last_status, failures, runs, total_failures, total_steps)
SELECT n.name, now(), now(), '2025-12-01', 'success', 0, 1, 0, 1 FROM unnest('{alerts,absence}'::text[]) AS n (name)
ON CONFLICT (name) DO UPDATE SET last_finished_at = EXCLUDED.last_finished_at, failures = 0;

CREATE VIEW pg_temp.health AS
SELECT h.body #>> '{components,alert_engine,status}' AS status, h.body ->> 'status' AS of_all, (h.body #>> '{components,alert_engine,lag_seconds}')::numeric::integer AS lag_seconds
FROM telemetry.http_health_detailed() AS h;

-- nothing_to_do_is_healthy
SELECT pending, pending_since, settling, overdue, lag, job_failures, absence_checked_at, open_alerts, open_by_level, rules_enabled, rules_failing
FROM alert_engine_status;
SELECT events_untold_since, notifications_due, notifications_due_since, notifications_leased, notifications_dead FROM alert_engine_status;
SELECT * FROM pg_temp.health;
SELECT jsonb_object_keys(body #> '{components,alert_engine}') AS member FROM http_health_detailed();

-- what_is_left_to_job_alerts_is_lag_until_it_has_been_judged
INSERT INTO alert_rule (rule_id, name, metric_name, condition, threshold_value, level, enabled, updated_at)
SELECT r, r, 'm', '>', '1', l::alert_level, e, now() - interval '1 day'
FROM (VALUES ('on', 'error', true), ('also', 'info', true), ('off', 'info', false)) AS v (r, l, e);
INSERT INTO alert_pending (rule_id, device_id, metric_name, left_at, settle_after) VALUES
	('on', 'a', 'm', statement_timestamp() + interval '1 hour', NULL),
	('on', 'b', 'm', statement_timestamp() - interval '1 day', 7);
SELECT pending, settling, lag FROM alert_engine_status;
SELECT status FROM pg_temp.health;
INSERT INTO alert_pending (rule_id, device_id, metric_name, left_at) VALUES ('on', 'c', 'm', statement_timestamp() - interval '2 hours');
SELECT pending, pending_since = (SELECT left_at FROM alert_pending WHERE device_id = 'c') AS since_c, settling, lag BETWEEN '2 hours' AND '23 hours' AS lag FROM alert_engine_status;
SELECT status, of_all, lag_seconds >= 7200 AS lags FROM pg_temp.health;
DELETE FROM alert_pending;

-- alerts_whose_time_is_over_are_lag_unless_the_rule_is_off
INSERT INTO alert_state (rule_id, device_id, metric_name, revision, live, decided_to, open_alert, due_at, changed_at) VALUES
	('off', 'a', 'm', 1, true, now(), 'x', statement_timestamp() - interval '1 day', now()),
	('on', 'a', 'm', 1, true, now(), 'y', statement_timestamp() + interval '1 day', now());
SELECT overdue, lag FROM alert_engine_status;
INSERT INTO alert_state (rule_id, device_id, metric_name, revision, live, decided_to, open_alert, due_at, changed_at) VALUES
	('on', 'b', 'm', 1, true, now(), 'z', statement_timestamp() - interval '2 hours', now());
SELECT overdue, lag BETWEEN '2 hours' AND '23 hours' AS lag FROM alert_engine_status;
SELECT status FROM pg_temp.health;
DELETE FROM alert_state;

-- open_alerts_are_counted_by_level
INSERT INTO alert (rule_id, rule_name, device_id, metric_name, level, condition, threshold_value, value, message, triggered_at, status, acknowledged_at, resolved_at, resolution)
SELECT 'on', 'on', d, 'm', l::alert_level, '>', '1', '2', 'm', '2025-12-01', s::telemetry.alert_status,
	CASE s WHEN 'acknowledged' THEN now() END, CASE s WHEN 'resolved' THEN now() END, CASE s WHEN 'resolved' THEN 'user' END
FROM (VALUES ('a', 'error', 'active'), ('b', 'error', 'acknowledged'), ('c', 'info', 'active'), ('d', 'critical', 'resolved')) AS v (d, l, s);
SELECT open_alerts, open_by_level, rules_enabled FROM alert_engine_status;
SELECT status FROM pg_temp.health;

-- rules_fail_until_they_are_changed_or_it_is_long_ago
INSERT INTO alert_rule_error (rule_id, error_code, error, occurred_at) VALUES
	('on', '22000', 'why', statement_timestamp()), ('on', '22000', 'why', statement_timestamp()),
	('also', '22000', 'why', statement_timestamp() - interval '20 min'), ('off', '22000', 'why', statement_timestamp());
SELECT rules_failing FROM alert_engine_status;
SELECT status FROM pg_temp.health;
UPDATE alert_rule SET threshold_value = '2' WHERE rule_id = 'on';
SELECT rules_failing FROM alert_engine_status;
INSERT INTO alert_pending (rule_id, device_id, metric_name, failures, retry_at) VALUES ('also', 'a', 'm', 3, statement_timestamp() + interval '1 day');
SELECT rules_failing FROM alert_engine_status;
DELETE FROM alert_pending;
DELETE FROM alert_rule_error;
SELECT status FROM pg_temp.health;

-- jobs_that_fail_are_told
UPDATE job_state SET failures = 2 WHERE name = 'absence';
SELECT job_failures, absence_checked_at FROM alert_engine_status;
SELECT status FROM pg_temp.health;
UPDATE job_state SET failures = 0 WHERE name = 'absence';

-- notifications_are_due_or_under_way_or_dead
INSERT INTO notification_channel (name, kind, url, enabled) VALUES ('hook', 'webhook', 'http://localhost/', true), ('quiet', 'webhook', 'http://localhost/', false);
INSERT INTO notification (channel, state, event_ids, created_at, pending_since, closed_at, next_attempt_at, leased_by, leased_until, settled_at)
SELECT c, s, '{1}', now(), now(), now(), statement_timestamp() + d, CASE WHEN l IS NOT NULL THEN 'w' END, statement_timestamp() + l, statement_timestamp() + e
FROM (VALUES ('hook', 'pending', interval '-4 min', interval '1 day', NULL::interval), ('hook', 'pending', '-3 min', NULL, NULL), ('hook', 'pending', '-2 min', '-1 min', NULL),
	('hook', 'pending', '1 day', NULL, NULL), ('quiet', 'pending', '-9 min', NULL, NULL), ('hook', 'sent', '-9 min', NULL, '-8 min'),
	('hook', 'dead', '-90 min', NULL, '-80 min')) AS v (c, s, d, l, e);
SELECT notifications_due, notifications_due_since = (SELECT min(next_attempt_at) FROM notification WHERE channel = 'hook' AND state = 'pending' AND leased_by IS NULL) AS since,
	notifications_leased, notifications_dead FROM alert_engine_status;
SELECT status FROM pg_temp.health;
UPDATE notification SET settled_at = statement_timestamp() WHERE state = 'dead';
SELECT notifications_dead FROM alert_engine_status;
SELECT status FROM pg_temp.health;

-- a_count_ends_somewhere
INSERT INTO alert_pending (rule_id, device_id, metric_name) SELECT 'on', 'd' || i, 'm' FROM generate_series(1, 10010) AS i;
SELECT pending FROM alert_engine_status;
ROLLBACK;

-- an_event_that_nobody_makes_a_notification_of_is_seen
INSERT INTO notification_channel (name, kind, url) VALUES ('engine', 'webhook', 'http://localhost/');
SELECT prepare_notifications() IS NOT NULL AS prepared;
SELECT events_untold_since IS NULL AS none FROM alert_engine_status;
INSERT INTO alert_rule (rule_id, name, metric_name, condition, threshold_value, notification_channels) VALUES ('engine', 'engine', 'engine_m', '>', '1', '{engine}');
SELECT events_untold_since IS NULL AS of_rules_nothing_is_told FROM alert_engine_status;
INSERT INTO point (ts, device_id, metric, value) VALUES (now(), 'engine', 'engine_m', '2');
SELECT events_untold_since IS NOT NULL AS untold FROM alert_engine_status;
SELECT prepare_notifications() > 0 AS prepared;
SELECT events_untold_since IS NULL AS none FROM alert_engine_status;
DELETE FROM notification_channel WHERE name = 'engine';
DELETE FROM alert_rule WHERE rule_id = 'engine';
SELECT delete_points('engine', 'engine_m', '-infinity', 'infinity') > 0 AS deleted;
