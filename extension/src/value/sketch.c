/*
 * sketch.c
 *		The quantile sketch: which bucket a value belongs to, merging, quantiles.
 *
 * Which bucket a value belongs to is decided by one function, upper_bound(), that gives the
 * largest float8 of a bucket.  It multiplies two numbers of tables that are themselves made by
 * multiplication and division alone, so every machine finds the same bucket; a logarithm is used
 * only to guess where to look.  Bounds, like values without their sign, are handled as the bits
 * of a float8, which have the same order.
 *
 * The stored form is in sketch_bytes.c.
 */
#include "value/sketch.h"

#include <float.h>
#include <math.h>

#define SIGN_BIT (UINT64CONST(1) << 63)
#define MANTISSA_BITS 52
#define INFINITY_BITS (UINT64CONST(0x7ff) << MANTISSA_BITS)
#define LARGEST_BITS (INFINITY_BITS - 1)

/* A bucket's values are within 1 % of this part of its upper bound: 2 / (gamma + 1). */
#define MIDDLE 0.99

/* The float8s next to gamma and to gamma^64. */
#define GAMMA 0x1.052bf5a814afdp+0
#define GAMMA_64 0x1.cc63b82ad0049p+1

/*
 * gamma^i is coarse[(i + ORIGIN) / FINE] * fine[(i + ORIGIN) % FINE].  Below 1 the coarse powers
 * are kept times 2^128, away from the subnormal numbers, which lack digits.
 */
#define FINE 64
#define COARSE_BELOW_1 582
#define ORIGIN (COARSE_BELOW_1 * FINE)
#define COARSE ((TL_SKETCH_INDEX_MAX + ORIGIN) / FINE + 1)
#define SCALE 0x1p128

/* Each octave is cut into so many cells, narrower than a bucket, for the guess. */
#define CELL_BITS 7
#define CELLS (1 << CELL_BITS)

#define FIRST_SIZE 16

StaticAssertDecl(TL_SKETCH_INDEX_MIN > -ORIGIN, "the table of powers must reach the least index");
StaticAssertDecl(TL_SKETCH_BUCKETS_MAX % FIRST_SIZE == 0, "sizes of a ring are powers of two");

static double fine[FINE];
static double coarse[COARSE];
static double cell_index[CELLS]; /* index of the cell's lower end in the octave of 1 */
static double indexes_per_octave;

static inline uint64
bits_of(double v)
{
	uint64 bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

static void
fill_tables(void)
{
	double gamma_log = log(GAMMA);

	fine[0] = 1;
	for (int i = 1; i < FINE; i++)
		fine[i] = fine[i - 1] * GAMMA;

	for (int i = 0; i < CELLS; i++)
		cell_index[i] = log(1 + (double) i / CELLS) / gamma_log;
	indexes_per_octave = log(2) / gamma_log;

	coarse[COARSE_BELOW_1 - 1] = SCALE / GAMMA_64;
	for (int i = COARSE_BELOW_1 - 2; i >= 0; i--)
		coarse[i] = coarse[i + 1] / GAMMA_64;
	coarse[COARSE_BELOW_1] = 1;
	for (int i = COARSE_BELOW_1 + 1; i < COARSE; i++)
		coarse[i] = coarse[i - 1] * GAMMA_64;
}

/* factor * gamma^index, factor being 1 or less; times SCALE if *scaled. */
static inline double
power(int32 index, double factor, bool *scaled)
{
	uint32 place = (uint32) (index + ORIGIN);

	*scaled = place < ORIGIN;
	/* In this order, the product for the largest index need not overflow. */
	return coarse[place / FINE] * (fine[place % FINE] * factor);
}

/* The bits of the largest float8 that is not above gamma^index. */
static inline uint64
upper_bound(int32 index)
{
	bool scaled;
	double bound = power(index, 1, &scaled);
	double unscaled;

	if (!scaled)
		return Min(bits_of(bound), LARGEST_BITS);
	unscaled = bound * (1 / SCALE);
	/* Among the subnormals it may have been rounded up. */
	return bits_of(unscaled) - (unscaled * SCALE > bound);
}

/* A value within 1 % of all of the bucket, as near as float8 has one. */
static double
middle(int32 index)
{
	bool scaled;
	double v = power(index, MIDDLE, &scaled);

	return scaled ? v * (1 / SCALE) : Min(v, DBL_MAX);
}

/* The bucket of a finite magnitude above 0, given by its bits; and its bounds. */
static int32
find_index(uint64 bits, uint64 *lower, uint64 *upper)
{
	uint64 normal = bits;
	int32 octave = -1023;
	int32 index;
	double guess;

	if (unlikely(bits >> MANTISSA_BITS == 0))
	{
		/* A subnormal number is so many times 2^-1074. */
		normal = bits_of((double) bits);
		octave -= 1074;
	}
	octave += (int32) (normal >> MANTISSA_BITS);
	guess = octave * indexes_per_octave +
			cell_index[normal >> (MANTISSA_BITS - CELL_BITS) & (CELLS - 1)];
	/* Rounded up; a cell may reach into the bucket above, but no further. */
	index = (int32) (guess + ORIGIN) + 1 - ORIGIN;

	*upper = upper_bound(index);
	while (bits > *upper)
		*upper = upper_bound(++index);
	*lower = upper_bound(index - 1);
	while (bits <= *lower)
	{
		*upper = *lower;
		*lower = upper_bound(--index - 1);
	}
	return index;
}

static void
init_buckets(TlSketchBuckets *buckets)
{
	buckets->size = FIRST_SIZE;
	buckets->count = palloc0(sizeof(uint64) * FIRST_SIZE);
	buckets->lowest = 0;
	buckets->highest = -1;
}

static void
reset_buckets(TlSketchBuckets *buckets)
{
	for (int32 i = buckets->lowest; i <= buckets->highest; i++)
		*tl_sketch_bucket(buckets, i) = 0;
	buckets->lowest = 0;
	buckets->highest = -1;
}

/* Makes room for so many indexes. */
static void
grow(TlSketchBuckets *buckets, uint32 span)
{
	uint32 before = buckets->size;

	if (span <= before)
		return;
	while (buckets->size < span)
		buckets->size *= 2;
	/* repalloc, for it keeps the memory context. */
	buckets->count = repalloc(buckets->count, sizeof(uint64) * buckets->size);
	memset(buckets->count + before, 0, sizeof(uint64) * (buckets->size - before));

	/* An index stays in its place or moves to the new part, where nothing is yet. */
	for (int32 i = buckets->lowest; i <= buckets->highest; i++)
	{
		uint64 *from = &buckets->count[(uint32) i & (before - 1)];
		uint64 *to = tl_sketch_bucket(buckets, i);

		if (to != from)
		{
			*to = *from;
			*from = 0;
		}
	}
}

/* Moves the window upwards. */
static void
raise_highest(TlSketchBuckets *buckets, int32 highest)
{
	int32 lowest = highest - (TL_SKETCH_BUCKETS_MAX - 1);
	int32 end = Min(lowest, buckets->highest + 1);
	uint64 below = 0;

	if (lowest <= buckets->lowest)
	{
		grow(buckets, (uint32) (highest - buckets->lowest + 1));
		buckets->highest = highest;
		return;
	}
	for (int32 i = buckets->lowest; i < end; i++)
	{
		uint64 *count = tl_sketch_bucket(buckets, i);

		below = tl_sketch_sum(below, *count);
		*count = 0;
	}
	buckets->lowest = end;
	grow(buckets, TL_SKETCH_BUCKETS_MAX);
	buckets->lowest = lowest;
	buckets->highest = highest;
	*tl_sketch_bucket(buckets, lowest) = tl_sketch_sum(*tl_sketch_bucket(buckets, lowest), below);
}

/* The count of a bucket, which the caller must not leave 0. */
static uint64 *
use_bucket(TlSketchBuckets *buckets, int32 index)
{
	if (tl_sketch_is_empty(buckets))
		buckets->lowest = buckets->highest = index;
	else if (index > buckets->highest)
		raise_highest(buckets, index);
	else if (index < buckets->lowest)
	{
		index = Max(index, buckets->highest - (TL_SKETCH_BUCKETS_MAX - 1));
		if (index < buckets->lowest)
		{
			grow(buckets, (uint32) (buckets->highest - index + 1));
			buckets->lowest = index;
		}
	}
	return tl_sketch_bucket(buckets, index);
}

/* What last_count points to may be elsewhere, or of another bucket. */
static inline void
forget_last(TlSketch *s)
{
	s->last_width = 0;
}

void
tl_sketch_init(TlSketch *s)
{
	if (coarse[0] == 0)
		fill_tables();
	memset(s, 0, sizeof(*s));
	init_buckets(&s->positive);
	init_buckets(&s->negative);
}

void
tl_sketch_reset(TlSketch *s)
{
	forget_last(s);
	reset_buckets(&s->positive);
	reset_buckets(&s->negative);
	s->zero = s->minus_infinity = s->plus_infinity = s->nan = 0;
}

void
tl_sketch_free(TlSketch *s)
{
	pfree(s->positive.count);
	pfree(s->negative.count);
	memset(s, 0, sizeof(*s));
}

void
tl_sketch_add_elsewhere(TlSketch *s, uint64 bits)
{
	uint64 sign = bits & SIGN_BIT;
	uint64 magnitude = bits ^ sign;
	uint64 *count;

	if (likely(magnitude - 1 < LARGEST_BITS))
	{
		uint64 lower;
		uint64 upper;
		int32 index = find_index(magnitude, &lower, &upper);

		count = use_bucket(sign != 0 ? &s->negative : &s->positive, index);
		s->last_first = sign | (lower + 1);
		s->last_width = upper - lower;
		s->last_count = count;
	}
	else if (magnitude == 0)
		count = &s->zero;
	else if (magnitude > INFINITY_BITS)
		count = &s->nan;
	else
		count = sign != 0 ? &s->minus_infinity : &s->plus_infinity;
	*count = tl_sketch_sum(*count, 1);
}

void
tl_sketch_add_count(TlSketch *s, TlSketchBuckets *buckets, int32 index, uint64 n)
{
	uint64 *count;

	if (n == 0)
		return;
	forget_last(s);
	count = use_bucket(buckets, index);
	*count = tl_sketch_sum(*count, n);
}

static void
merge_buckets(TlSketchBuckets *into, const TlSketchBuckets *from)
{
	/* Downwards: the window then moves once at most. */
	for (int32 i = from->highest; i >= from->lowest; i--)
	{
		uint64 n = *tl_sketch_bucket(from, i);

		if (n != 0)
		{
			uint64 *count = use_bucket(into, i);

			*count = tl_sketch_sum(*count, n);
		}
	}
}

void
tl_sketch_merge(TlSketch *into, const TlSketch *from)
{
	forget_last(into);
	into->minus_infinity = tl_sketch_sum(into->minus_infinity, from->minus_infinity);
	merge_buckets(&into->negative, &from->negative);
	into->zero = tl_sketch_sum(into->zero, from->zero);
	merge_buckets(&into->positive, &from->positive);
	into->plus_infinity = tl_sketch_sum(into->plus_infinity, from->plus_infinity);
	into->nan = tl_sketch_sum(into->nan, from->nan);
}

static uint64
count_of_buckets(const TlSketchBuckets *buckets)
{
	uint64 n = 0;

	for (int32 i = buckets->lowest; i <= buckets->highest; i++)
		n = tl_sketch_sum(n, *tl_sketch_bucket(buckets, i));
	return n;
}

uint64
tl_sketch_count(const TlSketch *s)
{
	uint64 n = tl_sketch_sum(count_of_buckets(&s->negative), count_of_buckets(&s->positive));

	n = tl_sketch_sum(n, s->zero);
	n = tl_sketch_sum(n, s->nan);
	return tl_sketch_sum(n, tl_sketch_sum(s->minus_infinity, s->plus_infinity));
}

/* Whether the value of a rank, from 1, is among the next n; else the rank behind them. */
static inline bool
is_within(uint64 n, uint64 *rank)
{
	if (*rank <= n)
		return true;
	*rank -= n;
	return false;
}

double
tl_sketch_quantile(const TlSketch *s, double q)
{
	uint64 n = tl_sketch_count(s);
	double place = ceil(q * (double) n);
	uint64 rank;

	if (n == 0)
		return NAN;
	/* Not above n, which as a float8 may have been rounded up, to beyond uint64 even. */
	rank = place >= (double) n ? n : place < 1 ? 1 : (uint64) place;

	if (is_within(s->minus_infinity, &rank))
		return -INFINITY;
	for (int32 i = s->negative.highest; i >= s->negative.lowest; i--)
		if (is_within(*tl_sketch_bucket(&s->negative, i), &rank))
			return -middle(i);
	if (is_within(s->zero, &rank))
		return 0;
	for (int32 i = s->positive.lowest; i <= s->positive.highest; i++)
		if (is_within(*tl_sketch_bucket(&s->positive, i), &rank))
			return middle(i);
	return is_within(s->plus_infinity, &rank) ? INFINITY : NAN;
}
