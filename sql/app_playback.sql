-- App playback, alone: requests of its player, and its analytics.
\set VERBOSITY terse
\pset null (null)
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET client_min_messages = warning;
CREATE EXTENSION telemetry_playback CASCADE;
SET search_path = telemetry, public;

-- A request of user u1 on device d1, at correlation id c1.
CREATE FUNCTION pg_temp.post(path text, body jsonb, more jsonb DEFAULT '{}', OUT status integer, OUT body jsonb, OUT type text) LANGUAGE sql AS
	$$ SELECT * FROM telemetry.http_events('POST ' || path, '{"caller": {"user_id": "u1", "device_id": "d1", "correlation_id": "c1"}}' || more, body) $$;
-- A time so long ago, as apps write it.
CREATE FUNCTION pg_temp.ago(age interval) RETURNS text LANGUAGE sql AS
	$$ SELECT to_char(now() - age, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') $$;

-- an_event_is_taken
SELECT jsonb_build_object('eventType', 'play_start', 'trackId', '01HXKZ4VJQ7N8M3T5R6W9Y2B0C', 'clientTimestamp', pg_temp.ago('1 min'), 'positionSeconds', 0.0,
	'durationPlayedSeconds', NULL, 'sessionId', 'sess_abc123', 'deviceId', 'dev_xyz789', 'clientVersion', '1.2.0') AS play \gset
SELECT * FROM pg_temp.post('/telemetry/playback', :'play');
SELECT * FROM pg_temp.post('/telemetry/playback', (:'play'::jsonb || '{"eventType": "Play_Stop", "durationPlayedSeconds": 222.5, "userId": "other", "unknown": 1}') - 'deviceId');
SELECT event_type, device_id, user_id, session_id, subject_id, app_version, duration_seconds, correlation_id, data FROM event WHERE stream = 'playback' ORDER BY event_type;
-- what_came_before_is_accepted
SELECT * FROM pg_temp.post('/telemetry/playback', :'play');
-- the_documented_event_itself: its track is no ULID, its time is past
SELECT status, jsonb_pretty(body) AS body, type FROM pg_temp.post('/telemetry/playback', '{
  "eventType": "play_start",
  "trackId": "01HXK...",
  "clientTimestamp": "2025-01-08T10:00:00Z",
  "positionSeconds": 0.0,
  "durationPlayedSeconds": null,
  "sessionId": "sess_abc123",
  "deviceId": "dev_xyz789",
  "clientVersion": "1.2.0"
}');
SELECT * FROM pg_temp.post('/telemetry/playback', :'play'::jsonb || '{"clientTimestamp": "2025-01-08T10:00:00Z"}');
-- each_rule_has_its_code
SELECT status, body ->> 'code' AS code, replace(body ->> 'type', 'https://novatune.dev/errors/', '') AS type, body ->> 'title' AS title, body ->> 'detail' AS detail, body -> 'status' AS told FROM (VALUES
	('{"eventType": "pause"}'::jsonb), ('{"eventType": null}'), ('{"trackId": null}'), ('{"clientTimestamp": null}'), ('{"clientTimestamp": "10:00"}'),
	('{"positionSeconds": -1}'), ('{"positionSeconds": "0"}'), ('{"durationPlayedSeconds": -0.5}'), ('{"durationPlayedSeconds": "1"}'),
	('{"durationPlayedSeconds": 1e19}'), ('{"durationPlayedSeconds": 1e400}'), ('{"positionSeconds": 1e10}'),
	(jsonb_build_object('sessionId', repeat('s', 65))), (jsonb_build_object('deviceId', repeat('d', 65))), (jsonb_build_object('clientVersion', repeat('v', 33)))) AS m (change),
	pg_temp.post('/telemetry/playback', :'play'::jsonb || m.change);
SELECT status, body ->> 'code' AS code, body ->> 'title' AS title FROM (VALUES (interval '24 hours 1 min'), ('-6 min'), ('23 hours'), ('-4 min')) AS a (age),
	pg_temp.post('/telemetry/playback', :'play'::jsonb || jsonb_build_object('clientTimestamp', pg_temp.ago(a.age)));
SELECT * FROM telemetry.http_events('POST /telemetry/playback', NULL, :'play');

-- a_batch_may_be_a_week_old; what is wrong in it is counted
SELECT * FROM pg_temp.post('/telemetry/playback/batch', jsonb_build_object('events', jsonb_build_array(
	jsonb_build_object('eventType', 'play_start', 'trackId', '01HXKZ4VJQ7N8M3T5R6W9Y2B0C', 'clientTimestamp', pg_temp.ago('6 days'), 'positionSeconds', 0.0),
	jsonb_build_object('eventType', 'play_stop', 'trackId', '01HXKZ4VJQ7N8M3T5R6W9Y2B0C', 'clientTimestamp', pg_temp.ago('6 days'), 'durationPlayedSeconds', 222.5))));
SELECT * FROM pg_temp.post('/telemetry/playback/batch', jsonb_build_object('events', jsonb_build_array(:'play'::jsonb, '{}'::jsonb,
	:'play'::jsonb || jsonb_build_object('clientTimestamp', pg_temp.ago('8 days')))));
SELECT p.* FROM (VALUES (0), (50), (51)) AS n (n), LATERAL (SELECT coalesce(jsonb_agg(:'play'::jsonb || jsonb_build_object('positionSeconds', i)), '[]') AS events FROM generate_series(1, n.n) AS i) AS b,
	pg_temp.post('/telemetry/playback/batch', jsonb_build_object('events', b.events)) AS p;

-- one_track_that_is_not_accessible_rejects_its_batch_and_no_other
CREATE FUNCTION public.may_play(subject_id text, user_id text) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT subject_id NOT LIKE '%ZZZZ' $$;
UPDATE stream SET access_check = 'public.may_play(text, text)' WHERE name = 'playback';
SELECT * FROM pg_temp.post('/telemetry/playback', :'play'::jsonb || '{"trackId": "01HXKZ4VJQ7N8M3T5R6W9YZZZZ"}');
BEGIN;
INSERT INTO http_event SELECT 'POST /telemetry/playback/batch', jsonb_build_object('caller', jsonb_build_object('user_id', u, 'correlation_id', u)),
	jsonb_build_object('events', jsonb_build_array(:'play'::jsonb, :'play'::jsonb || jsonb_build_object('trackId', t)))
FROM (VALUES ('u2', '01HXKZ4VJQ7N8M3T5R6W9Y1111'), ('u3', '01HXKZ4VJQ7N8M3T5R6W9YZZZZ'), ('u4', '01HXKZ4VJQ7N8M3T5R6W9Y1111')) AS v (u, t);
SELECT * FROM http_event_result();
COMMIT;
SELECT user_id, count(*) FROM event WHERE stream = 'playback' AND user_id <> 'u1' GROUP BY user_id ORDER BY user_id;
UPDATE stream SET access_check = NULL WHERE name = 'playback';

-- under_load_a_share_of_progress_is_left_out_but_accepted
UPDATE stream SET sampling = '{"play_progress": 0}' WHERE name = 'playback';
SELECT * FROM pg_temp.post('/telemetry/playback', :'play'::jsonb || '{"eventType": "play_progress"}', '{"under_load": true}');
SELECT * FROM pg_temp.post('/telemetry/playback/batch', jsonb_build_object('events', jsonb_build_array(:'play'::jsonb || '{"eventType": "play_progress"}', :'play'::jsonb || '{"eventType": "seek"}')), '{"under_load": true}');
SELECT event_type, count(*) FROM event WHERE stream = 'playback' AND event_type IN ('play_progress', 'seek') GROUP BY event_type;
SELECT * FROM pg_temp.post('/telemetry/playback', :'play'::jsonb || '{"eventType": "play_progress"}');
SELECT event_type, count(*) FROM event WHERE stream = 'playback' AND event_type = 'play_progress' GROUP BY event_type;

-- a_correlation_id_is_made_if_there_is_none: a ULID, the same for the events of a request
SELECT body ->> 'correlationId' AS id FROM http_events('POST /telemetry/playback/batch', '{"caller": {"user_id": "u5"}}', jsonb_build_object('events', jsonb_build_array(:'play'::jsonb, :'play'::jsonb || '{"eventType": "seek"}'))) \gset
SELECT :'id' ~ '^01[0-9A-HJKMNP-TV-Z]{24}$' AS is_ulid, count(*), bool_and(correlation_id = :'id') AS same FROM event WHERE user_id = 'u5';

DROP FUNCTION public.may_play(text, text);

-- analytics: tracks, listeners
TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter, batch_log;
UPDATE stream SET max_batch_age = NULL, retention_days = NULL, rollup_days = NULL WHERE name = 'playback';

BEGIN;
INSERT INTO event (stream, event_id, event_type, occurred_at, received_at, user_id, session_id, subject_id, duration_seconds)
SELECT 'playback', 'p' || i, (ARRAY['play_start', 'play_progress', 'play_complete'])[1 + i % 3], '2026-03-01 09:00',
	timestamptz '2026-03-01 10:00' + i * interval '37 minutes', 'user-' || i % 7, 's' || i / 3,
	'01HXK3V9ZQ8M5N2P4R6S8T0W1' || (ARRAY['A', 'B', 'C'])[1 + i / 3 % 3], CASE WHEN i % 3 > 0 THEN 100.25 END
FROM generate_series(0, 89) AS i;
SELECT accepted, rejected FROM ingest_result();
COMMIT;
INSERT INTO subject (stream, subject_id, title, artist, owner_id) VALUES ('playback', '01HXK3V9ZQ8M5N2P4R6S8T0W1B', 'Title', 'Artist', 'owner');

SELECT jsonb_pretty(track_analytics('01HXK3V9ZQ8M5N2P4R6S8T0W1A', '2026-03-01', '2026-03-02'));
CALL run_jobs('roll_up_events');
SELECT track_analytics('01HXK3V9ZQ8M5N2P4R6S8T0W1A', '2026-03-01', '2026-03-31');
SELECT track_analytics('nothing', '2026-03-01', '2026-03-31');
-- a_ulid_in_lower_case_is_the_same_track
BEGIN;
INSERT INTO event (stream, event_id, event_type, occurred_at, received_at, user_id, subject_id)
VALUES ('playback', 'lower', 'play_start', '2026-03-01 09:00', '2026-03-01 10:00', 'user-1', '01hxk3v9zq8m5n2p4r6s8t0w1d'),
	('playback', 'upper', 'play_start', '2026-03-01 09:00', '2026-03-01 10:00', 'user-1', '01HXK3V9ZQ8M5N2P4R6S8T0W1D');
SELECT id, (http_track_analytics(jsonb_build_object('id', id, 'startDate', '2026-03-01', 'endDate', '2026-03-31'))).body -> 'totalPlays' AS plays
FROM unnest(ARRAY['01hxk3v9zq8m5n2p4r6s8t0w1d', '01HXK3V9ZQ8M5N2P4R6S8T0W1D', '01hxk3v9zq8m5n2p4r6s8t0w1e']) AS id;
SELECT count(*) FROM top_tracks(10, '2026-03-01');
ROLLBACK;
SELECT * FROM top_tracks(2, '2026-03-01');
SELECT user_activity('user-3', '2026-03-01', '2026-03-02');
SELECT user_activity('nobody', '2026-03-01', '2026-03-02');
SELECT * FROM recent_activity(3);
SELECT jsonb_pretty(playback_overview('2026-03-01', '2026-03-02'));
-- Totals are those of the events themselves.
SELECT (playback_overview('2026-03-01', '2026-03-31') ->> 'totalSecondsPlayed')::numeric = sum(duration_seconds)::numeric AS seconds,
	(playback_overview('2026-03-01', '2026-03-31') ->> 'uniqueListeners')::bigint = count(DISTINCT user_id) AS listeners,
	(playback_overview('2026-03-01', '2026-03-31') ->> 'totalPlays')::bigint = count(*) FILTER (WHERE event_type = 'play_start') AS plays
FROM event WHERE stream = 'playback';
SELECT left(s::text, 24) AS s, time_span(s) FROM (VALUES (0), (59.5), (3600), (86399.9999999), (90061.25), (8640000), (1e19), (1e30 + 0.5), (-5), ('NaN'), ('Infinity')) AS v (s);

SELECT status, body FROM http_track_analytics('{"dialect": "playback", "id": "01HXK3V9ZQ8M5N2P4R6S8T0W1A", "startDate": "2026-03-02", "endDate": "2026-03-02"}');
SELECT status, jsonb_pretty(body) FROM http_top_tracks('{"dialect": "playback", "count": "1", "since": "2026-03-01"}');
SELECT status, body FROM http_user_analytics('{"dialect": "playback", "id": "user-1", "startDate": "2026-03-01", "endDate": "2026-03-01"}');
SELECT status, body FROM http_recent_activity('{"dialect": "playback", "count": "1"}');
SELECT status, body ->> 'totalPlays' AS plays FROM http_analytics_overview('{"dialect": "playback", "startDate": "2026-03-01", "endDate": "2026-03-31"}');
SELECT status, content_type, body FROM http_track_analytics('{"dialect": "playback", "id": "x", "startDate": "soon"}');
SELECT status, body ->> 'detail' AS detail FROM http_top_tracks('{"dialect": "playback", "count": "101"}');
SELECT status, body ->> 'detail' AS detail FROM http_recent_activity('{"dialect": "playback", "count": "-1"}');


-- What is stored already is told, however much it is.
UPDATE event_log SET duration_seconds = 1e19 WHERE event_id = 'p1';
UPDATE event_log SET duration_seconds = 1.5e308 WHERE event_id = 'p2';
TRUNCATE event_rollup_hour, event_rollup_day, stream_rollup_day, user_rollup_day;
INSERT INTO event_batch SELECT DISTINCT ON (id >> 20) id >> 20 << 20, received_at, 1 FROM event_log ON CONFLICT DO NOTHING;
SELECT h.status, left(h.body ->> 'totalSecondsPlayed', 12) AS seconds, left(h.body ->> 'totalListenTime', 12) AS listened
FROM (
	SELECT * FROM http_analytics_overview('{"dialect": "playback", "startDate": "2026-03-01", "endDate": "2026-03-31"}')
	UNION ALL SELECT * FROM http_user_analytics('{"dialect": "playback", "id": "user-1", "startDate": "2026-03-01", "endDate": "2026-03-31"}')
	UNION ALL SELECT * FROM http_track_analytics('{"dialect": "playback", "id": "01HXK3V9ZQ8M5N2P4R6S8T0W1A", "startDate": "2026-03-01", "endDate": "2026-03-31"}')
	UNION ALL SELECT status, jsonb_path_query_first(body, '$[*] ? (@.trackId == "01HXK3V9ZQ8M5N2P4R6S8T0W1A")'), NULL
		FROM http_top_tracks('{"dialect": "playback", "since": "2026-03-01"}')
) AS h;
CALL run_jobs('roll_up_events');
SELECT status, left(body ->> 'totalSecondsPlayed', 12) AS seconds FROM http_analytics_overview('{"dialect": "playback", "startDate": "2026-03-01", "endDate": "2026-03-31"}');


-- What came with it goes with it.
TRUNCATE event_log, event_key, event_batch, event_change, event_rollup_hour, event_rollup_day, stream_rollup_day, user_rollup_day, dead_letter;
DROP EXTENSION telemetry_playback;
SELECT (SELECT count(*) FROM stream) AS streams, (SELECT count(*) FROM dialect WHERE app IS NOT NULL) AS dialects, (SELECT count(*) FROM route WHERE app IS NOT NULL) AS routes;
