"""Several sessions with transactions side by side: what they read is what plain tables say that get the same writes.

One thread plays all sessions, so that a seed makes the same run each time: SEED=7 ROUNDS=5000. Each write to telemetry.point
or telemetry.event is followed by one to a table of schema `model` in the same subtransaction, and whatever is read, by whom and
in whatever snapshot, is read from both. Statements run under the roles, search paths and settings that a session may have; in
a hostile schema each function and operator raises ZZ001.
"""

import collections
import datetime
import os
import random
import subprocess
import threading
import unittest

import rollups
import support

SEED = int(os.environ.get("SEED", "1"))
ROUNDS = int(os.environ.get("ROUNDS", "600"))
SESSIONS = 4
DEVICES = ("d0", "d1", "d2")
METRICS = ("a", "b")
STREAMS = ("first", "last", "priority")

START_TIME = datetime.datetime(2024, 3, 30, 20, tzinfo=datetime.timezone.utc)
START = "'2024-03-30 20:00:00+00'::pg_catalog.timestamptz"
STEP = "'97 seconds'::pg_catalog.interval"

# What may happen to whoever meets another's open transaction: it must be one of these, and leave nothing behind.
SERIALIZATION = "40001"
LOCKED = "55P03"
DENIED = "42501"
# Jobs and erasure ask for READ COMMITTED.
REFUSED = "25001"

RIGHTS = {"postgres": "rwa", "session_admin": "rwa", "session_both": "rw", "session_reader": "r", "session_writer": "w"}

SETTINGS = {
    "timezone": ("UTC", "Asia/Kolkata", "America/St_Johns", "Australia/Lord_Howe"),
    "datestyle": ("ISO, MDY", "SQL, DMY", "German", "Postgres, MDY"),
    "intervalstyle": ("postgres", "iso_8601", "sql_standard"),
    "extra_float_digits": ("1", "-15", "3"),
    "plan_cache_mode": ("auto", "force_generic_plan", "force_custom_plan"),
    "standard_conforming_strings": ("on", "off"),
    "transform_null_equals": ("off", "on"),
    "array_nulls": ("on", "off"),
    "quote_all_identifiers": ("off", "on"),
    "work_mem": ("4MB", "64kB"),
    "force_parallel_mode": ("off", "on"),
    "enable_hashjoin": ("on", "off"),
    "enable_nestloop": ("on", "off"),
    "enable_hashagg": ("on", "off"),
    "enable_sort": ("on", "off"),
    "enable_indexscan": ("on", "off"),
    "telemetry.mixed_block_points": ("16384", "0", "3"),
    "telemetry.settle_time": ("60", "0"),
}

MODEL = """
    CREATE SCHEMA model;
    CREATE TABLE model.log (
        n bigint, place integer, device_id text COLLATE "C", metric text COLLATE "C", ts timestamptz, value text, unit text,
        PRIMARY KEY (n, place));
    -- Of a key the last statement counts, and of its rows the last, of what the snapshot shows.
    CREATE VIEW model.point AS
        SELECT DISTINCT ON (device_id, metric, ts) ts, device_id, metric, value, unit
        FROM model.log ORDER BY device_id, metric, ts, n DESC, place DESC;
    CREATE TABLE model.event (
        stream text COLLATE "C", event_id text COLLATE "C", event_type text COLLATE "C", occurred_at timestamptz,
        subject_id text COLLATE "C", user_id text COLLATE "C", duration_seconds float8, priority integer,
        removed boolean DEFAULT false, PRIMARY KEY (stream, event_id));
    CREATE TABLE model.source (ts timestamptz, device_id text, metric text, value text, unit text);

    -- Bodies name every schema, so that the search path of the session stays what it is.
    CREATE FUNCTION model.follow() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO telemetry.point (ts, device_id, metric, value, unit)
        VALUES (new.ts, new.device_id, new.metric, new.value::pg_catalog.jsonb::telemetry.value, new.unit);
        RETURN NULL;
    END $$;
    CREATE TRIGGER follow AFTER INSERT ON model.source FOR EACH ROW EXECUTE FUNCTION model.follow();

    -- Each row by a statement of its own in a subtransaction; those of unit "undo" are taken back.
    CREATE FUNCTION model.put_each(points jsonb) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        point record;
    BEGIN
        FOR point IN SELECT * FROM pg_catalog.jsonb_to_recordset(points)
            AS p (ts pg_catalog.timestamptz, device_id pg_catalog.text, metric pg_catalog.text, value pg_catalog.text, unit pg_catalog.text)
        LOOP
            BEGIN
                INSERT INTO telemetry.point (ts, device_id, metric, value, unit)
                VALUES (point.ts, point.device_id, point.metric, point.value::pg_catalog.jsonb::telemetry.value, point.unit);
                IF point.unit OPERATOR(pg_catalog.=) 'undo' THEN
                    RAISE EXCEPTION USING errcode = 'ZZ002';
                END IF;
            EXCEPTION WHEN SQLSTATE 'ZZ002' THEN
                NULL;
            END;
        END LOOP;
    END $$;

    -- Stores a point while another statement is storing some.
    CREATE FUNCTION model.note(at timestamptz, device text, what text) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES (at, device, 'inner', what::pg_catalog.jsonb::telemetry.value);
        RETURN what;
    END $$;

    -- Stores points of the device that its cursor is reading.
    CREATE FUNCTION model.copy_in_loop(device text) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        point record;
    BEGIN
        FOR point IN SELECT p.ts, p.metric, p.value, p.unit FROM telemetry.point AS p
            WHERE p.device_id OPERATOR(pg_catalog.=) device AND p.metric OPERATOR(pg_catalog.=) 'a' ORDER BY p.ts
        LOOP
            INSERT INTO telemetry.point (ts, device_id, metric, value, unit) VALUES (point.ts, device, 'loop', point.value, point.unit);
        END LOOP;
    END $$;

    -- Stores an event while another statement is storing some, and another that is taken back.
    CREATE FUNCTION model.note_event(of_stream text, id text) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN
        BEGIN
            INSERT INTO telemetry.event (stream, event_id, event_type, occurred_at) VALUES (of_stream, id || '-undone', 'noted', '2024-04-01 00:00:00+00');
            RAISE EXCEPTION USING errcode = 'ZZ002';
        EXCEPTION WHEN SQLSTATE 'ZZ002' THEN
            NULL;
        END;
        INSERT INTO telemetry.event (stream, event_id, event_type, occurred_at) VALUES (of_stream, id || '-inner', 'noted', '2024-04-01 00:00:00+00');
        RETURN id;
    END $$;

    CREATE ROLE session_admin IN ROLE telemetry_admin;
    CREATE ROLE session_both IN ROLE telemetry_reader, telemetry_writer;
    CREATE ROLE session_reader IN ROLE telemetry_reader;
    CREATE ROLE session_writer IN ROLE telemetry_writer;
    GRANT USAGE ON SCHEMA model TO PUBLIC;
    GRANT SELECT ON telemetry.layout TO PUBLIC;
    GRANT ALL ON ALL TABLES IN SCHEMA model TO PUBLIC;

    INSERT INTO telemetry.stream (name, description, on_conflict, clock) VALUES
        ('first', 'A test.', 'first_wins', 'received_at'), ('last', 'A test.', 'last_write_wins', 'occurred_at'),
        ('priority', 'A test.', 'client_priority', 'occurred_at');
""".replace("id || '", "id OPERATOR(pg_catalog.||) '")

# What our statements might find, were they to look there.
HOSTILE = """
    CREATE SCHEMA hostile;
    GRANT USAGE ON SCHEMA hostile TO PUBLIC;
    DO $do$
    DECLARE
        o record;
    BEGIN
        FOR o IN
            SELECT row_number() OVER () AS i, op.oprname AS name, op.oprleft::regtype::text AS l, op.oprright::regtype::text AS r, op.oprresult::regtype::text AS result
            FROM pg_operator AS op
            WHERE op.oprnamespace = 'pg_catalog'::regnamespace AND op.oprleft <> 0
                AND op.oprname IN ('=', '<', '<=', '>', '>=', '<>', '+', '-', '*', '/', '%', '||', '->', '->>', '~', '<<', '>>', '&')
                AND (op.oprleft::regtype::text || '|' || op.oprright::regtype::text) ~
                    '^(smallint|integer|bigint|numeric|double precision|date|timestamp with time zone|interval|text|name|bytea|jsonb|uuid|oid)[|](smallint|integer|bigint|numeric|double precision|date|timestamp with time zone|interval|text|name|bytea|jsonb|uuid|oid)$'
        LOOP
            EXECUTE format('CREATE FUNCTION hostile.trap_%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = ''ZZ001'', MESSAGE = %L; END $$',
                o.i, o.l, o.r, o.result, o.name || ' was called');
            EXECUTE format('CREATE OPERATOR hostile.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = hostile.trap_%s)', o.name, o.l, o.r, o.i);
        END LOOP;
        FOR o IN
            SELECT DISTINCT p.proname AS name, pg_get_function_identity_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result
            FROM pg_proc AS p
            WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND pg_get_function_identity_arguments(p.oid) !~ '(internal|cstring|VARIADIC|OUT|any)'
                AND pg_get_function_result(p.oid) !~ '(internal|cstring|any|trigger|handler)'
                AND p.proname IN ('now', 'nextval', 'currval', 'length', 'octet_length', 'substr', 'substring', 'upper', 'lower', 'hashtext', 'format_type', 'quote_ident',
                    'to_jsonb', 'date_trunc', 'timezone', 'to_char', 'current_setting', 'set_config', 'pg_advisory_xact_lock', 'clock_timestamp', 'right', 'left', 'jsonb_each')
        LOOP
            EXECUTE format('CREATE FUNCTION hostile.%I(%s) RETURNS %s LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = ''ZZ001'', MESSAGE = %L; END $$',
                o.name, o.arguments, o.result, o.name || ' was called');
        END LOOP;
        FOR o IN SELECT c.relname AS name FROM pg_class AS c WHERE c.relnamespace = 'telemetry'::regnamespace AND c.relkind IN ('r', 'v', 'f', 'p') LOOP
            EXECUTE format('CREATE TABLE hostile.%I (nothing integer)', o.name);
        END LOOP;
    END
    $do$;
    CREATE FUNCTION hostile.count_step(bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'ZZ001', MESSAGE = 'count was called'; END $$;
    CREATE AGGREGATE hostile.count(*) (SFUNC = hostile.count_step, STYPE = bigint, INITCOND = '0');
    CREATE DOMAIN hostile.jsonb AS text CHECK (value IS NULL);
    CREATE DOMAIN hostile.timestamptz AS text CHECK (value IS NULL);
    CREATE DOMAIN hostile.text AS integer;
    CREATE DOMAIN hostile.value AS integer;
"""

# In place of `telemetry.point` and `model.point`.
POINT_QUERIES = (
    "SELECT device_id, metric, pg_catalog.timezone('UTC', ts), value::pg_catalog.jsonb::pg_catalog.text, unit FROM {} WHERE device_id OPERATOR(pg_catalog.=) $1 ORDER BY metric, ts",
    "SELECT pg_catalog.timezone('UTC', ts), value::pg_catalog.jsonb::pg_catalog.text FROM {} WHERE device_id OPERATOR(pg_catalog.=) $1 AND metric OPERATOR(pg_catalog.=) $2 ORDER BY ts DESC",
    "SELECT device_id, metric, pg_catalog.timezone('UTC', ts), value::pg_catalog.jsonb::pg_catalog.text FROM {} WHERE ts OPERATOR(pg_catalog.>=) $3 ORDER BY device_id, metric, ts DESC",
    "SELECT pg_catalog.count(*) FROM {} WHERE device_id OPERATOR(pg_catalog.=) $1 AND ts OPERATOR(pg_catalog.>=) $3",
    "SELECT metric, pg_catalog.count(*), pg_catalog.max(pg_catalog.timezone('UTC', ts)) FROM {} WHERE metric OPERATOR(pg_catalog.=) $2 GROUP BY metric",
    "SELECT pg_catalog.timezone('UTC', ts), value::pg_catalog.jsonb::pg_catalog.text FROM {} WHERE device_id OPERATOR(pg_catalog.=) $1 AND metric OPERATOR(pg_catalog.=) $2 ORDER BY ts LIMIT 3",
)

POINT_DIFFERENCE = """
    SELECT 'surplus', s::pg_catalog.text FROM (
        SELECT device_id, metric, pg_catalog.timezone('UTC', ts), value::pg_catalog.jsonb::pg_catalog.text, unit FROM telemetry.point
        EXCEPT ALL SELECT device_id, metric, pg_catalog.timezone('UTC', ts), value, unit FROM model.point) AS s
    UNION ALL
    SELECT 'missing', m::pg_catalog.text FROM (
        SELECT device_id, metric, pg_catalog.timezone('UTC', ts), value, unit FROM model.point
        EXCEPT ALL SELECT device_id, metric, pg_catalog.timezone('UTC', ts), value::pg_catalog.jsonb::pg_catalog.text, unit FROM telemetry.point) AS m"""

EVENT_COLUMNS = ("stream, event_id, event_type, pg_catalog.timezone('UTC', occurred_at), subject_id, user_id, "
                 "pg_catalog.float8send(duration_seconds)")
EVENT_DIFFERENCE = f"""
    SELECT 'surplus', s::pg_catalog.text FROM (
        SELECT {EVENT_COLUMNS} FROM telemetry.event EXCEPT ALL SELECT {EVENT_COLUMNS} FROM model.event WHERE NOT removed) AS s
    UNION ALL
    SELECT 'missing', m::pg_catalog.text FROM (
        SELECT {EVENT_COLUMNS} FROM model.event WHERE NOT removed EXCEPT ALL SELECT {EVENT_COLUMNS} FROM telemetry.event) AS m"""

_LIVE_EVENTS = {
    "event_hourly_live": ("stream, event_type, subject_id", "hour", "telemetry.hour_of(occurred_at)"),
    "event_daily_live": ("stream, event_type, subject_id", "day", "telemetry.day_of(occurred_at)"),
    "stream_daily_live": ("stream, event_type", "day", "telemetry.day_of(occurred_at)"),
    "user_daily_live": ("stream, event_type, user_id", "day", "telemetry.day_of(occurred_at)"),
}


def live_event_difference(view):
    """Rows of a live view of events that are not those of the model; streams that count by receipt in sum."""
    columns, period, of_event = _LIVE_EVENTS[view]
    only = "AND user_id IS NOT NULL" if "user_id" in columns else ""
    kept = (f"SELECT {columns}, CASE WHEN stream <> 'first' THEN {period} END AS at, sum(n)::bigint, sum(total_seconds) "
            f"FROM telemetry.{view} GROUP BY {columns}, at")
    wanted = (f"SELECT {columns}, CASE WHEN stream <> 'first' THEN {of_event} END AS at, count(*), sum(coalesce(duration_seconds::numeric, 0)) "
              f"FROM model.event WHERE NOT removed {only} GROUP BY {columns}, at")
    return (f"SELECT 'surplus', s::text FROM ({kept} EXCEPT ALL {wanted}) AS s "
            f"UNION ALL SELECT 'missing', m::text FROM ({wanted} EXCEPT ALL {kept}) AS m")


def literal(value):
    """A text as SQL, however standard_conforming_strings is set; tests have no backslashes."""
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def moment(number):
    return f"({START} OPERATOR(pg_catalog.+) ({number} OPERATOR(pg_catalog.*) {STEP}))"


class Failure(Exception):
    """A statement failed in a way that the session may go on from."""


class Session(support.Session):
    """A session that survives errors, with what the test knows of its transaction."""

    def __init__(self, cluster, name):
        super().__init__(cluster)
        self.name = name
        self.errors = collections.deque(maxlen=20)
        self._drain = threading.Thread(target=self._read_errors, daemon=True)
        self._drain.start()
        self.run("\\set ON_ERROR_STOP 0\n\\set VERBOSITY verbose\nSET lock_timeout = '100ms'; SET client_min_messages = error;"
                 "CREATE TEMP TABLE block (x integer); CREATE TEMP TABLE event_key (x integer); CREATE TEMP TABLE point (x integer);")
        self.isolation = None        # of the open transaction
        self.read_only = False
        self.levels = []             # of subtransactions: [(savepoint, cursors declared in it)]
        self.kept_cursors = []
        self.prepared = set()
        self.role = "postgres"
        self.is_hostile = False
        self.wrote_held = False    # a cursor WITH HOLD, with which a transaction cannot be prepared

    def _read_errors(self):
        for line in self._psql.stderr:
            self.errors.append(line.decode(errors="replace").rstrip())

    def close(self):
        self._psql.stdin.close()
        try:
            self._psql.wait(10)
        except subprocess.TimeoutExpired:
            self._psql.kill()
            self._psql.wait(10)
        self._drain.join(10)
        self._psql.stdout.close()
        self._psql.stderr.close()

    def ask(self, sql):
        """One statement: its SQLSTATE and the lines it returned."""
        *lines, state = self.run(f"{sql}\n\\echo :SQLSTATE")
        # Of a COPY psql only keeps how it began.
        if state == "00000" and sql.startswith("COPY") and self.run("SELECT;\n\\echo :SQLSTATE") == ["25P02"]:
            support.wait_until(lambda: "25P02" in self.codes()[-1:], 10, "the error of a COPY")
            state = self.codes()[-2]
        return state, lines

    def codes(self):
        return [line.split()[1].rstrip(":") for line in list(self.errors) if line.startswith("ERROR:")]

    @property
    def cursors(self):
        return self.kept_cursors + [cursor for _, cursors in self.levels for cursor in cursors]


class Play:
    """All sessions, and one step after another."""

    def __init__(self, test, cluster, seed):
        self.test = test
        self.cluster = cluster
        self.random = random.Random(seed)
        self.settings = dict(SETTINGS)
        if int(cluster.value("SHOW server_version_num")) >= 160000:
            self.settings["debug_parallel_query"] = self.settings.pop("force_parallel_mode")
        self.sessions = []
        self.prepared = []    # names of prepared transactions
        self.number = 0
        self.done = collections.Counter()
        self.trace = collections.deque(maxlen=60)

    def open_sessions(self):
        for i in range(SESSIONS):
            self.sessions.append(Session(self.cluster, f"session {i}"))
            self.test.addCleanup(self.sessions[-1].close)

    def next_number(self):
        self.number += 1
        return self.number

    # Statements

    def say(self, s, sql):
        self.trace.append(f"-- {s.name} as {s.role}{' hostile' if s.is_hostile else ''}, {s.isolation}\n{sql}")

    def fail(self, s, what):
        self.test.fail(f"{what}\nerrors: " + "\n".join(s.errors) + "\n\nthe last statements:\n" + "\n".join(self.trace))

    def others_are_open(self, s):
        return bool(self.prepared) or any(o.isolation for o in self.sessions if o is not s)

    def do(self, s, sql, allowed=()):
        """Runs a statement that must work, or fail in one of the ways that may be."""
        self.say(s, sql)
        state, lines = s.ask(sql)
        if state == "00000":
            return lines
        may = set(allowed)
        if self.others_are_open(s):
            may.add(LOCKED)
        if s.isolation not in (None, "READ COMMITTED"):
            may |= {SERIALIZATION, REFUSED} if "telemetry.job_" in sql else {SERIALIZATION}
        if state not in may:
            self.fail(s, f"{s.name}: {state} from {sql}")
        self.done[state] += 1
        raise Failure(state)

    def prepare_session(self, s):
        """Role, path and settings for what comes; inside a transaction they go with it."""
        s.role = self.random.choice(list(RIGHTS))
        s.is_hostile = self.random.random() < 0.5
        path = "hostile, pg_catalog, pg_temp" if s.is_hostile else self.random.choice(("telemetry, public", "public", "pg_temp, telemetry", "''"))
        settings = [f"SET {name} = '{self.random.choice(self.settings[name])}'" for name in self.random.sample(sorted(self.settings), 3)]
        self.do(s, "; ".join(["RESET ROLE", *settings, f"SET ROLE {s.role}", f"SET search_path = {path}"]) + ";")

    def may(self, s, rights):
        return all(right in RIGHTS[s.role] for right in rights)

    def together(self, s, statements, rights, writes=True):
        """Statements that count together or not at all; the lines of each, or None if they do not count."""
        if writes and s.read_only:
            return None
        begun = s.isolation is None
        if begun:
            self.do(s, "BEGIN;")
            s.isolation = "READ COMMITTED"
        savepoint = f"op{self.next_number()}"
        failed = None
        lines = []
        allowed = () if self.may(s, rights) else (DENIED,)
        self.do(s, f"SAVEPOINT {savepoint};")
        try:
            for sql in statements:
                lines.append(self.do(s, sql, allowed))
            # A loop that found no rows has asked for no right to write.
            if allowed and "in_loop" not in statements[0]:
                self.fail(s, f"{s.role} was allowed: {statements[0]}")
        except Failure as failure:
            failed = str(failure)
            self.do(s, f"ROLLBACK TO {savepoint};")
        self.do(s, f"RELEASE {savepoint};")
        if begun:
            self.end(s, "COMMIT")
        return None if failed else lines

    # Transactions

    def begin(self, s):
        if s.isolation:
            return
        isolation = self.random.choice(("READ COMMITTED",) * 3 + ("REPEATABLE READ",) * 2 + ("SERIALIZABLE",))
        s.read_only = self.random.random() < 0.15
        self.do(s, f"BEGIN ISOLATION LEVEL {isolation} {'READ ONLY' if s.read_only else 'READ WRITE'};")
        s.isolation = isolation
        s.levels = [(None, [])]

    def forget_transaction(self, s, committed):
        if committed:
            s.kept_cursors += [cursor for cursor in s.cursors if cursor[2] and cursor not in s.kept_cursors]
        s.isolation = None
        s.read_only = False
        s.levels = []
        s.wrote_held = False

    def end(self, s, how):
        """COMMIT or ROLLBACK; one that is refused has rolled back."""
        try:
            self.do(s, f"{how};")
        except Failure:
            how = "ROLLBACK"
        self.forget_transaction(s, how == "COMMIT")

    def commit(self, s):
        if s.isolation:
            self.end(s, "COMMIT")

    def roll_back(self, s):
        if s.isolation:
            self.end(s, "ROLLBACK")

    def savepoint(self, s):
        if s.isolation and len(s.levels) < 5:
            name = f"s{self.next_number()}"
            self.do(s, f"SAVEPOINT {name};")
            s.levels.append((name, []))

    def roll_back_to(self, s):
        if len(s.levels) > 1:
            depth = self.random.randrange(1, len(s.levels))
            self.do(s, f"ROLLBACK TO {s.levels[depth][0]};")
            s.levels[depth:] = [(s.levels[depth][0], [])]

    def release(self, s):
        if len(s.levels) > 1:
            depth = self.random.randrange(1, len(s.levels))
            self.do(s, f"RELEASE {s.levels[depth][0]};")
            cursors = [cursor for _, some in s.levels[depth:] for cursor in some]
            del s.levels[depth:]
            s.levels[-1][1].extend(cursors)

    def prepare_transaction(self, s):
        if not s.isolation or s.wrote_held or s.read_only or len(self.prepared) >= 3:
            return
        name = f"g{self.next_number()}"
        try:
            self.do(s, f"PREPARE TRANSACTION '{name}';")
            self.prepared.append(name)
            self.done["prepared"] += 1
        except Failure:
            pass
        self.forget_transaction(s, False)

    def finish_prepared(self, s):
        if self.prepared and not s.isolation:
            name = self.prepared.pop(self.random.randrange(len(self.prepared)))
            self.do(s, "RESET ROLE;")
            self.do(s, f"{self.random.choice(('COMMIT', 'COMMIT', 'ROLLBACK'))} PREPARED '{name}';")

    # Points

    def some_points(self, most=12):
        """[(device, metric, number, value, unit)], of keys that mostly exist already; they may repeat."""
        order = self.number
        first = self.random.choice((0, 0, 400, 1700))
        return [(self.random.choice(DEVICES), self.random.choice(METRICS), first + self.random.randrange(60),
                 self.random.choice((repr(order / 8).removesuffix(".0"),) * 4 + ('"open"', "true", '{"a": 1}')),
                 self.random.choice((None, None, "V", "undo"))) for _ in range(self.random.randrange(1, most))]

    @staticmethod
    def rows(points, cast="::telemetry.value"):
        return ", ".join(f"({moment(number)}, {literal(device)}, {literal(metric)}, {literal(value)}{cast}, {literal(unit)})"
                         for device, metric, number, value, unit in points)

    def log_rows(self, points):
        """What the model stores of them."""
        n = self.next_number()
        if not points:
            return "SELECT;"
        return "INSERT INTO model.log (n, place, ts, device_id, metric, value, unit) VALUES " + ", ".join(
            f"({n}, {place}, {moment(number)}, {literal(device)}, {literal(metric)}, {literal(value)}, {literal(unit)})"
            for place, (device, metric, number, value, unit) in enumerate(points)) + ";"

    def write(self, s):
        self.random.choice((self.write_values, self.write_values, self.write_copy, self.write_prepared, self.write_each, self.write_by_trigger,
                            self.write_nested, self.write_selected, self.write_loop, self.write_twice, self.write_json))(s)

    INTO = "INSERT INTO telemetry.point (ts, device_id, metric, value, unit)"

    def write_values(self, s):
        points = self.some_points()
        returning = self.random.random() < 0.2
        lines = self.together(s, [f"{self.INTO} VALUES {self.rows(points)}" + (" RETURNING unit;" if returning else ";"), self.log_rows(points)],
                              "rw" if returning else "w")
        if lines and returning:
            self.test.assertEqual(len(lines[0]), len(points), "rows returned")

    def write_copy(self, s):
        points = self.some_points()
        # Times as every DateStyle reads them.
        data = "".join('{},{},{},"{}",{}\n'.format((START_TIME + number * datetime.timedelta(seconds=97)).isoformat(),
                                                  device, metric, value.replace('"', '""'), unit or "")
                       for device, metric, number, value, unit in points)
        self.together(s, [f"COPY telemetry.point (ts, device_id, metric, value, unit) FROM STDIN (FORMAT csv);\n{data}\\.\n", self.log_rows(points)], "w")

    def write_prepared(self, s):
        if "put" not in s.prepared:
            s.prepared.add("put")
            self.do(s, "PREPARE put (pg_catalog.text, pg_catalog.text, pg_catalog.timestamptz, pg_catalog.text, pg_catalog.text) AS "
                       f"{self.INTO} VALUES ($3, $1, $2, $4::pg_catalog.jsonb::telemetry.value, $5);")
        points = self.some_points(4)
        statements = []
        for point in points:
            device, metric, number, value, unit = point
            statements += [f"EXECUTE put ({literal(device)}, {literal(metric)}, {moment(number)}, {literal(value)}, {literal(unit)});",
                           self.log_rows([point])]
        self.together(s, statements, "w")

    def write_each(self, s):
        points = self.some_points()
        body = ", ".join("pg_catalog.jsonb_build_object('ts', pg_catalog.to_json({}), 'device_id', {}, 'metric', {}, 'value', {}, 'unit', {})".format(
            moment(number), literal(device), literal(metric), literal(value), literal(unit)) for device, metric, number, value, unit in points)
        self.together(s, [f"SELECT model.put_each(pg_catalog.jsonb_build_array({body}));",
                          self.log_rows([point for point in points if point[4] != "undo"])], "w")

    def write_by_trigger(self, s):
        points = self.some_points()
        self.together(s, [f"INSERT INTO model.source (ts, device_id, metric, value, unit) VALUES {self.rows(points, '')};", self.log_rows(points)], "w")

    def write_nested(self, s):
        points = self.some_points()
        inner = [(device, "inner", number, value, None) for device, _, number, value, _ in points]
        self.together(s, [f"{self.INTO} SELECT v.ts, v.device_id, v.metric, model.note(v.ts, v.device_id, v.value)::pg_catalog.jsonb::telemetry.value, v.unit "
                          f"FROM (VALUES {self.rows(points, '::pg_catalog.text')}) AS v (ts, device_id, metric, value, unit);",
                          self.log_rows(points), self.log_rows(inner)], "w")

    def log_selected(self, source, metric, where):
        return (f"INSERT INTO model.log (n, place, ts, device_id, metric, value, unit) SELECT {self.next_number()}, pg_catalog.row_number() OVER (), "
                f"m.ts, m.device_id, {metric}, m.value, m.unit FROM {source} AS m WHERE {where};")

    def write_selected(self, s):
        device = self.random.choice(DEVICES)
        memory = self.random.choice(("32MB", "1MB"))
        where = f"device_id OPERATOR(pg_catalog.=) '{device}' AND metric OPERATOR(pg_catalog.=) 'a'"
        self.together(s, [f"SET LOCAL telemetry.batch_memory = '{memory}'; {self.INTO} SELECT p.ts, p.device_id, 'copy', p.value, p.unit FROM telemetry.point AS p WHERE p.{where.replace('AND ', 'AND p.')};",
                          self.log_selected("model.point", "'copy'", "m." + where.replace("AND ", "AND m."))], "rw")

    def write_loop(self, s):
        device = self.random.choice(DEVICES)
        self.together(s, [f"SELECT model.copy_in_loop('{device}');",
                          self.log_selected("model.point", "'loop'", f"m.device_id OPERATOR(pg_catalog.=) '{device}' AND m.metric OPERATOR(pg_catalog.=) 'a'")], "rw")

    def write_twice(self, s):
        points = self.some_points()
        points = list({point[:3]: point for point in points}.values())
        self.together(s, [f"WITH a AS ({self.INTO} VALUES {self.rows(points)} RETURNING ts, device_id, metric, value) "
                          "INSERT INTO telemetry.point (ts, device_id, metric, value) SELECT ts, device_id, metric OPERATOR(pg_catalog.||) '2'::pg_catalog.text, value FROM a;",
                          self.log_rows(points), self.log_rows([(d, m + "2", n, v, None) for d, m, n, v, _ in points])], "rw")

    def write_json(self, s):
        (device, metric, number, value, _), *_ = self.some_points(2)
        self.together(s, ["SELECT telemetry.ingest(pg_catalog.jsonb_build_object('timestamp', pg_catalog.to_json({}), 'metric_name', {}, 'value', {}::pg_catalog.jsonb), {}, 'single');".format(
            moment(number), literal(metric), literal(value), literal(device)), self.log_rows([(device, metric, number, value, None)])], "w")

    def delete(self, s):
        device = self.random.choice(DEVICES)
        metric = self.random.choice((None, "a", "copy"))
        first = self.random.choice((0, 20, 400))
        last = first + self.random.choice((5, 30, 2000))
        lines = self.together(s, [
            f"SELECT telemetry.delete_points('{device}', {literal(metric)}, {moment(first)}, {moment(last)});",
            "WITH gone AS (DELETE FROM model.log AS m "
            f"WHERE m.device_id OPERATOR(pg_catalog.=) '{device}' AND m.ts OPERATOR(pg_catalog.>=) {moment(first)} AND m.ts OPERATOR(pg_catalog.<) {moment(last)}"
            + (f" AND m.metric OPERATOR(pg_catalog.=) '{metric}'" if metric else "") +
            " RETURNING m.metric, m.ts) SELECT pg_catalog.count(*) FROM (SELECT DISTINCT * FROM gone) AS g;"], "a")
        if lines is not None and lines[0] != lines[1]:
            self.fail(s, f"deleted points: {lines}")

    # Events

    def write_events(self, s):
        given = self.may(s, "a") and self.random.random() < 0.5
        events = []
        for _ in range(self.random.randrange(1, 6)):
            shared = self.random.random() < 0.1
            who = "x" if shared else s.name[-1]
            events.append((self.random.choice(STREAMS), f"{who}-{self.random.randrange(15)}", self.random.choice(("opened", "closed")), self.random.randrange(0, 2000, 50),
                           self.random.choice((None, "s0", "s1")), self.random.choice((None, "u0", "u1", "u2")), self.random.choice((None, "0.5", "1234.5678901234567")),
                           self.random.randrange(3)))
        day = f"2024-06-{self.random.randrange(1, 8):02} 00:10:00+00" if given else None
        nest = self.random.random() < 0.2
        values = ", ".join("({}::pg_catalog.text, {}::pg_catalog.text, {}::pg_catalog.text, {}, {}::pg_catalog.text, {}::pg_catalog.text, {}::pg_catalog.float8, {}::pg_catalog.jsonb)".format(
            literal(stream), literal(event_id), literal(kind), moment(number), literal(subject), literal(user), duration or "NULL", literal('{"priority": %d}' % priority))
            for stream, event_id, kind, number, subject, user, duration, priority in events)
        ids = "model.note_event(v.stream, v.id)" if nest else "v.id"
        statements = ["INSERT INTO telemetry.event (stream, event_id, event_type, occurred_at, subject_id, user_id, duration_seconds, data"
                      f"{', received_at' if given else ''}) SELECT v.stream, {ids}, v.type, v.at, v.subject, v.who, v.duration, v.data{', ' + literal(day) + '::pg_catalog.timestamptz' if given else ''} "
                      f"FROM (VALUES {values}) AS v (stream, id, type, at, subject, who, duration, data);"]
        noted = [(stream, f"{event_id}-inner", "noted", None, None, None, None, 0) for stream, event_id, *_ in events] if nest else []
        for event in noted + events:
            statements.append(self.log_event(*event))
        self.together(s, statements, "w")

    @staticmethod
    def log_event(stream, event_id, kind, number, subject, user, duration, priority):
        at = moment(number) if number is not None else "'2024-04-01 00:00:00+00'"
        wins = {"first": "false", "last": "excluded.occurred_at OPERATOR(pg_catalog.>=) e.occurred_at",
                "priority": "excluded.priority OPERATOR(pg_catalog.>=) e.priority"}[stream]
        return (f"INSERT INTO model.event AS e VALUES ({literal(stream)}, {literal(event_id)}, {literal(kind)}, {at}, {literal(subject)}, {literal(user)}, {duration or 'NULL'}, {priority}) "
                "ON CONFLICT (stream, event_id) DO UPDATE SET event_type = excluded.event_type, occurred_at = excluded.occurred_at, subject_id = excluded.subject_id, "
                f"user_id = excluded.user_id, duration_seconds = excluded.duration_seconds, priority = excluded.priority WHERE NOT e.removed AND {wins};")

    def delete_user(self, s):
        if s.isolation in (None, "READ COMMITTED"):
            user = f"u{self.random.randrange(3)}"
            self.together(s, [f"SELECT telemetry.delete_user('{user}');",
                              f"UPDATE model.event AS e SET removed = true WHERE e.user_id OPERATOR(pg_catalog.=) '{user}' AND NOT e.removed;"], "a")

    # Jobs

    def job(self, s):
        job = self.random.choice(("job_roll_up", "job_roll_up", "job_compact", "job_roll_up_events", "job_roll_up_events"))
        self.together(s, [f"SELECT telemetry.{job}();"], "a")

    def compact(self, s):
        if s.isolation is None and self.may(s, "a"):
            try:
                self.do(s, self.random.choice(("CALL telemetry.compact();", f"CALL telemetry.refresh({literal(self.random.choice((None, *DEVICES)))}, NULL, NULL, NULL);")))
            except Failure:
                pass

    # Reading

    def arguments(self):
        return literal(self.random.choice(DEVICES)), literal(self.random.choice((*METRICS, "copy", "inner"))), moment(self.random.choice((0, 30, 410)))

    def compare(self, s, lines, what):
        self.done["compared"] += 1
        if lines is not None and lines[0] != lines[1]:
            self.fail(s, f"{what}: {sorted(set(lines[0]) ^ set(lines[1]))[:6]} of {len(lines[0])} and {len(lines[1])}")

    def read_prepared(self, s):
        i = self.random.randrange(len(POINT_QUERIES))
        types = "(pg_catalog.text, pg_catalog.text, pg_catalog.timestamptz)"
        if i not in s.prepared:
            s.prepared.add(i)
            for name, table in (("t", "telemetry.point"), ("m", "model.point")):
                self.do(s, f"PREPARE {name}{i} {types} AS {POINT_QUERIES[i].format(table)};", () if self.may(s, "r") else (DENIED,))
        arguments = ", ".join(self.arguments())
        lines = self.together(s, [f"EXECUTE t{i} ({arguments});", f"EXECUTE m{i} ({arguments});"], "r", False)
        self.compare(s, lines, f"{POINT_QUERIES[i]} of {arguments}")

    def declare(self, s):
        if not s.isolation or len(s.cursors) >= 4:
            return
        query = self.random.choice(POINT_QUERIES)
        for i, argument in enumerate(self.arguments()):
            query = query.replace(f"${i + 1}", argument)
        name = f"c{self.next_number()}"
        scroll = self.random.random() < 0.5
        hold = self.random.random() < 0.3
        options = f"{'SCROLL' if scroll else 'NO SCROLL'} CURSOR {'WITH HOLD' if hold else 'WITHOUT HOLD'}"
        if self.together(s, [f"DECLARE {prefix}{name} {options} FOR {query.format(table)};" for prefix, table in (("t", "telemetry.point"), ("m", "model.point"))],
                         "r", False) is not None:
            s.levels[-1][1].append((name, scroll, hold))
            s.wrote_held |= hold

    def fetch(self, s):
        if s.cursors:
            name, scroll, _ = self.random.choice(s.cursors)
            how = self.random.choice(("FORWARD 3", "FORWARD 7", "NEXT", "ALL") + (("BACKWARD 5", "PRIOR", "ABSOLUTE 4", "ABSOLUTE -2", "FIRST", "RELATIVE -3") if scroll else ()))
            try:
                lines = [self.do(s, f"FETCH {how} FROM {prefix}{name};") for prefix in "tm"]
            except Failure:
                # The transaction has failed with it.
                self.end(s, "ROLLBACK")
                return
            self.done["fetched"] += len(lines[0])
            self.compare(s, lines, f"FETCH {how}")

    def check(self, s):
        for query in (POINT_DIFFERENCE, EVENT_DIFFERENCE):
            lines = self.together(s, [f"{query};"], "r", False)
            self.compare(s, lines and [lines[0], []], query)

    def check_live(self, s):
        if not s.is_hostile:
            view = self.random.choice((*_LIVE_EVENTS, *rollups.VIEWS, *rollups.VIEWS))
            if view in _LIVE_EVENTS:
                query = live_event_difference(view)
            elif view.endswith("_live"):
                query = rollups.difference(view)
            else:
                return
            lines = self.together(s, [f"SET LOCAL search_path = pg_catalog; {query};"], "r", False)
            self.compare(s, lines and [lines[0], []], view)

    # Steps

    STEPS = {"begin": 8, "commit": 3, "roll_back": 1, "savepoint": 4, "roll_back_to": 2, "release": 2, "prepare_transaction": 2,
             "finish_prepared": 3, "write": 16, "delete": 3, "write_events": 6, "delete_user": 1, "job": 6, "compact": 2,
             "read_prepared": 6, "declare": 4, "fetch": 8, "check": 3, "check_live": 4}

    def step(self):
        s = self.random.choice(self.sessions)
        name = self.random.choices(list(self.STEPS), weights=list(self.STEPS.values()))[0]
        self.done[name] += 1
        try:
            self.prepare_session(s)
            getattr(self, name)(s)
        except Failure:
            # What a serialization failure leaves of a transaction can only be rolled back.
            if s.isolation:
                self.end(s, "ROLLBACK")

    def finish(self):
        for s in self.sessions:
            if s.isolation:
                self.end(s, self.random.choice(("COMMIT", "ROLLBACK")))
        while self.prepared:
            self.finish_prepared(self.sessions[0])

    def check_at_rest(self):
        test, cluster = self.test, self.cluster
        test.assertEqual(cluster.rows(POINT_DIFFERENCE), [])
        test.assertEqual(cluster.rows(EVENT_DIFFERENCE), [])
        rollups.check_at_rest(test, cluster)
        while cluster.value("SELECT telemetry.job_roll_up_events()") == "t":
            pass
        for view in _LIVE_EVENTS:
            test.assertEqual(cluster.rows(live_event_difference(view)), [], view)
            test.assertEqual(cluster.rows(live_event_difference(view).replace("_live", "")), [], view)
        test.assertEqual(cluster.rows("SELECT * FROM telemetry.audit_rollups()"), [])
        test.assertEqual(cluster.rows("""
            SELECT d.stream, d.event_type, d.day, d.unique_users, e.users FROM telemetry.stream_daily AS d
            FULL JOIN (SELECT e.stream, e.event_type, telemetry.day_of(CASE s.clock WHEN 'occurred_at' THEN e.occurred_at ELSE e.received_at END) AS day,
                    count(DISTINCT e.user_id) AS users FROM telemetry.event AS e JOIN telemetry.stream AS s ON s.name = e.stream GROUP BY 1, 2, 3) AS e
                USING (stream, event_type, day)
            WHERE d.unique_users IS DISTINCT FROM e.users"""), [], "unique users")


class SessionsTest(support.SharedClusterTestCase):
    settings = {"fsync": "off", "jit": "off", "autovacuum": "off", "max_prepared_transactions": "10",
                "min_parallel_table_scan_size": "0", "parallel_setup_cost": "0", "parallel_tuple_cost": "0"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster.execute("SELECT telemetry.set_day_timezone('Europe/Amsterdam')")
        cls.cluster.execute(MODEL)
        cls.cluster.execute(HOSTILE)

    def setUp(self):
        for (name,) in self.cluster.rows("SELECT gid FROM pg_prepared_xacts"):
            self.cluster.run_psql(["-c", f"ROLLBACK PREPARED '{name}'"])
        super().setUp()
        self.cluster.execute("""
            SET lock_timeout = '10s';
            TRUNCATE telemetry.event_log, telemetry.event_key, telemetry.event_batch, telemetry.event_change, telemetry.conflict,
                telemetry.event_rollup_hour, telemetry.event_rollup_day, telemetry.stream_rollup_day, telemetry.user_rollup_day,
                model.log, model.event""")
        self.addCleanup(self._show_log, "server", self.cluster)

    def test_all_sessions_read_what_plain_tables_say(self):
        play = Play(self, self.cluster, SEED)
        play.open_sessions()
        for _ in range(ROUNDS):
            play.step()
        play.finish()
        play.check_at_rest()
        if os.environ.get("SHOW"):
            print(dict(play.done))
        self.assertGreater(play.done["compared"], ROUNDS / 20)
        self.assertNotIn("was terminated by signal", self.cluster.log_text())
        self.assertNotIn("TRAP:", self.cluster.log_text())

    def test_prepared_transactions_outlive_a_crash_and_hold_back_what_came_later(self):
        put = "INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01 10:00+00', '{}', 'm', '{}');"
        before = "BEGIN; {} PREPARE TRANSACTION '{}';"
        session = self.start_session(self.cluster)
        session.run(put.format("other", 1) + put.format("kept", 1) + "SELECT telemetry.job_roll_up();")
        session.run(before.format(put.format("raced", 1), "point"))
        session.run(put.format("raced", 2))
        session.run(before.format("SELECT telemetry.delete_points('kept', NULL, NULL, NULL);", "deletion"))
        session.run(before.format("INSERT INTO telemetry.event (stream, event_id, event_type, occurred_at) VALUES ('last', 'e', 'a', '2024-01-01');", "event"))
        self.cluster.kill()
        self.cluster.start()

        # Rolling up waits for nobody: it does nothing while the deletion keeps its lock.
        pending = "SELECT pending_points FROM telemetry.freshness"
        self.assertEqual(self.cluster.value("SELECT telemetry.job_roll_up()"), "f")
        self.assertEqual(self.cluster.value(pending), "1")
        self.cluster.run_psql(["-c", "ROLLBACK PREPARED 'deletion'"])
        # The later value must not be merged before the earlier one is there, under a number that it would win with.
        self.cluster.execute("SELECT telemetry.job_roll_up()")
        self.assertEqual(self.cluster.value(pending), "1")
        self.assertEqual(self.cluster.value("SELECT num FROM telemetry.point WHERE device_id = 'raced'"), "2")
        self.cluster.run_psql(["-c", "COMMIT PREPARED 'point'"])
        self.cluster.run_psql(["-c", "COMMIT PREPARED 'event'"])
        rollups.check_at_rest(self, self.cluster)
        self.assertEqual(self.cluster.rows("SELECT device_id, num FROM telemetry.point ORDER BY 1"), [["kept", "1"], ["other", "1"], ["raced", "2"]])
        self.assertEqual(self.cluster.rows("SELECT * FROM telemetry.audit_rollups()"), [])
        self.assertEqual(self.cluster.value("SELECT sum(n) FROM telemetry.stream_daily_live"), "1")
        self.assertEqual(self.cluster.value("SELECT telemetry.delete_points('kept', NULL, NULL, NULL)"), "1")

    def test_procedures_find_nothing_of_their_callers(self):
        session = Session(self.cluster, "caller")
        self.addCleanup(session.close)
        session.run("INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01', 'd', 'm', '1'), ('2024-01-01', 'e', 'm', '1');"
                    "SET ROLE session_admin; SET search_path = hostile, pg_catalog, pg_temp;")
        for call in ("compact()", "refresh()", "refresh('d')", "run_jobs()"):
            self.assertEqual(session.ask(f"CALL telemetry.{call};")[0], "00000", call + "\n".join(session.errors))


if __name__ == "__main__":
    unittest.main()
