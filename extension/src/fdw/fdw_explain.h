/*
 * fdw_explain.h
 *		What EXPLAIN shows of a scan of telemetry.point.
 */
#ifndef TL_FDW_EXPLAIN_H
#define TL_FDW_EXPLAIN_H

#include "base/compat.h"

#include "nodes/execnodes.h"

struct ExplainState;

extern void tl_fdw_explain(ForeignScanState *node, struct ExplainState *es);

#endif
