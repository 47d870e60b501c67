/*
 * json_value.c
 *		What messages say of a JSON value.  See json_value.h.
 */
#include "value/json_value.h"

#include "mb/pg_wchar.h"
#include "utils/jsonb.h"

#define QUOTE_MAX 64

const char *
tl_json_kind(const JsonbValue *json)
{
	switch (json->type)
	{
		case jbvNull:
			return "null";
		case jbvString:
			return "a string";
		case jbvNumeric:
			return "a number";
		case jbvBool:
			return "a boolean";
		case jbvBinary:
			return JsonContainerIsArray(json->val.binary.data) ? "an array" : "an object";
		default:
			return "something else";
	}
}

char *
tl_json_quote(TlSlice text)
{
	if (text.len <= QUOTE_MAX)
		return pnstrdup(text.data, text.len);
	return psprintf("%.*s...", pg_mbcliplen(text.data, (int) text.len, QUOTE_MAX), text.data);
}
