/*
 * table.c
 *		Rows of tables without statements.  See table.h.
 *
 * Rows to be put in wait until there are so many, or so many bytes of them, that a page's worth is
 * written at once.
 */
#include "base/table.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/statement.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* So many rows are put in at once, as with COPY. */
#define ROWS_AT_ONCE 1000
#define BYTES_AT_ONCE 65536

struct TlTable
{
	const TlTableShape *shape;
	MemoryContext context; /* scans and slots keep some of what they allocate on the way */
	MemoryContext row_context;
	Relation relation;
	AttrNumber numbers[TL_TABLE_COLUMNS_MAX]; /* of the shape's columns */

	Relation key;
	ScanKeyData keys[TL_TABLE_COLUMNS_MAX];
	Snapshot snapshot;
	IndexScanDesc scan;
	TupleTableSlot *found;

	/* Columns that a DBA has added: they keep what they have, and begin with their defaults. */
	AttrNumber *others;
	ExprState **defaults; /* of each, or NULL */
	int n_others;

	EState *estate;
	ResultRelInfo *result;
	CommandId command;
	TupleTableSlot *slots[ROWS_AT_ONCE]; /* as many as were ever needed */
	int n_slots;
	int n; /* rows that wait */
	Size bytes;
	TupleTableSlot *changed;
};

/* The key's columns compare by the operators that its index was made with. */
static void
open_key(TlTable *t)
{
	Oid index = tl_primary_key_index(t->relation);

	if (!OidIsValid(index))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("table telemetry.%s has no primary key", t->shape->name),
						errdetail("It comes with one, which cannot be deferred.")));
	t->key = index_open(index, AccessShareLock);
	for (int i = 0; i < t->shape->n_keys; i++)
	{
		Oid type = TupleDescAttr(RelationGetDescr(t->key), i)->atttypid;
		Oid operator= get_opfamily_member(t->key->rd_opfamily[i], t->key->rd_opcintype[i],
										  t->key->rd_opcintype[i], BTEqualStrategyNumber);

		if (t->key->rd_index->indkey.values[i] != t->numbers[i])
			elog(ERROR, "column \"%s\" is not in its place of the primary key of \"%s\"",
				 t->shape->columns[i], t->shape->name);
		ScanKeyEntryInitialize(&t->keys[i], 0, (AttrNumber) (i + 1), BTEqualStrategyNumber, type,
							   t->key->rd_indcollation[i], get_opcode(operator), (Datum) 0);
	}
	t->snapshot = RegisterSnapshot(GetTransactionSnapshot());
	t->scan = tl_index_beginscan(t->relation, t->key, t->snapshot, t->shape->n_keys);
	t->found = table_slot_create(t->relation, NULL);
}

static void
open_indexes(TlTable *t)
{
	t->estate = CreateExecutorState();
	t->result = makeNode(ResultRelInfo);
	InitResultRelInfo(t->result, t->relation, 0, NULL, 0);
	ExecOpenIndices(t->result, false);
	t->command = GetCurrentCommandId(true);
	t->changed = table_slot_create(t->relation, NULL);
}

static bool
is_in_shape(const TlTable *t, AttrNumber number)
{
	for (int i = 0; i < t->shape->n_columns; i++)
		if (t->numbers[i] == number)
			return true;
	return false;
}

static void
find_others(TlTable *t)
{
	TupleDesc desc = RelationGetDescr(t->relation);

	t->others = palloc(sizeof(AttrNumber) * desc->natts);
	t->defaults = palloc(sizeof(ExprState *) * desc->natts);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);
		Expr *value;

		if (column->attisdropped || column->attgenerated != '\0' || is_in_shape(t, column->attnum))
			continue;
		value = (Expr *) build_column_default(t->relation, column->attnum);
		t->defaults[t->n_others] = value == NULL ? NULL : ExecPrepareExpr(value, t->estate);
		t->others[t->n_others++] = column->attnum;
	}
}

TlTable *
tl_table_open(const TlTableShape *shape)
{
	TlTable *t = palloc0(sizeof(TlTable));
	Oid relid = tl_relation(shape->name);

	PreventCommandIfReadOnly("UPDATE");
	t->shape = shape;
	t->context = CurrentMemoryContext;
	t->row_context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry row", ALLOCSET_DEFAULT_SIZES);
	t->relation = table_open(relid, RowExclusiveLock);
	for (int i = 0; i < shape->n_columns; i++)
	{
		t->numbers[i] = get_attnum(relid, shape->columns[i]);
		if (t->numbers[i] == InvalidAttrNumber)
			elog(ERROR, "table \"%s\" has no column \"%s\"", shape->name, shape->columns[i]);
	}
	CommandCounterIncrement();
	open_key(t);
	open_indexes(t);
	find_others(t);
	return t;
}

MemoryContext
tl_table_row_context(TlTable *t)
{
	MemoryContextReset(t->row_context);
	return t->row_context;
}

bool
tl_table_find(TlTable *t, const Datum *key, ItemPointer place)
{
	MemoryContext old = MemoryContextSwitchTo(t->context);
	bool found;

	for (int i = 0; i < t->shape->n_keys; i++)
		t->keys[i].sk_argument = key[i];
	index_rescan(t->scan, t->keys, t->shape->n_keys, NULL, 0);
	found = index_getnext_slot(t->scan, ForwardScanDirection, t->found);
	if (found)
		*place = t->found->tts_tid;
	MemoryContextSwitchTo(old);
	return found;
}

Datum
tl_table_value(TlTable *t, int column, bool *isnull)
{
	return slot_getattr(t->found, t->numbers[column], isnull);
}

/* What is in the other columns, of a row that is stored or of a new one. */
static void
fill_others(TlTable *t, TupleTableSlot *slot, TupleTableSlot *stored)
{
	for (int i = 0; i < t->n_others; i++)
	{
		AttrNumber number = t->others[i];
		Datum *value = &slot->tts_values[number - 1];
		bool *isnull = &slot->tts_isnull[number - 1];

		if (stored != NULL)
			*value = slot_getattr(stored, number, isnull);
		else if (t->defaults[i] != NULL)
			*value = ExecEvalExprSwitchContext(t->defaults[i], GetPerTupleExprContext(t->estate),
											   isnull);
	}
}

/* A row as it is to be stored, with memory of its own. */
static void
fill(TlTable *t, TupleTableSlot *slot, const Datum *values, const bool *nulls,
	 TupleTableSlot *stored)
{
	TupleDesc desc = RelationGetDescr(t->relation);

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, sizeof(bool) * desc->natts);
	for (int i = 0; i < t->shape->n_columns; i++)
	{
		slot->tts_values[t->numbers[i] - 1] = values[i];
		slot->tts_isnull[t->numbers[i] - 1] = nulls[i];
	}
	fill_others(t, slot, stored);
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = RelationGetRelid(t->relation);
	if (desc->constr != NULL && desc->constr->has_generated_stored)
		ExecComputeStoredGenerated(t->result, t->estate, slot, CMD_INSERT);
	if (desc->constr != NULL)
		ExecConstraints(t->result, slot, t->estate);
	ExecMaterializeSlot(slot);
}

static void
insert_waiting(TlTable *t)
{
	MemoryContext old = MemoryContextSwitchTo(GetPerTupleMemoryContext(t->estate));

	if (t->n > 0)
		table_multi_insert(t->relation, t->slots, t->n, t->command, 0, NULL);
	MemoryContextSwitchTo(old);
	for (int i = 0; i < t->n; i++)
	{
		tl_insert_index_tuples(t->result, t->slots[i], t->estate, false, false);
		ExecClearTuple(t->slots[i]);
		ResetPerTupleExprContext(t->estate);
	}
	t->n = 0;
	t->bytes = 0;
}

void
tl_table_insert(TlTable *t, const Datum *values, const bool *nulls)
{
	MemoryContext old = MemoryContextSwitchTo(t->context);
	bool should_free;

	if (t->n == t->n_slots)
		t->slots[t->n_slots++] = table_slot_create(t->relation, NULL);
	fill(t, t->slots[t->n], values, nulls, NULL);
	t->bytes += ExecFetchSlotHeapTuple(t->slots[t->n], true, &should_free)->t_len;
	t->n++;
	if (t->n == ROWS_AT_ONCE || t->bytes >= BYTES_AT_ONCE)
		insert_waiting(t);
	MemoryContextSwitchTo(old);
}

void
tl_table_update(TlTable *t, ItemPointer place, const Datum *values, const bool *nulls)
{
	MemoryContext old = MemoryContextSwitchTo(t->context);
	TlUpdatedIndexes indexes;
	LockTupleMode mode;
	TM_FailureData failure;

	if (t->n_others > 0 &&
		!table_tuple_fetch_row_version(t->relation, place, t->snapshot, t->found))
		elog(ERROR, "a row of \"%s\" is not where it was", t->shape->name);
	fill(t, t->changed, values, nulls, t->n_others > 0 ? t->found : NULL);
	if (table_tuple_update(t->relation, place, t->changed, t->command, t->snapshot, InvalidSnapshot,
						   true, &failure, &mode, &indexes) != TM_Ok)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("a row of telemetry.%s was changed by another transaction", t->shape->name),
				 errhint("Retry the transaction.")));
	if (tl_indexes_updated(indexes))
		tl_insert_index_tuples(t->result, t->changed, t->estate, true,
							   tl_indexes_summarize(indexes));
	ExecClearTuple(t->changed);
	ResetPerTupleExprContext(t->estate);
	MemoryContextSwitchTo(old);
}

void
tl_table_close(TlTable *t)
{
	insert_waiting(t);
	index_endscan(t->scan);
	UnregisterSnapshot(t->snapshot);
	ExecDropSingleTupleTableSlot(t->found);
	ExecDropSingleTupleTableSlot(t->changed);
	for (int i = 0; i < t->n_slots; i++)
		ExecDropSingleTupleTableSlot(t->slots[i]);
	ExecCloseIndices(t->result);
	FreeExecutorState(t->estate);
	MemoryContextDelete(t->row_context);
	index_close(t->key, AccessShareLock);
	table_close(t->relation, NoLock);
	CommandCounterIncrement();
}
