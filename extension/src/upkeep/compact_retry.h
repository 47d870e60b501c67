/*
 * compact_retry.h
 *		Another attempt at blocks that were set aside.
 */
#ifndef TL_COMPACT_RETRY_H
#define TL_COMPACT_RETRY_H

#include "store/store.h"

/*
 * Makes blocks of single buckets of a mixed new block, under its own number.  The caller holds the
 * mixed bucket's lock.
 */
extern void tl_compact_split(const TlBlockMeta *meta);

/*
 * Rolls up one block that is set aside and due, if there is one; else it stays so until later.
 * Whether others are due.  Needs the mixed bucket's lock and an active snapshot taken since.
 */
extern bool tl_compact_retry(void);

#endif
