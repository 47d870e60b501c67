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
