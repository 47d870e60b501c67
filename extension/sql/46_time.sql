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
	'one that it shows twice begins a bucket each time if the width is an hour or less, and only the first time if not. Errors: the same, and invalid_parameter_value if there is no such zone, data_exception if its clock contradicts itself.';

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

-- Aggregates of the points of a series, whose state has 16 bytes for each.

CREATE FUNCTION telemetry.counter_add(internal, timestamptz, float8) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_counter_add';
COMMENT ON FUNCTION telemetry.counter_add(internal, timestamptz, float8) IS
	'Of the aggregates delta, rate and gauge_delta: adds a point to the state.';

CREATE FUNCTION telemetry.delta_final(internal) RETURNS float8
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_delta_final';
COMMENT ON FUNCTION telemetry.delta_final(internal) IS
	'Of the aggregate delta(timestamptz, float8): the increase over the points of the state.';

CREATE FUNCTION telemetry.rate_final(internal) RETURNS float8
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_rate_final';
COMMENT ON FUNCTION telemetry.rate_final(internal) IS
	'Of the aggregate rate(timestamptz, float8): the increase over the points of the state, divided by their time.';

CREATE FUNCTION telemetry.gauge_delta_final(internal) RETURNS float8
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_gauge_delta_final';
COMMENT ON FUNCTION telemetry.gauge_delta_final(internal) IS
	'Of the aggregate gauge_delta(timestamptz, float8): the last value of the state less the first.';

CREATE AGGREGATE telemetry.delta(ts timestamptz, value float8) (
	SFUNC = telemetry.counter_add,
	STYPE = internal,
	SSPACE = 1200,
	FINALFUNC = telemetry.delta_final,
	FINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.delta(timestamptz, float8) IS
	'By how much a counter has grown, in whatever order its points come: the sum of the increases from each to the next in time, where one that is less than the one before has begun again at 0, '
	'so that it is itself the increase. 0 for one point, null for none. Points of one time count in the order of their values; those with a null, and times and values that are not finite, are left out.';

CREATE AGGREGATE telemetry.rate(ts timestamptz, value float8) (
	SFUNC = telemetry.counter_add,
	STYPE = internal,
	SSPACE = 1200,
	FINALFUNC = telemetry.rate_final,
	FINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.rate(timestamptz, float8) IS
	'delta(ts, value) a second, of the time from the first point to the last; null if there are no two points of different times.';

CREATE AGGREGATE telemetry.gauge_delta(ts timestamptz, value float8) (
	SFUNC = telemetry.counter_add,
	STYPE = internal,
	SSPACE = 1200,
	FINALFUNC = telemetry.gauge_delta_final,
	FINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.gauge_delta(timestamptz, float8) IS
	'By how much a gauge has changed: the value of the last time less that of the first; 0 for one point, null for none. Of points of the first time the least counts, of the last time the greatest; what is left out as of delta.';

CREATE FUNCTION telemetry.weighted_add(internal, timestamptz, float8) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_weighted_add';
COMMENT ON FUNCTION telemetry.weighted_add(internal, timestamptz, float8) IS
	'Of the aggregate time_weighted_average(timestamptz, float8): adds a point to the state.';

CREATE FUNCTION telemetry.weighted_add(internal, timestamptz, float8, text) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_weighted_add';
COMMENT ON FUNCTION telemetry.weighted_add(internal, timestamptz, float8, text) IS
	'Of the aggregate time_weighted_average(timestamptz, float8, text): adds a point to the state.';

CREATE FUNCTION telemetry.weighted_add(internal, timestamptz, float8, text, timestamptz, timestamptz) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_weighted_add';
COMMENT ON FUNCTION telemetry.weighted_add(internal, timestamptz, float8, text, timestamptz, timestamptz) IS
	'Of the aggregate time_weighted_average(timestamptz, float8, text, timestamptz, timestamptz): adds a point to the state.';

CREATE FUNCTION telemetry.weighted_final(internal) RETURNS float8
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_weighted_final';
COMMENT ON FUNCTION telemetry.weighted_final(internal) IS
	'Of the aggregates time_weighted_average: the mean of the state.';

CREATE AGGREGATE telemetry.time_weighted_average(ts timestamptz, value float8) (
	SFUNC = telemetry.weighted_add,
	STYPE = internal,
	SSPACE = 1200,
	FINALFUNC = telemetry.weighted_final,
	FINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.time_weighted_average(timestamptz, float8) IS
	'The mean over time of the lines from each point to the next, in whatever order they come: time_weighted_average(ts, value, ''linear'').';

CREATE AGGREGATE telemetry.time_weighted_average(ts timestamptz, value float8, method text) (
	SFUNC = telemetry.weighted_add,
	STYPE = internal,
	SSPACE = 1200,
	FINALFUNC = telemetry.weighted_final,
	FINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.time_weighted_average(timestamptz, float8, text) IS
	'The mean over the time from the first point to the last; a value holds until the next one (method ''locf''), or goes to it in a line (''linear''). Of points that are all of one time, the greatest; null if there are none. '
	'Points of one time count in the order of their values; those with a null or an infinite time are left out; values that are not finite make the mean so, as in avg. '
	'Errors: invalid_parameter_value for another method or one that changes, null_value_not_allowed.';

CREATE AGGREGATE telemetry.time_weighted_average(ts timestamptz, value float8, method text, "from" timestamptz, "to" timestamptz) (
	SFUNC = telemetry.weighted_add,
	STYPE = internal,
	SSPACE = 1200,
	FINALFUNC = telemetry.weighted_final,
	FINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.time_weighted_average(timestamptz, float8, text, timestamptz, timestamptz) IS
	'The same over from <= ts < to, each of which may be null, for points from before and after it, too. By ''locf'' the last value before from counts from there on, and the last one until to. By ''linear'' the line over an end is cut there, '
	'and before the first and after the last point there is nothing. Null if nothing lies in the range. Errors: the same, and invalid_parameter_value if an end changes from row to row.';

CREATE FUNCTION telemetry.first_add(internal, anyelement, timestamptz) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_first_add';
COMMENT ON FUNCTION telemetry.first_add(internal, anyelement, timestamptz) IS
	'Of the aggregate first(anyelement, timestamptz): keeps the value if its time is the earliest.';

CREATE FUNCTION telemetry.last_add(internal, anyelement, timestamptz) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_last_add';
COMMENT ON FUNCTION telemetry.last_add(internal, anyelement, timestamptz) IS
	'Of the aggregate last(anyelement, timestamptz): keeps the value if its time is the latest.';

CREATE FUNCTION telemetry.end_value(internal, anyelement, timestamptz) RETURNS anyelement
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_end_value';
COMMENT ON FUNCTION telemetry.end_value(internal, anyelement, timestamptz) IS
	'Of the aggregates first and last: the value that was kept.';

CREATE AGGREGATE telemetry.first(value anyelement, ts timestamptz) (
	SFUNC = telemetry.first_add,
	STYPE = internal,
	SSPACE = 64,
	FINALFUNC = telemetry.end_value,
	FINALFUNC_EXTRA,
	FINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.first(anyelement, timestamptz) IS
	'The value with the earliest time, of several the one that comes first; rows with a null are left out, and null is what there is without any.';

CREATE AGGREGATE telemetry.last(value anyelement, ts timestamptz) (
	SFUNC = telemetry.last_add,
	STYPE = internal,
	SSPACE = 64,
	FINALFUNC = telemetry.end_value,
	FINALFUNC_EXTRA,
	FINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.last(anyelement, timestamptz) IS
	'The value with the latest time, of several the one that comes last; rows with a null are left out, and null is what there is without any.';
