-- Rollups against a model: whatever is written late, twice, over what is there, deleted, rolled
-- up, merged and rolled back, in whatever order, telemetry.point reads like a plain table, and the
-- views of rollups like GROUP BY over it, in any day time zone.
-- Each step is a transaction with a seed of its own, so the whole run is the same every time.
\set QUIET 1
\pset format unaligned
\pset fieldsep '\n'
\pset tuples_only true
\pset pager off

SET client_min_messages = error;
SET timezone = 'UTC';
SET jit = off;
SET work_mem = '256MB';
TRUNCATE telemetry.block, telemetry.dead_letter;
SELECT telemetry.set_day_timezone('UTC') \g /dev/null

CREATE TEMP TABLE model (
	device_id text COLLATE "C",
	metric text COLLATE "C",
	ts timestamptz,
	value telemetry.value NOT NULL,
	unit text,
	tags jsonb,
	metadata jsonb,
	PRIMARY KEY (device_id, metric, ts)
);
CREATE TEMP VIEW model_point AS
	SELECT *, CASE telemetry.kind(value) WHEN 'numeric' THEN value::float8 END AS num FROM model;

-- What the rollups are of at any time; the rest is pending.
CREATE FOREIGN TABLE pg_temp.rolled_point (
	ts timestamptz NOT NULL,
	device_id text COLLATE "C" NOT NULL,
	metric text COLLATE "C" NOT NULL,
	value telemetry.value NOT NULL,
	unit text,
	tags jsonb,
	metadata jsonb,
	num double precision
) SERVER telemetry OPTIONS (rolled_up 'true');

CREATE TEMP TABLE batch (
	at serial,
	ts timestamptz,
	device_id text,
	metric text,
	value telemetry.value,
	unit text,
	tags jsonb,
	metadata jsonb
);

-- The times that points are written around.
CREATE TEMP TABLE chapter (title text, centres timestamptz[]);
CREATE FUNCTION pg_temp.begin_chapter(title text, zone text, centres timestamptz[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM chapter;
	INSERT INTO chapter VALUES (title, centres);
	PERFORM telemetry.set_day_timezone(zone);
END
$$;
CREATE FUNCTION pg_temp.forget() RETURNS void LANGUAGE sql AS $$
	TRUNCATE telemetry.block;
	TRUNCATE model;
$$;

CREATE FUNCTION pg_temp.pick(VARIADIC choices anyarray) RETURNS anyelement
LANGUAGE sql VOLATILE AS
$$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;
CREATE FUNCTION pg_temp.pick_text(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT pg_temp.pick(VARIADIC choices) $$;
CREATE FUNCTION pg_temp.some_device() RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT 'device-' || floor(random() ^ 2 * 8) $$;

-- Sums of eighths are exact in whatever order they are made; those of decimal and wide are not.
CREATE FUNCTION pg_temp.some_metric() RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT pg_temp.pick_text('eighths', 'eighths', 'constant', 'decimal', 'wide', 'special', 'any', 'any', 'state', 'open') $$;
CREATE FUNCTION pg_temp.some_value(metric text) RETURNS telemetry.value LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	r float8 := random();
BEGIN
	IF metric = 'any' THEN
		metric := pg_temp.pick_text('eighths', 'eighths', 'state', 'open', 'document', 'place', 'raw');
	ELSIF metric = 'special' AND random() < 0.9 THEN
		metric := 'eighths';
	END IF;
	CASE metric
		WHEN 'eighths' THEN RETURN (floor((r - 0.5) * 2 ^ (1 + floor(random() * 23))) / 8)::float8::telemetry.value;
		WHEN 'constant' THEN RETURN 21.625::float8::telemetry.value;
		WHEN 'decimal' THEN RETURN round((900 + r * 100)::numeric, 2)::float8::telemetry.value;
		WHEN 'wide' THEN RETURN (sign(random() - 0.5) * (1 + r) * 10 ^ (random() * 16 - 8))::float8::telemetry.value;
		WHEN 'special' THEN RETURN pg_temp.pick(VARIADIC '{NaN,Infinity,-Infinity,-0,0}'::float8[])::telemetry.value;
		WHEN 'state' THEN RETURN pg_temp.pick_text('open', 'closed', '', repeat('x', floor(r * 300)::int))::telemetry.value;
		WHEN 'open' THEN RETURN (r < 0.5)::telemetry.value;
		WHEN 'document' THEN RETURN jsonb_build_object('r', floor(r * 50))::telemetry.value;
		WHEN 'place' THEN RETURN jsonb_build_object('$geo', jsonb_build_array(round((r * 90)::numeric, 4), 5.25))::telemetry.value;
		WHEN 'raw' THEN RETURN decode(repeat(md5(r::text), floor(r * 4)::int), 'hex')::telemetry.value;
	END CASE;
END
$$;

-- Within a day of a centre, mostly within three hours, on a grid of five minutes, so that keys meet
-- by chance, or at an edge of half an hour.
CREATE FUNCTION pg_temp.some_ts() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
	SELECT pg_temp.pick(VARIADIC centres) + CASE
		WHEN random() < 0.15 THEN floor(random() * 13 - 6) * interval '30 minutes' - pg_temp.pick(interval '0', interval '1 microsecond')
		WHEN random() < 0.6 THEN floor(random() * 72 - 36) * interval '5 minutes'
		ELSE floor(random() * 576 - 288) * interval '5 minutes' END
	FROM chapter
$$;

-- Fills batch with n rows of a shape.
CREATE FUNCTION pg_temp.make_batch(shape text, n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	a_device text := pg_temp.some_device();
	a_metric text := pg_temp.some_metric();
	a_start timestamptz := pg_temp.some_ts();
	a_step interval := pg_temp.pick(interval '1 second', interval '77 seconds', interval '5 minutes', interval '1 hour');
BEGIN
	TRUNCATE batch RESTART IDENTITY;
	CASE shape
		-- After all that is there of one device, for some of its metrics.
		WHEN 'next' THEN
			SELECT coalesce(max(ts), a_start) INTO a_start FROM model WHERE device_id = a_device;
			INSERT INTO batch (ts, device_id, metric, value)
			SELECT a_start + i * a_step, a_device, m, pg_temp.some_value(m)
			FROM (VALUES (a_metric), ('eighths'), ('any')) AS metrics (m), generate_series(1, least(n, 60)) AS i;
		WHEN 'series' THEN
			INSERT INTO batch (ts, device_id, metric, value)
			SELECT a_start + i * a_step, a_device, a_metric, pg_temp.some_value(a_metric)
			FROM generate_series(1, n) AS i;
		-- One time of all devices.
		WHEN 'round' THEN
			INSERT INTO batch (ts, device_id, metric, value)
			SELECT a_start, 'device-' || i, m, pg_temp.some_value(m)
			FROM (VALUES (a_metric), ('eighths')) AS metrics (m), generate_series(0, 7) AS i;
		WHEN 'scattered' THEN
			INSERT INTO batch (ts, device_id, metric, value)
			SELECT pg_temp.some_ts(), pg_temp.some_device(), m, pg_temp.some_value(m)
			FROM (SELECT pg_temp.some_metric() AS m FROM generate_series(1, n)) AS g;
		-- Few keys again and again: the last row of each wins.
		WHEN 'repeats' THEN
			INSERT INTO batch (ts, device_id, metric, value)
			SELECT a_start + floor(random() * 5) * a_step, a_device, m, pg_temp.some_value(m)
			FROM (SELECT pg_temp.pick_text('any', 'eighths') AS m FROM generate_series(1, n)) AS g;
		-- Points that are there, with other values, which may be of another kind.
		WHEN 'overwrite' THEN
			INSERT INTO batch (ts, device_id, metric, value)
			SELECT ts, device_id, metric, pg_temp.some_value(metric)
			FROM (SELECT ts, device_id, metric FROM model ORDER BY random() LIMIT n) AS there;
		-- The last ones of their series with other values, and what comes next.
		WHEN 'last' THEN
			INSERT INTO batch (ts, device_id, metric, value)
			SELECT ts + i * interval '7 seconds', device_id, metric, pg_temp.some_value(metric)
			FROM (SELECT device_id, metric, max(ts) AS ts FROM model GROUP BY device_id, metric ORDER BY random() LIMIT 5) AS there,
				generate_series(0, floor(random() * 3)::int) AS i;
		-- Points that are there, as they are: nothing may change.
		WHEN 'again' THEN
			INSERT INTO batch (ts, device_id, metric, value, unit, tags, metadata)
			SELECT ts, device_id, metric, value, unit, tags, metadata FROM model ORDER BY random() LIMIT n;
	END CASE;
	IF shape <> 'again' AND random() < 0.4 THEN
		UPDATE batch SET
			unit = CASE WHEN random() < 0.7 THEN pg_temp.pick_text('°C', 'hPa', '') END,
			tags = CASE WHEN random() < 0.3 THEN jsonb_build_object('site', floor(random() * 3)) END,
			metadata = CASE WHEN random() < 0.1 THEN jsonb_build_object('r', random()) END
		WHERE random() < 0.8;
	END IF;
END
$$;

CREATE FUNCTION pg_temp.ingest_batch() RETURNS void LANGUAGE sql AS $$
	INSERT INTO telemetry.point (ts, device_id, metric, value, unit, tags, metadata)
	SELECT ts, device_id, metric, value, unit, tags, metadata FROM batch ORDER BY at;
	INSERT INTO model (device_id, metric, ts, value, unit, tags, metadata)
	SELECT DISTINCT ON (device_id, metric, ts) device_id, metric, ts, value, unit, tags, metadata
	FROM batch
	ORDER BY device_id, metric, ts, at DESC
	ON CONFLICT (device_id, metric, ts) DO UPDATE
	SET value = excluded.value, unit = excluded.unit, tags = excluded.tags, metadata = excluded.metadata
$$;

CREATE FUNCTION pg_temp.write() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	shape text := pg_temp.pick_text('next', 'next', 'series', 'round', 'round', 'scattered', 'repeats', 'overwrite', 'last', 'again');
BEGIN
	PERFORM pg_temp.make_batch(shape, floor(600 ^ random())::int);
	PERFORM set_config('telemetry.mixed_block_points', pg_temp.pick_text('0', '20', '16384'), true),
		set_config('telemetry.batch_memory', pg_temp.pick_text('256kB', '64MB'), true);
	PERFORM pg_temp.ingest_batch();
	RETURN NULL;
END
$$;

-- A device and, each of which may be null, a metric and bounds, often those of hours near a centre.
CREATE FUNCTION pg_temp.some_range(OUT d text, OUT m text, OUT lower timestamptz, OUT upper timestamptz) LANGUAGE plpgsql AS $$
DECLARE
	edge timestamptz := (SELECT pg_temp.pick(VARIADIC centres) FROM chapter) + floor(random() * 9 - 4) * interval '30 minutes';
BEGIN
	d := pg_temp.pick_text(pg_temp.some_device(), pg_temp.some_device(), pg_temp.some_device(), 'absent');
	m := pg_temp.pick(NULL, pg_temp.some_metric(), pg_temp.some_metric());
	lower := pg_temp.pick(NULL, edge, edge, pg_temp.some_ts());
	upper := pg_temp.pick(NULL, coalesce(lower, edge) + pg_temp.pick(interval '1 microsecond', interval '5 minutes',
		interval '30 minutes', interval '1 hour', interval '90 minutes', interval '7 hours', interval '2 days'));
END
$$;

CREATE FUNCTION pg_temp.delete() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record := pg_temp.some_range();
	deleted bigint := telemetry.delete_points(r.d, r.m, r.lower, r.upper);
	wanted bigint;
BEGIN
	DELETE FROM model
	WHERE device_id = r.d AND (r.m IS NULL OR metric = r.m) AND (r.lower IS NULL OR ts >= r.lower) AND (r.upper IS NULL OR ts < r.upper);
	GET DIAGNOSTICS wanted = ROW_COUNT;
	RETURN CASE WHEN deleted <> wanted THEN format('delete_points%s returned %s instead of %s', r, deleted, wanted) END;
END
$$;

CREATE FUNCTION pg_temp.refresh() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record := pg_temp.some_range();
BEGIN
	PERFORM telemetry.refresh_device(r.d, r.m, r.lower, r.upper);
	RETURN NULL;
END
$$;

-- Blocks of these buckets cannot be rolled up, and are set aside: {} for none.
CREATE FUNCTION telemetry_test_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.bucket = ANY (coalesce(nullif(current_setting('tap.refused', true), ''), '{}')::int[]) THEN
		RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded', MESSAGE = 'refused by the test';
	END IF;
	RETURN NEW;
END
$$;
CREATE TRIGGER refuse BEFORE INSERT ON telemetry.block_1 FOR EACH ROW EXECUTE FUNCTION telemetry_test_refuse();

-- Steps of few rows split mixed blocks, and take buckets one by one. Some blocks are set aside, and some tried again.
CREATE FUNCTION pg_temp.roll_up() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	steps CONSTANT int := pg_temp.pick(1, 2, 5, 1000);
BEGIN
	PERFORM set_config('telemetry.roll_up_rows', pg_temp.pick_text('1', '20', '300', '50000'), true);
	IF random() < 0.3 THEN
		PERFORM set_config('tap.refused', (SELECT array_agg(b) FILTER (WHERE random() < 0.3) FROM generate_series(0, 63) AS b)::text, true);
	END IF;
	IF random() < 0.3 THEN
		PERFORM telemetry.retry_set_aside();
	END IF;
	FOR i IN 1 .. steps LOOP
		EXIT WHEN NOT telemetry.job_roll_up();
	END LOOP;
	PERFORM set_config('tap.refused', '{}', true);
	RETURN NULL;
END
$$;

CREATE FUNCTION pg_temp.compact() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('telemetry.settle_time', pg_temp.pick_text('0', '60'), true);
	WHILE telemetry.job_compact() LOOP
	END LOOP;
	RETURN NULL;
END
$$;

CREATE FUNCTION pg_temp.roll_up_all() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('telemetry.roll_up_rows', pg_temp.pick_text('10', '300', '50000'), true);
	PERFORM telemetry.retry_set_aside();
	FOR i IN 1 .. 5000 LOOP
		IF NOT telemetry.job_roll_up() THEN
			RETURN NULL;
		END IF;
	END LOOP;
	RETURN 'after 5000 steps there is more to do';
END
$$;

-- One step of what can happen; null, or what is wrong about it.
CREATE FUNCTION pg_temp.some_step() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	CASE pg_temp.pick_text('write', 'write', 'write', 'roll up', 'roll up', 'compact', 'delete', 'refresh')
		WHEN 'write' THEN RETURN pg_temp.write();
		WHEN 'roll up' THEN RETURN pg_temp.roll_up();
		WHEN 'compact' THEN RETURN pg_temp.compact();
		WHEN 'delete' THEN RETURN pg_temp.delete();
		ELSE RETURN pg_temp.refresh();
	END CASE;
END
$$;

-- A transaction: mostly of one step, sometimes of several, of which some are rolled back.
CREATE FUNCTION pg_temp.some_steps(seed int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	wrong text;
	wrong_undone text;
BEGIN
	PERFORM setseed(seed / 100000.0);
	IF random() < 0.8 THEN
		RETURN pg_temp.some_step();
	END IF;
	FOR i IN 1 .. 1 + floor(random() * 3)::int LOOP
		IF random() < 0.4 THEN
			BEGIN
				FOR k IN 1 .. 1 + floor(random() * 3)::int LOOP
					wrong_undone := coalesce(wrong_undone, pg_temp.some_step());
				END LOOP;
				RAISE EXCEPTION USING ERRCODE = 'TL000';
			EXCEPTION WHEN SQLSTATE 'TL000' THEN
				wrong := coalesce(wrong, wrong_undone);
			END;
		ELSE
			wrong := coalesce(wrong, pg_temp.some_step());
		END IF;
	END LOOP;
	RETURN wrong;
END
$$;

-- The text form tells apart what the operators of value take as equal, such as 0 and -0.
CREATE FUNCTION pg_temp.wrong_points() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	WITH stored AS (
		SELECT device_id::text, metric::text, ts, format('%s', value), unit, tags::text, metadata::text, num FROM telemetry.point
	), wanted AS (
		SELECT device_id::text, metric::text, ts, format('%s', value), unit, tags::text, metadata::text, num FROM model_point
	), surplus AS (
		SELECT 'not in the model: ' || s::text AS what FROM (SELECT * FROM stored EXCEPT ALL SELECT * FROM wanted) AS s
		UNION ALL
		SELECT 'missing: ' || s::text FROM (SELECT * FROM wanted EXCEPT ALL SELECT * FROM stored) AS s
	)
	SELECT count(*) || ' differences, such as ' || min(what) INTO answer FROM surplus HAVING count(*) > 0;
	RETURN answer;
END
$$;

CREATE FUNCTION pg_temp.is_about(a float8, b float8, slack float8) RETURNS boolean LANGUAGE sql IMMUTABLE AS
$$ SELECT a IS NOT DISTINCT FROM b OR coalesce(abs(a - b) <= slack, false) $$;

-- How a view of rollups by hour or day differs from GROUP BY over a table of points.
CREATE FUNCTION pg_temp.wrong_rollups(view text, period text, points text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE format($query$
		WITH local AS (
			SELECT p.*, p.ts AT TIME ZONE (SELECT day_timezone FROM telemetry.layout) AS wall FROM %3$s AS p
		), wanted AS MATERIALIZED (
			SELECT device_id, metric, %4$s AS at,
				count(num) AS n, sum(num) AS sum, sum(num) / nullif(count(num), 0) AS avg,
				min(num) AS min, max(num) AS max, stddev_samp(num) AS stddev,
				(array_agg(num ORDER BY ts) FILTER (WHERE num IS NOT NULL))[1] AS first,
				(array_agg(num ORDER BY ts DESC) FILTER (WHERE num IS NOT NULL))[1] AS last,
				count(*) - count(num) AS others, min(ts) AS first_ts, max(ts) AS last_ts, telemetry.sketch(num) AS sketch,
				percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY num) AS p,
				CASE WHEN metric IN ('decimal', 'wide') THEN sum(abs(num)) ELSE 0 END AS total
			FROM local
			GROUP BY 1, 2, 3
		), kept AS MATERIALIZED (
			SELECT device_id, metric, %2$s AS at, n, sum, avg, min, max, stddev, first, last, p50, p95, p99,
				sketch, others, first_ts, last_ts
			FROM %1$s
		), differences AS (
			SELECT format('%%s %%s %%s: ', device_id, metric, at) || concat_ws(', ',
				CASE WHEN k.n IS DISTINCT FROM w.n THEN format('n %%s instead of %%s', k.n, w.n) END,
				CASE WHEN k.others IS DISTINCT FROM w.others THEN format('others %%s instead of %%s', k.others, w.others) END,
				CASE WHEN NOT pg_temp.is_about(k.sum, w.sum, 1e-9 * total) THEN format('sum %%s instead of %%s', k.sum, w.sum) END,
				CASE WHEN NOT pg_temp.is_about(k.avg, w.avg, 1e-9 * total) THEN format('avg %%s instead of %%s', k.avg, w.avg) END,
				CASE WHEN k.min IS DISTINCT FROM w.min THEN format('min %%s instead of %%s', k.min, w.min) END,
				CASE WHEN k.max IS DISTINCT FROM w.max THEN format('max %%s instead of %%s', k.max, w.max) END,
				CASE WHEN NOT pg_temp.is_about(k.stddev, w.stddev, 1e-9 * w.stddev + 1e-12 * greatest(abs(w.min), abs(w.max)))
					THEN format('stddev %%s instead of %%s', k.stddev, w.stddev) END,
				CASE WHEN k.first IS DISTINCT FROM w.first THEN format('first %%s instead of %%s', k.first, w.first) END,
				CASE WHEN k.last IS DISTINCT FROM w.last THEN format('last %%s instead of %%s', k.last, w.last) END,
				CASE WHEN k.first_ts IS DISTINCT FROM w.first_ts THEN format('first_ts %%s instead of %%s', k.first_ts, w.first_ts) END,
				CASE WHEN k.last_ts IS DISTINCT FROM w.last_ts THEN format('last_ts %%s instead of %%s', k.last_ts, w.last_ts) END,
				CASE WHEN NOT pg_temp.is_about(p50, p[1], 0.01001 * abs(p[1])) THEN format('p50 %%s instead of %%s', p50, p[1]) END,
				CASE WHEN NOT pg_temp.is_about(p95, p[2], 0.01001 * abs(p[2])) THEN format('p95 %%s instead of %%s', p95, p[2]) END,
				CASE WHEN NOT pg_temp.is_about(p99, p[3], 0.01001 * abs(p[3])) THEN format('p99 %%s instead of %%s', p99, p[3]) END,
				CASE WHEN k.sketch IS NOT NULL AND w.sketch IS NOT NULL AND k.sketch OPERATOR(telemetry.<>) w.sketch
					OR (k.sketch IS NULL) <> (w.sketch IS NULL) THEN format('sketch %%s instead of %%s', k.sketch, w.sketch) END) AS what
			FROM kept AS k FULL JOIN wanted AS w USING (device_id, metric, at)
		)
		SELECT count(*) || ' differences, such as ' || left(min(what), 1000) FROM differences WHERE what !~ ': $' HAVING count(*) > 0
	$query$, view, period, points,
		CASE period WHEN 'hour' THEN 'ts - (wall - date_trunc(''hour'', wall))' ELSE 'wall::date' END) INTO answer;
	RETURN answer;
END
$$;

CREATE FUNCTION pg_temp.wrong_series() RETURNS text LANGUAGE sql AS $$
	WITH wanted AS (
		SELECT device_id, metric, count(*) AS n, min(ts) AS first_ts, max(ts) AS last_ts, (array_agg(value ORDER BY ts DESC))[1] AS last_value
		FROM model
		GROUP BY 1, 2
	), differences AS (
		SELECT format('%s %s: %s instead of %s', device_id, metric, (s.n, s.first_ts, s.last_ts, s.last_value, s.data_type),
			(w.n, w.first_ts, w.last_ts, w.last_value, telemetry.kind(w.last_value))) AS what
		FROM telemetry.series AS s FULL JOIN wanted AS w USING (device_id, metric)
		WHERE (s.n, s.first_ts, s.last_ts, s.last_value::text, s.data_type)
			IS DISTINCT FROM (w.n, w.first_ts, w.last_ts, w.last_value::text, telemetry.kind(w.last_value))
	)
	SELECT count(*) || ' differences, such as ' || min(what) FROM differences HAVING count(*) > 0
$$;

-- What must hold at any time, or some of it: the points, and of the rollups those named.
CREATE FUNCTION pg_temp.check(at text, VARIADIC rollups text[] DEFAULT '{rolled,hours,days}') RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN NEXT is(pg_temp.wrong_points(), NULL, at || ': the points are those of the model');
	IF 'rolled' = ANY (rollups) THEN
		RETURN NEXT is(coalesce(pg_temp.wrong_rollups('telemetry.metric_hourly', 'hour', 'pg_temp.rolled_point'),
			pg_temp.wrong_rollups('telemetry.metric_daily', 'day', 'pg_temp.rolled_point')), NULL, at || ': the rollups are of the blocks rolled up');
	END IF;
	IF 'hours' = ANY (rollups) THEN
		RETURN NEXT is(pg_temp.wrong_rollups('telemetry.metric_hourly_live', 'hour', 'model_point'), NULL, at || ': the live hours have all points');
	END IF;
	IF 'days' = ANY (rollups) THEN
		RETURN NEXT is(pg_temp.wrong_rollups('telemetry.metric_daily_live', 'day', 'model_point'), NULL, at || ': the live days have all points');
	END IF;
END
$$;

-- What must hold when all is rolled up.
CREATE FUNCTION pg_temp.check_at_rest(at text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN NEXT is(pg_temp.roll_up_all(), NULL, at || ': all is rolled up');
	RETURN NEXT is((SELECT pending_points + set_aside_points FROM telemetry.freshness)::bigint, 0::bigint, at || ': nothing is pending');
	RETURN NEXT is(pg_temp.wrong_rollups('telemetry.metric_hourly', 'hour', 'model_point'), NULL, at || ': the hours have all points');
	RETURN NEXT is(pg_temp.wrong_rollups('telemetry.metric_daily', 'day', 'model_point'), NULL, at || ': the days have all points');
	RETURN NEXT is(pg_temp.wrong_series(), NULL, at || ': the series are those of the model');
END
$$;

-- The statements of some rounds, each ending in checks.
CREATE FUNCTION pg_temp.rounds(first int, last int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	at text;
BEGIN
	FOR round IN first .. last LOOP
		at := format('%s, seed %s', (SELECT title FROM chapter), round);
		PERFORM setseed(round / 1000.0);
		FOR step IN 1 .. 2 + floor(random() * 5)::int LOOP
			RETURN NEXT format('SELECT is(wrong, NULL, %L) FROM pg_temp.some_steps(%s) AS wrong WHERE wrong IS NOT NULL',
				format('%s, step %s', at, step), round * 10 + step);
		END LOOP;
		IF random() < 0.15 THEN
			RETURN NEXT 'CALL telemetry.compact()';
		END IF;
		RETURN NEXT format('SELECT pg_temp.check(%L, %L)', at, pg_temp.pick_text('rolled', 'hours', 'days'));
		IF random() < 0.4 THEN
			RETURN NEXT format('SELECT pg_temp.check_at_rest(%L)', at);
		END IF;
	END LOOP;
	RETURN NEXT format('SELECT pg_temp.check_at_rest(%L)', at || ', end');
	RETURN NEXT 'CALL telemetry.compact()';
	RETURN NEXT format('SELECT pg_temp.check(%L)', at || ', compacted');
END
$$;

SELECT * FROM no_plan();

-- A zone of whole hours can be changed under the points that are there.
SELECT pg_temp.begin_chapter('UTC', 'UTC', '{1999-12-31 12:00,2024-02-28 12:00,2024-03-01 00:00,2024-03-31 00:00}') \g /dev/null
SELECT pg_temp.rounds(1, 60)
\gexec
-- The clock goes from 2:00 to 3:00 on March 31st and from 3:00 to 2:00 on October 27th.
SELECT pg_temp.begin_chapter('Amsterdam', 'Europe/Amsterdam', '{2024-03-31 01:00,2024-03-31 22:00,2024-10-27 01:00}') \g /dev/null
SELECT pg_temp.rounds(61, 120)
\gexec
-- From 0:00 to 1:00 on November 4th, from 24:00 to 23:00 on February 16th.
SELECT pg_temp.begin_chapter('São Paulo', 'America/Sao_Paulo', '{2018-11-04 03:00,2018-11-05 02:00,2019-02-17 02:00}') \g /dev/null
SELECT pg_temp.rounds(121, 180)
\gexec
-- Hours that begin at half past those of UTC, and so cross days of UTC.
SELECT throws_ok('SELECT telemetry.set_day_timezone(''Asia/Kolkata'')', '55000', NULL, 'hours cannot be moved under the rollups that are there');
SELECT pg_temp.forget() \g /dev/null
SELECT pg_temp.begin_chapter('Kolkata', 'Asia/Kolkata', '{2024-05-01 18:30,2024-05-03 00:00}') \g /dev/null
SELECT pg_temp.rounds(181, 240)
\gexec
-- The clock goes from 2:00 to 1:30 on April 7th and from 2:00 to 2:30 on October 6th: the first
-- makes an hour that begins within another, the second one whose first half is not there.
SELECT pg_temp.forget() \g /dev/null
SELECT pg_temp.begin_chapter('Lord Howe', 'Australia/Lord_Howe', '{2024-04-06 15:00,2024-10-05 15:30}') \g /dev/null
SELECT pg_temp.rounds(241, 300)
\gexec

-- Each half hour around the changes of the clock alone.
CREATE FUNCTION pg_temp.wrong_refresh() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	lower timestamptz;
	upper timestamptz;
	wrong text;
BEGIN
	FOR lower, upper IN
		SELECT c + i * interval '30 minutes', c + (i + 1) * interval '30 minutes'
		FROM chapter, unnest(centres) AS c, generate_series(-4, 4) AS i
	LOOP
		PERFORM telemetry.refresh_device('device-0', NULL, lower, upper);
		wrong := coalesce(pg_temp.wrong_rollups('telemetry.metric_hourly', 'hour', 'model_point'),
			pg_temp.wrong_rollups('telemetry.metric_daily', 'day', 'model_point'));
		IF wrong IS NOT NULL THEN
			RETURN format('from %s to %s: %s', lower, upper, wrong);
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;
INSERT INTO batch (ts, device_id, metric, value)
	SELECT c + i * interval '5 minutes', 'device-0', 'eighths', pg_temp.some_value('eighths')
	FROM chapter, unnest(centres) AS c, generate_series(-60, 60) AS i;
SELECT pg_temp.ingest_batch() \g /dev/null
SELECT pg_temp.check_at_rest('Lord Howe, every five minutes');
SELECT is(pg_temp.wrong_refresh(), NULL, 'Lord Howe: a refresh changes nothing');

-- More blocks than are rolled up at once, most of them of few days, so that they are folded first.
SELECT pg_temp.forget() \g /dev/null
SELECT pg_temp.begin_chapter('many blocks', 'UTC', '{2024-05-01 12:00}') \g /dev/null
CREATE TEMP TABLE flush (flush int, at serial, ts timestamptz, device_id text, value telemetry.value);
CREATE INDEX ON flush (flush);
CREATE FUNCTION pg_temp.many_flushes(flushes int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM setseed(0.5);
	INSERT INTO flush (flush, ts, device_id, value)
	SELECT f, '2024-05-01 UTC'::timestamptz + floor(random() * 600) * interval '5 minutes', 'device-' || floor(random() * 20), f::float8::telemetry.value
	FROM generate_series(1, flushes) AS f, generate_series(1, 1 + f % 3);
	FOR f IN 1 .. flushes LOOP
		IF f % 50 = 0 THEN
			PERFORM set_config('telemetry.mixed_block_points', pg_temp.pick_text('0', '16384', '16384'), true);
		END IF;
		INSERT INTO telemetry.point (ts, device_id, metric, value)
		SELECT ts, device_id, 'eighths', value FROM flush WHERE flush = f ORDER BY at;
	END LOOP;
	INSERT INTO model (device_id, metric, ts, value)
	SELECT DISTINCT ON (device_id, ts) device_id, 'eighths', ts, value FROM flush ORDER BY device_id, ts, flush DESC, at DESC;
END
$$;
SELECT pg_temp.many_flushes(8600) \g /dev/null
SELECT pg_temp.check('many_blocks: before');
SET telemetry.merge_memory = '64kB';
SELECT pg_temp.check('many_blocks: before, with little memory', 'hours');
RESET telemetry.merge_memory;
SELECT is(telemetry.job_roll_up(), true, 'many_blocks: not all are rolled up at once');
SELECT cmp_ok((SELECT pending_points FROM telemetry.freshness)::bigint, '>', 0::bigint, 'many_blocks: some are pending');
SELECT pg_temp.check('many_blocks: in between', 'rolled', 'hours');
SELECT is(telemetry.delete_points('device-3', NULL, '2024-05-01 05:00 UTC', '2024-05-02 05:00 UTC'), count(*), 'many_blocks: points are deleted from all')
FROM model WHERE device_id = 'device-3' AND ts >= '2024-05-01 05:00 UTC' AND ts < '2024-05-02 05:00 UTC';
DELETE FROM model WHERE device_id = 'device-3' AND ts >= '2024-05-01 05:00 UTC' AND ts < '2024-05-02 05:00 UTC';
SELECT pg_temp.check('many_blocks: without those deleted', 'rolled', 'days');
SELECT is(count(*), 0::bigint, 'many_blocks: there is an end')
FROM generate_series(1, 10) AS i, LATERAL (SELECT telemetry.job_roll_up() AND i > 0 AS more) AS r
WHERE i >= 5 AND more;
SELECT pg_temp.check_at_rest('many_blocks: after');
CALL telemetry.compact();
SELECT is(max(blocks), 1::bigint, 'many_blocks: a bucket''s day becomes one block') FROM (SELECT count(*) AS blocks FROM telemetry.block GROUP BY bucket, day) AS b;
SELECT pg_temp.check('many_blocks: compacted');

-- Live data come first, and their lag is told apart from that of what else is loaded.
SELECT pg_temp.forget() \g /dev/null
INSERT INTO telemetry.point (ts, device_id, metric, value)
	SELECT '2024-05-01 UTC'::timestamptz + i * interval '1 day', 'device-' || d, 'eighths', '1' FROM generate_series(1, 100) AS i, generate_series(1, 20) AS d;
SELECT results_eq('SELECT pending_points > 0, lag > ''0'', live_lag FROM telemetry.freshness', $$VALUES (true, true, interval '0')$$,
	'live_lag: old points are not live data');
INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT now() - i * interval '1 minute', 'device-' || i, 'eighths', '1' FROM generate_series(0, 5) AS i;
SELECT results_eq('SELECT lag > ''0'', live_lag > ''0'' FROM telemetry.freshness', $$VALUES (true, true)$$, 'live_lag: points of now are');
SET telemetry.roll_up_rows = 1;
UPDATE telemetry.compaction_state SET rolled_up_until = '2024-01-01', live_rolled_up_until = '2024-01-01' \g /dev/null
CREATE FUNCTION pg_temp.roll_up_live() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 50 LOOP
		IF (SELECT live_lag = '0' FROM telemetry.freshness) THEN
			RETURN true;
		END IF;
		PERFORM telemetry.job_roll_up();
	END LOOP;
	RETURN false;
END
$$;
SELECT ok(pg_temp.roll_up_live(), 'live_lag: what is of now is rolled up first');
SELECT results_eq('SELECT pending_points > 0, lag > ''1 year'', live_lag FROM telemetry.freshness', $$VALUES (true, true, interval '0')$$,
	'live_lag: it is so while others are pending');
SELECT results_eq('SELECT rolled_up_until < ''2024-01-02'', live_rolled_up_until > now() - interval ''1 hour'' FROM telemetry.compaction_state',
	'VALUES (true, true)', 'live_lag: until when is noted');
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES (now(), 'device-1', 'eighths', '1');
SELECT results_eq('SELECT lag > ''1 year'', live_lag BETWEEN ''0'' AND ''1 hour'' FROM telemetry.freshness', $$VALUES (true, true)$$,
	'live_lag: it is since then');
RESET telemetry.roll_up_rows;
SELECT is(pg_temp.roll_up_all(), NULL, 'live_lag: all is rolled up');
SELECT results_eq('SELECT lag, live_lag, fresh FROM telemetry.freshness', $$VALUES (interval '0', interval '0', true)$$, 'live_lag: then there is none');

-- Mixed blocks that are small, which are folded, and large, which are read piece by piece, between blocks of buckets.
SELECT pg_temp.forget() \g /dev/null
SELECT pg_temp.begin_chapter('large blocks', 'UTC', '{2024-05-01 12:00}') \g /dev/null
TRUNCATE flush;
CREATE FUNCTION pg_temp.noise(size int) RETURNS bytea LANGUAGE sql AS
	$$ SELECT decode(string_agg(md5(random()::text), ''), 'hex') FROM generate_series(0, size / 16) $$;
CREATE FUNCTION pg_temp.large_flushes(flushes int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM setseed(0.25);
	INSERT INTO flush (flush, ts, device_id, value)
	SELECT f, '2024-05-01 UTC'::timestamptz + floor(random() * 250) * interval '5 minutes', 'device-' || floor(random() * 20),
		CASE WHEN f % 10 < 3 THEN pg_temp.noise(floor(4 * 2 ^ (random() * 13))::int)::telemetry.value ELSE f::float8::telemetry.value END
	FROM generate_series(1, flushes) AS f, generate_series(1, 1 + f % 6) AS k;
	FOR f IN 1 .. flushes LOOP
		PERFORM set_config('telemetry.mixed_block_points', CASE f % 97 WHEN 0 THEN '0' ELSE '16384' END, true);
		INSERT INTO telemetry.point (ts, device_id, metric, value)
		SELECT ts, device_id, 'any', value FROM flush WHERE flush = f ORDER BY at;
	END LOOP;
	INSERT INTO model (device_id, metric, ts, value)
	SELECT DISTINCT ON (device_id, ts) device_id, 'any', ts, value FROM flush ORDER BY device_id, ts, flush DESC, at DESC;
END
$$;
SELECT pg_temp.large_flushes(900) \g /dev/null
CREATE FUNCTION pg_temp.check_large(at text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	memory text;
BEGIN
	FOREACH memory IN ARRAY '{64kB,1MB,64MB}'::text[] LOOP
		PERFORM set_config('telemetry.merge_memory', memory, true);
		RETURN NEXT is(pg_temp.wrong_points(), NULL, format('%s, %s: the points are those of the model', at, memory));
		RETURN NEXT is((SELECT count(*) FROM telemetry.point), (SELECT count(*) FROM model), format('%s, %s: they are counted', at, memory));
		RETURN NEXT is((SELECT count(*) FROM telemetry.point WHERE ts < '2024-05-01 12:00 UTC'),
			(SELECT count(*) FROM model WHERE ts < '2024-05-01 12:00 UTC'), format('%s, %s: those of some hours are counted', at, memory));
		RETURN NEXT results_eq($q$SELECT ts, device_id, format('%s', value) FROM telemetry.point WHERE device_id IN ('device-3', 'device-7') ORDER BY 1, 2$q$,
			$q$SELECT ts, device_id, format('%s', value) FROM model WHERE device_id IN ('device-3', 'device-7') ORDER BY 1, 2$q$, format('%s, %s: of two devices', at, memory));
		RETURN NEXT results_eq($q$SELECT device_id, max(ts) FROM telemetry.point WHERE device_id LIKE 'device-1%' GROUP BY 1 ORDER BY 1$q$,
			$q$SELECT device_id, max(ts) FROM model WHERE device_id LIKE 'device-1%' GROUP BY 1 ORDER BY 1$q$, format('%s, %s: by a prefix', at, memory));
	END LOOP;
END
$$;
SELECT pg_temp.check_large('large_blocks: before');
SET telemetry.merge_memory = '64kB';
SET telemetry.block_size = '64kB';
SELECT pg_temp.check_at_rest('large_blocks: after');
RESET telemetry.merge_memory;
SELECT pg_temp.check_large('large_blocks: rolled up');
-- Late points in the hours of several blocks; with what is deleted of them.
DELETE FROM flush WHERE flush % 9 > 0;
INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT DISTINCT ON (device_id, ts) ts, device_id, 'any', '-1' FROM flush;
UPDATE model SET value = '-1' WHERE EXISTS (SELECT FROM flush AS f WHERE f.device_id = model.device_id AND f.ts = model.ts);
SELECT pg_temp.check_at_rest('large_blocks: late');
SELECT is(telemetry.delete_points('device-5', NULL, '2024-05-01 05:00 UTC', '2024-05-01 09:00 UTC'), count(*), 'large_blocks: points are deleted')
FROM model WHERE device_id = 'device-5' AND ts >= '2024-05-01 05:00 UTC' AND ts < '2024-05-01 09:00 UTC';
DELETE FROM model WHERE device_id = 'device-5' AND ts >= '2024-05-01 05:00 UTC' AND ts < '2024-05-01 09:00 UTC';
SELECT pg_temp.check_at_rest('large_blocks: deleted');
SET telemetry.merge_memory = '64kB';
CALL telemetry.compact();
RESET telemetry.merge_memory;
SELECT cmp_ok(max(octet_length(data)), '<', 2 * 65536 + 2 * 262144, 'large_blocks: merged ones do not grow beyond their bound') FROM telemetry.block;
SELECT pg_temp.check_large('large_blocks: compacted');
-- Values that are nearly as large as a block may be, of one device and of many.
SELECT pg_temp.forget() \g /dev/null
TRUNCATE batch RESTART IDENTITY;
INSERT INTO batch (ts, device_id, metric, value)
	SELECT '2024-05-01 UTC'::timestamptz + i * interval '1 minute', CASE WHEN i <= 110 THEN 'one' ELSE 'device-' || i END, 'any', pg_temp.noise(60000)::telemetry.value
	FROM generate_series(1, 220) AS i;
-- Each in a flush of its own, since so many numbers there must be for blocks to be cut.
CREATE FUNCTION pg_temp.ingest_one_by_one() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. (SELECT max(at) FROM batch) LOOP
		INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT ts, device_id, metric, value FROM batch WHERE at = i;
	END LOOP;
	INSERT INTO model (ts, device_id, metric, value) SELECT ts, device_id, metric, value FROM batch;
END
$$;
SELECT pg_temp.ingest_one_by_one() \g /dev/null
SELECT pg_temp.check_large('large_values: before');
SET telemetry.merge_memory = '64kB';
SELECT is(telemetry.job_roll_up(), false, 'large_values: all are rolled up at once');
SELECT cmp_ok(max(octet_length(data)), '<', 65536 + 3 * 262144, 'large_values: blocks are cut') FROM telemetry.block;
SELECT cmp_ok(max(blocks), '>', 5::bigint, 'large_values: a bucket has several of a day') FROM (SELECT count(*) AS blocks FROM telemetry.block GROUP BY bucket) AS b;
SELECT pg_temp.check_at_rest('large_values: after');
RESET telemetry.merge_memory;
SELECT pg_temp.check_large('large_values: rolled up');
CALL telemetry.compact();
RESET telemetry.block_size;
SELECT pg_temp.check_large('large_values: compacted');

-- As many blocks of one flush: its first days are rolled up first, with what the next flush has of them.
SELECT pg_temp.forget() \g /dev/null
TRUNCATE batch;
INSERT INTO batch (ts, device_id, metric, value)
	SELECT '2000-01-01 UTC'::timestamptz + i * interval '1 day', 'device-' || i % 3, 'eighths', i::float8::telemetry.value
	FROM generate_series(1, 8500) AS i;
SELECT pg_temp.ingest_batch() \g /dev/null
DELETE FROM batch WHERE random() < 0.9;
UPDATE batch SET value = '-1';
SELECT pg_temp.ingest_batch() \g /dev/null
SELECT is(telemetry.job_roll_up(), true, 'blocks_of_one_flush: more is left');
SELECT cmp_ok(min(day), '>=', (SELECT max(day) FROM telemetry.block WHERE level = 1), 'blocks_of_one_flush: later days') FROM telemetry.block WHERE level = 0;
SELECT pg_temp.check('blocks_of_one_flush: in between');
SELECT pg_temp.check_at_rest('blocks_of_one_flush: after');

-- More points than are rolled up at once.
SELECT pg_temp.forget() \g /dev/null
SELECT pg_temp.begin_chapter('many points', 'Europe/Amsterdam', '{2024-03-31 01:00}') \g /dev/null
INSERT INTO telemetry.point (ts, device_id, metric, value)
	SELECT '2024-03-30 UTC'::timestamptz + i * interval '1 second', 'device-' || d, 'eighths', (i % 1000 / 8.0)::float8::telemetry.value
	FROM generate_series(1, 150000) AS i, generate_series(1, 5) AS d;
INSERT INTO telemetry.point (ts, device_id, metric, value)
	SELECT '2024-03-30 UTC'::timestamptz + i * interval '1.5 seconds', 'device-' || d, 'eighths', (i % 1000 / 8.0)::float8::telemetry.value
	FROM generate_series(50001, 200000) AS i, generate_series(4, 6) AS d;
SELECT is(telemetry.job_roll_up(), true, 'many_points: not all are rolled up at once');
SELECT is(pg_temp.wrong_rollups('telemetry.metric_hourly', 'hour', 'pg_temp.rolled_point'), NULL, 'many_points: the hours are of those that are');
SELECT is(pg_temp.wrong_rollups('telemetry.metric_daily_live', 'day', 'telemetry.point'), NULL, 'many_points: the live days are of all');
SELECT is(telemetry.job_roll_up(), false, 'many_points: the rest is');
SELECT is(pg_temp.wrong_rollups('telemetry.metric_hourly', 'hour', 'telemetry.point'), NULL, 'many_points: the hours are of all');
-- Of devices 4 and 5, 25,000 points of the second lot replace some of the first.
SELECT results_eq('SELECT device_id, n FROM telemetry.series ORDER BY 1',
	$$VALUES ('device-1'::text COLLATE "C", 150000::bigint), ('device-2', 150000), ('device-3', 150000), ('device-4', 275000), ('device-5', 275000), ('device-6', 150000)$$,
	'many_points: each counts once');

SELECT is((SELECT sum(telemetry.check_block(data))::bigint FROM telemetry.block), (SELECT sum(n) FROM telemetry.block),
	'every block holds the points that its row says');
SELECT is((SELECT count(*) FROM telemetry.block WHERE min_ts < day::timestamp AT TIME ZONE 'UTC' OR max_ts >= (day + 1)::timestamp AT TIME ZONE 'UTC'), 0::bigint,
	'no block crosses a day of UTC');
SELECT * FROM finish();
SELECT pg_temp.forget() \g /dev/null
SELECT telemetry.set_day_timezone('UTC') \g /dev/null
