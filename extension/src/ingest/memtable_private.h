/*
 * memtable_private.h
 *		What memtable.c fills and memtable_sort.c orders.
 */
#ifndef TL_MEMTABLE_PRIVATE_H
#define TL_MEMTABLE_PRIVATE_H

#include "ingest/memtable.h"

#define NO_SERIES PG_UINT32_MAX

/* Small, because writing and reading them again is most of what a memtable costs. */
typedef struct Point
{
	int64 ts;
	TlCell cell;
	uint32 series;
	uint32 kind : 4;
	uint32 attrs : 28; /* number from 1, or 0 */
} Point;

StaticAssertDecl(sizeof(Point) == 24, "a point of a memtable has grown");

#define ATTRS_MAX ((1u << 28) - 1)

/* From this point on, positions are ahead of indexes by shift: that many rows were rejected. */
typedef struct Gap
{
	uint32 index;
	uint32 shift;
} Gap;

typedef struct Series
{
	uint64 hash;
	TlKey key;
	uint32 count; /* points */
	uint32 next;  /* the series that followed it last time, or NO_SERIES */
	uint32 attrs; /* of its last point that had any, or 0 */
	int bucket;
	TlSeriesCheck check;
} Series;

StaticAssertDecl(sizeof(Series) == 64, "a series of a memtable has grown");

typedef struct Attrs
{
	uint64 hash;
	uint32 older; /* the next of its chain, numbered from 1, or 0 */
	TlRowAttrs row;
	TlAttrs out;
} Attrs;

/* An array that keeps its memory from one filling of the memtable to the next. */
typedef struct Array
{
	void *data;
	Size size; /* in bytes */
} Array;

/* A slot of the hash table: a part of the hash, so that most probes need not look at the series. */
typedef struct Slot
{
	uint32 tag;
	uint32 series; /* number + 1, or 0 */
} Slot;

/* Where a sorted series' points are in the columns. */
typedef struct Span
{
	uint32 series;
	uint32 offset;
	uint32 n;
	int bucket;
} Span;

typedef struct Columns
{
	int64 *ts;
	TlCell *cell;
	uint32 *position;	   /* NULL until it is needed */
	uint8 *kinds;		   /* NULL when the memtable has one kind */
	const TlAttrs **attrs; /* NULL when the memtable has none */
} Columns;

/* A recently copied metric, by its hash. */
#define METRIC_CACHE 64

struct TlMemtable
{
	MemoryContext context; /* arrays */
	MemoryContext arena_context;
	int buckets;

	/* memory of what follows */
	Array points_array;
	Array series_array;
	Array slots_array;
	Array spans_array;
	Array order_array;
	Array place_array;
	Array ts_array;
	Array cell_array;
	Array position_array;
	Array gaps_array;
	Array kinds_array;
	Array attrs_array;

	Point *points;
	uint32 n_points;
	uint8 kinds_seen; /* a bit for each kind */
	Gap *gaps;
	uint32 n_gaps;

	Series *series;
	uint32 n_series;
	uint32 last_series;
	Slot *slots; /* open addressing */
	uint32 n_slots;
	TlSlice metrics[METRIC_CACHE];

	Attrs **attrs;
	uint32 n_attrs;
	uint32 attrs_cap;
	uint32 attrs_chain[256];

	char *arena;
	Size arena_left;
	Size arena_total;

	/* once sorted */
	Columns columns;
	Span *spans;
	uint32 n_spans;
};

StaticAssertDecl(TL_KIND_LAST < 8, "kinds_seen has a bit for each kind");

/* Makes room for size bytes; what the array held is lost. */
extern void *tl_memtable_array(TlMemtable *m, Array *array, Size size);

#endif
