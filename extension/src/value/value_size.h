/*
 * value_size.h
 *		How long a JSON document is as text, before it is made text.
 *
 * A number such as 1e131071 takes eight bytes in jsonb and 131,072 as text, so a small document
 * can be too large to write down.
 */
#ifndef TL_VALUE_SIZE_H
#define TL_VALUE_SIZE_H

#include "base/compat.h"

struct JsonbContainer;

typedef enum TlValueFit
{
	TL_VALUE_FITS,
	TL_VALUE_IS_LONG,
	TL_VALUE_HAS_LONG_NUMBER /* see json_number.h */
} TlValueFit;

/*
 * Whether the text has more than limit bytes, and whether a number in it is too long, whichever is
 * seen first.  Looks no further than it has to, and does not count escapes and spaces.
 */
extern TlValueFit tl_value_fit(struct JsonbContainer *json, Size limit);

/* The same without regard to single numbers. */
extern bool tl_value_size_exceeds(struct JsonbContainer *json, Size limit);

extern bool tl_value_has_long_number(struct JsonbContainer *json);

/* Where the first such number is, such as tags.list[2], as far as a message should quote it. */
extern const char *tl_value_long_number_path(const char *name, struct JsonbContainer *json);

#endif
