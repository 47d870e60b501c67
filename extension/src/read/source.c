/*
 * source.c
 *		One stored block being read.  See source.h.
 */
#include "read/source.h"

#include "utils/datetime.h"
#include "utils/memutils.h"

/* The first read of a filtered block: enough for index and frames of most small ones. */
#define FIRST_READ 4096

/* All of a block is fetched at once when at least this part of it is wanted. */
#define WHOLE_BLOCK_PART 8

/* So much is fetched at once of a block that is read piece by piece, or a frame if that is larger. */
#define PIECE_BYTES (256 * 1024)

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
	bool choice_made; /* whether to fetch the whole block or single frames */
	bool *skipped;	  /* of each frame, or NULL */
	bool in_pieces;
	char *piece; /* of the block, from an offset on */
	uint32 piece_at;
	uint32 piece_len;

	bool started;
	int64 frame_no; /* of the open frame; -1 or n_frames outside */
	TlFrame *frame;
	int64 entry_no;
	int bucket;
	uint32 near_metric; /* in the filter's lists, of the entry that was looked at last */
	uint32 near_device;
	TlRunArrays arrays;
};

/* Whoever has to repair a damaged block needs to know which one it is. */
static void
name_block(void *arg)
{
	const TlBlockMeta *meta = &((TlSource *) arg)->meta;
	int year;
	int month;
	int day;

	if (geterrcode() != ERRCODE_DATA_CORRUPTED)
		return;
	j2date((int) (tl_day_of(meta->max_ts) / TL_USECS_PER_DAY) + POSTGRES_EPOCH_JDATE, &year, &month,
		   &day);
	errcontext("telemetry.block with day %04d-%02d-%02d, seq " INT64_FORMAT ", bucket %d, level %d",
			   year, month, day, meta->seq, meta->bucket, meta->level);
}

/* From enter to leave the block's data are looked at; those in memory have been checked when they came there. */
static inline void
enter(TlSource *s, ErrorContextCallback *context)
{
	context->previous = error_context_stack;
	context->callback = name_block;
	context->arg = s;
	if (s->owns_data)
		error_context_stack = context;
}

static inline void
leave(const ErrorContextCallback *context)
{
	error_context_stack = context->previous;
}

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
	s->bucket = meta->bucket;
	s->owns_data = true;
	return s;
}

TlSource *
tl_source_create_memory(const struct varlena *data, int bucket, int64 seq, const TlFilter *filter,
						int buckets, TlReadStats *stats)
{
	TlSource *s = create(filter, buckets, stats);

	s->meta.bucket = s->bucket = bucket;
	s->meta.seq = seq;
	s->meta.length = s->have = (uint32) VARSIZE_ANY_EXHDR(data);
	s->data = VARDATA_ANY(data);
	return s;
}

void
tl_source_read_in_pieces(TlSource *s)
{
	s->in_pieces = s->owns_data;
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

/* What was fetched before stays: frames that are not compressed point into it. */
static void
fetch(TlSource *s, uint32 len)
{
	MemoryContext old = MemoryContextSwitchTo(s->context);

	s->data = tl_store_read(&s->meta, 0, len, &s->have);
	s->stats->bytes += s->have;
	MemoryContextSwitchTo(old);
}

static void
open_index(TlSource *s, bool whole)
{
	MemoryContext old;
	uint32 need;

	s->stats->blocks++;
	if (s->owns_data)
		fetch(s, whole && !s->in_pieces ? s->meta.length : Min(FIRST_READ, s->meta.length));
	need = tl_block_index_size(s->data, s->have);
	if (need > s->have && s->owns_data)
		fetch(s, need);
	old = MemoryContextSwitchTo(s->context);
	s->index = tl_block_index_open(s->data, s->have);
	MemoryContextSwitchTo(old);
	if (s->index->length != s->meta.length)
		tl_corrupt("the block's length is not that of its row");
}

/*
 * Whether a sorted list holds the key; an empty one holds all.  Keys mostly come in order, so it is looked for
 * around the place of the last one, which is kept in near, and by halves only farther away.
 */
static bool
listed(const TlSlice *list, uint32 n, TlSlice key, uint32 *near)
{
	uint32 low = 0;
	uint32 high = n;
	uint32 at = Min(*near, n == 0 ? 0 : n - 1);

	for (uint32 gap = 0; low < high; gap = 2 * gap + 1)
	{
		int c = tl_slice_compare(list[at], key);

		if (c == 0)
		{
			*near = at;
			return true;
		}
		if (c < 0)
			low = at + 1;
		else
			high = at;
		at = c < 0 ? low + Min(gap, (high - low) / 2) : high - 1 - Min(gap, (high - low) / 2);
	}
	*near = low;
	return n == 0;
}

void
tl_read_stats_add(TlReadStats *sum, const TlReadStats *more)
{
	sum->counted += more->counted;
	sum->blocks += more->blocks;
	sum->frames += more->frames;
	sum->entries += more->entries;
	sum->bytes += more->bytes;
}

static bool
has_key_near(const TlFilter *f, const TlKey *key, uint32 *near_metric, uint32 *near_device)
{
	return tl_slice_has_prefix(key->metric, f->metric_prefix) &&
		   tl_slice_has_prefix(key->device, f->device_prefix) &&
		   listed(f->metrics, f->n_metrics, key->metric, near_metric) &&
		   listed(f->devices, f->n_devices, key->device, near_device);
}

bool
tl_filter_has_key(const TlFilter *f, const TlKey *key)
{
	uint32 near_metric = f->n_metrics / 2;
	uint32 near_device = f->n_devices / 2;

	return has_key_near(f, key, &near_metric, &near_device);
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

/* Whether a frame of a bucket's block can hold a device that begins with the filter's prefix. */
static bool
frame_may_have_prefix(const TlSource *s, uint32 number)
{
	TlSlice prefix = s->filter->device_prefix;
	const TlKey *first = &s->index->frames[number].first;

	if (prefix.len == 0 || s->meta.bucket == TL_BUCKET_MIXED)
		return true;
	if (tl_slice_compare(first->device, prefix) > 0 && !tl_slice_has_prefix(first->device, prefix))
		return false;
	return number + 1 == s->index->n_frames ||
		   tl_slice_compare(s->index->frames[number + 1].first.device, prefix) >= 0;
}

static bool
frame_may_match(const TlSource *s, uint32 number)
{
	const TlFilter *f = s->filter;
	const TlFrameInfo *info = &s->index->frames[number];

	if (info->max_ts < f->from || info->min_ts > f->to)
		return false;
	if (!frame_may_have_prefix(s, number))
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

static bool
frame_wanted(const TlSource *s, uint32 number)
{
	return (s->skipped == NULL || !s->skipped[number]) && frame_may_match(s, number);
}

/* Whether so much of the block is still wanted that fetching all of it takes less time. */
static bool
wants_whole(const TlSource *s)
{
	uint64 wanted = 0;

	for (uint32 i = 0; i < s->index->n_frames; i++)
		if (frame_wanted(s, i))
			wanted += s->index->frames[i].stored_len;
	return wanted > s->meta.length / WHOLE_BLOCK_PART;
}

static inline bool
is_fetched(const TlSource *s, const TlFrameInfo *info)
{
	return info->stored_len <= s->have && info->offset <= s->have - info->stored_len;
}

static TlFrame *
read_frame(TlSource *s, uint32 number)
{
	const TlFrameInfo *info = &s->index->frames[number];
	const char *stored;
	uint32 got = info->stored_len;

	if (!is_fetched(s, info))
	{
		if (!s->owns_data)
			tl_corrupt("the block ends early");
		if (!s->choice_made && !s->in_pieces && wants_whole(s))
			fetch(s, s->meta.length);
		s->choice_made = true;
	}
	if (is_fetched(s, info))
		stored = s->data + info->offset;
	else
	{
		stored = tl_store_read(&s->meta, info->offset, info->stored_len, &got);
		s->stats->bytes += got;
	}
	s->stats->frames++;
	return tl_frame_open(s->index, info, stored, got);
}

TlFrame *
tl_source_read_frame(TlSource *s, uint32 number)
{
	ErrorContextCallback context;
	TlFrame *frame;

	enter(s, &context);
	frame = read_frame(s, number);
	leave(&context);
	return frame;
}

/* A frame from the current piece of the block, or from the next one, which begins with it. */
static TlFrame *
read_from_piece(TlSource *s, const TlFrameInfo *info)
{
	bool has_it = s->piece != NULL && info->offset >= s->piece_at &&
				  info->offset - s->piece_at <= s->piece_len &&
				  info->stored_len <= s->piece_len - (info->offset - s->piece_at);

	if (!has_it)
	{
		MemoryContext old = MemoryContextSwitchTo(s->context);

		if (s->piece != NULL)
			pfree(s->piece);
		s->piece = NULL;
		s->piece = tl_store_read(&s->meta, info->offset, Max(info->stored_len, PIECE_BYTES),
								 &s->piece_len);
		s->piece_at = info->offset;
		s->stats->bytes += s->piece_len;
		MemoryContextSwitchTo(old);
	}
	s->stats->frames++;
	return tl_frame_open(s->index, info, s->piece + (info->offset - s->piece_at),
						 Min(info->stored_len, s->piece_len - (info->offset - s->piece_at)));
}

/* The frame before, which may point into what was fetched for it, is not used any more. */
static void
open_frame(TlSource *s)
{
	const TlFrameInfo *info = &s->index->frames[s->frame_no];
	MemoryContext old;

	MemoryContextReset(s->frame_context);
	old = MemoryContextSwitchTo(s->frame_context);
	if (s->in_pieces && s->filter->n_devices == 0 && s->filter->device_prefix.len == 0 &&
		!is_fetched(s, info))
		s->frame = read_from_piece(s, info);
	else
		s->frame = read_frame(s, (uint32) s->frame_no);
	MemoryContextSwitchTo(old);
}

/* Moves to the next frame worth opening. */
static bool
next_frame(TlSource *s, bool backward)
{
	int64 step = backward ? -1 : 1;

	for (s->frame_no += step; s->frame_no >= 0 && s->frame_no < (int64) s->index->n_frames;
		 s->frame_no += step)
		if (frame_wanted(s, (uint32) s->frame_no))
		{
			open_frame(s);
			s->entry_no = backward ? (int64) s->frame->n_entries : -1;
			return true;
		}
	s->frame = NULL;
	return false;
}

static bool
entry_matches(TlSource *s, const TlEntry *e)
{
	const TlFilter *f = s->filter;

	return e->first <= f->to && e->last >= f->from &&
		   has_key_near(f, &e->key, &s->near_metric, &s->near_device);
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

static inline void
update_bucket(TlSource *s, const TlKey *key)
{
	if (s->meta.bucket == TL_BUCKET_MIXED)
		s->bucket = tl_bucket_of(key->device, s->buckets);
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
	update_bucket(s, &run->key);
}

/* Steps to the next entry that may hold what is wanted. */
static const TlEntry *
next_entry(TlSource *s, bool backward)
{
	int64 step = backward ? -1 : 1;

	if (s->index == NULL)
		open_index(s, s->filter->n_devices == 0 && s->filter->device_prefix.len == 0);
	if (!s->started)
		s->frame_no = backward ? (int64) s->index->n_frames : -1;
	s->started = true;
	for (;;)
	{
		if (s->frame != NULL)
			for (s->entry_no += step; s->entry_no >= 0 && s->entry_no < (int64) s->frame->n_entries;
				 s->entry_no += step)
				if (entry_matches(s, &s->frame->entries[s->entry_no]))
					return &s->frame->entries[s->entry_no];
		if (!next_frame(s, backward))
			return NULL;
		CHECK_FOR_INTERRUPTS();
	}
}

bool
tl_source_next(TlSource *s, bool backward, TlRun *run)
{
	ErrorContextCallback context;
	const TlEntry *e;
	bool found = false;

	enter(s, &context);
	while (!found && (e = next_entry(s, backward)) != NULL)
	{
		decode(s, e, run);
		found = cut_to_range(s->filter, run);
	}
	leave(&context);
	return found;
}

static bool
next_undecoded(TlSource *s, TlRun *run)
{
	const TlEntry *e;

	while ((e = next_entry(s, false)) != NULL)
	{
		if (e->first >= s->filter->from && e->last <= s->filter->to)
		{
			memset(run, 0, sizeof(TlRun));
			run->key = e->key;
			run->n = e->n;
			update_bucket(s, &e->key);
			return true;
		}
		decode(s, e, run);
		if (cut_to_range(s->filter, run))
			return true;
	}
	return false;
}

bool
tl_source_next_undecoded(TlSource *s, TlRun *run)
{
	ErrorContextCallback context;
	bool found;

	enter(s, &context);
	found = next_undecoded(s, run);
	leave(&context);
	return found;
}

const TlEntry *
tl_source_previous_entry(TlSource *s)
{
	ErrorContextCallback context;
	const TlEntry *e;

	enter(s, &context);
	e = next_entry(s, true);
	leave(&context);
	return e;
}

void
tl_source_decode(TlSource *s, TlRun *run)
{
	ErrorContextCallback context;

	enter(s, &context);
	decode(s, tl_source_entry(s), run);
	leave(&context);
}

const TlEntry *
tl_source_entry(const TlSource *s)
{
	return &s->frame->entries[s->entry_no];
}

const TlBlockIndex *
tl_source_index(TlSource *s)
{
	ErrorContextCallback context;

	enter(s, &context);
	if (s->index == NULL)
		open_index(s, false);
	leave(&context);
	return s->index;
}

int
tl_source_first_bucket(TlSource *s)
{
	const TlBlockIndex *index;

	if (!s->in_pieces || s->meta.bucket != TL_BUCKET_MIXED)
		return s->meta.bucket;
	index = tl_source_index(s);
	return index->n_frames == 0 ? s->meta.bucket
								: tl_bucket_of(index->frames[0].first.device, s->buckets);
}

void
tl_source_skip_frame(TlSource *s, uint32 number)
{
	if (s->skipped == NULL)
		s->skipped = MemoryContextAllocZero(s->context, s->index->n_frames);
	s->skipped[number] = true;
}
