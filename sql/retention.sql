-- Retention: what expires, what stays, what becomes of rollups and of late points.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = telemetry, public;
-- What expires goes by UTC days, and today must not end before this test does.
SELECT pg_sleep_until(date_trunc('day', now() + interval '1 minute', 'UTC'));
TRUNCATE block, drop_log, compaction;
DELETE FROM retention;

-- A point of so many days ago, by hours after midnight; what is shown is by age, in days.
CREATE FUNCTION pg_temp.ago(days numeric, hours numeric DEFAULT 0) RETURNS timestamptz LANGUAGE sql AS
	$$ SELECT (now() AT TIME ZONE 'UTC')::date::timestamp AT TIME ZONE 'UTC' - days * interval '1 day' + hours * interval '1 hour' $$;
CREATE FUNCTION pg_temp.age(ts timestamptz) RETURNS numeric LANGUAGE sql AS
	$$ SELECT round(extract(epoch FROM pg_temp.ago(0) - ts) / 86400, 1) $$;
CREATE VIEW pg_temp.points AS
	SELECT metric, count(*), sum(num), max(pg_temp.age(ts)) AS oldest FROM point GROUP BY metric ORDER BY metric;
CREATE VIEW pg_temp.rollups AS
	SELECT *
	FROM (SELECT metric, count(*) AS hours, sum(n) AS n, sum(sum) AS sum, max(pg_temp.age(hour)) AS oldest FROM rollup_hour GROUP BY metric) AS h
	FULL JOIN (SELECT metric, count(*) AS days, sum(n) AS n_of_days, max(pg_temp.age(day::timestamptz)) AS oldest_day FROM rollup_day GROUP BY metric) AS d USING (metric)
	FULL JOIN (SELECT metric, count(*) AS series, sum(n) AS n_of_series, max(pg_temp.age(first_ts)) AS first FROM series GROUP BY metric) AS s USING (metric)
	ORDER BY metric;
CREATE VIEW pg_temp.ledger AS
	SELECT cause, metric, except_metrics, pg_temp.age(from_ts) AS from_age, CASE WHEN isfinite(to_ts) THEN pg_temp.age(to_ts) END AS to_age, points
	FROM drop_log WHERE cause <> 'delete' ORDER BY cause, metric;
CREATE VIEW pg_temp.work AS
	SELECT step, transactions > 0 AS worked, points_in, points_out, expired, duplicates FROM compaction WHERE step = 'retention';
-- Four points of each of 40 devices and three metrics on each of 30 days, in blocks that metrics share.
CREATE FUNCTION pg_temp.fill() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE telemetry.block, telemetry.drop_log, telemetry.compaction;
	DELETE FROM telemetry.retention;
	INSERT INTO telemetry.point (ts, device_id, metric, value, unit)
	SELECT pg_temp.ago(d, 6 * h), 'd' || k, m, (k + h)::float8::telemetry.value, 'V'
	FROM generate_series(1, 30) AS d, generate_series(0, 3) AS h, generate_series(1, 40) AS k, unnest(ARRAY['a', 'b', 'c']) AS m;
	PERFORM telemetry.job_roll_up();
END
$$;

-- without_rules_all_is_kept
SELECT pg_temp.fill();
CALL run_jobs('retention');
SELECT * FROM pg_temp.points;
SELECT * FROM pg_temp.ledger;
SELECT phase, done_day = (now() AT TIME ZONE 'UTC')::date AS done_today FROM retention_state;

-- each_metric_goes_by_its_own_rule, others by that of null; null days mean for ever. The rest of shared blocks stays as it was.
INSERT INTO retention VALUES ('a', 10, NULL), ('c', NULL, NULL), (NULL, 20, NULL);
CREATE TEMP TABLE before AS SELECT ts, device_id, metric, value, unit FROM point;
CREATE TEMP TABLE places AS SELECT bucket, day, level, seq FROM block;
CALL run_jobs('retention');
SELECT * FROM pg_temp.points;
SELECT count(*) FROM (
	SELECT ts, device_id, metric, value::text, unit FROM before WHERE ts >= pg_temp.ago(CASE metric WHEN 'a' THEN 10 WHEN 'b' THEN 20 ELSE 99 END)
	EXCEPT SELECT ts, device_id, metric, value::text, unit FROM point) AS lost;
SELECT * FROM pg_temp.ledger;
SELECT * FROM pg_temp.work;
SELECT bool_and(EXISTS (SELECT FROM places AS p WHERE (p.bucket, p.day, p.level, p.seq) = (b.bucket, b.day, b.level, b.seq))) AS numbers_are_kept, sum(check_block(b.data)) AS n FROM block AS b;
-- Rollups are kept, with what they were of.
SELECT * FROM pg_temp.rollups;
SELECT count(*) FROM audit_rollups();

-- it_is_done_once: no block is read again until the day or a rule changes
CALL run_jobs('retention');
SELECT last_steps FROM job_status WHERE name = 'retention';
SELECT * FROM pg_temp.work;

-- without_points_left_a_block_goes
DELETE FROM retention WHERE metric = 'c';
SELECT count(DISTINCT day) FROM block;
CALL run_jobs('retention');
SELECT count(DISTINCT day) FROM block;
SELECT * FROM pg_temp.points;
-- c has been by itself in the ledger, and stays so.
SELECT * FROM pg_temp.ledger;

-- a_day_later only that day's blocks are looked at
SELECT pg_temp.fill();
ALTER TABLE retention DISABLE TRIGGER retention_changed;
INSERT INTO retention VALUES ('a', 10, NULL), (NULL, 20, NULL);
ALTER TABLE retention ENABLE TRIGGER retention_changed;
UPDATE retention_state SET done_day = (now() AT TIME ZONE 'UTC')::date - 1;
CALL run_jobs('retention');
SELECT metric, array_agg(DISTINCT pg_temp.age(ts)::integer) FROM point WHERE num = 1 GROUP BY metric ORDER BY metric;
SELECT * FROM pg_temp.work;
SELECT * FROM pg_temp.ledger;

-- a_shortened_rule reaches days that were passed before; a metric that gets a rule takes its history along
UPDATE retention SET retention_days = 15 WHERE metric IS NULL;
INSERT INTO retention VALUES ('b', 12, NULL);
CALL run_jobs('retention');
SELECT * FROM pg_temp.points;
SELECT * FROM pg_temp.ledger;

-- a_point_in_several_blocks_counts_once
SELECT pg_temp.fill();
INSERT INTO point (ts, device_id, metric, value) SELECT pg_temp.ago(30, 6 * h), 'd' || k, 'a', 100::float8 FROM generate_series(0, 3) AS h, generate_series(1, 40) AS k;
INSERT INTO point (ts, device_id, metric, value) SELECT pg_temp.ago(30, 6 * h + 3), 'd' || k, 'a', 100::float8 FROM generate_series(0, 3) AS h, generate_series(1, 40) AS k;
SELECT job_roll_up();
INSERT INTO retention VALUES ('a', 29, NULL);
CALL run_jobs('retention');
SELECT * FROM pg_temp.ledger;
SELECT * FROM pg_temp.work;
SELECT * FROM pg_temp.points;

-- rollups_are_kept_longer, then go by whole days; series lose what they were of
SELECT pg_temp.fill();
INSERT INTO point (ts, device_id, metric, value) VALUES (pg_temp.ago(28, 5), 'old', 'b', '7'), (pg_temp.ago(28, 6), 'old', 'b', '"text"'), (pg_temp.ago(28, 5), 'old', 'c', '7');
SELECT job_roll_up();
INSERT INTO retention VALUES ('a', 10, 10), (NULL, 15, 25), ('c', 5, NULL);
CALL run_jobs('retention');
SELECT * FROM pg_temp.points;
SELECT * FROM pg_temp.rollups;
SELECT * FROM pg_temp.ledger;
SELECT metric, n, last_value FROM series WHERE device_id = 'old';
SELECT count(*) FROM audit_rollups();

-- late_points_into_dropped_days are dropped as they are rolled up, and damage no rollup
CREATE TEMP TABLE rollups_before AS SELECT * FROM rollup_hour;
INSERT INTO point (ts, device_id, metric, value) SELECT pg_temp.ago(d, h), 'd1', m, 1000::float8 FROM unnest(ARRAY[3, 7, 12, 16, 27]) AS d, unnest(ARRAY[0, 1, 7]) AS h, unnest(ARRAY['a', 'b', 'c']) AS m;
SELECT metric, count(*) FROM point WHERE num = 1000 GROUP BY metric ORDER BY metric;
SELECT job_roll_up();
SELECT metric, count(*), max(pg_temp.age(ts)) AS oldest FROM point WHERE num = 1000 GROUP BY metric ORDER BY metric;
SELECT expired FROM compaction WHERE step = 'roll_up';
SELECT metric, count(*) AS changed, max(pg_temp.age(hour)) AS oldest
FROM (SELECT hour, metric, n, sum FROM rollup_hour EXCEPT SELECT hour, metric, n, sum FROM rollups_before) AS c GROUP BY metric ORDER BY metric;
SELECT count(*) FROM rollups_before AS b WHERE NOT EXISTS (SELECT FROM rollup_hour AS h WHERE (h.device_id, h.metric, h.hour) = (b.device_id, b.metric, b.hour));
SELECT count(*) FROM audit_rollups();
DROP TABLE rollups_before;

-- a_raised_rule keeps late points. Hours whose points were dropped keep their rollups, but may be added to;
-- those whose rollups were dropped as well are of what came since.
UPDATE retention SET retention_days = 100, rollup_days = NULL;
CREATE TEMP TABLE rollups_before AS SELECT * FROM rollup_hour;
INSERT INTO point (ts, device_id, metric, value) SELECT pg_temp.ago(d, h), 'd1', 'b', 2000::float8 FROM unnest(ARRAY[20, 27, 50]) AS d, unnest(ARRAY[6.5, 18]) AS h;
SELECT job_roll_up();
INSERT INTO point (ts, device_id, metric, value) SELECT pg_temp.ago(d, 18), 'd1', 'b', 3000::float8 FROM unnest(ARRAY[20, 27, 50]) AS d;
-- Of two that are rolled up together, the later one.
INSERT INTO point (ts, device_id, metric, value) SELECT pg_temp.ago(d, h), 'd1', 'b', 3000::float8 FROM unnest(ARRAY[20, 27, 50]) AS d, unnest(ARRAY[6.2, 6.9]) AS h;
-- What is pending is shown as it will be.
CREATE TEMP TABLE live AS SELECT device_id, metric, hour, n, sum, others FROM metric_hourly_live;
SELECT count(*) FROM (SELECT * FROM live EXCEPT SELECT device_id, metric, hour, n, sum, others FROM metric_hourly) AS pending;
SELECT job_roll_up();
SELECT count(*) FROM (SELECT * FROM live EXCEPT SELECT device_id, metric, hour, n, sum, others FROM metric_hourly) AS pending;
CALL run_jobs('retention');
SELECT pg_temp.age(ts) AS age, count(*), sum(num) FROM point WHERE num >= 2000 GROUP BY 1 ORDER BY 1;
SELECT pg_temp.age(h.hour) AS age, b.n AS n_before, h.n, b.sum AS sum_before, h.sum
FROM rollup_hour AS h LEFT JOIN rollups_before AS b USING (device_id, metric, hour)
WHERE device_id = 'd1' AND metric = 'b' AND (h.n, h.sum) IS DISTINCT FROM (b.n, b.sum) ORDER BY h.hour DESC;
SELECT count(*) FROM audit_rollups();
SELECT refresh_device('d1', NULL, NULL, NULL) > 0;
SELECT count(*) FROM audit_rollups();
SELECT count(*) FROM rollups_before AS b WHERE NOT EXISTS (SELECT FROM rollup_hour AS h WHERE (h.device_id, h.metric, h.hour) = (b.device_id, b.metric, b.hour));
SELECT * FROM pg_temp.ledger;
-- Shortened again, it takes them; where the rollups stay, they are out of reach from now on.
UPDATE retention SET retention_days = 15, rollup_days = NULL;
CALL run_jobs('retention');
SELECT * FROM pg_temp.points;
SELECT * FROM pg_temp.ledger;
UPDATE retention SET retention_days = 100;
INSERT INTO point (ts, device_id, metric, value) SELECT pg_temp.ago(d, 6.2), 'd1', 'b', 4000::float8 FROM unnest(ARRAY[20, 27, 50]) AS d;
SELECT job_roll_up();
SELECT pg_temp.age(hour) AS age, n, sum FROM rollup_hour WHERE device_id = 'd1' AND metric = 'b' AND hour IN (pg_temp.ago(20, 6), pg_temp.ago(27, 6), pg_temp.ago(50, 6)) ORDER BY 1;
DROP TABLE rollups_before;

-- a_late_replacement of what a new rule has not dropped yet: nobody sees the old value again, before the pass, within it, or
-- if the rule is taken back.
TRUNCATE block, drop_log, compaction;
DELETE FROM retention;
INSERT INTO point (ts, device_id, metric, value) SELECT pg_temp.ago(d, 1), 'd' || k, 'late', '1' FROM generate_series(10, 15) AS d, generate_series(1, 40) AS k;
SELECT job_roll_up();
INSERT INTO retention VALUES ('late', 3, NULL);
INSERT INTO point (ts, device_id, metric, value) SELECT pg_temp.ago(d, 1), 'd' || k, 'late', '2' FROM generate_series(10, 15) AS d, generate_series(1, 40) AS k;
SELECT job_roll_up();
SELECT value, count(*) FROM point GROUP BY value ORDER BY value;
DELETE FROM retention;
SELECT value, count(*) FROM point GROUP BY value ORDER BY value;
SELECT count(*) FROM audit_rollups();
INSERT INTO retention VALUES ('late', 3, NULL);
-- The first steps of a pass: it has begun, and been through some of the buckets.
SELECT job_retention();
SELECT job_retention();
SELECT phase FROM retention_state;
SELECT count(DISTINCT bucket) > 0 AS some_are_left FROM block WHERE level > 0;
INSERT INTO point (ts, device_id, metric, value) SELECT pg_temp.ago(d, 1), 'd' || k, 'late', '3' FROM generate_series(8, 20) AS d, generate_series(1, 40) AS k;
SELECT job_roll_up();
SELECT value, count(*) > 0 AS some FROM point GROUP BY value ORDER BY value;
SELECT count(*) FROM audit_rollups();
CALL run_jobs('retention');
SELECT count(*) FROM point;
SELECT count(*) FROM audit_rollups();
-- From now on they go as they come.
INSERT INTO point (ts, device_id, metric, value) VALUES (pg_temp.ago(10, 1), 'd1', 'late', '4'), (pg_temp.ago(2, 1), 'd1', 'late', '4');
SELECT job_roll_up();
SELECT pg_temp.age(ts) AS age, value FROM point;
SELECT count(*) FROM audit_rollups();

-- days_of_rollups_are_local: one that ends after the UTC day stays for another day
SELECT pg_temp.fill();
SELECT set_day_timezone('America/Los_Angeles');
INSERT INTO retention VALUES (NULL, 10, 10);
CALL run_jobs('retention');
SELECT metric, max(pg_temp.age(ts)) FROM point GROUP BY metric ORDER BY metric;
SELECT metric, max(pg_temp.age(hour)) BETWEEN 10 AND 11 AS of_part_of_a_day, count(DISTINCT day), min(day) = (now() AT TIME ZONE 'UTC')::date - 11 AS right_day FROM rollup_hour GROUP BY metric ORDER BY metric;
SELECT count(*) FROM audit_rollups();
SELECT set_day_timezone('UTC');

-- space_comes_back: files get shorter where what expires lies at their ends; elsewhere there is room for what comes next
TRUNCATE block, drop_log, compaction;
DELETE FROM retention;
CREATE FUNCTION pg_temp.add(days integer[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO telemetry.point (ts, device_id, metric, value)
	SELECT pg_temp.ago(d, i / 100.0), 'd' || k, 'm', random()::float8::telemetry.value
	FROM unnest(days) AS d, generate_series(0, 999) AS i, generate_series(1, 20) AS k;
	PERFORM telemetry.job_roll_up();
END
$$;
CREATE VIEW pg_temp.size AS
	SELECT sum(pg_total_relation_size(relid)) AS size FROM pg_partition_tree('telemetry.block') WHERE relid::text <> 'block_0';
SELECT pg_temp.add('{11,12}');
SELECT pg_temp.add('{1,2}');
SELECT pg_temp.add('{13,14,15,16,17,18}');
VACUUM block;
SELECT size FROM pg_temp.size \gset
INSERT INTO retention VALUES (NULL, 10, NULL);
CALL run_jobs('retention');
VACUUM block;
SELECT size < 0.5 * :size AS smaller FROM pg_temp.size;
SELECT count(*) FROM point;
SELECT size FROM pg_temp.size \gset
SELECT pg_temp.add('{3,4}');
SELECT size < 1.05 * :size AS room_was_used FROM pg_temp.size;
SELECT count(*) FROM point;

-- days_in_several_steps: more than fits one transaction
SELECT last_steps > 3 AS in_steps, last_status FROM job_state WHERE name = 'retention';

-- old_deletions_are_pruned from the ledger
INSERT INTO drop_log (cause, device_id, dropped_at) VALUES ('delete', 'long ago', now() - interval '366 days'), ('delete', 'lately', now() - interval '364 days');
UPDATE retention SET retention_days = 11;
CALL run_jobs('retention');
SELECT cause, device_id FROM drop_log ORDER BY 1;

-- what_a_rule_may_be
INSERT INTO retention VALUES ('x', 0);
INSERT INTO retention VALUES ('x', 3651);
INSERT INTO retention VALUES ('x', 10, 9);
INSERT INTO retention VALUES ('x', NULL, 9);
INSERT INTO retention VALUES ('', 10);
INSERT INTO retention VALUES (NULL, 12);
-- without_points_nothing_is_written
TRUNCATE block;
SELECT * FROM pg_temp.ledger;
CALL run_jobs('retention');
SELECT * FROM pg_temp.ledger;
-- in_a_transaction_that_cannot_see_what_others_commit it refuses to work
UPDATE retention SET retention_days = 12;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT job_retention();
ROLLBACK;

-- who_may: rules are for admins, the ledger for readers
CREATE ROLE retention_admin IN ROLE telemetry_admin;
CREATE ROLE retention_reader IN ROLE telemetry_reader;
SET ROLE retention_admin;
INSERT INTO retention VALUES ('x', 10);
SELECT metric, retention_days FROM retention ORDER BY metric;
CALL run_jobs('retention');
SELECT phase, isfinite(done_day) AS done FROM retention_state;
UPDATE retention_state SET phase = 'idle';
SELECT job_retention();
SET ROLE retention_reader;
SELECT count(*) FROM drop_log;
SELECT count(*) FROM retention;
DELETE FROM retention;
RESET ROLE;
DROP ROLE retention_admin, retention_reader;

TRUNCATE block, drop_log, compaction;
DELETE FROM retention;
