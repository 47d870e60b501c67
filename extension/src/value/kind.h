/*
 * kind.h
 *		The kinds of telemetry.value, and what each can do.
 *
 * A kind is a file kind_*.c, which fills a TlKindType, a line of the table in kind.c, and its
 * number and form here.
 */
#ifndef TL_KIND_H
#define TL_KIND_H

#include "base/compat.h"

/* Numbers are stored. */
typedef enum TlKind
{
	TL_KIND_NUMERIC = 1,
	TL_KIND_TEXT = 2,
	TL_KIND_BOOLEAN = 3,
	TL_KIND_JSON = 4,
	TL_KIND_GEO = 5,
	TL_KIND_BINARY = 6
} TlKind;

#define TL_KIND_LAST TL_KIND_BINARY
#define TL_GEO_SIZE (3 * sizeof(double))

struct JsonbValue;
struct StringInfoData;

typedef struct TlKindType
{
	const char *name; /* in SQL */

	/* Whether payloads are float8s, and are compared and hashed as such; else they are as bytes. */
	bool has_numbers;

	/*
	 * NULL if bytes are a payload of the kind, else a message without full stop.  For callers that
	 * must not raise.
	 */
	const char *(*check)(const char *payload, Size len);

	/* The JSON text form of a payload, a palloc'd string. */
	char *(*to_json)(const char *payload, Size len);

	/*
	 * A JSON object that has this member alone is of the kind: from_json makes its value of the
	 * member, or returns what is wrong with it.  NULL: it comes from JSON otherwise, see
	 * value_text.c.
	 */
	const char *json_member;
	const char *(*from_json)(const struct JsonbValue *member, struct varlena **value);

	/* The value of bytes in the binary wire form; raises if they are none. */
	struct varlena *(*receive)(const char *bytes, Size len);
	void (*send)(struct StringInfoData *message, const char *payload, Size len);
} TlKindType;

/* By kind. */
extern const TlKindType *const tl_kinds[TL_KIND_LAST + 1];

extern const TlKindType tl_kind_numeric;
extern const TlKindType tl_kind_text;
extern const TlKindType tl_kind_boolean;
extern const TlKindType tl_kind_json;
extern const TlKindType tl_kind_geo;
extern const TlKindType tl_kind_binary;

/* The SQL name of a kind: numeric, text, boolean, json, geo, binary. */
extern const char *tl_kind_name(TlKind kind);

/* How a run's cell holds a value of a kind, and a codec writes it: see block/cell.h. */
typedef enum TlCellForm
{
	TL_FORM_BYTES,
	TL_FORM_NUMBER,
	TL_FORM_BOOLEAN
} TlCellForm;

static inline TlCellForm
tl_kind_form(uint8 kind)
{
	switch (kind)
	{
		case TL_KIND_NUMERIC:
			return TL_FORM_NUMBER;
		case TL_KIND_BOOLEAN:
			return TL_FORM_BOOLEAN;
		default:
			return TL_FORM_BYTES;
	}
}

/* The length of every payload of a kind, or 0 if they differ. */
static inline Size
tl_kind_size(uint8 kind)
{
	switch (kind)
	{
		case TL_KIND_NUMERIC:
			return sizeof(double);
		case TL_KIND_BOOLEAN:
			return 1;
		case TL_KIND_GEO:
			return TL_GEO_SIZE;
		default:
			return 0;
	}
}

#endif
