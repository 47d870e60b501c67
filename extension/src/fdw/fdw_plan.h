/*
 * fdw_plan.h
 *		Sizes, paths and plans of a scan of telemetry.point.
 */
#ifndef TL_FDW_PLAN_H
#define TL_FDW_PLAN_H

#include "base/compat.h"

#include "fdw/point_column.h"
#include "nodes/pathnodes.h"
#include "nodes/plannodes.h"
#include "store/store.h"

/* What ForeignScan.fdw_private holds: integer lists, the last three not for a count. */
enum
{
	TL_PRIVATE_KEY_COLUMNS, /* beside fdw_exprs */
	TL_PRIVATE_KEY_OPS,		/* likewise */
	TL_PRIVATE_LEVELS,		/* TlLevels */
	TL_PRIVATE_PAGES,		/* of the store when the plan was made */
	TL_PRIVATE_COLUMNS,		/* set of columns that are wanted */
	TL_PRIVATE_ORDER		/* TlScanOrder, and whether by windows: of many series */
};

/*
 * How many different values there are among the points that a scan's keys let through.  Their product
 * is the number of points: so many are expected to match by all three in a join with as many others.
 */
typedef struct TlDistinct
{
	double devices; /* 0: not known yet */
	double metrics;
	double times; /* of one series */
} TlDistinct;

/* What the planner knows of a table, in RelOptInfo.fdw_private. */
typedef struct TlRelPlan
{
	TlPointMap map;
	TlLevels levels;
	bool newest;   /* one point of each series */
	double blocks; /* that a scan opens */
	double days;   /* that its range has */
	TlDistinct distinct;
} TlRelPlan;

extern void tl_fdw_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid table);
/* When a plan is run: if the store has outgrown it, the next run will have another. */
extern void tl_fdw_check_plan(const ForeignScan *plan);
extern void tl_fdw_paths(PlannerInfo *root, RelOptInfo *rel, Oid table);
extern ForeignScan *tl_fdw_plan(PlannerInfo *root, RelOptInfo *rel, Oid table, ForeignPath *best,
								List *tlist, List *clauses, Plan *outer);

#endif
