/*
 * kind.c
 *		The table of kinds.
 */
#include "value/kind.h"

const TlKindType *const tl_kinds[TL_KIND_LAST + 1] = {
	[TL_KIND_NUMERIC] = &tl_kind_numeric, [TL_KIND_TEXT] = &tl_kind_text,
	[TL_KIND_BOOLEAN] = &tl_kind_boolean, [TL_KIND_JSON] = &tl_kind_json,
	[TL_KIND_GEO] = &tl_kind_geo,		  [TL_KIND_BINARY] = &tl_kind_binary,
};

const char *
tl_kind_name(TlKind kind)
{
	return tl_kinds[kind]->name;
}
