/*
 * ingest_json_point.h
 *		One JSON point on its way into an ingest.
 */
#ifndef TL_INGEST_JSON_POINT_H
#define TL_INGEST_JSON_POINT_H

#include "ingest/ingest.h"
#include "value/json_mend.h"

struct JsonbValue;

/*
 * Hands a point over, or rejects it with a reason; does not raise.  What it allocates stays in
 * the current memory context, to be reset by the caller once the call is over.
 */
extern void tl_ingest_json_point(TlIngest *ingest, TlSlice device, const struct JsonbValue *point);

/*
 * Rejects a point in which something had to be mended; the first steps of the path to that are the
 * path of the point.
 */
extern void tl_ingest_json_reject_fault(TlIngest *ingest, TlSlice device,
										const struct JsonbValue *point, const TlJsonFault *fault,
										int path_of_point);

#endif
