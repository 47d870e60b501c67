/*
 * flush.h
 *		Turns a batch of points into blocks and stores them.
 */
#ifndef TL_FLUSH_H
#define TL_FLUSH_H

#include "ingest/batch.h"

/*
 * Sorts the batch and inserts its blocks under one new order number, so that its points win
 * over all that were flushed before.  Tells replaced() of points that a later row of the same
 * batch replaces.  The batch must be reset afterwards.
 */
extern void tl_flush(TlBatch *batch, TlReplacedFn replaced, void *arg);

#endif
