"""The table of the results and the targets."""

import statistics

import alerts
import cases
import export
import lag
import queries
import reads
import shares

NAMES = {"point": "telemetry.point", "heap": "bare heap", "heap_pk": "heap + primary key",
         "point_result": "telemetry.point + result"}
LABEL = 46
BUSY_SHARE = 0.05
ROLLUP_GOALS_MS = {reads.ALL_HOURLY: 3, reads.DEVICE_HOURLY: 0.8}
LAG_GOAL = 10
MANY_SERIES = 1_000
ALERT_RUNS = {"calm, no rules": "nothing violates; no rules", "calm, one rule": "  one rule",
              "calm, 1,000 rules": "  1,000 rules, 10 of the metric", "same, no rules": "the same 1 % violate; no rules",
              "same, one rule": "  one rule", "random, no rules": "another 1 % each time; no rules",
              "random, one rule": "  one rule"}
WORKER_BUSY_SHARE = 0.2
# TimescaleDB on this kind of machine, rows/s of repeats into compressed chunks
TIMESCALE_REPEATS = 19_000
REPEATS_FASTER = 50


def figure(results, *path):
    """A figure deep in the results, or None if its case did not run."""
    for step in path:
        if not isinstance(results, dict) or step not in results:
            return None
        results = results[step]
    return results


def ratio(above, below):
    return above / below if above is not None and below else None


def at_least(label, value, goal, form="{:.2f} x"):
    met = None if value is None else value >= goal
    return {"label": label, "value": value, "goal": f">= {form.format(goal)}",
            "text": "-" if value is None else form.format(value), "met": met}


def at_most(label, value, goal, form):
    met = None if value is None else value <= goal
    return {"label": label, "value": value, "goal": "-" if goal is None else f"<= {form.format(goal)}",
            "text": "-" if value is None else form.format(value), "met": met}


def below(label, value, goal, form):
    met = None if value is None else value < goal
    return {"label": label, "value": value, "goal": f"< {form.format(goal)}",
            "text": "-" if value is None else form.format(value), "met": met}


def tls_ratio(results, run):
    return ratio(figure(results, "http", f"tls {run}", "requests_per_second"),
                 figure(results, "http", run, "requests_per_second"))


def best_batches(results):
    """The best of the client counts for batches from devices: (points a second, clients)."""
    rates = [(figure(results, "http", f"{shape}x{clients}", "points_per_second"), clients)
             for shape, clients in cases.HTTP_RUNS if shape == "device"]
    rates = [pair for pair in rates if pair[0] is not None]
    return max(rates) if rates else (None, None)


def check_targets(results):
    """The targets, each with what was measured and whether it is met (None: not measured)."""
    def rate(form, name):
        return figure(results, "copy", form, name, "rows_per_second")

    def read(query):
        return figure(results, "read", "queries", query, "point simple", "median_ms")

    batches, clients = best_batches(results)
    heap_csv = figure(results, "http", "heap_csv", "points_per_second")
    twice = figure(results, "copy", "twice") or {}
    unchanged = None if not twice else float(twice["count_before"] == twice["count_after"])
    batch_label = "HTTP batches of 1,000" + (f" (best: {clients} clients)" if clients else "")
    targets = [
        at_least("COPY BINARY / bare heap", ratio(rate("binary", "point"), rate("binary", "heap")), 1.5),
        at_least("COPY CSV / bare heap", ratio(rate("csv", "point"), rate("csv", "heap")), 1.2),
        at_least("COPY BINARY / heap + primary key",
                 ratio(rate("binary", "point"), rate("binary", "heap_pk")), 6),
        at_least("COPY CSV / heap + primary key",
                 ratio(rate("csv", "point"), rate("csv", "heap_pk")), 6),
        at_least(batch_label + " / CSV heap", ratio(batches, heap_csv), 0.6),
        at_least(batch_label + ", points/s", batches, 800_000, "{:,.0f}"),
        at_least("HTTP single points, 64 clients, requests/s",
                 figure(results, "http", "singlex64", "requests_per_second"), 30_000, "{:,.0f}"),
        at_least("HTTPS / HTTP, single points, 64 clients", tls_ratio(results, "singlex64"), 0.7),
        at_least("HTTPS / HTTP, batches of 1,000, 16 clients", tls_ratio(results, "devicex16"), 0.7),
        at_least("1 series a point / 10,000 series, one COPY",
                 ratio(figure(results, "series", "0", "point series", "rows_per_second"),
                       figure(results, "series", "0", "point fleet", "rows_per_second")), 0.5),
        at_least("same file twice: count unchanged", unchanged, 1, "{:.0f}"),
        below("latest of one series", read("latest of one series"), 0.5, "{:.3f} ms"),
        below("one series, 24 h raw", read("one series, 24 h raw"), 2, "{:.3f} ms"),
    ]
    for label, goal in ROLLUP_GOALS_MS.items():
        targets.append(below(label, read(label), goal, "{:.3f} ms"))
    return (targets + check_compaction(results) + check_lag(results) + check_backlog(results)
            + check_events(results) + check_shares(results) + check_export(results) + check_alerts(results)
            + check_queries(results))


def check_compaction(results):
    repeats = figure(results, "compact", "repeats") or {}
    unchanged = None
    if repeats:
        unchanged = float(all(state["count"] == repeats["before"]["count"]
                              for state in repeats["after"]))
    return [
        at_most("bytes a point after compaction",
                figure(results, "compact", "states", "merged", "bytes_per_point"), 0.7, "{:.2f}"),
        at_least("repeats into compacted days, rows/s", repeats.get("rows_per_second"),
                 REPEATS_FASTER * TIMESCALE_REPEATS, "{:,.0f}"),
        at_least("repeats into compacted days: count unchanged", unchanged, 1, "{:.0f}"),
        at_most("cost of rollups, many / few points stored", rollup_ratio(results), 1.2, "{:.2f} x"),
    ]


def check_lag(results):
    steady = figure(results, "lag", "steady") or {}
    copies_in_time = None
    if steady:
        copies_in_time = LAG_GOAL * steady["rate"] / steady["copy_rows"]
    targets = [
        at_most("lag of rollups at steady ingest", steady.get("lag_max"), LAG_GOAL, "{:.1f} s"),
        at_most("blocks pending, as many as come in that time", steady.get("blocks_max"),
                copies_in_time, "{:,.0f}"),
    ]
    for connections in lag.FULL_CONNECTIONS:
        runs = figure(results, "lag", "full", str(connections))
        # Beside a worker that had nothing to do, nothing was compared.
        busy = runs is not None and min(runs["worker_shares"]) >= WORKER_BUSY_SHARE
        targets.append(at_least(f"full speed, {connections} conn., workers on / off",
                                statistics.median(runs["ratios"]) if busy else None, 0.6))
    return targets


def check_backlog(results):
    backfill = figure(results, "backlog", "backfill") or {}
    wide = figure(results, "backlog", "wide") or {}
    lags = figure(wide, "steady", "lag_max") or (None, None)
    return [
        at_least("daily points rolled up, points/s", backfill.get("points_per_second"), 30_000, "{:,.0f}"),
        at_most("lag of live points meanwhile", backfill.get("live_lag_max"), LAG_GOAL, "{:.1f} s"),
        at_most("longest step meanwhile", backfill.get("step_max"), 2, "{:.1f} s"),
        at_most("delete_points of another device meanwhile", backfill.get("delete_max"), 1, "{:.2f} s"),
        at_most("10 M points of 500,000 series settle", wide.get("settle_seconds"), 40, "{:.1f} s"),
        at_most("lag of 500,000 series at 50,000 points/s, first half", lags[0], 60, "{:.1f} s"),
        at_most("the same, second half", lags[1], 60, "{:.1f} s"),
    ]


def check_events(results):
    plain = figure(results, "event", "copy", "plain", "rows_per_second")
    http = figure(results, "event", "http") or {}
    best = max((run["events_per_second"] for run in http.values()), default=None)
    return [
        at_least("events by COPY / INSERT ... ON CONFLICT, plain table",
                 ratio(figure(results, "event", "copy", "event", "rows_per_second"), plain), 2),
        at_least("events over HTTP in batches of 50, events/s", best, 50_000, "{:,.0f}"),
        below("probing the ledger (repeats), many / few keys", ledger_ratio(results, "again_us"), 2, "{:.2f} x"),
    ]


def check_shares(results):
    targets = []
    refused = []
    for crowd, (_, goal) in shares.CROWDS.items():
        taken = figure(results, "shares", crowd) or {}
        for shape, clients in shares.LOADS:
            kind = {"device": "batches", "single": "singles"}[shape]
            targets.append(at_least(f"beside {crowd} / alone, {kind}, {clients} clients",
                                    figure(taken, "loads", f"{shape}x{clients}", "ratio"), goal))
        refused += [probe["refused"] for probe in taken.get("health", {}).values()]
    idle = figure(results, "shares", "idle", "memory", "gathered_bytes")
    connections = figure(results, "shares", "idle", "connections")
    of_one = ratio(idle, connections)
    return targets + [
        at_most("memory of slowloris beyond that of idle ones, MB", slow_memory(results, of_one), 100, "{:.1f}"),
        at_most("/health refused", sum(refused) if refused else None, 0, "{:.0f}"),
    ]


def slow_memory(results, idle_bytes):
    """MB that the proxy had at most, beyond what it had alone and what as many idle connections need."""
    taken = figure(results, "shares", "slowloris")
    if taken is None or idle_bytes is None:
        return None
    memory = taken["memory"]
    return (memory["peak_crowded"] - memory["peak_alone"] - taken["connections"] * idle_bytes) / 1e6


def check_export(results):
    def grown(who, less):
        peaks = figure(results, "export", "of_all", "peaks")
        return None if peaks is None or less is None else (max(run[who] for run in peaks.values()) - less) / 1e6

    few = figure(results, "export", "of_few", "peaks") or {}
    targets = [
        at_most("proxy in an export, ten times the points: more MB",
                grown("proxy", max((run["proxy"] for run in few.values()), default=None)), 5, "{:.1f}"),
        at_most("backend in an export / in COPY TO: more MB",
                grown("backend", figure(results, "export", "of_all", "copy_backend_peak")), 5, "{:.1f}"),
    ]
    slow = figure(results, "export", "slow_reader") or {}
    return targets + [
        at_least("ingest beside an export at 100 kB/s / alone", slow.get("ratio"), 0.9),
        at_least("of that rate", figure(slow, "beside", "reader", "share_of_rate"), 0.95, "{:.2f}"),
    ]


def check_queries(results):
    return [below(f"{name}, {queries.CLIENTS} clients, {pace}, p95",
                  figure(results, "queries", "runs", name, pace, "p95_ms"), goal, "{:.1f} ms")
            for name, (_, goal, _) in queries.QUERIES.items() for pace in queries.PACES]


def check_alerts(results):
    ingest = figure(results, "alerts", "ingest")
    tests = figure(results, "alerts", "backtest", "one", "tests") or {}
    many = figure(results, "alerts", "backtest", "many", "tests") or {}
    is_many = (figure(results, "alerts", "backtest", "many", "series") or 0) >= MANY_SERIES
    return [
        at_least("COPY, 1,000 rules of which 10 match / none", alerts.median_ratio(ingest, "calm, 1,000 rules"), 0.9),
        at_least("COPY, a rule that nothing violates / none", alerts.median_ratio(ingest, "calm, one rule"), 0.85),
        at_least("COPY, a rule that 1 % violate / none", alerts.median_ratio(ingest, "same, one rule"), 0.6),
        below("backtest, a year of a point each 30 s",
              max((run["seconds"] for run in tests.values()), default=None), 1, "{:.3f} s"),
        below(f"backtest, a year of {MANY_SERIES:,} series",
              max((run["seconds"] for run in many.values()), default=None) if is_many else None, 60, "{:.3f} s"),
        below("POST to NOTIFY, beside 10,000 points/s, p95",
              figure(results, "alerts", "latency", "NOTIFY, beside", "told", "p95_ms"), 50, "{:.1f} ms"),
        below("POST to webhook, beside 10,000 points/s, p95",
              figure(results, "alerts", "latency", "webhook, beside", "told", "p95_ms"), 1000, "{:.1f} ms"),
    ]


def ledger_ratio(results, cost):
    ledger = figure(results, "event", "ledger")
    if not ledger:
        return None
    few, many = sorted(ledger, key=int)
    return ratio(ledger[many][cost], ledger[few][cost])


def print_event(event):
    print_head(f"{event['events']:,} events", "events/s", "/ plain table")
    taken = event.get("copy", {})
    plain = figure(taken, "plain", "rows_per_second")
    for name, label in (("event", "one COPY"), ("event of 5,000", "COPYs of 5,000"), ("event of 50", "COPYs of 50"),
                        ("plain", "plain table, INSERTs of 1,000")):
        rate = figure(taken, name, "rows_per_second")
        print_line(label, thousands(rate), times(ratio(rate, plain)))
    again = figure(event, "again", "rows_per_second")
    print_line("the same once more, one COPY", thousands(again), times(ratio(again, plain)))
    for clients, run in event.get("http", {}).items():
        print_line(f"HTTP, batches of 50, {clients} clients", thousands(run["events_per_second"]))
    for keys, cost in event.get("ledger", {}).items():
        print_line(f"{int(keys):,} keys: us a new event, a repeat", f"{cost['new_us']:.2f}", f"{cost['again_us']:.2f}")


def rollup_ratio(results):
    """CPU of rollups per new point: with the most points stored, in parts of that with the fewest."""
    stored = figure(results, "rollup_cost", "stored")
    if not stored:
        return None
    least, *_, most = sorted(stored, key=int)
    return ratio(figure(stored, most, "roll_up", "cpu_us_per_point"),
                 figure(stored, least, "roll_up", "cpu_us_per_point"))


def print_line(label, *columns):
    print(f"  {label:<{LABEL}}" + "".join(f"{column:>16}" for column in columns))


def print_head(title, *columns):
    print()
    print_line(title, *columns)
    print("  " + "-" * (LABEL + 16 * len(columns)))


def thousands(value):
    return "-" if value is None else f"{value:,.0f}"


def times(value):
    return "-" if value is None else f"{value:.2f} x"


def print_copy(copy):
    print_head(f"COPY of {copy['points']:,} rows", "rows/s", "/ bare heap", "/ with key",
               "WAL bytes/row", "bytes/point")
    for form in ("binary", "csv"):
        taken = copy.get(form, {})
        for name, run in taken.items():
            rate = run["rows_per_second"]
            print_line(f"{form}  {NAMES[name]}", thousands(rate),
                       times(ratio(rate, figure(taken, "heap", "rows_per_second"))),
                       times(ratio(rate, figure(taken, "heap_pk", "rows_per_second"))),
                       f"{run['wal_bytes_per_row']:.1f}",
                       f"{run['bytes_per_row']:.2f}")
    if "twice" in copy:
        print_line("same file again: rows before, after, rows/s", *map(thousands, (
            copy["twice"]["count_before"], copy["twice"]["count_after"],
            copy["twice"]["rows_per_second"])))


def print_small(small):
    print_head("Small COPYs", "rows/s", "COPYs/s", "/ bare heap", "p50 ms", "p99 ms")
    for key, taken in small.items():
        rows, connections = key.split("x")
        for name, run in taken.items():
            label = f"{int(rows):>5,} rows, {connections} conn.  {NAMES[name]}"
            print_line(label, thousands(run["rows_per_second"]), thousands(run["copies_per_second"]),
                       times(ratio(run["rows_per_second"], figure(taken, "heap", "rows_per_second"))),
                       f"{run['p50_ms']:.3f}", f"{run['p99_ms']:.3f}")


def print_http(http):
    print_head("HTTP, answered after commit", "points/s", "requests/s", "/ CSV heap", "p50 ms",
               "p99 ms", "proxy CPU s", "client CPU s")
    baseline = figure(http, "heap_csv", "points_per_second")
    for key, run in http.items():
        if key == "heap_csv":
            print_line("(COPY CSV into the bare heap)", thousands(baseline))
            continue
        shape, clients = key.removeprefix("tls ").split("x")
        kind = ("TLS: " if key.startswith("tls ") else "") + {"device": "batch of 1,000, one device", "bulk": "bulk, 200 devices x 5",
                "single": "single point"}[shape]
        print_line(f"{kind}, {clients} clients", thousands(run["points_per_second"]),
                   thousands(run["requests_per_second"]),
                   times(ratio(run["points_per_second"], baseline)),
                   f"{run['p50_ms']:.3f}", f"{run['p99_ms']:.3f}",
                   f"{run['proxy_cpu_seconds']:.2f}", f"{run['client_cpu_seconds']:.2f}")


def print_series(series):
    print_head(f"{series['series']:,} points", "10,000 series", "1 series each", "ratio")
    for rows in ("0", "5000"):
        taken = series.get(rows, {})
        for name in ("point", "heap", "heap_pk"):
            few = figure(taken, f"{name} fleet", "rows_per_second")
            many = figure(taken, f"{name} series", "rows_per_second")
            if few is not None:
                size = "one COPY" if rows == "0" else f"COPYs of {int(rows):,}"
                print_line(f"{NAMES[name]}, {size}, rows/s", thousands(few), thousands(many),
                           times(ratio(many, few)))


def print_read(read):
    columns = ["point simple", "point prepared", "heap_pk simple", "heap_pk prepared"]
    state = "after compaction" if read["compacted"] else "as ingested"
    print_head(f"Reads of {read['points']:,} points, {state}, ms", "point", "point prep.", "heap+PK",
               "heap+PK prep.", "rows")
    for query, taken in read["queries"].items():
        cells = [figure(taken, column, "median_ms") for column in columns]
        rows = next((run["rows"] for run in taken.values()), None)
        print_line(query, *["-" if cell is None else f"{cell:.3f}" for cell in cells],
                   thousands(rows))


def seconds(value):
    return "-" if value is None else f"{value:.2f}"


def spread(values):
    return f" ({min(values):,.0f} to {max(values):,.0f})" if len(values) > 1 else ""


def cost_cells(cost):
    """Points read, a second; seconds; seconds of processor time."""
    read = cost.get("points_read")
    return [thousands(read), thousands(ratio(read, cost.get("seconds")) or None),
            seconds(cost.get("seconds")), seconds(cost.get("cpu_seconds"))]


def print_compact(compact):
    points = compact["points"]
    print_head(f"Compaction of {points:,} points", "bytes/point", "of it data", "blocks",
               "points read", "points/s", "seconds", "CPU s")
    for label, state in compact["states"].items():
        print_line(label, f"{state['bytes_per_point']:.3f}", f"{state['data_bytes_per_point']:.3f}",
                   thousands(state["blocks"]), *cost_cells(state))
    for table, taken in compact.get("rollups", {}).items():
        print_line(f"{table}, {taken['rows']:,} rows", f"{taken['bytes_per_point']:.3f}")
    if "repeats" in compact:
        print_repeats(compact["repeats"])


def print_repeats(repeats):
    print_head(f"{repeats['rows']:,} repeats into compacted days", "rows/s", "WAL MB", "points read",
               "points/s", "seconds", "CPU s")
    print_line("COPY" + spread(repeats["all_runs"]), thousands(repeats["rows_per_second"]),
               f"{repeats['wal_bytes_per_row'] * repeats['rows'] / 1e6:.1f}")
    for label, cost in (("rolled up", repeats["roll_up"]), ("merged", repeats["merge"])):
        print_line(label, "", f"{cost['wal_bytes'] / 1e6:.1f}", *cost_cells(cost))
    states = [repeats["before"], *repeats["after"]]
    print_head("At rest", "before", *[f"after round {number}" for number in range(1, len(states))],
               "largest/before")
    for label, key, form in (("bytes/point", "bytes_per_point", "{:.3f}"),
                             ("of it data", "data_bytes_per_point", "{:.3f}"),
                             ("blocks", "blocks", "{:,}"), ("count(*)", "count", "{:,}")):
        values = [state[key] for state in states]
        print_line(label, *map(form.format, values), times(ratio(max(values), values[0])))


def print_rollup_cost(taken):
    print_head(f"{taken['rounds']} rounds of {taken['round_points']:,} new points", "roll-up CPU us",
               "merging CPU us", "roll-up s", "merging s", "WAL bytes", "merging WAL")
    for stored, costs in taken["stored"].items():
        roll_up, compact = costs["roll_up"], costs["compact"]
        print_line(f"{int(stored):,} points stored; a new point", f"{roll_up['cpu_us_per_point']:.3f}",
                   f"{compact['cpu_us_per_point']:.3f}", seconds(roll_up["seconds"]),
                   seconds(compact["seconds"]), f"{roll_up['wal_bytes_per_point']:.1f}",
                   f"{compact['wal_bytes_per_point']:.1f}")
    print_line("many / few", times(rollup_ratio({"rollup_cost": taken})))


def print_lag(taken):
    steady = taken["steady"]
    print_head(f"Steady {steady['rate']:,} points/s, {steady['seconds']:.0f} s", "points/s",
               "lag max s", "lag median s", "max blocks", "max points", "worker CPU", "CPU us/point")
    print_line(f"COPYs of {steady['copy_rows']:,} rows, one worker",
               thousands(steady["rows_per_second"]),
               f"{steady['lag_max']:.1f}", f"{steady['lag_median']:.1f}",
               thousands(steady["blocks_max"]), thousands(steady["points_max"]),
               f"{steady['worker_cpu_seconds'] / steady['worker_seconds']:.0%}",
               f"{steady['worker_cpu_seconds'] * 1e6 / steady['rows']:.2f}")
    print_head(f"Full speed, {taken['points']:,} points", "workers on", "workers off", "on / off",
               "lowest", "highest", "worker CPU", "left pending")
    for connections, runs in taken.get("full", {}).items():
        ratios, shares = runs["ratios"], runs["worker_shares"]
        print_line(f"points/s, {connections} connections", thousands(runs["on"]["rows_per_second"]),
                   thousands(runs["off"]["rows_per_second"]), times(statistics.median(ratios)),
                   times(min(ratios)), times(max(ratios)), f"{statistics.median(shares):.0%}",
                   thousands(statistics.median(runs["pending_points"])))


def print_backlog(taken):
    backfill = taken["backfill"]
    print_head(f"{backfill['points']:,} daily points beside live ones", "points/s", "worker CPU us/point",
               "live points/s", "live lag max s", "longest step s", "delete max s")
    print_line("one INSERT, one worker", thousands(backfill["points_per_second"]),
               f"{backfill['worker_cpu_seconds'] * 1e6 / backfill['points']:.1f}",
               thousands(backfill["live_rows_per_second"]), f"{backfill['live_lag_max']:.1f}",
               f"{backfill['step_max']:.1f}", f"{backfill['delete_max']:.2f}")
    if "wide" not in taken:
        return
    wide = taken["wide"]
    print_head(f"{wide['series']:,} series", "load s", "settle s", "lag max s", "in second half", "sent late s")
    first, second = wide["steady"]["lag_max"]
    print_line(f"{wide['points']:,} points; then one each ten seconds", seconds(wide["load_seconds"]),
               seconds(wide["settle_seconds"]), f"{first:.1f}", f"{second:.1f}",
               f"{wide['steady']['late_max']:.1f}")


def print_shares(taken):
    for crowd, figures in taken.items():
        title = shares.NAMES[crowd].format(events=shares.STORED_EVENTS, connections=figures["connections"])
        print_head(title, "alone", "beside", "beside / alone", "lowest", "highest", "p99 ms",
                   "proxy us alone", "beside")
        for key, load in figures["loads"].items():
            shape, clients = key.split("x")
            kind = {"device": "batches of 1,000", "single": "single points"}[shape]
            print_line(f"{kind}, {clients} clients: requests/s", thousands(statistics.median(load["alone"])),
                       thousands(statistics.median(load["crowded"])), times(load["ratio"]),
                       times(min(load["ratios"])), times(max(load["ratios"])), f"{load['p99_ms']:.1f}",
                       *[f"{load['proxy_us'][side]:.1f}" for side in ("alone", "crowded")])
        alone, crowded = figures["health"]["alone"], figures["health"]["crowded"]
        print_line("/health: p99 ms", f"{alone['p99_ms']:.1f}", f"{crowded['p99_ms']:.1f}")
        print_line("/health: refused, of", *map(thousands, (alone["refused"] + crowded["refused"],
                                                           alone["asked"] + crowded["asked"])))
        memory = figures["memory"]
        print_line("memory of the proxy at most, MB", f"{memory['peak_alone'] / 1e6:.1f}",
                   f"{memory['peak_crowded'] / 1e6:.1f}")
        if crowd == "idle":
            print_line("memory of an idle connection, bytes", "",
                       thousands(memory["gathered_bytes"] / figures["connections"]))
        for kind, met in figures["met"][-1].items():
            if kind in ("readers", "answers", "heads", "bodies"):
                print_line(f"{kind}: came, were answered, turned away, MB read", thousands(met["opened"]),
                           thousands(met["answers"]["2xx"]), thousands(met["answers"]["4xx"] + met["answers"]["5xx"]),
                           f"{met['bytes'] / 1e6:.2f}")
        print_line("load average", f"{figures['load_average']:.1f}")


def print_export(taken):
    for part, points in (("of_few", taken["few"]), ("of_all", taken["points"])):
        if part not in taken:
            continue
        print_head(f"Export of {points:,} points", "rows/s", "/ COPY TO", "MB on the wire", "first byte ms",
                   "proxy CPU s", "proxy peak MB", "backend peak MB")
        runs = taken[part]["runs"]
        copied = runs["copy"]["rows_per_second"]
        for name in export.EXPORTS:
            run, peak = runs[name], taken[part]["peaks"][name]
            print_line(f"CSV over HTTP, {name}", thousands(run["rows_per_second"]),
                       times(run["rows_per_second"] / copied), f"{run['wire_bytes'] / 1e6:.1f}",
                       f"{run['first_byte_ms']:.1f}", f"{run['proxy_cpu_seconds']:.2f}",
                       f"{peak['proxy'] / 1e6:.1f}", f"{peak['backend'] / 1e6:.1f}")
        print_line("psql, COPY TO STDOUT", thousands(copied), "", "", "", "", "",
                   f"{taken[part]['copy_backend_peak'] / 1e6:.1f}")
    if "slow_reader" not in taken:
        return
    slow = taken["slow_reader"]
    print_head("Ingest beside an export at 100 kB/s", "alone", "beside", "beside / alone", "lowest", "highest",
               "of the rate", "proxy peak MB")
    print_line("batches of 1,000, 16 clients: points/s", thousands(slow["alone"]["points_per_second"]),
               thousands(slow["beside"]["points_per_second"]), times(slow["ratio"]), times(min(slow["ratios"])),
               times(max(slow["ratios"])), f"{slow['beside']['reader']['share_of_rate']:.2f}",
               f"{slow['beside']['proxy_peak_bytes'] / 1e6:.1f}")


def print_alerts(taken):
    ingest = taken["ingest"]
    print_head(f"Rules: {ingest['batches']} COPYs of {alerts.BATCH:,} devices", "rows/s", "/ no rules", "lowest", "highest",
               "CPU us/row", "/ no rules", "open alerts", "resolved", "left to job", "job s")
    beside = dict(alerts.PAIRS)
    for name, run in ingest["runs"].items():
        ratios = ingest["ratios"].get(name)
        shares = [statistics.median(ratios), min(ratios), max(ratios)] if ratios else [None] * 3
        print_line(ALERT_RUNS[name], thousands(run["rows_per_second"]), *map(times, shares), f"{ingest['cpu_us'][name]:.2f}",
                   times(ratio(ingest["cpu_us"][name], ingest["cpu_us"].get(beside.get(name)))), thousands(run["open"]),
                   thousands(run["resolved"]), thousands(run["left"]), seconds(run["settle_seconds"]))
    for kind in ("one", "many"):
        tested = figure(taken, "backtest", kind)
        if tested is None:
            continue
        print_head(f"Backtest of a year, {tested['series']:,} series, {tested['points']:,} points", "seconds", "points/s",
                   "alerts")
        for name, run in tested["tests"].items():
            print_line(name, f"{run['seconds']:.3f}", thousands(tested["points"] / run["seconds"]), thousands(run["alerts"]))
    if "latency" not in taken:
        return
    print_head("From POST to who is told, 1,001 rules, ms", "p50", "p95", "max", "answer p50", "answer p95", "points/s")
    for name, run in taken["latency"].items():
        print_line(name.replace("beside", "beside other points"), *[f"{run['told'][key]:.1f}" for key in ("p50_ms", "p95_ms", "max_ms")],
                   *[f"{run['answered'][key]:.1f}" for key in ("p50_ms", "p95_ms")], thousands(run.get("traffic_rate")))


def print_queries(taken):
    print_head(f"Queries over HTTP, {taken['points']:,} points, {queries.CLIENTS} clients, beside live points",
               "p50 ms", "p95 ms", "answers/s", "kB an answer", "backend CPU ms", "live points/s")
    for name, paces in taken["runs"].items():
        for pace, run in paces.items():
            print_line(f"{name}, {pace}", f"{run['p50_ms']:.1f}", f"{run['p95_ms']:.1f}", f"{run['answers_per_second']:,.0f}",
                       f"{run['bytes'] / run['answers'] / 1e3:.1f}", f"{run['backend_ms']:.2f}",
                       thousands(run["live_points_per_second"]))


def print_targets(targets):
    print_head("Targets", "measured", "target", "")
    for target in targets:
        verdict = {True: "met", False: "NOT MET", None: "not measured"}[target["met"]]
        print_line(target["label"], target["text"], target["goal"], verdict)


def print_report(results):
    machine = results["machine"]
    print(f"\n{machine['postgres']}; {machine['cores']} cores of {machine['cpu']};"
          f" median of {results['options']['repeats']}")
    busy = max(machine.get("busy_before", {"": 0}).values())
    if busy > BUSY_SHARE:
        print(f"Other work took up to {busy:.0%} of the machine: read the ratios, not the rates.")
    for name, show in (("copy", print_copy), ("small", print_small), ("http", print_http),
                       ("series", print_series), ("read", print_read),
                       ("compact", print_compact), ("rollup_cost", print_rollup_cost),
                       ("lag", print_lag), ("backlog", print_backlog), ("event", print_event),
                       ("shares", print_shares), ("export", print_export), ("alerts", print_alerts),
                       ("queries", print_queries)):
        if name in results:
            show(results[name])
    print_targets(results["targets"])
    for error in results["errors"]:
        print(f"\nerror: {error}")
