/*
 * codec_bytes.c
 *		Byte strings through a dictionary.  See the header for the format.
 */
#include "block/codec_bytes.h"

#include "port/pg_bitutils.h"

enum
{
	BYTES_PLAIN = 0,
	BYTES_DICT = 1
};

/*
 * Numbers the distinct strings by first appearance: index[i] for v[i], and distinct[k] is the
 * position of the k-th.  Returns how many there are.
 */
static uint32
number_distinct(const TlSlice *const *v, uint32 n, uint32 *index, uint32 *distinct)
{
	uint32 slots = pg_nextpower2_32(Max(n, 2)) * 2;
	uint32 *table = palloc0(sizeof(uint32) * slots);
	uint32 count = 0;

	for (uint32 i = 0; i < n; i++)
	{
		uint32 slot;

		if (i > 0 && (v[i] == v[i - 1] || tl_slice_equal(*v[i], *v[i - 1])))
		{
			index[i] = index[i - 1];
			continue;
		}
		slot = (uint32) tl_hash_bytes(v[i]->data, v[i]->len, 0) & (slots - 1);
		while (table[slot] != 0 && !tl_slice_equal(*v[distinct[table[slot] - 1]], *v[i]))
			slot = (slot + 1) & (slots - 1);
		if (table[slot] == 0)
		{
			distinct[count] = i;
			table[slot] = ++count;
		}
		index[i] = table[slot] - 1;
	}
	pfree(table);
	return count;
}

static void
put_strings(TlBuf *buf, const TlSlice *const *v, uint32 n, const uint32 *at)
{
	for (uint32 i = 0; i < n; i++)
		tl_buf_put_varint(buf, v[at ? at[i] : i]->len);
	for (uint32 i = 0; i < n; i++)
	{
		const TlSlice *s = v[at ? at[i] : i];

		tl_buf_put(buf, s->data, s->len);
	}
}

static void
read_strings(TlReader *r, TlSlice *s, uint32 n)
{
	for (uint32 i = 0; i < n; i++)
		s[i].len = tl_read_count(r, tl_reader_left(r));
	for (uint32 i = 0; i < n; i++)
		s[i].data = (const char *) tl_read_bytes(r, s[i].len);
}

void
tl_bytes_encode(TlBuf *buf, const TlSlice *const *v, uint32 n)
{
	uint32 *index = palloc(sizeof(uint32) * n * 2);
	uint32 *distinct = index + n;
	uint32 count = number_distinct(v, n, index, distinct);

	if (n > 1 && count <= n / 2)
	{
		tl_buf_put_u8(buf, BYTES_DICT);
		tl_buf_put_varint(buf, count);
		put_strings(buf, v, count, distinct);
		for (uint32 i = 0; i < n;)
		{
			uint32 start = i;

			while (i < n && index[i] == index[start])
				i++;
			tl_buf_put_varint(buf, index[start]);
			tl_buf_put_varint(buf, i - start);
		}
	}
	else
	{
		tl_buf_put_u8(buf, BYTES_PLAIN);
		put_strings(buf, v, n, NULL);
	}
	pfree(index);
}

TlSlice *
tl_bytes_decode(TlReader *r, uint32 n, const TlSlice **v)
{
	TlSlice *strings;
	uint32 count;

	switch (tl_read_u8(r))
	{
		case BYTES_PLAIN:
			strings = palloc(sizeof(TlSlice) * n);
			read_strings(r, strings, n);
			for (uint32 i = 0; i < n; i++)
				v[i] = &strings[i];
			return strings;

		case BYTES_DICT:
			count = tl_read_count(r, n);
			if (count == 0)
				tl_corrupt("an empty dictionary");
			strings = palloc(sizeof(TlSlice) * count);
			read_strings(r, strings, count);
			for (uint32 i = 0; i < n;)
			{
				uint32 index = tl_read_count(r, count - 1);
				uint32 run = tl_read_count(r, n - i);

				if (run == 0)
					tl_corrupt("an empty run of strings");
				for (uint32 stop = i + run; i < stop; i++)
					v[i] = &strings[index];
			}
			return strings;

		default:
			tl_corrupt("unknown string coding");
	}
}
