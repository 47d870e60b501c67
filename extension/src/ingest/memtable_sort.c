/*
 * memtable_sort.c
 *		Groups a memtable's points by series and orders them by time.
 *
 * The points stay where they are; what is made are the columns of each series, side by side in
 * shared arrays, so that an ordered series is encoded without another copy.
 */
#include "ingest/memtable_private.h"

#include "utils/memutils.h"

typedef struct SeriesOrder
{
	uint64 prefix; /* of the key, such that prefixes that differ order their keys */
	uint32 series;
} SeriesOrder;

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

#define PREFETCH_AHEAD 8

/* Whether eight bytes can hold all that tells devices apart and the start of the metric. */
#define DEVICE_PREFIX 6

static bool
devices_fit_prefix(const Series *series, uint32 n, uint32 skip)
{
	for (uint32 i = 0; i < n; i++)
		if (series[i].key.device.len - skip > DEVICE_PREFIX)
			return false;
	return true;
}

static uint64
append_bytes(uint64 prefix, TlSlice s, uint32 from, uint32 n)
{
	for (uint32 k = from; k < from + n; k++)
		prefix = prefix << 8 | (k < s.len ? (uint8) s.data[k] : 0);
	return prefix;
}

/*
 * Series sorted by bucket, then by key.  They are first divided into buckets by counting, and then
 * sorted where they fit the processor's caches, mostly without looking at the keys themselves.
 */
static SeriesOrder *
order_series(TlMemtable *m)
{
	SeriesOrder *order =
		tl_memtable_array(m, &m->order_array, sizeof(SeriesOrder) * Max(m->n_series, 1));
	uint32 skip = common_device_prefix(m->series, m->n_series);
	bool with_metric = devices_fit_prefix(m->series, m->n_series, skip);
	uint32 *end = palloc0(sizeof(uint32) * ((Size) m->buckets + 1));
	uint32 start = 0;

	for (uint32 i = 0; i < m->n_series; i++)
		end[m->series[i].bucket + 1]++;
	for (int k = 0; k < m->buckets; k++)
		end[k + 1] += end[k];
	for (uint32 i = 0; i < m->n_series; i++)
	{
		const Series *s = &m->series[i];
		SeriesOrder *o = &order[end[s->bucket]++];

		o->series = i;
		o->prefix = with_metric ? append_bytes(append_bytes(0, s->key.device, skip, DEVICE_PREFIX),
											   s->key.metric, 0, sizeof(uint64) - DEVICE_PREFIX)
								: append_bytes(0, s->key.device, skip, sizeof(uint64));
	}
	/* Each end has moved to where its own bucket ends. */
	for (int k = 0; k < m->buckets; k++)
	{
		sort_series_order(order + start, end[k] - start, m->series);
		start = end[k];
	}
	pfree(end);
	return order;
}

/* Copies each point to its series' next place; place[series] starts at the series' offset. */
static void
scatter(const TlMemtable *m, uint32 *place, const Columns *c)
{
	for (uint32 i = 0; i < m->n_points; i++)
	{
		const Point *p = &m->points[i];
		uint32 to = place[p->series]++;

		c->ts[to] = p->ts;
		c->cell[to] = p->cell;
		if (c->kinds != NULL)
			c->kinds[to] = p->kind;
		if (c->attrs != NULL)
			c->attrs[to] = p->attrs == 0 ? NULL : &m->attrs[p->attrs - 1]->out;
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
#define ST_COMPARE(a, b)                                                                           \
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
	return tl_cell_equal(kind, run->cell[i], run->cell[j]);
}

#define REORDER(array, type)                                                                       \
	do                                                                                             \
	{                                                                                              \
		type *tmp = (type *) scratch;                                                              \
		for (uint32 k = 0; k < kept; k++)                                                          \
			tmp[k] = (array)[order[k].index];                                                      \
		memcpy(array, tmp, sizeof(type) * kept);                                                   \
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
			replaced(arg, position[order[k].index], position[order[k + 1].index],
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
allocate_columns(TlMemtable *m)
{
	Columns *c = &m->columns;
	Size n = m->n_points;
	bool one_kind = (m->kinds_seen & (m->kinds_seen - 1)) == 0;

	c->ts = tl_memtable_array(m, &m->ts_array, sizeof(int64) * n);
	c->cell = tl_memtable_array(m, &m->cell_array, sizeof(TlCell) * n);
	c->position = NULL;
	c->kinds = one_kind ? NULL : tl_memtable_array(m, &m->kinds_array, n);
	c->attrs =
		m->n_attrs == 0 ? NULL : tl_memtable_array(m, &m->attrs_array, sizeof(TlAttrs *) * n);
}

/* All that a span covers, as it came. */
static void
span_run(const TlMemtable *m, const Span *span, TlRun *run)
{
	const Columns *c = &m->columns;

	run->key = m->series[span->series].key;
	run->n = span->n;
	run->kind = c->kinds == NULL ? m->points[0].kind : TL_KIND_MIXED;
	run->ts = c->ts + span->offset;
	run->cell = c->cell + span->offset;
	run->kinds = c->kinds == NULL ? NULL : c->kinds + span->offset;
	run->attrs = c->attrs == NULL ? NULL : c->attrs + span->offset;
}

int
tl_memtable_run(const TlMemtable *m, uint32 number, TlRun *run)
{
	const Span *span = &m->spans[number];

	/* Series lie in the order of arrival, all over memory: fetch one of the next meanwhile. */
	if (number + PREFETCH_AHEAD < m->n_spans)
		__builtin_prefetch(&m->series[span[PREFETCH_AHEAD].series]);
	span_run(m, span, run);
	simplify(run);
	return span->bucket;
}

const int64 *
tl_memtable_times(const TlMemtable *m, uint32 number, uint32 *n)
{
	*n = m->spans[number].n;
	return m->columns.ts + m->spans[number].offset;
}

/* The rows' positions in the order of the columns: needed only if points are out of order. */
static void
fill_positions(TlMemtable *m, uint32 *place)
{
	uint32 *position = tl_memtable_array(m, &m->position_array, sizeof(uint32) * m->n_points);
	uint32 gap = 0;
	uint32 shift = 0;

	for (uint32 i = 0; i < m->n_spans; i++)
		place[m->spans[i].series] = m->spans[i].offset;
	for (uint32 i = 0; i < m->n_points; i++)
	{
		if (gap < m->n_gaps && m->gaps[gap].index == i)
			shift = m->gaps[gap++].shift;
		position[place[m->points[i].series]++] = i + shift;
	}
	m->columns.position = position;
}

uint32
tl_memtable_sort(TlMemtable *m, TlReplacedFn replaced, void *arg)
{
	SeriesOrder *order;
	uint32 *place;
	uint32 offset = 0;

	m->n_spans = 0;
	if (m->n_points == 0)
		return 0;

	order = order_series(m);
	m->spans = tl_memtable_array(m, &m->spans_array, sizeof(Span) * m->n_series);
	place = tl_memtable_array(m, &m->place_array, sizeof(uint32) * m->n_series);
	for (uint32 i = 0; i < m->n_series; i++)
	{
		uint32 series = order[i].series;
		uint32 count = m->series[series].count;

		place[series] = offset;
		if (count > 0)
			m->spans[m->n_spans++] = (Span){series, offset, count, m->series[series].bucket};
		offset += count;
	}
	allocate_columns(m);
	scatter(m, place, &m->columns);

	for (uint32 i = 0; i < m->n_spans; i++)
	{
		Span *span = &m->spans[i];
		TlRun run;

		if (i % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		if (strictly_increasing(m->columns.ts + span->offset, span->n))
			continue;
		span_run(m, span, &run);
		if (m->columns.position == NULL)
			fill_positions(m, place);
		order_by_time(&run, m->columns.position + span->offset, replaced, arg);
		span->n = run.n;
	}
	return m->n_spans;
}
