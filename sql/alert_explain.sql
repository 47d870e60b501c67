-- telemetry.explain_alert_rule: what became of each violation, as it was made.
\set VERBOSITY terse
\pset null (null)
SET timezone = 'UTC';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS telemetry CASCADE;
SET search_path = telemetry, public;

-- Points of a series at so many minutes of an hour, in one batch.
CREATE FUNCTION pg_temp.points(metric text, minutes_values jsonb, device text DEFAULT 'x', tags jsonb DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
	INSERT INTO telemetry.point (ts, device_id, metric, value, tags)
	SELECT '2025-06-02 10:00'::timestamptz + (m.key || ' min')::interval, device, metric, m.value::telemetry.value, tags FROM jsonb_each(minutes_values) AS m
$$;
CREATE FUNCTION pg_temp.why(rule text, metric text, device text DEFAULT 'x', from_ts timestamptz DEFAULT '2025-06-02', to_ts timestamptz DEFAULT '2025-06-03')
	RETURNS TABLE ("from" text, "to" text, points bigint, outcome text, alert text, detail text) LANGUAGE sql AS $$
	SELECT to_char(e.first_ts, 'HH24:MI'), to_char(e.last_ts, 'HH24:MI'), e.points, e.outcome,
		(SELECT 'of ' || to_char(a.triggered_at, 'HH24:MI') FROM telemetry.alert AS a WHERE a.alert_id = e.alert_id),
		regexp_replace(e.detail, '202[6-9]-[0-9T:.-]+Z', '(now)', 'g')
	FROM telemetry.explain_alert_rule(rule, device, metric, from_ts, to_ts) AS e
$$;

-- an_alert_what_it_keeps_from_triggering_and_the_cooldown
INSERT INTO alert_rule (rule_id, name, metric_name, condition, threshold_value, cooldown_minutes, created_at, updated_at) VALUES
	('why', 'why', 'why', '>', '10', 15, '2025-01-01', '2025-01-01');
SELECT pg_temp.points('why', '{"0": 1, "1": 11, "2": 12, "3": 13, "4": 1, "5": 11, "6": 11, "7": 1, "15": 11, "16": 11, "17": 1}');
SELECT * FROM pg_temp.why('why', 'why');
-- what_came_before_counts_and_is_not_shown
SELECT * FROM pg_temp.why('why', 'why', from_ts => '2025-06-02 10:02', to_ts => '2025-06-02 10:06');
SELECT * FROM pg_temp.why('why', 'why', from_ts => '2025-06-02 10:04', to_ts => '2025-06-02 10:17');
-- nothing_of_what_does_not_violate
SELECT * FROM pg_temp.why('why', 'why', from_ts => '2025-06-02 10:17');
SELECT * FROM pg_temp.why('why', 'why', from_ts => '2025-06-02 10:03', to_ts => '2025-06-02 10:03');

-- a_user_resolved_it_at_a_later_time
SELECT pg_temp.points('why', '{"40": 11, "41": 11}');
SELECT (resolve_alert(alert_id)).status FROM alert WHERE rule_id = 'why' AND status <> 'resolved';
SELECT pg_temp.points('why', '{"42": 1, "43": 11}');
SELECT * FROM pg_temp.why('why', 'why', from_ts => '2025-06-02 10:30');

-- too_few_and_too_short
INSERT INTO alert_rule (rule_id, name, metric_name, condition, threshold_value, trigger_count, evaluation_window, for_seconds, cooldown_minutes, created_at, updated_at) VALUES
	('why_few', 'few', 'few', '>', '10', 3, 300, 0, 0, '2025-01-01', '2025-01-01'), ('why_short', 'short', 'few', '>', '10', 1, 300, 180, 0, '2025-01-01', '2025-01-01');
SELECT pg_temp.points('few', '{"0": 11, "4": 11, "8": 1, "9": 11, "20": 11, "21": 12, "22": 13, "23": 14, "24": 1}');
SELECT * FROM pg_temp.why('why_few', 'few');
SELECT * FROM pg_temp.why('why_short', 'few');

-- hours_and_maintenance
INSERT INTO maintenance (starts_at, ends_at, rule_ids) VALUES ('2025-06-02 10:10', '2025-06-02 10:20', '{why_hours}') RETURNING id AS maintenance \gset
INSERT INTO maintenance (starts_at, ends_at, rule_ids) VALUES ('2025-06-02 10:10', '2025-06-02 10:20', '{other}'), ('2025-06-02 10:20', '2025-06-02 10:30', '{why_hours}');
DELETE FROM maintenance WHERE starts_at = '2025-06-02 10:20';
INSERT INTO alert_rule (rule_id, name, metric_name, condition, threshold_value, active_hours, active_timezone, created_at, updated_at) VALUES
	('why_hours', 'hours', 'hours', '>', '10', '{mon 10:05-18:00}', 'UTC', '2025-01-01', '2025-01-01');
SELECT pg_temp.points('hours', '{"1": 11, "2": 11, "3": 1, "4": 11, "12": 12, "13": 12, "21": 13}');
SELECT "from", "to", points, outcome, alert, replace(detail, 'maintenance ' || :'maintenance', 'maintenance (id)') AS detail FROM pg_temp.why('why_hours', 'hours');

-- whom_the_rule_is_about
INSERT INTO device_group (name, tags) VALUES ('why', '{"site": "north"}');
INSERT INTO alert_rule (rule_id, name, metric_pattern, condition, threshold_value, device_groups, created_at, updated_at) VALUES
	('why_group', 'group', 'group%', '>', '10', '{why}', '2025-01-01', '2025-01-01');
SELECT pg_temp.points('group', '{"1": 11, "2": 1}', tags => '{"site": "south"}'), pg_temp.points('group', '{"3": 11}', tags => '{"site": "north"}');
SELECT * FROM pg_temp.why('why_group', 'group');
INSERT INTO alert_rule (rule_id, name, metric_name, condition, threshold_value, device_ids, created_at, updated_at) VALUES
	('why_others', 'others', 'group', '>', '10', '{y,z}', '2025-01-01', '2025-01-01');
SELECT * FROM pg_temp.why('why_others', 'group');

-- differences_are_those_between_points
INSERT INTO alert_rule (rule_id, name, metric_name, measure, condition, threshold_value, trigger_count, created_at, updated_at) VALUES
	('why_delta', 'delta', 'delta', 'delta', '>=', '10', 2, '2025-01-01', '2025-01-01');
SELECT pg_temp.points('delta', '{"1": 100, "2": 110, "3": 115, "4": 125, "20": 300}');
SELECT * FROM pg_temp.why('why_delta', 'delta');

-- points_that_came_late
INSERT INTO alert_rule (rule_id, name, metric_name, condition, threshold_value, late, created_at, updated_at) VALUES
	('why_late', 'late', 'late', '>', '10', 'ignore', '2025-01-01', '2025-01-01'), ('why_told', 'told', 'late', '>', '10', 'record', '2025-01-01', '2025-01-01');
SELECT pg_temp.points('late', '{"40": 11, "41": 1}');
SELECT pg_temp.points('late', '{"1": 11, "2": 11, "3": 1}');
SELECT * FROM pg_temp.why('why_late', 'late');
SELECT * FROM pg_temp.why('why_told', 'late');

-- rules_that_were_not_there_or_were_others_or_off
SELECT pg_temp.points('unlike', '{"1": 11, "2": 11}');
INSERT INTO alert_rule (rule_id, name, metric_name, condition, threshold_value) VALUES ('why_older', 'older', 'unlike', '>', '10');
SELECT * FROM pg_temp.why('why_older', 'unlike');
INSERT INTO alert_rule (rule_id, name, metric_name, condition, threshold_value, created_at, updated_at) VALUES
	('why_off', 'off', 'unlike', '>', '10', '2025-01-01', '2025-01-01'), ('why_missed', 'missed', 'unlike', '>', '10', '2025-01-01', '2025-01-01');
UPDATE alert_rule SET enabled = false WHERE rule_id = 'why_off';
SELECT * FROM pg_temp.why('why_off', 'unlike');
UPDATE alert_rule SET enabled = true WHERE rule_id = 'why_off';
SELECT * FROM pg_temp.why('why_off', 'unlike');
-- No judge has ever seen these points.
SELECT * FROM pg_temp.why('why_missed', 'unlike');
INSERT INTO alert_rule_error (rule_id, error_code, error) VALUES ('why_missed', '22023', 'no such zone');
SELECT * FROM pg_temp.why('why_missed', 'unlike');
INSERT INTO alert_pending (rule_id, device_id, metric_name) VALUES ('why_missed', 'x', 'unlike');
SELECT * FROM pg_temp.why('why_missed', 'unlike');

-- a_rule_that_is_another_one_now_does_not_hide_an_alert
UPDATE alert_rule SET trigger_count = 5 WHERE rule_id = 'why';
SELECT * FROM pg_temp.why('why', 'why', to_ts => '2025-06-02 10:07');

-- without_a_change_it_agrees_with_a_backtest
SELECT count(*) AS alerts, count(*) FILTER (WHERE t.triggered_at IS NULL OR e.first_ts IS NULL) AS only_one_says_so
FROM (SELECT r.rule_id, b.* FROM alert_rule AS r, test_alert_rule(r.rule_id, '2025-06-02', '2025-06-03') AS b WHERE r.rule_id IN ('why_few', 'why_short', 'why_hours', 'why_group', 'why_delta')) AS t
FULL JOIN (SELECT r.rule_id, e.* FROM alert_rule AS r, explain_alert_rule(r.rule_id, 'x', coalesce(r.metric_name, 'group'), '2025-06-02', '2025-06-03') AS e
	WHERE e.outcome IN ('alert', 'missed') AND r.rule_id IN ('why_few', 'why_short', 'why_hours', 'why_group', 'why_delta')) AS e ON e.rule_id = t.rule_id AND e.first_ts = t.triggered_at;

DELETE FROM maintenance WHERE rule_ids <> '{}';

-- what_is_refused
SELECT * FROM explain_alert_rule('nobody', 'x', 'why', '2025-06-02', '2025-06-03');
SELECT * FROM explain_alert_rule('why', 'x', 'other', '2025-06-02', '2025-06-03');
SELECT * FROM explain_alert_rule('why', 'x', 'why', '-infinity', 'infinity');
INSERT INTO alert_rule (rule_id, name, metric_name, condition, threshold_value) VALUES ('why_absent', 'absent', 'why', 'absent', '60');
SELECT * FROM explain_alert_rule('why_absent', 'x', 'why', '2025-06-02', '2025-06-03');
SELECT alert_verdicts(r, 'x', 'why', '2025-06-02', '2025-06-03', '{2025-06-02}', '{}') FROM alert_rule AS r WHERE rule_id = 'why';
SELECT alert_verdicts(r, 'x', 'why', '2025-06-02', '2025-06-03', '{NULL}', '{NULL}') FROM alert_rule AS r WHERE rule_id = 'why';

DELETE FROM alert_rule WHERE rule_id LIKE 'why%';
DELETE FROM device_group WHERE name = 'why';
DELETE FROM alert WHERE rule_id LIKE 'why%';
SELECT sum(delete_points('x', m, '2025-06-02', '2025-06-03')) AS deleted FROM unnest('{why,few,hours,group,delta,late,unlike}'::text[]) AS m;
