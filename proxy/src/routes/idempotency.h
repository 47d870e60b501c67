/*
 * idempotency.h
 *		The header Idempotency-Key: what a client calls a request, and calls it again when it sends it
 *		again (draft-ietf-httpapi-idempotency-key-header).
 *
 * It is a string as structured fields have it, "8e03978e-40d5", or the same without quotes, as most clients send
 * it: characters that can be seen but quotes, commas, semicolons and backslashes.  Both are one key.
 */
#ifndef TL_IDEMPOTENCY_H
#define TL_IDEMPOTENCY_H

#include <stdbool.h>

#define TL_IDEMPOTENCY_KEY_MAX 255

/* Reads the header's value into `key`, of TL_IDEMPOTENCY_KEY_MAX + 1 bytes; false if it is no key. */
extern bool tl_idempotency_key_read(const char *value, char *key);

#endif
