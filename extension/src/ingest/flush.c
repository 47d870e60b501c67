/*
 * flush.c
 *		From a sorted memtable to rows of telemetry.block.
 *
 * Days are taken one after the other, since a block does not cross one.  A day with few points
 * becomes one mixed block, because a row inserted costs as much as hundreds of points encoded;
 * otherwise each bucket gets a block of its own.
 */
#include "ingest/flush.h"

#include "base/guc.h"
#include "base/statement.h"
#include "ingest/watch.h"
#include "store/store.h"
#include "utils/memutils.h"

/* How many of a series' points from one on lie before a limit. */
static uint32
points_before(const int64 *ts, uint32 n, uint32 from, int64 limit)
{
	uint32 low = from;
	uint32 high = n;

	if (from == n || ts[n - 1] < limit)
		return n - from;
	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;

		if (ts[middle] < limit)
			low = middle + 1;
		else
			high = middle;
	}
	return low - from;
}

static void
store_block(TlBlockWriter *w, int bucket, int64 seq)
{
	TlBlockInfo info;

	if (tl_block_writer_empty(w))
		return;
	tl_block_writer_finish(w, &info);
	tl_store_insert(bucket, 0, seq, &info);
	pfree(info.data);
}

/* Stores what all series have within one day; done[] remembers how much of each is stored. */
static void
flush_day(TlBlockWriter *w, const TlMemtable *memtable, uint32 n_series, uint32 *done, int64 day,
		  int64 seq)
{
	int64 limit = day + TL_USECS_PER_DAY;
	uint64 points = 0;
	bool mixed;
	int current = TL_BUCKET_MIXED;
	TlRun run;

	for (uint32 i = 0; i < n_series && points < (uint64) tl_guc_mixed_block_points; i++)
	{
		uint32 n;
		const int64 *ts = tl_memtable_times(memtable, i, &n);

		points += points_before(ts, n, done[i], limit);
	}
	mixed = points < (uint64) tl_guc_mixed_block_points;

	for (uint32 i = 0; i < n_series; i++)
	{
		int bucket = tl_memtable_run(memtable, i, &run);
		uint32 n = points_before(run.ts, run.n, done[i], limit);

		if (n == 0)
			continue;
		if (!mixed && bucket != current)
		{
			store_block(w, current, seq);
			current = bucket;
			CHECK_FOR_INTERRUPTS();
		}
		run = tl_run_part(&run, done[i], n);
		tl_block_writer_add(w, &run);
		done[i] += n;
	}
	store_block(w, current, seq);
}

/* The earliest day that has points not stored yet; false if there is none. */
static bool
next_day(const TlMemtable *memtable, uint32 n_series, const uint32 *done, int64 *day)
{
	int64 earliest = PG_INT64_MAX;

	for (uint32 i = 0; i < n_series; i++)
	{
		uint32 n;
		const int64 *ts = tl_memtable_times(memtable, i, &n);

		if (done[i] < n)
			earliest = Min(earliest, ts[done[i]]);
	}
	if (earliest == PG_INT64_MAX)
		return false;
	*day = tl_day_of(earliest);
	return true;
}

uint32
tl_flush(TlMemtable *memtable, TlReplacedFn replaced, void *arg, void *watch)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry flush", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	uint32 n_series = tl_memtable_sort(memtable, replaced, arg);
	/* Once for all blocks. */
	int level = tl_search_path_pin();

	if (n_series > 0)
	{
		TlBlockWriter *w = tl_block_writer_create(tl_guc_compression_level);
		uint32 *done = MemoryContextAllocExtended(context, sizeof(uint32) * n_series,
												  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		int64 seq = tl_store_next_seq();
		int64 day;

		/* Whoever is refused at the deadline sends again later, and gets a later number. */
		tl_check_deadline();
		/* What the watcher does not see yet is of those who know that this number is in flight. */
		if (watch != NULL)
			tl_watcher->flush(watch, memtable, n_series, seq);
		while (next_day(memtable, n_series, done, &day))
		{
			CHECK_FOR_INTERRUPTS();
			flush_day(w, memtable, n_series, done, day, seq);
		}
	}
	tl_search_path_restore(level);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return n_series;
}
