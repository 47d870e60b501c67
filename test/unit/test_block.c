/*
 * test_block.c
 *		What goes into a block comes out of it, whatever its shape.
 */
#include "backend.h"
#include "block/block.h"
#include "sample.h"
#include "tap.h"

/* The n-th of many devices, in ascending order. */
static const char *
device_name(uint32 n)
{
	char *name = palloc(16);

	snprintf(name, 16, "device-%05u", n);
	return name;
}

static bool
attrs_equal(const TlAttrs *a, const TlAttrs *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return tl_slice_equal(a->unit, b->unit) && tl_slice_equal(a->tags, b->tags) &&
		   tl_slice_equal(a->metadata, b->metadata);
}

/* A part read back: is it what the run has from point `from` on? */
static void
check_part(const TlRun *run, uint32 from, const TlRun *part)
{
	TAP_CHECK(tl_key_equal(&run->key, &part->key));
	TAP_CHECK(part->kind == run->kind);
	for (uint32 i = 0; i < part->n; i++)
	{
		uint32 at = from + i;
		const TlAttrs *attrs = run->attrs == NULL ? NULL : run->attrs[at];

		TAP_CHECK(part->ts[i] == run->ts[at]);
		TAP_CHECK(tl_run_kind(part, i) == tl_run_kind(run, at));
		TAP_CHECK(tl_cell_equal(tl_run_kind(run, at), part->cell[i], run->cell[at]));
		TAP_CHECK(attrs_equal(part->attrs == NULL ? NULL : part->attrs[i], attrs));
	}
}

static void
check_index_entry(const TlFrameInfo *info, const TlFrame *frame)
{
	int64 first = PG_INT64_MAX;
	int64 last = PG_INT64_MIN;
	uint32 points = 0;

	TAP_CHECK(info->n_entries == frame->n_entries && frame->n_entries > 0);
	TAP_CHECK(tl_key_equal(&info->first, &frame->entries[0].key));
	for (uint32 i = 0; i < frame->n_entries; i++)
	{
		first = Min(first, frame->entries[i].first);
		last = Max(last, frame->entries[i].last);
		points += frame->entries[i].n;
	}
	TAP_CHECK(info->min_ts == first && info->max_ts == last && info->n_points == points);
	TAP_CHECK(info->n_entries <= TL_FRAME_ENTRIES && points < 2 * TL_FRAME_POINTS);
}

typedef struct Check
{
	Bytes block;
	TlRun *const *runs;
	uint32 n;
	uint32 frames;
} Check;

static void
check_block(void *arg)
{
	Check *check = arg;
	TlBlockIndex *index = tl_block_index_open(check->block.data, check->block.len);
	TlRunArrays arrays = {0};
	uint32 run = 0;
	uint32 from = 0;
	TlRun part;

	check->frames = index->n_frames;
	TAP_CHECK(index->length == check->block.len);
	for (uint32 i = 0; i < index->n_frames; i++)
	{
		const TlFrameInfo *info = &index->frames[i];
		TlFrame *frame =
			tl_frame_open(index, info, check->block.data + info->offset, info->stored_len);

		check_index_entry(info, frame);
		TAP_CHECK(info->min_ts >= index->min_ts && info->max_ts <= index->max_ts);
		for (uint32 j = 0; j < frame->n_entries; j++)
		{
			tl_entry_decode(frame, &frame->entries[j], TL_COLUMN_VALUE | TL_COLUMN_ATTRS, &arrays,
							&part);
			if (!TAP_CHECK(run < check->n && from + part.n <= check->runs[run]->n))
				return;
			check_part(check->runs[run], from, &part);
			from += part.n;
			if (from == check->runs[run]->n)
			{
				run++;
				from = 0;
			}
		}
	}
	TAP_CHECK(run == check->n && from == 0);
}

/* Writes, reads and compares, as written and with frames not compressed. */
static uint32
round_trip(TlRun *const *runs, uint32 n)
{
	Check check = {sample_write(runs, n), runs, n, 0};

	if (TAP_CHECK(backend_catch(check_block, &check) == NULL))
	{
		check.block = sample_unpack(check.block);
		TAP_CHECK(backend_catch(check_block, &check) == NULL);
	}
	return check.frames;
}

static void
single_point_survives(void)
{
	Random random = {1};

	for (uint8 kind = TL_KIND_NUMERIC; kind <= TL_KIND_LAST; kind++)
	{
		TlRun *run = sample_run(&random, "d", "m", kind, 1);

		TAP_CHECK(round_trip(&run, 1) == 1);
	}
	backend_reset();
}

static void
first_and_last_microsecond_of_a_day_survive(void)
{
	static const int64 days[] = {0, -TL_USECS_PER_DAY, SAMPLE_DAY,
								 INT64CONST(100000) * TL_USECS_PER_DAY,
								 -INT64CONST(700000) * TL_USECS_PER_DAY};
	Random random = {2};

	for (size_t i = 0; i < lengthof(days); i++)
	{
		TlRun *run = sample_run(&random, "d", "m", TL_KIND_NUMERIC, 3);

		run->ts[0] = days[i];
		run->ts[1] = days[i] + 1;
		run->ts[2] = days[i] + TL_USECS_PER_DAY - 1;
		round_trip(&run, 1);
		run->ts[0] = run->ts[2];
		run->n = 1;
		round_trip(&run, 1);
		TAP_CHECK(tl_day_of(run->ts[0]) == days[i] && tl_day_of(days[i]) == days[i]);
		TAP_CHECK(tl_day_of(days[i] - 1) == days[i] - TL_USECS_PER_DAY);
	}
	backend_reset();
}

static void
many_series_fill_many_frames(void)
{
	Random random = {3};
	TlRun *runs[5000];

	for (uint32 i = 0; i < lengthof(runs); i++)
		runs[i] = sample_run(&random, device_name(i / 2), i % 2 == 0 ? "humidity" : "temperature",
							 TL_KIND_NUMERIC, 1);
	TAP_CHECK(round_trip(runs, lengthof(runs)) == (5000 + TL_FRAME_ENTRIES - 1) / TL_FRAME_ENTRIES);
	backend_reset();
}

static void
series_longer_than_a_frame_spans_several(void)
{
	Random random = {4};
	TlRun *runs[3];

	runs[0] = sample_run(&random, "a", "m", TL_KIND_NUMERIC, 10);
	runs[1] = sample_run(&random, "b", "m", TL_KIND_NUMERIC, 3 * TL_FRAME_POINTS + 1);
	runs[2] = sample_run(&random, "c", "m", TL_KIND_MIXED, TL_FRAME_POINTS);
	TAP_CHECK(round_trip(runs, 3) >= 4);
	backend_reset();
}

static void
large_values_close_a_frame(void)
{
	Random random = {5};
	TlRun *run = sample_run(&random, "a", "m", TL_KIND_BINARY, 10);

	for (uint32 i = 0; i < run->n; i++)
	{
		TlSlice *s = palloc(sizeof(TlSlice));
		char *bytes = palloc(TL_FRAME_BYTES / 3);

		random_fill(&random, bytes, TL_FRAME_BYTES / 3);
		*s = (TlSlice){bytes, TL_FRAME_BYTES / 3};
		run->cell[i].bytes = s;
	}
	TAP_CHECK(round_trip(&run, 1) >= 3);
	backend_reset();
}

static void
devices_that_share_beginnings_survive(void)
{
	static const char *const names[] = {"a",  "aa", "aaa", "aaab", "aab", "ab",
										"ab", "b",	"b\1", "ba",   "c",	  "\xff\xff"};
	Random random = {6};
	TlRun *runs[lengthof(names)];

	for (uint32 i = 0; i < lengthof(names); i++)
		runs[i] = sample_run(&random, names[i], i % 2 == 0 ? "m" : "n", TL_KIND_NUMERIC, 2);
	round_trip(runs, lengthof(names));
	backend_reset();
}

static void
keys_of_128_bytes_survive(void)
{
	Random random = {7};
	TlRun *runs[4];
	char *long_name = palloc(TL_KEY_MAX + 1);
	char *other = palloc(TL_KEY_MAX + 1);

	memset(long_name, 'k', TL_KEY_MAX);
	long_name[TL_KEY_MAX] = '\0';
	memcpy(other, long_name, TL_KEY_MAX + 1);
	other[TL_KEY_MAX - 1] = 'l';
	runs[0] = sample_run(&random, "k", long_name, TL_KIND_NUMERIC, 3);
	runs[1] = sample_run(&random, long_name, long_name, TL_KIND_NUMERIC, TL_FRAME_POINTS);
	runs[2] = sample_run(&random, long_name, other, TL_KIND_NUMERIC, TL_FRAME_POINTS);
	runs[3] = sample_run(&random, other, "m", TL_KIND_NUMERIC, 3);
	TAP_CHECK(round_trip(runs, 4) == 3);
	backend_reset();
}

static void
more_than_64_metrics_in_a_frame_survive(void)
{
	Random random = {8};
	TlRun *runs[600];

	for (uint32 i = 0; i < lengthof(runs); i++)
	{
		char *metric = palloc(16);

		snprintf(metric, 16, "metric-%03u", i % 200);
		runs[i] = sample_run(&random, device_name(i / 200), metric, TL_KIND_NUMERIC, 1);
	}
	TAP_CHECK(round_trip(runs, lengthof(runs)) == 1);
	backend_reset();
}

static void
attributes_survive(void)
{
	Random random = {9};

	for (int round = 0; round < 300; round++)
	{
		TlRun *runs[20];

		for (uint32 i = 0; i < lengthof(runs); i++)
		{
			runs[i] = sample_run(&random, device_name(i), "m",
								 (uint8) random_below(&random, TL_KIND_LAST + 1),
								 1 + (uint32) random_below(&random, 20));
			if (random_below(&random, 3) > 0)
				sample_add_attrs(&random, runs[i], 1 + (uint32) random_below(&random, 5));
		}
		round_trip(runs, lengthof(runs));
		backend_reset();
	}
}

static void
attribute_that_only_a_later_frame_has_survives(void)
{
	Random random = {10};
	TlRun *run = sample_run(&random, "d", "m", TL_KIND_NUMERIC, TL_FRAME_POINTS + 10);

	sample_add_attrs(&random, run, 1);
	for (uint32 i = 0; i < run->n; i++)
		run->attrs[i] = i + 1 == run->n ? run->attrs[i] : NULL;
	round_trip(&run, 1);
	backend_reset();
}

static void
attributes_that_are_all_null_survive(void)
{
	Random random = {11};
	TlRun *run = sample_run(&random, "d", "m", TL_KIND_NUMERIC, 5);

	run->attrs = palloc0(sizeof(TlAttrs *) * run->n);
	round_trip(&run, 1);
	backend_reset();
}

/* Each run's attributes lie where those of the run before lay. */
static void
attributes_in_memory_used_again_are_told_apart(void)
{
	static const char *const tags[] = {"{\"n\": 1}", "{\"n\": 2}", "{\"n\": 3}"};
	TlBlockWriter *writer = tl_block_writer_create(1);
	Random random = {12};
	TlRun *runs[3];
	TlAttrs attrs = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
	char text[16];
	Check check = {.runs = runs, .n = 3};
	TlBlockInfo info;

	for (uint32 i = 0; i < 3; i++)
	{
		TlRun run;

		runs[i] = sample_run(&random, device_name(i), "m", TL_KIND_NUMERIC, 2);
		runs[i]->attrs = palloc(sizeof(TlAttrs *) * 2);
		runs[i]->attrs[0] = runs[i]->attrs[1] = memcpy(
			palloc0(sizeof(TlAttrs)), &(TlAttrs){.tags = sample_slice(tags[i])}, sizeof(TlAttrs));

		strlcpy(text, tags[i], sizeof(text));
		attrs.tags = (TlSlice){text, (uint32) strlen(text)};
		run = *runs[i];
		run.attrs = (const TlAttrs *[]){&attrs, &attrs};
		tl_block_writer_add(writer, &run);
	}
	tl_block_writer_finish(writer, &info);
	check.block =
		(Bytes){(char *) info.data + VARHDRSZ, tl_load_u32((char *) info.data + VARHDRSZ + 12)};
	TAP_CHECK(backend_catch(check_block, &check) == NULL);
	backend_reset();
}

static void
writer_begins_anew_after_a_block(void)
{
	TlBlockWriter *writer = tl_block_writer_create(1);
	Random random = {13};
	TlRun *run = sample_run(&random, "d", "m", TL_KIND_MIXED, 50);
	TlBlockInfo first;
	TlBlockInfo second;

	sample_add_attrs(&random, run, 3);
	TAP_CHECK(tl_block_writer_empty(writer));
	tl_block_writer_add(writer, run);
	TAP_CHECK(!tl_block_writer_empty(writer));
	tl_block_writer_finish(writer, &first);
	TAP_CHECK(tl_block_writer_empty(writer));
	tl_block_writer_add(writer, run);
	tl_block_writer_finish(writer, &second);
	TAP_CHECK(first.n_points == 50 && second.n_points == 50);
	TAP_CHECK(first.min_ts == run->ts[0] && first.max_ts == run->ts[49]);
	TAP_CHECK(tl_load_u32(first.data) == tl_load_u32(second.data) &&
			  memcmp(first.data, second.data, tl_load_u32(first.data)) == 0);
	backend_reset();
}

static void
columns_not_asked_for_are_not_decoded(void)
{
	Random random = {14};
	TlRun *run = sample_run(&random, "d", "m", TL_KIND_TEXT, 5);
	TlRunArrays arrays = {0};
	TlBlockIndex *index;
	TlFrame *frame;
	Bytes block;
	TlRun got;

	sample_add_attrs(&random, run, 2);
	block = sample_write(&run, 1);
	index = tl_block_index_open(block.data, block.len);
	frame = tl_frame_open(index, &index->frames[0], block.data + index->frames[0].offset,
						  index->frames[0].stored_len);
	tl_entry_decode(frame, &frame->entries[0], 0, &arrays, &got);
	TAP_CHECK(got.cell == NULL && got.attrs == NULL && got.n == 5 && got.ts[4] == run->ts[4]);
	tl_entry_decode(frame, &frame->entries[0], TL_COLUMN_ATTRS, &arrays, &got);
	TAP_CHECK(got.cell == NULL && got.attrs != NULL);
	tl_entry_decode(frame, &frame->entries[0], TL_COLUMN_VALUE, &arrays, &got);
	TAP_CHECK(got.cell != NULL && got.attrs == NULL);
	tl_run_arrays_free(&arrays);
	backend_reset();
}

/* A reader may hold no more than the index while it looks for frames. */
static void
index_opens_without_the_frames(void)
{
	Bytes block = sample_block(1);
	uint32 size = tl_block_index_size(block.data, TL_BLOCK_HEADER_SIZE);
	TlBlockIndex *index;

	TAP_CHECK(size > TL_BLOCK_HEADER_SIZE && size < block.len);
	index = tl_block_index_open(memcpy(palloc(size), block.data, size), size);
	TAP_CHECK(index->n_frames == 3 && index->length == block.len);
	for (uint32 i = 1; i < index->n_frames; i++)
		TAP_CHECK(tl_key_compare(&index->frames[i - 1].first, &index->frames[i].first) <= 0);
	backend_reset();
}

static void
random_blocks_survive(void)
{
	Random random = {15};

	for (int round = 0; round < 200; round++)
	{
		TlRun *runs[40];
		uint32 n = 1 + (uint32) random_below(&random, lengthof(runs));

		for (uint32 i = 0; i < n; i++)
		{
			uint64 most = random_below(&random, 10) == 0 ? 6000 : 30;
			int64 step = (int64) 1 + (int64) random_below(&random, 1000000);

			runs[i] = sample_run(&random, device_name(i), "m",
								 (uint8) random_below(&random, TL_KIND_LAST + 1),
								 1 + (uint32) random_below(&random, most));
			for (uint32 j = 1; j < runs[i]->n; j++)
			{
				if (random_below(&random, 20) == 0)
					step = 1 + (int64) random_below(&random, 5000000);
				runs[i]->ts[j] = runs[i]->ts[j - 1] + step;
			}
			if (random_below(&random, 4) == 0)
				sample_add_attrs(&random, runs[i], 1 + (uint32) random_below(&random, 8));
		}
		round_trip(runs, n);
		backend_reset();
	}
}

int
main(void)
{
	TAP_RUN(single_point_survives);
	TAP_RUN(first_and_last_microsecond_of_a_day_survive);
	TAP_RUN(many_series_fill_many_frames);
	TAP_RUN(series_longer_than_a_frame_spans_several);
	TAP_RUN(large_values_close_a_frame);
	TAP_RUN(devices_that_share_beginnings_survive);
	TAP_RUN(keys_of_128_bytes_survive);
	TAP_RUN(more_than_64_metrics_in_a_frame_survive);
	TAP_RUN(attributes_survive);
	TAP_RUN(attribute_that_only_a_later_frame_has_survives);
	TAP_RUN(attributes_that_are_all_null_survive);
	TAP_RUN(attributes_in_memory_used_again_are_told_apart);
	TAP_RUN(writer_begins_anew_after_a_block);
	TAP_RUN(columns_not_asked_for_are_not_decoded);
	TAP_RUN(index_opens_without_the_frames);
	TAP_RUN(random_blocks_survive);
	return tap_end();
}
