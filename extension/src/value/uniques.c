/*
 * uniques.c
 *		The step of the aggregate telemetry.uniques_of(text), a sketch of how many texts there are;
 *		and what such a sketch tells.
 *
 * The sketch is one of the extension hll, whose own functions are called, by their names in its
 * library and not in a catalog, where others may have put something like them.  All sketches
 * have one size, so that any two can be united: 2^15 registers of 5 bits; up to 256 values are
 * kept as they are.  Nulls do not count.
 *
 * Its hll_cardinality() changes from one estimate to another at 2.5 values a register, where the
 * second counts up to 3.5 % too many.  So registers are counted here.
 */
#include "base/compat.h"

#include <math.h>

#include "fmgr.h"
#include "value/uniques_estimate.h"

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
	call->args[2] = (NullableDatum){Int32GetDatum(TL_UNIQUES_LOG2_REGISTERS), false};
	call->args[3] = (NullableDatum){Int32GetDatum(TL_UNIQUES_REGISTER_BITS), false};
	call->args[4] = (NullableDatum){Int64GetDatum(EXPLICIT_MAX), false};
	call->args[5] = (NullableDatum){Int32GetDatum(SPARSE), false};
	state = add(call);
	fcinfo->isnull = call->isnull;
	return state;
}

/* What hll itself says of a sketch that has no registers, or others than ours; null if it is none. */
static Datum
count_of_other(FunctionCallInfo fcinfo, Datum sketch)
{
	static PGFunction cardinality = NULL;
	LOCAL_FCINFO(call, 1);
	Datum count;

	if (cardinality == NULL)
		cardinality = load_external_function("$libdir/hll", "hll_cardinality", true, NULL);
	InitFunctionCallInfoData(*call, fcinfo->flinfo, 1, InvalidOid, NULL, NULL);
	call->args[0] = (NullableDatum){sketch, false};
	count = cardinality(call);
	if (call->isnull)
		PG_RETURN_NULL();
	return count;
}

PG_FUNCTION_INFO_V1(telemetry_unique_count);
Datum
telemetry_unique_count(PG_FUNCTION_ARGS)
{
	bytea *sketch = PG_GETARG_BYTEA_PP(0);
	double count = 0;
	TlUniques uniques;

	switch (tl_uniques_read(VARDATA_ANY(sketch), VARSIZE_ANY_EXHDR(sketch), &uniques))
	{
		case TL_UNIQUES_READ:
			count = tl_uniques_estimate(&uniques);
			break;
		case TL_UNIQUES_OTHER:
			count = DatumGetFloat8(count_of_other(fcinfo, PG_GETARG_DATUM(0)));
			if (fcinfo->isnull)
				PG_RETURN_NULL();
			break;
		case TL_UNIQUES_DAMAGED:
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED), errmsg("sketch of uniques is corrupted")));
	}
	PG_RETURN_INT64(count < (double) PG_INT64_MAX ? (int64) rint(count) : PG_INT64_MAX);
}
