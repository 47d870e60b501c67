-- Event rollups: counts, seconds and uniques by hour and day.
--
-- Additions commute, so flushes can be added in any order, as they commit; what is removed later is
-- subtracted. Counts are integers and seconds decimal numbers, so both are exact. In every snapshot
-- the events are those in the rollups, and those of the flushes in telemetry.event_batch, less
-- the events in telemetry.event_change whose flush is not among these. Uniques cannot be subtracted: they
-- are counted again.
--
-- An empty subject_id stands for none; views show it as null, and are searched by an index of what they show.
-- Keys begin with the day: what is new goes to the end of an index, and what is old is found to be dropped.

CREATE TABLE telemetry.event_rollup_hour (
	hour timestamptz NOT NULL,
	day date NOT NULL,
	n bigint NOT NULL,
	total_seconds numeric NOT NULL,
	stream text COLLATE "C" NOT NULL,
	subject_id text COLLATE "C" NOT NULL,
	event_type text COLLATE "C" NOT NULL,
	sessions telemetry.uniques NOT NULL,
	users telemetry.uniques NOT NULL,
	devices telemetry.uniques NOT NULL,
	PRIMARY KEY (stream, day, event_type, subject_id, hour)
) WITH (fillfactor = 50);
CREATE INDEX event_rollup_hour_subject ON telemetry.event_rollup_hour (stream, nullif(subject_id, ''), hour);

CREATE TABLE telemetry.event_rollup_day (
	day date NOT NULL,
	n bigint NOT NULL,
	total_seconds numeric NOT NULL,
	stream text COLLATE "C" NOT NULL,
	subject_id text COLLATE "C" NOT NULL,
	event_type text COLLATE "C" NOT NULL,
	sessions telemetry.uniques NOT NULL,
	users telemetry.uniques NOT NULL,
	devices telemetry.uniques NOT NULL,
	PRIMARY KEY (stream, day, event_type, subject_id)
) WITH (fillfactor = 50);
CREATE INDEX event_rollup_day_subject ON telemetry.event_rollup_day (stream, nullif(subject_id, ''), day);

CREATE TABLE telemetry.stream_rollup_day (
	day date NOT NULL,
	n bigint NOT NULL,
	total_seconds numeric NOT NULL,
	stream text COLLATE "C" NOT NULL,
	event_type text COLLATE "C" NOT NULL,
	sessions telemetry.uniques NOT NULL,
	users telemetry.uniques NOT NULL,
	devices telemetry.uniques NOT NULL,
	subjects telemetry.uniques NOT NULL,
	PRIMARY KEY (stream, day, event_type)
) WITH (fillfactor = 50);

CREATE TABLE telemetry.user_rollup_day (
	day date NOT NULL,
	n bigint NOT NULL,
	total_seconds numeric NOT NULL,
	last_at timestamptz NOT NULL,
	stream text COLLATE "C" NOT NULL,
	user_id text COLLATE "C" NOT NULL,
	event_type text COLLATE "C" NOT NULL,
	subjects telemetry.uniques NOT NULL,
	PRIMARY KEY (stream, day, event_type, user_id)
) WITH (fillfactor = 50);
CREATE INDEX user_rollup_day_user ON telemetry.user_rollup_day (user_id, stream, day);

COMMENT ON TABLE telemetry.event_rollup_hour IS
	'Events by stream, subject (empty: none), type and hour, kept by job roll_up_events. Read telemetry.event_hourly.';
COMMENT ON COLUMN telemetry.event_rollup_hour.hour IS 'Start of the hour by the stream''s clock (telemetry.hour_of).';
COMMENT ON COLUMN telemetry.event_rollup_hour.day IS 'The local day that the hour lies in (telemetry.day_of).';
COMMENT ON COLUMN telemetry.event_rollup_hour.n IS 'Number of events.';
COMMENT ON COLUMN telemetry.event_rollup_hour.total_seconds IS
	'Sum of duration_seconds, in seconds; events without one add nothing.';
COMMENT ON COLUMN telemetry.event_rollup_hour.subject_id IS 'What the events are about; empty: none of them says.';
COMMENT ON COLUMN telemetry.event_rollup_hour.sessions IS
	'Sketch (hll) of the sessions; events without one do not count.';
COMMENT ON COLUMN telemetry.event_rollup_hour.users IS 'Sketch (hll) of the users; events without one do not count.';
COMMENT ON COLUMN telemetry.event_rollup_hour.devices IS
	'Sketch (hll) of the devices; events without one do not count.';
SELECT telemetry.copy_comments('telemetry.event_template', 'telemetry.event_rollup_hour');
COMMENT ON TABLE telemetry.event_rollup_day IS 'The same by day. Read telemetry.event_daily.';
COMMENT ON COLUMN telemetry.event_rollup_day.day IS 'The local day by the stream''s clock (telemetry.day_of).';
SELECT telemetry.copy_comments('telemetry.event_rollup_hour', 'telemetry.event_rollup_day');
COMMENT ON TABLE telemetry.stream_rollup_day IS 'Events by stream, type and day. Read telemetry.stream_daily.';
COMMENT ON COLUMN telemetry.stream_rollup_day.subjects IS
	'Sketch (hll) of the subjects; events without one do not count.';
SELECT telemetry.copy_comments('telemetry.event_rollup_day', 'telemetry.stream_rollup_day');
COMMENT ON TABLE telemetry.user_rollup_day IS 'Events by stream, user, type and day. Read telemetry.user_daily.';
COMMENT ON COLUMN telemetry.user_rollup_day.user_id IS 'The user that the events are of.';
COMMENT ON COLUMN telemetry.user_rollup_day.last_at IS 'When the last of the events was received.';
SELECT telemetry.copy_comments('telemetry.stream_rollup_day', 'telemetry.user_rollup_day');
SELECT telemetry.copy_comments('telemetry.event_template', 'telemetry.user_rollup_day');

CREATE TABLE telemetry.event_drop (
	stream text COLLATE "C" PRIMARY KEY,
	dropped_before timestamptz NOT NULL DEFAULT '-infinity',
	rollups_dropped_before date NOT NULL DEFAULT '-infinity',
	events bigint NOT NULL DEFAULT 0,
	dropped_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE telemetry.event_drop IS
	'The ledger of what job event_retention has removed of a stream. The rollups of events that are gone stay, and their '
	'uniques are not counted again.';
COMMENT ON COLUMN telemetry.event_drop.dropped_before IS 'Events received before then have been removed.';
COMMENT ON COLUMN telemetry.event_drop.rollups_dropped_before IS 'Rollups of days before that one have been removed.';
COMMENT ON COLUMN telemetry.event_drop.events IS 'How many events have been removed in all.';
COMMENT ON COLUMN telemetry.event_drop.dropped_at IS 'When it last removed anything.';
SELECT telemetry.copy_comments('telemetry.event_template', 'telemetry.event_drop');

SELECT pg_catalog.pg_extension_config_dump('telemetry.event_rollup_hour', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.event_rollup_day', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.stream_rollup_day', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.user_rollup_day', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.event_drop', '');

-- What was added by one clock cannot be subtracted by another.
CREATE FUNCTION telemetry.keep_stream_clock() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- A stream without a row counts by received_at.
	new_clock CONSTANT text := CASE WHEN TG_OP = 'UPDATE' AND NEW.name = OLD.name THEN NEW.clock ELSE 'received_at' END;
BEGIN
	IF OLD.clock <> new_clock AND EXISTS (SELECT FROM telemetry.event_log AS e WHERE e.stream = OLD.name) THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('cannot change the clock of stream "%s"', OLD.name),
			DETAIL = format('There are events of it, which count by %s.', OLD.clock);
	END IF;
	RETURN CASE TG_OP WHEN 'UPDATE' THEN NEW ELSE OLD END;
END
$$;
COMMENT ON FUNCTION telemetry.keep_stream_clock() IS
	'Trigger of telemetry.stream: as long as there are events of a stream they go on to count by the same clock. Error: '
	'object_not_in_prerequisite_state if it is changed, also by another name for the stream or by its removal.';
CREATE TRIGGER keep_clock BEFORE UPDATE OF name, clock OR DELETE ON telemetry.stream
	FOR EACH ROW EXECUTE FUNCTION telemetry.keep_stream_clock();

-- What is to be learnt, by the rows of rollups (cells) that it is of: events of flushes, and removals.
CREATE VIEW telemetry.batch_event AS
	SELECT b.id AS batch, e.stream, coalesce(e.subject_id, '') AS subject_id, e.event_type, e.user_id, e.session_id, e.device_id,
		e.received_at, telemetry.hour_of(e.counted_at) AS hour, telemetry.day_of(e.counted_at) AS day,
		coalesce(e.duration_seconds::numeric, 0) AS seconds
	FROM telemetry.event_batch AS b
	CROSS JOIN LATERAL (
		SELECT l.*, CASE WHEN s.clock = 'occurred_at' THEN l.occurred_at ELSE l.received_at END AS counted_at
		FROM telemetry.event_log AS l
		LEFT JOIN telemetry.stream AS s ON s.name = l.stream
		WHERE l.received_at = b.received_at AND l.id >= b.id AND l.id < b.id + 1048576
		OFFSET 0
	) AS e;
COMMENT ON VIEW telemetry.batch_event IS
	'The events of the flushes of telemetry.event_batch, and which rows of the rollups they are to be added to.';
COMMENT ON COLUMN telemetry.batch_event.batch IS 'telemetry.event_batch.id.';
COMMENT ON COLUMN telemetry.batch_event.seconds IS 'Its duration_seconds; 0 if it had none.';
SELECT telemetry.copy_comments('telemetry.event_rollup_hour', 'telemetry.batch_event');
SELECT telemetry.copy_comments('telemetry.event_template', 'telemetry.batch_event');

CREATE VIEW telemetry.changed_cell AS
	SELECT c.id, c.stream, coalesce(c.subject_id, '') AS subject_id, c.event_type, c.user_id,
		telemetry.hour_of(c.counted_at) AS hour, telemetry.day_of(c.counted_at) AS day,
		coalesce(c.duration_seconds::numeric, 0) AS seconds, c.recount, coalesce(s.clock, 'received_at') AS clock,
		-- From when on events of the hour may have been received; those of a stream that is gone count by that time.
		telemetry.hour_of(c.counted_at) - CASE s.clock WHEN 'occurred_at' THEN s.max_future ELSE '0' END AS first_received_at,
		coalesce(d.dropped_before, '-infinity') AS dropped_before
	FROM telemetry.event_change AS c
	LEFT JOIN telemetry.stream AS s ON s.name = c.stream
	LEFT JOIN telemetry.event_drop AS d ON d.stream = c.stream;
COMMENT ON VIEW telemetry.changed_cell IS
	'Which rows of the rollups the removals of telemetry.event_change are of, and what it takes to count their uniques again.';
COMMENT ON COLUMN telemetry.changed_cell.seconds IS 'Its duration_seconds; 0 if it had none.';
COMMENT ON COLUMN telemetry.changed_cell.clock IS 'By which time its stream counts, received_at or occurred_at.';
COMMENT ON COLUMN telemetry.changed_cell.first_received_at IS
	'Events of the hour cannot have been received earlier, by what its stream says.';
COMMENT ON COLUMN telemetry.changed_cell.dropped_before IS 'As telemetry.event_drop has it; -infinity: none.';
SELECT telemetry.copy_comments('telemetry.event_rollup_hour', 'telemetry.changed_cell');
SELECT telemetry.copy_comments('telemetry.event_change', 'telemetry.changed_cell');

-- What is pending: +1 for an event that is not in the rollups yet, -1 for one that is, and was removed.
CREATE VIEW telemetry.pending_event AS
	SELECT 1 AS sign, e.stream, e.subject_id, e.event_type, e.user_id, e.session_id, e.device_id, e.received_at, e.hour, e.day, e.seconds
	FROM telemetry.batch_event AS e
	UNION ALL
	SELECT -1, c.stream, c.subject_id, c.event_type, c.user_id, NULL, NULL, NULL, c.hour, c.day, -c.seconds
	FROM telemetry.changed_cell AS c
	WHERE NOT EXISTS (SELECT FROM telemetry.event_batch AS b WHERE b.id = c.id >> 20 << 20);
COMMENT ON VIEW telemetry.pending_event IS
	'What is to be added to the rollups of events, and (sign -1) subtracted, for an answer that is up to date.';
COMMENT ON COLUMN telemetry.pending_event.sign IS '1: to be added; -1: to be subtracted.';
COMMENT ON COLUMN telemetry.pending_event.subject_id IS 'What the event is about; empty: it does not say.';
COMMENT ON COLUMN telemetry.pending_event.session_id IS 'The session it belongs to; null where sign is -1.';
COMMENT ON COLUMN telemetry.pending_event.device_id IS 'The device it comes from; null where sign is -1.';
COMMENT ON COLUMN telemetry.pending_event.received_at IS 'When it was received; null where sign is -1.';
COMMENT ON COLUMN telemetry.pending_event.seconds IS
	'Its duration_seconds, 0 if it has none; negative where sign is -1.';
SELECT telemetry.copy_comments('telemetry.batch_event', 'telemetry.pending_event');

-- These two are mostly empty. Never analyzed they would count as ten pages, and reading what is pending as so dear
-- that it is compiled first.
ANALYZE telemetry.event_batch, telemetry.event_change;

-- Adding.
CREATE FUNCTION telemetry.add_event_batches(ids bigint[]) RETURNS bigint
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	-- One statement, so one snapshot: the events that it counts, and the removals that it forgets because it does
	-- not see their events, are as of the same instant.
	WITH taken AS (
		DELETE FROM telemetry.event_batch AS b WHERE b.id = ANY (ids) RETURNING b.id
	), forgotten AS (
		DELETE FROM telemetry.event_change AS c WHERE c.id >> 20 << 20 IN (SELECT t.id FROM taken AS t)
	), e AS MATERIALIZED (
		SELECT e.* FROM telemetry.batch_event AS e WHERE e.batch = ANY (ids)
	), hours AS MATERIALIZED (
		SELECT e.stream, e.subject_id, e.event_type, e.hour, e.day, count(*) AS n, sum(e.seconds) AS total_seconds,
			telemetry.uniques_of(e.session_id) AS sessions,
			telemetry.uniques_of(e.user_id) AS users,
			telemetry.uniques_of(e.device_id) AS devices
		FROM e
		GROUP BY e.stream, e.subject_id, e.event_type, e.hour, e.day
	), days AS MATERIALIZED (
		SELECT h.stream, h.subject_id, h.event_type, h.day, sum(h.n)::bigint AS n, sum(h.total_seconds) AS total_seconds,
			telemetry.uniques_of_all(h.sessions) AS sessions, telemetry.uniques_of_all(h.users) AS users, telemetry.uniques_of_all(h.devices) AS devices
		FROM hours AS h
		GROUP BY h.stream, h.subject_id, h.event_type, h.day
	), into_hour AS (
		INSERT INTO telemetry.event_rollup_hour AS r (stream, subject_id, event_type, hour, day, n, total_seconds, sessions, users, devices)
		SELECT h.stream, h.subject_id, h.event_type, h.hour, h.day, h.n, h.total_seconds, h.sessions, h.users, h.devices
		FROM hours AS h
		ORDER BY h.stream, h.day, h.event_type, h.subject_id, h.hour
		ON CONFLICT (stream, day, event_type, subject_id, hour) DO UPDATE SET
			n = r.n + excluded.n, total_seconds = r.total_seconds + excluded.total_seconds,
			sessions = telemetry.uniques_union(r.sessions, excluded.sessions), users = telemetry.uniques_union(r.users, excluded.users),
			devices = telemetry.uniques_union(r.devices, excluded.devices)
	), into_day AS (
		INSERT INTO telemetry.event_rollup_day AS r (stream, subject_id, event_type, day, n, total_seconds, sessions, users, devices)
		SELECT d.stream, d.subject_id, d.event_type, d.day, d.n, d.total_seconds, d.sessions, d.users, d.devices
		FROM days AS d
		ORDER BY d.stream, d.day, d.event_type, d.subject_id
		ON CONFLICT (stream, day, event_type, subject_id) DO UPDATE SET
			n = r.n + excluded.n, total_seconds = r.total_seconds + excluded.total_seconds,
			sessions = telemetry.uniques_union(r.sessions, excluded.sessions), users = telemetry.uniques_union(r.users, excluded.users),
			devices = telemetry.uniques_union(r.devices, excluded.devices)
	), into_stream AS (
		INSERT INTO telemetry.stream_rollup_day AS r (stream, event_type, day, n, total_seconds, sessions, users, devices, subjects)
		SELECT d.stream, d.event_type, d.day, sum(d.n)::bigint, sum(d.total_seconds), telemetry.uniques_of_all(d.sessions),
			telemetry.uniques_of_all(d.users), telemetry.uniques_of_all(d.devices), telemetry.uniques_of(nullif(d.subject_id, ''))
		FROM days AS d
		GROUP BY d.stream, d.event_type, d.day
		ON CONFLICT (stream, day, event_type) DO UPDATE SET
			n = r.n + excluded.n, total_seconds = r.total_seconds + excluded.total_seconds,
			sessions = telemetry.uniques_union(r.sessions, excluded.sessions), users = telemetry.uniques_union(r.users, excluded.users),
			devices = telemetry.uniques_union(r.devices, excluded.devices), subjects = telemetry.uniques_union(r.subjects, excluded.subjects)
	), into_user AS (
		INSERT INTO telemetry.user_rollup_day AS r (stream, user_id, event_type, day, n, total_seconds, last_at, subjects)
		SELECT e.stream, e.user_id, e.event_type, e.day, count(*), sum(e.seconds), max(e.received_at),
			telemetry.uniques_of(nullif(e.subject_id, ''))
		FROM e
		WHERE e.user_id IS NOT NULL
		GROUP BY e.stream, e.user_id, e.event_type, e.day
		ORDER BY e.stream, e.day, e.event_type, e.user_id
		ON CONFLICT (stream, day, event_type, user_id) DO UPDATE SET
			n = r.n + excluded.n, total_seconds = r.total_seconds + excluded.total_seconds,
			last_at = greatest(r.last_at, excluded.last_at), subjects = telemetry.uniques_union(r.subjects, excluded.subjects)
	)
	SELECT count(*) FROM e;
END;
COMMENT ON FUNCTION telemetry.add_event_batches(bigint[]) IS
	'Of job roll_up_events: adds the events of these flushes of telemetry.event_batch to the rollups; returns how many they were.';

-- Subtracting. The changes stay until all of it is done, so that each statement knows of which cells they are.
CREATE FUNCTION telemetry.subtract_event_changes(ids bigint[]) RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	UPDATE telemetry.event_rollup_hour AS r SET n = r.n - d.n, total_seconds = r.total_seconds - d.seconds
	FROM (
		SELECT c.stream, c.day, c.event_type, c.subject_id, c.hour, count(*) AS n, sum(c.seconds) AS seconds
		FROM telemetry.changed_cell AS c
		WHERE c.id = ANY (ids)
		GROUP BY c.stream, c.day, c.event_type, c.subject_id, c.hour
	) AS d
	WHERE (r.stream, r.day, r.event_type, r.subject_id, r.hour) = (d.stream, d.day, d.event_type, d.subject_id, d.hour);
	UPDATE telemetry.event_rollup_day AS r SET n = r.n - d.n, total_seconds = r.total_seconds - d.seconds
	FROM (
		SELECT c.stream, c.day, c.event_type, c.subject_id, count(*) AS n, sum(c.seconds) AS seconds
		FROM telemetry.changed_cell AS c
		WHERE c.id = ANY (ids)
		GROUP BY c.stream, c.day, c.event_type, c.subject_id
	) AS d
	WHERE (r.stream, r.day, r.event_type, r.subject_id) = (d.stream, d.day, d.event_type, d.subject_id);
	UPDATE telemetry.stream_rollup_day AS r SET n = r.n - d.n, total_seconds = r.total_seconds - d.seconds
	FROM (
		SELECT c.stream, c.day, c.event_type, count(*) AS n, sum(c.seconds) AS seconds
		FROM telemetry.changed_cell AS c
		WHERE c.id = ANY (ids)
		GROUP BY c.stream, c.day, c.event_type
	) AS d
	WHERE (r.stream, r.day, r.event_type) = (d.stream, d.day, d.event_type);
	UPDATE telemetry.user_rollup_day AS r SET n = r.n - d.n, total_seconds = r.total_seconds - d.seconds
	FROM (
		SELECT c.stream, c.day, c.event_type, c.user_id, count(*) AS n, sum(c.seconds) AS seconds
		FROM telemetry.changed_cell AS c
		WHERE c.id = ANY (ids) AND c.user_id IS NOT NULL
		GROUP BY c.stream, c.day, c.event_type, c.user_id
	) AS d
	WHERE (r.stream, r.day, r.event_type, r.user_id) = (d.stream, d.day, d.event_type, d.user_id);
END;
COMMENT ON FUNCTION telemetry.subtract_event_changes(bigint[]) IS
	'Of job roll_up_events: takes the counts and seconds of these rows of telemetry.event_change off the rollups.';

CREATE FUNCTION telemetry.recount_event_uniques(ids bigint[]) RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	-- Events that are not added yet are counted as well: adding them again changes nothing.
	UPDATE telemetry.event_rollup_hour AS r SET sessions = u.sessions, users = u.users, devices = u.devices
	FROM (
		SELECT DISTINCT c.stream, c.day, c.event_type, c.subject_id, c.hour, c.clock, c.first_received_at,
			CASE c.clock WHEN 'occurred_at' THEN 'infinity' ELSE c.hour + interval '1 hour' END AS received_before
		FROM telemetry.changed_cell AS c
		WHERE c.id = ANY (ids) AND c.recount AND c.first_received_at >= c.dropped_before
	) AS k
	CROSS JOIN LATERAL (
		SELECT coalesce(telemetry.uniques_of(e.session_id), telemetry.no_uniques()) AS sessions,
			coalesce(telemetry.uniques_of(e.user_id), telemetry.no_uniques()) AS users,
			coalesce(telemetry.uniques_of(e.device_id), telemetry.no_uniques()) AS devices
		FROM (
			-- Either part by its own index, whatever is known of a new partition.
			SELECT s.received_at, s.occurred_at, s.session_id, s.user_id, s.device_id
			FROM (
				SELECT l.*
				FROM telemetry.event_log AS l
				WHERE l.subject_id = nullif(k.subject_id, '') AND l.received_at >= k.first_received_at AND l.received_at < k.received_before
				OFFSET 0
			) AS s
			WHERE s.stream = k.stream AND s.event_type = k.event_type
			UNION ALL
			SELECT l.received_at, l.occurred_at, l.session_id, l.user_id, l.device_id
			FROM telemetry.event_log AS l
			WHERE k.subject_id = '' AND l.subject_id IS NULL AND l.stream = k.stream AND l.event_type = k.event_type
				AND l.received_at >= k.first_received_at AND l.received_at < k.received_before
		) AS e
		WHERE telemetry.hour_of(CASE k.clock WHEN 'occurred_at' THEN e.occurred_at ELSE e.received_at END) = k.hour
	) AS u
	WHERE (r.stream, r.day, r.event_type, r.subject_id, r.hour) = (k.stream, k.day, k.event_type, k.subject_id, k.hour);
	UPDATE telemetry.event_rollup_day AS r SET sessions = u.sessions, users = u.users, devices = u.devices
	FROM (
		SELECT DISTINCT c.stream, c.day, c.event_type, c.subject_id
		FROM telemetry.changed_cell AS c
		WHERE c.id = ANY (ids) AND c.recount
	) AS k
	CROSS JOIN LATERAL (
		SELECT telemetry.uniques_of_all(h.sessions) AS sessions, telemetry.uniques_of_all(h.users) AS users, telemetry.uniques_of_all(h.devices) AS devices
		FROM telemetry.event_rollup_hour AS h
		WHERE (h.stream, h.day, h.event_type, h.subject_id) = (k.stream, k.day, k.event_type, k.subject_id) AND h.n > 0
		HAVING count(*) > 0
	) AS u
	WHERE (r.stream, r.day, r.event_type, r.subject_id) = (k.stream, k.day, k.event_type, k.subject_id);
	UPDATE telemetry.stream_rollup_day AS r SET sessions = u.sessions, users = u.users, devices = u.devices, subjects = u.subjects
	FROM (
		SELECT DISTINCT c.stream, c.day, c.event_type
		FROM telemetry.changed_cell AS c
		WHERE c.id = ANY (ids) AND c.recount
	) AS k
	CROSS JOIN LATERAL (
		SELECT telemetry.uniques_of_all(d.sessions) AS sessions, telemetry.uniques_of_all(d.users) AS users, telemetry.uniques_of_all(d.devices) AS devices,
			telemetry.uniques_of(nullif(d.subject_id, '')) AS subjects
		FROM telemetry.event_rollup_day AS d
		WHERE (d.stream, d.day, d.event_type) = (k.stream, k.day, k.event_type) AND d.n > 0
		HAVING count(*) > 0
	) AS u
	WHERE (r.stream, r.day, r.event_type) = (k.stream, k.day, k.event_type);
	-- A day has 25 hours at most.
	UPDATE telemetry.user_rollup_day AS r SET subjects = u.subjects, last_at = u.last_at
	FROM (
		SELECT c.stream, c.day, c.event_type, c.user_id, c.clock,
			min(c.first_received_at) - interval '25 hours' AS first_received_at,
			CASE c.clock WHEN 'occurred_at' THEN 'infinity' ELSE min(c.hour) + interval '26 hours' END AS received_before
		FROM telemetry.changed_cell AS c
		WHERE c.id = ANY (ids) AND c.recount AND c.user_id IS NOT NULL
			AND c.first_received_at - interval '25 hours' >= c.dropped_before
		GROUP BY c.stream, c.day, c.event_type, c.user_id, c.clock
	) AS k
	CROSS JOIN LATERAL (
		SELECT telemetry.uniques_of(e.subject_id) AS subjects, max(e.received_at) AS last_at
		FROM (
			SELECT l.*
			FROM telemetry.event_log AS l
			WHERE l.user_id = k.user_id AND l.received_at >= k.first_received_at AND l.received_at < k.received_before
			OFFSET 0
		) AS e
		WHERE e.stream = k.stream AND e.event_type = k.event_type
			AND telemetry.day_of(CASE k.clock WHEN 'occurred_at' THEN e.occurred_at ELSE e.received_at END) = k.day
		HAVING count(*) > 0
	) AS u
	WHERE (r.stream, r.day, r.event_type, r.user_id) = (k.stream, k.day, k.event_type, k.user_id);
END;
COMMENT ON FUNCTION telemetry.recount_event_uniques(bigint[]) IS
	'Of job roll_up_events: counts the uniques of the rows of the rollups again that these rows of telemetry.event_change '
	'were part of, if they ask for it and the events are still there: of hours and users from events, of days from hours, of '
	'streams from days.';

CREATE FUNCTION telemetry.finish_event_changes(ids bigint[]) RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	DELETE FROM telemetry.event_rollup_hour AS r USING telemetry.changed_cell AS c
	WHERE c.id = ANY (ids) AND r.n <= 0
		AND (r.stream, r.day, r.event_type, r.subject_id, r.hour) = (c.stream, c.day, c.event_type, c.subject_id, c.hour);
	DELETE FROM telemetry.event_rollup_day AS r USING telemetry.changed_cell AS c
	WHERE c.id = ANY (ids) AND r.n <= 0
		AND (r.stream, r.day, r.event_type, r.subject_id) = (c.stream, c.day, c.event_type, c.subject_id);
	DELETE FROM telemetry.stream_rollup_day AS r USING telemetry.changed_cell AS c
	WHERE c.id = ANY (ids) AND r.n <= 0 AND (r.stream, r.day, r.event_type) = (c.stream, c.day, c.event_type);
	DELETE FROM telemetry.user_rollup_day AS r USING telemetry.changed_cell AS c
	WHERE c.id = ANY (ids) AND r.n <= 0 AND (r.stream, r.day, r.event_type, r.user_id) = (c.stream, c.day, c.event_type, c.user_id);
	DELETE FROM telemetry.event_change AS c WHERE c.id = ANY (ids);
END;
COMMENT ON FUNCTION telemetry.finish_event_changes(bigint[]) IS
	'Of job roll_up_events: removes the rows of the rollups that these rows of telemetry.event_change have left empty, and '
	'then these themselves.';

CREATE FUNCTION telemetry.job_roll_up_events() RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	-- Estimates of what is pending are too vague to compile anything for.
	SET jit = off
AS $$
DECLARE
	events_at_once CONSTANT integer := 50000;
	changes_at_once CONSTANT integer := 1000;
	ids bigint[];
	changes bigint[];
BEGIN
	-- One transaction at a time changes the rollups.
	IF NOT pg_try_advisory_xact_lock(21581, 1) THEN
		RETURN false;
	END IF;
	-- Removals first: those of flushes that are not added yet are not there for them.
	changes := ARRAY(
		SELECT c.id
		FROM telemetry.event_change AS c
		WHERE NOT EXISTS (SELECT FROM telemetry.event_batch AS b WHERE b.id = c.id >> 20 << 20)
		ORDER BY c.id
		LIMIT changes_at_once);
	IF changes <> '{}' THEN
		PERFORM telemetry.subtract_event_changes(changes);
		PERFORM telemetry.recount_event_uniques(changes);
		PERFORM telemetry.finish_event_changes(changes);
	END IF;
	ids := ARRAY(
		SELECT b.id
		FROM (
			SELECT o.id, sum(o.n) OVER (ORDER BY o.id) - o.n AS before
			FROM (SELECT o.id, o.n FROM telemetry.event_batch AS o ORDER BY o.id LIMIT 5000) AS o
		) AS b
		WHERE b.before < events_at_once
		ORDER BY b.id);
	IF ids <> '{}' THEN
		PERFORM telemetry.add_event_batches(ids);
	END IF;
	RETURN cardinality(changes) = changes_at_once
		OR EXISTS (SELECT FROM telemetry.event_batch AS b WHERE b.id > ids[cardinality(ids)]);
END
$$;
COMMENT ON FUNCTION telemetry.job_roll_up_events() IS
	'Job roll_up_events: subtracts up to 1000 events that were removed from the rollups of events, and adds the flushes '
	'that came first, of about 50000 events. True if there are more. Does nothing while another transaction does it.';

CREATE FUNCTION telemetry.rebuild_event_days() RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	UPDATE telemetry.event_rollup_hour AS r SET day = telemetry.day_of(r.hour) WHERE r.day <> telemetry.day_of(r.hour);
	DELETE FROM telemetry.event_rollup_day;
	INSERT INTO telemetry.event_rollup_day (stream, subject_id, event_type, day, n, total_seconds, sessions, users, devices)
	SELECT h.stream, h.subject_id, h.event_type, h.day, sum(h.n)::bigint, sum(h.total_seconds), telemetry.uniques_of_all(h.sessions),
		telemetry.uniques_of_all(h.users), telemetry.uniques_of_all(h.devices)
	FROM telemetry.event_rollup_hour AS h
	GROUP BY h.stream, h.subject_id, h.event_type, h.day;
	DELETE FROM telemetry.stream_rollup_day;
	INSERT INTO telemetry.stream_rollup_day (stream, event_type, day, n, total_seconds, sessions, users, devices, subjects)
	SELECT d.stream, d.event_type, d.day, sum(d.n)::bigint, sum(d.total_seconds), telemetry.uniques_of_all(d.sessions),
		telemetry.uniques_of_all(d.users), telemetry.uniques_of_all(d.devices), telemetry.uniques_of(nullif(d.subject_id, ''))
	FROM telemetry.event_rollup_day AS d
	GROUP BY d.stream, d.event_type, d.day;
	-- Days that retention has dropped events of stay as they are.
	DELETE FROM telemetry.user_rollup_day AS r
	USING telemetry.layout AS y
	WHERE NOT EXISTS (
		SELECT FROM telemetry.event_drop AS d
		LEFT JOIN telemetry.stream AS s ON s.name = d.stream
		WHERE d.stream = r.stream AND r.day::timestamp AT TIME ZONE y.day_timezone
			< d.dropped_before + CASE s.clock WHEN 'occurred_at' THEN s.max_future ELSE '0' END);
	-- Of the events that count now: those that are pending will be added, those that were removed subtracted.
	INSERT INTO telemetry.user_rollup_day (stream, user_id, event_type, day, n, total_seconds, last_at, subjects)
	SELECT e.stream, e.user_id, e.event_type, e.day, count(*), sum(coalesce(e.duration_seconds::numeric, 0)), max(e.received_at),
		telemetry.uniques_of(e.subject_id)
	FROM (
		SELECT l.stream, l.user_id, l.event_type, l.subject_id, l.duration_seconds, l.received_at,
			telemetry.day_of(CASE s.clock WHEN 'occurred_at' THEN l.occurred_at ELSE l.received_at END) AS day
		FROM telemetry.event_log AS l
		LEFT JOIN telemetry.stream AS s ON s.name = l.stream
		WHERE l.user_id IS NOT NULL
			AND NOT EXISTS (SELECT FROM telemetry.event_batch AS b WHERE b.id = l.id >> 20 << 20)
		UNION ALL
		SELECT c.stream, c.user_id, c.event_type, c.subject_id, c.duration_seconds, c.counted_at, telemetry.day_of(c.counted_at)
		FROM telemetry.event_change AS c
		WHERE c.user_id IS NOT NULL
			AND NOT EXISTS (SELECT FROM telemetry.event_batch AS b WHERE b.id = c.id >> 20 << 20)
	) AS e
	GROUP BY e.stream, e.user_id, e.event_type, e.day
	ON CONFLICT DO NOTHING;
END;
COMMENT ON FUNCTION telemetry.rebuild_event_days() IS
	'Of telemetry.set_day_timezone(): makes the daily rollups of events anew by the days there are now, while no other '
	'transaction changes them. Those of users whose events retention has dropped keep the days they had.';

REVOKE ALL ON FUNCTION telemetry.add_event_batches(bigint[]), telemetry.subtract_event_changes(bigint[]),
	telemetry.recount_event_uniques(bigint[]), telemetry.finish_event_changes(bigint[]), telemetry.job_roll_up_events(),
	telemetry.rebuild_event_days(), telemetry.keep_stream_clock() FROM PUBLIC;
GRANT SELECT ON telemetry.event_drop TO telemetry_reader;
GRANT SELECT ON telemetry.event_rollup_hour, telemetry.event_rollup_day, telemetry.stream_rollup_day,
	telemetry.user_rollup_day TO telemetry_admin;
GRANT EXECUTE ON FUNCTION telemetry.job_roll_up_events() TO telemetry_admin;
