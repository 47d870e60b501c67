-- Retention against a model: whatever is written, late or twice, deleted, rolled up, merged, and
-- by whatever rules it is dropped, after each step, those within a pass too, the points are those of
-- the model, none has any value but the last that was written, what was dropped is counted, rollups
-- equal the points where they can, and stay where they cannot.
-- Each step is a transaction with a seed of its own, so the whole run is the same every time,
-- but for the date.
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off

SET client_min_messages = warning;
SET timezone = 'UTC';
SET jit = off;
TRUNCATE telemetry.block, telemetry.drop_log;
DELETE FROM telemetry.retention;

CREATE TEMP TABLE model (
	ts timestamptz,
	device_id text COLLATE "C",
	metric text COLLATE "C",
	v float8 NOT NULL,
	pending boolean,
	PRIMARY KEY (ts, device_id, metric, pending)
);
-- What was written last, whatever has become of it since; and the rules' day as the last pass applied them, if none has changed.
CREATE TEMP TABLE written_last (
	ts timestamptz,
	device_id text COLLATE "C",
	metric text COLLATE "C",
	v float8 NOT NULL,
	PRIMARY KEY (ts, device_id, metric)
);
CREATE TEMP TABLE applied (done boolean NOT NULL, under_way boolean NOT NULL);
INSERT INTO applied VALUES (false, false);
-- The rollups that must not lose anything in a step.
CREATE TEMP TABLE before (device_id text COLLATE "C", metric text COLLATE "C", hour timestamptz, day date, n bigint, last_ts timestamptz);

CREATE FUNCTION pg_temp.today(days integer DEFAULT 0) RETURNS timestamptz LANGUAGE sql AS
	$$ SELECT ((now() AT TIME ZONE 'UTC')::date - days)::timestamp AT TIME ZONE 'UTC' $$;
CREATE FUNCTION pg_temp.rule(metric text) RETURNS telemetry.retention LANGUAGE sql AS
	$$ SELECT r FROM telemetry.retention AS r WHERE coalesce(r.metric, $1) = $1 ORDER BY r.metric LIMIT 1 $$;
CREATE FUNCTION pg_temp.expiry(metric text) RETURNS timestamptz LANGUAGE sql AS
	$$ SELECT coalesce(pg_temp.today((pg_temp.rule($1)).retention_days), '-infinity') $$;
CREATE FUNCTION pg_temp.first_day_of_rollups(metric text) RETURNS date LANGUAGE sql AS
	$$ SELECT coalesce(telemetry.day_of(pg_temp.today((pg_temp.rule($1)).rollup_days)), '-infinity') $$;
CREATE FUNCTION pg_temp.any_of(texts text[]) RETURNS text LANGUAGE sql VOLATILE AS
	$$ SELECT texts[1 + floor(random() * cardinality(texts))::integer] $$;

CREATE FUNCTION pg_temp.write() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	CREATE TEMP TABLE written AS
	SELECT DISTINCT ON (ts, device_id, metric) *
	FROM (
		SELECT pg_temp.today((1 + random() * 30)::integer) + (random() * 1439)::integer * interval '1 minute' AS ts,
			pg_temp.any_of('{d0,d1,d2,d3}') AS device_id, pg_temp.any_of('{a,b,c,e}') AS metric, round(random() * 1000) AS v
		FROM generate_series(1, (random() * 300)::integer)
	) AS p
	ORDER BY ts, device_id, metric, v;
	PERFORM set_config('telemetry.mixed_block_points', pg_temp.any_of('{0,131072}'), true);
	INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT w.ts, w.device_id, w.metric, w.v::telemetry.value FROM written AS w;
	INSERT INTO model SELECT w.ts, w.device_id, w.metric, w.v, true FROM written AS w
	ON CONFLICT (ts, device_id, metric, pending) DO UPDATE SET v = excluded.v;
	INSERT INTO written_last SELECT w.ts, w.device_id, w.metric, w.v FROM written AS w
	ON CONFLICT (ts, device_id, metric) DO UPDATE SET v = excluded.v;
	DROP TABLE written;
END
$$;

-- Of the hours out of reach, what is to become of them by rolling up: points later than all of theirs are added.
CREATE FUNCTION pg_temp.added_to() RETURNS TABLE (device_id text, metric text, hour timestamptz, n bigint) LANGUAGE sql AS $$
	SELECT b.device_id, b.metric, b.hour, b.n + count(m.ts)
	FROM before AS b
	JOIN telemetry.out_of_reach AS o ON b.hour >= o.from_hour AND b.hour < o.to_hour
		AND CASE WHEN o.metric IS NULL THEN b.metric <> ALL (o.except_metrics) ELSE b.metric = o.metric END
	LEFT JOIN model AS m ON m.pending AND m.device_id = b.device_id AND m.metric = b.metric
		AND telemetry.hour_of(m.ts) = b.hour AND m.ts > b.last_ts
	GROUP BY b.device_id, b.metric, b.hour, b.n
$$;

CREATE FUNCTION pg_temp.roll_up() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	problem text;
BEGIN
	-- Where rules have not been applied yet, it is left to the pass that will do so.
	DELETE FROM model AS m USING applied AS a WHERE a.done AND m.pending AND m.ts < pg_temp.expiry(m.metric);
	CREATE TEMP TABLE live AS SELECT l.device_id, l.metric, l.hour, (l.rollup).n FROM telemetry.live_hour AS l;
	WHILE telemetry.job_roll_up() LOOP
	END LOOP;
	problem := CASE
		WHEN EXISTS (SELECT * FROM pg_temp.added_to() EXCEPT SELECT h.device_id, h.metric, h.hour, h.n FROM telemetry.rollup_hour AS h)
		THEN 'a rollup out of reach has not been added to as it should'
		WHEN NOT (SELECT done FROM applied) AND EXISTS (SELECT * FROM pg_temp.added_to() EXCEPT SELECT * FROM live)
		THEN 'a live rollup out of reach was not what it has become'
	END;
	DROP TABLE live;
	DELETE FROM model AS r USING model AS p
	WHERE NOT r.pending AND p.pending AND (r.ts, r.device_id, r.metric) = (p.ts, p.device_id, p.metric);
	UPDATE model SET pending = false WHERE pending;
	RETURN problem;
END
$$;

-- What a pass that was under way has dropped is known only by what is left.
CREATE FUNCTION pg_temp.forget_pass() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT under_way FROM applied) THEN
		DELETE FROM model AS m
		WHERE NOT m.pending AND m.ts < pg_temp.expiry(m.metric) AND NOT EXISTS (
			SELECT FROM telemetry.rolled_up_point AS p WHERE (p.ts, p.device_id, p.metric) = (m.ts, m.device_id, m.metric));
	END IF;
	UPDATE applied SET done = false, under_way = false;
END
$$;

CREATE FUNCTION pg_temp.change_rule() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	of_metric CONSTANT text := nullif(pg_temp.any_of('{a,b,c,null}'), 'null');
	days CONSTANT integer := nullif((random() * 28)::integer, 0);
BEGIN
	PERFORM pg_temp.forget_pass();
	DELETE FROM telemetry.retention AS r WHERE r.metric IS NOT DISTINCT FROM of_metric;
	IF random() < 0.75 THEN
		INSERT INTO telemetry.retention
		VALUES (of_metric, days, CASE WHEN days IS NOT NULL AND random() < 0.6 THEN days + (random() * 8)::integer END);
	END IF;
END
$$;

CREATE FUNCTION pg_temp.delete() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	of_metric CONSTANT text := pg_temp.any_of('{a,b,c,e}');
	starts CONSTANT timestamptz := pg_temp.today((random() * 30)::integer);
	ends CONSTANT timestamptz := starts + interval '2 days';
BEGIN
	PERFORM telemetry.delete_points('d1', of_metric, starts, ends);
	DELETE FROM model AS m WHERE m.device_id = 'd1' AND m.metric = of_metric AND m.ts >= starts AND m.ts < ends;
	DELETE FROM written_last AS m WHERE m.device_id = 'd1' AND m.metric = of_metric AND m.ts >= starts AND m.ts < ends;
	DELETE FROM before AS b
	WHERE b.device_id = 'd1' AND b.metric = of_metric AND b.hour > starts - interval '1 hour' AND b.hour < ends;
END
$$;

CREATE FUNCTION pg_temp.retain() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	counted bigint := -coalesce(sum(points), 0) FROM telemetry.drop_log WHERE cause = 'retention';
	was_under_way CONSTANT boolean := under_way FROM applied;
	dropped bigint;
BEGIN
	WHILE telemetry.job_retention() LOOP
	END LOOP;
	UPDATE applied SET done = true, under_way = false;
	counted := counted + coalesce(sum(points), 0) FROM telemetry.drop_log WHERE cause = 'retention';
	DELETE FROM model AS m WHERE NOT m.pending AND m.ts < pg_temp.expiry(m.metric);
	GET DIAGNOSTICS dropped = ROW_COUNT;
	DELETE FROM before AS b WHERE b.day < pg_temp.first_day_of_rollups(b.metric);
	RETURN CASE
		WHEN (SELECT phase FROM telemetry.retention_state) <> 'idle' THEN 'the job has not finished'
		WHEN counted <> dropped AND NOT was_under_way THEN format('%s points were dropped and %s counted', dropped, counted)
		WHEN EXISTS (SELECT FROM telemetry.rollup_hour AS h WHERE h.day < pg_temp.first_day_of_rollups(h.metric))
			OR EXISTS (SELECT FROM telemetry.rollup_day AS d WHERE d.day < pg_temp.first_day_of_rollups(d.metric))
		THEN 'expired rollups are left'
	END;
END
$$;

-- Some steps of a pass, of which the job does the rest later.
CREATE FUNCTION pg_temp.retain_a_little() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE applied SET under_way = under_way OR NOT done;
	FOR i IN 1 .. 1 + (random() * 3)::integer LOOP
		EXIT WHEN NOT telemetry.job_retention();
	END LOOP;
	IF (SELECT phase FROM telemetry.retention_state) = 'idle' THEN
		PERFORM pg_temp.retain();
	END IF;
	DELETE FROM before AS b WHERE b.day < pg_temp.first_day_of_rollups(b.metric);
END
$$;

CREATE FUNCTION pg_temp.problem() RETURNS text LANGUAGE sql AS $$
	SELECT CASE
		WHEN EXISTS (SELECT ts, device_id, metric, num FROM telemetry.point EXCEPT ALL SELECT ts, device_id, metric, v FROM written_last)
		THEN 'a point has another value than the last that was written'
		-- A pass that is under way has dropped some of what has expired.
		WHEN EXISTS (
			(SELECT ts, device_id, metric, num FROM telemetry.rolled_up_point EXCEPT ALL SELECT ts, device_id, metric, v FROM model WHERE NOT pending)
			UNION ALL
			(SELECT m.ts, m.device_id, m.metric, m.v FROM model AS m, applied AS a WHERE NOT m.pending AND NOT (a.under_way AND m.ts < pg_temp.expiry(m.metric))
				EXCEPT ALL SELECT ts, device_id, metric, num FROM telemetry.rolled_up_point))
		THEN 'the points that are rolled up differ'
		WHEN EXISTS (
			(SELECT ts, device_id, metric, num FROM telemetry.pending_point EXCEPT ALL SELECT ts, device_id, metric, v FROM model WHERE pending)
			UNION ALL
			(SELECT ts, device_id, metric, v FROM model WHERE pending EXCEPT ALL SELECT ts, device_id, metric, num FROM telemetry.pending_point))
		THEN 'the points that are pending differ'
		WHEN EXISTS (SELECT ts, device_id, metric FROM model EXCEPT SELECT ts, device_id, metric FROM telemetry.point) AND NOT (SELECT under_way FROM applied)
		THEN 'a point is missing'
		WHEN EXISTS (SELECT FROM telemetry.audit_rollups()) THEN 'a rollup differs from its points'
		WHEN EXISTS (
			SELECT FROM before AS b
			JOIN telemetry.out_of_reach AS o ON b.hour >= o.from_hour AND b.hour < o.to_hour
				AND CASE WHEN o.metric IS NULL THEN b.metric <> ALL (o.except_metrics) ELSE b.metric = o.metric END
			LEFT JOIN telemetry.rollup_hour AS h ON (h.device_id, h.metric, h.hour) = (b.device_id, b.metric, b.hour)
			WHERE coalesce(h.n, 0) < b.n)
		THEN 'a rollup out of reach has lost points'
		WHEN EXISTS (SELECT FROM telemetry.rollup_day AS d WHERE telemetry.compare_day(d.device_id, d.metric, d.day) IS NOT NULL)
		THEN 'a day differs from its hours'
		WHEN EXISTS (SELECT FROM telemetry.series AS s WHERE telemetry.compare_series(s.device_id, s.metric) IS NOT NULL)
			OR EXISTS (SELECT device_id, metric FROM telemetry.rollup_hour EXCEPT SELECT device_id, metric FROM telemetry.series)
		THEN 'a series differs from its days'
		WHEN EXISTS (
			SELECT device_id, metric, hour FROM telemetry.rollup_hour GROUP BY device_id, metric, hour, day
			EXCEPT SELECT h.device_id, h.metric, h.hour FROM telemetry.rollup_hour AS h JOIN telemetry.rollup_day USING (device_id, metric, day))
		THEN 'an hour has no day'
	END
$$;

CREATE FUNCTION pg_temp.step(number integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	what float8;
	problem text;
BEGIN
	PERFORM setseed(number / 1000.0);
	what := random();
	TRUNCATE before;
	INSERT INTO before SELECT h.device_id, h.metric, h.hour, h.day, h.n, h.last_ts FROM telemetry.rollup_hour AS h;
	CASE
		WHEN what < 0.40 THEN PERFORM pg_temp.write();
		WHEN what < 0.62 THEN problem := pg_temp.roll_up();
		WHEN what < 0.67 THEN PERFORM telemetry.compact_step(true);
		WHEN what < 0.83 THEN PERFORM pg_temp.change_rule();
		WHEN what < 0.86 THEN PERFORM pg_temp.delete();
		WHEN what < 0.88 THEN PERFORM telemetry.refresh_device(pg_temp.any_of('{d0,d1,d2,d3}'), NULL, NULL, NULL);
		WHEN what < 0.94 THEN PERFORM pg_temp.retain_a_little();
		ELSE problem := pg_temp.retain();
	END CASE;
	RETURN coalesce(problem, pg_temp.problem());
END
$$;

CREATE FUNCTION pg_temp.begin_chapter(zone text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE model, written_last, telemetry.block, telemetry.drop_log;
	DELETE FROM telemetry.retention;
	UPDATE applied SET done = false, under_way = false;
	PERFORM telemetry.set_day_timezone(zone);
END
$$;

-- The job goes by the clock and the model by the beginning of its transaction: that must be one day.
CREATE FUNCTION pg_temp.keep_off_midnight() RETURNS void LANGUAGE sql AS
	$$ SELECT pg_sleep_until(date_trunc('day', now() + interval '10 seconds', 'UTC')) $$;
CREATE FUNCTION pg_temp.steps(first integer, last integer, zone text) RETURNS TABLE (wait text, step text) LANGUAGE sql AS $$
	SELECT 'DO $do$ BEGIN PERFORM pg_temp.keep_off_midnight(); END $do$',
		format('SELECT is(pg_temp.step(%s), NULL, %L)', i, format('step %s, %s', i, zone))
	FROM generate_series(first, last) AS i
$$;

SELECT plan(180);
SELECT pg_temp.begin_chapter('UTC') \g /dev/null
SELECT * FROM pg_temp.steps(1, 80, 'UTC') \gexec
SELECT pg_temp.begin_chapter('America/Los_Angeles') \g /dev/null
SELECT * FROM pg_temp.steps(81, 130, 'Los Angeles') \gexec
-- Hours that begin at half past lie in two UTC days.
SELECT pg_temp.begin_chapter('Asia/Kolkata') \g /dev/null
SELECT * FROM pg_temp.steps(131, 180, 'Kolkata') \gexec
SELECT * FROM finish();
SELECT pg_temp.begin_chapter('UTC') \g /dev/null
