-- What time does to alerts: nothing comes any more, and alerts stay open.

-- Which points there are is known from the series catalogue and from what is not rolled up yet, so that no point that is
-- rolled up is read but the one that ends a silence.
CREATE FUNCTION telemetry.in_active_hours(active_hours text[], active_timezone text, at timestamptz) RETURNS boolean
	LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_in_active_hours';
COMMENT ON FUNCTION telemetry.in_active_hours(text[], text, timestamptz) IS
	'Whether a time lies in active_hours of telemetry.alert_rule; none: always. Error: invalid_parameter_value if they cannot be read.';

CREATE FUNCTION telemetry.expected_series(rule telemetry.alert_rule) RETURNS TABLE (device_id text, metric_name text, last_ts timestamptz)
	LANGUAGE sql STABLE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH listed AS (
		SELECT u.device_id FROM unnest((expected_series.rule).device_ids) AS u (device_id)
		UNION
		SELECT u.device_id
		FROM telemetry.device_group AS g, unnest(g.device_ids) AS u (device_id)
		WHERE g.name = ANY ((expected_series.rule).device_groups)
	), seen AS (
		SELECT s.device_id, s.metric, s.last_ts
		FROM telemetry.series AS s
		WHERE s.metric = (expected_series.rule).metric_name OR s.metric LIKE (expected_series.rule).metric_pattern
		UNION ALL
		SELECT p.device_id, p.metric, max(p.ts)
		FROM telemetry.pending_point AS p
		WHERE p.metric = (expected_series.rule).metric_name OR p.metric LIKE (expected_series.rule).metric_pattern
		GROUP BY p.device_id, p.metric
	)
	SELECT s.device_id,
		CASE (expected_series.rule).absence_of WHEN 'metric' THEN s.metric
			ELSE coalesce((expected_series.rule).metric_name, (expected_series.rule).metric_pattern) END AS name,
		max(s.last_ts)
	FROM seen AS s
	WHERE (cardinality((expected_series.rule).device_ids) = 0 AND cardinality((expected_series.rule).device_patterns) = 0
			AND cardinality((expected_series.rule).device_groups) = 0)
		OR s.device_id IN (SELECT l.device_id FROM listed AS l)
		OR s.device_id LIKE ANY ((expected_series.rule).device_patterns)
	GROUP BY s.device_id, name
	UNION ALL
	SELECT l.device_id, coalesce((expected_series.rule).metric_name, (expected_series.rule).metric_pattern), NULL
	FROM listed AS l
	WHERE ((expected_series.rule).metric_name IS NOT NULL OR (expected_series.rule).absence_of = 'device')
		AND NOT EXISTS (SELECT FROM seen AS s WHERE s.device_id = l.device_id);
END;
COMMENT ON FUNCTION telemetry.expected_series(telemetry.alert_rule) IS
	'Of job absence: the series, or devices, that a rule of condition absent is about, with the time of the newest point: those of which there are points, and '
	'devices that are listed, by the rule or a group, of which nothing has ever come (null). Groups by tag have only their lists here.';
REVOKE ALL ON FUNCTION telemetry.expected_series(telemetry.alert_rule) FROM PUBLIC;

CREATE FUNCTION telemetry.settle_absence(now timestamptz DEFAULT clock_timestamp()) RETURNS bigint
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rule telemetry.alert_rule;
	silence interval;
	changed bigint;
	total bigint := 0;
BEGIN
	FOR rule IN
		SELECT r.* FROM telemetry.alert_rule AS r WHERE r.enabled AND r.condition = 'absent' ORDER BY r.rule_id
	LOOP
		silence := rule.threshold_value::float8 * interval '1 s';
		BEGIN
			-- What ends a silence is a point newer than the last one before it; who changes the alert now is asked again in the next round.
			UPDATE telemetry.alert AS a
			SET status = 'resolved', resolution = 'clear', resolution_known_at = clock_timestamp(),
				resolved_at = greatest(a.triggered_at, CASE rule.absence_of WHEN 'metric' THEN (
					SELECT min(p.ts) FROM telemetry.point AS p
					WHERE p.device_id = a.device_id AND p.metric = a.metric_name AND p.ts > a.triggered_at - silence) ELSE e.last_ts END)
			FROM telemetry.expected_series(rule) AS e
			WHERE rule.auto_resolve AND e.device_id = a.device_id AND e.metric_name = a.metric_name AND e.last_ts > a.triggered_at - silence
				AND a.alert_id IN (
					SELECT o.alert_id FROM telemetry.alert AS o
					WHERE o.rule_id = rule.rule_id AND o.status <> 'resolved'
					FOR UPDATE SKIP LOCKED);
			GET DIAGNOSTICS changed = ROW_COUNT;
			total := total + changed;

			INSERT INTO telemetry.alert (rule_id, rule_name, device_id, metric_name, level, condition, threshold_value, value, message, triggered_at)
			SELECT rule.rule_id, rule.name, e.device_id, e.metric_name, rule.level, rule.condition, rule.threshold_value, rule.threshold_value,
				left(CASE WHEN e.last_ts IS NULL THEN format('%s: nothing has ever come of %s of %s', rule.name, e.metric_name, e.device_id)
					ELSE format('%s: nothing has come of %s of %s for %s s', rule.name, e.metric_name, e.device_id, rule.threshold_value) END, 2000),
				t.at
			FROM telemetry.expected_series(rule) AS e
			CROSS JOIN LATERAL (SELECT greatest(coalesce(e.last_ts, rule.updated_at), '-infinity') + silence AS at) AS t
			WHERE t.at <= now
				-- One alert for a silence, however long it is.
				AND NOT EXISTS (
					SELECT FROM telemetry.alert AS a
					WHERE a.rule_id = rule.rule_id AND a.device_id = e.device_id AND a.metric_name = e.metric_name
						AND (a.status <> 'resolved' OR a.triggered_at >= t.at
							OR t.at < a.triggered_at + rule.cooldown_minutes * interval '1 min'))
				AND telemetry.in_active_hours(rule.active_hours, rule.active_timezone, now)
				AND NOT EXISTS (
					SELECT FROM telemetry.maintenance AS m
					WHERE m.starts_at <= now AND m.ends_at > now
						AND (m.rule_ids = '{}' OR rule.rule_id = ANY (m.rule_ids)) AND (m.levels = '{}' OR rule.level = ANY (m.levels))
						AND ((m.device_ids = '{}' AND m.device_groups = '{}') OR e.device_id = ANY (m.device_ids)
							OR EXISTS (SELECT FROM telemetry.device_group AS g
								WHERE g.name = ANY (m.device_groups) AND e.device_id = ANY (g.device_ids))))
			ORDER BY e.device_id, e.metric_name
			LIMIT 10000
			ON CONFLICT DO NOTHING;
			GET DIAGNOSTICS changed = ROW_COUNT;
			total := total + changed;
		EXCEPTION
			WHEN OTHERS THEN
				IF SQLSTATE LIKE '57%' THEN
					RAISE;
				END IF;
				INSERT INTO telemetry.alert_rule_error (rule_id, error_code, error) VALUES (rule.rule_id, SQLSTATE, SQLERRM);
		END;
	END LOOP;
	RETURN total;
END
$$;
COMMENT ON FUNCTION telemetry.settle_absence(timestamptz) IS
	'What job absence does: by rules of condition absent, triggers alerts of series and devices of which nothing has come for threshold_value seconds at the time now, with '
	'triggered_at that long after the last point (after the rule was last changed, if there is none), and resolves those of which something has come, at the first point after the '
	'silence (of a device, the newest), but not before triggered_at. A silence has one alert; active_hours and maintenance are those of now. Returns how many alerts changed.';

CREATE FUNCTION telemetry.settle_levels(now timestamptz DEFAULT clock_timestamp()) RETURNS bigint
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	changed bigint;
BEGIN
	-- The series' rows first, as everybody who changes an alert; what somebody else has is left to the next round.
	WITH due AS MATERIALIZED (
		SELECT a.alert_id, a.rule_id, a.device_id, a.metric_name, r.level_then
		FROM telemetry.alert AS a
		JOIN telemetry.alert_rule AS r ON r.rule_id = a.rule_id
		WHERE a.status <> 'resolved' AND r.level_after IS NOT NULL AND a.level <> r.level_then
			AND a.triggered_at + r.level_after * interval '1 s' <= now
		LIMIT 10000
	), known AS MATERIALIZED (
		SELECT s.rule_id, s.device_id, s.metric_name
		FROM telemetry.alert_state AS s
		WHERE (s.rule_id, s.device_id, s.metric_name) IN (SELECT d.rule_id, d.device_id, d.metric_name FROM due AS d)
		FOR UPDATE SKIP LOCKED
	), free AS MATERIALIZED (
		SELECT a.alert_id, d.level_then
		FROM due AS d
		JOIN telemetry.alert AS a ON a.alert_id = d.alert_id
		WHERE EXISTS (SELECT FROM known AS k WHERE (k.rule_id, k.device_id, k.metric_name) = (d.rule_id, d.device_id, d.metric_name))
			OR NOT EXISTS (SELECT FROM telemetry.alert_state AS s
				WHERE (s.rule_id, s.device_id, s.metric_name) = (d.rule_id, d.device_id, d.metric_name))
		FOR UPDATE OF a SKIP LOCKED
	)
	UPDATE telemetry.alert AS a SET level = f.level_then
	FROM free AS f
	WHERE a.alert_id = f.alert_id AND a.status <> 'resolved';
	GET DIAGNOSTICS changed = ROW_COUNT;
	RETURN changed;
END
$$;
COMMENT ON FUNCTION telemetry.settle_levels(timestamptz) IS
	'Gives alerts that have been open for level_after seconds of their rule at the time now the level level_then. Returns how many.';

CREATE FUNCTION telemetry.job_absence() RETURNS boolean
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT telemetry.settle_absence() + telemetry.settle_levels() >= 10000;
END;
COMMENT ON FUNCTION telemetry.job_absence() IS 'Job absence: what telemetry.settle_absence() and telemetry.settle_levels() do.';

REVOKE ALL ON FUNCTION telemetry.settle_absence(timestamptz), telemetry.settle_levels(timestamptz), telemetry.job_absence() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.settle_absence(timestamptz), telemetry.settle_levels(timestamptz), telemetry.job_absence() TO telemetry_admin;
