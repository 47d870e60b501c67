/*
 * rollup_table.c
 *		The statements on the tables of rollups.  See rollup_table.h.
 *
 * Columns travel as arrays, one for each, and the server joins them by unnest().  Reads are
 * statements like any other, with a snapshot of their own, so that they see what the transaction
 * has just written; the lock keeps everyone else's changes away.
 */
#include "rollup/rollup_table.h"

#include "base/slice_text.h"
#include "base/statement.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

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
#define READ(table, column, type)                                                                  \
	"SELECT k.i, r.* FROM " KEYS(type) ", LATERAL (SELECT " R_COLUMNS " FROM " table               \
									   " AS r WHERE " SAME_KEY(column) " OFFSET 0) AS r"

static TlStatement read_rows[] = {{READ("telemetry.rollup_hour", "hour", "timestamptz"),
								   3,
								   {TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID},
								   NULL},
								  {READ("telemetry.rollup_day", "day", "date"),
								   3,
								   {TEXTARRAYOID, TEXTARRAYOID, DATEARRAYOID},
								   NULL}};

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

#define REPLACE                                                                                    \
	" n = excluded.n, sum = excluded.sum, m2 = excluded.m2, min = excluded.min,"                   \
	" max = excluded.max, first = excluded.first, last = excluded.last,"                           \
	" others = excluded.others, first_ts = excluded.first_ts, last_ts = excluded.last_ts,"         \
	" sketch = excluded.sketch"

/* The last argument's type is the array of telemetry.sketch, known when it is run. */
static TlStatement write_rows[] = {
	{"INSERT INTO telemetry.rollup_hour (device_id, metric, hour, " ROLLUP_COLUMNS ", day)"
	 " SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,"
	 " $15, $14)"
	 " ON CONFLICT (device_id, metric, hour) DO UPDATE SET" REPLACE,
	 15,
	 {TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID,
	  FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, INT8ARRAYOID,
	  TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, DATEARRAYOID, InvalidOid},
	 NULL},
	{"INSERT INTO telemetry.rollup_day (device_id, metric, day, " ROLLUP_COLUMNS ")"
	 " SELECT * FROM unnest($1, $2, $14, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,"
	 " $15)"
	 " ON CONFLICT (device_id, metric, day) DO UPDATE SET" REPLACE,
	 15,
	 {TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID,
	  FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, INT8ARRAYOID,
	  TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, DATEARRAYOID, InvalidOid},
	 NULL}};

#define SERIES_ARGS                                                                                \
	{                                                                                              \
		TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID,        \
			InvalidOid                                                                             \
	}

static TlStatement add_series = {
	"INSERT INTO telemetry.series AS s (device_id, metric, n, first_ts, last_ts, last_value)"
	" SELECT * FROM unnest($1, $2, $3, $4, $5, $6)"
	" ON CONFLICT (device_id, metric) DO UPDATE SET"
	" n = s.n + excluded.n,"
	" first_ts = LEAST(s.first_ts, excluded.first_ts),"
	" last_ts = GREATEST(s.last_ts, excluded.last_ts),"
	" last_value = CASE WHEN excluded.last_ts >= "
	"s.last_ts AND excluded.last_value IS NOT NULL THEN excluded.last_value ELSE s.last_value END",
	6, SERIES_ARGS, NULL};

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

/* Rows of one piece of work, as columns of datums. */
typedef struct Columns
{
	uint32 n;
	Datum *values;
	bool *nulls;
} Columns;

static Columns
columns_for(uint32 n)
{
	Columns c = {n, MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * Max(n, 1)),
				 MemoryContextAllocHuge(CurrentMemoryContext, sizeof(bool) * Max(n, 1))};

	return c;
}

static Datum
as_array(const Columns *c, Oid type)
{
	int dims[1] = {(int) c->n};
	int bounds[1] = {1};
	int16 len;
	bool by_value;
	char align;

	get_typlenbyvalalign(type, &len, &by_value, &align);
	return PointerGetDatum(
		construct_md_array(c->values, c->nulls, 1, dims, bounds, type, len, by_value, align));
}

static Oid
own_type(const char *name)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(name),
						   ObjectIdGetDatum(get_namespace_oid("telemetry", false)));
}

/* A statement's argument of a type of ours, whose OID changes when the extension is created anew. */
static Oid
bind_own_type(TlStatement *s, int arg, const char *name)
{
	Oid type = own_type(name);
	Oid array = get_array_type(type);

	if (s->args[arg] != array)
	{
		if (s->plan != NULL)
			SPI_freeplan(s->plan);
		s->plan = NULL;
		s->args[arg] = array;
	}
	return type;
}

static Datum
key_array(const void *rows, uint32 n, size_t size, bool metric)
{
	Columns c = columns_for(n);

	for (uint32 i = 0; i < n; i++)
	{
		const TlKey *key = (const TlKey *) ((const char *) rows + i * size);

		c.values[i] = tl_slice_to_text(metric ? key->metric : key->device);
		c.nulls[i] = false;
	}
	return as_array(&c, TEXTOID);
}

static Datum
place_array(const TlRollupRow *rows, uint32 n, bool day)
{
	Columns c = columns_for(n);

	for (uint32 i = 0; i < n; i++)
	{
		c.values[i] = day ? DateADTGetDatum(rows[i].day) : Int64GetDatum(rows[i].hour);
		c.nulls[i] = false;
	}
	return as_array(&c, day ? DATEOID : TIMESTAMPTZOID);
}

static void
bind_keys(TlPeriod period, const TlRollupRow *rows, uint32 n, Datum *values)
{
	values[0] = key_array(rows, n, sizeof(TlRollupRow), false);
	values[1] = key_array(rows, n, sizeof(TlRollupRow), true);
	values[2] = place_array(rows, n, period == TL_PERIOD_DAY);
}

static Datum
field(HeapTuple tuple, int number, bool *isnull)
{
	return SPI_getbinval(tuple, SPI_tuptable->tupdesc, number, isnull);
}

static double
number_field(HeapTuple tuple, int number)
{
	bool isnull;
	Datum value = field(tuple, number, &isnull);

	return isnull ? 0 : DatumGetFloat8(value);
}

static int64
count_field(HeapTuple tuple, int number)
{
	bool isnull;
	Datum value = field(tuple, number, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

/* A text or other varlena, copied to the context; no bytes for a null. */
static TlSlice
bytes_field(HeapTuple tuple, int number, MemoryContext context)
{
	bool isnull;
	Datum value = field(tuple, number, &isnull);
	struct varlena *v;
	TlSlice s = {"", 0};

	if (isnull)
		return s;
	v = pg_detoast_datum_packed((struct varlena *) DatumGetPointer(value));
	s.len = (uint32) VARSIZE_ANY_EXHDR(v);
	s.data = memcpy(MemoryContextAlloc(context, Max(s.len, 1)), VARDATA_ANY(v), s.len);
	return s;
}

/* The columns of a rollup from one number on. */
static void
read_rollup(HeapTuple tuple, int number, TlRollup *r, MemoryContext context)
{
	r->n = count_field(tuple, number);
	r->sum = number_field(tuple, number + 1);
	r->m2 = number_field(tuple, number + 2);
	r->min = number_field(tuple, number + 3);
	r->max = number_field(tuple, number + 4);
	r->first = number_field(tuple, number + 5);
	r->last = number_field(tuple, number + 6);
	r->others = count_field(tuple, number + 7);
	r->first_ts = count_field(tuple, number + 8);
	r->last_ts = count_field(tuple, number + 9);
	r->sketch = bytes_field(tuple, number + 10, context);
}

void
tl_rollup_table_read(TlPeriod period, TlRollupRow *rows, uint32 n)
{
	MemoryContext caller = CurrentMemoryContext;
	TlStatementScope scope;
	Datum values[3];

	for (uint32 i = 0; i < n; i++)
		memset(&rows[i].rollup, 0, sizeof(TlRollup));
	if (n == 0)
		return;
	tl_statement_begin(&scope);
	bind_keys(period, rows, n, values);
	tl_statement_execute(&read_rows[period], values, NULL, false, 0);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple tuple = SPI_tuptable->vals[i];

		read_rollup(tuple, 2, &rows[count_field(tuple, 1) - 1].rollup, caller);
	}
	tl_statement_end(&scope);
}

/* One column of numbers of all rows; null where a row has none. */
static Datum
number_array(const TlRollupRow *rows, uint32 n, size_t offset)
{
	Columns c = columns_for(n);

	for (uint32 i = 0; i < n; i++)
	{
		const char *rollup = (const char *) &rows[i].rollup;

		c.nulls[i] = rows[i].rollup.n == 0;
		c.values[i] = Float8GetDatum(*(const double *) (rollup + offset));
	}
	return as_array(&c, FLOAT8OID);
}

static Datum
count_array(const TlRollupRow *rows, uint32 n, size_t offset, Oid type)
{
	Columns c = columns_for(n);

	for (uint32 i = 0; i < n; i++)
	{
		const char *rollup = (const char *) &rows[i].rollup;

		c.nulls[i] = false;
		c.values[i] = Int64GetDatum(*(const int64 *) (rollup + offset));
	}
	return as_array(&c, type);
}

static Datum
varlena_of(const char *head, size_t head_len, TlSlice s)
{
	struct varlena *v = palloc(VARHDRSZ + head_len + s.len);

	SET_VARSIZE(v, VARHDRSZ + head_len + s.len);
	memcpy(VARDATA(v), head, head_len);
	memcpy(VARDATA(v) + head_len, s.data, s.len);
	return PointerGetDatum(v);
}

static Datum
sketch_array(const TlRollupRow *rows, uint32 n, Oid type)
{
	Columns c = columns_for(n);

	for (uint32 i = 0; i < n; i++)
	{
		c.nulls[i] = rows[i].rollup.n == 0;
		c.values[i] = varlena_of("", 0, rows[i].rollup.sketch);
	}
	return as_array(&c, type);
}

void
tl_rollup_table_write(TlPeriod period, const TlRollupRow *rows, uint32 n)
{
	TlStatement *s = &write_rows[period];
	TlStatementScope scope;
	Datum values[15];

	if (n == 0)
		return;
	tl_statement_begin(&scope);
	bind_keys(TL_PERIOD_HOUR, rows, n, values);
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
	values[13] = place_array(rows, n, true);
	values[14] = sketch_array(rows, n, bind_own_type(s, 14, "sketch"));
	tl_statement_execute(s, values, NULL, false, 0);
	tl_statement_end(&scope);
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
	Columns c = columns_for(n);

	for (uint32 i = 0; i < n; i++)
	{
		c.values[i] = tl_slice_to_text(list[i]);
		c.nulls[i] = false;
	}
	return as_array(&c, TEXTOID);
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
		bool isnull;

		rows[i].key.device = bytes_field(tuple, 1, caller);
		rows[i].key.metric = bytes_field(tuple, 2, caller);
		rows[i].hour = count_field(tuple, 3);
		rows[i].day = DatumGetDateADT(field(tuple, 4, &isnull));
		read_rollup(tuple, 5, &rows[i].rollup, caller);
	}
	*n = (uint32) SPI_processed;
	tl_statement_end(&scope);
	return rows;
}

static Datum
last_value_array(const TlSeriesRow *rows, uint32 n, Oid type)
{
	Columns c = columns_for(n);

	for (uint32 i = 0; i < n; i++)
	{
		char kind = (char) rows[i].last_kind;

		c.nulls[i] = kind == 0;
		c.values[i] = c.nulls[i] ? (Datum) 0 : varlena_of(&kind, 1, rows[i].last);
	}
	return as_array(&c, type);
}

static Datum
series_array(const TlSeriesRow *rows, uint32 n, size_t offset, Oid type)
{
	Columns c = columns_for(n);

	for (uint32 i = 0; i < n; i++)
	{
		c.nulls[i] = false;
		c.values[i] = Int64GetDatum(*(const int64 *) ((const char *) &rows[i] + offset));
	}
	return as_array(&c, type);
}

static void
write_series(TlStatement *s, const TlSeriesRow *rows, uint32 n)
{
	Datum values[6];

	values[0] = key_array(rows, n, sizeof(TlSeriesRow), false);
	values[1] = key_array(rows, n, sizeof(TlSeriesRow), true);
	values[2] = series_array(rows, n, offsetof(TlSeriesRow, points), INT8OID);
	values[3] = series_array(rows, n, offsetof(TlSeriesRow, first_ts), TIMESTAMPTZOID);
	values[4] = series_array(rows, n, offsetof(TlSeriesRow, last_ts), TIMESTAMPTZOID);
	values[5] = last_value_array(rows, n, bind_own_type(s, 5, "value"));
	tl_statement_execute_planned(s, values, NULL, false, 0);
}

void
tl_series_table_add(const TlSeriesRow *rows, uint32 n)
{
	TlStatementScope scope;

	if (n == 0)
		return;
	tl_statement_begin(&scope);
	write_series(&add_series, rows, n);
	tl_statement_end(&scope);
}

void
tl_series_table_rebuild(const TlSeriesRow *rows, uint32 n)
{
	TlStatementScope scope;
	Datum values[2];

	if (n == 0)
		return;
	tl_statement_begin(&scope);
	write_series(&rebuild_series, rows, n);
	values[0] = key_array(rows, n, sizeof(TlSeriesRow), false);
	values[1] = key_array(rows, n, sizeof(TlSeriesRow), true);
	tl_statement_execute_planned(&forget_series, values, NULL, false, 0);
	tl_statement_end(&scope);
}
