"""The case lag: a server whose worker keeps the rollups while points come in."""

import json
import os
import statistics
import time

import cluster
import compaction
from bench import POINT

SETTINGS = {"shared_preload_libraries": "telemetry"}
FILE_RATE = 1_000  # rows a second of the fleet's own time
STEADY_COPY = 5_000
FULL_COPY = 10_000
FULL_CONNECTIONS = (1, 2)
BACKLOG_PART = 10
SAMPLE_EVERY = 0.5
WAIT_MAX = 60


def case_lag(bench):
    """Steady ingest and how far rollups are behind; ingest at full speed beside the worker."""
    if not bench.is_measured(POINT):
        return
    other = bench.start_another("lag", SETTINGS)
    try:
        points = bench.options.lag_points
        steady = bench.options.lag_rate * bench.options.lag_seconds
        other.generate("fleet", max(points, steady), [POINT])
        figures = bench.results["lag"] = {"points": points, "steady": measure_steady(other, steady)}
        figures["full"] = {}
        for connections in FULL_CONNECTIONS:
            figures["full"][str(connections)] = measure_full(other, points, connections)
    except cluster.Failed as error:
        crashes = "".join("\n" + line for line in other.server.read_crashes())
        raise cluster.Failed(f"{error}{crashes}") from error
    finally:
        other.server.stop()


# The worker --------------------------------------------------------------------------------------


def find_worker(bench):
    """The worker's process, or None."""
    pid = bench.server.sql("SELECT pid FROM telemetry.worker WHERE state = 'running'")
    return int(pid) if pid else None


def switch_workers(bench, on):
    """Turns workers on or off; the worker's process."""
    bench.server.sql(f"ALTER SYSTEM SET telemetry.workers = {'on' if on else 'off'};"
                     " SELECT pg_reload_conf()")
    deadline = time.monotonic() + WAIT_MAX
    while ((pid := find_worker(bench)) is not None) != on:
        if time.monotonic() > deadline:
            state = bench.server.sql("SELECT * FROM telemetry.worker")
            raise cluster.Failed(f"telemetry.workers was changed, but the worker is \"{state}\"")
        time.sleep(0.05)
    return pid


def start_roll_up(bench):
    """Turns workers on and waits until job roll_up has begun; the worker's process."""
    # Due before the worker looks for the first time: else it is found up to a second later.
    began = bench.server.sql("SELECT telemetry.alter_job('roll_up', next_run_at => now());"
                             " SELECT clock_timestamp()").splitlines()[-1]
    worker = switch_workers(bench, True)
    deadline = time.monotonic() + WAIT_MAX
    while bench.server.sql("SELECT running_pid IS NOT NULL OR coalesce(last_started_at >="
                           f" '{began}', false) FROM telemetry.job_status"
                           " WHERE name = 'roll_up'") != "t":
        if time.monotonic() > deadline:
            raise cluster.Failed("the worker does not begin to roll up")
        time.sleep(0.02)
    return worker


def start_empty(bench):
    """No points, and no worker that could be in the way of TRUNCATE."""
    switch_workers(bench, False)
    bench.empty_tables()
    bench.server.sql("CHECKPOINT")


# Steady ------------------------------------------------------------------------------------------


def take_sample(session):
    lag, blocks, points = session.sql(
        "SELECT extract(epoch FROM lag), pending_blocks, pending_points"
        " FROM telemetry.freshness").split("|")
    return {"lag": float(lag), "blocks": int(blocks), "points": int(points)}


def wait_until_rolled_up(session, wait_max=WAIT_MAX):
    """Seconds until nothing is pending."""
    begin = time.monotonic()
    while take_sample(session)["blocks"] > 0:
        if time.monotonic() > begin + wait_max:
            raise cluster.Failed(f"blocks are pending {wait_max} seconds after the last of them came")
        time.sleep(0.05)
    return time.monotonic() - begin


def measure_steady(bench, points):
    """Points of the present at a steady rate, as COPYs of a few thousand."""
    rate, seconds = bench.options.lag_rate, bench.options.lag_seconds
    start_empty(bench)
    worker = switch_workers(bench, True)
    command = [os.path.join(bench.programs, "copy"), f"--replay={rate // FILE_RATE}",
               *bench.copy_arguments(POINT, "fleet", seconds_limit=2 * seconds,
                                     rows_per_copy=STEADY_COPY, rows_limit=points)]
    samples = []
    with cluster.Session(bench.server) as session:
        cpu = cluster.read_cpu_seconds(worker)
        begin = time.monotonic()
        with cluster.Program(command) as program:
            while program.is_running():
                samples.append(dict(take_sample(session), time=time.monotonic() - begin))
                time.sleep(max(begin + len(samples) * SAMPLE_EVERY - time.monotonic(), 0))
            run = json.loads(program.read_output())
        run["rolled_up_after_seconds"] = wait_until_rolled_up(session)
        run["worker_seconds"] = time.monotonic() - begin
    if find_worker(bench) != worker:
        raise cluster.Failed("the worker has ended, or been started anew")
    run["worker_cpu_seconds"] = cluster.read_cpu_seconds(worker) - cpu
    if bench.count(POINT) != run["rows"]:
        raise cluster.Failed(f"{run['rows']} points were sent, {bench.count(POINT)} are there")
    compaction.check_rollups(bench)
    lags = [sample["lag"] for sample in samples]
    blocks = [sample["blocks"] for sample in samples]
    run.update(rate=rate, copy_rows=STEADY_COPY, samples=samples,
               lag_max=max(lags), lag_median=statistics.median(lags), blocks_max=max(blocks),
               points_max=max(sample["points"] for sample in samples))
    print(f"  {run['rows_per_second']:,.0f} points per second: lag up to {run['lag_max']:.1f} s,"
          f" {run['blocks_max']} blocks pending", flush=True)
    return run


# Full speed --------------------------------------------------------------------------------------


def measure_full(bench, points, connections):
    """As many points as can be, with the worker and without it, in turns."""
    worker = {"shares": [], "pending": []}
    runs = bench.repeat({"on": lambda: load_beside_worker(bench, points, connections, worker),
                         "off": lambda: load_alone(bench, points, connections)}, "rows_per_second")
    # The two runs of a round are neighbours in time: what else the machine does meets both alike.
    runs["ratios"] = [on / off for on, off in zip(runs["on"]["all_runs"], runs["off"]["all_runs"])]
    runs["worker_shares"] = worker["shares"]
    runs["pending_points"] = worker["pending"]
    return runs


def load_at_full_speed(bench, points, connections):
    """What comes after load_backlog."""
    backlog = points // BACKLOG_PART
    return bench.copy(POINT, "fleet", fresh=False, checkpoint=False, connections=connections,
                      rows_per_copy=FULL_COPY, rows_skipped=backlog, rows_limit=points - backlog)


def load_backlog(bench, points):
    """The points that give the worker something to do from the start."""
    start_empty(bench)
    bench.load(POINT, "fleet", points // BACKLOG_PART, rows_limit=points // BACKLOG_PART)


def load_alone(bench, points, connections):
    load_backlog(bench, points)
    return load_at_full_speed(bench, points, connections)


def load_beside_worker(bench, points, connections, taken):
    """Notes the share of a processor that the worker took, and what it has left undone."""
    load_backlog(bench, points)
    worker = start_roll_up(bench)
    cpu = cluster.read_cpu_seconds(worker)
    run = load_at_full_speed(bench, points, connections)
    taken["shares"].append((cluster.read_cpu_seconds(worker) - cpu) / run["seconds"])
    taken["pending"].append(int(bench.server.sql("SELECT pending_points FROM telemetry.freshness")))
    return run
