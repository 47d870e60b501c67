/*
 * outbox.c
 *		What ingest tells telemetry.outbox, and how those who listen learn that it has rows.
 *
 * A transaction with NOTIFY cannot be prepared, and points may come in one that is.  So the trigger only
 * remembers that there is something to tell, and it is told when the transaction is committed at once;
 * of a prepared one nobody is told, and whoever takes the rows must look now and then anyway.
 */
#include "ingest/outbox.h"

#include "access/xact.h"
#include "base/slice_text.h"
#include "base/statement.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "commands/trigger.h"

PG_FUNCTION_INFO_V1(telemetry_tell_outbox);

static bool is_written = false;

static TlStatement insert_received = {
	"INSERT INTO telemetry.outbox (event_type, key, data)"
	" SELECT 'telemetry.data.received', coalesce($1, '*'), jsonb_strip_nulls(jsonb_build_object("
	"'device_id', $1, 'received', $2, 'accepted', $3, 'duplicates', $4, 'rejected', $5))",
	5,
	{TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID},
	NULL};

/* Its own notifications the server looks for after these callbacks. */
static void
at_transaction_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (is_written)
				Async_Notify("telemetry_outbox", "");
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			is_written = false;
			break;
		default:
			break;
	}
}

/* A subtransaction that is undone may have written the rows: then somebody looks in vain. */
Datum
telemetry_tell_outbox(PG_FUNCTION_ARGS)
{
	static bool registered = false;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("telemetry.tell_outbox() is a trigger function")));
	if (!registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		registered = true;
	}
	is_written = true;
	return PointerGetDatum(NULL);
}

void
tl_outbox_received(TlSlice device, const TlIngestResult *counts)
{
	Datum values[5] = {0};
	char nulls[5] = {' ', ' ', ' ', ' ', ' '};
	TlStatementScope scope;

	if (device.data == NULL)
		nulls[0] = 'n';
	else
		values[0] = tl_slice_to_text(device);
	values[1] = Int64GetDatum(counts->received);
	values[2] = Int64GetDatum(counts->accepted);
	values[3] = Int64GetDatum(counts->duplicates);
	values[4] = Int64GetDatum(counts->rejected);
	tl_statement_begin(&scope);
	tl_statement_execute(&insert_received, values, nulls, false, 0);
	tl_statement_end(&scope);
}
