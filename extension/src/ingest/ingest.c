/*
 * ingest.c
 *		Rows of one statement on their way into the store.  See ingest.h.
 *
 * Memory: an ingest lives in a context under the statement's; the memtable within it is emptied at
 * every flush, so the statement's memory is bounded by telemetry.batch_memory.
 */
#include "ingest/ingest.h"

#include "base/guc.h"
#include "base/slice_text.h"
#include "base/standby.h"
#include "ingest/dead_letter.h"
#include "ingest/flush.h"
#include "ingest/memtable.h"
#include "ingest/metric_check.h"
#include "ingest/outbox.h"
#include "ingest/row_check.h"
#include "ingest/watch.h"
#include "store/store.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

const TlWatcher *tl_watcher = NULL;

struct TlIngest
{
	MemoryContext context;
	MemoryContext row_context; /* for rejections and conversions; reset with the next row */
	TlMemtable *memtable;
	TlDeadLetters *letters;
	TlRejectFn on_reject;
	void *on_reject_arg;
	TlRepeatFn on_repeat; /* if there is one, rows are not divided between flushes */
	void *on_repeat_arg;
	int64 latest;		 /* no timestamp may be later, as of the last look at the clock */
	int64 memtable_base; /* position of the memtable's first row */
	int64 received;
	int64 duplicates;
	int64 rejected;
	TlReports *reports;
	TlMetricDefinitions *definitions; /* as of the first row */
	void *watch;					  /* watch.h; begun with the first flush */
	bool is_unwatched;
	TlSlice device;	  /* of all points that were flushed; for telemetry.publish_received */
	bool has_devices; /* they are of several */
};

static int64
latest_timestamp(void)
{
	return Min(GetCurrentTimestamp() + (int64) tl_guc_max_future * USECS_PER_SEC, TL_TIME_LAST);
}

TlIngest *
tl_ingest_begin(void)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry ingest", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TlIngest *in = palloc0(sizeof(TlIngest));

	tl_require_writable("ingest points");
	in->context = context;
	in->row_context = AllocSetContextCreate(context, "telemetry ingest row", ALLOCSET_SMALL_SIZES);
	in->memtable = tl_memtable_create(tl_store_buckets());
	in->letters = tl_dead_letters_create("point");
	in->reports = tl_reports_begin();
	in->latest = latest_timestamp();
	MemoryContextSwitchTo(old);
	return in;
}

void
tl_ingest_on_reject(TlIngest *in, TlRejectFn fn, void *arg)
{
	in->on_reject = fn;
	in->on_reject_arg = arg;
}

void
tl_ingest_on_repeat(TlIngest *in, TlRepeatFn fn, void *arg)
{
	in->on_repeat = fn;
	in->on_repeat_arg = arg;
}

static void
note_replaced(void *arg, uint32 position, uint32 by_position, bool same)
{
	TlIngest *in = arg;
	int64 row = in->memtable_base + position;
	int64 by = in->memtable_base + by_position;

	in->duplicates++;
	if (same)
		tl_reports_add_repeat(in->reports, row, by, TL_ROW_DUPLICATE, "duplicate",
							  "the same point came again later in this batch");
	else
		tl_reports_add_repeat(in->reports, row, by, TL_ROW_REPLACED, "replaced",
							  "a later point of this batch has the same key and another value");
	if (in->on_repeat != NULL)
		in->on_repeat(in->on_repeat_arg, row);
}

/* The series of a sorted memtable are in the order of their devices within each bucket. */
static void
note_devices(TlIngest *in, uint32 n_series)
{
	TlRun first;
	TlRun last;

	if (n_series == 0 || in->has_devices)
		return;
	(void) tl_memtable_run(in->memtable, 0, &first);
	(void) tl_memtable_run(in->memtable, n_series - 1, &last);
	if (in->device.data == NULL)
		in->device = tl_slice_copy(in->context, first.key.device);
	in->has_devices = !tl_slice_equal(in->device, first.key.device) ||
					  !tl_slice_equal(in->device, last.key.device);
}

static void
flush_memtable(TlIngest *in)
{
	uint32 n_series;
	MemoryContext old = MemoryContextSwitchTo(in->context);

	if (in->watch == NULL && !in->is_unwatched && tl_watcher != NULL)
	{
		in->watch = tl_watcher->begin();
		in->is_unwatched = in->watch == NULL;
	}
	n_series = tl_flush(in->memtable, note_replaced, in, in->watch);
	if (unlikely(tl_guc_publish_received))
		note_devices(in, n_series);
	MemoryContextSwitchTo(old);
}

/* Counts, reports and keeps a rejected row; leaves the row context to the caller. */
static void
reject_row(TlIngest *in, const char *code, const char *message, const char *payload, bool whole)
{
	in->rejected++;
	tl_reports_add(in->reports, in->received, TL_ROW_REJECTED, code, message);
	if (payload != NULL)
		tl_dead_letters_add(in->letters, code, message, payload, whole);
	if (in->on_reject != NULL)
		in->on_reject(in->on_reject_arg, in->received, code, message);
}

/* What most rows are: a number without attributes, of a known series, not in the future. */
static inline bool
is_plain(const TlIngest *in, const TlIngestRow *row)
{
	return row->ts <= in->latest && row->ts >= TL_TIME_FIRST && row->unit.data == NULL &&
		   row->tags.data == NULL && row->metadata.data == NULL &&
		   VARSIZE_ANY_EXHDR(row->value) == 1 + sizeof(double) &&
		   *VARDATA_ANY(row->value) == TL_KIND_NUMERIC;
}

/* Of a series that is new; of one whose key is bad, for the reason. */
static bool
check_series(TlIngest *in, const TlIngestRow *row, TlSeriesCheck *series, TlRejection *why)
{
	series->state = TL_SERIES_INVALID;
	if (!tl_row_check_key(row, why))
		return false;
	if (in->definitions == NULL)
		in->definitions = tl_metric_definitions_at_hand(in->context);
	series->definition = tl_metric_definition_find(in->definitions, row->metric);
	series->state = series->definition == 0 ? TL_SERIES_VALID : TL_SERIES_DEFINED;
	return true;
}

/* Whatever else can be wrong with a row that has its fields; false with the reason. */
static bool
check_row(TlIngest *in, const TlIngestRow *row, TlSeriesCheck *series, TlRejection *why)
{
	if ((series->state == TL_SERIES_NEW || series->state == TL_SERIES_INVALID) &&
		!check_series(in, row, series, why))
		return false;
	if (row->ts > in->latest || row->ts < TL_TIME_FIRST)
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
	uint32 position = (uint32) (in->received - in->memtable_base);
	uint8 kind = (uint8) *content++;
	TlSlice payload = {content, len};

	tl_memtable_add(in->memtable, series, row->ts, kind, payload, position);
	if (row->unit.data != NULL || row->tags.data != NULL || row->metadata.data != NULL)
	{
		TlRowAttrs attrs = {row->unit, row->tags, row->metadata};

		tl_memtable_set_attrs(in->memtable, &attrs);
	}
}

/* Makes a row that is good by itself what its metric's definition says; false with the reason. */
static bool
apply_definition(const TlIngest *in, uint32 number, TlIngestRow *row, TlRejection *why)
{
	TlIngestRow made = *row;

	if (!tl_metric_check(tl_metric_definition(in->definitions, number), &made, why))
		return false;
	*row = made;
	return true;
}

/* Takes a row into the memtable, or tells why not; in the row context. */
static bool
take_row(TlIngest *in, TlIngestRow *row, TlRejection *why)
{
	TlSeriesCheck *check;
	uint32 series;

	if (!tl_row_check_present(row, why))
		return false;
	series = tl_memtable_series(in->memtable, row->device, row->metric, &check);
	if (unlikely(check->state != TL_SERIES_VALID || !is_plain(in, row)))
	{
		if (!check_row(in, row, check, why))
			return false;
		if (check->state == TL_SERIES_DEFINED && !apply_definition(in, check->definition, row, why))
			return false;
	}
	add_point(in, series, row);
	return true;
}

bool
tl_ingest_row(TlIngest *in, TlIngestRow *row)
{
	MemoryContext old = MemoryContextSwitchTo(in->row_context);
	TlRejection why;
	bool taken;

	if (unlikely(!in->row_context->isReset))
		MemoryContextReset(in->row_context);
	taken = take_row(in, row, &why);
	if (unlikely(!taken))
	{
		bool whole;
		char *payload = tl_dead_letter_payload(row, &whole);

		reject_row(in, why.code, why.message, payload, whole);
	}
	MemoryContextSwitchTo(old);
	in->received++;

	/* Positions within a memtable are 32 bits wide. */
	if (unlikely((tl_memtable_is_full(in->memtable, (Size) tl_guc_batch_memory * 1024) &&
				  in->on_repeat == NULL) ||
				 in->received - in->memtable_base >= PG_INT32_MAX))
	{
		flush_memtable(in);
		tl_memtable_reset(in->memtable);
		in->memtable_base = in->received;
	}
	return taken;
}

void
tl_ingest_reject(TlIngest *in, const char *code, const char *message, const char *what)
{
	reject_row(in, code, message, what, false);
	in->received++;
}

const TlIngestResult *
tl_ingest_end(TlIngest *in)
{
	const TlIngestResult *result;
	TlIngestResult counts = {0};

	flush_memtable(in);
	if (in->watch != NULL)
		tl_watcher->end(in->watch);
	counts.unkept = tl_dead_letters_end(in->letters);
	counts.received = in->received;
	counts.duplicates = in->duplicates;
	counts.rejected = in->rejected;
	counts.accepted = in->received - in->duplicates - in->rejected;
	if (unlikely(tl_guc_publish_received) && counts.accepted > 0)
		tl_outbox_received(in->has_devices ? (TlSlice){0} : in->device, &counts);
	result = tl_reports_end(in->reports, &counts);
	MemoryContextDelete(in->context);
	return result;
}
