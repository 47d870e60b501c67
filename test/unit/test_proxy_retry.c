/*
 * test_proxy_retry.c
 *		When those are to come again who cannot be served now.
 */
#include "routes/retry.h"
#include "random.h"
#include "tap.h"

static void
a_fleet_is_spread_over_all_seconds(void)
{
	static const struct
	{
		uint64_t waiting;
		unsigned int most;
	} cases[] = {{0, 4}, {255, 4}, {256, 5}, {2048, 12}, {1000000, 30}, {UINT64_MAX, 30}};
	Random random = {20260102};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		unsigned int told[32] = {0};

		for (int device = 0; device < 3000; device++)
		{
			unsigned int seconds = tl_retry_seconds(cases[i].waiting, random_bits(&random));

			if (seconds >= 32)
				TAP_CHECK(false);
			else
				told[seconds]++;
		}
		TAP_CHECK(told[0] == 0);
		for (unsigned int seconds = 1; seconds < 32; seconds++)
		{
			unsigned int fair = 3000 / cases[i].most;

			if (seconds > cases[i].most)
				TAP_CHECK(told[seconds] == 0);
			else
				TAP_CHECK(told[seconds] > fair / 2 && told[seconds] < fair * 2);
		}
	}
}

static void
answers_one_after_the_other_differ(void)
{
	unsigned int told[5] = {0};

	for (int i = 0; i < 1000; i++)
		told[tl_retry_after(503)]++;
	for (int seconds = 1; seconds <= 4; seconds++)
		TAP_CHECK(told[seconds] > 100);
	TAP_CHECK(tl_retry_after(429) == 0 && tl_retry_after(500) == 0);
}

int
main(void)
{
	TAP_RUN(a_fleet_is_spread_over_all_seconds);
	TAP_RUN(answers_one_after_the_other_differ);
	return tap_end();
}
