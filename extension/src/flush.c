/*
 * flush.c
 *		From a sorted batch to rows of telemetry.block.
 *
 * Days are taken one after the other, since a block does not cross one.  A day with few points
 * becomes one mixed block, because a row inserted costs as much as hundreds of points encoded;
 * otherwise each bucket gets a block of its own.
 */
#include "flush.h"

#include "guc.h"
#include "store.h"
#include "utils/memutils.h"

/* The part of a run that lies before a limit and was not taken yet. */
static uint32
points_before(const TlRun *run, uint32 from, int64 limit)
{
	uint32 low = from;
	uint32 high = run->n;

	if (from == run->n || run->ts[run->n - 1] < limit)
		return run->n - from;
	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;

		if (run->ts[middle] < limit)
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

static void
add_part(TlBlockWriter *w, const TlRun *run, uint32 from, uint32 n)
{
	TlRun part = *run;

	part.n = n;
	part.ts += from;
	part.cell += from;
	if (part.kinds != NULL)
		part.kinds += from;
	if (part.attrs != NULL)
		part.attrs += from;
	tl_block_writer_add(w, &part);
}

/* Stores what all runs have within one day; done[] remembers how much of each is stored. */
static void
flush_day(TlBlockWriter *w, const TlBatchRun *runs, uint32 n_runs, uint32 *done, int64 day,
		  int64 seq)
{
	int64 limit = day + TL_USECS_PER_DAY;
	uint64 points = 0;
	bool mixed;
	int bucket;

	for (uint32 i = 0; i < n_runs && points < (uint64) tl_guc_mixed_block_points; i++)
		points += points_before(&runs[i].run, done[i], limit);
	mixed = points < (uint64) tl_guc_mixed_block_points;
	bucket = mixed ? TL_BUCKET_MIXED : runs[0].bucket;

	for (uint32 i = 0; i < n_runs; i++)
	{
		uint32 n = points_before(&runs[i].run, done[i], limit);

		if (n == 0)
			continue;
		if (!mixed && runs[i].bucket != bucket)
		{
			store_block(w, bucket, seq);
			bucket = runs[i].bucket;
			CHECK_FOR_INTERRUPTS();
		}
		add_part(w, &runs[i].run, done[i], n);
		done[i] += n;
	}
	store_block(w, bucket, seq);
}

/* The earliest day that has points not stored yet; false if there is none. */
static bool
next_day(const TlBatchRun *runs, uint32 n_runs, const uint32 *done, int64 *day)
{
	int64 earliest = PG_INT64_MAX;

	for (uint32 i = 0; i < n_runs; i++)
		if (done[i] < runs[i].run.n)
			earliest = Min(earliest, runs[i].run.ts[done[i]]);
	if (earliest == PG_INT64_MAX)
		return false;
	*day = tl_day_of(earliest);
	return true;
}

uint32
tl_flush(TlBatch *batch, TlReplacedFn replaced, void *arg)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry flush", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	uint32 n_runs;
	TlBatchRun *runs = tl_batch_sort(batch, &n_runs, replaced, arg);
	uint32 stored = 0;

	if (n_runs > 0)
	{
		TlBlockWriter *w = tl_block_writer_create(tl_guc_compression_level);
		uint32 *done = MemoryContextAllocExtended(context, sizeof(uint32) * n_runs,
												  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		int64 seq = tl_store_next_seq();
		int64 day;

		while (next_day(runs, n_runs, done, &day))
		{
			CHECK_FOR_INTERRUPTS();
			flush_day(w, runs, n_runs, done, day, seq);
		}
		for (uint32 i = 0; i < n_runs; i++)
			stored += runs[i].run.n;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return stored;
}
