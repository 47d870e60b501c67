-- Rollups: what is kept of a series' points in an hour and in a day, and the jobs that keep it.

-- The state of an hour or day, which can be merged with that of others.
CREATE TYPE telemetry.rollup AS (
	n bigint,
	sum float8,
	m2 float8,
	min float8,
	max float8,
	first float8,
	last float8,
	others bigint,
	first_ts timestamptz,
	last_ts timestamptz,
	sketch telemetry.sketch
);
COMMENT ON TYPE telemetry.rollup IS
	'What is kept of some points of a series: n numbers, their sum, m2 (sum of squared distances from their mean), '
	'min, max, first and last, number of other points, first and last timestamp of all, sketch of the numbers.';
COMMENT ON COLUMN telemetry.rollup.n IS 'Points that are numbers.';
COMMENT ON COLUMN telemetry.rollup.sum IS 'Sum of the numbers; null if there are none.';
COMMENT ON COLUMN telemetry.rollup.m2 IS
	'Sum of the squared distances of the numbers from their mean; null if there are none.';
COMMENT ON COLUMN telemetry.rollup.min IS 'Least number; null if there are none.';
COMMENT ON COLUMN telemetry.rollup.max IS 'Greatest number, NaN being greater than all others; null if there are none.';
COMMENT ON COLUMN telemetry.rollup.first IS 'The number with the earliest timestamp; null if there are none.';
COMMENT ON COLUMN telemetry.rollup.last IS 'The number with the latest timestamp; null if there are none.';
COMMENT ON COLUMN telemetry.rollup.others IS 'Points that are not numbers.';
COMMENT ON COLUMN telemetry.rollup.first_ts IS 'Timestamp of the first point, number or not.';
COMMENT ON COLUMN telemetry.rollup.last_ts IS 'Timestamp of the last point, number or not.';
COMMENT ON COLUMN telemetry.rollup.sketch IS
	'The numbers for telemetry.quantile(), which is then within 1 %; null if there are none.';

CREATE FUNCTION telemetry.rollup_add(internal, timestamptz, telemetry.value) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_rollup_add';
COMMENT ON FUNCTION telemetry.rollup_add(internal, timestamptz, telemetry.value) IS
	'Of the aggregate rollup(timestamptz, telemetry.value): adds a point to the state.';

CREATE FUNCTION telemetry.rollup_merge(internal, telemetry.rollup) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_rollup_merge';
COMMENT ON FUNCTION telemetry.rollup_merge(internal, telemetry.rollup) IS
	'Of the aggregate rollup_merge(telemetry.rollup): adds a rollup to the state.';

CREATE FUNCTION telemetry.rollup_final(internal) RETURNS telemetry.rollup
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_rollup_final';
COMMENT ON FUNCTION telemetry.rollup_final(internal) IS
	'Of the aggregates of rollups: the rollup of what was added, null if nothing was.';

CREATE AGGREGATE telemetry.rollup(timestamptz, telemetry.value) (
	SFUNC = telemetry.rollup_add,
	STYPE = internal,
	SSPACE = 1024,
	FINALFUNC = telemetry.rollup_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.rollup(timestamptz, telemetry.value) IS
	'The rollup of points (ts, value), in any order.';

CREATE AGGREGATE telemetry.rollup_merge(telemetry.rollup) (
	SFUNC = telemetry.rollup_merge,
	STYPE = internal,
	SSPACE = 1024,
	FINALFUNC = telemetry.rollup_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.rollup_merge(telemetry.rollup) IS
	'The rollup of what several rollups are of, such as the hours of a day or the devices of a room.';

CREATE FUNCTION telemetry.hour_of(ts timestamptz) RETURNS timestamptz
	LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 5
	AS 'MODULE_PATHNAME', 'telemetry_hour_of';
COMMENT ON FUNCTION telemetry.hour_of(timestamptz) IS
	'Start of the hour that rollups count a time in: an hour of the wall clock in the database''s day_timezone.';

CREATE FUNCTION telemetry.day_of(ts timestamptz) RETURNS date
	LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 5
	AS 'MODULE_PATHNAME', 'telemetry_day_of';
COMMENT ON FUNCTION telemetry.day_of(timestamptz) IS
	'The day that rollups count a time in: the date in the database''s day_timezone (telemetry.layout).';

-- A round changes all rows of the current hour: half of each page is left for their new versions, so that
-- no index learns of it. Numbers come first, where
-- they are found without looking at the keys.
CREATE TABLE telemetry.rollup_hour (
	hour timestamptz NOT NULL,
	n bigint NOT NULL,
	sum float8,
	m2 float8,
	min float8,
	max float8,
	first float8,
	last float8,
	others bigint NOT NULL,
	first_ts timestamptz NOT NULL,
	last_ts timestamptz NOT NULL,
	day date NOT NULL,
	device_id text COLLATE "C" NOT NULL,
	metric text COLLATE "C" NOT NULL,
	sketch telemetry.sketch,
	PRIMARY KEY (device_id, metric, hour)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
-- For the whole fleet. With the device in it, either index finds one row at once, and the planner cannot err.
CREATE INDEX rollup_hour_metric ON telemetry.rollup_hour (metric, hour, device_id);

CREATE TABLE telemetry.rollup_day (
	day date NOT NULL,
	n bigint NOT NULL,
	sum float8,
	m2 float8,
	min float8,
	max float8,
	first float8,
	last float8,
	others bigint NOT NULL,
	first_ts timestamptz NOT NULL,
	last_ts timestamptz NOT NULL,
	device_id text COLLATE "C" NOT NULL,
	metric text COLLATE "C" NOT NULL,
	sketch telemetry.sketch,
	PRIMARY KEY (device_id, metric, day)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX rollup_day_metric ON telemetry.rollup_day (metric, day, device_id);

CREATE TABLE telemetry.series (
	device_id text COLLATE "C" NOT NULL,
	metric text COLLATE "C" NOT NULL,
	first_ts timestamptz NOT NULL,
	last_ts timestamptz NOT NULL,
	n bigint NOT NULL,
	last_value telemetry.value,
	data_type text NOT NULL GENERATED ALWAYS AS (coalesce(telemetry.kind(last_value), 'unknown')) STORED,
	PRIMARY KEY (device_id, metric)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX series_metric ON telemetry.series (metric);

COMMENT ON TABLE telemetry.rollup_hour IS
	'Rollups by hour of the points of rolled-up blocks; read them through telemetry.metric_hourly.';
COMMENT ON COLUMN telemetry.rollup_hour.hour IS
	'Start of the hour, which is one of the wall clock in the database''s day_timezone (telemetry.hour_of).';
COMMENT ON COLUMN telemetry.rollup_hour.day IS 'The local day that the hour lies in (telemetry.day_of).';
COMMENT ON COLUMN telemetry.rollup_hour.device_id IS 'The device.';
COMMENT ON COLUMN telemetry.rollup_hour.metric IS 'What was measured.';
SELECT telemetry.copy_comments('telemetry.rollup', 'telemetry.rollup_hour');
COMMENT ON TABLE telemetry.rollup_day IS
	'Rollups by day, made of those by hour; read them through telemetry.metric_daily.';
COMMENT ON COLUMN telemetry.rollup_day.day IS
	'The local day: a date in the database''s day_timezone (telemetry.day_of).';
SELECT telemetry.copy_comments('telemetry.rollup_hour', 'telemetry.rollup_day');
COMMENT ON TABLE telemetry.series IS
	'Every series there is, as of the last round of job roll_up.';
COMMENT ON COLUMN telemetry.series.device_id IS 'The device.';
COMMENT ON COLUMN telemetry.series.metric IS 'What was measured.';
COMMENT ON COLUMN telemetry.series.first_ts IS 'Timestamp of its first point.';
COMMENT ON COLUMN telemetry.series.last_ts IS 'Timestamp of its last point.';
COMMENT ON COLUMN telemetry.series.n IS
	'Points rolled up, less those deleted; what retention drops stays counted as long as its rollups.';
COMMENT ON COLUMN telemetry.series.last_value IS 'Value of the last point.';
COMMENT ON COLUMN telemetry.series.data_type IS
	'Kind of the last value: numeric, text, boolean, json, geo or binary.';

SELECT pg_catalog.pg_extension_config_dump('telemetry.rollup_hour', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.rollup_day', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.series', '');

-- Rollups are of blocks: none without them.
CREATE FUNCTION telemetry.forget_rollups() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	AS $$
BEGIN
	TRUNCATE telemetry.rollup_hour, telemetry.rollup_day, telemetry.series, telemetry.set_aside_state;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.forget_rollups() IS
	'Trigger of telemetry.block: TRUNCATE empties the rollups and telemetry.series as well, and what is known of blocks set aside.';
CREATE TRIGGER forget_rollups AFTER TRUNCATE ON telemetry.block
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.forget_rollups();

-- In C, since the operators of float8 raise errors where a result leaves its range.
CREATE FUNCTION telemetry.mean_of(sum float8, n bigint) RETURNS float8
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_mean_of';
COMMENT ON FUNCTION telemetry.mean_of(float8, bigint) IS
	'The mean of n numbers by their sum, as in telemetry.rollup; null if there are none. Raises no error: what is beyond '
	'float8 is infinite, what is too small for it 0.';
CREATE FUNCTION telemetry.stddev_of(m2 float8, n bigint) RETURNS float8
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_stddev_of';
COMMENT ON FUNCTION telemetry.stddev_of(float8, bigint) IS
	'The standard deviation of a sample of n numbers by m2, as in telemetry.rollup; null if there are fewer than two. '
	'Raises no error.';

CREATE VIEW telemetry.metric_hourly AS
	SELECT device_id, metric, hour, n, sum, min, max, telemetry.mean_of(sum, n) AS avg,
		telemetry.stddev_of(m2, n) AS stddev, first, last,
		least(greatest(telemetry.quantile(sketch, 0.5), min), max) AS p50, least(greatest(telemetry.quantile(sketch, 0.95), min), max) AS p95,
		least(greatest(telemetry.quantile(sketch, 0.99), min), max) AS p99, sketch, others, first_ts, last_ts
	FROM telemetry.rollup_hour;
COMMENT ON VIEW telemetry.metric_hourly IS
	'Aggregates of the numbers of a device and metric in an hour (telemetry.hour_of): n, sum, min, max, avg, stddev '
	'(of a sample), first, last; p50, p95 and p99 to 1 %. sketch gives other quantiles, and of several rows together: '
	'quantile(sketch_merge(sketch), 0.9). others counts points that are not numbers. As of the last round of job '
	'roll_up, see telemetry.freshness; telemetry.metric_hourly_live has the rest too.';
COMMENT ON COLUMN telemetry.metric_hourly.avg IS
	'Mean of the numbers, sum / n; null if there are none. Infinite where the sum is beyond float8.';
COMMENT ON COLUMN telemetry.metric_hourly.stddev IS
	'Standard deviation of the numbers, which are taken for a sample; null if there are fewer than two. Infinite for '
	'distances from the mean above some 1e154, and inexact for those below 1e-154, whose squares float8 does not have.';
COMMENT ON COLUMN telemetry.metric_hourly.p50 IS 'Median of the numbers, within 1 %; null if there are none.';
COMMENT ON COLUMN telemetry.metric_hourly.p95 IS
	'The number that 95 % of the numbers are not above, within 1 %; null if there are none.';
COMMENT ON COLUMN telemetry.metric_hourly.p99 IS
	'The number that 99 % of the numbers are not above, within 1 %; null if there are none.';
SELECT telemetry.copy_comments('telemetry.rollup_hour', 'telemetry.metric_hourly');

CREATE VIEW telemetry.metric_daily AS
	SELECT device_id, metric, day, n, sum, min, max, telemetry.mean_of(sum, n) AS avg,
		telemetry.stddev_of(m2, n) AS stddev, first, last,
		least(greatest(telemetry.quantile(sketch, 0.5), min), max) AS p50, least(greatest(telemetry.quantile(sketch, 0.95), min), max) AS p95,
		least(greatest(telemetry.quantile(sketch, 0.99), min), max) AS p99, sketch, others, first_ts, last_ts
	FROM telemetry.rollup_day;
COMMENT ON VIEW telemetry.metric_daily IS
	'The same as telemetry.metric_hourly by local day (telemetry.day_of), of 23 to 25 hours where clocks are changed.';
SELECT telemetry.copy_comments('telemetry.rollup_day', 'telemetry.metric_daily');
SELECT telemetry.copy_comments('telemetry.metric_hourly', 'telemetry.metric_daily');

-- The hours as they would be if everything were rolled up now: stored ones that no pending point
-- falls into, and all others, telemetry.pending_hour: those that pending points only add to; those that stay because retention
-- has dropped points of them; and those that must be computed again.
CREATE VIEW telemetry.pending_hour AS
	SELECT f.device_id, f.metric, f.hour, f.day, whole.rollup
	FROM (
		SELECT p.device_id, p.metric, telemetry.hour_of(p.ts) AS hour, telemetry.day_of(p.ts) AS day,
			telemetry.rollup(p.ts, p.value) AS rollup
		FROM telemetry.pending_point AS p
		GROUP BY p.device_id, p.metric, telemetry.hour_of(p.ts), telemetry.day_of(p.ts)
	) AS f
	LEFT JOIN telemetry.rollup_hour AS h ON h.device_id = f.device_id AND h.metric = f.metric AND h.hour = f.hour
	CROSS JOIN LATERAL (
		SELECT CASE
			WHEN h.hour IS NULL THEN f.rollup
			WHEN h.last_ts < (f.rollup).first_ts THEN (
				SELECT telemetry.rollup_merge(part)
				FROM (VALUES
					(ROW(h.n, h.sum, h.m2, h.min, h.max, h.first, h.last, h.others, h.first_ts, h.last_ts, h.sketch)::telemetry.rollup),
					(f.rollup)
				) AS parts (part))
			WHEN EXISTS (
				SELECT FROM telemetry.out_of_reach AS o
				WHERE h.hour >= o.from_hour AND h.hour < o.to_hour
					AND CASE WHEN o.metric IS NULL THEN h.metric <> ALL (o.except_metrics) ELSE h.metric = o.metric END)
				THEN (
				SELECT telemetry.rollup_merge(part)
				FROM (
					SELECT ROW(h.n, h.sum, h.m2, h.min, h.max, h.first, h.last, h.others, h.first_ts, h.last_ts, h.sketch)::telemetry.rollup
					UNION ALL
					SELECT telemetry.rollup(p.ts, p.value)
					FROM telemetry.pending_point AS p
					WHERE p.device_id = f.device_id AND p.metric = f.metric
						AND p.ts > h.last_ts AND p.ts < f.hour + interval '1 hour' AND telemetry.hour_of(p.ts) = f.hour
					HAVING count(*) > 0
				) AS parts (part))
			ELSE (
				SELECT telemetry.rollup(p.ts, p.value)
				FROM telemetry.point AS p
				WHERE p.device_id = f.device_id AND p.metric = f.metric
					AND p.ts >= f.hour AND p.ts < f.hour + interval '1 hour' AND telemetry.hour_of(p.ts) = f.hour)
			END AS rollup
		OFFSET 0
	) AS whole;
COMMENT ON VIEW telemetry.pending_hour IS
	'The state of the hours that have points which are not rolled up yet, with these.';
COMMENT ON COLUMN telemetry.pending_hour.rollup IS 'What is kept of the points of the hour.';
SELECT telemetry.copy_comments('telemetry.rollup_hour', 'telemetry.pending_hour');

CREATE VIEW telemetry.live_hour AS
	SELECT h.device_id, h.metric, h.hour, h.day,
		ROW(h.n, h.sum, h.m2, h.min, h.max, h.first, h.last, h.others, h.first_ts, h.last_ts, h.sketch)::telemetry.rollup AS rollup
	FROM telemetry.rollup_hour AS h
	WHERE NOT EXISTS (
		SELECT FROM telemetry.pending_point AS p
		WHERE p.device_id = h.device_id AND p.metric = h.metric AND telemetry.hour_of(p.ts) = h.hour)
	UNION ALL
	SELECT p.device_id, p.metric, p.hour, p.day, p.rollup
	FROM telemetry.pending_hour AS p;
COMMENT ON VIEW telemetry.live_hour IS
	'The state of every hour, points not rolled up yet included; what telemetry.metric_hourly_live is made of.';
COMMENT ON COLUMN telemetry.live_hour.rollup IS 'What is kept of the points of the hour.';
SELECT telemetry.copy_comments('telemetry.rollup_hour', 'telemetry.live_hour');

CREATE VIEW telemetry.live_day AS
	SELECT d.device_id, d.metric, d.day,
		ROW(d.n, d.sum, d.m2, d.min, d.max, d.first, d.last, d.others, d.first_ts, d.last_ts, d.sketch)::telemetry.rollup AS rollup
	FROM telemetry.rollup_day AS d
	WHERE NOT EXISTS (
		SELECT FROM telemetry.pending_point AS p
		WHERE p.device_id = d.device_id AND p.metric = d.metric AND telemetry.day_of(p.ts) = d.day)
	UNION ALL
	SELECT l.device_id, l.metric, l.day, telemetry.rollup_merge(l.rollup)
	FROM telemetry.live_hour AS l
	WHERE EXISTS (
		SELECT FROM telemetry.pending_point AS p
		WHERE p.device_id = l.device_id AND p.metric = l.metric AND telemetry.day_of(p.ts) = l.day)
	GROUP BY l.device_id, l.metric, l.day;
COMMENT ON VIEW telemetry.live_day IS
	'The state of every day, points not rolled up yet included; what telemetry.metric_daily_live is made of.';
COMMENT ON COLUMN telemetry.live_day.rollup IS 'What is kept of the points of the day.';
SELECT telemetry.copy_comments('telemetry.rollup_day', 'telemetry.live_day');

CREATE VIEW telemetry.metric_hourly_live AS
	SELECT device_id, metric, hour, (rollup).n, (rollup).sum, (rollup).min, (rollup).max,
		telemetry.mean_of((rollup).sum, (rollup).n) AS avg,
		telemetry.stddev_of((rollup).m2, (rollup).n) AS stddev, (rollup).first, (rollup).last,
		least(greatest(telemetry.quantile((rollup).sketch, 0.5), (rollup).min), (rollup).max) AS p50, least(greatest(telemetry.quantile((rollup).sketch, 0.95), (rollup).min), (rollup).max) AS p95,
		least(greatest(telemetry.quantile((rollup).sketch, 0.99), (rollup).min), (rollup).max) AS p99, (rollup).sketch, (rollup).others,
		(rollup).first_ts, (rollup).last_ts
	FROM telemetry.live_hour;
COMMENT ON VIEW telemetry.metric_hourly_live IS
	'telemetry.metric_hourly with the points that are not rolled up yet, up to the last that was committed. '
	'Fast for a device or a few; for the whole fleet it reads all of what is pending.';
SELECT telemetry.copy_comments('telemetry.metric_hourly', 'telemetry.metric_hourly_live');

CREATE VIEW telemetry.metric_daily_live AS
	SELECT device_id, metric, day, (rollup).n, (rollup).sum, (rollup).min, (rollup).max,
		telemetry.mean_of((rollup).sum, (rollup).n) AS avg,
		telemetry.stddev_of((rollup).m2, (rollup).n) AS stddev, (rollup).first, (rollup).last,
		least(greatest(telemetry.quantile((rollup).sketch, 0.5), (rollup).min), (rollup).max) AS p50, least(greatest(telemetry.quantile((rollup).sketch, 0.95), (rollup).min), (rollup).max) AS p95,
		least(greatest(telemetry.quantile((rollup).sketch, 0.99), (rollup).min), (rollup).max) AS p99, (rollup).sketch, (rollup).others,
		(rollup).first_ts, (rollup).last_ts
	FROM telemetry.live_day;
COMMENT ON VIEW telemetry.metric_daily_live IS
	'telemetry.metric_daily with the points that are not rolled up yet.';
SELECT telemetry.copy_comments('telemetry.metric_daily', 'telemetry.metric_daily_live');

-- Compaction.
CREATE TABLE telemetry.compaction (
	step text NOT NULL,
	day date NOT NULL,
	transactions bigint NOT NULL,
	blocks_in bigint NOT NULL,
	blocks_out bigint NOT NULL,
	points_in bigint NOT NULL,
	points_out bigint NOT NULL,
	expired bigint NOT NULL,
	duplicates bigint NOT NULL GENERATED ALWAYS AS (points_in - points_out - expired) STORED,
	bytes_in bigint NOT NULL,
	bytes_out bigint NOT NULL,
	PRIMARY KEY (step, day)
);
COMMENT ON TABLE telemetry.compaction IS
	'What compaction did, by step (roll_up: blocks as ingested; compact: merges of rolled-up blocks; retention) and UTC day of its work.';
COMMENT ON COLUMN telemetry.compaction.transactions IS 'Transactions that did something.';
COMMENT ON COLUMN telemetry.compaction.duplicates IS 'Points dropped because a newer one has their key.';
COMMENT ON COLUMN telemetry.compaction.expired IS 'Points dropped because they were older than retention allows.';
COMMENT ON COLUMN telemetry.compaction.bytes_in IS 'Compressed bytes read.';
COMMENT ON COLUMN telemetry.compaction.bytes_out IS 'Compressed bytes written.';
COMMENT ON COLUMN telemetry.compaction.step IS 'What was done: roll_up, compact or retention.';
COMMENT ON COLUMN telemetry.compaction.day IS 'UTC day of the work.';
COMMENT ON COLUMN telemetry.compaction.blocks_in IS 'Blocks read, and removed.';
COMMENT ON COLUMN telemetry.compaction.blocks_out IS 'Blocks written.';
COMMENT ON COLUMN telemetry.compaction.points_in IS
	'Points in the blocks read; a key counts once for each block that has it.';
COMMENT ON COLUMN telemetry.compaction.points_out IS 'Points in the blocks written.';

CREATE TABLE telemetry.compaction_state (
	rolled_up_until timestamptz NOT NULL,
	live_rolled_up_until timestamptz NOT NULL,
	settled_seq bigint NOT NULL,
	noted_seq bigint NOT NULL,
	noted_at timestamptz NOT NULL,
	one_row boolean PRIMARY KEY DEFAULT true CONSTRAINT there_is_one_row CHECK (one_row)
) WITH (fillfactor = 10);
COMMENT ON TABLE telemetry.compaction_state IS
	'What compaction remembers: everything committed before rolled_up_until, but for what is set aside, counts in the rollups; settled_seq and '
	'noted_seq are two notes of the last order number, the second made at noted_at.';
COMMENT ON COLUMN telemetry.compaction_state.rolled_up_until IS
	'What was committed before that time, by the server''s clock, counts in the rollups.';
COMMENT ON COLUMN telemetry.compaction_state.live_rolled_up_until IS
	'The same of points of days that are being written to, which come first.';
COMMENT ON COLUMN telemetry.compaction_state.settled_seq IS
	'Last order number, of telemetry.block_seq, at a time telemetry.settle_time or more before noted_at.';
COMMENT ON COLUMN telemetry.compaction_state.noted_seq IS 'Last order number as of noted_at.';
COMMENT ON COLUMN telemetry.compaction_state.noted_at IS 'When the two were noted last, by the server''s clock.';
COMMENT ON COLUMN telemetry.compaction_state.one_row IS 'Always true: a key that only one row can have.';
INSERT INTO telemetry.compaction_state VALUES (pg_catalog.now(), pg_catalog.now(), 0, 0, pg_catalog.now());

-- Blocks that cannot be rolled up.
CREATE TABLE telemetry.set_aside_state (
	day date NOT NULL,
	seq bigint NOT NULL,
	bucket smallint NOT NULL,
	set_aside_at timestamptz NOT NULL,
	error text NOT NULL,
	error_code text NOT NULL,
	tries integer NOT NULL,
	tried_at timestamptz NOT NULL,
	next_try_at timestamptz NOT NULL,
	PRIMARY KEY (day, seq, bucket)
);
COMMENT ON TABLE telemetry.set_aside_state IS
	'Why blocks are set aside, which have level -1 in telemetry.block, and when they are tried again. Read telemetry.set_aside.';
COMMENT ON COLUMN telemetry.set_aside_state.day IS 'The UTC day that all points of the block lie in.';
COMMENT ON COLUMN telemetry.set_aside_state.seq IS 'Order number of its flush.';
COMMENT ON COLUMN telemetry.set_aside_state.bucket IS 'As telemetry.block.bucket.';
COMMENT ON COLUMN telemetry.set_aside_state.set_aside_at IS 'When it was set aside.';
COMMENT ON COLUMN telemetry.set_aside_state.error IS 'Why it could not be rolled up the last time.';
COMMENT ON COLUMN telemetry.set_aside_state.error_code IS 'SQLSTATE of that error.';
COMMENT ON COLUMN telemetry.set_aside_state.tries IS 'How often it has been tried.';
COMMENT ON COLUMN telemetry.set_aside_state.tried_at IS 'When it was tried the last time.';
COMMENT ON COLUMN telemetry.set_aside_state.next_try_at IS
	'When job roll_up tries it again: first after 10 minutes, then after twice as long each time, up to a day.';
SELECT pg_catalog.pg_extension_config_dump('telemetry.set_aside_state', '');

CREATE VIEW telemetry.set_aside AS
	SELECT b.day, b.seq, b.bucket, b.min_ts, b.max_ts, b.n AS points, octet_length(b.data) AS bytes,
		s.set_aside_at, s.error, s.error_code, s.tries, s.tried_at, s.next_try_at
	FROM telemetry.block AS b
	LEFT JOIN telemetry.set_aside_state AS s ON s.day = b.day AND s.seq = b.seq AND s.bucket = b.bucket
	WHERE b.level = -1;
COMMENT ON VIEW telemetry.set_aside IS
	'Blocks that job roll_up could not roll up and has set aside, so that they hold up no others: they are damaged, or what their '
	'points belong to is. Their points are read like all others, by telemetry.point and by the live views, which fail where a block is '
	'damaged; telemetry.metric_hourly and telemetry.metric_daily are without them.';
COMMENT ON COLUMN telemetry.set_aside.min_ts IS 'Timestamp of its first point.';
COMMENT ON COLUMN telemetry.set_aside.max_ts IS 'Timestamp of its last point.';
COMMENT ON COLUMN telemetry.set_aside.points IS 'Number of its points.';
COMMENT ON COLUMN telemetry.set_aside.bytes IS 'Size of its data.';
SELECT telemetry.copy_comments('telemetry.set_aside_state', 'telemetry.set_aside');

CREATE FUNCTION telemetry.retry_set_aside() RETURNS bigint
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	UPDATE telemetry.set_aside_state SET next_try_at = '-infinity';
	SELECT count(*) FROM telemetry.set_aside;
END;
COMMENT ON FUNCTION telemetry.retry_set_aside() IS
	'Has job roll_up try at its next run what is set aside, such as after a damaged block was restored, rather than when it is due. '
	'Returns how many blocks these are.';

CREATE FUNCTION telemetry.job_roll_up() RETURNS boolean
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_job_roll_up';
COMMENT ON FUNCTION telemetry.job_roll_up() IS
	'Rolls up about a second''s worth of new points, of up to a million or telemetry.roll_up_rows changed rows of rollups, days that are '
	'being written to first: their blocks become blocks of level 1, and they '
	'count in the rollups and in telemetry.series from then on. True if there are more. A block that cannot be rolled up is set aside, with '
	'a warning, see telemetry.set_aside. Does nothing while another '
	'transaction does it, or drops points of the same days for job retention. Needs READ COMMITTED.';

CREATE FUNCTION telemetry.job_compact() RETURNS boolean
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_job_compact';
COMMENT ON FUNCTION telemetry.job_compact() IS
	'Merges small blocks of a bucket''s day into larger ones where it pays. True if there is more to look at. '
	'Needs READ COMMITTED.';

CREATE FUNCTION telemetry.compact_step(restart boolean) RETURNS boolean
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_compact_step';
COMMENT ON FUNCTION telemetry.compact_step(boolean) IS
	'Of telemetry.compact(): merges all blocks of some buckets'' days, from the first if restart. True if there are more.';

CREATE PROCEDURE telemetry.compact()
	LANGUAGE plpgsql AS $$
DECLARE
	restart boolean := true;
	more boolean := true;
BEGIN
	WHILE telemetry.job_roll_up() LOOP
		COMMIT;
	END LOOP;
	COMMIT;
	WHILE more LOOP
		more := telemetry.compact_step(restart);
		restart := false;
		COMMIT;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE telemetry.compact() IS
	'Rolls up what there is, and makes one block of each bucket''s day (as many as there must be of 4 million points), '
	'whatever its age. In many transactions, so it cannot be called within one. Not needed: job compact keeps blocks few.';

CREATE FUNCTION telemetry.refresh_device(device text, metric text, "from" timestamptz, "to" timestamptz)
	RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_refresh_device';
COMMENT ON FUNCTION telemetry.refresh_device(text, text, timestamptz, timestamptz) IS
	'Computes the rollups of a device again from its points, of all metrics if metric is null, for the hours '
	'that overlap from <= ts < to (null: no bound), their days and their rows of telemetry.series. '
	'Hours older than what retention has dropped stay as they are. Returns how many hours were written.';

CREATE PROCEDURE telemetry.refresh(
	device text DEFAULT NULL, metric text DEFAULT NULL, "from" timestamptz DEFAULT NULL, "to" timestamptz DEFAULT NULL)
	-- What commits cannot pin the search path, so every name has its schema.
	LANGUAGE plpgsql AS $$
DECLARE
	at pg_catalog.text COLLATE pg_catalog."C" := '';
	done bigint := 0;
	total bigint;
BEGIN
	IF device IS NOT NULL THEN
		PERFORM telemetry.refresh_device(device, metric, "from", "to");
		RETURN;
	END IF;
	SELECT pg_catalog.count(DISTINCT s.device_id) INTO total FROM telemetry.series AS s;
	LOOP
		SELECT s.device_id INTO at FROM telemetry.series AS s WHERE s.device_id OPERATOR(pg_catalog.>) at ORDER BY s.device_id LIMIT 1;
		EXIT WHEN NOT FOUND;
		PERFORM telemetry.refresh_device(at, metric, "from", "to");
		done := done OPERATOR(pg_catalog.+) 1;
		PERFORM telemetry.report_progress('refresh', 'devices', done, total);
		COMMIT;
	END LOOP;
	PERFORM telemetry.end_progress();
END
$$;
COMMENT ON PROCEDURE telemetry.refresh(text, text, timestamptz, timestamptz) IS
	'Computes rollups again, as telemetry.refresh_device() does; of all devices if device is null, each in a transaction '
	'of its own, so it cannot be called within one then. telemetry.progress shows how far it is.';

CREATE FUNCTION telemetry.zone_has_whole_hours(zone text) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_zone_has_whole_hours';
COMMENT ON FUNCTION telemetry.zone_has_whole_hours(text) IS
	'Whether a time zone has only had offsets of whole hours from UTC since 1970. Error: invalid_parameter_value if there is no such zone.';

CREATE FUNCTION telemetry.zone_changes_by_hours(zone text) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_zone_changes_by_hours';
COMMENT ON FUNCTION telemetry.zone_changes_by_hours(text) IS
	'Whether clocks of a time zone have only been changed by whole hours since 1970, so that its hours are each one piece of time. Error: invalid_parameter_value if there is no such zone.';

CREATE FUNCTION telemetry.lock_rollups() RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_lock_rollups';
COMMENT ON FUNCTION telemetry.lock_rollups() IS
	'Waits until no other transaction changes rollups, and keeps it so to the end of this one.';

CREATE FUNCTION telemetry.set_day_timezone(zone text) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM telemetry.lock_rollups();
	-- And the rollups of events, as job roll_up_events does.
	PERFORM pg_advisory_xact_lock(21581, 1);
	IF (EXISTS (SELECT FROM telemetry.rollup_hour) OR EXISTS (SELECT FROM telemetry.event_rollup_hour))
		AND NOT (telemetry.zone_has_whole_hours(zone) AND (SELECT telemetry.zone_has_whole_hours(day_timezone) FROM telemetry.layout)) THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('cannot change day_timezone to "%s": there are rollups by other hours', zone),
			DETAIL = 'Hours begin at the same instants only in zones whose offset from UTC is of whole hours.',
			HINT = 'Set such a zone before the first points are rolled up.';
	END IF;
	-- Raises if there is no such zone.
	PERFORM telemetry.zone_has_whole_hours(zone);
	UPDATE telemetry.layout SET day_timezone = zone;
	UPDATE telemetry.rollup_hour SET day = telemetry.day_of(hour) WHERE day <> telemetry.day_of(hour);
	DELETE FROM telemetry.rollup_day;
	INSERT INTO telemetry.rollup_day (device_id, metric, day, n, sum, m2, min, max, first, last, others, first_ts, last_ts, sketch)
		SELECT device_id, metric, day, (r).n, (r).sum, (r).m2, (r).min, (r).max, (r).first, (r).last, (r).others,
			(r).first_ts, (r).last_ts, (r).sketch
		FROM (
			SELECT h.device_id, h.metric, h.day, telemetry.rollup_merge(
				ROW(h.n, h.sum, h.m2, h.min, h.max, h.first, h.last, h.others, h.first_ts, h.last_ts, h.sketch)::telemetry.rollup) AS r
			FROM telemetry.rollup_hour AS h
			GROUP BY h.device_id, h.metric, h.day
			OFFSET 0
		) AS days;
	PERFORM telemetry.rebuild_event_days();
END
$$;
COMMENT ON FUNCTION telemetry.set_day_timezone(text) IS
	'Changes the time zone by whose days, and hours, rollups count, and makes the daily rollups anew from the hourly ones. '
	'Errors: invalid_parameter_value if there is no such zone; object_not_in_prerequisite_state if there are rollups '
	'and the old or the new zone is not of whole hours.';

CREATE VIEW telemetry.freshness AS
	SELECT
		rolled.newest AS newest_rolled_up,
		greatest(rolled.newest, pending.newest, aside.newest) AS newest_point,
		pending.blocks AS pending_blocks,
		pending.points AS pending_points,
		CASE WHEN pending.blocks = 0 THEN interval '0' ELSE greatest(clock_timestamp() - s.rolled_up_until, interval '0') END AS lag,
		CASE WHEN pending.live_blocks = 0 THEN interval '0'
			ELSE greatest(clock_timestamp() - greatest(s.live_rolled_up_until, s.rolled_up_until), interval '0') END AS live_lag,
		t.target,
		pending.blocks = 0 OR clock_timestamp() - s.rolled_up_until <= t.target AS fresh,
		aside.blocks AS set_aside_blocks,
		aside.points AS set_aside_points
	FROM telemetry.compaction_state AS s,
		(SELECT max(b.max_ts) AS newest FROM telemetry.block AS b WHERE b.level >= 1) AS rolled,
		-- The days are those that job roll_up takes first (extension/src/upkeep/compact_roll_up.c).
		(SELECT max(b.max_ts) AS newest, count(*) AS blocks, coalesce(sum(b.n), 0) AS points,
				count(*) FILTER (WHERE b.day >= ((clock_timestamp() - interval '1 hour') AT TIME ZONE 'UTC')::date) AS live_blocks
			FROM telemetry.block AS b WHERE b.level = 0) AS pending,
		(SELECT max(b.max_ts) AS newest, count(*) AS blocks, coalesce(sum(b.n), 0) AS points
			FROM telemetry.block AS b WHERE b.level = -1) AS aside,
		(SELECT telemetry.setting('lag_target')::interval AS target) AS t;
COMMENT ON VIEW telemetry.freshness IS
	'How far behind the rollups are: timestamps of the newest point and of the newest that is rolled up, what is pending, '
	'lag (all that was committed before that long ago is rolled up; 0 if nothing is pending), the same of live data alone, whether it is within the '
	'target, telemetry.lag_target; and what is set aside, which is neither pending nor counts as lag.';
COMMENT ON COLUMN telemetry.freshness.newest_rolled_up IS
	'Timestamp of the newest point that is rolled up; null if none is.';
COMMENT ON COLUMN telemetry.freshness.newest_point IS 'Timestamp of the newest point there is; null if there is none.';
COMMENT ON COLUMN telemetry.freshness.pending_blocks IS 'Blocks that are not rolled up yet, without those set aside.';
COMMENT ON COLUMN telemetry.freshness.pending_points IS
	'Points in these blocks; a key counts once for each block that has it.';
COMMENT ON COLUMN telemetry.freshness.lag IS 'All that was committed so long ago is rolled up; 0 if nothing is pending.';
COMMENT ON COLUMN telemetry.freshness.live_lag IS
	'The same of points that lie in UTC days being written to, today and, until 1:00, yesterday: they are rolled up before all others, so a load of older '
	'ones may make lag large while these are up to date. 0 if none of them is pending.';
COMMENT ON COLUMN telemetry.freshness.target IS 'What lag should not exceed: the setting telemetry.lag_target.';
COMMENT ON COLUMN telemetry.freshness.fresh IS 'Whether lag is within target.';
COMMENT ON COLUMN telemetry.freshness.set_aside_blocks IS
	'Blocks that could not be rolled up and are tried again later, see telemetry.set_aside.';
COMMENT ON COLUMN telemetry.freshness.set_aside_points IS 'Points in these blocks.';

REVOKE ALL ON FUNCTION telemetry.job_roll_up(), telemetry.job_compact(), telemetry.compact_step(boolean),
	telemetry.refresh_device(text, text, timestamptz, timestamptz), telemetry.lock_rollups(),
	telemetry.set_day_timezone(text), telemetry.retry_set_aside() FROM PUBLIC;
REVOKE ALL ON PROCEDURE telemetry.compact(), telemetry.refresh(text, text, timestamptz, timestamptz) FROM PUBLIC;
GRANT SELECT ON telemetry.metric_hourly, telemetry.metric_daily, telemetry.metric_hourly_live, telemetry.metric_daily_live,
	telemetry.live_hour, telemetry.live_day, telemetry.pending_hour, telemetry.series, telemetry.compaction,
	telemetry.compaction_state, telemetry.freshness, telemetry.set_aside TO telemetry_reader;
GRANT SELECT ON telemetry.rollup_hour, telemetry.rollup_day TO telemetry_admin;
GRANT EXECUTE ON FUNCTION telemetry.job_roll_up(), telemetry.job_compact(), telemetry.compact_step(boolean),
	telemetry.refresh_device(text, text, timestamptz, timestamptz), telemetry.set_day_timezone(text), telemetry.retry_set_aside()
	TO telemetry_admin;
GRANT EXECUTE ON PROCEDURE telemetry.compact(), telemetry.refresh(text, text, timestamptz, timestamptz) TO telemetry_admin;
