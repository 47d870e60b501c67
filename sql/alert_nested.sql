-- Rules that change while a statement is judged by them: by a statement within it, here, or by anybody else.
SET telemetry.batch_memory = '256kB';
SET timezone = 'UTC';
INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value) VALUES ('nested-a', 'A', 'nested', '>', 90);
CREATE FUNCTION nested_value(i integer) RETURNS float8 LANGUAGE plpgsql AS $$
BEGIN
	IF i = 15000 THEN
		INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value)
		SELECT 'nested-' || lpad(g::text, 4, '0'), 'Many', 'aaa', '>', '0' FROM generate_series(1, 100) AS g;
		INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2026-01-01', 'nested-other', 'aaa', '1');
	END IF;
	RETURN CASE WHEN i IN (10, 29990) THEN 95 ELSE 1 END;
END
$$;
-- several flushes, of which the later ones come after the rules have been read again
INSERT INTO telemetry.point (ts, device_id, metric, value)
SELECT '2026-01-01'::timestamptz + i * interval '1 min', 'nested-' || i % 10, 'nested', nested_value(i) FROM generate_series(1, 30000) AS i;
SELECT rule_id, device_id, triggered_at FROM telemetry.alert WHERE rule_id LIKE 'nested-%' AND metric_name = 'nested' ORDER BY triggered_at;
SELECT count(*) FROM telemetry.alert WHERE rule_id LIKE 'nested-%' AND metric_name = 'aaa';
SELECT telemetry.settle_alerts('2026-01-01') \g /dev/null
SELECT count(*) FROM telemetry.alert WHERE rule_id LIKE 'nested-%' AND metric_name = 'aaa';
DELETE FROM telemetry.alert_rule WHERE rule_id LIKE 'nested-%';

-- a rule that is deleted meanwhile, and made again: what is kept of it is of another revision
INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value, auto_resolve_timeout)
VALUES ('nested-b', 'B', 'nested-b', '>', 90, NULL);
CREATE FUNCTION nested_delete(i integer) RETURNS float8 LANGUAGE plpgsql AS $$
BEGIN
	IF i = 20000 THEN
		DELETE FROM telemetry.alert_rule WHERE rule_id = 'nested-b';
	END IF;
	RETURN 95;
END
$$;
INSERT INTO telemetry.point (ts, device_id, metric, value)
SELECT '2026-01-01'::timestamptz + i * interval '1 s', 'nested-1', 'nested-b', nested_delete(i) FROM generate_series(1, 20000) AS i;
SELECT count(*) FROM telemetry.alert WHERE rule_id = 'nested-b';
SELECT count(*) FROM telemetry.alert_state WHERE rule_id = 'nested-b';
INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value, auto_resolve_timeout)
VALUES ('nested-b', 'B', 'nested-b', '>', 90, NULL);
SELECT telemetry.settle_alerts('2026-01-01') \g /dev/null
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2026-01-02', 'nested-1', 'nested-b', '95');
SELECT rule_id, status, triggered_at >= '2026-01-01' AS ok FROM telemetry.alert WHERE rule_id = 'nested-b';
DELETE FROM telemetry.alert_rule WHERE rule_id = 'nested-b';
SELECT telemetry.delete_device('nested-' || n) FROM generate_series(0, 9) AS n \g /dev/null
SELECT telemetry.delete_device('nested-other') \g /dev/null
-- two metrics whose rules have one place in memory: what is live of the second one is looked for all the same
INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value)
VALUES ('collide-1', 'First', 'collide-37', '>', 90), ('collide-2', 'Second', 'collide-80', '>', 90);
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2026-01-01 00:00', 'collide', 'collide-80', '95');
INSERT INTO telemetry.point (ts, device_id, metric, value)
VALUES ('2026-01-01 00:01', 'collide', 'collide-37', '1'), ('2026-01-01 00:01', 'collide', 'collide-80', '1');
SELECT rule_id, status, resolution FROM telemetry.alert WHERE rule_id LIKE 'collide-%';
DELETE FROM telemetry.alert_rule WHERE rule_id LIKE 'collide-%';
SELECT telemetry.delete_device('collide') \g /dev/null
DROP FUNCTION nested_value(integer);
DROP FUNCTION nested_delete(integer);
RESET telemetry.batch_memory;

-- a_session_keeps_one_copy_of_rules, however often they change in a transaction, and those of an outer statement as long as that needs them
SET telemetry.batch_memory = '256kB';
CREATE FUNCTION rule_copies() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM pg_backend_memory_contexts AS c WHERE c.name = 'telemetry alert rules' $$;
CREATE FUNCTION nested_change(i integer) RETURNS float8 LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN 1 .. CASE WHEN i IN (0, 25000) THEN 20 ELSE 0 END LOOP
		UPDATE telemetry.alert_rule SET threshold_value = (1000 + n)::float8::telemetry.value WHERE rule_id = 'nested-c';
		INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2026-01-01', 'nested-other', 'nested-c', '1');
	END LOOP;
	IF i = 25000 THEN
		RAISE NOTICE '% copies', rule_copies();
	END IF;
	RETURN 1 / (30000 - i);
END
$$;
INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value) VALUES ('nested-c', 'C', 'nested-c', '>', 90);
BEGIN;
SELECT nested_change(0), rule_copies();
UPDATE telemetry.alert_rule SET threshold_value = 90 WHERE rule_id = 'nested-c';
INSERT INTO telemetry.point (ts, device_id, metric, value)
SELECT '2026-01-02'::timestamptz + i * interval '1 s', 'nested-1', 'nested-c', nested_change(i) FROM generate_series(1, 29999) AS i;
SELECT rule_copies();
SAVEPOINT before;
INSERT INTO telemetry.point (ts, device_id, metric, value)
SELECT '2026-01-03'::timestamptz + i * interval '1 s', 'nested-1', 'nested-c', nested_change(i) FROM generate_series(1, 30000) AS i;
ROLLBACK TO before;
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2026-01-04', 'nested-1', 'nested-c', '1');
SELECT rule_copies();
ROLLBACK;
DELETE FROM telemetry.alert_rule WHERE rule_id = 'nested-c';
DROP FUNCTION rule_copies(), nested_change(integer);
RESET telemetry.batch_memory;
