/*
 * rollup_table.c
 *		The tables of rollups.  See rollup_table.h.
 *
 * Rows are read and written without statements (base/table.h): a wide fleet's rollups are as many
 * rows as it has points in a minute.  Reading sees what the transaction has just written; the lock
 * keeps everyone else's changes away.
 */
#include "rollup/rollup_table.h"

#include "base/slice_text.h"
#include "base/statement.h"
#include "base/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "rollup/rollup_columns.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/memutils.h"

#define KEY_WIDTH 3
#define ROLLUP_WIDTH 11
#define ROLLUP_COLUMNS                                                                             \
	"n", "sum", "m2", "min", "max", "first", "last", "others", "first_ts", "last_ts", "sketch"
/* Of the rows by hour only. */
#define DAY_COLUMN (KEY_WIDTH + ROLLUP_WIDTH)

/* By TlPeriod. */
static const TlTableShape shapes[] = {{"rollup_hour",
									   KEY_WIDTH,
									   KEY_WIDTH + ROLLUP_WIDTH + 1,
									   {"device_id", "metric", "hour", ROLLUP_COLUMNS, "day"}},
									  {"rollup_day",
									   KEY_WIDTH,
									   KEY_WIDTH + ROLLUP_WIDTH,
									   {"device_id", "metric", "day", ROLLUP_COLUMNS}}};

static void
key_of(TlPeriod period, const TlRollupRow *row, Datum *values)
{
	values[0] = tl_slice_to_text(row->key.device);
	values[1] = tl_slice_to_text(row->key.metric);
	values[2] = period == TL_PERIOD_DAY ? DateADTGetDatum(row->day) : Int64GetDatum(row->hour);
}

static int64
count_of(TlTable *t, int column)
{
	bool isnull;
	Datum value = tl_table_value(t, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

static double
number_of(TlTable *t, int column)
{
	bool isnull;
	Datum value = tl_table_value(t, column, &isnull);

	return isnull ? 0 : DatumGetFloat8(value);
}

/* The rollup of the row that was found. */
static void
rollup_of(TlTable *t, TlRollup *r, MemoryContext context)
{
	bool isnull;
	Datum sketch = tl_table_value(t, KEY_WIDTH + 10, &isnull);

	r->n = count_of(t, KEY_WIDTH);
	r->sum = number_of(t, KEY_WIDTH + 1);
	r->m2 = number_of(t, KEY_WIDTH + 2);
	r->min = number_of(t, KEY_WIDTH + 3);
	r->max = number_of(t, KEY_WIDTH + 4);
	r->first = number_of(t, KEY_WIDTH + 5);
	r->last = number_of(t, KEY_WIDTH + 6);
	r->others = count_of(t, KEY_WIDTH + 7);
	r->first_ts = count_of(t, KEY_WIDTH + 8);
	r->last_ts = count_of(t, KEY_WIDTH + 9);
	r->sketch = isnull ? (TlSlice){"", 0} : tl_slice_copy(context, tl_slice_of_text(sketch));
}

void
tl_rollup_table_read(TlPeriod period, TlRollupRow *rows, uint32 n)
{
	MemoryContext caller = CurrentMemoryContext;
	TlStatementScope scope;
	TlTable *t;

	if (n == 0)
		return;
	tl_statement_begin(&scope);
	t = tl_table_open(&shapes[period]);
	for (uint32 i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(tl_table_row_context(t));
		Datum key[KEY_WIDTH];

		CHECK_FOR_INTERRUPTS();
		tl_rollup_not_stored(&rows[i]);
		key_of(period, &rows[i], key);
		if (tl_table_find(t, key, &rows[i].place.tid))
			rollup_of(t, &rows[i].rollup, caller);
		MemoryContextSwitchTo(old);
	}
	tl_table_close(t);
	tl_statement_end(&scope);
}

/* A row's columns; of a rollup without numbers those that are made of them are null. */
static void
values_of(TlPeriod period, const TlRollupRow *row, Datum *values, bool *nulls)
{
	const TlRollup *r = &row->rollup;
	Datum *v = values + KEY_WIDTH;

	memset(nulls, false, sizeof(bool) * TL_TABLE_COLUMNS_MAX);
	key_of(period, row, values);
	v[0] = Int64GetDatum(r->n);
	v[1] = Float8GetDatum(r->sum);
	v[2] = Float8GetDatum(r->m2);
	v[3] = Float8GetDatum(r->min);
	v[4] = Float8GetDatum(r->max);
	v[5] = Float8GetDatum(r->first);
	v[6] = Float8GetDatum(r->last);
	v[7] = Int64GetDatum(r->others);
	v[8] = Int64GetDatum(r->first_ts);
	v[9] = Int64GetDatum(r->last_ts);
	v[10] = tl_varlena_of("", 0, r->sketch);
	values[DAY_COLUMN] = DateADTGetDatum(row->day);
	if (r->n == 0)
	{
		memset(nulls + KEY_WIDTH + 1, true, sizeof(bool) * 6);
		nulls[KEY_WIDTH + 10] = true;
	}
}

void
tl_rollup_table_write(TlPeriod period, TlRollupRow *rows, uint32 n)
{
	TlStatementScope scope;
	TlTable *t;

	if (n == 0)
		return;
	tl_statement_begin(&scope);
	t = tl_table_open(&shapes[period]);
	for (uint32 i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(tl_table_row_context(t));
		TlRowPlace *place = &rows[i].place;
		Datum values[TL_TABLE_COLUMNS_MAX];
		bool nulls[TL_TABLE_COLUMNS_MAX];

		CHECK_FOR_INTERRUPTS();
		values_of(period, &rows[i], values, nulls);
		if (!place->known && !tl_table_find(t, values, &place->tid))
			ItemPointerSetInvalid(&place->tid);
		if (ItemPointerIsValid(&place->tid))
			tl_table_update(t, &place->tid, values, nulls);
		else
			tl_table_insert(t, values, nulls);
		place->known = false;
		MemoryContextSwitchTo(old);
	}
	tl_table_close(t);
	tl_statement_end(&scope);
}

/* Arguments 1 to 3 are the key: device, metric, and hour or day. */
#define DELETE_ROWS(table, column, type)                                                           \
	"DELETE FROM " table " AS r USING unnest($1, $2, $3::" type "[]) AS k (device_id, metric, at)" \
	" WHERE r.device_id = k.device_id AND r.metric = k.metric AND r." column " = k.at"

static TlStatement delete_rows[] = {{DELETE_ROWS("telemetry.rollup_hour", "hour", "timestamptz"),
									 3,
									 {TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID},
									 NULL},
									{DELETE_ROWS("telemetry.rollup_day", "day", "date"),
									 3,
									 {TEXTARRAYOID, TEXTARRAYOID, DATEARRAYOID},
									 NULL}};

static Datum
time_array(TlPeriod period, const TlRollupRow *rows, uint32 n)
{
	TlColumn c = tl_column(n);

	for (uint32 i = 0; i < n; i++)
	{
		c.values[i] =
			period == TL_PERIOD_DAY ? DateADTGetDatum(rows[i].day) : Int64GetDatum(rows[i].hour);
		c.nulls[i] = false;
	}
	return tl_column_array(&c, period == TL_PERIOD_DAY ? DATEOID : TIMESTAMPTZOID);
}

void
tl_rollup_table_delete(TlPeriod period, const TlRollupRow *rows, uint32 n)
{
	TlStatementScope scope;
	Datum values[3];

	if (n == 0)
		return;
	tl_statement_begin(&scope);
	values[0] = tl_device_array(rows, n, sizeof(TlRollupRow));
	values[1] = tl_metric_array(rows, n, sizeof(TlRollupRow));
	values[2] = time_array(period, rows, n);
	tl_statement_execute(&delete_rows[period], values, NULL, false, 0);
	tl_statement_end(&scope);
}

static Datum
slice_array(const TlSlice *list, uint32 n)
{
	TlColumn c = tl_column(n);

	for (uint32 i = 0; i < n; i++)
	{
		c.values[i] = tl_slice_to_text(list[i]);
		c.nulls[i] = false;
	}
	return tl_column_array(&c, TEXTOID);
}

/* $5: whether any metric will do. */
static TlStatement hours_in_range = {
	"SELECT device_id, metric, hour, day FROM telemetry.rollup_hour"
	" WHERE device_id = ANY ($1) AND ($5 OR metric = ANY ($2))"
	" AND hour >= $3 AND hour <= $4 ORDER BY device_id, metric, hour",
	5,
	{TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID},
	NULL};

TlRollupRow *
tl_rollup_table_range(const TlSlice *devices, uint32 n_devices, const TlSlice *metrics,
					  uint32 n_metrics, int64 from, int64 to, uint32 *n)
{
	MemoryContext caller = CurrentMemoryContext;
	TlStatementScope scope;
	Datum values[5];
	TlRollupRow *rows;

	tl_statement_begin(&scope);
	values[0] = slice_array(devices, n_devices);
	values[1] = slice_array(metrics, n_metrics);
	values[2] = Int64GetDatum(from);
	values[3] = Int64GetDatum(to);
	values[4] = BoolGetDatum(n_metrics == 0);
	tl_statement_execute_planned(&hours_in_range, values, NULL, false, 0);
	rows = MemoryContextAllocHuge(caller, sizeof(TlRollupRow) * Max(SPI_processed, 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple tuple = SPI_tuptable->vals[i];

		rows[i].key.device = tl_bytes_field(tuple, 1, caller);
		rows[i].key.metric = tl_bytes_field(tuple, 2, caller);
		rows[i].hour = tl_count_field(tuple, 3);
		rows[i].day = (int32) tl_day_field(tuple, 4);
	}
	*n = (uint32) SPI_processed;
	tl_statement_end(&scope);
	tl_rollup_table_read(TL_PERIOD_HOUR, rows, *n);
	for (uint32 i = 0; i < *n; i++)
		rows[i].place.known = false; /* rows of days may be made of them */
	return rows;
}
