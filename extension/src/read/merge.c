/*
 * merge.c
 *		A k-way merge of sources over a binary heap.  See merge.h.
 *
 * The heap's top is the member whose next point comes first; equal keys are ordered by falling
 * order number, so that the winner is met before those it replaces.
 */
#include "read/merge.h"

#include "lib/binaryheap.h"
#include "utils/memutils.h"

typedef struct Member
{
	TlSource *source;
	int bucket;
	bool opened;
	TlRun run; /* what is left of its current run */
} Member;

struct TlMerge
{
	MemoryContext context;
	const TlFilter *filter;
	int buckets;
	TlReadStats *stats;
	bool backward;
	bool single_series;
	bool counting; /* runs are decoded only to tell the points of one from those of another */
	binaryheap *heap;
	Member *current; /* whose piece was handed out last */

	TlMergeNextFn next; /* lazily opened blocks, or NULL */
	void *next_arg;
	bool pending_known;
	bool pending_valid;
	TlBlockMeta pending;
};

/* The timestamp at which a member continues. */
static inline int64
head_ts(const TlMerge *m, const Member *member)
{
	if (unlikely(member->run.ts == NULL))
		return tl_source_entry(member->source)->first;
	return m->backward ? member->run.ts[member->run.n - 1] : member->run.ts[0];
}

/* Negative if a comes before b. */
static int
compare_members(const Member *a, const Member *b, const TlMerge *m)
{
	int64 x;
	int64 y;
	int c;

	if (!m->single_series)
	{
		if (a->bucket != b->bucket)
			return a->bucket < b->bucket ? -1 : 1;
		/* An unopened member may begin with anything of its bucket. */
		if (!a->opened || !b->opened)
			return a->opened - b->opened;
		c = tl_key_compare(&a->run.key, &b->run.key);
		if (c != 0)
			return c;
	}
	x = head_ts(m, a);
	y = head_ts(m, b);
	if (x != y)
		return (x < y) != m->backward ? -1 : 1;
	return tl_source_seq(a->source) > tl_source_seq(b->source) ? -1 : 1;
}

/* binaryheap keeps the largest on top: the order is turned round. */
static int
heap_order(Datum a, Datum b, void *arg)
{
	return -compare_members((Member *) DatumGetPointer(a), (Member *) DatumGetPointer(b), arg);
}

TlMerge *
tl_merge_create(const TlFilter *filter, int buckets, TlReadStats *stats)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry merge", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TlMerge *m = palloc0(sizeof(TlMerge));

	m->context = context;
	m->filter = filter;
	m->buckets = buckets;
	m->stats = stats;
	m->heap = binaryheap_allocate(16, heap_order, m);
	MemoryContextSwitchTo(old);
	return m;
}

TlMerge *
tl_merge_create_counting(const TlFilter *filter, int buckets, TlReadStats *stats)
{
	TlMerge *m = tl_merge_create(filter, buckets, stats);

	m->counting = true;
	return m;
}

TlMerge *
tl_merge_create_series(const TlFilter *filter, int buckets, TlReadStats *stats, bool backward,
					   TlMergeNextFn next, void *arg)
{
	TlMerge *m = tl_merge_create(filter, buckets, stats);

	m->single_series = true;
	m->backward = backward;
	m->next = next;
	m->next_arg = arg;
	return m;
}

static void
push(TlMerge *m, Member *member)
{
	if (m->heap->bh_size == m->heap->bh_space)
	{
		binaryheap *larger;
		MemoryContext old = MemoryContextSwitchTo(m->context);

		larger = binaryheap_allocate(m->heap->bh_space * 2, heap_order, m);
		larger->bh_size = m->heap->bh_size;
		larger->bh_has_heap_property = m->heap->bh_has_heap_property;
		memcpy(larger->bh_nodes, m->heap->bh_nodes, sizeof(larger->bh_nodes[0]) * larger->bh_size);
		binaryheap_free(m->heap);
		m->heap = larger;
		MemoryContextSwitchTo(old);
	}
	binaryheap_add(m->heap, PointerGetDatum(member));
}

void
tl_merge_add(TlMerge *m, TlSource *source, int bucket)
{
	Member *member = MemoryContextAllocZero(m->context, sizeof(Member));

	member->source = source;
	member->bucket = bucket;
	push(m, member);
}

static Member *
top(const TlMerge *m)
{
	return binaryheap_empty(m->heap) ? NULL : (Member *) DatumGetPointer(binaryheap_first(m->heap));
}

/* Gives a member its next run and its place in the heap; frees it at its end. */
static void
step(TlMerge *m, Member *member)
{
	member->opened = true;
	if (m->counting ? tl_source_next_undecoded(member->source, &member->run)
					: tl_source_next(member->source, m->backward, &member->run))
	{
		member->bucket = tl_source_bucket(member->source);
		push(m, member);
	}
	else
	{
		tl_source_free(member->source);
		pfree(member);
	}
}

static inline void
decode(Member *member)
{
	if (unlikely(member->run.ts == NULL))
		tl_source_decode(member->source, &member->run);
}

/* Takes n points off the side at which a member continues. */
static void
take(const TlMerge *m, Member *member, uint32 n)
{
	uint32 left = member->run.n - n;

	if (left == 0)
	{
		member->run.n = 0;
		return;
	}
	decode(member);
	member->run = tl_run_part(&member->run, m->backward ? 0 : n, left);
}

static void
put_back(TlMerge *m, Member *member)
{
	if (member->run.n > 0)
		push(m, member);
	else
		step(m, member);
}

static const TlBlockMeta *
pending_block(TlMerge *m)
{
	if (!m->pending_known)
	{
		m->pending_valid = m->next != NULL && m->next(m->next_arg, &m->pending);
		m->pending_known = true;
	}
	return m->pending_valid ? &m->pending : NULL;
}

/* Opens the blocks that may hold points at or before the heap's top. */
static void
open_due_blocks(TlMerge *m)
{
	const TlBlockMeta *block;

	while ((block = pending_block(m)) != NULL)
	{
		Member *first = top(m);
		MemoryContext old;
		Member *member;

		if (first != NULL &&
			(m->backward ? block->max_ts < head_ts(m, first) : block->min_ts > head_ts(m, first)))
			return;
		CHECK_FOR_INTERRUPTS();
		old = MemoryContextSwitchTo(m->context);
		member = palloc0(sizeof(Member));
		member->source = tl_source_create(block, m->filter, m->buckets, m->stats);
		m->pending_known = false;
		step(m, member);
		MemoryContextSwitchTo(old);
	}
}

/* How many of a member's next points come strictly before the bound. */
static uint32
points_up_to(const TlMerge *m, const TlRun *run, int64 bound)
{
	uint32 low = 0;
	uint32 high = run->n;

	if (m->backward ? run->ts[0] > bound : run->ts[run->n - 1] < bound)
		return run->n;
	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;

		if (run->ts[middle] < bound || (m->backward && run->ts[middle] == bound))
			low = middle + 1;
		else
			high = middle;
	}
	return m->backward ? run->n - low : low;
}

/* Whether all of a run comes before the timestamp; decoded unless its last one tells. */
static inline bool
ends_before(Member *member, int64 ts)
{
	if (member->run.ts == NULL && tl_source_entry(member->source)->last < ts)
		return true;
	decode(member);
	return false;
}

/* The member's points until someone else's turn: all of its run unless another overlaps. */
static uint32
piece_length(TlMerge *m, Member *member)
{
	const Member *other = top(m);
	const TlBlockMeta *block = m->next == NULL ? NULL : pending_block(m);
	uint32 n = member->run.n;

	if (other != NULL &&
		(m->single_series || (other->opened && other->bucket == member->bucket &&
							  tl_key_equal(&other->run.key, &member->run.key))) &&
		!ends_before(member, head_ts(m, other)))
		n = points_up_to(m, &member->run, head_ts(m, other));
	if (block != NULL)
		n = Min(n, points_up_to(m, &member->run, m->backward ? block->max_ts : block->min_ts));
	return Max(n, 1);
}

/* Passes over the points that have the key just taken from the winner. */
static void
drop_replaced(TlMerge *m, const Member *winner, int64 ts)
{
	Member *other;

	while ((other = top(m)) != NULL && other->opened && head_ts(m, other) == ts &&
		   (m->single_series ||
			(other->bucket == winner->bucket && tl_key_equal(&other->run.key, &winner->run.key))))
	{
		(void) binaryheap_remove_first(m->heap);
		take(m, other, 1);
		put_back(m, other);
	}
}

bool
tl_merge_next(TlMerge *m, TlRun *run)
{
	Member *member;
	uint32 n;

	if (m->current != NULL)
	{
		member = m->current;
		m->current = NULL;
		put_back(m, member);
	}
	for (;;)
	{
		open_due_blocks(m);
		if (top(m) == NULL)
			return false;
		member = (Member *) DatumGetPointer(binaryheap_remove_first(m->heap));
		if (member->opened)
			break;
		step(m, member);
	}

	n = piece_length(m, member);
	*run = tl_run_part(&member->run, m->backward ? member->run.n - n : 0, n);
	if (run->ts != NULL)
		drop_replaced(m, member, m->backward ? run->ts[0] : run->ts[n - 1]);
	take(m, member, n);
	m->current = member;
	return true;
}
