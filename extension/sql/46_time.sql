-- Times as SQL users count them: buckets, gaps, counters, means by time.

CREATE FUNCTION telemetry.time_bucket(width interval, ts timestamptz) RETURNS timestamptz
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_time_bucket';
COMMENT ON FUNCTION telemetry.time_bucket(interval, timestamptz) IS
	'Start of the bucket of UTC that a time lies in. Widths of days and less count from Monday 2000-01-03, those of months from 2000-01-01; infinite times are given back. '
	'Errors: invalid_parameter_value if the width is not greater than 0 or has months together with days or time, datetime_field_overflow if the bucket begins before all times.';

CREATE FUNCTION telemetry.time_bucket(width interval, ts timestamp) RETURNS timestamp
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_time_bucket';
COMMENT ON FUNCTION telemetry.time_bucket(interval, timestamp) IS
	'Start of the bucket that a time without zone lies in, counted as of timestamptz. Errors: the same.';

CREATE FUNCTION telemetry.time_bucket(width interval, ts date) RETURNS date
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_time_bucket_date';
COMMENT ON FUNCTION telemetry.time_bucket(interval, date) IS
	'First day of the bucket that a day lies in, counted as of timestamptz. Errors: the same, and invalid_parameter_value if the width is not of whole days or months.';

CREATE FUNCTION telemetry.time_bucket(width interval, ts timestamptz, zone text) RETURNS timestamptz
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 2 AS 'MODULE_PATHNAME', 'telemetry_time_bucket_zone';
COMMENT ON FUNCTION telemetry.time_bucket(interval, timestamptz, text) IS
	'Start of the bucket that a time lies in, where buckets begin when the clock of a zone shows a multiple of the width, counted as without a zone. A multiple that the clock skips begins at the jump; '
	'one that it shows twice begins a bucket each time if the width is an hour or less, and only the first time if not. Errors: the same, and invalid_parameter_value if there is no such zone.';

CREATE FUNCTION telemetry.gapfill(width interval, "from" timestamptz, "to" timestamptz) RETURNS SETOF timestamptz
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_gapfill';
COMMENT ON FUNCTION telemetry.gapfill(interval, timestamptz, timestamptz) IS
	'The starts of all buckets of time_bucket(width, ts) that have times from <= ts < to, in order. '
	'Errors: those of time_bucket, invalid_parameter_value if an end is infinite, program_limit_exceeded beyond 10,000,000 buckets.';

CREATE FUNCTION telemetry.gapfill(width interval, "from" timestamptz, "to" timestamptz, zone text) RETURNS SETOF timestamptz
	LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_gapfill';
COMMENT ON FUNCTION telemetry.gapfill(interval, timestamptz, timestamptz, text) IS
	'The starts of all buckets of time_bucket(width, ts, zone) that have times from <= ts < to, in order. Errors: those of both.';

-- Window functions that fill gaps.

CREATE FUNCTION telemetry.locf(value anyelement) RETURNS anyelement
	LANGUAGE C WINDOW IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_locf';
COMMENT ON FUNCTION telemetry.locf(anyelement) IS
	'Window function: the last value that is not null in the rows of the partition up to this one, in their order; null before the first.';

CREATE FUNCTION telemetry.interpolate(value float8, ts timestamptz) RETURNS float8
	LANGUAGE C WINDOW IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_interpolate';
COMMENT ON FUNCTION telemetry.interpolate(float8, timestamptz) IS
	'Window function: the value if it is not null, and else what the line from the last one before it to the next one after it, in the order of the partition''s rows, has at ts; null outside of known values, '
	'and where ts is null, infinite, or not between the times of those two.';
