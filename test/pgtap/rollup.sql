-- Rollups against a model: whatever is written late, twice, over what is there, deleted, rolled
-- up, merged and rolled back, in whatever order, telemetry.point reads like a plain table, and the
-- views of rollups like GROUP BY over it, in any day time zone.
-- Each step is a transaction with a seed of its own, so the whole run is the same every time.
\ir rollup_model.psql

SELECT * FROM no_plan();

-- A zone of whole hours can be changed under the points that are there.
SELECT pg_temp.begin_chapter('UTC', 'UTC', '{1999-12-31 12:00,2024-02-28 12:00,2024-03-01 00:00,2024-03-31 00:00}') \g /dev/null
SELECT pg_temp.rounds(1, 60)
\gexec
-- The clock goes from 2:00 to 3:00 on March 31st and from 3:00 to 2:00 on October 27th.
SELECT pg_temp.begin_chapter('Amsterdam', 'Europe/Amsterdam', '{2024-03-31 01:00,2024-03-31 22:00,2024-10-27 01:00}') \g /dev/null
SELECT pg_temp.rounds(61, 120)
\gexec
-- From 0:00 to 1:00 on November 4th, from 24:00 to 23:00 on February 16th.
SELECT pg_temp.begin_chapter('São Paulo', 'America/Sao_Paulo', '{2018-11-04 03:00,2018-11-05 02:00,2019-02-17 02:00}') \g /dev/null
SELECT pg_temp.rounds(121, 180)
\gexec
-- Hours that begin at half past those of UTC, and so cross days of UTC.
SELECT throws_ok('SELECT telemetry.set_day_timezone(''Asia/Kolkata'')', '55000', NULL, 'hours cannot be moved under the rollups that are there');
SELECT pg_temp.forget() \g /dev/null
SELECT pg_temp.begin_chapter('Kolkata', 'Asia/Kolkata', '{2024-05-01 18:30,2024-05-03 00:00}') \g /dev/null
SELECT pg_temp.rounds(181, 240)
\gexec
-- The clock goes from 2:00 to 1:30 on April 7th and from 2:00 to 2:30 on October 6th: the first
-- makes an hour that begins within another, the second one whose first half is not there.
SELECT pg_temp.forget() \g /dev/null
SELECT pg_temp.begin_chapter('Lord Howe', 'Australia/Lord_Howe', '{2024-04-06 15:00,2024-10-05 15:30}') \g /dev/null
SELECT pg_temp.rounds(241, 300)
\gexec

-- Each half hour around the changes of the clock alone.
CREATE FUNCTION pg_temp.wrong_refresh() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	lower timestamptz;
	upper timestamptz;
	wrong text;
BEGIN
	FOR lower, upper IN
		SELECT c + i * interval '30 minutes', c + (i + 1) * interval '30 minutes'
		FROM chapter, unnest(centres) AS c, generate_series(-4, 4) AS i
	LOOP
		PERFORM telemetry.refresh_device('device-0', NULL, lower, upper);
		wrong := coalesce(pg_temp.wrong_rollups('telemetry.metric_hourly', 'hour', 'model_point'),
			pg_temp.wrong_rollups('telemetry.metric_daily', 'day', 'model_point'));
		IF wrong IS NOT NULL THEN
			RETURN format('from %s to %s: %s', lower, upper, wrong);
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;
INSERT INTO batch (ts, device_id, metric, value)
	SELECT c + i * interval '5 minutes', 'device-0', 'eighths', pg_temp.some_value('eighths')
	FROM chapter, unnest(centres) AS c, generate_series(-60, 60) AS i;
SELECT pg_temp.ingest_batch() \g /dev/null
SELECT pg_temp.check_at_rest('Lord Howe, every five minutes');
SELECT is(pg_temp.wrong_refresh(), NULL, 'Lord Howe: a refresh changes nothing');

SELECT is((SELECT sum(telemetry.check_block(data))::bigint FROM telemetry.block), (SELECT sum(n) FROM telemetry.block),
	'every block holds the points that its row says');
SELECT is((SELECT count(*) FROM telemetry.block WHERE min_ts < day::timestamp AT TIME ZONE 'UTC' OR max_ts >= (day + 1)::timestamp AT TIME ZONE 'UTC'), 0::bigint,
	'no block crosses a day of UTC');
SELECT * FROM finish();
SELECT pg_temp.forget() \g /dev/null
SELECT telemetry.set_day_timezone('UTC') \g /dev/null
