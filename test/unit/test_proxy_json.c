/*
 * test_proxy_json.c
 *		The JSON scanner: what it takes, what it refuses, what it hands out.
 */
#include "base/buf.h"
#include "base/json_scan.h"
#include "random.h"
#include "tap.h"

#include <math.h>

#define DEPTH 8

/* Reads a whole document from memory of its own; the value's text is only good for its length. */
static bool
scan(const char *text, size_t len, TlJsonValue *value, bool *odd)
{
	char *copy = malloc(len);
	bool good;
	TlJson json;

	memcpy(copy, text, len);
	tl_json_begin(&json, copy, len, DEPTH);
	good = tl_json_read(&json, value) && tl_json_end(&json);
	TAP_CHECK(good == (json.error == NULL));
	TAP_CHECK(json.p >= json.start && json.p <= json.end);
	*odd = json.odd;
	free(copy);
	return good;
}

static bool
is_valid(const char *text)
{
	TlJsonValue value;
	bool odd;

	return scan(text, strlen(text), &value, &odd);
}

static bool
is_odd(const char *text)
{
	TlJsonValue value;
	bool odd;

	return scan(text, strlen(text), &value, &odd) && odd;
}

static void
documents_are_taken(void)
{
	static const struct
	{
		const char *text;
		TlJsonType type;
	} table[] = {
		{"null", TL_JSON_NULL},
		{" true ", TL_JSON_TRUE},
		{"\t\r\nfalse", TL_JSON_FALSE},
		{"0", TL_JSON_NUMBER},
		{"-0", TL_JSON_NUMBER},
		{"-12.5e+10", TL_JSON_NUMBER},
		{"1E5", TL_JSON_NUMBER},
		{"\"\"", TL_JSON_STRING},
		{"\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"", TL_JSON_STRING},
		{"\"\\ud83d\\ude00\"", TL_JSON_STRING},
		{"\"\xf0\x9f\x98\x80\"", TL_JSON_STRING},
		{"\"\x7f\"", TL_JSON_STRING},
		{"[]", TL_JSON_ARRAY},
		{"[ ]", TL_JSON_ARRAY},
		{"[1,[2],{}]", TL_JSON_ARRAY},
		{"{}", TL_JSON_OBJECT},
		{"{ \"a\" : 1 , \"a\" : [ ] }", TL_JSON_OBJECT},
		{"[[[[[[[[]]]]]]]]", TL_JSON_ARRAY},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
	{
		TlJsonValue value;
		bool odd;

		if (!TAP_CHECK(scan(table[i].text, strlen(table[i].text), &value, &odd) && !odd &&
					   value.type == table[i].type))
			printf("# %s\n", table[i].text);
	}
}

static void
what_is_not_json_is_refused(void)
{
	static const char *const table[] = {"",
										" ",
										"nul",
										"nulll",
										"True",
										"NaN",
										"Infinity",
										"-",
										"+1",
										"01",
										"-01",
										".5",
										"1.",
										"1e",
										"1e+",
										"0x10",
										"1 2",
										"\"",
										"\"a",
										"\"\\\"",
										"\"\\x\"",
										"\"\\u12\"",
										"\"\\u12g4\"",
										"\"a\nb\"",
										"\"\x1f\"",
										"\"\xff\"",
										"\"\xc3\"",
										"\"\xc0\x80\"",
										"\"\xed\xa0\x80\"",
										"[",
										"]",
										"[,]",
										"[1,]",
										"[1 2]",
										"[1]]",
										"[1}",
										"{",
										"}",
										"{,}",
										"{\"a\"}",
										"{\"a\":}",
										"{\"a\":1,}",
										"{a:1}",
										"{1:1}",
										"{\"a\" 1}",
										"{\"a\":1]",
										"{\"a\":1 \"b\":2}",
										"'a'",
										"/* */ 1",
										"\xef\xbb\xbf{}",
										"[[[[[[[[[]]]]]]]]]"};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!TAP_CHECK(!is_valid(table[i])))
			printf("# %s\n", table[i]);
	TAP_CHECK(is_valid("1"));
	{
		TlJsonValue value;
		bool odd;

		TAP_CHECK(!scan("1\0", 2, &value, &odd));
		TAP_CHECK(!scan("\"\0\"", 3, &value, &odd));
	}
}

static void
what_jsonb_might_refuse_is_odd(void)
{
	TAP_CHECK(is_odd("\"\\u0000\""));
	TAP_CHECK(is_odd("[\"\\ud800\"]"));
	TAP_CHECK(is_odd("\"\\ud800\\n\""));
	TAP_CHECK(is_odd("\"\\ud800\\u0041\""));
	TAP_CHECK(is_odd("\"\\ude00\\ud83d\""));
	TAP_CHECK(is_odd("{\"\\u0000\": 1}"));
	TAP_CHECK(is_odd("1e1000"));
	TAP_CHECK(is_odd("1e999"));
	TAP_CHECK(is_odd("{\"a\": [1e-999]}"));
	TAP_CHECK(!is_odd("1e995"));
	TAP_CHECK(is_odd("12e995"));
	TAP_CHECK(!is_odd("\"\\u0001\""));
}

static void
every_truncation_is_refused(void)
{
	static const char text[] = "{\"a\": [1.5e3, \"x\\u00e9\xc3\xa9\", null, {\"b\": true}]}";

	for (size_t len = 0; len < sizeof(text) - 1; len++)
	{
		TlJsonValue value;
		bool odd;

		TAP_CHECK(!scan(text, len, &value, &odd));
	}
	TAP_CHECK(is_valid(text));
}

static void
members_whose_names_start_with_a_dollar_are_noticed(void)
{
	static const struct
	{
		const char *text;
		bool dollar;
	} table[] = {{"{}", false},
				 {"{\"a\": {\"$b\": 1}}", false},
				 {"{\"a$\": 1}", false},
				 {"{\"\": 1}", false},
				 {"{\"$geo\": [1, 2]}", true},
				 {"{\"a\": 1, \"$\": 2}", true},
				 {"{\"\\u0024geo\": 2}", true}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
	{
		TlJsonValue value;
		bool odd;

		TAP_CHECK(scan(table[i].text, strlen(table[i].text), &value, &odd) &&
				  value.dollar == table[i].dollar);
	}
}

static void
strings_are_unescaped(void)
{
	static const struct
	{
		const char *text;
		const char *plain;
	} table[] = {{"", ""},
				 {"abc", "abc"},
				 {"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t"},
				 {"\\u0041\\u00e9\\u20AC", "A\xc3\xa9\xe2\x82\xac"},
				 {"\\ud83d\\ude00!", "\xf0\x9f\x98\x80!"}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
	{
		TlJsonValue value = {.type = TL_JSON_STRING,
							 .escaped = strchr(table[i].text, '\\') != NULL,
							 .text = table[i].text,
							 .len = strlen(table[i].text)};
		size_t len = strlen(table[i].plain);
		char *out = malloc(value.len);

		TAP_CHECK(tl_json_unescape(&value, out) == len && memcmp(out, table[i].plain, len) == 0);
		TAP_CHECK(tl_json_string_is(&value, table[i].plain, len));
		TAP_CHECK(!tl_json_string_is(&value, "abcd", 4));
		free(out);
	}
}

/* Half a pair, then escapes that would be read askew: never more than the room that was given. */
static void
lone_surrogates_stay_within_their_room(void)
{
	static const char *const pieces[] = {"\\ud800", "\\udc00", "\\\\",	"\\u0041",		 "a",
										 "\\n",		"\\\"",	   "abcde", "\\ud83d\\ude00"};
	Random random = {1};

	for (int round = 0; round < 200000; round++)
	{
		TlBuf text = {0};
		TlJsonValue value;
		TlJson json;

		tl_buf_add_text(&text, "\"");
		for (uint64_t n = random_below(&random, 8); n > 0; n--)
			tl_buf_add_text(&text, pieces[random_below(&random, 9)]);
		tl_buf_add_text(&text, "\"");
		tl_json_begin(&json, text.data, text.len, DEPTH);
		if (TAP_CHECK(tl_json_read(&json, &value)))
		{
			char *out = malloc(value.len);

			TAP_CHECK(tl_json_unescape(&value, out) <= value.len);
			free(out);
		}
		tl_buf_free(&text);
	}
}

static bool
number_is(const char *text, double expected)
{
	TlJsonValue value = {.type = TL_JSON_NUMBER, .text = text, .len = strlen(text)};
	double got;

	return tl_json_number(&value, &got) && memcmp(&got, &expected, sizeof(got)) == 0;
}

static void
numbers_are_what_the_c_library_says(void)
{
	Random random = {2};

	for (int round = 0; round < 300000; round++)
	{
		char text[80];
		double expected;

		switch (random_below(&random, 4))
		{
			case 0:
				snprintf(text, sizeof(text), "%lld", (long long) random_any_length(&random));
				break;
			case 1:
				snprintf(text, sizeof(text), "%.*f", (int) random_below(&random, 20),
						 (double) (int64_t) random_any_length(&random) / 1e10);
				break;
			case 2:
				snprintf(text, sizeof(text), "%.17g",
						 (double) random_bits(&random) / (double) UINT64_MAX);
				break;
			default:
				snprintf(text, sizeof(text), "%llu.%llue%d",
						 (unsigned long long) random_any_length(&random),
						 (unsigned long long) random_any_length(&random),
						 (int) random_below(&random, 500) - 250);
				break;
		}
		expected = strtod(text, NULL);
		if (expected == 0)
			expected = 0;
		if (!TAP_CHECK(number_is(text, expected)))
			printf("# %s\n", text);
	}
}

static void
zero_has_no_sign(void)
{
	TAP_CHECK(number_is("-0", 0.0));
	TAP_CHECK(number_is("-0.000", 0.0));
	TAP_CHECK(number_is("-0e5", 0.0));
	TAP_CHECK(number_is("-1e-400", 0.0));
}

static void
number_beyond_a_double_is_refused(void)
{
	static const char *const table[] = {"1e309", "-1e309", "1.7976931348623159e308"};
	double got;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
	{
		TlJsonValue value = {.type = TL_JSON_NUMBER, .text = table[i], .len = strlen(table[i])};

		TAP_CHECK(!tl_json_number(&value, &got));
	}
	TAP_CHECK(number_is("1.7976931348623157e308", 1.7976931348623157e308));
	TAP_CHECK(number_is("4.9e-324", 4.9e-324));
}

static void
written_strings_are_read_back(void)
{
	Random random = {3};

	for (int round = 0; round < 20000; round++)
	{
		char text[40];
		size_t len = random_below(&random, sizeof(text));
		TlBuf buf = {0};
		TlJsonValue value;
		TlJson json;

		for (size_t i = 0; i < len; i++)
			text[i] = (char) (1 + random_below(&random, 127));
		tl_buf_add_json_string(&buf, text, len);
		tl_json_begin(&json, buf.data, buf.len, DEPTH);
		if (TAP_CHECK(tl_json_read(&json, &value) && tl_json_end(&json)))
		{
			char *out = malloc(value.len);

			TAP_CHECK(tl_json_unescape(&value, out) == len && memcmp(out, text, len) == 0);
			free(out);
		}
		tl_buf_free(&buf);
	}
}

int
main(void)
{
	TAP_RUN(documents_are_taken);
	TAP_RUN(what_is_not_json_is_refused);
	TAP_RUN(what_jsonb_might_refuse_is_odd);
	TAP_RUN(every_truncation_is_refused);
	TAP_RUN(members_whose_names_start_with_a_dollar_are_noticed);
	TAP_RUN(strings_are_unescaped);
	TAP_RUN(lone_surrogates_stay_within_their_room);
	TAP_RUN(numbers_are_what_the_c_library_says);
	TAP_RUN(zero_has_no_sign);
	TAP_RUN(number_beyond_a_double_is_refused);
	TAP_RUN(written_strings_are_read_back);
	return tap_end();
}
