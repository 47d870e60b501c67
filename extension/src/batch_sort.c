/*
 * batch_sort.c
 *		Groups a batch's points by series and orders them by time.
 *
 * The points stay where they are; what is made are the columns of each series, side by side in
 * shared arrays, so that an ordered series is encoded without another copy.
 */
#include "batch_private.h"

#include "utils/memutils.h"

typedef struct SeriesOrder
{
	uint64 prefix; /* bucket and the bytes after the devices' common prefix */
	uint32 series;
} SeriesOrder;

typedef struct Columns
{
	int64 *ts;
	TlCell *cell;
	uint32 *position;
	uint8 *kinds;		   /* NULL when the batch has one kind */
	const TlAttrs **attrs; /* NULL when the batch has none */
} Columns;

static int
compare_series(const SeriesOrder *a, const SeriesOrder *b, const Series *series)
{
	if (a->prefix != b->prefix)
		return a->prefix < b->prefix ? -1 : 1;
	return tl_key_compare(&series[a->series].key, &series[b->series].key);
}

#define ST_SORT sort_series_order
#define ST_ELEMENT_TYPE SeriesOrder
#define ST_COMPARE(a, b, arg) compare_series(a, b, arg)
#define ST_COMPARE_ARG_TYPE const Series
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* How many leading bytes all devices share. */
static uint32
common_device_prefix(const Series *series, uint32 n)
{
	uint32 common = series[0].key.device.len;

	for (uint32 i = 1; i < n && common > 0; i++)
	{
		TlSlice d = series[i].key.device;
		uint32 k = 0;

		common = Min(common, d.len);
		while (k < common && d.data[k] == series[0].key.device.data[k])
			k++;
		common = k;
	}
	return common;
}

static SeriesOrder *
order_series(TlBatch *b)
{
	SeriesOrder *order = MemoryContextAllocHuge(b->context, sizeof(SeriesOrder) * b->n_series);
	uint32 skip = common_device_prefix(b->series, b->n_series);

	for (uint32 i = 0; i < b->n_series; i++)
	{
		const Series *s = &b->series[i];
		uint64 prefix = (uint64) s->bucket;

		for (uint32 k = skip; k < skip + 6; k++)
			prefix = prefix << 8 | (k < s->key.device.len ? (uint8) s->key.device.data[k] : 0);
		order[i].prefix = prefix;
		order[i].series = i;
	}
	sort_series_order(order, b->n_series, b->series);
	return order;
}

/* Copies each point to its series' next place; place[series] starts at the series' offset. */
static void
scatter(const TlBatch *b, uint32 *place, const Columns *c)
{
	for (uint32 i = 0; i < b->n_points; i++)
	{
		const Point *p = &b->points[i];
		uint32 to = place[p->series]++;

		c->ts[to] = p->ts;
		c->cell[to] = p->cell;
		c->position[to] = p->position;
		if (c->kinds != NULL)
			c->kinds[to] = p->kind;
		if (c->attrs != NULL)
			c->attrs[to] = p->attrs == 0 ? NULL : &b->attrs[p->attrs - 1]->out;
	}
}

static bool
strictly_increasing(const int64 *ts, uint32 n)
{
	for (uint32 i = 1; i < n; i++)
		if (ts[i] <= ts[i - 1])
			return false;
	return true;
}

/* Rows of one series with the index they arrived by, which makes the sort stable. */
typedef struct TimeOrder
{
	int64 ts;
	uint32 index;
} TimeOrder;

#define ST_SORT sort_time_order
#define ST_ELEMENT_TYPE TimeOrder
#define ST_COMPARE(a, b)                                                                          \
	((a)->ts != (b)->ts ? ((a)->ts < (b)->ts ? -1 : 1) : (a)->index < (b)->index ? -1 : 1)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

static bool
same_value(const TlRun *run, uint32 i, uint32 j)
{
	uint8 kind = tl_run_kind(run, i);
	const TlAttrs *a = run->attrs == NULL ? NULL : run->attrs[i];
	const TlAttrs *b = run->attrs == NULL ? NULL : run->attrs[j];

	if (kind != tl_run_kind(run, j) || a != b)
		return false;
	if (kind == TL_KIND_NUMERIC || kind == TL_KIND_BOOLEAN)
		return memcmp(&run->cell[i], &run->cell[j], sizeof(TlCell)) == 0;
	return tl_slice_equal(*run->cell[i].bytes, *run->cell[j].bytes);
}

#define REORDER(array, type)                                                                      \
	do                                                                                            \
	{                                                                                             \
		type *tmp = (type *) scratch;                                                             \
		for (uint32 k = 0; k < kept; k++)                                                         \
			tmp[k] = (array)[order[k].index];                                                     \
		memcpy(array, tmp, sizeof(type) * kept);                                                  \
	} while (0)

/* Sorts a series by time and keeps the last row of each timestamp. */
static void
order_by_time(TlRun *run, const uint32 *position, TlReplacedFn replaced, void *arg)
{
	TimeOrder *order = palloc_extended(sizeof(TimeOrder) * run->n, MCXT_ALLOC_HUGE);
	void *scratch = palloc_extended(sizeof(int64) * run->n, MCXT_ALLOC_HUGE);
	uint32 kept = 0;

	for (uint32 i = 0; i < run->n; i++)
		order[i] = (TimeOrder){run->ts[i], i};
	sort_time_order(order, run->n);

	for (uint32 i = 0; i < run->n; i++)
	{
		uint32 last = i;

		while (last + 1 < run->n && order[last + 1].ts == order[i].ts)
			last++;
		for (uint32 k = i; k < last; k++)
			replaced(arg, position[order[k].index],
					 same_value(run, order[k].index, order[last].index));
		order[kept++] = order[last];
		i = last;
	}

	REORDER(run->ts, int64);
	REORDER(run->cell, TlCell);
	if (run->kinds != NULL)
		REORDER(run->kinds, uint8);
	if (run->attrs != NULL)
		REORDER(run->attrs, const TlAttrs *);
	run->n = kept;
	pfree(order);
	pfree(scratch);
}

/* A run that turns out to be of one kind, or without attributes, says so. */
static void
simplify(TlRun *run)
{
	if (run->kinds != NULL)
	{
		uint32 i = 1;

		while (i < run->n && run->kinds[i] == run->kinds[0])
			i++;
		if (i == run->n)
		{
			run->kind = run->kinds[0];
			run->kinds = NULL;
		}
	}
	if (run->attrs != NULL)
	{
		uint32 i = 0;

		while (i < run->n && run->attrs[i] == NULL)
			i++;
		if (i == run->n)
			run->attrs = NULL;
	}
}

static void
allocate_columns(TlBatch *b, Columns *c)
{
	Size n = b->n_points;
	bool one_kind = (b->kinds_seen & (b->kinds_seen - 1)) == 0;

	c->ts = MemoryContextAllocHuge(b->context, sizeof(int64) * n);
	c->cell = MemoryContextAllocHuge(b->context, sizeof(TlCell) * n);
	c->position = MemoryContextAllocHuge(b->context, sizeof(uint32) * n);
	c->kinds = one_kind ? NULL : MemoryContextAllocHuge(b->context, n);
	c->attrs =
		b->n_attrs == 0 ? NULL : MemoryContextAllocHuge(b->context, sizeof(TlAttrs *) * n);
}

TlBatchRun *
tl_batch_sort(TlBatch *b, uint32 *n_runs, TlReplacedFn replaced, void *arg)
{
	SeriesOrder *order;
	TlBatchRun *runs;
	uint32 *place;
	Columns c;
	uint32 offset = 0;
	uint32 kept = 0;

	*n_runs = 0;
	if (b->n_points == 0)
		return NULL;

	order = order_series(b);
	runs = MemoryContextAllocHuge(b->context, sizeof(TlBatchRun) * b->n_series);
	place = MemoryContextAllocHuge(b->context, sizeof(uint32) * b->n_series);
	for (uint32 i = 0; i < b->n_series; i++)
	{
		place[order[i].series] = offset;
		offset += b->series[order[i].series].count;
	}
	allocate_columns(b, &c);
	scatter(b, place, &c);

	offset = 0;
	for (uint32 i = 0; i < b->n_series; i++)
	{
		const Series *s = &b->series[order[i].series];
		TlRun *run = &runs[kept].run;

		if (s->count == 0)
			continue;
		runs[kept++].bucket = s->bucket;
		run->key = s->key;
		run->n = s->count;
		run->kind = c.kinds == NULL ? b->points[0].kind : TL_KIND_MIXED;
		run->ts = c.ts + offset;
		run->cell = c.cell + offset;
		run->kinds = c.kinds == NULL ? NULL : c.kinds + offset;
		run->attrs = c.attrs == NULL ? NULL : c.attrs + offset;
		if (!strictly_increasing(run->ts, run->n))
			order_by_time(run, c.position + offset, replaced, arg);
		simplify(run);
		offset += s->count;
		if (i % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	*n_runs = kept;
	return runs;
}
