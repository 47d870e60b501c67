-- Export: points as files of CSV or JSON, of any length (seed 004, Epic 7).

CREATE FUNCTION telemetry.export_series(device_ids text[], metric_names text[], start_time timestamptz, end_time timestamptz)
	RETURNS TABLE (device_id text, metric text)
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT s.device_id, s.metric
	FROM telemetry.series AS s
	WHERE s.device_id = ANY (export_series.device_ids) AND s.metric = ANY (export_series.metric_names)
		AND s.last_ts >= export_series.start_time AND s.first_ts < export_series.end_time
	UNION
	SELECT p.device_id, p.metric
	FROM telemetry.pending_point AS p
	WHERE p.device_id = ANY (export_series.device_ids) AND p.metric = ANY (export_series.metric_names)
		AND p.ts >= export_series.start_time AND p.ts < export_series.end_time
	ORDER BY 1, 2;
END;
COMMENT ON FUNCTION telemetry.export_series(text[], text[], timestamptz, timestamptz) IS
	'The series of these devices and metrics that may have points in start_time <= ts < end_time, in the order of device and metric, by their bytes.';

CREATE FUNCTION telemetry.export_points(device_ids text[], metric_names text[], start_time timestamptz, end_time timestamptz,
		format text DEFAULT 'csv') RETURNS SETOF text
	LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 10000
	AS 'MODULE_PATHNAME', 'telemetry_export_points';
COMMENT ON FUNCTION telemetry.export_points(text[], text[], timestamptz, timestamptz, text) IS
	'The points of these devices and metrics with start_time <= ts < end_time as lines of a file, in the order of device, metric and time; a row has some 64 kB of them. '
	'In a select list, rows are made as they are fetched, and neither all points nor all of a series are ever held in memory. format: csv, with a line of names (timestamp, device_id, '
	'metric_name, value, unit, tags), times in UTC, values as telemetry.value has them, and fields as telemetry.csv_field() makes them; csv_exact, the same but '
	'nothing is put before a name or unit that a spreadsheet would take for a formula; ndjson, a JSON object a line with timestamp, device_id, metric_name, value, unit, tags, metadata. No row if there '
	'is no point. Error: invalid_parameter_value if format is another.';

-- A list in a query ----------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.list_parameter(params jsonb, name text) RETURNS text[]
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	given CONSTANT jsonb := CASE
		WHEN jsonb_typeof(params #> ARRAY['repeated', name]) = 'array' THEN params #> ARRAY['repeated', name]
		WHEN jsonb_typeof(params -> name) = 'string' THEN jsonb_build_array(params -> name)
		ELSE '[]' END;
	value text;
	items jsonb;
	list text[] := '{}';
BEGIN
	FOR value IN SELECT g.value FROM jsonb_array_elements_text(given) AS g (value) LOOP
		IF value ^@ '[' THEN
			BEGIN
				items := value::jsonb;
			EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
				RETURN NULL;
			END;
			IF EXISTS (SELECT FROM jsonb_array_elements(items) AS i (item) WHERE jsonb_typeof(i.item) <> 'string') THEN
				RETURN NULL;
			END IF;
			list := list || ARRAY(SELECT i.item FROM jsonb_array_elements_text(items) AS i (item));
		ELSE
			list := list || string_to_array(value, ',');
		END IF;
	END LOOP;
	RETURN ARRAY(SELECT DISTINCT l.item COLLATE "C" AS item FROM unnest(list) AS l (item) ORDER BY item);
END
$$;
COMMENT ON FUNCTION telemetry.list_parameter(jsonb, text) IS
	'The different texts of a parameter of a query that is a list: separated by commas, as a JSON array of texts if it begins with [, and of all if it is given '
	'several times. Empty if it is not there; null if it begins with [ and is no such array.';

CREATE FUNCTION telemetry.check_export(params jsonb) RETURNS telemetry.http_response
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	series_max CONSTANT integer := 10000;
	key_max CONSTANT integer := 128;
	devices CONSTANT text[] := telemetry.list_parameter(params, 'device_ids');
	metrics CONSTANT text[] := telemetry.list_parameter(params, 'metric_names');
	answer telemetry.http_response := telemetry.check_parameters(params, '{start_time,end_time}', '{}', '{}');
	wrong text;
BEGIN
	IF answer.status IS NOT NULL THEN
		RETURN answer;
	END IF;
	SELECT coalesce(
		(SELECT l.name || CASE
				WHEN l.list IS NULL THEN ' must be texts separated by commas, or a JSON array of texts'
				WHEN l.list = '{}' THEN ' is required'
				ELSE format(' must have texts of 1 to %s bytes', key_max)
			END
			FROM (VALUES (1, 'device_ids', devices), (2, 'metric_names', metrics)) AS l (rank, name, list)
			WHERE coalesce(l.list, '{}') = '{}' OR EXISTS (SELECT FROM unnest(l.list) AS i (item) WHERE octet_length(i.item) NOT BETWEEN 1 AND key_max)
			ORDER BY l.rank LIMIT 1),
		(SELECT t.name || ' is required'
			FROM (VALUES (1, 'start_time'), (2, 'end_time')) AS t (rank, name)
			WHERE NOT coalesce(params, '{}') ? t.name
			ORDER BY t.rank LIMIT 1),
		CASE
			WHEN telemetry.time_parameter(params ->> 'end_time') <= telemetry.time_parameter(params ->> 'start_time')
				THEN 'end_time must be later than start_time'
			WHEN cardinality(devices)::bigint * cardinality(metrics) > series_max
				THEN format('device_ids and metric_names make %s series; an export has at most %s',
					cardinality(devices)::bigint * cardinality(metrics), series_max)
			WHEN coalesce(params ->> 'spreadsheet', 'true') NOT IN ('true', 'false') THEN 'spreadsheet must be true or false'
		END)
	INTO wrong;
	IF wrong IS NULL THEN
		RETURN NULL;
	END IF;
	RETURN telemetry.http_problem('telemetry', 400, 'VALIDATION_ERROR', wrong);
END
$$;
COMMENT ON FUNCTION telemetry.check_export(jsonb) IS
	'The first thing that is wrong with params of telemetry.http_export(), as the answer to give (400); null if nothing is.';

-- HTTP -----------------------------------------------------------------------------------------------------------------

-- Rows of functions in select lists are made as they are fetched, those in FROM are all made first. Whether there was
-- none is looked at when all others have been taken.
CREATE FUNCTION telemetry.http_export(params jsonb, format text, content_type text) RETURNS SETOF telemetry.http_part
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
BEGIN ATOMIC
	WITH problem AS MATERIALIZED (
		SELECT p.status, p.body::text AS body FROM telemetry.check_export(params) AS p WHERE p.status IS NOT NULL
	), asked AS MATERIALIZED (
		SELECT telemetry.list_parameter(params, 'device_ids') AS devices, telemetry.list_parameter(params, 'metric_names') AS metrics,
			telemetry.time_parameter(params ->> 'start_time') AS start_time, telemetry.time_parameter(params ->> 'end_time') AS end_time
		WHERE NOT EXISTS (SELECT FROM problem)
	)
	SELECT p.status, NULL, p.body FROM problem AS p
	UNION ALL
	SELECT 200, http_export.content_type, l.lines
	FROM (
		SELECT telemetry.export_points(a.devices, a.metrics, a.start_time, a.end_time, http_export.format) AS lines
		FROM asked AS a
	) AS l
	UNION ALL
	SELECT n.status, NULL, n.body::text
	FROM asked AS a
	CROSS JOIN telemetry.http_problem('telemetry', 404, 'NOT_FOUND', 'No data found') AS n
	WHERE NOT EXISTS (SELECT telemetry.export_points(a.devices, a.metrics, a.start_time, a.end_time, http_export.format));
END;
COMMENT ON FUNCTION telemetry.http_export(jsonb, text, text) IS
	'Of telemetry.http_export_csv() and http_export_ndjson(): the parts of an answer with telemetry.export_points() in a format.';

CREATE FUNCTION telemetry.http_export_csv(params jsonb, body jsonb DEFAULT NULL) RETURNS SETOF telemetry.http_part
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT telemetry.http_export(params, CASE params ->> 'spreadsheet' WHEN 'false' THEN 'csv_exact' ELSE 'csv' END,
		'text/csv; charset=utf-8');
END;
COMMENT ON FUNCTION telemetry.http_export_csv(jsonb, jsonb) IS
	'GET of points as CSV, by telemetry.export_points(): params device_ids and metric_names, lists as telemetry.list_parameter() reads them, that make up to 10000 series; start_time, '
	'end_time (start_time <= ts < end_time); spreadsheet (true, false: fields exactly as they are, also those that a spreadsheet takes for formulas). 200, 400 {"detail"}, 404 {"detail"} if there is no such point.';

CREATE FUNCTION telemetry.http_export_ndjson(params jsonb, body jsonb DEFAULT NULL) RETURNS SETOF telemetry.http_part
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT telemetry.http_export(params, 'ndjson', 'application/x-ndjson');
END;
COMMENT ON FUNCTION telemetry.http_export_ndjson(jsonb, jsonb) IS
	'GET of points as lines of JSON, by telemetry.export_points(): params and statuses as of telemetry.http_export_csv().';

CREATE FUNCTION telemetry.initialise_export_routes() RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
		('GET', '/api/v1/telemetry/export/csv', 'Points as a file of CSV.', 'telemetry', 'telemetry.http_export_csv(jsonb, jsonb)'),
		('GET', '/api/v1/telemetry/export/ndjson', 'Points as lines of JSON.', 'telemetry', 'telemetry.http_export_ndjson(jsonb, jsonb)')
	ON CONFLICT (method, path) DO NOTHING;
END;
COMMENT ON FUNCTION telemetry.initialise_export_routes() IS 'Of telemetry.initialise(): the routes of exports, as far as they are not there.';

REVOKE ALL ON FUNCTION telemetry.export_series(text[], text[], timestamptz, timestamptz),
	telemetry.export_points(text[], text[], timestamptz, timestamptz, text), telemetry.list_parameter(jsonb, text),
	telemetry.check_export(jsonb), telemetry.http_export(jsonb, text, text), telemetry.http_export_csv(jsonb, jsonb),
	telemetry.http_export_ndjson(jsonb, jsonb), telemetry.initialise_export_routes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.export_series(text[], text[], timestamptz, timestamptz),
	telemetry.export_points(text[], text[], timestamptz, timestamptz, text) TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.list_parameter(jsonb, text) TO telemetry_reader, telemetry_writer;
GRANT EXECUTE ON FUNCTION telemetry.http_export_csv(jsonb, jsonb), telemetry.http_export_ndjson(jsonb, jsonb) TO telemetry_reader;
