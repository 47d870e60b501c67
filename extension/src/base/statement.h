/*
 * statement.h
 *		Our own statements, and the rights that they run with.
 *
 * Whoever reads or writes the extension's tables does so with a statement of ours, which runs as
 * the owner of the extension, so that a user needs no privilege but that on what was called, and
 * with the search path pg_catalog, pg_temp, so that nothing of a user's is taken for ours.
 * WAL, visibility and locks are PostgreSQL's.
 */
#ifndef TL_STATEMENT_H
#define TL_STATEMENT_H

#include "base/compat.h"

/* The OID of a relation of the schema; raises if there is none. */
extern Oid tl_relation(const char *name);
/* The owner of the extension's tables. */
extern Oid tl_owner(void);

#define TL_SEARCH_PATH "pg_catalog, pg_temp"

/* Until it is restored, or the (sub)transaction fails. */
extern int tl_search_path_pin(void);
extern void tl_search_path_restore(int level);

/*
 * A statement with its argument types.  It is planned on first use, for any values, and kept.
 * Between begin and end an SPI connection is open.
 */
typedef struct TlStatement
{
	const char *sql;
	int n_args;
	Oid args[16];
	struct _SPI_plan *plan;
} TlStatement;

typedef struct TlStatementScope
{
	Oid user;
	int security_context;
	int guc_level;
} TlStatementScope;

extern void tl_statement_begin(TlStatementScope *scope);
extern void tl_statement_end(const TlStatementScope *scope);
extern int tl_statement_execute(TlStatement *statement, Datum *values, const char *nulls,
								bool read_only, long limit);
/* The same, planned for these values alone: where a plan made for small tables would do harm. */
extern int tl_statement_execute_planned(TlStatement *statement, Datum *values, const char *nulls,
										bool read_only, long limit);

#endif
