/*
 * codec_number.c
 *		Numbers as scaled decimals, with XOR for the rest.  See the header for the format.
 */
#include "block/codec_number.h"

#define MAX_EXPONENT 15
#define MAX_MANTISSA ((double) (INT64CONST(1) << 51))

/* Adding and subtracting it rounds any |x| <= 2^51 to an integer, without a library call. */
#define ROUNDER 0x1.8p52

static const double power_of_ten[MAX_EXPONENT + 1] = {1e0, 1e1, 1e2,  1e3,	1e4,  1e5,	1e6,  1e7,
													  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

static const int64 int_power_of_ten[MAX_EXPONENT + 1] = {1,
														 10,
														 100,
														 1000,
														 10000,
														 100000,
														 1000000,
														 10000000,
														 100000000,
														 1000000000,
														 INT64CONST(10000000000),
														 INT64CONST(100000000000),
														 INT64CONST(1000000000000),
														 INT64CONST(10000000000000),
														 INT64CONST(100000000000000),
														 INT64CONST(1000000000000000)};

static inline uint64
bits_of(double v)
{
	uint64 bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

/* Whether v is exactly *mantissa / 10^exponent. */
static inline bool
as_decimal(double v, int exponent, int64 *mantissa)
{
	double scaled = v * power_of_ten[exponent];

	if (!(scaled <= MAX_MANTISSA && scaled >= -MAX_MANTISSA))
		return false;
	scaled = (scaled + ROUNDER) - ROUNDER;
	*mantissa = (int64) scaled;
	return bits_of(scaled / power_of_ten[exponent]) == bits_of(v);
}

/*
 * Finds the smallest exponent that fits all values.  One pass: when a later value needs more
 * digits, the mantissas so far are scaled up, which keeps them exact.
 */
static bool
decimal_mantissas(const double *v, uint32 n, int64 *mantissa, int *exponent_out)
{
	int exponent = 0;
	int64 largest = 0;

	for (uint32 i = 0; i < n; i++)
	{
		int needed = exponent;

		while (!as_decimal(v[i], needed, &mantissa[i]))
			if (++needed > MAX_EXPONENT)
				return false;
		if (needed > exponent)
		{
			int64 factor = int_power_of_ten[needed - exponent];

			if (largest > (int64) MAX_MANTISSA / factor)
				return false;
			for (uint32 j = 0; j < i; j++)
				mantissa[j] *= factor;
			largest *= factor;
			exponent = needed;
		}
		largest = Max(largest, mantissa[i] < 0 ? -mantissa[i] : mantissa[i]);
	}
	*exponent_out = exponent;
	return true;
}

static void
encode_xor(TlBuf *buf, const double *v, uint32 n)
{
	uint8 *plane;
	uint64 before = 0;

	tl_buf_reserve(buf, (size_t) n * 8);
	plane = (uint8 *) buf->data + buf->len;
	for (uint32 i = 0; i < n; i++)
	{
		uint64 bits = bits_of(v[i]);
		uint64 diff = bits ^ before;

		before = bits;
		for (int b = 0; b < 8; b++)
			plane[(size_t) b * n + i] = (uint8) (diff >> (56 - 8 * b));
	}
	buf->len += (size_t) n * 8;
}

static void
decode_xor(TlReader *r, uint32 n, double *v)
{
	const uint8 *plane = tl_read_bytes(r, (size_t) n * 8);
	uint64 bits = 0;

	for (uint32 i = 0; i < n; i++)
	{
		uint64 diff = 0;

		for (int b = 0; b < 8; b++)
			diff = diff << 8 | plane[(size_t) b * n + i];
		bits ^= diff;
		memcpy(&v[i], &bits, sizeof(bits));
	}
}

static bool
all_equal(const double *v, uint32 n)
{
	for (uint32 i = 1; i < n; i++)
		if (bits_of(v[i]) != bits_of(v[0]))
			return false;
	return true;
}

void
tl_number_encode(TlBuf *buf, const double *v, uint32 n)
{
	int64 local[256];
	int64 *mantissa = local;
	int exponent;

	if (n > 1 && all_equal(v, n))
	{
		tl_buf_put_u8(buf, TL_NUMBER_CONSTANT);
		tl_buf_put_u64(buf, bits_of(v[0]));
		return;
	}

	if (n > lengthof(local))
		mantissa = palloc(sizeof(int64) * n);
	if (decimal_mantissas(v, n, mantissa, &exponent))
	{
		uint8 *p;

		tl_buf_reserve(buf, 2 + (size_t) n * TL_VARINT_MAX);
		p = (uint8 *) buf->data + buf->len;
		*p++ = TL_NUMBER_DECIMAL;
		*p++ = (uint8) exponent;
		p = tl_varint_write(p, tl_zigzag(mantissa[0]));
		for (uint32 i = 1; i < n; i++)
			p = tl_varint_write(p, tl_zigzag(mantissa[i] - mantissa[i - 1]));
		buf->len = (size_t) ((char *) p - buf->data);
	}
	else
	{
		tl_buf_put_u8(buf, TL_NUMBER_XOR);
		encode_xor(buf, v, n);
	}
	if (mantissa != local)
		pfree(mantissa);
}

static void
decode_decimal(TlReader *r, uint32 n, double *v)
{
	uint8 exponent = tl_read_u8(r);
	int64 mantissa = 0;

	if (exponent > MAX_EXPONENT)
		tl_corrupt("a decimal exponent is out of range");

	/* Unsigned addition cannot overflow into undefined behaviour on hostile bytes. */
	for (uint32 i = 0; i < n; i++)
	{
		mantissa = (int64) ((uint64) mantissa + (uint64) tl_read_svarint(r));
		v[i] = (double) mantissa;
	}
	if (exponent > 0)
	{
		double divisor = power_of_ten[exponent];

		for (uint32 i = 0; i < n; i++)
			v[i] /= divisor;
	}
}

void
tl_number_decode(TlReader *r, uint32 n, double *v)
{
	switch (tl_read_u8(r))
	{
		case TL_NUMBER_DECIMAL:
			decode_decimal(r, n, v);
			break;
		case TL_NUMBER_XOR:
			decode_xor(r, n, v);
			break;
		case TL_NUMBER_CONSTANT:
			{
				uint64 bits = tl_read_u64(r);

				for (uint32 i = 0; i < n; i++)
					memcpy(&v[i], &bits, sizeof(bits));
				break;
			}
		default:
			tl_corrupt("unknown number coding");
	}
}
