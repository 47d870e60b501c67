/*
 * http_head.h
 *		Heads of answers.
 */
#ifndef TL_HTTP_HEAD_H
#define TL_HTTP_HEAD_H

#include "routes/request.h"

/* How the client knows where the body ends. */
typedef enum TlFraming
{
	TL_FRAMING_LENGTH,	/* by Content-Length */
	TL_FRAMING_CHUNKED, /* by the last chunk */
	TL_FRAMING_CLOSE,	/* by the end of the connection */
	TL_FRAMING_NONE		/* there is none, and its length is not told */
} TlFraming;

typedef struct TlHeadOptions
{
	TlFraming framing;
	size_t len; /* of the body as it is sent */
	bool old;	/* HTTP/1.0 */
	bool close;
	bool gzip;			 /* Content-Encoding */
	bool varies;		 /* with Accept-Encoding */
	const char *etag;	 /* or NULL */
	const TlBuf *fields; /* more of the head, whole lines, or NULL */
} TlHeadOptions;

/* Whether an answer of this status may have a body, and says of what type. */
extern bool tl_http_status_has_body(int status);

/* Appends the head of an answer, with the empty line. */
extern void tl_http_compose_head(TlBuf *out, const TlAnswer *answer, const TlHeadOptions *options);

#endif
