/*
 * latency.h
 *		How long answers took: counts by length of time, for quantiles.
 */
#ifndef TL_LATENCY_H
#define TL_LATENCY_H

#include <stdint.h>

/* Four for each power of two of microseconds: a quantile is at most a fourth too large. */
#define TL_LATENCY_STEPS 4
#define TL_LATENCY_BUCKETS (64 * TL_LATENCY_STEPS)

typedef struct TlLatency
{
	uint64_t n;
	uint64_t sum_us;
	uint64_t counts[TL_LATENCY_BUCKETS];
} TlLatency;

extern void tl_latency_add(TlLatency *latency, uint64_t us);

extern double tl_latency_mean_ms(const TlLatency *latency);

/* What so many of a hundred do not exceed; 0 if there is none. */
extern double tl_latency_percentile_ms(const TlLatency *latency, unsigned int percent);

#endif
