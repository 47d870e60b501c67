/*
 * ingest_result.c
 *		What became of the rows of the transaction's last ingest.  See ingest_result.h.
 */
#include "ingest/ingest_result.h"

#include "access/xact.h"
#include "base/guc.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

struct TlReports
{
	MemoryContext context;
	TlRowReport *list;
	uint32 n;
	uint32 cap;
	Size bytes; /* of texts */
};

/*
 * Only a finished ingest of this very transaction shows: behind a pooler the last one of the session may be
 * somebody else's.
 */
static MemoryContext result_context = NULL;
static TlIngestResult result;
static bool result_ready = false;
/* Where it was made. */
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
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		forget_result();
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

/* Whether there is room for another report of texts of so many bytes. */
static bool
has_room(const TlReports *r, Size bytes)
{
	return r->n < (uint32) tl_guc_max_result_rows &&
		   (Size) r->n * sizeof(TlRowReport) + r->bytes + bytes <=
			   (Size) tl_guc_max_result_memory * 1024;
}

void
tl_reports_add_repeat(TlReports *r, int64 row, int64 by, TlRowStatus status, const char *code,
					  const char *message)
{
	if (!has_room(r, sizeof(TlRowReport)))
		return;
	if (r->n == r->cap)
	{
		Size cap = Max((Size) r->cap * 2, 64);

		r->list = r->list == NULL ? MemoryContextAllocHuge(r->context, cap * sizeof(TlRowReport))
								  : repalloc_huge(r->list, cap * sizeof(TlRowReport));
		r->cap = (uint32) cap;
	}
	r->list[r->n++] = (TlRowReport){row, status, code, message, by};
}

void
tl_reports_add_constant(TlReports *r, int64 row, TlRowStatus status, const char *code,
						const char *message)
{
	tl_reports_add_repeat(r, row, -1, status, code, message);
}

void
tl_reports_add(TlReports *r, int64 row, TlRowStatus status, const char *code, const char *message)
{
	/* What the two strings take of their context, headers included. */
	Size bytes = 2 * (sizeof(void *) + MAXIMUM_ALIGNOF) + strlen(code) + strlen(message);

	if (!has_room(r, sizeof(TlRowReport) + bytes))
		return;
	tl_reports_add_constant(r, row, status, MemoryContextStrdup(r->context, code),
							MemoryContextStrdup(r->context, message));
	r->bytes += bytes;
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

static const char *const status_name[] = {[TL_ROW_DUPLICATE] = "duplicate",
										  [TL_ROW_REPLACED] = "replaced",
										  [TL_ROW_CONFLICT] = "conflict",
										  [TL_ROW_SAMPLED] = "sampled",
										  [TL_ROW_REJECTED] = "rejected"};

static Datum
reports_as_jsonb(void)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (uint32 i = 0; i < result.n_reports; i++)
	{
		const TlRowReport *r = &result.reports[i];

		appendStringInfo(&json,
						 "%s{\"row\":" INT64_FORMAT ",\"status\":\"%s\",\"code\":\"%s\","
						 "\"message\":",
						 i > 0 ? "," : "", r->row, status_name[r->status], r->code);
		escape_json(&json, r->message);
		if (r->by >= 0)
			appendStringInfo(&json, ",\"by\":" INT64_FORMAT, r->by);
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoChar(&json, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

PG_FUNCTION_INFO_V1(telemetry_ingest_result);
Datum
telemetry_ingest_result(PG_FUNCTION_ARGS)
{
	Datum values[7] = {0};
	bool nulls[7] = {false};
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (!result_ready)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no COPY or INSERT of this transaction to tell of"),
				 errhint("Ask in the transaction of the COPY or INSERT: BEGIN; COPY ...; SELECT * "
						 "FROM telemetry.ingest_result(); COMMIT.")));
	values[0] = Int64GetDatum(result.received);
	values[1] = Int64GetDatum(result.accepted);
	values[2] = Int64GetDatum(result.duplicates);
	values[3] = Int64GetDatum(result.conflicts);
	values[4] = Int64GetDatum(result.rejected);
	values[5] = reports_as_jsonb();
	values[6] = Int64GetDatum(result.unkept);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
