"""What all cases share: the competitors, loading and counting, sizes, taking turns.

Competitors take turns within each repetition, so that whatever else the machine does meets all of
them. Every timed run starts after TRUNCATE and CHECKPOINT.
"""

import json
import os
import statistics
import time

import cluster

PROGRAM_TIMEOUT = 300
RUN_SECONDS = 20

POINT, HEAP, HEAP_PK = "point", "heap", "heap_pk"
TABLES = {POINT: "telemetry.point", HEAP: "public.heap", HEAP_PK: "public.heap_pk"}
STORED_IN = dict(TABLES, **{POINT: "telemetry.block"})
ROLLUPS = ["telemetry.rollup_hour", "telemetry.rollup_day", "telemetry.series"]
COLUMNS = "ts timestamptz, device_id text, metric text, value float8"


def median_run(runs, key):
    """The run in the middle by one figure, with that figure of all runs beside it."""
    middle = statistics.median_low(run[key] for run in runs)
    chosen = next(run for run in runs if run[key] == middle)
    return dict(chosen, all_runs=[run[key] for run in runs])


def as_options(values):
    """Arguments of a program: {"rows_limit": 5, "csv": True} is --rows-limit=5 --csv."""
    return [f"--{key.replace('_', '-')}" + ("" if value is True else f"={value}")
            for key, value in values.items()]


def rows_alike(left, right):
    """Whether two rows of text are the same up to the order in which floats were added."""
    if len(left) != len(right):
        return False
    for a, b in zip(left, right):
        try:
            if abs(float(a) - float(b)) > 1e-9 * max(abs(float(a)), 1):
                return False
        except ValueError:
            if a != b:
                return False
    return True


class Bench:
    """Runs cases on a started cluster and leaves figures in "results"."""

    def __init__(self, options, servers, directory, programs, results):
        self.options = options
        self.servers = servers  # of which the last is this one's
        self.server = servers[-1]
        self.directory = directory
        self.data = os.path.join(directory, "data")
        self.programs = programs
        self.results = results
        if not os.path.exists(self.data):
            os.mkdir(self.data)
        server = self.server
        server.sql(f"CREATE TABLE public.heap ({COLUMNS});"
                   f"CREATE TABLE public.heap_pk ({COLUMNS}, PRIMARY KEY (device_id, metric, ts))")
        self.grow_wal()
        self.competitors = [HEAP, HEAP_PK]
        if options.heap_only:
            pass
        elif cluster.extension_is_installed(options):
            server.sql("CREATE EXTENSION telemetry CASCADE; CREATE EXTENSION telemetry_playback")
            self.competitors.insert(0, POINT)
        else:
            results["errors"].append("the telemetry extension is not installed (make install):"
                                     " measured the heap tables only")

    def grow_wal(self):
        """Makes the WAL files the runs then recycle: else the first to come pays for making them."""
        self.server.sql("SELECT count(pg_logical_emit_message(false, 'bench', repeat('x', 1 << 20)))"
                        " FROM generate_series(1, 1024); CHECKPOINT; CHECKPOINT")

    def start_another(self, name, settings):
        """A Bench with the same data on a cluster of its own, for settings that need a restart."""
        server = cluster.Cluster(self.options, os.path.join(self.directory, name), settings)
        self.servers.append(server)
        server.start()
        return Bench(self.options, self.servers, self.directory, self.programs, self.results)

    def run_case(self, name, case):
        busy = cluster.measure_busy_share()
        self.results["machine"].setdefault("busy_before", {})[name] = busy
        print(f"case {name} (other work takes {busy:.0%} of the machine)", flush=True)
        begin = time.monotonic()
        try:
            case(self)
        except cluster.Failed as error:
            print(f"  failed: {error}", flush=True)
            crashes = "".join("\n" + line for line in self.server.read_crashes())
            self.results["errors"].append(f"case {name}: {error}{crashes}")
            self.server.wait_until_ready()
        finally:
            self.empty_tables()
            for file in os.listdir(self.data):
                os.unlink(self.path(file))
            seconds = time.monotonic() - begin
            self.results["machine"].setdefault("case_seconds", {})[name] = round(seconds, 1)

    def is_measured(self, name):
        return name in self.competitors

    def program(self, name, *arguments):
        out = cluster.run_command([os.path.join(self.programs, name), *arguments], PROGRAM_TIMEOUT)
        return json.loads(out) if out.strip() else None

    def path(self, name):
        return os.path.join(self.data, name)

    def generate(self, kind, points, forms, name=None, **more):
        """Writes the data of one kind: forms of "point", "heap", "csv"; as files of that name."""
        print(f"  generating {points} points", flush=True)
        self.program("generate", kind, f"--points={points}", *as_options(more),
                     *[f"--{form}={self.path((name or kind) + '.' + form)}" for form in forms])

    def empty_tables(self):
        tables = [STORED_IN[name] for name in self.competitors]
        self.server.sql("TRUNCATE " + ", ".join(tables))

    def count(self, name):
        return int(self.server.sql(f"SELECT count(*) FROM {TABLES[name]}"))

    def size(self, name):
        """Bytes of the table, partitions, TOAST and indexes included."""
        table = STORED_IN[name]
        return int(self.server.sql(
            f"SELECT coalesce(sum(pg_total_relation_size(relid)), pg_total_relation_size('{table}'))"
            f" FROM pg_partition_tree('{table}')"))

    def wal_position(self):
        return int(self.server.sql("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"))

    def copy_arguments(self, name, kind, csv=False, seconds_limit=RUN_SECONDS, **more):
        form = "csv" if csv else POINT if name == POINT else HEAP
        if csv:
            more["csv"] = True
        return [f"--conninfo={self.server.conninfo}", f"--table={TABLES[name]}",
                f"--file={self.path(kind + '.' + form)}", f"--seconds-limit={seconds_limit}",
                *as_options(more)]

    def copy(self, name, kind, fresh=True, checkpoint=True, **more):
        """One timed COPY run of a competitor; "more" are options of the program copy."""
        arguments = self.copy_arguments(name, kind, **more)
        if fresh:
            self.empty_tables()
        if checkpoint:
            self.server.sql("CHECKPOINT")
        wal = self.wal_position()
        run = self.program("copy", *arguments)
        run["wal_bytes_per_row"] = (self.wal_position() - wal) / max(run["rows"], 1)
        if fresh:
            run["bytes_per_row"] = self.size(name) / max(run["rows"], 1)
        if run.get("rejected"):
            raise cluster.Failed(f"{run['rejected']} rows were rejected")
        return run

    def load(self, name, kind, points, **more):
        """Puts so many points there in a few large COPYs, beside what is there."""
        run = self.copy(name, kind, fresh=False, rows_per_copy=max(points // 4, 1),
                        seconds_limit=PROGRAM_TIMEOUT, **more)
        print(f"  loaded {name}: {run['rows_per_second']:,.0f} rows per second", flush=True)
        if run["rows"] != points:
            raise cluster.Failed(f"{name} took {run['rows']} of {points} rows")
        return run

    def repeat(self, runs, key, rounds_max=None):
        """Runs each callable in turn, as often as wanted; the median of each by a figure."""
        rounds = min(self.options.repeats, rounds_max or self.options.repeats)
        done = {name: [] for name in runs}
        order = list(runs)
        for _ in range(rounds):
            for name in order:
                done[name].append(runs[name]())
                figure = done[name][-1][key]
                print(f"  {name}: {figure:,.1f} {key.replace('_', ' ')}", flush=True)
            order = order[1:] + order[:1]  # nobody always comes first
        return {name: median_run(done[name], key) for name in runs}
