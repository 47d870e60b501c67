/*
 * json_number.h
 *		How long a number of a JSON document may be.
 *
 * A number such as 1e131071 takes eight bytes in jsonb and 131,072 as text, so that a small document
 * can be one that nobody has the memory to write down.  No float8 needs half of the limit.
 */
#ifndef TL_JSON_NUMBER_H
#define TL_JSON_NUMBER_H

#include "base/compat.h"

#include "utils/numeric.h"

/* In characters, written out without an exponent. */
#define TL_JSON_NUMBER_MAX 1000

/* What is wrong with a longer one, to go after the name of the field. */
#define TL_JSON_NUMBER_PROBLEM                                                                     \
	"has a number of more than " CppAsString2(TL_JSON_NUMBER_MAX) " characters, written out"

/*
 * How many characters the number at p takes when jsonb writes it out; *after is the byte behind it.
 * It need not be well formed.
 */
extern Size tl_json_number_length(const char *p, const char *end, const char **after);

/*
 * The same of a numeric: exact about the limit, else roughly.  Never writes out one that is much longer.
 */
extern Size tl_json_numeric_length(Numeric number);

/* Whether a text written by jsonb, that is without exponents, has a number beyond the limit. */
extern bool tl_json_text_has_long_number(const char *text, Size len);

#endif
