"""Writers, a deleter, readers and jobs at once: points and rollups are those of a model throughout."""

import collections
import datetime
import itertools
import random
import threading
import time
import unittest

import rollups
import support

SEED = 1
SECONDS = 20
START = datetime.datetime(2024, 3, 30, tzinfo=datetime.timezone.utc)
START_SQL = "'2024-03-30 00:00:00+00'::timestamptz"
STEP = 61    # seconds between the numbers of points: some 1,400 a day
METRICS = ("a", "b")
COLUMNS = "telemetry.point (ts, device_id, metric, value)"
NUMBER_SQL = f"(extract(epoch FROM ts - {START_SQL}) / {STEP})::int"


def timestamp(number):
    return (START + datetime.timedelta(seconds=number * STEP)).isoformat()


def value_text(rng, order):
    """Mostly a multiple of 1/8 that tells when it was written, as JSON text."""
    if rng.random() < 0.1:
        return rng.choice(('"open"', "true", '{"a": 1}', "0"))
    return repr(order / 8).removesuffix(".0")


def as_csv(points):
    """The lines of [((device, metric, number), value)]."""
    return "".join(
        '{},{},{},"{}"\n'.format(timestamp(number), device, metric, value.replace('"', '""'))
        for (device, metric, number), value in points)


class Model:
    """What is committed: for each key the value that was stored last, by a global order."""

    def __init__(self):
        self.lock = threading.Lock()
        self.orders = itertools.count(1)
        self.devices = collections.defaultdict(dict)    # device: {(metric, number): (order, value)}
        self.quiet = []     # devices that nobody writes to any more

    def next_order(self):
        with self.lock:
            return next(self.orders)

    def commit(self, written):
        """written: [(order, [(key, value)])]; of equal keys with the same order the last counts."""
        with self.lock:
            for order, points in written:
                for (device, *key), value in points:
                    known = self.devices[device]
                    if order >= known.get(tuple(key), (0, None))[0]:
                        known[tuple(key)] = (order, value)

    def remove(self, device, keys):
        with self.lock:
            for key in keys:
                del self.devices[device][key]

    def retire(self, device):
        """From now on nobody writes to the device."""
        with self.lock:
            self.quiet.append(device)

    def points_of(self, device):
        """{(metric, number): value}"""
        with self.lock:
            return {key: value for key, (_, value) in self.devices[device].items()}

    def some_quiet(self, rng):
        with self.lock:
            device = rng.choice(self.quiet)
        return device, self.points_of(device)

    def count_quiet(self):
        with self.lock:
            return {device: len(self.devices[device]) for device in self.quiet}

    def everything(self):
        return {(device, *key): value
                for device in self.devices for key, value in self.points_of(device).items()}


class Actor(threading.Thread):
    """One session that does one thing after another until told to stop."""

    def __init__(self, cluster, model, name):
        super().__init__(daemon=True, name=name)
        self.random = random.Random(f"{SEED} {name}")
        self.model = model
        self.stopping = threading.Event()
        self.problem = None
        self.done = collections.Counter()
        self.session = support.Session(cluster)
        self.session.run("SET client_min_messages = error; SET jit = off;")

    def run(self):
        try:
            while not self.stopping.is_set():
                self.act()
        except BaseException as error:  # pylint: disable=broad-except
            self.problem = f"{self.name}: {type(error).__name__}: {error}"

    def act(self):
        raise NotImplementedError

    def expect(self, what, found, wanted):
        self.done[what] += 1
        if found != wanted:
            unittest.TestCase().assertEqual(found, wanted, what)


class Writer(Actor):
    """Writes to devices of its own and, in a known order, to some that all writers share."""

    # Held over each COPY to the shared devices, and not over its COMMIT.
    shared = threading.Lock()

    def __init__(self, cluster, model, number):
        super().__init__(cluster, model, f"writer {number}")
        self.number = number
        self.newest = 0
        self.visits = 0

    def own_keys(self):
        """In order, late, or again; they may repeat within the list."""
        device = f"own-{self.number}-{self.random.randrange(3)}"
        how = self.random.random()
        count = self.random.choice((1, 1, 5, 20, 80))
        if how < 0.5:
            self.newest += count
            return [(device, metric, self.newest - i) for i in range(count) for metric in METRICS]
        return [(device, self.random.choice(METRICS), self.random.randrange(self.newest + 100))
                for _ in range(count)]

    def copy(self, keys):
        """One COPY; returns what it has written."""
        order = self.model.next_order()
        points = [(key, value_text(self.random, order)) for key in keys]
        self.session.run(f"COPY {COLUMNS} FROM STDIN (FORMAT csv);\n{as_csv(points)}\\.\n")
        return order, points

    def transaction(self, copies, may_abort=True):
        """copies: functions that COPY."""
        self.session.run("BEGIN; SET LOCAL telemetry.mixed_block_points = "
                         f"{self.random.choice((0, 50, 100000))};")
        written = [copy() for copy in copies]
        if self.random.random() < 0.2:
            time.sleep(self.random.uniform(0, 0.05))
        if may_abort and self.random.random() < 0.1:
            self.session.run("ROLLBACK;")
        else:
            self.session.run("COMMIT;")
            self.model.commit(written)

    def copy_shared(self):
        keys = [(f"shared-{self.random.randrange(2)}", self.random.choice(METRICS),
                 self.random.randrange(300)) for _ in range(self.random.choice((1, 10, 50)))]
        with self.shared:
            return self.copy(keys)

    def copy_own(self):
        return self.copy(self.own_keys())

    def act(self):
        self.transaction(self.random.choices((self.copy_own, self.copy_shared),
                                             k=self.random.choice((1, 1, 2, 3))))
        if self.random.random() < 0.1:
            self.visit()
        time.sleep(self.random.uniform(0, 0.05))

    def visit(self):
        """A device that is written to for a while and then never again."""
        self.visits += 1
        device = f"quiet-{self.number}-{self.visits}"
        first = self.random.randrange(3000)
        for _ in range(self.random.randrange(1, 4)):
            keys = [(device, self.random.choice(METRICS), first + self.random.randrange(150))
                    for _ in range(self.random.choice((1, 20, 100)))]
            self.transaction([lambda keys=keys: self.copy(keys)], may_abort=False)
        self.model.retire(device)


class Deleter(Writer):
    """Writes to a device of its own and deletes from it."""

    def __init__(self, cluster, model):
        super().__init__(cluster, model, 9)
        self.name = "deleter"

    def act(self):
        device = f"deleted-{self.random.randrange(2)}"
        keys = [(device, self.random.choice(METRICS), self.random.randrange(400))
                for _ in range(self.random.choice((1, 20, 100)))]
        self.transaction([lambda: self.copy(keys)])
        if self.random.random() < 0.5:
            self.delete(device)
        time.sleep(self.random.uniform(0, 0.05))

    def delete(self, device):
        metric = self.random.choice((None, *METRICS))
        first = self.random.randrange(-50, 400)
        last = first + self.random.choice((1, 10, 59, 400))
        doomed = [(m, number) for m, number in self.model.points_of(device)
                  if metric in (None, m) and first <= number < last]
        self.session.run("BEGIN;")
        (deleted,) = self.session.run(
            "SELECT telemetry.delete_points('%s', %s, '%s', '%s');" % (
                device, f"'{metric}'" if metric else "NULL", timestamp(first), timestamp(last)))
        self.expect("deleted points", int(deleted), len(doomed))
        if self.random.random() < 0.2:
            self.session.run("ROLLBACK;")
        else:
            self.session.run("COMMIT;")
            self.model.remove(device, doomed)


class Reader(Actor):
    """Asks for what cannot change, in many ways, and for rollups beside the points they are of."""

    def act(self):
        self.random.choice((self.read_device, self.read_device, self.read_latest, self.count_all,
                            self.read_live, self.compare_live, self.read_again))()

    def points_of(self, rows):
        found = [row.split("|", 2) for row in rows]
        return sorted((metric, int(number), value) for metric, number, value in found)

    def read_device(self):
        device, points = self.model.some_quiet(self.random)
        first = self.random.choice((0, self.random.randrange(3000)))
        rows = self.session.run(
            f"SELECT metric, {NUMBER_SQL}, value FROM telemetry.point WHERE device_id = '{device}'"
            f" AND ts >= '{timestamp(first)}';")
        self.expect(f"points of {device} from {first}", self.points_of(rows),
                    sorted((metric, number, value) for (metric, number), value in points.items()
                           if number >= first))

    def read_latest(self):
        device, points = self.model.some_quiet(self.random)
        metric = self.random.choice(METRICS)
        direction = self.random.choice(("ASC", "DESC"))
        limit = self.random.choice((1, 5, 50))
        rows = self.session.run(
            f"SELECT metric, {NUMBER_SQL}, value FROM telemetry.point WHERE device_id = '{device}'"
            f" AND metric = '{metric}' ORDER BY ts {direction} LIMIT {limit};")
        wanted = sorted(((m, number, value) for (m, number), value in points.items()
                         if m == metric), reverse=direction == "DESC")[:limit]
        self.expect(f"the {direction} {limit} of {device}", self.points_of(rows), sorted(wanted))

    def count_all(self):
        wanted = self.model.count_quiet()
        rows = self.session.run("SELECT device_id, count(*) FROM telemetry.point "
                                "WHERE device_id LIKE 'quiet-%' GROUP BY 1;")
        found = dict(row.split("|") for row in rows)
        self.expect("counts of quiet devices",
                    {device: int(found.get(device, 0)) for device in wanted}, wanted)

    def read_live(self):
        """Devices that are quiet are complete in the live views, pending or not."""
        device, points = self.model.some_quiet(self.random)
        hours = collections.Counter()
        for _, number in points:
            hours[(START + datetime.timedelta(seconds=number * STEP)).strftime("%m-%d %H")] += 1
        rows = self.session.run(
            "SELECT to_char(hour, 'MM-DD HH24'), sum(n + others) FROM telemetry.metric_hourly_live "
            f"WHERE device_id = '{device}' GROUP BY 1;")
        self.expect(f"live hours of {device}",
                    {hour: int(n) for hour, n in (row.split("|") for row in rows)}, dict(hours))

    def compare_live(self):
        """Also of those that are not, since one statement sees both at one moment."""
        device = self.random.choice(("own-0-0", "own-1-1", "shared-0", "shared-1", "deleted-0"))
        view = self.random.choice(("metric_hourly_live", "metric_daily_live"))
        self.expect(f"{view} of {device}", self.session.run(
            rollups.difference(view, f"device_id = '{device}'") + ";"), [])

    def read_again(self):
        """A snapshot shows the same however much is replaced meanwhile."""
        query = ("SELECT count(*), sum(num), sum(hashtext(value::text)) FROM telemetry.point; "
                 "SELECT sum(n), sum(sum), sum(others) FROM telemetry.metric_daily_live; "
                 "SELECT sum(n), sum(sum), sum(others) FROM telemetry.metric_hourly;")
        self.session.run("BEGIN ISOLATION LEVEL REPEATABLE READ;")
        before = self.session.run(query)
        time.sleep(self.random.uniform(0, 0.3))
        self.expect("the same snapshot", self.session.run(query), before)
        self.session.run("COMMIT;")


class Jobs(Actor):
    """Runs jobs, as bounded transactions, now and then merging everything."""

    def act(self):
        job = self.random.choices(
            ("SELECT telemetry.job_roll_up();", "SELECT telemetry.job_compact();",
             "CALL telemetry.run_jobs('roll_up');", "CALL telemetry.run_jobs('compact');",
             "CALL telemetry.compact();",
             "BEGIN; SELECT telemetry.job_roll_up(); ROLLBACK;",
             "SELECT telemetry.refresh_device('shared-0', NULL, NULL, NULL);"),
            weights=(8, 8, 4, 4, 1, 1, 1))[0]
        self.session.run(f"SET telemetry.settle_time = {self.random.choice((0, 0, 60))};")
        self.session.run(job)
        self.done[job] += 1
        time.sleep(self.random.choice((0, 0, 0.02, 0.2)))


class RollupsTest(support.TestCase):
    def setUp(self):
        super().setUp()
        self.cluster = self.start_cluster(fsync="off", jit="off")
        self.cluster.execute("SELECT telemetry.set_day_timezone('Europe/Amsterdam')")
        self.model = Model()

    def load_quiet_devices(self):
        rng = random.Random(SEED)
        for device in (f"quiet-{i}" for i in range(10)):
            points = [((device, metric, number), value_text(rng, number))
                      for metric in METRICS for number in rng.sample(range(4000), 200)]
            self.cluster.copy_in(COLUMNS, as_csv(points), "(FORMAT csv)")
            self.model.commit([(self.model.next_order(), points)])
            self.model.retire(device)

    def stored(self):
        rows = self.cluster.rows(f"SELECT device_id, metric, {NUMBER_SQL}, value "
                                 "FROM telemetry.point")
        found = {(device, metric, int(number)): value for device, metric, number, value in rows}
        self.assertEqual(len(found), len(rows), "a key is there twice")
        return found

    def test_all_at_once_end_in_what_the_model_says(self):
        self.load_quiet_devices()
        actors = [*(Writer(self.cluster, self.model, i) for i in range(3)),
                  Deleter(self.cluster, self.model),
                  *(Reader(self.cluster, self.model, f"reader {i}") for i in range(2)),
                  *(Jobs(self.cluster, self.model, f"jobs {i}") for i in range(2))]
        for actor in actors:
            self.addCleanup(actor.session.close)
        for actor in actors:
            actor.start()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and all(actor.is_alive() for actor in actors):
            time.sleep(0.1)
        for actor in actors:
            actor.stopping.set()
        for actor in actors:
            actor.join(60 * support.PATIENCE)
            self.assertFalse(actor.is_alive(), f"{actor.name} hangs")
        self.assertEqual([actor.problem for actor in actors if actor.problem], [])

        wanted = self.model.everything()
        for what in ("with points pending", "all rolled up", "all merged"):
            with self.subTest(what):
                if what == "all rolled up":
                    rollups.check_at_rest(self, self.cluster)
                elif what == "all merged":
                    self.cluster.execute("CALL telemetry.compact()")
                    rollups.check_at_rest(self, self.cluster)
                stored = self.stored()
                self.assertEqual({key: (stored.get(key), wanted.get(key))
                                  for key in stored.keys() | wanted.keys()
                                  if stored.get(key) != wanted.get(key)}, {})
        # Something has happened.
        steps = dict(self.cluster.rows("SELECT step, sum(transactions) FROM telemetry.compaction "
                                       "GROUP BY 1"))
        self.assertGreater(int(steps["roll_up"]), 20)
        self.assertGreater(int(steps["compact"]), 20)


if __name__ == "__main__":
    unittest.main()
