/*
 * kind.h
 *		The kinds of telemetry.value.
 */
#ifndef TL_KIND_H
#define TL_KIND_H

#include "base/compat.h"

/* Numbers are stored. */
typedef enum TlKind
{
	TL_KIND_NUMERIC = 1,
	TL_KIND_TEXT = 2,
	TL_KIND_BOOLEAN = 3,
	TL_KIND_JSON = 4,
	TL_KIND_GEO = 5,
	TL_KIND_BINARY = 6
} TlKind;

#define TL_KIND_LAST TL_KIND_BINARY
#define TL_GEO_SIZE (3 * sizeof(double))

/* How a run's cell holds a value of a kind, and a codec writes it: see block/cell.h. */
typedef enum TlCellForm
{
	TL_FORM_BYTES,
	TL_FORM_NUMBER,
	TL_FORM_BOOLEAN
} TlCellForm;

static inline TlCellForm
tl_kind_form(uint8 kind)
{
	switch (kind)
	{
		case TL_KIND_NUMERIC:
			return TL_FORM_NUMBER;
		case TL_KIND_BOOLEAN:
			return TL_FORM_BOOLEAN;
		default:
			return TL_FORM_BYTES;
	}
}

/* The length of every payload of a kind, or 0 if they differ. */
static inline Size
tl_kind_size(uint8 kind)
{
	switch (kind)
	{
		case TL_KIND_NUMERIC:
			return sizeof(double);
		case TL_KIND_BOOLEAN:
			return 1;
		case TL_KIND_GEO:
			return TL_GEO_SIZE;
		default:
			return 0;
	}
}

#endif
