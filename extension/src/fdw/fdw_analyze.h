/*
 * fdw_analyze.h
 *		ANALYZE telemetry.point.
 */
#ifndef TL_FDW_ANALYZE_H
#define TL_FDW_ANALYZE_H

#include "base/compat.h"

#include "foreign/fdwapi.h"

extern bool tl_fdw_analyze(Relation table, AcquireSampleRowsFunc *func, BlockNumber *pages);

#endif
