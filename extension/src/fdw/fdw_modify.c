/*
 * fdw_modify.c
 *		INSERT and COPY into telemetry.point and telemetry.point_text.
 *
 * Each row is handed to the ingest of its statement; the end of the statement stores them.
 */
#include "fdw/fdw_modify.h"

#include "base/slice_text.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fdw/fdw_option.h"
#include "fdw/point_column.h"
#include "ingest/ingest.h"
#include "ingest/ingest_text.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "value/value.h"

typedef struct ModifyState
{
	TlIngest *ingest;	/* of values */
	TlTextIngest *text; /* or of texts */
	TlPointMap map;
	TupleTableSlot
		*stored; /* a row as it can be read, for those who look at it; made when needed */
} ModifyState;

/* Which column of a point is which field of a row of texts. */
static const TlPointColumn text_column[TL_TEXT_FIELDS] = {
	[TL_TEXT_TIMESTAMP] = TL_POINT_TS,		[TL_TEXT_DEVICE] = TL_POINT_DEVICE_ID,
	[TL_TEXT_METRIC] = TL_POINT_METRIC,		[TL_TEXT_VALUE] = TL_POINT_VALUE,
	[TL_TEXT_UNIT] = TL_POINT_UNIT,			[TL_TEXT_TAGS] = TL_POINT_TAGS,
	[TL_TEXT_METADATA] = TL_POINT_METADATA,
};

void
tl_fdw_add_update_targets(PlannerInfo *root, Index rti, RangeTblEntry *rte, Relation table)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("points cannot be updated or deleted row by row"),
					errhint("Insert a point again to replace its value; remove points with "
							"telemetry.delete_points(device, metric, from, to).")));
}

int
tl_fdw_updatable(Relation table)
{
	return 1 << CMD_INSERT;
}

/* What such a table shows is decided by the blocks that the store puts points into. */
static void
refuse_part_of_store(Oid table)
{
	if (tl_fdw_levels(table) != TL_LEVELS_ALL || tl_fdw_is_newest(table))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("foreign table \"%s\" can only be read", get_rel_name(table)),
						errdetail("Its option \"%s\" makes it show a part of the points.",
								  tl_fdw_is_newest(table) ? "newest" : "rolled_up"),
						errhint("Insert into telemetry.point.")));
}

List *
tl_fdw_plan_modify(PlannerInfo *root, ModifyTable *plan, Index rti, int subplan)
{
	refuse_part_of_store(planner_rt_fetch(rti, root)->relid);
	if (plan->onConflictAction != ONCONFLICT_NONE)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("ON CONFLICT is not supported on telemetry points"),
						errhint("A repeated point replaces the earlier one by itself.")));
	return NIL;
}

void
tl_fdw_begin_insert(ModifyTableState *mtstate, ResultRelInfo *rinfo)
{
	Relation table = rinfo->ri_RelationDesc;
	ModifyState *state = palloc0(sizeof(ModifyState));

	refuse_part_of_store(RelationGetRelid(table));
	if (tl_fdw_is_text(RelationGetRelid(table)))
	{
		tl_point_map_text(RelationGetDescr(table), RelationGetRelationName(table), &state->map);
		state->text = tl_text_ingest_begin();
	}
	else
	{
		tl_point_map(RelationGetDescr(table), RelationGetRelationName(table), &state->map);
		state->ingest = tl_ingest_begin();
	}
	rinfo->ri_FdwState = state;
}

void
tl_fdw_begin_modify(ModifyTableState *mtstate, ResultRelInfo *rinfo, List *private, int subplan,
					int eflags)
{
	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0)
		tl_fdw_begin_insert(mtstate, rinfo);
}

static inline bool
present(const TupleTableSlot *slot, AttrNumber attno)
{
	return attno != 0 && !slot->tts_isnull[attno - 1];
}

/* The varlena of a column, or NULL; if it has to be detoasted, that goes with the executor's row. */
static inline const struct varlena *
varlena_of(EState *estate, const TupleTableSlot *slot, AttrNumber attno)
{
	struct varlena *v;
	MemoryContext old;

	if (!present(slot, attno))
		return NULL;
	v = (struct varlena *) DatumGetPointer(slot->tts_values[attno - 1]);
	if (likely(!VARATT_IS_COMPRESSED(v) && !VARATT_IS_EXTERNAL(v)))
		return v;
	old = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
	v = pg_detoast_datum_packed(v);
	MemoryContextSwitchTo(old);
	return v;
}

static inline TlSlice
slice_of(const struct varlena *v)
{
	if (v == NULL)
		return (TlSlice){NULL, 0};
	return (TlSlice){VARDATA_ANY(v), (uint32) VARSIZE_ANY_EXHDR(v)};
}

static bool
insert_text(EState *estate, ModifyState *state, const TupleTableSlot *slot)
{
	TlTextRow row;

	for (int i = 0; i < TL_TEXT_FIELDS; i++)
		row.field[i] = slice_of(varlena_of(estate, slot, state->map.attno[text_column[i]]));
	return tl_text_ingest_row(state->text, &row);
}

/* RETURNING and triggers are given what is stored; nobody else looks at the row again. */
static inline bool
is_looked_at(const ResultRelInfo *rinfo)
{
	return rinfo->ri_projectReturning != NULL ||
		   (rinfo->ri_TrigDesc != NULL && rinfo->ri_TrigDesc->trig_insert_after_row) ||
		   rinfo->ri_WithCheckOptions != NIL;
}

static void
set_column(TupleTableSlot *slot, AttrNumber attno, Datum value)
{
	if (attno == 0)
		return;
	slot->tts_values[attno - 1] = value;
	slot->tts_isnull[attno - 1] = false;
}

/*
 * The row with its column num, and with the value and the unit that the metric's definition has made of
 * what was given; its other values are where they were.
 */
static TupleTableSlot *
stored_row(EState *estate, ModifyState *state, const TupleTableSlot *slot, const TlIngestRow *given,
		   const TlIngestRow *row)
{
	const AttrNumber *attno = state->map.attno;
	int columns = slot->tts_tupleDescriptor->natts;
	TupleTableSlot *stored = state->stored;
	MemoryContext old;

	if (stored == NULL)
		stored = state->stored = ExecInitExtraTupleSlot(
			estate, CreateTupleDescCopy(slot->tts_tupleDescriptor), &TTSOpsVirtual);
	ExecClearTuple(stored);
	memcpy(stored->tts_values, slot->tts_values, sizeof(Datum) * columns);
	memcpy(stored->tts_isnull, slot->tts_isnull, sizeof(bool) * columns);
	old = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
	if (*VARDATA_ANY(row->value) == TL_KIND_NUMERIC)
		set_column(stored, attno[TL_POINT_NUM],
				   Float8GetDatum(tl_payload_double(VARDATA_ANY(row->value) + 1)));
	if (row->value != given->value)
		set_column(stored, attno[TL_POINT_VALUE], PointerGetDatum(row->value));
	if (row->unit.data != given->unit.data)
		set_column(stored, attno[TL_POINT_UNIT], tl_slice_to_text(row->unit));
	MemoryContextSwitchTo(old);
	return ExecStoreVirtualTuple(stored);
}

/* Null for a row that is rejected: it is not counted, nor returned. */
TupleTableSlot *
tl_fdw_insert(EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	ModifyState *state = rinfo->ri_FdwState;
	const AttrNumber *attno = state->map.attno;
	TlIngestRow row;
	TlIngestRow given;

	slot_getallattrs(slot);
	if (state->text != NULL)
		return insert_text(estate, state, slot) ? slot : NULL;
	if (unlikely(present(slot, attno[TL_POINT_NUM])))
		ereport(ERROR,
				(errcode(ERRCODE_GENERATED_ALWAYS), errmsg("column \"num\" can only be read"),
				 errhint("It is the numeric part of column \"value\".")));

	row.has_ts = present(slot, attno[TL_POINT_TS]);
	row.ts = row.has_ts ? DatumGetInt64(slot->tts_values[attno[TL_POINT_TS] - 1]) : 0;
	row.device = slice_of(varlena_of(estate, slot, attno[TL_POINT_DEVICE_ID]));
	row.metric = slice_of(varlena_of(estate, slot, attno[TL_POINT_METRIC]));
	row.value = varlena_of(estate, slot, attno[TL_POINT_VALUE]);
	row.unit = slice_of(varlena_of(estate, slot, attno[TL_POINT_UNIT]));
	row.tags = slice_of(varlena_of(estate, slot, attno[TL_POINT_TAGS]));
	row.metadata = slice_of(varlena_of(estate, slot, attno[TL_POINT_METADATA]));
	given = row;
	if (!tl_ingest_row(state->ingest, &row))
		return NULL;
	return is_looked_at(rinfo) ? stored_row(estate, state, slot, &given, &row) : slot;
}

void
tl_fdw_end_modify(EState *estate, ResultRelInfo *rinfo)
{
	ModifyState *state = rinfo->ri_FdwState;

	if (state != NULL && state->text != NULL)
		tl_text_ingest_end(state->text);
	else if (state != NULL)
		(void) tl_ingest_end(state->ingest);
	rinfo->ri_FdwState = NULL;
}
