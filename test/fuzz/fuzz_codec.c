/*
 * fuzz_codec.c
 *		Any bytes as the stream of a codec.
 *
 *	input	u8 codec and its parameters, u16 number of points, then the stream
 */
#include "backend.h"
#include "block/codec_time.h"
#include "block/codec_value.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD_SIZE 3
#define POINTS_MAX 4096
#define TIMES 7 /* codec numbers below are kinds of values */

typedef struct Stream
{
	TlReader r;
	uint8 selector;
	uint32 n;
} Stream;

static void
decode_times(Stream *s)
{
	int64 *ts = palloc(sizeof(int64) * s->n);
	int64 first = (int64) tl_read_u64(&s->r);
	int64 last = (int64) ((uint64) first + tl_read_varint(&s->r));

	tl_time_decode(&s->r, (TlTimeMode) (s->selector >> 3 & 3), s->selector >> 5 & 3, first, last,
				   s->n, ts);
	for (uint32 i = 1; i < s->n; i++)
		if (ts[i] <= ts[i - 1])
			backend_die("timestamps that do not increase were read");
	if (ts[0] != first || ts[s->n - 1] != last)
		backend_die("a series begins or ends elsewhere");
}

static void
decode_values(Stream *s, const uint8 *begin)
{
	uint8 kind = s->selector & 7;
	TlCell *cell = palloc(sizeof(TlCell) * s->n);
	uint8 *kinds = palloc(s->n);

	tl_values_decode(&s->r, kind, s->n, cell, kinds);
	for (uint32 i = 0; i < s->n; i++)
	{
		uint8 k = kind == TL_KIND_MIXED ? kinds[i] : kind;
		const TlSlice *slice = cell[i].bytes;

		if (tl_kind_form(k) == TL_FORM_NUMBER)
			continue;
		if (tl_kind_form(k) == TL_FORM_BOOLEAN
				? cell[i].boolean > 1
				: (const uint8 *) slice->data < begin ||
					  (const uint8 *) slice->data + slice->len > s->r.end)
			backend_die("an impossible value was read");
	}
}

static void
decode(void *arg)
{
	Stream *s = arg;

	if ((s->selector & 7) == TIMES)
		decode_times(s);
	else
		decode_values(s, s->r.at);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Stream s;

	if (size < HEAD_SIZE)
		return 0;
	s.selector = data[0];
	s.n = 1 + (data[1] | (uint32) data[2] << 8) % POINTS_MAX;
	size -= HEAD_SIZE;
	s.r = tl_reader(memcpy(palloc(size), data + HEAD_SIZE, size), size);
	(void) backend_catch(decode, &s);
	backend_reset();
	return 0;
}
