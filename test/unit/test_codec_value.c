/*
 * test_codec_value.c
 *		Values of a run: every kind alone, all kinds mixed, hostile streams.
 */
#include "backend.h"
#include "block/codec_value.h"
#include "sample.h"
#include "tap.h"

typedef struct Stream
{
	TlReader r;
	uint8 kind;
	uint32 n;
	TlCell *cell;
	uint8 *kinds;
} Stream;

static void
decode(void *arg)
{
	Stream *s = arg;

	s->cell = palloc(sizeof(TlCell) * s->n);
	s->kinds = palloc(s->n);
	tl_values_decode(&s->r, s->kind, s->n, s->cell, s->kinds);
}

static size_t
round_trip(const TlRun *run)
{
	Stream s = {.kind = run->kind, .n = run->n};
	TlBuf buf;

	tl_buf_init(&buf, 1);
	tl_values_encode(&buf, run);
	s.r = tl_reader(memcpy(palloc(buf.len), buf.data, buf.len), buf.len);
	if (!TAP_CHECK(backend_catch(decode, &s) == NULL))
		return 0;
	for (uint32 i = 0; i < run->n; i++)
	{
		TAP_CHECK(run->kind != TL_KIND_MIXED || s.kinds[i] == run->kinds[i]);
		TAP_CHECK(tl_cell_equal(tl_run_kind(run, i), s.cell[i], run->cell[i]));
	}
	TAP_CHECK(tl_reader_left(&s.r) == 0);
	return buf.len;
}

static void
every_kind_survives(void)
{
	Random random = {1};

	for (uint8 kind = TL_KIND_MIXED; kind <= TL_KIND_LAST; kind++)
		for (uint32 n = 1; n <= 4096; n = n < 20 ? n + 1 : n * 2)
		{
			round_trip(sample_run(&random, "d", "m", kind, n));
			backend_reset();
		}
}

static void
booleans_cost_a_bit(void)
{
	Random random = {2};

	for (uint32 n = 1; n <= 33; n++)
		TAP_CHECK(round_trip(sample_run(&random, "d", "m", TL_KIND_BOOLEAN, n)) == (n + 7) / 8);
	backend_reset();
}

static void
mixed_kinds_survive_in_any_order(void)
{
	Random random = {3};

	for (int round = 0; round < 2000; round++)
	{
		uint32 n = 1 + (uint32) random_below(&random, 60);

		round_trip(sample_run(&random, "d", "m", TL_KIND_MIXED, n));
		backend_reset();
	}
}

static const char *
outcome(uint8 kind, const char *bytes, size_t len, uint32 n)
{
	Stream s = {.r = tl_reader(memcpy(palloc(len), bytes, len), len), .kind = kind, .n = n};

	return backend_catch(decode, &s);
}

static void
bad_kinds_of_a_mixed_run_are_corrupt(void)
{
	TAP_CHECK(outcome(TL_KIND_MIXED, "\3\1\1\1\0\0\2\1", 8, 2) == NULL);
	TAP_CHECK(outcome(TL_KIND_MIXED, "\0\1\1\1\0\0\2\1", 8, 2) != NULL);
	TAP_CHECK(outcome(TL_KIND_MIXED, "\7\1\1\1\0\0\2\1", 8, 2) != NULL);
	TAP_CHECK(outcome(TL_KIND_MIXED, "\xff\1\1\1\0\0\2\1", 8, 2) != NULL);
	TAP_CHECK(outcome(TL_KIND_MIXED, "\3\0\1\1\0\0\2\1", 8, 2) != NULL);
	TAP_CHECK(outcome(TL_KIND_MIXED, "\3\3\1", 3, 2) != NULL);
	TAP_CHECK(outcome(TL_KIND_MIXED, "\3\1\1\1\0\0\2", 7, 2) != NULL);
	TAP_CHECK(outcome(TL_KIND_MIXED, "\3", 1, 2) != NULL);
	TAP_CHECK(outcome(TL_KIND_MIXED, "", 0, 2) != NULL);
	backend_reset();
}

static void
place_of_wrong_size_is_corrupt(void)
{
	char stream[2 + TL_GEO_SIZE + 1] = {0, TL_GEO_SIZE};

	TAP_CHECK(outcome(TL_KIND_GEO, stream, 2 + TL_GEO_SIZE, 1) == NULL);
	stream[1]++;
	TAP_CHECK(outcome(TL_KIND_GEO, stream, 3 + TL_GEO_SIZE, 1) != NULL);
	TAP_CHECK(outcome(TL_KIND_BINARY, stream, 3 + TL_GEO_SIZE, 1) == NULL);
	stream[1] = 0;
	TAP_CHECK(outcome(TL_KIND_GEO, stream, 2, 1) != NULL);
	backend_reset();
}

static void
missing_booleans_are_corrupt(void)
{
	TAP_CHECK(outcome(TL_KIND_BOOLEAN, "\xff\xff", 2, 16) == NULL);
	TAP_CHECK(outcome(TL_KIND_BOOLEAN, "\xff\xff", 2, 17) != NULL);
	TAP_CHECK(outcome(TL_KIND_BOOLEAN, "", 0, 1) != NULL);
	backend_reset();
}

static void
every_truncation_is_corrupt(void)
{
	Random random = {4};

	for (uint8 kind = TL_KIND_MIXED; kind <= TL_KIND_LAST; kind++)
	{
		const TlRun *run = sample_run(&random, "d", "m", kind, 40);
		TlBuf buf;

		tl_buf_init(&buf, 1);
		tl_values_encode(&buf, run);
		for (size_t len = 0; len < buf.len; len++)
			TAP_CHECK(outcome(kind, buf.data, len, run->n) != NULL);
		backend_reset();
	}
}

int
main(void)
{
	TAP_RUN(every_kind_survives);
	TAP_RUN(booleans_cost_a_bit);
	TAP_RUN(mixed_kinds_survive_in_any_order);
	TAP_RUN(bad_kinds_of_a_mixed_run_are_corrupt);
	TAP_RUN(place_of_wrong_size_is_corrupt);
	TAP_RUN(missing_booleans_are_corrupt);
	TAP_RUN(every_truncation_is_corrupt);
	return tap_end();
}
