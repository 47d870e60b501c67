/*
 * statement.c
 *		Statements that run as the owner of the extension.  See statement.h.
 *
 * Nothing that the caller has created may be found by a name in them: so where the user changes,
 * the search path does, too.  Names of pg_catalog may then be written without their schema, ours
 * have it.
 */
#include "base/statement.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

Oid
tl_relation(const char *name)
{
	Oid schema = get_namespace_oid("telemetry", false);
	Oid oid = get_relname_relid(name, schema);

	if (!OidIsValid(oid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("table \"telemetry.%s\" does not exist", name),
						errhint("Run CREATE EXTENSION telemetry in this database.")));
	return oid;
}

static Oid
relation_owner(Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

static Oid known_owner = InvalidOid;

static void
forget_owner(Datum arg, int cache, uint32 hash)
{
	known_owner = InvalidOid;
}

/* Kept until any table or schema changes: looking it up costs as much as a small statement. */
Oid
tl_owner(void)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterSyscacheCallback(RELOID, forget_owner, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, forget_owner, (Datum) 0);
		registered = true;
	}
	if (!OidIsValid(known_owner))
		known_owner = relation_owner(tl_relation("block"));
	return known_owner;
}

int
tl_search_path_pin(void)
{
	int level;

	if (strcmp(namespace_search_path, TL_SEARCH_PATH) == 0)
		return 0;
	level = NewGUCNestLevel();
	(void) set_config_option("search_path", TL_SEARCH_PATH, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	return level;
}

void
tl_search_path_restore(int level)
{
	if (level != 0)
		AtEOXact_GUC(false, level);
}

void
tl_statement_begin(TlStatementScope *scope)
{
	/* An error restores user and search path with the transaction's state; no PG_TRY is needed. */
	GetUserIdAndSecContext(&scope->user, &scope->security_context);
	SetUserIdAndSecContext(tl_owner(), scope->security_context | SECURITY_LOCAL_USERID_CHANGE |
										   SECURITY_NOFORCE_RLS);
	scope->guc_level = tl_search_path_pin();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
tl_statement_end(const TlStatementScope *scope)
{
	SPI_finish();
	tl_search_path_restore(scope->guc_level);
	SetUserIdAndSecContext(scope->user, scope->security_context);
}

static SPIPlanPtr
prepared(TlStatement *s)
{
	if (s->plan == NULL)
	{
		SPIPlanPtr plan = SPI_prepare_cursor(s->sql, s->n_args, s->args, CURSOR_OPT_GENERIC_PLAN);

		if (plan == NULL)
			elog(ERROR, "could not prepare \"%s\": %s", s->sql, SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		s->plan = plan;
	}
	return s->plan;
}

int
tl_statement_execute(TlStatement *s, Datum *values, const char *nulls, bool read_only, long limit)
{
	int rc = SPI_execute_plan(prepared(s), values, nulls, read_only, limit);

	if (rc < 0)
		elog(ERROR, "could not execute \"%s\": %s", s->sql, SPI_result_code_string(rc));
	return rc;
}

int
tl_statement_execute_planned(TlStatement *s, Datum *values, const char *nulls, bool read_only,
							 long limit)
{
	int rc = SPI_execute_with_args(s->sql, s->n_args, s->args, values, nulls, read_only, limit);

	if (rc < 0)
		elog(ERROR, "could not execute \"%s\": %s", s->sql, SPI_result_code_string(rc));
	return rc;
}
