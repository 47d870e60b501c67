/*
 * random.h
 *		Pseudo-random numbers that are the same on every machine (splitmix64).
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>
#include <string.h>

typedef struct Random
{
	uint64_t state;
} Random;

static inline uint64_t
random_bits(Random *random)
{
	uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* From 0 to below limit. */
static inline uint64_t
random_below(Random *random, uint64_t limit)
{
	return random_bits(random) % limit;
}

static inline void
random_fill(Random *random, void *to, size_t len)
{
	uint8_t *p = to;

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t) random_bits(random);
}

/* Any number, of any length in bits; small ones are as likely as large ones. */
static inline uint64_t
random_any_length(Random *random)
{
	return random_bits(random) >> random_below(random, 64);
}

#endif
