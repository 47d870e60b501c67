-- Nobody gains rights: nothing that a role has made or set runs with rights which that role lacks. Whatever
-- is planted here makes its owner a superuser if it is given the rights to.
\set VERBOSITY terse
\set ON_ERROR_STOP off
\set regress_db :DBNAME
SET client_min_messages = warning;
DROP ROLE IF EXISTS rights_mallory, rights_admin;
CREATE ROLE rights_mallory IN ROLE telemetry_writer, telemetry_reader;
CREATE ROLE rights_admin IN ROLE telemetry_admin;
CREATE SCHEMA planted AUTHORIZATION rights_mallory;
GRANT USAGE, CREATE ON SCHEMA planted TO rights_admin;
RESET client_min_messages;
CREATE VIEW public.gained AS SELECT rolname FROM pg_roles WHERE rolname LIKE 'rights!_%' ESCAPE '!' AND rolsuper ORDER BY rolname;

SET ROLE rights_mallory;
CREATE FUNCTION planted.seize(who name) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
		EXECUTE format('ALTER ROLE %I SUPERUSER', who);
	END IF;
END
$$;
GRANT EXECUTE ON FUNCTION planted.seize(name) TO PUBLIC;
CREATE FUNCTION planted.unnest(uuid[]) RETURNS SETOF uuid LANGUAGE plpgsql AS $$
BEGIN
	PERFORM planted.seize('rights_mallory');
	RETURN QUERY SELECT pg_catalog.unnest($1);
END
$$;
CREATE FUNCTION planted.is_equal(a int, b int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM planted.seize('rights_mallory');
	RETURN a OPERATOR(pg_catalog.=) b;
END
$$;
CREATE OPERATOR planted.= (LEFTARG = int, RIGHTARG = int, FUNCTION = planted.is_equal);
RESET ROLE;

-- statements_of_ours_do_not_use_the_callers_search_path: the ledger's look-up, the horizon's. In sessions of their
-- own, because statements are prepared once a session.
INSERT INTO telemetry.stream (name, description) VALUES ('rights', 'For this test.');
\c
SET ROLE rights_mallory;
SET search_path = planted, pg_catalog;
SELECT telemetry.ingest_event('{"stream": "rights", "event_id": "1", "event_type": "a"}') ->> 'success' AS stored;
SELECT telemetry.ingest_event('{"stream": "rights", "event_id": "1", "event_type": "a"}') ->> 'duplicates' AS duplicates;
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01', 'rights', 'm', '1');
RESET ROLE;
\c
SET ROLE rights_admin;
SET search_path = planted, pg_catalog;
CALL telemetry.run_jobs('roll_up');
RESET ROLE;
RESET search_path;
SELECT * FROM public.gained;

-- what_a_role_sets_runs_with_no_more_than_its_rights: an access check, by a retry of dead letters and by a superuser's COPY
DELETE FROM telemetry.dead_letter;
SET ROLE rights_admin;
CREATE FUNCTION planted.check_access(subject_id text, user_id text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM planted.seize('rights_admin');
	RETURN current_user OPERATOR(pg_catalog.=) 'rights_admin';
END
$$;
UPDATE telemetry.stream SET access_check = 'planted.check_access(text, text)', access_failure = 'reject', event_types = '{b}' WHERE name = 'rights';
SELECT telemetry.ingest_event('[{"stream": "rights", "event_id": "2", "event_type": "a", "subject_id": "s"}]') ->> 'rejected' AS rejected;
UPDATE telemetry.stream SET event_types = NULL WHERE name = 'rights';
SELECT * FROM telemetry.retry_dead_letters();
RESET ROLE;
BEGIN;
COPY telemetry.event (stream, event_id, event_type, subject_id) FROM STDIN;
rights	3	a	s
\.
SELECT accepted, rejected FROM telemetry.ingest_result();
COMMIT;
SELECT * FROM public.gained;

-- Nor can it create what it could not leave behind otherwise, and it cannot be led astray by whoever ingests.
SET ROLE rights_admin;
CREATE OR REPLACE FUNCTION planted.check_access(subject_id text, user_id text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'SET ROLE rights_mallory';
	RETURN true;
END
$$;
RESET ROLE;
SET client_min_messages = notice;
SELECT telemetry.ingest_event('{"stream": "rights", "event_id": "4", "event_type": "a", "subject_id": "s"}') -> 'code' AS code;
SET ROLE rights_admin;
CREATE OR REPLACE FUNCTION planted.check_access(subject_id text, user_id text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RETURN 1 = 1 AND current_user = 'rights_admin' AND current_setting('search_path') = 'pg_catalog, pg_temp';
END
$$;
RESET ROLE;
SET ROLE rights_mallory;
SET search_path = planted, pg_catalog;
SELECT telemetry.ingest_event('{"stream": "rights", "event_id": "5", "event_type": "a", "subject_id": "s"}') -> 'success' AS success;
SELECT pg_catalog.current_setting('search_path');
RESET search_path;
RESET ROLE;

-- What it sets ends with the call, so that it cannot lead the caller's next statements astray.
SET ROLE rights_admin;
CREATE OR REPLACE FUNCTION planted.check_access(subject_id text, user_id text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('search_path', 'planted, pg_catalog', false), set_config('default_transaction_read_only', 'on', false);
	RETURN true;
END
$$;
RESET ROLE;
SELECT telemetry.ingest_event('{"stream": "rights", "event_id": "7", "event_type": "a", "subject_id": "s"}') -> 'success' AS success;
SHOW search_path;
SHOW default_transaction_read_only;

-- Whoever has the rights of the current role, but not of the session's, cannot go back to those of the session.
GRANT telemetry_writer TO rights_admin;
SET ROLE rights_admin;
CREATE OR REPLACE FUNCTION planted.check_access(subject_id text, user_id text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RESET ROLE;
	PERFORM planted.seize('rights_admin');
	RETURN true;
END
$$;
RESET ROLE;
SET ROLE telemetry_writer;
SELECT telemetry.ingest_event('{"stream": "rights", "event_id": "8", "event_type": "a", "subject_id": "s"}') -> 'success' AS success;
RESET ROLE;
SELECT * FROM public.gained;

-- checks_do_not_nest: the timer and the signal are of one check
SET ROLE rights_admin;
CREATE OR REPLACE FUNCTION planted.check_access(subject_id text, user_id text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM telemetry.ingest_event('{"stream": "rights", "event_id": "9", "event_type": "a", "subject_id": "s"}');
	RETURN true;
END
$$;
RESET ROLE;
SELECT telemetry.ingest_event('{"stream": "rights", "event_id": "10", "event_type": "a", "subject_id": "s"}') -> 'success' AS success;
SET statement_timeout = '100 ms';
SELECT pg_sleep(20);
RESET statement_timeout;

-- triggers_of_ours_are_of_our_tables_only: on others their rows would be taken for what they are not
SET ROLE rights_mallory;
CREATE TABLE planted.victim (name text);
CREATE TRIGGER planted AFTER DELETE ON planted.victim FOR EACH ROW EXECUTE FUNCTION telemetry.follow_stream();
CREATE VIEW planted.request AS SELECT 1::bigint AS route, 2::bigint AS params, 3::bigint AS body WHERE false;
CREATE TRIGGER planted INSTEAD OF INSERT ON planted.request FOR EACH ROW EXECUTE FUNCTION telemetry.http_event_row();
RESET ROLE;
CREATE TRIGGER planted BEFORE INSERT ON planted.request FOR EACH STATEMENT EXECUTE FUNCTION telemetry.http_event_statement();
CREATE TRIGGER planted_too INSTEAD OF INSERT ON planted.request FOR EACH ROW EXECUTE FUNCTION telemetry.http_event_row();
INSERT INTO planted.request VALUES (1234567, 5, 6);
CREATE TABLE planted.dialect (name int);
CREATE TRIGGER planted BEFORE INSERT ON planted.dialect FOR EACH ROW EXECUTE FUNCTION telemetry.check_dialect();
INSERT INTO planted.dialect VALUES (1);
SELECT p.oid::regprocedure AS may_be_put_on_any_table
FROM pg_proc AS p
WHERE p.pronamespace = 'telemetry'::regnamespace AND p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype)
	AND has_function_privilege('rights_mallory', p.oid, 'EXECUTE');

-- who_pretends_to_restore_names_no_function_that_is_not_there
SET ROLE rights_admin;
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET standard_conforming_strings = on;
SET xmloption = content;
INSERT INTO telemetry.stream (name, description, access_check) VALUES ('rights_too', '-', 'public.not_there(text, text)');
RESET ROLE;
\c
SET client_min_messages = notice;

-- A superuser's function runs as whoever calls it.
CREATE FUNCTION public.superusers_check(subject_id text, user_id text) RETURNS boolean LANGUAGE sql AS $$ SELECT current_user = subject_id $$;
UPDATE telemetry.stream SET access_check = 'public.superusers_check(text, text)' WHERE name = 'rights';
SET ROLE rights_mallory;
SELECT telemetry.ingest_event('{"stream": "rights", "event_id": "6", "event_type": "a", "subject_id": "rights_mallory"}') -> 'success' AS success;
RESET ROLE;

-- who_names_a_function_must_have_the_rights_of_its_owner, when it changes
SET ROLE rights_admin;
UPDATE telemetry.stream SET description = 'Of a superuser''s check.', access_check = access_check WHERE name = 'rights';
UPDATE telemetry.stream SET access_check = NULL WHERE name = 'rights';
UPDATE telemetry.stream SET access_check = 'public.superusers_check(text, text)' WHERE name = 'rights';
INSERT INTO telemetry.stream (name, description, access_check) VALUES ('rights_too', '-', 'public.superusers_check(text, text)');
RESET ROLE;
DROP FUNCTION public.superusers_check;

-- a_job_that_is_not_the_extensions_runs_as_its_owner
GRANT CREATE ON SCHEMA telemetry TO rights_admin;
SET ROLE rights_admin;
CREATE FUNCTION telemetry.job_planted() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM planted.seize('rights_admin');
	RAISE NOTICE 'job_planted() is called as %', current_user;
	RETURN false;
END
$$;
RESET ROLE;
REVOKE CREATE ON SCHEMA telemetry FROM rights_admin;
INSERT INTO telemetry.job (name, description, run_every) VALUES ('planted', 'Planted.', '1 min');
CALL telemetry.run_jobs('planted');
DELETE FROM telemetry.job WHERE name = 'planted';
SELECT * FROM public.gained;

-- route_functions_run_as_their_owner, called by the proxy's role
SET ROLE rights_admin;
CREATE FUNCTION planted.answer(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE plpgsql AS $$
BEGIN
	PERFORM planted.seize('rights_admin');
	RETURN ROW(200, jsonb_build_object('user', current_user, 'path', current_setting('search_path'), 'x', params -> 'x', 'body', body), NULL::text);
END
$$;
INSERT INTO telemetry.dialect (name, description) VALUES ('rights', 'For this test.');
INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
	('GET', '/rights', 'For this test.', 'rights', 'planted.answer(jsonb, jsonb)');
-- One that an extension has made to serve routes may be named by all who write routes.
INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
	('GET', '/rights/health', 'For this test.', 'rights', 'telemetry.http_health(jsonb, jsonb)');
RESET ROLE;
CREATE FUNCTION public.superusers_answer(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE sql AS
	$$ SELECT 200, to_jsonb(current_user::text), NULL $$;
SET ROLE rights_admin;
INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
	('GET', '/rights/super', 'For this test.', 'rights', 'public.superusers_answer(jsonb, jsonb)');
RESET ROLE;
INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
	('GET', '/rights/super', 'For this test.', 'rights', 'public.superusers_answer(jsonb, jsonb)');
SELECT * FROM telemetry.http_call('GET /rights', '{"x": 1}', '2');
SET ROLE rights_mallory;
SET search_path = planted, pg_catalog;
SELECT status, body ->> 'user' AS as_whom FROM telemetry.http_call('GET /rights', '{}');
SELECT body FROM telemetry.http_call('GET /rights/super', '{}');
SELECT status FROM telemetry.http_call('GET /rights/health', '{}');
SELECT * FROM telemetry.http_call('GET /nowhere', '{}');
RESET search_path;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION public.superusers_answer FROM PUBLIC;
SET ROLE rights_mallory;
SELECT body FROM telemetry.http_call('GET /rights/super', '{}');
RESET ROLE;
DROP FUNCTION public.superusers_answer;
SELECT body FROM telemetry.http_call('GET /rights/super', '{}');
DELETE FROM telemetry.dialect WHERE name = 'rights';
SELECT * FROM public.gained;

-- create_extension_takes_nothing_of_what_others_have_put_where_it_looks
CREATE DATABASE rights_planted;
GRANT CREATE ON DATABASE rights_planted TO rights_mallory;
\c rights_planted
SET client_min_messages = warning;
CREATE EXTENSION hll SCHEMA public;
SET ROLE rights_mallory;
CREATE SCHEMA telemetry;
RESET ROLE;
\set VERBOSITY default
\set SHOW_CONTEXT never
CREATE EXTENSION telemetry;
\set VERBOSITY terse
DROP SCHEMA telemetry;

GRANT CREATE ON SCHEMA public TO rights_mallory;
SET ROLE rights_mallory;
CREATE FUNCTION public.seize() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
		ALTER ROLE rights_mallory SUPERUSER;
	END IF;
	RETURN true;
END
$$;
CREATE FUNCTION public.planted_step(state hll, value hll_hashval, int, int, int, int) RETURNS hll LANGUAGE sql
	AS $$ SELECT CASE WHEN public.seize() THEN state END $$;
CREATE AGGREGATE public.hll_add_agg(hll_hashval, int, int, int, int) (SFUNC = public.planted_step, STYPE = hll);
CREATE FUNCTION public.nullif(text, text) RETURNS text LANGUAGE sql AS $$ SELECT CASE WHEN public.seize() THEN $1 END $$;
CREATE FUNCTION public.round(bigint) RETURNS bigint LANGUAGE sql AS $$ SELECT CASE WHEN public.seize() THEN $1 END $$;
CREATE FUNCTION public.greatest(timestamptz, timestamptz) RETURNS timestamptz LANGUAGE sql AS $$ SELECT CASE WHEN public.seize() THEN $1 END $$;
RESET ROLE;
CREATE EXTENSION telemetry;
SET ROLE rights_mallory;
CREATE FUNCTION public.hll_cardinality(telemetry.uniques) RETURNS float8 LANGUAGE sql AS $$ SELECT CASE WHEN public.seize() THEN 1 END $$;
CREATE FUNCTION public.hll_union(telemetry.uniques, telemetry.uniques) RETURNS hll LANGUAGE sql AS $$ SELECT CASE WHEN public.seize() THEN $1 END $$;
RESET ROLE;
SELECT format('CREATE EXTENSION %I', name) FROM pg_available_extensions WHERE name LIKE 'telemetry!_%' ESCAPE '!' ORDER BY name
\gexec
INSERT INTO telemetry.stream (name, description) VALUES ('rights', 'For this test.');
INSERT INTO telemetry.event (stream, event_id, event_type, user_id, subject_id) SELECT 'rights', 'e' || i, 't', 'u' || i % 7, 's' FROM generate_series(1, 20) AS i;
CALL telemetry.run_jobs('roll_up_events');
SELECT n, unique_users FROM telemetry.event_daily WHERE stream = 'rights';
SELECT n, unique_users FROM telemetry.event_daily_live WHERE stream = 'rights';
SELECT round(hll_cardinality(hll_union_agg(users))) FROM telemetry.event_hourly;
SELECT rolname FROM pg_roles WHERE rolname LIKE 'rights!_%' ESCAPE '!' AND rolsuper;
-- Nothing of ours depends on what is no extension's.
SELECT pg_describe_object(d.classid, d.objid, 0) AS ours, pg_describe_object(d.refclassid, d.refobjid, 0) AS depends_on
FROM pg_depend AS m
JOIN pg_extension AS e ON e.oid = m.refobjid AND e.extname LIKE 'telemetry%' AND m.refclassid = 'pg_extension'::regclass AND m.deptype = 'e'
JOIN pg_depend AS d ON d.classid = m.classid AND d.objid = m.objid
JOIN pg_proc AS p ON d.refclassid = 'pg_proc'::regclass AND p.oid = d.refobjid
WHERE p.pronamespace <> 'pg_catalog'::regnamespace
	AND NOT EXISTS (SELECT FROM pg_depend AS x WHERE x.classid = 'pg_proc'::regclass AND x.objid = p.oid AND x.deptype = 'e');
\c :regress_db
DROP DATABASE rights_planted;

SET client_min_messages = warning;
DELETE FROM telemetry.stream WHERE name = 'rights';
TRUNCATE telemetry.block, telemetry.event_log, telemetry.event_key, telemetry.event_batch, telemetry.dead_letter;
DROP FUNCTION telemetry.job_planted();
DROP VIEW public.gained;
DROP SCHEMA planted CASCADE;
DROP OWNED BY rights_mallory, rights_admin;
DROP ROLE rights_mallory, rights_admin;
