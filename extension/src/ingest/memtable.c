/*
 * memtable.c
 *		The table of series and the array of points of a memtable.  See memtable.h.
 *
 * Memory: the memtable's context holds arrays, which keep their size from one filling to the next,
 * and below it an arena of chunks for keys, payloads and attributes, which a reset frees.
 */
#include "ingest/memtable_private.h"

#include "port/pg_bitutils.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#define ARENA_CHUNK (64 * 1024)

TlMemtable *
tl_memtable_create(int buckets)
{
	TlMemtable *m = palloc0(sizeof(TlMemtable));

	m->context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry memtable", ALLOCSET_DEFAULT_SIZES);
	m->arena_context =
		AllocSetContextCreate(m->context, "telemetry memtable arena", ALLOCSET_DEFAULT_SIZES);
	m->buckets = buckets;
	m->last_series = NO_SERIES;
	return m;
}

void
tl_memtable_reset(TlMemtable *m)
{
	MemoryContextReset(m->arena_context);
	m->n_points = 0;
	m->kinds_seen = 0;
	m->n_gaps = 0;
	m->n_series = 0;
	m->last_series = NO_SERIES;
	if (m->slots != NULL)
		memset(m->slots, 0, sizeof(Slot) * m->n_slots);
	memset(m->metrics, 0, sizeof(m->metrics));
	m->attrs = NULL;
	m->n_attrs = m->attrs_cap = 0;
	memset(m->attrs_chain, 0, sizeof(m->attrs_chain));
	m->arena = NULL;
	m->arena_left = m->arena_total = 0;
	m->n_spans = 0;
}

void *
tl_memtable_array(TlMemtable *m, Array *array, Size size)
{
	if (size > array->size)
	{
		if (array->data != NULL)
			pfree(array->data);
		array->data = NULL;
		array->data = MemoryContextAllocHuge(m->context, size);
		array->size = size;
	}
	return array->data;
}

/* With more, finding a series leaves the processor's caches at every step. */
#define SERIES_MAX 65536

/* Memory is what the memtable takes now, and will take beside it for the columns that sorting makes. */
bool
tl_memtable_is_full(const TlMemtable *m, Size memory)
{
	Size now = (Size) m->n_points * (sizeof(Point) + sizeof(int64) + sizeof(TlCell)) +
			   (Size) m->n_series * (sizeof(Series) + sizeof(Span) + 4 * sizeof(Slot)) +
			   m->arena_total;

	return now >= memory || m->n_series >= SERIES_MAX || m->n_attrs >= ATTRS_MAX;
}

/* Bytes that live as long as the memtable; aligned for pointers. */
static void *
arena_alloc(TlMemtable *m, Size size)
{
	void *at;

	size = MAXALIGN(size);
	m->arena_total += size;
	if (size > ARENA_CHUNK / 4)
		return MemoryContextAllocHuge(m->arena_context, size);
	if (size > m->arena_left)
	{
		m->arena = MemoryContextAlloc(m->arena_context, ARENA_CHUNK);
		m->arena_left = ARENA_CHUNK;
	}
	at = m->arena;
	m->arena += size;
	m->arena_left -= size;
	return at;
}

static TlSlice
arena_copy(TlMemtable *m, TlSlice s)
{
	TlSlice copy = {NULL, s.len};

	if (s.data != NULL)
	{
		char *to = arena_alloc(m, Max(s.len, 1));

		memcpy(to, s.data, s.len);
		copy.data = to;
	}
	return copy;
}

/* Makes room for one more element behind count, doubling the array and keeping what it holds. */
static inline void *
room_for_one(TlMemtable *m, Array *array, uint32 count, Size element)
{
	Size size;

	if (likely(((Size) count + 1) * element <= array->size))
		return array->data;
	size = Max(array->size * 2, 256 * element);
	array->data = array->data == NULL ? MemoryContextAllocHuge(m->context, size)
									  : repalloc_huge(array->data, size);
	array->size = size;
	return array->data;
}

/* Names are short: two overlapping words compare most of them without a call. */
static inline bool
same_bytes(const char *a, const char *b, uint32 n)
{
	uint64 x[2];
	uint64 y[2];

	if (n < sizeof(uint64) || n > 2 * sizeof(uint64))
		return memcmp(a, b, n) == 0;
	memcpy(&x[0], a, sizeof(uint64));
	memcpy(&x[1], a + n - sizeof(uint64), sizeof(uint64));
	memcpy(&y[0], b, sizeof(uint64));
	memcpy(&y[1], b + n - sizeof(uint64), sizeof(uint64));
	return x[0] == y[0] && x[1] == y[1];
}

static inline bool
is_series(const Series *s, TlSlice device, TlSlice metric)
{
	return s->key.device.len == device.len && s->key.metric.len == metric.len &&
		   same_bytes(s->key.device.data, device.data, device.len) &&
		   same_bytes(s->key.metric.data, metric.data, metric.len);
}

static void
insert_slot(TlMemtable *m, uint64 hash, uint32 number)
{
	uint32 slot = (uint32) hash & (m->n_slots - 1);

	while (m->slots[slot].series != 0)
		slot = (slot + 1) & (m->n_slots - 1);
	m->slots[slot] = (Slot){(uint32) (hash >> 32), number + 1};
}

static void
grow_table(TlMemtable *m)
{
	/* Three steps of four lead to a table that is half full with the most series. */
	uint32 n = Max(m->n_slots * 4, SERIES_MAX / 32);

	m->slots = tl_memtable_array(m, &m->slots_array, sizeof(Slot) * n);
	m->n_slots = n;
	memset(m->slots, 0, sizeof(Slot) * n);
	for (uint32 i = 0; i < m->n_series; i++)
		insert_slot(m, m->series[i].hash, i);
}

/* The memtable's copy of a metric: there are few of them, so most are found again. */
static TlSlice
copy_metric(TlMemtable *m, TlSlice metric, uint64 hash)
{
	TlSlice *known = &m->metrics[hash % METRIC_CACHE];

	if (known->data == NULL || !tl_slice_equal(*known, metric))
		*known = arena_copy(m, metric);
	return *known;
}

/* The memtable's copy of a device: series of one device tend to be new one after the other. */
static TlSlice
copy_device(TlMemtable *m, TlSlice device)
{
	if (m->n_series > 0 && tl_slice_equal(m->series[m->n_series - 1].key.device, device))
		return m->series[m->n_series - 1].key.device;
	return arena_copy(m, device);
}

static uint32
find_or_make_series(TlMemtable *m, TlSlice device, TlSlice metric)
{
	uint64 device_hash = tl_hash_bytes(device.data, device.len, 0);
	uint64 metric_hash = tl_hash_bytes(metric.data, metric.len, 0);
	uint64 hash = device_hash + metric_hash * UINT64CONST(0x9e3779b97f4a7c15);
	uint32 tag = (uint32) (hash >> 32);
	Series *s;

	if (m->n_series >= m->n_slots / 2)
		grow_table(m);
	for (uint32 slot = (uint32) hash & (m->n_slots - 1); m->slots[slot].series != 0;
		 slot = (slot + 1) & (m->n_slots - 1))
		if (m->slots[slot].tag == tag &&
			is_series(&m->series[m->slots[slot].series - 1], device, metric))
			return m->slots[slot].series - 1;

	m->series = room_for_one(m, &m->series_array, m->n_series, sizeof(Series));
	s = &m->series[m->n_series];
	s->hash = hash;
	s->key.device = copy_device(m, device);
	s->key.metric = copy_metric(m, metric, metric_hash);
	s->bucket = tl_bucket_of_hash(device_hash, m->buckets);
	s->count = 0;
	s->attrs = 0;
	s->next = NO_SERIES;
	s->check = (TlSeriesCheck){TL_SERIES_NEW, 0};
	insert_slot(m, hash, m->n_series);
	return m->n_series++;
}

uint32
tl_memtable_series(TlMemtable *m, TlSlice device, TlSlice metric, TlSeriesCheck **check)
{
	uint32 found = NO_SERIES;

	if (m->last_series != NO_SERIES)
		found = m->series[m->last_series].next;
	if (found == NO_SERIES || !is_series(&m->series[found], device, metric))
	{
		found = find_or_make_series(m, device, metric);
		if (m->last_series != NO_SERIES)
			m->series[m->last_series].next = found;
	}
	m->last_series = found;
	*check = &m->series[found].check;
	return found;
}

static const TlSlice *
copy_payload(TlMemtable *m, TlSlice payload)
{
	TlSlice *copy = arena_alloc(m, sizeof(TlSlice) + Max(payload.len, 1));

	copy->data = memcpy(copy + 1, payload.data, payload.len);
	copy->len = payload.len;
	return copy;
}

void
tl_memtable_add(TlMemtable *m, uint32 series, int64 ts, uint8 kind, TlSlice payload,
				uint32 position)
{
	TlCell cell =
		tl_cell_of_payload(kind, tl_cell_is_whole(kind) ? &payload : copy_payload(m, payload));
	uint32 shift = position - m->n_points;
	Point *p;

	if (unlikely(shift != (m->n_gaps == 0 ? 0 : m->gaps[m->n_gaps - 1].shift)))
	{
		m->gaps = room_for_one(m, &m->gaps_array, m->n_gaps, sizeof(Gap));
		m->gaps[m->n_gaps++] = (Gap){m->n_points, shift};
	}
	m->points = room_for_one(m, &m->points_array, m->n_points, sizeof(Point));
	p = &m->points[m->n_points++];
	p->ts = ts;
	p->cell = cell;
	p->series = series;
	p->attrs = 0;
	p->kind = kind;
	m->series[series].count++;
	m->kinds_seen |= (uint8) (1 << kind);
}

static TlSlice
json_text(TlMemtable *m, TlSlice binary)
{
	MemoryContext old = MemoryContextSwitchTo(m->arena_context);
	TlSlice text = {NULL, 0};

	if (binary.data != NULL)
	{
		Jsonb *copy = palloc(VARHDRSZ + binary.len);
		StringInfoData out;

		SET_VARSIZE(copy, VARHDRSZ + binary.len);
		memcpy(VARDATA(copy), binary.data, binary.len);
		initStringInfo(&out);
		(void) JsonbToCString(&out, &copy->root, (int) binary.len);
		text.data = out.data;
		text.len = (uint32) out.len;
		m->arena_total += (Size) out.maxlen + binary.len;
		pfree(copy);
	}
	MemoryContextSwitchTo(old);
	return text;
}

static bool
same_row_attrs(const TlRowAttrs *a, const TlRowAttrs *b)
{
	return tl_slice_equal(a->unit, b->unit) && tl_slice_equal(a->tags, b->tags) &&
		   tl_slice_equal(a->metadata, b->metadata);
}

static uint64
hash_row_attrs(const TlRowAttrs *a)
{
	uint64 h = tl_hash_bytes(a->unit.data, a->unit.len, 1);

	h = tl_hash_bytes(a->tags.data, a->tags.len, h);
	return tl_hash_bytes(a->metadata.data, a->metadata.len, h);
}

/* The number, from 1, of these attributes in the memtable; a table of chains by hash finds them. */
static uint32
number_attrs(TlMemtable *m, const TlRowAttrs *row)
{
	uint64 hash = hash_row_attrs(row);
	uint32 *chain = &m->attrs_chain[hash % lengthof(m->attrs_chain)];
	Attrs *a;

	for (uint32 i = *chain; i != 0; i = m->attrs[i - 1]->older)
		if (m->attrs[i - 1]->hash == hash && same_row_attrs(&m->attrs[i - 1]->row, row))
			return i;

	if (m->n_attrs == m->attrs_cap)
	{
		m->attrs_cap = Max(m->attrs_cap * 2, 64);
		m->attrs = m->attrs == NULL
					   ? MemoryContextAlloc(m->arena_context, sizeof(Attrs *) * m->attrs_cap)
					   : repalloc_huge(m->attrs, sizeof(Attrs *) * m->attrs_cap);
	}
	a = arena_alloc(m, sizeof(Attrs));
	a->hash = hash;
	a->older = *chain;
	a->row.unit = a->out.unit = arena_copy(m, row->unit);
	a->row.tags = arena_copy(m, row->tags);
	a->row.metadata = arena_copy(m, row->metadata);
	a->out.tags = json_text(m, row->tags);
	a->out.metadata = json_text(m, row->metadata);
	m->attrs[m->n_attrs++] = a;
	*chain = m->n_attrs;
	return m->n_attrs;
}

void
tl_memtable_set_attrs(TlMemtable *m, const TlRowAttrs *row)
{
	Point *p = &m->points[m->n_points - 1];
	Series *s = &m->series[p->series];

	if (s->attrs == 0 || !same_row_attrs(&m->attrs[s->attrs - 1]->row, row))
		s->attrs = number_attrs(m, row);
	p->attrs = s->attrs;
}
