-- Nobody gains rights: nothing that a role has made or set runs with rights which that role lacks. Whatever
-- is planted here makes its owner a superuser if it is given the rights to.
\set VERBOSITY terse
\set ON_ERROR_STOP off
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

SET client_min_messages = warning;
DELETE FROM telemetry.stream WHERE name = 'rights';
TRUNCATE telemetry.block, telemetry.event_log, telemetry.event_key, telemetry.event_batch, telemetry.dead_letter;
DROP VIEW public.gained;
DROP SCHEMA planted CASCADE;
DROP OWNED BY rights_mallory, rights_admin;
DROP ROLE rights_mallory, rights_admin;
