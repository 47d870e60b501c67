-- Playback: what listeners play. Errors are RFC 7807.

-- As in the script of telemetry: nothing that lies in other schemas is taken for PostgreSQL's.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE TABLE telemetry.subject (
	stream text COLLATE "C" NOT NULL,
	subject_id text COLLATE "C" NOT NULL,
	title text,
	artist text,
	owner_id text COLLATE "C",
	attributes jsonb,
	PRIMARY KEY (stream, subject_id)
);
COMMENT ON TABLE telemetry.subject IS
	'What an app tells of the subjects of its events, such as the titles of tracks; filled by the app, never needed by ingest.';
COMMENT ON COLUMN telemetry.subject.title IS 'What people call it.';
COMMENT ON COLUMN telemetry.subject.artist IS 'Of a track.';
COMMENT ON COLUMN telemetry.subject.owner_id IS 'The user it belongs to.';
COMMENT ON COLUMN telemetry.subject.attributes IS 'Whatever else there is.';
COMMENT ON COLUMN telemetry.subject.subject_id IS 'telemetry.event.subject_id of the events that are about it.';
SELECT telemetry.copy_comments('telemetry.event_template', 'telemetry.subject');
SELECT pg_catalog.pg_extension_config_dump('telemetry.subject', '');

CREATE VIEW telemetry.track_daily AS
	SELECT d.subject_id AS track_id, d.day, d.event_type, d.n, d.total_seconds, d.users
	FROM telemetry.event_daily_live AS d
	WHERE d.stream = 'playback';
COMMENT ON VIEW telemetry.track_daily IS
	'Events of stream playback by track, day and type, as of now; users is a sketch (hll) of the listeners.';
COMMENT ON COLUMN telemetry.track_daily.track_id IS 'The track; null: the events name none.';
SELECT telemetry.copy_comments('telemetry.event_daily_live', 'telemetry.track_daily');

CREATE VIEW telemetry.playback_daily AS
	SELECT d.day, d.event_type, d.n, d.total_seconds, d.users, d.subjects
	FROM telemetry.stream_daily_live AS d
	WHERE d.stream = 'playback';
COMMENT ON VIEW telemetry.playback_daily IS
	'Events of stream playback by day and type, as of now; users and subjects are sketches (hll) of listeners and tracks.';
SELECT telemetry.copy_comments('telemetry.stream_daily_live', 'telemetry.playback_daily');

CREATE VIEW telemetry.listener_daily AS
	SELECT d.user_id, d.day, d.event_type, d.n, d.total_seconds, d.last_at, d.subjects
	FROM telemetry.user_daily_live AS d
	WHERE d.stream = 'playback';
COMMENT ON VIEW telemetry.listener_daily IS
	'Events of stream playback by user, day and type, as of now; subjects is a sketch (hll) of the tracks.';
SELECT telemetry.copy_comments('telemetry.user_daily_live', 'telemetry.listener_daily');

CREATE FUNCTION telemetry.time_span(seconds numeric) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	-- All in numeric: a reader is not to blame for how many seconds are stored.
	SELECT CASE WHEN seconds >= 86400 THEN div(seconds, 86400)::text || '.' ELSE '' END
		|| lpad((div(seconds, 3600) % 24)::text, 2, '0') || ':' || lpad((div(seconds, 60) % 60)::text, 2, '0')
		|| ':' || lpad((floor(seconds) % 60)::text, 2, '0')
		|| CASE WHEN seconds <> floor(seconds) THEN '.' || lpad(floor((seconds - floor(seconds)) * 10000000)::text, 7, '0') ELSE '' END
	WHERE seconds >= 0 AND seconds < 'Infinity';
END;
COMMENT ON FUNCTION telemetry.time_span(numeric) IS
	'Seconds as .NET writes a TimeSpan: [days.]hh:mm:ss[.fffffff], however many; null if they are negative or no number.';

CREATE FUNCTION telemetry.track_analytics(track_id text, start_date date, end_date date) RETURNS jsonb
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
	WITH d AS MATERIALIZED (
		SELECT t.day, t.event_type, t.n, t.total_seconds, t.users
		FROM telemetry.track_daily AS t
		WHERE t.track_id = upper(track_analytics.track_id COLLATE "C") AND t.day >= start_date AND t.day <= end_date
	)
	SELECT jsonb_build_object(
		'trackId', track_analytics.track_id, 'startDate', start_date, 'endDate', end_date,
		'totalPlays', coalesce(sum(d.n) FILTER (WHERE d.event_type = 'play_start'), 0),
		'completedPlays', coalesce(sum(d.n) FILTER (WHERE d.event_type = 'play_complete'), 0),
		'totalListenTime', telemetry.time_span(coalesce(sum(d.total_seconds), 0)),
		'totalSecondsPlayed', coalesce(sum(d.total_seconds), 0),
		'uniqueListeners', coalesce(telemetry.unique_count(telemetry.uniques_of_all(d.users)), 0),
		'dailyBreakdown', (SELECT coalesce(jsonb_agg(jsonb_build_object('date', b.day, 'plays', b.plays, 'completed', b.completed) ORDER BY b.day), '[]')
			FROM (SELECT d.day, coalesce(sum(d.n) FILTER (WHERE d.event_type = 'play_start'), 0) AS plays,
					coalesce(sum(d.n) FILTER (WHERE d.event_type = 'play_complete'), 0) AS completed
				FROM d GROUP BY d.day) AS b))
	FROM d;
END;
COMMENT ON FUNCTION telemetry.track_analytics(text, date, date) IS
	'Plays of a track, whose ULID may be in either case, in days from start_date to end_date: {"trackId", "startDate", "endDate", "totalPlays" (play_start), "completedPlays" '
	'(play_complete), "totalListenTime" (TimeSpan), "totalSecondsPlayed", "uniqueListeners", "dailyBreakdown": [{"date", "plays", "completed"}]}.';

CREATE FUNCTION telemetry.top_tracks("count" integer, since date)
	RETURNS TABLE (track_id text, title text, artist text, user_id text, play_count bigint, total_seconds numeric)
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT t.track_id, coalesce(s.title, t.track_id), s.artist, s.owner_id, t.plays, t.seconds
	FROM (
		SELECT d.track_id, sum(d.n) FILTER (WHERE d.event_type = 'play_start')::bigint AS plays, sum(d.total_seconds) AS seconds
		FROM telemetry.track_daily AS d
		WHERE d.day >= since AND d.track_id IS NOT NULL
		GROUP BY d.track_id
		HAVING sum(d.n) FILTER (WHERE d.event_type = 'play_start') > 0
		ORDER BY 2 DESC, d.track_id
		LIMIT "count"
	) AS t
	LEFT JOIN telemetry.subject AS s ON s.stream = 'playback' AND s.subject_id = t.track_id
	ORDER BY t.plays DESC, t.track_id;
END;
COMMENT ON FUNCTION telemetry.top_tracks(integer, date) IS
	'The count tracks that were started most since a day; title, artist and owner as telemetry.subject has them (title: '
	'else the track''s id).';

CREATE FUNCTION telemetry.user_activity(user_id text, start_date date, end_date date) RETURNS jsonb
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT jsonb_build_object(
		'userId', user_activity.user_id, 'startDate', start_date, 'endDate', end_date,
		'tracksPlayed', coalesce(telemetry.unique_count(telemetry.uniques_of_all(d.subjects) FILTER (WHERE d.event_type = 'play_start')), 0),
		'totalPlays', coalesce(sum(d.n) FILTER (WHERE d.event_type = 'play_start'), 0),
		'totalListenTime', telemetry.time_span(coalesce(sum(d.total_seconds), 0)),
		'totalSecondsPlayed', coalesce(sum(d.total_seconds), 0),
		'lastActivityAt', telemetry.json_time(max(d.last_at)))
	FROM telemetry.listener_daily AS d
	WHERE d.user_id = user_activity.user_id AND d.day >= start_date AND d.day <= end_date;
END;
COMMENT ON FUNCTION telemetry.user_activity(text, date, date) IS
	'What a user played in days from start_date to end_date: {"userId", "startDate", "endDate", "tracksPlayed", "totalPlays", '
	'"totalListenTime" (TimeSpan), "totalSecondsPlayed", "lastActivityAt" or null}.';

CREATE FUNCTION telemetry.recent_activity("count" integer)
	RETURNS TABLE (user_id text, track_id text, event_type text, at timestamptz)
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT e.user_id, e.subject_id, e.event_type, e.received_at
	FROM telemetry.event AS e
	WHERE e.stream = 'playback'
	ORDER BY e.received_at DESC
	LIMIT "count";
END;
COMMENT ON FUNCTION telemetry.recent_activity(integer) IS 'The events of stream playback that were received last.';

CREATE FUNCTION telemetry.playback_overview(start_date date, end_date date) RETURNS jsonb
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
	WITH d AS MATERIALIZED (
		SELECT p.day, p.event_type, p.n, p.total_seconds, p.users, p.subjects
		FROM telemetry.playback_daily AS p
		WHERE p.day >= start_date AND p.day <= end_date
	)
	SELECT jsonb_build_object(
		'startDate', start_date, 'endDate', end_date,
		'totalEvents', coalesce(sum(d.n), 0),
		'totalPlays', coalesce(sum(d.n) FILTER (WHERE d.event_type = 'play_start'), 0),
		'completedPlays', coalesce(sum(d.n) FILTER (WHERE d.event_type = 'play_complete'), 0),
		'totalListenTime', telemetry.time_span(coalesce(sum(d.total_seconds), 0)),
		'totalSecondsPlayed', coalesce(sum(d.total_seconds), 0),
		'uniqueListeners', coalesce(telemetry.unique_count(telemetry.uniques_of_all(d.users)), 0),
		'uniqueTracks', coalesce(telemetry.unique_count(telemetry.uniques_of_all(d.subjects)), 0),
		'dailyBreakdown', (SELECT coalesce(jsonb_agg(jsonb_build_object('date', b.day, 'plays', b.plays, 'completed', b.completed,
				'uniqueListeners', b.listeners) ORDER BY b.day), '[]')
			FROM (SELECT d.day, coalesce(sum(d.n) FILTER (WHERE d.event_type = 'play_start'), 0) AS plays,
					coalesce(sum(d.n) FILTER (WHERE d.event_type = 'play_complete'), 0) AS completed,
					telemetry.unique_count(telemetry.uniques_of_all(d.users)) AS listeners
				FROM d GROUP BY d.day) AS b))
	FROM d;
END;
COMMENT ON FUNCTION telemetry.playback_overview(date, date) IS
	'Plays of all tracks in days from start_date to end_date: {"startDate", "endDate", "totalEvents", "totalPlays", "completedPlays", '
	'"totalListenTime", "totalSecondsPlayed", "uniqueListeners", "uniqueTracks", "dailyBreakdown"}.';

-- JIT would cost more than these queries take.
CREATE FUNCTION telemetry.http_track_analytics(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT answer.status, answer.body, answer.content_type
	FROM coalesce(telemetry.check_parameters(params, '{}', '{startDate,endDate}', '{}'),
		(200, telemetry.track_analytics(params ->> 'id', telemetry.first_day(params, 'startDate'), telemetry.last_day(params, 'endDate')),
			NULL)::telemetry.http_response) AS answer;
END;
COMMENT ON FUNCTION telemetry.http_track_analytics(jsonb, jsonb) IS
	'GET of telemetry.track_analytics(): params id, startDate, endDate (the last 30 days).';

CREATE FUNCTION telemetry.http_top_tracks(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT answer.status, answer.body, answer.content_type
	FROM coalesce(telemetry.check_parameters(params, '{}', '{since}', '{"count": [1, 100]}'),
		(200, (SELECT coalesce(jsonb_agg(jsonb_build_object('trackId', t.track_id, 'title', t.title, 'artist', t.artist, 'userId', t.user_id,
				'playCount', t.play_count, 'totalListenTime', telemetry.time_span(t.total_seconds), 'totalSecondsPlayed', t.total_seconds)
				ORDER BY t.play_count DESC, t.track_id), '[]')
			FROM telemetry.top_tracks(coalesce(telemetry.integer_parameter(params ->> 'count', 1, 100), 10),
				telemetry.first_day(params, 'since')) AS t), NULL)::telemetry.http_response) AS answer;
END;
COMMENT ON FUNCTION telemetry.http_top_tracks(jsonb, jsonb) IS
	'GET of telemetry.top_tracks(): params count (1 to 100, 10), since (30 days ago). 200 [{"trackId", "title", "artist", "userId", "playCount", '
	'"totalListenTime", "totalSecondsPlayed"}].';

CREATE FUNCTION telemetry.http_user_analytics(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT answer.status, answer.body, answer.content_type
	FROM coalesce(telemetry.check_parameters(params, '{}', '{startDate,endDate}', '{}'),
		(200, telemetry.user_activity(params ->> 'id', telemetry.first_day(params, 'startDate'), telemetry.last_day(params, 'endDate')),
			NULL)::telemetry.http_response) AS answer;
END;
COMMENT ON FUNCTION telemetry.http_user_analytics(jsonb, jsonb) IS
	'GET of telemetry.user_activity(): params id, startDate, endDate (the last 30 days).';

CREATE FUNCTION telemetry.http_recent_activity(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT answer.status, answer.body, answer.content_type
	FROM coalesce(telemetry.check_parameters(params, '{}', '{}', '{"count": [1, 500]}'),
		(200, (SELECT coalesce(jsonb_agg(jsonb_build_object('userId', r.user_id, 'trackId', r.track_id, 'eventType', r.event_type,
				'timestamp', telemetry.json_time(r.at)) ORDER BY r.at DESC), '[]')
			FROM telemetry.recent_activity(coalesce(telemetry.integer_parameter(params ->> 'count', 1, 500), 50)) AS r),
			NULL)::telemetry.http_response) AS answer;
END;
COMMENT ON FUNCTION telemetry.http_recent_activity(jsonb, jsonb) IS
	'GET of telemetry.recent_activity(): params count (1 to 500, 50). 200 [{"userId", "trackId", "eventType", "timestamp"}].';

CREATE FUNCTION telemetry.http_analytics_overview(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT answer.status, answer.body, answer.content_type
	FROM coalesce(telemetry.check_parameters(params, '{}', '{startDate,endDate}', '{}'),
		(200, telemetry.playback_overview(telemetry.first_day(params, 'startDate'), telemetry.last_day(params, 'endDate')),
			NULL)::telemetry.http_response) AS answer;
END;
COMMENT ON FUNCTION telemetry.http_analytics_overview(jsonb, jsonb) IS
	'GET of telemetry.playback_overview(): params startDate, endDate (the last 30 days).';

REVOKE ALL ON FUNCTION telemetry.time_span(numeric), telemetry.track_analytics(text, date, date), telemetry.top_tracks(integer, date),
	telemetry.user_activity(text, date, date), telemetry.recent_activity(integer), telemetry.playback_overview(date, date),
	telemetry.http_track_analytics(jsonb, jsonb), telemetry.http_top_tracks(jsonb, jsonb), telemetry.http_user_analytics(jsonb, jsonb),
	telemetry.http_recent_activity(jsonb, jsonb), telemetry.http_analytics_overview(jsonb, jsonb) FROM PUBLIC;
GRANT SELECT ON telemetry.subject, telemetry.track_daily, telemetry.playback_daily, telemetry.listener_daily TO telemetry_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON telemetry.subject TO telemetry_admin, telemetry_writer;
GRANT EXECUTE ON FUNCTION telemetry.time_span(numeric), telemetry.track_analytics(text, date, date), telemetry.top_tracks(integer, date),
	telemetry.user_activity(text, date, date), telemetry.recent_activity(integer), telemetry.playback_overview(date, date)
	TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.http_track_analytics(jsonb, jsonb), telemetry.http_top_tracks(jsonb, jsonb),
	telemetry.http_user_analytics(jsonb, jsonb), telemetry.http_recent_activity(jsonb, jsonb),
	telemetry.http_analytics_overview(jsonb, jsonb) TO telemetry_reader;

-- A dump brings its own rows. What has outlived the app stays as it is.
DO LANGUAGE plpgsql $$
BEGIN
	-- The layout comes with a dump's rows: once it is there, they are, too.
	IF telemetry.is_restoring() AND NOT EXISTS (SELECT FROM telemetry.layout) THEN
		RETURN;
	END IF;
	-- Of an app that was dropped while event triggers did not fire.
	DELETE FROM telemetry.route AS r WHERE r.app = 'telemetry_playback';

	IF NOT EXISTS (SELECT FROM telemetry.stream AS s WHERE s.name = 'playback' AND s.app = 'telemetry_playback') THEN
		INSERT INTO telemetry.stream (app, name, description, event_types, max_age, max_batch_age, sampling, retention_days, rollup_days) VALUES
			('telemetry_playback', 'playback', 'What users listen to.', '{play_start,play_stop,play_progress,play_complete,seek}',
				'24 hours', '7 days', '{"play_progress": 0.9}', 30, 30);
		INSERT INTO telemetry.stream_field (stream, field, kind, required, minimum, maximum, max_length, code, message) VALUES
			('playback', 'event_type', 'text', true, NULL, NULL, NULL, NULL,
				'Event type must be one of: play_start, play_stop, play_progress, play_complete, seek'),
			('playback', 'subject_id', 'ulid', true, NULL, NULL, NULL, 'INVALID_TRACK_ID', 'Track ID must be a valid ULID.'),
			('playback', 'occurred_at', 'text', true, NULL, NULL, NULL, NULL, NULL),
			('playback', 'user_id', 'text', true, NULL, NULL, NULL, NULL, NULL),
			('playback', 'data.position_seconds', 'number', false, 0, 1000000000, NULL, 'INVALID_POSITION', NULL),
			('playback', 'session_id', 'text', false, NULL, NULL, 64, NULL, NULL),
			('playback', 'device_id', 'text', false, NULL, NULL, 64, NULL, NULL),
			('playback', 'app_version', 'text', false, NULL, NULL, 32, 'INVALID_CLIENT_VERSION', NULL);
	END IF;

	IF NOT EXISTS (SELECT FROM telemetry.dialect AS d WHERE d.name = 'playback' AND d.app = 'telemetry_playback') THEN
		INSERT INTO telemetry.dialect (app, name, description, events, fields, unknown, success_status, success, batch, failure, failure_type, problems) VALUES
			('telemetry_playback', 'playback', 'The words of the music player.', 'events',
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
	END IF;

	INSERT INTO telemetry.route (app, method, path, description, dialect, stream, batch, max_events, caller) VALUES
		('telemetry_playback', 'POST', '/telemetry/playback', 'Takes a playback event.', 'playback', 'playback', false, NULL, 'user'),
		('telemetry_playback', 'POST', '/telemetry/playback/batch', 'Takes several playback events.', 'playback', 'playback', true, 50, 'user');
	INSERT INTO telemetry.route (app, method, path, description, dialect, function, params, caller) VALUES
		('telemetry_playback', 'GET', '/admin/analytics/tracks/{id}', 'Plays of a track.',
			'playback', 'telemetry.http_track_analytics(jsonb, jsonb)', '{"dialect": "playback"}', 'user'),
		('telemetry_playback', 'GET', '/admin/analytics/top-tracks', 'The tracks that are played most.',
			'playback', 'telemetry.http_top_tracks(jsonb, jsonb)', '{"dialect": "playback"}', 'user'),
		('telemetry_playback', 'GET', '/admin/analytics/users/{id}', 'What a user has played.',
			'playback', 'telemetry.http_user_analytics(jsonb, jsonb)', '{"dialect": "playback"}', 'user'),
		('telemetry_playback', 'GET', '/admin/analytics/recent', 'The newest events.',
			'playback', 'telemetry.http_recent_activity(jsonb, jsonb)', '{"dialect": "playback"}', 'user'),
		('telemetry_playback', 'GET', '/admin/analytics/overview', 'Plays of all tracks.',
			'playback', 'telemetry.http_analytics_overview(jsonb, jsonb)', '{"dialect": "playback"}', 'user');

	PERFORM telemetry.document_routes('{
		"POST /telemetry/playback": {
			"request": {"example": {"eventType": "play_start", "trackId": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "clientTimestamp": "$now", "positionSeconds": 0,
				"sessionId": "session_001", "deviceId": "device_001", "clientVersion": "1.2.0"}}},
		"POST /telemetry/playback/batch": {
			"description": "Each event is stored or rejected for itself.",
			"request": {"example": {"events": [
				{"eventType": "play_complete", "trackId": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "clientTimestamp": "$now", "positionSeconds": 180, "durationPlayedSeconds": 180}]}}},
		"GET /admin/analytics/tracks/{id}": {
			"parameters": [
				{"name": "id", "in": "path", "description": "The track, a ULID.", "schema": {"type": "string"}, "example": "01ARZ3NDEKTSV4RRFFQ69G5FAV"},
				{"name": "startDate", "in": "query", "description": "The first day; 30 days ago.", "schema": {"type": "string", "format": "date"}, "example": "$today - 7 days"},
				{"name": "endDate", "in": "query", "description": "The last day; today.", "schema": {"type": "string", "format": "date"}, "example": "$today"}],
			"responses": {"200": {"description": "Its plays in these days.", "schema": {"type": "object",
				"required": ["trackId", "startDate", "endDate", "totalPlays", "completedPlays", "totalListenTime", "totalSecondsPlayed", "uniqueListeners", "dailyBreakdown"], "properties": {
					"trackId": {"type": "string"}, "startDate": {"type": "string", "format": "date"}, "endDate": {"type": "string", "format": "date"},
					"totalPlays": {"type": "integer"}, "completedPlays": {"type": "integer"},
					"totalListenTime": {"$ref": "#/components/schemas/playback.TimeSpan"}, "totalSecondsPlayed": {"type": "number"}, "uniqueListeners": {"type": "integer"},
					"dailyBreakdown": {"type": "array", "items": {"type": "object", "required": ["date", "plays", "completed"], "properties": {
						"date": {"type": "string", "format": "date"}, "plays": {"type": "integer"}, "completed": {"type": "integer"}}}}}}}},
			"schemas": {"playback.TimeSpan": {"type": ["string", "null"], "description": "[days.]hh:mm:ss[.fffffff]", "pattern": "^([0-9]+[.])?[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,7})?$"}}},
		"GET /admin/analytics/top-tracks": {
			"parameters": [
				{"name": "count", "in": "query", "description": "How many tracks.", "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10}, "example": 5},
				{"name": "since", "in": "query", "description": "The first day; 30 days ago.", "schema": {"type": "string", "format": "date"}, "example": "$today - 7 days"}],
			"responses": {"200": {"description": "Tracks, the one started most first.", "schema": {"type": "array", "items": {"type": "object", "required": ["trackId", "title", "playCount"], "properties": {
				"trackId": {"type": "string"}, "title": {"type": "string"}, "artist": {"type": ["string", "null"]}, "userId": {"type": ["string", "null"], "description": "Whose track it is."},
				"playCount": {"type": "integer"}, "totalListenTime": {"$ref": "#/components/schemas/playback.TimeSpan"}, "totalSecondsPlayed": {"type": ["number", "null"]}}}}}}},
		"GET /admin/analytics/users/{id}": {
			"parameters": [
				{"name": "id", "in": "path", "description": "The user.", "schema": {"type": "string"}, "example": "ann"},
				{"name": "startDate", "in": "query", "description": "The first day; 30 days ago.", "schema": {"type": "string", "format": "date"}, "example": "$today - 7 days"},
				{"name": "endDate", "in": "query", "description": "The last day; today.", "schema": {"type": "string", "format": "date"}, "example": "$today"}],
			"responses": {"200": {"description": "What the user has played in these days.", "schema": {"type": "object",
				"required": ["userId", "startDate", "endDate", "tracksPlayed", "totalPlays", "totalListenTime", "totalSecondsPlayed", "lastActivityAt"], "properties": {
					"userId": {"type": "string"}, "startDate": {"type": "string", "format": "date"}, "endDate": {"type": "string", "format": "date"},
					"tracksPlayed": {"type": "integer"}, "totalPlays": {"type": "integer"},
					"totalListenTime": {"$ref": "#/components/schemas/playback.TimeSpan"}, "totalSecondsPlayed": {"type": "number"},
					"lastActivityAt": {"type": ["string", "null"], "format": "date-time"}}}}}},
		"GET /admin/analytics/recent": {
			"parameters": [{"name": "count", "in": "query", "description": "How many events.", "schema": {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}, "example": 10}],
			"responses": {"200": {"description": "Events, those received last first.", "schema": {"type": "array", "items": {"type": "object", "required": ["userId", "trackId", "eventType", "timestamp"], "properties": {
				"userId": {"type": ["string", "null"]}, "trackId": {"type": ["string", "null"]}, "eventType": {"type": "string"}, "timestamp": {"type": "string", "format": "date-time"}}}}}}},
		"GET /admin/analytics/overview": {
			"parameters": [
				{"name": "startDate", "in": "query", "description": "The first day; 30 days ago.", "schema": {"type": "string", "format": "date"}, "example": "$today - 7 days"},
				{"name": "endDate", "in": "query", "description": "The last day; today.", "schema": {"type": "string", "format": "date"}, "example": "$today"}],
			"responses": {"200": {"description": "Plays of all tracks in these days.", "schema": {"type": "object",
				"required": ["startDate", "endDate", "totalEvents", "totalPlays", "completedPlays", "totalListenTime", "totalSecondsPlayed", "uniqueListeners", "uniqueTracks", "dailyBreakdown"], "properties": {
					"startDate": {"type": "string", "format": "date"}, "endDate": {"type": "string", "format": "date"}, "totalEvents": {"type": "integer"},
					"totalPlays": {"type": "integer"}, "completedPlays": {"type": "integer"}, "totalListenTime": {"$ref": "#/components/schemas/playback.TimeSpan"},
					"totalSecondsPlayed": {"type": "number"}, "uniqueListeners": {"type": "integer"}, "uniqueTracks": {"type": "integer"},
					"dailyBreakdown": {"type": "array", "items": {"type": "object", "required": ["date", "plays", "completed", "uniqueListeners"], "properties": {
						"date": {"type": "string", "format": "date"}, "plays": {"type": "integer"}, "completed": {"type": "integer"}, "uniqueListeners": {"type": ["integer", "null"]}}}}}}}}}
	}');
END
$$;
