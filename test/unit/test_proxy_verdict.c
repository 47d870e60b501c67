/*
 * test_proxy_verdict.c
 *		What receivers' answers mean, and what of them is told.
 */
#include "deliver/verdict.h"
#include "base/url.h"
#include "random.h"
#include "tap.h"

#include <string.h>

static void
a_status_says_whether_it_may_come_again(void)
{
	static const struct
	{
		long status;
		TlVerdict verdict;
	} cases[] = {
		{0, TL_VERDICT_AGAIN},	 {101, TL_VERDICT_AGAIN}, {199, TL_VERDICT_AGAIN},
		{200, TL_VERDICT_SENT},	 {202, TL_VERDICT_SENT},  {204, TL_VERDICT_SENT},
		{299, TL_VERDICT_SENT},	 {300, TL_VERDICT_AGAIN}, {301, TL_VERDICT_AGAIN},
		{307, TL_VERDICT_AGAIN}, {399, TL_VERDICT_AGAIN}, {400, TL_VERDICT_NEVER},
		{401, TL_VERDICT_NEVER}, {404, TL_VERDICT_NEVER}, {408, TL_VERDICT_AGAIN},
		{409, TL_VERDICT_NEVER}, {410, TL_VERDICT_NEVER}, {425, TL_VERDICT_AGAIN},
		{429, TL_VERDICT_AGAIN}, {499, TL_VERDICT_NEVER}, {500, TL_VERDICT_AGAIN},
		{503, TL_VERDICT_AGAIN}, {999, TL_VERDICT_AGAIN},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!TAP_CHECK(tl_verdict_of_http(cases[i].status) == cases[i].verdict))
			printf("# %ld\n", cases[i].status);
	TAP_CHECK(tl_verdict_of_smtp(550) == TL_VERDICT_NEVER &&
			  tl_verdict_of_smtp(559) == TL_VERDICT_NEVER);
	TAP_CHECK(
		tl_verdict_of_smtp(0) == TL_VERDICT_AGAIN && tl_verdict_of_smtp(451) == TL_VERDICT_AGAIN &&
		tl_verdict_of_smtp(535) == TL_VERDICT_AGAIN &&
		tl_verdict_of_smtp(549) == TL_VERDICT_AGAIN && tl_verdict_of_smtp(560) == TL_VERDICT_AGAIN);
}

static bool
becomes(const char *body, size_t len, size_t max, const char *expected)
{
	char out[256];

	tl_verdict_text(body, len, max, out);
	if (strcmp(out, expected) == 0)
		return true;
	printf("# \"%s\" instead of \"%s\"\n", out, expected);
	return false;
}

#define BECOMES(body, max, expected) becomes(body, sizeof(body) - 1, max, expected)

static void
an_answer_is_told_on_one_line_of_text(void)
{
	TAP_CHECK(BECOMES("", 200, "") && BECOMES(" \r\n\t", 200, ""));
	TAP_CHECK(BECOMES("no such hook", 200, "no such hook"));
	TAP_CHECK(BECOMES("\r\n  <html>\r\n\t<b>no\x1b[31m\x7f", 200, "<html> <b>no [31m"));
	TAP_CHECK(BECOMES("a\0b", 200, "a b"));
	TAP_CHECK(BECOMES("h\xc3\xb6k \xf0\x9f\x94\xa5", 200, "h\xc3\xb6k \xf0\x9f\x94\xa5"));
	/* No text, half of a character, surrogates, C1, line separators. */
	TAP_CHECK(BECOMES("\xff!\xfe", 200, "?!?") && BECOMES("a\xc3", 200, "a?") &&
			  BECOMES("\xed\xa0\x80", 200, "???") && BECOMES("a\xc2\x85 b", 200, "a b") &&
			  BECOMES("a\xe2\x80\xa8\xe2\x80\xa9"
					  "b",
					  200, "a b"));
}

static void
what_is_told_is_cut_between_characters(void)
{
	TAP_CHECK(BECOMES("abcdef", 3, "abc") && BECOMES("abc", 3, "abc") && BECOMES("abc", 0, ""));
	TAP_CHECK(BECOMES("ab\xc3\xb6", 3, "ab") && BECOMES("ab\xc3\xb6", 4, "ab\xc3\xb6"));
	TAP_CHECK(BECOMES("ab  cd", 3, "ab"));
}

static void
any_bytes_become_text(void)
{
	Random random = {20261130};
	bool good = true;

	for (int round = 0; round < 20000; round++)
	{
		char body[64];
		char out[41];
		size_t len = random_below(&random, sizeof(body) + 1);
		size_t max = random_below(&random, sizeof(out));

		random_fill(&random, body, len);
		memset(out, 0x55, sizeof(out));
		tl_verdict_text(body, len, max, out);
		good &= memchr(out, '\0', max + 1) != NULL && tl_utf8_valid(out, strlen(out));
		for (const char *p = out; good && *p != '\0'; p++)
			good &= (unsigned char) *p >= 0x20 && *p != 0x7f;
	}
	TAP_CHECK(good);
}

int
main(void)
{
	TAP_RUN(a_status_says_whether_it_may_come_again);
	TAP_RUN(an_answer_is_told_on_one_line_of_text);
	TAP_RUN(what_is_told_is_cut_between_characters);
	TAP_RUN(any_bytes_become_text);
	return tap_end();
}
