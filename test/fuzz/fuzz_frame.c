/*
 * fuzz_frame.c
 *		Any bytes as a frame, not compressed, whose index entry agrees with it.
 *
 *	input	u32 number of points, then the frame
 */
#include "backend.h"
#include "sample.h"

extern size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
extern size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
									  unsigned int seed);
extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define POINTS_SIZE 4

typedef struct Input
{
	TlBlockIndex index;
	TlFrameInfo info;
	const void *frame;
} Input;

static void
read_frame(void *arg)
{
	Input *in = arg;
	TlReader r = tl_reader(in->frame, in->info.stored_len);
	TlFrame *frame;

	in->info.n_entries = tl_read_count(&r, TL_FRAME_ENTRIES);
	frame = tl_frame_open(&in->index, &in->info, in->frame, in->info.stored_len);
	if (sample_read_frame(frame, SAMPLE_DAY) != in->info.n_points)
		backend_die("the number of points read is not that of the index");
}

/* One of the frames of a sample block. */
static size_t
put_sample(uint8_t *data, size_t max_size, unsigned int seed)
{
	Bytes block = sample_unpack(sample_block(seed % 16));
	TlBlockIndex *index = tl_block_index_open(block.data, block.len);
	const TlFrameInfo *info = &index->frames[seed / 16 % index->n_frames];
	size_t size = 0;

	if (POINTS_SIZE + info->stored_len <= max_size)
	{
		tl_store_u32(data, info->n_points);
		memcpy(data + POINTS_SIZE, block.data + info->offset, info->stored_len);
		size = POINTS_SIZE + info->stored_len;
	}
	backend_reset();
	return size;
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	if (size <= POINTS_SIZE || seed % 64 == 0)
		size = put_sample(data, max_size, seed / 64);
	return LLVMFuzzerMutate(data, size, max_size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input in = {.index = {.min_ts = SAMPLE_DAY, .max_ts = SAMPLE_DAY}};

	if (size <= POINTS_SIZE)
		return 0;
	in.info.n_points = tl_load_u32(data) % (TL_FRAME_ENTRIES * TL_FRAME_POINTS);
	in.info.stored_len = (uint32) (size - POINTS_SIZE);
	in.frame = memcpy(palloc(in.info.stored_len), data + POINTS_SIZE, in.info.stored_len);
	in.info.crc = sample_crc(in.frame, in.info.stored_len);
	(void) backend_catch(read_frame, &in);
	backend_reset();
	return 0;
}
