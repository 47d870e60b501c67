/*
 * json_scan.h
 *		A strict, one-pass scanner of JSON text, without a tree.
 *
 * The ingest path reads each body once, from left to right, and encodes rows as it goes.
 * Nested documents (tags, metadata, values) are passed on as the text they came in, so the
 * scanner must refuse all that PostgreSQL's jsonb would: a single bad row in a COPY fails
 * everybody else's rows too.  What is valid JSON but may still be refused or read otherwise
 * there (NUL and lone surrogate escapes, numbers that are enormous when written out) sets `odd`.
 *
 * Elsewhere json-c reads JSON.  Here its tree would be the dearest part of ingest: parsing alone
 * takes it seven times as long as it takes to scan a body and encode its rows.  It serves as the
 * judge in test_proxy_json_oracle.c instead.
 *
 * The scanner owns nothing; the text must outlive it and everything taken from it.
 */
#ifndef TL_JSON_SCAN_H
#define TL_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

typedef enum TlJsonType
{
	TL_JSON_INVALID,
	TL_JSON_NULL,
	TL_JSON_FALSE,
	TL_JSON_TRUE,
	TL_JSON_NUMBER,
	TL_JSON_STRING,
	TL_JSON_ARRAY,
	TL_JSON_OBJECT
} TlJsonType;

typedef struct TlJson
{
	const char *p; /* next byte */
	const char *start;
	const char *end;
	unsigned int depth;
	unsigned int max_depth;
	bool odd;
	size_t swell;	   /* digits that exponents stand for, so far */
	const char *error; /* what is wrong at p, once something is */
} TlJson;

/* A value as it stands in the text; for a string without its quotes. */
typedef struct TlJsonValue
{
	TlJsonType type;
	bool escaped; /* string: holds escapes */
	bool dollar;  /* object: has a direct member whose name starts with '$' */
	const char *text;
	size_t len;
	size_t swell; /* array or object: how much longer it is with its numbers written out */
} TlJsonValue;

extern void tl_json_begin(TlJson *json, const char *text, size_t len, unsigned int max_depth);

/* True if only white space is left; else an error is set. */
extern bool tl_json_end(TlJson *json);

/* What kind of value comes next, after white space; nothing else is consumed. */
extern TlJsonType tl_json_peek(TlJson *json);

/* Reads the next value whole, checking everything in it. */
extern bool tl_json_read(TlJson *json, TlJsonValue *value);

/*
 * Iteration over an object or array whose peeked type is known:
 *
 *	tl_json_enter(json)
 *	while (tl_json_member(json, &name))		each call must be followed by reading the value
 *	while (tl_json_element(json))
 *
 * The loops end at the closing bracket or at an error: look at json->error.
 */
extern void tl_json_enter(TlJson *json);
extern bool tl_json_member(TlJson *json, TlJsonValue *name);
extern bool tl_json_element(TlJson *json);

/* Compares a string with plain text, decoding escapes. */
extern bool tl_json_string_is(const TlJsonValue *string, const char *text, size_t len);

/* Decodes a string into `out`, which has room for string->len bytes; returns the length. */
extern size_t tl_json_unescape(const TlJsonValue *string, char *out);

/* False if the number does not fit a double. */
extern bool tl_json_number(const TlJsonValue *number, double *out);

#endif
