/*
 * key_table.c
 *		Series by their keys.  See key_table.h.
 */
#include "alert/key_table.h"

static uint32
hash_key(const void *key, Size size)
{
	const TlKey *k = key;

	return (uint32) tl_hash_bytes(k->metric.data, k->metric.len,
								  tl_hash_bytes(k->device.data, k->device.len, 0));
}

static int
match_keys(const void *a, const void *b, Size size)
{
	return tl_key_equal(a, b) ? 0 : 1;
}

HTAB *
tl_key_table_create(const char *name, Size entry_size, MemoryContext context)
{
	HASHCTL ctl = {.keysize = sizeof(TlKey),
				   .entrysize = entry_size,
				   .hash = hash_key,
				   .match = match_keys,
				   .hcxt = context};

	return hash_create(name, 64, &ctl, HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}
