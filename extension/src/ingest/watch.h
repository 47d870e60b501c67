/*
 * watch.h
 *		Who looks at points on their way into the store.
 */
#ifndef TL_WATCH_H
#define TL_WATCH_H

#include "ingest/memtable.h"

/*
 * One watcher, which the library sets when it is loaded.  begin is called when a statement's first points
 * are flushed, in a memory context that lasts to its end; NULL: nothing is to be watched.  flush sees a
 * memtable when it is sorted and has its order number, before it is stored; end is called once, when all
 * is stored, while the last memtable is still there.  What they raise fails the statement.
 */
typedef struct TlWatcher
{
	void *(*begin)(void);
	void (*flush)(void *watch, const TlMemtable *memtable, uint32 n_series, int64 seq);
	void (*end)(void *watch);
} TlWatcher;

extern const TlWatcher *tl_watcher;

#endif
