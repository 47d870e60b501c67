-- The streams, dialects and routes that are there from the start: five systems as rows. They may be changed
-- and deleted like any others.

-- Core: interactions with toasts, from devices that may be offline for weeks.

INSERT INTO telemetry.stream (name, description, event_types, clock, max_age, max_batch_age, max_future) VALUES
	('core', 'What users of Core devices do with the toasts that they are shown.',
		'{shown,okClick,moreInfoClick,expired,dismissed}', 'occurred_at', '30 days', '30 days', '1 hour');
INSERT INTO telemetry.stream_field (stream, field, required, max_length, code) VALUES
	('core', 'event_id', true, 128, NULL),
	('core', 'device_id', true, 128, NULL),
	('core', 'subject_id', true, 128, 'INVALID_MODULE_ID'),
	('core', 'occurred_at', true, NULL, NULL),
	('core', 'app_version', false, 64, NULL);

INSERT INTO telemetry.dialect (name, description, events, fields, success_status, success, batch, result, results, failure, problems) VALUES
	('core', 'The words of Core devices: an envelope with the device, and its events.', 'events',
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

INSERT INTO telemetry.route (method, path, description, dialect, stream, batch, max_events) VALUES
	('POST', '/api/telemetry/events', 'Takes a batch of events of a device.', 'core', 'core', true, 1000);
INSERT INTO telemetry.route (method, path, description, dialect, function, params) VALUES
	('GET', '/api/reporting/summary', 'Totals by event type and module.',
		'core', 'telemetry.http_core_summary(jsonb, jsonb)', '{"dialect": "core"}'),
	('GET', '/api/reporting/summary.csv', 'Totals by module, as CSV.',
		'core', 'telemetry.http_core_summary_csv(jsonb, jsonb)', '{"dialect": "core"}'),
	('GET', '/api/reporting/modules/{moduleId}/timeline', 'Events of a module over time.',
		'core', 'telemetry.http_core_timeline(jsonb, jsonb)', '{"dialect": "core"}'),
	('GET', '/api/reporting/events', 'Single events.',
		'core', 'telemetry.http_core_events(jsonb, jsonb)', '{"dialect": "core"}'),
	('GET', '/api/reporting/events.csv', 'Single events, as CSV.',
		'core', 'telemetry.http_core_events_csv(jsonb, jsonb)', '{"dialect": "core"}');

-- Flash: a web page that writes radios' memories. What counts is how often that succeeds.

INSERT INTO telemetry.stream (name, description, event_types, identity, dedupe_window) VALUES
	('flash', 'How the flashing of radios went: each success once for each session.',
		'{flash_success,flash_error,connect_error,window_error,unhandled_rejection}', 'type_session', NULL),
	('flash_legacy', 'What comes by the routes that were there before stream flash: counts of successes, and logs of errors.',
		'{increment,client_log}', 'event_id', NULL);
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
	('flash', 'data.metadata', 'json_text', true, NULL, NULL, NULL, 65536),
	('flash_legacy', 'data.message', 'text', false, '{client_log}', NULL, NULL, 65536);

INSERT INTO telemetry.dialect (name, description, fields, unknown, success, failure, problems) VALUES
	('flash', 'The words of the flash page''s own events: no others are taken.',
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
		'{"ok": false, "error": "$detail", "code": "$code"}', '{}'),
	('flash_legacy', 'The words of the flash page''s error log, which takes any object with a message.',
		'{
			"event_type": "params:event_type",
			"session_id": ["session_id", "sessionId"],
			"app_version": ["app_version", "appVersion"]
		}',
		'keep',
		'{"ok": true}',
		'{"ok": false, "error": "$detail", "code": "$code"}', '{}');

-- A count of a session is also that session's success in stream flash: who reports it by both routes is counted once.
CREATE FUNCTION telemetry.http_increment(params jsonb DEFAULT NULL, body jsonb DEFAULT NULL)
	RETURNS telemetry.http_response
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	session CONSTANT text := coalesce(body ->> 'session_id', body ->> 'sessionId');
	correlation CONSTANT text := params #>> '{caller,correlation_id}';
	result jsonb;
	total bigint;
BEGIN
	IF body IS NOT NULL AND jsonb_typeof(body) <> 'object' THEN
		RETURN telemetry.http_problem('flash', 400, NULL, 'the body must be an object');
	END IF;
	result := telemetry.ingest_event(jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
		'stream', 'flash_legacy', 'event_type', 'increment', 'event_id', 'increment ' || session,
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
	'flash_success in stream flash. 200 {"ok": true, "count", "total"} with the new total, see telemetry.flash_total(); '
	'400 {"ok": false, "error", "code"}.';

INSERT INTO telemetry.route (method, path, description, dialect, stream, params) VALUES
	('POST', '/event', 'Takes an event of the flash page.', 'flash', 'flash', '{}'),
	('POST', '/client-log', 'Takes an error log of the flash page.', 'flash_legacy', 'flash_legacy', '{"event_type": "client_log"}');
INSERT INTO telemetry.route (method, path, description, dialect, function, params, caller) VALUES
	('POST', '/increment', 'Counts a success.', 'flash', 'telemetry.http_increment(jsonb, jsonb)', '{}', NULL),
	('GET', '/count', 'How many successes there were, by any route.',
		'flash', 'telemetry.http_count(jsonb, jsonb)', '{"dialect": "flash"}', NULL),
	('GET', '/metrics/flash-count', 'How many successes stream flash has.',
		'flash', 'telemetry.http_flash_count(jsonb, jsonb)', '{"dialect": "flash"}', NULL),
	('GET', '/admin/recent-failures', 'The newest failures.',
		'flash', 'telemetry.http_recent_failures(jsonb, jsonb)', '{"dialect": "flash"}', 'user');

-- Playback: what listeners play. Errors are RFC 7807.

INSERT INTO telemetry.stream (name, description, event_types, max_age, max_batch_age, sampling, retention_days, rollup_days) VALUES
	('playback', 'What users listen to.', '{play_start,play_stop,play_progress,play_complete,seek}',
		'24 hours', '7 days', '{"play_progress": 0.9}', 30, 30);
INSERT INTO telemetry.stream_field (stream, field, kind, required, minimum, max_length, code, message) VALUES
	('playback', 'event_type', 'text', true, NULL, NULL, NULL,
		'Event type must be one of: play_start, play_stop, play_progress, play_complete, seek'),
	('playback', 'subject_id', 'ulid', true, NULL, NULL, 'INVALID_TRACK_ID', 'Track ID must be a valid ULID.'),
	('playback', 'occurred_at', 'text', true, NULL, NULL, NULL, NULL),
	('playback', 'user_id', 'text', true, NULL, NULL, NULL, NULL),
	('playback', 'data.position_seconds', 'number', false, 0, NULL, 'INVALID_POSITION', NULL),
	('playback', 'session_id', 'text', false, NULL, 64, NULL, NULL),
	('playback', 'device_id', 'text', false, NULL, 64, NULL, NULL),
	('playback', 'app_version', 'text', false, NULL, 32, 'INVALID_CLIENT_VERSION', NULL);

INSERT INTO telemetry.dialect (name, description, events, fields, unknown, success_status, success, batch, failure, failure_type, problems) VALUES
	('playback', 'The words of the music player.', 'events',
		'{
			"event_type": "eventType",
			"subject_id": "trackId",
			"occurred_at": "clientTimestamp",
			"duration_seconds": "durationPlayedSeconds",
			"user_id": "params:caller.user_id",
			"session_id": "sessionId",
			"device_id": ["deviceId", "params:caller.device_id"],
			"app_version": "clientVersion",
			"data.position_seconds": "positionSeconds"
		}',
		'ignore', 202,
		'{"accepted": true, "correlationId": "$correlation_id"}',
		'{"accepted": "$settled", "rejected": "$rejected", "correlationId": "$correlation_id"}',
		'{"type": "https://novatune.dev/errors/$type", "title": "$title", "status": "$status", "detail": "$detail", "code": "$code"}',
		'application/problem+json',
		'{
			"ACCESS_DENIED": {"status": 403, "type": "track-access-denied", "title": "Track not accessible"},
			"INVALID_TRACK_ID": {"title": "Invalid track ID"},
			"INVALID_SESSION_ID": {"title": "Invalid session ID"},
			"INVALID_DEVICE_ID": {"title": "Invalid device ID"}
		}');

INSERT INTO telemetry.route (method, path, description, dialect, stream, batch, max_events, caller) VALUES
	('POST', '/telemetry/playback', 'Takes a playback event.', 'playback', 'playback', false, NULL, 'user'),
	('POST', '/telemetry/playback/batch', 'Takes several playback events.', 'playback', 'playback', true, 50, 'user');
INSERT INTO telemetry.route (method, path, description, dialect, function, params, caller) VALUES
	('GET', '/admin/analytics/tracks/{id}', 'Plays of a track.',
		'playback', 'telemetry.http_track_analytics(jsonb, jsonb)', '{"dialect": "playback"}', 'user'),
	('GET', '/admin/analytics/top-tracks', 'The tracks that are played most.',
		'playback', 'telemetry.http_top_tracks(jsonb, jsonb)', '{"dialect": "playback"}', 'user'),
	('GET', '/admin/analytics/users/{id}', 'What a user has played.',
		'playback', 'telemetry.http_user_analytics(jsonb, jsonb)', '{"dialect": "playback"}', 'user'),
	('GET', '/admin/analytics/recent', 'The newest events.',
		'playback', 'telemetry.http_recent_activity(jsonb, jsonb)', '{"dialect": "playback"}', 'user'),
	('GET', '/admin/analytics/overview', 'Plays of all tracks.',
		'playback', 'telemetry.http_analytics_overview(jsonb, jsonb)', '{"dialect": "playback"}', 'user');

-- Learning: what learners do, synchronised by clients that may be offline.

INSERT INTO telemetry.stream (name, description, on_conflict, clock, dedupe_window) VALUES
	('learning', 'What learners do, their progress and their assessments.', 'last_write_wins', 'occurred_at', '90 days');
INSERT INTO telemetry.stream_field (stream, field, required) VALUES
	('learning', 'user_id', true);

INSERT INTO telemetry.dialect (name, description, events, item, batch_id, kind, kinds, fields, success, batch, result, outcomes, failure) VALUES
	('learning', 'The words of the interview trainer.', 'items', 'itemData', 'body:batchId', 'item:itemType',
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

INSERT INTO telemetry.route (method, path, description, dialect, stream, batch, max_events, caller, log_batches) VALUES
	('POST', '/api/telemetry/track', 'Takes an event of a learner.', 'learning', 'learning', false, NULL, 'user', false),
	('POST', '/api/telemetry/batch', 'Takes what a client has to synchronise.', 'learning', 'learning', true, 1000, 'user', true);
INSERT INTO telemetry.route (method, path, description, dialect, function, params, caller) VALUES
	('GET', '/api/telemetry/status', 'How the user''s synchronisation goes.',
		'learning', 'telemetry.http_sync_status(jsonb, jsonb)', '{"dialect": "learning"}', 'user'),
	('GET', '/api/health', 'Whether the application is healthy.',
		'learning', 'telemetry.http_app_health(jsonb, jsonb)', '{"dialect": "learning"}', NULL);

-- A dump has the rows of these tables, all that there were, and is restored after CREATE EXTENSION has made those above.
CREATE FUNCTION telemetry.make_way_for_restored() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF telemetry.is_being_restored() THEN
		EXECUTE format('DELETE FROM telemetry.%I AS t '
			'WHERE t.xmin = (SELECT e.xmin FROM pg_extension AS e WHERE e.extname = %L)', TG_TABLE_NAME, 'telemetry');
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.make_way_for_restored() IS
	'Trigger of telemetry.stream, stream_field, dialect and route: while a dump is being restored, an INSERT or COPY first removes '
	'the rows that CREATE EXTENSION has made.';
CREATE TRIGGER make_way_for_restored BEFORE INSERT ON telemetry.stream
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.make_way_for_restored();
CREATE TRIGGER make_way_for_restored BEFORE INSERT ON telemetry.stream_field
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.make_way_for_restored();
CREATE TRIGGER make_way_for_restored BEFORE INSERT ON telemetry.dialect
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.make_way_for_restored();
CREATE TRIGGER make_way_for_restored BEFORE INSERT ON telemetry.route
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.make_way_for_restored();

REVOKE ALL ON FUNCTION telemetry.http_increment(jsonb, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.http_increment(jsonb, jsonb) TO telemetry_writer;
