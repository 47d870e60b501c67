-- Statistics of devices and of all there is (seed 004, Epic 6).

-- Devices --------------------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.metric_type(metric text) RETURNS text
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN coalesce((telemetry.metric_definition_of(metric)).metric_type, 'gauge');
END
$$;
COMMENT ON FUNCTION telemetry.metric_type(text) IS 'What a metric''s numbers mean, by its definition: gauge, counter or histogram; gauge if it has none.';

-- Pending points only add to what is rolled up, unless they fall into hours that have later ones: of these the points are counted.
CREATE FUNCTION telemetry.device_metric_statistics(device_id text)
	RETURNS TABLE (metric text, points bigint, first_ts timestamptz, last_ts timestamptz, last_24h_points bigint)
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
BEGIN
	RETURN QUERY
	WITH since AS MATERIALIZED (
		SELECT now() - interval '24 hours' AS ts, telemetry.hour_of(now() - interval '24 hours') AS hour
	), pending AS MATERIALIZED (
		SELECT p.metric, telemetry.hour_of(p.ts) AS hour, count(*) AS n, min(p.ts) AS first_ts, max(p.ts) AS last_ts
		FROM telemetry.pending_point AS p
		WHERE p.device_id = device_metric_statistics.device_id
		GROUP BY 1, 2
	), added AS MATERIALIZED (
		SELECT p.metric, min(p.first_ts) AS first_ts, max(p.last_ts) AS last_ts, sum(c.n)::bigint AS n,
			(sum(c.n) FILTER (WHERE p.hour > (SELECT s.hour FROM since AS s)))::bigint AS last_24h
		FROM pending AS p
		LEFT JOIN telemetry.metric_hourly AS h
			ON h.device_id = device_metric_statistics.device_id AND h.metric = p.metric AND h.hour = p.hour
		CROSS JOIN LATERAL (
			SELECT CASE WHEN h.hour IS NULL OR h.last_ts < p.first_ts THEN p.n
				ELSE greatest((
					SELECT count(*) FROM telemetry.point AS r
					WHERE r.device_id = device_metric_statistics.device_id AND r.metric = p.metric
						AND r.ts >= p.hour AND r.ts < p.hour + interval '2 hours' AND telemetry.hour_of(r.ts) = p.hour) - h.n - h.others, 0) END AS n
		) AS c
		GROUP BY p.metric
	), edge AS MATERIALIZED (
		SELECT p.metric, count(*) AS n
		FROM telemetry.point AS p
		WHERE p.device_id = device_metric_statistics.device_id AND p.ts >= (SELECT s.ts FROM since AS s)
			AND p.ts < (SELECT s.hour FROM since AS s) + interval '2 hours' AND telemetry.hour_of(p.ts) = (SELECT s.hour FROM since AS s)
		GROUP BY p.metric
	)
	SELECT m.metric, m.n, m.first_ts, m.last_ts, m.last_24h + coalesce(e.n, 0) + coalesce((
			SELECT sum(h.n + h.others)::bigint
			FROM telemetry.metric_hourly AS h
			WHERE h.device_id = device_metric_statistics.device_id AND h.metric = m.metric AND h.hour > (SELECT s.hour FROM since AS s)), 0)
	FROM (
		SELECT coalesce(s.metric, a.metric) AS metric, coalesce(s.n, 0) + coalesce(a.n, 0) AS n, least(s.first_ts, a.first_ts) AS first_ts,
			greatest(s.last_ts, a.last_ts) AS last_ts, coalesce(a.last_24h, 0) AS last_24h
		FROM (SELECT t.* FROM telemetry.series AS t WHERE t.device_id = device_metric_statistics.device_id) AS s
		FULL JOIN added AS a ON a.metric = s.metric
	) AS m
	LEFT JOIN edge AS e ON e.metric = m.metric
	WHERE m.n > 0;
END
$$;
COMMENT ON FUNCTION telemetry.device_metric_statistics(text) IS
	'The metrics of a device: how many points there are, the timestamps of the first and last, and how many there are of the last 24 hours. Exact, but that what retention drops '
	'counts as long as its rollups are there. From rollups, and what is not rolled up yet.';

CREATE FUNCTION telemetry.bytes_per_point(device_id text) RETURNS float8
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
BEGIN
	RETURN (SELECT coalesce(sum(octet_length(b.data))::float8 / nullif(sum(b.n), 0), 0)
	FROM (
		SELECT o.data, o.n
		FROM telemetry.block AS o
		WHERE o.max_ts >= coalesce((SELECT max(s.last_ts) FROM telemetry.series AS s WHERE s.device_id = bytes_per_point.device_id), '-infinity')
		ORDER BY o.max_ts
		LIMIT 128
	) AS b);
END
$$;
COMMENT ON FUNCTION telemetry.bytes_per_point(text) IS
	'About how many bytes a point of a device takes: the mean of up to 128 blocks, of any devices, that end at its last point or soon after.';

CREATE FUNCTION telemetry.device_statistics(device_id text, OUT total_metrics bigint, OUT active_metrics bigint, OUT data_points_count bigint,
		OUT last_update timestamptz, OUT storage_size bigint, OUT avg_frequency float8, OUT last_24h_points bigint, OUT last_24h_alerts bigint,
		OUT metrics_by_type jsonb, OUT top_metrics jsonb)
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
BEGIN
	WITH metric AS MATERIALIZED (
		SELECT m.*, telemetry.metric_type(m.metric) AS type FROM telemetry.device_metric_statistics(device_statistics.device_id) AS m
	)
	SELECT t.total, t.active, t.n, t.last_ts, round(t.n * telemetry.bytes_per_point(device_statistics.device_id))::bigint,
		coalesce(round(((t.n - 1) * 60 / nullif(extract(epoch FROM t.last_ts - t.first_ts), 0))::numeric, 6), 0)::float8, t.last_24h,
		(SELECT count(*) FROM telemetry.alert AS a WHERE a.device_id = device_statistics.device_id AND a.triggered_at >= now() - interval '24 hours'),
		'{"gauge": 0, "counter": 0, "histogram": 0}'::jsonb
			|| coalesce((SELECT jsonb_object_agg(y.type, y.n) FROM (SELECT m.type, count(*) AS n FROM metric AS m GROUP BY m.type) AS y), '{}'),
		coalesce((SELECT jsonb_agg(jsonb_build_object('name', y.metric, 'points', y.points) ORDER BY y.points DESC, y.metric)
			FROM (SELECT m.metric, m.points FROM metric AS m ORDER BY m.points DESC, m.metric LIMIT 10) AS y), '[]')
	INTO total_metrics, active_metrics, data_points_count, last_update, storage_size, avg_frequency, last_24h_points, last_24h_alerts, metrics_by_type, top_metrics
	FROM (
		SELECT count(*) AS total, count(*) FILTER (WHERE m.last_ts >= now() - interval '24 hours') AS active, coalesce(sum(m.points), 0)::bigint AS n,
			min(m.first_ts) AS first_ts, max(m.last_ts) AS last_ts, coalesce(sum(m.last_24h_points), 0)::bigint AS last_24h
		FROM metric AS m
	) AS t;
END
$$;
COMMENT ON FUNCTION telemetry.device_statistics(text) IS
	'What there is of a device: its metrics, and how many of them have a point of the last 24 hours; points (telemetry.device_metric_statistics()) and the timestamp of the last; '
	'storage_size: bytes, by telemetry.bytes_per_point(), without rollups and indexes; avg_frequency: points a minute, of those after the first until the last, 0 if there is one; points and alerts of the last 24 hours; '
	'metrics by telemetry.metric_type(); the 10 metrics with most points. Zeros if there is nothing.';

CREATE FUNCTION telemetry.http_device_statistics(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
	device_id CONSTANT text := params ->> 'device_id';
	answer record;
BEGIN
	IF (octet_length(device_id) BETWEEN 1 AND 128) IS NOT TRUE THEN
		RETURN telemetry.http_problem('telemetry', 400, 'VALIDATION_ERROR', 'device_id must be a text of 1 to 128 bytes');
	END IF;
	SELECT s.* INTO answer FROM telemetry.device_statistics(device_id) AS s;
	RETURN (200, to_jsonb(answer) || jsonb_build_object('device_id', device_id, 'last_update', replace(telemetry.json_time(answer.last_update), '.000Z', 'Z')), NULL)::telemetry.http_response;
END
$$;
COMMENT ON FUNCTION telemetry.http_device_statistics(jsonb, jsonb) IS
	'GET of telemetry.device_statistics(): params device_id. 200 {"device_id", its columns}, also if there is nothing of the device; 400 {"detail"}.';

-- All there is ---------------------------------------------------------------------------------------------------------

CREATE TABLE telemetry.statistics_hour (
	hour timestamptz PRIMARY KEY,
	points bigint NOT NULL,
	counted_at timestamptz NOT NULL
);
COMMENT ON TABLE telemetry.statistics_hour IS 'Points of hours gone by, for job statistics, which counts each again when an hour has passed.';
COMMENT ON COLUMN telemetry.statistics_hour.hour IS 'Start of the hour, of UTC.';
COMMENT ON COLUMN telemetry.statistics_hour.points IS 'How many points lie in it.';
COMMENT ON COLUMN telemetry.statistics_hour.counted_at IS 'When they were counted.';

CREATE TABLE telemetry.statistics_state (
	as_of timestamptz NOT NULL,
	total_devices bigint NOT NULL,
	active_devices bigint NOT NULL,
	total_metrics bigint NOT NULL,
	total_data_points bigint NOT NULL,
	points_per_second float8 NOT NULL,
	error_rate float8 NOT NULL,
	last_24h_points bigint NOT NULL,
	last_24h_alerts bigint NOT NULL,
	devices_by_type jsonb NOT NULL,
	metrics_by_type jsonb NOT NULL,
	data_by_hour jsonb NOT NULL,
	one_row boolean PRIMARY KEY DEFAULT true CONSTRAINT there_is_one_row CHECK (one_row)
);
COMMENT ON TABLE telemetry.statistics_state IS 'What job statistics has found out last. One row, or none. Read telemetry.service_statistics().';
COMMENT ON COLUMN telemetry.statistics_state.as_of IS 'When that was.';
COMMENT ON COLUMN telemetry.statistics_state.total_devices IS 'Devices that have points.';
COMMENT ON COLUMN telemetry.statistics_state.active_devices IS 'Devices that have a point of the last 24 hours.';
COMMENT ON COLUMN telemetry.statistics_state.total_metrics IS 'Different metrics, whatever the device.';
COMMENT ON COLUMN telemetry.statistics_state.total_data_points IS 'Points in telemetry.point.';
COMMENT ON COLUMN telemetry.statistics_state.points_per_second IS 'Points a second of the last five minutes, by their timestamps.';
COMMENT ON COLUMN telemetry.statistics_state.error_rate IS
	'Of what was sent in the last five minutes the part that was rejected, from 0 to 1: dead letters of points, and points by their timestamps.';
COMMENT ON COLUMN telemetry.statistics_state.last_24h_points IS 'Points of the last 24 hours, by their timestamps.';
COMMENT ON COLUMN telemetry.statistics_state.last_24h_alerts IS 'Alerts that were triggered in the last 24 hours.';
COMMENT ON COLUMN telemetry.statistics_state.devices_by_type IS
	'How many devices send values of which kind: {"numeric", "text", …, "mixed": devices that send several}; no kind that none sends.';
COMMENT ON COLUMN telemetry.statistics_state.metrics_by_type IS 'How many metrics are of which telemetry.metric_type().';
COMMENT ON COLUMN telemetry.statistics_state.data_by_hour IS 'Points of this hour, of UTC, and the 23 before: {start of the hour: points}.';
COMMENT ON COLUMN telemetry.statistics_state.one_row IS 'Always true: a key that only one row can have.';

CREATE FUNCTION telemetry.count_points(start_time timestamptz, end_time timestamptz) RETURNS bigint
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT count(*) FROM telemetry.point AS p WHERE p.ts >= start_time AND p.ts < end_time;
END;
COMMENT ON FUNCTION telemetry.count_points(timestamptz, timestamptz) IS 'How many points there are with start_time <= ts < end_time.';

CREATE FUNCTION telemetry.compute_statistics() RETURNS telemetry.statistics_state
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
	-- Of so many points that are not rolled up the series are looked at, too.
	pending_max CONSTANT integer := 1000000;
	recent_seconds CONSTANT integer := 300;
	recent CONSTANT interval := make_interval(secs => recent_seconds);
	day_ago CONSTANT timestamptz := now() - interval '24 hours';
	this_hour CONSTANT timestamptz := date_trunc('hour', now(), 'UTC');
	with_pending CONSTANT boolean := (SELECT coalesce(sum(b.n), 0) <= pending_max FROM telemetry.block AS b WHERE b.level < 1);
	recent_points CONSTANT bigint := telemetry.count_points(now() - recent, now());
	rejected CONSTANT bigint := (SELECT count(*) FROM telemetry.dead_letter AS d WHERE d.received_at >= now() - recent AND d.kind = 'point');
	answer telemetry.statistics_state;
BEGIN
	answer.one_row := true;
	answer.as_of := now();
	answer.points_per_second := round(recent_points / recent_seconds::numeric, 3);
	answer.error_rate := coalesce(round(rejected / nullif(rejected + recent_points, 0)::numeric, 6), 0);
	SELECT count(*) INTO answer.total_data_points FROM telemetry.point AS p;
	SELECT count(*) INTO answer.last_24h_alerts FROM telemetry.alert AS a WHERE a.triggered_at >= day_ago;

	WITH series AS MATERIALIZED (
		SELECT s.device_id, s.metric, s.data_type, s.last_ts FROM telemetry.series AS s
		UNION ALL
		SELECT p.device_id, p.metric, telemetry.kind(p.value), max(p.ts)
		FROM telemetry.pending_point AS p
		WHERE with_pending
		GROUP BY 1, 2, 3
	), device AS MATERIALIZED (
		SELECT s.device_id, max(s.last_ts) AS last_ts, CASE WHEN min(s.data_type) = max(s.data_type) THEN min(s.data_type) ELSE 'mixed' END AS type
		FROM series AS s
		GROUP BY s.device_id
	), metric AS MATERIALIZED (
		SELECT telemetry.metric_type(m.metric) AS type FROM (SELECT DISTINCT s.metric FROM series AS s) AS m
	)
	SELECT (SELECT count(*) FROM device AS d), (SELECT count(*) FROM device AS d WHERE d.last_ts >= day_ago), (SELECT count(*) FROM metric AS m),
		coalesce((SELECT jsonb_object_agg(t.type, t.n) FROM (SELECT d.type, count(*) AS n FROM device AS d GROUP BY d.type) AS t), '{}'),
		'{"gauge": 0, "counter": 0, "histogram": 0}'::jsonb
			|| coalesce((SELECT jsonb_object_agg(t.type, t.n) FROM (SELECT m.type, count(*) AS n FROM metric AS m GROUP BY m.type) AS t), '{}')
	INTO answer.total_devices, answer.active_devices, answer.total_metrics, answer.devices_by_type, answer.metrics_by_type;

	-- Of hours gone by what was counted before, if it was.
	SELECT jsonb_object_agg(replace(telemetry.json_time(h.hour), '.000Z', 'Z'), h.n) FILTER (WHERE h.hour > this_hour - interval '24 hours'),
		sum(h.n) FILTER (WHERE h.hour >= day_ago) + telemetry.count_points(day_ago, this_hour - interval '23 hours')
	INTO answer.data_by_hour, answer.last_24h_points
	FROM (
		SELECT g.hour, coalesce(
			(SELECT c.points FROM telemetry.statistics_hour AS c WHERE c.hour = g.hour AND g.hour < this_hour - interval '1 hour'),
			telemetry.count_points(g.hour, CASE WHEN g.hour < this_hour THEN g.hour + interval '1 hour' ELSE 'infinity' END)) AS n
		FROM generate_series(this_hour - interval '23 hours', this_hour, interval '1 hour') AS g (hour)
	) AS h;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION telemetry.compute_statistics() IS
	'The row that telemetry.service_statistics() has, as of now. Looks at each series, and at the blocks of a day; hours gone by are taken from telemetry.statistics_hour, '
	'and series that have nothing rolled up yet do not count while more than a million points wait for that.';

CREATE FUNCTION telemetry.job_statistics() RETURNS boolean
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	this_hour CONSTANT timestamptz := date_trunc('hour', now(), 'UTC');
	due timestamptz;
BEGIN
	DELETE FROM telemetry.statistics_hour AS h WHERE h.hour < this_hour - interval '23 hours' OR h.hour > this_hour;
	SELECT g.hour INTO due
	FROM generate_series(this_hour - interval '23 hours', this_hour - interval '2 hours', interval '1 hour') AS g (hour)
	LEFT JOIN telemetry.statistics_hour AS h ON h.hour = g.hour
	WHERE h.counted_at IS NULL OR h.counted_at < now() - interval '1 hour'
	ORDER BY h.counted_at NULLS FIRST, g.hour
	LIMIT 1;
	IF FOUND THEN
		INSERT INTO telemetry.statistics_hour (hour, points, counted_at)
		VALUES (due, telemetry.count_points(due, due + interval '1 hour'), now())
		ON CONFLICT (hour) DO UPDATE SET points = EXCLUDED.points, counted_at = EXCLUDED.counted_at;
		RETURN true;
	END IF;
	-- Whoever calls it beside the job waits.
	LOCK TABLE telemetry.statistics_state IN SHARE ROW EXCLUSIVE MODE;
	DELETE FROM telemetry.statistics_state;
	INSERT INTO telemetry.statistics_state SELECT (telemetry.compute_statistics()).*;
	RETURN false;
END
$$;
COMMENT ON FUNCTION telemetry.job_statistics() IS
	'Job statistics: counts the points of an hour gone by that has not been counted for an hour, and returns true; if there is none, writes what telemetry.service_statistics() reads.';

CREATE FUNCTION telemetry.service_statistics() RETURNS telemetry.statistics_state
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer telemetry.statistics_state;
BEGIN
	SELECT s.* INTO answer FROM telemetry.statistics_state AS s WHERE s.as_of BETWEEN now() - interval '10 minutes' AND now() + interval '1 minute';
	IF NOT FOUND THEN
		answer := telemetry.compute_statistics();
	END IF;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION telemetry.service_statistics() IS
	'What there is in all, as job statistics found it last, about once a minute, or as of now if that is more than 10 minutes ago: see telemetry.statistics_state.';

CREATE FUNCTION telemetry.http_service_statistics(params jsonb, body jsonb DEFAULT NULL) RETURNS telemetry.http_response
	LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 200, to_jsonb(s) - 'one_row' || jsonb_build_object(
		'as_of', telemetry.json_time(s.as_of),
		'avg_latency', CASE WHEN jsonb_typeof(params #> '{proxy,latency_avg_ms}') = 'number' THEN params #> '{proxy,latency_avg_ms}' ELSE '0' END), NULL::text
	FROM telemetry.service_statistics() AS s;
END;
COMMENT ON FUNCTION telemetry.http_service_statistics(jsonb, jsonb) IS
	'GET of telemetry.service_statistics(): params proxy, the counters of the proxy that was asked. 200 {its columns, and "avg_latency": milliseconds from a request to its answer, the mean of that proxy since its '
	'start; 0 if it said nothing}.';

CREATE FUNCTION telemetry.initialise_statistics() RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	INSERT INTO telemetry.route (method, path, description, dialect, function, params) VALUES
		('GET', '/api/v1/telemetry/devices/{device_id}/stats', 'Statistics of a device.', 'telemetry',
			'telemetry.http_device_statistics(jsonb, jsonb)', '{}'),
		('GET', '/api/v1/telemetry/stats', 'Statistics of the service.', 'telemetry', 'telemetry.http_service_statistics(jsonb, jsonb)', '{"proxy": true}')
	ON CONFLICT (method, path) DO NOTHING;
	INSERT INTO telemetry.job (name, description, run_every) VALUES
		('statistics', 'Counts what there is in all, for statistics of the service.', '1 min')
	ON CONFLICT (name) DO NOTHING;
END;
COMMENT ON FUNCTION telemetry.initialise_statistics() IS 'Of telemetry.initialise(): the routes of statistics and job statistics, as far as they are not there.';

REVOKE ALL ON FUNCTION telemetry.metric_type(text), telemetry.device_metric_statistics(text), telemetry.bytes_per_point(text),
	telemetry.device_statistics(text), telemetry.http_device_statistics(jsonb, jsonb), telemetry.count_points(timestamptz, timestamptz),
	telemetry.compute_statistics(), telemetry.job_statistics(), telemetry.service_statistics(), telemetry.http_service_statistics(jsonb, jsonb),
	telemetry.initialise_statistics() FROM PUBLIC;
GRANT SELECT ON telemetry.statistics_hour, telemetry.statistics_state TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.metric_type(text), telemetry.device_metric_statistics(text), telemetry.bytes_per_point(text),
	telemetry.device_statistics(text), telemetry.count_points(timestamptz, timestamptz), telemetry.service_statistics() TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.http_device_statistics(jsonb, jsonb), telemetry.http_service_statistics(jsonb, jsonb)
	TO telemetry_reader;
