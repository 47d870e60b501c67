/*
 * codec_value.c
 *		Dispatches the values of a run to the codec of their kind.
 */
#include "block/codec_value.h"

#include "block/codec_bytes.h"
#include "block/codec_number.h"

StaticAssertDecl(sizeof(TlCell) == sizeof(double), "a cell is as wide as a number");

static void
encode_kind(TlBuf *buf, uint8 kind, const TlCell *cell, uint32 n)
{
	switch (tl_kind_form(kind))
	{
		case TL_FORM_NUMBER:
			tl_number_encode(buf, &cell->number, n);
			break;

		case TL_FORM_BOOLEAN:
			for (uint32 i = 0; i < n; i += 8)
			{
				uint8 bits = 0;

				for (uint32 b = 0; b < 8 && i + b < n; b++)
					bits |= (uint8) ((cell[i + b].boolean & 1) << b);
				tl_buf_put_u8(buf, bits);
			}
			break;

		case TL_FORM_BYTES:
			tl_bytes_encode(buf, &cell->bytes, n);
			break;
	}
}

/* Strings must be valid payloads of their kind, for they become values again. */
static void
check_strings(uint8 kind, const TlCell *cell, uint32 n)
{
	Size size = tl_kind_size(kind);

	if (size != 0)
		for (uint32 i = 0; i < n; i++)
			if (cell[i].bytes->len != size)
				tl_corrupt("a value has the wrong length for its kind");
}

static void
decode_kind(TlReader *r, uint8 kind, uint32 n, TlCell *cell)
{
	switch (tl_kind_form(kind))
	{
		case TL_FORM_NUMBER:
			tl_number_decode(r, n, &cell->number);
			break;

		case TL_FORM_BOOLEAN:
			{
				const uint8 *bits = tl_read_bytes(r, ((size_t) n + 7) / 8);

				for (uint32 i = 0; i < n; i++)
					cell[i].boolean = bits[i / 8] >> (i % 8) & 1;
				break;
			}

		case TL_FORM_BYTES:
			(void) tl_bytes_decode(r, n, &cell->bytes);
			check_strings(kind, cell, n);
			break;
	}
}

/* Collects the cells of one kind of a mixed run; returns how many. */
static uint32
gather(const TlCell *cell, const uint8 *kinds, uint32 n, uint8 kind, TlCell *out)
{
	uint32 count = 0;

	for (uint32 i = 0; i < n; i++)
		if (kinds[i] == kind)
			out[count++] = cell[i];
	return count;
}

void
tl_values_encode(TlBuf *buf, const TlRun *run)
{
	TlCell *some;

	if (run->kind != TL_KIND_MIXED)
	{
		encode_kind(buf, run->kind, run->cell, run->n);
		return;
	}

	for (uint32 i = 0; i < run->n;)
	{
		uint32 start = i;

		while (i < run->n && run->kinds[i] == run->kinds[start])
			i++;
		tl_buf_put_u8(buf, run->kinds[start]);
		tl_buf_put_varint(buf, i - start);
	}

	some = palloc(sizeof(TlCell) * run->n);
	for (uint8 kind = 1; kind <= TL_KIND_LAST; kind++)
	{
		uint32 count = gather(run->cell, run->kinds, run->n, kind, some);

		if (count > 0)
			encode_kind(buf, kind, some, count);
	}
	pfree(some);
}

void
tl_values_decode(TlReader *r, uint8 kind, uint32 n, TlCell *cell, uint8 *kinds)
{
	uint32 count[TL_KIND_LAST + 1] = {0};
	TlCell *some;

	if (kind != TL_KIND_MIXED)
	{
		decode_kind(r, kind, n, cell);
		return;
	}

	for (uint32 i = 0; i < n;)
	{
		uint8 k = tl_read_u8(r);
		uint32 run = tl_read_count(r, n - i);

		if (k == TL_KIND_MIXED || k > TL_KIND_LAST || run == 0)
			tl_corrupt("bad kinds of a mixed series");
		memset(kinds + i, k, run);
		i += run;
		count[k] += run;
	}

	some = palloc(sizeof(TlCell) * n);
	for (uint8 k = 1; k <= TL_KIND_LAST; k++)
	{
		uint32 next = 0;

		if (count[k] == 0)
			continue;
		decode_kind(r, k, count[k], some);
		for (uint32 i = 0; i < n; i++)
			if (kinds[i] == k)
				cell[i] = some[next++];
	}
	pfree(some);
}
