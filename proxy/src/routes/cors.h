/*
 * cors.h
 *		Pages of other origins: who may call, and what browsers are told of that.
 *
 * With cors-origins set, a request that names its origin is served if that is listed, and refused with 403
 * otherwise, whatever it asks: a browser sends some requests without asking first, and would only keep
 * the answer from the page.  Requests that name none come from no page.  Without cors-origins nothing is said
 * and nobody is refused, so that browsers let no page of another origin read an answer.
 */
#ifndef TL_CORS_H
#define TL_CORS_H

#include "routes/request.h"

/* Looks where a request comes from that has just come. */
extern void tl_cors_begin(TlRequest *request, const TlConfig *config);

/* False, and the request is refused, if it comes from a page that may not call. */
extern bool tl_cors_check(TlRequest *request);

/* Adds the header fields that an answer has for browsers. */
extern void tl_cors_add_headers(const TlRequest *request, const TlConfig *config,
								const TlAnswer *answer, TlBuf *head);

#endif
