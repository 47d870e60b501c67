/*
 * test_codec_time.c
 *		Timestamps of a series: round trips, sizes, hostile streams.
 */
#include "backend.h"
#include "block/block.h"
#include "block/codec_time.h"
#include "random.h"
#include "tap.h"

/* 2024-02-29 00:00 UTC. */
#define DAY (INT64CONST(8825) * TL_USECS_PER_DAY)

typedef struct Stream
{
	TlReader r;
	int mode;
	int unit;
	int64 first;
	int64 last;
	uint32 n;
	int64 *ts;
} Stream;

static void
decode(void *arg)
{
	Stream *s = arg;

	s->ts = palloc(sizeof(int64) * s->n);
	tl_time_decode(&s->r, (TlTimeMode) s->mode, s->unit, s->first, s->last, s->n, s->ts);
}

/* Encodes and decodes; the answer is what it was encoded to. */
static Stream
round_trip(const int64 *ts, uint32 n, size_t *size)
{
	Stream s = {.first = ts[0], .last = ts[n - 1], .n = n};
	TlBuf buf;

	tl_buf_init(&buf, 1);
	s.unit = tl_time_choose_unit(ts, n, DAY);
	s.mode = tl_time_encode(&buf, ts, n, s.unit);
	s.r = tl_reader(memcpy(palloc(buf.len), buf.data, buf.len), buf.len);
	*size = buf.len;
	TAP_CHECK(backend_catch(decode, &s) == NULL);
	TAP_CHECK(memcmp(s.ts, ts, sizeof(int64) * n) == 0);
	TAP_CHECK(tl_reader_left(&s.r) == 0);
	return s;
}

static void
regular_series_costs_nothing(void)
{
	static const int64 steps[] = {1, 7, 1000, 999999, 1000000, 60000000};

	for (size_t i = 0; i < lengthof(steps); i++)
		for (uint32 n = 1; n <= 1001; n += 50)
		{
			int64 *ts = palloc(sizeof(int64) * n);
			size_t size;
			Stream s;

			for (uint32 j = 0; j < n; j++)
				ts[j] = DAY + 5 + (int64) j * steps[i];
			s = round_trip(ts, n, &size);
			TAP_CHECK(s.mode == TL_TIME_REGULAR && size == 0);
		}
	backend_reset();
}

static void
one_two_and_three_points_survive(void)
{
	static const int64 ends[] = {1, 2, 999, 1000, 1000000, TL_USECS_PER_DAY - 1};

	for (size_t i = 0; i < lengthof(ends); i++)
	{
		int64 ts[3] = {DAY, DAY + 1, DAY + ends[i] + 1};
		size_t size;

		TAP_CHECK(round_trip(ts, 1, &size).mode == TL_TIME_REGULAR);
		TAP_CHECK(round_trip(ts, 2, &size).mode == TL_TIME_REGULAR);
		round_trip(ts, 3, &size);
		ts[1] = ts[2] - 1;
		if (ts[1] > ts[0])
			round_trip(ts, 3, &size);
	}
	backend_reset();
}

static void
few_gaps_become_runs(void)
{
	int64 ts[3000];
	size_t size;
	Stream s;

	for (int i = 0; i < 3000; i++)
		ts[i] = DAY + (int64) i * 1000000 + (i / 1000) * 30000000;
	s = round_trip(ts, 3000, &size);
	TAP_CHECK(s.mode == TL_TIME_RUNS && s.unit == 2 && size < 20);
	backend_reset();
}

static void
jitter_becomes_small_differences(void)
{
	Random random = {3};
	int64 ts[3000];
	size_t size;
	Stream s;

	for (int i = 0; i < 3000; i++)
		ts[i] = DAY + (int64) i * 10000000 + (int64) random_below(&random, 20) * 1000;
	s = round_trip(ts, 3000, &size);
	TAP_CHECK(s.mode == TL_TIME_DELTAS && s.unit == 1 && size <= 3010);
	backend_reset();
}

static void
unit_is_the_largest_that_divides(void)
{
	const int64 second = 1000000;
	int64 ts[4] = {DAY + second, DAY + 2 * second, DAY + 3 * second, DAY + 5 * second};

	TAP_CHECK(tl_time_choose_unit(ts, 4, DAY) == 2);
	ts[3] += 1000;
	TAP_CHECK(tl_time_choose_unit(ts, 4, DAY) == 1);
	TAP_CHECK(tl_time_choose_unit(ts, 3, DAY) == 2);
	ts[3] += 1;
	TAP_CHECK(tl_time_choose_unit(ts, 4, DAY) == 0);
	/* The first timestamp is stored in the unit, too. */
	for (int i = 0; i < 4; i++)
		ts[i] = DAY + 1000 + i * second;
	TAP_CHECK(tl_time_choose_unit(ts, 4, DAY) == 1);
	TAP_CHECK(tl_time_choose_unit(ts, 1, DAY) == 1);
	ts[0]++;
	TAP_CHECK(tl_time_choose_unit(ts, 1, DAY) == 0);
	/* Before 2000 differences are positive all the same. */
	ts[0] = -TL_USECS_PER_DAY + second;
	TAP_CHECK(tl_time_choose_unit(ts, 1, -TL_USECS_PER_DAY) == 2);
}

static void
random_series_survive(void)
{
	Random random = {4};

	for (int round = 0; round < 3000; round++)
	{
		uint32 n = 1 + (uint32) random_below(&random, round % 10 == 0 ? 4096 : 40);
		int64 unit = tl_time_unit[random_below(&random, TL_TIME_UNITS)];
		uint64 steps = 1 + random_below(&random, 50);
		uint64 change = 1 + random_below(&random, 10);
		int64 at = DAY;
		int64 step = unit;
		int64 *ts = palloc(sizeof(int64) * n);
		size_t size;

		for (uint32 i = 0; i < n; i++)
		{
			if (random_below(&random, change) == 0)
				step = unit * (int64) (1 + random_below(&random, steps));
			ts[i] = at += step;
		}
		round_trip(ts, n, &size);
		backend_reset();
	}
}

/* Any times at all, as the codec knows no days. */
static void
widest_range_survives(void)
{
	int64 ts[4] = {PG_INT64_MIN / 2 + 1, -1, 3, PG_INT64_MAX / 2};
	size_t size;

	round_trip(ts, 4, &size);
	round_trip(ts, 2, &size);
	backend_reset();
}

static const char *
outcome(TlTimeMode mode, int unit, int64 first, int64 last, uint32 n, const char *bytes, size_t len)
{
	Stream s = {.mode = mode, .unit = unit, .first = first, .last = last, .n = n};

	s.r = tl_reader(memcpy(palloc(len), bytes, len), len);
	return backend_catch(decode, &s);
}

static void
impossible_ranges_are_corrupt(void)
{
	TAP_CHECK(outcome(TL_TIME_REGULAR, 0, 10, 9, 2, "", 0) != NULL);
	TAP_CHECK(outcome(TL_TIME_REGULAR, 0, 10, 10, 2, "", 0) != NULL);
	TAP_CHECK(outcome(TL_TIME_REGULAR, 0, 10, 11, 1, "", 0) != NULL);
	TAP_CHECK(outcome(TL_TIME_REGULAR, 0, 10, 11, 0, "", 0) != NULL);
	TAP_CHECK(outcome(TL_TIME_REGULAR, 0, PG_INT64_MIN, PG_INT64_MAX, 2, "", 0) != NULL);
	TAP_CHECK(outcome(TL_TIME_REGULAR, -1, 10, 11, 2, "", 0) != NULL);
	TAP_CHECK(outcome(TL_TIME_REGULAR, TL_TIME_UNITS, 10, 11, 2, "", 0) != NULL);
	TAP_CHECK(outcome((TlTimeMode) 3, 0, 10, 11, 2, "", 0) != NULL);
	TAP_CHECK(outcome(TL_TIME_REGULAR, 0, 10, 11, 2, "", 0) == NULL);
	backend_reset();
}

static void
uneven_regular_series_is_corrupt(void)
{
	TAP_CHECK(outcome(TL_TIME_REGULAR, 0, 0, 10, 4, "", 0) != NULL);
	/* More points than there are microseconds. */
	TAP_CHECK(outcome(TL_TIME_REGULAR, 0, 0, 10, 12, "", 0) != NULL);
	TAP_CHECK(outcome(TL_TIME_REGULAR, 0, 0, 10, 11, "", 0) == NULL);
	backend_reset();
}

static void
hostile_runs_are_corrupt(void)
{
	TAP_CHECK(outcome(TL_TIME_RUNS, 0, 0, 10, 4, "\2\2\6\1", 4) == NULL);
	TAP_CHECK(outcome(TL_TIME_RUNS, 0, 0, 10, 4, "\2\2\6", 3) != NULL);
	TAP_CHECK(outcome(TL_TIME_RUNS, 0, 0, 10, 4, "\2\2\5\1", 4) != NULL);
	TAP_CHECK(outcome(TL_TIME_RUNS, 0, 0, 10, 4, "\2\2\7\1", 4) != NULL);
	TAP_CHECK(outcome(TL_TIME_RUNS, 0, 0, 10, 4, "\2\4", 2) != NULL);
	TAP_CHECK(outcome(TL_TIME_RUNS, 0, 0, 10, 4, "\5\3", 2) != NULL);
	TAP_CHECK(outcome(TL_TIME_RUNS, 0, 0, 10, 4, "\0\3", 2) != NULL);
	TAP_CHECK(outcome(TL_TIME_RUNS, 0, 0, 10, 4, "\2\0\2\0\2\0", 6) != NULL);
	TAP_CHECK(outcome(TL_TIME_RUNS, 2, 0, 10, 4, "\2\2\6\1", 4) != NULL);
	/* A difference that would wrap around. */
	TAP_CHECK(outcome(TL_TIME_RUNS, 2, 0, 10, 4, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\3", 11) !=
			  NULL);
	backend_reset();
}

static void
hostile_differences_are_corrupt(void)
{
	TAP_CHECK(outcome(TL_TIME_DELTAS, 0, 0, 10, 4, "\1\0\1\6", 4) == NULL);
	TAP_CHECK(outcome(TL_TIME_DELTAS, 0, 0, 10, 4, "\1\0\1\5", 4) != NULL);
	TAP_CHECK(outcome(TL_TIME_DELTAS, 0, 0, 10, 4, "\1\0\1\7", 4) != NULL);
	TAP_CHECK(outcome(TL_TIME_DELTAS, 0, 0, 10, 4, "\1\0\1", 3) != NULL);
	TAP_CHECK(outcome(TL_TIME_DELTAS, 0, 0, 10, 4, "\0\0\1\7", 4) != NULL);
	TAP_CHECK(outcome(TL_TIME_DELTAS, 0, 0, 10, 4, "", 0) != NULL);
	/* Smallest and excess whose sum wraps around to 3. */
	TAP_CHECK(outcome(TL_TIME_DELTAS, 0, 0, 3, 2, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\4", 11) !=
			  NULL);
	TAP_CHECK(outcome(TL_TIME_DELTAS, 0, 0, 3, 2, "\4\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 11) !=
			  NULL);
	backend_reset();
}

static void
noise_is_corrupt_or_increasing(void)
{
	Random random = {5};

	for (int round = 0; round < 200000; round++)
	{
		char bytes[32];
		Stream s = {.mode = (int) random_below(&random, 4),
					.unit = (int) random_below(&random, TL_TIME_UNITS),
					.first = DAY + (int64) random_below(&random, 100),
					.n = (uint32) random_below(&random, 12)};

		random_fill(&random, bytes, sizeof(bytes));
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] &= random_below(&random, 8) == 0 ? 0xff : 0x03;
		s.last = s.first + (int64) random_below(&random, 100);
		s.r = tl_reader(bytes, random_below(&random, sizeof(bytes)));
		if (backend_catch(decode, &s) == NULL)
		{
			TAP_CHECK(s.ts[0] == s.first && s.ts[s.n - 1] == s.last);
			for (uint32 i = 1; i < s.n; i++)
				TAP_CHECK(s.ts[i] > s.ts[i - 1]);
		}
		backend_reset();
	}
}

int
main(void)
{
	TAP_RUN(regular_series_costs_nothing);
	TAP_RUN(one_two_and_three_points_survive);
	TAP_RUN(few_gaps_become_runs);
	TAP_RUN(jitter_becomes_small_differences);
	TAP_RUN(unit_is_the_largest_that_divides);
	TAP_RUN(random_series_survive);
	TAP_RUN(widest_range_survives);
	TAP_RUN(impossible_ranges_are_corrupt);
	TAP_RUN(uneven_regular_series_is_corrupt);
	TAP_RUN(hostile_runs_are_corrupt);
	TAP_RUN(hostile_differences_are_corrupt);
	TAP_RUN(noise_is_corrupt_or_increasing);
	return tap_end();
}
