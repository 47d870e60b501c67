/*
 * value_text.h
 *		The text form of telemetry.value, which is JSON.
 */
#ifndef TL_VALUE_TEXT_H
#define TL_VALUE_TEXT_H

#include "value/value.h"

#include "utils/numeric.h"

struct JsonbValue;

/* The JSON text form, a palloc'd string. */
static inline char *
tl_value_to_text(const TlValue *value)
{
	return tl_kinds[value->kind]->to_json(value->payload, value->len);
}

/*
 * Reads a number by the grammar of JSON and returns its end, or NULL if there is none at the start of
 * the text, which a NUL ends.  Out of range is infinity.
 */
extern const char *tl_value_scan_number(const char *text, double *number);

/* Out of range is infinity in *result and false; too small to represent is zero. */
extern bool tl_value_convert_number(Numeric number, double *result);

/*
 * Makes a value of a JSON scalar or container, a jsonb root included (as jbvBinary), in the
 * current memory context.  Bad data does not raise: the answer is then false, and *error a
 * message without full stop, fit for users; JSON null gives "value is required".
 */
extern bool tl_value_from_json(const struct JsonbValue *json, struct varlena **value,
							   const char **error);

/*
 * The same from JSON text in the database encoding.  When the text is not JSON at all, *error
 * is NULL and *detail a sentence that says why.  A caller that gets false must raise: the JSON
 * parser's own error may have been swallowed.
 */
extern bool tl_value_from_json_text(char *text, struct varlena **value, const char **error,
									const char **detail);

#endif
