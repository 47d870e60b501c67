-- Requests that bring events, in the words of their app: many at once by COPY, or one by a function call.

CREATE TABLE telemetry.batch_log (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	stream text COLLATE "C" NOT NULL,
	batch_id text COLLATE "C" NOT NULL,
	user_id text COLLATE "C",
	device_id text COLLATE "C",
	correlation_id text COLLATE "C" NOT NULL,
	start_time timestamptz NOT NULL,
	end_time timestamptz NOT NULL,
	duration_ms double precision NOT NULL
		GENERATED ALWAYS AS (extract(epoch FROM end_time - start_time)::double precision * 1000) STORED,
	item_count integer NOT NULL,
	success_count integer NOT NULL,
	failure_count integer NOT NULL,
	conflict_count integer NOT NULL,
	duplicate_count integer NOT NULL,
	status text NOT NULL
		GENERATED ALWAYS AS (CASE failure_count WHEN 0 THEN 'completed' WHEN item_count THEN 'failed' ELSE 'partial' END) STORED
);
CREATE INDEX batch_log_end_time ON telemetry.batch_log (end_time);
CREATE INDEX batch_log_user ON telemetry.batch_log (user_id, end_time) WHERE user_id IS NOT NULL;
COMMENT ON TABLE telemetry.batch_log IS
	'How batches went that came by routes with log_batches. A batch that came again is here again. Kept for 90 days.';
COMMENT ON COLUMN telemetry.batch_log.batch_id IS 'The sender''s name for it, or its Idempotency-Key, or its correlation_id.';
COMMENT ON COLUMN telemetry.batch_log.user_id IS 'Who sent it.';
COMMENT ON COLUMN telemetry.batch_log.device_id IS 'The device that sent it.';
COMMENT ON COLUMN telemetry.batch_log.correlation_id IS 'What its events in telemetry.event have, too.';
COMMENT ON COLUMN telemetry.batch_log.start_time IS 'When it was read.';
COMMENT ON COLUMN telemetry.batch_log.end_time IS 'When its events had been stored.';
COMMENT ON COLUMN telemetry.batch_log.item_count IS 'Its events; the sum of the following four.';
COMMENT ON COLUMN telemetry.batch_log.success_count IS 'Those that were stored, and those left out by sampling.';
COMMENT ON COLUMN telemetry.batch_log.failure_count IS 'Those that were rejected.';
COMMENT ON COLUMN telemetry.batch_log.conflict_count IS 'Those that had come before with other content.';
COMMENT ON COLUMN telemetry.batch_log.duplicate_count IS 'Those that had come before just so.';
COMMENT ON COLUMN telemetry.batch_log.status IS 'completed: none was rejected; failed: all were; partial.';
COMMENT ON COLUMN telemetry.batch_log.id IS 'Number of the row; later ones have higher numbers.';
COMMENT ON COLUMN telemetry.batch_log.stream IS 'The stream of its events, a name of telemetry.stream.';
COMMENT ON COLUMN telemetry.batch_log.duration_ms IS 'Milliseconds from start_time to end_time.';
COMMENT ON SEQUENCE telemetry.batch_log_id_seq IS 'Numbers for telemetry.batch_log.id.';

SELECT pg_catalog.pg_extension_config_dump('telemetry.batch_log', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.batch_log_id_seq', '');

CREATE VIEW telemetry.http_event AS
	SELECT NULL::text AS route, NULL::jsonb AS params, NULL::jsonb AS body WHERE false;
COMMENT ON VIEW telemetry.http_event IS
	'Requests with events, one a row, to be inserted by COPY or INSERT; always empty. The events of all rows are stored at once, and '
	'telemetry.http_event_result() answers each request. A request that is wrong does not hurt others.';
COMMENT ON COLUMN telemetry.http_event.route IS 'Method, a space and path of a row of telemetry.route with a stream.';
COMMENT ON COLUMN telemetry.http_event.params IS
	'What is known beside the body: {"caller": {"user_id", "device_id", "correlation_id", "user_agent", "certificate", "idempotency_key"}, "under_load": true if events may '
	'be left out as telemetry.stream.sampling says, and whatever the dialect reads}; null: nothing. The ids of events that have none are made '
	'of the idempotency_key, if there is one. '
	'Events of a caller without correlation_id get a new ULID as theirs, the same for all of a request.';
COMMENT ON COLUMN telemetry.http_event.body IS 'The body of the request; null: it has none.';

CREATE FUNCTION telemetry.http_event_statement() RETURNS trigger
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_http_event_statement';
COMMENT ON FUNCTION telemetry.http_event_statement() IS
	'Trigger of telemetry.http_event, before and after each statement: begins an ingest, and stores what it has collected.';
CREATE FUNCTION telemetry.http_event_row() RETURNS trigger
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_http_event_row';
COMMENT ON FUNCTION telemetry.http_event_row() IS 'Trigger of telemetry.http_event: reads a request.';
CREATE TRIGGER begin_ingest BEFORE INSERT ON telemetry.http_event
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.http_event_statement();
CREATE TRIGGER ingest INSTEAD OF INSERT ON telemetry.http_event
	FOR EACH ROW EXECUTE FUNCTION telemetry.http_event_row();
CREATE TRIGGER end_ingest AFTER INSERT ON telemetry.http_event
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.http_event_statement();

CREATE FUNCTION telemetry.http_event_result(OUT status integer, OUT body text, OUT content_type text) RETURNS SETOF record
	LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 1000 AS 'MODULE_PATHNAME', 'telemetry_http_event_result';
COMMENT ON FUNCTION telemetry.http_event_result() IS
	'The answers to the requests that this transaction''s last COPY or INSERT brought into telemetry.http_event, in their order; '
	'body is JSON as it is to be sent.';

CREATE FUNCTION telemetry.http_events(route text, params jsonb, body jsonb) RETURNS telemetry.http_response
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_http_events';
COMMENT ON FUNCTION telemetry.http_events(text, jsonb, jsonb) IS
	'Takes one request with events, like a row of telemetry.http_event, and answers it. 404 {"detail"} if there is no such route.';
CREATE FUNCTION telemetry.http_events(route text, params jsonb, body text) RETURNS telemetry.http_response
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_http_events_of_text';
COMMENT ON FUNCTION telemetry.http_events(text, jsonb, text) IS
	'telemetry.http_events() of a body that is JSON as it came from a client: what jsonb cannot hold (the escape \u0000, half of a surrogate pair, a number of more than '
	'1000 characters) rejects the event that it is in, and no other. Error: invalid_text_representation if it is not JSON.';

REVOKE ALL ON FUNCTION telemetry.http_event_result(), telemetry.http_events(text, jsonb, jsonb), telemetry.http_events(text, jsonb, text) FROM PUBLIC;
GRANT SELECT ON telemetry.batch_log TO telemetry_reader;
GRANT INSERT ON telemetry.http_event TO telemetry_writer;
GRANT EXECUTE ON FUNCTION telemetry.http_event_result(), telemetry.http_events(text, jsonb, jsonb), telemetry.http_events(text, jsonb, text) TO telemetry_writer;
