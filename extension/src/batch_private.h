/*
 * batch_private.h
 *		What batch.c fills and batch_sort.c orders.
 */
#ifndef TL_BATCH_PRIVATE_H
#define TL_BATCH_PRIVATE_H

#include "batch.h"

#define NO_SERIES PG_UINT32_MAX

typedef struct Point
{
	int64 ts;
	TlCell cell;
	uint32 series;
	uint32 position;
	uint32 attrs; /* number from 1, or 0 */
	uint8 kind;
} Point;

typedef struct Series
{
	uint64 hash;
	TlKey key;
	uint32 count; /* points */
	uint32 next;  /* the series that followed it last time, or NO_SERIES */
	uint32 attrs; /* of its last point that had any, or 0 */
	int bucket;
	TlSeriesState state;
} Series;

typedef struct Attrs
{
	uint64 hash;
	uint32 older; /* the next of its chain, numbered from 1, or 0 */
	TlRowAttrs row;
	TlAttrs out;
} Attrs;

struct TlBatch
{
	MemoryContext context;
	int buckets;

	Point *points;
	uint32 n_points;
	uint32 points_cap;
	uint8 kinds_seen; /* a bit for each kind */

	Series *series;
	uint32 n_series;
	uint32 series_cap;
	uint32 last_series;
	uint32 *slots; /* open addressing; series number + 1, or 0 */
	uint32 n_slots;

	Attrs **attrs;
	uint32 n_attrs;
	uint32 attrs_cap;
	uint32 attrs_chain[256];

	char *arena;
	Size arena_left;
	Size arena_total;
};

#endif
