/*
 * sketch.h
 *		Quantiles of many float8 values in little memory, within 1 % of the value.
 *
 * DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with
 * relative-error guarantees", VLDB 2019).  With gamma = 1.01 / 0.99, bucket i counts the values
 * of gamma^(i - 1) < |v| <= gamma^i, and 0.99 gamma^i is within 1 % of each of them.  There are
 * buckets for positive and for negative values, and counters for zero (of either sign), the
 * infinities and NaN, so that quantiles have the order of float8 in SQL: NaN is the largest.
 *
 * Each side keeps a window of at most TL_SKETCH_BUCKETS_MAX indexes that ends at its largest
 * magnitude; what is smaller is counted in the lowest bucket of the window and loses the 1 %.
 * That takes magnitudes 6e17 apart.
 *
 * The same values give the same sketch, and the same bytes, in whatever order they were added
 * and merged.  Counts stop at the largest uint64.
 *
 * The arrays of a sketch belong to the memory context that tl_sketch_init was called in, also
 * when they grow later.  A sketch must not be copied by assignment: two would own its arrays.
 */
#ifndef TL_SKETCH_H
#define TL_SKETCH_H

#include "base/bytes.h"

#define TL_SKETCH_BUCKETS_MAX 2048

/* The buckets of the smallest and of the largest float8. */
#define TL_SKETCH_INDEX_MIN (-37220)
#define TL_SKETCH_INDEX_MAX 35488

/* A ring, so that the window may move either way and nothing is shifted. */
typedef struct TlSketchBuckets
{
	uint64 *count; /* 0 wherever no bucket is in use */
	uint32 size;   /* a power of two */
	int32 lowest;  /* the least and the greatest index in use, */
	int32 highest; /* less than lowest if there is none */
} TlSketchBuckets;

typedef struct TlSketch
{
	/* The bucket of the last value: it takes last_width bit patterns of float8, from last_first. */
	uint64 last_first;
	uint64 last_width;
	uint64 *last_count;

	TlSketchBuckets positive;
	TlSketchBuckets negative;
	uint64 zero;
	uint64 minus_infinity;
	uint64 plus_infinity;
	uint64 nan;
} TlSketch;

extern void tl_sketch_init(TlSketch *s);

/* Empties the sketch and keeps its memory. */
extern void tl_sketch_reset(TlSketch *s);

extern void tl_sketch_free(TlSketch *s);

/* As tl_sketch_add, of a value given by its bits; for it alone. */
extern void tl_sketch_add_elsewhere(TlSketch *s, uint64 bits);

/* Adds n values to a bucket; what is below the window goes to its lowest bucket. */
extern void tl_sketch_add_count(TlSketch *s, TlSketchBuckets *buckets, int32 index, uint64 n);

extern void tl_sketch_merge(TlSketch *into, const TlSketch *from);

/* The same from the encoded form, which is all of the len bytes.  Raises corruption. */
extern void tl_sketch_merge_bytes(TlSketch *into, const char *data, size_t len);

/* The same for callers that must not raise: NULL, or what is wrong and into is of no use. */
extern const char *tl_sketch_try_merge_bytes(TlSketch *into, const char *data, size_t len);

/* How many values were added. */
extern uint64 tl_sketch_count(const TlSketch *s);

/*
 * The value that q of all values, 0 to 1, are not above: within 1 % of what percentile_disc(q)
 * gives of the values themselves.  NaN if there are none.
 */
extern double tl_sketch_quantile(const TlSketch *s, double q);

extern void tl_sketch_encode(const TlSketch *s, TlBuf *buf);

/* Replaces what is in the sketch.  Raises corruption; may leave bytes that follow the sketch. */
extern void tl_sketch_decode(TlSketch *s, TlReader *r);

/* a + b, but no more than the largest. */
static inline uint64
tl_sketch_sum(uint64 a, uint64 b)
{
	return a > PG_UINT64_MAX - b ? PG_UINT64_MAX : a + b;
}

static inline bool
tl_sketch_is_empty(const TlSketchBuckets *buckets)
{
	return buckets->highest < buckets->lowest;
}

/* The count of a bucket whose index is in use. */
static inline uint64 *
tl_sketch_bucket(const TlSketchBuckets *buckets, int32 index)
{
	return &buckets->count[(uint32) index & (buckets->size - 1)];
}

/* Successive values of a series are mostly of one bucket, which then takes one comparison. */
static inline void
tl_sketch_add(TlSketch *s, double v)
{
	uint64 bits;

	memcpy(&bits, &v, sizeof(bits));
	if (likely(bits - s->last_first < s->last_width))
		*s->last_count += *s->last_count < PG_UINT64_MAX;
	else
		tl_sketch_add_elsewhere(s, bits);
}

#endif
