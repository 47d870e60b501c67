/*
 * value.h
 *		telemetry.value: one measurement of any of six kinds.
 *
 * A value is a varlena (alignment char, so it may carry a short header) whose first content
 * byte is its kind and whose remaining bytes are the payload:
 *
 *	numeric	float8, 8 bytes in host order, not aligned
 *	text	bytes in the database encoding
 *	boolean	one byte, 0 or 1
 *	json	the output text of jsonb, which makes equal documents equal bytes
 *	geo		three float8: latitude, longitude, altitude (NaN when absent)
 *	binary	bytes
 */
#ifndef TL_VALUE_H
#define TL_VALUE_H

#include "value/kind.h"

/* Makes a value in the current memory context; payload is taken as valid for its kind. */
extern struct varlena *tl_value_make(TlKind kind, const void *payload, Size len);

/* The SQL name of a kind: numeric, text, boolean, json, geo, binary. */
extern const char *tl_kind_name(TlKind kind);

/*
 * Checks kind and payload length of a detoasted value; returns NULL if well formed, else a
 * message without full stop.  For callers that must not raise.
 */
extern const char *tl_value_check(uint8 kind, const char *payload, Size len);

/* A value taken apart; payload points into the detoasted datum it came from. */
typedef struct TlValue
{
	TlKind kind;
	const char *payload;
	Size len;
} TlValue;

struct JsonbValue;

/* The float8 at an unaligned place of a numeric or geo payload. */
static inline double
tl_payload_double(const char *payload)
{
	double number;

	memcpy(&number, payload, sizeof(number));
	return number;
}

/* NULL if the place exists on Earth, else a message.  altitude NaN means that there is none. */
extern const char *tl_geo_check(double latitude, double longitude, double altitude);

/* Takes a detoasted (short header or not) value apart; raises data_corrupted if malformed. */
extern TlValue tl_value_view(const struct varlena *datum);

/* btree order: kind, then numbers and places as float8 (NaN highest), all others by bytes. */
extern int tl_value_compare(const TlValue *a, const TlValue *b);

/* The JSON text form, a palloc'd string. */
extern char *tl_value_to_text(const TlValue *value);

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
