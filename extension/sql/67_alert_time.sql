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

-- A silence is known by its last point, which telemetry.alert_state.decided_to keeps once there was an alert of it (-infinity if
-- nothing has ever come). Locks are as of ingest: the row of alert_state first, and nobody who has it is waited for.
CREATE FUNCTION telemetry.settle_absence(now timestamptz DEFAULT clock_timestamp()) RETURNS bigint
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rule telemetry.alert_rule;
	changed bigint;
	total bigint := 0;
BEGIN
	FOR rule IN
		SELECT r.* FROM telemetry.alert_rule AS r WHERE r.enabled AND r.condition = 'absent' ORDER BY r.rule_id
	LOOP
		BEGIN
			-- A point after the last one ends a silence, and so does that nothing is expected any more.
			WITH expected AS MATERIALIZED (
				SELECT e.* FROM telemetry.expected_series(rule) AS e
			), over AS MATERIALIZED (
				SELECT a.alert_id, a.device_id, a.metric_name, a.triggered_at, s.decided_to, e.last_ts
				FROM telemetry.alert AS a
				JOIN telemetry.alert_state AS s ON s.rule_id = a.rule_id AND s.device_id = a.device_id AND s.metric_name = a.metric_name
				LEFT JOIN expected AS e ON e.device_id = a.device_id AND e.metric_name = a.metric_name
				WHERE rule.auto_resolve AND a.rule_id = rule.rule_id AND a.status <> 'resolved' AND (e.device_id IS NULL OR e.last_ts > s.decided_to)
				FOR UPDATE OF s SKIP LOCKED
			), resolved AS (
				UPDATE telemetry.alert AS a
				SET status = 'resolved', resolution = 'clear', resolution_known_at = clock_timestamp(),
					resolved_at = greatest(a.triggered_at, CASE WHEN o.last_ts IS NULL THEN now
						WHEN rule.absence_of = 'device' THEN o.last_ts
						ELSE (SELECT min(p.ts) FROM telemetry.point AS p
							WHERE p.device_id = o.device_id AND p.metric = o.metric_name AND p.ts > o.decided_to) END)
				FROM over AS o
				WHERE a.alert_id = o.alert_id AND a.status <> 'resolved'
				RETURNING a.device_id, a.metric_name, a.resolved_at
			)
			UPDATE telemetry.alert_state AS s
			SET open_alert = NULL, last_resolved = r.resolved_at, changed_at = clock_timestamp()
			FROM resolved AS r
			WHERE s.rule_id = rule.rule_id AND s.device_id = r.device_id AND s.metric_name = r.metric_name;
			GET DIAGNOSTICS changed = ROW_COUNT;
			total := total + changed;

			CONTINUE WHEN NOT telemetry.in_active_hours(rule.active_hours, rule.active_timezone, now);
			WITH silent AS MATERIALIZED (
				SELECT e.device_id, e.metric_name, e.last_ts, coalesce(e.last_ts, '-infinity') AS since,
					greatest(coalesce(e.last_ts, rule.updated_at) + rule.threshold_value::float8 * interval '1 s',
						s.last_triggered + rule.cooldown_minutes * interval '1 min') AS at
				FROM telemetry.expected_series(rule) AS e
				LEFT JOIN telemetry.alert_state AS s ON s.rule_id = rule.rule_id AND s.device_id = e.device_id AND s.metric_name = e.metric_name
				-- One alert for a silence, however long it is, also when somebody has resolved it.
				WHERE s.open_alert IS NULL AND (s.last_triggered IS NULL OR s.decided_to <> coalesce(e.last_ts, '-infinity'))
			), due AS MATERIALIZED (
				SELECT c.*, telemetry.new_id('alert') AS alert_id
				FROM silent AS c
				WHERE c.at <= now
					AND NOT EXISTS (
						SELECT FROM telemetry.maintenance AS m
						WHERE m.starts_at <= now AND m.ends_at > now
							AND (m.rule_ids = '{}' OR rule.rule_id = ANY (m.rule_ids)) AND (m.levels = '{}' OR rule.level = ANY (m.levels))
							AND ((m.device_ids = '{}' AND m.device_groups = '{}') OR c.device_id = ANY (m.device_ids)
								OR EXISTS (SELECT FROM telemetry.device_group AS g
									WHERE g.name = ANY (m.device_groups) AND c.device_id = ANY (g.device_ids))))
				ORDER BY c.device_id, c.metric_name
				LIMIT 10000
			), told AS (
				INSERT INTO telemetry.alert (alert_id, rule_id, rule_name, device_id, metric_name, level, condition, threshold_value, value, message,
					triggered_at)
				SELECT d.alert_id, rule.rule_id, rule.name, d.device_id, d.metric_name, rule.level, rule.condition, rule.threshold_value,
					rule.threshold_value,
					left(CASE WHEN d.last_ts IS NULL THEN format('%s: nothing has ever come of %s of %s', rule.name, d.metric_name, d.device_id)
						ELSE format('%s: nothing has come of %s of %s for %s s', rule.name, d.metric_name, d.device_id, rule.threshold_value) END, 2000),
					d.at
				FROM due AS d
				ON CONFLICT DO NOTHING
				RETURNING alert_id
			)
			INSERT INTO telemetry.alert_state AS s (rule_id, device_id, metric_name, revision, live, decided_to, open_alert, last_triggered, changed_at)
			SELECT rule.rule_id, d.device_id, d.metric_name, rule.revision, false, d.since, d.alert_id, d.at, clock_timestamp()
			FROM due AS d
			JOIN told AS t ON t.alert_id = d.alert_id
			ON CONFLICT (rule_id, device_id, metric_name) DO UPDATE
			SET revision = excluded.revision, decided_to = excluded.decided_to, open_alert = excluded.open_alert,
				last_triggered = excluded.last_triggered, changed_at = excluded.changed_at;
			GET DIAGNOSTICS changed = ROW_COUNT;
			total := total + changed;
		EXCEPTION
			WHEN OTHERS THEN
				IF SQLSTATE LIKE '57%' OR SQLSTATE = '25006' THEN
					RAISE;
				END IF;
				INSERT INTO telemetry.alert_rule_error (rule_id, error_code, error)
				SELECT rule.rule_id, SQLSTATE, SQLERRM
				WHERE NOT EXISTS (SELECT FROM telemetry.alert_rule_error AS e
					WHERE e.rule_id = rule.rule_id AND e.error_code = SQLSTATE AND e.occurred_at > clock_timestamp() - interval '1 min');
		END;
	END LOOP;
	RETURN total;
END
$$;
COMMENT ON FUNCTION telemetry.settle_absence(timestamptz) IS
	'What job absence does: by rules of condition absent, triggers alerts of series and devices of which nothing has come for threshold_value seconds at the time now. What is '
	'measured is the points'' own times, so the clock of a device, or what it keeps for a while, should not be behind by as much. triggered_at is that long after the last point, or after the rule was last '
	'changed if there is none, but not before the cooldown since the alert before is over; a silence that is old when a rule is made counts, too. Resolves those of which something has come, at the first '
	'point after the silence (of a device, the newest), but not before triggered_at, and those that the rule is not about any more. A silence has one alert; '
	'active_hours and maintenance are those of now. Returns how many alerts changed.';

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
