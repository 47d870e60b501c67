/*
 * rollup_compute.c
 *		Rollups from blocks.  See rollup_compute.h.
 */
#include "rollup/rollup_compute.h"

#include "access/xact.h"
#include "base/slice_text.h"
#include "read/merge_day.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* So many days are computed at once from their hours. */
#define DAYS_AT_ONCE 256

/* A day has 25 at most, and one that half an hour is taken from or added to may have one more. */
#define HOURS_MAX 28

int
tl_rollup_row_compare(const void *a, const void *b)
{
	const TlRollupRow *x = a;
	const TlRollupRow *y = b;
	int c = tl_key_compare(&x->key, &y->key);

	if (c != 0)
		return c;
	return (x->hour > y->hour) - (x->hour < y->hour);
}

typedef struct Computation
{
	MemoryContext context; /* of the results */
	pg_tz *zone;
	const TlRollupRow *wanted;
	uint32 n_wanted;
	TlRollupRow *rows;
	uint32 n_rows;
	uint32 cap;
	TlRollupBuilder builder; /* of the current hour, while open */
	bool open;
	TlHour hour;
} Computation;

/* A new row for an hour of a series, which shares the key of the row before if it is the same. */
static void
open_row(Computation *c, const TlKey *key)
{
	TlRollupRow *row;

	if (c->n_rows == c->cap)
	{
		c->cap = c->cap == 0 ? 256 : c->cap * 2;
		c->rows = c->rows == NULL
					  ? MemoryContextAllocHuge(c->context, sizeof(TlRollupRow) * (Size) c->cap)
					  : repalloc_huge(c->rows, sizeof(TlRollupRow) * (Size) c->cap);
	}
	row = &c->rows[c->n_rows++];
	memset(row, 0, sizeof(TlRollupRow));
	row->hour = c->hour.start;
	row->day = c->hour.day;
	if (c->n_rows > 1 && tl_key_equal(&row[-1].key, key))
		row->key = row[-1].key;
	else
		row->key =
			(TlKey){tl_slice_copy(c->context, key->device), tl_slice_copy(c->context, key->metric)};
	tl_rollup_reset(&c->builder);
	c->open = true;
}

static void
close_row(Computation *c)
{
	MemoryContext old;

	if (!c->open)
		return;
	old = MemoryContextSwitchTo(c->context);
	tl_rollup_finish(&c->builder, &c->rows[c->n_rows - 1].rollup);
	MemoryContextSwitchTo(old);
	c->open = false;
}

/* The point of an hour's piece of a run, from start up to end, from which on they are wanted. */
static uint32
first_wanted(const Computation *c, const TlRun *run, uint32 start, uint32 end)
{
	TlRollupRow sought = {.key = run->key, .hour = c->hour.start};
	const TlRollupRow *wanted;

	if (c->wanted == NULL)
		return start;
	wanted = bsearch(&sought, c->wanted, c->n_wanted, sizeof(TlRollupRow), tl_rollup_row_compare);
	if (wanted == NULL)
		return end;
	if (!tl_rollup_empty(&wanted->rollup))
		while (start < end && run->ts[start] <= wanted->rollup.last_ts)
			start++;
	return start;
}

static void
add_run(Computation *c, const TlRun *run)
{
	for (uint32 i = 0; i < run->n;)
	{
		uint32 start = i;
		const TlRollupRow *last = c->open ? &c->rows[c->n_rows - 1] : NULL;
		TlRun piece;

		tl_zone_hour_near(c->zone, run->ts[i], &c->hour);
		while (i < run->n && run->ts[i] < c->hour.to)
			i++;
		if (last == NULL || last->hour != c->hour.start || !tl_key_equal(&last->key, &run->key))
		{
			close_row(c);
			start = first_wanted(c, run, start, i);
			if (start == i)
				continue;
			open_row(c, &run->key);
		}
		piece = tl_run_part(run, start, i - start);
		tl_rollup_add(&c->builder, &piece);
	}
}

/* Joins rows of one hour that lies in two UTC days. */
static uint32
join_rows(TlRollupRow *rows, uint32 n, TlSketch *scratch)
{
	uint32 kept = 0;

	qsort(rows, n, sizeof(TlRollupRow), tl_rollup_row_compare);
	for (uint32 i = 0; i < n; i++)
	{
		TlRollupRow *last = kept > 0 ? &rows[kept - 1] : NULL;

		if (last == NULL || tl_rollup_row_compare(last, &rows[i]) != 0)
			rows[kept++] = rows[i];
		else if (last->rollup.last_ts < rows[i].rollup.first_ts)
			tl_rollup_append(&last->rollup, &rows[i].rollup, scratch);
		else
		{
			TlRollup earlier = rows[i].rollup;

			tl_rollup_append(&earlier, &last->rollup, scratch);
			last->rollup = earlier;
		}
	}
	return kept;
}

static void
compute(Computation *c, const TlFilter *filter, const int *buckets, int n_buckets)
{
	int all_buckets = tl_store_buckets();
	MemoryContext day_context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry rollup day", ALLOCSET_DEFAULT_SIZES);
	TlReadStats stats = {0};
	uint32 n_blocks;
	TlBlockMeta *blocks =
		tl_store_list(buckets, n_buckets, filter->from, filter->to, TL_LEVELS_ROLLED, &n_blocks);

	for (uint32 i = 0; i < n_blocks;)
	{
		uint32 start = i;
		MemoryContext old;
		TlMerge *merge;
		TlRun run;

		while (i < n_blocks && tl_day_of(blocks[i].max_ts) == tl_day_of(blocks[start].max_ts))
			i++;
		old = MemoryContextSwitchTo(day_context);
		merge = tl_merge_create_day(filter, all_buckets, &stats, blocks + start, i - start);
		while (tl_merge_next(merge, &run))
		{
			CHECK_FOR_INTERRUPTS();
			add_run(c, &run);
		}
		close_row(c);
		MemoryContextSwitchTo(old);
		MemoryContextReset(day_context);
	}
	MemoryContextDelete(day_context);
}

TlRollupRow *
tl_rollup_compute_hours(const TlFilter *filter, const int *buckets, int n_buckets, pg_tz *zone,
						const TlRollupRow *wanted, uint32 n_wanted, uint32 *n)
{
	Computation c = {.context = CurrentMemoryContext,
					 .zone = zone,
					 .wanted = wanted,
					 .n_wanted = n_wanted,
					 .hour = {.from = 1, .to = 0}};

	tl_rollup_init(&c.builder);
	CommandCounterIncrement();
	PushCopiedSnapshot(GetActiveSnapshot());
	UpdateActiveSnapshotCommandId();
	compute(&c, filter, buckets, n_buckets);
	PopActiveSnapshot();
	*n = join_rows(c.rows, c.n_rows, &c.builder.sketch);
	return c.rows;
}

static int
compare_days(const void *a, const void *b)
{
	const TlRollupRow *x = a;
	const TlRollupRow *y = b;
	int c = tl_key_compare(&x->key, &y->key);

	return c != 0 ? c : (x->day > y->day) - (x->day < y->day);
}

/* The hours that a day can have, in a row each; returns their number. */
static uint32
hours_of_day(pg_tz *zone, const TlRollupRow *day, TlRollupRow *rows)
{
	/* No zone is further from UTC than 15 hours. */
	int64 at = day->day * TL_USECS_PER_DAY - 15 * TL_USECS_PER_HOUR;
	int64 end = day->day * TL_USECS_PER_DAY + 39 * TL_USECS_PER_HOUR;
	uint32 n = 0;

	while (at < end && n < HOURS_MAX)
	{
		TlHour hour;

		tl_zone_hour(zone, at, &hour);
		at = hour.to;
		if (hour.day != day->day || (n > 0 && rows[n - 1].hour == hour.start))
			continue;
		rows[n] = *day;
		rows[n++].hour = hour.start;
	}
	return n;
}

static void
write_some_days(pg_tz *zone, TlRollupRow *days, uint32 n, TlSketch *scratch)
{
	TlRollupRow *hours =
		MemoryContextAllocHuge(CurrentMemoryContext, sizeof(TlRollupRow) * n * HOURS_MAX);
	TlRollupRow *gone = palloc(sizeof(TlRollupRow) * n);
	uint32 n_hours = 0;
	uint32 hour = 0;
	uint32 n_gone = 0;
	uint32 kept = 0;

	for (uint32 i = 0; i < n; i++)
		n_hours += hours_of_day(zone, &days[i], hours + n_hours);
	tl_rollup_table_read(TL_PERIOD_HOUR, hours, n_hours);
	for (uint32 i = 0; i < n; i++)
	{
		TlRollupRow day = days[i];

		memset(&day.rollup, 0, sizeof(TlRollup));
		for (; hour < n_hours && compare_days(&hours[hour], &day) == 0; hour++)
			if (!tl_rollup_empty(&hours[hour].rollup))
				tl_rollup_append(&day.rollup, &hours[hour].rollup, scratch);
		if (tl_rollup_empty(&day.rollup))
			gone[n_gone++] = day;
		else
			days[kept++] = day;
	}
	tl_rollup_table_write(TL_PERIOD_DAY, days, kept);
	tl_rollup_table_delete(TL_PERIOD_DAY, gone, n_gone);
}

void
tl_rollup_write_days(pg_tz *zone, TlRollupRow *days, uint32 n)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "telemetry rollup days",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	uint32 distinct = 0;

	qsort(days, n, sizeof(TlRollupRow), compare_days);
	for (uint32 i = 0; i < n; i++)
		if (distinct == 0 || compare_days(&days[distinct - 1], &days[i]) != 0)
			days[distinct++] = days[i];
	for (uint32 i = 0; i < distinct; i += DAYS_AT_ONCE)
	{
		TlSketch scratch;

		CHECK_FOR_INTERRUPTS();
		tl_sketch_init(&scratch);
		write_some_days(zone, days + i, Min(DAYS_AT_ONCE, distinct - i), &scratch);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
