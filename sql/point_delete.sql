-- telemetry.delete_points: what goes, what stays, what is counted.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = telemetry, public;
TRUNCATE block, dead_letter;

CREATE FUNCTION pg_temp.fill() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE telemetry.block;
	-- Six points of two series of two devices in blocks of their buckets, over three days …
	PERFORM set_config('telemetry.mixed_block_points', '0', true);
	INSERT INTO telemetry.point (ts, device_id, metric, value, unit)
	SELECT '2024-01-01 12:00'::timestamptz + i * interval '12 hours', d, m, i::float8::telemetry.value, 'V'
	FROM generate_series(0, 5) AS i, unnest(ARRAY['a', 'b']) AS d, unnest(ARRAY['m', 'n']) AS m;
	-- … and some of them again, with others between, in a mixed block of each day.
	PERFORM set_config('telemetry.mixed_block_points', '16384', true);
	INSERT INTO telemetry.point (ts, device_id, metric, value)
	SELECT '2024-01-01 12:00'::timestamptz + i * interval '6 hours', d, 'm', (100 + i)::float8::telemetry.value
	FROM generate_series(0, 10) AS i, unnest(ARRAY['a', 'b', 'c']) AS d;
END
$$;
CREATE VIEW pg_temp.series AS
	SELECT device_id, metric, array_agg(num ORDER BY ts) AS nums, string_agg(coalesce(unit, '-'), '' ORDER BY ts) AS units FROM point GROUP BY 1, 2 ORDER BY 1, 2;

SELECT pg_temp.fill();
SELECT bucket >= 0 AS bucketed, day, sum(n) FROM block GROUP BY 1, 2 ORDER BY 1, 2;
SELECT * FROM pg_temp.series;
SELECT ts, num FROM point WHERE device_id = 'a' AND metric = 'm' ORDER BY ts;

-- from_is_included_and_to_is_not; a point that several blocks have is counted once
SELECT delete_points('a', 'm', '2024-01-02 00:00', '2024-01-02 12:00');
SELECT ts, num FROM point WHERE device_id = 'a' AND metric = 'm' ORDER BY ts;
SELECT * FROM pg_temp.series;
-- nothing_left_to_delete
SELECT delete_points('a', 'm', '2024-01-02 00:00', '2024-01-02 12:00');
SELECT delete_points('a', 'm', '2024-01-03', '2024-01-03');
SELECT delete_points('a', 'm', '2024-01-03', '2024-01-02');
SELECT delete_points('a', 'absent', NULL, NULL);
SELECT delete_points('absent', NULL, NULL, NULL);
SELECT delete_points('', NULL, NULL, NULL);
SELECT delete_points('A', 'm', NULL, NULL);
SELECT delete_points('a', 'm', '-infinity', '-infinity');
SELECT delete_points('a', 'm', 'infinity', NULL);
SELECT * FROM pg_temp.series WHERE device_id = 'a';
-- the last microsecond
SELECT delete_points('a', 'm', '2024-01-01 12:00:00.000001', '2024-01-01 18:00');
SELECT delete_points('a', 'm', '2024-01-01 12:00', '2024-01-01 12:00:00.000001');

-- a_null_metric_means_all, a null bound none
SELECT pg_temp.fill();
SELECT delete_points('a', NULL, '2024-01-02', '2024-01-03');
SELECT * FROM pg_temp.series;
SELECT delete_points('b', 'm', NULL, '2024-01-03');
SELECT delete_points('b', 'n', '2024-01-03', NULL);
SELECT delete_points('c', 'm', '-infinity', 'infinity');
SELECT * FROM pg_temp.series;
SELECT delete_points('a', NULL, NULL, NULL);
SELECT delete_points('b', NULL, NULL, NULL);
-- A block without points is not kept.
SELECT count(*) FROM block;
SELECT delete_points(NULL, 'm', NULL, NULL);

-- an_older_value_does_not_come_back, and a point can be written again
SELECT pg_temp.fill();
SELECT delete_points('a', 'm', '2024-01-01 12:00', '2024-01-01 12:00:01');
SELECT count(*) FROM point WHERE device_id = 'a' AND metric = 'm' AND ts = '2024-01-01 12:00';
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-01 12:00', 'a', 'm', '"again"');
SELECT ts, value FROM point WHERE device_id = 'a' AND metric = 'm' ORDER BY ts LIMIT 2;
-- what_is_left_keeps_its_rank: a rewritten block is not newer than the ones that replaced it
SELECT delete_points('c', 'm', NULL, NULL);
SELECT delete_points('b', 'n', '2024-01-01', '2024-01-02');
SELECT * FROM pg_temp.series;
SELECT count(*) FROM block AS b WHERE n <> check_block(data) OR level <> 0;

-- in_a_transaction: it sees what the transaction stored, and goes with it
BEGIN;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-09', 'a', 'm', '1');
SELECT delete_points('a', NULL, NULL, NULL);
SELECT count(*) FROM point WHERE device_id = 'a';
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-01-09', 'a', 'm', '2');
SELECT ts, num FROM point WHERE device_id = 'a';
ROLLBACK;
SELECT count(*) FROM point WHERE device_id = 'a';
-- twice in one statement, for each row of a scan, and of a device that the scan itself is reading
SELECT delete_points('a', 'm', '2024-01-01', '2024-01-02') AS first, delete_points('a', 'm', '2024-01-01', '2024-01-02') AS second;
SELECT device_id, delete_points(device_id, metric, ts, ts + interval '1 us') FROM point WHERE metric = 'n' AND ts >= '2024-01-03' ORDER BY device_id, ts;
SELECT * FROM pg_temp.series;
BEGIN READ ONLY;
SELECT delete_points('a', NULL, NULL, NULL);
ROLLBACK;

-- out_of_a_long_series, out of the middle of frames, with strings and attributes
TRUNCATE block;
INSERT INTO point (ts, device_id, metric, value, unit, tags)
SELECT '2024-02-01'::timestamptz + i * interval '10 seconds', 'long', 'm', CASE i % 3 WHEN 0 THEN i::float8::value WHEN 1 THEN ('text ' || i)::value ELSE (i % 2 = 0)::value END,
	CASE WHEN i % 5 = 0 THEN 'V' END, CASE WHEN i % 1000 < 500 THEN jsonb_build_object('i', i / 100) END
FROM generate_series(0, 19999) AS i;
CREATE TEMP TABLE before AS SELECT ts, format('%s', value) AS value, unit, tags FROM point;
SELECT delete_points('long', 'm', '2024-02-01 05:00', '2024-02-02 05:00');
DELETE FROM before WHERE ts >= '2024-02-01 05:00' AND ts < '2024-02-02 05:00';
SELECT count(*) FROM (SELECT ts, format('%s', value), unit, tags FROM point EXCEPT ALL TABLE before) AS surplus;
SELECT count(*) FROM (TABLE before EXCEPT ALL SELECT ts, format('%s', value), unit, tags FROM point) AS missing;
SELECT count(*), min(ts), max(ts) FROM point;

-- Of many series of a frame only one goes; attributes of the others are still theirs.
TRUNCATE block;
INSERT INTO point (ts, device_id, metric, value, unit, tags)
SELECT '2024-02-01', 'device-' || i, 'm', i::float8::value, 'unit ' || i % 10, jsonb_build_object('i', i) FROM generate_series(1, 2000) AS i;
SELECT delete_points('device-1000', NULL, NULL, NULL);
SELECT count(*), count(*) FILTER (WHERE unit = 'unit ' || num::int % 10 AND tags = jsonb_build_object('i', num) AND device_id = 'device-' || num) AS right FROM point;

TRUNCATE block, dead_letter;
