/*
 * ingest_json_point.h
 *		One JSON point on its way into an ingest.
 */
#ifndef TL_INGEST_JSON_POINT_H
#define TL_INGEST_JSON_POINT_H

#include "ingest/ingest.h"

struct JsonbValue;

/*
 * Hands a point over, or rejects it with a reason; does not raise.  What it allocates stays in
 * the current memory context, to be reset by the caller once the call is over.
 */
extern void tl_ingest_json_point(TlIngest *ingest, TlSlice device, const struct JsonbValue *point);

#endif
