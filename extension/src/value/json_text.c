/*
 * json_text.c
 *		JSON texts read without raising.  See json_text.h.
 *
 * jsonb_in() raises before version 16, and an error that is caught without a subtransaction may leave
 * something behind.  So whatever it would raise is looked for first: by the parser below it, which
 * does not raise, and here for what is beyond the types that jsonb is made of.
 */
#include "value/json_text.h"

#include "common/jsonapi.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* Deeper ones could be beyond the stack. */
#define DEPTH_MAX 64

/* Digits and exponent of a number together; numeric has 16,383 places behind the point. */
#define NUMBER_MAX 16000

bool
tl_json_is_deeper(TlSlice s, int max)
{
	int depth = 0;
	bool in_string = false;

	for (uint32 i = 0; i < s.len; i++)
	{
		char ch = s.data[i];

		if (in_string && ch == '\\')
			i++;
		else if (ch == '"')
			in_string = !in_string;
		else if (!in_string && (ch == '[' || ch == '{') && ++depth > max)
			return true;
		else if (!in_string && (ch == ']' || ch == '}'))
			depth--;
	}
	return false;
}

static bool
is_digit(const char *p, const char *end)
{
	return p < end && *p >= '0' && *p <= '9';
}

/* Of a number that the parser has taken: its end, and whether numeric has room for it. */
static const char *
check_number(const char *p, const char *end, bool *fits)
{
	const char *start = p;
	int64 size;
	int64 exponent = 0;

	while (is_digit(p, end) || (p < end && *p == '.'))
		p++;
	size = p - start;
	if (p < end && (*p == 'e' || *p == 'E'))
	{
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		for (; is_digit(p, end); p++)
			exponent = Min(exponent * 10 + (*p - '0'), NUMBER_MAX + 1);
	}
	*fits = size + exponent <= NUMBER_MAX;
	return p;
}

/* Of a text that the parser has taken. */
static bool
numbers_fit(const char *p, const char *end)
{
	bool fits = true;
	bool in_string = false;

	while (p < end && fits)
	{
		if (in_string && *p == '\\')
			p += 2;
		else if (*p == '"')
		{
			in_string = !in_string;
			p++;
		}
		else if (!in_string && is_digit(p, end))
			p = check_number(p, end, &fits);
		else
			p++;
	}
	return fits;
}

/* In other encodings than UTF-8 the parser raises when it has no character for an escape. */
static bool
has_escape_beyond_encoding(const char *text)
{
	if (GetDatabaseEncoding() == PG_UTF8)
		return false;
	for (const char *p = strstr(text, "\\u"); p != NULL; p = strstr(p + 2, "\\u"))
		if (p[2] != '0' || p[3] != '0' || p[4] > '7')
			return true;
	return false;
}

/* The parser's own word for what is wrong, as a part of a sentence. */
static const char *
describe(JsonParseErrorType error, JsonLexContext *lexer)
{
	char *detail = pstrdup(json_errdetail(error, lexer));
	Size len = strlen(detail);

	if (len > 0 && detail[len - 1] == '.')
		detail[len - 1] = '\0';
	return psprintf("is not JSON: %s", detail);
}

bool
tl_json_from_text(TlSlice s, Jsonb **json, const char **problem)
{
	char *text;
	JsonLexContext *lexer;
	JsonParseErrorType error;

	if (tl_json_is_deeper(s, DEPTH_MAX))
	{
		*problem = psprintf("is JSON nested deeper than %d", DEPTH_MAX);
		return false;
	}
	text = pnstrdup(s.data, s.len);
	if (has_escape_beyond_encoding(text))
	{
		*problem = "is JSON with an escape that the database's encoding may not have";
		return false;
	}
	lexer = tl_json_lexer(text, (int) s.len);
	error = pg_parse_json(lexer, &nullSemAction);
	if (error != JSON_SUCCESS)
	{
		*problem = describe(error, lexer);
		return false;
	}
	if (!numbers_fit(text, text + s.len))
	{
		*problem = "is JSON with a number out of range";
		return false;
	}
	*json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
	return true;
}
