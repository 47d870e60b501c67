/*
 * app_route.h
 *		The routes that the database has: rows of telemetry.route.
 *
 * A table of them is made of what telemetry.http_routes() returns, and replaced as a whole.  A route
 * is good until its table is.
 */
#ifndef TL_APP_ROUTE_H
#define TL_APP_ROUTE_H

#include "routes/request.h"

typedef enum TlAppKind
{
	TL_APP_EVENTS, /* a row of telemetry.http_event */
	TL_APP_CALL,   /* a call of a function */
	TL_APP_STREAM  /* the same, of one that answers in parts */
} TlAppKind;

typedef enum TlAppCaller
{
	TL_APP_ANYONE,
	TL_APP_USER,
	TL_APP_DEVICE
} TlAppCaller;

/* A segment of a path: a name, or a parameter in braces. */
typedef struct TlAppSegment
{
	const char *name;
	size_t len;
	bool is_parameter;
} TlAppSegment;

typedef struct TlAppRoute
{
	TlMethod method;
	TlAppKind kind;
	TlAppCaller caller;	  /* who must be known */
	bool beacon;		  /* JSON may come as text/plain */
	bool counters;		  /* params are to have what the proxy counts */
	bool reads;			  /* and changes nothing, whatever its method */
	const char **headers; /* names, in lower case, of those that params are to have */
	unsigned int header_count;
	TlAppSegment segments[TL_SEGMENTS_MAX];
	unsigned int segment_count;
	const char *name;	/* what the database knows the route by */
	const char *params; /* members that all requests' params have, without braces; may be empty */
	TlFailure *failure;
} TlAppRoute;

typedef struct TlAppTable TlAppTable;

/* NULL if the text is not what telemetry.http_routes() returns; routes that are not are left out. */
extern TlAppTable *tl_app_table_create(const char *json, size_t len);
extern void tl_app_table_free(TlAppTable *table); /* may be NULL */

extern const char *tl_app_table_version(const TlAppTable *table);

/*
 * The route of a path and method.  NULL if there is none; *methods tells which methods the path
 * has, and *failure the dialect of one of them, or NULL.
 */
extern const TlAppRoute *tl_app_table_find(const TlAppTable *table, const TlRequest *request,
										   unsigned int *methods, TlFailure **failure);

/* Appends ", name" for each header that a route of the path is to have. */
extern void tl_app_table_add_headers(const TlAppTable *table, const TlRequest *request, TlBuf *out);

/*
 * The dialect of those whose paths begin as the request's does, for more than so many segments; of
 * several the one whose path has most of them, the first of the table.  NULL if there is none.
 */
extern TlFailure *tl_app_table_nearest(const TlAppTable *table, const TlRequest *request,
									   unsigned int shared);

#endif
