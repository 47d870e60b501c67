/*
 * How devices behave. See fleet.h for what they report.
 */
#include "fleet.h"

#include "measure.h"

#include <math.h>
#include <stdlib.h>

const char *const tl_metric_names[TL_METRICS] = {"temperature", "humidity", "battery", "cpu",
												 "packets"};
const int tl_metric_decimals[TL_METRICS] = {2, 1, 0, 1, 0};
const double tl_decimal_scale[] = {1, 10, 100};

uint64_t
tl_random_next(TlRandom *random)
{
	uint64_t z = (random->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Uniform in [0, 1). */
static double
random_uniform(TlRandom *random)
{
	return (double) (tl_random_next(random) >> 11) * 0x1.0p-53;
}

/* Near enough to a normal of mean 0 and deviation 1: the sum of four uniforms, scaled. */
static double
random_normal(TlRandom *random)
{
	double sum = 0;

	for (int i = 0; i < 4; i++)
		sum += random_uniform(random);
	return (sum - 2) * 1.7320508;
}

static double
clamp(double value, double low, double high)
{
	return value < low ? low : value > high ? high : value;
}

void
tl_device_init(TlDevice *device, TlRandom *random)
{
	device->temperature_base = 12 + 16 * random_uniform(random);
	device->temperature_walk = random_normal(random);
	device->humidity_walk = 8 * random_normal(random);
	device->battery = 20 + 80 * random_uniform(random);
	device->cpu_load = 5 + 50 * random_uniform(random) * random_uniform(random);
	device->cpu_now = device->cpu_load;
	device->packets = (int64_t) (tl_random_next(random) % 5000000);
	device->jitters = tl_random_next(random) % 10 == 0;
	device->phase_ms =
		TL_JITTER_MS + (int32_t) (tl_random_next(random) % (TL_INTERVAL_MS - 2 * TL_JITTER_MS));
}

void
tl_device_report(TlDevice *device, TlRandom *random, int64_t tick_ms, TlReport *report)
{
	double hour;
	double swing;
	double reading[TL_METRICS];

	report->ts_ms = tick_ms + device->phase_ms;
	if (device->jitters)
		report->ts_ms += (int64_t) (tl_random_next(random) % (2 * TL_JITTER_MS)) - TL_JITTER_MS;

	hour = (double) (report->ts_ms % TL_DAY_MS) / 3600000.0;
	device->temperature_walk += 0.02 * random_normal(random) - 0.001 * device->temperature_walk;
	device->humidity_walk += 0.05 * random_normal(random) - 0.001 * device->humidity_walk;
	swing = 4 * sin((hour - 9) * (M_PI / 12)) + device->temperature_walk;

	device->battery -= 0.0003 + 0.0002 * random_uniform(random);
	if (device->battery < 15)
		device->battery = 100;

	device->cpu_now += 0.2 * (device->cpu_load - device->cpu_now) + 1.5 * random_normal(random);
	if (tl_random_next(random) % 200 == 0)
		device->cpu_now += 40 * random_uniform(random);
	device->cpu_now = clamp(device->cpu_now, 0.1, 100);

	device->packets += (int64_t) (tl_random_next(random) % 40);
	if (tl_random_next(random) % 100000 == 0)
		device->packets = 0;

	reading[0] = device->temperature_base + swing;
	reading[1] = clamp(55 - 2 * swing + device->humidity_walk, 5, 99);
	reading[2] = floor(device->battery);
	reading[3] = device->cpu_now;
	reading[4] = (double) device->packets;
	for (int m = 0; m < TL_METRICS; m++)
		report->values[m] = llrint(reading[m] * tl_decimal_scale[tl_metric_decimals[m]]);
}

TlDevice *
tl_fleet_create(TlRandom *random, size_t count)
{
	TlDevice *devices = tl_measure_alloc(count, sizeof(*devices));

	for (size_t i = 0; i < count; i++)
		tl_device_init(&devices[i], random);
	return devices;
}

static int
report_compare(const void *left, const void *right)
{
	const TlReport *a = left;
	const TlReport *b = right;

	if (a->ts_ms != b->ts_ms)
		return a->ts_ms < b->ts_ms ? -1 : 1;
	return (a->device > b->device) - (a->device < b->device);
}

void
tl_fleet_report_tick(TlDevice *devices, size_t count, TlRandom *random, int64_t tick_ms,
					 TlReport *reports)
{
	for (size_t i = 0; i < count; i++)
	{
		reports[i].device = (uint32_t) i;
		tl_device_report(&devices[i], random, tick_ms, &reports[i]);
	}
	qsort(reports, count, sizeof(*reports), report_compare);
}
