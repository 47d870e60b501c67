/*
 * event_trigger.c
 *		COPY and INSERT into telemetry.event.
 *
 * A trigger before each statement begins an ingest, one for each row hands it over, and one after
 * the statement ends it (base/under_way.h).
 */
#include "event/event.h"

#include "base/slice_text.h"
#include "base/under_way.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "fmgr.h"

PG_FUNCTION_INFO_V1(telemetry_event_statement);
PG_FUNCTION_INFO_V1(telemetry_event_row);

/* The view's columns, in their order. */
enum
{
	COLUMN_STREAM,
	COLUMN_EVENT_ID,
	COLUMN_EVENT_TYPE,
	COLUMN_OCCURRED_AT,
	COLUMN_RECEIVED_AT,
	COLUMN_DEVICE_ID,
	COLUMN_USER_ID,
	COLUMN_SESSION_ID,
	COLUMN_SUBJECT_ID,
	COLUMN_APP_VERSION,
	COLUMN_DURATION,
	COLUMN_CORRELATION_ID,
	COLUMN_DATA,
	COLUMNS
};

static const int text_columns[TL_EVENT_TEXTS] = {[TL_EVENT_STREAM] = COLUMN_STREAM,
												 [TL_EVENT_TYPE] = COLUMN_EVENT_TYPE,
												 [TL_EVENT_ID] = COLUMN_EVENT_ID,
												 [TL_EVENT_DEVICE] = COLUMN_DEVICE_ID,
												 [TL_EVENT_USER] = COLUMN_USER_ID,
												 [TL_EVENT_SESSION] = COLUMN_SESSION_ID,
												 [TL_EVENT_SUBJECT] = COLUMN_SUBJECT_ID,
												 [TL_EVENT_APP_VERSION] = COLUMN_APP_VERSION,
												 [TL_EVENT_CORRELATION] = COLUMN_CORRELATION_ID};

typedef struct Statement
{
	TlUnderWay under_way;
	TlEventIngest *ingest;
} Statement;

static TlUnderWay *innermost = NULL;

static void
begin_statement(void)
{
	Statement *s = tl_under_way_begin(&innermost, sizeof(Statement), "telemetry events");
	MemoryContext old = MemoryContextSwitchTo(s->under_way.context);

	s->ingest = tl_event_ingest_begin();
	MemoryContextSwitchTo(old);
}

static void
end_statement(void)
{
	(void) tl_event_ingest_end(((Statement *) innermost)->ingest);
	tl_under_way_end(innermost);
}

Datum
telemetry_event_statement(PG_FUNCTION_ARGS)
{
	if (tl_under_way_is_begin(fcinfo, innermost, "event_statement", "event"))
		begin_statement();
	else
		end_statement();
	return PointerGetDatum(NULL);
}

static TlSlice
text_value(const TupleTableSlot *slot, int column)
{
	if (slot->tts_isnull[column])
		return (TlSlice){NULL, 0};
	return tl_slice_of_text(slot->tts_values[column]);
}

Datum
telemetry_event_row(PG_FUNCTION_ARGS)
{
	TupleTableSlot *slot = tl_under_way_row(fcinfo, innermost, COLUMNS, "event_row", "event");
	TlEvent event = {0};

	for (int i = 0; i < TL_EVENT_TEXTS; i++)
		event.text[i] = text_value(slot, text_columns[i]);
	event.has_occurred_at = !slot->tts_isnull[COLUMN_OCCURRED_AT];
	if (event.has_occurred_at)
		event.occurred_at = DatumGetInt64(slot->tts_values[COLUMN_OCCURRED_AT]);
	event.has_received_at = !slot->tts_isnull[COLUMN_RECEIVED_AT];
	if (event.has_received_at)
		event.received_at = DatumGetInt64(slot->tts_values[COLUMN_RECEIVED_AT]);
	event.has_duration = !slot->tts_isnull[COLUMN_DURATION];
	if (event.has_duration)
		event.duration_seconds = DatumGetFloat8(slot->tts_values[COLUMN_DURATION]);
	if (!slot->tts_isnull[COLUMN_DATA])
		event.data = DatumGetJsonbP(slot->tts_values[COLUMN_DATA]);
	tl_event_ingest_row(((Statement *) innermost)->ingest, &event);
	return PointerGetDatum(((TriggerData *) fcinfo->context)->tg_trigtuple);
}
