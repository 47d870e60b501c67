-- The routes of alerts, and whom what they call is for.

CREATE FUNCTION telemetry.initialise_alert_routes() RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	INSERT INTO telemetry.dialect (name, description, failure, problems) VALUES
		('telemetry', 'The words of the engine''s own routes.', '{"detail": "$detail"}', '{}')
	ON CONFLICT (name) DO NOTHING;
	INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
		('POST', '/api/v1/telemetry/alerts/rules', 'Makes an alert rule.', 'telemetry', 'telemetry.http_create_alert_rule(jsonb, jsonb)'),
		('GET', '/api/v1/telemetry/alerts/rules', 'Lists alert rules.', 'telemetry', 'telemetry.http_alert_rules(jsonb, jsonb)'),
		('GET', '/api/v1/telemetry/alerts/rules/{rule_id}', 'An alert rule.', 'telemetry', 'telemetry.http_alert_rule(jsonb, jsonb)'),
		('PUT', '/api/v1/telemetry/alerts/rules/{rule_id}', 'Changes an alert rule.', 'telemetry',
			'telemetry.http_change_alert_rule(jsonb, jsonb)'),
		('PUT', '/api/v1/telemetry/alerts/rules/{rule_id}/enable', 'Switches an alert rule on or off.', 'telemetry',
			'telemetry.http_enable_alert_rule(jsonb, jsonb)'),
		('DELETE', '/api/v1/telemetry/alerts/rules/{rule_id}', 'Deletes an alert rule.', 'telemetry',
			'telemetry.http_delete_alert_rule(jsonb, jsonb)'),
		('GET', '/api/v1/telemetry/alerts', 'Lists alerts.', 'telemetry', 'telemetry.http_alerts(jsonb, jsonb)'),
		('GET', '/api/v1/telemetry/alerts/{alert_id}', 'An alert.', 'telemetry', 'telemetry.http_alert(jsonb, jsonb)'),
		('PUT', '/api/v1/telemetry/alerts/{alert_id}/acknowledge', 'Acknowledges an alert.', 'telemetry',
			'telemetry.http_acknowledge_alert(jsonb, jsonb)'),
		('PUT', '/api/v1/telemetry/alerts/{alert_id}/resolve', 'Resolves an alert.', 'telemetry', 'telemetry.http_resolve_alert(jsonb, jsonb)'),
		('GET', '/api/v1/telemetry/device-groups', 'Lists groups of devices.', 'telemetry', 'telemetry.http_device_groups(jsonb, jsonb)'),
		('GET', '/api/v1/telemetry/device-groups/{name}', 'A group of devices.', 'telemetry', 'telemetry.http_device_group(jsonb, jsonb)'),
		('PUT', '/api/v1/telemetry/device-groups/{name}', 'Makes or replaces a group of devices.', 'telemetry',
			'telemetry.http_put_device_group(jsonb, jsonb)'),
		('DELETE', '/api/v1/telemetry/device-groups/{name}', 'Deletes a group of devices.', 'telemetry',
			'telemetry.http_delete_device_group(jsonb, jsonb)'),
		('POST', '/api/v1/telemetry/maintenance', 'Announces maintenance.', 'telemetry', 'telemetry.http_create_maintenance(jsonb, jsonb)'),
		('GET', '/api/v1/telemetry/maintenance', 'Lists maintenance.', 'telemetry', 'telemetry.http_maintenances(jsonb, jsonb)'),
		('GET', '/api/v1/telemetry/maintenance/{id}', 'Maintenance.', 'telemetry', 'telemetry.http_maintenance(jsonb, jsonb)'),
		('DELETE', '/api/v1/telemetry/maintenance/{id}', 'Ends or cancels maintenance.', 'telemetry',
			'telemetry.http_delete_maintenance(jsonb, jsonb)')
	ON CONFLICT (method, path) DO NOTHING;
END;
COMMENT ON FUNCTION telemetry.initialise_alert_routes() IS
	'Of telemetry.initialise(): dialect telemetry and the routes of alerts, as far as they are not there.';

-- Rights ---------------------------------------------------------------------------------------------------------------

REVOKE ALL ON FUNCTION telemetry.field_is(jsonb, jsonb), telemetry.field_rule(text, jsonb), telemetry.check_fields(jsonb, jsonb, boolean),
	telemetry.texts_of(jsonb), telemetry.http_found(jsonb, text), telemetry.http_done(boolean, text, text, jsonb),
	telemetry.check_privileges(text, text[]), telemetry.check_choice(jsonb, text, text[]), telemetry.alert_rule_fields(),
	telemetry.device_group_fields(), telemetry.maintenance_fields(), telemetry.alert_rule_json(telemetry.alert_rule), telemetry.write_alert_rule(text, jsonb, text, text), telemetry.caller_name(jsonb),
	telemetry.alert_json(telemetry.alert),
	telemetry.alerts_like(telemetry.alert_status, telemetry.alert_level, text, text, text, timestamptz, timestamptz),
	telemetry.move_alert(jsonb, jsonb, text), telemetry.maintenance_json(telemetry.maintenance),
	telemetry.http_create_alert_rule(jsonb, jsonb), telemetry.http_alert_rules(jsonb, jsonb), telemetry.http_alert_rule(jsonb, jsonb),
	telemetry.http_change_alert_rule(jsonb, jsonb), telemetry.http_enable_alert_rule(jsonb, jsonb),
	telemetry.http_delete_alert_rule(jsonb, jsonb), telemetry.http_alerts(jsonb, jsonb), telemetry.http_alert(jsonb, jsonb),
	telemetry.http_acknowledge_alert(jsonb, jsonb), telemetry.http_resolve_alert(jsonb, jsonb),
	telemetry.http_device_groups(jsonb, jsonb), telemetry.http_device_group(jsonb, jsonb), telemetry.http_put_device_group(jsonb, jsonb),
	telemetry.http_delete_device_group(jsonb, jsonb), telemetry.http_create_maintenance(jsonb, jsonb),
	telemetry.http_maintenances(jsonb, jsonb), telemetry.http_maintenance(jsonb, jsonb), telemetry.http_delete_maintenance(jsonb, jsonb),
	telemetry.initialise_alert_routes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.alert_json(telemetry.alert), telemetry.maintenance_json(telemetry.maintenance),
	telemetry.alert_rule_json(telemetry.alert_rule) TO telemetry_reader, telemetry_writer;
GRANT EXECUTE ON FUNCTION telemetry.http_alert_rules(jsonb, jsonb), telemetry.http_alert_rule(jsonb, jsonb), telemetry.http_alerts(jsonb, jsonb),
	telemetry.http_alert(jsonb, jsonb), telemetry.http_device_groups(jsonb, jsonb), telemetry.http_device_group(jsonb, jsonb),
	telemetry.http_maintenances(jsonb, jsonb), telemetry.http_maintenance(jsonb, jsonb) TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.alerts_like(telemetry.alert_status, telemetry.alert_level, text, text, text, timestamptz, timestamptz)
	TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.field_is(jsonb, jsonb), telemetry.field_rule(text, jsonb),
	telemetry.check_fields(jsonb, jsonb, boolean), telemetry.texts_of(jsonb), telemetry.http_found(jsonb, text),
	telemetry.http_done(boolean, text, text, jsonb), telemetry.check_privileges(text, text[]), telemetry.alert_rule_fields(),
	telemetry.device_group_fields(), telemetry.maintenance_fields(), telemetry.write_alert_rule(text, jsonb, text, text), telemetry.caller_name(jsonb), telemetry.http_create_alert_rule(jsonb, jsonb),
	telemetry.http_change_alert_rule(jsonb, jsonb), telemetry.http_enable_alert_rule(jsonb, jsonb),
	telemetry.http_delete_alert_rule(jsonb, jsonb), telemetry.http_acknowledge_alert(jsonb, jsonb),
	telemetry.http_resolve_alert(jsonb, jsonb), telemetry.http_put_device_group(jsonb, jsonb),
	telemetry.http_delete_device_group(jsonb, jsonb), telemetry.http_create_maintenance(jsonb, jsonb),
	telemetry.http_delete_maintenance(jsonb, jsonb) TO telemetry_writer;
