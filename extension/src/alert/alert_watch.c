/*
 * alert_watch.c
 *		What ingest does about rules.
 *
 *	memtable, sorted ─▶ which series violate ─────────┐
 *	                 └▶ which are live (alert_state) ─┤ ... the same for each flush; all is stored ...
 *	                                                  ▼
 *	each rule: tl_alert_judge() in a subtransaction ─▶ fails: alert_rule_error, alert_pending
 *
 * A series that neither violates nor is live costs a comparison a point.  The others are few, or else
 * left to job alerts: so what a statement does here is bounded, and nothing that goes wrong with a rule
 * fails it.  A transaction of isolation level REPEATABLE READ or SERIALIZABLE does not see what others
 * judge, and would fail if it looked; so it looks at nothing, and leaves all series of rules to the job.
 */
#include "alert/alert_watch.h"

#include "access/xact.h"
#include "alert/alert_judge.h"
#include "alert/key_table.h"
#include "base/slice_text.h"
#include "base/statement.h"
#include "base/statement_row.h"
#include "base/subtransaction.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "ingest/watch.h"
#include "store/store.h"
#include "utils/array.h"
#include "utils/memutils.h"

/* A statement judges so many series itself, and keeps so many between flushes. */
#define INLINE_MAX 2000
#define KEPT_MAX 10000
/* It reads so many points to judge them. */
#define POINTS_MAX 1000000
/* Times of a series' violations that are kept, the earliest ones. */
#define LATE_MAX 1000
/* With up to so many series in a batch, live ones are looked for by their devices. */
#define LOOK_UP_MAX 1000

/* A rule that a batch has points for. */
typedef struct Watched
{
	const TlAlertRule *rule;
	HTAB *by_key; /* KeyEntry; NULL: no series is kept */
	TlAlertSeries *series;
	int n;
	int cap;
	bool is_broken;
} Watched;

typedef struct KeyEntry
{
	TlKey key;
	int number;
} KeyEntry;

typedef struct Watch
{
	MemoryContext context;
	MemoryContext kept; /* series, until they are judged or left */
	TlAlertRules *rules;
	Watched **of_rule; /* by the rule's index */
	Watched **watched;
	int n_watched;
	int n_rules;
	int n_series;
	int buckets;
	bool is_blind; /* the transaction's snapshot does not show what others have judged */
	int64 *seqs;   /* of the flushes */
	int n_seqs;
	int seqs_cap;
	const TlMemtable *memtable; /* the last one */
	uint32 n_runs;				/* of it */
} Watch;

static void *
watch_begin(void)
{
	TlAlertRules *rules = tl_alert_rules_at_hand(CurrentMemoryContext);
	int n_rules = tl_alert_rules_count(rules);
	Watch *w;

	if (n_rules == 0)
		return NULL;
	w = palloc0(sizeof(Watch));
	w->context = CurrentMemoryContext;
	w->kept = AllocSetContextCreate(w->context, "telemetry alert series", ALLOCSET_DEFAULT_SIZES);
	w->rules = rules;
	w->n_rules = n_rules;
	w->of_rule = palloc0(sizeof(Watched *) * (Size) n_rules);
	w->watched = palloc(sizeof(Watched *) * (Size) n_rules);
	w->buckets = tl_store_buckets();
	w->is_blind = IsolationUsesXactSnapshot();
	w->seqs_cap = 4;
	w->seqs = palloc(sizeof(int64) * (Size) w->seqs_cap);
	return w;
}

static Watched *
watched_of(Watch *w, const TlAlertRule *rule)
{
	Watched *watched = w->of_rule[rule->index];

	if (watched == NULL)
	{
		watched = MemoryContextAllocZero(w->context, sizeof(Watched));
		watched->rule = rule;
		w->of_rule[rule->index] = watched;
		w->watched[w->n_watched++] = watched;
	}
	return watched;
}

static TlAlertSeries *
find_kept(const Watched *watched, const TlKey *key)
{
	KeyEntry *entry =
		watched->by_key == NULL ? NULL : hash_search(watched->by_key, key, HASH_FIND, NULL);

	return entry == NULL ? NULL : &watched->series[entry->number];
}

static TlAlertSeries *
keep(Watch *w, Watched *watched, const TlKey *key)
{
	TlAlertSeries *series = find_kept(watched, key);
	KeyEntry *entry;
	bool found;

	if (series != NULL)
		return series;
	if (watched->by_key == NULL)
	{
		watched->by_key = tl_key_table_create("telemetry alert series", sizeof(KeyEntry), w->kept);
		watched->cap = 16;
		watched->n = 0;
		watched->series = MemoryContextAlloc(w->kept, sizeof(TlAlertSeries) * (Size) watched->cap);
	}
	if (watched->n == watched->cap)
	{
		watched->cap *= 2;
		watched->series =
			repalloc_huge(watched->series, sizeof(TlAlertSeries) * (Size) watched->cap);
	}
	series = &watched->series[watched->n];
	memset(series, 0, sizeof(TlAlertSeries));
	series->key.device = tl_slice_copy(w->kept, key->device);
	series->key.metric = tl_slice_copy(w->kept, key->metric);
	series->known_to = TL_NEVER;
	series->first = TL_NEVER;
	series->earliest = TL_NEVER;
	entry = hash_search(watched->by_key, &series->key, HASH_ENTER, &found);
	entry->number = watched->n++;
	w->n_series++;
	return series;
}

static void finish(Watch *w, bool judge);

/* What violates --------------------------------------------------------------------------- */

static const TlAttrs *
attrs_at(const TlRun *run, uint32 i)
{
	return run->attrs == NULL ? NULL : run->attrs[i];
}

static bool
point_violates(const TlAlertRule *rule, TlMembership member, const TlRun *run, uint32 i)
{
	TlMeasured measured = {tl_run_kind(run, i), run->cell[i]};

	return tl_alert_rule_is_violated(rule, run->ts[i], &measured) &&
		   tl_alert_is_member(rule, member, attrs_at(run, i));
}

/* The first point of a run that is the rule's, or their number. */
static uint32
first_member(const TlAlertRule *rule, TlMembership member, const TlRun *run)
{
	uint32 i = 0;

	while (i < run->n && !tl_alert_is_member(rule, member, attrs_at(run, i)))
		i++;
	return i;
}

/* Of a series that is kept; violations are looked for from one point of the run on. */
static void
note_points(Watch *w, const TlAlertRule *rule, TlAlertSeries *series, const TlRun *run, uint32 from)
{
	TlMembership member = tl_device_set_has(&rule->devices, run->key.device);
	uint32 first = first_member(rule, member, run);
	int most;

	series->earliest =
		series->earliest == TL_NEVER ? run->ts[0] : Min(series->earliest, run->ts[0]);
	if (first < run->n)
		series->first =
			series->first == TL_NEVER ? run->ts[first] : Min(series->first, run->ts[first]);
	if (rule->measure != TL_MEASURE_VALUE || from >= run->n)
		return;
	most = series->n_late + (int) Min(run->n, LATE_MAX);
	if (series->late == NULL)
		series->late = MemoryContextAlloc(w->kept, sizeof(int64) * (Size) most);
	else
		series->late = repalloc(series->late, sizeof(int64) * (Size) most);
	for (uint32 i = from; i < run->n && series->n_late < most; i++)
		if (point_violates(rule, member, run, i))
			series->late[series->n_late++] = run->ts[i];
}

/* One series and one rule: most often there is nothing about it. */
static void
look_at_run(Watch *w, const TlAlertRule *rule, const TlRun *run)
{
	TlMembership member = tl_device_set_has(&rule->devices, run->key.device);
	Watched *watched;
	uint32 i = 0;

	if (member == TL_MEMBER_NEVER)
		return;
	watched = watched_of(w, rule);
	if (rule->is_broken)
	{
		watched->is_broken = true;
		return;
	}
	if (rule->measure != TL_MEASURE_VALUE || w->is_blind)
		i = first_member(rule, member, run);
	else
		while (i < run->n && !point_violates(rule, member, run, i))
			i++;
	if (i < run->n || find_kept(watched, &run->key) != NULL)
		note_points(w, rule, keep(w, watched, &run->key), run, i);
}

/* Whether all points of a run lie within the bounds of a metric's rules. */
static bool
is_within_bounds(const TlMetricRules *about, const TlRun *run)
{
	bool within = about->has_bounds && run->kind == TL_KIND_NUMERIC;

	/* NaN is within nothing. */
	for (uint32 i = 0; within && i < run->n; i++)
		within = run->cell[i].number >= about->lowest && run->cell[i].number <= about->highest;
	return within;
}

static void
look_at_all(Watch *w)
{
	/* A series has one run here; what was kept before may have another one. */
	bool may_be_kept = w->n_series > 0;
	const TlMetricRules *last = NULL;

	for (uint32 i = 0; i < w->n_runs; i++)
	{
		const TlMetricRules *about = last;
		bool is_other;
		TlRun run;

		tl_memtable_run(w->memtable, i, &run);
		/* Another metric may have the place of the last one. */
		is_other = last == NULL || !tl_slice_equal(last->metric, run.key.metric);
		if (is_other)
			about = tl_alert_rules_of_metric(w->rules, run.key.metric);
		if (i % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		/* Which series of theirs are live is asked afterwards. */
		for (int r = 0; is_other && r < about->n; r++)
			(void) watched_of(w, about->rules[r]);
		last = about;
		if (about->n == 0 || (!may_be_kept && !w->is_blind && is_within_bounds(about, &run)))
			continue;
		for (int r = 0; r < about->n; r++)
			look_at_run(w, about->rules[r], &run);
		if (w->n_series > KEPT_MAX)
			finish(w, false);
	}
}

/* What is live ---------------------------------------------------------------------------- */

static TlStatement find_live = {
	"SELECT a.n::integer, s.device_id, s.metric_name"
	" FROM unnest($1) WITH ORDINALITY AS a (rule_id, n)"
	" JOIN telemetry.alert_state AS s ON s.rule_id = a.rule_id COLLATE \"C\" WHERE s.live",
	1,
	{TEXTARRAYOID},
	NULL};

static TlStatement find_live_of_devices = {
	"SELECT a.n::integer, s.device_id, s.metric_name"
	" FROM unnest($1) WITH ORDINALITY AS a (rule_id, n)"
	" JOIN telemetry.alert_state AS s ON s.rule_id = a.rule_id COLLATE \"C\""
	" AND s.device_id = ANY ($2) WHERE s.live",
	2,
	{TEXTARRAYOID, TEXTARRAYOID},
	NULL};

/* A series of the last memtable, or false. */
static bool
find_run(void *arg, const TlKey *key, TlRun *run)
{
	const Watch *w = arg;
	int bucket = tl_bucket_of(key->device, w->buckets);
	uint32 low = 0;
	uint32 high = w->n_runs;

	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;
		int found = tl_memtable_run(w->memtable, middle, run);
		int order =
			found != bucket ? (found > bucket) - (found < bucket) : tl_key_compare(&run->key, key);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static Datum
text_array(Datum *texts, int n)
{
	return PointerGetDatum(construct_array(texts, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Devices of runs from one on, some at a time. */
static Datum
devices_of(const Watch *w, uint32 from, uint32 n)
{
	Datum *devices = palloc(sizeof(Datum) * n);
	Datum array;

	for (uint32 i = 0; i < n; i++)
	{
		TlRun run;

		tl_memtable_run(w->memtable, from + i, &run);
		devices[i] = tl_slice_to_text(run.key.device);
	}
	array = text_array(devices, (int) n);
	for (uint32 i = 0; i < n; i++)
		pfree(DatumGetPointer(devices[i]));
	pfree(devices);
	return array;
}

/* Keeps those of the live series that have points here. */
static void
keep_live(Watch *w)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		TlStatementRow row = tl_statement_row(i, CurrentMemoryContext);
		TlKey key;
		Datum value;
		TlRun run;
		Watched *watched;

		(void) tl_row_column(&row, 1, &value);
		watched = w->watched[DatumGetInt32(value) - 1];
		(void) tl_row_column(&row, 2, &value);
		key.device = tl_slice_of_text(value);
		(void) tl_row_column(&row, 3, &value);
		key.metric = tl_slice_of_text(value);
		if (find_run(w, &key, &run))
			note_points(w, watched->rule, keep(w, watched, &run.key), &run, run.n);
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * All that are live, if these are fewer than the series here, which is most often the case; else they are
 * looked for by the devices here.
 */
static void
look_for_live(Watch *w)
{
	Datum *rules = palloc(sizeof(Datum) * (Size) Max(w->n_watched, 1));
	bool by_device = w->n_runs <= LOOK_UP_MAX;
	TlStatementScope scope;
	Datum values[2];

	if (w->n_watched == 0 || w->is_blind)
		return;
	tl_statement_begin(&scope);
	for (int i = 0; i < w->n_watched; i++)
		rules[i] = tl_slice_to_text(w->watched[i]->rule->id);
	values[0] = text_array(rules, w->n_watched);
	if (!by_device)
	{
		tl_statement_execute(&find_live, values, NULL, false, (long) w->n_runs + 1);
		by_device = SPI_processed > w->n_runs;
		if (by_device)
			SPI_freetuptable(SPI_tuptable);
		else
			keep_live(w);
	}
	for (uint32 from = 0; by_device && from < w->n_runs; from += LOOK_UP_MAX)
	{
		values[1] = devices_of(w, from, Min(LOOK_UP_MAX, w->n_runs - from));
		tl_statement_execute(&find_live_of_devices, values, NULL, false, 0);
		keep_live(w);
		pfree(DatumGetPointer(values[1]));
	}
	tl_statement_end(&scope);
}

/* Judging --------------------------------------------------------------------------------- */

typedef struct Part
{
	const TlAlertRule *rule;
	TlAlertSeries *series;
	int n;
	TlAlertBatch batch;
} Part;

static void
judge_part(void *arg)
{
	const Part *part = arg;

	tl_alert_judge(part->rule, part->series, part->n, &part->batch, TL_NEVER, POINTS_MAX);
}

static void
leave_part(void *arg)
{
	const Part *part = arg;

	tl_alert_judge_later(part->rule, part->series, part->n, &part->batch);
}

/* Without a look at the store. */
static void
leave_blindly(const Part *part)
{
	TlStatementScope scope;

	for (int i = 0; i < part->n; i++)
		part->series[i].locked = false;
	tl_statement_begin(&scope);
	tl_alert_leave(part->rule->id, part->series, part->n);
	tl_statement_end(&scope);
}

/* Notes why a rule could not be applied; its series are tried again later. */
static void
fail_part(const Part *part, const ErrorData *error)
{
	TlStatementScope scope;

	/* A rule that was changed meanwhile has not failed. */
	if (error->sqlerrcode != ERRCODE_T_R_SERIALIZATION_FAILURE)
	{
		tl_statement_begin(&scope);
		tl_alert_rule_failed(part->rule->id, error->sqlerrcode, error->message);
		tl_statement_end(&scope);
	}
	leave_blindly(part);
}

static void
tell_broken(const TlAlertRule *rule)
{
	TlStatementScope scope;

	tl_statement_begin(&scope);
	tl_alert_rule_is_broken(rule->id);
	tl_statement_end(&scope);
}

static void
sort_late(TlAlertSeries *series)
{
	tl_times_sort(series->late, series->n_late);
	series->n_late = Min(series->n_late, LATE_MAX);
}

static void
finish(Watch *w, bool judge)
{
	bool can_judge = judge && !w->is_blind && w->n_series > 0 && tl_alert_rules_can_be_read();
	int judged = 0;

	for (int i = 0; i < w->n_watched; i++)
	{
		Watched *watched = w->watched[i];

		if (watched->is_broken && judge)
			tell_broken(watched->rule);
		for (int k = 0; k < watched->n; k++)
			sort_late(&watched->series[k]);
		for (int from = 0; from < watched->n;)
		{
			bool now = can_judge && judged < INLINE_MAX;
			/* What is left is looked at once. */
			Part part = {.rule = watched->rule,
						 .series = watched->series + from,
						 .n = now ? Min(watched->n - from, TL_ALERT_SERIES_MAX) : watched->n - from,
						 .batch = {.seqs = w->seqs, .n_seqs = w->n_seqs, .arg = w}};
			ErrorData *error;

			from += part.n;

			if (w->is_blind)
			{
				leave_blindly(&part);
				continue;
			}
			if (w->n_seqs == 1)
				part.batch.find = find_run;
			error = tl_subtransaction(now ? judge_part : leave_part, &part);
			judged += part.n;
			if (error != NULL && tl_error_is_to_be_raised(error))
				ReThrowError(error);
			if (error != NULL)
				fail_part(&part, error);
		}
		watched->by_key = NULL;
		watched->n = 0;
	}
	w->n_series = 0;
	MemoryContextReset(w->kept);
}

static void
watch_flush(void *watch, const TlMemtable *memtable, uint32 n_series, int64 seq)
{
	Watch *w = watch;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "telemetry alert watch",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	if (w->n_seqs == w->seqs_cap)
	{
		w->seqs_cap *= 2;
		w->seqs = repalloc(w->seqs, sizeof(int64) * (Size) w->seqs_cap);
	}
	w->seqs[w->n_seqs++] = seq;
	w->memtable = memtable;
	w->n_runs = n_series;
	look_at_all(w);
	look_for_live(w);
	if (w->n_series > KEPT_MAX)
		finish(w, false);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

static void
watch_end(void *watch)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "telemetry alert watch",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	finish(watch, true);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

static const TlWatcher watcher = {watch_begin, watch_flush, watch_end};

void
tl_alert_watch_define(void)
{
	tl_watcher = &watcher;
}
