"""The cases: what is loaded, in which order, and what is taken down of it.

Competitors take turns within each repetition, so that whatever else the machine does meets all of
them. Every timed run starts after TRUNCATE and CHECKPOINT.
"""

import json
import os
import statistics

import cluster

CASES = ["copy", "small", "http", "series", "read"]
PROGRAM_TIMEOUT = 300
RUN_SECONDS = 20

POINT, HEAP, HEAP_PK = "point", "heap", "heap_pk"
TABLES = {POINT: "telemetry.point", HEAP: "public.heap", HEAP_PK: "public.heap_pk"}
STORED_IN = dict(TABLES, **{POINT: "telemetry.block"})
COLUMNS = "ts timestamptz, device_id text, metric text, value float8"

# (rows a COPY, connections): rows measured in all
SMALL_COPIES = {(1, 1): 4_000, (50, 1): 100_000, (500, 1): 500_000, (5_000, 1): 2_000_000,
                (5_000, 2): 2_000_000}
# (shape of the body, clients): requests
HTTP_RUNS = {("device", 1): 600, ("device", 16): 2_000, ("device", 64): 2_000,
             ("bulk", 16): 2_000,
             ("single", 1): 4_000, ("single", 16): 60_000, ("single", 64): 120_000}
BODY_CYCLES = {"device": 1, "bulk": 20, "single": 1}

DEVICE = "device_1000"
FROM, TO = "2025-06-01 00:00:00+00", "2025-06-02 00:00:00+00"
QUERIES = {
    "latest of one series": (
        "SELECT ts, value FROM {table} WHERE device_id = $1 AND metric = $2"
        " ORDER BY ts DESC LIMIT 1", [DEVICE, "temperature"]),
    "one series, 24 h raw": (
        "SELECT ts, value FROM {table} WHERE device_id = $1 AND metric = $2"
        " AND ts >= $3 AND ts < $4 ORDER BY ts", [DEVICE, "temperature", FROM, TO]),
    "one series, 24 h hourly avg": (
        "SELECT date_trunc('hour', ts) AS hour, avg({number}) FROM {table}"
        " WHERE device_id = $1 AND metric = $2 AND ts >= $3 AND ts < $4"
        " GROUP BY hour ORDER BY hour", [DEVICE, "temperature", FROM, TO]),
    "1 device x 5 metrics, hourly avg": (
        "SELECT metric, date_trunc('hour', ts) AS hour, avg({number}) FROM {table}"
        " WHERE device_id = $1 GROUP BY metric, hour ORDER BY metric, hour", [DEVICE]),
    "all devices, one metric, hourly avg": (
        "SELECT date_trunc('hour', ts) AS hour, avg({number}) FROM {table}"
        " WHERE metric = $1 GROUP BY hour ORDER BY hour", ["temperature"]),
    "count(*)": ("SELECT count(*) FROM {table}", []),
}


def median_run(runs, key):
    """The run in the middle by one figure, with that figure of all runs beside it."""
    middle = statistics.median_low(run[key] for run in runs)
    chosen = next(run for run in runs if run[key] == middle)
    return dict(chosen, all_runs=[run[key] for run in runs])


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

    def __init__(self, options, server, data, programs, results):
        self.options = options
        self.server = server
        self.data = data
        self.programs = programs
        self.results = results
        os.mkdir(data)
        server.sql(f"CREATE TABLE public.heap ({COLUMNS});"
                   f"CREATE TABLE public.heap_pk ({COLUMNS}, PRIMARY KEY (device_id, metric, ts))")
        self.grow_wal()
        self.competitors = [HEAP, HEAP_PK]
        if options.heap_only:
            pass
        elif cluster.extension_is_installed(options):
            server.sql("CREATE EXTENSION telemetry")
            self.competitors.insert(0, POINT)
        else:
            results["errors"].append("the telemetry extension is not installed (make install):"
                                     " measured the heap tables only")

    def grow_wal(self):
        """Makes the WAL files the runs then recycle: else the first to come pays for making them."""
        self.server.sql("SELECT count(pg_logical_emit_message(false, 'bench', repeat('x', 1 << 20)))"
                        " FROM generate_series(1, 1024); CHECKPOINT; CHECKPOINT")

    def run_case(self, name):
        busy = cluster.measure_busy_share()
        self.results["machine"].setdefault("busy_before", {})[name] = busy
        print(f"case {name} (other work takes {busy:.0%} of the machine)", flush=True)
        try:
            getattr(self, "case_" + name)()
        except cluster.Failed as error:
            print(f"  failed: {error}", flush=True)
            crashes = "".join("\n" + line for line in self.server.read_crashes())
            self.results["errors"].append(f"case {name}: {error}{crashes}")
            self.server.wait_until_ready()
        finally:
            self.empty_tables()
            for file in os.listdir(self.data):
                os.unlink(os.path.join(self.data, file))

    def program(self, name, *arguments):
        out = cluster.run_command([os.path.join(self.programs, name), *arguments], PROGRAM_TIMEOUT)
        return json.loads(out) if out.strip() else None

    def path(self, name):
        return os.path.join(self.data, name)

    def generate(self, kind, points, forms):
        """Writes the data of one kind: forms of "point", "heap", "csv"."""
        print(f"  generating {points} points", flush=True)
        self.program("generate", kind, f"--points={points}",
                     *[f"--{form}={self.path(kind + '.' + form)}" for form in forms])

    def empty_tables(self):
        tables = [STORED_IN[name] for name in self.competitors]
        self.server.sql("TRUNCATE " + ", ".join(tables))

    def count(self, name):
        return int(self.server.sql(f"SELECT count(*) FROM {TABLES[name]}"))

    def size(self, name):
        return int(self.server.sql(f"SELECT pg_total_relation_size('{STORED_IN[name]}')"))

    def wal_position(self):
        return int(self.server.sql("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"))

    def copy(self, name, kind, csv=False, fresh=True, **more):
        """One timed COPY run of a competitor; "more" are options of the program copy."""
        form = "csv" if csv else POINT if name == POINT else HEAP
        arguments = [f"--conninfo={self.server.conninfo}", f"--table={TABLES[name]}",
                     f"--file={self.path(kind + '.' + form)}", f"--seconds-limit={RUN_SECONDS}"]
        arguments += [f"--{key.replace('_', '-')}" + ("" if value is True else f"={value}")
                      for key, value in more.items()]
        if csv:
            arguments.append("--csv")
        if fresh:
            self.empty_tables()
        self.server.sql("CHECKPOINT")
        wal = self.wal_position()
        run = self.program("copy", *arguments)
        run["wal_bytes_per_row"] = (self.wal_position() - wal) / max(run["rows"], 1)
        if fresh:
            run["bytes_per_row"] = self.size(name) / max(run["rows"], 1)
        if run.get("rejected"):
            raise cluster.Failed(f"{run['rejected']} rows were rejected")
        return run

    def repeat(self, runs, key):
        """Runs each callable in turn, as often as wanted; the median of each by a figure."""
        done = {name: [] for name in runs}
        order = list(runs)
        for _ in range(self.options.repeats):
            for name in order:
                done[name].append(runs[name]())
                figure = done[name][-1][key]
                print(f"  {name}: {figure:,.1f} {key.replace('_', ' ')}", flush=True)
            order = order[1:] + order[:1]  # nobody always comes first
        return {name: median_run(done[name], key) for name in runs}

    # Cases -----------------------------------------------------------------------------------

    def case_copy(self):
        """The same rows in one COPY, binary and CSV; size; the same file once more."""
        self.generate("fleet", self.options.points, [POINT, HEAP, "csv"])
        figures = self.results["copy"] = {"points": self.options.points}
        # A new cluster's first runs are slow for whoever has them: nobody's count.
        for name in self.competitors:
            self.copy(name, "fleet")
        for form in ("binary", "csv"):
            figures[form] = self.repeat(
                {name: lambda name=name: self.copy(name, "fleet", csv=form == "csv")
                 for name in self.competitors}, "rows_per_second")
        if POINT in self.competitors:
            figures["twice"] = self.load_twice()

    def load_twice(self):
        self.copy(POINT, "fleet")
        before = self.count(POINT)
        again = self.copy(POINT, "fleet", fresh=False)
        after = self.count(POINT)
        if after != before:
            self.results["errors"].append(f"the same file twice: {before} rows became {after}")
        return {"count_before": before, "count_after": after,
                "rows_per_second": again["rows_per_second"]}

    def case_small(self):
        """COPYs of few rows, each a transaction."""
        self.generate("fleet", self.options.points, [POINT, HEAP])
        figures = self.results["small"] = {}
        for (rows, connections), limit in SMALL_COPIES.items():
            if self.options.quick:
                limit = max(rows * 20, limit // 10)
            print(f" COPYs of {rows} rows, {connections} connections", flush=True)
            more = {"rows_per_copy": rows, "connections": connections,
                    "rows_limit": min(limit, self.options.points)}
            runs = {name: lambda name=name: self.copy(name, "fleet", **more)
                    for name in self.competitors}
            if POINT in self.competitors:
                runs["point_result"] = lambda: self.copy(POINT, "fleet", ingest_result=True, **more)
            figures[f"{rows}x{connections}"] = self.repeat(runs, "rows_per_second")

    def load_http(self, proxy, shape, clients):
        requests = HTTP_RUNS[shape, clients]
        if self.options.quick:
            requests = max(requests // 20, clients * 2)
        self.empty_tables()
        self.server.sql("CHECKPOINT")
        cpu = proxy.cpu_seconds()
        run = self.program("load", f"--port={proxy.port}", f"--bodies={self.path(shape)}",
                           f"--clients={clients}", f"--requests={requests}",
                           f"--seconds-limit={RUN_SECONDS}")
        run["proxy_cpu_seconds"] = proxy.cpu_seconds() - cpu
        stored = self.count(POINT)
        if stored != run["points"]:
            raise cluster.Failed(f"{run['points']} points were acknowledged, {stored} are there")
        return run

    def case_http(self):
        """Requests to the proxy, each answered after commit; beside COPY CSV into the bare heap."""
        if POINT not in self.competitors:
            return
        self.generate("fleet", self.options.points, ["csv"])
        for shape, cycles in BODY_CYCLES.items():
            self.program("generate", "bodies", f"--shape={shape}", f"--cycles={cycles}",
                         f"--bodies={self.path(shape)}")
        log = os.path.join(os.path.dirname(self.data), "proxy.log")
        with cluster.Proxy(self.options, self.server.conninfo, log) as proxy:
            runs = {f"{shape}x{clients}":
                    lambda shape=shape, clients=clients: self.load_http(proxy, shape, clients)
                    for shape, clients in HTTP_RUNS}
            runs["heap_csv"] = self.copy_csv_baseline
            self.results["http"] = self.repeat(runs, "points_per_second")

    def copy_csv_baseline(self):
        run = self.copy(HEAP, "fleet", csv=True)
        return dict(run, points_per_second=run["rows_per_second"])

    def case_series(self):
        """Many series of one point each, beside as many points of the fleet's 10,000 series."""
        points = self.options.series
        self.generate("fleet", points, [POINT, HEAP])
        self.generate("series", points, [POINT, HEAP])
        figures = self.results["series"] = {"series": points}
        for rows in (0, 5_000):
            runs = {}
            for name in self.competitors:
                if name == HEAP_PK and rows > 0:
                    continue
                for kind in ("fleet", "series"):
                    runs[f"{name} {kind}"] = lambda name=name, kind=kind: self.copy(
                        name, kind, rows_per_copy=rows)
            print(f" COPYs of {rows or points} rows", flush=True)
            figures[str(rows)] = self.repeat(runs, "rows_per_second")

    def load_for_reads(self):
        """A few large COPYs; the heap gets its key afterwards, which packs its index best."""
        points = self.options.read_points
        forms = [POINT, HEAP] if POINT in self.competitors else [HEAP]
        self.generate("fleet", points, forms)
        self.empty_tables()
        self.server.sql("ALTER TABLE public.heap_pk DROP CONSTRAINT heap_pk_pkey")
        for name in self.competitors:
            if name == HEAP:
                continue
            run = self.copy(name, "fleet", fresh=False, rows_per_copy=max(points // 4, 1),
                            seconds_limit=PROGRAM_TIMEOUT)
            print(f"  loaded {name}: {run['rows_per_second']:,.0f} rows per second", flush=True)
            if run["rows"] != points:
                raise cluster.Failed(f"{name} took {run['rows']} of {points} rows")
        self.server.sql("ALTER TABLE public.heap_pk ADD PRIMARY KEY (device_id, metric, ts)")
        for name in self.competitors:
            self.server.sql(f"VACUUM (ANALYZE) {STORED_IN[name]}")
        if POINT in self.competitors:
            self.server.sql("ANALYZE telemetry.point")

    def case_read(self):
        """Queries of one warm session, each simple and prepared."""
        self.load_for_reads()
        figures = self.results["read"] = {"points": self.options.read_points, "queries": {}}
        for query, (text, parameters) in QUERIES.items():
            taken = figures["queries"][query] = {}
            for name in (POINT, HEAP_PK):
                if name not in self.competitors:
                    continue
                sql = text.format(table=TABLES[name], number="num" if name == POINT else "value")
                for mode in ("simple", "prepared"):
                    prepared = ["--prepared"] if mode == "prepared" else []
                    taken[f"{name} {mode}"] = self.program(
                        "query", f"--conninfo={self.server.conninfo}", f"--sql={sql}",
                        f"--seconds={RUN_SECONDS // 2}", *prepared, "--", *parameters)
            medians = ", ".join(f"{name} {run['median_ms']:.3f}" for name, run in taken.items())
            print(f"  {query}: {medians} ms", flush=True)
            first, *others = taken.values()
            for other in others:
                if other["rows"] != first["rows"] or \
                        not rows_alike(other["first_row"], first["first_row"]):
                    raise cluster.Failed(f"the answers to \"{query}\" differ")
