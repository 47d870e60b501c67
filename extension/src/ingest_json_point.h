/*
 * ingest_json_point.h
 *		One JSON point on its way into an ingest.
 */
#ifndef TL_INGEST_JSON_POINT_H
#define TL_INGEST_JSON_POINT_H

#include "ingest.h"

struct JsonbValue;

/*
 * Hands a point over, or rejects it with a reason; does not raise.  What it allocates stays in
 * the current memory context, to be reset by the caller once the call is over.
 */
extern void tl_ingest_json_point(TlIngest *ingest, TlSlice device, const struct JsonbValue *point);

/* What a JSON value is, for messages: "a string", "null" ... */
extern const char *tl_ingest_json_kind(const struct JsonbValue *json);

/* The start of a text that is not longer than an error message should quote. */
extern char *tl_ingest_json_quote(TlSlice text);

#endif
