-- Definitions of metrics over HTTP (seed 004, Epic 2).
--
-- As of alert rules: what reads runs as the owner; what writes runs as whoever calls it, so that the rights on
-- telemetry.metric_definition, telemetry.metric and telemetry.retention decide.

CREATE FUNCTION telemetry.metric_fields() RETURNS jsonb
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT '{
		"name": {"kind": "text", "lowest": 1, "highest": 128, "unit": "bytes", "required": true},
		"name_pattern": {"kind": "text", "lowest": 1, "highest": 256, "unit": "bytes"},
		"description": {"kind": "text", "lowest": 0, "highest": 2000},
		"data_type": {"kind": "choice", "choices": ["numeric", "string", "boolean", "json", "geolocation", "binary"], "required": true},
		"metric_type": {"kind": "choice", "choices": ["gauge", "counter", "histogram"], "default": "gauge"},
		"unit": {"kind": "text", "lowest": 1, "highest": 128, "unit": "bytes"},
		"min_value": {"kind": "number"},
		"max_value": {"kind": "number"},
		"allowed_values": {"kind": "scalars", "items": 1000, "highest": 1024},
		"retention_days": {"kind": "integer", "lowest": 1, "highest": 3650},
		"aggregation_interval": {"kind": "integer", "lowest": 1, "highest": 31622400, "default": 60},
		"coerce": {"kind": "boolean", "default": false},
		"tags": {"kind": "texts", "items": 100, "highest": 128, "default": []},
		"metadata": {"kind": "object", "highest": 65536, "empty": true, "default": {}}
	}'::jsonb;
END;
COMMENT ON FUNCTION telemetry.metric_fields() IS
	'What a definition over HTTP has, for telemetry.check_fields(): the columns of telemetry.metric_definition that are written, with their limits. "default": what null stands for.';

CREATE FUNCTION telemetry.metric_definition_json(definition telemetry.metric_definition) RETURNS jsonb
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT to_jsonb(definition) || jsonb_build_object(
		'created_at', telemetry.json_time(definition.created_at),
		'updated_at', telemetry.json_time(definition.updated_at));
END;
COMMENT ON FUNCTION telemetry.metric_definition_json(telemetry.metric_definition) IS
	'A definition as HTTP answers have it: {the columns of telemetry.metric_definition}, with times in UTC.';

CREATE FUNCTION telemetry.write_metric(name text, body jsonb, actor text) RETURNS telemetry.http_response
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	fields CONSTANT jsonb := telemetry.metric_fields();
	is_new CONSTANT boolean := write_metric.name IS NULL;
	needed CONSTANT text[] := CASE WHEN is_new THEN '{INSERT,SELECT}' ELSE '{UPDATE,SELECT}' END;
	defaults CONSTANT jsonb := (SELECT jsonb_object_agg(f.key, f.value -> 'default') FROM jsonb_each(fields) AS f WHERE f.value ? 'default');
	days integer;
	wrong text;
	constraint_name text;
	given jsonb;
	definition telemetry.metric_definition;
	answer telemetry.http_response := coalesce(
		telemetry.check_privileges('telemetry.metric_definition', needed),
		telemetry.check_privileges('telemetry.metric', needed),
		telemetry.check_fields(body, fields, NOT is_new));
BEGIN
	IF answer.status IS NULL AND body ? 'retention_days' THEN
		answer := telemetry.check_privileges('telemetry.retention', '{INSERT,UPDATE,DELETE,SELECT}');
	END IF;
	IF answer.status IS NOT NULL THEN
		RETURN answer;
	END IF;
	days := (body ->> 'retention_days')::integer;
	IF is_new THEN
		definition.metric_id := telemetry.new_id('met');
		definition.created_at := now();
		definition.updated_at := now();
		definition.created_by := telemetry.current_actor(actor);
		given := defaults;
	ELSE
		-- Whoever changes it at the same time comes before or after.
		PERFORM FROM telemetry.metric AS m WHERE m.name = write_metric.name FOR NO KEY UPDATE;
		SELECT d.* INTO definition FROM telemetry.metric_definition AS d WHERE d.name = write_metric.name;
		IF NOT FOUND THEN
			RETURN telemetry.http_found(NULL, 'Metric');
		END IF;
		given := '{}';
	END IF;
	SELECT given || coalesce(jsonb_object_agg(b.key, CASE WHEN b.value = 'null' THEN coalesce(defaults -> b.key, 'null') ELSE b.value END), '{}')
	INTO given
	FROM jsonb_each(body) AS b;
	definition := jsonb_populate_record(definition, given);
	wrong := CASE
		WHEN definition.data_type <> 'numeric' AND num_nonnulls(definition.min_value, definition.max_value) > 0 THEN
			format('min_value and max_value are for data_type numeric, not %s', definition.data_type)
		WHEN definition.min_value > definition.max_value THEN
			format('min_value must not be above max_value, %s is above %s', definition.min_value, definition.max_value)
	END;
	IF wrong IS NOT NULL THEN
		RETURN telemetry.http_problem('telemetry', 422, 'VALIDATION_ERROR', wrong);
	END IF;
	IF is_new THEN
		INSERT INTO telemetry.metric_definition VALUES (definition.*) RETURNING * INTO definition;
	ELSE
		UPDATE telemetry.metric_definition AS d
		SET name = definition.name, name_pattern = definition.name_pattern, description = definition.description, data_type = definition.data_type,
			metric_type = definition.metric_type, unit = definition.unit, min_value = definition.min_value, max_value = definition.max_value,
			allowed_values = definition.allowed_values, retention_days = definition.retention_days,
			aggregation_interval = definition.aggregation_interval, coerce = definition.coerce, tags = definition.tags, metadata = definition.metadata
		WHERE d.metric_id = definition.metric_id
		RETURNING d.* INTO definition;
		-- What is said of all metrics is said of this one then, too.
		PERFORM telemetry.set_retention(definition.name, days);
	END IF;
	RETURN (CASE WHEN is_new THEN 201 ELSE 200 END, telemetry.metric_definition_json(definition), NULL)::telemetry.http_response;
EXCEPTION
	WHEN unique_violation THEN
		RETURN telemetry.http_problem('telemetry', 409, 'CONFLICT', format('metric "%s" has a definition already', definition.name));
	WHEN invalid_parameter_value OR numeric_value_out_of_range THEN
		RETURN telemetry.http_problem('telemetry', 422, 'VALIDATION_ERROR', SQLERRM);
	WHEN check_violation THEN
		GET STACKED DIAGNOSTICS constraint_name = CONSTRAINT_NAME;
		RETURN telemetry.http_problem('telemetry', 422, 'VALIDATION_ERROR', 'not as it must be: ' || replace(constraint_name, '_', ' '));
END
$$;
COMMENT ON FUNCTION telemetry.write_metric(text, jsonb, text) IS
	'Makes a definition of a body, for actor, or, of a name, changes the fields that the body has. 201 or 200 and telemetry.metric_definition_json(); 403, 404, 409 and 422 {"detail"}. '
	'Errors: those of telemetry.current_actor().';

CREATE FUNCTION telemetry.http_create_metric(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT w.status, w.body, w.content_type FROM telemetry.write_metric(NULL, body, telemetry.caller_name(params)) AS w;
END;
COMMENT ON FUNCTION telemetry.http_create_metric(jsonb, jsonb) IS
	'POST of a definition: body as telemetry.metric_fields() has it. 201 and the definition; 409 if the name has one; 422 {"detail"}; 403 unless the role that calls it, the proxy''s for '
	'instance, has INSERT on telemetry.metric_definition and telemetry.metric, and may write telemetry.retention if the body has retention_days, as members of telemetry_admin may.';

CREATE FUNCTION telemetry.http_change_metric(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT w.status, w.body, w.content_type
	FROM telemetry.write_metric(coalesce(params ->> 'metric_name', ''), body, telemetry.caller_name(params)) AS w;
END;
COMMENT ON FUNCTION telemetry.http_change_metric(jsonb, jsonb) IS
	'PUT of a definition: params metric_name, body the fields that change; null: as when it is left out of a new one. The name stays. 200 and the definition; 404, 422 {"detail"}; '
	'403 unless the role that calls it has UPDATE on telemetry.metric_definition and telemetry.metric, and may write telemetry.retention if the body has retention_days.';

CREATE FUNCTION telemetry.http_delete_metric(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer telemetry.http_response := coalesce(
		telemetry.check_privileges('telemetry.metric_definition', '{DELETE,SELECT}'),
		telemetry.check_privileges('telemetry.metric', '{DELETE,SELECT}'));
BEGIN
	IF answer.status IS NOT NULL THEN
		RETURN answer;
	END IF;
	DELETE FROM telemetry.metric_definition AS d WHERE d.name = params ->> 'metric_name';
	RETURN telemetry.http_done(FOUND, 'Metric', 'definition deleted', jsonb_build_object('metric_name', params -> 'metric_name'));
END
$$;
COMMENT ON FUNCTION telemetry.http_delete_metric(jsonb, jsonb) IS
	'DELETE of a definition: params metric_name; the data and their retention stay. 200 {"success", "message", "metric_name"}; 404 {"detail"}; 403 unless the role that calls it '
	'has DELETE on telemetry.metric_definition and telemetry.metric.';

CREATE FUNCTION telemetry.http_metric(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT answer.status, answer.body, answer.content_type
	FROM telemetry.http_found(
		(SELECT telemetry.metric_definition_json(d) FROM telemetry.metric_definition AS d WHERE d.name = params ->> 'metric_name'), 'Metric') AS answer;
END;
COMMENT ON FUNCTION telemetry.http_metric(jsonb, jsonb) IS
	'GET of a definition: params metric_name. 200 and telemetry.metric_definition_json(); 404 {"detail"}.';

CREATE FUNCTION telemetry.http_metrics(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_custom_plan
AS $$
<<asked>>
DECLARE
	answer telemetry.http_response := coalesce(
		telemetry.check_choice(params, 'data_type', '{numeric,string,boolean,json,geolocation,binary}'),
		telemetry.check_choice(params, 'metric_type', '{gauge,counter,histogram}'),
		telemetry.check_page(params));
	data_type CONSTANT text := params ->> 'data_type';
	metric_type CONSTANT text := params ->> 'metric_type';
	total bigint;
	metrics jsonb;
BEGIN
	IF answer.status IS NOT NULL THEN
		RETURN answer;
	END IF;
	SELECT count(*) INTO total
	FROM telemetry.metric AS m
	WHERE (asked.data_type IS NULL OR m.data_type = asked.data_type)
		AND (asked.metric_type IS NULL OR m.metric_type = asked.metric_type);
	SELECT jsonb_agg(telemetry.metric_definition_json(p.definition) ORDER BY (p.definition).name) INTO metrics
	FROM (
		SELECT d AS definition
		FROM telemetry.metric_definition AS d
		WHERE (asked.data_type IS NULL OR d.data_type = asked.data_type)
			AND (asked.metric_type IS NULL OR d.metric_type = asked.metric_type)
		ORDER BY d.name
		LIMIT telemetry.page_limit(params) OFFSET telemetry.page_offset(params)
	) AS p;
	RETURN telemetry.page_answer(params, 'metrics', metrics, total, jsonb_build_object(
		'filters', jsonb_strip_nulls(jsonb_build_object('data_type', data_type, 'metric_type', metric_type))));
END
$$;
COMMENT ON FUNCTION telemetry.http_metrics(jsonb, jsonb) IS
	'GET of definitions, by name: params data_type, metric_type, limit (1 to 1000, 100), offset (0 to 1000000, 0). 200 {"metrics": telemetry.metric_definition_json() of each, "count": of all '
	'that the filters let through, "filters", "limit", "offset"}; 400 {"detail"}.';

CREATE FUNCTION telemetry.initialise_metric_routes() RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	INSERT INTO telemetry.dialect (name, description, failure, problems) VALUES
		('telemetry', 'The words of the engine''s own routes.', '{"detail": "$detail"}', '{}')
	ON CONFLICT (name) DO NOTHING;
	INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
		('POST', '/api/v1/telemetry/metrics', 'Defines a metric.', 'telemetry', 'telemetry.http_create_metric(jsonb, jsonb)'),
		('GET', '/api/v1/telemetry/metrics', 'Lists definitions of metrics.', 'telemetry', 'telemetry.http_metrics(jsonb, jsonb)'),
		('GET', '/api/v1/telemetry/metrics/{metric_name}', 'The definition of a metric.', 'telemetry', 'telemetry.http_metric(jsonb, jsonb)'),
		('PUT', '/api/v1/telemetry/metrics/{metric_name}', 'Changes the definition of a metric.', 'telemetry',
			'telemetry.http_change_metric(jsonb, jsonb)'),
		('DELETE', '/api/v1/telemetry/metrics/{metric_name}', 'Deletes the definition of a metric.', 'telemetry',
			'telemetry.http_delete_metric(jsonb, jsonb)')
	ON CONFLICT (method, path) DO NOTHING;
END;
COMMENT ON FUNCTION telemetry.initialise_metric_routes() IS
	'Of telemetry.initialise(): dialect telemetry and the routes of definitions of metrics, as far as they are not there.';

REVOKE ALL ON FUNCTION telemetry.metric_fields(), telemetry.metric_definition_json(telemetry.metric_definition), telemetry.write_metric(text, jsonb, text),
	telemetry.http_create_metric(jsonb, jsonb), telemetry.http_change_metric(jsonb, jsonb), telemetry.http_delete_metric(jsonb, jsonb),
	telemetry.http_metric(jsonb, jsonb), telemetry.http_metrics(jsonb, jsonb), telemetry.initialise_metric_routes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.metric_definition_json(telemetry.metric_definition) TO telemetry_reader, telemetry_writer;
GRANT EXECUTE ON FUNCTION telemetry.http_metric(jsonb, jsonb), telemetry.http_metrics(jsonb, jsonb) TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.metric_fields(), telemetry.write_metric(text, jsonb, text), telemetry.http_create_metric(jsonb, jsonb),
	telemetry.http_change_metric(jsonb, jsonb), telemetry.http_delete_metric(jsonb, jsonb) TO telemetry_writer;
