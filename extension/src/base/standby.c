/*
 * standby.c
 *		What is refused where nothing can be written.  See standby.h.
 *
 * The server itself refuses these, but with words about a read-only transaction, or about locks
 * that cannot be taken during recovery.
 */
#include "base/standby.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "executor/executor.h"
#include "nodes/parsenodes.h"
#include "parser/parsetree.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"

static ExecutorStart_hook_type previous_start;
static ProcessUtility_hook_type previous_utility;

void
tl_require_writable(const char *what)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION), errmsg("cannot %s on a standby", what),
				 errdetail("This server follows another one, and can only be read."),
				 errhint("Connect to the primary server.")));
	if (XactReadOnly)
		ereport(ERROR, (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
						errmsg("cannot %s in a read-only transaction", what)));
}

static void
refuse_write_to(Oid relation)
{
	Oid schema = get_rel_namespace(relation);

	if (OidIsValid(schema) && schema == get_namespace_oid("telemetry", true))
		tl_require_writable(psprintf("write to telemetry.%s", get_rel_name(relation)));
}

static void
executor_start(QueryDesc *query, int flags)
{
	PlannedStmt *planned = query->plannedstmt;
	ListCell *lc;

	if (planned->resultRelations != NIL && !(flags & EXEC_FLAG_EXPLAIN_ONLY) &&
		RecoveryInProgress())
		foreach(lc, planned->resultRelations)
			refuse_write_to(rt_fetch(lfirst_int(lc), planned->rtable)->relid);
	(previous_start != NULL ? previous_start : standard_ExecutorStart)(query, flags);
}

static void
process_utility(PlannedStmt *planned, const char *text, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
				DestReceiver *receiver, QueryCompletion *completion)
{
	Node *command = planned->utilityStmt;

	if (IsA(command, CopyStmt) && RecoveryInProgress())
	{
		CopyStmt *copy = castNode(CopyStmt, command);

		if (copy->is_from && copy->relation != NULL)
			refuse_write_to(RangeVarGetRelid(copy->relation, NoLock, true));
	}
	(previous_utility != NULL ? previous_utility : standard_ProcessUtility)(
		planned, text, read_only_tree, context, params, environment, receiver, completion);
}

void
tl_standby_define(void)
{
	previous_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
