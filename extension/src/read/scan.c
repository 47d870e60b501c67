/*
 * scan.c
 *		From a filter to runs.  See scan.h.
 *
 * A scan in any order goes day by day, for no key is in two days: the blocks of a day are merged
 * at once.
 */
#include "read/scan.h"

#include "base/statement.h"
#include "read/merge_day.h"
#include "read/newest.h"
#include "utils/memutils.h"

struct TlScan
{
	MemoryContext context;
	MemoryContext day_context;
	const TlFilter *filter;
	TlScanOrder order;
	int buckets;
	TlReadStats stats;
	TlMerge *merge;
	TlBlockMeta *blocks;
	uint32 n_blocks;
	uint32 next_block;
	TlStoreCursor *cursor;
	TlNewest *newest;
	bool started;
};

static int
compare_ints(const void *a, const void *b)
{
	int x = *(const int *) a;
	int y = *(const int *) b;

	return (x > y) - (x < y);
}

int *
tl_scan_buckets(const TlFilter *f, int buckets, int *n)
{
	int *list = palloc(sizeof(int) * ((f->n_devices == 0 ? (Size) buckets : f->n_devices) + 1));
	int count = 0;
	int kept = 1;

	list[count++] = TL_BUCKET_MIXED;
	if (f->n_devices == 0)
		for (int i = 0; i < buckets; i++)
			list[count++] = i;
	for (uint32 i = 0; i < f->n_devices; i++)
		list[count++] = tl_bucket_of(f->devices[i], buckets);
	qsort(list, (size_t) count, sizeof(int), compare_ints);
	for (int i = 1; i < count; i++)
		if (list[i] != list[i - 1])
			list[kept++] = list[i];
	*n = kept;
	return list;
}

static bool
next_from_list(void *arg, TlBlockMeta *meta)
{
	TlScan *scan = arg;

	if (scan->next_block == scan->n_blocks)
		return false;
	*meta = scan->blocks[scan->next_block++];
	return true;
}

static bool
next_from_cursor(void *arg, TlBlockMeta *meta)
{
	TlScan *scan = arg;

	return tl_store_cursor_next(scan->cursor, meta);
}

static int
compare_min_ts(const void *a, const void *b)
{
	int64 x = ((const TlBlockMeta *) a)->min_ts;
	int64 y = ((const TlBlockMeta *) b)->min_ts;

	return (x > y) - (x < y);
}

/* Leaves out what the filter is without. */
static void
leave_out(TlScan *scan)
{
	uint32 kept = 0;

	for (uint32 i = 0; i < scan->n_blocks; i++)
	{
		bool out = false;

		for (int k = 0; k < scan->filter->n_without; k++)
			out |= scan->blocks[i].seq == scan->filter->without[k];
		if (!out)
			scan->blocks[kept++] = scan->blocks[i];
	}
	scan->n_blocks = kept;
}

TlScan *
tl_scan_begin(const TlFilter *filter, TlScanOrder order)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry scan", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TlScan *scan = palloc0(sizeof(TlScan));

	Assert(order == TL_SCAN_ANY || order == TL_SCAN_NEWEST ||
		   (filter->n_devices == 1 && filter->n_metrics == 1));
	scan->context = context;
	scan->filter = filter;
	scan->order = order;
	scan->buckets = tl_store_buckets();
	scan->day_context =
		AllocSetContextCreate(context, "telemetry scan day", ALLOCSET_DEFAULT_SIZES);

	if (order == TL_SCAN_TIME_BACKWARD)
	{
		scan->cursor = tl_store_cursor_open(tl_bucket_of(filter->devices[0], scan->buckets),
											filter->from, filter->to, filter->levels);
		scan->merge = tl_merge_create_series(filter, scan->buckets, &scan->stats, true,
											 next_from_cursor, scan);
	}
	else
	{
		int n;
		int *buckets = tl_scan_buckets(filter, scan->buckets, &n);

		scan->blocks =
			tl_store_list(buckets, n, filter->from, filter->to, filter->levels, &scan->n_blocks);
		if (filter->n_without > 0)
			leave_out(scan);
		if (order == TL_SCAN_TIME)
		{
			qsort(scan->blocks, scan->n_blocks, sizeof(TlBlockMeta), compare_min_ts);
			scan->merge = tl_merge_create_series(filter, scan->buckets, &scan->stats, false,
												 next_from_list, scan);
		}
	}
	MemoryContextSwitchTo(old);
	return scan;
}

/* Begins the merge of the next day's blocks; false after the last day. */
static bool
next_day(TlScan *scan)
{
	TlBlockMeta *blocks = scan->blocks + scan->next_block;
	uint32 left = scan->n_blocks - scan->next_block;
	uint32 n = 0;
	MemoryContext old;

	/* The list of blocks belongs to the scan; what reading a day takes is freed with it. */
	MemoryContextReset(scan->day_context);
	scan->merge = NULL;
	if (left == 0)
		return false;
	while (n < left && tl_day_of(blocks[n].max_ts) == tl_day_of(blocks[0].max_ts))
		n++;
	scan->next_block += n;

	old = MemoryContextSwitchTo(scan->day_context);
	scan->merge = tl_merge_create_day(scan->filter, scan->buckets, &scan->stats, blocks, n);
	MemoryContextSwitchTo(old);
	return true;
}

static bool
next_newest(TlScan *scan, TlRun *run)
{
	if (scan->newest == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(scan->context);

		scan->newest =
			tl_newest_read(scan->filter, scan->buckets, &scan->stats, scan->blocks, scan->n_blocks);
		MemoryContextSwitchTo(old);
	}
	return tl_newest_next(scan->newest, run);
}

static bool
next_run(TlScan *scan, TlRun *run)
{
	if (scan->order == TL_SCAN_NEWEST)
		return next_newest(scan, run);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (scan->merge != NULL && tl_merge_next(scan->merge, run))
			return true;
		if (scan->order != TL_SCAN_ANY || !next_day(scan))
			return false;
	}
}

bool
tl_scan_next(TlScan *scan, TlRun *run)
{
	bool found;
	int level;

	if (scan->started)
		return next_run(scan, run);
	/* The first run takes several statements, which for the latest point is all of the work. */
	scan->started = true;
	level = tl_search_path_pin();
	found = next_run(scan, run);
	tl_search_path_restore(level);
	return found;
}

void
tl_scan_end(TlScan *scan)
{
	MemoryContextDelete(scan->context);
}

const TlReadStats *
tl_scan_stats(const TlScan *scan)
{
	return &scan->stats;
}
