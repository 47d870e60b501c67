/*
 * test_uniques.c
 *		Counts of uniques: unbiased from few to many, without a seam; stored sketches of any bytes.
 */
#include <math.h>

#include "backend.h"
#include "random.h"
#include "tap.h"
#include "value/uniques_estimate.h"

#define SETS 200
#define FEW_SETS 12

/* In steps of 10 % about where other estimators change from one formula to another. */
static const uint32 sizes[] = {1000,   2000,   5000,   10000,  20000,  50000,  55000,  60500,
							   66550,  73205,  80000,  80526,  88578,  97436,  107179, 117897,
							   129687, 142656, 150000, 200000, 500000, 1000000};

static uint8 registers[TL_UNIQUES_REGISTERS];

/* As the extension hll does. */
static void
add(uint64 hash)
{
	uint32 number = hash & (TL_UNIQUES_REGISTERS - 1);
	uint64 rest = hash >> TL_UNIQUES_LOG2_REGISTERS;
	int rank = rest == 0 ? 0 : __builtin_ctzll(rest) + 1;

	if (rank > TL_UNIQUES_RANK_MAX)
		rank = TL_UNIQUES_RANK_MAX;
	if (rank > registers[number])
		registers[number] = (uint8) rank;
}

static double
estimate(void)
{
	TlUniques u = {{0}};

	for (int i = 0; i < TL_UNIQUES_REGISTERS; i++)
		u.registers[registers[i]]++;
	return tl_uniques_estimate(&u);
}

static double errors[SETS][lengthof(sizes)];

static void
fill_errors(void)
{
	Random random = {20240501};

	for (int set = 0; set < SETS; set++)
	{
		uint32 n = 0;

		memset(registers, 0, sizeof(registers));
		for (int i = 0; i < lengthof(sizes); i++)
		{
			for (; n < sizes[i]; n++)
				add(random_bits(&random));
			errors[set][i] = estimate() / sizes[i] - 1;
		}
	}
}

static void
counts_are_unbiased_without_a_seam(void)
{
	fill_errors();
	for (int i = 0; i < lengthof(sizes); i++)
	{
		double sum = 0;
		double squares = 0;
		double worst = 0;
		double worst_of_few = 0;

		for (int set = 0; set < SETS; set++)
		{
			double error = errors[set][i];

			sum += error;
			squares += error * error;
			worst = fmax(worst, fabs(error));
			if (set < FEW_SETS)
				worst_of_few = fmax(worst_of_few, fabs(error));
		}
		printf("# %u: bias %.3f %%, standard error %.3f %%, worst %.2f %%, of %d sets %.2f %%\n",
			   sizes[i], 100 * sum / SETS, 100 * sqrt(squares / SETS), 100 * worst, FEW_SETS,
			   100 * worst_of_few);
		TAP_CHECK(fabs(sum / SETS) < 0.002);
		TAP_CHECK(sqrt(squares / SETS) < 0.0065);
		TAP_CHECK(worst < 0.03);
		TAP_CHECK(worst_of_few < 0.02);
	}
}

static void
few_are_counted_and_too_many_are_infinite(void)
{
	TlUniques none = {{TL_UNIQUES_REGISTERS}};
	TlUniques one = {{TL_UNIQUES_REGISTERS - 1, 1}};
	TlUniques full = {{0}};

	TAP_CHECK(tl_uniques_estimate(&none) == 0);
	TAP_CHECK(fabs(tl_uniques_estimate(&one) - 1) < 0.001);
	full.registers[TL_UNIQUES_RANK_MAX] = TL_UNIQUES_REGISTERS;
	TAP_CHECK(isinf(tl_uniques_estimate(&full)));
}

static uint32
put_bits(uint8 *bytes, uint32 at, uint32 value, int n)
{
	for (int i = n - 1; i >= 0; i--, at++)
	{
		bytes[at / 8] &= (uint8) ~(1 << (7 - at % 8));
		bytes[at / 8] |= (uint8) ((value >> i & 1) << (7 - at % 8));
	}
	return at;
}

static TlUniquesRead
read_bytes(const uint8 *bytes, Size len, TlUniques *u)
{
	/* Of their own length, so that the address sanitizer sees a read beyond them. */
	char *copy = palloc(Max(len, 1));
	TlUniquesRead result;

	memcpy(copy, bytes, len);
	result = tl_uniques_read(copy, len, u);
	pfree(copy);
	return result;
}

static void
full_sketch_is_read(void)
{
	static uint8 bytes[3 + TL_UNIQUES_REGISTERS * TL_UNIQUES_REGISTER_BITS / 8] = {0x14, 0x8f,
																				   0x7f};
	TlUniques u;
	uint32 at = 0;

	for (int i = 0; i < TL_UNIQUES_REGISTERS; i++)
		at = put_bits(bytes + 3, at, (uint32) i % 32, TL_UNIQUES_REGISTER_BITS);
	TAP_CHECK(read_bytes(bytes, sizeof(bytes), &u) == TL_UNIQUES_READ);
	for (int i = 0; i < 32; i++)
		TAP_CHECK(u.registers[i] == TL_UNIQUES_REGISTERS / 32);
	TAP_CHECK(read_bytes(bytes, sizeof(bytes) - 1, &u) == TL_UNIQUES_DAMAGED);
	bytes[1] = 0x8e;
	TAP_CHECK(read_bytes(bytes, sizeof(bytes), &u) == TL_UNIQUES_OTHER);
}

static void
sparse_sketch_is_read(void)
{
	uint8 bytes[3 + 5] = {0x13, 0x8f, 0x7f};
	TlUniques u;
	uint32 at = 0;

	at = put_bits(bytes + 3, at, 7, TL_UNIQUES_LOG2_REGISTERS);
	at = put_bits(bytes + 3, at, 31, TL_UNIQUES_REGISTER_BITS);
	at = put_bits(bytes + 3, at, 32767, TL_UNIQUES_LOG2_REGISTERS);
	put_bits(bytes + 3, at, 1, TL_UNIQUES_REGISTER_BITS);
	TAP_CHECK(read_bytes(bytes, sizeof(bytes), &u) == TL_UNIQUES_READ);
	TAP_CHECK(u.registers[0] == TL_UNIQUES_REGISTERS - 2 && u.registers[31] == 1 &&
			  u.registers[1] == 1);
	TAP_CHECK(read_bytes(bytes, 3, &u) == TL_UNIQUES_READ &&
			  u.registers[0] == TL_UNIQUES_REGISTERS);
	TAP_CHECK(read_bytes(bytes, sizeof(bytes) - 1, &u) == TL_UNIQUES_DAMAGED);
	put_bits(bytes + 3, 0, 32767, TL_UNIQUES_LOG2_REGISTERS);
	TAP_CHECK(read_bytes(bytes, sizeof(bytes), &u) == TL_UNIQUES_DAMAGED);
	put_bits(bytes + 3, 0, 7, TL_UNIQUES_LOG2_REGISTERS);
	put_bits(bytes + 3, TL_UNIQUES_LOG2_REGISTERS, 0, TL_UNIQUES_REGISTER_BITS);
	TAP_CHECK(read_bytes(bytes, sizeof(bytes), &u) == TL_UNIQUES_DAMAGED);
}

static void
any_bytes_are_read_within_their_bounds(void)
{
	Random random = {7};
	uint8 bytes[200];
	TlUniques u;

	for (int i = 0; i < 20000; i++)
	{
		random_fill(&random, bytes, sizeof(bytes));
		bytes[0] = (uint8) (0x10 | random_below(&random, 6));
		bytes[1] = 0x8f;
		(void) read_bytes(bytes, random_below(&random, sizeof(bytes) + 1), &u);
	}
	bytes[0] = 0x12;
	TAP_CHECK(read_bytes(bytes, sizeof(bytes), &u) == TL_UNIQUES_OTHER);
	TAP_CHECK(read_bytes(bytes, 0, &u) == TL_UNIQUES_OTHER);
}

int
main(void)
{
	TAP_RUN(counts_are_unbiased_without_a_seam);
	TAP_RUN(few_are_counted_and_too_many_are_infinite);
	TAP_RUN(full_sketch_is_read);
	TAP_RUN(sparse_sketch_is_read);
	TAP_RUN(any_bytes_are_read_within_their_bounds);
	return tap_end();
}
