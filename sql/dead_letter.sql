-- telemetry.dead_letter and what a session keeps of rejected rows are bounded.
\set VERBOSITY terse
SET timezone = 'UTC';
SET search_path = telemetry, public;
TRUNCATE block, dead_letter;
CREATE FUNCTION pg_temp.reject(n int, more text DEFAULT '') RETURNS TABLE (rejected bigint, unkept bigint, listed int) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO telemetry.point_text (ts, device_id, metric, value, unit) SELECT '2024-01-01', 'd', 'm', 'bad ' || i, more FROM generate_series(1, n) AS i;
	RETURN QUERY SELECT r.rejected, r.unkept, jsonb_array_length(r.rows) FROM telemetry.ingest_result() AS r;
END
$$;

-- a_statement_keeps_so_many_rows
SET telemetry.dead_letter_rows = 300;
SELECT * FROM pg_temp.reject(1000);
SELECT count(*), min(payload ->> 'value'), max(id) - min(id) AS span FROM dead_letter;
SELECT * FROM pg_temp.reject(10);
-- the oldest of too many are pruned, the newest stay
CALL run_jobs('prune');
SELECT count(*), count(*) FILTER (WHERE payload ->> 'value' IN ('bad 1', 'bad 10')) AS of_the_second FROM dead_letter;
SET telemetry.dead_letter_rows = 0;
SELECT * FROM pg_temp.reject(3);
CALL run_jobs('prune');
SELECT count(*) FROM dead_letter;
RESET telemetry.dead_letter_rows;

-- the_table_takes_so_many_bytes: what comes then is counted only
VACUUM dead_letter;
SET telemetry.dead_letter_size = '256kB';
SELECT r.rejected, r.unkept > 1000 AS most_unkept, r.unkept < 4900 AS some_kept FROM pg_temp.reject(5000) AS r;
SELECT * FROM pg_temp.reject(1);
SELECT pg_relation_size('dead_letter') + pg_relation_size(reltoastrelid) < 512 * 1024 AS bounded FROM pg_class WHERE oid = 'dead_letter'::regclass;
-- large rows, which are in the other relation
SELECT * FROM pg_temp.reject(1, repeat('x', 4000));
-- an event is no exception
BEGIN;
INSERT INTO event (stream, event_type) VALUES ('no such stream', 'a');
SELECT rejected, unkept FROM ingest_result();
COMMIT;
-- job_prune_makes_room: a quarter, of the oldest
SELECT count(*) AS before, max(id) AS newest FROM dead_letter \gset
CALL run_jobs('prune');
SELECT count(*) < :before AS fewer, count(*) > 0 AS not_all, max(id) = :newest AS newest_stay FROM dead_letter;
VACUUM dead_letter;
SELECT * FROM pg_temp.reject(1);
SELECT * FROM pg_temp.reject(100);
SELECT pg_relation_size('dead_letter') + pg_relation_size(reltoastrelid) < 512 * 1024 AS bounded FROM pg_class WHERE oid = 'dead_letter'::regclass;
RESET telemetry.dead_letter_size;
SELECT * FROM pg_temp.reject(1);

-- retries_without_room: the letter stays, with one attempt more, and no other is touched
TRUNCATE dead_letter;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2999-01-01', 'd', 'first', '1'), ('2999-01-02', 'd', 'second', '1');
SET telemetry.dead_letter_rows = 0;
SELECT * FROM retry_dead_letters();
RESET telemetry.dead_letter_rows;
SELECT payload ->> 'metric_name' AS metric, code, attempts FROM dead_letter ORDER BY id;
SELECT * FROM retry_dead_letters();
SELECT payload ->> 'metric_name' AS metric, code, attempts FROM dead_letter ORDER BY id;

-- what_a_session_lists_takes_so_much_memory
SET telemetry.max_result_memory = '64kB';
BEGIN;
SELECT r.rejected, r.unkept, r.listed BETWEEN 100 AND 600 AS bounded FROM pg_temp.reject(5000) AS r;
SELECT used_bytes BETWEEN 1 AND 256 * 1024 AS bounded FROM pg_backend_memory_contexts WHERE name = 'telemetry ingest result';
COMMIT;
RESET telemetry.max_result_memory;
SELECT listed FROM pg_temp.reject(5000);
SET ROLE telemetry_writer;
SET telemetry.dead_letter_rows = 5;
RESET ROLE;
TRUNCATE block, dead_letter;
