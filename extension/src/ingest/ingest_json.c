/*
 * ingest_json.c
 *		telemetry.ingest() and telemetry.ingest_text(): JSON bodies with points.
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
PG_FUNCTION_INFO_V1(telemetry_ingest_text);

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
get(const TlJsonBody *body, const char *name, JsonbValue *value)
{
	const TlJsonMember *member = tl_json_body_find(body, name);

	if (member != NULL)
		*value = member->value;
	return member != NULL;
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
likely_kind(const TlJsonBody *body, TlSlice given_device)
{
	static const char *const fields[] = {"timestamp", "metric_name", "value", "device_id"};
	JsonbValue v;

	if (get(body, "data_points", &v))
		return BODY_BATCH;
	if (given_device.data != NULL)
		return BODY_SINGLE;
	for (size_t i = 0; i < lengthof(fields); i++)
		if (get(body, fields[i], &v) && !tl_json_is_list(&v))
			return BODY_SINGLE;
	return BODY_BULK;
}

/* The device of a single or batch body: as given to the function, or a member of the body. */
static TlSlice
find_device(const TlJsonBody *body, TlSlice given)
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
	static const char name[] = "metric_name";
	JsonbValue v;

	if (point->type == jbvBinary && JsonContainerIsObject(point->val.binary.data) &&
		getKeyJsonValueFromContainer(point->val.binary.data, name, (int) strlen(name), &v) !=
			NULL &&
		v.type == jbvString)
		return string_of(&v);
	return no_slice;
}

/* fault: what was mended in the point, or NULL; the path to it begins with that of the point. */
static void
add_point(Intake *s, TlSlice device, const JsonbValue *point, const TlJsonFault *fault,
		  int path_of_point)
{
	MemoryContext old = MemoryContextSwitchTo(s->point_context);

	s->metric = metric_of(point);
	if (fault == NULL)
		tl_ingest_json_point(s->ingest, device, point);
	else
		tl_ingest_json_reject_fault(s->ingest, device, point, fault, path_of_point);
	MemoryContextSwitchTo(old);
	MemoryContextReset(s->point_context);
}

/* The points of a member of a body. */
static void
add_points(Intake *s, TlSlice device, const TlJsonBody *body, uint32 member)
{
	JsonbContainer *points = body->members[member].value.val.binary.data;
	uint32 n = JsonContainerSize(points);

	for (uint32 i = 0; i < n; i++)
	{
		JsonbValue *point = getIthJsonbValueFromContainer(points, i);

		CHECK_FOR_INTERRUPTS();
		add_point(s, device, point, tl_json_body_fault_at(body, member, i), 2);
		pfree(point);
	}
}

static Jsonb *
ingest_single(const TlJsonBody *body, TlSlice device)
{
	JsonbValue point = {.type = jbvBinary};
	Intake s;

	point.val.binary.data = &body->json->root;
	point.val.binary.len = (int) VARSIZE(body->json) - VARHDRSZ;
	begin_intake(&s);
	add_point(&s, device, &point, body->n_faults > 0 ? &body->faults[0] : NULL, 0);
	end_intake(&s);
	return tl_ingest_json_answer_single(device, s.metric, &s.errors);
}

static void
check_compression(const TlJsonBody *body)
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
find_batch_id(const TlJsonBody *body, TlSlice given)
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

/* Its points as a member of the body. */
static uint32
find_points(const TlJsonBody *body)
{
	const TlJsonMember *points = tl_json_body_find(body, "data_points");
	uint32 n;

	if (points == NULL)
		refuse("data_points is required");
	if (tl_json_body_count(body, "data_points") > 1)
		refuse("data_points is there more than once");
	if (!tl_json_is_list(&points->value))
		refuse("data_points must be an array, not %s", tl_json_kind(&points->value));
	n = JsonContainerSize(points->value.val.binary.data);
	if (n < 1 || n > TL_JSON_LIST_MAX)
		refuse("data_points must hold 1 to %d points, not %u", TL_JSON_LIST_MAX, n);
	return (uint32) (points - body->members);
}

/* What is not in a point must not be read if it was mended. */
static void
check_faults(const TlJsonBody *body)
{
	static const char *const read[] = {"batch_id", "compression", "device_id"};

	for (size_t i = 0; i < lengthof(read); i++)
	{
		const TlJsonMember *member = tl_json_body_find(body, read[i]);
		const TlJsonFault *fault =
			member == NULL ? NULL : tl_json_body_fault(body, (uint32) (member - body->members));

		if (fault != NULL)
			refuse("%s %s", read[i], fault->problem);
	}
}

/* A repeated batch ingests nothing, which is what ingest_result() then says. */
static void
ingest_nothing(void)
{
	(void) tl_ingest_end(tl_ingest_begin());
}

static Jsonb *
ingest_batch(const TlJsonBody *body, TlSlice device, TlSlice given_batch)
{
	TlSlice batch;
	bool has_receipt;
	uint32 member;
	const JsonbValue *points;
	TlReceipt receipt;
	Intake s;

	check_faults(body);
	batch = find_batch_id(body, given_batch);
	check_compression(body);
	member = find_points(body);
	points = &body->members[member].value;
	if (device.data == NULL)
		refuse("device_id is required");

	/* Nothing can be stored for a device that cannot be: each point will be told so. */
	has_receipt = batch.data != NULL && is_valid_name(device);
	if (has_receipt && !tl_receipt_claim(device, batch, points, &receipt))
	{
		ingest_nothing();
		return tl_ingest_json_answer_batch(&receipt);
	}
	begin_intake(&s);
	add_points(&s, device, body, member);
	end_intake(&s);
	tl_ingest_json_receipt(&s.errors, &s.repeats, 0,
						   (int32) JsonContainerSize(points->val.binary.data), &receipt);
	if (has_receipt)
		tl_receipt_complete(device, batch, &receipt);
	return tl_ingest_json_answer_batch(&receipt);
}

static int
compare_devices(const void *a, const void *b)
{
	return tl_slice_compare((*(TlJsonDevice *const *) a)->device,
							(*(TlJsonDevice *const *) b)->device);
}

/*
 * Claims the batch for each device whose points are taken, in the order of their names, so that two bodies
 * never wait for each other.
 */
static void
claim_devices(const TlJsonBody *body, const TlJsonDevices *devices, TlSlice batch)
{
	TlJsonDevice **order = palloc(sizeof(TlJsonDevice *) * Max((Size) devices->n, 1));

	for (uint32 i = 0; i < devices->n; i++)
		order[i] = &devices->list[i];
	qsort(order, devices->n, sizeof(TlJsonDevice *), compare_devices);
	for (uint32 i = 0; i < devices->n; i++)
	{
		TlJsonDevice *d = order[i];
		JsonbValue points;

		CHECK_FOR_INTERRUPTS();
		d->has_receipt = d->code == NULL && is_valid_name(d->device);
		if (!d->has_receipt)
			continue;
		tl_json_device_points(body, devices, d, &points);
		d->is_repeated = !tl_receipt_claim(d->device, batch, &points, &d->receipt);
	}
	pfree(order);
}

/* What became of the points of those that have not come before. */
static void
complete_devices(const TlJsonDevices *devices, const Intake *s, TlSlice batch)
{
	int64 first = 0;

	for (uint32 i = 0; i < devices->n; i++)
	{
		TlJsonDevice *d = &devices->list[i];

		if (d->code != NULL || d->is_repeated)
			continue;
		tl_ingest_json_receipt(&s->errors, &s->repeats, first, (int32) d->total, &d->receipt);
		first += d->total;
		if (d->has_receipt)
			tl_receipt_complete(d->device, batch, &d->receipt);
	}
}

static Jsonb *
ingest_bulk(const TlJsonBody *body, TlSlice batch)
{
	TlJsonDevices devices;
	Intake s;

	if (body->n == 0)
		refuse("the body must name at least one device");
	tl_json_devices_find(body, &devices);
	if (devices.taken > TL_JSON_BULK_MAX)
		refuse("the body has " UINT64_FORMAT " data points, the limit is %d", devices.taken,
			   TL_JSON_BULK_MAX);
	if (batch.data != NULL)
		claim_devices(body, &devices, batch);
	begin_intake(&s);
	for (uint32 i = 0; i < devices.n; i++)
	{
		const TlJsonDevice *d = &devices.list[i];

		if (d->code != NULL || d->is_repeated)
			continue;
		for (uint32 m = d->first; m < body->n; m = devices.next[m])
			add_points(&s, d->device, body, m);
	}
	end_intake(&s);
	complete_devices(&devices, &s, batch);
	return tl_ingest_json_answer_bulk(&devices);
}

static void
require_object(const TlJsonBody *body)
{
	JsonbValue scalar;

	if (!body->is_object)
		refuse("the body must be an object, not %s",
			   JsonbExtractScalar(&body->json->root, &scalar) ? tl_json_kind(&scalar) : "an array");
}

static void
require_no_device(TlSlice device)
{
	if (device.data != NULL)
		refuse("device_id must be null for a bulk body, whose members name the devices");
}

static Jsonb *
ingest_body(const TlJsonBody *body, BodyKind kind, TlSlice device, TlSlice batch)
{
	check_given_batch(batch);
	switch (kind)
	{
		case BODY_BULK:
			require_no_device(device);
			return ingest_bulk(body, batch);
		case BODY_BATCH:
			return ingest_batch(body, device, batch);
		case BODY_SINGLE:
			break;
	}
	if (batch.data != NULL)
		refuse("batch_id must be null for a single point");
	return ingest_single(body, device);
}

/* ingest(body jsonb, device_id text, kind text, batch_id text) returns jsonb */
Datum
telemetry_ingest(PG_FUNCTION_ARGS)
{
	TlSlice device = text_argument(fcinfo, 1);
	TlSlice kind_name = text_argument(fcinfo, 2);
	TlJsonBody body;
	BodyKind kind;

	check_privilege();
	if (PG_ARGISNULL(0))
		refuse("the body must be an object, not null");
	tl_json_body_of_jsonb(PG_GETARG_JSONB_P(0), &body);
	require_object(&body);
	kind = kind_name.data != NULL ? named_kind(kind_name) : likely_kind(&body, device);
	if (kind != BODY_BULK)
		device = find_device(&body, device);
	PG_RETURN_JSONB_P(ingest_body(&body, kind, device, text_argument(fcinfo, 3)));
}

/* The body of a batch that is the array of its points alone. */
static TlSlice
wrap_array(TlSlice text)
{
	StringInfoData wrapped;
	uint32 i = 0;

	while (i < text.len && strchr(" \t\r\n", text.data[i]) != NULL)
		i++;
	if (i == text.len || text.data[i] != '[')
		return text;
	initStringInfo(&wrapped);
	appendStringInfoString(&wrapped, "{\"data_points\":");
	appendBinaryStringInfo(&wrapped, text.data, (int) text.len);
	appendStringInfoChar(&wrapped, '}');
	return (TlSlice){wrapped.data, (uint32) wrapped.len};
}

/* ingest_text(body text, device_id text, kind text, batch_id text) returns jsonb */
Datum
telemetry_ingest_text(PG_FUNCTION_ARGS)
{
	TlSlice text = text_argument(fcinfo, 0);
	TlSlice device = text_argument(fcinfo, 1);
	TlSlice kind_name = text_argument(fcinfo, 2);
	TlJsonBody body;
	BodyKind kind;

	check_privilege();
	if (text.data == NULL)
		refuse("the body must be an object, not null");
	if (kind_name.data == NULL)
		refuse("kind must be single, batch or bulk, not null");
	kind = named_kind(kind_name);
	if (kind == BODY_BATCH)
		text = wrap_array(text);
	tl_json_body_of_text(text, kind != BODY_SINGLE, &body);
	require_object(&body);
	PG_RETURN_JSONB_P(ingest_body(&body, kind, device, text_argument(fcinfo, 3)));
}
