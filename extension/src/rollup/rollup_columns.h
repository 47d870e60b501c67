/*
 * rollup_columns.h
 *		Rows of the tables of rollups as arguments and results of statements.
 *
 * An argument is an array, of one column of all rows.  Everything is palloc'd in the current
 * memory context, unless another is given.
 */
#ifndef TL_ROLLUP_COLUMNS_H
#define TL_ROLLUP_COLUMNS_H

#include "base/statement.h"

#include "access/htup.h"
#include "rollup/rollup_table.h"

/* What all rows begin with, each of which has a size. */
typedef struct TlRowHead
{
	TlKey key;
	TlRowPlace place;
} TlRowHead;

typedef struct TlColumn
{
	uint32 n;
	Datum *values;
	bool *nulls;
} TlColumn;

/* For so many rows, to be filled in. */
extern TlColumn tl_column(uint32 n);
extern Datum tl_column_array(const TlColumn *column, Oid type);

/*
 * The type of that name of ours, after telling a statement that an argument is an array of it: its
 * OID changes when the extension is created anew.
 */
extern Oid tl_bind_own_type(TlStatement *statement, int arg, const char *name);

extern Datum tl_device_array(const void *rows, uint32 n, size_t size);
extern Datum tl_metric_array(const void *rows, uint32 n, size_t size);
extern Datum tl_place_array(const void *rows, uint32 n, size_t size);

/* A value of some bytes after those of its head. */
extern Datum tl_varlena_of(const char *head, size_t head_len, TlSlice s);

/* Columns of a result's row; what is null is 0, or of no bytes. */
extern int64 tl_count_field(HeapTuple tuple, int number);
extern double tl_number_field(HeapTuple tuple, int number);
extern int32 tl_day_field(HeapTuple tuple, int number);
extern TlSlice tl_bytes_field(HeapTuple tuple, int number, MemoryContext context);

/*
 * Places.  A statement that looks for rows, all of which are nowhere before, answers with their
 * numbers, from 1 on, and places.
 */
extern void tl_places_forget(void *rows, uint32 n, size_t size);
extern void tl_place_field(HeapTuple tuple, int number, TlRowPlace *place);
extern void tl_places_found(void *rows, size_t size);

/* Copies of the rows that are stored, or that are not. */
extern void *tl_rows_stored(const void *rows, uint32 n, size_t size, bool stored, uint32 *n_such);

/*
 * Changes rows at their places, planned for these alone, so that the table is not read as a whole.
 * They were there a moment ago, and nobody else may have changed them since.
 */
extern void tl_rows_update(TlStatement *statement, Datum *values, uint32 n);

#endif
