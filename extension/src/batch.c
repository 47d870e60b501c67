/*
 * batch.c
 *		The table of series and the array of points of a batch.  See batch.h.
 *
 * Memory: the batch's context holds the two growing arrays, the hash table and an arena of
 * chunks for keys, payloads and attributes, none of which is freed before the reset.
 */
#include "batch_private.h"

#include "port/pg_bitutils.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#define ARENA_CHUNK (64 * 1024)

TlBatch *
tl_batch_create(int buckets)
{
	TlBatch *b = palloc0(sizeof(TlBatch));

	b->context = AllocSetContextCreate(CurrentMemoryContext, "telemetry batch",
									   ALLOCSET_DEFAULT_SIZES);
	b->buckets = buckets;
	tl_batch_reset(b);
	return b;
}

void
tl_batch_reset(TlBatch *b)
{
	MemoryContext context = b->context;
	int buckets = b->buckets;

	MemoryContextReset(context);
	memset(b, 0, sizeof(TlBatch));
	b->context = context;
	b->buckets = buckets;
	b->last_series = NO_SERIES;
}

uint32
tl_batch_points(const TlBatch *b)
{
	return b->n_points;
}

/* What the batch takes now, and will take beside it for the columns that sorting makes. */
Size
tl_batch_memory(const TlBatch *b)
{
	return (Size) b->n_points * (sizeof(Point) + sizeof(int64) + sizeof(TlCell)) +
		   (Size) b->n_series * (sizeof(Series) + sizeof(TlBatchRun) + 16) + b->arena_total;
}

/* Bytes that live as long as the batch; aligned for pointers. */
static void *
arena_alloc(TlBatch *b, Size size)
{
	void *at;

	size = MAXALIGN(size);
	b->arena_total += size;
	if (size > ARENA_CHUNK / 4)
		return MemoryContextAllocHuge(b->context, size);
	if (size > b->arena_left)
	{
		b->arena = MemoryContextAlloc(b->context, ARENA_CHUNK);
		b->arena_left = ARENA_CHUNK;
	}
	at = b->arena;
	b->arena += size;
	b->arena_left -= size;
	return at;
}

static TlSlice
arena_copy(TlBatch *b, TlSlice s)
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

/* An array of the batch that doubles; the caller uses element count next. */
static void *
grow_array(TlBatch *b, void *array, uint32 count, uint32 *cap, Size size)
{
	if (count < *cap)
		return array;
	*cap = Max(*cap * 2, 256);
	return array == NULL ? MemoryContextAllocHuge(b->context, *cap * size)
						 : repalloc_huge(array, *cap * size);
}

static inline bool
is_series(const Series *s, TlSlice device, TlSlice metric)
{
	return s->key.device.len == device.len && s->key.metric.len == metric.len &&
		   memcmp(s->key.device.data, device.data, device.len) == 0 &&
		   memcmp(s->key.metric.data, metric.data, metric.len) == 0;
}

static void
rebuild_table(TlBatch *b)
{
	uint32 slots = Max(b->n_slots * 4, 1024);

	if (b->slots != NULL)
		pfree(b->slots);
	b->slots = MemoryContextAllocExtended(b->context, sizeof(uint32) * slots,
										  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	b->n_slots = slots;
	for (uint32 i = 0; i < b->n_series; i++)
	{
		uint32 slot = (uint32) b->series[i].hash & (slots - 1);

		while (b->slots[slot] != 0)
			slot = (slot + 1) & (slots - 1);
		b->slots[slot] = i + 1;
	}
}

static uint32
find_or_make_series(TlBatch *b, TlSlice device, TlSlice metric)
{
	uint64 device_hash = tl_hash_bytes(device.data, device.len, 0);
	uint64 hash = tl_hash_bytes(metric.data, metric.len, device_hash);
	uint32 slot;
	Series *s;

	if (b->n_series >= b->n_slots / 2)
		rebuild_table(b);
	slot = (uint32) hash & (b->n_slots - 1);
	while (b->slots[slot] != 0)
	{
		s = &b->series[b->slots[slot] - 1];
		if (s->hash == hash && is_series(s, device, metric))
			return b->slots[slot] - 1;
		slot = (slot + 1) & (b->n_slots - 1);
	}

	b->series = grow_array(b, b->series, b->n_series, &b->series_cap, sizeof(Series));
	s = &b->series[b->n_series];
	s->hash = hash;
	s->key.device = arena_copy(b, device);
	s->key.metric = arena_copy(b, metric);
	s->bucket = (int) (device_hash % (uint64) b->buckets);
	s->count = 0;
	s->attrs = 0;
	s->next = NO_SERIES;
	b->slots[slot] = b->n_series + 1;
	s->state = TL_SERIES_NEW;
	return b->n_series++;
}

uint32
tl_batch_series(TlBatch *b, TlSlice device, TlSlice metric, TlSeriesState **state)
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
tl_batch_add_cell(TlBatch *b, uint32 series, int64 ts, uint8 kind, TlCell cell, uint32 position)
{
	Point *p;

	b->points = grow_array(b, b->points, b->n_points, &b->points_cap, sizeof(Point));
	p = &b->points[b->n_points++];
	p->ts = ts;
	p->cell = cell;
	p->series = series;
	p->position = position;
	p->attrs = 0;
	p->kind = kind;
	b->series[series].count++;
	b->kinds_seen |= (uint8) (1 << kind);
}

void
tl_batch_add_bytes(TlBatch *b, uint32 series, int64 ts, uint8 kind, const char *data, uint32 len,
				   uint32 position)
{
	TlSlice *s = arena_alloc(b, sizeof(TlSlice) + Max(len, 1));
	TlCell cell;

	s->data = (char *) (s + 1);
	s->len = len;
	memcpy(s + 1, data, len);
	cell.bytes = s;
	tl_batch_add_cell(b, series, ts, kind, cell, position);
}

static TlSlice
json_text(TlBatch *b, TlSlice binary)
{
	MemoryContext old = MemoryContextSwitchTo(b->context);
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

/* The number, from 1, of these attributes in the batch; a table of chains by hash finds them. */
static uint32
number_attrs(TlBatch *b, const TlRowAttrs *row)
{
	uint64 hash = hash_row_attrs(row);
	uint32 *chain = &b->attrs_chain[hash % lengthof(b->attrs_chain)];
	Attrs *a;

	for (uint32 i = *chain; i != 0; i = b->attrs[i - 1]->older)
		if (b->attrs[i - 1]->hash == hash && same_row_attrs(&b->attrs[i - 1]->row, row))
			return i;

	b->attrs = grow_array(b, b->attrs, b->n_attrs, &b->attrs_cap, sizeof(Attrs *));
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
tl_batch_set_attrs(TlBatch *b, const TlRowAttrs *row)
{
	Point *p = &b->points[b->n_points - 1];
	Series *s = &b->series[p->series];

	if (s->attrs == 0 || !same_row_attrs(&b->attrs[s->attrs - 1]->row, row))
		s->attrs = number_attrs(b, row);
	p->attrs = s->attrs;
}
