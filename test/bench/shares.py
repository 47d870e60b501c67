"""The case shares: what is left of ingest, and of /health, to others beside a crowd that is a burden."""

import contextlib
import http.client
import json
import os
import statistics
import subprocess
import threading
import time

import cluster
import events
from bench import POINT

EVENTS = "/api/reporting/events.csv"
PAGE = "/api/reporting/events?limit=1000"  # which the proxy has whole in memory
STORED_EVENTS = 100_000
# (shape of the body, clients)
LOADS = [("device", 16), ("device", 64), ("single", 16), ("single", 64)]
REQUESTS_MAX = {"device": 100_000, "single": 1_000_000}
# What the crowd does; the least share of ingest that is to be left.
CROWDS = {
    "greedy": (["--readers=16", f"--path={EVENTS}"], 0.5),
    "slow": (["--readers=16", f"--path={EVENTS}", "--rate=100000"], 0.5),
    "idle": (["--idle={idle}"], 0.9),
    "slowloris": (["--heads={slow}", "--bodies={slow}", "--answers={slow}", f"--path={PAGE}"], 0.8),
}
NAMES = {
    "greedy": "16 readers of {events:,} events as fast as can be",
    "slow": "16 readers of them at 100 kB/s",
    "idle": "{connections:,} idle connections",
    "slowloris": "{connections:,} slow heads, bodies, answers",
}
PROXY_OPTIONS = ["--max-connections=12000", "--idle-timeout=1h"]
READY_TIMEOUT = 120
PROBE_EVERY = 0.02
PROBE_TIMEOUT = 10


class Crowd:
    """The program crowd, from when all of it is there until it is told to go."""

    def __init__(self, bench, proxy, arguments):
        self.process = subprocess.Popen(
            [os.path.join(bench.programs, "crowd"), f"--port={proxy.port}", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait_until_ready(self):
        timer = threading.Timer(READY_TIMEOUT, self.process.kill)
        timer.start()
        ready = self.process.stdout.readline().strip() == "ready"
        timer.cancel()
        if not ready:
            raise cluster.Failed(f"the crowd did not gather: {self.process.communicate()[1].strip()[-500:]}")

    def dismiss(self):
        """What the crowd has met."""
        out, errors = self.process.communicate()
        if self.process.returncode != 0:
            raise cluster.Failed(f"crowd: {errors.strip()[-500:]}")
        return json.loads(out)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.communicate()


class Probe(cluster.Sampler):
    """Asks /health from a thread, each time on a new connection, as a load balancer does."""

    def __init__(self, port):
        super().__init__(PROBE_EVERY)
        self.port = port
        self.seconds = []
        self.refused = 0

    def sample(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PROBE_TIMEOUT)
        begin = time.monotonic()
        try:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            answer.read()
            self.refused += answer.status != 200
        except (OSError, http.client.HTTPException):
            self.refused += 1
        finally:
            connection.close()
        self.seconds.append(time.monotonic() - begin)


def merge_probes(probes):
    taken = sorted(seconds for probe in probes for seconds in probe.seconds)
    return {"asked": len(taken), "refused": sum(probe.refused for probe in probes),
            "p50_ms": taken[len(taken) // 2] * 1e3, "p99_ms": taken[int((len(taken) - 1) * 0.99)] * 1e3,
            "max_ms": taken[-1] * 1e3}


def load(bench, proxy, shape, clients, seconds):
    """Ingest for so long; each answer is checked, and that the points are there."""
    bench.empty_tables()
    cpu = proxy.cpu_seconds()
    run = bench.program("load", f"--port={proxy.port}", f"--bodies={bench.path(shape)}", f"--clients={clients}",
                        f"--requests={REQUESTS_MAX[shape]}", f"--seconds-limit={seconds}")
    run["proxy_us"] = (proxy.cpu_seconds() - cpu) / run["requests"] * 1e6
    stored = bench.count(POINT)
    if stored != run["points"]:
        raise cluster.Failed(f"{run['points']} points were acknowledged, {stored} are there")
    return run


def measure_side(bench, proxy, seconds):
    """All loads once, with a probe beside them; and the most memory that the proxy had."""
    resting = cluster.reset_peak_memory(proxy.process.pid)
    with Probe(proxy.port) as probe:
        runs = {f"{shape}x{clients}": load(bench, proxy, shape, clients, seconds) for shape, clients in LOADS}
    return {"runs": runs, "probe": probe, "resting": resting,
            "peak": cluster.read_memory(proxy.process.pid, "VmHWM")}


def measure_crowded_side(bench, proxy, arguments, seconds):
    before = cluster.read_memory(proxy.process.pid, "VmRSS")
    with Crowd(bench, proxy, arguments) as crowd:
        crowd.wait_until_ready()
        side = measure_side(bench, proxy, seconds)
        side["met"] = crowd.dismiss()
    side["grown"] = side["resting"] - before
    return side


def join_sides(alone, crowded, connections):
    """Ratios within each round, whose two sides are neighbours in time."""
    loads = {}
    for key in alone[0]["runs"]:
        rates = {name: [side["runs"][key]["requests_per_second"] for side in sides]
                 for name, sides in (("alone", alone), ("crowded", crowded))}
        ratios = [beside / without for beside, without in zip(rates["crowded"], rates["alone"])]
        loads[key] = dict(rates, ratios=ratios, ratio=statistics.median(ratios),
                          p99_ms=statistics.median(side["runs"][key]["p99_ms"] for side in crowded),
                          proxy_us={name: statistics.median(side["runs"][key]["proxy_us"] for side in sides)
                                    for name, sides in (("alone", alone), ("crowded", crowded))})
    return {
        "connections": connections, "loads": loads, "load_average": os.getloadavg()[0],
        "health": {"alone": merge_probes([side["probe"] for side in alone]),
                   "crowded": merge_probes([side["probe"] for side in crowded])},
        # Memory that a crowd has given back stays with the proxy: the first to come shows what it needs.
        "memory": {"gathered_bytes": max(side["grown"] for side in crowded), "peak_alone": alone[0]["peak"],
                   "peak_crowded": max(side["peak"] for side in crowded)},
        "met": [side["met"] for side in crowded],
    }


def measure_crowd(bench, name):
    """Rounds of the same proxy alone and beside the crowd, in turns."""
    quick = bench.options.quick
    idle, slow = bench.options.idle_connections, bench.options.slow_connections // 3
    arguments = [argument.format(idle=idle, slow=slow) for argument in CROWDS[name][0]]
    connections = {"idle": idle, "slowloris": 3 * slow}.get(name, 16)
    seconds = 1 if quick else 3
    alone, crowded = [], []
    print(f" {NAMES[name].format(events=STORED_EVENTS, connections=connections)}", flush=True)
    log = os.path.join(bench.directory, f"proxy_{name}.log")
    with cluster.Proxy(bench.options, bench.server.conninfo, log, PROXY_OPTIONS) as proxy:
        measure_side(bench, proxy, 1)  # warms it up
        turns = [lambda: alone.append(measure_side(bench, proxy, seconds)),
                 lambda: crowded.append(measure_crowded_side(bench, proxy, arguments, seconds))]
        for _ in range(bench.options.repeats):
            bench.server.sql("CHECKPOINT")
            for turn in turns:
                turn()
            turns.reverse()  # nobody always comes first
            print_round(alone[-1], crowded[-1])
    return join_sides(alone, crowded, connections)


def print_round(alone, crowded):
    shares = [f"{key} {crowded['runs'][key]['requests_per_second'] / alone['runs'][key]['requests_per_second']:.2f}"
              for key in alone["runs"]]
    print("  crowded / alone: " + ", ".join(shares), flush=True)


def store_events(bench, count):
    """Events of the app that the readers ask for."""
    bench.server.sql(
        "CREATE EXTENSION telemetry_core;"
        "INSERT INTO telemetry.event (stream, event_id, event_type, occurred_at, device_id, subject_id, app_version, data)"
        " SELECT 'core', 'event_' || i, (ARRAY['shown', 'okClick', 'expired', 'dismissed'])[1 + i % 4],"
        " now() - interval '1 second' * (i % 86400), 'device_' || i % 5000, 'module_' || i % 20, '1.2.0',"
        f" jsonb_build_object('position', i % 300) FROM generate_series(1, {count}) AS i")
    events.check_count(bench, count)


@contextlib.contextmanager
def stored_events(bench):
    try:
        store_events(bench, STORED_EVENTS)
        yield
    finally:
        bench.server.sql("DROP EXTENSION IF EXISTS telemetry_core; TRUNCATE " + ", ".join(events.LOGS))


def case_shares(bench):
    """Each crowd in turns with none."""
    if not bench.is_measured(POINT):
        return
    for shape in REQUESTS_MAX:
        bench.program("generate", "bodies", f"--shape={shape}", "--cycles=1", f"--bodies={bench.path(shape)}")
    figures = bench.results["shares"] = {}
    with stored_events(bench):
        for name in CROWDS:
            figures[name] = measure_crowd(bench, name)
