/*
 * codec_value.h
 *		The values of one run, whatever their kinds.
 *
 * The kind of a uniform run is kept in its directory entry and its stream is that of the kind:
 * numbers by codec_number, booleans as a bit each, everything else by codec_bytes.  A mixed
 * run begins with pairs (kind, varint run length) and then holds one stream for each kind that
 * occurs, in the order of the kinds.
 */
#ifndef TL_CODEC_VALUE_H
#define TL_CODEC_VALUE_H

#include "base/bytes.h"
#include "block/run.h"

extern void tl_values_encode(TlBuf *buf, const TlRun *run);

/*
 * Fills cell[n] (and kinds[n] when kind is TL_KIND_MIXED).  Strings are slices of the bytes
 * under the reader, through arrays palloc'd in the current memory context.
 */
extern void tl_values_decode(TlReader *r, uint8 kind, uint32 n, TlCell *cell, uint8 *kinds);

#endif
