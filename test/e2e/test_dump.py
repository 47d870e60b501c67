"""A dump holds everything: points, dead letters, the number of buckets and the order numbers, and what there was of jobs,
streams and routes, no less and no more."""

import unittest

import support

POINTS = """
    SELECT ts, device_id, metric, format('%s', value), unit, tags, metadata, num
    FROM telemetry.point ORDER BY device_id, metric, ts"""
EVENTS = "SELECT * FROM telemetry.event ORDER BY event_id"
RULES = ["SELECT * FROM telemetry.stream ORDER BY name",
         "SELECT * FROM telemetry.stream_field ORDER BY stream, field",
         "SELECT * FROM telemetry.dialect ORDER BY name",
         "SELECT * FROM telemetry.route ORDER BY method, path",
         "SELECT * FROM telemetry.job ORDER BY name",
         "SELECT * FROM telemetry.layout",
         "SELECT * FROM telemetry.metric_definition ORDER BY name",
         "SELECT * FROM telemetry.retention ORDER BY metric",
         "SELECT * FROM telemetry.subject ORDER BY stream, subject_id",
         "SELECT extname FROM pg_extension ORDER BY extname"]
LETTERS = "SELECT id, received_at, kind, code, reason, payload, sender FROM telemetry.dead_letter ORDER BY id"


class Dump(support.SharedClusterTestCase):

    settings = {"fsync": "off", "timezone": "UTC"}

    def setUp(self):
        super().setUp()
        for name in ("source", "target"):
            self.cluster.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", database="postgres")
            self.cluster.execute(f"CREATE DATABASE {name}", database="postgres")

    def source(self, sql):
        return self.cluster.execute(sql, database="source")

    def target(self, sql):
        return self.cluster.execute(sql, database="target")

    def create(self, buckets=None):
        """The source's extension, with points in bucket and mixed blocks, and dead letters."""
        if buckets is not None:
            self.source(f"SET telemetry.buckets = {buckets}; CREATE EXTENSION telemetry CASCADE")
        else:
            self.source("CREATE EXTENSION telemetry CASCADE")
        for mixed_block_points in (0, 16384, 0):
            self.source(f"""
                SET telemetry.mixed_block_points = {mixed_block_points};
                INSERT INTO telemetry.point (ts, device_id, metric, value, unit, tags)
                SELECT timestamptz '2024-01-01' + i * interval '1 hour', 'device-' || i % 50, 'm',
                    CASE i % 3 WHEN 0 THEN i::float8::telemetry.value WHEN 1 THEN ('text ' || i)::telemetry.value
                        ELSE (i % 2 = 0)::telemetry.value END,
                    CASE WHEN i % 5 = 0 THEN 'V' END, CASE WHEN i % 7 = 0 THEN jsonb_build_object('i', i) END
                FROM generate_series(1, 1000) AS i
                WHERE i % 3 = {mixed_block_points} % 3 OR random() < 0.5""")
        self.source("""
            INSERT INTO telemetry.point (ts, device_id, metric, value)
            VALUES ('infinity', 'device-1', 'm', '1'), ('2024-01-01', '', 'm', '"x"')""")

    def dump_plain(self):
        return self.cluster.program("pg_dump", "source")

    def restore_plain(self, dump):
        run = self.cluster.run_psql([], dump, database="target")
        self.assertEqual(run.returncode, 0, run.stderr.decode())

    def check(self):
        """The target is what the source is, and a later point wins there, too."""
        for query in (POINTS, LETTERS, "SELECT * FROM telemetry.layout"):
            self.assertEqual(self.target(query), self.source(query))
        self.assertEqual(self.source("SELECT count(*) FROM telemetry.dead_letter"), "2\n")
        devices = self.source("SELECT DISTINCT device_id FROM telemetry.point").split()
        self.assertEqual(len(devices), 50)
        # One by one: each must be found in the bucket that its name leads to.
        for device in devices[:10]:
            query = f"SELECT count(*) FROM telemetry.point WHERE device_id = '{device}'"
            self.assertEqual(self.target(query), self.source(query))
        self.target("""
            INSERT INTO telemetry.point (ts, device_id, metric, value)
            SELECT ts, device_id, metric, '"newer"' FROM telemetry.point;
            INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('infinity', 'd', 'm', '1')""")
        self.assertEqual(self.target("SELECT DISTINCT value FROM telemetry.point"),
                         self.target("SELECT telemetry.value '\"newer\"'"))
        self.assertEqual(self.target("SELECT count(*) FROM telemetry.point"),
                         self.source("SELECT count(*) FROM telemetry.point"))
        self.assertEqual(self.target("SELECT count(*) FROM telemetry.dead_letter"), "3\n")

    def change_rules(self):
        """Rows that extensions came with are changed and deleted, others are added, one app is dropped and has left its
        stream, another is gone without a trace; and there are events."""
        for app in support.APPS:
            self.source(f"CREATE EXTENSION {app}")
        self.source("""
            SELECT telemetry.ingest_event('[{"stream": "flash_legacy", "event_type": "increment"}]');
            DROP EXTENSION telemetry_flash;
            DROP EXTENSION telemetry_learning;
            UPDATE telemetry.stream SET retention_days = 60 WHERE name = 'playback';
            DELETE FROM telemetry.stream_field WHERE field = 'data.position_seconds';
            UPDATE telemetry.dialect SET failure = '{"oops": "$detail"}' WHERE name = 'core';
            DELETE FROM telemetry.route WHERE path = '/api/reporting/summary';
            INSERT INTO telemetry.subject (stream, subject_id, title) VALUES ('playback', 't', 'Title');
            UPDATE telemetry.layout SET day_timezone = 'Europe/Berlin';
            UPDATE telemetry.job SET run_every = '1 year' WHERE name = 'audit';
            DELETE FROM telemetry.job WHERE name = 'compact';
            INSERT INTO telemetry.job (name, description, run_every) VALUES ('mine', 'Does not exist.', '1 h');
            INSERT INTO telemetry.stream (name, description) VALUES ('a_door', 'Doors.');
            INSERT INTO telemetry.metric_definition (name, data_type, unit, min_value, max_value, allowed_values, retention_days, tags, metadata)
            VALUES ('gear', 'numeric', 'step', 1, 6, '[1, 2, 3]', 90, '{car}', '{"a": [null]}');
            INSERT INTO telemetry.metric_definition (name, name_pattern, data_type, coerce) VALUES ('Doors', 'door.%', 'string', true);
            UPDATE telemetry.metric_definition SET description = 'Changed.' WHERE name = 'gear';
            INSERT INTO telemetry.stream_field (stream, field, required) VALUES ('a_door', 'subject_id', true);
            INSERT INTO telemetry.dialect (name, description, fields)
            VALUES ('z_door', 'Doors.', '{"event_type": "what", "subject_id": "door"}');
            CREATE FUNCTION public.doors(params jsonb, body jsonb) RETURNS telemetry.http_response
                LANGUAGE sql AS $$ SELECT 200, '[]'::jsonb, NULL $$;
            INSERT INTO telemetry.route (method, path, description, dialect, stream, function) VALUES
                ('POST', '/a/door', 'Takes an event.', 'z_door', 'a_door', NULL),
                ('GET', '/a/door', 'Lists doors.', 'z_door', NULL, 'public.doors(jsonb, jsonb)')""")
        answer = self.source("""SELECT status FROM telemetry.http_events(
            'POST /a/door', '{}', '{"what": "opened", "door": "front"}')""")
        self.assertEqual(answer, "200\n")

    def check_rules(self):
        for query in (EVENTS, *RULES):
            self.assertEqual(self.target(query), self.source(query))
        answer = self.target("""SELECT status FROM telemetry.http_events(
            'POST /a/door', '{}', '{"what": "closed"}')""")
        self.assertEqual(answer, "400\n")
        # Definitions judge what comes, and nothing was told anew of them.
        self.assertEqual(self.target("""WITH stored AS (INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES
            ('2024-01-01', 'new', 'gear', '2'), ('2024-01-02', 'new', 'gear', '4'), ('2024-01-01', 'new', 'door.a', '1') RETURNING format('%s', value) AS v, unit)
            SELECT * FROM stored"""), '2,step\n"""1""",\n')
        self.assertEqual(self.target("SELECT count(*) FROM telemetry.outbox"), "0\n")
        # Numbers go on where they were, and an app that is gone comes back to its stream.
        self.target("INSERT INTO telemetry.stream (name, description) VALUES ('new', 'New.')")
        self.assertEqual(self.target("SELECT number = max(number) OVER () FROM telemetry.stream WHERE name = 'new'"), "t\n")
        self.target("CREATE EXTENSION telemetry_flash")
        self.assertEqual(self.target("SELECT telemetry.flash_total()"), "1\n")

    def archive(self, *options):
        """A dump in pg_dump's own formats; its name."""
        folder = support.make_folder("dump-")
        self.addCleanup(support.shutil.rmtree, folder)
        self.cluster.program("pg_dump", *options, f"--file={folder}/d", "source")
        return f"{folder}/d"

    def restore(self, *options):
        self.cluster.program("pg_restore", "--exit-on-error", "--dbname=target", *options)

    def restore_list(self, archive):
        """By a list of its entries, those of data in the opposite order."""
        lines = self.cluster.program("pg_restore", "--list", archive).decode().splitlines()
        data = [line for line in lines if " TABLE DATA " in line]
        self.assertGreater(len(data), 20)
        data = iter(reversed(data))
        folder = support.make_folder("list-")
        self.addCleanup(support.shutil.rmtree, folder)
        (folder / "list").write_text("\n".join(next(data) if " TABLE DATA " in line else line for line in lines))
        self.restore(f"--use-list={folder}/list", archive)

    def test_what_is_restored_is_what_there_was(self):
        self.create(buckets=7)
        self.change_rules()
        custom, directory = self.archive("--format=custom"), self.archive("--format=directory")
        ways = {
            "psql": lambda: self.restore_plain(self.dump_plain()),
            "psql, a statement a row": lambda: self.restore_plain(self.cluster.program("pg_dump", "--inserts", "source")),
            "one": lambda: self.restore(custom),
            "one transaction": lambda: self.restore("--single-transaction", custom),
            "parallel": lambda: self.restore("--jobs=4", directory),
            "list": lambda: self.restore_list(custom),
            "sections": lambda: [self.restore(f"--section={section}", custom) for section in ("pre-data", "data", "post-data")],
        }
        for name, restore in ways.items():
            with self.subTest(name):
                self.cluster.execute("DROP DATABASE target", database="postgres")
                self.cluster.execute("CREATE DATABASE target", database="postgres")
                restore()
                self.check()
                self.check_rules()

    def test_what_was_deleted_stays_deleted(self):
        self.create()
        self.source("CREATE EXTENSION telemetry_core; DELETE FROM telemetry.stream; DELETE FROM telemetry.dialect; DELETE FROM telemetry.job")
        for dump in (self.dump_plain(), self.cluster.program("pg_dump", "--inserts", "source")):
            self.cluster.execute("DROP DATABASE target", database="postgres")
            self.cluster.execute("CREATE DATABASE target", database="postgres")
            self.restore_plain(dump)
            for table in ("stream", "stream_field", "dialect", "route", "job"):
                self.assertEqual(self.target(f"SELECT count(*) FROM telemetry.{table}"), "0\n")

    def test_a_restore_that_was_killed_can_be_done_again(self):
        self.create()
        self.change_rules()
        dump = self.dump_plain()
        begin, found, _ = dump.partition(b"COPY telemetry.stream ")
        self.assertTrue(found)
        self.restore_plain(begin)
        self.target("DROP EXTENSION telemetry CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        self.restore_plain(dump)
        self.check_rules()

    def test_number_of_buckets_goes_with_the_dump(self):
        self.create(buckets=7)
        self.assertEqual(self.source("SELECT buckets FROM telemetry.layout"), "7\n")
        self.assertEqual(self.source("SELECT max(bucket) <= 6 FROM telemetry.block"), "t\n")
        self.restore_plain(self.dump_plain())
        self.check()

    def test_dump_counts_more_than_the_setting_where_it_is_restored(self):
        for buckets, setting in ((7, 7), (7, 9), (None, 9), (7, 64)):
            with self.subTest(buckets=buckets, setting=setting):
                self.setUp()
                self.create(buckets)
                dump = self.dump_plain()
                self.cluster.execute(f"ALTER DATABASE target SET telemetry.buckets = {setting}",
                                     database="postgres")
                self.restore_plain(dump)
                self.check()

    def test_schema_only_dump_makes_an_empty_store(self):
        self.create(buckets=7)
        self.source("CREATE EXTENSION telemetry_core")
        self.restore_plain(self.cluster.program("pg_dump", "--schema-only", "source"))
        with self.assertRaisesRegex(support.SqlError, "telemetry.initialise()"):
            self.target("SELECT count(*) FROM telemetry.point")
        self.target("SELECT telemetry.initialise()")
        self.assertEqual(self.target("SELECT * FROM telemetry.job ORDER BY name"),
                         self.source("SELECT * FROM telemetry.job ORDER BY name"))
        self.assertEqual(self.target("SELECT count(*) FROM telemetry.point"), "0\n")
        self.target("INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES ('2024-01-01', 'd', 'm', '1')")
        self.assertEqual(self.target("SELECT num FROM telemetry.point"), "1\n")
        # Apps, too, have no rows; they get them by being created again.
        self.assertEqual(self.target("SELECT count(*) FROM telemetry.route WHERE app IS NOT NULL"), "0\n")
        self.target("DROP EXTENSION telemetry_core; CREATE EXTENSION telemetry_core")
        routes = "SELECT * FROM telemetry.route ORDER BY method, path"
        self.assertEqual(self.target(routes), self.source(routes))

    def test_the_outbox_stays_where_it_is(self):
        self.create()
        self.source("""
            SELECT telemetry.create_outbox_consumer('other');
            INSERT INTO telemetry.notification_channel (name, kind, url, secret) VALUES ('hook', 'webhook', 'http://hook.example/', '0123456789abcdef');
            INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value, notification_channels)
            VALUES ('hot', 'Hot', 'heat', '>', '90', '{hook}');
            INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES (now() - interval '1 hour', 'device-1', 'heat', '95')""")
        # A step of several transactions, and a cursor far ahead of what another cluster has.
        self.source("SELECT telemetry.take_outbox('other', 1)")
        self.source("UPDATE telemetry.outbox_consumer SET taken = '900000000000:900000000000:' WHERE name = 'notifications'")
        custom = self.archive("--format=custom")
        for name, restore in {"psql": lambda: self.restore_plain(self.dump_plain()),
                              "one": lambda: self.restore(custom), "list": lambda: self.restore_list(custom)}.items():
            with self.subTest(name):
                self.cluster.execute("DROP DATABASE target", database="postgres")
                self.cluster.execute("CREATE DATABASE target", database="postgres")
                restore()
                for query in ("SELECT name, event_types FROM telemetry.outbox_consumer ORDER BY name", "SELECT * FROM telemetry.alert",
                              "SELECT * FROM telemetry.alert_rule", "SELECT * FROM telemetry.notification_channel"):
                    self.assertEqual(self.target(query), self.source(query))
                self.assertEqual(self.target("SELECT count(*) FROM telemetry.outbox"), "0\n")
                self.assertEqual(self.target("SELECT count(*) FROM telemetry.notification_channel_state"), "1\n")
                last = int(self.source("SELECT max(id) FROM telemetry.outbox"))
                self.target("UPDATE telemetry.alert SET status = 'acknowledged', acknowledged_at = now()")
                taken = self.target("SELECT id FROM telemetry.take_outbox('other')").split()
                self.assertEqual(len(taken), 1)
                self.assertGreater(int(taken[0]), last)
                self.assertEqual(self.target("SELECT count(*) FROM telemetry.take_outbox('other')"), "0\n")
                self.assertEqual(self.target("SELECT telemetry.prepare_notifications()"), "1\n")

    def test_dump_of_a_dump_is_the_same(self):
        self.create(buckets=7)
        first = self.dump_plain()
        self.restore_plain(first)
        second = self.cluster.program("pg_dump", "target")
        # A table gives its rows in any order.
        self.assertEqual(sorted(strip(second)), sorted(strip(first)))


def strip(dump):
    """Without what differs from run to run: the key of newer pg_dumps' \\restrict."""
    return [line for line in dump.splitlines() if not line.startswith((b"\\restrict", b"\\unrestrict"))]


if __name__ == "__main__":
    unittest.main()
