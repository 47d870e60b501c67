/*
 * http_decode.h
 *		From a body, in the words of an app, to events.
 */
#ifndef TL_HTTP_DECODE_H
#define TL_HTTP_DECODE_H

#include "http/http_answer.h"

/*
 * Hands the events of a body to an ingest; params and body may be NULL.  Fills in the request,
 * whose route, number and first row are given, before the first event is handed over.  Does not
 * raise for what a sender can do: a body of the wrong shape has no events, and the request says
 * why.
 */
extern void tl_http_decode(TlHttpRequest *request, int64 number, Jsonb *params, Jsonb *body,
						   TlEventIngest *ingest);

#endif
