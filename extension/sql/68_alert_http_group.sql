-- Groups of devices and maintenance over HTTP.

-- Groups of devices ----------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.http_device_groups(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT answer.status, answer.body, answer.content_type
	FROM coalesce(
		telemetry.check_page(params),
		(SELECT telemetry.page_answer(params, 'device_groups', jsonb_agg(jsonb_build_object('name', g.name, 'description', g.description,
					'device_count', cardinality(g.device_ids), 'tags', g.tags) ORDER BY g.name),
				(SELECT count(*) FROM telemetry.device_group))
			FROM (
				SELECT o.* FROM telemetry.device_group AS o
				ORDER BY o.name
				LIMIT telemetry.page_limit(params) OFFSET telemetry.page_offset(params)
			) AS g)) AS answer;
END;
COMMENT ON FUNCTION telemetry.http_device_groups(jsonb, jsonb) IS
	'GET of device groups, by name: params limit (1 to 1000, 100), offset (0 to 1000000, 0). 200 {"device_groups": [{"name", "description", "device_count", "tags"}], "count": '
	'of all, "limit", "offset"}; 400 {"detail"}.';

CREATE FUNCTION telemetry.http_device_group(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT answer.status, answer.body, answer.content_type
	FROM telemetry.http_found((SELECT to_jsonb(g) FROM telemetry.device_group AS g WHERE g.name = params ->> 'name'), 'Device group') AS answer;
END;
COMMENT ON FUNCTION telemetry.http_device_group(jsonb, jsonb) IS
	'GET of a device group: params name. 200 {"name", "description", "device_ids", "tags"}; 404 {"detail"}.';

CREATE FUNCTION telemetry.device_group_fields() RETURNS jsonb
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT '{
		"description": {"kind": "text", "lowest": 0, "highest": 2000},
		"device_ids": {"kind": "texts", "items": 10000, "highest": 1024},
		"tags": {"kind": "object", "highest": 10000}
	}'::jsonb;
END;
COMMENT ON FUNCTION telemetry.device_group_fields() IS
	'What a device group over HTTP has beside its name, for telemetry.check_fields().';

CREATE FUNCTION telemetry.http_put_device_group(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer telemetry.http_response := coalesce(
		telemetry.check_privileges('telemetry.device_group', '{INSERT,UPDATE,SELECT}'),
		telemetry.check_fields(jsonb_build_object('name', params -> 'name'),
			'{"name": {"kind": "text", "lowest": 1, "highest": 128, "unit": "bytes", "required": true}}', false),
		telemetry.check_fields(body, telemetry.device_group_fields(), false));
	device_group telemetry.device_group;
	is_new boolean;
BEGIN
	IF answer.status IS NOT NULL THEN
		RETURN answer;
	END IF;
	INSERT INTO telemetry.device_group AS g (name, description, device_ids, tags)
	VALUES (params ->> 'name', body ->> 'description',
		telemetry.texts_of(body -> 'device_ids'), nullif(body -> 'tags', 'null'))
	ON CONFLICT (name) DO UPDATE
	SET description = EXCLUDED.description, device_ids = EXCLUDED.device_ids, tags = EXCLUDED.tags
	-- A row that has been updated is one that was locked.
	RETURNING g.name, g.description, g.device_ids, g.tags, g.xmax = 0
	INTO device_group.name, device_group.description, device_group.device_ids, device_group.tags, is_new;
	RETURN (CASE WHEN is_new THEN 201 ELSE 200 END, to_jsonb(device_group), NULL)::telemetry.http_response;
END
$$;
COMMENT ON FUNCTION telemetry.http_put_device_group(jsonb, jsonb) IS
	'PUT of a device group, which takes the place of one of its name: params name (1 to 128 bytes), body {"description": up to 2000 characters, "device_ids": up to 10000, "tags": '
	'an object}, each optional. 201 or, if there was one, 200 {"name", "description", "device_ids", "tags"}; 422 {"detail"}; 403 unless the role that calls it has '
	'INSERT and UPDATE on telemetry.device_group.';

CREATE FUNCTION telemetry.http_delete_device_group(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer telemetry.http_response := telemetry.check_privileges('telemetry.device_group', '{DELETE,SELECT}');
BEGIN
	IF answer.status IS NOT NULL THEN
		RETURN answer;
	END IF;
	DELETE FROM telemetry.device_group AS g WHERE g.name = params ->> 'name';
	RETURN telemetry.http_done(FOUND, 'Device group', 'deleted', jsonb_build_object('name', params -> 'name'));
END
$$;
COMMENT ON FUNCTION telemetry.http_delete_device_group(jsonb, jsonb) IS
	'DELETE of a device group: params name. Rules and maintenance that name it are about no device by it any more. 200 {"success", "message", "name"}; 404 {"detail"}; '
	'403 unless the role that calls it has DELETE on telemetry.device_group.';

-- Maintenance ----------------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.maintenance_json(maintenance telemetry.maintenance) RETURNS jsonb
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT to_jsonb(maintenance) || jsonb_build_object(
		'starts_at', CASE WHEN isfinite(maintenance.starts_at) THEN telemetry.json_time(maintenance.starts_at) ELSE maintenance.starts_at::text END,
		'ends_at', CASE WHEN isfinite(maintenance.ends_at) THEN telemetry.json_time(maintenance.ends_at) ELSE maintenance.ends_at::text END,
		'created_at', telemetry.json_time(maintenance.created_at));
END;
COMMENT ON FUNCTION telemetry.maintenance_json(telemetry.maintenance) IS
	'Maintenance as HTTP answers have it: the columns of telemetry.maintenance, with times in UTC, or infinity.';

CREATE FUNCTION telemetry.http_maintenances(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT answer.status, answer.body, answer.content_type
	FROM coalesce(
		telemetry.check_page(params),
		(SELECT telemetry.page_answer(params, 'maintenance',
				jsonb_agg(telemetry.maintenance_json(m.maintenance) ORDER BY (m.maintenance).ends_at DESC, (m.maintenance).id),
				(SELECT count(*) FROM telemetry.maintenance))
			FROM (
				SELECT o AS maintenance FROM telemetry.maintenance AS o
				ORDER BY o.ends_at DESC, o.id
				LIMIT telemetry.page_limit(params) OFFSET telemetry.page_offset(params)
			) AS m)) AS answer;
END;
COMMENT ON FUNCTION telemetry.http_maintenances(jsonb, jsonb) IS
	'GET of maintenance, that which ends last first: params limit (1 to 1000, 100), offset (0 to 1000000, 0). 200 {"maintenance": telemetry.maintenance_json() of each, "count": of all, '
	'"limit", "offset"}; 400 {"detail"}.';

CREATE FUNCTION telemetry.http_maintenance(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
	SELECT answer.status, answer.body, answer.content_type
	FROM telemetry.http_found(
		(SELECT telemetry.maintenance_json(m)
			FROM telemetry.maintenance AS m WHERE m.id = telemetry.integer_parameter(params ->> 'id', 0, 999999999)), 'Maintenance') AS answer;
END;
COMMENT ON FUNCTION telemetry.http_maintenance(jsonb, jsonb) IS
	'GET of maintenance: params id. 200 and telemetry.maintenance_json(); 404 {"detail"}.';

CREATE FUNCTION telemetry.maintenance_fields() RETURNS jsonb
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT '{
		"starts_at": {"kind": "time"},
		"ends_at": {"kind": "time", "required": true},
		"reason": {"kind": "text", "lowest": 0, "highest": 2000},
		"rule_ids": {"kind": "texts", "items": 1000, "highest": 128},
		"levels": {"kind": "choices", "choices": ["info", "warning", "error", "critical", "emergency"]},
		"device_ids": {"kind": "texts", "items": 10000, "highest": 1024},
		"device_groups": {"kind": "texts", "items": 100, "highest": 128}
	}'::jsonb;
END;
COMMENT ON FUNCTION telemetry.maintenance_fields() IS
	'What maintenance over HTTP has, for telemetry.check_fields().';

CREATE FUNCTION telemetry.http_create_maintenance(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer telemetry.http_response := coalesce(
		telemetry.check_privileges('telemetry.maintenance', '{INSERT,SELECT}'),
		telemetry.check_fields(body, telemetry.maintenance_fields(), false));
	maintenance telemetry.maintenance;
BEGIN
	IF answer.status IS NOT NULL THEN
		RETURN answer;
	END IF;
	maintenance.starts_at := coalesce(telemetry.time_parameter(body ->> 'starts_at'), now());
	maintenance.ends_at := telemetry.time_parameter(body ->> 'ends_at');
	IF maintenance.ends_at <= maintenance.starts_at THEN
		RETURN telemetry.http_problem('telemetry', 422, 'VALIDATION_ERROR', 'ends_at must be later than starts_at');
	END IF;
	INSERT INTO telemetry.maintenance AS m (starts_at, ends_at, reason, rule_ids, levels, device_ids, device_groups, created_by)
	VALUES (maintenance.starts_at, maintenance.ends_at, body ->> 'reason',
		telemetry.texts_of(body -> 'rule_ids'),
		telemetry.texts_of(body -> 'levels')::telemetry.alert_level[],
		telemetry.texts_of(body -> 'device_ids'),
		telemetry.texts_of(body -> 'device_groups'),
		telemetry.current_actor(telemetry.caller_name(params)))
	RETURNING m.* INTO maintenance;
	RETURN (201, telemetry.maintenance_json(maintenance), NULL)::telemetry.http_response;
END
$$;
COMMENT ON FUNCTION telemetry.http_create_maintenance(jsonb, jsonb) IS
	'POST of maintenance: body {"ends_at": ISO 8601, "starts_at": now if it is left out, "reason": up to 2000 characters, "rule_ids": up to 1000, "levels", "device_ids": up to 10000, '
	'"device_groups": up to 100}, all but ends_at optional. 201 and telemetry.maintenance_json(); 422 {"detail"}; 403 unless the role that calls it has INSERT on '
	'telemetry.maintenance.';

CREATE FUNCTION telemetry.http_delete_maintenance(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
<<asked>>
DECLARE
	answer telemetry.http_response := telemetry.check_privileges('telemetry.maintenance', '{DELETE,SELECT}');
	id CONSTANT integer := telemetry.integer_parameter(params ->> 'id', 0, 999999999);
BEGIN
	IF answer.status IS NOT NULL THEN
		RETURN answer;
	END IF;
	DELETE FROM telemetry.maintenance AS m WHERE m.id = asked.id;
	RETURN telemetry.http_done(FOUND, 'Maintenance', 'deleted', jsonb_build_object('id', id));
END
$$;
COMMENT ON FUNCTION telemetry.http_delete_maintenance(jsonb, jsonb) IS
	'DELETE of maintenance, which ends it: params id. 200 {"success", "message", "id"}; 404 {"detail"}; 403 unless the role that calls it has DELETE on telemetry.maintenance.';
