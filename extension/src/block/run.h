/*
 * run.h
 *		A run: consecutive points of one series, in columns.
 *
 * The unit in which points travel between the memtable, the block writer and reader, the
 * merge and the scan.  Timestamps are strictly increasing.  A run owns nothing: its arrays and
 * what they point to belong to whoever made it, and say until when they stay valid.
 */
#ifndef TL_RUN_H
#define TL_RUN_H

#include "block/cell.h"
#include "value/value.h"

/* Longest device_id, metric and unit, in bytes. */
#define TL_KEY_MAX 128

/* A series is named by its device and metric; keys sort by bucket, then bytewise. */
typedef struct TlKey
{
	TlSlice device;
	TlSlice metric;
} TlKey;

/* The bucket that a device's points belong to, from the device or from its hash with seed 0. */
static inline int
tl_bucket_of_hash(uint64 device_hash, int buckets)
{
	return (int) (device_hash % (uint64) buckets);
}

static inline int
tl_bucket_of(TlSlice device, int buckets)
{
	return tl_bucket_of_hash(tl_hash_bytes(device.data, device.len, 0), buckets);
}

/* What a point carries beside its value; equal ones share a number, see TlRun. */
typedef struct TlAttrs
{
	TlSlice unit;
	TlSlice tags;	  /* the output text of jsonb */
	TlSlice metadata; /* likewise */
} TlAttrs;

/* The kind of a run whose points are not all of one kind. */
#define TL_KIND_MIXED 0

typedef struct TlRun
{
	TlKey key;
	uint32 n;
	uint8 kind; /* of every point, or TL_KIND_MIXED */
	int64 *ts;	/* microseconds since 2000-01-01 UTC, as timestamptz */
	TlCell *cell;
	uint8 *kinds;		   /* of each point, if mixed, else NULL */
	const TlAttrs **attrs; /* of each point (NULL: none), or NULL when no point has any */
} TlRun;

static inline uint8
tl_run_kind(const TlRun *run, uint32 i)
{
	return run->kind != TL_KIND_MIXED ? run->kind : run->kinds[i];
}

/* The n points of a run that begin with one; it shares the run's arrays. */
static inline TlRun
tl_run_part(const TlRun *run, uint32 from, uint32 n)
{
	TlRun part = *run;

	part.n = n;
	part.ts += from;
	if (part.cell != NULL)
		part.cell += from;
	if (part.kinds != NULL)
		part.kinds += from;
	if (part.attrs != NULL)
		part.attrs += from;
	return part;
}

static inline int
tl_key_compare(const TlKey *a, const TlKey *b)
{
	int c = tl_slice_compare(a->device, b->device);

	return c != 0 ? c : tl_slice_compare(a->metric, b->metric);
}

static inline bool
tl_key_equal(const TlKey *a, const TlKey *b)
{
	return tl_slice_equal(a->device, b->device) && tl_slice_equal(a->metric, b->metric);
}

#endif
