/*
 * end_value.c
 *		Aggregates first() and last(): the value of the earliest and of the latest time.
 */
#include "base/compat.h"

#include "fmgr.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

typedef struct EndValue
{
	int64 ts;
	bool set;
	bool by_value;
	int16 length;
	Datum value; /* in the aggregate's context */
} EndValue;

static EndValue *
state_of(FunctionCallInfo fcinfo, MemoryContext *context)
{
	EndValue *state;

	if (!AggCheckCallContext(fcinfo, context))
		elog(ERROR, "aggregate function called in non-aggregate context");
	if (!PG_ARGISNULL(0))
		return (EndValue *) PG_GETARG_POINTER(0);
	state = MemoryContextAllocZero(*context, sizeof(EndValue));
	get_typlenbyval(get_fn_expr_argtype(fcinfo->flinfo, 1), &state->length, &state->by_value);
	return state;
}

static void
keep(EndValue *state, MemoryContext context, int64 ts, Datum value)
{
	MemoryContext old = MemoryContextSwitchTo(context);

	if (state->set && !state->by_value)
		pfree(DatumGetPointer(state->value));
	/* Not in pieces elsewhere. */
	if (state->length == -1)
		state->value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	else
		state->value = datumCopy(value, state->by_value, state->length);
	state->ts = ts;
	state->set = true;
	MemoryContextSwitchTo(old);
}

PG_FUNCTION_INFO_V1(telemetry_first_add);
Datum
telemetry_first_add(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	EndValue *state = state_of(fcinfo, &context);

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2) &&
		(!state->set || PG_GETARG_TIMESTAMPTZ(2) < state->ts))
		keep(state, context, PG_GETARG_TIMESTAMPTZ(2), PG_GETARG_DATUM(1));
	PG_RETURN_POINTER(state);
}

PG_FUNCTION_INFO_V1(telemetry_last_add);
Datum
telemetry_last_add(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	EndValue *state = state_of(fcinfo, &context);

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2) &&
		(!state->set || PG_GETARG_TIMESTAMPTZ(2) >= state->ts))
		keep(state, context, PG_GETARG_TIMESTAMPTZ(2), PG_GETARG_DATUM(1));
	PG_RETURN_POINTER(state);
}

PG_FUNCTION_INFO_V1(telemetry_end_value);
Datum
telemetry_end_value(PG_FUNCTION_ARGS)
{
	EndValue *state = PG_ARGISNULL(0) ? NULL : (EndValue *) PG_GETARG_POINTER(0);

	if (state == NULL || !state->set)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(state->value);
}
