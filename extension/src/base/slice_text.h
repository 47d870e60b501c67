/*
 * slice_text.h
 *		Slices in the server: copies of them, and texts made of them or seen as them.
 */
#ifndef TL_SLICE_TEXT_H
#define TL_SLICE_TEXT_H

#include "base/slice.h"

#include "fmgr.h"
#include "utils/builtins.h"

static inline TlSlice
tl_slice_copy(MemoryContext context, TlSlice s)
{
	char *copy = MemoryContextAllocHuge(context, Max(s.len, 1));

	if (s.len > 0)
		memcpy(copy, s.data, s.len);
	return (TlSlice){copy, s.len};
}

/* A text, palloc'd in the current memory context. */
static inline Datum
tl_slice_to_text(TlSlice s)
{
	return PointerGetDatum(cstring_to_text_with_len(s.data, (int) s.len));
}

/* The bytes of a text, which is detoasted if need be. */
static inline TlSlice
tl_slice_of_text(Datum datum)
{
	text *t = DatumGetTextPP(datum);

	return (TlSlice){VARDATA_ANY(t), (uint32) VARSIZE_ANY_EXHDR(t)};
}

#endif
