/*
 * merge_day.c
 *		The merge of a day's blocks.  See merge_day.h.
 *
 * Bucket blocks are opened when the merge comes to their bucket, but mixed blocks all stay open.
 * A day that compaction has not seen yet can have very many of those; they are first merged, some
 * hundred at a time, into blocks in memory, so that what is open stays bounded.
 */
#include "read/merge_day.h"

#include "block/run_builder.h"
#include "utils/memutils.h"

/* So many mixed blocks of a day are merged directly. */
#define MIXED_OPEN_MAX 256

static int
compare_seq(const void *a, const void *b)
{
	int64 x = ((const TlBlockMeta *) a)->seq;
	int64 y = ((const TlBlockMeta *) b)->seq;

	return (x > y) - (x < y);
}

/* Merges blocks into one in memory; its order number is the newest of theirs. */
static TlSource *
fold_blocks(const TlFilter *filter, int buckets, TlReadStats *stats, const TlBlockMeta *blocks,
			uint32 n)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext work = AllocSetContextCreate(caller, "telemetry fold", ALLOCSET_DEFAULT_SIZES);
	TlFilter with_values = *filter;
	TlSource *source = NULL;
	TlMerge *merge;
	TlBlockWriter *writer;
	TlRunBuilder *builder;
	TlBlockInfo info;
	TlRun run;

	MemoryContextSwitchTo(work);
	with_values.columns |= TL_COLUMN_VALUE;
	merge = tl_merge_create(&with_values, buckets, stats);
	writer = tl_block_writer_create(1);
	builder = tl_run_builder_create(writer);
	for (uint32 i = 0; i < n; i++)
		tl_merge_add(merge, tl_source_create(&blocks[i], &with_values, buckets, stats),
					 blocks[i].bucket);
	while (tl_merge_next(merge, &run))
		tl_run_builder_add(builder, &run);
	tl_run_builder_flush(builder);
	MemoryContextSwitchTo(caller);
	if (!tl_block_writer_empty(writer))
	{
		tl_block_writer_finish(writer, &info);
		source = tl_source_create_memory(info.data, TL_BUCKET_MIXED, blocks[n - 1].seq, filter,
										 buckets, stats);
	}
	MemoryContextDelete(work);
	return source;
}

/*
 * Folds mixed blocks into few enough sources and returns how many.  They are folded in the order
 * of their numbers, and never across the number of a bucket block, which a fold would overtake.
 */
static uint32
fold_mixed(const TlFilter *filter, int buckets, TlReadStats *stats, TlBlockMeta *mixed,
		   uint32 n_mixed, TlBlockMeta *others, uint32 n_others, TlSource **sources)
{
	uint32 other = 0;
	uint32 n = 0;

	qsort(mixed, n_mixed, sizeof(TlBlockMeta), compare_seq);
	qsort(others, n_others, sizeof(TlBlockMeta), compare_seq);
	for (uint32 i = 0; i < n_mixed;)
	{
		uint32 start = i;
		TlSource *source;

		while (other < n_others && others[other].seq < mixed[start].seq)
			other++;
		while (i < n_mixed && i - start < MIXED_OPEN_MAX &&
			   (other == n_others || mixed[i].seq <= others[other].seq))
			i++;
		source = fold_blocks(filter, buckets, stats, mixed + start, i - start);
		if (source != NULL)
			sources[n++] = source;
	}
	return n;
}

TlSource **
tl_day_sources(const TlFilter *filter, int buckets, TlReadStats *stats, TlBlockMeta *blocks,
			   uint32 n, uint32 *n_sources)
{
	TlSource **sources =
		MemoryContextAllocHuge(CurrentMemoryContext, sizeof(TlSource *) * Max(n, 1));
	uint32 n_mixed = 0;
	uint32 folded = 0;

	while (n_mixed < n && blocks[n_mixed].bucket == TL_BUCKET_MIXED)
		n_mixed++;
	*n_sources = 0;
	if (n_mixed > MIXED_OPEN_MAX)
	{
		*n_sources = fold_mixed(filter, buckets, stats, blocks, n_mixed, blocks + n_mixed,
								n - n_mixed, sources);
		folded = n_mixed;
	}
	for (uint32 i = folded; i < n; i++)
		sources[(*n_sources)++] = tl_source_create(&blocks[i], filter, buckets, stats);
	return sources;
}

TlMerge *
tl_merge_create_day(const TlFilter *filter, int buckets, TlReadStats *stats, TlBlockMeta *blocks,
					uint32 n)
{
	TlMerge *merge = tl_merge_create(filter, buckets, stats);
	uint32 n_sources;
	TlSource **sources = tl_day_sources(filter, buckets, stats, blocks, n, &n_sources);

	for (uint32 i = 0; i < n_sources; i++)
		tl_merge_add(merge, sources[i], tl_source_bucket(sources[i]));
	return merge;
}
