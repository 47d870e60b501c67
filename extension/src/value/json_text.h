/*
 * json_text.h
 *		JSON texts read without raising, on servers whose input functions cannot do that either.
 */
#ifndef TL_JSON_TEXT_H
#define TL_JSON_TEXT_H

#include "base/slice.h"

#include "utils/jsonb.h"

/* Whether objects and arrays are nested deeper than max; the parsers recurse, and raise then. */
extern bool tl_json_is_deeper(TlSlice text, int max);

/*
 * The jsonb of a text in the database's encoding, in the current memory context; false with *problem,
 * a phrase that goes after the name of the field, if there is none.
 */
extern bool tl_json_from_text(TlSlice text, Jsonb **json, const char **problem);

#endif
