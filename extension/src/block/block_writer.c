/*
 * block_writer.c
 *		Lays out runs as a block.  See block.h for the format.
 *
 * The writer keeps one growing buffer for each section of the current frame and appends every
 * finished frame to the block's frames.  Its buffers live in the memory context it was created
 * in and are used again for the next block.
 */
#include "block/block.h"

#include <zstd.h>

#include "block/codec_time.h"
#include "block/codec_value.h"
#include "port/pg_crc32c.h"

/* So many of a frame's metrics are remembered; more are spelled out again. */
#define FRAME_METRICS 64

/* A frame's points, at most, doubled: an entry is added to a frame that is not full yet. */
#define ATTRS_SLOTS (4 * TL_FRAME_POINTS)

/* Attributes that a frame has numbered; what they are is in its dictionary. */
typedef struct FrameAttrs
{
	uint64 hash;
	size_t at; /* in attrs_dict */
	size_t len;
} FrameAttrs;

struct TlBlockWriter
{
	int zstd_level;

	/* the block so far */
	TlBuf index;
	TlBuf frames;
	TlBuf raw;
	uint32 n_frames;
	uint32 n_entries;
	uint32 n_points;
	int64 min_ts;
	int64 max_ts;
	uint32 last_first_len; /* device of the last frame's first key */
	char last_first[TL_KEY_MAX];

	/* the frame so far */
	TlBuf directory;
	TlBuf times;
	TlBuf values;
	TlBuf attrs;	  /* streams of the entries */
	TlBuf attrs_dict; /* the attributes they number */
	FrameAttrs *known_attrs;
	uint32 n_known_attrs;
	uint32 known_attrs_cap;
	uint32 *attrs_slots; /* open addressing; number + 1, or 0 */
	uint32 frame_entries;
	uint32 frame_points;
	int64 frame_min;
	int64 frame_max;
	uint32 first_device_len;
	uint32 first_metric_len;
	char first_device[TL_KEY_MAX];
	char first_metric[TL_KEY_MAX];
	uint32 device_len; /* of the last entry */
	char device[TL_KEY_MAX];
	uint32 n_metrics;
	uint8 metric_len[FRAME_METRICS];
	char metric[FRAME_METRICS][TL_KEY_MAX];
};

TlBlockWriter *
tl_block_writer_create(int zstd_level)
{
	TlBlockWriter *w = palloc0(sizeof(TlBlockWriter));

	w->zstd_level = zstd_level;
	tl_buf_init(&w->index, 256);
	tl_buf_init(&w->frames, 8192);
	tl_buf_init(&w->raw, 8192);
	tl_buf_init(&w->directory, 2048);
	tl_buf_init(&w->times, 2048);
	tl_buf_init(&w->values, 8192);
	tl_buf_init(&w->attrs, 256);
	tl_buf_init(&w->attrs_dict, 256);
	w->known_attrs_cap = 16;
	w->known_attrs = palloc(sizeof(FrameAttrs) * w->known_attrs_cap);
	w->attrs_slots = palloc0(sizeof(uint32) * ATTRS_SLOTS);
	return w;
}

bool
tl_block_writer_empty(const TlBlockWriter *w)
{
	return w->n_points == 0;
}

size_t
tl_block_writer_size(const TlBlockWriter *w)
{
	return w->index.len + w->frames.len;
}

static uint32
shared_prefix(const char *a, uint32 a_len, const char *b, uint32 b_len)
{
	uint32 limit = Min(a_len, b_len);
	uint32 i = 0;

	while (i < limit && a[i] == b[i])
		i++;
	return i;
}

/* Puts a device against the one before, and makes it the one before. */
static void
put_front_coded(TlBuf *buf, char *before, uint32 *before_len, const char *device, uint32 len)
{
	uint32 shared = shared_prefix(before, *before_len, device, len);

	tl_buf_put_varint(buf, shared);
	tl_buf_put_varint(buf, len - shared);
	tl_buf_put(buf, device + shared, len - shared);
	memcpy(before + shared, device + shared, len - shared);
	*before_len = len;
}

static void
put_metric(TlBlockWriter *w, TlSlice metric)
{
	for (uint32 i = 0; i < w->n_metrics; i++)
		if (w->metric_len[i] == metric.len && memcmp(w->metric[i], metric.data, metric.len) == 0)
		{
			tl_buf_put_varint(&w->directory, i + 1);
			return;
		}
	tl_buf_put_varint(&w->directory, 0);
	tl_buf_put_varint(&w->directory, metric.len);
	tl_buf_put(&w->directory, metric.data, metric.len);
	if (w->n_metrics < FRAME_METRICS)
	{
		w->metric_len[w->n_metrics] = (uint8) metric.len;
		memcpy(w->metric[w->n_metrics++], metric.data, metric.len);
	}
}

static void
put_present(TlBuf *buf, TlSlice s)
{
	if (s.data == NULL)
		return;
	tl_buf_put_varint(buf, s.len);
	tl_buf_put(buf, s.data, s.len);
}

/*
 * The number of these attributes in the frame, which learns them if they are new: they are put
 * into its dictionary, and taken off again if they turn out to be there.
 */
static uint32
number_attrs(TlBlockWriter *w, const TlAttrs *a)
{
	TlBuf *dict = &w->attrs_dict;
	FrameAttrs new = {.at = dict->len};
	uint32 slot;

	tl_buf_put_u8(dict, (uint8) ((a->unit.data != NULL) | (a->tags.data != NULL) << 1 |
								 (a->metadata.data != NULL) << 2));
	put_present(dict, a->unit);
	put_present(dict, a->tags);
	put_present(dict, a->metadata);
	new.len = dict->len - new.at;
	new.hash = tl_hash_bytes(dict->data + new.at, new.len, 0);

	for (slot = new.hash % ATTRS_SLOTS; w->attrs_slots[slot] != 0; slot = (slot + 1) % ATTRS_SLOTS)
	{
		const FrameAttrs *k = &w->known_attrs[w->attrs_slots[slot] - 1];

		if (k->hash == new.hash &&
			k->len == new.len &&memcmp(dict->data + k->at, dict->data + new.at, new.len) == 0)
		{
			dict->len = new.at;
			return w->attrs_slots[slot] - 1;
		}
	}

	if (w->n_known_attrs == w->known_attrs_cap)
	{
		w->known_attrs_cap *= 2;
		w->known_attrs = repalloc(w->known_attrs, sizeof(FrameAttrs) * w->known_attrs_cap);
	}
	w->known_attrs[w->n_known_attrs] = new;
	w->attrs_slots[slot] = ++w->n_known_attrs;
	return w->n_known_attrs - 1;
}

static void
put_attrs(TlBlockWriter *w, const TlAttrs *const *attrs, uint32 n)
{
	for (uint32 i = 0; i < n;)
	{
		uint32 start = i;
		uint32 number = attrs[i] == NULL ? 0 : number_attrs(w, attrs[i]) + 1;

		while (i < n && attrs[i] == attrs[start])
			i++;
		tl_buf_put_varint(&w->attrs, number);
		tl_buf_put_varint(&w->attrs, i - start);
	}
}

/* Compresses the raw frame behind the frames so far, unless that would not make it smaller. */
static uint32
append_frame(TlBlockWriter *w, bool *compressed)
{
	static ZSTD_CCtx *zstd = NULL; /* one for the process: it is large and outlives errors */
	size_t bound = ZSTD_compressBound(w->raw.len);
	size_t got;

	if (zstd == NULL)
		zstd = ZSTD_createCCtx();
	tl_buf_reserve(&w->frames, Max(bound, w->raw.len));
	got = ZSTD_compressCCtx(zstd, w->frames.data + w->frames.len, bound, w->raw.data, w->raw.len,
							w->zstd_level);
	*compressed = !ZSTD_isError(got) && got < w->raw.len;
	if (!*compressed)
	{
		memcpy(w->frames.data + w->frames.len, w->raw.data, w->raw.len);
		got = w->raw.len;
	}
	return (uint32) got;
}

static void
finish_frame(TlBlockWriter *w)
{
	TlBuf *raw = &w->raw;
	TlBuf *index = &w->index;
	int64 day = tl_day_of(w->min_ts);
	bool compressed;
	uint32 stored;
	pg_crc32c crc;
	char crc_bytes[4];

	if (w->frame_entries == 0)
		return;

	raw->len = 0;
	tl_buf_put_varint(raw, w->frame_entries);
	tl_buf_put_varint(raw, w->directory.len);
	tl_buf_put_varint(raw, w->times.len);
	tl_buf_put_varint(raw, w->values.len);
	tl_buf_put(raw, w->directory.data, w->directory.len);
	tl_buf_put(raw, w->times.data, w->times.len);
	tl_buf_put(raw, w->values.data, w->values.len);
	if (w->n_known_attrs > 0)
	{
		tl_buf_put_varint(raw, w->n_known_attrs);
		tl_buf_put(raw, w->attrs_dict.data, w->attrs_dict.len);
		tl_buf_put(raw, w->attrs.data, w->attrs.len);
	}

	stored = append_frame(w, &compressed);
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, w->frames.data + w->frames.len, stored);
	FIN_CRC32C(crc);
	tl_store_u32(crc_bytes, crc);
	w->frames.len += stored;

	tl_buf_put_varint(index, stored);
	tl_buf_put_varint(index, compressed ? raw->len : 0);
	tl_buf_put(index, crc_bytes, sizeof(crc_bytes));
	tl_buf_put_varint(index, w->frame_entries);
	tl_buf_put_varint(index, w->frame_points);
	tl_buf_put_varint(index, (uint64) (w->frame_min - day));
	tl_buf_put_varint(index, (uint64) (w->frame_max - w->frame_min));
	put_front_coded(index, w->last_first, &w->last_first_len, w->first_device, w->first_device_len);
	tl_buf_put_varint(index, w->first_metric_len);
	tl_buf_put(index, w->first_metric, w->first_metric_len);

	w->n_frames++;
	w->n_entries += w->frame_entries;
	w->frame_entries = w->frame_points = 0;
	w->directory.len = w->times.len = w->values.len = w->attrs.len = w->attrs_dict.len = 0;
	if (w->n_known_attrs > 0)
		memset(w->attrs_slots, 0, sizeof(uint32) * ATTRS_SLOTS);
	w->n_known_attrs = 0;
	w->n_metrics = 0;
	w->device_len = 0;
}

static size_t
frame_bytes(const TlBlockWriter *w)
{
	return w->directory.len + w->times.len + w->values.len + w->attrs.len + w->attrs_dict.len;
}

/* A part of a run may have none although the run has; its frame then may have no dictionary. */
static bool
has_any_attrs(const TlRun *run)
{
	if (run->attrs == NULL)
		return false;
	for (uint32 i = 0; i < run->n; i++)
		if (run->attrs[i] != NULL)
			return true;
	return false;
}

static void
add_entry(TlBlockWriter *w, const TlRun *run)
{
	int64 first = run->ts[0];
	int64 last = run->ts[run->n - 1];
	int64 day = tl_day_of(first);
	TlBuf *dir = &w->directory;
	bool has_attrs = has_any_attrs(run);
	size_t times_at = w->times.len;
	size_t values_at = w->values.len;
	size_t attrs_at = w->attrs.len;
	int unit = tl_time_choose_unit(run->ts, run->n, day);
	int64 scale = tl_time_unit[unit];
	TlTimeMode mode;

	Assert(last < day + TL_USECS_PER_DAY && run->n <= TL_FRAME_POINTS);
	if (w->frame_entries == 0)
	{
		w->frame_min = first;
		w->frame_max = last;
		w->first_device_len = run->key.device.len;
		w->first_metric_len = run->key.metric.len;
		memcpy(w->first_device, run->key.device.data, run->key.device.len);
		memcpy(w->first_metric, run->key.metric.data, run->key.metric.len);
	}
	if (w->n_points == 0)
	{
		w->min_ts = first;
		w->max_ts = last;
	}
	Assert(day == tl_day_of(w->min_ts));

	mode = tl_time_encode(&w->times, run->ts, run->n, unit);
	tl_values_encode(&w->values, run);
	if (has_attrs)
		put_attrs(w, run->attrs, run->n);

	tl_buf_put_u8(dir, (uint8) (run->kind | mode << 3 | unit << 5 | has_attrs << 7));
	put_front_coded(dir, w->device, &w->device_len, run->key.device.data, run->key.device.len);
	put_metric(w, run->key.metric);
	tl_buf_put_varint(dir, run->n - 1);
	tl_buf_put_varint(dir, (uint64) ((first - day) / scale));
	if (run->n > 1)
		tl_buf_put_varint(dir, (uint64) ((last - first) / scale));
	if (mode != TL_TIME_REGULAR)
		tl_buf_put_varint(dir, w->times.len - times_at);
	tl_buf_put_varint(dir, w->values.len - values_at);
	if (has_attrs)
		tl_buf_put_varint(dir, w->attrs.len - attrs_at);

	w->frame_entries++;
	w->frame_points += run->n;
	w->n_points += run->n;
	w->frame_min = Min(w->frame_min, first);
	w->frame_max = Max(w->frame_max, last);
	w->min_ts = Min(w->min_ts, first);
	w->max_ts = Max(w->max_ts, last);
	if (w->frame_points >= TL_FRAME_POINTS || w->frame_entries >= TL_FRAME_ENTRIES ||
		frame_bytes(w) >= TL_FRAME_BYTES)
		finish_frame(w);
}

/* How many of the run's points from start on may be one entry. */
static uint32
entry_length(const TlRun *run, uint32 start)
{
	uint32 limit = Min(run->n - start, TL_FRAME_POINTS);
	size_t bytes = 0;

	if (run->attrs == NULL && run->kind != TL_KIND_MIXED && tl_cell_is_whole(run->kind))
		return limit;
	for (uint32 i = 0; i < limit; i++)
	{
		const TlAttrs *a = run->attrs == NULL ? NULL : run->attrs[start + i];

		bytes += tl_cell_bytes(tl_run_kind(run, start + i), run->cell[start + i]);
		if (a != NULL && (i == 0 || a != run->attrs[start + i - 1]))
			bytes += a->unit.len + a->tags.len + a->metadata.len;
		if (bytes > TL_FRAME_BYTES && i > 0)
			return i;
	}
	return limit;
}

void
tl_block_writer_add(TlBlockWriter *w, const TlRun *run)
{
	Assert(run->n > 0 && run->key.device.len > 0 && run->key.device.len <= TL_KEY_MAX &&
		   run->key.metric.len > 0 && run->key.metric.len <= TL_KEY_MAX);
	for (uint32 start = 0; start < run->n;)
	{
		uint32 n = entry_length(run, start);
		TlRun part = tl_run_part(run, start, n);

		add_entry(w, &part);
		start += n;
	}
}

void
tl_block_writer_finish(TlBlockWriter *w, TlBlockInfo *info)
{
	size_t total;
	char *p;
	pg_crc32c crc;

	finish_frame(w);
	total = TL_BLOCK_HEADER_SIZE + w->index.len + w->frames.len;
	info->n_points = w->n_points;
	info->min_ts = w->min_ts;
	info->max_ts = w->max_ts;
	info->data = palloc(VARHDRSZ + total);
#ifdef FRONTEND
	tl_store_u32(info->data, (uint32) (VARHDRSZ + total));
	p = (char *) info->data + VARHDRSZ;
#else
	SET_VARSIZE(info->data, VARHDRSZ + total);
	p = VARDATA(info->data);
#endif
	memcpy(p, "TLB1", 4);
	tl_store_u32(p + 4, 1);
	tl_store_u32(p + 12, (uint32) total);
	tl_store_u32(p + 16, (uint32) w->index.len);
	tl_store_u32(p + 20, w->n_frames);
	tl_store_u32(p + 24, w->n_entries);
	tl_store_u32(p + 28, w->n_points);
	tl_store_u64(p + 32, (uint64) w->min_ts);
	tl_store_u64(p + 40, (uint64) w->max_ts);
	memcpy(p + TL_BLOCK_HEADER_SIZE, w->index.data, w->index.len);
	memcpy(p + TL_BLOCK_HEADER_SIZE + w->index.len, w->frames.data, w->frames.len);

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, p + 12, TL_BLOCK_HEADER_SIZE - 12 + w->index.len);
	FIN_CRC32C(crc);
	tl_store_u32(p + 8, crc);

	w->index.len = w->frames.len = 0;
	w->n_frames = w->n_entries = w->n_points = 0;
	w->last_first_len = 0;
}
