/*
 * fdw_scan.h
 *		Reading telemetry.point.
 */
#ifndef TL_FDW_SCAN_H
#define TL_FDW_SCAN_H

#include "base/compat.h"

#include "nodes/execnodes.h"
#include "read/source.h"

extern void tl_fdw_begin_scan(ForeignScanState *node, int eflags);
extern TupleTableSlot *tl_fdw_iterate(ForeignScanState *node);
extern void tl_fdw_rescan(ForeignScanState *node);
extern void tl_fdw_end_scan(ForeignScanState *node);

/* What a scan has read so far, over all its rescans. */
extern void tl_fdw_scan_stats(const ForeignScanState *node, TlReadStats *stats);

#endif
