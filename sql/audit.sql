-- Audit: rollups that differ from the points are found, written down and repaired; others are left alone.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = telemetry, public;
TRUNCATE block, drop_log, audit, audit_run;
DELETE FROM retention;

-- Three devices over two days: plain numbers, numbers of all sizes, and values of other kinds.
INSERT INTO point (ts, device_id, metric, value)
SELECT '2024-05-01'::timestamptz + i * interval '10 minutes', d, m, CASE m
	WHEN 'plain' THEN (20 + sin(i / 10.0))::float8::value
	WHEN 'wild' THEN (ARRAY['NaN', 'Infinity', '-Infinity', '1.7e308', '-1.7e308', '5e-324', '-0', '0', '1e16', '-1e16', '0.1', '3e-310'])[1 + (i * 7 + i / 12) % 12]::float8::value
	WHEN 'large' THEN (ARRAY['1.7e308', '-1.7e308', '1e300', '0'])[1 + i % 4]::float8::value
	WHEN 'small' THEN (ARRAY['5e-324', '-5e-324', '0', '1e-310'])[1 + i % 4]::float8::value
	WHEN 'far' THEN (1e9 + i % 7)::float8::value
	ELSE (ARRAY['"text"', 'true', '{"a": 1}', '7'])[1 + i % 4]::value END
FROM generate_series(0, 287) AS i, unnest(ARRAY['d1', 'd2', 'd3']) AS d,
	unnest(ARRAY['plain', 'wild', 'large', 'small', 'far', 'mixed']) AS m
-- In parts, so that rollups are put together from several.
WHERE i % 3 < 2;
SELECT job_roll_up();
INSERT INTO point (ts, device_id, metric, value)
SELECT ts + interval '3 minutes', device_id, metric, value FROM point WHERE extract(minute FROM ts) < 30;
SELECT job_roll_up();
INSERT INTO point (ts, device_id, metric, value)
SELECT ts + interval '2 hours', device_id, metric, value FROM point WHERE ts >= '2024-05-02 20:00';
SELECT job_roll_up();
SELECT count(*) AS hours, sum(n + others) AS points FROM rollup_hour;
CREATE VIEW pg_temp.found AS
	SELECT device_id, metric, hour, day, differs, repaired FROM audit ORDER BY device_id, metric, day, hour;
-- Runs the job until there are so many findings.
CREATE PROCEDURE pg_temp.run_until(findings bigint) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 1000 LOOP
		EXIT WHEN (SELECT count(*) FROM telemetry.audit) >= findings;
		PERFORM telemetry.job_audit();
	END LOOP;
END
$$;

-- nothing_is_found_where_all_is_right, not of any kind of value either
SELECT * FROM audit_rollups();
SELECT count(job_audit()) AS runs FROM generate_series(1, 30);
SELECT * FROM pg_temp.found;
SELECT runs, hours > 1000 AS hours, days > 100 AS days, series = days AS series, drifted, last_run_at > now() - interval '1 minute' AS just_now FROM audit_run;
SELECT hours > 1000 AS hours, drifted, not_repaired, last_drift_at FROM audit_status;

-- pending_points_are_not_missed: late ones, newer values, new series
INSERT INTO point (ts, device_id, metric, value) VALUES
	('2024-05-01 10:00', 'd1', 'plain', '1000'), ('2024-05-01 10:00:01', 'd1', 'plain', '1000'), ('2024-05-03', 'd1', 'plain', '1000'), ('2024-05-01', 'd4', 'plain', '1000');
SELECT * FROM audit_rollups();
SELECT count(job_audit()) AS runs FROM generate_series(1, 30);
SELECT * FROM pg_temp.found;

-- what_differs_is_told
UPDATE rollup_hour SET n = n + 1, max = 99, sum = sum * 1.000001 WHERE device_id = 'd1' AND metric = 'plain' AND hour = '2024-05-01 06:00';
UPDATE rollup_hour SET m2 = m2 * 1.001, first_ts = first_ts - interval '1 second' WHERE device_id = 'd2' AND metric = 'plain' AND hour = '2024-05-01 07:00';
UPDATE rollup_hour SET others = 0 WHERE device_id = 'd1' AND metric = 'mixed' AND hour = '2024-05-02 08:00';
UPDATE rollup_hour SET sketch = NULL, first = 0, last = 0 WHERE device_id = 'd3' AND metric = 'far' AND hour = '2024-05-02 08:00';
UPDATE rollup_hour SET sum = 'Infinity' WHERE device_id = 'd1' AND metric = 'far' AND hour = '2024-05-02 08:00';
DELETE FROM rollup_hour WHERE device_id = 'd2' AND metric = 'mixed' AND hour = '2024-05-01 09:00';
INSERT INTO rollup_hour (device_id, metric, hour, day, n, others, first_ts, last_ts) VALUES ('d3', 'plain', '2024-05-03 05:00', '2024-05-03', 0, 3, '2024-05-03 05:00', '2024-05-03 05:30');
-- Rounding is none.
UPDATE rollup_hour SET sum = sum * (1 + 1e-12), m2 = m2 * (1 + 1e-12) WHERE device_id = 'd3' AND metric = 'plain';
SELECT device_id, metric, hour, differs - 'sketch' - 'first' AS differs, differs ? 'sketch' AS sketch, differs ? 'first' AS first FROM audit_rollups();
-- of_what_was_asked_for
SELECT device_id, metric, hour FROM audit_rollups('d1');
SELECT device_id, metric, hour FROM audit_rollups(metric => 'mixed');
SELECT device_id, metric, hour FROM audit_rollups('d2', 'mixed');
SELECT device_id, metric, hour FROM audit_rollups("from" => '2024-05-01 07:59:59.999999', "to" => '2024-05-01 09:00:00.000001');
SELECT device_id, metric, hour FROM audit_rollups("from" => '2024-05-01 08:00', "to" => '2024-05-01 09:00');
SELECT device_id, metric, hour FROM audit_rollups("from" => '-infinity', "to" => '2024-05-01 06:00:00.000001');
SELECT count(*) FROM audit_rollups('d1', 'plain', '2024-05-02', '2024-05-01');
SELECT count(*) FROM audit;

-- it_is_found_and_repaired, and the day and the series with it
CALL pg_temp.run_until(7);
SELECT count(job_audit()) AS runs FROM generate_series(1, 10);
SELECT device_id, metric, hour, day, (SELECT string_agg(f, ' ' ORDER BY f) FROM jsonb_object_keys(differs) AS f) AS differs, repaired FROM pg_temp.found;
SELECT * FROM audit_rollups();
SELECT count(*) FROM series AS s WHERE compare_series(s.device_id, s.metric) IS NOT NULL;
SELECT count(*) FROM rollup_day AS d WHERE compare_day(d.device_id, d.metric, d.day) IS NOT NULL;
SELECT drifted, not_repaired, last_drift_at IS NOT NULL AS drift FROM audit_status;

-- days_and_series: wrong, missing, without hours; a series' day without any rollup
TRUNCATE audit;
UPDATE rollup_day SET min = -99 WHERE device_id = 'd1' AND metric = 'plain' AND day = '2024-05-01';
DELETE FROM rollup_day WHERE device_id = 'd1' AND metric = 'far' AND day = '2024-05-01';
DELETE FROM rollup_hour WHERE device_id = 'd2' AND metric = 'far' AND day = '2024-05-02';
DELETE FROM rollup_day WHERE device_id = 'd2' AND metric = 'far' AND day = '2024-05-02';
UPDATE series SET n = n - 1 WHERE device_id = 'd3' AND metric = 'far';
DELETE FROM series WHERE device_id = 'd3' AND metric = 'plain';
INSERT INTO rollup_day (device_id, metric, day, n, others, first_ts, last_ts) VALUES ('d2', 'plain', '2024-05-02', 0, 3, '2024-05-02', '2024-05-02') ON CONFLICT (device_id, metric, day) DO UPDATE SET others = 3;
INSERT INTO series (device_id, metric, n, first_ts, last_ts) VALUES ('d9', 'none', 5, '2024-05-01', '2024-05-02');
INSERT INTO rollup_day (device_id, metric, day, n, others, first_ts, last_ts) VALUES ('d9', 'none', '2024-05-02', 0, 5, '2024-05-02', '2024-05-02');
CREATE PROCEDURE pg_temp.run_while_drifting() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 1000 LOOP
		EXIT WHEN NOT EXISTS (SELECT FROM telemetry.audit_rollups())
			AND NOT EXISTS (SELECT FROM telemetry.series AS s WHERE telemetry.compare_series(s.device_id, s.metric) IS NOT NULL)
			AND NOT EXISTS (SELECT FROM telemetry.rollup_day AS d WHERE telemetry.compare_day(d.device_id, d.metric, d.day) IS NOT NULL)
			-- A series agrees with its days, also while one is missing.
			AND NOT EXISTS (SELECT h.device_id, h.metric, h.day FROM telemetry.rollup_hour AS h EXCEPT SELECT d.device_id, d.metric, d.day FROM telemetry.rollup_day AS d)
			AND (SELECT count(DISTINCT (device_id, metric)) FROM telemetry.rollup_hour) = (SELECT count(*) FROM telemetry.series);
		PERFORM telemetry.job_audit() FROM generate_series(1, 20);
	END LOOP;
END
$$;
CALL pg_temp.run_while_drifting();
-- Of d2's day, whose hours are gone as well, either may be found first and repaired with the other.
SELECT device_id, metric, count(hour) > 0 AS hours, bool_or(hour IS NULL) OR (device_id, metric) = ('d2', 'far') AS days_or_series, bool_and(repaired) AS repaired FROM audit GROUP BY 1, 2 ORDER BY 1, 2;
SELECT * FROM audit_rollups();
SELECT device_id, metric, n = (SELECT count(*) FROM rolled_up_point AS p WHERE (p.device_id, p.metric) = (s.device_id, s.metric)) AS n_is_right,
	(first_ts, last_ts) = (SELECT min(ts), max(ts) FROM rolled_up_point AS p WHERE (p.device_id, p.metric) = (s.device_id, s.metric)) AS times_are_right
FROM series AS s WHERE metric IN ('far', 'plain', 'none') ORDER BY 1, 2;

-- what_cannot_be_repaired_now waits, and is told once: here, rollups out of reach that make no sense together
TRUNCATE audit;
INSERT INTO drop_log (cause, metric, from_ts, to_ts, points) VALUES ('retention', 'far', '2024-05-01', '2024-05-02', 0);
UPDATE rollup_hour SET sketch = NULL WHERE device_id = 'd1' AND metric = 'far' AND hour = '2024-05-01 08:00';
CALL pg_temp.run_until(1);
SELECT count(job_audit()) AS runs FROM generate_series(1, 10);
SELECT * FROM pg_temp.found;
SELECT not_repaired FROM audit_status;
DELETE FROM drop_log;
SELECT job_audit();
SELECT * FROM pg_temp.found;
SELECT * FROM audit_rollups();

-- rolled_up_and_pending_are_all_points, and neither is written to
SELECT (SELECT count(*) FROM rolled_up_point) AS rolled_up, (SELECT count(*) FROM pending_point) AS pending, (SELECT count(*) FROM point) AS points;
INSERT INTO rolled_up_point (ts, device_id, metric, value) VALUES ('2024-05-01', 'd1', 'plain', '1');
SELECT job_roll_up();
SELECT * FROM audit_rollups();

-- what_is_old_is_pruned
TRUNCATE audit, audit_run;
INSERT INTO audit (at, device_id, metric, differs, repaired) VALUES (now() - interval '91 days', 'long ago', 'm', '{}', true), (now() - interval '89 days', 'lately', 'm', '{}', true);
INSERT INTO audit_run SELECT (now() AT TIME ZONE 'UTC')::date - d, 1, 1, 1, 1, 0, now() FROM unnest(ARRAY[89, 91]) AS d;
CALL run_jobs('audit');
SELECT device_id FROM audit WHERE metric = 'm';
SELECT count(*) FROM audit_run;
SELECT status, last_error FROM job_status WHERE name = 'audit';

-- in_an_empty_store
TRUNCATE block, audit, audit_run;
CALL run_jobs('audit');
SELECT runs, hours, days, series, drifted FROM audit_run;
SELECT * FROM audit_rollups();

-- who_may
CREATE ROLE audit_admin IN ROLE telemetry_admin;
CREATE ROLE audit_reader IN ROLE telemetry_reader;
SET ROLE audit_admin;
SELECT * FROM audit_rollups();
SELECT job_audit();
SET ROLE audit_reader;
SELECT * FROM audit;
SELECT runs FROM audit_run;
SELECT drifted FROM audit_status;
SELECT count(*) FROM rolled_up_point;
SELECT * FROM audit_rollups();
RESET ROLE;
DROP ROLE audit_admin, audit_reader;
TRUNCATE block, audit, audit_run;
