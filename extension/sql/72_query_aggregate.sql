-- Aggregates of queries: the points of some series, by buckets.

CREATE TYPE telemetry.query_aggregate AS (
	device_id text,
	metric text,
	ts timestamptz,
	num double precision,
	n bigint
);
COMMENT ON TYPE telemetry.query_aggregate IS 'What telemetry.query() finds of a bucket.';
COMMENT ON COLUMN telemetry.query_aggregate.device_id IS 'The device; null: all that the query is of.';
COMMENT ON COLUMN telemetry.query_aggregate.metric IS 'What was measured.';
COMMENT ON COLUMN telemetry.query_aggregate.ts IS 'Start of the bucket.';
COMMENT ON COLUMN telemetry.query_aggregate.num IS 'The aggregate of the numbers; null if it is of none.';
COMMENT ON COLUMN telemetry.query_aggregate.n IS 'Points in the bucket, whatever their kind.';

-- A step is of series in order, whose devices and metrics are beside each other in two lists; first and last are the ends of these.
CREATE TYPE telemetry.query_scope AS (
	devices text[],
	metrics text[],
	start_time timestamptz,
	end_time timestamptz,
	bucket interval,
	zone text,
	group_devices boolean,
	every_device boolean
);
COMMENT ON TYPE telemetry.query_scope IS 'Series, range and buckets of a step of telemetry.query().';
COMMENT ON COLUMN telemetry.query_scope.devices IS 'The devices of its series, which are in order.';
COMMENT ON COLUMN telemetry.query_scope.metrics IS 'The metrics of its series, beside the devices.';
COMMENT ON COLUMN telemetry.query_scope.start_time IS 'Start of the range.';
COMMENT ON COLUMN telemetry.query_scope.end_time IS 'End of the range, which is not part of it.';
COMMENT ON COLUMN telemetry.query_scope.bucket IS 'Width of the buckets.';
COMMENT ON COLUMN telemetry.query_scope.zone IS 'By whose clock buckets begin.';
COMMENT ON COLUMN telemetry.query_scope.group_devices IS 'Whether all devices are one series.';
COMMENT ON COLUMN telemetry.query_scope.every_device IS 'Whether no others have its metrics, so that these alone say which series it is of.';

CREATE FUNCTION telemetry.rollup_number(rollup telemetry.rollup, aggregation text) RETURNS double precision
	LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE aggregation
		WHEN 'avg' THEN telemetry.mean_of((rollup).sum, (rollup).n)
		WHEN 'min' THEN (rollup).min
		WHEN 'max' THEN (rollup).max
		WHEN 'sum' THEN (rollup).sum
		WHEN 'count' THEN (rollup).n + (rollup).others
		WHEN 'first' THEN (rollup).first
		WHEN 'last' THEN (rollup).last
		WHEN 'stddev' THEN telemetry.stddev_of((rollup).m2, (rollup).n)
		ELSE least(greatest(telemetry.quantile((rollup).sketch, CASE aggregation WHEN 'median' THEN 0.5 WHEN 'p95' THEN 0.95 WHEN 'p99' THEN 0.99 END),
			(rollup).min), (rollup).max)
	END;
END;
COMMENT ON FUNCTION telemetry.rollup_number(telemetry.rollup, text) IS
	'The avg, min, max, sum, count (of all points), first, last, stddev, median, p95 or p99 that a rollup says; null if it is of no numbers.';

-- By rollups -----------------------------------------------------------------------------------------------------------------

-- The start of the first hour that begins at a time or later; hours are up to two long where clocks are changed by parts of one.
CREATE FUNCTION telemetry.hour_from(ts timestamptz) RETURNS timestamptz
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	hour timestamptz;
BEGIN
	FOR k IN 0..2 LOOP
		hour := telemetry.hour_of(ts + k * interval '1 hour');
		EXIT WHEN hour >= ts;
	END LOOP;
	RETURN hour;
END
$$;
COMMENT ON FUNCTION telemetry.hour_from(timestamptz) IS 'Start of the first hour of rollups (telemetry.hour_of) that begins at a time or later.';

CREATE FUNCTION telemetry.rollup_merge_fields(internal, bigint, float8, float8, float8, float8, float8, float8, bigint, timestamptz, timestamptz, telemetry.sketch, text)
	RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_rollup_merge_fields';
COMMENT ON FUNCTION telemetry.rollup_merge_fields(internal, bigint, float8, float8, float8, float8, float8, float8, bigint, timestamptz, timestamptz, telemetry.sketch, text) IS
	'Of the aggregate rollup_merge_fields: adds a rollup, given by its fields, to the state.';

CREATE AGGREGATE telemetry.rollup_merge_fields(n bigint, sum float8, m2 float8, min float8, max float8, first float8, last float8, others bigint,
		first_ts timestamptz, last_ts timestamptz, sketch telemetry.sketch, series text) (
	SFUNC = telemetry.rollup_merge_fields,
	STYPE = internal,
	SSPACE = 1024,
	FINALFUNC = telemetry.rollup_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE telemetry.rollup_merge_fields(bigint, float8, float8, float8, float8, float8, float8, bigint, timestamptz, timestamptz, telemetry.sketch, text) IS
	'As telemetry.rollup_merge(), of the fields of rollups: many of them are merged faster so, and without sketches faster still; then the result has none. Of the same '
	'first or last time the series with the first name, in the order of bytes, comes first; null: that which was added first.';

-- What telemetry.live_hour and live_day are made of.
CREATE VIEW telemetry.stored_hour AS
	SELECT h.device_id, h.metric, h.hour, h.day,
		ROW(h.n, h.sum, h.m2, h.min, h.max, h.first, h.last, h.others, h.first_ts, h.last_ts, h.sketch)::telemetry.rollup AS rollup
	FROM telemetry.rollup_hour AS h;
COMMENT ON VIEW telemetry.stored_hour IS 'The state of every hour, as of the last round of job roll_up.';
COMMENT ON COLUMN telemetry.stored_hour.rollup IS 'What is kept of the points of the hour.';
SELECT telemetry.copy_comments('telemetry.rollup_hour', 'telemetry.stored_hour');

CREATE VIEW telemetry.stored_day AS
	SELECT d.device_id, d.metric, d.day,
		ROW(d.n, d.sum, d.m2, d.min, d.max, d.first, d.last, d.others, d.first_ts, d.last_ts, d.sketch)::telemetry.rollup AS rollup
	FROM telemetry.rollup_day AS d;
COMMENT ON VIEW telemetry.stored_day IS 'The state of every day, as of the last round of job roll_up.';
COMMENT ON COLUMN telemetry.stored_day.rollup IS 'What is kept of the points of the day.';
SELECT telemetry.copy_comments('telemetry.rollup_day', 'telemetry.stored_day');

CREATE FUNCTION telemetry.query_by_hour(scope telemetry.query_scope, aggregation text, row_limit integer) RETURNS telemetry.query_aggregate[]
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
DECLARE
	metrics CONSTANT text[] := ARRAY(SELECT DISTINCT m.metric FROM unnest(scope.metrics) AS m (metric));
	last_device CONSTANT text := scope.devices[cardinality(scope.devices)];
	last_metric CONSTANT text := scope.metrics[cardinality(scope.metrics)];
	start_time CONSTANT timestamptz := scope.start_time;
	end_time CONSTANT timestamptz := scope.end_time;
	-- Hours from first_hour on, days from first_day on, hours from last_day on, and points before and after.
	last_hour CONSTANT timestamptz := greatest(telemetry.hour_of(end_time), start_time);
	first_hour CONSTANT timestamptz := least(telemetry.hour_from(start_time), last_hour);
	first_day timestamptz := last_hour;
	last_day timestamptz := last_hour;
	-- Hours that the range cuts, or null.
	first_cut CONSTANT timestamptz := CASE WHEN start_time < first_hour THEN telemetry.hour_of(start_time) END;
	last_cut CONSTANT timestamptz := CASE WHEN last_hour < end_time THEN telemetry.hour_of(end_time) END;
	wants_order CONSTANT boolean := scope.group_devices AND aggregation IN ('first', 'last');
BEGIN
	IF telemetry.is_of_days(scope.bucket) AND scope.zone = telemetry.day_timezone() THEN
		first_day := telemetry.time_bucket('1 day', first_hour, scope.zone);
		IF first_day < first_hour THEN
			-- The middle of the next day, which has 23 to 25 hours.
			first_day := telemetry.time_bucket('1 day', first_day + interval '36 hours', scope.zone);
		END IF;
		last_day := telemetry.time_bucket('1 day', last_hour, scope.zone);
		IF first_day >= last_day THEN
			first_day := last_hour;
			last_day := last_hour;
		END IF;
	END IF;
	-- Pending points that are later than what is stored of their hour only add to it; other hours are made anew (telemetry.pending_hour).
	RETURN ARRAY(
		WITH pending AS MATERIALIZED (
			SELECT f.device_id, f.metric, f.hour, f.rollup, h.last_ts < (f.rollup).first_ts IS NOT FALSE AS is_later,
				(f.hour IN (first_cut, last_cut) AND (h.first_ts < start_time OR h.last_ts >= end_time)) IS TRUE AS is_cut
			FROM (
				SELECT p.device_id, p.metric, telemetry.hour_of(p.ts) AS hour, telemetry.rollup_merge_fields(
					CASE WHEN p.num IS NULL THEN 0 ELSE 1 END, p.num, p.num - p.num, p.num, p.num, p.num, p.num, CASE WHEN p.num IS NULL THEN 1 ELSE 0 END, p.ts, p.ts, NULL, NULL) AS rollup
				FROM telemetry.pending_point AS p
				WHERE p.ts >= start_time AND p.ts < end_time
					AND p.device_id = ANY (scope.devices) AND p.metric = ANY (metrics)
					AND (scope.group_devices OR ((p.device_id, p.metric) >= (scope.devices[1], scope.metrics[1]) AND (p.device_id, p.metric) <= (last_device, last_metric)))
				GROUP BY 1, 2, 3
				OFFSET 0
			) AS f
			LEFT JOIN telemetry.metric_hourly AS h ON h.device_id = f.device_id AND h.metric = f.metric AND h.hour = f.hour
		), late AS MATERIALIZED (
			SELECT l.device_id, l.metric, l.hour, l.day, l.rollup
			FROM telemetry.pending_hour AS l
			WHERE (SELECT bool_or(NOT p.is_later AND (p.hour IN (first_cut, last_cut)) IS NOT TRUE) FROM pending AS p) AND l.hour >= first_hour AND l.hour < last_hour
				AND l.device_id = ANY (scope.devices) AND l.metric = ANY (metrics)
				AND (scope.group_devices OR ((l.device_id, l.metric) >= (scope.devices[1], scope.metrics[1]) AND (l.device_id, l.metric) <= (last_device, last_metric)))
				AND (l.device_id, l.metric, l.hour) IN (SELECT p.device_id, p.metric, p.hour FROM pending AS p WHERE NOT p.is_later)
		), edge AS MATERIALIZED (
			SELECT h.device_id, h.metric, h.hour, h.n, h.sum, h.m2, h.min, h.max, h.first, h.last, h.others, h.first_ts, h.last_ts,
				h.first_ts >= start_time AND h.last_ts < end_time AS is_inside
			FROM (
				SELECT h.device_id, h.metric, h.hour, (h.rollup).n, (h.rollup).sum, (h.rollup).m2, (h.rollup).min, (h.rollup).max, (h.rollup).first, (h.rollup).last, (h.rollup).others, (h.rollup).first_ts, (h.rollup).last_ts
				FROM telemetry.stored_hour AS h
				WHERE scope.every_device AND h.metric = ANY (metrics) AND h.hour IN (first_cut, last_cut)
				UNION ALL
				SELECT h.device_id, h.metric, h.hour, (h.rollup).n, (h.rollup).sum, (h.rollup).m2, (h.rollup).min, (h.rollup).max, (h.rollup).first, (h.rollup).last, (h.rollup).others, (h.rollup).first_ts, (h.rollup).last_ts
				FROM unnest(scope.devices, scope.metrics) AS s (device_id, metric)
				JOIN telemetry.stored_hour AS h ON h.device_id = s.device_id AND h.metric = s.metric
				WHERE NOT scope.every_device AND h.hour IN (first_cut, last_cut)
			) AS h (device_id, metric, hour, n, sum, m2, min, max, first, last, others, first_ts, last_ts)
		), cut AS MATERIALIZED (
			-- All points of an hour may lie in the range, although it cuts the hour: no others are looked for.
			SELECT e.device_id, e.metric, e.hour FROM edge AS e WHERE NOT e.is_inside
			UNION ALL
			SELECT p.device_id, p.metric, p.hour FROM pending AS p WHERE NOT p.is_later AND p.hour IN (first_cut, last_cut)
		), part (device_id, metric, ts, n, sum, m2, min, max, first, last, others, first_ts, last_ts) AS (
			SELECT p.device_id, p.metric, p.hour, (p.rollup).n, (p.rollup).sum, (p.rollup).m2, (p.rollup).min, (p.rollup).max, (p.rollup).first, (p.rollup).last, (p.rollup).others, (p.rollup).first_ts, (p.rollup).last_ts
			FROM pending AS p
			WHERE p.is_later AND NOT p.is_cut
			UNION ALL
			SELECT e.device_id, e.metric, e.hour, e.n, e.sum, e.m2, e.min, e.max, e.first, e.last, e.others, e.first_ts, e.last_ts
			FROM edge AS e
			WHERE e.is_inside AND (e.device_id, e.metric, e.hour) NOT IN (SELECT p.device_id, p.metric, p.hour FROM pending AS p WHERE NOT p.is_later)
			UNION ALL
			SELECT l.device_id, l.metric, l.hour, (l.rollup).n, (l.rollup).sum, (l.rollup).m2, (l.rollup).min, (l.rollup).max, (l.rollup).first, (l.rollup).last, (l.rollup).others, (l.rollup).first_ts, (l.rollup).last_ts
			FROM late AS l
			UNION ALL
			SELECT h.device_id, h.metric, h.hour, (h.rollup).n, (h.rollup).sum, (h.rollup).m2, (h.rollup).min, (h.rollup).max, (h.rollup).first, (h.rollup).last, (h.rollup).others, (h.rollup).first_ts, (h.rollup).last_ts
			FROM telemetry.stored_hour AS h
			WHERE scope.every_device AND h.metric = ANY (metrics) AND h.hour >= first_hour AND h.hour < first_day
				AND (h.device_id, h.metric, h.hour) NOT IN (SELECT l.device_id, l.metric, l.hour FROM late AS l)
			UNION ALL
			SELECT h.device_id, h.metric, h.hour, (h.rollup).n, (h.rollup).sum, (h.rollup).m2, (h.rollup).min, (h.rollup).max, (h.rollup).first, (h.rollup).last, (h.rollup).others, (h.rollup).first_ts, (h.rollup).last_ts
			FROM unnest(scope.devices, scope.metrics) AS s (device_id, metric)
			JOIN telemetry.stored_hour AS h ON h.device_id = s.device_id AND h.metric = s.metric
			WHERE NOT scope.every_device AND h.hour >= first_hour AND h.hour < first_day
				AND (h.device_id, h.metric, h.hour) NOT IN (SELECT l.device_id, l.metric, l.hour FROM late AS l)
			UNION ALL
			SELECT h.device_id, h.metric, h.hour, (h.rollup).n, (h.rollup).sum, (h.rollup).m2, (h.rollup).min, (h.rollup).max, (h.rollup).first, (h.rollup).last, (h.rollup).others, (h.rollup).first_ts, (h.rollup).last_ts
			FROM telemetry.stored_hour AS h
			WHERE scope.every_device AND h.metric = ANY (metrics) AND h.hour >= last_day AND h.hour < last_hour
				AND (h.device_id, h.metric, h.hour) NOT IN (SELECT l.device_id, l.metric, l.hour FROM late AS l)
			UNION ALL
			SELECT h.device_id, h.metric, h.hour, (h.rollup).n, (h.rollup).sum, (h.rollup).m2, (h.rollup).min, (h.rollup).max, (h.rollup).first, (h.rollup).last, (h.rollup).others, (h.rollup).first_ts, (h.rollup).last_ts
			FROM unnest(scope.devices, scope.metrics) AS s (device_id, metric)
			JOIN telemetry.stored_hour AS h ON h.device_id = s.device_id AND h.metric = s.metric
			WHERE NOT scope.every_device AND h.hour >= last_day AND h.hour < last_hour
				AND (h.device_id, h.metric, h.hour) NOT IN (SELECT l.device_id, l.metric, l.hour FROM late AS l)
			UNION ALL
			-- Days with hours that are made anew are made of their hours.
			SELECT h.device_id, h.metric, h.hour, (h.rollup).n, (h.rollup).sum, (h.rollup).m2, (h.rollup).min, (h.rollup).max, (h.rollup).first, (h.rollup).last, (h.rollup).others, (h.rollup).first_ts, (h.rollup).last_ts
			FROM (SELECT DISTINCT l.device_id, l.metric, l.day FROM late AS l WHERE l.hour >= first_day AND l.hour < last_day) AS d
			JOIN telemetry.stored_hour AS h ON h.device_id = d.device_id AND h.metric = d.metric AND h.day = d.day
				AND h.hour >= (d.day - 1)::timestamp AT TIME ZONE scope.zone AND h.hour < (d.day + 2)::timestamp AT TIME ZONE scope.zone
			WHERE first_day < last_day AND (h.device_id, h.metric, h.hour) NOT IN (SELECT l.device_id, l.metric, l.hour FROM late AS l)
			UNION ALL
			SELECT h.device_id, h.metric, (h.day + time '12:00') AT TIME ZONE scope.zone, (h.rollup).n, (h.rollup).sum, (h.rollup).m2, (h.rollup).min, (h.rollup).max, (h.rollup).first, (h.rollup).last, (h.rollup).others, (h.rollup).first_ts, (h.rollup).last_ts
			FROM telemetry.stored_day AS h
			WHERE scope.every_device AND h.metric = ANY (metrics) AND first_day < last_day AND h.day >= telemetry.day_of(first_day) AND h.day < telemetry.day_of(last_day)
				AND (h.device_id, h.metric, h.day) NOT IN (SELECT l.device_id, l.metric, l.day FROM late AS l)
			UNION ALL
			SELECT h.device_id, h.metric, (h.day + time '12:00') AT TIME ZONE scope.zone, (h.rollup).n, (h.rollup).sum, (h.rollup).m2, (h.rollup).min, (h.rollup).max, (h.rollup).first, (h.rollup).last, (h.rollup).others, (h.rollup).first_ts, (h.rollup).last_ts
			FROM unnest(scope.devices, scope.metrics) AS s (device_id, metric)
			JOIN telemetry.stored_day AS h ON h.device_id = s.device_id AND h.metric = s.metric
			WHERE NOT scope.every_device AND first_day < last_day AND h.day >= telemetry.day_of(first_day) AND h.day < telemetry.day_of(last_day)
				AND (h.device_id, h.metric, h.day) NOT IN (SELECT l.device_id, l.metric, l.day FROM late AS l)
			UNION ALL
			SELECT p.device_id, p.metric, first_cut, CASE WHEN p.num IS NULL THEN 0 ELSE 1 END, p.num, p.num - p.num, p.num, p.num, p.num, p.num, CASE WHEN p.num IS NULL THEN 1 ELSE 0 END, p.ts, p.ts
			FROM telemetry.point AS p
			WHERE EXISTS (SELECT FROM cut AS c WHERE c.hour = first_cut) AND p.ts >= start_time AND p.ts < first_hour
				AND p.device_id = ANY (ARRAY(SELECT DISTINCT c.device_id FROM cut AS c WHERE c.hour = first_cut)) AND p.metric = ANY (metrics)
				AND (p.device_id, p.metric) IN (SELECT c.device_id, c.metric FROM cut AS c WHERE c.hour = first_cut)
			UNION ALL
			SELECT p.device_id, p.metric, last_cut, CASE WHEN p.num IS NULL THEN 0 ELSE 1 END, p.num, p.num - p.num, p.num, p.num, p.num, p.num, CASE WHEN p.num IS NULL THEN 1 ELSE 0 END, p.ts, p.ts
			FROM telemetry.point AS p
			WHERE EXISTS (SELECT FROM cut AS c WHERE c.hour = last_cut) AND p.ts >= last_hour AND p.ts < end_time
				AND p.device_id = ANY (ARRAY(SELECT DISTINCT c.device_id FROM cut AS c WHERE c.hour = last_cut)) AND p.metric = ANY (metrics)
				AND (p.device_id, p.metric) IN (SELECT c.device_id, c.metric FROM cut AS c WHERE c.hour = last_cut)
		)
		SELECT (a.device_id, a.metric, a.ts, telemetry.rollup_number(a.rollup, aggregation), (a.rollup).n + (a.rollup).others)::telemetry.query_aggregate
		FROM (
			SELECT CASE WHEN NOT scope.group_devices THEN t.device_id END AS device_id, t.metric, telemetry.time_bucket(scope.bucket, t.ts, scope.zone) AS ts,
				telemetry.rollup_merge_fields(t.n, t.sum, t.m2, t.min, t.max, t.first, t.last, t.others, t.first_ts, t.last_ts, NULL,
					CASE WHEN wants_order THEN t.device_id END) AS rollup
			FROM part AS t
			GROUP BY 1, 2, 3
			ORDER BY 1, 2, 3
			LIMIT row_limit
		) AS a);
END
$$;
COMMENT ON FUNCTION telemetry.query_by_hour(telemetry.query_scope, text, integer) IS
	'Of telemetry.query(): the first buckets of some series, from rollups where hours, or days, lie in the range as a whole, or all that they are of, and from points elsewhere; not of quantiles. '
	'Of several devices as one, those with an earlier name come first where times are the same.';

CREATE FUNCTION telemetry.query_quantiles_by_hour(scope telemetry.query_scope, aggregation text, row_limit integer) RETURNS telemetry.query_aggregate[]
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
DECLARE
	metrics CONSTANT text[] := ARRAY(SELECT DISTINCT m.metric FROM unnest(scope.metrics) AS m (metric));
	last_device CONSTANT text := scope.devices[cardinality(scope.devices)];
	last_metric CONSTANT text := scope.metrics[cardinality(scope.metrics)];
	start_time CONSTANT timestamptz := scope.start_time;
	end_time CONSTANT timestamptz := scope.end_time;
	-- Hours from first_hour on, days from first_day on, hours from last_day on, and points before and after.
	last_hour CONSTANT timestamptz := greatest(telemetry.hour_of(end_time), start_time);
	first_hour CONSTANT timestamptz := least(telemetry.hour_from(start_time), last_hour);
	first_day timestamptz := last_hour;
	last_day timestamptz := last_hour;
BEGIN
	IF telemetry.is_of_days(scope.bucket) AND scope.zone = telemetry.day_timezone() THEN
		first_day := telemetry.time_bucket('1 day', first_hour, scope.zone);
		IF first_day < first_hour THEN
			-- The middle of the next day, which has 23 to 25 hours.
			first_day := telemetry.time_bucket('1 day', first_day + interval '36 hours', scope.zone);
		END IF;
		last_day := telemetry.time_bucket('1 day', last_hour, scope.zone);
		IF first_day >= last_day THEN
			first_day := last_hour;
			last_day := last_hour;
		END IF;
	END IF;
	RETURN ARRAY(
		WITH pending AS MATERIALIZED (
			SELECT l.device_id, l.metric, l.hour, l.day, l.rollup
			FROM telemetry.pending_hour AS l
			WHERE first_hour < last_hour AND l.hour >= first_hour AND l.hour < last_hour
				AND l.device_id = ANY (scope.devices) AND l.metric = ANY (metrics)
				AND (scope.group_devices OR ((l.device_id, l.metric) >= (scope.devices[1], scope.metrics[1]) AND (l.device_id, l.metric) <= (last_device, last_metric)))
		), part AS (
			SELECT p.device_id, p.metric, telemetry.time_bucket(scope.bucket, p.hour, scope.zone) AS ts,
				(p.rollup).n, (p.rollup).sum, (p.rollup).m2, (p.rollup).min, (p.rollup).max, (p.rollup).first, (p.rollup).last, (p.rollup).others, (p.rollup).first_ts, (p.rollup).last_ts,
				(p.rollup).sketch
			FROM pending AS p
			UNION ALL
			SELECT h.device_id, h.metric, telemetry.time_bucket(scope.bucket, h.hour, scope.zone),
				(h.rollup).n, (h.rollup).sum, (h.rollup).m2, (h.rollup).min, (h.rollup).max, (h.rollup).first, (h.rollup).last, (h.rollup).others, (h.rollup).first_ts, (h.rollup).last_ts,
				(h.rollup).sketch
			FROM unnest(scope.devices, scope.metrics) AS s (device_id, metric)
			JOIN telemetry.stored_hour AS h ON h.device_id = s.device_id AND h.metric = s.metric AND h.hour >= first_hour AND h.hour < first_day
			WHERE (h.device_id, h.metric, h.hour) NOT IN (SELECT p.device_id, p.metric, p.hour FROM pending AS p)
			UNION ALL
			SELECT h.device_id, h.metric, telemetry.time_bucket(scope.bucket, h.hour, scope.zone),
				(h.rollup).n, (h.rollup).sum, (h.rollup).m2, (h.rollup).min, (h.rollup).max, (h.rollup).first, (h.rollup).last, (h.rollup).others, (h.rollup).first_ts, (h.rollup).last_ts,
				(h.rollup).sketch
			FROM unnest(scope.devices, scope.metrics) AS s (device_id, metric)
			JOIN telemetry.stored_hour AS h ON h.device_id = s.device_id AND h.metric = s.metric AND h.hour >= last_day AND h.hour < last_hour
			WHERE last_day < last_hour AND (h.device_id, h.metric, h.hour) NOT IN (SELECT p.device_id, p.metric, p.hour FROM pending AS p)
			UNION ALL
			-- Days with pending points are made of their hours, of which those are among the above.
			SELECT h.device_id, h.metric, telemetry.time_bucket(scope.bucket, h.hour, scope.zone),
				(h.rollup).n, (h.rollup).sum, (h.rollup).m2, (h.rollup).min, (h.rollup).max, (h.rollup).first, (h.rollup).last, (h.rollup).others, (h.rollup).first_ts, (h.rollup).last_ts,
				(h.rollup).sketch
			FROM (SELECT DISTINCT p.device_id, p.metric, p.day FROM pending AS p WHERE p.hour >= first_day AND p.hour < last_day) AS d
			JOIN telemetry.stored_hour AS h ON h.device_id = d.device_id AND h.metric = d.metric AND h.day = d.day
				AND h.hour >= (d.day - 1)::timestamp AT TIME ZONE scope.zone AND h.hour < (d.day + 2)::timestamp AT TIME ZONE scope.zone
			WHERE first_day < last_day AND (h.device_id, h.metric, h.hour) NOT IN (SELECT p.device_id, p.metric, p.hour FROM pending AS p)
			UNION ALL
			SELECT h.device_id, h.metric, telemetry.time_bucket(scope.bucket, (h.day + time '12:00') AT TIME ZONE scope.zone, scope.zone),
				(h.rollup).n, (h.rollup).sum, (h.rollup).m2, (h.rollup).min, (h.rollup).max, (h.rollup).first, (h.rollup).last, (h.rollup).others, (h.rollup).first_ts, (h.rollup).last_ts,
				(h.rollup).sketch
			FROM unnest(scope.devices, scope.metrics) AS s (device_id, metric)
			JOIN telemetry.stored_day AS h ON h.device_id = s.device_id AND h.metric = s.metric
				AND h.day >= telemetry.day_of(first_day) AND h.day < telemetry.day_of(last_day)
			WHERE first_day < last_day AND (h.device_id, h.metric, h.day) NOT IN (SELECT p.device_id, p.metric, p.day FROM pending AS p)
			UNION ALL
			SELECT d.device_id, d.metric, d.ts,
				(d.rollup).n, (d.rollup).sum, (d.rollup).m2, (d.rollup).min, (d.rollup).max, (d.rollup).first, (d.rollup).last, (d.rollup).others, (d.rollup).first_ts, (d.rollup).last_ts,
				(d.rollup).sketch
			FROM (
				SELECT p.device_id, p.metric, telemetry.time_bucket(scope.bucket, p.ts, scope.zone) AS ts, telemetry.rollup(p.ts, p.value) AS rollup
				FROM telemetry.point AS p
				WHERE start_time < first_hour AND p.ts >= start_time AND p.ts < first_hour
					AND p.device_id = ANY (scope.devices) AND p.metric = ANY (metrics)
					AND (scope.group_devices OR ((p.device_id, p.metric) >= (scope.devices[1], scope.metrics[1]) AND (p.device_id, p.metric) <= (last_device, last_metric)))
				GROUP BY 1, 2, 3
				OFFSET 0
			) AS d
			UNION ALL
			SELECT d.device_id, d.metric, d.ts,
				(d.rollup).n, (d.rollup).sum, (d.rollup).m2, (d.rollup).min, (d.rollup).max, (d.rollup).first, (d.rollup).last, (d.rollup).others, (d.rollup).first_ts, (d.rollup).last_ts,
				(d.rollup).sketch
			FROM (
				SELECT p.device_id, p.metric, telemetry.time_bucket(scope.bucket, p.ts, scope.zone) AS ts, telemetry.rollup(p.ts, p.value) AS rollup
				FROM telemetry.point AS p
				WHERE last_hour < end_time AND p.ts >= last_hour AND p.ts < end_time
					AND p.device_id = ANY (scope.devices) AND p.metric = ANY (metrics)
					AND (scope.group_devices OR ((p.device_id, p.metric) >= (scope.devices[1], scope.metrics[1]) AND (p.device_id, p.metric) <= (last_device, last_metric)))
				GROUP BY 1, 2, 3
				OFFSET 0
			) AS d
		)
		SELECT (a.device_id, a.metric, a.ts, telemetry.rollup_number(a.rollup, aggregation), (a.rollup).n + (a.rollup).others)::telemetry.query_aggregate
		FROM (
			SELECT CASE WHEN NOT scope.group_devices THEN t.device_id END AS device_id, t.metric, t.ts,
				telemetry.rollup_merge_fields(t.n, t.sum, t.m2, t.min, t.max, t.first, t.last, t.others, t.first_ts, t.last_ts, t.sketch, NULL) AS rollup
			FROM part AS t
			GROUP BY 1, 2, 3
			ORDER BY 1, 2, 3
			LIMIT row_limit
		) AS a);
END
$$;
COMMENT ON FUNCTION telemetry.query_quantiles_by_hour(telemetry.query_scope, text, integer) IS
	'Of telemetry.query(): as telemetry.query_by_hour(), of quantiles, for which sketches are merged.';

-- By points -------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.query_by_point(scope telemetry.query_scope, aggregation text, filters jsonb, row_limit integer)
	RETURNS telemetry.query_aggregate[]
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
DECLARE
	metrics CONSTANT text[] := ARRAY(SELECT DISTINCT m.metric FROM unnest(scope.metrics) AS m (metric));
	last_device CONSTANT text := scope.devices[cardinality(scope.devices)];
	last_metric CONSTANT text := scope.metrics[cardinality(scope.metrics)];
BEGIN
	RETURN ARRAY(
		SELECT (a.device_id, a.metric, a.ts, telemetry.rollup_number(a.rollup, aggregation), (a.rollup).n + (a.rollup).others)::telemetry.query_aggregate
		FROM (
			SELECT CASE WHEN NOT scope.group_devices THEN t.device_id END AS device_id, t.metric, t.ts, telemetry.rollup_merge(t.rollup ORDER BY t.device_id) AS rollup
			FROM (
				SELECT p.device_id, p.metric, telemetry.time_bucket(scope.bucket, p.ts, scope.zone) AS ts, telemetry.rollup(p.ts, p.value) AS rollup
				FROM telemetry.point AS p
				WHERE p.ts >= scope.start_time AND p.ts < scope.end_time AND (filters IS NULL OR p.tags @> filters)
					AND p.device_id = ANY (scope.devices) AND p.metric = ANY (metrics)
					AND (scope.group_devices OR ((p.device_id, p.metric) >= (scope.devices[1], scope.metrics[1]) AND (p.device_id, p.metric) <= (last_device, last_metric)))
				GROUP BY 1, 2, 3
			) AS t
			GROUP BY 1, 2, 3
			ORDER BY 1, 2, 3
			LIMIT row_limit
		) AS a);
END
$$;
COMMENT ON FUNCTION telemetry.query_by_point(telemetry.query_scope, text, jsonb, integer) IS
	'Of telemetry.query(): the first buckets of some series, from points, those with the tags of filters if it is not null.';

CREATE FUNCTION telemetry.query_changes(scope telemetry.query_scope, aggregation text, filters jsonb)
	RETURNS telemetry.query_aggregate[]
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
DECLARE
	metrics CONSTANT text[] := ARRAY(SELECT DISTINCT m.metric FROM unnest(scope.metrics) AS m (metric));
	last_device CONSTANT text := scope.devices[cardinality(scope.devices)];
	last_metric CONSTANT text := scope.metrics[cardinality(scope.metrics)];
BEGIN
	-- Of each bucket its numbers and the one before them, whose increase belongs to the bucket. Sums are of what the aggregates of users say.
	RETURN ARRAY(
		SELECT (CASE WHEN NOT scope.group_devices THEN a.device_id END, a.metric, a.ts,
			CASE WHEN count(*) = 1 THEN max(CASE aggregation WHEN 'rate' THEN a.rate ELSE a.delta END)
				ELSE sum(a.delta) / CASE aggregation WHEN 'rate' THEN nullif(sum(a.seconds), 0) ELSE 1 END END, sum(a.n)::bigint)::telemetry.query_aggregate
		FROM (
			SELECT c.device_id, c.metric, c.bucket AS ts, CASE WHEN count(*) > 1 THEN telemetry.delta(v.ts, v.num) END AS delta, telemetry.rate(v.ts, v.num) AS rate,
				extract(epoch FROM max(v.ts) - min(v.ts))::float8 AS seconds, count(*) FILTER (WHERE v.is_of_bucket) AS n
			FROM (
				SELECT p.device_id, p.metric, p.ts, p.num, telemetry.time_bucket(scope.bucket, p.ts, scope.zone) AS bucket,
					lag(p.num) OVER series AS num_before, lag(p.ts) OVER series AS ts_before
				FROM telemetry.point AS p
				WHERE p.ts >= scope.start_time AND p.ts < scope.end_time AND p.num > '-infinity' AND p.num < 'infinity' AND (filters IS NULL OR p.tags @> filters)
					AND p.device_id = ANY (scope.devices) AND p.metric = ANY (metrics)
					AND (scope.group_devices OR ((p.device_id, p.metric) >= (scope.devices[1], scope.metrics[1]) AND (p.device_id, p.metric) <= (last_device, last_metric)))
				WINDOW series AS (PARTITION BY p.device_id, p.metric ORDER BY p.ts)
			) AS c
			CROSS JOIN LATERAL (
				SELECT c.ts, c.num, true
				UNION ALL
				SELECT c.ts_before, c.num_before, false WHERE c.ts_before < c.bucket
			) AS v (ts, num, is_of_bucket)
			GROUP BY c.device_id, c.metric, c.bucket
		) AS a
		GROUP BY CASE WHEN NOT scope.group_devices THEN a.device_id END, a.metric, a.ts
		ORDER BY CASE WHEN NOT scope.group_devices THEN a.device_id END, a.metric, a.ts);
END
$$;
COMMENT ON FUNCTION telemetry.query_changes(telemetry.query_scope, text, jsonb) IS
	'Of telemetry.query(): delta and rate of counters. Each number adds what it is more than the one before in the range to its bucket, all of it if it is less, '
	'since the counter began anew then; rate is that by the seconds between them. The first number of a series adds nothing. Numbers that are not finite are left out; n counts the others.';

-- Fill -----------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.fill_query(scope telemetry.query_scope, series telemetry.query_series[], found telemetry.query_aggregate[], fill text)
	RETURNS telemetry.query_aggregate[]
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT array_agg((r.device_id, r.metric, r.ts, CASE fill WHEN 'previous' THEN r.previous WHEN 'linear' THEN r.linear ELSE r.num END,
		coalesce(r.n, 0))::telemetry.query_aggregate ORDER BY r.device_id COLLATE "C", r.metric COLLATE "C", r.ts)
	FROM (
		SELECT s.device_id, s.metric, g.ts, f.num, f.n, telemetry.locf(f.num) OVER buckets AS previous, telemetry.interpolate(f.num, g.ts) OVER buckets AS linear
		FROM unnest(fill_query.series) AS s
		CROSS JOIN telemetry.gapfill((scope).bucket, (scope).start_time, (scope).end_time, (scope).zone) AS g (ts)
		LEFT JOIN unnest(fill_query.found) AS f
			ON f.device_id IS NOT DISTINCT FROM s.device_id AND f.metric = s.metric AND f.ts = g.ts
		WINDOW buckets AS (PARTITION BY s.device_id, s.metric ORDER BY g.ts)
	) AS r;
END;
COMMENT ON FUNCTION telemetry.fill_query(telemetry.query_scope, telemetry.query_series[], telemetry.query_aggregate[], text) IS
	'Of telemetry.query(): a row for each bucket of each series. What no number is known of becomes null, what the bucket before has (previous), or what lies on the line '
	'between the buckets before and after (linear); n tells that it was filled.';

REVOKE ALL ON FUNCTION telemetry.hour_from(timestamptz),
	telemetry.query_by_hour(telemetry.query_scope, text, integer), telemetry.query_quantiles_by_hour(telemetry.query_scope, text, integer), telemetry.query_by_point(telemetry.query_scope, text, jsonb, integer),
	telemetry.query_changes(telemetry.query_scope, text, jsonb),
	telemetry.fill_query(telemetry.query_scope, telemetry.query_series[], telemetry.query_aggregate[], text) FROM PUBLIC;
GRANT SELECT ON telemetry.stored_hour, telemetry.stored_day TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.hour_from(timestamptz),
	telemetry.query_by_hour(telemetry.query_scope, text, integer), telemetry.query_quantiles_by_hour(telemetry.query_scope, text, integer), telemetry.query_by_point(telemetry.query_scope, text, jsonb, integer),
	telemetry.query_changes(telemetry.query_scope, text, jsonb),
	telemetry.fill_query(telemetry.query_scope, telemetry.query_series[], telemetry.query_aggregate[], text) TO telemetry_reader;
