/*
 * rows.c
 *		What set-returning functions begin with.  See rows.h.
 */
#include "base/rows.h"

#include "funcapi.h"

ReturnSetInfo *
tl_rows_begin(FunctionCallInfo fcinfo, int memory_kb)
{
	ReturnSetInfo *out = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;

	if (out == NULL || !IsA(out, ReturnSetInfo) || (out->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("set-valued function called in context that cannot accept a set")));
	old = MemoryContextSwitchTo(out->econtext->ecxt_per_query_memory);
	if (get_call_result_type(fcinfo, NULL, &out->setDesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	out->setResult = tuplestore_begin_heap(true, false, memory_kb);
	out->returnMode = SFRM_Materialize;
	MemoryContextSwitchTo(old);
	return out;
}
