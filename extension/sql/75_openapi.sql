-- JSON Schemas (draft 2020-12) of what SQL knows already, and the check of what routes say of themselves: see 76_openapi_document.sql.

-- Schemas --------------------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.schema_or_null(schema jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE
		WHEN NOT schema ? 'type' THEN schema
		WHEN schema ? 'enum' THEN schema || jsonb_build_object('type', jsonb_build_array(schema -> 'type', 'null'), 'enum', (schema -> 'enum') || '[null]')
		WHEN jsonb_typeof(schema -> 'type') = 'array' THEN schema || jsonb_build_object('type', (schema -> 'type') || '["null"]')
		ELSE schema || jsonb_build_object('type', jsonb_build_array(schema -> 'type', 'null'))
	END;
END;
COMMENT ON FUNCTION telemetry.schema_or_null(jsonb) IS 'A schema that takes null, too.';

CREATE FUNCTION telemetry.type_schema(type regtype) RETURNS jsonb
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN t.oid = type_schema.type THEN s.schema ELSE jsonb_build_object('type', 'array', 'items', s.schema) END
	FROM pg_type AS w
	JOIN pg_type AS t ON t.oid = CASE w.typcategory WHEN 'A' THEN w.typelem ELSE w.oid END
	CROSS JOIN LATERAL (
		SELECT CASE
			WHEN t.typtype = 'e' THEN jsonb_build_object('type', 'string',
				'enum', (SELECT jsonb_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum AS e WHERE e.enumtypid = t.oid))
			WHEN t.oid = ANY ('{smallint,integer,bigint}'::regtype[]) THEN '{"type": "integer"}'
			WHEN t.typcategory = 'N' THEN '{"type": "number"}'
			WHEN t.typcategory = 'B' THEN '{"type": "boolean"}'
			WHEN t.oid = 'timestamptz'::regtype THEN '{"type": "string", "format": "date-time"}'
			WHEN t.oid = 'date'::regtype THEN '{"type": "string", "format": "date"}'
			WHEN t.oid IN ('jsonb'::regtype, 'telemetry.value'::regtype) THEN '{}'
			ELSE '{"type": "string"}'
		END AS schema
	) AS s
	WHERE w.oid = type_schema.type;
END;
COMMENT ON FUNCTION telemetry.type_schema(regtype) IS 'The schema of a type''s values as to_jsonb() has them; telemetry.value: as JSON.';

CREATE FUNCTION telemetry.columns_schema(relation regclass, without text[] DEFAULT '{}') RETURNS jsonb
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT jsonb_build_object('type', 'object',
		'properties', coalesce(jsonb_object_agg(a.attname,
			CASE WHEN a.attnotnull THEN telemetry.type_schema(a.atttypid::regtype)
				ELSE telemetry.schema_or_null(telemetry.type_schema(a.atttypid::regtype)) END
			|| jsonb_strip_nulls(jsonb_build_object('description', col_description(a.attrelid, a.attnum)))), '{}'),
		'required', coalesce(jsonb_agg(a.attname ORDER BY a.attnum), '[]'))
	FROM pg_attribute AS a
	WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> ALL (without);
END;
COMMENT ON FUNCTION telemetry.columns_schema(regclass, text[]) IS
	'The schema of a table''s or view''s row as to_jsonb() has it, without some columns: types, and descriptions from the columns'' comments. What is '
	'not NOT NULL, any column of a view for instance, may be null.';

CREATE FUNCTION telemetry.field_schema(field jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE field ->> 'kind'
		WHEN 'text' THEN jsonb_build_object('type', 'string', 'minLength', field -> 'lowest', 'maxLength', field -> 'highest')
		WHEN 'integer' THEN jsonb_build_object('type', 'integer', 'minimum', field -> 'lowest', 'maximum', field -> 'highest')
		WHEN 'number' THEN '{"type": "number"}'
		WHEN 'scalar' THEN jsonb_build_object('type', '["number", "string", "boolean"]'::jsonb, 'maxLength', field -> 'highest')
		WHEN 'boolean' THEN '{"type": "boolean"}'
		WHEN 'choice' THEN jsonb_build_object('type', 'string', 'enum', field -> 'choices')
		WHEN 'choices' THEN jsonb_build_object('type', 'array', 'items', jsonb_build_object('type', 'string', 'enum', field -> 'choices'),
			'maxItems', jsonb_array_length(field -> 'choices'))
		WHEN 'texts' THEN jsonb_build_object('type', 'array', 'maxItems', field -> 'items',
			'items', jsonb_build_object('type', 'string', 'minLength', 1, 'maxLength', field -> 'highest'))
		WHEN 'time' THEN '{"type": "string", "format": "date-time"}'
		WHEN 'scalars' THEN jsonb_build_object('type', 'array', 'minItems', 1, 'maxItems', field -> 'items',
			'items', jsonb_build_object('type', '["number", "string", "boolean"]'::jsonb, 'maxLength', field -> 'highest'))
		WHEN 'object' THEN CASE WHEN field ? 'empty' THEN '{"type": "object"}' ELSE '{"type": "object", "minProperties": 1}' END::jsonb
		ELSE '{}'
	END || CASE WHEN coalesce(field -> 'default', 'null') <> 'null' THEN jsonb_build_object('default', field -> 'default') ELSE '{}' END;
END;
COMMENT ON FUNCTION telemetry.field_schema(jsonb) IS
	'The schema of a field as telemetry.check_fields() has it. What it counts in bytes a schema can only count in characters. A kind that is not known '
	'here: anything.';

CREATE FUNCTION telemetry.fields_schema(fields jsonb, relation regclass DEFAULT NULL, partial boolean DEFAULT false) RETURNS jsonb
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT jsonb_build_object('type', 'object', 'additionalProperties', false,
			'properties', coalesce(jsonb_object_agg(f.key,
				CASE WHEN f.value ? 'required' THEN telemetry.field_schema(f.value) ELSE telemetry.schema_or_null(telemetry.field_schema(f.value)) END
				|| jsonb_strip_nulls(jsonb_build_object('description', coalesce(f.value ->> 'description', col_description(a.attrelid, a.attnum))))), '{}'))
		|| CASE WHEN partial OR NOT coalesce(bool_or(f.value ? 'required'), false) THEN '{}'
			ELSE jsonb_build_object('required', jsonb_agg(f.key ORDER BY f.key COLLATE "C") FILTER (WHERE f.value ? 'required')) END
	FROM jsonb_each(fields) AS f
	LEFT JOIN pg_attribute AS a ON a.attrelid = relation AND a.attname = f.key AND a.attnum > 0 AND NOT a.attisdropped;
END;
COMMENT ON FUNCTION telemetry.fields_schema(jsonb, regclass, boolean) IS
	'The schema of a body that telemetry.check_fields() checks, with descriptions from the comments of relation''s columns of the same names, where the '
	'fields have none ("description"); partial: nothing is required.';

CREATE FUNCTION telemetry.page_parameters() RETURNS jsonb
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT '[
		{"name": "limit", "in": "query", "description": "How many to answer with.", "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}, "example": 10},
		{"name": "offset", "in": "query", "description": "How many to leave out before.", "schema": {"type": "integer", "minimum": 0, "maximum": 1000000, "default": 0}, "example": 0}
	]'::jsonb;
END;
COMMENT ON FUNCTION telemetry.page_parameters() IS
	'The documentation of parameters limit and offset, as lists of the engine have them.';

-- Examples -------------------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.example_of_now(example jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- One document an hour, so that caches are of use.
	this_hour CONSTANT timestamp := date_trunc('hour', now() AT TIME ZONE 'UTC');
	known text := example::text;
	said text[];
	at timestamp;
BEGIN
	IF strpos(known, '"$') = 0 THEN
		RETURN example;
	END IF;
	FOR said IN
		SELECT DISTINCT ARRAY[m.said[1], m.said[2], m.said[3]]
		FROM regexp_matches(known, '("[$](now|today)(?: - ([0-9]{1,3} (?:minute|hour|day)s?))?")', 'g') AS m (said)
	LOOP
		at := this_hour - coalesce(said[3], '0 days')::interval;
		known := replace(known, said[1], to_char(at, CASE said[2] WHEN 'now' THEN '"\""YYYY-MM-DD"T"HH24:MI:SS"Z\""' ELSE '"\""YYYY-MM-DD"\""' END));
	END LOOP;
	RETURN known::jsonb;
END
$$;
COMMENT ON FUNCTION telemetry.example_of_now(jsonb) IS
	'An example in which the texts "$now" and "$today", perhaps followed by " - " and up to 999 minutes, hours or days, have become times and dates of '
	'the current hour.';

-- The check ------------------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.documentation_fault(method text, path text, documentation jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT f.fault
	FROM (
		SELECT 1 AS rank, format('there is no "%s"', left(m.key, 100)) AS fault
		FROM jsonb_object_keys(documentation) AS m (key)
		WHERE m.key NOT IN ('summary', 'description', 'tag', 'parameters', 'request', 'responses', 'schemas')
		UNION ALL
		SELECT 2, format('%s must be a text of 1 to %s characters', m.key, m.highest)
		FROM (VALUES ('summary', 200), ('description', 10000), ('tag', 100)) AS m (key, highest)
		WHERE documentation ? m.key
			AND (jsonb_typeof(documentation -> m.key) <> 'string' OR length(documentation ->> m.key) NOT BETWEEN 1 AND m.highest)
		UNION ALL
		SELECT 3, format('%s must be an %s', m.key, m.kind)
		FROM (VALUES ('parameters', 'array'), ('request', 'object'), ('responses', 'object'), ('schemas', 'object')) AS m (key, kind)
		WHERE documentation ? m.key AND jsonb_typeof(documentation -> m.key) <> m.kind
		UNION ALL
		SELECT 4, format('parameters[%s] must have %s', p.n - 1, c.wanted)
		FROM jsonb_path_query(documentation, 'strict $.parameters[*]', '{}', true) WITH ORDINALITY AS p (parameter, n)
		CROSS JOIN LATERAL (VALUES
			(jsonb_typeof(p.parameter) = 'object', 'members: it must be an object'),
			(jsonb_typeof(p.parameter -> 'name') = 'string' AND p.parameter ->> 'name' ~ '^[A-Za-z0-9_.-]{1,100}$', 'a name of up to 100 plain characters'),
			(p.parameter ->> 'in' IN ('path', 'query', 'header'), '"in": path, query or header'),
			(p.parameter ->> 'in' <> 'path' OR strpos(documentation_fault.path, '{' || (p.parameter ->> 'name') || '}') > 0, 'a name that is in the path'),
			(coalesce(jsonb_typeof(p.parameter -> 'required') = 'boolean', true), '"required": true or false'),
			(coalesce(jsonb_typeof(p.parameter -> 'description') = 'string', true), 'a description that is a text'),
			(coalesce(jsonb_typeof(p.parameter -> 'schema') = 'object', true), 'a schema that is an object'),
			(NOT EXISTS (SELECT FROM jsonb_object_keys(CASE jsonb_typeof(p.parameter) WHEN 'object' THEN p.parameter ELSE '{}' END) AS k (key)
				WHERE k.key NOT IN ('name', 'in', 'required', 'description', 'schema', 'example')),
				'no members but name, in, required, description, schema and example')
		) AS c (is_so, wanted)
		WHERE c.is_so IS NOT TRUE
		UNION ALL
		SELECT 5, format('parameters has %s twice', p.name)
		FROM (
			SELECT p.parameter ->> 'name' AS name, count(*) AS n
			FROM jsonb_path_query(documentation, 'strict $.parameters[*]', '{}', true) AS p (parameter)
			GROUP BY p.parameter ->> 'name', p.parameter ->> 'in'
		) AS p
		WHERE p.n > 1
		UNION ALL
		SELECT 6, 'request is not for GET' WHERE documentation ? 'request' AND documentation_fault.method = 'GET'
		UNION ALL
		SELECT 7, 'request must be {"schema": object, "example", "required": true or false}, each optional'
		WHERE CASE jsonb_typeof(documentation -> 'request') WHEN 'object' THEN
			jsonb_typeof(documentation #> '{request,schema}') <> 'object' OR jsonb_typeof(documentation #> '{request,required}') <> 'boolean'
				OR (documentation -> 'request') - '{schema,example,required}'::text[] <> '{}' END
		UNION ALL
		SELECT 8, format('responses must have statuses from 200 to 599 as its members'' names, not "%s"', left(r.key, 100))
		FROM jsonb_each(CASE jsonb_typeof(documentation -> 'responses') WHEN 'object' THEN documentation -> 'responses' ELSE '{}' END) AS r
		WHERE r.key !~ '^[2-5][0-9][0-9]$'
		UNION ALL
		SELECT 9, format('response %s must be a text, or {"description": text, "schema": object, "example", "content_type": text}, all but description optional',
			left(r.key, 100))
		FROM jsonb_each(CASE jsonb_typeof(documentation -> 'responses') WHEN 'object' THEN documentation -> 'responses' ELSE '{}' END) AS r
		WHERE (CASE jsonb_typeof(r.value)
			WHEN 'string' THEN true
			WHEN 'object' THEN jsonb_typeof(r.value -> 'description') = 'string' AND coalesce(jsonb_typeof(r.value -> 'schema') = 'object', true)
				AND coalesce(jsonb_typeof(r.value -> 'content_type') = 'string', true)
				AND r.value - '{description,schema,example,content_type}'::text[] = '{}'
		END) IS NOT TRUE
		UNION ALL
		SELECT 10, format('schemas must have objects as its members, with names of letters, digits, dots, hyphens and underscores: not "%s"', left(s.key, 100))
		FROM jsonb_each(CASE jsonb_typeof(documentation -> 'schemas') WHEN 'object' THEN documentation -> 'schemas' ELSE '{}' END) AS s
		WHERE s.key !~ '^[A-Za-z0-9._-]{1,100}$' OR jsonb_typeof(s.value) <> 'object'
		UNION ALL
		SELECT 11, format('it must have at most 100000 bytes, not %s', octet_length(documentation::text))
		WHERE octet_length(documentation::text) > 100000
	) AS f
	ORDER BY f.rank, f.fault
	LIMIT 1;
END;
COMMENT ON FUNCTION telemetry.documentation_fault(text, text, jsonb) IS
	'Of telemetry.check_documentation(): the first thing that is wrong; null if nothing is.';

CREATE FUNCTION telemetry.check_documentation() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	fault CONSTANT text := CASE WHEN jsonb_typeof(new.documentation) = 'object'
		THEN telemetry.documentation_fault(new.method, new.path, new.documentation) END;
BEGIN
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('documentation of route "%s %s": %s', new.method, new.path, fault);
	END IF;
	RETURN new;
END
$$;
COMMENT ON FUNCTION telemetry.check_documentation() IS
	'Trigger of telemetry.route: refuses documentation that is not {"summary", "description": texts, in place of the row''s description and the function''s '
	'comment, "tag": what it is listed under, '
	'"parameters": [{"name", "in": path, query or header, "required", "description", "schema", "example"}], "request": {"schema", "example", "required"}, '
	'"responses": {status: {"description", "schema", "example", "content_type"}, or its description alone where the answer is a failure in the dialect''s shape}, '
	'"schemas": {name: schema}, which any route''s schemas may refer to as #/components/schemas/name}, all of it optional, 100000 bytes at most. Schemas are JSON '
	'Schema, draft 2020-12. Examples may have times that telemetry.example_of_now() makes. Error: invalid_parameter_value.';
CREATE TRIGGER check_documentation BEFORE INSERT OR UPDATE OF method, path, documentation ON telemetry.route
	FOR EACH ROW WHEN (new.documentation IS NOT NULL) EXECUTE FUNCTION telemetry.check_documentation();

CREATE FUNCTION telemetry.document_routes(documentation jsonb) RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	UPDATE telemetry.route AS r
	SET documentation = d.value
	FROM jsonb_each(document_routes.documentation) AS d
	WHERE r.method || ' ' || r.path = d.key AND r.documentation IS NULL;
END;
COMMENT ON FUNCTION telemetry.document_routes(jsonb) IS
	'Writes telemetry.route.documentation of routes that have none: {method, a space and path: documentation}. For telemetry_admin. Error: invalid_parameter_value '
	'as telemetry.check_documentation() has it.';

REVOKE ALL ON FUNCTION telemetry.schema_or_null(jsonb), telemetry.type_schema(regtype), telemetry.columns_schema(regclass, text[]),
	telemetry.field_schema(jsonb), telemetry.fields_schema(jsonb, regclass, boolean), telemetry.page_parameters(),
	telemetry.example_of_now(jsonb), telemetry.documentation_fault(text, text, jsonb), telemetry.document_routes(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.schema_or_null(jsonb), telemetry.type_schema(regtype), telemetry.columns_schema(regclass, text[]),
	telemetry.field_schema(jsonb), telemetry.fields_schema(jsonb, regclass, boolean), telemetry.page_parameters(),
	telemetry.example_of_now(jsonb), telemetry.document_routes(jsonb) TO telemetry_admin;
