-- \d+ and its relatives read like documentation: every object of schema telemetry, every column, and what extensions
-- of ours have outside of it, has a comment that says more than its name, and a constraint's name says its rule.
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off

SET client_min_messages = warning;

BEGIN;
-- Apps are extensions that put their objects into the same schema.
SELECT format('CREATE EXTENSION %I', e.name)
FROM pg_available_extensions AS e
WHERE e.name LIKE 'telemetry\_%' AND e.installed_version IS NULL
ORDER BY e.name \gexec
-- A partition as ingest and the worker make them.
SELECT telemetry.create_event_partition('1999-12-31') \g /dev/null

-- Whatever is to have a comment: its kind, its name without schema and arguments, and how to find it.
CREATE TEMP VIEW object AS
	SELECT 'pg_class'::regclass AS catalog, c.oid, 0 AS column_number, c.relname::text AS name
	FROM pg_class AS c
	WHERE c.relnamespace = 'telemetry'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
	UNION ALL
	SELECT 'pg_class', a.attrelid, a.attnum, a.attname
	FROM pg_class AS c
	JOIN pg_attribute AS a ON a.attrelid = c.oid
	WHERE c.relnamespace = 'telemetry'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
		AND a.attnum > 0 AND NOT a.attisdropped
	UNION ALL
	-- Neither arrays and multiranges nor the row types of tables, which the server makes by itself.
	SELECT 'pg_type', t.oid, 0, t.typname
	FROM pg_type AS t
	LEFT JOIN pg_class AS c ON c.oid = t.typrelid
	WHERE t.typnamespace = 'telemetry'::regnamespace AND t.typtype <> 'm' AND coalesce(c.relkind = 'c', true)
		AND NOT EXISTS (SELECT FROM pg_type AS e WHERE e.typarray = t.oid)
	UNION ALL
	SELECT 'pg_proc', p.oid, 0, p.proname FROM pg_proc AS p WHERE p.pronamespace = 'telemetry'::regnamespace
	UNION ALL
	SELECT 'pg_operator', o.oid, 0, o.oprname FROM pg_operator AS o WHERE o.oprnamespace = 'telemetry'::regnamespace
	UNION ALL
	SELECT 'pg_opclass', o.oid, 0, o.opcname FROM pg_opclass AS o WHERE o.opcnamespace = 'telemetry'::regnamespace
	UNION ALL
	SELECT 'pg_opfamily', o.oid, 0, o.opfname FROM pg_opfamily AS o WHERE o.opfnamespace = 'telemetry'::regnamespace
	UNION ALL
	SELECT 'pg_trigger', t.oid, 0, t.tgname
	FROM pg_trigger AS t
	JOIN pg_class AS c ON c.oid = t.tgrelid
	WHERE c.relnamespace = 'telemetry'::regnamespace AND NOT t.tgisinternal AND t.tgparentid = 0
	UNION ALL
	SELECT 'pg_namespace', n.oid, 0, n.nspname FROM pg_namespace AS n WHERE n.nspname = 'telemetry'
	UNION ALL
	SELECT 'pg_extension', e.oid, 0, e.extname FROM pg_extension AS e WHERE e.extname ~ '^telemetry(_|$)'
	UNION ALL
	-- Casts, the foreign data wrapper and its server, event triggers: nothing of these is in a schema.
	SELECT d.classid, d.objid, 0, coalesce((pg_identify_object(d.classid, d.objid, 0)).name, '')
	FROM pg_depend AS d
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
		AND d.refobjid IN (SELECT e.oid FROM pg_extension AS e WHERE e.extname ~ '^telemetry(_|$)')
		AND (pg_identify_object(d.classid, d.objid, 0)).schema IS NULL;

-- In words: "the device id" repeats device_id, and so do "Device ID." and "device_id".
CREATE FUNCTION pg_temp.words(said text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT regexp_replace(regexp_replace(lower(said), '\m(the|a|an|its|of)\M', '', 'g'), '[^a-z0-9<>=]', '', 'g') $$;

CREATE TEMP VIEW lacking AS
	SELECT pg_describe_object(o.catalog, o.oid, o.column_number)
		|| CASE WHEN d.description IS NULL THEN ' has no comment'
			WHEN btrim(d.description, E' \t\n.') = '' THEN ' has an empty comment'
			ELSE format(' only has its name for a comment: %L', d.description) END AS finding
	FROM object AS o
	LEFT JOIN pg_description AS d ON d.classoid = o.catalog AND d.objoid = o.oid AND d.objsubid = o.column_number
	WHERE d.description IS NULL OR btrim(d.description, E' \t\n.') = ''
		OR (o.name <> '' AND pg_temp.words(d.description) = pg_temp.words(o.name));

-- A name that the server gave: of the table, the columns that the rule is of, and "check", with a number if it was taken.
CREATE TEMP VIEW unnamed AS
	SELECT format('constraint %s of %s: %s', k.conname, coalesce(nullif(k.conrelid, 0)::regclass::text, k.contypid::regtype::text),
		pg_get_constraintdef(k.oid)) AS finding
	FROM pg_constraint AS k
	WHERE k.connamespace = 'telemetry'::regnamespace AND k.contype = 'c'
		AND (k.conname ~ '_check\d*$' OR k.conname !~ '^[a-z][a-z0-9]*(_[a-z0-9]+){2,}$');

-- What the two views find anew when something is made, which does not last.
CREATE FUNCTION pg_temp.findings(made text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	before CONSTANT text[] := ARRAY(SELECT l.finding FROM lacking AS l UNION ALL SELECT u.finding FROM unnamed AS u);
	found text[];
BEGIN
	EXECUTE made;
	found := ARRAY(SELECT l.finding FROM lacking AS l UNION ALL SELECT u.finding FROM unnamed AS u EXCEPT SELECT unnest(before) ORDER BY 1);
	RAISE SQLSTATE 'TAP01';
EXCEPTION WHEN SQLSTATE 'TAP01' THEN
	RETURN found;
END
$$;

SELECT plan(10);
SELECT isnt_empty($$SELECT FROM pg_extension AS e WHERE e.extname LIKE 'telemetry\_%'$$, 'apps are among what is looked at');

SELECT is_empty('SELECT l.finding FROM lacking AS l ORDER BY 1', 'every object and column has a comment that says something');
SELECT is_empty('SELECT u.finding FROM unnamed AS u ORDER BY 1', 'every check constraint has a name that says its rule');

SELECT is(pg_temp.findings('CREATE TABLE telemetry.tap (n integer CHECK (n > 0))'),
	ARRAY['column n of table telemetry.tap has no comment', 'constraint tap_n_check of telemetry.tap: CHECK ((n > 0))',
		'table telemetry.tap has no comment'],
	'a new table, its columns and its checks are found');
SELECT is(pg_temp.findings($$CREATE VIEW telemetry.tap AS SELECT 1 AS first_ts; COMMENT ON VIEW telemetry.tap IS ' ';
		COMMENT ON COLUMN telemetry.tap.first_ts IS 'The first TS.'$$),
	ARRAY['column first_ts of view telemetry.tap only has its name for a comment: ''The first TS.''',
		'view telemetry.tap has an empty comment'],
	'comments that say nothing are found');
SELECT is(pg_temp.findings('CREATE TYPE telemetry.tap AS (n integer); CREATE SEQUENCE telemetry.tap_seq;
		CREATE DOMAIN telemetry.tap_domain AS integer; CREATE FUNCTION telemetry.tap() RETURNS integer LANGUAGE sql AS ''SELECT 1'''),
	ARRAY['column n of composite type telemetry.tap has no comment', 'function telemetry.tap() has no comment',
		'sequence telemetry.tap_seq has no comment', 'type telemetry.tap has no comment', 'type telemetry.tap_domain has no comment'],
	'types, their fields, sequences and functions are found');
SELECT is(pg_temp.findings('CREATE CAST (telemetry.value AS oid) WITH INOUT; ALTER EXTENSION telemetry ADD CAST (telemetry.value AS oid);
		CREATE OPERATOR FAMILY telemetry.tap USING btree;
		CREATE TRIGGER tap BEFORE INSERT ON telemetry.stream EXECUTE FUNCTION telemetry.check_route()'),
	ARRAY['cast from telemetry.value to oid has no comment', 'operator family telemetry.tap for access method btree has no comment',
		'trigger tap on table telemetry.stream has no comment'],
	'casts, operator families and triggers are found');

-- What is the same is said in the same words.
SELECT is_empty($$
	SELECT l.attrelid::regclass, l.attname
	FROM pg_attribute AS l
	JOIN pg_class AS c ON c.oid = l.attrelid AND c.relnamespace = 'telemetry'::regnamespace AND c.relname ~ '_live$'
	JOIN pg_attribute AS s ON s.attrelid = ('telemetry.' || left(c.relname, -5))::regclass AND s.attname = l.attname
	WHERE l.attnum > 0 AND col_description(l.attrelid, l.attnum) IS DISTINCT FROM col_description(s.attrelid, s.attnum)$$,
	'columns of x_live have the comments of x');
SELECT is_empty($$
	SELECT p.attrelid::regclass, p.attname
	FROM pg_inherits AS i
	JOIN pg_attribute AS p ON p.attrelid = i.inhrelid AND p.attnum > 0
	JOIN pg_attribute AS w ON w.attrelid = i.inhparent AND w.attname = p.attname
	WHERE i.inhparent IN ('telemetry.block'::regclass, 'telemetry.event_log'::regclass)
		AND col_description(p.attrelid, p.attnum) IS DISTINCT FROM col_description(w.attrelid, w.attnum)$$,
	'columns of partitions have the comments of the whole');
SELECT is(obj_description('telemetry.event_log_19991231'::regclass), 'Events received on 1999-12-31 (UTC).', 'a partition says of which day it is');

SELECT * FROM finish();
ROLLBACK;
