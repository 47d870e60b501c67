-- Upkeep of events: partitions ahead, retention, the ledger's window; erasure of a user's or a device's data.

CREATE FUNCTION telemetry.job_event_partitions() RETURNS boolean
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	days_ahead CONSTANT integer := 3;
BEGIN
	PERFORM telemetry.create_event_partition((now() AT TIME ZONE 'UTC')::date + i) FROM generate_series(0, days_ahead) AS i;
	RETURN false;
END
$$;
COMMENT ON FUNCTION telemetry.job_event_partitions() IS
	'Job event_partitions: makes the partitions of telemetry.event_log for today and the next three days.';

CREATE VIEW telemetry.event_partition AS
	SELECT p.relid::regclass AS partition, to_date(right(c.relname, 8), 'YYYYMMDD') AS day,
		pg_catalog.pg_total_relation_size(p.relid) AS bytes
	FROM pg_catalog.pg_partition_tree('telemetry.event_log') AS p
	JOIN pg_catalog.pg_class AS c ON c.oid = p.relid
	WHERE p.isleaf AND c.relname ~ '^event_log_[0-9]{8}$';
COMMENT ON VIEW telemetry.event_partition IS
	'The partitions of telemetry.event_log: the UTC day that their events were received on, and their size with indexes.';
COMMENT ON COLUMN telemetry.event_partition.partition IS 'The table, event_log_YYYYMMDD.';
COMMENT ON COLUMN telemetry.event_partition.day IS 'UTC day on which its events were received.';
COMMENT ON COLUMN telemetry.event_partition.bytes IS 'Its size on disk, with indexes.';

-- Retention. Events are kept for whole days after the day they were received on. Those of a stream without
-- a row in telemetry.stream are kept for ever, like those of one without retention_days.
CREATE FUNCTION telemetry.expired_before(days integer) RETURNS timestamptz
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT (date_trunc('day', now() AT TIME ZONE 'UTC') - days * interval '1 day') AT TIME ZONE 'UTC';
END;
COMMENT ON FUNCTION telemetry.expired_before(integer) IS
	'Start of the UTC day that many days before today: what is older is not kept.';

CREATE FUNCTION telemetry.note_event_drop(stream text, before timestamptz, events bigint) RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	INSERT INTO telemetry.event_drop AS d (stream, dropped_before, events)
	VALUES (note_event_drop.stream, note_event_drop.before, note_event_drop.events)
	ON CONFLICT (stream) DO UPDATE SET
		dropped_before = greatest(d.dropped_before, excluded.dropped_before), events = d.events + excluded.events,
		dropped_at = excluded.dropped_at;
END;
COMMENT ON FUNCTION telemetry.note_event_drop(text, timestamptz, bigint) IS
	'Of job event_retention: notes in telemetry.event_drop so many events removed, received before a time.';

CREATE FUNCTION telemetry.streams_in(partition regclass) RETURNS text[]
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	streams text[];
BEGIN
	-- From one to the next by the index, of which there are few.
	EXECUTE format('WITH RECURSIVE s AS (
			(SELECT e.stream FROM %1$s AS e ORDER BY e.stream LIMIT 1)
			UNION ALL
			SELECT n.stream FROM s CROSS JOIN LATERAL (
				SELECT e.stream FROM %1$s AS e WHERE e.stream > s.stream ORDER BY e.stream LIMIT 1) AS n)
		SELECT coalesce(array_agg(s.stream), ''{}'') FROM s', partition) INTO streams;
	RETURN streams;
END
$$;
COMMENT ON FUNCTION telemetry.streams_in(regclass) IS
	'Of job event_retention: the streams that a partition of telemetry.event_log has events of.';

CREATE FUNCTION telemetry.drop_event_partition(partition regclass, day date, streams text[]) RETURNS boolean
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	begins CONSTANT timestamptz := day::timestamp AT TIME ZONE 'UTC';
	ends CONSTANT timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
	-- First nobody else may write to it; only then telemetry.event_log is locked, to the end of the transaction.
	EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', partition);
	IF NOT telemetry.streams_in(partition) <@ streams
		OR EXISTS (SELECT FROM telemetry.event_batch AS b WHERE b.received_at >= begins AND b.received_at < ends) THEN
		RETURN false;
	END IF;
	EXECUTE format('SELECT telemetry.note_event_drop(n.stream, $1, n.events)
		FROM (SELECT e.stream, count(*) AS events FROM %s AS e GROUP BY e.stream) AS n', partition) USING ends;
	EXECUTE format('DROP TABLE %s', partition);
	RETURN true;
END
$$;
COMMENT ON FUNCTION telemetry.drop_event_partition(regclass, date, text[]) IS
	'Of job event_retention: drops the partition of a day unless it has events of other streams than these, or such as are not '
	'rolled up yet. Error: lock_not_available.';

CREATE FUNCTION telemetry.delete_expired_events(partition regclass, day date, streams text[]) RETURNS boolean
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	at_once CONSTANT integer := 10000;
	streams_done integer;
BEGIN
	EXECUTE format('WITH expired AS MATERIALIZED (
			SELECT o.received_at, o.id
			FROM %1$s AS o
			WHERE o.stream = ANY ($1)
				AND NOT EXISTS (SELECT FROM telemetry.event_batch AS b WHERE b.id = o.id >> 20 << 20)
			LIMIT $2
		), gone AS (
			DELETE FROM %1$s AS e USING expired AS x WHERE e.received_at = x.received_at AND e.id = x.id
			RETURNING e.stream
		)
		SELECT telemetry.note_event_drop(n.stream, $3, n.events)
		FROM (SELECT g.stream, count(*) AS events FROM gone AS g GROUP BY g.stream) AS n', partition)
	USING streams, at_once, (day + 1)::timestamp AT TIME ZONE 'UTC';
	GET DIAGNOSTICS streams_done = ROW_COUNT;
	RETURN streams_done > 0;
END
$$;
COMMENT ON FUNCTION telemetry.delete_expired_events(regclass, date, text[]) IS
	'Of job event_retention: removes up to 10000 events of these streams from the partition of a day, but none that are not '
	'rolled up yet; whether there were any.';

CREATE FUNCTION telemetry.drop_event_rollup_day() RETURNS boolean
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	old record;
BEGIN
	-- As job roll_up_events does.
	IF NOT pg_try_advisory_xact_lock(21581, 1) THEN
		RETURN false;
	END IF;
	-- Days are local ones: one goes when all of it is over.
	SELECT s.name, d.day INTO old
	FROM telemetry.stream AS s
	CROSS JOIN LATERAL (
		SELECT least(
			(SELECT min(r.day) FROM telemetry.event_rollup_hour AS r WHERE r.stream = s.name),
			(SELECT min(r.day) FROM telemetry.event_rollup_day AS r WHERE r.stream = s.name),
			(SELECT min(r.day) FROM telemetry.stream_rollup_day AS r WHERE r.stream = s.name),
			(SELECT min(r.day) FROM telemetry.user_rollup_day AS r WHERE r.stream = s.name)) AS day
	) AS d
	WHERE s.rollup_days IS NOT NULL AND d.day < telemetry.day_of(telemetry.expired_before(s.rollup_days))
	LIMIT 1;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	DELETE FROM telemetry.event_rollup_hour AS r WHERE r.stream = old.name AND r.day = old.day;
	DELETE FROM telemetry.event_rollup_day AS r WHERE r.stream = old.name AND r.day = old.day;
	DELETE FROM telemetry.stream_rollup_day AS r WHERE r.stream = old.name AND r.day = old.day;
	DELETE FROM telemetry.user_rollup_day AS r WHERE r.stream = old.name AND r.day = old.day;
	INSERT INTO telemetry.event_drop AS d (stream, rollups_dropped_before) VALUES (old.name, old.day + 1)
	ON CONFLICT (stream) DO UPDATE SET
		rollups_dropped_before = greatest(d.rollups_dropped_before, excluded.rollups_dropped_before),
		dropped_at = excluded.dropped_at;
	RETURN true;
END
$$;
COMMENT ON FUNCTION telemetry.drop_event_rollup_day() IS
	'Of job event_retention: removes the rollups of one day of one stream, if there is a day more than rollup_days ago; '
	'whether there was. Does nothing while another transaction changes rollups of events.';

CREATE FUNCTION telemetry.job_event_retention() RETURNS boolean
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	-- Dropping a partition waits for all statements on events that are running, and everybody else for that.
	SET lock_timeout = '200ms'
AS $$
DECLARE
	part record;
	streams text[] COLLATE "C";
	expired text[] COLLATE "C";
BEGIN
	FOR part IN
		SELECT p.partition, p.day
		FROM telemetry.event_partition AS p
		WHERE (p.day + 1)::timestamp AT TIME ZONE 'UTC'
			<= (SELECT max(telemetry.expired_before(s.retention_days)) FROM telemetry.stream AS s)
		ORDER BY p.day
	LOOP
		streams := telemetry.streams_in(part.partition);
		expired := ARRAY(
			SELECT s.name
			FROM telemetry.stream AS s
			WHERE s.name = ANY (streams)
				AND telemetry.expired_before(s.retention_days) >= (part.day + 1)::timestamp AT TIME ZONE 'UTC');
		IF streams <@ expired THEN
			IF telemetry.drop_event_partition(part.partition, part.day, expired) THEN
				RETURN true;
			END IF;
		ELSIF expired <> '{}' AND telemetry.delete_expired_events(part.partition, part.day, expired) THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN telemetry.drop_event_rollup_day();
EXCEPTION
	-- The next run tries again.
	WHEN lock_not_available THEN
		RETURN false;
END
$$;
COMMENT ON FUNCTION telemetry.job_event_retention() IS
	'Job event_retention: removes events received more than retention_days whole UTC days before today, as telemetry.stream '
	'says, the oldest first: a day''s partition as a whole if it has no others, else up to 10000 of them; then rollups of days '
	'more than rollup_days ago, a stream''s day at a time. Events that are not rolled up yet stay. telemetry.event_drop says what '
	'was removed. True if there may be more. Gives up until the next run if it would have to wait for another transaction.';

-- The ledger is gone through in the order of keys, some at a time; no index says which are old.
CREATE TABLE telemetry.event_key_pass (
	at uuid NOT NULL,
	begun_at timestamptz NOT NULL,
	one_row boolean PRIMARY KEY DEFAULT true CONSTRAINT there_is_one_row CHECK (one_row)
) WITH (fillfactor = 10);
COMMENT ON TABLE telemetry.event_key_pass IS
	'How far job event_keys has gone through telemetry.event_key, and when it began to.';
COMMENT ON COLUMN telemetry.event_key_pass.at IS
	'The last key that the pass has been through; all zeros: the next run begins one.';
COMMENT ON COLUMN telemetry.event_key_pass.begun_at IS 'When the last pass began; -infinity: none has.';
COMMENT ON COLUMN telemetry.event_key_pass.one_row IS 'Always true: a key that only one row can have.';
INSERT INTO telemetry.event_key_pass VALUES ('00000000-0000-0000-0000-000000000000', '-infinity');

CREATE FUNCTION telemetry.job_event_keys() RETURNS boolean
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	at_once CONSTANT integer := 20000;
	first CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
	pass telemetry.event_key_pass;
	last uuid;
BEGIN
	SELECT * INTO pass FROM telemetry.event_key_pass FOR UPDATE;
	IF pass.at = first AND pass.begun_at > now() - (
			SELECT least(interval '1 day', min(s.dedupe_window) / 10) FROM telemetry.stream AS s) THEN
		RETURN false;
	END IF;
	SELECT k.key INTO last
	FROM telemetry.event_key AS k WHERE k.key > pass.at ORDER BY k.key OFFSET at_once - 1 LIMIT 1;
	DELETE FROM telemetry.event_key AS k
	WHERE k.key > pass.at AND k.key <= coalesce(last, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
		AND NOT EXISTS (
			SELECT FROM telemetry.stream AS s
			WHERE s.number = k.stream AND (s.dedupe_window IS NULL OR k.received_at >= now() - s.dedupe_window));
	UPDATE telemetry.event_key_pass AS p
	SET at = coalesce(last, first), begun_at = CASE WHEN pass.at = first THEN now() ELSE p.begun_at END;
	RETURN last IS NOT NULL;
END
$$;
COMMENT ON FUNCTION telemetry.job_event_keys() IS
	'Job event_keys: goes through up to 20000 keys of telemetry.event_key and removes those that are older than their '
	'stream''s dedupe_window, or of a stream that is gone; true until it has been through all. It begins anew after a tenth of '
	'the shortest window, but after a day at most.';

-- Erasure.
CREATE TABLE telemetry.erasure (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	erased_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	kind text NOT NULL CONSTRAINT kind_is_user_or_device CHECK (kind IN ('user', 'device')),
	mode text NOT NULL CONSTRAINT mode_is_delete_or_anonymise CHECK (mode IN ('delete', 'anonymise')),
	id_hash bytea NOT NULL,
	requested_by name NOT NULL DEFAULT SESSION_USER,
	events bigint NOT NULL,
	points bigint NOT NULL,
	conflicts bigint NOT NULL,
	dead_letters bigint NOT NULL
);
COMMENT ON TABLE telemetry.erasure IS
	'What telemetry.delete_user() and telemetry.delete_device() have removed or anonymised, when, and at whose request.';
COMMENT ON COLUMN telemetry.erasure.id_hash IS 'SHA-256 of the user_id or device_id, which is not kept.';
COMMENT ON COLUMN telemetry.erasure.events IS 'Events removed or anonymised; the other counts are always of rows removed.';
COMMENT ON COLUMN telemetry.erasure.id IS 'Number of the row; later ones have higher numbers.';
COMMENT ON COLUMN telemetry.erasure.erased_at IS 'When it was done.';
COMMENT ON COLUMN telemetry.erasure.kind IS 'Whose data it was, a user''s or a device''s.';
COMMENT ON COLUMN telemetry.erasure.mode IS
	'delete: events were removed; anonymise: they are kept, but do not say whose they are.';
COMMENT ON COLUMN telemetry.erasure.requested_by IS 'The database user of the session that asked for it.';
COMMENT ON COLUMN telemetry.erasure.points IS 'Points removed; 0 of a user.';
COMMENT ON COLUMN telemetry.erasure.conflicts IS 'Rows of telemetry.conflict removed.';
COMMENT ON COLUMN telemetry.erasure.dead_letters IS 'Rows of telemetry.dead_letter removed.';
COMMENT ON SEQUENCE telemetry.erasure_id_seq IS 'Numbers for telemetry.erasure.id.';

SELECT pg_catalog.pg_extension_config_dump('telemetry.erasure', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.erasure_id_seq', '');

-- Anonymous versions take the place of events, as a flush of their own for each time of receipt.
CREATE FUNCTION telemetry.anonymise_events(received_at timestamptz[], id bigint[]) RETURNS bigint
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	versions telemetry.event_template[];
	changed bigint;
BEGIN
	WITH gone AS (
		-- Whoever else removes one of them meanwhile does so before or after, not as well.
		SELECT e.*
		FROM unnest(anonymise_events.received_at, anonymise_events.id) AS k (received_at, id)
		CROSS JOIN LATERAL (
			SELECT l.* FROM telemetry.event_log AS l WHERE l.received_at = k.received_at AND l.id = k.id FOR UPDATE
		) AS e
	), flush AS MATERIALIZED (
		SELECT t.received_at, nextval('telemetry.event_seq') AS number
		FROM (SELECT DISTINCT g.received_at FROM gone AS g) AS t
	)
	SELECT array_agg(ROW(g.received_at, f.number * 1048576 + g.place - 1, g.occurred_at, g.duration_seconds, g.stream, g.event_type,
		'anonymous', NULL, NULL, NULL, g.subject_id, g.app_version, NULL, NULL)::telemetry.event_template)
	INTO versions
	FROM (SELECT n.*, row_number() OVER (PARTITION BY n.received_at ORDER BY n.id) AS place FROM gone AS n) AS g
	JOIN flush AS f ON f.received_at = g.received_at;

	changed := telemetry.remove_events(anonymise_events.received_at, anonymise_events.id,
		array_fill(true, ARRAY[cardinality(anonymise_events.id)]));
	INSERT INTO telemetry.event_log SELECT v.* FROM unnest(versions) AS v;
	INSERT INTO telemetry.event_batch (id, received_at, n)
	SELECT v.id >> 20 << 20, v.received_at, count(*) FROM unnest(versions) AS v GROUP BY v.id >> 20 << 20, v.received_at;
	RETURN changed;
END
$$;
COMMENT ON FUNCTION telemetry.anonymise_events(timestamptz[], bigint[]) IS
	'Of telemetry.delete_user() and telemetry.delete_device(): puts versions of events in their place that have no device, user, '
	'session, correlation and data, and the event_id anonymous; returns how many. They count as before, but for uniques.';

CREATE FUNCTION telemetry.erase_events(kind text, id text, anonymise boolean) RETURNS bigint
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	at_once CONSTANT integer := 50000;
	total bigint := 0;
	times timestamptz[];
	ids bigint[];
BEGIN
	LOOP
		IF erase_events.kind = 'user' THEN
			SELECT array_agg(f.received_at), array_agg(f.id) INTO times, ids
			FROM (SELECT e.received_at, e.id FROM telemetry.event_log AS e WHERE e.user_id = erase_events.id LIMIT at_once) AS f;
		ELSE
			SELECT array_agg(f.received_at), array_agg(f.id) INTO times, ids
			FROM (SELECT e.received_at, e.id FROM telemetry.event_log AS e WHERE e.device_id = erase_events.id LIMIT at_once) AS f;
		END IF;
		EXIT WHEN ids IS NULL;
		total := total + CASE
			WHEN erase_events.anonymise THEN telemetry.anonymise_events(times, ids)
			ELSE telemetry.remove_events(times, ids, array_fill(true, ARRAY[cardinality(ids)]))
		END;
	END LOOP;
	RETURN total;
END
$$;
COMMENT ON FUNCTION telemetry.erase_events(text, text, boolean) IS
	'Of telemetry.delete_user() and telemetry.delete_device(): removes or anonymises all events of a user or device; returns how many.';

CREATE FUNCTION telemetry.erase(kind text, id text, anonymise boolean, tell boolean) RETURNS telemetry.erasure
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	-- As telemetry.event has the name, and as apps may spell it.
	names CONSTANT jsonpath := CASE erase.kind
		WHEN 'user' THEN '$.** ? (@.user_id == $id || @.userId == $id)'
		ELSE '$.** ? (@.device_id == $id || @.deviceId == $id)' END;
	whom CONSTANT jsonb := jsonb_build_object('id', erase.id);
	done telemetry.erasure;
BEGIN
	IF current_setting('transaction_isolation') <> 'read committed' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_transaction_state',
			MESSAGE = 'erasure needs a transaction of isolation level READ COMMITTED';
	END IF;
	IF erase.kind = 'user' THEN
		-- As job roll_up_events does: the user's rollups go at once, and nothing is left to be subtracted from them.
		PERFORM pg_advisory_xact_lock(21581, 1);
	END IF;
	done.events := telemetry.erase_events(erase.kind, erase.id, erase.anonymise);
	DELETE FROM telemetry.conflict AS c
	WHERE CASE erase.kind WHEN 'user' THEN c.user_id ELSE c.device_id END = erase.id
		OR jsonb_path_exists(c.stored, names, whom) OR jsonb_path_exists(c.incoming, names, whom);
	GET DIAGNOSTICS done.conflicts = ROW_COUNT;
	DELETE FROM telemetry.dead_letter AS d WHERE jsonb_path_exists(d.payload, names, whom);
	GET DIAGNOSTICS done.dead_letters = ROW_COUNT;
	IF erase.kind = 'user' THEN
		UPDATE telemetry.event_change AS c SET user_id = NULL WHERE c.user_id = erase.id;
		DELETE FROM telemetry.user_rollup_day AS r WHERE r.user_id = erase.id;
		DELETE FROM telemetry.batch_log AS b WHERE b.user_id = erase.id;
		UPDATE telemetry.alert AS a
		SET acknowledged_by = nullif(a.acknowledged_by, erase.id), resolved_by = nullif(a.resolved_by, erase.id)
		WHERE erase.id IN (a.acknowledged_by, a.resolved_by);
		done.points := 0;
	ELSE
		done.points := telemetry.delete_points(erase.id, NULL, NULL, NULL);
		DELETE FROM telemetry.receipt AS r WHERE r.device_id = erase.id;
		DELETE FROM telemetry.batch_log AS b WHERE b.device_id = erase.id;
		-- Who judges one of its series has locked its row.
		DELETE FROM telemetry.alert_state AS s WHERE s.device_id = erase.id;
		DELETE FROM telemetry.alert AS a WHERE a.device_id = erase.id;
		DELETE FROM telemetry.alert_pending AS p WHERE p.device_id = erase.id;
	END IF;

	-- What has not been taken yet is not told any more, nor is what was not sent. Last, since that holds up who sends.
	DELETE FROM telemetry.outbox AS o WHERE jsonb_path_exists(o.data, names, whom);
	PERFORM telemetry.erase_notifications(names, whom);
	INSERT INTO telemetry.erasure (kind, mode, id_hash, events, points, conflicts, dead_letters)
	VALUES (erase.kind, CASE WHEN erase.anonymise THEN 'anonymise' ELSE 'delete' END, sha256(convert_to(erase.id, 'UTF8')),
		done.events, done.points, done.conflicts, done.dead_letters)
	RETURNING * INTO done;
	IF erase.tell THEN
		INSERT INTO telemetry.outbox (event_type, key, data)
		VALUES (erase.kind || '.deleted', erase.id,
			jsonb_build_object(erase.kind || '_id', erase.id, 'mode', done.mode, 'erased_at', telemetry.json_time(done.erased_at)));
	END IF;
	RETURN done;
END
$$;
COMMENT ON FUNCTION telemetry.erase(text, text, boolean, boolean) IS
	'What telemetry.delete_user() and telemetry.delete_device() do. tell: whether telemetry.outbox has it.';

CREATE FUNCTION telemetry.delete_user(user_id text, anonymise boolean DEFAULT false) RETURNS telemetry.erasure
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT telemetry.erase('user', delete_user.user_id, delete_user.anonymise, true);
END;
COMMENT ON FUNCTION telemetry.delete_user(text, boolean) IS
	'Removes what there is of a user: events, rollups by user, conflicts and dead letters that name the user, batch log, and the name in what was said of alerts. With '
	'anonymise events stay, but without device, user, session, correlation and data, and with the event_id anonymous, so that '
	'counts are as before. Other rollups follow with the next rounds of job roll_up_events, live views at once; uniques in rollups '
	'of events that retention has dropped stay. Keys stay in the ledger, as hashes, so that an event that is delivered again '
	'does not come back. Rows of telemetry.outbox and notifications that name the user go, too, and others are told by user.deleted there, which has the '
	'user_id until all consumers have taken it, 7 days at most. Leaves a row in telemetry.erasure and returns it. Works with its owner''s rights; for telemetry_admin. '
	'Error: invalid_transaction_state unless the transaction is READ COMMITTED.';

CREATE FUNCTION telemetry.delete_device(device_id text, anonymise boolean DEFAULT false) RETURNS telemetry.erasure
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT telemetry.erase('device', delete_device.device_id, delete_device.anonymise, true);
END;
COMMENT ON FUNCTION telemetry.delete_device(text, boolean) IS
	'The same as telemetry.delete_user() of a device, of which device.deleted tells. Its points, of which it is part of the key, and its receipts and alerts are removed '
	'with anonymise, too; telemetry.drop_log names it. Goes through all events to find those of the device that are of a user.';

REVOKE ALL ON FUNCTION telemetry.job_event_partitions(), telemetry.job_event_retention(), telemetry.job_event_keys(),
	telemetry.expired_before(integer), telemetry.note_event_drop(text, timestamptz, bigint), telemetry.streams_in(regclass),
	telemetry.drop_event_partition(regclass, date, text[]), telemetry.delete_expired_events(regclass, date, text[]),
	telemetry.drop_event_rollup_day(), telemetry.anonymise_events(timestamptz[], bigint[]),
	telemetry.erase_events(text, text, boolean), telemetry.erase(text, text, boolean, boolean),
	telemetry.delete_user(text, boolean), telemetry.delete_device(text, boolean) FROM PUBLIC;
GRANT SELECT ON telemetry.event_partition TO telemetry_reader;
GRANT SELECT ON telemetry.erasure TO telemetry_admin;
GRANT EXECUTE ON FUNCTION telemetry.delete_user(text, boolean), telemetry.delete_device(text, boolean) TO telemetry_admin;
