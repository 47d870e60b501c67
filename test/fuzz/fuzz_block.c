/*
 * fuzz_block.c
 *		Any bytes as a block.  Starts from real ones, whose checksums then catch nearly all.
 */
#include "backend.h"
#include "sample.h"

extern size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
extern size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
									  unsigned int seed);
extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_block(void *arg)
{
	(void) sample_read(*(Bytes *) arg);
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	if (size < TL_BLOCK_HEADER_SIZE || seed % 64 == 0)
	{
		Bytes block = sample_block(seed / 64 % 16);

		if (block.len <= max_size)
			memcpy(data, block.data, size = block.len);
		backend_reset();
	}
	return LLVMFuzzerMutate(data, size, max_size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Bytes block = {memcpy(palloc(size), data, size), size};

	(void) backend_catch(read_block, &block);
	backend_reset();
	return 0;
}
