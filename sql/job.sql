-- Jobs and the round of them that CALL telemetry.run_jobs() makes; workers are tested end to end.
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SET client_min_messages = warning;
DROP ROLE IF EXISTS job_reader, job_admin, job_stranger;
RESET client_min_messages;
CREATE ROLE job_reader IN ROLE telemetry_reader;
CREATE ROLE job_admin IN ROLE telemetry_admin;
CREATE ROLE job_stranger;

SELECT name, run_every, enabled FROM telemetry.job ORDER BY run_every, name;
-- Those of the extension rest here.
UPDATE telemetry.job SET enabled = false;
DELETE FROM telemetry.job_state;

CREATE TABLE job_log (id serial, what text, transaction xid8 DEFAULT pg_current_xact_id());
CREATE FUNCTION telemetry.job_test_fine() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.job_log (what) VALUES ('fine');
	RETURN false;
END
$$;
-- Has as much to do as the number of its rows is away from a multiple of three.
CREATE FUNCTION telemetry.job_test_more() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.job_log (what) VALUES ('more');
	RETURN (SELECT count(*) % 3 <> 0 FROM public.job_log WHERE what = 'more');
END
$$;
CREATE FUNCTION telemetry.job_test_broken() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.job_log (what) VALUES ('broken');
	RAISE EXCEPTION 'out of luck' USING ERRCODE = 'TL001', DETAIL = 'a detail', HINT = 'a hint';
END
$$;

-- each_job_runs_until_it_has_no_more_to_do, and each call of it is a transaction
INSERT INTO telemetry.job (name, description, run_every) VALUES
	('test_fine', 'Does it in one.', '10 s'), ('test_more', 'Takes three calls.', '1 h');
SELECT name, status, next_run_at, runs FROM telemetry.job_status WHERE enabled;
CALL telemetry.run_jobs();
SELECT what, count(*), count(DISTINCT transaction) AS transactions FROM job_log GROUP BY what ORDER BY what;
CREATE VIEW status AS
SELECT name, status, running_pid, last_steps, failures, runs, total_failures, total_steps, last_error, last_error_code
FROM telemetry.job_status WHERE name LIKE 'test%';
SELECT * FROM status;
SELECT name, next_run_at - last_started_at AS due_after, last_duration = last_finished_at - last_started_at AS duration_is_right, last_finished_at BETWEEN now() - interval '1 minute' AND now() AS just_now
FROM telemetry.job_status WHERE enabled;
-- A round does not ask whether they are due.
CALL telemetry.run_jobs();
SELECT * FROM status;

-- a_failing_job_stops_no_other, and waits twice as long each time
INSERT INTO telemetry.job (name, description, run_every) VALUES ('test_broken', 'Always fails.', '1 s');
CALL telemetry.run_jobs();
SELECT * FROM status;
SELECT what, count(*) FROM job_log GROUP BY what ORDER BY what;
SELECT last_error_context, last_error_at = last_finished_at AS when_it_was, next_run_at - last_finished_at AS due_after FROM telemetry.job_status WHERE name = 'test_broken';
SET client_min_messages = error;
CREATE TABLE job_wait (failure serial, wait interval);
CREATE PROCEDURE fail(times integer) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. times LOOP
		CALL telemetry.run_jobs('test_broken');
		INSERT INTO public.job_wait (wait) SELECT next_run_at - last_finished_at FROM telemetry.job_status WHERE name = 'test_broken';
	END LOOP;
END
$$;
CALL fail(10);
SELECT * FROM job_wait ORDER BY failure;
-- From a second to five minutes.
UPDATE telemetry.job SET run_every = '100 ms' WHERE name = 'test_broken';
DELETE FROM telemetry.job_state WHERE name = 'test_broken';
TRUNCATE job_wait RESTART IDENTITY;
CALL fail(5);
SELECT * FROM job_wait ORDER BY failure;
UPDATE telemetry.job SET run_every = '1 year' WHERE name = 'test_broken';
TRUNCATE job_wait RESTART IDENTITY;
CALL fail(1);
SELECT * FROM job_wait ORDER BY failure;
RESET client_min_messages;
CREATE OR REPLACE FUNCTION telemetry.job_test_broken() RETURNS boolean LANGUAGE sql AS 'SELECT false';
CALL telemetry.run_jobs('test_broken');
SELECT * FROM status WHERE name = 'test_broken';

-- what_is_not_a_function_of_a_job_is_an_error_of_that_job
CREATE FUNCTION pg_temp.becomes(result text, body text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DROP FUNCTION telemetry.job_test_broken();
	EXECUTE format('CREATE FUNCTION telemetry.job_test_broken() RETURNS %s LANGUAGE sql AS %L', result, body);
END
$$;
SELECT pg_temp.becomes('boolean', 'SELECT NULL::boolean');
CALL telemetry.run_jobs('test_broken');
SELECT pg_temp.becomes('integer', 'SELECT 1');
CALL telemetry.run_jobs('test_broken');
SELECT pg_temp.becomes('SETOF boolean', 'SELECT false UNION ALL SELECT false');
CALL telemetry.run_jobs('test_broken');
DROP FUNCTION telemetry.job_test_broken();
CALL telemetry.run_jobs('test_broken');
SELECT * FROM status WHERE name = 'test_broken';
DELETE FROM telemetry.job WHERE name = 'test_broken';
SELECT count(*) AS left_over FROM telemetry.job_state WHERE name = 'test_broken';

-- a_job_that_is_not_enabled_runs_only_by_name
SELECT name, enabled, status FROM telemetry.alter_job('test_fine', enabled => false);
TRUNCATE job_log;
CALL telemetry.run_jobs();
SELECT DISTINCT what FROM job_log;
CALL telemetry.run_jobs('test_fine');
SELECT DISTINCT what FROM job_log ORDER BY what;
\set VERBOSITY terse
CALL telemetry.run_jobs('absent');
CALL telemetry.run_jobs('');
\set VERBOSITY default
-- The hint of the error names those that there are.
CREATE FUNCTION pg_temp.hint_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN undefined_object THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN CASE WHEN hint LIKE 'There are %, test_fine, test_more.' THEN 'as it should be' ELSE hint END;
END
$$;
SELECT pg_temp.hint_of('CALL telemetry.run_jobs(''absent'')'), pg_temp.hint_of('SELECT telemetry.alter_job(''absent'')');

-- in_a_transaction_block_or_function_all_is_one_transaction
TRUNCATE job_log;
BEGIN;
CALL telemetry.run_jobs('test_more');
CALL telemetry.run_jobs('test_more');
SELECT what, count(*), count(DISTINCT transaction) AS transactions FROM job_log GROUP BY what ORDER BY what;
SELECT status, running_pid = pg_backend_pid() AS running_here FROM telemetry.job_status WHERE name = 'test_more';
SELECT runs AS runs_inside FROM status WHERE name = 'test_more';
ROLLBACK;
SELECT count(*) FROM job_log;
SELECT runs FROM status WHERE name = 'test_more';
CREATE FUNCTION pg_temp.run() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	CALL telemetry.run_jobs('test_more');
END
$$;
SELECT pg_temp.run();
SELECT what, count(*), count(DISTINCT transaction) AS transactions FROM job_log GROUP BY what ORDER BY what;
-- But in a DO at top level they are their own.
TRUNCATE job_log;
DO $$
BEGIN
	CALL telemetry.run_jobs('test_more');
END
$$;
SELECT what, count(*), count(DISTINCT transaction) AS transactions FROM job_log GROUP BY what ORDER BY what;
BEGIN READ ONLY;
CALL telemetry.run_jobs();
ROLLBACK;

-- a_cancelled_run_ends_there, and can be repeated
CREATE FUNCTION telemetry.job_test_long() RETURNS boolean LANGUAGE sql AS 'SELECT pg_sleep(current_setting(''test.sleep'')::float8); SELECT false';
INSERT INTO telemetry.job (name, description, run_every) VALUES ('test_long', 'Sleeps.', '1 s');
SET test.sleep = 60;
SET statement_timeout = '200ms';
CALL telemetry.run_jobs();
RESET statement_timeout;
SELECT status, running_pid, runs FROM status WHERE name = 'test_long';
SET test.sleep = 0;
CALL telemetry.run_jobs('test_long');
SELECT status, running_pid, runs FROM status WHERE name = 'test_long';
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory';

-- a_job_cannot_run_jobs
CREATE OR REPLACE FUNCTION telemetry.job_test_long() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	CALL telemetry.run_jobs('test_fine');
	RETURN false;
END
$$;
CALL telemetry.run_jobs('test_long');
DELETE FROM telemetry.job WHERE name = 'test_long';
DROP FUNCTION telemetry.job_test_long();

-- jobs_run_as_the_owner_in_a_safe_search_path, whoever calls
TRUNCATE job_log;
CREATE FUNCTION telemetry.job_test_who() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.job_log (what) VALUES
		(format('%s, search_path %s', CASE WHEN current_user::text = (SELECT tableowner FROM pg_tables WHERE schemaname = 'telemetry' AND tablename = 'block') THEN 'owner' ELSE current_user::text END,
			current_setting('search_path')));
	RETURN (SELECT count(*) < 2 FROM public.job_log);
END
$$;
INSERT INTO telemetry.job (name, description, run_every) VALUES ('test_who', 'Says who it is.', '1 s');
SET search_path = public;
SET ROLE job_admin;
CALL telemetry.run_jobs('test_who');
SELECT current_user, current_setting('search_path') AS search_path;
RESET ROLE;
RESET search_path;
SELECT what FROM job_log;
DELETE FROM telemetry.job WHERE name = 'test_who';
DROP FUNCTION telemetry.job_test_who();

-- alter_job_changes_what_it_is_told
SELECT name, enabled, run_every FROM telemetry.alter_job('test_fine', enabled => true);
SELECT name, enabled, run_every, next_run_at - last_started_at AS due_after FROM telemetry.alter_job('test_fine', '5 h');
SELECT name, next_run_at FROM telemetry.alter_job('test_fine', next_run_at => '2099-01-01');
SELECT name, next_run_at - now() < interval '1 minute' AS due_now FROM telemetry.alter_job('test_fine', next_run_at => '2001-01-01');
CALL telemetry.run_jobs('test_fine');
SELECT name, next_run_at - last_started_at AS due_after FROM telemetry.job_status WHERE name = 'test_fine';
SELECT name, next_run_at FROM telemetry.alter_job('test_fine', next_run_at => 'infinity');
SELECT name, enabled, next_run_at FROM telemetry.alter_job('test_fine', enabled => false);
SELECT name, enabled, next_run_at = 'infinity' AS never FROM telemetry.alter_job('test_fine', run_every => '5 h');
SELECT name, enabled, next_run_at - now() < interval '1 minute' AS due_now FROM telemetry.alter_job('test_fine', enabled => true);
\set VERBOSITY terse
SELECT telemetry.alter_job('absent', '5 h');
SELECT telemetry.alter_job(NULL, '5 h');
SELECT telemetry.alter_job('test_fine', '99 ms');
SELECT telemetry.alter_job('test_fine', '1 year 1 day');
INSERT INTO telemetry.job (name, description, run_every) VALUES ('No_name', '', '1 s');
INSERT INTO telemetry.job (name, description, run_every) VALUES (repeat('n', 60), '', '1 s');
\set VERBOSITY default

-- what_there_is_from_the_start_can_be_had_again, and what is there stays
BEGIN;
SELECT count(*) AS jobs FROM telemetry.job \gset
DELETE FROM telemetry.job WHERE name IN ('audit', 'prune');
UPDATE telemetry.job SET run_every = '3 s' WHERE name = 'roll_up';
DELETE FROM telemetry.layout;
SELECT telemetry.initialise();
SELECT count(*) = :jobs AS all_jobs, max(run_every) FILTER (WHERE name = 'roll_up') AS roll_up FROM telemetry.job;
SELECT count(*) AS layouts FROM telemetry.layout;
ROLLBACK;
-- jobs_are_dumped, their state is not
SELECT extcondition[array_position(extconfig, 'telemetry.job'::regclass::oid)] AS condition, array_position(extconfig, 'telemetry.job_state'::regclass::oid) AS state
FROM pg_extension WHERE extname = 'telemetry';

-- progress_shows_while_a_job_runs
TRUNCATE job_log;
CREATE FUNCTION telemetry.job_test_more_slowly() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	n CONSTANT bigint := (SELECT count(*) FROM public.job_log);
BEGIN
	INSERT INTO public.job_log (what)
	SELECT coalesce((SELECT format('%s: %s, %s of %s, since the start: %s', p.command, p.phase, p.done, coalesce(p.total::text, '?'), p.started_at < p.updated_at)
		FROM telemetry.progress AS p WHERE p.pid = pg_backend_pid() AND p.user_name = session_user), 'nothing');
	PERFORM telemetry.report_progress('test', 'phase ' || n, n, nullif(n, 0) * 10);
	RETURN n < 2;
END
$$;
INSERT INTO telemetry.job (name, description, run_every) VALUES ('test_more_slowly', 'Reports.', '1 s');
CALL telemetry.run_jobs('test_more_slowly');
SELECT what FROM job_log ORDER BY id;
SELECT count(*) AS progress FROM telemetry.progress;
-- Also when it fails.
CREATE OR REPLACE FUNCTION telemetry.job_test_more_slowly() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT count(*) FROM telemetry.progress) = 0 THEN
		PERFORM telemetry.report_progress('test', 'first', 0);
		RETURN true;
	END IF;
	RAISE EXCEPTION 'with % progress', (SELECT count(*) FROM telemetry.progress);
END
$$;
CALL telemetry.run_jobs('test_more_slowly');
SELECT count(*) AS progress FROM telemetry.progress;
SELECT telemetry.report_progress('a', NULL, 1);
-- Outside of jobs until the caller says so.
SELECT telemetry.report_progress('by hand', 'one', 1);
SELECT telemetry.report_progress('by hand', 'two', 2, 3);
SELECT command, phase, done, total FROM telemetry.progress;
SELECT telemetry.end_progress();
SELECT count(*) AS progress FROM telemetry.progress;
-- Rows of processes that are gone do not show, and are pruned.
INSERT INTO telemetry.progress_state VALUES (-1, now(), 'command', 'phase', 1, 2, now(), now()), (pg_backend_pid(), now() - interval '1 day', 'command', 'phase', 1, 2, now(), now());
SELECT count(*) AS progress FROM telemetry.progress;
SELECT telemetry.job_prune();
SELECT count(*) AS rows FROM telemetry.progress_state;
DELETE FROM telemetry.job WHERE name = 'test_more_slowly';
DROP FUNCTION telemetry.job_test_more_slowly();

-- expired_receipts_are_pruned_in_pieces
INSERT INTO telemetry.receipt SELECT 'old', 'batch ' || i, now() - interval '3 days', true, 1, 0, 1, '[]', '' FROM generate_series(1, 5001) AS i;
INSERT INTO telemetry.receipt VALUES ('old', 'kept', now(), true, 1, 0, 1, '[]', '');
CALL telemetry.run_jobs('prune');
SELECT last_steps FROM telemetry.job_status WHERE name = 'prune';
SELECT batch_id FROM telemetry.receipt WHERE device_id = 'old';
DELETE FROM telemetry.receipt WHERE device_id = 'old';

-- who_may_do_what
CREATE FUNCTION pg_temp.try(who name, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', who);
	EXECUTE statement;
	SET LOCAL ROLE NONE;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate || ' ' || sqlerrm;
END
$$;
SELECT a.statement, w.who, pg_temp.try(w.who, a.statement)
FROM (VALUES
	(1, 'SELECT * FROM telemetry.job_status'),
	(2, 'SELECT * FROM telemetry.progress'),
	(3, 'SELECT * FROM telemetry.worker'),
	(4, 'SELECT * FROM telemetry.job'),
	(5, 'SELECT * FROM telemetry.job_state'),
	(6, 'CALL telemetry.run_jobs(''test_fine'')'),
	(7, 'SELECT telemetry.alter_job(''test_fine'', ''10 s'')'),
	(8, 'UPDATE telemetry.job SET enabled = false'),
	(9, 'SELECT telemetry.job_prune()'),
	(10, 'SELECT telemetry.report_progress(''a'', ''b'', 1)'),
	(11, 'SELECT telemetry.end_progress()'),
	(12, 'SELECT telemetry.wake_launcher()')) AS a (id, statement),
	unnest(ARRAY['job_reader', 'job_admin', 'job_stranger']::name[]) WITH ORDINALITY AS w (who, i)
ORDER BY a.id, w.i;

-- without_preload_there_is_no_worker
SELECT * FROM telemetry.worker;
SELECT telemetry.wake_launcher();
SELECT telemetry.open_ingests();

DELETE FROM telemetry.job WHERE name LIKE 'test%';
UPDATE telemetry.job SET enabled = true;
DELETE FROM telemetry.job_state;
DROP FUNCTION telemetry.job_test_fine(), telemetry.job_test_more();
DROP PROCEDURE fail;
DROP VIEW status;
DROP TABLE job_log, job_wait;
DROP ROLE job_reader, job_admin, job_stranger;
