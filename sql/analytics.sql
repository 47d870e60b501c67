-- What streams playback and learning are read by: tracks, listeners, synchronisation.
\set VERBOSITY terse
\pset null (null)
SET timezone = 'UTC';
SET search_path = public, telemetry;
SET client_min_messages = warning;
UPDATE stream SET max_batch_age = NULL, retention_days = NULL, rollup_days = NULL WHERE name = 'playback';

INSERT INTO event (stream, event_id, event_type, occurred_at, received_at, user_id, session_id, subject_id, duration_seconds)
SELECT 'playback', 'p' || i, (ARRAY['play_start', 'play_progress', 'play_complete'])[1 + i % 3], '2026-03-01 09:00',
	timestamptz '2026-03-01 10:00' + i * interval '37 minutes', 'user-' || i % 7, 's' || i / 3,
	'01HXK3V9ZQ8M5N2P4R6S8T0W1' || (ARRAY['A', 'B', 'C'])[1 + i / 3 % 3], CASE WHEN i % 3 > 0 THEN 100.25 END
FROM generate_series(0, 89) AS i;
SELECT accepted, rejected FROM ingest_result();
INSERT INTO subject (stream, subject_id, title, artist, owner_id) VALUES ('playback', '01HXK3V9ZQ8M5N2P4R6S8T0W1B', 'Title', 'Artist', 'owner');

SELECT jsonb_pretty(track_analytics('01HXK3V9ZQ8M5N2P4R6S8T0W1A', '2026-03-01', '2026-03-02'));
CALL run_jobs('roll_up_events');
SELECT track_analytics('01HXK3V9ZQ8M5N2P4R6S8T0W1A', '2026-03-01', '2026-03-31');
SELECT track_analytics('nothing', '2026-03-01', '2026-03-31');
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
SELECT s, time_span(s) FROM (VALUES (0), (59.5), (3600), (86399.9999999), (90061.25), (8640000)) AS v (s);

SELECT status, body FROM http_track_analytics('{"dialect": "playback", "id": "01HXK3V9ZQ8M5N2P4R6S8T0W1A", "startDate": "2026-03-02", "endDate": "2026-03-02"}');
SELECT status, jsonb_pretty(body) FROM http_top_tracks('{"dialect": "playback", "count": "1", "since": "2026-03-01"}');
SELECT status, body FROM http_user_analytics('{"dialect": "playback", "id": "user-1", "startDate": "2026-03-01", "endDate": "2026-03-01"}');
SELECT status, body FROM http_recent_activity('{"dialect": "playback", "count": "1"}');
SELECT status, body ->> 'totalPlays' AS plays FROM http_analytics_overview('{"dialect": "playback", "startDate": "2026-03-01", "endDate": "2026-03-31"}');
SELECT status, content_type, body FROM http_track_analytics('{"dialect": "playback", "id": "x", "startDate": "soon"}');
SELECT status, body ->> 'detail' AS detail FROM http_top_tracks('{"dialect": "playback", "count": "101"}');
SELECT status, body ->> 'detail' AS detail FROM http_recent_activity('{"dialect": "playback", "count": "-1"}');

-- Learning.
SELECT status, body -> 'data' -> 'processed' AS processed, body -> 'data' -> 'failed' AS failed FROM http_events('POST /api/telemetry/batch',
	'{"caller": {"user_id": "learner"}}',
	'{"batchId": "b", "items": [{"itemType": "event", "itemData": {"eventType": "quiz", "eventId": "1"}}, {"itemType": "odd", "itemData": {}}]}');
SELECT status, jsonb_set(body, '{syncStatus,lastSyncTime}', to_jsonb((body #>> '{syncStatus,lastSyncTime}') LIKE '20__-__-__T%Z')) AS body
FROM http_sync_status('{"dialect": "learning", "caller": {"user_id": "learner"}}');
SELECT status, body FROM http_sync_status('{"dialect": "learning", "caller": {"user_id": "stranger"}}');
SELECT status, body FROM http_sync_status('{"dialect": "learning"}');
SELECT batches, items, success_rate, failed_rate, conflict_rate, duplicate_rate FROM sync_health;
SELECT status, body - 'uptime' AS body, (body -> 'uptime')::numeric >= 0 AS uptime FROM http_app_health();

UPDATE stream SET max_batch_age = '7 days', retention_days = 30, rollup_days = 30 WHERE name = 'playback';
DELETE FROM subject;
TRUNCATE event_log, event_key, event_batch, event_change, event_rollup_hour, event_rollup_day, stream_rollup_day, user_rollup_day, dead_letter, batch_log;
DROP TABLE event_log_20260301, event_log_20260302, event_log_20260303;
