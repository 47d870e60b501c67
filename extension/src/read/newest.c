/*
 * newest.c
 *		The newest point of each series.  See newest.h.
 *
 * The directory of a frame says of each entry which series it is of and when it ends.  So blocks
 * are read from the newest back, and only an entry that ends later than what is known of its series
 * is decoded: mostly the first that is met of it.  Of series that a filter names one by one, nothing
 * more is to be found once all of them have a point later than the next block's last.
 *
 * Entries of one block mostly come in the order in which those of the block before came, so the
 * series that was met after the last one is tried before the hash table is asked.
 *
 * What is kept is a point of each series, some 300 bytes beside its value, and older ones are given back; so
 * memory grows with the series that the blocks have, never with their points.  Blocks that are not rolled up yet
 * are few: job roll_up takes them within seconds, and rows of the answer would need as much.  There is no
 * spilling to disk: of a million series it is a hash table of 300 MB.
 */
#include "read/newest.h"

#include "miscadmin.h"
#include "utils/memutils.h"

/* So many series are counted for an early end. */
#define NAMED_MAX 64

typedef struct Point
{
	TlKey key;
	int64 ts;
	int64 seq;
	uint8 kind;
	TlCell cell;
	TlSlice payload; /* what cell points to, if it is not whole */
	TlAttrs attrs;
	const TlAttrs *has_attrs; /* attrs, or NULL */
	struct Point *after;	  /* the series that was met after it */
} Point;

typedef struct Slot
{
	Point *point;
	uint32 hash;
	char status;
} Slot;

#define SH_PREFIX points
#define SH_ELEMENT_TYPE Slot
#define SH_KEY_TYPE Point *
#define SH_KEY point
#define SH_HASH_KEY(tb, p) hash_key(&(p)->key)
#define SH_EQUAL(tb, a, b) tl_key_equal(&(a)->key, &(b)->key)
#define SH_SCOPE static inline
#define SH_STORE_HASH
#define SH_GET_HASH(tb, slot) (slot)->hash
#define SH_DECLARE
#define SH_DEFINE

static inline uint32
hash_key(const TlKey *key)
{
	return (uint32) tl_hash_bytes(key->metric.data, key->metric.len,
								  tl_hash_bytes(key->device.data, key->device.len, 0));
}

#include "lib/simplehash.h"

struct TlNewest
{
	MemoryContext context;
	const TlFilter *filter;
	points_hash *points;
	points_iterator next;
	Point *last_met;
};

/* A series with its key beside it, where comparing will look for it. */
static Point *
new_point(const TlNewest *n, const TlKey *key)
{
	Point *p =
		MemoryContextAllocZero(n->context, sizeof(Point) + key->device.len + key->metric.len);
	char *bytes = (char *) (p + 1);

	memcpy(bytes, key->device.data, key->device.len);
	memcpy(bytes + key->device.len, key->metric.data, key->metric.len);
	p->key.device = (TlSlice){bytes, key->device.len};
	p->key.metric = (TlSlice){bytes + key->device.len, key->metric.len};
	return p;
}

/* What a point has is freed when there is a newer one, as values may be large. */
static TlSlice
copy(const TlNewest *n, TlSlice s)
{
	if (s.data != NULL)
		s.data = memcpy(MemoryContextAllocHuge(n->context, Max(s.len, 1)), s.data, s.len);
	return s;
}

static void
forget(TlSlice s)
{
	if (s.data != NULL)
		pfree((void *) s.data);
}

static Point *
find(TlNewest *n, const TlKey *key, bool *found)
{
	Point *guess = n->last_met == NULL ? NULL : n->last_met->after;
	Point wanted = {.key = *key};
	Slot *slot;

	*found = true;
	if (guess == NULL || !tl_key_equal(&guess->key, key))
	{
		slot = points_insert(n->points, &wanted, found);
		if (!*found)
			slot->point = new_point(n, key);
		guess = slot->point;
	}
	if (n->last_met != NULL)
		n->last_met->after = guess;
	n->last_met = guess;
	return guess;
}

/* Takes the last point of a decoded run. */
static void
take(const TlNewest *n, Point *p, const TlRun *run, int64 seq)
{
	uint32 i = run->n - 1;
	const TlAttrs *attrs = run->attrs == NULL ? NULL : run->attrs[i];

	forget(p->payload);
	forget(p->attrs.unit);
	forget(p->attrs.tags);
	forget(p->attrs.metadata);
	p->payload = (TlSlice){0};
	p->attrs = (TlAttrs){0};
	p->ts = run->ts[i];
	p->seq = seq;
	if (run->cell != NULL)
	{
		p->kind = tl_run_kind(run, i);
		p->cell = run->cell[i];
		if (!tl_cell_is_whole(p->kind))
		{
			p->payload = copy(n, *p->cell.bytes);
			p->cell.bytes = &p->payload;
		}
	}
	if (attrs != NULL)
		p->attrs = (TlAttrs){copy(n, attrs->unit), copy(n, attrs->tags), copy(n, attrs->metadata)};
	p->has_attrs = attrs == NULL ? NULL : &p->attrs;
}

static void
read_block(TlNewest *n, TlSource *source)
{
	int64 seq = tl_source_seq(source);
	const TlEntry *e;

	while ((e = tl_source_previous_entry(source)) != NULL)
	{
		bool found;
		Point *p = find(n, &e->key, &found);
		TlRun run;

		CHECK_FOR_INTERRUPTS();
		if (found && (p->ts > e->last || (p->ts == e->last && p->seq > seq)))
			continue;
		tl_source_decode(source, &run);
		take(n, p, &run, seq);
	}
}

/* Whether every series that the filter can let through has a point later than a time. */
static bool
all_are_later(const TlNewest *n, int64 ts)
{
	uint64 named = (uint64) n->filter->n_devices * n->filter->n_metrics;
	points_iterator i;
	Slot *slot;

	if (named == 0 || named > NAMED_MAX || n->points->members < named)
		return false;
	points_start_iterate(n->points, &i);
	while ((slot = points_iterate(n->points, &i)) != NULL)
		if (slot->point->ts <= ts)
			return false;
	return true;
}

static int
compare_newest_first(const void *a, const void *b)
{
	const TlBlockMeta *x = a;
	const TlBlockMeta *y = b;

	if (x->max_ts != y->max_ts)
		return x->max_ts > y->max_ts ? -1 : 1;
	return (x->seq < y->seq) - (x->seq > y->seq);
}

TlNewest *
tl_newest_read(const TlFilter *filter, int buckets, TlReadStats *stats, TlBlockMeta *blocks,
			   uint32 n_blocks)
{
	TlNewest *n = palloc0(sizeof(TlNewest));

	n->context = CurrentMemoryContext;
	n->filter = filter;
	n->points = points_create(CurrentMemoryContext, 256, NULL);
	qsort(blocks, n_blocks, sizeof(TlBlockMeta), compare_newest_first);
	for (uint32 i = 0; i < n_blocks && !all_are_later(n, blocks[i].max_ts); i++)
	{
		TlSource *source = tl_source_create(&blocks[i], filter, buckets, stats);

		CHECK_FOR_INTERRUPTS();
		n->last_met = NULL;
		read_block(n, source);
		tl_source_free(source);
	}
	points_start_iterate(n->points, &n->next);
	return n;
}

bool
tl_newest_next(TlNewest *n, TlRun *run)
{
	Slot *slot = points_iterate(n->points, &n->next);
	Point *p;

	if (slot == NULL)
		return false;
	p = slot->point;
	*run = (TlRun){.key = p->key, .n = 1, .kind = p->kind, .ts = &p->ts};
	if (n->filter->columns & TL_COLUMN_VALUE)
		run->cell = &p->cell;
	if (p->has_attrs != NULL)
		run->attrs = &p->has_attrs;
	return true;
}
