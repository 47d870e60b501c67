-- What there is from the start, and what is said and granted of all triggers: the last part.

CREATE FUNCTION telemetry.initialise() RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	INSERT INTO telemetry.layout (buckets, day_timezone)
	SELECT coalesce(current_setting('telemetry.buckets', true), '64')::smallint,
		coalesce(nullif(current_setting('telemetry.day_timezone', true), ''), 'UTC')
	WHERE NOT EXISTS (SELECT FROM telemetry.layout);
	SELECT telemetry.initialise_compiled_routes();
	SELECT telemetry.initialise_alert_routes();
	SELECT telemetry.initialise_metric_routes();
	SELECT telemetry.initialise_export_routes();
	SELECT telemetry.initialise_statistics();
	SELECT telemetry.initialise_query_routes();
	INSERT INTO telemetry.job (name, description, run_every) VALUES
		('roll_up', 'Adds newly ingested points to the hourly and daily aggregates.', '2 s'),
		('compact', 'Merges small blocks into larger ones.', '10 s'),
		('audit', 'Compares aggregates with the points they are of.', '1 min'),
		('roll_up_events', 'Adds newly ingested events to their hourly and daily aggregates.', '2 s'),
		('event_partitions', 'Makes the partitions that events will be stored in.', '1 h'),
		('event_retention', 'Removes events and their aggregates that are older than is to be kept.', '1 h'),
		('event_keys', 'Forgets the keys of events that need not be recognised any more.', '10 min'),
		('alerts', 'Judges what ingest has left of alert rules, and resolves alerts whose time is over.', '1 s'),
		('absence', 'Tells of devices and metrics of which nothing comes, and changes the level of alerts that stay open.', '5 s'),
		('retention', 'Removes points that are older than is to be kept.', '1 h'),
		('prune', 'Removes expired receipts, dead letters and other leftovers.', '1 min')
	ON CONFLICT (name) DO NOTHING;
	SELECT telemetry.initialise_event_routes();
	SELECT telemetry.initialise_openapi_routes();
	SELECT telemetry.document_point_routes();
	SELECT telemetry.document_metric_routes();
	SELECT telemetry.document_query_routes();
	SELECT telemetry.document_statistics_routes();
	SELECT telemetry.document_alert_routes();
	SELECT telemetry.document_group_routes();
END;
COMMENT ON FUNCTION telemetry.initialise() IS
	'Inserts what CREATE EXTENSION begins with, as far as it is not there: the row of telemetry.layout, the jobs, and the engine''s own routes. For a '
	'database that was restored from a dump without data.';
SELECT telemetry.initialise() WHERE NOT telemetry.is_restoring();
REVOKE ALL ON FUNCTION telemetry.initialise() FROM PUBLIC;

-- What the function of a trigger says of it.
DO LANGUAGE plpgsql $$
DECLARE
	said record;
BEGIN
	FOR said IN
		SELECT t.tgname AS name, t.tgrelid::regclass AS relation, d.description
		FROM pg_catalog.pg_trigger AS t
		JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
		JOIN pg_catalog.pg_description AS d ON d.classoid = 'pg_catalog.pg_proc'::regclass AND d.objoid = t.tgfoid
		WHERE c.relnamespace = 'telemetry'::regnamespace AND NOT t.tgisinternal AND t.tgparentid = 0
	LOOP
		EXECUTE pg_catalog.format('COMMENT ON TRIGGER %I ON %s IS %L', said.name, said.relation, said.description);
	END LOOP;
END
$$;

-- Nobody else may have them called by a trigger of a table of their own: some run with the owner's rights, all take the
-- rows for those of our tables.
DO LANGUAGE plpgsql $$
DECLARE
	function regprocedure;
BEGIN
	FOR function IN
		SELECT p.oid FROM pg_proc AS p
		WHERE p.pronamespace = 'telemetry'::regnamespace AND p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype)
	LOOP
		EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', function);
	END LOOP;
END
$$;

SELECT telemetry.wake_launcher();
