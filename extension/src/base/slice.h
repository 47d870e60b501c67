/*
 * slice.h
 *		A string somewhere else, compared and hashed by its bytes.
 */
#ifndef TL_SLICE_H
#define TL_SLICE_H

#include "base/compat.h"

/* Owns nothing; data NULL means absent where that is possible. */
typedef struct TlSlice
{
	const char *data;
	uint32 len;
} TlSlice;

static inline bool
tl_slice_equal(TlSlice a, TlSlice b)
{
	return a.len == b.len && (a.data == NULL) == (b.data == NULL) &&
		   (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Bytewise; of two that begin alike the shorter one comes first. */
static inline int
tl_slice_compare(TlSlice a, TlSlice b)
{
	int c = memcmp(a.data, b.data, Min(a.len, b.len));

	return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static inline bool
tl_slice_has_prefix(TlSlice s, TlSlice prefix)
{
	return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

/* The same of two pointers to slices, for qsort and bsearch. */
extern int tl_slice_order(const void *a, const void *b);
/* Sorts slices and drops repeats; how many are left. */
extern uint32 tl_slices_make_unique(TlSlice *slices, uint32 n);

/* A 64-bit FNV-1a hash with a final mix: the same on every machine and version. */
extern uint64 tl_hash_bytes(const char *data, size_t len, uint64 seed);

#endif
