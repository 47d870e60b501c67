-- Why there is no alert: what became of each violation of a series.

CREATE FUNCTION telemetry.alert_verdicts(rule telemetry.alert_rule, device_id text, metric_name text, from_ts timestamptz, to_ts timestamptz,
		triggered timestamptz[], resolved timestamptz[])
	RETURNS TABLE (first_ts timestamptz, last_ts timestamptz, points bigint, verdict text, violations integer, violating_since timestamptz,
		until timestamptz)
	LANGUAGE C STABLE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'telemetry_alert_verdicts';
COMMENT ON FUNCTION telemetry.alert_verdicts(telemetry.alert_rule, text, text, timestamptz, timestamptz, timestamptz[], timestamptz[]) IS
	'Of telemetry.explain_alert_rule(): folds the points of a series from from_ts to before to_ts by a rule, between the alerts that there were, in the order of '
	'their times (triggered and resolved, infinity if one is open): stretches of violating points of the same fate, with how many count within '
	'evaluation_window at their end, since when each point has violated, and until when for_seconds or the cooldown held them up. Error: invalid_parameter_value.';

CREATE FUNCTION telemetry.explain_alert_rule(rule_id text, device_id text, metric_name text, from_ts timestamptz, to_ts timestamptz)
	RETURNS TABLE (first_ts timestamptz, last_ts timestamptz, points bigint, outcome text, alert_id text, detail text)
	LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
<<asked>>
DECLARE
	rule telemetry.alert_rule;
	state telemetry.alert_state;
	is_pending boolean;
	triggered timestamptz[];
	resolved timestamptz[];
	stretch record;
	near telemetry.alert;
BEGIN
	SELECT r.* INTO rule FROM telemetry.alert_rule AS r WHERE r.rule_id = explain_alert_rule.rule_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no rule "%s"', left(explain_alert_rule.rule_id, 128));
	ELSIF rule.condition = 'absent' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'a rule of condition absent is violated by no point',
			HINT = 'telemetry.series has the time of the last one.';
	END IF;
	SELECT s.* INTO state FROM telemetry.alert_state AS s
	WHERE s.rule_id = rule.rule_id AND s.device_id = explain_alert_rule.device_id AND s.metric_name = explain_alert_rule.metric_name;
	is_pending := EXISTS (SELECT FROM telemetry.alert_pending AS p
		WHERE p.rule_id = rule.rule_id AND p.device_id = explain_alert_rule.device_id AND p.metric_name = explain_alert_rule.metric_name
			AND p.settle_after IS NULL);
	-- With the last one before, which may be open or have begun a cooldown.
	SELECT coalesce(array_agg(a.triggered_at ORDER BY a.triggered_at), '{}'),
		coalesce(array_agg(coalesce(a.resolved_at, 'infinity') ORDER BY a.triggered_at), '{}')
	INTO triggered, resolved
	FROM telemetry.alert AS a
	WHERE a.rule_id = rule.rule_id AND a.device_id = explain_alert_rule.device_id AND a.metric_name = explain_alert_rule.metric_name AND NOT a.late
		AND a.triggered_at < to_ts
		AND a.triggered_at >= coalesce((
			SELECT max(b.triggered_at) FROM telemetry.alert AS b
			WHERE b.rule_id = rule.rule_id AND b.device_id = explain_alert_rule.device_id AND b.metric_name = explain_alert_rule.metric_name
				AND NOT b.late AND b.triggered_at < from_ts), '-infinity');

	FOR stretch IN
		SELECT v.* FROM telemetry.alert_verdicts(rule, explain_alert_rule.device_id, explain_alert_rule.metric_name, from_ts, to_ts, asked.triggered, asked.resolved) AS v
	LOOP
		-- The last alert up to there, which is the one meant; of what should have triggered one, an alert that only tells of that.
		SELECT a.* INTO near FROM telemetry.alert AS a
		WHERE a.rule_id = rule.rule_id AND a.device_id = explain_alert_rule.device_id AND a.metric_name = explain_alert_rule.metric_name
			AND a.triggered_at <= CASE stretch.verdict WHEN 'missed' THEN stretch.last_ts ELSE stretch.first_ts END
			AND a.late = (stretch.verdict = 'missed') AND (NOT a.late OR a.triggered_at >= stretch.first_ts)
		ORDER BY a.triggered_at DESC LIMIT 1;
		first_ts := stretch.first_ts;
		last_ts := stretch.last_ts;
		points := stretch.points;
		alert_id := CASE WHEN stretch.verdict IN ('alert', 'open', 'cooldown', 'missed') THEN near.alert_id END;
		outcome := CASE
			WHEN stretch.verdict <> 'missed' THEN stretch.verdict
			WHEN near.alert_id IS NOT NULL THEN 'late'
			WHEN NOT rule.enabled THEN 'disabled'
			WHEN stretch.last_ts < rule.created_at THEN 'older'
			WHEN is_pending THEN 'pending'
			WHEN stretch.first_ts < rule.updated_at THEN 'changed'
			WHEN state.late_points > 0 THEN 'late'
			ELSE 'missed' END;
		detail := CASE outcome
			WHEN 'alert' THEN 'triggered an alert'
			WHEN 'open' THEN format('an alert was open since %s%s', telemetry.json_time(near.triggered_at),
				', until ' || telemetry.json_time(near.resolved_at))
			WHEN 'too_few' THEN format('%s of %s points within %s s', stretch.violations, rule.trigger_count, rule.evaluation_window)
			WHEN 'too_short' THEN format('violated since %s, and would have to until %s', telemetry.json_time(stretch.violating_since), telemetry.json_time(stretch.until))
			WHEN 'cooldown' THEN format('an alert was triggered at %s: cooldown until %s', telemetry.json_time(near.triggered_at), telemetry.json_time(stretch.until))
			WHEN 'maintenance' THEN (
				SELECT format('maintenance %s', string_agg(m.id::text, ', ' ORDER BY m.id))
				FROM telemetry.maintenance AS m
				WHERE m.starts_at <= stretch.last_ts AND m.ends_at > stretch.first_ts
					AND (m.rule_ids = '{}' OR rule.rule_id = ANY (m.rule_ids)) AND (m.levels = '{}' OR rule.level = ANY (m.levels))
					AND ((m.device_ids = '{}' AND m.device_groups = '{}') OR explain_alert_rule.device_id = ANY (m.device_ids)
						OR EXISTS (SELECT FROM telemetry.device_group AS g
							WHERE g.name = ANY (m.device_groups) AND (explain_alert_rule.device_id = ANY (g.device_ids) OR g.tags IS NOT NULL))))
			WHEN 'out_of_hours' THEN format('outside active_hours %s (%s)', array_to_string(rule.active_hours, ', '), rule.active_timezone)
			WHEN 'not_member' THEN 'the rule is not about the device, or not about points of these tags'
			WHEN 'late' THEN format('came after newer points of the series had been judged, as %s violating points did', state.late_points)
			WHEN 'disabled' THEN format('the rule is switched off, since %s or longer', telemetry.json_time(rule.updated_at))
			WHEN 'older' THEN format('the rule was made at %s', telemetry.json_time(rule.created_at))
			WHEN 'pending' THEN 'job alerts has not judged the series yet'
			WHEN 'changed' THEN format('the rule was last changed at %s, perhaps after the points came', telemetry.json_time(rule.updated_at))
			ELSE coalesce((
				SELECT format('the rule could not be applied: %s', e.error) FROM telemetry.alert_rule_error AS e
				WHERE e.rule_id = rule.rule_id AND e.occurred_at >= stretch.first_ts ORDER BY e.occurred_at DESC LIMIT 1),
				'an alert would be triggered today: it has been removed, or groups or maintenance were others then')
		END;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION telemetry.explain_alert_rule(text, text, text, timestamptz, timestamptz) IS
	'What became of each point of a series from from_ts to before to_ts that violates a rule as the rule is now: stretches of neighbours with the same outcome. alert: it triggered '
	'alert_id; open: an alert was; cooldown; too_few: of trigger_count; too_short: for_seconds was not over; maintenance; out_of_hours; '
	'not_member: not the rule''s by device, group or tags (of all points). Of points that would trigger an alert and did not: late, disabled, older (than the rule), pending, changed (the rule, since), '
	'or missed. detail says so in words, times in UTC. Alerts before job prune removed them are not known. Errors: no_data_found, invalid_parameter_value.';

REVOKE ALL ON FUNCTION telemetry.alert_verdicts(telemetry.alert_rule, text, text, timestamptz, timestamptz, timestamptz[], timestamptz[]),
	telemetry.explain_alert_rule(text, text, text, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.alert_verdicts(telemetry.alert_rule, text, text, timestamptz, timestamptz, timestamptz[], timestamptz[]),
	telemetry.explain_alert_rule(text, text, text, timestamptz, timestamptz) TO telemetry_reader;
