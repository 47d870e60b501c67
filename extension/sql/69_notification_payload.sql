-- What is sent of notifications: payloads of each kind of channel.

CREATE FUNCTION telemetry.hmac_sha256(key bytea, message bytea) RETURNS bytea
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	block CONSTANT integer := 64;
	padded bytea := CASE WHEN octet_length(key) > block THEN sha256(key) ELSE key END;
	inner_key bytea := decode(repeat('36', block), 'hex');
	outer_key bytea := decode(repeat('5c', block), 'hex');
BEGIN
	FOR i IN 0 .. octet_length(padded) - 1 LOOP
		inner_key := set_byte(inner_key, i, get_byte(padded, i) # 54);
		outer_key := set_byte(outer_key, i, get_byte(padded, i) # 92);
	END LOOP;
	RETURN sha256(outer_key || sha256(inner_key || message));
END
$$;
COMMENT ON FUNCTION telemetry.hmac_sha256(bytea, bytea) IS 'HMAC-SHA256 of a message (RFC 2104), 32 bytes.';

CREATE FUNCTION telemetry.one_line(value text, characters integer) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN length(line) > characters THEN left(line, characters - 3) || '...' ELSE line END
	FROM regexp_replace(value, '[\x01-\x1f\x7f-\x9f\u2028\u2029]+', ' ', 'g') AS line;
END;
COMMENT ON FUNCTION telemetry.one_line(text, integer) IS
	'Of notifications: a text on one line of so many characters at most, with a space for control characters.';

CREATE FUNCTION telemetry.notification_title(notification telemetry.notification) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT format('[%s] ', notification.level) || CASE
		WHEN notification.triggered + notification.acknowledged + notification.resolved + notification.late = 1 AND notification.events <> '[]' THEN
			telemetry.one_line(format('%s: %s', substr(notification.events #>> '{0,event_type}', length('alert.') + 1),
				notification.events #>> '{0,alert,message}'), 150)
		ELSE 'alerts: ' || concat_ws(', ', nullif(notification.triggered, 0) || ' triggered', nullif(notification.acknowledged, 0) || ' acknowledged',
			nullif(notification.resolved, 0) || ' resolved', nullif(notification.late, 0) || ' late') END;
END;
COMMENT ON FUNCTION telemetry.notification_title(telemetry.notification) IS 'Of notifications: what one is about, on a line.';

CREATE FUNCTION telemetry.notification_text(notification telemetry.notification) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT concat_ws(E'\n',
		telemetry.notification_title(notification),
		(SELECT string_agg(format('- %s [%s] %s: %s', coalesce(e.value #>> '{alert,resolved_at}', e.value #>> '{alert,triggered_at}'),
				e.value #>> '{alert,level}', substr(e.value ->> 'event_type', length('alert.') + 1),
				telemetry.one_line(e.value #>> '{alert,message}', 300)), E'\n' ORDER BY e.place)
			FROM jsonb_array_elements(notification.events) WITH ORDINALITY AS e (value, place)),
		CASE WHEN r.more > 0 THEN format('and %s more', r.more) END)
	FROM (SELECT notification.triggered + notification.acknowledged + notification.resolved + notification.late
		- jsonb_array_length(notification.events) AS more) AS r;
END;
COMMENT ON FUNCTION telemetry.notification_text(telemetry.notification) IS
	'Of notifications: one as a text for people: its title, a line for each event that is told, and how many more there are.';

-- What has happened since counts, too: so what is sent late does not undo what was sent before.
CREATE FUNCTION telemetry.alertmanager_alerts(notification telemetry.notification, now timestamptz) RETURNS jsonb
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT coalesce(jsonb_agg(jsonb_build_object(
			'labels', jsonb_build_object('alertname', l.alert ->> 'rule_name', 'rule_id', l.alert ->> 'rule_id', 'alert_id', l.alert ->> 'alert_id',
				'device_id', l.alert ->> 'device_id', 'metric', l.alert ->> 'metric_name', 'severity', l.alert ->> 'level'),
			'annotations', jsonb_build_object('summary', l.alert ->> 'message', 'value', l.alert ->> 'value',
				'threshold', concat_ws(' ', l.alert ->> 'condition', l.alert ->> 'threshold_value')),
			'startsAt', l.alert ->> 'triggered_at',
			-- Without an end it would be taken for resolved after some minutes.
			'endsAt', coalesce(telemetry.json_time(a.resolved_at), l.alert ->> 'resolved_at', telemetry.json_time(now + interval '30 days')))
		ORDER BY l.event_id), '[]')
	FROM (
		SELECT DISTINCT ON (e.value #>> '{alert,alert_id}') e.value -> 'alert' AS alert, (e.value ->> 'event_id')::bigint AS event_id
		FROM jsonb_array_elements(notification.events) AS e
		ORDER BY e.value #>> '{alert,alert_id}', (e.value ->> 'event_id')::bigint DESC
	) AS l
	LEFT JOIN telemetry.alert AS a ON a.alert_id = l.alert ->> 'alert_id';
END;
COMMENT ON FUNCTION telemetry.alertmanager_alerts(telemetry.notification, timestamptz) IS
	'Of notifications: one as alerts of Alertmanager''s API v2, each once, as it is now. What is not resolved ends 30 days after now.';

-- RFC 2047: an encoded word has 75 characters at most and no part of a character.
CREATE FUNCTION telemetry.mail_subject(value text) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN line ~ '^[ -~]{1,70}$' AND strpos(line, '=?') = 0 THEN line
		ELSE (SELECT string_agg('=?utf-8?B?' || encode(convert_to(substr(line, i, 10), 'UTF8'), 'base64') || '?=', E'\r\n ' ORDER BY i)
			FROM generate_series(1, greatest(length(line), 1), 10) AS i) END
	FROM telemetry.one_line(value, 200) AS line;
END;
COMMENT ON FUNCTION telemetry.mail_subject(text) IS 'Of notifications: a text as the header Subject has it, on lines of 76 characters at most.';

CREATE FUNCTION telemetry.mail_message(notification telemetry.notification, channel telemetry.notification_channel) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT concat_ws(E'\r\n',
		'From: ' || channel.sender,
		'To: ' || array_to_string(channel.recipients, E',\r\n '),
		'Subject: ' || telemetry.mail_subject(telemetry.notification_title(notification)),
		'Date: ' || to_char(coalesce(notification.closed_at, notification.created_at) AT TIME ZONE 'UTC', 'Dy, DD Mon YYYY HH24:MI:SS') || ' +0000',
		'Message-ID: <' || notification.id || '@' || split_part(channel.sender, '@', 2) || '>',
		'Auto-Submitted: auto-generated',
		'X-Telemetry-Notification-Id: ' || notification.id,
		'MIME-Version: 1.0',
		'Content-Type: text/plain; charset=utf-8',
		'Content-Transfer-Encoding: base64',
		'',
		replace(encode(convert_to(replace(telemetry.notification_text(notification), E'\n', E'\r\n') || E'\r\n', 'UTF8'), 'base64'), E'\n', E'\r\n'),
		'');
END;
COMMENT ON FUNCTION telemetry.mail_message(telemetry.notification, telemetry.notification_channel) IS
	'Of notifications: one as a message (RFC 5322) in ASCII, whose lines end in CR LF and none of which begins with a dot.';

CREATE FUNCTION telemetry.notification_body(notification telemetry.notification, channel telemetry.notification_channel, now timestamptz) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE channel.kind
		WHEN 'webhook' THEN jsonb_build_object(
			'notification_id', notification.id, 'channel', notification.channel, 'created_at', telemetry.json_time(notification.created_at),
			'level', notification.level, 'title', telemetry.notification_title(notification),
			'triggered', notification.triggered, 'acknowledged', notification.acknowledged, 'resolved', notification.resolved, 'late', notification.late,
			'events', notification.events)::text
		WHEN 'alertmanager' THEN telemetry.alertmanager_alerts(notification, now)::text
		WHEN 'slack' THEN jsonb_build_object('text',
			replace(replace(replace(telemetry.notification_text(notification), '&', '&amp;'), '<', '&lt;'), '>', '&gt;'))::text
		ELSE telemetry.mail_message(notification, channel) END;
END;
COMMENT ON FUNCTION telemetry.notification_body(telemetry.notification, telemetry.notification_channel, timestamptz) IS
	'Of telemetry.take_notifications(): what is sent to a channel at the time now. Of a webhook, slack and email it is the same each time.';

CREATE FUNCTION telemetry.notification_headers(notification telemetry.notification, channel telemetry.notification_channel, body text, now timestamptz)
	RETURNS jsonb
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE channel.kind WHEN 'email' THEN '{}' ELSE
		channel.headers || jsonb_build_object('Content-Type', 'application/json')
		|| CASE channel.kind WHEN 'webhook' THEN
			jsonb_strip_nulls(jsonb_build_object('X-Telemetry-Notification-Id', notification.id, 'X-Telemetry-Timestamp', t.seconds,
				'X-Telemetry-Signature', encode(telemetry.hmac_sha256(convert_to(channel.secret, 'UTF8'), convert_to(t.seconds || '.' || body, 'UTF8')), 'hex')))
			ELSE '{}' END
		END
	FROM (SELECT floor(extract(epoch FROM now))::bigint::text AS seconds) AS t;
END;
COMMENT ON FUNCTION telemetry.notification_headers(telemetry.notification, telemetry.notification_channel, text, timestamptz) IS
	'Of telemetry.take_notifications(): the headers to send, {name: text}. A webhook gets X-Telemetry-Notification-Id, X-Telemetry-Timestamp (seconds since 1970) '
	'and, if the channel has a secret, X-Telemetry-Signature: HMAC-SHA256 of that, a dot and the body, in hexadecimal.';
