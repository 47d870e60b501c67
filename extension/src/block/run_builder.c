/*
 * run_builder.c
 *		Joins pieces of a series into runs.  See run_builder.h.
 */
#include "block/run_builder.h"

#include "utils/memutils.h"

/* Strings of a run are handed on when they reach this size, whatever the number of points. */
#define STRINGS_MAX TL_FRAME_BYTES

struct TlRunBuilder
{
	TlBlockWriter *writer;
	MemoryContext strings; /* key, payloads and attributes of the run */
	size_t strings_size;
	TlRun run;
	TlRunArrays arrays;
	bool has_attrs;
};

TlRunBuilder *
tl_run_builder_create(TlBlockWriter *writer)
{
	TlRunBuilder *b = palloc0(sizeof(TlRunBuilder));

	b->writer = writer;
	b->strings = AllocSetContextCreate(CurrentMemoryContext, "telemetry run strings",
									   ALLOCSET_DEFAULT_SIZES);
	tl_run_arrays_reserve(&b->arrays, TL_FRAME_POINTS);
	return b;
}

void
tl_run_builder_flush(TlRunBuilder *b)
{
	TlRun *run = &b->run;

	if (run->n == 0)
		return;
	run->ts = b->arrays.ts;
	run->cell = b->arrays.cell;
	run->attrs = b->has_attrs ? b->arrays.attrs : NULL;
	run->kind = b->arrays.kinds[0];
	run->kinds = NULL;
	for (uint32 i = 1; i < run->n; i++)
		if (b->arrays.kinds[i] != run->kind)
		{
			run->kind = TL_KIND_MIXED;
			run->kinds = b->arrays.kinds;
			break;
		}
	tl_block_writer_add(b->writer, run);
	memset(run, 0, sizeof(TlRun));
	MemoryContextReset(b->strings);
	b->strings_size = 0;
	b->has_attrs = false;
}

static TlSlice
copy_slice(TlRunBuilder *b, TlSlice s)
{
	char *copy;

	if (s.data == NULL)
		return s;
	copy = MemoryContextAllocHuge(b->strings, Max(s.len, 1));
	memcpy(copy, s.data, s.len);
	b->strings_size += s.len;
	return (TlSlice){copy, s.len};
}

static const TlAttrs *
copy_attrs(TlRunBuilder *b, const TlAttrs *a)
{
	const TlAttrs *last = b->run.n > 0 && b->has_attrs ? b->arrays.attrs[b->run.n - 1] : NULL;
	TlAttrs *copy;

	if (a == NULL)
		return NULL;
	if (last != NULL && tl_slice_equal(last->unit, a->unit) &&
		tl_slice_equal(last->tags, a->tags) && tl_slice_equal(last->metadata, a->metadata))
		return last;
	copy = MemoryContextAlloc(b->strings, sizeof(TlAttrs));
	copy->unit = copy_slice(b, a->unit);
	copy->tags = copy_slice(b, a->tags);
	copy->metadata = copy_slice(b, a->metadata);
	return copy;
}

static void
add_point(TlRunBuilder *b, const TlRun *piece, uint32 i)
{
	uint32 at = b->run.n;
	uint8 kind = tl_run_kind(piece, i);

	b->arrays.ts[at] = piece->ts[i];
	b->arrays.kinds[at] = kind;
	b->arrays.cell[at] = piece->cell[i];
	if (!tl_cell_is_whole(kind))
	{
		TlSlice *copy = MemoryContextAlloc(b->strings, sizeof(TlSlice));

		*copy = copy_slice(b, *piece->cell[i].bytes);
		b->arrays.cell[at].bytes = copy;
	}
	b->arrays.attrs[at] = piece->attrs == NULL ? NULL : copy_attrs(b, piece->attrs[i]);
	b->has_attrs |= b->arrays.attrs[at] != NULL;
	b->run.n++;
}

void
tl_run_builder_add(TlRunBuilder *b, const TlRun *piece)
{
	if (b->run.n > 0 && !tl_key_equal(&b->run.key, &piece->key))
		tl_run_builder_flush(b);
	for (uint32 i = 0; i < piece->n; i++)
	{
		if (b->run.n == TL_FRAME_POINTS || b->strings_size >= STRINGS_MAX)
			tl_run_builder_flush(b);
		if (b->run.n == 0)
		{
			b->run.key.device = copy_slice(b, piece->key.device);
			b->run.key.metric = copy_slice(b, piece->key.metric);
		}
		add_point(b, piece, i);
	}
}
