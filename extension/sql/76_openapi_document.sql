-- The HTTP interface as an OpenAPI 3.1 document, made of telemetry.route and of what is known beside it.

CREATE FUNCTION telemetry.operation_id(method text, path text) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT lower(operation_id.method) || regexp_replace(regexp_replace(operation_id.path, '[{]([^{}]*)[}]', 'by_\1', 'g'), '[^A-Za-z0-9]+', '_', 'g');
END;
COMMENT ON FUNCTION telemetry.operation_id(text, text) IS
	'What programs call a route: its method and path as one word. Two paths may have the same.';

CREATE FUNCTION telemetry.failure_media(dialect text) RETURNS jsonb
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT jsonb_build_object(d.failure_type,
		jsonb_build_object('schema', jsonb_build_object('$ref', '#/components/schemas/' || d.name || '.Failure')))
	FROM telemetry.dialect AS d
	WHERE d.name = failure_media.dialect;
END;
COMMENT ON FUNCTION telemetry.failure_media(text) IS
	'The content of an answer that says what is wrong, in a dialect''s words: {Content-Type: {"schema"}}.';

CREATE FUNCTION telemetry.media(content_type text, documentation jsonb) RETURNS jsonb
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT jsonb_build_object(coalesce(media.content_type, 'application/json'),
		jsonb_build_object('schema', coalesce(documentation -> 'schema', '{}'))
		|| CASE WHEN documentation ? 'example' THEN jsonb_build_object('example', telemetry.example_of_now(documentation -> 'example')) ELSE '{}' END);
END;
COMMENT ON FUNCTION telemetry.media(text, jsonb) IS
	'The content of a request or an answer, of its documentation: {Content-Type: {"schema", "example"}}.';

CREATE FUNCTION telemetry.operation_parameters(route telemetry.route) RETURNS jsonb
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
AS $$
BEGIN
	RETURN (
		WITH said AS (
			SELECT p.parameter ->> 'in' AS "in", p.parameter ->> 'name' AS name, p.parameter, 100 + p.n AS place
			FROM jsonb_array_elements(coalesce(route.documentation -> 'parameters', '[]')) WITH ORDINALITY AS p (parameter, n)
		), known AS (
			SELECT 'path' AS "in", m.name[1] AS name, '{}'::jsonb AS parameter, m.n AS place
			FROM regexp_matches(route.path, '[{]([^{}]+)[}]', 'g') WITH ORDINALITY AS m (name, n)
			UNION ALL
			SELECT 'header', h.name, h.parameter || jsonb_build_object('required', h.is_required,
					'schema', jsonb_build_object('type', 'string', 'minLength', 1, 'maxLength', h.highest)), h.place
			FROM (VALUES
				('X-User-Id', '{"description": "The user who asks.", "example": "ann"}'::jsonb, 256, 1000,
					coalesce(route.caller = 'user', false), route.caller = 'user' OR route.method <> 'GET' AND NOT route.compiled),
				('X-Device-Id', '{"description": "The device that asks.", "example": "device_001"}', 256, 1001,
					coalesce(route.caller = 'device', false), route.caller = 'device' OR route.stream IS NOT NULL),
				('Idempotency-Key', '{"description": "Says that a request which comes again under the same key is the same."}', 255, 1002,
					false, route.method = 'POST' AND route.function IS NULL)
			) AS h (name, parameter, highest, place, is_required, is_there)
			WHERE h.is_there
			UNION ALL
			SELECT 'header', p.path #>> '{path,0}', '{"schema": {"type": "string", "maxLength": 1024}}', 1010
			FROM telemetry.dialect AS d
			CROSS JOIN LATERAL (
				SELECT telemetry.dialect_path(f.path #>> '{}') FROM jsonb_path_query(d.fields, 'lax $.*[*]') AS f (path)
			) AS p (path)
			WHERE d.name = route.dialect AND route.stream IS NOT NULL AND p.path ->> 'root' = 'header'
		)
		SELECT coalesce(jsonb_agg(
			jsonb_strip_nulls(jsonb_build_object('name', p.name, 'in', p."in", 'required', p."in" = 'path' OR coalesce((p.parameter -> 'required')::boolean, false),
				'description', p.parameter -> 'description'))
			|| jsonb_build_object('schema', coalesce(p.parameter -> 'schema', '{"type": "string"}'))
			|| CASE WHEN p.parameter ? 'example' THEN jsonb_build_object('example', telemetry.example_of_now(p.parameter -> 'example')) ELSE '{}' END
			ORDER BY p.place, p.name), '[]')
		FROM (
			SELECT DISTINCT ON (b."in", lower(b.name)) b.*
			FROM (
				SELECT s."in", s.name, s.parameter, coalesce(k.place, s.place) AS place, 1 AS rank
				FROM said AS s LEFT JOIN known AS k ON k."in" = s."in" AND lower(k.name) = lower(s.name)
				UNION ALL
				SELECT k."in", k.name, k.parameter, k.place, 2 FROM known AS k
			) AS b
			ORDER BY b."in", lower(b.name), b.rank
		) AS p
	);
END
$$;
COMMENT ON FUNCTION telemetry.operation_parameters(telemetry.route) IS
	'The parameters of a route for telemetry.openapi(): those of its documentation, those of its path, and headers that say who asks.';

-- What the proxy itself may say, whatever the route is.
CREATE FUNCTION telemetry.common_responses() RETURNS TABLE (status text, description text)
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT c.status, c.description
	FROM (VALUES
		('400', 'The path, the query, a header or the JSON cannot be read, or a parameter is wrong.'),
		('401', 'Nobody is known to ask, and somebody must be.'),
		('403', 'The page that asks is of an origin that may not.'),
		('413', 'The body is too large, as it was sent or decompressed.'),
		('415', 'The body is not JSON, or is compressed in a way that is not known.'),
		('500', 'An error of the server''s own. To send it again does not help.'),
		('503', 'The database is away or too busy. Retry-After says, in seconds, when to try again.')
	) AS c (status, description);
END;
COMMENT ON FUNCTION telemetry.common_responses() IS
	'Answers that any route may give, in its dialect''s shape: 401 where somebody must be known, 413 and 415 where there is a body.';

CREATE FUNCTION telemetry.operation_responses(route telemetry.route) RETURNS jsonb
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
AS $$
BEGIN
	RETURN (
		SELECT coalesce(jsonb_object_agg(a.status, a.response), '{}')
		FROM (
			SELECT DISTINCT ON (r.status) r.status, r.response
			FROM (
				SELECT 1 AS rank, s.key AS status, CASE jsonb_typeof(s.value)
					WHEN 'string' THEN jsonb_build_object('description', s.value, 'content', telemetry.failure_media(route.dialect))
					ELSE jsonb_build_object('description', s.value -> 'description')
						|| CASE WHEN s.value ?| '{schema,example,content_type}' THEN jsonb_build_object('content', telemetry.media(s.value ->> 'content_type', s.value))
							WHEN s.key >= '400' THEN jsonb_build_object('content', telemetry.failure_media(route.dialect))
							ELSE '{}' END
					END AS response
				FROM jsonb_each(coalesce(route.documentation -> 'responses', '{}')) AS s
				UNION ALL
				SELECT 2, d.success_status::text, jsonb_build_object(
					'description', CASE WHEN route.batch THEN 'What became of the events.' ELSE 'The event is stored, or was before.' END,
					'content', telemetry.media(NULL, jsonb_build_object('schema', CASE
						WHEN route.batch THEN telemetry.dialect_schema(route.dialect, 'batch')
						WHEN route.takes_array THEN jsonb_build_object('anyOf', jsonb_build_array(
							telemetry.dialect_schema(route.dialect, 'success'), telemetry.dialect_schema(route.dialect, 'batch')))
						ELSE telemetry.dialect_schema(route.dialect, 'success') END)))
				FROM telemetry.dialect AS d
				WHERE d.name = route.dialect AND route.stream IS NOT NULL
				UNION ALL
				-- Events are rejected with the statuses of their dialect.
				SELECT 3, p.status, jsonb_build_object('description', p.description, 'content', telemetry.failure_media(route.dialect))
				FROM (
					SELECT c.value ->> 'status' AS status, 'An event is rejected, or the whole batch: ' || string_agg(c.key, ', ' ORDER BY c.key) || '.' AS description
					FROM telemetry.dialect AS d
					CROSS JOIN LATERAL jsonb_each('{"ACCESS_DENIED": {"status": 403}}'::jsonb || d.problems) AS c
					WHERE d.name = route.dialect AND route.stream IS NOT NULL AND c.value ->> 'status' NOT IN ('400', '401', '404', '405', '408', '415', '429', '500', '503')
					GROUP BY c.value ->> 'status'
				) AS p
				UNION ALL
				SELECT 4, c.status, jsonb_build_object('$ref', '#/components/responses/' || route.dialect || '.' || c.status)
				FROM telemetry.common_responses() AS c
				WHERE CASE c.status WHEN '401' THEN route.caller IS NOT NULL WHEN '413' THEN route.method <> 'GET' WHEN '415' THEN route.method <> 'GET' ELSE true END
				UNION ALL
				SELECT 5, '200', '{"description": "The answer."}'
				WHERE route.function IS NOT NULL AND coalesce(route.documentation -> 'responses', '{}') = '{}'
			) AS r
			ORDER BY r.status, r.rank
		) AS a
	);
END
$$;
COMMENT ON FUNCTION telemetry.operation_responses(telemetry.route) IS
	'The answers of a route for telemetry.openapi(): those of its documentation, those of its dialect and stream, and those that any may give.';

CREATE FUNCTION telemetry.operation(route telemetry.route) RETURNS jsonb
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
AS $$
BEGIN
	RETURN (
		SELECT jsonb_strip_nulls(jsonb_build_object(
				'tags', jsonb_build_array(coalesce(route.documentation ->> 'tag', replace(route.app, 'telemetry_', ''), 'other')),
				'summary', coalesce(route.documentation ->> 'summary', route.description),
				'description', coalesce(route.documentation ->> 'description',
					obj_description(to_regprocedure(route.function), 'pg_proc'),
					(SELECT s.description FROM telemetry.stream AS s WHERE s.name = route.stream))))
			|| jsonb_build_object('parameters', telemetry.operation_parameters(route), 'responses', telemetry.operation_responses(route))
			|| CASE
				WHEN route.method <> 'GET' AND (route.stream IS NOT NULL OR route.documentation ? 'request') THEN
					jsonb_build_object('requestBody', jsonb_build_object(
						'required', coalesce(route.documentation #> '{request,required}', 'true'),
						'content', telemetry.media(NULL, b.body)
							|| CASE WHEN route.beacon THEN telemetry.media('text/plain', '{"schema": {"type": "string", "contentMediaType": "application/json"}}') ELSE '{}' END))
				ELSE '{}'
			END
		FROM (
			SELECT coalesce(route.documentation -> 'request', '{}')
				|| CASE WHEN route.stream IS NOT NULL AND NOT coalesce(route.documentation -> 'request', '{}') ? 'schema' THEN jsonb_build_object('schema',
					telemetry.event_body_schema(route.dialect, route.stream, route.batch, route.takes_array, route.max_events)) ELSE '{}' END AS body
		) AS b
	);
END
$$;
COMMENT ON FUNCTION telemetry.operation(telemetry.route) IS
	'A route as an operation of OpenAPI, without its operationId: what its documentation says, or else its description, its function''s comment, its '
	'stream and its dialect.';

CREATE FUNCTION telemetry.documented_tags() RETURNS TABLE (name text, place integer, description text)
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT t.name, t.place, t.description
	FROM (VALUES
		(1, 'points', 'Storing measurements of devices, one or many at once.'),
		(2, 'metrics', 'Definitions of metrics: what their values are and how long they are kept.'),
		(3, 'queries', 'Reading what was stored: points, the latest ones, aggregates.'),
		(4, 'alert rules', 'What is to be told about points, and of which devices.'),
		(5, 'alerts', 'What the rules have found.'),
		(6, 'device groups', 'Devices under one name, for rules and maintenance.'),
		(7, 'maintenance', 'When no alert is triggered.'),
		(8, 'statistics', 'How much there is of everything.'),
		(9, 'export', 'Points as files.'),
		(10, 'health', 'Whether the service works.'),
		(11, 'events', 'What other systems tell.'),
		(12, 'documentation', 'This interface, described.')
	) AS t (place, name, description);
END;
COMMENT ON FUNCTION telemetry.documented_tags() IS
	'The groups that the engine''s own routes are listed in, in their order.';

-- Its owner reads tables that whoever asks over HTTP may not.
CREATE FUNCTION telemetry.openapi() RETURNS jsonb
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
	RETURN (
		WITH listed AS MATERIALIZED (
			SELECT r.method, r.path, r.app, r.dialect, r.documentation, telemetry.operation(r)
				|| jsonb_build_object('operationId', telemetry.operation_id(r.method, r.path)
					|| CASE WHEN count(*) OVER (PARTITION BY telemetry.operation_id(r.method, r.path)) > 1
						THEN '_' || left(md5(r.method || ' ' || r.path), 8) ELSE '' END) AS operation
			FROM telemetry.route AS r
			WHERE r.function IS NULL OR to_regprocedure(r.function) IS NOT NULL
		), spoken AS (
			SELECT DISTINCT l.dialect AS name FROM listed AS l
		), tag AS (
			SELECT t.name, t.description, t.place
			FROM (
				SELECT l.operation #>> '{tags,0}' AS name, coalesce(min(k.description), min(obj_description(e.oid, 'pg_extension'))) AS description,
					coalesce(min(k.place), CASE WHEN min(l.app) IS NULL THEN 500 ELSE 1000 END) AS place
				FROM listed AS l
				LEFT JOIN telemetry.documented_tags() AS k ON k.name = l.operation #>> '{tags,0}'
				LEFT JOIN pg_extension AS e ON e.extname = l.app
				GROUP BY l.operation #>> '{tags,0}'
			) AS t
		)
		SELECT jsonb_build_object(
			'openapi', '3.1.0',
			'info', jsonb_build_object('title', 'telemetry', 'version', e.extversion, 'description',
				'Points, events, alerts and what is known of them. Bodies are JSON in UTF-8, and may be compressed: gzip, deflate, lz4 or zstd. Names of '
				'parameters that a route does not have are not looked at. Before a request comes to a route it may be answered 400, 404, 405, 408, 414, 417, 431, 501 '
				'or 505: it is malformed, too slow, too long, or there is no such path or method. HEAD goes with GET.'),
			'servers', '[{"url": "/"}]'::jsonb,
			'tags', (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('name', t.name, 'description', t.description)) ORDER BY t.place, t.name) FROM tag AS t),
			'paths', (SELECT jsonb_object_agg(p.path, p.operations)
				FROM (SELECT l.path, jsonb_object_agg(lower(l.method), l.operation) AS operations FROM listed AS l GROUP BY l.path) AS p),
			'components', jsonb_build_object(
				'schemas', (SELECT jsonb_object_agg(s.key, s.value)
					FROM (
						SELECT DISTINCT ON (a.key) a.key, a.value
						FROM (
							SELECT 1 AS rank, d.name || '.Failure' AS key, telemetry.dialect_schema(d.name, 'failure') AS value FROM spoken AS d
							-- The engine's own names are its own.
							UNION ALL
							SELECT CASE WHEN l.app IS NULL AND l.dialect = 'telemetry' THEN 2 ELSE 3 END, s.key, s.value
							FROM listed AS l
							CROSS JOIN LATERAL jsonb_each(l.documentation -> 'schemas') AS s
						) AS a
						ORDER BY a.key, a.rank, a.value
					) AS s),
				'responses', (SELECT jsonb_object_agg(d.name || '.' || c.status,
						jsonb_build_object('description', c.description, 'content', telemetry.failure_media(d.name)))
					FROM spoken AS d CROSS JOIN telemetry.common_responses() AS c)))
		FROM pg_extension AS e
		WHERE e.extname = 'telemetry'
	);
END
$$;
COMMENT ON FUNCTION telemetry.openapi() IS
	'The HTTP interface of this database as an OpenAPI 3.1 document: every row of telemetry.route whose function is there, those of apps and users included. '
	'Examples have times of the current hour.';

REVOKE ALL ON FUNCTION telemetry.operation_id(text, text), telemetry.failure_media(text), telemetry.media(text, jsonb),
	telemetry.operation_parameters(telemetry.route), telemetry.common_responses(), telemetry.operation_responses(telemetry.route),
	telemetry.operation(telemetry.route), telemetry.documented_tags(), telemetry.openapi() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.openapi() TO telemetry_reader, telemetry_writer;
