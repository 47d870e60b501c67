/*
 * test_sketch_bytes.c
 *		The stored form of quantile sketches: its size, round trips, hostile bytes.
 */
#include <math.h>

#include "backend.h"
#include "sketches.h"
#include "tap.h"

static void
hour_of_a_sensor_takes_few_bytes(void)
{
	Random random = {6};
	double v[360];
	double constant[360];
	Bytes bytes;

	for (int i = 0; i < 360; i++)
	{
		/* 20 to 25 degrees, of which 12 buckets see something. */
		v[i] = 22.5 + 2.5 * sin(i / 57.0) + (double) random_below(&random, 10) / 100;
		constant[i] = 21.5;
	}
	bytes = sketch_bytes_of(v, 360);
	printf("# an hour takes %zu bytes\n", bytes.len);
	TAP_CHECK(bytes.len <= 25);
	TAP_CHECK(sketch_bytes_of(constant, 360).len <= 8);
	backend_reset();
}

typedef struct Input
{
	Bytes bytes;
	TlSketch s;
	TlReader rest;
} Input;

static void
decode(void *arg)
{
	Input *in = arg;

	in->rest = tl_reader(in->bytes.data, in->bytes.len);
	tl_sketch_decode(&in->s, &in->rest);
}

static void
merge_bytes(void *arg)
{
	Input *in = arg;

	tl_sketch_merge_bytes(&in->s, in->bytes.data, in->bytes.len);
}

/* What is wrong with the bytes, a copy that ends where its memory does; NULL if nothing is. */
static const char *
outcome(const char *data, size_t len)
{
	Input in = {.bytes = {memcpy(palloc(len), data, len), len}};
	const char *problem;

	tl_sketch_init(&in.s);
	problem = backend_catch(decode, &in);
	if (problem == NULL)
	{
		size_t used = len - tl_reader_left(&in.rest);

		TAP_CHECK(sketch_is_same(sketch_encode(&in.s), (Bytes){in.bytes.data, used}));
		TAP_CHECK(tl_sketch_count(&in.s) > 0 || used == 2);
		(void) tl_sketch_quantile(&in.s, 0.5);

		/* The other way to read allows nothing behind it. */
		tl_sketch_reset(&in.s);
		TAP_CHECK((backend_catch(merge_bytes, &in) == NULL) == (used == len));
	}
	else
	{
		tl_sketch_reset(&in.s);
		TAP_CHECK(backend_catch(merge_bytes, &in) == problem);
	}
	return problem;
}

static void
sketch_survives_encoding(void)
{
	Random random = {7};

	for (int round = 0; round < 500; round++)
	{
		uint32 n = (uint32) random_below(&random, 500);
		Bytes bytes = sketch_bytes_of(sketch_random_values(&random, n), n);

		TAP_CHECK(outcome(bytes.data, bytes.len) == NULL);
		backend_reset();
	}
}

static void
decoding_replaces_and_leaves_the_rest(void)
{
	static const double v[] = {1, 2, 3};
	Bytes bytes = sketch_bytes_of(v, 3);
	Input in = {.bytes = {palloc(bytes.len + 4), bytes.len + 4}};

	memcpy(in.bytes.data, bytes.data, bytes.len);
	memcpy(in.bytes.data + bytes.len, "rest", 4);
	tl_sketch_init(&in.s);
	tl_sketch_add(&in.s, 77);
	tl_sketch_add(&in.s, NAN);
	TAP_CHECK(backend_catch(decode, &in) == NULL);
	TAP_CHECK(sketch_is_same(sketch_encode(&in.s), bytes));
	TAP_CHECK(tl_reader_left(&in.rest) == 4);
	backend_reset();
}

static void
damaged_bytes_are_corrupt_or_another_sketch(void)
{
	Random random = {8};

	for (int round = 0; round < 20; round++)
	{
		Bytes bytes = sketch_bytes_of(sketch_random_values(&random, 30), 30);

		for (size_t len = 0; len < bytes.len; len++)
			TAP_CHECK(outcome(bytes.data, len) != NULL);
		for (size_t at = 0; at < bytes.len; at++)
			for (int flip = 1; flip < 256; flip++)
			{
				bytes.data[at] ^= (char) flip;
				(void) outcome(bytes.data, bytes.len);
				bytes.data[at] ^= (char) flip;
			}
		backend_reset();
	}
}

static void
random_bytes_do_no_harm(void)
{
	Random random = {9};

	for (int round = 0; round < 50000; round++)
	{
		char data[64];
		size_t len = random_below(&random, sizeof(data));

		random_fill(&random, data, len);
		if (len >= 2)
		{
			data[0] = 1;
			data[1] &= 0x3f;
		}
		for (size_t i = 2; i < len; i++)
			if (random_below(&random, 2))
				data[i] &= 3;
		(void) outcome(data, len);
		backend_reset();
	}
}

#define OUTCOME(literal) outcome(literal, sizeof(literal) - 1)

static void
hostile_bytes_are_corrupt(void)
{
	TAP_CHECK(OUTCOME("") != NULL);
	TAP_CHECK(OUTCOME("\1") != NULL);
	TAP_CHECK(OUTCOME("\1\0") == NULL);
	TAP_CHECK(OUTCOME("\0\0") != NULL);
	TAP_CHECK(OUTCOME("\2\0") != NULL);
	TAP_CHECK(OUTCOME("\1\x40") != NULL);
	TAP_CHECK(OUTCOME("\1\x80") != NULL);
	/* Counters. */
	TAP_CHECK(OUTCOME("\1\2\1") == NULL);
	TAP_CHECK(OUTCOME("\1\2\0") != NULL);
	TAP_CHECK(OUTCOME("\1\2\x80\1") == NULL);
	TAP_CHECK(OUTCOME("\1\2\x81\0") != NULL);
	TAP_CHECK(OUTCOME("\1\2\xff\xff\xff\xff\xff\xff\xff\xff\xff\1") == NULL);
	TAP_CHECK(OUTCOME("\1\2\xff\xff\xff\xff\xff\xff\xff\xff\xff\2") != NULL);
	TAP_CHECK(OUTCOME("\1\2\xff\xff\xff\xff\xff\xff\xff\xff\xff\x80\1") != NULL);
	/* One bucket; none; one that is empty; one too few. */
	TAP_CHECK(OUTCOME("\1\x20\2\1\5") == NULL);
	TAP_CHECK(OUTCOME("\1\x20\2\0") != NULL);
	TAP_CHECK(OUTCOME("\1\x20\2\1\0") != NULL);
	TAP_CHECK(OUTCOME("\1\x20\2\1\0\1\5") != NULL);
	TAP_CHECK(OUTCOME("\1\x20\2\2\5") != NULL);
	/* Gaps: of one, of none, two in a row, none behind. */
	TAP_CHECK(OUTCOME("\1\x20\2\2\5\0\1\5") == NULL);
	TAP_CHECK(OUTCOME("\1\x20\2\2\5\0\0\5") != NULL);
	TAP_CHECK(OUTCOME("\1\x20\2\2\5\0\1\0\1\5") != NULL);
	TAP_CHECK(OUTCOME("\1\x20\2\2\5\0\1") != NULL);
	/* The window is 2048 wide: 2046 between two. */
	TAP_CHECK(OUTCOME("\1\x20\2\2\5\0\xfe\x0f\5") == NULL);
	TAP_CHECK(OUTCOME("\1\x20\2\2\5\0\xff\x0f\5") != NULL);
	TAP_CHECK(OUTCOME("\1\x20\2\2\5\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\5") != NULL);
	/* Indexes from -37220 to 35488. */
	TAP_CHECK(OUTCOME("\1\x20\xc7\xc5\4\1\5") == NULL);
	TAP_CHECK(OUTCOME("\1\x20\xc9\xc5\4\1\5") != NULL);
	TAP_CHECK(OUTCOME("\1\x20\xc0\xaa\4\1\5") == NULL);
	TAP_CHECK(OUTCOME("\1\x20\xc0\xaa\4\2\5\5") != NULL);
	TAP_CHECK(OUTCOME("\1\x20\xc2\xaa\4\1\5") != NULL);
	TAP_CHECK(OUTCOME("\1\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\1\5") != NULL);
	TAP_CHECK(OUTCOME("\1\x20\2\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\5") != NULL);
	backend_reset();
}

int
main(void)
{
	TAP_RUN(hour_of_a_sensor_takes_few_bytes);
	TAP_RUN(sketch_survives_encoding);
	TAP_RUN(decoding_replaces_and_leaves_the_rest);
	TAP_RUN(damaged_bytes_are_corrupt_or_another_sketch);
	TAP_RUN(random_bytes_do_no_harm);
	TAP_RUN(hostile_bytes_are_corrupt);
	return tap_end();
}
