/*
 * codec_bytes.h
 *		Byte strings of one series: text, JSON, geo and binary payloads.
 *
 *	TL_BYTES_PLAIN	each string as varint length, then all their bytes
 *	TL_BYTES_DICT	varint size of a dictionary, the dictionary as PLAIN, then each string's
 *					index as pairs (varint index, varint run length)
 *
 * The general compressor behind it finds what the strings share; the dictionary is for states
 * that repeat ("open", "closed"), which then cost a byte a change.
 */
#ifndef TL_CODEC_BYTES_H
#define TL_CODEC_BYTES_H

#include "base/bytes.h"
#include "base/slice.h"

extern void tl_bytes_encode(TlBuf *buf, const TlSlice *const *v, uint32 n);

/*
 * Fills v[n] with pointers into a palloc'd array of slices, which is returned for the caller to
 * free; the slices' bytes are those under the reader.
 */
extern TlSlice *tl_bytes_decode(TlReader *r, uint32 n, const TlSlice **v);

#endif
