-- Queries over HTTP (seed 004, Epic 3).
--
-- These functions serve telemetry.query() and telemetry.latest, and run as the owner, as what reads does. Parameters of the query that
-- cannot be read are answered with 400, fields of a body that are wrong with 422.

CREATE FUNCTION telemetry.json_timestamp(value timestamptz) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT (to_jsonb(value AT TIME ZONE 'UTC') #>> '{}') || 'Z';
END;
COMMENT ON FUNCTION telemetry.json_timestamp(timestamptz) IS 'A time of a point as JSON has it: ISO 8601 in UTC, with microseconds only where there are any.';

CREATE FUNCTION telemetry.json_points(points telemetry.query_row[], several_devices boolean) RETURNS json
	LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_json_points';
COMMENT ON FUNCTION telemetry.json_points(telemetry.query_row[], boolean) IS
	'Rows of telemetry.query() as answers have them: [{"timestamp", "metric_name", "value", "unit"}], with "device_id" if there are several devices, and "tags" of points that have some; the text is that of jsonb.';

CREATE FUNCTION telemetry.query_answer(metrics text[], start_time timestamptz, end_time timestamptz, devices text[], aggregation text, "interval" integer,
		filters jsonb, fill text, zone text, row_limit integer, cursor text, status_of_errors integer) RETURNS telemetry.http_part
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
	-- What is not aggregated has no interval, whatever is asked for.
	bucket CONSTANT interval := CASE WHEN aggregation IS NOT NULL THEN "interval" * pg_catalog.make_interval(secs => 1) END;
	one_device CONSTANT boolean := cardinality(devices) = 1;
	found telemetry.query_row[];
	rest boolean;
	last telemetry.query_row;
	-- What jsonb has before the points and after them: shorter keys come first, of the same length by their bytes.
	before jsonb;
	after jsonb;
	problem telemetry.http_response;
BEGIN
	found := ARRAY(SELECT q FROM telemetry.query_rows(metrics, start_time, end_time, devices, aggregation, bucket, filters, fill, zone, row_limit + 1, cursor, false) AS q);
	rest := cardinality(found) > row_limit;
	found := found[1:row_limit];
	before := jsonb_build_object(
		'device_id', CASE WHEN one_device THEN devices[1] END,
		'count', cardinality(found),
		'aggregation', aggregation,
		'interval', CASE WHEN aggregation IS NOT NULL THEN extract(epoch FROM telemetry.query_bucket(metrics, start_time, end_time, bucket))::bigint END,
		'start_time', telemetry.json_timestamp(start_time),
		'end_time', telemetry.json_timestamp(end_time));
	after := jsonb_build_object('metric_name', CASE WHEN cardinality(metrics) = 1 THEN metrics[1] END);
	IF NOT (coalesce(one_device, false) AND cardinality(metrics) = 1) THEN
		before := before || jsonb_build_object('series', (
			SELECT coalesce(jsonb_agg(jsonb_build_object('device_id', s.device_id, 'metric_name', s.metric, 'count', s.n)
				ORDER BY s.device_id COLLATE "C", s.metric COLLATE "C"), '[]')
			FROM (SELECT f.device_id, f.metric, count(*) AS n FROM unnest(found) AS f GROUP BY f.device_id, f.metric) AS s));
	END IF;
	IF rest THEN
		last := found[row_limit];
		after := after || jsonb_build_object('next_cursor', telemetry.query_cursor(last.device_id, last.metric, last.ts));
	END IF;
	RETURN (200, NULL, left(before::text, -1) || ', "data_points": ' || telemetry.json_points(found, NOT coalesce(one_device, false)) || ', ' || substr(after::text, 2))::telemetry.http_part;
EXCEPTION
	WHEN invalid_parameter_value OR program_limit_exceeded OR numeric_value_out_of_range THEN
		problem := telemetry.http_problem('telemetry', status_of_errors, 'VALIDATION_ERROR', replace(SQLERRM, 'bucket must', 'interval must'));
		RETURN (problem.status, problem.content_type, problem.body)::telemetry.http_part;
END
$$;
COMMENT ON FUNCTION telemetry.query_answer(text[], timestamptz, timestamptz, text[], text, integer, jsonb, text, text, integer, text, integer) IS
	'What telemetry.query() finds, as HTTP answers have it: 200 {"device_id" and "metric_name", null where there are several, "data_points": telemetry.json_points(), "count" of these, '
	'"aggregation", "interval" in seconds, "start_time", "end_time"}, of several series "series": [{"device_id", "metric_name", "count"}], and "next_cursor" if there is more; else '
	'{"detail"} with status_of_errors.';

CREATE FUNCTION telemetry.query_fields() RETURNS jsonb
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT '{
		"metrics": {"kind": "texts", "items": 100, "highest": 128, "required": true, "description": "Metrics to read, one at least."},
		"devices": {"kind": "texts", "items": 10000, "highest": 128, "description": "Devices to read; none, or left out: all."},
		"start_time": {"kind": "time", "required": true, "description": "Points of this time or later."},
		"end_time": {"kind": "time", "required": true, "description": "Points before this time."},
		"aggregation": {"kind": "choice", "choices": ["avg", "min", "max", "sum", "count", "median", "p95", "p99", "first", "last", "stddev", "rate", "delta"],
			"description": "What is made of the points of each interval; left out: the points themselves are answered."},
		"interval": {"kind": "integer", "lowest": 1, "highest": 31622400,
			"description": "Seconds that each aggregate is of, at most 10000 such intervals in the range. Left out: the longest aggregation_interval of the metrics'' definitions, or 60; if the range has too many of these, the first multiple of it that makes fewer."},
		"filters": {"kind": "object", "highest": 10000, "empty": true, "description": "Only points whose tags have these members with these values."},
		"fill": {"kind": "choice", "choices": ["none", "null", "previous", "linear"], "default": "none",
			"description": "What an interval without points has: no aggregate, null, that of the interval before, or what lies on a line between its neighbours. Only with aggregation, unless it is none."},
		"timezone": {"kind": "text", "lowest": 1, "highest": 100, "default": "UTC", "description": "By whose clock intervals of days and more begin."},
		"limit": {"kind": "integer", "lowest": 1, "highest": 10000, "default": 1000, "description": "How many to answer with."},
		"cursor": {"kind": "text", "lowest": 1, "highest": 1000, "description": "next_cursor of an answer to the same query: go on after it."}
	}'::jsonb;
END;
COMMENT ON FUNCTION telemetry.query_fields() IS
	'What the body of a query over HTTP has, for telemetry.check_fields(), with descriptions.';

CREATE FUNCTION telemetry.http_query(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
	answer telemetry.http_response := telemetry.check_fields(body, telemetry.query_fields(), false);
	part telemetry.http_part;
BEGIN
	IF answer.status IS NOT NULL THEN
		RETURN answer;
	END IF;
	part := telemetry.query_answer(
		ARRAY(SELECT jsonb_array_elements_text(body -> 'metrics')),
		telemetry.time_parameter(body ->> 'start_time'), telemetry.time_parameter(body ->> 'end_time'),
		-- No devices are all devices.
		nullif(CASE jsonb_typeof(body -> 'devices') WHEN 'array' THEN ARRAY(SELECT jsonb_array_elements_text(body -> 'devices')) END, '{}'),
		body ->> 'aggregation', (body ->> 'interval')::integer, nullif(nullif(body -> 'filters', 'null'), '{}'), coalesce(body ->> 'fill', 'none'),
		coalesce(body ->> 'timezone', 'UTC'), coalesce((body ->> 'limit')::integer, 1000), body ->> 'cursor', 422);
	RETURN (part.status, part.body, part.content_type)::telemetry.http_response;
END
$$;
COMMENT ON FUNCTION telemetry.http_query(jsonb, jsonb) IS
	'POST of telemetry.query(): body as telemetry.query_fields() has it. 200 telemetry.query_answer(); 422 {"detail"}.';

CREATE FUNCTION telemetry.http_latest(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
DECLARE
	answer telemetry.http_response := telemetry.check_parameters(params, '{}', '{}', '{"hours": [1, 876000]}');
	device CONSTANT text := params ->> 'device_id';
	metric_name CONSTANT text := params ->> 'metric_name';
	since CONSTANT timestamptz := now() - coalesce(telemetry.integer_parameter(params ->> 'hours', 1, 876000), 24) * interval '1 hour';
	found jsonb;
BEGIN
	IF answer.status IS NOT NULL THEN
		RETURN answer;
	END IF;
	SELECT jsonb_build_object('device_id', device, 'metric_name', metric_name, 'value', p.value::jsonb, 'unit', p.unit,
		'timestamp', telemetry.json_timestamp(p.ts), 'tags', coalesce(p.tags, '{}'), 'metadata', coalesce(p.metadata, '{}'))
	INTO found
	FROM telemetry.point AS p
	WHERE p.device_id = device AND p.metric = metric_name AND p.ts >= since
	ORDER BY p.ts DESC
	LIMIT 1;
	IF found IS NULL THEN
		RETURN telemetry.http_problem('telemetry', 404, 'NOT_FOUND', 'No data found');
	END IF;
	RETURN (200, found, NULL)::telemetry.http_response;
END
$$;
COMMENT ON FUNCTION telemetry.http_latest(jsonb, jsonb) IS
	'GET of the newest point of a series: params device_id, metric_name, hours (1 to 876000, 24): how far to look back. 200 {"device_id", "metric_name", "value", "unit", "timestamp", '
	'"tags", "metadata"}; 404 if there is none, 400 {"detail"}.';

CREATE FUNCTION telemetry.http_device_metrics(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT 200, coalesce(jsonb_agg(n.metric ORDER BY n.metric), '[]'), NULL::text
	FROM (SELECT l.metric FROM telemetry.latest AS l WHERE l.device_id = params ->> 'device_id' ORDER BY l.metric LIMIT 10000) AS n;
END;
COMMENT ON FUNCTION telemetry.http_device_metrics(jsonb, jsonb) IS
	'GET of a device''s metrics: params device_id. 200 and an array of the names of those that have points, in order, the first 10000; empty if there are none.';

CREATE FUNCTION telemetry.http_range(params jsonb, body jsonb DEFAULT NULL) RETURNS SETOF telemetry.http_part
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
	answer telemetry.http_response := coalesce(
		telemetry.check_choice(params, 'time_range', '{1h,6h,24h,7d,30d,90d}'),
		telemetry.check_choice(params, 'aggregation', '{avg,min,max,sum,count,median,p95,p99,first,last,stddev,rate,delta}'),
		telemetry.check_choice(params, 'fill', '{none,"null",previous,linear}'),
		telemetry.check_parameters(params, '{}', '{}', '{"interval": [1, 31622400], "limit": [1, 10000]}'));
BEGIN
	IF answer.status IS NOT NULL THEN
		RETURN NEXT (answer.status, answer.content_type, answer.body)::telemetry.http_part;
		RETURN;
	END IF;
	RETURN NEXT telemetry.query_answer(ARRAY[params ->> 'metric_name'], now() - coalesce(params ->> 'time_range', '24h')::interval, now(), ARRAY[params ->> 'device_id'],
		params ->> 'aggregation', telemetry.integer_parameter(params ->> 'interval', 1, 31622400), NULL, coalesce(params ->> 'fill', 'none'),
		coalesce(params ->> 'timezone', 'UTC'), coalesce(telemetry.integer_parameter(params ->> 'limit', 1, 10000), 10000), params ->> 'cursor', 400);
END
$$;
COMMENT ON FUNCTION telemetry.http_range(jsonb, jsonb) IS
	'GET of a series'' last hours or days: params device_id, metric_name, time_range (1h, 6h, 24h, 7d, 30d or 90d; 24h), aggregation, interval (seconds), fill, timezone, limit (1 to 10000, 10000), '
	'cursor. 200 telemetry.query_answer(); 400 {"detail"}.';

CREATE FUNCTION telemetry.http_aggregated(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
	missing CONSTANT text := (SELECT n.name FROM unnest('{metric_name,aggregation_type,interval,start_time,end_time}'::text[]) WITH ORDINALITY AS n (name, place)
		WHERE params ->> n.name IS NULL ORDER BY n.place LIMIT 1);
	answer telemetry.http_response := coalesce(
		CASE WHEN missing IS NOT NULL THEN telemetry.http_problem('telemetry', 400, 'VALIDATION_ERROR', missing || ' is required') END,
		telemetry.check_choice(params, 'aggregation_type', '{avg,min,max,sum,count,median,p95,p99,first,last,stddev,rate,delta}'),
		telemetry.check_choice(params, 'fill', '{none,"null",previous,linear}'),
		telemetry.check_parameters(params, '{start_time,end_time}', '{}', '{"interval": [1, 31622400]}'));
	found jsonb;
	unit text;
BEGIN
	IF answer.status IS NOT NULL THEN
		RETURN answer;
	END IF;
	SELECT coalesce(jsonb_agg(jsonb_build_object('timestamp', telemetry.json_timestamp(q.ts), 'value', q.value::jsonb, 'count', q.n) ORDER BY q.ts), '[]'), max(q.unit)
	INTO found, unit
	FROM telemetry.query_rows(ARRAY[params ->> 'metric_name'], telemetry.time_parameter(params ->> 'start_time'), telemetry.time_parameter(params ->> 'end_time'),
		CASE WHEN params ->> 'device_id' IS NOT NULL THEN ARRAY[params ->> 'device_id'] END, params ->> 'aggregation_type',
		telemetry.integer_parameter(params ->> 'interval', 1, 31622400) * interval '1 s', NULL, coalesce(params ->> 'fill', 'none'),
		coalesce(params ->> 'timezone', 'UTC'), 10001, NULL, params ->> 'device_id' IS NULL) AS q;
	RETURN (200, jsonb_build_object('device_id', params -> 'device_id', 'metric_name', params -> 'metric_name', 'aggregation_type', params -> 'aggregation_type',
		'interval', (params ->> 'interval')::integer, 'unit', unit, 'start_time', telemetry.json_timestamp(telemetry.time_parameter(params ->> 'start_time')),
		'end_time', telemetry.json_timestamp(telemetry.time_parameter(params ->> 'end_time')), 'data_points', found, 'count', jsonb_array_length(found)), NULL)::telemetry.http_response;
EXCEPTION
	WHEN invalid_parameter_value OR program_limit_exceeded OR numeric_value_out_of_range THEN
		RETURN telemetry.http_problem('telemetry', 400, 'VALIDATION_ERROR', replace(SQLERRM, 'bucket must', 'interval must'));
END
$$;
COMMENT ON FUNCTION telemetry.http_aggregated(jsonb, jsonb) IS
	'GET of aggregates of a metric, of one device or all as one: params metric_name, aggregation_type, interval (seconds), start_time, end_time, optional device_id, fill, timezone. 200 {"device_id", '
	'"metric_name", "aggregation_type", "interval", "unit", "start_time", "end_time", "data_points": [{"timestamp", "value", "count": of points}], "count"}; 400 {"detail"}.';

CREATE FUNCTION telemetry.initialise_query_routes() RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	INSERT INTO telemetry.dialect (name, description, failure, problems) VALUES
		('telemetry', 'The words of the engine''s own routes.', '{"detail": "$detail"}', '{}')
	ON CONFLICT (name) DO NOTHING;
	INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
		('POST', '/api/v1/telemetry/query', 'Queries points, or their aggregates.', 'telemetry', 'telemetry.http_query(jsonb, jsonb)'),
		('GET', '/api/v1/telemetry/devices/{device_id}/metrics/{metric_name}/latest', 'The newest point of a series.', 'telemetry', 'telemetry.http_latest(jsonb, jsonb)'),
		('GET', '/api/v1/telemetry/devices/{device_id}/metrics', 'The metrics of a device.', 'telemetry', 'telemetry.http_device_metrics(jsonb, jsonb)'),
		('GET', '/api/v1/telemetry/devices/{device_id}/metrics/{metric_name}/range', 'The last hours or days of a series.', 'telemetry', 'telemetry.http_range(jsonb, jsonb)'),
		('GET', '/api/v1/telemetry/aggregated', 'Aggregates of a metric, of a device or all.', 'telemetry', 'telemetry.http_aggregated(jsonb, jsonb)')
	ON CONFLICT (method, path) DO NOTHING;
END;
COMMENT ON FUNCTION telemetry.initialise_query_routes() IS 'Of telemetry.initialise(): the routes of queries, as far as they are not there.';

REVOKE ALL ON FUNCTION telemetry.json_timestamp(timestamptz), telemetry.json_points(telemetry.query_row[], boolean),
	telemetry.query_answer(text[], timestamptz, timestamptz, text[], text, integer, jsonb, text, text, integer, text, integer),
	telemetry.query_fields(), telemetry.http_query(jsonb, jsonb), telemetry.http_latest(jsonb, jsonb), telemetry.http_device_metrics(jsonb, jsonb), telemetry.http_range(jsonb, jsonb),
	telemetry.http_aggregated(jsonb, jsonb), telemetry.initialise_query_routes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.json_timestamp(timestamptz), telemetry.json_points(telemetry.query_row[], boolean),
	telemetry.query_answer(text[], timestamptz, timestamptz, text[], text, integer, jsonb, text, text, integer, text, integer) TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.http_query(jsonb, jsonb), telemetry.http_latest(jsonb, jsonb), telemetry.http_device_metrics(jsonb, jsonb), telemetry.http_range(jsonb, jsonb),
	telemetry.http_aggregated(jsonb, jsonb) TO telemetry_reader;
