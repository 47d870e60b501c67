"""The table of the results and the targets."""

import cases

NAMES = {"point": "telemetry.point", "heap": "bare heap", "heap_pk": "heap + primary key",
         "point_result": "telemetry.point + result"}
LABEL = 44
BUSY_SHARE = 0.05


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


def below(label, value, goal, form):
    met = None if value is None else value < goal
    return {"label": label, "value": value, "goal": f"< {form.format(goal)}",
            "text": "-" if value is None else form.format(value), "met": met}


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
        at_least("1 series a point / 10,000 series, one COPY",
                 ratio(figure(results, "series", "0", "point series", "rows_per_second"),
                       figure(results, "series", "0", "point fleet", "rows_per_second")), 0.5),
        at_least("same file twice: count unchanged", unchanged, 1, "{:.0f}"),
        below("latest of one series", read("latest of one series"), 0.5, "{:.3f} ms"),
        below("one series, 24 h raw", read("one series, 24 h raw"), 2, "{:.3f} ms"),
    ]
    return targets


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
        shape, clients = key.split("x")
        kind = {"device": "batch of 1,000, one device", "bulk": "bulk, 200 devices x 5",
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
    print_head(f"Reads of {read['points']:,} points, ms", "point", "point prep.", "heap+PK",
               "heap+PK prep.", "rows")
    for query, taken in read["queries"].items():
        cells = [figure(taken, column, "median_ms") for column in columns]
        rows = next((run["rows"] for run in taken.values()), None)
        print_line(query, *["-" if cell is None else f"{cell:.3f}" for cell in cells],
                   thousands(rows))


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
                       ("series", print_series), ("read", print_read)):
        if name in results:
            show(results[name])
    print_targets(results["targets"])
    for error in results["errors"]:
        print(f"\nerror: {error}")
