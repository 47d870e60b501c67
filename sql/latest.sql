-- telemetry.latest: the newest point of every series, by what is rolled up and what is not.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = telemetry, public;
TRUNCATE block, dead_letter, drop_log;
DELETE FROM retention;

CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line ~ '(Foreign Scan|Pushed Down|Points)' AND line !~ 'cause|level' THEN
			RETURN NEXT ltrim(line, ' ->');
		END IF;
	END LOOP;
END
$$;

-- an_empty_store_has_no_latest_points
SELECT * FROM latest;

-- a_point_is_there_at_once, and stays when it is rolled up
INSERT INTO point (ts, device_id, metric, value, unit, tags) VALUES
	('2024-03-01 10:00', 'a', 'temperature', '20', 'celsius', '{"room": 1}'),
	('2024-03-01 10:05', 'a', 'temperature', '21', 'celsius', NULL),
	('2024-03-01 10:00', 'a', 'door', '"open"', NULL, NULL),
	('2024-02-28 10:00', 'b', 'temperature', '5', NULL, NULL);
SELECT * FROM latest ORDER BY device_id, metric;
SELECT device_id, metric, ts, value, unit, tags, num FROM pending_latest ORDER BY device_id, metric;
SELECT job_roll_up();
SELECT * FROM latest ORDER BY device_id, metric;
SELECT count(*) FROM pending_latest;

-- a_late_point_changes_nothing, a newer one does, and of the same time the one that was written last
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-03-01 10:01', 'a', 'temperature', '0'), ('2024-03-01 10:00', 'a', 'door', '"shut"'),
	('2024-03-02 10:00', 'b', 'temperature', '6'), ('2024-03-01 10:00', 'c', 'temperature', '7');
SELECT * FROM latest ORDER BY device_id, metric;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-03-02 10:00', 'b', 'temperature', 'true');
SELECT * FROM latest WHERE device_id = 'b';
SELECT job_roll_up();
SELECT * FROM latest ORDER BY device_id, metric;

-- a_deleted_point_gives_way_to_the_one_before
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-03-03 10:00', 'c', 'temperature', '8'), ('2024-03-03 10:01', 'c', 'temperature', '9');
SELECT delete_points('c', 'temperature', '2024-03-03 10:01', NULL);
SELECT * FROM latest WHERE device_id = 'c';
SELECT delete_points('c', 'temperature', '2024-03-02', NULL), delete_points('a', 'temperature', '2024-03-01 10:05', NULL), delete_points('b', NULL, NULL, NULL);
SELECT * FROM latest ORDER BY device_id, metric;

-- an_expired_point_is_not_there, though its rollups are; what comes late later is
INSERT INTO retention VALUES ('temperature', 1, NULL);
CALL run_jobs('retention');
SELECT device_id, metric, last_ts FROM series ORDER BY device_id, metric;
SELECT * FROM latest ORDER BY device_id, metric;
DELETE FROM retention;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-02-01 10:00', 'c', 'temperature', '1');
SELECT * FROM latest ORDER BY device_id, metric;
SELECT job_roll_up();
SELECT * FROM latest ORDER BY device_id, metric;

-- conditions_on_device_and_metric_are_pushed_down_to_both_tables
SELECT pg_temp.plan($$SELECT * FROM latest WHERE device_id = 'a' AND metric = 'door'$$);
SELECT pg_temp.plan($$SELECT * FROM latest WHERE device_id IN ('a', 'b') AND metric = 'door'$$);
PREPARE of_device AS SELECT metric, value FROM latest WHERE device_id = $1 ORDER BY metric;
SET plan_cache_mode = force_generic_plan;
SELECT pg_temp.plan($$EXECUTE of_device('a')$$);
EXECUTE of_device('a');
RESET plan_cache_mode;
-- those_on_ts_are_of_the_newest_points
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-03-05 10:00', 'a', 'door', '"open"'), ('2024-03-06 10:00', 'a', 'door', '"shut"');
SELECT pg_temp.plan($$SELECT * FROM pending_latest WHERE ts < '2024-03-06' AND device_id = 'a'$$);
SELECT count(*) FROM pending_latest WHERE ts < '2024-03-06' AND device_id = 'a';
SELECT ts FROM pending_latest ORDER BY ts DESC LIMIT 1;
SELECT max(ts), count(*) FROM pending_latest WHERE device_id = 'a';

-- named_series_are_found_in_the_newest_blocks
INSERT INTO point (ts, device_id, metric, value) SELECT '2024-03-07'::timestamptz + i * interval '1 day', 'd', 'm', i FROM generate_series(1, 20) AS i;
CREATE FUNCTION pg_temp.blocks(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, BUFFERS OFF, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
		IF line ~ 'Blocks:' THEN
			RETURN ltrim(line);
		END IF;
	END LOOP;
END
$$;
SELECT pg_temp.blocks($$SELECT * FROM pending_latest WHERE device_id = 'd' AND metric = 'm'$$);
SELECT pg_temp.blocks($$SELECT * FROM pending_latest WHERE device_id = 'd'$$) <> pg_temp.blocks($$SELECT * FROM pending_latest WHERE device_id = 'd' AND metric = 'm'$$) AS others_are_looked_for;
SELECT * FROM pending_latest WHERE device_id = 'd' AND metric IN ('m', 'absent');

-- it_is_to_be_read_only
INSERT INTO pending_latest (ts, device_id, metric, value) VALUES ('2024-03-01', 'a', 'm', '1');
DELETE FROM pending_latest;
CREATE FOREIGN TABLE pg_temp.newest (ts timestamptz, device_id text, metric text, value telemetry.value) SERVER telemetry OPTIONS (newest 'true');
SELECT n.device_id, n.metric, n.ts = l.ts AND n.value = l.value AS same FROM pg_temp.newest AS n FULL JOIN latest AS l USING (device_id, metric) ORDER BY 1, 2;
INSERT INTO pg_temp.newest VALUES ('2024-03-01', 'a', 'm', '1');
ANALYZE pending_latest;
CREATE FOREIGN TABLE pg_temp.wrong (ts text) SERVER telemetry OPTIONS (newest 'true', text 'true');
TRUNCATE block, drop_log;
