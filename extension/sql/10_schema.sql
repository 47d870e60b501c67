-- The schema, and the three roles that its objects are granted to.

-- Names without a schema are PostgreSQL's, in all parts of this script: CREATE EXTENSION has put schemas into the search
-- path in which others may have objects.
SET LOCAL search_path = pg_catalog, pg_temp;

DO LANGUAGE plpgsql $$
BEGIN
	IF to_regnamespace('telemetry') IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_schema', MESSAGE = 'schema "telemetry" exists already',
			DETAIL = 'What is in it would be taken for the extension''s, and its owner could change what is put there.',
			HINT = 'Drop or rename it: CREATE EXTENSION makes its own.';
	END IF;
END
$$;
CREATE SCHEMA telemetry;
COMMENT ON SCHEMA telemetry IS
	'Telemetry: points and events of devices, stored compressed, once, and read with SQL.';

-- Nothing of the library is loaded yet, unless it is preloaded, so that the setting may be anything. When it is loaded a zone
-- that is not there would be replaced by UTC.
DO LANGUAGE plpgsql $$
DECLARE
	zone CONSTANT text := pg_catalog.current_setting('telemetry.day_timezone', true);
	before CONSTANT text := pg_catalog.current_setting('timezone');
	known boolean := true;
BEGIN
	-- A setting that was reset is shown as empty.
	IF coalesce(zone, '') = '' THEN
		RETURN;
	END IF;
	BEGIN
		-- Numbers and intervals are shown in another form.
		known := pg_catalog.lower(pg_catalog.set_config('timezone', zone, true)) = pg_catalog.lower(zone);
	EXCEPTION
		WHEN invalid_parameter_value THEN
			known := false;
	END;
	PERFORM pg_catalog.set_config('timezone', before, true);
	IF NOT known THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = pg_catalog.format('invalid value for parameter "telemetry.day_timezone": "%s"', zone),
			DETAIL = 'There is no such time zone.',
			HINT = 'View pg_timezone_names lists them.';
	END IF;
END
$$;

CREATE FUNCTION telemetry.grant_setting(setting text, role text) RETURNS void
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_grant_setting';
COMMENT ON FUNCTION telemetry.grant_setting(text, text) IS
	'For the script of the extension: GRANT SET ON PARAMETER as the caller, which does not become one of the extension''s own '
	'privileges, since these would stay with the role for good. Server 15 or later.';
REVOKE ALL ON FUNCTION telemetry.grant_setting(text, text) FROM PUBLIC;

-- Roles and the settings granted to them belong to the whole cluster: another database may have made them, or be making them
-- now, and they outlive DROP EXTENSION. One transaction makes them at a time; who finds all there takes no lock.
DO LANGUAGE plpgsql $$
DECLARE
	locked boolean := false;
	-- From 15 on a superuser's setting can be granted; before, only a superuser sets these.
	settings CONSTANT text[] := CASE WHEN pg_catalog.current_setting('server_version_num')::integer >= 150000
		THEN '{telemetry.max_future,telemetry.max_value_size,telemetry.batch_window}' ELSE '{}' END;
	missing text[];
	role record;
BEGIN
	LOOP
		missing := ARRAY(
			SELECT w.name
			FROM pg_catalog.unnest('{telemetry_reader,telemetry_writer,telemetry_admin}'::text[]) AS w (name)
			WHERE pg_catalog.to_regrole(w.name) IS NULL);
		IF missing = '{}' THEN
			missing := ARRAY(
				SELECT w.name
				FROM pg_catalog.unnest('{telemetry_reader,telemetry_writer}'::text[]) AS w (name)
				WHERE NOT pg_catalog.pg_has_role('telemetry_admin', w.name, 'MEMBER'));
		END IF;
		IF missing = '{}' AND settings <> '{}' THEN
			missing := ARRAY(
				SELECT w.name
				FROM pg_catalog.unnest(settings) AS w (name)
				WHERE NOT pg_catalog.has_parameter_privilege('telemetry_admin', w.name, 'SET'));
		END IF;
		IF missing = '{}' THEN
			RETURN;
		END IF;
		EXIT WHEN locked;
		-- Advisory locks are a database's own, this table is the cluster's.
		LOCK TABLE pg_catalog.pg_auth_members IN SHARE ROW EXCLUSIVE MODE;
		locked := true;
	END LOOP;

	FOR role IN
		SELECT * FROM (VALUES
			('telemetry_reader', 'May read the data of the telemetry extension.'),
			('telemetry_writer', 'May ingest telemetry.'),
			('telemetry_admin', 'May read, ingest, delete and configure telemetry.')
		) AS wanted (name, description)
	LOOP
		CONTINUE WHEN pg_catalog.to_regrole(role.name) IS NOT NULL;
		EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role.name);
		EXECUTE pg_catalog.format('COMMENT ON ROLE %I IS %L', role.name, role.description);
	END LOOP;

	FOR role IN
		SELECT * FROM (VALUES ('telemetry_reader'), ('telemetry_writer')) AS granted (name)
	LOOP
		CONTINUE WHEN pg_catalog.pg_has_role('telemetry_admin', role.name, 'MEMBER');
		EXECUTE pg_catalog.format('GRANT %I TO telemetry_admin', role.name);
	END LOOP;

	PERFORM telemetry.grant_setting(w.name, 'telemetry_admin') FROM pg_catalog.unnest(settings) AS w (name);
END
$$;

-- What several tables and views have in common is said of one of them.
CREATE FUNCTION telemetry.copy_comments(source regclass, target regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	said record;
BEGIN
	FOR said IN
		SELECT t.attname AS name, d.description
		FROM pg_attribute AS t
		JOIN pg_attribute AS s ON s.attrelid = source AND s.attname = t.attname AND s.attnum > 0
		CROSS JOIN LATERAL (VALUES (col_description(s.attrelid, s.attnum))) AS d (description)
		WHERE t.attrelid = target AND t.attnum > 0 AND d.description IS NOT NULL AND col_description(t.attrelid, t.attnum) IS NULL
		ORDER BY t.attnum
	LOOP
		EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', target, said.name, said.description);
	END LOOP;
END
$$;
COMMENT ON FUNCTION telemetry.copy_comments(regclass, regclass) IS
	'For the scripts of the extension: columns of target without a comment get those of the columns of source of the same name.';
REVOKE ALL ON FUNCTION telemetry.copy_comments(regclass, regclass) FROM PUBLIC;

GRANT USAGE ON SCHEMA telemetry TO telemetry_reader, telemetry_writer, telemetry_admin;

CREATE FUNCTION telemetry.setting(name text) RETURNS text
	LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_setting';
COMMENT ON FUNCTION telemetry.setting(text) IS
	'The setting telemetry.name, as SHOW has it, also in a session that has not used the extension yet, where current_setting() '
	'does not know it. Error: undefined_object if there is none of that name.';

CREATE FUNCTION telemetry.new_id(prefix text) RETURNS text
	LANGUAGE sql VOLATILE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT prefix || '_' || substr(replace(gen_random_uuid()::text, '-', ''), 1, 24);
END;
COMMENT ON FUNCTION telemetry.new_id(text) IS 'A new random name: the prefix, _ and 24 hexadecimal digits.';

-- A dump has the rows of an extension's tables, and CREATE EXTENSION before them. So the scripts insert rows only where no
-- dump brings them: what is restored is what was there, and not what is new.
CREATE FUNCTION telemetry.is_restoring() RETURNS boolean
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
	-- What pg_restore and every script of pg_dump set first, and nobody else all of.
	SELECT count(*) = 5 FROM pg_settings AS s
	WHERE s.source = 'session' AND s.name IN ('statement_timeout', 'lock_timeout',
		'idle_in_transaction_session_timeout', 'standard_conforming_strings', 'xmloption');
END;
COMMENT ON FUNCTION telemetry.is_restoring() IS
	'Whether this session restores a dump. For the scripts of extensions, which then insert no rows of their own.';
REVOKE ALL ON FUNCTION telemetry.is_restoring() FROM PUBLIC;
