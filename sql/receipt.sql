-- telemetry.receipt: a repeated batch gets its first answer, and the table stays small.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET timezone = 'UTC';
DELETE FROM telemetry.receipt;
DELETE FROM telemetry.dead_letter;

CREATE FUNCTION pg_temp.points(first int, n int) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_agg(jsonb_build_object('timestamp', i, 'metric_name', 'm', 'value', i) ORDER BY i) FROM generate_series(first, first + n - 1) AS i $$;
CREATE FUNCTION pg_temp.ingest(batch text, points jsonb, device text DEFAULT 'd') RETURNS jsonb LANGUAGE sql AS $$
	SELECT telemetry.ingest(jsonb_build_object('batch_id', batch, 'data_points', points), device) $$;
-- Makes receipts look older than they are.
CREATE FUNCTION pg_temp.age(batch text, age interval) RETURNS void LANGUAGE sql AS $$
	UPDATE telemetry.receipt SET received_at = received_at - age WHERE batch_id = batch $$;

-- a_batch_with_an_id_leaves_a_receipt
SELECT pg_temp.ingest('batch_001', '[{"timestamp": 1, "metric_name": "m", "value": 1}, {"timestamp": 2, "metric_name": "m"}]');
SELECT device_id, batch_id, received_at BETWEEN now() - interval '1 minute' AND clock_timestamp() AS received, success, ingested_count, failed_count, total_count, errors, length(content_hash) AS hash
FROM telemetry.receipt;

-- a_batch_without_an_id_leaves_none
SELECT telemetry.ingest('{"data_points": [1], "batch_id": null}', 'd') -> 'total_count' AS total;
SELECT count(*) FROM telemetry.receipt;

-- a_repeated_batch_gets_the_first_answer_and_stores_nothing
SELECT telemetry.delete_points('d', NULL, NULL, NULL) AS deleted;
BEGIN;
SELECT pg_temp.ingest('batch_001', '[{"timestamp": 1, "metric_name": "m", "value": 1}, {"timestamp": 2, "metric_name": "m"}]');
SELECT received, accepted, rejected, rows FROM telemetry.ingest_result();
COMMIT;
SELECT count(*) AS points FROM telemetry.point WHERE device_id = 'd';
SELECT count(*) AS dead_letters FROM telemetry.dead_letter WHERE payload ? 'metric_name';

-- spacing_and_order_of_members_and_compression_do_not_make_content_another
SELECT telemetry.ingest('{ "compression": "lz4", "batch_id":"batch_001", "data_points":[{"value":1, "metric_name":"m","timestamp":1},{"metric_name":"m",  "timestamp":2}]}', 'd') -> 'failed_count' AS failed;

-- other_content_under_the_same_id_is_refused
DO $$
BEGIN
	PERFORM pg_temp.ingest('batch_001', pg_temp.points(1, 1));
EXCEPTION WHEN invalid_parameter_value THEN
	RAISE NOTICE '% %', sqlstate, regexp_replace(sqlerrm, '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00', 'TIME');
END
$$;
DO $$
DECLARE
	hint text;
BEGIN
	PERFORM pg_temp.ingest('batch_001', '[{"timestamp": 2, "metric_name": "m"}, {"timestamp": 1, "metric_name": "m", "value": 1}]');
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RAISE NOTICE 'order of points counts: %', hint;
END
$$;
SELECT count(*) AS points FROM telemetry.point WHERE device_id = 'd';

-- devices_have_ids_of_their_own
SELECT pg_temp.ingest('batch_001', pg_temp.points(1, 1), 'e') -> 'success' AS success;
SELECT device_id, batch_id, total_count FROM telemetry.receipt ORDER BY 1, 2;

-- an_id_has_128_bytes
SELECT pg_temp.ingest(repeat('é', 64), pg_temp.points(1, 1), repeat('d', 128)) -> 'success' AS success;
DELETE FROM telemetry.receipt WHERE device_id LIKE 'ddd%';

-- a_device_that_cannot_be_stored_leaves_no_receipt
SELECT pg_temp.ingest('odd', pg_temp.points(1, 2), device) FROM unnest(ARRAY['', E'\n']) AS device;
SELECT pg_temp.ingest('odd', pg_temp.points(1, 1), repeat('d', 3000)) -> 'failed_count' AS failed;
SELECT count(*) FROM telemetry.receipt WHERE batch_id = 'odd';

-- a_receipt_is_there_for_the_rest_of_its_transaction
BEGIN;
SELECT pg_temp.ingest('twice', pg_temp.points(1, 3)) = pg_temp.ingest('twice', pg_temp.points(1, 3)) AS same;
SELECT received FROM telemetry.ingest_result();
COMMIT;
SELECT pg_temp.ingest('in one statement', pg_temp.points(1, 3)) - 'errors' AS answer FROM generate_series(1, 2);

-- a_transaction_rolled_back_leaves_no_receipt
BEGIN;
SELECT pg_temp.ingest('undone', pg_temp.points(1, 3)) -> 'success' AS success;
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT pg_temp.ingest('undone', pg_temp.points(1, 3)) -> 'success' AS success;
ROLLBACK TO s;
COMMIT;
SELECT count(*) FROM telemetry.receipt WHERE batch_id = 'undone';
SELECT pg_temp.ingest('undone', pg_temp.points(5, 2)) -> 'total_count' AS total;

-- a_body_that_raises_leaves_no_receipt
DO $$
BEGIN
	PERFORM telemetry.ingest('{"batch_id": "bad", "data_points": [1], "compression": "zip"}', 'd');
EXCEPTION WHEN invalid_parameter_value THEN
	RAISE NOTICE '%', sqlerrm;
END
$$;
SELECT count(*) FROM telemetry.receipt WHERE batch_id = 'bad';

-- a_repeated_batch_is_known_to_an_old_snapshot
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.ingest('twice', pg_temp.points(1, 3)) -> 'total_count' AS total;
SELECT pg_temp.ingest('repeatable', pg_temp.points(1, 1)) -> 'total_count' AS total;
COMMIT;

-- within_the_window_an_old_batch_is_still_known
SELECT pg_temp.age('twice', '23 hours 59 minutes');
SELECT telemetry.delete_points('d', NULL, NULL, NULL) > 0 AS deleted;
SELECT pg_temp.ingest('twice', pg_temp.points(1, 3)) -> 'total_count' AS total;
SELECT count(*) AS points FROM telemetry.point WHERE device_id = 'd';

-- after_the_window_an_id_is_free_again
SELECT pg_temp.age('twice', '2 minutes');
SELECT pg_temp.ingest('twice', pg_temp.points(1, 3)) -> 'total_count' AS total;
SELECT count(*) AS points FROM telemetry.point WHERE device_id = 'd';
SELECT pg_temp.age('twice', '25 hours');
SELECT pg_temp.ingest('twice', pg_temp.points(7, 4) || '[7]') - 'errors' AS other_content;
SELECT success, ingested_count, failed_count, total_count, errors, received_at > now() - interval '1 minute' AS fresh FROM telemetry.receipt WHERE batch_id = 'twice';
SET telemetry.batch_window = '1 min';
SELECT pg_temp.age('twice', '2 minutes');
SELECT pg_temp.ingest('twice', pg_temp.points(1, 1)) -> 'total_count' AS total;
RESET telemetry.batch_window;

-- each_batch_removes_a_few_expired_receipts_the_oldest_first
INSERT INTO telemetry.receipt SELECT 'old', 'old ' || i, now() - interval '3 days' + i * interval '1 minute', true, 1, 0, 1, '[]', '' FROM generate_series(1, 10) AS i;
SELECT pg_temp.ingest('remover 1', pg_temp.points(1, 1)) -> 'success' AS success;
SELECT string_agg(batch_id, ', ' ORDER BY received_at) FROM telemetry.receipt WHERE device_id = 'old';
SELECT pg_temp.ingest('remover 1', pg_temp.points(1, 1)) -> 'success' AS a_repeat_removes_none;
SELECT count(*) FROM telemetry.receipt WHERE device_id = 'old';
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT pg_temp.ingest('remover 2', pg_temp.points(1, 1)) -> 'success' AS with_an_old_snapshot_neither;
COMMIT;
SELECT count(*) FROM telemetry.receipt WHERE device_id = 'old';
SELECT pg_temp.ingest('remover 3', pg_temp.points(1, 1)) -> 'success' AS success;
SELECT count(*) FROM telemetry.receipt WHERE device_id = 'old';

-- prune_receipts_removes_all_that_expired
INSERT INTO telemetry.receipt SELECT 'old', 'older ' || i, now() - interval '3 days', true, 1, 0, 1, '[]', '' FROM generate_series(1, 2500) AS i;
SELECT count(*) AS kept FROM telemetry.receipt WHERE device_id <> 'old' \gset
CREATE ROLE receipt_admin IN ROLE telemetry_admin;
CREATE ROLE receipt_reader IN ROLE telemetry_reader;
SET ROLE receipt_reader;
SELECT count(*) > 0 AS readable FROM telemetry.receipt;
SELECT telemetry.prune_receipts();
SET ROLE receipt_admin;
SELECT telemetry.prune_receipts();
SELECT telemetry.prune_receipts();
RESET ROLE;
DROP ROLE receipt_admin, receipt_reader;
SELECT count(*) - :kept AS left_over FROM telemetry.receipt;

-- receipts_are_dumped_with_the_database
SELECT extcondition[array_position(extconfig, 'telemetry.receipt'::regclass::oid)] AS condition FROM pg_extension WHERE extname = 'telemetry';

DELETE FROM telemetry.receipt;
