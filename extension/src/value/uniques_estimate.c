/*
 * uniques_estimate.c
 *		Registers of a HyperLogLog, and what they tell.  See uniques_estimate.h.
 */
#include "value/uniques_estimate.h"

#include <math.h>

#define VERSION 1
#define KIND_SPARSE 3
#define KIND_FULL 4
#define HEADER_SIZE 3

/* Bits from the highest of each byte down; what is behind the end is never asked for. */
typedef struct BitReader
{
	const uint8 *next;
	uint64 bits; /* the lowest are those that are left */
	int left;
} BitReader;

static inline uint32
next_bits(BitReader *r, int n)
{
	while (r->left < n)
	{
		r->bits = r->bits << 8 | *r->next++;
		r->left += 8;
	}
	r->left -= n;
	return (uint32) (r->bits >> r->left) & ((1U << n) - 1);
}

static bool
read_full(const char *data, Size len, TlUniques *u)
{
	BitReader r = {.next = (const uint8 *) data};

	if (len != TL_UNIQUES_REGISTERS * TL_UNIQUES_REGISTER_BITS / 8)
		return false;
	for (int i = 0; i < TL_UNIQUES_REGISTERS; i++)
		u->registers[next_bits(&r, TL_UNIQUES_REGISTER_BITS)]++;
	return true;
}

/* Registers come in their order, each once. */
static bool
read_sparse(const char *data, Size len, TlUniques *u)
{
	const int width = TL_UNIQUES_LOG2_REGISTERS + TL_UNIQUES_REGISTER_BITS;
	BitReader r = {.next = (const uint8 *) data};
	Size n = len * 8 / width;
	int64 last = -1;

	if (n > TL_UNIQUES_REGISTERS || len != (n * width + 7) / 8)
		return false;
	u->registers[0] = TL_UNIQUES_REGISTERS - (uint32) n;
	for (Size i = 0; i < n; i++)
	{
		int64 number = next_bits(&r, TL_UNIQUES_LOG2_REGISTERS);
		uint32 rank = next_bits(&r, TL_UNIQUES_REGISTER_BITS);

		if (number <= last || rank == 0)
			return false;
		u->registers[rank]++;
		last = number;
	}
	return true;
}

TlUniquesRead
tl_uniques_read(const char *data, Size len, TlUniques *u)
{
	const uint8 *header = (const uint8 *) data;
	int kind;
	bool valid;

	memset(u, 0, sizeof(TlUniques));
	if (len < HEADER_SIZE || header[0] >> 4 != VERSION ||
		header[1] != ((TL_UNIQUES_REGISTER_BITS - 1) << 5 | TL_UNIQUES_LOG2_REGISTERS))
		return TL_UNIQUES_OTHER;
	kind = header[0] & 0x0f;
	if (kind != KIND_SPARSE && kind != KIND_FULL)
		return TL_UNIQUES_OTHER;
	valid = kind == KIND_FULL ? read_full(data + HEADER_SIZE, len - HEADER_SIZE, u)
							  : read_sparse(data + HEADER_SIZE, len - HEADER_SIZE, u);
	return valid ? TL_UNIQUES_READ : TL_UNIQUES_DAMAGED;
}

/* x + the sum over k of x^(2^k) * 2^(k - 1): what registers that are still 0 stand for. */
static double
sigma(double x)
{
	double weight = 1;
	double sum = x;
	double before;

	if (x == 1)
		return INFINITY;
	do
	{
		before = sum;
		x *= x;
		sum += x * weight;
		weight += weight;
	} while (sum != before);
	return sum;
}

/* The same of registers that are not at their greatest value. */
static double
tau(double x)
{
	double weight = 1;
	double sum = 1 - x;
	double before;

	if (x == 0 || x == 1)
		return 0;
	do
	{
		before = sum;
		x = sqrt(x);
		weight *= 0.5;
		sum -= (1 - x) * (1 - x) * weight;
	} while (sum != before);
	return sum / 3;
}

double
tl_uniques_estimate(const TlUniques *u)
{
	const double m = TL_UNIQUES_REGISTERS;
	double z = m * tau(1 - u->registers[TL_UNIQUES_RANK_MAX] / m);

	for (int rank = TL_UNIQUES_RANK_MAX - 1; rank >= 1; rank--)
		z = 0.5 * (z + u->registers[rank]);
	z += m * sigma(u->registers[0] / m);
	return m * m / (2 * M_LN2 * z);
}
