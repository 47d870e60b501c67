/*
 * ingest_json.c
 *		telemetry.ingest(): JSON bodies with points.
 *
 *	single	{"timestamp", "metric_name", "value", ...}
 *	batch	{"data_points": [point, ...], "compression", "batch_id"}
 *	bulk	{device_id: [point, ...], ...}
 *
 * A body of the wrong shape raises, a point that is wrong does not.  All memory is the call's.
 */
#include "base/compat.h"

#include "catalog/namespace.h"
#include "fmgr.h"
#include "ingest/ingest_json_answer.h"
#include "ingest/ingest_json_point.h"
#include "ingest/row_check.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "value/json_value.h"

PG_FUNCTION_INFO_V1(telemetry_ingest);

#define LIST_POINTS_MAX 1000
#define BULK_POINTS_MAX 10000

/* Of a batch_id beside the body, in bytes: as an Idempotency-Key may have. */
#define GIVEN_BATCH_MAX 255

typedef enum BodyKind
{
	BODY_SINGLE,
	BODY_BATCH,
	BODY_BULK
} BodyKind;

static const TlSlice no_slice = {NULL, 0};

/* An ingest under way. */
typedef struct Intake
{
	TlIngest *ingest;
	TlJsonErrors errors;
	TlJsonRepeats repeats;
	MemoryContext context; /* of both */
	TlSlice metric;		   /* of the point being read */
	MemoryContext point_context;
} Intake;

pg_noreturn static void refuse(const char *format, ...) pg_attribute_printf(1, 2);

static void
refuse(const char *format, ...)
{
	StringInfoData message;
	va_list args;
	int more;

	initStringInfo(&message);
	for (;;)
	{
		va_start(args, format);
		more = appendStringInfoVA(&message, format, args);
		va_end(args);
		if (more == 0)
			break;
		enlargeStringInfo(&message, more);
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg_internal("%s", message.data)));
}

static TlSlice
string_of(const JsonbValue *json)
{
	return (TlSlice){json->val.string.val, (uint32) json->val.string.len};
}

static TlSlice
text_argument(FunctionCallInfo fcinfo, int number)
{
	text *t;

	if (PG_ARGISNULL(number))
		return no_slice;
	t = PG_GETARG_TEXT_PP(number);
	return (TlSlice){VARDATA_ANY(t), (uint32) VARSIZE_ANY_EXHDR(t)};
}

static bool
get(JsonbContainer *object, const char *name, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(object, name, (int) strlen(name), value) != NULL;
}

static bool
is_array(const JsonbValue *json)
{
	return json->type == jbvBinary && JsonContainerIsArray(json->val.binary.data);
}

/* Whether a name may be a device_id, or a batch_id, which has the same rules. */
static bool
is_valid_name(TlSlice name)
{
	TlRejection why;

	return tl_row_check_name(name, "name", TL_REJECT_KEY, &why);
}

/* The function stores with its owner's rights what its caller may store. */
static void
check_privilege(void)
{
	Oid point = get_relname_relid("point", get_namespace_oid("telemetry", false));
	AclResult result = pg_class_aclcheck(point, GetUserId(), ACL_INSERT);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FOREIGN_TABLE, "point");
}

static BodyKind
named_kind(TlSlice name)
{
	static const char *const names[] = {
		[BODY_SINGLE] = "single", [BODY_BATCH] = "batch", [BODY_BULK] = "bulk"};

	for (size_t i = 0; i < lengthof(names); i++)
		if (name.len == strlen(names[i]) && memcmp(name.data, names[i], name.len) == 0)
			return (BodyKind) i;
	refuse("kind must be single, batch or bulk, not \"%s\"", tl_json_quote(name));
}

/*
 * What a body looks like when nobody has said what it is.  An array is no field of a point but,
 * perhaps, its value: then a device may have that name.
 */
static BodyKind
likely_kind(JsonbContainer *body, TlSlice given_device)
{
	static const char *const fields[] = {"timestamp", "metric_name", "value", "device_id"};
	JsonbValue v;

	if (get(body, "data_points", &v))
		return BODY_BATCH;
	if (given_device.data != NULL)
		return BODY_SINGLE;
	for (size_t i = 0; i < lengthof(fields); i++)
		if (get(body, fields[i], &v) && !is_array(&v))
			return BODY_SINGLE;
	return BODY_BULK;
}

/* The device of a single or batch body: as given to the function, or a member of the body. */
static TlSlice
find_device(JsonbContainer *body, TlSlice given)
{
	JsonbValue v;
	TlSlice device;

	if (!get(body, "device_id", &v) || v.type == jbvNull)
		return given;
	if (v.type != jbvString)
		refuse("device_id must be a string, not %s", tl_json_kind(&v));
	device = string_of(&v);
	if (given.data != NULL && !tl_slice_equal(device, given))
		refuse("device_id \"%s\" of the body is not the given \"%s\"", tl_json_quote(device),
			   tl_json_quote(given));
	return device;
}

static void
note_reject(void *arg, int64 row, const char *code, const char *message)
{
	Intake *s = arg;

	tl_ingest_json_errors_add(&s->errors, row, s->metric, code, message);
}

static void
note_repeat(void *arg, int64 row)
{
	Intake *s = arg;

	tl_ingest_json_repeats_add(&s->repeats, s->context, row);
}

static void
begin_intake(Intake *s)
{
	s->ingest = tl_ingest_begin();
	s->metric = no_slice;
	s->point_context =
		AllocSetContextCreate(CurrentMemoryContext, "telemetry point", ALLOCSET_SMALL_SIZES);
	tl_ingest_json_errors_create(&s->errors);
	s->repeats = (TlJsonRepeats){0};
	s->context = CurrentMemoryContext;
	tl_ingest_on_reject(s->ingest, note_reject, s);
	tl_ingest_on_repeat(s->ingest, note_repeat, s);
}

static void
end_intake(Intake *s)
{
	(void) tl_ingest_end(s->ingest);
	tl_ingest_json_repeats_sort(&s->repeats);
}

static TlSlice
metric_of(const JsonbValue *point)
{
	JsonbValue v;

	if (point->type == jbvBinary && JsonContainerIsObject(point->val.binary.data) &&
		get(point->val.binary.data, "metric_name", &v) && v.type == jbvString)
		return string_of(&v);
	return no_slice;
}

static void
add_point(Intake *s, TlSlice device, const JsonbValue *point)
{
	MemoryContext old = MemoryContextSwitchTo(s->point_context);

	s->metric = metric_of(point);
	tl_ingest_json_point(s->ingest, device, point);
	MemoryContextSwitchTo(old);
	MemoryContextReset(s->point_context);
}

static void
add_points(Intake *s, TlSlice device, JsonbContainer *points)
{
	uint32 n = JsonContainerSize(points);

	for (uint32 i = 0; i < n; i++)
	{
		JsonbValue *point = getIthJsonbValueFromContainer(points, i);

		CHECK_FOR_INTERRUPTS();
		add_point(s, device, point);
		pfree(point);
	}
}

static Jsonb *
ingest_single(Jsonb *body, TlSlice device)
{
	JsonbValue point = {.type = jbvBinary};
	Intake s;

	point.val.binary.data = &body->root;
	point.val.binary.len = (int) VARSIZE(body) - VARHDRSZ;
	begin_intake(&s);
	add_point(&s, device, &point);
	end_intake(&s);
	return tl_ingest_json_answer_single(device, s.metric, &s.errors);
}

static void
check_compression(JsonbContainer *body)
{
	JsonbValue v;
	TlSlice name;

	if (!get(body, "compression", &v) || v.type == jbvNull)
		return;
	if (v.type == jbvString)
	{
		name = string_of(&v);
		if ((name.len == 4 && memcmp(name.data, "gzip", 4) == 0) ||
			(name.len == 3 && memcmp(name.data, "lz4", 3) == 0))
			return;
		refuse("compression must be null, \"gzip\" or \"lz4\", not \"%s\"", tl_json_quote(name));
	}
	refuse("compression must be null, \"gzip\" or \"lz4\", not %s", tl_json_kind(&v));
}

/* The batch_id beside the body. */
static void
check_given_batch(TlSlice given)
{
	if (given.data != NULL &&
		(given.len < 1 || given.len > GIVEN_BATCH_MAX || tl_row_control_character(given) != NULL))
		refuse("batch_id must have 1 to %d bytes and no control characters", GIVEN_BATCH_MAX);
}

static TlSlice
find_batch_id(JsonbContainer *body, TlSlice given)
{
	JsonbValue v;

	if (!get(body, "batch_id", &v) || v.type == jbvNull)
		return given;
	if (v.type != jbvString)
		refuse("batch_id must be a string, not %s", tl_json_kind(&v));
	if (!is_valid_name(string_of(&v)))
		refuse("batch_id must have 1 to %d bytes and no control characters", TL_KEY_MAX);
	if (given.data != NULL && !tl_slice_equal(string_of(&v), given))
		refuse("batch_id \"%s\" of the body is not the given \"%s\"", tl_json_quote(string_of(&v)),
			   tl_json_quote(given));
	return string_of(&v);
}

static void
find_points(JsonbContainer *body, JsonbValue *points)
{
	uint32 n;

	if (!get(body, "data_points", points))
		refuse("data_points is required");
	if (!is_array(points))
		refuse("data_points must be an array, not %s", tl_json_kind(points));
	n = JsonContainerSize(points->val.binary.data);
	if (n < 1 || n > LIST_POINTS_MAX)
		refuse("data_points must hold 1 to %d points, not %u", LIST_POINTS_MAX, n);
}

/* A repeated batch ingests nothing, which is what ingest_result() then says. */
static void
ingest_nothing(void)
{
	(void) tl_ingest_end(tl_ingest_begin());
}

static Jsonb *
ingest_batch(JsonbContainer *body, TlSlice device, TlSlice given_batch)
{
	TlSlice batch = find_batch_id(body, given_batch);
	bool has_receipt;
	JsonbValue points;
	TlReceipt receipt;
	Intake s;

	check_compression(body);
	find_points(body, &points);
	if (device.data == NULL)
		refuse("device_id is required");

	/* Nothing can be stored for a device that cannot be: each point will be told so. */
	has_receipt = batch.data != NULL && is_valid_name(device);
	if (has_receipt && !tl_receipt_claim(device, batch, &points, &receipt))
	{
		ingest_nothing();
		return tl_ingest_json_answer_batch(&receipt);
	}
	begin_intake(&s);
	add_points(&s, device, points.val.binary.data);
	end_intake(&s);
	tl_ingest_json_receipt(&s.errors, &s.repeats, 0,
						   (int32) JsonContainerSize(points.val.binary.data), &receipt);
	if (has_receipt)
		tl_receipt_complete(device, batch, &receipt);
	return tl_ingest_json_answer_batch(&receipt);
}

static uint32
count_points(const TlJsonDevice *d)
{
	return JsonContainerSize(d->points.val.binary.data);
}

static TlJsonDevice *
find_devices(Jsonb *body, uint32 *n_devices)
{
	uint32 n = JsonContainerSize(&body->root);
	TlJsonDevice *devices = palloc(sizeof(TlJsonDevice) * Max(n, 1));
	JsonbIterator *it = JsonbIteratorInit(&body->root);
	JsonbIteratorToken token;
	JsonbValue v;
	uint64 total = 0;

	*n_devices = 0;
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		TlJsonDevice *d = &devices[*n_devices];

		if (token == WJB_KEY)
			*d = (TlJsonDevice){.device = string_of(&v)};
		if (token != WJB_VALUE)
			continue;
		if (!is_array(&v))
			refuse("device \"%s\" must have an array of data points, not %s",
				   tl_json_quote(d->device), tl_json_kind(&v));
		d->points = v;
		if (count_points(d) > LIST_POINTS_MAX)
			refuse("device \"%s\" has %u data points, the limit is %d", tl_json_quote(d->device),
				   count_points(d), LIST_POINTS_MAX);
		total += count_points(d);
		(*n_devices)++;
	}
	if (n == 0)
		refuse("the body must name at least one device");
	if (total > BULK_POINTS_MAX)
		refuse("the body has " UINT64_FORMAT " data points, the limit is %d", total,
			   BULK_POINTS_MAX);
	return devices;
}

/*
 * Claims the batch for each device, in the order of jsonb's keys, so that two bodies never wait for each
 * other.
 */
static void
claim_devices(TlJsonDevice *devices, uint32 n, TlSlice batch)
{
	for (uint32 i = 0; i < n; i++)
	{
		TlJsonDevice *d = &devices[i];

		d->has_receipt = is_valid_name(d->device) && count_points(d) > 0;
		d->is_repeated =
			d->has_receipt && !tl_receipt_claim(d->device, batch, &d->points, &d->receipt);
	}
}

/* What became of the points of those that have not come before. */
static void
complete_devices(TlJsonDevice *devices, uint32 n, const Intake *s, TlSlice batch)
{
	int64 first = 0;

	for (uint32 i = 0; i < n; i++)
	{
		TlJsonDevice *d = &devices[i];

		if (d->is_repeated)
			continue;
		tl_ingest_json_receipt(&s->errors, &s->repeats, first, (int32) count_points(d),
							   &d->receipt);
		first += count_points(d);
		if (d->has_receipt)
			tl_receipt_complete(d->device, batch, &d->receipt);
	}
}

static Jsonb *
ingest_bulk(Jsonb *body, TlSlice given_device, TlSlice batch)
{
	uint32 n;
	TlJsonDevice *devices;
	Intake s;

	if (given_device.data != NULL)
		refuse("device_id must be null for a bulk body, whose members name the devices");
	devices = find_devices(body, &n);
	if (batch.data != NULL)
		claim_devices(devices, n, batch);
	begin_intake(&s);
	for (uint32 i = 0; i < n; i++)
		if (!devices[i].is_repeated)
			add_points(&s, devices[i].device, devices[i].points.val.binary.data);
	end_intake(&s);
	complete_devices(devices, n, &s, batch);
	return tl_ingest_json_answer_bulk(devices, n);
}

/* ingest(body jsonb, device_id text, kind text, batch_id text) returns jsonb */
Datum
telemetry_ingest(PG_FUNCTION_ARGS)
{
	TlSlice device = text_argument(fcinfo, 1);
	TlSlice kind_name = text_argument(fcinfo, 2);
	TlSlice batch = text_argument(fcinfo, 3);
	Jsonb *body;
	JsonbValue scalar;
	BodyKind kind;

	check_privilege();
	check_given_batch(batch);
	if (PG_ARGISNULL(0))
		refuse("the body must be an object, not null");
	body = PG_GETARG_JSONB_P(0);
	if (!JB_ROOT_IS_OBJECT(body))
		refuse("the body must be an object, not %s",
			   JsonbExtractScalar(&body->root, &scalar) ? tl_json_kind(&scalar) : "an array");
	kind = kind_name.data != NULL ? named_kind(kind_name) : likely_kind(&body->root, device);
	if (kind == BODY_BULK)
		PG_RETURN_JSONB_P(ingest_bulk(body, device, batch));
	device = find_device(&body->root, device);
	if (kind == BODY_BATCH)
		PG_RETURN_JSONB_P(ingest_batch(&body->root, device, batch));
	if (batch.data != NULL)
		refuse("batch_id must be null for a single point");
	PG_RETURN_JSONB_P(ingest_single(body, device));
}
