-- App core, alone: requests of its devices, and what its reports say.
\set VERBOSITY terse
\pset null (null)
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET client_min_messages = warning;
CREATE EXTENSION telemetry_core CASCADE;
SET search_path = telemetry, public;

-- A request of user u1 on device d1, at correlation id c1.
CREATE FUNCTION pg_temp.post(path text, body jsonb, more jsonb DEFAULT '{}', OUT status integer, OUT body jsonb, OUT type text) LANGUAGE sql AS
	$$ SELECT * FROM telemetry.http_events('POST ' || path, '{"caller": {"user_id": "u1", "device_id": "d1", "correlation_id": "c1"}}' || more, body) $$;
-- A time so long ago, as apps write it.
CREATE FUNCTION pg_temp.ago(age interval) RETURNS text LANGUAGE sql AS
	$$ SELECT to_char(now() - age, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') $$;

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
-- the_same_event_id_of_another_device_is_another_event
SELECT p.body - 'errors' AS body FROM (VALUES (1, 'hash'), (2, 'other'), (3, 'other')) AS d (number, name),
	pg_temp.post('/api/telemetry/events', jsonb_build_object('deviceId', d.name, 'events', jsonb_build_array(
		jsonb_build_object('eventId', 'e1', 'moduleId', 'm', 'type', 'expired', 'occurredUtc', pg_temp.ago('1 min'))))) AS p ORDER BY d.number;
SELECT device_id, event_type FROM event WHERE stream = 'core' AND event_id = 'e1' ORDER BY device_id;
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
-- an_array_of_events_needs_no_envelope: the device is the event's, else the caller's
SELECT * FROM pg_temp.post('/api/telemetry/events', (SELECT jsonb_agg(jsonb_build_object('eventId', 'bare' || i, 'moduleId', 'bare', 'type', 'shown', 'occurredUtc', telemetry.json_time(now()))
	|| CASE i WHEN 1 THEN '{"deviceId": "own"}'::jsonb ELSE '{}' END) FROM generate_series(1, 2) AS i));
SELECT event_id, device_id FROM telemetry.event WHERE subject_id = 'bare' ORDER BY event_id;
SELECT * FROM pg_temp.post('/api/telemetry/events', (SELECT jsonb_agg(i) FROM generate_series(1, 1001) AS i));
SELECT status, body - 'errors' AS body FROM pg_temp.post('/api/telemetry/events', jsonb_build_object('events', (SELECT jsonb_agg(i) FROM generate_series(1, 1000) AS i)));

-- totals, timelines, lists and CSV
TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter, batch_log;
UPDATE stream SET max_batch_age = NULL, max_age = NULL WHERE name = 'core';

BEGIN;
INSERT INTO event (stream, event_id, event_type, occurred_at, received_at, device_id, subject_id, app_version, data)
SELECT 'core', 'c' || i, (ARRAY['shown', 'shown', 'okClick', 'moreInfoClick', 'expired', 'dismissed'])[1 + i % 6],
	timestamptz '2026-03-01 10:00' + i * interval '20 minutes', timestamptz '2026-03-02 12:00' + i * interval '1 minute',
	'device-' || i % 5, (ARRAY['alpha', 'beta', '=cmd()'])[1 + i % 3], '1.0', CASE WHEN i % 4 = 0 THEN jsonb_build_object('linkUrl', 'https://x/' || i) END
FROM generate_series(0, 35) AS i;
SELECT received, accepted, rejected FROM ingest_result();
COMMIT;

-- The same whether it has been rolled up or not.
SELECT * FROM core_modules('2026-03-01', '2026-03-02');
CALL run_jobs('roll_up_events');
SELECT * FROM core_modules('2026-03-01', '2026-03-02');
SELECT core_summary('2026-03-01', '2026-03-01', NULL, 1);
SELECT core_summary('2026-03-01', '2026-03-02', 'beta');
SELECT * FROM core_timeline('alpha', '2026-03-01', '2026-03-03', 'day');
SELECT * FROM core_timeline('alpha', '2026-03-01 10:00', '2026-03-01 13:00', 'hour', 'shown');
-- Totals are those of the events themselves.
SELECT (SELECT sum(total) FROM core_modules('2026-03-01', '2026-03-02')) = count(*) AS all_counted FROM event WHERE stream = 'core';

-- HTTP: shapes, pages, CSV, and what is wrong.
SELECT status, content_type, body FROM http_core_summary('{"dialect": "core", "from": "2026-03-01", "to": "2026-03-02", "top": "1"}');
SELECT status, content_type, body FROM http_parts('GET /api/reporting/summary.csv', '{"dialect": "core", "from": "2026-03-01", "to": "2026-03-02"}');
SELECT * FROM http_core_summary_csv('{"dialect": "core", "from": "March"}');
SELECT status, body FROM http_core_timeline('{"dialect": "core", "moduleId": "beta", "from": "2026-03-01T10:00:00Z", "to": "2026-03-01T12:00:00Z"}');
SELECT status, jsonb_pretty(jsonb_set(body, '{cursor}', to_jsonb(regexp_replace(body ->> 'cursor', '[|][0-9]+$', '|number')))) AS body
FROM http_core_events('{"dialect": "core", "moduleId": "alpha", "type": "shown", "limit": "2"}');
SELECT status, body -> 'events' @> '[{"eventId": "c24"}]' AS next_page FROM http_core_events(jsonb_build_object('dialect', 'core', 'moduleId', 'alpha', 'type', 'shown',
	'limit', '2', 'cursor', (SELECT body ->> 'cursor' FROM http_core_events('{"dialect": "core", "moduleId": "alpha", "type": "shown", "limit": "2"}'))));
SELECT status, content_type, body FROM http_parts('GET /api/reporting/events.csv', '{"dialect": "core", "deviceId": "device-1", "limit": "2"}');
SELECT * FROM http_core_events_csv('{"dialect": "core", "limit": "0"}');
SELECT status, body FROM (VALUES ('{"from": "March"}'), ('{"to": "2026-02-30"}'), ('{"top": "0"}'), ('{"top": "x"}')) AS v (wrong),
	http_core_summary('{"dialect": "core"}' || wrong::jsonb);
SELECT status, body FROM (VALUES ('{"interval": "week"}'), ('{"from": "2026-03-01T25:00:00Z"}')) AS v (wrong), http_core_timeline('{"dialect": "core"}' || wrong::jsonb);
SELECT status, body FROM (VALUES ('{"limit": "1001"}'), ('{"cursor": "x"}')) AS v (wrong), http_core_events('{"dialect": "core"}' || wrong::jsonb);

-- Pages meet all events once, in order, even when many were received at once and ids hold the cursor's separator.
INSERT INTO event (stream, event_id, event_type, occurred_at, received_at, device_id, subject_id)
SELECT 'core', 'a|' || i || '|z', 'shown', '2026-03-01 12:00', '2026-03-02 13:00', 'device-9', 'paged' FROM generate_series(1, 5) AS i;
WITH RECURSIVE page AS (
	SELECT 1 AS number, h.body FROM http_core_events('{"moduleId": "paged", "limit": "2"}') AS h
	UNION ALL
	SELECT p.number + 1, h.body
	FROM page AS p, http_core_events(jsonb_build_object('moduleId', 'paged', 'limit', '2', 'cursor', p.body ->> 'cursor')) AS h
	WHERE p.body ->> 'cursor' IS NOT NULL
)
SELECT number, jsonb_path_query_array(body, '$.events[*].eventId') AS ids FROM page ORDER BY number;
SELECT status, body FROM (VALUES ('2026-03-02'), ('2026-03-02|'), ('|7'), ('2026-03-02|x'), ('2026-03-02|9999999999999999999')) AS v (cursor),
	http_core_events(jsonb_build_object('dialect', 'core', 'cursor', v.cursor));

-- Also events of one id and time, of several devices or of nobody any more.
INSERT INTO event (stream, event_id, event_type, occurred_at, received_at, device_id, subject_id)
SELECT 'core', 'one', 'shown', '2026-03-01 12:00', '2026-03-02 13:00', 'device-' || i, 'of many' FROM generate_series(1, 5) AS i;
SELECT count(*) FROM event WHERE subject_id = 'of many';
WITH RECURSIVE page AS (
	SELECT h.body FROM http_core_events('{"moduleId": "of many", "limit": "2"}') AS h
	UNION ALL
	SELECT h.body FROM page AS p, http_core_events(jsonb_build_object('moduleId', 'of many', 'limit', '2', 'cursor', p.body ->> 'cursor')) AS h
	WHERE p.body ->> 'cursor' IS NOT NULL
)
SELECT count(*), count(DISTINCT e -> 'deviceId') AS devices FROM page, jsonb_array_elements(body -> 'events') AS e;
-- Who reads may read the views and the routes, who writes neither.
SET ROLE telemetry_reader;
SELECT count(*) FROM core_events('paged', NULL, NULL, NULL, NULL, 10);
SELECT status FROM http_core_events('{"moduleId": "paged"}');
SET ROLE telemetry_writer;
SELECT status FROM http_core_events('{"moduleId": "paged"}');
RESET ROLE;

-- What came with it goes with it.
TRUNCATE event_log, event_key, event_batch, event_change, event_rollup_hour, event_rollup_day, stream_rollup_day, user_rollup_day, dead_letter;
DROP EXTENSION telemetry_core;
SELECT (SELECT count(*) FROM stream) AS streams, (SELECT count(*) FROM dialect WHERE app IS NOT NULL) AS dialects, (SELECT count(*) FROM route WHERE app IS NOT NULL) AS routes;
