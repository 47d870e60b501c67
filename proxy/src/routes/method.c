/*
 * method.c
 *		The methods of requests, and lists of them as the header Allow has them.
 */
#include "routes/method.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define LIST_SIZE 64

/* In the order in which they are listed. */
static const struct
{
	const char *name;
	TlMethod method;
} methods[] = {
	{"GET", TL_METHOD_GET},			{"HEAD", TL_METHOD_HEAD},	{"POST", TL_METHOD_POST},
	{"PUT", TL_METHOD_PUT},			{"PATCH", TL_METHOD_PATCH}, {"DELETE", TL_METHOD_DELETE},
	{"OPTIONS", TL_METHOD_OPTIONS},
};

#define METHOD_COUNT (sizeof(methods) / sizeof(methods[0]))

TlMethod
tl_method_by_name(const char *name)
{
	for (size_t i = 0; i < METHOD_COUNT; i++)
	{
		if (strcmp(name, methods[i].name) == 0)
			return methods[i].method;
	}
	return TL_METHOD_OTHER;
}

const char *
tl_method_list(unsigned int served)
{
	static char list[LIST_SIZE];
	size_t len = 0;

	if ((served & TL_METHOD_GET) != 0)
		served |= TL_METHOD_HEAD;
	served |= TL_METHOD_OPTIONS;
	list[0] = '\0';
	for (size_t i = 0; i < METHOD_COUNT; i++)
	{
		if ((served & methods[i].method) != 0)
			len += (size_t) snprintf(list + len, LIST_SIZE - len, "%s%s", len > 0 ? ", " : "",
									 methods[i].name);
	}
	return list;
}
