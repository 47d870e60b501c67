-- Time functions: examples of the reference, and what is refused.  Whether buckets are those of their definition is tested in test/pgtap/time.sql.
\set VERBOSITY terse
SET timezone = 'Europe/Berlin';
SET datestyle = 'ISO, YMD';
SET intervalstyle = 'postgres';

-- buckets_of_utc_begin_at_multiples_of_the_width
SELECT w AS width, telemetry.time_bucket(w, ts) AT TIME ZONE 'UTC' AS bucket, telemetry.time_bucket(w, ts AT TIME ZONE 'UTC') AS without_zone
FROM unnest('{1 us,100 ms,1 s,5 min,7 min,1 h,36 h,1 d,7 d,1 mon,3 mon,1 y,10 y}'::interval[]) AS w, (VALUES (timestamptz '2024-02-29 13:34:56.789012+01')) AS t (ts);

-- weeks_begin_on_mondays_and_days_of_dates_are_days
SELECT w AS width, telemetry.time_bucket(w, date '2024-03-03') AS bucket, to_char(telemetry.time_bucket(w, date '2024-03-03'), 'Dy') AS day
FROM unnest('{24 h,7 d,14 d,1 mon,1 y}'::interval[]) AS w;

-- a_literal_is_a_time_with_zone
SELECT pg_typeof(telemetry.time_bucket('1 day', '2024-03-03 12:00'));

-- days_of_a_zone_have_23_and_25_hours
SELECT d, lead(d) OVER (ORDER BY d) - d AS hours FROM telemetry.gapfill('1 day', '2024-03-30', '2024-04-02', 'Europe/Berlin') AS d;
SELECT d, lead(d) OVER (ORDER BY d) - d AS hours FROM telemetry.gapfill('1 day', '2024-10-26', '2024-10-29', 'Europe/Berlin') AS d;

-- an_hour_that_clocks_show_twice_is_two_buckets_of_an_hour_and_one_of_longer_ones
SELECT b AT TIME ZONE 'UTC' AS utc, b AS local FROM telemetry.gapfill('1 hour', '2024-10-27 01:00', '2024-10-27 04:00', 'Europe/Berlin') AS b;
SELECT b AT TIME ZONE 'UTC' AS utc, b AS local FROM telemetry.gapfill('2 hours', '2024-10-27 00:00', '2024-10-27 06:00', 'Europe/Berlin') AS b;

-- a_multiple_that_clocks_skip_is_the_instant_of_the_jump
SELECT b AT TIME ZONE 'UTC' AS utc, b AS local FROM telemetry.gapfill('2 hours', '2024-03-31 00:00', '2024-03-31 06:00', 'Europe/Berlin') AS b;

-- a_day_begins_at_the_first_of_two_midnights_and_where_there_is_none_after_it: Havana's clocks change at midnight
SELECT b AT TIME ZONE 'UTC' AS utc, b AT TIME ZONE 'America/Havana' AS local FROM telemetry.gapfill('1 day', '2024-03-09 12:00', '2024-03-11 12:00', 'America/Havana') AS b;
SELECT b AT TIME ZONE 'UTC' AS utc, b AT TIME ZONE 'America/Havana' AS local FROM telemetry.gapfill('1 day', '2024-11-02 12:00', '2024-11-04 12:00', 'America/Havana') AS b;

-- half_an_hour_of_lord_howe: the clock goes from 02:00 back to 01:30
SELECT b AT TIME ZONE 'UTC' AS utc, b AT TIME ZONE 'Australia/Lord_Howe' AS local FROM telemetry.gapfill('1 hour', '2024-04-06 13:00Z', '2024-04-06 17:00Z', 'Australia/Lord_Howe') AS b;

-- infinite_times_are_given_back
SELECT telemetry.time_bucket('1 day', 'infinity'::timestamptz), telemetry.time_bucket('1 mon', '-infinity'::timestamp), telemetry.time_bucket('1 mon', 'infinity'::date),
	telemetry.time_bucket('1 day', '-infinity', 'Europe/Berlin');

-- the_ends_of_all_times: only a bucket that begins before them has no name
SET timezone = 'UTC';
SELECT telemetry.time_bucket('1 day', t), telemetry.time_bucket('1 us', t), telemetry.time_bucket('1 s', t, 'Etc/GMT-14') FROM unnest('{4714-11-24 00:00 BC,294276-12-31 23:59:59.999999}'::timestamptz[]) AS t;
SELECT telemetry.time_bucket('106751991 days 04:00:54.775807', t), telemetry.time_bucket('178956970 years', t), telemetry.time_bucket('178956970 years', t, 'Europe/Berlin'),
	telemetry.time_bucket('1 day', t, 'Europe/Berlin'), telemetry.time_bucket('1 mon', t, 'Etc/GMT+12')
FROM (VALUES (timestamptz '294276-12-31 23:59:59.999999')) AS t (t);
SELECT telemetry.time_bucket('106751991 days 04:00:54.775807', '1999-01-01'::timestamptz);
SELECT telemetry.time_bucket('1 mon', '4714-11-24 BC'::timestamptz);
SELECT telemetry.time_bucket('1 mon', '4714-11-24 BC'::date);
SELECT telemetry.time_bucket('3 d', '4714-11-24 BC'::date);
SELECT telemetry.time_bucket('1 day', '4714-11-24 BC'::timestamptz, 'Europe/Berlin');
SELECT telemetry.time_bucket('1 hour', '4714-11-24 BC'::timestamptz, 'Asia/Kathmandu');
SELECT telemetry.time_bucket('1 year', '5874897-12-31'::date), telemetry.time_bucket('1 day', '5874897-12-31'::date), telemetry.time_bucket('106751991 days', '5874897-12-31'::date);
SELECT * FROM telemetry.gapfill('100000 years', '2000-01-01', '294276-12-31 23:59:59') AS b;
SELECT * FROM telemetry.gapfill('10 h', '294276-12-31', '294276-12-31 23:59:59.999999', 'Europe/Berlin') AS b;

-- bad_widths_and_zones_are_refused
SELECT telemetry.time_bucket('0', now());
SELECT telemetry.time_bucket('-1 hour', now(), 'UTC');
SELECT telemetry.time_bucket('-1 month', now());
SELECT telemetry.time_bucket('1 month 1 day', now());
SELECT telemetry.time_bucket('1 year 1 us', now()::timestamp);
SELECT telemetry.time_bucket('2147483647 days', now());
SELECT telemetry.time_bucket('1 day 1 hour', current_date);
SELECT telemetry.time_bucket('1 hour', current_date);
SELECT telemetry.time_bucket('1 hour', now(), 'Middle/Earth');
SELECT telemetry.time_bucket('1 hour', now(), '');
SELECT telemetry.time_bucket('1 hour', now(), '../../etc/passwd');
SELECT length(telemetry.time_bucket('1 hour', now(), repeat('x', 100000))::text);
SELECT telemetry.time_bucket(NULL, now()), telemetry.time_bucket('1 hour', NULL::timestamptz), telemetry.time_bucket('1 hour', now(), NULL);

-- widths_and_zones_may_change_from_row_to_row
SELECT w, z, telemetry.time_bucket(w, '2024-07-01 10:44Z', z) FROM unnest('{1 h,1 d}'::interval[]) AS w, unnest('{Asia/Kathmandu,UTC,America/Havana}'::text[]) AS z ORDER BY w, z;

-- gapfill_has_a_row_for_each_bucket_in_the_range
SELECT * FROM telemetry.gapfill('15 min', '2024-01-01 00:10', '2024-01-01 01:00');
SELECT count(*) FROM telemetry.gapfill('1 mon', '2024-01-31', '2025-01-01');
SELECT count(*) AS empty FROM telemetry.gapfill('1 hour', '2024-01-01 00:10', '2024-01-01 00:10');
SELECT count(*) AS reversed FROM telemetry.gapfill('1 hour', '2024-01-02', '2024-01-01');
SELECT count(*) AS nothing FROM telemetry.gapfill(NULL, '2024-01-01', '2024-01-02', 'UTC');
SELECT hour, count(v) FROM telemetry.gapfill('1 hour', '2024-01-01', '2024-01-01 03:00') AS hour
LEFT JOIN (VALUES (timestamptz '2024-01-01 00:05', 1), ('2024-01-01 02:05', 2)) AS p (ts, v) ON telemetry.time_bucket('1 hour', p.ts) = hour
GROUP BY hour ORDER BY hour;

-- gapfill_is_bounded
SELECT count(*) FROM telemetry.gapfill('1 us', '2024-01-01', '2024-01-01 00:00:10.000001');
SELECT count(*) FROM telemetry.gapfill('1 us', '4714-11-24 BC', '294276-12-31', 'Europe/Berlin');
SELECT count(*) FROM telemetry.gapfill('1 day', '2024-01-01', 'infinity');
SELECT count(*) FROM telemetry.gapfill('1 day', '-infinity', '2024-01-01', 'UTC');
SELECT * FROM telemetry.gapfill('1 s', '2024-01-01', '2024-02-01') LIMIT 2;

-- locf_carries_the_last_value_on: of any type, within its partition
SELECT device, ts, v, telemetry.locf(v) OVER w AS num, telemetry.locf(t) OVER w AS text, telemetry.locf(x) OVER w AS value
FROM (VALUES ('a', 1, NULL::float8, NULL::text, NULL::telemetry.value), ('a', 2, 1.5, 'one', '{"n": 1}'), ('a', 3, NULL, NULL, NULL), ('a', 4, NULL, 'two', NULL), ('a', 5, 2.5, NULL, '[2]'), ('a', 6, NULL, NULL, NULL),
	('b', 1, NULL, NULL, NULL), ('b', 2, 7, 'seven', '7')) AS p (device, ts, v, t, x)
WINDOW w AS (PARTITION BY device ORDER BY ts) ORDER BY device, ts;
SELECT telemetry.locf(1);
SELECT i, telemetry.locf(CASE WHEN i % 3 = 0 THEN ARRAY[i, i] END) OVER (ORDER BY i) FROM generate_series(1, 5) AS i;
-- The rows, not a frame, decide.
SELECT i, telemetry.locf(CASE WHEN i = 1 THEN 1 END) OVER (ORDER BY i ROWS BETWEEN CURRENT ROW AND CURRENT ROW) FROM generate_series(1, 3) AS i;
-- More than memory is given for, and long values that are stored elsewhere.
SET work_mem = '64kB';
SELECT count(*), count(DISTINCT v), sum(length(v)) FROM (
	SELECT telemetry.locf(CASE WHEN i % 500 = 1 THEN repeat(i::text, 1000) END) OVER (ORDER BY i) AS v FROM generate_series(1, 2000) AS i) AS q;
SELECT count(v), round(sum(v)), sum(abs(v - i)) < 1e-6 AS near FROM (
	SELECT i, telemetry.interpolate(CASE WHEN i % 5000 = 1 THEN i END, 'epoch'::timestamptz + i * interval '1 s') OVER (ORDER BY i) AS v FROM generate_series(1, 20000) AS i) AS q;
RESET work_mem;

-- interpolate_draws_lines_between_known_values
SELECT to_char(ts, 'HH24:MI') AS ts, v, telemetry.interpolate(v, p.ts) OVER (ORDER BY p.ts) AS forwards, telemetry.interpolate(v, p.ts) OVER (ORDER BY p.ts DESC) AS backwards
FROM (VALUES ('00:00', NULL), ('01:00', 10), ('01:15', NULL), ('02:00', NULL), ('03:00', 20), ('03:10', 20), ('03:20', NULL), ('03:40', 20), ('04:00', NULL)) AS q (t, v), LATERAL (SELECT ('2024-01-01 ' || t)::timestamptz, v::float8) AS p (ts, value)
ORDER BY p.ts;
-- Lines to numbers that are none, over the whole range of numbers, and where times are none or out of order.
SELECT i, telemetry.interpolate(v, 'epoch'::timestamptz + i * interval '1 s') OVER (ORDER BY i)
FROM unnest(ARRAY[1.7e308, NULL, NULL, -1.7e308, NULL, 'NaN', NULL, 1, NULL, 'Infinity', NULL, 'Infinity', NULL, '-Infinity']::float8[]) WITH ORDINALITY AS p (v, i);
SELECT i, telemetry.interpolate(v, ts) OVER (ORDER BY i) FROM (VALUES (1, 1::float8, timestamptz '2024-01-01'), (2, NULL, NULL), (3, NULL, '2024-01-02'), (4, 7, NULL), (5, NULL, '2024-01-05'), (6, 8, 'infinity'), (7, NULL, '2023-12-31'),
	(8, NULL, '2024-01-01'), (9, 3, '2024-01-03'), (10, NULL, '2024-01-03'), (11, 4, '2024-01-03')) AS p (i, v, ts);
SELECT telemetry.interpolate(1, now());
-- What is measured at odd times, at even ones.
SELECT minute::time, telemetry.interpolate(avg(v), minute) OVER (ORDER BY minute)
FROM telemetry.gapfill('1 min', '2024-01-01 10:00', '2024-01-01 10:05') AS minute
LEFT JOIN (VALUES (timestamptz '2024-01-01 10:00:20', 1.0), ('2024-01-01 10:04:10', 9)) AS p (ts, v) ON telemetry.time_bucket('1 min', ts) = minute
GROUP BY minute ORDER BY minute;

-- delta_and_rate_count_what_a_counter_has_counted: also when it began again, and in whatever order its points come
CREATE TEMP TABLE reading (ts timestamptz, value float8);
INSERT INTO reading SELECT '2024-01-01'::timestamptz + i * interval '10 s', v FROM unnest('{100,110,125,125,3,10,2,4}'::float8[]) WITH ORDINALITY AS r (v, i);
SELECT telemetry.delta(ts, value), telemetry.rate(ts, value), telemetry.gauge_delta(ts, value) FROM reading;
SELECT telemetry.delta(ts, value ORDER BY ts DESC), telemetry.rate(ts, value ORDER BY value, ts), telemetry.gauge_delta(ts, value ORDER BY ts DESC) FROM reading;
SELECT telemetry.delta(ts, value) AS delta, telemetry.rate(ts, value) AS rate, telemetry.gauge_delta(ts, value) AS gauge FROM reading WHERE value = 100;
SELECT telemetry.delta(ts, value) AS delta, telemetry.rate(ts, value) AS rate, telemetry.gauge_delta(ts, value) AS gauge FROM reading WHERE false;
-- Points of one time, nulls, and what is not finite.
SELECT telemetry.delta(ts, v ORDER BY i), telemetry.rate(ts, v ORDER BY i), telemetry.gauge_delta(ts, v ORDER BY i)
FROM (VALUES (1, timestamptz '2024-01-01', 5::float8), (2, '2024-01-01', 3), (3, '2024-01-01', 4)) AS p (i, ts, v);
SELECT telemetry.delta(ts, v), telemetry.rate(ts, v), telemetry.gauge_delta(ts, v)
FROM (VALUES (timestamptz '2024-01-01', 5::float8), (NULL, 3), ('2024-01-01 00:01', NULL), ('-infinity', 4), ('infinity', 9), ('2024-01-01 00:02', 'NaN'), ('2024-01-01 00:02', '-Infinity'), ('2024-01-01 00:03', 'Infinity'), ('2024-01-01 00:10', 65)) AS p (ts, v);
-- No step is too small, and no time too long.
SELECT telemetry.delta('2024-01-01'::timestamptz + i * interval '1 s', 9e15 + i) FROM generate_series(1, 100000) AS i;
SELECT telemetry.rate(ts, v), telemetry.delta(ts, v) FROM (VALUES (timestamptz '4714-11-24 BC', 0::float8), ('294276-12-31 23:59:59.999999', 9223372036854.775)) AS p (ts, v);
-- As they come, too.
SELECT to_char(ts, 'MI:SS') AS ts, telemetry.delta(r.ts, value) OVER (ORDER BY r.ts) AS so_far, telemetry.delta(r.ts, value) OVER (ORDER BY r.ts DESC) AS from_here FROM reading AS r ORDER BY r.ts;

-- time_weighted_average_counts_a_value_for_as_long_as_it_lasts
TRUNCATE reading;
INSERT INTO reading VALUES ('2024-01-01 01:00', 40), ('2024-01-01 00:00', 10), ('2024-01-01 00:15', 20);
SELECT avg(value), telemetry.time_weighted_average(ts, value) AS plain, telemetry.time_weighted_average(ts, value, 'linear') AS linear, telemetry.time_weighted_average(ts, value, 'locf') AS locf FROM reading;
SELECT a::time AS "from", b::time AS "to", round(telemetry.time_weighted_average(ts, value, 'linear', a, b)::numeric, 6) AS linear, telemetry.time_weighted_average(ts, value, 'locf', a, b) AS locf
FROM reading, (VALUES (1, NULL::timestamptz, NULL::timestamptz), (2, '2024-01-01 00:00', '2024-01-01 02:00'), (3, '2024-01-01 00:05', '2024-01-01 00:30'), (4, '2024-01-01 00:20', '2024-01-01 00:30'),
	(5, '2023-12-31 23:00', '2024-01-01 00:15'), (6, '2024-01-01 01:00', '2024-01-01 02:00'), (7, '2024-01-01 01:30', '2024-01-01 02:00'), (8, '2024-01-01 01:30', NULL), (9, '2023-12-31 23:00', '2024-01-01 00:00'),
	(10, NULL, '2024-01-01 00:15'), (11, '2024-01-01 00:15', NULL), (12, '2024-01-01 00:15', '2024-01-01 00:15'), (13, '2024-01-01 00:15', '2024-01-01 00:00'), (14, '-infinity', 'infinity'), (15, 'infinity', NULL), (16, NULL, '-infinity')) AS r (i, a, b)
GROUP BY i, a, b ORDER BY i;
SELECT telemetry.time_weighted_average(ts, 5, 'locf') AS locf, telemetry.time_weighted_average(ts, 5) AS linear FROM reading WHERE value = 10;
SELECT telemetry.time_weighted_average(ts, v ORDER BY i) AS plain, telemetry.time_weighted_average(ts, v, 'locf' ORDER BY i) AS locf FROM (VALUES (1, timestamptz '2024-01-01', 5::float8), (2, '2024-01-01', 7), (3, '2024-01-01', 6)) AS p (i, ts, v);
SELECT telemetry.time_weighted_average(ts, v) AS plain, telemetry.time_weighted_average(ts, v, 'locf') AS locf FROM (VALUES (timestamptz '2024-01-01', 5::float8), (NULL, 3), ('2024-01-02', NULL), ('infinity', 7)) AS p (ts, v);
SELECT telemetry.time_weighted_average(ts, value) FROM reading WHERE false;
-- Numbers that are none, sums that would be beyond float8, and a mean that lies within its values.
SELECT v, telemetry.time_weighted_average(ts, w) AS plain, telemetry.time_weighted_average(ts, w, 'locf') AS locf
FROM unnest('{1.7e308,NaN,Infinity,-Infinity,0.1}'::float8[]) AS v, LATERAL (SELECT '2024-01-01'::timestamptz + i * i * interval '1 day', v FROM generate_series(1, 9) AS i) AS p (ts, w) GROUP BY v ORDER BY v;
SELECT telemetry.time_weighted_average(ts, v) AS plain, telemetry.time_weighted_average(ts, v, 'locf') AS locf FROM (VALUES (timestamptz '4714-11-24 BC', 1::float8), ('294276-12-31 23:59:59.999999', 3)) AS p (ts, v);
-- Parameters.
SELECT telemetry.time_weighted_average(ts, value, 'cubic') FROM reading;
SELECT telemetry.time_weighted_average(ts, value, repeat('x', 1000)) FROM reading;
SELECT telemetry.time_weighted_average(ts, value, NULL) FROM reading;
SELECT telemetry.time_weighted_average(ts, value, CASE value WHEN 10 THEN 'linear' ELSE 'locf' END) FROM reading;
SELECT telemetry.time_weighted_average(ts, value, 'locf', ts, NULL) FROM reading;

-- first_and_last_are_by_time: of any type
SELECT telemetry.first(v, ts), telemetry.last(v, ts), telemetry.first(x, ts), telemetry.last(x, ts), telemetry.first(ts, ts), telemetry.last(ts, ts), telemetry.last(a, ts)
FROM (VALUES (timestamptz '2024-01-03', 3::float8, '{"n": 3}'::telemetry.value, '{3}'::int[]), ('2024-01-01', 1, '"one"', '{1}'), ('2024-01-04', NULL, NULL, NULL), (NULL, 0, '0', '{0}'), ('2024-01-02', 2, '2', '{2}')) AS p (ts, v, x, a);
SELECT telemetry.first(v, ts ORDER BY v), telemetry.last(v, ts ORDER BY v) FROM (VALUES (timestamptz '2024-01-01', 1), ('2024-01-01', 2), ('2024-01-01', 3)) AS p (ts, v);
SELECT telemetry.first(v, ts) IS NULL AS first, telemetry.last(v, ts) IS NULL AS last FROM (VALUES (timestamptz '2024-01-01', NULL::text), (NULL, 'a')) AS p (ts, v);
SELECT i % 2 AS odd, telemetry.first(i, 'epoch'::timestamptz + i * interval '1 s'), length(telemetry.last(repeat('x', i), 'epoch'::timestamptz + i * interval '1 s')) FROM generate_series(1, 1000) AS i GROUP BY 1 ORDER BY 1;

-- Of points.
SELECT telemetry.last(value, ts), telemetry.delta(ts, num) FROM telemetry.point WHERE device_id = 'nothing';
