/*
 * sketch_bytes.c
 *		The stored form of a quantile sketch.
 *
 * Integers as varints in their shortest form:
 *
 *	u8		version, 1
 *	u8		which of the parts below are there: HAS_*
 *	varint	count of -Infinity, of zero, of Infinity, of NaN; each if it is not 0
 *	buckets of the negative values, if there are any
 *	buckets of the positive values, if there are any
 *
 * where buckets are
 *
 *	svarint	the lowest index
 *	varint	how many buckets are not empty, 1 to 2048
 *	counts	of these, upwards; where indexes are skipped, 0 and how many comes before the count
 *
 * A sketch has one stored form: whatever decodes is encoded to the same bytes again.
 */
#include "value/sketch.h"

#define VERSION 1

#define HAS_MINUS_INFINITY 0x01
#define HAS_ZERO 0x02
#define HAS_PLUS_INFINITY 0x04
#define HAS_NAN 0x08
#define HAS_NEGATIVE 0x10
#define HAS_POSITIVE 0x20
#define HAS_ALL 0x3f

static void
encode_buckets(const TlSketchBuckets *buckets, TlBuf *buf)
{
	uint32 used = 0;
	int32 next = buckets->lowest;

	for (int32 i = buckets->lowest; i <= buckets->highest; i++)
		used += *tl_sketch_bucket(buckets, i) != 0;

	tl_buf_put_svarint(buf, buckets->lowest);
	tl_buf_put_varint(buf, used);
	for (int32 i = buckets->lowest; i <= buckets->highest; i++)
	{
		uint64 n = *tl_sketch_bucket(buckets, i);

		if (n == 0)
			continue;
		if (i > next)
		{
			tl_buf_put_varint(buf, 0);
			tl_buf_put_varint(buf, (uint64) (i - next));
		}
		tl_buf_put_varint(buf, n);
		next = i + 1;
	}
}

void
tl_sketch_encode(const TlSketch *s, TlBuf *buf)
{
	tl_buf_put_u8(buf, VERSION);
	tl_buf_put_u8(
		buf, (s->minus_infinity != 0 ? HAS_MINUS_INFINITY : 0) | (s->zero != 0 ? HAS_ZERO : 0) |
				 (s->plus_infinity != 0 ? HAS_PLUS_INFINITY : 0) | (s->nan != 0 ? HAS_NAN : 0) |
				 (tl_sketch_is_empty(&s->negative) ? 0 : HAS_NEGATIVE) |
				 (tl_sketch_is_empty(&s->positive) ? 0 : HAS_POSITIVE));
	if (s->minus_infinity != 0)
		tl_buf_put_varint(buf, s->minus_infinity);
	if (s->zero != 0)
		tl_buf_put_varint(buf, s->zero);
	if (s->plus_infinity != 0)
		tl_buf_put_varint(buf, s->plus_infinity);
	if (s->nan != 0)
		tl_buf_put_varint(buf, s->nan);
	if (!tl_sketch_is_empty(&s->negative))
		encode_buckets(&s->negative, buf);
	if (!tl_sketch_is_empty(&s->positive))
		encode_buckets(&s->positive, buf);
}

/*
 * The reading side answers with what is wrong instead of raising it, for recv has an error code
 * of its own.
 */

/* A varint, refused if it is not in its shortest form. */
static const char *
read_number(TlReader *r, uint64 *number)
{
	*number = 0;
	for (int shift = 0;; shift += 7)
	{
		uint8 byte;

		if (tl_reader_left(r) == 0)
			return "a sketch ends early";
		byte = tl_read_u8(r);
		if (shift == 63 && byte > 1)
			return "a number of a sketch is too long";
		*number |= (uint64) (byte & 0x7f) << shift;
		if (byte < 0x80)
			return byte == 0 && shift > 0 ? "a number of a sketch is not in its shortest form"
										  : NULL;
	}
}

static const char *
read_counter(TlReader *r, uint64 *counter)
{
	uint64 n;
	const char *problem = read_number(r, &n);

	if (problem == NULL && n == 0)
		problem = "a counter of a sketch is 0";
	if (problem == NULL)
		*counter = tl_sketch_sum(*counter, n);
	return problem;
}

static const char *
read_buckets(TlReader *r, TlSketch *into, TlSketchBuckets *buckets)
{
	const char *problem;
	uint64 number;
	uint64 used;
	int64 lowest;
	int64 index;

	if ((problem = read_number(r, &number)) != NULL || (problem = read_number(r, &used)) != NULL)
		return problem;
	lowest = index = tl_unzigzag(number);
	if (lowest < TL_SKETCH_INDEX_MIN || lowest > TL_SKETCH_INDEX_MAX)
		return "an index of a sketch is out of range";
	if (used == 0)
		return "a side of a sketch has no buckets";

	for (uint64 i = 0; i < used; i++)
	{
		if ((problem = read_number(r, &number)) != NULL)
			return problem;
		if (number == 0 && i > 0)
		{
			if ((problem = read_number(r, &number)) != NULL)
				return problem;
			if (number == 0 || number > TL_SKETCH_BUCKETS_MAX)
				return "a gap in a sketch has no sound length";
			index += (int64) number;
			if ((problem = read_number(r, &number)) != NULL)
				return problem;
		}
		if (number == 0)
			return "a bucket of a sketch is empty";
		if (index - lowest >= TL_SKETCH_BUCKETS_MAX || index > TL_SKETCH_INDEX_MAX)
			return "the buckets of a sketch reach too far";
		tl_sketch_add_count(into, buckets, (int32) index++, number);
	}
	return NULL;
}

/* Adds the sketch that comes next. */
static const char *
read_sketch(TlReader *r, TlSketch *into)
{
	const char *problem = NULL;
	uint8 parts;

	if (tl_reader_left(r) < 2)
		return "a sketch ends early";
	if (tl_read_u8(r) != VERSION)
		return "a sketch is of an unknown version";
	parts = tl_read_u8(r);
	if ((parts & ~HAS_ALL) != 0)
		return "a sketch has unknown parts";

	if (parts & HAS_MINUS_INFINITY)
		problem = read_counter(r, &into->minus_infinity);
	if (parts & HAS_ZERO && problem == NULL)
		problem = read_counter(r, &into->zero);
	if (parts & HAS_PLUS_INFINITY && problem == NULL)
		problem = read_counter(r, &into->plus_infinity);
	if (parts & HAS_NAN && problem == NULL)
		problem = read_counter(r, &into->nan);
	if (parts & HAS_NEGATIVE && problem == NULL)
		problem = read_buckets(r, into, &into->negative);
	if (parts & HAS_POSITIVE && problem == NULL)
		problem = read_buckets(r, into, &into->positive);
	return problem;
}

const char *
tl_sketch_try_merge_bytes(TlSketch *into, const char *data, size_t len)
{
	TlReader r = tl_reader(data, len);
	const char *problem = read_sketch(&r, into);

	if (problem == NULL && tl_reader_left(&r) > 0)
		problem = "a sketch is followed by more bytes";
	return problem;
}

void
tl_sketch_merge_bytes(TlSketch *into, const char *data, size_t len)
{
	const char *problem = tl_sketch_try_merge_bytes(into, data, len);

	if (unlikely(problem != NULL))
		tl_corrupt(problem);
}

void
tl_sketch_decode(TlSketch *s, TlReader *r)
{
	const char *problem;

	tl_sketch_reset(s);
	problem = read_sketch(r, s);
	if (unlikely(problem != NULL))
		tl_corrupt(problem);
}
