/*
 * test_codec_bytes.c
 *		Strings of a series: round trips, dictionaries, hostile streams.
 */
#include "backend.h"
#include "block/codec_bytes.h"
#include "random.h"
#include "tap.h"

#define PLAIN 0
#define DICTIONARY 1

typedef struct Stream
{
	TlReader r;
	uint32 n;
	const TlSlice **v;
} Stream;

static void
decode(void *arg)
{
	Stream *s = arg;

	s->v = palloc(sizeof(TlSlice *) * s->n);
	(void) tl_bytes_decode(&s->r, s->n, s->v);
}

static const TlSlice *
slice(const char *data, size_t len)
{
	TlSlice *s = palloc(sizeof(TlSlice));

	s->data = memcpy(palloc(len), data, len);
	s->len = (uint32) len;
	return s;
}

/* Encodes, decodes and compares; the answer is the coding. */
static int
round_trip(const TlSlice *const *v, uint32 n, size_t *size)
{
	Stream s = {.n = n};
	TlBuf buf;

	tl_buf_init(&buf, 1);
	tl_bytes_encode(&buf, v, n);
	*size = buf.len;
	s.r = tl_reader(memcpy(palloc(buf.len), buf.data, buf.len), buf.len);
	if (!TAP_CHECK(backend_catch(decode, &s) == NULL))
		return -1;
	for (uint32 i = 0; i < n; i++)
		TAP_CHECK(tl_slice_equal(*s.v[i], *v[i]));
	TAP_CHECK(tl_reader_left(&s.r) == 0);
	return buf.data[0];
}

static void
states_become_a_dictionary(void)
{
	const TlSlice *states[2] = {slice("open", 4), slice("closed", 6)};
	const TlSlice *v[1000];
	size_t size;

	for (int i = 0; i < 1000; i++)
		v[i] = states[i / 100 % 2];
	TAP_CHECK(round_trip(v, 1000, &size) == DICTIONARY && size < 50);
	backend_reset();
}

/* Equal strings are found wherever they lie. */
static void
equal_strings_elsewhere_share_an_entry(void)
{
	const TlSlice *v[100];
	size_t size;

	for (int i = 0; i < 100; i++)
		v[i] = slice(i % 2 == 0 ? "ab" : "abc", i % 2 == 0 ? 2 : 3);
	TAP_CHECK(round_trip(v, 100, &size) == DICTIONARY && size == 1 + 1 + 2 + 5 + 200);
	backend_reset();
}

static void
different_strings_stay_plain(void)
{
	const TlSlice *v[300];
	size_t size;

	for (int i = 0; i < 300; i++)
	{
		char text[20];

		v[i] = slice(text, (size_t) snprintf(text, sizeof(text), "string %d", i));
	}
	TAP_CHECK(round_trip(v, 300, &size) == PLAIN);
	backend_reset();
}

static void
empty_strings_survive(void)
{
	const TlSlice *v[5];
	size_t size;

	for (int i = 0; i < 5; i++)
		v[i] = slice("", 0);
	TAP_CHECK(round_trip(v, 1, &size) == PLAIN && size == 2);
	TAP_CHECK(round_trip(v, 5, &size) == DICTIONARY);
	v[2] = slice("x", 1);
	round_trip(v, 5, &size);
	backend_reset();
}

static void
any_bytes_survive(void)
{
	const TlSlice *v[4];
	char all[256];
	size_t size;

	for (int i = 0; i < 256; i++)
		all[i] = (char) i;
	v[0] = slice(all, sizeof(all));
	v[1] = slice("\0", 1);
	v[2] = slice("\0\0", 2);
	v[3] = slice("\xff", 1);
	round_trip(v, 4, &size);
	backend_reset();
}

static void
long_strings_survive(void)
{
	const TlSlice *v[3];
	char *large = palloc(1 << 20);
	size_t size;

	memset(large, 'x', 1 << 20);
	v[0] = v[2] = slice(large, 1 << 20);
	v[1] = slice(large, (1 << 20) - 1);
	round_trip(v, 3, &size);
	backend_reset();
}

static void
random_strings_survive(void)
{
	Random random = {1};

	for (int round = 0; round < 1000; round++)
	{
		uint32 n = 1 + (uint32) random_below(&random, 300);
		uint64 distinct = 1 + random_below(&random, 400);
		const TlSlice **v = palloc(sizeof(TlSlice *) * n);
		size_t size;

		for (uint32 i = 0; i < n; i++)
		{
			Random content = {random_below(&random, distinct)};
			char bytes[30];
			size_t len = random_below(&content, sizeof(bytes));

			random_fill(&content, bytes, len);
			v[i] = slice(bytes, len);
		}
		round_trip(v, n, &size);
		backend_reset();
	}
}

static const char *
outcome(const char *bytes, size_t len, uint32 n)
{
	Stream s = {.r = tl_reader(memcpy(palloc(len), bytes, len), len), .n = n};

	return backend_catch(decode, &s);
}

static void
hostile_streams_are_corrupt(void)
{
	TAP_CHECK(outcome("", 0, 1) != NULL);
	TAP_CHECK(outcome("\2\0", 2, 1) != NULL);
	/* Plain: lengths that miss, that lie, that together are too much. */
	TAP_CHECK(outcome("\0\1\1ab", 5, 2) == NULL);
	TAP_CHECK(outcome("\0\1", 2, 2) != NULL);
	TAP_CHECK(outcome("\0\1\1a", 4, 2) != NULL);
	TAP_CHECK(outcome("\0\2\2abc", 6, 2) != NULL);
	TAP_CHECK(outcome("\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 11, 1) != NULL);
	TAP_CHECK(outcome("\0\xff\xff\xff\xff\x0f", 6, 1) != NULL);
	/* Dictionary: size, index, runs. */
	TAP_CHECK(outcome("\1\1\1a\0\2", 6, 2) == NULL);
	TAP_CHECK(outcome("\1\0\0\2", 4, 2) != NULL);
	TAP_CHECK(outcome("\1\3\1\1\1abc\0\2", 10, 2) != NULL);
	TAP_CHECK(outcome("\1\1\1a\1\2", 6, 2) != NULL);
	TAP_CHECK(outcome("\1\1\1a\0\3", 6, 2) != NULL);
	TAP_CHECK(outcome("\1\1\1a\0\0\0\2", 8, 2) != NULL);
	TAP_CHECK(outcome("\1\1\1a\0\1", 6, 2) != NULL);
	TAP_CHECK(outcome("\1\1\1a\0", 5, 2) != NULL);
	backend_reset();
}

static void
noise_is_corrupt_or_within_bounds(void)
{
	Random random = {2};

	for (int round = 0; round < 200000; round++)
	{
		char bytes[24];
		size_t len = random_below(&random, sizeof(bytes));
		Stream s = {.n = 1 + (uint32) random_below(&random, 8)};

		random_fill(&random, bytes, len);
		for (size_t i = 0; i < len; i++)
			bytes[i] &= random_below(&random, 16) == 0 ? 0xff : 0x03;
		s.r = tl_reader(bytes, len);
		if (backend_catch(decode, &s) == NULL)
			for (uint32 i = 0; i < s.n; i++)
				TAP_CHECK(s.v[i]->data >= bytes && s.v[i]->data + s.v[i]->len <= bytes + len);
		backend_reset();
	}
}

static void
hash_does_not_change_with_the_machine(void)
{
	TAP_CHECK(tl_hash_bytes("", 0, 0) != tl_hash_bytes("", 0, 1));
	TAP_CHECK(tl_hash_bytes("a", 1, 0) != tl_hash_bytes("a\0", 2, 0));
	/* Buckets are chosen by it: another answer would lose every stored series. */
	TAP_CHECK(tl_hash_bytes("device-1", 8, 0) == UINT64CONST(0xcba19fc807a3e654));
}

int
main(void)
{
	TAP_RUN(states_become_a_dictionary);
	TAP_RUN(equal_strings_elsewhere_share_an_entry);
	TAP_RUN(different_strings_stay_plain);
	TAP_RUN(empty_strings_survive);
	TAP_RUN(any_bytes_survive);
	TAP_RUN(long_strings_survive);
	TAP_RUN(random_strings_survive);
	TAP_RUN(hostile_streams_are_corrupt);
	TAP_RUN(noise_is_corrupt_or_within_bounds);
	TAP_RUN(hash_does_not_change_with_the_machine);
	return tap_end();
}
