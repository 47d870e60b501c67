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

extern void tl_table_copy_hold(TlTableCopy *copy, MemoryContext holder);

/* Nobody finds it any more. */
extern void tl_table_copy_replace(TlTableCopy *copy);

#endif
