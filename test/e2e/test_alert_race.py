"""Alerts of series that several sessions write and delete at once, and of a server that is killed: none is lost, none doubled.

ALERT_RACE_SEED=N chooses what the sessions do.
"""

import os
import random
import threading
import time
import unittest

import psycopg2
import psycopg2.extensions

import support

SEED = int(os.environ.get("ALERT_RACE_SEED", "1"))
BEGINNING = "2026-04-01 00:00:00+00"
SERIES = [f"device_{number}" for number in range(6)]
WRITERS = 5
ROUNDS = 10
CYCLES = 3
RULES = """
    INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value, evaluation_window, trigger_count,
        for_seconds, cooldown_minutes, auto_resolve_timeout)
    VALUES ('once', 'Once', 'm', '>', 90, 300, 1, 0, 0, NULL), ('thrice', 'Thrice', 'm', '>', 90, 600, 3, 0, 0, NULL),
        ('held', 'Held', 'm', '>', 90, 300, 1, 1, 0, NULL)
"""
LEVELS = (None, None, None, psycopg2.extensions.ISOLATION_LEVEL_REPEATABLE_READ, psycopg2.extensions.ISOLATION_LEVEL_SERIALIZABLE)


class Writer(threading.Thread):
    """Stores points (ms, device, value) and deletes those of (from_ms, to_ms, device), in any order and in statements and
    transactions of several kinds, until all are committed."""

    def __init__(self, cluster, seed, points, deletions=(), levels=LEVELS):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.random = random.Random(seed)
        self.levels = levels
        self.work = [("store", point) for point in points] + [("delete", deletion) for deletion in deletions]
        self.random.shuffle(self.work)
        self.problem = None
        self.start()

    def run(self):
        try:
            while self.work:
                taken = self.work[:self.random.choice((1, 2, 5, 40))]
                if self.write(taken):
                    self.work = self.work[len(taken):]
        except Exception as error:  # pylint: disable=broad-except
            self.problem = f"{type(error).__name__}: {error}"

    def write(self, work):
        """False if it is to be done again."""
        level = self.random.choice(self.levels)
        try:
            session = psycopg2.connect(self.cluster.conninfo())
        except psycopg2.OperationalError:
            time.sleep(0.05)
            return False
        try:
            if level is not None:
                session.set_isolation_level(level)
            with session.cursor() as cursor:
                for part in (work[:len(work) // 2], work[len(work) // 2:]):
                    self.store(cursor, [point for kind, point in part if kind == "store"])
                    for from_ms, to_ms, device in (deletion for kind, deletion in part if kind == "delete"):
                        cursor.execute("""SELECT telemetry.delete_points(%s, 'm', %s::timestamptz + %s * interval '1 ms',
                                                                         %s::timestamptz + %s * interval '1 ms')""",
                                       (device, BEGINNING, from_ms, BEGINNING, to_ms))
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

    @staticmethod
    def store(cursor, points):
        if points:
            rows = ", ".join(["(%s::timestamptz + %s * interval '1 ms', %s, 'm', %s)"] * len(points))
            values = [field for ms, device, value in points for field in (BEGINNING, ms, device, value)]
            cursor.execute(f"INSERT INTO telemetry.point (ts, device_id, metric, value) VALUES {rows}", values)


class AlertRaceTest(support.TestCase):
    def settle(self, cluster):
        def is_settled():
            cluster.execute("CALL telemetry.run_jobs('alerts')")
            return cluster.value("SELECT (SELECT count(*) FROM telemetry.alert_pending) + (SELECT count(*) FROM telemetry.alert_recount)") == "0"

        support.wait_until(is_settled, 60, "nothing to be pending")
        self.assertEqual(cluster.value("SELECT string_agg(error, '; ') FROM telemetry.alert_rule_error"), "")

    def wait_for(self, writers):
        for writer in writers:
            writer.join(120)
            self.assertFalse(writer.is_alive())
            self.assertIsNone(writer.problem)

    def write_slice(self, cluster, number, value, seed, kill_after=None):
        # Each slice is a minute; no two writers have a point of one series and time.
        writers = [Writer(cluster, f"{seed} {number} {writer}",
                          [(number * 60_000 + place * 100 + writer, device, value) for device in SERIES for place in range(20)])
                   for writer in range(WRITERS)]
        if kill_after is not None:
            time.sleep(kill_after)
            cluster.kill()
            cluster.start()
        self.wait_for(writers)
        # When the last point of a slice was judged first, all others were late, and not enough violate at it.
        cluster.execute(f"""
            INSERT INTO telemetry.point (ts, device_id, metric, value)
            SELECT '{BEGINNING}'::timestamptz + {number} * interval '1 min' + interval '30 s', 'device_' || n, 'm', {value}
            FROM generate_series(0, {len(SERIES) - 1}) AS n""")

    def assert_slices_alternate(self, cluster, rounds):
        """Each even slice has triggered one alert a series and rule, each odd one has resolved it."""
        slice_of = "floor(extract(epoch FROM {} - '%s') / 60)" % BEGINNING
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
            self.write_slice(cluster, number, 95 if number % 2 == 0 else 20, seed=f"one {SEED}")
            self.settle(cluster)
            self.assert_slices_alternate(cluster, number + 1)

    def test_a_server_that_is_killed_loses_no_alert_and_doubles_none(self):
        cluster = self.start_cluster()
        cluster.execute(RULES)
        moments = random.Random(f"moments {SEED}")
        for number in range(6):
            self.write_slice(cluster, number, 95 if number % 2 == 0 else 20, seed=f"two {SEED}", kill_after=moments.uniform(0.02, 0.6))
            self.settle(cluster)
            self.assert_slices_alternate(cluster, number + 1)

    def write_at_once(self, cluster, seed, points, deletions=()):
        """Each point and deletion by one of several sessions, while jobs run."""
        chosen = random.Random(seed)
        work = [([], []) for _ in range(WRITERS)]
        for point in points:
            chosen.choice(work)[0].append(point)
        for deletion in deletions:
            chosen.choice(work)[1].append(deletion)
        # One session has no transaction but of those whose snapshot is kept.
        writers = [Writer(cluster, f"{seed} {number}", *of_one, levels=LEVELS[3:] if number == 0 else LEVELS) for number, of_one in enumerate(work)]
        for job in chosen.sample(("alerts", "roll_up", "compact", "alerts"), 4):
            cluster.execute(f"CALL telemetry.run_jobs('{job}')")
        self.wait_for(writers)
        self.settle(cluster)

    def test_what_is_deleted_by_any_transaction_counts_no_more(self):
        cluster = self.start_cluster()
        cluster.execute("""
            INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value, evaluation_window, trigger_count,
                for_seconds, cooldown_minutes, auto_resolve_timeout)
            VALUES ('ten', 'Ten', 'm', '>', 90, 600, 10, 0, 0, NULL), ('held', 'Held', 'm', '>', 90, 300, 1, 30, 0, NULL)""")
        expected = []
        for cycle in range(CYCLES):
            minute = cycle * 60_000

            def bad(*seconds):
                return [(minute + second * 1000, device, 95) for device in SERIES for second in seconds]

            def deleted(from_second, to_second):
                return [(minute + from_second * 1000, minute + to_second * 1000, device) for device in SERIES]

            def open_alerts():
                return cluster.value("SELECT count(*) FROM telemetry.alert WHERE status <> 'resolved'")

            seed = f"deleted {SEED} {cycle}"
            self.write_at_once(cluster, seed + " a", bad(0, 1, 2, 3))
            # Nine at most, and for less than 30 seconds, in whatever order that is seen.
            self.write_at_once(cluster, seed + " b", bad(10, 11, 12, 13, 14), deleted(0, 5))
            # Would be too many, and for too long, if those that are gone counted.
            self.write_at_once(cluster, seed + " c", bad(31, 32, 33, 34))
            self.assertEqual(open_alerts(), "0")
            self.write_at_once(cluster, seed + " d", bad(41))
            expected += [[rule, device, str(minute // 1000 + 41), str(minute // 1000 + 50)] for rule in ("held", "ten") for device in SERIES]
            self.assertEqual(open_alerts(), str(2 * len(SERIES)))
            # What is deleted keeps no alert from being resolved; none of it counts in the next cycle.
            self.write_at_once(cluster, seed + " e", [(minute + 50_000, device, 20) for device in SERIES], deleted(0, 50))
            self.assertEqual(cluster.value("SELECT count(*) FROM telemetry.point WHERE num > 90"), "0")
            found = cluster.rows(f"""
                SELECT rule_id, device_id, extract(epoch FROM triggered_at - '{BEGINNING}')::integer,
                    extract(epoch FROM resolved_at - '{BEGINNING}')::integer
                FROM telemetry.alert""")
            self.assertEqual(sorted(found), sorted(expected))


if __name__ == "__main__":
    unittest.main()
