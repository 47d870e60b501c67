/*
 * ingest_json_bulk.c
 *		The devices of a bulk body.  See ingest_json_bulk.h.
 */
#include "ingest/ingest_json_bulk.h"

#include "ingest/ingest.h"
#include "value/json_value.h"

bool
tl_json_is_list(const JsonbValue *json)
{
	return json->type == jbvBinary && JsonContainerIsArray(json->val.binary.data);
}

static int
compare_members(const void *a, const void *b, void *arg)
{
	const TlJsonBody *body = arg;
	uint32 x = *(const uint32 *) a;
	uint32 y = *(const uint32 *) b;
	int c = tl_slice_compare(body->members[x].name, body->members[y].name);

	return c != 0 ? c : (x > y) - (x < y);
}

/*
 * Links the members of each device, and says which are the first of theirs.  Sorting, not hashing:
 * hostile names cannot make it slow.
 */
static bool *
link_members(const TlJsonBody *body, uint32 *next)
{
	uint32 n = body->n;
	uint32 *order = palloc(sizeof(uint32) * Max((Size) n, 1));
	bool *is_first = palloc(sizeof(bool) * Max((Size) n, 1));

	for (uint32 i = 0; i < n; i++)
	{
		order[i] = i;
		next[i] = n;
		is_first[i] = true;
	}
	qsort_arg(order, n, sizeof(uint32), compare_members, unconstify(TlJsonBody *, body));
	for (uint32 i = 1; i < n; i++)
	{
		if (!tl_slice_equal(body->members[order[i - 1]].name, body->members[order[i]].name))
			continue;
		next[order[i - 1]] = order[i];
		is_first[order[i]] = false;
	}
	pfree(order);
	return is_first;
}

static void
refuse(TlJsonDevice *d, const char *code, const char *message)
{
	if (d->code != NULL)
		return;
	d->code = code;
	d->message = message;
}

static void
judge(const TlJsonBody *body, const uint32 *next, TlJsonDevice *d)
{
	for (uint32 i = d->first; i < body->n; i = next[i])
	{
		const JsonbValue *value = &body->members[i].value;
		const TlJsonFault *fault = tl_json_body_fault(body, i);

		if (fault != NULL && fault->n_steps == 1 && fault->in_name)
			refuse(d, TL_REJECT_KEY, psprintf("device_id %s", fault->problem));
		if (tl_json_is_list(value))
			d->total += JsonContainerSize(value->val.binary.data);
		else
			refuse(d, TL_REJECT_POINTS,
				   psprintf("a device must have an array of data points, not %s",
							tl_json_kind(value)));
	}
	if (d->total > TL_JSON_LIST_MAX)
		refuse(
			d, TL_REJECT_POINTS,
			psprintf("the device has %u data points, the limit is %d", d->total, TL_JSON_LIST_MAX));
	else if (d->total == 0)
		refuse(d, TL_REJECT_POINTS, "the device has no data points");
}

void
tl_json_devices_find(const TlJsonBody *body, TlJsonDevices *devices)
{
	uint32 *next = palloc(sizeof(uint32) * Max((Size) body->n, 1));
	bool *is_first = link_members(body, next);

	*devices = (TlJsonDevices){
		.list = palloc(sizeof(TlJsonDevice) * Max((Size) body->n, 1)),
		.next = next,
	};
	for (uint32 i = 0; i < body->n; i++)
	{
		TlJsonDevice *d = &devices->list[devices->n];

		if (!is_first[i])
			continue;
		*d = (TlJsonDevice){.device = body->members[i].name, .first = i};
		judge(body, next, d);
		devices->taken += d->code == NULL ? d->total : 0;
		devices->n++;
	}
	pfree(is_first);
}

/* Adds the elements of an array to the one that is being made. */
static void
push_elements(JsonbParseState **state, JsonbContainer *array)
{
	uint32 n = JsonContainerSize(array);

	for (uint32 i = 0; i < n; i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(array, i);

		(void) pushJsonbValue(state, WJB_ELEM, element);
		pfree(element);
	}
}

void
tl_json_device_points(const TlJsonBody *body, const TlJsonDevices *devices, const TlJsonDevice *d,
					  JsonbValue *points)
{
	JsonbParseState *state = NULL;
	Jsonb *all;

	*points = body->members[d->first].value;
	if (devices->next[d->first] == body->n)
		return;
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (uint32 i = d->first; i < body->n; i = devices->next[i])
		push_elements(&state, body->members[i].value.val.binary.data);
	all = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
	points->val.binary.data = &all->root;
	points->val.binary.len = (int) VARSIZE(all) - VARHDRSZ;
}
