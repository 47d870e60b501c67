/*
 * receipt.c
 *		Reads and writes telemetry.receipt.  See receipt.h.
 *
 * Locks: a claim inserts the key, or locks the row that has it.  That is what a concurrent
 * claimant of the same key waits for, and it keeps a receipt from being pruned while it is read.
 * Pruning itself skips locked rows and comes after the claim, so that a transaction with one
 * batch waits at most once, before it holds anything that another could wait for.  A bulk body claims one for
 * each of its devices, in an order that is the same for all.
 */
#include "ingest/receipt.h"

#include "access/xact.h"
#include "base/guc.h"
#include "base/slice_text.h"
#include "base/statement.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(telemetry_prune_receipts);

/* More than one for each that is added, so that the table shrinks when the window does. */
#define PRUNED_PER_CLAIM "4"
#define PRUNED_AT_ONCE "1000"

#define PRUNE(count)                                                                               \
	"WITH expired AS MATERIALIZED (SELECT batch_id, device_id FROM telemetry.receipt"              \
	" WHERE received_at < $1 ORDER BY received_at LIMIT " count " FOR UPDATE SKIP LOCKED)"         \
	" DELETE FROM telemetry.receipt AS r USING expired AS e"                                       \
	" WHERE r.batch_id = e.batch_id AND r.device_id = e.device_id"

/* Nothing is claimed if the key is there and not older than $5. */
static TlStatement claim = {
	"INSERT INTO telemetry.receipt AS r (device_id, batch_id, content_hash, received_at,"
	" success, ingested_count, failed_count, total_count, errors)"
	" VALUES ($1, $2, $3, $4, false, 0, 0, 0, '[]')"
	" ON CONFLICT (batch_id, device_id) DO UPDATE"
	" SET content_hash = EXCLUDED.content_hash, received_at = EXCLUDED.received_at"
	" WHERE r.received_at < $5",
	5,
	{TEXTOID, TEXTOID, BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID},
	NULL};

static TlStatement look_up = {
	"SELECT content_hash = $3, received_at, total_count, failed_count, errors, replaced_count"
	" FROM telemetry.receipt WHERE device_id = $1 AND batch_id = $2",
	3,
	{TEXTOID, TEXTOID, BYTEAOID},
	NULL};

static TlStatement complete = {
	"UPDATE telemetry.receipt SET success = $3, ingested_count = $4, failed_count = $5,"
	" total_count = $6, errors = $7, replaced_count = $8 WHERE device_id = $1 AND batch_id = $2",
	8,
	{TEXTOID, TEXTOID, BOOLOID, INT4OID, INT4OID, INT4OID, JSONBOID, INT4OID},
	NULL};

static TlStatement prune_few = {PRUNE(PRUNED_PER_CLAIM), 1, {TIMESTAMPTZOID}, NULL};
static TlStatement prune_many = {PRUNE(PRUNED_AT_ONCE), 1, {TIMESTAMPTZOID}, NULL};

/*
 * Equal jsonb has equal bytes.  Its text would do as well, but may be beyond all measure, see
 * value_size.h.
 */
static Datum
hash_content(const JsonbValue *content)
{
	Size len = VARHDRSZ + (Size) content->val.binary.len;
	char *bytes = palloc(len);

	SET_VARSIZE(bytes, len);
	memcpy(VARDATA(bytes), content->val.binary.data, (Size) content->val.binary.len);
	return DirectFunctionCall1(sha256_bytea, PointerGetDatum(bytes));
}

/* Receipts from before this time are forgotten. */
static int64
window_start(int64 now)
{
	return now - (int64) tl_guc_batch_window * USECS_PER_SEC;
}

static Datum
column(int number)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, &isnull);

	if (isnull)
		tl_corrupt("a column of telemetry.receipt is null");
	return value;
}

/* The receipt that stands in the way of a claim; it is locked. */
static void
read_earlier(TlSlice batch, Datum *key_and_hash, MemoryContext caller, TlReceipt *earlier)
{
	MemoryContext spi;

	tl_statement_execute(&look_up, key_and_hash, NULL, false, 1);
	if (SPI_processed != 1)
		elog(ERROR, "a receipt has vanished");
	if (!DatumGetBool(column(1)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("batch_id \"%s\" was used for other content at %s",
							   pnstrdup(batch.data, batch.len),
							   timestamptz_to_str(DatumGetTimestampTz(column(2)))),
						errhint("Send new content under a new batch_id.")));
	earlier->total = DatumGetInt32(column(3));
	earlier->failed = DatumGetInt32(column(4));
	earlier->replaced = DatumGetInt32(column(6));
	spi = MemoryContextSwitchTo(caller);
	earlier->errors = DatumGetJsonbPCopy(column(5));
	MemoryContextSwitchTo(spi);
}

bool
tl_receipt_claim(TlSlice device, TlSlice batch, const JsonbValue *content, TlReceipt *earlier)
{
	MemoryContext caller = CurrentMemoryContext;
	int64 now = GetCurrentTimestamp();
	TlStatementScope scope;
	Datum values[5];
	bool claimed;

	tl_statement_begin(&scope);
	values[0] = tl_slice_to_text(device);
	values[1] = tl_slice_to_text(batch);
	values[2] = hash_content(content);
	values[3] = TimestampTzGetDatum(now);
	values[4] = TimestampTzGetDatum(window_start(now));
	tl_statement_execute(&claim, values, NULL, false, 0);
	claimed = SPI_processed == 1;
	if (!claimed)
		read_earlier(batch, values, caller, earlier);
	else if (!IsolationUsesXactSnapshot())
	{
		/* With an old snapshot, receipts that others have pruned would be an error. */
		Datum start = values[4];

		tl_statement_execute(&prune_few, &start, NULL, false, 0);
	}
	tl_statement_end(&scope);
	return claimed;
}

void
tl_receipt_complete(TlSlice device, TlSlice batch, const TlReceipt *receipt)
{
	TlStatementScope scope;
	Datum values[8];

	tl_statement_begin(&scope);
	values[0] = tl_slice_to_text(device);
	values[1] = tl_slice_to_text(batch);
	values[2] = BoolGetDatum(receipt->failed == 0);
	values[3] = Int32GetDatum(receipt->total - receipt->failed);
	values[4] = Int32GetDatum(receipt->failed);
	values[5] = Int32GetDatum(receipt->total);
	values[6] = JsonbPGetDatum(receipt->errors);
	values[7] = Int32GetDatum(receipt->replaced);
	tl_statement_execute(&complete, values, NULL, false, 0);
	if (SPI_processed != 1)
		elog(ERROR, "a receipt has vanished");
	tl_statement_end(&scope);
}

/* prune_receipts(): removes all receipts that have expired, and counts them. */
Datum
telemetry_prune_receipts(PG_FUNCTION_ARGS)
{
	Datum start = TimestampTzGetDatum(window_start(GetCurrentTimestamp()));
	TlStatementScope scope;
	int64 pruned = 0;

	tl_statement_begin(&scope);
	do
	{
		CHECK_FOR_INTERRUPTS();
		tl_statement_execute(&prune_many, &start, NULL, false, 0);
		pruned += (int64) SPI_processed;
	} while (SPI_processed > 0);
	tl_statement_end(&scope);
	PG_RETURN_INT64(pruned);
}
