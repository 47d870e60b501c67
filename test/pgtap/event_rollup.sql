-- Rollups of events against the events themselves: after random events, late ones, repeats, versions that
-- replace others, and removals, with rounds of the job in between. The live views are exact at any time, the
-- others once nothing is pending. Each round has a seed of its own, so the whole run is the same every time.
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off

SET client_min_messages = warning;
SET timezone = 'UTC';
TRUNCATE telemetry.event_log, telemetry.event_key, telemetry.event_batch, telemetry.event_change, telemetry.conflict,
	telemetry.event_rollup_hour, telemetry.event_rollup_day, telemetry.stream_rollup_day, telemetry.user_rollup_day;
INSERT INTO telemetry.stream (name, description, on_conflict, clock, max_future) VALUES
	('tap_server', 'By the server''s clock.', 'first_wins', 'received_at', '10 days'),
	('tap_client', 'By the client''s clock.', 'last_write_wins', 'occurred_at', '10 days'),
	('tap_both', 'By the server''s clock, the last wins.', 'last_write_wins', 'received_at', '10 days');

CREATE FUNCTION pg_temp.pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;

-- Received on one of some days, as a statement each time; occurred up to two days before or after.
CREATE FUNCTION pg_temp.some_events() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz := timestamptz '2026-02-27 22:00' + floor(random() * 60) * interval '1 hour';
BEGIN
	INSERT INTO telemetry.event (stream, event_id, event_type, occurred_at, received_at, user_id, session_id, device_id, subject_id, duration_seconds)
	SELECT pg_temp.pick('tap_server', 'tap_client', 'tap_both'), pg_temp.pick('e' || floor(random() * 60), 'e' || floor(random() * 100000)),
		pg_temp.pick('start', 'stop'), start + (random() - 0.5) * interval '4 days', start + floor(random() * 3) * interval '20 minutes',
		pg_temp.pick(NULL, 'u1', 'u2', 'u3'), pg_temp.pick(NULL, 's1', 's2', 's' || i), pg_temp.pick(NULL, 'd1', 'd' || i), pg_temp.pick(NULL, 'x', 'y'),
		pg_temp.pick(NULL, '0.1', '0.7', '1e-7', '123456789.125')::float8
	FROM generate_series(1, 1 + floor(200 ^ random())::int) AS i;
END
$$;

CREATE FUNCTION pg_temp.some_removals() RETURNS void LANGUAGE sql AS $$
	SELECT telemetry.remove_events(array_agg(received_at), array_agg(id), array_agg(true))
	FROM (SELECT received_at, id FROM telemetry.event_log ORDER BY random() LIMIT floor(20 ^ random())) AS e
$$;

-- What the rollups should be, by definition.
CREATE TEMP VIEW counted AS
	SELECT e.stream, e.subject_id, e.event_type, e.user_id, e.session_id, e.device_id, e.duration_seconds::numeric AS seconds, e.received_at,
		CASE WHEN e.stream = 'tap_client' THEN e.occurred_at ELSE e.received_at END AS at
	FROM telemetry.event AS e;
CREATE TEMP VIEW naive_hour AS
	SELECT stream, subject_id, event_type, telemetry.hour_of(at) AS hour, count(*) AS n, coalesce(sum(seconds), 0) AS total_seconds,
		count(DISTINCT session_id) AS unique_sessions, count(DISTINCT user_id) AS unique_users, count(DISTINCT device_id) AS unique_devices
	FROM counted GROUP BY 1, 2, 3, 4;
CREATE TEMP VIEW naive_day AS
	SELECT stream, subject_id, event_type, telemetry.day_of(at) AS day, count(*) AS n, coalesce(sum(seconds), 0) AS total_seconds,
		count(DISTINCT session_id) AS unique_sessions, count(DISTINCT user_id) AS unique_users, count(DISTINCT device_id) AS unique_devices
	FROM counted GROUP BY 1, 2, 3, 4;
CREATE TEMP VIEW naive_stream AS
	SELECT stream, event_type, telemetry.day_of(at) AS day, count(*) AS n, coalesce(sum(seconds), 0) AS total_seconds,
		count(DISTINCT session_id) AS unique_sessions, count(DISTINCT user_id) AS unique_users, count(DISTINCT device_id) AS unique_devices,
		count(DISTINCT subject_id) AS unique_subjects
	FROM counted GROUP BY 1, 2, 3;
CREATE TEMP VIEW naive_user AS
	SELECT stream, user_id, event_type, telemetry.day_of(at) AS day, count(*) AS n, coalesce(sum(seconds), 0) AS total_seconds,
		max(received_at) AS last_at, count(DISTINCT subject_id) AS unique_subjects
	FROM counted WHERE user_id IS NOT NULL GROUP BY 1, 2, 3, 4;

CREATE FUNCTION pg_temp.differs(columns text, a text, b text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM ((SELECT %1$s FROM %2$s EXCEPT ALL SELECT %1$s FROM %3$s)
		UNION ALL (SELECT %1$s FROM %3$s EXCEPT ALL SELECT %1$s FROM %2$s)) AS d', columns, a, b) INTO n;
	RETURN n;
END
$$;

SELECT plan(50 * 8 + 23 + 12);

-- A sketch of more than 256 values is not exact, and the sketches of a few hundred sessions a day are nearly so.
CREATE FUNCTION pg_temp.round(seed int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	rest text;
BEGIN
	PERFORM setseed(seed / 1000.0);
	FOR i IN 1 .. 1 + floor(random() * 4)::int LOOP
		PERFORM pg_temp.some_events();
		IF random() < 0.4 THEN
			PERFORM pg_temp.some_removals();
		END IF;
		IF random() < 0.5 THEN
			PERFORM telemetry.job_roll_up_events();
		END IF;
		IF random() < 0.2 THEN
			PERFORM pg_temp.some_removals();
		END IF;
	END LOOP;
	FOREACH rest IN ARRAY ARRAY['_live', ''] LOOP
		IF rest = '' THEN
			WHILE telemetry.job_roll_up_events() LOOP
			END LOOP;
		END IF;
		RETURN NEXT is(pg_temp.differs('stream, subject_id, event_type, hour, n, total_seconds'
			|| CASE rest WHEN '' THEN ', unique_sessions, unique_users, unique_devices' ELSE '' END, 'telemetry.event_hourly' || rest, 'naive_hour'),
			0::bigint, format('round %s: event_hourly%s', seed, rest));
		RETURN NEXT is(pg_temp.differs('stream, subject_id, event_type, day, n, total_seconds'
			|| CASE rest WHEN '' THEN ', unique_users' ELSE '' END, 'telemetry.event_daily' || rest, 'naive_day'),
			0::bigint, format('round %s: event_daily%s', seed, rest));
		RETURN NEXT is(pg_temp.differs('stream, event_type, day, n, total_seconds'
			|| CASE rest WHEN '' THEN ', unique_users, unique_subjects' ELSE '' END, 'telemetry.stream_daily' || rest, 'naive_stream'),
			0::bigint, format('round %s: stream_daily%s', seed, rest));
		RETURN NEXT is(pg_temp.differs('stream, user_id, event_type, day, n, total_seconds'
			|| CASE rest WHEN '' THEN ', last_at, unique_subjects' ELSE '' END, 'telemetry.user_daily' || rest, 'naive_user'),
			0::bigint, format('round %s: user_daily%s', seed, rest));
	END LOOP;
END
$$;
SELECT pg_temp.round(seed) FROM generate_series(1, 50) AS seed;

-- Three versions in the same cells but not at the same time, and then other days.
INSERT INTO telemetry.event (stream, event_id, event_type, occurred_at, received_at, user_id, session_id, subject_id)
SELECT v.stream, v.event_id, 'move', v.at, v.at, v.event_id, v.event_id, 'moved'
FROM (VALUES ('tap_both', 'm1', timestamptz '2026-03-20 10:10'), ('tap_both', 'm2', '2026-03-20 10:20'),
	('tap_client', 'm1', '2026-03-20 10:10'), ('tap_client', 'm2', '2026-03-20 10:20')) AS v (stream, event_id, at);
SELECT telemetry.job_roll_up_events();
INSERT INTO telemetry.event (stream, event_id, event_type, occurred_at, received_at, user_id, session_id, subject_id)
SELECT v.stream, 'm1', 'move', v.at, v.at, 'm1', 'm1', 'moved'
FROM (VALUES ('tap_both', timestamptz '2026-03-20 12:10'), ('tap_client', '2026-03-20 12:10')) AS v (stream, at);
SELECT telemetry.job_roll_up_events();
SELECT is(array_agg(format('%s %s: %s, %s, %s', v.stream, extract(hour FROM v.hour), v.n, v.unique_users, v.unique_sessions) ORDER BY v.stream, v.hour),
	ARRAY['tap_both 10: 1, 1, 1', 'tap_both 12: 1, 1, 1', 'tap_client 10: 1, 1, 1', 'tap_client 12: 1, 1, 1'],
	'what a version leaves behind in another hour is not counted there any more')
FROM telemetry.event_hourly AS v WHERE v.event_type = 'move';

SELECT is((SELECT count(*) FROM telemetry.event_batch) + (SELECT count(*) FROM telemetry.event_change), 0::bigint, 'nothing is pending at rest');
SELECT ok((SELECT bool_and(abs(v.unique_sessions - n.unique_sessions) <= 0.02 * n.unique_sessions
		AND abs(v.unique_devices - n.unique_devices) <= 0.02 * n.unique_devices)
	FROM telemetry.stream_daily AS v JOIN naive_stream AS n USING (stream, event_type, day)), 'sessions and devices are within 2 %');

-- Many of them.
INSERT INTO telemetry.event (stream, event_type, received_at, occurred_at, user_id, session_id, device_id, subject_id)
SELECT 'tap_server', 'many', '2026-03-15 12:00', '2026-03-15 11:00'::timestamptz + i * interval '1 microsecond', 'user ' || i, 'session ' || i / 2, 'device ' || i / 10, 'subject ' || i % 3
FROM generate_series(0, 99999) AS i;
DO $$ BEGIN WHILE telemetry.job_roll_up_events() LOOP END LOOP; END $$;
SELECT is(n, 100000::bigint, 'all of 100,000 are counted') FROM telemetry.stream_daily WHERE event_type = 'many';
SELECT ok(abs(unique_users - 100000) <= 2000 AND abs(unique_sessions - 50000) <= 1000 AND abs(unique_devices - 10000) <= 200 AND unique_subjects = 3,
	format('uniques of 100,000 are within 2 %%: %s, %s, %s', unique_users, unique_sessions, unique_devices))
FROM telemetry.stream_daily WHERE event_type = 'many';
SELECT ok(abs(telemetry.unique_count(telemetry.uniques_of_all(users)) - 100000) <= 2000, 'sketches of subjects united are within 2 %, too')
FROM telemetry.event_daily WHERE event_type = 'many';

-- Where the estimate of hll itself has a seam, and to either side of it; test_uniques.c goes through all sizes.
SELECT ok(max(abs(e.error)) < 0.02 AND abs(avg(e.error)) < 0.002, format('12 sets of %s: bias %s, worst %s', e.n, round(avg(e.error), 5), round(max(abs(e.error)), 5)))
FROM (
	SELECT n, telemetry.unique_count(telemetry.uniques_of(k || ' ' || i)) / n::numeric - 1 AS error
	FROM unnest(ARRAY[1000, 80000, 110000]) AS n, generate_series(101, 112) AS k, generate_series(1, n) AS i
	GROUP BY n, k
) AS e
GROUP BY e.n ORDER BY e.n;

-- Other days, while something of each kind is pending.
SELECT setseed(0.5);
SELECT pg_temp.some_events(), pg_temp.some_removals() FROM generate_series(1, 5);
SELECT telemetry.set_day_timezone('America/New_York');
SELECT is(pg_temp.differs('stream, subject_id, event_type, hour, n, total_seconds', 'telemetry.event_hourly_live', 'naive_hour'), 0::bigint, 'another zone: event_hourly_live');
SELECT is(pg_temp.differs('stream, subject_id, event_type, day, n, total_seconds', 'telemetry.event_daily_live', 'naive_day'), 0::bigint, 'another zone: event_daily_live');
SELECT is(pg_temp.differs('stream, event_type, day, n, total_seconds', 'telemetry.stream_daily_live', 'naive_stream'), 0::bigint, 'another zone: stream_daily_live');
SELECT is(pg_temp.differs('stream, user_id, event_type, day, n, total_seconds', 'telemetry.user_daily_live', 'naive_user'), 0::bigint, 'another zone: user_daily_live');
DO $$ BEGIN WHILE telemetry.job_roll_up_events() LOOP END LOOP; END $$;
SELECT is(pg_temp.differs('stream, subject_id, event_type, hour, n, total_seconds', 'telemetry.event_hourly', 'naive_hour'), 0::bigint, 'another zone: event_hourly');
SELECT is(pg_temp.differs('stream, subject_id, event_type, day, n, total_seconds', 'telemetry.event_daily', 'naive_day'), 0::bigint, 'another zone: event_daily');
SELECT is(pg_temp.differs('stream, event_type, day, n, total_seconds, unique_subjects', 'telemetry.stream_daily', 'naive_stream'), 0::bigint, 'another zone: stream_daily');
SELECT is(pg_temp.differs('stream, user_id, event_type, day, n, total_seconds, last_at, unique_subjects', 'telemetry.user_daily', 'naive_user'), 0::bigint, 'another zone: user_daily');
SELECT throws_like($$ SELECT telemetry.set_day_timezone('Asia/Kolkata') $$, '%there are rollups by other hours%', 'hours do not change');

-- A user who goes, in part rolled up, and comes back.
SELECT pg_temp.some_events(), pg_temp.some_removals() FROM generate_series(1, 3);
SELECT telemetry.job_roll_up_events();
SELECT pg_temp.some_events(), pg_temp.some_removals() FROM generate_series(1, 3);
SELECT ok((telemetry.delete_user('u1')).events > 0, 'a user is deleted');
SELECT is((SELECT count(*) FROM telemetry.user_daily_live WHERE user_id = 'u1') + (SELECT count(*) FROM telemetry.user_rollup_day WHERE user_id = 'u1')
	+ (SELECT count(*) FROM telemetry.event_change WHERE user_id = 'u1'), 0::bigint, 'nothing names the user');
SELECT ok((telemetry.delete_user('u2', anonymise => true)).events > 0, 'another is anonymised');
SELECT pg_temp.some_events() FROM generate_series(1, 10);
SELECT is(pg_temp.differs('stream, user_id, event_type, day, n, total_seconds', 'telemetry.user_daily_live', 'naive_user'), 0::bigint, 'what users send after that counts');
DO $$ BEGIN WHILE telemetry.job_roll_up_events() LOOP END LOOP; END $$;
SELECT is(pg_temp.differs('stream, user_id, event_type, day, n, total_seconds, last_at, unique_subjects', 'telemetry.user_daily', 'naive_user')
	+ pg_temp.differs('stream, subject_id, event_type, hour, n, total_seconds, unique_users', '(SELECT * FROM telemetry.event_hourly WHERE event_type <> ''many'') AS v', '(SELECT * FROM naive_hour WHERE event_type <> ''many'') AS n'),
	0::bigint, 'and at rest');

-- Uniques of cells by their number: up to 256 are exact, more are within 1.8 %, three times the standard error. Each is seen
-- twice, and half of them in a flush of its own, so that sketches are united.
CREATE FUNCTION pg_temp.some_uniques(half int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO telemetry.event (stream, event_type, received_at, occurred_at, user_id, session_id, device_id, subject_id)
	SELECT 'tap_server', format('uniques %s', n), timestamptz '2026-03-25 12:00', timestamptz '2026-03-25 11:00', 'user ' || i, 'session ' || i, 'device ' || i, 'x'
	FROM unnest(ARRAY[255, 256, 257, 1000, 20000]) AS n, generate_series(1, n) AS i, generate_series(1, 2)
	WHERE i % 2 = half
	UNION ALL
	SELECT 'tap_server', format('subjects %s', n), timestamptz '2026-03-25 12:00', timestamptz '2026-03-25 11:00', 'one', NULL, NULL, 'subject ' || i
	FROM unnest(ARRAY[256, 257, 3000]) AS n, generate_series(1, n) AS i, generate_series(1, 2)
	WHERE i % 2 = half
$$;

-- 'right', or what is there, of each number; of each of the columns, which are counts.
CREATE FUNCTION pg_temp.judged(rollup text, kind text, VARIADIC columns text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format($query$
		SELECT string_agg(format('%%s: %%s', wanted, CASE WHEN wrong IS NULL THEN 'right' ELSE wrong::text END), ', ' ORDER BY wanted)
		FROM (SELECT wanted, max(found) FILTER (WHERE abs(found - wanted) > CASE WHEN wanted > 256 THEN 0.018 * wanted ELSE 0 END) AS wrong
			FROM (SELECT split_part(event_type, ' ', 2)::int AS wanted, unnest(ARRAY[%s]) AS found
				FROM telemetry.%I WHERE event_type LIKE %L) AS f
			GROUP BY wanted) AS w $query$, array_to_string(columns, ', '), rollup, kind || ' %') INTO result;
	RETURN result;
END
$$;

CREATE FUNCTION pg_temp.uniques_are_right(variant text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	rollup text;
BEGIN
	FOREACH rollup IN ARRAY ARRAY['event_hourly', 'event_daily', 'stream_daily'] LOOP
		RETURN NEXT is(pg_temp.judged(rollup || variant, 'uniques', 'unique_users', 'unique_sessions', 'unique_devices'),
			'255: right, 256: right, 257: right, 1000: right, 20000: right', format('uniques of %s%s', rollup, variant));
	END LOOP;
	FOREACH rollup IN ARRAY ARRAY['stream_daily', 'user_daily'] LOOP
		RETURN NEXT is(pg_temp.judged(rollup || variant, 'subjects', 'unique_subjects'),
			'256: right, 257: right, 3000: right', format('unique subjects of %s%s', rollup, variant));
	END LOOP;
END
$$;
SELECT pg_temp.some_uniques(0);
DO $$ BEGIN WHILE telemetry.job_roll_up_events() LOOP END LOOP; END $$;
SELECT pg_temp.some_uniques(1);
SELECT pg_temp.uniques_are_right('_live');
DO $$ BEGIN WHILE telemetry.job_roll_up_events() LOOP END LOOP; END $$;
SELECT pg_temp.uniques_are_right('');

SELECT telemetry.remove_events(array_agg(received_at), array_agg(id), array_agg(true))
FROM telemetry.event_log WHERE event_type = 'uniques 257' AND user_id = 'user 1';
DO $$ BEGIN WHILE telemetry.job_roll_up_events() LOOP END LOOP; END $$;
SELECT is(array[unique_users, unique_sessions, unique_devices], array[256, 256, 256]::bigint[], 'one of 257 removed: 256, exactly')
FROM telemetry.event_hourly WHERE event_type = 'uniques 257';
SELECT is(array[unique_users, unique_sessions, unique_devices], array[256, 256, 256]::bigint[], 'and of the stream''s day')
FROM telemetry.stream_daily WHERE event_type = 'uniques 257';

SELECT * FROM finish();
TRUNCATE telemetry.event_log, telemetry.event_key, telemetry.event_batch, telemetry.event_change, telemetry.conflict, telemetry.erasure,
	telemetry.event_rollup_hour, telemetry.event_rollup_day, telemetry.stream_rollup_day, telemetry.user_rollup_day;
DELETE FROM telemetry.stream WHERE name LIKE 'tap\_%';
SELECT telemetry.set_day_timezone('UTC');
