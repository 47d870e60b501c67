-- telemetry.outbox: what happened is written with it, and each consumer takes each row once.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SET client_min_messages = warning;
CREATE ROLE outbox_admin IN ROLE telemetry_admin;
CREATE ROLE outbox_writer IN ROLE telemetry_writer;

-- a_consumer_is_given_what_is_committed_after_it_was_made
SELECT telemetry.publish('firmware.found', 'before', '{}') > 0 AS published;
SELECT telemetry.create_outbox_consumer('first');
SELECT telemetry.create_outbox_consumer('metrics', '{firmware.found}', true);
SELECT telemetry.publish('firmware.found', 'm1', '{"metric_name": "m1"}') > 0 AS published;
SELECT telemetry.publish('thing.done', 't1', '{}') > 0 AS published;
SELECT event_type, key, data, transaction_id < pg_current_xact_id() AS earlier, created_at BETWEEN now() - interval '1 min' AND clock_timestamp() AS now
FROM telemetry.take_outbox('first');
SELECT key FROM telemetry.take_outbox('first');
-- from_start_is_given_what_is_there_and_event_types_those_alone
SELECT key FROM telemetry.take_outbox('metrics');
SELECT key FROM telemetry.take_outbox('metrics');

-- who_is_rolled_back_gets_them_again
SELECT telemetry.publish('thing.done', 't2', '{}') > 0 AS published;
BEGIN;
SELECT key FROM telemetry.take_outbox('first');
SELECT key FROM telemetry.take_outbox('first');
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT key FROM telemetry.take_outbox('first');
ROLLBACK TO s;
SELECT key FROM telemetry.take_outbox('first');
COMMIT;
SELECT key FROM telemetry.take_outbox('first');

-- a_limit_is_kept_in_the_order_of_ids_and_nothing_that_comes_meanwhile_is_lost
DO $$ BEGIN FOR i IN 1 .. 7 LOOP PERFORM telemetry.publish('thing.done', 'many' || i, '{}'); END LOOP; END $$;
SELECT string_agg(key, ' ') FROM telemetry.take_outbox('first', 3);
SELECT target IS NOT NULL AS in_a_step, last_id > 0 AS has_place FROM telemetry.outbox_consumer WHERE name = 'first';
SELECT telemetry.publish('thing.done', 'meanwhile', '{}') > 0 AS published;
SELECT string_agg(key, ' ') FROM telemetry.take_outbox('first', 3);
SELECT string_agg(key, ' ') FROM telemetry.take_outbox('first', 3);
SELECT target IS NULL AS in_no_step, last_id FROM telemetry.outbox_consumer WHERE name = 'first';
SELECT string_agg(key, ' ') FROM telemetry.take_outbox('first', 3);
SELECT string_agg(key, ' ') FROM telemetry.take_outbox('first', 3);
-- what_is_exactly_the_limit_is_one_step
DO $$ BEGIN FOR i IN 1 .. 3 LOOP PERFORM telemetry.publish('thing.done', 'few' || i, '{}'); END LOOP; END $$;
SELECT string_agg(key, ' ') FROM telemetry.take_outbox('first', 3);
SELECT target IS NULL AS in_no_step FROM telemetry.outbox_consumer WHERE name = 'first';
SELECT count(*) FROM telemetry.take_outbox('first', 3);

-- a_transaction_does_not_take_its_own_rows_and_the_next_one_does, also what it writes after it has taken, and in a subtransaction
BEGIN;
SELECT telemetry.publish('thing.done', 'own1', '{}') > 0 AS published;
SELECT key FROM telemetry.take_outbox('first');
SAVEPOINT s;
SELECT telemetry.publish('thing.done', 'own2', '{}') > 0 AS published;
RELEASE s;
SELECT key FROM telemetry.take_outbox('first');
COMMIT;
SELECT key FROM telemetry.take_outbox('first');
-- so also of a consumer that it makes
BEGIN;
SELECT telemetry.publish('thing.done', 'own3', '{}') > 0 AS published;
SELECT telemetry.create_outbox_consumer('own');
SELECT telemetry.publish('thing.done', 'own4', '{}') > 0 AS published;
COMMIT;
SELECT key FROM telemetry.take_outbox('own');
SELECT telemetry.drop_outbox_consumer('own');

-- a_subtransaction_that_was_undone_has_told_nothing
BEGIN;
SAVEPOINT s;
SELECT telemetry.publish('thing.done', 'undone', '{}') > 0 AS published;
ROLLBACK TO s;
SELECT telemetry.publish('thing.done', 'done', '{}') > 0 AS published;
COMMIT;
SELECT key FROM telemetry.take_outbox('first');

-- a_prepared_transaction_is_taken_when_it_is_committed
BEGIN;
SELECT telemetry.publish('thing.done', 'prepared', '{}') > 0 AS published;
PREPARE TRANSACTION 'outbox';
SELECT telemetry.publish('thing.done', 'after it', '{}') > 0 AS published;
SELECT key FROM telemetry.take_outbox('first');
SELECT key FROM telemetry.take_outbox('first');
COMMIT PREPARED 'outbox';
SELECT key FROM telemetry.take_outbox('first');
SELECT key FROM telemetry.take_outbox('first');

-- what_is_not_wanted_is_not_looked_at_again
SELECT key FROM telemetry.take_outbox('metrics');
SELECT pg_snapshot_xmax(m.taken) >= pg_snapshot_xmax(f.taken) AS has_gone_on
FROM telemetry.outbox_consumer AS m, telemetry.outbox_consumer AS f WHERE m.name = 'metrics' AND f.name = 'first';

-- errors
SELECT telemetry.take_outbox('nobody');
SELECT telemetry.take_outbox('first', 0);
SELECT telemetry.drop_outbox_consumer('nobody');
SELECT telemetry.create_outbox_consumer('first');
\set VERBOSITY terse
SELECT telemetry.create_outbox_consumer('Not Plain');
SELECT telemetry.create_outbox_consumer('empty', '{}');
\set VERBOSITY default
SELECT telemetry.publish('word', 'k', '{}');
SELECT telemetry.publish('alert.triggered', 'k', '{}');
SELECT telemetry.publish('user.deleted', 'k', '{}');
SELECT telemetry.publish('thing.done', '', '{}');
SELECT telemetry.publish('thing.done', 'k', '[]');
SELECT telemetry.publish('thing.done', 'k', jsonb_build_object('x', repeat('x', 262144)));
BEGIN READ ONLY;
SELECT telemetry.take_outbox('first');
ROLLBACK;

-- rights
SET ROLE outbox_writer;
SELECT telemetry.take_outbox('first');
SELECT telemetry.publish('thing.done', 'k', '{}');
RESET ROLE;
SET ROLE outbox_admin;
SELECT count(*) FROM telemetry.take_outbox('first');
INSERT INTO telemetry.outbox (event_type, key, data) VALUES ('thing.done', 'k', '{}');
UPDATE telemetry.outbox_consumer SET last_id = 0;
RESET ROLE;

-- a_cursor_of_another_cluster_begins_anew
UPDATE telemetry.outbox_consumer SET taken = '900000000000:900000000000:' WHERE name = 'first';
SELECT key FROM telemetry.take_outbox('first');
SELECT telemetry.publish('thing.done', 'here', '{}') > 0 AS published;
SELECT key FROM telemetry.take_outbox('first');
UPDATE telemetry.outbox_consumer SET target = '900000000000:900000000000:', last_id = 5 WHERE name = 'first';
SELECT key FROM telemetry.take_outbox('first');
SELECT telemetry.publish('thing.done', 'here too', '{}') > 0 AS published;
SELECT key FROM telemetry.take_outbox('first');

-- prune_removes_what_every_consumer_has_taken_that_wants_it
SELECT telemetry.publish('thing.done', 'taken', '{}') > 0 AS published;
SELECT key FROM telemetry.take_outbox('first');
SELECT telemetry.publish('firmware.found', 'wanted', '{}') > 0 AS published;
SELECT telemetry.publish('thing.done', 'not taken', '{}') > 0 AS published;
CALL telemetry.run_jobs('prune');
SELECT key FROM telemetry.outbox ORDER BY id;
SELECT key FROM telemetry.take_outbox('first');
CALL telemetry.run_jobs('prune');
SELECT key FROM telemetry.outbox ORDER BY id;
-- and in any case after 7 days
SELECT telemetry.prune_outbox(10, now() + interval '6 days 23 hours');
SELECT telemetry.prune_outbox(10, now() + interval '7 days 1 hour');
-- in bounded batches
DO $$ BEGIN FOR i IN 1 .. 5 LOOP PERFORM telemetry.publish('thing.done', 'many' || i, '{}'); END LOOP; END $$;
SELECT count(*) FROM telemetry.take_outbox('first');
SELECT telemetry.prune_outbox(2) FROM generate_series(1, 4);
-- without a consumer nothing is kept
SELECT telemetry.drop_outbox_consumer(name) FROM telemetry.outbox_consumer;
SELECT telemetry.publish('thing.done', 'to nobody', '{}') > 0 AS published;
CALL telemetry.run_jobs('prune');
SELECT count(*) FROM telemetry.outbox;

-- rules_are_told_of
SELECT telemetry.create_outbox_consumer('all');
INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value, notification_channels, cooldown_minutes, auto_resolve_timeout, late) VALUES
	('outbox1', 'One', 'outbox', '>', '90', '{ops}', 0, NULL, 'record'), ('outbox2', 'Two', 'other', '>', '90', '{}', 0, NULL, 'ignore');
UPDATE telemetry.alert_rule SET description = 'The first.' WHERE rule_id = 'outbox1';
UPDATE telemetry.alert_rule SET description = 'The first.' WHERE rule_id = 'outbox1';
DELETE FROM telemetry.alert_rule WHERE rule_id = 'outbox2';
SELECT event_type, key, data ->> 'description' AS description, data -> 'threshold_value' AS threshold_value, data -> 'notification_channels' AS channels,
	data ->> 'created_at' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.]\d{3}Z$' AS time
FROM telemetry.take_outbox('all');

-- alerts_are_told_of_in_the_transaction_in_which_they_change
BEGIN;
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01 00:00:01', 'outbox-d', 'outbox', '95');
ROLLBACK;
SELECT count(*) FROM telemetry.take_outbox('all');
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES
	('2024-01-01 00:00:01', 'outbox-d', 'outbox', '95'), ('2024-01-01 00:00:01', 'outbox-e', 'outbox', '96');
SET ROLE outbox_writer;
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01 00:00:02', 'outbox-d', 'outbox', '5');
RESET ROLE;
CREATE VIEW told AS
	SELECT o.event_type, o.key = o.data ->> 'alert_id' AS key, o.data ->> 'device_id' AS device, o.data ->> 'status' AS status, o.data -> 'value' AS value,
		o.data ->> 'triggered_at' AS triggered_at, o.data ->> 'resolved_at' AS resolved_at, o.data -> 'notification_channels' AS channels
	FROM telemetry.take_outbox('all') AS o;
SELECT * FROM told;
-- triggered and resolved at once, in that order; late
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES
	('2024-01-01 00:00:01', 'outbox-f', 'outbox', '97'), ('2024-01-01 00:00:02', 'outbox-f', 'outbox', '1');
SELECT * FROM told;
INSERT INTO telemetry.alert (rule_id, rule_name, device_id, metric_name, level, status, condition, threshold_value, value, message, triggered_at, resolved_at, resolution, late)
VALUES ('outbox1', 'One', 'outbox-g', 'outbox', 'info', 'resolved', '>', '90', '99', 'Late.', '2024-01-01', '2024-01-01', 'late', true);
SELECT * FROM told;
UPDATE telemetry.alert SET status = 'acknowledged', acknowledged_at = '2024-01-02' WHERE device_id = 'outbox-e';
SELECT * FROM told;
UPDATE telemetry.alert SET status = 'resolved', resolved_at = '2024-01-03', resolution = 'user' WHERE device_id = 'outbox-e';
SELECT * FROM told;
-- of a rule that is gone: what it said
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01 00:00:01', 'outbox-l', 'outbox', '95');
DELETE FROM telemetry.alert_rule WHERE rule_id = 'outbox1';
UPDATE telemetry.alert SET status = 'resolved', resolved_at = '2024-01-03', resolution = 'rule_deleted' WHERE device_id = 'outbox-l' AND status <> 'resolved';
SELECT event_type, device, channels FROM told;
SELECT rule_id, notification_channels FROM telemetry.deleted_alert_rule WHERE rule_id = 'outbox1';
SELECT telemetry.prune_outbox(1000, now() + interval '32 days') >= 0 AS pruned;
SELECT count(*) AS rules FROM telemetry.deleted_alert_rule;
DROP VIEW told;
INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value, notification_channels, cooldown_minutes, auto_resolve_timeout) VALUES
	('outbox1', 'One', 'outbox', '>', '90', '{ops}', 0, NULL);
SELECT event_type FROM telemetry.take_outbox('all');

-- a_session_that_restores_tells_nothing, and_its_consumers_begin_at_what_is_new
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET standard_conforming_strings = on;
SET xmloption = content;
INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value) VALUES ('outbox3', 'Three', 'third', '>', '90');
INSERT INTO telemetry.alert (rule_id, rule_name, device_id, metric_name, level, condition, threshold_value, value, message, triggered_at)
VALUES ('outbox3', 'Three', 'outbox-h', 'third', 'info', '>', '90', '99', 'Restored.', '2024-01-01');
INSERT INTO telemetry.outbox_consumer (name, taken, target, last_id) VALUES ('restored', '900000000000:900000000000:', '900000000001:900000000001:', 77);
\c
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT count(*) FROM telemetry.take_outbox('all');
SELECT target, last_id, pg_snapshot_xmax(taken) <= pg_snapshot_xmax(pg_current_snapshot()) AS is_here FROM telemetry.outbox_consumer WHERE name = 'restored';
SELECT telemetry.publish('thing.done', 'after the restore', '{}') > 0 AS published;
SELECT key FROM telemetry.take_outbox('restored');
SELECT key FROM telemetry.take_outbox('all');
-- who may only ingest cannot pretend to
SET SESSION AUTHORIZATION outbox_writer;
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET standard_conforming_strings = on;
SET xmloption = content;
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-02 00:00:01', 'outbox-i', 'outbox', '95');
\c
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT event_type, data ->> 'device_id' AS device FROM telemetry.take_outbox('all');

-- erasure_is_told_of, and removes what names the one who is erased
SELECT points, events FROM telemetry.delete_device('outbox-d');
SELECT mode FROM telemetry.delete_user('outbox-u', true);
SELECT event_type, key, data - 'erased_at' AS data, data ->> 'erased_at' ~ 'Z$' AS time FROM telemetry.take_outbox('all');
SELECT event_type FROM telemetry.outbox WHERE data ->> 'device_id' = 'outbox-d';
BEGIN;
SELECT telemetry.delete_device('outbox-d') IS NOT NULL AS done;
ROLLBACK;
SELECT count(*) FROM telemetry.take_outbox('all');

-- events_of_other_systems_are_handled_and_not_told_on
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01', 'outbox-x', 'plain', '1');
SELECT kind, mode, points FROM telemetry.handle_event('device.deleted', '{"device_id": "outbox-x", "reason": "sold"}');
SELECT kind, mode, points FROM telemetry.handle_event('device.deleted', '{"device_id": "outbox-x"}');
SELECT kind, mode, events FROM telemetry.handle_event('user.deleted', '{"user_id": "outbox-u"}');
SELECT count(*) FROM telemetry.take_outbox('all');
SELECT telemetry.handle_event('device.created', '{"device_id": "d"}');
SELECT telemetry.handle_event('user.deleted', '{"device_id": "d"}');
SELECT telemetry.handle_event('user.deleted', '{"user_id": 5}');
CREATE FUNCTION pg_temp.post(event_type text, body jsonb) RETURNS telemetry.http_response LANGUAGE sql AS $$
	SELECT telemetry.http_call('POST /api/v1/telemetry/events/{event_type}', jsonb_build_object('event_type', event_type, 'dialect', 'telemetry'), body) $$;
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01', 'outbox-x', 'plain', '1'), ('2024-01-01', 'outbox-y', 'plain', '1');
SET ROLE outbox_admin;
SELECT status, body FROM pg_temp.post('device.deleted', '{"device_id": "outbox-x"}');
SELECT status, body FROM pg_temp.post('device.deleted', '{"type": "device.deleted", "data": {"device_id": "outbox-y"}}');
SELECT status, body FROM pg_temp.post('device.deleted', '{"device_id": "outbox-x"}');
SELECT status, body FROM pg_temp.post('device.created', '{}');
SELECT status, body FROM pg_temp.post('device.deleted', '[]');
SELECT status, body FROM pg_temp.post('device.deleted', NULL);
SELECT status, body FROM pg_temp.post('device.deleted', '{}');
RESET ROLE;
SET ROLE outbox_writer;
SELECT telemetry.handle_event('device.deleted', '{"device_id": "outbox-x"}');
SELECT status, body FROM pg_temp.post('device.deleted', '{"device_id": "outbox-x"}');
RESET ROLE;

-- what_is_received_is_told_of_if_that_is_wanted
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01', 'outbox-x', 'plain', '1');
SELECT count(*) FROM telemetry.take_outbox('all');
SET telemetry.publish_received = on;
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES
	('2024-01-01', 'outbox-x', 'plain', '1'), ('2024-01-01', 'outbox-x', 'plain', '2'), ('infinity', 'outbox-z', 'plain', '1'), ('2024-01-01', 'outbox-x', 'second', '1');
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01', 'outbox-x', 'plain', '1'), ('2024-01-01', 'outbox-y', 'plain', '1');
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('infinity', 'outbox-x', 'plain', '1');
INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT '2024-01-01', 'none', 'm', '1' WHERE false;
SELECT telemetry.ingest('{"timestamp": 1, "metric_name": "m", "value": 1}', 'outbox-j') -> 'success' AS success;
-- one that takes several flushes
SET telemetry.batch_memory = '256kB';
INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT timestamptz '2024-01-01' + i * interval '1 s', 'outbox-x', 'plain', '1' FROM generate_series(1, 40000) AS i;
INSERT INTO telemetry.point (ts, device_id, metric, value)
SELECT timestamptz '2024-01-01' + i * interval '1 s', CASE WHEN i < 30000 THEN 'outbox-x' ELSE 'outbox-y' END, 'plain', '1' FROM generate_series(1, 40000) AS i;
RESET telemetry.batch_memory;
SELECT event_type, key, data FROM telemetry.take_outbox('all');
RESET telemetry.publish_received;
SET ROLE outbox_writer;
SET telemetry.publish_received = on;
RESET ROLE;

-- points_can_be_stored_in_a_prepared_transaction_with_all_that
SET telemetry.publish_received = on;
BEGIN;
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-03', 'outbox-k', 'outbox', '99');
PREPARE TRANSACTION 'outbox';
SELECT count(*) FROM telemetry.take_outbox('all');
COMMIT PREPARED 'outbox';
SELECT event_type FROM telemetry.take_outbox('all') ORDER BY id;
RESET telemetry.publish_received;

-- at_the_end
SELECT telemetry.drop_outbox_consumer(name) FROM telemetry.outbox_consumer;
DELETE FROM telemetry.alert;
DELETE FROM telemetry.alert_state;
DELETE FROM telemetry.alert_pending;
DELETE FROM telemetry.alert_rule WHERE rule_id LIKE 'outbox%';
DELETE FROM telemetry.deleted_alert_rule;
DELETE FROM telemetry.outbox;
DELETE FROM telemetry.dead_letter;
SELECT telemetry.delete_points(d, NULL, NULL, NULL) >= 0 AS deleted FROM unnest('{outbox-e,outbox-f,outbox-i,outbox-j,outbox-k,outbox-l,outbox-x,outbox-y}'::text[]) AS d;
DROP ROLE outbox_admin, outbox_writer;
