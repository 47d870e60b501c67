-- What the routes of queries say of themselves.

CREATE FUNCTION telemetry.document_query_routes() RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	WITH known AS MATERIALIZED (
		SELECT '[{"name": "device_id", "in": "path", "description": "The device.", "schema": {"type": "string"}, "example": "device_001"}]'::jsonb AS device,
			'[{"name": "metric_name", "in": "path", "description": "The metric.", "schema": {"type": "string"}, "example": "temperature"}]'::jsonb AS metric,
			(SELECT jsonb_object_agg(f.key, jsonb_build_object('name', f.key, 'in', 'query', 'description', f.value -> 'description', 'schema', telemetry.field_schema(f.value)))
				FROM jsonb_each(telemetry.query_fields()) AS f) AS parameter,
			'{"type": ["string", "null"]}'::jsonb AS text_or_null
	), shape AS MATERIALIZED (
		SELECT jsonb_build_object(
			'QueryPoint', '{"type": "object", "required": ["timestamp", "metric_name", "value", "unit"], "properties": {
				"timestamp": {"type": "string", "format": "date-time", "description": "When it was measured, or the start of the interval."},
				"metric_name": {"type": "string"},
				"value": {"description": "What it was, or the aggregate; null: there is none."},
				"unit": {"type": ["string", "null"]},
				"device_id": {"type": "string", "description": "Where the query is of several devices."},
				"tags": {"type": "object", "additionalProperties": true, "description": "Of a point that has some."}}}'::jsonb,
			'QueryAnswer', jsonb_build_object('type', 'object',
				'required', '["device_id", "metric_name", "data_points", "count", "aggregation", "interval", "start_time", "end_time"]'::jsonb,
				'properties', '{
					"device_id": {"type": ["string", "null"], "description": "The device; null: several are asked for."},
					"metric_name": {"type": ["string", "null"], "description": "The metric; null: several are asked for."},
					"data_points": {"type": "array", "items": {"$ref": "#/components/schemas/QueryPoint"}, "description": "In the order of device, metric and time."},
					"count": {"type": "integer", "description": "How many there are in this answer."},
					"interval": {"type": ["integer", "null"], "description": "Seconds that each aggregate is of."},
					"start_time": {"type": "string", "format": "date-time"},
					"end_time": {"type": "string", "format": "date-time"},
					"series": {"type": "array", "description": "Where there may be several: how many each has in this answer.", "items": {"type": "object", "required": ["device_id", "metric_name", "count"], "properties": {
						"device_id": {"type": "string"}, "metric_name": {"type": "string"}, "count": {"type": "integer"}}}},
					"next_cursor": {"type": "string", "description": "There is more: the cursor to ask on with."}}'::jsonb
					|| jsonb_build_object('aggregation', telemetry.schema_or_null(telemetry.field_schema(telemetry.query_fields() -> 'aggregation'))))) AS schemas
	)
	SELECT telemetry.document_routes(jsonb_build_object(
		'POST /api/v1/telemetry/query', '{"tag": "queries", "description": "Points as they were stored, or with aggregation what is made of the numbers of each interval. What does not fit into an answer is asked for with its next_cursor."}'::jsonb || jsonb_build_object(
			'request', jsonb_build_object(
				'schema', telemetry.fields_schema(telemetry.query_fields()),
				'example', '{"devices": ["device_001"], "metrics": ["temperature", "humidity"], "start_time": "$now - 1 day", "end_time": "$now", "aggregation": "avg", "interval": 3600, "limit": 1000}'::jsonb),
			'responses', jsonb_build_object(
				'200', jsonb_build_object('description', 'What was found, nothing perhaps.', 'schema', '{"$ref": "#/components/schemas/QueryAnswer"}'::jsonb,
					'example', '{"device_id": "device_001", "metric_name": null, "data_points": [
							{"timestamp": "$now - 1 day", "metric_name": "humidity", "value": 60, "unit": "percent"},
							{"timestamp": "$now - 1 day", "metric_name": "temperature", "value": 24.5, "unit": "celsius"}],
						"count": 2, "aggregation": "avg", "interval": 3600, "start_time": "$now - 1 day", "end_time": "$now",
						"series": [{"device_id": "device_001", "metric_name": "humidity", "count": 1}, {"device_id": "device_001", "metric_name": "temperature", "count": 1}]}'::jsonb),
				'422', 'A field is missing, not known, or not what it must be; or there are too many intervals.'),
			'schemas', shape.schemas),
		'GET /api/v1/telemetry/devices/{device_id}/metrics/{metric_name}/latest', '{"tag": "queries", "description": "The point of the latest time, of the last 24 hours if nothing else is said."}'::jsonb || jsonb_build_object(
			'parameters', known.device || known.metric || '[{"name": "hours", "in": "query", "description": "How far to look back.", "schema": {"type": "integer", "minimum": 1, "maximum": 876000, "default": 24}, "example": 48}]'::jsonb,
			'responses', jsonb_build_object(
				'200', '{"description": "The point.", "schema": {"type": "object", "required": ["device_id", "metric_name", "value", "unit", "timestamp", "tags", "metadata"], "properties": {
						"device_id": {"type": "string"},
						"metric_name": {"type": "string"},
						"value": {"description": "What it was."},
						"unit": {"type": ["string", "null"]},
						"timestamp": {"type": "string", "format": "date-time"},
						"tags": {"type": "object", "additionalProperties": true},
						"metadata": {"type": "object", "additionalProperties": true}}},
					"example": {"device_id": "device_001", "metric_name": "temperature", "value": 25.5, "unit": "celsius", "timestamp": "$now", "tags": {}, "metadata": {}}}'::jsonb,
				'404', 'There is no point of that time.')),
		'GET /api/v1/telemetry/devices/{device_id}/metrics', '{"tag": "queries", "description": "Those that have points, in order, the first 10000."}'::jsonb || jsonb_build_object(
			'parameters', known.device,
			'responses', '{"200": {"description": "Names of metrics; none if nothing is known of the device.", "schema": {"type": "array", "maxItems": 10000, "items": {"type": "string"}}, "example": ["humidity", "temperature"]}}'::jsonb),
		'GET /api/v1/telemetry/devices/{device_id}/metrics/{metric_name}/range', '{"tag": "queries", "description": "A query of one series until now."}'::jsonb || jsonb_build_object(
			'parameters', known.device || known.metric || jsonb_build_array(
				'{"name": "time_range", "in": "query", "description": "How far to look back.", "schema": {"type": "string", "enum": ["1h", "6h", "24h", "7d", "30d", "90d"], "default": "24h"}, "example": "24h"}'::jsonb,
				known.parameter -> 'aggregation' || '{"example": "avg"}',
				known.parameter -> 'interval' || '{"example": 3600}',
				known.parameter -> 'fill' || '{"example": "none"}',
				known.parameter -> 'timezone' || '{"example": "Europe/Berlin"}',
				jsonb_set(known.parameter -> 'limit', '{schema,default}', '10000') || '{"example": 100}',
				known.parameter -> 'cursor' || jsonb_build_object('example', telemetry.query_cursor('device_001', 'temperature', '2025-12-18 10:00+00'))),
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'What was found, nothing perhaps.', 'schema', '{"$ref": "#/components/schemas/QueryAnswer"}'::jsonb,
				'example', '{"device_id": "device_001", "metric_name": "temperature", "data_points": [{"timestamp": "$now", "metric_name": "temperature", "value": 25.5, "unit": "celsius", "tags": {"location": "room_1"}}],
					"count": 1, "aggregation": null, "interval": null, "start_time": "$now - 23 hours", "end_time": "$now"}'::jsonb))),
		'GET /api/v1/telemetry/aggregated', '{"tag": "queries", "description": "Of one device, or of all of them as one."}'::jsonb || jsonb_build_object(
			'parameters', jsonb_build_array(
				'{"name": "metric_name", "in": "query", "required": true, "description": "The metric, 1 to 128 bytes.", "schema": {"type": "string", "minLength": 1, "maxLength": 128}, "example": "temperature"}'::jsonb,
				known.parameter -> 'aggregation' || '{"name": "aggregation_type", "required": true, "description": "What is made of the points of each interval.", "example": "avg"}',
				known.parameter -> 'interval' || '{"required": true, "description": "Seconds that each aggregate is of, at most 10000 such intervals in the range.", "example": 3600}',
				known.parameter -> 'start_time' || '{"required": true, "example": "$now - 1 day"}',
				known.parameter -> 'end_time' || '{"required": true, "example": "$now"}',
				'{"name": "device_id", "in": "query", "description": "The device; left out: all.", "schema": {"type": "string"}, "example": "device_001"}'::jsonb,
				known.parameter -> 'fill' || '{"example": "null"}',
				known.parameter -> 'timezone' || '{"example": "Europe/Berlin"}'),
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'The aggregates, none perhaps.',
				'schema', jsonb_build_object('type', 'object',
					'required', '["device_id", "metric_name", "aggregation_type", "interval", "unit", "start_time", "end_time", "data_points", "count"]'::jsonb,
					'properties', '{
						"device_id": {"type": ["string", "null"], "description": "The device; null: all."},
						"metric_name": {"type": "string"},
						"interval": {"type": "integer", "description": "Seconds."},
						"unit": {"type": ["string", "null"]},
						"start_time": {"type": "string", "format": "date-time"},
						"end_time": {"type": "string", "format": "date-time"},
						"data_points": {"type": "array", "description": "In the order of time.", "items": {"type": "object", "required": ["timestamp", "value", "count"], "properties": {
							"timestamp": {"type": "string", "format": "date-time", "description": "Start of the interval."},
							"value": {"description": "The aggregate; null: there is none."},
							"count": {"type": "integer", "description": "Points that it is of."}}}},
						"count": {"type": "integer", "description": "How many aggregates there are."}}'::jsonb
						|| jsonb_build_object('aggregation_type', telemetry.field_schema(telemetry.query_fields() -> 'aggregation'))),
				'example', '{"device_id": null, "metric_name": "temperature", "aggregation_type": "avg", "interval": 3600, "unit": "celsius", "start_time": "$now - 1 day", "end_time": "$now",
					"data_points": [{"timestamp": "$now - 1 day", "value": 24.5, "count": 60}], "count": 1}'::jsonb)))))
	FROM known, shape;
END;
COMMENT ON FUNCTION telemetry.document_query_routes() IS
	'Of telemetry.initialise(): the documentation of routes of queries.';

REVOKE ALL ON FUNCTION telemetry.document_query_routes() FROM PUBLIC;
