/*
 * compact.c
 *		What both steps of compaction share.  See compact.h.
 */
#include "upkeep/compact.h"

#include "access/xact.h"
#include "base/guc.h"
#include "base/statement.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* How long a step tries to get the rollups' lock, in milliseconds. */
#define LOCK_PATIENCE 1000
#define LOCK_INTERVAL 10

static TlStatement record = {
	"INSERT INTO telemetry.compaction AS c (step, day, transactions, blocks_in, blocks_out,"
	" points_in, points_out, expired, bytes_in, bytes_out)"
	" VALUES ($1, (now() AT TIME ZONE 'UTC')::date, 1, $2, $3, $4, $5, $6,"
	" $7, $8)"
	" ON CONFLICT (step, day) DO UPDATE SET transactions = c.transactions + 1,"
	" blocks_in = c.blocks_in + excluded.blocks_in,"
	" blocks_out = c.blocks_out + excluded.blocks_out,"
	" points_in = c.points_in + excluded.points_in,"
	" points_out = c.points_out + excluded.points_out,"
	" expired = c.expired + excluded.expired,"
	" bytes_in = c.bytes_in + excluded.bytes_in,"
	" bytes_out = c.bytes_out + excluded.bytes_out",
	8,
	{TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID},
	NULL};

void
tl_compact_count_in(TlCompactStats *stats, const TlBlockMeta *meta)
{
	stats->blocks_in++;
	stats->points_in += meta->n;
	stats->bytes_in += meta->length;
}

void
tl_compact_store(TlCompactStats *stats, TlBlockWriter *writer, int bucket, int level, int64 seq)
{
	TlBlockInfo info;

	if (tl_block_writer_empty(writer))
		return;
	tl_block_writer_finish(writer, &info);
	stats->blocks_out++;
	stats->points_out += info.n_points;
	stats->bytes_out += VARSIZE_ANY_EXHDR(info.data);
	tl_store_insert(bucket, level, seq, &info);
	pfree(info.data);
}

void
tl_compact_record(const char *step, const TlCompactStats *stats)
{
	TlStatementScope scope;
	Datum values[8];

	if (stats->blocks_in == 0)
		return;
	values[0] = CStringGetTextDatum(step);
	values[1] = Int64GetDatum(stats->blocks_in);
	values[2] = Int64GetDatum(stats->blocks_out);
	values[3] = Int64GetDatum(stats->points_in);
	values[4] = Int64GetDatum(stats->points_out);
	values[5] = Int64GetDatum(stats->expired);
	values[6] = Int64GetDatum(stats->bytes_in);
	values[7] = Int64GetDatum(stats->bytes_out);
	tl_statement_begin(&scope);
	tl_statement_execute(&record, values, NULL, false, 0);
	tl_statement_end(&scope);
}

void
tl_compact_check_isolation(void)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("compaction needs a transaction of isolation level READ COMMITTED")));
}

bool
tl_compact_lock_rollups(void)
{
	for (int waited = 0; waited < LOCK_PATIENCE; waited += LOCK_INTERVAL)
	{
		if (tl_store_try_lock_bucket(TL_BUCKET_MIXED))
			return true;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(LOCK_INTERVAL * 1000L);
	}
	return false;
}

/* Two notes of the last order number, of which the older one counts until the newer is old enough. */
static TlStatement read_notes = {
	"SELECT settled_seq, noted_seq, noted_at, s.last_value FROM telemetry.compaction_state,"
	" telemetry.block_seq AS s",
	0,
	{InvalidOid},
	NULL};

static TlStatement write_notes = {
	"UPDATE telemetry.compaction_state SET settled_seq = $1, noted_seq = $2,"
	" noted_at = clock_timestamp()",
	2,
	{INT8OID, INT8OID},
	NULL};

int64
tl_compact_settled_seq(void)
{
	TlStatementScope scope;
	int64 settled = 0;

	tl_statement_begin(&scope);
	tl_statement_execute(&read_notes, NULL, NULL, true, 1);
	if (SPI_processed == 1)
	{
		HeapTuple tuple = SPI_tuptable->vals[0];
		TupleDesc desc = SPI_tuptable->tupdesc;
		bool isnull;
		int64 noted = DatumGetInt64(SPI_getbinval(tuple, desc, 2, &isnull));
		int64 noted_at = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 3, &isnull));
		int64 last = DatumGetInt64(SPI_getbinval(tuple, desc, 4, &isnull));

		settled = DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull));
		if (tl_guc_settle_time == 0)
			settled = last;
		else if (GetCurrentTimestamp() - noted_at >= tl_guc_settle_time * USECS_PER_SEC)
		{
			Datum values[2] = {Int64GetDatum(noted), Int64GetDatum(last)};

			settled = noted;
			tl_statement_execute(&write_notes, values, NULL, false, 0);
		}
	}
	tl_statement_end(&scope);
	return settled;
}
