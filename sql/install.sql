-- The extension installs into a schema that it makes and leaves nothing there when dropped.
SET client_min_messages = warning;
CREATE EXTENSION hll;
-- Days of a time zone that is not there are refused, here where nothing of the library is loaded yet, and when set below.
\set SHOW_CONTEXT never
SET telemetry.day_timezone = 'Nowhere/Land';
CREATE EXTENSION telemetry CASCADE;
SET telemetry.day_timezone = '5';
CREATE EXTENSION telemetry CASCADE;
\set SHOW_CONTEXT errors
SET telemetry.day_timezone = 'europe/amsterdam';
CREATE EXTENSION telemetry CASCADE;
SELECT day_timezone FROM telemetry.layout;
DROP EXTENSION telemetry;
RESET telemetry.day_timezone;
DROP EXTENSION hll;
RESET client_min_messages;
CREATE EXTENSION telemetry CASCADE;
SET telemetry.day_timezone = 'Nowhere/Land';
ALTER SYSTEM SET telemetry.day_timezone = 'Nowhere/Land';
\set SHOW_CONTEXT never
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET telemetry.day_timezone = %L', current_database(), 'Nowhere/Land'); END $$;
\set SHOW_CONTEXT errors
SHOW telemetry.day_timezone;
SELECT extnamespace::regnamespace AS schema, extrelocatable AS relocatable
FROM pg_extension
WHERE extname = 'telemetry';

CREATE VIEW member AS
SELECT d.classid, d.objid, i.type, i.schema, i.identity
FROM pg_depend d, pg_identify_object(d.classid, d.objid, 0) i
WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'telemetry');

-- What it makes outside its schema, apart from casts: its foreign data wrapper and server, and an event trigger.
SELECT type, identity
FROM member
WHERE schema IS DISTINCT FROM 'telemetry' AND type <> 'cast' AND identity NOT LIKE 'telemetry.%'
ORDER BY type, identity;

-- Every function, aggregate, type, relation and cast says what it is.
SELECT type, identity AS without_comment
FROM member
WHERE obj_description(objid, classid::regclass::name) IS NULL
	AND type IN ('function', 'procedure', 'aggregate', 'type', 'table', 'foreign table', 'view', 'cast')
	AND identity NOT LIKE '%[]'
	-- a relation's row type, a member since 17, is described by the relation
	AND NOT EXISTS (SELECT FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid
		WHERE classid = 'pg_type'::regclass AND t.oid = objid AND c.relkind <> 'c')
ORDER BY type, identity;

-- A function with its owner's rights does not look names up in the caller's search path.
SELECT p.oid::regprocedure AS without_search_path
FROM pg_proc p
WHERE p.pronamespace = 'telemetry'::regnamespace AND p.prosecdef
	AND NOT EXISTS (SELECT FROM unnest(p.proconfig) setting WHERE setting LIKE 'search_path=%')
ORDER BY p.oid::regprocedure::text;

-- pg_upgrade refuses columns of types that refer to catalogs by oids which it does not keep.
SELECT a.attrelid::regclass AS "table", a.attname AS not_to_be_upgraded
FROM member m
JOIN pg_attribute a ON a.attrelid = m.objid
JOIN pg_type t ON t.oid = a.atttypid
WHERE m.classid = 'pg_class'::regclass AND m.type IN ('table', 'foreign table')
	AND t.typname ~ '^_?reg(collation|config|dictionary|namespace|oper|operator|proc|procedure)$';

-- Logical replication of all tables: each says by what a row of it is known, those that are made later too.
SELECT telemetry.create_event_partition('2020-01-01');
SELECT c.oid::regclass AS without_replica_identity
FROM pg_class c
WHERE c.relnamespace = 'telemetry'::regnamespace AND c.relkind = 'r' AND c.relpersistence <> 't'
	AND c.relreplident <> 'f'
	AND NOT EXISTS (
		SELECT FROM pg_index i
		WHERE i.indrelid = c.oid AND i.indisvalid AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END)
ORDER BY 1;
SELECT c.oid::regclass AS known_by_all_columns
FROM pg_class c
WHERE c.relnamespace = 'telemetry'::regnamespace AND c.relreplident = 'f';

DROP VIEW member;
DROP EXTENSION telemetry;
SELECT nspname AS left_over FROM pg_namespace WHERE nspname = 'telemetry';
CREATE EXTENSION telemetry CASCADE;
