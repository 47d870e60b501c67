"""The case export: points as CSV over HTTP, of any number, beside COPY TO; memory; a slow reader beside ingest."""

import json
import os
import statistics
import time

import cluster
from bench import POINT

COPY = "COPY (SELECT ts, device_id, metric, num FROM telemetry.point) TO STDOUT (FORMAT csv, HEADER)"
# A line is a row: lines that string_agg puts together cost more than rows do. "quoted" is safe whatever
# the names are; "plain" is for who knows that they need no quotes.
LINES = {
    "quoted": "ts::text || ',' || telemetry.csv_field(device_id) || ',' || telemetry.csv_field(metric)"
              " || ',' || coalesce(num::text, '') || E'\\n'",
    "plain": "ts::text || ',' || device_id || ',' || metric || ',' || coalesce(num::text, '') || E'\\n'",
}
ROUTE = """
CREATE FUNCTION public.export_{name}(params jsonb, body jsonb) RETURNS SETOF telemetry.http_part LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT 200, 'text/csv; charset=utf-8', E'ts,device_id,metric,value\\n'
    UNION ALL
    SELECT NULL, NULL, {line} FROM telemetry.point;
END;
INSERT INTO telemetry.route (method, path, description, dialect, function) VALUES
    ('GET', '/export/{name}', 'All points.', 'bench_export', 'public.export_{name}(jsonb, jsonb)')
"""
EXPORTS = {"quoted": ["--path=/export/quoted"], "plain": ["--path=/export/plain"],
           "plain gzip": ["--path=/export/plain", "--gzip"]}
ROUNDS_MAX = 3
SLOW_RATE = 100_000
CLIENTS = 16
REQUESTS_MAX = 100_000
SAMPLE_EVERY = 0.02
PROGRAM_TIMEOUT = 600


def create_routes(bench):
    bench.server.sql("INSERT INTO telemetry.dialect (name, description) VALUES ('bench_export', 'The benchmark''s.');"
                     + ";".join(ROUTE.format(name=name, line=line) for name, line in LINES.items()))


def drop_routes(bench):
    bench.server.sql("DELETE FROM telemetry.route WHERE dialect = 'bench_export';"
                     "DELETE FROM telemetry.dialect WHERE name = 'bench_export';"
                     + ";".join(f"DROP FUNCTION IF EXISTS public.export_{name}(jsonb, jsonb)" for name in LINES))


def fetch_command(bench, proxy, arguments):
    return [os.path.join(bench.programs, "fetch"), f"--port={proxy.port}", *arguments]


def check_lines(lines, points):
    if lines != points + 1:
        raise cluster.Failed(f"an export of {points} points has {lines} lines beside its head")


def find_export_backends(bench):
    pids = bench.server.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'telemetry-proxy exports'")
    if not pids:
        raise cluster.Failed("the proxy has no connection for exports")
    return pids.split()


class Watch(cluster.Sampler):
    """The most memory of its own that any of some backends has, looked at many times a second."""

    def __init__(self, pids):
        super().__init__(SAMPLE_EVERY)
        self.pids = pids
        self.most = 0

    def sample(self):
        self.most = max(self.most, *[cluster.read_memory(pid, "RssAnon") for pid in self.pids])


def fetch(bench, proxy, name, points, peaks):
    """One export; the most memory it took of the proxy and of a backend is kept in peaks, for the worst of all."""
    cpu = proxy.cpu_seconds()
    cluster.reset_peak_memory(proxy.process.pid)
    with Watch(find_export_backends(bench)) as watch:
        run = json.loads(cluster.run_command(fetch_command(bench, proxy, EXPORTS[name]), PROGRAM_TIMEOUT))
    check_lines(run["lines"], points)
    peak = peaks.setdefault(name, {"proxy": 0, "backend": 0})
    peak["proxy"] = max(peak["proxy"], cluster.read_memory(proxy.process.pid, "VmHWM"))
    peak["backend"] = max(peak["backend"], watch.most)
    return dict(run, rows_per_second=points / run["seconds"], proxy_cpu_seconds=proxy.cpu_seconds() - cpu)


def copy_out(bench, points):
    """By psql, into a program that counts lines, as fetch does."""
    command = (f"set -o pipefail; {bench.server.program('psql')} -XAtq -v ON_ERROR_STOP=1"
               f" -d '{bench.server.conninfo}' -c '{COPY}' | wc -l")
    begin = time.monotonic()
    lines = int(cluster.run_command(["bash", "-c", command], PROGRAM_TIMEOUT))
    seconds = time.monotonic() - begin
    check_lines(lines, points)
    return {"rows": points, "seconds": seconds, "rows_per_second": points / seconds}


def measure_copy_memory(bench):
    """What a backend needs to read the points, whoever asks."""
    with cluster.Session(bench.server) as session, Watch([session.pid]) as watch:
        session.sql(f"\\o /dev/null\n{COPY};\n\\o\nSELECT 1")
    return watch.most


def measure_speed(bench, points):
    """Takes turns; the proxy and its connections are new, so that memory is of these exports alone."""
    log = os.path.join(bench.directory, "proxy_export.log")
    print(f" {points:,} points", flush=True)
    peaks = {}
    with cluster.Proxy(bench.options, bench.server.conninfo, log) as proxy:
        runs = {name: lambda name=name: fetch(bench, proxy, name, points, peaks) for name in EXPORTS}
        runs["copy"] = lambda: copy_out(bench, points)
        taken = bench.repeat(runs, "rows_per_second", ROUNDS_MAX)
    return {"runs": taken, "peaks": peaks, "copy_backend_peak": measure_copy_memory(bench)}


# A slow reader ------------------------------------------------------------------------------------


def load(bench, proxy, seconds):
    """Ingest beside the points that are there. Answers are checked; points of a run before may be replaced."""
    return bench.program("load", f"--port={proxy.port}", f"--bodies={bench.path('device')}", f"--clients={CLIENTS}",
                         f"--requests={REQUESTS_MAX}", f"--seconds-limit={seconds}")


def load_beside_reader(bench, proxy, seconds):
    """The reader is there from before the first request until after the last, and is never behind."""
    command = fetch_command(bench, proxy, [*EXPORTS["plain"], f"--rate={SLOW_RATE}"])
    cluster.reset_peak_memory(proxy.process.pid)
    with cluster.Program(command) as reader:
        run = load(bench, proxy, seconds)
        if not reader.is_running():
            raise cluster.Failed(f"the slow reader has ended: {reader.read_output()}")
        reader.stop()
        read = json.loads(reader.read_output())
    run["reader"] = dict(read, share_of_rate=read["wire_bytes"] / read["seconds"] / SLOW_RATE)
    run["proxy_peak_bytes"] = cluster.read_memory(proxy.process.pid, "VmHWM")
    return run


def measure_slow_reader(bench):
    seconds = 3 if bench.options.quick else 30
    bench.program("generate", "bodies", "--shape=device", "--cycles=1", f"--bodies={bench.path('device')}")
    log = os.path.join(bench.directory, "proxy_slow.log")
    with cluster.Proxy(bench.options, bench.server.conninfo, log) as proxy:
        load(bench, proxy, 1)
        runs = bench.repeat({"alone": lambda: load(bench, proxy, seconds),
                             "beside": lambda: load_beside_reader(bench, proxy, seconds)},
                            "points_per_second", ROUNDS_MAX)
    runs["ratios"] = [beside / alone for beside, alone in
                      zip(runs["beside"]["all_runs"], runs["alone"]["all_runs"])]
    runs["ratio"] = statistics.median(runs["ratios"])
    return runs


def case_export(bench):
    """A tenth of the points, then all; memory is to be the same, but for what reading so many takes by itself."""
    if not bench.is_measured(POINT):
        return
    points = bench.options.export_points
    few = points // 10
    bench.generate("fleet", points, [POINT])
    figures = bench.results["export"] = {"points": points, "few": few}
    create_routes(bench)
    try:
        bench.load(POINT, "fleet", few, rows_limit=few)
        figures["of_few"] = measure_speed(bench, few)
        bench.load(POINT, "fleet", points - few, rows_skipped=few)
        figures["of_all"] = measure_speed(bench, points)
        figures["slow_reader"] = measure_slow_reader(bench)
        figures["load_average"] = os.getloadavg()[0]
    finally:
        drop_routes(bench)
