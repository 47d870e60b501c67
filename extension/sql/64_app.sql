-- Apps: extensions that require this one and are made of functions, views and rows of telemetry.stream, dialect and
-- route. An extension does not own rows, so these name it, and go when it does.

CREATE FUNCTION telemetry.drop_app() RETURNS event_trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	apps CONSTANT text[] := ARRAY(
		SELECT d.object_name FROM pg_event_trigger_dropped_objects() AS d WHERE d.object_type = 'extension');
BEGIN
	DELETE FROM telemetry.route AS r WHERE r.app = ANY (apps);
	-- What others still need stays, and names the app: it is the app's again when that comes back.
	DELETE FROM telemetry.dialect AS d
	WHERE d.app = ANY (apps) AND NOT EXISTS (SELECT FROM telemetry.route AS r WHERE r.dialect = d.name);
	DELETE FROM telemetry.stream AS s
	WHERE s.app = ANY (apps)
		AND NOT EXISTS (SELECT FROM telemetry.route AS r WHERE r.stream = s.name)
		AND NOT EXISTS (SELECT FROM telemetry.event_log AS e WHERE e.stream = s.name)
		AND NOT EXISTS (SELECT FROM telemetry.stream_rollup_day AS d WHERE d.stream = s.name);
END
$$;
COMMENT ON FUNCTION telemetry.drop_app() IS
	'Event trigger, when extensions are dropped: deletes the rows of telemetry.route, dialect and stream that came with them, except what '
	'others still need: dialects that other routes speak, streams that have events or aggregates or to which other routes bring events.';
-- DROP EXTENSION telemetry takes it along, and has nothing to fire.
CREATE EVENT TRIGGER telemetry_drop_app ON sql_drop
	WHEN TAG IN ('DROP EXTENSION', 'DROP OWNED') EXECUTE FUNCTION telemetry.drop_app();
COMMENT ON EVENT TRIGGER telemetry_drop_app IS 'The rows of an app go with its extension.';
REVOKE ALL ON FUNCTION telemetry.drop_app() FROM PUBLIC;
