/*
 * module.c
 *		Entry points of the library: start-up and the foreign data wrapper's handler.
 */
#include "base/compat.h"

#include "base/guc.h"
#include "fdw/fdw.h"
#include "fmgr.h"
#include "jobs/launcher.h"
#include "jobs/worker_command.h"
#include "jobs/worker_slot.h"

PG_MODULE_MAGIC;

extern void _PG_init(void);

void
_PG_init(void)
{
	tl_guc_define();
	if (process_shared_preload_libraries_in_progress)
	{
		tl_slots_define();
		tl_worker_command_define();
		tl_launcher_define();
	}
}

PG_FUNCTION_INFO_V1(telemetry_fdw_handler);

Datum
telemetry_fdw_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = tl_fdw_rel_size;
	routine->GetForeignPaths = tl_fdw_paths;
	routine->GetForeignUpperPaths = tl_fdw_upper_paths;
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
