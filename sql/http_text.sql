-- Requests as they come from clients: events in a text that jsonb cannot hold as a whole, ids that are numbers, and what is told of
-- a function's errors.
\set VERBOSITY terse
SET timezone = 'UTC';
SET search_path = telemetry, public;
TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter, batch_log;

INSERT INTO stream (name, description) VALUES ('parcel', 'What becomes of parcels.');
INSERT INTO stream_field (stream, field, kind, required, code) VALUES
	('parcel', 'event_id', 'any', true, NULL), ('parcel', 'subject_id', 'ulid', false, 'INVALID_PARCEL'), ('parcel', 'session_id', 'text', false, NULL),
	('parcel', 'device_id', 'any', false, NULL), ('parcel', 'data.weight', 'number', false, NULL);
INSERT INTO dialect (name, description, events, item, batch_id, kind, kinds, fields, success, batch, result, failure) VALUES
	('parcel', 'The words of parcels.', 'box.list', 'parcel', 'body:name', 'item:kind', '{"sent": null, "lost": null}',
		'{"event_type": "item:kind", "event_id": "id", "subject_id": "number", "session_id": "tour", "device_id": "scanner", "data.weight": "weight", "data.note": "item:note"}',
		'{"id": "$event_id"}', '{"accepted": "$accepted", "rejected": "$rejected", "results": "$results"}', '{"index": "$index", "id": "$event_id", "code": "$code", "detail": "$detail"}',
		'{"code": "$code", "detail": "$detail"}');
INSERT INTO route (method, path, description, dialect, stream, batch, max_events) VALUES
	('POST', '/parcel', 'Takes a parcel.', 'parcel', 'parcel', false, NULL),
	('POST', '/parcels', 'Takes several.', 'parcel', 'parcel', true, 20);
CREATE FUNCTION pg_temp.post(path text, body text, OUT status integer, OUT body jsonb, OUT type text) LANGUAGE sql AS
	$$ SELECT * FROM telemetry.http_events('POST ' || path, NULL, body) $$;

-- each_event_by_itself
SELECT status, body - 'results' AS body, r ->> 'index' AS i, r ->> 'id' AS id, r ->> 'code' AS code, r ->> 'detail' AS detail
FROM pg_temp.post('/parcels', '{"name": "n", "box": {"list": [{"kind": "sent", "parcel": {"id": "1"}},
	{"kind": "sent", "parcel": {"id": "2\u0000"}}, {"kind": "sent", "parcel": {"id": "3", "number": "\ud83d"}}, {"kind": "sent", "parcel": {"id": "4", "weight": 1e2000}},
	{"kind": "sent", "parcel": {"id": "5"}, "note": ["\udc00"]}, {"kind": "\u0000", "parcel": {"id": "6"}}, {"kind": "sent", "parcel": {"id": "7", "more": {"deep": [1, "\u0000"]}}},
	{"kind": "sent", "parcel": {"id": "8", "m\u0000": 1}}, "\ud800", {"kind": "sent", "parcel": "\u0000"}, {"kind": "sent", "more": "\u0000"}, {"kind": "lost", "parcel": {"id": "12"}}]}}'),
	jsonb_array_elements(body -> 'results') AS r ORDER BY 3::integer;
SELECT event_id, event_type FROM event WHERE stream = 'parcel' ORDER BY event_id;
SELECT code, payload -> 'body' AS body, whole FROM dead_letter ORDER BY id;
-- what_is_in_no_event_is_the_request_s if it is read, and else nobody_s
SELECT p.status, p.body FROM unnest(ARRAY['{"name": "\u0000", "box": {"list": [{"kind": "sent", "parcel": {"id": "20"}}]}}', '{"box": {"list": [{"kind": "sent", "parcel": {"id": "20"}}], "of": "\ud83d"}}',
	'{"box": {"l\u0069st": [{"kind": "sent", "parcel": {"id": "\u0000"}}]}}', '{"box": {"list": {"a": "\u0000"}}}', '"\u0000"']) AS b (body), pg_temp.post('/parcels', b.body) AS p;
-- a_single_event
SELECT p.status, p.body FROM unnest(ARRAY['{"kind": "sent", "id": "30", "weight": 1e2000}', '{"kind": "sent", "id": "30", "tour": "\ud83d"}', '{"kind": "sent", "id": "30", "number": "01HXK3V9ZQ8M5N2P4R6S8T0W1Y\u0000"}',
	'{"kind": "sent", "id": "31", "weight": 1e300, "note": "\ud83d\ude00"}', '"\u0000"', '[1e9999]']) AS b (body), pg_temp.post('/parcel', b.body) AS p;
SELECT pg_temp.post('/parcel', '{"kind": "\u0000"');
SELECT * FROM telemetry.http_events('POST /nowhere', NULL, '"\u0000"'::text);
-- jsonb_has_the_same_limit_of_numbers
SELECT body FROM telemetry.http_events('POST /parcel', NULL, '{"kind": "sent", "id": "32", "weight": 1e999, "note": [{"a": 1e1000}]}'::jsonb);
SELECT ingest_event('{"stream": "parcel", "event_type": "sent", "event_id": "33", "data": {"a": {"b": 1e-1000}}}') #> '{results,0}' AS result;
COPY event (stream, event_type, event_id, data) FROM stdin;
parcel	sent	34	{"a": 1e131071}
parcel	sent	35	{"a": 1e999}
\.
SELECT event_id FROM event WHERE event_id >= '3' ORDER BY event_id;

-- numbers_are_ids_where_the_stream_takes_any
SELECT p.status, left(p.body::text, 90) AS body FROM unnest(ARRAY['{"kind": "sent", "id": 41}', '{"kind": "sent", "id": 1.50}', '{"kind": "sent", "id": -7, "scanner": 12345678901234567890}', '{"kind": "sent", "id": 1e300}', '{"kind": "sent", "id": 1e255, "scanner": 0}',
	'{"kind": "sent", "id": 42, "tour": 5}', '{"kind": "sent", "id": true}', '{"kind": "sent", "id": [1]}', '{"kind": "sent", "id": "41"}']) AS b (body), pg_temp.post('/parcel', b.body) AS p;
SELECT left(event_id, 30) AS event_id, length(event_id) AS length, device_id FROM event WHERE stream = 'parcel' AND (event_id ~ '^-' OR device_id IS NOT NULL OR event_id IN ('41', '1.50')) ORDER BY event_id;
-- a_ulid_is_the_same_in_either_case
SELECT p.status, p.body FROM unnest(ARRAY['{"kind": "sent", "id": "51", "number": "01hxk3v9zq8m5n2p4r6s8t0w1y"}', '{"kind": "sent", "id": "51", "number": "01HXK3V9ZQ8M5N2P4R6S8T0W1y"}', '{"kind": "sent", "id": "52", "number": "01hxk3v9zq8m5n2p4r6s8t0w1u"}']) AS b (body),
	pg_temp.post('/parcel', b.body) AS p;
SELECT subject_id, count(*) FROM event WHERE stream = 'parcel' AND subject_id IS NOT NULL GROUP BY subject_id;

-- what_is_told_of_a_function_s_errors: whose own fault it is gets a class of its own
CREATE FUNCTION public.parcel_fault(params jsonb, body jsonb) RETURNS http_response LANGUAGE plpgsql AS $$
BEGIN
	CASE params ->> 'what'
		WHEN 'division' THEN RETURN (1 / (body ->> 'n')::integer, NULL, NULL)::telemetry.http_response;
		WHEN 'column' THEN PERFORM no_column FROM telemetry.stream;
		WHEN 'table' THEN PERFORM FROM public.no_table;
		WHEN 'schema' THEN CREATE TABLE no_schema.t ();
		WHEN 'function' THEN PERFORM public.no_function(1);
		WHEN 'syntax' THEN EXECUTE 'SELEC 1';
		WHEN 'right' THEN RAISE insufficient_privilege;
		WHEN 'lock' THEN RAISE lock_not_available;
		WHEN 'parameter' THEN RAISE invalid_parameter_value USING MESSAGE = 'n must be odd';
		ELSE RAISE 'no more is known';
	END CASE;
END
$$;
INSERT INTO route (method, path, description, dialect, function) VALUES ('POST', '/fault', 'Fails.', 'parcel', 'public.parcel_fault(jsonb, jsonb)');
CREATE FUNCTION pg_temp.fault(what text, body jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM telemetry.http_call('POST /fault', jsonb_build_object('what', what), body);
	RETURN 'none';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate || ' ' || sqlerrm;
END
$$;
SELECT what, pg_temp.fault(what, '{"n": 0}') FROM unnest(ARRAY['division', 'column', 'table', 'schema', 'function', 'syntax', 'right', 'lock', 'parameter', 'else']) AS what;
SELECT n, pg_temp.fault('division', jsonb_build_object('n', n)) FROM unnest(ARRAY['x', '99999999999', '1']) AS n;
-- a_number_that_would_fill_memory_does_not_reach_a_function
SELECT n, pg_temp.fault('division', jsonb_build_object('n', 0, 'list', jsonb_build_array(1, n::numeric))) FROM unnest(ARRAY['1e999', '1e1000', '1e131071', '1e-16000']) AS n;
DELETE FROM route WHERE dialect = 'parcel';
DELETE FROM dialect WHERE name = 'parcel';
TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter, batch_log;
DELETE FROM stream WHERE name = 'parcel';
DROP FUNCTION public.parcel_fault(jsonb, jsonb);
