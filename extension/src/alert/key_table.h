/*
 * key_table.h
 *		A hash table of series by their keys, which begin its entries.
 */
#ifndef TL_KEY_TABLE_H
#define TL_KEY_TABLE_H

#include "block/run.h"
#include "utils/hsearch.h"

/* Keys are compared by their bytes, which stay where they are and must last as long as the table. */
extern HTAB *tl_key_table_create(const char *name, Size entry_size, MemoryContext context);

#endif
