-- Time functions against what their definitions say, computed slowly. For buckets the line of times is cut into pieces at all changes of a clock,
-- which are found by trying, and each multiple of the width is looked for in each piece.
-- Each round has a seed of its own, so the whole run is the same every time.
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off

SET client_min_messages = warning;
SET timezone = 'UTC';

CREATE FUNCTION pg_temp.pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;

CREATE FUNCTION pg_temp.zone() RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT pg_temp.pick('Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'America/Sao_Paulo', 'Asia/Beirut', 'America/Havana',
	'Africa/Casablanca', 'Pacific/Apia', 'America/Moncton', 'America/St_Johns', 'Antarctica/Troll', 'Africa/Monrovia', 'UTC', 'XYZ-3:17:05ABC-8:00:01,M3.4.0/0,M10.1.3/23:59:59') $$;

-- The clock of a zone from a time to another: the pieces in which it runs on, each with the local time at its beginning.
CREATE FUNCTION pg_temp.pieces(zone text, a timestamptz, b timestamptz)
RETURNS TABLE (begins timestamptz, ends timestamptz, "offset" interval) LANGUAGE plpgsql AS $$
DECLARE
	low timestamptz;
	high timestamptz;
	middle timestamptz;
BEGIN
	begins := a;
	"offset" := (a AT TIME ZONE zone) - (a AT TIME ZONE 'UTC');
	low := a;
	WHILE low < b LOOP
		high := least(low + interval '6 hours', b);
		IF (high AT TIME ZONE zone) - (high AT TIME ZONE 'UTC') <> "offset" THEN
			-- Changes are at whole seconds.
			WHILE high - low > interval '1 second' LOOP
				middle := date_trunc('second', low + (high - low) / 2);
				IF (middle AT TIME ZONE zone) - (middle AT TIME ZONE 'UTC') <> "offset" THEN high := middle; ELSE low := middle; END IF;
			END LOOP;
			ends := high;
			RETURN NEXT;
			begins := high;
			"offset" := (high AT TIME ZONE zone) - (high AT TIME ZONE 'UTC');
		END IF;
		low := high;
	END LOOP;
	ends := b;
	RETURN NEXT;
END
$$;

-- All beginnings of buckets from some time to another, by the definition.
CREATE FUNCTION pg_temp.beginnings(width interval, zone text, a timestamptz, b timestamptz) RETURNS SETOF timestamptz LANGUAGE sql AS $$
	WITH piece AS (
		SELECT begins, ends, "offset", lag("offset") OVER (ORDER BY begins) AS "before", (begins AT TIME ZONE 'UTC') AS utc
		FROM pg_temp.pieces(zone, date_trunc('second', a), date_trunc('second', b))
	), multiple AS (
		SELECT origin + n * width AS shown
		FROM (SELECT extract(year FROM width) * 12 + extract(month FROM width) AS months) AS m,
			LATERAL (SELECT CASE months WHEN 0 THEN timestamp '2000-01-03' ELSE timestamp '2000-01-01' END AS origin,
				CASE months WHEN 0 THEN extract(epoch FROM width) ELSE months * 86400 * 365.2425 / 12 END AS seconds) AS o,
			generate_series(
				floor(extract(epoch FROM (a AT TIME ZONE 'UTC') - origin) / seconds)::int - 2,
				ceil(extract(epoch FROM (b AT TIME ZONE 'UTC') - origin) / seconds)::int + 2) AS n
	), instant AS (
		-- What the clock shows, and what it skips.
		SELECT shown, (shown - "offset") AT TIME ZONE 'UTC' AS at
		FROM multiple, piece WHERE shown - "offset" >= utc AND shown - "offset" < (ends AT TIME ZONE 'UTC')
		UNION ALL
		SELECT shown, begins FROM multiple, piece WHERE "before" < "offset" AND shown >= utc + "before" AND shown < utc + "offset"
	)
	SELECT DISTINCT at FROM (SELECT at, row_number() OVER (PARTITION BY shown ORDER BY at) AS i FROM instant) AS i
	WHERE i = 1 OR width <= interval '1 hour'
	ORDER BY at
$$;

-- A stretch of a clock: mostly around a change of it.
CREATE FUNCTION pg_temp.start(zone text) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
	year timestamptz := make_timestamptz(1960 + floor(random() * 110)::int, 1, 1, 0, 0, 0, 'UTC');
	at timestamptz;
BEGIN
	SELECT begins INTO at FROM pg_temp.pieces(zone, year, year + interval '1 year') WHERE begins > year ORDER BY random() LIMIT 1;
	RETURN coalesce(at, year + random() * interval '1 year');
END
$$;

-- What is wrong with buckets of a width around a time, if anything.
CREATE FUNCTION pg_temp.wrong_bucket(width interval, zone text, at timestamptz) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	span interval := greatest(3 * width, interval '3 days');
	a timestamptz := at - span;
	b timestamptz := at + span;
	wanted timestamptz[] := ARRAY(SELECT pg_temp.beginnings(width, zone, a - width - interval '3 days', b + interval '3 days'));
	found timestamptz[];
	result text;
BEGIN
	-- All times of a few bounds, and of chance, in random order: what is remembered of the one before must not matter.
	SELECT format('%s is in %s, not in %s', t, telemetry.time_bucket(width, t, zone), bucket) INTO result
	FROM (
		SELECT t, telemetry.time_bucket(width, t, zone) AS got, (SELECT max(w) FROM unnest(wanted) AS w WHERE w <= t) AS bucket
		FROM (
			SELECT t FROM (
				SELECT a + random() * (b - a) FROM generate_series(1, 30)
				UNION ALL SELECT at + (random() - 0.5) * interval '5 hours' FROM generate_series(1, 30)
				UNION ALL SELECT w + d FROM unnest(wanted) AS w, unnest('{-1us,0,1us}'::interval[]) AS d WHERE random() < 0.2
				UNION ALL SELECT at + d FROM unnest('{-1us,0,1us}'::interval[]) AS d) AS t (t)
			WHERE t >= a AND t < b
			ORDER BY random()) AS t) AS q
	WHERE got IS DISTINCT FROM bucket LIMIT 1;
	IF result IS NOT NULL THEN
		RETURN result;
	END IF;
	found := ARRAY(SELECT telemetry.gapfill(width, a, b, zone));
	wanted := ARRAY(SELECT w FROM unnest(wanted) AS w
		WHERE w >= (SELECT max(f) FROM unnest(wanted) AS f WHERE f <= a) AND w < b ORDER BY w);
	IF found <> wanted THEN
		RETURN format('gapfill from %s to %s has %s, not %s', a, b,
			ARRAY(SELECT unnest(found) EXCEPT SELECT unnest(wanted)), ARRAY(SELECT unnest(wanted) EXCEPT SELECT unnest(found)));
	END IF;
	RETURN NULL;
END
$$;

CREATE FUNCTION pg_temp.round_of_buckets(seed int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	zone text;
	width interval;
	wrong text;
BEGIN
	PERFORM setseed(seed / 1000.0);
	FOR i IN 1 .. 4 LOOP
		zone := pg_temp.zone();
		width := pg_temp.pick('7 min', '10 min', '15 min', '30 min', '1 hour', '90 min', '2 hours', '5 hours', '12 hours', '1 day', '1 day', '25 hours', '2 days', '7 days',
			'30 days', '1 month', '1 month', '3 months', '5 months', '1 year');
		wrong := pg_temp.wrong_bucket(width, zone, pg_temp.start(zone));
		IF wrong IS NOT NULL THEN
			RETURN format('%s, %s: %s', width, zone, wrong);
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;

-- Rules of zones as people may write them: changes around the turn of the year, leaps of up to two weeks.
CREATE FUNCTION pg_temp.rule() RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT pg_temp.pick('J1', 'J59', 'J60', 'J365', '0', '1', '59', '364', '365', 'M1.1.0', 'M3.5.0', 'M6.3.4', 'M12.5.0', 'M12.5.6') || '/' || pg_temp.pick('-167', '-24', '-1', '0', '2', '23', '24', '167') $$;
CREATE FUNCTION pg_temp.posix_zone() RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT format('<A>%s<B>%s,%s,%s', floor(random() * 335 - 167), floor(random() * 335 - 167), pg_temp.rule(), pg_temp.rule()) $$;

-- What must hold whatever a clock does, in any century: buckets are a partition of the line of times, and gapfill() gives them all. Zones repeat themselves
-- after 400 years, which is where the years end that PostgreSQL has computed.
CREATE FUNCTION pg_temp.wrong_partition(width interval, zone text, a timestamptz, b timestamptz) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found CONSTANT timestamptz[] := ARRAY(SELECT telemetry.gapfill(width, a, b, zone) LIMIT 20000);
	result text;
BEGIN
	SELECT format('%s after %s is no bucket of its own', f, before) INTO result
	FROM (SELECT f, lag(f) OVER (ORDER BY i) AS before FROM unnest(found) WITH ORDINALITY AS f (f, i)) AS f
	WHERE f <= before OR telemetry.time_bucket(width, f, zone) <> f OR telemetry.time_bucket(width, f - interval '1 us', zone) <> before
	LIMIT 1;
	IF result IS NOT NULL THEN
		RETURN result;
	END IF;
	-- In random order: what is remembered of the one before must not matter.
	SELECT format('%s is in %s', t, got) INTO result
	FROM (SELECT t, telemetry.time_bucket(width, t, zone) AS got FROM (SELECT a + random() * (b - a) AS t FROM generate_series(1, 200) ORDER BY 1) AS t ORDER BY random()) AS q
	WHERE got <> found[width_bucket(t, found)]
	LIMIT 1;
	RETURN result;
END
$$;

CREATE FUNCTION pg_temp.round_of_centuries(seed int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	zone text;
	width interval;
	at timestamptz;
	wrong text;
BEGIN
	PERFORM setseed(seed / 1000.0);
	FOR i IN 1 .. 8 LOOP
		zone := CASE WHEN random() < 0.3 THEN pg_temp.zone() ELSE pg_temp.posix_zone() END;
		width := pg_temp.pick('30 min', '1 hour', '90 min', '12 hours', '1 day', '25 hours', '7 days', '13 days', '91 days', '366 days', '1 month', '7 months', '1 year');
		at := make_timestamptz(pg_temp.pick('1600', '1900', '2025', '2370', '2400', '2770', '3170', '4370', '9970')::int + pg_temp.pick('0', '0', '0', '1', '-3')::int, 1, 1, 0, 0, 0, 'UTC')
			+ (random() - 0.5) * interval '30 days';
		wrong := pg_temp.wrong_partition(width, zone, at - least(200 * width, interval '3 years'), at + least(200 * width, interval '3 years'));
		IF wrong IS NOT NULL THEN
			RETURN format('%s, %s, %s: %s', width, zone, at, wrong);
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;

SELECT * FROM no_plan();

SELECT format('SELECT is(pg_temp.round_of_buckets(%s), NULL, %L)', i, format('round %s: buckets are those of the definition', i))
FROM generate_series(1, 60) AS i
\gexec

SELECT format('SELECT is(pg_temp.round_of_centuries(%s), NULL, %L)', i, format('round %s: buckets are a partition in any zone and century', i))
FROM generate_series(1, 60) AS i
\gexec
SELECT results_eq($$SELECT count(*), count(DISTINCT g) FROM (SELECT telemetry.gapfill('7 months', '2026-10-25', '6026-01-01', '<A>0<B>-167,1/0,364/0') AS g LIMIT 10000) AS g$$,
	'VALUES (6857::bigint, 6857::bigint)', 'gapfill comes to its end where a zone repeats itself');

-- Where others say the same.
SELECT setseed(0.25);
CREATE TEMP TABLE some_time AS SELECT '1950-01-01 UTC'::timestamptz + random() * interval '100 years' AS ts FROM generate_series(1, 5000);
SELECT is_empty(format($$SELECT ts FROM some_time WHERE telemetry.time_bucket(%1$L, ts) <> date_bin(%1$L, ts, '2000-01-03 UTC')
	OR telemetry.time_bucket(%1$L, ts, 'UTC') <> telemetry.time_bucket(%1$L, ts)
	OR telemetry.time_bucket(%1$L, ts AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' <> telemetry.time_bucket(%1$L, ts)$$, w), 'time_bucket is date_bin: ' || w)
FROM unnest('{1us,7us,1s,1min,13min,1h,7h,1d,7d,400d}'::text[]) AS w;
SELECT is_empty(format($$SELECT ts FROM some_time WHERE telemetry.time_bucket(('1 ' || %1$L)::interval, ts) <> date_trunc(%1$L, ts, 'UTC')
	OR telemetry.time_bucket(('1 ' || %1$L)::interval, ts, 'UTC') <> date_trunc(%1$L, ts, 'UTC')$$, u), 'time_bucket is date_trunc: ' || u)
FROM unnest('{second,minute,hour,day,week,month,year,decade}'::text[]) AS u;
SELECT is_empty($$SELECT ts FROM some_time WHERE telemetry.time_bucket('3 months', ts) <> date_trunc('quarter', ts, 'UTC')$$, 'time_bucket is date_trunc: quarter');
SELECT is_empty(format($$SELECT ts FROM some_time WHERE telemetry.time_bucket(%L, (ts AT TIME ZONE 'UTC')::date) <> telemetry.time_bucket(%1$L, ts AT TIME ZONE 'UTC')::date$$, w),
	'buckets of dates are those of times: ' || w)
FROM unnest('{1d,7d,1000d,1mon,7mon,1y}'::text[]) AS w;
-- Where clocks change at night, days and what is longer are those of date_trunc.
SELECT is_empty(format($$SELECT ts FROM some_time WHERE telemetry.time_bucket(('1 ' || %1$L)::interval, ts, %2$L) <> date_trunc(%1$L, ts, %2$L)$$, u, z),
	format('time_bucket is date_trunc: %s in %s', u, z))
FROM unnest('{day,week,month,year}'::text[]) AS u, unnest('{Europe/Berlin,America/New_York,Australia/Lord_Howe,Asia/Kathmandu}'::text[]) AS z;

-- And of hours and days of rollups, in all zones whose clocks change by whole hours.
CREATE FUNCTION pg_temp.days_of(zone text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM telemetry.set_day_timezone(zone);
	RETURN (SELECT format('%s: %s, %s', ts, telemetry.hour_of(ts), telemetry.day_of(ts)) FROM (
			SELECT ts FROM some_time
			UNION ALL SELECT begins + (random() - 0.5) * interval '4 hours'
			FROM pg_temp.pieces(zone, '1990-01-01 UTC', '2040-01-01 UTC'), generate_series(1, 20)) AS t
		WHERE ts >= '1975-01-01 UTC' AND (telemetry.time_bucket('1 hour', ts, zone) <> telemetry.hour_of(ts)
			OR (telemetry.time_bucket('1 day', ts, zone) AT TIME ZONE zone)::date <> telemetry.day_of(ts)) LIMIT 1);
END
$$;
BEGIN;
TRUNCATE telemetry.block, telemetry.dead_letter;
SELECT is(pg_temp.days_of(z), NULL, 'buckets are the hours and days of rollups in ' || z)
FROM unnest('{Europe/Berlin,America/New_York,America/Sao_Paulo,Asia/Beirut,America/Havana,Africa/Casablanca,Asia/Tokyo,UTC}'::text[]) AS z;
ROLLBACK;

-- Windows and aggregates. Partitions of rows, some of one time, some with nulls; counters that begin again.
CREATE TEMP TABLE reading (series int, i int, ts timestamptz, value float8);
CREATE FUNCTION pg_temp.fill_readings() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	nulls float8 := random();
	repeats float8 := pg_temp.pick('0', '0', '0.3')::float8;
BEGIN
	TRUNCATE reading;
	-- In no order.
	INSERT INTO reading SELECT s, i, '2024-03-31 UTC'::timestamptz + (CASE WHEN random() < repeats THEN i - 1 ELSE i END * interval '7.000001 s'), round((random() * 100)::numeric, 1)
	FROM generate_series(1, 4) AS s, LATERAL generate_series(1, (60 * random() * (s - 1))::int) AS i ORDER BY random();
	UPDATE reading SET value = i * 3 % 40 WHERE series = 3;
	UPDATE reading SET value = NULL WHERE random() < nulls AND series <> 4;
END
$$;

CREATE FUNCTION pg_temp.wrong_window() RETURNS text LANGUAGE sql AS $$
	WITH r AS (
		SELECT *, telemetry.locf(value) OVER w AS locf, telemetry.locf(value::text) OVER w AS locf_text, telemetry.interpolate(value, ts) OVER w AS interpolated,
			telemetry.interpolate(value, ts) OVER (PARTITION BY series ORDER BY ts DESC, i DESC) AS backwards
		FROM reading WINDOW w AS (PARTITION BY series ORDER BY ts, i)
	)
	SELECT format('%s, known %s and %s', r, before, after)
	FROM r
	LEFT JOIN LATERAL (SELECT b.ts, b.value FROM reading AS b WHERE b.series = r.series AND (b.ts, b.i) <= (r.ts, r.i) AND b.value IS NOT NULL ORDER BY b.ts DESC, b.i DESC LIMIT 1) AS before ON true
	LEFT JOIN LATERAL (SELECT a.ts, a.value FROM reading AS a WHERE a.series = r.series AND (a.ts, a.i) >= (r.ts, r.i) AND a.value IS NOT NULL ORDER BY a.ts, a.i LIMIT 1) AS after ON true
	CROSS JOIN LATERAL (SELECT CASE WHEN r.value IS NOT NULL OR before.ts = after.ts THEN before.value
		ELSE before.value + (after.value - before.value) * extract(epoch FROM r.ts - before.ts)::float8 / extract(epoch FROM after.ts - before.ts)::float8 END AS line) AS l
	WHERE r.locf IS DISTINCT FROM before.value OR r.locf_text IS DISTINCT FROM before.value::text
		OR (r.interpolated IS NULL) <> (line IS NULL) OR abs(r.interpolated - line) > 1e-9
		OR (r.backwards IS NULL) <> (line IS NULL) OR before.ts <> after.ts AND abs(r.backwards - line) > 1e-9
	LIMIT 1
$$;

CREATE FUNCTION pg_temp.wrong_counter() RETURNS text LANGUAGE sql AS $$
	WITH step AS (
		SELECT *, lag(value) OVER w AS before, first_value(value) OVER w AS first, first_value(ts) OVER w AS first_ts, last_value(value) OVER w AS last, last_value(ts) OVER w AS last_ts
		FROM reading WHERE value IS NOT NULL
		WINDOW w AS (PARTITION BY series ORDER BY ts, value ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
	), naive AS (
		SELECT series, coalesce(sum(CASE WHEN value < before THEN value ELSE value - before END), 0) AS delta, min(last) - min(first) AS gauge,
			extract(epoch FROM min(last_ts) - min(first_ts))::float8 AS seconds
		FROM step GROUP BY series
	), got AS (
		SELECT series, telemetry.delta(ts, value) AS delta, telemetry.rate(ts, value) AS rate, telemetry.gauge_delta(ts, value) AS gauge,
			telemetry.first(value, ts ORDER BY value) AS first, telemetry.last(value, ts ORDER BY value) AS last
		FROM reading GROUP BY series
	)
	SELECT format('%s, not %s', got, naive)
	FROM got LEFT JOIN naive USING (series) LEFT JOIN (SELECT DISTINCT series, first, last FROM step) AS s USING (series)
	WHERE (got.delta IS NULL) <> (naive.delta IS NULL) OR abs(got.delta - naive.delta) > 1e-9 OR got.gauge IS DISTINCT FROM naive.gauge
		OR (got.rate IS NULL) <> (naive.delta / nullif(seconds, 0) IS NULL) OR abs(got.rate - naive.delta / nullif(seconds, 0)) > 1e-9
		OR got.first IS DISTINCT FROM s.first OR got.last IS DISTINCT FROM s.last
	LIMIT 1
$$;

-- Means of the pieces between each point and the next, cut at the ends.
CREATE FUNCTION pg_temp.wrong_average(a timestamptz, b timestamptz) RETURNS text LANGUAGE sql AS $$
	WITH segment AS (
		SELECT series, ts, value, lead(ts) OVER w AS next_ts, lead(value) OVER w AS next_value, count(*) OVER (PARTITION BY series) AS n
		FROM reading WHERE value IS NOT NULL WINDOW w AS (PARTITION BY series ORDER BY ts, value)
	), piece AS (
		SELECT series, value, next_value, ts, next_ts, greatest(ts, a) AS linear_from, least(next_ts, b) AS linear_to,
			greatest(ts, a) AS locf_from, least(coalesce(next_ts, coalesce(b, greatest(ts, a))), b) AS locf_to
		FROM segment
	), weighed AS (
		SELECT series,
			(sum(extract(epoch FROM linear_to - linear_from)::float8 * (value + (next_value - value)
					* extract(epoch FROM (linear_from - ts) + (linear_to - ts))::float8 / 2 / nullif(extract(epoch FROM next_ts - ts)::float8, 0))) FILTER (WHERE next_ts IS NOT NULL AND linear_to > linear_from)
				/ sum(extract(epoch FROM linear_to - linear_from)::float8) FILTER (WHERE next_ts IS NOT NULL AND linear_to > linear_from)) AS linear,
			(sum(extract(epoch FROM locf_to - locf_from)::float8 * value) FILTER (WHERE locf_to > locf_from)
				/ sum(extract(epoch FROM locf_to - locf_from)::float8) FILTER (WHERE locf_to > locf_from)) AS locf
		FROM piece GROUP BY series
	), got AS (
		SELECT series, telemetry.time_weighted_average(ts, value, 'linear', a, b) AS linear, telemetry.time_weighted_average(ts, value, 'locf', a, b) AS locf,
			telemetry.time_weighted_average(ts, value) AS plain, telemetry.time_weighted_average(ts, value, 'locf') AS plain_locf, count(DISTINCT ts) FILTER (WHERE value IS NOT NULL) AS n
		FROM reading GROUP BY series
	)
	SELECT format('from %s to %s: %s, not %s', a, b, got, weighed)
	FROM got LEFT JOIN weighed USING (series)
	-- Where nothing has lasted there may be an answer all the same: the examples have those.
	WHERE weighed.linear IS NOT NULL AND got.linear IS NULL OR abs(got.linear - weighed.linear) > 1e-9 OR weighed.locf IS NOT NULL AND got.locf IS NULL OR abs(got.locf - weighed.locf) > 1e-9
		OR a IS NULL AND b IS NULL AND (got.plain IS DISTINCT FROM got.linear OR got.plain_locf IS DISTINCT FROM got.locf OR (got.plain IS NULL) <> (got.n = 0))
	LIMIT 1
$$;

CREATE FUNCTION pg_temp.some_end() RETURNS timestamptz LANGUAGE sql VOLATILE AS
$$ SELECT CASE WHEN random() < 0.8 THEN '2024-03-31 UTC'::timestamptz + floor(random() * 600 - 50) * interval '1 s' END $$;
CREATE FUNCTION pg_temp.round_of_readings(seed int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	wrong text;
BEGIN
	PERFORM setseed(seed / 1000.0);
	FOR i IN 1 .. 5 LOOP
		PERFORM pg_temp.fill_readings();
		wrong := coalesce(pg_temp.wrong_window(), pg_temp.wrong_counter(), pg_temp.wrong_average(NULL, NULL), pg_temp.wrong_average(pg_temp.some_end(), pg_temp.some_end()));
		IF wrong IS NOT NULL THEN
			RETURN wrong;
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;
SELECT format('SELECT is(pg_temp.round_of_readings(%s), NULL, %L)', i, format('round %s: windows and aggregates are those of a naive computation', i))
FROM generate_series(1, 30) AS i
\gexec

SELECT * FROM finish();
