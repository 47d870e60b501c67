-- Notifications: what channels are told of alerts, when, and what becomes of it.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SET client_min_messages = warning;
CREATE ROLE notification_admin IN ROLE telemetry_admin;
CREATE ROLE notification_writer IN ROLE telemetry_writer;
CREATE ROLE notification_reader IN ROLE telemetry_reader;

-- channels_are_checked_when_they_are_written
CREATE FUNCTION pg_temp.attempt(url text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO telemetry.notification_channel (name, kind, url) VALUES ('x', 'webhook', url);
	RAISE EXCEPTION USING ERRCODE = 'TLOK0', MESSAGE = 'ok';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlerrm;
END
$$;
SELECT url, regexp_replace(pg_temp.attempt(url), '.*constraint ', '') AS outcome
FROM unnest(ARRAY['http://localhost', 'https://example.org:8080/a/b?c=d&e=%20', 'http://[::1]:80/x', 'ftp://example.org/', 'file:///etc/passwd',
	'http://user:password@example.org/', 'http://user@example.org', 'http://example.org/#part', 'http://example.org/a b', E'http://example.org/\r\nX: y', 'http://',
	'javascript:alert(1)', 'http://exämple.org/', 'http://example.org\@other.org/']) AS u (url);
SELECT regexp_replace(pg_temp.attempt('http://h/' || repeat('x', 2048)), '.*constraint ', '') AS outcome;
INSERT INTO telemetry.notification_channel (name, kind, url) VALUES ('a/b', 'webhook', 'http://h/');
INSERT INTO telemetry.notification_channel (name, kind, url) VALUES ('x', 'fax', 'http://h/');
INSERT INTO telemetry.notification_channel (name, kind) VALUES ('x', 'slack');
INSERT INTO telemetry.notification_channel (name, kind, sender) VALUES ('x', 'email', 'a@b.example');
INSERT INTO telemetry.notification_channel (name, kind, url, sender, recipients) VALUES ('x', 'email', 'http://h/', 'a@b.example', '{c@d.example}');
INSERT INTO telemetry.notification_channel (name, kind, url, secret) VALUES ('x', 'slack', 'http://h/', '0123456789abcdef');
INSERT INTO telemetry.notification_channel (name, kind, url, secret) VALUES ('x', 'webhook', 'http://h/', 'short');
INSERT INTO telemetry.notification_channel (name, kind, url, group_wait) VALUES ('x', 'slack', 'http://h/', -1);
INSERT INTO telemetry.notification_channel (name, kind, sender, recipients) VALUES ('x', 'email', 'a@b.example', ARRAY[E'c@d.example\nBcc: e@f.example']);
INSERT INTO telemetry.notification_channel (name, kind, sender, recipients) VALUES ('x', 'email', 'Some One <a@b.example>', '{c@d.example}');
INSERT INTO telemetry.notification_channel (name, kind, url, headers) VALUES ('x', 'webhook', 'http://h/', '{"X-Y": "a\r\nb"}');
INSERT INTO telemetry.notification_channel (name, kind, url, headers) VALUES ('x', 'webhook', 'http://h/', '{"X-Y: z": "a"}');
INSERT INTO telemetry.notification_channel (name, kind, url, headers) VALUES ('x', 'webhook', 'http://h/', '{"Content-Length": "5"}');
INSERT INTO telemetry.notification_channel (name, kind, url, headers) VALUES ('x', 'webhook', 'http://h/', '{"x-telemetry-signature": "5"}');
INSERT INTO telemetry.notification_channel (name, kind, url, headers) VALUES ('x', 'webhook', 'http://h/', '{"X-Y": 5}');
INSERT INTO telemetry.notification_channel (name, kind, url, headers) VALUES ('x', 'webhook', 'http://h/', '[]');
INSERT INTO telemetry.notification_channel (name, kind, url, headers)
SELECT 'x', 'webhook', 'http://h/', jsonb_object_agg('X-' || i, 'y') FROM generate_series(1, 21) AS i;

-- nobody_reads_secrets, nor has them sent to somebody else
SET ROLE notification_admin;
INSERT INTO telemetry.notification_channel (name, kind, url, secret, headers, group_wait, group_interval, rate_limit)
VALUES ('hook', 'webhook', 'http://hook.example/in', '0123456789abcdef', '{"Authorization": "Bearer token"}', 10, 60, 6000);
SELECT name, kind, url FROM telemetry.notification_channel;
SELECT secret FROM telemetry.notification_channel;
SELECT headers FROM telemetry.notification_channel;
SELECT * FROM telemetry.notification_channel;
UPDATE telemetry.notification_channel SET enabled = true RETURNING secret;
UPDATE telemetry.notification_channel SET url = 'http://other.example/' WHERE name = 'hook';
UPDATE telemetry.notification_channel SET url = 'http://other.example/', secret = 'another-secret-0' WHERE name = 'hook';
UPDATE telemetry.notification_channel SET url = 'http://hook.example/in2', secret = 'key-of-the-hook-0', headers = '{"Authorization": "Bearer token2"}' WHERE name = 'hook';
RESET ROLE;
SET ROLE notification_writer;
SELECT name FROM telemetry.notification_channel;
SELECT * FROM telemetry.notification;
INSERT INTO telemetry.notification_channel (name, kind, url) VALUES ('x', 'webhook', 'http://h/');
SELECT telemetry.retry_notifications('hook');
RESET ROLE;
SET ROLE notification_reader;
SELECT name FROM telemetry.notification_channel;
SELECT telemetry.take_notifications('w');
SELECT channel, status, pending FROM telemetry.notification_status;
RESET ROLE;
SELECT name, event_types FROM telemetry.outbox_consumer;

-- hmac_is_that_of_rfc_4231
SELECT encode(telemetry.hmac_sha256(decode(repeat('0b', 20), 'hex'), 'Hi There'), 'hex') = 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7' AS one,
	encode(telemetry.hmac_sha256('Jefe', 'what do ya want for nothing?'), 'hex') = '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843' AS two,
	encode(telemetry.hmac_sha256(decode(repeat('aa', 131), 'hex'), 'Test Using Larger Than Block-Size Key - Hash Key First'), 'hex')
		= '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54' AS six;

-- Alerts as the evaluator leaves them.
CREATE FUNCTION pg_temp.alerts(first int, n int, channels text[] DEFAULT '{hook}', message text DEFAULT 'It is warm.') RETURNS void LANGUAGE sql AS $$
	INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value, notification_channels) VALUES ('notification', 'Räume', 'm', '>', '90', channels)
	ON CONFLICT (rule_id) DO UPDATE SET notification_channels = excluded.notification_channels;
	INSERT INTO telemetry.alert (alert_id, rule_id, rule_name, device_id, metric_name, level, condition, threshold_value, value, message, triggered_at, created_at)
	SELECT 'alert' || i, 'notification', 'Räume', 'device' || i, 'm', CASE WHEN i = 2 THEN 'critical' ELSE 'warning' END::telemetry.alert_level,
		'>', '90', '95.5', message, timestamptz '2024-01-01' + i * interval '1 s', '2024-01-02'
	FROM generate_series(first, first + n - 1) AS i;
$$;
CREATE FUNCTION pg_temp.resolve(first int, n int) RETURNS void LANGUAGE sql AS $$
	UPDATE telemetry.alert SET status = 'resolved', resolved_at = '2024-01-03', resolution_known_at = '2024-01-03', resolution = 'clear'
	WHERE alert_id IN (SELECT 'alert' || i FROM generate_series(first, first + n - 1) AS i);
$$;
CREATE FUNCTION pg_temp.at(seconds int) RETURNS timestamptz LANGUAGE sql AS $$ SELECT timestamptz '2030-01-01' + seconds * interval '1 s' $$;
CREATE VIEW pg_temp.notifications AS
	SELECT n.channel, n.state, cardinality(n.event_ids) AS ids, n.triggered AS t, n.acknowledged AS a, n.resolved AS r, n.late AS l, n.level, jsonb_array_length(n.events) AS events,
		n.attempts, n.last_error, n.closed_at IS NOT NULL AS closed
	FROM telemetry.notification AS n ORDER BY n.number;
-- What names and times of their own make of it is left out.
CREATE FUNCTION pg_temp.plain(body text) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(body, 'notification_[0-9a-f]{24}', 'ID', 'g'), '"event_id": \d+', '"event_id": N', 'g') $$;

-- events_of_a_channel_gather_for_group_wait
SELECT pg_temp.alerts(1, 1);
SET ROLE notification_writer;
SELECT telemetry.prepare_notifications(now => pg_temp.at(0));
SELECT telemetry.prepare_notifications(now => pg_temp.at(0));
SELECT count(*) FROM telemetry.take_notifications('w', now => pg_temp.at(9));
RESET ROLE;
SELECT pg_temp.alerts(2, 1);
SELECT telemetry.prepare_notifications(now => pg_temp.at(9));
SELECT * FROM pg_temp.notifications;
SET ROLE notification_writer;
SELECT channel, kind, url, method, pg_temp.plain(body) AS body, mail_from, mail_to, timeout_seconds, attempt,
	pg_temp.plain((headers - 'X-Telemetry-Signature')::text) AS headers,
	headers ->> 'X-Telemetry-Notification-Id' = notification_id AND body::jsonb ->> 'notification_id' = notification_id AS same_id,
	headers ->> 'X-Telemetry-Timestamp' = extract(epoch FROM pg_temp.at(10))::bigint::text AS timestamp
FROM telemetry.take_notifications('w', now => pg_temp.at(10)) \gx
RESET ROLE;

-- two_never_send_the_same_one_at_once, and one that was taken by a killed proxy comes again, the same
SELECT count(*) FROM telemetry.take_notifications('v', now => pg_temp.at(129));
SELECT t.attempt, t.notification_id = n.id AS same_id, n.leased_by, t.timeout_seconds,
	t.headers ->> 'X-Telemetry-Signature' = encode(telemetry.hmac_sha256('key-of-the-hook-0', convert_to(extract(epoch FROM pg_temp.at(130))::bigint || '.' || t.body, 'UTF8')), 'hex') AS signed
FROM telemetry.take_notifications('v', now => pg_temp.at(130)) AS t
JOIN telemetry.notification AS n ON n.id = t.notification_id;
SELECT leased_by, leased_until = pg_temp.at(250) AS lease FROM telemetry.notification;

-- a_failure_of_the_first_one_that_comes_late_counts_for_nothing
SELECT telemetry.settle_notification(id, false, 'too late', 1, now => pg_temp.at(131)) FROM telemetry.notification;
SELECT state, attempts, leased_by, last_error FROM telemetry.notification;

-- after_a_failure_it_comes_again_later_and_later
SELECT telemetry.settle_notification(id, false, E'refused\r\nX: y', 2, now => pg_temp.at(140)) FROM telemetry.notification;
SELECT state, attempts, leased_by, last_error, next_attempt_at BETWEEN pg_temp.at(145) AND pg_temp.at(150) AS delay FROM telemetry.notification;
SELECT channel, status, rules, pending, sent, dead, failures, last_error, last_error_at FROM telemetry.notification_status;
-- once
SELECT telemetry.settle_notification(id, false, 'again', 2, now => pg_temp.at(149)) FROM telemetry.notification;
SELECT count(*) FROM telemetry.take_notifications('w', now => pg_temp.at(144));
SELECT attempt FROM telemetry.take_notifications('w', now => pg_temp.at(150));
-- who_does_not_send_in_time_but_succeeds_has_sent_it
SELECT attempt FROM telemetry.take_notifications('v', now => pg_temp.at(300));
SELECT telemetry.settle_notification(id, true, NULL, 3, now => pg_temp.at(301)) FROM telemetry.notification;
SELECT telemetry.settle_notification(id, false, 'late', 4, now => pg_temp.at(302)) FROM telemetry.notification;
SELECT telemetry.settle_notification(id, true, NULL, 4, now => pg_temp.at(302)) FROM telemetry.notification;
SELECT channel, status, pending, sent, dead, failures, last_sent_at, last_error FROM telemetry.notification_status;
SELECT count(*) FROM telemetry.take_notifications('w', now => pg_temp.at(1000));
SELECT telemetry.settle_notification('notification_none', true);
SELECT telemetry.settle_notification('notification_none', NULL);

-- delays_grow_to_a_quarter_of_an_hour_and_then_it_is_dead
SELECT pg_temp.resolve(1, 2);
SELECT telemetry.prepare_notifications(now => pg_temp.at(2000));
DO $$
DECLARE
	t timestamptz := pg_temp.at(2010);
	taken record;
	delay text;
BEGIN
	FOR i IN 1 .. 10 LOOP
		SELECT * INTO STRICT taken FROM telemetry.take_notifications('w', now => t);
		PERFORM telemetry.settle_notification(taken.notification_id, false, 'away', taken.attempt, now => t);
		SELECT CASE WHEN n.state = 'dead' THEN 'dead' WHEN n.next_attempt_at BETWEEN t + d / 2 AND t + d THEN 'up to ' || d ELSE 'wrong' END,
			greatest(n.next_attempt_at, t) INTO delay, t
		FROM telemetry.notification AS n, make_interval(secs => least(900, 5 * 2 ^ (i - 1))) AS d WHERE n.id = taken.notification_id;
		RAISE WARNING '% %', i, delay;
	END LOOP;
END
$$;
SELECT channel, status, pending, sent, dead, failures, last_error FROM telemetry.notification_status;
-- and can be sent again
SELECT telemetry.retry_notifications('hook', now => pg_temp.at(9000));
SELECT channel, status, pending, sent, dead FROM telemetry.notification_status;
SELECT attempt, body::jsonb -> 'resolved' AS resolved FROM telemetry.take_notifications('w', now => pg_temp.at(9000));
-- what_the_receiver_will_never_take_is_dead_at_once
SELECT telemetry.settle_notification(id, false, '400 Bad Request', final => true, now => pg_temp.at(9001)) FROM telemetry.notification WHERE state = 'pending';
-- an_answer_that_comes_after_that_counts
SELECT telemetry.settle_notification(id, true, now => pg_temp.at(9002)) FROM telemetry.notification WHERE state = 'dead';
SELECT channel, status, pending, sent, dead FROM telemetry.notification_status;
SELECT telemetry.retry_notifications('none');
SELECT telemetry.retry_notifications('hook', 0);
-- legal_moves_alone
DO $$
BEGIN
	UPDATE telemetry.notification SET state = 'pending' WHERE state = 'sent';
EXCEPTION WHEN object_not_in_prerequisite_state THEN
	RAISE WARNING '%', pg_temp.plain(sqlerrm);
END
$$;

-- what_is_older_than_max_age_is_dead, and what nobody has settled
SELECT pg_temp.alerts(3, 1);
SELECT telemetry.prepare_notifications(now => pg_temp.at(10000));
SELECT count(*) FROM telemetry.take_notifications('w', now => pg_temp.at(10000 + 86400));
SELECT * FROM pg_temp.notifications WHERE state = 'dead';
DELETE FROM telemetry.notification;
UPDATE telemetry.notification_channel SET max_attempts = 2 WHERE name = 'hook';
SELECT pg_temp.alerts(4, 1);
SELECT telemetry.prepare_notifications(now => pg_temp.at(200000));
SELECT attempt FROM telemetry.take_notifications('w', lease => '1 s', now => pg_temp.at(200010));
SELECT attempt FROM telemetry.take_notifications('w', lease => '1 s', now => pg_temp.at(200012));
SELECT attempt FROM telemetry.take_notifications('w', lease => '1 s', now => pg_temp.at(200014));
SELECT * FROM pg_temp.notifications;
UPDATE telemetry.notification_channel SET max_attempts = 10 WHERE name = 'hook';
DELETE FROM telemetry.notification;

-- group_interval_and_rate_limit_are_kept, and the oldest is sent first, alone
SELECT pg_temp.alerts(10, 1);
SELECT telemetry.prepare_notifications(now => pg_temp.at(300000));
SELECT attempt FROM telemetry.take_notifications('w', now => pg_temp.at(300010));
SELECT pg_temp.alerts(11, 1);
SELECT telemetry.prepare_notifications(now => pg_temp.at(300011));
SELECT pg_temp.resolve(10, 1);
SELECT telemetry.prepare_notifications(now => pg_temp.at(300012));
SELECT * FROM pg_temp.notifications;
SELECT count(*) FROM telemetry.take_notifications('v', now => pg_temp.at(300100));
SELECT telemetry.settle_notification(id, true, now => pg_temp.at(300020)) FROM telemetry.notification WHERE closed_at IS NOT NULL;
SELECT count(*) FROM telemetry.take_notifications('v', now => pg_temp.at(300069));
SELECT body::jsonb -> 'triggered' AS triggered, body::jsonb -> 'resolved' AS resolved FROM telemetry.take_notifications('v', now => pg_temp.at(300070));
SELECT telemetry.settle_notification(id, true, now => pg_temp.at(300071)) FROM telemetry.notification WHERE state = 'pending';
UPDATE telemetry.notification_channel SET rate_limit = 2, group_interval = 0, group_wait = 0 WHERE name = 'hook';
SELECT pg_temp.alerts(12, 1);
SELECT telemetry.prepare_notifications(now => pg_temp.at(400000));
SELECT attempt FROM telemetry.take_notifications('v', now => pg_temp.at(400000));
SELECT telemetry.settle_notification(id, true, now => pg_temp.at(400001)) FROM telemetry.notification WHERE state = 'pending';
SELECT pg_temp.alerts(13, 1);
SELECT telemetry.prepare_notifications(now => pg_temp.at(400001));
SELECT count(*) FROM telemetry.take_notifications('v', now => pg_temp.at(400029));
SELECT count(*) FROM telemetry.take_notifications('v', now => pg_temp.at(400030));
UPDATE telemetry.notification_channel SET rate_limit = 6000 WHERE name = 'hook';
DELETE FROM telemetry.notification;

-- a_storm_is_one_message
SELECT pg_temp.alerts(1000, 10000);
SELECT telemetry.prepare_notifications(5000, now => pg_temp.at(500000)) FROM generate_series(1, 3);
SELECT * FROM pg_temp.notifications;
SELECT length(body) < 50000 AS bounded, body::jsonb ->> 'title' AS title, jsonb_array_length(body::jsonb -> 'events') AS events FROM telemetry.take_notifications('w', now => pg_temp.at(500000));
DELETE FROM telemetry.notification;

-- each_kind_has_its_words
INSERT INTO telemetry.notification_channel (name, kind, url, group_wait, group_interval) VALUES
	('prometheus', 'alertmanager', 'http://alertmanager.example:9093/', 0, 0), ('chat', 'slack', 'https://chat.example/hooks/1', 0, 0);
INSERT INTO telemetry.notification_channel (name, kind, sender, recipients, group_wait, group_interval) VALUES
	('post', 'email', 'telemetry@example.org', '{a@example.org,b@example.org}', 0, 0);
DELETE FROM telemetry.alert WHERE alert_id LIKE 'alert1%' OR alert_id IN ('alert2', 'alert3');
SELECT pg_temp.alerts(1, 3, '{prometheus,chat,post,chat}', E'Wärmer <b>&\r\nBcc: x@example.org');
UPDATE telemetry.alert SET status = 'acknowledged', acknowledged_at = '2024-01-02' WHERE alert_id = 'alert2';
SELECT pg_temp.resolve(1, 1);
SELECT telemetry.prepare_notifications(now => pg_temp.at(600000));
SELECT * FROM pg_temp.notifications;
CREATE TEMP TABLE sent AS SELECT * FROM telemetry.take_notifications('w', now => pg_temp.at(600000));
SELECT channel, url, method, headers, mail_from, mail_to FROM sent ORDER BY channel;
SELECT jsonb_pretty(body::jsonb) FROM sent WHERE channel = 'prometheus';
SELECT body::jsonb ->> 'text' AS text FROM sent WHERE channel = 'chat';
SELECT regexp_replace(pg_temp.plain(split_part(body, E'\r\n\r\n', 1)), E'\r', '', 'g') AS head FROM sent WHERE channel = 'post';
SELECT regexp_replace(convert_from(decode(split_part(body, E'\r\n\r\n', 2), 'base64'), 'UTF8'), E'\r', '', 'g') AS text FROM sent WHERE channel = 'post';
SELECT bool_and(octet_length(line) <= 78 AND line !~ '^[.]' AND line ~ '^[ -~]*$') AS lines, right(max(body), 2) = E'\r\n' AS ends
FROM sent, regexp_split_to_table(body, E'\r\n') AS line WHERE channel = 'post';
SELECT telemetry.mail_subject(repeat('ä', 25)), telemetry.mail_subject('=?utf-8?Q?x?='), telemetry.mail_subject('plain');
-- What has happened since counts when it is sent to Alertmanager again.
SELECT telemetry.settle_notification(notification_id, false, 'away', now => pg_temp.at(600000)) FROM sent WHERE channel = 'prometheus';
SELECT pg_temp.resolve(2, 1);
SELECT e ->> 'endsAt' AS ends_at, e #>> '{labels,alert_id}' AS alert_id
FROM telemetry.take_notifications('w', now => pg_temp.at(600010)) AS t, jsonb_array_elements(t.body::jsonb) AS e WHERE t.channel = 'prometheus' ORDER BY 2;
-- send_resolved
UPDATE telemetry.notification_channel SET send_resolved = false WHERE name IN ('chat', 'post');
SELECT pg_temp.resolve(3, 1);
SELECT telemetry.prepare_notifications(now => pg_temp.at(600020));
SELECT channel, r FROM pg_temp.notifications WHERE NOT closed;
DELETE FROM telemetry.notification;

-- alertmanager_is_told_of_each_alert
SELECT pg_temp.alerts(20000, 1201, '{prometheus}');
SELECT telemetry.prepare_notifications(now => pg_temp.at(700000));
SELECT channel, t, events, closed FROM pg_temp.notifications;
DELETE FROM telemetry.notification;

-- a_channel_that_fails_delays_no_other
SELECT pg_temp.alerts(30000, 1, '{prometheus,chat,hook}');
SELECT telemetry.prepare_notifications(now => pg_temp.at(800000));
SELECT string_agg(channel, ' ' ORDER BY channel) AS taken FROM telemetry.take_notifications('w', now => pg_temp.at(800000));
SELECT telemetry.settle_notification(id, channel <> 'chat', 'away', now => pg_temp.at(800000)) FROM telemetry.notification ORDER BY channel;
SELECT pg_temp.alerts(30001, 1, '{prometheus,chat,hook}');
SELECT telemetry.prepare_notifications(now => pg_temp.at(800002));
SELECT string_agg(channel, ' ' ORDER BY channel) AS taken FROM telemetry.take_notifications('w', now => pg_temp.at(800002));
SELECT channel, state, t, closed, attempts FROM pg_temp.notifications WHERE channel = 'chat';
-- who_has_waited_longest_is_first
SELECT channel FROM telemetry.take_notifications('w', 1, now => pg_temp.at(800006));
DELETE FROM telemetry.notification;

-- a_channel_that_is_not_there_or_not_enabled
UPDATE telemetry.notification_channel SET enabled = false WHERE name = 'chat';
SELECT pg_temp.alerts(40000, 1, '{nowhere,chat,hook}');
SELECT telemetry.prepare_notifications(now => pg_temp.at(900000));
SELECT channel, t FROM pg_temp.notifications;
SELECT count(*) FROM telemetry.alert WHERE alert_id = 'alert40000';
SELECT channel, kind, status, rules, pending FROM telemetry.notification_status;
UPDATE telemetry.notification_channel SET enabled = false WHERE name = 'hook';
SELECT count(*) FROM telemetry.take_notifications('w', now => pg_temp.at(900000));
UPDATE telemetry.notification_channel SET enabled = true WHERE name = 'hook';

-- what_is_discarded_is_told_nobody
BEGIN;
SELECT count(*) FROM telemetry.take_notifications('w', now => pg_temp.at(900200)) AS t WHERE t.channel = 'hook';
INSERT INTO telemetry.notification (channel, event_ids, created_at, pending_since, next_attempt_at)
VALUES ('hook', '{1}', pg_temp.at(900201), pg_temp.at(900201), pg_temp.at(900201)), ('prometheus', '{1}', pg_temp.at(900201), pg_temp.at(900201), pg_temp.at(900201));
SELECT telemetry.discard_notifications('hook', 'pending', now => pg_temp.at(900202)) AS of_two_one_is_on_its_way;
SELECT telemetry.settle_notification(id, false, 'gone', final => true, now => pg_temp.at(900203)) FROM telemetry.notification WHERE channel = 'hook';
SELECT channel, state FROM pg_temp.notifications WHERE channel = 'hook';
SELECT dead AS dead_before FROM telemetry.notification_status WHERE channel = 'hook' \gset
SELECT telemetry.discard_notifications('hook'), telemetry.discard_notifications('hook') AS again;
SELECT channel, state FROM pg_temp.notifications WHERE channel = 'hook';
SELECT dead - :dead_before AS more_dead FROM telemetry.notification_status WHERE channel = 'hook';
SELECT count(*) FROM telemetry.notification WHERE channel = 'prometheus' AND state = 'pending';
ROLLBACK;
SELECT telemetry.discard_notifications('none');
SELECT telemetry.discard_notifications('hook', 'sent');
SELECT telemetry.discard_notifications('hook', 'dead', 10001);

-- what_is_erased_is_not_sent
SELECT pg_temp.alerts(50000, 2);
SELECT telemetry.prepare_notifications(now => pg_temp.at(900001));
SELECT channel, t, events FROM pg_temp.notifications;
SELECT telemetry.delete_device('device50000') IS NOT NULL AS erased;
SELECT channel, t, events, strpos(n.body, 'device50000') AS found FROM telemetry.take_notifications('w', now => pg_temp.at(900001)) AS n, pg_temp.notifications AS p (c, s, ids, t, a, r, l, level, events);
SELECT telemetry.delete_device('device50001') IS NOT NULL AS erased, telemetry.delete_device('device40000') IS NOT NULL AS erased_too;
SELECT count(*) FROM telemetry.notification;
SELECT telemetry.settle_notification('notification_gone', true);

-- arguments
SELECT telemetry.prepare_notifications(0);
SELECT telemetry.take_notifications('w', 0);
SELECT telemetry.take_notifications('');
SELECT telemetry.take_notifications('w', lease => '0');

-- job_prune_removes_what_was_sent_and_what_has_been_dead_for_long
INSERT INTO telemetry.notification (channel, state, event_ids, created_at, pending_since, closed_at, next_attempt_at, settled_at)
SELECT 'hook', s.state, '{}', pg_temp.at(0), pg_temp.at(0), pg_temp.at(0), pg_temp.at(0), pg_temp.at(0)
FROM unnest('{sent,sent,dead,pending}'::text[]) AS s (state);
SELECT telemetry.prune_notifications(1, pg_temp.at(7 * 86400 + 1));
SELECT telemetry.prune_notifications(10, pg_temp.at(29 * 86400));
SELECT telemetry.prune_notifications(10, pg_temp.at(30 * 86400 + 1));
SELECT state FROM telemetry.notification;
SELECT telemetry.job_prune();

-- a_restore_brings_the_consumer_with_its_own_rows
DELETE FROM telemetry.notification_channel;
SELECT count(*) AS notifications, (SELECT count(*) FROM telemetry.outbox_consumer) AS consumers, (SELECT count(*) FROM telemetry.notification_channel_state) AS states FROM telemetry.notification;
SELECT telemetry.prepare_notifications();
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET standard_conforming_strings = on;
SET xmloption = content;
INSERT INTO telemetry.notification_channel (name, kind, url) VALUES ('restored', 'webhook', 'http://h/');
SELECT (SELECT count(*) FROM telemetry.outbox_consumer) AS consumers, (SELECT count(*) FROM telemetry.notification_channel_state) AS states;
\c
SET client_min_messages = warning;
-- one that somebody has dropped comes back
SELECT telemetry.prepare_notifications();
SELECT name FROM telemetry.outbox_consumer;

DELETE FROM telemetry.notification_channel;
DELETE FROM telemetry.alert;
DELETE FROM telemetry.alert_rule WHERE rule_id = 'notification';
DELETE FROM telemetry.deleted_alert_rule;
DELETE FROM telemetry.outbox;
DROP ROLE notification_admin, notification_writer, notification_reader;
