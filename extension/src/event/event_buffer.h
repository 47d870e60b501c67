/*
 * event_buffer.h
 *		Events collected for a flush, and what it finds out about each.
 *
 * A buffer owns its events, in a memory context that is emptied after each flush.  Events of one
 * key form a set; a flush stores at most one of each set.
 */
#ifndef TL_EVENT_BUFFER_H
#define TL_EVENT_BUFFER_H

#include "event/event_key.h"
#include "event/event_stream.h"

/* An event's number is 2^20 times that of its flush, and its place in it. */
#define TL_EVENT_FLUSH_BITS 20
#define TL_EVENT_FLUSH_MAX 131072

typedef struct TlEventRow
{
	TlEvent event;
	const TlStream *stream;
	TlEventIdentity identity;
	int64 row; /* position in the statement */
	int64 id;
	int64 received_at;
	int64 stored_at;   /* when the version that is stored was received */
	TlSlice stored_id; /* its id, where that may be another one; without data if it is this one's */
	TlEventOutcome outcome;
	const char *code; /* of a rejection, or a conflict */
	const char *message;
} TlEventRow;

/* What a key stands for so far: an event of the buffer, or one that was stored before. */
typedef struct TlEventVersion
{
	uint64 content;
	int64 occurred_at;
	double priority;
	int64 received_at;
	TlSlice event_id;			  /* if it is known */
	const TlEventRow *row;		  /* of the buffer, or NULL */
	const char *json;			  /* of one that was stored, or NULL */
	TlSlice text[TL_EVENT_TEXTS]; /* likewise, those that are counted */
	bool removed;				  /* that one is not in the log any more */
} TlEventVersion;

/* Rows [first, first + n) of the buffer's order, which is that of keys and then of positions. */
typedef struct TlEventSet
{
	uint32 first;
	uint32 n;
	bool settled;		/* the ledger has been asked */
	bool is_new;		/* it did not have the key */
	TlEventRow *winner; /* to be stored, or NULL */
	bool recount;		/* uniques must be counted again without what was stored */
	/* What the ledger has, if it is not new. */
	uint64 content;
	int64 id;
	int64 received_at;
} TlEventSet;

/* An event that came with other content than the version before it. */
typedef struct TlEventConflict
{
	const TlEventRow *incoming;
	const char *stored; /* JSON, or NULL */
	bool replaced;
} TlEventConflict;

/* The id of an event, also if it was made here. */
static inline TlSlice
tl_event_row_id(const TlEventRow *row)
{
	TlSlice id = row->event.text[TL_EVENT_ID];

	return id.data != NULL ? id : (TlSlice){row->identity.made_id, TL_EVENT_MADE_ID_SIZE};
}

typedef struct TlEventBuffer
{
	MemoryContext context;
	TlEventRow *rows;
	uint32 n_rows;
	uint32 rows_cap;
	Size bytes;

	TlEventRow **order;
	TlEventSet *sets;
	uint32 n_sets;
	TlEventConflict *conflicts;
	uint32 n_conflicts;
	uint32 conflicts_cap;
} TlEventBuffer;

extern TlEventBuffer *tl_event_buffer_create(void);
extern void tl_event_buffer_reset(TlEventBuffer *buffer);

/* Copies the event, which has been checked. */
extern void tl_event_buffer_add(TlEventBuffer *buffer, const TlEvent *event, const TlStream *stream,
								int64 row);

/* Orders the rows that are not rejected or left out by their keys, and finds the sets. */
extern void tl_event_buffer_sort(TlEventBuffer *buffer);

/*
 * Decides about the rows of a set one after the other, from a version that was stored before
 * (NULL: none) on: their outcomes and the set's winner.  Conflicts are noted only if that is
 * asked for, since a set may have to be decided about again.
 */
extern void tl_event_resolve(TlEventBuffer *buffer, TlEventSet *set, const TlEventVersion *stored,
							 bool note_conflicts);

/* Whether a row of the set has other content than the ledger. */
extern bool tl_event_set_differs(const TlEventBuffer *buffer, const TlEventSet *set);

/* The texts of an event by which rollups count. */
#define TL_EVENT_COUNTED_TEXTS                                                                     \
	{                                                                                              \
		TL_EVENT_TYPE, TL_EVENT_DEVICE, TL_EVENT_USER, TL_EVENT_SESSION, TL_EVENT_SUBJECT          \
	}

/* The number that strategy client_priority compares: data.priority. */
extern double tl_event_priority(const Jsonb *data);

#endif
