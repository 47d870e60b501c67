/*
 * source.c
 *		One stored block being read.  See source.h.
 */
#include "source.h"

#include "utils/memutils.h"

/* The first read of a filtered block: enough for index and frames of most small ones. */
#define FIRST_READ 4096

struct TlSource
{
	MemoryContext context;
	MemoryContext frame_context;
	TlBlockMeta meta;
	const TlFilter *filter;
	int buckets;
	TlReadStats *stats;

	TlBlockIndex *index;
	const char *data; /* the block's first have bytes */
	uint32 have;
	bool owns_data;

	int64 frame_no; /* of the open frame; -1 or n_frames outside */
	TlFrame *frame;
	int64 entry_no;
	int bucket;
	TlRunArrays arrays;
};

static TlSource *
create(const TlFilter *filter, int buckets, TlReadStats *stats)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry source", ALLOCSET_SMALL_SIZES);
	TlSource *s = MemoryContextAllocZero(context, sizeof(TlSource));

	s->context = context;
	s->frame_context = AllocSetContextCreate(context, "telemetry frame", 1024, 16 * 1024,
											 ALLOCSET_DEFAULT_MAXSIZE);
	s->filter = filter;
	s->buckets = buckets;
	s->stats = stats;
	return s;
}

TlSource *
tl_source_create(const TlBlockMeta *meta, const TlFilter *filter, int buckets, TlReadStats *stats)
{
	TlSource *s = create(filter, buckets, stats);

	s->meta = *meta;
	s->owns_data = true;
	return s;
}

TlSource *
tl_source_create_memory(const struct varlena *data, int bucket, int64 seq, const TlFilter *filter,
						int buckets, TlReadStats *stats)
{
	TlSource *s = create(filter, buckets, stats);

	s->meta.bucket = bucket;
	s->meta.seq = seq;
	s->meta.length = s->have = (uint32) VARSIZE_ANY_EXHDR(data);
	s->data = VARDATA_ANY(data);
	return s;
}

void
tl_source_free(TlSource *s)
{
	MemoryContextDelete(s->context);
}

int64
tl_source_seq(const TlSource *s)
{
	return s->meta.seq;
}

int
tl_source_bucket(const TlSource *s)
{
	return s->bucket;
}

static void
fetch(TlSource *s, uint32 len)
{
	MemoryContext old = MemoryContextSwitchTo(s->context);

	if (s->data != NULL)
		pfree(unconstify(char *, s->data));
	s->data = tl_store_read(&s->meta, 0, len, &s->have);
	s->stats->bytes += s->have;
	MemoryContextSwitchTo(old);
}

static void
open_index(TlSource *s)
{
	bool filtered = s->filter->n_devices > 0;
	MemoryContext old;
	uint32 need;

	s->stats->blocks++;
	if (s->owns_data)
		fetch(s, filtered ? Min(FIRST_READ, s->meta.length) : s->meta.length);
	need = tl_block_index_size(s->data, s->have);
	if (need > s->have && s->owns_data)
		fetch(s, need);
	old = MemoryContextSwitchTo(s->context);
	s->index = tl_block_index_open(s->data, s->have);
	MemoryContextSwitchTo(old);
	if (s->index->length != s->meta.length)
		tl_corrupt("the block's length is not that of its row");
	s->bucket = s->meta.bucket;
}

static void
open_frame(TlSource *s)
{
	const TlFrameInfo *info = &s->index->frames[s->frame_no];
	MemoryContext old;
	const char *stored;
	uint32 got = info->stored_len;

	MemoryContextReset(s->frame_context);
	old = MemoryContextSwitchTo(s->frame_context);
	if (info->stored_len <= s->have && info->offset <= s->have - info->stored_len)
		stored = s->data + info->offset;
	else if (s->owns_data)
	{
		stored = tl_store_read(&s->meta, info->offset, info->stored_len, &got);
		s->stats->bytes += got;
	}
	else
		tl_corrupt("the block ends early");
	s->frame = tl_frame_open(s->index, info, stored, got);
	s->stats->frames++;
	MemoryContextSwitchTo(old);
}

/* Whether a sorted list holds the key; an empty one holds all. */
static bool
listed(const TlSlice *list, uint32 n, TlSlice key)
{
	uint32 low = 0;
	uint32 high = n;

	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;
		int c = tl_slice_compare(list[middle], key);

		if (c == 0)
			return true;
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return n == 0;
}

/* Bucket and device order the entries of any block; a frame's range of both can rule it out. */
static int
compare_place(const TlSource *s, TlSlice a, TlSlice b)
{
	if (s->meta.bucket == TL_BUCKET_MIXED)
	{
		int x = tl_bucket_of(a, s->buckets);
		int y = tl_bucket_of(b, s->buckets);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return tl_slice_compare(a, b);
}

static bool
frame_may_match(const TlSource *s, uint32 number)
{
	const TlFilter *f = s->filter;
	const TlFrameInfo *info = &s->index->frames[number];

	if (info->max_ts < f->from || info->min_ts > f->to)
		return false;
	if (f->n_devices == 0)
		return true;
	for (uint32 i = 0; i < f->n_devices; i++)
	{
		if (compare_place(s, f->devices[i], info->first.device) < 0)
			continue;
		if (number + 1 < s->index->n_frames)
		{
			const TlKey *next = &s->index->frames[number + 1].first;
			int c = compare_place(s, f->devices[i], next->device);

			if (c > 0)
				continue;
			/* The next frame begins with this device: is there an earlier metric to look for? */
			if (c == 0 && f->n_metrics == 1 && tl_slice_compare(f->metrics[0], next->metric) > 0)
				continue;
		}
		if (f->n_metrics > 0 && tl_slice_equal(f->devices[i], info->first.device) &&
			tl_slice_compare(f->metrics[f->n_metrics - 1], info->first.metric) < 0)
			continue;
		return true;
	}
	return false;
}

/* Moves to the next frame worth opening. */
static bool
next_frame(TlSource *s, bool backward)
{
	int64 step = backward ? -1 : 1;

	for (s->frame_no += step; s->frame_no >= 0 && s->frame_no < (int64) s->index->n_frames;
		 s->frame_no += step)
		if (frame_may_match(s, (uint32) s->frame_no))
		{
			open_frame(s);
			s->entry_no = backward ? (int64) s->frame->n_entries : -1;
			return true;
		}
	s->frame = NULL;
	return false;
}

static bool
entry_matches(const TlSource *s, const TlEntry *e)
{
	const TlFilter *f = s->filter;

	return e->first <= f->to && e->last >= f->from &&
		   listed(f->metrics, f->n_metrics, e->key.metric) &&
		   listed(f->devices, f->n_devices, e->key.device);
}

/* Cuts a run to the filter's time range; false if nothing is left. */
static bool
cut_to_range(const TlFilter *f, TlRun *run)
{
	uint32 start = 0;
	uint32 end = run->n;

	while (end > 0 && run->ts[end - 1] > f->to)
		end--;
	while (start < end && run->ts[start] < f->from)
		start++;
	*run = tl_run_part(run, start, end - start);
	return run->n > 0;
}

static void
decode(TlSource *s, const TlEntry *e, TlRun *run)
{
	MemoryContext old;

	/* The arrays outlive the frame; what strings they point to does not. */
	old = MemoryContextSwitchTo(s->context);
	tl_run_arrays_reserve(&s->arrays, e->n);
	MemoryContextSwitchTo(s->frame_context);
	tl_entry_decode(s->frame, e, s->filter->columns, &s->arrays, run);
	MemoryContextSwitchTo(old);
	s->stats->entries++;
	if (s->meta.bucket == TL_BUCKET_MIXED)
		s->bucket = tl_bucket_of(run->key.device, s->buckets);
}

bool
tl_source_next(TlSource *s, bool backward, TlRun *run)
{
	int64 step = backward ? -1 : 1;

	if (s->index == NULL)
	{
		open_index(s);
		s->frame_no = backward ? (int64) s->index->n_frames : -1;
	}
	for (;;)
	{
		if (s->frame != NULL)
			for (s->entry_no += step; s->entry_no >= 0 && s->entry_no < (int64) s->frame->n_entries;
				 s->entry_no += step)
			{
				const TlEntry *e = &s->frame->entries[s->entry_no];

				if (!entry_matches(s, e))
					continue;
				decode(s, e, run);
				if (cut_to_range(s->filter, run))
					return true;
			}
		if (!next_frame(s, backward))
			return false;
		CHECK_FOR_INTERRUPTS();
	}
}
