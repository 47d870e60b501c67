/*
 * test_proxy_idempotency.c
 *		The header Idempotency-Key.
 */
#include "routes/idempotency.h"
#include "random.h"
#include "tap.h"

#include <string.h>

/* Whether a value is read as a key, NULL: as none, from and to memory of the very size. */
static bool
reads_as(const char *value, const char *expected)
{
	char *in = malloc(strlen(value) + 1);
	char *key = malloc(TL_IDEMPOTENCY_KEY_MAX + 1);
	bool read;
	bool right;

	memcpy(in, value, strlen(value) + 1);
	read = tl_idempotency_key_read(in, key);
	right = expected == NULL ? !read : read && strcmp(key, expected) == 0;
	if (!right)
		printf("# %s\n", value);
	free(in);
	free(key);
	return right;
}

static void
keys_are_read_with_quotes_and_without(void)
{
	TAP_CHECK(reads_as("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"",
					   "8e03978e-40d5-43dd-bc93-6894a57f9324"));
	TAP_CHECK(
		reads_as("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"));
	TAP_CHECK(reads_as("\"a b, c; d\"", "a b, c; d"));
	TAP_CHECK(reads_as("\" \"", " "));
	TAP_CHECK(reads_as("\"a\\\"b\\\\c\"", "a\"b\\c"));
	TAP_CHECK(reads_as("x", "x"));
	TAP_CHECK(reads_as("a:b/c=d+e@f%20", "a:b/c=d+e@f%20"));
}

static void
what_is_no_key_is_refused(void)
{
	static const char *const wrong[] = {
		"",
		"\"",
		"\"\"",
		"\"a",
		"a\"",
		"\"a\"b",
		"\"a\" ",
		"\"a\";b=1",
		"\"a\\\"",
		"\"a\\b\"",
		"\"a\\",
		"a b",
		"a,b",
		"\"a\",\"b\"",
		"a;b",
		"a\\b",
		"a\tb",
		"\"a\tb\"",
		"\"\x7f\"",
		"\x7f",
		"caf\xc3\xa9",
		"\"caf\xc3\xa9\"",
		"?1\x01",
		"\"\\\x01\"",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		TAP_CHECK(reads_as(wrong[i], NULL));
}

static void
a_key_has_up_to_255_characters(void)
{
	char value[2 * TL_IDEMPOTENCY_KEY_MAX + 8];
	char key[TL_IDEMPOTENCY_KEY_MAX + 2];

	for (size_t len = TL_IDEMPOTENCY_KEY_MAX - 1; len <= TL_IDEMPOTENCY_KEY_MAX + 1; len++)
	{
		const char *expected = len <= TL_IDEMPOTENCY_KEY_MAX ? key : NULL;

		memset(key, 'k', len);
		key[len] = '\0';
		TAP_CHECK(reads_as(key, expected));
		snprintf(value, sizeof(value), "\"%s\"", key);
		TAP_CHECK(reads_as(value, expected));
		/* An escape is one character. */
		memset(key, '"', len);
		value[0] = '"';
		for (size_t i = 0; i < len; i++)
			memcpy(value + 1 + 2 * i, "\\\"", 2);
		memcpy(value + 1 + 2 * len, "\"", 2);
		TAP_CHECK(reads_as(value, expected));
	}
}

/* Whatever comes, a key can be seen and is bounded. */
static void
any_bytes_do_no_harm(void)
{
	static const char likely[] = "\"\"\\\\ab ,;";
	Random random = {20260103};
	size_t keys = 0;

	for (int i = 0; i < 200000; i++)
	{
		char value[300];
		char key[TL_IDEMPOTENCY_KEY_MAX + 1];
		size_t len = (size_t) random_below(&random, i % 100 == 0 ? 299 : 8);

		for (size_t k = 0; k < len; k++)
			value[k] = random_below(&random, 8) > 0
						   ? likely[random_below(&random, sizeof(likely) - 1)]
						   : (char) (1 + random_below(&random, 255));
		value[len] = '\0';
		if (!tl_idempotency_key_read(value, key))
			continue;
		keys++;
		for (const char *p = key; *p != '\0'; p++)
			if (*p < 0x20 || *p > 0x7e)
				TAP_CHECK(false);
		if (key[0] == '\0' || strlen(key) > TL_IDEMPOTENCY_KEY_MAX)
			TAP_CHECK(false);
	}
	TAP_CHECK(keys > 1000);
}

int
main(void)
{
	TAP_RUN(keys_are_read_with_quotes_and_without);
	TAP_RUN(what_is_no_key_is_refused);
	TAP_RUN(a_key_has_up_to_255_characters);
	TAP_RUN(any_bytes_do_no_harm);
	return tap_end();
}
