/*
 * http_function.h
 *		The functions that routes call.
 *
 * They are users', whom the rows of telemetry.route name; base/run_as.h says with whose rights they
 * run.
 */
#ifndef TL_HTTP_FUNCTION_H
#define TL_HTTP_FUNCTION_H

#include "base/compat.h"

typedef struct TlHttpFunction
{
	Oid oid;
	bool is_set; /* SETOF telemetry.http_part, else telemetry.http_response */
} TlHttpFunction;

/*
 * The function of a route (method, a space, path), which the current user may execute.  Errors:
 * undefined_object if no such route calls a function, undefined_function if it is gone,
 * insufficient_privilege.
 */
extern TlHttpFunction tl_http_function(Datum route);

/*
 * Of an error that one has raised, in PG_CATCH: raises it again.  If only a change of the function can mend
 * it, it is another one then, external_routine_exception: outside of the function such an error may be
 * one of an extension that is being made, which passes.
 */
pg_noreturn extern void tl_http_function_failed(Oid function, MemoryContext context);

/*
 * Calls one that answers at once, with the params and body of which `args` has the values.  False if
 * the answer is null.
 */
extern bool tl_http_function_call(Oid function, const NullableDatum *args, Datum *answer);

#endif
