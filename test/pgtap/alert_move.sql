-- The moves of an alert: each state, each thing that may happen in it, and what becomes of it.
\set ON_ERROR_STOP 1
BEGIN;
SET LOCAL client_min_messages = warning;

-- What happens. Of what ingest and time do the evaluator is the judge.
CREATE FUNCTION pg_temp.happen(event text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	CASE event
		WHEN 'acknowledge' THEN PERFORM telemetry.acknowledge_alert('moved', 'note', 'user');
		WHEN 'resolve' THEN PERFORM telemetry.resolve_alert('moved', 'note', 'user');
		WHEN 'violate' THEN
			INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01 00:01', 'd', 'm', '6');
		WHEN 'clear' THEN
			INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01 00:01', 'd', 'm', '0');
		WHEN 'time out' THEN PERFORM telemetry.settle_alerts(clock_timestamp() + interval '2 hours');
		WHEN 'disable rule' THEN UPDATE telemetry.alert_rule SET enabled = false WHERE rule_id = 'moving';
		WHEN 'delete rule' THEN PERFORM telemetry.delete_alert_rule('moving');
		WHEN 'prune' THEN PERFORM telemetry.job_prune();
		WHEN 'update to active' THEN UPDATE telemetry.alert SET status = 'active', resolved_at = NULL, resolution = NULL WHERE alert_id = 'moved';
		WHEN 'update to acknowledged' THEN
			UPDATE telemetry.alert SET status = 'acknowledged', acknowledged_at = now(), resolved_at = NULL, resolution = NULL WHERE alert_id = 'moved';
		WHEN 'update to resolved' THEN UPDATE telemetry.alert SET status = 'resolved', resolved_at = now(), resolution = 'user' WHERE alert_id = 'moved';
	END CASE;
	RETURN 'ok';
EXCEPTION WHEN object_not_in_prerequisite_state THEN
	RETURN 'refused';
END
$$;

CREATE FUNCTION pg_temp.outcome(state text, event text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
	outcome text;
	broken text;
BEGIN
	INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value, auto_resolve_timeout) VALUES
		('moving', 'Moving', 'm', '>', '1', 3600);
	INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01', 'd', 'm', '5');
	ALTER TABLE telemetry.alert DISABLE TRIGGER check_alert_move;
	UPDATE telemetry.alert SET alert_id = 'moved' WHERE rule_id = 'moving';
	ALTER TABLE telemetry.alert ENABLE TRIGGER check_alert_move;
	UPDATE telemetry.alert_state SET open_alert = 'moved' WHERE rule_id = 'moving';
	IF state = 'acknowledged' THEN
		PERFORM telemetry.acknowledge_alert('moved');
	ELSIF state = 'resolved' THEN
		PERFORM telemetry.resolve_alert('moved');
	END IF;
	answer := pg_temp.happen(event);
	SELECT concat_ws(' ', a.status, a.resolution), concat_ws(', ',
			-- What holds of every alert, whatever happens.
			CASE WHEN (a.status = 'resolved') <> (a.resolved_at IS NOT NULL) THEN 'resolved_at' END,
			CASE WHEN (a.status = 'resolved') <> (a.resolution_known_at IS NOT NULL) AND event NOT LIKE 'update%' THEN 'resolution_known_at' END,
			CASE WHEN (a.resolution = 'user') <> (a.resolved_by IS NOT NULL) AND event NOT LIKE 'update%' THEN 'resolved_by' END,
			CASE WHEN a.status <> 'resolved' AND s.open_alert IS DISTINCT FROM a.alert_id OR a.status = 'resolved' AND s.open_alert = a.alert_id
				AND event NOT LIKE 'update%' THEN 'open_alert' END,
			CASE WHEN s.due_at IS NOT NULL AND s.open_alert IS NULL THEN 'due_at' END,
			CASE WHEN state = 'acknowledged' AND a.acknowledged_at IS NULL THEN 'acknowledged_at' END)
	INTO outcome, broken
	FROM telemetry.alert AS a
	LEFT JOIN telemetry.alert_state AS s ON s.rule_id = a.rule_id AND s.device_id = a.device_id AND s.metric_name = a.metric_name
	WHERE a.alert_id = 'moved';
	RAISE EXCEPTION USING ERRCODE = 'TAP01',
		MESSAGE = concat(answer, ': ', outcome, CASE WHEN broken <> '' THEN ', broken: ' || broken END);
EXCEPTION WHEN SQLSTATE 'TAP01' THEN
	RETURN SQLERRM;
END
$$;

CREATE TEMP TABLE move AS SELECT * FROM (VALUES
	('active', 'acknowledge', 'ok: acknowledged'),
	('active', 'resolve', 'ok: resolved user'),
	('active', 'violate', 'ok: active'),
	('active', 'clear', 'ok: resolved clear'),
	('active', 'time out', 'ok: resolved timeout'),
	('active', 'disable rule', 'ok: active'),
	('active', 'delete rule', 'ok: resolved rule_deleted'),
	('active', 'prune', 'ok: active'),
	('active', 'update to active', 'refused: active'),
	('active', 'update to acknowledged', 'ok: acknowledged'),
	('active', 'update to resolved', 'ok: resolved user'),
	('acknowledged', 'acknowledge', 'refused: acknowledged'),
	('acknowledged', 'resolve', 'ok: resolved user'),
	('acknowledged', 'violate', 'ok: acknowledged'),
	('acknowledged', 'clear', 'ok: resolved clear'),
	('acknowledged', 'time out', 'ok: resolved timeout'),
	('acknowledged', 'disable rule', 'ok: acknowledged'),
	('acknowledged', 'delete rule', 'ok: resolved rule_deleted'),
	('acknowledged', 'prune', 'ok: acknowledged'),
	('acknowledged', 'update to active', 'refused: acknowledged'),
	('acknowledged', 'update to acknowledged', 'refused: acknowledged'),
	('acknowledged', 'update to resolved', 'ok: resolved user'),
	('resolved', 'acknowledge', 'refused: resolved user'),
	('resolved', 'resolve', 'refused: resolved user'),
	('resolved', 'violate', 'ok: resolved user'),
	('resolved', 'clear', 'ok: resolved user'),
	('resolved', 'time out', 'ok: resolved user'),
	('resolved', 'disable rule', 'ok: resolved user'),
	('resolved', 'delete rule', 'ok: resolved user'),
	('resolved', 'prune', 'ok: resolved user'),
	('resolved', 'update to active', 'refused: resolved user'),
	('resolved', 'update to acknowledged', 'refused: resolved user'),
	('resolved', 'update to resolved', 'refused: resolved user')
) AS m (state, event, outcome);

SELECT plan(34);
SELECT is((SELECT count(*) FROM move), (SELECT count(DISTINCT m.state) * count(DISTINCT m.event) FROM move AS m), 'each state meets each event');
SELECT is(pg_temp.outcome(m.state, m.event), m.outcome, format('%s, %s', m.state, m.event)) FROM move AS m;
SELECT * FROM finish();
ROLLBACK;
