-- App flash, alone: requests of its page, counters, failures, and parity of the old routes with the new.
\set VERBOSITY terse
\pset null (null)
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET client_min_messages = warning;
CREATE EXTENSION telemetry_flash CASCADE;
SET search_path = telemetry, public;

-- A request of user u1 on device d1, at correlation id c1.
CREATE FUNCTION pg_temp.post(path text, body jsonb, more jsonb DEFAULT '{}', OUT status integer, OUT body jsonb, OUT type text) LANGUAGE sql AS
	$$ SELECT * FROM telemetry.http_events('POST ' || path, '{"caller": {"user_id": "u1", "device_id": "d1", "correlation_id": "c1"}}' || more, body) $$;

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

-- a_session_that_is_known_has_the_id_that_is_stored, whatever else is said of it
SELECT body ->> 'id' AS id FROM pg_temp.post('/event', :'flash'::jsonb || '{"session_id": "known"}') \gset
SELECT p.status, p.body ->> 'id' = :'id' AS is_stored, p.body -> 'duplicate' AS duplicate
FROM unnest(ARRAY['{}', '{"message": "other"}', '{"occurred_at": "2026-02-12T18:00:01Z"}']::jsonb[]) AS change,
	pg_temp.post('/event', :'flash'::jsonb || '{"session_id": "known"}' || change) AS p;
SELECT count(*), min(event_id) = :'id' AS is_stored FROM event WHERE session_id = 'known';
-- a_date_is_a_time_and_a_number_is_none
SELECT change -> 'occurred_at' AS occurred_at, p.status, p.body ->> 'error' AS error
FROM unnest(ARRAY['{"occurred_at": "2026-02-12"}', '{"occurred_at": "2026-02-30"}', '{"occurred_at": "2026-02-12T"}', '{"occurred_at": "2026-02"}',
	'{"occurred_at": 1770919200}', '{"occurred_at": "1770919200"}']::jsonb[]) AS change,
	pg_temp.post('/event', :'flash'::jsonb || jsonb_build_object('session_id', 'date ' || (change ->> 'occurred_at')) || change) AS p;
SELECT occurred_at AT TIME ZONE 'UTC' AS occurred_at FROM event WHERE session_id LIKE 'date %';
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
SELECT event_type, count(*), count(session_id), count(DISTINCT event_id) FROM event WHERE stream = 'flash_legacy' AND event_type <> 'client_log' GROUP BY 1 ORDER BY 1;
-- a_key_counts_once, a session goes before it
SELECT flash_total() AS before_keys \gset
SELECT (body ->> 'total')::bigint - :before_keys AS total FROM http_increment('{"caller": {"idempotency_key": "k"}}');
SELECT (body ->> 'total')::bigint - :before_keys AS total FROM http_increment('{"caller": {"idempotency_key": "k"}}', '{}');
SELECT (body ->> 'total')::bigint - :before_keys AS total FROM http_increment('{"caller": {"idempotency_key": "k"}}', '{"session_id": "only counted"}');
SELECT count(*) FROM event WHERE stream = 'flash_legacy' AND event_type = 'increment' AND event_id LIKE 'increment of key %';
SELECT flash_total() - :before AS total;
SELECT session_id, app_version, left(data ->> 'message', 20) AS message, data ->> 'model' AS model FROM event WHERE stream = 'flash' AND event_type = 'flash_success' ORDER BY session_id;
-- a_count_that_names_no_session_is_told_however_many_sessions_there_are
SELECT (http_increment('{}', body)).body -> 'count' AS count FROM unnest(ARRAY[NULL, '{}', '{"session_id": ""}', '{"session_id": "only counted"}']::jsonb[]) AS body;
SELECT (SELECT body -> 'count' FROM http_count()) AS count, (SELECT body -> 'total' FROM http_flash_count()) AS unified;
SELECT * FROM http_increment('{}', '[]');
SELECT * FROM http_increment('{}', jsonb_build_object('session_id', repeat('x', 300)));

-- counters, failures, parity
TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter, batch_log;
UPDATE stream SET max_batch_age = NULL, max_age = NULL WHERE app = 'telemetry_flash';

-- Flash: by both routes, by one, by the other.
INSERT INTO event (stream, event_id, event_type, occurred_at, received_at, session_id, app_version, data)
SELECT 'flash', 'f' || i, CASE WHEN i <= 6 THEN 'flash_success' ELSE 'flash_error' END, '2026-03-02 10:00', timestamptz '2026-03-02 10:00' + i * interval '1 second',
	's' || i, 'x', '{"message": "m", "model": "UV-5RM", "write_mode": 1, "connected": 1, "log_lines": "[]", "metadata": "{}"}'::jsonb || jsonb_build_object('message', 'failure ' || i)
FROM generate_series(1, 8) AS i;
INSERT INTO event (stream, event_id, event_type, received_at, session_id)
SELECT 'flash_legacy', 'l' || i, CASE WHEN i <= 6 THEN 'session_increment' ELSE 'increment' END, timestamptz '2026-03-02 10:00' - CASE WHEN i > 6 THEN interval '1 day' ELSE '0' END, CASE WHEN i <= 6 THEN 's' || i + 1 END
FROM generate_series(1, 9) AS i;
INSERT INTO event (stream, event_id, event_type, received_at, data)
VALUES ('flash_legacy', 'log', 'client_log', '2026-03-02 11:00', '{"message": "old", "model": "X"}');
SELECT * FROM flash_count_daily ORDER BY day;
SELECT flash_total();
SELECT body FROM http_flash_count();
SELECT body FROM http_count();
SELECT status, jsonb_pretty(body) FROM http_recent_failures('{"dialect": "flash", "limit": "1"}');
SELECT body -> 'failures' -> 0 ->> 'message' AS message FROM http_recent_failures('{"dialect": "flash", "source": "legacy"}');
SELECT status, body FROM (VALUES ('{"limit": "0"}'), ('{"source": "both"}')) AS v (wrong), http_recent_failures('{"dialect": "flash"}' || wrong::jsonb);
SELECT * FROM parity('2026-03-01', '2026-03-03');

-- Times are UTC whatever the session's zone is.
SET timezone = 'America/New_York';
SELECT body #>> '{failures,0,occurred_at}' AS occurred_at, body #>> '{failures,0,received_at}' AS received_at FROM http_recent_failures('{"limit": "1"}');
SET timezone = 'UTC';

-- Who reads may read the views and the routes, who writes neither.
SET ROLE telemetry_reader;
SELECT count(*) FROM recent_failures;
SELECT status FROM http_recent_failures('{}');
SET ROLE telemetry_writer;
SELECT status FROM http_recent_failures('{}');
SELECT count(*) FROM recent_failures;
RESET ROLE;

-- What came with it goes with it.
TRUNCATE event_log, event_key, event_batch, event_change, event_rollup_hour, event_rollup_day, stream_rollup_day, user_rollup_day, dead_letter;
DROP EXTENSION telemetry_flash;
SELECT (SELECT count(*) FROM stream) AS streams, (SELECT count(*) FROM dialect WHERE app IS NOT NULL) AS dialects, (SELECT count(*) FROM route WHERE app IS NOT NULL) AS routes;
