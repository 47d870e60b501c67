/*
 * ingest_result.c
 *		What became of the rows of the session's last ingest.  See ingest_result.h.
 */
#include "ingest_result.h"

#include "access/xact.h"
#include "guc.h"
#include "utils/memutils.h"

struct TlReports
{
	MemoryContext context;
	TlRowReport *list;
	uint32 n;
	uint32 cap;
};

/* Only a finished ingest of a transaction not rolled back shows. */
static MemoryContext result_context = NULL;
static TlIngestResult result;
static bool result_ready = false;
/* Where it was made, if that is in the current transaction. */
static SubTransactionId result_subid = InvalidSubTransactionId;

static void
forget_result(void)
{
	if (result_context != NULL)
		MemoryContextDelete(result_context);
	result_context = NULL;
	memset(&result, 0, sizeof(result));
	result_ready = false;
	result_subid = InvalidSubTransactionId;
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT && result_subid != InvalidSubTransactionId)
		forget_result();
	else if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		result_subid = InvalidSubTransactionId;
}

/* Numbers only grow: what was made since a subtransaction began has its number or a later one. */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId subid, SubTransactionId parent,
					  void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB && result_subid >= subid)
		forget_result();
}

TlReports *
tl_reports_begin(void)
{
	static bool registered = false;
	TlReports *r = palloc0(sizeof(TlReports));

	if (!registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
		registered = true;
	}
	forget_result();
	r->context = AllocSetContextCreate(CurrentMemoryContext, "telemetry ingest result",
									   ALLOCSET_SMALL_SIZES);
	return r;
}

void
tl_reports_add_constant(TlReports *r, int64 row, TlRowStatus status, const char *code,
						const char *message)
{
	if (r->n >= (uint32) tl_guc_max_result_rows)
		return;
	if (r->n == r->cap)
	{
		Size cap = Max((Size) r->cap * 2, 64);

		r->list = r->list == NULL ? MemoryContextAllocHuge(r->context, cap * sizeof(TlRowReport))
								  : repalloc_huge(r->list, cap * sizeof(TlRowReport));
		r->cap = (uint32) cap;
	}
	r->list[r->n++] = (TlRowReport){row, status, code, message};
}

void
tl_reports_add(TlReports *r, int64 row, TlRowStatus status, const char *code, const char *message)
{
	if (r->n < (uint32) tl_guc_max_result_rows)
		tl_reports_add_constant(r, row, status, MemoryContextStrdup(r->context, code),
								MemoryContextStrdup(r->context, message));
}

static int
compare_reports(const void *a, const void *b)
{
	int64 x = ((const TlRowReport *) a)->row;
	int64 y = ((const TlRowReport *) b)->row;

	return (x > y) - (x < y);
}

const TlIngestResult *
tl_reports_end(TlReports *r, const TlIngestResult *counts)
{
	if (r->n > 1)
		qsort(r->list, r->n, sizeof(TlRowReport), compare_reports);

	/* Another ingest may have ended since this one began. */
	forget_result();
	result = *counts;
	result.reports = r->list;
	result.n_reports = r->n;
	result_context = r->context;
	MemoryContextSetParent(result_context, TopMemoryContext);
	result_subid = GetCurrentSubTransactionId();
	result_ready = true;
	return &result;
}

const TlIngestResult *
tl_ingest_last_result(void)
{
	return result_ready ? &result : NULL;
}
