-- Routes and dialects: what the apps' requests become, and how they are answered.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = telemetry, public;
TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter, batch_log;

-- A request of user u1 on device d1, at correlation id c1.
CREATE FUNCTION pg_temp.post(path text, body jsonb, more jsonb DEFAULT '{}', OUT status integer, OUT body jsonb, OUT type text) LANGUAGE sql AS
	$$ SELECT * FROM telemetry.http_events('POST ' || path, '{"caller": {"user_id": "u1", "device_id": "d1", "correlation_id": "c1"}}' || more, body) $$;
-- A time so long ago, as apps write it.
CREATE FUNCTION pg_temp.ago(age interval) RETURNS text LANGUAGE sql AS
	$$ SELECT to_char(now() - age, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') $$;

--
-- core
--

-- an_envelope_of_a_device_is_taken
SELECT * FROM pg_temp.post('/api/telemetry/events', jsonb_set('{
    "deviceId": "guid-or-hardware-hash",
    "appVersion": "1.0.x",
    "events": [
      {
        "eventId": "uuid",
        "moduleId": "module-12345-foo",
        "type": "okClick",
        "occurredUtc": "2025-12-01T12:34:56Z",
        "details": { "linkUrl": "https://..." }
      }
    ]
  }', '{events,0,occurredUtc}', to_jsonb(pg_temp.ago('20 days'))));
SELECT stream, event_id, event_type, now() - occurred_at BETWEEN '20 days' AND '20 days 1 min' AS occurred, device_id, user_id, subject_id, app_version, correlation_id, data
FROM event WHERE stream = 'core';
-- what_is_sent_again_is_a_duplicate, with other content too; what breaks a rule is named
SELECT status, jsonb_pretty(body) AS body FROM pg_temp.post('/api/telemetry/events', jsonb_build_object('deviceId', 'hash', 'events', jsonb_build_array(
	jsonb_build_object('eventId', 'e1', 'moduleId', 'm', 'type', 'SHOWN', 'occurredUtc', pg_temp.ago('1 min'), 'linkClicked', true, 'appVersion', '2'),
	jsonb_build_object('eventId', 'e1', 'moduleId', 'm', 'type', 'shown', 'occurredUtc', pg_temp.ago('1 min'), 'linkClicked', true, 'appVersion', '2'),
	jsonb_build_object('eventId', 'e1', 'moduleId', 'm', 'type', 'dismissed', 'occurredUtc', pg_temp.ago('1 min')),
	jsonb_build_object('eventId', 'e2', 'moduleId', 'm', 'type', 'shown'),
	jsonb_build_object('eventId', 'e3', 'moduleId', 7, 'type', 'shown', 'occurredUtc', pg_temp.ago('1 min')),
	jsonb_build_object('eventId', 'e4', 'moduleId', 'm', 'type', 'shown', 'occurredUtc', 'yesterday'),
	jsonb_build_object('eventId', 'e5', 'moduleId', 'm', 'type', 'shown', 'occurredUtc', true),
	jsonb_build_object('eventId', 'e6', 'moduleId', 'm', 'type', 'shown', 'occurredUtc', pg_temp.ago('1 min'), 'details', 'none'),
	jsonb_build_object('eventId', 'e7', 'moduleId', 'm', 'type', 'click', 'occurredUtc', pg_temp.ago('1 min')),
	jsonb_build_object('eventId', NULL, 'moduleId', 'm', 'type', 'shown', 'occurredUtc', pg_temp.ago('1 min')),
	'7'::jsonb, '[]'::jsonb, 'null'::jsonb)));
SELECT event_id, event_type, device_id, app_version, data FROM event WHERE stream = 'core' AND event_id = 'e1';
-- dead_letters_name_the_caller_and_show_the_body
SELECT code, payload - 'body' - 'occurred_at' AS payload, (payload -> 'body') - 'occurredUtc' AS body, whole
FROM dead_letter WHERE payload ->> 'correlation_id' = 'c1' AND coalesce(jsonb_typeof(payload -> 'body'), 'object') = 'object' ORDER BY id;
SELECT payload FROM dead_letter WHERE jsonb_typeof(payload -> 'body') <> 'object' ORDER BY id;
-- too_old_for_the_stream
SELECT status, body #> '{errors,0,code}' AS code, body - 'errors' AS numbers FROM pg_temp.post('/api/telemetry/events', jsonb_build_object('deviceId', 'hash', 'events',
	jsonb_build_array(jsonb_build_object('eventId', 'old', 'moduleId', 'm', 'type', 'shown', 'occurredUtc', pg_temp.ago('31 days')))));
-- the_device_of_the_caller_is_the_last_resort
SELECT * FROM pg_temp.post('/api/telemetry/events', jsonb_build_object('events',
	jsonb_build_array(jsonb_build_object('eventId', 'of the caller', 'moduleId', 'm', 'type', 'shown', 'occurredUtc', pg_temp.ago('1 min')))));
SELECT device_id FROM event WHERE event_id = 'of the caller';
-- a_body_of_another_shape_is_refused_as_a_whole
SELECT p.* FROM (VALUES ('null'::jsonb), ('[]'), ('7'), ('{}'), ('{"events": null}'), ('{"events": {}}'), ('{"events": []}'), (NULL)) AS b (body),
	pg_temp.post('/api/telemetry/events', b.body) AS p;
SELECT * FROM pg_temp.post('/api/telemetry/events', jsonb_build_object('events', (SELECT jsonb_agg(i) FROM generate_series(1, 1001) AS i)));
SELECT status, body - 'errors' AS body FROM pg_temp.post('/api/telemetry/events', jsonb_build_object('events', (SELECT jsonb_agg(i) FROM generate_series(1, 1000) AS i)));

--
-- flash
--

-- an_event_is_taken_once_for_its_type_and_session
SELECT '{
  "event_type": "flash_success",
  "occurred_at": "2026-02-12T18:00:00.000Z",
  "session_id": "uuid-v4",
  "message": "Flash complete",
  "model": "UV-5RM",
  "write_mode": 1,
  "connected": 1,
  "app_version": "<git-sha>",
  "log_lines_json": "[]",
  "metadata_json": "{}"
}' AS flash \gset
SELECT status, body - 'id' AS body, body ->> 'id' ~ '^evt_[0-9A-Z]{26}$' AS has_id, type FROM pg_temp.post('/event', :'flash');
SELECT status, body - 'id' AS body FROM pg_temp.post('/event', :'flash');
SELECT status, body - 'id' AS body FROM pg_temp.post('/event', :'flash'::jsonb || '{"message": "Once more"}');
SELECT event_type, occurred_at, device_id, user_id, session_id, app_version, data FROM event WHERE stream = 'flash';
-- other_types_need_no_session
SELECT status, body - 'id' AS body FROM pg_temp.post('/event', (:'flash'::jsonb || '{"event_type": "window_error", "error_name": "TypeError", "stack": "at x"}') - 'session_id');
-- rules_are_strict
SELECT status, m.change, p.body ->> 'code' AS code, p.body ->> 'error' AS error, p.body -> 'ok' AS ok FROM (VALUES
	('{"event_type": "flash"}'::jsonb), ('{"event_type": null}'), ('{"event_type": 1}'), ('{"occurred_at": "soon"}'), ('{"occurred_at": null}'), ('{"session_id": null}'), ('{"session_id": 5}'),
	('{"message": ""}'), ('{"message": null}'), ('{"write_mode": 2}'), ('{"write_mode": true}'), ('{"write_mode": "1"}'), ('{"connected": 0.5}'), ('{"connected": null}'),
	('{"model": null}'), ('{"app_version": null}'), ('{"log_lines_json": "x"}'), ('{"log_lines_json": []}'), ('{"log_lines_json": "7"}'), ('{"metadata_json": "{"}'),
	('{"extra": 1}')) AS m (change), pg_temp.post('/event', :'flash'::jsonb || m.change) AS p;
SELECT status, body ->> 'error' AS error FROM pg_temp.post('/event', :'flash'::jsonb || jsonb_build_object('message', repeat('é', 2001)));
SELECT status, body ->> 'error' AS error FROM pg_temp.post('/event', :'flash'::jsonb || jsonb_build_object('metadata_json', '["' || repeat('x', 65536) || '"]'));
SELECT status, body - 'id' AS body FROM pg_temp.post('/event', :'flash'::jsonb || jsonb_build_object('session_id', 'long', 'message', repeat('é', 2000)));
SELECT * FROM pg_temp.post('/event', '[]');
SELECT * FROM pg_temp.post('/event', NULL);

-- the_old_log_takes_any_object_with_a_message
SELECT * FROM pg_temp.post('/client-log', '{"message": "it broke", "level": "error", "session_id": "s", "event_type": "increment", "userAgent": "x"}', '{"event_type": "increment"}');
SELECT * FROM pg_temp.post('/client-log', '{"message": "it broke", "level": "error", "session_id": "s", "event_type": "increment", "userAgent": "x"}');
SELECT event_type, session_id, data FROM event WHERE stream = 'flash_legacy';
SELECT p.* FROM (VALUES ('{}'::jsonb), ('{"message": ""}'), ('"message"')) AS b (body), pg_temp.post('/client-log', b.body) AS p;

-- a_count_of_a_session_is_also_its_success
SELECT flash_total() AS before \gset
SELECT status, (body ->> 'total')::bigint - :before AS total, body -> 'count' = body -> 'total' AS same, body -> 'ok' AS ok FROM http_increment();
SELECT status, (body ->> 'total')::bigint - :before AS total FROM http_increment('{}', '{}');
SELECT status FROM http_increment('{"caller": {"correlation_id": "c2"}}', '{"session_id": "uuid-v4"}');
SELECT status FROM http_increment('{}', '{"session_id": "only counted"}');
SELECT status FROM http_increment('{}', '{"session_id": "only counted"}');
SELECT count(*), count(session_id), count(DISTINCT event_id) FROM event WHERE stream = 'flash_legacy' AND event_type = 'increment';
SELECT flash_total() - :before AS total;
SELECT session_id, app_version, left(data ->> 'message', 20) AS message, data ->> 'model' AS model FROM event WHERE stream = 'flash' AND event_type = 'flash_success' ORDER BY session_id;
SELECT * FROM http_increment('{}', '[]');
SELECT * FROM http_increment('{}', jsonb_build_object('session_id', repeat('x', 300)));

--
-- playback
--

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

--
-- learning
--

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
-- batches_are_logged
SELECT stream, batch_id, user_id, device_id, correlation_id, item_count, success_count, failure_count, conflict_count, duplicate_count, status,
	start_time <= end_time AND abs(duration_ms - extract(epoch FROM end_time - start_time) * 1000) < 0.001 AS times
FROM batch_log ORDER BY id;

--
-- many requests at once
--

-- each_row_has_its_answer: a wrong one does not hurt the others
BEGIN;
COPY http_event FROM stdin (FORMAT csv, DELIMITER '|', QUOTE '''');
'POST /client-log'|'{}'|'{"message": "first"}'
'POST /nowhere'|'{}'|'{}'
'POST /client-log'|'{}'|'[]'
'POST /api/telemetry/events'||'{"events": 1}'
'GET /count'|'{}'|'{}'
|'{}'|'{}'
'POST /api/telemetry/events'|'7'|'{"deviceId": "d", "events": [{"eventId": "copied"}]}'
'POST /client-log'|'{"caller": {"user_id": 7, "correlation_id": ["c"]}, "under_load": "yes"}'|'{"message": "last"}'
\.
SELECT * FROM http_event_result();
COMMIT;
SELECT * FROM http_event_result();
SELECT * FROM http_event;
-- answers_go_with_their_transaction
BEGIN;
INSERT INTO http_event VALUES ('POST /client-log', '{}', '{"message": "outer"}');
SAVEPOINT s;
INSERT INTO http_event VALUES ('POST /client-log', '{}', '{}');
SELECT status FROM http_event_result();
ROLLBACK TO s;
SELECT status FROM http_event_result();
INSERT INTO http_event VALUES ('POST /client-log', '{}', '{"message": "after"}'), ('POST /client-log', '{}', '{"message": "after"}');
SELECT status FROM http_event_result();
INSERT INTO http_event SELECT 'POST /client-log', '{}', '{}' WHERE false;
SELECT status FROM http_event_result();
COMMIT;
-- an_error_within_a_statement_ends_it
INSERT INTO http_event SELECT 'POST /client-log', '{}', jsonb_build_object('message', 1 / (3 - i)) FROM generate_series(1, 5) AS i;
SELECT * FROM pg_temp.post('/client-log', '{"message": "still works"}');
-- statements_nest: also with those of telemetry.event, and when an inner one fails and is caught
CREATE FUNCTION pg_temp.request_unless_even(i integer) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO telemetry.event (stream, event_type, data)
	SELECT stream, event_type, '{"message": "nested event"}' FROM telemetry.event WHERE data ->> 'message' = 'still works';
	INSERT INTO telemetry.http_event
	SELECT 'POST /client-log', '{}', jsonb_build_object('message', format('nested inner %s.%s', i, k / CASE WHEN k = 2 AND i % 2 = 0 THEN 0 ELSE 1 END))
	FROM generate_series(1, 2) AS k;
	RETURN jsonb_build_object('message', 'nested outer ' || i);
EXCEPTION WHEN division_by_zero THEN
	RETURN jsonb_build_object('message', 'nested alone ' || i);
END $$;
BEGIN;
INSERT INTO http_event SELECT 'POST /client-log', '{}', pg_temp.request_unless_even(i) FROM generate_series(1, 4) AS i;
SELECT status FROM http_event_result();
COMMIT;
SELECT data ->> 'message' AS message, count(*) FROM event WHERE data ->> 'message' LIKE 'nested %' GROUP BY 1 ORDER BY 1;
-- two_statements_in_one: their requests are answered together
BEGIN;
WITH one AS (INSERT INTO http_event VALUES ('POST /client-log', '{}', '{"message": "one"}')),
	two AS (INSERT INTO http_event VALUES ('POST /client-log', '{}', '{"message": "two"}'), ('POST /client-log', '{}', '{}'))
SELECT;
SELECT status FROM http_event_result() ORDER BY status;
COMMIT;
-- one_flush_for_all: numbers of a flush have the same upper bits
WITH sent AS (SELECT 'flood ' || i AS message FROM generate_series(1, 500) AS i)
INSERT INTO http_event SELECT 'POST /client-log', '{}', jsonb_build_object('message', message) FROM sent;
SELECT count(*), count(DISTINCT id >> 20) AS flushes FROM event_log WHERE data ->> 'message' LIKE 'flood %';
-- only_those_who_may_ingest
SET ROLE telemetry_reader;
SELECT * FROM http_events('POST /client-log', '{}', '{"message": "x"}');
INSERT INTO http_event VALUES ('POST /client-log', '{}', '{"message": "x"}');
SET ROLE telemetry_writer;
SELECT status FROM http_events('POST /client-log', '{}', '{"message": "x"}');
INSERT INTO http_event VALUES ('POST /client-log', '{}', '{"message": "x"}');
INSERT INTO dialect (name, description) VALUES ('mine', 'mine');
RESET ROLE;
SELECT http_event_statement();

--
-- rows
--

-- an_app_of_ones_own_is_rows_only
SET ROLE telemetry_admin;
INSERT INTO stream (name, description, event_types) VALUES ('door', 'Doors that open and close.', '{opened,closed}');
INSERT INTO stream_field (stream, field, required) VALUES ('door', 'subject_id', true);
INSERT INTO dialect (name, description, fields) VALUES ('door', 'The words of doors.', '{"event_type": "what", "subject_id": ["door.name", "door"], "data.by": "params:key"}');
INSERT INTO route (method, path, description, dialect, stream, batch, max_events) VALUES
	('POST', '/doors', 'Takes an event of a door.', 'door', 'door', false, NULL),
	('POST', '/doors/batch', 'Takes several.', 'door', 'door', true, 3);
SELECT status, body - 'event_id' AS body, content_type FROM http_events('POST /doors', '{"key": "k"}', '{"what": "OPENED", "door": {"name": "front"}, "force": 3}');
SELECT event_type, subject_id, data FROM event WHERE stream = 'door';
SELECT status, jsonb_pretty(body #- '{results,0,event_id}') AS body FROM http_events('POST /doors/batch', '{}', '[{"what": "closed", "door": "front"}, {"what": "closed"}, 1]');
SELECT * FROM http_events('POST /doors/batch', '{}', '[1, 2, 3, 4]');
SELECT * FROM http_events('POST /doors/batch', '{}', '{}');
-- a_change_counts_from_the_next_statement_on
UPDATE dialect SET failure = '{"wrong": ["$code", "with $title: $detail", {"$x": 1, "$code": "\"$status\""}]}', problems = '{"INVALID_SUBJECT_ID": {"status": 409, "title": "No \"door\""}}' WHERE name = 'door';
UPDATE dialect SET failure = '{"wrong": ["$code", "with $title: $detail", {"x": "$status", "y $status": "\"$status\""}]}', problems = '{"INVALID_SUBJECT_ID": {"status": 409, "title": "No \"door\""}}' WHERE name = 'door';
SELECT * FROM http_events('POST /doors', '{}', '{"what": "closed"}');
DELETE FROM route WHERE path = '/doors';
SELECT * FROM http_events('POST /doors', '{}', '{"what": "closed"}');
-- what_cannot_be_read_is_refused
UPDATE dialect SET fields = '{"colour": "x"}' WHERE name = 'door';
UPDATE dialect SET fields = '{"stream": "x"}' WHERE name = 'door';
UPDATE dialect SET fields = '{"data.": "x"}' WHERE name = 'door';
UPDATE dialect SET fields = '{"event_id": []}' WHERE name = 'door';
UPDATE dialect SET fields = '{"event_id": ["a", 1]}' WHERE name = 'door';
UPDATE dialect SET fields = '{"event_id": "a..b"}' WHERE name = 'door';
UPDATE dialect SET fields = '{"event_id": "body:"}' WHERE name = 'door';
UPDATE dialect SET fields = '[]' WHERE name = 'door';
UPDATE dialect SET events = '' WHERE name = 'door';
UPDATE dialect SET kinds = '{"a": 1}' WHERE name = 'door';
UPDATE dialect SET outcomes = '{"lost": "x"}' WHERE name = 'door';
UPDATE dialect SET outcomes = '{"kept": 1}' WHERE name = 'door';
UPDATE dialect SET success = '{"a": "$nothing"}' WHERE name = 'door';
UPDATE dialect SET problems = '{"X": {"status": 200}}' WHERE name = 'door';
UPDATE dialect SET problems = '{"X": {"state": 1}}' WHERE name = 'door';
UPDATE dialect SET problems = '{"X": 1}' WHERE name = 'door';
INSERT INTO route (method, path, description, dialect, function) VALUES ('GET', '/x', 'x', 'door', 'pg_catalog.lower(text)');
INSERT INTO route (method, path, description, dialect, function) VALUES ('GET', '/x', 'x', 'door', 'public.nothing(jsonb, jsonb)');
INSERT INTO route (method, path, description, dialect, stream) VALUES ('POST', 'x', 'x', 'door', 'door');
INSERT INTO route (method, path, description, dialect) VALUES ('GET', '/x', 'x', 'door');
INSERT INTO route (method, path, description, dialect, stream) VALUES ('GET', '/x', 'x', 'door', 'door');

INSERT INTO route (method, path, description, dialect, stream) VALUES ('POST', '/x', 'x', 'nobody', 'door');
INSERT INTO route (method, path, description, dialect, stream) VALUES ('POST', '/x', 'x', 'door', 'nothing');
INSERT INTO stream_field (stream, field) VALUES ('nothing', 'user_id');
-- names_are_followed
UPDATE stream SET name = 'gate' WHERE name = 'door';
UPDATE dialect SET name = 'gate' WHERE name = 'door';
SELECT dialect, stream, path FROM route WHERE path LIKE '/door%';
SELECT stream, field FROM stream_field WHERE stream IN ('door', 'gate');
UPDATE stream SET name = 'door' WHERE name = 'gate';
UPDATE dialect SET name = 'door' WHERE name = 'gate';
RESET ROLE;

-- the_proxy_is_told_what_has_changed
SELECT http_routes() ->> 'version' AS version \gset
SELECT http_routes(:'version');
CREATE FUNCTION public.hello(params jsonb, body jsonb) RETURNS http_response LANGUAGE sql AS $$ SELECT 200, '"hello"'::jsonb, 'text/plain' $$;
INSERT INTO route (method, path, description, dialect, function, params, caller) VALUES ('GET', '/hello/{name}', 'Says hello.', 'door', 'hello(jsonb,jsonb)', '{"a": 1}', 'device')
RETURNING function;
SELECT r - 'errors' AS route, r #>> '{errors,404}' AS error, r #>> '{errors,default}' AS default_error
FROM jsonb_array_elements(http_routes(:'version') -> 'routes') AS r WHERE r ->> 'path' IN ('/hello/{name}', '/doors/batch');
DROP FUNCTION public.hello(jsonb, jsonb);
UPDATE route SET description = 'Said hello.' WHERE path = '/hello/{name}' RETURNING function;
SELECT count(*) FROM jsonb_array_elements(http_routes() -> 'routes') AS r WHERE r ->> 'path' = '/hello/{name}';
DELETE FROM dialect WHERE name = 'door';
SELECT count(*) FROM route WHERE dialect = 'door';
SET ROLE telemetry_writer;
SELECT http_routes() ->> 'version' = :'version' AS same;
RESET ROLE;
SELECT r ->> 'name' AS name, r ->> 'kind' AS kind, r ->> 'function' AS function, r -> 'params' AS params, r ->> 'caller' AS caller, r ->> 'error_type' AS error_type
FROM jsonb_array_elements(http_routes() -> 'routes') AS r;
-- functions_fail_in_the_shape_of_a_dialect
SELECT * FROM http_problem('playback', 400, 'INVALID_DATE', 'startDate is no date');
SELECT * FROM http_problem('playback', NULL, 'ACCESS_DENIED', 'no');
SELECT * FROM http_problem('flash', 429, NULL, 'slow "down"');
SELECT * FROM http_problem('learning', 404, 'NOT_FOUND', NULL);
SELECT * FROM http_problem('nobody', 404, NULL, 'x');
DROP FUNCTION public.may_play(text, text);

-- What is here as it was before.
TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter, batch_log;
DELETE FROM stream WHERE name = 'door';
SELECT count(*) FROM stream_field WHERE stream = 'door';
UPDATE stream SET sampling = '{"play_progress": 0.9}' WHERE name = 'playback';
