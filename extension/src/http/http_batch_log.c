/*
 * http_batch_log.c
 *		telemetry.batch_log: how batches went.  See http_batch_log.h.
 */
#include "http/http_batch_log.h"

#include "base/slice_text.h"
#include "base/statement.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/timestamp.h"

static TlStatement insert_batches = {
	"INSERT INTO telemetry.batch_log (stream, batch_id, user_id, device_id, correlation_id,"
	" start_time, end_time, item_count, success_count, failure_count, conflict_count,"
	" duplicate_count)"
	" SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
	12,
	{TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID,
	 TIMESTAMPTZARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID},
	NULL};

enum
{
	TEXTS = 5,
	TIMES = 2,
	COUNTS = 5,
	COLUMNS = TEXTS + TIMES + COUNTS
};

static void
set_text(Datum *values, bool *nulls, TlSlice s)
{
	*nulls = s.data == NULL;
	if (!*nulls)
		*values = tl_slice_to_text(s);
}

static bool
is_logged(const TlHttpRequest *r)
{
	return r->route != NULL && r->route->log_batches && r->n > 0;
}

/* What a batch's row says, column by column. */
static void
set_row(const TlHttpRequest *r, int64 now, Datum **values, bool **nulls, int row)
{
	const TlSlice texts[TEXTS] = {r->route->stream, r->batch_id, r->user_id, r->device_id,
								  r->correlation_id};
	const int64 times[TIMES] = {r->started_at, now};
	const uint32 counts[COUNTS] = {r->n, tl_http_accepted(r), r->counts[TL_EVENT_REJECTED],
								   tl_http_conflicts(r), r->counts[TL_EVENT_DUPLICATE]};
	int column = 0;

	for (int i = 0; i < TEXTS; i++, column++)
		set_text(&values[column][row], &nulls[column][row], texts[i]);
	for (int i = 0; i < TIMES; i++, column++)
		values[column][row] = TimestampTzGetDatum(times[i]);
	for (int i = 0; i < COUNTS; i++, column++)
		values[column][row] = Int32GetDatum((int32) counts[i]);
}

static Datum
make_array(int column, Datum *values, bool *nulls, int n)
{
	int lower = 1;
	ArrayType *array;

	if (column < TEXTS)
		array = construct_md_array(values, nulls, 1, &n, &lower, TEXTOID, -1, false, TYPALIGN_INT);
	else if (column < TEXTS + TIMES)
		array = construct_array(values, n, TIMESTAMPTZOID, sizeof(int64), FLOAT8PASSBYVAL,
								TYPALIGN_DOUBLE);
	else
		array = construct_array(values, n, INT4OID, sizeof(int32), true, TYPALIGN_INT);
	return PointerGetDatum(array);
}

void
tl_http_log_batches(const TlHttpRequest *requests, uint32 n)
{
	int64 now = GetCurrentTimestamp();
	Datum *values[COLUMNS];
	bool *nulls[COLUMNS];
	Datum arrays[COLUMNS];
	TlStatementScope scope;
	int rows = 0;

	for (uint32 i = 0; i < n; i++)
		rows += is_logged(&requests[i]);
	if (rows == 0)
		return;
	for (int i = 0; i < COLUMNS; i++)
	{
		values[i] = palloc(sizeof(Datum) * (Size) rows);
		nulls[i] = palloc0(sizeof(bool) * (Size) rows);
	}
	rows = 0;
	for (uint32 i = 0; i < n; i++)
		if (is_logged(&requests[i]))
			set_row(&requests[i], now, values, nulls, rows++);
	for (int i = 0; i < COLUMNS; i++)
		arrays[i] = make_array(i, values[i], nulls[i], rows);
	tl_statement_begin(&scope);
	tl_statement_execute(&insert_batches, arrays, NULL, false, 0);
	tl_statement_end(&scope);
}
