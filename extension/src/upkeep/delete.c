/*
 * delete.c
 *		telemetry.delete_points: blocks without the points of one device's range.
 *
 * A block never changes, so each block that holds such points is replaced by one without them,
 * under the same order number: what has its place among newer and older points keeps it.
 * Replacers of a bucket's blocks exclude each other; ingest goes on meanwhile, and what it has
 * not committed yet is not seen and stays.  Mixed blocks are a bucket of their own, whose lock
 * also keeps everyone else from the rollups, which are computed again in the same transaction.
 */
#include "base/compat.h"

#include "base/slice_text.h"
#include "base/statement.h"
#include "block/run_builder.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "read/scan.h"
#include "rollup/refresh.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

static bool
is_deleted(const TlFilter *doomed, const TlKey *key, int64 ts)
{
	return ts >= doomed->from && ts <= doomed->to &&
		   (doomed->n_metrics == 0 || tl_slice_equal(doomed->metrics[0], key->metric)) &&
		   tl_slice_equal(doomed->devices[0], key->device);
}

/* Gives the builder what is left of a run; counts nothing, for points may be in several blocks. */
static bool
keep_rest(TlRunBuilder *builder, const TlRun *run, const TlFilter *doomed)
{
	bool changed = false;

	for (uint32 i = 0; i < run->n;)
	{
		bool gone = is_deleted(doomed, &run->key, run->ts[i]);
		uint32 start = i;
		TlRun piece;

		while (i < run->n && is_deleted(doomed, &run->key, run->ts[i]) == gone)
			i++;
		changed |= gone;
		if (gone)
			continue;
		piece = tl_run_part(run, start, i - start);
		tl_run_builder_add(builder, &piece);
	}
	return changed;
}

static void
rewrite_block(const TlBlockMeta *meta, const TlFilter *doomed, int buckets)
{
	TlFilter everything = {
		.from = DT_NOBEGIN, .to = DT_NOEND, .columns = TL_COLUMN_VALUE | TL_COLUMN_ATTRS};
	TlReadStats stats = {0};
	TlSource *source = tl_source_create(meta, &everything, buckets, &stats);
	TlBlockWriter *writer = tl_block_writer_create(1);
	TlRunBuilder *builder = tl_run_builder_create(writer);
	bool changed = false;
	TlBlockInfo info;
	TlRun run;

	while (tl_source_next(source, false, &run))
		changed |= keep_rest(builder, &run, doomed);
	tl_run_builder_flush(builder);
	tl_source_free(source);
	if (!changed)
		return;
	tl_store_delete(meta);
	if (!tl_block_writer_empty(writer))
	{
		tl_block_writer_finish(writer, &info);
		tl_store_insert(meta->bucket, meta->level, meta->seq, &info);
	}
}

static int64
count_points(const TlFilter *doomed)
{
	TlScan *scan = tl_scan_begin(doomed, TL_SCAN_ANY);
	int64 n = 0;
	TlRun run;

	while (tl_scan_next(scan, &run))
		n += run.n;
	tl_scan_end(scan);
	return n;
}

static TlStatement log_drop = {
	"INSERT INTO telemetry.drop_log (cause, device_id, metric, from_ts, to_ts, points)"
	" VALUES ('delete', $1, $2, $3, $4, $5)",
	5,
	{TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID},
	NULL};

static TlStatement tell_alerts = {
	"SELECT telemetry.alert_points_deleted($1, $2)", 2, {TEXTOID, TEXTOID}, NULL};

static void
log_deletion(const TlFilter *doomed, int64 deleted)
{
	bool all_metrics = doomed->n_metrics == 0;
	char nulls[5] = {' ', all_metrics ? 'n' : ' ', doomed->from == DT_NOBEGIN ? 'n' : ' ',
					 doomed->to == DT_NOEND ? 'n' : ' ', ' '};
	TlStatementScope scope;
	Datum values[5];

	tl_statement_begin(&scope);
	values[0] = tl_slice_to_text(doomed->devices[0]);
	values[1] = all_metrics ? (Datum) 0 : tl_slice_to_text(doomed->metrics[0]);
	values[2] = Int64GetDatum(doomed->from);
	values[3] = Int64GetDatum(doomed->to == DT_NOEND ? DT_NOEND : doomed->to + 1);
	values[4] = Int64GetDatum(deleted);
	tl_statement_execute(&log_drop, values, nulls, false, 0);
	tl_statement_execute(&tell_alerts, values, nulls, false, 0);
	tl_statement_end(&scope);
}

static int64
delete_points(const TlFilter *doomed)
{
	int buckets = tl_store_buckets();
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry delete", ALLOCSET_DEFAULT_SIZES);
	TlBlockMeta *blocks;
	uint32 n_blocks;
	int n_buckets;
	int *list = tl_scan_buckets(doomed, buckets, &n_buckets);
	int64 deleted;

	for (int i = 0; i < n_buckets; i++)
		tl_store_lock_bucket(list[i]);

	/* Whoever held a lock has committed: look at what there is now. */
	PushActiveSnapshot(GetTransactionSnapshot());
	deleted = count_points(doomed);
	blocks = tl_store_list(list, n_buckets, doomed->from, doomed->to, TL_LEVELS_ALL, &n_blocks);
	for (uint32 i = 0; deleted > 0 && i < n_blocks; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		rewrite_block(&blocks[i], doomed, buckets);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	(void) tl_refresh(doomed->devices[0],
					  doomed->n_metrics > 0 ? doomed->metrics[0] : (TlSlice){"", 0}, doomed->from,
					  doomed->to, true);
	log_deletion(doomed, deleted);
	PopActiveSnapshot();
	MemoryContextDelete(context);
	return deleted;
}

PG_FUNCTION_INFO_V1(telemetry_delete_points);
Datum
telemetry_delete_points(PG_FUNCTION_ARGS)
{
	TlFilter doomed = {.from = DT_NOBEGIN, .to = DT_NOEND};
	TlSlice device;
	TlSlice metric;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("device must not be null")));
	device = tl_slice_of_text(PG_GETARG_DATUM(0));
	doomed.devices = &device;
	doomed.n_devices = 1;
	if (!PG_ARGISNULL(1))
	{
		metric = tl_slice_of_text(PG_GETARG_DATUM(1));
		doomed.metrics = &metric;
		doomed.n_metrics = 1;
	}
	if (!PG_ARGISNULL(2))
		doomed.from = PG_GETARG_TIMESTAMPTZ(2);
	if (!PG_ARGISNULL(3) && PG_GETARG_TIMESTAMPTZ(3) != DT_NOEND)
	{
		if (PG_GETARG_TIMESTAMPTZ(3) == DT_NOBEGIN)
			PG_RETURN_INT64(0);
		doomed.to = PG_GETARG_TIMESTAMPTZ(3) - 1;
	}
	if (doomed.from > doomed.to)
		PG_RETURN_INT64(0);
	PG_RETURN_INT64(delete_points(&doomed));
}
