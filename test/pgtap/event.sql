-- Events against a model that takes them one after the other: what is stored, what is said of each,
-- and which conflicts are noted, for random repeats, contents, strategies and sizes of statements.
-- Each round has a seed of its own, so the whole run is the same every time.
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off

SET client_min_messages = warning;
SET timezone = 'UTC';
TRUNCATE telemetry.event_log, telemetry.event_key, telemetry.event_batch, telemetry.event_change, telemetry.conflict,
	telemetry.dead_letter;
INSERT INTO telemetry.stream (name, description, event_types, identity, on_conflict, max_age, max_batch_age, key_scope) VALUES
	('tap_first', 'The first wins.', NULL, 'event_id', 'first_wins', NULL, NULL, 'none'),
	('tap_last', 'The last write wins.', NULL, 'event_id', 'last_write_wins', NULL, NULL, 'none'),
	('tap_priority', 'The higher priority wins.', NULL, 'event_id', 'client_priority', NULL, NULL, 'none'),
	('tap_session', 'One of a type for each session.', '{start,stop}', 'type_session', 'first_wins', NULL, NULL, 'none'),
	('tap_late', 'One of a type for each session, the last write wins.', '{start,stop}', 'type_session', 'last_write_wins', NULL, NULL, 'none'),
	('tap_user', 'Ids and sessions of users.', '{start,stop}', 'type_session', 'last_write_wins', NULL, NULL, 'user'),
	('tap_device', 'Ids of devices.', NULL, 'event_id', 'last_write_wins', NULL, NULL, 'device');

CREATE FUNCTION pg_temp.pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;

CREATE TEMP TABLE incoming (
	position serial, stream text, event_id text, event_type text, occurred_at timestamptz, user_id text,
	device_id text, session_id text, subject_id text, duration_seconds float8, correlation_id text, data jsonb);
CREATE TEMP TABLE model (LIKE incoming, key text PRIMARY KEY);
CREATE TEMP TABLE fate (position int, status text);
CREATE TEMP TABLE noted (key text, resolution text, data jsonb);

-- Few ids and few contents, so that all cases come often; the same number is spelt in several ways.
CREATE FUNCTION pg_temp.some_events(n int) RETURNS void LANGUAGE sql VOLATILE AS $$
	INSERT INTO incoming (stream, event_id, event_type, occurred_at, user_id, device_id, session_id, subject_id, duration_seconds,
		correlation_id, data)
	SELECT pg_temp.pick('tap_first', 'tap_last', 'tap_priority', 'tap_session', 'tap_late', 'tap_user', 'tap_device'),
		pg_temp.pick(NULL, 'e' || floor(random() * 30), 'e' || floor(random() * 300)),
		pg_temp.pick('start', 'start', 'stop', 'START', 'pause'),
		timestamptz '2026-01-01' + floor(random() * 4) * interval '1 second',
		pg_temp.pick(NULL, 'u1', 'u2', ''), pg_temp.pick(NULL, 'd1', 'd2'), pg_temp.pick(NULL, 's1', 's2', 's3'), pg_temp.pick(NULL, 'x'),
		(pg_temp.pick(NULL, '0', '-0', '1.5'))::float8, 'c' || i,
		(pg_temp.pick(NULL, '{"priority": 1}', '{"priority": 1.0}', '{"priority": 2, "a": "b"}', '{"a": "b", "priority": 2.00}', '{}',
			'{"priority": "x"}'))::jsonb
	FROM generate_series(1, n) AS i
$$;

-- Two contents are the same if all but the correlation is; jsonb compares numbers by value.
CREATE FUNCTION pg_temp.same(a incoming, b incoming) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
	SELECT (a.event_type, a.occurred_at, a.user_id, a.device_id, a.session_id, a.subject_id, a.duration_seconds, a.data)
		IS NOT DISTINCT FROM (b.event_type, b.occurred_at, b.user_id, b.device_id, b.session_id, b.subject_id, b.duration_seconds, b.data)
$$;
CREATE FUNCTION pg_temp.priority(data jsonb) RETURNS numeric LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE jsonb_typeof(data -> 'priority') WHEN 'number' THEN (data ->> 'priority')::numeric ELSE 0 END $$;

CREATE FUNCTION pg_temp.take() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	e incoming;
	old incoming;
	k text;
	wins boolean;
	verdict text;
BEGIN
	FOR e IN SELECT * FROM incoming ORDER BY position LOOP
		e.user_id := nullif(e.user_id, '');
		IF e.stream IN ('tap_session', 'tap_late', 'tap_user') THEN
			e.event_type := lower(e.event_type);
			IF e.event_type NOT IN ('start', 'stop') THEN
				INSERT INTO fate VALUES (e.position, 'rejected');
				CONTINUE;
			END IF;
		END IF;
		-- Without a name an event is its content.
		k := e.stream || CASE
			WHEN e.stream IN ('tap_session', 'tap_late', 'tap_user') AND e.session_id IS NOT NULL THEN ':s:' || e.event_type || ':' || e.session_id
			WHEN e.event_id IS NOT NULL THEN ':e:' || e.event_id
			ELSE ':c:' || md5(ROW(e.event_type, e.occurred_at, e.user_id, e.device_id, e.session_id, e.subject_id, e.duration_seconds + 0.0,
				jsonb_strip_nulls(CASE WHEN jsonb_typeof(e.data -> 'priority') = 'number'
					THEN jsonb_set(e.data, '{priority}', to_jsonb(trim_scale((e.data ->> 'priority')::numeric))) ELSE e.data END))::text)
			END
			-- Another's is another event, in these two.
			|| CASE e.stream WHEN 'tap_user' THEN coalesce(':' || e.user_id, '') WHEN 'tap_device' THEN coalesce(':' || e.device_id, '') ELSE '' END;
		old := NULL;
		SELECT m.position, m.stream, m.event_id, m.event_type, m.occurred_at, m.user_id, m.device_id, m.session_id, m.subject_id,
			m.duration_seconds, m.correlation_id, m.data INTO old FROM model AS m WHERE m.key = k;
		IF NOT FOUND THEN
			verdict := 'accepted';
			INSERT INTO model SELECT e.*, k;
		ELSIF pg_temp.same(e, old) THEN
			verdict := 'duplicate';
		ELSE
			wins := CASE
				WHEN e.stream IN ('tap_last', 'tap_late', 'tap_user', 'tap_device') THEN e.occurred_at >= old.occurred_at
				WHEN e.stream = 'tap_priority' THEN pg_temp.priority(e.data) >= pg_temp.priority(old.data)
				ELSE false END;
			verdict := CASE WHEN wins THEN 'replaced' ELSE 'kept' END;
			IF wins THEN
				DELETE FROM model WHERE key = k;
				INSERT INTO model SELECT e.*, k;
			END IF;
			INSERT INTO noted VALUES (k, verdict, e.data);
		END IF;
		INSERT INTO fate VALUES (e.position, verdict);
	END LOOP;
END
$$;

CREATE TEMP TABLE said (position int, status text);

-- The same events in statements of random size; positions of a statement begin at 0.
CREATE FUNCTION pg_temp.send() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	first int := (SELECT min(position) FROM incoming);
	last int := (SELECT max(position) FROM incoming);
	n int;
BEGIN
	WHILE first <= last LOOP
		n := 1 + floor(500 ^ random())::int;
		IF random() < 0.5 THEN
			INSERT INTO said
			SELECT first + (r ->> 'index')::int, r ->> 'status'
			FROM jsonb_array_elements(telemetry.ingest_event((
				SELECT jsonb_agg(jsonb_strip_nulls(to_jsonb(i) - 'position' - 'data')
					|| CASE WHEN i.data IS NULL THEN '{}' ELSE jsonb_build_object('data', i.data) END ORDER BY i.position)
				FROM incoming AS i WHERE i.position >= first AND i.position < first + n)) -> 'results') AS r;
		ELSE
			PERFORM set_config('telemetry.batch_memory', pg_temp.pick('256kB', '16MB'), true);
			INSERT INTO telemetry.event (stream, event_id, event_type, occurred_at, user_id, device_id, session_id, subject_id, duration_seconds,
				correlation_id, data)
			SELECT stream, event_id, event_type, occurred_at, user_id, device_id, session_id, subject_id, duration_seconds, correlation_id, data
			FROM incoming WHERE position >= first AND position < first + n ORDER BY position;
			INSERT INTO said
			SELECT i.position, coalesce(CASE r ->> 'status' WHEN 'conflict' THEN r ->> 'code' ELSE r ->> 'status' END, 'accepted')
			FROM incoming AS i
			LEFT JOIN jsonb_array_elements((SELECT rows FROM telemetry.ingest_result())) AS r ON (r ->> 'row')::int = i.position - first
			WHERE i.position >= first AND i.position < first + n;
		END IF;
		first := first + n;
	END LOOP;
END
$$;

SELECT plan(60 * 4);

CREATE FUNCTION pg_temp.round(seed int) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM setseed(seed / 1000.0);
	TRUNCATE incoming, fate, said;
	PERFORM pg_temp.some_events(floor(3 + 800 * random() ^ 3)::int);
	PERFORM pg_temp.take();
	PERFORM pg_temp.send();
	RETURN NEXT is_empty(
		'SELECT coalesce(f.position, s.position), f.status, s.status FROM fate AS f FULL JOIN said AS s USING (position)
		 WHERE f.status IS DISTINCT FROM s.status', 'round ' || seed || ': each event fares as in the model');
	RETURN NEXT is_empty(
		'(SELECT stream, event_type, occurred_at, user_id, device_id, session_id, subject_id, duration_seconds, correlation_id, data FROM model
		  EXCEPT ALL
		  SELECT stream, event_type, occurred_at, user_id, device_id, session_id, subject_id, duration_seconds, correlation_id, data FROM telemetry.event)
		 UNION ALL
		 (SELECT stream, event_type, occurred_at, user_id, device_id, session_id, subject_id, duration_seconds, correlation_id, data FROM telemetry.event
		  EXCEPT ALL
		  SELECT stream, event_type, occurred_at, user_id, device_id, session_id, subject_id, duration_seconds, correlation_id, data FROM model)',
		'round ' || seed || ': what is stored is what the model has');
	RETURN NEXT is_empty(
		'(SELECT resolution, data FROM noted EXCEPT ALL SELECT resolution, incoming -> ''data'' FROM telemetry.conflict)
		 UNION ALL
		 (SELECT resolution, incoming -> ''data'' FROM telemetry.conflict EXCEPT ALL SELECT resolution, data FROM noted)',
		'round ' || seed || ': the same conflicts are noted');
	RETURN NEXT ok(
		(SELECT count(*) FROM telemetry.event_key) = (SELECT count(*) FROM telemetry.event_log)
		AND NOT EXISTS (
			SELECT FROM telemetry.event_key AS k LEFT JOIN telemetry.event_log AS e ON e.received_at = k.received_at AND e.id = k.id
			WHERE e.id IS NULL)
		-- Every event is of a flush that the rollups have to learn of, and what was replaced is noted for them.
		AND NOT EXISTS (
			SELECT FROM telemetry.event_log AS e LEFT JOIN telemetry.event_batch AS b ON b.id = e.id >> 20 << 20 AND b.received_at = e.received_at
			WHERE b.id IS NULL)
		AND (SELECT sum(n) FROM telemetry.event_batch)
			= (SELECT count(*) FROM telemetry.event_log) + (SELECT count(*) FROM telemetry.event_change),
		'round ' || seed || ': ledger, log and flushes agree');
END
$$;

SELECT pg_temp.round(seed) FROM generate_series(1, 60) AS seed;
SELECT * FROM finish();

DELETE FROM telemetry.stream WHERE name LIKE 'tap\_%';
TRUNCATE telemetry.event_log, telemetry.event_key, telemetry.event_batch, telemetry.event_change, telemetry.conflict,
	telemetry.dead_letter;
