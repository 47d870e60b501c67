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
	const TlRetention *retention;
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

/* Takes off the points that retention would drop at once; false if nothing is left. */
static bool
drop_expired(RollUp *r, TlRun *run)
{
	int64 expiry;
	uint32 n = 0;

	if (likely(run->ts[0] >= tl_retention_latest_expiry(r->retention)))
		return true;
	expiry = tl_retention_expiry(r->retention, run->key.metric);
	while (n < run->n && run->ts[n] < expiry)
		n++;
	r->stats.expired += n;
	*run = tl_run_part(run, n, run->n - n);
	return run->n > 0;
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
		if (!drop_expired(r, &run))
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

static void
roll_up_blocks(TlBlockMeta *blocks, uint32 n)
{
	MemoryContext day_context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry roll up", ALLOCSET_DEFAULT_SIZES);
	RollUp r = {.buckets = tl_store_buckets(), .retention = tl_retention_load()};

	r.writer = tl_block_writer_create(tl_guc_compression_level);
	r.builder = tl_run_builder_create(r.writer);
	r.update = tl_rollup_update_begin(tl_zone_load(), r.buckets, r.retention);
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
	if (n > 0)
		roll_up_blocks(blocks, n);
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
