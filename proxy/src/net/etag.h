/*
 * etag.h
 *		Entity tags: a client that has an answer already is told so instead (RFC 9110, 8.8.3).
 *
 * They are made of the body's bytes, and are weak because the same body also goes in gzip.
 */
#ifndef TL_ETAG_H
#define TL_ETAG_H

#include <stdbool.h>
#include <stddef.h>

#define TL_ETAG_SIZE 40

extern void tl_etag_make(const char *body, size_t len, char out[TL_ETAG_SIZE]);

/* Whether the value of an If-None-Match names the tag, or is *. */
extern bool tl_etag_is_named(const char *list, const char *tag);

#endif
