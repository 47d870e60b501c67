"""The cases by name, and those of ingest: what is loaded, and what is taken down of it."""

import os

import alerts
import backlog
import cluster
import compaction
import events
import export
import lag
import queries
import reads
import shares
from bench import HEAP, HEAP_PK, POINT, RUN_SECONDS

# (rows a COPY, connections): rows measured in all
SMALL_COPIES = {(1, 1): 4_000, (50, 1): 100_000, (500, 1): 500_000, (5_000, 1): 2_000_000,
                (5_000, 2): 2_000_000}
# (shape of the body, clients): requests
HTTP_RUNS = {("device", 1): 600, ("device", 16): 2_000, ("device", 64): 2_000,
             ("bulk", 16): 2_000,
             ("single", 1): 4_000, ("single", 16): 60_000, ("single", 64): 120_000}
# Those of them that are run by HTTPS, too.
TLS_RUNS = [("device", 16), ("single", 64)]
BODY_CYCLES = {"device": 1, "bulk": 20, "single": 1}


def case_copy(bench):
    """The same rows in one COPY, binary and CSV; size; the same file once more."""
    bench.generate("fleet", bench.options.points, [POINT, HEAP, "csv"])
    figures = bench.results["copy"] = {"points": bench.options.points}
    # A new cluster's first runs are slow for whoever has them: nobody's count.
    for name in bench.competitors:
        bench.copy(name, "fleet")
    for form in ("binary", "csv"):
        figures[form] = bench.repeat(
            {name: lambda name=name: bench.copy(name, "fleet", csv=form == "csv")
             for name in bench.competitors}, "rows_per_second")
    if bench.is_measured(POINT):
        figures["twice"] = load_twice(bench)


def load_twice(bench):
    bench.copy(POINT, "fleet")
    before = bench.count(POINT)
    again = bench.copy(POINT, "fleet", fresh=False)
    after = bench.count(POINT)
    if after != before:
        bench.results["errors"].append(f"the same file twice: {before} rows became {after}")
    return {"count_before": before, "count_after": after,
            "rows_per_second": again["rows_per_second"]}


def case_small(bench):
    """COPYs of few rows, each a transaction."""
    bench.generate("fleet", bench.options.points, [POINT, HEAP])
    figures = bench.results["small"] = {}
    for (rows, connections), limit in SMALL_COPIES.items():
        if bench.options.quick:
            limit = max(rows * 20, limit // 10)
        print(f" COPYs of {rows} rows, {connections} connections", flush=True)
        more = {"rows_per_copy": rows, "connections": connections,
                "rows_limit": min(limit, bench.options.points)}
        runs = {name: lambda name=name: bench.copy(name, "fleet", **more)
                for name in bench.competitors}
        if bench.is_measured(POINT):
            runs["point_result"] = lambda: bench.copy(POINT, "fleet", ingest_result=True, **more)
        figures[f"{rows}x{connections}"] = bench.repeat(runs, "rows_per_second")


def load_http(bench, proxy, shape, clients, tls=False):
    requests = HTTP_RUNS[shape, clients]
    if bench.options.quick:
        requests = max(requests // 20, clients * 2)
    bench.empty_tables()
    bench.server.sql("CHECKPOINT")
    cpu = proxy.cpu_seconds()
    run = bench.program("load", f"--port={proxy.tls_port if tls else proxy.port}", *(["--tls"] if tls else []),
                       f"--bodies={bench.path(shape)}", f"--clients={clients}",
                       f"--requests={requests}", f"--seconds-limit={RUN_SECONDS}")
    run["proxy_cpu_seconds"] = proxy.cpu_seconds() - cpu
    stored = bench.count(POINT)
    if stored != run["points"]:
        raise cluster.Failed(f"{run['points']} points were acknowledged, {stored} are there")
    return run


def case_http(bench):
    """Requests to the proxy, each answered after commit; beside COPY CSV into the bare heap."""
    if not bench.is_measured(POINT):
        return
    bench.generate("fleet", bench.options.points, ["csv"])
    for shape, cycles in BODY_CYCLES.items():
        bench.program("generate", "bodies", f"--shape={shape}", f"--cycles={cycles}",
                     f"--bodies={bench.path(shape)}")
    log = os.path.join(bench.directory, "proxy.log")
    with cluster.Proxy(bench.options, bench.server.conninfo, log) as proxy:
        runs = {f"{shape}x{clients}":
                lambda shape=shape, clients=clients: load_http(bench, proxy, shape, clients)
                for shape, clients in HTTP_RUNS}
        for shape, clients in TLS_RUNS:
            runs[f"tls {shape}x{clients}"] = lambda shape=shape, clients=clients: load_http(
                bench, proxy, shape, clients, tls=True)
        runs["heap_csv"] = lambda: copy_csv_baseline(bench)
        bench.results["http"] = bench.repeat(runs, "points_per_second")


def copy_csv_baseline(bench):
    run = bench.copy(HEAP, "fleet", csv=True)
    return dict(run, points_per_second=run["rows_per_second"])


def case_series(bench):
    """Many series of one point each, beside as many points of the fleet's 10,000 series."""
    points = bench.options.series
    bench.generate("fleet", points, [POINT, HEAP])
    bench.generate("series", points, [POINT, HEAP])
    figures = bench.results["series"] = {"series": points}
    for rows in (0, 5_000):
        runs = {}
        for name in bench.competitors:
            if name == HEAP_PK and rows > 0:
                continue
            for kind in ("fleet", "series"):
                runs[f"{name} {kind}"] = lambda name=name, kind=kind: bench.copy(
                    name, kind, rows_per_copy=rows)
        print(f" COPYs of {rows or points} rows", flush=True)
        figures[str(rows)] = bench.repeat(runs, "rows_per_second")


CASES = {
    "copy": case_copy,
    "small": case_small,
    "http": case_http,
    "series": case_series,
    "read": reads.case_read,
    "compact": compaction.case_compact,
    "rollup_cost": compaction.case_rollup_cost,
    "lag": lag.case_lag,
    "backlog": backlog.case_backlog,
    "event": events.case_event,
    "shares": shares.case_shares,
    "export": export.case_export,
    "alerts": alerts.case_alerts,
    "queries": queries.case_queries,
}
