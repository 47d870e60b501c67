/*
 * expire.c
 *		The part of job retention that drops points: rolled blocks without what has expired.
 *
 * A pass takes the buckets one by one and their days in order.  Where all of a block has expired,
 * its row goes; where some metrics are kept longer, the block is written again without the others,
 * under its own order number and level, as by telemetry.delete_points.  The pass, its days and how
 * far each bucket has come are in tables, see extension/sql/55_retention.sql, which also says what
 * must be in the ledger before the first block is touched.
 *
 * New blocks are none of its business: their expired points are left out when they are rolled up,
 * if the pass has been where they belong, and else found there by the pass, see late.h.  So that
 * rolling up knows, a pass begins under the mixed bucket's lock, which rolling up holds from before
 * it reads how far retention is to its end.
 *
 * Locks: that of each bucket, which merging and deletion take as well; a bucket that is taken stays
 * for a later call rather than be waited for.  telemetry.refresh and what is recomputed for late
 * points do not take it: they go by the ledger, which names all that the pass may drop, and have
 * read it under the mixed bucket's lock, that is, before the pass began or with its rows.
 */
#include "upkeep/expire.h"

#include "access/xact.h"
#include "base/guc.h"
#include "base/statement.h"
#include "block/run_builder.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "read/merge_day.h"
#include "rollup/retention.h"
#include "upkeep/attempt.h"
#include "upkeep/compact.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* A transaction ends after so many blocks, or so many points in them. */
#define BLOCKS_AT_ONCE 100
#define POINTS_AT_ONCE 2000000

static const TlFilter everything = {
	.from = DT_NOBEGIN, .to = DT_NOEND, .columns = TL_COLUMN_VALUE | TL_COLUMN_ATTRS};

typedef enum Fate
{
	FATE_STAY,
	FATE_REWRITE,
	FATE_GO
} Fate;

typedef struct Pass
{
	TlRetention *retention;
	int64 before; /* a day is looked at if it has points that were not to be dropped so long ago */
	int buckets;
	uint32 days; /* of a bucket, looked at by this transaction; their blocks and points */
	uint32 blocks;
	uint64 points;
	TlCompactStats stats;
} Pass;

static TlStatement list_todo = {
	"SELECT bucket, day FROM telemetry.retention_todo ORDER BY bucket", 0, {InvalidOid}, NULL};

static TlStatement put_off = {
	"UPDATE telemetry.retention_todo SET day = $2 WHERE bucket = $1", 2, {INT2OID, DATEOID}, NULL};

static TlStatement finish = {
	"DELETE FROM telemetry.retention_todo WHERE bucket = $1", 1, {INT2OID}, NULL};

int64
tl_expire_time_of_date(DateADT date)
{
	if (DATE_IS_NOBEGIN(date))
		return DT_NOBEGIN;
	return DATE_IS_NOEND(date) ? DT_NOEND : date * TL_USECS_PER_DAY;
}

TlExpireTodo *
tl_expire_read_todo(uint32 *n)
{
	MemoryContext caller = CurrentMemoryContext;
	TlStatementScope scope;
	TlExpireTodo *todo;

	tl_statement_begin(&scope);
	tl_statement_execute(&list_todo, NULL, NULL, true, 0);
	*n = (uint32) SPI_processed;
	todo = MemoryContextAlloc(caller, sizeof(TlExpireTodo) * Max(*n, 1));
	for (uint32 i = 0; i < *n; i++)
	{
		HeapTuple tuple = SPI_tuptable->vals[i];
		bool isnull;

		todo[i].bucket = DatumGetInt16(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &isnull));
		todo[i].day = tl_expire_time_of_date(
			DatumGetDateADT(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &isnull)));
	}
	tl_statement_end(&scope);
	return todo;
}

/* The pass goes on with a bucket from a day on, or is done with it. */
static void
write_todo(int bucket, bool done, int64 day)
{
	Datum values[2] = {Int16GetDatum((int16) bucket),
					   DateADTGetDatum((DateADT) (day / TL_USECS_PER_DAY))};
	TlStatementScope scope;

	tl_statement_begin(&scope);
	tl_statement_execute(done ? &finish : &put_off, values, NULL, false, 0);
	tl_statement_end(&scope);
}

/* Days expire as a whole, so the points of a run do. */
static inline bool
is_expired(const Pass *pass, TlSlice metric, int64 day)
{
	return day < tl_retention_expiry(pass->retention, metric);
}

/* Looks at a block's directory; with count, its expired points are counted. */
static Fate
look(Pass *pass, const TlBlockMeta *meta, int64 day, bool count)
{
	TlReadStats read = {0};
	TlSource *source = tl_source_create(meta, &everything, pass->buckets, &read);
	bool any_kept = false;
	bool any_expired = false;
	TlRun run;

	while (tl_source_next_undecoded(source, &run))
	{
		CHECK_FOR_INTERRUPTS();
		if (!is_expired(pass, run.key.metric, day))
			any_kept = true;
		else
		{
			any_expired = true;
			if (!count)
				continue;
			pass->stats.expired += run.n;
			tl_retention_count_dropped(pass->retention, run.key.metric, run.n);
		}
	}
	tl_source_free(source);
	pass->blocks++;
	pass->points += meta->n;
	if (!any_expired)
		return FATE_STAY;
	return any_kept ? FATE_REWRITE : FATE_GO;
}

/* Counts the expired points of several blocks, of which a point may be in more than one. */
static void
count_merged(Pass *pass, const TlBlockMeta *blocks, uint32 n, int64 day)
{
	TlReadStats read = {0};
	TlMerge *merge = tl_merge_create_counting(&everything, pass->buckets, &read);
	TlBlockMeta *copy = palloc(sizeof(TlBlockMeta) * n);
	TlRun run;

	memcpy(copy, blocks, sizeof(TlBlockMeta) * n);
	tl_merge_add_day(merge, &everything, pass->buckets, &read, copy, n);
	while (tl_merge_next(merge, &run))
	{
		CHECK_FOR_INTERRUPTS();
		if (!is_expired(pass, run.key.metric, day))
			continue;
		pass->stats.expired += run.n;
		tl_retention_count_dropped(pass->retention, run.key.metric, run.n);
	}
}

static void
rewrite(Pass *pass, const TlBlockMeta *meta, int64 day)
{
	TlReadStats read = {0};
	TlSource *source = tl_source_create(meta, &everything, pass->buckets, &read);
	TlBlockWriter *writer = tl_block_writer_create(tl_guc_compaction_level);
	TlRunBuilder *builder = tl_run_builder_create(writer);
	TlRun run;

	while (tl_source_next(source, false, &run))
	{
		CHECK_FOR_INTERRUPTS();
		if (!is_expired(pass, run.key.metric, day))
			tl_run_builder_add(builder, &run);
	}
	tl_run_builder_flush(builder);
	tl_source_free(source);
	tl_store_delete(meta);
	tl_compact_store(&pass->stats, writer, meta->bucket, meta->level, meta->seq);
}

typedef struct Day
{
	Pass *pass;
	const TlBlockMeta *blocks;
	uint32 n;
} Day;

/* The blocks of one bucket's day. */
static void
drop_from_day(void *arg)
{
	const Day *d = arg;
	Pass *pass = d->pass;
	const TlBlockMeta *blocks = d->blocks;
	uint32 n = d->n;
	int64 day = tl_day_of(blocks[0].max_ts);
	Fate *fates = palloc(sizeof(Fate) * n);
	bool any = false;

	for (uint32 i = 0; i < n; i++)
	{
		fates[i] = look(pass, &blocks[i], day, n == 1);
		any |= fates[i] != FATE_STAY;
	}
	if (!any)
		return;
	if (n > 1)
		count_merged(pass, blocks, n, day);
	for (uint32 i = 0; i < n; i++)
	{
		if (fates[i] == FATE_STAY)
			continue;
		tl_compact_count_in(&pass->stats, &blocks[i]);
		if (fates[i] == FATE_REWRITE)
			rewrite(pass, &blocks[i], day);
		else
			tl_store_delete(&blocks[i]);
	}
}

/* All points of a day have expired, whatever they are: its blocks need not be read. */
static void
drop_unread(Pass *pass, const TlBlockMeta *blocks, uint32 n)
{
	for (uint32 i = 0; i < n; i++)
	{
		tl_compact_count_in(&pass->stats, &blocks[i]);
		tl_store_delete(&blocks[i]);
		pass->stats.expired += blocks[i].n;
	}
}

/*
 * A day of which a block is damaged stays as it is, unless all of it has expired, and holds up no
 * other.
 */
static void
drop_or_warn(Pass *pass, const TlBlockMeta *blocks, uint32 n)
{
	Day day = {pass, blocks, n};
	TlCompactStats stats = pass->stats;
	uint64 *counts = tl_retention_copy_counts(pass->retention);

	if (tl_attempt_or_warn(drop_from_day, &day, "expired points cannot be dropped"))
		return;
	pass->stats = stats;
	tl_retention_restore_counts(pass->retention, counts);
	if (tl_day_of(blocks[0].max_ts) < tl_retention_earliest_expiry(pass->retention))
		drop_unread(pass, blocks, n);
}

/* Goes on with a bucket; false if the transaction has done enough. */
static bool
drop_from_bucket(Pass *pass, const TlExpireTodo *todo)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry retention", ALLOCSET_DEFAULT_SIZES);
	int64 end = tl_retention_latest_expiry(pass->retention);
	bool enough = false;
	TlBlockMeta *blocks;
	uint32 i = 0;
	uint32 n;

	/* A new snapshot: whoever had the lock has committed. */
	PushActiveSnapshot(GetTransactionSnapshot());
	blocks = tl_store_list(&todo->bucket, 1, todo->day, Max(end, DT_NOBEGIN + 1) - 1,
						   TL_LEVELS_ROLLED, &n);
	while (i < n && !enough)
	{
		uint32 start = i;
		MemoryContext old;

		while (i < n && tl_day_of(blocks[i].max_ts) == tl_day_of(blocks[start].max_ts))
			i++;
		if (!tl_retention_is_due(pass->retention, tl_day_of(blocks[start].max_ts), pass->before))
			continue;
		old = MemoryContextSwitchTo(context);
		drop_or_warn(pass, blocks + start, i - start);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
		enough = ++pass->days >= TL_ATTEMPTS_AT_ONCE || pass->blocks >= BLOCKS_AT_ONCE ||
				 pass->points >= POINTS_AT_ONCE;
	}
	write_todo(todo->bucket, i == n, i < n ? tl_day_of(blocks[i].max_ts) : 0);
	PopActiveSnapshot();
	MemoryContextDelete(context);
	return !enough;
}

static bool
drop_expired(int64 as_of, int64 since)
{
	Pass pass = {.before = since == DT_NOBEGIN ? PG_INT64_MAX : as_of - since};
	bool enough = false;
	TlExpireTodo *todo;
	uint32 n;

	tl_compact_check_isolation();
	pass.buckets = tl_store_buckets();
	PushActiveSnapshot(GetTransactionSnapshot());
	pass.retention = tl_retention_load_as_of(as_of);
	todo = tl_expire_read_todo(&n);
	for (uint32 i = 0; i < n && !enough; i++)
		if (tl_store_try_lock_bucket(todo[i].bucket))
			enough = !drop_from_bucket(&pass, &todo[i]);
	tl_retention_write_counts(pass.retention);
	tl_compact_record("retention", &pass.stats);
	PopActiveSnapshot();
	return enough;
}

PG_FUNCTION_INFO_V1(telemetry_drop_expired_points);
Datum
telemetry_drop_expired_points(PG_FUNCTION_ARGS)
{
	int64 as_of = tl_expire_time_of_date(PG_GETARG_DATEADT(0));
	int64 since = tl_expire_time_of_date(PG_GETARG_DATEADT(1));

	if (TIMESTAMP_NOT_FINITE(as_of) || since > as_of)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("there is no time between the days of retention")));
	PG_RETURN_BOOL(drop_expired(as_of, since));
}

PG_FUNCTION_INFO_V1(telemetry_try_lock_rollups);
Datum
telemetry_try_lock_rollups(PG_FUNCTION_ARGS)
{
	tl_compact_check_isolation();
	PG_RETURN_BOOL(tl_compact_lock_rollups());
}
