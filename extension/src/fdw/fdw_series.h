/*
 * fdw_series.h
 *		About how many series there are, and how many points of some of them: for the planner.
 *
 * It looks at a bounded number of rows of telemetry.series, or into the newest blocks as long as
 * nothing has been rolled up.
 */
#ifndef TL_FDW_SERIES_H
#define TL_FDW_SERIES_H

#include "read/source.h"

/* Numbers of different ones, at least 1. */
typedef struct TlSeriesCounts
{
	double series;
	double devices;
	double metrics;
} TlSeriesCounts;

extern void tl_series_counts(TlSeriesCounts *counts);

typedef struct TlSeriesMatch
{
	double series; /* at least 1 */
	double points;
} TlSeriesMatch;

/*
 * About how many series with points in a range of time are of the filter's devices and metrics, and how
 * many points they have in it.  The range is the filter's, cut to where the store has points; all is how
 * many lie in it, of any series.
 */
extern void tl_series_match(const TlFilter *filter, double all, TlSeriesMatch *match);

#endif
