-- Audit: whether rollups are those of the points.

CREATE FOREIGN TABLE telemetry.rolled_up_point (
	ts timestamptz NOT NULL,
	device_id text COLLATE "C" NOT NULL,
	metric text COLLATE "C" NOT NULL,
	value telemetry.value NOT NULL,
	unit text,
	tags jsonb,
	metadata jsonb,
	num double precision
) SERVER telemetry OPTIONS (rolled_up 'true');
COMMENT ON FOREIGN TABLE telemetry.rolled_up_point IS
	'The points that are in the rollups, to be read only; telemetry.pending_point has the others.';
SELECT telemetry.copy_comments('telemetry.point', 'telemetry.rolled_up_point');

CREATE TABLE telemetry.audit (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	device_id text COLLATE "C" NOT NULL,
	metric text COLLATE "C" NOT NULL,
	hour timestamptz,
	day date,
	differs jsonb NOT NULL,
	repaired boolean NOT NULL
);
CREATE INDEX audit_at ON telemetry.audit (at);
CREATE INDEX audit_not_repaired ON telemetry.audit (device_id, metric, day) WHERE NOT repaired;
COMMENT ON TABLE telemetry.audit IS
	'Rollups that job audit found to differ from what they are of: hours from points, days from hours, rows of '
	'telemetry.series from days. Kept for 90 days.';
COMMENT ON COLUMN telemetry.audit.hour IS 'The hour, if it is one.';
COMMENT ON COLUMN telemetry.audit.day IS 'The day, or that of the hour; null: the row of telemetry.series.';
COMMENT ON COLUMN telemetry.audit.differs IS
	'{"field": {"stored": what it was, "computed": what it is}, ...}; or {"error": message}, if something is too damaged '
	'to be compared or repaired.';
COMMENT ON COLUMN telemetry.audit.repaired IS
	'Whether it was computed again. If not, as when somebody else had the rollups'' lock, the next runs try again.';
COMMENT ON COLUMN telemetry.audit.id IS 'Number of the row; later ones have higher numbers.';
COMMENT ON COLUMN telemetry.audit.at IS 'When the job found it.';
COMMENT ON COLUMN telemetry.audit.device_id IS 'The device.';
COMMENT ON COLUMN telemetry.audit.metric IS 'What was measured.';
COMMENT ON SEQUENCE telemetry.audit_id_seq IS 'Numbers for telemetry.audit.id.';

CREATE TABLE telemetry.audit_run (
	day date PRIMARY KEY,
	runs bigint NOT NULL,
	hours bigint NOT NULL,
	days bigint NOT NULL,
	series bigint NOT NULL,
	drifted bigint NOT NULL,
	last_run_at timestamptz NOT NULL
) WITH (fillfactor = 30);
COMMENT ON TABLE telemetry.audit_run IS
	'How much job audit has looked at, by UTC day. Kept for 90 days.';
COMMENT ON COLUMN telemetry.audit_run.hours IS 'Hourly rollups compared.';
COMMENT ON COLUMN telemetry.audit_run.days IS 'Daily rollups compared.';
COMMENT ON COLUMN telemetry.audit_run.series IS 'Rows of telemetry.series compared.';
COMMENT ON COLUMN telemetry.audit_run.drifted IS 'How many of all these differed.';
COMMENT ON COLUMN telemetry.audit_run.day IS 'UTC day of the runs.';
COMMENT ON COLUMN telemetry.audit_run.runs IS 'Runs of the job.';
COMMENT ON COLUMN telemetry.audit_run.last_run_at IS 'When the last of them began.';

SELECT pg_catalog.pg_extension_config_dump('telemetry.audit', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.audit_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.audit_run', '');

CREATE VIEW telemetry.audit_status AS
	SELECT max(r.last_run_at) AS last_run_at, coalesce(sum(r.hours), 0) AS hours, coalesce(sum(r.days), 0) AS days,
		coalesce(sum(r.series), 0) AS series, coalesce(sum(r.drifted), 0) AS drifted,
		(SELECT count(*) FROM telemetry.audit AS a WHERE NOT a.repaired) AS not_repaired,
		(SELECT max(a.at) FROM telemetry.audit AS a) AS last_drift_at
	FROM telemetry.audit_run AS r;
COMMENT ON VIEW telemetry.audit_status IS
	'When job audit last ran; what it compared in the last 90 days, how much of that differed, and how many of those are '
	'not repaired yet.';
COMMENT ON COLUMN telemetry.audit_status.last_run_at IS
	'When the last run of the job began; null: none has in 90 days.';
COMMENT ON COLUMN telemetry.audit_status.not_repaired IS 'Rows of telemetry.audit that wait to be repaired.';
COMMENT ON COLUMN telemetry.audit_status.last_drift_at IS
	'When the job last found something that differed; null: never in 90 days.';
SELECT telemetry.copy_comments('telemetry.audit_run', 'telemetry.audit_status');

CREATE FUNCTION telemetry.sums_are_close(float8, float8, bigint, float8) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_sums_are_close';
COMMENT ON FUNCTION telemetry.sums_are_close(float8, float8, bigint, float8) IS
	'Whether two sums of so many numbers, which are no larger than the last argument, differ by rounding at most.';

CREATE FUNCTION telemetry.m2_are_close(float8, float8, bigint, float8) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_m2_are_close';
COMMENT ON FUNCTION telemetry.m2_are_close(float8, float8, bigint, float8) IS
	'Whether two sums of squared distances of so many numbers, which are no larger than the last argument, differ by '
	'rounding at most.';

CREATE FUNCTION telemetry.sketch_bytes(telemetry.sketch) RETURNS bytea
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'telemetry_sketch_bytes';
COMMENT ON FUNCTION telemetry.sketch_bytes(telemetry.sketch) IS
	'A sketch as it is stored, whether it is valid or not. Equal sketches have the same bytes.';

CREATE FUNCTION telemetry.rollup_difference(stored telemetry.rollup, computed telemetry.rollup) RETURNS jsonb
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
AS $$
DECLARE
	largest CONSTANT float8 := greatest(abs(stored.min), abs(stored.max), abs(computed.min), abs(computed.max));
BEGIN
	-- To the last bit, mostly.
	IF stored OPERATOR(pg_catalog.*=) computed THEN
		RETURN NULL;
	END IF;
	RETURN (
		SELECT jsonb_object_agg(f.name, jsonb_build_object('stored', f.stored, 'computed', f.computed))
		FROM (VALUES
			('n', to_jsonb(stored.n), to_jsonb(computed.n), stored.n IS NOT DISTINCT FROM computed.n),
			('sum', to_jsonb(stored.sum), to_jsonb(computed.sum),
				coalesce(telemetry.sums_are_close(stored.sum, computed.sum, computed.n, largest),
					stored.sum IS NOT DISTINCT FROM computed.sum)),
			('m2', to_jsonb(stored.m2), to_jsonb(computed.m2),
				coalesce(telemetry.m2_are_close(stored.m2, computed.m2, computed.n, largest),
					stored.m2 IS NOT DISTINCT FROM computed.m2)),
			('min', to_jsonb(stored.min), to_jsonb(computed.min), stored.min IS NOT DISTINCT FROM computed.min),
			('max', to_jsonb(stored.max), to_jsonb(computed.max), stored.max IS NOT DISTINCT FROM computed.max),
			('first', to_jsonb(stored.first), to_jsonb(computed.first), stored.first IS NOT DISTINCT FROM computed.first),
			('last', to_jsonb(stored.last), to_jsonb(computed.last), stored.last IS NOT DISTINCT FROM computed.last),
			('others', to_jsonb(stored.others), to_jsonb(computed.others),
				stored.others IS NOT DISTINCT FROM computed.others),
			('first_ts', to_jsonb(stored.first_ts), to_jsonb(computed.first_ts),
				stored.first_ts IS NOT DISTINCT FROM computed.first_ts),
			('last_ts', to_jsonb(stored.last_ts), to_jsonb(computed.last_ts),
				stored.last_ts IS NOT DISTINCT FROM computed.last_ts),
			('sketch', to_jsonb(encode(telemetry.sketch_bytes(stored.sketch), 'hex')),
				to_jsonb(encode(telemetry.sketch_bytes(computed.sketch), 'hex')),
				telemetry.sketch_bytes(stored.sketch) IS NOT DISTINCT FROM telemetry.sketch_bytes(computed.sketch))
		) AS f (name, stored, computed, same)
		WHERE NOT f.same
	);
END
$$;
COMMENT ON FUNCTION telemetry.rollup_difference(telemetry.rollup, telemetry.rollup) IS
	'In what a stored rollup differs from a computed one: {"field": {"stored": ..., "computed": ...}, ...}, null if in '
	'nothing. sum and m2 may differ by rounding.';

CREATE TYPE telemetry.rollup_drift AS (
	device_id text,
	metric text,
	hour timestamptz,
	differs jsonb
);
COMMENT ON TYPE telemetry.rollup_drift IS 'An hourly rollup that differs from the points; see telemetry.audit_rollups().';
COMMENT ON COLUMN telemetry.rollup_drift.hour IS 'Start of the hour (telemetry.hour_of).';
COMMENT ON COLUMN telemetry.rollup_drift.differs IS
	'{"field": {"stored": what it is, "computed": what it should be}, ...}; null: nothing differs.';
SELECT telemetry.copy_comments('telemetry.audit', 'telemetry.rollup_drift');

-- Rollups, points and ledger come from one statement, and so from one snapshot.
CREATE FUNCTION telemetry.compare_rollups(device text, metric text, "from" timestamptz, "to" timestamptz, all_hours boolean)
	RETURNS SETOF telemetry.rollup_drift
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- There are no points beyond these times, and at the ends of what PostgreSQL has, no hours to reckon with.
	first_hour CONSTANT timestamptz := telemetry.hour_of(greatest("from", '4713-01-01 00:00+00 BC'));
	last_hour CONSTANT timestamptz :=
		telemetry.hour_of(least(greatest("to", '4713-01-01 00:00+00 BC'), '294276-01-01 00:00+00') - interval '1 microsecond');
	of_series CONSTANT text := CASE WHEN device IS NULL THEN '' ELSE ' AND t.device_id = $1' END
		|| CASE WHEN metric IS NULL THEN '' ELSE ' AND t.metric = $2' END;
	of_hours CONSTANT text := CASE WHEN "from" IS NULL THEN '' ELSE ' AND t.hour >= $3' END
		|| CASE WHEN "to" IS NULL THEN '' ELSE ' AND t.hour <= $4' END;
	-- Hours overlap where the clock is changed by a part of one.
	of_points CONSTANT text := CASE WHEN "from" IS NULL THEN '' ELSE ' AND t.ts >= $3 AND telemetry.hour_of(t.ts) >= $3' END
		|| CASE WHEN "to" IS NULL THEN '' ELSE ' AND t.ts < $4 + interval ''1 hour'' AND telemetry.hour_of(t.ts) <= $4' END;
BEGIN
	RETURN QUERY EXECUTE '
		WITH out_of_reach AS MATERIALIZED (SELECT * FROM telemetry.out_of_reach),
		compared AS (
			SELECT k.device_id, k.metric, k.hour, telemetry.rollup_difference(s.state, c.state) AS differs
			FROM (
				SELECT t.device_id, t.metric, t.hour,
					ROW(t.n, t.sum, t.m2, t.min, t.max, t.first, t.last, t.others, t.first_ts, t.last_ts, t.sketch)::telemetry.rollup AS state
				FROM telemetry.rollup_hour AS t
				WHERE true' || of_series || of_hours || '
			) AS s
			FULL JOIN (
				SELECT t.device_id, t.metric, telemetry.hour_of(t.ts) AS hour, telemetry.rollup(t.ts, t.value) AS state
				FROM telemetry.rolled_up_point AS t
				WHERE true' || of_series || of_points || '
				GROUP BY t.device_id, t.metric, telemetry.hour_of(t.ts)
			) AS c USING (device_id, metric, hour) AS k
			WHERE NOT EXISTS (
				SELECT FROM out_of_reach AS o
				WHERE k.hour >= o.from_hour AND k.hour < o.to_hour
					AND CASE WHEN o.metric IS NULL THEN k.metric <> ALL (o.except_metrics) ELSE k.metric = o.metric END)
		)
		SELECT device_id, metric, hour, differs FROM compared WHERE $5 OR differs IS NOT NULL
		ORDER BY device_id, metric, hour'
	USING device, metric, first_hour, last_hour, all_hours;
END
$$;
COMMENT ON FUNCTION telemetry.compare_rollups(text, text, timestamptz, timestamptz, boolean) IS
	'As telemetry.audit_rollups(); with all_hours, hours in which nothing differs as well, differs is null then.';

CREATE FUNCTION telemetry.audit_rollups(
	device text DEFAULT NULL, metric text DEFAULT NULL, "from" timestamptz DEFAULT NULL, "to" timestamptz DEFAULT NULL)
	RETURNS SETOF telemetry.rollup_drift
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT * FROM telemetry.compare_rollups($1, $2, $3, $4, false);
END;
COMMENT ON FUNCTION telemetry.audit_rollups(text, text, timestamptz, timestamptz) IS
	'Computes the hourly rollups again from the points that are rolled up, of all devices and metrics where these are '
	'null, for the hours that overlap from <= ts < to (null: no bound), and returns those that differ from what is '
	'stored, either way: differs is {"field": {"stored": ..., "computed": ...}, ...}, stored is null where a rollup is '
	'missing, computed where it has no points. Nothing is repaired: see telemetry.refresh(). Hours out of the reach of '
	'their points (telemetry.out_of_reach) are passed over. Reads all of these points.';

CREATE FUNCTION telemetry.rollup_of_hours(device text, metric text, day date) RETURNS telemetry.rollup
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT telemetry.rollup_merge(
		ROW(h.n, h.sum, h.m2, h.min, h.max, h.first, h.last, h.others, h.first_ts, h.last_ts, h.sketch)::telemetry.rollup)
	FROM telemetry.rollup_hour AS h
	WHERE h.device_id = $1 AND h.metric = $2 AND h.day = $3
		AND h.hour >= ($3::timestamp AT TIME ZONE 'UTC') - interval '15 hours'
		AND h.hour <= ($3::timestamp AT TIME ZONE 'UTC') + interval '39 hours';
END;
COMMENT ON FUNCTION telemetry.rollup_of_hours(text, text, date) IS
	'What the daily rollup of a series should be by its hourly ones; null if there are none.';

CREATE FUNCTION telemetry.compare_day(device text, metric text, day date) RETURNS jsonb
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT telemetry.rollup_difference((
			SELECT ROW(d.n, d.sum, d.m2, d.min, d.max, d.first, d.last, d.others, d.first_ts, d.last_ts, d.sketch)::telemetry.rollup
			FROM telemetry.rollup_day AS d
			WHERE d.device_id = $1 AND d.metric = $2 AND d.day = $3),
		telemetry.rollup_of_hours($1, $2, $3));
END;
COMMENT ON FUNCTION telemetry.compare_day(text, text, date) IS
	'In what a daily rollup differs from its hourly ones, as telemetry.rollup_difference().';

CREATE FUNCTION telemetry.compare_series(device text, metric text) RETURNS jsonb
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT jsonb_build_object('n', jsonb_build_object('stored', c.stored, 'computed', c.computed))
	FROM (
		SELECT (SELECT s.n FROM telemetry.series AS s WHERE s.device_id = $1 AND s.metric = $2) AS stored,
			(SELECT sum(d.n + d.others) FROM telemetry.rollup_day AS d WHERE d.device_id = $1 AND d.metric = $2) AS computed
	) AS c
	WHERE c.stored IS DISTINCT FROM c.computed;
END;
COMMENT ON FUNCTION telemetry.compare_series(text, text) IS
	'In what a row of telemetry.series differs from the daily rollups, as telemetry.rollup_difference().';

CREATE FUNCTION telemetry.repair_hours(device text, metric text, "from" timestamptz, "to" timestamptz) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	-- A refresh goes no further than the series does.
	INSERT INTO telemetry.series AS s (device_id, metric, first_ts, last_ts, n)
	SELECT $1, $2, min(t.ts), max(t.ts), 0
	FROM (
		SELECT p.ts FROM telemetry.rolled_up_point AS p
		WHERE p.device_id = $1 AND p.metric = $2 AND p.ts >= $3 AND p.ts < $4
		UNION ALL
		SELECT h.hour FROM telemetry.rollup_hour AS h
		WHERE h.device_id = $1 AND h.metric = $2 AND h.hour >= $3 AND h.hour < $4
	) AS t
	HAVING count(*) > 0
	ON CONFLICT (device_id, metric) DO UPDATE
	SET first_ts = least(s.first_ts, excluded.first_ts), last_ts = greatest(s.last_ts, excluded.last_ts);
	PERFORM telemetry.refresh_device($1, $2, $3, $4);
END
$$;
COMMENT ON FUNCTION telemetry.repair_hours(text, text, timestamptz, timestamptz) IS
	'Of job audit, as the functions below: telemetry.refresh_device(), also of hours that the series'' row does not '
	'know of.';

CREATE FUNCTION telemetry.repair_day(device text, metric text, day date) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	DELETE FROM telemetry.rollup_day AS d WHERE d.device_id = $1 AND d.metric = $2 AND d.day = $3;
	INSERT INTO telemetry.rollup_day (device_id, metric, day, n, sum, m2, min, max, first, last, others, first_ts, last_ts, sketch)
	SELECT $1, $2, $3, r.n, r.sum, r.m2, r.min, r.max, r.first, r.last, r.others, r.first_ts, r.last_ts, r.sketch
	FROM telemetry.rollup_of_hours($1, $2, $3) AS r
	WHERE r.n IS NOT NULL;
END
$$;
COMMENT ON FUNCTION telemetry.repair_day(text, text, date) IS
	'Writes a daily rollup again from its hourly ones, or removes it if there are none. The caller has the rollups'' lock.';

CREATE FUNCTION telemetry.repair_series(device text, metric text) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	DELETE FROM telemetry.series AS s WHERE s.device_id = $1 AND s.metric = $2 AND NOT EXISTS (
		SELECT FROM telemetry.rollup_day AS d WHERE d.device_id = $1 AND d.metric = $2);
	INSERT INTO telemetry.series AS s (device_id, metric, first_ts, last_ts, n)
	SELECT $1, $2, min(d.first_ts), max(d.last_ts), sum(d.n + d.others)
	FROM telemetry.rollup_day AS d
	WHERE d.device_id = $1 AND d.metric = $2
	HAVING count(*) > 0
	ON CONFLICT (device_id, metric) DO UPDATE
	SET first_ts = excluded.first_ts, last_ts = excluded.last_ts, n = excluded.n;
END
$$;
COMMENT ON FUNCTION telemetry.repair_series(text, text) IS
	'Writes a row of telemetry.series, but for its last value, again from the daily rollups, or removes it if there are '
	'none. The caller has the rollups'' lock.';

-- Pages of tables are drawn, then rows from them, which costs the same in a table of any size.
CREATE FUNCTION telemetry.sample_percentage(sampled regclass) RETURNS float8
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	-- Some pages; more if most are empty, as when many rows have been updated.
	SELECT least(100, greatest(
		100 * 8 * current_setting('block_size')::float8 / greatest(pg_relation_size($1), 1),
		CASE WHEN c.reltuples > 0 THEN 100 * 200 / c.reltuples ELSE 0 END))
	FROM pg_class AS c
	WHERE c.oid = $1;
END;
COMMENT ON FUNCTION telemetry.sample_percentage(regclass) IS
	'Of job audit: for TABLESAMPLE SYSTEM, the part of a table that has some hundred rows.';

CREATE FUNCTION telemetry.audit_sample()
	RETURNS TABLE (device_id text, metric text, day date, "from" timestamptz, "to" timestamptz)
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	hours CONSTANT float8 := telemetry.sample_percentage('telemetry.rollup_hour');
	series CONSTANT float8 := telemetry.sample_percentage('telemetry.series');
BEGIN
	RETURN QUERY
	WITH sample (device_id, metric, day) AS (
		(SELECT DISTINCT a.device_id, a.metric, coalesce(a.day, current_date)
		FROM telemetry.audit AS a
		WHERE NOT a.repaired
		LIMIT 4)
		UNION
		-- Any hour that there is, …
		(SELECT h.device_id, h.metric, h.day
		FROM telemetry.rollup_hour AS h TABLESAMPLE SYSTEM (hours)
		ORDER BY random()
		LIMIT 8)
		UNION
		-- the newest, and some day that may lack all of its own.
		(SELECT s.device_id, s.metric, telemetry.day_of(s.last_ts)
		FROM telemetry.series AS s TABLESAMPLE SYSTEM (series)
		ORDER BY random()
		LIMIT 6)
		UNION
		(SELECT s.device_id, s.metric, telemetry.day_of(s.first_ts + random() * (s.last_ts - s.first_ts))
		FROM telemetry.series AS s TABLESAMPLE SYSTEM (series)
		ORDER BY random()
		LIMIT 6)
	)
	SELECT s.device_id, s.metric, s.day, s.day::timestamp AT TIME ZONE y.day_timezone,
		(s.day + 1)::timestamp AT TIME ZONE y.day_timezone
	FROM sample AS s, telemetry.layout AS y;
END
$$;
COMMENT ON FUNCTION telemetry.audit_sample() IS
	'Of job audit: days of series, about 20, drawn at random, and those that wait for repair; with start and end.';

CREATE FUNCTION telemetry.record_drift(device text, metric text, hour timestamptz, day date, differs jsonb, repaired boolean)
	RETURNS void
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
BEGIN ATOMIC
	INSERT INTO telemetry.audit (device_id, metric, hour, day, differs, repaired)
	SELECT $1, $2, $3, $4, $5, $6
	WHERE NOT EXISTS (
		SELECT FROM telemetry.audit AS a
		WHERE NOT a.repaired AND a.device_id = $1 AND a.metric = $2 AND a.hour IS NOT DISTINCT FROM $3
			AND a.day IS NOT DISTINCT FROM $4);
END;
COMMENT ON FUNCTION telemetry.record_drift(text, text, timestamptz, date, jsonb, boolean) IS
	'Of job audit: adds to telemetry.audit what is not there waiting for repair.';

-- Hours first, since days are of them: what differs, is told, and is repaired if the lock is free.
CREATE FUNCTION telemetry.audit_day(device text, metric text, day date, "from" timestamptz, "to" timestamptz,
	OUT hours bigint, OUT drifted bigint)
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	drift telemetry.rollup_drift[];
	differs jsonb;
	repair boolean;
BEGIN
	SELECT count(*), array_agg(c) FILTER (WHERE c.differs IS NOT NULL) INTO hours, drift
	FROM telemetry.compare_rollups(device, metric, "from", "to", true) AS c;
	drifted := coalesce(cardinality(drift), 0);
	IF drifted > 0 THEN
		repair := telemetry.try_lock_rollups();
		IF repair THEN
			PERFORM telemetry.repair_hours(device, metric, "from", "to");
			repair := NOT EXISTS (SELECT FROM telemetry.audit_rollups(device, metric, "from", "to"));
		END IF;
		PERFORM telemetry.record_drift(device, metric, d.hour, day, d.differs, repair) FROM unnest(drift) AS d;
		IF NOT repair THEN
			RETURN;
		END IF;
	END IF;

	differs := telemetry.compare_day(device, metric, day);
	IF differs IS NOT NULL THEN
		drifted := drifted + 1;
		repair := telemetry.try_lock_rollups();
		IF repair THEN
			PERFORM telemetry.repair_day(device, metric, day);
		END IF;
		PERFORM telemetry.record_drift(device, metric, NULL, day, differs, repair);
		IF NOT repair THEN
			RETURN;
		END IF;
	END IF;

	differs := telemetry.compare_series(device, metric);
	IF differs IS NOT NULL THEN
		drifted := drifted + 1;
		repair := telemetry.try_lock_rollups();
		IF repair THEN
			PERFORM telemetry.repair_series(device, metric);
		END IF;
		PERFORM telemetry.record_drift(device, metric, NULL, NULL, differs, repair);
		IF NOT repair THEN
			RETURN;
		END IF;
	END IF;

	UPDATE telemetry.audit AS a
	SET repaired = true
	WHERE NOT a.repaired AND a.device_id = device AND a.metric = audit_day.metric AND (a.day = audit_day.day OR a.day IS NULL);
END
$$;
COMMENT ON FUNCTION telemetry.audit_day(text, text, date, timestamptz, timestamptz) IS
	'Of job audit: compares the hours of a series'' day, which begins and ends at the times given, then the day, then the '
	'row of telemetry.series; writes down and repairs what differs. Returns how many hours there were, and how much '
	'differed.';

CREATE FUNCTION telemetry.job_audit() RETURNS boolean
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	looked_at telemetry.audit_run := (now() AT TIME ZONE 'UTC', 1, 0, 0, 0, 0, now());
	sample record;
	found record;
BEGIN
	FOR sample IN SELECT * FROM telemetry.audit_sample() LOOP
		BEGIN
			SELECT * INTO found
			FROM telemetry.audit_day(sample.device_id, sample.metric, sample.day, sample."from", sample."to");
			looked_at.hours := looked_at.hours + found.hours;
			looked_at.drifted := looked_at.drifted + found.drifted;
		EXCEPTION
			-- Damaged blocks, or rollups that cannot even be merged and are out of the reach of their points.
			WHEN data_corrupted OR invalid_parameter_value THEN
				looked_at.drifted := looked_at.drifted + 1;
				PERFORM telemetry.record_drift(sample.device_id, sample.metric, NULL, sample.day,
					jsonb_build_object('error', SQLERRM), false);
		END;
		looked_at.days := looked_at.days + 1;
		looked_at.series := looked_at.series + 1;
	END LOOP;

	INSERT INTO telemetry.audit_run AS r VALUES (looked_at.*)
	ON CONFLICT (day) DO UPDATE
	SET runs = r.runs + 1, hours = r.hours + excluded.hours, days = r.days + excluded.days,
		series = r.series + excluded.series, drifted = r.drifted + excluded.drifted, last_run_at = excluded.last_run_at;
	DELETE FROM telemetry.audit_run AS r WHERE r.day < looked_at.day - 90;
	DELETE FROM telemetry.audit AS a WHERE a.at < now() - interval '90 days';
	RETURN false;
END
$$;
COMMENT ON FUNCTION telemetry.job_audit() IS
	'Job audit: compares the hours of about 20 days of series with their points, these days with their hours and the '
	'rows of telemetry.series with the days; writes what differs to telemetry.audit, and repairs it. Needs READ COMMITTED.';

REVOKE ALL ON FUNCTION telemetry.compare_rollups(text, text, timestamptz, timestamptz, boolean),
	telemetry.audit_rollups(text, text, timestamptz, timestamptz),
	telemetry.repair_hours(text, text, timestamptz, timestamptz), telemetry.repair_day(text, text, date),
	telemetry.repair_series(text, text), telemetry.audit_sample(),
	telemetry.record_drift(text, text, timestamptz, date, jsonb, boolean),
	telemetry.audit_day(text, text, date, timestamptz, timestamptz), telemetry.job_audit() FROM PUBLIC;
GRANT SELECT ON telemetry.rolled_up_point, telemetry.audit, telemetry.audit_run, telemetry.audit_status TO telemetry_reader;
GRANT EXECUTE ON FUNCTION telemetry.compare_rollups(text, text, timestamptz, timestamptz, boolean),
	telemetry.audit_rollups(text, text, timestamptz, timestamptz) TO telemetry_admin;
