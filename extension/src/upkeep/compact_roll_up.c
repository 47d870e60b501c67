/*
 * compact_roll_up.c
 *		The job roll_up: new blocks become blocks of level 1, and their points count.
 *
 * One call is one transaction, a step, of about a second's work: it ends when it has read so many
 * points, bytes and blocks, or has changed so many rows of rollups, whichever comes first.  Days
 * that are being written to come before all others, so that a backfill of old days delays nobody.
 *
 * Within a day, a bucket's new blocks must be taken in the order of their numbers.  A mixed block
 * holds points of any bucket, so that it can only be taken with all that are older.  Usually that
 * is done: a step takes the oldest blocks of a day, whatever they are, and merges them bucket by
 * bucket.  Where a fleet is so wide that the rows of its rollups are the work, a step that has
 * changed enough of them splits what is left: the points of each other bucket become a new block of
 * that bucket.  Those, and what ingest has stored by bucket in the first place, are then taken a
 * bucket at a time with all that it has, which writes its rows once for as many points as there are;
 * mixed blocks between them are split before.
 *
 * A block that cannot be rolled up (it is damaged, or a rolled one that it has late points of is) must
 * not hold up the others.  So a step is a subtransaction; if it fails for a reason that lies in the
 * data, it is tried again with one half of the blocks and then the other, down to the single block,
 * which is set aside (store/store_aside.c) and tried again later (compact_retry.c).
 *
 * See compact.h for order and locks.
 */
#include "upkeep/compact.h"

#include "base/guc.h"
#include "base/statement.h"
#include "block/run_builder.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "read/merge_day.h"
#include "rollup/rollup_update.h"
#include "upkeep/attempt.h"
#include "upkeep/compact_retry.h"
#include "upkeep/late.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* A step's work. */
#define POINTS_A_STEP 1000000
#define BYTES_A_STEP (64 * 1024 * 1024)
#define BLOCKS_A_STEP 8192
#define ROWS_A_STEP ((uint64) tl_guc_roll_up_rows)
#define ATTEMPTS_A_STEP 64

/*
 * A day's oldest blocks, if they are of single buckets, are taken bucket by bucket if they have so
 * many points for each row that a step may change.  Of a narrow fleet, more do no harm.
 */
#define POINTS_A_ROW 5

/* A block grows no larger, where its bucket's points come from several flushes. */
#define BLOCK_BYTES_MAX ((size_t) tl_guc_block_size * 1024)

/* Days that points of so long ago lie in are being written to. */
#define FRESH_FOR USECS_PER_HOUR

typedef struct RollUp
{
	int buckets;
	const TlLate *late;
	MemoryContext context; /* of one merge */
	TlRollupUpdate *update;
	TlBlockWriter *writer;
	TlRunBuilder *builder;
	TlCompactStats stats;
	bool split; /* something was put back as new blocks */

	/* Of what is being merged. */
	const TlBlockMeta *blocks; /* in the order of their numbers */
	uint32 n_blocks;
	uint32 n_numbered; /* of these numbers, the newest were given to the bucket's blocks */
} RollUp;

static TlStatement note_done = {"UPDATE telemetry.compaction_state SET live_rolled_up_until = $1,"
								" rolled_up_until = CASE WHEN $2 THEN $1 ELSE rolled_up_until END"
								" WHERE CASE WHEN $2 THEN rolled_up_until"
								"  ELSE live_rolled_up_until END < $1 - make_interval(secs => 1)",
								2,
								{TIMESTAMPTZOID, BOOLOID},
								NULL};

/* Everything that was committed before this time counts in the rollups, or all of the fresh days. */
static void
note_rolled_up_until(int64 time, bool everything)
{
	TlStatementScope scope;
	Datum values[2] = {TimestampTzGetDatum(time), BoolGetDatum(everything)};

	tl_statement_begin(&scope);
	tl_statement_execute(&note_done, values, NULL, false, 0);
	tl_statement_end(&scope);
}

/* Whether a run, which is of one day, has expired and is dropped. */
static bool
drop_expired(RollUp *r, const TlRun *run, int bucket)
{
	if (!tl_late_is_dropped(r->late, bucket, run->key.metric, tl_day_of(run->ts[0])))
		return false;
	r->stats.expired += run->n;
	return true;
}

/* By bucket, mixed blocks first, and of a bucket by number. */
static int
compare_bucket(const void *a, const void *b)
{
	const TlBlockMeta *x = a;
	const TlBlockMeta *y = b;

	if (x->bucket != y->bucket)
		return x->bucket < y->bucket ? -1 : 1;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

static bool
is_enough(const RollUp *r)
{
	return r->stats.points_in >= POINTS_A_STEP || r->stats.bytes_in >= BYTES_A_STEP ||
		   r->stats.blocks_in >= BLOCKS_A_STEP || r->stats.blocks_out >= BLOCKS_A_STEP ||
		   tl_rollup_update_rows(r->update) >= ROWS_A_STEP;
}

/*
 * The number of the next block of a bucket.  All its blocks of one merge have numbers of what was
 * merged, each another one: they have no key in common, so it does not matter which.
 */
static int64
next_number(RollUp *r)
{
	uint32 i = r->n_blocks;

	for (uint32 skip = r->n_numbered++; skip > 0 && i > 0; skip--)
	{
		int64 seq = r->blocks[i - 1].seq;

		while (i > 0 && r->blocks[i - 1].seq == seq)
			i--;
	}
	if (i == 0)
		elog(ERROR, "more blocks than flushes that they are of");
	return r->blocks[i - 1].seq;
}

/* Whether there is a number for the block, and one left for another. */
static bool
may_cut(const RollUp *r)
{
	uint32 numbers = 1;

	for (uint32 i = 1; i < r->n_blocks && numbers <= r->n_numbered + 1; i++)
		numbers += r->blocks[i].seq != r->blocks[i - 1].seq;
	return numbers > r->n_numbered + 1;
}

static void
store_block(RollUp *r, int bucket, int level)
{
	tl_run_builder_flush(r->builder);
	if (!tl_block_writer_empty(r->writer))
		tl_compact_store(&r->stats, r->writer, bucket, level, next_number(r));
}

static void
finish_bucket(RollUp *r, int bucket, int level)
{
	if (bucket == TL_BUCKET_MIXED)
		return;
	store_block(r, bucket, level);
	r->n_numbered = 0;
	if (tl_rollup_update_is_full(r->update))
		tl_rollup_update_apply(r->update);
}

/*
 * Takes blocks of one day, in the order of their numbers: their points become blocks of a level,
 * or new ones again from where a step has changed enough rows.  They go first, so that what is
 * written may have their keys.
 */
static void
take(RollUp *r, TlBlockMeta *blocks, uint32 n, int level)
{
	TlFilter everything = {
		.from = DT_NOBEGIN, .to = DT_NOEND, .columns = TL_COLUMN_VALUE | TL_COLUMN_ATTRS};
	MemoryContext old = MemoryContextSwitchTo(r->context);
	TlBlockMeta *sorted = palloc(sizeof(TlBlockMeta) * n);
	TlReadStats stats = {0};
	int current = TL_BUCKET_MIXED;
	TlMerge *merge;
	TlRun run;

	r->blocks = blocks;
	r->n_blocks = n;
	r->n_numbered = 0;
	for (uint32 i = 0; i < n; i++)
	{
		tl_compact_count_in(&r->stats, &blocks[i]);
		tl_store_delete(&blocks[i]);
	}
	memcpy(sorted, blocks, sizeof(TlBlockMeta) * n);
	qsort(sorted, n, sizeof(TlBlockMeta), compare_bucket);
	merge = tl_merge_create_day(&everything, r->buckets, &stats, sorted, n);
	while (tl_merge_next(merge, &run))
	{
		int bucket = tl_bucket_of(run.key.device, r->buckets);

		CHECK_FOR_INTERRUPTS();
		if (drop_expired(r, &run, bucket))
			continue;
		if (bucket != current)
		{
			finish_bucket(r, current, level);
			current = bucket;
			if (tl_rollup_update_rows(r->update) >= ROWS_A_STEP)
				level = TL_LEVEL_NEW;
			r->split |= level == TL_LEVEL_NEW;
		}
		else if (tl_block_writer_size(r->writer) >= BLOCK_BYTES_MAX && may_cut(r))
			store_block(r, current, level);
		tl_run_builder_add(r->builder, &run);
		if (level == TL_LEVEL_ROLLED)
			tl_rollup_update_add(r->update, &run);
	}
	finish_bucket(r, current, level);
	MemoryContextSwitchTo(old);
	MemoryContextReset(r->context);
}

/* So many of a day's blocks, from the oldest on, as there is work for; all of a flush. */
static uint32
enough_of(const RollUp *r, const TlBlockMeta *blocks, uint32 n)
{
	int64 points = r->stats.points_in;
	int64 bytes = r->stats.bytes_in;
	uint32 i = 0;

	while (i < n && (i == 0 || blocks[i].seq == blocks[i - 1].seq ||
					 (points < POINTS_A_STEP && bytes < BYTES_A_STEP)))
	{
		points += blocks[i].n;
		bytes += blocks[i].length;
		i++;
	}
	return i;
}

/* Takes blocks of single buckets, sorted by these: each bucket's by themselves; how many. */
static uint32
take_by_bucket(RollUp *r, TlBlockMeta *blocks, uint32 n)
{
	uint32 taken = 0;

	qsort(blocks, n, sizeof(TlBlockMeta), compare_bucket);
	for (uint32 i = 0; i < n && !is_enough(r);)
	{
		uint32 end = i;
		uint32 some;

		while (end < n && blocks[end].bucket == blocks[i].bucket)
			end++;
		some = enough_of(r, blocks + i, end - i);
		take(r, blocks + i, some, TL_LEVEL_ROLLED);
		taken += some;
		i = end;
	}
	return taken;
}

/* Splits a day's mixed blocks, those that nothing else lies between at once; how many. */
static uint32
split_mixed(RollUp *r, TlBlockMeta *blocks, uint32 n)
{
	uint32 taken = 0;

	for (uint32 i = 0; i < n && !is_enough(r);)
	{
		uint32 end = i;
		uint32 some;

		while (end < n && blocks[end].bucket == TL_BUCKET_MIXED)
			end++;
		some = enough_of(r, blocks + i, end - i);
		if (some > 0)
			take(r, blocks + i, some, TL_LEVEL_NEW);
		taken += some;
		i = Max(end, i + 1);
	}
	return taken;
}

/* Takes a day's blocks, or as many as there is work for; how many. */
static uint32
roll_up_day(RollUp *r, TlBlockMeta *blocks, uint32 n)
{
	uint64 points = 0;
	uint32 end = n; /* of those that are of single buckets, the last */
	uint32 n_mixed = 0;
	uint32 taken;

	while (end > 0 && blocks[end - 1].bucket == TL_BUCKET_MIXED)
		end--;
	for (uint32 i = 0; i < end; i++)
		if (blocks[i].bucket == TL_BUCKET_MIXED)
			n_mixed++;
		else
			points += blocks[i].n;
	if (points >= POINTS_A_ROW * ROWS_A_STEP)
		return n_mixed > 0 ? split_mixed(r, blocks, end) : take_by_bucket(r, blocks, end);
	taken = enough_of(r, blocks, n);
	take(r, blocks, taken, TL_LEVEL_ROLLED);
	return taken;
}

/* A step, of one or several attempts. */
typedef struct Step
{
	const TlLate *late;
	const TlBarriers *barriers;
	int64 fresh; /* days from this one on are being written to */
	int64 points;
	uint32 attempts;
	uint32 fresh_taken; /* blocks of such days that were rolled up or set aside */
	bool fresh_split;	/* some of their points are in new blocks again */
} Step;

/* An attempt at some blocks, in order, or as many of them as there is work for. */
typedef struct Attempt
{
	const Step *step;
	const TlBlockMeta *blocks;
	uint32 n;

	/* What became of it. */
	int64 points;
	uint32 taken;
	uint32 fresh_taken;
	bool split; /* some points are in new blocks again */
	bool fresh_split;
} Attempt;

static void
roll_up_blocks(void *arg)
{
	Attempt *a = arg;
	const TlBarriers *barriers = a->step->barriers;
	RollUp r = {.buckets = tl_store_buckets(), .late = a->step->late};
	/* Their order changes, and another attempt may follow. */
	TlBlockMeta *blocks = palloc(sizeof(TlBlockMeta) * a->n);

	memcpy(blocks, a->blocks, sizeof(TlBlockMeta) * a->n);
	r.context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry roll up", ALLOCSET_DEFAULT_SIZES);
	r.writer = tl_block_writer_create(tl_guc_compression_level);
	r.builder = tl_run_builder_create(r.writer);
	r.update = tl_rollup_update_begin(tl_zone_load(), r.buckets, tl_retention_load());
	for (uint32 i = 0; i < a->n && !is_enough(&r);)
	{
		uint32 start = i;
		int64 day = tl_day_of(a->blocks[start].max_ts);
		uint32 taken;

		while (i < a->n && tl_day_of(a->blocks[i].max_ts) == day &&
			   !tl_barriers_between(barriers, &a->blocks[start], &a->blocks[i]))
			i++;
		/* One update takes several merges only of different days. */
		if (start > 0 && tl_day_of(a->blocks[start - 1].max_ts) == day)
			tl_rollup_update_apply(r.update);
		taken = roll_up_day(&r, blocks + start, i - start);
		a->taken += taken;
		if (day >= a->step->fresh)
		{
			a->fresh_taken += taken;
			a->fresh_split = r.split;
		}
		/* What comes next of the day must not be taken before the rest of this. */
		if ((taken < i - start || r.split) && i < a->n && tl_day_of(a->blocks[i].max_ts) == day)
			break;
	}
	tl_rollup_update_end(r.update);
	tl_compact_record("roll_up", &r.stats);
	a->points = r.stats.points_in;
	a->split = r.split;
}

static void
split_block(void *arg)
{
	tl_compact_split(arg);
}

/*
 * One block cannot be rolled up.  If it is mixed, that may be due to one of the buckets: it is divided
 * among them, and those follow, each by itself: false.  Else it is set aside, and holds up no other.
 */
static bool
roll_up_without(const TlBlockMeta *block, ErrorData *error)
{
	TlBlockMeta copy = *block;

	if (block->bucket == TL_BUCKET_MIXED && tl_attempt(split_block, &copy) == NULL)
		return false;
	tl_store_set_aside(block, error);
	ereport(WARNING, (errcode(error->sqlerrcode),
					  errmsg("a block of %u points cannot be rolled up and is set aside: %s",
							 block->n, error->message),
					  error->detail != NULL ? errdetail_internal("%s", error->detail) : 0,
					  errhint("View telemetry.set_aside lists such blocks.")));
	return true;
}

/* Where to cut a list in two: between two flushes, if there are several, and not far from the middle. */
static uint32
middle_of(const TlBlockMeta *blocks, uint32 n)
{
	for (uint32 away = 0; away < n / 2 + 1; away++)
		for (int side = -1; side <= 1; side += 2)
		{
			int64 i = (int64) (n / 2) + side * (int64) away;

			if (i > 0 && i < n &&
				(blocks[i].seq != blocks[i - 1].seq ||
				 tl_day_of(blocks[i].max_ts) != tl_day_of(blocks[i - 1].max_ts)))
				return (uint32) i;
		}
	return n / 2;
}

/*
 * Rolls up blocks in their order; false if it is enough for a step, or more has come of it.  If they
 * cannot be, the first half is by itself, and then the second, down to the blocks that are to blame.
 * What is rolled up stays so.
 */
static bool
roll_up_list(Step *step, const TlBlockMeta *blocks, uint32 n)
{
	Attempt attempt = {.step = step, .blocks = blocks, .n = n};
	ErrorData *error;
	uint32 middle;

	if (step->attempts++ >= ATTEMPTS_A_STEP)
		return false;
	error = tl_attempt(roll_up_blocks, &attempt);
	if (error == NULL)
	{
		step->points += attempt.points;
		step->fresh_taken += attempt.fresh_taken;
		step->fresh_split |= attempt.fresh_split;
		return attempt.taken == n && !attempt.split && step->points < POINTS_A_STEP;
	}
	if (n == 1)
	{
		bool is_set_aside = roll_up_without(&blocks[0], error);

		step->fresh_taken += is_set_aside && tl_day_of(blocks[0].max_ts) >= step->fresh;
		return is_set_aside;
	}
	middle = middle_of(blocks, n);
	return roll_up_list(step, blocks, middle) && roll_up_list(step, blocks + middle, n - middle);
}

static uint32
count_fresh(const TlBlockMeta *blocks, uint32 n, int64 fresh)
{
	uint32 count = 0;

	while (count < n && tl_day_of(blocks[count].max_ts) >= fresh)
		count++;
	return count;
}

/* The first and the last of the days that blocks lie in. */
static void
days_of(const TlBlockMeta *blocks, uint32 n, int64 *first, int64 *last)
{
	*first = *last = tl_day_of(blocks[0].max_ts);
	for (uint32 i = 1; i < n; i++)
	{
		*first = Min(*first, tl_day_of(blocks[i].max_ts));
		*last = Max(*last, tl_day_of(blocks[i].max_ts));
	}
}

static bool
roll_up(void)
{
	int64 now = GetCurrentTimestamp();
	Step step = {.fresh = tl_day_of(now - FRESH_FOR)};
	TlBlockMeta *blocks;
	int64 horizon;
	uint32 n;
	uint32 n_fresh;
	bool fresh_left;
	bool open;
	bool more;

	tl_compact_check_isolation();
	if (!tl_compact_lock_rollups())
		return false;
	PushActiveSnapshot(GetTransactionSnapshot());
	horizon = tl_store_horizon(&open);
	PopActiveSnapshot();

	/* A new snapshot: it sees all that is committed up to the horizon. */
	PushActiveSnapshot(GetTransactionSnapshot());
	blocks = tl_store_list_new(horizon, step.fresh, &n, &more);
	n_fresh = count_fresh(blocks, n, step.fresh);
	/* Those of other days come after all of these. */
	fresh_left = more && n_fresh == n;
	if (n > 0)
	{
		int64 first;
		int64 last;

		days_of(blocks, n, &first, &last);
		step.late = tl_late_load(first, tl_store_buckets());
		if (step.late == NULL)
		{
			PopActiveSnapshot();
			return false;
		}
		step.barriers = tl_store_barriers(TL_BUCKET_MIXED, first, last);
		more |= !roll_up_list(&step, blocks, n);
	}
	fresh_left |= step.fresh_taken < n_fresh || step.fresh_split;
	if (!fresh_left && !open)
		note_rolled_up_until(now, !more);
	if (!more)
		more = tl_compact_retry();
	PopActiveSnapshot();
	return more;
}

PG_FUNCTION_INFO_V1(telemetry_job_roll_up);
Datum
telemetry_job_roll_up(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(roll_up());
}
