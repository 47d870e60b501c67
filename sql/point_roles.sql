-- Who may do what with points; and that nothing of a user's own runs with the owner's rights.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET client_min_messages = warning;
TRUNCATE telemetry.block, telemetry.dead_letter;
DROP ROLE IF EXISTS point_writer, point_reader, point_admin, point_stranger, point_plain;
RESET client_min_messages;

CREATE ROLE point_writer IN ROLE telemetry_writer;
CREATE ROLE point_reader IN ROLE telemetry_reader;
CREATE ROLE point_admin IN ROLE telemetry_admin;
CREATE ROLE point_stranger;
-- One with the bare privilege instead of the role.
CREATE ROLE point_plain;
GRANT USAGE ON SCHEMA telemetry TO point_plain;
GRANT INSERT ON telemetry.point TO point_plain;

-- What each of them can do: its error, or how it went.
CREATE FUNCTION public.try(who name, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', who);
	EXECUTE statement;
	SET LOCAL ROLE NONE;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate || ' ' || sqlerrm;
END
$$;
CREATE TEMP TABLE attempt (id serial, statement text);
INSERT INTO attempt (statement) VALUES
	($$INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01', 'd', 'm', '1'), ('infinity', 'd', 'm', '1')$$),
	($$SELECT * FROM telemetry.ingest_result()$$),
	($$SELECT count(*) FROM telemetry.point$$),
	($$INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01', 'd', 'm', '1') RETURNING num$$),
	($$SELECT * FROM telemetry.dead_letter$$),
	($$DELETE FROM telemetry.dead_letter WHERE id < 0$$),
	($$INSERT INTO telemetry.dead_letter (kind, code, reason, payload, sender) VALUES ('point', 'x', 'x', '{}', 'x')$$),
	($$SELECT count(*) FROM telemetry.block$$),
	($$INSERT INTO telemetry.block SELECT * FROM telemetry.block$$),
	($$DELETE FROM telemetry.block$$),
	($$TRUNCATE telemetry.block$$),
	($$UPDATE telemetry.layout SET buckets = 1$$),
	($$SELECT nextval('telemetry.block_seq')$$),
	($$SELECT telemetry.delete_points('absent', NULL, NULL, NULL)$$),
	($$SELECT telemetry.check_block(''::bytea)$$),
	($$SELECT * FROM telemetry.block_series(''::bytea)$$),
	($$CREATE FOREIGN TABLE mine (ts timestamptz, device_id text, metric text, value telemetry.value) SERVER telemetry$$),
	($$SET telemetry.max_future = 86400$$),
	($$SET telemetry.max_value_size = 10000000$$),
	($$SET telemetry.batch_memory = '1MB'$$);
SELECT w.who, a.statement, public.try(w.who, a.statement)
FROM attempt AS a, unnest(ARRAY['point_writer', 'point_plain', 'point_reader', 'point_admin', 'point_stranger']::name[]) WITH ORDINALITY AS w (who, i)
ORDER BY a.id, w.i;

-- a_writer_copies_in_and_asks_what_became_of_it, though it cannot see anything
TRUNCATE telemetry.block, telemetry.dead_letter;
SET ROLE point_plain;
BEGIN;
COPY telemetry.point (device_id, metric, ts, value) FROM STDIN (FORMAT csv);
d,m,2024-01-01,1
d,m,2024-01-02,2
,m,2024-01-02,2
\.
SELECT * FROM telemetry.ingest_result();
COMMIT;
RESET ROLE;
SELECT count(*) FROM telemetry.point;
SELECT sender, code FROM telemetry.dead_letter;
SELECT DISTINCT relowner = (SELECT extowner FROM pg_extension WHERE extname = 'telemetry') AS owned_by_the_extensions FROM pg_class WHERE oid = 'telemetry.block'::regclass;

-- a view gives its owner's rights, not the caller's
CREATE VIEW public.some_points AS SELECT * FROM telemetry.point WHERE device_id = 'd';
GRANT SELECT ON public.some_points TO point_stranger;
SET ROLE point_stranger;
SELECT count(*) FROM public.some_points;
SELECT num FROM public.some_points WHERE metric = 'm' ORDER BY ts DESC LIMIT 1;
RESET ROLE;
DROP VIEW public.some_points;

-- nothing_in_the_search_path_is_called_with_the_owners_rights: functions, operators and types of
-- the names that our statements use, ahead of pg_catalog, in a schema and as temporary objects
CREATE SCHEMA evil AUTHORIZATION point_admin;
GRANT CREATE, TEMPORARY ON DATABASE :DBNAME TO point_admin;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
SET ROLE point_admin;
CREATE FUNCTION evil.alarm(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF current_user OPERATOR(pg_catalog.<>) 'point_admin' THEN
		RAISE EXCEPTION '% was called as %', what, current_user;
	END IF;
END
$$;
DO $$
DECLARE
	o record;
	l text;
	r text;
BEGIN
	-- Each comparison of the types of telemetry.block, against themselves and each other.
	FOR o IN
		SELECT op.oprname AS name, op.oprleft::regtype::text AS lefttype, op.oprright::regtype::text AS righttype, row_number() OVER () AS i
		FROM pg_operator AS op
		WHERE op.oprnamespace = 'pg_catalog'::regnamespace AND op.oprname IN ('=', '<', '<=', '>', '>=', '<>')
			AND op.oprleft IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'date'::regtype, 'timestamptz'::regtype, 'text'::regtype, 'name'::regtype, 'bytea'::regtype, 'jsonb'::regtype)
			AND op.oprright IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'date'::regtype, 'timestamptz'::regtype, 'text'::regtype, 'name'::regtype, 'bytea'::regtype, 'jsonb'::regtype)
	LOOP
		EXECUTE format('CREATE FUNCTION evil.compare_%s(l %s, r %s) RETURNS boolean LANGUAGE plpgsql AS %L', o.i, o.lefttype, o.righttype,
			format('BEGIN PERFORM evil.alarm(%L); RETURN l OPERATOR(pg_catalog.%s) r; END', o.name || ' of ' || o.lefttype || ' and ' || o.righttype, o.name));
		EXECUTE format('CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = evil.compare_%s)', o.name, o.lefttype, o.righttype, o.i);
	END LOOP;
	FOR o IN SELECT * FROM (VALUES
		('octet_length(bytea)', 'integer'), ('substr(bytea, integer, integer)', 'bytea'), ('now()', 'timestamptz'), ('nextval(regclass)', 'bigint'),
		('jsonb(text)', 'jsonb'), ('length(bytea)', 'integer')) AS f (signature, result)
	LOOP
		EXECUTE format('CREATE FUNCTION evil.%s RETURNS %s LANGUAGE plpgsql AS %L', o.signature, o.result, format('BEGIN PERFORM evil.alarm(%L); RETURN NULL; END', o.signature));
	END LOOP;
	CREATE FUNCTION evil.sum_step(state bigint, n integer) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN PERFORM evil.alarm(''sum''); RETURN state; END';
	CREATE AGGREGATE evil.sum(integer) (SFUNC = evil.sum_step, STYPE = bigint, INITCOND = '0');
	CREATE FUNCTION evil.count_step(state bigint) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN PERFORM evil.alarm(''count''); RETURN state; END';
	CREATE AGGREGATE evil.count(*) (SFUNC = evil.count_step, STYPE = bigint, INITCOND = '0');
	CREATE FUNCTION evil.unnest(anyarray) RETURNS SETOF anyelement LANGUAGE plpgsql AS 'BEGIN PERFORM evil.alarm(''unnest''); RETURN; END';
END
$$;
RESET ROLE;
-- In a session of its own, for statements are prepared once a session.
\c
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET ROLE point_admin;
CREATE TEMP TABLE block (bucket smallint, data text);
CREATE TEMP TABLE dead_letter (kind text);
CREATE TEMP TABLE layout (buckets smallint);
CREATE TEMP SEQUENCE block_seq;
CREATE DOMAIN pg_temp.jsonb AS pg_catalog.text CHECK (evil.alarm('the domain jsonb') IS NULL);
SET search_path = evil, pg_temp, pg_catalog;
-- The trap does snap shut.
SELECT 1::int2 = 1::int2 AS for_the_user;
RESET ROLE;
SELECT 1::int2 = 1::int2 AS for_another;
SELECT count(*) FROM (VALUES (1)) AS v;
SET ROLE point_admin;
BEGIN;
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-03', 'e', 'm', '1'), ('2024-01-04', 'e', 'm', '1'), ('infinity', 'e', 'm', '1');
SELECT received, accepted, rejected FROM telemetry.ingest_result();
COMMIT;
SELECT ts, device_id, num FROM telemetry.point ORDER BY ts;
SELECT num FROM telemetry.point WHERE device_id OPERATOR(pg_catalog.=) 'e' AND metric OPERATOR(pg_catalog.=) 'm' ORDER BY ts DESC LIMIT 1;
SELECT telemetry.delete_points('e', NULL, '2024-01-04', NULL);
EXPLAIN (COSTS OFF) SELECT num FROM telemetry.point WHERE device_id OPERATOR(pg_catalog.=) 'e';
RESET ROLE;
-- A user's operator in a query is never taken for equality.
SET search_path = evil, pg_catalog;
EXPLAIN (COSTS OFF) SELECT num FROM telemetry.point WHERE device_id = 'e' AND ts >= '2024-01-01'::timestamptz;
RESET search_path;

SET client_min_messages = warning;
DROP SCHEMA evil CASCADE;
TRUNCATE telemetry.block, telemetry.dead_letter;
DROP FUNCTION public.try;
DROP OWNED BY point_writer, point_reader, point_admin, point_stranger, point_plain;
DROP ROLE point_writer, point_reader, point_admin, point_stranger, point_plain;
