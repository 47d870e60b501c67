/*
 * series_table.c
 *		The statements on telemetry.series.  See rollup_table.h, and rollup_table.c for how.
 */
#include "rollup/rollup_table.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "rollup/rollup_columns.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define SERIES_ARGS                                                                                \
	{                                                                                              \
		TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID,        \
			InvalidOid                                                                             \
	}

static TlStatement find_series = {
	"SELECT k.i, s.ctid FROM unnest($1, $2) WITH ORDINALITY AS k (device_id, metric, i),"
	" LATERAL (SELECT s.ctid FROM telemetry.series AS s"
	"  WHERE s.device_id = k.device_id AND s.metric = k.metric OFFSET 0) AS s",
	2,
	{TEXTARRAYOID, TEXTARRAYOID},
	NULL};

static TlStatement insert_series = {
	"INSERT INTO telemetry.series (device_id, metric, n, first_ts, last_ts, last_value)"
	" SELECT * FROM unnest($1, $2, $3, $4, $5, $6)",
	6, SERIES_ARGS, NULL};

/* Arguments as above, but that the first are the rows' places. */
static TlStatement update_series = {
	"UPDATE telemetry.series AS s SET"
	" n = s.n + k.n,"
	" first_ts = LEAST(s.first_ts, k.first_ts),"
	" last_ts = GREATEST(s.last_ts, k.last_ts),"
	" last_value = CASE WHEN k.last_ts >= s.last_ts AND k.last_value IS NOT NULL"
	"  THEN k.last_value ELSE s.last_value END"
	" FROM unnest($1, $3, $4, $5, $6) AS k (place, n, first_ts, last_ts, last_value)"
	" WHERE s.ctid = k.place",
	6,
	{TIDARRAYOID, BOOLOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, InvalidOid},
	NULL};

static TlStatement rebuild_series = {
	"INSERT INTO telemetry.series AS s (device_id, metric, n, first_ts, last_ts, last_value)"
	" SELECT k.device_id, k.metric, sum(r.n + r.others),"
	"  min(r.first_ts), max(r.last_ts), k.last_value"
	" FROM unnest($1, $2, $6) AS k (device_id, metric, last_value)"
	", LATERAL (SELECT * FROM telemetry.rollup_day AS r"
	"  WHERE r.device_id = k.device_id AND r.metric = k.metric OFFSET 0) AS r"
	" GROUP BY k.device_id, k.metric, k.last_value"
	" ON CONFLICT (device_id, metric) DO UPDATE SET"
	" n = excluded.n, first_ts = excluded.first_ts, last_ts = excluded.last_ts,"
	" last_value = coalesce(excluded.last_value, s.last_value)",
	6, SERIES_ARGS, NULL};

static TlStatement forget_series = {
	"DELETE FROM telemetry.series AS s USING unnest($1, $2) AS k (device_id, metric)"
	" WHERE s.device_id = k.device_id AND s.metric = k.metric"
	" AND NOT EXISTS (SELECT FROM telemetry.rollup_day AS r"
	"  WHERE r.device_id = k.device_id AND r.metric = k.metric)",
	2,
	{TEXTARRAYOID, TEXTARRAYOID},
	NULL};

static Datum
last_value_array(const TlSeriesRow *rows, uint32 n, Oid type)
{
	TlColumn c = tl_column(n);

	for (uint32 i = 0; i < n; i++)
	{
		char kind = (char) rows[i].last_kind;

		c.nulls[i] = kind == 0;
		c.values[i] = c.nulls[i] ? (Datum) 0 : tl_varlena_of(&kind, 1, rows[i].last);
	}
	return tl_column_array(&c, type);
}

static Datum
series_array(const TlSeriesRow *rows, uint32 n, size_t offset, Oid type)
{
	TlColumn c = tl_column(n);

	for (uint32 i = 0; i < n; i++)
	{
		c.nulls[i] = false;
		c.values[i] = Int64GetDatum(*(const int64 *) ((const char *) &rows[i] + offset));
	}
	return tl_column_array(&c, type);
}

static void
bind_series(TlStatement *s, const TlSeriesRow *rows, uint32 n, Datum *values)
{
	values[2] = series_array(rows, n, offsetof(TlSeriesRow, points), INT8OID);
	values[3] = series_array(rows, n, offsetof(TlSeriesRow, first_ts), TIMESTAMPTZOID);
	values[4] = series_array(rows, n, offsetof(TlSeriesRow, last_ts), TIMESTAMPTZOID);
	values[5] = last_value_array(rows, n, tl_bind_own_type(s, 5, "value"));
}

static void
bind_series_keys(const TlSeriesRow *rows, uint32 n, Datum *values)
{
	values[0] = tl_device_array(rows, n, sizeof(TlSeriesRow));
	values[1] = tl_metric_array(rows, n, sizeof(TlSeriesRow));
}

static void
find_series_places(TlSeriesRow *rows, uint32 n)
{
	Datum values[2];

	tl_places_forget(rows, n, sizeof(TlSeriesRow));
	bind_series_keys(rows, n, values);
	tl_statement_execute(&find_series, values, NULL, false, 0);
	tl_places_found(rows, sizeof(TlSeriesRow));
}

void
tl_series_table_add(TlSeriesRow *rows, uint32 n)
{
	TlStatementScope scope;
	TlSeriesRow *some;
	uint32 n_some;
	Datum values[6] = {0};

	if (n == 0)
		return;
	tl_statement_begin(&scope);
	find_series_places(rows, n);
	some = tl_rows_stored(rows, n, sizeof(TlSeriesRow), true, &n_some);
	if (n_some > 0)
	{
		values[0] = tl_place_array(some, n_some, sizeof(TlSeriesRow));
		bind_series(&update_series, some, n_some, values);
		tl_rows_update(&update_series, values, n_some);
	}
	some = tl_rows_stored(rows, n, sizeof(TlSeriesRow), false, &n_some);
	if (n_some > 0)
	{
		bind_series_keys(some, n_some, values);
		bind_series(&insert_series, some, n_some, values);
		tl_statement_execute(&insert_series, values, NULL, false, 0);
	}
	tl_statement_end(&scope);
}

void
tl_series_table_rebuild(const TlSeriesRow *rows, uint32 n)
{
	TlStatementScope scope;
	Datum values[6];

	if (n == 0)
		return;
	tl_statement_begin(&scope);
	bind_series_keys(rows, n, values);
	bind_series(&rebuild_series, rows, n, values);
	tl_statement_execute_planned(&rebuild_series, values, NULL, false, 0);
	tl_statement_execute_planned(&forget_series, values, NULL, false, 0);
	tl_statement_end(&scope);
}
