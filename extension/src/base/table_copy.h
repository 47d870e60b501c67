/*
 * table_copy.h
 *		What a session keeps in memory of a table until the table changes.
 *
 * A copy has a memory context of its own.  Who works with it holds it by a memory context, so that it
 * stays, though it has been replaced by a newer one, until that context is reset or deleted, as it is
 * after an error, too.  The last holder of a copy that was replaced takes it along.
 */
#ifndef TL_TABLE_COPY_H
#define TL_TABLE_COPY_H

#include "base/compat.h"

/* The first member of what is kept. */
typedef struct TlTableCopy
{
	MemoryContext context; /* holds all of the copy, this too */
	int holders;
	bool is_replaced;
} TlTableCopy;

/* Makes size zeroed bytes that begin with a TlTableCopy; the context's name is a constant. */
extern void *tl_table_copy_create(MemoryContext parent, Size size, const char *context_name);

/*
 * A table of which a session keeps a copy.  Triggers tell all sessions of changes, by
 * CacheInvalidateRelcacheByRelid(); the copy is read anew when it is asked for the next time.  In a
 * transaction with a snapshot of its own it is as old as that, and read anew after it, too.
 */
typedef struct TlKeptTable
{
	const char *table;
	Size size; /* of a copy, which begins with a TlTableCopy */
	const char *context_name;
	void (*read)(void *copy); /* within a statement */

	/* of table_copy.c */
	struct TlKeptTable *next;
	TlTableCopy *known;
	Oid known_of;
	bool is_registered;
	bool is_stale;
} TlKeptTable;

/* The copy as of now, held by a memory context. */
extern void *tl_kept_table_now(TlKeptTable *kept, MemoryContext holder);
/* Whether there is a copy, which has to be read anew. */
extern bool tl_kept_table_is_old(TlKeptTable *kept);
/* The copy that there is, however old. */
extern void *tl_kept_table_as_known(TlKeptTable *kept, MemoryContext holder);

#endif
