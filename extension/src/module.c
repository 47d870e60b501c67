/*
 * module.c
 *		Entry points of the library: start-up and the foreign data wrapper's handler.
 */
#include "compat.h"

#include "access/reloptions.h"
#include "catalog/pg_foreign_table.h"
#include "commands/defrem.h"
#include "fdw.h"
#include "fmgr.h"
#include "guc.h"

PG_MODULE_MAGIC;

extern void _PG_init(void);

void
_PG_init(void)
{
	tl_guc_define();
}

PG_FUNCTION_INFO_V1(telemetry_fdw_handler);
PG_FUNCTION_INFO_V1(telemetry_fdw_validator);

Datum
telemetry_fdw_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = tl_fdw_rel_size;
	routine->GetForeignPaths = tl_fdw_paths;
	routine->GetForeignPlan = tl_fdw_plan;
	routine->BeginForeignScan = tl_fdw_begin_scan;
	routine->IterateForeignScan = tl_fdw_iterate;
	routine->ReScanForeignScan = tl_fdw_rescan;
	routine->EndForeignScan = tl_fdw_end_scan;
	routine->ExplainForeignScan = tl_fdw_explain;
	routine->AnalyzeForeignTable = tl_fdw_analyze;
	routine->AddForeignUpdateTargets = tl_fdw_add_update_targets;
	routine->IsForeignRelUpdatable = tl_fdw_updatable;
	routine->PlanForeignModify = tl_fdw_plan_modify;
	routine->BeginForeignModify = tl_fdw_begin_modify;
	routine->ExecForeignInsert = tl_fdw_insert;
	routine->EndForeignModify = tl_fdw_end_modify;
	routine->BeginForeignInsert = tl_fdw_begin_insert;
	routine->EndForeignInsert = tl_fdw_end_modify;
	PG_RETURN_POINTER(routine);
}

/* There are no options; anything given is a mistake. */
Datum
telemetry_fdw_validator(PG_FUNCTION_ARGS)
{
	List *options = untransformRelOptions(PG_GETARG_DATUM(0));

	if (options != NIL)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
						errmsg("invalid option \"%s\"", linitial_node(DefElem, options)->defname),
						errhint("telemetry_fdw takes no options.")));
	PG_RETURN_VOID();
}
