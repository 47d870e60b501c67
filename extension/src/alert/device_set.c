/*
 * device_set.c
 *		Which devices a rule is about.  See device_set.h.
 */
#include "alert/device_set.h"

#include "base/like.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

TlMembership
tl_device_set_has(const TlDeviceSet *set, TlSlice device)
{
	if (set->all)
		return TL_MEMBER_ALWAYS;
	for (int i = 0; i < set->n_lists; i++)
		if (set->lists[i].n > 0 && bsearch(&device, set->lists[i].ids, (size_t) set->lists[i].n,
										   sizeof(TlSlice), tl_slice_order) != NULL)
			return TL_MEMBER_ALWAYS;
	for (int i = 0; i < set->n_patterns; i++)
		if (tl_is_like(device, set->patterns[i]))
			return TL_MEMBER_ALWAYS;
	return set->n_tags > 0 ? TL_MEMBER_BY_TAGS : TL_MEMBER_NEVER;
}

/*
 * The tags that were taken apart last: points in a row mostly have the same, and are asked about by several
 * rules.  What comparing them takes is freed each time.
 */
static MemoryContext tags_context = NULL;
static MemoryContext compare_context = NULL;
static TlSlice tags_text;
static Jsonb *tags_parsed = NULL;

static Jsonb *
parse_tags(TlSlice text)
{
	MemoryContext old;

	if (tags_parsed != NULL && tl_slice_equal(tags_text, text))
		return tags_parsed;
	if (tags_context == NULL)
	{
		tags_context =
			AllocSetContextCreate(TopMemoryContext, "telemetry tags", ALLOCSET_SMALL_SIZES);
		compare_context = AllocSetContextCreate(TopMemoryContext, "telemetry tags compared",
												ALLOCSET_SMALL_SIZES);
	}
	tags_parsed = NULL;
	MemoryContextReset(tags_context);
	old = MemoryContextSwitchTo(tags_context);
	tags_text = (TlSlice){pnstrdup(text.data, text.len), text.len};
	tags_parsed = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(tags_text.data)));
	MemoryContextSwitchTo(old);
	return tags_parsed;
}

bool
tl_device_set_has_tags(const TlDeviceSet *set, const TlAttrs *attrs)
{
	MemoryContext old;
	Jsonb *tags;
	bool found = false;

	if (attrs == NULL || attrs->tags.data == NULL || set->n_tags == 0)
		return false;
	tags = parse_tags(attrs->tags);
	old = MemoryContextSwitchTo(compare_context);
	for (int i = 0; i < set->n_tags && !found; i++)
		found = DatumGetBool(DirectFunctionCall2(jsonb_contains, JsonbPGetDatum(tags),
												 JsonbPGetDatum(set->tags[i])));
	MemoryContextSwitchTo(old);
	MemoryContextReset(compare_context);
	return found;
}
