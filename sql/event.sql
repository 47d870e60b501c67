-- Events: what is stored, what is refused and why, who may do what.
\set VERBOSITY terse
SET timezone = 'UTC';
SET search_path = public, telemetry;
SET client_min_messages = warning;

INSERT INTO stream (name, description, event_types, max_age, max_batch_age, on_conflict) VALUES
	('shop', 'A test.', '{Open,buy}', '1 hour', '2 days', 'first_wins');
INSERT INTO stream (name, description, identity) VALUES ('once', 'A test.', 'type_session');
INSERT INTO stream_field (stream, field, kind, required, required_for, minimum, maximum, max_length, code, message) VALUES
	('shop', 'subject_id', 'ulid', false, NULL, NULL, NULL, NULL, 'INVALID_ITEM', NULL),
	('shop', 'session_id', 'text', false, '{buy}', NULL, NULL, 5, NULL, NULL),
	('shop', 'app_version', 'text', false, NULL, NULL, NULL, 8, NULL, 'The app is unknown.'),
	('shop', 'duration_seconds', 'number', false, NULL, NULL, 100, NULL, NULL, NULL),
	('shop', 'data.amount', 'number', false, '{buy}', 0, NULL, NULL, NULL, NULL),
	('shop', 'data.count', 'integer', false, NULL, 0, 1, NULL, NULL, NULL),
	('shop', 'data.gift', 'boolean', false, NULL, NULL, NULL, NULL, NULL, NULL),
	('shop', 'data.lines', 'json_text', false, NULL, NULL, NULL, 40, NULL, NULL),
	('shop', 'data.list', 'array', false, NULL, NULL, NULL, NULL, NULL, NULL),
	('shop', 'data.map', 'object', false, NULL, NULL, NULL, NULL, NULL, NULL),
	('shop', 'data.ref', 'uuid', false, NULL, NULL, NULL, NULL, NULL, NULL);

-- An event with all there is, and what became of it.
SELECT ingest_event(jsonb_build_object('stream', 'shop', 'event_id', 'e1', 'event_type', 'OPEN', 'occurred_at', now() - interval '1 minute',
	'device_id', 'd', 'user_id', 'u', 'session_id', 's', 'subject_id', '01hxk3v9zq8m5n2p4r6s8t0w1y', 'app_version', '1.0',
	'duration_seconds', 1.5, 'correlation_id', 'c', 'data', '{"gift": true, "count": 1, "lines": " [1]", "list": [], "map": {}, "ref": "6f1e7c1a-0000-4000-8000-000000000000"}'::jsonb));
SELECT stream, event_id, event_type, now() - occurred_at BETWEEN '59 s' AND '70 s' AS a_minute_ago, received_at - now() < interval '1 minute' AS just_now, device_id, user_id, session_id,
	subject_id, app_version, duration_seconds, correlation_id, data
FROM event;

-- What a member must be: each changes or adds one, of an event that is all right.
SELECT member, left(value, 40) AS value, r ->> 'status' AS status, r ->> 'code' AS code, regexp_replace(r ->> 'message', '20\S+ is', '... is') AS message
FROM (VALUES
	('stream', '"none"'), ('stream', 'null'), ('stream', '1'), ('event_type', '"sell"'), ('event_type', 'null'), ('event_type', '{}'),
	('event_id', '""'), ('event_id', 'true'), ('event_id', '"tab\t"'), ('event_id', to_json(repeat('x', 257))::text), ('user_id', '"\u0085"'),
	('occurred_at', '"yesterday"'), ('occurred_at', 'false'), ('occurred_at', 'null'), ('occurred_at', '1'), ('occurred_at', '"9999-01-01"'),
	('received_at', '"2000-01-01T00:00:00Z"'), ('received_at', '"9999-01-01T00:00:00Z"'),
	('subject_id', '"01HXK"'), ('subject_id', '"81HXK3V9ZQ8M5N2P4R6S8T0W1Y"'), ('subject_id', '"01HXK3V9ZQ8M5N2P4R6S8T0W1U"'),
	('session_id', '"12345"'), ('session_id', '"123456"'), ('session_id', '"äöüäö"'), ('app_version', '"1.0.0-rc1"'),
	('duration_seconds', '-1'), ('duration_seconds', '101'), ('duration_seconds', '"1"'), ('duration_seconds', '1e400'), ('duration_seconds', '1e19'), ('duration_seconds', '0'),
	('data', '[]'), ('data', '"x"'), ('data', '{"count": 2}'), ('data', '{"count": 0.5}'), ('data', '{"count": "1"}'), ('data', '{"count": true}'),
	('data', '{"count": null}'), ('data', '{"gift": 1}'), ('data', '{"lines": "{]"}'), ('data', '{"lines": "1"}'), ('data', '{"lines": ""}'),
	('data', '{"lines": "[\"\\u0000\"]"}'), ('data', '{"lines": "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}'),
	('data', '{"list": {}}'), ('data', '{"map": []}'), ('data', '{"map": 1}'), ('data', '{"ref": "6f1e7c1a"}'),
	('data', '{"big": 1e100000}'), ('data', '{"amount": 1e400}'), ('data', '{"count": -1e400}'), ('colour', '"red"')
) AS changed (member, value),
LATERAL (SELECT ingest_event(jsonb_build_array(
	jsonb_build_object('stream', 'shop', 'event_id', 'm-' || member || value, 'event_type', 'open', 'occurred_at', now()) || jsonb_build_object(member, value::jsonb)
	)) -> 'results' -> 0 AS r) AS answer;
SELECT r ->> 'code' AS code, r ->> 'message' AS message
FROM (VALUES ('{}'), ('{"session_id": "s"}'), ('{"session_id": "s", "data": {"amount": -1}}'), ('{"session_id": "s", "data": {"amount": 5}}'),
	('{"session_id": "", "data": {"amount": 5}}')) AS v (members),
LATERAL (SELECT ingest_event(jsonb_build_array('{"stream": "shop", "event_type": "buy"}'::jsonb || members::jsonb)) -> 'results' -> 0 AS r) AS answer;

-- A single event must be younger than one of a batch.
SELECT age, r1 ->> 'message' AS alone, r2 ->> 'message' AS in_batch
FROM (VALUES (interval '59 minutes'), ('61 minutes'), ('47 hours'), ('49 hours'), ('-4 minutes'), ('-6 minutes')) AS v (age),
LATERAL (SELECT jsonb_build_object('stream', 'shop', 'event_type', 'open', 'event_id', 'age' || age, 'occurred_at', now() - age) AS body) AS b,
LATERAL (SELECT regexp_replace((ingest_event(body) -> 'results' -> 0)::text, '20\S+ is', '... is')::jsonb AS r1) AS x,
LATERAL (SELECT regexp_replace((ingest_event(jsonb_build_array(body)) -> 'results' -> 0)::text, '20\S+ is', '... is')::jsonb AS r2) AS y;

-- Bodies that are not of events.
SELECT ingest_event('1');
SELECT ingest_event('[[]]');
SELECT ingest_event('[null]');
SELECT ingest_event('[]');
SELECT ingest_event((SELECT jsonb_agg('{}'::jsonb) FROM generate_series(1, 10001)));

-- Rejected rows of INSERT and COPY are kept; the others are stored.
TRUNCATE event_log, event_key, event_batch, dead_letter;
BEGIN;
INSERT INTO event (stream, event_type, event_id) VALUES ('shop', 'open', 'i1'), ('shop', 'shut', 'i2'), ('shop', 'open', 'i1'), ('nowhere', 'x', NULL);
SELECT * FROM ingest_result();
COMMIT;
BEGIN;
COPY event (stream, event_type, event_id, data) FROM STDIN;
shop	open	c1	{"a": 1}
shop	open	c1	{"a": 1.0}
shop	open	c1	{"a": 2}
shop	open	c2	[]
\.
SELECT * FROM ingest_result();
COMMIT;
SELECT event_id, event_type, occurred_at = received_at AS at_receipt, data FROM event ORDER BY event_id;
SELECT kind, code, reason, payload, whole, attempts FROM dead_letter ORDER BY id;
-- What is no duration in any stream.
INSERT INTO event (stream, event_type, event_id, duration_seconds)
SELECT 'once', 'a', d, d::float8 FROM unnest('{NaN,Infinity,-Infinity,-1e-300,1e9,1000000001,1e19,1e308}'::text[]) AS d;
SELECT reason, payload ->> 'event_id' AS of FROM dead_letter WHERE payload ->> 'stream' = 'once' ORDER BY id;
SELECT event_id FROM event WHERE stream = 'once';
-- Nothing else can be done with the view.
UPDATE event SET event_type = 'x';
DELETE FROM event;
TRUNCATE event;
BEGIN;
INSERT INTO event (stream) SELECT 'shop' WHERE false;
SELECT * FROM ingest_result();
COMMIT;

-- Statements nest: a function that is called for the rows of one stores others.
CREATE FUNCTION pg_temp.note(id text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO telemetry.event (stream, event_type, event_id) VALUES ('shop', 'open', id || '-inner');
	RETURN id;
END $$;
INSERT INTO event (stream, event_type, event_id) SELECT 'shop', 'open', pg_temp.note('n' || i) FROM generate_series(1, 2) AS i;
-- One that fails leaves nothing, and what comes after is not disturbed.
DO $$
BEGIN
	BEGIN
		INSERT INTO telemetry.event (stream, event_type, event_id) SELECT 'shop', 'open', pg_temp.note('f' || 1 / (2 - i)) FROM generate_series(1, 3) AS i;
	EXCEPTION WHEN division_by_zero THEN
		NULL;
	END;
	INSERT INTO telemetry.event (stream, event_type, event_id) VALUES ('shop', 'open', 'after');
END $$;
SELECT event_id FROM event WHERE event_id ~ '^(n|f|after)' ORDER BY event_id;
-- One that fails within another, and is caught, leaves nothing either; the outer one goes on.
CREATE FUNCTION pg_temp.note_unless_even(i integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO telemetry.event (stream, event_type, event_id)
	SELECT 'shop', 'open', format('m%s-inner-%s', i, 1 / CASE WHEN k = 2 AND i % 2 = 0 THEN 0 ELSE k END) FROM generate_series(1, 2) AS k;
	RETURN 'm' || i;
EXCEPTION WHEN division_by_zero THEN
	RETURN 'm' || i || '-alone';
END $$;
BEGIN;
INSERT INTO event (stream, event_type, event_id) SELECT 'shop', 'open', pg_temp.note_unless_even(i) FROM generate_series(1, 4) AS i;
SELECT received, accepted FROM ingest_result();
COMMIT;
SELECT event_id FROM event WHERE event_id ~ '^m' ORDER BY event_id;
-- Two statements in one: their rows are one ingest.
BEGIN;
WITH one AS (INSERT INTO event (stream, event_type, event_id) VALUES ('shop', 'open', 'w1')),
	two AS (INSERT INTO event (stream, event_type, event_id) VALUES ('shop', 'open', 'w2'))
SELECT;
SELECT received, accepted FROM ingest_result();
COMMIT;

-- An event without name is its content, if it says when it occurred.
SELECT r ->> 'status' AS status, left(r ->> 'event_id', 4) AS event_id, length(r ->> 'event_id') AS length
FROM jsonb_array_elements(ingest_event('[{"stream": "once", "event_type": "a", "occurred_at": 1, "data": {"x": 1, "y": [1, 2]}},
	{"stream": "once", "event_type": "a", "occurred_at": "1970-01-01T00:00:01Z", "correlation_id": "retry", "data": {"y": [1.00, 2e0], "x": 1}},
	{"stream": "once", "event_type": "a", "occurred_at": 1, "data": {"x": 1, "y": [2, 1]}},
	{"stream": "once", "event_type": "a"}, {"stream": "once", "event_type": "a"},
	{"stream": "once", "event_type": "a", "session_id": "s", "event_id": "1"}, {"stream": "once", "event_type": "a", "session_id": "s", "event_id": "2"},
	{"stream": "once", "event_type": "b", "session_id": "s", "event_id": "2"}]') -> 'results') AS r;
-- What was removed does not come back with a later version.
SELECT remove_events(ARRAY[received_at], ARRAY[id], '{true}') FROM event_log WHERE stream = 'once' AND event_type = 'b';
SELECT r ->> 'status' AS status FROM (VALUES ('{}'), ('{"user_id": "u"}')) AS v (more),
	jsonb_array_elements(ingest_event(jsonb_build_array('{"stream": "once", "event_type": "b", "session_id": "s", "event_id": "2"}'::jsonb || more::jsonb)) -> 'results') AS r;
SELECT event_type, recount FROM event_change;
SELECT resolution, stored FROM conflict WHERE event_type = 'b';

-- Access checks: asked once for each subject and user; one that fails, or takes too long, costs no event.
CREATE FUNCTION may_see(subject_id text, user_id text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF subject_id = 'odd' THEN
		RAISE EXCEPTION 'odd subject';
	ELSIF subject_id = 'slow' THEN
		PERFORM pg_sleep(60);
	END IF;
	RETURN subject_id = user_id;
END $$;
UPDATE stream SET access_check = 'may_see(text, text)' WHERE name = 'once';
SELECT subject, r ->> 'status' AS status, r ->> 'code' AS code
FROM (VALUES ('u'), ('v'), (NULL), ('odd')) AS v (subject),
	jsonb_array_elements(ingest_event(jsonb_build_object('stream', 'once', 'event_type', 'seen', 'user_id', 'u', 'subject_id', subject)) -> 'results') AS r;
SET client_min_messages = notice;
SELECT r ->> 'status' AS status
FROM jsonb_array_elements(ingest_event('[{"stream": "once", "event_type": "z", "user_id": "u", "subject_id": "odd"},
	{"stream": "once", "event_type": "z", "user_id": "u", "subject_id": "slow"},
	{"stream": "once", "event_type": "z", "user_id": "u", "subject_id": "nobody"},
	{"stream": "once", "event_type": "z", "user_id": "u", "subject_id": "zero"}]') -> 'results') AS r;
-- A check that is too slow costs other checks nothing, and each stream says what becomes of its own events then.
CREATE FUNCTION slow_check(subject_id text, user_id text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN true; END $$;
INSERT INTO stream (name, description, access_check, access_failure) VALUES
	('slow', 'Slow.', 'slow_check(text, text)', 'reject'), ('slow_too', 'Slow as well.', 'slow_check(text, text)', 'accept');
SELECT r ->> 'status' AS status, r ->> 'code' AS code, r ->> 'message' AS message
FROM jsonb_array_elements(ingest_event('[{"stream": "slow", "event_type": "z", "user_id": "u", "subject_id": "a"},
	{"stream": "slow", "event_type": "z", "user_id": "u", "subject_id": "b"},
	{"stream": "slow_too", "event_type": "z", "user_id": "u", "subject_id": "a"},
	{"stream": "once", "event_type": "y", "user_id": "u", "subject_id": "u"},
	{"stream": "once", "event_type": "y", "user_id": "u", "subject_id": "v"}]') -> 'results') AS r;
-- The user's own cancel is not taken for the check's time-out, also when it comes later.
CREATE OR REPLACE FUNCTION slow_check(subject_id text, user_id text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(60);
	RETURN true;
EXCEPTION WHEN query_canceled THEN
	PERFORM pg_sleep(60);
	RETURN true;
END
$$;
SET statement_timeout = '1s';
SELECT ingest_event('[{"stream": "slow_too", "event_type": "z", "user_id": "u", "subject_id": "c"}]');
RESET statement_timeout;
SELECT count(*) FROM event WHERE stream = 'slow_too' AND subject_id = 'c';
DELETE FROM stream WHERE name LIKE 'slow%';
DROP FUNCTION slow_check;
-- The check is kept by its name, and found again when it is made anew; one that is gone costs no event, either.
SELECT access_check FROM stream WHERE name = 'once';
DROP FUNCTION may_see(text, text);
UPDATE stream SET retention_days = 30 WHERE name = 'once';
\set seen '{"stream": "once", "event_type": "z", "user_id": "u", "subject_id": "v"}'
SELECT ingest_event(:'seen') #>> '{results,0,status}' AS status;
CREATE FUNCTION may_see(subject_id text, user_id text) RETURNS integer LANGUAGE sql AS 'SELECT 1';
SELECT ingest_event(:'seen') #>> '{results,0,status}' AS status;
DROP FUNCTION may_see(text, text);
CREATE FUNCTION may_see(subject_id text, user_id text) RETURNS boolean LANGUAGE sql AS 'SELECT subject_id = user_id';
SELECT ingest_event(:'seen') #>> '{results,0,status}' AS status;
-- Who ingests cannot put other types in its way.
CREATE TABLE pg_temp.text ();
DISCARD PLANS;
ALTER FUNCTION may_see(pg_catalog.text, pg_catalog.text) STABLE;
SELECT ingest_event(:'seen') #>> '{results,0,status}' AS status;
DROP TABLE pg_temp.text;
SET client_min_messages = warning;
-- It is found in the search path of whoever names it, and only if it can be one.
CREATE SCHEMA "odd (text, text)";
CREATE FUNCTION "odd (text, text)"."see(""it)"(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
SET search_path = "odd (text, text)", telemetry;
UPDATE stream SET access_check = '"see(""it)"(text,text)' WHERE name = 'once' RETURNING access_check;
SELECT ingest_event(:'seen') #>> '{results,0,status}' AS status;
UPDATE stream SET access_check = 'nothing(text, text)' WHERE name = 'once';
UPDATE stream SET access_check = 'lower(text)' WHERE name = 'once';
UPDATE stream SET access_check = 'text_larger(text, text)' WHERE name = 'once';
UPDATE stream SET access_check = NULL WHERE name = 'once';
SET search_path = public, telemetry;
DROP SCHEMA "odd (text, text)" CASCADE;
DROP FUNCTION may_see(text, text);

-- Dead letters are tried again, until there is nothing wrong with them any more, or five times.
TRUNCATE dead_letter;
SELECT ingest_event('[{"stream": "later", "event_type": "a", "event_id": "l1"}, {"stream": "never", "event_type": "a"}, {"stream": "later", "event_type": 1}]') -> 'rejected' AS rejected;
SELECT ingest('{"timestamp": "2999-01-01T00:00:00Z", "metric_name": "m", "value": 1}', 'd') ->> 'success' AS success;
INSERT INTO stream (name, description) VALUES ('later', 'A test.');
SELECT * FROM retry_dead_letters('event');
SELECT * FROM retry_dead_letters('event', 'INVALID_EVENT_TYPE');
SELECT kind, code, whole, attempts FROM dead_letter ORDER BY id;
SELECT event_id FROM event WHERE stream = 'later';
SELECT tried, stored, failed FROM generate_series(1, 5) AS i, LATERAL retry_dead_letters(NULL, NULL, 1000 + i);
SELECT kind, code, whole, attempts FROM dead_letter ORDER BY id;

-- letters_and_conflicts_have_all_digits_of_a_number, however few the session shows
TRUNCATE dead_letter, conflict;
SET extra_float_digits = -10;
INSERT INTO event (stream, event_type, event_id, duration_seconds) VALUES ('later', 'a', 'd1', 1234.5678901234567);
INSERT INTO event (stream, event_type, event_id, duration_seconds) VALUES ('later', 'a', 'd1', 1234.5678901234569), ('never', 'a', 'd2', 1234.5678901234567);
RESET extra_float_digits;
SELECT payload -> 'duration_seconds' AS rejected FROM dead_letter;
SELECT stored -> 'duration_seconds' AS stored, incoming -> 'duration_seconds' AS incoming FROM conflict;

-- received_at is the server's, but for administrators who load what was received before.
BEGIN;
INSERT INTO event (stream, event_type, event_id, occurred_at, received_at) VALUES
	('shop', 'open', 'old1', '2020-05-05 10:00', '2020-05-05 10:30'), ('shop', 'open', 'old2', '2020-05-05 10:00', '2020-05-06 10:30'),
	('shop', 'open', 'old3', '2020-05-05 10:00', '2020-05-08 10:30');
SELECT accepted, rejected, rows -> 0 ->> 'code' AS code FROM ingest_result();
COMMIT;
SELECT event_id, received_at FROM event WHERE received_at < '2021-01-01' ORDER BY event_id;
SELECT create_event_partition('2020-05-05'), create_event_partition('2020-05-07');
SELECT create_event_partition('0001-01-01');
-- a_day_is_of_utc_however_the_session_writes_times: IST, which this style writes, is read as Israel's time
SET timezone = 'Asia/Kolkata';
SET datestyle = 'SQL, DMY';
SELECT create_event_partition('2020-05-04');
RESET datestyle;
SET timezone = 'UTC';
SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bound, (SELECT count(*) FROM pg_index AS i WHERE i.indrelid = c.oid) AS indexes
FROM pg_class AS c WHERE c.relname LIKE 'event\_log\_2020%' AND c.relkind = 'r' ORDER BY c.relname;

-- Roles.
CREATE ROLE event_reader IN ROLE telemetry_reader;
CREATE ROLE event_writer IN ROLE telemetry_writer;
CREATE ROLE event_stranger;
GRANT USAGE ON SCHEMA telemetry TO event_stranger;
SET ROLE event_stranger;
SELECT count(*) FROM event;
INSERT INTO event (stream, event_type) VALUES ('shop', 'open');
SELECT ingest_event('{}');
SET ROLE event_reader;
SELECT count(*) > 0 AS reads FROM event;
INSERT INTO event (stream, event_type) VALUES ('shop', 'open');
INSERT INTO stream (name, description) VALUES ('x', 'x');
SELECT * FROM retry_dead_letters();
SET ROLE event_writer;
INSERT INTO event (stream, event_type, event_id) VALUES ('shop', 'open', 'r1');
BEGIN;
INSERT INTO event (stream, event_type, event_id, received_at) VALUES ('shop', 'open', 'r2', '2020-05-05');
SELECT accepted, rejected, rows -> 0 ->> 'code' AS code FROM ingest_result();
COMMIT;
SELECT ingest_event('{"stream": "shop", "event_type": "open", "event_id": "r3"}') -> 'success' AS success;
SELECT count(*) FROM event;
DELETE FROM event_log;
SELECT flushed_keys();
RESET ROLE;
SELECT flushed_events();
SELECT event_row();

DROP ROLE event_reader, event_writer;
REVOKE USAGE ON SCHEMA telemetry FROM event_stranger;
DROP ROLE event_stranger;
DELETE FROM stream WHERE name IN ('shop', 'once', 'later');
TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter;
DROP TABLE event_log_20200504, event_log_20200505, event_log_20200506, event_log_20200507;
