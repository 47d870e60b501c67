/*
 * value.c
 *		Making, checking, comparing and taking apart telemetry.value.
 *
 * All memory is the caller's current context.
 */
#include "value/value.h"

#include "utils/float.h"

StaticAssertDecl(sizeof(double) == 8, "float8 must be eight bytes");

const char *
tl_value_check(uint8 kind, const char *payload, Size len)
{
	if (kind > TL_KIND_LAST || tl_kinds[kind] == NULL)
		return "value is of an unknown kind";
	return tl_kinds[kind]->check(payload, len);
}

struct varlena *
tl_value_make(TlKind kind, const void *payload, Size len)
{
	Size size = VARHDRSZ + 1 + len;
	struct varlena *value = palloc(size);

	SET_VARSIZE(value, size);
	VARDATA(value)[0] = (char) kind;
	if (len > 0)
		memcpy(VARDATA(value) + 1, payload, len);
	return value;
}

TlValue
tl_value_view(const struct varlena *datum)
{
	TlValue value = {0};
	Size size = VARSIZE_ANY_EXHDR(datum);
	const char *problem = "value has no kind";

	if (size > 0)
	{
		uint8 kind = (uint8) VARDATA_ANY(datum)[0];

		value.kind = (TlKind) kind;
		value.payload = VARDATA_ANY(datum) + 1;
		value.len = size - 1;
		problem = tl_value_check(kind, value.payload, value.len);
	}
	if (unlikely(problem != NULL))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("telemetry value is corrupted"),
						errdetail_internal("%s", problem)));
	return value;
}

int
tl_value_compare(const TlValue *a, const TlValue *b)
{
	int order;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (tl_kinds[a->kind]->has_numbers)
	{
		for (Size at = 0; at < a->len; at += sizeof(double))
		{
			order = float8_cmp_internal(tl_payload_double(a->payload + at),
										tl_payload_double(b->payload + at));
			if (order != 0)
				return order;
		}
		return 0;
	}
	order = memcmp(a->payload, b->payload, Min(a->len, b->len));
	if (order != 0)
		return order < 0 ? -1 : 1;
	return a->len == b->len ? 0 : a->len < b->len ? -1 : 1;
}
