-- What others have in the tables of rollups, and what is wrong with the server: neither is lost or taken for the data's fault.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = telemetry, public;
TRUNCATE block, drop_log;

-- columns_of_a_dba begin with their defaults, and keep what they have
ALTER TABLE series ADD COLUMN site text NOT NULL DEFAULT 'none';
ALTER TABLE rollup_hour ADD COLUMN note text;
ALTER TABLE rollup_day ADD COLUMN twice bigint GENERATED ALWAYS AS (n * 2) STORED;
INSERT INTO point (ts, device_id, metric, value) SELECT '2024-03-01'::timestamptz + i * interval '10 minutes', 'd', 'm', i FROM generate_series(0, 8) AS i;
SELECT job_roll_up();
SELECT device_id, n, site FROM series;
UPDATE series SET site = 'Bonn';
UPDATE rollup_hour SET note = 'mine' WHERE hour = '2024-03-01 01:00';
INSERT INTO point (ts, device_id, metric, value) SELECT '2024-03-01'::timestamptz + i * interval '10 minutes', 'd', 'm', i FROM generate_series(9, 14) AS i;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-03-01 00:05', 'd', 'm', 0.5);
SELECT job_roll_up();
SELECT device_id, n, site FROM series;
SELECT hour, n, note FROM rollup_hour ORDER BY hour;
SELECT n, twice FROM rollup_day;
ALTER TABLE series DROP COLUMN site;
ALTER TABLE rollup_hour DROP COLUMN note;
ALTER TABLE rollup_day DROP COLUMN twice;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-03-01 03:05', 'd', 'm', 3);
SELECT job_roll_up();
SELECT n, sum FROM rollup_day;

-- a_table_without_its_key is told of
BEGIN;
ALTER TABLE rollup_day DROP CONSTRAINT rollup_day_pkey;
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-03-02', 'd', 'm', 3);
SELECT job_roll_up();
ROLLBACK;

-- a_time_zone_that_is_not_there fails the job; nothing is set aside for that, and it goes on when there is one
INSERT INTO point (ts, device_id, metric, value) VALUES ('2024-03-02', 'd', 'm', 3);
UPDATE layout SET day_timezone = 'US/Gone';
CALL run_jobs('roll_up');
SELECT pending_blocks, set_aside_blocks FROM freshness;
UPDATE layout SET day_timezone = 'UTC';
CALL run_jobs('roll_up');
SELECT pending_blocks, set_aside_blocks FROM freshness;
SELECT day, n FROM rollup_day ORDER BY day;
TRUNCATE block;
