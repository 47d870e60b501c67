-- Retention: the job that applies the rules of telemetry.retention.

-- Where the job is. A day's pass takes what has expired since the pass before; the first one, and
-- the first after a rule was changed, takes all there is. Not dumped: a restored database begins so.
CREATE TABLE telemetry.retention_state (
	phase text NOT NULL CONSTRAINT phase_is_idle_points_or_rollups CHECK (phase IN ('idle', 'points', 'rollups')),
	pass_day date NOT NULL,
	done_day date NOT NULL,
	done_metric text COLLATE "C" NOT NULL,
	done_rollups bigint NOT NULL,
	one_row boolean PRIMARY KEY DEFAULT true CONSTRAINT there_is_one_row CHECK (one_row)
) WITH (fillfactor = 10);
COMMENT ON TABLE telemetry.retention_state IS
	'Where job retention is: the rules have been applied as of done_day; in phases points and rollups a pass is under '
	'way that applies them as of pass_day. Its rollups are done up to done_metric, of done_rollups devices'' days.';
COMMENT ON COLUMN telemetry.retention_state.phase IS 'points, rollups: what the pass is dropping; idle: none is under way.';
COMMENT ON COLUMN telemetry.retention_state.pass_day IS
	'UTC day as of which the last pass that began applies the rules; -infinity: none has since they were changed.';
COMMENT ON COLUMN telemetry.retention_state.done_day IS
	'UTC day as of which the rules have been applied; -infinity: never, or not since they were changed.';
COMMENT ON COLUMN telemetry.retention_state.done_metric IS
	'Last metric, in bytewise order, whose expired rollups are gone; empty: none yet.';
COMMENT ON COLUMN telemetry.retention_state.done_rollups IS 'Devices'' days of rollups that the pass has dropped.';
COMMENT ON COLUMN telemetry.retention_state.one_row IS 'Always true: a key that only one row can have.';
INSERT INTO telemetry.retention_state VALUES ('idle', '-infinity', '-infinity', '', 0);

CREATE TABLE telemetry.retention_todo (
	bucket smallint PRIMARY KEY,
	day date NOT NULL
);
COMMENT ON TABLE telemetry.retention_todo IS
	'The buckets that the pass of job retention has not finished, and from which day on it has not.';
COMMENT ON COLUMN telemetry.retention_todo.bucket IS 'As telemetry.block.bucket, from 0 on.';
COMMENT ON COLUMN telemetry.retention_todo.day IS 'First UTC day of which the bucket has not been gone through.';

-- Whoever may change rules does not change the job's state.
CREATE FUNCTION telemetry.retention_changed() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	DELETE FROM telemetry.retention_todo;
	UPDATE telemetry.retention_state SET phase = 'idle', pass_day = '-infinity', done_day = '-infinity';
	IF TG_RELID = 'telemetry.block'::regclass THEN
		DELETE FROM telemetry.drop_log WHERE cause <> 'delete';
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.retention_changed() IS
	'Trigger of telemetry.retention: job retention begins anew, and applies the rules to all there is. Also of '
	'telemetry.block: after TRUNCATE there is neither a point nor a rollup that the ledger could say anything about.';
CREATE TRIGGER retention_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON telemetry.retention
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.retention_changed();
CREATE TRIGGER retention_changed AFTER TRUNCATE ON telemetry.block
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.retention_changed();

-- Metrics by what retention does and did to them: those that a rule or the ledger names, and all others.
CREATE VIEW telemetry.retention_class AS
	WITH named AS (
		SELECT r.metric FROM telemetry.retention AS r WHERE r.metric IS NOT NULL
		UNION
		SELECT l.metric FROM telemetry.drop_log AS l WHERE l.cause <> 'delete' AND l.metric IS NOT NULL
		UNION
		SELECT e.metric FROM telemetry.drop_log AS l, unnest(l.except_metrics) AS e (metric) WHERE l.cause <> 'delete'
	)
	SELECT n.metric, r.retention_days, r.rollup_days, NULL::text[] COLLATE "C" AS except_metrics
	FROM named AS n
	LEFT JOIN telemetry.retention AS r
		ON coalesce(r.metric, '') = CASE
			WHEN EXISTS (SELECT FROM telemetry.retention AS own WHERE own.metric = n.metric) THEN n.metric ELSE '' END
	UNION ALL
	SELECT NULL, r.retention_days, r.rollup_days, ARRAY(SELECT n.metric FROM named AS n ORDER BY n.metric)
	FROM (SELECT) AS one_row
	LEFT JOIN telemetry.retention AS r ON r.metric IS NULL;
COMMENT ON VIEW telemetry.retention_class IS
	'How long points and rollups are kept, null: for ever; of each metric that has or had a rule, and (metric null) of '
	'all but except_metrics.';
COMMENT ON COLUMN telemetry.retention_class.metric IS 'The metric; null: all but except_metrics.';
COMMENT ON COLUMN telemetry.retention_class.except_metrics IS
	'Where metric is null, the metrics that have rows of their own; else null.';
SELECT telemetry.copy_comments('telemetry.retention', 'telemetry.retention_class');

CREATE FUNCTION telemetry.try_lock_rollups() RETURNS boolean
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'telemetry_try_lock_rollups';
COMMENT ON FUNCTION telemetry.try_lock_rollups() IS
	'As telemetry.lock_rollups(), but gives up after a second: false. Needs READ COMMITTED.';

CREATE FUNCTION telemetry.drop_expired_points(as_of date, since date) RETURNS boolean
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'telemetry_drop_expired_points';
COMMENT ON FUNCTION telemetry.drop_expired_points(date, date) IS
	'Of job retention: drops, from the buckets in telemetry.retention_todo, points that had not expired on one day and '
	'have on another. True if it stopped because it has done enough for a transaction; buckets that are then left '
	'over although it did not are locked by others.';

-- The ledger is written before anything is dropped, and under the lock that keeps everyone from
-- the rollups: who computes an hour of rollups again either has done so, or learns that the hour
-- is out of reach (tl_retention_is_out_of_reach).
CREATE FUNCTION telemetry.begin_retention(today date, since date) RETURNS boolean
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	oldest timestamptz;
	due boolean;
BEGIN
	IF NOT telemetry.try_lock_rollups() THEN
		RETURN false;
	END IF;

	-- A metric that has got a rule takes its history with it into rows of its own.
	INSERT INTO telemetry.drop_log (dropped_at, cause, metric, from_ts, to_ts, points)
	SELECT l.dropped_at, l.cause, c.metric, l.from_ts, l.to_ts, 0
	FROM telemetry.retention_class AS c
	JOIN telemetry.drop_log AS l ON l.cause <> 'delete' AND l.metric IS NULL AND c.metric <> ALL (l.except_metrics)
	WHERE c.metric IS NOT NULL;
	UPDATE telemetry.drop_log AS l
	SET except_metrics = c.except_metrics
	FROM telemetry.retention_class AS c
	WHERE c.metric IS NULL AND l.metric IS NULL AND l.cause <> 'delete' AND l.except_metrics <> c.except_metrics;

	SELECT date_trunc('day', min(b.min_ts), 'UTC') INTO oldest FROM telemetry.block AS b WHERE b.level >= 1;
	WITH pass AS MATERIALIZED (
		SELECT c.metric, c.except_metrics,
			greatest(oldest, (since - c.retention_days)::timestamp AT TIME ZONE 'UTC') AS from_ts,
			(today - c.retention_days)::timestamp AT TIME ZONE 'UTC' AS to_ts
		FROM telemetry.retention_class AS c
		WHERE c.retention_days IS NOT NULL AND oldest IS NOT NULL
	), points AS (
		INSERT INTO telemetry.drop_log AS l (cause, metric, except_metrics, from_ts, to_ts, points)
		SELECT 'retention', p.metric, p.except_metrics, p.from_ts, p.to_ts, 0
		FROM pass AS p
		WHERE p.from_ts < p.to_ts
		ON CONFLICT (cause, coalesce(metric, '')) WHERE cause <> 'delete' DO UPDATE
		SET from_ts = least(l.from_ts, excluded.from_ts), to_ts = greatest(l.to_ts, excluded.to_ts),
			except_metrics = excluded.except_metrics, dropped_at = now()
		RETURNING 1
	), rollups AS (
		-- Rollups that have come since those before them were dropped: from now on they are not of all
		-- their points either. If they are to be dropped as well, this pass does so, and says so.
		UPDATE telemetry.drop_log AS l
		SET to_ts = p.from_ts
		FROM pass AS p
		WHERE p.from_ts < p.to_ts AND l.cause = 'rollup retention' AND coalesce(l.metric, '') = coalesce(p.metric, '')
			AND l.to_ts > p.from_ts
	)
	SELECT EXISTS (SELECT FROM points) INTO due;

	IF due THEN
		INSERT INTO telemetry.retention_todo (bucket, day)
		SELECT b, since - (SELECT max(r.retention_days) FROM telemetry.retention AS r)
		FROM telemetry.layout AS y, generate_series(0, y.buckets - 1) AS b;
	END IF;
	UPDATE telemetry.retention_state
	SET phase = CASE WHEN due THEN 'points' ELSE 'rollups' END, pass_day = today, done_day = since,
		done_metric = '', done_rollups = 0;
	RETURN true;
END
$$;
COMMENT ON FUNCTION telemetry.begin_retention(date, date) IS
	'Of job retention: begins a pass that drops what has expired since a day, false if somebody else has the rollups'' '
	'lock. What it may drop is in the ledger from here on.';

-- Devices' days of one metric, so many at a time: each day goes whole, with its hours.
CREATE FUNCTION telemetry.drop_rollup_days(metric text, before date, at_once integer) RETURNS integer
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	devices text[];
	days date[];
	counts bigint[];
	oldest timestamptz;
BEGIN
	SELECT array_agg(d.device_id), array_agg(d.day), min(d.first_ts) INTO devices, days, oldest
	FROM (
		SELECT r.device_id, r.day, r.first_ts
		FROM telemetry.rollup_day AS r
		WHERE r.metric = $1 AND r.day < before
		ORDER BY r.day
		LIMIT at_once
	) AS d;
	IF devices IS NULL THEN
		RETURN 0;
	END IF;

	-- No zone is further from UTC than 15 hours, by which the index finds the hours of a day.
	DELETE FROM telemetry.rollup_hour AS h
	USING unnest(devices, days) AS d (device_id, day)
	WHERE h.device_id = d.device_id AND h.metric = $1 AND h.day = d.day
		AND h.hour >= (d.day::timestamp AT TIME ZONE 'UTC') - interval '15 hours'
		AND h.hour <= (d.day::timestamp AT TIME ZONE 'UTC') + interval '39 hours';
	WITH gone AS (
		DELETE FROM telemetry.rollup_day AS r
		USING unnest(devices, days) AS d (device_id, day)
		WHERE r.device_id = d.device_id AND r.metric = $1 AND r.day = d.day
		RETURNING r.device_id, r.n + r.others AS points
	)
	SELECT array_agg(g.device_id), array_agg(g.points) INTO devices, counts
	FROM (SELECT gone.device_id, sum(gone.points)::bigint AS points FROM gone GROUP BY gone.device_id) AS g;

	UPDATE telemetry.series AS s
	SET n = s.n - d.points, first_ts = f.first_ts
	FROM unnest(devices, counts) AS d (device_id, points)
	CROSS JOIN LATERAL (
		SELECT r.first_ts
		FROM telemetry.rollup_day AS r
		WHERE r.device_id = d.device_id AND r.metric = $1
		ORDER BY r.day
		LIMIT 1
	) AS f
	WHERE s.device_id = d.device_id AND s.metric = $1;
	DELETE FROM telemetry.series AS s
	USING unnest(devices) AS d (device_id)
	WHERE s.device_id = d.device_id AND s.metric = $1 AND NOT EXISTS (
		SELECT FROM telemetry.rollup_day AS r WHERE r.device_id = d.device_id AND r.metric = $1);

	-- How far they are all gone is known at the end of the pass.
	INSERT INTO telemetry.drop_log AS l (cause, metric, except_metrics, from_ts, to_ts, points)
	SELECT 'rollup retention', c.metric, c.except_metrics, oldest, '-infinity',
		(SELECT sum(k) FROM unnest(counts) AS k)
	FROM telemetry.retention_class AS c
	WHERE CASE WHEN c.metric IS NULL THEN $1 <> ALL (c.except_metrics) ELSE c.metric = $1 END
	ON CONFLICT (cause, coalesce(metric, '')) WHERE cause <> 'delete' DO UPDATE
	SET from_ts = least(l.from_ts, excluded.from_ts), points = l.points + excluded.points, dropped_at = now();
	RETURN cardinality(days);
END
$$;
COMMENT ON FUNCTION telemetry.drop_rollup_days(text, date, integer) IS
	'Of job retention: drops the daily and hourly rollups of a metric''s first days before a date, of so many devices'' '
	'days at the most, and returns how many these were. Series that have no rollups left go as well.';

CREATE FUNCTION telemetry.drop_expired_rollups(as_of date) RETURNS boolean
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	at_once CONSTANT integer := 2000;
	dropped integer := 0;
	days_of_named jsonb;
	days_of_others integer;
	days integer;
	done text COLLATE "C";
	next text COLLATE "C";
BEGIN
	SELECT coalesce(jsonb_object_agg(r.metric, r.rollup_days) FILTER (WHERE r.metric IS NOT NULL), '{}'),
		min(r.rollup_days) FILTER (WHERE r.metric IS NULL)
	INTO days_of_named, days_of_others
	FROM telemetry.retention AS r;
	SELECT s.done_metric INTO done FROM telemetry.retention_state AS s;
	LOOP
		SELECT r.metric INTO next FROM telemetry.rollup_day AS r WHERE r.metric > done ORDER BY r.metric LIMIT 1;
		EXIT WHEN NOT FOUND;
		days := CASE WHEN days_of_named ? next THEN (days_of_named ->> next)::integer ELSE days_of_others END;
		IF days IS NOT NULL THEN
			dropped := dropped + telemetry.drop_rollup_days(next,
				telemetry.day_of((as_of - days)::timestamp AT TIME ZONE 'UTC'), at_once - dropped);
			EXIT WHEN dropped = at_once;
		END IF;
		done := next;
	END LOOP;
	UPDATE telemetry.retention_state SET done_metric = done, done_rollups = done_rollups + dropped;
	RETURN dropped = at_once;
END
$$;
COMMENT ON FUNCTION telemetry.drop_expired_rollups(date) IS
	'Of job retention: drops rollups that have expired on a day, of 2000 devices'' days. True if there may be more.';

CREATE FUNCTION telemetry.end_retention(as_of date) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- From here on, what points there are of such hours, and what rollups, are those that came since.
	INSERT INTO telemetry.drop_log AS l (cause, metric, except_metrics, from_ts, to_ts, points)
	SELECT 'rollup retention', c.metric, c.except_metrics, p.from_ts, b.before::timestamp AT TIME ZONE y.day_timezone, 0
	FROM telemetry.retention_class AS c
	CROSS JOIN telemetry.layout AS y
	CROSS JOIN LATERAL telemetry.day_of((as_of - c.rollup_days)::timestamp AT TIME ZONE 'UTC') AS b (before)
	JOIN telemetry.drop_log AS p ON p.cause = 'retention' AND coalesce(p.metric, '') = coalesce(c.metric, '')
	WHERE p.from_ts < b.before::timestamp AT TIME ZONE y.day_timezone
	ON CONFLICT (cause, coalesce(metric, '')) WHERE cause <> 'delete' DO UPDATE
	SET from_ts = least(l.from_ts, excluded.from_ts), to_ts = greatest(l.to_ts, excluded.to_ts);
	DELETE FROM telemetry.drop_log AS l WHERE l.cause = 'delete' AND l.dropped_at < now() - interval '1 year';
	UPDATE telemetry.retention_state SET phase = 'idle', done_day = as_of;
END
$$;
COMMENT ON FUNCTION telemetry.end_retention(date) IS
	'Of job retention: ends a pass, and removes deletions older than a year from the ledger.';

CREATE FUNCTION telemetry.job_retention() RETURNS boolean
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	today CONSTANT date := clock_timestamp() AT TIME ZONE 'UTC';
	state telemetry.retention_state;
	more boolean;
	left_over bigint;
BEGIN
	-- Keeps away others that do the same, and keeps the rules as they are to the end of the step.
	BEGIN
		LOCK TABLE telemetry.retention IN SHARE ROW EXCLUSIVE MODE NOWAIT;
	EXCEPTION WHEN lock_not_available THEN
		RETURN false;
	END;
	SELECT * INTO state FROM telemetry.retention_state;

	IF state.phase = 'idle' THEN
		IF state.done_day = today THEN
			RETURN false;
		END IF;
		-- If the clock has gone back, what was done in its future counts for nothing.
		RETURN telemetry.begin_retention(today, CASE WHEN state.done_day < today THEN state.done_day ELSE '-infinity' END);
	END IF;

	IF state.phase = 'points' THEN
		more := telemetry.drop_expired_points(state.pass_day, state.done_day);
		SELECT count(*) INTO left_over FROM telemetry.retention_todo;
		PERFORM telemetry.report_progress('retention', 'buckets', y.buckets - left_over, y.buckets)
		FROM telemetry.layout AS y;
		IF left_over = 0 THEN
			UPDATE telemetry.retention_state SET phase = 'rollups';
		END IF;
		RETURN more OR left_over = 0;
	END IF;

	IF NOT telemetry.try_lock_rollups() THEN
		RETURN false;
	END IF;
	IF telemetry.drop_expired_rollups(state.pass_day) THEN
		PERFORM telemetry.report_progress('retention', 'rollup days', s.done_rollups) FROM telemetry.retention_state AS s;
		RETURN true;
	END IF;
	PERFORM telemetry.end_retention(state.pass_day);
	RETURN state.pass_day < today;
END
$$;
COMMENT ON FUNCTION telemetry.job_retention() IS
	'Job retention: once a UTC day, and after a change of telemetry.retention, drops the points, then the rollups, that '
	'are older than the rules allow. Each call drops from about 100 blocks or 2 million points, or 2000 devices'' days '
	'of rollups; true if there is more. Does nothing while another transaction does it or changes rules. Needs READ '
	'COMMITTED.';

REVOKE ALL ON FUNCTION telemetry.try_lock_rollups(), telemetry.drop_expired_points(date, date),
	telemetry.begin_retention(date, date), telemetry.drop_rollup_days(text, date, integer),
	telemetry.drop_expired_rollups(date), telemetry.end_retention(date), telemetry.job_retention() FROM PUBLIC;
GRANT SELECT ON telemetry.retention_state, telemetry.retention_todo, telemetry.retention_class TO telemetry_admin;
