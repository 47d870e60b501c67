/*
 * origin.h
 *		Web origins (RFC 6454), as browsers send them, and lists of those that may call.
 *
 * A list is origins separated by commas, each as a browser writes it: a scheme, a host in lower case, a
 * port unless it is the scheme's own, no slash at the end.  In the place of the host's first label may
 * stand a star, for exactly one label: with it for a, https://a.example.com is also
 * https://b.example.com, but neither https://example.com nor https://a.b.example.com.  A list of a star
 * alone is any origin; an empty one is none.
 */
#ifndef TL_ORIGIN_H
#define TL_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

/* False, with the reason, if a list has an entry that no browser's origin could be. */
extern bool tl_origin_list_check(const char *list, char *reason, size_t size);

/* Whether a list is "*". */
extern bool tl_origin_list_is_any(const char *list);

/*
 * Whether an origin is in a list that was checked.  What is has nothing in it but the characters of a
 * listed one, and of a host's label, so that it may be sent back; "null" is in "*" only.
 */
extern bool tl_origin_is_listed(const char *list, const char *origin);

#endif
