-- telemetry.latest: the newest point of every series.

CREATE FOREIGN TABLE telemetry.pending_latest (
	ts timestamptz NOT NULL,
	device_id text COLLATE "C" NOT NULL,
	metric text COLLATE "C" NOT NULL,
	value telemetry.value NOT NULL,
	unit text,
	tags jsonb,
	metadata jsonb,
	num double precision
) SERVER telemetry OPTIONS (rolled_up 'false', newest 'true');
COMMENT ON FOREIGN TABLE telemetry.pending_latest IS
	'The newest point of each series in telemetry.pending_point, to be read only. Conditions on device_id and metric narrow what is '
	'read, those on ts do not: they are of the newest points.';
SELECT telemetry.copy_comments('telemetry.point', 'telemetry.pending_latest');

CREATE TYPE telemetry.timed_value AS (
	ts timestamptz,
	value telemetry.value
);
COMMENT ON TYPE telemetry.timed_value IS 'A time and the value of that time.';
COMMENT ON COLUMN telemetry.timed_value.ts IS 'The time.';
COMMENT ON COLUMN telemetry.timed_value.value IS 'What was measured at that time.';

CREATE FUNCTION telemetry.newest_until(device text, metric text, until timestamptz) RETURNS telemetry.timed_value
	LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE COST 10
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	newest telemetry.timed_value;
BEGIN
	SELECT p.ts, p.value INTO newest
	FROM telemetry.point AS p
	WHERE p.device_id = device AND p.metric = newest_until.metric AND p.ts <= until
	ORDER BY p.ts DESC
	LIMIT 1;
	RETURN newest;
END
$$;
COMMENT ON FUNCTION telemetry.newest_until(text, text, timestamptz) IS
	'Time and value of the last point of a device and metric up to a time, that included; nulls if there is none.';

CREATE FUNCTION telemetry.is_out_of_reach(metric text, ts timestamptz) RETURNS boolean
	LANGUAGE sql STABLE STRICT PARALLEL SAFE COST 10
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT EXISTS (
		SELECT FROM telemetry.out_of_reach AS o
		WHERE is_out_of_reach.ts >= o.from_hour AND is_out_of_reach.ts < o.to_hour
			AND CASE WHEN o.metric IS NULL THEN is_out_of_reach.metric <> ALL (o.except_metrics) ELSE o.metric = is_out_of_reach.metric END);
END;
COMMENT ON FUNCTION telemetry.is_out_of_reach(text, timestamptz) IS
	'Whether retention may have dropped points of a metric at a time while their rollups were kept, as telemetry.out_of_reach says.';

-- What telemetry.series says is right unless retention may have dropped the point, or one that is not rolled up is as new. That is
-- newer, unless its block was set aside. Where this does not decide, telemetry.point is asked, one series at a time. OFFSET 0 has
-- each thing computed once, where it is written; conditions on what is distinct go to both tables.
CREATE VIEW telemetry.latest AS
	SELECT d.device_id, d.metric,
		CASE WHEN k.is_known THEN d.ts ELSE (a.asked).ts END AS ts,
		CASE WHEN k.is_known THEN d.value ELSE (a.asked).value END AS value,
		CASE WHEN k.is_known THEN d.num
			ELSE CASE telemetry.kind((a.asked).value) WHEN 'numeric' THEN (a.asked).value::double precision END
		END AS num
	FROM (
		SELECT DISTINCT ON (u.device_id, u.metric) u.device_id, u.metric, u.ts, u.value, u.num, u.is_pending
		FROM (
			SELECT p.device_id, p.metric, p.ts, p.value, p.num, true AS is_pending
			FROM telemetry.pending_latest AS p
			UNION ALL
			SELECT s.device_id, s.metric, s.last_ts, s.last_value, CASE s.data_type WHEN 'numeric' THEN s.last_value::double precision END, false
			FROM telemetry.series AS s
		) AS u
		ORDER BY u.device_id, u.metric, u.ts DESC, u.is_pending DESC
	) AS d
	CROSS JOIN (
		SELECT (SELECT max(b.max_ts) FROM telemetry.block AS b WHERE b.level = -1),
			(SELECT max(o.to_hour) FROM telemetry.out_of_reach AS o)
		OFFSET 0
	) AS doubt (set_aside, dropped)
	CROSS JOIN LATERAL (
		SELECT CASE
			WHEN d.is_pending THEN d.ts > doubt.set_aside IS NOT FALSE
			WHEN d.value IS NULL THEN false
			WHEN d.ts < doubt.dropped THEN NOT telemetry.is_out_of_reach(d.metric, d.ts)
			ELSE true
		END
		OFFSET 0
	) AS k (is_known)
	CROSS JOIN LATERAL (
		SELECT CASE WHEN NOT k.is_known THEN telemetry.newest_until(d.device_id, d.metric, d.ts) END
		OFFSET 0
	) AS a (asked)
	WHERE k.is_known OR (a.asked).ts IS NOT NULL;
COMMENT ON VIEW telemetry.latest IS
	'The newest point of every series, up to the last that was committed. It costs a look at telemetry.series and at the directories '
	'of what is not rolled up yet, however many points there are.';
SELECT telemetry.copy_comments('telemetry.point', 'telemetry.latest');

REVOKE ALL ON FUNCTION telemetry.newest_until(text, text, timestamptz), telemetry.is_out_of_reach(text, timestamptz) FROM PUBLIC;
GRANT SELECT ON telemetry.pending_latest, telemetry.latest TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.newest_until(text, text, timestamptz), telemetry.is_out_of_reach(text, timestamptz) TO telemetry_reader;
