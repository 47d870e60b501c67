/*
 * like.h
 *		Patterns of LIKE for names, compared by bytes.
 */
#ifndef TL_LIKE_H
#define TL_LIKE_H

#include "base/slice.h"

/* False of a pattern that ends with an escape which nothing follows: LIKE would raise an error. */
extern bool tl_is_pattern(TlSlice pattern);
/* A pattern for tl_is_like(), in a memory context. */
extern text *tl_pattern_make(MemoryContext context, TlSlice pattern);
/* Whether a name is like a pattern. */
extern bool tl_is_like(TlSlice name, text *pattern);

#endif
