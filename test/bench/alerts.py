"""The case alerts: what rules cost ingest, how long backtests take, and how soon an alert is told."""

import contextlib
import datetime
import http.client
import json
import os
import statistics
import time

import cluster
import compaction
import lag
import told
from bench import POINT, PROGRAM_TIMEOUT

BATCH = 100_000  # devices, each with a point in each batch
VIOLATING = 100  # each one of so many devices
RULES = 1_000
MATCHING = 10
TABLES = ("telemetry.alert_rule, telemetry.alert, telemetry.alert_state, telemetry.alert_pending,"
          " telemetry.alert_rule_error, telemetry.alert_rule_total, telemetry.outbox")
# Which devices have a value above every rule's threshold: of the d-th device in the i-th row.
FILES = {"calm": "false", "same": f"d % {VIOLATING} = 0", "random": f"(hashint8(i) & 2147483647) % {VIOLATING} = 0"}
# By run: the file, and how many rules there are.
RUNS = {"calm, no rules": ("calm", 0), "calm, one rule": ("calm", 1), "calm, 1,000 rules": ("calm", RULES),
        "same, no rules": ("same", 0), "same, one rule": ("same", 1),
        "random, no rules": ("random", 0), "random, one rule": ("random", 1)}
PAIRS = [("calm, 1,000 rules", "calm, no rules"), ("calm, one rule", "calm, no rules"),
         ("same, one rule", "same, no rules"), ("random, one rule", "random, no rules")]

YEAR = 365 * 86_400
ONE_EVERY = 30  # seconds
MANY_EVERY = 600
# What is tested: the columns of a rule.
TESTS = {"never violated": {"threshold_value": 100}, "violated each day": {"threshold_value": 29.5},
         "of the rate, all points read": {"measure": "rate", "threshold_value": 100}}

TRAFFIC_RATE = 10_000  # points a second
TRAFFIC_DEVICES = 10_000
TICK = 0.1
PAUSE = 0.02


def case_alerts(bench):
    """Rules beside none, in turns; backtests of a year; from a POST to NOTIFY and to a webhook."""
    if not bench.is_measured(POINT):
        return
    figures = bench.results["alerts"] = {"ingest": measure_ingest(bench)}
    figures["backtest"] = measure_backtests(bench)
    other = bench.start_another("alerts", lag.SETTINGS)
    try:
        figures["latency"] = measure_latency(other)
    finally:
        other.server.stop()


# Ingest ------------------------------------------------------------------------------------------


def write_file(bench, name, batches):
    """A batch each ten seconds, in COPY's binary form."""
    print(f"  writing {batches} batches of {BATCH} points, {name}", flush=True)
    bench.server.sql(
        f"\\copy (SELECT timestamptz '2025-06-01 06:00:00Z' + i / {BATCH} * interval '10 s' + d % 10000 * interval '1 ms',"
        " 'device' || to_char(d, 'FM000000'), 'temperature',"
        f" (CASE WHEN {FILES[name]} THEN 95 ELSE 20 END + (i % 100003 * 7919 % 500) / 100.0::float8)::telemetry.value"
        f" FROM (SELECT i, i % {BATCH} AS d FROM generate_series(0, {batches * BATCH} - 1) AS i) AS r)"
        f" TO '{bench.path(name + '.' + POINT)}' (FORMAT binary)")


def set_rules(bench, count):
    """So many rules and nothing known of them; the first ten are about the metric of the files."""
    bench.server.sql(
        f"TRUNCATE {TABLES};"
        "INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value)"
        f" SELECT 'rule' || r, 'Rule ' || r, CASE WHEN r <= {MATCHING} THEN 'temperature' ELSE 'metric' || r END, '>', '90'"
        f" FROM generate_series(1, {count}) AS r")


def settle(bench):
    """Job alerts until nothing is left to it; the seconds that takes."""
    begin = time.monotonic()
    with cluster.Session(bench.server) as session:
        while session.sql("SELECT telemetry.settle_alerts() OR EXISTS (SELECT FROM telemetry.alert_pending)") == "t":
            if time.monotonic() > begin + PROGRAM_TIMEOUT:
                raise cluster.Failed("job alerts does not come to an end")
    return time.monotonic() - begin


def count_alerts(bench):
    """How many are open, and how many are resolved."""
    return [int(count) for count in bench.server.sql(
        "SELECT count(*) FILTER (WHERE status <> 'resolved'), count(*) FILTER (WHERE status = 'resolved')"
        " FROM telemetry.alert").split("|")]


def load(bench, file, rules):
    """All batches but the first, which is there before: what violates is known then."""
    bench.empty_tables()
    set_rules(bench, rules)
    bench.copy(POINT, file, fresh=False, checkpoint=False, rows_per_copy=BATCH, rows_limit=BATCH)
    settle(bench)
    cpu = cluster.read_ended_cpu_seconds(bench.server)
    run = bench.copy(POINT, file, fresh=False, rows_per_copy=BATCH, rows_skipped=BATCH)
    run["cpu_us"] = (cluster.read_ended_cpu_seconds(bench.server) - cpu) * 1e6 / run["rows"]
    run["left"] = int(bench.server.sql("SELECT count(*) FROM telemetry.alert_pending"))
    run["settle_seconds"] = settle(bench)
    run["open"], run["resolved"] = count_alerts(bench)
    if rules == 0 or file == "calm":
        expected = (0, 0)
    elif file == "same":
        expected = (BATCH // VIOLATING, 0)
    else:
        return run
    if (run["open"], run["resolved"]) != expected:
        raise cluster.Failed(f"{file}, {rules} rules: {run['open']} open and {run['resolved']} resolved alerts, not {expected}")
    return run


def load_and_note(bench, name, costs):
    """Beside the rate, the backend's processor time a row, which other work on the machine changes less."""
    run = load(bench, *RUNS[name])
    costs[name].append(run["cpu_us"])
    return run


def measure_ingest(bench):
    batches = max(bench.options.points // BATCH, 3)
    for file in FILES:
        write_file(bench, file, batches)
    load(bench, "calm", 0)  # a new cluster's first run is nobody's
    costs = {name: [] for name in RUNS}
    runs = bench.repeat({name: lambda name=name: load_and_note(bench, name, costs) for name in RUNS}, "rows_per_second")
    set_rules(bench, 0)
    # The runs of a round are neighbours in time.
    ratios = {name: [a / b for a, b in zip(runs[name]["all_runs"], runs[beside]["all_runs"])] for name, beside in PAIRS}
    return {"batches": batches - 1, "runs": runs, "ratios": ratios,
            "cpu_us": {name: statistics.median(taken) for name, taken in costs.items()}}


# Backtests ---------------------------------------------------------------------------------------


def store_series(bench, metric, series, every):
    """A year: a wave with a period of a day, from 10 to 30, and noise of up to 1."""
    print(f"  storing a year of {series} series, a point each {every} s", flush=True)
    begin = time.monotonic()
    for part in range(12):
        rows = YEAR // every // 12
        bench.server.sql(
            "INSERT INTO telemetry.point (ts, device_id, metric, value)"
            f" SELECT timestamptz '2025-01-01Z' + i * interval '{every} s', 'device' || d, '{metric}',"
            f" 20 + round(1000 * sin(i * 2 * pi() / {86400 // every}))::float8 / 100 + (i * d % 101) / 100.0::float8"
            f" FROM generate_series({part * rows}, {(part + 1) * rows} - 1) AS i, generate_series(1, {series}) AS d")
    with cluster.Session(bench.server) as session:
        compaction.roll_up(session)
        compaction.merge(session)
    compaction.vacuum(bench)
    return time.monotonic() - begin


def test_rule(bench, metric, columns):
    """A rule that is not in the table."""
    rule = {"rule_id": "tested", "name": "Tested", "metric_name": metric, "measure": "value", "condition": ">",
            "evaluation_window": 300, "trigger_count": 1, "for_seconds": 0, "level": "warning", "device_ids": [],
            "device_patterns": [], "device_groups": [], "active_hours": [], "active_timezone": "UTC",
            "cooldown_minutes": 15, "auto_resolve": True, "auto_resolve_timeout": 3600, "late": "ignore", "revision": 1}
    run = bench.program("query", f"--conninfo={bench.server.conninfo}", "--runs=5", "--sql="
                        "SELECT count(*) FROM telemetry.test_alert_rule("
                        f"jsonb_populate_record(NULL::telemetry.alert_rule, '{json.dumps(dict(rule, **columns))}'),"
                        " '2025-01-01Z', '2026-01-01Z')")
    return {"seconds": run["median_ms"] / 1e3, "alerts": int(run["first_row"][0])}


def measure_backtests(bench):
    bench.empty_tables()
    figures = {}
    for metric, series, every in (("one", 1, ONE_EVERY), ("many", bench.options.alert_series, MANY_EVERY)):
        stored = store_series(bench, metric, series, every)
        figures[metric] = {"series": series, "points": series * (YEAR // every // 12 * 12), "store_seconds": stored,
                           "tests": {name: test_rule(bench, metric, columns) for name, columns in TESTS.items()}}
        for name, run in figures[metric]["tests"].items():
            print(f"  {series} series, {name}: {run['seconds']:.3f} s, {run['alerts']} alerts", flush=True)
    return figures


# Latency -----------------------------------------------------------------------------------------


def now_ms():
    return time.time_ns() // 1_000_000


def time_text(ms):
    moment = datetime.datetime.fromtimestamp(ms // 1000, datetime.timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}Z"


def post(connection, path, body):
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise cluster.Failed(f"POST {path} was answered {answer.status}: {text[:200]!r}")


class Traffic(cluster.Sampler):
    """Other devices' points, at a steady rate, in bulk requests to the same proxy."""

    def __init__(self, port):
        super().__init__(0)
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        points = int(TRAFFIC_RATE * TICK)
        # Written once, with a place for the time: the processors are needed for what is measured.
        self.bodies = [json.dumps({f"device{first + number:06}": [{"timestamp": "@", "metric_name": "temperature",
                                                                   "value": 20 + number % 50 / 10}]
                                   for number in range(points)})
                       for first in range(0, TRAFFIC_DEVICES, points)]
        self.points_each = points
        self.sent = 0
        self.begin = time.monotonic()
        self.end = self.begin

    def sample(self):
        time.sleep(max(self.begin + self.sent * TICK - time.monotonic(), 0))
        body = self.bodies[self.sent % len(self.bodies)].replace("@", time_text(now_ms()))
        post(self.connection, "/api/v1/telemetry/bulk", body)
        self.sent += 1
        self.end = time.monotonic()

    def rate(self):
        return self.sent * self.points_each / (self.end - self.begin)


def quantiles(seconds):
    ordered = sorted(seconds)
    return {f"{name}_ms": ordered[int((len(ordered) - 1) * share)] * 1e3
            for name, share in (("p50", 0.5), ("p95", 0.95), ("max", 1))}


def send_and_wait(connection, waiting, value, event):
    """Seconds until the answer, and until what came of the point is told."""
    ms = now_ms()
    body = json.dumps({"timestamp": time_text(ms), "metric_name": "pressure", "value": value})
    begin = time.monotonic_ns()
    post(connection, f"/api/v1/telemetry/devices/{told.DEVICE}/telemetry", body)
    answered = time.monotonic_ns()
    heard = waiting.wait_for(f"{event} {ms}")
    if heard < begin:
        raise cluster.Failed(f"{event} was told {(begin - heard) / 1e6:.1f} ms before its point was sent")
    return (answered - begin) / 1e9, (heard - begin) / 1e9


def measure_side(bench, proxy, waiting, crowded):
    """A point that violates, and one that clears, again and again: each is told of."""
    answered, heard = [], []
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=30)
    with waiting, (Traffic(proxy.port) if crowded else contextlib.nullcontext()) as traffic:
        for _ in range(20 if bench.options.quick else 250):
            answer, notified = send_and_wait(connection, waiting, 99, "alert.triggered")
            answered.append(answer)
            heard.append(notified)
            time.sleep(PAUSE)
            send_and_wait(connection, waiting, 1, "alert.resolved")
            time.sleep(PAUSE)
    connection.close()
    run = {"alerts": len(heard), "answered": quantiles(answered), "told": quantiles(heard)}
    if traffic is not None:
        run["traffic_rate"] = traffic.rate()
    print(f"  {waiting.NAME}, {'beside traffic' if crowded else 'alone'}: told after {run['told']['p50_ms']:.1f} ms,"
          f" p95 {run['told']['p95_ms']:.1f} ms", flush=True)
    return run


def measure_latency(bench):
    set_rules(bench, RULES)
    bench.server.sql("INSERT INTO telemetry.alert_rule (rule_id, name, metric_name, condition, threshold_value, cooldown_minutes)"
                     " VALUES ('pressure', 'Pressure', 'pressure', '>', '90', 0)")
    log = os.path.join(bench.directory, "proxy_alerts.log")
    figures = {}
    with cluster.Proxy(bench.options, bench.server.conninfo, log, ["--deliver-allow-private=127.0.0.1"]) as proxy:
        for kind in (told.Listener, told.Receiver):
            for name in ("alone", "beside"):
                figures[f"{kind.NAME}, {name}"] = measure_side(bench, proxy, kind(bench), name == "beside")
    expected = sum(run["alerts"] for run in figures.values())
    settle(bench)
    triggered = sum(count_alerts(bench))
    if triggered != expected:
        raise cluster.Failed(f"{expected} alerts were to be triggered, not {triggered}")
    return figures


def median_ratio(taken, name):
    """Of the rounds; None if it was not measured."""
    ratios = (taken or {}).get("ratios", {}).get(name)
    return statistics.median(ratios) if ratios else None
