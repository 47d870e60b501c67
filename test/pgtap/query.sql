-- telemetry.query() against aggregates in plain SQL over telemetry.point: random points, late, again, with tags and of every kind,
-- rolled up and merged between; random queries, those that rollups answer and those that points do; page by page.
-- Each round is a transaction with a seed of its own, so the whole run is the same every time.
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off

SET client_min_messages = warning;
SET timezone = 'UTC';
SET jit = off;
TRUNCATE telemetry.block, telemetry.drop_log;
DELETE FROM telemetry.retention;

CREATE FUNCTION pg_temp.any_of(VARIADIC texts text[]) RETURNS text LANGUAGE sql VOLATILE AS
	$$ SELECT texts[1 + floor(random() * cardinality(texts))::integer] $$;
-- Two weeks around the changes of clocks of New York, more of them late.
CREATE FUNCTION pg_temp.some_ts() RETURNS timestamptz LANGUAGE sql VOLATILE AS
	$$ SELECT '2024-11-09'::timestamptz - floor(random() ^ 2 * 14 * 1440) * interval '1 minute' $$;

CREATE FUNCTION pg_temp.step() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	CASE floor(random() * 9)::integer
		WHEN 0, 1, 2, 3, 4 THEN
			PERFORM set_config('telemetry.mixed_block_points', pg_temp.any_of('0', '16384'), true);
			INSERT INTO telemetry.point (ts, device_id, metric, value, unit, tags)
			SELECT pg_temp.some_ts(), pg_temp.any_of('d0', 'd1', 'd2'), m.metric,
				CASE WHEN m.metric = 'a' OR random() < 0.8 THEN round((random() * 1000)::numeric, 1)::telemetry.value ELSE pg_temp.any_of('true', '"open"', '-5', '0')::telemetry.value END,
				pg_temp.any_of('V', NULL), pg_temp.any_of('{"k": 1}', '{"k": 1, "l": 2}', '{"k": 2}', NULL)::jsonb
			FROM (SELECT pg_temp.any_of('a', 'b') AS metric FROM generate_series(1, (50 + random() * 300)::integer)) AS m;
		WHEN 5, 6 THEN PERFORM telemetry.job_roll_up();
		WHEN 7 THEN PERFORM telemetry.compact_step(true);
		ELSE PERFORM telemetry.delete_points(pg_temp.any_of('d0', 'd1', 'd2'), pg_temp.any_of('a', 'b', NULL), pg_temp.some_ts(), pg_temp.some_ts());
	END CASE;
END
$$;

CREATE TYPE pg_temp.request AS (metrics text[], start_time timestamptz, end_time timestamptz, devices text[], aggregation text, bucket interval,
	filters jsonb, fill text, zone text, group_devices boolean);

CREATE FUNCTION pg_temp.some_request() RETURNS pg_temp.request LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	r pg_temp.request;
BEGIN
	r.metrics := pg_temp.any_of('{a}', '{a,b}', '{b,a,absent}')::text[];
	r.devices := pg_temp.any_of(NULL, '{d0}', '{d2,d1}', '{d0,absent,d1}')::text[];
	r.start_time := pg_temp.some_ts() - pg_temp.any_of('0', '1 day', '33.5 s')::interval;
	r.end_time := r.start_time + pg_temp.any_of('90 minutes', '1 day', '2 days 3:21:07', '12 days', '1 month')::interval;
	IF random() < 0.3 THEN
		r.start_time := date_trunc('hour', r.start_time);
		r.end_time := date_trunc('day', r.end_time) + interval '1 day';
	END IF;
	r.aggregation := pg_temp.any_of('avg', 'min', 'max', 'sum', 'count', 'median', 'p95', 'p99', 'first', 'last', 'stddev', 'rate', 'delta', NULL);
	r.bucket := CASE WHEN r.aggregation IS NOT NULL THEN pg_temp.any_of('1 hour', '1 hour', '1 day', '1 day', '2 days', '6 hours', '7 min', '90 min', '1 month', '1 week', NULL)::interval END;
	r.filters := CASE WHEN random() < 0.2 THEN pg_temp.any_of('{"k": 1}', '{}')::jsonb END;
	r.zone := pg_temp.any_of('UTC', 'America/New_York', 'Asia/Kolkata');
	r.fill := CASE WHEN r.aggregation IS NULL OR r.bucket IS NULL OR r.bucket < '30 min' OR random() < 0.6 THEN 'none' ELSE pg_temp.any_of('null', 'previous', 'linear') END;
	r.group_devices := r.aggregation IS NOT NULL AND random() < 0.3;
	-- Of several devices, the ends of an hour are those of its points, and a has none but numbers.
	IF r.group_devices AND r.aggregation IN ('first', 'last') THEN
		r.metrics := '{a}';
	END IF;
	RETURN r;
END
$$;

CREATE TYPE pg_temp.answer AS (device_id text, metric text, ts timestamptz, num float8, n bigint);

CREATE FUNCTION pg_temp.naive_rows(r pg_temp.request) RETURNS SETOF pg_temp.answer LANGUAGE plpgsql AS $$
DECLARE
	width interval := CASE WHEN r.aggregation IS NOT NULL THEN telemetry.query_bucket(r.metrics, r.start_time, r.end_time, r.bucket) END;
BEGIN
	RETURN QUERY
	WITH points AS (
		SELECT p.*, p.num - lag(p.num) OVER (PARTITION BY p.device_id, p.metric, p.num IS NOT NULL ORDER BY p.ts) AS change,
			extract(epoch FROM p.ts - lag(p.ts) OVER (PARTITION BY p.device_id, p.metric, p.num IS NOT NULL ORDER BY p.ts))::float8 AS seconds,
			CASE WHEN NOT r.group_devices THEN p.device_id END AS device,
			CASE WHEN r.aggregation IS NULL THEN p.ts ELSE telemetry.time_bucket(width, p.ts, r.zone) END AS bucket
		FROM telemetry.point AS p
		WHERE p.metric = ANY (r.metrics) AND (r.devices IS NULL OR p.device_id = ANY (r.devices)) AND p.ts >= r.start_time AND p.ts < r.end_time
			AND (nullif(r.filters, '{}') IS NULL OR p.tags @> r.filters)
			AND (p.num IS NOT NULL OR coalesce(r.aggregation, '') NOT IN ('rate', 'delta'))
	)
	SELECT p.device, p.metric::text, p.bucket,
		CASE coalesce(r.aggregation, 'min')
			WHEN 'avg' THEN avg(p.num) WHEN 'min' THEN min(p.num) WHEN 'max' THEN max(p.num) WHEN 'sum' THEN sum(p.num) WHEN 'count' THEN count(*)
			WHEN 'first' THEN (array_agg(p.num ORDER BY p.ts, p.device_id) FILTER (WHERE p.num IS NOT NULL))[1]
			WHEN 'last' THEN (array_agg(p.num ORDER BY p.ts DESC, p.device_id DESC) FILTER (WHERE p.num IS NOT NULL))[1]
			WHEN 'stddev' THEN stddev_samp(p.num)
			WHEN 'delta' THEN sum(CASE WHEN p.change >= 0 THEN p.change WHEN p.change < 0 THEN p.num END)
			WHEN 'rate' THEN sum(CASE WHEN p.change >= 0 THEN p.change WHEN p.change < 0 THEN p.num END) / sum(p.seconds)
			ELSE least(greatest(telemetry.quantile(telemetry.sketch(p.num), CASE r.aggregation WHEN 'median' THEN 0.5 WHEN 'p95' THEN 0.95 ELSE 0.99 END),
				min(p.num)), max(p.num))
		END, count(*)
	FROM points AS p
	GROUP BY p.device, p.metric, p.bucket;
END
$$;

-- With buckets that have no numbers, one after the other.
CREATE FUNCTION pg_temp.naive(r pg_temp.request) RETURNS SETOF pg_temp.answer LANGUAGE plpgsql AS $$
DECLARE
	found pg_temp.answer[] := ARRAY(SELECT a FROM pg_temp.naive_rows(r) AS a);
	series record;
	answer pg_temp.answer;
	bucket timestamptz;
	before pg_temp.answer;
	after pg_temp.answer;
BEGIN
	IF r.fill = 'none' THEN
		RETURN QUERY SELECT f.* FROM unnest(found) AS f;
		RETURN;
	END IF;
	FOR series IN
		SELECT f.device_id, f.metric FROM unnest(found) AS f
		UNION SELECT d, m FROM unnest(r.devices) AS d, unnest(r.metrics) AS m WHERE NOT r.group_devices
		UNION SELECT NULL, m FROM unnest(r.metrics) AS m WHERE r.group_devices
	LOOP
		FOR bucket IN SELECT g FROM telemetry.gapfill(telemetry.query_bucket(r.metrics, r.start_time, r.end_time, r.bucket), r.start_time, r.end_time, r.zone) AS g LOOP
			SELECT f.* INTO answer FROM unnest(found) AS f
			WHERE f.device_id IS NOT DISTINCT FROM series.device_id AND f.metric = series.metric AND f.ts = bucket;
			answer := (series.device_id, series.metric, bucket, answer.num, coalesce(answer.n, 0));
			IF answer.num IS NULL THEN
				SELECT f.* INTO before FROM unnest(found) AS f
				WHERE f.device_id IS NOT DISTINCT FROM series.device_id AND f.metric = series.metric AND f.ts < bucket AND f.num IS NOT NULL ORDER BY f.ts DESC LIMIT 1;
				SELECT f.* INTO after FROM unnest(found) AS f
				WHERE f.device_id IS NOT DISTINCT FROM series.device_id AND f.metric = series.metric AND f.ts > bucket AND f.num IS NOT NULL ORDER BY f.ts LIMIT 1;
				answer.num := CASE r.fill WHEN 'previous' THEN before.num WHEN 'linear' THEN before.num + (after.num - before.num)
					* extract(epoch FROM bucket - before.ts)::float8 / extract(epoch FROM after.ts - before.ts)::float8 END;
			END IF;
			RETURN NEXT answer;
		END LOOP;
	END LOOP;
END
$$;

-- All pages of a query, in their order.
CREATE FUNCTION pg_temp.pages(r pg_temp.request, page integer) RETURNS SETOF pg_temp.answer LANGUAGE plpgsql AS $$
DECLARE
	row telemetry.query_row;
	cursor text;
	got integer;
BEGIN
	LOOP
		got := 0;
		FOR row IN SELECT * FROM telemetry.query(r.metrics, r.start_time, r.end_time, r.devices, r.aggregation, r.bucket, r.filters, r.fill, r.zone, page, cursor, r.group_devices) LOOP
			got := got + 1;
			RETURN NEXT (row.device_id, row.metric, row.ts, row.num, row.n)::pg_temp.answer;
		END LOOP;
		EXIT WHEN got < page;
		cursor := telemetry.query_cursor(row.device_id, row.metric, row.ts);
	END LOOP;
END
$$;

CREATE FUNCTION pg_temp.differs(a float8, b float8) RETURNS boolean LANGUAGE sql AS
	$$ SELECT (a IS NULL) <> (b IS NULL) OR abs(a - b) > 1e-9 * greatest(abs(a), abs(b), 1) $$;

CREATE TEMP TABLE seen (what text PRIMARY KEY, rows bigint NOT NULL);

CREATE FUNCTION pg_temp.round(seed integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r pg_temp.request;
	problem text;
	page integer;
	n bigint;
BEGIN
	PERFORM setseed(seed / 1000.0);
	FOR i IN 0 .. floor(random() * 3)::integer LOOP
		PERFORM pg_temp.step();
	END LOOP;
	FOR i IN 1 .. 8 LOOP
		r := pg_temp.some_request();
		page := pg_temp.any_of('7', '100', '1000', '10000');
		CREATE TEMP TABLE found ON COMMIT DROP AS SELECT p.*, row_number() OVER () AS at FROM pg_temp.pages(r, page) AS p;
		CREATE TEMP TABLE wanted ON COMMIT DROP AS
			SELECT w.*, row_number() OVER (ORDER BY w.device_id COLLATE "C", w.metric COLLATE "C", w.ts) AS at FROM pg_temp.naive(r) AS w;
		SELECT format('%s, pages of %s: row %s is %s instead of %s', r, page, coalesce(f.at, w.at), f, w) INTO problem
		FROM found AS f
		FULL JOIN wanted AS w ON w.at = f.at
		WHERE (f.device_id, f.metric, f.ts, f.n) IS DISTINCT FROM (w.device_id, w.metric, w.ts, w.n) OR pg_temp.differs(f.num, w.num)
		ORDER BY coalesce(f.at, w.at)
		LIMIT 1;
		SELECT count(*) INTO n FROM found;
		INSERT INTO seen VALUES (coalesce(r.aggregation, 'points') || ' ' || r.fill, n) ON CONFLICT (what) DO UPDATE SET rows = seen.rows + n;
		DROP TABLE found, wanted;
		IF problem IS NOT NULL THEN
			RETURN problem;
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;

SELECT no_plan();
SELECT telemetry.set_day_timezone('UTC') \g /dev/null
SELECT format('SELECT is(pg_temp.round(%s), NULL, %L)', i, format('round %s, days of UTC', i)) FROM generate_series(1, 14) AS i \gexec
SELECT telemetry.set_day_timezone('America/New_York') \g /dev/null
SELECT format('SELECT is(pg_temp.round(%s), NULL, %L)', i, format('round %s, days of New York', i)) FROM generate_series(15, 28) AS i \gexec
-- Hours that begin at half past are hours of no other zone.
TRUNCATE telemetry.block;
SELECT telemetry.set_day_timezone('Asia/Kolkata') \g /dev/null
SELECT format('SELECT is(pg_temp.round(%s), NULL, %L)', i, format('round %s, days of Kolkata', i)) FROM generate_series(29, 40) AS i \gexec
SELECT is((SELECT string_agg(what, ', ') FROM seen WHERE rows = 0 AND what !~ ' (null|previous|linear)$'), NULL, 'every aggregate was compared');
SELECT * FROM finish();
TRUNCATE telemetry.block;
SELECT telemetry.set_day_timezone('UTC') \g /dev/null
