-- Counting points: which queries are pushed down, what they read of the blocks, and that it is right.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = telemetry, public;
TRUNCATE block, dead_letter;

CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query;
END
$$;
-- What a query reads, without the bytes, which vary with the library that compresses.  (Rows have
-- decimals since 18.)
CREATE FUNCTION pg_temp.reads(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, BUFFERS OFF, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
		IF line !~ 'Bytes' THEN
			RETURN NEXT regexp_replace(line, '(rows=\d+)\.00', '\1');
		END IF;
	END LOOP;
END
$$;
-- The count, the number of rows that a scan finds, and what the count read.
CREATE FUNCTION pg_temp.counted(INOUT conditions text, OUT n bigint, OUT wrong bigint, OUT blocks text, OUT frames bigint, OUT runs bigint)
LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'SELECT count(*) FROM telemetry.point WHERE ' || conditions INTO n;
	EXECUTE 'SELECT $1 - count(*) FROM (SELECT * FROM telemetry.point WHERE ' || conditions || ' OFFSET 0) AS q' INTO wrong USING n;
	EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) SELECT count(*) FROM telemetry.point WHERE ' || conditions INTO plan;
	plan := plan -> 0 -> 'Plan';
	blocks := format('%s counted, %s read, %s skipped', plan ->> 'Blocks Counted', plan ->> 'Blocks Read', plan ->> 'Blocks Skipped');
	frames := plan ->> 'Frames';
	runs := plan ->> 'Series Runs';
END
$$;

-- empty_store
SELECT count(*) FROM point;
SELECT count(*) FROM point WHERE device_id = 'device-1' AND ts > '2024-01-01';
SELECT count(*) FROM pending_point;

-- Two days of 8 devices with 3 metrics every 10 minutes, each day in blocks of its buckets.
SET telemetry.mixed_block_points = 0;
INSERT INTO point (ts, device_id, metric, value, unit)
SELECT t, 'device-' || d, m, '1', 'V'
FROM generate_series('2024-01-01'::timestamptz, '2024-01-02 23:50', '10 min') AS t, generate_series(1, 8) AS d,
	unnest(ARRAY['temperature', 'humidity', 'pressure']) AS m;
SELECT day, count(*), sum(n) FROM block GROUP BY day ORDER BY day;

-- counts_are_pushed_down
SELECT pg_temp.plan('SELECT count(*) FROM point');
SELECT pg_temp.plan($$SELECT count(*) FROM point AS p WHERE device_id = 'device-1' AND metric IN ('humidity', 'pressure') AND ts >= '2024-01-02'$$);
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*), count(ts) + count(1) AS twice, current_setting('timezone') FROM point WHERE ts < '2024-01-02';
SELECT count(*), count(ts) + count(1) AS twice, current_setting('timezone') FROM point WHERE ts < '2024-01-02';
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(device_id), count(metric), count(value) FROM point AS "a point";
SELECT count(device_id), count(metric), count(value) FROM point AS "a point";
SELECT pg_temp.plan('SELECT count(*) FROM point ORDER BY 1 LIMIT 1');
SELECT pg_temp.plan('SELECT count(*) FROM pending_point WHERE ts > now()');
SELECT n FROM (SELECT count(*) AS n FROM point) AS c WHERE n > 5;
-- others_are_not
SELECT q, (SELECT bool_or(line LIKE '%Aggregate: count%') FROM pg_temp.plan(q) AS line) AS pushed FROM unnest(ARRAY[
	'SELECT metric, count(*) FROM point GROUP BY metric',
	'SELECT count(*) FROM point GROUP BY ()',
	'SELECT count(*) FROM point GROUP BY GROUPING SETS ((), ())',
	'SELECT count(*) FROM point HAVING count(*) > 1',
	'SELECT count(*) FILTER (WHERE num > 0) FROM point',
	'SELECT count(DISTINCT device_id) FROM point',
	'SELECT count(unit) FROM point',
	'SELECT count(num), count(*) FROM point',
	'SELECT count(NULL) FROM point',
	'SELECT count(*), max(ts) FROM point',
	'SELECT count(ts + interval ''1 s'') FROM point',
	'SELECT count(p) FROM point AS p',
	'SELECT count(*) FROM point WHERE num > 0',
	'SELECT count(*) FROM point WHERE random() < 2',
	'SELECT count(*) FROM point WHERE current_user = ''nobody''',
	'SELECT count(*) FROM point, point AS other',
	'SELECT count(*) FROM (SELECT * FROM point LIMIT 10) AS ten',
	'SELECT count(*) FROM (SELECT FROM point UNION ALL SELECT FROM point) AS two'
	]) AS q;
SELECT count(*) FROM point WHERE current_user = 'nobody';
SELECT count(*) FROM point WHERE false;
SELECT count(*) FROM point HAVING count(*) < 0;
-- a_barrier keeps conditions apart from what it hides
CREATE TEMP VIEW mine WITH (security_barrier) AS SELECT * FROM point WHERE device_id = 'device-1';
SELECT pg_temp.plan($$SELECT count(*) FROM mine WHERE metric = 'humidity'$$);
SELECT count(*) FROM mine WHERE metric = 'humidity';
-- a_useless_join is none
CREATE TEMP TABLE device (device_id text PRIMARY KEY);
INSERT INTO device SELECT 'device-' || i FROM generate_series(0, 4) AS i;
ANALYZE device;
SELECT pg_temp.plan('SELECT count(*) FROM point AS p LEFT JOIN device AS d USING (device_id)');
SELECT count(*) FROM point AS p LEFT JOIN device AS d USING (device_id);
SELECT count(*) FROM point AS p JOIN device AS d USING (device_id);

-- blocks_alone_in_their_time are counted by their rows
SELECT * FROM pg_temp.counted('true');
SELECT * FROM pg_temp.counted($$ts >= '2024-01-02'$$);
-- bounds_cut_blocks
SELECT * FROM pg_temp.counted($$ts >= '2024-01-01 00:00:00.000001'$$);
SELECT * FROM pg_temp.counted($$ts > '2024-01-01 12:00' AND ts < '2024-01-02'$$);
SELECT * FROM pg_temp.counted($$ts <= '2024-01-02 23:50' AND ts > '2024-01-02 23:40'$$);
SELECT * FROM pg_temp.counted($$ts = '2024-01-02 12:00'$$);
SELECT * FROM pg_temp.counted($$ts > '2024-01-02 12:00' AND ts < '2024-01-02 12:10'$$);
-- devices_and_metrics need the directories, times only where a bound cuts a series
SELECT * FROM pg_temp.counted($$device_id = 'device-1'$$);
SELECT * FROM pg_temp.counted($$device_id = 'device-1' AND metric = 'humidity' AND ts >= '2024-01-01 12:00'$$);
SELECT * FROM pg_temp.counted($$metric = 'humidity'$$);
SELECT * FROM pg_temp.counted($$device_id = 'absent'$$);

-- batches_that_touch: the second begins with the last time of the first, again
INSERT INTO point (ts, device_id, metric, value)
SELECT t, 'device-' || d, 'humidity', '2' FROM generate_series('2024-01-02 23:50'::timestamptz, '2024-01-02 23:59', '1 min') AS t, generate_series(1, 8) AS d;
SELECT * FROM pg_temp.counted('true');
SELECT * FROM pg_temp.counted($$ts < '2024-01-02 23:55'$$);
SELECT * FROM pg_temp.counted($$device_id = 'device-2'$$);
-- repeated_points count once
INSERT INTO point (ts, device_id, metric, value) SELECT ts, device_id, metric, '3' FROM point WHERE device_id = 'device-1' AND ts < '2024-01-02';
SELECT * FROM pg_temp.counted('true');
SELECT * FROM pg_temp.counted($$ts < '2024-01-01 12:00'$$);
-- a_mixed_block can hold points of any bucket: it is compared with those that it could repeat
RESET telemetry.mixed_block_points;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-01 12:00', 'device-5', 'humidity', '4'), ('2024-01-01 12:00:01', 'device-6', 'humidity', '4');
SELECT * FROM pg_temp.counted($$ts < '2024-01-02'$$);
SELECT * FROM pg_temp.counted('true');
-- A day of mixed blocks only, and one within the time of another.
INSERT INTO point (ts, device_id, metric, value) SELECT '2024-01-03 10:00'::timestamptz + i * interval '1 s', 'device-' || i % 20, 'm', '1' FROM generate_series(1, 100) AS i;
INSERT INTO point (ts, device_id, metric, value) SELECT '2024-01-03 11:00'::timestamptz + i * interval '1 s', 'device-' || i % 20, 'm', '1' FROM generate_series(1, 100) AS i;
SELECT * FROM pg_temp.counted($$ts >= '2024-01-03'$$);
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-03 10:00:30', 'device-10', 'm', '1');
SELECT * FROM pg_temp.counted($$ts >= '2024-01-03'$$);

-- a_long_series spans frames; those that nothing overlaps are not opened
SET telemetry.mixed_block_points = 0;
INSERT INTO point (ts, device_id, metric, value) SELECT '2024-01-04'::timestamptz + i * interval '1 s', 'device-1', 'm', '1' FROM generate_series(1, 40000) AS i;
SELECT * FROM pg_temp.counted($$ts >= '2024-01-04'$$);
SELECT * FROM pg_temp.counted($$ts >= '2024-01-04 05:00'$$);
INSERT INTO point (ts, device_id, metric, value) SELECT '2024-01-04'::timestamptz + i * interval '1 s', 'device-1', 'm', '1' FROM generate_series(39990, 50000) AS i;
SELECT * FROM pg_temp.counted($$ts >= '2024-01-04'$$);

-- delete_points
SELECT delete_points('device-1', 'm', '2024-01-04 02:00', '2024-01-04 03:00');
SELECT * FROM pg_temp.counted($$ts >= '2024-01-04'$$);
SELECT delete_points('device-1', NULL, NULL, NULL);
SELECT * FROM pg_temp.counted('true');
SELECT * FROM pg_temp.counted($$device_id = 'device-1'$$);

-- prepared_statements and parameters
SET plan_cache_mode = force_generic_plan;
PREPARE counted (text, timestamptz) AS SELECT count(*) FROM point WHERE device_id = $1 AND ts >= $2;
EXPLAIN (COSTS OFF) EXECUTE counted ('device-2', '2024-01-02');
EXECUTE counted ('device-2', '2024-01-02');
EXECUTE counted ('device-3', '2024-01-02 12:00');
EXECUTE counted (NULL, '2024-01-02');
EXECUTE counted ('device-2', NULL);
EXECUTE counted ('device-2', '-infinity');
PREPARE pending AS SELECT count(*) FROM pending_point;
EXECUTE pending;
-- It sees what was stored after it was planned.
BEGIN;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-05', 'device-2', 'humidity', '1');
EXECUTE counted ('device-2', '2024-01-02');
ROLLBACK;
EXECUTE counted ('device-2', '2024-01-02');
RESET plan_cache_mode;
-- correlated_subqueries count anew for each row outside
SELECT pg_temp.plan($$SELECT device_id, (SELECT count(*) FROM point AS p WHERE p.device_id = d.device_id AND p.ts < '2024-01-02') FROM device AS d$$);
SELECT device_id, (SELECT count(*) FROM point AS p WHERE p.device_id = d.device_id AND p.ts < '2024-01-02') FROM device AS d ORDER BY 1;
SELECT d.device_id, c.n FROM device AS d, LATERAL (SELECT count(*) AS n FROM point AS p WHERE p.device_id = d.device_id AND metric = 'humidity') AS c ORDER BY 1;
SELECT d.device_id, bound.t, (SELECT count(*) FROM point AS p WHERE p.device_id = d.device_id AND p.ts < bound.t) AS n
FROM device AS d, (VALUES ('2024-01-01 01:00'::timestamptz), (NULL), ('2024-01-02')) AS bound (t) WHERE d.device_id = 'device-2' ORDER BY t;
DO $$
DECLARE
	n bigint := 0;
BEGIN
	FOR i IN 1 .. 8 LOOP
		n := n + (SELECT count(*) FROM telemetry.point WHERE device_id = 'device-' || i);
	END LOOP;
	RAISE INFO '% of %', n, (SELECT count(*) FROM telemetry.point WHERE device_id ~ '^device-[1-8]$');
END
$$;
-- cursors, and what is stored after they were opened
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT count(*) FROM point;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-05', 'device-2', 'humidity', '1');
FETCH ALL FROM c;
FETCH BACKWARD 1 FROM c;
FETCH ALL FROM c;
ROLLBACK;
SELECT count(*) FROM point;
-- explain_says_what_was_done
SELECT replace(line, ' (returns $0)', '') AS plan FROM pg_temp.plan('SELECT EXISTS (SELECT count(*) FROM point)') AS line;
SELECT pg_temp.reads($$SELECT count(*) FROM point WHERE ts > now() AND ts < '2024-01-01'$$);
-- of_those_with_rights_only
CREATE ROLE telemetry_test_counter;
GRANT USAGE ON SCHEMA telemetry TO telemetry_test_counter;
SET ROLE telemetry_test_counter;
SELECT count(*) FROM telemetry.point;
RESET ROLE;
GRANT telemetry_reader TO telemetry_test_counter;
SET ROLE telemetry_test_counter;
SELECT count(*) > 0 AS some FROM telemetry.point;
SELECT count(*) > 0 AS some FROM telemetry.pending_point;
RESET ROLE;
REVOKE ALL ON SCHEMA telemetry FROM telemetry_test_counter;
DROP ROLE telemetry_test_counter;

-- pending_point shows what is not in the rollups
TRUNCATE block;
INSERT INTO point (ts, device_id, metric, value) SELECT '2024-01-01'::timestamptz + i * interval '1 h', 'device-' || i % 3, 'm', '1' FROM generate_series(0, 23) AS i;
SELECT count(*) FROM pending_point;
UPDATE block SET level = 1;
SELECT count(*) FROM pending_point;
SELECT * FROM pending_point;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-01 00:00', 'device-0', 'm', '2'), ('2024-01-01 00:30', 'device-0', 'm', '2');
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-01 00:30', 'device-0', 'm', '3');
SELECT count(*) FROM pending_point;
SELECT ts, device_id, value, num FROM pending_point ORDER BY ts;
SELECT ts, num FROM pending_point WHERE device_id = 'device-0' AND metric = 'm' ORDER BY ts DESC LIMIT 1;
SELECT ts, num FROM pending_point WHERE device_id = 'device-1' AND metric = 'm' ORDER BY ts LIMIT 1;
SELECT pg_temp.plan($$SELECT ts FROM pending_point WHERE device_id = 'device-0' AND metric = 'm' ORDER BY ts DESC LIMIT 1$$);
SELECT count(*), sum(num) FROM point;
SELECT pg_temp.reads('SELECT count(*) FROM pending_point');
ANALYZE pending_point;
SELECT count(*) FROM pg_stats WHERE schemaname = 'telemetry' AND tablename = 'pending_point' AND attname = 'metric';
-- and_can_only_be_read
INSERT INTO pending_point (ts, device_id, metric, value) VALUES (now(), 'd', 'm', '1');
COPY pending_point (ts, device_id, metric, value) FROM STDIN;
2024-01-01	d	m	1
\.
UPDATE pending_point SET value = '1';
DELETE FROM pending_point;
\set VERBOSITY default
INSERT INTO pending_point SELECT FROM device;
-- options: only those that there are, where they mean something
CREATE FOREIGN TABLE optioned (ts timestamptz) SERVER telemetry OPTIONS (rolledup 'false');
CREATE SERVER optioned FOREIGN DATA WRAPPER telemetry_fdw OPTIONS (rolled_up 'false');
CREATE FOREIGN TABLE optioned (ts timestamptz) SERVER telemetry OPTIONS (rolled_up 'maybe');
\set VERBOSITY terse
CREATE FOREIGN TABLE rolled_up (ts timestamptz, device_id text, metric text, value telemetry.value) SERVER telemetry OPTIONS (rolled_up 'true');
SELECT count(*), max(ts) FROM rolled_up;
PREPARE rolled_up AS SELECT count(*) FROM rolled_up;
EXECUTE rolled_up;
ALTER FOREIGN TABLE rolled_up OPTIONS (SET rolled_up 'false');
EXECUTE rolled_up;
ALTER FOREIGN TABLE rolled_up OPTIONS (DROP rolled_up);
EXECUTE rolled_up;
DEALLOCATE ALL;
DROP FOREIGN TABLE rolled_up;
TRUNCATE block;
