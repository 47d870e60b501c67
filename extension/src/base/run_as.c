/*
 * run_as.c
 *		Functions of users that we call.  See run_as.h.
 */
#include "base/run_as.h"

#include "access/htup_details.h"
#include "base/statement.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/syscache.h"

static Oid
function_owner(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("function with OID %u does not exist", function)));
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return owner;
}

void
tl_run_as_begin(TlRunAs *scope, Oid function)
{
	Oid owner = function_owner(function);

	GetUserIdAndSecContext(&scope->user, &scope->security_context);
	scope->guc_level = NewGUCNestLevel();
	(void) tl_search_path_pin();
	/* What it reads under row security is not for the caller to switch off. */
	(void) set_config_option("row_security", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	/* Also of the session's user: the current one may have been set by SET ROLE, which can be reset. */
	if (!has_privs_of_role(owner, scope->user) || !has_privs_of_role(owner, GetSessionUserId()))
		SetUserIdAndSecContext(owner, (scope->security_context & ~SECURITY_NOFORCE_RLS) |
										  SECURITY_LOCAL_USERID_CHANGE |
										  SECURITY_RESTRICTED_OPERATION);
}

void
tl_run_as_end(const TlRunAs *scope)
{
	/* The search path's level lies above ours and ends with it; so does whatever the function has set. */
	AtEOXact_GUC(false, scope->guc_level);
	SetUserIdAndSecContext(scope->user, scope->security_context);
}
