-- What the routes of alerts, device groups and maintenance say of themselves.

CREATE FUNCTION telemetry.done_schema(id text) RETURNS jsonb
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT jsonb_build_object('type', 'object', 'required', jsonb_build_array('success', 'message', id),
		'properties', jsonb_build_object('success', '{"type": "boolean", "const": true}'::jsonb, 'message', '{"type": "string"}'::jsonb,
			id, jsonb_build_object('type', CASE id WHEN 'id' THEN 'integer' ELSE 'string' END)));
END;
COMMENT ON FUNCTION telemetry.done_schema(text) IS
	'The schema of an answer that something is done: {"success": true, "message", and the name of what it is done to}.';

CREATE FUNCTION telemetry.list_schema(name text, items jsonb, others jsonb DEFAULT '{}') RETURNS jsonb
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT jsonb_build_object('type', 'object',
		'required', (SELECT jsonb_agg(p.key ORDER BY p.key) FROM jsonb_object_keys(w.properties) AS p (key)),
		'properties', w.properties)
	FROM (
		SELECT jsonb_build_object(list_schema.name, jsonb_build_object('type', 'array', 'items', items),
			'count', '{"type": "integer", "description": "Of all that the filters let through."}'::jsonb,
			'limit', '{"type": "integer"}'::jsonb, 'offset', '{"type": "integer"}'::jsonb) || others AS properties
	) AS w;
END;
COMMENT ON FUNCTION telemetry.list_schema(text, jsonb, jsonb) IS
	'The schema of an answer with a list, of which limit and offset are asked for: {name: [items], "count", "limit", "offset"} and others.';

CREATE FUNCTION telemetry.document_alert_routes() RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	WITH rule_id AS MATERIALIZED (
		SELECT '[{"name": "rule_id", "in": "path", "description": "The rule.", "schema": {"type": "string"}, "example": "rule_01"}]'::jsonb AS parameters
	), rule AS (
		SELECT '{"name": "High CPU Usage", "description": "Alert when CPU exceeds 90%", "metric_name": "cpu_percent", "condition": ">", "threshold_value": 90,
			"evaluation_window": 300, "trigger_count": 3, "level": "warning", "device_ids": [], "notification_channels": ["slack", "email"],
			"cooldown_minutes": 15, "auto_resolve": true, "auto_resolve_timeout": 600}'::jsonb AS example,
			'{"$ref": "#/components/schemas/AlertRule"}'::jsonb AS schema
	)
	SELECT telemetry.document_routes(jsonb_build_object(
		'POST /api/v1/telemetry/alerts/rules', '{"tag": "alert rules", "description": "Either metric_name or metric_pattern says what it is about.", "parameters": [
				{"name": "Idempotency-Key", "in": "header", "description": "Says that a request which comes again under the same key is the same: it makes one rule.", "schema": {"type": "string", "minLength": 1, "maxLength": 255}}]}'::jsonb || jsonb_build_object(
			'request', jsonb_build_object('schema', '{"$ref": "#/components/schemas/AlertRuleFields"}'::jsonb, 'example', rule.example),
			'responses', jsonb_build_object(
				'201', jsonb_build_object('description', 'The rule, which judges points from now on.', 'schema', rule.schema),
				'403', 'The role of the proxy may not make rules: it is no member of telemetry_admin.',
				'422', 'A field is missing, not known, or not what it must be.'),
			'schemas', jsonb_build_object(
				'AlertRuleFields', telemetry.fields_schema(telemetry.alert_rule_fields(), 'telemetry.alert_rule'),
				'AlertRuleChange', telemetry.fields_schema(telemetry.alert_rule_fields(), 'telemetry.alert_rule', true),
				'AlertRule', jsonb_build_object('allOf', jsonb_build_array(
					telemetry.columns_schema('telemetry.alert_rule', '{request_hash}'),
					jsonb_set(telemetry.columns_schema('telemetry.alert_rule_status'), '{properties}', (
						SELECT jsonb_object_agg(p.key, p.value)
						FROM jsonb_each(telemetry.columns_schema('telemetry.alert_rule_status') -> 'properties') AS p
						WHERE p.key IN ('total_triggers', 'last_triggered', 'late_points', 'open_alerts', 'last_error', 'last_error_at')))
					- 'required')))),
		'GET /api/v1/telemetry/alerts/rules', '{"tag": "alert rules", "description": "The newest first."}'::jsonb || jsonb_build_object(
			'parameters', jsonb_build_array(
				'{"name": "enabled", "in": "query", "description": "Only those that are on, or off.", "schema": {"type": "string", "enum": ["true", "false"]}, "example": "true"}'::jsonb,
				'{"name": "level", "in": "query", "description": "Only those of this level.", "example": "critical"}'::jsonb
					|| jsonb_build_object('schema', telemetry.type_schema('telemetry.alert_level')),
				'{"name": "metric_name", "in": "query", "description": "Only those of this metric.", "schema": {"type": "string"}, "example": "cpu_percent"}'::jsonb) || telemetry.page_parameters(),
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'Rules, and how many there are.',
				'schema', telemetry.list_schema('rules', rule.schema, '{"filters": {"type": "object", "additionalProperties": true, "description": "What was asked for."}}')))),
		'GET /api/v1/telemetry/alerts/rules/{rule_id}', '{"tag": "alert rules", "description": "With what it has triggered so far."}'::jsonb || jsonb_build_object('parameters', rule_id.parameters,
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'The rule.', 'schema', rule.schema), '404', 'There is no such rule.')),
		'PUT /api/v1/telemetry/alerts/rules/{rule_id}', '{"tag": "alert rules", "description": "Fields that are left out stay as they are; null: as when it is left out of a new rule."}'::jsonb || jsonb_build_object(
			'parameters', rule_id.parameters,
			'request', '{"schema": {"$ref": "#/components/schemas/AlertRuleChange"}, "example": {"threshold_value": 95, "level": "critical"}}'::jsonb,
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'The rule as it is now.', 'schema', rule.schema),
				'403', 'The role of the proxy may not change rules: it is no member of telemetry_admin.', '404', 'There is no such rule.',
				'422', 'A field is not known, or not what it must be.')),
		'PUT /api/v1/telemetry/alerts/rules/{rule_id}/enable', '{"tag": "alert rules", "description": "Counts from the next points on."}'::jsonb || jsonb_build_object(
			'parameters', rule_id.parameters,
			'request', jsonb_build_object('schema', telemetry.fields_schema('{"enabled": {"kind": "boolean", "required": true}}', 'telemetry.alert_rule'),
				'example', '{"enabled": false}'::jsonb),
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'It is done.',
					'schema', jsonb_set(telemetry.done_schema('rule_id'), '{properties,enabled}', '{"type": "boolean"}'),
					'example', '{"success": true, "message": "Alert rule disabled", "rule_id": "rule_01", "enabled": false}'::jsonb),
				'403', 'The role of the proxy may not change rules: it is no member of telemetry_admin.', '404', 'There is no such rule.', '422', 'enabled is not true or false.')),
		'DELETE /api/v1/telemetry/alerts/rules/{rule_id}', '{"tag": "alert rules", "description": "Its open alerts are resolved, and its alerts stay."}'::jsonb || jsonb_build_object('parameters', rule_id.parameters,
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'It is deleted.', 'schema', telemetry.done_schema('rule_id'),
					'example', '{"success": true, "message": "Alert rule deleted", "rule_id": "rule_01"}'::jsonb),
				'403', 'The role of the proxy may not delete rules: it is no member of telemetry_admin.', '404', 'There is no such rule.'))))
	FROM rule_id, rule;

	WITH alert AS MATERIALIZED (
		SELECT '{"$ref": "#/components/schemas/Alert"}'::jsonb AS schema,
			'[{"name": "alert_id", "in": "path", "description": "The alert.", "schema": {"type": "string"}, "example": "alert_01"}]'::jsonb AS parameters,
			'{"type": ["string", "null"], "maxLength": 10000}'::jsonb AS note
	)
	SELECT telemetry.document_routes(jsonb_build_object(
		'GET /api/v1/telemetry/alerts', '{"tag": "alerts", "description": "The newest first."}'::jsonb || jsonb_build_object(
			'parameters', jsonb_build_array(
				'{"name": "status", "in": "query", "description": "Only those that are so.", "example": "active"}'::jsonb || jsonb_build_object('schema', telemetry.type_schema('telemetry.alert_status')),
				'{"name": "level", "in": "query", "description": "Only those of this level.", "example": "critical"}'::jsonb || jsonb_build_object('schema', telemetry.type_schema('telemetry.alert_level')),
				'{"name": "device_id", "in": "query", "description": "Only those of this device.", "schema": {"type": "string"}, "example": "device_001"}'::jsonb,
				'{"name": "rule_id", "in": "query", "description": "Only those of this rule.", "schema": {"type": "string"}, "example": "rule_01"}'::jsonb,
				'{"name": "metric_name", "in": "query", "description": "Only those of this metric.", "schema": {"type": "string"}, "example": "cpu_percent"}'::jsonb,
				'{"name": "start_time", "in": "query", "description": "Only those triggered then or later.", "schema": {"type": "string", "format": "date-time"}, "example": "$now - 1 day"}'::jsonb,
				'{"name": "end_time", "in": "query", "description": "Only those triggered earlier.", "schema": {"type": "string", "format": "date-time"}, "example": "$now"}'::jsonb) || telemetry.page_parameters(),
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'Alerts, and how many there are.',
				'schema', telemetry.list_schema('alerts', alert.schema, '{
					"count": {"type": "integer", "description": "Of all that the filters let through, counted to 10000."},
					"active_count": {"type": "integer", "description": "Of all that are active or acknowledged, whatever the filters."},
					"critical_count": {"type": "integer", "description": "Of these, critical or worse."},
					"filters": {"type": "object", "additionalProperties": true, "description": "What was asked for."}}'))),
			'schemas', jsonb_build_object('Alert', telemetry.columns_schema('telemetry.alert'))),
		'GET /api/v1/telemetry/alerts/{alert_id}', '{"tag": "alerts", "description": "With who has acknowledged and resolved it."}'::jsonb || jsonb_build_object('parameters', alert.parameters,
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'The alert.', 'schema', alert.schema), '404', 'There is no such alert.')),
		'PUT /api/v1/telemetry/alerts/{alert_id}/acknowledge', '{"tag": "alerts", "description": "Somebody has seen it: X-User-Id says who. The body may be left out."}'::jsonb || jsonb_build_object('parameters', alert.parameters,
			'request', jsonb_build_object('required', false, 'example', '{"note": "Looking into it."}'::jsonb,
				'schema', jsonb_build_object('type', 'object', 'additionalProperties', false, 'properties', jsonb_build_object('note', alert.note, 'acknowledgement_note', alert.note))),
			'responses', jsonb_build_object(
				'200', jsonb_build_object('description', 'It is acknowledged.', 'schema', jsonb_set(telemetry.done_schema('alert_id'), '{properties}',
					(telemetry.done_schema('alert_id') -> 'properties') || jsonb_build_object('status', '{"type": "string"}'::jsonb, 'alert', alert.schema))),
				'404', 'There is no such alert.', '409', 'It is not active.', '422', 'A field is not known, or too long.')),
		'PUT /api/v1/telemetry/alerts/{alert_id}/resolve', '{"tag": "alerts", "description": "The matter is settled: X-User-Id says by whom. The body may be left out."}'::jsonb || jsonb_build_object('parameters', alert.parameters,
			'request', jsonb_build_object('required', false, 'example', '{"note": "Fan replaced."}'::jsonb,
				'schema', jsonb_build_object('type', 'object', 'additionalProperties', false, 'properties', jsonb_build_object('note', alert.note, 'resolution_note', alert.note))),
			'responses', jsonb_build_object(
				'200', jsonb_build_object('description', 'It is resolved.', 'schema', jsonb_set(telemetry.done_schema('alert_id'), '{properties}',
					(telemetry.done_schema('alert_id') -> 'properties') || jsonb_build_object('status', '{"type": "string"}'::jsonb, 'alert', alert.schema))),
				'404', 'There is no such alert.', '409', 'It is resolved already.', '422', 'A field is not known, or too long.'))))
	FROM alert;
END;
COMMENT ON FUNCTION telemetry.document_alert_routes() IS
	'Of telemetry.initialise(): the documentation of routes of alert rules and alerts.';

CREATE FUNCTION telemetry.document_group_routes() RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	WITH known AS MATERIALIZED (
		SELECT '{"$ref": "#/components/schemas/DeviceGroup"}'::jsonb AS schema,
			'[{"name": "name", "in": "path", "description": "The group, 1 to 128 bytes.", "schema": {"type": "string", "minLength": 1, "maxLength": 128}, "example": "kitchen"}]'::jsonb AS parameters
	)
	SELECT telemetry.document_routes(jsonb_build_object(
		'GET /api/v1/telemetry/device-groups', '{"tag": "device groups", "description": "By name."}'::jsonb || jsonb_build_object('parameters', telemetry.page_parameters(),
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'Groups, and how many there are.',
				'schema', telemetry.list_schema('device_groups', jsonb_set(telemetry.columns_schema('telemetry.device_group', '{device_ids}'),
					'{properties,device_count}', '{"type": "integer"}')))),
			'schemas', jsonb_build_object('DeviceGroup', telemetry.columns_schema('telemetry.device_group'))),
		'GET /api/v1/telemetry/device-groups/{name}', '{"tag": "device groups", "description": "With its devices."}'::jsonb || jsonb_build_object('parameters', known.parameters,
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'The group.', 'schema', known.schema,
				'example', '{"name": "kitchen", "description": "All that heats.", "device_ids": ["oven", "stove"], "tags": null}'::jsonb), '404', 'There is no such group.')),
		'PUT /api/v1/telemetry/device-groups/{name}', '{"tag": "device groups", "description": "Takes the place of the group of this name, if there is one."}'::jsonb || jsonb_build_object('parameters', known.parameters,
			'request', jsonb_build_object('example', '{"description": "All that heats.", "device_ids": ["oven", "stove"]}'::jsonb, 'schema', telemetry.fields_schema(telemetry.device_group_fields(), 'telemetry.device_group')),
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'The group was there and is replaced.', 'schema', known.schema),
				'201', jsonb_build_object('description', 'The group is new.', 'schema', known.schema),
				'403', 'The role of the proxy may not write groups: it is no member of telemetry_admin.', '422', 'A field is not known, or not what it must be.')),
		'DELETE /api/v1/telemetry/device-groups/{name}', '{"tag": "device groups", "description": "Rules and maintenance that name it are about no device by it any more."}'::jsonb || jsonb_build_object('parameters', known.parameters,
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'It is deleted.', 'schema', telemetry.done_schema('name'),
					'example', '{"success": true, "message": "Device group deleted", "name": "kitchen"}'::jsonb),
				'403', 'The role of the proxy may not delete groups: it is no member of telemetry_admin.', '404', 'There is no such group.'))))
	FROM known;

	WITH known AS MATERIALIZED (
		SELECT '{"$ref": "#/components/schemas/Maintenance"}'::jsonb AS schema,
			'[{"name": "id", "in": "path", "description": "Its number.", "schema": {"type": "integer", "minimum": 0, "maximum": 999999999}, "example": 1}]'::jsonb AS parameters
	)
	SELECT telemetry.document_routes(jsonb_build_object(
		'POST /api/v1/telemetry/maintenance', '{"tag": "maintenance", "description": "While it lasts its rules and devices trigger no alert. It begins now if starts_at is left out."}'::jsonb || jsonb_build_object(
			'request', jsonb_build_object('example', '{"ends_at": "2099-01-01T00:00:00Z", "reason": "New firmware.", "device_groups": ["kitchen"]}'::jsonb, 'schema', telemetry.fields_schema(telemetry.maintenance_fields(), 'telemetry.maintenance')),
			'responses', jsonb_build_object('201', jsonb_build_object('description', 'It is announced.', 'schema', known.schema),
				'403', 'The role of the proxy may not announce it: it is no member of telemetry_admin.', '422', 'A field is missing, not known, or not what it must be.'),
			'schemas', jsonb_build_object('Maintenance', telemetry.columns_schema('telemetry.maintenance'))),
		'GET /api/v1/telemetry/maintenance', '{"tag": "maintenance", "description": "That which ends last comes first."}'::jsonb || jsonb_build_object('parameters', telemetry.page_parameters(),
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'Maintenance, and how much there is.',
				'schema', telemetry.list_schema('maintenance', known.schema)))),
		'GET /api/v1/telemetry/maintenance/{id}', '{"tag": "maintenance", "description": "When it is, and of what."}'::jsonb || jsonb_build_object('parameters', known.parameters,
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'The maintenance.', 'schema', known.schema), '404', 'There is none of this number.')),
		'DELETE /api/v1/telemetry/maintenance/{id}', '{"tag": "maintenance", "description": "It is over at once."}'::jsonb || jsonb_build_object('parameters', known.parameters,
			'responses', jsonb_build_object('200', jsonb_build_object('description', 'It is deleted.', 'schema', telemetry.done_schema('id'),
					'example', '{"success": true, "message": "Maintenance deleted", "id": 1}'::jsonb),
				'403', 'The role of the proxy may not delete it: it is no member of telemetry_admin.', '404', 'There is none of this number.'))))
	FROM known;
END;
COMMENT ON FUNCTION telemetry.document_group_routes() IS
	'Of telemetry.initialise(): the documentation of routes of device groups and maintenance.';

REVOKE ALL ON FUNCTION telemetry.done_schema(text), telemetry.list_schema(text, jsonb, jsonb), telemetry.document_alert_routes(),
	telemetry.document_group_routes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.done_schema(text), telemetry.list_schema(text, jsonb, jsonb) TO telemetry_admin;
