-- Rules of condition absent, and levels, against a naive evaluation over the points: whatever comes, is deleted, rolled up,
-- acknowledged, resolved by a user, and however rules, groups and maintenance change, alerts are the same after each step of time.
-- Time is an argument. Each round is a transaction with a seed of its own: ABSENCE_ROUNDS=n of them from ABSENCE_SEED=n on, 40 from 1 on.
\set QUIET 1
\pset format unaligned
\pset fieldsep '\n'
\pset tuples_only true
\pset pager off
\set ON_ERROR_STOP 1
\getenv rounds ABSENCE_ROUNDS
\if :{?rounds}
\else
\set rounds 40
\endif
\getenv seed ABSENCE_SEED
\if :{?seed}
\else
\set seed 1
\endif

SET client_min_messages = warning;
SET timezone = 'UTC';

CREATE TEMP TABLE model_alert (
	place bigint GENERATED ALWAYS AS IDENTITY,
	rule_id text COLLATE "C",
	device_id text COLLATE "C",
	metric_name text COLLATE "C",
	-- The last point before the silence.
	since timestamptz,
	level telemetry.alert_level,
	levels integer NOT NULL DEFAULT 0,
	triggered_at timestamptz,
	resolved_at timestamptz,
	resolution text
);
-- What has been reached, since rounds in which nothing happens would show nothing. Sequences are what ROLLBACK leaves.
CREATE TEMP TABLE reached (what text PRIMARY KEY);
INSERT INTO reached VALUES ('silent: metric'), ('silent: device'), ('nothing has ever come: metric'), ('nothing has ever come: device'), ('put off by a cooldown'),
	('out of hours'), ('in maintenance'), ('resolved by a point'), ('resolved by a user'), ('not expected any more'), ('level');
SELECT format('CREATE TEMP SEQUENCE %I', r.what) FROM reached AS r \gexec

CREATE FUNCTION pg_temp.pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;

CREATE FUNCTION pg_temp.reach(what text) RETURNS void LANGUAGE sql VOLATILE AS $$ SELECT nextval(format('pg_temp.%I', what)) $$;

-- What is stored is read as points, not as the catalogue has it.
CREATE FUNCTION pg_temp.expected(r telemetry.alert_rule) RETURNS TABLE (device_id text, metric_name text, last_ts timestamptz) LANGUAGE sql AS $$
	WITH listed AS (
		SELECT unnest(r.device_ids) AS d
		UNION SELECT unnest(g.device_ids) FROM telemetry.device_group AS g WHERE g.name = ANY (r.device_groups)
	), p AS (
		SELECT q.device_id AS d, q.metric AS m, q.ts FROM telemetry.point AS q
		WHERE CASE WHEN r.metric_name IS NULL THEN q.metric LIKE r.metric_pattern ELSE q.metric = r.metric_name END
	), about AS (
		SELECT * FROM p
		WHERE (r.device_ids, r.device_patterns, r.device_groups) = ('{}', '{}', '{}') OR p.d IN (SELECT l.d FROM listed AS l)
			OR EXISTS (SELECT FROM unnest(r.device_patterns) AS u (pattern) WHERE p.d LIKE u.pattern)
	)
	SELECT a.d, CASE r.absence_of WHEN 'metric' THEN a.m ELSE coalesce(r.metric_name, r.metric_pattern) END, max(a.ts) FROM about AS a GROUP BY 1, 2
	UNION ALL
	-- Of a pattern nobody knows which metrics would come.
	SELECT l.d, coalesce(r.metric_name, r.metric_pattern), NULL FROM listed AS l
	WHERE NOT EXISTS (SELECT FROM p WHERE p.d = l.d) AND NOT (r.absence_of = 'metric' AND r.metric_name IS NULL)
$$;

CREATE FUNCTION pg_temp.is_active(r telemetry.alert_rule, at timestamptz) RETURNS boolean LANGUAGE sql AS $$
	SELECT r.active_hours = '{}' OR (at AT TIME ZONE r.active_timezone)::time >= '08:00' AND (at AT TIME ZONE r.active_timezone)::time < '18:00'
		AND extract(isodow FROM at AT TIME ZONE r.active_timezone) < 6
$$;

CREATE FUNCTION pg_temp.in_maintenance(r telemetry.alert_rule, device text, at timestamptz) RETURNS boolean LANGUAGE sql AS $$
	SELECT EXISTS (
		SELECT FROM telemetry.maintenance AS m
		WHERE at >= m.starts_at AND at < m.ends_at
			AND (m.rule_ids = '{}' OR r.rule_id = ANY (m.rule_ids)) AND (m.levels = '{}' OR r.level = ANY (m.levels))
			AND (m.device_ids = '{}' AND m.device_groups = '{}' OR device = ANY (m.device_ids)
				OR EXISTS (SELECT FROM telemetry.device_group AS g WHERE g.name = ANY (m.device_groups) AND device = ANY (g.device_ids))))
$$;

-- What settle_absence() does at a time, in the words of the documentation; how many alerts changed.
CREATE FUNCTION pg_temp.evaluate(at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	r telemetry.alert_rule;
	a model_alert;
	e record;
	changed bigint := 0;
	due timestamptz;
BEGIN
	FOR r IN SELECT * FROM telemetry.alert_rule AS u WHERE u.enabled AND u.condition = 'absent' LOOP
		FOR a IN SELECT * FROM model_alert AS m WHERE m.rule_id = r.rule_id AND m.resolved_at IS NULL AND r.auto_resolve LOOP
			SELECT * INTO e FROM pg_temp.expected(r) AS x WHERE x.device_id = a.device_id AND x.metric_name = a.metric_name;
			CONTINUE WHEN FOUND AND (e.last_ts IS NULL OR e.last_ts <= a.since);
			UPDATE model_alert AS m
			SET resolution = 'clear', resolved_at = greatest(a.triggered_at, CASE
				WHEN e.last_ts IS NULL THEN at
				WHEN r.absence_of = 'device' THEN e.last_ts
				ELSE (SELECT min(p.ts) FROM telemetry.point AS p WHERE p.device_id = a.device_id AND p.metric = a.metric_name AND p.ts > a.since) END)
			WHERE m.place = a.place;
			changed := changed + 1;
			PERFORM pg_temp.reach(CASE WHEN e.last_ts IS NULL THEN 'not expected any more' ELSE 'resolved by a point' END);
		END LOOP;
		FOR e IN SELECT x.*, coalesce(x.last_ts, '-infinity') AS since FROM pg_temp.expected(r) AS x LOOP
			SELECT * INTO a FROM model_alert AS m
			WHERE m.rule_id = r.rule_id AND m.device_id = e.device_id AND m.metric_name = e.metric_name ORDER BY m.place DESC LIMIT 1;
			CONTINUE WHEN FOUND AND (a.resolved_at IS NULL OR a.since = e.since);
			due := coalesce(e.last_ts, r.updated_at) + r.threshold_value::float8 * interval '1 s';
			IF a.triggered_at + r.cooldown_minutes * interval '1 min' > due THEN
				due := a.triggered_at + r.cooldown_minutes * interval '1 min';
				PERFORM pg_temp.reach('put off by a cooldown');
			END IF;
			CONTINUE WHEN due > at;
			IF NOT pg_temp.is_active(r, at) THEN
				PERFORM pg_temp.reach('out of hours');
			ELSIF pg_temp.in_maintenance(r, e.device_id, at) THEN
				PERFORM pg_temp.reach('in maintenance');
			ELSE
				INSERT INTO model_alert (rule_id, device_id, metric_name, since, level, triggered_at)
				VALUES (r.rule_id, e.device_id, e.metric_name, e.since, r.level, due);
				changed := changed + 1;
				PERFORM pg_temp.reach(CASE WHEN e.last_ts IS NULL THEN 'nothing has ever come' ELSE 'silent' END || ': ' || r.absence_of);
			END IF;
		END LOOP;
	END LOOP;
	RETURN changed;
END
$$;

CREATE FUNCTION pg_temp.raise_levels(at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	changed bigint;
BEGIN
	UPDATE model_alert AS m SET level = r.level_then, levels = m.levels + 1
	FROM telemetry.alert_rule AS r
	WHERE r.rule_id = m.rule_id AND m.resolved_at IS NULL AND m.triggered_at + r.level_after * interval '1 s' <= at AND m.level <> r.level_then;
	GET DIAGNOSTICS changed = ROW_COUNT;
	IF changed > 0 THEN
		PERFORM pg_temp.reach('level');
	END IF;
	RETURN changed;
END
$$;

-- What differs, or nothing. What a user resolves has the time of the clock.
CREATE FUNCTION pg_temp.difference() RETURNS text LANGUAGE sql AS $$
	WITH told AS (
		SELECT o.key, string_agg(o.event_type, ' ' ORDER BY o.id) FILTER (WHERE o.event_type IN ('alert.triggered', 'alert.resolved')) AS told,
			count(*) FILTER (WHERE o.event_type = 'alert.level.changed') AS levels
		FROM telemetry.outbox AS o GROUP BY o.key
	), ours AS (
		SELECT a.rule_id, a.device_id, a.metric_name, a.triggered_at, CASE WHEN a.resolution <> 'user' THEN a.resolved_at END AS resolved_at, a.resolution, a.level,
			a.message LIKE '%nothing has ever come of%' AS never, t.told, t.levels
		FROM telemetry.alert AS a LEFT JOIN told AS t ON t.key = a.alert_id
	), theirs AS (
		SELECT a.rule_id, a.device_id, a.metric_name, a.triggered_at, CASE WHEN a.resolution <> 'user' THEN a.resolved_at END AS resolved_at, a.resolution, a.level,
			a.since = '-infinity' AS never,
			'alert.triggered' || CASE WHEN a.resolution IS NOT NULL THEN ' alert.resolved' ELSE '' END AS told, a.levels::bigint AS levels
		FROM model_alert AS a
	)
	SELECT string_agg(d.which || ' ' || d.alert, E'\n')
	FROM (
		(SELECT 'extra' AS which, o::text AS alert FROM (SELECT * FROM ours EXCEPT ALL SELECT * FROM theirs) AS o)
		UNION ALL (SELECT 'missing', t::text FROM (SELECT * FROM theirs EXCEPT ALL SELECT * FROM ours) AS t)
		UNION ALL (SELECT 'error', e.error FROM telemetry.alert_rule_error AS e)
	) AS d
$$;

CREATE FUNCTION pg_temp.add_rule(id text, at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	pattern CONSTANT boolean := random() < 0.35;
	levels CONSTANT boolean := random() < 0.3;
BEGIN
	INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, metric_pattern, condition, threshold_value, absence_of,
		device_ids, device_patterns, device_groups, active_hours, active_timezone, cooldown_minutes, auto_resolve, level, level_after, level_then, updated_at)
	VALUES (id, 'Rule ' || id, CASE WHEN NOT pattern THEN pg_temp.pick('beat', 'beat', 'state') END, CASE WHEN pattern THEN pg_temp.pick('b%', '%', 'st_te') END,
		'absent', pg_temp.pick('60', '120', '600', '0.5e2')::jsonb::telemetry.value, pg_temp.pick('metric', 'metric', 'device'),
		CASE WHEN random() < 0.35 THEN '{dev_a,dev_c}' ELSE '{}' END::text[], CASE WHEN random() < 0.2 THEN '{dev!_%,dev_%}' ELSE '{}' END::text[],
		CASE WHEN random() < 0.3 THEN '{north,listed}' ELSE '{}' END::text[],
		CASE WHEN random() < 0.2 THEN '{mon-fri 08:00-18:00}' ELSE '{}' END::text[], pg_temp.pick('UTC', 'Europe/Paris', 'America/New_York'),
		pg_temp.pick('0', '1', '5', '30')::int, random() < 0.85, pg_temp.pick('info', 'warning', 'critical')::telemetry.alert_level,
		CASE WHEN levels THEN pg_temp.pick('10', '120', '600')::int END, CASE WHEN levels THEN pg_temp.pick('error', 'emergency')::telemetry.alert_level END, at);
END
$$;

-- A rule becomes another one, and is as new as the time of the round says, not the server's clock.
CREATE FUNCTION pg_temp.change_rule(at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	id text;
BEGIN
	SELECT r.rule_id INTO id FROM telemetry.alert_rule AS r ORDER BY random() LIMIT 1;
	CASE floor(random() * 8)::int
		WHEN 0, 1 THEN UPDATE telemetry.alert_rule AS r SET enabled = NOT r.enabled WHERE r.rule_id = id;
		WHEN 2 THEN UPDATE telemetry.alert_rule AS r SET device_ids = pg_temp.pick('{}', '{dev_a}', '{dev_b,dev_c}')::text[] WHERE r.rule_id = id;
		WHEN 3 THEN UPDATE telemetry.alert_rule AS r SET device_patterns = pg_temp.pick('{}', '{o%}', '{%a,dev_b}')::text[] WHERE r.rule_id = id;
		WHEN 4 THEN UPDATE telemetry.alert_rule AS r SET threshold_value = pg_temp.pick('30', '300')::jsonb::telemetry.value WHERE r.rule_id = id;
		WHEN 5 THEN UPDATE telemetry.alert_rule AS r SET metric_name = pg_temp.pick('beat', 'state'), metric_pattern = NULL WHERE r.rule_id = id;
		WHEN 6 THEN UPDATE telemetry.alert_rule AS r SET absence_of = pg_temp.pick('metric', 'device') WHERE r.rule_id = id;
		WHEN 7 THEN UPDATE telemetry.alert_rule AS r SET cooldown_minutes = pg_temp.pick('0', '2')::int, auto_resolve = NOT r.auto_resolve WHERE r.rule_id = id;
	END CASE;
	SET LOCAL session_replication_role = replica;
	UPDATE telemetry.alert_rule AS r SET updated_at = at WHERE r.rule_id = id;
	SET LOCAL session_replication_role = origin;
END
$$;

-- Something happens, at a time.
CREATE FUNCTION pg_temp.act(at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	what CONSTANT double precision := random();
	d CONSTANT text := pg_temp.pick('dev_a', 'dev_b', 'other');
	from_ts CONSTANT timestamptz := at + floor((random() - 0.8) * 40) * interval '10 s';
	alert record;
BEGIN
	IF what < 0.55 THEN
		-- A few come late, or are ahead of the time.
		INSERT INTO telemetry.point (ts, device_id, metric, value)
		SELECT DISTINCT at + floor((random() - 0.9) * 12) * interval '10 s', pg_temp.pick('dev_a', 'dev_a', 'dev_b', 'dev_b', 'other', 'dev_c'),
			pg_temp.pick('beat', 'beat', 'state', 'none'), '1'::telemetry.value
		FROM generate_series(1, 1 + floor(random() * 4)::int);
	ELSIF what < 0.60 THEN
		PERFORM telemetry.delete_points(d, pg_temp.pick('beat', 'state', NULL), from_ts, from_ts + floor(random() * 40) * interval '10 s');
	ELSIF what < 0.62 THEN
		PERFORM telemetry.delete_points(pg_temp.pick('dev_a', 'dev_b', 'dev_c'), NULL, NULL, NULL);
	ELSIF what < 0.69 THEN
		CALL telemetry.run_jobs('roll_up');
	ELSIF what < 0.78 THEN
		PERFORM pg_temp.change_rule(at);
	ELSIF what < 0.80 THEN
		UPDATE telemetry.device_group SET device_ids = pg_temp.pick('{}', '{dev_b}', '{dev_b,dev_d}')::text[] WHERE name = 'listed';
	ELSIF what < 0.92 THEN
		-- Its edges meet steps of time more often than not; mostly it is of one kind alone.
		INSERT INTO telemetry.maintenance (starts_at, ends_at, rule_ids, levels, device_ids, device_groups)
		SELECT s.starts_at, s.starts_at + (1 + floor(random() * 15)) * interval '10 s', CASE WHEN s.kind IN (1, 5) THEN '{rule_1}' ELSE '{}' END::text[],
			CASE WHEN s.kind IN (2, 5) THEN pg_temp.pick('{warning,critical}', '{info}') ELSE '{}' END::telemetry.alert_level[],
			CASE WHEN s.kind IN (3, 5) THEN '{dev_a,dev_c}' ELSE '{}' END::text[], CASE WHEN s.kind IN (4, 5) THEN '{north,listed}' ELSE '{}' END::text[]
		FROM (SELECT at + floor(random() * 6) * interval '10 s' AS starts_at, floor(random() * 6)::int AS kind) AS s;
	ELSE
		FOR alert IN SELECT a.* FROM telemetry.alert AS a WHERE a.status <> 'resolved' ORDER BY a.rule_id, a.device_id, a.metric_name LIMIT 1 LOOP
			IF alert.status = 'active' AND random() < 0.5 THEN
				PERFORM telemetry.acknowledge_alert(alert.alert_id);
			ELSE
				PERFORM telemetry.resolve_alert(alert.alert_id);
				UPDATE model_alert AS m SET resolution = 'user', resolved_at = at
				WHERE m.rule_id = alert.rule_id AND m.device_id = alert.device_id AND m.metric_name = alert.metric_name AND m.resolved_at IS NULL;
				PERFORM pg_temp.reach('resolved by a user');
			END IF;
		END LOOP;
	END IF;
END
$$;

CREATE FUNCTION pg_temp.round(seed integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz;
	ours bigint[];
	theirs bigint[];
	wrong text;
BEGIN
	PERFORM setseed(seed / 1000000.0);
	-- From a Sunday night to a Tuesday.
	at := '2026-03-01 23:50:00'::timestamptz + floor(random() * 2000) * interval '1 min';
	INSERT INTO telemetry.device_group (name, device_ids, tags) VALUES ('listed', '{dev_b,dev_d}', NULL), ('north', '{}', '{"site": "north"}');
	FOR i IN 1 .. 1 + floor(random() * 3)::int LOOP
		PERFORM pg_temp.add_rule('rule_' || i, at);
	END LOOP;
	FOR i IN 1 .. 30 LOOP
		PERFORM pg_temp.act(at);
		-- Now and then twice at one time, and for hours not at all.
		at := at + floor(random() * 7) * interval '10 s' + CASE WHEN random() < 0.1 THEN floor(random() * 10) * interval '1 h' ELSE '0' END;
		ours := ARRAY[telemetry.settle_absence(at), telemetry.settle_levels(at)];
		theirs := ARRAY[pg_temp.evaluate(at), pg_temp.raise_levels(at)];
		wrong := coalesce(pg_temp.difference(), CASE WHEN ours <> theirs THEN format('%s alerts and levels changed instead of %s', ours, theirs) END);
		IF wrong IS NOT NULL THEN
			RETURN format('step %s, %s: %s', i, at, wrong);
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;

SELECT plan(:rounds + 1);
SELECT format($$
BEGIN;
SELECT is(pg_temp.round(%s), NULL, 'round of seed %s: alerts of silences are those of the naive evaluation');
ROLLBACK$$, s, s)
FROM generate_series(:seed, :seed + :rounds - 1) AS s
\gexec
SELECT CASE WHEN :rounds < 40 THEN skip('few rounds')
	ELSE is((SELECT string_agg(r.what, ', ') FROM reached AS r WHERE pg_sequence_last_value(format('pg_temp.%I', r.what)::regclass) IS NULL), NULL,
		'alerts come and go in all ways') END;
SELECT * FROM finish();
