/*
 * http_parse.h
 *		The framing of HTTP/1.1 requests: what a request says, and where it ends.
 *
 * As RFC 9112 and 9110 have it, and wherever these let a recipient choose between refusing and
 * guessing, refused: two parties that read one stream of bytes must see the same requests.  No
 * header folds, no line ends in LF alone, no length is given twice or in any form but digits, no
 * Transfer-Encoding but chunked, no white space where there is to be none.
 *
 * Nothing here waits, allocates (but for a body) or knows of connections.  Functions return 0, or the
 * status to refuse with, and say why in *why, a constant text.
 */
#ifndef TL_HTTP_PARSE_H
#define TL_HTTP_PARSE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* More fields are refused with 431. */
#define TL_HTTP_FIELDS_MAX 100

/* A longer request line is refused with 414, whatever fields may have. */
#define TL_HTTP_LINE_MAX ((size_t) 8192)

typedef struct TlHttpField
{
	const char *name;  /* a token, as it was sent */
	const char *value; /* without white space at its ends */
} TlHttpField;

/* Texts end in NUL, contain none, and lie in the bytes that were parsed. */
typedef struct TlHttpHead
{
	const char *method;
	const char *path;  /* begins with a slash, or is "*" */
	const char *query; /* after the question mark; NULL if there is none */
	bool old;		   /* HTTP/1.0 */
	bool keep_alive;
	bool expects_continue; /* the client waits for 100 before it sends the body */
	bool chunked;
	uint64_t length; /* of the body, unless chunked */
	unsigned int field_count;
	TlHttpField fields[TL_HTTP_FIELDS_MAX];
} TlHttpHead;

/*
 * Looks for the end of a head in what has come of it.  *scanned, 0 at first, is how much of that is
 * known; *end becomes the head's length, empty lines before it included, or 0 if more has to come.
 */
extern int tl_http_find_end(const char *data, size_t len, size_t max, size_t *scanned, size_t *end,
							const char **why);

/*
 * Parses a head that tl_http_find_end has found, and writes to it.  If it is refused, nobody knows where
 * the next one would begin, and keep_alive is false.
 */
extern int tl_http_parse_head(char *data, size_t len, TlHttpHead *head, const char **why);

/* The value of the first field of a name, or NULL. */
extern const char *tl_http_field(const TlHttpHead *head, const char *name);

typedef enum TlHttpChunkState
{
	TL_HTTP_CHUNK_SIZE,
	TL_HTTP_CHUNK_EXTENSION, /* after a semicolon */
	TL_HTTP_CHUNK_EXTENSION_NAME,
	TL_HTTP_CHUNK_EXTENSION_IS, /* after the equals sign */
	TL_HTTP_CHUNK_EXTENSION_VALUE,
	TL_HTTP_CHUNK_QUOTED,	  /* within a quoted string, which is a value too */
	TL_HTTP_CHUNK_ESCAPED,	  /* after a backslash within that */
	TL_HTTP_CHUNK_QUOTES_END, /* after that */
	TL_HTTP_CHUNK_SIZE_LF,
	TL_HTTP_CHUNK_DATA,
	TL_HTTP_CHUNK_DATA_CR,
	TL_HTTP_CHUNK_DATA_LF,
	TL_HTTP_CHUNK_TRAILER_START,
	TL_HTTP_CHUNK_TRAILER_NAME,
	TL_HTTP_CHUNK_TRAILER_VALUE,
	TL_HTTP_CHUNK_TRAILER_LF,
	TL_HTTP_CHUNK_END_LF,
	TL_HTTP_CHUNK_DONE
} TlHttpChunkState;

/* How far a chunked body has been read; begins as {0}. */
typedef struct TlHttpChunks
{
	TlHttpChunkState state;
	unsigned int digits; /* of the size being read */
	uint64_t left;		 /* of the chunk */
	size_t overhead;	 /* bytes of extensions and trailers, which are dropped */
} TlHttpChunks;

/*
 * Decodes what has come of a chunked body and appends it to `body`, which may grow to `max` bytes, or
 * it is refused with 413.  *used becomes the bytes that were the body's; it is whole when the state
 * is DONE.
 */
extern int tl_http_chunks_read(TlHttpChunks *chunks, const char *data, size_t len, size_t max,
							   TlBuf *body, size_t *used, const char **why);

#endif
