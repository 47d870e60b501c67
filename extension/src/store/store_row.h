/*
 * store_row.h
 *		What statements on telemetry.block select of a row beside its data.
 */
#ifndef TL_STORE_ROW_H
#define TL_STORE_ROW_H

#include "store/store.h"

#include "access/htup.h"
#include "access/tupdesc.h"

#define TL_STORE_ROW_COLUMNS "bucket, level, seq, min_ts, max_ts, n, octet_length(data)"

/* Reads a row that begins with these columns. */
extern void tl_store_row_read(HeapTuple tuple, TupleDesc desc, TlBlockMeta *meta);

#endif
