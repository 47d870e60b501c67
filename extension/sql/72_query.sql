-- Queries of points and of their aggregates (seed 004, Epic 3), in the order device, metric, time, page by page.
--
--	telemetry.query ─▶ check_query ─▶ query_series: which series, in order, and how many points each may have in the range
--	                                       │ some at a time, as many as fill the page
--	                                       ▼
--	           points as they are: telemetry.point in the order of time, as far as the page goes
--	           aggregates: query_by_hour and query_quantiles_by_hour (rollups, and points where the range cuts an hour), query_by_point, query_changes
--	                                       ▼
--	                                  fill, units, telemetry.query_row
--
-- An aggregate is that of telemetry.rollup, of all points of a bucket within the range. Hours and days that lie in a bucket and in the
-- range as a whole are taken from the live rollups, whose merge is the same; so both ways agree, sums to rounding.
--
-- All of it runs with the rights of whoever calls, who needs those of telemetry_reader.

CREATE TYPE telemetry.query_row AS (
	device_id text,
	metric text,
	ts timestamptz,
	value telemetry.value,
	num double precision,
	n bigint,
	unit text,
	tags jsonb
);
COMMENT ON TYPE telemetry.query_row IS 'A row of telemetry.query(): a point, or an aggregate of those of a bucket.';
COMMENT ON COLUMN telemetry.query_row.device_id IS 'The device; null: all that the query is of.';
COMMENT ON COLUMN telemetry.query_row.metric IS 'What was measured.';
COMMENT ON COLUMN telemetry.query_row.ts IS 'Time of the point, or start of the bucket.';
COMMENT ON COLUMN telemetry.query_row.value IS 'The value; null: there is none, as of a bucket without numbers.';
COMMENT ON COLUMN telemetry.query_row.num IS 'The value if it is a number, else null.';
COMMENT ON COLUMN telemetry.query_row.n IS 'Points that it is of, whatever their kind: 1 of a point, 0 of a bucket that was filled.';
COMMENT ON COLUMN telemetry.query_row.unit IS 'Unit of the value, if known.';
COMMENT ON COLUMN telemetry.query_row.tags IS 'Tags of the point; null of aggregates.';

-- Bounds -------------------------------------------------------------------------------------------------------------------

-- Functions here are of plpgsql where they are called once a query: a function of sql is planned anew each time, which takes 100 microseconds.

CREATE FUNCTION telemetry.day_timezone() RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (SELECT l.day_timezone FROM telemetry.layout AS l);
END
$$;
COMMENT ON FUNCTION telemetry.day_timezone() IS 'The time zone by whose hours and days rollups count.';

CREATE FUNCTION telemetry.query_bucket(metrics text[], start_time timestamptz, end_time timestamptz, bucket interval DEFAULT NULL) RETURNS interval
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
	seconds integer;
BEGIN
	IF bucket IS NOT NULL THEN
		RETURN bucket;
	END IF;
	seconds := (SELECT coalesce(max((telemetry.metric_definition_of(m.metric)).aggregation_interval), 60) FROM unnest(metrics) AS m (metric));
	RETURN greatest(ceil(extract(epoch FROM end_time - start_time) / (10000 * seconds)), 1) * seconds * interval '1 s';
END
$$;
COMMENT ON FUNCTION telemetry.query_bucket(text[], timestamptz, timestamptz, interval) IS
	'The width of the buckets that telemetry.query() takes: that which is given, else the aggregation_interval of the metric''s definition, of several metrics the longest, 60 seconds if it has none, or as many times of it as make '
	'10000 buckets of the range at most.';

CREATE FUNCTION telemetry.query_cursor(device_id text, metric text, ts timestamptz) RETURNS text
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT translate(encode(convert_to(json_build_array(device_id, metric, ts AT TIME ZONE 'UTC')::text, 'UTF8'), 'base64'), E'+/=\n', '-_');
END;
COMMENT ON FUNCTION telemetry.query_cursor(text, text, timestamptz) IS
	'Where a page of telemetry.query() ended: of its last row, for the argument cursor of the same query, which then goes on after it.';

CREATE FUNCTION telemetry.read_query_cursor(cursor text, OUT device_id text, OUT metric text, OUT ts timestamptz) RETURNS record
	LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	parts jsonb;
BEGIN
	IF length(cursor) > 1000 OR cursor !~ '^[A-Za-z0-9_-]+$' THEN
		RAISE data_exception;
	END IF;
	parts := convert_from(decode(rpad(translate(cursor, '-_', '+/'), (length(cursor) + 3) / 4 * 4, '='), 'base64'), 'UTF8');
	device_id := parts ->> 0;
	metric := parts ->> 1;
	ts := (parts ->> 2)::timestamp AT TIME ZONE 'UTC';
	IF telemetry.query_cursor(device_id, metric, ts) IS DISTINCT FROM cursor OR metric IS NULL THEN
		RAISE data_exception;
	END IF;
EXCEPTION WHEN data_exception THEN
	RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'cursor is not one of telemetry.query_cursor()';
END
$$;
COMMENT ON FUNCTION telemetry.read_query_cursor(text) IS
	'Device, metric and time of a cursor of telemetry.query_cursor(). Error: invalid_parameter_value if it is none.';

CREATE FUNCTION telemetry.check_query(metrics text[], start_time timestamptz, end_time timestamptz, devices text[], aggregation text, bucket interval,
		filters jsonb, fill text, zone text, group_devices boolean) RETURNS void
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wrong text;
BEGIN
	wrong := CASE
		WHEN cardinality(metrics) BETWEEN 1 AND 100 IS NOT TRUE OR array_ndims(metrics) <> 1 OR array_position(metrics, NULL) IS NOT NULL
			THEN 'metrics must be an array of 1 to 100 names'
		WHEN EXISTS (SELECT FROM unnest(metrics) AS m (name) WHERE octet_length(m.name) NOT BETWEEN 1 AND 128)
			THEN 'metrics must have names of 1 to 128 bytes'
		WHEN cardinality(devices) > 10000 OR array_ndims(devices) <> 1 OR array_position(devices, NULL) IS NOT NULL
			THEN 'devices must be an array of up to 10000 names'
		WHEN isfinite(start_time) IS NOT TRUE THEN 'start_time must be a finite time'
		WHEN isfinite(end_time) IS NOT TRUE THEN 'end_time must be a finite time'
		WHEN start_time >= end_time THEN 'start_time must be before end_time'
		WHEN aggregation <> ALL ('{avg,min,max,sum,count,median,p95,p99,first,last,stddev,rate,delta}'::text[])
			THEN 'aggregation must be one of avg, min, max, sum, count, median, p95, p99, first, last, stddev, rate, delta'
		WHEN aggregation IS NULL AND bucket IS NOT NULL THEN 'bucket needs an aggregation'
		WHEN aggregation IS NULL AND group_devices THEN 'group_devices needs an aggregation'
		WHEN group_devices IS NULL THEN 'group_devices must be true or false'
		WHEN (fill IN ('none', 'null', 'previous', 'linear')) IS NOT TRUE THEN 'fill must be one of none, null, previous, linear'
		WHEN aggregation IS NULL AND fill <> 'none' THEN 'fill needs an aggregation'
		WHEN jsonb_typeof(filters) <> 'object' THEN 'filters must be a JSON object'
		WHEN pg_column_size(filters) > 10000 THEN 'filters must be of up to 10000 bytes'
		WHEN octet_length(zone) > 100 THEN 'zone must be a time zone, whose name has up to 100 bytes'
		WHEN zone IS NULL OR NOT (zone = 'UTC' OR telemetry.zone_has_whole_hours(zone) IS NOT NULL) THEN 'zone must be a time zone'
		-- Raises if the width is none.
		WHEN bucket IS NOT NULL AND telemetry.time_bucket(bucket, start_time) IS NULL THEN 'bucket must be a width'
		WHEN extract(epoch FROM end_time - start_time) / extract(epoch FROM bucket) > 10000
			THEN format('bucket must be longer: there are %s buckets of %s seconds between start_time and end_time, more than 10000',
				ceil(extract(epoch FROM end_time - start_time) / extract(epoch FROM bucket)), trim_scale(extract(epoch FROM bucket)))
		-- Those that a clock makes more of than the width tells, where it is changed, are few. In the list, so that no more than these are made.
		WHEN fill <> 'none' AND bucket IS NOT NULL
			AND (SELECT count(*) FROM (SELECT telemetry.gapfill(bucket, start_time, end_time, zone) LIMIT 10101) AS g) > 10100
			THEN 'bucket must be longer: there are more than 10000 buckets between start_time and end_time'
	END;
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = wrong;
	END IF;
END
$$;
COMMENT ON FUNCTION telemetry.check_query(text[], timestamptz, timestamptz, text[], text, interval, jsonb, text, text, boolean) IS
	'Of telemetry.query(): raises invalid_parameter_value at the first argument that is not as it must be.';

-- Series -------------------------------------------------------------------------------------------------------------------

CREATE TYPE telemetry.query_series AS (
	device_id text,
	metric text,
	expected double precision
);
COMMENT ON TYPE telemetry.query_series IS 'A series that telemetry.query() may find points of.';
COMMENT ON COLUMN telemetry.query_series.device_id IS 'The device.';
COMMENT ON COLUMN telemetry.query_series.metric IS 'What was measured.';
COMMENT ON COLUMN telemetry.query_series.expected IS 'About how many points it has in the range, if they come evenly.';

CREATE FUNCTION telemetry.list_query_series(metrics text[], start_time timestamptz, end_time timestamptz, devices text[], named boolean,
		after_device text, after_metric text) RETURNS telemetry.query_series[]
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	series_max CONSTANT integer := 10000;
	-- What is not rolled up yet is some seconds' worth.
	pending CONSTANT float8 := 100;
	found telemetry.query_series[];
BEGIN
	IF cardinality(devices) = 1 AND cardinality(metrics) = 1 THEN
		RETURN ARRAY[(devices[1], metrics[1], 1e9)::telemetry.query_series];
	END IF;
	IF devices IS NULL THEN
		found := ARRAY(
			SELECT (c.device_id, c.metric, sum(c.expected))::telemetry.query_series
			FROM (
				SELECT s.device_id, s.metric,
					1 + s.n * extract(epoch FROM least(end_time, s.last_ts) - greatest(start_time, s.first_ts))::float8
						/ greatest(extract(epoch FROM s.last_ts - s.first_ts)::float8, 1) AS expected
				FROM telemetry.series AS s
				WHERE s.metric = ANY (metrics) AND s.last_ts >= start_time AND s.first_ts < end_time
					AND (after_device IS NULL OR (s.device_id, s.metric) >= (after_device, after_metric))
				UNION ALL
				SELECT p.device_id, p.metric, pending
				FROM telemetry.pending_latest AS p
				WHERE p.metric = ANY (metrics) AND p.ts >= start_time
					AND (after_device IS NULL OR (p.device_id, p.metric) >= (after_device, after_metric))
			) AS c
			GROUP BY c.device_id, c.metric
			ORDER BY c.device_id, c.metric
			LIMIT series_max + 1);
	ELSE
		found := ARRAY(
			SELECT (c.device_id, c.metric, sum(c.expected))::telemetry.query_series
			FROM (
				SELECT s.device_id, s.metric,
					1 + s.n * extract(epoch FROM least(end_time, s.last_ts) - greatest(start_time, s.first_ts))::float8
						/ greatest(extract(epoch FROM s.last_ts - s.first_ts)::float8, 1) AS expected
				FROM telemetry.series AS s
				WHERE s.device_id = ANY (devices) AND s.metric = ANY (metrics) AND s.last_ts >= start_time AND s.first_ts < end_time
					AND (after_device IS NULL OR (s.device_id, s.metric) >= (after_device, after_metric))
				UNION ALL
				SELECT p.device_id, p.metric, pending
				FROM telemetry.pending_latest AS p
				WHERE p.device_id = ANY (devices) AND p.metric = ANY (metrics) AND p.ts >= start_time
					AND (after_device IS NULL OR (p.device_id, p.metric) >= (after_device, after_metric))
				UNION ALL
				SELECT d.device_id COLLATE "C", m.metric COLLATE "C", 0
				FROM unnest(devices) AS d (device_id), unnest(metrics) AS m (metric)
				WHERE named AND (after_device IS NULL OR (d.device_id COLLATE "C", m.metric COLLATE "C") >= (after_device, after_metric))
			) AS c
			GROUP BY c.device_id, c.metric
			ORDER BY c.device_id, c.metric
			LIMIT series_max + 1);
	END IF;
	IF cardinality(found) > series_max THEN
		RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded',
			MESSAGE = format('the query is of more than %s series', series_max),
			HINT = 'Name devices, or fewer of them, or fewer metrics.';
	END IF;
	RETURN found;
END
$$;
COMMENT ON FUNCTION telemetry.list_query_series(text[], timestamptz, timestamptz, text[], boolean, text, text) IS
	'Of telemetry.query(): the series that may have points in the range, from a device''s metric on; with named, all of the devices that are named. '
	'Error: program_limit_exceeded if they are more than 10000.';

CREATE FUNCTION telemetry.is_of_days(width interval) RETURNS boolean
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN extract(year FROM width) * 12 + extract(month FROM width) > 0 OR extract(epoch FROM width) % 86400 = 0;
END
$$;
COMMENT ON FUNCTION telemetry.is_of_days(interval) IS 'Whether a width of telemetry.time_bucket() is of whole days, or months.';

CREATE FUNCTION telemetry.is_of_hours(width interval, zone text) RETURNS boolean
	LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	day_zone text;
BEGIN
	IF NOT (telemetry.is_of_days(width) OR extract(epoch FROM width) % 3600 = 0) THEN
		RETURN false;
	END IF;
	day_zone := telemetry.day_timezone();
	RETURN (zone = day_zone AND telemetry.zone_changes_by_hours(zone)) OR (telemetry.zone_has_whole_hours(zone) AND telemetry.zone_has_whole_hours(day_zone));
END
$$;
COMMENT ON FUNCTION telemetry.is_of_hours(interval, text) IS
	'Whether buckets of a width, by the clock of a zone, are made of hours of rollups, which are each one piece of time, since 1970.';

-- Queries --------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.aggregate_unit(aggregation text, unit text) RETURNS text
	LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE aggregation WHEN 'count' THEN NULL WHEN 'rate' THEN unit || '/s' ELSE unit END;
END;
COMMENT ON FUNCTION telemetry.aggregate_unit(text, text) IS 'The unit of an aggregate of telemetry.query(), by that of its points: by the second for rate, none for count.';

CREATE FUNCTION telemetry.query_unit(aggregation text, device text, metric text, start_time timestamptz, end_time timestamptz) RETURNS text
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
	unit text := (telemetry.metric_definition_of(metric)).unit;
BEGIN
	IF aggregation = 'count' THEN
		RETURN NULL;
	END IF;
	IF unit IS NOT NULL THEN
		RETURN telemetry.aggregate_unit(aggregation, unit);
	END IF;
	SELECT p.unit INTO unit
	FROM telemetry.point AS p
	WHERE p.device_id = device AND p.metric = query_unit.metric AND p.ts >= start_time AND p.ts < end_time
	ORDER BY p.ts DESC
	LIMIT 1;
	RETURN telemetry.aggregate_unit(aggregation, unit);
END
$$;
COMMENT ON FUNCTION telemetry.query_unit(text, text, text, timestamptz, timestamptz) IS
	'Of telemetry.query(): the unit of an aggregate: that of the metric''s definition, else of the series'' newest point in the range; by the second for rate, none for count.';

CREATE FUNCTION telemetry.query_rows(metrics text[], start_time timestamptz, end_time timestamptz, devices text[], aggregation text, bucket interval,
		filters jsonb, fill text, zone text, row_limit integer, cursor text, group_devices boolean) RETURNS SETOF telemetry.query_row
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
DECLARE
	-- About as many points, or as many series, are looked at in a step.
	step_points CONSTANT float8 := 200000;
	step_series CONSTANT integer := 1000;
	width interval;
	by_hour boolean;
	is_quantile CONSTANT boolean := aggregation IN ('median', 'p95', 'p99');
	-- Whether a page begins where the one before ended, rather than being made as a whole.
	goes_on CONSTANT boolean := fill = 'none' AND aggregation IS DISTINCT FROM 'rate' AND aggregation IS DISTINCT FROM 'delta';
	after record;
	series telemetry.query_series[];
	chunk telemetry.query_series[];
	scope telemetry.query_scope;
	found telemetry.query_aggregate[];
	done integer := 0;
	left_over integer := row_limit;
	expected float8;
	most float8;
	is_rest boolean;
	unit text;
	got bigint;
BEGIN
	PERFORM telemetry.check_query(metrics, start_time, end_time, devices, aggregation, bucket, filters, fill, zone, group_devices);
	width := CASE WHEN aggregation IS NOT NULL THEN telemetry.query_bucket(metrics, start_time, end_time, bucket) END;
	-- What asks for nothing lets all through, points without tags, too.
	filters := nullif(filters, '{}');
	by_hour := aggregation NOT IN ('rate', 'delta') AND filters IS NULL AND start_time >= '1970-01-02' AND telemetry.is_of_hours(width, zone);
	SELECT c.device_id, c.metric, c.ts INTO after FROM telemetry.read_query_cursor(cursor) AS c;
	scope.bucket := width;
	scope.zone := zone;
	scope.group_devices := group_devices;
	scope.every_device := group_devices AND devices IS NULL;

	IF group_devices THEN
		series := telemetry.list_query_series(metrics, start_time, end_time, devices, false, NULL, NULL);
		scope.devices := ARRAY(SELECT s.device_id FROM unnest(series) AS s);
		scope.metrics := ARRAY(SELECT s.metric FROM unnest(series) AS s);
		scope.start_time := start_time;
		scope.end_time := end_time;
		found := CASE
			WHEN aggregation IN ('rate', 'delta') THEN telemetry.query_changes(scope, aggregation, filters)
			WHEN by_hour AND is_quantile THEN telemetry.query_quantiles_by_hour(scope, aggregation, NULL)
			WHEN by_hour THEN telemetry.query_by_hour(scope, aggregation, NULL)
			ELSE telemetry.query_by_point(scope, aggregation, filters, NULL) END;
		IF fill <> 'none' THEN
			found := telemetry.fill_query(scope, ARRAY(SELECT (NULL, m.metric, 0)::telemetry.query_series FROM unnest(metrics) AS m (metric) GROUP BY m.metric),
				found, fill);
		END IF;
		RETURN QUERY
		WITH unit AS MATERIALIZED (
			SELECT s.metric, telemetry.query_unit(aggregation, s.device_id, s.metric, start_time, end_time) AS unit
			FROM (SELECT DISTINCT ON (s.metric) s.device_id, s.metric FROM unnest(series) WITH ORDINALITY AS s (device_id, metric, expected, n) ORDER BY s.metric, s.n) AS s
		)
		SELECT NULL::text, f.metric, f.ts, f.num::telemetry.value, f.num, f.n, u.unit, NULL::jsonb
		FROM unnest(found) AS f
		LEFT JOIN unit AS u ON u.metric = f.metric
		WHERE after.metric IS NULL OR (f.metric COLLATE "C", f.ts) > (after.metric, after.ts)
		ORDER BY f.metric COLLATE "C", f.ts
		LIMIT row_limit;
		RETURN;
	END IF;

	series := telemetry.list_query_series(metrics, start_time, end_time, devices, fill <> 'none' AND devices IS NOT NULL, after.device_id, after.metric);
	WHILE done < cardinality(series) AND left_over > 0 LOOP
		-- The series of the next step: that in which the page before ended is one of its own.
		scope.start_time := start_time;
		scope.end_time := end_time;
		is_rest := goes_on AND done = 0 AND series[1].device_id = after.device_id AND series[1].metric = after.metric;
		IF is_rest IS TRUE THEN
			chunk := series[1:1];
			scope.start_time := greatest(start_time, after.ts);
		ELSE
			most := CASE
				WHEN aggregation IS NULL THEN least(2 * left_over, step_points)
				WHEN by_hour THEN step_points / 10
				ELSE step_points END;
			expected := 0;
			chunk := '{}';
			WHILE done + cardinality(chunk) < cardinality(series) AND cardinality(chunk) < step_series LOOP
				expected := expected + CASE
					WHEN by_hour THEN least(series[done + cardinality(chunk) + 1].expected, extract(epoch FROM end_time - start_time)::float8 / 3600)
					ELSE series[done + cardinality(chunk) + 1].expected END;
				EXIT WHEN cardinality(chunk) > 0
					AND (expected > most OR (NOT goes_on AND cardinality(chunk) * extract(epoch FROM end_time - start_time) / extract(epoch FROM width) > left_over));
				chunk := chunk || series[done + cardinality(chunk) + 1];
			END LOOP;
		END IF;
		done := done + cardinality(chunk);
		scope.devices := ARRAY(SELECT c.device_id FROM unnest(chunk) AS c);
		scope.metrics := ARRAY(SELECT c.metric FROM unnest(chunk) AS c);

		IF aggregation IS NULL AND cardinality(chunk) = 1 THEN
			RETURN QUERY
			SELECT p.device_id::text, p.metric::text, p.ts, p.value, p.num, 1::bigint, p.unit, p.tags
			FROM telemetry.point AS p
			WHERE p.device_id = scope.devices[1] AND p.metric = scope.metrics[1] AND p.ts >= scope.start_time AND p.ts < scope.end_time
				AND (is_rest IS NOT TRUE OR p.ts > after.ts)
				AND (filters IS NULL OR p.tags @> filters)
			ORDER BY p.ts
			LIMIT left_over;
		ELSIF aggregation IS NULL THEN
			RETURN QUERY
			SELECT p.device_id::text, p.metric::text, p.ts, p.value, p.num, 1::bigint, p.unit, p.tags
			FROM telemetry.point AS p
			WHERE p.device_id = ANY (scope.devices) AND p.metric = ANY (scope.metrics) AND p.ts >= scope.start_time AND p.ts < scope.end_time
				AND (p.device_id, p.metric) >= (scope.devices[1], scope.metrics[1])
				AND (p.device_id, p.metric) <= (scope.devices[cardinality(chunk)], scope.metrics[cardinality(chunk)])
				AND (filters IS NULL OR p.tags @> filters)
			ORDER BY p.device_id, p.metric, p.ts
			LIMIT left_over;
		ELSE
			found := CASE
				WHEN NOT goes_on AND aggregation IN ('rate', 'delta') THEN telemetry.query_changes(scope, aggregation, filters)
				WHEN by_hour AND is_quantile THEN telemetry.query_quantiles_by_hour(scope, aggregation, CASE WHEN goes_on THEN left_over + 1 END)
				WHEN by_hour THEN telemetry.query_by_hour(scope, aggregation, CASE WHEN goes_on THEN left_over + 1 END)
				ELSE telemetry.query_by_point(scope, aggregation, filters, CASE WHEN goes_on THEN left_over + 1 END) END;
			IF fill <> 'none' THEN
				found := telemetry.fill_query(scope, ARRAY(
					SELECT c
					FROM unnest(chunk) AS c
					WHERE devices IS NOT NULL OR EXISTS (SELECT FROM unnest(found) AS g WHERE g.device_id = c.device_id AND g.metric = c.metric)),
					found, fill);
			END IF;
			IF cardinality(chunk) = 1 THEN
				unit := telemetry.query_unit(aggregation, chunk[1].device_id, chunk[1].metric, start_time, end_time);
				RETURN QUERY
				SELECT f.device_id, f.metric, f.ts, f.num::telemetry.value, f.num, f.n, unit, NULL::jsonb
				FROM unnest(found) AS f
				WHERE after.metric IS NULL OR (f.device_id COLLATE "C", f.metric COLLATE "C", f.ts) > (after.device_id, after.metric, after.ts)
				ORDER BY f.ts
				LIMIT left_over;
			ELSE
				RETURN QUERY
				-- Units of many series are mostly found by one look at their last hour.
				WITH defined AS MATERIALIZED (
					SELECT m.metric, (telemetry.metric_definition_of(m.metric)).unit FROM unnest(metrics) AS m (metric) GROUP BY m.metric
				), recent AS MATERIALIZED (
					SELECT DISTINCT ON (p.device_id, p.metric) p.device_id, p.metric, p.unit
					FROM telemetry.point AS p
					WHERE aggregation <> 'count' AND (SELECT bool_or(d.unit IS NULL) FROM defined AS d)
						AND p.device_id = ANY (scope.devices) AND p.metric = ANY (metrics)
						AND p.ts >= greatest(start_time, least(end_time - least(end_time - start_time, interval '1 hour'), (
							SELECT max(s.last_ts) - interval '1 hour' FROM telemetry.series AS s WHERE s.device_id = ANY (scope.devices) AND s.metric = ANY (metrics))))
						AND p.ts < end_time
					ORDER BY p.device_id, p.metric, p.ts DESC
				), unit AS MATERIALIZED (
					SELECT c.device_id, c.metric, CASE
						WHEN d.unit IS NULL AND r.device_id IS NULL THEN telemetry.query_unit(aggregation, c.device_id, c.metric, start_time, end_time)
						ELSE telemetry.aggregate_unit(aggregation, coalesce(d.unit, r.unit)) END AS unit
					FROM (SELECT g.device_id, g.metric FROM unnest(found) AS g GROUP BY g.device_id, g.metric) AS c
					JOIN defined AS d ON d.metric = c.metric
					LEFT JOIN recent AS r ON r.device_id = c.device_id AND r.metric = c.metric
				)
				SELECT f.device_id, f.metric, f.ts, f.num::telemetry.value, f.num, f.n, u.unit, NULL::jsonb
				FROM (
					SELECT g.*
					FROM unnest(found) AS g
					WHERE after.metric IS NULL OR (g.device_id COLLATE "C", g.metric COLLATE "C", g.ts) > (after.device_id, after.metric, after.ts)
					ORDER BY g.device_id COLLATE "C", g.metric COLLATE "C", g.ts
					LIMIT left_over
				) AS f
				JOIN unit AS u ON u.device_id = f.device_id AND u.metric = f.metric
				ORDER BY f.device_id COLLATE "C", f.metric COLLATE "C", f.ts;
			END IF;
		END IF;
		GET DIAGNOSTICS got = ROW_COUNT;
		left_over := left_over - got::integer;
	END LOOP;
END
$$;
COMMENT ON FUNCTION telemetry.query_rows(text[], timestamptz, timestamptz, text[], text, interval, jsonb, text, text, integer, text, boolean) IS
	'What telemetry.query() returns, of any number of rows: for who asks for one more than a page, to see whether there are more.';

CREATE FUNCTION telemetry.query(metrics text[], start_time timestamptz, end_time timestamptz, devices text[] DEFAULT NULL, aggregation text DEFAULT NULL,
		bucket interval DEFAULT NULL, filters jsonb DEFAULT NULL, fill text DEFAULT 'none', zone text DEFAULT 'UTC', max_rows integer DEFAULT 1000,
		cursor text DEFAULT NULL, group_devices boolean DEFAULT false) RETURNS SETOF telemetry.query_row
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF max_rows BETWEEN 1 AND 10000 IS NOT TRUE THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'max_rows must be an integer from 1 to 10000';
	END IF;
	RETURN QUERY SELECT q.*
	FROM telemetry.query_rows(metrics, start_time, end_time, devices, aggregation, bucket, filters, fill, zone, max_rows, cursor, group_devices) AS q;
END
$$;
COMMENT ON FUNCTION telemetry.query(text[], timestamptz, timestamptz, text[], text, interval, jsonb, text, text, integer, text, boolean) IS
	'Points of metrics with start_time <= ts < end_time, of some devices or all (null), in the order device, metric, ts; or their aggregates avg, min, max, sum, '
	'count, median, p95, p99, first, last, stddev, rate or delta in each bucket of telemetry.time_bucket(bucket, ts, zone). max_rows at most, 1 to 10000; the next '
	'page begins after cursor, which telemetry.query_cursor() makes of the last row''s device_id, metric and ts. filters: only points with these tags. fill: rows for '
	'buckets without numbers, null, previous or linear, of every series that is named or has any. group_devices: all devices as one series. Aggregates are of numbers, but '
	'count and n are of all points; median, p95 and p99 are to 1 %. Without a bucket: telemetry.query_bucket(). Hours are taken from rollups, which '
	'may outlive their points. Errors: invalid_parameter_value, program_limit_exceeded if there are more than 10000 series, or buckets in the range.';

REVOKE ALL ON FUNCTION telemetry.query_bucket(text[], timestamptz, timestamptz, interval),
	telemetry.check_query(text[], timestamptz, timestamptz, text[], text, interval, jsonb, text, text, boolean),
	telemetry.list_query_series(text[], timestamptz, timestamptz, text[], boolean, text, text), telemetry.is_of_hours(interval, text),
	telemetry.query_unit(text, text, text, timestamptz, timestamptz),
	telemetry.query_rows(text[], timestamptz, timestamptz, text[], text, interval, jsonb, text, text, integer, text, boolean),
	telemetry.query(text[], timestamptz, timestamptz, text[], text, interval, jsonb, text, text, integer, text, boolean), telemetry.day_timezone() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry.query_bucket(text[], timestamptz, timestamptz, interval),
	telemetry.check_query(text[], timestamptz, timestamptz, text[], text, interval, jsonb, text, text, boolean),
	telemetry.list_query_series(text[], timestamptz, timestamptz, text[], boolean, text, text), telemetry.is_of_hours(interval, text),
	telemetry.query_unit(text, text, text, timestamptz, timestamptz),
	telemetry.query_rows(text[], timestamptz, timestamptz, text[], text, interval, jsonb, text, text, integer, text, boolean),
	telemetry.query(text[], timestamptz, timestamptz, text[], text, interval, jsonb, text, text, integer, text, boolean), telemetry.day_timezone() TO telemetry_reader;
