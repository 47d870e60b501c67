/*
 * event.h
 *		The one way for events into telemetry.event_log: check, collect, flush, report.
 *
 * A statement begins an ingest, hands over event after event and ends it.  An event that breaks
 * a rule of its stream is rejected with a code and a message and kept in telemetry.dead_letter;
 * it never raises an error.  The others are collected; a flush finds in the ledger which of them
 * are new, stores those, and resolves conflicts.  What became of the rows is remembered for the
 * transaction like that of points (ingest.h).
 *
 *		event_stream.c	the rules of telemetry.stream and telemetry.stream_field
 *		event_check.c	whether an event keeps them
 *		event_access.c	the streams' access checks
 *		event_key.c		keys and content hashes
 *		event_buffer.c	events collected
 *		event_resolve.c	which of several events of a key is to be stored
 *		event_store.c	the ledger, the log and conflicts, through SQL
 *		event_ingest.c	all of it together
 *		event_trigger.c	COPY and INSERT into telemetry.event
 *		event_json.c	telemetry.ingest_event()
 *		event_text.c	an event as a JSON text
 */
#ifndef TL_EVENT_H
#define TL_EVENT_H

#include "ingest/ingest_result.h"
#include "block/run.h"

#include "utils/jsonb.h"

/* The texts of an event, in the order of their columns. */
typedef enum TlEventText
{
	TL_EVENT_STREAM,
	TL_EVENT_TYPE,
	TL_EVENT_ID,
	TL_EVENT_DEVICE,
	TL_EVENT_USER,
	TL_EVENT_SESSION,
	TL_EVENT_SUBJECT,
	TL_EVENT_APP_VERSION,
	TL_EVENT_CORRELATION
} TlEventText;

#define TL_EVENT_TEXTS (TL_EVENT_CORRELATION + 1)

/* Names of the texts' columns, and of the others. */
extern const char *const tl_event_text_name[TL_EVENT_TEXTS];
#define TL_EVENT_OCCURRED_AT "occurred_at"
#define TL_EVENT_RECEIVED_AT "received_at"
#define TL_EVENT_DURATION "duration_seconds"
#define TL_EVENT_DATA "data"

/* An event as it came; a slice whose data is NULL is a null, as is an empty one. */
typedef struct TlEvent
{
	TlSlice text[TL_EVENT_TEXTS];
	bool has_occurred_at; /* if not, it occurred when it is received */
	bool has_received_at; /* given by an administrator; else it is the time of its flush */
	bool has_duration;
	bool alone; /* a single one, to which max_age applies instead of max_batch_age */
	int64
		party; /* if not 0: unless all events of the same party may access their subjects, none may */
	/*
	 * What the id of an event without event_id is made of, in place of its content; without data:
	 * nothing.
	 */
	TlSlice seed;
	bool under_load; /* may be left out, as its stream's sampling says */
	int64 occurred_at;
	int64 received_at;
	double duration_seconds;
	const Jsonb *data; /* an object, or NULL */

	/*
	 * What could not even be made a field, such as a time that is a boolean: the column's name or
	 * data.name, and what is wrong with it; or NULL.  The event is rejected, and what shows it is
	 * the JSON text, for telemetry.dead_letter.
	 */
	const char *bad_field;
	const char *bad_message;
	const char *bad_text;
} TlEvent;

typedef enum TlEventOutcome
{
	TL_EVENT_ACCEPTED,
	TL_EVENT_DUPLICATE, /* it is stored already, or came before in this statement */
	TL_EVENT_KEPT,		/* a conflict: what was stored stays */
	TL_EVENT_REPLACED,	/* a conflict: this one is stored instead */
	TL_EVENT_SAMPLED,	/* left out, but counts as accepted */
	TL_EVENT_REJECTED
} TlEventOutcome;

/* What became of an event; the texts last only as long as the call that tells it. */
typedef struct TlEventFate
{
	TlEventOutcome outcome;
	TlSlice event_id;	 /* of what is stored, also if it was made here; without data if rejected */
	int64 received_at;	 /* when the event that is stored was received */
	const char *code;	 /* unless accepted or sampled */
	const char *message; /* likewise */
} TlEventFate;

typedef struct TlEventIngest TlEventIngest;

extern TlEventIngest *tl_event_ingest_begin(void);

/*
 * Also tells fn of each event, by its 0-based position in the statement: of rejected ones from
 * within tl_event_ingest_row, of the others when they are flushed, at the latest in
 * tl_event_ingest_end.  Not in order.
 */
typedef void (*TlEventFateFn)(void *arg, int64 row, const TlEventFate *fate);
extern void tl_event_ingest_on_fate(TlEventIngest *ingest, TlEventFateFn fn, void *arg);

/* Takes a copy of the event. */
extern void tl_event_ingest_row(TlEventIngest *ingest, const TlEvent *event);

/* Stores what is left and publishes the result, see ingest_result.h. */
extern const TlIngestResult *tl_event_ingest_end(TlEventIngest *ingest);

/* Names of outcomes as users see them. */
extern const char *const tl_event_outcome_name[];

#endif
