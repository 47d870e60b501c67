-- What streams core and flash are read by: totals, timelines, lists, CSV, counters, parity.
\set VERBOSITY terse
\pset null (null)
SET timezone = 'UTC';
SET search_path = public, telemetry;
SET client_min_messages = warning;
UPDATE stream SET max_batch_age = NULL, max_age = NULL WHERE name IN ('core', 'flash', 'flash_legacy');

INSERT INTO event (stream, event_id, event_type, occurred_at, received_at, device_id, subject_id, app_version, data)
SELECT 'core', 'c' || i, (ARRAY['shown', 'shown', 'okClick', 'moreInfoClick', 'expired', 'dismissed'])[1 + i % 6],
	timestamptz '2026-03-01 10:00' + i * interval '20 minutes', timestamptz '2026-03-02 12:00' + i * interval '1 minute',
	'device-' || i % 5, (ARRAY['alpha', 'beta', '=cmd()'])[1 + i % 3], '1.0', CASE WHEN i % 4 = 0 THEN jsonb_build_object('linkUrl', 'https://x/' || i) END
FROM generate_series(0, 35) AS i;
SELECT received, accepted, rejected FROM ingest_result();

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
SELECT status, content_type, body FROM http_core_summary_csv('{"dialect": "core", "from": "2026-03-01", "to": "2026-03-02"}');
SELECT status, body FROM http_core_timeline('{"dialect": "core", "moduleId": "beta", "from": "2026-03-01T10:00:00Z", "to": "2026-03-01T12:00:00Z"}');
SELECT status, jsonb_pretty(body) FROM http_core_events('{"dialect": "core", "moduleId": "alpha", "type": "shown", "limit": "2"}');
SELECT status, body -> 'events' @> '[{"eventId": "c24"}]' AS next_page FROM http_core_events(jsonb_build_object('dialect', 'core', 'moduleId', 'alpha', 'type', 'shown',
	'limit', '2', 'cursor', (SELECT body ->> 'cursor' FROM http_core_events('{"dialect": "core", "moduleId": "alpha", "type": "shown", "limit": "2"}'))));
SELECT status, content_type, body FROM http_core_events_csv('{"dialect": "core", "deviceId": "device-1", "limit": "2"}');
SELECT status, body FROM (VALUES ('{"from": "March"}'), ('{"to": "2026-02-30"}'), ('{"top": "0"}'), ('{"top": "x"}')) AS v (wrong),
	http_core_summary('{"dialect": "core"}' || wrong::jsonb);
SELECT status, body FROM (VALUES ('{"interval": "week"}'), ('{"from": "2026-03-01T25:00:00Z"}')) AS v (wrong), http_core_timeline('{"dialect": "core"}' || wrong::jsonb);
SELECT status, body FROM (VALUES ('{"limit": "1001"}'), ('{"cursor": "x"}')) AS v (wrong), http_core_events('{"dialect": "core"}' || wrong::jsonb);
SELECT value, csv_field(value) FROM (VALUES ('plain'), ('a,b'), ('say "x"'), ('=1+1'), ('-5'), ('-x'), ('@x'), (E'two\nlines'), (NULL), ('')) AS v (value);

-- Flash: by both routes, by one, by the other.
INSERT INTO event (stream, event_id, event_type, occurred_at, received_at, session_id, app_version, data)
SELECT 'flash', 'f' || i, CASE WHEN i <= 6 THEN 'flash_success' ELSE 'flash_error' END, '2026-03-02 10:00', timestamptz '2026-03-02 10:00' + i * interval '1 second',
	's' || i, 'x', '{"message": "m", "model": "UV-5RM", "write_mode": 1, "connected": 1, "log_lines": "[]", "metadata": "{}"}'::jsonb || jsonb_build_object('message', 'failure ' || i)
FROM generate_series(1, 8) AS i;
INSERT INTO event (stream, event_id, event_type, received_at, session_id)
SELECT 'flash_legacy', 'l' || i, 'increment', timestamptz '2026-03-02 10:00' - CASE WHEN i > 6 THEN interval '1 day' ELSE '0' END, CASE WHEN i <= 6 THEN 's' || i + 1 END
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
SELECT status, body FROM (VALUES ('2026-03-02'), ('2026-03-02|'), ('|x')) AS v (cursor),
	http_core_events(jsonb_build_object('dialect', 'core', 'cursor', v.cursor));

-- A reader may read the views; the proxy answers without any right on what it reads.
SET ROLE telemetry_reader;
SELECT count(*) FROM core_events('paged', NULL, NULL, NULL, NULL, 10);
SELECT count(*) FROM recent_failures;
SET ROLE telemetry_writer;
SELECT status FROM http_core_events('{"moduleId": "paged"}');
SELECT status FROM http_recent_failures('{}');
SELECT count(*) FROM recent_failures;
RESET ROLE;

UPDATE stream SET max_batch_age = '30 days' WHERE name = 'core';
TRUNCATE event_log, event_key, event_batch, event_change, event_rollup_hour, event_rollup_day, stream_rollup_day, user_rollup_day, dead_letter;
DROP TABLE event_log_20260301, event_log_20260302;
