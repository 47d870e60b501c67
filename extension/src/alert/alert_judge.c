/*
 * alert_judge.c
 *		From points to alerts.  See alert_judge.h.
 */
#include "alert/alert_judge.h"

#include "access/xact.h"
#include "alert/alert_history.h"
#include "base/slice_text.h"
#include "base/statement.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "read/scan.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "value/value.h"

/* What a call judges and what comes of it. */
typedef struct Judgement
{
	const TlAlertRule *rule;
	const TlAlertBatch *batch; /* or NULL */
	TlAlertSeries *series;	   /* sorted by key */
	int n;
	TlNewAlert *opened;
	int n_opened;
	int opened_cap;
	TlResolvedAlert *resolved;
	int n_resolved;
	int resolved_cap;
	TlAlertSeries *at; /* whose point is being folded */
	bool is_full;	   /* so many alerts are enough at once */
} Judgement;

#define OPENED_MAX 1000

static int
compare_series(const void *a, const void *b)
{
	return tl_key_compare(&((const TlAlertSeries *) a)->key, &((const TlAlertSeries *) b)->key);
}

static TlAlertSeries *
find_series(const Judgement *j, const TlKey *key)
{
	TlAlertSeries wanted = {.key = *key};

	return bsearch(&wanted, j->series, (size_t) j->n, sizeof(TlAlertSeries), compare_series);
}

/* What happens ---------------------------------------------------------------------------- */

static TlNewAlert *
add_opened(Judgement *j, TlAlertSeries *series, int64 ts)
{
	TlNewAlert *alert;

	if (j->n_opened == j->opened_cap)
	{
		j->opened_cap *= 2;
		j->opened = repalloc_huge(j->opened, sizeof(TlNewAlert) * (Size) j->opened_cap);
	}
	alert = &j->opened[j->n_opened++];
	memset(alert, 0, sizeof(TlNewAlert));
	tl_alert_make_id(alert->id);
	alert->series = series;
	alert->triggered_at = ts;
	alert->resolved_at = TL_NEVER;
	return alert;
}

static Datum
value_of(const TlMeasured *measured)
{
	TlSlice payload = tl_cell_payload(measured->kind, &measured->cell);

	return PointerGetDatum(tl_value_make((TlKind) measured->kind, payload.data, payload.len));
}

static void
add_resolved(Judgement *j, const char *id, int64 ts, TlTransition how)
{
	TlResolvedAlert *alert;

	if (j->n_resolved == j->resolved_cap)
	{
		j->resolved_cap *= 2;
		j->resolved = repalloc_huge(j->resolved, sizeof(TlResolvedAlert) * (Size) j->resolved_cap);
	}
	alert = &j->resolved[j->n_resolved++];
	strlcpy(alert->id, id, sizeof(alert->id));
	alert->resolved_at = ts;
	alert->resolution = how;
}

static void
on_transition(void *arg, TlTransition transition, int64 ts, const TlMeasured *measured)
{
	Judgement *j = arg;
	TlAlertSeries *series = j->at;

	if (transition == TL_ALERT_TRIGGERED)
	{
		TlNewAlert *alert = add_opened(j, series, ts);

		alert->value = value_of(measured);
		strlcpy(series->open_alert, alert->id, sizeof(series->open_alert));
		series->opened = j->n_opened;
		j->is_full |= j->n_opened >= OPENED_MAX;
		return;
	}
	if (series->opened > 0)
	{
		j->opened[series->opened - 1].resolved_at = ts;
		j->opened[series->opened - 1].resolution = transition;
	}
	else
		add_resolved(j, series->open_alert, ts, transition);
	series->opened = 0;
	series->open_alert[0] = '\0';
}

/* Where each series begins ---------------------------------------------------------------- */

/*
 * A series that was live has been followed point by point, so that whatever is stored beyond what was
 * decided is to be judged.  Of any other one the points that do not violate were passed over; what came
 * before the first of the new points, and what was stored when they came, counts as decided.
 */
static void
begin_series(Judgement *j, TlAlertSeries *series)
{
	const TlAlertRule *rule = j->rule;
	TlAlertState *state = &series->state;
	bool followed = tl_alert_is_followed(rule, series);

	series->rebuild = !followed || series->recount || series->has_unseen ||
					  rule->measure != TL_MEASURE_VALUE ||
					  (series->earliest != TL_NEVER && series->earliest <= state->decided_to);
	series->opened = 0;
	series->leave = false;
	if (!followed)
	{
		state->decided_to = Max(state->decided_to, series->known_to);
		if (series->first != TL_NEVER)
			state->decided_to = Max(state->decided_to, series->first - 1);
	}
	if (series->rebuild)
		tl_alert_state_forget(state);
	series->is_read =
		series->locked && (j->batch == NULL || j->batch->find == NULL || series->has_others ||
						   (series->rebuild && tl_alert_lookback(rule) > 0));
}

static int64
read_from(const TlAlertRule *rule, const TlAlertSeries *series)
{
	int64 from = series->state.decided_to;

	if (from == TL_NEVER)
		return TL_NEVER;
	return series->rebuild ? from - tl_alert_lookback(rule) + 1 : from + 1;
}

/* Reading --------------------------------------------------------------------------------- */

static void
fold_run(Judgement *j, TlAlertSeries *series, const TlRun *run)
{
	const TlAlertRule *rule = j->rule;
	TlMembership member = tl_device_set_has(&rule->devices, series->key.device);
	int64 from = read_from(rule, series);
	const TlAttrs *known = NULL;
	bool known_has = false;

	j->at = series;
	for (uint32 i = 0; i < run->n && !j->is_full; i++)
	{
		TlFoldPoint point = {series->key.device, run->ts[i], tl_run_kind(run, i), run->cell[i],
							 run->attrs == NULL ? NULL : run->attrs[i]};

		if (point.ts < from)
			continue;
		if (member == TL_MEMBER_BY_TAGS)
		{
			if (i == 0 || point.attrs != known)
				known_has = tl_device_set_has_tags(&rule->devices, point.attrs);
			known = point.attrs;
			if (!known_has)
				continue;
		}
		if (point.ts > series->state.decided_to)
			tl_alert_fold_point(rule, &series->state, &point, on_transition, j);
		else
			tl_alert_fold_remember(rule, &series->state, &point);
	}
}

/* A filter of no series yet. */
static void
begin_filter(const Judgement *j, TlFilter *filter)
{
	memset(filter, 0, sizeof(TlFilter));
	filter->devices = palloc(sizeof(TlSlice) * (Size) j->n);
	filter->metrics = palloc(sizeof(TlSlice) * (Size) j->n);
	filter->from = PG_INT64_MAX;
	filter->to = PG_INT64_MAX;
	filter->columns = TL_COLUMN_VALUE;
	if (j->rule->devices.n_tags > 0 || j->rule->n_maintenance > 0)
		filter->columns |= TL_COLUMN_ATTRS;
	filter->levels = TL_LEVELS_ALL;
}

static void
filter_add(TlFilter *filter, const TlKey *key, int64 from)
{
	filter->devices[filter->n_devices++] = key->device;
	filter->metrics[filter->n_metrics++] = key->metric;
	filter->from = Min(filter->from, from);
}

static void
end_filter(TlFilter *filter)
{
	filter->n_devices = tl_slices_make_unique(filter->devices, filter->n_devices);
	filter->n_metrics = tl_slices_make_unique(filter->metrics, filter->n_metrics);
}

/*
 * Series whose reading begins at about the same time are read together: one that begins long before the others
 * would have all that others have since then read, too.
 */
#define TOGETHER USECS_PER_DAY

typedef struct Start
{
	int64 from;
	TlAlertSeries *series;
} Start;

static int
compare_starts(const void *a, const void *b)
{
	int64 x = ((const Start *) a)->from;
	int64 y = ((const Start *) b)->from;

	return (x > y) - (x < y);
}

/* Of several devices and metrics not each pair was asked for. */
static void
forget_filter(Judgement *j)
{
	for (int i = 0; i < j->n; i++)
		j->series[i].filter = NULL;
}

/* A filter of the next series of sorted starts, from one on; false at the end. */
static bool
next_filter(const Judgement *j, const Start *starts, int n, int *at, TlFilter *filter)
{
	int first = *at;

	if (first == n)
		return false;
	begin_filter(j, filter);
	while (*at < n && (starts[*at].from == starts[first].from ||
					   starts[*at].from < starts[first].from + TOGETHER))
	{
		filter_add(filter, &starts[*at].series->key, starts[*at].from);
		starts[*at].series->filter = filter;
		(*at)++;
	}
	end_filter(filter);
	return true;
}

/* What others have stored ----------------------------------------------------------------- */

/* Late points that were there before with a value that violates, too, are told of no more. */
static void
forget_repeats(const TlAlertRule *rule, TlAlertSeries *series, TlMembership member,
			   const TlRun *run)
{
	uint32 at = 0;
	int kept = 0;

	for (int i = 0; i < series->n_late; i++)
	{
		bool repeats = false;

		while (at < run->n && run->ts[at] < series->late[i])
			at++;
		if (at < run->n && run->ts[at] == series->late[i])
		{
			TlMeasured measured = {tl_run_kind(run, at), run->cell[at]};

			repeats = tl_alert_rule_is_violated(rule, run->ts[at], &measured) &&
					  tl_alert_is_member(rule, member, run->attrs == NULL ? NULL : run->attrs[at]);
		}
		if (!repeats)
			series->late[kept++] = series->late[i];
	}
	series->n_late = kept;
}

static void
note_others(const TlAlertRule *rule, TlAlertSeries *series, const TlRun *run)
{
	TlMembership member = tl_device_set_has(&rule->devices, run->key.device);
	uint32 last = run->n;

	forget_repeats(rule, series, member, run);
	if (run->ts[run->n - 1] > series->state.decided_to)
		series->has_others = true;
	while (last > 0 &&
		   !tl_alert_is_member(rule, member, run->attrs == NULL ? NULL : run->attrs[last - 1]))
		last--;
	if (last > 0 && run->ts[last - 1] >= series->first)
		series->known_to = Max(series->known_to, run->ts[last - 1]);
}

/* What is stored of the series but for what the batch has brought, from where that begins to matter. */
static void
look_at_others(Judgement *j)
{
	Start *starts = palloc(sizeof(Start) * (Size) Max(j->n, 1));
	int at = 0;
	TlFilter filter;
	TlScan *scan;
	TlRun run;

	for (int i = 0; i < j->n; i++)
	{
		TlAlertSeries *series = &j->series[i];

		series->has_others = false;
		starts[i].series = series;
		starts[i].from = tl_alert_is_followed(j->rule, series)
							 ? Min(series->state.decided_to + 1, series->earliest)
							 : series->earliest;
	}
	qsort(starts, (size_t) j->n, sizeof(Start), compare_starts);
	while (next_filter(j, starts, j->n, &at, &filter))
	{
		filter.without = j->batch->seqs;
		filter.n_without = j->batch->n_seqs;
		scan = tl_scan_begin(&filter, TL_SCAN_ANY);
		while (tl_scan_next(scan, &run))
		{
			TlAlertSeries *series = find_series(j, &run.key);

			CHECK_FOR_INTERRUPTS();
			if (series != NULL && series->filter == &filter)
				note_others(j->rule, series, &run);
		}
		tl_scan_end(scan);
		forget_filter(j);
	}
	/* Of what is not followed, it is decided. */
	for (int i = 0; i < j->n; i++)
		if (!tl_alert_is_followed(j->rule, &j->series[i]))
			j->series[i].has_others = false;
}

/* Before anything is folded that depends on it: for_seconds alone is without bounds. */
static void
remember_holding(Judgement *j)
{
	if (j->rule->hold == 0)
		return;
	for (int i = 0; i < j->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (j->series[i].is_read && j->series[i].rebuild)
			tl_alert_remember_before(j->rule, &j->series[i].state, &j->series[i].key,
									 read_from(j->rule, &j->series[i]));
	}
}

/* What the batch has brought is all that is to be judged. */
static void
fold_memory(Judgement *j)
{
	for (int i = 0; i < j->n; i++)
	{
		TlAlertSeries *series = &j->series[i];
		TlRun run;

		if (series->locked && !series->is_read && j->batch->find(j->batch->arg, &series->key, &run))
			fold_run(j, series, &run);
	}
}

/* Reads a day at least, and counts points down; true if all has been read. */
static bool
read_filter(Judgement *j, const TlFilter *filter, uint64 *points)
{
	TlScan *scan = tl_scan_begin(filter, TL_SCAN_ANY);
	int64 day = PG_INT64_MIN;
	bool complete = true;
	TlRun run;

	while (complete && tl_scan_next(scan, &run))
	{
		TlAlertSeries *series = find_series(j, &run.key);

		CHECK_FOR_INTERRUPTS();
		complete =
			!j->is_full && (*points > 0 || tl_day_of(run.ts[0]) == day || day == PG_INT64_MIN);
		if (!complete)
			break;
		day = tl_day_of(run.ts[0]);
		*points -= Min(*points, run.n);
		if (series != NULL && series->filter == filter)
			fold_run(j, series, &run);
	}
	tl_scan_end(scan);
	return complete;
}

static bool
read_points(Judgement *j, uint64 points)
{
	Start *starts = palloc(sizeof(Start) * (Size) Max(j->n, 1));
	bool complete = true;
	int n = 0;
	int at = 0;
	TlFilter filter;

	for (int i = 0; i < j->n; i++)
		if (j->series[i].is_read)
			starts[n++] = (Start){read_from(j->rule, &j->series[i]), &j->series[i]};
	qsort(starts, (size_t) n, sizeof(Start), compare_starts);
	while (complete && next_filter(j, starts, n, &at, &filter))
	{
		complete = read_filter(j, &filter, &points);
		forget_filter(j);
	}
	return complete;
}

/* Late points ----------------------------------------------------------------------------- */

/* Whether an alert is there that covers a time, or was triggered so lately before that none may follow. */
static TlStatement is_covered = {
	"SELECT FROM telemetry.alert WHERE rule_id = $1 AND device_id = $2 AND metric_name = $3"
	" AND triggered_at <= $4 AND (resolved_at IS NULL OR resolved_at > $4 OR triggered_at > $5"
	" OR triggered_at = $4) LIMIT 1",
	5,
	{TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID},
	NULL};

/* The same of alerts of this judgement, which are no rows yet; those that are not late are all newer. */
static bool
is_covered_now(const Judgement *j, const TlAlertSeries *series, int64 ts)
{
	for (int i = 0; i < j->n_opened; i++)
		if (j->opened[i].series == series && j->opened[i].late &&
			j->opened[i].triggered_at > ts - j->rule->cooldown)
			return true;
	return false;
}

/* What the rule would have made of a point that came late, with what is stored before it. */
static void
record_late(Judgement *j, TlAlertSeries *series, int64 ts)
{
	TlAlertSeries past = {.key = series->key, .rebuild = true};
	Judgement alone = {.rule = j->rule, .series = &past, .n = 1};
	Datum values[5];
	TlFilter filter;
	TlScan *scan;
	TlRun run;

	if (is_covered_now(j, series, ts))
		return;
	values[0] = tl_slice_to_text(j->rule->id);
	values[1] = tl_slice_to_text(series->key.device);
	values[2] = tl_slice_to_text(series->key.metric);
	values[3] = TimestampTzGetDatum(ts);
	values[4] = TimestampTzGetDatum(ts - j->rule->cooldown);
	tl_statement_execute(&is_covered, values, NULL, false, 1);
	if (SPI_processed > 0)
		return;
	alone.opened_cap = alone.resolved_cap = 1;
	alone.opened = palloc(sizeof(TlNewAlert));
	alone.resolved = palloc(sizeof(TlResolvedAlert));
	tl_alert_state_init(&past.state, j->rule);
	past.locked = true;
	past.state.decided_to = ts - 1;
	if (j->rule->hold > 0)
		tl_alert_remember_before(j->rule, &past.state, &past.key, read_from(j->rule, &past));
	begin_filter(&alone, &filter);
	filter_add(&filter, &past.key, read_from(j->rule, &past));
	filter.to = ts;
	scan = tl_scan_begin(&filter, TL_SCAN_ANY);
	while (tl_scan_next(scan, &run))
		fold_run(&alone, &past, &run);
	tl_scan_end(scan);
	if (past.opened > 0)
	{
		TlNewAlert *alert = add_opened(j, series, ts);

		alert->value = alone.opened[0].value;
		alert->resolved_at = ts;
		alert->late = true;
	}
}

#define RECORD_MAX 100

static void
count_late(Judgement *j, int64 *decided)
{
	int recorded = 0;

	for (int i = 0; i < j->n; i++)
	{
		TlAlertSeries *series = &j->series[i];

		for (int k = 0; series->locked && k < series->n_late && series->late[k] <= decided[i]; k++)
		{
			series->late_points++;
			if (j->rule->records_late && recorded++ < RECORD_MAX)
				record_late(j, series, series->late[k]);
		}
	}
}

/* ----------------------------------------------------------------------------------------- */

static void
judge_locked(Judgement *j, int64 now, uint64 points)
{
	int64 *decided = palloc(sizeof(int64) * (Size) j->n);
	bool complete;

	/* What was committed until the locks were taken, and what this transaction has stored. */
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (j->batch != NULL)
	{
		look_at_others(j);
		tl_alert_give_up_pending(j->rule, j->series, j->n);
	}
	for (int i = 0; i < j->n; i++)
	{
		begin_series(j, &j->series[i]);
		decided[i] = j->series[i].state.decided_to;
	}
	remember_holding(j);
	if (j->batch != NULL && j->batch->find != NULL)
		fold_memory(j);
	complete = read_points(j, points) && !j->is_full;
	for (int i = 0; i < j->n; i++)
	{
		TlAlertSeries *series = &j->series[i];
		int64 due = series->locked ? tl_alert_clock_due(j->rule, series) : TL_NEVER;

		j->at = series;
		if (complete && due != TL_NEVER && due <= now)
			tl_alert_fold_clock(j->rule, &series->state, now, on_transition, j);
		/*
		 * Who has not seen that the series is live now, and has not committed yet, has left its points to
		 * nobody.
		 */
		series->leave =
			series->locked && (!complete || (!(series->exists && series->was_live) &&
											 tl_alert_is_live(j->rule, &series->state)));
	}
	count_late(j, decided);
	PopActiveSnapshot();
}

void
tl_alert_judge(const TlAlertRule *rule, TlAlertSeries *series, int n, const TlAlertBatch *batch,
			   int64 now, uint64 points)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "telemetry alert judgement",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Judgement j = {.rule = rule,
				   .batch = batch,
				   .series = series,
				   .n = n,
				   .opened_cap = 16,
				   .resolved_cap = 16};
	TlStatementScope scope;

	qsort(series, (size_t) n, sizeof(TlAlertSeries), compare_series);
	j.opened = palloc(sizeof(TlNewAlert) * (Size) j.opened_cap);
	j.resolved = palloc(sizeof(TlResolvedAlert) * (Size) j.resolved_cap);
	tl_statement_begin(&scope);
	MemoryContextSwitchTo(context);
	tl_alert_states_lock(rule, series, n);
	judge_locked(&j, now, points);
	tl_alerts_resolve(j.resolved, j.n_resolved);
	tl_alerts_insert(rule, j.opened, j.n_opened);
	tl_alert_states_write(rule, series, n);
	tl_alert_leave(rule->id, series, n);
	tl_statement_end(&scope);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
tl_alert_judge_later(const TlAlertRule *rule, TlAlertSeries *series, int n,
					 const TlAlertBatch *batch)
{
	Judgement j = {.rule = rule, .batch = batch, .series = series, .n = n};
	TlStatementScope scope;

	qsort(series, (size_t) n, sizeof(TlAlertSeries), compare_series);
	for (int i = 0; i < n; i++)
	{
		series[i].locked = false;
		series[i].exists = false;
		series[i].state.decided_to = TL_NEVER;
	}
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	look_at_others(&j);
	PopActiveSnapshot();
	tl_statement_begin(&scope);
	tl_alert_leave(rule->id, series, n);
	tl_statement_end(&scope);
}
