-- What the routes that are compiled into the proxy, and those of events of other systems and of this documentation, say of themselves.

CREATE FUNCTION telemetry.document_point_routes() RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT telemetry.document_routes(jsonb_build_object(
		'POST /api/v1/telemetry/devices/{device_id}/telemetry', '{
			"tag": "points",
			"description": "A point whose device, metric and time have one already takes its place.",
			"parameters": [{"name": "device_id", "in": "path", "description": "The device, 1 to 128 bytes.", "schema": {"type": "string", "minLength": 1, "maxLength": 128}, "example": "device_001"}],
			"request": {
				"schema": {"$ref": "#/components/schemas/Point"},
				"example": {"timestamp": "$now", "metric_name": "temperature", "value": 25.5, "unit": "celsius", "tags": {"location": "room_1"}}},
			"responses": {
				"200": {
					"description": "The point is stored.",
					"schema": {"type": "object", "required": ["success", "message", "device_id", "metric_name"], "properties": {
						"success": {"type": "boolean", "const": true},
						"message": {"type": "string"},
						"device_id": {"type": "string"},
						"metric_name": {"type": "string"}}},
					"example": {"success": true, "message": "Data point ingested successfully", "device_id": "device_001", "metric_name": "temperature"}},
				"422": "The point is rejected: a member is missing, of another type, or beyond a limit."},
			"schemas": {
				"Point": {"type": "object", "required": ["timestamp", "metric_name", "value"], "description": "A measurement. Other members are ignored.", "properties": {
					"timestamp": {"type": ["string", "number"], "description": "RFC 3339, UTC if it has no zone; or seconds since 1970, beyond 2e10 milliseconds."},
					"metric_name": {"type": "string", "minLength": 1, "maxLength": 128, "description": "What was measured, 1 to 128 bytes."},
					"value": {"type": ["number", "string", "boolean", "object", "array"], "description": "What it was."},
					"unit": {"type": ["string", "null"], "description": "What a number counts."},
					"tags": {"type": ["object", "null"], "description": "What is to be known of the point, such as where it was measured."},
					"metadata": {"type": ["object", "null"], "description": "Whatever else there is to keep with it."}}},
				"BatchResult": {"type": "object", "required": ["success", "ingested_count", "failed_count", "total_count", "errors"], "properties": {
					"success": {"type": "boolean", "description": "Whether no point failed."},
					"ingested_count": {"type": "integer"},
					"failed_count": {"type": "integer"},
					"total_count": {"type": "integer"},
					"replaced_count": {"type": "integer", "description": "How many of those ingested a later point of the body has replaced; left out if none."},
					"errors": {"type": "array", "items": {"type": "object", "required": ["index", "code", "error"], "properties": {
						"index": {"type": ["integer", "null"], "description": "Which of the points, from 0 on; null: all of them."},
						"metric_name": {"type": ["string", "null"]},
						"code": {"type": "string", "description": "What is wrong, for programs."},
						"error": {"type": "string", "description": "What is wrong, for people."}}}}}}}
		}'::jsonb,
		'POST /api/v1/telemetry/devices/{device_id}/telemetry/batch', '{
			"tag": "points",
			"description": "Each point is stored or rejected for itself. A batch_id belongs to its device: the same batch again within a day is answered as it was the first time. The body may also be the array of points alone.",
			"parameters": [{"name": "device_id", "in": "path", "description": "The device, 1 to 128 bytes.", "schema": {"type": "string", "minLength": 1, "maxLength": 128}, "example": "device_001"}],
			"request": {
				"schema": {"anyOf": [
					{"type": "object", "required": ["data_points"], "properties": {
						"data_points": {"type": "array", "minItems": 1, "maxItems": 1000, "items": {"$ref": "#/components/schemas/Point"}},
						"compression": {"type": ["string", "null"], "enum": ["gzip", "lz4", null]},
						"batch_id": {"type": ["string", "null"], "description": "A name under which the batch is stored once."}}},
					{"type": "array", "minItems": 1, "maxItems": 1000, "items": {"$ref": "#/components/schemas/Point"}}]},
				"example": {"data_points": [
						{"timestamp": "$now", "metric_name": "temperature", "value": 25.5},
						{"timestamp": "$now", "metric_name": "humidity", "value": 60}],
					"compression": null, "batch_id": "batch_001"}},
			"responses": {
				"200": {
					"description": "What became of the points, also if some or all failed.",
					"schema": {"$ref": "#/components/schemas/BatchResult"},
					"example": {"success": true, "ingested_count": 2, "failed_count": 0, "total_count": 2, "errors": []}},
				"422": "The body has not the shape, has too many points, or its batch_id was used for other points."}
		}'::jsonb,
		'POST /api/v1/telemetry/bulk', '{
			"tag": "points",
			"description": "A device whose points cannot be taken hurts no other.",
			"request": {
				"schema": {"type": "object", "minProperties": 1, "description": "Points by device, 10000 in all.",
					"additionalProperties": {"type": "array", "maxItems": 1000, "items": {"$ref": "#/components/schemas/Point"}}},
				"example": {
					"device_001": [{"timestamp": "$now", "metric_name": "temp", "value": 25}],
					"device_002": [{"timestamp": "$now", "metric_name": "temp", "value": 26}]}},
			"responses": {
				"200": {
					"description": "What became of the points, by device.",
					"schema": {"type": "object", "required": ["success", "results", "total_devices"], "properties": {
						"success": {"type": "boolean", "description": "Whether no point failed."},
						"results": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/BatchResult"}},
						"total_devices": {"type": "integer"}}},
					"example": {"success": true, "total_devices": 2, "results": {
						"device_001": {"success": true, "ingested_count": 1, "failed_count": 0, "total_count": 1, "errors": []},
						"device_002": {"success": true, "ingested_count": 1, "failed_count": 0, "total_count": 1, "errors": []}}}},
				"422": "The body has not the shape, has too many points, or its Idempotency-Key was used for other points."}
		}'::jsonb,
		'GET /api/v1/telemetry/batches/{batch_id}', '{
			"tag": "points",
			"description": "The receipt of a batch with a batch_id, kept for a day.",
			"parameters": [
				{"name": "batch_id", "in": "path", "description": "The name that its sender gave it.", "schema": {"type": "string", "minLength": 1}, "example": "batch_001"},
				{"name": "device_id", "in": "query", "description": "Whose batch, if several devices have used the name.", "schema": {"type": "string"}, "example": "device_001"}],
			"responses": {
				"200": {
					"description": "What became of it.",
					"schema": {"allOf": [{"$ref": "#/components/schemas/BatchResult"}, {"type": "object", "required": ["batch_id", "device_id", "received_at"], "properties": {
						"batch_id": {"type": "string"},
						"device_id": {"type": "string"},
						"received_at": {"type": "string", "format": "date-time"}}}]},
					"example": {"batch_id": "batch_001", "device_id": "device_001", "received_at": "$now", "success": true, "ingested_count": 2, "failed_count": 0, "total_count": 2, "errors": []}},
				"404": "There is no receipt.",
				"422": "device_id cannot be read."}
		}'::jsonb));

	SELECT telemetry.document_routes(jsonb_build_object(
		'GET /health', '{
			"tag": "health",
			"description": "Answered at once, with what the database said within the last second or two.",
			"responses": {
				"200": {
					"description": "Points can be stored.",
					"schema": {"$ref": "#/components/schemas/Health"},
					"example": {"status": "healthy", "service": "telemetry_service", "port": 8218, "version": "0.1.0"}},
				"503": {"description": "Nothing can be stored, or nobody knows.", "schema": {"$ref": "#/components/schemas/Health"}}},
			"schemas": {
				"Health": {"type": "object", "required": ["status", "service", "port"], "properties": {
					"status": {"type": "string", "enum": ["healthy", "degraded", "unhealthy"]},
					"service": {"type": "string", "const": "telemetry_service"},
					"port": {"type": "integer"},
					"version": {"type": "string"},
					"detail": {"type": "string", "description": "What is wrong."}}}}
		}'::jsonb,
		'GET /health/live', '{
			"tag": "health",
			"description": "For those who would start it again. Says nothing of the database.",
			"responses": {"200": {
				"description": "It runs.",
				"schema": {"type": "object", "required": ["status"], "properties": {"status": {"type": "string", "const": "alive"}}},
				"example": {"status": "alive"}}}
		}'::jsonb,
		'GET /health/detailed', '{
			"tag": "health",
			"description": "The state of each component, what the store takes, and the counters of the proxy.",
			"responses": {
				"200": {"description": "Points can be stored.", "schema": {"$ref": "#/components/schemas/DetailedHealth"}},
				"503": {"description": "Nothing can be stored, or nobody knows.", "schema": {"$ref": "#/components/schemas/DetailedHealth"}}},
			"schemas": {
				"ComponentHealth": {"type": "object", "required": ["status"], "properties": {"status": {"type": "string", "enum": ["healthy", "degraded", "unhealthy", "not_configured", "unknown"]}}, "additionalProperties": true},
				"DetailedHealth": {"allOf": [{"$ref": "#/components/schemas/Health"}, {"type": "object", "required": ["components"], "properties": {
					"components": {"type": "object", "required": ["data_ingestion", "time_series_db"], "additionalProperties": {"$ref": "#/components/schemas/ComponentHealth"}},
					"performance": {"type": "object", "additionalProperties": true}}}]}}
		}'::jsonb,
		'POST /api/v1/telemetry/events/{event_type}', '{
			"tag": "events",
			"description": "A device or user that is deleted elsewhere is erased here, too: its points and events. The body is the data, or an object whose member data that is. The role of the proxy must be allowed to, which it is not by itself: else 503.",
			"parameters": [{"name": "event_type", "in": "path", "description": "What has happened.", "schema": {"type": "string", "enum": ["device.deleted", "user.deleted"]}, "example": "device.deleted"}],
			"request": {
				"schema": {"anyOf": [
					{"$ref": "#/components/schemas/DeletedOne"},
					{"type": "object", "required": ["data"], "properties": {"data": {"$ref": "#/components/schemas/DeletedOne"}}}]},
				"example": {"device_id": "device_009"}},
			"responses": {
				"200": {
					"description": "It is erased.",
					"schema": {"type": "object", "required": ["success", "event_type", "points", "events"], "properties": {
						"success": {"type": "boolean", "const": true},
						"event_type": {"type": "string"},
						"points": {"type": "integer", "description": "Points that were removed."},
						"events": {"type": "integer", "description": "Events that were removed."}}},
					"example": {"success": true, "event_type": "device.deleted", "points": 1440, "events": 0}},
				"404": "Nothing is to be done about such events."},
			"schemas": {
				"DeletedOne": {"type": "object", "minProperties": 1, "description": "Who is deleted.", "properties": {
					"device_id": {"type": "string", "minLength": 1, "maxLength": 1024, "description": "Of device.deleted."},
					"user_id": {"type": "string", "minLength": 1, "maxLength": 1024, "description": "Of user.deleted."}}}}
		}'::jsonb,
		'GET /openapi.json', '{
			"tag": "documentation",
			"description": "The document that this is part of, as telemetry.openapi() makes it.",
			"responses": {"200": {
				"description": "An OpenAPI 3.1 document.",
				"schema": {"type": "object", "required": ["openapi", "info", "paths"], "properties": {
					"openapi": {"type": "string"},
					"info": {"type": "object", "additionalProperties": true},
					"paths": {"type": "object", "additionalProperties": true}}, "additionalProperties": true}}}
		}'::jsonb,
		'GET /docs', '{
			"tag": "documentation",
			"description": "The same as a page to read. It needs no script and fetches nothing.",
			"responses": {"200": {"description": "A page of HTML.", "content_type": "text/html; charset=utf-8", "schema": {"type": "string"}}}
		}'::jsonb));
END;
COMMENT ON FUNCTION telemetry.document_point_routes() IS
	'Of telemetry.initialise(): the documentation of routes of points, health, events of other systems and this documentation.';

REVOKE ALL ON FUNCTION telemetry.document_point_routes() FROM PUBLIC;
