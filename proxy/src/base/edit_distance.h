/*
 * edit_distance.h
 *		How alike two names are, for those who have misspelt one.
 */
#ifndef TL_EDIT_DISTANCE_H
#define TL_EDIT_DISTANCE_H

#include <stddef.h>

/* How many single characters have to be added, removed or changed; SIZE_MAX if `b` is very long. */
extern size_t tl_edit_distance(const char *a, const char *b);

#endif
