/*
 * codec_time.h
 *		Strictly increasing timestamps of one series, in microseconds.
 *
 * First and last timestamp travel with the series' directory entry, so a stream holds only
 * what lies between them.  All differences are divided by a unit that divides every one of
 * them: a microsecond, a millisecond or a second.
 *
 *	TL_TIME_REGULAR	no bytes at all: n points, evenly spaced from first to last
 *	TL_TIME_RUNS	pairs (delta, run length) of varints, until n - 1 deltas are given
 *	TL_TIME_DELTAS	varint of the smallest delta, then of each delta's excess over it
 */
#ifndef TL_CODEC_TIME_H
#define TL_CODEC_TIME_H

#include "base/bytes.h"

typedef enum TlTimeMode
{
	TL_TIME_REGULAR = 0,
	TL_TIME_RUNS = 1,
	TL_TIME_DELTAS = 2
} TlTimeMode;

/* Units are stored by their index. */
#define TL_TIME_UNITS 3
extern const int64 tl_time_unit[TL_TIME_UNITS];

/* The index of the largest unit that divides base and every difference in ts. */
extern int tl_time_choose_unit(const int64 *ts, uint32 n, int64 base);

/* Appends the stream of n >= 1 timestamps to buf and tells how it is coded. */
extern TlTimeMode tl_time_encode(TlBuf *buf, const int64 *ts, uint32 n, int unit);

/* Fills ts[n]; raises corruption unless the stream leads from first to exactly last. */
extern void tl_time_decode(TlReader *r, TlTimeMode mode, int unit, int64 first, int64 last,
						   uint32 n, int64 *ts);

#endif
