/*
 * http_call.c
 *		telemetry.http_call(): a request for a route that calls a function.
 *
 * A body that comes as text is what a client has sent, which is no reason to raise: what jsonb cannot hold
 * of it is answered.
 */
#include "http/http_function.h"

#include "base/run_as.h"
#include "base/slice_text.h"
#include "base/statement.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "http/http_answer.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "value/json_mend.h"
#include "value/json_number.h"
#include "value/value_size.h"

PG_FUNCTION_INFO_V1(telemetry_http_call);
PG_FUNCTION_INFO_V1(telemetry_http_call_of_text);

static TlStatement find_function = {
	"SELECT r.function, p.oid, p.proretset FROM telemetry.route AS r"
	" LEFT JOIN pg_proc AS p ON p.oid = to_regprocedure(r.function) AND p.prokind = 'f'"
	"  AND p.prorettype = CASE WHEN p.proretset THEN 'telemetry.http_part'::regtype"
	"   ELSE 'telemetry.http_response'::regtype END"
	"  AND p.pronargs = 2 AND p.proargtypes[0] = 'jsonb'::regtype AND p.proargtypes[1] = "
	"'jsonb'::regtype"
	" WHERE r.method = split_part($1, ' ', 1) AND r.path = split_part($1, ' ', 2)"
	"  AND r.function IS NOT NULL",
	1,
	{TEXTOID},
	NULL};

static TlStatement find_dialect = {
	"SELECT r.dialect FROM telemetry.route AS r"
	" WHERE r.method = split_part($1, ' ', 1) AND r.path = split_part($1, ' ', 2)",
	1,
	{TEXTOID},
	NULL};

static TlHttpFunction
function_of_route(Datum route)
{
	TlStatementScope scope;
	TlHttpFunction function;
	HeapTuple row;
	bool is_gone = true;
	bool is_null;

	tl_statement_begin(&scope);
	tl_statement_execute(&find_function, &route, NULL, true, 1);
	if (SPI_processed == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("no route \"%s\" calls a function", TextDatumGetCString(route))));
	row = SPI_tuptable->vals[0];
	function.oid = DatumGetObjectId(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &is_gone));
	function.is_set = DatumGetBool(SPI_getbinval(row, SPI_tuptable->tupdesc, 3, &is_null));
	if (is_gone)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("function %s that serves a route does not exist",
							   SPI_getvalue(row, SPI_tuptable->tupdesc, 1))));
	tl_statement_end(&scope);
	return function;
}

TlHttpFunction
tl_http_function(Datum route)
{
	TlHttpFunction function = function_of_route(route);
	AclResult acl = tl_proc_aclcheck(function.oid, GetUserId(), ACL_EXECUTE);

	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_FUNCTION, get_func_name(function.oid));
	return function;
}

/* Errors that only a change of the function, or of what it is made for, can mend. */
static bool
is_fault_of_function(int sqlstate)
{
	int category = ERRCODE_TO_CATEGORY(sqlstate);

	return sqlstate != ERRCODE_INSUFFICIENT_PRIVILEGE &&
		   (category == ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION ||
			category == ERRCODE_INVALID_SCHEMA_NAME);
}

void
tl_http_function_failed(Oid function, MemoryContext context)
{
	ErrorData *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	if (!is_fault_of_function(error->sqlerrcode))
		PG_RE_THROW();
	FlushErrorState();
	error->message = psprintf("function %s is at fault: %s (SQLSTATE %s)", get_func_name(function),
							  error->message, unpack_sql_state(error->sqlerrcode));
	error->sqlerrcode = ERRCODE_EXTERNAL_ROUTINE_EXCEPTION;
	ReThrowError(error);
}

bool
tl_http_function_call(Oid function, const NullableDatum *args, Datum *answer)
{
	LOCAL_FCINFO(call, 2);
	MemoryContext context = CurrentMemoryContext;
	FmgrInfo info;
	TlRunAs scope;

	fmgr_info(function, &info);
	InitFunctionCallInfoData(*call, &info, 2, InvalidOid, NULL, NULL);
	for (int i = 0; i < 2; i++)
		call->args[i] = args[i];
	if (info.fn_strict && (args[0].isnull || args[1].isnull))
		return false;
	tl_run_as_begin(&scope, function);
	PG_TRY();
	{
		*answer = FunctionCallInvoke(call);
	}
	PG_CATCH();
	{
		tl_http_function_failed(function, context);
	}
	PG_END_TRY();
	tl_run_as_end(&scope);
	return !call->isnull;
}

/* What a function makes of a body may write such numbers out, many times if it has many. */
static void
check_body(const NullableDatum *body)
{
	Jsonb *json;

	if (body->isnull)
		return;
	json = DatumGetJsonbP(body->value);
	if (tl_value_has_long_number(&json->root))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s %s", tl_value_long_number_path("body", &json->root),
							   TL_JSON_NUMBER_PROBLEM)));
}

/* The function of the call's route, which answers at once. */
static TlHttpFunction
function_of_call(FunctionCallInfo fcinfo)
{
	TlHttpFunction function;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("route must not be null")));
	function = tl_http_function(PG_GETARG_DATUM(0));
	if (function.is_set)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("route \"%s\" answers in parts", TextDatumGetCString(PG_GETARG_DATUM(0))),
				 errhint("Call telemetry.http_parts().")));
	return function;
}

/* http_call(route text, params jsonb, body jsonb) returns http_response */
Datum
telemetry_http_call(PG_FUNCTION_ARGS)
{
	TlHttpFunction function;
	Datum answer;

	check_body(&fcinfo->args[2]);
	function = function_of_call(fcinfo);
	if (!tl_http_function_call(function.oid, &fcinfo->args[1], &answer))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(answer);
}

/* Of a route that is there; NULL if its dialect is not, as while a dump is restored. */
static const TlDialect *
dialect_of_route(Datum route)
{
	MemoryContext context = CurrentMemoryContext;
	TlStatementScope scope;
	TlSlice name;
	bool is_null;

	tl_routes_refresh();
	tl_statement_begin(&scope);
	tl_statement_execute(&find_dialect, &route, NULL, true, 1);
	if (SPI_processed == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("there is no route \"%s\"", TextDatumGetCString(route))));
	name = tl_slice_copy(context, tl_slice_of_text(SPI_getbinval(
									  SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null)));
	tl_statement_end(&scope);
	return tl_dialect_find(name);
}

/* What the route's dialect says of something in the body that no function can be given. */
static Datum
refuse_fault(FunctionCallInfo fcinfo, const TlJsonFault *fault)
{
	const char *path = tl_json_fault_path(fault, 0);
	const char *dot = *path == '\0' || *path == '[' ? "" : ".";
	TlHttpAnswer answer = tl_http_problem(dialect_of_route(PG_GETARG_DATUM(0)), 400, NULL,
										  psprintf("body%s%s %s", dot, path, fault->problem));

	return tl_http_response(fcinfo, &answer);
}

/* http_call(route text, params jsonb, body text) returns http_response */
Datum
telemetry_http_call_of_text(PG_FUNCTION_ARGS)
{
	NullableDatum args[2] = {fcinfo->args[1], {.isnull = true}};
	TlHttpFunction function = function_of_call(fcinfo);
	TlJsonMended mended;
	Datum answer;

	if (!PG_ARGISNULL(2))
	{
		tl_json_mend(tl_slice_of_text(PG_GETARG_DATUM(2)), false, &mended);
		if (mended.n_faults > 0)
			PG_RETURN_DATUM(refuse_fault(fcinfo, &mended.faults[0]));
		args[1] = (NullableDatum){.value = JsonbPGetDatum(mended.json)};
	}
	if (!tl_http_function_call(function.oid, args, &answer))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(answer);
}
