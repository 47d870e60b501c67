/*
 * event_buffer.c
 *		Events collected for a flush.  See event_buffer.h.
 */
#include "event/event_buffer.h"

#include "utils/memutils.h"

TlEventBuffer *
tl_event_buffer_create(void)
{
	TlEventBuffer *b = palloc0(sizeof(TlEventBuffer));

	b->context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry events", ALLOCSET_DEFAULT_SIZES);
	return b;
}

void
tl_event_buffer_reset(TlEventBuffer *b)
{
	MemoryContext context = b->context;

	MemoryContextReset(context);
	memset(b, 0, sizeof(*b));
	b->context = context;
}

void
tl_event_buffer_add(TlEventBuffer *b, const TlEvent *event, const TlStream *stream, int64 row)
{
	TlEventRow *r;
	Size size = 0;
	Size data_size = event->data == NULL ? 0 : VARSIZE(event->data);
	char *copy;

	if (b->n_rows == b->rows_cap)
	{
		Size cap = Max((Size) b->rows_cap * 2, 64);

		b->rows = b->rows == NULL ? MemoryContextAllocHuge(b->context, cap * sizeof(TlEventRow))
								  : repalloc_huge(b->rows, cap * sizeof(TlEventRow));
		b->rows_cap = (uint32) cap;
	}
	r = &b->rows[b->n_rows++];
	memset(r, 0, sizeof(*r));
	r->event = *event;
	r->stream = stream;
	r->row = row;

	/* One piece of memory for all: the document first, which must be aligned. */
	for (int i = 0; i < TL_EVENT_TEXTS; i++)
		size += event->text[i].len;
	size += event->seed.len;
	copy = MemoryContextAlloc(b->context, Max(data_size + size, 1));
	if (event->data != NULL)
	{
		memcpy(copy, event->data, data_size);
		r->event.data = (const Jsonb *) copy;
		copy += data_size;
	}
	for (int i = 0; i < TL_EVENT_TEXTS; i++)
	{
		if (event->text[i].data == NULL)
			continue;
		memcpy(copy, event->text[i].data, event->text[i].len);
		r->event.text[i].data = copy;
		copy += event->text[i].len;
	}
	if (event->seed.data != NULL)
	{
		memcpy(copy, event->seed.data, event->seed.len);
		r->event.seed.data = copy;
	}
	b->bytes += sizeof(TlEventRow) + data_size + size;
}

static int
compare_rows(const void *a, const void *b)
{
	const TlEventRow *x = *(TlEventRow *const *) a;
	const TlEventRow *y = *(TlEventRow *const *) b;
	int c = memcmp(x->identity.key, y->identity.key, TL_EVENT_KEY_SIZE);

	return c != 0 ? c : (x->row > y->row) - (x->row < y->row);
}

void
tl_event_buffer_sort(TlEventBuffer *b)
{
	uint32 n = 0;

	b->order = MemoryContextAllocHuge(b->context, sizeof(TlEventRow *) * Max((Size) b->n_rows, 1));
	for (uint32 i = 0; i < b->n_rows; i++)
	{
		TlEventOutcome outcome = b->rows[i].outcome;

		if (outcome != TL_EVENT_REJECTED && outcome != TL_EVENT_SAMPLED)
			b->order[n++] = &b->rows[i];
	}
	qsort(b->order, n, sizeof(TlEventRow *), compare_rows);

	b->sets = MemoryContextAllocHuge(b->context, sizeof(TlEventSet) * Max((Size) n, 1));
	b->n_sets = 0;
	for (uint32 i = 0; i < n; i++)
	{
		if (i > 0 && memcmp(b->order[i - 1]->identity.key, b->order[i]->identity.key,
							TL_EVENT_KEY_SIZE) == 0)
			b->sets[b->n_sets - 1].n++;
		else
			b->sets[b->n_sets++] = (TlEventSet){.first = i, .n = 1};
	}
}
