/*
 * test_sketch.c
 *		Quantile sketches: within 1 %, the same bytes in any order, the window.
 */
#include <float.h>
#include <math.h>

#include "backend.h"
#include "sketches.h"
#include "tap.h"

static double
double_of(uint64 bits)
{
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static uint64
bits_of(double v)
{
	uint64 bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

/* The order of float8 in SQL. */
static int
compare(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	if (isnan(x) || isnan(y))
		return isnan(x) - isnan(y);
	return (x > y) - (x < y);
}

static double
exact_quantile(const double *sorted, uint32 n, double q)
{
	double rank = ceil(q * n);

	return sorted[rank < 1 ? 0 : (uint32) rank - 1];
}

static bool
is_near(double estimate, double exact)
{
	if (isnan(exact))
		return isnan(estimate);
	if (isinf(exact) || exact == 0)
		return estimate == exact;
	/* Half of the least float8 may be lost by rounding. */
	return fabs(estimate - exact) <= fabs(exact) * 0.01 * (1 + 1e-10) + 0x1p-1074;
}

static void
quantiles_are_within_one_percent(void)
{
	Random random = {1};

	for (int round = 0; round < 400; round++)
	{
		uint32 n = 1 + (uint32) random_below(&random, random_below(&random, 4) == 0 ? 5000 : 100);
		double *v = palloc(sizeof(double) * n);
		uint64 style = random_below(&random, SKETCH_STYLES);
		TlSketch s;

		tl_sketch_init(&s);
		for (uint32 i = 0; i < n; i++)
		{
			/* Now and then something that has no place in the buckets. */
			v[i] = sketch_random_value(&random,
									   random_below(&random, 10) == 0 ? SKETCH_SPECIAL : style);
			tl_sketch_add(&s, v[i]);
		}
		qsort(v, n, sizeof(double), compare);
		TAP_CHECK(tl_sketch_count(&s) == n);
		for (int i = 0; i <= 1000; i++)
		{
			double q = i <= 900 ? i / 900.0 : random_fraction(&random);

			TAP_CHECK(is_near(tl_sketch_quantile(&s, q), exact_quantile(v, n, q)));
		}
		backend_reset();
	}
}

static void
quantiles_have_the_order_of_float8(void)
{
	static const double sorted[] = {-INFINITY, -100, -1, 0, 1, 100, INFINITY, NAN};
	TlSketch s;

	tl_sketch_init(&s);
	for (int i = lengthof(sorted) - 1; i >= 0; i--)
		tl_sketch_add(&s, sorted[i]);
	for (size_t i = 0; i < lengthof(sorted); i++)
		TAP_CHECK(is_near(tl_sketch_quantile(&s, (double) (i + 1) / lengthof(sorted)), sorted[i]));
	TAP_CHECK(tl_sketch_quantile(&s, 0) == -INFINITY);
	backend_reset();
}

static void
empty_sketch_has_no_quantile(void)
{
	TlSketch s;
	TlSketch other;

	tl_sketch_init(&s);
	tl_sketch_init(&other);
	TAP_CHECK(isnan(tl_sketch_quantile(&s, 0.5)));
	TAP_CHECK(tl_sketch_count(&s) == 0);
	tl_sketch_merge(&s, &other);
	TAP_CHECK(sketch_encode(&s).len == 2);
	backend_reset();
}

static int32
index_of(TlSketch *s, double v)
{
	tl_sketch_reset(s);
	tl_sketch_add(s, v);
	return v > 0 ? s->positive.lowest : s->negative.lowest;
}

/* The bucket that a value is counted in after another one, which may have been of the same. */
static int32
index_after(TlSketch *s, double before, double v)
{
	int32 index;

	tl_sketch_reset(s);
	tl_sketch_add(s, before);
	index = s->positive.lowest;
	tl_sketch_add(s, v);
	if (*tl_sketch_bucket(&s->positive, index) == 2)
		return index;
	return s->positive.lowest == index ? s->positive.highest : s->positive.lowest;
}

static bool
is_middle_near(TlSketch *s, double v)
{
	tl_sketch_reset(s);
	tl_sketch_add(s, v);
	return is_near(tl_sketch_quantile(s, 0.5), v);
}

/* Goes through all buckets, from bound to bound. */
static void
every_bucket_begins_where_the_one_below_ends(void)
{
	uint64 end = bits_of(DBL_MAX);
	uint64 lower = 0;
	int32 index = TL_SKETCH_INDEX_MIN;
	TlSketch s;

	tl_sketch_init(&s);
	TAP_CHECK(index_of(&s, 0x1p-1074) == TL_SKETCH_INDEX_MIN);
	TAP_CHECK(index_of(&s, DBL_MAX) == TL_SKETCH_INDEX_MAX);
	TAP_CHECK(index_of(&s, 1) == 0);
	TAP_CHECK(index_of(&s, nextafter(1, 2)) == 1);
	while (lower < end)
	{
		/* A bucket is at most 2 % wide, which is less than so many bit patterns. */
		uint64 upper = Min(lower + (UINT64CONST(1) << 48), end);
		uint64 first = lower + 1;
		long double bound;

		/* Among the least numbers some buckets have none. */
		index = index_of(&s, double_of(first));
		if (index == TL_SKETCH_INDEX_MAX)
			upper = end;
		else
		{
			uint64 inside = first;

			while (upper - inside > 1)
			{
				uint64 middle = inside + (upper - inside) / 2;

				if (index_of(&s, double_of(middle)) > index)
					upper = middle;
				else
					inside = middle;
			}
			upper = inside;
		}

		bound = powl(101.0L / 99, index);
		if (double_of(upper) > 0x1p-1021 && upper < end)
			TAP_CHECK(fabsl(double_of(upper) - bound) <= bound * 1e-11L);
		TAP_CHECK(index_of(&s, double_of(upper)) == index);
		TAP_CHECK(index_of(&s, -double_of(upper)) == index);
		TAP_CHECK(is_middle_near(&s, double_of(first)));
		TAP_CHECK(is_middle_near(&s, -double_of(upper)));
		TAP_CHECK(index_after(&s, double_of(upper), double_of(first)) == index);
		TAP_CHECK(index_after(&s, double_of(first), double_of(upper)) == index);
		if (upper < end)
		{
			int32 next = index_of(&s, double_of(upper + 1));

			TAP_CHECK(next > index);
			TAP_CHECK(index_after(&s, double_of(upper), double_of(upper + 1)) == next);
			TAP_CHECK(index_after(&s, double_of(upper + 1), double_of(upper)) == index);
		}
		lower = upper;
	}
	TAP_CHECK(index == TL_SKETCH_INDEX_MAX);
	backend_reset();
}

static void
same_magnitude_of_other_sign_is_another_bucket(void)
{
	TlSketch s;

	tl_sketch_init(&s);
	for (int i = 0; i < 3; i++)
	{
		tl_sketch_add(&s, 1.5);
		tl_sketch_add(&s, -1.5);
	}
	TAP_CHECK(*tl_sketch_bucket(&s.positive, s.positive.lowest) == 3);
	TAP_CHECK(*tl_sketch_bucket(&s.negative, s.negative.lowest) == 3);
	backend_reset();
}

static void
largest_values_are_not_infinite(void)
{
	TlSketch s;

	tl_sketch_init(&s);
	tl_sketch_add(&s, DBL_MAX);
	tl_sketch_add(&s, INFINITY);
	tl_sketch_add(&s, -DBL_MAX);
	tl_sketch_add(&s, -INFINITY);
	TAP_CHECK(s.plus_infinity == 1 && s.minus_infinity == 1);
	TAP_CHECK(is_near(tl_sketch_quantile(&s, 0.75), DBL_MAX));
	TAP_CHECK(is_near(tl_sketch_quantile(&s, 0.5), -DBL_MAX));
	backend_reset();
}

static void
shuffle(Random *random, double *v, uint32 n)
{
	for (uint32 i = n; i > 1; i--)
	{
		uint32 other = (uint32) random_below(random, i);
		double swap = v[other];

		v[other] = v[i - 1];
		v[i - 1] = swap;
	}
}

static void
order_of_values_does_not_matter(void)
{
	Random random = {2};

	for (int round = 0; round < 300; round++)
	{
		uint32 n = 1 + (uint32) random_below(&random, 500);
		double *v = sketch_random_values(&random, n);
		Bytes bytes = sketch_bytes_of(v, n);

		for (int i = 0; i < 5; i++)
		{
			shuffle(&random, v, n);
			TAP_CHECK(sketch_is_same(sketch_bytes_of(v, n), bytes));
		}
		qsort(v, n, sizeof(double), compare);
		TAP_CHECK(sketch_is_same(sketch_bytes_of(v, n), bytes));
		backend_reset();
	}
}

static void
merging_is_adding_all(void)
{
	Random random = {3};

	for (int round = 0; round < 300; round++)
	{
		uint32 n = 1 + (uint32) random_below(&random, 500);
		double *v = sketch_random_values(&random, n);
		Bytes bytes = sketch_bytes_of(v, n);
		TlSketch part[8];
		uint32 parts = 1 + (uint32) random_below(&random, lengthof(part));

		for (uint32 i = 0; i < parts; i++)
			tl_sketch_init(&part[i]);
		for (uint32 i = 0; i < n; i++)
			tl_sketch_add(&part[random_below(&random, parts)], v[i]);

		/* Any two at a time, until one is left. */
		while (parts > 1)
		{
			uint32 into = (uint32) random_below(&random, parts);
			uint32 from = (into + 1 + (uint32) random_below(&random, parts - 1)) % parts;
			Bytes stored = sketch_encode(&part[from]);

			if (random_below(&random, 2))
				tl_sketch_merge(&part[into], &part[from]);
			else
				tl_sketch_merge_bytes(&part[into], stored.data, stored.len);
			TAP_CHECK(sketch_is_same(sketch_encode(&part[from]), stored));
			tl_sketch_free(&part[from]);
			part[from] = part[--parts];
		}
		TAP_CHECK(tl_sketch_count(&part[0]) == n);
		TAP_CHECK(sketch_is_same(sketch_encode(&part[0]), bytes));
		backend_reset();
	}
}

static void
values_are_added_after_a_merge(void)
{
	static const double all[] = {1, 1, 1e10, 1e10, 1e10, 1e-10, 1};
	TlSketch s;
	TlSketch wide;

	tl_sketch_init(&s);
	tl_sketch_init(&wide);
	tl_sketch_add(&wide, 1e10);
	tl_sketch_add(&wide, 1e-10);
	tl_sketch_add(&s, 1);
	tl_sketch_add(&s, 1);
	tl_sketch_merge(&s, &wide);
	tl_sketch_add(&s, 1);
	tl_sketch_add(&s, 1e10);
	tl_sketch_add(&s, 1e10);
	TAP_CHECK(sketch_is_same(sketch_encode(&s), sketch_bytes_of(all, lengthof(all))));
	backend_reset();
}

static void
sketch_merged_into_itself_counts_twice(void)
{
	Random random = {4};
	double *v = sketch_random_values(&random, 200);
	double twice[400];
	TlSketch s;

	tl_sketch_init(&s);
	for (int i = 0; i < 200; i++)
	{
		tl_sketch_add(&s, v[i]);
		twice[i] = twice[i + 200] = v[i];
	}
	tl_sketch_merge(&s, &s);
	TAP_CHECK(sketch_is_same(sketch_encode(&s), sketch_bytes_of(twice, 400)));
	backend_reset();
}

static void
smallest_magnitudes_collapse(void)
{
	static const double v[] = {1e-300, -1e-200, 1e-3, 5, -7, 1e18, -1e30, 1e-5, 2e18};
	TlSketch s;

	tl_sketch_init(&s);
	for (size_t i = 0; i < lengthof(v); i++)
	{
		tl_sketch_add(&s, v[i]);
		TAP_CHECK(s.positive.highest - s.positive.lowest < TL_SKETCH_BUCKETS_MAX);
		TAP_CHECK(s.positive.size <= TL_SKETCH_BUCKETS_MAX);
	}
	TAP_CHECK(s.positive.highest - s.positive.lowest == TL_SKETCH_BUCKETS_MAX - 1);
	TAP_CHECK(s.negative.highest - s.negative.lowest == TL_SKETCH_BUCKETS_MAX - 1);
	/* 1e-300, 1e-3 and 1e-5 are together now, 5 is within the window. */
	TAP_CHECK(*tl_sketch_bucket(&s.positive, s.positive.lowest) == 3);
	TAP_CHECK(*tl_sketch_bucket(&s.negative, s.negative.lowest) == 2);
	TAP_CHECK(tl_sketch_count(&s) == lengthof(v));
	TAP_CHECK(is_near(tl_sketch_quantile(&s, 7.0 / 9), 5));
	TAP_CHECK(is_near(tl_sketch_quantile(&s, 1), 2e18));
	TAP_CHECK(is_near(tl_sketch_quantile(&s, 0), -1e30));
	/* What comes later is counted there too, a second time as well as the first. */
	tl_sketch_add(&s, 1e-100);
	tl_sketch_add(&s, 1e-100);
	tl_sketch_add(&s, 1e-101);
	TAP_CHECK(*tl_sketch_bucket(&s.positive, s.positive.lowest) == 6);
	backend_reset();
}

static void
window_is_2048_buckets_to_the_last_one(void)
{
	TlSketch s;

	tl_sketch_init(&s);
	tl_sketch_add_count(&s, &s.positive, 1000, 1);
	tl_sketch_add_count(&s, &s.positive, 1000 - (TL_SKETCH_BUCKETS_MAX - 1), 2);
	TAP_CHECK(*tl_sketch_bucket(&s.positive, 1000 - (TL_SKETCH_BUCKETS_MAX - 1)) == 2);
	tl_sketch_add_count(&s, &s.positive, 1000 - TL_SKETCH_BUCKETS_MAX, 4);
	TAP_CHECK(*tl_sketch_bucket(&s.positive, 1000 - (TL_SKETCH_BUCKETS_MAX - 1)) == 6);
	tl_sketch_add_count(&s, &s.positive, 1001, 8);
	TAP_CHECK(s.positive.lowest == 1001 - (TL_SKETCH_BUCKETS_MAX - 1));
	TAP_CHECK(*tl_sketch_bucket(&s.positive, s.positive.lowest) == 6);
	/* Everything so far is below the new window. */
	tl_sketch_add_count(&s, &s.positive, 30000, 16);
	TAP_CHECK(*tl_sketch_bucket(&s.positive, s.positive.lowest) == 15);
	TAP_CHECK(tl_sketch_count(&s) == 31);
	backend_reset();
}

static void
reset_sketch_is_as_new(void)
{
	Random random = {5};
	TlSketch s;

	tl_sketch_init(&s);
	for (int round = 0; round < 300; round++)
	{
		uint32 n = (uint32) random_below(&random, 300);
		double *v = sketch_random_values(&random, n);

		for (uint32 i = 0; i < n; i++)
			tl_sketch_add(&s, v[i]);
		TAP_CHECK(sketch_is_same(sketch_encode(&s), sketch_bytes_of(v, n)));
		tl_sketch_reset(&s);
		TAP_CHECK(sketch_encode(&s).len == 2);
	}
	backend_reset();
}

static void
counts_stop_at_the_largest(void)
{
	TlSketch s;
	TlSketch other;
	Bytes bytes;

	tl_sketch_init(&s);
	tl_sketch_init(&other);
	tl_sketch_add(&s, 1);
	tl_sketch_add_count(&s, &s.positive, 0, PG_UINT64_MAX - 2);
	for (int i = 0; i < 4; i++)
		tl_sketch_add(&s, 1);
	s.zero = PG_UINT64_MAX - 1;
	for (int i = 0; i < 4; i++)
		tl_sketch_add(&s, 0);
	TAP_CHECK(*tl_sketch_bucket(&s.positive, 0) == PG_UINT64_MAX);
	TAP_CHECK(s.zero == PG_UINT64_MAX);
	bytes = sketch_encode(&s);
	tl_sketch_merge(&other, &s);
	tl_sketch_merge_bytes(&other, bytes.data, bytes.len);
	TAP_CHECK(sketch_is_same(sketch_encode(&other), bytes));
	TAP_CHECK(tl_sketch_count(&s) == PG_UINT64_MAX);
	TAP_CHECK(tl_sketch_quantile(&s, 0.5) == 0);
	TAP_CHECK(tl_sketch_quantile(&s, 1) == 0); /* the rank is one of the largest count, too */
	s.zero = 1;
	TAP_CHECK(is_near(tl_sketch_quantile(&s, 1), 1));
	backend_reset();
}

int
main(void)
{
	TAP_RUN(quantiles_are_within_one_percent);
	TAP_RUN(quantiles_have_the_order_of_float8);
	TAP_RUN(empty_sketch_has_no_quantile);
	TAP_RUN(every_bucket_begins_where_the_one_below_ends);
	TAP_RUN(same_magnitude_of_other_sign_is_another_bucket);
	TAP_RUN(largest_values_are_not_infinite);
	TAP_RUN(order_of_values_does_not_matter);
	TAP_RUN(merging_is_adding_all);
	TAP_RUN(values_are_added_after_a_merge);
	TAP_RUN(sketch_merged_into_itself_counts_twice);
	TAP_RUN(smallest_magnitudes_collapse);
	TAP_RUN(window_is_2048_buckets_to_the_last_one);
	TAP_RUN(reset_sketch_is_as_new);
	TAP_RUN(counts_stop_at_the_largest);
	return tap_end();
}
