-- Core: interactions with toasts, from devices that may be offline for weeks.

-- As in the script of telemetry: nothing that lies in other schemas is taken for PostgreSQL's.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE VIEW telemetry.core_module_daily AS
	SELECT d.subject_id AS module_id, d.day, d.event_type, d.n, d.devices
	FROM telemetry.event_daily_live AS d
	WHERE d.stream = 'core';
COMMENT ON VIEW telemetry.core_module_daily IS
	'Events of stream core by module, day and type, as of now; devices is a sketch (hll) of those that sent them.';
COMMENT ON COLUMN telemetry.core_module_daily.module_id IS 'The module; null: the events name none.';
SELECT telemetry.copy_comments('telemetry.event_daily_live', 'telemetry.core_module_daily');

CREATE FUNCTION telemetry.core_modules("from" date, "to" date, module text DEFAULT NULL)
	RETURNS TABLE (module_id text, total bigint, shown bigint, ok_clicks bigint, more_info_clicks bigint, expired bigint,
		dismissed bigint, unique_devices bigint, click_through numeric)
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT m.module_id, sum(m.n)::bigint,
		coalesce(sum(m.n) FILTER (WHERE m.event_type = 'shown'), 0)::bigint AS shown,
		coalesce(sum(m.n) FILTER (WHERE m.event_type = 'okClick'), 0)::bigint,
		coalesce(sum(m.n) FILTER (WHERE m.event_type = 'moreInfoClick'), 0)::bigint,
		coalesce(sum(m.n) FILTER (WHERE m.event_type = 'expired'), 0)::bigint,
		coalesce(sum(m.n) FILTER (WHERE m.event_type = 'dismissed'), 0)::bigint,
		coalesce(telemetry.unique_count(telemetry.uniques_of_all(m.devices)), 0)::bigint,
		round(sum(m.n) FILTER (WHERE m.event_type IN ('okClick', 'moreInfoClick'))
			/ nullif(sum(m.n) FILTER (WHERE m.event_type = 'shown'), 0), 4)
	FROM telemetry.core_module_daily AS m
	WHERE m.day >= "from" AND m.day <= "to" AND (module IS NULL OR m.module_id = module)
	GROUP BY m.module_id
	ORDER BY sum(m.n) DESC, m.module_id;
END;
COMMENT ON FUNCTION telemetry.core_modules(date, date, text) IS
	'Events of stream core of each module (null: of none) in days from to to, the busiest first: by type, devices, and '
	'click_through, clicks for each time shown, null if it never was.';

CREATE FUNCTION telemetry.core_summary("from" date, "to" date, module text DEFAULT NULL, top integer DEFAULT 100) RETURNS jsonb
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SET jit = off
BEGIN ATOMIC
	SELECT jsonb_build_object(
		'from', "from", 'to', "to",
		'totalEvents', (SELECT coalesce(sum(d.n), 0) FROM telemetry.core_module_daily AS d
			WHERE d.day >= "from" AND d.day <= "to" AND (module IS NULL OR d.module_id = module)),
		'byType', (SELECT coalesce(jsonb_object_agg(t.event_type, t.n), '{}') FROM (
			SELECT d.event_type, sum(d.n) AS n FROM telemetry.core_module_daily AS d
			WHERE d.day >= "from" AND d.day <= "to" AND (module IS NULL OR d.module_id = module)
			GROUP BY d.event_type) AS t),
		'uniqueDevices', (SELECT coalesce(telemetry.unique_count(telemetry.uniques_of_all(d.devices)), 0) FROM telemetry.core_module_daily AS d
			WHERE d.day >= "from" AND d.day <= "to" AND (module IS NULL OR d.module_id = module)),
		'uniqueModules', (SELECT count(m.module_id) FROM telemetry.core_modules("from", "to", module) AS m),
		'modules', (SELECT coalesce(jsonb_agg(jsonb_build_object(
				'moduleId', m.module_id, 'total', m.total, 'shown', m.shown, 'okClick', m.ok_clicks,
				'moreInfoClick', m.more_info_clicks, 'expired', m.expired, 'dismissed', m.dismissed,
				'uniqueDevices', m.unique_devices, 'clickThrough', m.click_through) ORDER BY m.total DESC, m.module_id), '[]')
			FROM (SELECT * FROM telemetry.core_modules("from", "to", module) LIMIT top) AS m));
END;
COMMENT ON FUNCTION telemetry.core_summary(date, date, text, integer) IS
	'Totals of stream core in days from to to, of a module or of all: {"from", "to", "totalEvents", "byType": {type: n}, '
	'"uniqueDevices", "uniqueModules", "modules": the top ones as of telemetry.core_modules()}.';

CREATE FUNCTION telemetry.core_timeline(module text, "from" timestamptz, "to" timestamptz, "interval" text DEFAULT 'hour', event_type text DEFAULT NULL)
	RETURNS TABLE (at timestamptz, type text, n bigint, unique_devices bigint)
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT b.at, b.type, sum(b.n)::bigint, telemetry.unique_count(telemetry.uniques_of_all(b.devices))
	FROM (
		SELECT CASE "interval" WHEN 'day' THEN date_trunc('day', h.hour AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' ELSE h.hour END AS at,
			h.event_type AS type, h.n, h.devices
		FROM telemetry.event_hourly_live AS h
		WHERE h.stream = 'core' AND h.subject_id = module AND h.hour >= "from" AND h.hour < "to"
			AND (core_timeline.event_type IS NULL OR h.event_type = core_timeline.event_type)
	) AS b
	GROUP BY b.at, b.type
	ORDER BY b.at, b.type
	LIMIT 10000;
END;
COMMENT ON FUNCTION telemetry.core_timeline(text, timestamptz, timestamptz, text, text) IS
	'Events of a module of stream core by hour or (UTC) day and type, from <= hour < to; at most 10000 rows.';

-- Planned with its arguments each time: what is null is no condition then, and the others find indexes and partitions.
-- Event ids are a device's, and anonymous ones alike: only the log's own number tells events of one time apart.
CREATE FUNCTION telemetry.core_events(
	module text, device text, type text, "from" timestamptz, "to" timestamptz, "limit" integer, before timestamptz DEFAULT NULL, before_id bigint DEFAULT NULL)
	RETURNS SETOF telemetry.event_template
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
	RETURN QUERY
	SELECT e.*
	FROM telemetry.event_log AS e
	WHERE e.stream = 'core' AND (module IS NULL OR e.subject_id = module) AND (device IS NULL OR e.device_id = device)
		AND (core_events.type IS NULL OR e.event_type = core_events.type)
		AND ("from" IS NULL OR e.received_at >= "from") AND ("to" IS NULL OR e.received_at < "to")
		AND (before IS NULL OR e.received_at <= before AND (e.received_at, e.id) < (before, coalesce(before_id, 0)))
	ORDER BY e.received_at DESC, e.id DESC
	LIMIT least("limit", 100000);
END
$$;
COMMENT ON FUNCTION telemetry.core_events(text, text, text, timestamptz, timestamptz, integer, timestamptz, bigint) IS
	'Events of stream core, those received last first, of a module, device and type (null: any), received in from <= t < to, '
	'before the event of that time and number (column id); at most 100000.';

CREATE FUNCTION telemetry.http_core_summary(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT answer.status, answer.body, answer.content_type
	FROM coalesce(telemetry.check_parameters(params, '{}', '{from,to}', '{"top": [1, 1000]}'),
		(200, telemetry.core_summary(
			telemetry.first_day(params, 'from'),
			telemetry.last_day(params, 'to'),
			params ->> 'moduleId', coalesce(telemetry.integer_parameter(params ->> 'top', 1, 1000), 100)), NULL)::telemetry.http_response) AS answer;
END;
COMMENT ON FUNCTION telemetry.http_core_summary(jsonb, jsonb) IS
	'GET of telemetry.core_summary(): params from, to (dates; the last 30 days), moduleId, top.';

CREATE FUNCTION telemetry.http_core_summary_csv(params jsonb, body jsonb DEFAULT NULL) RETURNS SETOF telemetry.http_part
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	WITH problem AS MATERIALIZED (
		SELECT p.* FROM telemetry.check_parameters(params, '{}', '{from,to}', '{}') AS p WHERE p.status IS NOT NULL
	)
	SELECT p.status, p.content_type, p.body::text FROM problem AS p
	UNION ALL
	SELECT 200, 'text/csv; charset=utf-8',
		E'moduleId,total,shown,okClick,moreInfoClick,expired,dismissed,uniqueDevices,clickThrough\r\n'
	WHERE NOT EXISTS (SELECT FROM problem)
	UNION ALL
	SELECT NULL, NULL, m.line
	FROM (
		SELECT concat_ws(',', telemetry.csv_field(m.module_id), m.total, m.shown, m.ok_clicks, m.more_info_clicks,
			m.expired, m.dismissed, m.unique_devices, coalesce(m.click_through::text, '')) || E'\r\n' AS line
		FROM (SELECT * FROM telemetry.core_modules(
			telemetry.first_day(params, 'from'),
			telemetry.last_day(params, 'to'), params ->> 'moduleId') LIMIT 100000) AS m
		WHERE NOT EXISTS (SELECT FROM problem)
		ORDER BY m.total DESC, m.module_id
	) AS m;
END;
COMMENT ON FUNCTION telemetry.http_core_summary_csv(jsonb, jsonb) IS
	'GET of telemetry.core_modules() as CSV: params from, to (dates; the last 30 days), moduleId.';

CREATE FUNCTION telemetry.http_core_timeline(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT answer.status, answer.body, answer.content_type
	FROM coalesce(telemetry.check_parameters(params, '{from,to}', '{}', '{}'),
		CASE WHEN coalesce(params ->> 'interval', 'hour') NOT IN ('hour', 'day')
			THEN telemetry.http_problem(params ->> 'dialect', 400, 'VALIDATION_ERROR', 'interval must be hour or day') END,
		(200, jsonb_build_object(
			'moduleId', params ->> 'moduleId', 'interval', coalesce(params ->> 'interval', 'hour'),
			'points', (SELECT coalesce(jsonb_agg(jsonb_build_object(
					'at', telemetry.json_time(t.at), 'type', t.type, 'count', t.n, 'uniqueDevices', t.unique_devices) ORDER BY t.at, t.type), '[]')
				FROM telemetry.core_timeline(params ->> 'moduleId',
					coalesce(telemetry.time_parameter(params ->> 'from'), now() - interval '7 days'),
					coalesce(telemetry.time_parameter(params ->> 'to'), now() + interval '1 day'),
					coalesce(params ->> 'interval', 'hour'), params ->> 'type') AS t)), NULL)::telemetry.http_response) AS answer;
END;
COMMENT ON FUNCTION telemetry.http_core_timeline(jsonb, jsonb) IS
	'GET of telemetry.core_timeline(): params moduleId, from, to (times; the last week), interval (hour, day), type.';

CREATE FUNCTION telemetry.http_core_events(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	WITH listed AS MATERIALIZED (
		SELECT e.* FROM telemetry.core_events(params ->> 'moduleId', params ->> 'deviceId', params ->> 'type',
			telemetry.time_parameter(params ->> 'from'), telemetry.time_parameter(params ->> 'to'),
			coalesce(telemetry.integer_parameter(params ->> 'limit', 1, 1000), 100),
			telemetry.time_parameter(split_part(params ->> 'cursor', '|', 1)),
			least(substring(params ->> 'cursor' FROM '\|([0-9]{1,19})$')::numeric, 9223372036854775807)::bigint) AS e
	)
	SELECT answer.status, answer.body, answer.content_type
	FROM coalesce(telemetry.check_parameters(params, '{from,to}', '{}', '{"limit": [1, 1000]}'),
		CASE WHEN params ? 'cursor'
			AND (telemetry.time_parameter(split_part(params ->> 'cursor', '|', 1)) IS NULL OR params ->> 'cursor' !~ '^[^|]+\|[0-9]{1,19}$')
			THEN telemetry.http_problem(params ->> 'dialect', 400, 'VALIDATION_ERROR', 'cursor is not one that was given out') END,
		(200, jsonb_build_object(
			'events', (SELECT coalesce(jsonb_agg(jsonb_build_object(
					'eventId', e.event_id, 'type', e.event_type, 'moduleId', e.subject_id, 'deviceId', e.device_id,
					'occurredUtc', telemetry.json_time(e.occurred_at), 'receivedUtc', telemetry.json_time(e.received_at),
					'appVersion', e.app_version, 'details', e.data) ORDER BY e.received_at DESC, e.id DESC), '[]') FROM listed AS e),
			'cursor', (SELECT to_char(e.received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '|' || e.id
				FROM listed AS e ORDER BY e.received_at, e.id LIMIT 1)), NULL)::telemetry.http_response) AS answer;
END;
COMMENT ON FUNCTION telemetry.http_core_events(jsonb, jsonb) IS
	'GET of telemetry.core_events(): params moduleId, deviceId, type, from, to, limit (1 to 1000, 100), cursor (what the page before '
	'said). 200 {"events": [...], "cursor": text or null}.';

CREATE FUNCTION telemetry.http_core_events_csv(params jsonb, body jsonb DEFAULT NULL) RETURNS SETOF telemetry.http_part
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	WITH problem AS MATERIALIZED (
		SELECT p.* FROM telemetry.check_parameters(params, '{from,to}', '{}', '{"limit": [1, 100000]}') AS p WHERE p.status IS NOT NULL
	)
	SELECT p.status, p.content_type, p.body::text FROM problem AS p
	UNION ALL
	SELECT 200, 'text/csv; charset=utf-8', E'eventId,type,moduleId,deviceId,occurredUtc,receivedUtc,appVersion,details\r\n'
	WHERE NOT EXISTS (SELECT FROM problem)
	UNION ALL
	SELECT NULL, NULL, e.line
	FROM (
		SELECT concat_ws(',', telemetry.csv_field(e.event_id), telemetry.csv_field(e.event_type),
			telemetry.csv_field(e.subject_id), telemetry.csv_field(e.device_id), telemetry.json_time(e.occurred_at),
			telemetry.json_time(e.received_at), telemetry.csv_field(e.app_version), telemetry.csv_field(e.data::text)) || E'\r\n' AS line
		FROM telemetry.core_events(params ->> 'moduleId', params ->> 'deviceId', params ->> 'type',
			telemetry.time_parameter(params ->> 'from'), telemetry.time_parameter(params ->> 'to'),
			coalesce(telemetry.integer_parameter(params ->> 'limit', 1, 100000), 100000)) AS e
		WHERE NOT EXISTS (SELECT FROM problem)
		ORDER BY e.received_at DESC, e.id DESC
	) AS e;
END;
COMMENT ON FUNCTION telemetry.http_core_events_csv(jsonb, jsonb) IS
	'GET of telemetry.core_events() as CSV: params as of telemetry.http_core_events(), limit up to 100000, no cursor.';

REVOKE ALL ON FUNCTION telemetry.core_modules(date, date, text), telemetry.core_summary(date, date, text, integer),
	telemetry.core_timeline(text, timestamptz, timestamptz, text, text),
	telemetry.core_events(text, text, text, timestamptz, timestamptz, integer, timestamptz, bigint),
	telemetry.http_core_summary(jsonb, jsonb), telemetry.http_core_summary_csv(jsonb, jsonb), telemetry.http_core_timeline(jsonb, jsonb),
	telemetry.http_core_events(jsonb, jsonb), telemetry.http_core_events_csv(jsonb, jsonb) FROM PUBLIC;
GRANT SELECT ON telemetry.core_module_daily TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.core_modules(date, date, text), telemetry.core_summary(date, date, text, integer),
	telemetry.core_timeline(text, timestamptz, timestamptz, text, text),
	telemetry.core_events(text, text, text, timestamptz, timestamptz, integer, timestamptz, bigint) TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.http_core_summary(jsonb, jsonb), telemetry.http_core_summary_csv(jsonb, jsonb),
	telemetry.http_core_timeline(jsonb, jsonb), telemetry.http_core_events(jsonb, jsonb), telemetry.http_core_events_csv(jsonb, jsonb)
	TO telemetry_reader;

-- A dump brings its own rows. What has outlived the app stays as it is.
DO LANGUAGE plpgsql $$
BEGIN
	-- The layout comes with a dump's rows: once it is there, they are, too.
	IF telemetry.is_restoring() AND NOT EXISTS (SELECT FROM telemetry.layout) THEN
		RETURN;
	END IF;
	-- Of an app that was dropped while event triggers did not fire.
	DELETE FROM telemetry.route AS r WHERE r.app = 'telemetry_core';

	IF NOT EXISTS (SELECT FROM telemetry.stream AS s WHERE s.name = 'core' AND s.app = 'telemetry_core') THEN
		INSERT INTO telemetry.stream (app, name, description, event_types, key_scope, clock, max_age, max_batch_age, max_future) VALUES
			('telemetry_core', 'core', 'What users of Core devices do with the toasts that they are shown.',
				'{shown,okClick,moreInfoClick,expired,dismissed}', 'device', 'occurred_at', '30 days', '30 days', '1 hour');
		INSERT INTO telemetry.stream_field (stream, field, required, max_length, code) VALUES
			('core', 'event_id', true, 128, NULL),
			('core', 'device_id', true, 128, NULL),
			('core', 'subject_id', true, 128, 'INVALID_MODULE_ID'),
			('core', 'occurred_at', true, NULL, NULL),
			('core', 'app_version', false, 64, NULL);
	END IF;

	IF NOT EXISTS (SELECT FROM telemetry.dialect AS d WHERE d.name = 'core' AND d.app = 'telemetry_core') THEN
		INSERT INTO telemetry.dialect (app, name, description, events, fields, success_status, success, batch, result, results, failure, problems) VALUES
			('telemetry_core', 'core', 'The words of Core devices: an envelope with the device, and its events.', 'events',
				'{
					"event_id": "eventId",
					"subject_id": "moduleId",
					"event_type": "type",
					"occurred_at": "occurredUtc",
					"device_id": ["deviceId", "body:deviceId", "params:caller.device_id"],
					"app_version": ["appVersion", "body:appVersion"],
					"data": "details"
				}',
				202,
				'{"accepted": 1, "duplicates": 0, "rejected": 0, "errors": []}',
				'{"accepted": "$accepted", "duplicates": "$repeated", "rejected": "$rejected", "errors": "$results"}',
				'{"index": "$index", "eventId": "$event_id", "code": "$code", "error": "$detail"}', 'rejected',
				'{"error": "$detail", "code": "$code"}',
				'{"BATCH_TOO_LARGE": {"status": 413}}');
	END IF;

	INSERT INTO telemetry.route (app, method, path, description, dialect, stream, batch, takes_array, max_events) VALUES
		('telemetry_core', 'POST', '/api/telemetry/events', 'Takes a batch of events of a device.', 'core', 'core', true, true, 1000);
	INSERT INTO telemetry.route (app, method, path, description, dialect, function, params) VALUES
		('telemetry_core', 'GET', '/api/reporting/summary', 'Totals by event type and module.',
			'core', 'telemetry.http_core_summary(jsonb, jsonb)', '{"dialect": "core"}'),
		('telemetry_core', 'GET', '/api/reporting/summary.csv', 'Totals by module, as CSV.',
			'core', 'telemetry.http_core_summary_csv(jsonb, jsonb)', '{"dialect": "core"}'),
		('telemetry_core', 'GET', '/api/reporting/modules/{moduleId}/timeline', 'Events of a module over time.',
			'core', 'telemetry.http_core_timeline(jsonb, jsonb)', '{"dialect": "core"}'),
		('telemetry_core', 'GET', '/api/reporting/events', 'Single events.',
			'core', 'telemetry.http_core_events(jsonb, jsonb)', '{"dialect": "core"}'),
		('telemetry_core', 'GET', '/api/reporting/events.csv', 'Single events, as CSV.',
			'core', 'telemetry.http_core_events_csv(jsonb, jsonb)', '{"dialect": "core"}');

	PERFORM telemetry.document_routes('{
		"POST /api/telemetry/events": {
			"description": "The body may also be the array of events alone. The device is named once, in each event, or by X-Device-Id.",
			"request": {"example": {"deviceId": "device_001", "appVersion": "2.1.0", "events": [
				{"eventId": "event_001", "moduleId": "module_001", "type": "shown", "occurredUtc": "$now", "details": {"slot": 1}}]}}},
		"GET /api/reporting/summary": {
			"parameters": [
				{"name": "from", "in": "query", "description": "The first day.", "schema": {"type": "string", "format": "date"}, "example": "$today - 7 days"},
				{"name": "to", "in": "query", "description": "The last day.", "schema": {"type": "string", "format": "date"}, "example": "$today"},
				{"name": "moduleId", "in": "query", "description": "Only this module.", "schema": {"type": "string"}, "example": "module_001"},
				{"name": "top", "in": "query", "description": "How many modules to list.", "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}, "example": 10}],
			"responses": {"200": {"description": "Totals, of the last 30 days unless from and to say otherwise.", "schema": {"type": "object",
				"required": ["from", "to", "totalEvents", "byType", "uniqueDevices", "uniqueModules", "modules"], "properties": {
					"from": {"type": "string", "format": "date"}, "to": {"type": "string", "format": "date"}, "totalEvents": {"type": "integer"},
					"byType": {"type": "object", "additionalProperties": {"type": "integer"}}, "uniqueDevices": {"type": "integer"}, "uniqueModules": {"type": "integer"},
					"modules": {"type": "array", "items": {"type": "object", "required": ["moduleId", "total"], "properties": {
						"moduleId": {"type": ["string", "null"]}, "total": {"type": "integer"}, "shown": {"type": "integer"}, "okClick": {"type": "integer"},
						"moreInfoClick": {"type": "integer"}, "expired": {"type": "integer"}, "dismissed": {"type": "integer"}, "uniqueDevices": {"type": "integer"},
						"clickThrough": {"type": ["number", "null"], "description": "Clicks for each time shown; null if it never was."}}}}}}}}},
		"GET /api/reporting/summary.csv": {
			"parameters": [
				{"name": "from", "in": "query", "description": "The first day.", "schema": {"type": "string", "format": "date"}, "example": "$today - 7 days"},
				{"name": "to", "in": "query", "description": "The last day.", "schema": {"type": "string", "format": "date"}, "example": "$today"},
				{"name": "moduleId", "in": "query", "description": "Only this module.", "schema": {"type": "string"}, "example": "module_001"}],
			"responses": {"200": {"description": "A line for each module.", "content_type": "text/csv; charset=utf-8", "schema": {"type": "string"},
				"example": "moduleId,total,shown,okClick,moreInfoClick,expired,dismissed,uniqueDevices,clickThrough\r\nmodule_001,1,1,0,0,0,0,1,\r\n"}}},
		"GET /api/reporting/modules/{moduleId}/timeline": {
			"parameters": [
				{"name": "moduleId", "in": "path", "description": "The module.", "schema": {"type": "string"}, "example": "module_001"},
				{"name": "from", "in": "query", "description": "From when on; the last week.", "schema": {"type": "string", "format": "date-time"}, "example": "$now - 7 days"},
				{"name": "to", "in": "query", "description": "Before when.", "schema": {"type": "string", "format": "date-time"}, "example": "$now"},
				{"name": "interval", "in": "query", "description": "What to count by.", "schema": {"type": "string", "enum": ["hour", "day"], "default": "hour"}, "example": "day"},
				{"name": "type", "in": "query", "description": "Only events of this type.", "schema": {"type": "string"}, "example": "shown"}],
			"responses": {"200": {"description": "Counts by hour or day and type, 10000 at most.", "schema": {"type": "object", "required": ["moduleId", "interval", "points"], "properties": {
				"moduleId": {"type": "string"}, "interval": {"type": "string", "enum": ["hour", "day"]},
				"points": {"type": "array", "items": {"type": "object", "required": ["at", "type", "count", "uniqueDevices"], "properties": {
					"at": {"type": "string", "format": "date-time"}, "type": {"type": "string"}, "count": {"type": "integer"}, "uniqueDevices": {"type": ["integer", "null"]}}}}}}}}},
		"GET /api/reporting/events": {
			"parameters": [
				{"name": "moduleId", "in": "query", "description": "Only events of this module.", "schema": {"type": "string"}, "example": "module_001"},
				{"name": "deviceId", "in": "query", "description": "Only events of this device.", "schema": {"type": "string"}, "example": "device_001"},
				{"name": "type", "in": "query", "description": "Only events of this type.", "schema": {"type": "string"}, "example": "shown"},
				{"name": "from", "in": "query", "description": "Received then or later.", "schema": {"type": "string", "format": "date-time"}, "example": "$now - 1 day"},
				{"name": "to", "in": "query", "description": "Received earlier.", "schema": {"type": "string", "format": "date-time"}, "example": "$now"},
				{"name": "limit", "in": "query", "description": "How many to answer with.", "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}, "example": 10},
				{"name": "cursor", "in": "query", "description": "What the page before said.", "schema": {"type": "string", "pattern": "^[^|]+[|][0-9]{1,19}$"}, "example": "2099-01-01T00:00:00.000000Z|1"}],
			"responses": {"200": {"description": "Events, those received last first.", "schema": {"type": "object", "required": ["events", "cursor"], "properties": {
				"events": {"type": "array", "items": {"type": "object", "required": ["eventId", "type", "receivedUtc"], "properties": {
					"eventId": {"type": ["string", "null"]}, "type": {"type": "string"}, "moduleId": {"type": ["string", "null"]}, "deviceId": {"type": ["string", "null"]},
					"occurredUtc": {"type": ["string", "null"], "format": "date-time"}, "receivedUtc": {"type": "string", "format": "date-time"},
					"appVersion": {"type": ["string", "null"]}, "details": {"type": ["object", "null"], "additionalProperties": true}}}},
				"cursor": {"type": ["string", "null"], "description": "For the next page; null: there is none."}}}}}},
		"GET /api/reporting/events.csv": {
			"parameters": [
				{"name": "moduleId", "in": "query", "description": "Only events of this module.", "schema": {"type": "string"}, "example": "module_001"},
				{"name": "deviceId", "in": "query", "description": "Only events of this device.", "schema": {"type": "string"}, "example": "device_001"},
				{"name": "type", "in": "query", "description": "Only events of this type.", "schema": {"type": "string"}, "example": "shown"},
				{"name": "from", "in": "query", "description": "Received then or later.", "schema": {"type": "string", "format": "date-time"}, "example": "$now - 1 day"},
				{"name": "to", "in": "query", "description": "Received earlier.", "schema": {"type": "string", "format": "date-time"}, "example": "$now"},
				{"name": "limit", "in": "query", "description": "How many to answer with.", "schema": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 100000}, "example": 10}],
			"responses": {"200": {"description": "A line for each event, those received last first.", "content_type": "text/csv; charset=utf-8", "schema": {"type": "string"}}}}
	}');
END
$$;
