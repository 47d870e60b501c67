-- Upkeep of events: partitions ahead, retention, the ledger's window, erasure.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = telemetry, public;
-- What expires goes by UTC days, and today must not end before this test does.
SELECT pg_sleep_until(date_trunc('day', now() + interval '1 minute', 'UTC'));
SET client_min_messages = warning;
TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter, erasure, event_drop, event_rollup_hour,
	event_rollup_day, stream_rollup_day, user_rollup_day;
DO $$
DECLARE
	part regclass;
BEGIN
	FOR part IN SELECT partition FROM telemetry.event_partition LOOP
		EXECUTE format('DROP TABLE %s', part);
	END LOOP;
END
$$;

CREATE FUNCTION pg_temp.ago(days integer, hours integer DEFAULT 12) RETURNS timestamptz LANGUAGE sql AS
	$$ SELECT (now() AT TIME ZONE 'UTC')::date::timestamp AT TIME ZONE 'UTC' - days * interval '1 day' + hours * interval '1 hour' $$;
CREATE VIEW pg_temp.partitions AS
	SELECT (now() AT TIME ZONE 'UTC')::date - day AS age FROM event_partition ORDER BY day;
CREATE VIEW pg_temp.events AS
	SELECT stream, count(*), max((now() AT TIME ZONE 'UTC')::date - received_at::date) AS oldest FROM event GROUP BY stream ORDER BY stream;
CREATE VIEW pg_temp.rollups AS
	SELECT stream, d.n, d.days, d.oldest, h.n AS n_of_hours, s.n AS n_of_streams, u.n AS n_of_users
	FROM (SELECT stream, sum(n) AS n, count(*) AS days, max((now() AT TIME ZONE 'UTC')::date - day) AS oldest FROM event_daily GROUP BY 1) AS d
	LEFT JOIN (SELECT stream, sum(n) AS n FROM event_hourly GROUP BY 1) AS h USING (stream)
	LEFT JOIN (SELECT stream, sum(n) AS n FROM stream_daily GROUP BY 1) AS s USING (stream)
	LEFT JOIN (SELECT stream, sum(n) AS n FROM user_daily GROUP BY 1) AS u USING (stream)
	ORDER BY stream;
CREATE VIEW pg_temp.ledger AS
	SELECT stream, CASE WHEN isfinite(dropped_before) THEN (now() AT TIME ZONE 'UTC')::date - dropped_before::date END AS dropped, events,
		CASE WHEN isfinite(rollups_dropped_before) THEN (now() AT TIME ZONE 'UTC')::date - rollups_dropped_before END AS rollups_dropped
	FROM event_drop ORDER BY stream;
-- So many events of each of some days.
CREATE FUNCTION pg_temp.fill(stream text, days int[], n int DEFAULT 3) RETURNS void LANGUAGE sql AS $$
	INSERT INTO telemetry.event (stream, event_id, event_type, received_at, user_id, device_id, session_id, subject_id, duration_seconds, data)
	SELECT stream, 'e' || d || '-' || i, 't', pg_temp.ago(d), 'u' || i % 2, 'd' || i % 3, 's' || i, 'x', 1.5, '{"k": 1}'
	FROM unnest(days) AS d, generate_series(1, n) AS i
$$;
-- In as many transactions as it takes, like CALL run_jobs() at top level, but with their number.
CREATE FUNCTION pg_temp.run(job text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	more boolean := true;
	calls integer := 0;
BEGIN
	WHILE more LOOP
		EXECUTE format('SELECT telemetry.job_%I()', job) INTO more;
		calls := calls + 1;
	END LOOP;
	RETURN calls;
END
$$;

-- partitions_are_made_ahead, once
SELECT create_event_partition((now() AT TIME ZONE 'UTC')::date);
CALL run_jobs('event_partitions');
SELECT array_agg(age) FROM pg_temp.partitions;
CALL run_jobs('event_partitions');
SELECT array_agg(age) FROM pg_temp.partitions;

-- partitions_without_other_streams_are_dropped, of others only the rows; without a rule all is kept
INSERT INTO stream (name, description, retention_days, rollup_days) VALUES
	('short', '', 5, 10), ('long', '', 20, NULL), ('ever', '', NULL, NULL);
SELECT pg_temp.fill('short', ARRAY[1,5,6,9,12,30]), pg_temp.fill('long', ARRAY[1,20,21,30,40]), pg_temp.fill('ever', ARRAY[1,30]);
DELETE FROM stream WHERE name = 'ever';
SELECT array_agg(age) FROM pg_temp.partitions WHERE age > 0;
-- What is not rolled up yet stays.
SELECT pg_temp.run('event_retention');
SELECT * FROM pg_temp.events;
SELECT * FROM pg_temp.ledger;
SELECT pg_temp.run('roll_up_events');
SELECT pg_temp.run('event_retention') > 5;
SELECT * FROM pg_temp.events;
SELECT array_agg(age) FROM pg_temp.partitions WHERE age > 0;
-- Rollups outlive events, unless they are older than their own rule says.
SELECT * FROM pg_temp.rollups;
SELECT * FROM pg_temp.ledger;
SELECT pg_temp.run('event_retention');

-- a_late_event_makes_its_day_again, and goes with the next pass
INSERT INTO event (stream, event_id, event_type, received_at) VALUES ('short', 'late', 't', pg_temp.ago(12));
SELECT pg_temp.run('event_retention');
SELECT pg_temp.run('roll_up_events');
SELECT n, unique_users FROM event_daily WHERE stream = 'short' AND day = (now() AT TIME ZONE 'UTC')::date - 12;
SELECT pg_temp.run('event_retention');
SELECT count(*) FROM event_daily WHERE stream = 'short' AND day = (now() AT TIME ZONE 'UTC')::date - 12;
SELECT * FROM pg_temp.ledger;

-- uniques_of_hours_out_of_reach_stay as they were, counts do not
INSERT INTO event (stream, event_id, event_type, received_at, user_id, subject_id) VALUES
	('long', 'r1', 'reach', pg_temp.ago(15, 10), 'a', 'x'), ('long', 'r2', 'reach', pg_temp.ago(15, 10), 'b', 'x'),
	('long', 'r3', 'reach', pg_temp.ago(13, 10), 'a', 'x'), ('long', 'r4', 'reach', pg_temp.ago(13, 10), 'b', 'x');
SELECT pg_temp.run('roll_up_events');
INSERT INTO event_drop (stream, dropped_before) VALUES ('long', pg_temp.ago(14, 0)) ON CONFLICT (stream) DO UPDATE SET dropped_before = excluded.dropped_before;
SELECT remove_events(array_agg(received_at), array_agg(id), array_agg(true)) FROM event_log WHERE event_id IN ('r1', 'r3');
SELECT pg_temp.run('roll_up_events');
SELECT (now() AT TIME ZONE 'UTC')::date - day AS age, n, unique_users FROM event_daily WHERE event_type = 'reach' ORDER BY day;

-- the_clock_stays as long as there are events
UPDATE stream SET clock = 'occurred_at' WHERE name = 'long';
UPDATE stream SET retention_days = 21 WHERE name = 'long';
INSERT INTO stream (name, description, clock) VALUES ('client', '', 'occurred_at');
UPDATE stream SET clock = 'received_at' WHERE name = 'client';
UPDATE stream SET clock = 'occurred_at' WHERE name = 'client';
SELECT pg_temp.fill('client', ARRAY[1]);
UPDATE stream SET name = 'other' WHERE name = 'client';
DELETE FROM stream WHERE name = 'client';

-- keys_are_forgotten after the window of their stream, and those of streams that are gone
UPDATE stream SET dedupe_window = CASE name WHEN 'short' THEN interval '7 days' END WHERE name IN ('short', 'long', 'ever', 'client');
SELECT coalesce(s.name, 'gone') AS stream, count(*) FROM event_key AS k LEFT JOIN stream AS s ON s.number = k.stream GROUP BY 1 ORDER BY 1;
UPDATE event_key_pass SET begun_at = '-infinity';
SELECT pg_temp.run('event_keys');
SELECT coalesce(s.name, 'gone') AS stream, count(*) FROM event_key AS k LEFT JOIN stream AS s ON s.number = k.stream GROUP BY 1 ORDER BY 1;
-- Not again before a tenth of the window.
UPDATE stream SET dedupe_window = '2 days' WHERE name = 'short';
SELECT pg_temp.run('event_keys');
SELECT count(*) FROM event_key AS k JOIN stream AS s ON s.number = k.stream WHERE s.name = 'short';
UPDATE event_key_pass SET begun_at = begun_at - interval '4 hours 50 minutes';
SELECT pg_temp.run('event_keys');
SELECT count(*) FROM event_key AS k JOIN stream AS s ON s.number = k.stream WHERE s.name = 'short';
-- In steps, from where it was.
INSERT INTO event_key SELECT gen_random_uuid(), 0, 0, now() - interval '3 days', s.number FROM stream AS s, generate_series(1, 45000) WHERE s.name = 'short';
UPDATE event_key_pass SET begun_at = '-infinity';
SELECT job_event_keys();
SELECT at > '00000000-0000-0000-0000-000000000000' AS under_way FROM event_key_pass;
SELECT pg_temp.run('event_keys');
SELECT count(*) FROM event_key AS k JOIN stream AS s ON s.number = k.stream WHERE s.name = 'short';

-- old_dead_letters_and_conflicts_are_pruned
INSERT INTO dead_letter (received_at, kind, code, reason, payload, whole, sender)
SELECT now() - d * interval '1 day', 'event', 'c', 'r', '{}', true, 'me' FROM unnest(ARRAY[29, 31]) AS d;
INSERT INTO conflict (detected_at, stream, event_id, event_type, strategy, resolution, incoming)
SELECT now() - d * interval '1 day', 'long', 'e' || d, 't', 's', 'kept', '{}' FROM unnest(ARRAY[89, 91]) AS d;
CALL run_jobs('prune');
SELECT count(*) FROM dead_letter;
SELECT event_id FROM conflict;

-- a_user_is_erased, and nobody else
TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter, event_rollup_hour, event_rollup_day, stream_rollup_day, user_rollup_day, event_drop;
DELETE FROM stream WHERE name = 'client';
UPDATE stream SET on_conflict = 'last_write_wins' WHERE name IN ('short', 'long', 'ever', 'client');
SELECT pg_temp.fill('long', ARRAY[1, 2], 6);
SELECT pg_temp.run('roll_up_events');
SELECT pg_temp.fill('short', ARRAY[1], 6);
INSERT INTO event (stream, event_id, event_type, received_at, occurred_at, user_id, data) VALUES
	('long', 'e1-1', 't', now(), now(), 'u1', '{"k": 2}'), ('long', 'e1-2', 't', now(), now(), 'u0', '{"k": 2}'),
	('none', 'x', 't', now(), now(), 'u1', NULL), ('none', 'x', 't', now(), now(), 'u0', NULL);
SELECT ingest_event('{"stream": "none", "userId": "u1", "event_id": 1}') ->> 'success';
SELECT count(*) AS letters, count(*) FILTER (WHERE payload::text LIKE '%u1%') AS of_u1 FROM dead_letter;
SELECT kind, mode, encode(id_hash, 'hex') = encode(sha256('u1'), 'hex') AS hashed, requested_by = session_user AS by_me, events, points, conflicts, dead_letters
FROM delete_user('u1');
SELECT user_id, count(*) FROM event GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM conflict WHERE stored::text LIKE '%"u1"%' OR incoming::text LIKE '%"u1"%';
SELECT count(*) AS letters, count(*) FILTER (WHERE payload::text LIKE '%u1%') AS of_u1 FROM dead_letter;
SELECT user_id, sum(n) FROM user_daily_live GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM user_rollup_day WHERE user_id = 'u1';
SELECT stream, sum(n) FROM stream_daily_live GROUP BY 1 ORDER BY 1;
SELECT pg_temp.run('roll_up_events');
SELECT stream, n, total_seconds, unique_users, unique_sessions FROM stream_daily ORDER BY stream, day;
-- What is delivered again does not come back.
SELECT pg_temp.fill('long', ARRAY[1, 2], 6);
INSERT INTO event (stream, event_id, event_type, user_id, data) VALUES ('long', 'e2-1', 't', 'u1', '{"k": 99}');
SELECT count(*) FROM event WHERE user_id = 'u1';
SELECT events FROM delete_user('nobody');

-- a_device_is_anonymised: counts stay, names do not; points and receipts go
SELECT count(*) FROM (SELECT ingest(jsonb_build_object('batch_id', 'b', 'data_points', jsonb_build_array(
	jsonb_build_object('timestamp', extract(epoch FROM now()), 'metric_name', 'm', 'value', 1))), 'd0')) AS i;
SELECT kind, mode, events, points, conflicts, dead_letters FROM delete_device('d0', anonymise => true);
SELECT event_id, user_id, device_id, session_id, subject_id, correlation_id, data, duration_seconds, count(*)
FROM event WHERE device_id IS NULL AND subject_id IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
SELECT count(*) FROM event_log WHERE device_id = 'd0';
SELECT count(*) FROM point WHERE device_id = 'd0';
SELECT count(*) FROM receipt WHERE device_id = 'd0';
SELECT stream, sum(n) AS n, sum(total_seconds) AS seconds FROM stream_daily_live GROUP BY 1 ORDER BY 1;
SELECT pg_temp.run('roll_up_events');
SELECT stream, n, total_seconds, unique_users, unique_sessions, unique_devices FROM stream_daily ORDER BY stream, day;
SELECT count(*) FROM erasure;

-- only_administrators_erase, and one snapshot is not enough
SET ROLE telemetry_writer;
SELECT delete_user('u0');
SELECT count(*) FROM erasure;
RESET ROLE;
SET ROLE telemetry_admin;
SELECT events FROM delete_user('u0');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT delete_user('u0');
ROLLBACK;
RESET ROLE;

TRUNCATE event_log, event_key, event_batch, event_change, conflict, dead_letter, erasure, event_drop, event_rollup_hour,
	event_rollup_day, stream_rollup_day, user_rollup_day;
DELETE FROM stream WHERE name IN ('short', 'long', 'ever', 'client');
