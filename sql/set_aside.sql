-- What cannot be rolled up is set aside: it holds up nothing else, is read like all other points, and is rolled up when it can be.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = telemetry, public;
TRUNCATE block, dead_letter, drop_log;
DELETE FROM retention;

-- What telemetry.point is to read like, and the rollups to be of.
CREATE TEMP TABLE model (device_id text, metric text, ts timestamptz, num float8, PRIMARY KEY (device_id, metric, ts));
CREATE FUNCTION pg_temp.write(devices text[], first int, last int, plus float8, mixed boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('telemetry.mixed_block_points', CASE WHEN mixed THEN '16384' ELSE '0' END, true);
	INSERT INTO telemetry.point (ts, device_id, metric, value)
	SELECT '2024-01-01'::timestamptz + i * interval '10 minutes', d, 'm', (i + plus)::telemetry.value FROM unnest(devices) AS d, generate_series(first, last) AS i;
	INSERT INTO model SELECT d, 'm', '2024-01-01'::timestamptz + i * interval '10 minutes', i + plus FROM unnest(devices) AS d, generate_series(first, last) AS i
	ON CONFLICT (device_id, metric, ts) DO UPDATE SET num = excluded.num;
END
$$;
-- How a view by hour or day differs from the model, for some devices.
CREATE FUNCTION pg_temp.wrong(view regclass, period text, devices text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	answer bigint;
BEGIN
	EXECUTE format($query$
		WITH stored AS (SELECT device_id::text, metric::text, %2$s::timestamptz AS at, n, sum, min, max, first, last FROM %1$s WHERE device_id ~ $1),
		wanted AS (
			SELECT device_id, metric, date_trunc(%2$L, ts), count(*), sum(num), min(num), max(num), (array_agg(num ORDER BY ts))[1], (array_agg(num ORDER BY ts DESC))[1]
			FROM model WHERE device_id ~ $1 GROUP BY 1, 2, 3)
		SELECT (SELECT count(*) FROM (TABLE stored EXCEPT ALL TABLE wanted) AS s) + (SELECT count(*) FROM (TABLE wanted EXCEPT ALL TABLE stored) AS s)
	$query$, view, period) INTO answer USING devices;
	RETURN answer;
END
$$;
CREATE FUNCTION pg_temp.check(devices text DEFAULT '') RETURNS TABLE (points bigint, live_hours bigint, live_days bigint) LANGUAGE sql AS $$
	SELECT (SELECT count(*)
			FROM (SELECT device_id, metric, ts, num FROM telemetry.point WHERE device_id ~ devices) AS p
			FULL JOIN (SELECT * FROM model WHERE device_id ~ devices) AS m USING (device_id, metric, ts) WHERE p.num IS DISTINCT FROM m.num),
		pg_temp.wrong('telemetry.metric_hourly_live', 'hour', devices), pg_temp.wrong('telemetry.metric_daily_live', 'day', devices)
$$;
CREATE FUNCTION pg_temp.check_rolled_up(devices text DEFAULT '') RETURNS TABLE (hours bigint, days bigint, series bigint) LANGUAGE sql AS $$
	SELECT pg_temp.wrong('telemetry.metric_hourly', 'hour', devices), pg_temp.wrong('telemetry.metric_daily', 'day', devices),
		(SELECT count(*)
		FROM (SELECT device_id, metric, n, first_ts, last_ts, last_value::float8 FROM telemetry.series WHERE device_id ~ devices) AS s
		FULL JOIN (SELECT device_id, metric, count(*) AS n, min(ts) AS first_ts, max(ts) AS last_ts, (array_agg(num ORDER BY ts DESC))[1] AS last_value
			FROM model WHERE device_id ~ devices GROUP BY 1, 2) AS m USING (device_id, metric)
		WHERE (s.n, s.first_ts, s.last_ts, s.last_value) IS DISTINCT FROM (m.n, m.first_ts, m.last_ts, m.last_value))
$$;
-- The newest block with a device's points becomes unreadable, and readable again.
CREATE TEMP TABLE original (bucket int, day date, seq bigint, data bytea);
CREATE FUNCTION pg_temp.damage(device text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	damaged bigint;
BEGIN
	INSERT INTO original SELECT bucket, day, seq, data
	FROM (SELECT * FROM telemetry.block AS b WHERE NOT EXISTS (SELECT FROM original AS o WHERE o.seq = b.seq) OFFSET 0) AS b
	WHERE EXISTS (SELECT FROM telemetry.block_series(data) AS s WHERE s.device_id = device) ORDER BY seq DESC LIMIT 1;
	UPDATE telemetry.block AS b SET data = set_byte(b.data, length(b.data) - 1, get_byte(b.data, length(b.data) - 1) # 255)
	FROM original AS o WHERE (b.bucket, b.day, b.seq) = (o.bucket, o.day, o.seq) AND b.data = o.data;
	GET DIAGNOSTICS damaged = ROW_COUNT;
	RETURN damaged;
END
$$;
CREATE FUNCTION pg_temp.repair() RETURNS void LANGUAGE sql AS $$
	UPDATE telemetry.block AS b SET data = o.data FROM original AS o WHERE (b.bucket, b.day, b.seq) = (o.bucket, o.day, o.seq);
	TRUNCATE original;
$$;
CREATE FUNCTION pg_temp.forget() RETURNS void LANGUAGE sql AS $$ TRUNCATE telemetry.block, model, original $$;
-- What has points of a device cannot be rolled up, by an error of that code.
CREATE FUNCTION public.set_aside_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM telemetry.block_series(NEW.data) AS s WHERE s.device_id = TG_ARGV[0]) THEN
		RAISE EXCEPTION USING ERRCODE = TG_ARGV[1], MESSAGE = format('device %s is refused', TG_ARGV[0]);
	END IF;
	RETURN NEW;
END
$$;
CREATE FUNCTION pg_temp.refuse(device text, code text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_trigger WHERE tgname = 'refuse') THEN
		DROP TRIGGER refuse ON telemetry.block_1;
	END IF;
	IF device IS NOT NULL THEN
		EXECUTE format('CREATE TRIGGER refuse BEFORE INSERT ON telemetry.block_1 FOR EACH ROW EXECUTE FUNCTION public.set_aside_refuse(%L, %L)', device, code);
	END IF;
END
$$;
CREATE VIEW pg_temp.status AS
	SELECT s.status, s.set_aside, regexp_replace(s.set_aside_error, 'seq \d+', 'seq N') AS set_aside_error, f.pending_blocks, f.pending_points, f.lag, f.set_aside_blocks, f.set_aside_points
	FROM job_status AS s, freshness AS f WHERE s.name = 'roll_up';

-- a_damaged_block_holds_up_nothing_else: one device's, between others of its bucket and day
SELECT pg_temp.write('{a,b,c,d,e,f,g}', 0, 59, 0, false);
SELECT job_roll_up();
SELECT pg_temp.write('{c}', 30, 89, 0.25, false);
SELECT pg_temp.damage('c');
SELECT pg_temp.write('{a,b,c,d,e,f,g}', 40, 89, 0.5, false);
CALL run_jobs('roll_up', wait => true);
SELECT * FROM pg_temp.status;
SELECT * FROM pg_temp.check_rolled_up('[^c]');
SELECT sum(num) = (SELECT sum(num) FROM model WHERE device_id = 'a') AS others_are_read FROM point WHERE device_id = 'a';
SELECT day, points, bytes > points AS bytes, min_ts, max_ts, error_code, tries, set_aside_at <= tried_at AS tried, next_try_at - tried_at < '11 min' AS soon FROM set_aside;
-- its_points_are_read_as_before
\set VERBOSITY sqlstate
SELECT count(value::text) FROM point WHERE device_id = 'c';
SELECT count(n) FROM metric_hourly_live WHERE device_id = 'c';
SELECT delete_points('c', 'm', '2024-01-01', '2024-01-02');
SELECT refresh_device('c', NULL, NULL, NULL);
\set VERBOSITY terse
SELECT newest_point, newest_rolled_up FROM freshness;
-- it_is_tried_again when it is due, or when that is asked for
CALL run_jobs('roll_up');
SELECT tries FROM set_aside;
SELECT retry_set_aside();
CALL run_jobs('roll_up');
SELECT tries, next_try_at - tried_at BETWEEN '19 min' AND '21 min' AS later FROM set_aside;
-- newer_points_still_win: what was merged meanwhile was not merged across it
CALL compact();
SELECT level, count(*) FROM block WHERE bucket = (SELECT bucket FROM set_aside) GROUP BY 1 ORDER BY 1;
SELECT pg_temp.repair();
SELECT * FROM pg_temp.check();
SELECT retry_set_aside();
CALL run_jobs('roll_up');
SELECT * FROM pg_temp.status;
SELECT * FROM pg_temp.check();
SELECT * FROM pg_temp.check_rolled_up();
SELECT count(*) FROM audit_rollups();
CALL compact();
SELECT * FROM pg_temp.check();
SELECT max(blocks) FROM (SELECT count(*) AS blocks FROM block GROUP BY bucket, day) AS b;
SELECT count(*) FROM set_aside_state;

-- a_damaged_mixed_block: what comes after it is rolled up, of all devices
SELECT pg_temp.forget();
SELECT pg_temp.write('{a,b,c,d,e,f,g}', 0, 59, 0, true);
SELECT pg_temp.write('{a,c,e}', 30, 89, 0.25, true);
SELECT pg_temp.damage('c');
SELECT pg_temp.write('{a,b,c,d,e,f,g}', 40, 89, 0.5, true);
SELECT pg_temp.write('{h}', 40, 89, 0.5, true);
CALL run_jobs('roll_up');
SELECT * FROM pg_temp.status;
SELECT * FROM pg_temp.check_rolled_up('[^ace]');
SELECT device_id, sum(n) FROM metric_hourly GROUP BY 1 ORDER BY 1;
CALL compact();
SELECT pg_temp.repair();
SELECT * FROM pg_temp.check();
SELECT retry_set_aside();
CALL run_jobs('roll_up');
SELECT * FROM pg_temp.check();
SELECT * FROM pg_temp.check_rolled_up();

-- many_damaged_blocks among others
SELECT pg_temp.forget();
SELECT count(pg_temp.write(ARRAY['a', 'd' || i], i, i + 20, i / 64.0, i % 3 = 0)) FROM generate_series(1, 90) AS i;
SELECT sum(pg_temp.damage('d' || i)) FROM generate_series(1, 90, 11) AS i;
SET client_min_messages = error;
CALL run_jobs('roll_up');
RESET client_min_messages;
SELECT * FROM pg_temp.status;
SELECT count(*) FROM series WHERE device_id <> 'a';
SELECT pg_temp.repair();
SELECT retry_set_aside();
CALL run_jobs('roll_up');
SELECT * FROM pg_temp.status;
SELECT * FROM pg_temp.check();
SELECT * FROM pg_temp.check_rolled_up();

-- of_a_mixed_block only the bucket is set aside that is to blame
SELECT pg_temp.forget();
SELECT pg_temp.write('{a,b,c,d}', 0, 30, 0, true);
SELECT job_roll_up();
SELECT pg_temp.refuse('b', '54000');
SELECT pg_temp.write('{a,b,c,d}', 20, 50, 0.25, true);
SELECT pg_temp.write('{a,b,c,d}', 45, 60, 0.5, true);
CALL run_jobs('roll_up');
SELECT * FROM pg_temp.status;
SELECT min(bucket) >= 0 AS of_a_bucket, array_agg(error_code) AS codes,
	(SELECT array_agg(DISTINCT s.device_id) FROM block AS b, block_series(b.data) AS s WHERE b.level = -1) AS devices
FROM set_aside;
SELECT * FROM pg_temp.check_rolled_up('[^b]');
SELECT * FROM pg_temp.check();
-- points_of_a_block_set_aside_are_deleted
SELECT delete_points('b', 'm', '2024-01-01 07:00', '2024-01-01 08:00');
DELETE FROM model WHERE device_id = 'b' AND ts >= '2024-01-01 07:00' AND ts < '2024-01-01 08:00';
SELECT * FROM pg_temp.check();
SELECT set_aside_blocks, set_aside_points FROM freshness;
SELECT pg_temp.refuse(NULL, NULL);
SELECT retry_set_aside();
CALL run_jobs('roll_up');
SELECT * FROM pg_temp.status;
SELECT * FROM pg_temp.check();
SELECT * FROM pg_temp.check_rolled_up();
-- once_all_of_its_points_are_deleted nothing is left of it
SELECT pg_temp.refuse('b', '54000');
SELECT pg_temp.write('{b}', 100, 110, 0, false);
CALL run_jobs('roll_up');
SELECT delete_points('b', NULL, '2024-01-01 16:40', NULL);
SELECT set_aside FROM pg_temp.status;
SELECT retry_set_aside();
SELECT job_prune();
SELECT count(*) FROM set_aside_state;
SELECT pg_temp.refuse(NULL, NULL);

-- late_points_of_a_damaged_block_that_is_rolled_up hold up no others
SELECT pg_temp.forget();
SELECT pg_temp.write('{a,b,c,d}', 0, 30, 0, false);
CALL run_jobs('roll_up');
SELECT pg_temp.damage('c');
SELECT pg_temp.write('{a,b,c,d}', 20, 50, 0.25, true);
CALL run_jobs('roll_up');
SELECT * FROM pg_temp.status;
SELECT * FROM pg_temp.check_rolled_up('[^c]');
SELECT pg_temp.repair();
SELECT retry_set_aside();
CALL run_jobs('roll_up');
SELECT * FROM pg_temp.check();
SELECT * FROM pg_temp.check_rolled_up();

-- other_errors_are_raised: they would meet any block
SELECT pg_temp.forget();
SELECT pg_temp.write('{a,b}', 0, 30, 0, true);
CREATE FUNCTION pg_temp.outcome(code text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.refuse('b', code);
	PERFORM telemetry.job_roll_up();
	RETURN 'nothing is raised';
EXCEPTION WHEN OTHERS OR query_canceled THEN
	RETURN sqlstate || ' ' || sqlerrm;
END
$$;
SELECT code, pg_temp.outcome(code), (SELECT count(*) FROM set_aside) AS set_aside
FROM unnest('{53100,53200,57014,57P01,40001,40P01,55P03,23505,42501,XX000}'::text[]) AS code;
-- even_after_another_block_has_been_set_aside in the same step
SELECT pg_temp.write('{c}', 0, 30, 0, false);
SELECT pg_temp.damage('c');
SELECT pg_temp.write('{b}', 0, 30, 0, false);
SELECT pg_temp.refuse('b', '53200');
CALL run_jobs('roll_up');
SELECT status, set_aside, pending_blocks FROM pg_temp.status;
SELECT pg_temp.refuse(NULL, NULL);
CALL run_jobs('roll_up');
SELECT status, set_aside, pending_blocks FROM pg_temp.status;

-- retention_drops_it with its day, although it cannot be read
INSERT INTO retention VALUES ('another', 30, NULL), (NULL, 60, NULL);
CALL run_jobs('retention');
SELECT retry_set_aside();
CALL run_jobs('roll_up');
SELECT status, set_aside, pending_blocks FROM pg_temp.status;
SELECT count(*) FROM block;
SELECT count(*) FROM set_aside_state;
DELETE FROM retention;
-- but_not_while_points_of_any_metric_are_kept
SELECT pg_temp.forget();
INSERT INTO retention VALUES ('another', NULL, NULL), (NULL, 60, NULL);
CALL run_jobs('retention');
SELECT pg_temp.write('{c}', 0, 30, 0, false);
SELECT pg_temp.damage('c');
CALL run_jobs('roll_up');
SELECT retry_set_aside();
CALL run_jobs('roll_up');
SELECT set_aside_blocks FROM freshness;
SELECT pg_temp.repair();
SELECT retry_set_aside();
CALL run_jobs('roll_up');
SELECT set_aside_blocks FROM freshness;
SELECT count(*) FROM block;
DELETE FROM retention;
CALL run_jobs('retention');

-- nor_does_what_was_damaged_when_rolled_up: retention leaves its day alone until all of it has expired, and job compact
SELECT pg_temp.forget();
SET telemetry.settle_time = 0;
SELECT pg_temp.write('{c}', 0, 30, k / 10.0, false), pg_temp.write('{c}', 150, 170, k / 10.0, false), job_roll_up() FROM generate_series(1, 3) AS k \g /dev/null
SELECT count(*) AS blocks, min(level) AS level FROM block;
UPDATE block AS b SET data = set_byte(b.data, length(b.data) - 1, get_byte(b.data, length(b.data) - 1) # 255)
WHERE seq = (SELECT max(seq) FROM block WHERE day = '2024-01-01');
SELECT day, level, points, error FROM damaged_blocks();
CALL run_jobs('compact');
CALL compact();
SELECT day, count(*) AS blocks FROM block GROUP BY 1 ORDER BY 1;
INSERT INTO retention VALUES ('another', NULL, NULL), ('m', 60, NULL);
SET client_min_messages = error;
CALL run_jobs('retention');
RESET client_min_messages;
SELECT day, count(*) AS blocks FROM block GROUP BY 1 ORDER BY 1;
SELECT last_status FROM job_state WHERE name = 'retention';
SELECT sum(points) FROM drop_log WHERE cause = 'retention';
INSERT INTO retention VALUES (NULL, 60, NULL);
UPDATE retention SET retention_days = 60;
CALL run_jobs('retention');
SELECT count(*) AS blocks FROM block;
RESET telemetry.settle_time;
DELETE FROM retention;
CALL run_jobs('retention');

-- what_nothing_is_noted_of is tried again
SELECT pg_temp.forget();
SELECT pg_temp.write('{c}', 0, 30, 0, false);
UPDATE block SET level = -1;
SELECT points, error FROM set_aside;
CALL run_jobs('roll_up');
SELECT * FROM pg_temp.check_rolled_up();
-- truncate_forgets_it
SELECT pg_temp.write('{c}', 0, 30, 0, false);
SELECT pg_temp.damage('c');
CALL run_jobs('roll_up');
SELECT pg_temp.forget();
SELECT count(*) FROM set_aside_state;
TRUNCATE drop_log;
DROP FUNCTION public.set_aside_refuse;
