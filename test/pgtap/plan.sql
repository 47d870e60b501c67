-- Plans of a store that grows day by day and is never analyzed: what a scan is estimated to give is
-- what it gives within a factor of three, whatever is rolled up, and joins are made accordingly.
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off

SET client_min_messages = warning;
SET timezone = 'UTC';
SET jit = off;
SET plan_cache_mode = force_generic_plan;
TRUNCATE telemetry.block, telemetry.dead_letter;

-- A day of 20 devices with 3 metrics every 5 minutes; one metric comes four times as often, and one
-- device has only existed for two days.
CREATE FUNCTION pg_temp.grow(day int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO telemetry.point (ts, device_id, metric, value, unit)
	SELECT '2024-03-01 UTC'::timestamptz + day * interval '1 day' + i * interval '75 seconds', format('device-%s', lpad(d::text, 2, '0')), m,
		(i % 10)::telemetry.value, CASE m WHEN 'temperature' THEN '°C' ELSE '%' END
	FROM generate_series(0, 1151) AS i, generate_series(0, 19) AS d, unnest(ARRAY['fast', 'humidity', 'temperature']) AS m
	WHERE (m = 'fast' OR i % 4 = 0) AND (d < 19 OR day > 10)
$$;

-- The scans of a plan whose estimate is wrong, joins likewise unless of few rows, and those that go through thousands of rows
-- one by one.  Below a LIMIT, or where a join needs no more, only some rows are fetched of those there are.
CREATE FUNCTION pg_temp.faults(node jsonb, joins boolean, all_rows boolean) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	estimate float8 := greatest((node ->> 'Plan Rows')::float8, 1);
	actual float8 := greatest((node ->> 'Actual Rows')::float8, 1);
	loops float8 := (node ->> 'Actual Loops')::float8;
	type text := node ->> 'Node Type';
	child jsonb;
BEGIN
	IF (type = 'Foreign Scan' AND node ->> 'Aggregate' IS NULL OR joins AND node ? 'Join Type' AND greatest(estimate, actual) > 100)
		AND all_rows AND loops > 0 AND estimate NOT BETWEEN actual / 3 AND actual * 3 THEN
		RETURN NEXT format('%s rows instead of %s of %s', estimate, actual, coalesce(node ->> 'Pushed Down', type));
	END IF;
	IF type = 'Nested Loop' AND ((node ->> 'Rows Removed by Join Filter')::float8 > 10000
		OR jsonb_path_exists(node -> 'Plans' -> 1, 'strict $.** ? (@."Node Type" == "Foreign Scan" && @."Actual Loops" > 500)')) THEN
		RETURN NEXT format('nested loop over %s rows', node -> 'Plans' -> 0 ->> 'Actual Rows');
	END IF;
	FOR child IN SELECT jsonb_array_elements(node -> 'Plans') LOOP
		RETURN QUERY SELECT pg_temp.faults(child, joins, all_rows AND type <> 'Limit'
			AND NOT (type = 'Nested Loop' AND node ->> 'Join Type' IN ('Semi', 'Anti') AND child ->> 'Parent Relationship' = 'Inner'));
	END LOOP;
END
$$;

CREATE FUNCTION pg_temp.faults_of(query text, joins boolean DEFAULT true) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, FORMAT json) ' || query INTO plan;
	RETURN (SELECT string_agg(f, '; ') FROM pg_temp.faults(plan -> 0 -> 'Plan', joins, true) AS f);
END
$$;

CREATE FUNCTION pg_temp.fetched(cursor refcursor) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
	ts timestamptz;
BEGIN
	FETCH cursor INTO ts;
	RETURN ts;
END
$$;

-- joins: whether those are judged, too
CREATE TEMP TABLE shape (at serial, query text, joins boolean DEFAULT true);
INSERT INTO shape (query) VALUES
	('SELECT * FROM telemetry.point'),
	('SELECT * FROM telemetry.point WHERE ts >= $newest'),
	('SELECT * FROM telemetry.point WHERE ts >= $newest + interval ''23 hours'''),
	('SELECT * FROM telemetry.point WHERE ts < $newest - interval ''1 day'''),
	('SELECT * FROM telemetry.point WHERE ts >= $newest - interval ''3 days'' AND ts < $newest - interval ''1 day'''),
	('SELECT * FROM telemetry.point WHERE ts > $newest + interval ''2 days'''),
	('SELECT * FROM telemetry.point WHERE metric = ''temperature'''),
	('SELECT * FROM telemetry.point WHERE metric = ''fast'' AND ts >= $newest'),
	('SELECT * FROM telemetry.point WHERE device_id = ''device-07'''),
	('SELECT * FROM telemetry.point WHERE device_id = ''device-07'' AND ts >= $newest'),
	('SELECT * FROM telemetry.point WHERE device_id = ''device-07'' AND metric = ''humidity'''),
	('SELECT * FROM telemetry.point WHERE device_id = ''device-07'' AND metric = ''humidity'' AND ts >= $newest - interval ''1 day'''),
	('SELECT * FROM telemetry.point WHERE device_id IN (''device-02'', ''device-03'', ''device-04'') AND ts >= $newest'),
	('SELECT * FROM telemetry.point WHERE device_id IN (''device-02'', ''device-03'') OR device_id = ''device-11'''),
	('SELECT * FROM telemetry.point WHERE device_id LIKE ''device-0%'''),
	('SELECT * FROM telemetry.point WHERE device_id ^@ ''device-0'' AND metric LIKE ''temp%'' AND ts >= $newest'),
	('SELECT * FROM telemetry.point WHERE device_id IN (''device-02'', ''device-03'') OR metric = ''humidity'''),
	('SELECT * FROM telemetry.point WHERE ts >= now() - $age::interval AND metric <> ''fast'''),
	('SELECT * FROM telemetry.point WHERE ts > now() - $age::interval - interval ''1 day'' AND ts < now() - $age::interval AND device_id = ''device-03'''),
	('SELECT * FROM telemetry.point WHERE metric = ''temperature'' AND num > 5 AND ts >= $newest'),
	('SELECT * FROM telemetry.point WHERE unit = ''°C'''),
	('SELECT metric, count(*) FROM telemetry.point WHERE ts >= $newest GROUP BY metric'),
	('SELECT ts::date, device_id, avg(num) FROM telemetry.point WHERE metric = ''humidity'' GROUP BY 1, 2'),
	('SELECT DISTINCT ON (device_id, metric) device_id, metric, ts, num FROM telemetry.point WHERE ts >= $newest ORDER BY device_id, metric, ts DESC'),
	('SELECT device_id, avg(num) FROM telemetry.point WHERE metric IN (''temperature'', ''humidity'') AND ts >= $newest GROUP BY device_id'),
	('SELECT d, (SELECT num FROM telemetry.point WHERE device_id = d AND metric = ''fast'' ORDER BY ts DESC LIMIT 1) '
		'FROM (VALUES (''device-01''), (''device-02'')) AS v (d)'),
	('SELECT * FROM telemetry.pending_point WHERE device_id = ''device-07'''),
	('SELECT * FROM telemetry.rolled_up_point WHERE metric = ''temperature'' AND ts >= $newest - interval ''1 day'''),
	-- joins
	('SELECT count(*) FROM telemetry.point a JOIN telemetry.point b USING (device_id, ts) '
		'WHERE a.metric = ''temperature'' AND b.metric = ''humidity'' AND a.ts >= $newest AND b.ts >= $newest'),
	('SELECT count(*) FROM telemetry.point a JOIN telemetry.point b USING (device_id, ts) '
		'WHERE a.metric = ''temperature'' AND b.metric = ''fast'' AND a.ts >= $newest'),
	('SELECT count(*) FROM telemetry.point a JOIN telemetry.point b USING (device_id, ts) JOIN telemetry.point c USING (device_id, ts) '
		'WHERE a.metric = ''temperature'' AND b.metric = ''humidity'' AND c.metric = ''fast'' AND a.ts >= $newest AND b.ts >= $newest AND c.ts >= $newest'),
	('SELECT count(*) FROM telemetry.point a LEFT JOIN telemetry.point b ON b.device_id = a.device_id AND b.ts = a.ts AND b.metric = ''humidity'' AND b.ts >= $newest '
		'WHERE a.metric = ''fast'' AND a.ts >= $newest'),
	('SELECT count(*) FROM telemetry.point a JOIN telemetry.point b USING (device_id, metric, ts) WHERE a.ts >= $newest AND a.num > 5'),
	('SELECT count(*) FROM telemetry.point a JOIN telemetry.point b ON b.device_id = a.device_id AND b.metric = a.metric AND b.ts = a.ts - interval ''1 day'' '
		'WHERE a.metric = ''temperature'' AND a.ts >= $newest AND b.ts >= $newest - interval ''1 day'' AND b.ts < $newest'),
	('SELECT count(*) FROM telemetry.point a JOIN telemetry.point b ON a.ts = b.ts '
		'WHERE a.device_id = ''device-01'' AND a.metric = ''fast'' AND b.device_id = ''device-02'' AND b.metric = ''fast'''),
	('SELECT count(*) FROM telemetry.point a JOIN telemetry.point b USING (device_id, ts) '
		'WHERE device_id IN (''device-02'', ''device-03'') AND a.metric = ''temperature'' AND b.metric = ''humidity'' AND a.ts >= $newest'),
	('SELECT site, avg(num) FROM telemetry.point JOIN device USING (device_id) WHERE metric = ''temperature'' AND ts >= $newest GROUP BY site'),
	('SELECT ts, num FROM telemetry.point JOIN device USING (device_id) WHERE site = ''north'' AND metric = ''fast'' AND ts >= $newest'),
	('SELECT ts, num FROM device JOIN telemetry.point USING (device_id) WHERE device.device_id = ''device-04'' AND ts >= $newest'),
	('SELECT count(num) FROM telemetry.point WHERE device_id IN (SELECT device_id FROM device WHERE site = ''north'') AND ts >= $newest'),
	('SELECT count(*) FROM telemetry.point a WHERE metric = ''fast'' AND ts >= $newest AND EXISTS '
		'(SELECT FROM telemetry.point b WHERE b.device_id = a.device_id AND b.ts = a.ts AND b.metric = ''humidity'' AND b.ts >= $newest)'),
	('SELECT count(*) FROM telemetry.point a WHERE metric = ''fast'' AND ts >= $newest AND NOT EXISTS '
		'(SELECT FROM telemetry.point b WHERE b.device_id = a.device_id AND b.ts = a.ts AND b.metric = ''humidity'' AND b.ts >= $newest)'),
	('SELECT count(*) FROM device d WHERE NOT EXISTS (SELECT FROM telemetry.point p WHERE p.device_id = d.device_id AND p.ts >= $newest)'),
	('SELECT d.device_id, p.ts, p.num FROM device d CROSS JOIN LATERAL '
		'(SELECT * FROM telemetry.point WHERE device_id = d.device_id AND metric = ''fast'' ORDER BY ts DESC LIMIT 1) p'),
	('SELECT a.* FROM telemetry.point a JOIN (SELECT device_id, metric, max(ts) AS ts FROM telemetry.point WHERE ts >= $newest GROUP BY 1, 2) m USING (device_id, metric, ts)'),
	('EXECUTE two_metrics (''temperature'', ''humidity'')');
-- Of hours, which are an expression, the planner supposes 200.
INSERT INTO shape (query, joins) VALUES
	('SELECT p.device_id, count(*) FROM telemetry.point p JOIN telemetry.metric_hourly h ON h.device_id = p.device_id AND h.metric = p.metric '
		'AND h.hour = date_trunc(''hour'', p.ts) WHERE p.metric = ''temperature'' AND p.ts >= $newest - interval ''1 day'' GROUP BY 1', false),
	('SELECT hour, avg FROM telemetry.metric_hourly_live WHERE metric = ''temperature'' AND device_id = ''device-03''', false);

-- Ordinary tables are analyzed by autovacuum, the rollups also.
CREATE TEMP TABLE device (device_id text COLLATE "C" PRIMARY KEY, site text);
INSERT INTO device SELECT format('device-%s', lpad(d::text, 2, '0')), CASE WHEN d % 4 = 0 THEN 'north' ELSE 'south' END FROM generate_series(0, 19) AS d;
ANALYZE device;
PREPARE two_metrics (text, text) AS
	SELECT count(*) FROM telemetry.point a JOIN telemetry.point b USING (device_id, ts) WHERE a.metric = $1 AND b.metric = $2;

CREATE FUNCTION pg_temp.check(day int, state text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT is(pg_temp.faults_of(replace(replace(query, '$newest', quote_literal(newest) || '::timestamptz'), '$age', quote_literal(now() - newest)), joins),
		NULL, format('day %s, %s: %s', day, state, query))
	FROM shape, LATERAL (SELECT '2024-03-01 UTC'::timestamptz + day * interval '1 day') AS t (newest) ORDER BY at
$$;

SELECT * FROM no_plan();
SELECT is((SELECT pg_temp.faults_of('SELECT * FROM telemetry.point WHERE device_id = ''device-01''')), NULL, 'empty store');
SELECT pg_temp.grow(0);
SELECT pg_temp.check(0, 'as ingested');
SELECT pg_temp.grow(1);
SELECT pg_temp.check(1, 'as ingested');
CALL telemetry.compact();
ANALYZE telemetry.rollup_hour, telemetry.rollup_day;
SELECT pg_temp.check(1, 'compacted');
SELECT pg_temp.grow(day) FROM generate_series(2, 12) AS day;
SELECT pg_temp.check(12, 'much as ingested');
CALL telemetry.compact();
ANALYZE telemetry.rollup_hour, telemetry.rollup_day;
SELECT pg_temp.grow(13);
SELECT pg_temp.check(13, 'the newest day as ingested');
CALL telemetry.compact();
ANALYZE telemetry.rollup_hour, telemetry.rollup_day;
SELECT pg_temp.check(13, 'all compacted');
-- What ANALYZE knows of the whole table does not take the place of what is known of a scan.
ANALYZE telemetry.point;
SELECT pg_temp.check(13, 'analyzed');
DELETE FROM pg_catalog.pg_statistic WHERE starelid = 'telemetry.point'::regclass;

-- Whoever may read has the same plans, and who may not is told so.
CREATE FUNCTION pg_temp.rows_for(role name) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', role);
	EXECUTE 'EXPLAIN (FORMAT json) SELECT * FROM telemetry.point AS a JOIN telemetry.point AS b USING (device_id, ts) WHERE a.metric = ''fast'' AND b.metric = ''humidity''' INTO plan;
	RESET ROLE;
	RETURN plan -> 0 -> 'Plan' ->> 'Plan Rows';
EXCEPTION WHEN insufficient_privilege THEN
	RETURN sqlstate;
END
$$;
SELECT is(pg_temp.rows_for('telemetry_reader'), pg_temp.rows_for(session_user), 'a join of a reader');
SELECT is(pg_temp.rows_for('pg_monitor'), '42501', 'a join of someone who may not read');

-- The newest and the oldest points are found in the blocks of their day.
CREATE FUNCTION pg_temp.blocks_read(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) ' || query INTO plan;
	RETURN jsonb_path_query_first(plan, 'strict $.**."Blocks Read"')::int;
END
$$;
SELECT ok(pg_temp.blocks_read('SELECT * FROM telemetry.point ' || q) <= (SELECT count(*) FROM telemetry.block WHERE day = d), q)
FROM (VALUES (date '2024-03-14', 'ORDER BY ts DESC LIMIT 20'), ('2024-03-01', 'ORDER BY ts LIMIT 20'),
	('2024-03-14', 'WHERE metric = ''fast'' ORDER BY ts DESC LIMIT 1'), ('2024-03-05', 'WHERE ts < ''2024-03-06 UTC'' ORDER BY ts DESC, device_id LIMIT 5')) AS v (d, q);
SELECT ok(pg_temp.blocks_read('SELECT ' || q || ' FROM telemetry.point') <= (SELECT count(*) FROM telemetry.block WHERE day = d), q)
FROM (VALUES (date '2024-03-14', 'max(ts)'), ('2024-03-01', 'min(ts)')) AS v (d, q);
SELECT ok(pg_temp.blocks_read('SELECT max(ts) FROM telemetry.point WHERE device_id LIKE ''device-1%''') <= (SELECT count(*) FROM telemetry.block WHERE day = '2024-03-14'),
	'max(ts) of some devices');
-- rescans, cursors, and rows that are not wanted
SELECT is((SELECT string_agg((m)::text, ' ' ORDER BY d) FROM generate_series(1, 13) AS d,
	LATERAL (SELECT max(ts) - (timestamptz '2024-03-01 UTC' + d * interval '1 day') FROM telemetry.point WHERE ts < timestamptz '2024-03-01 UTC' + d * interval '1 day') AS q (m)),
	(SELECT string_agg('-00:01:15', ' ') FROM generate_series(1, 13)), 'newest point before each of many times');
SELECT is((SELECT count(*) FROM (SELECT FROM telemetry.point ORDER BY ts LIMIT 3000) AS q), 3000::bigint, 'ordered by a column that is not selected');
BEGIN;
DECLARE newest SCROLL CURSOR FOR SELECT ts FROM telemetry.point ORDER BY ts DESC LIMIT 3000;
MOVE 2990 IN newest;
SELECT is(pg_temp.fetched('newest'), '2024-03-14 21:55:00 UTC'::timestamptz, 'cursor');
COMMIT;

-- What one session has learnt does not stand in the way of what comes, or goes.
BEGIN;
SELECT pg_temp.grow(14);
SELECT is(pg_temp.faults_of($$SELECT * FROM telemetry.point WHERE ts >= '2024-03-15 UTC'$$), NULL, 'points of the same transaction');
INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT '2024-03-15 UTC'::timestamptz + i * interval '1 minute', 'new-' || d, m, '1'
FROM generate_series(0, 999) AS i, generate_series(1, 30) AS d, unnest(ARRAY['left', 'right']) AS m;
SELECT is(pg_temp.faults_of($$SELECT count(*) FROM telemetry.point AS a JOIN telemetry.point AS b USING (device_id, ts) WHERE a.metric = 'left' AND b.metric = 'right'$$),
	NULL, 'a join of points of the same transaction, of metrics that are new');
ROLLBACK;
SELECT is(pg_temp.faults_of($$SELECT * FROM telemetry.point WHERE ts >= '2024-03-15 UTC'$$), NULL, 'and none after it is rolled back');
-- A clock that was wrong: the time between is empty.
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('1970-01-01 UTC', 'device-01', 'fast', '1');
SELECT is(pg_temp.faults_of('SELECT * FROM telemetry.point'), NULL, 'one point is decades older');
SELECT is(pg_temp.faults_of($$SELECT * FROM telemetry.point WHERE ts < '2024-03-02 UTC'$$), NULL, 'before and after an empty time');
SELECT is(pg_temp.faults_of($$SELECT * FROM telemetry.point WHERE ts BETWEEN '1980-01-01 UTC' AND '2020-01-01 UTC'$$), NULL, 'an empty time');

-- generic plans: a value that is not known is one of those that there are
PREPARE one_series (text, text) AS SELECT * FROM telemetry.point WHERE device_id = $1 AND metric = $2;
SELECT is(pg_temp.faults_of($$EXECUTE one_series ('device-03', 'humidity')$$), NULL, 'generic plan: one series');

SELECT telemetry.delete_points('device-01', NULL, NULL, NULL);
SELECT is(pg_temp.faults_of($$SELECT * FROM telemetry.point WHERE device_id = 'device-01'$$), NULL, 'a deleted device');
TRUNCATE telemetry.block;
SELECT is(pg_temp.faults_of('SELECT * FROM telemetry.point'), NULL, 'emptied store');

-- Clauses that are pushed down, against a plain table, at random.
CREATE TEMP TABLE plain (device_id text COLLATE "C", metric text COLLATE "C", ts timestamptz);
CREATE FUNCTION pg_temp.pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;
CREATE FUNCTION pg_temp.some_name() RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT string_agg(pg_temp.pick('a', 'a', 'b', 'ä', '%', '_', '\'), '') FROM generate_series(1, 1 + floor(random() * 4)::int) $$;

SELECT setseed(0.25);
INSERT INTO plain SELECT DISTINCT pg_temp.some_name(), pg_temp.some_name(), '2024-05-01 UTC'::timestamptz + floor(random() * 72) * interval '1 hour'
FROM generate_series(1, 6000);
SET telemetry.mixed_block_points = 0;
INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT ts, device_id, metric, '1' FROM plain WHERE ts < '2024-05-02 UTC';
SET telemetry.mixed_block_points = 131072;
INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT ts, device_id, metric, '1' FROM plain WHERE ts >= '2024-05-02 UTC';
RESET telemetry.mixed_block_points;

CREATE FUNCTION pg_temp.some_clause() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c text := pg_temp.pick('device_id', 'metric');
BEGIN
	CASE floor(random() * 9)::int
		WHEN 0 THEN RETURN format('%I LIKE %L', c, replace(pg_temp.some_name(), '\', '\\') || '%');
		WHEN 1 THEN RETURN format('%I LIKE %L', c, replace(pg_temp.some_name(), '\', '\\'));
		WHEN 2 THEN RETURN format('%I LIKE %L', c, regexp_replace(pg_temp.some_name(), '([\\%_])', '\\\1', 'g') || pg_temp.pick('%', '_', '_%', '%a', '%%', ''));
		WHEN 3 THEN RETURN format('%I LIKE %L ESCAPE ''!''', c, pg_temp.some_name() || '!%%');
		WHEN 4 THEN RETURN format('%I ^@ %L', c, pg_temp.some_name());
		WHEN 5 THEN RETURN format('starts_with(%I, %L)', c, pg_temp.pick('', 'a', 'b', 'ä%'));
		WHEN 6 THEN RETURN format('(%1$I IN (%2$L, %3$L) OR %1$I = %4$L)', c, pg_temp.some_name(), pg_temp.some_name(), pg_temp.some_name());
		WHEN 7 THEN RETURN format('(%1$I = %2$L OR %1$I = ANY (%3$L) OR %1$I = (SELECT %4$L))', c, pg_temp.some_name(), ARRAY[pg_temp.some_name(), NULL], pg_temp.some_name());
		WHEN 8 THEN RETURN format('(%1$I = %2$L OR %1$I LIKE %3$L)', c, pg_temp.some_name(), pg_temp.pick('a%', 'b_', '%'));
	END CASE;
END
$$;

CREATE FUNCTION pg_temp.wrong_clause(n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	conditions text;
	got text;
	wanted text;
	counted bigint;
	ordered text;
BEGIN
	FOR i IN 1 .. n LOOP
		conditions := pg_temp.some_clause() || CASE WHEN random() < 0.4 THEN ' AND ' || pg_temp.some_clause() ELSE '' END
			|| CASE WHEN random() < 0.3 THEN ' AND ts >= ''2024-05-01 20:00 UTC''' ELSE '' END;
		EXECUTE 'SELECT md5(string_agg(concat_ws(''|'', device_id, metric, ts), '','' ORDER BY device_id, metric, ts)) FROM telemetry.point WHERE ' || conditions INTO got;
		EXECUTE 'SELECT md5(string_agg(concat_ws(''|'', device_id, metric, ts), '','' ORDER BY device_id, metric, ts)), count(*) FROM plain WHERE ' || conditions INTO wanted, counted;
		IF got IS DISTINCT FROM wanted THEN
			RETURN conditions;
		END IF;
		EXECUTE 'SELECT count(*) FROM telemetry.point WHERE ' || conditions INTO got;
		IF got::bigint <> counted THEN
			RETURN 'count: ' || conditions;
		END IF;
		-- in the order of time: some from either end, or all
		ordered := format('WHERE %s ORDER BY ts %s LIMIT %s', conditions, pg_temp.pick('', 'DESC'), pg_temp.pick('1', '7', '500', 'ALL'));
		EXECUTE 'SELECT array_agg(ts)::text FROM (SELECT ts, value FROM telemetry.point ' || ordered || ') AS q' INTO got;
		EXECUTE 'SELECT array_agg(ts)::text FROM (SELECT ts FROM plain ' || ordered || ') AS q' INTO wanted;
		IF got IS DISTINCT FROM wanted THEN
			RETURN ordered;
		END IF;
		EXECUTE 'SELECT concat(min(ts), max(ts)) FROM telemetry.point WHERE ' || conditions INTO got;
		EXECUTE 'SELECT concat(min(ts), max(ts)) FROM plain WHERE ' || conditions INTO wanted;
		IF got IS DISTINCT FROM wanted THEN
			RETURN 'min and max: ' || conditions;
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;
CREATE FUNCTION pg_temp.round(seed int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM setseed(seed / 1000.0);
	RETURN is(pg_temp.wrong_clause(60), NULL, format('round %s: clauses select what they do of a plain table', seed));
END
$$;
SELECT pg_temp.round(i) FROM generate_series(1, 6) AS i;
CALL telemetry.compact();
SELECT pg_temp.round(i) FROM generate_series(7, 12) AS i;
-- the same in the order of time where the planner would sort
SET enable_sort = off;
SELECT pg_temp.round(i) FROM generate_series(13, 20) AS i;
RESET enable_sort;
SELECT throws_ok($$SELECT * FROM telemetry.point WHERE device_id LIKE 'a\'$$, '22025', NULL, 'a pattern that ends in an escape is refused');
SELECT * FROM finish();
TRUNCATE telemetry.block, telemetry.dead_letter;
