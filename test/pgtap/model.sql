-- telemetry.point against a model: whatever is ingested, repeated, replaced, rejected, rolled back
-- and deleted, it reads like a plain table with the primary key (device_id, metric, ts).
-- Each round is a transaction with a seed of its own, so the whole run is the same every time.
\set QUIET 1
\pset format unaligned
\pset fieldsep '\n'
\pset tuples_only true
\pset pager off

SET client_min_messages = warning;
SET timezone = 'UTC';
TRUNCATE telemetry.block, telemetry.dead_letter;

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

-- "at" is the row's place in the statement; bad rows are to be rejected.
CREATE TEMP TABLE batch (
	at serial,
	ts timestamptz,
	device_id text,
	metric text,
	value telemetry.value,
	unit text,
	tags jsonb,
	metadata jsonb,
	bad boolean NOT NULL DEFAULT false
);

CREATE FUNCTION pg_temp.pick(VARIADIC choices anyarray) RETURNS anyelement
LANGUAGE sql VOLATILE AS
$$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;
CREATE FUNCTION pg_temp.pick_text(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT pg_temp.pick(VARIADIC choices) $$;

-- Each metric has its kind of value, "any" has all of them.
CREATE FUNCTION pg_temp.some_value(metric text) RETURNS telemetry.value
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	r float8 := random();
BEGIN
	IF metric = 'any' THEN
		metric := pg_temp.pick_text('decimal', 'integer', 'float', 'special', 'state', 'open', 'document', 'place', 'raw');
	END IF;
	CASE metric
		WHEN 'decimal' THEN RETURN round((r * 100)::numeric, 2)::float8::telemetry.value;
		WHEN 'integer' THEN RETURN floor(r * 1e6)::float8::telemetry.value;
		WHEN 'float' THEN RETURN ((r - 0.5) * 10 ^ (random() * 40 - 20))::float8::telemetry.value;
		WHEN 'special' THEN
			RETURN pg_temp.pick(VARIADIC '{NaN,Infinity,-Infinity,-0,0,5e-324,1.7976931348623157e308}'::float8[])::telemetry.value;
		WHEN 'state' THEN
			RETURN CASE WHEN r < 0.7 THEN pg_temp.pick_text('open', 'closed', '', 'Grüße "quoted"')
				ELSE repeat(md5(r::text), 1 + floor(r * 20)::int) END::telemetry.value;
		WHEN 'open' THEN RETURN (r < 0.5)::telemetry.value;
		WHEN 'document' THEN RETURN jsonb_build_object('r', floor(r * 50), 'list', jsonb_build_array(1, null, 'x'))::telemetry.value;
		WHEN 'place' THEN RETURN jsonb_build_object('$geo', jsonb_build_array(round((r * 90)::numeric, 4), 5.25))::telemetry.value;
		WHEN 'raw' THEN RETURN decode(repeat(md5(r::text), floor(r * 4)::int), 'hex')::telemetry.value;
	END CASE;
END
$$;

CREATE FUNCTION pg_temp.some_device() RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT 'device-' || floor(random() ^ 2 * 40) $$;
CREATE FUNCTION pg_temp.some_metric() RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT pg_temp.pick_text('decimal', 'decimal', 'integer', 'float', 'special', 'state', 'open', 'document', 'place', 'raw', 'any') $$;
-- Eight days, one of them long ago, on a grid so that keys meet by chance; sometimes an edge of a day.
CREATE FUNCTION pg_temp.some_ts() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
	SELECT CASE WHEN random() < 0.1 THEN day + pg_temp.pick(interval '0', interval '24 hours -1 microsecond')
		ELSE day + floor(random() ^ 3 * 8640) * interval '10 seconds' END
	FROM (SELECT pg_temp.pick('1999-12-31', '2024-02-28', '2024-02-29', '2024-03-01', '2024-03-02',
							  '2024-03-03', '2024-03-04', '2024-03-05 UTC'::timestamptz) AS day) AS d
$$;

-- Fills batch with n rows of a shape.
CREATE FUNCTION pg_temp.make_batch(shape text, n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	a_device text := pg_temp.some_device();
	a_metric text := pg_temp.some_metric();
	a_start timestamptz := date_trunc('second', pg_temp.some_ts());
	a_step interval := pg_temp.pick(interval '1 second', interval '7 seconds', interval '1 minute', interval '0.001 seconds');
BEGIN
	TRUNCATE batch RESTART IDENTITY;
	CASE shape
		-- A long regular series, which may go on over midnight.
		WHEN 'series' THEN
			INSERT INTO batch (ts, device_id, metric, value)
			SELECT a_start + i * a_step, a_device, a_metric, pg_temp.some_value(a_metric)
			FROM generate_series(1, n) AS i;
		-- Any key, in any order.
		WHEN 'scattered' THEN
			INSERT INTO batch (ts, device_id, metric, value)
			SELECT pg_temp.some_ts(), pg_temp.some_device(), m, pg_temp.some_value(m)
			FROM (SELECT pg_temp.some_metric() AS m FROM generate_series(1, n)) AS g;
		-- Few keys again and again: the last row of each wins.
		WHEN 'repeats' THEN
			INSERT INTO batch (ts, device_id, metric, value)
			SELECT a_start + floor(random() * 5) * a_step, a_device, m, pg_temp.some_value(m)
			FROM (SELECT pg_temp.pick_text('any', 'decimal') AS m FROM generate_series(1, n)) AS g;
		-- Points that are there, with other values.
		WHEN 'overwrite' THEN
			INSERT INTO batch (ts, device_id, metric, value)
			SELECT ts, device_id, metric, pg_temp.some_value(metric)
			FROM (SELECT ts, device_id, metric FROM model ORDER BY random() LIMIT n) AS there;
		-- Points that are there, as they are: nothing may change.
		WHEN 'again' THEN
			INSERT INTO batch (ts, device_id, metric, value, unit, tags, metadata)
			SELECT ts, device_id, metric, value, unit, tags, metadata FROM model ORDER BY random() LIMIT n;
	END CASE;
	IF shape <> 'again' AND random() < 0.5 THEN
		UPDATE batch SET
			unit = CASE WHEN random() < 0.7 THEN pg_temp.pick_text('°C', 'hPa', '') END,
			tags = CASE WHEN random() < 0.3 THEN jsonb_build_object('site', floor(random() * 3)) END,
			metadata = CASE WHEN random() < 0.1 THEN jsonb_build_object('r', random(), 'o', '{}'::jsonb) END
		WHERE random() < 0.8;
	END IF;
	IF random() < 0.3 THEN
		UPDATE batch SET bad = true WHERE random() < 0.05;
		UPDATE batch b SET
			ts = CASE r WHEN 0 THEN NULL WHEN 1 THEN 'infinity' WHEN 2 THEN now() + interval '1 day' ELSE ts END,
			device_id = CASE r WHEN 3 THEN NULL WHEN 4 THEN '' WHEN 5 THEN E'tab\t' ELSE device_id END,
			metric = CASE r WHEN 6 THEN repeat('m', 129) WHEN 7 THEN NULL ELSE metric END,
			tags = CASE r WHEN 8 THEN '[]' ELSE tags END,
			value = CASE r WHEN 9 THEN NULL ELSE value END
		FROM (SELECT at, floor(random() * 10) AS r FROM batch WHERE bad) AS x
		WHERE x.at = b.at;
	END IF;
END
$$;

CREATE FUNCTION pg_temp.ingest_batch() RETURNS void LANGUAGE sql AS $$
	INSERT INTO telemetry.point (metadata, tags, unit, value, metric, device_id, ts)
	SELECT metadata, tags, unit, value, metric, device_id, ts FROM batch ORDER BY at
$$;

CREATE FUNCTION pg_temp.model_batch() RETURNS void LANGUAGE sql AS $$
	INSERT INTO model (device_id, metric, ts, value, unit, tags, metadata)
	SELECT DISTINCT ON (device_id, metric, ts) device_id, metric, ts, value, unit, tags, metadata
	FROM batch
	WHERE NOT bad
	ORDER BY device_id, metric, ts, at DESC
	ON CONFLICT (device_id, metric, ts) DO UPDATE
	SET value = excluded.value, unit = excluded.unit, tags = excluded.tags, metadata = excluded.metadata
$$;

-- The text form tells apart what the operators of value take as equal, such as 0 and -0.
CREATE FUNCTION pg_temp.difference() RETURNS text LANGUAGE plpgsql AS $$
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

-- A query with %1$s for its table.
CREATE FUNCTION pg_temp.some_query() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	devices text[] := ARRAY(SELECT pg_temp.some_device() FROM generate_series(1, floor(random() * 4)::int)) || pg_temp.pick_text(NULL, 'absent');
	metrics text[] := ARRAY(SELECT pg_temp.some_metric() FROM generate_series(1, 1 + floor(random() * 2)::int));
	lower timestamptz := pg_temp.some_ts();
	upper timestamptz := lower + pg_temp.pick(interval '0', interval '90 minutes', interval '1 day', interval '40 days');
	range text := format('ts %s %L AND %L %s ts', pg_temp.pick_text('>', '>='), lower, upper, pg_temp.pick_text('>', '>='));
	k int := floor(random() * 20)::int;
BEGIN
	RETURN CASE floor(random() * 6)::int
		WHEN 0 THEN format('SELECT array_agg((p.device_id, p.metric, p.ts, p.value::text, p.unit, p.tags, p.num)::text ORDER BY device_id, metric, ts)::text'
						   ' FROM %%1$s AS p WHERE device_id = ANY (%L) AND %s', devices, range)
		WHEN 1 THEN format('SELECT (count(*), count(DISTINCT device_id), min(ts), max(ts), min(value::text))::text'
						   ' FROM %%1$s WHERE metric IN (%s) AND %s', (SELECT string_agg(quote_literal(m), ', ') FROM unnest(metrics) AS m), range)
		WHEN 2 THEN format('SELECT array_agg((ts, v))::text FROM (SELECT ts, value::text AS v FROM %%1$s'
						   ' WHERE device_id = %L AND metric = %L AND %s ORDER BY ts DESC LIMIT %s) AS p', pg_temp.some_device(), metrics[1], range, k)
		WHEN 3 THEN format('SELECT array_agg((ts, num, unit))::text FROM (SELECT ts, num, unit FROM %%1$s'
						   ' WHERE device_id = %L AND metric = %L AND ts >= %L ORDER BY ts LIMIT %s) AS p', pg_temp.some_device(), metrics[1], lower, k)
		WHEN 4 THEN format('SELECT array_agg((day, n, low, high) ORDER BY day)::text FROM (SELECT ts::date AS day, count(num) AS n, min(num) + 0 AS low, max(num) + 0 AS high'
						   ' FROM %%1$s WHERE metric = %L GROUP BY 1) AS p', metrics[1])
		ELSE format('SELECT array_agg((d, latest.*)::text ORDER BY d)::text FROM unnest(%L::text[]) AS d, LATERAL (SELECT ts, value::text AS v'
					' FROM %%1$s WHERE device_id = d AND metric = %L AND %s ORDER BY ts DESC LIMIT 1) AS latest', devices, metrics[1], range)
	END;
END
$$;

-- The first of n random queries that gives another answer than the model.
CREATE FUNCTION pg_temp.wrong_query(n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	query text;
	stored text;
	wanted text;
BEGIN
	FOR i IN 1 .. n LOOP
		query := pg_temp.some_query();
		EXECUTE format(query, 'telemetry.point') INTO stored;
		EXECUTE format(query, 'model_point') INTO wanted;
		IF stored IS DISTINCT FROM wanted THEN
			RETURN format('%s: %s instead of %s', query, left(stored, 500), left(wanted, 500));
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;

-- What ingest_result() says that cannot be; keys may be counted more than once over several flushes.
CREATE FUNCTION pg_temp.wrong_result() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result record;
	rows int;
	bad int;
	keys int;
BEGIN
	SELECT * INTO result FROM telemetry.ingest_result();
	SELECT count(*), count(*) FILTER (WHERE b.bad) INTO rows, bad FROM batch AS b;
	SELECT count(*) INTO keys FROM (SELECT DISTINCT device_id, metric, ts FROM batch AS b WHERE NOT b.bad) AS k;
	IF result.received <> rows OR result.rejected <> bad OR result.conflicts <> 0
		OR result.accepted + result.duplicates <> rows - bad OR result.accepted < keys
		OR (result.accepted > keys AND current_setting('telemetry.batch_memory') = '64MB')
		OR EXISTS (SELECT FROM batch AS b
				   FULL JOIN (SELECT (r ->> 'row')::int + 1 AS at FROM jsonb_array_elements(result.rows) AS r
							  WHERE r ->> 'status' = 'rejected') AS r USING (at)
				   WHERE b.bad IS NOT TRUE AND r.at IS NOT NULL OR b.bad AND r.at IS NULL)
	THEN
		RETURN format('%s rows, %s bad, %s keys: %s', rows, bad, keys, left(result::text, 300));
	END IF;
	RETURN NULL;
END
$$;

CREATE FUNCTION pg_temp.some_deletion() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	d text := pg_temp.some_device();
	m text := pg_temp.pick(NULL, pg_temp.some_metric());
	lower timestamptz := pg_temp.pick(NULL, pg_temp.some_ts());
	upper timestamptz := pg_temp.pick(NULL, coalesce(lower, '2024-02-29 UTC') + pg_temp.pick(interval '10 seconds', interval '1 hour', interval '2 days'));
	deleted bigint := telemetry.delete_points(d, m, lower, upper);
	wanted bigint;
BEGIN
	DELETE FROM model
	WHERE device_id = d AND (m IS NULL OR metric = m) AND (lower IS NULL OR ts >= lower) AND (upper IS NULL OR ts < upper);
	GET DIAGNOSTICS wanted = ROW_COUNT;
	RETURN CASE WHEN deleted <> wanted THEN
		format('delete_points(%s, %s, %s, %s) returned %s instead of %s', d, m, lower, upper, deleted, wanted) END;
END
$$;

CREATE FUNCTION pg_temp.round(seed int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	shape text;
	wrong text;
BEGIN
	PERFORM setseed(seed / 1000.0);
	PERFORM set_config('telemetry.mixed_block_points', pg_temp.pick_text('0', '1', '50', '1000', '16384'), true),
		set_config('telemetry.batch_memory', pg_temp.pick_text('256kB', '64MB'), true),
		set_config('telemetry.compression_level', pg_temp.pick_text('-7', '1', '1', '9'), true);
	FOR i IN 1 .. 1 + floor(random() * 3)::int LOOP
		shape := pg_temp.pick_text('series', 'series', 'scattered', 'repeats', 'overwrite', 'again');
		PERFORM pg_temp.make_batch(shape, floor(5000 ^ random())::int);
		IF random() < 0.15 THEN
			BEGIN
				PERFORM pg_temp.ingest_batch();
				RAISE EXCEPTION 'changed my mind';
			EXCEPTION WHEN raise_exception THEN
				NULL;
			END;
		ELSE
			PERFORM pg_temp.ingest_batch();
			wrong := coalesce(wrong, pg_temp.wrong_result());
			PERFORM pg_temp.model_batch();
		END IF;
	END LOOP;
	RETURN NEXT is(wrong, NULL, format('round %s: ingest_result() counts the rows', seed));
	IF random() < 0.3 THEN
		RETURN NEXT is(pg_temp.some_deletion(), NULL, format('round %s: delete_points() counts the points', seed));
	END IF;
	RETURN NEXT is(pg_temp.difference(), NULL, format('round %s: the points are those of the model', seed));
	RETURN NEXT is(pg_temp.wrong_query(12), NULL, format('round %s: filtered queries answer like the model', seed));
END
$$;

SELECT * FROM no_plan();
SELECT format('SELECT * FROM pg_temp.round(%s)', i) FROM generate_series(1, 120) AS i
\gexec

-- A day with more mixed blocks than are merged at once: readers fold them first.  Blocks of a
-- bucket between them must neither be overtaken by an older fold nor hidden behind a newer one.
CREATE FUNCTION pg_temp.many_blocks(blocks int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM setseed(0.5);
	FOR i IN 1 .. blocks LOOP
		PERFORM set_config('telemetry.mixed_block_points', CASE WHEN random() < 0.03 THEN '0' ELSE '16384' END, true);
		TRUNCATE batch RESTART IDENTITY;
		INSERT INTO batch (ts, device_id, metric, value, unit)
		SELECT '2024-05-01 UTC'::timestamptz + floor(random() * 40) * interval '1 minute', 'device-' || floor(random() * 5), m,
			pg_temp.some_value(m), pg_temp.pick_text(NULL, 'V')
		FROM (SELECT pg_temp.pick_text('any', 'decimal') AS m FROM generate_series(1, 1 + floor(random() * 4)::int)) AS g;
		PERFORM pg_temp.ingest_batch(), pg_temp.model_batch();
	END LOOP;
END
$$;
SELECT pg_temp.many_blocks(900);
SELECT cmp_ok(count(*) FILTER (WHERE bucket = -1), '>', 512::bigint, 'many_mixed_blocks: a day has more than two folds'),
	cmp_ok(count(*) FILTER (WHERE bucket >= 0), '>', 10::bigint, 'many_mixed_blocks: and blocks of buckets between them')
FROM telemetry.block WHERE day = '2024-05-01';
SELECT is(pg_temp.difference(), NULL, 'many_mixed_blocks: the points are those of the model');
SELECT is((SELECT count(*) FROM telemetry.point WHERE ts::date = '2024-05-01'), (SELECT count(*) FROM model WHERE ts::date = '2024-05-01'),
	'many_mixed_blocks: without a value to decode');
SELECT results_eq(
	format('SELECT ts, value::text, unit FROM %s WHERE device_id = ''device-3'' AND metric = ''any'' AND ts >= ''2024-05-01'' ORDER BY ts %s LIMIT 25', 'telemetry.point', direction),
	format('SELECT ts, value::text, unit FROM %s WHERE device_id = ''device-3'' AND metric = ''any'' AND ts >= ''2024-05-01'' ORDER BY ts %s LIMIT 25', 'model', direction),
	'many_mixed_blocks: in the order of time, ' || direction)
FROM unnest(ARRAY['ASC', 'DESC']) AS direction;
SELECT is(telemetry.delete_points('device-2', 'any', '2024-05-01 00:10 UTC', '2024-05-01 00:20 UTC'), count(*), 'many_mixed_blocks: points are deleted from all')
FROM model WHERE device_id = 'device-2' AND metric = 'any' AND ts >= '2024-05-01 00:10 UTC' AND ts < '2024-05-01 00:20 UTC';
DELETE FROM model WHERE device_id = 'device-2' AND metric = 'any' AND ts >= '2024-05-01 00:10 UTC' AND ts < '2024-05-01 00:20 UTC';
SELECT is(pg_temp.difference(), NULL, 'many_mixed_blocks: the others are still there');

SELECT is((SELECT sum(telemetry.check_block(data))::bigint FROM telemetry.block), (SELECT sum(n) FROM telemetry.block),
	'every block holds the points that its row says');
SELECT is((SELECT count(*) FROM telemetry.block WHERE min_ts < day::timestamp AT TIME ZONE 'UTC' OR max_ts >= (day + 1)::timestamp AT TIME ZONE 'UTC'), 0::bigint,
	'no block crosses a day');
SELECT * FROM finish();
TRUNCATE telemetry.block, telemetry.dead_letter;
