/*
 * event_ingest.c
 *		Events of one statement on their way into the log.  See event.h.
 *
 * Memory: an ingest lives in a context under the statement's; the buffer within it is emptied at
 * every flush, so the statement's memory is bounded by telemetry.batch_memory.
 *
 * A flush: access is checked; each event gets its number, key and content hash; the first event
 * of each key claims the key in the ledger.  Where the ledger has the key already, the event is a
 * repeat, or a conflict that the stream's strategy resolves against the stored version.  Then
 * what is to be stored goes to the log in one statement.
 */
#include "event/event.h"

#include "base/guc.h"
#include "base/standby.h"
#include "catalog/pg_authid.h"
#include "event/event_access.h"
#include "event/event_buffer.h"
#include "event/event_check.h"
#include "event/event_store.h"
#include "event/event_text.h"
#include "ingest/dead_letter.h"
#include "utils/acl.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* A key can be pruned between being found and being read, but hardly this often. */
#define CLAIMS_MAX 5

struct TlEventIngest
{
	MemoryContext context;
	MemoryContext row_context; /* for rejections; reset after each row */
	TlEventBuffer *buffer;
	TlDeadLetters *letters;
	TlReports *reports;
	TlEventFateFn on_fate;
	void *on_fate_arg;
	int64 now; /* when the statement began, or the last flush was */
	bool may_give_received_at;
	int64 last_party;
	TlIngestResult counts;
};

const char *const tl_event_outcome_name[] = {
	[TL_EVENT_ACCEPTED] = "accepted", [TL_EVENT_DUPLICATE] = "duplicate",
	[TL_EVENT_KEPT] = "kept",		  [TL_EVENT_REPLACED] = "replaced",
	[TL_EVENT_SAMPLED] = "sampled",	  [TL_EVENT_REJECTED] = "rejected"};

TlEventIngest *
tl_event_ingest_begin(void)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry event ingest", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TlEventIngest *in = palloc0(sizeof(TlEventIngest));

	tl_require_writable("ingest events");
	in->context = context;
	in->row_context = AllocSetContextCreate(context, "telemetry event row", ALLOCSET_SMALL_SIZES);
	in->buffer = tl_event_buffer_create();
	in->letters = tl_dead_letters_create("event");
	in->reports = tl_reports_begin();
	in->now = GetCurrentTimestamp();
	in->may_give_received_at =
		is_member_of_role(GetUserId(), get_role_oid("telemetry_admin", false));
	MemoryContextSwitchTo(old);
	tl_streams_refresh();
	return in;
}

void
tl_event_ingest_on_fate(TlEventIngest *in, TlEventFateFn fn, void *arg)
{
	in->on_fate = fn;
	in->on_fate_arg = arg;
}

static void
reject(TlEventIngest *in, const TlEvent *event, int64 row, const char *code, const char *message)
{
	bool whole = false;
	const char *payload =
		event->bad_field != NULL ? event->bad_text : tl_event_to_json(event, &whole);

	in->counts.rejected++;
	tl_reports_add(in->reports, row, TL_ROW_REJECTED, code, message);
	tl_dead_letters_add(in->letters, code, message, payload, whole);
	if (in->on_fate != NULL)
	{
		TlEventFate fate = {.outcome = TL_EVENT_REJECTED, .code = code, .message = message};

		in->on_fate(in->on_fate_arg, row, &fate);
	}
}

/* Whether the server is short of time and its stream can do without the event. */
static bool
is_left_out(const TlEventRow *row)
{
	if (!row->event.under_load)
		return false;
	for (int i = 0; i < row->stream->n_sampling; i++)
		if (tl_slice_equal(row->stream->sampling[i].type, row->event.text[TL_EVENT_TYPE]))
			return tl_event_key_fraction(row->identity.key) >= row->stream->sampling[i].rate;
	return false;
}

/* Numbers, times and keys of all events. */
static void
identify(TlEventBuffer *b, int64 now)
{
	TlEventHasher *hasher = tl_event_hasher_begin();
	int64 own = tl_event_store_next_id();
	int64 given = 0;
	int64 given_at = 0;

	for (uint32 i = 0; i < b->n_rows; i++)
	{
		TlEventRow *row = &b->rows[i];

		if (row->outcome == TL_EVENT_REJECTED)
			continue;
		if (row->event.has_received_at)
		{
			/* Those of one flush number were received at one time. */
			if (given == 0 || given_at != row->event.received_at)
				given = tl_event_store_next_id();
			given_at = row->event.received_at;
			row->received_at = given_at;
			row->id = given + i;
		}
		else
		{
			row->received_at = now;
			row->id = own + i;
		}
		tl_event_identify(hasher, &row->event, row->stream, &row->identity);
		if (is_left_out(row))
		{
			row->outcome = TL_EVENT_SAMPLED;
			row->code = "sampled";
			row->message = "the event was left out because the server is short of time";
			row->stored_at = row->received_at;
		}
	}
	tl_event_hasher_end(hasher);
}

/* Finds out which keys are new, and what the ledger has for the others. */
static void
settle(TlEventBuffer *b)
{
	for (int i = 0; i < CLAIMS_MAX; i++)
	{
		uint32 unsettled = 0;

		tl_event_store_claim(b);
		tl_event_store_look_up(b);
		for (uint32 s = 0; s < b->n_sets; s++)
			unsettled += !b->sets[s].settled;
		if (unsettled == 0)
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not find out whether events are new, because of concurrent changes"),
			 errhint("Try again.")));
}

/* Whether another event than those of the set, with another id, may have its key. */
static bool
is_known_by_session(const TlEventBuffer *b, const TlEventSet *set)
{
	const TlEventRow *row = b->order[set->first];

	return row->stream->identity == TL_SAME_TYPE_SESSION &&
		   row->event.text[TL_EVENT_SESSION].data != NULL;
}

/* Decides about sets whose key the ledger had; with tell_ids it is to be known what is stored. */
static void
resolve_known(TlEventBuffer *b, bool tell_ids)
{
	TlEventSet **asked =
		MemoryContextAllocHuge(b->context, sizeof(TlEventSet *) * Max((Size) b->n_sets, 1));
	TlEventVersion *versions;
	uint32 n = 0;
	uint32 n_replaced = 0;
	bool lock = false;

	for (uint32 i = 0; i < b->n_sets; i++)
	{
		TlEventSet *set = &b->sets[i];

		if (set->is_new)
		{
			if (set->n > 1)
				tl_event_resolve(b, set, NULL, true);
			continue;
		}
		if (tl_event_set_differs(b, set))
		{
			asked[n++] = set;
			lock |= b->order[set->first]->stream->strategy != TL_FIRST_WINS;
		}
		else if (tell_ids && is_known_by_session(b, set))
			asked[n++] = set;
		else
		{
			TlEventVersion same = {.content = set->content, .received_at = set->received_at};

			tl_event_resolve(b, set, &same, false);
		}
	}
	if (n == 0)
		return;

	versions = MemoryContextAllocHuge(b->context, sizeof(TlEventVersion) * n);
	tl_event_store_read_versions(b, asked, n, lock, versions);
	for (uint32 i = 0; i < n; i++)
	{
		tl_event_resolve(b, asked[i], &versions[i], true);
		if (asked[i]->winner != NULL)
			asked[n_replaced++] = asked[i];
	}
	tl_event_store_replace(b, asked, n_replaced);
}

static TlRowStatus
status_of(TlEventOutcome outcome)
{
	switch (outcome)
	{
		case TL_EVENT_DUPLICATE:
			return TL_ROW_DUPLICATE;
		case TL_EVENT_SAMPLED:
			return TL_ROW_SAMPLED;
		default:
			return TL_ROW_CONFLICT;
	}
}

static void
tell(TlEventIngest *in, const TlEventRow *row)
{
	TlEventFate fate = {.outcome = row->outcome,
						.event_id =
							row->stored_id.data != NULL ? row->stored_id : tl_event_row_id(row),
						.received_at = row->stored_at,
						.code = row->code,
						.message = row->message};

	switch (row->outcome)
	{
		case TL_EVENT_REJECTED:
			reject(in, &row->event, row->row, row->code, row->message);
			return;
		case TL_EVENT_ACCEPTED:
		case TL_EVENT_SAMPLED:
			in->counts.accepted++;
			break;
		case TL_EVENT_DUPLICATE:
			in->counts.duplicates++;
			break;
		case TL_EVENT_KEPT:
		case TL_EVENT_REPLACED:
			in->counts.conflicts++;
			break;
	}
	if (row->outcome != TL_EVENT_ACCEPTED)
		tl_reports_add_constant(in->reports, row->row, status_of(row->outcome), row->code,
								row->message);
	if (in->on_fate == NULL)
		return;
	in->on_fate(in->on_fate_arg, row->row, &fate);
}

static void
flush(TlEventIngest *in)
{
	TlEventBuffer *b = in->buffer;
	MemoryContext old;

	if (b->n_rows == 0)
		return;
	old = MemoryContextSwitchTo(b->context);
	tl_event_check_access(b);
	in->now = GetCurrentTimestamp();
	identify(b, in->now);
	tl_event_buffer_sort(b);
	if (b->n_sets > 0)
	{
		for (uint32 i = 0; i < b->n_sets; i++)
			tl_event_resolve(b, &b->sets[i], NULL, false);
		settle(b);
		resolve_known(b, in->on_fate != NULL);
		tl_event_store_insert(b);
		tl_event_store_conflicts(b);
	}
	tl_check_deadline();
	for (uint32 i = 0; i < b->n_rows; i++)
		tell(in, &b->rows[i]);
	MemoryContextSwitchTo(old);
	tl_event_buffer_reset(b);
}

/*
 * Half of the memory is for the rows that statements of the flush are given.  A party of events is
 * not divided between flushes.
 */
static bool
is_full(const TlEventIngest *in, const TlEvent *event)
{
	const TlEventBuffer *b = in->buffer;

	if (event->party != 0 && event->party == in->last_party && b->n_rows < TL_EVENT_FLUSH_MAX)
		return false;
	return b->n_rows >= TL_EVENT_FLUSH_MAX / 2 || b->bytes >= (Size) tl_guc_batch_memory * 512;
}

void
tl_event_ingest_row(TlEventIngest *in, const TlEvent *event)
{
	MemoryContext old;
	const TlStream *stream;
	TlEvent checked = *event;
	TlRejection why;
	bool accepted;

	if (is_full(in, event))
		flush(in);
	old = MemoryContextSwitchTo(in->row_context);
	stream = tl_stream_find(event->text[TL_EVENT_STREAM]);
	accepted = tl_event_check(&checked, stream, in->now, &why);
	if (accepted && checked.has_received_at && !in->may_give_received_at)
	{
		why = (TlRejection){"INVALID_RECEIVED_AT",
							"received_at may only be given by members of telemetry_admin"};
		accepted = false;
	}
	if (accepted)
		tl_event_buffer_add(in->buffer, &checked, stream, in->counts.received);
	else
		reject(in, &checked, in->counts.received, why.code, why.message);
	MemoryContextSwitchTo(old);
	if (!in->row_context->isReset)
		MemoryContextReset(in->row_context);
	in->last_party = event->party;
	in->counts.received++;
}

const TlIngestResult *
tl_event_ingest_end(TlEventIngest *in)
{
	MemoryContext old = MemoryContextSwitchTo(in->context);
	const TlIngestResult *result;

	flush(in);
	in->counts.unkept = tl_dead_letters_end(in->letters);
	result = tl_reports_end(in->reports, &in->counts);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(in->context);
	return result;
}
