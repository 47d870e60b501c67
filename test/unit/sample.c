/*
 * sample.c
 *		Blocks to test with.  See sample.h.
 */
#include "sample.h"

#include <zstd.h>

#include "backend.h"
#include "port/pg_crc32c.h"

#define INDEX_LENGTH_AT 16
#define FRAMES_AT 20
#define HEADER_CRC_AT 8

TlSlice
sample_slice(const char *text)
{
	return (TlSlice){text, (uint32) strlen(text)};
}

static uint8
random_kind(Random *random)
{
	return (uint8) (TL_KIND_NUMERIC + random_below(random, TL_KIND_LAST));
}

/* Some repeat, some are empty, some are their own. */
static TlSlice *
random_string(Random *random, uint8 kind)
{
	static const char *const states[] = {"open", "closed", "", "{\"a\": 1}"};
	TlSlice *slice = palloc(sizeof(TlSlice));
	uint32 size = (uint32) tl_kind_size(kind);
	uint32 len = size != 0 ? size : (uint32) random_below(random, 20);
	char *bytes;

	if (size == 0 && random_below(random, 2) == 0)
	{
		*slice = sample_slice(states[random_below(random, lengthof(states))]);
		return slice;
	}
	bytes = palloc(Max(len, 1));
	random_fill(random, bytes, len);
	*slice = (TlSlice){bytes, len};
	return slice;
}

static TlCell
random_cell(Random *random, uint8 kind)
{
	TlCell cell;

	switch (tl_kind_form(kind))
	{
		case TL_FORM_NUMBER:
			cell.number = (double) (int64) random_below(random, 4000) / 10 - 100;
			break;
		case TL_FORM_BOOLEAN:
			cell.boolean = random_below(random, 2);
			break;
		case TL_FORM_BYTES:
			cell.bytes = random_string(random, kind);
			break;
	}
	return cell;
}

TlRun *
sample_run(Random *random, const char *device, const char *metric, uint8 kind, uint32 n)
{
	TlRun *run = palloc0(sizeof(TlRun));

	run->key = (TlKey){sample_slice(device), sample_slice(metric)};
	run->n = n;
	run->kind = kind;
	run->ts = palloc(sizeof(int64) * n);
	run->cell = palloc(sizeof(TlCell) * n);
	if (kind == TL_KIND_MIXED)
		run->kinds = palloc(n);
	for (uint32 i = 0; i < n; i++)
	{
		run->ts[i] = SAMPLE_DAY + (int64) i * 1000000;
		if (kind == TL_KIND_MIXED)
			run->kinds[i] = random_kind(random);
		run->cell[i] = random_cell(random, tl_run_kind(run, i));
	}
	return run;
}

static TlSlice
random_attr(Random *random)
{
	static const char *const texts[] = {"", "C", "{\"site\": \"north\"}", "{}"};
	uint64 choice = random_below(random, lengthof(texts) + 1);

	return choice == lengthof(texts) ? (TlSlice){NULL, 0} : sample_slice(texts[choice]);
}

void
sample_add_attrs(Random *random, TlRun *run, uint32 distinct)
{
	TlAttrs *attrs = palloc(sizeof(TlAttrs) * distinct);

	for (uint32 i = 0; i < distinct; i++)
		attrs[i] = (TlAttrs){random_attr(random), random_attr(random), random_attr(random)};
	run->attrs = palloc(sizeof(TlAttrs *) * run->n);
	for (uint32 i = 0; i < run->n; i++)
	{
		uint64 choice = random_below(random, distinct + 1);

		run->attrs[i] = choice == distinct ? NULL : &attrs[choice];
	}
}

static Bytes
as_bytes(const void *data, size_t len)
{
	Bytes bytes = {palloc(len), len};

	memcpy(bytes.data, data, len);
	return bytes;
}

Bytes
sample_write(TlRun *const *runs, uint32 n)
{
	TlBlockWriter *writer = tl_block_writer_create(1);
	TlBlockInfo info;

	for (uint32 i = 0; i < n; i++)
		tl_block_writer_add(writer, runs[i]);
	tl_block_writer_finish(writer, &info);
	/* Its length is where the writer's front end puts it, and after that in the header. */
	return as_bytes((char *) info.data + VARHDRSZ, tl_load_u32(info.data) - VARHDRSZ);
}

Bytes
sample_block(uint64 seed)
{
	static const uint8 kinds[] = {TL_KIND_NUMERIC, TL_KIND_TEXT,   TL_KIND_BOOLEAN, TL_KIND_JSON,
								  TL_KIND_GEO,	   TL_KIND_BINARY, TL_KIND_MIXED};
	static const char *const metrics[] = {"m0", "m1", "m2", "m3", "m4", "m5", "m6"};
	Random random = {seed};
	TlRun *runs[lengthof(kinds) + 4];
	uint32 n = 0;

	/* Two frames full of points that cost next to nothing, then one of everything. */
	runs[n++] = sample_run(&random, "device-1", "constant", TL_KIND_NUMERIC, 2 * TL_FRAME_POINTS);
	for (uint32 i = 0; i < runs[0]->n; i++)
		runs[0]->cell[i].number = 21.5;
	for (uint32 i = 0; i < lengthof(kinds); i++)
		runs[n++] = sample_run(&random, "device-2", metrics[i], kinds[i],
							   1 + (uint32) random_below(&random, 12));
	sample_add_attrs(&random, runs[2], 2);
	sample_add_attrs(&random, runs[4], 1);
	for (uint32 i = 1; i < runs[3]->n; i++)
		runs[3]->ts[i] = runs[3]->ts[i - 1] + 1 + (int64) random_below(&random, 1000);
	runs[n++] = sample_run(&random, "device-22", "m1", TL_KIND_NUMERIC, 1);
	runs[n++] = sample_run(&random, "e", "m1", TL_KIND_NUMERIC, 9);
	runs[n - 1]->cell[4].number = 0.1 + 0.2;
	for (uint32 i = 6; i < 9; i++)
		runs[n - 1]->ts[i] += 500000;
	return sample_write(runs, n);
}

uint32
sample_crc(const void *data, size_t len)
{
	pg_crc32c crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, data, len);
	FIN_CRC32C(crc);
	return crc;
}

static void
put_slice(TlBuf *buf, TlSlice s)
{
	tl_buf_put_varint(buf, s.len);
	tl_buf_put(buf, s.data, s.len);
}

Bytes
sample_unpack(Bytes block)
{
	TlBlockIndex *index = tl_block_index_open(block.data, block.len);
	int64 day = tl_day_of(index->min_ts);
	TlBuf head;
	TlBuf frames;
	char crc[4];

	tl_buf_init(&head, block.len);
	tl_buf_init(&frames, block.len);
	tl_buf_put(&head, block.data, TL_BLOCK_HEADER_SIZE);
	for (uint32 i = 0; i < index->n_frames; i++)
	{
		const TlFrameInfo *f = &index->frames[i];
		const char *stored = block.data + f->offset;
		uint32 len = f->raw_len == 0 ? f->stored_len : f->raw_len;

		tl_buf_reserve(&frames, len);
		if (f->raw_len == 0)
			memcpy(frames.data + frames.len, stored, len);
		else if (ZSTD_decompress(frames.data + frames.len, len, stored, f->stored_len) != len)
			backend_die("a frame of the sample does not decompress");
		tl_buf_put_varint(&head, len);
		tl_buf_put_varint(&head, 0);
		tl_store_u32(crc, sample_crc(frames.data + frames.len, len));
		tl_buf_put(&head, crc, sizeof(crc));
		tl_buf_put_varint(&head, f->n_entries);
		tl_buf_put_varint(&head, f->n_points);
		tl_buf_put_varint(&head, (uint64) (f->min_ts - day));
		tl_buf_put_varint(&head, (uint64) (f->max_ts - f->min_ts));
		tl_buf_put_varint(&head, 0);
		put_slice(&head, f->first.device);
		put_slice(&head, f->first.metric);
		frames.len += len;
	}
	tl_store_u32(head.data + INDEX_LENGTH_AT, (uint32) (head.len - TL_BLOCK_HEADER_SIZE));
	tl_store_u32(head.data + INDEX_LENGTH_AT - 4, (uint32) (head.len + frames.len));
	tl_store_u32(head.data + HEADER_CRC_AT,
				 sample_crc(head.data + INDEX_LENGTH_AT - 4, head.len - INDEX_LENGTH_AT + 4));
	tl_buf_put(&head, frames.data, frames.len);
	return as_bytes(head.data, head.len);
}

/* A varint if there is one; else zero, at the end. */
static uint64
lenient_varint(TlReader *r)
{
	uint64 v = 0;

	for (int shift = 0; r->at < r->end; shift += 7)
	{
		uint8 b = *r->at++;

		if (shift < 64)
			v |= (uint64) (b & 0x7f) << shift;
		if (b < 0x80)
			return v;
	}
	return 0;
}

static void
lenient_skip(TlReader *r, uint64 len)
{
	r->at += Min(len, tl_reader_left(r));
}

void
sample_fix_checksums(Bytes block)
{
	size_t index_len;
	uint64 offset;
	TlReader r;

	if (block.len < TL_BLOCK_HEADER_SIZE)
		return;
	index_len = Min(tl_load_u32(block.data + INDEX_LENGTH_AT), block.len - TL_BLOCK_HEADER_SIZE);
	offset = TL_BLOCK_HEADER_SIZE + index_len;
	r = tl_reader(block.data + TL_BLOCK_HEADER_SIZE, index_len);
	for (uint32 i = 0; i < tl_load_u32(block.data + FRAMES_AT) && tl_reader_left(&r) > 0; i++)
	{
		uint64 stored = lenient_varint(&r);
		char *crc;

		(void) lenient_varint(&r);
		crc = (char *) unconstify(uint8 *, r.at);
		if (tl_reader_left(&r) < 4 || stored > block.len - offset)
			break;
		tl_store_u32(crc, sample_crc(block.data + offset, stored));
		offset += stored;
		lenient_skip(&r, 4);
		for (int field = 0; field < 5; field++)
			(void) lenient_varint(&r);
		lenient_skip(&r, lenient_varint(&r));
		lenient_skip(&r, lenient_varint(&r));
	}
	tl_store_u32(block.data + HEADER_CRC_AT,
				 sample_crc(block.data + 12, TL_BLOCK_HEADER_SIZE - 12 + index_len));
}

/* Reads each byte, so that a sanitizer sees where they are. */
static void
touch(TlSlice s)
{
	static volatile uint8 sink;

	for (uint32 i = 0; i < s.len; i++)
		sink = (uint8) s.data[i];
	(void) sink;
}

static void
check_run(const TlRun *run, int64 day)
{
	touch(run->key.device);
	touch(run->key.metric);
	if (run->key.device.len == 0 || run->key.device.len > TL_KEY_MAX || run->key.metric.len == 0 ||
		run->key.metric.len > TL_KEY_MAX)
		backend_die("a key of impossible length was read");
	for (uint32 i = 0; i < run->n; i++)
	{
		uint8 kind = tl_run_kind(run, i);
		TlSlice payload;

		if (run->ts[i] < day || run->ts[i] >= day + TL_USECS_PER_DAY)
			backend_die("a timestamp outside its day was read");
		if (i > 0 && run->ts[i] <= run->ts[i - 1])
			backend_die("timestamps that do not increase were read");
		if (kind < TL_KIND_NUMERIC || kind > TL_KIND_LAST)
			backend_die("an unknown kind was read");
		if (tl_kind_form(kind) == TL_FORM_BOOLEAN && run->cell[i].boolean > 1)
			backend_die("an impossible boolean was read");
		payload = tl_cell_payload(kind, &run->cell[i]);
		if (tl_kind_size(kind) != 0 && payload.len != tl_kind_size(kind))
			backend_die("a value of an impossible length was read");
		touch(payload);
		if (run->attrs != NULL && run->attrs[i] != NULL)
		{
			touch(run->attrs[i]->unit);
			touch(run->attrs[i]->tags);
			touch(run->attrs[i]->metadata);
		}
	}
}

uint64
sample_read_frame(const TlFrame *frame, int64 day)
{
	TlRunArrays arrays = {0};
	uint64 points = 0;
	TlRun run;

	for (uint32 i = 0; i < frame->n_entries; i++)
	{
		tl_entry_decode(frame, &frame->entries[i], TL_COLUMN_VALUE | TL_COLUMN_ATTRS, &arrays,
						&run);
		check_run(&run, day);
		points += run.n;
	}
	tl_run_arrays_free(&arrays);
	return points;
}

uint64
sample_read(Bytes block)
{
	TlBlockIndex *index = tl_block_index_open(block.data, block.len);
	uint64 points = 0;

	if (index->length != block.len)
		tl_corrupt("the block's length is not that of its data");
	for (uint32 i = 0; i < index->n_frames; i++)
	{
		const TlFrameInfo *info = &index->frames[i];
		TlFrame *frame =
			tl_frame_open(index, info, block.data + info->offset, block.len - info->offset);

		points += sample_read_frame(frame, tl_day_of(index->min_ts));
	}
	if (points != index->n_points)
		backend_die("the number of points read is not that of the index");
	return points;
}
