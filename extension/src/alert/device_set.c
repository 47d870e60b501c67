/*
 * device_set.c
 *		Which devices a rule is about.  See device_set.h.
 */
#include "alert/device_set.h"

#include "catalog/pg_collation.h"
#include "utils/builtins.h"

bool
tl_is_like(TlSlice name, text *pattern)
{
	/* One text is enough, whatever is asked; device and metric are short. */
	char room[VARHDRSZ + TL_KEY_MAX];
	text *subject = (text *) room;

	if (name.len > TL_KEY_MAX)
		return false;
	SET_VARSIZE(subject, VARHDRSZ + name.len);
	memcpy(VARDATA(subject), name.data, name.len);
	return DatumGetBool(DirectFunctionCall2Coll(textlike, C_COLLATION_OID, PointerGetDatum(subject),
												PointerGetDatum(pattern)));
}

TlMembership
tl_device_set_has(const TlDeviceSet *set, TlSlice device)
{
	if (set->all || (set->n_ids > 0 && bsearch(&device, set->ids, (size_t) set->n_ids,
											   sizeof(TlSlice), tl_slice_order) != NULL))
		return TL_MEMBER_ALWAYS;
	for (int i = 0; i < set->n_patterns; i++)
		if (tl_is_like(device, set->patterns[i]))
			return TL_MEMBER_ALWAYS;
	return set->n_tags > 0 ? TL_MEMBER_BY_TAGS : TL_MEMBER_NEVER;
}

bool
tl_device_set_has_tags(const TlDeviceSet *set, const TlAttrs *attrs)
{
	Jsonb *tags;
	bool found = false;

	if (attrs == NULL || attrs->tags.data == NULL || set->n_tags == 0)
		return false;
	tags = DatumGetJsonbP(DirectFunctionCall1(
		jsonb_in, CStringGetDatum(pnstrdup(attrs->tags.data, attrs->tags.len))));
	for (int i = 0; i < set->n_tags && !found; i++)
		found = DatumGetBool(DirectFunctionCall2(jsonb_contains, JsonbPGetDatum(tags),
												 JsonbPGetDatum(set->tags[i])));
	pfree(tags);
	return found;
}
