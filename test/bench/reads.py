"""The case read: queries of one warm session, of points and of rollups."""

import cluster
import compaction
from bench import HEAP, HEAP_PK, POINT, RUN_SECONDS, TABLES, rows_alike

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
ALL_HOURLY = "all devices, one metric, from metric_hourly"
DEVICE_HOURLY = "1 device x 5 metrics, from metric_hourly"
# Each with the query of points that has the same answer, and the same parameters.
ROLLUP_QUERIES = {
    ALL_HOURLY: (
        "SELECT hour, sum(sum) / sum(n) FROM telemetry.metric_hourly"
        " WHERE metric = $1 GROUP BY hour ORDER BY hour",
        "all devices, one metric, hourly avg"),
    DEVICE_HOURLY: (
        "SELECT metric, hour, avg FROM telemetry.metric_hourly"
        " WHERE device_id = $1 ORDER BY metric, hour",
        "1 device x 5 metrics, hourly avg"),
}
LIVE_QUERY = (
    "SELECT metric, hour, avg FROM telemetry.metric_hourly_live"
    " WHERE device_id = $1 ORDER BY metric, hour",
    "1 device x 5 metrics, hourly avg")
LIVE = "1 device x 5 metrics, from metric_hourly_live"
PENDING = 10_000


def load(bench):
    """A few large COPYs; the heap gets its key afterwards, which packs its index best."""
    points = bench.options.read_points
    forms = [POINT, HEAP] if bench.is_measured(POINT) else [HEAP]
    bench.generate("fleet", points, forms)
    bench.empty_tables()
    bench.server.sql("ALTER TABLE public.heap_pk DROP CONSTRAINT heap_pk_pkey")
    for name in bench.competitors:
        if name != HEAP:
            bench.load(name, "fleet", points)
    bench.server.sql("ALTER TABLE public.heap_pk ADD PRIMARY KEY (device_id, metric, ts)")
    if bench.is_measured(POINT) and not bench.options.uncompacted:
        compaction.compact(bench)
    for name in bench.competitors:
        if name == POINT:
            compaction.vacuum(bench)
        else:
            bench.server.sql(f"VACUUM (ANALYZE) {TABLES[name]}")


def measure(bench, sql, parameters, mode):
    prepared = ["--prepared"] if mode == "prepared" else []
    return bench.program("query", f"--conninfo={bench.server.conninfo}", f"--sql={sql}",
                         f"--seconds={RUN_SECONDS // 2}", *prepared, "--", *parameters)


def print_medians(query, taken):
    medians = ", ".join(f"{name} {run['median_ms']:.3f}" for name, run in taken.items())
    print(f"  {query}: {medians} ms", flush=True)


def measure_points(bench, query):
    """A query of points, by all who have them; their answers are compared."""
    text, parameters = QUERIES[query]
    taken = {}
    for name in (POINT, HEAP_PK):
        if bench.is_measured(name):
            sql = text.format(table=TABLES[name], number="num" if name == POINT else "value")
            for mode in ("simple", "prepared"):
                taken[f"{name} {mode}"] = measure(bench, sql, parameters, mode)
    print_medians(query, taken)
    first, *others = taken.values()
    for other in others:
        if other["rows"] != first["rows"] or not rows_alike(other["first_row"], first["first_row"]):
            raise cluster.Failed(f"the answers to \"{query}\" differ")
    return taken


def read_answer(bench, sql, parameters):
    for number, parameter in enumerate(parameters, 1):
        sql = sql.replace(f"${number}", f"'{parameter}'")
    return [line.split("|") for line in bench.server.sql(sql).splitlines()]


def measure_rollups(bench, label, query, same_query):
    """A query of rollups; the answer is compared with that of points."""
    text, parameters = QUERIES[same_query]
    answer = read_answer(bench, query, parameters)
    of_points = read_answer(bench, text.format(table=TABLES[POINT], number="num"), parameters)
    if len(answer) != len(of_points) or not all(map(rows_alike, answer, of_points)):
        raise cluster.Failed(f"\"{label}\" answers other than the points")
    taken = {f"{POINT} {mode}": measure(bench, query, parameters, mode)
             for mode in ("simple", "prepared")}
    print_medians(label, taken)
    return taken


def case_read(bench):
    """Each query simple and prepared; after compaction, unless other is wanted."""
    load(bench)
    points = bench.options.read_points
    figures = bench.results["read"] = {"points": points, "queries": {},
                                       "compacted": not bench.options.uncompacted}
    queries = figures["queries"]
    for query in QUERIES:
        queries[query] = measure_points(bench, query)
    if not bench.is_measured(POINT) or bench.options.uncompacted:
        return
    for label, (query, same_query) in ROLLUP_QUERIES.items():
        queries[label] = measure_rollups(bench, label, query, same_query)
    queries[LIVE] = measure_rollups(bench, LIVE, *LIVE_QUERY)
    bench.generate("fleet", PENDING, [POINT], name="pending", skip=points)
    bench.copy(POINT, "pending", fresh=False)
    label = f"the same, {PENDING:,} points pending"
    queries[label] = measure_rollups(bench, label, *LIVE_QUERY)
