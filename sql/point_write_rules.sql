-- What may be done to points besides inserting, and what repeated, late and rolled-back inserts leave.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = telemetry, public;
TRUNCATE block, dead_letter;

CREATE FUNCTION pg_temp.failure(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN sqlstate || ' ' || sqlerrm || CASE WHEN hint <> '' THEN E'\n' || hint ELSE '' END;
END
$$;

-- what_cannot_be_done says what can
SELECT pg_temp.failure($$UPDATE point SET value = '1' WHERE device_id = 'd'$$);
SELECT pg_temp.failure($$DELETE FROM point WHERE device_id = 'd'$$);
SELECT pg_temp.failure($$DELETE FROM point USING pg_class WHERE relname = device_id$$);
SELECT pg_temp.failure($$INSERT INTO point (ts, device_id, metric, value) VALUES (now(), 'd', 'm', '1') ON CONFLICT DO NOTHING$$);
SELECT pg_temp.failure($$INSERT INTO point (ts, device_id, metric, value) VALUES (now(), 'd', 'm', '1') ON CONFLICT (ts, device_id, metric) DO UPDATE SET value = excluded.value$$);
SELECT pg_temp.failure($$TRUNCATE point$$);
SELECT pg_temp.failure($$CREATE INDEX ON point (ts)$$);
SELECT pg_temp.failure($$MERGE INTO point AS p USING (VALUES ('d')) AS v (d) ON p.device_id = v.d WHEN NOT MATCHED THEN INSERT (ts, device_id, metric, value) VALUES (now(), d, 'm', '1')$$);
SELECT is_insertable_into FROM information_schema.tables WHERE table_schema = 'telemetry' AND table_name = 'point';
SELECT DISTINCT is_updatable FROM information_schema.columns WHERE table_schema = 'telemetry' AND table_name = 'point';
BEGIN READ ONLY;
SELECT pg_temp.failure($$INSERT INTO point (ts, device_id, metric, value) VALUES (now(), 'd', 'm', '1')$$);
COMMIT;
SELECT count(*) FROM point;

-- returning: the rows that are stored, as they can be read; those rejected are neither returned nor counted
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-01', 'returning', 'm', '1'), (NULL, 'returning', 'm', '2'), ('2024-01-01', 'returning', 'm', '3')
RETURNING ts, device_id, value, num, tableoid::regclass;
SELECT ts, value, num FROM point WHERE device_id = 'returning';
\set QUIET off
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-01', 'returning', 'm', '1'), (NULL, 'returning', 'm', '2');
INSERT INTO point (ts, device_id, metric, value) VALUES ('infinity', 'returning', 'm', '1'), ('2024-01-01', '', 'm', '2');
BEGIN;
COPY point (ts, device_id, metric, value) FROM STDIN;
2024-01-02	returning	m	1
infinity	returning	m	2
2024-01-03	returning	m	3
\.
\set QUIET on
SELECT received, accepted, rejected FROM ingest_result();
COMMIT;
WITH given AS (
	INSERT INTO point (ts, device_id, metric, value, unit, tags, metadata)
	SELECT '2024-02-01'::timestamptz + i * interval '1 hour', 'returning', 'kind ' || i, v, 'V', '{"a": 1}', CASE WHEN i % 2 = 0 THEN '{}'::jsonb END
	FROM unnest(ARRAY['5e-324', '-0', 'NaN', '1e300', '"text"', 'true', '{"a": [1]}', '{"$geo":[52.1,5.2]}', '{"$binary":"3q0="}', to_json(repeat('long', 1000))::text]::value[]) WITH ORDINALITY AS u (v, i)
	RETURNING *)
SELECT ts, device_id, metric, value::text, unit, tags, metadata, num::text INTO TEMP given FROM given;
SELECT count(*), count(num) FROM given;
SELECT * FROM given EXCEPT SELECT ts, device_id, metric, value::text, unit, tags, metadata, num::text FROM point;
-- and a trigger sees them so
CREATE FUNCTION pg_temp.tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '% %', new.value, new.num; RETURN NULL; END $$;
CREATE TRIGGER tell AFTER INSERT ON point FOR EACH ROW EXECUTE FUNCTION pg_temp.tell();
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-01', 'returning', 'm', '7'), (NULL, 'returning', 'm', '8'), ('2024-01-01', 'returning', 'm', '"nine"');
DROP TRIGGER tell ON point;
DROP TABLE given;

-- insert_from_the_table_itself
INSERT INTO point (ts, device_id, metric, value, unit)
SELECT '2024-01-01'::timestamptz + i * interval '1 minute', 'source', 'm', i::float8::value, 'V' FROM generate_series(1, 3000) AS i;
BEGIN;
INSERT INTO point (ts, device_id, metric, value, unit, tags, metadata)
SELECT ts + interval '1 second', 'copy of ' || device_id, metric, (num * 2)::value, unit, tags, metadata FROM point WHERE device_id = 'source';
SELECT received, accepted FROM ingest_result();
COMMIT;
SELECT device_id, count(*), sum(num), min(ts), max(unit) FROM point WHERE device_id LIKE '%source' GROUP BY 1 ORDER BY 1;
-- onto itself: each value is read before any is replaced
SET telemetry.batch_memory = '256kB';
INSERT INTO point (ts, device_id, metric, value) SELECT ts, device_id, metric, (num + 1)::value FROM point WHERE device_id = 'source';
RESET telemetry.batch_memory;
SELECT count(*), sum(num) FROM point WHERE device_id = 'source';

-- in_plpgsql: statement by statement, each sees what those before stored
CREATE FUNCTION pg_temp.record(device text, n int) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. n LOOP
		INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01'::timestamptz + i * interval '1 hour', device, 'm', i::float8::telemetry.value);
		RETURN NEXT (SELECT count(*) FROM telemetry.point WHERE device_id = device);
	END LOOP;
END
$$;
SELECT * FROM pg_temp.record('plpgsql', 3);
-- in_a_function_of_sql, and in one called for each row of a scan of the points
CREATE FUNCTION pg_temp.note(device text, at timestamptz) RETURNS timestamptz LANGUAGE sql AS
$$ INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES (at, device, 'note', '1') RETURNING ts $$;
SELECT pg_temp.note('noted', ts) FROM point WHERE device_id = 'plpgsql' ORDER BY ts;
SELECT count(*) FROM point WHERE device_id = 'noted';
-- an insert within an insert
BEGIN;
INSERT INTO point (ts, device_id, metric, value) SELECT pg_temp.note('inner', t), 'outer', 'm', '1' FROM generate_series('2024-01-01'::timestamptz, '2024-01-02', '12 hours') AS t;
SELECT received, accepted FROM ingest_result();
COMMIT;
SELECT device_id, count(*) FROM point WHERE device_id IN ('inner', 'outer') GROUP BY 1 ORDER BY 1;
-- a trigger on another table
CREATE TEMP TABLE log (at timestamptz, what text);
CREATE FUNCTION pg_temp.log_point() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES (new.at, 'trigger', 'log', new.what::telemetry.value);
	RETURN new;
END
$$;
CREATE TRIGGER log_point AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION pg_temp.log_point();
INSERT INTO log VALUES ('2024-01-01', 'one'), ('2024-01-02', 'two');
SELECT ts, value FROM point WHERE device_id = 'trigger' ORDER BY ts;

-- with: the statement around does not see the points yet
WITH stored AS (
	INSERT INTO point (ts, device_id, metric, value) SELECT '2024-01-01'::timestamptz + i * interval '1 s', 'with', 'm', i::float8::value FROM generate_series(1, 5) AS i RETURNING num, value)
SELECT count(*), (SELECT count(*) FROM point WHERE device_id = 'with') AS visible FROM stored;
SELECT count(*) FROM point WHERE device_id = 'with';
-- not read at all, or only in part
WITH stored AS (INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-02', 'with', 'm', '1') RETURNING ts) SELECT 1;
WITH stored AS (INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-03', 'with', 'm', '1'), ('2024-01-04', 'with', 'm', '1') RETURNING ts) SELECT ts FROM stored LIMIT 1;
SELECT count(*) FROM point WHERE device_id = 'with';
EXPLAIN (COSTS OFF) INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-05', 'with', 'm', '1');
-- (rows have decimals since 18)
CREATE FUNCTION pg_temp.analyzed(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, BUFFERS OFF, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
		RETURN NEXT regexp_replace(line, '(rows=\d+)\.00', '\1');
	END LOOP;
END
$$;
SELECT pg_temp.analyzed($$INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-05', 'with', 'm', '1')$$);
SELECT count(*) FROM point WHERE device_id = 'with';

-- a_savepoint_takes_its_points_with_it
BEGIN;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-01', 'savepoint', 'm', '1');
SAVEPOINT s;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-01', 'savepoint', 'm', '2'), ('2024-01-02', 'savepoint', 'm', '2'), ('infinity', 'savepoint', 'm', '2');
SELECT count(*), sum(num) FROM point WHERE device_id = 'savepoint';
ROLLBACK TO s;
SELECT count(*), sum(num) FROM point WHERE device_id = 'savepoint';
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-03', 'savepoint', 'm', '3');
COMMIT;
SELECT ts, num FROM point WHERE device_id = 'savepoint' ORDER BY ts;
SELECT count(*) FROM dead_letter WHERE payload ->> 'device_id' = 'savepoint';

-- loading_twice_changes_nothing, and a changed value wins
CREATE TEMP TABLE file AS
	SELECT '2024-03-01'::timestamptz + (i % 500) * interval '7 minutes' AS ts, 'load-' || i / 500 AS device_id, 'm' AS metric, i::float8::value AS value
	FROM generate_series(0, 9999) AS i;
CREATE FUNCTION pg_temp.loaded() RETURNS TABLE (n bigint, keys bigint, total float8) LANGUAGE sql AS
$$ SELECT count(*), count(DISTINCT (ts, device_id, metric)), sum(num) FROM telemetry.point WHERE device_id LIKE 'load-%' $$;
INSERT INTO point (ts, device_id, metric, value) SELECT * FROM file;
SELECT * FROM pg_temp.loaded();
BEGIN;
INSERT INTO point (ts, device_id, metric, value) SELECT * FROM file;
SELECT received, accepted, duplicates FROM ingest_result();
COMMIT;
SELECT * FROM pg_temp.loaded();
UPDATE file SET value = '-1' WHERE device_id = 'load-3';
INSERT INTO point (ts, device_id, metric, value) SELECT * FROM file ORDER BY random();
SELECT * FROM pg_temp.loaded();
SELECT device_id, min(num), max(num) FROM point WHERE device_id IN ('load-2', 'load-3') GROUP BY 1 ORDER BY 1;
-- also when it is of another kind, and its unit goes
INSERT INTO point (ts, device_id, metric, value, unit) VALUES ('2024-03-01', 'load-3', 'm', '5', 'V');
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-03-01', 'load-3', 'm', '"broken"');
SELECT value, unit, num FROM point WHERE device_id = 'load-3' AND ts = '2024-03-01';
SELECT value, unit FROM point WHERE device_id = 'load-3' AND metric = 'm' AND ts <= '2024-03-01' ORDER BY ts DESC LIMIT 1;

-- the_last_of_several_rows_wins, though the batch is flushed between them
SET telemetry.batch_memory = '256kB';
SET telemetry.mixed_block_points = 1000;
BEGIN;
INSERT INTO point (ts, device_id, metric, value, unit)
SELECT '2024-04-01'::timestamptz + (i % 7000) * interval '1 second', 'flushes', 'm', i::float8::value, CASE WHEN i % 2 = 0 THEN 'V' END
FROM generate_series(1, 20000) AS i;
SELECT count(*) > 2 AS several_blocks, count(DISTINCT seq) > 2 AS several_flushes FROM block WHERE day = '2024-04-01';
-- A repeat is counted as one only if both rows were in memory together.
SELECT received, accepted + duplicates = 20000 AS all_of_them, accepted BETWEEN 7000 AND 20000 AS plausible, rejected FROM ingest_result();
COMMIT;
SELECT count(*), min(num), max(num), sum(num) = (SELECT sum(i) FROM generate_series(13001, 20000) AS i) AS newest, count(unit) FROM point WHERE device_id = 'flushes';
RESET telemetry.batch_memory;
RESET telemetry.mixed_block_points;

-- days_begin_at_midnight_utc, whatever the time zone of the session
SET timezone = 'Pacific/Auckland';
INSERT INTO point (ts, device_id, metric, value)
SELECT t, 'midnight', 'm', extract(epoch FROM t)::float8::value
FROM unnest(ARRAY['2024-02-28 23:59:59.999999+00', '2024-02-29 00:00:00+00', '2024-02-29 00:00:00.000001+00', '2024-02-29 23:59:59.999999+00', '2024-03-01 00:00:00+00',
	'1999-12-31 23:59:59.999999+00', '2000-01-01 00:00:00+00', '1999-12-31 00:00:00+00', '1900-01-01 00:00:00+00', '1899-12-31 23:59:59.999999+00',
	'1970-01-01 00:00:00+00', '1969-12-31 12:00:00+00']::timestamptz[]) AS t;
SET timezone = 'UTC';
SELECT b.day, b.min_ts, b.max_ts, s.n FROM block AS b, block_series(b.data) AS s WHERE s.device_id = 'midnight' ORDER BY b.day;
SELECT ts, num = extract(epoch FROM ts)::float8 AS right FROM point WHERE device_id = 'midnight' ORDER BY ts;
SELECT ts FROM point WHERE device_id = 'midnight' AND metric = 'm' ORDER BY ts DESC LIMIT 4;
SELECT ts FROM point WHERE device_id = 'midnight' AND ts < '2000-01-01' AND ts >= '1999-12-31' ORDER BY ts;

-- a_series_longer_than_a_frame comes in any order, goes over midnight, and is read in every order
INSERT INTO point (ts, device_id, metric, value)
SELECT '2024-05-01 20:00'::timestamptz + i * interval '1 second', 'long', 'm', (i % 977)::float8::value FROM generate_series(0, 19999) AS i ORDER BY md5(i::text);
SELECT s.n, s.first_ts, s.last_ts FROM block AS b, block_series(b.data) AS s WHERE s.device_id = 'long' ORDER BY s.first_ts;
SELECT count(*), sum(num), min(ts), max(ts) FROM point WHERE device_id = 'long';
SELECT bool_and(num = (extract(epoch FROM ts - '2024-05-01 20:00')::int % 977) AND step = interval '1 second') FROM (
	SELECT ts, num, coalesce(ts - lag(ts) OVER (ORDER BY ts), '1 s') AS step FROM point WHERE device_id = 'long' AND metric = 'm') AS p;
SELECT array_agg(num) FROM (SELECT num FROM point WHERE device_id = 'long' AND metric = 'm' AND ts < '2024-05-02 00:00:02' ORDER BY ts DESC LIMIT 5) AS p;
SELECT array_agg(num) FROM (SELECT num FROM point WHERE device_id = 'long' AND metric = 'm' AND ts >= '2024-05-01 21:08:14' ORDER BY ts LIMIT 5) AS p;
SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY ts DESC) AS r, ts FROM point WHERE device_id = 'long' AND metric = 'm') AS p
WHERE ts <> '2024-05-01 20:00'::timestamptz + (20000 - r) * interval '1 second';

-- many_series_of_few_points, more than fit into a frame
INSERT INTO point (ts, device_id, metric, value, tags)
SELECT '2024-06-01'::timestamptz + i % 3 * interval '1 hour', 'wide-' || i / 3, 'm', i::float8::value, jsonb_build_object('i', i % 7) FROM generate_series(0, 8999) AS i ORDER BY md5(i::text);
SELECT count(*), count(DISTINCT device_id), sum(num), count(DISTINCT tags) FROM point WHERE ts >= '2024-06-01' AND ts < '2024-06-02';
SELECT ts, num, tags FROM point WHERE device_id = 'wide-1234' ORDER BY ts;
SELECT count(*) FROM point WHERE ts >= '2024-06-01' AND ts < '2024-06-02' AND (tags ->> 'i')::int <> num::int % 7;

-- every_block_is_whole
SELECT sum(check_block(data)) = sum(n) AS whole FROM block;
TRUNCATE block, dead_letter;
