/*
 * statement_row.c
 *		Rows of statements of ours.  See statement_row.h.
 */
#include "base/statement_row.h"

#include "base/slice_text.h"
#include "catalog/pg_type.h"
#include "utils/array.h"

TlStatementRow
tl_statement_row(uint64 number, MemoryContext context)
{
	return (TlStatementRow){SPI_tuptable->vals[number], SPI_tuptable->tupdesc, context};
}

TlSlice
tl_row_text(const TlStatementRow *row, int number)
{
	Datum value;

	if (!tl_row_column(row, number, &value))
		return (TlSlice){NULL, 0};
	return tl_slice_copy(row->context, tl_slice_of_text(value));
}

TlSlice *
tl_row_texts(const TlStatementRow *row, int number, int *n)
{
	Datum value;
	Datum *elements;
	bool *nulls;
	TlSlice *list;

	*n = 0;
	if (!tl_row_column(row, number, &value))
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  &nulls, n);
	list = MemoryContextAllocZero(row->context, sizeof(TlSlice) * (Size) Max(*n, 1));
	for (int i = 0; i < *n; i++)
		if (!nulls[i])
			list[i] = tl_slice_copy(row->context, tl_slice_of_text(elements[i]));
	return list;
}
