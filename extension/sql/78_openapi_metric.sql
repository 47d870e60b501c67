-- What the routes of definitions of metrics say of themselves.

CREATE FUNCTION telemetry.document_metric_routes() RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	WITH known AS MATERIALIZED (
		SELECT '{"$ref": "#/components/schemas/MetricDefinition"}'::jsonb AS schema,
			'[{"name": "metric_name", "in": "path", "description": "The metric, or what a definition by a pattern is called.", "schema": {"type": "string"}, "example": "battery_level"}]'::jsonb AS parameters,
			'{"name": "battery_level", "description": "Device battery percentage", "data_type": "numeric", "metric_type": "gauge", "unit": "percent",
				"min_value": 0, "max_value": 100, "retention_days": 90, "aggregation_interval": 60}'::jsonb AS example,
			'{"metric_id": "met_abc123", "name_pattern": null, "allowed_values": null, "coerce": false, "tags": [], "metadata": {},
				"created_at": "$now", "updated_at": "$now", "created_by": "admin_001"}'::jsonb AS made,
			telemetry.metric_fields() AS fields,
			-- What the table says of nulls the view does not.
			(SELECT jsonb_object_agg(v.key, coalesce(t.value, v.value) || jsonb_strip_nulls(jsonb_build_object('enum', telemetry.metric_fields() #> ARRAY[v.key, 'choices'])))
				FROM jsonb_each(telemetry.columns_schema('telemetry.metric_definition') -> 'properties') AS v
				LEFT JOIN jsonb_each(telemetry.columns_schema('telemetry.metric') -> 'properties') AS t ON t.key = v.key) AS properties
	)
	SELECT telemetry.document_routes(jsonb_build_object(
		'POST /api/v1/telemetry/metrics', '{"tag": "metrics", "description": "Points that come from now on are judged by it; those that are stored stay as they are. With name_pattern it is about every metric of such a name that has no definition of its own."}'::jsonb || jsonb_build_object(
			'request', jsonb_build_object('schema', '{"$ref": "#/components/schemas/MetricFields"}'::jsonb, 'example', known.example),
			'responses', jsonb_build_object(
				'201', jsonb_build_object('description', 'The definition.', 'schema', known.schema, 'example', known.example || known.made),
				'403', 'The role of the proxy may not define metrics, or say how long they are kept: it is no member of telemetry_admin.',
				'409', 'The name has a definition already.',
				'422', 'A field is missing, not known, or not what it must be.'),
			'schemas', jsonb_build_object(
				'MetricFields', telemetry.fields_schema(known.fields, 'telemetry.metric_definition'),
				'MetricChange', telemetry.fields_schema(known.fields, 'telemetry.metric_definition', true),
				'MetricDefinition', jsonb_set(telemetry.columns_schema('telemetry.metric_definition'), '{properties}', known.properties))),
		'GET /api/v1/telemetry/metrics', '{"tag": "metrics", "description": "By name."}'::jsonb || jsonb_build_object(
			'parameters', jsonb_build_array(
				'{"name": "data_type", "in": "query", "description": "Only those whose values are of this type.", "example": "numeric"}'::jsonb
					|| jsonb_build_object('schema', telemetry.field_schema(known.fields -> 'data_type')),
				'{"name": "metric_type", "in": "query", "description": "Only those whose numbers mean this.", "example": "gauge"}'::jsonb
					|| jsonb_build_object('schema', telemetry.field_schema(known.fields -> 'metric_type') - 'default')) || telemetry.page_parameters(),
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'Definitions, and how many there are.',
				'schema', telemetry.list_schema('metrics', known.schema, '{"filters": {"type": "object", "additionalProperties": true, "description": "What was asked for."}}'),
				'example', jsonb_build_object('metrics', jsonb_build_array(known.example || known.made), 'count', 1, 'filters', '{"data_type": "numeric"}'::jsonb, 'limit', 100, 'offset', 0)))),
		'GET /api/v1/telemetry/metrics/{metric_name}', '{"tag": "metrics", "description": "That of this very name. A definition by a pattern has a name of its own."}'::jsonb || jsonb_build_object('parameters', known.parameters,
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'The definition.', 'schema', known.schema, 'example', known.example || known.made),
				'404', 'There is no such definition.')),
		'PUT /api/v1/telemetry/metrics/{metric_name}', '{"tag": "metrics", "description": "Fields that are left out stay as they are; null: as when it is left out of a new definition. The name cannot be changed."}'::jsonb || jsonb_build_object(
			'parameters', known.parameters,
			'request', '{"schema": {"$ref": "#/components/schemas/MetricChange"}, "example": {"description": "Charge of the battery", "max_value": 101}}'::jsonb,
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'The definition as it is now.', 'schema', known.schema),
				'403', 'The role of the proxy may not change definitions, or say how long metrics are kept: it is no member of telemetry_admin.',
				'404', 'There is no such definition.', '422', 'A field is not known, or not what it must be.')),
		'DELETE /api/v1/telemetry/metrics/{metric_name}', '{"tag": "metrics", "description": "Points stay, and are kept as long as before."}'::jsonb || jsonb_build_object('parameters', known.parameters,
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'It is deleted.', 'schema', telemetry.done_schema('metric_name'),
					'example', '{"success": true, "message": "Metric definition deleted", "metric_name": "battery_level"}'::jsonb),
				'403', 'The role of the proxy may not delete definitions: it is no member of telemetry_admin.', '404', 'There is no such definition.'))))
	FROM known;
END;
COMMENT ON FUNCTION telemetry.document_metric_routes() IS
	'Of telemetry.initialise(): the documentation of routes of definitions of metrics.';

REVOKE ALL ON FUNCTION telemetry.document_metric_routes() FROM PUBLIC;
