/*
 * pieces.h
 *		Bytes that come in pieces: a reader sees the same in them however they are cut.
 */
#ifndef PIECES_H
#define PIECES_H

#include "random.h"
#include "tap.h"
#include "base/buf.h"

/* Bytes and how many, NUL among them. */
#define BYTES(text) (text), sizeof(text) - 1

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Statuses of an outcome, beside those of refusals. */
#define MORE 0 /* bytes are awaited */
#define TAKEN 200

/* What some bytes were read as. */
typedef struct Outcome
{
	int status; /* TAKEN, MORE, or that of the refusal */
	size_t used;
	const char *why;
	TlBuf seen;
} Outcome;

static inline void
outcome_free(Outcome *outcome)
{
	tl_buf_free(&outcome->seen);
}

static inline bool
text_is(const TlBuf *buf, const char *text)
{
	return buf->len == strlen(text) && (buf->len == 0 || memcmp(buf->data, text, buf->len) == 0);
}

static inline bool
same_outcome(const Outcome *a, const Outcome *b)
{
	return a->status == b->status && a->used == b->used && a->why == b->why &&
		   a->seen.len == b->seen.len &&
		   (a->seen.len == 0 || memcmp(a->seen.data, b->seen.data, a->seen.len) == 0);
}

/* Memory of the very size, so that a sanitizer sees whoever reads on. */
static inline char *
copy_of(const char *bytes, size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);

	if (len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

/* How much comes next: all, one byte, or any number. */
typedef enum Cut
{
	CUT_WHOLE,
	CUT_BYTES,
	CUT_PIECES
} Cut;

static inline size_t
next_piece(Cut cut, Random *random, size_t left)
{
	if (cut == CUT_WHOLE || left <= 1)
		return left;
	return cut == CUT_BYTES ? 1 : 1 + random_below(random, left < 40 ? left : 40);
}

/* Replaces, removes or adds some bytes, of those that matter more often than of all. */
static inline void
damage(TlBuf *bytes, Random *random)
{
	static const char matter[] = "\r\n\r\n\r\n\t :;=\"\\,0159aF-+x/?*\0\x7f\xff";
	uint64_t changes = random_below(random, 4);

	for (uint64_t i = 0; i < changes; i++)
	{
		char c = random_below(random, 4) > 0 ? matter[random_below(random, sizeof(matter) - 1)]
											 : (char) random_bits(random);
		size_t at = random_below(random, bytes->len + 1);

		tl_buf_reserve(bytes, 1);
		switch (random_below(random, 3))
		{
			case 0:
				memmove(bytes->data + at + 1, bytes->data + at, bytes->len - at);
				bytes->data[at] = c;
				bytes->len++;
				break;
			case 1:
				if (at < bytes->len)
					bytes->data[at] = c;
				break;
			default:
				if (at < bytes->len)
				{
					memmove(bytes->data + at, bytes->data + at + 1, bytes->len - at - 1);
					bytes->len--;
				}
				break;
		}
	}
}

typedef Outcome Reader(const char *bytes, size_t len, size_t max, Cut cut, Random *random);

/* Counts those that are taken, so that the test is not of refusals alone. */
static inline unsigned int
check_cuts(Reader *reader, const TlBuf *bytes, size_t max, Random *random)
{
	Outcome whole = reader(bytes->data, bytes->len, max, CUT_WHOLE, random);
	unsigned int taken = whole.status == TAKEN;

	for (int i = 0; i < 4; i++)
	{
		Cut cut = i == 0 ? CUT_BYTES : CUT_PIECES;
		Outcome cut_up = reader(bytes->data, bytes->len, max, cut, random);

		TAP_CHECK(same_outcome(&whole, &cut_up));
		outcome_free(&cut_up);
	}
	outcome_free(&whole);
	return taken;
}

#endif
