/*
 * compact_roll_up.c
 *		The job roll_up: new blocks become blocks of level 1, and their points count.
 *
 * One call is one transaction over about a million points.  See compact.h for order and locks.
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
#include "upkeep/late.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* So many points are taken at once: some hundred milliseconds' work. */
#define POINTS_AT_ONCE 1000000

typedef struct RollUp
{
	int buckets;
	int64 seq; /* of the blocks written */
	const TlLate *late;
	TlRollupUpdate *update;
	TlBlockWriter *writer;
	TlRunBuilder *builder;
	TlCompactStats stats;
} RollUp;

static TlStatement note_done = {"UPDATE telemetry.compaction_state SET rolled_up_until = $1"
								" WHERE rolled_up_until <"
								"  ($1 - make_interval(secs => 1))",
								1,
								{TIMESTAMPTZOID},
								NULL};

/* Everything that was committed before this time counts in the rollups. */
static void
note_rolled_up_until(int64 time)
{
	TlStatementScope scope;
	Datum values[1] = {TimestampTzGetDatum(time)};

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

static void
finish_bucket(RollUp *r, int bucket)
{
	if (bucket == TL_BUCKET_MIXED)
		return;
	tl_run_builder_flush(r->builder);
	tl_compact_store(&r->stats, r->writer, bucket, TL_LEVEL_ROLLED, r->seq);
	if (tl_rollup_update_is_full(r->update))
		tl_rollup_update_apply(r->update);
}

static void
roll_up_day(RollUp *r, TlBlockMeta *blocks, uint32 n)
{
	TlFilter everything = {
		.from = DT_NOBEGIN, .to = DT_NOEND, .columns = TL_COLUMN_VALUE | TL_COLUMN_ATTRS};
	TlReadStats stats = {0};
	TlMerge *merge = tl_merge_create_day(&everything, r->buckets, &stats, blocks, n);
	int current = TL_BUCKET_MIXED;
	TlRun run;

	while (tl_merge_next(merge, &run))
	{
		int bucket = tl_bucket_of(run.key.device, r->buckets);

		CHECK_FOR_INTERRUPTS();
		if (drop_expired(r, &run, bucket))
			continue;
		if (bucket != current)
		{
			finish_bucket(r, current);
			current = bucket;
		}
		tl_run_builder_add(r->builder, &run);
		tl_rollup_update_add(r->update, &run);
	}
	finish_bucket(r, current);
	tl_rollup_update_apply(r->update);
}

static int64
first_day(const TlBlockMeta *blocks, uint32 n)
{
	int64 first = tl_day_of(blocks[0].max_ts);

	for (uint32 i = 1; i < n; i++)
		first = Min(first, tl_day_of(blocks[i].max_ts));
	return first;
}

static void
roll_up_blocks(TlBlockMeta *blocks, uint32 n, const TlLate *late)
{
	MemoryContext day_context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry roll up", ALLOCSET_DEFAULT_SIZES);
	RollUp r = {.buckets = tl_store_buckets(), .late = late};

	r.writer = tl_block_writer_create(tl_guc_compression_level);
	r.builder = tl_run_builder_create(r.writer);
	r.update = tl_rollup_update_begin(tl_zone_load(), r.buckets, tl_retention_load());
	for (uint32 i = 0; i < n; i++)
	{
		r.seq = Max(r.seq, blocks[i].seq);
		tl_compact_count_in(&r.stats, &blocks[i]);
	}
	for (uint32 i = 0; i < n;)
	{
		uint32 start = i;
		MemoryContext old = MemoryContextSwitchTo(day_context);

		while (i < n && tl_day_of(blocks[i].max_ts) == tl_day_of(blocks[start].max_ts))
			i++;
		roll_up_day(&r, blocks + start, i - start);
		MemoryContextSwitchTo(old);
		MemoryContextReset(day_context);
	}
	tl_rollup_update_end(r.update);
	tl_store_delete_new(r.seq, n);
	tl_compact_record("roll_up", &r.stats);
}

static bool
roll_up(void)
{
	int64 now = GetCurrentTimestamp();
	TlBlockMeta *blocks;
	TlLate *late;
	int64 horizon;
	uint32 n;
	bool open;
	bool more;

	tl_compact_check_isolation();
	if (!tl_store_try_lock_bucket(TL_BUCKET_MIXED))
		return false;
	PushActiveSnapshot(GetTransactionSnapshot());
	horizon = tl_store_horizon(&open);
	PopActiveSnapshot();

	/* A new snapshot: it sees all that is committed up to the horizon. */
	PushActiveSnapshot(GetTransactionSnapshot());
	blocks = tl_store_list_new(horizon, POINTS_AT_ONCE, &n, &more);
	late = n > 0 ? tl_late_load(first_day(blocks, n), tl_store_buckets()) : NULL;
	if (n > 0 && late == NULL)
	{
		PopActiveSnapshot();
		return false;
	}
	if (n > 0)
		roll_up_blocks(blocks, n, late);
	if (!more && !open)
		note_rolled_up_until(now);
	PopActiveSnapshot();
	return more;
}

PG_FUNCTION_INFO_V1(telemetry_job_roll_up);
Datum
telemetry_job_roll_up(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(roll_up());
}
