/*
 * peek.h
 *		A few rows of the extension's tables, for the planner's estimates.
 *
 * A statement of ours would have to be planned itself, which takes longer than what is looked for.
 * So a peek goes straight to an index or to single pages.  It sees what is committed at the moment
 * and what the transaction has written itself, takes no predicate locks, and is bounded by its
 * caller.  What it finds may be used for estimates only.
 */
#ifndef TL_PEEK_H
#define TL_PEEK_H

#include "base/compat.h"

#include "access/genam.h"
#include "access/skey.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"

typedef struct TlPeek
{
	Relation table;
	Relation index;
	TupleTableSlot *slot; /* the row found */
	IndexScanDesc scan;
	ScanDirection direction;
} TlPeek;

#define TL_PEEK_KEYS 2

/* Opens a table of the schema and its index that begins with a column; false if it has none. */
extern bool tl_peek_open(TlPeek *peek, const char *table, AttrNumber column);
extern void tl_peek_close(TlPeek *peek);

/* Begins with other bounds on the index's columns, from either end. */
extern void tl_peek_seek(TlPeek *peek, const ScanKeyData *keys, int n_keys, bool backward);

/* The next row in slot, after at most *steps entries of the index, which are counted down. */
extern bool tl_peek_next(TlPeek *peek, int *steps);
/* The next entry of the index, whatever has become of its row; false at the end. */
extern bool tl_peek_pass(TlPeek *peek, int *steps);

/* Rows of up to so many pages, evenly spread over a table. */
typedef void (*TlPeekRowFn)(void *arg, TupleTableSlot *slot);
extern void tl_peek_pages(const char *table, uint32 most, uint32 *pages, uint32 *seen,
						  TlPeekRowFn row, void *arg);

extern double tl_relation_pages(Oid relid);

static inline Datum
tl_peek_column(const TlPeek *peek, AttrNumber column)
{
	bool isnull;

	return slot_getattr(peek->slot, column, &isnull);
}

#endif
