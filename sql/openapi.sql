-- The documentation of routes: rows of telemetry.route, schemas that are made of what SQL knows, and the document.
\set VERBOSITY terse
\pset null (null)
SET timezone = 'UTC';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS telemetry CASCADE;
SET search_path = telemetry, public;

-- compiled_routes_are_rows that nobody else can add, change or take the place of
SELECT method, path, function, stream FROM route WHERE compiled ORDER BY path, method;
INSERT INTO route (method, path, description, dialect, compiled) VALUES ('GET', '/mine', 'Mine.', 'telemetry', true);
UPDATE route SET path = '/mine' WHERE path = '/health';
UPDATE route SET compiled = false, function = 'telemetry.http_health(jsonb, jsonb)' WHERE path = '/health';
INSERT INTO route (method, path, description, dialect, function) VALUES ('GET', '/api/v1/telemetry/batches/{id}', 'Mine.', 'telemetry', 'telemetry.http_health(jsonb, jsonb)');
INSERT INTO route (method, path, description, dialect, compiled, function) VALUES ('POST', '/api/v1/telemetry/bulk', 'Mine.', 'telemetry', true, 'telemetry.http_health(jsonb, jsonb)');
SELECT count(*) AS told_to_the_proxy FROM jsonb_array_elements(http_routes() -> 'routes') AS r (route), compiled_routes() AS c
WHERE r.route ->> 'method' = c.method AND r.route ->> 'path' = c.path;
SELECT http_call('GET /health', '{}');
-- one that was deleted comes back, and documentation that is there stays
DELETE FROM route WHERE path = '/health/live';
UPDATE route SET documentation = '{"tag": "mine"}' WHERE path = '/health';
SELECT initialise();
SELECT path, documentation ->> 'tag' AS tag FROM route WHERE path LIKE '/health%' ORDER BY path;
UPDATE route SET documentation = NULL WHERE path = '/health';
SELECT initialise();
-- every_route_is_documented
SELECT method, path FROM route WHERE documentation IS NULL;

-- documentation_is_checked
CREATE FUNCTION pg_temp.documented(documentation jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO telemetry.route (method, path, description, dialect, function, documentation)
	VALUES ('POST', '/mine/{id}', 'Mine.', 'telemetry', 'telemetry.http_health(jsonb, jsonb)', documentation);
	DELETE FROM telemetry.route WHERE path = '/mine/{id}';
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate || ' ' || sqlerrm;
END
$$;
SELECT d.documentation, pg_temp.documented(d.documentation)
FROM (VALUES
	('{}'::jsonb), ('[]'), ('null'), ('"text"'), ('{"colour": 1}'), ('{"tag": ""}'), ('{"summary": 1}'), ('{"parameters": {}}'), ('{"parameters": [1]}'),
	('{"parameters": [{"in": "query"}]}'), ('{"parameters": [{"name": "a b", "in": "query"}]}'), ('{"parameters": [{"name": "a", "in": "cookie"}]}'),
	('{"parameters": [{"name": "other", "in": "path"}]}'), ('{"parameters": [{"name": "id", "in": "path"}]}'),
	('{"parameters": [{"name": "a", "in": "query", "required": "yes"}]}'), ('{"parameters": [{"name": "a", "in": "query", "schema": true}]}'),
	('{"parameters": [{"name": "a", "in": "query", "enum": []}]}'), ('{"parameters": [{"name": "a", "in": "query"}, {"name": "a", "in": "query"}]}'),
	('{"request": 1}'), ('{"request": {"schema": 1}}'), ('{"request": {"schema": {}, "content": 1}}'), ('{"request": {"schema": {}, "example": null, "required": false}}'),
	('{"responses": []}'), ('{"responses": {"default": "x"}}'), ('{"responses": {"199": "x"}}'), ('{"responses": {"200": {}}}'), ('{"responses": {"200": null}}'),
	('{"responses": {"200": {"description": "x", "schema": 1}}}'), ('{"responses": {"200": {"description": "x", "content_type": "text/csv"}, "404": "x"}}'),
	('{"schemas": {"a b": {}}}'), ('{"schemas": {"a": 1}}'), ('{"schemas": {"a": {}}}')) AS d (documentation);
SELECT left(pg_temp.documented(jsonb_build_object('description', repeat('x', 10000), 'schemas', jsonb_build_object('a', jsonb_build_object('description', repeat('x', 100000))))), 200);
INSERT INTO route (method, path, description, dialect, function, documentation) VALUES ('GET', '/mine', 'Mine.', 'telemetry', 'telemetry.http_health(jsonb, jsonb)', '{"request": {}}');

\pset format unaligned
-- schemas_are_made_of_fields, as check_fields() takes them
SELECT f.field, field_schema(f.field) FROM (VALUES
	('{"kind": "text", "lowest": 1, "highest": 9, "unit": "bytes"}'::jsonb), ('{"kind": "integer", "lowest": 0, "highest": 9, "default": 5}'), ('{"kind": "number"}'),
	('{"kind": "scalar", "highest": 9}'), ('{"kind": "boolean", "default": true}'), ('{"kind": "choice", "choices": ["a", "b"]}'),
	('{"kind": "choices", "choices": ["a", "b"]}'), ('{"kind": "texts", "items": 3, "highest": 9}'), ('{"kind": "time"}'), ('{"kind": "object", "highest": 9}'),
	('{"kind": "object", "highest": 9, "empty": true}'), ('{"kind": "scalars", "items": 3, "highest": 9}'), ('{"kind": "new"}')) AS f (field);
-- each kind that check_fields() knows has one
SELECT DISTINCT f.value ->> 'kind' AS kind FROM (VALUES (alert_rule_fields()), (device_group_fields()), (maintenance_fields()), (metric_fields()), (query_fields())) AS k (fields), jsonb_each(k.fields) AS f
WHERE field_schema(f.value) - 'default' = '{}';
SELECT fields_schema('{"name": {"kind": "text", "lowest": 1, "highest": 9, "required": true}, "level": {"kind": "choice", "choices": ["a"]}}', 'telemetry.alert_rule');
SELECT fields_schema('{"name": {"kind": "boolean", "required": true, "description": "Its own."}}', 'telemetry.alert_rule', true), fields_schema('{}');
-- and of columns
CREATE TABLE public.documented (id bigint NOT NULL, ratio numeric, at timestamptz NOT NULL, day date, done boolean, level telemetry.alert_level, levels telemetry.alert_level[] NOT NULL, value telemetry.value, data jsonb, texts text[], gone text);
ALTER TABLE public.documented DROP COLUMN gone;
COMMENT ON COLUMN public.documented.id IS 'Its number.';
SELECT p.key, p.value FROM jsonb_each(columns_schema('public.documented', '{texts}') -> 'properties') AS p ORDER BY p.key;
SELECT columns_schema('public.documented', '{texts}') -> 'required' AS required;
DROP TABLE public.documented;

-- and of_streams_and_dialects
INSERT INTO stream (name, description, event_types) VALUES ('documented', 'For this test.', '{a,b}');
INSERT INTO stream_field (stream, field, kind, required, minimum, maximum, max_length, required_for) VALUES
	('documented', 'event_id', 'ulid', true, NULL, NULL, NULL, NULL), ('documented', 'device_id', 'any', false, NULL, NULL, NULL, NULL), ('documented', 'data.n', 'integer', false, 0, 9, NULL, '{a}'),
	('documented', 'data.list', 'json_text', true, NULL, NULL, 99, NULL), ('documented', 'data.kept', 'text', false, NULL, NULL, 9, NULL);
INSERT INTO dialect (name, description, events, item, batch_id, fields, unknown, outcomes, success, batch, result) VALUES
	('documented', 'For this test.', 'all.events', 'event', 'body:id', '{"event_type": "type", "event_id": "meta.id", "device_id": ["device", "body:device", "params:caller.device_id"],
		"session_id": "header:X-Session", "data.n": "numbers.n", "data.list": "list", "occurred_at": "item:at"}', 'keep', '{"accepted": "stored"}',
		'{"ok": true, "id": "$event_id", "n": 1, "said": "id $event_id", "none": null, "list": []}', '{"n": "$accepted", "all": "$results"}', '{"i": "$index", "became": "$outcome"}');
SELECT event_body_schema('documented', 'documented', true, false, 5);
SELECT event_body_schema('documented', 'documented', false, false, NULL);
SELECT jsonb_object_keys(s) AS either, jsonb_array_length(s -> 'anyOf') AS n FROM event_body_schema('documented', 'documented', false, true, NULL) AS s;
UPDATE dialect SET unknown = 'refuse', events = NULL, item = NULL WHERE name = 'documented';
SELECT s ->> 'type' AS type, s #> '{items,additionalProperties}' AS others, s #> '{items,properties,kept}' AS kept FROM event_body_schema('documented', 'documented', true, false, NULL) AS s;
SELECT dialect_schema('documented', 'success'), dialect_schema('documented', 'batch'), dialect_schema('documented', 'failure');

-- examples_are_of_now
CREATE FUNCTION pg_temp.at(ago interval) RETURNS text LANGUAGE sql AS $$
	SELECT to_char(date_trunc('hour', now() AT TIME ZONE 'UTC') - ago, 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
$$;
SELECT example_of_now('{"a": "$now", "b": ["$now - 1 day", "$today", "$now - 90 minutes", "$today - 7 days"], "c": "it is $now", "d": "$tomorrow", "e": "$now - 1000 days"}')
	= jsonb_build_object('a', pg_temp.at('0'), 'b', jsonb_build_array(pg_temp.at('1 day'), left(pg_temp.at('0'), 10), pg_temp.at('90 min'), left(pg_temp.at('7 days'), 10)),
		'c', 'it is $now', 'd', '$tomorrow', 'e', '$now - 1000 days') AS as_it_should;
SELECT example_of_now('"$now"') #>> '{}' ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:00:00Z$' AS now, example_of_now('"$today"') #>> '{}' ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' AS today, example_of_now('[1]');

-- the_document_has_routes_of_users, also those without documentation
INSERT INTO route (method, path, description, dialect, function) VALUES ('PUT', '/mine/{id}', 'Mine.', 'telemetry', 'telemetry.http_health(jsonb, jsonb)');
INSERT INTO route (method, path, description, dialect, stream, batch, max_events, caller) VALUES ('POST', '/mine', 'Takes mine.', 'documented', 'documented', true, 7, 'device');
SELECT o #- '{put,description}' AS put, o #>> '{put,description}' LIKE 'GET of the service%' AS described FROM jsonb_path_query(openapi(), '$.paths."/mine/{id}"') AS o;
SELECT o -> 'tags' AS tags, o ->> 'description' AS description, o #>> '{requestBody,content,application/json,schema,maxItems}' AS events, o -> 'parameters' AS parameters,
	(SELECT array_agg(r ORDER BY r) FROM jsonb_object_keys(o -> 'responses') AS r) AS responses FROM jsonb_path_query(openapi(), '$.paths."/mine".post') AS o;
-- paths_of_one_shape_have_the_same_names, unless all of them change
INSERT INTO route (method, path, description, dialect, function) VALUES ('GET', '/mine/{key}', 'Mine.', 'telemetry', 'telemetry.http_health(jsonb, jsonb)');
INSERT INTO route (method, path, description, dialect, function) VALUES ('DELETE', '/mine/{key}', 'Mine.', 'telemetry', 'telemetry.http_health(jsonb, jsonb)');
INSERT INTO route (method, path, description, dialect, function) VALUES ('GET', '/mine/{id}', 'Mine.', 'telemetry', 'telemetry.http_health(jsonb, jsonb)');
UPDATE route SET path = '/mine/{key}' WHERE path = '/mine/{id}' AND method = 'GET';
UPDATE route SET path = '/mine/{key}' WHERE path = '/mine/{id}';
UPDATE route SET path = '/mine/{id}' WHERE path = '/mine/{key}';
DELETE FROM route WHERE (method, path) = ('GET', '/mine/{id}');
-- operation_ids_are_of_the_path, and differ
INSERT INTO route (method, path, description, dialect, function) VALUES ('PUT', '/mine/by_id', 'Mine.', 'telemetry', 'telemetry.http_health(jsonb, jsonb)');
SELECT o.key, o.value #> '{put,operationId}' AS id FROM jsonb_each(openapi() -> 'paths') AS o WHERE o.key LIKE '/mine/%' ORDER BY o.key;
-- a_route_whose_function_is_gone is not there
CREATE FUNCTION public.short_lived(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE sql AS 'SELECT 200, NULL::jsonb, NULL::text';
INSERT INTO route (method, path, description, dialect, function) VALUES ('GET', '/short', 'Short.', 'telemetry', 'public.short_lived(jsonb, jsonb)');
SELECT openapi() -> 'paths' ? '/short' AS there;
DROP FUNCTION public.short_lived(jsonb, jsonb);
SELECT openapi() -> 'paths' ? '/short' AS there;
DELETE FROM route WHERE path = '/short';
-- nobody takes the names of the engine's schemas
UPDATE route SET documentation = '{"schemas": {"Alert": {"type": "null"}, "Mine": {"type": "null"}}}' WHERE path = '/mine';
SELECT openapi() #> '{components,schemas,Mine}' AS mine, openapi() #>> '{components,schemas,Alert,type}' AS alert;
-- what HTTP serves is what SQL says
SELECT (http_call('GET /openapi.json', '{}')).body = openapi() AS same;
SELECT (h).status, (h).content_type, (h).body #>> '{}' = docs(openapi()) AS same FROM http_call('GET /docs', '{}') AS h;
-- what_was_answered_is_kept until something has changed that it is made of
CREATE FUNCTION public.kept(params jsonb, body jsonb) RETURNS telemetry.http_response LANGUAGE sql AS 'SELECT 200, NULL::jsonb, NULL::text';
INSERT INTO route (method, path, description, dialect, function) VALUES ('GET', '/mine/kept', 'Kept.', 'telemetry', 'public.kept(jsonb, jsonb)');
BEGIN;
CREATE FUNCTION pg_temp.is_kept() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answers text;
BEGIN
	UPDATE telemetry.openapi_state SET body = '"kept"';
	SELECT concat_ws(', ', CASE d.body WHEN '"kept"' THEN 'kept' WHEN telemetry.openapi() THEN 'right' ELSE 'wrong' END,
		CASE p.body WHEN '"kept"' THEN 'kept' WHEN to_jsonb(telemetry.docs(telemetry.openapi())) THEN 'right' ELSE 'wrong' END) INTO answers
	FROM telemetry.http_call('GET /openapi.json', '{}') AS d, telemetry.http_call('GET /docs', '{}') AS p;
	RETURN answers;
END
$$;
SELECT (http_call('GET /docs', '{}')).status;
SELECT count(*) AS kept FROM openapi_state WHERE version = openapi_version();
SELECT pg_temp.is_kept();
UPDATE route SET description = 'Changed.' WHERE path = '/mine/kept';
SELECT pg_temp.is_kept();
COMMENT ON FUNCTION public.kept(jsonb, jsonb) IS 'Says nothing.';
SELECT pg_temp.is_kept();
UPDATE dialect SET failure = '{"wrong": "$detail"}' WHERE name = 'documented';
SELECT pg_temp.is_kept();
UPDATE stream SET description = 'Changed.' WHERE name = 'documented';
SELECT pg_temp.is_kept();
UPDATE stream_field SET max_length = 77 WHERE stream = 'documented' AND max_length IS NOT NULL;
SELECT pg_temp.is_kept();
DROP FUNCTION public.kept(jsonb, jsonb);
SELECT pg_temp.is_kept();
DELETE FROM openapi_state;
SELECT (http_call('GET /docs', '{}')).body #>> '{}' = docs(openapi()) AS same;
ROLLBACK;
-- where nothing can be written it is made each time
UPDATE openapi_state SET version = 'old';
BEGIN READ ONLY;
SELECT (http_call('GET /docs', '{}')).status;
COMMIT;
SELECT DISTINCT version FROM openapi_state;
DROP FUNCTION public.kept(jsonb, jsonb);
DELETE FROM route WHERE path = '/mine/kept';

-- the_page_escapes
SELECT html($$<a href="x" title='y'>&amp;$$), url_encoded('a b/ä?{}&''"~.-_') AS url;
SELECT schema_html('{"type": ["string", "null"], "minLength": 1, "maxLength": 9, "default": "<b>"}'), schema_html('{"enum": ["<", null]}'), schema_html('{"$ref": "#/components/schemas/<x>"}'),
	schema_html('{"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 3}, "maxItems": 2}'), schema_html('{}'), schema_html('{"anyOf": [{"type": "object"}, {"type": "array"}]}');
SELECT curl_command('POST', '/a/{b}', '{"parameters": [{"name": "b", "in": "path", "example": "x y"}, {"name": "q", "in": "query", "required": true, "example": "$(id)`"},
	{"name": "r", "in": "query", "example": 1}, {"name": "X-User-Id", "in": "header", "required": true, "example": "o''hara"}],
	"requestBody": {"content": {"application/json": {"example": {"a": "it''s"}}}}}') AS curl;
SELECT curl_command('GET', '/a', '{"parameters": []}') AS curl;
SELECT curl_command('GET', '/a', '{"parameters": [{"name": "from", "in": "query", "required": true, "example": "2025-12-18T10:00:00Z"}, {"name": "who", "in": "query", "required": true, "example": "o''hara''s $(id) & co"}]}') AS curl;
SELECT example_text('{"a": [], "b": {}, "c": [{}], "d": "[\n ]"}') AS example;

-- an_app_that_goes_takes_its_documentation_along
CREATE EXTENSION telemetry_flash;
SELECT openapi() -> 'paths' ? '/increment' AS there, t AS tag FROM jsonb_path_query(openapi(), '$.tags[*] ? (@.name == "flash")') AS t;
DROP EXTENSION telemetry_flash;
SELECT openapi() -> 'paths' ? '/increment' AS there;

DELETE FROM route WHERE path LIKE '/mine%';
DELETE FROM dialect WHERE name = 'documented';
DELETE FROM stream WHERE name = 'documented';
