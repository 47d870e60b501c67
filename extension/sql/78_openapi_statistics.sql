-- What the routes of statistics and exports say of themselves.

CREATE FUNCTION telemetry.document_statistics_routes() RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	WITH known AS MATERIALIZED (
		SELECT '{"type": "object", "required": ["gauge", "counter", "histogram"], "properties": {"gauge": {"type": "integer"}, "counter": {"type": "integer"}, "histogram": {"type": "integer"}}}'::jsonb AS by_type,
			'{"type": "object", "additionalProperties": {"type": "integer"}}'::jsonb AS numbers,
			telemetry.columns_schema('telemetry.statistics_state', '{one_row}') AS state
	)
	SELECT telemetry.document_routes(jsonb_build_object(
		'GET /api/v1/telemetry/devices/{device_id}/stats', '{"tag": "statistics", "description": "Zeros if nothing is known of the device.",
			"parameters": [{"name": "device_id", "in": "path", "description": "The device, 1 to 128 bytes.", "schema": {"type": "string", "minLength": 1, "maxLength": 128}, "example": "device_001"}]}'::jsonb || jsonb_build_object(
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'What there is of the device.',
				'schema', jsonb_build_object('type', 'object',
					'required', '["device_id", "total_metrics", "active_metrics", "data_points_count", "last_update", "storage_size", "avg_frequency", "last_24h_points", "last_24h_alerts", "metrics_by_type", "top_metrics"]'::jsonb,
					'properties', '{
						"device_id": {"type": "string"},
						"total_metrics": {"type": "integer", "description": "Its metrics."},
						"active_metrics": {"type": "integer", "description": "Those that have a point of the last 24 hours."},
						"data_points_count": {"type": "integer", "description": "Its points."},
						"last_update": {"type": ["string", "null"], "format": "date-time", "description": "Time of the last point."},
						"storage_size": {"type": "integer", "description": "About how many bytes its points take."},
						"avg_frequency": {"type": "number", "description": "Points a minute, from the first to the last."},
						"last_24h_points": {"type": "integer", "description": "Points of the last 24 hours."},
						"last_24h_alerts": {"type": "integer", "description": "Alerts that were triggered in the last 24 hours."},
						"top_metrics": {"type": "array", "maxItems": 10, "description": "The metrics with most points.", "items": {"type": "object", "required": ["name", "points"], "properties": {
							"name": {"type": "string"}, "points": {"type": "integer"}}}}}'::jsonb
						|| jsonb_build_object('metrics_by_type', known.by_type || '{"description": "How many metrics are of which type, by their definitions."}')),
				'example', '{"device_id": "device_001", "total_metrics": 5, "active_metrics": 5, "data_points_count": 10000, "last_update": "$now", "storage_size": 1000000, "avg_frequency": 1.5,
					"last_24h_points": 1440, "last_24h_alerts": 2, "metrics_by_type": {"gauge": 4, "counter": 1, "histogram": 0}, "top_metrics": [{"name": "temperature", "points": 3000}]}'::jsonb))),
		'GET /api/v1/telemetry/stats', '{"tag": "statistics", "description": "As job statistics counts it, about once a minute: as_of says when."}'::jsonb || jsonb_build_object(
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'What there is in all.',
				'schema', jsonb_build_object('type', 'object', 'required', (known.state -> 'required') || '["avg_latency"]',
					'properties', (known.state -> 'properties')
						|| '{"avg_latency": {"type": "number", "description": "Milliseconds from a request to its answer, the mean of the proxy that was asked since it began."}}'
						|| (SELECT jsonb_object_agg(o.name, (known.state #> ARRAY['properties', o.name]) || o.schema)
							FROM (VALUES ('devices_by_type', known.numbers), ('metrics_by_type', known.by_type), ('data_by_hour', known.numbers)) AS o (name, schema))),
				'example', '{"as_of": "$now", "total_devices": 100, "active_devices": 96, "total_metrics": 12, "total_data_points": 1000000, "points_per_second": 10.5, "avg_latency": 4.2, "error_rate": 0.001,
					"last_24h_points": 907200, "last_24h_alerts": 3, "devices_by_type": {"mixed": 4, "numeric": 96}, "metrics_by_type": {"gauge": 10, "counter": 2, "histogram": 0},
					"data_by_hour": {"2025-12-18T09:00:00Z": 37800, "2025-12-18T10:00:00Z": 12600}}'::jsonb)))))
	FROM known;

	WITH known AS MATERIALIZED (
		SELECT '[
				{"name": "device_ids", "in": "query", "required": true, "description": "Devices, of 1 to 128 bytes, separated by commas; or a JSON array of them. May be given several times.", "schema": {"type": "string", "minLength": 1}, "example": "device_001"},
				{"name": "metric_names", "in": "query", "required": true, "description": "Metrics, in the same way. Devices times metrics may be 10000 series.", "schema": {"type": "string", "minLength": 1}, "example": "temperature"},
				{"name": "start_time", "in": "query", "required": true, "description": "Points of this time or later.", "schema": {"type": "string", "format": "date-time"}, "example": "$now - 1 day"},
				{"name": "end_time", "in": "query", "required": true, "description": "Points before this time.", "schema": {"type": "string", "format": "date-time"}, "example": "$now"}
			]'::jsonb AS parameters,
			'There is no such point.'::text AS none_found
	)
	SELECT telemetry.document_routes(jsonb_build_object(
		'GET /api/v1/telemetry/export/csv', '{"tag": "export", "description": "As many as there are, in the order of device, metric and time. Times are of UTC."}'::jsonb || jsonb_build_object(
			'parameters', known.parameters || '[{"name": "spreadsheet", "in": "query", "description": "Whether an apostrophe is put before a name or unit that a spreadsheet would take for a formula.", "schema": {"type": "string", "enum": ["true", "false"], "default": "true"}, "example": "false"}]'::jsonb,
			'responses', jsonb_build_object(
				'200', jsonb_build_object('description', 'A line of names, then a line for each point.', 'content_type', 'text/csv; charset=utf-8', 'schema', '{"type": "string"}'::jsonb,
					'example', E'timestamp,device_id,metric_name,value,unit,tags\n2025-12-18T10:00:00Z,device_001,temperature,25.5,celsius,"{""location"": ""room_1""}"\n'::text),
				'404', known.none_found)),
		'GET /api/v1/telemetry/export/ndjson', '{"tag": "export", "description": "As many as there are, in the order of device, metric and time. Times are of UTC."}'::jsonb || jsonb_build_object(
			'parameters', known.parameters,
			'responses', jsonb_build_object(
				'200', jsonb_build_object('description', 'A line for each point, which is a JSON object.', 'content_type', 'application/x-ndjson', 'schema', '{"type": "string"}'::jsonb,
					'example', E'{"timestamp": "2025-12-18T10:00:00Z", "device_id": "device_001", "metric_name": "temperature", "value": 25.5, "unit": "celsius", "tags": {"location": "room_1"}, "metadata": null}\n'::text),
				'404', known.none_found))))
	FROM known;
END;
COMMENT ON FUNCTION telemetry.document_statistics_routes() IS
	'Of telemetry.initialise(): the documentation of routes of statistics and exports.';

REVOKE ALL ON FUNCTION telemetry.document_statistics_routes() FROM PUBLIC;
