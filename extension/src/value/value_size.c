/*
 * value_size.c
 *		Estimates the text size of jsonb from below.  See value_size.h.
 */
#include "value/value_size.h"

#include "lib/stringinfo.h"
#include "utils/jsonb.h"
#include "value/json_number.h"
#include "value/json_value.h"

static Size
scalar_size(const JsonbValue *v)
{
	switch (v->type)
	{
		case jbvString:
			return (Size) v->val.string.len + 2;
		case jbvNumeric:
			return tl_json_numeric_length(v->val.numeric);
		default:
			return 4;
	}
}

static TlValueFit
measure(JsonbContainer *json, Size limit, bool stop_at_long_number)
{
	JsonbIterator *it = JsonbIteratorInit(json);
	JsonbIteratorToken token;
	JsonbValue v;
	Size size = 0;

	while (size <= limit && (token = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
	{
		Size more = 1;

		if (token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM)
			more = scalar_size(&v);
		if (stop_at_long_number && more > TL_JSON_NUMBER_MAX && v.type == jbvNumeric)
			return TL_VALUE_HAS_LONG_NUMBER;
		size += more;
	}
	return size > limit ? TL_VALUE_IS_LONG : TL_VALUE_FITS;
}

TlValueFit
tl_value_fit(JsonbContainer *json, Size limit)
{
	return measure(json, limit, true);
}

bool
tl_value_size_exceeds(JsonbContainer *json, Size limit)
{
	return measure(json, limit, false) == TL_VALUE_IS_LONG;
}

bool
tl_value_has_long_number(JsonbContainer *json)
{
	return measure(json, SIZE_MAX, true) == TL_VALUE_HAS_LONG_NUMBER;
}

/* Puts what leads to the first number that is too long; false if there is none. */
static bool
put_path(StringInfo out, JsonbContainer *json)
{
	JsonbIterator *it = JsonbIteratorInit(json);
	bool is_array = JsonContainerIsArray(json);
	JsonbIteratorToken token;
	JsonbValue v;
	int number = 0;
	int len = out->len;

	check_stack_depth();
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY || token == WJB_ELEM)
		{
			out->len = len;
			if (is_array)
				appendStringInfo(out, "[%d]", number++);
			else
				appendStringInfo(out, ".%.*s", v.val.string.len, v.val.string.val);
		}
		if (token != WJB_VALUE && token != WJB_ELEM)
			continue;
		if (v.type == jbvNumeric && tl_json_numeric_length(v.val.numeric) > TL_JSON_NUMBER_MAX)
			return true;
		if (v.type == jbvBinary && put_path(out, v.val.binary.data))
			return true;
	}
	return false;
}

const char *
tl_value_long_number_path(const char *name, JsonbContainer *json)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, name);
	(void) put_path(&out, json);
	return tl_json_quote((TlSlice){out.data, (uint32) out.len});
}
