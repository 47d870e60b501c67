-- Events: what happened, each stored exactly once. Streams, the view that events are written to and
-- read from, the ledger of keys, conflicts. Rollups are in 58_event_rollup.sql, their views in 58_event_view.sql.

CREATE TABLE telemetry.stream (
	name text COLLATE "C" PRIMARY KEY
		CONSTRAINT name_is_short_and_plain CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
	number integer GENERATED ALWAYS AS IDENTITY UNIQUE,
	description text NOT NULL,
	event_types text[] COLLATE "C" CONSTRAINT event_types_is_not_empty CHECK (event_types <> '{}'),
	identity text NOT NULL DEFAULT 'event_id'
		CONSTRAINT identity_is_event_id_or_type_session CHECK (identity IN ('event_id', 'type_session')),
	key_scope text NOT NULL DEFAULT 'none'
		CONSTRAINT key_scope_is_none_device_or_user CHECK (key_scope IN ('none', 'device', 'user')),
	on_conflict text NOT NULL DEFAULT 'first_wins'
		CONSTRAINT on_conflict_is_first_wins_last_write_wins_or_client_priority
		CHECK (on_conflict IN ('first_wins', 'last_write_wins', 'client_priority')),
	clock text NOT NULL DEFAULT 'received_at'
		CONSTRAINT clock_is_received_at_or_occurred_at CHECK (clock IN ('received_at', 'occurred_at')),
	max_age interval CONSTRAINT max_age_is_positive CHECK (max_age > '0'),
	max_batch_age interval CONSTRAINT max_batch_age_is_positive CHECK (max_batch_age > '0'),
	max_future interval NOT NULL DEFAULT '5 min' CONSTRAINT max_future_is_not_negative CHECK (max_future >= '0'),
	dedupe_window interval DEFAULT '30 days' CONSTRAINT dedupe_window_is_positive CHECK (dedupe_window > '0'),
	sampling jsonb NOT NULL DEFAULT '{}' CONSTRAINT sampling_is_a_json_object CHECK (jsonb_typeof(sampling) = 'object'),
	access_check text,
	access_failure text NOT NULL DEFAULT 'accept'
		CONSTRAINT access_failure_is_accept_or_reject CHECK (access_failure IN ('accept', 'reject')),
	retention_days integer CONSTRAINT retention_days_is_from_1_to_3650 CHECK (retention_days BETWEEN 1 AND 3650),
	rollup_days integer CONSTRAINT rollup_days_is_from_1_to_36500 CHECK (rollup_days BETWEEN 1 AND 36500),
	app text COLLATE "C"
);
COMMENT ON TABLE telemetry.stream IS
	'The kinds of events there are, one row for each app: which events it takes, when two are the same, and how long '
	'they are kept. A change counts from the next statement on.';
COMMENT ON COLUMN telemetry.stream.name IS 'What telemetry.event.stream says.';
COMMENT ON COLUMN telemetry.stream.number IS 'Part of the keys in telemetry.event_key.';
COMMENT ON COLUMN telemetry.stream.event_types IS
	'The types it takes, in any case, and how they are spelt when stored; null: any of 1 to 64 bytes.';
COMMENT ON COLUMN telemetry.stream.identity IS
	'Which events are the same: event_id, those of one event_id; type_session, those of one type and session_id '
	'(without session_id, as event_id). An event that names no event_id gets one made of its content, so that what is '
	'sent again is the same event.';
COMMENT ON COLUMN telemetry.stream.key_scope IS
	'Within what an event_id, or a type and session_id, is that of one event. none: the stream; device: a device_id; user: a user_id. '
	'So nobody''s event is taken for another''s where senders choose names by themselves; events of no device or user are one scope more. '
	'Events that came before a change are known by what was said then.';
COMMENT ON COLUMN telemetry.stream.on_conflict IS
	'What is done when an event comes again with other content. first_wins: nothing; last_write_wins: the one that '
	'occurred later is stored, of two at once the one that came later; client_priority: the one of the higher number '
	'data.priority (0 if it has none), of equal ones the one that came later. See telemetry.conflict.';
COMMENT ON COLUMN telemetry.stream.clock IS
	'By which time its rollups count: received_at, the server''s, or occurred_at, the sender''s, for clients that '
	'are offline for a while.';
COMMENT ON COLUMN telemetry.stream.max_age IS
	'How long before received_at a single event may have occurred; null: any time.';
COMMENT ON COLUMN telemetry.stream.max_batch_age IS
	'The same for events of a batch, of COPY and of INSERT.';
COMMENT ON COLUMN telemetry.stream.max_future IS
	'How long after received_at an event may have occurred: how far clocks may be ahead.';
COMMENT ON COLUMN telemetry.stream.dedupe_window IS
	'How long an event''s key is remembered after it was received; null: for ever.';
COMMENT ON COLUMN telemetry.stream.sampling IS
	'Which share of which types to keep while the server is short of time: {event_type: 0 to 1}. Others are all kept.';
COMMENT ON COLUMN telemetry.stream.access_check IS
	'A function (subject_id text, user_id text) RETURNS boolean that says whether the user may report events of the '
	'subject, by its name: schema.name(text, text). The schema is added when it is left out. It runs as its owner, or as '
	'whoever ingests if its owner has their rights anyway, with search_path pg_catalog, pg_temp. Who sets it must have the '
	'rights of its owner (else insufficient_privilege), and who ingests must be allowed to execute it.';
COMMENT ON COLUMN telemetry.stream.access_failure IS
	'What becomes of an event when the check fails or takes more than 500 ms, which leaves a warning: accept or reject. After it '
	'has taken that long it is not asked again by that batch.';
COMMENT ON COLUMN telemetry.stream.retention_days IS
	'Whole UTC days that events are kept after the day they were received on; null: for ever.';
COMMENT ON COLUMN telemetry.stream.rollup_days IS
	'Whole days that rollups are kept after the day they are of; null: for ever.';
COMMENT ON COLUMN telemetry.stream.app IS
	'The extension that it came with, and goes with unless it has events or a route of others brings some; null: none.';
COMMENT ON COLUMN telemetry.stream.description IS 'What its events are, for people.';
COMMENT ON SEQUENCE telemetry.stream_number_seq IS 'Numbers for telemetry.stream.number.';

CREATE TABLE telemetry.stream_field (
	stream text COLLATE "C" NOT NULL,
	field text COLLATE "C" NOT NULL,
	kind text NOT NULL DEFAULT 'text'
		CONSTRAINT kind_is_a_json_type_json_text_ulid_uuid_or_any
		CHECK (kind IN ('text', 'number', 'integer', 'boolean', 'object', 'array', 'json_text', 'ulid', 'uuid', 'any')),
	required boolean NOT NULL DEFAULT false,
	required_for text[] COLLATE "C",
	minimum double precision,
	maximum double precision,
	max_length integer CONSTRAINT max_length_is_positive CHECK (max_length > 0),
	code text CONSTRAINT code_is_in_capitals CHECK (code ~ '^[A-Z][A-Z0-9_]*$'),
	message text,
	PRIMARY KEY (stream, field),
	CONSTRAINT field_is_a_column_or_a_member_of_data CHECK (
		field IN ('event_id', 'event_type', 'occurred_at', 'device_id', 'user_id', 'session_id', 'subject_id', 'app_version',
			'duration_seconds', 'correlation_id', 'data') OR field ~ '^data[.][^.]+$')
);
COMMENT ON TABLE telemetry.stream_field IS
	'Rules for fields of a stream''s events, beyond those that all events keep: texts are of at most 256 bytes '
	'without control characters, duration_seconds is a number from 0 to 1000000000, data is an object of at most telemetry.max_value_size, '
	'whose numbers have at most 1000 characters, written out.';
COMMENT ON COLUMN telemetry.stream_field.field IS 'A column of telemetry.event, or data.name for a member of data.';
COMMENT ON COLUMN telemetry.stream_field.kind IS
	'What it must be. number and integer: within the range of double precision; json_text: text that is a JSON object or array; ulid: 26 characters of '
	'Crockford''s base 32, in either case; a column is stored in upper case. Of a column that is a text, any also takes a number from a route; of '
	'occurred_at, text takes no number from one.';
COMMENT ON COLUMN telemetry.stream_field.required IS 'Whether it must be there, not null, and if it is text not empty.';
COMMENT ON COLUMN telemetry.stream_field.required_for IS 'The event types that it is required for, if not for all.';
COMMENT ON COLUMN telemetry.stream_field.minimum IS 'The least number it may be.';
COMMENT ON COLUMN telemetry.stream_field.maximum IS 'The greatest number it may be.';
COMMENT ON COLUMN telemetry.stream_field.max_length IS 'How many characters a text may have.';
COMMENT ON COLUMN telemetry.stream_field.code IS
	'What an event is rejected with; null: INVALID_ and the field''s name in capitals.';
COMMENT ON COLUMN telemetry.stream_field.message IS 'What is said then; null: what is wrong, with the limit.';
COMMENT ON COLUMN telemetry.stream_field.stream IS 'A name of telemetry.stream.';

-- Triggers instead of foreign keys: pg_restore --jobs loads the tables of an extension in any order, with their
-- foreign keys in force.
CREATE FUNCTION telemetry.check_stream() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM FROM telemetry.stream AS s WHERE s.name = new.stream FOR KEY SHARE;
	IF NOT FOUND AND new.stream IS NOT NULL THEN
		IF NOT telemetry.is_restoring() THEN
			RAISE EXCEPTION USING ERRCODE = 'foreign_key_violation', MESSAGE = format('there is no stream "%s"', new.stream);
		END IF;
	END IF;
	RETURN new;
END
$$;
COMMENT ON FUNCTION telemetry.check_stream() IS
	'Trigger of telemetry.stream_field and telemetry.route: refuses an unknown stream. Error: foreign_key_violation.';
CREATE TRIGGER check_stream BEFORE INSERT OR UPDATE ON telemetry.stream_field
	FOR EACH ROW EXECUTE FUNCTION telemetry.check_stream();

-- Functions are kept by name: pg_upgrade refuses columns that refer to them by oid. The name is looked up with the search path
-- of whoever writes it, hence without SET search_path and with the rights of that user, and kept with all schemas.
CREATE FUNCTION telemetry.is_made_for_routes(function oid) RETURNS boolean
	LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN EXISTS (
		SELECT
		FROM pg_proc AS p
		JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
		WHERE p.oid = function AND p.prorettype = to_regtype('telemetry.http_response'));
END
$$;
COMMENT ON FUNCTION telemetry.is_made_for_routes(oid) IS
	'Whether a function is of an extension and returns an answer: anybody who writes routes may name it, whoever its owner is.';

CREATE FUNCTION telemetry.add_schema() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
	name CONSTANT text := pg_catalog.to_jsonb(new) OPERATOR(pg_catalog.->>) TG_ARGV[0];
	function oid;
	owner oid;
	was text;
	signature text;
BEGIN
	SELECT p.oid, p.proowner, pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, (
		SELECT pg_catalog.string_agg(pg_catalog.format('%I.%I', tn.nspname, t.typname), ', ' ORDER BY a.number)
		FROM ROWS FROM (pg_catalog.unnest(p.proargtypes)) WITH ORDINALITY AS a (type, number)
		JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) a.type
		JOIN pg_catalog.pg_namespace AS tn ON tn.oid OPERATOR(pg_catalog.=) t.typnamespace))
	INTO function, owner, signature
	FROM pg_catalog.pg_proc AS p
	JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
	WHERE p.oid OPERATOR(pg_catalog.=) pg_catalog.to_regprocedure(name)::pg_catalog.oid;
	-- One that is not there is left for the next trigger to judge.
	IF signature IS NULL THEN
		RETURN new;
	END IF;
	IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
		was := pg_catalog.to_jsonb(old) OPERATOR(pg_catalog.->>) TG_ARGV[0];
	END IF;
	IF NOT coalesce(was OPERATOR(pg_catalog.=) name, false) AND NOT pg_catalog.pg_has_role(owner, 'USAGE')
		AND NOT telemetry.is_made_for_routes(function) THEN
		RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
			MESSAGE = pg_catalog.format('permission denied to have function %s called', name),
			DETAIL = 'Its owner is another role, whose rights the current user does not have.';
	END IF;
	RETURN pg_catalog.jsonb_populate_record(new, pg_catalog.jsonb_build_object(TG_ARGV[0], signature));
END
$$;
COMMENT ON FUNCTION telemetry.add_schema() IS
	'Trigger of telemetry.stream and telemetry.route, the first by its name: finds the function that a column names in the search path. '
	'Error: insufficient_privilege unless the current user has the rights of its owner.';

CREATE FUNCTION telemetry.function_signature(function text, argument regtype, result regtype, purpose text, set_result regtype DEFAULT NULL)
	RETURNS text
	LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found CONSTANT regprocedure := to_regprocedure(function);
	signature text;
BEGIN
	IF function IS NULL THEN
		RETURN NULL;
	END IF;
	IF found IS NULL THEN
		-- A dump has the functions before the rows, but not all at once if restored in parts. Only a superuser may name what is
		-- not there: nobody knows yet whose it will be.
		IF telemetry.is_restoring() AND current_setting('is_superuser') = 'on' THEN
			RETURN function;
		END IF;
		RAISE EXCEPTION USING ERRCODE = 'undefined_function', MESSAGE = format('function %s does not exist', function);
	END IF;
	SELECT format('%I.%I(%s, %s)', n.nspname, p.proname, argument, argument)
	INTO signature
	FROM pg_proc AS p
	JOIN pg_namespace AS n ON n.oid = p.pronamespace
	WHERE p.oid = found AND p.prokind = 'f' AND p.prorettype = CASE WHEN p.proretset THEN set_result ELSE result END
		AND p.pronargs = 2 AND p.proargtypes[0] = argument AND p.proargtypes[1] = argument;
	IF signature IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('function %s cannot %s', found, purpose),
			DETAIL = format('It must be a function (%s, %s) RETURNS %s%s.', argument, argument, result, ' or SETOF ' || set_result);
	END IF;
	RETURN signature;
END
$$;
COMMENT ON FUNCTION telemetry.function_signature(text, regtype, regtype, text, regtype) IS
	'The name of a function of two arguments of a type, with its schema: schema.name(type, type). It returns result or, if that is not '
	'null, a set of set_result. Errors: undefined_function, invalid_parameter_value if its arguments or result are others, which says '
	'that it cannot serve the purpose.';

CREATE FUNCTION telemetry.check_access() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	new.access_check := telemetry.function_signature(new.access_check, 'text', 'boolean', 'check access');
	RETURN new;
END
$$;
COMMENT ON FUNCTION telemetry.check_access() IS
	'Trigger of telemetry.stream: refuses an access_check that is not there (undefined_function) or cannot be one '
	'(invalid_parameter_value).';
CREATE TRIGGER add_schema BEFORE INSERT OR UPDATE OF access_check ON telemetry.stream
	FOR EACH ROW WHEN (new.access_check IS NOT NULL) EXECUTE FUNCTION telemetry.add_schema('access_check');
CREATE TRIGGER check_access BEFORE INSERT OR UPDATE OF access_check ON telemetry.stream
	FOR EACH ROW WHEN (new.access_check IS NOT NULL) EXECUTE FUNCTION telemetry.check_access();

CREATE FUNCTION telemetry.follow_stream() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP = 'UPDATE' THEN
		UPDATE telemetry.stream_field AS f SET stream = new.name WHERE f.stream = old.name;
		UPDATE telemetry.route AS r SET stream = new.name WHERE r.stream = old.name;
	ELSE
		DELETE FROM telemetry.stream_field AS f WHERE f.stream = old.name;
		DELETE FROM telemetry.route AS r WHERE r.stream = old.name;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION telemetry.follow_stream() IS
	'Trigger of telemetry.stream: its rules and routes are renamed with it, and deleted.';
CREATE TRIGGER follow_stream AFTER DELETE OR UPDATE OF name ON telemetry.stream
	FOR EACH ROW EXECUTE FUNCTION telemetry.follow_stream();

CREATE FUNCTION telemetry.stream_changed() RETURNS trigger
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_stream_changed';
COMMENT ON FUNCTION telemetry.stream_changed() IS
	'Trigger of telemetry.stream and telemetry.stream_field: tells all sessions, which keep them in memory.';
CREATE TRIGGER stream_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON telemetry.stream
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.stream_changed();
CREATE TRIGGER stream_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON telemetry.stream_field
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.stream_changed();

-- Partitions have their indexes of their own, as this table has: the parent has none, because pg_dump
-- restores an extension's table with its indexes, and partitions that are then attached would get them twice.
CREATE TABLE telemetry.event_template (
	received_at timestamptz NOT NULL,
	id bigint NOT NULL,
	occurred_at timestamptz NOT NULL,
	duration_seconds double precision,
	stream text COLLATE "C" NOT NULL,
	event_type text COLLATE "C" NOT NULL,
	event_id text COLLATE "C" NOT NULL,
	device_id text COLLATE "C",
	user_id text COLLATE "C",
	session_id text COLLATE "C",
	subject_id text COLLATE "C",
	app_version text COLLATE "C",
	correlation_id text COLLATE "C",
	data jsonb,
	PRIMARY KEY (received_at, id)
);
CREATE INDEX ON telemetry.event_template (stream, event_type, received_at);
CREATE INDEX ON telemetry.event_template (subject_id, received_at) WHERE subject_id IS NOT NULL;
-- A user or device has few events a day, so time is not part of these. An event of a user is found by the user: one
-- entry more for each event would cost a tenth of ingest.
CREATE INDEX ON telemetry.event_template (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX ON telemetry.event_template (device_id) WHERE user_id IS NULL AND device_id IS NOT NULL;
COMMENT ON TABLE telemetry.event_template IS
	'Always empty. New partitions of telemetry.event_log get its indexes: add one here for your own queries.';
COMMENT ON COLUMN telemetry.event_template.stream IS 'A name of telemetry.stream.';
COMMENT ON COLUMN telemetry.event_template.event_id IS
	'The sender''s name for the event, 1 to 256 bytes; if it has none, evt_ and 26 characters made of its content.';
COMMENT ON COLUMN telemetry.event_template.event_type IS 'What happened, one of its stream''s types.';
COMMENT ON COLUMN telemetry.event_template.occurred_at IS 'When, by the sender''s clock; received_at if that is null.';
COMMENT ON COLUMN telemetry.event_template.received_at IS
	'When it was stored, by the server''s clock. Only members of telemetry_admin may give it, to load what another '
	'system has received.';
COMMENT ON COLUMN telemetry.event_template.device_id IS 'The device it comes from.';
COMMENT ON COLUMN telemetry.event_template.user_id IS 'The user it is of.';
COMMENT ON COLUMN telemetry.event_template.session_id IS 'The session it belongs to.';
COMMENT ON COLUMN telemetry.event_template.subject_id IS 'What it is about: a track, a module, an interview.';
COMMENT ON COLUMN telemetry.event_template.app_version IS 'Version of the app that sent it.';
COMMENT ON COLUMN telemetry.event_template.duration_seconds IS 'How long it took in seconds, from 0 to 1000000000 (31 years); null: not known.';
COMMENT ON COLUMN telemetry.event_template.correlation_id IS 'The request that brought it; does not count as content.';
COMMENT ON COLUMN telemetry.event_template.data IS 'A JSON object with whatever else there is to say.';
COMMENT ON COLUMN telemetry.event_template.id IS
	'The event''s number: 2^20 times that of its flush, and its place in it.';

CREATE TABLE telemetry.event_log (LIKE telemetry.event_template INCLUDING COMMENTS) PARTITION BY RANGE (received_at);
COMMENT ON TABLE telemetry.event_log IS
	'The events, in a partition for each UTC day on which any were received. Written by ingest; read telemetry.event.';

CREATE SEQUENCE telemetry.event_seq AS bigint MAXVALUE 8796093022207;
COMMENT ON SEQUENCE telemetry.event_seq IS 'Numbers of flushes of events; times 2^20 they are the id of its first event.';

CREATE FUNCTION telemetry.create_event_partition(day date) RETURNS boolean
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	-- The bounds are written into a command: a zone's abbreviation, which some styles have, may be read as another zone.
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO'
AS $$
DECLARE
	name CONSTANT name := 'event_log_' || to_char(day, 'YYYYMMDD');
	-- Far enough from the ends of what timestamps can be.
	first CONSTANT date := '1970-01-01';
	last CONSTANT date := '9998-12-31';
BEGIN
	IF day NOT BETWEEN first AND last THEN
		RAISE EXCEPTION USING ERRCODE = 'datetime_field_overflow',
			MESSAGE = format('there can be no partition of events for day %s', day),
			DETAIL = format('Days are from %s to %s.', first, last);
	END IF;
	-- One at a time; ATTACH lets everybody else read and write meanwhile.
	PERFORM pg_advisory_xact_lock(21581, 0);
	-- What others have made while this waited is seen by a query, but not by a look into the caches.
	IF EXISTS (SELECT FROM pg_class AS c WHERE c.relname = name AND c.relnamespace = 'telemetry'::regnamespace) THEN
		RETURN false;
	END IF;
	EXECUTE format('CREATE TABLE telemetry.%I (LIKE telemetry.event_template INCLUDING INDEXES INCLUDING STORAGE '
		'INCLUDING COMPRESSION INCLUDING COMMENTS, CONSTRAINT day CHECK (received_at >= %L AND received_at < %L))',
		name, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
	EXECUTE format('COMMENT ON TABLE telemetry.%I IS %L', name, format('Events received on %s (UTC).', to_char(day, 'YYYY-MM-DD')));
	EXECUTE format('ALTER TABLE telemetry.event_log ATTACH PARTITION telemetry.%I FOR VALUES FROM (%L) TO (%L)',
		name, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
	EXECUTE format('ALTER TABLE telemetry.%I DROP CONSTRAINT day', name);
	RETURN true;
END
$$;
COMMENT ON FUNCTION telemetry.create_event_partition(date) IS
	'Makes the partition of telemetry.event_log for events received on a UTC day, and says whether it was not there '
	'yet. The worker does so days ahead, and ingest when there is none. Error: datetime_field_overflow.';

-- The ledger of keys. Nothing but the key is indexed: what is too old is found by going through it.
CREATE TABLE telemetry.event_key (
	key uuid PRIMARY KEY,
	content bigint NOT NULL,
	id bigint NOT NULL,
	received_at timestamptz NOT NULL,
	stream integer NOT NULL
)
WITH (autovacuum_vacuum_insert_scale_factor = 1);
COMMENT ON TABLE telemetry.event_key IS
	'The key of each event received within its stream''s dedupe_window, by which it is stored once.';
COMMENT ON COLUMN telemetry.event_key.key IS
	'The first 16 bytes of the SHA-256 of what makes the event the same as another (extension/src/event/event_key.h).';
COMMENT ON COLUMN telemetry.event_key.content IS
	'The first 8 bytes of the SHA-256 of its content: of all columns but received_at and correlation_id, data in '
	'canonical form, in which the order of members and the spelling of numbers do not count.';
COMMENT ON COLUMN telemetry.event_key.id IS 'Which row of telemetry.event_log it is.';
COMMENT ON COLUMN telemetry.event_key.received_at IS 'When that row was received.';
COMMENT ON COLUMN telemetry.event_key.stream IS 'telemetry.stream.number.';

-- What the rollups have yet to learn. Additions commute, so that what has been committed can be added in
-- any order, whatever is still open.
CREATE TABLE telemetry.event_batch (
	id bigint PRIMARY KEY,
	received_at timestamptz NOT NULL,
	n integer NOT NULL
)
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE telemetry.event_batch IS
	'Flushes of events that are not in the rollups yet: the n events of telemetry.event_log of that received_at with '
	'ids from id to id + 2^20 - 1, except those that have been removed since.';
COMMENT ON COLUMN telemetry.event_batch.id IS
	'2^20 times the number of the flush, of telemetry.event_seq: the id of its first event.';
COMMENT ON COLUMN telemetry.event_batch.received_at IS 'When all of its events were received.';
COMMENT ON COLUMN telemetry.event_batch.n IS 'How many events it stored.';

CREATE TABLE telemetry.event_change (
	id bigint PRIMARY KEY,
	counted_at timestamptz NOT NULL,
	stream text COLLATE "C" NOT NULL,
	event_type text COLLATE "C" NOT NULL,
	subject_id text COLLATE "C",
	user_id text COLLATE "C",
	duration_seconds double precision,
	recount boolean NOT NULL
);
COMMENT ON TABLE telemetry.event_change IS
	'Events that were removed, because a later version replaced them or on demand, and what the rollups must do '
	'without. One whose flush is in telemetry.event_batch was never in the rollups.';
COMMENT ON COLUMN telemetry.event_change.counted_at IS 'The time by which its stream counts.';
COMMENT ON COLUMN telemetry.event_change.recount IS
	'Whether sessions, users, devices or subjects must be counted again, because it was not replaced by one of the same in the same hour.';
COMMENT ON COLUMN telemetry.event_change.id IS 'What its id in telemetry.event_log was.';
SELECT telemetry.copy_comments('telemetry.event_template', 'telemetry.event_change');

CREATE FUNCTION telemetry.remove_events(received_at timestamptz[], id bigint[], recount boolean[]) RETURNS bigint
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	WITH gone AS (
		DELETE FROM telemetry.event_log AS e
		USING unnest(remove_events.received_at, remove_events.id, remove_events.recount) AS k (received_at, id, recount)
		WHERE e.received_at = k.received_at AND e.id = k.id
		RETURNING e.*, k.recount
	), noted AS (
		INSERT INTO telemetry.event_change (id, counted_at, stream, event_type, subject_id, user_id, duration_seconds, recount)
		SELECT g.id, CASE WHEN s.clock = 'occurred_at' THEN g.occurred_at ELSE g.received_at END,
			g.stream, g.event_type, g.subject_id, g.user_id, g.duration_seconds, g.recount
		FROM gone AS g
		LEFT JOIN telemetry.stream AS s ON s.name = g.stream
	)
	SELECT count(*) FROM gone;
END;
COMMENT ON FUNCTION telemetry.remove_events(timestamptz[], bigint[], boolean[]) IS
	'Removes rows of telemetry.event_log and leaves for the rollups what to do without; returns how many there were. '
	'Their keys stay in telemetry.event_key.';

CREATE TABLE telemetry.conflict (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	detected_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	stream text COLLATE "C" NOT NULL,
	event_id text COLLATE "C" NOT NULL,
	event_type text COLLATE "C" NOT NULL,
	user_id text COLLATE "C",
	device_id text COLLATE "C",
	strategy text NOT NULL,
	resolution text NOT NULL CONSTRAINT resolution_is_kept_or_replaced CHECK (resolution IN ('kept', 'replaced')),
	stored jsonb,
	incoming jsonb NOT NULL
);
CREATE INDEX conflict_detected_at ON telemetry.conflict (detected_at);
COMMENT ON TABLE telemetry.conflict IS
	'Events that came again with other content, and what was done. Kept for 90 days.';
COMMENT ON COLUMN telemetry.conflict.event_id IS 'Of the incoming event, as are event_type, user_id and device_id.';
COMMENT ON COLUMN telemetry.conflict.strategy IS 'telemetry.stream.on_conflict as it was.';
COMMENT ON COLUMN telemetry.conflict.resolution IS
	'kept: the stored event stays, the incoming one is only here; replaced: the incoming one is stored, the one before is only here.';
COMMENT ON COLUMN telemetry.conflict.stored IS
	'The event as it was stored; null: it had been removed, or is too old to be kept.';
COMMENT ON COLUMN telemetry.conflict.incoming IS 'The event as it came.';
COMMENT ON COLUMN telemetry.conflict.id IS 'Number of the row; later ones have higher numbers.';
COMMENT ON COLUMN telemetry.conflict.detected_at IS 'When the event came again.';
SELECT telemetry.copy_comments('telemetry.event_template', 'telemetry.conflict');
COMMENT ON SEQUENCE telemetry.conflict_id_seq IS 'Numbers for telemetry.conflict.id.';

SELECT pg_catalog.pg_extension_config_dump('telemetry.stream', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.stream_number_seq', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.stream_field', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.event_seq', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.event_key', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.event_batch', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.event_change', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.conflict', '');
SELECT pg_catalog.pg_extension_config_dump('telemetry.conflict_id_seq', '');

CREATE VIEW telemetry.event AS
	SELECT stream, event_id, event_type, occurred_at, received_at, device_id, user_id, session_id, subject_id,
		app_version, duration_seconds, correlation_id, data
	FROM telemetry.event_log;
COMMENT ON VIEW telemetry.event IS
	'Events, each once. COPY and INSERT check rows one by one, see telemetry.ingest_result(): those that break a rule are '
	'in telemetry.dead_letter, those that are here already change nothing, or are resolved as telemetry.stream says. '
	'Rows are not changed by hand: see telemetry.delete_user() and telemetry.delete_device().';
SELECT telemetry.copy_comments('telemetry.event_template', 'telemetry.event');

CREATE FUNCTION telemetry.event_statement() RETURNS trigger
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_event_statement';
COMMENT ON FUNCTION telemetry.event_statement() IS
	'Trigger of telemetry.event, before and after each statement: begins an ingest, and stores what it has collected.';
CREATE FUNCTION telemetry.event_row() RETURNS trigger
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_event_row';
COMMENT ON FUNCTION telemetry.event_row() IS 'Trigger of telemetry.event: collects a row.';
CREATE TRIGGER begin_ingest BEFORE INSERT ON telemetry.event
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.event_statement();
CREATE TRIGGER ingest INSTEAD OF INSERT ON telemetry.event
	FOR EACH ROW EXECUTE FUNCTION telemetry.event_row();
CREATE TRIGGER end_ingest AFTER INSERT ON telemetry.event
	FOR EACH STATEMENT EXECUTE FUNCTION telemetry.event_statement();

-- A simple view could be written through otherwise.
CREATE FUNCTION telemetry.refuse_event_change() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
		MESSAGE = format('cannot %s events', lower(TG_OP)),
		HINT = 'Events are replaced by a later version, as their stream says, and removed by telemetry.delete_user(), '
			'telemetry.delete_device() and retention.';
END
$$;
COMMENT ON FUNCTION telemetry.refuse_event_change() IS 'Trigger of telemetry.event: UPDATE and DELETE are errors.';
CREATE TRIGGER refuse_change INSTEAD OF UPDATE OR DELETE ON telemetry.event
	FOR EACH ROW EXECUTE FUNCTION telemetry.refuse_event_change();

-- What a flush hands to its own statements.
CREATE FUNCTION telemetry.flushed_keys(OUT key uuid, OUT content bigint, OUT id bigint, OUT received_at timestamptz, OUT stream integer)
	RETURNS SETOF record
	LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10000 AS 'MODULE_PATHNAME', 'telemetry_flushed_keys';
COMMENT ON FUNCTION telemetry.flushed_keys() IS
	'The keys of the flush that this statement is part of, in order. Error outside of one.';
CREATE FUNCTION telemetry.flushed_events() RETURNS SETOF telemetry.event_template
	LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10000 AS 'MODULE_PATHNAME', 'telemetry_flushed_events';
COMMENT ON FUNCTION telemetry.flushed_events() IS
	'The new events of the flush that this statement is part of. Error outside of one.';

CREATE FUNCTION telemetry.ingest_event(body jsonb) RETURNS jsonb
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'telemetry_ingest_event';
COMMENT ON FUNCTION telemetry.ingest_event(jsonb) IS
	'Stores an event, an object with the columns of telemetry.event as members, or an array of up to 10000 of them, and '
	'says what became of each: {"success", "received", "accepted", "duplicates", "conflicts", "rejected", "results": '
	'[{"index": 0-based position, "status": "accepted", "duplicate", "kept", "replaced" or "rejected", "event_id", '
	'"code", "message"}]}; success if none was rejected. occurred_at is RFC 3339 text or a number of '
	'seconds, or milliseconds beyond 2e10, since 1970. An event alone must not be older than max_age of its '
	'stream, one of an array than max_batch_age. Errors: invalid_parameter_value if the body is neither, or too long; '
	'insufficient_privilege without INSERT on telemetry.event.';

-- Of retry_dead_letters(), which ingests with its caller's rights, what takes those of the owner.
CREATE FUNCTION telemetry.take_dead_letters(kind text, code text, "limit" integer)
	RETURNS TABLE (id bigint, letter_kind text, payload jsonb)
	LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT d.id, d.kind, d.payload
	FROM telemetry.dead_letter AS d
	WHERE d.whole AND d.attempts < 5
		AND (take_dead_letters.kind IS NULL OR d.kind = take_dead_letters.kind)
		AND (take_dead_letters.code IS NULL OR d.code = take_dead_letters.code)
	ORDER BY d.id
	LIMIT greatest(coalesce(take_dead_letters."limit", 1000), 0)
	FOR UPDATE SKIP LOCKED;
END;
COMMENT ON FUNCTION telemetry.take_dead_letters(text, text, integer) IS
	'Of telemetry.retry_dead_letters(): the letters to try, which it locks.';

CREATE FUNCTION telemetry.settle_dead_letter(id bigint, stored boolean) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF stored THEN
		DELETE FROM telemetry.dead_letter AS d WHERE d.id = settle_dead_letter.id;
	ELSIF (SELECT r.unkept FROM telemetry.ingest_result() AS r) > 0 THEN
		UPDATE telemetry.dead_letter AS d SET attempts = d.attempts + 1 WHERE d.id = settle_dead_letter.id;
	ELSE
		-- What this attempt has left is the same row again.
		UPDATE telemetry.dead_letter AS d
		SET attempts = d.attempts + 1, code = again.code, reason = again.reason
		FROM telemetry.dead_letter AS again
		WHERE d.id = settle_dead_letter.id AND again.id = currval('telemetry.dead_letter_id_seq');
		DELETE FROM telemetry.dead_letter AS d WHERE d.id = currval('telemetry.dead_letter_id_seq');
	END IF;
END
$$;
COMMENT ON FUNCTION telemetry.settle_dead_letter(bigint, boolean) IS
	'Of telemetry.retry_dead_letters(): a letter that was stored goes; one that was not has one attempt more.';

CREATE FUNCTION telemetry.retry_dead_letters(
	kind text DEFAULT NULL, code text DEFAULT NULL, "limit" integer DEFAULT 1000,
	OUT tried bigint, OUT stored bigint, OUT failed bigint)
	LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	letter record;
	success boolean;
BEGIN
	tried := 0;
	stored := 0;
	FOR letter IN SELECT * FROM telemetry.take_dead_letters(kind, code, "limit") LOOP
		success := (CASE letter.letter_kind
			WHEN 'event' THEN telemetry.ingest_event(jsonb_build_array(letter.payload - 'received_at'))
			ELSE telemetry.ingest(letter.payload - 'device_id', letter.payload ->> 'device_id', 'single')
		END ->> 'success')::boolean;
		PERFORM telemetry.settle_dead_letter(letter.id, success);
		tried := tried + 1;
		stored := stored + success::integer;
	END LOOP;
	failed := tried - stored;
END
$$;
COMMENT ON FUNCTION telemetry.retry_dead_letters(text, text, integer) IS
	'Tries dead letters again, of a kind (point, event) and code if they are given, the oldest first, up to limit: those '
	'that are stored now are removed, the others stay with one attempt more and the reason of the last. Each is tried '
	'5 times in all, the first included; letters that are not whole are left alone. Returns how many were tried, stored, and failed again. '
	'Events count as received now, and as parts of a batch. Ingests with the rights of the caller, who is then the sender; for telemetry_admin.';

REVOKE ALL ON FUNCTION telemetry.create_event_partition(date), telemetry.function_signature(text, regtype, regtype, text, regtype),
	telemetry.remove_events(timestamptz[], bigint[], boolean[]), telemetry.flushed_keys(), telemetry.flushed_events(),
	telemetry.ingest_event(jsonb), telemetry.retry_dead_letters(text, text, integer),
	telemetry.take_dead_letters(text, text, integer), telemetry.settle_dead_letter(bigint, boolean) FROM PUBLIC;
GRANT SELECT ON telemetry.stream, telemetry.stream_field, telemetry.event, telemetry.conflict TO telemetry_reader;
GRANT INSERT ON telemetry.event TO telemetry_writer;
GRANT EXECUTE ON FUNCTION telemetry.ingest_event(jsonb) TO telemetry_writer;
GRANT EXECUTE ON FUNCTION telemetry.retry_dead_letters(text, text, integer),
	telemetry.take_dead_letters(text, text, integer), telemetry.settle_dead_letter(bigint, boolean) TO telemetry_admin;
GRANT INSERT, UPDATE, DELETE ON telemetry.stream, telemetry.stream_field TO telemetry_admin;
GRANT SELECT ON telemetry.event_log, telemetry.event_batch, telemetry.event_change, telemetry.event_key TO telemetry_admin;
