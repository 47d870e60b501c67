/*
 * The benchmark's data, from a seed: what a fleet of devices reports.
 *
 * The fleet is D devices of five metrics that report every ten seconds. Each device has its own
 * phase within the ten seconds, to the millisecond; nine of ten keep it exactly, the tenth is late
 * or early by up to 50 ms each time. A device's five values carry one timestamp.
 *
 *   temperature  2 decimals  a base of the device, a daily cycle of 4 degrees, a slow random walk
 *   humidity     1 decimal   falls as the temperature rises, with a walk of its own
 *   battery      integer     per cent, falls for days and is charged again: mostly unchanged
 *   cpu          1 decimal   per cent, noisy around the load of the device, with bursts
 *   packets      integer     a counter, up by 0 to 39 a report, back to zero at a rare restart
 *
 * Values are kept as integers and a number of decimals, so that their text and their float8 are the
 * same number.
 */
#ifndef TL_BENCH_FLEET_H
#define TL_BENCH_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TL_METRICS 5
#define TL_INTERVAL_MS 10000
#define TL_JITTER_MS 50
#define TL_DAY_MS INT64_C(86400000)

/* 2025-06-01 06:00:00 UTC: a fixed past moment, so that a seed means the same file every day. */
#define TL_START_MS INT64_C(1748757600000)

extern const char *const tl_metric_names[TL_METRICS];
extern const int tl_metric_decimals[TL_METRICS];
extern const double tl_decimal_scale[]; /* by decimals */

typedef struct TlRandom
{
	uint64_t state;
} TlRandom;

typedef struct TlDevice
{
	double temperature_base;
	double temperature_walk;
	double humidity_walk;
	double battery;
	double cpu_load;
	double cpu_now;
	int64_t packets;
	int32_t phase_ms;
	bool jitters;
} TlDevice;

/* One report of one device: values as integers, see tl_metric_decimals. */
typedef struct TlReport
{
	int64_t ts_ms;
	uint32_t device; /* from 0 */
	int64_t values[TL_METRICS];
} TlReport;

extern uint64_t tl_random_next(TlRandom *random);
extern void tl_device_init(TlDevice *device, TlRandom *random);

/* Moves the device on by one report and writes it down. */
extern void tl_device_report(TlDevice *device, TlRandom *random, int64_t tick_ms, TlReport *report);

extern TlDevice *tl_fleet_create(TlRandom *random, size_t count);

/* All reports of one tick of ten seconds, in time order. */
extern void tl_fleet_report_tick(TlDevice *devices, size_t count, TlRandom *random, int64_t tick_ms,
								 TlReport *reports);

#endif /* TL_BENCH_FLEET_H */
