/*
 * worker_command.c
 *		Keeps workers out of the way of commands.
 *
 * DROP DATABASE, ALTER DATABASE RENAME and SET TABLESPACE, and CREATE DATABASE TEMPLATE refuse
 * a database that others are connected to.  While one of them runs, the worker of its database is
 * stopped and not started again.
 *
 * ALTER EXTENSION telemetry UPDATE takes the lock that DROP EXTENSION would take by itself
 * (installed.h): no job is under way during the update, and none begins until it has committed.
 * Then a worker that had left, because of the version, is started again.
 */
#include "jobs/worker_command.h"

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "jobs/worker_slot.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"

static ProcessUtility_hook_type previous_hook = NULL;

static const char *
option_of(List *options, const char *name)
{
	ListCell *cell;

	foreach(cell, options)
	{
		DefElem *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return NULL;
}

/* The database that a command needs for itself, NULL if it needs none. */
static const char *
database_needed(Node *command)
{
	switch (nodeTag(command))
	{
		case T_DropdbStmt:
			return castNode(DropdbStmt, command)->dbname;
		case T_CreatedbStmt:
			return option_of(castNode(CreatedbStmt, command)->options, "template");
		case T_AlterDatabaseStmt:
			{
				AlterDatabaseStmt *alter = castNode(AlterDatabaseStmt, command);

				return option_of(alter->options, "tablespace") != NULL ? alter->dbname : NULL;
			}
		case T_RenameStmt:
			{
				RenameStmt *rename = castNode(RenameStmt, command);

				return rename->renameType == OBJECT_DATABASE ? rename->subname : NULL;
			}
		default:
			return NULL;
	}
}

/*
 * The worker to stop for a command.  Not for one who may not run it, nor where it cannot run:
 * that is an error soon, but would stop the worker first.
 */
static Oid
worker_in_the_way(Node *command, ProcessUtilityContext context)
{
	const char *name = database_needed(command);
	Oid database;

	if (name == NULL || context != PROCESS_UTILITY_TOPLEVEL || IsTransactionBlock())
		return InvalidOid;
	database = get_database_oid(name, true);
	if (!OidIsValid(database) || !tl_database_ownercheck(database, GetUserId()))
		return InvalidOid;
	return database;
}

static void
lock_for_update(AlterExtensionStmt *alter)
{
	Oid extension;

	if (strcmp(alter->extname, "telemetry") != 0)
		return;
	extension = get_extension_oid(alter->extname, true);
	if (OidIsValid(extension) && tl_extension_ownercheck(extension, GetUserId()))
	{
		LockDatabaseObject(ExtensionRelationId, extension, 0, AccessExclusiveLock);
		tl_slots_request_at_commit();
	}
}

static void
process_utility(PlannedStmt *planned, const char *query, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
				DestReceiver *receiver, QueryCompletion *completion)
{
	Node *command = planned->utilityStmt;
	Oid database = worker_in_the_way(command, context);

	/* If the worker does not leave in time, the command itself says what is in the way. */
	if (OidIsValid(database))
		(void) tl_database_hold(database);
	if (IsA(command, AlterExtensionStmt))
		lock_for_update(castNode(AlterExtensionStmt, command));
	(previous_hook != NULL ? previous_hook : standard_ProcessUtility)(
		planned, query, read_only_tree, context, params, environment, receiver, completion);
}

void
tl_worker_command_define(void)
{
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
