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

/* Whether a name begins with what comes before all that means something in a pattern. */
static bool
has_beginning(TlSlice name, const text *pattern)
{
	const char *given = VARDATA_ANY(pattern);
	uint32 len = (uint32) VARSIZE_ANY_EXHDR(pattern);

	for (uint32 i = 0; i < len && given[i] != '%' && given[i] != '_' && given[i] != '\\'; i++)
		if (i == name.len || name.data[i] != given[i])
			return false;
	return true;
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

	/* Which tells most names and patterns apart, for little. */
	if (!has_beginning(name, pattern))
		return false;
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
