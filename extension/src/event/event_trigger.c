/*
 * event_trigger.c
 *		COPY and INSERT into telemetry.event.
 *
 * A trigger before each statement begins an ingest, one for each row hands it over, and one after
 * the statement ends it.  Statements nest, when a function that a statement calls inserts as well;
 * so the ingests under way are a stack, which is cut when a (sub)transaction is rolled back.
 */
#include "event/event.h"

#include "access/xact.h"
#include "base/slice_text.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

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

typedef struct Level
{
	struct Level *below;
	TlEventIngest *ingest;
	SubTransactionId subid;
} Level;

/* Levels live in the memory of the (sub)transaction that they were begun in. */
static Level *top = NULL;

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		top = NULL;
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId subid, SubTransactionId parent,
					  void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		while (top != NULL && top->subid >= subid)
			top = top->below;
}

static void
begin_level(void)
{
	static bool registered = false;
	MemoryContext old = MemoryContextSwitchTo(CurTransactionContext);
	Level *level = palloc(sizeof(Level));

	if (!registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
		registered = true;
	}
	level->ingest = tl_event_ingest_begin();
	level->below = top;
	level->subid = GetCurrentSubTransactionId();
	top = level;
	MemoryContextSwitchTo(old);
}

static void
end_level(void)
{
	Level *level = top;

	(void) tl_event_ingest_end(level->ingest);
	top = level->below;
	pfree(level);
}

static void
refuse_call(const char *name)
{
	ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
					errmsg("telemetry.%s() is a trigger function of telemetry.event", name)));
}

Datum
telemetry_event_statement(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		refuse_call("event_statement");
	if (TRIGGER_FIRED_BEFORE(trigger->tg_event))
		begin_level();
	else if (top == NULL)
		elog(ERROR, "no ingest of events is under way");
	else
		end_level();
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
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleTableSlot *slot;
	TlEvent event = {0};

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_INSTEAD(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
		RelationGetNumberOfAttributes(trigger->tg_relation) != COLUMNS || top == NULL)
		refuse_call("event_row");
	slot = trigger->tg_trigslot;
	slot_getallattrs(slot);
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
	tl_event_ingest_row(top->ingest, &event);
	return PointerGetDatum(trigger->tg_trigtuple);
}
