/*
 * like.c
 *		Patterns of LIKE for names.  See like.h.
 */
#include "base/like.h"

#include "base/slice_text.h"
#include "catalog/pg_collation.h"

/* Longer names are rare, and cost an allocation. */
#define SHORT_NAME 128

bool
tl_is_pattern(TlSlice pattern)
{
	uint32 escapes = 0;

	while (escapes < pattern.len && pattern.data[pattern.len - escapes - 1] == '\\')
		escapes++;
	return escapes % 2 == 0;
}

text *
tl_pattern_make(MemoryContext context, TlSlice pattern)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	text *made = cstring_to_text_with_len(pattern.data, (int) pattern.len);

	MemoryContextSwitchTo(old);
	return made;
}

bool
tl_is_like(TlSlice name, text *pattern)
{
	union
	{
		text header;
		char room[VARHDRSZ + SHORT_NAME];
	} subject;
	text *given = &subject.header;

	if (name.len > SHORT_NAME)
		given = cstring_to_text_with_len(name.data, (int) name.len);
	else
	{
		SET_VARSIZE(given, VARHDRSZ + name.len);
		memcpy(subject.room + VARHDRSZ, name.data, name.len);
	}
	return DatumGetBool(DirectFunctionCall2Coll(textlike, C_COLLATION_OID, PointerGetDatum(given),
												PointerGetDatum(pattern)));
}
