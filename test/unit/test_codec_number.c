/*
 * test_codec_number.c
 *		Numbers of a series: every bit comes back, decimals are small, hostile streams.
 */
#include <float.h>
#include <math.h>

#include "backend.h"
#include "block/codec_number.h"
#include "random.h"
#include "tap.h"

typedef struct Stream
{
	TlReader r;
	uint32 n;
	double *v;
} Stream;

static double
double_of(uint64 bits)
{
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static void
decode(void *arg)
{
	Stream *s = arg;

	s->v = palloc(sizeof(double) * s->n);
	tl_number_decode(&s->r, s->n, s->v);
}

/* Encodes, decodes and compares bits; the answer is the mode. */
static TlNumberMode
round_trip(const double *v, uint32 n, size_t *size)
{
	Stream s = {.n = n};
	TlNumberMode mode;
	TlBuf buf;

	tl_buf_init(&buf, 1);
	tl_number_encode(&buf, v, n);
	*size = buf.len;
	mode = (TlNumberMode) buf.data[0];
	s.r = tl_reader(memcpy(palloc(buf.len), buf.data, buf.len), buf.len);
	TAP_CHECK(backend_catch(decode, &s) == NULL);
	TAP_CHECK(memcmp(s.v, v, sizeof(double) * n) == 0);
	TAP_CHECK(tl_reader_left(&s.r) == 0);
	return mode;
}

static void
decimals_of_every_exponent_stay_decimals(void)
{
	Random random = {1};

	for (int digits = 0; digits <= 15; digits++)
	{
		double v[500];
		size_t size;

		for (int i = 0; i < 500; i++)
		{
			char text[40];

			/* As people write them; the compiler of numbers is the C library's. */
			snprintf(text, sizeof(text), "%s%d.%0*llu", random_below(&random, 2) ? "-" : "",
					 digits == 15 ? 1 : 1 + (int) random_below(&random, 2), Max(digits, 1),
					 digits == 0 ? 0ULL
								 : (unsigned long long) random_below(
									   &random, (uint64) pow(10, Min(digits, 14))));
			v[i] = strtod(text, NULL);
		}
		TAP_CHECK(round_trip(v, 500, &size) == TL_NUMBER_DECIMAL);
		backend_reset();
	}
}

static void
one_more_digit_than_fits_is_kept_as_bits(void)
{
	double v[3] = {1.5, 0.12345678901234567, 2};
	size_t size;

	TAP_CHECK(round_trip(v, 3, &size) == TL_NUMBER_XOR);
	backend_reset();
}

static void
neighbouring_decimals_cost_a_byte(void)
{
	Random random = {2};
	double v[4000];
	size_t size;

	v[0] = 21.5;
	for (int i = 1; i < 4000; i++)
		v[i] = rint(v[i - 1] * 10 + (double) random_below(&random, 100) - 50) / 10;
	TAP_CHECK(round_trip(v, 4000, &size) == TL_NUMBER_DECIMAL);
	TAP_CHECK(size <= 4010);
	backend_reset();
}

static void
integers_up_to_2_to_51_stay_decimals(void)
{
	static const double limits[] = {
		0, 1, -1, 255, 65536, 2147483648.0, -9007199254740.0, 0x1p50, -0x1p51, 0x1p51};
	size_t size;

	for (size_t i = 0; i < lengthof(limits); i++)
		TAP_CHECK(round_trip(&limits[i], 1, &size) == TL_NUMBER_DECIMAL);
	TAP_CHECK(round_trip(limits, lengthof(limits), &size) == TL_NUMBER_DECIMAL);
	backend_reset();
}

static void
larger_integers_are_kept_as_bits(void)
{
	static const double large[] = {0x1p51 + 1, -0x1p51 - 1,			  0x1p52, 0x1p53,  0x1p53 + 2,
								   1e16,	   9223372036854775807.0, 1e22,	  DBL_MAX, -DBL_MAX};
	size_t size;

	for (size_t i = 0; i < lengthof(large); i++)
	{
		double v[2] = {large[i], 1};

		TAP_CHECK(round_trip(v, 2, &size) == TL_NUMBER_XOR);
	}
	round_trip(large, lengthof(large), &size);
	backend_reset();
}

/* Each fits, but not once they share an exponent. */
static void
mantissas_that_outgrow_a_common_exponent_are_kept_as_bits(void)
{
	double v[3] = {0x1p50, 3, 0.5};
	size_t size;

	TAP_CHECK(round_trip(v, 3, &size) == TL_NUMBER_XOR);
	v[0] = 0x1p40;
	TAP_CHECK(round_trip(v, 3, &size) == TL_NUMBER_DECIMAL);
	/* The other way round: the exponent is there first. */
	v[0] = 0.5;
	v[2] = 0x1p50;
	TAP_CHECK(round_trip(v, 3, &size) == TL_NUMBER_XOR);
	backend_reset();
}

static void
zeros_keep_their_signs(void)
{
	double v[4] = {0.0, -0.0, -0.0, 0.0};
	size_t size;

	TAP_CHECK(round_trip(v, 4, &size) == TL_NUMBER_XOR);
	TAP_CHECK(round_trip(v + 1, 2, &size) == TL_NUMBER_CONSTANT);
	TAP_CHECK(round_trip(v, 1, &size) == TL_NUMBER_DECIMAL);
	backend_reset();
}

static void
what_is_no_number_keeps_its_bits(void)
{
	double v[] = {1.5,
				  double_of(UINT64CONST(0x7ff8000000000000)),
				  double_of(UINT64CONST(0xfff8000000000000)),
				  double_of(UINT64CONST(0x7ff0000000000001)),
				  double_of(UINT64CONST(0xfff123456789abcd)),
				  INFINITY,
				  -INFINITY,
				  2.5};
	size_t size;

	TAP_CHECK(round_trip(v, lengthof(v), &size) == TL_NUMBER_XOR);
	for (size_t i = 1; i + 1 < lengthof(v); i++)
	{
		double same[3] = {v[i], v[i], v[i]};

		TAP_CHECK(round_trip(v + i, 1, &size) == TL_NUMBER_XOR);
		TAP_CHECK(round_trip(same, 3, &size) == TL_NUMBER_CONSTANT);
	}
	backend_reset();
}

static void
smallest_numbers_keep_their_bits(void)
{
	static const double v[] = {DBL_MIN,
							   4.9406564584124654e-324,
							   -4.9406564584124654e-324,
							   DBL_MIN / 2,
							   DBL_EPSILON,
							   1e-15,
							   1e-16,
							   -1e-300};
	size_t size;

	for (size_t i = 0; i < lengthof(v); i++)
		round_trip(&v[i], 1, &size);
	TAP_CHECK(round_trip(v, lengthof(v), &size) == TL_NUMBER_XOR);
	TAP_CHECK(round_trip(&v[5], 1, &size) == TL_NUMBER_DECIMAL);
	TAP_CHECK(round_trip(&v[6], 1, &size) == TL_NUMBER_XOR);
	backend_reset();
}

static void
constant_series_costs_nine_bytes(void)
{
	double v[4096];
	size_t size;

	for (int i = 0; i < 4096; i++)
		v[i] = 1.0 / 3;
	for (uint32 n = 2; n <= 4096; n *= 2)
		TAP_CHECK(round_trip(v, n, &size) == TL_NUMBER_CONSTANT && size == 9);
	backend_reset();
}

static double
random_number(Random *random, uint64 style)
{
	static const double special[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, DBL_MAX, DBL_MIN, 0x1p51};
	char text[40];

	switch (style)
	{
		case 0:
			return double_of(random_bits(random));
		case 1:
			return (double) (int64) random_any_length(random);
		case 2:
			return (double) (int64) random_any_length(random) / 1000;
		case 3:
			snprintf(text, sizeof(text), "%.*f", (int) random_below(random, 6),
					 (double) (int64) random_below(random, 2000000) / 977 - 1000);
			return strtod(text, NULL);
		case 4:
			return (double) random_bits(random) / (double) PG_UINT64_MAX;
		case 5:
			return -(double) random_below(random, 1000) / 10;
		default:
			return special[random_below(random, lengthof(special))];
	}
}

static void
two_hundred_thousand_random_values_survive(void)
{
	Random random = {3};
	uint32 done = 0;

	while (done < 200000)
	{
		uint32 n = 1 + (uint32) random_below(&random, random_below(&random, 4) == 0 ? 4096 : 300);
		double *v = palloc(sizeof(double) * n);
		uint64 style = random_below(&random, 8);
		size_t size;

		for (uint32 i = 0; i < n; i++)
			v[i] = random_number(&random, style == 7 ? random_below(&random, 7) : style);
		round_trip(v, n, &size);
		TAP_CHECK(size <= 12 + (size_t) n * 9);
		done += n;
		backend_reset();
	}
}

/* One odd value anywhere must not spoil those before it. */
static void
odd_value_at_any_place_survives(void)
{
	static const double odd[] = {-0.0, NAN, 0x1p60, 1e-9, 0.1 + 0.2};

	for (size_t kind = 0; kind < lengthof(odd); kind++)
		for (int at = 0; at < 300; at++)
		{
			double v[300];
			size_t size;

			for (int i = 0; i < 300; i++)
				v[i] = i * 0.5;
			v[at] = odd[kind];
			round_trip(v, 300, &size);
			backend_reset();
		}
}

static const char *
outcome(const char *bytes, size_t len, uint32 n)
{
	Stream s = {.r = tl_reader(memcpy(palloc(len), bytes, len), len), .n = n};

	return backend_catch(decode, &s);
}

static void
hostile_streams_are_corrupt(void)
{
	TAP_CHECK(outcome("", 0, 1) != NULL);
	TAP_CHECK(outcome("\3\0\0", 3, 1) != NULL);
	TAP_CHECK(outcome("\xff", 1, 1) != NULL);
	TAP_CHECK(outcome("\0\0\2", 3, 1) == NULL);
	TAP_CHECK(outcome("\0\x10\2", 3, 1) != NULL);
	TAP_CHECK(outcome("\0\xff\2", 3, 1) != NULL);
	TAP_CHECK(outcome("\0\1", 2, 1) != NULL);
	TAP_CHECK(outcome("\0\1\2\2", 4, 3) != NULL);
	TAP_CHECK(outcome("\1\0\0\0\0\0\0\0", 8, 1) != NULL);
	TAP_CHECK(outcome("\1\0\0\0\0\0\0\0\0", 9, 1) == NULL);
	TAP_CHECK(outcome("\1\0\0\0\0\0\0\0\0", 9, PG_UINT16_MAX) != NULL);
	TAP_CHECK(outcome("\2\0\0\0\0\0\0\0", 8, 2) != NULL);
	backend_reset();
}

static void
mantissas_that_overflow_do_no_harm(void)
{
	/* Twice the largest difference. */
	TAP_CHECK(outcome("\0\1\xfe\xff\xff\xff\xff\xff\xff\xff\xff\1\xfe\xff\xff\xff\xff\xff\xff\xff"
					  "\xff\1",
					  22, 2) == NULL);
	backend_reset();
}

static void
every_truncation_is_corrupt(void)
{
	static const double series[][4] = {
		{1.5, 2.5, 1000000.25, -3}, {NAN, 1, 2, 3}, {7.25, 7.25, 7.25, 7.25}};

	for (size_t i = 0; i < lengthof(series); i++)
	{
		TlBuf buf;

		tl_buf_init(&buf, 64);
		tl_number_encode(&buf, series[i], 4);
		for (size_t len = 0; len < buf.len; len++)
			TAP_CHECK(outcome(buf.data, len, 4) != NULL);
	}
	backend_reset();
}

int
main(void)
{
	TAP_RUN(decimals_of_every_exponent_stay_decimals);
	TAP_RUN(one_more_digit_than_fits_is_kept_as_bits);
	TAP_RUN(neighbouring_decimals_cost_a_byte);
	TAP_RUN(integers_up_to_2_to_51_stay_decimals);
	TAP_RUN(larger_integers_are_kept_as_bits);
	TAP_RUN(mantissas_that_outgrow_a_common_exponent_are_kept_as_bits);
	TAP_RUN(zeros_keep_their_signs);
	TAP_RUN(what_is_no_number_keeps_its_bits);
	TAP_RUN(smallest_numbers_keep_their_bits);
	TAP_RUN(constant_series_costs_nine_bytes);
	TAP_RUN(two_hundred_thousand_random_values_survive);
	TAP_RUN(odd_value_at_any_place_survives);
	TAP_RUN(hostile_streams_are_corrupt);
	TAP_RUN(mantissas_that_overflow_do_no_harm);
	TAP_RUN(every_truncation_is_corrupt);
	return tap_end();
}
