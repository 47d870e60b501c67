/*
 * slice.c
 *		The order and the hash of slices.  See slice.h.
 */
#include "base/slice.h"

int
tl_slice_order(const void *a, const void *b)
{
	return tl_slice_compare(*(const TlSlice *) a, *(const TlSlice *) b);
}

uint32
tl_slices_make_unique(TlSlice *slices, uint32 n)
{
	uint32 kept = 0;

	qsort(slices, n, sizeof(TlSlice), tl_slice_order);
	for (uint32 i = 0; i < n; i++)
		if (kept == 0 || !tl_slice_equal(slices[kept - 1], slices[i]))
			slices[kept++] = slices[i];
	return kept;
}

uint64
tl_hash_bytes(const char *data, size_t len, uint64 seed)
{
	uint64 h = UINT64CONST(0xcbf29ce484222325) ^ seed;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8) data[i]) * UINT64CONST(0x100000001b3);
	h ^= h >> 32;
	h *= UINT64CONST(0xd6e8feb86659fd93);
	h ^= h >> 32;
	return h;
}
