/*
 * counter_sql.c
 *		Aggregates over the points of a counter or a gauge: delta(), rate() and gauge_delta().
 *
 * The state is what has come, and is sorted when it is asked for.
 */
#include "base/compat.h"

#include <math.h>

#include "fmgr.h"
#include "time/reading.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(telemetry_counter_add);
Datum
telemetry_counter_add(PG_FUNCTION_ARGS)
{
	TlReadings *state = PG_ARGISNULL(0) ? NULL : (TlReadings *) PG_GETARG_POINTER(0);
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "aggregate function called in non-aggregate context");
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(1)) ||
		!isfinite(PG_GETARG_FLOAT8(2)))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	if (state == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		state = palloc(sizeof(TlReadings));
		tl_readings_begin(state);
		MemoryContextSwitchTo(old);
	}
	tl_readings_add(state, PG_GETARG_TIMESTAMPTZ(1), PG_GETARG_FLOAT8(2));
	PG_RETURN_POINTER(state);
}

/* The readings in their order; NULL if there are none. */
static TlReadings *
sorted(FunctionCallInfo fcinfo)
{
	TlReadings *state;

	if (PG_ARGISNULL(0))
		return NULL;
	state = (TlReadings *) PG_GETARG_POINTER(0);
	tl_readings_sort(state);
	return state;
}

/*
 * Where the counter falls it began again from 0.  In between only the ends matter, so that nothing
 * is lost by rounding over many small steps.
 */
static double
increase(const TlReadings *readings)
{
	const TlReading *items = readings->items;
	double sum = 0;
	double beginning = items[0].value;

	for (int64 i = 1; i < readings->n; i++)
	{
		if (items[i].value >= items[i - 1].value)
			continue;
		sum += items[i - 1].value - beginning;
		beginning = 0;
	}
	return sum + (items[readings->n - 1].value - beginning);
}

PG_FUNCTION_INFO_V1(telemetry_delta_final);
Datum
telemetry_delta_final(PG_FUNCTION_ARGS)
{
	TlReadings *readings = sorted(fcinfo);

	if (readings == NULL)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(increase(readings));
}

PG_FUNCTION_INFO_V1(telemetry_rate_final);
Datum
telemetry_rate_final(PG_FUNCTION_ARGS)
{
	TlReadings *readings = sorted(fcinfo);
	int64 first;
	int64 last;

	if (readings == NULL)
		PG_RETURN_NULL();
	first = readings->items[0].ts;
	last = readings->items[readings->n - 1].ts;
	if (first == last)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(increase(readings) / (tl_time_between(first, last) / USECS_PER_SEC));
}

PG_FUNCTION_INFO_V1(telemetry_gauge_delta_final);
Datum
telemetry_gauge_delta_final(PG_FUNCTION_ARGS)
{
	TlReadings *readings = sorted(fcinfo);

	if (readings == NULL)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(readings->items[readings->n - 1].value - readings->items[0].value);
}
