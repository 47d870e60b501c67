/*
 * fdw_handler.c
 *		The foreign data wrapper behind telemetry.point, of whose parts this is the list:
 *
 *		point_column.c	the columns of a point, by name
 *		row_maker.c		rows out of runs
 *		fdw_option.c	options of foreign tables
 *		fdw_keys.c		which clauses can be pushed down, and their values at run time
 *		fdw_plan.c		paths and plans
 *		fdw_estimate.c	rows and blocks of a scan
 *		fdw_series.c	series, for estimates
 *		fdw_statistics.c	different values, for joins and groups
 *		fdw_scan.c		reading
 *		fdw_window.c	rows of many series in the order of time
 *		fdw_count.c		count(*) instead of reading
 *		fdw_explain.c	what EXPLAIN shows
 *		fdw_modify.c	INSERT and COPY
 *		fdw_analyze.c	sampling
 */
#include "base/compat.h"

#include "fdw/fdw_analyze.h"
#include "fdw/fdw_count.h"
#include "fdw/fdw_explain.h"
#include "fdw/fdw_modify.h"
#include "fdw/fdw_plan.h"
#include "fdw/fdw_scan.h"
#include "fmgr.h"
#include "foreign/fdwapi.h"

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
