"""A standby shows what is true there, and says why it refuses writes."""

import unittest

import contents
import support
from support import wait_until

SETTINGS = {"fsync": "off", "timezone": "UTC", "shared_preload_libraries": "telemetry"}

POINT = "INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES (now(), 'd', 'm', '1')"
WRITES = [
    POINT,
    "INSERT INTO telemetry.event (stream, event_type) VALUES ('door', 'opened')",
    "SELECT telemetry.ingest('{\"timestamp\": \"2024-01-01T00:00:00Z\", \"metric_name\": \"m\", \"value\": 1}', 'd')",
    "SELECT telemetry.ingest_event('{\"stream\": \"door\", \"event_type\": \"opened\"}')",
    "SELECT telemetry.http_events('POST /door', '{}', '{\"what\": \"opened\", \"door\": \"d\"}')",
    "SELECT telemetry.delete_points('device-1', NULL, NULL, NULL)",
    "SELECT telemetry.delete_user('user-1')",
    "SELECT telemetry.set_day_timezone('Europe/Berlin')",
    "SELECT telemetry.job_roll_up()",
    "SELECT telemetry.alter_job('prune', enabled => false)",
    "CALL telemetry.refresh('device-1', 'm', NULL, NULL)",
    "CALL telemetry.run_jobs()",
    "DELETE FROM telemetry.retention",
    "SELECT telemetry.take_outbox('other')",
    "SELECT telemetry.publish('thing.done', 'k', '{}')",
    "SELECT telemetry.prepare_notifications()",
    "SELECT telemetry.take_notifications('w')",
    "SELECT telemetry.settle_notification('n', true)",
]


class Standby(support.TestCase):

    def test_standby_reads_and_says_why_it_does_not_write(self):
        primary = self.start_cluster(**{**SETTINGS, "telemetry.workers": "off"})
        contents.fill(primary)
        # A job that was begun, and whose end nobody has told.
        primary.execute("UPDATE telemetry.job_state SET last_status = 'running' WHERE name = 'prune'")
        self.assertEqual(self.status(primary), "interrupted")

        def copy(folder):
            support.run_server_program("pg_basebackup", "-h", primary.folder, "-p", primary.PORT, "-U", "postgres",
                                       "-D", folder, "--checkpoint=fast", "--write-recovery-conf", "--no-sync")
        standby = self.start_cluster(database=False, make_data=copy, **{
            **SETTINGS, "telemetry.workers": "on"})
        wait_until(lambda: standby.value("SELECT pg_is_in_recovery()") == "t", 30, "the standby")

        self.assertEqual(contents.checksums(standby), contents.checksums(primary))
        self.assertEqual(self.status(standby), "begun")
        for view in ("worker", "progress"):
            self.assertEqual(standby.rows(f"SELECT * FROM telemetry.{view}"), [])
        same = "SELECT newest_point, pending_blocks, pending_points, lag > interval '0' FROM telemetry.freshness"
        self.assertEqual(standby.rows(same), primary.rows(same))
        self.assertEqual(standby.value("SELECT count(*) FROM telemetry.job_status WHERE waiting_for IS NOT NULL"), "0")

        for write in WRITES:
            with self.subTest(write=write):
                self.check_refused(lambda: standby.execute(write), "on a standby")
        for table in ("point", "event", "block", "retention"):
            self.check_refused(lambda: standby.copy_in(f"telemetry.{table}", ""), "on a standby")
        for write in WRITES[:6]:
            with self.subTest(read_only=write):
                self.check_refused(lambda: primary.execute(f"SET default_transaction_read_only = on; SET SESSION CHARACTERISTICS "
                                                           f"AS TRANSACTION READ ONLY; COMMIT; {write}"), "in a read-only transaction")

        # Health is of what can be stored.
        proxy = self.start_proxy(standby, wait=False)
        wait_until(lambda: self.health(proxy) == (503, "the database is a standby: nothing can be stored"), 30, "health to say so")
        self.assertEqual(proxy.get("/health/live").status, 200)

        # Nothing of that is in the way when it becomes a primary.
        primary.stop()
        standby.execute("SELECT pg_promote()", database="postgres")
        proxy.wait_healthy()
        standby.execute("ALTER SYSTEM SET default_transaction_read_only = on", database="postgres")
        standby.execute("SELECT pg_reload_conf()", database="postgres")
        wait_until(lambda: self.health(proxy) == (503, "the database is read-only: nothing can be stored"), 30, "health to say so")
        standby.execute("ALTER SYSTEM RESET default_transaction_read_only", database="postgres")
        standby.execute("SELECT pg_reload_conf()", database="postgres")
        proxy.wait_healthy()
        standby.execute(POINT)
        wait_until(lambda: standby.value("SELECT count(*) FROM telemetry.block_0") == "0", 30, "the worker to roll up")
        self.assertEqual(contents.audit(standby), [])

    def health(self, proxy):
        try:
            answer = proxy.get("/health")
        except OSError:
            return None
        return answer.status, answer.json.get("detail")

    def status(self, cluster):
        return cluster.value("SELECT status FROM telemetry.job_status WHERE name = 'prune'")

    def check_refused(self, act, why):
        with self.assertRaises(support.SqlError) as refused:
            act()
        self.assertEqual(refused.exception.sqlstate, "25006", refused.exception)
        self.assertIn(why, str(refused.exception))
        if "standby" in why:
            self.assertIn("Connect to the primary server.", str(refused.exception))


if __name__ == "__main__":
    unittest.main()
