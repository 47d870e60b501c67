/*
 * value_text.c
 *		The text form of telemetry.value, which is JSON.
 *
 *	25.5  -0  NaN  Infinity  "open"  true  {"a": 1}  [1, 2]
 *	{"$geo":[latitude,longitude]}  {"$geo":[latitude,longitude,altitude]}
 *	{"$binary":"base64"}
 *
 * COPY calls the input function for each row, so numbers, plain strings and booleans are read
 * by hand; all else, errors included, is left to the parser of jsonb.  All memory is the
 * caller's current context.
 */
#include "value/value_text.h"

#include <float.h>
#include <math.h>

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "value/value_size.h"

/* Input quoted in an error message is cut to this many bytes. */
#define TL_QUOTE_MAX 64

/* A float8 holds integers to here, and powers of ten to 10^22, without rounding. */
#define TL_EXACT_INTEGER_MAX (UINT64CONST(1) << 53)
#define TL_EXACT_POWER_MAX 22

/* So many decimal digits always fit a uint64. */
#define TL_UINT64_DIGITS 19

/* Beyond this a decimal exponent only says infinity or zero; keeps the scan from overflowing. */
#define TL_EXPONENT_MAX 100000

/* No text made of jsonb is longer, whatever telemetry.max_value_size allows to be stored. */
#define TL_JSON_TEXT_MAX (16 * 1024 * 1024)

static const double exact_powers[TL_EXACT_POWER_MAX + 1] = {
	1e0,  1e1,	1e2,  1e3,	1e4,  1e5,	1e6,  1e7,	1e8,  1e9,	1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

PG_FUNCTION_INFO_V1(telemetry_value_in);
PG_FUNCTION_INFO_V1(telemetry_value_out);

static inline bool
is_digit(char c)
{
	return (unsigned char) (c - '0') <= 9;
}

static inline const char *
skip_space(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		p++;
	return p;
}

/*
 * The result is that of strtod(), to the last bit: when the digits and the power of ten are
 * both exact float8s, one correctly rounded operation gives it (Clinger), else strtod() does.
 */
const char *
tl_value_scan_number(const char *p, double *result)
{
	const char *start = p;
	const char *digits;
	bool negative = *p == '-';
	uint64 mantissa = 0;
	int count;
	int exponent = 0;

	p += negative;
	digits = p;
	if (!is_digit(*p) || (*p == '0' && is_digit(p[1])))
		return NULL;

	/* May wrap around when there are too many digits, which count will tell. */
	while (is_digit(*p))
		mantissa = mantissa * 10 + (*p++ - '0');
	count = (int) Min(p - digits, TL_EXPONENT_MAX);
	if (*p == '.')
	{
		const char *fraction = ++p;

		if (!is_digit(*p))
			return NULL;
		while (is_digit(*p))
			mantissa = mantissa * 10 + (*p++ - '0');
		exponent = -(int) Min(p - fraction, TL_EXPONENT_MAX);
		count -= exponent;
	}
	if (*p == 'e' || *p == 'E')
	{
		bool downward = *++p == '-';
		int power = 0;

		p += downward || *p == '+';
		if (!is_digit(*p))
			return NULL;
		for (; is_digit(*p); p++)
			power = Min(power * 10 + (*p - '0'), TL_EXPONENT_MAX);
		exponent += downward ? -power : power;
	}

	/* Excess precision, as of the x87, would round twice. */
	if (FLT_EVAL_METHOD == 0 && count <= TL_UINT64_DIGITS && mantissa <= TL_EXACT_INTEGER_MAX &&
		exponent >= -TL_EXACT_POWER_MAX && exponent <= TL_EXACT_POWER_MAX)
	{
		double number = (double) mantissa;

		if (exponent < 0)
			number /= exact_powers[-exponent];
		else
			number *= exact_powers[exponent];
		*result = negative ? -number : number;
	}
	else
		*result = strtod(start, NULL);
	return p;
}

/* Reads a word for a number that JSON cannot write; returns its end, or NULL. */
static const char *
scan_number_word(const char *p, double *result)
{
	bool negative = *p == '-';

	if (pg_strncasecmp(p, "NaN", 3) == 0)
	{
		*result = NAN;
		return p + 3;
	}
	if (pg_strncasecmp(p + negative, "Infinity", 8) == 0)
	{
		*result = negative ? -INFINITY : INFINITY;
		return p + negative + 8;
	}
	return NULL;
}

/* Returns the closing quote of a string that stands for itself; NULL if it takes a parser. */
static const char *
scan_plain_string(const char *p)
{
	while (*p != '"')
	{
		if ((unsigned char) *p < ' ' || *p == '\\')
			return NULL;
		p++;
	}
	return p;
}

/* Start of a text, short enough for an error message. */
static char *
quote_start(const char *text)
{
	int len = (int) strlen(text);

	if (len <= TL_QUOTE_MAX)
		return pstrdup(text);
	len = pg_mbcliplen(text, len, TL_QUOTE_MAX);
	return psprintf("%.*s...", len, text);
}

/* Numbers, plain strings and booleans; NULL if the text is none of them. */
static struct varlena *
read_scalar(const char *text)
{
	const char *start = skip_space(text);
	const char *end;
	double number;
	bool flag;

	switch (*start)
	{
		case '"':
			end = scan_plain_string(start + 1);
			if (end == NULL || *skip_space(end + 1) != '\0')
				return NULL;
			return tl_value_make(TL_KIND_TEXT, start + 1, end - start - 1);
		case 't':
		case 'f':
			flag = *start == 't';
			end = start + (flag ? 4 : 5);
			if (strncmp(start, flag ? "true" : "false", end - start) != 0 ||
				*skip_space(end) != '\0')
				return NULL;
			return tl_value_make(TL_KIND_BOOLEAN, &flag, 1);
		default:
			end = tl_value_scan_number(start, &number);
			if (end != NULL && unlikely(isinf(number)) && *skip_space(end) == '\0')
				ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
								errmsg("\"%s\" is out of range for a numeric telemetry.value",
									   quote_start(start))));
			if (end == NULL)
				end = scan_number_word(start, &number);
			if (end == NULL || *skip_space(end) != '\0')
				return NULL;
			return tl_value_make(TL_KIND_NUMERIC, &number, sizeof(number));
	}
}

bool
tl_value_convert_number(Numeric number, double *result)
{
	*result =
		DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(number)));
	return !isinf(*result) || numeric_is_inf(number);
}

/* The kind that writes its values as an object with the container's only member. */
static const TlKindType *
kind_by_member(JsonbContainer *container, JsonbValue *member)
{
	for (int kind = 1; kind <= TL_KIND_LAST; kind++)
	{
		const char *name = tl_kinds[kind]->json_member;

		if (name != NULL &&
			getKeyJsonValueFromContainer(container, name, (int) strlen(name), member) != NULL)
			return tl_kinds[kind];
	}
	return NULL;
}

static const char *
convert_container(JsonbContainer *container, int len, struct varlena **value)
{
	char *text;

	if (JsonContainerIsScalar(container))
	{
		JsonbValue scalar;
		const char *error;

		(void) JsonbExtractScalar(container, &scalar);
		return tl_value_from_json(&scalar, value, &error) ? NULL : error;
	}
	if (JsonContainerIsObject(container) && JsonContainerSize(container) == 1)
	{
		const TlKindType *kind;
		JsonbValue member;

		kind = kind_by_member(container, &member);
		if (kind != NULL)
			return kind->from_json(&member, value);
	}
	/* A few bytes of jsonb can stand for very much text: 1e131071. */
	if (tl_value_size_exceeds(container, TL_JSON_TEXT_MAX))
		return "a JSON value is longer than 16 MB";
	text = JsonbToCString(NULL, container, len);
	*value = tl_value_make(TL_KIND_JSON, text, strlen(text));
	pfree(text);
	return NULL;
}

bool
tl_value_from_json(const JsonbValue *json, struct varlena **value, const char **error)
{
	double number;
	Jsonb *document;

	*error = NULL;
	switch (json->type)
	{
		case jbvNull:
			*error = "value is required";
			break;
		case jbvNumeric:
			if (tl_value_convert_number(json->val.numeric, &number))
				*value = tl_value_make(TL_KIND_NUMERIC, &number, sizeof(number));
			else
				*error =
					psprintf("number %s is out of range", numeric_out_sci(json->val.numeric, 6));
			break;
		case jbvString:
			*value = tl_value_make(TL_KIND_TEXT, json->val.string.val, json->val.string.len);
			break;
		case jbvBool:
			*value = tl_value_make(TL_KIND_BOOLEAN, &json->val.boolean, 1);
			break;
		case jbvBinary:
			*error = convert_container(json->val.binary.data, json->val.binary.len, value);
			break;
		default:
			/* A tree still under construction: JsonbValueToJsonb() does not change it. */
			document = JsonbValueToJsonb(unconstify(JsonbValue *, json));
			*error = convert_container(&document->root, VARSIZE(document), value);
			break;
	}
	return *error == NULL;
}

/* The text as jsonb; NULL, with *detail a sentence, if it is not JSON. */
static Jsonb *
parse_json(char *text, const char **detail)
{
	MemoryContext context = CurrentMemoryContext;
	Jsonb *volatile document = NULL;

	PG_TRY();
	{
		document = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		/* Say, too deeply nested, or cancelled. */
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		FlushErrorState();
		*detail = error->detail ? error->detail : psprintf("JSON: %s.", error->message);
	}
	PG_END_TRY();
	return document;
}

bool
tl_value_from_json_text(char *text, struct varlena **value, const char **error, const char **detail)
{
	Jsonb *document = parse_json(text, detail);

	*error = NULL;
	if (document == NULL)
		return false;
	*error = convert_container(&document->root, VARSIZE(document), value);
	pfree(document);
	return *error == NULL;
}

Datum
telemetry_value_in(PG_FUNCTION_ARGS)
{
	char *text = PG_GETARG_CSTRING(0);
	struct varlena *value = read_scalar(text);
	const char *error;
	const char *detail;

	if (likely(value != NULL))
		PG_RETURN_POINTER(value);
	if (!tl_value_from_json_text(text, &value, &error, &detail))
	{
		if (error != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					 errmsg("invalid telemetry.value \"%s\": %s", quote_start(text), error)));
		ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
						errmsg("invalid input syntax for type %s: \"%s\"", "telemetry.value",
							   quote_start(text)),
						errdetail_internal("%s", detail),
						errhint("Text values are JSON strings, for example \"open\".")));
	}
	PG_RETURN_POINTER(value);
}

Datum
telemetry_value_out(PG_FUNCTION_ARGS)
{
	TlValue value = tl_value_view(PG_GETARG_VARLENA_PP(0));

	PG_RETURN_CSTRING(tl_value_to_text(&value));
}
