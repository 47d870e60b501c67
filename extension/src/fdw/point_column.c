/*
 * point_column.c
 *		Finds the columns of a point in a table by their names.
 */
#include "fdw/point_column.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

static const char *const point_column_name[TL_POINT_COLUMNS] = {
	"ts", "device_id", "metric", "value", "unit", "tags", "metadata", "num"};

/* The type that a column must have, or InvalidOid. */
static Oid
point_column_type(int column)
{
	switch (column)
	{
		case TL_POINT_TS:
			return TIMESTAMPTZOID;
		case TL_POINT_DEVICE_ID:
		case TL_POINT_METRIC:
		case TL_POINT_UNIT:
			return TEXTOID;
		case TL_POINT_VALUE:
			return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("value"),
								   ObjectIdGetDatum(get_namespace_oid("telemetry", false)));
		case TL_POINT_TAGS:
		case TL_POINT_METADATA:
			return JSONBOID;
		case TL_POINT_NUM:
			return FLOAT8OID;
	}
	return InvalidOid;
}

static void
map_columns(TupleDesc desc, const char *table, bool texts, TlPointMap *map)
{
	int known_columns = texts ? TL_POINT_NUM : TL_POINT_COLUMNS;

	memset(map, 0, sizeof(TlPointMap));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		bool known = attribute->attisdropped;

		for (int c = 0; c < known_columns && !known; c++)
			if (strcmp(NameStr(attribute->attname), point_column_name[c]) == 0)
			{
				Oid type = texts ? TEXTOID : point_column_type(c);

				if (attribute->atttypid != type)
					ereport(ERROR,
							(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
							 errmsg("column \"%s\" of foreign table \"%s\" must be of type %s",
									NameStr(attribute->attname), table, format_type_be(type))));
				map->attno[c] = attribute->attnum;
				known = true;
			}
		if (!known)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_COLUMN_NAME),
					 errmsg("column \"%s\" of foreign table \"%s\" is not one of a point",
							NameStr(attribute->attname), table),
					 texts
						 ? errhint("As texts, points have ts, device_id, metric, value, unit, tags "
								   "and metadata.")
						 : errhint("Points have ts, device_id, metric, value, unit, tags, "
								   "metadata and num.")));
	}
	for (int c = TL_POINT_TS; c <= TL_POINT_VALUE; c++)
		if (map->attno[c] == 0)
			ereport(ERROR, (errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
							errmsg("foreign table \"%s\" has no column \"%s\"", table,
								   point_column_name[c])));
}

void
tl_point_map(TupleDesc desc, const char *table, TlPointMap *map)
{
	map_columns(desc, table, false, map);
}

void
tl_point_map_text(TupleDesc desc, const char *table, TlPointMap *map)
{
	map_columns(desc, table, true, map);
}
