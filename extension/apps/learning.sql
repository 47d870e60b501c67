-- Learning: what learners do, synchronised by clients that may be offline.

-- As in the script of telemetry: nothing that lies in other schemas is taken for PostgreSQL's.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE VIEW telemetry.sync_health AS
	SELECT count(*) AS batches, coalesce(sum(b.item_count), 0)::bigint AS items,
		coalesce(sum(b.success_count + b.duplicate_count + b.conflict_count) / nullif(sum(b.item_count), 0)::numeric, 1) AS success_rate,
		coalesce(sum(b.failure_count) / nullif(sum(b.item_count), 0)::numeric, 0) AS failed_rate,
		coalesce(sum(b.conflict_count) / nullif(sum(b.item_count), 0)::numeric, 0) AS conflict_rate,
		coalesce(sum(b.duplicate_count) / nullif(sum(b.item_count), 0)::numeric, 0) AS duplicate_rate,
		avg(b.duration_ms) AS average_duration_ms
	FROM telemetry.batch_log AS b
	WHERE b.end_time >= now() - interval '1 hour';
COMMENT ON VIEW telemetry.sync_health IS
	'How the batches of the last hour went, as telemetry.batch_log has them: shares of their items that were settled, rejected, in '
	'conflict and repeated, and milliseconds a batch.';
COMMENT ON COLUMN telemetry.sync_health.batches IS 'Batches of the last hour.';
COMMENT ON COLUMN telemetry.sync_health.items IS 'Their events.';
COMMENT ON COLUMN telemetry.sync_health.success_rate IS
	'Share of items that were not rejected, from 0 to 1; 1 if there are none.';
COMMENT ON COLUMN telemetry.sync_health.failed_rate IS
	'Share of items that were rejected, from 0 to 1; 0 if there are none.';
COMMENT ON COLUMN telemetry.sync_health.conflict_rate IS
	'Share of items that had come before with other content, from 0 to 1; 0 if there are none.';
COMMENT ON COLUMN telemetry.sync_health.duplicate_rate IS
	'Share of items that had come before just so, from 0 to 1; 0 if there are none.';
COMMENT ON COLUMN telemetry.sync_health.average_duration_ms IS
	'Mean time that a batch took, in milliseconds; null if there are none.';

CREATE FUNCTION telemetry.sync_status(user_id text) RETURNS jsonb
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT jsonb_build_object('syncStatus', jsonb_build_object(
		'lastSyncTime', telemetry.json_time((SELECT max(b.end_time) FROM telemetry.batch_log AS b WHERE b.user_id = sync_status.user_id)),
		'pendingItems', p.n,
		'totalItems', (SELECT coalesce(sum(d.n), 0) FROM telemetry.user_daily_live AS d
			WHERE d.stream = 'learning' AND d.user_id = sync_status.user_id) + p.n,
		'syncHealth', (SELECT CASE
				WHEN coalesce(sum(b.item_count - b.failure_count) / nullif(sum(b.item_count), 0)::numeric, 1) >= 0.95 THEN 'good'
				WHEN sum(b.item_count - b.failure_count) / sum(b.item_count)::numeric >= 0.8 THEN 'degraded'
				ELSE 'poor' END
			FROM telemetry.batch_log AS b
			WHERE b.user_id = sync_status.user_id AND b.end_time >= now() - interval '1 hour')))
	FROM (
		SELECT count(*) AS n FROM telemetry.dead_letter AS l
		WHERE l.kind = 'event' AND l.attempts < 5 AND l.payload ->> 'stream' = 'learning'
			AND l.payload ? 'user_id' AND l.payload ->> 'user_id' = sync_status.user_id
	) AS p;
END;
COMMENT ON FUNCTION telemetry.sync_status(text) IS
	'How a user''s synchronisation goes: {"syncStatus": {"lastSyncTime": of the last batch, or null, "pendingItems": rejected ones that '
	'have not been given up, "totalItems": these and those stored, "syncHealth": good if 95 % of the last hour''s items were not rejected, '
	'degraded if 80 % were not, else poor}}.';

CREATE FUNCTION telemetry.http_sync_status(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT answer.status, answer.body, answer.content_type
	FROM coalesce(CASE WHEN params #>> '{caller,user_id}' IS NULL
		THEN telemetry.http_problem(params ->> 'dialect', 401, 'UNAUTHORIZED', 'a user must be known')
		ELSE (200, telemetry.sync_status(params #>> '{caller,user_id}'), NULL)::telemetry.http_response END) AS answer;
END;
COMMENT ON FUNCTION telemetry.http_sync_status(jsonb, jsonb) IS 'GET of telemetry.sync_status() of the caller.';

CREATE FUNCTION telemetry.http_app_health(params jsonb DEFAULT NULL, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	is_running CONSTANT boolean :=
		EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.backend_type = 'telemetry worker' AND a.datname = current_database())
		OR EXISTS (SELECT FROM telemetry.job_state AS j WHERE j.last_started_at > now() - interval '5 minutes');
BEGIN
	RETURN (200, jsonb_build_object(
		'status', 'healthy',
		'uptime', floor(extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())),
		'services', jsonb_build_object(
			'database', 'connected',
			'cache', 'connected',
			'scheduler', CASE WHEN is_running THEN 'running' ELSE 'stopped' END)), NULL)::telemetry.http_response;
END
$$;
COMMENT ON FUNCTION telemetry.http_app_health(jsonb, jsonb) IS
	'GET of the application''s health: 200 {"status": "healthy", "uptime": seconds, "services": {"database", "cache", "scheduler"}}. The cache is '
	'the database''s own; the scheduler is running if there is a worker here, or a job ran within 5 minutes.';

REVOKE ALL ON FUNCTION telemetry.sync_status(text), telemetry.http_sync_status(jsonb, jsonb), telemetry.http_app_health(jsonb, jsonb)
	FROM PUBLIC;
GRANT SELECT ON telemetry.sync_health TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.sync_status(text) TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.http_sync_status(jsonb, jsonb) TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.http_app_health(jsonb, jsonb) TO telemetry_reader, telemetry_writer;

-- A dump brings its own rows. What has outlived the app stays as it is.
DO LANGUAGE plpgsql $$
BEGIN
	-- The layout comes with a dump's rows: once it is there, they are, too.
	IF telemetry.is_restoring() AND NOT EXISTS (SELECT FROM telemetry.layout) THEN
		RETURN;
	END IF;
	-- Of an app that was dropped while event triggers did not fire.
	DELETE FROM telemetry.route AS r WHERE r.app = 'telemetry_learning';

	IF NOT EXISTS (SELECT FROM telemetry.stream AS s WHERE s.name = 'learning' AND s.app = 'telemetry_learning') THEN
		INSERT INTO telemetry.stream (app, name, description, key_scope, on_conflict, clock, dedupe_window) VALUES
			('telemetry_learning', 'learning', 'What learners do, their progress and their assessments.', 'user', 'last_write_wins', 'occurred_at', '90 days');
		INSERT INTO telemetry.stream_field (stream, field, required) VALUES
			('learning', 'user_id', true);
		-- Ids that its clients send as numbers, too.
		INSERT INTO telemetry.stream_field (stream, field, kind) VALUES
			('learning', 'event_id', 'any'),
			('learning', 'device_id', 'any'),
			('learning', 'session_id', 'any'),
			('learning', 'subject_id', 'any');
	END IF;

	IF NOT EXISTS (SELECT FROM telemetry.dialect AS d WHERE d.name = 'learning' AND d.app = 'telemetry_learning') THEN
		INSERT INTO telemetry.dialect (app, name, description, events, item, batch_id, kind, kinds, fields, success, batch, result, outcomes, failure) VALUES
			('telemetry_learning', 'learning', 'The words of the interview trainer.', 'items', 'itemData', 'body:batchId', 'item:itemType',
				'{"event": null, "progress": "progress", "assessment": "assessment"}',
				'{
					"event_type": "eventType",
					"event_id": ["metadata.eventId", "eventId"],
					"occurred_at": ["metadata.clientTimestamp", "clientTimestamp", "item:timestamp"],
					"duration_seconds": ["eventData.duration", "duration"],
					"user_id": "params:caller.user_id",
					"device_id": ["metadata.deviceId", "deviceId", "params:caller.device_id"],
					"session_id": ["eventData.sessionId", "metadata.sessionId", "sessionId"],
					"subject_id": ["eventData.interviewId", "interviewId", "eventData.sessionId", "metadata.sessionId", "sessionId"],
					"app_version": ["metadata.appVersion", "appVersion"],
					"data": "eventData",
					"data.metadata": "metadata",
					"data.priority": "item:priority"
				}',
				'{"success": true, "data": {"eventId": "$event_id", "serverTimestamp": "$received_at"}}',
				'{"success": true, "data": {"batchId": "$batch_id", "processed": "$settled", "failed": "$rejected", "conflicts": "$conflicts", "results": "$results"}}',
				'{"index": "$index", "itemType": "$kind", "status": "$outcome", "eventId": "$event_id", "resolution": "$resolution", "error": "$detail", "code": "$code"}',
				'{"accepted": "synced", "sampled": "synced", "duplicate": "duplicate", "kept": "conflict", "replaced": "conflict", "rejected": "error"}',
				'{"success": false, "error": {"code": "$code", "message": "$detail"}}');
	END IF;

	INSERT INTO telemetry.route (app, method, path, description, dialect, stream, batch, max_events, caller, log_batches) VALUES
		('telemetry_learning', 'POST', '/api/telemetry/track', 'Takes an event of a learner.', 'learning', 'learning', false, NULL, 'user', false),
		('telemetry_learning', 'POST', '/api/telemetry/batch', 'Takes what a client has to synchronise.', 'learning', 'learning', true, 1000, 'user', true);
	INSERT INTO telemetry.route (app, method, path, description, dialect, function, params, caller) VALUES
		('telemetry_learning', 'GET', '/api/telemetry/status', 'How the user''s synchronisation goes.',
			'learning', 'telemetry.http_sync_status(jsonb, jsonb)', '{"dialect": "learning"}', 'user'),
		('telemetry_learning', 'GET', '/api/health', 'Whether the application is healthy.',
			'learning', 'telemetry.http_app_health(jsonb, jsonb)', '{"dialect": "learning"}', NULL);

	PERFORM telemetry.document_routes('{
		"POST /api/telemetry/track": {
			"description": "An event that comes again is the same event; another one of its id that is newer takes its place.",
			"request": {"example": {"eventType": "interview_started", "eventData": {"interviewId": "interview_001", "duration": 60},
				"metadata": {"eventId": "event_001", "clientTimestamp": "$now", "deviceId": "device_001", "appVersion": "3.0.0"}}}},
		"POST /api/telemetry/batch": {
			"description": "Each item is stored or rejected for itself.",
			"request": {"example": {"batchId": "batch_001", "items": [
				{"itemType": "event", "timestamp": "$now", "priority": 1, "itemData": {"eventType": "interview_ended", "eventData": {"interviewId": "interview_001"}, "metadata": {"eventId": "event_002"}}},
				{"itemType": "progress", "timestamp": "$now", "itemData": {"eventData": {"interviewId": "interview_001", "percent": 50}, "metadata": {"eventId": "event_003"}}}]}}},
		"GET /api/telemetry/status": {
			"responses": {"200": {"description": "How it goes.", "example": {"syncStatus": {"lastSyncTime": "$now", "pendingItems": 0, "totalItems": 3, "syncHealth": "good"}},
				"schema": {"type": "object", "required": ["syncStatus"], "properties": {"syncStatus": {"type": "object",
					"required": ["lastSyncTime", "pendingItems", "totalItems", "syncHealth"], "properties": {
						"lastSyncTime": {"type": ["string", "null"], "format": "date-time", "description": "The end of the last batch."},
						"pendingItems": {"type": "integer", "description": "Items that were rejected and not given up."},
						"totalItems": {"type": "integer", "description": "These and those stored."},
						"syncHealth": {"type": "string", "enum": ["good", "degraded", "poor"]}}}}}}}},
		"GET /api/health": {
			"responses": {"200": {"description": "It is.", "example": {"status": "healthy", "uptime": 3600, "services": {"database": "connected", "cache": "connected", "scheduler": "running"}},
				"schema": {"type": "object", "required": ["status", "uptime", "services"], "properties": {
					"status": {"type": "string", "const": "healthy"},
					"uptime": {"type": "number", "description": "Seconds since the database was started."},
					"services": {"type": "object", "required": ["database", "cache", "scheduler"], "properties": {
						"database": {"type": "string"}, "cache": {"type": "string"}, "scheduler": {"type": "string", "enum": ["running", "stopped"]}}}}}}}}
	}');
END
$$;
