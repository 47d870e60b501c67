/*
 * fdw_count.h
 *		SELECT count(*) without rows.
 *
 * A count is a scan without a relation of its own; the functions of fdw_scan.h and fdw_plan.h hand
 * it on to these.
 */
#ifndef TL_FDW_COUNT_H
#define TL_FDW_COUNT_H

#include "base/compat.h"

#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
#include "read/source.h"

static inline bool
tl_fdw_is_count(const ForeignScanState *node)
{
	return ((const ForeignScan *) node->ss.ps.plan)->scan.scanrelid == 0;
}

extern void tl_fdw_upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input,
							   RelOptInfo *output, void *extra);
extern ForeignScan *tl_count_plan(RelOptInfo *rel, List *tlist);
extern void tl_count_begin(ForeignScanState *node);
extern TupleTableSlot *tl_count_iterate(ForeignScanState *node);
extern void tl_count_rescan(ForeignScanState *node);
extern const TlReadStats *tl_count_stats(const ForeignScanState *node);

#endif
