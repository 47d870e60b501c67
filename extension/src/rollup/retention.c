/*
 * retention.c
 *		The rules of retention and their ledger.  See retention.h.
 *
 * The ledger, telemetry.drop_log, has at most two rows of retention for a metric: one of its points
 * and one of its rollups.  Metrics that never had a rule share those that name no metric, and list
 * the others as exceptions.  Job retention writes them, see extension/sql/55_retention.sql.
 */
#include "rollup/retention.h"

#include "base/slice_text.h"
#include "base/statement.h"
#include "block/block.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

typedef struct Rule
{
	TlSlice metric;
	int64 expiry; /* DT_NOBEGIN: kept for ever */
} Rule;

typedef struct Drop
{
	bool rollups; /* what was dropped: rollups or points */
	bool others;
	TlSlice metric;
	TlSlice *except; /* metrics that it did not touch, when it names none */
	uint32 n_except;
	int64 from;
	int64 to;
	uint64 dropped; /* counted since it was loaded */
} Drop;

struct TlRetention
{
	Rule *rules; /* by metric */
	uint32 n_rules;
	int64 others; /* expiry of metrics without a rule */
	int64 latest;
	Drop *drops;
	uint32 n_drops;
};

static TlStatement list_rules = {
	"SELECT metric, retention_days FROM telemetry.retention", 0, {InvalidOid}, NULL};

static TlStatement list_drops = {
	"SELECT cause = 'rollup retention', metric, except_metrics, from_ts, to_ts"
	" FROM telemetry.drop_log WHERE cause <> 'delete'",
	0,
	{InvalidOid},
	NULL};

static TlStatement add_dropped = {"UPDATE telemetry.drop_log SET points = points + $2,"
								  " dropped_at = now() WHERE cause = 'retention'"
								  " AND coalesce(metric, '') = $1",
								  2,
								  {TEXTOID, INT8OID},
								  NULL};

static int
compare_rules(const void *a, const void *b)
{
	return tl_slice_compare(((const Rule *) a)->metric, ((const Rule *) b)->metric);
}

static void
load_rules(TlRetention *r, int64 day, MemoryContext context)
{
	tl_statement_execute(&list_rules, NULL, NULL, true, 0);
	r->rules = MemoryContextAlloc(context, sizeof(Rule) * (SPI_processed + 1));
	r->others = r->latest = DT_NOBEGIN;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple tuple = SPI_tuptable->vals[i];
		bool others;
		bool for_ever;
		Datum metric = SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &others);
		Datum days = SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &for_ever);
		int64 expiry = for_ever || day == DT_NOBEGIN ? DT_NOBEGIN
													 : day - DatumGetInt32(days) * TL_USECS_PER_DAY;

		r->latest = Max(r->latest, expiry);
		if (others)
			r->others = expiry;
		else
			r->rules[r->n_rules++] =
				(Rule){tl_slice_copy(context, tl_slice_of_text(metric)), expiry};
	}
	qsort(r->rules, r->n_rules, sizeof(Rule), compare_rules);
}

static void
load_exceptions(Drop *drop, Datum array, MemoryContext context)
{
	Datum *elements;
	int n;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL,
					  &n);
	drop->except = MemoryContextAlloc(context, sizeof(TlSlice) * Max(n, 1));
	for (int i = 0; i < n; i++)
		drop->except[drop->n_except++] = tl_slice_copy(context, tl_slice_of_text(elements[i]));
}

static void
load_drops(TlRetention *r, MemoryContext context)
{
	tl_statement_execute(&list_drops, NULL, NULL, true, 0);
	r->drops = MemoryContextAllocZero(context, sizeof(Drop) * (SPI_processed + 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple tuple = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		Drop *drop = &r->drops[r->n_drops++];
		bool isnull;
		Datum metric = SPI_getbinval(tuple, desc, 2, &drop->others);
		Datum except = SPI_getbinval(tuple, desc, 3, &isnull);

		drop->metric =
			drop->others ? (TlSlice){"", 0} : tl_slice_copy(context, tl_slice_of_text(metric));
		if (!isnull)
			load_exceptions(drop, except, context);
		drop->rollups = DatumGetBool(SPI_getbinval(tuple, desc, 1, &isnull));
		drop->from = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 4, &isnull));
		if (isnull)
			drop->from = DT_NOBEGIN;
		drop->to = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 5, &isnull));
		if (isnull)
			drop->to = DT_NOEND;
	}
}

TlRetention *
tl_retention_load_as_of(int64 day)
{
	MemoryContext context = CurrentMemoryContext;
	TlRetention *r = palloc0(sizeof(TlRetention));
	TlStatementScope scope;

	tl_statement_begin(&scope);
	load_rules(r, day, context);
	load_drops(r, context);
	tl_statement_end(&scope);
	return r;
}

TlRetention *
tl_retention_load(void)
{
	return tl_retention_load_as_of(tl_day_of(GetCurrentTimestamp()));
}

int64
tl_retention_expiry(const TlRetention *r, TlSlice metric)
{
	Rule sought = {.metric = metric};
	const Rule *rule = r->n_rules == 0
						   ? NULL
						   : bsearch(&sought, r->rules, r->n_rules, sizeof(Rule), compare_rules);

	return rule == NULL ? r->others : rule->expiry;
}

int64
tl_retention_latest_expiry(const TlRetention *r)
{
	return r->latest;
}

int64
tl_retention_earliest_expiry(const TlRetention *r)
{
	int64 earliest = r->others;

	for (uint32 i = 0; i < r->n_rules; i++)
		earliest = Min(earliest, r->rules[i].expiry);
	return earliest;
}

static inline bool
expired_since(int64 expiry, int64 day, int64 before)
{
	return day < expiry && expiry - day <= before;
}

bool
tl_retention_is_due(const TlRetention *r, int64 day, int64 before)
{
	if (expired_since(r->others, day, before))
		return true;
	for (uint32 i = 0; i < r->n_rules; i++)
		if (expired_since(r->rules[i].expiry, day, before))
			return true;
	return false;
}

static bool
drop_touched(const Drop *drop, TlSlice metric)
{
	if (!drop->others)
		return tl_slice_equal(drop->metric, metric);
	for (uint32 i = 0; i < drop->n_except; i++)
		if (tl_slice_equal(drop->except[i], metric))
			return false;
	return true;
}

bool
tl_retention_is_out_of_reach(const TlRetention *r, TlSlice metric, int64 hour)
{
	bool incomplete = false;

	for (uint32 i = 0; i < r->n_drops; i++)
	{
		const Drop *drop = &r->drops[i];

		if (hour >= drop->to || !drop_touched(drop, metric))
			continue;
		/* Where the rollups went as well, there are only those of points that came since. */
		if (drop->rollups)
			return false;
		/* No hour is longer than one by the clock, see zone.h. */
		incomplete |= hour + USECS_PER_HOUR > drop->from;
	}
	return incomplete;
}

int64
tl_retention_dropped_from(const TlRetention *r, TlSlice metric)
{
	for (uint32 i = 0; i < r->n_drops; i++)
		if (!r->drops[i].rollups && drop_touched(&r->drops[i], metric))
			return r->drops[i].from;
	return DT_NOEND;
}

void
tl_retention_count_dropped(TlRetention *r, TlSlice metric, uint64 points)
{
	for (uint32 i = 0; i < r->n_drops; i++)
		if (!r->drops[i].rollups && drop_touched(&r->drops[i], metric))
		{
			r->drops[i].dropped += points;
			return;
		}
}

uint64 *
tl_retention_copy_counts(const TlRetention *r)
{
	uint64 *counts = palloc(sizeof(uint64) * Max(r->n_drops, 1));

	for (uint32 i = 0; i < r->n_drops; i++)
		counts[i] = r->drops[i].dropped;
	return counts;
}

void
tl_retention_restore_counts(TlRetention *r, const uint64 *counts)
{
	for (uint32 i = 0; i < r->n_drops; i++)
		r->drops[i].dropped = counts[i];
}

void
tl_retention_write_counts(const TlRetention *r)
{
	TlStatementScope scope;

	tl_statement_begin(&scope);
	for (uint32 i = 0; i < r->n_drops; i++)
	{
		const Drop *drop = &r->drops[i];
		Datum values[2];

		if (drop->dropped == 0)
			continue;
		values[0] = PointerGetDatum(cstring_to_text_with_len(
			drop->others ? "" : drop->metric.data, drop->others ? 0 : (int) drop->metric.len));
		values[1] = Int64GetDatum((int64) drop->dropped);
		tl_statement_execute(&add_dropped, values, NULL, false, 0);
	}
	tl_statement_end(&scope);
}
