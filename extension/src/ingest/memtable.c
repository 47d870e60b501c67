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
	TlMemtable *b = palloc0(sizeof(TlMemtable));

	b->context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry memtable", ALLOCSET_DEFAULT_SIZES);
	b->arena_context =
		AllocSetContextCreate(b->context, "telemetry memtable arena", ALLOCSET_DEFAULT_SIZES);
	b->buckets = buckets;
	b->last_series = NO_SERIES;
	return b;
}

void
tl_memtable_reset(TlMemtable *b)
{
	MemoryContextReset(b->arena_context);
	b->n_points = 0;
	b->kinds_seen = 0;
	b->n_gaps = 0;
	b->n_series = 0;
	b->last_series = NO_SERIES;
	if (b->slots != NULL)
		memset(b->slots, 0, sizeof(Slot) * b->n_slots);
	memset(b->metrics, 0, sizeof(b->metrics));
	b->attrs = NULL;
	b->n_attrs = b->attrs_cap = 0;
	memset(b->attrs_chain, 0, sizeof(b->attrs_chain));
	b->arena = NULL;
	b->arena_left = b->arena_total = 0;
	b->n_spans = 0;
}

void *
tl_memtable_array(TlMemtable *b, Array *array, Size size)
{
	if (size > array->size)
	{
		if (array->data != NULL)
			pfree(array->data);
		array->data = NULL;
		array->data = MemoryContextAllocHuge(b->context, size);
		array->size = size;
	}
	return array->data;
}

/* With more, finding a series leaves the processor's caches at every step. */
#define SERIES_MAX 65536

/* Memory is what the memtable takes now, and will take beside it for the columns that sorting makes. */
bool
tl_memtable_is_full(const TlMemtable *b, Size memory)
{
	Size now = (Size) b->n_points * (sizeof(Point) + sizeof(int64) + sizeof(TlCell)) +
			   (Size) b->n_series * (sizeof(Series) + sizeof(Span) + 4 * sizeof(Slot)) +
			   b->arena_total;

	return now >= memory || b->n_series >= SERIES_MAX || b->n_attrs >= ATTRS_MAX;
}

/* Bytes that live as long as the memtable; aligned for pointers. */
static void *
arena_alloc(TlMemtable *b, Size size)
{
	void *at;

	size = MAXALIGN(size);
	b->arena_total += size;
	if (size > ARENA_CHUNK / 4)
		return MemoryContextAllocHuge(b->arena_context, size);
	if (size > b->arena_left)
	{
		b->arena = MemoryContextAlloc(b->arena_context, ARENA_CHUNK);
		b->arena_left = ARENA_CHUNK;
	}
	at = b->arena;
	b->arena += size;
	b->arena_left -= size;
	return at;
}

static TlSlice
arena_copy(TlMemtable *b, TlSlice s)
{
	TlSlice copy = {NULL, s.len};

	if (s.data != NULL)
	{
		char *to = arena_alloc(b, Max(s.len, 1));

		memcpy(to, s.data, s.len);
		copy.data = to;
	}
	return copy;
}

/* Makes room for one more element behind count, doubling the array and keeping what it holds. */
static inline void *
room_for_one(TlMemtable *b, Array *array, uint32 count, Size element)
{
	Size size;

	if (likely(((Size) count + 1) * element <= array->size))
		return array->data;
	size = Max(array->size * 2, 256 * element);
	array->data = array->data == NULL ? MemoryContextAllocHuge(b->context, size)
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
insert_slot(TlMemtable *b, uint64 hash, uint32 number)
{
	uint32 slot = (uint32) hash & (b->n_slots - 1);

	while (b->slots[slot].series != 0)
		slot = (slot + 1) & (b->n_slots - 1);
	b->slots[slot] = (Slot){(uint32) (hash >> 32), number + 1};
}

static void
grow_table(TlMemtable *b)
{
	/* Three steps of four lead to a table that is half full with the most series. */
	uint32 n = Max(b->n_slots * 4, SERIES_MAX / 32);

	b->slots = tl_memtable_array(b, &b->slots_array, sizeof(Slot) * n);
	b->n_slots = n;
	memset(b->slots, 0, sizeof(Slot) * n);
	for (uint32 i = 0; i < b->n_series; i++)
		insert_slot(b, b->series[i].hash, i);
}

/* The memtable's copy of a metric: there are few of them, so most are found again. */
static TlSlice
copy_metric(TlMemtable *b, TlSlice metric, uint64 hash)
{
	TlSlice *known = &b->metrics[hash % METRIC_CACHE];

	if (known->data == NULL || !tl_slice_equal(*known, metric))
		*known = arena_copy(b, metric);
	return *known;
}

/* The memtable's copy of a device: series of one device tend to be new one after the other. */
static TlSlice
copy_device(TlMemtable *b, TlSlice device)
{
	if (b->n_series > 0 && tl_slice_equal(b->series[b->n_series - 1].key.device, device))
		return b->series[b->n_series - 1].key.device;
	return arena_copy(b, device);
}

static uint32
find_or_make_series(TlMemtable *b, TlSlice device, TlSlice metric)
{
	uint64 device_hash = tl_hash_bytes(device.data, device.len, 0);
	uint64 metric_hash = tl_hash_bytes(metric.data, metric.len, 0);
	uint64 hash = device_hash + metric_hash * UINT64CONST(0x9e3779b97f4a7c15);
	uint32 tag = (uint32) (hash >> 32);
	Series *s;

	if (b->n_series >= b->n_slots / 2)
		grow_table(b);
	for (uint32 slot = (uint32) hash & (b->n_slots - 1); b->slots[slot].series != 0;
		 slot = (slot + 1) & (b->n_slots - 1))
		if (b->slots[slot].tag == tag &&
			is_series(&b->series[b->slots[slot].series - 1], device, metric))
			return b->slots[slot].series - 1;

	b->series = room_for_one(b, &b->series_array, b->n_series, sizeof(Series));
	s = &b->series[b->n_series];
	s->hash = hash;
	s->key.device = copy_device(b, device);
	s->key.metric = copy_metric(b, metric, metric_hash);
	s->bucket = tl_bucket_of_hash(device_hash, b->buckets);
	s->count = 0;
	s->attrs = 0;
	s->next = NO_SERIES;
	s->state = TL_SERIES_NEW;
	insert_slot(b, hash, b->n_series);
	return b->n_series++;
}

uint32
tl_memtable_series(TlMemtable *b, TlSlice device, TlSlice metric, TlSeriesState **state)
{
	uint32 found = NO_SERIES;

	if (b->last_series != NO_SERIES)
		found = b->series[b->last_series].next;
	if (found == NO_SERIES || !is_series(&b->series[found], device, metric))
	{
		found = find_or_make_series(b, device, metric);
		if (b->last_series != NO_SERIES)
			b->series[b->last_series].next = found;
	}
	b->last_series = found;
	*state = &b->series[found].state;
	return found;
}

void
tl_memtable_add_cell(TlMemtable *b, uint32 series, int64 ts, uint8 kind, TlCell cell,
					 uint32 position)
{
	uint32 shift = position - b->n_points;
	Point *p;

	if (unlikely(shift != (b->n_gaps == 0 ? 0 : b->gaps[b->n_gaps - 1].shift)))
	{
		b->gaps = room_for_one(b, &b->gaps_array, b->n_gaps, sizeof(Gap));
		b->gaps[b->n_gaps++] = (Gap){b->n_points, shift};
	}
	b->points = room_for_one(b, &b->points_array, b->n_points, sizeof(Point));
	p = &b->points[b->n_points++];
	p->ts = ts;
	p->cell = cell;
	p->series = series;
	p->attrs = 0;
	p->kind = kind;
	b->series[series].count++;
	b->kinds_seen |= (uint8) (1 << kind);
}

void
tl_memtable_add_bytes(TlMemtable *b, uint32 series, int64 ts, uint8 kind, const char *data,
					  uint32 len, uint32 position)
{
	TlSlice *s = arena_alloc(b, sizeof(TlSlice) + Max(len, 1));
	TlCell cell;

	s->data = (char *) (s + 1);
	s->len = len;
	memcpy(s + 1, data, len);
	cell.bytes = s;
	tl_memtable_add_cell(b, series, ts, kind, cell, position);
}

static TlSlice
json_text(TlMemtable *b, TlSlice binary)
{
	MemoryContext old = MemoryContextSwitchTo(b->arena_context);
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
		b->arena_total += (Size) out.maxlen + binary.len;
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
number_attrs(TlMemtable *b, const TlRowAttrs *row)
{
	uint64 hash = hash_row_attrs(row);
	uint32 *chain = &b->attrs_chain[hash % lengthof(b->attrs_chain)];
	Attrs *a;

	for (uint32 i = *chain; i != 0; i = b->attrs[i - 1]->older)
		if (b->attrs[i - 1]->hash == hash && same_row_attrs(&b->attrs[i - 1]->row, row))
			return i;

	if (b->n_attrs == b->attrs_cap)
	{
		b->attrs_cap = Max(b->attrs_cap * 2, 64);
		b->attrs = b->attrs == NULL
					   ? MemoryContextAlloc(b->arena_context, sizeof(Attrs *) * b->attrs_cap)
					   : repalloc_huge(b->attrs, sizeof(Attrs *) * b->attrs_cap);
	}
	a = arena_alloc(b, sizeof(Attrs));
	a->hash = hash;
	a->older = *chain;
	a->row.unit = a->out.unit = arena_copy(b, row->unit);
	a->row.tags = arena_copy(b, row->tags);
	a->row.metadata = arena_copy(b, row->metadata);
	a->out.tags = json_text(b, row->tags);
	a->out.metadata = json_text(b, row->metadata);
	b->attrs[b->n_attrs++] = a;
	*chain = b->n_attrs;
	return b->n_attrs;
}

void
tl_memtable_set_attrs(TlMemtable *b, const TlRowAttrs *row)
{
	Point *p = &b->points[b->n_points - 1];
	Series *s = &b->series[p->series];

	if (s->attrs == 0 || !same_row_attrs(&b->attrs[s->attrs - 1]->row, row))
		s->attrs = number_attrs(b, row);
	p->attrs = s->attrs;
}
