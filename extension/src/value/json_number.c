/*
 * json_number.c
 *		How long a number of a JSON document may be.  See json_number.h.
 */
#include "value/json_number.h"

#include <math.h>

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

/* The most digits that a number can have before the point, to be on the safe side. */
#define LONG_NUMBER_DIGITS 131072

/* So near to the limit an estimate, which may be off by two, does not do. */
#define NEAR_LIMIT 10

/* Exponents are cut there, which is enough for any number to be too long. */
#define EXPONENT_MAX 1000000

static bool
is_digit(const char *p, const char *end)
{
	return p < end && *p >= '0' && *p <= '9';
}

static const char *
read_exponent(const char *p, const char *end, int64 *exponent)
{
	bool negative;

	*exponent = 0;
	if (p == end || (*p != 'e' && *p != 'E'))
		return p;
	p++;
	negative = p < end && *p == '-';
	if (p < end && (*p == '-' || *p == '+'))
		p++;
	for (; is_digit(p, end); p++)
		*exponent = Min(*exponent * 10 + (*p - '0'), EXPONENT_MAX);
	if (negative)
		*exponent = -*exponent;
	return p;
}

Size
tl_json_number_length(const char *p, const char *end, const char **after)
{
	int64 length = 0;
	int64 whole = 0;  /* digits before the point, from the first that is not 0 */
	int64 zeros = 0;  /* behind the point, before the first digit that is not 0 */
	int64 places = 0; /* digits behind the point */
	bool is_zero = true;
	int64 exponent;

	if (p < end && *p == '-')
	{
		length++;
		p++;
	}
	for (; is_digit(p, end); p++)
	{
		is_zero &= *p == '0';
		whole += !is_zero;
	}
	if (p < end && *p == '.')
	{
		for (p++; is_digit(p, end); p++, places++)
		{
			is_zero &= *p == '0';
			zeros += is_zero;
		}
	}
	*after = read_exponent(p, end, &exponent);

	/* Where the first digit stands, once the exponent has moved the point. */
	if (is_zero)
		whole = 0;
	else
		whole = (whole > 0 ? whole : -zeros) + exponent;
	places -= exponent;
	length += Max(whole, 1);
	return (Size) (places > 0 ? length + 1 + places : length);
}

/* Whether it has more digits before the point than the limit. */
static bool
is_beyond_limit(Numeric number)
{
	static Numeric limit = NULL;
	Datum magnitude = DirectFunctionCall1(numeric_abs, NumericGetDatum(number));

	if (limit == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		limit = DatumGetNumeric(
			DirectFunctionCall3(numeric_in, CStringGetDatum("1e" CppAsString2(TL_JSON_NUMBER_MAX)),
								ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
		MemoryContextSwitchTo(old);
	}
	return DatumGetBool(DirectFunctionCall2(numeric_ge, magnitude, NumericGetDatum(limit)));
}

Size
tl_json_numeric_length(Numeric number)
{
	Datum datum = NumericGetDatum(number);
	Size places = (Size) DatumGetInt32(DirectFunctionCall1(numeric_scale, datum));
	double magnitude;
	Size length = 1;

	if (places > TL_JSON_NUMBER_MAX)
		return places;
	if (is_beyond_limit(number))
		return LONG_NUMBER_DIGITS;
	magnitude = fabs(DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, datum)));
	if (isinf(magnitude))
		length = TL_JSON_NUMBER_MAX;
	else if (magnitude >= 10)
		length = (Size) log10(magnitude) + 1;
	length += places > 0 ? places + 1 : 0;
	if (length + NEAR_LIMIT > TL_JSON_NUMBER_MAX)
		length = strlen(DatumGetCString(DirectFunctionCall1(numeric_out, datum)));
	return length;
}

bool
tl_json_text_has_long_number(const char *p, Size len)
{
	const char *end = p + len;
	bool in_string = false;

	if (len <= TL_JSON_NUMBER_MAX)
		return false;
	while (p < end)
	{
		if (*p == '"')
			in_string = !in_string;
		else if (in_string && *p == '\\')
			p++;
		else if (!in_string && (*p == '-' || is_digit(p, end)))
		{
			if (tl_json_number_length(p, end, &p) > TL_JSON_NUMBER_MAX)
				return true;
			continue;
		}
		p++;
	}
	return false;
}
