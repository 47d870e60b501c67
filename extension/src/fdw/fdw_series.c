/*
 * fdw_series.c
 *		Series, for the planner.  See fdw_series.h.
 *
 * A few devices or metrics are looked up one by one.  Those that are of too many series for that are
 * judged by a sample, which the backend keeps for a while.
 */
#include "fdw/fdw_series.h"

#include <math.h>

#include "access/detoast.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "base/peek.h"
#include "base/slice_text.h"
#include "base/statement.h"
#include "catalog/pg_collation.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* telemetry.series's columns. */
#define COLUMN_DEVICE 1
#define COLUMN_METRIC 2
#define COLUMN_FIRST_TS 3
#define COLUMN_LAST_TS 4
#define COLUMN_N 5

/* telemetry.block_0's columns. */
#define COLUMN_BUCKET 1
#define COLUMN_MAX_TS 6
#define COLUMN_DATA 8

/* As the check of telemetry.layout has it. */
#define BUCKETS_MAX 1024

/* So many entries of an index are followed for one answer, of so many devices or metrics. */
#define STEPS 512
#define LISTED 64

/* The sample: of so many pages, or blocks, or else so many series; kept for so long. */
#define SAMPLE_PAGES 12
#define SAMPLE_BLOCKS 3
#define SAMPLE 600
#define PROBED_DEVICES 16
#define FIRST_READ 4096
#define KNOWN_FOR_MS 10000

/*
 * A series that ends longer before the newest point that is rolled up, and than twice its usual time,
 * has stopped.  Of the others it is supposed that they go on in what is not rolled up yet.
 */
#define STOPPED_AFTER TL_USECS_PER_DAY

typedef struct Sampled
{
	TlKey key;
	double n;
} Sampled;

static struct Known
{
	Oid relid;
	uint32 pages;
	double new_pages; /* of what is not rolled up, as long as nothing is */
	uint64 changes;
	TimestampTz since;
	MemoryContext context; /* of the keys */
	TlSeriesCounts counts;
	bool rolled_up; /* telemetry.series has rows */
	uint32 n;
	Sampled sample[SAMPLE];
} known;

static void
add_sampled(TlKey key, double n)
{
	if (known.n < SAMPLE)
		known.sample[known.n++] = (Sampled){
			{tl_slice_copy(known.context, key.device), tl_slice_copy(known.context, key.metric)},
			n};
}

static TlSlice
text_of(TupleTableSlot *slot, AttrNumber column)
{
	bool isnull;

	return tl_slice_of_text(slot_getattr(slot, column, &isnull));
}

static int64
number_of(TupleTableSlot *slot, AttrNumber column)
{
	bool isnull;

	return DatumGetInt64(slot_getattr(slot, column, &isnull));
}

static void
sample_row(void *arg, TupleTableSlot *slot)
{
	double *rows = arg;

	*rows += 1;
	add_sampled((TlKey){text_of(slot, COLUMN_DEVICE), text_of(slot, COLUMN_METRIC)},
				(double) number_of(slot, COLUMN_N));
}

static void
text_key(ScanKeyData *key, AttrNumber column, StrategyNumber strategy, RegProcedure function,
		 TlSlice value)
{
	ScanKeyEntryInitialize(key, 0, column, strategy, InvalidOid, C_COLLATION_OID, function,
						   tl_slice_to_text(value));
}

/* The mean part of a device that a series is, by looking up the devices of some. */
static double
devices_per_series(void)
{
	uint32 probes = Min(known.n, PROBED_DEVICES);
	double sum = 0;
	TlPeek peek;

	if (!tl_peek_open(&peek, "series", COLUMN_DEVICE))
		return 1;
	for (uint32 i = 0; i < probes; i++)
	{
		int steps = LISTED;
		int metrics = 0;
		ScanKeyData key;

		text_key(&key, 1, BTEqualStrategyNumber, F_TEXTEQ,
				 known.sample[(uint64) known.n * i / probes].key.device);
		tl_peek_seek(&peek, &key, 1, false);
		while (tl_peek_next(&peek, &steps))
			metrics++;
		sum += 1.0 / Max(metrics, 1);
	}
	tl_peek_close(&peek);
	return sum / probes;
}

static int
compare_metrics(const void *a, const void *b)
{
	return tl_slice_compare(((const Sampled *) a)->key.metric, ((const Sampled *) b)->key.metric);
}

/* Different metrics among all series, by those of the sample: Haas and Stokes, as ANALYZE does. */
static double
count_metrics(void)
{
	double different = 0;
	double once = 0;
	double n = known.n;

	qsort(known.sample, known.n, sizeof(Sampled), compare_metrics);
	for (uint32 i = 0; i < known.n;)
	{
		uint32 start = i;

		while (i < known.n && compare_metrics(&known.sample[start], &known.sample[i]) == 0)
			i++;
		different += 1;
		once += i - start == 1;
	}
	return n * different / (n - once + once * n / known.counts.series);
}

static void
sample_series(void)
{
	uint32 pages;
	uint32 seen;
	double rows = 0;

	tl_peek_pages("series", SAMPLE_PAGES, &pages, &seen, sample_row, &rows);
	known.pages = pages;
	known.rolled_up = rows > 0;
	if (rows == 0)
		return;
	known.counts.series = rows * pages / seen;
	known.counts.devices = known.counts.series * devices_per_series();
	known.counts.metrics = count_metrics();
}

/* What is found while nothing is rolled up. */
typedef struct NewBlocks
{
	int64 day; /* the latest that was looked at */
	int opened;
	double in_mixed;   /* series of the mixed block that has most */
	double in_buckets; /* of those of buckets that were opened */
	int n_buckets;	   /* likewise */
	int buckets;	   /* that have a block of the days */
	bool seen[BUCKETS_MAX];
	double entries; /* of the frames opened, and their devices */
	double devices;
} NewBlocks;

static TlSlice
first_bytes(Datum data, uint32 len)
{
	struct varlena *slice = PG_DETOAST_DATUM_SLICE(data, 0, (int32) len);

	return (TlSlice){VARDATA_ANY(slice), (uint32) VARSIZE_ANY_EXHDR(slice)};
}

/* The series of a block's first frame. */
static void
sample_block(NewBlocks *b, TupleTableSlot *slot, int bucket)
{
	bool isnull;
	Datum data = slot_getattr(slot, COLUMN_DATA, &isnull);
	TlSlice have = first_bytes(data, FIRST_READ);
	const TlFrameInfo *first;
	TlBlockIndex *index;
	TlFrame *frame;

	have = first_bytes(data, Max(tl_block_index_size(have.data, have.len), have.len));
	index = tl_block_index_open(have.data, have.len);
	if (index->n_frames == 0)
		return;
	first = &index->frames[0];
	have = first_bytes(data, first->offset + first->stored_len);
	if (have.len < first->offset + first->stored_len)
		tl_corrupt("the block ends early");
	frame = tl_frame_open(index, first, have.data + first->offset, first->stored_len);
	for (uint32 i = 0; i < frame->n_entries; i++)
	{
		const TlEntry *e = &frame->entries[i];

		add_sampled(e->key, e->n);
		b->devices += i == 0 || !tl_slice_equal(e->key.device, e[-1].key.device);
	}
	b->entries += frame->n_entries;
	if (bucket == TL_BUCKET_MIXED)
		b->in_mixed = Max(b->in_mixed, index->n_entries);
	else
	{
		b->in_buckets += index->n_entries;
		b->n_buckets++;
	}
}

static void
see_block(NewBlocks *b, TupleTableSlot *slot)
{
	bool isnull;
	int bucket = DatumGetInt16(slot_getattr(slot, COLUMN_BUCKET, &isnull));

	if (bucket >= 0 && bucket < BUCKETS_MAX && !b->seen[bucket])
	{
		b->seen[bucket] = true;
		b->buckets++;
	}
	if (b->opened < SAMPLE_BLOCKS)
	{
		b->opened++;
		sample_block(b, slot, bucket);
	}
}

static void
find_new_blocks(NewBlocks *b)
{
	int steps = STEPS;
	TlPeek peek;

	if (!tl_peek_open(&peek, "block_0", COLUMN_MAX_TS))
		return;
	tl_peek_seek(&peek, NULL, 0, true);
	while (tl_peek_next(&peek, &steps))
	{
		int64 day = tl_day_of(number_of(peek.slot, COLUMN_MAX_TS));

		/* A day that has only begun tells little: so the day before is looked at, too. */
		if (b->opened >= SAMPLE_BLOCKS && day != b->day)
			break;
		b->day = day;
		see_block(b, peek.slot);
	}
	tl_peek_close(&peek);
}

/* While nothing is rolled up: the newest blocks, and how many buckets have some. */
static void
sample_new_blocks(void)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry sample", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	NewBlocks b = {0};

	find_new_blocks(&b);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	if (known.n == 0)
		return;
	if (b.n_buckets > 0)
		known.counts.series = b.in_buckets / b.n_buckets * b.buckets;
	known.counts.series = Max(known.counts.series, b.in_mixed);
	known.counts.devices = known.counts.series * b.devices / b.entries;
	known.counts.metrics = count_metrics();
}

static bool
has_grown(double pages, double known_pages)
{
	return fabs(pages - known_pages) > known_pages / 10;
}

static bool
is_stale(Oid relid)
{
	return known.relid != relid || known.changes != tl_store_estimate_changes() ||
		   TimestampDifferenceExceeds(known.since, GetCurrentTimestamp(), KNOWN_FOR_MS) ||
		   has_grown(tl_relation_pages(relid), known.pages) ||
		   (!known.rolled_up && has_grown(tl_store_pages(TL_LEVELS_NEW), known.new_pages));
}

static void
refresh(void)
{
	Oid relid = tl_relation("series");

	if (!is_stale(relid))
		return;
	/* Until it is complete, what there is must not be taken for known. */
	known.relid = InvalidOid;
	if (known.context == NULL)
		known.context =
			AllocSetContextCreate(TopMemoryContext, "telemetry series", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(known.context);
	known.n = 0;
	known.counts = (TlSeriesCounts){0};
	sample_series();
	if (!known.rolled_up)
	{
		known.new_pages = tl_store_pages(TL_LEVELS_NEW);
		sample_new_blocks();
	}
	known.counts.series = Max(known.counts.series, 1);
	known.counts.devices = Max(known.counts.devices, 1);
	known.counts.metrics = Max(known.counts.metrics, 1);
	known.changes = tl_store_estimate_changes();
	known.since = GetCurrentTimestamp();
	known.relid = relid;
}

void
tl_series_counts(TlSeriesCounts *counts)
{
	refresh();
	*counts = known.counts;
}

/* How many points a series has in a range of time, if they come evenly. */
static double
points_of(TupleTableSlot *slot, const TlFilter *f, int64 rolled_up_to)
{
	int64 first = number_of(slot, COLUMN_FIRST_TS);
	int64 last = number_of(slot, COLUMN_LAST_TS);
	double n = (double) number_of(slot, COLUMN_N);
	double interval = n > 1 ? (double) (last - first) / (n - 1) : 0;
	int64 from = Max(first, f->from);
	int64 to = Min(last, f->to);

	if (n > 1 && (double) (rolled_up_to - last) < Max(2 * interval, (double) STOPPED_AFTER))
		to = f->to;
	if (to < from)
		return 0;
	return interval == 0 ? n : 1 + (double) (to - from) / interval;
}

typedef struct Search
{
	const TlFilter *filter;
	int64 rolled_up_to;
	TlPeek peek;
	int steps;
	double found;	/* series */
	double present; /* those with points in the range */
	double points;	/* theirs */
} Search;

static void
take_row(Search *s)
{
	TlKey key = {text_of(s->peek.slot, COLUMN_DEVICE), text_of(s->peek.slot, COLUMN_METRIC)};
	double points;

	if (!tl_filter_has_key(s->filter, &key))
		return;
	points = points_of(s->peek.slot, s->filter, s->rolled_up_to);
	s->found += 1;
	s->present += points > 0;
	s->points += points;
}

/* Those of a list; of a long one, some stand for all. */
static void
search_list(Search *s, const TlSlice *list, uint32 n)
{
	uint32 looked_up = Min(n, LISTED);

	for (uint32 i = 0; i < looked_up && s->steps > 0; i++)
	{
		ScanKeyData keys[TL_PEEK_KEYS];
		int n_keys = 1;

		text_key(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ, list[(uint64) n * i / looked_up]);
		if (list == s->filter->devices && s->filter->n_metrics == 1)
			text_key(&keys[n_keys++], 2, BTEqualStrategyNumber, F_TEXTEQ, s->filter->metrics[0]);
		tl_peek_seek(&s->peek, keys, n_keys, false);
		while (tl_peek_next(&s->peek, &s->steps))
			take_row(s);
	}
	s->found *= (double) n / looked_up;
	s->present *= (double) n / looked_up;
	s->points *= (double) n / looked_up;
}

static void
search_prefix(Search *s, AttrNumber column, TlSlice prefix)
{
	ScanKeyData key;

	text_key(&key, 1, BTGreaterEqualStrategyNumber, F_TEXT_GE, prefix);
	tl_peek_seek(&s->peek, &key, 1, false);
	while (tl_peek_next(&s->peek, &s->steps) &&
		   tl_slice_has_prefix(text_of(s->peek.slot, column), prefix))
		take_row(s);
}

/* All series and points that are of the filter's, as far as the sample knows: parts of all. */
static void
match_sample(const TlFilter *f, TlSeriesMatch *part)
{
	double all = 0;

	*part = (TlSeriesMatch){0};
	for (uint32 i = 0; i < known.n; i++)
	{
		all += known.sample[i].n;
		if (tl_filter_has_key(f, &known.sample[i].key))
		{
			part->series += 1;
			part->points += known.sample[i].n;
		}
	}
	part->series /= Max(known.n, 1);
	part->points = all == 0 ? 0 : part->points / all;
}

/* What a sample without a trace of them still allows. */
static double
least_part(const TlFilter *f)
{
	double devices = f->n_devices > 0 ? f->n_devices / known.counts.devices : 1;
	double metrics = f->n_metrics > 0 ? f->n_metrics / known.counts.metrics : 1;

	return Min(devices, 1) * Min(metrics, 1);
}

static void
match_parts(double series, double points, double all, TlSeriesMatch *match)
{
	match->series = series * known.counts.series;
	match->points = points * all;
}

/* Without telemetry.series: of a few buckets, which tell nothing of a device in another one. */
static void
match_new(const TlFilter *f, double all, TlSeriesMatch *match)
{
	TlFilter others = *f;
	TlSeriesMatch part;
	double devices = f->n_devices > 0 ? Min(f->n_devices / known.counts.devices, 1) : 1;

	others.n_devices = 0;
	match_sample(&others, &part);
	if (part.points == 0)
		match_parts(least_part(f), least_part(f), all, match);
	else
		match_parts(part.series * devices, part.points * devices, all, match);
}

/* Looks them up as far as the steps go. */
static void
search(Search *s, AttrNumber column)
{
	const TlFilter *f = s->filter;

	if (f->n_devices > 0)
		search_list(s, f->devices, f->n_devices);
	else if (f->device_prefix.len > 0)
		search_prefix(s, column, f->device_prefix);
	else if (f->n_metrics > 0)
		search_list(s, f->metrics, f->n_metrics);
	else
		search_prefix(s, column, f->metric_prefix);
}

static void
match_series(const TlFilter *f, double all, TlSeriesMatch *match)
{
	AttrNumber column =
		f->n_devices > 0 || f->device_prefix.len > 0 ? COLUMN_DEVICE : COLUMN_METRIC;
	Search s = {.filter = f, .steps = STEPS};
	TlSeriesMatch part;
	TlStoreEstimate e;

	/* Only for how far it reaches. */
	tl_store_estimate(TL_LEVELS_ROLLED, DT_NOEND, DT_NOEND, &e);
	s.rolled_up_to = e.last;

	if (!tl_peek_open(&s.peek, "series", column))
	{
		match_parts(least_part(f), least_part(f), all, match);
		return;
	}
	search(&s, column);
	tl_peek_close(&s.peek);
	if (s.found == 0 && s.steps > 0)
	{
		/* Series of which nothing is rolled up yet can only be in what is not. */
		tl_store_estimate(TL_LEVELS_NEW, f->from, f->to, &e);
		match_parts(least_part(f), least_part(f), e.points, match);
	}
	else if (s.steps > 0)
		*match = (TlSeriesMatch){s.present, s.points};
	else
	{
		double found = s.found / known.counts.series;

		match_sample(f, &part);
		match_parts(Max(part.series, found), Max(part.points, found), all, match);
	}
}

void
tl_series_match(const TlFilter *f, double all, TlSeriesMatch *match)
{
	refresh();
	if (f->n_devices == 0 && f->n_metrics == 0 && f->device_prefix.len == 0 &&
		f->metric_prefix.len == 0)
		match_parts(1, 1, all, match);
	else if (!known.rolled_up)
		match_new(f, all, match);
	else
	{
		MemoryContext context =
			AllocSetContextCreate(CurrentMemoryContext, "telemetry series", ALLOCSET_SMALL_SIZES);
		MemoryContext old = MemoryContextSwitchTo(context);

		match_series(f, all, match);
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
	}
	match->series = Max(match->series, 1);
	match->points = Min(match->points, all);
}
