/*
 * store_aside.c
 *		Blocks that could not be rolled up, and are set aside.
 *
 * Such a block, of level -1, stays where it is: readers see it as any other new block.  Why it is
 * set aside and when it is to be tried again is in telemetry.set_aside_state, by day, number and
 * bucket, which stay the same when deletion writes the block again.
 *
 * Newer blocks of its bucket and day are rolled up meanwhile.  When it is itself, later, it keeps
 * its own number, so that what is newer still wins.  For that no block must hold points both from
 * before and from after it: its number is a barrier, which merges of its bucket and day, of new
 * blocks and of rolled ones, do not cross.
 */
#include "store/store.h"

#include "base/statement.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "store/store_row.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/timestamp.h"

static TlStatement set_level = {
	"UPDATE telemetry.block_0 SET level = -1 WHERE bucket = $1 AND max_ts = $2 AND seq = $3"
	" AND level = 0",
	3,
	{INT2OID, TIMESTAMPTZOID, INT8OID},
	NULL};

/* By the server's clock, like all else that workers do. */
static TlStatement note_failure = {
	"INSERT INTO telemetry.set_aside_state AS s"
	" (day, seq, bucket, set_aside_at, error, error_code, tries, tried_at, next_try_at)"
	" VALUES ($1, $2, $3, clock_timestamp(), $4, $5, 1, clock_timestamp(),"
	"  clock_timestamp() + interval '10 minutes')"
	" ON CONFLICT (day, seq, bucket) DO UPDATE SET error = excluded.error,"
	" error_code = excluded.error_code, tries = s.tries + 1, tried_at = excluded.tried_at,"
	" next_try_at = excluded.tried_at"
	"  + least(interval '10 minutes' * 2 ^ least(s.tries, 10), interval '1 day')",
	5,
	{DATEOID, INT8OID, INT2OID, TEXTOID, TEXTOID},
	NULL};

static TlStatement forget = {
	"DELETE FROM telemetry.set_aside_state WHERE day = $1 AND seq = $2 AND bucket = $3",
	3,
	{DATEOID, INT8OID, INT2OID},
	NULL};

/* What nothing is noted of, as after a restore of some tables, is due. */
static TlStatement list_due = {
	"SELECT " TL_STORE_ROW_COLUMNS " FROM telemetry.block_0 AS b WHERE level = -1"
	" AND NOT EXISTS (SELECT FROM telemetry.set_aside_state AS s WHERE s.day = b.day"
	"  AND s.seq = b.seq AND s.bucket = b.bucket AND s.next_try_at > clock_timestamp())"
	" ORDER BY day, seq, bucket LIMIT 2",
	0,
	{InvalidOid},
	NULL};

static TlStatement list_barriers = {
	"SELECT day, seq FROM telemetry.block_0 WHERE level = -1 AND day BETWEEN $1 AND $2"
	" AND ($3 = -1 OR bucket IN (-1, $3)) ORDER BY day, seq",
	3,
	{DATEOID, DATEOID, INT2OID},
	NULL};

typedef struct Barrier
{
	int64 day; /* its start */
	int64 seq;
} Barrier;

struct TlBarriers
{
	uint32 n;
	Barrier list[FLEXIBLE_ARRAY_MEMBER]; /* in order */
};

static Datum
date_of(int64 ts)
{
	return DateADTGetDatum((DateADT) (tl_day_of(ts) / TL_USECS_PER_DAY));
}

/* Of damage, the innermost context says which block could not be read, which may be another one. */
static char *
text_of(const ErrorData *error)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, error->message);
	if (error->detail != NULL)
		appendStringInfo(&text, ": %s", error->detail);
	if (error->sqlerrcode == ERRCODE_DATA_CORRUPTED && error->context != NULL)
		appendStringInfo(&text, " (%.*s)", (int) strcspn(error->context, "\n"), error->context);
	return text.data;
}

void
tl_store_set_aside(const TlBlockMeta *meta, const ErrorData *error)
{
	Datum place[3] = {Int16GetDatum((int16) meta->bucket), Int64GetDatum(meta->max_ts),
					  Int64GetDatum(meta->seq)};
	Datum failure[5] = {date_of(meta->max_ts), place[2], place[0],
						CStringGetTextDatum(text_of(error)),
						CStringGetTextDatum(unpack_sql_state(error->sqlerrcode))};
	TlStatementScope scope;

	tl_statement_begin(&scope);
	if (meta->level == TL_LEVEL_NEW)
		tl_statement_execute(&set_level, place, NULL, false, 0);
	tl_statement_execute(&note_failure, failure, NULL, false, 0);
	tl_statement_end(&scope);
}

void
tl_store_aside_forget(const TlBlockMeta *meta)
{
	Datum values[3] = {date_of(meta->max_ts), Int64GetDatum(meta->seq),
					   Int16GetDatum((int16) meta->bucket)};
	TlStatementScope scope;

	tl_statement_begin(&scope);
	tl_statement_execute(&forget, values, NULL, false, 0);
	tl_statement_end(&scope);
}

bool
tl_store_aside_due(TlBlockMeta *meta, bool *more)
{
	TlStatementScope scope;
	bool found;

	tl_statement_begin(&scope);
	tl_statement_execute(&list_due, NULL, NULL, true, 2);
	found = SPI_processed > 0;
	*more = SPI_processed > 1;
	if (found)
		tl_store_row_read(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, meta);
	tl_statement_end(&scope);
	return found;
}

TlBarriers *
tl_store_barriers(int bucket, int64 first_day, int64 last_day)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum values[3] = {date_of(first_day), date_of(last_day), Int16GetDatum((int16) bucket)};
	TlStatementScope scope;
	TlBarriers *barriers;

	tl_statement_begin(&scope);
	tl_statement_execute(&list_barriers, values, NULL, true, 0);
	barriers = MemoryContextAllocHuge(caller, offsetof(TlBarriers, list) +
												  sizeof(Barrier) * (Size) SPI_processed);
	barriers->n = (uint32) SPI_processed;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple tuple = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		bool isnull;

		barriers->list[i].day =
			TL_USECS_PER_DAY * (int64) DatumGetDateADT(SPI_getbinval(tuple, desc, 1, &isnull));
		barriers->list[i].seq = DatumGetInt64(SPI_getbinval(tuple, desc, 2, &isnull));
	}
	tl_statement_end(&scope);
	return barriers;
}

/* How many barriers come before a number of a day, or have it. */
static uint32
barriers_up_to(const TlBarriers *barriers, int64 day, int64 seq, bool inclusive)
{
	uint32 low = 0;
	uint32 high = barriers->n;

	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;
		const Barrier *b = &barriers->list[middle];

		if (b->day < day || (b->day == day && (b->seq < seq || (inclusive && b->seq == seq))))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Of the same flush as a barrier, other blocks are by themselves: neither before it nor after. */
bool
tl_barriers_between(const TlBarriers *barriers, const TlBlockMeta *a, const TlBlockMeta *b)
{
	int64 x = tl_day_of(a->max_ts);
	int64 y = tl_day_of(b->max_ts);

	return barriers_up_to(barriers, x, a->seq, false) !=
			   barriers_up_to(barriers, y, b->seq, false) ||
		   barriers_up_to(barriers, x, a->seq, true) != barriers_up_to(barriers, y, b->seq, true);
}
