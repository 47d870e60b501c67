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
	double tuples; /* before conditions that are no keys */
	double blocks;
	double days; /* of the range, where there are points at all */
} TlScanSize;

/*
 * Of a scan by these clauses, which are RestrictInfos.  The first time for a relation also says what its
 * TlRelPlan has to know of different values.
 */
extern void tl_estimate_scan(PlannerInfo *root, RelOptInfo *rel, List *clauses, TlScanSize *size);

#endif
