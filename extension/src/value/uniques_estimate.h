/*
 * uniques_estimate.h
 *		How many values a HyperLogLog has seen, by its registers.
 *
 * The extension hll stores a sketch as (its STORAGE.md)
 *
 *	u8	version << 4 | kind: 1 empty, 2 explicit (the hashes themselves), 3 sparse, 4 full
 *	u8	(bits of a register - 1) << 5 | log2 of the number of registers
 *	u8	how many hashes are kept as they are, which matters to additions only
 *	sparse: for each register that is not 0 its number and value; full: each register's value;
 *	bits follow each other from the highest down, the last byte is filled up with zeros
 *
 * A register has the greatest rank of the values that fall to it: the position of the lowest 1 in
 * what is left of the hash, from 1, at most the register's greatest value.
 */
#ifndef TL_UNIQUES_ESTIMATE_H
#define TL_UNIQUES_ESTIMATE_H

#include "base/compat.h"

/* The parameters of all sketches of ours. */
#define TL_UNIQUES_LOG2_REGISTERS 15
#define TL_UNIQUES_REGISTER_BITS 5
#define TL_UNIQUES_REGISTERS (1 << TL_UNIQUES_LOG2_REGISTERS)
#define TL_UNIQUES_RANK_MAX ((1 << TL_UNIQUES_REGISTER_BITS) - 1)

typedef struct TlUniques
{
	uint32 registers[TL_UNIQUES_RANK_MAX + 1]; /* how many have each value */
} TlUniques;

typedef enum TlUniquesRead
{
	TL_UNIQUES_READ,
	TL_UNIQUES_OTHER, /* not of registers, or of other parameters */
	TL_UNIQUES_DAMAGED
} TlUniquesRead;

/* Counts the registers of a stored sketch. */
extern TlUniquesRead tl_uniques_read(const char *data, Size len, TlUniques *uniques);

/*
 * Ertl's estimate ("New cardinality estimation algorithms for HyperLogLog sketches", 2017, improved
 * raw estimator), which has no bias and no seam between small and large numbers.  The standard
 * error is 0.6 %.
 */
extern double tl_uniques_estimate(const TlUniques *uniques);

#endif
