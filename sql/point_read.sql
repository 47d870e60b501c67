-- Reading points: what is pushed down, what is read and skipped, orders, parameters, joins, cursors.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = telemetry, public;
TRUNCATE block, dead_letter;

-- What EXPLAIN says without the width and size of anything.
CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query;
END
$$;
-- What a query reads: only the lines about blocks, and the rows that came out.  (They have decimals
-- since 18.)
CREATE FUNCTION pg_temp.reads(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, BUFFERS OFF, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
		IF line ~ '(Blocks|Series Runs|Frames|Foreign Scan):?' THEN
			RETURN NEXT regexp_replace(ltrim(line), '(rows=\d+)\.00', '\1');
		END IF;
	END LOOP;
END
$$;

-- Four days of 8 devices with 3 metrics every 10 minutes, each day in blocks of its buckets; then
-- one late point in a mixed block of the first day.
SET telemetry.mixed_block_points = 0;
INSERT INTO point (ts, device_id, metric, value, unit)
SELECT t, 'device-' || d, m, (extract(epoch FROM t) / 600 + d)::float8::value, CASE m WHEN 'temperature' THEN '°C' END
FROM generate_series('2024-01-01'::timestamptz, '2024-01-04 23:50', '10 min') AS t, generate_series(1, 8) AS d,
	unnest(ARRAY['temperature', 'humidity', 'pressure']) AS m;
RESET telemetry.mixed_block_points;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-01 12:05', 'device-1', 'temperature', '-1');
SELECT day, count(*) AS blocks, count(*) FILTER (WHERE bucket = -1) AS mixed, sum(n) AS points FROM block GROUP BY day ORDER BY day;
SELECT count(*), count(DISTINCT device_id), min(ts), max(ts) FROM point;

-- keys_are_pushed_down
SELECT pg_temp.plan($$SELECT * FROM point$$);
SELECT pg_temp.plan($$SELECT * FROM point WHERE device_id = 'device-1' AND metric = 'humidity' AND ts >= '2024-01-02' AND ts < '2024-01-03'$$);
SELECT pg_temp.plan($$SELECT * FROM point WHERE 'device-1' = device_id AND '2024-01-02' < ts$$);
SELECT pg_temp.plan($$SELECT * FROM point WHERE device_id IN ('device-1', 'device-2') AND metric = ANY ('{humidity,pressure}')$$);
SELECT pg_temp.plan($$SELECT * FROM point WHERE ts BETWEEN '2024-01-02' AND '2024-01-03'$$);
SELECT pg_temp.plan($$SELECT * FROM point WHERE device_id = 'device-1'::varchar AND metric = current_user::text$$);
-- a_stable_expression_is_computed_once_at_the_start
SELECT pg_temp.plan($$SELECT * FROM point WHERE ts > now() - interval '1 day'$$);
-- other_conditions_stay_with_the_executor
SELECT pg_temp.plan($$SELECT * FROM point WHERE device_id LIKE 'device-1%' AND num > 5 AND metric <> 'humidity' AND unit = '°C'$$);
SELECT pg_temp.plan($$SELECT * FROM point WHERE device_id = 'device-1' AND (metric = 'humidity' OR ts < '2024-01-02')$$);
SELECT pg_temp.plan($$SELECT * FROM point WHERE device_id = metric AND ts = ANY ('{2024-01-01,2024-01-02}')$$);
SELECT pg_temp.plan($$SELECT * FROM point WHERE device_id = 'device-' || ceil(random())$$);
SELECT pg_temp.plan($$SELECT * FROM point WHERE device_id <> ALL ('{device-1,device-2}')$$);
SELECT count(*) FROM point WHERE device_id <> ALL ('{device-1,device-2}') AND device_id NOT LIKE '%-3' AND num > 0;
-- equality_is_bytewise, so a collation that takes other strings as equal is not for the scan
CREATE COLLATION pg_temp.blind (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
SELECT pg_temp.plan($$SELECT count(*) FROM point WHERE device_id = 'DEVICE-1' COLLATE pg_temp.blind$$);
SELECT count(*) FROM point WHERE device_id = 'DEVICE-1' COLLATE pg_temp.blind;
SELECT pg_temp.plan($$SELECT count(*) FROM point WHERE device_id = 'device-1' COLLATE "C.utf8"$$);

-- only_matching_blocks_are_read
SELECT pg_temp.reads($$SELECT * FROM point$$);
SELECT pg_temp.reads($$SELECT * FROM point WHERE device_id = 'device-1' AND metric = 'humidity' AND ts >= '2024-01-02' AND ts < '2024-01-03'$$);
SELECT pg_temp.reads($$SELECT * FROM point WHERE device_id = 'device-1' AND ts >= '2024-01-01' AND ts < '2024-01-02'$$);
SELECT pg_temp.reads($$SELECT * FROM point WHERE ts >= '2024-01-03 12:00' AND ts < '2024-01-03 12:10' AND device_id = 'device-2'$$);
-- a bound on the edge of a day does not open the day beyond it
SELECT pg_temp.reads($$SELECT * FROM point WHERE device_id = 'device-1' AND ts <= '2024-01-01 23:59:59.999999' AND ts > '2023-12-31 23:59:59.999999'$$);
SELECT pg_temp.reads($$SELECT * FROM point WHERE device_id = 'device-1' AND ts = '2024-01-02'$$);
SELECT pg_temp.reads($$SELECT * FROM point WHERE device_id IN ('device-2', 'device-4') AND device_id IN ('device-3', 'device-5')$$);
SELECT pg_temp.reads($$SELECT * FROM point WHERE ts > '2024-01-03' AND ts < '2024-01-02'$$);
SELECT l FROM pg_temp.reads($$SELECT * FROM point WHERE device_id = 'absent'$$) AS l WHERE l LIKE 'Foreign%';
SELECT pg_temp.reads($$SELECT * FROM point LIMIT 0$$);

-- order_by_time_of_one_series_needs_no_sort, in either direction
SELECT pg_temp.plan($$SELECT ts, num FROM point WHERE device_id = 'device-1' AND metric = 'temperature' ORDER BY ts DESC LIMIT 3$$);
SELECT pg_temp.reads($$SELECT ts, num FROM point WHERE device_id = 'device-1' AND metric = 'temperature' ORDER BY ts DESC LIMIT 3$$);
SELECT ts, num FROM point WHERE device_id = 'device-1' AND metric = 'temperature' ORDER BY ts DESC LIMIT 3;
SELECT pg_temp.reads($$SELECT ts, num FROM point WHERE device_id = 'device-1' AND metric = 'temperature' ORDER BY ts DESC LIMIT 144$$);
SELECT pg_temp.plan($$SELECT ts, num FROM point WHERE device_id = 'device-1' AND metric = 'temperature' AND ts > '2024-01-01 11:59' ORDER BY ts LIMIT 4$$);
SELECT ts, num FROM point WHERE device_id = 'device-1' AND metric = 'temperature' AND ts > '2024-01-01 11:59' ORDER BY ts LIMIT 4;
SELECT ts, num FROM point WHERE device_id = 'device-1' AND metric = 'temperature' AND ts < '2024-01-01 12:15' ORDER BY ts DESC LIMIT 4;
SELECT pg_temp.reads($$SELECT max(ts), min(ts) FROM point WHERE device_id = 'device-1' AND metric = 'temperature'$$);
SELECT max(ts), min(ts) FROM point WHERE device_id = 'device-1' AND metric = 'temperature';
-- several series are read in the order of time, too
SELECT pg_temp.plan($$SELECT ts FROM point WHERE device_id = 'device-1' ORDER BY ts LIMIT 1$$);
SELECT pg_temp.plan($$SELECT ts FROM point WHERE device_id = 'device-1' AND metric IN ('humidity', 'pressure') ORDER BY ts LIMIT 1$$);
-- ties with another expression than ts
SELECT pg_temp.plan($$SELECT ts FROM point WHERE device_id = 'device-1' AND metric = 'humidity' ORDER BY ts, num LIMIT 1$$);
SELECT pg_temp.plan($$SELECT date_trunc('hour', ts), avg(num) FROM point WHERE device_id = 'device-1' AND metric = 'humidity' GROUP BY 1 ORDER BY 1$$);
SELECT ts, num FROM point WHERE device_id = 'device-1' AND metric = 'temperature' ORDER BY ts DESC NULLS LAST LIMIT 1;

-- every_comparison_of_ts: with timestamptz, timestamp and date, from both sides, in two time zones
CREATE FUNCTION pg_temp.comparisons() RETURNS TABLE (operator text, type text, left_side bigint, right_side bigint, wrong bigint) LANGUAGE plpgsql AS $$
DECLARE
	base text := 'SELECT count(*) FROM %s WHERE device_id = ''device-2'' AND metric = ''humidity'' AND %s';
	bound text;
	swapped text;
	expected bigint;
BEGIN
	FOREACH operator IN ARRAY ARRAY['=', '<', '<=', '>', '>='] LOOP
		FOREACH type IN ARRAY ARRAY['timestamptz', 'timestamp', 'date'] LOOP
			bound := quote_literal('2024-01-03') || '::' || type;
			EXECUTE format(base, 'telemetry.point', 'ts ' || operator || bound) INTO left_side;
			EXECUTE format(base, 'telemetry.point', bound || operator || ' ts') INTO right_side;
			-- Without a key for the scan: the executor compares row by row.
			EXECUTE format(base, 'telemetry.point', 'CASE WHEN num IS NULL THEN NULL ELSE ts END ' || operator || bound) INTO expected;
			wrong := expected - left_side;
			EXECUTE format(base, 'telemetry.point', bound || operator || 'CASE WHEN num IS NULL THEN NULL ELSE ts END') INTO expected;
			wrong := abs(wrong) + abs(expected - right_side);
			RETURN NEXT;
		END LOOP;
	END LOOP;
END
$$;
SELECT * FROM pg_temp.comparisons();
SET timezone = 'America/New_York';
SELECT * FROM pg_temp.comparisons();
SELECT pg_temp.plan($$SELECT * FROM point WHERE ts >= '2024-01-03'::date AND ts < '2024-01-04'::timestamp$$);
SET timezone = 'UTC';
-- the_ends_of_time
SELECT count(*) FROM point WHERE ts > '-infinity' AND ts < 'infinity';
SELECT count(*) FROM point WHERE ts < '-infinity';
SELECT count(*) FROM point WHERE ts > 'infinity';
SELECT count(*) FROM point WHERE ts >= 'infinity' OR ts <= '-infinity';
SELECT count(*) FROM point WHERE ts >= '-infinity'::date AND ts <= 'infinity'::timestamp;
SELECT count(*) FROM point WHERE ts <= '294276-12-31' AND ts >= '4714-11-24 00:00:00+00 BC';

-- null_keys_match_nothing
SELECT count(*) FROM point WHERE device_id = NULL;
SELECT count(*) FROM point WHERE ts > (SELECT NULL::timestamptz);
SELECT count(*) FROM point WHERE device_id = ANY (NULL::text[]);
SELECT count(*) FROM point WHERE device_id = ANY ('{}'::text[]);
SELECT count(*) FROM point WHERE device_id = ANY ('{NULL}'::text[]);
SELECT count(*) FROM point WHERE device_id = ANY ('{NULL,device-1,device-1,absent}'::text[]) AND metric IN ('humidity', NULL);
SELECT count(*) FROM point WHERE device_id IN ('device-1', 'device-2', 'device-3') AND device_id IN ('device-3', 'device-1') AND device_id <> 'device-3';
SELECT count(*) FROM point WHERE device_id IS NULL OR value IS NULL;

-- prepared_statements: a generic plan takes its keys at run time
SET plan_cache_mode = force_generic_plan;
PREPARE series (text, text, timestamptz, timestamptz) AS
	SELECT count(*), sum(num) FROM point WHERE device_id = $1 AND metric = $2 AND ts >= $3 AND ts < $4;
EXPLAIN (COSTS OFF) EXECUTE series ('device-1', 'humidity', '2024-01-02', '2024-01-03');
EXECUTE series ('device-1', 'humidity', '2024-01-02', '2024-01-03');
EXECUTE series ('device-2', 'pressure', '2024-01-04', 'infinity');
EXECUTE series (NULL, 'pressure', '2024-01-04', 'infinity');
EXECUTE series ('device-2', 'pressure', NULL, 'infinity');
PREPARE latest (text[], text) AS SELECT device_id, max(ts) FROM point WHERE device_id = ANY ($1) AND metric = $2 GROUP BY 1 ORDER BY 1;
EXECUTE latest ('{device-3,device-1}', 'humidity');
EXECUTE latest (NULL, 'humidity');
-- It sees what was stored after it was planned.
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-05', 'device-1', 'humidity', '1');
EXECUTE latest ('{device-3,device-1}', 'humidity');
DEALLOCATE ALL;
RESET plan_cache_mode;

-- latest_of_each_device
CREATE TEMP TABLE device (device_id text PRIMARY KEY, name text NOT NULL);
INSERT INTO device SELECT 'device-' || i, 'the ' || i || 'th' FROM generate_series(0, 4) AS i;
ANALYZE device;
SELECT pg_temp.plan($$SELECT d.name, p.ts, p.num FROM device AS d LEFT JOIN LATERAL
	(SELECT ts, num FROM point WHERE device_id = d.device_id AND metric = 'temperature' ORDER BY ts DESC LIMIT 1) AS p ON true$$);
SELECT d.name, p.ts, p.num FROM device AS d LEFT JOIN LATERAL
	(SELECT ts, num FROM point WHERE device_id = d.device_id AND metric = 'temperature' ORDER BY ts DESC LIMIT 1) AS p ON true ORDER BY 1;
SELECT device_id, (SELECT num FROM point AS p WHERE p.device_id = d.device_id AND metric = 'temperature' AND ts <= '2024-01-01 12:06' ORDER BY ts DESC LIMIT 1)
FROM device AS d ORDER BY 1;

-- joins: whatever plan, the same answer; a nested loop gives the device to the scan
CREATE FUNCTION pg_temp.joined() RETURNS TABLE (name text, n bigint, total float8) LANGUAGE sql AS $$
	SELECT d.name, count(*), sum(p.num) FROM device AS d JOIN telemetry.point AS p ON p.device_id = d.device_id
	WHERE p.metric = 'pressure' AND p.ts >= '2024-01-02' AND p.ts < '2024-01-03' GROUP BY d.name ORDER BY d.name
$$;
SELECT * FROM pg_temp.joined();
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SET enable_memoize = off;
SELECT * FROM pg_temp.joined();
SET enable_hashjoin = on;
SET enable_nestloop = off;
SELECT * FROM pg_temp.joined();
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;
RESET enable_memoize;
RESET enable_nestloop;
-- (which side of a join's clause comes first is the planner's affair)
SELECT replace(line, '(($0)::text = p.device_id)', '(p.device_id = ($0)::text)') AS plan
FROM pg_temp.plan($$SELECT p.* FROM device AS d, point AS p WHERE p.device_id = d.device_id AND d.name = 'the 3th'$$) AS line;
-- an outer join gives the device, metric and bounds of time, too
CREATE TEMP TABLE tenure (device_id text, metric text, since timestamptz, until timestamptz);
INSERT INTO tenure VALUES ('device-1', 'humidity', '2024-01-02', '2024-01-03'), ('device-2', 'humidity', '2024-01-03', NULL),
	('device-3', 'absent', '2024-01-01', '2024-01-09'), ('device-4', 'pressure', '2024-01-04', '2024-01-09'), (NULL, NULL, NULL, NULL);
ANALYZE tenure;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SET enable_memoize = off;
SELECT pg_temp.plan($$SELECT t.*, p.num FROM tenure AS t LEFT JOIN point AS p ON p.device_id = t.device_id AND p.metric = t.metric AND p.ts >= t.since AND p.ts < t.until AND p.num > 0$$);
SELECT t.device_id, count(p.ts), min(p.ts), max(p.ts)
FROM tenure AS t LEFT JOIN point AS p ON p.device_id = t.device_id AND p.metric = t.metric AND p.ts >= t.since AND p.ts < t.until AND p.num > 0 GROUP BY 1 ORDER BY 1;
SELECT device_id FROM tenure AS t WHERE NOT EXISTS (SELECT FROM point AS p WHERE p.device_id = t.device_id AND p.metric = t.metric AND p.ts >= t.since) ORDER BY 1;
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;
RESET enable_memoize;
-- anti join, semi join, self join
SELECT device_id FROM device AS d WHERE NOT EXISTS (SELECT FROM point AS p WHERE p.device_id = d.device_id);
SELECT count(*) FROM point WHERE device_id IN (SELECT device_id FROM device WHERE name <> 'the 1th') AND ts < '2024-01-01 00:10';
SELECT count(*) FROM point AS a JOIN point AS b USING (ts, device_id) WHERE a.metric = 'humidity' AND b.metric = 'pressure' AND a.num = b.num;

-- cursors: backwards and again
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT ts, num FROM point WHERE device_id = 'device-1' AND metric = 'temperature' AND ts < '2024-01-01 00:40' ORDER BY ts;
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
FETCH LAST FROM c;
FETCH FIRST FROM c;
FETCH ABSOLUTE 3 FROM c;
FETCH FORWARD ALL FROM c;
FETCH PRIOR FROM c;
CLOSE c;
-- Two over the same points take no notice of each other; one may be left open at the end of the transaction.
DECLARE up CURSOR FOR SELECT num FROM point WHERE device_id = 'device-2' AND metric = 'temperature' ORDER BY ts;
DECLARE down CURSOR FOR SELECT num FROM point WHERE device_id = 'device-2' AND metric = 'temperature' ORDER BY ts DESC;
FETCH 1 FROM up;
FETCH 1 FROM down;
FETCH 1 FROM up;
FETCH 1 FROM down;
COMMIT;
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT ts FROM point WHERE device_id = 'device-2' AND metric = 'temperature' ORDER BY ts DESC;
FETCH 1 FROM held;
COMMIT;
FETCH 1 FROM held;
CLOSE held;
-- A scan that began in a savepoint goes on after that is rolled back.
BEGIN;
DECLARE c CURSOR FOR SELECT ts FROM point WHERE device_id = 'device-2' AND metric = 'temperature' ORDER BY ts DESC;
SAVEPOINT s;
FETCH 1 FROM c;
ROLLBACK TO s;
FETCH 1 FROM c;
MOVE 400 IN c;
FETCH 1 FROM c;
COMMIT;
-- A cursor does not see what is stored after it was opened.
BEGIN;
DECLARE c CURSOR FOR SELECT count(*) FROM point WHERE device_id = 'cursor';
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-05', 'cursor', 'm', '1');
FETCH 1 FROM c;
SELECT count(*) FROM point WHERE device_id = 'cursor';
ROLLBACK;

-- a_scan_starts_anew_for_each_row_outside
SELECT d.device_id, (SELECT count(*) FROM point AS p WHERE p.device_id = d.device_id AND p.ts < bound.t) AS n
FROM device AS d, (VALUES ('2024-01-01 01:00'::timestamptz), (NULL), ('2024-01-02')) AS bound (t) ORDER BY d.device_id, n;
-- plpgsql_loops, one within the other
DO $$
DECLARE
	a record;
	b record;
	n int := 0;
BEGIN
	FOR a IN SELECT device_id, ts FROM telemetry.point WHERE metric = 'humidity' AND ts < '2024-01-01 00:20' ORDER BY ts LOOP
		FOR b IN SELECT num FROM telemetry.point WHERE device_id = a.device_id AND metric = 'humidity' AND ts <= a.ts ORDER BY ts DESC LIMIT 2 LOOP
			n := n + 1;
			EXIT WHEN n % 5 = 0;
		END LOOP;
	END LOOP;
	RAISE INFO '% rows', n;
END
$$;

-- whole_rows, system columns, no columns
SELECT p FROM point AS p WHERE device_id = 'device-1' AND metric = 'temperature' AND ts < '2024-01-01 00:20' ORDER BY ts;
SELECT to_jsonb(p) - 'value' FROM point AS p WHERE device_id = 'device-1' AND metric = 'temperature' AND ts = '2024-01-01';
SELECT DISTINCT tableoid::regclass FROM point WHERE device_id = 'device-1';
SELECT count(*) FROM (SELECT FROM point WHERE metric = 'humidity') AS nothing;
SELECT unit FROM point WHERE device_id = 'device-1' AND metric = 'temperature' AND num = -1;
SELECT unit, count(*) FROM point WHERE unit IS NOT NULL GROUP BY unit;
SELECT count(*) FROM point WHERE device_id = 'device-1' AND telemetry.kind(value) = 'numeric';
SELECT 1 FROM point WHERE device_id = 'device-1' AND ts = '2024-01-01' AND metric = 'humidity' FOR UPDATE;
-- set operations, windows, distinct, grouping
SELECT device_id FROM point WHERE ts = '2024-01-01' AND metric = 'humidity' EXCEPT SELECT device_id FROM device ORDER BY 1;
SELECT ts, num - lag(num) OVER (ORDER BY ts) AS step FROM point WHERE device_id = 'device-1' AND metric = 'temperature' AND ts BETWEEN '2024-01-01 11:50' AND '2024-01-01 12:20' ORDER BY ts;
SELECT DISTINCT ON (device_id) device_id, ts FROM point WHERE metric = 'temperature' ORDER BY device_id, ts DESC;
SELECT date_trunc('day', ts) AS day, metric, count(*), min(num), max(num) FROM point WHERE device_id = 'device-8' GROUP BY ROLLUP (1, 2) ORDER BY 1, 2;
-- a view with a security barrier and a leaky condition
CREATE TEMP VIEW mine WITH (security_barrier) AS SELECT * FROM point WHERE device_id = 'device-1';
SELECT count(*) FROM mine WHERE metric = 'humidity' AND ts < '2024-01-02';
SELECT pg_temp.plan($$SELECT * FROM mine WHERE metric = 'humidity' AND ts < '2024-01-02'$$);

-- estimates_follow_analyze: within a factor of three
ANALYZE point;
CREATE FUNCTION pg_temp.estimate_is_sane(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	plan json;
	estimate float8;
	actual float8;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) ' || query INTO plan;
	estimate := greatest((plan -> 0 -> 'Plan' ->> 'Plan Rows')::float8, 1);
	actual := greatest((plan -> 0 -> 'Plan' ->> 'Actual Rows')::float8, 1);
	RETURN estimate BETWEEN actual / 3 AND actual * 3;
END
$$;
SELECT q, pg_temp.estimate_is_sane('SELECT * FROM point ' || q) AS sane FROM unnest(ARRAY['', $$WHERE device_id = 'device-1'$$,
	$$WHERE metric = 'humidity'$$, $$WHERE device_id = 'device-1' AND metric = 'humidity'$$, $$WHERE ts >= '2024-01-02' AND ts < '2024-01-03'$$]) AS q;
SELECT attname, n_distinct FROM pg_stats WHERE schemaname = 'telemetry' AND tablename = 'point' AND attname IN ('device_id', 'metric', 'unit') ORDER BY 1;
-- and what was stored since, in this session, too
INSERT INTO point (ts, device_id, metric, value)
SELECT '2024-02-01'::timestamptz + i * interval '1 s', 'growing-' || i % 20, 'm', i::float8::value FROM generate_series(1, 86000) AS i;
SELECT pg_temp.estimate_is_sane('SELECT * FROM point');
SELECT delete_points('growing-' || i, NULL, NULL, NULL) FROM generate_series(0, 19) AS i;

-- explain_in_other_formats
CREATE FUNCTION pg_temp.yaml_plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan text;
BEGIN
	EXECUTE 'EXPLAIN (COSTS OFF, FORMAT yaml) ' || query INTO plan;
	RETURN plan;
END
$$;
CREATE FUNCTION pg_temp.json_plan(query text, options text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE format('EXPLAIN (%s, COSTS OFF, FORMAT json) %s', options, query) INTO plan;
	RETURN (plan -> 0 -> 'Plan') - '{Bytes,Async Capable,Parallel Aware,Disabled}'::text[];
END
$$;
SELECT jsonb_pretty(pg_temp.json_plan($$SELECT ts FROM point WHERE device_id = 'device-1' AND metric = 'humidity' ORDER BY ts DESC$$, 'VERBOSE'));
SELECT pg_temp.json_plan($$SELECT ts FROM point WHERE device_id = 'device-1' AND metric = 'humidity'$$, 'ANALYZE, BUFFERS off, TIMING off, SUMMARY off') - 'Actual Rows';
-- (18 says that a node is not disabled)
SELECT regexp_replace(pg_temp.yaml_plan($$SELECT ts FROM point AS p WHERE device_id = 'device-1'$$), '\n *Disabled: false', '') AS plan;
EXPLAIN (VERBOSE, COSTS OFF) SELECT p.ts FROM point AS p, device AS d WHERE p.device_id = 'device-1' AND p.ts > '2024-01-01';

-- other_tables_over_the_store: fewer columns, in another order, under another name
CREATE FOREIGN TABLE readings (metric text, device_id text, value telemetry.value NOT NULL, ts timestamptz) SERVER telemetry;
SELECT * FROM readings WHERE device_id = 'device-1' AND metric = 'temperature' AND ts < '2024-01-01 00:20' ORDER BY ts;
INSERT INTO readings VALUES ('m', 'readings', '1', '2024-01-06');
SELECT * FROM point WHERE device_id = 'readings';
CREATE FOREIGN TABLE bad (ts timestamptz, device_id text, metric text, value telemetry.value, colour text) SERVER telemetry;
SELECT * FROM bad;
CREATE FOREIGN TABLE short (ts timestamptz, device_id text, metric text) SERVER telemetry;
SELECT * FROM short;
CREATE FOREIGN TABLE optioned (ts timestamptz) SERVER telemetry OPTIONS (file 'x');
CREATE FOREIGN TABLE mistyped (ts timestamp, device_id text, metric text, value float8) SERVER telemetry;
SELECT * FROM mistyped;
INSERT INTO mistyped VALUES ('2024-01-01', 'd', 'm', 1);
DROP FOREIGN TABLE readings;
DROP FOREIGN TABLE bad;
DROP FOREIGN TABLE short;
DROP FOREIGN TABLE IF EXISTS mistyped;

-- empty_store
TRUNCATE block;
SELECT count(*) FROM point;
SELECT * FROM point WHERE device_id = 'd' AND metric = 'm' ORDER BY ts DESC LIMIT 1;
ANALYZE point;
SELECT pg_temp.reads('SELECT * FROM point');
