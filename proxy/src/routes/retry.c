/*
 * retry.c
 *		When those are to come again who cannot be served now.  See retry.h.
 */
#include "routes/retry.h"

#include "base/log.h"
#include "base/metrics.h"

#include <unistd.h>

#define SECONDS_MIN 4
#define SECONDS_MAX 30
#define WAITING_PER_SECOND 256

unsigned int
tl_retry_seconds(uint64_t waiting, uint64_t random)
{
	uint64_t most = SECONDS_MIN + waiting / WAITING_PER_SECOND;

	return (unsigned int) (1 + random % (most < SECONDS_MAX ? most : SECONDS_MAX));
}

/* xorshift64*: nobody gains by guessing it; processes that start together differ. */
static uint64_t
next_random(void)
{
	static uint64_t state;

	if (state == 0)
		state = (tl_clock_us() << 16 ^ (uint64_t) getpid()) | 1;
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64_C(0x2545f4914f6cdd1d) >> 32;
}

unsigned int
tl_retry_after(int status)
{
	return status != 503 ? 0 : tl_retry_seconds(tl_metrics.in_flight, next_random());
}
