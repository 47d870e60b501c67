-- Routes of the HTTP interface, and the dialects that they speak: what there is beside the endpoints
-- that are compiled into the proxy. An app's routes are rows of these two tables.

CREATE TABLE telemetry.dialect (
	name text COLLATE "C" PRIMARY KEY
		CONSTRAINT name_is_short_and_plain CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
	description text NOT NULL,
	events text,
	item text,
	batch_id text,
	kind text,
	kinds jsonb NOT NULL DEFAULT '{}' CONSTRAINT kinds_is_a_json_object CHECK (jsonb_typeof(kinds) = 'object'),
	fields jsonb NOT NULL DEFAULT '{}' CONSTRAINT fields_is_a_json_object CHECK (jsonb_typeof(fields) = 'object'),
	unknown text NOT NULL DEFAULT 'keep' CONSTRAINT unknown_is_keep_ignore_or_refuse CHECK (unknown IN ('keep', 'ignore', 'refuse')),
	success_status integer NOT NULL DEFAULT 200 CONSTRAINT success_status_is_from_200_to_299 CHECK (success_status BETWEEN 200 AND 299),
	success json NOT NULL DEFAULT '{"success": true, "event_id": "$event_id", "outcome": "$outcome"}',
	batch json NOT NULL DEFAULT '{"success": true, "accepted": "$accepted", "duplicates": "$duplicates", "conflicts": "$conflicts", '
		'"rejected": "$rejected", "results": "$results"}',
	result json NOT NULL DEFAULT '{"index": "$index", "event_id": "$event_id", "outcome": "$outcome", "code": "$code", "detail": "$detail"}',
	results text NOT NULL DEFAULT 'all' CONSTRAINT results_is_all_or_rejected CHECK (results IN ('all', 'rejected')),
	outcomes jsonb NOT NULL DEFAULT '{}' CONSTRAINT outcomes_is_a_json_object CHECK (jsonb_typeof(outcomes) = 'object'),
	failure json NOT NULL DEFAULT '{"detail": "$detail", "code": "$code"}',
	failure_type text NOT NULL DEFAULT 'application/json'
		CONSTRAINT failure_type_is_a_media_type CHECK (failure_type ~ '^[a-z]+/[a-z0-9.+-]+$'),
	problems jsonb NOT NULL DEFAULT '{}' CONSTRAINT problems_is_a_json_object CHECK (jsonb_typeof(problems) = 'object'),
	app text COLLATE "C"
);
COMMENT ON TABLE telemetry.dialect IS
	'How an app words its events, and how it wants to be answered: where in a body the columns of telemetry.event are, '
	'and the shapes of answers. A path is names of members joined by dots, such as metadata.eventId, which begins '
	'at the event, or with a word before it elsewhere: item: at the element of the batch that the event lies in, body: at the '
	'whole body, params: at what is known beside the body (telemetry.route.params, parts of the path, the query; '
	'caller.user_id, caller.device_id, caller.user_agent, caller.certificate of the one who asks). header: and a name is that header of the request, a text of 1 to 1024 '
	'bytes; not Authorization, Cookie, Proxy-Authorization and X-Api-Key. What is null counts as not there. '
	'A template is JSON in whose strings $name stands for a value; a string of nothing but $name becomes the value '
	'itself, such as a number. Error on writing a row that cannot be read: invalid_parameter_value. '
	'A change counts from the next statement on; DELETE removes the routes that speak the dialect.';
COMMENT ON COLUMN telemetry.dialect.name IS 'What telemetry.route.dialect says.';
COMMENT ON COLUMN telemetry.dialect.events IS
	'Path in the body of a batch to the array of events; null: the body is the array. A single event is always the body.';
COMMENT ON COLUMN telemetry.dialect.item IS
	'Path in an element of that array to the event; null: the element is the event.';
COMMENT ON COLUMN telemetry.dialect.batch_id IS
	'Path of the sender''s name for a batch, a text of 1 to 256 bytes; if there is none, it is the Idempotency-Key, or else the correlation id.';
COMMENT ON COLUMN telemetry.dialect.kind IS
	'Path of a text that says what kind of event it is; null: there is none, and kinds does not count.';
COMMENT ON COLUMN telemetry.dialect.kinds IS
	'The kinds there are: {text: event_type that such an event has, or null if fields tells}. An event of another kind is rejected.';
COMMENT ON COLUMN telemetry.dialect.fields IS
	'Where the fields are: {field: path, or array of paths of which the first with a value counts}. A field is a column of '
	'telemetry.event but stream, received_at and correlation_id, or data.name, a member of data; data itself must be '
	'an object, whose members all go into data.';
COMMENT ON COLUMN telemetry.dialect.unknown IS
	'What becomes of members of an event that no path goes through, also of objects that a path goes into: they are kept in data, where '
	'they were in the event (what fields puts there goes before), ignored, or the event is refused.';
COMMENT ON COLUMN telemetry.dialect.success_status IS 'HTTP status of an answer that is no failure.';
COMMENT ON COLUMN telemetry.dialect.success IS
	'Template of the answer to a single event that was not rejected. Values: $correlation_id, $event_id, $outcome, '
	'$resolution (kept or replaced after a conflict, else null), $is_repeated (true if it was there before), $received_at.';
COMMENT ON COLUMN telemetry.dialect.batch IS
	'Template of the answer to a batch. Values: $correlation_id, $batch_id, the numbers $received, $accepted, $duplicates, '
	'$conflicts, $repeated (duplicates and conflicts), $rejected, $settled (all but rejected), and $results.';
COMMENT ON COLUMN telemetry.dialect.result IS
	'Template of an element of $results. Values: $index, 0-based, $event_id, $kind, $outcome, $resolution, $is_repeated, '
	'$received_at; $code, $title, $type and $detail if it was rejected.';
COMMENT ON COLUMN telemetry.dialect.results IS 'Which events $results tells of: all, or those that were rejected.';
COMMENT ON COLUMN telemetry.dialect.outcomes IS
	'What $outcome says instead of accepted, duplicate, kept, replaced, sampled and rejected: {outcome: text}.';
COMMENT ON COLUMN telemetry.dialect.failure IS
	'Template of the body when a request fails: a single event was rejected, a batch has not the shape, is too long or has '
	'a subject that the user may not access, or the request did not come so far. Values: $status, $code, $type, $title, $detail.';
COMMENT ON COLUMN telemetry.dialect.failure_type IS 'Its Content-Type.';
COMMENT ON COLUMN telemetry.dialect.problems IS
	'How codes are told: {code: {"status", "type", "title"}}, each optional: else status 400, a type in lower '
	'case with hyphens, and a title in words. Codes are those of telemetry.stream_field, ACCESS_DENIED, VALIDATION_ERROR '
	'(a body that has not the shape), BATCH_TOO_LARGE, and UNAUTHORIZED, FORBIDDEN, NOT_FOUND, METHOD_NOT_ALLOWED, REQUEST_TIMEOUT, '
	'PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, RATE_LIMIT_EXCEEDED, INTERNAL_ERROR, SERVICE_UNAVAILABLE, whose status is given.';
COMMENT ON COLUMN telemetry.dialect.app IS
	'The extension that it came with, and goes with unless a route of others speaks it; null: none.';
COMMENT ON COLUMN telemetry.dialect.description IS 'Whose words it has, for people.';

CREATE TABLE telemetry.route (
	method text COLLATE "C" NOT NULL
		CONSTRAINT method_is_get_post_put_patch_or_delete CHECK (method IN ('GET', 'POST', 'PUT', 'PATCH', 'DELETE')),
	path text COLLATE "C" NOT NULL
		CONSTRAINT path_is_of_up_to_8_names_and_parameters CHECK (path ~ '^(/([A-Za-z0-9._~-]+|[{][a-zA-Z_][a-zA-Z0-9_]*[}])){1,8}$')
		CONSTRAINT path_has_each_parameter_once CHECK (path !~ '[{]([^{}]+)[}].*[{]\1[}]'),
	description text NOT NULL,
	dialect text COLLATE "C" NOT NULL,
	stream text COLLATE "C",
	function text,
	batch boolean NOT NULL DEFAULT false,
	takes_array boolean NOT NULL DEFAULT false,
	max_events integer CONSTRAINT max_events_is_from_1_to_10000 CHECK (max_events BETWEEN 1 AND 10000),
	params jsonb NOT NULL DEFAULT '{}' CONSTRAINT params_is_a_json_object CHECK (jsonb_typeof(params) = 'object'),
	caller text CONSTRAINT caller_is_user_or_device CHECK (caller IN ('user', 'device')),
	log_batches boolean NOT NULL DEFAULT false,
	beacon boolean NOT NULL DEFAULT false,
	app text COLLATE "C",
	compiled boolean NOT NULL DEFAULT false,
	documentation jsonb CONSTRAINT documentation_is_a_json_object CHECK (jsonb_typeof(documentation) = 'object'),
	PRIMARY KEY (method, path),
	CONSTRAINT it_brings_events_calls_a_function_or_is_compiled
		CHECK (num_nonnulls(stream, function) = CASE WHEN compiled THEN 0 ELSE 1 END),
	CONSTRAINT events_are_posted CHECK (stream IS NULL OR method = 'POST'),
	CONSTRAINT beacons_are_posted CHECK (NOT beacon OR method = 'POST')
);
COMMENT ON TABLE telemetry.route IS
	'Routes of the HTTP interface, all of them: each brings events of a stream, or calls a function, or is compiled into the proxy. The proxy '
	'follows a change within seconds; one that is compiled into it is here for its documentation. telemetry.openapi() describes them all.';
COMMENT ON COLUMN telemetry.route.path IS
	'/name/{parameter}/…: what stands for {parameter} is a member of params. Paths of one shape have parameters of the same names.';
COMMENT ON COLUMN telemetry.route.dialect IS 'Whose shape answers have; of a function, failures before it is called.';
COMMENT ON COLUMN telemetry.route.stream IS 'Which stream the events of the body are of.';
COMMENT ON COLUMN telemetry.route.function IS
	'A function (params jsonb, body jsonb) RETURNS telemetry.http_response or, of GET, SETOF telemetry.http_part, whose rows are sent as '
	'they come; by its name: schema.name(jsonb, jsonb). The schema is added when it is left out. Called by the proxy''s role. '
	'One that changes nothing is to be declared STABLE (or IMMUTABLE): it is called by the proxy''s connections for reads, as that of any GET is, keeps no ingest waiting, and is cancelled '
	'when its client leaves. What the sender is told of its errors: status 400 and the message '
	'if the data are wrong (invalid_parameter_value, and what the casts of a text raise: invalid_text_representation, '
	'invalid_datetime_format, datetime_field_overflow, numeric_value_out_of_range, string_data_right_truncation, '
	'character_not_in_repertoire, untranslatable_character, invalid_json_text); 503, try again, if the state of the database is '
	'(classes 08, 25, 40, 53, 55, 57, 58, and insufficient_privilege); else 500: a division by zero, or a column that does not exist, is '
	'the function''s own fault. Other answers it gives itself, see telemetry.http_problem().';
COMMENT ON COLUMN telemetry.route.batch IS 'Whether the body holds many events; then max_batch_age of the stream counts.';
COMMENT ON COLUMN telemetry.route.takes_array IS
	'Whether the body may also be an array of events, without what else there is around them: of a batch the list itself, and '
	'where single events come, a batch, which counts and is answered as one.';
COMMENT ON COLUMN telemetry.route.max_events IS 'How many it may hold; null: 10000.';
COMMENT ON COLUMN telemetry.route.params IS
	'Members that params always has, whatever the path and the query say. In place of "proxy": true it has what the proxy counts, as GET /health/detailed tells it.';
COMMENT ON COLUMN telemetry.route.caller IS
	'Who must be known to ask, a user or a device, else the answer is 401; null: anyone may.';
COMMENT ON COLUMN telemetry.route.log_batches IS 'Whether each batch leaves a row in telemetry.batch_log.';
COMMENT ON COLUMN telemetry.route.beacon IS
	'Whether JSON may also come as text/plain, as navigator.sendBeacon() of browsers sends it when a page goes. Browsers send that without asking '
	'first; the proxy takes it from pages that its option cors-origins lists, and of what is no page.';
COMMENT ON COLUMN telemetry.route.app IS 'The extension that it came with, and goes with; null: none.';
COMMENT ON COLUMN telemetry.route.compiled IS
	'Whether the proxy serves it by itself: the rows of telemetry.compiled_routes(), and no others.';
COMMENT ON COLUMN telemetry.route.documentation IS
	'What telemetry.openapi() says of it beyond what it knows; null: nothing. See telemetry.check_documentation().';
COMMENT ON COLUMN telemetry.route.method IS 'The method of the request: GET, with which HEAD goes, POST, PUT, PATCH or DELETE; events come by POST only.';
COMMENT ON COLUMN telemetry.route.description IS 'What it does, for people.';

CREATE FUNCTION telemetry.check_dialect() RETURNS trigger
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_check_dialect';
COMMENT ON FUNCTION telemetry.check_dialect() IS
	'Trigger of telemetry.dialect: refuses a row that cannot be read. Error: invalid_parameter_value.';
CREATE TRIGGER check_dialect BEFORE INSERT OR UPDATE ON telemetry.dialect
	FOR EACH ROW EXECUTE FUNCTION telemetry.check_dialect();

CREATE FUNCTION telemetry.compiled_routes()
	RETURNS TABLE (method text, path text, description text)
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT r.method, r.path, r.description
	FROM (VALUES
		('POST', '/api/v1/telemetry/devices/{device_id}/telemetry', 'Stores a point.'),
		('POST', '/api/v1/telemetry/devices/{device_id}/telemetry/batch', 'Stores up to 1000 points of a device.'),
		('POST', '/api/v1/telemetry/bulk', 'Stores points of several devices.'),
		('GET', '/api/v1/telemetry/batches/{batch_id}', 'What became of a batch.'),
		('GET', '/health', 'Whether points can be stored now.'),
		('GET', '/health/live', 'Whether the proxy runs.'),
		('GET', '/health/detailed', 'The state of each component.')
	) AS r (method, path, description);
END;
COMMENT ON FUNCTION telemetry.compiled_routes() IS
	'The routes that are compiled into the proxy of this version.';

CREATE FUNCTION telemetry.route_shape(path text) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT regexp_replace(route_shape.path, '[{][^{}]*[}]', '{}', 'g');
END;
COMMENT ON FUNCTION telemetry.route_shape(text) IS 'A path whose parameters have no names: two of one shape are the same to a request.';

CREATE FUNCTION telemetry.check_route() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- A dump may be of a version whose proxy serves others by itself.
	IF NOT telemetry.is_restoring() AND (TG_OP = 'INSERT' OR (new.method, new.path, new.compiled) IS DISTINCT FROM (old.method, old.path, old.compiled)) THEN
		IF new.compiled AND NOT EXISTS (
				SELECT FROM telemetry.compiled_routes() AS c WHERE c.method = new.method AND c.path = new.path) THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
				MESSAGE = format('route "%s %s" is not compiled into the proxy', new.method, new.path),
				HINT = 'A row of telemetry.route brings events of a stream or calls a function.';
		ELSIF NOT new.compiled AND EXISTS (
				SELECT FROM telemetry.compiled_routes() AS c
				WHERE c.method = new.method AND telemetry.route_shape(c.path) = telemetry.route_shape(new.path)) THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
				MESSAGE = format('route "%s %s" is compiled into the proxy, which would not look at this row', new.method, new.path);
		END IF;
	END IF;
	IF TG_OP = 'INSERT' OR (new.method, new.function) IS DISTINCT FROM (old.method, old.function) THEN
		new.function := telemetry.function_signature(new.function, 'jsonb', 'telemetry.http_response', 'serve a route',
			CASE new.method WHEN 'GET' THEN 'telemetry.http_part'::regtype END);
	END IF;
	PERFORM FROM telemetry.dialect AS d WHERE d.name = new.dialect FOR KEY SHARE;
	IF NOT FOUND THEN
		IF NOT telemetry.is_restoring() THEN
			RAISE EXCEPTION USING ERRCODE = 'foreign_key_violation', MESSAGE = format('there is no dialect "%s"', new.dialect);
		END IF;
	END IF;
	RETURN new;
END
$$;
COMMENT ON FUNCTION telemetry.check_route() IS
	'Trigger of telemetry.route: refuses a function that cannot serve one, an unknown dialect, and what is compiled into the proxy without being '
	'told so, or the other way round. '
	'Errors: undefined_function, invalid_parameter_value, foreign_key_violation.';
CREATE TRIGGER add_schema BEFORE INSERT OR UPDATE OF function ON telemetry.route
	FOR EACH ROW WHEN (new.function IS NOT NULL) EXECUTE FUNCTION telemetry.add_schema('function');
CREATE TRIGGER check_route BEFORE INSERT OR UPDATE ON telemetry.route
	FOR EACH ROW EXECUTE FUNCTION telemetry.check_route();
CREATE TRIGGER check_stream BEFORE INSERT OR UPDATE ON telemetry.route
	FOR EACH ROW EXECUTE FUNCTION telemetry.check_stream();

-- After the statement, so that one may rename the parameters of several.
CREATE FUNCTION telemetry.check_route_shape() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	other text;
BEGIN
	-- Of two that come at the same time the later one sees the earlier one.
	PERFORM pg_advisory_xact_lock(21581, 2);
	SELECT r.method || ' ' || r.path INTO other
	FROM telemetry.route AS r
	WHERE r.path <> new.path AND telemetry.route_shape(r.path) = telemetry.route_shape(new.path)
	ORDER BY r.path, r.method
	LIMIT 1;
	IF other IS NOT NULL AND NOT telemetry.is_restoring() THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('route "%s %s" is "%s" with other names of parameters', new.method, new.path, other),
			HINT = 'Paths of one shape have parameters of the same names, whatever the method.';
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.check_route_shape() IS
	'Trigger of telemetry.route: refuses a path that differs from another row''s in the names of parameters alone, which to a request, and in a document of OpenAPI, is the same. '
	'Error: invalid_parameter_value.';
CREATE TRIGGER check_route_shape AFTER INSERT OR UPDATE OF path ON telemetry.route
	FOR EACH ROW EXECUTE FUNCTION telemetry.check_route_shape();

CREATE FUNCTION telemetry.follow_dialect() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP = 'UPDATE' THEN
		UPDATE telemetry.route AS r SET dialect = new.name WHERE r.dialect = old.name;
	ELSE
		DELETE FROM telemetry.route AS r WHERE r.dialect = old.name;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.follow_dialect() IS
	'Trigger of telemetry.dialect: its routes are renamed with it, and deleted.';
CREATE TRIGGER follow_dialect AFTER DELETE OR UPDATE OF name ON telemetry.dialect
	FOR EACH ROW EXECUTE FUNCTION telemetry.follow_dialect();

CREATE FUNCTION telemetry.route_changed() RETURNS trigger
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_route_changed';
COMMENT ON FUNCTION telemetry.route_changed() IS
	'Trigger of telemetry.route and telemetry.dialect: tells all sessions, which keep them in memory.';
CREATE TRIGGER route_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON telemetry.route
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.route_changed();
CREATE TRIGGER route_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON telemetry.dialect
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.route_changed();

SELECT pg_catalog.pg_extension_config_dump('telemetry.dialect', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.route', '');

CREATE FUNCTION telemetry.http_problem(dialect text, status integer, code text, detail text)
	RETURNS telemetry.http_response
	LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'telemetry_http_problem';
COMMENT ON FUNCTION telemetry.http_problem(text, integer, text, text) IS
	'A failure in a dialect''s shape, {"detail"} if there is no such dialect. status null: what telemetry.dialect.problems has '
	'for the code; code null: what is usual for the status. If both are null, "$status" stays in the body.';

CREATE FUNCTION telemetry.http_routes(known text DEFAULT NULL) RETURNS jsonb
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH current AS MATERIALIZED (
		SELECT md5(concat(
			(SELECT string_agg(concat_ws(E'\t', r.method, r.path, r.dialect, coalesce(r.stream, ''), coalesce(r.function, ''), r.params,
					coalesce(r.caller, ''), r.beacon, p.provolatile, p.proretset), E'\n' ORDER BY r.method, r.path)
				FROM telemetry.route AS r
				LEFT JOIN pg_proc AS p ON p.oid = to_regprocedure(r.function)
				WHERE NOT r.compiled), E'\n\n',
			(SELECT string_agg(d::text, E'\n' ORDER BY d.name) FROM telemetry.dialect AS d))) AS version
	), failure AS (
		SELECT d.name, jsonb_object_agg(s.key, replace(p.body::text, '"$status"', '$status')) AS templates
		FROM telemetry.dialect AS d
		CROSS JOIN (VALUES ('400', 400), ('401', 401), ('403', 403), ('404', 404), ('405', 405), ('408', 408),
			('413', 413), ('415', 415), ('429', 429), ('500', 500), ('503', 503), ('default', NULL)) AS s (key, status)
		CROSS JOIN LATERAL telemetry.http_problem(d.name, s.status, NULL, '$detail') AS p
		GROUP BY d.name
	), header AS (
		SELECT d.name, jsonb_agg(DISTINCT lower(substr(p.path, length('header:') + 1))) AS names
		FROM telemetry.dialect AS d
		CROSS JOIN LATERAL (
			SELECT f.path #>> '{}' FROM jsonb_path_query(d.fields, 'lax $.*[*]') AS f (path)
			UNION ALL SELECT d.kind
			UNION ALL SELECT d.batch_id
		) AS p (path)
		WHERE p.path ^@ 'header:'
		GROUP BY d.name
	), listed AS (
		SELECT jsonb_build_object(
				'method', r.method,
				'path', r.path,
				'name', r.method || ' ' || r.path,
				'params', r.params,
				'caller', r.caller,
				'beacon', r.beacon,
				'counters', coalesce(r.params -> 'proxy' = 'true', false),
				'reads', coalesce(p.provolatile <> 'v', false),
				'headers', coalesce(h.names, '[]'),
				'error_type', d.failure_type,
				'errors', f.templates)
			|| CASE WHEN r.function IS NULL THEN '{"kind": "events"}'::jsonb
				WHEN p.proretset THEN '{"kind": "stream"}'
				ELSE '{"kind": "call"}' END AS route
		FROM telemetry.route AS r
		JOIN telemetry.dialect AS d ON d.name = r.dialect
		JOIN failure AS f ON f.name = r.dialect
		LEFT JOIN header AS h ON h.name = r.dialect
		LEFT JOIN pg_proc AS p ON p.oid = to_regprocedure(r.function)
		WHERE NOT r.compiled AND (r.function IS NULL OR p.oid IS NOT NULL)
		ORDER BY r.method, r.path
	)
	SELECT CASE WHEN c.version IS DISTINCT FROM http_routes.known
		THEN jsonb_build_object('version', c.version, 'routes', coalesce((SELECT jsonb_agg(l.route) FROM listed AS l), '[]'))
	END
	FROM current AS c;
END;
COMMENT ON FUNCTION telemetry.http_routes(text) IS
	'What the proxy serves beside what is compiled into it: {"version": text, "routes": [{"method", "path", "name", "kind": "events", "call" or '
	'"stream" (a function that answers in parts), '
	'"params", "caller", "beacon", "counters": whether params is to have the proxy''s counters as its member proxy, "reads": whether its function is STABLE or IMMUTABLE, "headers": names, in lower case, of headers that params is to have as its member headers, "error_type": Content-Type of failures, "errors": {status or "default": body}}]}; '
	'null if the version is the one that is known. The bodies are texts in which $detail stands for what is wrong, '
	'as part of a JSON string, and $status for the status. Routes whose function is gone are left out.';

CREATE FUNCTION telemetry.http_call(route text, params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_http_call';
COMMENT ON FUNCTION telemetry.http_call(text, jsonb, jsonb) IS
	'A request for a route (method, a space, path) that calls a function, and its answer. The function runs as its owner, or as '
	'the current user if its owner has their rights anyway, with search_path pg_catalog, pg_temp. Errors: undefined_object if no '
	'such route calls a function, undefined_function if it is gone, insufficient_privilege without EXECUTE on it; '
	'wrong_object_type if it answers in parts; '
	'invalid_parameter_value if body has a number of more than 1000 characters, written out; external_routine_exception '
	'in place of an error of classes 42 and 3F but insufficient_privilege that the function raises: something in it does not exist; '
	'and what else the function raises.';

CREATE FUNCTION telemetry.http_call(route text, params jsonb, body text) RETURNS telemetry.http_response
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_http_call_of_text';
COMMENT ON FUNCTION telemetry.http_call(text, jsonb, text) IS
	'The same with the body as it was sent. What jsonb cannot hold, the escape \u0000, half of a surrogate pair, a number of more than 1000 characters, written out, is status 400 '
	'in the dialect''s shape and names the field; the function is not called then. Errors: as above but that of numbers; invalid_text_representation if the text is not JSON.';

CREATE FUNCTION telemetry.http_parts(route text, params jsonb, body jsonb DEFAULT NULL) RETURNS SETOF telemetry.http_part
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_http_parts';
COMMENT ON FUNCTION telemetry.http_parts(text, jsonb, jsonb) IS
	'The same for any function, with the answer as it is sent, in parts of up to 64 kB: status and content_type are in the first alone. '
	'In a select list, rows are asked for as they are fetched (a function in SQL then makes them so), and nothing holds all of the answer. Errors: as of telemetry.http_call(), '
	'no_data_found if the function returns no row.';

CREATE FUNCTION telemetry.initialise_compiled_routes() RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	INSERT INTO telemetry.dialect (name, description, failure, problems) VALUES
		('telemetry', 'The words of the engine''s own routes.', '{"detail": "$detail"}', '{}')
	ON CONFLICT (name) DO NOTHING;
	INSERT INTO telemetry.route (method, path, description, dialect, compiled)
	SELECT c.method, c.path, c.description, 'telemetry', true FROM telemetry.compiled_routes() AS c
	ON CONFLICT (method, path) DO NOTHING;
END;
COMMENT ON FUNCTION telemetry.initialise_compiled_routes() IS
	'Of telemetry.initialise(): rows for the routes that are compiled into the proxy, as far as they are not there.';

REVOKE ALL ON FUNCTION telemetry.compiled_routes(), telemetry.route_shape(text), telemetry.initialise_compiled_routes(), telemetry.http_call(text, jsonb, jsonb), telemetry.http_call(text, jsonb, text), telemetry.http_parts(text, jsonb, jsonb), telemetry.http_problem(text, integer, text, text), telemetry.http_routes(text) FROM PUBLIC;
GRANT SELECT ON telemetry.dialect, telemetry.route TO telemetry_reader;
GRANT INSERT, UPDATE, DELETE ON telemetry.dialect, telemetry.route TO telemetry_admin;
GRANT EXECUTE ON FUNCTION telemetry.http_call(text, jsonb, jsonb), telemetry.http_call(text, jsonb, text), telemetry.http_parts(text, jsonb, jsonb), telemetry.http_problem(text, integer, text, text) TO telemetry_reader, telemetry_writer;
GRANT EXECUTE ON FUNCTION telemetry.http_routes(text) TO telemetry_reader, telemetry_writer;
