-- A dump has the rows of these tables, all that there were, and is restored after CREATE EXTENSION has made those above.
CREATE FUNCTION telemetry.make_way_for_restored() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF telemetry.is_being_restored() THEN
		EXECUTE format('DELETE FROM telemetry.%I AS t '
			'WHERE t.xmin = (SELECT e.xmin FROM pg_extension AS e WHERE e.extname = %L)', TG_TABLE_NAME, 'telemetry');
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.make_way_for_restored() IS
	'Trigger of telemetry.stream, stream_field, dialect and route: while a dump is being restored, an INSERT or COPY first removes '
	'the rows that CREATE EXTENSION has made.';
CREATE TRIGGER make_way_for_restored BEFORE INSERT ON telemetry.stream
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.make_way_for_restored();
CREATE TRIGGER make_way_for_restored BEFORE INSERT ON telemetry.stream_field
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.make_way_for_restored();
CREATE TRIGGER make_way_for_restored BEFORE INSERT ON telemetry.dialect
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.make_way_for_restored();
CREATE TRIGGER make_way_for_restored BEFORE INSERT ON telemetry.route
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.make_way_for_restored();
