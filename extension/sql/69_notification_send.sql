-- Sending notifications: taken under a lease, and settled.

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
	WHERE n.id = ANY (ARRAY(
		SELECT d.id FROM telemetry.notification AS d
		WHERE d.channel = retry_notifications.channel AND d.state = 'dead'
		ORDER BY d.number LIMIT retry_notifications."limit"));
	GET DIAGNOSTICS retried = ROW_COUNT;
	UPDATE telemetry.notification_channel_state AS s SET dead = s.dead - retried WHERE s.channel = retry_notifications.channel;
	RETURN retried;
END
$$;
COMMENT ON FUNCTION telemetry.retry_notifications(text, integer, timestamptz) IS
	'Has dead notifications of a channel sent again, the oldest first, limit (1 to 10000) at most, as if they were new at the time now; returns how many. Works with '
	'its owner''s rights; for telemetry_admin. Errors: no_data_found if there is no such channel, invalid_parameter_value.';

CREATE FUNCTION telemetry.discard_notifications(
	channel text, state text DEFAULT 'dead', "limit" integer DEFAULT 1000, now timestamptz DEFAULT clock_timestamp()) RETURNS integer
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	most CONSTANT integer := 10000;
	discarded integer;
BEGIN
	IF discard_notifications."limit" NOT BETWEEN 1 AND most THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('limit must be from 1 to %s, not %s', most, discard_notifications."limit");
	ELSIF discard_notifications.state NOT IN ('dead', 'pending') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('state must be dead or pending, not "%s"', left(discard_notifications.state, 100));
	END IF;
	PERFORM FROM telemetry.notification_channel_state AS s WHERE s.channel = discard_notifications.channel FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no notification channel "%s"', left(discard_notifications.channel, 128));
	END IF;
	-- What somebody is sending is on its way.
	DELETE FROM telemetry.notification AS n
	WHERE n.id = ANY (ARRAY(
		SELECT d.id FROM telemetry.notification AS d
		WHERE d.channel = discard_notifications.channel AND d.state = discard_notifications.state
			AND (d.state = 'dead' OR d.leased_until IS NULL OR d.leased_until <= discard_notifications.now)
		ORDER BY d.number LIMIT discard_notifications."limit"));
	GET DIAGNOSTICS discarded = ROW_COUNT;
	IF discard_notifications.state = 'dead' THEN
		UPDATE telemetry.notification_channel_state AS s SET dead = s.dead - discarded WHERE s.channel = discard_notifications.channel;
	END IF;
	RETURN discarded;
END
$$;
COMMENT ON FUNCTION telemetry.discard_notifications(text, text, integer, timestamptz) IS
	'Removes notifications of a channel that are dead or, with state pending, wait to be sent and are not being sent at the time now, the oldest first, limit (1 to 10000) at most: nobody is told of them any '
	'more. Alerts stay as they are. Returns how many. Works with its owner''s rights; for telemetry_admin. Errors: no_data_found if there is no such channel, invalid_parameter_value.';

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
	WHERE n.id = ANY (ARRAY(
		SELECT o.id FROM telemetry.notification AS o
		WHERE (o.state = 'sent' AND o.settled_at < prune_notifications.now - kept)
			OR (o.state = 'dead' AND o.settled_at < prune_notifications.now - kept_dead)
		LIMIT prune_notifications."limit" FOR UPDATE SKIP LOCKED));
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
	telemetry.discard_notifications(text, text, integer, timestamptz), telemetry.erase_notifications(jsonpath, jsonb), telemetry.prune_notifications(integer, timestamptz) FROM PUBLIC;
GRANT SELECT ON telemetry.notification_status TO telemetry_reader;
GRANT SELECT ON telemetry.notification, telemetry.notification_channel_state TO telemetry_admin;
GRANT SELECT (name, kind, description, url, sender, recipients, group_wait, group_interval, rate_limit, max_attempts, max_age, timeout_seconds,
	send_resolved, enabled, created_at, updated_at), INSERT, UPDATE, DELETE ON telemetry.notification_channel TO telemetry_admin;
GRANT EXECUTE ON FUNCTION telemetry.prepare_notifications(integer, timestamptz), telemetry.take_notifications(text, integer, interval, timestamptz),
	telemetry.settle_notification(text, boolean, text, integer, boolean, timestamptz) TO telemetry_writer;
GRANT EXECUTE ON FUNCTION telemetry.retry_notifications(text, integer, timestamptz),
	telemetry.discard_notifications(text, text, integer, timestamptz) TO telemetry_admin;
