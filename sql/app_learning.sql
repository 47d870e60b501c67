-- App learning, alone: requests of its clients, and how their synchronisation goes.
\set VERBOSITY terse
\pset null (null)
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET client_min_messages = warning;
CREATE EXTENSION telemetry_learning CASCADE;
SET search_path = telemetry, public;

-- A request of user u1 on device d1, at correlation id c1.
CREATE FUNCTION pg_temp.post(path text, body jsonb, more jsonb DEFAULT '{}', OUT status integer, OUT body jsonb, OUT type text) LANGUAGE sql AS
	$$ SELECT * FROM telemetry.http_events('POST ' || path, '{"caller": {"user_id": "u1", "device_id": "d1", "correlation_id": "c1"}}' || more, body) $$;

-- an_event_is_tracked
SELECT status, body #- '{data,eventId}' #- '{data,serverTimestamp}' AS body, body #>> '{data,eventId}' ~ '^evt_' AS has_id,
	body #>> '{data,serverTimestamp}' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$' AS has_time, type
FROM pg_temp.post('/api/telemetry/track', '{
  "eventType": "interview_completed",
  "eventData": {
    "interviewId": "12345",
    "score": 85,
    "duration": 1800,
    "questionsAttempted": 5,
    "correctAnswers": 4
  },
  "metadata": {
    "clientTimestamp": "2024-01-20T10:30:00Z",
    "userAgent": "Mozilla/5.0..."
  }
}');
SELECT event_type, occurred_at, device_id, user_id, session_id, subject_id, duration_seconds, data FROM event WHERE stream = 'learning';
-- what_it_is_told_is_what_is_stored
SELECT body ->> 'data' AS told FROM pg_temp.post('/api/telemetry/track', '{"eventType": "x", "eventData": {}, "metadata": {"eventId": "given"}}') \gset
SELECT event_id, :'told'::jsonb ->> 'eventId' = event_id AS id, (:'told'::jsonb ->> 'serverTimestamp')::timestamptz = received_at AS time FROM event WHERE event_id = 'given';
SELECT p.* FROM (VALUES ('{}'::jsonb), ('{"eventType": "x", "eventData": 7}'), ('{"eventType": "x", "metadata": {"clientTimestamp": "x"}}'), ('[]')) AS b (body), pg_temp.post('/api/telemetry/track', b.body) AS p;
SELECT * FROM http_events('POST /api/telemetry/track', '{}', '{"eventType": "x"}');

-- ids_may_be_numbers, as the records of a page have them
BEGIN;
SELECT status, body #>> '{data,eventId}' AS id FROM pg_temp.post('/api/telemetry/track', '{"eventType": "x", "eventData": {"interviewId": 12345, "sessionId": 7, "score": 85}, "metadata": {"eventId": 99, "deviceId": 3}}');
SELECT status, body #>> '{data,eventId}' AS id FROM pg_temp.post('/api/telemetry/track', '{"eventType": "x", "eventData": {"interviewId": "12345", "sessionId": "7", "score": 85}, "metadata": {"eventId": "99", "deviceId": "3"}}');
SELECT r.* FROM pg_temp.post('/api/telemetry/batch', '{"items": [{"itemType": "progress", "itemData": {"eventId": 100, "interviewId": 12345}}, {"itemType": "progress", "itemData": {"eventId": true}}, {"itemType": "event", "itemData": {"eventType": 5}}]}'),
	jsonb_to_recordset(body #> '{data,results}') AS r (index integer, "eventId" text, status text, code text, error text);
SELECT event_id, device_id, session_id, subject_id, data FROM event WHERE event_id IN ('99', '100') ORDER BY event_id;
ROLLBACK;

-- a_batch_is_synchronised: each item has its result
SELECT status, jsonb_pretty(body #- '{data,results}') AS body FROM pg_temp.post('/api/telemetry/batch', '{
  "batchId": "batch_xyz789",
  "items": [
    {
      "itemType": "event",
      "itemData": {"eventType": "quiz", "eventData": {"score": 1}, "metadata": {"eventId": "q1", "clientTimestamp": "2024-01-20T10:30:00Z"}}
    },
    {"itemType": "progress", "itemData": {"eventId": "p1", "interviewId": "i1", "percent": 40}, "priority": 3, "timestamp": "2024-01-20T10:30:00Z"},
    {"itemType": "assessment", "itemData": {"eventId": "a1", "score": 7, "duration": 60}, "timestamp": "2024-01-20T10:30:00Z"}
  ]
}');
SELECT event_id, event_type, occurred_at, subject_id, duration_seconds, data FROM event WHERE event_id IN ('q1', 'p1', 'a1') ORDER BY event_id;
SELECT r.* FROM pg_temp.post('/api/telemetry/batch', '{
  "batchId": "batch_2",
  "items": [
    {"itemType": "event", "itemData": {"eventType": "quiz", "eventData": {"score": 1}, "metadata": {"eventId": "q1", "clientTimestamp": "2024-01-20T10:30:00Z"}}},
    {"itemType": "progress", "itemData": {"eventId": "p1", "interviewId": "i1", "percent": 50}, "priority": 3, "timestamp": "2024-01-20T10:31:00Z"},
    {"itemType": "assessment", "itemData": {"eventId": "a1", "score": 6, "duration": 60}, "timestamp": "2024-01-20T10:29:00Z"},
    {"itemType": "progress", "itemData": {"eventId": "p2"}, "timestamp": "2024-01-20T10:30:00Z"},
    {"itemType": "other", "itemData": {"eventId": "o1", "eventType": "x"}},
    {"itemType": "event", "itemData": {"eventId": "o2"}},
    {"itemType": "event"},
    7
  ]
}'), jsonb_to_recordset(body #> '{data,results}') AS r (index integer, "itemType" text, status text, "eventId" text, resolution text, error text, code text);
SELECT event_id, data FROM event WHERE event_id IN ('p1', 'a1') ORDER BY event_id;
SELECT * FROM pg_temp.post('/api/telemetry/batch', '{"items": [7]}');
SELECT p.* FROM (VALUES ('{"batchId": 7, "items": [7]}'::jsonb), ('{"batchId": "", "items": [7]}'), ('{"batchId": "b"}'), ('{"batchId": "b", "items": []}')) AS b (body), pg_temp.post('/api/telemetry/batch', b.body) AS p;
-- the_same_event_id_of_another_user_is_another_event
SELECT p.body #> '{data,results,0,status}' AS status FROM (VALUES (1, 'u1'), (2, 'u2'), (3, 'u2')) AS u (number, name),
	pg_temp.post('/api/telemetry/batch', '{"batchId": "batch_3", "items": [{"itemType": "progress", "itemData": {"eventId": "p1"}, "timestamp": "2024-01-20T11:00:00Z"}]}',
		jsonb_build_object('caller', jsonb_build_object('user_id', u.name, 'correlation_id', 'c1', 'device_id', 'd1'))) AS p ORDER BY u.number;
SELECT user_id, count(*) FROM event WHERE event_id = 'p1' GROUP BY user_id ORDER BY user_id;
-- batches_are_logged
SELECT stream, batch_id, user_id, device_id, correlation_id, item_count, success_count, failure_count, conflict_count, duplicate_count, status,
	start_time <= end_time AND abs(duration_ms - extract(epoch FROM end_time - start_time) * 1000) < 0.001 AS times
FROM batch_log ORDER BY id;

-- synchronisation
TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter, batch_log;
SELECT status, body -> 'data' -> 'processed' AS processed, body -> 'data' -> 'failed' AS failed FROM http_events('POST /api/telemetry/batch',
	'{"caller": {"user_id": "learner"}}',
	'{"batchId": "b", "items": [{"itemType": "event", "itemData": {"eventType": "quiz", "eventId": "1"}}, {"itemType": "odd", "itemData": {}}]}');
SELECT status, jsonb_set(body, '{syncStatus,lastSyncTime}', to_jsonb((body #>> '{syncStatus,lastSyncTime}') LIKE '20__-__-__T%Z')) AS body
FROM http_sync_status('{"dialect": "learning", "caller": {"user_id": "learner"}}');
SELECT status, body FROM http_sync_status('{"dialect": "learning", "caller": {"user_id": "stranger"}}');
SELECT status, body FROM http_sync_status('{"dialect": "learning"}');
SELECT batches, items, success_rate, failed_rate, conflict_rate, duplicate_rate FROM sync_health;
DELETE FROM job_state;
SELECT status, body - 'uptime' AS body, (body -> 'uptime')::numeric >= 0 AS uptime FROM http_app_health();
CALL run_jobs('prune');
SELECT body #> '{services,scheduler}' AS scheduler FROM http_app_health();


-- What came with it goes with it.
TRUNCATE event_log, event_key, event_batch, event_change, event_rollup_hour, event_rollup_day, stream_rollup_day, user_rollup_day, dead_letter;
TRUNCATE batch_log;
DROP EXTENSION telemetry_learning;
SELECT (SELECT count(*) FROM stream) AS streams, (SELECT count(*) FROM dialect WHERE app IS NOT NULL) AS dialects, (SELECT count(*) FROM route WHERE app IS NOT NULL) AS routes;
