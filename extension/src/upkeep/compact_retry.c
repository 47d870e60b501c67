/*
 * compact_retry.c
 *		Another attempt at blocks that were set aside.  See compact_retry.h.
 *
 * What is newer than such a block may have been rolled up since (see store_aside.c).  Its points go
 * to blocks of level 1 under its own number, where they give way to newer ones.  The rollups then
 * must not count what the block has, but what is valid of it: so they are given what all rolled
 * blocks have of its series between its first and its last point.  That counts nothing twice, since
 * an hour with points that are no later than those it has is computed anew.
 */
#include "upkeep/compact_retry.h"

#include "access/xact.h"
#include "base/guc.h"
#include "base/slice_text.h"
#include "block/run_builder.h"
#include "read/merge_day.h"
#include "rollup/rollup_update.h"
#include "upkeep/attempt.h"
#include "upkeep/compact.h"
#include "upkeep/late.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Series of a block, in its order: by bucket, then by key. */
typedef struct KeyList
{
	TlKey *keys;
	uint32 n;
	uint32 cap;
} KeyList;

typedef struct Retry
{
	const TlBlockMeta *meta;
	const TlLate *late;
	int buckets;
	TlCompactStats stats;
	KeyList series;
} Retry;

static void
note_key(KeyList *list, const TlKey *key)
{
	if (list->n > 0 && tl_key_equal(&list->keys[list->n - 1], key))
		return;
	if (list->n == list->cap)
	{
		list->cap = list->cap == 0 ? 64 : list->cap * 2;
		list->keys = list->keys == NULL
						 ? palloc(sizeof(TlKey) * list->cap)
						 : repalloc_huge(list->keys, sizeof(TlKey) * (Size) list->cap);
	}
	list->keys[list->n++] = (TlKey){tl_slice_copy(CurrentMemoryContext, key->device),
									tl_slice_copy(CurrentMemoryContext, key->metric)};
}

/* Writes the block's points to one of each bucket, but for those that retention has no use for. */
static void
divide(Retry *r, int level)
{
	TlFilter everything = {
		.from = DT_NOBEGIN, .to = DT_NOEND, .columns = TL_COLUMN_VALUE | TL_COLUMN_ATTRS};
	int64 day = tl_day_of(r->meta->max_ts);
	TlReadStats read = {0};
	TlSource *source = tl_source_create(r->meta, &everything, r->buckets, &read);
	TlBlockWriter *writer = tl_block_writer_create(tl_guc_compression_level);
	TlRunBuilder *builder = tl_run_builder_create(writer);
	int current = r->meta->bucket;
	TlRun run;

	tl_compact_count_in(&r->stats, r->meta);
	tl_store_delete(r->meta);
	while (tl_source_next(source, false, &run))
	{
		int bucket = tl_bucket_of(run.key.device, r->buckets);

		CHECK_FOR_INTERRUPTS();
		if (r->late != NULL && tl_late_is_dropped(r->late, bucket, run.key.metric, day))
		{
			r->stats.expired += run.n;
			continue;
		}
		if (bucket != current)
		{
			tl_run_builder_flush(builder);
			tl_compact_store(&r->stats, writer, current, level, r->meta->seq);
			current = bucket;
		}
		tl_run_builder_add(builder, &run);
		note_key(&r->series, &run.key);
	}
	tl_run_builder_flush(builder);
	tl_compact_store(&r->stats, writer, current, level, r->meta->seq);
	tl_source_free(source);
}

/* By bucket, then by key. */
static int
compare_places(int buckets, const TlKey *a, const TlKey *b)
{
	int x = tl_bucket_of(a->device, buckets);
	int y = tl_bucket_of(b->device, buckets);

	return x != y ? (x < y ? -1 : 1) : tl_key_compare(a, b);
}

/* The buckets that series lie in, ascending. */
static int *
buckets_of(const KeyList *series, int buckets, int *n)
{
	int *list = palloc(sizeof(int) * (Size) buckets);

	*n = 0;
	for (uint32 i = 0; i < series->n; i++)
	{
		int bucket = tl_bucket_of(series->keys[i].device, buckets);

		if (*n == 0 || list[*n - 1] != bucket)
			list[(*n)++] = bucket;
	}
	return list;
}

/* Has the rollups count what rolled blocks have of the block's series in its time. */
static void
count(const Retry *r)
{
	TlFilter filter = {.from = r->meta->min_ts,
					   .to = r->meta->max_ts,
					   .columns = TL_COLUMN_VALUE,
					   .levels = TL_LEVELS_ROLLED};
	TlRollupUpdate *update =
		tl_rollup_update_begin(tl_zone_load(), r->buckets, tl_retention_load());
	TlReadStats read = {0};
	int current = TL_BUCKET_MIXED;
	uint32 next = 0;
	TlBlockMeta *blocks;
	TlMerge *merge;
	int *buckets;
	int n_buckets;
	uint32 n;
	TlRun run;

	/* To see what has just been written. */
	CommandCounterIncrement();
	PushCopiedSnapshot(GetActiveSnapshot());
	UpdateActiveSnapshotCommandId();
	buckets = buckets_of(&r->series, r->buckets, &n_buckets);
	blocks = tl_store_list(buckets, n_buckets, filter.from, filter.to, TL_LEVELS_ROLLED, &n);
	merge = tl_merge_create_day(&filter, r->buckets, &read, blocks, n);
	while (tl_merge_next(merge, &run))
	{
		int bucket = tl_bucket_of(run.key.device, r->buckets);

		CHECK_FOR_INTERRUPTS();
		while (next < r->series.n &&
			   compare_places(r->buckets, &r->series.keys[next], &run.key) < 0)
			next++;
		if (next == r->series.n || !tl_key_equal(&r->series.keys[next], &run.key))
			continue;
		if (bucket != current && tl_rollup_update_is_full(update))
			tl_rollup_update_apply(update);
		current = bucket;
		tl_rollup_update_add(update, &run);
	}
	tl_rollup_update_end(update);
	PopActiveSnapshot();
}

/* Of a day that has expired as a whole, a block need not be read. */
static void
roll_up_again(void *arg)
{
	Retry *r = arg;

	if (tl_late_is_day_dropped(r->late, tl_day_of(r->meta->max_ts)))
	{
		tl_compact_count_in(&r->stats, r->meta);
		tl_store_delete(r->meta);
		r->stats.expired += r->meta->n;
	}
	else
	{
		divide(r, TL_LEVEL_ROLLED);
		count(r);
	}
	tl_store_aside_forget(r->meta);
	tl_compact_record("roll_up", &r->stats);
}

void
tl_compact_split(const TlBlockMeta *meta)
{
	Retry r = {.meta = meta, .buckets = tl_store_buckets()};

	divide(&r, TL_LEVEL_NEW);
	tl_compact_record("roll_up", &r.stats);
}

bool
tl_compact_retry(void)
{
	ErrorData *error;
	TlBlockMeta meta;
	Retry r = {.meta = &meta};
	bool more;

	if (!tl_store_aside_due(&meta, &more))
		return false;
	r.buckets = tl_store_buckets();
	r.late = tl_late_load(tl_day_of(meta.max_ts), r.buckets);
	/* Retention is at work there. */
	if (r.late == NULL)
		return false;
	error = tl_attempt(roll_up_again, &r);
	if (error != NULL)
		tl_store_set_aside(&meta, error);
	return more;
}
