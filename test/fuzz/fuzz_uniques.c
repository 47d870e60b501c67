/*
 * fuzz_uniques.c
 *		Any bytes as a sketch of uniques: its registers are those that there are, and its count a number.
 */
#include <math.h>

#include "backend.h"
#include "value/uniques_estimate.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TlUniques uniques;
	uint32 n = 0;

	if (tl_uniques_read((const char *) data, size, &uniques) != TL_UNIQUES_READ)
		return 0;
	for (int rank = 0; rank <= TL_UNIQUES_RANK_MAX; rank++)
		n += uniques.registers[rank];
	if (n != TL_UNIQUES_REGISTERS)
		backend_die("registers are lost");
	if (!(tl_uniques_estimate(&uniques) >= 0))
		backend_die("a count is not a number");
	return 0;
}
