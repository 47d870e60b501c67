/*
 * method.h
 *		The methods of requests, and lists of them as the header Allow has them.
 */
#ifndef TL_METHOD_H
#define TL_METHOD_H

typedef enum TlMethod
{
	TL_METHOD_GET = 1,
	TL_METHOD_HEAD = 2,
	TL_METHOD_POST = 4,
	TL_METHOD_PUT = 8,
	TL_METHOD_PATCH = 16,
	TL_METHOD_DELETE = 32,
	TL_METHOD_OPTIONS = 64,
	TL_METHOD_OTHER = 128
} TlMethod;

/* Case counts. */
extern TlMethod tl_method_by_name(const char *name);

/*
 * The methods that a path is served with if it has endpoints for the given ones, separated by commas:
 * HEAD goes with GET, and OPTIONS with all.  Good until the next list is asked for.
 */
extern const char *tl_method_list(unsigned int methods);

#endif
