/*
 * codec_time.c
 *		Timestamps as run lengths of differences.  See the header for the format.
 */
#include "block/codec_time.h"

#include "common/int.h"

const int64 tl_time_unit[TL_TIME_UNITS] = {1, 1000, 1000000};

int
tl_time_choose_unit(const int64 *ts, uint32 n, int64 base)
{
	int64 first = ts[0];
	int unit = TL_TIME_UNITS - 1;

	while (unit > 0 && (first - base) % tl_time_unit[unit] != 0)
		unit--;
	if (n == 1 || unit == 0)
		return unit;

	/* A regular series needs one division, not n. */
	for (uint32 i = 1; i < n; i++)
	{
		if (i > 1 && ts[i] - ts[i - 1] == ts[i - 1] - ts[i - 2])
			continue;
		while (unit > 0 && (ts[i] - ts[i - 1]) % tl_time_unit[unit] != 0)
			unit--;
		if (unit == 0)
			break;
	}
	return unit;
}

TlTimeMode
tl_time_encode(TlBuf *buf, const int64 *ts, uint32 n, int unit)
{
	int64 scale = tl_time_unit[unit];
	uint32 runs = 1;
	int64 smallest;
	uint8 *p;

	if (n < 3)
		return TL_TIME_REGULAR;

	smallest = ts[1] - ts[0];
	for (uint32 i = 2; i < n; i++)
	{
		int64 delta = ts[i] - ts[i - 1];

		runs += delta != ts[i - 1] - ts[i - 2];
		smallest = Min(smallest, delta);
	}
	if (runs == 1)
		return TL_TIME_REGULAR;

	if (runs <= n / 3)
	{
		for (uint32 i = 1; i < n;)
		{
			int64 delta = ts[i] - ts[i - 1];
			uint32 start = i;

			while (i < n && ts[i] - ts[i - 1] == delta)
				i++;
			tl_buf_put_varint(buf, (uint64) (delta / scale));
			tl_buf_put_varint(buf, i - start);
		}
		return TL_TIME_RUNS;
	}

	tl_buf_reserve(buf, (size_t) n * TL_VARINT_MAX);
	p = tl_varint_write((uint8 *) buf->data + buf->len, (uint64) (smallest / scale));
	for (uint32 i = 1; i < n; i++)
		p = tl_varint_write(p, (uint64) ((ts[i] - ts[i - 1] - smallest) / scale));
	buf->len = (size_t) ((char *) p - buf->data);
	return TL_TIME_DELTAS;
}

/* Scales a stored delta back, refusing what could overflow or stand still. */
static inline int64
scaled_delta(uint64 delta, int64 scale, int64 limit)
{
	if (unlikely(delta == 0 || delta > (uint64) (limit / scale)))
		tl_corrupt("a time difference is out of range");
	return (int64) delta * scale;
}

void
tl_time_decode(TlReader *r, TlTimeMode mode, int unit, int64 first, int64 last, uint32 n, int64 *ts)
{
	int64 scale;
	int64 span;
	int64 at = first;

	if (n == 0 || unit < 0 || unit >= TL_TIME_UNITS || pg_sub_s64_overflow(last, first, &span) ||
		span < 0 || (n == 1) != (span == 0))
		tl_corrupt("bad time range of a series");
	scale = tl_time_unit[unit];
	ts[0] = first;
	if (n == 1)
		return;

	switch (mode)
	{
		case TL_TIME_REGULAR:
			if (span % (int64) (n - 1) != 0)
				tl_corrupt("a regular series is not evenly spaced");
			span /= (int64) (n - 1);
			if (span == 0)
				tl_corrupt("a regular series stands still");
			for (uint32 i = 1; i < n; i++)
				ts[i] = at += span;
			return;

		case TL_TIME_RUNS:
			for (uint32 i = 1; i < n;)
			{
				int64 delta = scaled_delta(tl_read_varint(r), scale, last - at);
				uint32 run = tl_read_count(r, n - i);

				if (run == 0 || delta > (last - at) / (int64) run)
					tl_corrupt("a time run is out of range");
				for (uint32 stop = i + run; i < stop; i++)
					ts[i] = at += delta;
			}
			break;

		case TL_TIME_DELTAS:
			{
				uint64 smallest = tl_read_varint(r);

				for (uint32 i = 1; i < n; i++)
				{
					uint64 excess = tl_read_varint(r);

					if (unlikely(excess > PG_INT64_MAX || smallest > PG_INT64_MAX))
						tl_corrupt("a time difference is out of range");
					ts[i] = at += scaled_delta(smallest + excess, scale, last - at);
				}
				break;
			}

		default:
			tl_corrupt("unknown time coding");
	}
	if (at != last)
		tl_corrupt("a series does not end at its last timestamp");
}
