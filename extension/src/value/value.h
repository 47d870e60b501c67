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

/* The float8 at an unaligned place of a numeric or geo payload. */
static inline double
tl_payload_double(const char *payload)
{
	double number;

	memcpy(&number, payload, sizeof(number));
	return number;
}

/* Takes a detoasted (short header or not) value apart; raises data_corrupted if malformed. */
extern TlValue tl_value_view(const struct varlena *datum);

/* btree order: kind, then numbers and places as float8 (NaN highest), all others by bytes. */
extern int tl_value_compare(const TlValue *a, const TlValue *b);

#endif
