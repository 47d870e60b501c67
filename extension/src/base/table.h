/*
 * table.h
 *		Rows of our own tables, found, put in and changed by the thousand.
 *
 * What a statement needs for a row, to unpack it from arrays, to join it and to pass it on, costs as
 * much as the row.  Where the tables are the work, rows are handled here as the executor and COPY
 * do it: found by the primary key, put in many at a time with one record of WAL for a page, changed
 * where they were found, with all indexes.  Locks, visibility, WAL and statistics are
 * PostgreSQL's.  Triggers and rules are not for these tables.
 *
 * The caller sees to it that nobody else changes the rows, and is between tl_statement_begin and
 * tl_statement_end.
 */
#ifndef TL_TABLE_H
#define TL_TABLE_H

#include "base/compat.h"

#include "storage/itemptr.h"

#define TL_TABLE_COLUMNS_MAX 16

/* A table, and the columns that rows have here, in this order: those of its primary key first. */
typedef struct TlTableShape
{
	const char *name;
	int n_keys;
	int n_columns;
	const char *columns[TL_TABLE_COLUMNS_MAX];
} TlTableShape;

typedef struct TlTable TlTable;

/* In the current memory context, which must last as long; the other functions may be called in any. */
extern TlTable *tl_table_open(const TlTableShape *shape);

/* Where the values of a row may be made, as they are copied: it is empty again each time. */
extern MemoryContext tl_table_row_context(TlTable *t);

/*
 * Looks for the row with a key, among those that are committed and those of this transaction from
 * before the table was opened, and says where it is.
 */
extern bool tl_table_find(TlTable *t, const Datum *key, ItemPointer place);

/* A column of the row that was found last, until another is looked for. */
extern Datum tl_table_value(TlTable *t, int column, bool *isnull);

/*
 * Columns that the shape does not name have their defaults in a new row, and keep what they have in
 * one that is changed; those that are generated are computed.
 */
extern void tl_table_insert(TlTable *t, const Datum *values, const bool *nulls);
extern void tl_table_update(TlTable *t, ItemPointer place, const Datum *values, const bool *nulls);

/* Ends everything; what was put in and changed can be seen from here on. */
extern void tl_table_close(TlTable *t);

#endif
