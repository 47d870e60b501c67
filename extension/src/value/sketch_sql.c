/*
 * sketch_sql.c
 *		telemetry.sketch in SQL: its forms, aggregates and functions.
 *
 * A telemetry.sketch is a varlena that holds the stored form of sketch_bytes.c, which reads
 * bytes one at a time, so it may carry a short header.  The text form is JSON,
 *
 *	{"-inf":1,"negative":{"152":3},"zero":2,"positive":{"-7":1,"152":3},"inf":1,"nan":1}
 *
 * with the counts of buckets by their index; what is 0 is left out.
 *
 * The state of an aggregate lives in the context of the aggregate, where its arrays then grow.
 * Final functions leave it as it is: a window goes on with it.
 */
#include "value/sketch.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

/* A name quoted in an error message is cut to this many bytes. */
#define QUOTE_MAX 64

/* Enough for the stored form of most hours of one sensor. */
#define TYPICAL_SIZE 64

typedef enum MemberKind
{
	COUNTER,
	BUCKETS
} MemberKind;

typedef struct Member
{
	const char *name;
	MemberKind kind;
	size_t offset; /* in TlSketch */
} Member;

/* In the order of values. */
static const Member members[] = {
	{"-inf", COUNTER, offsetof(TlSketch, minus_infinity)},
	{"negative", BUCKETS, offsetof(TlSketch, negative)},
	{"zero", COUNTER, offsetof(TlSketch, zero)},
	{"positive", BUCKETS, offsetof(TlSketch, positive)},
	{"inf", COUNTER, offsetof(TlSketch, plus_infinity)},
	{"nan", COUNTER, offsetof(TlSketch, nan)},
};

static void *
part_of(const TlSketch *s, const Member *member)
{
	return (char *) s + member->offset;
}

/* Adds a sketch of ours. */
static void
merge_datum(TlSketch *into, const struct varlena *datum)
{
	const char *problem =
		tl_sketch_try_merge_bytes(into, VARDATA_ANY(datum), VARSIZE_ANY_EXHDR(datum));

	if (unlikely(problem != NULL))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("telemetry sketch is corrupted"),
						errdetail_internal("%s", problem)));
}

static void
read_datum(TlSketch *s, const struct varlena *datum)
{
	tl_sketch_init(s);
	merge_datum(s, datum);
}

/* A varlena of the stored form, a sketch or the bytea of a state. */
static Datum
make_datum(const TlSketch *s)
{
	TlBuf buf;

	tl_buf_init(&buf, TYPICAL_SIZE);
	buf.len = VARHDRSZ;
	tl_sketch_encode(s, &buf);
	SET_VARSIZE(buf.data, buf.len);
	return PointerGetDatum(buf.data);
}

/*
 * The text form
 */

PG_FUNCTION_INFO_V1(telemetry_sketch_in);
PG_FUNCTION_INFO_V1(telemetry_sketch_out);

pg_noreturn static void reject_text(const char *problem);

static void
reject_text(const char *problem)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					errmsg("invalid telemetry.sketch: %s", problem)));
}

static char *
copy_string(const JsonbValue *string)
{
	return pnstrdup(string->val.string.val, string->val.string.len);
}

/* The name, short enough for an error message. */
static const char *
quote_start(const char *name)
{
	int len = (int) strlen(name);

	if (len <= QUOTE_MAX)
		return name;
	return psprintf("%.*s...", pg_mbcliplen(name, len, QUOTE_MAX), name);
}

static uint64
read_count(const JsonbValue *json, const char *member)
{
	const char *digits = "";
	uint64 count;

	if (json->type == jbvNumeric)
		digits =
			DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(json->val.numeric)));
	errno = 0;
	count = strtou64(digits, NULL, 10);
	if (*digits == '\0' || strspn(digits, "0123456789") != strlen(digits) || errno != 0)
		reject_text(psprintf("member \"%s\" has a count that is not a whole number "
							 "from 0 to " UINT64_FORMAT,
							 member, PG_UINT64_MAX));
	return count;
}

static int32
read_index(const char *name, const char *member)
{
	long index = strtol(name, NULL, 10);

	/* Printing it again finds signs, zeros and spaces that do not belong there. */
	if (strcmp(psprintf("%ld", index), name) != 0 || index < TL_SKETCH_INDEX_MIN ||
		index > TL_SKETCH_INDEX_MAX)
		reject_text(psprintf("member \"%s\" has a bucket \"%s\", which is not an index "
							 "from %d to %d",
							 member, quote_start(name), TL_SKETCH_INDEX_MIN, TL_SKETCH_INDEX_MAX));
	return (int32) index;
}

static void
read_buckets(TlSketch *s, TlSketchBuckets *buckets, const JsonbValue *json, const char *member)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue item;
	int32 lowest = TL_SKETCH_INDEX_MAX;
	int32 highest = TL_SKETCH_INDEX_MIN;

	if (json->type != jbvBinary || !JsonContainerIsObject(json->val.binary.data))
		reject_text(psprintf("member \"%s\" is not an object", member));

	it = JsonbIteratorInit(json->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		int32 index;
		uint64 count;

		CHECK_FOR_INTERRUPTS();
		if (token != WJB_KEY)
			continue;
		index = read_index(copy_string(&item), member);
		(void) JsonbIteratorNext(&it, &item, true);
		count = read_count(&item, member);
		if (count == 0)
			continue;
		lowest = Min(lowest, index);
		highest = Max(highest, index);
		tl_sketch_add_count(s, buckets, index, count);
	}
	if (highest - lowest >= TL_SKETCH_BUCKETS_MAX)
		reject_text(psprintf("member \"%s\" has buckets that are not within %d successive indexes",
							 member, TL_SKETCH_BUCKETS_MAX));
}

static void
read_member(TlSketch *s, const char *name, const JsonbValue *json)
{
	for (size_t i = 0; i < lengthof(members); i++)
	{
		if (strcmp(name, members[i].name) != 0)
			continue;
		if (members[i].kind == BUCKETS)
			read_buckets(s, part_of(s, &members[i]), json, name);
		else
			*(uint64 *) part_of(s, &members[i]) = read_count(json, name);
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid telemetry.sketch: unknown member \"%s\"", quote_start(name)),
			 errhint("The members are \"-inf\", \"negative\", \"zero\", \"positive\", \"inf\" and "
					 "\"nan\".")));
}

Datum
telemetry_sketch_in(PG_FUNCTION_ARGS)
{
	Datum text = PG_GETARG_DATUM(0);
	Jsonb *json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, text));
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue item;
	TlSketch s;

	if (!JB_ROOT_IS_OBJECT(json))
		reject_text("it is not a JSON object");
	tl_sketch_init(&s);
	it = JsonbIteratorInit(&json->root);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		char *name;

		CHECK_FOR_INTERRUPTS();
		if (token != WJB_KEY)
			continue;
		name = copy_string(&item);
		(void) JsonbIteratorNext(&it, &item, true);
		read_member(&s, name, &item);
	}
	PG_RETURN_DATUM(make_datum(&s));
}

static void
write_buckets(StringInfo text, const TlSketchBuckets *buckets)
{
	char separator = '{';

	for (int32 i = buckets->lowest; i <= buckets->highest; i++)
	{
		uint64 count = *tl_sketch_bucket(buckets, i);

		if (count == 0)
			continue;
		appendStringInfo(text, "%c\"%d\":" UINT64_FORMAT, separator, i, count);
		separator = ',';
	}
	appendStringInfoChar(text, '}');
}

Datum
telemetry_sketch_out(PG_FUNCTION_ARGS)
{
	StringInfoData text;
	TlSketch s;

	read_datum(&s, PG_GETARG_VARLENA_PP(0));
	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	for (size_t i = 0; i < lengthof(members); i++)
	{
		const void *part = part_of(&s, &members[i]);
		const char *separator = text.len > 1 ? "," : "";

		if (members[i].kind == BUCKETS)
		{
			if (tl_sketch_is_empty(part))
				continue;
			appendStringInfo(&text, "%s\"%s\":", separator, members[i].name);
			write_buckets(&text, part);
		}
		else if (*(const uint64 *) part != 0)
			appendStringInfo(&text, "%s\"%s\":" UINT64_FORMAT, separator, members[i].name,
							 *(const uint64 *) part);
	}
	appendStringInfoChar(&text, '}');
	PG_RETURN_CSTRING(text.data);
}

/*
 * The binary form, which is the stored one
 */

PG_FUNCTION_INFO_V1(telemetry_sketch_recv);
PG_FUNCTION_INFO_V1(telemetry_sketch_send);

Datum
telemetry_sketch_recv(PG_FUNCTION_ARGS)
{
	StringInfo message = (StringInfo) PG_GETARG_POINTER(0);
	const char *problem;
	TlSketch s;

	tl_sketch_init(&s);
	problem = tl_sketch_try_merge_bytes(&s, message->data + message->cursor,
										(size_t) (message->len - message->cursor));
	if (problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("invalid binary form of telemetry.sketch: %s", problem)));
	message->cursor = message->len;
	PG_RETURN_DATUM(make_datum(&s));
}

Datum
telemetry_sketch_send(PG_FUNCTION_ARGS)
{
	struct varlena *datum = PG_GETARG_VARLENA_PP(0);
	TlSketch s;

	/* Only what can be received again. */
	read_datum(&s, datum);
	PG_RETURN_BYTEA_P(cstring_to_text_with_len(VARDATA_ANY(datum), VARSIZE_ANY_EXHDR(datum)));
}

/*
 * Aggregates
 */

PG_FUNCTION_INFO_V1(telemetry_sketch_add);
PG_FUNCTION_INFO_V1(telemetry_sketch_add_sketch);
PG_FUNCTION_INFO_V1(telemetry_sketch_combine);
PG_FUNCTION_INFO_V1(telemetry_sketch_serialize);
PG_FUNCTION_INFO_V1(telemetry_sketch_deserialize);
PG_FUNCTION_INFO_V1(telemetry_sketch_finish);

static MemoryContext
aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "telemetry.sketch: not called as an aggregate");
	return context;
}

static TlSketch *
argument_state(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : (TlSketch *) PG_GETARG_POINTER(i);
}

static Datum
return_state(FunctionCallInfo fcinfo, TlSketch *state)
{
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

static TlSketch *
make_state(MemoryContext context)
{
	MemoryContext before = MemoryContextSwitchTo(context);
	TlSketch *state = palloc(sizeof(TlSketch));

	tl_sketch_init(state);
	MemoryContextSwitchTo(before);
	return state;
}

Datum
telemetry_sketch_add(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	TlSketch *state = argument_state(fcinfo, 0);

	if (!PG_ARGISNULL(1))
	{
		if (state == NULL)
			state = make_state(context);
		tl_sketch_add(state, PG_GETARG_FLOAT8(1));
	}
	return return_state(fcinfo, state);
}

Datum
telemetry_sketch_add_sketch(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	TlSketch *state = argument_state(fcinfo, 0);

	if (!PG_ARGISNULL(1))
	{
		struct varlena *datum = PG_GETARG_VARLENA_PP(1);

		if (state == NULL)
			state = make_state(context);
		merge_datum(state, datum);
		PG_FREE_IF_COPY(datum, 1);
	}
	return return_state(fcinfo, state);
}

Datum
telemetry_sketch_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	TlSketch *state = argument_state(fcinfo, 0);
	TlSketch *other = argument_state(fcinfo, 1);

	if (other != NULL)
	{
		/* The other one is not ours to keep. */
		if (state == NULL)
			state = make_state(context);
		tl_sketch_merge(state, other);
	}
	return return_state(fcinfo, state);
}

Datum
telemetry_sketch_serialize(PG_FUNCTION_ARGS)
{
	(void) aggregate_context(fcinfo);
	PG_RETURN_DATUM(make_datum((TlSketch *) PG_GETARG_POINTER(0)));
}

/* Its result is read by the combine function and need not live longer. */
Datum
telemetry_sketch_deserialize(PG_FUNCTION_ARGS)
{
	TlSketch *state;

	(void) aggregate_context(fcinfo);
	state = make_state(CurrentMemoryContext);
	merge_datum(state, PG_GETARG_VARLENA_PP(0));
	PG_RETURN_POINTER(state);
}

Datum
telemetry_sketch_finish(PG_FUNCTION_ARGS)
{
	const TlSketch *state = argument_state(fcinfo, 0);

	(void) aggregate_context(fcinfo);
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(make_datum(state));
}

/*
 * Functions
 */

PG_FUNCTION_INFO_V1(telemetry_sketch_merge);
PG_FUNCTION_INFO_V1(telemetry_sketch_count);
PG_FUNCTION_INFO_V1(telemetry_sketch_quantile);
PG_FUNCTION_INFO_V1(telemetry_sketch_quantiles);
PG_FUNCTION_INFO_V1(telemetry_sketch_eq);
PG_FUNCTION_INFO_V1(telemetry_sketch_ne);

Datum
telemetry_sketch_merge(PG_FUNCTION_ARGS)
{
	TlSketch s;

	read_datum(&s, PG_GETARG_VARLENA_PP(0));
	merge_datum(&s, PG_GETARG_VARLENA_PP(1));
	PG_RETURN_DATUM(make_datum(&s));
}

Datum
telemetry_sketch_count(PG_FUNCTION_ARGS)
{
	uint64 count;
	TlSketch s;

	read_datum(&s, PG_GETARG_VARLENA_PP(0));
	count = tl_sketch_count(&s);
	if (count > PG_INT64_MAX)
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("the telemetry.sketch counts more values than a bigint can")));
	PG_RETURN_INT64((int64) count);
}

static void
check_quantile(double q)
{
	/* Written so that NaN fails. */
	if (!(q >= 0 && q <= 1))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("quantile %g is not between 0 and 1", q)));
}

Datum
telemetry_sketch_quantile(PG_FUNCTION_ARGS)
{
	double q = PG_GETARG_FLOAT8(1);
	TlSketch s;

	check_quantile(q);
	read_datum(&s, PG_GETARG_VARLENA_PP(0));
	if (tl_sketch_count(&s) == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(tl_sketch_quantile(&s, q));
}

Datum
telemetry_sketch_quantiles(PG_FUNCTION_ARGS)
{
	ArrayType *wanted = PG_GETARG_ARRAYTYPE_P(1);
	Datum *q;
	bool *is_null;
	int n;
	bool is_empty;
	TlSketch s;

	read_datum(&s, PG_GETARG_VARLENA_PP(0));
	is_empty = tl_sketch_count(&s) == 0;
	deconstruct_array(wanted, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &q,
					  &is_null, &n);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_null[i])
			continue;
		check_quantile(DatumGetFloat8(q[i]));
		is_null[i] = is_empty;
		if (!is_empty)
			q[i] = Float8GetDatum(tl_sketch_quantile(&s, DatumGetFloat8(q[i])));
	}
	PG_RETURN_ARRAYTYPE_P(construct_md_array(q, is_null, ARR_NDIM(wanted), ARR_DIMS(wanted),
											 ARR_LBOUND(wanted), FLOAT8OID, sizeof(float8),
											 FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Equal sketches are equal bytes. */
static bool
are_equal(FunctionCallInfo fcinfo)
{
	struct varlena *a = PG_GETARG_VARLENA_PP(0);
	struct varlena *b = PG_GETARG_VARLENA_PP(1);
	bool equal = VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
				 memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return equal;
}

Datum
telemetry_sketch_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(are_equal(fcinfo));
}

Datum
telemetry_sketch_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!are_equal(fcinfo));
}
