-- Queries where hours of rollups are not what buckets are made of: clocks that change by half an hour, and times before 1970; and numbers
-- at the ends of float8.  Each is compared with plain SQL over telemetry.point.
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off

SET client_min_messages = warning;
SET timezone = 'UTC';
SET jit = off;
SELECT no_plan();
TRUNCATE telemetry.block, telemetry.dead_letter;
SELECT telemetry.set_day_timezone('Australia/Lord_Howe') \g /dev/null

INSERT INTO telemetry.point (ts, device_id, metric, value)
SELECT b.begins + i * interval '5 minutes', d, 't', (i % 17)::float8::telemetry.value
FROM (VALUES (timestamptz '2026-04-03 20:00'), ('2026-10-02 20:00'), ('1930-06-01 08:00')) AS b (begins), generate_series(0, 767) AS i, unnest('{a,b}'::text[]) AS d;

CREATE FUNCTION pg_temp.difference(from_ts timestamptz, to_ts timestamptz, width interval, zone text, aggregation text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	got text;
	wanted text;
BEGIN
	SELECT string_agg(concat_ws(' ', q.device_id, q.ts, round(q.num::numeric, 6), q.n), ', ' ORDER BY q.device_id, q.ts) INTO got
	FROM telemetry.query('{t}', from_ts, to_ts, NULL, aggregation, width, zone => zone, max_rows => 10000) AS q;
	EXECUTE format('SELECT string_agg(concat_ws('' '', p.device_id, p.ts, round(p.num::numeric, 6), p.n), '', '' ORDER BY p.device_id, p.ts)
		FROM (SELECT device_id, telemetry.time_bucket($3, ts, $4) AS ts, %s(num)::float8 AS num, count(*) AS n
			FROM telemetry.point WHERE ts >= $1 AND ts < $2 AND metric = ''t'' GROUP BY 1, 2) AS p', aggregation) INTO wanted USING from_ts, to_ts, width, zone;
	RETURN CASE WHEN got IS DISTINCT FROM wanted THEN format('%s to %s by %s of %s, %s: %s instead of %s', from_ts, to_ts, width, zone, aggregation, got, wanted) END;
END
$$;
CREATE FUNCTION pg_temp.round(seed integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	begins CONSTANT timestamptz := ('{2026-04-03 20:00+00,2026-10-02 20:00+00,1930-06-01 08:00+00}'::timestamptz[])[seed % 3 + 1];
	wrong text;
BEGIN
	PERFORM setseed(seed / 1000.0);
	FOR i IN 1..20 LOOP
		SELECT pg_temp.difference(begins + floor(random() * 200) * interval '10 minutes', begins + (200 + floor(random() * 200)) * interval '10 minutes',
			('{30 minutes,1 hour,2 hours,6 hours,1 day,7 days}'::interval[])[1 + floor(random() * 6)::integer],
			('{Australia/Lord_Howe,UTC,Europe/Amsterdam,Asia/Kathmandu}'::text[])[1 + floor(random() * 4)::integer],
			('{sum,avg,min,max,count}'::text[])[1 + floor(random() * 5)::integer]) INTO wrong;
		EXIT WHEN wrong IS NOT NULL;
	END LOOP;
	RETURN is(wrong, NULL, format('round %s: buckets have the points that are in them', seed));
END
$$;
-- First all pending, then rolled up.
SELECT pg_temp.round(i) FROM generate_series(1, 9) AS i;
SELECT telemetry.job_roll_up() \g /dev/null
SELECT pg_temp.round(i) FROM generate_series(10, 30) AS i;

INSERT INTO telemetry.point (ts, device_id, metric, value, tags) VALUES
	('2024-01-01 00:00', 'big', 'v', '-1.7e308', '{"a": 1}'), ('2024-01-01 00:01', 'big', 'v', '1.7e308', NULL),
	('2024-01-01 06:00', 'big', 'v', '0', NULL), ('2024-01-01 06:00:00.000001', 'big', 'v', '1e305', NULL);
SELECT is(array_agg(q.num ORDER BY q.ts), ARRAY[(SELECT telemetry.delta(p.ts, p.num) FROM telemetry.point AS p WHERE p.device_id = 'big' AND p.ts < '2024-01-01 01:00'), 1e305], 'a delta beyond float8 is infinite, as the aggregate''s')
FROM telemetry.query('{v}', '2024-01-01', '2024-01-02', '{big}', 'delta', '1 hour') AS q;
SELECT is(max(q.num), 'infinity', 'so is a rate') FROM telemetry.query('{v}', '2024-01-01', '2024-01-02', '{big}', 'rate', '1 hour') AS q;
SELECT is(count(q.num), 7::bigint, 'and a gap between numbers far apart can be filled') FROM telemetry.query('{v}', '2024-01-01', '2024-01-02', '{big}', 'first', '1 hour', fill => 'linear') AS q;
SELECT is(count(*), 4::bigint, 'an empty filter lets points without tags through') FROM telemetry.query('{v}', '2024-01-01', '2024-01-02', '{big}', filters => '{}') AS q;
INSERT INTO telemetry.point (ts, device_id, metric, value)
SELECT '2024-01-01'::timestamptz + i * interval '1 minute', 'odd', 'w', v::telemetry.value FROM unnest('{1,Infinity,5,9,NaN,10}'::float8[]) WITH ORDINALITY AS u (v, i);
SELECT is(q.num, (SELECT telemetry.delta(p.ts, p.num) FROM telemetry.point AS p WHERE p.device_id = 'odd'), 'a delta leaves out what is not finite, as the aggregate does')
FROM telemetry.query('{w}', '2024-01-01', '2024-01-02', '{odd}', 'delta', '1 day') AS q;
SELECT throws_ok($$SELECT * FROM telemetry.query('{v}', '-infinity', 'infinity', NULL, 'avg')$$, '22023', 'start_time must be a finite time', 'infinite times are named');
SELECT * FROM finish();
