/*
 * url.h
 *		Percent-decoding and UTF-8 checks.
 */
#ifndef TL_URL_H
#define TL_URL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Decodes `len` bytes into `out`, which has room for `len`, and returns the decoded length;
 * -1 if an escape is malformed, a NUL is encoded, or the result is not UTF-8.
 */
extern long tl_url_decode(const char *text, size_t len, bool plus_is_space, char *out);

/*
 * Finds a query parameter by its plain name and decodes its value into `out` of `size` bytes
 * as a C string.  0: absent; 1: found; -1: malformed or too long.
 */
extern int tl_url_query(const char *query, const char *name, char *out, size_t size);

/* The value of a hexadecimal digit, or -1. */
extern int tl_hex_digit(char c);

/* UTF-8 as PostgreSQL accepts it: no overlong forms, no surrogates, nothing above U+10FFFF. */
extern bool tl_utf8_valid(const char *text, size_t len);

/* Length of the UTF-8 sequence that starts at p, which ends before end; 0 if invalid. */
extern size_t tl_utf8_sequence(const char *p, const char *end);

#endif
