/*
 * reading.c
 *		Numbers and their times.  See reading.h.
 */
#include "time/reading.h"

#include <math.h>

#include "utils/float.h"
#include "utils/memutils.h"

#define FIRST_SIZE 64

static int
compare(const TlReading *a, const TlReading *b)
{
	if (a->ts != b->ts)
		return a->ts < b->ts ? -1 : 1;
	return float8_cmp_internal(a->value, b->value);
}

#define ST_SORT sort_readings
#define ST_ELEMENT_TYPE TlReading
#define ST_COMPARE(a, b) compare(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#define ST_CHECK_FOR_INTERRUPTS
#include "lib/sort_template.h"

void
tl_readings_begin(TlReadings *readings)
{
	*readings = (TlReadings){.size = FIRST_SIZE, .sorted = true};
	readings->items = palloc(FIRST_SIZE * sizeof(TlReading));
}

void
tl_readings_add(TlReadings *readings, int64 ts, double value)
{
	TlReading *item;

	if (readings->n == readings->size)
	{
		/* Never an overflow: no memory has as many. */
		readings->size *= 2;
		readings->items = repalloc_huge(readings->items, (Size) readings->size * sizeof(TlReading));
	}
	item = &readings->items[readings->n++];
	*item = (TlReading){ts, value};
	if (readings->n > 1 && compare(item - 1, item) > 0)
		readings->sorted = false;
}

void
tl_readings_sort(TlReadings *readings)
{
	if (readings->sorted)
		return;
	sort_readings(readings->items, (size_t) readings->n);
	readings->sorted = true;
}

double
tl_reading_between(const TlReading *a, const TlReading *b, int64 ts)
{
	double part = tl_time_between(a->ts, ts) / tl_time_between(a->ts, b->ts);
	double difference = b->value - a->value;

	if (ts == a->ts || a->value == b->value)
		return a->value;
	if (ts == b->ts)
		return b->value;
	if (isinf(difference))
		return a->value * (1 - part) + b->value * part;
	return a->value + difference * part;
}
