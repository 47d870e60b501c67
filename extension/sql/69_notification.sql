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
		CONSTRAINT recipients_are_a_list CHECK (array_ndims(recipients) = 1)
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
