/*
 * fuzz_block_checksums.c
 *		Damaged blocks with right checksums, so that all that lies behind them is reached.
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

		/* Not compressed more often than not: there a change is a change of structure. */
		if (seed / 1024 % 4 != 0)
			block = sample_unpack(block);
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

	if (size >= TL_BLOCK_HEADER_SIZE)
	{
		memcpy(block.data, "TLB1\1\0\0\0", 8);
		tl_store_u32(block.data + 12, (uint32) size);
		sample_fix_checksums(block);
	}
	(void) backend_catch(read_block, &block);
	backend_reset();
	return 0;
}
