/*
 * fill_window.c
 *		Window functions that fill gaps: locf() and interpolate().
 *
 * Both read a partition once from its beginning to its end: what they know of the rows before is
 * kept in the partition's memory, and a row that was looked for ahead is not looked for again.
 */
#include "base/compat.h"

#include "fmgr.h"
#include "time/reading.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "windowapi.h"

/* What came last; all 0 in the beginning. */
typedef struct Carried
{
	bool initialised;
	bool known;
	bool by_value;
	int16 length;
	Datum value;
} Carried;

PG_FUNCTION_INFO_V1(telemetry_locf);
Datum
telemetry_locf(PG_FUNCTION_ARGS)
{
	WindowObject window = PG_WINDOW_OBJECT();
	Carried *carried = WinGetPartitionLocalMemory(window, sizeof(Carried));
	MemoryContext old;
	bool is_null;
	Datum value = WinGetFuncArgCurrent(window, 0, &is_null);

	WinSetMarkPosition(window, WinGetCurrentPosition(window));
	if (is_null)
	{
		if (!carried->known)
			PG_RETURN_NULL();
		PG_RETURN_DATUM(carried->value);
	}
	if (!carried->initialised)
	{
		get_typlenbyval(get_fn_expr_argtype(fcinfo->flinfo, 0), &carried->length,
						&carried->by_value);
		carried->initialised = true;
	}
	if (carried->known && !carried->by_value)
		pfree(DatumGetPointer(carried->value));
	old = MemoryContextSwitchTo(GetMemoryChunkContext(carried));
	carried->value = datumCopy(value, carried->by_value, carried->length);
	MemoryContextSwitchTo(old);
	carried->known = true;
	PG_RETURN_DATUM(value);
}

/* The known rows around the current one; all 0 in the beginning. */
typedef struct Neighbours
{
	bool has_before;
	bool has_after;
	bool no_more; /* no row is known from here on */
	TlReading before;
	TlReading after;
} Neighbours;

/* The first known row after the current one. */
static void
look_ahead(WindowObject window, Neighbours *neighbours)
{
	for (int ahead = 1;; ahead++)
	{
		bool value_is_null;
		bool ts_is_null;
		bool is_out;
		Datum ts;
		Datum value = WinGetFuncArgInPartition(window, 0, ahead, WINDOW_SEEK_CURRENT, false,
											   &value_is_null, &is_out);

		CHECK_FOR_INTERRUPTS();
		if (is_out || ahead == PG_INT32_MAX)
		{
			neighbours->no_more = true;
			return;
		}
		if (value_is_null)
			continue;
		ts = WinGetFuncArgInPartition(window, 1, ahead, WINDOW_SEEK_CURRENT, false, &ts_is_null,
									  &is_out);
		if (ts_is_null || TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(ts)))
			continue;
		neighbours->after = (TlReading){DatumGetTimestampTz(ts), DatumGetFloat8(value)};
		neighbours->has_after = true;
		return;
	}
}

PG_FUNCTION_INFO_V1(telemetry_interpolate);
Datum
telemetry_interpolate(PG_FUNCTION_ARGS)
{
	WindowObject window = PG_WINDOW_OBJECT();
	Neighbours *neighbours = WinGetPartitionLocalMemory(window, sizeof(Neighbours));
	const TlReading *before = &neighbours->before;
	const TlReading *after = &neighbours->after;
	bool value_is_null;
	bool ts_is_null;
	Datum value = WinGetFuncArgCurrent(window, 0, &value_is_null);
	int64 ts = DatumGetTimestampTz(WinGetFuncArgCurrent(window, 1, &ts_is_null));

	/* Nothing before it is read again. */
	WinSetMarkPosition(window, WinGetCurrentPosition(window));
	if (ts_is_null || TIMESTAMP_NOT_FINITE(ts))
	{
		if (value_is_null)
			PG_RETURN_NULL();
		PG_RETURN_DATUM(value);
	}
	if (!value_is_null)
	{
		neighbours->before = (TlReading){ts, DatumGetFloat8(value)};
		neighbours->has_before = true;
		neighbours->has_after = false;
		PG_RETURN_DATUM(value);
	}
	if (!neighbours->has_before || neighbours->no_more)
		PG_RETURN_NULL();
	if (!neighbours->has_after)
		look_ahead(window, neighbours);
	if (!neighbours->has_after)
		PG_RETURN_NULL();
	/* Between the two, in whichever direction time goes from row to row. */
	if (ts < Min(before->ts, after->ts) || ts > Max(before->ts, after->ts))
		PG_RETURN_NULL();
	if (before->ts <= after->ts)
		PG_RETURN_FLOAT8(tl_reading_between(before, after, ts));
	PG_RETURN_FLOAT8(tl_reading_between(after, before, ts));
}
