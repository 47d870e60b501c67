"""Alerts of series that several sessions write at once, and of a server that is killed: none is lost, none doubled."""

import random
import threading
import time
import unittest

import psycopg2
import psycopg2.extensions

import support

SERIES = [f"device_{number}" for number in range(6)]
WRITERS = 5
ROUNDS = 10
RULES = """
    INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value, evaluation_window, trigger_count,
        for_seconds, cooldown_minutes, auto_resolve_timeout)
    VALUES ('once', 'Once', 'm', '>', 90, 300, 1, 0, 0, NULL), ('thrice', 'Thrice', 'm', '>', 90, 600, 3, 0, 0, NULL),
        ('held', 'Held', 'm', '>', 90, 300, 1, 1, 0, NULL)
"""


class Writer(threading.Thread):
    """Writes points of all series in a slice of time, in statements and transactions of several kinds, until all are committed."""

    def __init__(self, cluster, slice_number, number, value, seed):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.random = random.Random(f"{seed} {slice_number} {number}")
        # Each slice is a minute; no two writers have a point of one series and time.
        self.points = [(f"2026-04-01 00:00:00+00", device, slice_number * 60_000 + place * 100 + number, value)
                       for device in SERIES for place in range(20)]
        self.random.shuffle(self.points)
        self.problem = None

    def run(self):
        try:
            while self.points:
                taken = self.points[:self.random.choice((1, 2, 5, 40))]
                if self.write(taken):
                    self.points = self.points[len(taken):]
        except Exception as error:  # pylint: disable=broad-except
            self.problem = f"{type(error).__name__}: {error}"

    def write(self, points):
        """False if they are to be written again."""
        level = self.random.choice((None, None, None, psycopg2.extensions.ISOLATION_LEVEL_REPEATABLE_READ,
                                    psycopg2.extensions.ISOLATION_LEVEL_SERIALIZABLE))
        try:
            session = psycopg2.connect(self.cluster.conninfo())
        except psycopg2.OperationalError:
            time.sleep(0.05)
            return False
        try:
            if level is not None:
                session.set_isolation_level(level)
            with session.cursor() as cursor:
                for part in (points[:len(points) // 2], points[len(points) // 2:]):
                    if part:
                        rows = ", ".join(["(%s::timestamptz + %s * interval '1 ms', %s, 'm', %s)"] * len(part))
                        values = [field for ts, device, ms, value in part for field in (ts, ms, device, value)]
                        cursor.execute(f"INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES {rows}", values)
                        time.sleep(self.random.choice((0, 0, 0.002)))
                if self.random.random() < 0.15:
                    session.rollback()
                    return False
            session.commit()
            return True
        except psycopg2.OperationalError:
            return False
        except psycopg2.extensions.TransactionRollbackError:
            return False
        finally:
            session.close()


class AlertRaceTest(support.TestCase):
    def settle(self, cluster):
        def is_settled():
            cluster.execute("CALL telemetry.run_jobs('alerts')")
            return cluster.value("SELECT count(*) FROM telemetry.alert_pending") == "0"

        support.wait_until(is_settled, 60, "nothing to be pending")
        self.assertEqual(cluster.value("SELECT string_agg(error, '; ') FROM telemetry.alert_rule_error"), "")

    def write_slice(self, cluster, number, value, seed, kill_after=None):
        writers = [Writer(cluster, number, writer, value, seed) for writer in range(WRITERS)]
        for writer in writers:
            writer.start()
        if kill_after is not None:
            time.sleep(kill_after)
            cluster.kill()
            cluster.start()
        for writer in writers:
            writer.join(120)
            self.assertFalse(writer.is_alive())
            self.assertIsNone(writer.problem)
        # When the last point of a slice was judged first, all others were late, and not enough violate at it.
        cluster.execute(f"""
            INSERT INTO telemetry.point (ts, device_id, metric, value)
            SELECT '2026-04-01 00:00:30+00'::timestamptz + {number} * interval '1 min', 'device_' || n, 'm', {value}
            FROM generate_series(0, {len(SERIES) - 1}) AS n""")

    def assert_slices_alternate(self, cluster, rounds):
        """Each even slice has triggered one alert a series and rule, each odd one has resolved it."""
        slice_of = "floor(extract(epoch FROM {} - '2026-04-01 00:00:00+00') / 60)"
        rows = cluster.rows(f"""
            SELECT rule_id, device_id, {slice_of.format('triggered_at')}, coalesce({slice_of.format('resolved_at')}, -1), status
            FROM telemetry.alert ORDER BY rule_id, device_id, triggered_at""")
        expected = []
        for rule in ("held", "once", "thrice"):
            for device in SERIES:
                for number in range(0, rounds, 2):
                    is_over = number + 1 < rounds
                    expected.append([rule, device, str(number), str(number + 1 if is_over else -1), "resolved" if is_over else "active"])
        self.assertEqual([list(row) for row in rows], expected)
        # A point that triggers violates, and one that resolves does not.
        self.assertEqual(cluster.value("""
            SELECT count(*) FROM telemetry.alert AS a
            WHERE NOT EXISTS (SELECT FROM telemetry.point AS p WHERE p.device_id = a.device_id AND p.metric = 'm' AND p.ts = a.triggered_at AND p.num > 90)
                OR a.resolved_at IS NOT NULL AND NOT EXISTS (SELECT FROM telemetry.point AS p
                    WHERE p.device_id = a.device_id AND p.metric = 'm' AND p.ts = a.resolved_at AND p.num <= 90)"""), "0")

    def test_series_written_by_several_sessions_have_one_alert_each_time(self):
        cluster = self.start_cluster()
        cluster.execute(RULES)
        for number in range(ROUNDS):
            self.write_slice(cluster, number, 95 if number % 2 == 0 else 20, seed=1)
            self.settle(cluster)
            self.assert_slices_alternate(cluster, number + 1)

    def test_a_server_that_is_killed_loses_no_alert_and_doubles_none(self):
        cluster = self.start_cluster()
        cluster.execute(RULES)
        moments = random.Random(5)
        for number in range(6):
            self.write_slice(cluster, number, 95 if number % 2 == 0 else 20, seed=2, kill_after=moments.uniform(0.02, 0.6))
            self.settle(cluster)
            self.assert_slices_alternate(cluster, number + 1)


if __name__ == "__main__":
    unittest.main()
