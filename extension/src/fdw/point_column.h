/*
 * point_column.h
 *		The columns of telemetry.point, and where a foreign table has them.
 */
#ifndef TL_POINT_COLUMN_H
#define TL_POINT_COLUMN_H

#include "base/compat.h"

#include "access/tupdesc.h"

/* The columns of telemetry.point, by their names. */
typedef enum TlPointColumn
{
	TL_POINT_TS,
	TL_POINT_DEVICE_ID,
	TL_POINT_METRIC,
	TL_POINT_VALUE,
	TL_POINT_UNIT,
	TL_POINT_TAGS,
	TL_POINT_METADATA,
	TL_POINT_NUM
} TlPointColumn;

#define TL_POINT_COLUMNS (TL_POINT_NUM + 1)

/* Sets of columns. */
#define TL_POINT_BIT(column) (1 << (column))
#define TL_POINT_ALL (TL_POINT_BIT(TL_POINT_COLUMNS) - 1)

/* The attribute number of each column in a table, or 0 where it has none. */
typedef struct TlPointMap
{
	AttrNumber attno[TL_POINT_COLUMNS];
} TlPointMap;

/* Raises if the table is not made like telemetry.point. */
extern void tl_point_map(TupleDesc desc, const char *table, TlPointMap *map);
/* The same of one with the columns that can be written, as texts. */
extern void tl_point_map_text(TupleDesc desc, const char *table, TlPointMap *map);

#endif
