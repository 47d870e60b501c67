/*
 * latency.c
 *		How long answers took.  See latency.h.
 *
 * A time of 2^p microseconds and more is counted in one of the four buckets of p, by the two bits after its
 * first; below four each number has its own.
 */
#include "base/latency.h"

static unsigned int
bucket_of(uint64_t us)
{
	unsigned int power;

	if (us < TL_LATENCY_STEPS)
		return (unsigned int) us;
	power = 63 - (unsigned int) __builtin_clzll(us);
	return (power - 1) * TL_LATENCY_STEPS + ((unsigned int) (us >> (power - 2)) & 3);
}

/* The greatest time that a bucket counts. */
static uint64_t
end_of(unsigned int bucket)
{
	unsigned int power = bucket / TL_LATENCY_STEPS + 1;

	if (bucket < TL_LATENCY_STEPS)
		return bucket;
	return (((uint64_t) TL_LATENCY_STEPS + bucket % TL_LATENCY_STEPS + 1) << (power - 2)) - 1;
}

void
tl_latency_add(TlLatency *latency, uint64_t us)
{
	latency->n++;
	latency->sum_us += us;
	latency->counts[bucket_of(us)]++;
}

double
tl_latency_mean_ms(const TlLatency *latency)
{
	return latency->n == 0 ? 0 : (double) latency->sum_us / (double) latency->n / 1000;
}

double
tl_latency_percentile_ms(const TlLatency *latency, unsigned int percent)
{
	uint64_t wanted = latency->n - latency->n * (100 - percent) / 100;
	uint64_t seen = 0;

	for (unsigned int i = 0; i < TL_LATENCY_BUCKETS && wanted > 0; i++)
	{
		seen += latency->counts[i];
		if (seen >= wanted)
			return (double) end_of(i) / 1000;
	}
	return 0;
}
