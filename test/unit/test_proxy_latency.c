/*
 * test_proxy_latency.c
 *		Counts of how long answers took.
 */
#include "base/latency.h"
#include "tap.h"

#include <string.h>

#define TIMES 1000

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *) a;
	uint64_t y = *(const uint64_t *) b;

	return (x > y) - (x < y);
}

static void
nothing_is_zero(void)
{
	TlLatency latency = {0};

	TAP_CHECK(tl_latency_mean_ms(&latency) == 0);
	TAP_CHECK(tl_latency_percentile_ms(&latency, 50) == 0);
}

static void
percentiles_are_not_below_and_at_most_a_fourth_above(void)
{
	static const unsigned int percents[] = {1, 50, 95, 99, 100};
	static uint64_t times[TIMES];

	for (unsigned int shift = 0; shift < 57; shift += 3)
	{
		TlLatency latency = {0};

		for (size_t i = 0; i < TIMES; i++)
		{
			times[i] = ((uint64_t) rand() % 64 << shift) + (uint64_t) rand() % 3;
			tl_latency_add(&latency, times[i]);
		}
		qsort(times, TIMES, sizeof(times[0]), compare);
		for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++)
		{
			size_t rank = TIMES * percents[i] / 100;
			double exact = (double) times[rank - 1] / 1000;
			double told = tl_latency_percentile_ms(&latency, percents[i]);

			TAP_CHECK(told >= exact && told <= exact * 1.25);
		}
	}
}

static void
the_mean_is_exact_and_the_longest_time_has_a_place(void)
{
	TlLatency latency = {0};

	tl_latency_add(&latency, 1000);
	tl_latency_add(&latency, 3000);
	TAP_CHECK(tl_latency_mean_ms(&latency) == 2);
	tl_latency_add(&latency, UINT64_MAX);
	TAP_CHECK(tl_latency_percentile_ms(&latency, 100) > 1e15);
}

int
main(void)
{
	TAP_RUN(nothing_is_zero);
	TAP_RUN(percentiles_are_not_below_and_at_most_a_fourth_above);
	TAP_RUN(the_mean_is_exact_and_the_longest_time_has_a_place);
	return tap_end();
}
