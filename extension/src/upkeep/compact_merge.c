/*
 * compact_merge.c
 *		The job compact: few large blocks out of many small ones.
 *
 * Within a bucket and day, blocks in the order of their numbers grow smaller towards the newest.
 * The newest ones are merged as soon as there are enough of them, together with older ones that
 * are not much larger; so each point is written again only a logarithmic number of times.  Where
 * nothing more has come for a while, what is left over is merged too, but a late point never makes
 * a large block be written again.
 */
#include "upkeep/compact.h"

#include "base/guc.h"
#include "block/run_builder.h"
#include "fmgr.h"
#include "read/merge.h"
#include "upkeep/attempt.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* So many small blocks are merged whether or not more may follow. */
#define MERGE_BLOCKS 8

/* A block is merged with newer ones that together are at least this part of it. */
#define GROWING_PART 2 /* a half */
#define SETTLED_PART 4 /* a quarter: what is settled is not merged often */

/* No block grows larger than this. */
#define POINTS_MAX 4000000
#define BYTES_MAX ((uint64) tl_guc_block_size * 2 * 1024)

/* A transaction ends after so many points; the places looked at are remembered. */
#define POINTS_AT_ONCE 2000000
#define PLACES_AT_ONCE TL_ATTEMPTS_AT_ONCE

static int
compare_seq(const void *a, const void *b)
{
	const TlBlockMeta *x = a;
	const TlBlockMeta *y = b;

	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return (x->max_ts > y->max_ts) - (x->max_ts < y->max_ts);
}

/* The first of the blocks to be merged, up to the newest; n if none are. */
static uint32
choose(const TlBlockMeta *blocks, uint32 n, bool settled, bool everything)
{
	uint64 points = 0;
	uint64 bytes = 0;
	uint32 first = n;

	while (first > 0)
	{
		const TlBlockMeta *next = &blocks[first - 1];
		uint64 part = settled ? SETTLED_PART : GROWING_PART;

		if (first < n && !everything && next->n / part > points)
			break;
		if (points + next->n > POINTS_MAX || bytes + next->length > BYTES_MAX)
			break;
		points += next->n;
		bytes += next->length;
		first--;
	}
	return n - first >= (settled || everything ? 2 : MERGE_BLOCKS) ? first : n;
}

/*
 * Levels above the first tell sizes, two for each digit from 100,000 points on: even, unless the
 * largest input's is, so that what is written again goes to the other partition.
 */
static int
level_of(const TlBlockMeta *blocks, uint32 n)
{
	const TlBlockMeta *largest = &blocks[0];
	uint64 points = 0;
	int level = TL_LEVEL_ROLLED + 1;

	for (uint32 i = 0; i < n; i++)
	{
		points += blocks[i].n;
		if (blocks[i].n > largest->n)
			largest = &blocks[i];
	}
	for (points /= 100000; points > 0 && level + 2 < TL_LEVEL_LAST; points /= 10)
		level += 2;
	return largest->level > TL_LEVEL_ROLLED && largest->level % 2 == 0 ? level + 1 : level;
}

static uint64
merge_blocks(const TlBlockMeta *blocks, uint32 n)
{
	TlFilter everything = {
		.from = DT_NOBEGIN, .to = DT_NOEND, .columns = TL_COLUMN_VALUE | TL_COLUMN_ATTRS};
	int buckets = tl_store_buckets();
	TlReadStats read = {0};
	TlMerge *merge = tl_merge_create(&everything, buckets, &read);
	TlBlockWriter *writer = tl_block_writer_create(tl_guc_compaction_level);
	TlRunBuilder *builder = tl_run_builder_create(writer);
	TlCompactStats stats = {0};
	TlRun run;

	for (uint32 i = 0; i < n; i++)
	{
		tl_compact_count_in(&stats, &blocks[i]);
		tl_merge_add(merge, tl_source_create(&blocks[i], &everything, buckets, &read),
					 blocks[i].bucket);
	}
	while (tl_merge_next(merge, &run))
	{
		CHECK_FOR_INTERRUPTS();
		tl_run_builder_add(builder, &run);
	}
	tl_run_builder_flush(builder);
	for (uint32 i = 0; i < n; i++)
		tl_store_delete(&blocks[i]);
	tl_compact_store(&stats, writer, blocks[0].bucket, level_of(blocks, n), blocks[n - 1].seq);
	tl_compact_record("compact", &stats);
	return (uint64) stats.points_in;
}

/* Merges what is due of blocks that follow each other; returns the points read. */
static uint64
merge_stretch(const TlBlockMeta *blocks, uint32 n, int64 settled_seq, bool everything)
{
	bool settled = blocks[n - 1].seq <= settled_seq;
	uint64 points = 0;

	while (n > 1)
	{
		uint32 first = choose(blocks, n, settled, everything);

		if (first < n)
			points += merge_blocks(blocks + first, n - first);
		/* What is left is merged only if everything is, below a block that is full. */
		n = !everything ? 0 : first < n ? first : n - 1;
	}
	return points;
}

typedef struct MergePlace
{
	const TlStorePlace *place;
	int64 settled_seq;
	bool everything;
	uint64 points; /* read */
} MergePlace;

/* Merges what is due in one bucket's day. */
static void
merge_place(void *arg)
{
	MergePlace *m = arg;
	const TlStorePlace *place = m->place;
	TlBarriers *barriers;
	TlBlockMeta *blocks;
	uint32 n;

	if (!tl_store_try_lock_bucket(place->bucket))
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	blocks = tl_store_list(&place->bucket, 1, place->day, place->day + TL_USECS_PER_DAY - 1,
						   TL_LEVELS_ROLLED, &n);
	barriers = tl_store_barriers(place->bucket, place->day, place->day);
	qsort(blocks, n, sizeof(TlBlockMeta), compare_seq);
	for (uint32 i = 0; i < n;)
	{
		uint32 start = i;

		while (i < n && !tl_barriers_between(barriers, &blocks[start], &blocks[i]))
			i++;
		m->points += merge_stretch(blocks + start, i - start, m->settled_seq, m->everything);
	}
	PopActiveSnapshot();
}

/*
 * One transaction's work, from where the last call stopped; false when the last place has been
 * looked at.
 */
static bool
compact(bool everything, bool restart)
{
	static TlStorePlace stopped_at[2];
	static bool stopped[2];
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry compact", ALLOCSET_DEFAULT_SIZES);
	int64 settled_seq;
	uint64 points = 0;
	TlStorePlace *places;
	uint32 n;

	tl_compact_check_isolation();
	if (restart)
		stopped[everything] = false;
	PushActiveSnapshot(GetTransactionSnapshot());
	settled_seq = tl_compact_settled_seq();
	places = tl_store_list_places(stopped[everything] ? &stopped_at[everything] : NULL, !everything,
								  PLACES_AT_ONCE, &n);
	PopActiveSnapshot();
	stopped[everything] = false;
	for (uint32 i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		MergePlace merge = {&places[i], settled_seq, everything, 0};

		/* What cannot be merged, since a block is damaged, stays as it is. */
		if (tl_attempt_or_warn(merge_place, &merge, "blocks cannot be merged"))
			points += merge.points;
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
		if (points >= POINTS_AT_ONCE || i == PLACES_AT_ONCE - 1)
		{
			stopped_at[everything] = places[i];
			stopped[everything] = true;
			break;
		}
	}
	MemoryContextDelete(context);
	return stopped[everything];
}

PG_FUNCTION_INFO_V1(telemetry_job_compact);
Datum
telemetry_job_compact(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compact(false, false));
}

PG_FUNCTION_INFO_V1(telemetry_compact_step);
Datum
telemetry_compact_step(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compact(true, PG_GETARG_BOOL(0)));
}
