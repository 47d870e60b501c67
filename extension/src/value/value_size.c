/*
 * value_size.c
 *		Estimates the text size of jsonb from below.  See value_size.h.
 */
#include "value/value_size.h"

#include <math.h>

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

/* Beyond the range of float8: the most digits that a number can have, to be on the safe side. */
#define LONG_NUMBER_DIGITS 131072

static Size
number_size(Numeric number)
{
	Datum datum = NumericGetDatum(number);
	double magnitude = fabs(DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, datum)));
	Size digits = 1;

	if (isinf(magnitude))
		digits = LONG_NUMBER_DIGITS;
	else if (magnitude >= 10)
		digits = (Size) log10(magnitude);
	return digits + (Size) DatumGetInt32(DirectFunctionCall1(numeric_scale, datum));
}

static Size
scalar_size(const JsonbValue *v)
{
	switch (v->type)
	{
		case jbvString:
			return (Size) v->val.string.len + 2;
		case jbvNumeric:
			return number_size(v->val.numeric);
		default:
			return 4;
	}
}

bool
tl_value_size_exceeds(JsonbContainer *json, Size limit)
{
	JsonbIterator *it = JsonbIteratorInit(json);
	JsonbIteratorToken token;
	JsonbValue v;
	Size size = 0;

	while (size <= limit && (token = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
		size += token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM ? scalar_size(&v) : 1;
	return size > limit;
}
