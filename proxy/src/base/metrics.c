/*
 * metrics.c
 *		Counters of this process; one thread, so plain integers.
 */
#include "base/metrics.h"

#include <time.h>

TlMetrics tl_metrics;

uint64_t
tl_clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}
