-- What time does to alerts: condition absent, and levels of alerts that stay open. Time is an argument here.
\pset null -
SET timezone = 'UTC';
CREATE VIEW told AS
	SELECT device_id, metric_name, level, status, value, triggered_at, resolved_at, resolution, message
	FROM telemetry.alert WHERE rule_id LIKE 'time-%' ORDER BY triggered_at, device_id, metric_name;

-- each series by itself
INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value, cooldown_minutes)
VALUES ('time-silent', 'Silent', 'beat', 'absent', 600, 0);
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES
	('2026-01-01 00:00', 'time-a', 'beat', '1'), ('2026-01-01 00:05', 'time-b', 'beat', '1'), ('2026-01-01 00:30', 'time-a', 'other', '1');
SELECT telemetry.settle_absence('2026-01-01 00:09:59');
SELECT telemetry.settle_absence('2026-01-01 00:10');
SELECT telemetry.settle_absence('2026-01-01 00:10');
SELECT * FROM told;
-- what is rolled up is known, too
CALL telemetry.run_jobs('roll_up');
SELECT telemetry.settle_absence('2026-01-01 00:20');
-- a point ends the silence, the first one after it
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES
	('2026-01-01 00:25', 'time-a', 'beat', '1'), ('2026-01-01 00:22', 'time-a', 'beat', '1'), ('2026-01-01 00:07', 'time-b', 'beat', '1');
SELECT telemetry.settle_absence('2026-01-01 00:26');
SELECT * FROM told;
-- one alert for a silence, also when somebody has resolved it
SELECT telemetry.settle_absence('2026-01-01 00:40');
SELECT (telemetry.resolve_alert(alert_id)).status FROM telemetry.alert WHERE rule_id = 'time-silent' AND status <> 'resolved';
SELECT telemetry.settle_absence('2026-01-01 01:40');
SELECT device_id, triggered_at, resolution FROM told;
DELETE FROM telemetry.alert_rule WHERE rule_id = 'time-silent';

-- a device that falls silent again within the cooldown is told of when that is over, once
INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value) VALUES ('time-cool', 'Cool', 'cool', 'absent', 300);
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2026-01-01 00:00', 'time-a', 'cool', '1');
SELECT telemetry.settle_absence('2026-01-01 00:05');
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2026-01-01 00:06', 'time-a', 'cool', '1');
SELECT telemetry.settle_absence('2026-01-01 00:07');
SELECT telemetry.settle_absence('2026-01-01 00:19:59');
SELECT telemetry.settle_absence('2026-01-01 00:20');
SELECT telemetry.settle_absence('2026-01-02');
SELECT triggered_at, resolved_at FROM told WHERE message LIKE 'Cool%';
-- another threshold ends no silence
UPDATE telemetry.alert_rule SET threshold_value = 86400 WHERE rule_id = 'time-cool';
SELECT telemetry.settle_absence('2026-01-02');
-- what the rule is not about any more is over
UPDATE telemetry.alert_rule SET device_ids = '{time-b}' WHERE rule_id = 'time-cool';
SELECT telemetry.settle_absence('2026-01-01 00:30');
SELECT triggered_at, resolved_at FROM told WHERE message LIKE 'Cool%';
\set VERBOSITY terse
UPDATE telemetry.alert_rule SET condition = '>' WHERE rule_id = 'time-cool';
\set VERBOSITY default
DELETE FROM telemetry.alert_rule WHERE rule_id = 'time-cool';

-- devices that are listed and never came, by the rule and by a group; a device as a whole
INSERT INTO telemetry.device_group (name, device_ids) VALUES ('time-group', '{time-d,time-a}');
INSERT INTO telemetry.alert_rule (rule_id, name, metric_pattern, condition, threshold_value, absence_of, device_ids, device_groups, updated_at)
VALUES ('time-device', 'Gone', '%', 'absent', 3600, 'device', '{time-c}', '{time-group}', '2026-01-01 00:00');
SELECT telemetry.settle_absence('2026-01-01 01:00');
SELECT telemetry.settle_absence('2026-01-01 01:30');
SELECT device_id, metric_name, triggered_at, message FROM told WHERE message LIKE 'Gone%';
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2026-01-01 01:31', 'time-c', 'any', '1');
SELECT telemetry.settle_absence('2026-01-01 01:32');
SELECT device_id, status, resolved_at FROM told WHERE message LIKE 'Gone%';
DELETE FROM telemetry.alert_rule WHERE rule_id = 'time-device';

-- neither in maintenance nor out of hours
INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value, active_hours)
VALUES ('time-hours', 'Hours', 'beat', 'absent', 60, '{thu 10:00-11:00}');
INSERT INTO telemetry.maintenance (starts_at, ends_at, device_ids) VALUES ('2026-01-01 10:00', '2026-01-01 10:30', '{time-a}');
SELECT telemetry.settle_absence('2026-01-01 09:59');
SELECT telemetry.settle_absence('2026-01-01 10:00');
SELECT telemetry.settle_absence('2026-01-01 10:30');
SELECT device_id, triggered_at FROM told WHERE message LIKE 'Hours%';
DELETE FROM telemetry.maintenance;
DELETE FROM telemetry.alert_rule WHERE rule_id = 'time-hours';

-- levels
INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value, level, level_after, level_then)
VALUES ('time-level', 'Level', 'heat', '>', 90, 'critical', 600, 'warning');
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2026-01-01 00:00', 'time-a', 'heat', '95');
SELECT telemetry.settle_levels('2026-01-01 00:09:59');
SELECT telemetry.settle_levels('2026-01-01 00:10');
SELECT telemetry.settle_levels('2026-01-01 00:10');
SELECT level, status FROM told WHERE message LIKE 'Level%';
SELECT event_type, data ->> 'level' AS level FROM telemetry.outbox WHERE data ->> 'rule_id' = 'time-level' AND event_type <> 'alert.rule.created' ORDER BY id;
-- another timeout counts for what is open
UPDATE telemetry.alert_rule SET auto_resolve_timeout = NULL WHERE rule_id = 'time-level';
SELECT due_at FROM telemetry.alert_state WHERE rule_id = 'time-level';
UPDATE telemetry.alert_rule SET auto_resolve_timeout = 7200 WHERE rule_id = 'time-level';
SELECT due_at FROM telemetry.alert_state WHERE rule_id = 'time-level';
-- a rule whose rows wait to be tried again keeps no other waiting
INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value) VALUES ('time-m', 'After', 'after', '>', 90);
INSERT INTO telemetry.alert_pending (rule_id, device_id, metric_name, decided_to, retry_at)
VALUES ('time-level', 'time-a', 'heat', '2026-01-01', 'infinity'), ('time-level', 'time-a', 'heat', '2026-01-01', '-infinity');
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2026-01-01 00:00', 'time-a', 'after', '95');
COMMIT;
SELECT telemetry.settle_alerts('2026-01-01');
SELECT status, triggered_at FROM told WHERE message LIKE 'After%';
SELECT rule_id, retry_at FROM telemetry.alert_pending WHERE rule_id LIKE 'time-%' ORDER BY id;
DELETE FROM telemetry.alert_rule WHERE rule_id = 'time-m';
DELETE FROM telemetry.alert_rule WHERE rule_id = 'time-level';

-- refused
INSERT INTO telemetry.alert_rule (name, metric_pattern, condition, threshold_value) VALUES ('n', E'm\\', '>', 60);
INSERT INTO telemetry.alert_rule (name, metric_name, device_patterns, condition, threshold_value) VALUES ('n', 'm', ARRAY['a%', E'\\\\\\'], '>', 60);
\set VERBOSITY terse
INSERT INTO telemetry.alert_rule (name, metric_name, condition, threshold_value) VALUES ('n', 'm', 'absent', '"x"');
INSERT INTO telemetry.alert_rule (name, metric_name, condition, threshold_value) VALUES ('n', 'm', 'absent', 0);
INSERT INTO telemetry.alert_rule (name, metric_name, condition, threshold_value, trigger_count) VALUES ('n', 'm', 'absent', 60, 2);
INSERT INTO telemetry.alert_rule (name, metric_name, condition, threshold_value, level_after) VALUES ('n', 'm', '>', 60, 2);
INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value) VALUES ('time-x', 'n', 'm', 'absent', 60);
SELECT * FROM telemetry.test_alert_rule('time-x', '2026-01-01', '2026-01-02');
DELETE FROM telemetry.alert_rule WHERE rule_id = 'time-x';
DROP VIEW told;
DELETE FROM telemetry.device_group WHERE name = 'time-group';
