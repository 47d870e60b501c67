-- Notifications: what alerts are told to, and what is to be sent there. The database decides what, when and how often; who sends (the
-- proxy) takes, sends and says how it went.
--
--	telemetry.outbox ─ prepare_notifications() ─▶ notification, pending ─ take_notifications() ─▶ a lease ─ settle_notification() ─▶ sent
--	                                                    ▲                                                      │             └─▶ dead
--	                                                    └──────────── later, after more and more time ◀────────┘
--
-- Of a channel the oldest notification is sent first, and no other meanwhile: so what is resolved is not told before it is triggered, and what
-- comes while a receiver is slow or away gathers in one notification. Channels wait for nothing of each other.

CREATE TABLE telemetry.notification_channel (
	name text COLLATE "C" PRIMARY KEY
		CONSTRAINT name_is_short_and_plain CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
	kind text NOT NULL CONSTRAINT kind_is_webhook_alertmanager_slack_or_email CHECK (kind IN ('webhook', 'alertmanager', 'slack', 'email')),
	description text CONSTRAINT description_is_of_2000_characters_at_most CHECK (length(description) <= 2000),
	url text COLLATE "C"
		CONSTRAINT url_is_of_2048_bytes_at_most CHECK (octet_length(url) <= 2048)
		CONSTRAINT url_is_http_without_credentials_and_fragment
		CHECK (url ~ '^https?://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?([/?][!$-~]*)?$'),
	sender text COLLATE "C",
	recipients text[] COLLATE "C" NOT NULL DEFAULT '{}'
		CONSTRAINT recipients_are_50_at_most CHECK (cardinality(recipients) <= 50)
		CONSTRAINT recipients_has_no_null CHECK (array_position(recipients, NULL) IS NULL),
	secret text CONSTRAINT secret_is_of_16_to_1024_bytes CHECK (octet_length(secret) BETWEEN 16 AND 1024),
	headers jsonb NOT NULL DEFAULT '{}' CONSTRAINT headers_is_a_json_object CHECK (jsonb_typeof(headers) = 'object'),
	group_wait integer NOT NULL DEFAULT 10 CONSTRAINT group_wait_is_from_0_to_3600_seconds CHECK (group_wait BETWEEN 0 AND 3600),
	group_interval integer NOT NULL DEFAULT 60
		CONSTRAINT group_interval_is_from_0_to_86400_seconds CHECK (group_interval BETWEEN 0 AND 86400),
	rate_limit integer NOT NULL DEFAULT 30 CONSTRAINT rate_limit_is_from_1_to_6000_a_minute CHECK (rate_limit BETWEEN 1 AND 6000),
	max_attempts integer NOT NULL DEFAULT 10 CONSTRAINT max_attempts_is_from_1_to_100 CHECK (max_attempts BETWEEN 1 AND 100),
	max_age integer NOT NULL DEFAULT 86400 CONSTRAINT max_age_is_from_60_to_604800_seconds CHECK (max_age BETWEEN 60 AND 604800),
	timeout_seconds integer NOT NULL DEFAULT 10 CONSTRAINT timeout_seconds_is_from_1_to_60 CHECK (timeout_seconds BETWEEN 1 AND 60),
	send_resolved boolean NOT NULL DEFAULT true,
	enabled boolean NOT NULL DEFAULT true,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT email_has_a_sender_and_recipients_and_others_a_url CHECK (
		CASE kind WHEN 'email' THEN url IS NULL AND sender IS NOT NULL AND recipients <> '{}' AND headers = '{}'
			ELSE url IS NOT NULL AND sender IS NULL AND recipients = '{}' END),
	CONSTRAINT secret_is_for_webhooks CHECK (secret IS NULL OR kind = 'webhook')
);
COMMENT ON TABLE telemetry.notification_channel IS
	'Where alerts are told: telemetry.alert_rule.notification_channels has their names. A change counts from the next call of '
	'telemetry.prepare_notifications() on; DELETE removes what was to be sent there. Nobody but the owner reads secret and headers, which a dump has; the url of a channel that has them '
	'can only be changed together with them. Errors on writing: check_violation, invalid_parameter_value.';
COMMENT ON COLUMN telemetry.notification_channel.name IS 'What rules say: letters, digits, . _ and -.';
COMMENT ON COLUMN telemetry.notification_channel.kind IS
	'webhook: a POST of our own JSON; alertmanager: of alerts of its API v2; slack: of {"text"}; email: a message.';
COMMENT ON COLUMN telemetry.notification_channel.description IS 'What it is, for people.';
COMMENT ON COLUMN telemetry.notification_channel.url IS
	'Where it is sent, http or https, without credentials; of alertmanager without /api/v2/alerts; null: email.';
COMMENT ON COLUMN telemetry.notification_channel.sender IS 'Of email: the address in From.';
COMMENT ON COLUMN telemetry.notification_channel.recipients IS 'Of email: the addresses in To, 50 at most.';
COMMENT ON COLUMN telemetry.notification_channel.secret IS
	'Of webhook: the key of X-Telemetry-Signature, 16 to 1024 bytes; null: it is not signed.';
COMMENT ON COLUMN telemetry.notification_channel.headers IS
	'Headers to send, {name: text}, 20 at most, such as Authorization; none that the sender sets itself.';
COMMENT ON COLUMN telemetry.notification_channel.group_wait IS
	'How many seconds the first event of a notification waits for others.';
COMMENT ON COLUMN telemetry.notification_channel.group_interval IS
	'How many seconds after a notification was first sent the next one is, at the earliest.';
COMMENT ON COLUMN telemetry.notification_channel.rate_limit IS 'How many times a minute something is sent, failures included, spread evenly.';
COMMENT ON COLUMN telemetry.notification_channel.max_attempts IS 'After so many failures a notification is dead.';
COMMENT ON COLUMN telemetry.notification_channel.max_age IS 'A notification that has not been sent so many seconds after its first event is dead.';
COMMENT ON COLUMN telemetry.notification_channel.timeout_seconds IS 'How long the sender waits for an answer.';
COMMENT ON COLUMN telemetry.notification_channel.send_resolved IS 'Whether it is told of alerts that are resolved.';
COMMENT ON COLUMN telemetry.notification_channel.enabled IS
	'Whether it is told anything: events that come while it is not are never told to it, and what was waiting goes on waiting.';
COMMENT ON COLUMN telemetry.notification_channel.created_at IS 'When it was made.';
COMMENT ON COLUMN telemetry.notification_channel.updated_at IS 'When it was last changed.';

SELECT pg_catalog.pg_extension_config_dump('telemetry.notification_channel', '');

CREATE TABLE telemetry.notification_channel_state (
	channel text COLLATE "C" PRIMARY KEY REFERENCES telemetry.notification_channel ON UPDATE CASCADE ON DELETE CASCADE,
	next_send_at timestamptz NOT NULL DEFAULT '-infinity',
	next_group_at timestamptz NOT NULL DEFAULT '-infinity',
	last_attempt_at timestamptz,
	last_sent_at timestamptz,
	last_error text,
	last_error_at timestamptz,
	failures integer NOT NULL DEFAULT 0,
	sent bigint NOT NULL DEFAULT 0,
	dead bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 30);
COMMENT ON TABLE telemetry.notification_channel_state IS
	'How sending to each channel goes. Who holds the lock of a row changes the notifications of its channel. Read telemetry.notification_status. Not dumped.';
COMMENT ON COLUMN telemetry.notification_channel_state.channel IS 'Of telemetry.notification_channel.';
COMMENT ON COLUMN telemetry.notification_channel_state.next_send_at IS 'When something may be sent again, by rate_limit.';
COMMENT ON COLUMN telemetry.notification_channel_state.next_group_at IS 'When a new notification may be sent for the first time, by group_interval.';
COMMENT ON COLUMN telemetry.notification_channel_state.last_attempt_at IS 'When something was last taken to be sent; null: never.';
COMMENT ON COLUMN telemetry.notification_channel_state.last_sent_at IS 'When something was last sent; null: never.';
COMMENT ON COLUMN telemetry.notification_channel_state.last_error IS 'Why sending last failed; null: it never has.';
COMMENT ON COLUMN telemetry.notification_channel_state.last_error_at IS 'When it did.';
COMMENT ON COLUMN telemetry.notification_channel_state.failures IS 'How many times sending has failed since it last succeeded.';
COMMENT ON COLUMN telemetry.notification_channel_state.sent IS 'How many notifications have been sent.';
COMMENT ON COLUMN telemetry.notification_channel_state.dead IS 'How many notifications have died.';

CREATE TABLE telemetry.notification (
	id text COLLATE "C" PRIMARY KEY DEFAULT telemetry.new_id('notification'),
	number bigint GENERATED ALWAYS AS IDENTITY,
	channel text COLLATE "C" NOT NULL REFERENCES telemetry.notification_channel ON UPDATE CASCADE ON DELETE CASCADE,
	state text NOT NULL DEFAULT 'pending' CONSTRAINT state_is_pending_sent_or_dead CHECK (state IN ('pending', 'sent', 'dead')),
	event_ids bigint[] NOT NULL,
	triggered integer NOT NULL DEFAULT 0,
	acknowledged integer NOT NULL DEFAULT 0,
	resolved integer NOT NULL DEFAULT 0,
	late integer NOT NULL DEFAULT 0,
	level telemetry.alert_level,
	events jsonb NOT NULL DEFAULT '[]',
	created_at timestamptz NOT NULL,
	pending_since timestamptz NOT NULL,
	closed_at timestamptz,
	attempts integer NOT NULL DEFAULT 0,
	next_attempt_at timestamptz NOT NULL,
	leased_by text,
	leased_until timestamptz,
	last_error text,
	settled_at timestamptz
);
CREATE INDEX notification_pending ON telemetry.notification (channel, number) WHERE state = 'pending';
CREATE UNIQUE INDEX notification_open ON telemetry.notification (channel) WHERE state = 'pending' AND closed_at IS NULL;
CREATE INDEX notification_channel_number ON telemetry.notification (channel, state, number);
CREATE INDEX notification_settled_at ON telemetry.notification (state, settled_at) WHERE state <> 'pending';
COMMENT ON TABLE telemetry.notification IS
	'What is told to channels: each tells of one or many events of telemetry.outbox. Those that are dead can be sent again by telemetry.retry_notifications(). '
	'Job prune removes those sent 7 days ago and those dead for 30 days. Not dumped.';
COMMENT ON COLUMN telemetry.notification.id IS 'Its name for receivers, who know it by that when it is sent again.';
COMMENT ON COLUMN telemetry.notification.number IS 'Later ones of a channel have higher numbers.';
COMMENT ON COLUMN telemetry.notification.channel IS 'Where it is sent.';
COMMENT ON COLUMN telemetry.notification.state IS
	'Where it is. Legal moves, which telemetry.check_notification_move() holds: pending to sent, pending to dead, dead to pending by '
	'telemetry.retry_notifications(), dead to sent if the answer comes late.';
COMMENT ON COLUMN telemetry.notification.event_ids IS 'Rows of telemetry.outbox that it tells of: the first 10000.';
COMMENT ON COLUMN telemetry.notification.triggered IS 'How many of its events are alert.triggered.';
COMMENT ON COLUMN telemetry.notification.acknowledged IS 'How many of its events are alert.acknowledged.';
COMMENT ON COLUMN telemetry.notification.resolved IS 'How many of its events are alert.resolved.';
COMMENT ON COLUMN telemetry.notification.late IS 'How many of its events are alert.late.';
COMMENT ON COLUMN telemetry.notification.level IS 'The worst level of its alerts.';
COMMENT ON COLUMN telemetry.notification.events IS
	'The first 50 of its events, of alertmanager all, 500 at most: [{"event_id", "event_type", "alert"}].';
COMMENT ON COLUMN telemetry.notification.created_at IS 'When its first event was found, by the clock of who prepared it.';
COMMENT ON COLUMN telemetry.notification.pending_since IS 'The same, or when it was last put to be sent again; what max_age counts from.';
COMMENT ON COLUMN telemetry.notification.closed_at IS 'When it was first taken to be sent; from then on it gets no more events. Null: it has not been.';
COMMENT ON COLUMN telemetry.notification.attempts IS 'How many times it has been taken to be sent.';
COMMENT ON COLUMN telemetry.notification.next_attempt_at IS 'When it is to be sent, if it is pending.';
COMMENT ON COLUMN telemetry.notification.leased_by IS 'Who is sending it; null: nobody is.';
COMMENT ON COLUMN telemetry.notification.leased_until IS 'When somebody else may send it if nothing has been heard by then.';
COMMENT ON COLUMN telemetry.notification.last_error IS 'Why sending it last failed; null: it has not.';
COMMENT ON COLUMN telemetry.notification.settled_at IS 'When it was sent or died; null: neither.';
COMMENT ON SEQUENCE telemetry.notification_number_seq IS 'Numbers for telemetry.notification.number.';

CREATE FUNCTION telemetry.check_notification_move() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF (old.state, new.state) NOT IN (('pending', 'sent'), ('pending', 'dead'), ('dead', 'pending'), ('dead', 'sent')) THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('notification %s is %s and cannot become %s', old.id, old.state, new.state);
	END IF;
	RETURN new;
END
$$;
COMMENT ON FUNCTION telemetry.check_notification_move() IS
	'Trigger of telemetry.notification: refuses moves that are not legal (telemetry.notification.state). Error: object_not_in_prerequisite_state.';
CREATE TRIGGER check_notification_move BEFORE UPDATE ON telemetry.notification
	FOR EACH ROW WHEN (old.state <> new.state) EXECUTE FUNCTION telemetry.check_notification_move();

-- What is written here becomes part of headers of HTTP and of mail.
CREATE FUNCTION telemetry.check_notification_channel() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	max_headers CONSTANT integer := 20;
	max_value CONSTANT integer := 4096;
	mail_address CONSTANT text := '^[A-Za-z0-9.!#$%&''*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$';
	wrong text;
BEGIN
	SELECT a.address INTO wrong FROM unnest(new.sender || new.recipients) AS a (address)
	WHERE a.address !~ mail_address OR octet_length(a.address) > 254;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('"%s" is no address of mail', left(wrong, 254)),
			HINT = 'name@host, without a name for people, in ASCII, of 254 bytes at most.';
	END IF;
	IF jsonb_typeof(new.headers) <> 'object' THEN
		-- As the constraint says.
		RETURN new;
	END IF;
	IF (SELECT count(*) FROM jsonb_object_keys(new.headers)) > max_headers THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('headers must be %s at most', max_headers);
	END IF;
	SELECT h.key INTO wrong FROM jsonb_each(new.headers) AS h
	WHERE h.key !~ '^[A-Za-z0-9-]{1,64}$'
		OR lower(h.key) ~ '^(host|content-length|content-type|content-encoding|transfer-encoding|connection|expect|upgrade|te|trailer|x-telemetry-.*)$';
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('header "%s" cannot be set', left(wrong, 64)),
			HINT = 'A name is of letters, digits and -; some are the sender''s own.';
	END IF;
	-- The value, which may be a secret, is not quoted.
	SELECT h.key INTO wrong FROM jsonb_each(new.headers) AS h
	WHERE jsonb_typeof(h.value) <> 'string' OR octet_length(h.value #>> '{}') > max_value OR h.value #>> '{}' !~ '^[ -~]*$';
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('header "%s" must be a text of printable ASCII characters, %s at most', wrong, max_value);
	END IF;
	IF TG_OP = 'UPDATE' THEN
		new.updated_at := clock_timestamp();
		IF new.url IS DISTINCT FROM old.url AND (new.secret = old.secret OR (new.headers = old.headers AND old.headers <> '{}')) THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
				MESSAGE = 'url cannot be changed unless secret and headers are, too',
				DETAIL = 'They would be sent to somebody whom they were not meant for.', HINT = 'Set them in the same statement, or make another channel.';
		END IF;
	END IF;
	RETURN new;
END
$$;
COMMENT ON FUNCTION telemetry.check_notification_channel() IS
	'Trigger of telemetry.notification_channel: refuses what constraints cannot. Error: invalid_parameter_value.';
CREATE TRIGGER check_notification_channel BEFORE INSERT OR UPDATE ON telemetry.notification_channel
	FOR EACH ROW EXECUTE FUNCTION telemetry.check_notification_channel();

CREATE FUNCTION telemetry.follow_notification_channels() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_WHEN = 'BEFORE' THEN
		-- As telemetry.prepare_notifications() does before it locks anything else.
		PERFORM FROM telemetry.outbox_consumer AS c WHERE c.name = 'notifications' FOR UPDATE;
		RETURN NULL;
	ELSIF TG_OP = 'DELETE' THEN
		DELETE FROM telemetry.outbox_consumer AS c
		WHERE c.name = 'notifications' AND NOT EXISTS (SELECT FROM telemetry.notification_channel AS n);
		RETURN NULL;
	END IF;
	INSERT INTO telemetry.notification_channel_state (channel)
	SELECT n.name FROM telemetry.notification_channel AS n
	ON CONFLICT (channel) DO NOTHING;
	-- A dump brings it with its rows.
	IF NOT telemetry.is_restoring() THEN
		PERFORM telemetry.create_notification_consumer();
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.follow_notification_channels() IS
	'Trigger of telemetry.notification_channel: makes the rows of telemetry.notification_channel_state, and the consumer of telemetry.outbox while there are channels.';
CREATE TRIGGER follow_inserted AFTER INSERT ON telemetry.notification_channel
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.follow_notification_channels();
CREATE TRIGGER follow_later BEFORE DELETE OR UPDATE OF name ON telemetry.notification_channel
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.follow_notification_channels();
CREATE TRIGGER follow_deleted AFTER DELETE ON telemetry.notification_channel
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.follow_notification_channels();

CREATE FUNCTION telemetry.create_notification_consumer() RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	INSERT INTO telemetry.outbox_consumer (name, event_types)
	VALUES ('notifications', '{alert.triggered,alert.acknowledged,alert.resolved,alert.late}')
	ON CONFLICT (name) DO NOTHING;
END;
COMMENT ON FUNCTION telemetry.create_notification_consumer() IS
	'Of telemetry.prepare_notifications(): makes its consumer of telemetry.outbox, unless it is there.';

-- Preparing ------------------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.brief_alert(alert jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT jsonb_object_agg(m.key, CASE WHEN length(m.value #>> '{}') > 2000 THEN to_jsonb(left(m.value #>> '{}', 2000)) ELSE m.value END)
	FROM jsonb_each(alert) AS m
	WHERE m.key <> 'notification_channels';
END;
COMMENT ON FUNCTION telemetry.brief_alert(jsonb) IS
	'Of telemetry.prepare_notifications(): an alert as telemetry.outbox has it, whose texts are cut to 2000 characters, without notification_channels.';

CREATE FUNCTION telemetry.is_told_to(event_type text, kind text, send_resolved boolean) RETURNS boolean
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE event_type
		WHEN 'alert.triggered' THEN true
		WHEN 'alert.resolved' THEN send_resolved
		ELSE kind = 'webhook' END;
END;
COMMENT ON FUNCTION telemetry.is_told_to(text, text, boolean) IS
	'Of telemetry.prepare_notifications(): whether a channel of that kind and send_resolved is told of such events: all are told of alert.triggered, webhooks '
	'alone of alert.acknowledged and alert.late.';

CREATE FUNCTION telemetry.add_to_notification(channel telemetry.notification_channel, taken telemetry.outbox[], now timestamptz) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ids_kept CONSTANT integer := 10000;
	events_kept CONSTANT integer := CASE channel.kind WHEN 'alertmanager' THEN 500 ELSE 50 END;
	-- Of what is not told one by one the number is, but to Alertmanager nothing is told by number.
	room integer;
	at_once telemetry.outbox[];
	open telemetry.notification;
	state telemetry.notification_channel_state;
BEGIN
	SELECT s.* INTO state FROM telemetry.notification_channel_state AS s WHERE s.channel = add_to_notification.channel.name FOR UPDATE;
	WHILE cardinality(taken) > 0 LOOP
		SELECT n.* INTO open FROM telemetry.notification AS n
		WHERE n.channel = add_to_notification.channel.name AND n.state = 'pending' AND n.closed_at IS NULL;
		room := CASE WHEN channel.kind = 'alertmanager' THEN events_kept - coalesce(jsonb_array_length(open.events), 0) ELSE cardinality(taken) END;
		IF open.id IS NOT NULL AND room = 0 THEN
			UPDATE telemetry.notification AS n SET closed_at = add_to_notification.now WHERE n.id = open.id;
			CONTINUE;
		ELSIF open.id IS NULL THEN
			INSERT INTO telemetry.notification AS n (channel, event_ids, created_at, pending_since, next_attempt_at)
			VALUES (channel.name, '{}', now, now, greatest(now + channel.group_wait * interval '1 second', state.next_group_at))
			RETURNING n.* INTO open;
		END IF;
		at_once := taken[:room];
		taken := taken[room + 1:];
		UPDATE telemetry.notification AS n
		SET event_ids = n.event_ids || g.ids[:greatest(ids_kept - cardinality(n.event_ids), 0)],
			triggered = n.triggered + g.triggered,
			acknowledged = n.acknowledged + g.acknowledged,
			resolved = n.resolved + g.resolved,
			late = n.late + g.late,
			level = greatest(n.level, g.level),
			events = n.events || coalesce(g.events, '[]')
		FROM (
			SELECT array_agg(t.id ORDER BY t.id) AS ids,
				count(*) FILTER (WHERE t.event_type = 'alert.triggered') AS triggered,
				count(*) FILTER (WHERE t.event_type = 'alert.acknowledged') AS acknowledged,
				count(*) FILTER (WHERE t.event_type = 'alert.resolved') AS resolved,
				count(*) FILTER (WHERE t.event_type = 'alert.late') AS late,
				max((t.data ->> 'level')::telemetry.alert_level) AS level,
				jsonb_agg(jsonb_build_object('event_id', t.id, 'event_type', t.event_type, 'alert', telemetry.brief_alert(t.data)) ORDER BY t.id)
					FILTER (WHERE t.place <= events_kept - jsonb_array_length(open.events)) AS events
			FROM (SELECT u.*, row_number() OVER (ORDER BY u.id) AS place FROM unnest(at_once) AS u) AS t
		) AS g
		WHERE n.id = open.id;
	END LOOP;
END
$$;
COMMENT ON FUNCTION telemetry.add_to_notification(telemetry.notification_channel, telemetry.outbox[], timestamptz) IS
	'Of telemetry.prepare_notifications(): adds events to the notification of a channel that gathers them, or to new ones, at the time now.';

CREATE FUNCTION telemetry.prepare_notifications("limit" integer DEFAULT 5000, now timestamptz DEFAULT clock_timestamp()) RETURNS integer
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	most CONSTANT integer := 10000;
	taken telemetry.outbox[];
	told record;
BEGIN
	IF prepare_notifications."limit" NOT BETWEEN 1 AND most THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('limit must be from 1 to %s, not %s', most, prepare_notifications."limit");
	END IF;
	IF NOT EXISTS (SELECT FROM telemetry.notification_channel AS c) THEN
		RETURN 0;
	ELSIF NOT EXISTS (SELECT FROM telemetry.outbox_consumer AS c WHERE c.name = 'notifications') THEN
		PERFORM telemetry.create_notification_consumer();
	END IF;
	taken := ARRAY(SELECT o FROM telemetry.take_outbox('notifications', prepare_notifications."limit") AS o);
	FOR told IN
		SELECT c AS channel, array_agg(o ORDER BY o.id) AS events
		FROM unnest(taken) AS o
		CROSS JOIN LATERAL (
			SELECT DISTINCT n.name FROM jsonb_array_elements_text(
				CASE jsonb_typeof(o.data -> 'notification_channels') WHEN 'array' THEN o.data -> 'notification_channels' ELSE '[]' END) AS n (name)
		) AS n
		JOIN telemetry.notification_channel AS c ON c.name = n.name
		WHERE c.enabled AND telemetry.is_told_to(o.event_type, c.kind, c.send_resolved)
		GROUP BY c.name
		ORDER BY c.name
	LOOP
		PERFORM telemetry.add_to_notification(told.channel, told.events, prepare_notifications.now);
	END LOOP;
	RETURN cardinality(taken);
END
$$;
COMMENT ON FUNCTION telemetry.prepare_notifications(integer, timestamptz) IS
	'Makes notifications of what telemetry.outbox has of alerts, up to limit (1 to 10000) events, at the time now; returns how many events it has gone through: '
	'as many as limit means that there may be more. Works with its owner''s rights; for telemetry_writer. Error: invalid_parameter_value.';

-- What is sent ---------------------------------------------------------------------------------------------------------

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

-- Sending --------------------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.bury_notification(id text, error text, now timestamptz) RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	WITH buried AS (
		UPDATE telemetry.notification AS n
		SET state = 'dead', last_error = bury_notification.error, settled_at = bury_notification.now, closed_at = coalesce(n.closed_at, bury_notification.now),
			leased_by = NULL, leased_until = NULL
		WHERE n.id = bury_notification.id AND n.state = 'pending'
		RETURNING n.channel
	)
	UPDATE telemetry.notification_channel_state AS s
	SET dead = s.dead + 1, last_error = bury_notification.error, last_error_at = bury_notification.now
	FROM buried AS b WHERE s.channel = b.channel;
END;
COMMENT ON FUNCTION telemetry.bury_notification(text, text, timestamptz) IS
	'Of notifications: makes one that is pending dead, and says why.';

CREATE FUNCTION telemetry.take_notifications(
	worker text, "limit" integer DEFAULT 10, lease interval DEFAULT '2 min', now timestamptz DEFAULT clock_timestamp())
	RETURNS TABLE (notification_id text, channel text, kind text, url text, method text, headers jsonb, body text, mail_from text, mail_to text[],
		timeout_seconds integer, attempt integer)
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	most CONSTANT integer := 1000;
	buried_at_once CONSTANT integer := 1000;
	channel_name text;
	whereto telemetry.notification_channel;
	first telemetry.notification;
	n integer := 0;
	buried integer := 0;
BEGIN
	PERFORM telemetry.require_primary('take notifications');
	IF take_notifications."limit" NOT BETWEEN 1 AND most THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('limit must be from 1 to %s, not %s', most, take_notifications."limit");
	ELSIF take_notifications.lease NOT BETWEEN interval '1 second' AND interval '1 hour' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('lease must be from 1 second to 1 hour, not %s', take_notifications.lease);
	ELSIF octet_length(worker) NOT BETWEEN 1 AND 256 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'worker must have 1 to 256 bytes';
	END IF;
	-- Who has waited longest is first.
	FOR channel_name IN
		SELECT s.channel
		FROM telemetry.notification_channel_state AS s
		JOIN telemetry.notification_channel AS c ON c.name = s.channel
		WHERE c.enabled AND s.next_send_at <= take_notifications.now
			AND EXISTS (SELECT FROM telemetry.notification AS p WHERE p.channel = s.channel AND p.state = 'pending')
		ORDER BY s.last_attempt_at NULLS FIRST, s.channel
		FOR UPDATE OF s SKIP LOCKED
	LOOP
		-- Under the lock, so that it is what another one has left.
		SELECT c.* INTO whereto
		FROM telemetry.notification_channel AS c
		JOIN telemetry.notification_channel_state AS s ON s.channel = c.name
		WHERE c.name = channel_name AND c.enabled AND s.next_send_at <= take_notifications.now;
		CONTINUE WHEN NOT FOUND;
		LOOP
			SELECT p.* INTO first FROM telemetry.notification AS p
			WHERE p.channel = whereto.name AND p.state = 'pending' ORDER BY p.number LIMIT 1;
			EXIT WHEN NOT FOUND OR first.leased_until > take_notifications.now;
			IF first.pending_since + whereto.max_age * interval '1 second' <= take_notifications.now THEN
				PERFORM telemetry.bury_notification(first.id, coalesce('older than max_age; ' || first.last_error, 'older than max_age'), take_notifications.now);
			ELSIF first.attempts >= whereto.max_attempts THEN
				PERFORM telemetry.bury_notification(first.id, coalesce(first.last_error, 'nobody has said what became of it'), take_notifications.now);
			ELSE
				EXIT;
			END IF;
			buried := buried + 1;
			EXIT WHEN buried = buried_at_once;
		END LOOP;
		EXIT WHEN buried = buried_at_once;
		CONTINUE WHEN first.id IS NULL OR first.next_attempt_at > take_notifications.now
			-- Perhaps a later one, if this one was dead meanwhile.
			OR EXISTS (
				SELECT FROM telemetry.notification AS p
				WHERE p.channel = whereto.name AND p.state = 'pending' AND p.leased_until > take_notifications.now);

		UPDATE telemetry.notification AS p
		SET attempts = p.attempts + 1, closed_at = coalesce(p.closed_at, take_notifications.now),
			leased_by = take_notifications.worker, leased_until = take_notifications.now + take_notifications.lease
		WHERE p.id = first.id
		RETURNING p.* INTO first;
		UPDATE telemetry.notification_channel_state AS s
		SET last_attempt_at = take_notifications.now,
			next_send_at = take_notifications.now + interval '1 minute' / whereto.rate_limit,
			next_group_at = CASE first.attempts WHEN 1 THEN take_notifications.now + whereto.group_interval * interval '1 second' ELSE s.next_group_at END
		WHERE s.channel = whereto.name;

		notification_id := first.id;
		channel := whereto.name;
		kind := whereto.kind;
		url := CASE WHEN whereto.kind = 'alertmanager' AND whereto.url !~ '/api/v2/alerts$' THEN rtrim(whereto.url, '/') || '/api/v2/alerts' ELSE whereto.url END;
		method := CASE WHEN whereto.kind <> 'email' THEN 'POST' END;
		body := telemetry.notification_body(first, whereto, take_notifications.now);
		headers := telemetry.notification_headers(first, whereto, body, take_notifications.now);
		mail_from := whereto.sender;
		mail_to := CASE WHEN whereto.kind = 'email' THEN whereto.recipients END;
		timeout_seconds := whereto.timeout_seconds;
		attempt := first.attempts;
		RETURN NEXT;
		n := n + 1;
		EXIT WHEN n = take_notifications."limit";
	END LOOP;
END
$$;
COMMENT ON FUNCTION telemetry.take_notifications(text, integer, interval, timestamptz) IS
	'What is to be sent at the time now, up to limit (1 to 1000) notifications, one of a channel, ready to be sent. They are worker''s (1 to 256 bytes) for as long as '
	'lease (1 s to 1 h), which must be longer than sending all of them takes; who has not said by then what became of one has failed, and it comes again. What is too old or '
	'has failed too often becomes dead. Never waits. Columns: notification_id; channel; kind; url, method and headers ({name: text}) of HTTP, null, null and {} of '
	'email; body; mail_from and mail_to of email, the addresses of the envelope, else null; timeout_seconds; attempt, counted from 1. It must be '
	'committed before anything is sent. Works with its owner''s rights; for telemetry_writer. Error: invalid_parameter_value.';

CREATE FUNCTION telemetry.settle_notification(
	id text, ok boolean, detail text DEFAULT NULL, attempt integer DEFAULT NULL, final boolean DEFAULT false, now timestamptz DEFAULT clock_timestamp())
	RETURNS text
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	-- Seconds: 5, 10, 20, … 900.
	first_delay CONSTANT integer := 5;
	longest_delay CONSTANT integer := 900;
	error CONSTANT text := telemetry.one_line(coalesce(settle_notification.detail, 'no reason given'), 1000);
	whereto telemetry.notification_channel;
	settled telemetry.notification;
BEGIN
	PERFORM telemetry.require_primary('settle a notification');
	IF settle_notification.ok IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'ok must not be null';
	END IF;
	SELECT c.* INTO whereto FROM telemetry.notification AS n JOIN telemetry.notification_channel AS c ON c.name = n.channel WHERE n.id = settle_notification.id;
	-- Its channel was deleted meanwhile, or what it told of was erased.
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	PERFORM FROM telemetry.notification_channel_state AS s WHERE s.channel = whereto.name FOR UPDATE;
	SELECT n.* INTO settled FROM telemetry.notification AS n WHERE n.id = settle_notification.id;
	IF NOT FOUND OR settled.state = 'sent' THEN
		RETURN settled.state;
	END IF;

	IF settle_notification.ok THEN
		UPDATE telemetry.notification AS n
		SET state = 'sent', settled_at = settle_notification.now, leased_by = NULL, leased_until = NULL
		WHERE n.id = settle_notification.id;
		UPDATE telemetry.notification_channel_state AS s
		SET sent = s.sent + 1, dead = s.dead - (settled.state = 'dead')::integer, failures = 0, last_sent_at = settle_notification.now
		WHERE s.channel = whereto.name;
		RETURN 'sent';
	-- Somebody else has it, or it has failed already.
	ELSIF settled.state = 'dead' OR settled.leased_until IS NULL OR settled.attempts <> coalesce(settle_notification.attempt, settled.attempts) THEN
		RETURN settled.state;
	END IF;
	UPDATE telemetry.notification_channel_state AS s
	SET failures = s.failures + 1, last_error = error, last_error_at = settle_notification.now
	WHERE s.channel = whereto.name;
	IF coalesce(settle_notification.final, false) OR settled.attempts >= whereto.max_attempts THEN
		PERFORM telemetry.bury_notification(settle_notification.id, error, settle_notification.now);
		RETURN 'dead';
	END IF;
	UPDATE telemetry.notification AS n
	SET last_error = error, leased_by = NULL, leased_until = NULL,
		-- Those that failed together do not come again together.
		next_attempt_at = settle_notification.now + interval '1 second'
			* (least(first_delay * 2 ^ (least(n.attempts, 20) - 1), longest_delay) * (0.5 + random() / 2))
	WHERE n.id = settle_notification.id;
	RETURN 'pending';
END
$$;
COMMENT ON FUNCTION telemetry.settle_notification(text, boolean, text, integer, boolean, timestamptz) IS
	'Says what became of a notification that telemetry.take_notifications() gave, at the time now. ok: the receiver has it. Else detail says why not (1000 characters are kept), '
	'and it comes again: after the n-th failure within 5 * 2^(n-1) seconds, 15 minutes at most, of which a random half or more passes; after max_attempts '
	'failures, or at once if final, since the receiver will never take it, it is dead. attempt, as it was given: a failure that is told of after another worker '
	'has taken it counts for nothing; null: the last one. Returns its state; null if it is gone. A second call changes nothing. Works with its owner''s rights; for '
	'telemetry_writer. Error: null_value_not_allowed.';

CREATE FUNCTION telemetry.retry_notifications(channel text, "limit" integer DEFAULT 1000, now timestamptz DEFAULT clock_timestamp()) RETURNS integer
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	most CONSTANT integer := 10000;
	retried integer;
BEGIN
	IF retry_notifications."limit" NOT BETWEEN 1 AND most THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('limit must be from 1 to %s, not %s', most, retry_notifications."limit");
	END IF;
	PERFORM FROM telemetry.notification_channel_state AS s WHERE s.channel = retry_notifications.channel FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no notification channel "%s"', retry_notifications.channel);
	END IF;
	UPDATE telemetry.notification AS n
	SET state = 'pending', attempts = 0, pending_since = retry_notifications.now, next_attempt_at = retry_notifications.now, settled_at = NULL
	WHERE n.id IN (
		SELECT d.id FROM telemetry.notification AS d
		WHERE d.channel = retry_notifications.channel AND d.state = 'dead'
		ORDER BY d.number LIMIT retry_notifications."limit");
	GET DIAGNOSTICS retried = ROW_COUNT;
	UPDATE telemetry.notification_channel_state AS s SET dead = s.dead - retried WHERE s.channel = retry_notifications.channel;
	RETURN retried;
END
$$;
COMMENT ON FUNCTION telemetry.retry_notifications(text, integer, timestamptz) IS
	'Has dead notifications of a channel sent again, the oldest first, limit (1 to 10000) at most, as if they were new at the time now; returns how many. Works with '
	'its owner''s rights; for telemetry_admin. Errors: no_data_found if there is no such channel, invalid_parameter_value.';

CREATE FUNCTION telemetry.erase_notifications(names jsonpath, whom jsonb) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- In the order in which who prepares and who sends take them.
	PERFORM FROM telemetry.notification_channel_state AS s
	WHERE s.channel IN (SELECT n.channel FROM telemetry.notification AS n WHERE jsonb_path_exists(n.events, names, whom))
	ORDER BY s.channel FOR UPDATE;
	UPDATE telemetry.notification AS n
	SET events = coalesce((
			SELECT jsonb_agg(e.value ORDER BY e.place) FROM jsonb_array_elements(n.events) WITH ORDINALITY AS e (value, place)
			WHERE NOT jsonb_path_exists(e.value, names, whom)), '[]'),
		last_error = NULL
	WHERE jsonb_path_exists(n.events, names, whom);
	-- What is not told one by one has been erased with the outbox.
	DELETE FROM telemetry.notification AS n WHERE n.events = '[]';
END
$$;
COMMENT ON FUNCTION telemetry.erase_notifications(jsonpath, jsonb) IS
	'Of telemetry.delete_user() and telemetry.delete_device(): removes events that name whom from notifications, and notifications that tell of no other.';

CREATE FUNCTION telemetry.prune_notifications("limit" integer, now timestamptz DEFAULT clock_timestamp()) RETURNS bigint
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kept CONSTANT interval := '7 days';
	kept_dead CONSTANT interval := '30 days';
	removed bigint;
BEGIN
	DELETE FROM telemetry.notification AS n
	WHERE n.id IN (
		SELECT o.id FROM telemetry.notification AS o
		WHERE (o.state = 'sent' AND o.settled_at < prune_notifications.now - kept)
			OR (o.state = 'dead' AND o.settled_at < prune_notifications.now - kept_dead)
		LIMIT prune_notifications."limit" FOR UPDATE SKIP LOCKED);
	GET DIAGNOSTICS removed = ROW_COUNT;
	RETURN removed;
END
$$;
COMMENT ON FUNCTION telemetry.prune_notifications(integer, timestamptz) IS
	'Of job prune: removes notifications sent 7 days before now and earlier, and those dead for 30 days, up to limit. Returns how many.';

-- Of a channel that rules name and that is not there, too.
CREATE VIEW telemetry.notification_status AS
SELECT
	coalesce(c.name, r.channel) AS channel,
	c.kind,
	CASE WHEN c.name IS NULL THEN 'missing' WHEN NOT c.enabled THEN 'disabled' WHEN s.failures > 0 THEN 'failing' ELSE 'ready' END AS status,
	coalesce(r.rules, '{}') AS rules,
	coalesce(p.pending, 0) AS pending,
	p.oldest_pending_at,
	p.next_attempt_at,
	coalesce(s.sent, 0) AS sent,
	coalesce(s.dead, 0) AS dead,
	coalesce(s.failures, 0) AS failures,
	s.last_attempt_at,
	s.last_sent_at,
	s.last_error,
	s.last_error_at
FROM telemetry.notification_channel AS c
FULL JOIN (
	SELECT n.channel COLLATE "C" AS channel, pg_catalog.array_agg(DISTINCT a.rule_id ORDER BY a.rule_id) AS rules
	FROM telemetry.alert_rule AS a
	CROSS JOIN LATERAL pg_catalog.unnest(a.notification_channels) AS n (channel)
	WHERE n.channel IS NOT NULL
	GROUP BY n.channel COLLATE "C"
) AS r ON r.channel = c.name
LEFT JOIN telemetry.notification_channel_state AS s ON s.channel = c.name
LEFT JOIN LATERAL (
	SELECT pg_catalog.count(*) AS pending, pg_catalog.min(n.created_at) AS oldest_pending_at, pg_catalog.min(n.next_attempt_at) AS next_attempt_at
	FROM telemetry.notification AS n WHERE n.channel = c.name AND n.state = 'pending'
) AS p ON true
ORDER BY 1;
COMMENT ON VIEW telemetry.notification_status IS
	'How it goes with each channel, also with those that rules name and that do not exist: alerts of such rules are kept, and told nobody there.';
COMMENT ON COLUMN telemetry.notification_status.channel IS 'The channel, of telemetry.notification_channel or of telemetry.alert_rule.notification_channels.';
COMMENT ON COLUMN telemetry.notification_status.status IS
	'ready; failing: the last attempt failed; disabled; missing: rules name it and it does not exist.';
COMMENT ON COLUMN telemetry.notification_status.rules IS 'Rules whose alerts it is told of: their rule_id.';
COMMENT ON COLUMN telemetry.notification_status.pending IS 'How many notifications are to be sent.';
COMMENT ON COLUMN telemetry.notification_status.oldest_pending_at IS 'When the first event of the oldest of these was found; null: there are none.';
COMMENT ON COLUMN telemetry.notification_status.next_attempt_at IS 'When the first of these may be sent; null: there are none.';
COMMENT ON COLUMN telemetry.notification_status.dead IS 'How many have died and have not been sent again by telemetry.retry_notifications().';
SELECT telemetry.copy_comments('telemetry.notification_channel', 'telemetry.notification_status');
SELECT telemetry.copy_comments('telemetry.notification_channel_state', 'telemetry.notification_status');

REVOKE ALL ON FUNCTION telemetry.create_notification_consumer(), telemetry.brief_alert(jsonb), telemetry.is_told_to(text, text, boolean),
	telemetry.add_to_notification(telemetry.notification_channel, telemetry.outbox[], timestamptz),
	telemetry.prepare_notifications(integer, timestamptz), telemetry.hmac_sha256(bytea, bytea), telemetry.one_line(text, integer),
	telemetry.notification_title(telemetry.notification), telemetry.notification_text(telemetry.notification),
	telemetry.alertmanager_alerts(telemetry.notification, timestamptz), telemetry.mail_subject(text),
	telemetry.mail_message(telemetry.notification, telemetry.notification_channel),
	telemetry.notification_body(telemetry.notification, telemetry.notification_channel, timestamptz),
	telemetry.notification_headers(telemetry.notification, telemetry.notification_channel, text, timestamptz),
	telemetry.bury_notification(text, text, timestamptz), telemetry.take_notifications(text, integer, interval, timestamptz),
	telemetry.settle_notification(text, boolean, text, integer, boolean, timestamptz), telemetry.retry_notifications(text, integer, timestamptz),
	telemetry.erase_notifications(jsonpath, jsonb), telemetry.prune_notifications(integer, timestamptz) FROM PUBLIC;
GRANT SELECT ON telemetry.notification_status TO telemetry_reader;
GRANT SELECT ON telemetry.notification, telemetry.notification_channel_state TO telemetry_admin;
GRANT SELECT (name, kind, description, url, sender, recipients, group_wait, group_interval, rate_limit, max_attempts, max_age, timeout_seconds,
	send_resolved, enabled, created_at, updated_at), INSERT, UPDATE, DELETE ON telemetry.notification_channel TO telemetry_admin;
GRANT EXECUTE ON FUNCTION telemetry.prepare_notifications(integer, timestamptz), telemetry.take_notifications(text, integer, interval, timestamptz),
	telemetry.settle_notification(text, boolean, text, integer, boolean, timestamptz) TO telemetry_writer;
GRANT EXECUTE ON FUNCTION telemetry.retry_notifications(text, integer, timestamptz) TO telemetry_admin;
