-- Statistics against what is in telemetry.point: whatever is ingested, late, repeated and deleted, rolled up or not, a device's metrics have
-- the points that are there, and so has all of it. Each round has a seed of its own.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off

SET client_min_messages = warning;
SET timezone = 'UTC';
UPDATE telemetry.layout SET day_timezone = 'UTC';

CREATE FUNCTION pg_temp.pick(VARIADIC choices anyarray) RETURNS anyelement LANGUAGE sql VOLATILE AS
$$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;

-- On a grid, so that keys meet by chance; also where the last 24 hours, and hours, begin.
CREATE FUNCTION pg_temp.some_ts() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
	SELECT CASE
		WHEN random() < 0.1 THEN date_trunc('hour', now()) - floor(random() * 27) * interval '1 hour' - pg_temp.pick('0', '1 us'::interval)
		WHEN random() < 0.1 THEN now() - interval '24 hours' + pg_temp.pick('-1 s', '0', '1 s'::interval)
		ELSE date_trunc('minute', now()) - floor(random() ^ 2 * 400) * interval '9 minutes' END
$$;

CREATE PROCEDURE pg_temp.some_state(seed float8) LANGUAGE plpgsql AS $$
DECLARE
	device text;
BEGIN
	PERFORM setseed(seed);
	TRUNCATE telemetry.block;
	FOR step IN 1 .. 3 + floor(random() * 8) LOOP
		CASE pg_temp.pick('ingest', 'ingest', 'ingest', 'roll_up', 'roll_up', 'compact', 'delete'::text)
			WHEN 'ingest' THEN
				INSERT INTO telemetry.point (ts, device_id, metric, value)
				SELECT pg_temp.some_ts(), 'd' || floor(random() * 3), pg_temp.pick('a', 'b', 'c'::text), pg_temp.pick('1', '"text"', 'true'::telemetry.value)
				FROM generate_series(1, 1 + floor(random() ^ 3 * 500)::integer);
			WHEN 'roll_up' THEN
				WHILE telemetry.job_roll_up() LOOP
					COMMIT;
				END LOOP;
			WHEN 'compact' THEN
				PERFORM telemetry.compact_step(true);
			WHEN 'delete' THEN
				device := 'd' || floor(random() * 3);
				PERFORM telemetry.delete_points(device, pg_temp.pick('a', 'b', NULL::text), pg_temp.some_ts(), pg_temp.pick(now(), NULL));
		END CASE;
		COMMIT;
	END LOOP;
END
$$;

SELECT plan(90);
SELECT format($$CALL pg_temp.some_state(%s)$$, i / 1000.0),
	format($$SELECT set_eq(
		'SELECT d.device_id, s.* FROM unnest(''{d0,d1,d2,none}''::text[]) AS d (device_id), telemetry.device_metric_statistics(d.device_id) AS s',
		'SELECT p.device_id, p.metric, count(*) AS n, min(p.ts), max(p.ts), count(*) FILTER (WHERE p.ts >= now() - interval ''24 hours'') AS n_24h FROM telemetry.point AS p GROUP BY 1, 2',
		'seed %s: metrics of devices')$$, i / 1000.0),
	format($$SELECT set_eq(
		'SELECT d.device_id, s.total_metrics, s.active_metrics, s.data_points_count, s.last_update, s.last_24h_points FROM unnest(''{d0,d1,d2}''::text[]) AS d (device_id), telemetry.device_statistics(d.device_id) AS s WHERE s.total_metrics > 0',
		'SELECT p.device_id, count(DISTINCT p.metric) AS metrics, count(DISTINCT p.metric) FILTER (WHERE p.ts >= now() - interval ''24 hours'') AS active, count(*) AS n, max(p.ts), count(*) FILTER (WHERE p.ts >= now() - interval ''24 hours'') AS n_24h FROM telemetry.point AS p GROUP BY 1',
		'seed %s: devices')$$, i / 1000.0),
	format($$SELECT set_eq(
		'SELECT s.total_devices, s.active_devices, s.total_metrics, s.total_data_points, s.last_24h_points, (SELECT sum(h.value::bigint) FROM jsonb_each_text(s.data_by_hour) AS h) FROM telemetry.compute_statistics() AS s',
		'SELECT count(DISTINCT p.device_id) AS devices, count(DISTINCT p.device_id) FILTER (WHERE p.ts >= now() - interval ''24 hours'') AS active, count(DISTINCT p.metric) AS metrics, count(*) AS n, count(*) FILTER (WHERE p.ts >= now() - interval ''24 hours'') AS n_24h, (count(*) FILTER (WHERE p.ts >= date_trunc(''hour'', now()) - interval ''23 hours''))::numeric AS n_hours FROM telemetry.point AS p',
		'seed %s: all')$$, i / 1000.0)
FROM generate_series(1, 30) AS i
\gexec
SELECT finish();
TRUNCATE telemetry.block;
