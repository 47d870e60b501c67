/*
 * fuzz_codec_round_trip.c
 *		Any timestamps, numbers and strings come back as they went in.
 *
 *	input	u8 codec, then its values; a number is u8 length and bytes
 */
#include "backend.h"
#include "block/block.h"
#include "block/codec_bytes.h"
#include "block/codec_number.h"
#include "block/codec_time.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(bool same)
{
	if (!same)
		backend_die("what came out is not what went in");
}

/* Input that ends early is no finding: then it goes on with zeros. */
static uint8
take_byte(TlReader *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static uint64
take_number(TlReader *in)
{
	uint64 v = 0;

	for (int len = take_byte(in) % 9; len > 0; len--)
		v = v << 8 | take_byte(in);
	return v;
}

static void
times_round_trip(TlReader *in)
{
	uint32 most = (uint32) tl_reader_left(in) + 1;
	int64 *ts = palloc(sizeof(int64) * most);
	int64 *out = palloc(sizeof(int64) * most);
	int64 scale = tl_time_unit[take_byte(in) % TL_TIME_UNITS];
	uint32 n = 1;
	TlTimeMode mode;
	TlReader r;
	TlBuf buf;
	int unit;

	ts[0] = (int64) (take_number(in) % (uint64) TL_USECS_PER_DAY);
	/* Differences that keep the whole within a day, as blocks do. */
	while (tl_reader_left(in) > 0)
	{
		int64 delta = (int64) (1 + take_number(in) % 100000) * scale;

		if (delta > TL_USECS_PER_DAY - 1 - ts[n - 1])
			break;
		ts[n] = ts[n - 1] + delta;
		n++;
	}
	tl_buf_init(&buf, 1);
	unit = tl_time_choose_unit(ts, n, 0);
	mode = tl_time_encode(&buf, ts, n, unit);
	r = tl_reader(buf.data, buf.len);
	tl_time_decode(&r, mode, unit, ts[0], ts[n - 1], n, out);
	expect(tl_reader_left(&r) == 0 && memcmp(ts, out, sizeof(int64) * n) == 0);
}

static void
numbers_round_trip(TlReader *in)
{
	uint32 most = (uint32) tl_reader_left(in) + 1;
	double *v = palloc(sizeof(double) * most);
	double *out = palloc(sizeof(double) * most);
	uint32 n = 0;
	TlReader r;
	TlBuf buf;

	/* Bits as they are, and decimals of few digits. */
	while (tl_reader_left(in) > 0)
	{
		uint8 form = take_byte(in);

		if (form >= 0xf0)
		{
			uint64 bits = take_number(in);

			memcpy(&v[n++], &bits, sizeof(bits));
		}
		else
		{
			double divisor = 1;

			for (int i = form & 15; i > 0; i--)
				divisor *= 10;
			v[n++] = (double) tl_unzigzag(take_number(in)) / divisor;
		}
	}
	if (n == 0)
		return;
	tl_buf_init(&buf, 1);
	tl_number_encode(&buf, v, n);
	r = tl_reader(buf.data, buf.len);
	tl_number_decode(&r, n, out);
	expect(tl_reader_left(&r) == 0 && memcmp(v, out, sizeof(double) * n) == 0);
}

static void
strings_round_trip(TlReader *in)
{
	uint32 most = (uint32) tl_reader_left(in) + 1;
	TlSlice *slices = palloc(sizeof(TlSlice) * most);
	const TlSlice **v = palloc(sizeof(TlSlice *) * most);
	const TlSlice **out = palloc(sizeof(TlSlice *) * most);
	uint32 n = 0;
	TlReader r;
	TlBuf buf;

	while (tl_reader_left(in) > 0)
	{
		uint8 form = take_byte(in);

		if (form >= 0x80 && n > 0)
			v[n] = v[form % n];
		else
		{
			uint32 len = Min(form, (uint32) tl_reader_left(in));

			slices[n] = (TlSlice){(const char *) tl_read_bytes(in, len), len};
			v[n] = &slices[n];
		}
		n++;
	}
	if (n == 0)
		return;
	tl_buf_init(&buf, 1);
	tl_bytes_encode(&buf, v, n);
	r = tl_reader(buf.data, buf.len);
	(void) tl_bytes_decode(&r, n, out);
	expect(tl_reader_left(&r) == 0);
	for (uint32 i = 0; i < n; i++)
		expect(tl_slice_equal(*v[i], *out[i]));
}

static void
round_trip(void *arg)
{
	TlReader *in = arg;

	switch (take_byte(in) % 3)
	{
		case 0:
			times_round_trip(in);
			break;
		case 1:
			numbers_round_trip(in);
			break;
		default:
			strings_round_trip(in);
			break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TlReader in = tl_reader(data, size);

	expect(backend_catch(round_trip, &in) == NULL);
	backend_reset();
	return 0;
}
