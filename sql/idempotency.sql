-- Requests that have a name of their sender's (Idempotency-Key): what comes again is not stored again.
\set VERBOSITY terse
SET timezone = 'UTC';
SET search_path = telemetry, public;
TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter, batch_log, receipt;

--
-- points: the key is the batch_id where the body has none
--

CREATE FUNCTION pg_temp.send(kind text, key text, body text, device text DEFAULT 'idem_1', OUT status integer, OUT body jsonb) LANGUAGE sql AS
	$$ SELECT a.status, a.body FROM telemetry.http_ingest(jsonb_strip_nulls(jsonb_build_object('kind', kind, 'device_id', device, 'idempotency_key', key)), body) AS a $$;
CREATE FUNCTION pg_temp.failure(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN NULL;
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN regexp_replace(SQLERRM, ' at .*', ' at …');
END $$;
CREATE TEMP VIEW stored AS SELECT device_id, metric, value FROM point WHERE device_id LIKE 'idem_%';

SELECT * FROM pg_temp.send('batch', 'k1', '{"data_points": [{"timestamp": 1, "metric_name": "m", "value": 1}, 7]}');
-- a_later_value_is_not_undone_by_a_batch_that_comes_again
SELECT body -> 'success' AS success FROM pg_temp.send('single', NULL, '{"timestamp": 1, "metric_name": "m", "value": 2}');
SELECT * FROM pg_temp.send('batch', 'k1', '{"data_points": [{"timestamp": 1, "metric_name": "m", "value": 1}, 7]}');
SELECT * FROM pg_temp.send('batch', 'k1', '[{"timestamp": 1, "metric_name": "m", "value": 1}, 7]');
SELECT * FROM stored;
SELECT status, body - 'received_at' AS body FROM http_batch('{"batch_id": "k1"}');
-- other_content_under_the_same_key_is_refused
SELECT status, regexp_replace(body ->> 'detail', ' at .*', ' at …') AS detail FROM pg_temp.send('batch', 'k1', '[{"timestamp": 1, "metric_name": "m", "value": 3}]');
-- a_key_and_a_batch_id_must_be_the_same
SELECT body -> 'total_count' AS total FROM pg_temp.send('batch', 'k2', '{"data_points": [{"timestamp": 2, "metric_name": "m", "value": 1}], "batch_id": "k2"}');
SELECT status, regexp_replace(body ->> 'detail', ' at .*', ' at …') AS detail FROM pg_temp.send('batch', 'k"2', '{"data_points": [{"timestamp": 2, "metric_name": "m", "value": 1}], "batch_id": "k2"}');
SELECT body -> 'total_count' AS total FROM pg_temp.send('batch', 'k3', '{"data_points": [{"timestamp": 3, "metric_name": "m", "value": 1}], "batch_id": null}');
-- a_key_is_its_devices_own
SELECT body -> 'total_count' AS total FROM pg_temp.send('batch', 'k1', '[{"timestamp": 4, "metric_name": "m", "value": 4}]', 'idem_2');
SELECT count(*) FROM stored;
-- a_key_has_its_limits
SELECT k.len, pg_temp.failure(format('SELECT telemetry.ingest(%L, %L, %L, repeat(%L, %s))', '{"data_points": [{"timestamp": 5, "metric_name": "m", "value": 4}]}', 'idem_2', 'batch', 'k', k.len))
FROM (VALUES (0), (255), (256)) AS k (len);
SELECT pg_temp.failure($$SELECT telemetry.ingest('{"data_points": [1]}', 'idem_2', 'batch', E'a\tb')$$);
-- a_single_point_is_idempotent_by_itself
SELECT body -> 'success' AS success FROM pg_temp.send('single', 'k1', '{"timestamp": 6, "metric_name": "m", "value": 2}');
SELECT pg_temp.failure($$SELECT telemetry.ingest('{"timestamp": 6, "metric_name": "m", "value": 2}', 'idem_1', 'single', 'k')$$);

-- bulk: each device has its batch
TRUNCATE block;
SELECT body FROM pg_temp.send('bulk', 'b1', '{"idem_1": [{"timestamp": 1, "metric_name": "m", "value": 1}], "idem_2": [{"timestamp": 1, "metric_name": "m", "value": 2}, 7],
	"idem_3": [], "": [{"timestamp": 1, "metric_name": "m", "value": 1}]}', NULL);
SELECT device_id, batch_id, success, total_count, failed_count FROM receipt WHERE batch_id = 'b1' ORDER BY device_id;
INSERT INTO point (ts, device_id, metric, value) SELECT to_timestamp(1), d, 'm', '9' FROM unnest('{idem_1,idem_2}'::text[]) AS d;
-- what_comes_again_is_answered_as_before, and what is new in it is stored
BEGIN;
SELECT body FROM pg_temp.send('bulk', 'b1', '{"idem_1": [{"timestamp": 1, "metric_name": "m", "value": 1}], "idem_2": [{"timestamp": 1, "metric_name": "m", "value": 2}, 7],
	"idem_4": [{"timestamp": 1, "metric_name": "m", "value": 4}, {"timestamp": 1, "metric_name": "m", "value": 5}]}', NULL);
SELECT received, accepted, rejected FROM ingest_result();
COMMIT;
SELECT * FROM stored ORDER BY device_id;
-- one_device_with_other_content_refuses_the_body
SELECT status, regexp_replace(body ->> 'detail', ' at .*', ' at …') AS detail FROM pg_temp.send('bulk', 'b1', '{"idem_5": [{"timestamp": 1, "metric_name": "m", "value": 1}], "idem_1": [{"timestamp": 1, "metric_name": "m", "value": 7}]}', NULL);
SELECT count(*) FROM stored WHERE device_id = 'idem_5';
SELECT count(*) FROM receipt WHERE device_id = 'idem_5';
-- a_batch_may_come_again_in_a_bulk_body
SELECT body #> '{results,idem_2}' AS result FROM pg_temp.send('bulk', 'k1', '{"idem_2": [{"timestamp": 4, "metric_name": "m", "value": 4}]}', NULL);
-- without_a_key_a_bulk_body_has_no_receipts
SELECT body -> 'success' AS success FROM pg_temp.send('bulk', NULL, '{"idem_6": [{"timestamp": 1, "metric_name": "m", "value": 1}]}', NULL);
SELECT count(*) FROM receipt WHERE device_id = 'idem_6';

--
-- events: ids of those that have none are made of the key
--

INSERT INTO stream (name, description, identity) VALUES ('act', 'What somebody does.', 'event_id');
INSERT INTO dialect (name, description, fields, success, result) VALUES
	('act', 'The words of acts.', '{"event_type": "what", "event_id": "id", "session_id": "session"}', '{"outcome": "$outcome"}', '{"outcome": "$outcome"}');
INSERT INTO route (method, path, description, dialect, stream, takes_array, log_batches) VALUES
	('POST', '/act', 'Takes an act.', 'act', 'act', true, true),
	('POST', '/other', 'Takes an act, too.', 'act', 'act', false, false);
CREATE FUNCTION pg_temp.act(key text, body jsonb, path text DEFAULT '/act', caller jsonb DEFAULT '{}', OUT status integer, OUT body jsonb) LANGUAGE sql AS
	$$ SELECT a.status, a.body FROM telemetry.http_events('POST ' || path, jsonb_build_object('caller', jsonb_build_object('idempotency_key', key) || caller), body) AS a $$;
-- without_a_time_only_a_key_makes_two_the_same
SELECT body FROM (VALUES (NULL), (NULL), ('a'), ('a'), ('b')) AS k (key), pg_temp.act(k.key, '{"what": "jump"}');
SELECT count(*), count(DISTINCT event_id), bool_and(event_id ~ '^evt_[0-9A-Z]{26}$') AS made FROM event WHERE stream = 'act';
-- a_key_is_its_senders_and_its_routes
SELECT body FROM (VALUES ('/other', '{}'::jsonb), ('/act', '{"user_id": "u"}'), ('/act', '{"device_id": "u"}'), ('/act', '{"user_id": "u"}')) AS c (path, caller),
	pg_temp.act('a', '{"what": "jump"}', c.path, c.caller);
-- each_event_of_a_batch_has_an_id_of_its_own
SELECT body -> 'results' AS results FROM pg_temp.act('c', '[{"what": "jump"}, {"what": "jump"}, {"what": "run", "id": "own"}]');
SELECT body -> 'results' AS results FROM pg_temp.act('c', '[{"what": "jump"}, {"what": "jump"}, {"what": "run", "id": "own"}]');
SELECT CASE WHEN batch_id = correlation_id THEN 'correlation id' ELSE batch_id END AS batch_id, item_count, success_count, duplicate_count FROM batch_log ORDER BY id;
-- other_content_under_the_same_key_is_a_conflict
SELECT body FROM pg_temp.act('a', '{"what": "run"}');
-- an_id_goes_before_the_key
SELECT p.body FROM (VALUES ('{"what": "jump", "id": "x"}'::jsonb), ('{"what": "jump", "id": "y"}')) AS b (body), pg_temp.act('d', b.body) AS p;
-- rules_of_ids_are_for_ids_that_are_sent
INSERT INTO stream_field (stream, field, required) VALUES ('act', 'event_id', true);
SELECT body FROM pg_temp.act('e', '{"what": "jump"}');

-- a_rule_that_is_posted_again_is_the_same
CREATE FUNCTION pg_temp.rule(key text, body jsonb, who text DEFAULT 'ann', OUT status integer, OUT body jsonb) LANGUAGE sql AS
	$$ SELECT a.status, a.body FROM telemetry.http_call('POST /api/v1/telemetry/alerts/rules', jsonb_build_object('caller', jsonb_build_object('user_id', who, 'idempotency_key', key)), body) AS a $$;
SELECT status, body ->> 'rule_id' AS rule_id, body ->> 'name' AS name, body ? 'request_hash' AS tells_hash
FROM pg_temp.rule('r', '{"name": "n", "metric_name": "m", "condition": ">", "threshold_value": 1}') \gset first_
\echo :first_status :first_name :first_tells_hash
SELECT count(*) AS events, bool_or(data ? 'request_hash') AS tell_hash FROM outbox WHERE key = :'first_rule_id' AND event_type = 'alert.rule.created';
SELECT status, body ->> 'rule_id' = :'first_rule_id' AS same FROM pg_temp.rule('r', '{"threshold_value": 1, "name": "n", "condition": ">", "metric_name": "m"}');
-- as_it_is_now
UPDATE alert_rule SET name = 'changed' WHERE rule_id = :'first_rule_id';
SELECT status, body ->> 'rule_id' = :'first_rule_id' AS same, body ->> 'name' AS name FROM pg_temp.rule('r', '{"name": "n", "metric_name": "m", "condition": ">", "threshold_value": 1}');
-- other_bodies_are_refused_and_wrong_ones_as_ever
SELECT * FROM pg_temp.rule('r', '{"name": "n", "metric_name": "m", "condition": ">", "threshold_value": 2}');
SELECT * FROM pg_temp.rule('r', '{"name": "n", "metric_name": "m", "condition": ">"}');
-- other_keys_and_other_callers_make_others_and_so_does_none
SELECT r.status, r.body ->> 'rule_id' = :'first_rule_id' AS same
FROM (VALUES ('s', 'ann'), ('r', 'bob'), (NULL, 'ann'), (NULL, 'ann')) AS k (key, who), pg_temp.rule(k.key, '{"name": "n", "metric_name": "m", "condition": ">", "threshold_value": 1}', k.who) AS r;
SELECT count(*), count(request_hash) AS by_key, count(DISTINCT request_hash) AS bodies FROM alert_rule WHERE metric_name = 'm';
SELECT count(*) AS events FROM outbox WHERE key = :'first_rule_id' AND event_type = 'alert.rule.created';
-- one_that_was_deleted_is_made_again
DELETE FROM alert_rule WHERE rule_id = :'first_rule_id';
SELECT status, body ->> 'name' AS name FROM pg_temp.rule('r', '{"name": "n", "metric_name": "m", "condition": ">", "threshold_value": 2}');

-- What is here as it was before.
DELETE FROM alert_rule WHERE metric_name = 'm';
TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter, batch_log, receipt, block;
DELETE FROM dialect WHERE name = 'act';
DELETE FROM stream WHERE name = 'act';
