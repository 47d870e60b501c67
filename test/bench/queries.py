"""The case queries: the routes that read points and aggregates, by 16 clients, beside live points."""

import json
import os
import random
import subprocess
import urllib.parse

import cluster
import lag
from bench import POINT

DEVICES, METRICS, DAYS = 2_000, ("temperature", "humidity", "pressure", "voltage", "battery"), 7
POINT_EVERY = 600  # seconds
CLIENTS = 16
PATHS = 5_000
SEED = 4
LIVE_RATE = DEVICES * len(METRICS)  # a point of each series a second
PROGRAM_TIMEOUT = 600
SERIES = "/api/v1/telemetry/devices/{device}/metrics/temperature"
# The path of each; what its 95th percentile should be below, in milliseconds; and how often each client asks where it does not
# ask as fast as it can: as people and their pages do.
QUERIES = {
    "latest": (SERIES + "/latest", 5, 100),
    "24 h of a series": (SERIES + "/range?time_range=24h", 20, 100),
    "24 h by hours, a device": ("/api/v1/telemetry/aggregated?device_id={device}&{day}", 50, 100),
    "24 h by hours, 2,000 devices": ("/api/v1/telemetry/aggregated?{day}", 50, 5000),
    "statistics of a device": ("/api/v1/telemetry/devices/{device}/stats", 20, 100),
}
# At full speed what an answer takes is what sixteen of them take of the processor.
PACES = ("paced", "full speed")


def insert(ts, source):
    return ("INSERT INTO telemetry.point (ts, device_id, metric, value, unit)"
            f" SELECT {ts}, 'device_' || d, m, round((20 + 5 * sin(t / 20.0 + d))::numeric, 2)::float8::telemetry.value, 'unit'"
            f" FROM {source}, generate_series(1, {DEVICES}) AS d, unnest('{{{','.join(METRICS)}}}'::text[]) AS m")


def load(bench, days):
    bench.empty_tables()
    steps = days * 86400 // POINT_EVERY
    bench.server.sql(insert(f"now() - t * interval '{POINT_EVERY} s' - d % {POINT_EVERY} * interval '1 s'",
                            f"generate_series(1, {steps}) AS t"))
    bench.server.sql("CALL telemetry.compact(); VACUUM (ANALYZE)")
    return steps * LIVE_RATE


class Live:
    """A session that inserts a point of each series every second, until it is told to go."""

    def __init__(self, bench):
        self.process = subprocess.Popen(
            [bench.server.program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", bench.server.conninfo],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        statement = insert("clock_timestamp()", "generate_series(1, 1) AS t")
        self.process.stdin.write(f"{statement} \\watch 1\n")
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.communicate()


def paths(bench, form):
    """Of random devices. The range of aggregates cuts an hour at its start, and the present one: it is up to now as long as is measured."""
    chosen = random.Random(SEED)
    begin, end = bench.server.sql(
        "SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
        " FROM unnest(ARRAY[now() - interval '24 hours', now() + interval '1 minute']) AS t").splitlines()
    day = urllib.parse.urlencode({"metric_name": "temperature", "aggregation_type": "avg", "interval": 3600,
                                  "start_time": begin, "end_time": end})
    return "".join(form.format(device=f"device_{chosen.randint(1, DEVICES)}", day=day) + "\n" for _ in range(PATHS))


def measure(bench, proxy, form, interval, seconds):
    backends = bench.server.sql("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'telemetry-proxy%'").split()
    cpu = sum(cluster.read_cpu_seconds(pid) for pid in backends)
    run = json.loads(cluster.run_command(
        [os.path.join(bench.programs, "ask"), f"--port={proxy.port}", f"--clients={CLIENTS}", f"--seconds={seconds}",
         f"--interval={interval}"],
        PROGRAM_TIMEOUT, input=paths(bench, form)))
    run["backend_ms"] = (sum(cluster.read_cpu_seconds(pid) for pid in backends) - cpu) / run["answers"] * 1e3
    return run


def count_live(bench):
    return int(bench.server.sql("SELECT count(*) FROM telemetry.point WHERE ts >= (SELECT pg_postmaster_start_time())"))


def case_queries(bench):
    """A week of a fleet, then its queries, each beside live points."""
    if not bench.is_measured(POINT):
        return
    other = bench.start_another("queries", lag.SETTINGS)
    try:
        quick = bench.options.quick
        figures = bench.results["queries"] = {"points": load(other, 2 if quick else DAYS), "runs": {}}
        seconds = 5 if quick else 15
        lag.switch_workers(other, True)
        log = os.path.join(other.directory, "proxy_queries.log")
        with cluster.Proxy(other.options, other.server.conninfo, log) as proxy, Live(other):
            for name, (form, _, interval) in QUERIES.items():
                for pace in PACES:
                    before = count_live(other)
                    run = measure(other, proxy, form, interval if pace == "paced" else 0, seconds)
                    run["live_points_per_second"] = (count_live(other) - before) / seconds
                    figures["runs"].setdefault(name, {})[pace] = run
                    print(f"  {name}, {pace}: p50 {run['p50_ms']:.1f} ms, p95 {run['p95_ms']:.1f} ms, processor {run['backend_ms']:.2f} ms", flush=True)
        figures["load_average"] = os.getloadavg()[0]
    finally:
        other.server.stop()
