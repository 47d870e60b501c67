/*
 * rollup.h
 *		What is kept of the points of one series in one hour or day.
 *
 * Numbers are summed up; points of other kinds are only counted.  A rollup of later points can be
 * appended to one of earlier ones, which gives the rollup of both.  m2 is the sum of squared
 * distances from the mean, added up as in Chan, Golub and LeVeque (1979), so that the standard
 * deviation of a short hour far from zero keeps its digits.
 */
#ifndef TL_ROLLUP_H
#define TL_ROLLUP_H

#include "block/run.h"
#include "value/sketch.h"

typedef struct TlRollup
{
	int64 n;	/* numeric points; of 0, what follows up to last has no meaning */
	double sum; /* of their values, as the rest */
	double m2;
	double min; /* in the order of float8: NaN is the greatest */
	double max;
	double first;
	double last;
	int64 others;	/* points of other kinds */
	int64 first_ts; /* of all points */
	int64 last_ts;
	TlSlice sketch; /* encoded, see sketch.c; of no bytes when n is 0 */
} TlRollup;

static inline bool
tl_rollup_empty(const TlRollup *r)
{
	return r->n == 0 && r->others == 0;
}

static inline int64
tl_rollup_points(const TlRollup *r)
{
	return r->n + r->others;
}

/* A rollup in the making, used again and again; the sketch's memory is kept. */
typedef struct TlRollupBuilder
{
	TlRollup rollup;
	TlSketch sketch;
} TlRollupBuilder;

extern void tl_rollup_init(TlRollupBuilder *builder);
extern void tl_rollup_reset(TlRollupBuilder *builder);

/* Adds points later than all before. */
extern void tl_rollup_add(TlRollupBuilder *builder, const TlRun *run);

/* The rollup of what was added; its sketch is palloc'd in the current memory context. */
extern void tl_rollup_finish(const TlRollupBuilder *builder, TlRollup *rollup);

/* Appends the rollup of later points, all but its sketch. */
extern void tl_rollup_append_sums(TlRollup *into, const TlRollup *later);

/* Appends the rollup of later points; the sketch of both is palloc'd likewise. */
extern void tl_rollup_append(TlRollup *into, const TlRollup *later, TlSketch *scratch);

#endif
