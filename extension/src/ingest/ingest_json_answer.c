/*
 * ingest_json_answer.c
 *		Shapes the answers of telemetry.ingest().  See ingest_json_answer.h.
 */
#include "ingest/ingest_json_answer.h"

#include "mb/pg_wchar.h"

void
tl_ingest_json_errors_create(TlJsonErrors *errors)
{
	memset(errors, 0, sizeof(*errors));
	errors->context = CurrentMemoryContext;
}

/* A name too long to be stored is told only in part: receipts are kept. */
static TlSlice
copy_name(TlSlice name)
{
	if (name.data == NULL)
		return name;
	if (name.len > TL_KEY_MAX)
		name.len = (uint32) pg_mbcliplen(name.data, (int) name.len, TL_KEY_MAX);
	name.data = pnstrdup(name.data, name.len);
	return name;
}

void
tl_ingest_json_errors_add(TlJsonErrors *errors, int64 row, TlSlice metric, const char *code,
						  const char *message)
{
	MemoryContext old = MemoryContextSwitchTo(errors->context);

	if (errors->n == errors->cap)
	{
		errors->cap = Max(errors->cap * 2, 16);
		errors->list = errors->list == NULL
						   ? palloc(errors->cap * sizeof(TlJsonError))
						   : repalloc(errors->list, errors->cap * sizeof(TlJsonError));
	}
	errors->list[errors->n++] =
		(TlJsonError){row, copy_name(metric), pstrdup(code), pstrdup(message)};
	MemoryContextSwitchTo(old);
}

void
tl_ingest_json_repeats_add(TlJsonRepeats *repeats, MemoryContext context, int64 row)
{
	if (repeats->n == repeats->cap)
	{
		Size cap = Max((Size) repeats->cap * 2, 16);

		repeats->list = repeats->list == NULL ? MemoryContextAlloc(context, cap * sizeof(int64))
											  : repalloc(repeats->list, cap * sizeof(int64));
		repeats->cap = (uint32) cap;
	}
	repeats->list[repeats->n++] = row;
}

static int
compare_rows(const void *a, const void *b)
{
	int64 x = *(const int64 *) a;
	int64 y = *(const int64 *) b;

	return (x > y) - (x < y);
}

void
tl_ingest_json_repeats_sort(TlJsonRepeats *repeats)
{
	if (repeats->n > 1)
		qsort(repeats->list, repeats->n, sizeof(int64), compare_rows);
}

/* How many of them are before the given row. */
static uint32
repeats_before(const TlJsonRepeats *repeats, int64 row)
{
	uint32 low = 0;
	uint32 high = repeats->n;

	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;

		if (repeats->list[middle] < row)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
push_key(JsonbParseState **state, TlSlice name)
{
	JsonbValue v = {.type = jbvString};

	v.val.string.val = unconstify(char *, name.data);
	v.val.string.len = (int) name.len;
	(void) pushJsonbValue(state, WJB_KEY, &v);
}

static TlSlice
slice_of(const char *text)
{
	return (TlSlice){text, (uint32) strlen(text)};
}

static void
put_string(JsonbParseState **state, const char *key, TlSlice text)
{
	JsonbValue v = {.type = text.data == NULL ? jbvNull : jbvString};

	push_key(state, slice_of(key));
	if (text.data != NULL)
	{
		v.val.string.val = unconstify(char *, text.data);
		v.val.string.len = (int) text.len;
	}
	(void) pushJsonbValue(state, WJB_VALUE, &v);
}

static void
put_null(JsonbParseState **state, const char *key)
{
	put_string(state, key, (TlSlice){NULL, 0});
}

static void
put_integer(JsonbParseState **state, const char *key, int64 number)
{
	JsonbValue v = {.type = jbvNumeric};

	push_key(state, slice_of(key));
	v.val.numeric = int64_to_numeric(number);
	(void) pushJsonbValue(state, WJB_VALUE, &v);
}

static void
put_boolean(JsonbParseState **state, const char *key, bool flag)
{
	JsonbValue v = {.type = jbvBool};

	push_key(state, slice_of(key));
	v.val.boolean = flag;
	(void) pushJsonbValue(state, WJB_VALUE, &v);
}

static void
put_json(JsonbParseState **state, TlSlice key, Jsonb *json)
{
	JsonbValue v = {.type = jbvBinary};

	push_key(state, key);
	v.val.binary.data = &json->root;
	v.val.binary.len = (int) VARSIZE(json) - VARHDRSZ;
	(void) pushJsonbValue(state, WJB_VALUE, &v);
}

Jsonb *
tl_ingest_json_answer_single(TlSlice device, TlSlice metric, const TlJsonErrors *errors)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	put_boolean(&state, "success", errors->n == 0);
	if (errors->n == 0)
	{
		put_string(&state, "message", slice_of("Data point ingested successfully"));
		put_string(&state, "device_id", device);
		put_string(&state, "metric_name", metric);
	}
	else
	{
		put_string(&state, "detail", slice_of(errors->list[0].message));
		put_string(&state, "code", slice_of(errors->list[0].code));
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* The first error of a row that is not before the given one. */
static uint32
find_error(const TlJsonErrors *errors, int64 row)
{
	uint32 low = 0;
	uint32 high = errors->n;

	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;

		if (errors->list[middle].row < row)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void
tl_ingest_json_receipt(const TlJsonErrors *errors, const TlJsonRepeats *repeats, int64 first,
					   int32 total, TlReceipt *receipt)
{
	uint32 from = find_error(errors, first);
	uint32 to = find_error(errors, first + total);
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (uint32 i = from; i < to; i++)
	{
		const TlJsonError *e = &errors->list[i];

		(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		put_integer(&state, "index", e->row - first);
		put_string(&state, "metric_name", e->metric);
		put_string(&state, "code", slice_of(e->code));
		put_string(&state, "error", slice_of(e->message));
		(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	receipt->errors = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
	receipt->total = total;
	receipt->failed = (int32) (to - from);
	receipt->replaced =
		(int32) (repeats_before(repeats, first + total) - repeats_before(repeats, first));
}

static Jsonb *
answer_batch(const TlReceipt *receipt, bool success)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	put_boolean(&state, "success", success);
	put_integer(&state, "ingested_count", receipt->total - receipt->failed);
	put_integer(&state, "failed_count", receipt->failed);
	put_integer(&state, "total_count", receipt->total);
	if (receipt->replaced > 0)
		put_integer(&state, "replaced_count", receipt->replaced);
	put_json(&state, slice_of("errors"), receipt->errors);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

Jsonb *
tl_ingest_json_answer_batch(const TlReceipt *receipt)
{
	return answer_batch(receipt, receipt->failed == 0);
}

/* Of a device whose points were not taken. */
static Jsonb *
answer_refused(const TlJsonDevice *d)
{
	TlReceipt receipt = {.total = (int32) d->total, .failed = (int32) d->total};
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	put_null(&state, "index");
	put_null(&state, "metric_name");
	put_string(&state, "code", slice_of(d->code));
	put_string(&state, "error", slice_of(d->message));
	(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	receipt.errors = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
	return answer_batch(&receipt, false);
}

static bool
is_all_stored(const TlJsonDevices *devices)
{
	for (uint32 i = 0; i < devices->n; i++)
		if (devices->list[i].code != NULL || devices->list[i].receipt.failed > 0)
			return false;
	return true;
}

Jsonb *
tl_ingest_json_answer_bulk(const TlJsonDevices *devices)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	put_boolean(&state, "success", is_all_stored(devices));
	push_key(&state, slice_of("results"));
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (uint32 i = 0; i < devices->n; i++)
	{
		const TlJsonDevice *d = &devices->list[i];

		put_json(&state, d->device,
				 d->code != NULL ? answer_refused(d) : tl_ingest_json_answer_batch(&d->receipt));
	}
	(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	put_integer(&state, "total_devices", devices->n);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}
