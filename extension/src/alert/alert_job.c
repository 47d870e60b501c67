/*
 * alert_job.c
 *		What ingest has left, and what time resolves: the work of job alerts.
 *
 * A series is left by a row of telemetry.alert_pending.  It is judged at once; but a flush that was under
 * way when the row was committed may not have seen that the series was live, and have left its points to
 * nobody.  So the row stays until each flush has ended whose order number was given by the time that the
 * row was seen (tl_store_horizon), and the series has been judged after that.
 */
#include "alert/alert_judge.h"

#include "base/slice_text.h"
#include "base/statement.h"
#include "base/statement_row.h"
#include "base/subtransaction.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "store/store.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* A call judges so many series of a rule, each with so many points at once. */
#define SERIES_MAX TL_ALERT_SERIES_MAX
#define ROWS_MAX (10 * SERIES_MAX)
#define POINTS_MAX 2000000

/* And so many rules. */
#define RULES_MAX 20

#define INT8ARRAY 1016

/* The next rule that has rows which are due, and series of it, in the order in which they are judged. */
static TlStatement take_pending = {
	"SELECT p.id, p.rule_id, p.device_id, p.metric_name, p.decided_to, p.late_points, "
	"p.settle_after"
	" FROM telemetry.alert_pending AS p"
	" WHERE p.rule_id = (SELECT min(o.rule_id) FROM telemetry.alert_pending AS o"
	"  WHERE o.rule_id > $2 AND o.retry_at <= $1"
	"  AND (o.settle_after IS NULL OR o.settle_after <= $3))"
	" AND p.retry_at <= $1 AND (p.settle_after IS NULL OR p.settle_after <= $3)"
	" AND NOT EXISTS (SELECT FROM telemetry.alert_pending AS w WHERE w.rule_id = p.rule_id"
	"  AND w.device_id = p.device_id AND w.metric_name = p.metric_name AND w.retry_at > $1)"
	" ORDER BY p.device_id, p.metric_name, p.id LIMIT $4 FOR UPDATE SKIP LOCKED",
	4,
	{TIMESTAMPTZOID, TEXTOID, INT8OID, INT4OID},
	NULL};

static TlStatement take_due = {
	"SELECT s.rule_id, s.device_id, s.metric_name FROM telemetry.alert_state AS s"
	" WHERE s.due_at <= $1 AND s.rule_id = (SELECT min(o.rule_id) FROM telemetry.alert_state AS o"
	"  JOIN telemetry.alert_rule AS r ON r.rule_id = o.rule_id AND r.enabled"
	"  WHERE o.due_at <= $1 AND o.rule_id > $2)"
	" ORDER BY s.device_id, s.metric_name LIMIT $3 FOR UPDATE SKIP LOCKED",
	3,
	{TIMESTAMPTZOID, TEXTOID, INT4OID},
	NULL};

static TlStatement last_number = {
	"SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM telemetry.block_seq",
	0,
	{0},
	NULL};

static TlStatement delete_rows = {
	"DELETE FROM telemetry.alert_pending WHERE id = ANY ($1)", 1, {INT8ARRAY}, NULL};

static TlStatement keep_rows = {"UPDATE telemetry.alert_pending SET settle_after = "
								"coalesce(settle_after, $2), late_points = '{}'"
								" WHERE id = ANY ($1)",
								2,
								{INT8ARRAY, INT8OID},
								NULL};

static TlStatement fail_rows = {
	"UPDATE telemetry.alert_pending SET failures = failures + 1,"
	" retry_at = $2 + least(power(2, failures), 3600) * interval '1 s' WHERE id = ANY ($1)",
	2,
	{INT8ARRAY, TIMESTAMPTZOID},
	NULL};

/* Series of one rule with the rows that they come from. */
typedef struct Work
{
	const TlAlertRule *rule;
	TlSlice rule_id;
	TlAlertSeries *series; /* in the order in which they are judged */
	int n;
	Datum *ids; /* of all rows */
	int64 *settle_after;
	int *of_row; /* series of each row */
	int n_rows;
	int64 now;
} Work;

static TlAlertSeries *
add_series(Work *work, TlKey key)
{
	TlAlertSeries *series = work->n == 0 ? NULL : &work->series[work->n - 1];

	if (series != NULL && tl_key_equal(&series->key, &key))
		return series;
	series = &work->series[work->n++];
	memset(series, 0, sizeof(TlAlertSeries));
	series->key = key;
	series->known_to = TL_NEVER;
	series->first = TL_NEVER;
	series->earliest = TL_NEVER;
	series->is_unknown = true;
	return series;
}

/* The times of a row, with those of the rows of its series before. */
static void
add_late(TlAlertSeries *series, Datum array, MemoryContext context)
{
	int64 *late;
	Datum *times;
	int n;

	deconstruct_array(DatumGetArrayTypeP(array), INT8OID, sizeof(int64), true, TYPALIGN_DOUBLE,
					  &times, NULL, &n);
	if (n == 0)
		return;
	late = MemoryContextAllocHuge(context, sizeof(int64) * (Size) (series->n_late + n));
	if (series->n_late > 0)
		memcpy(late, series->late, sizeof(int64) * (Size) series->n_late);
	for (int i = 0; i < n; i++)
		late[series->n_late++] = DatumGetInt64(times[i]);
	tl_times_sort(late, series->n_late);
	series->late = late;
}

static void
add_row(Work *work, const TlStatementRow *row)
{
	TlKey key = {tl_row_text(row, 3), tl_row_text(row, 4)};
	TlAlertSeries *series = add_series(work, key);
	Datum value;

	if (tl_row_column(row, 5, &value))
	{
		int64 known_to = DatumGetTimestampTz(value);

		/* Of several batches the earliest tells where what is not judged begins. */
		series->known_to = series->is_unknown ? known_to : Min(series->known_to, known_to);
		series->is_unknown = false;
	}
	if (tl_row_column(row, 6, &value))
		add_late(series, value, row->context);
	work->settle_after[work->n_rows] =
		tl_row_column(row, 7, &value) ? DatumGetInt64(value) : TL_NEVER;
	(void) tl_row_column(row, 1, &work->ids[work->n_rows]);
	work->of_row[work->n_rows] = work->n - 1;
	work->n_rows++;
}

static int64
last_order_number(void)
{
	TlStatementRow row;
	Datum value;

	tl_statement_execute(&last_number, NULL, NULL, true, 1);
	row = tl_statement_row(0, CurrentMemoryContext);
	return tl_row_column(&row, 1, &value) ? DatumGetInt64(value) : 0;
}

static void
judge_work(void *arg)
{
	Work *work = arg;

	tl_alert_judge(work->rule, work->series, work->n, NULL, work->now, POINTS_MAX);
}

static void
change_rows(TlStatement *statement, Datum *ids, int n, Datum argument)
{
	Datum values[2] = {
		PointerGetDatum(construct_array(ids, n, INT8OID, sizeof(int64), true, TYPALIGN_DOUBLE)),
		argument};

	if (n > 0)
		tl_statement_execute(statement, values, NULL, false, 0);
}

/* What is to become of the rows of series that were judged, or were locked by others. */
static void
settle_rows(const Work *work, int64 number, int64 horizon)
{
	Datum *done = palloc(sizeof(Datum) * (Size) Max(work->n_rows, 1));
	Datum *kept = palloc(sizeof(Datum) * (Size) Max(work->n_rows, 1));
	int n_done = 0;
	int n_kept = 0;

	for (int i = 0; i < work->n_rows; i++)
	{
		const TlAlertSeries *series = &work->series[work->of_row[i]];
		int64 after = work->settle_after[i] == TL_NEVER ? number : work->settle_after[i];

		if (!series->locked && (series->exists || !series->is_unknown))
			continue; /* somebody has it: again in the next round */
		if (after <= horizon)
			done[n_done++] = work->ids[i];
		else
			kept[n_kept++] = work->ids[i];
	}
	change_rows(&delete_rows, done, n_done, (Datum) 0);
	change_rows(&keep_rows, kept, n_kept, Int64GetDatum(number));
}

/* Judges the series of a rule; false if that failed, which is noted. */
static bool
judge_rule(Work *work)
{
	TlStatementScope scope;
	ErrorData *error;

	(void) tl_alert_rules_refresh();
	work->rule = tl_alert_rule_find(work->rule_id);
	if (work->rule == NULL)
		return true;
	if (work->rule->is_broken)
	{
		tl_statement_begin(&scope);
		tl_alert_rule_is_broken(work->rule_id);
		tl_statement_end(&scope);
		return false;
	}
	error = tl_subtransaction(judge_work, work);
	if (error == NULL)
		return true;
	if (tl_error_is_to_be_raised(error))
		ReThrowError(error);
	tl_statement_begin(&scope);
	tl_alert_rule_failed(work->rule_id, error->sqlerrcode, error->message);
	tl_statement_end(&scope);
	return false;
}

static void
work_make_room(Work *work, int n, MemoryContext context)
{
	Size size = (Size) Max(n, 1);

	work->series = MemoryContextAllocHuge(context, sizeof(TlAlertSeries) * size);
	work->ids = MemoryContextAlloc(context, sizeof(Datum) * size);
	work->settle_after = MemoryContextAlloc(context, sizeof(int64) * size);
	work->of_row = MemoryContextAlloc(context, sizeof(int) * size);
	work->n = 0;
	work->n_rows = 0;
}

static void
drop_last_series(Work *work)
{
	work->n--;
	while (work->n_rows > 0 && work->of_row[work->n_rows - 1] == work->n)
		work->n_rows--;
}

/* What is pending of the next rule; false if of none. */
static bool
settle_pending(Work *work, int64 horizon, int64 number)
{
	MemoryContext context = CurrentMemoryContext;
	TlStatementScope scope;
	Datum values[4];
	bool judged;
	int n;

	tl_statement_begin(&scope);
	values[0] = TimestampTzGetDatum(work->now);
	values[1] = tl_slice_to_text(work->rule_id);
	values[2] = Int64GetDatum(horizon);
	values[3] = Int32GetDatum(ROWS_MAX);
	tl_statement_execute(&take_pending, values, NULL, false, 0);
	n = (int) SPI_processed;
	work_make_room(work, n, context);
	for (int i = 0; i < n && work->n <= SERIES_MAX; i++)
	{
		TlStatementRow row = tl_statement_row((uint64) i, context);

		add_row(work, &row);
		work->rule_id = tl_row_text(&row, 2);
	}
	/* Of the last series there may be more rows, which belong together. */
	if (work->n > SERIES_MAX || (n == ROWS_MAX && work->n > 1))
		drop_last_series(work);
	tl_statement_end(&scope);
	if (n == 0)
		return false;

	judged = judge_rule(work);
	tl_statement_begin(&scope);
	if (work->rule == NULL)
		change_rows(&delete_rows, work->ids, work->n_rows, (Datum) 0);
	else if (judged)
		settle_rows(work, number, horizon);
	else
		change_rows(&fail_rows, work->ids, work->n_rows, TimestampTzGetDatum(work->now));
	tl_statement_end(&scope);
	return true;
}

/* Alerts of the next rule whose time is over; false if of none. */
static bool
settle_due(Work *work, int64 horizon, int64 number)
{
	MemoryContext context = CurrentMemoryContext;
	TlStatementScope scope;
	Datum values[3];
	int n;

	tl_statement_begin(&scope);
	values[0] = TimestampTzGetDatum(work->now);
	values[1] = tl_slice_to_text(work->rule_id);
	values[2] = Int32GetDatum(SERIES_MAX);
	tl_statement_execute(&take_due, values, NULL, false, 0);
	n = (int) SPI_processed;
	work_make_room(work, n, context);
	for (int i = 0; i < n; i++)
	{
		TlStatementRow row = tl_statement_row((uint64) i, context);

		(void) add_series(work, (TlKey){tl_row_text(&row, 2), tl_row_text(&row, 3)});
		work->rule_id = tl_row_text(&row, 1);
	}
	tl_statement_end(&scope);
	if (n == 0)
		return false;
	/* What cannot be judged is still due, and left to the next round. */
	if (!judge_rule(work))
		work->n = 0;
	return true;
}

/* Rules in their order, each in memory of its own; true if there is more of one of them. */
static bool
settle_each(int64 now, bool (*settle)(Work *work, int64 horizon, int64 number))
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry alerts", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Work work = {.rule_id = {"", 0}, .now = now};
	bool more = false;
	TlStatementScope scope;
	bool open;
	int64 number;
	int64 horizon;

	/* The number before the horizon: what it covers has ended if the horizon has reached it. */
	tl_statement_begin(&scope);
	number = last_order_number();
	tl_statement_end(&scope);
	horizon = tl_store_horizon(&open);
	for (int i = 0; settle(&work, horizon, number); i++)
	{
		CHECK_FOR_INTERRUPTS();
		more |= work.n >= SERIES_MAX || work.n_rows >= ROWS_MAX / 2;
		if (i >= RULES_MAX || tl_alert_states_at_limit())
		{
			more = true;
			break;
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return more;
}

PG_FUNCTION_INFO_V1(telemetry_settle_alerts);

Datum
telemetry_settle_alerts(PG_FUNCTION_ARGS)
{
	int64 now = PG_GETARG_TIMESTAMPTZ(0);
	bool more;

	more = settle_each(now, settle_pending);
	more |= settle_each(now, settle_due);
	PG_RETURN_BOOL(more);
}
