/*
 * ingest.c
 *		Rows of one statement on their way into the store.  See ingest.h.
 *
 * Memory: an ingest lives in a context under the statement's; the batch within it is emptied at
 * every flush, so the statement's memory is bounded by telemetry.batch_memory.  Its reports are
 * in a context of their own, which becomes the session's when the ingest ends: the result lives
 * until the next ingest begins or the (sub)transaction that it was made in is rolled back.
 */
#include "ingest.h"

#include "access/xact.h"
#include "batch.h"
#include "dead_letter.h"
#include "flush.h"
#include "guc.h"
#include "row_check.h"
#include "store.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

struct TlIngest
{
	MemoryContext context;
	MemoryContext row_context; /* for rejections and rare conversions; reset after each row */
	TlBatch *batch;
	TlDeadLetters *letters;
	TlRejectFn on_reject;
	void *on_reject_arg;
	int64 latest;	  /* no timestamp may be later, as of the last look at the clock */
	int64 batch_base; /* position of the batch's first row */
	int64 received;
	int64 duplicates;
	int64 rejected;

	MemoryContext report_context;
	TlRowReport *reports;
	uint32 n_reports;
	uint32 reports_cap;
};

/* The session's last result.  Only a finished ingest of a transaction not rolled back shows. */
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

static void
begin_result(void)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
		registered = true;
	}
	forget_result();
}

/* The message must live as long as the reports. */
static void
report_row(TlIngest *in, int64 row, TlRowStatus status, const char *code, const char *message)
{
	if (in->n_reports >= (uint32) tl_guc_max_result_rows)
		return;
	if (in->n_reports == in->reports_cap)
	{
		Size cap = Max((Size) in->reports_cap * 2, 64);

		in->reports = in->reports == NULL
						  ? MemoryContextAllocHuge(in->report_context, cap * sizeof(TlRowReport))
						  : repalloc_huge(in->reports, cap * sizeof(TlRowReport));
		in->reports_cap = (uint32) cap;
	}
	in->reports[in->n_reports++] = (TlRowReport){row, status, code, message};
}

static int64
latest_timestamp(void)
{
	return GetCurrentTimestamp() + (int64) tl_guc_max_future * USECS_PER_SEC;
}

TlIngest *
tl_ingest_begin(void)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry ingest", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TlIngest *in = palloc0(sizeof(TlIngest));

	in->context = context;
	in->row_context = AllocSetContextCreate(context, "telemetry ingest row", ALLOCSET_SMALL_SIZES);
	in->batch = tl_batch_create(tl_store_buckets());
	in->letters = tl_dead_letters_create();
	in->report_context =
		AllocSetContextCreate(context, "telemetry ingest result", ALLOCSET_SMALL_SIZES);
	in->latest = latest_timestamp();
	begin_result();
	MemoryContextSwitchTo(old);
	return in;
}

void
tl_ingest_on_reject(TlIngest *in, TlRejectFn fn, void *arg)
{
	in->on_reject = fn;
	in->on_reject_arg = arg;
}

static void
note_replaced(void *arg, uint32 position, bool same)
{
	TlIngest *in = arg;

	in->duplicates++;
	if (same)
		report_row(in, in->batch_base + position, TL_ROW_DUPLICATE, "duplicate",
				   "the same point came again later in this batch");
	else
		report_row(in, in->batch_base + position, TL_ROW_REPLACED, "replaced",
				   "a later point of this batch has the same key and another value");
}

static void
flush_batch(TlIngest *in)
{
	MemoryContext old = MemoryContextSwitchTo(in->context);

	tl_flush(in->batch, note_replaced, in);
	tl_batch_reset(in->batch);
	in->batch_base = in->received;
	MemoryContextSwitchTo(old);
}

/* Counts, reports and keeps a rejected row; leaves the row context to the caller. */
static void
reject_row(TlIngest *in, const char *code, const char *message, const char *payload)
{
	in->rejected++;
	if (in->n_reports < (uint32) tl_guc_max_result_rows)
		report_row(in, in->received, TL_ROW_REJECTED, code,
				   MemoryContextStrdup(in->report_context, message));
	tl_dead_letters_add(in->letters, code, message, payload);
	if (in->on_reject != NULL)
		in->on_reject(in->on_reject_arg, in->received, code, message);
}

/* What most rows are: a number without attributes, of a known series, not in the future. */
static inline bool
is_plain(const TlIngest *in, const TlIngestRow *row)
{
	return row->ts <= in->latest && row->ts >= MIN_TIMESTAMP && row->unit.data == NULL &&
		   row->tags.data == NULL && row->metadata.data == NULL &&
		   VARSIZE_ANY_EXHDR(row->value) == 1 + sizeof(double) &&
		   *VARDATA_ANY(row->value) == TL_KIND_NUMERIC;
}

/* Whatever else can be wrong with a row that has its fields; false with the reason. */
static bool
check_row(TlIngest *in, const TlIngestRow *row, TlSeriesState *state, TlRejection *why)
{
	if (*state != TL_SERIES_VALID)
	{
		*state = tl_row_check_key(row, why) ? TL_SERIES_VALID : TL_SERIES_INVALID;
		if (*state == TL_SERIES_INVALID)
			return false;
	}
	if (row->ts > in->latest || row->ts < MIN_TIMESTAMP)
	{
		in->latest = latest_timestamp();
		if (!tl_row_check_ts(row->ts, in->latest, why))
			return false;
	}
	return tl_row_check_value(row->value, why) && tl_row_check_attrs(row, why);
}

static void
add_point(TlIngest *in, uint32 series, const TlIngestRow *row)
{
	const char *content = VARDATA_ANY(row->value);
	uint32 len = (uint32) VARSIZE_ANY_EXHDR(row->value) - 1;
	uint32 position = (uint32) (in->received - in->batch_base);
	uint8 kind = (uint8) *content++;
	TlCell cell = {0};

	switch (kind)
	{
		case TL_KIND_NUMERIC:
			memcpy(&cell.number, content, sizeof(double));
			tl_batch_add_cell(in->batch, series, row->ts, kind, cell, position);
			break;
		case TL_KIND_BOOLEAN:
			cell.boolean = *content != 0;
			tl_batch_add_cell(in->batch, series, row->ts, kind, cell, position);
			break;
		default:
			tl_batch_add_bytes(in->batch, series, row->ts, kind, content, len, position);
			break;
	}
	if (row->unit.data != NULL || row->tags.data != NULL || row->metadata.data != NULL)
	{
		TlRowAttrs attrs = {row->unit, row->tags, row->metadata};

		tl_batch_set_attrs(in->batch, &attrs);
	}
}

/* Takes a row into the batch, or tells why not; in the row context. */
static bool
take_row(TlIngest *in, const TlIngestRow *row, TlRejection *why)
{
	TlSeriesState *state;
	uint32 series;

	if (!tl_row_check_present(row, why))
		return false;
	series = tl_batch_series(in->batch, row->device, row->metric, &state);
	if (unlikely(*state != TL_SERIES_VALID || !is_plain(in, row)) &&
		!check_row(in, row, state, why))
		return false;
	add_point(in, series, row);
	return true;
}

void
tl_ingest_row(TlIngest *in, const TlIngestRow *row)
{
	MemoryContext old = MemoryContextSwitchTo(in->row_context);
	TlRejection why;

	if (unlikely(!take_row(in, row, &why)))
		reject_row(in, why.code, why.message, tl_dead_letter_payload(row));
	MemoryContextSwitchTo(old);
	if (unlikely(!in->row_context->isReset))
		MemoryContextReset(in->row_context);
	in->received++;

	/* Positions within a batch are 32 bits wide. */
	if (unlikely(tl_batch_is_full(in->batch, (Size) tl_guc_batch_memory * 1024) ||
				 in->received - in->batch_base >= PG_INT32_MAX))
		flush_batch(in);
}

void
tl_ingest_reject(TlIngest *in, const char *code, const char *message, const char *what)
{
	reject_row(in, code, message, what);
	in->received++;
}

static int
compare_reports(const void *a, const void *b)
{
	int64 x = ((const TlRowReport *) a)->row;
	int64 y = ((const TlRowReport *) b)->row;

	return (x > y) - (x < y);
}

const TlIngestResult *
tl_ingest_end(TlIngest *in)
{
	flush_batch(in);
	tl_dead_letters_flush(in->letters);
	if (in->n_reports > 1)
		qsort(in->reports, in->n_reports, sizeof(TlRowReport), compare_reports);

	/* Another ingest may have ended since this one began. */
	forget_result();
	result.received = in->received;
	result.duplicates = in->duplicates;
	result.rejected = in->rejected;
	result.accepted = in->received - in->duplicates - in->rejected;
	result.reports = in->reports;
	result.n_reports = in->n_reports;
	result_context = in->report_context;
	MemoryContextSetParent(result_context, TopMemoryContext);
	result_subid = GetCurrentSubTransactionId();
	result_ready = true;
	MemoryContextDelete(in->context);
	return &result;
}

const TlIngestResult *
tl_ingest_last_result(void)
{
	return result_ready ? &result : NULL;
}
