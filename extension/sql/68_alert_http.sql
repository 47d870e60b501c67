-- Alert rules, alerts, device groups and maintenance over HTTP (seed 004, Epic 4).
--
-- What reads runs as the owner, as routes of apps do. What writes rules, groups and maintenance runs as whoever calls it, so that
-- the rights on the tables decide: telemetry_admin's, or those that were granted to the proxy's role. Parameters of the query
-- that cannot be read are answered with 400, fields of a body that are wrong with 422.

-- Bodies ---------------------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.field_is(value jsonb, field jsonb) RETURNS boolean
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT coalesce(CASE field ->> 'kind'
		WHEN 'text' THEN jsonb_typeof(value) = 'string'
			AND CASE field ->> 'unit' WHEN 'bytes' THEN octet_length(value #>> '{}') ELSE length(value #>> '{}') END
				BETWEEN (field ->> 'lowest')::integer AND (field ->> 'highest')::integer
		WHEN 'integer' THEN jsonb_typeof(value) = 'number'
			AND CASE WHEN value #>> '{}' ~ '^-?[0-9]{1,10}$'
				THEN (value #>> '{}')::bigint BETWEEN (field ->> 'lowest')::bigint AND (field ->> 'highest')::bigint END
		WHEN 'number' THEN jsonb_typeof(value) = 'number'
			AND CASE jsonb_typeof(value) WHEN 'number' THEN
				(value #>> '{}')::numeric = 0 OR abs((value #>> '{}')::numeric) BETWEEN 5e-324 AND 1.7976931348623157e308 END
		WHEN 'scalar' THEN CASE jsonb_typeof(value)
			WHEN 'number' THEN abs((value #>> '{}')::numeric) <= 1.7976931348623157e308
			WHEN 'string' THEN octet_length(value #>> '{}') <= (field ->> 'highest')::integer
			ELSE jsonb_typeof(value) = 'boolean' END
		WHEN 'boolean' THEN jsonb_typeof(value) = 'boolean'
		WHEN 'choice' THEN jsonb_typeof(value) = 'string' AND field -> 'choices' ? (value #>> '{}')
		WHEN 'choices' THEN jsonb_typeof(value) = 'array' AND jsonb_array_length(value) <= jsonb_array_length(field -> 'choices')
			AND value <@ (field -> 'choices')
		WHEN 'texts' THEN jsonb_typeof(value) = 'array' AND jsonb_array_length(value) <= (field ->> 'items')::integer
			AND NOT EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof(value) WHEN 'array' THEN value ELSE '[]' END) AS i (item)
				WHERE jsonb_typeof(i.item) <> 'string'
					OR octet_length(i.item #>> '{}') NOT BETWEEN 1 AND (field ->> 'highest')::integer)
		WHEN 'time' THEN jsonb_typeof(value) = 'string' AND isfinite(telemetry.time_parameter(value #>> '{}'))
		WHEN 'scalars' THEN jsonb_typeof(value) = 'array' AND jsonb_array_length(value) BETWEEN 1 AND (field ->> 'items')::integer
			AND NOT EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof(value) WHEN 'array' THEN value ELSE '[]' END) AS i (item)
				WHERE CASE jsonb_typeof(i.item)
					WHEN 'number' THEN abs((i.item #>> '{}')::numeric) > 1.7976931348623157e308
					WHEN 'string' THEN octet_length(i.item #>> '{}') > (field ->> 'highest')::integer
					ELSE jsonb_typeof(i.item) <> 'boolean' END)
		WHEN 'object' THEN jsonb_typeof(value) = 'object' AND (value <> '{}' OR field ? 'empty')
			AND pg_column_size(value) <= (field ->> 'highest')::integer
	END, false);
END;
COMMENT ON FUNCTION telemetry.field_is(jsonb, jsonb) IS
	'Of telemetry.check_fields(): whether a value, which is not null, is what the description of the field says.';

CREATE FUNCTION telemetry.field_rule(name text, field jsonb) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT name || ' must be ' || CASE field ->> 'kind'
		WHEN 'text' THEN format('a text of %s to %s %s', field -> 'lowest', field -> 'highest', coalesce(field ->> 'unit', 'characters'))
		WHEN 'integer' THEN format('an integer from %s to %s', field -> 'lowest', field -> 'highest')
		WHEN 'number' THEN 'a number within double precision'
		WHEN 'scalar' THEN format('a number within double precision, a text of up to %s bytes, or a boolean', field -> 'highest')
		WHEN 'boolean' THEN 'true or false'
		WHEN 'choice' THEN 'one of ' || (SELECT string_agg(c.choice, ', ' ORDER BY c.n)
			FROM jsonb_array_elements_text(field -> 'choices') WITH ORDINALITY AS c (choice, n))
		WHEN 'choices' THEN 'an array of some of ' || (SELECT string_agg(c.choice, ', ' ORDER BY c.n)
			FROM jsonb_array_elements_text(field -> 'choices') WITH ORDINALITY AS c (choice, n))
		WHEN 'texts' THEN format('an array of up to %s texts of 1 to %s bytes', field -> 'items', field -> 'highest')
		WHEN 'time' THEN 'a date or a time in ISO 8601'
		WHEN 'scalars' THEN format('an array of 1 to %s numbers within double precision, texts of up to %s bytes, or booleans', field -> 'items', field -> 'highest')
		WHEN 'object' THEN format('an object%s of up to %s bytes', CASE WHEN field ? 'empty' THEN '' ELSE ' that is not empty,' END, field -> 'highest')
	END;
END;
COMMENT ON FUNCTION telemetry.field_rule(text, jsonb) IS 'Of telemetry.check_fields(): what a field must be, in words.';

CREATE FUNCTION telemetry.check_fields(body jsonb, fields jsonb, partial boolean) RETURNS telemetry.http_response
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wrong text;
BEGIN
	IF jsonb_typeof(body) IS DISTINCT FROM 'object' THEN
		wrong := 'the body must be a JSON object';
	ELSE
		SELECT coalesce(
			(SELECT format('there is no field "%s"; the fields are %s', left(b.name, 100),
					(SELECT string_agg(f.name, ', ' ORDER BY f.name COLLATE "C") FROM jsonb_object_keys(fields) AS f (name)))
				FROM jsonb_object_keys(body) AS b (name)
				WHERE NOT fields ? b.name
				ORDER BY b.name COLLATE "C"
				LIMIT 1),
			(SELECT CASE
					WHEN coalesce(body -> f.key, 'null') <> 'null' THEN telemetry.field_rule(f.key, f.value)
					WHEN partial THEN f.key || ' must not be null'
					ELSE f.key || ' is required'
				END
				FROM jsonb_each(fields) AS f
				WHERE CASE
					WHEN coalesce(body -> f.key, 'null') <> 'null' THEN NOT telemetry.field_is(body -> f.key, f.value)
					ELSE f.value ? 'required' AND (body ? f.key OR NOT partial)
				END
				ORDER BY f.key COLLATE "C"
				LIMIT 1))
		INTO wrong;
	END IF;
	IF wrong IS NULL THEN
		RETURN NULL;
	END IF;
	RETURN telemetry.http_problem('telemetry', 422, 'VALIDATION_ERROR', wrong);
END
$$;
COMMENT ON FUNCTION telemetry.check_fields(jsonb, jsonb, boolean) IS
	'The first thing that is wrong with a body, as the answer to give (422); null if nothing is. fields describes the members it may have: {name: '
	'{"kind": text (lowest and highest: how many characters, or bytes with "unit": "bytes"), integer (from lowest to highest), number, '
	'scalar (a number, a text of up to highest bytes, a boolean), boolean, choice and choices ("choices": texts), texts (up to "items" of 1 to highest bytes), time, scalars (1 to "items" scalars) or object (up to highest bytes; '
	'not {} without "empty": true), '
	'"required": true}}. null counts as not there; with partial, what is required may be left out.';

CREATE FUNCTION telemetry.texts_of(value jsonb) RETURNS text[]
	LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT ARRAY(SELECT t.item FROM jsonb_array_elements_text(coalesce(nullif(value, 'null'), '[]')) WITH ORDINALITY AS t (item, n) ORDER BY t.n);
END;
COMMENT ON FUNCTION telemetry.texts_of(jsonb) IS 'The texts of an array of a body that telemetry.check_fields() has let pass; none if it is not there.';

-- Rights of who calls, not of an owner: this function and those that call it are not SECURITY DEFINER.
CREATE FUNCTION telemetry.check_privileges(relation text, privileges text[]) RETURNS telemetry.http_response
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT (telemetry.http_problem('telemetry', 403, 'FORBIDDEN',
		format('role "%s" has no %s on %s: it is no member of telemetry_admin', current_user, p.privilege, relation))).*
	FROM unnest(privileges) AS p (privilege)
	WHERE NOT has_table_privilege(relation, p.privilege)
	LIMIT 1;
END;
COMMENT ON FUNCTION telemetry.check_privileges(text, text[]) IS
	'403 if the current user lacks one of the privileges on a table, else null.';

-- Answers --------------------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.http_found(found jsonb, what text) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT a.status, a.body, a.content_type
	FROM (SELECT 200 AS status, found AS body, NULL::text AS content_type WHERE found IS NOT NULL
		UNION ALL
		SELECT p.status, p.body, p.content_type FROM telemetry.http_problem('telemetry', 404, 'NOT_FOUND', what || ' not found') AS p WHERE found IS NULL) AS a;
END;
COMMENT ON FUNCTION telemetry.http_found(jsonb, text) IS 'The answer with what was asked for; null: 404, that what was not found.';

CREATE FUNCTION telemetry.http_done(done boolean, what text, verb text, members jsonb) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT a.status, a.body, a.content_type
	FROM telemetry.http_found(CASE WHEN done THEN jsonb_build_object('success', true, 'message', what || ' ' || verb) || members END, what) AS a;
END;
COMMENT ON FUNCTION telemetry.http_done(boolean, text, text, jsonb) IS
	'The answer when something was done to what: 200 {"success": true, "message", and members}; if it was not, 404.';

-- Rules ----------------------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.alert_rule_fields() RETURNS jsonb
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT '{
		"name": {"kind": "text", "lowest": 1, "highest": 200, "required": true},
		"description": {"kind": "text", "lowest": 0, "highest": 2000},
		"metric_name": {"kind": "text", "lowest": 1, "highest": 128, "unit": "bytes"},
		"metric_pattern": {"kind": "text", "lowest": 1, "highest": 256, "unit": "bytes"},
		"measure": {"kind": "choice", "choices": ["value", "delta", "rate"], "default": "value"},
		"condition": {"kind": "choice", "choices": [">", "<", ">=", "<=", "==", "!=", "absent"], "required": true},
		"threshold_value": {"kind": "scalar", "highest": 10000, "required": true},
		"resolve_threshold": {"kind": "number"},
		"evaluation_window": {"kind": "integer", "lowest": 1, "highest": 604800, "default": 300},
		"trigger_count": {"kind": "integer", "lowest": 1, "highest": 1000, "default": 1},
		"for_seconds": {"kind": "integer", "lowest": 0, "highest": 604800, "default": 0},
		"level": {"kind": "choice", "choices": ["info", "warning", "error", "critical", "emergency"], "default": "warning"},
		"absence_of": {"kind": "choice", "choices": ["metric", "device"], "default": "metric"},
		"level_after": {"kind": "integer", "lowest": 1, "highest": 2592000},
		"level_then": {"kind": "choice", "choices": ["info", "warning", "error", "critical", "emergency"]},
		"device_ids": {"kind": "texts", "items": 10000, "highest": 1024, "default": []},
		"device_patterns": {"kind": "texts", "items": 100, "highest": 1024, "default": []},
		"device_groups": {"kind": "texts", "items": 100, "highest": 128, "default": []},
		"active_hours": {"kind": "texts", "items": 50, "highest": 100, "default": []},
		"active_timezone": {"kind": "text", "lowest": 1, "highest": 100, "default": "UTC"},
		"notification_channels": {"kind": "texts", "items": 100, "highest": 200, "default": []},
		"cooldown_minutes": {"kind": "integer", "lowest": 0, "highest": 43200, "default": 15},
		"auto_resolve": {"kind": "boolean", "default": true},
		"auto_resolve_timeout": {"kind": "integer", "lowest": 1, "highest": 2592000},
		"late": {"kind": "choice", "choices": ["ignore", "record"], "default": "ignore"},
		"enabled": {"kind": "boolean", "default": true}
	}'::jsonb;
END;
COMMENT ON FUNCTION telemetry.alert_rule_fields() IS
	'What a rule over HTTP has, for telemetry.check_fields(): the columns of telemetry.alert_rule that are written, with their limits. "default": what null stands for.';

CREATE FUNCTION telemetry.alert_rule_json(rule telemetry.alert_rule) RETURNS jsonb
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT to_jsonb(rule) - 'request_hash' || jsonb_build_object(
		'threshold_value', rule.threshold_value::jsonb,
		'resolve_threshold', rule.resolve_threshold::jsonb,
		'created_at', telemetry.json_time(rule.created_at),
		'updated_at', telemetry.json_time(rule.updated_at),
		'total_triggers', coalesce(s.total_triggers, 0),
		'last_triggered', telemetry.json_time(s.last_triggered),
		'late_points', coalesce(s.late_points, 0),
		'open_alerts', coalesce(s.open_alerts, 0),
		'last_error', s.last_error,
		'last_error_at', telemetry.json_time(s.last_error_at))
	FROM (VALUES (1)) AS one
	LEFT JOIN telemetry.alert_rule_status AS s ON s.rule_id = rule.rule_id;
END;
COMMENT ON FUNCTION telemetry.alert_rule_json(telemetry.alert_rule) IS
	'A rule as HTTP answers have it: {the columns of telemetry.alert_rule, "total_triggers", "last_triggered", "late_points", "open_alerts", "last_error", '
	'"last_error_at" of telemetry.alert_rule_status}, with times in UTC.';

CREATE FUNCTION telemetry.write_alert_rule(rule_id text, body jsonb, actor text, request_key text DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	fields CONSTANT jsonb := telemetry.alert_rule_fields();
	is_new CONSTANT boolean := rule_id IS NULL;
	defaults CONSTANT jsonb := (SELECT jsonb_object_agg(f.key, f.value -> 'default') FROM jsonb_each(fields) AS f WHERE f.value ? 'default');
	wrong text;
	constraint_name text;
	given jsonb;
	rule telemetry.alert_rule;
	made telemetry.alert_rule;
	answer telemetry.http_response := coalesce(
		telemetry.check_privileges('telemetry.alert_rule', CASE WHEN is_new THEN '{INSERT,SELECT}' ELSE '{UPDATE,SELECT}' END::text[]),
		telemetry.check_fields(body, fields, NOT is_new));
BEGIN
	IF answer.status IS NOT NULL THEN
		RETURN answer;
	END IF;
	IF is_new THEN
		rule.created_at := now();
		rule.updated_at := now();
		rule.created_by := telemetry.current_actor(actor);
		IF request_key IS NULL THEN
			rule.rule_id := telemetry.new_id('rule');
		ELSE
			-- Made of the key and who asks: so it is there once, whoever comes at the same time.
			rule.rule_id := 'rule_' || left(encode(sha256(convert_to(jsonb_build_array(rule.created_by, request_key)::text, 'UTF8')), 'hex'), 24);
			rule.request_hash := encode(sha256(convert_to(body::text, 'UTF8')), 'hex');
		END IF;
		rule.revision := 1;
		rule.auto_resolve_timeout := 3600;
		given := defaults;
	ELSE
		SELECT r.* INTO rule FROM telemetry.alert_rule AS r WHERE r.rule_id = write_alert_rule.rule_id FOR NO KEY UPDATE;
		IF NOT FOUND THEN
			RETURN telemetry.http_found(NULL, 'Alert rule');
		END IF;
		given := '{}';
	END IF;
	SELECT given || coalesce(jsonb_object_agg(b.key, CASE WHEN b.value = 'null' THEN coalesce(defaults -> b.key, 'null') ELSE b.value END), '{}')
	INTO given
	FROM jsonb_each(body) AS b;
	rule := jsonb_populate_record(rule, given - '{threshold_value,resolve_threshold}'::text[]);
	IF given ? 'threshold_value' THEN
		rule.threshold_value := (given -> 'threshold_value')::telemetry.value;
	END IF;
	IF given ? 'resolve_threshold' THEN
		rule.resolve_threshold := nullif(given -> 'resolve_threshold', 'null')::telemetry.value;
	END IF;

	wrong := CASE
		WHEN num_nulls(rule.metric_name, rule.metric_pattern) = 2 THEN 'metric_name is required, or metric_pattern'
		WHEN num_nulls(rule.metric_name, rule.metric_pattern) = 0 THEN 'metric_name and metric_pattern exclude each other'
		WHEN rule.for_seconds > 0 AND rule.trigger_count > 1 THEN 'for_seconds and a trigger_count above 1 exclude each other'
	END;
	IF wrong IS NOT NULL THEN
		RETURN telemetry.http_problem('telemetry', 422, 'VALIDATION_ERROR', wrong);
	END IF;
	IF is_new THEN
		LOOP
			SELECT r.* INTO made FROM telemetry.alert_rule AS r WHERE r.rule_id = rule.rule_id;
			EXIT WHEN FOUND;
			INSERT INTO telemetry.alert_rule VALUES (rule.*) ON CONFLICT DO NOTHING RETURNING * INTO made;
			EXIT WHEN FOUND;
		END LOOP;
		IF made.request_hash IS DISTINCT FROM rule.request_hash THEN
			RETURN telemetry.http_problem('telemetry', 422, 'IDEMPOTENCY_KEY_REUSED', 'this Idempotency-Key was used for other content');
		END IF;
		rule := made;
	ELSE
		UPDATE telemetry.alert_rule AS r
		SET name = rule.name, description = rule.description, metric_name = rule.metric_name, metric_pattern = rule.metric_pattern,
			measure = rule.measure, condition = rule.condition, threshold_value = rule.threshold_value,
			resolve_threshold = rule.resolve_threshold, evaluation_window = rule.evaluation_window, trigger_count = rule.trigger_count,
			for_seconds = rule.for_seconds, absence_of = rule.absence_of, level = rule.level, level_after = rule.level_after,
			level_then = rule.level_then, device_ids = rule.device_ids, device_patterns = rule.device_patterns,
			device_groups = rule.device_groups, active_hours = rule.active_hours, active_timezone = rule.active_timezone,
			notification_channels = rule.notification_channels, cooldown_minutes = rule.cooldown_minutes,
			auto_resolve = rule.auto_resolve, auto_resolve_timeout = rule.auto_resolve_timeout, late = rule.late, enabled = rule.enabled
		WHERE r.rule_id = rule.rule_id
		RETURNING * INTO rule;
	END IF;
	RETURN (CASE WHEN is_new THEN 201 ELSE 200 END, telemetry.alert_rule_json(rule), NULL)::telemetry.http_response;
EXCEPTION
	WHEN invalid_parameter_value OR numeric_value_out_of_range THEN
		RETURN telemetry.http_problem('telemetry', 422, 'VALIDATION_ERROR', SQLERRM);
	WHEN check_violation THEN
		GET STACKED DIAGNOSTICS constraint_name = CONSTRAINT_NAME;
		RETURN telemetry.http_problem('telemetry', 422, 'VALIDATION_ERROR', 'not as it must be: ' || replace(constraint_name, '_', ' '));
END
$$;
COMMENT ON FUNCTION telemetry.write_alert_rule(text, jsonb, text, text) IS
	'Makes a rule of a body, for actor, or, of a rule_id, changes the fields that the body has. With a request_key, what actor has made under it before is the answer, as it is now; 422 if that '
	'was of another body. 201 or 200 and telemetry.alert_rule_json(); 403, 404, 422 {"detail"}. '
	'Errors: those of telemetry.current_actor().';

CREATE FUNCTION telemetry.caller_name(params jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT coalesce(params #>> '{caller,user_id}', params #>> '{caller,device_id}');
END;
COMMENT ON FUNCTION telemetry.caller_name(jsonb) IS 'Who asks, by the proxy''s word: a user, or else a device; null: nobody says.';

CREATE FUNCTION telemetry.http_create_alert_rule(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT w.status, w.body, w.content_type FROM telemetry.write_alert_rule(NULL, body, telemetry.caller_name(params),
		params #>> '{caller,idempotency_key}') AS w;
END;
COMMENT ON FUNCTION telemetry.http_create_alert_rule(jsonb, jsonb) IS
	'POST of a rule: body as telemetry.alert_rule_fields() has it. 201 and the rule; 422 {"detail"}; under an Idempotency-Key that the caller has used before the rule that was made then, as it is now, or '
	'422 if the body was another one; 403 unless the role that calls it, the proxy''s for '
	'instance, has INSERT on telemetry.alert_rule, as members of telemetry_admin have.';

CREATE FUNCTION telemetry.http_change_alert_rule(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT w.status, w.body, w.content_type
	FROM telemetry.write_alert_rule(coalesce(params ->> 'rule_id', ''), body, telemetry.caller_name(params)) AS w;
END;
COMMENT ON FUNCTION telemetry.http_change_alert_rule(jsonb, jsonb) IS
	'PUT of a rule: params rule_id, body the fields that change; null: as when it is left out of a new rule, but of auto_resolve_timeout never. 200 and the rule; 404, '
	'422 {"detail"}; 403 unless the role that calls it has UPDATE on telemetry.alert_rule.';

CREATE FUNCTION telemetry.http_enable_alert_rule(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
<<asked>>
DECLARE
	answer telemetry.http_response := coalesce(
		telemetry.check_privileges('telemetry.alert_rule', '{UPDATE,SELECT}'),
		telemetry.check_fields(body, '{"enabled": {"kind": "boolean", "required": true}}', false));
	enabled boolean;
BEGIN
	IF answer.status IS NOT NULL THEN
		RETURN answer;
	END IF;
	enabled := (body ->> 'enabled')::boolean;
	UPDATE telemetry.alert_rule AS r SET enabled = asked.enabled
	WHERE r.rule_id = params ->> 'rule_id';
	RETURN telemetry.http_done(FOUND, 'Alert rule', CASE WHEN enabled THEN 'enabled' ELSE 'disabled' END,
		jsonb_build_object('rule_id', params -> 'rule_id', 'enabled', enabled));
END
$$;
COMMENT ON FUNCTION telemetry.http_enable_alert_rule(jsonb, jsonb) IS
	'PUT of whether a rule judges points: params rule_id, body {"enabled": boolean}. 200 {"success", "message", "rule_id", "enabled"}; 404, 422 {"detail"}; '
	'403 unless the role that calls it has UPDATE on telemetry.alert_rule.';

CREATE FUNCTION telemetry.http_delete_alert_rule(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer telemetry.http_response := telemetry.check_privileges('telemetry.alert_rule', '{DELETE,SELECT}');
BEGIN
	IF answer.status IS NOT NULL THEN
		RETURN answer;
	END IF;
	DELETE FROM telemetry.alert_rule AS r WHERE r.rule_id = params ->> 'rule_id';
	RETURN telemetry.http_done(FOUND, 'Alert rule', 'deleted', jsonb_build_object('rule_id', params -> 'rule_id'));
END
$$;
COMMENT ON FUNCTION telemetry.http_delete_alert_rule(jsonb, jsonb) IS
	'DELETE of a rule, as telemetry.delete_alert_rule() does it: params rule_id. 200 {"success", "message", "rule_id"}; 404 {"detail"}; 403 unless the role that '
	'calls it has DELETE on telemetry.alert_rule.';

CREATE FUNCTION telemetry.http_alert_rule(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT answer.status, answer.body, answer.content_type
	FROM telemetry.http_found(
		(SELECT telemetry.alert_rule_json(r) FROM telemetry.alert_rule AS r WHERE r.rule_id = params ->> 'rule_id'), 'Alert rule') AS answer;
END;
COMMENT ON FUNCTION telemetry.http_alert_rule(jsonb, jsonb) IS 'GET of a rule: params rule_id. 200 and telemetry.alert_rule_json(); 404 {"detail"}.';

CREATE FUNCTION telemetry.check_choice(params jsonb, name text, choices text[]) RETURNS telemetry.http_response
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF params ? name AND (params ->> name = ANY (choices)) IS NOT TRUE THEN
		RETURN telemetry.http_problem('telemetry', 400, 'VALIDATION_ERROR', format('%s must be one of %s', name, array_to_string(choices, ', ')));
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.check_choice(jsonb, text, text[]) IS
	'400 if a parameter is there and none of the choices, else null.';

CREATE FUNCTION telemetry.http_alert_rules(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_custom_plan
AS $$
<<asked>>
DECLARE
	answer telemetry.http_response := coalesce(
		telemetry.check_choice(params, 'enabled', '{true,false}'),
		telemetry.check_choice(params, 'level', enum_range(NULL::telemetry.alert_level)::text[]),
		telemetry.check_page(params));
	enabled CONSTANT boolean := CASE WHEN answer.status IS NULL THEN (params ->> 'enabled')::boolean END;
	level CONSTANT telemetry.alert_level := CASE WHEN answer.status IS NULL THEN (params ->> 'level')::telemetry.alert_level END;
	metric_name CONSTANT text := params ->> 'metric_name';
	total bigint;
	rules jsonb;
BEGIN
	IF answer.status IS NOT NULL THEN
		RETURN answer;
	END IF;
	SELECT count(*) INTO total
	FROM telemetry.alert_rule AS r
	WHERE (asked.enabled IS NULL OR r.enabled = asked.enabled)
		AND (asked.level IS NULL OR r.level = asked.level)
		AND (asked.metric_name IS NULL OR r.metric_name = asked.metric_name);
	SELECT jsonb_agg(telemetry.alert_rule_json(p.rule) ORDER BY (p.rule).created_at DESC, (p.rule).rule_id) INTO rules
	FROM (
		SELECT r AS rule
		FROM telemetry.alert_rule AS r
		WHERE (asked.enabled IS NULL OR r.enabled = asked.enabled)
			AND (asked.level IS NULL OR r.level = asked.level)
			AND (asked.metric_name IS NULL OR r.metric_name = asked.metric_name)
		ORDER BY r.created_at DESC, r.rule_id
		LIMIT telemetry.page_limit(params) OFFSET telemetry.page_offset(params)
	) AS p;
	RETURN telemetry.page_answer(params, 'rules', rules, total, jsonb_build_object(
		'filters', jsonb_strip_nulls(jsonb_build_object('enabled', enabled, 'level', level, 'metric_name', metric_name))));
END
$$;
COMMENT ON FUNCTION telemetry.http_alert_rules(jsonb, jsonb) IS
	'GET of rules, the newest first: params enabled, level, metric_name, limit (1 to 1000, 100), offset (0 to 1000000, 0). 200 {"rules": telemetry.alert_rule_json() of each, '
	'"count": of all that the filters let through, "filters", "limit", "offset"}; 400 {"detail"}.';

-- Alerts ---------------------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.alert_json(alert telemetry.alert) RETURNS jsonb
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT to_jsonb(alert) || jsonb_build_object(
		'threshold_value', alert.threshold_value::jsonb,
		'value', alert.value::jsonb,
		'triggered_at', telemetry.json_time(alert.triggered_at),
		'created_at', telemetry.json_time(alert.created_at),
		'acknowledged_at', telemetry.json_time(alert.acknowledged_at),
		'resolved_at', telemetry.json_time(alert.resolved_at),
		'resolution_known_at', telemetry.json_time(alert.resolution_known_at));
END;
COMMENT ON FUNCTION telemetry.alert_json(telemetry.alert) IS
	'An alert as HTTP answers have it: the columns of telemetry.alert, with values as JSON and times in UTC.';

-- Inlined into what selects from it, so that its conditions find their indexes.
CREATE FUNCTION telemetry.alerts_like(status telemetry.alert_status, level telemetry.alert_level, device_id text, rule_id text, metric_name text,
		start_time timestamptz, end_time timestamptz) RETURNS SETOF telemetry.alert
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT a.*
	FROM telemetry.alert AS a
	WHERE (alerts_like.status IS NULL OR a.status = alerts_like.status)
		AND (alerts_like.level IS NULL OR a.level = alerts_like.level)
		AND (alerts_like.device_id IS NULL OR a.device_id = alerts_like.device_id)
		AND (alerts_like.rule_id IS NULL OR a.rule_id = alerts_like.rule_id)
		AND (alerts_like.metric_name IS NULL OR a.metric_name = alerts_like.metric_name)
		AND (alerts_like.start_time IS NULL OR a.triggered_at >= alerts_like.start_time)
		AND (alerts_like.end_time IS NULL OR a.triggered_at < alerts_like.end_time);
END;
COMMENT ON FUNCTION telemetry.alerts_like(telemetry.alert_status, telemetry.alert_level, text, text, text, timestamptz, timestamptz) IS
	'Alerts that have what is not null, triggered from start_time on and before end_time, in no order.';

CREATE FUNCTION telemetry.http_alerts(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_custom_plan
AS $$
<<asked>>
DECLARE
	counted_to CONSTANT integer := 10000;
	answer telemetry.http_response := coalesce(
		telemetry.check_choice(params, 'status', enum_range(NULL::telemetry.alert_status)::text[]),
		telemetry.check_choice(params, 'level', enum_range(NULL::telemetry.alert_level)::text[]),
		telemetry.check_page(params, '{start_time,end_time}'));
	status CONSTANT telemetry.alert_status := CASE WHEN answer.status IS NULL THEN (params ->> 'status')::telemetry.alert_status END;
	level CONSTANT telemetry.alert_level := CASE WHEN answer.status IS NULL THEN (params ->> 'level')::telemetry.alert_level END;
	device_id CONSTANT text := params ->> 'device_id';
	rule_id CONSTANT text := params ->> 'rule_id';
	metric_name CONSTANT text := params ->> 'metric_name';
	start_time CONSTANT timestamptz := telemetry.time_parameter(params ->> 'start_time');
	end_time CONSTANT timestamptz := telemetry.time_parameter(params ->> 'end_time');
	total bigint;
	active bigint;
	critical bigint;
	alerts jsonb;
BEGIN
	IF answer.status IS NOT NULL THEN
		RETURN answer;
	END IF;
	SELECT count(*) INTO total
	FROM (
		SELECT FROM telemetry.alerts_like(status, level, device_id, rule_id, metric_name, start_time, end_time) AS a
		LIMIT counted_to
	) AS c;
	SELECT jsonb_agg(telemetry.alert_json(p.alert) ORDER BY (p.alert).triggered_at DESC, (p.alert).alert_id) INTO alerts
	FROM (
		SELECT a AS alert
		FROM telemetry.alerts_like(status, level, device_id, rule_id, metric_name, start_time, end_time) AS a
		ORDER BY a.triggered_at DESC, a.alert_id
		LIMIT telemetry.page_limit(params) OFFSET telemetry.page_offset(params)
	) AS p;
	SELECT count(*), count(*) FILTER (WHERE a.level >= 'critical') INTO active, critical
	FROM telemetry.alert AS a
	WHERE a.status <> 'resolved';
	RETURN telemetry.page_answer(params, 'alerts', alerts, total, jsonb_build_object('active_count', active, 'critical_count', critical,
		'filters', jsonb_strip_nulls(jsonb_build_object('status', status, 'level', level, 'device_id', device_id, 'rule_id', rule_id,
			'metric_name', metric_name, 'start_time', telemetry.json_time(start_time), 'end_time', telemetry.json_time(end_time)))));
END
$$;
COMMENT ON FUNCTION telemetry.http_alerts(jsonb, jsonb) IS
	'GET of alerts, the newest first: params status, level, device_id, rule_id, metric_name, start_time (triggered then or later), end_time (earlier), limit (1 to 1000, 100), '
	'offset (0 to 1000000, 0). 200 {"alerts": telemetry.alert_json() of each, "count": of all that the filters let through, counted to 10000, "active_count": of all that '
	'are active or acknowledged, whatever the filters, "critical_count": of these, critical or worse, "filters", "limit", "offset"}; 400 {"detail"}.';

CREATE FUNCTION telemetry.http_alert(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT answer.status, answer.body, answer.content_type
	FROM telemetry.http_found(
		(SELECT telemetry.alert_json(a) FROM telemetry.alert AS a WHERE a.alert_id = params ->> 'alert_id'), 'Alert') AS answer;
END;
COMMENT ON FUNCTION telemetry.http_alert(jsonb, jsonb) IS 'GET of an alert: params alert_id. 200 and telemetry.alert_json(); 404 {"detail"}.';

CREATE FUNCTION telemetry.move_alert(params jsonb, body jsonb, note_name text) RETURNS telemetry.http_response
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	text_of_note CONSTANT jsonb := '{"kind": "text", "lowest": 0, "highest": 10000}';
	given CONSTANT jsonb := coalesce(nullif(body, 'null'), '{}');
	answer telemetry.http_response := telemetry.check_fields(given, jsonb_build_object('note', text_of_note, note_name, text_of_note), false);
	actor CONSTANT text := telemetry.caller_name(params);
	note text;
	alert telemetry.alert;
BEGIN
	IF answer.status IS NOT NULL THEN
		RETURN answer;
	END IF;
	note := coalesce(given ->> note_name, given ->> 'note');
	IF note_name = 'acknowledgement_note' THEN
		alert := telemetry.acknowledge_alert(params ->> 'alert_id', note, actor);
	ELSE
		alert := telemetry.resolve_alert(params ->> 'alert_id', note, actor);
	END IF;
	RETURN telemetry.http_done(true, 'Alert', alert.status::text,
		jsonb_build_object('alert_id', alert.alert_id, 'status', alert.status, 'alert', telemetry.alert_json(alert)));
EXCEPTION
	WHEN no_data_found THEN
		RETURN telemetry.http_found(NULL, 'Alert');
	WHEN object_not_in_prerequisite_state THEN
		RETURN telemetry.http_problem('telemetry', 409, 'CONFLICT', SQLERRM);
END
$$;
COMMENT ON FUNCTION telemetry.move_alert(jsonb, jsonb, text) IS
	'Of telemetry.http_acknowledge_alert() and http_resolve_alert(), which its last argument, the other name of the note, tells apart.';

CREATE FUNCTION telemetry.http_acknowledge_alert(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT m.status, m.body, m.content_type FROM telemetry.move_alert(params, body, 'acknowledgement_note') AS m;
END;
COMMENT ON FUNCTION telemetry.http_acknowledge_alert(jsonb, jsonb) IS
	'PUT of an acknowledgement, by telemetry.acknowledge_alert(): params alert_id, and the caller, who acknowledges it; body {"note" or "acknowledgement_note": up to 10000 characters, '
	'optional}, or none. 200 {"success", "message", "alert_id", "status", "alert": telemetry.alert_json()}; 404, 422 {"detail"}, 409 if it is not active.';

CREATE FUNCTION telemetry.http_resolve_alert(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT m.status, m.body, m.content_type FROM telemetry.move_alert(params, body, 'resolution_note') AS m;
END;
COMMENT ON FUNCTION telemetry.http_resolve_alert(jsonb, jsonb) IS
	'PUT of a resolution, by telemetry.resolve_alert(): params alert_id, and the caller, who resolves it; body {"note" or "resolution_note": up to 10000 characters, optional}, or none. '
	'200 {"success", "message", "alert_id", "status", "alert": telemetry.alert_json()}; 404, 422 {"detail"}, 409 if it is resolved.';
