/*
 * fuzz_sketch.c
 *		Any bytes as a quantile sketch; and any values, which give one sketch in any order.
 *
 *	input	u8 what follows: a sketch, or float8s of 8 bytes
 */
#include <math.h>

#include "backend.h"
#include "value/sketch.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(bool holds, const char *what)
{
	if (!holds)
		backend_die(what);
}

static TlBuf
encode(const TlSketch *s)
{
	TlBuf buf;

	tl_buf_init(&buf, 1);
	tl_sketch_encode(s, &buf);
	return buf;
}

static void
expect_same(const TlSketch *a, const TlSketch *b)
{
	TlBuf x = encode(a);
	TlBuf y = encode(b);

	expect(x.len == y.len && memcmp(x.data, y.data, x.len) == 0, "two sketches differ");
}

static void
expect_quantiles_to_rise(const TlSketch *s)
{
	double before = tl_sketch_quantile(s, 0);

	for (int i = 1; i <= 16; i++)
	{
		double v = tl_sketch_quantile(s, i / 16.0);

		expect(isnan(v) || v >= before, "a larger quantile is less");
		before = v;
	}
}

static void
read_sketch(void *arg)
{
	TlReader *r = arg;
	const uint8 *begin = r->at;
	TlSketch s;
	TlSketch other;
	TlBuf buf;

	tl_sketch_init(&s);
	tl_sketch_init(&other);
	tl_sketch_decode(&s, r);
	buf = encode(&s);
	expect(buf.len == (size_t) (r->at - begin) && memcmp(buf.data, begin, buf.len) == 0,
		   "a sketch has two stored forms");
	expect_quantiles_to_rise(&s);

	/* Twice, by both ways of merging, into one that has something, too. */
	tl_sketch_add(&other, 1);
	tl_sketch_add(&s, 1);
	tl_sketch_merge(&s, &s);
	for (int i = 0; i < 2; i++)
		tl_sketch_merge_bytes(&other, buf.data, buf.len);
	tl_sketch_add(&other, 1);
	expect_same(&s, &other);
	expect_quantiles_to_rise(&s);
}

static void
add_values(void *arg)
{
	TlReader *r = arg;
	size_t n = tl_reader_left(r) / sizeof(double);
	double *v = palloc(sizeof(double) * n);
	TlSketch forward;
	TlSketch backward;

	tl_sketch_init(&forward);
	tl_sketch_init(&backward);
	memcpy(v, r->at, sizeof(double) * n);
	for (size_t i = 0; i < n; i++)
	{
		tl_sketch_add(&forward, v[i]);
		tl_sketch_add(&backward, v[n - 1 - i]);
	}
	expect(tl_sketch_count(&forward) == n, "a value was not counted");
	expect_same(&forward, &backward);
	expect_quantiles_to_rise(&forward);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TlReader r;

	if (size < 1)
		return 0;
	r = tl_reader(memcpy(palloc(size - 1), data + 1, size - 1), size - 1);
	if (data[0] % 2 == 0)
		(void) backend_catch(read_sketch, &r);
	else
		expect(backend_catch(add_values, &r) == NULL, "values raised corruption");
	backend_reset();
	return 0;
}
