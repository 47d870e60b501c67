-- Points that come late in transactions whose points job alerts judges: they count in windows and runs of those that come later.
\pset null -
SET timezone = 'UTC';
INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value, evaluation_window, trigger_count, for_seconds, cooldown_minutes, auto_resolve_timeout)
VALUES ('late-count', 'Count', 'late', '>', 90, 600, 4, 0, 0, NULL), ('late-held', 'Held', 'late', '>', 90, 600, 1, 30, 0, NULL);
CREATE VIEW known AS
	SELECT rule_id, decided_to, violating_since, violations, late_points FROM telemetry.alert_state WHERE device_id = 'late-a' ORDER BY rule_id;
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2026-01-01 00:00:10', 'late-a', 'late', '95');
CALL telemetry.run_jobs('alerts');
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2026-01-01 00:00:34', 'late-a', 'late', '95');

-- one that violates
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2026-01-01 00:00:31', 'late-a', 'late', '95');
COMMIT;
CALL telemetry.run_jobs('alerts');
SELECT * FROM known;
-- one that does not
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2026-01-01 00:00:20', 'late-a', 'late', '20');
COMMIT;
CALL telemetry.run_jobs('alerts');
SELECT * FROM known;

INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2026-01-01 00:00:41', 'late-a', 'late', '95');
SELECT rule_id, triggered_at FROM telemetry.alert WHERE device_id = 'late-a';
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2026-01-01 00:01:01', 'late-a', 'late', '95');
SELECT rule_id, triggered_at FROM telemetry.alert WHERE device_id = 'late-a' ORDER BY triggered_at;

DROP VIEW known;
DELETE FROM telemetry.alert_rule WHERE rule_id LIKE 'late-%';
