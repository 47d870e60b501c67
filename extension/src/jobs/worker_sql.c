/*
 * worker_sql.c
 *		What SQL sees of launcher and worker: telemetry.worker, and the request that CREATE
 *		EXTENSION makes.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "base/guc.h"
#include "fmgr.h"
#include "funcapi.h"
#include "jobs/worker_slot.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static const char *
state_name(const TlSlot *slot)
{
	switch (slot->state)
	{
		case TL_SLOT_FREE:
			break;
		case TL_SLOT_STARTING:
			return "starting";
		case TL_SLOT_RUNNING:
			return "running";
		case TL_SLOT_ENDED:
		case TL_SLOT_WAITING:
			if (!tl_guc_workers)
				return "disabled";
			return slot->last_exit == TL_EXIT_OTHER_VERSION ? "other version" : "waiting";
	}
	return NULL;
}

static const char *
exit_name(TlSlotExit why)
{
	switch (why)
	{
		case TL_EXIT_NONE:
			break;
		case TL_EXIT_ERROR:
			return "error";
		case TL_EXIT_TERMINATED:
			return "terminated";
		case TL_EXIT_NO_EXTENSION:
			return "no extension";
		case TL_EXIT_OTHER_VERSION:
			return "other version";
		case TL_EXIT_DISABLED:
			return "disabled";
		case TL_EXIT_HELD:
			return "stopped for a command";
		case TL_EXIT_NOT_STARTED:
			return "not started";
	}
	return NULL;
}

static void
set_text(const char *text, int i, Datum *values, bool *nulls)
{
	nulls[i] = text == NULL || text[0] == '\0';
	if (!nulls[i])
		values[i] = CStringGetTextDatum(text);
}

static void
set_time(TimestampTz time, int i, Datum *values, bool *nulls)
{
	nulls[i] = time == 0;
	values[i] = TimestampTzGetDatum(time);
}

/* worker_state(): the slot of this database, all null if it has none. */
PG_FUNCTION_INFO_V1(telemetry_worker_state);
Datum
telemetry_worker_state(PG_FUNCTION_ARGS)
{
	TlSlot slot = {0};
	bool nulls[9] = {false};
	Datum values[9];
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (tl_slots_exist())
	{
		const TlSlot *found;

		tl_slots_lock();
		found = tl_slot_of(MyDatabaseId);
		if (found != NULL)
			slot = *found;
		tl_slots_unlock();
	}
	if (slot.state == TL_SLOT_FREE)
		PG_RETURN_NULL();
	values[0] = Int32GetDatum(slot.pid);
	nulls[0] = slot.pid == 0;
	set_text(state_name(&slot), 1, values, nulls);
	set_time(slot.pid == 0 ? 0 : slot.began_at, 2, values, nulls);
	set_time(slot.state == TL_SLOT_WAITING && tl_guc_workers ? slot.start_at : 0, 3, values, nulls);
	values[4] = Int32GetDatum(Max(slot.starts - 1, 0));
	values[5] = Int32GetDatum(slot.failures);
	set_text(exit_name(slot.last_exit), 6, values, nulls);
	set_time(slot.ended_at, 7, values, nulls);
	set_text(slot.error, 8, values, nulls);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* wake_launcher(): at commit, asks the launcher to look into this database. */
PG_FUNCTION_INFO_V1(telemetry_wake_launcher);
Datum
telemetry_wake_launcher(PG_FUNCTION_ARGS)
{
	if (tl_slots_exist())
		tl_slots_request_at_commit();
	PG_RETURN_VOID();
}
