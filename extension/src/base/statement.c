/*
 * statement.c
 *		Statements that run as the owner of the extension.  See statement.h.
 */
#include "base/statement.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "miscadmin.h"
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

void
tl_statement_begin(TlStatementScope *scope)
{
	/* An error restores the user with the transaction's state; no PG_TRY is needed. */
	GetUserIdAndSecContext(&scope->user, &scope->security_context);
	SetUserIdAndSecContext(relation_owner(tl_relation("block")), scope->security_context |
																	 SECURITY_LOCAL_USERID_CHANGE |
																	 SECURITY_NOFORCE_RLS);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
tl_statement_end(const TlStatementScope *scope)
{
	SPI_finish();
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
