/*
 * sample.h
 *		Blocks to test with: made, taken apart, damaged plausibly, read to the last byte.
 *
 * All memory is palloc'd; what a run points to lives as long.
 */
#ifndef SAMPLE_H
#define SAMPLE_H

#include "block/block.h"
#include "random.h"

/* 2024-02-29 00:00 UTC. */
#define SAMPLE_DAY (INT64CONST(8825) * TL_USECS_PER_DAY)

typedef struct Bytes
{
	char *data;
	size_t len;
} Bytes;

extern TlSlice sample_slice(const char *text);

/* A run of n points a second apart from the day's start, values of the kind (or mixed). */
extern TlRun *sample_run(Random *random, const char *device, const char *metric, uint8 kind,
						 uint32 n);

/* Gives some points of the run attributes, of `distinct` different ones. */
extern void sample_add_attrs(Random *random, TlRun *run, uint32 distinct);

/* The runs, already in order, as one block. */
extern Bytes sample_write(TlRun *const *runs, uint32 n);

/* A small block of every kind, with attributes, of three frames. */
extern Bytes sample_block(uint64 seed);

/* The same block with its frames not compressed. */
extern Bytes sample_unpack(Bytes block);

/* CRC-32C, as blocks use it. */
extern uint32 sample_crc(const void *data, size_t len);

/* Makes all checksums match again, as far as there is still structure to go by. */
extern void sample_fix_checksums(Bytes block);

/*
 * Decodes every point and touches every byte of it; returns how many there are.  Raises
 * corruption, and ends the program if something was read that a reader must never give out.
 */
extern uint64 sample_read_frame(const TlFrame *frame, int64 day);
extern uint64 sample_read(Bytes block);

#endif
