/*
 * block.h
 *		The block format: a checksummed column file of many series within one UTC day.
 *
 * A block is the `data` of one row of telemetry.block.  It never changes once written.
 *
 *	header	48 bytes, little-endian:
 *			 0 u32 magic "TLB1"		16 u32 index length		32 i64 first timestamp
 *			 4 u32 version (1)		20 u32 frames			40 i64 last timestamp
 *			 8 u32 CRC-32C of all	24 u32 series entries
 *				   from 12 to the	28 u32 points
 *				   index's end
 *			12 u32 block length
 *	index	for each frame: varint stored length, varint raw length (0: not compressed), u32
 *			CRC-32C of the stored bytes, varint entries, varint points, varint first timestamp
 *			from the day's start, varint last from first, the key of its first entry (varint
 *			bytes of device shared with the frame before, varint and bytes of the rest, varint
 *			and bytes of metric)
 *	frames	one after the other, each zstd compressed on its own
 *
 * A frame is what one read has to fetch (a TOAST slice), check and decompress: some thousand
 * points of consecutive series.  Its raw bytes:
 *
 *	varint entries, varint lengths of the directory, times, values; attributes take the rest
 *	directory	for each entry: u8 kind | time mode << 3 | time unit << 5 | has attributes << 7;
 *				device front-coded against the entry before; metric as varint k: the k-th metric
 *				spelled out in this frame, or 0 and varint and bytes of a new one; varint
 *				points - 1; varint first timestamp from the day's start; if points > 1, varint
 *				last from first (both in units); if not regular, varint length of its times;
 *				varint length of its values; if it has attributes, varint length of those
 *	times		codec_time streams, in the order of the directory
 *	values		codec_value streams
 *	attributes	varint count; for each: u8 presence bits of unit, tags, metadata, then varint and
 *				bytes of each present; then per entry pairs (varint 0 or 1 + number, varint run)
 *
 * Entries are sorted by (bucket, device, metric, first timestamp); a long series spans several
 * entries, in time order, and may span frames.
 */
#ifndef TL_BLOCK_H
#define TL_BLOCK_H

#include "base/bytes.h"
#include "block/run.h"

#define TL_BLOCK_HEADER_SIZE 48
#define TL_USECS_PER_DAY INT64CONST(86400000000)

/* A frame is closed when it has this many points, entries or raw bytes. */
#define TL_FRAME_POINTS 4096
#define TL_FRAME_ENTRIES 1024
#define TL_FRAME_BYTES (256 * 1024)

/* No raw frame is larger: one value of the greatest size, and what belongs to it. */
#define TL_FRAME_RAW_MAX (64 * 1024 * 1024)

typedef struct TlFrameInfo
{
	uint32 offset; /* from the block's start */
	uint32 stored_len;
	uint32 raw_len; /* 0: stored as is */
	uint32 crc;
	uint32 n_entries;
	uint32 n_points;
	int64 min_ts;
	int64 max_ts;
	TlKey first; /* key of its first entry */
} TlFrameInfo;

typedef struct TlBlockIndex
{
	uint32 length; /* of the whole block */
	uint32 n_frames;
	uint32 n_entries;
	uint32 n_points;
	int64 min_ts;
	int64 max_ts;
	TlFrameInfo *frames;
} TlBlockIndex;

typedef struct TlEntry
{
	TlKey key;
	uint32 n;
	uint8 kind;
	uint8 time_mode;
	uint8 time_unit;
	int64 first;
	int64 last;
	TlReader times;
	TlReader values;
	TlReader attrs; /* empty when it has none */
} TlEntry;

typedef struct TlFrame
{
	uint32 n_entries;
	TlEntry *entries;
	uint32 n_attrs;
	TlAttrs *attrs;
} TlFrame;

/* Columns to decode beside the timestamps, which always are. */
#define TL_COLUMN_VALUE 0x01
#define TL_COLUMN_ATTRS 0x02

/* The start of the UTC day that ts lies in. */
static inline int64
tl_day_of(int64 ts)
{
	int64 rest = ts % TL_USECS_PER_DAY;

	return ts - (rest < 0 ? rest + TL_USECS_PER_DAY : rest);
}

/* Writing: runs are added in the order of their keys; all within one UTC day. */
typedef struct TlBlockWriter TlBlockWriter;

extern TlBlockWriter *tl_block_writer_create(int zstd_level);
extern void tl_block_writer_add(TlBlockWriter *w, const TlRun *run);
/* Whether nothing was added since the start or the last finish. */
extern bool tl_block_writer_empty(const TlBlockWriter *w);
/* Bytes that the block has so far, but for its last frame, which is not compressed yet. */
extern size_t tl_block_writer_size(const TlBlockWriter *w);

typedef struct TlBlockInfo
{
	uint32 n_points;
	int64 min_ts;
	int64 max_ts;
	struct varlena *data; /* a bytea, palloc'd in the current context */
} TlBlockInfo;

/* Completes the block and makes the writer ready for the next. */
extern void tl_block_writer_finish(TlBlockWriter *w, TlBlockInfo *info);

/*
 * Reading.  Results are palloc'd in the current memory context; an index owns its keys, a
 * frame's entries point into it and into the raw bytes that tl_frame_open makes.
 */

/* Bytes of header and index, from the first TL_BLOCK_HEADER_SIZE bytes of a block. */
extern uint32 tl_block_index_size(const void *data, size_t len);
extern TlBlockIndex *tl_block_index_open(const void *data, size_t len);

/* Opens a frame from its stored bytes, which may be freed afterwards unless not compressed. */
extern TlFrame *tl_frame_open(const TlBlockIndex *index, const TlFrameInfo *info,
							  const void *stored, size_t len);

/* Arrays to decode an entry into, kept and grown by their user. */
typedef struct TlRunArrays
{
	uint32 cap;
	int64 *ts;
	TlCell *cell;
	uint8 *kinds;
	const TlAttrs **attrs;
} TlRunArrays;

extern void tl_run_arrays_reserve(TlRunArrays *arrays, uint32 n);
extern void tl_run_arrays_free(TlRunArrays *arrays);

/* Decodes the entry's timestamps and the columns asked for (others are left NULL in run). */
extern void tl_entry_decode(const TlFrame *frame, const TlEntry *entry, int columns,
							TlRunArrays *arrays, TlRun *run);

#endif
