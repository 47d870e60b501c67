-- What is told of rules and alerts, in telemetry.outbox; and what other systems tell us.

CREATE FUNCTION telemetry.publish_alert_rules() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT telemetry.may_publish() THEN
		RETURN NULL;
	END IF;
	IF TG_OP = 'INSERT' THEN
		INSERT INTO telemetry.outbox (event_type, key, data)
		SELECT 'alert.rule.created', n.rule_id, telemetry.utc_times(to_jsonb(n) - 'request_hash')
		FROM new_rule AS n ORDER BY n.rule_id;
	ELSIF TG_OP = 'UPDATE' THEN
		INSERT INTO telemetry.outbox (event_type, key, data)
		SELECT 'alert.rule.changed', n.rule_id, telemetry.utc_times(to_jsonb(n) - 'request_hash')
		FROM new_rule AS n
		JOIN old_rule AS o ON o.rule_id = n.rule_id
		WHERE to_jsonb(n) - 'updated_at' <> to_jsonb(o) - 'updated_at'
		ORDER BY n.rule_id;
	ELSE
		INSERT INTO telemetry.outbox (event_type, key, data)
		SELECT 'alert.rule.deleted', o.rule_id, telemetry.utc_times(to_jsonb(o) - 'request_hash')
		FROM old_rule AS o ORDER BY o.rule_id;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.publish_alert_rules() IS
	'Trigger of telemetry.alert_rule: tells telemetry.outbox of rules that are made, changed and deleted.';

-- Names of columns that end in _at are of times.
CREATE FUNCTION telemetry.utc_times(object jsonb) RETURNS jsonb
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT object || coalesce(jsonb_object_agg(m.key, telemetry.json_time(m.value::timestamptz)), '{}')
	FROM jsonb_each_text(object) AS m
	WHERE m.key LIKE '%\_at' AND m.value IS NOT NULL;
END;
COMMENT ON FUNCTION telemetry.utc_times(jsonb) IS
	'Of triggers that write to telemetry.outbox: a row as an object, whose members of a name that ends in _at are put as telemetry.json_time() has times.';
REVOKE ALL ON FUNCTION telemetry.utc_times(jsonb) FROM PUBLIC;

CREATE TRIGGER publish_inserted AFTER INSERT ON telemetry.alert_rule
	REFERENCING NEW TABLE AS new_rule FOR EACH STATEMENT EXECUTE FUNCTION telemetry.publish_alert_rules();
CREATE TRIGGER publish_updated AFTER UPDATE ON telemetry.alert_rule
	REFERENCING OLD TABLE AS old_rule NEW TABLE AS new_rule FOR EACH STATEMENT EXECUTE FUNCTION telemetry.publish_alert_rules();
CREATE TRIGGER publish_deleted AFTER DELETE ON telemetry.alert_rule
	REFERENCING OLD TABLE AS old_rule FOR EACH STATEMENT EXECUTE FUNCTION telemetry.publish_alert_rules();

-- Alerts that are open when their rule is deleted are resolved afterwards, at once or by a job, and that is to be told where they were.
CREATE TABLE telemetry.deleted_alert_rule (
	rule_id text COLLATE "C" PRIMARY KEY,
	notification_channels text[] NOT NULL,
	deleted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX deleted_alert_rule_deleted_at ON telemetry.deleted_alert_rule (deleted_at);
COMMENT ON TABLE telemetry.deleted_alert_rule IS
	'Where alerts of rules that are gone are told. Job prune removes rows after 31 days. Not dumped.';
COMMENT ON COLUMN telemetry.deleted_alert_rule.rule_id IS 'The rule that was deleted.';
COMMENT ON COLUMN telemetry.deleted_alert_rule.notification_channels IS 'What it said.';
COMMENT ON COLUMN telemetry.deleted_alert_rule.deleted_at IS 'When it was deleted, by the server''s clock.';

CREATE FUNCTION telemetry.remember_alert_rule() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO telemetry.deleted_alert_rule AS d (rule_id, notification_channels) VALUES (old.rule_id, old.notification_channels)
	ON CONFLICT (rule_id) DO UPDATE SET notification_channels = excluded.notification_channels, deleted_at = excluded.deleted_at;
	RETURN old;
END
$$;
COMMENT ON FUNCTION telemetry.remember_alert_rule() IS
	'Trigger of telemetry.alert_rule: keeps the notification_channels of a rule that is deleted in telemetry.deleted_alert_rule.';
CREATE TRIGGER remember_alert_rule BEFORE DELETE ON telemetry.alert_rule
	FOR EACH ROW WHEN (old.notification_channels <> '{}') EXECUTE FUNCTION telemetry.remember_alert_rule();

CREATE FUNCTION telemetry.publish_alerts() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- Settling makes a statement a rule, most of which change nothing, and what is asked next costs more than they do.
	IF NOT EXISTS (SELECT FROM new_alert) THEN
		RETURN NULL;
	ELSIF NOT telemetry.may_publish() THEN
		RETURN NULL;
	END IF;
	IF TG_OP = 'INSERT' THEN
		INSERT INTO telemetry.outbox (event_type, key, data)
		SELECT e.event_type, n.alert_id,
			telemetry.utc_times(to_jsonb(n)) || jsonb_build_object('notification_channels', coalesce(r.notification_channels, d.notification_channels, '{}'))
		FROM new_alert AS n
		CROSS JOIN LATERAL (
			SELECT 1 AS place, CASE WHEN n.late THEN 'alert.late' ELSE 'alert.triggered' END AS event_type
			UNION ALL
			SELECT 2, 'alert.resolved' WHERE n.status = 'resolved' AND NOT n.late
		) AS e
		LEFT JOIN telemetry.alert_rule AS r ON r.rule_id = n.rule_id
		LEFT JOIN telemetry.deleted_alert_rule AS d ON d.rule_id = n.rule_id
		ORDER BY n.triggered_at, n.device_id, n.rule_id, n.alert_id, e.place;
	ELSE
		INSERT INTO telemetry.outbox (event_type, key, data)
		SELECT 'alert.' || n.status, n.alert_id,
			telemetry.utc_times(to_jsonb(n)) || jsonb_build_object('notification_channels', coalesce(r.notification_channels, d.notification_channels, '{}'))
		FROM new_alert AS n
		JOIN old_alert AS o ON o.alert_id = n.alert_id
		LEFT JOIN telemetry.alert_rule AS r ON r.rule_id = n.rule_id
		LEFT JOIN telemetry.deleted_alert_rule AS d ON d.rule_id = n.rule_id
		WHERE n.status IN ('acknowledged', 'resolved') AND n.status <> o.status
		ORDER BY n.triggered_at, n.device_id, n.rule_id, n.alert_id;
		INSERT INTO telemetry.outbox (event_type, key, data)
		SELECT 'alert.level.changed', n.alert_id,
			telemetry.utc_times(to_jsonb(n)) || jsonb_build_object('notification_channels', coalesce(r.notification_channels, '{}'))
		FROM new_alert AS n
		JOIN old_alert AS o ON o.alert_id = n.alert_id
		LEFT JOIN telemetry.alert_rule AS r ON r.rule_id = n.rule_id
		WHERE n.level <> o.level
		ORDER BY n.triggered_at, n.device_id, n.rule_id, n.alert_id;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.publish_alerts() IS
	'Trigger of telemetry.alert: tells telemetry.outbox of alerts that are triggered, acknowledged, resolved or late, and get another level. One that is resolved when it is '
	'learned of is told of twice, as triggered and as resolved.';
CREATE TRIGGER publish_inserted AFTER INSERT ON telemetry.alert
	REFERENCING NEW TABLE AS new_alert FOR EACH STATEMENT EXECUTE FUNCTION telemetry.publish_alerts();
CREATE TRIGGER publish_updated AFTER UPDATE ON telemetry.alert
	REFERENCING OLD TABLE AS old_alert NEW TABLE AS new_alert FOR EACH STATEMENT EXECUTE FUNCTION telemetry.publish_alerts();

-- Events of other systems ----------------------------------------------------------------------------------------------

-- It is not told on: systems that tell each other would go on for ever.
CREATE FUNCTION telemetry.handle_event(event_type text, data jsonb) RETURNS telemetry.erasure
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kind CONSTANT text := CASE handle_event.event_type WHEN 'device.deleted' THEN 'device' WHEN 'user.deleted' THEN 'user' END;
	id text;
BEGIN
	IF kind IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('nothing is to be done about an event "%s"', left(handle_event.event_type, 128)),
			HINT = 'device.deleted and user.deleted are handled.';
	END IF;
	IF jsonb_typeof(handle_event.data -> (kind || '_id')) = 'string' THEN
		id := handle_event.data ->> (kind || '_id');
	END IF;
	IF id IS NULL OR octet_length(id) NOT BETWEEN 1 AND 1024 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('data must have a member %s_id, a text of 1 to 1024 bytes', kind);
	END IF;
	RETURN telemetry.erase(kind, id, false, false);
END
$$;
COMMENT ON FUNCTION telemetry.handle_event(text, jsonb) IS
	'What another system tells us: device.deleted, with {"device_id": text}, and user.deleted, with {"user_id": text}. Does what telemetry.delete_device() and '
	'telemetry.delete_user() do, without telling of it in telemetry.outbox, and returns their row. One that comes again erases what has come since. '
	'Works with its owner''s rights; for telemetry_admin. Errors: invalid_parameter_value for other events and data without the id; '
	'invalid_transaction_state unless the transaction is READ COMMITTED.';

CREATE FUNCTION telemetry.http_handle_event(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	event_type CONSTANT text := params ->> 'event_type';
	-- The event alone, or in an envelope.
	data CONSTANT jsonb := CASE WHEN jsonb_typeof(body -> 'data') = 'object' THEN body -> 'data' ELSE body END;
	id_name CONSTANT text := CASE event_type WHEN 'device.deleted' THEN 'device_id' WHEN 'user.deleted' THEN 'user_id' END;
	done telemetry.erasure;
BEGIN
	IF event_type IS NULL OR event_type NOT IN ('device.deleted', 'user.deleted') THEN
		RETURN telemetry.http_problem(params ->> 'dialect', 404, NULL, 'nothing is to be done about such events');
	ELSIF jsonb_typeof(data) IS DISTINCT FROM 'object' THEN
		RETURN telemetry.http_problem(params ->> 'dialect', 400, NULL, 'the body must be an object');
	ELSIF (jsonb_typeof(data -> id_name) = 'string' AND octet_length(data ->> id_name) BETWEEN 1 AND 1024) IS NOT TRUE THEN
		RETURN telemetry.http_problem(params ->> 'dialect', 400, NULL, format('data must have a member %s, a text of 1 to 1024 bytes', id_name));
	END IF;
	done := telemetry.handle_event(event_type, data);
	RETURN (200, jsonb_build_object('success', true, 'event_type', event_type, 'points', done.points, 'events', done.events), NULL)::telemetry.http_response;
END
$$;
COMMENT ON FUNCTION telemetry.http_handle_event(jsonb, jsonb) IS
	'POST of telemetry.handle_event(): params event_type; body its data, or an object whose member data that is. 200 {"success", "event_type", "points", '
	'"events"}, how many were removed; 404 of other events; errors as there. For telemetry_admin: the proxy''s role may not call it unless it is granted.';

CREATE FUNCTION telemetry.initialise_event_routes() RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	INSERT INTO telemetry.dialect (name, description, failure, problems) VALUES
		('telemetry', 'The words of the engine''s own routes.', '{"detail": "$detail"}', '{}')
	ON CONFLICT (name) DO NOTHING;
	INSERT INTO telemetry.route (method, path, description, dialect, function, params) VALUES
		('POST', '/api/v1/telemetry/events/{event_type}', 'Takes events of other systems: device.deleted and user.deleted.', 'telemetry',
			'telemetry.http_handle_event(jsonb, jsonb)', '{"dialect": "telemetry"}')
	ON CONFLICT (method, path) DO NOTHING;
END;
COMMENT ON FUNCTION telemetry.initialise_event_routes() IS
	'Of telemetry.initialise(): the route of telemetry.http_handle_event(), and the dialect that it speaks, as far as they are not there.';

REVOKE ALL ON FUNCTION telemetry.handle_event(text, jsonb), telemetry.http_handle_event(jsonb, jsonb), telemetry.initialise_event_routes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.handle_event(text, jsonb), telemetry.http_handle_event(jsonb, jsonb) TO telemetry_admin;
