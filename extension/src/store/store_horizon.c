/*
 * store_horizon.c
 *		Order numbers, and up to which of them everything is known.
 *
 * A flush takes its number before its transaction commits, so a lower number may become visible
 * after a higher one.  Blocks may be merged only up to a horizon below which no flush is still in
 * flight; else an older value, merged under a higher number, would win over a newer one.
 *
 * nextval holds a lock on the sequence to the end of the transaction, by which open flushes are
 * found in pg_locks.  Each also holds an advisory lock of a class of our own, whose key is the
 * first number it took, so that a transaction left open holds back only what came after that.
 * Transactions that did not ingest hold nothing back.
 */
#include "store/store.h"

#include "access/xact.h"
#include "base/statement.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "executor/spi.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/resowner.h"

/* The class of our advisory locks (pg_locks.objsubid); SQL can only take those of 1 and 2. */
#define LOCK_CLASS "21580"
#define LOCK_CLASS_NUMBER 21580

/* So often, a millisecond apart, a transaction is given time to lock the number it took. */
#define TRIES 50

static TlStatement last_number = {
	"SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END"
	" FROM telemetry.block_seq",
	0,
	{InvalidOid},
	NULL};

/* The transactions that have taken numbers, and the first of them: null if not locked yet. */
static TlStatement open_flushes = {
	"WITH held AS MATERIALIZED ("
	" SELECT locktype, relation, classid, objid, objsubid, virtualtransaction, mode"
	" FROM pg_locks WHERE granted"
	" AND database = (SELECT oid FROM pg_database"
	"  WHERE datname = current_database())"
	" AND pid IS DISTINCT FROM pg_backend_pid())"
	" SELECT s.virtualtransaction, min((n.classid::int8"
	"  << 32) | n.objid::int8)"
	" FROM held AS s LEFT JOIN held AS n"
	"  ON n.virtualtransaction = s.virtualtransaction"
	"  AND n.locktype = 'advisory'"
	"  AND n.objsubid = " LOCK_CLASS " WHERE s.locktype = 'relation'"
	"  AND s.relation = $1"
	"  AND s.mode = 'RowExclusiveLock'"
	" GROUP BY s.virtualtransaction",
	1,
	{OIDOID},
	NULL};

/* Whether this transaction has locked its first number. */
static bool number_locked = false;

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		number_locked = false;
}

/* Held to the end of the transaction, whatever becomes of the current subtransaction. */
static void
lock_number(int64 seq)
{
	static bool registered = false;
	ResourceOwner owner = CurrentResourceOwner;
	LOCKTAG tag;

	if (!registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		registered = true;
	}
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) ((uint64) seq >> 32), (uint32) seq,
						 LOCK_CLASS_NUMBER);
	CurrentResourceOwner = TopTransactionResourceOwner;
	(void) LockAcquire(&tag, ShareLock, false, false);
	CurrentResourceOwner = owner;
	number_locked = true;
}

int64
tl_store_next_seq(void)
{
	int64 seq = nextval_internal(tl_relation("block_seq"), false);

	if (!number_locked)
		lock_number(seq);
	return seq;
}

/* The transactions that were open at the first look and whose first number is not known yet. */
typedef struct Unknown
{
	char **transactions;
	uint64 n;
} Unknown;

static bool
is_listed(const Unknown *unknown, const char *transaction)
{
	for (uint64 i = 0; i < unknown->n; i++)
		if (strcmp(unknown->transactions[i], transaction) == 0)
			return true;
	return false;
}

/*
 * One look at the locks.  At the first (listed NULL) every open flush counts, later only those
 * that are still listed; the others have begun since, and their numbers are beyond the horizon.
 */
static void
look(const Unknown *listed, Unknown *still, int64 *horizon, bool *open)
{
	MemoryContext caller = CurrentMemoryContext;
	TlStatementScope scope;
	Datum values[1];

	tl_statement_begin(&scope);
	values[0] = ObjectIdGetDatum(tl_relation("block_seq"));
	tl_statement_execute(&open_flushes, values, NULL, true, 0);
	still->transactions = MemoryContextAlloc(caller, sizeof(char *) * (SPI_processed + 1));
	still->n = 0;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char *transaction = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
		bool isnull;
		Datum first = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull);

		if (listed != NULL && !is_listed(listed, transaction))
			continue;
		if (isnull)
			still->transactions[still->n++] = MemoryContextStrdup(caller, transaction);
		else if (DatumGetInt64(first) <= *horizon)
		{
			*horizon = DatumGetInt64(first) - 1;
			*open = true;
		}
	}
	tl_statement_end(&scope);
}

int64
tl_store_horizon(bool *open)
{
	TlStatementScope scope;
	Unknown unknown;
	int64 horizon;
	bool isnull;

	/* The number first: whoever takes a later one need not be known. */
	tl_statement_begin(&scope);
	tl_statement_execute(&last_number, NULL, NULL, true, 1);
	horizon =
		SPI_processed == 1
			? DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull))
			: 0;
	tl_statement_end(&scope);

	*open = false;
	look(NULL, &unknown, &horizon, open);
	for (int i = 0; i < TRIES && unknown.n > 0; i++)
	{
		Unknown before = unknown;

		CHECK_FOR_INTERRUPTS();
		pg_usleep(1000);
		look(&before, &unknown, &horizon, open);
	}
	if (unknown.n > 0)
	{
		*open = true;
		return 0;
	}
	return horizon;
}
