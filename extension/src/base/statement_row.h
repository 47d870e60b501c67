/*
 * statement_row.h
 *		A row of what a statement of ours has found, while its SPI connection is open.
 */
#ifndef TL_STATEMENT_ROW_H
#define TL_STATEMENT_ROW_H

#include "base/slice.h"

#include "executor/spi.h"

typedef struct TlStatementRow
{
	HeapTuple tuple;
	TupleDesc desc;
	MemoryContext context; /* texts are copied to it */
} TlStatementRow;

extern TlStatementRow tl_statement_row(uint64 number, MemoryContext context);

/* A column, numbered from 1, as it is in the row; false if it is null. */
static inline bool
tl_row_column(const TlStatementRow *row, int number, Datum *value)
{
	bool isnull;

	*value = SPI_getbinval(row->tuple, row->desc, number, &isnull);
	return !isnull;
}

static inline bool
tl_row_boolean(const TlStatementRow *row, int number)
{
	Datum value;

	return tl_row_column(row, number, &value) && DatumGetBool(value);
}

/* A copy; without data if the column is null. */
extern TlSlice tl_row_text(const TlStatementRow *row, int number);
/* Copies of the elements of an array of texts; without data where they are null. */
extern TlSlice *tl_row_texts(const TlStatementRow *row, int number, int *n);

#endif
