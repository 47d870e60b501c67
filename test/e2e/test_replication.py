"""Logical replication: all that changes tables goes on when all are published, and a subscriber gets the rows."""

import unittest

import contents
import support
from support import wait_until

SETTINGS = {"fsync": "off", "timezone": "UTC"}
# What is of one server: its processes.
OWN = ("job_state", "restore_session")


class Replication(support.TestCase):

    def setUp(self):
        super().setUp()
        self.publisher = self.start_cluster(**{
            **SETTINGS, "wal_level": "logical", "max_wal_senders": 20, "max_replication_slots": 20})
        self.publisher.execute("CREATE PUBLICATION everything FOR ALL TABLES; CREATE TABLE public.mark (n integer PRIMARY KEY)")

    def run_jobs(self):
        run = self.publisher.run_psql(["-c", "CALL telemetry.run_jobs()"])
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertEqual(self.publisher.rows("SELECT name, last_error FROM telemetry.job_status WHERE failures > 0"), [])

    def change_everything(self):
        """Whatever writes to tables: ingest, jobs, replacements, removal, partitions, rules."""
        publisher = self.publisher
        publisher.execute("""
            INSERT INTO telemetry.point (ts, device_id, metric, value)
            SELECT ts, device_id, metric, '8' FROM telemetry.point WHERE device_id = 'device-3';
            INSERT INTO telemetry.event (stream, event_id, event_type, occurred_at, subject_id, user_id)
            SELECT stream, event_id, 'slammed', now(), subject_id, user_id
            FROM telemetry.event WHERE stream = 'door' AND subject_id = 'door-3';
            INSERT INTO telemetry.event (stream, event_id, event_type, subject_id) VALUES ('door', 'x', 'closed', NULL)""")
        self.assertNotEqual(publisher.value("SELECT count(*) FROM telemetry.event WHERE event_type = 'slammed'"), "0")
        self.assertNotEqual(publisher.value("SELECT telemetry.delete_points('device-4', NULL, NULL, NULL)"), "0")
        for action in ("delete_user('user-5')", "delete_user('user-6', anonymise => true)", "delete_device('device-7')"):
            publisher.execute(f"SELECT telemetry.{action}")
        publisher.execute("""
            UPDATE telemetry.retention SET retention_days = 3 WHERE metric IS NULL;
            DELETE FROM telemetry.retention WHERE metric IS NOT NULL;
            UPDATE telemetry.stream SET retention_days = 4, dedupe_window = '3 days' WHERE name = 'door';
            UPDATE telemetry.event_key_pass SET begun_at = '-infinity';
            SELECT telemetry.set_day_timezone('Europe/Berlin')""")
        self.run_jobs()
        # What was too old is gone.
        self.assertEqual(publisher.value(
            "SELECT count(*) FROM telemetry.event WHERE received_at < date_trunc('day', now()) - interval '4 days'"), "0")

    def test_subscriber_gets_what_the_publisher_has(self):
        publisher = self.publisher
        contents.fill(publisher)
        self.run_jobs()
        subscriber = self.start_cluster(extension=False, **{
            **SETTINGS, "max_worker_processes": 20,
            "max_logical_replication_workers": 12, "max_sync_workers_per_subscription": 10})
        self.subscribe(subscriber)
        self.compare(subscriber)

        self.change_everything()
        # Of a day that neither has yet.
        for cluster in (subscriber, publisher):
            cluster.execute("SELECT telemetry.create_event_partition('2022-02-02')")
        publisher.execute("""
            INSERT INTO telemetry.event (stream, event_id, event_type, received_at, subject_id)
            VALUES ('door', 'old', 'opened', '2022-02-02', 'door-1')""")
        self.run_jobs()
        self.refresh(subscriber)
        self.compare(subscriber)

        self.take_over(subscriber)

    def subscribe(self, subscriber):
        """As doc/operations.md says."""
        schema = self.publisher.program("pg_dump", "--schema-only", "--no-publications", "telemetry")
        run = subscriber.run_psql([], schema)
        self.assertEqual(run.returncode, 0, run.stderr.decode())
        truncate = subscriber.value("""
            SELECT format('TRUNCATE %s', string_agg(format('%I.%I', schemaname, tablename), ', '))
            FROM pg_tables WHERE schemaname = 'telemetry'""")
        subscriber.execute(f"SET session_replication_role = replica; {truncate}")
        subscriber.execute(f"CREATE SUBSCRIPTION everything CONNECTION '{self.publisher.conninfo()}' PUBLICATION everything")

    def refresh(self, subscriber):
        """As doc/operations.md says, from time to time."""
        subscriber.execute("SELECT telemetry.job_event_partitions()")
        subscriber.execute("ALTER SUBSCRIPTION everything REFRESH PUBLICATION")
        for (statement,) in subscriber.rows("""
                SELECT format('DROP TABLE telemetry.%I', c.relname)
                FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'telemetry.event_log'::regclass
                    AND NOT EXISTS (SELECT FROM pg_subscription_rel AS r WHERE r.srrelid = c.oid)"""):
            subscriber.execute(statement)

    def compare(self, subscriber):
        """Waits until the subscriber has all that was committed; both have the same then."""
        publisher = self.publisher
        self.assertEqual(publisher.value("SELECT count(*) FROM telemetry.block_0"), "0")
        wait_until(lambda: subscriber.value(
            "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'") == "0", 60, "the tables to be copied")
        mark = publisher.value("INSERT INTO public.mark SELECT count(*) FROM public.mark RETURNING n")
        wait_until(lambda: [mark] in subscriber.rows("SELECT n FROM public.mark"), 60, "the subscriber to follow")
        self.assertEqual(contents.checksums(subscriber, OWN), contents.checksums(publisher, OWN))

    def take_over(self, subscriber):
        """The subscriber becomes a database of its own, as doc/operations.md says."""
        subscriber.execute("DROP SUBSCRIPTION everything")
        statements = subscriber.rows("""
            SELECT format('SELECT setval(%L, max(%I)) FROM telemetry.%I',
                pg_get_serial_sequence('telemetry.' || c.relname, a.attname), a.attname, c.relname)
            FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
            WHERE c.relnamespace = 'telemetry'::regnamespace AND a.attidentity <> ''""")
        for (statement,) in statements:
            subscriber.execute(statement)
        subscriber.execute("""
            SELECT setval('telemetry.block_seq', (SELECT greatest(max(b.seq), s.noted_seq, 1)
                FROM telemetry.compaction_state AS s LEFT JOIN telemetry.block AS b ON true GROUP BY s.noted_seq));
            SELECT setval('telemetry.event_seq', greatest((SELECT max(id) FROM telemetry.event_key), (SELECT max(id) FROM telemetry.event_log),
                (SELECT max(id) FROM telemetry.event_batch), (SELECT max(id) FROM telemetry.event_change), 0) / 1048576 + 1)""")

        # What is written now is the newest, and known keys are known.
        subscriber.execute("""
            INSERT INTO telemetry.point (ts, device_id, metric, value)
            SELECT ts, device_id, metric, '"newest"' FROM telemetry.point;
            INSERT INTO telemetry.event (stream, event_id, event_type, subject_id)
            VALUES ('door', 'last', 'closed', 'door-1'), ('door', 'after', 'closed', 'door-1'), ('none', 'x', 'y', 'z')""")
        subscriber.run_psql(["-c", "CALL telemetry.run_jobs()"])
        self.assertEqual(subscriber.value("SELECT DISTINCT value FROM telemetry.point"), '"newest"')
        self.assertEqual(subscriber.value("SELECT count(*) FROM telemetry.event WHERE event_id IN ('last', 'after')"), "2")
        self.assertEqual(subscriber.value("SELECT count(*) FROM telemetry.job_status WHERE failures > 0"), "0")
        self.assertEqual(contents.audit(subscriber), [])


if __name__ == "__main__":
    unittest.main()
