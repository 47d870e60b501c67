"""Compares the views of rollups with GROUP BY over telemetry.point, in one statement each.

Sums are compared as they are: tests write multiples of 1/8, whose sums do not depend on the order.
"""

VIEWS = {"metric_hourly": "hour", "metric_daily": "day",
         "metric_hourly_live": "hour", "metric_daily_live": "day"}

_WANTED = {
    "hour": "ts - ((ts AT TIME ZONE day_timezone) "
            "- date_trunc('hour', ts AT TIME ZONE day_timezone))",
    "day": "(ts AT TIME ZONE day_timezone)::date",
}

_COLUMNS = ("device_id, metric, {period}, n, others, sum, avg, min, max, first, last, "
            "first_ts, last_ts, sketch::text")


def difference(view, where="true"):
    """A query for the rows of a view that are wrong or missing, of devices and metrics `where`."""
    period = VIEWS[view]
    columns = _COLUMNS.format(period=period)
    return f"""
        WITH kept AS (
            SELECT {columns} FROM telemetry.{view} WHERE {where}
        ), wanted AS (
            SELECT device_id, metric, {_WANTED[period]} AS {period}, count(num) AS n,
                count(*) - count(num) AS others, sum(num), sum(num) / nullif(count(num), 0) AS avg,
                min(num), max(num),
                (array_agg(num ORDER BY ts) FILTER (WHERE num IS NOT NULL))[1] AS first,
                (array_agg(num ORDER BY ts DESC) FILTER (WHERE num IS NOT NULL))[1] AS last,
                min(ts) AS first_ts, max(ts) AS last_ts, telemetry.sketch(num)::text AS sketch
            FROM telemetry.point, telemetry.layout
            WHERE {where}
            GROUP BY 1, 2, 3
        )
        (SELECT 'wrong', k::text FROM (SELECT * FROM kept EXCEPT ALL SELECT * FROM wanted) AS k
         ORDER BY 2 LIMIT 3)
        UNION ALL
        (SELECT 'missing', w::text FROM (SELECT * FROM wanted EXCEPT ALL SELECT * FROM kept) AS w
         ORDER BY 2 LIMIT 3)"""


SERIES_DIFFERENCE = """
    WITH kept AS (
        SELECT device_id, metric, n, first_ts, last_ts, last_value::text, data_type
        FROM telemetry.series
    ), wanted AS (
        SELECT device_id, metric, count(*) AS n, min(ts) AS first_ts, max(ts) AS last_ts,
            (array_agg(value::text ORDER BY ts DESC))[1] AS last_value,
            (array_agg(telemetry.kind(value) ORDER BY ts DESC))[1] AS data_type
        FROM telemetry.point
        GROUP BY 1, 2
    )
    (SELECT 'wrong', k::text FROM (SELECT * FROM kept EXCEPT ALL SELECT * FROM wanted) AS k
     ORDER BY 2 LIMIT 3)
    UNION ALL
    (SELECT 'missing', w::text FROM (SELECT * FROM wanted EXCEPT ALL SELECT * FROM kept) AS w
     ORDER BY 2 LIMIT 3)"""


def roll_up_everything(cluster):
    """Runs job roll_up until nothing is pending; AssertionError if that does not come."""
    for _ in range(1000):
        cluster.execute("SELECT telemetry.job_roll_up()")
        if cluster.value("SELECT pending_points FROM telemetry.freshness") == "0":
            return
    raise AssertionError("points stay pending")


def check_at_rest(test, cluster):
    """With nothing being written: blocks are whole, and all rollups are those of the points."""
    roll_up_everything(cluster)
    test.assertEqual(
        cluster.rows("SELECT sum(telemetry.check_block(data)) = sum(n) FROM telemetry.block"),
        [["t"]], "a block is damaged")
    for view in VIEWS:
        test.assertEqual(cluster.rows(difference(view)), [], view)
    test.assertEqual(cluster.rows(SERIES_DIFFERENCE), [], "telemetry.series")
