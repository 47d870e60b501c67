/*
 * text_value.c
 *		Reads values as files have them.  See text_value.h.
 */
#include "value/text_value.h"

#include <math.h>

#include "utils/jsonb.h"
#include "value/json_text.h"
#include "value/value_text.h"

/* Longer texts are no number. */
#define NUMBER_TEXT_MAX 400

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

TlSlice
tl_text_trim(TlSlice s)
{
	while (s.len > 0 && is_space(*s.data))
	{
		s.data++;
		s.len--;
	}
	while (s.len > 0 && is_space(s.data[s.len - 1]))
		s.len--;
	return s;
}

static bool
equals_in_any_case(TlSlice s, const char *word)
{
	return s.len == strlen(word) && pg_strncasecmp(s.data, word, s.len) == 0;
}

/* NaN and the infinities. */
static bool
read_number_word(TlSlice s, double *number)
{
	bool negative = *s.data == '-';

	if (equals_in_any_case(s, "nan"))
	{
		*number = NAN;
		return true;
	}
	if (negative || *s.data == '+')
		s = (TlSlice){s.data + 1, s.len - 1};
	if (!equals_in_any_case(s, "inf") && !equals_in_any_case(s, "infinity"))
		return false;
	*number = negative ? -INFINITY : INFINITY;
	return true;
}

/*
 * A number in the grammar of JSON: without a plus and leading zeros, with digits on both sides of the
 * point.  The buffer has room for one digit and a NUL more.
 */
static bool
to_json_number(TlSlice s, char point, char *out)
{
	const char *p = s.data;
	const char *end = s.data + s.len;
	bool digits;

	if (*p == '-')
		*out++ = *p++;
	else if (*p == '+')
		p++;
	digits = p < end && is_digit(*p);
	while (p + 1 < end && *p == '0' && is_digit(p[1]))
		p++;
	if (!digits)
		*out++ = '0';
	while (p < end && is_digit(*p))
		*out++ = *p++;
	if (p < end && *p == point)
	{
		p++;
		if (p < end && is_digit(*p))
		{
			*out++ = '.';
			while (p < end && is_digit(*p))
				*out++ = *p++;
		}
		else if (!digits)
			return false;
	}
	else if (!digits)
		return false;
	while (p < end && (is_digit(*p) || strchr("eE+-", *p) != NULL) && *p != '\0')
		*out++ = *p++;
	*out = '\0';
	return p == end;
}

static bool
read_number(TlSlice s, char point, double *number)
{
	char text[NUMBER_TEXT_MAX + 3];
	const char *end;

	if (s.len > NUMBER_TEXT_MAX || !to_json_number(s, point, text))
		return false;
	end = tl_value_scan_number(text, number);
	return end != NULL && *end == '\0';
}

bool
tl_text_number(TlSlice s, bool decimal_comma, double *number)
{
	if (s.len == 0)
		return false;
	if (read_number(s, decimal_comma ? ',' : '.', number))
		return !isinf(*number);
	return read_number_word(s, number);
}

static const struct varlena *
number_value(double number, TlNumberValue *to)
{
	char *content = VARDATA(to);

	SET_VARSIZE(to, sizeof(to->bytes));
	*content = TL_KIND_NUMERIC;
	memcpy(content + 1, &number, sizeof(number));
	return (const struct varlena *) to;
}

static const struct varlena *
json_value(TlSlice s, const char **problem)
{
	JsonbValue root = {.type = jbvBinary};
	struct varlena *value;
	const char *error;
	Jsonb *json;

	if (!tl_json_from_text(s, &json, problem))
		return NULL;
	root.val.binary.data = &json->root;
	root.val.binary.len = (int) VARSIZE(json);
	if (tl_value_from_json(&root, &value, &error))
		return value;
	*problem = psprintf("is not a value: %s", error);
	return NULL;
}

static const char *
describe(TlSlice s, const TlTextValue *how)
{
	double ignored;

	if (!read_number(s, how->decimal_comma ? '.' : ',', &ignored))
		return NULL;
	return how->decimal_comma ? "has a decimal point, and telemetry.text_decimal_comma is on"
							  : "has a decimal comma, and telemetry.text_decimal_comma is off";
}

const struct varlena *
tl_text_value(TlSlice s, const TlTextValue *how, TlNumberValue *to, const char **problem)
{
	double number;
	bool flag;

	if (read_number(s, how->decimal_comma ? ',' : '.', &number))
	{
		if (!isinf(number))
			return number_value(number, to);
		*problem = "is out of range";
		return NULL;
	}
	if (read_number_word(s, &number))
		return number_value(number, to);
	flag = equals_in_any_case(s, "true");
	if (flag || equals_in_any_case(s, "false"))
		return tl_value_make(TL_KIND_BOOLEAN, &flag, 1);
	if (strchr("\"{[", *s.data) != NULL && *s.data != '\0')
		return json_value(s, problem);
	/* A number of the other kind must not become a text unnoticed. */
	*problem = describe(s, how);
	if (*problem == NULL && how->words)
		return tl_value_make(TL_KIND_TEXT, s.data, s.len);
	if (*problem == NULL)
		*problem = "is not a number, true, false or JSON, and telemetry.text_words is off";
	return NULL;
}
