/*
 * test_proxy_json_oracle.c
 *		The JSON scanner beside json-c, on random documents and on damaged ones.
 *
 * json-c is what the scanner is faster than; it is also the judge of what it reads.  A document
 * that the scanner takes as plain must be one for json-c too, with the same scalars in it.  (The
 * other way round json-c is more generous: it takes "1." and "01", for example.)
 */
#include "base/buf.h"
#include "base/json_scan.h"
#include "random.h"
#include "tap.h"

#include <json-c/json.h>
#include <math.h>

#define DEPTH 12
#define ROUNDS 60000

static void write_value(TlBuf *out, Random *random, int depth);

static void
write_string(TlBuf *out, Random *random)
{
	static const char *const pieces[] = {"a",		"temperature",	  " ",		 "\\n",
										 "\\\"",	"\\\\",			  "\\/",	 "\\t",
										 "\\u0041", "\\u00e9",		  "\\u20ac", "\u00e9",
										 "\u20ac",	"\\ud83d\\ude00", "$geo",	 "\U0001f600"};

	tl_buf_add_text(out, "\"");
	for (uint64_t n = random_below(random, 5); n > 0; n--)
		tl_buf_add_text(out, pieces[random_below(random, sizeof(pieces) / sizeof(pieces[0]))]);
	tl_buf_add_text(out, "\"");
}

static void
write_number(TlBuf *out, Random *random)
{
	static const char *const exponents[] = {"", "", "", "e5", "E+2", "e-7", "e10"};

	if (random_below(random, 3) == 0)
		tl_buf_add_text(out, "-");
	tl_buf_printf(out, "%llu", (unsigned long long) (random_any_length(random) >> 12));
	if (random_below(random, 2) == 0)
		tl_buf_printf(out, ".%llu", (unsigned long long) random_below(random, 100000));
	tl_buf_add_text(out, exponents[random_below(random, 7)]);
}

static void
write_space(TlBuf *out, Random *random)
{
	static const char *const spaces[] = {"", "", "", " ", "\n\t", " \r"};

	tl_buf_add_text(out, spaces[random_below(random, 6)]);
}

/* The members of an object or the elements of an array. */
static void
write_container(TlBuf *out, Random *random, int depth, bool object)
{
	uint64_t n = random_below(random, 5);

	tl_buf_add_text(out, object ? "{" : "[");
	for (uint64_t i = 0; i < n; i++)
	{
		if (i > 0)
			tl_buf_add_text(out, ",");
		write_space(out, random);
		if (object)
		{
			write_string(out, random);
			write_space(out, random);
			tl_buf_add_text(out, ":");
		}
		write_value(out, random, depth + 1);
	}
	tl_buf_add_text(out, object ? "}" : "]");
}

static void
write_value(TlBuf *out, Random *random, int depth)
{
	static const char *const words[] = {"null", "true", "false"};

	write_space(out, random);
	switch (random_below(random, depth < 5 ? 6 : 4))
	{
		case 0:
			tl_buf_add_text(out, words[random_below(random, 3)]);
			break;
		case 1:
			write_string(out, random);
			break;
		case 2:
		case 3:
			write_number(out, random);
			break;
		case 4:
			write_container(out, random, depth, true);
			break;
		default:
			write_container(out, random, depth, false);
			break;
	}
	write_space(out, random);
}

static struct json_object *
parse(const TlBuf *text, int flags, bool *valid)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH + 1);
	struct json_object *object;

	json_tokener_set_flags(tokener, flags);
	object = json_tokener_parse_ex(tokener, text->data, (int) text->len);
	if (json_tokener_get_error(tokener) == json_tokener_continue)
		object = json_tokener_parse_ex(tokener, "", 1); /* a number ends with the text */
	*valid = json_tokener_get_error(tokener) == json_tokener_success;
	json_tokener_free(tokener);
	return object;
}

/*
 * Whether json-c takes it when it is strict, in which its versions differ and go beyond RFC 8259.
 * 0.18 takes every byte above 0x7f for a control character, while only those up to 0x1f are
 * forbidden in strings (section 7): a letter stands in for such a byte, as good as it in a string
 * and as bad anywhere else.  0.19 refuses integers of more than 64 bits, while a number may be of
 * any size (section 6): runs of digits are cut, which leaves good what is good and bad what is bad.
 */
static bool
is_strictly_valid(const TlBuf *text)
{
	TlBuf copy = {0};
	int digits = 0;
	bool valid;

	for (size_t i = 0; i < text->len; i++)
	{
		char c = text->data[i];

		digits = c >= '0' && c <= '9' ? digits + 1 : 0;
		if (digits <= 18)
			tl_buf_add(&copy, (unsigned char) c >= 0x80 ? "x" : &c, 1);
	}
	json_object_put(parse(&copy, JSON_TOKENER_STRICT, &valid));
	tl_buf_free(&copy);
	return valid;
}

/* The document as json-c sees it; NULL with *valid true is a JSON null. */
static struct json_object *
judge(const TlBuf *text, bool *valid)
{
	struct json_object *object = parse(text, JSON_TOKENER_VALIDATE_UTF8, valid);

	*valid = *valid && is_strictly_valid(text);
	return object;
}

static bool
scan(const TlBuf *text, TlJsonValue *value, bool *odd)
{
	TlJson json;
	bool good;

	tl_json_begin(&json, text->data, text->len, DEPTH);
	good = tl_json_read(&json, value) && tl_json_end(&json);
	*odd = json.odd;
	return good;
}

/* What the scanner hands out of a document that is a number or a string. */
static void
check_scalar(const TlJsonValue *value, struct json_object *object)
{
	double expected;
	double number;
	char *text;
	size_t len;

	switch (value->type)
	{
		case TL_JSON_NUMBER:
			/* json-c cuts an integer to 64 bits. */
			expected = json_object_is_type(object, json_type_int) && value->len > 18
						   ? strtod(value->text, NULL)
						   : json_object_get_double(object);
			if (isfinite(expected))
				TAP_CHECK(tl_json_number(value, &number) && number == expected);
			else
				TAP_CHECK(!tl_json_number(value, &number));
			break;
		case TL_JSON_STRING:
			text = malloc(value->len + 1);
			len = tl_json_unescape(value, text);
			TAP_CHECK(len == (size_t) json_object_get_string_len(object) &&
					  memcmp(text, json_object_get_string(object), len) == 0);
			free(text);
			break;
		default:
			break;
	}
}

static void
compare(TlBuf *text, bool must_be_valid)
{
	TlJsonValue value;
	bool odd;
	struct json_object *object;
	bool valid;
	bool good;

	*tl_buf_reserve(text, 1) = '\0'; /* not of the document */
	good = scan(text, &value, &odd);

	TAP_CHECK(good || !must_be_valid);
	if (!good || odd)
		return;
	object = judge(text, &valid);
	if (TAP_CHECK(valid))
		check_scalar(&value, object);
	else
		printf("# only the scanner takes %.*s\n", (int) text->len, text->data);
	json_object_put(object);
}

static void
random_documents_are_read_alike(void)
{
	Random random = {71};
	TlBuf text = {0};

	for (int round = 0; round < ROUNDS; round++)
	{
		text.len = 0;
		write_value(&text, &random, 0);
		compare(&text, true);
	}
	tl_buf_free(&text);
}

static void
scalars_are_read_alike(void)
{
	Random random = {72};
	TlBuf text = {0};

	for (int round = 0; round < ROUNDS; round++)
	{
		text.len = 0;
		if (round % 2 == 0)
			write_number(&text, &random);
		else
			write_string(&text, &random);
		compare(&text, true);
	}
	tl_buf_free(&text);
}

static void
damaged_document_that_is_taken_is_json(void)
{
	static const char bytes[] = "{}[]:,\"\\/-+.eE019untrfalse \n\t\x01\x7f\xc3\xa9\xed\xff";
	Random random = {73};
	TlBuf text = {0};

	for (int round = 0; round < 5 * ROUNDS; round++)
	{
		text.len = 0;
		write_value(&text, &random, 2);
		for (uint64_t n = 1 + random_below(&random, 3); n > 0; n--)
			text.data[random_below(&random, text.len)] =
				bytes[random_below(&random, sizeof(bytes) - 1)];
		compare(&text, false);
	}
	tl_buf_free(&text);
}

int
main(void)
{
	TAP_RUN(random_documents_are_read_alike);
	TAP_RUN(scalars_are_read_alike);
	TAP_RUN(damaged_document_that_is_taken_is_json);
	return tap_end();
}
