/*
 * sketches.h
 *		Values to make quantile sketches of, and sketches as bytes.
 *
 * All memory is palloc'd.
 */
#ifndef SKETCHES_H
#define SKETCHES_H

#include "sample.h"
#include "value/sketch.h"

/* Kinds of values: of a sensor, of both signs, wide, tiny, huge; the last has no buckets. */
#define SKETCH_STYLES 8
#define SKETCH_SPECIAL (SKETCH_STYLES - 1)

/* From 0 to below 1. */
extern double random_fraction(Random *random);

extern double sketch_random_value(Random *random, uint64 style);

/* Values of every kind, on most rounds wider than the window. */
extern double *sketch_random_values(Random *random, uint32 n);

extern Bytes sketch_encode(const TlSketch *s);

/* The sketch of the values in their order. */
extern Bytes sketch_bytes_of(const double *v, uint32 n);

extern bool sketch_is_same(Bytes a, Bytes b);

#endif
