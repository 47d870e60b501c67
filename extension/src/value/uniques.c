/*
 * uniques.c
 *		The step of the aggregate telemetry.uniques_of(text): a sketch of how many texts there are.
 *
 * The sketch is one of the extension hll, whose own functions are called, by their names in its
 * library and not in a catalog, where others may have put something like them.  All sketches
 * have one size, so that any two can be united: 2^15 registers of 5 bits; up to 256 values are
 * kept as they are.  Nulls do not count.
 */
#include "base/compat.h"

#include "fmgr.h"

#define LOG2_REGISTERS 15
#define REGISTER_BITS 5
#define EXPLICIT_MAX 256
#define SPARSE 1

PG_FUNCTION_INFO_V1(telemetry_uniques_step);
Datum
telemetry_uniques_step(PG_FUNCTION_ARGS)
{
	static PGFunction hash = NULL;
	static PGFunction add = NULL;
	LOCAL_FCINFO(call, 6);
	Datum state;

	if (add == NULL)
	{
		hash = load_external_function("$libdir/hll", "hll_hash_varlena", true, NULL);
		add = load_external_function("$libdir/hll", "hll_add_trans4", true, NULL);
	}
	/* The context tells it that it is an aggregate's, and where the state lives. */
	InitFunctionCallInfoData(*call, fcinfo->flinfo, 6, InvalidOid, fcinfo->context, NULL);
	call->args[0] = fcinfo->args[0];
	call->args[1].isnull = PG_ARGISNULL(1);
	call->args[1].value = PG_ARGISNULL(1)
							  ? (Datum) 0
							  : DirectFunctionCall2(hash, PG_GETARG_DATUM(1), Int32GetDatum(0));
	call->args[2] = (NullableDatum){Int32GetDatum(LOG2_REGISTERS), false};
	call->args[3] = (NullableDatum){Int32GetDatum(REGISTER_BITS), false};
	call->args[4] = (NullableDatum){Int64GetDatum(EXPLICIT_MAX), false};
	call->args[5] = (NullableDatum){Int32GetDatum(SPARSE), false};
	state = add(call);
	fcinfo->isnull = call->isnull;
	return state;
}
