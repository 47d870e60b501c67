/*
 * row_maker.c
 *		From the points of a run to the columns of rows.  See row_maker.h.
 *
 * Memory: datums of the key live until the next series, those of attributes until the next that
 * differ, and the value until the next row.
 */
#include "fdw/row_maker.h"

#include "base/slice_text.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

struct TlRowMaker
{
	TlPointMap map; /* of the columns wanted */
	bool wants_value;
	bool wants_attrs;
	MemoryContext key_context;	 /* device and metric of the run */
	MemoryContext attrs_context; /* unit, tags, metadata of the last point that had any */
	TlRun run;
	bool has_key;
	TlKey key;
	Datum device;
	Datum metric;
	bool has_attrs;
	TlAttrs attrs;
	Datum unit;
	Datum tags;
	Datum metadata;
	struct varlena *value;
	Size value_size;
};

TlRowMaker *
tl_row_maker_create(const TlPointMap *map, int wanted)
{
	TlRowMaker *m = palloc0(sizeof(TlRowMaker));

	for (int c = 0; c < TL_POINT_COLUMNS; c++)
		if (wanted & TL_POINT_BIT(c))
			m->map.attno[c] = map->attno[c];
	m->wants_value = m->map.attno[TL_POINT_VALUE] != 0;
	m->wants_attrs = m->map.attno[TL_POINT_UNIT] != 0 || m->map.attno[TL_POINT_TAGS] != 0 ||
					 m->map.attno[TL_POINT_METADATA] != 0;
	m->key_context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry row key", ALLOCSET_SMALL_SIZES);
	m->attrs_context = AllocSetContextCreate(CurrentMemoryContext, "telemetry row attributes",
											 ALLOCSET_SMALL_SIZES);
	m->value_size = 64;
	m->value = palloc(m->value_size);
	return m;
}

/* Pieces of one series follow each other, so the key's datums are mostly there already. */
void
tl_row_maker_run(TlRowMaker *m, const TlRun *run)
{
	MemoryContext old;

	m->run = *run;
	if (m->has_key && tl_key_equal(&m->key, &run->key))
		return;
	MemoryContextReset(m->key_context);
	old = MemoryContextSwitchTo(m->key_context);
	m->device = tl_slice_to_text(run->key.device);
	m->metric = tl_slice_to_text(run->key.metric);
	m->key.device = (TlSlice){VARDATA(DatumGetPointer(m->device)), run->key.device.len};
	m->key.metric = (TlSlice){VARDATA(DatumGetPointer(m->metric)), run->key.metric.len};
	m->has_key = true;
	MemoryContextSwitchTo(old);
}

static TlSlice
copy_slice(TlSlice s)
{
	if (s.data != NULL)
		s.data = memcpy(palloc(Max(s.len, 1)), s.data, s.len);
	return s;
}

static Datum
jsonb_datum(TlSlice s)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(s.data, s.len)));
}

static void
use_attrs(TlRowMaker *m, const TlAttrs *a)
{
	MemoryContext old;

	if (m->has_attrs && tl_slice_equal(m->attrs.unit, a->unit) &&
		tl_slice_equal(m->attrs.tags, a->tags) && tl_slice_equal(m->attrs.metadata, a->metadata))
		return;
	m->has_attrs = false;
	MemoryContextReset(m->attrs_context);
	old = MemoryContextSwitchTo(m->attrs_context);
	m->attrs.unit = copy_slice(a->unit);
	m->attrs.tags = copy_slice(a->tags);
	m->attrs.metadata = copy_slice(a->metadata);
	m->unit = a->unit.data == NULL ? (Datum) 0 : tl_slice_to_text(a->unit);
	m->tags = a->tags.data == NULL ? (Datum) 0 : jsonb_datum(a->tags);
	m->metadata = a->metadata.data == NULL ? (Datum) 0 : jsonb_datum(a->metadata);
	m->has_attrs = true;
	MemoryContextSwitchTo(old);
}

/* Builds the value in a buffer that every row uses again. */
static Datum
value_datum(TlRowMaker *m, uint8 kind, TlCell cell)
{
	TlSlice payload = tl_cell_payload(kind, &cell);
	Size size = VARHDRSZ + 1 + payload.len;
	char *p;

	if (size > m->value_size)
	{
		m->value_size = size + payload.len;
		m->value = repalloc(m->value, m->value_size);
	}
	SET_VARSIZE(m->value, size);
	p = VARDATA(m->value);
	*p = (char) kind;
	memcpy(p + 1, payload.data, payload.len);
	return PointerGetDatum(m->value);
}

static inline void
put(const TlRowMaker *m, TlPointColumn column, Datum datum, bool isnull, Datum *values, bool *nulls)
{
	AttrNumber attno = m->map.attno[column];

	if (attno != 0)
	{
		values[attno - 1] = datum;
		nulls[attno - 1] = isnull;
	}
}

static void
put_attrs(TlRowMaker *m, const TlAttrs *attrs, Datum *values, bool *nulls)
{
	if (attrs != NULL)
		use_attrs(m, attrs);
	put(m, TL_POINT_UNIT, m->unit, attrs == NULL || attrs->unit.data == NULL, values, nulls);
	put(m, TL_POINT_TAGS, m->tags, attrs == NULL || attrs->tags.data == NULL, values, nulls);
	put(m, TL_POINT_METADATA, m->metadata, attrs == NULL || attrs->metadata.data == NULL, values,
		nulls);
}

void
tl_row_maker_fill(TlRowMaker *m, uint32 i, Datum *values, bool *nulls)
{
	const TlRun *run = &m->run;

	put(m, TL_POINT_TS, Int64GetDatum(run->ts[i]), false, values, nulls);
	put(m, TL_POINT_DEVICE_ID, m->device, false, values, nulls);
	put(m, TL_POINT_METRIC, m->metric, false, values, nulls);
	if (run->cell != NULL)
	{
		uint8 kind = tl_run_kind(run, i);
		bool numeric = kind == TL_KIND_NUMERIC;

		if (m->wants_value)
			put(m, TL_POINT_VALUE, value_datum(m, kind, run->cell[i]), false, values, nulls);
		put(m, TL_POINT_NUM, numeric ? Float8GetDatum(run->cell[i].number) : (Datum) 0, !numeric,
			values, nulls);
	}
	if (m->wants_attrs)
		put_attrs(m, run->attrs == NULL ? NULL : run->attrs[i], values, nulls);
}
