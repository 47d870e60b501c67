/*
 * cell.h
 *		A cell: a value of a run, without its kind.
 *
 * This is the one place that says how a cell holds the payload of value.h.  It follows from the
 * kind's form; most code need not know it and takes the payload.
 */
#ifndef TL_CELL_H
#define TL_CELL_H

#include "base/slice.h"
#include "value/kind.h"

/* The member is chosen by the form of the value's kind. */
typedef union TlCell
{
	double number;		  /* TL_FORM_NUMBER */
	uint64 boolean;		  /* TL_FORM_BOOLEAN: 0 or 1 */
	const TlSlice *bytes; /* TL_FORM_BYTES: the payload */
} TlCell;

/* Whether the payload is in the cell itself. */
static inline bool
tl_cell_is_whole(uint8 kind)
{
	return tl_kind_form(kind) != TL_FORM_BYTES;
}

/* The payload that a cell holds, which lives as long as the cell. */
static inline TlSlice
tl_cell_payload(uint8 kind, const TlCell *cell)
{
	switch (tl_kind_form(kind))
	{
		case TL_FORM_NUMBER:
			return (TlSlice){(const char *) &cell->number, sizeof(double)};
		case TL_FORM_BOOLEAN:
			{
				static const char truth[] = {0, 1};

				return (TlSlice){&truth[cell->boolean != 0], 1};
			}
		case TL_FORM_BYTES:
			break;
	}
	return *cell->bytes;
}

/* The cell that holds a payload, of which it keeps the slice unless it holds it itself. */
static inline TlCell
tl_cell_of_payload(uint8 kind, const TlSlice *payload)
{
	TlCell cell = {0};

	switch (tl_kind_form(kind))
	{
		case TL_FORM_NUMBER:
			memcpy(&cell.number, payload->data, sizeof(double));
			break;
		case TL_FORM_BOOLEAN:
			cell.boolean = payload->data[0] != 0;
			break;
		case TL_FORM_BYTES:
			cell.bytes = payload;
			break;
	}
	return cell;
}

/* Whether two cells of a kind hold the same bytes. */
static inline bool
tl_cell_equal(uint8 kind, TlCell a, TlCell b)
{
	if (tl_cell_is_whole(kind))
		return memcmp(&a, &b, sizeof(TlCell)) == 0;
	return tl_slice_equal(*a.bytes, *b.bytes);
}

/* Bytes that a cell takes beside itself. */
static inline Size
tl_cell_bytes(uint8 kind, TlCell cell)
{
	return tl_cell_is_whole(kind) ? 0 : cell.bytes->len;
}

#endif
