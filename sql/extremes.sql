-- Values and times at the ends of what can be stored: whatever is taken, everything that reads it answers.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = telemetry, public;
TRUNCATE block, drop_log, audit, audit_run, dead_letter;
DELETE FROM retention;

-- Each value alone, twice, with each other one, and with zeros; and what once failed.
CREATE TEMP TABLE extreme (v float8);
INSERT INTO extreme
SELECT unnest('{0,-0,5e-324,-5e-324,1e-310,2.2250738585072014e-308,1e-162,-1e-162,1.5e-154,1,-1,9007199254740993,1e154,1.3407807929942596e154,-1.3407807929942597e154,1e155,1.7976931348623157e308,-1.7976931348623157e308,Infinity,-Infinity,NaN}'::float8[]);
CREATE TEMP TABLE sample (device text, number integer, v float8);
INSERT INTO sample SELECT 'one ' || v, 0, v FROM extreme;
INSERT INTO sample SELECT a.v || ' and ' || b.v, u.number, u.v
FROM extreme AS a JOIN extreme AS b ON a.v <= b.v, unnest(ARRAY[a.v, b.v]) WITH ORDINALITY AS u (v, number);
INSERT INTO sample SELECT v || ' among zeros', u.number, u.x FROM extreme, unnest(ARRAY[v, 0, 0, v, 0]) WITH ORDINALITY AS u (x, number);
INSERT INTO sample SELECT 'small ones', u.number, u.v FROM unnest('{1e-162,0,0,2e-162,0}'::float8[]) WITH ORDINALITY AS u (v, number);
INSERT INTO sample SELECT 'all', row_number() OVER (), v FROM extreme;
INSERT INTO sample SELECT 'all back', row_number() OVER (ORDER BY v DESC), v FROM extreme;

-- What reads rollups and points, each by itself, in full: an error says where.
CREATE FUNCTION pg_temp.reads() RETURNS TABLE (problem text) LANGUAGE plpgsql AS $$
DECLARE
	statement text;
BEGIN
	FOREACH statement IN ARRAY ARRAY[
		'SELECT count(r::text), count(to_jsonb(r)) FROM telemetry.metric_hourly AS r',
		'SELECT count(r::text), count(to_jsonb(r)) FROM telemetry.metric_daily AS r',
		'SELECT count(r::text), count(to_jsonb(r)) FROM telemetry.metric_hourly_live AS r',
		'SELECT count(r::text), count(to_jsonb(r)) FROM telemetry.metric_daily_live AS r',
		'SELECT count(r::text) FROM telemetry.live_hour AS r',
		'SELECT count(r::text) FROM telemetry.live_day AS r',
		'SELECT count(r::text), count(to_jsonb(r)) FROM telemetry.series AS r',
		'SELECT count(r::text) FROM telemetry.freshness AS r',
		'SELECT count(r::text), count(to_jsonb(r)) FROM telemetry.point AS r',
		'SELECT count(r::text), count(to_jsonb(r)) FROM telemetry.pending_point AS r',
		'SELECT count(r::text), count(to_jsonb(r)) FROM telemetry.rolled_up_point AS r',
		'SELECT count(telemetry.quantile(sketch, ARRAY[0, 0.01, 0.5, 0.99, 1])) FROM telemetry.metric_hourly',
		'SELECT telemetry.quantile(telemetry.sketch_merge(sketch), 0.5) FROM telemetry.metric_hourly',
		'SELECT (telemetry.rollup_merge(rollup))::text FROM telemetry.live_hour',
		'SELECT (telemetry.rollup(ts, value))::text FROM telemetry.point',
		'SELECT count(telemetry.compare_day(device_id, metric, day)) FROM telemetry.rollup_day',
		'SELECT count(telemetry.compare_series(device_id, metric)) FROM telemetry.series',
		'SELECT count(*) FROM telemetry.audit_rollups()',
		'SELECT telemetry.job_audit()',
		'SELECT * FROM telemetry.audit_status',
		'ANALYZE telemetry.point',
		'ANALYZE telemetry.rollup_hour',
		'EXPLAIN SELECT * FROM telemetry.point WHERE num > 1e308 AND num < ''Infinity''',
		'EXPLAIN SELECT * FROM telemetry.metric_hourly WHERE stddev > 1e308 AND avg < 5e-324',
		'COPY (SELECT * FROM telemetry.point) TO ''/dev/null''',
		'COPY (SELECT * FROM telemetry.point) TO ''/dev/null'' (FORMAT binary)',
		'COPY (SELECT * FROM telemetry.metric_hourly) TO ''/dev/null'' (FORMAT csv)',
		'COPY (SELECT * FROM telemetry.metric_daily_live) TO ''/dev/null'' (FORMAT binary)',
		'COPY telemetry.rollup_hour TO ''/dev/null'''] LOOP
		BEGIN
			EXECUTE statement;
		EXCEPTION WHEN OTHERS THEN
			problem := statement || ': ' || sqlerrm;
			RETURN NEXT;
		END;
	END LOOP;
END
$$;
-- Rows in which a view differs from the numbers, by arithmetic that cannot leave the range.
CREATE FUNCTION pg_temp.differs(relation regclass, at text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	found bigint;
BEGIN
	EXECUTE format($query$
		SELECT count(*)
		FROM (SELECT device, count(*) AS n, min(v) AS min, max(v) AS max, count(*) FILTER (WHERE v IN ('Infinity', '-Infinity', 'NaN')) AS unbounded
			FROM pg_temp.sample GROUP BY device) AS s
		LEFT JOIN %s AS r ON r.device_id = s.device AND r.%I = '2024-05-01 10:00'
		WHERE (r.n, r.min, r.max) IS DISTINCT FROM (s.n, s.min, s.max)
			OR r.first IS DISTINCT FROM (SELECT v FROM pg_temp.sample AS f WHERE f.device = s.device ORDER BY f.number LIMIT 1)
			OR r.last IS DISTINCT FROM (SELECT v FROM pg_temp.sample AS f WHERE f.device = s.device ORDER BY f.number DESC LIMIT 1)
			OR r.avg IS NULL OR (r.stddev IS NULL) <> (s.n = 1)
			-- A mean of finite numbers lies among them, or is infinite where their sum is.
			OR s.unbounded = 0 AND r.sum NOT IN ('Infinity', '-Infinity', 'NaN') AND NOT r.avg BETWEEN s.min AND s.max
			OR NOT r.p50 BETWEEN s.min AND s.max OR NOT r.p95 BETWEEN s.min AND s.max OR NOT r.p99 BETWEEN r.p50 AND s.max$query$,
		relation, at) INTO found;
	RETURN found;
END
$$;

-- numbers_at_the_ends_of_float8_are_read_while_they_are_pending
BEGIN;
INSERT INTO point (ts, device_id, metric, value)
SELECT '2024-05-01 10:00'::timestamptz + number * interval '1 second', device, 'm', v::value FROM sample;
SELECT received = accepted AS all_taken FROM ingest_result();
COMMIT;
SELECT * FROM pg_temp.reads();
SELECT pg_temp.differs('metric_hourly_live', 'hour');

-- and rolled up
SELECT job_roll_up();
SELECT * FROM pg_temp.reads();
SELECT pg_temp.differs('metric_hourly', 'hour') AS hourly, pg_temp.differs('metric_hourly_live', 'hour') AS live;
SELECT count(*) FROM audit_rollups();
SELECT device_id, n, sum, avg, stddev, p50, p99 FROM metric_hourly
WHERE device_id IN ('one 5e-324', '0 and 5e-324', '5e-324 and 5e-324', '-5e-324 among zeros', '1e-162 among zeros', 'small ones', '0 and 1e+154',
	'0 and 1e+155', '1.7976931348623157e+308 and 1.7976931348623157e+308', '-1.7976931348623157e+308 and 1.7976931348623157e+308', '0 and Infinity',
	'-Infinity and Infinity', '0 and NaN', 'one NaN', 'all')
ORDER BY device_id;

-- and written again, late, in later hours, refreshed and merged
INSERT INTO point (ts, device_id, metric, value)
SELECT '2024-05-01 10:00'::timestamptz + number * interval '1 second', device, 'm', v::value FROM sample WHERE number % 2 = 0;
INSERT INTO point (ts, device_id, metric, value)
SELECT '2024-05-01 11:00'::timestamptz + number * interval '1 second', device, 'm', v::value FROM sample;
SELECT * FROM pg_temp.reads();
SELECT pg_temp.differs('metric_hourly_live', 'hour');
SELECT job_roll_up();
SELECT pg_temp.differs('metric_hourly', 'hour');
SELECT sum(refresh_device(device, NULL, NULL, NULL)) AS hours FROM (SELECT DISTINCT device FROM sample) AS s;
SELECT pg_temp.differs('metric_hourly', 'hour');
SELECT compact_step(true);
SELECT set_day_timezone('Asia/Tokyo');
SELECT * FROM pg_temp.reads();
SELECT set_day_timezone('UTC');
SELECT count(*) AS deleted FROM (SELECT delete_points(device, 'm', '2024-05-01 10:00:01', '2024-05-01 10:00:02') FROM (SELECT DISTINCT device FROM sample) AS s OFFSET 0) AS d;
SELECT * FROM pg_temp.reads();
SELECT count(*) FROM audit_rollups();
SELECT count(*) FROM audit;
TRUNCATE block, drop_log, audit, audit_run;

-- times_at_the_ends_of_what_postgresql_has are refused, and those next to them read in every zone of days, and in every session's
CREATE TEMP TABLE moment (ts timestamptz, taken boolean);
INSERT INTO moment VALUES ('-infinity', false), ('4714-11-24 00:00+00 BC', false), ('4714-11-24 00:53:28+00 BC', false), ('4714-12-31 23:59:59.999999+00 BC', false),
	('4713-01-01 00:00+00 BC', true), ('4713-01-01 12:34:56.789012+00 BC', true), ('0001-12-31 23:59:59.999999+00 BC', true), ('1970-01-01', true), ('2000-01-01', true),
	('294275-12-31 23:59:59.999999+00', false), ('294276-12-31 23:59:59.999999+00', false), ('infinity', false);
CREATE FUNCTION pg_temp.read_in(zone text, session_zones text[]) RETURNS TABLE (read_in text, points bigint, hours bigint, days bigint, problem text) LANGUAGE plpgsql AS $$
DECLARE
	session_zone text;
BEGIN
	TRUNCATE telemetry.block, telemetry.dead_letter;
	PERFORM telemetry.set_day_timezone(zone);
	INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT m.ts, 'moments ' || m.ts, 'm', '1' FROM pg_temp.moment AS m;
	INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT m.ts, 'a year', 'm', '1' FROM pg_temp.moment AS m WHERE m.taken AND m.ts < '4712-01-01 BC';
	IF EXISTS (SELECT FROM pg_temp.moment AS m LEFT JOIN telemetry.point AS p ON p.device_id = 'moments ' || m.ts AND p.ts = m.ts WHERE m.taken <> (p.ts IS NOT NULL)) THEN
		problem := 'not those that should have been were taken';
		RETURN NEXT;
	END IF;
	FOREACH session_zone IN ARRAY session_zones LOOP
		PERFORM set_config('timezone', session_zone, true);
		FOR problem IN SELECT * FROM pg_temp.reads() LOOP
			RETURN NEXT;
		END LOOP;
		PERFORM telemetry.job_roll_up();
		-- As a dump writes and reads them.
		SELECT session_zone, (SELECT count(*) FROM telemetry.point AS p WHERE p.ts::text::timestamptz = p.ts),
			(SELECT count(*) FROM telemetry.metric_hourly AS h WHERE h.hour::text::timestamptz = h.hour AND h.first_ts >= h.hour),
			(SELECT count(*) FROM telemetry.metric_daily AS d WHERE d.day::text::date = d.day)
		INTO read_in, points, hours, days;
		problem := NULL;
		RETURN NEXT;
	END LOOP;
	PERFORM set_config('timezone', 'UTC', true);
	PERFORM telemetry.refresh_device('a year', NULL, NULL, NULL), telemetry.refresh_device('moments ' || m.ts, NULL, NULL, NULL) FROM pg_temp.moment AS m;
	FOR problem IN SELECT * FROM pg_temp.reads() LOOP
		RETURN NEXT;
	END LOOP;
END
$$;
SELECT * FROM pg_temp.read_in('Europe/Berlin', ARRAY['UTC', 'Europe/Berlin', 'Asia/Manila', 'America/Juneau', 'Pacific/Kiritimati']);
SELECT regexp_replace(reason, ' [0-9 :.+-]* is more', ' ... is more') AS reason, count(*) FROM dead_letter GROUP BY 1 ORDER BY 1;
SELECT z.zone, r.* FROM unnest(ARRAY['Asia/Manila', 'America/Juneau', 'Pacific/Kiritimati', 'UTC']) AS z (zone), pg_temp.read_in(z.zone, ARRAY['America/Juneau']) AS r;
-- Functions that are given such times answer, too.
SELECT count(*) FROM moment AS a, moment AS b, audit_rollups(NULL, NULL, a.ts, b.ts);
SELECT count(refresh_device('a year', NULL, a.ts, b.ts)), count(delete_points('no such device', NULL, a.ts, b.ts)) FILTER (WHERE a.ts < b.ts) FROM moment AS a, moment AS b;
TRUNCATE block;
SELECT set_day_timezone('America/Juneau');
SELECT count(hour_of(ts)::text), count(day_of(ts)::text) FROM moment;
SELECT set_day_timezone('Europe/Berlin');
SELECT count(hour_of(ts)::text), count(day_of(ts)::text) FROM moment;
-- Events, by either clock.
INSERT INTO stream (name, description, clock) VALUES ('moments', 'For this test.', 'occurred_at');
UPDATE stream SET max_age = '300000 years', max_future = '300000 years' WHERE name = 'moments';
INSERT INTO event (stream, event_type, occurred_at, received_at, subject_id) SELECT 'moments', 'a', o.ts, r.ts, 's' FROM moment AS o, moment AS r WHERE r.ts < '1999-12-31';
INSERT INTO event (stream, event_type, occurred_at, subject_id) SELECT 'moments', 'b', o.ts, 's' FROM moment AS o;
SELECT reason, count(*) FROM dead_letter WHERE kind = 'event' GROUP BY reason ORDER BY reason;
SELECT job_roll_up_events();
SELECT event_type, sum(n), count(*) AS hours, min(hour), max(hour) FROM event_hourly WHERE stream = 'moments' GROUP BY event_type ORDER BY event_type;
SELECT event_type, sum(n), count(*) AS days, min(day), max(day) FROM event_daily_live WHERE stream = 'moments' GROUP BY event_type ORDER BY event_type;
TRUNCATE event_log, event_key, event_batch, event_change, conflict, event_rollup_hour, event_rollup_day, stream_rollup_day, user_rollup_day;
SELECT set_day_timezone('UTC');
TRUNCATE block, drop_log, audit, audit_run, dead_letter;

-- comparisons_of_ts answer as for a plain table, with whatever it is compared, in every zone, by plans of each kind
TRUNCATE block;
INSERT INTO point (ts, device_id, metric, value)
SELECT t, 'd' || t, 'm', '1' FROM unnest('{4713-01-01 00:00+00 BC,4713-01-02 12:00+00 BC,0001-01-01 00:00+00,1999-12-31 23:00+00,2000-01-01 00:00+00,2000-01-01 00:00:00.000001+00,2024-03-31 01:30+00,2024-10-27 00:30+00,2024-10-27 01:30+00}'::timestamptz[]) AS t;
CREATE TEMP TABLE plain AS SELECT ts, device_id FROM point;
CREATE TEMP TABLE bound (d date, t timestamp, z timestamptz);
INSERT INTO bound (d)
SELECT unnest('{-infinity,4714-11-24 BC,4714-11-25 BC,4713-01-01 BC,0001-01-01,2000-01-01,2000-01-02,2024-10-27,294276-12-30,294276-12-31,294277-01-01,300000-01-01,5874897-12-31,infinity}'::date[]);
INSERT INTO bound (t)
SELECT unnest('{-infinity,4714-11-24 00:00 BC,4714-11-24 23:59:59.999999 BC,4713-01-01 00:00 BC,2000-01-01 00:00,2000-01-01 01:00,2024-03-31 02:30,2024-10-27 02:30,294276-12-31 00:00,294276-12-31 23:59:59.999999,infinity}'::timestamp[]);
INSERT INTO bound (z) SELECT unnest('{-infinity,4714-11-24 00:00+00 BC,4713-01-01 00:00+00 BC,2000-01-01 00:00+00,294276-12-31 23:59:59.999999+00,infinity}'::timestamptz[]);
INSERT INTO bound (d) VALUES (NULL);
-- What a condition finds among the points and in the plain table, or the error.
CREATE FUNCTION pg_temp.found(relation text, condition text, of_bound text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	EXECUTE format(CASE WHEN of_bound IS NULL THEN 'SELECT array_agg(device_id ORDER BY device_id)::text FROM %s AS p WHERE %s'
		ELSE 'SELECT array_agg(device_id || b ORDER BY device_id || b)::text FROM pg_temp.bound AS b, LATERAL (SELECT * FROM %s AS p WHERE %s OFFSET 0) AS p' END,
		relation, condition) INTO found;
	RETURN found;
EXCEPTION WHEN OTHERS THEN
	RETURN sqlerrm;
END
$$;
CREATE FUNCTION pg_temp.prepared(relation text, condition text, type text, value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	EXECUTE format('PREPARE by_parameter (%s) AS SELECT array_agg(device_id ORDER BY device_id)::text FROM %s AS p WHERE %s', type, relation, condition);
	EXECUTE format('EXECUTE by_parameter (%L)', value) INTO found;
	DEALLOCATE by_parameter;
	RETURN found;
EXCEPTION WHEN OTHERS THEN
	DEALLOCATE by_parameter;
	RETURN sqlerrm;
END
$$;
CREATE FUNCTION pg_temp.disagreements(zone text) RETURNS TABLE (cases bigint, disagreements bigint, an_example text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('timezone', zone, true), set_config('plan_cache_mode', 'force_generic_plan', true);
	RETURN QUERY
	WITH op (op) AS (SELECT unnest(ARRAY['<', '<=', '=', '>=', '>'])),
	col (col, type) AS (VALUES ('d', 'date'), ('t', 'timestamp'), ('z', 'timestamptz')),
	value (type, value) AS (
		SELECT 'date', d::text FROM pg_temp.bound WHERE d IS NOT NULL
		UNION ALL SELECT 'timestamp', t::text FROM pg_temp.bound WHERE t IS NOT NULL
		UNION ALL SELECT 'timestamptz', z::text FROM pg_temp.bound WHERE z IS NOT NULL),
	condition AS (
		SELECT 'constant' AS what, format('p.ts %s %L::%s', op, value, type) AS condition, type, value FROM op, value
		UNION ALL SELECT 'constant', format('%L::%s %s p.ts', value, type, op), type, value FROM op, value
		UNION ALL SELECT 'parameter', format('p.ts %s $1', op), type, value FROM op, value
		UNION ALL SELECT 'join', format('p.ts %s b.%s', op, col), type, NULL FROM op, col
		UNION ALL SELECT 'join', format('b.%s %s p.ts', col, op), type, NULL FROM op, col),
	result AS (
		SELECT c.*,
			CASE c.what WHEN 'parameter' THEN pg_temp.prepared('telemetry.point', c.condition, c.type, c.value)
				ELSE pg_temp.found('telemetry.point', c.condition, CASE c.what WHEN 'join' THEN 'b' END) END AS ours,
			CASE c.what WHEN 'parameter' THEN pg_temp.prepared('pg_temp.plain', c.condition, c.type, c.value)
				ELSE pg_temp.found('pg_temp.plain', c.condition, CASE c.what WHEN 'join' THEN 'b' END) END AS theirs
		FROM condition AS c)
	SELECT count(*), count(*) FILTER (WHERE ours IS DISTINCT FROM theirs), min(what || ': ' || condition || ': ' || ours) FILTER (WHERE ours IS DISTINCT FROM theirs)
	FROM result;
END
$$;
SELECT z.zone, d.* FROM unnest(ARRAY['UTC', 'Europe/Berlin', 'America/Los_Angeles', 'Asia/Manila', 'Pacific/Kiritimati']) AS z (zone), pg_temp.disagreements(z.zone) AS d;
SET timezone = 'Europe/Berlin';
SELECT count(*) FROM point WHERE ts < date '300000-01-01' AND ts >= date '4714-11-24 BC';
SET timezone = 'UTC';
TRUNCATE block;
