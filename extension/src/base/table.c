/*
 * table.c
 *		Rows of tables without statements.  See table.h.
 *
 * Rows to be put in wait until there are so many, or so many bytes of them, that a page's worth is
 * written at once.
 */
#include "base/table.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/statement.h"
#include "catalog/pg_collation.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
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
	Relation relation;
	AttrNumber numbers[TL_TABLE_COLUMNS_MAX]; /* of the shape's columns */

	Relation key;
	ScanKeyData keys[TL_TABLE_COLUMNS_MAX];
	Snapshot snapshot;
	IndexScanDesc scan;
	TupleTableSlot *found;

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
	t->key = index_open(RelationGetPrimaryKeyIndex(t->relation), AccessShareLock);
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

TlTable *
tl_table_open(const TlTableShape *shape)
{
	TlTable *t = palloc0(sizeof(TlTable));
	Oid relid = tl_relation(shape->name);

	PreventCommandIfReadOnly("UPDATE");
	t->shape = shape;
	t->context = CurrentMemoryContext;
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
	return t;
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

/* A row as it is to be stored, with memory of its own. */
static void
fill(TlTable *t, TupleTableSlot *slot, const Datum *values, const bool *nulls)
{
	TupleDesc desc = RelationGetDescr(t->relation);

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, sizeof(bool) * desc->natts);
	for (int i = 0; i < t->shape->n_columns; i++)
	{
		slot->tts_values[t->numbers[i] - 1] = values[i];
		slot->tts_isnull[t->numbers[i] - 1] = nulls[i];
	}
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
	fill(t, t->slots[t->n], values, nulls);
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

	fill(t, t->changed, values, nulls);
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
	index_close(t->key, AccessShareLock);
	table_close(t->relation, NoLock);
	CommandCounterIncrement();
}
