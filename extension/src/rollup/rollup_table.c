/*
 * rollup_table.c
 *		The statements on the tables of rollups.  See rollup_table.h.
 *
 * Columns travel as arrays, one for each, and the server joins them by unnest().  Reads are
 * statements like any other, with a snapshot of their own, so that they see what the transaction
 * has just written; the lock keeps everyone else's changes away.
 *
 * A row that is there is changed at the place that reading has found it at, one that is not is
 * inserted: INSERT … ON CONFLICT, which has to expect others, would look for each row again and lock
 * it, or insert it twice over, and takes twice as long.
 */
#include "rollup/rollup_table.h"

#include "base/slice_text.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "rollup/rollup_columns.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/memutils.h"

#define ROLLUP_COLUMNS "n, sum, m2, min, max, first, last, others, first_ts, last_ts, sketch"
#define R_COLUMNS                                                                                  \
	"r.n, r.sum, r.m2, r.min, r.max, r.first, r.last, r.others, r.first_ts, r.last_ts, r.sketch"
#define ROLLUP_WIDTH 11

/* Arguments 1 to 3 are the key: device, metric, and hour or day. */
#define KEYS(type)                                                                                 \
	"unnest($1, $2, $3::" type "[]) WITH ORDINALITY"                                               \
	" AS k (device_id, metric, at, i)"
#define SAME_KEY(column) "r.device_id = k.device_id AND r.metric = k.metric AND r." column " = k.at"

/*
 * OFFSET keeps the planner from joining by a scan of the table, which may have been small then.
 * Either index of the table finds a key at once.
 */
#define READ(columns, table, column, type)                                                         \
	"SELECT k.i, r.* FROM " KEYS(type) ", LATERAL (SELECT r.ctid" columns " FROM " table           \
									   " AS r WHERE " SAME_KEY(column) " OFFSET 0) AS r"
#define READ_HOURS(columns)                                                                        \
	{                                                                                              \
		READ(columns, "telemetry.rollup_hour", "hour", "timestamptz"), 3,                          \
			{TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID}, NULL                                \
	}
#define READ_DAYS(columns)                                                                         \
	{                                                                                              \
		READ(columns, "telemetry.rollup_day", "day", "date"), 3,                                   \
			{TEXTARRAYOID, TEXTARRAYOID, DATEARRAYOID}, NULL                                       \
	}

/* By TlPeriod. */
static TlStatement read_rows[] = {READ_HOURS(", " R_COLUMNS), READ_DAYS(", " R_COLUMNS)};
static TlStatement find_rows[] = {READ_HOURS(""), READ_DAYS("")};

#define DELETE_ROWS(table, column, type)                                                           \
	"DELETE FROM " table " AS r USING " KEYS(type) " WHERE " SAME_KEY(column)

static TlStatement delete_rows[] = {{DELETE_ROWS("telemetry.rollup_hour", "hour", "timestamptz"),
									 3,
									 {TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID},
									 NULL},
									{DELETE_ROWS("telemetry.rollup_day", "day", "date"),
									 3,
									 {TEXTARRAYOID, TEXTARRAYOID, DATEARRAYOID},
									 NULL}};

/* The last argument's type is the array of telemetry.sketch, known when it is run. */
static TlStatement insert_rows[] = {
	{"INSERT INTO telemetry.rollup_hour (device_id, metric, hour, " ROLLUP_COLUMNS ", day)"
	 " SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,"
	 " $15, $14)",
	 15,
	 {TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID,
	  FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, INT8ARRAYOID,
	  TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, DATEARRAYOID, InvalidOid},
	 NULL},
	{"INSERT INTO telemetry.rollup_day (device_id, metric, day, " ROLLUP_COLUMNS ")"
	 " SELECT * FROM unnest($1, $2, $14, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,"
	 " $15)",
	 15,
	 {TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID,
	  FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, INT8ARRAYOID,
	  TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, DATEARRAYOID, InvalidOid},
	 NULL}};

/* Arguments 4 to 13 and 15 as above, so that one function binds them; 1 is the rows' places. */
#define UPDATE_ROWS(table)                                                                         \
	{                                                                                              \
		"UPDATE " table " AS r SET n = k.n, sum = k.sum, m2 = k.m2, min = k.min, max = k.max,"     \
		" first = k.first, last = k.last, others = k.others, first_ts = k.first_ts,"               \
		" last_ts = k.last_ts, sketch = k.sketch"                                                  \
		" FROM unnest($1, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $15)"                        \
		" AS k (place, " ROLLUP_COLUMNS ")"                                                        \
		" WHERE r.ctid = k.place",                                                                 \
			15, {TIDARRAYOID,		  BOOLOID,		  BOOLOID,		  INT8ARRAYOID,                \
				 FLOAT8ARRAYOID,	  FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID,              \
				 FLOAT8ARRAYOID,	  FLOAT8ARRAYOID, INT8ARRAYOID,	  TIMESTAMPTZARRAYOID,         \
				 TIMESTAMPTZARRAYOID, BOOLOID,		  InvalidOid},                                 \
			NULL                                                                                   \
	}

static TlStatement update_rows[] = {UPDATE_ROWS("telemetry.rollup_hour"),
									UPDATE_ROWS("telemetry.rollup_day")};

static Datum
time_array(const TlRollupRow *rows, uint32 n, bool day)
{
	TlColumn c = tl_column(n);

	for (uint32 i = 0; i < n; i++)
	{
		c.values[i] = day ? DateADTGetDatum(rows[i].day) : Int64GetDatum(rows[i].hour);
		c.nulls[i] = false;
	}
	return tl_column_array(&c, day ? DATEOID : TIMESTAMPTZOID);
}

static void
bind_keys(TlPeriod period, const TlRollupRow *rows, uint32 n, Datum *values)
{
	values[0] = tl_device_array(rows, n, sizeof(TlRollupRow));
	values[1] = tl_metric_array(rows, n, sizeof(TlRollupRow));
	values[2] = time_array(rows, n, period == TL_PERIOD_DAY);
}

/* The columns of a rollup from one number on. */
static void
read_rollup(HeapTuple tuple, int number, TlRollup *r, MemoryContext context)
{
	r->n = tl_count_field(tuple, number);
	r->sum = tl_number_field(tuple, number + 1);
	r->m2 = tl_number_field(tuple, number + 2);
	r->min = tl_number_field(tuple, number + 3);
	r->max = tl_number_field(tuple, number + 4);
	r->first = tl_number_field(tuple, number + 5);
	r->last = tl_number_field(tuple, number + 6);
	r->others = tl_count_field(tuple, number + 7);
	r->first_ts = tl_count_field(tuple, number + 8);
	r->last_ts = tl_count_field(tuple, number + 9);
	r->sketch = tl_bytes_field(tuple, number + 10, context);
}

void
tl_rollup_table_read(TlPeriod period, TlRollupRow *rows, uint32 n)
{
	MemoryContext caller = CurrentMemoryContext;
	TlStatementScope scope;
	Datum values[3];

	for (uint32 i = 0; i < n; i++)
		memset(&rows[i].rollup, 0, sizeof(TlRollup));
	tl_places_forget(rows, n, sizeof(TlRollupRow));
	if (n == 0)
		return;
	tl_statement_begin(&scope);
	bind_keys(period, rows, n, values);
	tl_statement_execute(&read_rows[period], values, NULL, false, 0);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple tuple = SPI_tuptable->vals[i];

		TlRollupRow *row = &rows[tl_count_field(tuple, 1) - 1];

		tl_place_field(tuple, 2, &row->place);
		read_rollup(tuple, 3, &row->rollup, caller);
	}
	tl_statement_end(&scope);
}

/* One column of numbers of all rows; null where a row has none. */
static Datum
number_array(const TlRollupRow *rows, uint32 n, size_t offset)
{
	TlColumn c = tl_column(n);

	for (uint32 i = 0; i < n; i++)
	{
		const char *rollup = (const char *) &rows[i].rollup;

		c.nulls[i] = rows[i].rollup.n == 0;
		c.values[i] = Float8GetDatum(*(const double *) (rollup + offset));
	}
	return tl_column_array(&c, FLOAT8OID);
}

static Datum
count_array(const TlRollupRow *rows, uint32 n, size_t offset, Oid type)
{
	TlColumn c = tl_column(n);

	for (uint32 i = 0; i < n; i++)
	{
		const char *rollup = (const char *) &rows[i].rollup;

		c.nulls[i] = false;
		c.values[i] = Int64GetDatum(*(const int64 *) (rollup + offset));
	}
	return tl_column_array(&c, type);
}

static Datum
sketch_array(const TlRollupRow *rows, uint32 n, Oid type)
{
	TlColumn c = tl_column(n);

	for (uint32 i = 0; i < n; i++)
	{
		c.nulls[i] = rows[i].rollup.n == 0;
		c.values[i] = tl_varlena_of("", 0, rows[i].rollup.sketch);
	}
	return tl_column_array(&c, type);
}

/* Finds the places of rows that were not read. */
static void
find_places(TlPeriod period, TlRollupRow *rows, uint32 n)
{
	Datum values[3];
	bool all_known = true;

	for (uint32 i = 0; i < n; i++)
		all_known &= rows[i].place.known;
	if (all_known)
		return;
	tl_places_forget(rows, n, sizeof(TlRollupRow));
	bind_keys(period, rows, n, values);
	tl_statement_execute(&find_rows[period], values, NULL, false, 0);
	tl_places_found(rows, sizeof(TlRollupRow));
}

static void
bind_rollups(TlStatement *s, const TlRollupRow *rows, uint32 n, Datum *values)
{
	values[3] = count_array(rows, n, offsetof(TlRollup, n), INT8OID);
	values[4] = number_array(rows, n, offsetof(TlRollup, sum));
	values[5] = number_array(rows, n, offsetof(TlRollup, m2));
	values[6] = number_array(rows, n, offsetof(TlRollup, min));
	values[7] = number_array(rows, n, offsetof(TlRollup, max));
	values[8] = number_array(rows, n, offsetof(TlRollup, first));
	values[9] = number_array(rows, n, offsetof(TlRollup, last));
	values[10] = count_array(rows, n, offsetof(TlRollup, others), INT8OID);
	values[11] = count_array(rows, n, offsetof(TlRollup, first_ts), TIMESTAMPTZOID);
	values[12] = count_array(rows, n, offsetof(TlRollup, last_ts), TIMESTAMPTZOID);
	values[14] = sketch_array(rows, n, tl_bind_own_type(s, 14, "sketch"));
}

static void
insert_rollups(TlPeriod period, const TlRollupRow *rows, uint32 n)
{
	TlStatement *s = &insert_rows[period];
	Datum values[15];

	if (n == 0)
		return;
	bind_keys(TL_PERIOD_HOUR, rows, n, values);
	values[13] = time_array(rows, n, true);
	bind_rollups(s, rows, n, values);
	tl_statement_execute(s, values, NULL, false, 0);
}

static void
update_rollups(TlPeriod period, const TlRollupRow *rows, uint32 n)
{
	TlStatement *s = &update_rows[period];
	Datum values[15] = {0};

	if (n == 0)
		return;
	values[0] = tl_place_array(rows, n, sizeof(TlRollupRow));
	bind_rollups(s, rows, n, values);
	tl_rows_update(s, values, n);
}

void
tl_rollup_table_write(TlPeriod period, TlRollupRow *rows, uint32 n)
{
	TlStatementScope scope;
	TlRollupRow *some;
	uint32 n_some;

	if (n == 0)
		return;
	tl_statement_begin(&scope);
	find_places(period, rows, n);
	some = tl_rows_stored(rows, n, sizeof(TlRollupRow), true, &n_some);
	update_rollups(period, some, n_some);
	some = tl_rows_stored(rows, n, sizeof(TlRollupRow), false, &n_some);
	insert_rollups(period, some, n_some);
	tl_statement_end(&scope);
	for (uint32 i = 0; i < n; i++)
		rows[i].place.known = false;
}

void
tl_rollup_table_delete(TlPeriod period, const TlRollupRow *rows, uint32 n)
{
	TlStatementScope scope;
	Datum values[3];

	if (n == 0)
		return;
	tl_statement_begin(&scope);
	bind_keys(period, rows, n, values);
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

/* $5 and $6: whether any device and metric will do. */
static TlStatement hours_in_range = {
	"SELECT device_id, metric, hour, day, " ROLLUP_COLUMNS " FROM telemetry.rollup_hour"
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
		rows[i].place.known = false;
		read_rollup(tuple, 5, &rows[i].rollup, caller);
	}
	*n = (uint32) SPI_processed;
	tl_statement_end(&scope);
	return rows;
}
