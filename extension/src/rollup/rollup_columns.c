/*
 * rollup_columns.c
 *		Rows of the tables of rollups as arguments and results.  See rollup_columns.h.
 */
#include "rollup/rollup_columns.h"

#include "base/slice_text.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

TlColumn
tl_column(uint32 n)
{
	TlColumn c = {n, MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * Max(n, 1)),
				  MemoryContextAllocHuge(CurrentMemoryContext, sizeof(bool) * Max(n, 1))};

	return c;
}

Datum
tl_column_array(const TlColumn *c, Oid type)
{
	int dims[1] = {(int) c->n};
	int bounds[1] = {1};
	int16 len;
	bool by_value;
	char align;

	get_typlenbyvalalign(type, &len, &by_value, &align);
	return PointerGetDatum(
		construct_md_array(c->values, c->nulls, 1, dims, bounds, type, len, by_value, align));
}

static Oid
own_type(const char *name)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(name),
						   ObjectIdGetDatum(get_namespace_oid("telemetry", false)));
}

Oid
tl_bind_own_type(TlStatement *s, int arg, const char *name)
{
	Oid type = own_type(name);
	Oid array = get_array_type(type);

	if (s->args[arg] != array)
	{
		if (s->plan != NULL)
			SPI_freeplan(s->plan);
		s->plan = NULL;
		s->args[arg] = array;
	}
	return type;
}

static inline const TlKey *
key_at(const void *rows, uint32 i, size_t size)
{
	return (const TlKey *) ((uintptr_t) rows + i * size);
}

Datum
tl_device_array(const void *rows, uint32 n, size_t size)
{
	TlColumn c = tl_column(n);

	for (uint32 i = 0; i < n; i++)
	{
		c.values[i] = tl_slice_to_text(key_at(rows, i, size)->device);
		c.nulls[i] = false;
	}
	return tl_column_array(&c, TEXTOID);
}

Datum
tl_metric_array(const void *rows, uint32 n, size_t size)
{
	TlColumn c = tl_column(n);

	for (uint32 i = 0; i < n; i++)
	{
		c.values[i] = tl_slice_to_text(key_at(rows, i, size)->metric);
		c.nulls[i] = false;
	}
	return tl_column_array(&c, TEXTOID);
}

Datum
tl_varlena_of(const char *head, size_t head_len, TlSlice s)
{
	struct varlena *v = palloc(VARHDRSZ + head_len + s.len);

	SET_VARSIZE(v, VARHDRSZ + head_len + s.len);
	memcpy(VARDATA(v), head, head_len);
	memcpy(VARDATA(v) + head_len, s.data, s.len);
	return PointerGetDatum(v);
}

static Datum
field(HeapTuple tuple, int number, bool *isnull)
{
	return SPI_getbinval(tuple, SPI_tuptable->tupdesc, number, isnull);
}

int32
tl_day_field(HeapTuple tuple, int number)
{
	bool isnull;
	Datum value = field(tuple, number, &isnull);

	return isnull ? 0 : DatumGetDateADT(value);
}

int64
tl_count_field(HeapTuple tuple, int number)
{
	bool isnull;
	Datum value = field(tuple, number, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

TlSlice
tl_bytes_field(HeapTuple tuple, int number, MemoryContext context)
{
	bool isnull;
	Datum value = field(tuple, number, &isnull);
	struct varlena *v;
	TlSlice s = {"", 0};

	if (isnull)
		return s;
	v = pg_detoast_datum_packed((struct varlena *) DatumGetPointer(value));
	s.len = (uint32) VARSIZE_ANY_EXHDR(v);
	s.data = memcpy(MemoryContextAlloc(context, Max(s.len, 1)), VARDATA_ANY(v), s.len);
	return s;
}
