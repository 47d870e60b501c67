-- All apps together: what they are made of, and that each comes and goes by itself.
\set VERBOSITY terse
\pset null (null)
SET timezone = 'UTC';
SET client_min_messages = warning;
CREATE EXTENSION telemetry_core CASCADE;
CREATE EXTENSION telemetry_flash;
CREATE EXTENSION telemetry_playback;
CREATE EXTENSION telemetry_learning;
SET search_path = telemetry, public;

-- nothing_of_an_app_is_outside_of_the_schema, and everything says what it is
CREATE TEMP VIEW member AS
SELECT d.classid, d.objid, i.type, i.schema, i.identity
FROM pg_depend AS d, pg_identify_object(d.classid, d.objid, 0) AS i
WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
	AND d.refobjid IN (SELECT oid FROM pg_extension WHERE extname LIKE 'telemetry\__%');
SELECT type, identity FROM member WHERE schema IS DISTINCT FROM 'telemetry' AND identity NOT LIKE 'telemetry.%' ORDER BY type, identity;
SELECT type, identity AS without_comment FROM member
WHERE obj_description(objid, classid::regclass::name) IS NULL AND type IN ('function', 'table', 'view') ORDER BY type, identity;
SELECT p.oid::regprocedure AS without_search_path FROM pg_proc AS p
WHERE p.pronamespace = 'telemetry'::regnamespace AND p.prosecdef
	AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search_path=%')
ORDER BY p.oid::regprocedure::text;
-- each_role_has_its_functions, and nobody else
SELECT m.identity AS function, has_function_privilege('telemetry_reader', m.objid, 'EXECUTE') AS reader, has_function_privilege('telemetry_writer', m.objid, 'EXECUTE') AS writer,
	has_function_privilege('pg_monitor', m.objid, 'EXECUTE') AS other
FROM member AS m WHERE m.type = 'function' ORDER BY m.identity;
-- every_row_names_its_app
SELECT a.app, array_agg(DISTINCT s.name) AS streams, array_agg(DISTINCT d.name) AS dialects, count(DISTINCT r.path) AS routes
FROM (SELECT app FROM stream UNION SELECT app FROM dialect WHERE name <> 'telemetry' UNION SELECT app FROM route WHERE dialect <> 'telemetry') AS a
LEFT JOIN stream AS s USING (app) LEFT JOIN dialect AS d USING (app) LEFT JOIN route AS r USING (app)
GROUP BY a.app ORDER BY a.app;

-- one_goes_without_the_others
CREATE FUNCTION public.rows_of(which text) RETURNS TABLE (what text, name text) LANGUAGE sql AS $$
	SELECT 'stream', s.name FROM telemetry.stream AS s WHERE s.app = 'telemetry_' || which
	UNION ALL SELECT 'field', f.field FROM telemetry.stream_field AS f JOIN telemetry.stream AS s ON s.name = f.stream WHERE s.app = 'telemetry_' || which
	UNION ALL SELECT 'dialect', d.name FROM telemetry.dialect AS d WHERE d.app = 'telemetry_' || which
	UNION ALL SELECT 'route', r.path FROM telemetry.route AS r WHERE r.app = 'telemetry_' || which
	ORDER BY 1, 2
$$;
DROP EXTENSION telemetry_core;
SELECT * FROM public.rows_of('core');
SELECT count(*) > 0 AS others FROM public.rows_of('flash');
CREATE EXTENSION telemetry_core;
SELECT * FROM public.rows_of('core');
-- a_drop_that_is_rolled_back_did_nothing
CREATE TEMP TABLE before AS SELECT r::text AS r FROM route AS r UNION ALL SELECT d::text FROM dialect AS d UNION ALL SELECT s::text FROM stream AS s UNION ALL SELECT f::text FROM stream_field AS f;
BEGIN;
DROP EXTENSION telemetry_core, telemetry_playback;
SELECT name FROM stream ORDER BY name;
ROLLBACK;
SELECT count(*) AS differ FROM (
	(TABLE before EXCEPT SELECT r::text FROM route AS r EXCEPT SELECT d::text FROM dialect AS d EXCEPT SELECT s::text FROM stream AS s EXCEPT SELECT f::text FROM stream_field AS f)) AS x;

-- a_stream_with_events_stays, and what was changed of it, until the app comes back
UPDATE stream SET retention_days = 60 WHERE name = 'core';
DELETE FROM stream_field WHERE stream = 'core' AND field = 'app_version';
UPDATE dialect SET success_status = 200 WHERE name = 'core';
SELECT ingest_event(jsonb_build_object('stream', 'core', 'event_id', 'e1', 'event_type', 'shown', 'device_id', 'd', 'subject_id', 'm', 'occurred_at', now())) -> 'accepted' AS accepted;
DROP EXTENSION telemetry_core;
SELECT * FROM public.rows_of('core');
SELECT stream, event_id FROM event;
SELECT ingest_event(jsonb_build_object('stream', 'core', 'event_id', 'e1', 'event_type', 'shown', 'device_id', 'd', 'subject_id', 'm', 'occurred_at', now())) -> 'conflicts' AS conflicts;
CREATE EXTENSION telemetry_core;
DROP EXTENSION telemetry_core;
CREATE EXTENSION telemetry_core;
SELECT * FROM public.rows_of('core');
SELECT s.retention_days, d.success_status FROM stream AS s, dialect AS d WHERE s.name = 'core' AND d.name = 'core';
SELECT core_summary(day_of(now()) - 1, day_of(now())) -> 'totalEvents' AS events;
-- also when only aggregates of them are left
CALL run_jobs('roll_up_events');
DELETE FROM event_log;
DROP EXTENSION telemetry_core;
SELECT * FROM public.rows_of('core');
DELETE FROM stream_rollup_day;
CREATE EXTENSION telemetry_core;
DROP EXTENSION telemetry_core;
SELECT * FROM public.rows_of('core');
CREATE EXTENSION telemetry_core;

-- what_others_need_stays
INSERT INTO dialect (name, description) VALUES ('mine', 'A test.');
INSERT INTO route (method, path, description, dialect, stream) VALUES ('POST', '/mine', 'In its words.', 'playback', 'learning');
DROP EXTENSION telemetry_playback, telemetry_learning;
SELECT * FROM public.rows_of('playback');
SELECT * FROM public.rows_of('learning');
CREATE EXTENSION telemetry_playback;
CREATE EXTENSION telemetry_learning;
DELETE FROM route WHERE path = '/mine';
DROP EXTENSION telemetry_playback;
SELECT * FROM public.rows_of('playback');
-- a_name_that_somebody_has_is_not_taken
INSERT INTO stream (name, description) VALUES ('playback', 'Not the app''s.');
CREATE EXTENSION telemetry_playback;
DELETE FROM stream WHERE name = 'playback';
INSERT INTO route (method, path, description, dialect, stream) VALUES ('POST', '/telemetry/playback', 'Not the app''s.', 'mine', 'learning');
CREATE EXTENSION telemetry_playback;
SELECT * FROM public.rows_of('playback');
DELETE FROM route WHERE path = '/telemetry/playback';

-- the_engine_takes_its_apps_along
DROP EXTENSION telemetry;
DROP EXTENSION telemetry CASCADE;
SELECT nspname AS left_over FROM pg_namespace WHERE nspname = 'telemetry';
SELECT evtname AS left_over FROM pg_event_trigger;
-- all_go_with_their_owner
CREATE ROLE app_owner SUPERUSER;
CREATE EXTENSION telemetry CASCADE;
SET ROLE app_owner;
CREATE EXTENSION telemetry_learning;
RESET ROLE;
SELECT count(*) AS streams FROM telemetry.stream;
DROP OWNED BY app_owner;
SELECT count(*) AS streams FROM telemetry.stream;
DROP ROLE app_owner;
DROP FUNCTION public.rows_of(text);
