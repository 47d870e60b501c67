/*
 * fdw_estimate.h
 *		How many rows a scan of telemetry.point gives, and how many blocks it opens.
 */
#ifndef TL_FDW_ESTIMATE_H
#define TL_FDW_ESTIMATE_H

#include "base/compat.h"

#include "fdw/fdw_plan.h"
#include "nodes/pathnodes.h"

typedef struct TlScanSize
{
	double rows;
	double blocks;
	double days; /* of the range, where there are points at all */
} TlScanSize;

/* Of all points of the table. */
extern double tl_estimate_points(TlLevels levels);
/* Of a scan by these clauses, which are RestrictInfos. */
extern void tl_estimate_scan(PlannerInfo *root, RelOptInfo *rel, List *clauses, TlScanSize *size);

#endif
