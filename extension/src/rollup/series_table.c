/*
 * series_table.c
 *		The table telemetry.series.  See rollup_table.h.
 */
#include "rollup/rollup_table.h"

#include "base/slice_text.h"
#include "base/statement.h"
#include "base/table.h"
#include "catalog/pg_type.h"
#include "rollup/rollup_columns.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* What becomes of the columns of a row. */
enum
{
	SERIES_DEVICE,
	SERIES_METRIC,
	SERIES_N,
	SERIES_FIRST_TS,
	SERIES_LAST_TS,
	SERIES_LAST_VALUE,
	SERIES_WIDTH
};

static const TlTableShape shape = {
	"series", 2, SERIES_WIDTH, {"device_id", "metric", "n", "first_ts", "last_ts", "last_value"}};

static TlStatement rebuild_series = {
	"INSERT INTO telemetry.series AS s (device_id, metric, n, first_ts, last_ts, last_value)"
	" SELECT k.device_id, k.metric, sum(r.n + r.others),"
	"  min(r.first_ts), max(r.last_ts), k.last_value"
	" FROM unnest($1, $2, $3) AS k (device_id, metric, last_value)"
	", LATERAL (SELECT * FROM telemetry.rollup_day AS r"
	"  WHERE r.device_id = k.device_id AND r.metric = k.metric OFFSET 0) AS r"
	" GROUP BY k.device_id, k.metric, k.last_value"
	" ON CONFLICT (device_id, metric) DO UPDATE SET"
	" n = excluded.n, first_ts = excluded.first_ts, last_ts = excluded.last_ts,"
	" last_value = coalesce(excluded.last_value, s.last_value)",
	3,
	{TEXTARRAYOID, TEXTARRAYOID, InvalidOid},
	NULL};

static TlStatement forget_series = {
	"DELETE FROM telemetry.series AS s USING unnest($1, $2) AS k (device_id, metric)"
	" WHERE s.device_id = k.device_id AND s.metric = k.metric"
	" AND NOT EXISTS (SELECT FROM telemetry.rollup_day AS r"
	"  WHERE r.device_id = k.device_id AND r.metric = k.metric)",
	2,
	{TEXTARRAYOID, TEXTARRAYOID},
	NULL};

/* The type telemetry.value begins with its kind. */
static Datum
last_value_of(const TlSeriesRow *row)
{
	char kind = (char) row->last_kind;

	return tl_varlena_of(&kind, 1, row->last);
}

static void
values_of(const TlSeriesRow *row, Datum *values, bool *nulls)
{
	memset(nulls, false, sizeof(bool) * SERIES_WIDTH);
	values[SERIES_DEVICE] = tl_slice_to_text(row->key.device);
	values[SERIES_METRIC] = tl_slice_to_text(row->key.metric);
	values[SERIES_N] = Int64GetDatum(row->points);
	values[SERIES_FIRST_TS] = Int64GetDatum(row->first_ts);
	values[SERIES_LAST_TS] = Int64GetDatum(row->last_ts);
	nulls[SERIES_LAST_VALUE] = row->last_kind == 0;
	if (row->last_kind != 0)
		values[SERIES_LAST_VALUE] = last_value_of(row);
}

/* What is stored of the row that was found joins what is new; of the same time, the new value counts. */
static void
join_stored(TlTable *t, Datum *values, bool *nulls)
{
	Datum stored[SERIES_WIDTH];
	bool stored_nulls[SERIES_WIDTH];

	for (int i = SERIES_N; i < SERIES_WIDTH; i++)
		stored[i] = tl_table_value(t, i, &stored_nulls[i]);
	if (nulls[SERIES_LAST_VALUE] ||
		DatumGetInt64(values[SERIES_LAST_TS]) < DatumGetInt64(stored[SERIES_LAST_TS]))
	{
		values[SERIES_LAST_VALUE] = stored[SERIES_LAST_VALUE];
		nulls[SERIES_LAST_VALUE] = stored_nulls[SERIES_LAST_VALUE];
	}
	values[SERIES_N] =
		Int64GetDatum(DatumGetInt64(values[SERIES_N]) + DatumGetInt64(stored[SERIES_N]));
	values[SERIES_FIRST_TS] = Int64GetDatum(
		Min(DatumGetInt64(values[SERIES_FIRST_TS]), DatumGetInt64(stored[SERIES_FIRST_TS])));
	values[SERIES_LAST_TS] = Int64GetDatum(
		Max(DatumGetInt64(values[SERIES_LAST_TS]), DatumGetInt64(stored[SERIES_LAST_TS])));
}

void
tl_series_table_add(const TlSeriesRow *rows, uint32 n)
{
	TlStatementScope scope;
	TlTable *t;

	if (n == 0)
		return;
	tl_statement_begin(&scope);
	t = tl_table_open(&shape);
	for (uint32 i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(tl_table_row_context(t));
		Datum values[SERIES_WIDTH];
		bool nulls[SERIES_WIDTH];
		ItemPointerData place;

		CHECK_FOR_INTERRUPTS();
		values_of(&rows[i], values, nulls);
		if (tl_table_find(t, values, &place))
		{
			join_stored(t, values, nulls);
			tl_table_update(t, &place, values, nulls);
		}
		else
			tl_table_insert(t, values, nulls);
		MemoryContextSwitchTo(old);
	}
	tl_table_close(t);
	tl_statement_end(&scope);
}

static Datum
last_value_array(const TlSeriesRow *rows, uint32 n, Oid type)
{
	TlColumn c = tl_column(n);

	for (uint32 i = 0; i < n; i++)
	{
		c.nulls[i] = rows[i].last_kind == 0;
		c.values[i] = c.nulls[i] ? (Datum) 0 : last_value_of(&rows[i]);
	}
	return tl_column_array(&c, type);
}

void
tl_series_table_rebuild(const TlSeriesRow *rows, uint32 n)
{
	TlStatementScope scope;
	Datum values[3];

	if (n == 0)
		return;
	tl_statement_begin(&scope);
	values[0] = tl_device_array(rows, n, sizeof(TlSeriesRow));
	values[1] = tl_metric_array(rows, n, sizeof(TlSeriesRow));
	values[2] = last_value_array(rows, n, tl_bind_own_type(&rebuild_series, 2, "value"));
	tl_statement_execute_planned(&rebuild_series, values, NULL, false, 0);
	tl_statement_execute_planned(&forget_series, values, NULL, false, 0);
	tl_statement_end(&scope);
}
