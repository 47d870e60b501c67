"""Workers that are killed while they settle alerts: at rest there are the alerts of the naive evaluator, each told of once.

The server ends all sessions when a worker is killed, so that senders repeat what was not acknowledged, and whoever prepares and
sends notifications begins again. ALERT_CRASH_SEED=N chooses what comes and when somebody is killed.
"""

import contextlib
import os
import random
import threading
import time
import unittest

import psycopg2
import psycopg2.extensions

import support

SEED = int(os.environ.get("ALERT_CRASH_SEED", "1"))
BEGINNING = "2026-04-01 00:00:00+00"
EVALUATOR = support.ROOT / "test" / "pgtap" / "alert_evaluator.psql"
# The naive evaluator's time is that of the cube of a series' points.
SENDERS = "abc"
DEVICES = 2    # of each sender
SLICES = 6     # in each of which a worker is killed
POINTS = 8     # of each device in a slice
LEVELS = (None, None, psycopg2.extensions.ISOLATION_LEVEL_REPEATABLE_READ, psycopg2.extensions.ISOLATION_LEVEL_SERIALIZABLE)
SETTINGS = {"shared_preload_libraries": "telemetry", "fsync": "off"}
RULES = """
    INSERT INTO telemetry.notification_channel (name, kind, url, group_wait, group_interval, rate_limit)
    VALUES ('hook', 'webhook', 'http://127.0.0.1:9/', 0, 0, 6000);
    INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, measure, condition, threshold_value, resolve_threshold, evaluation_window, trigger_count,
        for_seconds, cooldown_minutes, auto_resolve_timeout, notification_channels)
    VALUES ('once', 'Once', 'm', 'value', '>', 60, NULL, 300, 1, 0, 0, NULL, '{hook}'),
        ('again', 'Again', 'm', 'value', '>', 60, 30, 300, 1, 0, 5, 1800, '{hook}'),
        ('thrice', 'Thrice', 'm', 'value', '>', 50, NULL, 60, 3, 0, 0, NULL, '{hook}'),
        ('held', 'Held', 'm', 'value', '<', 70, NULL, 300, 1, 30, 0, NULL, '{hook}'),
        ('rise', 'Rise', 'm', 'delta', '>=', 40, NULL, 60, 1, 0, 0, 1800, '{hook}');
    INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value, cooldown_minutes, notification_channels)
    VALUES ('silent', 'Silent', 'beat', 'absent', 60, 0, '{hook}');
    SELECT telemetry.create_outbox_consumer('witness');
    SELECT telemetry.alter_job('alerts', run_every => '100 ms'), telemetry.alter_job('absence', run_every => '100 ms'),
        telemetry.alter_job('roll_up', run_every => '100 ms')
"""
DIFFERENCE = """
    INSERT INTO model_point SELECT p.device_id, p.metric, p.ts, p.value, p.tags FROM telemetry.point AS p WHERE p.metric = 'm';
    ANALYZE model_point;
    SELECT pg_temp.evaluate_all('-infinity');
    -- Each beat is followed by a silence, which the next one ends.
    INSERT INTO model_alert (rule_id, device_id, metric_name, triggered_at, resolved_at, resolution)
    SELECT 'silent', b.device_id, 'beat', b.ts + interval '60 s', b.next, CASE WHEN b.next IS NOT NULL THEN 'clear' END
    FROM (SELECT p.device_id, p.ts, lead(p.ts) OVER (PARTITION BY p.device_id ORDER BY p.ts) AS next FROM telemetry.point AS p WHERE p.metric = 'beat') AS b;
    CREATE TEMP VIEW ours AS
        SELECT a.rule_id, a.device_id, a.metric_name, a.triggered_at, a.resolved_at, a.resolution FROM telemetry.alert AS a;
    CREATE TEMP VIEW theirs AS
        SELECT a.rule_id, a.device_id, a.metric_name, a.triggered_at, a.resolved_at, a.resolution FROM model_alert AS a;
    \\pset tuples_only on
    SELECT 'extra', e.* FROM (SELECT * FROM ours EXCEPT ALL SELECT * FROM theirs) AS e;
    SELECT 'missing', e.* FROM (SELECT * FROM theirs EXCEPT ALL SELECT * FROM ours) AS e;
"""


class Repeated(threading.Thread):
    """Does something in sessions of its own until it is over, again whenever the server has ended the session."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.problem = None
        self.over = threading.Event()

    def run(self):
        try:
            while not self.over.is_set():
                try:
                    session = psycopg2.connect(self.cluster.conninfo())
                except psycopg2.OperationalError:
                    self.over.wait(0.02)
                    continue
                with contextlib.closing(session):
                    try:
                        self.work(session)
                    except (psycopg2.OperationalError, psycopg2.extensions.TransactionRollbackError):
                        pass
                    except psycopg2.Error as error:
                        # A connection that breaks while COMMIT is answered is no error of the server's.
                        if error.pgcode:
                            raise
        except Exception as error:  # pylint: disable=broad-except
            self.problem = f"{type(error).__name__}: {error}"

    def work(self, session):
        raise NotImplementedError


class Sender(Repeated):
    """Stores points of its devices in the order of their times, in transactions of several kinds; is over when all are acknowledged."""

    def __init__(self, cluster, name, slice_number):
        super().__init__(cluster)
        self.random = random.Random(f"{SEED} {name} {slice_number}")
        self.points = []
        for device in (f"{name}-{number}" for number in range(DEVICES)):
            second = slice_number * 7200
            self.points.append((second, device, "beat", 1))
            for _ in range(POINTS):
                # Now and then a gap that a timeout falls into.
                second += self.random.choice((5, 10, 10, 20, 40, 1900 if self.random.random() < 0.3 else 10))
                self.points.append((second, device, "m", self.random.choice((10, 25, 40, 55, 65, 80, 95))))
        self.points.sort()

    def work(self, session):
        while self.points:
            level = self.random.choice(LEVELS)
            session.set_isolation_level(level or psycopg2.extensions.ISOLATION_LEVEL_READ_COMMITTED)
            taken = self.points[:self.random.choice((1, 2, 3, 8))]
            with session.cursor() as cursor:
                for part in (taken[:len(taken) // 2], taken[len(taken) // 2:]):
                    if part:
                        rows = ", ".join(["(%s::timestamptz + %s * interval '1 s', %s, %s, %s)"] * len(part))
                        cursor.execute(f"INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES {rows}",
                                       [field for point in part for field in (BEGINNING, *point)])
            session.commit()
            self.points = self.points[len(taken):]
            time.sleep(self.random.choice((0, 0.02, 0.05)))
        self.over.set()


class Notifier(Repeated):
    """Prepares notifications and says that they were sent, a few at a time."""

    def work(self, session):
        session.autocommit = True
        with session.cursor() as cursor:
            while not self.over.wait(0.01):
                cursor.execute("SELECT telemetry.prepare_notifications(7)")
                cursor.execute("SELECT t.notification_id, t.attempt FROM telemetry.take_notifications('test', 10, '1 s') AS t")
                for name, attempt in cursor.fetchall():
                    cursor.execute("SELECT telemetry.settle_notification(%s, true, NULL, %s)", (name, attempt))


class AlertCrashTest(support.TestCase):

    def kill_a_worker(self, cluster):
        pid = support.wait_until(lambda: cluster.rows("SELECT pid FROM telemetry.worker WHERE state = 'running'"), 30, "a worker")
        cluster.crash(int(pid[0][0]))

    def settle(self, cluster):
        """Until nothing is left to do, by whoever does it."""
        def is_settled():
            for job in ("alerts", "absence"):
                cluster.execute(f"CALL telemetry.run_jobs('{job}')")
            return cluster.value("""
                SELECT (SELECT count(*) FROM telemetry.alert_pending) + (SELECT count(*) FROM telemetry.alert_recount)
                    + (SELECT count(*) FROM telemetry.series AS s WHERE s.metric = 'beat' AND NOT EXISTS (
                        SELECT FROM telemetry.alert AS a WHERE a.rule_id = 'silent' AND a.device_id = s.device_id AND a.triggered_at > s.last_ts))""") == "0"

        support.wait_until(is_settled, 60, "nothing to be pending")

    def test_a_worker_that_is_killed_loses_no_alert_and_doubles_none(self):
        cluster = self.start_cluster(**SETTINGS)
        cluster.execute(RULES)
        notifier = Notifier(cluster)
        notifier.start()
        moments = random.Random(f"{SEED} moments")
        for number in range(SLICES):
            senders = [Sender(cluster, name, number) for name in SENDERS]
            for sender in senders:
                sender.start()
            time.sleep(moments.uniform(0.02, 0.5))
            self.kill_a_worker(cluster)
            for sender in senders:
                sender.join(60)
                self.assertFalse(sender.is_alive())
                self.assertIsNone(sender.problem)
            self.settle(cluster)

        support.wait_until(lambda: self.is_all_sent(cluster), 30, "all to be sent")
        notifier.over.set()
        notifier.join(30)
        self.assertIsNone(notifier.problem)
        self.check(cluster)

    def is_all_sent(self, cluster):
        return cluster.value("""
            SELECT NOT EXISTS (SELECT FROM telemetry.notification AS n WHERE n.state = 'pending')
                AND (SELECT coalesce(sum(cardinality(n.event_ids)), 0) FROM telemetry.notification AS n)
                    >= (SELECT count(*) FROM telemetry.outbox AS o WHERE o.event_type IN ('alert.triggered', 'alert.resolved'))""") == "t"

    def check(self, cluster):
        self.assertEqual(cluster.value("SELECT string_agg(error, '; ') FROM telemetry.alert_rule_error"), "")
        done = cluster.run_psql(["-At", "-f", EVALUATOR, "-f", "-"], DIFFERENCE.encode())
        self.assertEqual((done.returncode, done.stderr.decode()), (0, ""))
        self.assertEqual(done.stdout.decode().strip(), "")
        # In each way that alerts come and go.
        kinds = cluster.rows("""
            SELECT rule_id, count(*) FROM telemetry.alert WHERE resolution = 'clear' GROUP BY rule_id HAVING count(*) > 5 ORDER BY rule_id""")
        self.assertEqual([rule for rule, _ in kinds], ["again", "held", "once", "rise", "silent", "thrice"])
        self.assertGreater(int(cluster.value("SELECT count(*) FROM telemetry.alert WHERE resolution = 'timeout'")), 0)

        happened = cluster.rows("""
            SELECT a.alert_id, e.event_type FROM telemetry.alert AS a, unnest(ARRAY['alert.triggered', 'alert.resolved']) AS e (event_type)
            WHERE e.event_type = 'alert.triggered' OR a.status = 'resolved' ORDER BY 1, 2""")
        told = "SELECT o.key, o.event_type FROM {} AS o WHERE o.event_type LIKE 'alert.%' AND o.event_type NOT LIKE 'alert.rule.%' ORDER BY 1, 2"
        self.assertEqual(cluster.rows(told.format("telemetry.outbox")), happened)
        self.assertEqual(cluster.rows(told.format("telemetry.take_outbox('witness', 100000)")), happened)
        self.assertEqual(cluster.rows("SELECT * FROM telemetry.take_outbox('witness', 100000)"), [])
        self.assertEqual(
            cluster.rows("SELECT u.id FROM telemetry.notification AS n, unnest(n.event_ids) AS u (id) WHERE n.state = 'sent' ORDER BY u.id"),
            cluster.rows("SELECT o.id FROM telemetry.outbox AS o WHERE o.event_type IN ('alert.triggered', 'alert.resolved') ORDER BY o.id"))


if __name__ == "__main__":
    unittest.main()
