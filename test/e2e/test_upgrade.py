"""pg_upgrade brings a cluster with everything in it to a new one."""

import unittest

import contents
import support
from support import wait_until

SETTINGS = {"fsync": "off", "timezone": "UTC", "shared_preload_libraries": "telemetry"}


class Upgrade(support.TestCase):

    def test_upgraded_cluster_has_everything_and_goes_on(self):
        old = self.start_cluster(**{**SETTINGS, "telemetry.workers": "off"})
        contents.fill(old)
        taken = old.rows("SELECT id FROM telemetry.take_outbox('other')")
        old.execute("SELECT telemetry.publish('thing.done', 'not taken', '{}')")
        before = contents.checksums(old)
        self.assertGreater(int(before["block_1"][0]) + int(before["block_2"][0]), contents.DAYS)
        old.stop()

        # Its worker must not get at the databases while pg_upgrade makes them.
        new = self.start_cluster(database=False, start=False, **SETTINGS)
        output = support.run_server_program(
            "pg_upgrade", "--link", "--username=postgres", f"--socketdir={new.folder}", "-b", support.BINDIR,
            "-B", support.BINDIR, "-d", old.data, "-D", new.data, folder=new.folder)
        self.assertIn("Upgrade Complete", output)

        new.configure(**{"telemetry.workers": "off"})
        new.start()
        self.assertEqual(contents.checksums(new), before)
        self.assertEqual(contents.audit(new), [])
        self.check_functions(new)
        # Transactions go on where they were.
        self.assertEqual(new.value("SELECT key FROM telemetry.take_outbox('other')"), "not taken")
        self.assertNotEqual(taken, [])
        new.execute("SELECT telemetry.publish('thing.done', 'new', '{}')")
        self.assertEqual(new.rows("SELECT key FROM telemetry.take_outbox('other')"), [["new"]])

        new.execute("ALTER SYSTEM SET telemetry.workers = on", database="postgres")
        new.execute("SELECT pg_reload_conf()", database="postgres")
        new.execute("""
            INSERT INTO telemetry.point (ts, device_id, metric, value)
            SELECT ts, device_id, metric, '8' FROM telemetry.point WHERE ts < now() - interval '1 day'""")
        wait_until(lambda: new.value("SELECT count(*) FROM telemetry.block_0") == "0", 30, "the worker to roll up")
        wait_until(lambda: new.value("SELECT count(*) FROM telemetry.event_batch") == "0", 30, "the worker to roll up events")
        self.assertEqual(new.value("SELECT count(*) FROM telemetry.point"), before["point"][0])
        self.assertEqual(new.value("SELECT count(*) FROM telemetry.job_status WHERE failures > 0"), "0")
        self.assertEqual(contents.audit(new), [])

    def check_functions(self, cluster):
        """Access checks and routes know their functions, and keys the events that are there."""
        event = '{"id": "%s", "what": "opened", "door": "door-1"}'
        for event_id, params, answer in (("new", "{}", "200"), ("new", "{}", "200"),
                                         ("other", '{"caller": {"user_id": "stranger"}}', "ACCESS_DENIED")):
            self.assertEqual(cluster.value(f"""
                SELECT coalesce(body ->> 'code', status::text)
                FROM telemetry.http_events('POST /door', '{params}', '{event % event_id}')"""), answer)
        self.assertEqual(cluster.value("SELECT count(*) FROM telemetry.event WHERE event_id = 'new'"), "1")
        self.assertEqual(cluster.value("SELECT body FROM telemetry.http_call('GET /door', '{}', NULL)"), '["front"]')


if __name__ == "__main__":
    unittest.main()
