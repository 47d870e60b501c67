"""Whatever is killed while blocks are rolled up and merged: no point is lost, none is there twice,
blocks are whole and rollups are exact afterwards."""

import datetime
import random
import threading
import time
import unittest

import rollups
import support

SEED = 7
ROUNDS = 12
START = datetime.datetime(2025, 5, 1, tzinfo=datetime.timezone.utc)
START_SQL = "'2025-05-01 00:00:00+00'::timestamptz"
STEP = 7    # seconds between the numbers of points
LOADERS = 3
DEVICES = 4    # of each loader
PAUSE = 0.05    # seconds between a loader's COPYs: every round compares all of the points with its model


def timestamp(number):
    return (START + datetime.timedelta(seconds=number * STEP)).isoformat()


class Copy:
    """One COPY: its value, which tells it from all others, the keys it wrote, and what is known."""

    def __init__(self, number, fresh, again):
        self.value = number / 8
        self.fresh = fresh    # keys (device, number) that no COPY before had
        self.again = again
        self.acknowledged = False


class Loader:
    """Runs one COPY after another and remembers them, in their order; its devices are its own."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.random = random.Random(f"{SEED} {name}")
        self.devices = [f"{name}-{i}" for i in range(DEVICES)]
        self.next = dict.fromkeys(self.devices, 0)
        self.gaps = []
        self.known = []    # keys that are acknowledged
        self.copies = []
        self.problem = None

    def fresh_keys(self):
        """Mostly in order, with gaps that are filled later."""
        if self.gaps and self.random.random() < 0.3:
            return [self.gaps.pop(self.random.randrange(len(self.gaps)))
                    for _ in range(min(len(self.gaps), 50))]
        device = self.random.choice(self.devices)
        first = self.next[device]
        self.next[device] += self.random.choice((1, 1, 20, 200, 1000))
        keys = [(device, number) for number in range(first, self.next[device])]
        skipped = {key for key in keys[1:] if self.random.random() < 0.1}
        self.gaps.extend(sorted(skipped))
        return [key for key in keys if key not in skipped]

    def make_copy(self):
        again = self.random.choices(self.known, k=self.random.choice((0, 0, 5, 60))
                                    if self.known else 0)
        return Copy(len(self.copies) + 1, self.fresh_keys(), again)

    def run_copy(self, copy):
        rows = [f"{timestamp(number)},{device},m,{copy.value}\n"
                for device, number in copy.fresh + copy.again]
        self.random.shuffle(rows)
        self.cluster.copy_in(
            "telemetry.point (ts, device_id, metric, value)", "".join(rows), "(FORMAT csv)",
            before=f"SET telemetry.mixed_block_points = {self.random.choice((0, 100000))}")

    def run_until(self, stopping):
        """Ends with the first COPY that fails once that is to be expected."""
        try:
            while not stopping.is_set():
                copy = self.make_copy()
                self.copies.append(copy)
                try:
                    self.run_copy(copy)
                except support.SqlError as error:
                    if not stopping.wait(5):
                        self.problem = f"a COPY failed: {error}"
                    return
                copy.acknowledged = True
                self.known.extend(copy.fresh)
                stopping.wait(PAUSE)
        except BaseException as error:  # pylint: disable=broad-except
            self.problem = f"{type(error).__name__}: {error}"

    def check(self, test, stored):
        """stored: {key: value}; of a COPY that was not acknowledged all or nothing is there."""
        wanted = {}
        for copy in self.copies:
            present = {key for key in copy.fresh if key in stored}
            if copy.acknowledged:
                test.assertEqual(len(present), len(copy.fresh), "acknowledged points are lost")
            else:
                test.assertIn(len(present), (0, len(copy.fresh)), "a part of a COPY is there")
            if present:
                wanted.update(dict.fromkeys(copy.fresh + copy.again, copy.value))
        found = {key: value for key, value in stored.items() if key[0] in self.devices}
        test.assertEqual({key: (found.get(key), wanted.get(key))
                          for key in found.keys() | wanted.keys()
                          if found.get(key) != wanted.get(key)}, {})

    def acknowledged(self):
        return sum(copy.acknowledged for copy in self.copies)


class JobSession:
    """A session that runs jobs without a pause, beside the worker."""

    def __init__(self, cluster):
        self.session = support.Session(cluster)
        self.session.run("SET client_min_messages = error; SET telemetry.settle_time = 0;")
        self.pid = int(self.session.run("SELECT pg_backend_pid();")[0])

    def run_until(self, stopping):
        try:
            while not stopping.is_set():
                self.session.run("SELECT telemetry.job_roll_up(); SELECT telemetry.job_compact();")
        except (support.SqlError, OSError):
            pass    # killed

    def close(self):
        try:
            self.session.close()
        except OSError:
            pass


class CompactionCrashTest(support.TestCase):
    def setUp(self):
        super().setUp()
        # What a process has written the machine keeps, and only processes are killed here.
        self.cluster = self.start_cluster(fsync="off", jit="off", **{
            "shared_preload_libraries": "telemetry", "telemetry.settle_time": 0,
            "restart_after_crash": "on"})
        for job in ("roll_up", "compact"):
            self.cluster.execute(f"SELECT telemetry.alter_job('{job}', '100 ms')")
        self.random = random.Random(SEED)
        self.loaders = [Loader(self.cluster, f"loader{i}") for i in range(LOADERS)]

    def worker(self):
        pids = self.cluster.rows("SELECT pid FROM telemetry.worker WHERE state = 'running'")
        return int(pids[0][0]) if pids else None

    def kill(self, what, jobs):
        """Ends with the server up again."""
        if what == "server":
            self.cluster.kill()
            self.cluster.start()
            return
        pid = jobs.pid if what == "job session" else support.wait_until(
            self.worker, 30, "a worker")
        started = self.cluster.value("SELECT pg_postmaster_start_time()")
        self.cluster.crash(pid)
        self.assertEqual(self.cluster.value("SELECT pg_postmaster_start_time()"), started)

    def run_round(self, what):
        """Loads, kills and recovers."""
        jobs = JobSession(self.cluster)
        self.addCleanup(jobs.close)
        stopping = threading.Event()
        threads = [threading.Thread(target=actor.run_until, args=(stopping,), daemon=True)
                   for actor in (*self.loaders, jobs)]
        before = sum(loader.acknowledged() for loader in self.loaders)
        for thread in threads:
            thread.start()
        support.wait_until(
            lambda: sum(loader.acknowledged() for loader in self.loaders) >= before + 20,
            30, "some COPYs")
        time.sleep(self.random.uniform(0, 1.5))
        threading.Timer(0.5, stopping.set).start()
        self.kill(what, jobs)
        stopping.set()
        for thread in threads:
            thread.join(60 * support.PATIENCE)
            self.assertFalse(thread.is_alive())
        self.assertEqual([loader.problem for loader in self.loaders if loader.problem], [])

    def check(self):
        rows = self.cluster.rows(
            f"SELECT device_id, (extract(epoch FROM ts - {START_SQL}) / {STEP})::int, num "
            "FROM telemetry.point")
        stored = {(device, int(number)): float(value) for device, number, value in rows}
        self.assertEqual(len(stored), len(rows), "a key is there twice")
        for loader in self.loaders:
            loader.check(self, stored)
        self.assertEqual(
            self.cluster.rows("SELECT count(*), sum(num) FROM telemetry.point"),
            [[str(len(stored)), repr(sum(stored.values())).removesuffix(".0")]])
        self.assertEqual(
            self.cluster.rows("SELECT sum(telemetry.check_block(data)) = sum(n) "
                              "FROM telemetry.block"), [["t"]], "a block is damaged")
        # Also with points that are not rolled up yet.
        for view in ("metric_hourly_live", "metric_daily_live"):
            self.assertEqual(self.cluster.rows(rollups.difference(view)), [], view)

    def test_killed_at_any_moment_loses_and_doubles_nothing(self):
        kinds = ["server", "worker", "job session"] * (ROUNDS // 3)
        self.random.shuffle(kinds)
        for number, what in enumerate(kinds):
            with self.subTest(round=number, killed=what):
                self.run_round(what)
                self.check()
        # The worker is back and does what is left by itself.
        support.wait_until(
            lambda: self.cluster.value("SELECT pending_points FROM telemetry.freshness") == "0",
            60, "the worker to roll up the rest")
        rollups.check_at_rest(self, self.cluster)
        self.cluster.execute("CALL telemetry.compact()")
        self.check()
        rollups.check_at_rest(self, self.cluster)
        steps = dict(self.cluster.rows("SELECT step, sum(transactions) FROM telemetry.compaction "
                                       "GROUP BY 1"))
        self.assertGreater(int(steps["roll_up"]), 20)
        self.assertGreater(int(steps["compact"]), 20)


if __name__ == "__main__":
    unittest.main()
