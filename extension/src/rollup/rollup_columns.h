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

/* Of rows that begin with their keys, each of which has a size. */
extern Datum tl_device_array(const void *rows, uint32 n, size_t size);
extern Datum tl_metric_array(const void *rows, uint32 n, size_t size);

/* A value of some bytes after those of its head. */
extern Datum tl_varlena_of(const char *head, size_t head_len, TlSlice s);

/* Columns of a result's row; what is null is 0, or of no bytes. */
extern int64 tl_count_field(HeapTuple tuple, int number);
extern int32 tl_day_field(HeapTuple tuple, int number);
extern TlSlice tl_bytes_field(HeapTuple tuple, int number, MemoryContext context);

#endif
