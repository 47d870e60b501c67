/*
 * app_route.c
 *		The routes that the database has.
 *
 * The table keeps the parsed JSON, whose texts its routes point to.
 */
#include "routes/app_route.h"

#include "base/log.h"

#include <json-c/json.h>
#include <stdlib.h>

struct TlAppTable
{
	struct json_object *json;
	const char *version;
	TlAppRoute *routes;
	size_t count;
};

/* A member that is a string, or NULL. */
static const char *
text_member(struct json_object *object, const char *name)
{
	struct json_object *member;

	if (!json_object_object_get_ex(object, name, &member) ||
		!json_object_is_type(member, json_type_string))
		return NULL;
	return json_object_get_string(member);
}

static bool
flag_member(struct json_object *object, const char *name)
{
	struct json_object *member;

	return json_object_object_get_ex(object, name, &member) && json_object_get_boolean(member);
}

/* The names of headers, which stay in the parsed JSON. */
static bool
read_headers(struct json_object *object, TlAppRoute *route)
{
	static const char token[] =
		"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	struct json_object *names;
	size_t count;

	if (!json_object_object_get_ex(object, "headers", &names))
		return true;
	if (!json_object_is_type(names, json_type_array))
		return false;
	count = json_object_array_length(names);
	route->headers = calloc(count + 1, sizeof(*route->headers));
	if (route->headers == NULL)
		tl_log_die("out of memory");
	for (size_t i = 0; i < count; i++)
	{
		const char *name = json_object_get_string(json_object_array_get_idx(names, i));

		if (name == NULL || name[0] == '\0' || name[strspn(name, token)] != '\0')
			return false;
		route->headers[route->header_count++] = name;
	}
	return true;
}

static bool
read_path(const char *path, TlAppRoute *route)
{
	while (*path == '/')
	{
		TlAppSegment *segment = &route->segments[route->segment_count];
		size_t len = strcspn(++path, "/");

		if (len == 0 || route->segment_count++ == TL_SEGMENTS_MAX)
			return false;
		*segment = (TlAppSegment){path, len, path[0] == '{' && path[len - 1] == '}'};
		if (segment->is_parameter)
		{
			segment->name++;
			segment->len -= 2;
		}
		path += len;
	}
	return *path == '\0' && route->segment_count > 0;
}

/* Keeps a text in the parsed JSON, as another member of the route's object. */
static const char *
keep_text(struct json_object *object, const char *name, const char *text, size_t len)
{
	struct json_object *member = json_object_new_string_len(text, (int) len);

	if (member == NULL)
		tl_log_die("out of memory");
	json_object_object_add(object, name, member);
	return json_object_get_string(member);
}

/* The members of "params" as text, without the braces. */
static const char *
fixed_params(struct json_object *object)
{
	struct json_object *params;
	const char *text;

	if (!json_object_object_get_ex(object, "params", &params) ||
		!json_object_is_type(params, json_type_object) || json_object_object_length(params) == 0)
		return "";
	text = json_object_to_json_string_ext(params, JSON_C_TO_STRING_PLAIN);
	return keep_text(object, "params_text", text + 1, strlen(text) - 2);
}

static bool
read_route(struct json_object *object, TlAppRoute *route)
{
	const char *method = text_member(object, "method");
	const char *path = text_member(object, "path");
	const char *kind = text_member(object, "kind");
	const char *caller = text_member(object, "caller");
	struct json_object *errors = NULL;

	if (method == NULL || path == NULL || kind == NULL || !read_path(path, route))
		return false;
	route->method = tl_method_by_name(method);
	if ((route->method & (TL_METHOD_HEAD | TL_METHOD_OPTIONS | TL_METHOD_OTHER)) != 0)
		return false;

	route->name = text_member(object, "name");
	route->params = fixed_params(object);
	if (route->name == NULL)
		return false;
	if (strcmp(kind, "events") == 0 && route->method == TL_METHOD_POST)
		route->kind = TL_APP_EVENTS;
	else if (strcmp(kind, "call") == 0)
		route->kind = TL_APP_CALL;
	else if (strcmp(kind, "stream") == 0 && route->method == TL_METHOD_GET)
		route->kind = TL_APP_STREAM;
	else
		return false;

	if (caller != NULL && strcmp(caller, "user") == 0)
		route->caller = TL_APP_USER;
	else if (caller != NULL && strcmp(caller, "device") == 0)
		route->caller = TL_APP_DEVICE;
	else if (caller != NULL)
		return false;
	route->beacon = flag_member(object, "beacon");
	route->counters = flag_member(object, "counters");
	route->reads = route->method == TL_METHOD_GET || flag_member(object, "reads");
	if (!read_headers(object, route))
		return false;
	json_object_object_get_ex(object, "errors", &errors);
	route->failure = tl_failure_create(text_member(object, "error_type"), errors);
	return route->failure != NULL;
}

TlAppTable *
tl_app_table_create(const char *json, size_t len)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *object;
	struct json_object *routes;
	TlAppTable *table;
	size_t count;

	if (tokener == NULL)
		tl_log_die("out of memory");
	object = json_tokener_parse_ex(tokener, json, (int) len);
	json_tokener_free(tokener);
	if (!json_object_is_type(object, json_type_object) || text_member(object, "version") == NULL ||
		!json_object_object_get_ex(object, "routes", &routes) ||
		!json_object_is_type(routes, json_type_array))
	{
		json_object_put(object);
		return NULL;
	}
	count = json_object_array_length(routes);
	table = calloc(1, sizeof(*table));
	if (table == NULL || (table->routes = calloc(count + 1, sizeof(*table->routes))) == NULL)
		tl_log_die("out of memory");
	table->json = object;
	table->version = text_member(object, "version");
	for (size_t i = 0; i < count; i++)
	{
		struct json_object *route = json_object_array_get_idx(routes, i);

		table->routes[table->count] = (TlAppRoute){0};
		if (json_object_is_type(route, json_type_object) &&
			read_route(route, &table->routes[table->count]))
			table->count++;
		else
		{
			free(table->routes[table->count].headers);
			tl_log(TL_LOG_WARNING, "a route of the database cannot be served: %.200s",
				   json_object_to_json_string(route));
		}
	}
	return table;
}

void
tl_app_table_free(TlAppTable *table)
{
	if (table == NULL)
		return;
	for (size_t i = 0; i < table->count; i++)
	{
		tl_failure_release(table->routes[i].failure);
		free(table->routes[i].headers);
	}
	free(table->routes);
	json_object_put(table->json);
	free(table);
}

const char *
tl_app_table_version(const TlAppTable *table)
{
	return table->version;
}

static bool
segment_matches(const TlAppSegment *want, const TlSegment *have)
{
	if (want->is_parameter)
		return have->len > 0;
	return have->len == want->len && memcmp(have->text, want->name, want->len) == 0;
}

static bool
path_matches(const TlAppRoute *route, const TlRequest *request)
{
	if (route->segment_count != request->segment_count)
		return false;
	for (unsigned int i = 0; i < route->segment_count; i++)
	{
		if (!segment_matches(&route->segments[i], &request->segments[i]))
			return false;
	}
	return true;
}

const TlAppRoute *
tl_app_table_find(const TlAppTable *table, const TlRequest *request, unsigned int *methods,
				  TlFailure **failure)
{
	TlMethod wanted = request->method == TL_METHOD_HEAD ? TL_METHOD_GET : request->method;
	const TlAppRoute *found = NULL;

	*methods = 0;
	*failure = NULL;
	for (size_t i = 0; i < table->count; i++)
	{
		const TlAppRoute *route = &table->routes[i];

		if (!path_matches(route, request))
			continue;
		*methods |= route->method;
		*failure = route->failure;
		/* A path of names goes before one with parameters, which sorts after it. */
		if (route->method == wanted && found == NULL)
			found = route;
	}
	return found;
}

void
tl_app_table_add_headers(const TlAppTable *table, const TlRequest *request, TlBuf *out)
{
	for (size_t i = 0; i < table->count; i++)
	{
		const TlAppRoute *route = &table->routes[i];

		if (route->header_count == 0 || !path_matches(route, request))
			continue;
		for (unsigned int k = 0; k < route->header_count; k++)
			tl_buf_printf(out, ", %s", route->headers[k]);
	}
}

/* How many segments of a route's path, from the first on, the request has too. */
static unsigned int
shared_segments(const TlAppRoute *route, const TlRequest *request)
{
	unsigned int i = 0;

	while (i < route->segment_count && i < request->segment_count &&
		   segment_matches(&route->segments[i], &request->segments[i]))
		i++;
	return i;
}

TlFailure *
tl_app_table_nearest(const TlAppTable *table, const TlRequest *request, unsigned int shared)
{
	TlFailure *nearest = NULL;

	for (size_t i = 0; i < table->count; i++)
	{
		unsigned int n = shared_segments(&table->routes[i], request);

		if (n <= shared)
			continue;
		shared = n;
		nearest = table->routes[i].failure;
	}
	return nearest;
}
