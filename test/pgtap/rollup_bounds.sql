-- Rollups against the same model, where there is more than a step takes or a merge may hold open: blocks, points, bytes, values.
\ir rollup_model.psql

SELECT * FROM no_plan();
-- More blocks than are rolled up at once, most of them of few days, so that they are folded first.
SELECT pg_temp.forget() \g /dev/null
SELECT pg_temp.begin_chapter('many blocks', 'UTC', '{2024-05-01 12:00}') \g /dev/null
CREATE TEMP TABLE flush (flush int, at serial, ts timestamptz, device_id text, value telemetry.value);
CREATE INDEX ON flush (flush);
CREATE FUNCTION pg_temp.many_flushes(flushes int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM setseed(0.5);
	INSERT INTO flush (flush, ts, device_id, value)
	SELECT f, '2024-05-01 UTC'::timestamptz + floor(random() * 600) * interval '5 minutes', 'device-' || floor(random() * 20), f::float8::telemetry.value
	FROM generate_series(1, flushes) AS f, generate_series(1, 1 + f % 3);
	FOR f IN 1 .. flushes LOOP
		IF f % 50 = 0 THEN
			PERFORM set_config('telemetry.mixed_block_points', pg_temp.pick_text('0', '16384', '16384'), true);
		END IF;
		INSERT INTO telemetry.point (ts, device_id, metric, value)
		SELECT ts, device_id, 'eighths', value FROM flush WHERE flush = f ORDER BY at;
	END LOOP;
	INSERT INTO model (device_id, metric, ts, value)
	SELECT DISTINCT ON (device_id, ts) device_id, 'eighths', ts, value FROM flush ORDER BY device_id, ts, flush DESC, at DESC;
END
$$;
SELECT pg_temp.many_flushes(8600) \g /dev/null
SELECT pg_temp.check('many_blocks: before');
SET telemetry.merge_memory = '64kB';
SELECT pg_temp.check('many_blocks: before, with little memory', 'hours');
RESET telemetry.merge_memory;
SELECT is(telemetry.job_roll_up(), true, 'many_blocks: not all are rolled up at once');
SELECT cmp_ok((SELECT pending_points FROM telemetry.freshness)::bigint, '>', 0::bigint, 'many_blocks: some are pending');
SELECT pg_temp.check('many_blocks: in between', 'rolled', 'hours');
SELECT is(telemetry.delete_points('device-3', NULL, '2024-05-01 05:00 UTC', '2024-05-02 05:00 UTC'), count(*), 'many_blocks: points are deleted from all')
FROM model WHERE device_id = 'device-3' AND ts >= '2024-05-01 05:00 UTC' AND ts < '2024-05-02 05:00 UTC';
DELETE FROM model WHERE device_id = 'device-3' AND ts >= '2024-05-01 05:00 UTC' AND ts < '2024-05-02 05:00 UTC';
SELECT pg_temp.check('many_blocks: without those deleted', 'rolled', 'days');
SELECT is(count(*), 0::bigint, 'many_blocks: there is an end')
FROM generate_series(1, 10) AS i, LATERAL (SELECT telemetry.job_roll_up() AND i > 0 AS more) AS r
WHERE i >= 5 AND more;
SELECT pg_temp.check_at_rest('many_blocks: after');
CALL telemetry.compact();
SELECT is(max(blocks), 1::bigint, 'many_blocks: a bucket''s day becomes one block') FROM (SELECT count(*) AS blocks FROM telemetry.block GROUP BY bucket, day) AS b;
SELECT pg_temp.check('many_blocks: compacted');

-- Live data come first, and their lag is told apart from that of what else is loaded.
SELECT pg_temp.forget() \g /dev/null
INSERT INTO telemetry.point (ts, device_id, metric, value)
	SELECT '2024-05-01 UTC'::timestamptz + i * interval '1 day', 'device-' || d, 'eighths', '1' FROM generate_series(1, 100) AS i, generate_series(1, 20) AS d;
SELECT results_eq('SELECT pending_points > 0, lag > ''0'', live_lag FROM telemetry.freshness', $$VALUES (true, true, interval '0')$$,
	'live_lag: old points are not live data');
INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT now() - i * interval '1 minute', 'device-' || i, 'eighths', '1' FROM generate_series(0, 5) AS i;
SELECT results_eq('SELECT lag > ''0'', live_lag > ''0'' FROM telemetry.freshness', $$VALUES (true, true)$$, 'live_lag: points of now are');
SET telemetry.roll_up_rows = 1;
UPDATE telemetry.compaction_state SET rolled_up_until = '2024-01-01', live_rolled_up_until = '2024-01-01' \g /dev/null
CREATE FUNCTION pg_temp.roll_up_live() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 50 LOOP
		IF (SELECT live_lag = '0' FROM telemetry.freshness) THEN
			RETURN true;
		END IF;
		PERFORM telemetry.job_roll_up();
	END LOOP;
	RETURN false;
END
$$;
SELECT ok(pg_temp.roll_up_live(), 'live_lag: what is of now is rolled up first');
SELECT results_eq('SELECT pending_points > 0, lag > ''1 year'', live_lag FROM telemetry.freshness', $$VALUES (true, true, interval '0')$$,
	'live_lag: it is so while others are pending');
SELECT results_eq('SELECT rolled_up_until < ''2024-01-02'', live_rolled_up_until > now() - interval ''1 hour'' FROM telemetry.compaction_state',
	'VALUES (true, true)', 'live_lag: until when is noted');
INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES (now(), 'device-1', 'eighths', '1');
SELECT results_eq('SELECT lag > ''1 year'', live_lag BETWEEN ''0'' AND ''1 hour'' FROM telemetry.freshness', $$VALUES (true, true)$$,
	'live_lag: it is since then');
RESET telemetry.roll_up_rows;
SELECT is(pg_temp.roll_up_all(), NULL, 'live_lag: all is rolled up');
SELECT results_eq('SELECT lag, live_lag, fresh FROM telemetry.freshness', $$VALUES (interval '0', interval '0', true)$$, 'live_lag: then there is none');

-- Mixed blocks that are small, which are folded, and large, which are read piece by piece, between blocks of buckets.
SELECT pg_temp.forget() \g /dev/null
SELECT pg_temp.begin_chapter('large blocks', 'UTC', '{2024-05-01 12:00}') \g /dev/null
TRUNCATE flush;
CREATE FUNCTION pg_temp.noise(size int) RETURNS bytea LANGUAGE sql AS
	$$ SELECT decode(string_agg(md5(random()::text), ''), 'hex') FROM generate_series(0, size / 16) $$;
CREATE FUNCTION pg_temp.large_flushes(flushes int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM setseed(0.25);
	INSERT INTO flush (flush, ts, device_id, value)
	SELECT f, '2024-05-01 UTC'::timestamptz + floor(random() * 250) * interval '5 minutes', 'device-' || floor(random() * 20),
		CASE WHEN f % 10 < 3 THEN pg_temp.noise(floor(4 * 2 ^ (random() * 13))::int)::telemetry.value ELSE f::float8::telemetry.value END
	FROM generate_series(1, flushes) AS f, generate_series(1, 1 + f % 6) AS k;
	FOR f IN 1 .. flushes LOOP
		PERFORM set_config('telemetry.mixed_block_points', CASE f % 97 WHEN 0 THEN '0' ELSE '16384' END, true);
		INSERT INTO telemetry.point (ts, device_id, metric, value)
		SELECT ts, device_id, 'any', value FROM flush WHERE flush = f ORDER BY at;
	END LOOP;
	INSERT INTO model (device_id, metric, ts, value)
	SELECT DISTINCT ON (device_id, ts) device_id, 'any', ts, value FROM flush ORDER BY device_id, ts, flush DESC, at DESC;
END
$$;
SELECT pg_temp.large_flushes(900) \g /dev/null
CREATE FUNCTION pg_temp.check_large(at text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	memory text;
BEGIN
	FOREACH memory IN ARRAY '{64kB,1MB,64MB}'::text[] LOOP
		PERFORM set_config('telemetry.merge_memory', memory, true);
		RETURN NEXT is(pg_temp.wrong_points(), NULL, format('%s, %s: the points are those of the model', at, memory));
		RETURN NEXT is((SELECT count(*) FROM telemetry.point), (SELECT count(*) FROM model), format('%s, %s: they are counted', at, memory));
		RETURN NEXT is((SELECT count(*) FROM telemetry.point WHERE ts < '2024-05-01 12:00 UTC'),
			(SELECT count(*) FROM model WHERE ts < '2024-05-01 12:00 UTC'), format('%s, %s: those of some hours are counted', at, memory));
		RETURN NEXT results_eq($q$SELECT ts, device_id, format('%s', value) FROM telemetry.point WHERE device_id IN ('device-3', 'device-7') ORDER BY 1, 2$q$,
			$q$SELECT ts, device_id, format('%s', value) FROM model WHERE device_id IN ('device-3', 'device-7') ORDER BY 1, 2$q$, format('%s, %s: of two devices', at, memory));
		RETURN NEXT results_eq($q$SELECT device_id, max(ts) FROM telemetry.point WHERE device_id LIKE 'device-1%' GROUP BY 1 ORDER BY 1$q$,
			$q$SELECT device_id, max(ts) FROM model WHERE device_id LIKE 'device-1%' GROUP BY 1 ORDER BY 1$q$, format('%s, %s: by a prefix', at, memory));
	END LOOP;
END
$$;
SELECT pg_temp.check_large('large_blocks: before');
SET telemetry.merge_memory = '64kB';
SET telemetry.block_size = '64kB';
SELECT pg_temp.check_at_rest('large_blocks: after');
RESET telemetry.merge_memory;
SELECT pg_temp.check_large('large_blocks: rolled up');
-- Late points in the hours of several blocks; with what is deleted of them.
DELETE FROM flush WHERE flush % 9 > 0;
INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT DISTINCT ON (device_id, ts) ts, device_id, 'any', '-1' FROM flush;
UPDATE model SET value = '-1' WHERE EXISTS (SELECT FROM flush AS f WHERE f.device_id = model.device_id AND f.ts = model.ts);
SELECT pg_temp.check_at_rest('large_blocks: late');
SELECT is(telemetry.delete_points('device-5', NULL, '2024-05-01 05:00 UTC', '2024-05-01 09:00 UTC'), count(*), 'large_blocks: points are deleted')
FROM model WHERE device_id = 'device-5' AND ts >= '2024-05-01 05:00 UTC' AND ts < '2024-05-01 09:00 UTC';
DELETE FROM model WHERE device_id = 'device-5' AND ts >= '2024-05-01 05:00 UTC' AND ts < '2024-05-01 09:00 UTC';
SELECT pg_temp.check_at_rest('large_blocks: deleted');
SET telemetry.merge_memory = '64kB';
CALL telemetry.compact();
RESET telemetry.merge_memory;
SELECT cmp_ok(max(octet_length(data)), '<', 2 * 65536 + 2 * 262144, 'large_blocks: merged ones do not grow beyond their bound') FROM telemetry.block;
SELECT pg_temp.check_large('large_blocks: compacted');
-- Values that are nearly as large as a block may be, of one device and of many.
SELECT pg_temp.forget() \g /dev/null
TRUNCATE batch RESTART IDENTITY;
INSERT INTO batch (ts, device_id, metric, value)
	SELECT '2024-05-01 UTC'::timestamptz + i * interval '1 minute', CASE WHEN i <= 110 THEN 'one' ELSE 'device-' || i END, 'any', pg_temp.noise(60000)::telemetry.value
	FROM generate_series(1, 220) AS i;
-- Each in a flush of its own, since so many numbers there must be for blocks to be cut.
CREATE FUNCTION pg_temp.ingest_one_by_one() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. (SELECT max(at) FROM batch) LOOP
		INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT ts, device_id, metric, value FROM batch WHERE at = i;
	END LOOP;
	INSERT INTO model (ts, device_id, metric, value) SELECT ts, device_id, metric, value FROM batch;
END
$$;
SELECT pg_temp.ingest_one_by_one() \g /dev/null
SELECT pg_temp.check_large('large_values: before');
SET telemetry.merge_memory = '64kB';
SELECT is(telemetry.job_roll_up(), false, 'large_values: all are rolled up at once');
SELECT cmp_ok(max(octet_length(data)), '<', 65536 + 3 * 262144, 'large_values: blocks are cut') FROM telemetry.block;
SELECT cmp_ok(max(blocks), '>', 5::bigint, 'large_values: a bucket has several of a day') FROM (SELECT count(*) AS blocks FROM telemetry.block GROUP BY bucket) AS b;
SELECT pg_temp.check_at_rest('large_values: after');
RESET telemetry.merge_memory;
SELECT pg_temp.check_large('large_values: rolled up');
CALL telemetry.compact();
RESET telemetry.block_size;
SELECT pg_temp.check_large('large_values: compacted');

-- As many blocks of one flush: its first days are rolled up first, with what the next flush has of them.
SELECT pg_temp.forget() \g /dev/null
TRUNCATE batch;
INSERT INTO batch (ts, device_id, metric, value)
	SELECT '2000-01-01 UTC'::timestamptz + i * interval '1 day', 'device-' || i % 3, 'eighths', i::float8::telemetry.value
	FROM generate_series(1, 8500) AS i;
SELECT pg_temp.ingest_batch() \g /dev/null
DELETE FROM batch WHERE random() < 0.9;
UPDATE batch SET value = '-1';
SELECT pg_temp.ingest_batch() \g /dev/null
SELECT is(telemetry.job_roll_up(), true, 'blocks_of_one_flush: more is left');
SELECT cmp_ok(min(day), '>=', (SELECT max(day) FROM telemetry.block WHERE level = 1), 'blocks_of_one_flush: later days') FROM telemetry.block WHERE level = 0;
SELECT pg_temp.check('blocks_of_one_flush: in between');
SELECT pg_temp.check_at_rest('blocks_of_one_flush: after');

-- More points than are rolled up at once.
SELECT pg_temp.forget() \g /dev/null
SELECT pg_temp.begin_chapter('many points', 'Europe/Amsterdam', '{2024-03-31 01:00}') \g /dev/null
INSERT INTO telemetry.point (ts, device_id, metric, value)
	SELECT '2024-03-30 UTC'::timestamptz + i * interval '1 second', 'device-' || d, 'eighths', (i % 1000 / 8.0)::float8::telemetry.value
	FROM generate_series(1, 150000) AS i, generate_series(1, 5) AS d;
INSERT INTO telemetry.point (ts, device_id, metric, value)
	SELECT '2024-03-30 UTC'::timestamptz + i * interval '1.5 seconds', 'device-' || d, 'eighths', (i % 1000 / 8.0)::float8::telemetry.value
	FROM generate_series(50001, 200000) AS i, generate_series(4, 6) AS d;
SELECT is(telemetry.job_roll_up(), true, 'many_points: not all are rolled up at once');
SELECT is(pg_temp.wrong_rollups('telemetry.metric_hourly', 'hour', 'pg_temp.rolled_point'), NULL, 'many_points: the hours are of those that are');
SELECT is(pg_temp.wrong_rollups('telemetry.metric_daily_live', 'day', 'telemetry.point'), NULL, 'many_points: the live days are of all');
SELECT is(telemetry.job_roll_up(), false, 'many_points: the rest is');
SELECT is(pg_temp.wrong_rollups('telemetry.metric_hourly', 'hour', 'telemetry.point'), NULL, 'many_points: the hours are of all');
-- Of devices 4 and 5, 25,000 points of the second lot replace some of the first.
SELECT results_eq('SELECT device_id, n FROM telemetry.series ORDER BY 1',
	$$VALUES ('device-1'::text COLLATE "C", 150000::bigint), ('device-2', 150000), ('device-3', 150000), ('device-4', 275000), ('device-5', 275000), ('device-6', 150000)$$,
	'many_points: each counts once');

SELECT is((SELECT sum(telemetry.check_block(data))::bigint FROM telemetry.block), (SELECT sum(n) FROM telemetry.block),
	'every block holds the points that its row says');
SELECT is((SELECT count(*) FROM telemetry.block WHERE min_ts < day::timestamp AT TIME ZONE 'UTC' OR max_ts >= (day + 1)::timestamp AT TIME ZONE 'UTC'), 0::bigint,
	'no block crosses a day of UTC');
SELECT * FROM finish();
SELECT pg_temp.forget() \g /dev/null
SELECT telemetry.set_day_timezone('UTC') \g /dev/null
