-- The block store: an LSM tree of compressed blocks in an ordinary table.

CREATE SEQUENCE telemetry.block_seq AS bigint;
COMMENT ON SEQUENCE telemetry.block_seq IS
	'Order numbers of flushes: of two blocks with the same point, the higher number''s wins.';

CREATE TABLE telemetry.block (
	bucket smallint NOT NULL,
	level smallint NOT NULL,
	day date NOT NULL,
	seq bigint NOT NULL,
	min_ts timestamptz NOT NULL,
	max_ts timestamptz NOT NULL,
	n integer NOT NULL,
	data bytea NOT NULL,
	PRIMARY KEY (bucket, max_ts, seq, level)
) PARTITION BY LIST (level);
-- Blocks are compressed already, and stored so that a slice can be read without the rest.
ALTER TABLE telemetry.block ALTER COLUMN data SET STORAGE EXTERNAL;

-- A partition for each life time: compaction empties the first two again and again, and vacuum
-- then gives their files back. What is merged again goes to the other one of the last two, so that
-- when a whole store is, the one it leaves is emptied too.
CREATE TABLE telemetry.block_0 PARTITION OF telemetry.block FOR VALUES IN (-1, 0)
	WITH (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 200,
		toast.autovacuum_vacuum_scale_factor = 0.1, toast.autovacuum_vacuum_threshold = 2000);
CREATE TABLE telemetry.block_1 PARTITION OF telemetry.block FOR VALUES IN (1)
	WITH (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 200,
		toast.autovacuum_vacuum_scale_factor = 0.1, toast.autovacuum_vacuum_threshold = 2000);
CREATE TABLE telemetry.block_2 PARTITION OF telemetry.block FOR VALUES IN (2, 4, 6, 8)
	WITH (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 200,
		toast.autovacuum_vacuum_scale_factor = 0.1, toast.autovacuum_vacuum_threshold = 2000);
CREATE TABLE telemetry.block_3 PARTITION OF telemetry.block FOR VALUES IN (3, 5, 7, 9)
	WITH (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 200,
		toast.autovacuum_vacuum_scale_factor = 0.1, toast.autovacuum_vacuum_threshold = 2000);
ALTER TABLE telemetry.block_0 ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE telemetry.block_1 ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE telemetry.block_2 ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE telemetry.block_3 ALTER COLUMN data SET STORAGE EXTERNAL;
-- For the newest blocks of all, and for estimates of what a range of time holds.
CREATE INDEX block_max_ts ON telemetry.block (max_ts);
-- The order in which blocks are rolled up; and those that are set aside, which are few if any.
CREATE INDEX block_0_day_seq ON telemetry.block_0 (day, seq, bucket) WHERE level = 0;
CREATE INDEX block_0_set_aside ON telemetry.block_0 (day, seq, bucket) WHERE level = -1;

COMMENT ON TABLE telemetry.block IS
	'Compressed points, written by ingest and read through telemetry.point; not to be changed by hand.';
COMMENT ON TABLE telemetry.block_0 IS 'Blocks as ingested, until they are rolled up, and those set aside.';
COMMENT ON TABLE telemetry.block_1 IS 'Blocks just rolled up, until they are merged.';
COMMENT ON TABLE telemetry.block_2 IS 'Merged blocks of even level.';
COMMENT ON TABLE telemetry.block_3 IS 'Merged blocks of odd level.';
COMMENT ON COLUMN telemetry.block.bucket IS
	'Hash of device_id, from 0; -1 for a mixed block, which holds few points of any bucket.';
COMMENT ON COLUMN telemetry.block.level IS
	'0 as ingested; 1 rolled up, so that its points count in telemetry.metric_hourly; 2 and more merged, of so many sizes; -1 set '
	'aside, since it cannot be rolled up (telemetry.set_aside).';
COMMENT ON COLUMN telemetry.block.day IS 'The UTC day that all points lie in.';
COMMENT ON COLUMN telemetry.block.seq IS
	'Order number of the flush, from telemetry.block_seq; of merged blocks the highest.';
COMMENT ON COLUMN telemetry.block.min_ts IS 'Timestamp of the first point.';
COMMENT ON COLUMN telemetry.block.max_ts IS 'Timestamp of the last point.';
COMMENT ON COLUMN telemetry.block.n IS 'Number of points.';
COMMENT ON COLUMN telemetry.block.data IS
	'The points: a checksummed column file, format in extension/src/block/block.h.';
SELECT telemetry.copy_comments('telemetry.block', p.relid) FROM pg_catalog.pg_partition_tree('telemetry.block') AS p WHERE p.isleaf;

CREATE TABLE telemetry.layout (
	buckets smallint NOT NULL
		CONSTRAINT buckets_is_from_1_to_1024 CHECK (buckets BETWEEN 1 AND 1024),
	day_timezone text NOT NULL DEFAULT 'UTC',
	one_row boolean PRIMARY KEY DEFAULT true CONSTRAINT there_is_one_row CHECK (one_row)
);
COMMENT ON TABLE telemetry.layout IS
	'What blocks and rollups were laid out by. One row.';
COMMENT ON COLUMN telemetry.layout.buckets IS
	'Number of buckets; from the setting telemetry.buckets at CREATE EXTENSION, fixed.';
COMMENT ON COLUMN telemetry.layout.day_timezone IS
	'Time zone of the days and hours of rollups; from the setting telemetry.day_timezone at CREATE EXTENSION, '
	'changed by telemetry.set_day_timezone().';
COMMENT ON COLUMN telemetry.layout.one_row IS 'Always true: a key that only one row can have.';

SELECT pg_catalog.pg_extension_config_dump('telemetry.block_seq', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.block_0', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.block_1', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.block_2', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.block_3', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.layout', '');

CREATE FUNCTION telemetry.block_series(data bytea)
	RETURNS TABLE (device_id text, metric text, n integer, first_ts timestamptz,
				   last_ts timestamptz, kind text, bytes integer)
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'telemetry_block_series';
COMMENT ON FUNCTION telemetry.block_series(bytea) IS
	'The directory of a block (telemetry.block.data): each entry''s series, number of points, first and '
	'last timestamp, kind of value (mixed if several) and encoded bytes before compression. '
	'Error data_corrupted if the bytes are not a valid block.';

CREATE FUNCTION telemetry.check_block(data bytea) RETURNS bigint
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'telemetry_check_block';
COMMENT ON FUNCTION telemetry.check_block(bytea) IS
	'Decodes every point of a block and returns their number. Error data_corrupted if any byte is not '
	'as it was written. telemetry.damaged_blocks() does so for a whole store.';

CREATE FUNCTION telemetry.damaged_blocks()
	RETURNS TABLE (day date, seq bigint, bucket smallint, level smallint, points integer, error text)
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	block record;
	said text;
BEGIN
	FOR block IN SELECT b.day, b.seq, b.bucket, b.level, b.n, b.data FROM telemetry.block AS b LOOP
		BEGIN
			IF telemetry.check_block(block.data) = block.n THEN
				CONTINUE;
			END IF;
			error := 'its number of points is not that of its row';
		EXCEPTION WHEN data_corrupted THEN
			GET STACKED DIAGNOSTICS error = MESSAGE_TEXT, said = PG_EXCEPTION_DETAIL;
			error := concat_ws(': ', error, nullif(said, ''));
		END;
		day := block.day;
		seq := block.seq;
		bucket := block.bucket;
		level := block.level;
		points := block.n;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION telemetry.damaged_blocks() IS
	'Decodes every point of the store, and returns the rows of telemetry.block that are not as they were written, with the error. Reads '
	'all there is, which takes as long as a full dump.';

REVOKE ALL ON FUNCTION telemetry.block_series(bytea), telemetry.check_block(bytea), telemetry.damaged_blocks() FROM PUBLIC;
GRANT SELECT ON telemetry.block, telemetry.block_0, telemetry.block_1, telemetry.block_2, telemetry.block_3, telemetry.layout
	TO telemetry_admin;
GRANT EXECUTE ON FUNCTION telemetry.block_series(bytea), telemetry.check_block(bytea), telemetry.damaged_blocks()
	TO telemetry_admin;
