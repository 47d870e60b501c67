-- Alerts against a naive evaluator over the stored points: whatever comes, late, twice, in any order, is deleted,
-- compacted, settled and judged by rules that change, at rest the alerts are the same, with the same times.
-- Each round is a transaction with a seed of its own: ROUNDS=n of them from SEED=n on, 60 from 1 on.
\set QUIET 1
\pset format unaligned
\pset fieldsep '\n'
\pset tuples_only true
\pset pager off
\set ON_ERROR_STOP 1
\getenv rounds ALERT_ROUNDS
\if :{?rounds}
\else
\set rounds 60
\endif
\getenv seed ALERT_SEED
\if :{?seed}
\else
\set seed 1
\endif

SET client_min_messages = warning;
SET timezone = 'UTC';

\ir alert_evaluator.psql

CREATE FUNCTION pg_temp.pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;

-- One statement of INSERT, and the naive evaluator after it.
CREATE FUNCTION pg_temp.ingest(at timestamptz, spread double precision) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	r telemetry.alert_rule;
	s record;
BEGIN
	TRUNCATE batch;
	INSERT INTO batch
	SELECT DISTINCT ON (1, 2, 3) * FROM (
		SELECT pg_temp.pick('dev_a', 'dev_b', 'other') AS d, pg_temp.pick('temp', 'temp', 'state') AS m,
			at + floor((random() - 0.3) * spread) * interval '10 s' AS t,
			pg_temp.pick('1', '5', '8', '9', '11', '12', '15', '20', '"open"', '"shut"', 'true', '"x"')::jsonb::telemetry.value,
			pg_temp.pick('{"site": "north"}', '{"site": "south"}', NULL)::jsonb
		FROM generate_series(1, 1 + floor(random() * 12)::int)) AS x
	ORDER BY d, m, t;
	INSERT INTO telemetry.point (ts, device_id, metric, value, tags)
	SELECT b.ts, b.device_id, b.metric, b.value, b.tags FROM batch AS b ORDER BY random();

	CREATE TEMP TABLE decided ON COMMIT DROP AS
	SELECT u.rule_id, b.device_id, b.metric,
		greatest((SELECT max(j.ts) FROM pg_temp.judged(u, b.device_id, b.metric, 'infinity') AS j),
			(SELECT max(greatest(a.triggered_at, CASE WHEN a.resolution <> 'user' THEN a.resolved_at END)) FROM model_alert AS a
				WHERE a.rule_id = u.rule_id AND a.device_id = b.device_id AND a.metric_name = b.metric AND NOT a.late)) AS to_ts,
		(SELECT coalesce(array_agg(j.ts), '{}') FROM pg_temp.judged(u, b.device_id, b.metric, 'infinity') AS j WHERE j.violates) AS violating
	FROM (SELECT DISTINCT batch.device_id, batch.metric FROM batch) AS b
	JOIN telemetry.alert_rule AS u ON u.enabled AND (b.metric = u.metric_name OR b.metric LIKE u.metric_pattern);
	INSERT INTO model_point SELECT * FROM batch
	ON CONFLICT (device_id, metric, ts) DO UPDATE SET value = excluded.value, tags = excluded.tags;
	FOR s IN SELECT * FROM decided ORDER BY rule_id, device_id, metric LOOP
		SELECT * INTO r FROM telemetry.alert_rule AS u WHERE u.rule_id = s.rule_id;
		PERFORM pg_temp.evaluate(r, s.device_id, s.metric, s.to_ts, s.violating);
	END LOOP;
	DROP TABLE decided;
END
$$;

CREATE FUNCTION pg_temp.add_rule(id text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	kind CONSTANT text := pg_temp.pick('number', 'number', 'number', 'text', 'boolean');
	condition CONSTANT text := CASE kind WHEN 'number' THEN pg_temp.pick('>', '<', '>=', '<=', '==', '!=') ELSE pg_temp.pick('==', '!=') END;
	threshold CONSTANT telemetry.value := CASE kind WHEN 'number' THEN pg_temp.pick('8', '9', '10', '5')
		WHEN 'text' THEN pg_temp.pick('"open"', '"shut"') ELSE 'true' END::jsonb::telemetry.value;
	pattern CONSTANT boolean := random() < 0.3;
	held CONSTANT boolean := random() < 0.25;
BEGIN
	INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, metric_pattern, measure, condition, threshold_value, resolve_threshold,
		evaluation_window, trigger_count, for_seconds, device_ids, device_patterns, device_groups, active_hours, active_timezone,
		cooldown_minutes, auto_resolve, auto_resolve_timeout, level, late)
	VALUES (id, 'Rule ' || id, CASE WHEN NOT pattern THEN 'temp' END, CASE WHEN pattern THEN pg_temp.pick('t%', '%', 'st_te') END,
		CASE WHEN kind = 'number' THEN pg_temp.pick('value', 'value', 'value', 'delta', 'rate') ELSE 'value' END,
		condition, threshold,
		CASE WHEN kind = 'number' AND condition IN ('>', '>=') AND random() < 0.3 THEN '4'
			WHEN kind = 'number' AND condition IN ('<', '<=') AND random() < 0.3 THEN '14' END::jsonb::telemetry.value,
		pg_temp.pick('1', '30', '60', '300')::int, CASE WHEN held THEN 1 ELSE pg_temp.pick('1', '1', '2', '3')::int END,
		CASE WHEN held THEN pg_temp.pick('10', '30', '120')::int ELSE 0 END,
		CASE WHEN random() < 0.2 THEN '{dev_a,dev_c}' ELSE '{}' END::text[], CASE WHEN random() < 0.2 THEN '{dev!_%,dev_%}' ELSE '{}' END::text[],
		CASE WHEN random() < 0.2 THEN '{north,listed}' ELSE '{}' END::text[],
		CASE WHEN random() < 0.2 THEN '{mon-fri 08:00-18:00}' ELSE '{}' END::text[], pg_temp.pick('UTC', 'Europe/Paris', 'America/New_York'),
		pg_temp.pick('0', '0', '1', '5')::int, random() < 0.85, CASE WHEN random() < 0.5 THEN pg_temp.pick('20', '60', '300')::int END,
		pg_temp.pick('info', 'warning', 'critical')::telemetry.alert_level,
		pg_temp.pick('ignore', 'record'));
END
$$;

-- What differs, or nothing.
CREATE FUNCTION pg_temp.difference() RETURNS text LANGUAGE sql AS $$
	WITH ours AS (
		SELECT a.rule_id, a.device_id, a.metric_name, a.triggered_at, a.resolved_at, a.resolution FROM telemetry.alert AS a
	), theirs AS (
		SELECT a.rule_id, a.device_id, a.metric_name, a.triggered_at, a.resolved_at, a.resolution FROM model_alert AS a
	)
	SELECT string_agg(d.which || ' ' || d.alert, E'\n')
	FROM (
		(SELECT 'extra' AS which, o::text AS alert FROM (SELECT * FROM ours EXCEPT SELECT * FROM theirs) AS o)
		UNION ALL (SELECT 'missing', t::text FROM (SELECT * FROM theirs EXCEPT SELECT * FROM ours) AS t)
		UNION ALL (
			SELECT 'late', format('%s: %s instead of %s', o.rule_id, o.n, t.n)
			FROM (SELECT s.rule_id, sum(s.late_points) AS n FROM telemetry.alert_state AS s GROUP BY s.rule_id) AS o
			FULL JOIN (SELECT m.rule_id, sum(m.n) AS n FROM model_late AS m GROUP BY m.rule_id) AS t USING (rule_id)
			WHERE coalesce(o.n, 0) <> coalesce(t.n, 0))
		UNION ALL (SELECT 'error', e.error FROM telemetry.alert_rule_error AS e)
	) AS d
$$;

CREATE FUNCTION pg_temp.settle() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	WHILE telemetry.settle_alerts() LOOP
	END LOOP;
END
$$;

-- What a backtest says, and what the naive evaluator makes of all points at once.
CREATE FUNCTION pg_temp.backtest_difference(from_ts timestamptz) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.evaluate_all(from_ts);
	UPDATE model_alert AS a SET resolution = 'timeout', resolved_at = a.last_violation + u.auto_resolve_timeout * interval '1 s'
	FROM telemetry.alert_rule AS u
	WHERE u.rule_id = a.rule_id AND a.resolved_at IS NULL AND u.auto_resolve AND u.auto_resolve_timeout IS NOT NULL;
	RETURN (
		WITH ours AS (
			SELECT u.rule_id, b.device_id, b.metric_name, b.triggered_at, b.resolved_at, b.resolution
			FROM telemetry.alert_rule AS u
			CROSS JOIN LATERAL telemetry.test_alert_rule(u, from_ts, '2027-01-01') AS b
		), theirs AS (
			SELECT a.rule_id, a.device_id, a.metric_name, a.triggered_at, a.resolved_at, a.resolution FROM model_alert AS a
		)
		SELECT string_agg(d.which || ' ' || d.alert, E'\n')
		FROM (
			(SELECT 'backtest has' AS which, o::text AS alert FROM (SELECT * FROM ours EXCEPT ALL SELECT * FROM theirs) AS o)
			UNION ALL (SELECT 'backtest lacks', t::text FROM (SELECT * FROM theirs EXCEPT ALL SELECT * FROM ours) AS t)
		) AS d);
END
$$;

CREATE FUNCTION pg_temp.round(seed integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	-- Across the ends of hours and days, and of a weekend.
	at timestamptz := '2026-03-01 23:50:00'::timestamptz + floor(random() * 2000) * interval '1 min';
	what double precision;
	wrong text;
	step integer := 0;
BEGIN
	PERFORM setseed(seed / 1000000.0);
	at := '2026-03-01 23:50:00'::timestamptz + floor(random() * 2000) * interval '1 min';
	INSERT INTO telemetry.device_group (name, device_ids, tags) VALUES ('listed', '{dev_b}', NULL), ('north', '{}', '{"site": "north"}');
	-- Edges of these meet points more often than not.
	FOR i IN 1 .. floor(random() * 4)::int LOOP
		INSERT INTO telemetry.maintenance (starts_at, ends_at, device_groups, levels, device_ids)
		SELECT m.from_ts, m.from_ts + (1 + floor(random() * 6)) * interval '10 s', CASE WHEN random() < 0.3 THEN '{north}' ELSE '{}' END::text[],
			CASE WHEN random() < 0.3 THEN '{warning,critical}' ELSE '{}' END::telemetry.alert_level[],
			CASE WHEN random() < 0.3 THEN '{dev_a}' ELSE '{}' END::text[]
		FROM (SELECT at + floor(random() * 60) * interval '10 s' AS from_ts) AS m;
	END LOOP;
	FOR i IN 1 .. 1 + floor(random() * 3)::int LOOP
		PERFORM pg_temp.add_rule('rule_' || i);
	END LOOP;
	FOR i IN 1 .. 25 LOOP
		step := i;
		what := random();
		IF what < 0.78 THEN
			PERFORM pg_temp.ingest(at, 20);
			at := at + floor(random() * 15) * interval '10 s';
		ELSIF what < 0.83 THEN
			DECLARE
				d CONSTANT text := pg_temp.pick('dev_a', 'dev_b', 'other');
				from_ts CONSTANT timestamptz := at + floor((random() - 0.7) * 20) * interval '10 s';
				to_ts CONSTANT timestamptz := from_ts + floor(random() * 20) * interval '10 s';
			BEGIN
				PERFORM telemetry.delete_points(d, NULL, from_ts, to_ts);
				DELETE FROM model_point AS m WHERE m.device_id = d AND m.ts >= from_ts AND m.ts < to_ts;
			END;
		ELSIF what < 0.88 THEN
			CALL telemetry.run_jobs('roll_up');
			CALL telemetry.run_jobs('compact');
		ELSIF what < 0.92 THEN
			PERFORM pg_temp.settle();
		ELSIF what < 0.95 THEN
			-- Time goes on without points.
			WHILE telemetry.settle_alerts(clock_timestamp() + interval '1 day') LOOP
			END LOOP;
			UPDATE model_alert AS a SET resolution = 'timeout', resolved_at = a.last_violation + r.auto_resolve_timeout * interval '1 s'
			FROM telemetry.alert_rule AS r
			WHERE r.rule_id = a.rule_id AND r.enabled AND a.resolved_at IS NULL AND r.auto_resolve AND r.auto_resolve_timeout IS NOT NULL;
		ELSIF what < 0.98 THEN
			UPDATE telemetry.alert_rule AS r SET enabled = NOT r.enabled WHERE random() < 0.5;
		ELSE
			UPDATE telemetry.alert_rule AS r SET threshold_value = '9'
			WHERE telemetry.kind(r.threshold_value) = 'numeric' AND r.resolve_threshold IS NULL AND random() < 0.5;
		END IF;
		PERFORM pg_temp.settle();
		wrong := pg_temp.difference();
		EXIT WHEN wrong IS NOT NULL;
	END LOOP;
	IF wrong IS NULL THEN
		step := 0;
		wrong := pg_temp.backtest_difference(at - interval '20 min');
	END IF;
	RETURN CASE WHEN wrong IS NOT NULL THEN format('step %s: %s', step, wrong) END;
END
$$;

SELECT plan(:rounds);
SELECT format($$
BEGIN;
SELECT is(pg_temp.round(%s), NULL, 'round of seed %s: alerts are those of the naive evaluator');
ROLLBACK$$, s, s)
FROM generate_series(:seed, :seed + :rounds - 1) AS s
\gexec
