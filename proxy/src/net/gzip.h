/*
 * gzip.h
 *		Answers in gzip, for clients that take it (RFC 9110, 12.5.3).
 */
#ifndef TL_GZIP_H
#define TL_GZIP_H

#include "base/buf.h"
#include "net/http_parse.h"

typedef struct TlGzip TlGzip;

/* Whether the head's Accept-Encoding names gzip, or *, with a quality that is not 0. */
extern bool tl_gzip_is_accepted(const TlHttpHead *head);

/* Whether a body of this Content-Type gets smaller by it: texts do. */
extern bool tl_gzip_is_worth(const char *content_type);

extern TlGzip *tl_gzip_open(void);

/* What comes out is appended, now or with what follows; all of it when the body has ended. */
extern void tl_gzip_add(TlGzip *gzip, const char *data, size_t len, TlBuf *out);
extern void tl_gzip_end(TlGzip *gzip, TlBuf *out);

extern void tl_gzip_close(TlGzip *gzip); /* may be NULL */

#endif
