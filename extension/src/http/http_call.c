/*
 * http_call.c
 *		telemetry.http_call(): a request for a route that calls a function.
 *
 * The function is a user's, whom the row of telemetry.route names; base/run_as.h says with whose
 * rights it runs.
 */
#include "base/compat.h"

#include "base/run_as.h"
#include "base/statement.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(telemetry_http_call);

static TlStatement find_function = {
	"SELECT r.function, p.oid FROM telemetry.route AS r"
	" LEFT JOIN pg_proc AS p ON p.oid = to_regprocedure(r.function) AND p.prokind = 'f'"
	"  AND NOT p.proretset AND p.prorettype = 'telemetry.http_response'::regtype"
	"  AND p.pronargs = 2 AND p.proargtypes[0] = 'jsonb'::regtype AND p.proargtypes[1] = "
	"'jsonb'::regtype"
	" WHERE r.method = split_part($1, ' ', 1) AND r.path = split_part($1, ' ', 2)"
	"  AND r.function IS NOT NULL",
	1,
	{TEXTOID},
	NULL};

static Oid
function_of_route(Datum route)
{
	TlStatementScope scope;
	Oid function = InvalidOid;
	bool is_gone = true;

	tl_statement_begin(&scope);
	tl_statement_execute(&find_function, &route, NULL, true, 1);
	if (SPI_processed == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("no route \"%s\" calls a function", TextDatumGetCString(route))));
	function =
		DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &is_gone));
	if (is_gone)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("function %s RETURNS telemetry.http_response does not exist",
							   SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1))));
	tl_statement_end(&scope);
	return function;
}

Datum
telemetry_http_call(PG_FUNCTION_ARGS)
{
	LOCAL_FCINFO(call, 2);
	FmgrInfo info;
	TlRunAs scope;
	AclResult acl;
	Oid function;
	Datum answer = (Datum) 0;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("route must not be null")));
	function = function_of_route(PG_GETARG_DATUM(0));
	acl = tl_proc_aclcheck(function, GetUserId(), ACL_EXECUTE);
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_FUNCTION, get_func_name(function));

	fmgr_info(function, &info);
	InitFunctionCallInfoData(*call, &info, 2, InvalidOid, NULL, NULL);
	for (int i = 0; i < 2; i++)
		call->args[i] = fcinfo->args[i + 1];
	if (info.fn_strict && (call->args[0].isnull || call->args[1].isnull))
		PG_RETURN_NULL();
	tl_run_as_begin(&scope, function);
	answer = FunctionCallInvoke(call);
	tl_run_as_end(&scope);
	if (call->isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(answer);
}
