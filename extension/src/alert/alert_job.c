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

/* For so long. */
#define CALL_MS 200

#define INT8ARRAY 1016

/*
 * Rows that are due: not those of a series of which some wait to be tried again.  $1 is the time, $2 the horizon.
 */
#define IS_PENDING                                                                                 \
	"p.retry_at <= $1 AND (p.settle_after IS NULL OR p.settle_after <= $2)"                        \
	" AND NOT EXISTS (SELECT FROM telemetry.alert_pending AS w WHERE w.rule_id = p.rule_id"        \
	"  AND w.device_id = p.device_id AND w.metric_name = p.metric_name"                            \
	"  AND w.retry_at > '-infinity' AND w.retry_at > $1)"

static TlStatement next_pending = {
	"SELECT min(p.rule_id) FROM telemetry.alert_pending AS p WHERE p.rule_id > $3 AND " IS_PENDING,
	3,
	{TIMESTAMPTZOID, INT8OID, TEXTOID},
	NULL};

/* Of a rule, in the order in which series are judged; what somebody else has is left. */
static TlStatement take_pending = {
	"SELECT p.id, p.device_id, p.metric_name, p.decided_to, p.late_points, p.settle_after"
	" FROM telemetry.alert_pending AS p WHERE p.rule_id = $3 AND (p.device_id, p.metric_name) > "
	"($5, $6)"
	" AND " IS_PENDING " ORDER BY p.device_id, p.metric_name, p.id LIMIT $4 FOR UPDATE SKIP LOCKED",
	6,
	{TIMESTAMPTZOID, INT8OID, TEXTOID, INT4OID, TEXTOID, TEXTOID},
	NULL};

static TlStatement next_due = {
	"SELECT min(s.rule_id) FROM telemetry.alert_state AS s"
	" JOIN telemetry.alert_rule AS r ON r.rule_id = s.rule_id AND r.enabled"
	" WHERE s.due_at <= $1 AND s.rule_id > $2",
	2,
	{TIMESTAMPTZOID, TEXTOID},
	NULL};

static TlStatement take_due = {
	"SELECT s.device_id, s.metric_name FROM telemetry.alert_state AS s"
	" WHERE s.due_at <= $1 AND s.rule_id = $2 AND (s.device_id, s.metric_name) > ($4, $5)"
	" ORDER BY s.device_id, s.metric_name LIMIT $3 FOR UPDATE SKIP LOCKED",
	5,
	{TIMESTAMPTZOID, TEXTOID, INT4OID, TEXTOID, TEXTOID},
	NULL};

/*
 * How far a round has come: in a rule, behind a series, or else behind a rule.  A round goes once through all that
 * is due, in several calls if need be, so that what somebody has locked keeps nothing else waiting.
 */
typedef struct Position
{
	char rule[TL_KEY_MAX + 1];
	bool in_rule;
	char device[TL_KEY_MAX + 1];
	char metric[TL_KEY_MAX + 1];
} Position;

static void
set_text(char *to, TlSlice from)
{
	uint32 len = Min(from.len, TL_KEY_MAX);

	memcpy(to, from.data, len);
	to[len] = '\0';
}

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
	" retry_at = $2 + power(2, least(failures, 12)) * interval '1 s' WHERE id = ANY ($1)",
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
	int late_cap; /* room for late times of the last series */
	Position *at;
	int64 now;
	MemoryContext context;		/* of all rules */
	MemoryContext rule_context; /* of one */
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

/* The times of a row, after those of the rows of its series before; they are sorted when all are there. */
static void
add_late(Work *work, TlAlertSeries *series, Datum array, MemoryContext context)
{
	Datum *times;
	int n;

	deconstruct_array(DatumGetArrayTypeP(array), INT8OID, sizeof(int64), true, TYPALIGN_DOUBLE,
					  &times, NULL, &n);
	if (n > 0 && series->n_late == 0)
	{
		work->late_cap = n;
		series->late = MemoryContextAllocHuge(context, sizeof(int64) * (Size) n);
	}
	if (series->n_late + n > work->late_cap)
	{
		work->late_cap = 2 * (series->n_late + n);
		series->late = repalloc_huge(series->late, sizeof(int64) * (Size) work->late_cap);
	}
	for (int i = 0; i < n; i++)
		series->late[series->n_late++] = DatumGetInt64(times[i]);
	pfree(times);
}

static void
add_row(Work *work, const TlStatementRow *row)
{
	TlKey key = {tl_row_text(row, 2), tl_row_text(row, 3)};
	TlAlertSeries *series = add_series(work, key);
	Datum value;

	if (tl_row_column(row, 4, &value))
	{
		int64 known_to = DatumGetTimestampTz(value);

		/* Of several batches the earliest tells where what is not judged begins. */
		series->known_to = series->is_unknown ? known_to : Min(series->known_to, known_to);
		series->is_unknown = false;
	}
	if (tl_row_column(row, 5, &value))
		add_late(work, series, value, row->context);
	work->settle_after[work->n_rows] =
		tl_row_column(row, 6, &value) ? DatumGetInt64(value) : TL_NEVER;
	/* Points of whoever left it, or of who was under way when it became live, may be late ones. */
	series->has_unseen |= !series->is_unknown || work->settle_after[work->n_rows] != TL_NEVER;
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

	for (int i = 0; i < work->n; i++)
		tl_times_sort(work->series[i].late, work->series[i].n_late);
	work->rule = tl_alert_rule_find(tl_alert_rules_now(work->rule_context), work->rule_id);
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
	if (error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE)
		return false;
	tl_statement_begin(&scope);
	tl_alert_rule_failed(work->rule_id, error->sqlerrcode, error->message);
	tl_statement_end(&scope);
	return false;
}

static void
work_make_room(Work *work, int n)
{
	MemoryContext context = work->rule_context;
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

/* Goes into the next rule that a statement finds, or back to the beginning: false. */
static bool
enter_rule(Work *work, TlStatement *statement, Datum *values)
{
	Position *at = work->at;
	TlStatementRow row;

	if (at->in_rule)
		return true;
	tl_statement_execute(statement, values, NULL, false, 1);
	row = tl_statement_row(0, work->context);
	work->rule_id = tl_row_text(&row, 1);
	if (work->rule_id.data == NULL)
	{
		memset(at, 0, sizeof(Position));
		return false;
	}
	set_text(at->rule, work->rule_id);
	at->in_rule = true;
	at->device[0] = at->metric[0] = '\0';
	return true;
}

/* Goes behind the series at hand, and if these were all of the rule, behind it. */
static void
advance(Work *work, bool all)
{
	if (work->n > 0)
	{
		set_text(work->at->device, work->series[work->n - 1].key.device);
		set_text(work->at->metric, work->series[work->n - 1].key.metric);
	}
	work->at->in_rule = !all;
}

/* Some of what is pending of a rule; false after the last rule. */
static bool
settle_pending(Work *work, int64 horizon, int64 number)
{
	TlStatementScope scope;
	Datum values[6];
	bool found;
	bool judged;

	tl_statement_begin(&scope);
	values[0] = TimestampTzGetDatum(work->now);
	values[1] = Int64GetDatum(horizon);
	values[2] = CStringGetTextDatum(work->at->rule);
	values[3] = Int32GetDatum(ROWS_MAX);
	found = enter_rule(work, &next_pending, values);
	if (found)
	{
		int n;
		bool all;

		work->rule_id = (TlSlice){work->at->rule, (uint32) strlen(work->at->rule)};
		values[2] = tl_slice_to_text(work->rule_id);
		values[4] = CStringGetTextDatum(work->at->device);
		values[5] = CStringGetTextDatum(work->at->metric);
		tl_statement_execute(&take_pending, values, NULL, false, 0);
		n = (int) SPI_processed;
		work_make_room(work, n);
		for (int i = 0; i < n && work->n <= SERIES_MAX; i++)
		{
			TlStatementRow row = tl_statement_row((uint64) i, work->rule_context);

			add_row(work, &row);
		}
		all = n < ROWS_MAX && work->n <= SERIES_MAX;
		/* Of the last series there may be more rows, which belong together. */
		if (!all && work->n > 1)
			drop_last_series(work);
		advance(work, all);
	}
	tl_statement_end(&scope);
	if (!found)
		return false;
	if (work->n == 0)
		return true;

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

/* Some of a rule's alerts whose time is over; false after the last rule. */
static bool
settle_due(Work *work, int64 horizon, int64 number)
{
	TlStatementScope scope;
	Datum values[5];
	bool found;

	tl_statement_begin(&scope);
	values[0] = TimestampTzGetDatum(work->now);
	values[1] = CStringGetTextDatum(work->at->rule);
	values[2] = Int32GetDatum(SERIES_MAX);
	found = enter_rule(work, &next_due, values);
	if (found)
	{
		work->rule_id = (TlSlice){work->at->rule, (uint32) strlen(work->at->rule)};
		values[1] = tl_slice_to_text(work->rule_id);
		values[3] = CStringGetTextDatum(work->at->device);
		values[4] = CStringGetTextDatum(work->at->metric);
		tl_statement_execute(&take_due, values, NULL, false, 0);
		work_make_room(work, (int) SPI_processed);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			TlStatementRow row = tl_statement_row(i, work->rule_context);

			(void) add_series(work, (TlKey){tl_row_text(&row, 1), tl_row_text(&row, 2)});
		}
		advance(work, work->n < SERIES_MAX);
	}
	tl_statement_end(&scope);
	/* What cannot be judged is still due, and comes again in the next round. */
	if (found && work->n > 0)
		(void) judge_rule(work);
	return found;
}

/* A round, or as much of it as there is time for; true if there is more of it. */
static bool
settle_some(int64 now, Position *at, bool (*settle)(Work *work, int64 horizon, int64 number))
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry alerts", ALLOCSET_DEFAULT_SIZES);
	TimestampTz begun = GetCurrentTimestamp();
	Work work = {.at = at, .now = now, .context = context};
	bool at_end = false;
	TlStatementScope scope;
	bool open;
	int64 number;
	int64 horizon;

	/* The number before the horizon: what it covers has ended if the horizon has reached it. */
	tl_statement_begin(&scope);
	number = last_order_number();
	tl_statement_end(&scope);
	horizon = tl_store_horizon(&open);
	work.rule_context =
		AllocSetContextCreate(context, "telemetry alerts of a rule", ALLOCSET_DEFAULT_SIZES);
	/* Once at least; what is judged is locked until the end of the call. */
	do
	{
		MemoryContext old = MemoryContextSwitchTo(work.rule_context);

		CHECK_FOR_INTERRUPTS();
		work.n = 0;
		work.n_rows = 0;
		at_end = !settle(&work, horizon, number);
		MemoryContextSwitchTo(old);
		MemoryContextReset(work.rule_context);
	} while (!at_end && !tl_alert_states_at_limit() &&
			 !TimestampDifferenceExceeds(begun, GetCurrentTimestamp(), CALL_MS));
	MemoryContextDelete(context);
	return !at_end;
}

PG_FUNCTION_INFO_V1(telemetry_settle_alerts);

Datum
telemetry_settle_alerts(PG_FUNCTION_ARGS)
{
	static Position pending;
	static Position due;
	int64 now = PG_GETARG_TIMESTAMPTZ(0);
	bool more;

	more = settle_some(now, &pending, settle_pending);
	more |= settle_some(now, &due, settle_due);
	PG_RETURN_BOOL(more);
}
