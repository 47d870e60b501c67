/*
 * http_decode.h
 *		From a body, in the words of an app, to events.
 */
#ifndef TL_HTTP_DECODE_H
#define TL_HTTP_DECODE_H

#include "http/http_answer.h"
#include "value/json_mend.h"

/* A body as jsonb, NULL if there is none, and what was mended in it for that, see json_mend.h. */
typedef struct TlHttpBody
{
	Jsonb *json;
	const TlJsonFault *faults;
	uint32 n_faults;
} TlHttpBody;

/*
 * Hands the events of a body to an ingest; params may be NULL.  Fills in the request,
 * whose route, number and first row are given, before the first event is handed over.  Does not
 * raise for what a sender can do: a body of the wrong shape has no events, and the request says
 * why.
 */
extern void tl_http_decode(TlHttpRequest *request, int64 number, Jsonb *params,
						   const TlHttpBody *body, TlEventIngest *ingest);

#endif
