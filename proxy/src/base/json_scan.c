/*
 * json_scan.c
 *		A strict, one-pass scanner of JSON text (RFC 8259), without a tree.
 *
 * Nothing is allocated; nesting is bounded by max_depth, and so is the recursion.
 */
#include "base/json_scan.h"

#include "base/url.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Longer numbers, and those that are so without an exponent, may be more than a document may have. */
#define NUMBER_LENGTH_MAX 100
#define NUMBER_WRITTEN_MAX 1000
#define NUMBER_EXPONENT_DIGITS_MAX 3

/* What a byte means inside a string. */
enum
{
	CHAR_PLAIN,
	CHAR_QUOTE,
	CHAR_BACKSLASH,
	CHAR_CONTROL,
	CHAR_HIGH
};

static const unsigned char string_chars[256] = {
	[0 ... 0x1f] = CHAR_CONTROL,
	['"'] = CHAR_QUOTE,
	['\\'] = CHAR_BACKSLASH,
	[0x80 ... 0xff] = CHAR_HIGH,
};

static bool
json_fail(TlJson *json, const char *error)
{
	if (json->error == NULL)
		json->error = error;
	return false;
}

void
tl_json_begin(TlJson *json, const char *text, size_t len, unsigned int max_depth)
{
	*json = (TlJson){.p = text, .start = text, .end = text + len, .max_depth = max_depth};
}

static inline void
json_skip_space(TlJson *json)
{
	const char *p = json->p;

	while (p < json->end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	json->p = p;
}

bool
tl_json_end(TlJson *json)
{
	json_skip_space(json);
	if (json->p != json->end)
		return json_fail(json, "unexpected text after the document");
	return json->error == NULL;
}

TlJsonType
tl_json_peek(TlJson *json)
{
	json_skip_space(json);
	if (json->p == json->end)
	{
		json_fail(json, "unexpected end of text");
		return TL_JSON_INVALID;
	}
	switch (*json->p)
	{
		case '{':
			return TL_JSON_OBJECT;
		case '[':
			return TL_JSON_ARRAY;
		case '"':
			return TL_JSON_STRING;
		case 'n':
			return TL_JSON_NULL;
		case 't':
			return TL_JSON_TRUE;
		case 'f':
			return TL_JSON_FALSE;
		case '-':
		case '0' ... '9':
			return TL_JSON_NUMBER;
		default:
			json_fail(json, "unexpected character");
			return TL_JSON_INVALID;
	}
}

/* Four hex digits at p; -1 if they are not. */
static long
read_hex4(const char *p, const char *end)
{
	long code = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		char c = p[i];

		code <<= 4;
		if (c >= '0' && c <= '9')
			code |= c - '0';
		else if (c >= 'a' && c <= 'f')
			code |= c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			code |= c - 'A' + 10;
		else
			return -1;
	}
	return code;
}

/* At the letter after a backslash; moves past the escape. */
static bool
json_scan_escape(TlJson *json)
{
	long code;

	if (json->p == json->end)
		return json_fail(json, "unterminated string");
	switch (*json->p)
	{
		case '"':
		case '\\':
		case '/':
		case 'b':
		case 'f':
		case 'n':
		case 'r':
		case 't':
			json->p++;
			return true;
		case 'u':
			break;
		default:
			return json_fail(json, "invalid escape in string");
	}

	code = read_hex4(json->p + 1, json->end);
	if (code < 0)
		return json_fail(json, "invalid \\u escape in string");
	json->p += 5;
	if (code == 0)
		json->odd = true;
	else if (code >= 0xdc00 && code <= 0xdfff)
		json->odd = true;
	else if (code >= 0xd800 && code <= 0xdbff)
	{
		long low = -1;

		if (json->end - json->p >= 6 && json->p[0] == '\\' && json->p[1] == 'u')
			low = read_hex4(json->p + 2, json->end);
		if (low >= 0xdc00 && low <= 0xdfff)
			json->p += 6;
		else
			json->odd = true;
	}
	return true;
}

/* At the opening quote. */
static bool
json_scan_string(TlJson *json, TlJsonValue *value)
{
	const char *begin = ++json->p;

	value->type = TL_JSON_STRING;
	value->escaped = false;
	for (;;)
	{
		const char *p = json->p;
		size_t n;

		while (p < json->end && string_chars[(unsigned char) *p] == CHAR_PLAIN)
			p++;
		json->p = p;
		if (p == json->end)
			return json_fail(json, "unterminated string");
		switch (string_chars[(unsigned char) *p])
		{
			case CHAR_QUOTE:
				value->text = begin;
				value->len = (size_t) (p - begin);
				json->p++;
				return true;
			case CHAR_BACKSLASH:
				value->escaped = true;
				json->p++;
				if (!json_scan_escape(json))
					return false;
				break;
			case CHAR_HIGH:
				n = tl_utf8_sequence(p, json->end);
				if (n == 0)
					return json_fail(json, "invalid UTF-8");
				json->p += n;
				break;
			default:
				return json_fail(json, "control character in string");
		}
	}
}

static inline const char *
skip_digits(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

static size_t
small_number(const char *digits, const char *end)
{
	size_t number = 0;

	for (; digits < end; digits++)
		number = number * 10 + (size_t) (*digits - '0');
	return number;
}

static bool
json_scan_number(TlJson *json, TlJsonValue *value)
{
	const char *begin = json->p;
	const char *end = json->end;
	const char *p = begin;
	const char *digits;
	size_t swell = 0;

	if (p < end && *p == '-')
		p++;
	digits = p;
	p = skip_digits(p, end);
	if (p == digits || (*digits == '0' && p - digits > 1))
		return json_fail(json, "invalid number");
	if (p < end && *p == '.')
	{
		digits = ++p;
		p = skip_digits(p, end);
		if (p == digits)
			return json_fail(json, "invalid number");
	}
	if (p < end && (*p == 'e' || *p == 'E'))
	{
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		digits = p;
		p = skip_digits(p, end);
		if (p == digits)
			return json_fail(json, "invalid number");
		if (p - digits > NUMBER_EXPONENT_DIGITS_MAX)
			json->odd = true;
		else
			swell = small_number(digits, p);
	}
	if (p - begin > NUMBER_LENGTH_MAX || (size_t) (p - begin) + swell > NUMBER_WRITTEN_MAX)
		json->odd = true;
	json->swell += swell;

	value->type = TL_JSON_NUMBER;
	value->text = begin;
	value->len = (size_t) (p - begin);
	json->p = p;
	return true;
}

static bool
json_scan_literal(TlJson *json, TlJsonValue *value, TlJsonType type, const char *word, size_t len)
{
	if ((size_t) (json->end - json->p) < len || memcmp(json->p, word, len) != 0)
		return json_fail(json, "unexpected character");
	value->type = type;
	value->text = json->p;
	value->len = len;
	json->p += len;
	return true;
}

void
tl_json_enter(TlJson *json)
{
	if (++json->depth > json->max_depth)
		json_fail(json, "nested too deep");
	else
		json->p++;
}

static bool
json_next(TlJson *json, char open, char close)
{
	bool first;

	if (json->error != NULL)
		return false;

	/*
	 * A value never ends in an opening bracket, so this is the first round exactly when the
	 * byte just read is one.
	 */
	first = json->p[-1] == open;
	json_skip_space(json);
	if (json->p == json->end)
		return json_fail(json, "unexpected end of text");
	if (*json->p == close)
	{
		json->p++;
		json->depth--;
		return false;
	}
	if (first)
		return true;
	if (*json->p != ',')
		return json_fail(json, "expected ',' or a closing bracket");
	json->p++;
	return true;
}

bool
tl_json_element(TlJson *json)
{
	return json_next(json, '[', ']');
}

bool
tl_json_member(TlJson *json, TlJsonValue *name)
{
	if (!json_next(json, '{', '}'))
		return false;
	if (tl_json_peek(json) != TL_JSON_STRING)
		return json_fail(json, "expected a member name");
	if (!json_scan_string(json, name))
		return false;
	json_skip_space(json);
	if (json->p == json->end || *json->p != ':')
		return json_fail(json, "expected ':'");
	json->p++;
	return true;
}

bool
tl_json_read(TlJson *json, TlJsonValue *value)
{
	TlJsonType type = tl_json_peek(json);
	const char *begin = json->p;
	size_t swell = json->swell;
	TlJsonValue inner;

	switch (type)
	{
		case TL_JSON_INVALID:
			return false;
		case TL_JSON_NULL:
			return json_scan_literal(json, value, type, "null", 4);
		case TL_JSON_TRUE:
			return json_scan_literal(json, value, type, "true", 4);
		case TL_JSON_FALSE:
			return json_scan_literal(json, value, type, "false", 5);
		case TL_JSON_NUMBER:
			return json_scan_number(json, value);
		case TL_JSON_STRING:
			return json_scan_string(json, value);
		case TL_JSON_ARRAY:
			tl_json_enter(json);
			while (tl_json_element(json))
			{
				if (!tl_json_read(json, &inner))
					return false;
			}
			break;
		case TL_JSON_OBJECT:
			value->dollar = false;
			tl_json_enter(json);
			while (tl_json_member(json, &inner))
			{
				/* An escape could be hiding one. */
				if (inner.len > 0 && (inner.text[0] == '$' || inner.text[0] == '\\'))
					value->dollar = true;
				if (!tl_json_read(json, &inner))
					return false;
			}
			break;
	}
	if (json->error != NULL)
		return false;
	value->type = type;
	value->text = begin;
	value->len = (size_t) (json->p - begin);
	value->swell = json->swell - swell;
	return true;
}

static size_t
put_utf8(unsigned long code, char *out)
{
	if (code < 0x80)
	{
		out[0] = (char) code;
		return 1;
	}
	if (code < 0x800)
	{
		out[0] = (char) (0xc0 | (code >> 6));
		out[1] = (char) (0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000)
	{
		out[0] = (char) (0xe0 | (code >> 12));
		out[1] = (char) (0x80 | ((code >> 6) & 0x3f));
		out[2] = (char) (0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char) (0xf0 | (code >> 18));
	out[1] = (char) (0x80 | ((code >> 12) & 0x3f));
	out[2] = (char) (0x80 | ((code >> 6) & 0x3f));
	out[3] = (char) (0x80 | (code & 0x3f));
	return 4;
}

size_t
tl_json_unescape(const TlJsonValue *string, char *out)
{
	const char *p = string->text;
	const char *end = p + string->len;
	char *to = out;

	if (!string->escaped)
	{
		memcpy(out, p, string->len);
		return string->len;
	}
	while (p < end)
	{
		long code;

		if (*p != '\\')
		{
			*to++ = *p++;
			continue;
		}
		p++;
		switch (*p++)
		{
			case 'b':
				*to++ = '\b';
				break;
			case 'f':
				*to++ = '\f';
				break;
			case 'n':
				*to++ = '\n';
				break;
			case 'r':
				*to++ = '\r';
				break;
			case 't':
				*to++ = '\t';
				break;
			case 'u':
				code = read_hex4(p, end);
				p += 4;
				if (code >= 0xd800 && code <= 0xdbff && end - p >= 6)
				{
					code = 0x10000 + ((code & 0x3ff) << 10) + (read_hex4(p + 2, end) & 0x3ff);
					p += 6;
				}
				to += put_utf8((unsigned long) code, to);
				break;
			default:
				*to++ = p[-1];
				break;
		}
	}
	return (size_t) (to - out);
}

bool
tl_json_string_is(const TlJsonValue *string, const char *text, size_t len)
{
	char decoded[64];

	if (!string->escaped)
		return string->len == len && memcmp(string->text, text, len) == 0;
	/* Each escape is at most six times longer than what it stands for. */
	if (string->len > sizeof(decoded))
		return false;
	return tl_json_unescape(string, decoded) == len && memcmp(decoded, text, len) == 0;
}

bool
tl_json_number(const TlJsonValue *number, double *out)
{
	static const double powers[] = {1e0,  1e1,	1e2,  1e3,	1e4,  1e5,	1e6,  1e7,
									1e8,  1e9,	1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
									1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	const char *p = number->text;
	const char *end = p + number->len;
	bool negative = *p == '-';
	uint64_t mantissa = 0;
	int digits = 0;
	int scale = 0;
	char text[NUMBER_LENGTH_MAX + 1];

	if (negative)
		p++;
	for (; p < end && *p >= '0' && *p <= '9'; p++, digits++)
		mantissa = mantissa * 10 + (uint64_t) (*p - '0');
	if (p < end && *p == '.')
	{
		for (p++; p < end && *p >= '0' && *p <= '9'; p++, digits++, scale++)
			mantissa = mantissa * 10 + (uint64_t) (*p - '0');
	}

	/*
	 * Both operands are exact, so a single division rounds as the standard wants it.  (No
	 * overflow goes unnoticed: 18 digits fit.)
	 */
	if (p == end && digits <= 18 && mantissa <= (UINT64_C(1) << 53) && scale <= 22)
	{
		*out = (double) mantissa / powers[scale];
		/* jsonb knows no negative zero, and both paths must store the same. */
		if (negative && mantissa != 0)
			*out = -*out;
		return true;
	}

	if (number->len > NUMBER_LENGTH_MAX)
		return false;
	memcpy(text, number->text, number->len);
	text[number->len] = '\0';
	*out = strtod(text, NULL);
	if (*out == 0)
		*out = 0;
	return isfinite(*out);
}
