/*
 * merge_day.c
 *		The merge of a day's blocks.  See merge_day.h.
 *
 * Bucket blocks are opened when the merge comes to their bucket, but mixed blocks can all be open at
 * once.  A day that compaction has not seen yet can have very many of those.  What is open of them
 * stays bounded, by number and by telemetry.merge_memory:
 *
 * Small ones are first merged, some hundred at a time, into blocks in memory, and these again, as
 * long as they are many.  Of those that are not small, which would take as much in memory as they
 * are, merging saves nothing.  They are opened no sooner than the merge comes to the bucket that they
 * begin with, and, like the blocks of a bucket that together are more than that memory, read piece
 * by piece: a frame of each is open then, rather than all of it.
 */
#include "read/merge_day.h"

#include "base/guc.h"
#include "block/run_builder.h"
#include "utils/memutils.h"

/* So many mixed blocks of a day are merged directly. */
#define MIXED_OPEN_MAX 256

#define MERGE_BYTES ((uint64) tl_guc_merge_memory * 1024)

/* As many small blocks as are merged at once fit into that. */
#define SMALL_BYTES (MERGE_BYTES / MIXED_OPEN_MAX)

/* A mixed block, stored or in memory. */
typedef struct Piece
{
	int64 seq;
	uint64 length;
	const TlBlockMeta *stored;
	struct varlena *data; /* if it is not stored */
} Piece;

typedef struct Day
{
	const TlFilter *filter;
	int buckets;
	TlReadStats *stats;
	Piece *pieces; /* in the order of their numbers */
	uint32 n_pieces;
	TlBlockMeta *others; /* blocks of buckets */
	uint32 n_others;
} Day;

static int
compare_seq(const void *a, const void *b)
{
	int64 x = ((const TlBlockMeta *) a)->seq;
	int64 y = ((const TlBlockMeta *) b)->seq;

	return (x > y) - (x < y);
}

static TlSource *
open_piece(const Day *day, const Piece *piece, const TlFilter *filter)
{
	return piece->stored != NULL ? tl_source_create(piece->stored, filter, day->buckets, day->stats)
								 : tl_source_create_memory(piece->data, TL_BUCKET_MIXED, piece->seq,
														   filter, day->buckets, day->stats);
}

static void
finish_piece(TlBlockWriter *writer, TlRunBuilder *builder, MemoryContext context, int64 seq,
			 Piece *piece)
{
	MemoryContext old;
	TlBlockInfo info;

	tl_run_builder_flush(builder);
	old = MemoryContextSwitchTo(context);
	tl_block_writer_finish(writer, &info);
	MemoryContextSwitchTo(old);
	*piece = (Piece){.seq = seq, .length = VARSIZE_ANY_EXHDR(info.data), .data = info.data};
}

/*
 * Merges pieces into fewer in memory, whose order number is the newest of theirs: mostly one, else
 * several without a key in common.  Returns how many, which may be none.
 */
static uint32
fold(const Day *day, const Piece *pieces, uint32 n, Piece *folded)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext work = AllocSetContextCreate(caller, "telemetry fold", ALLOCSET_DEFAULT_SIZES);
	TlFilter with_values = *day->filter;
	int64 seq = pieces[n - 1].seq;
	uint32 n_folded = 0;
	TlMerge *merge;
	TlBlockWriter *writer;
	TlRunBuilder *builder;
	TlRun run;

	MemoryContextSwitchTo(work);
	with_values.columns |= TL_COLUMN_VALUE;
	merge = tl_merge_create(&with_values, day->buckets, day->stats);
	writer = tl_block_writer_create(1);
	builder = tl_run_builder_create(writer);
	for (uint32 i = 0; i < n; i++)
		tl_merge_add(merge, open_piece(day, &pieces[i], &with_values), TL_BUCKET_MIXED);
	while (tl_merge_next(merge, &run))
	{
		if (tl_block_writer_size(writer) >= MERGE_BYTES && n_folded + 1 < n)
			finish_piece(writer, builder, caller, seq, &folded[n_folded++]);
		tl_run_builder_add(builder, &run);
	}
	tl_run_builder_flush(builder);
	if (!tl_block_writer_empty(writer))
		finish_piece(writer, builder, caller, seq, &folded[n_folded++]);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
	return n_folded;
}

/*
 * Folds small pieces, some at a time; whether there are fewer now.  They are folded in the order of
 * their numbers, and never across the number of another block, which a fold would overtake.
 */
static bool
fold_round(Day *day)
{
	Piece *folded = palloc(sizeof(Piece) * MIXED_OPEN_MAX);
	uint32 other = 0;
	uint32 kept = 0;
	uint32 before = day->n_pieces;

	for (uint32 i = 0; i < before;)
	{
		Piece *first = &day->pieces[i];
		uint32 n = 0;
		uint32 n_folded;

		while (other < day->n_others && day->others[other].seq < first->seq)
			other++;
		while (i + n < before && n < MIXED_OPEN_MAX && first[n].length <= SMALL_BYTES &&
			   (other == day->n_others || first[n].seq <= day->others[other].seq))
			n++;
		if (n < 2)
		{
			day->pieces[kept++] = *first;
			i++;
			continue;
		}
		n_folded = fold(day, first, n, folded);
		for (uint32 k = 0; k < n; k++)
			if (first[k].data != NULL)
				pfree(first[k].data);
		memcpy(day->pieces + kept, folded, sizeof(Piece) * n_folded);
		kept += n_folded;
		i += n;
	}
	pfree(folded);
	day->n_pieces = kept;
	return kept < before;
}

/* Whether blocks are too many, or too large, to have all of them open at once. */
static bool
is_too_much(const TlBlockMeta *blocks, uint32 n)
{
	uint64 bytes = 0;

	for (uint32 i = 0; i < n; i++)
		bytes += blocks[i].length;
	return bytes > MERGE_BYTES;
}

static TlSource *
create_source(const Day *day, const TlBlockMeta *block, bool too_much)
{
	TlSource *source = tl_source_create(block, day->filter, day->buckets, day->stats);

	if (too_much && block->length > SMALL_BYTES)
		tl_source_read_in_pieces(source);
	return source;
}

/* The sources of mixed blocks that are too many or too large. */
static uint32
fold_mixed(Day *day, TlBlockMeta *mixed, uint32 n_mixed, TlSource **sources)
{
	qsort(mixed, n_mixed, sizeof(TlBlockMeta), compare_seq);
	qsort(day->others, day->n_others, sizeof(TlBlockMeta), compare_seq);
	day->pieces = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Piece) * (Size) n_mixed);
	for (uint32 i = 0; i < n_mixed; i++)
		day->pieces[day->n_pieces++] =
			(Piece){.seq = mixed[i].seq, .length = mixed[i].length, .stored = &mixed[i]};
	/* Once at least: what is left of small ones is what the filter wants. */
	do
		if (!fold_round(day))
			break;
	while (day->n_pieces > MIXED_OPEN_MAX);
	for (uint32 i = 0; i < day->n_pieces; i++)
	{
		const Piece *piece = &day->pieces[i];

		sources[i] = piece->stored != NULL ? create_source(day, piece->stored, true)
										   : open_piece(day, piece, day->filter);
	}
	return day->n_pieces;
}

TlSource **
tl_day_sources(const TlFilter *filter, int buckets, TlReadStats *stats, TlBlockMeta *blocks,
			   uint32 n, uint32 *n_sources)
{
	Day day = {.filter = filter, .buckets = buckets, .stats = stats};
	TlSource **sources =
		MemoryContextAllocHuge(CurrentMemoryContext, sizeof(TlSource *) * Max(n, 1));
	uint32 n_mixed = 0;

	while (n_mixed < n && blocks[n_mixed].bucket == TL_BUCKET_MIXED)
		n_mixed++;
	*n_sources = 0;
	for (uint32 i = n_mixed; i < n;)
	{
		uint32 start = i;
		bool too_much;

		while (i < n && blocks[i].bucket == blocks[start].bucket)
			i++;
		too_much = is_too_much(blocks + start, i - start);
		for (uint32 k = start; k < i; k++)
			sources[k] = create_source(&day, &blocks[k], too_much);
	}
	day.others = blocks + n_mixed;
	day.n_others = n - n_mixed;
	if (n_mixed > MIXED_OPEN_MAX || is_too_much(blocks, n_mixed))
		*n_sources = fold_mixed(&day, blocks, n_mixed, sources);
	else
		for (uint32 i = 0; i < n_mixed; i++)
			sources[(*n_sources)++] = create_source(&day, &blocks[i], false);
	memmove(sources + *n_sources, sources + n_mixed, sizeof(TlSource *) * (n - n_mixed));
	*n_sources += n - n_mixed;
	return sources;
}

void
tl_merge_add_day(TlMerge *merge, const TlFilter *filter, int buckets, TlReadStats *stats,
				 TlBlockMeta *blocks, uint32 n)
{
	uint32 n_sources;
	TlSource **sources = tl_day_sources(filter, buckets, stats, blocks, n, &n_sources);

	for (uint32 i = 0; i < n_sources; i++)
		tl_merge_add(merge, sources[i], tl_source_first_bucket(sources[i]));
}

TlMerge *
tl_merge_create_day(const TlFilter *filter, int buckets, TlReadStats *stats, TlBlockMeta *blocks,
					uint32 n)
{
	TlMerge *merge = tl_merge_create(filter, buckets, stats);

	tl_merge_add_day(merge, filter, buckets, stats, blocks, n);
	return merge;
}
