-- The outbox: what happened, for other systems, written in the transaction in which it did.

-- A consumer's cursor is a snapshot: what was visible in it has been taken, whenever its transaction began and in whatever
-- order the transactions were committed. So nothing that commits late is passed over, and nothing has to be waited for.
CREATE TABLE telemetry.outbox (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
	event_type text COLLATE "C" NOT NULL
		CONSTRAINT event_type_is_words_joined_by_dots CHECK (event_type ~ '^[a-z_]+([.][a-z_]+)+$'),
	key text COLLATE "C" NOT NULL,
	data jsonb NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX outbox_transaction ON telemetry.outbox (transaction_id, id);
COMMENT ON TABLE telemetry.outbox IS
	'What happened, for other systems: alert.rule.created, alert.rule.changed and alert.rule.deleted; alert.triggered, alert.acknowledged, '
	'alert.resolved and alert.late; metric.defined and metric.deleted; device.deleted and user.deleted; telemetry.data.received; and what telemetry.publish() '
	'is called with. A row is there if and only if what it tells of was committed. '
	'Read it with telemetry.take_outbox(); channel telemetry_outbox of LISTEN tells of new rows, but not of those of prepared transactions. '
	'Job prune removes rows that every consumer has taken which wants them, and all after 7 days. Not dumped.';
COMMENT ON COLUMN telemetry.outbox.id IS 'Names the event: who takes it twice knows it by that. Of one key later ones are higher.';
COMMENT ON COLUMN telemetry.outbox.transaction_id IS 'The transaction in which it happened, not a subtransaction of it.';
COMMENT ON COLUMN telemetry.outbox.event_type IS 'What happened.';
COMMENT ON COLUMN telemetry.outbox.key IS 'What it happened to: an alert_id, a rule_id, a metric, a device or a user. Of telemetry.data.received: the device, or * of several.';
COMMENT ON COLUMN telemetry.outbox.data IS 'What there is to say of it, an object; of an alert, its row of telemetry.alert as it is then, with the rule''s notification_channels. Times are UTC.';
COMMENT ON COLUMN telemetry.outbox.created_at IS 'When it was written, by the server''s clock.';
COMMENT ON SEQUENCE telemetry.outbox_id_seq IS 'Numbers for telemetry.outbox.id.';

CREATE INDEX outbox_created_at ON telemetry.outbox (created_at);

CREATE FUNCTION telemetry.tell_outbox() RETURNS trigger
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_tell_outbox';
COMMENT ON FUNCTION telemetry.tell_outbox() IS
	'Trigger of telemetry.outbox: tells those who LISTEN to telemetry_outbox, when the transaction commits, to look. A transaction that is '
	'prepared tells nobody, since it could not be prepared otherwise.';
CREATE TRIGGER tell_outbox AFTER INSERT ON telemetry.outbox
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.tell_outbox();

-- A transaction does not take its own rows, since it may write more of them afterwards: so it must not look as if it were over.
-- (The server's own snapshots have no place for the transaction that they are of.)
CREATE FUNCTION telemetry.outbox_snapshot() RETURNS pg_snapshot
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	own CONSTANT xid8 := pg_current_xact_id();
	visible CONSTANT pg_snapshot := pg_current_snapshot();
BEGIN
	IF NOT pg_visible_in_snapshot(own, visible) THEN
		RETURN visible;
	END IF;
	RETURN format('%s:%s:%s', least(own, pg_snapshot_xmin(visible)), pg_snapshot_xmax(visible),
		(SELECT string_agg(x.id::text, ',' ORDER BY x.id)
		FROM (SELECT own AS id UNION SELECT r.id FROM pg_snapshot_xip(visible) AS r (id)) AS x))::pg_snapshot;
END
$$;
COMMENT ON FUNCTION telemetry.outbox_snapshot() IS
	'Of telemetry.outbox_consumer: the current snapshot, in which the current transaction is one that is not over yet.';
REVOKE ALL ON FUNCTION telemetry.outbox_snapshot() FROM PUBLIC;

CREATE TABLE telemetry.outbox_consumer (
	name text COLLATE "C" PRIMARY KEY
		CONSTRAINT name_is_short_and_plain CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
	event_types text[] COLLATE "C" CONSTRAINT event_types_is_not_empty CHECK (event_types <> '{}'),
	taken pg_snapshot NOT NULL DEFAULT telemetry.outbox_snapshot(),
	target pg_snapshot,
	last_id bigint NOT NULL DEFAULT 0,
	taken_at timestamptz,
	CONSTRAINT event_types_are_100_at_most CHECK (cardinality(event_types) <= 100),
	CONSTRAINT event_types_are_a_list CHECK (array_ndims(event_types) = 1),
	CONSTRAINT event_types_has_no_null CHECK (array_position(event_types, NULL) IS NULL)
);
COMMENT ON TABLE telemetry.outbox_consumer IS
	'Who reads telemetry.outbox, and how far each has come. Made by telemetry.create_outbox_consumer(). One that is restored from a dump begins at what is '
	'new: transactions of another cluster have other numbers.';
COMMENT ON COLUMN telemetry.outbox_consumer.name IS 'What telemetry.take_outbox() is called with.';
COMMENT ON COLUMN telemetry.outbox_consumer.event_types IS 'Those that it is to be given; null: all.';
COMMENT ON COLUMN telemetry.outbox_consumer.taken IS 'Rows whose transactions were over in this snapshot have been taken.';
COMMENT ON COLUMN telemetry.outbox_consumer.target IS
	'A snapshot whose rows are being taken: those up to last_id have been; null: none is.';
COMMENT ON COLUMN telemetry.outbox_consumer.last_id IS 'The row of target that was taken last.';
COMMENT ON COLUMN telemetry.outbox_consumer.taken_at IS 'When rows were last taken, by the server''s clock; null: never.';

-- Rows are of one cluster, whose transactions they name. Their numbers go on, so that none is given twice.
SELECT pg_catalog.pg_extension_config_dump('telemetry.outbox_consumer', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.outbox_id_seq', '');

CREATE FUNCTION telemetry.restore_outbox_consumer() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF telemetry.is_restoring() THEN
		new.taken := telemetry.outbox_snapshot();
		new.target := NULL;
		new.last_id := 0;
	END IF;
	RETURN new;
END
$$;
COMMENT ON FUNCTION telemetry.restore_outbox_consumer() IS
	'Trigger of telemetry.outbox_consumer: one that comes with a dump begins at what is new.';
CREATE TRIGGER restore_outbox_consumer BEFORE INSERT ON telemetry.outbox_consumer
	FOR EACH ROW EXECUTE FUNCTION telemetry.restore_outbox_consumer();

-- Writing --------------------------------------------------------------------------------------------------------------

-- Whoever has the owner's rights may write the tables anyway: others cannot keep things from being told by pretending to restore.
CREATE FUNCTION telemetry.may_publish() RETURNS boolean
	LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT NOT (pg_has_role(SESSION_USER, c.relowner, 'USAGE') AND telemetry.is_restoring())
	FROM pg_class AS c WHERE c.oid = 'telemetry.outbox'::regclass;
END;
COMMENT ON FUNCTION telemetry.may_publish() IS
	'Of triggers that write to telemetry.outbox: false in a session that restores a dump, whose rows tell of nothing new.';
REVOKE ALL ON FUNCTION telemetry.may_publish() FROM PUBLIC;

CREATE FUNCTION telemetry.publish(event_type text, key text, data jsonb) RETURNS bigint
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	max_key CONSTANT integer := 512;
	max_data CONSTANT integer := 262144;
	published bigint;
BEGIN
	IF publish.event_type !~ '^[a-z_]+([.][a-z_]+)+$' OR octet_length(publish.event_type) > 128 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('event_type must be words joined by dots, of 128 bytes at most, not "%s"', left(publish.event_type, 128));
	ELSIF publish.event_type ~ '^(alert|telemetry)[.]|^metric[.](defined|deleted)$|^(device|user)[.]deleted$' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('event_type "%s" is told by the extension alone', publish.event_type);
	ELSIF octet_length(publish.key) NOT BETWEEN 1 AND max_key THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('key must have 1 to %s bytes, not %s', max_key, octet_length(publish.key));
	ELSIF jsonb_typeof(publish.data) <> 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('data must be an object, not of type %s', jsonb_typeof(publish.data));
	ELSIF octet_length(publish.data::text) > max_data THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('data must have %s bytes at most as a text, not %s', max_data, octet_length(publish.data::text));
	END IF;
	INSERT INTO telemetry.outbox AS o (event_type, key, data) VALUES (publish.event_type, publish.key, publish.data)
	RETURNING o.id INTO published;
	RETURN published;
END
$$;
COMMENT ON FUNCTION telemetry.publish(text, text, jsonb) IS
	'Writes to telemetry.outbox, in the caller''s transaction, that an event (words joined by dots) has happened to key (1 to 512 bytes), with what there is to '
	'say of it, an object of up to 256 kB; returns its id. Who wants events of one key in their order writes them while a lock of it is held. Works with its '
	'owner''s rights; for telemetry_admin. Error: invalid_parameter_value, also for alert., telemetry., metric.defined, metric.deleted, device.deleted and user.deleted.';

-- Reading --------------------------------------------------------------------------------------------------------------

CREATE FUNCTION telemetry.create_outbox_consumer(name text, event_types text[] DEFAULT NULL, from_start boolean DEFAULT false) RETURNS void
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO telemetry.outbox_consumer (name, event_types, taken)
	VALUES (create_outbox_consumer.name, create_outbox_consumer.event_types,
		CASE WHEN create_outbox_consumer.from_start THEN '1:1:'::pg_snapshot ELSE telemetry.outbox_snapshot() END);
END
$$;
COMMENT ON FUNCTION telemetry.create_outbox_consumer(text, text[], boolean) IS
	'Makes a row of telemetry.outbox_consumer: name, of small letters, digits and _, is what telemetry.take_outbox() is called with; event_types null: all; '
	'from_start: it is given what is there, too, as far as job prune has left it; else what has not been committed yet. Works with its owner''s rights; for '
	'telemetry_admin. Errors: unique_violation, check_violation, not_null_violation.';

CREATE FUNCTION telemetry.drop_outbox_consumer(name text) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM telemetry.outbox_consumer AS c WHERE c.name = drop_outbox_consumer.name;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no outbox consumer "%s"', drop_outbox_consumer.name);
	END IF;
END
$$;
COMMENT ON FUNCTION telemetry.drop_outbox_consumer(text) IS
	'Removes a row of telemetry.outbox_consumer: nothing is kept for it any more. Works with its owner''s rights; for telemetry_admin. Error: no_data_found.';

-- What writes to our tables is refused anyway; this is for what begins with locking a row, or perhaps writes nothing.
CREATE FUNCTION telemetry.require_primary(what text) RETURNS void
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF pg_is_in_recovery() THEN
		RAISE EXCEPTION USING ERRCODE = 'read_only_sql_transaction', MESSAGE = format('cannot %s on a standby', what),
			DETAIL = 'This server follows another one, and can only be read.', HINT = 'Connect to the primary server.';
	END IF;
END
$$;
COMMENT ON FUNCTION telemetry.require_primary(text) IS
	'Of telemetry.take_outbox() and others: raises read_only_sql_transaction on a standby, where one cannot do what.';
REVOKE ALL ON FUNCTION telemetry.require_primary(text) FROM PUBLIC;

-- What a step has to give is what is visible in its target and is not in what was taken: all transactions from the end of the one snapshot
-- to that of the other, and those that were under way in the first. Both are ranges of an index, whatever else is in the table, and however
-- long a transaction has been under way. Only if that is more than is asked for is a step of several calls begun, which then
-- follows the order of ids.
CREATE FUNCTION telemetry.take_outbox(consumer text, "limit" integer DEFAULT 1000) RETURNS SETOF telemetry.outbox
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	most CONSTANT integer := 100000;
	cursor telemetry.outbox_consumer;
	step pg_snapshot;
	found_ids bigint[];
	more boolean;
BEGIN
	PERFORM telemetry.require_primary('take rows of telemetry.outbox');
	IF take_outbox."limit" NOT BETWEEN 1 AND most THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('limit must be from 1 to %s, not %s', most, take_outbox."limit");
	END IF;

	SELECT c.* INTO cursor FROM telemetry.outbox_consumer AS c WHERE c.name = take_outbox.consumer FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		IF NOT EXISTS (SELECT FROM telemetry.outbox_consumer AS c WHERE c.name = take_outbox.consumer) THEN
			RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no outbox consumer "%s"', take_outbox.consumer),
				HINT = 'telemetry.create_outbox_consumer() makes one.';
		END IF;
		RETURN;
	END IF;

	-- Whoever had the row before committed before this.
	step := coalesce(cursor.target, telemetry.outbox_snapshot());
	-- A cursor cannot be ahead of the server, unless it comes from another one, such as by logical replication.
	IF pg_snapshot_xmax(cursor.taken) > pg_snapshot_xmax(telemetry.outbox_snapshot())
		OR pg_snapshot_xmax(step) > pg_snapshot_xmax(telemetry.outbox_snapshot()) THEN
		UPDATE telemetry.outbox_consumer AS c SET taken = telemetry.outbox_snapshot(), target = NULL, last_id = 0
		WHERE c.name = take_outbox.consumer;
		RETURN;
	END IF;

	IF cursor.target IS NULL THEN
		-- In the order of the index and with a limit, so that it is used whatever is known of the table.
		SELECT array_agg(f.id) INTO found_ids
		FROM (
			SELECT n.id FROM (
				SELECT o.id
				FROM telemetry.outbox AS o
				WHERE o.transaction_id >= pg_snapshot_xmax(cursor.taken) AND o.transaction_id < pg_snapshot_xmax(step)
					AND pg_visible_in_snapshot(o.transaction_id, step) AND (cursor.event_types IS NULL OR o.event_type = ANY (cursor.event_types))
				ORDER BY o.transaction_id LIMIT take_outbox."limit" + 1
			) AS n
			UNION ALL
			SELECT t.id
			FROM pg_snapshot_xip(cursor.taken) AS x (id)
			CROSS JOIN LATERAL (
				SELECT o.id
				FROM telemetry.outbox AS o
				WHERE o.transaction_id = x.id
					AND pg_visible_in_snapshot(o.transaction_id, step) AND (cursor.event_types IS NULL OR o.event_type = ANY (cursor.event_types))
				ORDER BY o.transaction_id, o.id LIMIT take_outbox."limit" + 1
			) AS t
			LIMIT take_outbox."limit" + 1
		) AS f;
		IF found_ids IS NULL THEN
			-- Nothing is written when there was nothing, but what it does not want is not to be looked at again.
			IF cursor.event_types IS NOT NULL AND EXISTS (
				SELECT FROM telemetry.outbox AS o
				WHERE o.transaction_id >= pg_snapshot_xmax(cursor.taken) AND o.transaction_id < pg_snapshot_xmax(step)) THEN
				UPDATE telemetry.outbox_consumer AS c SET taken = step WHERE c.name = take_outbox.consumer;
			END IF;
			RETURN;
		ELSIF cardinality(found_ids) <= take_outbox."limit" THEN
			RETURN QUERY SELECT o.* FROM telemetry.outbox AS o WHERE o.id = ANY (found_ids) ORDER BY o.id;
			UPDATE telemetry.outbox_consumer AS c SET taken = step, taken_at = clock_timestamp() WHERE c.name = take_outbox.consumer;
			RETURN;
		END IF;
		SELECT min(u.id) - 1 INTO cursor.last_id
		FROM (
			SELECT min(o.id) AS id
			FROM telemetry.outbox AS o
			WHERE o.transaction_id >= pg_snapshot_xmax(cursor.taken) AND o.transaction_id < pg_snapshot_xmax(step)
			UNION ALL
			SELECT (SELECT min(o.id) FROM telemetry.outbox AS o WHERE o.transaction_id = x.id)
			FROM pg_snapshot_xip(cursor.taken) AS x (id)
		) AS u;
	END IF;

	SELECT array_agg(f.id ORDER BY f.id) INTO found_ids
	FROM (
		SELECT o.id
		FROM telemetry.outbox AS o
		WHERE o.id > cursor.last_id
			AND pg_visible_in_snapshot(o.transaction_id, step) AND NOT pg_visible_in_snapshot(o.transaction_id, cursor.taken)
			AND (cursor.event_types IS NULL OR o.event_type = ANY (cursor.event_types))
		ORDER BY o.id LIMIT take_outbox."limit" + 1
	) AS f;
	more := coalesce(cardinality(found_ids), 0) > take_outbox."limit";
	IF more THEN
		found_ids := trim_array(found_ids, 1);
	END IF;
	RETURN QUERY SELECT o.* FROM telemetry.outbox AS o WHERE o.id = ANY (found_ids) ORDER BY o.id;
	UPDATE telemetry.outbox_consumer AS c
	SET taken = CASE WHEN more THEN c.taken ELSE step END,
		target = CASE WHEN more THEN step END,
		last_id = CASE WHEN more THEN found_ids[cardinality(found_ids)] ELSE 0 END,
		taken_at = clock_timestamp()
	WHERE c.name = take_outbox.consumer;
END
$$;
COMMENT ON FUNCTION telemetry.take_outbox(text, integer) IS
	'The next rows of telemetry.outbox for a consumer, limit (1 to 100000) at most, and moves its cursor in the caller''s transaction: who commits has taken '
	'them, and if it is rolled back they come again. Each row comes once, whenever its transaction began and was committed, but not to the transaction that '
	'wrote it; of one key in the order in which it happened. No row: there is none, or another transaction is taking them, which is not waited for. '
	'Works with its owner''s rights; for telemetry_admin. Errors: no_data_found if there is no such consumer; invalid_parameter_value; '
	'read_only_sql_transaction on a standby; serialization_failure from REPEATABLE READ on if another one has taken rows meanwhile.';

CREATE FUNCTION telemetry.prune_outbox("limit" integer, now timestamptz DEFAULT clock_timestamp()) RETURNS bigint
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kept CONSTANT interval := '7 days';
	rules_kept CONSTANT interval := '31 days';
	looked_at CONSTANT integer := 50000;
	-- All before it is over in every cursor, so that of the rows after it alone each is looked at, the first of them.
	settled CONSTANT xid8 := coalesce((SELECT min(pg_snapshot_xmin(c.taken)) FROM telemetry.outbox_consumer AS c),
		pg_snapshot_xmax(pg_current_snapshot()));
	removed bigint;
	pruned bigint := 0;
BEGIN
	DELETE FROM telemetry.outbox AS o
	WHERE o.id = ANY (ARRAY(
		SELECT e.id FROM telemetry.outbox AS e
		WHERE e.transaction_id < settled
		ORDER BY e.transaction_id LIMIT prune_outbox."limit" FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS pruned = ROW_COUNT;
	IF pruned < prune_outbox."limit" THEN
		DELETE FROM telemetry.outbox AS o
		WHERE o.id = ANY (ARRAY(
			SELECT e.id
			FROM (SELECT a.* FROM telemetry.outbox AS a ORDER BY a.transaction_id, a.id LIMIT looked_at) AS e
			WHERE NOT EXISTS (
				SELECT FROM telemetry.outbox_consumer AS c
				WHERE NOT pg_visible_in_snapshot(e.transaction_id, c.taken) AND (c.event_types IS NULL OR e.event_type = ANY (c.event_types)))
			LIMIT prune_outbox."limit" - pruned));
		GET DIAGNOSTICS removed = ROW_COUNT;
		pruned := pruned + removed;
	END IF;
	IF pruned < prune_outbox."limit" THEN
		DELETE FROM telemetry.outbox AS o
		WHERE o.id = ANY (ARRAY(
			SELECT e.id FROM telemetry.outbox AS e
			WHERE e.created_at < prune_outbox.now - kept
			ORDER BY e.created_at LIMIT prune_outbox."limit" - pruned FOR UPDATE SKIP LOCKED));
		GET DIAGNOSTICS removed = ROW_COUNT;
		pruned := pruned + removed;
	END IF;
	DELETE FROM telemetry.deleted_alert_rule AS d WHERE d.deleted_at < prune_outbox.now - rules_kept;
	RETURN pruned;
END
$$;
COMMENT ON FUNCTION telemetry.prune_outbox(integer, timestamptz) IS
	'Of job prune: removes rows of telemetry.outbox that every consumer has taken which wants them, and those of 7 days before now and earlier, up to limit; '
	'returns how many. Also rows of telemetry.deleted_alert_rule of 31 days before now and earlier.';

REVOKE ALL ON FUNCTION telemetry.publish(text, text, jsonb), telemetry.create_outbox_consumer(text, text[], boolean),
	telemetry.drop_outbox_consumer(text), telemetry.take_outbox(text, integer), telemetry.prune_outbox(integer, timestamptz) FROM PUBLIC;
GRANT SELECT ON telemetry.outbox, telemetry.outbox_consumer TO telemetry_admin;
GRANT EXECUTE ON FUNCTION telemetry.publish(text, text, jsonb), telemetry.create_outbox_consumer(text, text[], boolean),
	telemetry.drop_outbox_consumer(text), telemetry.take_outbox(text, integer) TO telemetry_admin;
