-- Events of which headers tell, and bodies that are arrays: webhooks, CloudEvents.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = telemetry, public;
TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter, batch_log;

-- A request as the proxy hands it over: header names are in lower case.
CREATE FUNCTION pg_temp.post(path text, headers jsonb, body jsonb, OUT status integer, OUT body jsonb) LANGUAGE sql AS
	$$ SELECT a.status, a.body FROM telemetry.http_events('POST ' || path, jsonb_build_object('headers', headers), body) AS a $$;

--
-- A webhook: the kind of event and its id are headers, the rest is the body.
--

INSERT INTO stream (name, description, event_types) VALUES ('hub', 'What happens to repositories.', '{push,issues,ping}');
INSERT INTO dialect (name, description, fields, success, result, results) VALUES
	('hub', 'The words of the hub.',
		'{"event_type": "header:X-Hub-Event", "event_id": "header:X-Hub-Delivery", "subject_id": "repository.full_name", "user_id": "sender.login"}',
		'{"ok": true, "id": "$event_id", "again": "$is_repeated"}', '{"index": "$index", "code": "$code", "detail": "$detail"}', 'rejected');
INSERT INTO route (method, path, description, dialect, stream) VALUES ('POST', '/hub', 'Takes a webhook.', 'hub', 'hub');

SELECT * FROM pg_temp.post('/hub', '{"x-hub-event": "push", "x-hub-delivery": "d1"}',
	'{"ref": "main", "repository": {"full_name": "a/b", "id": 7}, "sender": {"login": "l"}, "headers": {"x-hub-event": "ping"}}');
-- a_delivery_that_comes_again_is_the_same_event
SELECT * FROM pg_temp.post('/hub', '{"x-hub-event": "push", "x-hub-delivery": "d1"}',
	'{"ref": "main", "repository": {"full_name": "a/b", "id": 7}, "sender": {"login": "l"}, "headers": {"x-hub-event": "ping"}}');
SELECT event_id, event_type, subject_id, user_id, data FROM event WHERE stream = 'hub';
-- what_the_header_would_say_is_not_read_from_elsewhere
SELECT p.* FROM (VALUES ('{}'::jsonb), ('{"X-Hub-Event": "push"}'), ('{"x-hub-event": null}'), ('{"x-hub-event": 7}'), ('{"x-hub-event": ["push"]}'),
		('{"x-hub-event": "star"}'), ('"push"'), ('[]'), ('null')) AS h (headers),
	pg_temp.post('/hub', h.headers, '{"header": "push", "x-hub-event": "push", "header:X-Hub-Event": "push"}') AS p;
SELECT status, body FROM http_events('POST /hub', '{"x-hub-event": "push"}', '{}');
SELECT status, body FROM http_events('POST /hub', NULL, '{}');
-- a_kind_may_be_a_header
UPDATE dialect SET kind = 'header:X-Hub-Event', kinds = '{"pushed": "push", "other": null}', fields = fields - 'event_type' WHERE name = 'hub';
SELECT p.* FROM (VALUES ('{"x-hub-event": "pushed", "x-hub-delivery": "d2"}'::jsonb), ('{"x-hub-event": "other"}'), ('{"x-hub-event": "push"}'), ('{}')) AS h (headers),
	pg_temp.post('/hub', h.headers, '{}') AS p;

--
-- CloudEvents: binary (headers and the data), structured (an object), batched (an array), by one route.
--

INSERT INTO stream (name, description, key_scope) VALUES ('cloud', 'What comes as CloudEvents; an id is its source''s own.', 'device');
INSERT INTO dialect (name, description, fields, success_status, success, batch, result, results) VALUES
	('cloud', 'The words of CloudEvents.',
		'{"event_id": ["header:ce-id", "id"], "event_type": ["header:ce-type", "type"], "device_id": ["header:ce-source", "source"],
			"occurred_at": ["header:ce-time", "time"], "subject_id": ["header:ce-subject", "subject"],
			"data.specversion": ["header:ce-specversion", "specversion"], "data": "data"}',
		202, '{"accepted": 1}', '{"accepted": "$accepted", "repeated": "$repeated", "rejected": "$results"}', '{"index": "$index", "code": "$code", "detail": "$detail"}', 'rejected');
INSERT INTO route (method, path, description, dialect, stream, takes_array, max_events) VALUES ('POST', '/cloud', 'Takes CloudEvents.', 'cloud', 'cloud', true, 3);

-- binary: a member of the data that has the name of an attribute is the data's own
SELECT * FROM pg_temp.post('/cloud', '{"ce-id": "1", "ce-type": "org.example.read", "ce-source": "/s/1", "ce-time": "2024-01-20T10:30:00Z", "ce-specversion": "1.0"}',
	'{"temperature": 21.5, "id": 7, "type": "indoor", "source": {"bus": 1}, "time": "now"}');
-- structured
SELECT * FROM pg_temp.post('/cloud', '{}', '{"specversion": "1.0", "id": "2", "type": "org.example.read", "source": "/s/1", "time": "2024-01-20T10:31:00+01:00",
	"subject": "kitchen", "datacontenttype": "application/json", "data": {"temperature": 22, "id": 8}}');
-- batched: of each its own fate; an id is its source's own
SELECT * FROM pg_temp.post('/cloud', '{}', '[
	{"specversion": "1.0", "id": "2", "type": "org.example.read", "source": "/s/1", "time": "2024-01-20T10:31:00+01:00", "subject": "kitchen",
		"datacontenttype": "application/json", "data": {"temperature": 22, "id": 8}},
	{"specversion": "1.0", "id": "2", "type": "org.example.read", "source": "/s/2", "time": 1705746600},
	{"specversion": "1.0", "id": "3", "source": "/s/2"}]');
SELECT event_id, event_type, device_id, subject_id, occurred_at, data FROM event WHERE stream = 'cloud' ORDER BY device_id, event_id;
-- an_array_has_the_limits_of_a_batch
SELECT p.* FROM (VALUES ('[]'::jsonb), ('[1, 2, 3, 4]'), ('[[]]'), ('7'), ('null'), (NULL)) AS b (body), pg_temp.post('/cloud', '{}', b.body) AS p;
-- headers_stand_in_the_order_of_paths
UPDATE dialect SET fields = fields || '{"event_id": ["id", "header:ce-id"]}' WHERE name = 'cloud';
SELECT * FROM pg_temp.post('/cloud', '{"ce-id": "5", "ce-type": "a", "ce-source": "/s/3"}', '{"id": "4"}');
SELECT * FROM pg_temp.post('/cloud', '{"ce-id": "5", "ce-type": "a", "ce-source": "/s/3"}', '{"ID": "4"}');
SELECT event_id, data FROM event WHERE stream = 'cloud' AND device_id = '/s/3' ORDER BY event_id;
-- where_members_are_refused_those_that_a_header_tells_are_too
UPDATE dialect SET unknown = 'refuse' WHERE name = 'cloud';
SELECT * FROM pg_temp.post('/cloud', '{"ce-id": "6", "ce-type": "a", "ce-source": "/s/3"}', '{"id": "6"}');
SELECT * FROM pg_temp.post('/cloud', '{"ce-id": "6", "ce-type": "a", "ce-source": "/s/3"}', '{"id": "6", "type": "b"}');

-- a_list_in_an_object_may_come_without_it
INSERT INTO dialect (name, description, events, item, batch_id, fields) VALUES
	('list', 'The words of lists.', 'list.events', 'it', 'body:list.name', '{"event_id": "id", "event_type": "what", "device_id": ["body:list.device", "params:caller.device_id"]}');
INSERT INTO route (method, path, description, dialect, stream, batch, takes_array, log_batches) VALUES ('POST', '/list', 'Takes a list.', 'list', 'cloud', true, true, true);
SELECT a.status, a.body - 'results' AS body FROM (VALUES ('{"list": {"name": "n", "device": "d", "events": [{"it": {"id": "1", "what": "w"}}]}}'::jsonb),
		('[{"it": {"id": "2", "what": "w"}}, {"id": "3", "what": "w"}]')) AS b (body),
	http_events('POST /list', '{"caller": {"device_id": "c", "correlation_id": "k"}}', b.body) AS a;
SELECT device_id, event_id FROM event WHERE device_id IN ('c', 'd') ORDER BY event_id;
SELECT batch_id, item_count, failure_count FROM batch_log ORDER BY id;
UPDATE route SET takes_array = false WHERE path = '/list';
SELECT status, body ->> 'detail' AS detail FROM pg_temp.post('/list', '{}', '[{"it": {"id": "2", "what": "w"}}]');

-- what_is_no_header_or_a_secret_is_refused
CREATE FUNCTION pg_temp.refusal(path text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE telemetry.dialect SET fields = jsonb_build_object('event_id', path) WHERE name = 'hub';
	RETURN 'taken';
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN SQLERRM;
END $$;
SELECT p.path, pg_temp.refusal(p.path) FROM (VALUES ('header:Authorization'), ('header:COOKIE'), ('header:proxy-authorization'), ('header:X-Api-Key'), ('header:'), ('header:a b'),
	('header:a:b'), (E'header:a\r\nb'), ('header:é'), ('header:a.b'), ('header:' || repeat('x', 64)), ('header:' || repeat('x', 65))) AS p (path);
UPDATE dialect SET kind = 'header:cookie' WHERE name = 'hub';
UPDATE dialect SET batch_id = 'header:cookie' WHERE name = 'hub';
UPDATE dialect SET events = 'header:x' WHERE name = 'hub';
UPDATE dialect SET item = 'header:x' WHERE name = 'hub';

-- the_proxy_is_told_which_headers_to_hand_over
UPDATE dialect SET fields = '{"event_id": ["id", "header:X-Two"], "event_type": "header:x-ONE", "data.two": "header:x-two", "data.header": "body:header:x"}',
	kind = 'header:X-Three', batch_id = 'header:X-Four' WHERE name = 'hub';
SELECT r ->> 'path' AS path, r -> 'headers' AS headers FROM jsonb_array_elements(http_routes() -> 'routes') AS r WHERE r ->> 'path' IN ('/hub', '/cloud', '/list') ORDER BY 1;

-- What is here as it was before.
TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter, batch_log;
DELETE FROM dialect WHERE name IN ('hub', 'cloud', 'list');
DELETE FROM stream WHERE name IN ('hub', 'cloud');
SELECT (SELECT count(*) FROM stream_field) AS fields, (SELECT count(*) FROM route WHERE dialect <> 'telemetry') AS routes;
