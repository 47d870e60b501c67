"""The case backlog: sparse points of a year beside live ones, and a fleet of half a million series."""

import time

import cluster
import compaction
import lag
from bench import POINT

DAYS = 365
LIVE_SERIES = 1_000
TICK = 0.1
LAG_EVERY = 5  # ticks
DELETE_EVERY = 20
TICKS_MIN = 100  # so that something is rolled up
WIDE_METRICS = 5
WIDE_TICK = 10  # seconds between two reports of a series
SETTLE_MAX = 600


def case_backlog(bench):
    """What rolls up while a backlog is there, and how long it takes for that to be gone."""
    if not bench.is_measured(POINT):
        return
    other = bench.start_another("backlog", lag.SETTINGS)
    try:
        figures = bench.results["backlog"] = {}
        figures["backfill"] = measure_backfill(other, bench.options.backfill_series)
        figures["wide"] = measure_wide(other, bench.options.wide_devices, bench.options.wide_seconds)
    except cluster.Failed as error:
        crashes = "".join("\n" + line for line in other.server.read_crashes())
        raise cluster.Failed(f"{error}{crashes}") from error
    finally:
        other.server.stop()


def psql(bench, statement):
    """A statement in the background."""
    return cluster.Program([bench.server.program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1",
                            "-d", bench.server.conninfo, "-c", statement])


def age_of_step(session, worker):
    """For how long the worker's transaction has been going on."""
    return float(session.sql(
        "SELECT coalesce(extract(epoch FROM clock_timestamp() - xact_start), 0)"
        f" FROM pg_stat_activity WHERE pid = {worker}") or 0)


# Backfill ----------------------------------------------------------------------------------------


def backfill(series):
    """A point a day of each series, in one statement."""
    return ("INSERT INTO telemetry.point (device_id, metric, ts, value)"
            f" SELECT 'meter' || s, 'kwh', now() - make_interval(days => d, secs => s), s + d * 0.5"
            f" FROM generate_series(2, {DAYS + 1}) AS d, generate_series(1, {series}) AS s")


def insert_live(session):
    session.sql("INSERT INTO telemetry.point (device_id, metric, ts, value)"
                " SELECT 'live' || s % 100, 'm' || s / 100, clock_timestamp(), s"
                f" FROM generate_series(0, {LIVE_SERIES - 1}) AS s")


def live_lag(session):
    """How old the newest live point is that counts in the rollups."""
    age = session.sql("SELECT extract(epoch FROM clock_timestamp() - last_ts) FROM telemetry.series"
                      " WHERE device_id = 'live7' AND metric = 'm7'")
    return float(age) if age else None


def time_delete(session, number):
    """Seconds that it takes to remove a point of a device that nobody else writes."""
    session.sql("INSERT INTO telemetry.point (device_id, metric, ts, value)"
                f" VALUES ('other', 'm', now() - interval '1 hour', {number})")
    begin = time.monotonic()
    session.sql("SELECT telemetry.delete_points('other', 'm', now() - interval '2 hours', now())")
    return time.monotonic() - begin


def measure_backfill(bench, series):
    """A year of daily points beside 10,000 live points a second, until nothing of it is pending."""
    lag.start_empty(bench)
    worker = lag.switch_workers(bench, True)
    lags, steps, deletes = [], [], []
    points = series * DAYS
    loaded = None
    with cluster.Session(bench.server) as live, cluster.Session(bench.server) as session, \
            cluster.Session(bench.server) as deleter, psql(bench, backfill(series)) as load:
        begin = time.monotonic()
        tick = 0
        while (loaded is None or tick < TICKS_MIN
               or lag.take_sample(session)["points"] > LIVE_SERIES / TICK):
            insert_live(live)
            steps.append(age_of_step(session, worker))
            if tick % LAG_EVERY == 0 and (age := live_lag(session)) is not None:
                lags.append(age)
            if tick % DELETE_EVERY == 0:
                deletes.append(time_delete(deleter, tick))
            if loaded is None and not load.is_running():
                load.read_output()
                loaded = time.monotonic()
                cpu = cluster.read_cpu_seconds(worker)
            if loaded is not None and time.monotonic() > loaded + SETTLE_MAX:
                raise cluster.Failed(f"points are pending {SETTLE_MAX} s after the backfill")
            tick += 1
            time.sleep(max(begin + tick * TICK - time.monotonic(), 0))
        settled = time.monotonic()
        cpu = cluster.read_cpu_seconds(worker) - cpu
        lag.wait_until_rolled_up(session)
    compaction.check_rollups(bench)
    run = {"points": points, "load_seconds": loaded - begin, "settle_seconds": settled - loaded,
           "worker_cpu_seconds": cpu, "points_per_second": points / (settled - loaded),
           "live_rows_per_second": tick * LIVE_SERIES / (settled - begin),
           "live_lag_max": max(lags), "step_max": max(steps), "delete_max": max(deletes)}
    print(f"  {points:,} daily points: {run['points_per_second']:,.0f} a second, live lag up to"
          f" {run['live_lag_max']:.1f} s, steps up to {run['step_max']:.1f} s", flush=True)
    return run


# A wide fleet ------------------------------------------------------------------------------------


def report(devices, first, last):
    """Each of the fleet's series sends the reports of some ticks, one after the other."""
    return ("INSERT INTO telemetry.point (device_id, metric, ts, value)"
            f" SELECT 'dev' || d, 'm' || m, date_trunc('hour', now()) + make_interval(secs => t * {WIDE_TICK}"
            " - 7200), (d * 7 + m + t) % 1000 / 10.0"
            f" FROM generate_series({first}, {last}) AS t, generate_series(1, {devices}) AS d,"
            f" generate_series(1, {WIDE_METRICS}) AS m")


def measure_wide(bench, devices, seconds):
    """Twenty reports of a wide fleet in two statements; then one every ten seconds, for some time."""
    lag.start_empty(bench)
    lag.switch_workers(bench, True)
    with cluster.Session(bench.server) as loader, cluster.Session(bench.server) as session:
        begin = time.monotonic()
        loader.sql(report(devices, 1, 10))
        loader.sql(report(devices, 11, 20))
        run = {"series": devices * WIDE_METRICS, "points": 20 * devices * WIDE_METRICS,
               "load_seconds": time.monotonic() - begin,
               "settle_seconds": lag.wait_until_rolled_up(session, SETTLE_MAX)}
        run["steady"] = measure_wide_reports(bench, devices, seconds)
        lag.wait_until_rolled_up(session, SETTLE_MAX)
    compaction.check_rollups(bench)
    print(f"  {run['points']:,} points of {run['series']:,} series settle in"
          f" {run['settle_seconds']:.1f} s", flush=True)
    return run


def measure_wide_reports(bench, devices, seconds):
    """The fleet sends at its own pace; how far the rollups are behind, in either half."""
    samples = []
    late = 0
    with cluster.Session(bench.server) as session:
        begin = time.monotonic()
        for number in range(max(seconds // WIDE_TICK, 2)):
            due = begin + number * WIDE_TICK
            late = max(late, time.monotonic() - due)
            with psql(bench, report(devices, 21 + number, 21 + number)) as load:
                while load.is_running() or time.monotonic() < due + WIDE_TICK:
                    samples.append(dict(lag.take_sample(session), time=time.monotonic() - begin))
                    time.sleep(lag.SAMPLE_EVERY)
                load.read_output()
        end = time.monotonic()
    lags = [[sample["lag"] for sample in samples if (sample["time"] > (end - begin) / 2) == half]
            for half in (False, True)]
    return {"seconds": end - begin, "late_max": late, "samples": samples,
            "lag_max": [max(half) for half in lags]}
