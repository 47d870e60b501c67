/*
 * json_value.h
 *		JSON values and texts as messages speak of them.
 */
#ifndef TL_JSON_VALUE_H
#define TL_JSON_VALUE_H

#include "base/slice.h"

struct JsonbValue;

/* What a JSON value is, for messages: "a string", "null" ... */
extern const char *tl_json_kind(const struct JsonbValue *json);

/* The start of a text that is not longer than an error message should quote. */
extern char *tl_json_quote(TlSlice text);

#endif
