-- telemetry.latest against telemetry.point: whatever is written, late, again or in any kind of block, rolled up, merged, deleted and
-- dropped by retention, in each state the view has the newest point of every series.
-- Each round is a transaction with a seed of its own, so the whole run is the same every time, but for the date.
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off

SET client_min_messages = warning;
SET timezone = 'UTC';
SET jit = off;
TRUNCATE telemetry.block, telemetry.drop_log;
DELETE FROM telemetry.retention;

CREATE FUNCTION pg_temp.any_of(VARIADIC texts text[]) RETURNS text LANGUAGE sql VOLATILE AS
	$$ SELECT texts[1 + floor(random() * cardinality(texts))::integer] $$;
CREATE FUNCTION pg_temp.some_ts() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
	SELECT date_trunc('day', now(), 'UTC') - (1 + floor(random() ^ 2 * 20)) * interval '1 day' + floor(random() * 48) * interval '30 minutes'
$$;

CREATE FUNCTION pg_temp.write() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('telemetry.mixed_block_points', pg_temp.any_of('0', '16384'), true);
	INSERT INTO telemetry.point (ts, device_id, metric, value, unit, tags, metadata)
	SELECT pg_temp.some_ts(), pg_temp.any_of('d0', 'd1', 'd2', 'd3', 'd4', 'd5'), pg_temp.any_of('a', 'b', 'c'),
		pg_temp.any_of(round(random() * 100)::text, 'true', '"open"', '{"a": [1, 2]}', '"NaN"', to_json(repeat('x', (random() * 300)::integer))::text)::telemetry.value,
		pg_temp.any_of('V', 'A', NULL), pg_temp.any_of('{"k": 1}', NULL)::jsonb, pg_temp.any_of('{"m": 2}', NULL)::jsonb
	FROM generate_series(1, (1 + random() * 60)::integer);
END
$$;

CREATE FUNCTION pg_temp.step() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	CASE floor(random() * 9)::integer
		WHEN 0, 1, 2, 3 THEN PERFORM pg_temp.write();
		WHEN 4, 5 THEN PERFORM telemetry.job_roll_up();
		WHEN 6 THEN PERFORM telemetry.delete_points(pg_temp.any_of('d0', 'd1', 'd2', 'd3', 'd4', 'd5'), pg_temp.any_of('a', 'b', 'c', NULL),
			pg_temp.some_ts(), CASE WHEN random() < 0.5 THEN pg_temp.some_ts() END);
		WHEN 7 THEN PERFORM telemetry.compact_step(true);
		ELSE
			DELETE FROM telemetry.retention;
			INSERT INTO telemetry.retention (metric, retention_days)
			SELECT m, 1 + floor(random() * 15) FROM unnest('{a,b,NULL}'::text[]) AS m WHERE random() < 0.5;
			WHILE telemetry.job_retention() LOOP END LOOP;
	END CASE;
END
$$;

CREATE FUNCTION pg_temp.difference() RETURNS text LANGUAGE sql AS $$
	WITH wanted AS (
		SELECT DISTINCT ON (device_id, metric) device_id, metric, ts, value::text AS value, num::text AS num FROM telemetry.point ORDER BY device_id, metric, ts DESC
	), pending AS (
		SELECT DISTINCT ON (device_id, metric) device_id, metric, ts, value::text AS value, num::text AS num, unit, tags, metadata
		FROM telemetry.pending_point ORDER BY device_id, metric, ts DESC
	), found AS (
		SELECT device_id, metric, ts, value::text AS value, num::text AS num FROM telemetry.latest
	), found_pending AS (
		SELECT device_id, metric, ts, value::text AS value, num::text AS num, unit, tags, metadata FROM telemetry.pending_latest
	), one AS (
		SELECT device_id, metric, ts, value::text AS value, num::text AS num FROM telemetry.latest WHERE device_id = 'd1' AND metric = 'a'
	), named AS (
		SELECT device_id, metric, ts, value::text AS value, num::text AS num FROM telemetry.latest WHERE device_id IN ('d2', 'd3', 'absent') AND metric <> 'b'
	), all_differences AS (
		SELECT 'not the newest: ' || f::text AS what FROM (TABLE found EXCEPT ALL TABLE wanted) AS f
		UNION ALL SELECT 'missing: ' || w::text FROM (TABLE wanted EXCEPT ALL TABLE found) AS w
		UNION ALL SELECT 'not the newest that is pending: ' || f::text FROM (TABLE found_pending EXCEPT ALL TABLE pending) AS f
		UNION ALL SELECT 'missing of what is pending: ' || w::text FROM (TABLE pending EXCEPT ALL TABLE found_pending) AS w
		UNION ALL SELECT 'of one series: ' || f::text
			FROM ((SELECT * FROM wanted WHERE device_id = 'd1' AND metric = 'a') EXCEPT ALL TABLE one) AS f
		UNION ALL SELECT 'of devices: ' || f::text
			FROM ((SELECT * FROM wanted WHERE device_id IN ('d2', 'd3') AND metric <> 'b') EXCEPT ALL TABLE named) AS f
	)
	SELECT count(*) || ' differences, such as ' || min(what) FROM all_differences HAVING count(*) > 0
$$;

CREATE FUNCTION pg_temp.round(seed integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM setseed(seed / 1000.0);
	FOR i IN 0 .. floor(random() * 3)::integer LOOP
		PERFORM pg_temp.step();
	END LOOP;
	RETURN pg_temp.difference();
END
$$;

SELECT plan(121);
SELECT format('SELECT is(pg_temp.round(%s), NULL, %L)', i, format('round %s', i)) FROM generate_series(1, 120) AS i
\gexec
SELECT cmp_ok((SELECT count(*) FROM telemetry.latest)::bigint, '>', 5::bigint, 'there is something to compare');
SELECT * FROM finish();
