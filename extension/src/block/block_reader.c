/*
 * block_reader.c
 *		Opens blocks and frames whose bytes may be anything.  See block.h for the format.
 *
 * Checksums catch decay; every count, length and offset is checked all the same, so that bytes
 * made to deceive raise ERRCODE_DATA_CORRUPTED and do nothing else.
 */
#include "block/block.h"

#include <zstd.h>

#include "block/codec_time.h"
#include "block/codec_value.h"
#include "port/pg_crc32c.h"

/* A frame's index entry is no shorter, which bounds how many an index can hold. */
#define INDEX_ENTRY_MIN 13

/* Likewise an entry of a frame's directory. */
#define DIRECTORY_ENTRY_MIN 6

static bool
checksum_matches(const void *data, size_t len, uint32 expected)
{
	pg_crc32c crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, data, len);
	FIN_CRC32C(crc);
	return crc == expected;
}

uint32
tl_block_index_size(const void *data, size_t len)
{
	const char *p = data;
	uint32 length;
	uint32 index_len;

	if (len < TL_BLOCK_HEADER_SIZE || memcmp(p, "TLB1", 4) != 0)
		tl_corrupt("this is not a block");
	if (tl_load_u32(p + 4) != 1)
		tl_corrupt("unknown block version");
	length = tl_load_u32(p + 12);
	index_len = tl_load_u32(p + 16);
	if (length < TL_BLOCK_HEADER_SIZE || index_len > length - TL_BLOCK_HEADER_SIZE)
		tl_corrupt("the block's lengths contradict each other");
	return TL_BLOCK_HEADER_SIZE + index_len;
}

/* Reads a front-coded device into a copy of its own, unless it is the one before. */
static TlSlice
read_front_coded(TlReader *r, TlSlice before)
{
	uint32 shared = tl_read_count(r, before.len);
	uint32 rest = tl_read_count(r, TL_KEY_MAX - shared);
	const uint8 *bytes = tl_read_bytes(r, rest);
	TlSlice device;
	char *copy;

	if (rest == 0 && shared == before.len && shared > 0)
		return before;
	if (shared + rest == 0)
		tl_corrupt("an empty device");
	copy = palloc(shared + rest);
	if (shared > 0)
		memcpy(copy, before.data, shared);
	memcpy(copy + shared, bytes, rest);
	device.data = copy;
	device.len = shared + rest;
	return device;
}

static TlSlice
read_metric(TlReader *r)
{
	TlSlice metric;

	metric.len = tl_read_count(r, TL_KEY_MAX);
	if (metric.len == 0)
		tl_corrupt("an empty metric");
	metric.data = (const char *) tl_read_bytes(r, metric.len);
	return metric;
}

/* Reads an offset from the day's start, no later than the day's end. */
static int64
read_time(TlReader *r, int64 from, int64 scale, int64 day)
{
	int64 room = day + TL_USECS_PER_DAY - 1 - from;
	uint64 offset = tl_read_varint(r);

	if (room < 0 || offset > (uint64) (room / scale))
		tl_corrupt("a timestamp lies outside the block's day");
	return from + (int64) offset * scale;
}

TlBlockIndex *
tl_block_index_open(const void *data, size_t len)
{
	uint32 size = tl_block_index_size(data, len);
	const char *p = data;
	TlBlockIndex *index;
	TlReader r;
	TlSlice before = {NULL, 0};
	uint64 offset = size;
	uint64 entries = 0;
	uint64 points = 0;
	int64 day;

	if (len < size)
		tl_corrupt("the block ends before its index does");
	if (!checksum_matches(p + 12, size - 12, tl_load_u32(p + 8)))
		tl_corrupt("the checksum of a block's index does not match");

	index = palloc(sizeof(TlBlockIndex));
	index->length = tl_load_u32(p + 12);
	index->n_frames = tl_load_u32(p + 20);
	index->n_entries = tl_load_u32(p + 24);
	index->n_points = tl_load_u32(p + 28);
	index->min_ts = (int64) tl_load_u64(p + 32);
	index->max_ts = (int64) tl_load_u64(p + 40);
	if (index->min_ts > index->max_ts || index->min_ts < PG_INT64_MIN + TL_USECS_PER_DAY ||
		index->max_ts > PG_INT64_MAX - TL_USECS_PER_DAY)
		tl_corrupt("the block's time range is out of range");
	day = tl_day_of(index->min_ts);
	if (index->max_ts >= day + TL_USECS_PER_DAY)
		tl_corrupt("the block crosses a day");
	if (index->n_frames == 0 || index->n_frames > (size - TL_BLOCK_HEADER_SIZE) / INDEX_ENTRY_MIN)
		tl_corrupt("the block's number of frames is out of range");
	/* The index was copied so that its keys outlive the bytes handed in. */
	r = tl_reader(memcpy(palloc(size), p, size), size);
	(void) tl_read_bytes(&r, TL_BLOCK_HEADER_SIZE);

	index->frames = palloc(sizeof(TlFrameInfo) * index->n_frames);
	for (uint32 i = 0; i < index->n_frames; i++)
	{
		TlFrameInfo *f = &index->frames[i];

		f->offset = (uint32) offset;
		f->stored_len = tl_read_count(&r, index->length - offset);
		f->raw_len = tl_read_count(&r, TL_FRAME_RAW_MAX);
		f->crc = tl_load_u32(tl_read_bytes(&r, 4));
		f->n_entries = tl_read_count(&r, TL_FRAME_ENTRIES);
		f->n_points = tl_read_count(&r, (uint64) TL_FRAME_ENTRIES * TL_FRAME_POINTS);
		f->min_ts = read_time(&r, day, 1, day);
		f->max_ts = read_time(&r, f->min_ts, 1, day);
		f->first.device = before = read_front_coded(&r, before);
		f->first.metric = read_metric(&r);
		if (f->n_entries == 0)
			tl_corrupt("an empty frame");
		offset += f->stored_len;
		entries += f->n_entries;
		points += f->n_points;
	}
	if (tl_reader_left(&r) != 0 || offset != index->length || entries != index->n_entries ||
		points != index->n_points)
		tl_corrupt("the block's totals do not match its frames");
	return index;
}

/* The raw bytes of a frame: the stored ones, or what they decompress to. */
static TlReader
frame_raw(const TlFrameInfo *info, const void *stored)
{
	static ZSTD_DCtx *zstd = NULL;
	char *raw;
	size_t got;

	if (info->raw_len == 0)
		return tl_reader(stored, info->stored_len);
	if (zstd == NULL)
		zstd = ZSTD_createDCtx();
	raw = palloc(info->raw_len);
	got = ZSTD_decompressDCtx(zstd, raw, info->raw_len, stored, info->stored_len);
	if (ZSTD_isError(got) || got != info->raw_len)
		tl_corrupt("a frame does not decompress");
	return tl_reader(raw, info->raw_len);
}

static TlSlice
read_slice(TlReader *r)
{
	TlSlice s;

	s.len = tl_read_count(r, tl_reader_left(r));
	s.data = (const char *) tl_read_bytes(r, s.len);
	return s;
}

/* Each of a frame's attributes belongs to a point of it, so there are at most n_points. */
static void
read_attrs_dictionary(TlReader *r, TlFrame *frame, uint32 n_points)
{
	frame->n_attrs = 0;
	frame->attrs = NULL;
	if (tl_reader_left(r) == 0)
		return;
	frame->n_attrs = tl_read_count(r, Min(tl_reader_left(r), n_points));
	frame->attrs = palloc0(sizeof(TlAttrs) * Max(frame->n_attrs, 1));
	for (uint32 i = 0; i < frame->n_attrs; i++)
	{
		uint8 present = tl_read_u8(r);

		if (present & 1)
			frame->attrs[i].unit = read_slice(r);
		if (present & 2)
			frame->attrs[i].tags = read_slice(r);
		if (present & 4)
			frame->attrs[i].metadata = read_slice(r);
	}
}

TlFrame *
tl_frame_open(const TlBlockIndex *index, const TlFrameInfo *info, const void *stored, size_t len)
{
	int64 day = tl_day_of(index->min_ts);
	TlFrame *frame = palloc(sizeof(TlFrame));
	TlReader r;
	TlReader dir;
	TlReader times;
	TlReader values;
	TlSlice device = {NULL, 0};
	TlSlice *metrics;
	uint32 n_metrics = 0;
	uint64 points = 0;
	uint32 dir_len;
	uint32 times_len;
	uint32 values_len;

	if (len < info->stored_len || !checksum_matches(stored, info->stored_len, info->crc))
		tl_corrupt("the checksum of a frame does not match");
	r = frame_raw(info, stored);

	frame->n_entries = tl_read_count(&r, tl_reader_left(&r) / DIRECTORY_ENTRY_MIN);
	if (frame->n_entries != info->n_entries)
		tl_corrupt("a frame's number of entries does not match the index");
	dir_len = tl_read_count(&r, tl_reader_left(&r));
	times_len = tl_read_count(&r, tl_reader_left(&r));
	values_len = tl_read_count(&r, tl_reader_left(&r));
	dir = tl_read_section(&r, dir_len);
	times = tl_read_section(&r, times_len);
	values = tl_read_section(&r, values_len);
	read_attrs_dictionary(&r, frame, info->n_points);

	frame->entries = palloc(sizeof(TlEntry) * frame->n_entries);
	metrics = palloc(sizeof(TlSlice) * frame->n_entries);
	for (uint32 i = 0; i < frame->n_entries; i++)
	{
		TlEntry *e = &frame->entries[i];
		uint8 flags = tl_read_u8(&dir);
		int64 scale;
		uint32 metric;

		e->kind = flags & 7;
		e->time_mode = flags >> 3 & 3;
		e->time_unit = flags >> 5 & 3;
		if (e->kind > TL_KIND_LAST || e->time_unit >= TL_TIME_UNITS)
			tl_corrupt("bad flags of a series");
		scale = tl_time_unit[e->time_unit];
		e->key.device = device = read_front_coded(&dir, device);
		metric = tl_read_count(&dir, n_metrics);
		if (metric == 0)
			metrics[n_metrics++] = e->key.metric = read_metric(&dir);
		else
			e->key.metric = metrics[metric - 1];
		e->n = tl_read_count(&dir, TL_FRAME_POINTS - 1) + 1;
		e->first = e->last = read_time(&dir, day, scale, day);
		if (e->n > 1)
			e->last = read_time(&dir, e->first, scale, day);
		e->times = tl_read_section(&times, e->time_mode == TL_TIME_REGULAR
											   ? 0
											   : tl_read_count(&dir, tl_reader_left(&times)));
		e->values = tl_read_section(&values, tl_read_count(&dir, tl_reader_left(&values)));
		e->attrs = tl_read_section(&r, flags & 0x80 ? tl_read_count(&dir, tl_reader_left(&r)) : 0);
		points += e->n;
	}
	if (points != info->n_points || tl_reader_left(&dir) != 0)
		tl_corrupt("a frame's totals do not match the index");
	pfree(metrics);
	return frame;
}

void
tl_run_arrays_reserve(TlRunArrays *arrays, uint32 n)
{
	if (n <= arrays->cap)
		return;
	tl_run_arrays_free(arrays);
	arrays->ts = palloc(sizeof(int64) * n);
	arrays->cell = palloc(sizeof(TlCell) * n);
	arrays->kinds = palloc(n);
	arrays->attrs = palloc(sizeof(TlAttrs *) * n);
	arrays->cap = n;
}

void
tl_run_arrays_free(TlRunArrays *arrays)
{
	if (arrays->cap > 0)
	{
		pfree(arrays->ts);
		pfree(arrays->cell);
		pfree(arrays->kinds);
		pfree(arrays->attrs);
	}
	memset(arrays, 0, sizeof(TlRunArrays));
}

static void
decode_attrs(const TlFrame *frame, TlReader r, uint32 n, const TlAttrs **attrs)
{
	for (uint32 i = 0; i < n;)
	{
		uint32 number = tl_read_count(&r, frame->n_attrs);
		uint32 run = tl_read_count(&r, n - i);
		const TlAttrs *a = number == 0 ? NULL : &frame->attrs[number - 1];

		if (run == 0)
			tl_corrupt("an empty run of attributes");
		for (uint32 stop = i + run; i < stop; i++)
			attrs[i] = a;
	}
}

void
tl_entry_decode(const TlFrame *frame, const TlEntry *entry, int columns, TlRunArrays *arrays,
				TlRun *run)
{
	TlReader times = entry->times;
	TlReader values = entry->values;

	tl_run_arrays_reserve(arrays, entry->n);
	memset(run, 0, sizeof(TlRun));
	run->key = entry->key;
	run->n = entry->n;
	run->kind = entry->kind;
	run->ts = arrays->ts;
	tl_time_decode(&times, entry->time_mode, entry->time_unit, entry->first, entry->last, entry->n,
				   arrays->ts);
	if (columns & TL_COLUMN_VALUE)
	{
		run->cell = arrays->cell;
		run->kinds = entry->kind == TL_KIND_MIXED ? arrays->kinds : NULL;
		tl_values_decode(&values, entry->kind, entry->n, arrays->cell, arrays->kinds);
	}
	if ((columns & TL_COLUMN_ATTRS) && tl_reader_left(&entry->attrs) > 0)
	{
		run->attrs = arrays->attrs;
		decode_attrs(frame, entry->attrs, entry->n, arrays->attrs);
	}
}
