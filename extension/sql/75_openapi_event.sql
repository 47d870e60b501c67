-- Schemas of what routes with events take and answer, made of their dialect's and stream's rows.

CREATE FUNCTION telemetry.event_field_schema(stream text, field text) RETURNS jsonb
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
AS $$
BEGIN
	RETURN (
		SELECT CASE WHEN coalesce(r.required, false) OR event_field_schema.field = 'event_type' THEN s.schema ELSE telemetry.schema_or_null(s.schema) END
			|| jsonb_strip_nulls(jsonb_build_object('description', nullif(concat_ws(' ', s.description,
				'Required of ' || array_to_string(r.required_for, ', ') || '.'), '')))
		FROM (VALUES (1)) AS one
		LEFT JOIN telemetry.stream_field AS r ON r.stream = event_field_schema.stream AND r.field = event_field_schema.field
		LEFT JOIN telemetry.stream AS t ON t.name = event_field_schema.stream
		CROSS JOIN LATERAL (
			SELECT CASE coalesce(r.kind, CASE
						WHEN event_field_schema.field = 'occurred_at' THEN 'time'
						WHEN event_field_schema.field = 'duration_seconds' THEN 'duration'
						WHEN event_field_schema.field = 'data' THEN 'object'
						WHEN event_field_schema.field ^@ 'data.' THEN 'anything'
						ELSE 'text' END)
					WHEN 'text' THEN jsonb_build_object('type', 'string')
						|| CASE event_field_schema.field WHEN 'occurred_at' THEN jsonb_build_object('format', 'date-time')
							ELSE jsonb_strip_nulls(jsonb_build_object(
								'minLength', CASE WHEN r.required THEN 1 END,
								'maxLength', coalesce(r.max_length, CASE WHEN event_field_schema.field = 'event_type' THEN 64 WHEN event_field_schema.field !~ '^data[.]' THEN 256 END))) END
					WHEN 'time' THEN '{"type": ["string", "number"]}'
					WHEN 'duration' THEN '{"type": "number", "minimum": 0, "maximum": 1000000000}'
					WHEN 'any' THEN CASE WHEN event_field_schema.field ^@ 'data' THEN '{}' ELSE '{"type": ["string", "number"]}' END::jsonb
					WHEN 'json_text' THEN '{"type": "string", "contentMediaType": "application/json"}'::jsonb
						|| jsonb_strip_nulls(jsonb_build_object('maxLength', r.max_length))
					WHEN 'ulid' THEN '{"type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"}'
					WHEN 'uuid' THEN '{"type": "string", "format": "uuid"}'
					WHEN 'anything' THEN '{}'
					ELSE jsonb_build_object('type', coalesce(r.kind, 'object'))
						|| CASE coalesce(r.kind, 'object') WHEN 'object' THEN '{"additionalProperties": true}' ELSE '{}' END::jsonb
				END
				|| CASE WHEN r.kind IN ('number', 'integer') THEN jsonb_strip_nulls(jsonb_build_object('minimum', r.minimum, 'maximum', r.maximum)) ELSE '{}' END
				|| CASE WHEN event_field_schema.field = 'event_type' AND t.event_types IS NOT NULL
					THEN jsonb_build_object('type', 'string', 'enum', to_jsonb(t.event_types)) ELSE '{}' END AS schema,
				(SELECT col_description(a.attrelid, a.attnum) FROM pg_attribute AS a
					WHERE a.attrelid = 'telemetry.event_template'::regclass AND a.attname = event_field_schema.field) AS description
		) AS s
	);
END
$$;
COMMENT ON FUNCTION telemetry.event_field_schema(text, text) IS
	'The schema of a field of a stream''s events: by its rule in telemetry.stream_field, or what all events keep.';

CREATE FUNCTION telemetry.schema_of_paths(members jsonb) RETURNS jsonb
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
	properties jsonb := '{}';
	required jsonb := '[]';
	member record;
BEGIN
	FOR member IN
		SELECT m.path ->> 0 AS name,
			coalesce((jsonb_agg(m.schema ORDER BY m.schema) FILTER (WHERE jsonb_array_length(m.path) = 1)) -> 0, '{}') AS schema,
			jsonb_agg(jsonb_build_object('path', m.path - 0, 'schema', m.schema, 'required', m.required)) FILTER (WHERE jsonb_array_length(m.path) > 1) AS inner_members,
			bool_or(m.required) AS is_required
		FROM jsonb_to_recordset(members) AS m (path jsonb, schema jsonb, required boolean)
		GROUP BY m.path ->> 0
		ORDER BY m.path ->> 0
	LOOP
		properties := properties || jsonb_build_object(member.name,
			CASE WHEN member.inner_members IS NULL THEN member.schema ELSE member.schema || telemetry.schema_of_paths(member.inner_members) END);
		IF member.is_required THEN
			required := required || to_jsonb(member.name);
		END IF;
	END LOOP;
	RETURN jsonb_build_object('type', 'object', 'properties', properties)
		|| CASE required WHEN '[]' THEN '{}' ELSE jsonb_build_object('required', required) END;
END
$$;
COMMENT ON FUNCTION telemetry.schema_of_paths(jsonb) IS
	'The schema of an object of [{"path": [names of members, from the outer to the inner one], "schema", "required"}].';

-- What a path of a dialect begins at, and the names of members that follow.
CREATE FUNCTION telemetry.dialect_path(path text) RETURNS jsonb
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT jsonb_build_object('root', coalesce(substring(dialect_path.path FROM '^(item|body|params|header):'), 'event'),
		'path', to_jsonb(string_to_array(regexp_replace(dialect_path.path, '^(item|body|params|header):', ''), '.')));
END;
COMMENT ON FUNCTION telemetry.dialect_path(text) IS
	'A path of a dialect: {"root": event, item, body, params or header, "path": [names of members]}.';

CREATE FUNCTION telemetry.event_body_schema(dialect text, stream text, batch boolean, takes_array boolean, max_events integer) RETURNS jsonb
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
AS $$
DECLARE
	d telemetry.dialect;
	members jsonb;
	event jsonb;
	item jsonb;
	list jsonb;
	body jsonb;
BEGIN
	SELECT t.* INTO d FROM telemetry.dialect AS t WHERE t.name = event_body_schema.dialect;
	-- A field with several paths is in one of them, nobody knows which.
	SELECT coalesce(jsonb_agg(p.path || jsonb_build_object('schema', p.schema, 'required', p.required)), '[]') INTO members
	FROM (
		SELECT telemetry.dialect_path(p.path #>> '{}') AS path, telemetry.event_field_schema(event_body_schema.stream, f.key) AS schema,
			jsonb_typeof(f.value) = 'string'
				AND (coalesce(r.required, false) OR f.key = 'event_type' AND NOT EXISTS (SELECT FROM jsonb_each(d.kinds) AS k WHERE k.value <> 'null')) AS required
		FROM jsonb_each(d.fields) AS f
		CROSS JOIN LATERAL jsonb_path_query(f.value, 'lax $[*]') AS p (path)
		LEFT JOIN telemetry.stream_field AS r ON r.stream = event_body_schema.stream AND r.field = f.key
		UNION ALL
		SELECT telemetry.dialect_path(d.kind), jsonb_build_object('type', 'string', 'enum', (SELECT jsonb_agg(k.key ORDER BY k.key) FROM jsonb_object_keys(d.kinds) AS k (key))),
			batch
		WHERE d.kind IS NOT NULL
		UNION ALL
		SELECT telemetry.dialect_path(d.batch_id), '{"type": ["string", "null"], "minLength": 1, "maxLength": 256, "description": "The sender''s name for the batch."}', false
		WHERE d.batch_id IS NOT NULL AND batch
		-- What is kept under its own name.
		UNION ALL
		SELECT jsonb_build_object('root', 'event', 'path', jsonb_build_array(substr(r.field, 6))), telemetry.event_field_schema(event_body_schema.stream, r.field),
			r.required
		FROM telemetry.stream_field AS r
		WHERE r.stream = event_body_schema.stream AND r.field ^@ 'data.' AND d.unknown = 'keep' AND NOT d.fields ? r.field AND NOT d.fields ? 'data'
	) AS p;

	SELECT telemetry.schema_of_paths(coalesce(jsonb_agg(m.member) FILTER (WHERE m.member ->> 'root' = 'event'), '[]'))
			|| jsonb_build_object('additionalProperties', d.unknown <> 'refuse'),
		telemetry.schema_of_paths(coalesce(jsonb_agg(m.member) FILTER (WHERE m.member ->> 'root' = 'item'), '[]')),
		telemetry.schema_of_paths(coalesce(jsonb_agg(m.member) FILTER (WHERE m.member ->> 'root' = 'body'), '[]'))
	INTO event, item, body
	FROM jsonb_array_elements(members) AS m (member);
	IF NOT batch AND NOT takes_array THEN
		RETURN event;
	END IF;
	IF batch AND d.item IS NOT NULL THEN
		event := telemetry.schema_of_paths(jsonb_build_array(telemetry.dialect_path(d.item) || jsonb_build_object('schema', event, 'required', true)));
		item := jsonb_set(item || jsonb_build_object('properties', (item -> 'properties') || (event -> 'properties')),
			'{required}', coalesce(item -> 'required', '[]') || (event -> 'required'));
	ELSE
		item := event;
	END IF;
	list := jsonb_build_object('type', 'array', 'items', item, 'minItems', 1, 'maxItems', coalesce(max_events, 10000));
	IF NOT batch THEN
		RETURN jsonb_build_object('anyOf', jsonb_build_array(event, list));
	ELSIF d.events IS NULL THEN
		RETURN list;
	END IF;
	event := telemetry.schema_of_paths(jsonb_build_array(telemetry.dialect_path(d.events) || jsonb_build_object('schema', list, 'required', true)));
	body := jsonb_set(body || jsonb_build_object('properties', (body -> 'properties') || (event -> 'properties')),
		'{required}', coalesce(body -> 'required', '[]') || (event -> 'required'));
	RETURN CASE WHEN takes_array THEN jsonb_build_object('anyOf', jsonb_build_array(body, list)) ELSE body END;
END
$$;
COMMENT ON FUNCTION telemetry.event_body_schema(text, text, boolean, boolean, integer) IS
	'The schema of the body of a route that brings events of a stream in the words of a dialect: batch, takes_array and max_events as telemetry.route has them.';

CREATE FUNCTION telemetry.template_schema(template jsonb, texts jsonb) RETURNS jsonb
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
	properties jsonb := '{}';
	member record;
BEGIN
	CASE jsonb_typeof(template)
		WHEN 'object' THEN
			FOR member IN SELECT t.key, t.value FROM jsonb_each(template) AS t LOOP
				properties := properties || jsonb_build_object(member.key, telemetry.template_schema(member.value, texts));
			END LOOP;
			RETURN jsonb_build_object('type', 'object', 'properties', properties);
		WHEN 'array' THEN
			RETURN '{"type": "array"}';
		WHEN 'string' THEN
			RETURN coalesce(texts -> (template #>> '{}'), '{"type": "string"}');
		WHEN 'number' THEN
			RETURN '{"type": "number"}';
		WHEN 'boolean' THEN
			RETURN jsonb_build_object('type', 'boolean', 'const', template);
		ELSE
			RETURN '{}';
	END CASE;
END
$$;
COMMENT ON FUNCTION telemetry.template_schema(jsonb, jsonb) IS
	'The schema of what a template of a dialect becomes; texts has the schemas of the texts that are one value: {"$name": schema}.';

CREATE FUNCTION telemetry.dialect_schema(dialect text, what text) RETURNS jsonb
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
AS $$
DECLARE
	names CONSTANT jsonb := '{"accepted": "accepted", "duplicate": "duplicate", "kept": "kept", "replaced": "replaced", "sampled": "sampled", "rejected": "rejected"}';
	texts jsonb := '{
		"$correlation_id": {"type": "string"},
		"$batch_id": {"type": ["string", "null"]},
		"$event_id": {"type": ["string", "null"]},
		"$kind": {"type": ["string", "null"]},
		"$resolution": {"type": ["string", "null"], "enum": ["kept", "replaced", null]},
		"$is_repeated": {"type": ["boolean", "null"]},
		"$received_at": {"type": ["string", "null"], "format": "date-time"},
		"$index": {"type": "integer", "description": "Which of the events, from 0 on."},
		"$received": {"type": "integer"},
		"$accepted": {"type": "integer"},
		"$duplicates": {"type": "integer"},
		"$conflicts": {"type": "integer"},
		"$repeated": {"type": "integer"},
		"$rejected": {"type": "integer"},
		"$settled": {"type": "integer"},
		"$code": {"type": ["string", "null"], "description": "What is wrong, for programs."},
		"$title": {"type": ["string", "null"]},
		"$type": {"type": ["string", "null"]},
		"$detail": {"type": ["string", "null"], "description": "What is wrong, for people."}
	}';
	d telemetry.dialect;
BEGIN
	SELECT t.* INTO d FROM telemetry.dialect AS t WHERE t.name = dialect_schema.dialect;
	IF what = 'failure' THEN
		RETURN telemetry.template_schema(d.failure::jsonb, texts || '{
			"$status": {"type": "integer", "description": "The status of the answer."},
			"$code": {"type": "string", "description": "What is wrong, for programs."},
			"$detail": {"type": "string", "description": "What is wrong, for people."}}');
	END IF;
	texts := texts || jsonb_build_object('$outcome', jsonb_build_object('type', 'string',
		'enum', (SELECT jsonb_agg(DISTINCT o.value) FROM jsonb_each(names || d.outcomes) AS o)));
	IF what = 'success' THEN
		RETURN telemetry.template_schema(d.success::jsonb, texts);
	END IF;
	RETURN telemetry.template_schema(d.batch::jsonb,
		texts || jsonb_build_object('$results', jsonb_build_object('type', 'array', 'items', telemetry.template_schema(d.result::jsonb, texts))));
END
$$;
COMMENT ON FUNCTION telemetry.dialect_schema(text, text) IS
	'The schema of answers in a dialect''s words, by its templates: what is success (of a single event), batch or failure.';

REVOKE ALL ON FUNCTION telemetry.event_field_schema(text, text), telemetry.schema_of_paths(jsonb), telemetry.dialect_path(text),
	telemetry.event_body_schema(text, text, boolean, boolean, integer), telemetry.template_schema(jsonb, jsonb),
	telemetry.dialect_schema(text, text) FROM PUBLIC;
