-- telemetry.point: the table that points are written to and read from.

CREATE FUNCTION telemetry.fdw_handler() RETURNS fdw_handler
	LANGUAGE C STRICT
	AS 'MODULE_PATHNAME', 'telemetry_fdw_handler';
COMMENT ON FUNCTION telemetry.fdw_handler() IS 'Foreign data wrapper of telemetry.point.';

CREATE FUNCTION telemetry.fdw_validator(options text[], catalog oid) RETURNS void
	LANGUAGE C STRICT
	AS 'MODULE_PATHNAME', 'telemetry_fdw_validator';
COMMENT ON FUNCTION telemetry.fdw_validator(text[], oid) IS
	'Accepts the options rolled_up, newest and text of a foreign table, booleans of which the last excludes the others, and refuses all others.';

CREATE FOREIGN DATA WRAPPER telemetry_fdw
	HANDLER telemetry.fdw_handler
	VALIDATOR telemetry.fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER telemetry_fdw IS 'Points in the blocks of telemetry.block.';

CREATE SERVER telemetry FOREIGN DATA WRAPPER telemetry_fdw;
COMMENT ON SERVER telemetry IS 'The block store of this database.';

-- Keys compare bytewise, whatever the collation of the database.
CREATE FOREIGN TABLE telemetry.point (
	ts timestamptz NOT NULL,
	device_id text COLLATE "C" NOT NULL,
	metric text COLLATE "C" NOT NULL,
	value telemetry.value NOT NULL,
	unit text,
	tags jsonb,
	metadata jsonb,
	num double precision
) SERVER telemetry;
COMMENT ON FOREIGN TABLE telemetry.point IS
	'Measurements. (device_id, metric, ts) is the key: writing a key again replaces its value. '
	'Rows that break a rule are rejected one by one, see telemetry.ingest_result() and telemetry.dead_letter.';
COMMENT ON COLUMN telemetry.point.ts IS
	'Time of the measurement, finite and at most telemetry.max_future ahead of the server''s clock.';
COMMENT ON COLUMN telemetry.point.device_id IS
	'The device: 1 to 128 bytes without control characters.';
COMMENT ON COLUMN telemetry.point.metric IS
	'What was measured: 1 to 128 bytes without control characters.';
COMMENT ON COLUMN telemetry.point.value IS 'The measurement, of any kind of telemetry.value.';
COMMENT ON COLUMN telemetry.point.unit IS 'Unit of the value, at most 128 bytes.';
COMMENT ON COLUMN telemetry.point.tags IS 'A JSON object to select points by.';
COMMENT ON COLUMN telemetry.point.metadata IS 'A JSON object that goes with the point.';
COMMENT ON COLUMN telemetry.point.num IS
	'The value as float8 if it is numeric, else null; can only be read.';

-- What is to be added to the rollups for an answer that is up to date.
CREATE FOREIGN TABLE telemetry.pending_point (
	ts timestamptz NOT NULL,
	device_id text COLLATE "C" NOT NULL,
	metric text COLLATE "C" NOT NULL,
	value telemetry.value NOT NULL,
	unit text,
	tags jsonb,
	metadata jsonb,
	num double precision
) SERVER telemetry OPTIONS (rolled_up 'false');
COMMENT ON FOREIGN TABLE telemetry.pending_point IS
	'The points that are not in the rollups yet, from blocks of level 0, to be read only. A point that replaces '
	'one that is in the rollups is among them.';
SELECT telemetry.copy_comments('telemetry.point', 'telemetry.pending_point');

-- For files as they are found: COPY only divides a line into fields, and what they mean is judged row by row.
CREATE FOREIGN TABLE telemetry.point_text (
	ts text,
	device_id text DEFAULT nullif(pg_catalog.current_setting('telemetry.text_device_id'), ''),
	metric text DEFAULT nullif(pg_catalog.current_setting('telemetry.text_metric'), ''),
	value text,
	unit text,
	tags text,
	metadata text
) SERVER telemetry OPTIONS (text 'true');
COMMENT ON FOREIGN TABLE telemetry.point_text IS
	'For COPY and INSERT only: points whose fields are texts. A row that cannot be read is rejected, as one that breaks a '
	'rule is, and all others are stored in telemetry.point. How they are read is said by the settings telemetry.text_...';
COMMENT ON COLUMN telemetry.point_text.ts IS
	'Date and time, of which ISO 8601 is understood and more, or a number since 1970: see telemetry.text_timezone, '
	'telemetry.text_date_order and telemetry.text_epoch.';
COMMENT ON COLUMN telemetry.point_text.device_id IS
	'As in telemetry.point; a COPY without this column takes telemetry.text_device_id.';
COMMENT ON COLUMN telemetry.point_text.metric IS
	'As in telemetry.point; a COPY without this column takes telemetry.text_metric.';
COMMENT ON COLUMN telemetry.point_text.value IS
	'A number, true, false, NaN, Infinity, or JSON as telemetry.value has it: see telemetry.text_decimal_comma, '
	'telemetry.text_nulls and telemetry.text_words.';
COMMENT ON COLUMN telemetry.point_text.unit IS 'As in telemetry.point.';
COMMENT ON COLUMN telemetry.point_text.tags IS 'The text of a JSON object; empty: none.';
COMMENT ON COLUMN telemetry.point_text.metadata IS 'The text of a JSON object that goes with the point; empty: none.';

CREATE TABLE telemetry.dead_letter (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	received_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	kind text NOT NULL,
	code text NOT NULL,
	reason text NOT NULL,
	payload jsonb NOT NULL,
	whole boolean NOT NULL,
	attempts integer NOT NULL DEFAULT 1,
	sender name NOT NULL
)
-- What is removed must soon be room for others.
WITH (autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE telemetry.dead_letter IS
	'Rows that were rejected, and why. telemetry.retry_dead_letters() tries them again; they are kept for 30 days, as far as '
	'telemetry.dead_letter_rows and telemetry.dead_letter_size have room for them: of what is too much, statements count the newest '
	'in ingest_result().unkept, and job prune removes the oldest.';
COMMENT ON COLUMN telemetry.dead_letter.received_at IS 'When their transaction began.';
COMMENT ON COLUMN telemetry.dead_letter.kind IS 'What they should have become: point or event.';
COMMENT ON COLUMN telemetry.dead_letter.code IS
	'Of events as telemetry.stream_field says, of points missing_field, invalid_key, invalid_timestamp, timestamp_in_future, invalid_value, '
	'value_too_large, invalid_unit, invalid_tags, invalid_metadata, invalid_json, or by the definition of their metric type_mismatch, out_of_range or value_not_allowed.';
COMMENT ON COLUMN telemetry.dead_letter.reason IS 'What was wrong, with the field and the limit.';
COMMENT ON COLUMN telemetry.dead_letter.payload IS
	'The row: a point by the names of the HTTP interface, without what is over 4 kB in a field, all its fields texts if it came '
	'through telemetry.point_text and could not be read; an event by the columns of '
	'telemetry.event, or as it came if it could not be read.';
COMMENT ON COLUMN telemetry.dead_letter.whole IS 'Whether payload is all of it, so that it can be tried again.';
COMMENT ON COLUMN telemetry.dead_letter.attempts IS 'How often it was tried; after 5 times it stays as it is.';
COMMENT ON COLUMN telemetry.dead_letter.sender IS 'The database user that sent them.';
COMMENT ON COLUMN telemetry.dead_letter.id IS 'Number of the row; later ones have higher numbers.';
COMMENT ON SEQUENCE telemetry.dead_letter_id_seq IS 'Numbers for telemetry.dead_letter.id.';
CREATE INDEX dead_letter_received_at ON telemetry.dead_letter (received_at);
CREATE INDEX dead_letter_user ON telemetry.dead_letter ((payload ->> 'user_id')) WHERE payload ? 'user_id';

SELECT pg_catalog.pg_extension_config_dump('telemetry.dead_letter', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.dead_letter_id_seq', '');

CREATE FUNCTION telemetry.ingest_result(
	OUT received bigint, OUT accepted bigint, OUT duplicates bigint, OUT conflicts bigint,
	OUT rejected bigint, OUT rows jsonb, OUT unkept bigint)
	LANGUAGE C VOLATILE PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'telemetry_ingest_result';
COMMENT ON FUNCTION telemetry.ingest_result() IS
	'What became of the rows of this transaction''s last COPY or INSERT into telemetry.point, telemetry.point_text or telemetry.event: '
	'received = accepted + duplicates + rejected; conflicts are for events and always 0 for points. '
	'rows is an array, ordered by row, of {"row": 0-based position, "status": "duplicate", "replaced" or '
	'"rejected", "code": text, "message": text} for each row that was not plainly accepted, at most '
	'telemetry.max_result_rows of them, in telemetry.max_result_memory. unkept are the rejected that telemetry.dead_letter had no room for. '
	'A row is a duplicate if the same point came again later in the same '
	'statement, replaced if a later one has the same key and another value; "by" is the next row of that key. Times are of '
	'microseconds, so that points closer together are one. '
	'It tells of nothing else, so that whoever shares a connection through a pooler is told of rows of their own. '
	'Error: object_not_in_prerequisite_state if there is none, or it was rolled back.';

CREATE FUNCTION telemetry.delete_points(
	device text, metric text, "from" timestamptz, "to" timestamptz)
	RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'telemetry_delete_points';
COMMENT ON FUNCTION telemetry.delete_points(text, text, timestamptz, timestamptz) IS
	'Removes the points of a device with from <= ts < to and returns how many there were. '
	'A null metric means all metrics, a null bound no bound; device is required. '
	'Waits until other deletions have ended; points that other transactions ingest meanwhile stay.';

REVOKE ALL ON FUNCTION telemetry.delete_points(text, text, timestamptz, timestamptz) FROM PUBLIC;
GRANT SELECT ON telemetry.point, telemetry.pending_point TO telemetry_reader;
GRANT INSERT ON telemetry.point, telemetry.point_text TO telemetry_writer;
GRANT SELECT ON telemetry.dead_letter TO telemetry_reader;
GRANT DELETE ON telemetry.dead_letter TO telemetry_admin;
GRANT EXECUTE ON FUNCTION telemetry.delete_points(text, text, timestamptz, timestamptz)
	TO telemetry_admin;
