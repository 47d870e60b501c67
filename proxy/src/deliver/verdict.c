/*
 * verdict.c
 *		What a receiver's answer means, and what of it may be told.
 */
#include "deliver/verdict.h"

#include "base/url.h"

#include <string.h>

TlVerdict
tl_verdict_of_http(long status)
{
	if (status >= 200 && status <= 299)
		return TL_VERDICT_SENT;
	/* Too slow, too early, too many. */
	if (status >= 400 && status <= 499 && status != 408 && status != 425 && status != 429)
		return TL_VERDICT_NEVER;
	/* Where it redirects to is not followed; it may be the page of those who mend it. */
	return TL_VERDICT_AGAIN;
}

TlVerdict
tl_verdict_of_smtp(long reply)
{
	/* Mailboxes, parameters and content.  What is before is commands and TLS, and 53x who may send. */
	return reply >= 550 && reply <= 559 ? TL_VERDICT_NEVER : TL_VERDICT_AGAIN;
}

/* Bytes of the character that begins here, or 0. */
static size_t
character_length(const char *text, size_t len)
{
	for (size_t n = 1; n <= 4 && n <= len; n++)
		if (tl_utf8_valid(text, n))
			return n;
	return 0;
}

/* C1, and the ends of lines and paragraphs. */
static int
is_control(const char *text, size_t n)
{
	return (n == 1 && ((unsigned char) text[0] < 0x20 || text[0] == 0x7f)) ||
		   (n == 2 && (unsigned char) text[0] == 0xc2 && (unsigned char) text[1] < 0xa0) ||
		   (n == 3 && memcmp(text, "\xe2\x80", 2) == 0 &&
			((unsigned char) text[2] == 0xa8 || (unsigned char) text[2] == 0xa9));
}

void
tl_verdict_text(const char *body, size_t len, size_t max, char *out)
{
	size_t used = 0;

	while (len > 0 && used < max)
	{
		size_t n = character_length(body, len);

		if (n == 0 || is_control(body, n))
		{
			char c = n == 0 ? '?' : ' ';

			/* White space is one, and none at the beginning. */
			if (c == '?' || (used > 0 && out[used - 1] != ' '))
				out[used++] = c;
			n = n == 0 ? 1 : n;
		}
		else
		{
			if (used + n > max)
				break;
			if (body[0] != ' ' || (used > 0 && out[used - 1] != ' '))
			{
				memcpy(out + used, body, n);
				used += n;
			}
		}
		body += n;
		len -= n;
	}
	while (used > 0 && out[used - 1] == ' ')
		used--;
	out[used] = '\0';
}
