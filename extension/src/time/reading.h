/*
 * reading.h
 *		Numbers and their times, gathered by an aggregate to be looked at in the order of time.
 *
 * They take 16 bytes each, in one piece in the context that they were begun in.  Mostly they come
 * in order, and then are not sorted.  Those of one time are in the order of their numbers, so that
 * it does not matter in which order they came.
 */
#ifndef TL_TIME_READING_H
#define TL_TIME_READING_H

#include "base/compat.h"

typedef struct TlReading
{
	int64 ts;
	double value;
} TlReading;

typedef struct TlReadings
{
	TlReading *items;
	int64 n;
	int64 size;
	bool sorted;
} TlReadings;

extern void tl_readings_begin(TlReadings *readings);
extern void tl_readings_add(TlReadings *readings, int64 ts, double value);
extern void tl_readings_sort(TlReadings *readings);

/* From one time to a later one, in microseconds: the difference may be beyond int64. */
static inline double
tl_time_between(int64 from, int64 to)
{
	return (double) ((uint64) to - (uint64) from);
}

/* The value at ts on the line from a to b, of which the times differ and ts is not outside. */
extern double tl_reading_between(const TlReading *a, const TlReading *b, int64 ts);

#endif
