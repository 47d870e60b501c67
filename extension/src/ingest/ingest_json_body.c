/*
 * ingest_json_body.c
 *		A JSON body with points, whether it came as jsonb or as text.  See ingest_json_body.h.
 */
#include "ingest/ingest_json_body.h"

static TlSlice
string_of(const JsonbValue *json)
{
	return (TlSlice){json->val.string.val, (uint32) json->val.string.len};
}

/* Names are the keys of an object, or every other element of an array, from the first on. */
static void
read_members(TlJsonBody *body, uint32 room)
{
	JsonbIterator *it = JsonbIteratorInit(&body->json->root);
	bool divided = JB_ROOT_IS_ARRAY(body->json);
	bool at_name = true;
	JsonbIteratorToken token;
	JsonbValue v;

	body->members = palloc(sizeof(TlJsonMember) * Max((Size) room, 1));
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY || (divided && token == WJB_ELEM && at_name))
			body->members[body->n].name = string_of(&v);
		else if (token == WJB_VALUE || token == WJB_ELEM)
			body->members[body->n++].value = v;
		else
			continue;
		at_name = !at_name;
	}
}

void
tl_json_body_of_jsonb(Jsonb *json, TlJsonBody *body)
{
	*body = (TlJsonBody){.json = json, .is_object = JB_ROOT_IS_OBJECT(json)};
	if (body->is_object)
		read_members(body, JB_ROOT_COUNT(json));
}

void
tl_json_body_of_text(TlSlice text, bool divide, TlJsonBody *body)
{
	TlJsonMended mended;

	tl_json_mend(text, divide, &mended);
	*body = (TlJsonBody){
		.json = mended.json,
		.is_object = mended.split || JB_ROOT_IS_OBJECT(mended.json),
		.faults = mended.faults,
		.n_faults = mended.n_faults,
	};
	if (mended.split)
		read_members(body, JB_ROOT_COUNT(mended.json) / 2);
}

static bool
is_named(const TlJsonMember *member, const char *name)
{
	return member->name.len == strlen(name) && memcmp(member->name.data, name, strlen(name)) == 0;
}

const TlJsonMember *
tl_json_body_find(const TlJsonBody *body, const char *name)
{
	for (uint32 i = body->n; i > 0; i--)
		if (is_named(&body->members[i - 1], name))
			return &body->members[i - 1];
	return NULL;
}

uint32
tl_json_body_count(const TlJsonBody *body, const char *name)
{
	uint32 n = 0;

	for (uint32 i = 0; i < body->n; i++)
		n += is_named(&body->members[i], name);
	return n;
}

/* The first fault that is not before an element of a member, -1 being the member itself. */
static const TlJsonFault *
find_fault(const TlJsonBody *body, uint32 member, int64 element)
{
	uint32 low = 0;
	uint32 high = body->n_faults;

	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;
		const TlJsonFault *fault = &body->faults[middle];
		uint32 number = fault->steps[0].number;
		int64 inner = fault->n_steps > 1 ? (int64) fault->steps[1].number : -1;

		if (number < member || (number == member && inner < element))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == body->n_faults || body->faults[low].steps[0].number != member)
		return NULL;
	return &body->faults[low];
}

const TlJsonFault *
tl_json_body_fault(const TlJsonBody *body, uint32 member)
{
	return find_fault(body, member, -1);
}

const TlJsonFault *
tl_json_body_fault_at(const TlJsonBody *body, uint32 member, uint32 element)
{
	const TlJsonFault *fault = find_fault(body, member, element);

	return fault != NULL && fault->n_steps > 1 && fault->steps[1].number == element ? fault : NULL;
}
