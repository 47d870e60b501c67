/*
 * slice.c
 *		The hash of a slice.  See slice.h.
 */
#include "base/slice.h"

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
