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

/*
 * Whether the text has more than limit bytes.  Looks no further than it has to, and does not count
 * escapes and spaces; a number beyond float8 counts as the longest there is.
 */
extern bool tl_value_size_exceeds(struct JsonbContainer *json, Size limit);

#endif
