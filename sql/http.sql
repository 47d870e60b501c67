-- The functions behind the HTTP endpoints: status and body.
\set VERBOSITY terse
SET timezone = 'America/New_York';
DELETE FROM telemetry.receipt;
DELETE FROM telemetry.dead_letter;

-- single
SELECT * FROM telemetry.http_ingest('{"kind": "single", "device_id": "http_1"}',
	'{"timestamp": "2025-12-18T10:00:00Z", "metric_name": "temperature", "value": 25.5, "unit": "celsius", "tags": {"location": "room_1"}}');
SELECT * FROM telemetry.http_ingest('{"kind": "single", "device_id": "http_1"}', '{"timestamp": "soon", "metric_name": "temperature", "value": 25.5}');
-- single_without_a_device_is_rejected
SELECT * FROM telemetry.http_ingest('{"kind": "single"}', '{"timestamp": 1, "metric_name": "m", "value": 1}');
-- single_is_strict: a batch on its route is a point without fields
SELECT * FROM telemetry.http_ingest('{"kind": "single", "device_id": "http_1"}', '{"data_points": [{"timestamp": 1, "metric_name": "m", "value": 1}]}');
SELECT * FROM telemetry.http_ingest('{"kind": "single", "device_id": "http_1"}', '[]');
SELECT * FROM telemetry.http_ingest('{"kind": "single", "device_id": "http_1"}');

-- the_path_says_which_device_it_is: a member of that name means nothing, as in any point
SELECT * FROM telemetry.http_ingest('{"kind": "single", "device_id": "http_1"}', '{"device_id": 7, "timestamp": 1, "metric_name": "m", "value": 1}');
SELECT * FROM telemetry.http_ingest('{"kind": "batch", "device_id": "http_1"}', '{"device_id": "other", "data_points": [{"timestamp": 1, "metric_name": "m", "value": 1}]}');

-- batch
SELECT * FROM telemetry.http_ingest('{"kind": "batch", "device_id": "http_1"}', '{"data_points": [
	{"timestamp": "2025-12-18T10:00:00Z", "metric_name": "temperature", "value": 25.5}, {"timestamp": "2025-12-18T10:00:00Z", "metric_name": "humidity"}],
	"compression": null, "batch_id": "http batch"}');
SELECT * FROM telemetry.http_ingest('{"kind": "batch", "device_id": "http_1"}', '{"timestamp": 1, "metric_name": "m", "value": 1}');
SELECT * FROM telemetry.http_ingest('{"kind": "batch", "device_id": "http_1"}', '{"data_points": []}');
SELECT * FROM telemetry.http_ingest('{"kind": "batch", "device_id": "http_1"}', '7');
-- an_array_is_the_points_alone, of a batch only
SELECT * FROM telemetry.http_ingest('{"kind": "batch", "device_id": "http_1"}', '[{"timestamp": 1, "metric_name": "m", "value": 1}, 7]');
SELECT * FROM telemetry.http_ingest('{"kind": "batch", "device_id": "http_1"}', '[]');
SELECT * FROM telemetry.http_ingest('{"kind": "bulk"}', '[{"timestamp": 1, "metric_name": "m", "value": 1}]');

-- bulk
SELECT * FROM telemetry.http_ingest('{"kind": "bulk"}', '{"device_id": [{"timestamp": 1, "metric_name": "m", "value": 1}], "http_2": [{"timestamp": 1, "metric_name": "m", "value": ""}, 7]}');
SELECT * FROM telemetry.http_ingest('{"kind": "bulk"}', '{}');
SELECT * FROM telemetry.http_ingest('{"kind": "bulk"}', '{"timestamp": 1, "metric_name": "m", "value": 1}');

-- kind_is_required
SELECT * FROM telemetry.http_ingest('{}', '{}');
SELECT * FROM telemetry.http_ingest('{"kind": "both"}', '{}');
SELECT * FROM telemetry.http_ingest(NULL, NULL);

-- a_receipt_can_be_read
SELECT status, body - 'received_at' AS body FROM telemetry.http_batch('{"batch_id": "http batch"}', NULL);
SELECT status, body - 'received_at' AS body FROM telemetry.http_batch('{"batch_id": "http batch", "device_id": "http_1"}');
SELECT body ->> 'received_at' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$' AS utc, (body ->> 'received_at')::timestamptz = received_at AS exact
FROM telemetry.http_batch('{"batch_id": "http batch", "device_id": null}'), telemetry.receipt WHERE batch_id = 'http batch';

-- an_unknown_batch_is_not_found
SELECT * FROM telemetry.http_batch('{"batch_id": "unknown"}');
SELECT * FROM telemetry.http_batch('{"batch_id": "http batch", "device_id": "http_2"}');
SELECT * FROM telemetry.http_batch('{"batch_id": ""}');

-- several_devices_with_one_id_must_be_told_apart
SELECT status FROM telemetry.http_ingest('{"kind": "batch", "device_id": "http_2"}', '{"data_points": [{"timestamp": 1, "metric_name": "m", "value": 1}], "batch_id": "http batch"}');
SELECT * FROM telemetry.http_batch('{"batch_id": "http batch"}');
SELECT status, body ->> 'device_id' AS device, body -> 'success' AS success FROM unnest(ARRAY['http_1', 'http_2']) AS d,
	telemetry.http_batch(jsonb_build_object('batch_id', 'http batch', 'device_id', d));

-- an_expired_receipt_is_shown_as_long_as_it_exists
UPDATE telemetry.receipt SET received_at = '2020-01-01 00:00:00+00' WHERE device_id = 'http_2';
SELECT status, body ->> 'received_at' AS received_at FROM telemetry.http_batch('{"batch_id": "http batch", "device_id": "http_2"}');

-- params_of_the_wrong_type
SELECT * FROM telemetry.http_batch('{}');
SELECT * FROM telemetry.http_batch(NULL);
SELECT * FROM telemetry.http_batch('{"batch_id": 7}');
SELECT * FROM telemetry.http_batch('{"batch_id": "a", "device_id": 7}');

-- health_tells_the_version
SELECT status, body || jsonb_build_object('version', body ->> 'version' = extversion) AS body
FROM telemetry.http_health('{"port": 8218}', NULL), pg_extension WHERE extname = 'telemetry';

-- detailed_health_tells_of_components
BEGIN;
TRUNCATE telemetry.block;
SELECT status FROM telemetry.http_ingest('{"kind": "single", "device_id": "http_1"}', '{"timestamp": 1, "metric_name": "m", "value": 1}');
SELECT jsonb_pretty(body - 'version' #- '{performance,database_ms}' #- '{components,time_series_db,bytes}' #- '{components,time_series_db,blocks}'
	#- '{components,time_series_db,points}' #- '{components,time_series_db,total_bytes}'
	#- '{components,time_series_db,parts}' #- '{components,data_ingestion,dead_letters_last_hour}' #- '{components,alert_engine}') AS body
FROM telemetry.http_health_detailed('{"port": 8218, "proxy": {"uptime_seconds": 20.0, "points_total": 505, "points_rejected": 5, "connections_down": 0, "pending_rows": 3}}', NULL);
SELECT (body #>> '{performance,database_ms}')::numeric > 0 AS measured,
	(body #> '{components,data_ingestion,dead_letters_last_hour}')::int = (SELECT count(*) FROM telemetry.dead_letter) AS dead_letters,
	(body #> '{components,time_series_db,blocks}')::int = (SELECT count(*) FROM telemetry.block) AS blocks,
	(body #> '{components,time_series_db,points}')::int = (SELECT sum(n) FROM telemetry.block) AS points,
	(body #> '{components,time_series_db,bytes}')::int = (SELECT sum(pg_table_size(relid)) FROM pg_partition_tree('telemetry.block') WHERE isleaf) AS bytes,
	(body #> '{components,time_series_db,total_bytes}')::int = (SELECT sum(bytes) FROM telemetry.store_part) AS total_bytes,
	body #> '{components,time_series_db,parts}' = (SELECT jsonb_object_agg(part, to_jsonb(p) - 'part') FROM telemetry.store_part AS p) AS parts
FROM telemetry.http_health_detailed('{}');
ROLLBACK;

-- detailed_health_without_a_proxy
SELECT body -> 'status' AS status, body -> 'port' AS port, body #> '{components,data_ingestion}' ? 'points_total' AS rates, body -> 'performance' ? 'proxy' AS proxy
FROM telemetry.http_health_detailed();

-- a_proxy_that_lacks_a_connection_is_degraded
SELECT status, body ->> 'status' AS overall, body #>> '{components,data_ingestion,status}' AS ingestion, body #> '{components,data_ingestion,points_per_second}' AS rate
FROM telemetry.http_health_detailed('{"proxy": {"uptime_seconds": 0, "points_total": 0, "connections_down": 1}}');

-- old_dead_letters_do_not_count
UPDATE telemetry.dead_letter SET received_at = received_at - interval '61 minutes';
SELECT body #> '{components,data_ingestion,dead_letters_last_hour}' AS dead_letters FROM telemetry.http_health_detailed();

-- a_large_store_is_estimated
BEGIN;
TRUNCATE telemetry.block;
INSERT INTO telemetry.block SELECT 0, 0, '1990-01-01', i, '1990-01-01', '1990-01-01', 10, decode(repeat('00', 1800), 'hex') FROM generate_series(1, 6000) AS i;
SELECT blocks BETWEEN 5000 AND 7000 AS blocks, points BETWEEN 50000 AND 70000 AS points, bytes = (SELECT sum(pg_table_size(relid)) FROM pg_partition_tree('telemetry.block') WHERE isleaf) AS bytes, estimated
FROM telemetry.store_size();
ROLLBACK;

-- every_table_is_in_a_part
BEGIN;
TRUNCATE telemetry.block, telemetry.event_log, telemetry.event_key;
SELECT telemetry.create_event_partition(day) FROM (VALUES (date '1995-03-01'), ('1995-03-02')) AS d (day);
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('1995-03-01', 'http_1', 'part', '1'), ('1995-03-02', 'http_1', 'part', '2');
SELECT telemetry.job_roll_up();
INSERT INTO telemetry.stream (name, description) VALUES ('part', 'For this test.');
INSERT INTO telemetry.event (stream, event_id, event_type, received_at) SELECT 'part', i, 'a', '1995-03-01' FROM generate_series(1, 3) AS i;
SELECT part, CASE WHEN bytes > 0 AND index_bytes BETWEEN 0 AND bytes THEN 'yes' ELSE format('%s of %s', index_bytes, bytes) END AS has_bytes
FROM telemetry.store_part ORDER BY part;
SELECT sum(bytes) = (SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace = 'telemetry'::regnamespace AND relkind = 'r') AS all_bytes,
	sum(index_bytes) = (SELECT sum(pg_indexes_size(oid)) FROM pg_class WHERE relnamespace = 'telemetry'::regnamespace AND relkind = 'r') AS all_indexes
FROM telemetry.store_part;
-- a_part_has_as_many_rows_as_were_noted
ANALYZE telemetry.rollup_hour, telemetry.rollup_day, telemetry.series, telemetry.event_key, telemetry.event_log_19950301;
SELECT part, estimated_rows = CASE part
		WHEN 'rollups' THEN (SELECT count(*) FROM telemetry.rollup_hour) + (SELECT count(*) FROM telemetry.rollup_day)
		WHEN 'series' THEN (SELECT count(*) FROM telemetry.series)
		WHEN 'event_keys' THEN (SELECT count(*) FROM telemetry.event_key) END AS all_rows
FROM telemetry.store_part WHERE part IN ('rollups', 'series', 'event_keys') ORDER BY part;
-- a_table_that_was_not_analyzed_has_rows_as_the_others_of_its_part
SELECT estimated_rows AS before FROM telemetry.store_part WHERE part = 'events' \gset
INSERT INTO telemetry.event (stream, event_id, event_type, received_at) VALUES ('part', 'next', 'a', '1995-03-02');
SELECT estimated_rows - :before AS more FROM telemetry.store_part WHERE part = 'events';
-- days_gone_by_are_as_they_were_noted
SELECT bytes AS before FROM telemetry.store_part WHERE part = 'events' \gset
INSERT INTO telemetry.event (stream, event_id, event_type, received_at) SELECT 'part', 'many ' || i, 'a', '1995-03-01' FROM generate_series(1, 1000) AS i;
SELECT bytes = :before AS as_noted FROM telemetry.store_part WHERE part = 'events';
ANALYZE telemetry.event_log_19950301;
SELECT bytes BETWEEN :before + 100000 AND :before + 1000000 AS noted_again FROM telemetry.store_part WHERE part = 'events';
ROLLBACK;

-- each_role_has_its_functions
CREATE ROLE http_writer IN ROLE telemetry_writer;
CREATE ROLE http_reader IN ROLE telemetry_reader;
CREATE ROLE http_nobody;
SELECT role, p.oid::regprocedure AS function, has_function_privilege(role, p.oid, 'EXECUTE') AS may
FROM pg_proc AS p, unnest(ARRAY['http_reader', 'http_writer', 'http_nobody']) WITH ORDINALITY AS r (role, i)
WHERE pronamespace = 'telemetry'::regnamespace AND (proname LIKE 'http%' OR proname IN ('ingest', 'prune_receipts', 'store_size'))
ORDER BY i, p.oid::regprocedure::text COLLATE "C";
SET ROLE http_writer;
SELECT status FROM telemetry.http_ingest('{"kind": "single", "device_id": "http_1"}', '{"timestamp": 1, "metric_name": "m", "value": 1}');
SELECT status FROM telemetry.http_batch('{"batch_id": "http batch", "device_id": "http_1"}');
SELECT status FROM telemetry.http_health('{}');
SELECT status FROM telemetry.http_health_detailed('{}');
SET ROLE http_reader;
SELECT status FROM telemetry.http_batch('{"batch_id": "http batch", "device_id": "http_1"}');
SELECT status FROM telemetry.http_health_detailed('{}');
SELECT status FROM telemetry.http_ingest('{"kind": "single", "device_id": "http_1"}', '{"timestamp": 1, "metric_name": "m", "value": 1}');
RESET ROLE;
DROP ROLE http_writer, http_reader, http_nobody;
DELETE FROM telemetry.receipt;
