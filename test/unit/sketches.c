/*
 * sketches.c
 *		Values to make quantile sketches of, and sketches as bytes.  See sketches.h.
 */
#include "sketches.h"

#include <float.h>
#include <math.h>

double
random_fraction(Random *random)
{
	return (double) (random_bits(random) >> 11) * 0x1p-53;
}

double
sketch_random_value(Random *random, uint64 style)
{
	static const double special[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, -NAN};
	double fraction = random_fraction(random);

	switch (style)
	{
		case 0:
			return 20 + fraction * 5;
		case 1:
			return (fraction - 0.5) * 200;
		case 2:
			return exp(fraction * 40);
		case 3:
			return -exp(fraction * 40 - 20);
		case 4:
			return (double) random_below(random, 100);
		case 5:
			return random_below(random, 2) ? 1e-310 * fraction : -1e-310 * fraction;
		case 6:
			return (fraction + 1) * (random_below(random, 2) ? DBL_MAX / 2 : -DBL_MAX / 2);
		default:
			return special[random_below(random, lengthof(special))];
	}
}

double *
sketch_random_values(Random *random, uint32 n)
{
	double *v = palloc(sizeof(double) * n);
	double width = (double) random_below(random, 600);

	for (uint32 i = 0; i < n; i++)
	{
		v[i] = exp((random_fraction(random) - 0.5) * width);
		if (random_below(random, 3) == 0)
			v[i] = -v[i];
		if (random_below(random, 20) == 0)
			v[i] = sketch_random_value(random, SKETCH_SPECIAL);
		if (i > 0 && random_below(random, 3) == 0)
			v[i] = v[i - 1];
	}
	return v;
}

Bytes
sketch_encode(const TlSketch *s)
{
	TlBuf buf;

	tl_buf_init(&buf, 1);
	tl_sketch_encode(s, &buf);
	return (Bytes){buf.data, buf.len};
}

bool
sketch_is_same(Bytes a, Bytes b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

Bytes
sketch_bytes_of(const double *v, uint32 n)
{
	TlSketch s;

	tl_sketch_init(&s);
	for (uint32 i = 0; i < n; i++)
		tl_sketch_add(&s, v[i]);
	return sketch_encode(&s);
}
