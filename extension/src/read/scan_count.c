/*
 * scan_count.c
 *		Counting points.  See scan_count.h.
 *
 * A block, a frame of a block and a series' entry in a frame all know their number of points,
 * their time range and which keys they can hold.  Each is counted as a whole if it lies within
 * the filter and nothing else can hold a key of its own; only what is left is looked into, down
 * to the timestamps.  So compacted blocks are counted by their rows; where two overlap, often by
 * one timestamp at the border between batches, their indexes tell which frames can share a key,
 * and the directories of those frames which series do.
 *
 * As in a scan, a day is dealt with at a time, and what it takes is freed with it.
 */
#include "read/scan_count.h"

#include "read/merge_day.h"
#include "read/scan.h"
#include "utils/memutils.h"

typedef struct Span
{
	int64 from;
	int64 to;
} Span;

typedef struct Frame
{
	TlSource *source;
	uint32 number;
	const TlFrameInfo *info;
	bool shared; /* may hold keys that another block holds, too */
} Frame;

/* Keys of a frame that follow each other, and the time that their points lie in. */
typedef struct Stretch
{
	Frame *frame;
	int bucket; /* of the first key */
	int last_bucket;
	const TlKey *first;
	const TlKey *last; /* or what comes after it; NULL: to the end of last_bucket */
	int64 from;
	int64 to;
} Stretch;

/* Mixed blocks can hold keys of any bucket, also of those that come last. */
#define LAST_BUCKET PG_INT32_MAX

/*
 * A frame of a mixed block stretches over all buckets, mostly for a few points.  So its series are
 * looked at one by one, unless they are more than so many for each frame of other blocks: then
 * it takes less time to open those.
 */
#define SERIES_FOR_A_FRAME 4

static inline bool
is_whole(const TlFilter *f, int64 min_ts, int64 max_ts)
{
	return min_ts >= f->from && max_ts <= f->to;
}

static int
compare_spans(const void *a, const void *b)
{
	const Span *x = a;
	const Span *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

/* The time that blocks cover, as spans in order without overlap. */
static Span *
cover_of(const TlBlockMeta *blocks, uint32 n, uint32 *n_spans)
{
	Span *spans = palloc(sizeof(Span) * Max(n, 1));
	uint32 last = 0;

	for (uint32 i = 0; i < n; i++)
		spans[i] = (Span){blocks[i].min_ts, blocks[i].max_ts};
	qsort(spans, n, sizeof(Span), compare_spans);
	for (uint32 i = 1; i < n; i++)
		if (spans[i].from <= spans[last].to)
			spans[last].to = Max(spans[last].to, spans[i].to);
		else
			spans[++last] = spans[i];
	*n_spans = n == 0 ? 0 : last + 1;
	return spans;
}

static bool
is_covered(const Span *spans, uint32 n, const TlBlockMeta *block)
{
	uint32 low = 0;
	uint32 high = n;

	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;

		if (spans[middle].to < block->min_ts)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && spans[low].from <= block->max_ts;
}

/*
 * Which of a day's blocks overlap, in time, another one that can hold the same keys.  Blocks are
 * sorted by (bucket, min_ts): of those before in a bucket, the one that reaches furthest tells.
 */
static bool *
find_shared(const TlBlockMeta *blocks, uint32 n, uint32 n_mixed)
{
	bool *shared = MemoryContextAllocHuge(CurrentMemoryContext, Max(n, 1));
	uint32 n_mixed_spans;
	uint32 n_other_spans;
	Span *mixed = cover_of(blocks, n_mixed, &n_mixed_spans);
	Span *others = cover_of(blocks + n_mixed, n_mixed > 0 ? n - n_mixed : 0, &n_other_spans);
	uint32 reach = 0;

	memset(shared, false, n);
	for (uint32 i = 0; i < n; i++)
	{
		bool mixed_too = i < n_mixed;

		if (i > 0 && blocks[i].bucket == blocks[reach].bucket &&
			blocks[i].min_ts <= blocks[reach].max_ts)
			shared[i] = shared[reach] = true;
		if (blocks[i].bucket != blocks[reach].bucket || blocks[i].max_ts > blocks[reach].max_ts)
			reach = i;
		shared[i] |= is_covered(mixed_too ? others : mixed,
								mixed_too ? n_other_spans : n_mixed_spans, &blocks[i]);
	}
	return shared;
}

static int
compare_stretches(const void *a, const void *b)
{
	const Stretch *x = a;
	const Stretch *y = b;

	if (x->bucket != y->bucket)
		return x->bucket < y->bucket ? -1 : 1;
	return tl_key_compare(x->first, y->first);
}

/* Whether a stretch ends before another begins. */
static inline bool
has_ended(const Stretch *stretch, const Stretch *other)
{
	if (stretch->last_bucket != other->bucket)
		return stretch->last_bucket < other->bucket;
	return stretch->last != NULL && tl_key_compare(stretch->last, other->first) < 0;
}

/* Marks frames that overlap, in keys and time, one of another block. */
static void
mark_shared(Stretch *stretches, uint32 n)
{
	Stretch **open = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Stretch *) * Max(n, 1));
	uint32 n_open = 0;

	qsort(stretches, n, sizeof(Stretch), compare_stretches);
	for (uint32 i = 0; i < n; i++)
	{
		Stretch *s = &stretches[i];
		uint32 kept = 0;

		CHECK_FOR_INTERRUPTS();
		for (uint32 o = 0; o < n_open; o++)
		{
			if (has_ended(open[o], s))
				continue;
			if (open[o]->from <= s->to && s->from <= open[o]->to &&
				open[o]->frame->source != s->frame->source)
				open[o]->frame->shared = s->frame->shared = true;
			open[kept++] = open[o];
		}
		n_open = kept;
		open[n_open++] = s;
	}
	pfree(open);
}

static inline bool
is_mixed(const TlSource *source)
{
	return tl_source_bucket(source) == TL_BUCKET_MIXED;
}

static inline int
bucket_of(const TlSource *source, const TlKey *key, int buckets)
{
	return is_mixed(source) ? tl_bucket_of(key->device, buckets) : tl_source_bucket(source);
}

/* All that a frame may hold; the next frame of its block begins where it ends. */
static void
add_frame(Stretch *s, Frame *frame, int buckets)
{
	const TlBlockIndex *index = tl_source_index(frame->source);
	const TlKey *next =
		frame->number + 1 < index->n_frames ? &index->frames[frame->number + 1].first : NULL;

	s->frame = frame;
	s->first = &frame->info->first;
	s->bucket = bucket_of(frame->source, s->first, buckets);
	s->last = next;
	if (next != NULL)
		s->last_bucket = bucket_of(frame->source, next, buckets);
	else
		s->last_bucket = is_mixed(frame->source) ? LAST_BUCKET : s->bucket;
	s->from = frame->info->min_ts;
	s->to = frame->info->max_ts;
}

/* Each series that a frame does hold. */
static void
add_series(Stretch *s, Frame *frame, int buckets)
{
	TlFrame *opened = tl_source_read_frame(frame->source, frame->number);

	for (uint32 i = 0; i < opened->n_entries; i++, s++)
	{
		const TlEntry *e = &opened->entries[i];

		s->frame = frame;
		s->first = s->last = &e->key;
		s->bucket = s->last_bucket = bucket_of(frame->source, &e->key, buckets);
		s->from = e->first;
		s->to = e->last;
	}
}

static void
find_shared_frames(Frame *frames, uint32 n, int buckets)
{
	uint64 n_others = 0;
	uint64 n_series = 0;
	uint64 used = 0;
	bool by_series;
	Stretch *stretches;

	for (uint32 i = 0; i < n; i++)
		if (is_mixed(frames[i].source))
			n_series += frames[i].info->n_entries;
		else
			n_others++;
	by_series = n_series <= n_others * SERIES_FOR_A_FRAME;
	stretches =
		MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Stretch) * (Max(n_series, n) + n));
	for (uint32 i = 0; i < n; i++)
		if (by_series && is_mixed(frames[i].source))
		{
			add_series(&stretches[used], &frames[i], buckets);
			used += frames[i].info->n_entries;
		}
		else
			add_frame(&stretches[used++], &frames[i], buckets);
	mark_shared(stretches, (uint32) used);
	pfree(stretches);
}

/* Counts the frames that need not be opened; the sources will pass over those. */
static uint64
count_frames(const TlFilter *filter, int buckets, TlSource **sources, uint32 n_sources)
{
	uint64 count = 0;
	uint32 n = 0;
	Frame *frames;
	Frame *end;

	for (uint32 i = 0; i < n_sources; i++)
		n += tl_source_index(sources[i])->n_frames;
	frames = end = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Frame) * Max(n, 1));
	for (uint32 i = 0; i < n_sources; i++)
	{
		const TlBlockIndex *index = tl_source_index(sources[i]);

		for (uint32 number = 0; number < index->n_frames; number++)
		{
			const TlFrameInfo *info = &index->frames[number];

			if (info->min_ts <= filter->to && info->max_ts >= filter->from)
				*end++ = (Frame){sources[i], number, info, false};
		}
	}
	find_shared_frames(frames, (uint32) (end - frames), buckets);
	for (Frame *f = frames; f < end; f++)
		if (!f->shared && is_whole(filter, f->info->min_ts, f->info->max_ts))
		{
			count += f->info->n_points;
			tl_source_skip_frame(f->source, f->number);
		}
	pfree(frames);
	return count;
}

/* Counts what is left of blocks by looking into them. */
static uint64
count_merged(const TlFilter *filter, int buckets, TlReadStats *stats, TlSource **sources, uint32 n)
{
	TlMerge *merge = tl_merge_create_counting(filter, buckets, stats);
	uint64 count = 0;
	TlRun run;

	for (uint32 i = 0; i < n; i++)
		tl_merge_add(merge, sources[i], tl_source_bucket(sources[i]));
	while (tl_merge_next(merge, &run))
	{
		CHECK_FOR_INTERRUPTS();
		count += run.n;
	}
	return count;
}

/* Counts the blocks that can be counted by their rows; leaves the others, and returns how many. */
static uint32
count_rows(const TlFilter *filter, TlReadStats *stats, TlBlockMeta *blocks, uint32 n, uint64 *count)
{
	uint32 n_mixed = 0;
	uint32 left = 0;
	bool *shared;

	while (n_mixed < n && blocks[n_mixed].bucket == TL_BUCKET_MIXED)
		n_mixed++;
	shared = find_shared(blocks, n, n_mixed);
	for (uint32 i = 0; i < n; i++)
		if (!shared[i] && is_whole(filter, blocks[i].min_ts, blocks[i].max_ts))
		{
			*count += blocks[i].n;
			stats->counted++;
		}
		else
			blocks[left++] = blocks[i];
	return left;
}

static uint64
count_day(const TlFilter *filter, int buckets, TlReadStats *stats, TlBlockMeta *blocks, uint32 n)
{
	bool all_series = filter->n_devices == 0 && filter->n_metrics == 0 &&
					  filter->device_prefix.len == 0 && filter->metric_prefix.len == 0;
	uint64 count = 0;
	uint32 n_sources;
	TlSource **sources;

	if (all_series)
		n = count_rows(filter, stats, blocks, n, &count);
	sources = tl_day_sources(filter, buckets, stats, blocks, n, &n_sources);
	if (all_series)
		count += count_frames(filter, buckets, sources, n_sources);
	/* Without mixed blocks, which come first, the buckets have nothing to do with each other. */
	for (uint32 i = 0; i < n_sources;)
	{
		uint32 start = i;

		while (i < n_sources && (is_mixed(sources[0]) ||
								 tl_source_bucket(sources[i]) == tl_source_bucket(sources[start])))
			i++;
		count += count_merged(filter, buckets, stats, sources + start, i - start);
	}
	return count;
}

uint64
tl_scan_count(const TlFilter *filter, TlReadStats *stats)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry count", ALLOCSET_DEFAULT_SIZES);
	MemoryContext day =
		AllocSetContextCreate(context, "telemetry count day", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	int buckets = tl_store_buckets();
	uint64 count = 0;
	int n_listed;
	int *listed = tl_scan_buckets(filter, buckets, &n_listed);
	uint32 n;
	TlBlockMeta *blocks =
		tl_store_list(listed, n_listed, filter->from, filter->to, filter->levels, &n);

	MemoryContextSwitchTo(day);
	for (uint32 i = 0; i < n;)
	{
		uint32 start = i;

		while (i < n && tl_day_of(blocks[i].max_ts) == tl_day_of(blocks[start].max_ts))
			i++;
		count += count_day(filter, buckets, stats, blocks + start, i - start);
		MemoryContextReset(day);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return count;
}
