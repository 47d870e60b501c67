/*
 * flush.h
 *		Turns a memtable of points into blocks and stores them.
 */
#ifndef TL_FLUSH_H
#define TL_FLUSH_H

#include "ingest/memtable.h"

/*
 * Sorts the memtable and inserts its blocks under one new order number, so that its points win
 * over all that were flushed before.  Tells replaced() of points that a later row of the same
 * memtable replaces.  The memtable must be reset afterwards.
 * watch: what the statement's watcher began, or NULL (watch.h).  Returns how many series there were.
 */
extern uint32 tl_flush(TlMemtable *memtable, TlReplacedFn replaced, void *arg, void *watch);

#endif
