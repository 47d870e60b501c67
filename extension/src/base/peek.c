/*
 * peek.c
 *		A few rows by an index or of single pages.  See peek.h.
 */
#include "base/peek.h"

#include "access/heapam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/statement.h"
#include "catalog/pg_am.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static Relation
open_index(Relation table, AttrNumber column)
{
	List *indexes = RelationGetIndexList(table);
	Relation found = NULL;
	ListCell *lc;

	foreach(lc, indexes)
	{
		Relation index = index_open(lfirst_oid(lc), AccessShareLock);

		if (index->rd_index->indisvalid && index->rd_rel->relam == BTREE_AM_OID &&
			index->rd_index->indkey.values[0] == column && RelationGetIndexPredicate(index) == NIL)
		{
			found = index;
			break;
		}
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	return found;
}

bool
tl_peek_open(TlPeek *p, const char *table, AttrNumber column)
{
	memset(p, 0, sizeof(TlPeek));
	p->table = table_open(tl_relation(table), AccessShareLock);
	p->index = open_index(p->table, column);
	if (p->index == NULL)
	{
		table_close(p->table, AccessShareLock);
		return false;
	}
	p->slot = table_slot_create(p->table, NULL);
	return true;
}

static void
end_scan(TlPeek *p)
{
	if (p->scan != NULL)
		index_endscan(p->scan);
	p->scan = NULL;
}

void
tl_peek_close(TlPeek *p)
{
	end_scan(p);
	ExecDropSingleTupleTableSlot(p->slot);
	index_close(p->index, AccessShareLock);
	table_close(p->table, AccessShareLock);
}

void
tl_peek_seek(TlPeek *p, const ScanKeyData *keys, int n_keys, bool backward)
{
	end_scan(p);
	p->scan = tl_index_beginscan(p->table, p->index, SnapshotSelf, n_keys);
	index_rescan(p->scan, (ScanKey) keys, n_keys, NULL, 0);
	p->direction = backward ? BackwardScanDirection : ForwardScanDirection;
}

bool
tl_peek_pass(TlPeek *p, int *steps)
{
	if (*steps <= 0)
		return false;
	(*steps)--;
	return index_getnext_tid(p->scan, p->direction) != NULL;
}

bool
tl_peek_next(TlPeek *p, int *steps)
{
	while (tl_peek_pass(p, steps))
		if (index_fetch_heap(p->scan, p->slot))
			return true;
	return false;
}

void
tl_peek_pages(const char *table, uint32 most, uint32 *pages, uint32 *seen, TlPeekRowFn row,
			  void *arg)
{
	Relation relation = table_open(tl_relation(table), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(relation, NULL);

	*pages = RelationGetNumberOfBlocks(relation);
	*seen = Min(*pages, most);
	for (uint32 i = 0; i < *seen; i++)
	{
		TableScanDesc scan = table_beginscan_strat(relation, SnapshotSelf, 0, NULL, true, false);

		heap_setscanlimits(scan, (BlockNumber) ((uint64) *pages * i / *seen), 1);
		while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
			row(arg, slot);
		table_endscan(scan);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_close(relation, AccessShareLock);
}

double
tl_relation_pages(Oid relid)
{
	Relation relation = table_open(relid, AccessShareLock);
	double pages = RelationGetNumberOfBlocks(relation);

	table_close(relation, AccessShareLock);
	return pages;
}
