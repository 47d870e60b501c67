-- Counts that are pushed down against the rows themselves: whatever blocks there are, of whatever
-- bounds, devices and metrics, count(*) is the number of rows that a scan gives.
-- Each round has a seed of its own, so the whole run is the same every time.
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off

SET client_min_messages = warning;
SET timezone = 'UTC';
TRUNCATE telemetry.block, telemetry.dead_letter;

CREATE FUNCTION pg_temp.pick(VARIADIC choices anyarray) RETURNS anyelement
LANGUAGE sql VOLATILE AS
$$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;
CREATE FUNCTION pg_temp.pick_text(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT pg_temp.pick(VARIADIC choices) $$;

-- One statement of ingest: blocks of buckets or a mixed one, of one of a few days.
CREATE FUNCTION pg_temp.ingest() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz := pg_temp.pick('2024-03-01', '2024-03-01', '2024-03-02', '2024-03-03 UTC'::timestamptz);
	newest timestamptz := (SELECT max(max_ts) FROM telemetry.block WHERE max_ts < start + interval '1 day');
	step interval := pg_temp.pick(interval '1 second', interval '7 seconds', interval '1 minute');
	devices int := pg_temp.pick(1, 5, 40);
	n int := floor(30000 ^ random());
BEGIN
	PERFORM set_config('telemetry.mixed_block_points', pg_temp.pick_text('0', '0', '1000', '131072'), true),
		set_config('telemetry.batch_memory', pg_temp.pick_text('256kB', '64MB', '64MB'), true);
	CASE floor(random() * 4)::int
		-- From where the day ends so far: blocks touch, by the points of one time.
		WHEN 0 THEN
			INSERT INTO telemetry.point (ts, device_id, metric, value)
			SELECT coalesce(newest, start) + i / (devices * 2) * step, 'device-' || i % devices, 'metric-' || i / devices % 2, '1'
			FROM generate_series(0, n) AS i;
		-- Anywhere in the day, so that it overlaps what is there.
		WHEN 1 THEN
			INSERT INTO telemetry.point (ts, device_id, metric, value)
			SELECT start + floor(random() * 8640) * interval '10 seconds', 'device-' || floor(random() * devices), 'metric-' || floor(random() * 3), '2'
			FROM generate_series(1, n);
		-- One series, which can be long enough for several entries and frames.
		WHEN 2 THEN
			INSERT INTO telemetry.point (ts, device_id, metric, value)
			SELECT start + floor(random() * 20000) * interval '1 second' + i * interval '1 second', 'device-3', 'metric-0', '3'
			FROM generate_series(1, n) AS i;
		-- Points that are there, again.
		WHEN 3 THEN
			INSERT INTO telemetry.point (ts, device_id, metric, value)
			SELECT ts, device_id, metric, '4' FROM telemetry.point
			WHERE device_id = 'device-' || floor(random() * devices) AND ts >= start AND random() < 0.5;
	END CASE;
END
$$;

-- What compaction leaves: all blocks so far are in the rollups.
CREATE FUNCTION pg_temp.roll_up() RETURNS void LANGUAGE sql AS
$$ UPDATE telemetry.block SET level = 1 + floor(random() * 3) WHERE level = 0 $$;

-- A time near which a block begins or ends, or anywhere.
CREATE FUNCTION pg_temp.some_bound() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
	SELECT CASE floor(random() * 3)::int
		WHEN 0 THEN '2024-03-01 UTC'::timestamptz + random() * interval '3 days'
		ELSE (SELECT pg_temp.pick(min_ts, max_ts) FROM telemetry.block ORDER BY random() LIMIT 1)
			+ pg_temp.pick(interval '0', interval '1 microsecond', interval '-1 microsecond')
	END
$$;

CREATE FUNCTION pg_temp.some_conditions() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	conditions text[] := '{}';
BEGIN
	IF random() < 0.6 THEN
		conditions := conditions || format('ts %s %L', pg_temp.pick_text('>', '>='), pg_temp.some_bound());
	END IF;
	IF random() < 0.6 THEN
		conditions := conditions || format('ts %s %L', pg_temp.pick_text('<', '<='), pg_temp.some_bound());
	END IF;
	IF random() < 0.3 THEN
		conditions := conditions || format('device_id = ANY (%L)',
			ARRAY(SELECT 'device-' || floor(random() * 45) FROM generate_series(1, 1 + floor(random() * 5)::int)));
	END IF;
	IF random() < 0.3 THEN
		conditions := conditions || format('metric IN (%L, %L)', 'metric-' || floor(random() * 3), 'absent');
	END IF;
	RETURN CASE WHEN conditions <> '{}' THEN 'WHERE ' || array_to_string(conditions, ' AND ') ELSE '' END;
END
$$;

-- The first of n random counts that is wrong, or that was not pushed down.
CREATE FUNCTION pg_temp.wrong_count(n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	query text;
	plan json;
	counted bigint;
	wanted bigint;
BEGIN
	FOR i IN 1 .. n LOOP
		query := pg_temp.pick_text('telemetry.point', 'telemetry.point', 'telemetry.pending_point') || ' ' || pg_temp.some_conditions();
		EXECUTE 'EXPLAIN (FORMAT json) SELECT count(*) FROM ' || query INTO plan;
		EXECUTE 'SELECT count(*) FROM ' || query INTO counted;
		EXECUTE 'SELECT count(*) FROM (SELECT * FROM ' || query || ' OFFSET 0) AS q' INTO wanted;
		IF counted <> wanted OR plan -> 0 -> 'Plan' ->> 'Aggregate' IS NULL THEN
			RETURN format('%s: %s instead of %s, %s', query, counted, wanted, plan);
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;

CREATE FUNCTION pg_temp.round(seed int) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM setseed(seed / 1000.0);
	IF seed % 20 = 0 THEN
		TRUNCATE telemetry.block;
	END IF;
	FOR i IN 1 .. 1 + floor(random() * 4)::int LOOP
		PERFORM pg_temp.ingest();
	END LOOP;
	IF random() < 0.2 THEN
		PERFORM telemetry.delete_points('device-' || floor(random() * 5), NULL, pg_temp.some_bound(), pg_temp.some_bound());
	END IF;
	IF random() < 0.4 THEN
		PERFORM pg_temp.roll_up();
	END IF;
	RETURN NEXT is(pg_temp.wrong_count(25), NULL, format('round %s: counts are those of the rows', seed));
END
$$;

SELECT * FROM no_plan();
SELECT format('SELECT * FROM pg_temp.round(%s)', i) FROM generate_series(1, 80) AS i
\gexec

-- More mixed blocks of a day than are open at once, beside blocks of buckets.
TRUNCATE telemetry.block;
CREATE FUNCTION pg_temp.many_blocks(blocks int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM setseed(0.5);
	FOR i IN 1 .. blocks LOOP
		PERFORM set_config('telemetry.mixed_block_points', CASE WHEN random() < 0.03 THEN '0' ELSE '16384' END, true);
		INSERT INTO telemetry.point (ts, device_id, metric, value)
		SELECT '2024-05-01 UTC'::timestamptz + floor(random() * 400) * interval '1 minute', 'device-' || floor(random() * 45), 'metric-' || floor(random() * 3), '1'
		FROM generate_series(1, 1 + floor(random() * 30)::int);
	END LOOP;
END
$$;
SELECT pg_temp.many_blocks(600);
SELECT is((SELECT count(*) FROM telemetry.point), (SELECT count(*) FROM (SELECT * FROM telemetry.point OFFSET 0) AS q), 'many_mixed_blocks');
SELECT is((SELECT count(*) FROM telemetry.point WHERE ts < '2024-05-01 03:00 UTC'),
	(SELECT count(*) FROM (SELECT * FROM telemetry.point WHERE ts < '2024-05-01 03:00 UTC' OFFSET 0) AS q), 'many_mixed_blocks: cut by a bound');
SELECT is((SELECT count(*) FROM telemetry.point WHERE device_id = 'device-2' AND ts < '2024-05-01 03:00 UTC'),
	(SELECT count(*) FROM (SELECT * FROM telemetry.point WHERE device_id = 'device-2' AND ts < '2024-05-01 03:00 UTC' OFFSET 0) AS q),
	'many_mixed_blocks: of one device');
SELECT * FROM finish();
TRUNCATE telemetry.block, telemetry.dead_letter;
