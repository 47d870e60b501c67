-- Routes and dialects: what requests with events become, and how they are answered, by apps of one's own.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = telemetry, public;
TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter, batch_log;

-- A request of user u1 on device d1, at correlation id c1.
CREATE FUNCTION pg_temp.post(path text, body jsonb, more jsonb DEFAULT '{}', OUT status integer, OUT body jsonb, OUT type text) LANGUAGE sql AS
	$$ SELECT * FROM telemetry.http_events('POST ' || path, '{"caller": {"user_id": "u1", "device_id": "d1", "correlation_id": "c1"}}' || more, body) $$;

--
-- note: an app of few words
--

INSERT INTO stream (name, description) VALUES ('note', 'Notes that somebody writes.');
INSERT INTO stream_field (stream, field, required) VALUES ('note', 'data.message', true);
INSERT INTO dialect (name, description, events, fields, success, failure) VALUES
	('note', 'The words of notes.', 'notes', '{"event_type": "params:event_type", "event_id": "id"}', '{"ok": true}', '{"ok": false, "error": "$detail", "code": "$code"}');
CREATE FUNCTION public.count_notes(params jsonb, body jsonb) RETURNS http_response LANGUAGE sql AS $$ SELECT 200, to_jsonb(count(*)), NULL FROM telemetry.event $$;
INSERT INTO route (method, path, description, dialect, stream, function, batch, max_events, params) VALUES
	('POST', '/note', 'Takes a note.', 'note', 'note', NULL, false, NULL, '{"event_type": "written"}'),
	('POST', '/notes', 'Takes several.', 'note', 'note', NULL, true, 3, '{"event_type": "written"}'),
	('GET', '/notes/count', 'Counts notes.', 'note', NULL, 'public.count_notes(jsonb, jsonb)', false, NULL, '{}');

-- what_the_route_says_counts, whatever the body says
SELECT * FROM pg_temp.post('/note', '{"message": "it broke", "id": "n1", "event_type": "read", "agent": "x"}', '{"event_type": "read"}');
SELECT event_id, event_type, device_id, user_id, correlation_id, data FROM event WHERE stream = 'note';
SELECT p.* FROM (VALUES ('{}'::jsonb), ('{"message": ""}'), ('"message"'), ('null'), (NULL)) AS b (body), pg_temp.post('/note', b.body) AS p;
-- a_body_of_another_shape_is_refused_as_a_whole
SELECT p.* FROM (VALUES ('null'::jsonb), ('[]'), ('7'), ('{}'), ('{"notes": null}'), ('{"notes": {}}'), ('{"notes": []}'), ('{"notes": [1, 2, 3, 4]}'), (NULL)) AS b (body),
	pg_temp.post('/notes', b.body) AS p;
SELECT status, jsonb_pretty(body) AS body FROM pg_temp.post('/notes', '{"notes": [{"message": "m", "id": "n2"}, {"message": "m", "id": "n2"}, 7]}');
-- dead_letters_name_the_caller_and_show_the_body
SELECT code, payload, whole FROM dead_letter ORDER BY id;
TRUNCATE dead_letter;

-- siblings_of_what_a_path_reaches_are_unknown_members: kept where they were, ignored or refused
TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter;
INSERT INTO dialect (name, description, fields, failure) VALUES
	('mail', 'The words of mail.', '{"event_type": "params:event_type", "event_id": "head.id", "user_id": ["head.from.login", "head.from"], "data.message": "text", "data.head": "head.copy"}',
		'{"error": "$detail"}');
INSERT INTO route (method, path, description, dialect, stream, params) VALUES ('POST', '/mail', 'Takes a letter.', 'mail', 'note', '{"event_type": "written"}');
CREATE TEMP TABLE letter (number integer, body jsonb);
INSERT INTO letter VALUES
	(1, '{"text": "t", "head": {"id": "1", "from": {"login": "l"}}}'),
	(2, '{"text": "t", "head": {"id": "2", "from": {"login": "l", "age": 7, "deep": {"er": [1]}}, "to": null, "date": "today"}, "odd": {"id": 1}}'),
	(3, '{"text": "t", "head": {"id": "3", "from": "l", "From": "L"}}'),
	(4, '{"text": "t", "head": {"id": "4", "from": null}}'),
	(5, '{"text": "t", "head": "none", "id": "5"}'),
	(6, '{"text": "t", "head": null}'),
	(7, '{"text": "t", "head": {"id": "7", "copy": {"login": 1}, "from": {"login": null, "\"x": {}}}}'),
	(8, '{"text": "t", "head": {"id": "8", "from": {"no": "login"}}}'),
	(9, '{"text": "t", "head": [{"id": "9"}]}');
CREATE FUNCTION pg_temp.send_letters() RETURNS TABLE (number integer, status integer, error text, user_id text, data jsonb) LANGUAGE plpgsql AS $$
DECLARE
	one letter;
BEGIN
	FOR one IN SELECT * FROM letter AS l ORDER BY l.number LOOP
		number := one.number;
		SELECT a.status, a.body ->> 'error' INTO status, error FROM pg_temp.post('/mail', one.body) AS a;
		user_id := NULL;
		data := NULL;
		DELETE FROM telemetry.event_key;
		DELETE FROM telemetry.event_log AS e WHERE e.stream = 'note' RETURNING e.user_id, e.data INTO user_id, data;
		RETURN NEXT;
	END LOOP;
END $$;
SELECT * FROM pg_temp.send_letters();
UPDATE dialect SET unknown = 'ignore' WHERE name = 'mail';
SELECT * FROM pg_temp.send_letters();
UPDATE dialect SET unknown = 'refuse' WHERE name = 'mail';
SELECT * FROM pg_temp.send_letters();
DELETE FROM dialect WHERE name = 'mail';
TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter;

--
-- parcel: an app that uses all there is
--

INSERT INTO stream (name, description, event_types, on_conflict, sampling) VALUES ('parcel', 'What becomes of parcels.', '{sent,moved,received}', 'last_write_wins', '{"moved": 0}');
INSERT INTO stream_field (stream, field, required, code) VALUES ('parcel', 'subject_id', true, 'NO_PARCEL');
INSERT INTO dialect (name, description, events, item, batch_id, kind, kinds, fields, unknown, success_status, success, batch, result, outcomes, failure, failure_type, problems) VALUES
	('parcel', 'The words of parcels.', 'list.items', 'it', 'body:list.name', 'item:kind', '{"move": "moved", "other": null}',
		'{"event_type": "what", "event_id": ["meta.id", "id"], "occurred_at": ["meta.at", "item:at"], "subject_id": "parcel", "user_id": "params:caller.user_id",
			"duration_seconds": "took", "data": "more", "data.meta": "meta", "data.weight": "item:weight"}',
		'ignore', 202, '{"id": "$event_id", "was": "$outcome", "again": "$is_repeated"}',
		'{"name": "$batch_id", "settled": "$settled", "failed": "$rejected", "repeated": "$repeated", "results": "$results"}',
		'{"index": "$index", "kind": "$kind", "id": "$event_id", "was": "$outcome", "resolution": "$resolution", "code": "$code", "why": "$detail"}',
		'{"accepted": "new", "sampled": "new", "duplicate": "known", "kept": "older", "replaced": "newer", "rejected": "bad"}',
		'{"type": "https://example.org/$type", "title": "$title", "status": "$status", "detail": "$detail"}', 'application/problem+json',
		'{"ACCESS_DENIED": {"status": 403, "type": "not-yours", "title": "Not your parcel"}, "NO_PARCEL": {"title": "Which one?"}}');
INSERT INTO route (method, path, description, dialect, stream, batch, max_events, caller, log_batches) VALUES
	('POST', '/parcel', 'Takes an event.', 'parcel', 'parcel', false, NULL, 'user', false),
	('POST', '/parcels', 'Takes several.', 'parcel', 'parcel', true, 50, 'user', true);

-- each_item_has_its_result
SELECT status, jsonb_pretty(body #- '{results}') AS body FROM pg_temp.post('/parcels', '{"list": {"name": "first", "items": [
	{"kind": "other", "it": {"what": "SENT", "parcel": "p1", "meta": {"id": "1", "at": "2024-01-20T10:30:00Z"}, "more": {"to": "you"}, "odd": 1}, "weight": 2.5},
	{"kind": "move", "it": {"id": "2", "parcel": "p1", "took": 60}, "at": "2024-01-20T10:30:00Z"}]}}');
SELECT event_id, event_type, occurred_at, user_id, subject_id, duration_seconds, data FROM event WHERE stream = 'parcel' ORDER BY event_id;
SELECT r.* FROM pg_temp.post('/parcels', '{"list": {"items": [
	{"kind": "other", "it": {"what": "SENT", "parcel": "p1", "meta": {"id": "1", "at": "2024-01-20T10:30:00Z"}, "more": {"to": "you"}}, "weight": 2.50},
	{"kind": "move", "it": {"id": "2", "parcel": "p1", "took": 70}, "at": "2024-01-20T10:31:00Z"},
	{"kind": "move", "it": {"id": "2", "parcel": "p1", "took": 80}, "at": "2024-01-20T10:29:00Z"},
	{"kind": "move", "it": {"id": "3"}},
	{"kind": "fly", "it": {"id": "4", "parcel": "p1", "what": "sent"}},
	{"kind": "other", "it": {"id": "5", "parcel": "p1"}},
	{"kind": "other"},
	7]}}'), jsonb_to_recordset(body -> 'results') AS r (index integer, kind text, id text, was text, resolution text, code text, why text);
SELECT event_id, occurred_at, duration_seconds FROM event WHERE event_id = '2';
-- batches_are_logged, by the sender's name or the correlation id
SELECT stream, batch_id, user_id, device_id, correlation_id, item_count, success_count, failure_count, conflict_count, duplicate_count, status,
	start_time <= end_time AND abs(duration_ms - extract(epoch FROM end_time - start_time) * 1000) < 0.001 AS times
FROM batch_log ORDER BY id;
SELECT status, body ->> 'detail' AS detail FROM (VALUES ('7'), ('""')) AS n (name), pg_temp.post('/parcels', format('{"list": {"name": %s, "items": [7]}}', n.name)::jsonb);
-- one_event_is_told_in_the_same_words
SELECT p.* FROM (VALUES ('{"what": "received", "parcel": "p1", "id": "6"}'::jsonb), ('{"what": "received", "parcel": "p1", "id": "6"}'), ('{"what": "lost", "parcel": "p1"}'), ('{"what": "sent"}')) AS b (body),
	pg_temp.post('/parcel', '{"kind": "other"}' || b.body) AS p;
-- one_subject_that_is_not_accessible_rejects_its_batch_and_no_other
CREATE FUNCTION public.may_send(subject_id text, user_id text) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT subject_id NOT LIKE '%z' $$;
UPDATE stream SET access_check = 'public.may_send(text, text)' WHERE name = 'parcel';
SELECT * FROM pg_temp.post('/parcel', '{"what": "sent", "parcel": "z", "kind": "other"}');
BEGIN;
INSERT INTO http_event SELECT 'POST /parcels', jsonb_build_object('caller', jsonb_build_object('user_id', u, 'correlation_id', u)),
	format('{"list": {"items": [{"kind": "move", "it": {"parcel": "a"}}, {"kind": "move", "it": {"parcel": "%s"}}]}}', s)::jsonb
FROM (VALUES ('u2', 'b'), ('u3', 'z'), ('u4', 'b')) AS v (u, s);
SELECT status, body::jsonb - 'results' AS body, content_type FROM http_event_result();
COMMIT;
SELECT user_id, count(*) FROM event WHERE stream = 'parcel' AND user_id <> 'u1' GROUP BY user_id ORDER BY user_id;
UPDATE stream SET access_check = NULL WHERE name = 'parcel';
DROP FUNCTION public.may_send(text, text);
-- under_load_a_share_is_left_out_but_accepted
SELECT body #> '{results,0,was}' AS was, body -> 'settled' AS settled FROM pg_temp.post('/parcels', '{"list": {"items": [{"kind": "move", "it": {"parcel": "sampled"}}]}}', '{"under_load": true}');
SELECT count(*) FROM event WHERE subject_id = 'sampled';
-- a_correlation_id_is_made_if_there_is_none: a ULID, the same for the events of a request
SELECT body ->> 'name' AS id FROM http_events('POST /parcels', '{"caller": {"user_id": "u5"}}', '{"list": {"items": [{"kind": "move", "it": {"parcel": "a"}}, {"kind": "move", "it": {"parcel": "b"}}]}}') \gset
SELECT :'id' ~ '^01[0-9A-HJKMNP-TV-Z]{24}$' AS is_ulid, count(*), bool_and(correlation_id = :'id') AS same FROM event WHERE user_id = 'u5';

--
-- many requests at once
--

-- each_row_has_its_answer: a wrong one does not hurt the others
BEGIN;
COPY http_event FROM stdin (FORMAT csv, DELIMITER '|', QUOTE '''');
'POST /note'|'{}'|'{"message": "first"}'
'POST /nowhere'|'{}'|'{}'
'POST /note'|'{}'|'[]'
'POST /notes'||'{"notes": 1}'
'GET /notes/count'|'{}'|'{}'
|'{}'|'{}'
'POST /notes'|'7'|'{"notes": [{"id": "copied"}]}'
'POST /note'|'{"caller": {"user_id": 7, "correlation_id": ["c"]}, "under_load": "yes"}'|'{"message": "last"}'
\.
SELECT * FROM http_event_result();
COMMIT;
SELECT * FROM http_event_result();
SELECT * FROM http_event;
-- answers_go_with_their_transaction
BEGIN;
INSERT INTO http_event VALUES ('POST /note', '{}', '{"message": "outer"}');
SAVEPOINT s;
INSERT INTO http_event VALUES ('POST /note', '{}', '{}');
SELECT status FROM http_event_result();
ROLLBACK TO s;
SELECT status FROM http_event_result();
INSERT INTO http_event VALUES ('POST /note', '{}', '{"message": "after"}'), ('POST /note', '{}', '{"message": "after"}');
SELECT status FROM http_event_result();
INSERT INTO http_event SELECT 'POST /note', '{}', '{}' WHERE false;
SELECT status FROM http_event_result();
COMMIT;
-- an_error_within_a_statement_ends_it
INSERT INTO http_event SELECT 'POST /note', '{}', jsonb_build_object('message', 1 / (3 - i)) FROM generate_series(1, 5) AS i;
SELECT * FROM pg_temp.post('/note', '{"message": "still works"}');
-- statements_nest: also with those of telemetry.event, and when an inner one fails and is caught
CREATE FUNCTION pg_temp.request_unless_even(i integer) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO telemetry.event (stream, event_type, data)
	SELECT stream, event_type, '{"message": "nested event"}' FROM telemetry.event WHERE data ->> 'message' = 'still works';
	INSERT INTO telemetry.http_event
	SELECT 'POST /note', '{}', jsonb_build_object('message', format('nested inner %s.%s', i, k / CASE WHEN k = 2 AND i % 2 = 0 THEN 0 ELSE 1 END))
	FROM generate_series(1, 2) AS k;
	RETURN jsonb_build_object('message', 'nested outer ' || i);
EXCEPTION WHEN division_by_zero THEN
	RETURN jsonb_build_object('message', 'nested alone ' || i);
END $$;
BEGIN;
INSERT INTO http_event SELECT 'POST /note', '{}', pg_temp.request_unless_even(i) FROM generate_series(1, 4) AS i;
SELECT status FROM http_event_result();
COMMIT;
SELECT data ->> 'message' AS message, count(*) FROM event WHERE data ->> 'message' LIKE 'nested %' GROUP BY 1 ORDER BY 1;
-- two_statements_in_one: their requests are answered together
BEGIN;
WITH one AS (INSERT INTO http_event VALUES ('POST /note', '{}', '{"message": "one"}')),
	two AS (INSERT INTO http_event VALUES ('POST /note', '{}', '{"message": "two"}'), ('POST /note', '{}', '{}'))
SELECT;
SELECT status FROM http_event_result() ORDER BY status;
COMMIT;
-- one_flush_for_all: numbers of a flush have the same upper bits
WITH sent AS (SELECT 'flood ' || i AS message FROM generate_series(1, 500) AS i)
INSERT INTO http_event SELECT 'POST /note', '{}', jsonb_build_object('message', message) FROM sent;
SELECT count(*), count(DISTINCT id >> 20) AS flushes FROM event_log WHERE data ->> 'message' LIKE 'flood %';
-- only_those_who_may_ingest
SET ROLE telemetry_reader;
SELECT * FROM http_events('POST /note', '{}', '{"message": "x"}');
INSERT INTO http_event VALUES ('POST /note', '{}', '{"message": "x"}');
SET ROLE telemetry_writer;
SELECT status FROM http_events('POST /note', '{}', '{"message": "x"}');
INSERT INTO http_event VALUES ('POST /note', '{}', '{"message": "x"}');
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
SELECT r ->> 'name' AS name, r ->> 'kind' AS kind, r -> 'params' AS params, r ->> 'caller' AS caller, r ->> 'error_type' AS error_type
FROM jsonb_array_elements(http_routes() -> 'routes') AS r WHERE r ->> 'path' NOT LIKE '/api/v1/telemetry/%';
-- functions_fail_in_the_shape_of_a_dialect
SELECT * FROM http_problem('parcel', 400, 'INVALID_DATE', 'from is no date');
SELECT * FROM http_problem('parcel', NULL, 'ACCESS_DENIED', 'no');
SELECT * FROM http_problem('note', 429, NULL, 'slow "down"');
SELECT * FROM http_problem('note', 404, 'NOT_FOUND', NULL);
SELECT * FROM http_problem('nobody', 404, NULL, 'x');

-- What is here as it was before.
TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter, batch_log;
DELETE FROM dialect WHERE name IN ('note', 'parcel');
DELETE FROM stream WHERE name IN ('note', 'parcel', 'door');
DROP FUNCTION public.count_notes(jsonb, jsonb);
SELECT (SELECT count(*) FROM stream_field) AS fields, (SELECT count(*) FROM route WHERE dialect <> 'telemetry') AS routes;
