-- Flash: a web page that writes the memories of radios. What counts is how often that succeeds.

-- As in the script of telemetry: nothing that lies in other schemas is taken for PostgreSQL's.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE VIEW telemetry.flash_count_daily AS
	SELECT d.day,
		coalesce(sum(d.n) FILTER (WHERE d.stream = 'flash'), 0)::bigint AS unified,
		coalesce(sum(d.n) FILTER (WHERE d.stream = 'flash_legacy'), 0)::bigint AS legacy,
		(coalesce(greatest(sum(d.n) FILTER (WHERE d.stream = 'flash'), sum(d.n) FILTER (WHERE d.event_type = 'session_increment')), 0)
			+ coalesce(sum(d.n) FILTER (WHERE d.event_type = 'increment'), 0))::bigint AS total
	FROM telemetry.stream_daily_live AS d
	WHERE d.stream = 'flash' AND d.event_type = 'flash_success'
		OR d.stream = 'flash_legacy' AND d.event_type IN ('increment', 'session_increment')
	GROUP BY d.day;
COMMENT ON VIEW telemetry.flash_count_daily IS
	'Successes by day: unified, flash_success of stream flash; legacy, counts by the old route; and total: a session that is in both '
	'is one success, and a count that names no session is one more, since nobody can tell whose it is.';
COMMENT ON COLUMN telemetry.flash_count_daily.unified IS 'Events flash_success of stream flash.';
COMMENT ON COLUMN telemetry.flash_count_daily.legacy IS
	'Events increment and session_increment of stream flash_legacy, which came by the old route.';
COMMENT ON COLUMN telemetry.flash_count_daily.total IS 'Successes: those of sessions, each once, and the counts that name no session.';
SELECT telemetry.copy_comments('telemetry.stream_daily_live', 'telemetry.flash_count_daily');

CREATE FUNCTION telemetry.flash_total() RETURNS bigint
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT coalesce(sum(c.total), 0)::bigint FROM telemetry.flash_count_daily AS c;
END;
COMMENT ON FUNCTION telemetry.flash_total() IS 'Successes by any route, each once: the sum of telemetry.flash_count_daily.total.';

CREATE VIEW telemetry.recent_failures AS
	SELECT CASE e.stream WHEN 'flash' THEN 'unified' ELSE 'legacy' END AS source, e.event_id, e.event_type, e.occurred_at, e.received_at,
		e.session_id, e.app_version, e.data ->> 'message' AS message, e.data ->> 'model' AS model, e.data ->> 'error_name' AS error_name,
		e.data ->> 'stack' AS stack, e.data, e.stream
	FROM telemetry.event AS e
	WHERE e.stream = 'flash' AND e.event_type IN ('flash_error', 'connect_error', 'window_error', 'unhandled_rejection')
		OR e.stream = 'flash_legacy' AND e.event_type = 'client_log';
COMMENT ON VIEW telemetry.recent_failures IS
	'Failures of flashing: of stream flash (source unified), and what came as logs by the old route (legacy). Order by received_at.';
COMMENT ON COLUMN telemetry.recent_failures.source IS
	'unified: it is of stream flash; legacy: it came as a log by the old route.';
COMMENT ON COLUMN telemetry.recent_failures.message IS 'What went wrong, in words: data.message.';
COMMENT ON COLUMN telemetry.recent_failures.model IS 'Which radio was to be flashed: data.model.';
COMMENT ON COLUMN telemetry.recent_failures.error_name IS 'What kind of error it was: data.error_name.';
COMMENT ON COLUMN telemetry.recent_failures.stack IS 'Where in the page it happened: data.stack.';
SELECT telemetry.copy_comments('telemetry.event', 'telemetry.recent_failures');

CREATE FUNCTION telemetry.http_flash_count(params jsonb DEFAULT NULL, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT 200, jsonb_build_object('ok', true, 'total', (SELECT coalesce(sum(c.unified), 0) FROM telemetry.flash_count_daily AS c)), NULL::text;
END;
COMMENT ON FUNCTION telemetry.http_flash_count(jsonb, jsonb) IS
	'GET of the successes in stream flash: 200 {"ok": true, "total"}, exact as of now.';

CREATE FUNCTION telemetry.http_count(params jsonb DEFAULT NULL, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT 200, jsonb_build_object('ok', true, 'count', t.total, 'total', t.total), NULL::text FROM telemetry.flash_total() AS t (total);
END;
COMMENT ON FUNCTION telemetry.http_count(jsonb, jsonb) IS
	'GET of the successes by any route: 200 {"ok": true, "count", "total"}, both telemetry.flash_total().';

-- Of each type the newest are found by index, and the newest of these are those of all.
CREATE FUNCTION telemetry.http_recent_failures(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	wanted CONSTANT text := coalesce(params ->> 'source', 'unified');
	shown CONSTANT integer := coalesce(telemetry.integer_parameter(params ->> 'limit', 1, 500), 50);
	failure telemetry.http_response := telemetry.check_parameters(params, '{}', '{}', '{"limit": [1, 500]}');
	failures jsonb;
BEGIN
	IF failure.status IS NULL AND wanted NOT IN ('unified', 'legacy') THEN
		failure := telemetry.http_problem(params ->> 'dialect', 400, 'VALIDATION_ERROR', 'source must be unified or legacy');
	END IF;
	IF failure.status IS NOT NULL THEN
		RETURN failure;
	END IF;
	SELECT coalesce(jsonb_agg(to_jsonb(f) - '{source,stream}'::text[] || jsonb_build_object(
			'occurred_at', telemetry.json_time(f.occurred_at), 'received_at', telemetry.json_time(f.received_at))
			ORDER BY f.received_at DESC, f.event_id DESC), '[]')
	INTO failures
	FROM (
		SELECT r.*
		FROM (VALUES ('unified', 'flash', 'flash_error'), ('unified', 'flash', 'connect_error'), ('unified', 'flash', 'window_error'),
			('unified', 'flash', 'unhandled_rejection'), ('legacy', 'flash_legacy', 'client_log')) AS k (source, stream, event_type)
		CROSS JOIN LATERAL (
			SELECT *
			FROM telemetry.recent_failures AS r
			WHERE r.stream = k.stream AND r.event_type = k.event_type
			ORDER BY r.received_at DESC, r.event_id DESC
			LIMIT shown
		) AS r
		WHERE k.source = wanted
		ORDER BY r.received_at DESC, r.event_id DESC
		LIMIT shown
	) AS f;
	RETURN (200, jsonb_build_object('ok', true, 'failures', failures), NULL)::telemetry.http_response;
END
$$;
COMMENT ON FUNCTION telemetry.http_recent_failures(jsonb, jsonb) IS
	'GET of telemetry.recent_failures, the newest first: params limit (1 to 500, 50), source (unified, legacy). 200 {"ok": true, "failures"}.';

CREATE FUNCTION telemetry.parity("from" timestamptz, "to" timestamptz)
	RETURNS TABLE (day date, what text, legacy bigint, unified bigint, only_legacy bigint, only_unified bigint, difference bigint, ratio numeric, ok boolean)
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	WITH e AS (
		SELECT telemetry.day_of(l.received_at) AS day, l.stream = 'flash' AS is_unified, l.session_id,
			CASE WHEN l.event_type IN ('increment', 'session_increment', 'flash_success') THEN 'success' ELSE 'failure' END AS what
		FROM telemetry.event AS l
		WHERE l.stream IN ('flash', 'flash_legacy') AND l.received_at >= "from" AND l.received_at < "to"
	), counted AS (
		SELECT e.day, e.what, count(*) FILTER (WHERE NOT e.is_unified) AS legacy, count(*) FILTER (WHERE e.is_unified) AS unified
		FROM e GROUP BY GROUPING SETS ((e.day, e.what), (e.what))
	), sessions AS (
		SELECT s.day, s.what, count(*) FILTER (WHERE s.in_legacy AND NOT s.in_unified) AS only_legacy,
			count(*) FILTER (WHERE s.in_unified AND NOT s.in_legacy) AS only_unified
		FROM (
			SELECT e.day, e.what, e.session_id, bool_or(NOT e.is_unified) AS in_legacy, bool_or(e.is_unified) AS in_unified
			FROM e WHERE e.session_id IS NOT NULL GROUP BY GROUPING SETS ((e.day, e.what, e.session_id), (e.what, e.session_id))
		) AS s
		GROUP BY s.day, s.what
	)
	SELECT c.day, c.what, c.legacy, c.unified, coalesce(s.only_legacy, 0), coalesce(s.only_unified, 0),
		c.unified - c.legacy, round(c.unified / nullif(c.legacy, 0)::numeric, 4), c.unified >= c.legacy * 0.99
	FROM counted AS c
	LEFT JOIN sessions AS s ON s.day IS NOT DISTINCT FROM c.day AND s.what = c.what
	ORDER BY c.day NULLS LAST, c.what DESC;
END;
COMMENT ON FUNCTION telemetry.parity(timestamptz, timestamptz) IS
	'Compares what was received in from <= t < to by the old routes (legacy: /increment, /client-log) and in stream flash '
	'(unified), for each day and (day null) in all: successes and failures, sessions that are in one only, the difference '
	'unified - legacy and the ratio unified / legacy. ok: no significant drop, unified is at least 99 % of legacy.';

-- A count of a session is also that session's success in stream flash: who reports it by both routes is counted once. Rollups know
-- types and no sessions, so those that name one are of a type of their own.
CREATE FUNCTION telemetry.http_increment(params jsonb DEFAULT NULL, body jsonb DEFAULT NULL)
	RETURNS telemetry.http_response
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	session CONSTANT text := coalesce(body ->> 'session_id', body ->> 'sessionId');
	correlation CONSTANT text := params #>> '{caller,correlation_id}';
	key CONSTANT text := params #>> '{caller,idempotency_key}';
	result jsonb;
	total bigint;
BEGIN
	IF body IS NOT NULL AND jsonb_typeof(body) <> 'object' THEN
		RETURN telemetry.http_problem('flash', 400, NULL, 'the body must be an object');
	END IF;
	result := telemetry.ingest_event(jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
		'stream', 'flash_legacy', 'event_type', CASE WHEN session <> '' THEN 'session_increment' ELSE 'increment' END,
		'event_id', coalesce('increment ' || nullif(session, ''), 'increment of key ' || md5(key)),
		'session_id', session, 'correlation_id', correlation))));
	IF NOT (result ->> 'success')::boolean THEN
		RETURN telemetry.http_problem('flash', NULL, result #>> '{results,0,code}', result #>> '{results,0,message}');
	END IF;
	IF session <> '' THEN
		PERFORM telemetry.ingest_event(jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
			'stream', 'flash', 'event_type', 'flash_success', 'session_id', session,
			'occurred_at', extract(epoch FROM clock_timestamp()), 'correlation_id', correlation,
			'app_version', coalesce(body ->> 'app_version', 'unknown'),
			'data', jsonb_build_object(
				'message', coalesce(body ->> 'message', 'Flash complete'),
				'model', coalesce(body ->> 'model', 'unknown'),
				'write_mode', 1,
				'connected', 1,
				'log_lines', '[]',
				'metadata', '{}')))));
	END IF;
	total := telemetry.flash_total();
	RETURN (200, jsonb_build_object('ok', true, 'count', total, 'total', total), NULL)::telemetry.http_response;
END
$$;
COMMENT ON FUNCTION telemetry.http_increment(jsonb, jsonb) IS
	'POST of the flash page''s counter: no body, or {"session_id": text, optional}; a session counts once, and also as '
	'flash_success in stream flash; what names no session counts each time, or once an Idempotency-Key. '
	'200 {"ok": true, "count", "total"} with the new total, see telemetry.flash_total(); '
	'400 {"ok": false, "error", "code"}.';

REVOKE ALL ON FUNCTION telemetry.flash_total(),
	telemetry.http_flash_count(jsonb, jsonb), telemetry.http_count(jsonb, jsonb), telemetry.http_recent_failures(jsonb, jsonb),
	telemetry.parity(timestamptz, timestamptz), telemetry.http_increment(jsonb, jsonb) FROM PUBLIC;
GRANT SELECT ON telemetry.flash_count_daily, telemetry.recent_failures TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.flash_total(), telemetry.parity(timestamptz, timestamptz) TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.http_flash_count(jsonb, jsonb), telemetry.http_count(jsonb, jsonb), telemetry.http_recent_failures(jsonb, jsonb)
	TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.http_increment(jsonb, jsonb) TO telemetry_writer;

-- A dump brings its own rows. What has outlived the app stays as it is.
DO LANGUAGE plpgsql $$
BEGIN
	-- The layout comes with a dump's rows: once it is there, they are, too.
	IF telemetry.is_restoring() AND NOT EXISTS (SELECT FROM telemetry.layout) THEN
		RETURN;
	END IF;
	-- Of an app that was dropped while event triggers did not fire.
	DELETE FROM telemetry.route AS r WHERE r.app = 'telemetry_flash';

	IF NOT EXISTS (SELECT FROM telemetry.stream AS s WHERE s.name = 'flash' AND s.app = 'telemetry_flash') THEN
		INSERT INTO telemetry.stream (app, name, description, event_types, identity, dedupe_window) VALUES
			('telemetry_flash', 'flash', 'How the flashing of radios went: each success once for each session.',
				'{flash_success,flash_error,connect_error,window_error,unhandled_rejection}', 'type_session', NULL);
		INSERT INTO telemetry.stream_field (stream, field, kind, required, required_for, minimum, maximum, max_length) VALUES
			('flash', 'occurred_at', 'text', true, NULL, NULL, NULL, NULL),
			('flash', 'session_id', 'text', false, '{flash_success}', NULL, NULL, 128),
			('flash', 'app_version', 'text', true, NULL, NULL, NULL, 128),
			('flash', 'data.message', 'text', true, NULL, NULL, NULL, 2000),
			('flash', 'data.model', 'text', true, NULL, NULL, NULL, 128),
			('flash', 'data.write_mode', 'integer', true, NULL, 0, 1, NULL),
			('flash', 'data.connected', 'integer', true, NULL, 0, 1, NULL),
			('flash', 'data.error_name', 'text', false, NULL, NULL, NULL, 256),
			('flash', 'data.stack', 'text', false, NULL, NULL, NULL, 16384),
			('flash', 'data.log_lines', 'json_text', true, NULL, NULL, NULL, 65536),
			('flash', 'data.metadata', 'json_text', true, NULL, NULL, NULL, 65536);
	END IF;
	IF NOT EXISTS (SELECT FROM telemetry.stream AS s WHERE s.name = 'flash_legacy' AND s.app = 'telemetry_flash') THEN
		INSERT INTO telemetry.stream (app, name, description, event_types, identity, dedupe_window) VALUES
			('telemetry_flash', 'flash_legacy', 'What comes by the routes that were there before stream flash: counts of successes, and logs of errors.',
				'{increment,session_increment,client_log}', 'event_id', NULL);
		INSERT INTO telemetry.stream_field (stream, field, kind, required, required_for, minimum, maximum, max_length) VALUES
			('flash_legacy', 'data.message', 'text', false, '{client_log}', NULL, NULL, 65536);
	END IF;

	IF NOT EXISTS (SELECT FROM telemetry.dialect AS d WHERE d.name = 'flash' AND d.app = 'telemetry_flash') THEN
		INSERT INTO telemetry.dialect (app, name, description, fields, unknown, success, failure, problems) VALUES
			('telemetry_flash', 'flash', 'The words of the flash page''s own events: no others are taken.',
				'{
					"event_type": "event_type",
					"occurred_at": "occurred_at",
					"session_id": "session_id",
					"app_version": "app_version",
					"data.message": "message",
					"data.model": "model",
					"data.write_mode": "write_mode",
					"data.connected": "connected",
					"data.error_name": "error_name",
					"data.stack": "stack",
					"data.log_lines": "log_lines_json",
					"data.metadata": "metadata_json"
				}',
				'refuse',
				'{"ok": true, "id": "$event_id", "duplicate": "$is_repeated"}',
				'{"ok": false, "error": "$detail", "code": "$code"}', '{}');
	END IF;
	IF NOT EXISTS (SELECT FROM telemetry.dialect AS d WHERE d.name = 'flash_legacy' AND d.app = 'telemetry_flash') THEN
		INSERT INTO telemetry.dialect (app, name, description, fields, unknown, success, failure, problems) VALUES
			('telemetry_flash', 'flash_legacy', 'The words of the flash page''s error log, which takes any object with a message.',
				'{
					"event_type": "params:event_type",
					"session_id": ["session_id", "sessionId"],
					"app_version": ["app_version", "appVersion"]
				}',
				'keep',
				'{"ok": true}',
				'{"ok": false, "error": "$detail", "code": "$code"}', '{}');
	END IF;

	-- The page sends some of these as it goes, and all without saying that they are JSON.
	INSERT INTO telemetry.route (app, method, path, description, dialect, stream, params, beacon) VALUES
		('telemetry_flash', 'POST', '/event', 'Takes an event of the flash page.', 'flash', 'flash', '{}', true),
		('telemetry_flash', 'POST', '/client-log', 'Takes an error log of the flash page.', 'flash_legacy', 'flash_legacy',
			'{"event_type": "client_log"}', true);
	INSERT INTO telemetry.route (app, method, path, description, dialect, function, beacon) VALUES
		('telemetry_flash', 'POST', '/increment', 'Counts a success.', 'flash', 'telemetry.http_increment(jsonb, jsonb)', true);
	INSERT INTO telemetry.route (app, method, path, description, dialect, function, params, caller) VALUES
		('telemetry_flash', 'GET', '/count', 'How many successes there were, by any route.',
			'flash', 'telemetry.http_count(jsonb, jsonb)', '{"dialect": "flash"}', NULL),
		('telemetry_flash', 'GET', '/metrics/flash-count', 'How many successes stream flash has.',
			'flash', 'telemetry.http_flash_count(jsonb, jsonb)', '{"dialect": "flash"}', NULL),
		('telemetry_flash', 'GET', '/admin/recent-failures', 'The newest failures.',
			'flash', 'telemetry.http_recent_failures(jsonb, jsonb)', '{"dialect": "flash"}', 'user');

	PERFORM telemetry.document_routes('{
		"POST /event": {
			"description": "An event of a type and session is stored once. The body may come as text/plain, as beacons of browsers do.",
			"request": {"example": {"event_type": "flash_success", "occurred_at": "$now", "session_id": "session_001", "app_version": "1.0.0", "message": "Flash complete",
				"model": "UV-K5", "write_mode": 1, "connected": 1, "log_lines_json": "[]", "metadata_json": "{}"}},
			"responses": {"200": {
				"description": "It is stored, or was before.",
				"schema": {"type": "object", "required": ["ok", "id", "duplicate"], "properties": {
					"ok": {"type": "boolean", "const": true}, "id": {"type": ["string", "null"]}, "duplicate": {"type": "boolean", "description": "Whether it was there before."}}}}}},
		"POST /client-log": {
			"description": "Any object with a message. The body may come as text/plain, as beacons of browsers do.",
			"request": {"example": {"message": "The port was closed.", "sessionId": "session_001", "appVersion": "1.0.0"}}},
		"POST /increment": {
			"description": "A session counts once; what names no session counts each time, or once an Idempotency-Key. The body may be left out.",
			"parameters": [{"name": "Idempotency-Key", "in": "header", "description": "Says that a request which comes again under the same key is the same.", "schema": {"type": "string", "minLength": 1, "maxLength": 255}}],
			"request": {"required": false, "example": {"session_id": "session_002"}, "schema": {"type": "object", "properties": {
				"session_id": {"type": ["string", "null"], "maxLength": 246}, "sessionId": {"type": ["string", "null"], "maxLength": 246},
				"app_version": {"type": ["string", "null"], "maxLength": 128}, "message": {"type": ["string", "null"], "maxLength": 2000}, "model": {"type": ["string", "null"], "maxLength": 128}}}},
			"responses": {"200": {"description": "It is counted.", "schema": {"$ref": "#/components/schemas/flash.Count"}, "example": {"ok": true, "count": 1, "total": 1}}},
			"schemas": {"flash.Count": {"type": "object", "required": ["ok", "count", "total"], "properties": {
				"ok": {"type": "boolean", "const": true}, "count": {"type": "integer"}, "total": {"type": "integer", "description": "The same: successes by any route."}}}}},
		"GET /count": {
			"responses": {"200": {"description": "The count, as of now.", "schema": {"$ref": "#/components/schemas/flash.Count"}, "example": {"ok": true, "count": 1, "total": 1}}}},
		"GET /metrics/flash-count": {
			"responses": {"200": {"description": "The count, as of now.", "example": {"ok": true, "total": 1}, "schema": {"type": "object", "required": ["ok", "total"], "properties": {
				"ok": {"type": "boolean", "const": true}, "total": {"type": "integer"}}}}}},
		"GET /admin/recent-failures": {
			"parameters": [
				{"name": "limit", "in": "query", "description": "How many to answer with.", "schema": {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}, "example": 10},
				{"name": "source", "in": "query", "description": "Which routes they came by.", "schema": {"type": "string", "enum": ["unified", "legacy"], "default": "unified"}, "example": "legacy"}],
			"responses": {"200": {"description": "Failures, the newest first.", "schema": {"type": "object", "required": ["ok", "failures"], "properties": {
				"ok": {"type": "boolean", "const": true},
				"failures": {"type": "array", "items": {"type": "object", "required": ["event_id", "event_type", "received_at"], "properties": {
					"event_id": {"type": ["string", "null"]}, "event_type": {"type": "string"},
					"occurred_at": {"type": ["string", "null"], "format": "date-time"}, "received_at": {"type": "string", "format": "date-time"},
					"session_id": {"type": ["string", "null"]}, "app_version": {"type": ["string", "null"]}, "message": {"type": ["string", "null"]},
					"model": {"type": ["string", "null"]}, "error_name": {"type": ["string", "null"]}, "stack": {"type": ["string", "null"]},
					"data": {"type": ["object", "null"], "additionalProperties": true}}}}}}}}}
	}');
END
$$;
