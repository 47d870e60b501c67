/*
 * refresh.h
 *		Rollups computed again.
 */
#ifndef TL_REFRESH_H
#define TL_REFRESH_H

#include "read/source.h"

/*
 * Computes again the hours of a device that overlap [from, to], their days and their series; a
 * metric of no bytes means all.  Rollups whose points are no more are removed.  Hours whose points
 * retention has dropped stay as they are; but with forget, those wholly within [from, to] go.
 * Returns how many hours were written.  The caller holds the mixed bucket's lock and has an active
 * snapshot taken since.
 */
extern int64 tl_refresh(TlSlice device, TlSlice metric, int64 from, int64 to, bool forget);

#endif
