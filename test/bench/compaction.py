"""The cases of compaction: compact (sizes and speed) and rollup_cost (per new point)."""

import time

import cluster
from bench import POINT, ROLLUPS, STORED_IN, median_run, rows_alike

REPEATS = 100_000

# A round is five reports of each of the fleet's 10,000 series. Rollups are kept every 2 seconds and
# blocks merged every 10, unless told otherwise: hence after each round and after every fifth.
ROUND_POINTS = 50_000
ROUNDS = 60
WARM_ROUNDS = 5
MERGE_EVERY = 5


# Steps -----------------------------------------------------------------------------------------


def roll_up(session):
    while session.sql("SELECT telemetry.job_roll_up()") == "t":
        pass


def run_job_compact(session):
    while session.sql("SELECT telemetry.job_compact()") == "t":
        pass


def merge(session):
    session.sql("CALL telemetry.compact()")


def vacuum(bench):
    """What autovacuum does in time, and ANALYZE."""
    bench.server.sql("".join(f"VACUUM (ANALYZE) {table};" for table in [STORED_IN[POINT], *ROLLUPS])
                     + "ANALYZE telemetry.point")


def compact(bench):
    with cluster.Session(bench.server) as session:
        roll_up(session)
        merge(session)
    check_rollups(bench)


def check_rollups(bench):
    """Nothing is pending, and rollups are of as many points as there are, with the same sum."""
    pending, *counted = bench.server.sql(
        "SELECT (SELECT pending_blocks FROM telemetry.freshness), sum(n + others), sum(sum)"
        " FROM telemetry.metric_hourly").split("|")
    if pending != "0":
        raise cluster.Failed(f"roll_up has ended, and {pending} blocks are pending")
    stored = bench.server.sql("SELECT count(*), sum(num) FROM telemetry.point").split("|")
    if not rows_alike(counted, stored):
        raise cluster.Failed(f"count and sum of points are {' and '.join(stored)},"
                             f" of rollups {' and '.join(counted)}")


def count_points_read(bench):
    """By all compaction so far, of all steps."""
    return int(bench.server.sql("SELECT coalesce(sum(points_in), 0) FROM telemetry.compaction"))


def take_cost(bench, session, step):
    """Runs a step in a session: what it took."""
    read = count_points_read(bench)
    wal = bench.wal_position()
    cpu = session.cpu_seconds()
    begin = time.monotonic()
    step(session)
    return {"seconds": time.monotonic() - begin, "cpu_seconds": session.cpu_seconds() - cpu,
            "wal_bytes": bench.wal_position() - wal, "points_read": count_points_read(bench) - read}


def take_state(bench, points):
    """Points, blocks and their size."""
    blocks, data = bench.server.sql(
        "SELECT count(*), coalesce(sum(pg_column_size(data)), 0) FROM telemetry.block").split("|")
    total = bench.server.sql("SELECT sum(num) FROM telemetry.point")
    size = bench.size(POINT)
    return {"count": bench.count(POINT), "sum": float(total), "blocks": int(blocks), "bytes": size,
            "bytes_per_point": size / points, "data_bytes_per_point": int(data) / points}


def take_rollups(bench, points):
    taken = {}
    for table in ROLLUPS:
        rows, size = bench.server.sql(
            f"SELECT count(*), pg_total_relation_size('{table}') FROM {table}").split("|")
        taken[table] = {"rows": int(rows), "bytes": int(size), "bytes_per_point": int(size) / points}
    return taken


# Case compact ------------------------------------------------------------------------------------


def case_compact(bench):
    """Compaction to rest, then points that come again."""
    if not bench.is_measured(POINT):
        return
    points = bench.options.read_points
    figures = bench.results["compact"] = {"points": points}
    bench.generate("fleet", points, [POINT])
    bench.empty_tables()
    bench.load(POINT, "fleet", points)
    with cluster.Session(bench.server) as session:
        states = figures["states"] = {"as ingested": take_state(bench, points)}
        for label, step in (("rolled up", roll_up), ("merged", merge)):
            cost = take_cost(bench, session, step)
            vacuum(bench)
            states[label] = dict(take_state(bench, points), **cost)
            print(f"  {label}: {cost['points_read']:,} points in {cost['seconds']:.2f} seconds,"
                  f" {states[label]['bytes_per_point']:.3f} bytes a point", flush=True)
    check_rollups(bench)
    figures["rollups"] = take_rollups(bench, points)
    before = take_state(bench, points)
    rounds = [load_repeats(bench, points, number) for number in range(bench.options.repeats)]
    # Sizes are of the store before any repeats and after each round of them: compaction writes
    # large blocks anew, so the first round can cost room that the following ones find again.
    figures["repeats"] = dict(median_run(rounds, "rows_per_second"), before=before,
                              after=[taken["after"] for taken in rounds])


def load_repeats(bench, points, number):
    """Random points with other values into a store at rest, and compaction to rest again."""
    rows = min(REPEATS, points // 10)
    bench.generate("repeats", points, [POINT], sample=rows, sample_seed=number + 1)
    before = take_state(bench, points)
    copied = bench.copy(POINT, "repeats", fresh=False)
    with cluster.Session(bench.server) as session:
        rolled_up = take_cost(bench, session, roll_up)
        merged = take_cost(bench, session, merge)
    vacuum(bench)
    check_rollups(bench)
    after = take_state(bench, points)
    if after["count"] != before["count"]:
        bench.results["errors"].append(
            f"{rows} repeats: {before['count']} points became {after['count']}")
    if after["sum"] < before["sum"] + rows / 100:
        bench.results["errors"].append(f"{rows} repeats with higher values did not replace others")
    print(f"  {rows:,} repeats: {copied['rows_per_second']:,.0f} rows per second, then"
          f" {rolled_up['seconds']:.1f} + {merged['seconds']:.1f} seconds,"
          f" {after['bytes_per_point']:.3f} bytes a point", flush=True)
    return {"rows": rows, "rows_per_second": copied["rows_per_second"],
            "wal_bytes_per_row": copied["wal_bytes_per_row"],
            "roll_up": rolled_up, "merge": merged, "after": after}


# Case rollup_cost --------------------------------------------------------------------------------


def case_rollup_cost(bench):
    """What a new point costs the rollups, with few and with many points stored."""
    if not bench.is_measured(POINT):
        return
    rounds = 6 if bench.options.quick else ROUNDS
    largest = max(bench.options.stored)
    figures = bench.results["rollup_cost"] = {"rounds": rounds, "round_points": ROUND_POINTS,
                                              "stored": {}}
    bench.generate("fleet", largest, [POINT], name="stored")
    bench.generate("fleet", (WARM_ROUNDS + rounds) * ROUND_POINTS, [POINT], name="new", skip=largest)
    for stored in bench.options.stored:
        # The latest of them, so that the new points are the same and follow at once.
        bench.empty_tables()
        bench.load(POINT, "stored", stored, rows_skipped=largest - stored)
        compact(bench)
        vacuum(bench)
        taken = figures["stored"][str(stored)] = measure_rounds(bench, rounds)
        check_rollups(bench)
        print(f"  {stored:,} points stored: {taken['roll_up']['cpu_us_per_point']:.3f} us of processor"
              f" time a point, and {taken['compact']['cpu_us_per_point']:.3f} for merging", flush=True)


def measure_rounds(bench, rounds):
    costs = {"roll_up": [], "compact": []}
    with cluster.Session(bench.server) as roller, cluster.Session(bench.server) as merger:
        bench.server.sql("CHECKPOINT")
        for number in range(WARM_ROUNDS + rounds):
            bench.copy(POINT, "new", fresh=False, checkpoint=False, rows_limit=ROUND_POINTS,
                       rows_skipped=number * ROUND_POINTS)
            steps = {"roll_up": take_cost(bench, roller, roll_up)}
            if (number + 1) % MERGE_EVERY == 0:
                steps["compact"] = take_cost(bench, merger, run_job_compact)
            if number >= WARM_ROUNDS:
                for name, cost in steps.items():
                    costs[name].append(cost)
    points = rounds * ROUND_POINTS
    totals = {}
    for name, taken in costs.items():
        total = {key: sum(cost[key] for cost in taken)
                 for key in ("seconds", "cpu_seconds", "wal_bytes", "points_read")}
        totals[name] = dict(total, cpu_us_per_point=total["cpu_seconds"] * 1e6 / points,
                            wal_bytes_per_point=total["wal_bytes"] / points)
    return totals
