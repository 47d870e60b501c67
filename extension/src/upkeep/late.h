/*
 * late.h
 *		Which late points are dropped as they are rolled up, because retention has been there.
 *
 * An expired point that is rolled up may take the place of an older one with the same key.  To
 * drop it while that one is still stored would bring the old value back.  So a point is dropped
 * only where none with its key can be left: on a day that retention has gone through, by the
 * rules that there are.  Any other expired point is rolled up, and left to the pass that will drop
 * it: the next one begins after rolling up has committed, and one that is under way has not come
 * so far.
 */
#ifndef TL_LATE_H
#define TL_LATE_H

#include "base/slice.h"

typedef struct TlLate TlLate;

/*
 * How far retention is, for points of UTC days from first_day on; palloc'd in the current context.
 * The caller has the mixed bucket's lock, so that no pass begins.  If one is under way that such
 * points concern, its steps are kept away to the end of the transaction; null if one is at work.
 */
extern TlLate *tl_late_load(int64 first_day, int buckets);

/* Whether a bucket's points of a metric and UTC day are to be dropped as they are rolled up. */
extern bool tl_late_is_dropped(const TlLate *late, int bucket, TlSlice metric, int64 day);

/* Whether all points of a UTC day are, whatever they are of. */
extern bool tl_late_is_day_dropped(const TlLate *late, int64 day);

#endif
