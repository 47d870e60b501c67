-- telemetry.ingest(): points as JSON; telemetry.receipt: what became of batches with an id.

CREATE TABLE telemetry.receipt (
	device_id text COLLATE "C" NOT NULL,
	batch_id text COLLATE "C" NOT NULL,
	received_at timestamptz NOT NULL,
	success boolean NOT NULL,
	ingested_count integer NOT NULL,
	failed_count integer NOT NULL,
	total_count integer NOT NULL,
	errors jsonb NOT NULL,
	content_hash bytea NOT NULL,
	replaced_count integer NOT NULL DEFAULT 0,
	-- In this order it also finds a batch whose device is not known.
	PRIMARY KEY (batch_id, device_id)
)
-- Each row is claimed, then completed: leave room for both versions on a page.
WITH (fillfactor = 70);
CREATE INDEX receipt_received_at ON telemetry.receipt (received_at);
COMMENT ON TABLE telemetry.receipt IS
	'What became of each batch that had a batch_id. Written by telemetry.ingest() in the batch''s own transaction; '
	'kept for telemetry.batch_window, and then until a later batch or telemetry.prune_receipts() removes it.';
COMMENT ON COLUMN telemetry.receipt.device_id IS 'The device that the batch is of.';
COMMENT ON COLUMN telemetry.receipt.batch_id IS 'The sender''s name for the batch, unique for the device.';
COMMENT ON COLUMN telemetry.receipt.received_at IS 'When the batch came.';
COMMENT ON COLUMN telemetry.receipt.success IS 'Whether every point was ingested.';
COMMENT ON COLUMN telemetry.receipt.ingested_count IS
	'Points ingested, repeats of a key within the batch included.';
COMMENT ON COLUMN telemetry.receipt.failed_count IS 'Points rejected.';
COMMENT ON COLUMN telemetry.receipt.total_count IS 'Points of the batch.';
COMMENT ON COLUMN telemetry.receipt.errors IS
	'For each point rejected {"index": 0-based position, "metric_name", "code", "error"}.';
COMMENT ON COLUMN telemetry.receipt.replaced_count IS
	'Points ingested that a later one of the batch, of the same metric and time, has taken the place of.';
COMMENT ON COLUMN telemetry.receipt.content_hash IS
	'SHA-256 of data_points as jsonb, to tell a repeat from another batch of the same id.';

SELECT pg_catalog.pg_extension_config_dump('telemetry.receipt', '');

CREATE FUNCTION telemetry.ingest(body jsonb, device_id text DEFAULT NULL, kind text DEFAULT NULL, batch_id text DEFAULT NULL)
	RETURNS jsonb
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'telemetry_ingest';
COMMENT ON FUNCTION telemetry.ingest(jsonb, text, text, text) IS
	'Stores the points of a JSON body and says what became of them (bodies and answers of the IoT telemetry API). '
	'kind is single, batch or bulk; null: what the body looks like. '
	'single {"timestamp", "metric_name", "value", "unit", "tags", "metadata"}: '
	'{"success": true, "message", "device_id", "metric_name"} or {"success": false, "detail", "code"}. '
	'batch {"data_points": [1 to 1000 points], "compression": null, "gzip" or "lz4", "batch_id": null or text}: '
	'{"success", "ingested_count", "failed_count", "total_count", "errors": [{"index", "metric_name", '
	'"code", "error"}]}, and "replaced_count" if points of it had the metric and time, to the microsecond, of a later one, which alone is stored. '
	'bulk {device_id: [1 to 1000 points], ...}, 10000 points in all: '
	'{"success", "results": {device_id: as of a batch}, "total_devices"}; a device whose value is no such array has one error, '
	'whose index is null and whose code is invalid_points, and hurts no other. In telemetry.ingest_result() the '
	'points of a bulk count in jsonb''s order of keys. '
	'device_id is that of a single or batch body, which may also have it as a member. '
	'timestamp, to the microsecond, is RFC 3339 text (UTC if it has no zone) or a number of seconds, or milliseconds beyond '
	'2e10, since 1970; '
	'unit, tags and metadata may be null. '
	'A point that breaks a rule is rejected, with the codes of telemetry.dead_letter, which keeps it. '
	'batch_id, 1 to 255 bytes, names a batch whose body does not, and each device''s batch of a bulk body. '
	'A batch_id that the device used within telemetry.batch_window gets the first answer again and stores nothing. '
	'Errors: invalid_parameter_value if the body has not the shape, exceeds a limit, repeats a batch_id '
	'with other data_points, or has another one than is given; '
	'insufficient_privilege without INSERT on telemetry.point.';

CREATE FUNCTION telemetry.ingest_text(body text, device_id text, kind text, batch_id text DEFAULT NULL)
	RETURNS jsonb
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'telemetry_ingest_text';
COMMENT ON FUNCTION telemetry.ingest_text(text, text, text, text) IS
	'telemetry.ingest() of a body that is a text, as it came from a client: what jsonb cannot hold, that is the escape \u0000, half '
	'of a surrogate pair, or a number of more than 1000 characters, rejects the point that it is in, and no other; the code is that of '
	'its field, or invalid_json in a member that means nothing. It is shown in telemetry.dead_letter as it was written. '
	'A device that a bulk body names several times has the points of all its lists, in their order. '
	'kind is single, batch or bulk; device_id is that of a single or batch body, whose own member of that name means nothing. '
	'The body of a batch may be the array of its points alone. '
	'Errors: as of telemetry.ingest(); invalid_text_representation if the body is not JSON; invalid_parameter_value '
	'if data_points is there more than once.';

CREATE FUNCTION telemetry.prune_receipts() RETURNS bigint
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'telemetry_prune_receipts';
COMMENT ON FUNCTION telemetry.prune_receipts() IS
	'Removes receipts older than telemetry.batch_window and returns how many; those that another '
	'transaction has locked stay. '
	'Not needed as long as batches come: each removes a few.';

REVOKE ALL ON FUNCTION telemetry.ingest(jsonb, text, text, text), telemetry.ingest_text(text, text, text, text),
	telemetry.prune_receipts() FROM PUBLIC;
GRANT SELECT ON telemetry.receipt TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.ingest(jsonb, text, text, text), telemetry.ingest_text(text, text, text, text) TO telemetry_writer;
GRANT EXECUTE ON FUNCTION telemetry.prune_receipts() TO telemetry_admin;
