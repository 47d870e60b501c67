/*
 * test_bytes.c
 *		The output buffer and the input reader.
 */
#include "backend.h"
#include "base/bytes.h"
#include "random.h"
#include "tap.h"

static TlReader reader;
static uint64 got;

static void
read_varint(void *arg)
{
	got = tl_read_varint(&reader);
}

static void
read_u64(void *arg)
{
	got = tl_read_u64(&reader);
}

static void
read_count(void *arg)
{
	got = tl_read_count(&reader, *(uint64 *) arg);
}

static void
read_bytes(void *arg)
{
	(void) tl_read_bytes(&reader, *(size_t *) arg);
}

/* The bytes in memory of their own, so that reading past them is seen. */
static TlReader
reader_of(const void *data, size_t len)
{
	return tl_reader(memcpy(palloc(len), data, len), len);
}

static void
varints_survive_a_round_trip(void)
{
	Random random = {1};
	TlBuf buf;

	tl_buf_init(&buf, 1);
	for (int i = 0; i < 200000; i++)
		tl_buf_put_varint(&buf, random_any_length(&random));
	random.state = 1;
	reader = tl_reader(buf.data, buf.len);
	for (int i = 0; i < 200000; i++)
		TAP_CHECK(tl_read_varint(&reader) == random_any_length(&random));
	TAP_CHECK(tl_reader_left(&reader) == 0);
	backend_reset();
}

static void
varint_lengths_are_minimal(void)
{
	TlBuf buf;

	tl_buf_init(&buf, 16);
	for (int bits = 0; bits <= 64; bits++)
	{
		uint64 largest = bits == 64 ? PG_UINT64_MAX : (UINT64CONST(1) << bits) - 1;

		buf.len = 0;
		tl_buf_put_varint(&buf, largest);
		TAP_CHECK(buf.len == (size_t) Max((bits + 6) / 7, 1));
		reader = reader_of(buf.data, buf.len);
		TAP_CHECK(backend_catch(read_varint, NULL) == NULL && got == largest);
		TAP_CHECK(tl_reader_left(&reader) == 0);
	}
	backend_reset();
}

static void
signed_varints_survive_a_round_trip(void)
{
	static const int64 values[] = {0, 1, -1, 63, -64, 64, -65, PG_INT64_MAX, PG_INT64_MIN};
	TlBuf buf;

	tl_buf_init(&buf, 16);
	for (size_t i = 0; i < lengthof(values); i++)
		tl_buf_put_svarint(&buf, values[i]);
	reader = tl_reader(buf.data, buf.len);
	for (size_t i = 0; i < lengthof(values); i++)
		TAP_CHECK(tl_read_svarint(&reader) == values[i]);
	backend_reset();
}

static void
truncated_varint_is_corrupt(void)
{
	static const uint8 largest[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};

	for (size_t len = 0; len < sizeof(largest); len++)
	{
		reader = reader_of(largest, len);
		TAP_CHECK(backend_catch(read_varint, NULL) != NULL);
	}
	reader = reader_of(largest, sizeof(largest));
	TAP_CHECK(backend_catch(read_varint, NULL) == NULL && got == PG_UINT64_MAX);
	backend_reset();
}

static void
varint_above_64_bits_is_corrupt(void)
{
	static const uint8 streams[][12] = {
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02},
		{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02},
		{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00},
		{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x81, 0x00},
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	};

	for (size_t i = 0; i < lengthof(streams); i++)
	{
		reader = reader_of(streams[i], sizeof(streams[i]));
		TAP_CHECK(backend_catch(read_varint, NULL) != NULL);
	}
	backend_reset();
}

/* Ten bytes for a zero are wasteful, but mean nothing else. */
static void
padded_varint_is_read(void)
{
	static const uint8 zero[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00};

	reader = reader_of(zero, sizeof(zero));
	TAP_CHECK(backend_catch(read_varint, NULL) == NULL && got == 0);
	TAP_CHECK(tl_reader_left(&reader) == 0);
	backend_reset();
}

static void
fixed_integers_are_little_endian(void)
{
	char bytes[8];

	tl_store_u64(bytes, UINT64CONST(0x0102030405060708));
	TAP_CHECK(memcmp(bytes, "\x08\x07\x06\x05\x04\x03\x02\x01", 8) == 0);
	TAP_CHECK(tl_load_u64(bytes) == UINT64CONST(0x0102030405060708));
	TAP_CHECK(tl_load_u32(bytes) == 0x05060708);
}

static void
truncated_fixed_integer_is_corrupt(void)
{
	for (size_t len = 0; len < 8; len++)
	{
		reader = reader_of("12345678", len);
		TAP_CHECK(backend_catch(read_u64, NULL) != NULL);
	}
	reader = reader_of("12345678", 8);
	TAP_CHECK(backend_catch(read_u64, NULL) == NULL);
	backend_reset();
}

static void
count_above_its_limit_is_corrupt(void)
{
	static const uint64 values[] = {0, 1, 127, 128, 5000, PG_UINT32_MAX, UINT64CONST(1) << 32};
	TlBuf buf;

	tl_buf_init(&buf, 16);
	for (size_t i = 0; i < lengthof(values); i++)
	{
		uint64 limit = values[i];
		bool fits = values[i] <= PG_UINT32_MAX;

		buf.len = 0;
		tl_buf_put_varint(&buf, values[i]);
		reader = tl_reader(buf.data, buf.len);
		TAP_CHECK((backend_catch(read_count, &limit) == NULL) == fits);
		TAP_CHECK(!fits || got == values[i]);
		reader = tl_reader(buf.data, buf.len);
		limit--;
		TAP_CHECK(values[i] == 0 || backend_catch(read_count, &limit) != NULL);
	}
	backend_reset();
}

static void
bytes_beyond_the_end_are_corrupt(void)
{
	static const size_t lengths[] = {5, 6, (size_t) PTRDIFF_MAX, SIZE_MAX - 3, SIZE_MAX};
	size_t all = 4;

	for (size_t i = 0; i < lengthof(lengths); i++)
	{
		size_t len = lengths[i];

		reader = reader_of("1234", 4);
		TAP_CHECK(backend_catch(read_bytes, &len) != NULL);
		TAP_CHECK(tl_reader_left(&reader) == 4);
	}
	TAP_CHECK(backend_catch(read_bytes, &all) == NULL && tl_reader_left(&reader) == 0);
	backend_reset();
}

static void
section_ends_where_it_was_told(void)
{
	TlReader section;

	reader = reader_of("abcdef", 6);
	section = tl_read_section(&reader, 2);
	TAP_CHECK(tl_reader_left(&section) == 2 && tl_reader_left(&reader) == 4);
	TAP_CHECK(tl_read_u8(&section) == 'a' && tl_read_u8(&section) == 'b');
	TAP_CHECK(tl_read_u8(&reader) == 'c');
	backend_reset();
}

static void
buffer_grows_with_its_content(void)
{
	Random random = {2};
	TlBuf buf;

	tl_buf_init(&buf, 1);
	for (int i = 0; i < 5000; i++)
	{
		char bytes[100];
		size_t len = random_below(&random, sizeof(bytes));

		memset(bytes, i & 0xff, len);
		tl_buf_put(&buf, bytes, len);
		tl_buf_put_u8(&buf, (uint8) i);
	}
	random.state = 2;
	reader = tl_reader(buf.data, buf.len);
	for (int i = 0; i < 5000; i++)
		for (size_t left = random_below(&random, 100) + 1; left > 0; left--)
			TAP_CHECK(tl_read_u8(&reader) == (uint8) i);
	TAP_CHECK(tl_reader_left(&reader) == 0);
	tl_buf_free(&buf);
	TAP_CHECK(buf.data == NULL && buf.cap == 0);
	backend_reset();
}

static void
buffer_grows_from_nothing(void)
{
	TlBuf buf;

	tl_buf_init(&buf, 0);
	tl_buf_put_u64(&buf, 7);
	TAP_CHECK(buf.len == 8 && tl_load_u64(buf.data) == 7);
	backend_reset();
}

static void
grow_buffer(void *arg)
{
	TlBuf buf;

	tl_buf_init(&buf, 16);
	tl_buf_put_u8(&buf, 1);
	tl_buf_reserve(&buf, *(size_t *) arg);
}

static void
buffer_refuses_to_pass_the_size_of_a_value(void)
{
	static size_t sizes[] = {0x40000000, (size_t) 0x3fffff00, SIZE_MAX, SIZE_MAX - 1};

	for (size_t i = 0; i < lengthof(sizes); i++)
		TAP_CHECK(backend_catch(grow_buffer, &sizes[i]) != NULL);
	backend_reset();
}

int
main(void)
{
	TAP_RUN(varints_survive_a_round_trip);
	TAP_RUN(varint_lengths_are_minimal);
	TAP_RUN(signed_varints_survive_a_round_trip);
	TAP_RUN(truncated_varint_is_corrupt);
	TAP_RUN(varint_above_64_bits_is_corrupt);
	TAP_RUN(padded_varint_is_read);
	TAP_RUN(fixed_integers_are_little_endian);
	TAP_RUN(truncated_fixed_integer_is_corrupt);
	TAP_RUN(count_above_its_limit_is_corrupt);
	TAP_RUN(bytes_beyond_the_end_are_corrupt);
	TAP_RUN(section_ends_where_it_was_told);
	TAP_RUN(buffer_grows_with_its_content);
	TAP_RUN(buffer_grows_from_nothing);
	TAP_RUN(buffer_refuses_to_pass_the_size_of_a_value);
	return tap_end();
}
