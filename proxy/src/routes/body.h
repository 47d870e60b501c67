/*
 * body.h
 *		The JSON text that a request brings.
 */
#ifndef TL_BODY_H
#define TL_BODY_H

#include "routes/request.h"

/*
 * Finds the JSON text of the request, decompressed if need be; it lasts until the next request's
 * is asked for.  Answers 400, 413 or 415 and returns false if there is none.
 */
extern bool tl_body_read(TlRequest *request, const TlConfig *config, const char **body,
						 size_t *len);

/* Whether it comes as text/plain, which browsers send for any page without asking first. */
extern bool tl_body_is_plain_text(const TlRequest *request);

extern void tl_body_shutdown(void);

#endif
