-- One function for each endpoint of the HTTP interface: (params, body) to status and body.
-- Errors of class 22 are the proxy's to answer, with status 422 and {"detail": message}.

CREATE TYPE telemetry.http_response AS (
	status integer,
	body jsonb,
	content_type text
);
COMMENT ON TYPE telemetry.http_response IS 'An answer: status code and JSON body.';
COMMENT ON COLUMN telemetry.http_response.status IS 'HTTP status code, from 200 to 599.';
COMMENT ON COLUMN telemetry.http_response.body IS
	'What to send: JSON; if content_type is not one of JSON, a text in JSON, which is sent without its quotes.';
COMMENT ON COLUMN telemetry.http_response.content_type IS
	'Content-Type of the answer; null: application/json. What is text/csv is a file, which the proxy names by the last name of the path.';

CREATE TYPE telemetry.http_part AS (
	status integer,
	content_type text,
	body text
);
COMMENT ON TYPE telemetry.http_part IS
	'A row of an answer that is sent while it is made: the bodies of all rows, one after the other, are what the client gets.';
COMMENT ON COLUMN telemetry.http_part.status IS 'HTTP status code, from 200 to 599, in the first row; not looked at in others.';
COMMENT ON COLUMN telemetry.http_part.content_type IS
	'Content-Type of the answer, in the first row; null: application/json. What is text/csv is a file, as of telemetry.http_response.';
COMMENT ON COLUMN telemetry.http_part.body IS 'What to send next; null: nothing.';

CREATE FUNCTION telemetry.http_ingest(params jsonb, body text DEFAULT NULL)
	RETURNS telemetry.http_response
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer jsonb;
BEGIN
	answer := telemetry.ingest_text(
		body,
		CASE WHEN params ->> 'kind' <> 'bulk' THEN coalesce(params ->> 'device_id', '') END,
		coalesce(params ->> 'kind', ''),
		-- A point is idempotent by itself.
		CASE WHEN params ->> 'kind' <> 'single' THEN params ->> 'idempotency_key' END);
	RETURN CASE WHEN answer ? 'detail' THEN (422, jsonb_build_object('detail', answer -> 'detail'), NULL)::telemetry.http_response
		ELSE (200, answer, NULL)::telemetry.http_response END;
EXCEPTION
	-- What is refused as a whole has stored nothing, and taken no receipt.
	WHEN invalid_parameter_value THEN
		RETURN (422, jsonb_build_object('detail', SQLERRM), NULL)::telemetry.http_response;
	WHEN invalid_text_representation THEN
		RETURN (400, jsonb_build_object('detail', 'malformed JSON'), NULL)::telemetry.http_response;
END
$$;
COMMENT ON FUNCTION telemetry.http_ingest(jsonb, text) IS
	'POST of points: params {"kind": "single", "batch" or "bulk", "device_id": text, not for bulk, "idempotency_key": text, optional: '
	'the batch_id where the body has none}, body '
	'as telemetry.ingest_text() takes it: JSON in which a text that jsonb cannot hold rejects its own point only. '
	'200 and its answer; 422 {"detail"} if the one point of kind single is rejected, or the body as a whole is refused; 400 if it is '
	'no JSON. Other errors as of telemetry.ingest_text().';

CREATE FUNCTION telemetry.http_batch(params jsonb, body jsonb DEFAULT NULL)
	RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT
		answer.status,
		CASE answer.status WHEN 200 THEN found.receipts -> 0 ELSE jsonb_build_object('detail', answer.detail) END,
		NULL::text
	FROM (
		SELECT count(*) AS n, jsonb_agg(jsonb_build_object(
				'batch_id', r.batch_id,
				'device_id', r.device_id,
				'received_at', to_char(r.received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
				'success', r.success,
				'ingested_count', r.ingested_count,
				'failed_count', r.failed_count,
				'total_count', r.total_count,
				'errors', r.errors)
				|| CASE WHEN r.replaced_count > 0 THEN jsonb_build_object('replaced_count', r.replaced_count) ELSE '{}' END) AS receipts
		FROM (
			SELECT *
			FROM telemetry.receipt
			WHERE batch_id = params ->> 'batch_id'
				AND (params ->> 'device_id' IS NULL OR device_id = params ->> 'device_id')
			LIMIT 2
		) AS r
	) AS found,
	LATERAL (
		SELECT * FROM (VALUES
			((jsonb_typeof(params -> 'batch_id') = 'string') IS NOT TRUE, 422, 'batch_id is required and must be a string'),
			(jsonb_typeof(params -> 'device_id') NOT IN ('string', 'null'), 422, 'device_id must be a string'),
			(found.n = 0, 404, 'Batch not found'),
			(found.n > 1, 400, 'several devices have used this batch_id; name one with device_id'),
			(true, 200, NULL)
		) AS verdict (applies, status, detail)
		WHERE verdict.applies
		LIMIT 1
	) AS answer;
END;
COMMENT ON FUNCTION telemetry.http_batch(jsonb, jsonb) IS
	'GET of a receipt: params {"batch_id": text, "device_id": text, optional}. '
	'200 {"batch_id", "device_id", "received_at": UTC, "success", "ingested_count", "failed_count", '
	'"total_count", "errors"}, and "replaced_count" if it is not 0; '
	'400 {"detail"} if several devices used the id and none is named, 404 if there is no receipt, 422 if '
	'params are wrong. '
	'An expired receipt is shown as long as it exists.';

CREATE FUNCTION telemetry.http_health(params jsonb DEFAULT NULL, body jsonb DEFAULT NULL)
	RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN s.detail IS NULL THEN 200 ELSE 503 END, jsonb_build_object(
		'status', CASE WHEN s.detail IS NULL THEN 'healthy' ELSE 'unhealthy' END,
		'service', 'telemetry_service',
		'port', params -> 'port',
		'version', e.extversion)
		|| CASE WHEN s.detail IS NULL THEN '{}' ELSE jsonb_build_object('detail', s.detail) END, NULL::text
	FROM pg_extension AS e,
		(SELECT CASE
			WHEN pg_is_in_recovery() THEN 'the database is a standby: nothing can be stored'
			WHEN current_setting('transaction_read_only') = 'on' THEN 'the database is read-only: nothing can be stored'
			WHEN NOT has_table_privilege('telemetry.point', 'INSERT') THEN format('role "%s" may store nothing: it is no member of telemetry_writer', current_user)
			END) AS s (detail)
	WHERE e.extname = 'telemetry';
END;
COMMENT ON FUNCTION telemetry.http_health(jsonb, jsonb) IS
	'GET of the service''s health: params {"port": integer}. 200 {"status": "healthy", "service", "port", '
	'"version"}; 503 {"status": "unhealthy", …, "detail"} where nothing can be stored: on a standby, when transactions are read-only, or by a '
	'role without INSERT on telemetry.point.';

-- Sizes of files, and what vacuum and ANALYZE have noted: no table is read. Of a table that they have not seen yet, today's
-- events for instance, a page holds as many rows as one of the others of its part. Of days gone by, of which there may be a
-- thousand with eight files and more each, it is enough to know what was noted.
CREATE VIEW telemetry.store_part AS
	SELECT r.part, sum(r.table_bytes + r.index_bytes)::bigint AS bytes, sum(r.index_bytes)::bigint AS index_bytes,
		round(sum(CASE WHEN r.pages = 0 THEN 0 ELSE r.pages * coalesce(r.rows_a_page, r.rows_a_page_of_part) END))::bigint AS estimated_rows
	FROM (
		SELECT m.part, m.table_bytes, m.index_bytes, m.pages, m.noted_rows / m.noted_pages AS rows_a_page,
			sum(m.noted_rows) OVER part / sum(m.noted_pages) OVER part AS rows_a_page_of_part
		FROM (
			SELECT t.part, s.table_bytes, s.index_bytes, s.pages,
				CASE WHEN t.relpages > 0 AND t.reltuples >= 0 THEN t.reltuples::float8 END AS noted_rows,
				CASE WHEN t.relpages > 0 AND t.reltuples >= 0 THEN t.relpages::float8 END AS noted_pages
			FROM (
				SELECT c.oid, c.relpages, c.reltuples, c.reltoastrelid, coalesce(p.part, 'other') AS part,
					current_setting('block_size')::bigint AS page_size,
					parent.relname = 'event_log' AND c.reltuples >= 0
						AND c.relname < 'event_log_' || to_char(now() AT TIME ZONE 'UTC' - interval '3 days', 'YYYYMMDD') AS is_past
				FROM pg_class AS c
				LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid
				LEFT JOIN pg_class AS parent ON parent.oid = i.inhparent
				LEFT JOIN (VALUES
					('block', 'points'),
					('rollup_hour', 'rollups'),
					('rollup_day', 'rollups'),
					('series', 'series'),
					('event_log', 'events'),
					('event_rollup_hour', 'event_rollups'),
					('event_rollup_day', 'event_rollups'),
					('stream_rollup_day', 'event_rollups'),
					('user_rollup_day', 'event_rollups'),
					('event_key', 'event_keys'),
					('receipt', 'receipts'),
					('dead_letter', 'dead_letters')
				) AS p (name, part) ON p.name = coalesce(parent.relname, c.relname)
				WHERE c.relnamespace = 'telemetry'::regnamespace AND c.relkind IN ('r', 'p')
			) AS t
			CROSS JOIN LATERAL (
				SELECT pg_table_size(t.oid) AS table_bytes, pg_indexes_size(t.oid) AS index_bytes,
					pg_relation_size(t.oid) / t.page_size AS pages
				WHERE t.is_past IS NOT TRUE
				UNION ALL
				SELECT (t.relpages + n.of_toast) * t.page_size, n.of_indexes * t.page_size, t.relpages
				FROM (
					SELECT coalesce(sum(x.relpages) FILTER (WHERE i.indrelid = t.oid), 0) AS of_indexes,
						coalesce(sum(x.relpages) FILTER (WHERE i.indrelid <> t.oid), 0)
							+ coalesce((SELECT toast.relpages FROM pg_class AS toast WHERE toast.oid = t.reltoastrelid), 0) AS of_toast
					FROM pg_index AS i
					JOIN pg_class AS x ON x.oid = i.indexrelid
					WHERE i.indrelid IN (t.oid, t.reltoastrelid)
				) AS n
				WHERE t.is_past
			) AS s
		) AS m
		WINDOW part AS (PARTITION BY m.part)
	) AS r
	GROUP BY r.part;
COMMENT ON VIEW telemetry.store_part IS
	'What the tables of schema telemetry, those of apps included, take on disk, by part. Cheap at any size: no table is read.';
COMMENT ON COLUMN telemetry.store_part.part IS
	'points (telemetry.block), rollups (by hour and day), series, events (telemetry.event_log), event_rollups, event_keys (the ledger), '
	'receipts, dead_letters, and other: all else, such as conflicts, logs and the tables of apps.';
COMMENT ON COLUMN telemetry.store_part.bytes IS
	'Bytes on disk, with indexes and TOAST, and with room that is free for new rows; of events received more than three days '
	'ago as of the last VACUUM or ANALYZE.';
COMMENT ON COLUMN telemetry.store_part.index_bytes IS 'How much of bytes is indexes.';
COMMENT ON COLUMN telemetry.store_part.estimated_rows IS
	'About how many rows, of part points blocks: as many a page as at the last VACUUM or ANALYZE; null before the first.';

-- A few pages are counted, of more a sample is taken: about as many.
CREATE FUNCTION telemetry.store_size(OUT blocks bigint, OUT points bigint, OUT bytes bigint, OUT estimated boolean,
		OUT total_bytes bigint, OUT parts jsonb)
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	counted_pages CONSTANT bigint := 512;
	pages bigint;
BEGIN
	SELECT sum(pg_relation_size(p.relid)) / current_setting('block_size')::bigint, sum(pg_table_size(p.relid))
	INTO pages, bytes
	FROM pg_partition_tree('telemetry.block') AS p
	WHERE p.isleaf;
	estimated := pages > counted_pages;
	IF estimated THEN
		SELECT count(*) * pages / counted_pages, coalesce(sum(b.n), 0) * pages / counted_pages
		INTO blocks, points
		FROM telemetry.block AS b TABLESAMPLE SYSTEM (100.0 * counted_pages / pages) REPEATABLE (0);
	ELSE
		SELECT count(*), coalesce(sum(b.n), 0) INTO blocks, points FROM telemetry.block AS b;
	END IF;
	SELECT sum(s.bytes), jsonb_object_agg(s.part, to_jsonb(s) - 'part') INTO total_bytes, parts FROM telemetry.store_part AS s;
END
$$;
COMMENT ON FUNCTION telemetry.store_size() IS
	'Blocks of the store, points in them (of a key in several blocks each counts) and their bytes on disk '
	'without indexes; '
	'blocks and points are estimated from a sample when the table is large. total_bytes is what everything takes on disk, rollups, '
	'events, their keys and all indexes included; parts are the rows of telemetry.store_part, by part.';

CREATE FUNCTION telemetry.http_health_detailed(params jsonb DEFAULT NULL, body jsonb DEFAULT NULL)
	RETURNS telemetry.http_response
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
	began CONSTANT timestamptz := clock_timestamp();
	dead_letters_shown CONSTANT integer := 10000;
	longest_lag CONSTANT interval := '60 s';
	proxy CONSTANT jsonb := CASE WHEN jsonb_typeof(params -> 'proxy') = 'object' THEN params -> 'proxy' END;
	stopped CONSTANT text := CASE
		WHEN pg_is_in_recovery() THEN 'the database is a standby: nothing can be stored'
		WHEN current_setting('transaction_read_only') = 'on' THEN 'the database is read-only: nothing can be stored' END;
	ingestion_status CONSTANT text := CASE
		WHEN stopped IS NOT NULL THEN 'unhealthy'
		WHEN (proxy ->> 'connections_down')::float8 > 0 THEN 'degraded'
		ELSE 'healthy' END;
	ingestion jsonb;
	store jsonb;
	alerts jsonb;
	answer telemetry.http_response;
BEGIN
	SELECT jsonb_build_object('status', ingestion_status, 'dead_letters_last_hour', count(*))
	INTO ingestion
	FROM (
		SELECT
		FROM telemetry.dead_letter AS d
		WHERE d.received_at >= now() - interval '1 hour'
		LIMIT dead_letters_shown
	) AS recent;
	IF proxy IS NOT NULL THEN
		ingestion := ingestion || jsonb_build_object(
			'points_total', proxy -> 'points_total',
			'points_rejected', proxy -> 'points_rejected',
			'points_per_second', round(((proxy ->> 'points_total')::float8
				/ nullif((proxy ->> 'uptime_seconds')::float8, 0))::numeric, 1));
	END IF;

	SELECT jsonb_build_object('status', 'healthy') || to_jsonb(s) INTO store FROM telemetry.store_size() AS s;

	-- Without names: what this answers is told to everybody who may ask for health.
	SELECT jsonb_build_object(
		'status', CASE WHEN a.lag > longest_lag OR a.job_failures > 0 OR a.rules_failing > 0 OR a.notifications_dead > 0
			THEN 'degraded' ELSE 'healthy' END,
		'lag_seconds', round(extract(epoch FROM a.lag), 3),
		'pending', a.pending,
		'overdue', a.overdue,
		'job_failures', a.job_failures,
		'rules_enabled', a.rules_enabled,
		'rules_failing', a.rules_failing,
		'open_alerts', a.open_alerts,
		'open_by_level', a.open_by_level,
		'notifications_due', a.notifications_due,
		'notifications_due_seconds', round(coalesce(extract(epoch FROM now() - a.notifications_due_since), 0), 3),
		'notifications_leased', a.notifications_leased,
		'notifications_dead_last_hour', a.notifications_dead)
	INTO alerts
	FROM telemetry.alert_engine_status AS a;

	SELECT CASE WHEN stopped IS NULL THEN 200 ELSE 503 END, jsonb_strip_nulls(jsonb_build_object('detail', stopped)) || jsonb_build_object(
		'status', ingestion_status,
		'service', 'telemetry_service',
		'port', params -> 'port',
		'version', e.extversion,
		'components', jsonb_build_object(
			'data_ingestion', ingestion,
			'time_series_db', store,
			'alert_engine', alerts,
			'real_time_stream', jsonb_build_object('status', 'not_configured')),
		'performance', jsonb_strip_nulls(jsonb_build_object('proxy', proxy)) || jsonb_build_object(
			'database_ms', round(extract(epoch FROM clock_timestamp() - began) * 1000, 3)))
	INTO answer
	FROM pg_extension AS e
	WHERE e.extname = 'telemetry';
	RETURN answer;
END
$$;
COMMENT ON FUNCTION telemetry.http_health_detailed(jsonb, jsonb) IS
	'GET of the service''s health in detail: params {"port": integer, "proxy": its counters, optional}. '
	'200, or 503 and "detail" on a standby and when transactions are read-only, {"status", "service", "port", "version", "components", "performance"}. Components are data_ingestion '
	'(dead_letters_last_hour counts to 10000; degraded while the proxy lacks a connection), time_series_db '
	'(as telemetry.store_size()), alert_engine (numbers of telemetry.alert_engine_status; degraded while job alerts is more than 60 s behind, jobs alerts or absence fail, '
	'rules fail, or notifications have died in the last hour) and real_time_stream; performance has the proxy''s counters and database_ms.';

REVOKE ALL ON FUNCTION telemetry.http_ingest(jsonb, text), telemetry.http_batch(jsonb, jsonb),
	telemetry.http_health(jsonb, jsonb), telemetry.http_health_detailed(jsonb, jsonb), telemetry.store_size() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.http_ingest(jsonb, text) TO telemetry_writer;
GRANT EXECUTE ON FUNCTION telemetry.http_batch(jsonb, jsonb), telemetry.http_health(jsonb, jsonb),
	telemetry.http_health_detailed(jsonb, jsonb), telemetry.store_size() TO telemetry_reader, telemetry_writer;
GRANT SELECT ON telemetry.store_part TO telemetry_reader;
