/*
 * test_block_damage.c
 *		Damaged blocks: corruption is reported, or what is read is sound; nothing else happens.
 */
#include "backend.h"
#include "sample.h"
#include "tap.h"

#include <zstd.h>

static uint64 points;

static void
read_block(void *arg)
{
	points = sample_read(*(Bytes *) arg);
}

/* In memory of its own, so that a sanitizer sees reads past its end. */
static Bytes
copy_of(Bytes block, size_t len)
{
	Bytes copy = {memcpy(palloc(len), block.data, len), len};

	return copy;
}

static void
undamaged_block_is_read(void)
{
	for (uint64 seed = 1; seed <= 20; seed++)
	{
		Bytes packed = sample_block(seed);
		Bytes unpacked = sample_unpack(packed);

		TAP_CHECK(packed.len < 3000);
		TAP_CHECK(backend_catch(read_block, &packed) == NULL && points > 2 * TL_FRAME_POINTS);
		TAP_CHECK(backend_catch(read_block, &unpacked) == NULL);
		sample_fix_checksums(unpacked);
		TAP_CHECK(backend_catch(read_block, &unpacked) == NULL);
		backend_reset();
	}
}

static void
every_truncation_is_corrupt(void)
{
	for (int form = 0; form < 2; form++)
	{
		Bytes block = form == 0 ? sample_block(1) : sample_unpack(sample_block(1));
		char *original = memcpy(malloc(block.len), block.data, block.len);

		for (size_t len = 0; len < block.len; len++)
		{
			Bytes cut = copy_of((Bytes){original, len}, len);

			TAP_CHECK(backend_catch(read_block, &cut) != NULL);
			backend_reset();
		}
		free(original);
	}
}

static void
truncation_with_fixed_lengths_is_corrupt(void)
{
	Bytes block = sample_unpack(sample_block(1));
	char *original = memcpy(malloc(block.len), block.data, block.len);

	for (size_t len = TL_BLOCK_HEADER_SIZE; len < block.len; len++)
	{
		Bytes cut = copy_of((Bytes){original, len}, len);

		tl_store_u32(cut.data + 12, (uint32) len);
		sample_fix_checksums(cut);
		TAP_CHECK(backend_catch(read_block, &cut) != NULL);
		backend_reset();
	}
	free(original);
}

static void
bytes_after_the_end_are_corrupt(void)
{
	Bytes block = sample_block(1);
	Bytes longer = {palloc0(block.len + 1), block.len + 1};

	memcpy(longer.data, block.data, block.len);
	TAP_CHECK(backend_catch(read_block, &longer) != NULL);
	backend_reset();
}

/* Flips bits of each byte in turn; returns how often corruption was reported. */
static uint64
flip_each_byte(Bytes block, bool fix, uint64 *tried)
{
	static const uint8 flips[] = {0x01, 0x80, 0xff};
	char *original = memcpy(malloc(block.len), block.data, block.len);
	size_t len = block.len;
	uint64 corrupt = 0;

	*tried = 0;
	for (size_t at = 0; at < len; at++)
		for (size_t i = 0; i < lengthof(flips); i++)
		{
			Bytes damaged = copy_of((Bytes){original, len}, len);

			damaged.data[at] ^= flips[i];
			if (fix)
				sample_fix_checksums(damaged);
			corrupt += backend_catch(read_block, &damaged) != NULL;
			++*tried;
			backend_reset();
		}
	free(original);
	return corrupt;
}

static void
every_flipped_byte_is_corrupt(void)
{
	uint64 tried;

	TAP_CHECK(flip_each_byte(sample_block(1), false, &tried) == tried);
	TAP_CHECK(flip_each_byte(sample_unpack(sample_block(2)), false, &tried) == tried);
}

static void
flipped_byte_behind_its_checksum_is_corrupt_or_read(void)
{
	uint64 tried;
	uint64 corrupt;

	/* Of a changed value nobody but the checksum knows; of structure others do. */
	corrupt = flip_each_byte(sample_unpack(sample_block(3)), true, &tried);
	TAP_CHECK(corrupt > 0 && corrupt < tried);
	printf("# %llu of %llu found corrupt without the help of checksums\n",
		   (unsigned long long) corrupt, (unsigned long long) tried);
	corrupt = flip_each_byte(sample_block(3), true, &tried);
	TAP_CHECK(corrupt > 0);
}

static void
random_damage_behind_checksums_is_corrupt_or_read(void)
{
	Random random = {4};
	Bytes block = sample_unpack(sample_block(4));
	char *original = memcpy(malloc(block.len), block.data, block.len);
	size_t len = block.len;

	for (int round = 0; round < 20000; round++)
	{
		Bytes damaged = copy_of((Bytes){original, len}, len);

		for (uint64 i = 1 + random_below(&random, 3); i > 0; i--)
		{
			/* Beyond the magic and version, which would only hide the rest. */
			size_t at = 8 + random_below(&random, len - 8);

			damaged.data[at] =
				random_below(&random, 2) == 0 ? (char) random_bits(&random) : (char) 0xff;
		}
		sample_fix_checksums(damaged);
		(void) backend_catch(read_block, &damaged);
		backend_reset();
	}
	free(original);
}

static void
noise_is_no_block(void)
{
	Random random = {5};

	for (int round = 0; round < 2000; round++)
	{
		Bytes noise;

		noise.len = random_below(&random, 200);
		noise.data = palloc(noise.len);
		random_fill(&random, noise.data, noise.len);
		if (noise.len >= 8)
			memcpy(noise.data, "TLB1\1\0\0\0", 8);
		sample_fix_checksums(noise);
		TAP_CHECK(backend_catch(read_block, &noise) != NULL);
		backend_reset();
	}
}

typedef struct HostileFrame
{
	TlBlockIndex index;
	TlFrameInfo info;
	char *stored;
} HostileFrame;

static void
open_hostile_frame(void *arg)
{
	HostileFrame *hostile = arg;

	(void) tl_frame_open(&hostile->index, &hostile->info, hostile->stored,
						 hostile->info.stored_len);
}

/* A small frame may unpack to much; how much memory that leads to must be bounded. */
static void
frame_that_claims_millions_of_attributes_is_corrupt(void)
{
	HostileFrame hostile = {.index = {.min_ts = SAMPLE_DAY},
							.info = {.n_entries = 1, .n_points = 1}};
	uint32 raw_len = TL_FRAME_RAW_MAX;
	char *raw = palloc0(raw_len);
	uint8 *p = (uint8 *) raw;
	size_t bound = ZSTD_compressBound(raw_len);

	p = tl_varint_write(p, 1);
	p = tl_varint_write(p, 8);
	p = tl_varint_write(p, 0);
	p = tl_varint_write(p, 0);
	memcpy(p, "\1\0\1d\0\1m\0", 8);
	p = tl_varint_write(p + 8, raw_len - 64);

	hostile.stored = palloc(bound);
	hostile.info.stored_len = (uint32) ZSTD_compress(hostile.stored, bound, raw, raw_len, 1);
	hostile.info.raw_len = raw_len;
	hostile.info.crc = sample_crc(hostile.stored, hostile.info.stored_len);
	TAP_CHECK(hostile.info.stored_len < 100000);
	TAP_CHECK(backend_catch(open_hostile_frame, &hostile) != NULL);
	backend_reset();
}

int
main(void)
{
	TAP_RUN(undamaged_block_is_read);
	TAP_RUN(every_truncation_is_corrupt);
	TAP_RUN(truncation_with_fixed_lengths_is_corrupt);
	TAP_RUN(bytes_after_the_end_are_corrupt);
	TAP_RUN(every_flipped_byte_is_corrupt);
	TAP_RUN(flipped_byte_behind_its_checksum_is_corrupt_or_read);
	TAP_RUN(random_damage_behind_checksums_is_corrupt_or_read);
	TAP_RUN(noise_is_no_block);
	TAP_RUN(frame_that_claims_millions_of_attributes_is_corrupt);
	return tap_end();
}
