/*
 * rollup.c
 *		Summing up the points of a series.  See rollup.h.
 */
#include "rollup/rollup.h"

#include <math.h>

#include "utils/float.h"

void
tl_rollup_init(TlRollupBuilder *b)
{
	memset(&b->rollup, 0, sizeof(TlRollup));
	tl_sketch_init(&b->sketch);
}

void
tl_rollup_reset(TlRollupBuilder *b)
{
	memset(&b->rollup, 0, sizeof(TlRollup));
	tl_sketch_reset(&b->sketch);
}

/* Puts the sums of later numbers behind those of earlier ones. */
static void
append_numbers(TlRollup *into, const TlRollup *later)
{
	if (later->n == 0)
		return;
	if (into->n == 0)
	{
		into->m2 = later->m2;
		into->sum = later->sum;
		into->min = later->min;
		into->max = later->max;
		into->first = later->first;
	}
	else
	{
		double distance = into->sum / (double) into->n - later->sum / (double) later->n;

		into->m2 += later->m2 + distance * distance * (double) into->n * (double) later->n /
									(double) (into->n + later->n);
		into->sum += later->sum;
		if (float8_lt(later->min, into->min))
			into->min = later->min;
		if (float8_gt(later->max, into->max))
			into->max = later->max;
	}
	into->last = later->last;
	into->n += later->n;
}

static void
append_times(TlRollup *into, const TlRollup *later)
{
	if (tl_rollup_empty(into))
		into->first_ts = later->first_ts;
	into->last_ts = later->last_ts;
}

/* The sums of a run of numbers, but for its times. */
static void
sum_numbers(const TlCell *cell, uint32 n, TlRollup *sums, TlSketch *sketch)
{
	double sum = 0;
	double m2 = 0;
	double min = cell[0].number;
	double max = cell[0].number;
	double mean;

	for (uint32 i = 0; i < n; i++)
	{
		double v = cell[i].number;

		sum += v;
		if (float8_lt(v, min))
			min = v;
		if (float8_gt(v, max))
			max = v;
		tl_sketch_add(sketch, v);
	}
	mean = sum / n;
	for (uint32 i = 0; i < n; i++)
		m2 += (cell[i].number - mean) * (cell[i].number - mean);
	sums->n = n;
	sums->sum = sum;
	sums->m2 = m2;
	sums->min = min;
	sums->max = max;
	sums->first = cell[0].number;
	sums->last = cell[n - 1].number;
}

void
tl_rollup_add(TlRollupBuilder *b, const TlRun *run)
{
	TlRollup *r = &b->rollup;
	TlRollup later = {.first_ts = run->ts[0], .last_ts = run->ts[run->n - 1]};

	append_times(r, &later);
	for (uint32 i = 0; i < run->n;)
	{
		uint8 kind = tl_run_kind(run, i);
		uint32 start = i;

		while (i < run->n && tl_run_kind(run, i) == kind)
			i++;
		if (kind == TL_KIND_NUMERIC)
		{
			sum_numbers(run->cell + start, i - start, &later, &b->sketch);
			append_numbers(r, &later);
		}
		else
			r->others += i - start;
	}
}

static TlSlice
encode_sketch(const TlSketch *sketch)
{
	TlBuf buf;

	tl_buf_init(&buf, 64);
	tl_sketch_encode(sketch, &buf);
	return (TlSlice){buf.data, (uint32) buf.len};
}

void
tl_rollup_finish(const TlRollupBuilder *b, TlRollup *rollup)
{
	*rollup = b->rollup;
	rollup->sketch = rollup->n > 0 ? encode_sketch(&b->sketch) : (TlSlice){"", 0};
}

void
tl_rollup_append_sums(TlRollup *into, const TlRollup *later)
{
	append_times(into, later);
	append_numbers(into, later);
	into->others += later->others;
}

void
tl_rollup_append(TlRollup *into, const TlRollup *later, TlSketch *scratch)
{
	if (later->n > 0 && into->n > 0)
	{
		tl_sketch_reset(scratch);
		tl_sketch_merge_bytes(scratch, into->sketch.data, into->sketch.len);
		tl_sketch_merge_bytes(scratch, later->sketch.data, later->sketch.len);
		into->sketch = encode_sketch(scratch);
	}
	else if (later->n > 0)
		into->sketch = later->sketch;
	tl_rollup_append_sums(into, later);
}
