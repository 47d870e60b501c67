/*
 * test_proxy_app_route.c
 *		The routes that the database has, and the shapes of failures.
 */
#include "routes/app_route.h"
#include "tap.h"

#include <string.h>

#define FAILURES                                                                                   \
	"\"error_type\": \"application/problem+json\", \"errors\": {"                                  \
	"\"400\": \"{\\\"ok\\\": false, \\\"why\\\": \\\"$detail\\\"}\","                              \
	"\"default\": \"{\\\"status\\\": $status, \\\"cost\\\": \\\"5$\\\"}\"}"

static TlAppTable *
table_of(const char *routes)
{
	static char json[4096];

	snprintf(json, sizeof(json), "{\"version\": \"v\", \"routes\": [%s]}", routes);
	return tl_app_table_create(json, strlen(json));
}

/* The texts of its segments last until the next call. */
static TlRequest
request_for(TlMethod method, const char *path)
{
	static char text[256];
	TlRequest request = {.method = method};

	snprintf(text, sizeof(text), "%s", path);
	for (char *p = strtok(text, "/"); p != NULL; p = strtok(NULL, "/"))
		request.segments[request.segment_count++] = (TlSegment){p, strlen(p)};
	return request;
}

static const TlAppRoute *
find(const TlAppTable *table, TlMethod method, const char *path, unsigned int *methods)
{
	TlRequest request = request_for(method, path);
	TlFailure *failure;

	return tl_app_table_find(table, &request, methods, &failure);
}

static void
routes_are_found_by_path_and_method(void)
{
	TlAppTable *table = table_of(
		"{\"method\": \"GET\", \"path\": \"/a/b\", \"kind\": \"call\","
		" \"name\": \"GET /a/b\", " FAILURES "},"
		"{\"method\": \"GET\", \"path\": \"/a/{id}\", \"kind\": \"call\","
		" \"name\": \"GET /a/{id}\", \"params\": {\"x\": 1}, \"caller\": \"user\", " FAILURES "},"
		"{\"method\": \"POST\", \"path\": \"/a/b\", \"kind\": \"events\","
		" \"name\": \"POST /a/b\", \"beacon\": true, " FAILURES "}");
	const TlAppRoute *route;
	unsigned int methods;

	TAP_CHECK(table != NULL && strcmp(tl_app_table_version(table), "v") == 0);
	route = find(table, TL_METHOD_GET, "/a/b", &methods);
	TAP_CHECK(route != NULL && strcmp(route->name, "GET /a/b") == 0);
	route = find(table, TL_METHOD_HEAD, "/a/c", &methods);
	TAP_CHECK(route != NULL && strcmp(route->name, "GET /a/{id}") == 0);
	TAP_CHECK(!route->beacon && route->caller == TL_APP_USER &&
			  strcmp(route->params, "\"x\":1") == 0);
	route = find(table, TL_METHOD_POST, "/a/b", &methods);
	TAP_CHECK(route != NULL && route->kind == TL_APP_EVENTS && route->params[0] == '\0');
	TAP_CHECK(route->beacon);
	TAP_CHECK(find(table, TL_METHOD_OTHER, "/a/b", &methods) == NULL);
	TAP_CHECK(methods == (TL_METHOD_GET | TL_METHOD_POST));
	TAP_CHECK(find(table, TL_METHOD_GET, "/a", &methods) == NULL && methods == 0);
	TAP_CHECK(find(table, TL_METHOD_GET, "/a/b/c", &methods) == NULL && methods == 0);
	tl_app_table_free(table);
}

/* The type of failures of a path that no route has, or NULL. */
static const char *
nearest(const TlAppTable *table, const char *path, unsigned int shared)
{
	TlRequest request = request_for(TL_METHOD_GET, path);
	TlFailure *failure = tl_app_table_nearest(table, &request, shared);

	return failure == NULL ? NULL : tl_failure_content_type(failure);
}

static bool
is_type(const char *type, const char *expected)
{
	return type != NULL && strcmp(type, expected) == 0;
}

static void
unknown_path_speaks_the_dialect_that_shares_most_of_it(void)
{
	TlAppTable *table =
		table_of("{\"method\": \"GET\", \"path\": \"/admin/plays/{id}/days\", \"kind\": \"call\","
				 " \"name\": \"a\", " FAILURES "},"
				 "{\"method\": \"GET\", \"path\": \"/admin/recent\", \"kind\": \"call\","
				 " \"name\": \"b\", \"error_type\": \"text/b\", \"errors\": {\"default\": \"\"}},"
				 "{\"method\": \"GET\", \"path\": \"/{any}\", \"kind\": \"call\","
				 " \"name\": \"c\", \"error_type\": \"text/c\", \"errors\": {\"default\": \"\"}}");
	static const char problem[] = "application/problem+json";

	TAP_CHECK(is_type(nearest(table, "/admin", 0), problem));
	TAP_CHECK(is_type(nearest(table, "/admin/nothing", 0), problem));
	TAP_CHECK(is_type(nearest(table, "/admin/plays/7/weeks", 0), problem));
	TAP_CHECK(is_type(nearest(table, "/admin/recent/more", 0), "text/b"));
	TAP_CHECK(is_type(nearest(table, "/adm/recent", 0), "text/c"));
	TAP_CHECK(nearest(table, "/", 0) == NULL);
	/* Others have as much of it. */
	TAP_CHECK(nearest(table, "/admin/nothing", 1) == NULL);
	TAP_CHECK(is_type(nearest(table, "/admin/recent/more", 1), "text/b"));
	tl_app_table_free(table);
}

static void
what_reads_is_told_by_its_function_and_every_get_does(void)
{
	TlAppTable *table = table_of("{\"method\": \"GET\", \"path\": \"/a\", \"kind\": \"call\","
								 " \"name\": \"a\", \"reads\": false, " FAILURES "},"
								 "{\"method\": \"POST\", \"path\": \"/a\", \"kind\": \"call\","
								 " \"name\": \"b\", \"reads\": true, " FAILURES "},"
								 "{\"method\": \"PUT\", \"path\": \"/a\", \"kind\": \"call\","
								 " \"name\": \"c\", " FAILURES "}");
	unsigned int methods;

	TAP_CHECK(find(table, TL_METHOD_GET, "/a", &methods)->reads);
	TAP_CHECK(find(table, TL_METHOD_POST, "/a", &methods)->reads);
	TAP_CHECK(!find(table, TL_METHOD_PUT, "/a", &methods)->reads);
	tl_app_table_free(table);
}

static void
each_method_of_a_path_has_its_route(void)
{
	TlAppTable *table =
		table_of("{\"method\": \"PUT\", \"path\": \"/a/{id}\", \"kind\": \"call\","
				 " \"name\": \"PUT\", " FAILURES "},"
				 "{\"method\": \"PATCH\", \"path\": \"/a/{id}\", \"kind\": \"call\","
				 " \"name\": \"PATCH\", " FAILURES "},"
				 "{\"method\": \"DELETE\", \"path\": \"/a/{id}\", \"kind\": \"call\","
				 " \"name\": \"DELETE\", " FAILURES "}");
	static const char *const names[] = {"PUT", "PATCH", "DELETE"};
	unsigned int methods;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		const TlAppRoute *route = find(table, tl_method_by_name(names[i]), "/a/1", &methods);

		TAP_CHECK(route != NULL && strcmp(route->name, names[i]) == 0);
	}
	TAP_CHECK(find(table, TL_METHOD_HEAD, "/a/1", &methods) == NULL);
	TAP_CHECK(strcmp(tl_method_list(methods), "PUT, PATCH, DELETE, OPTIONS") == 0);
	TAP_CHECK(strcmp(tl_method_list(TL_METHOD_POST | TL_METHOD_GET), "GET, HEAD, POST, OPTIONS") ==
			  0);
	TAP_CHECK(tl_method_by_name("get") == TL_METHOD_OTHER &&
			  tl_method_by_name("") == TL_METHOD_OTHER);
	tl_app_table_free(table);
}

static void
headers_of_all_routes_of_a_path_are_told(void)
{
	TlAppTable *table =
		table_of("{\"method\": \"PUT\", \"path\": \"/a/{id}\", \"kind\": \"call\","
				 " \"name\": \"1\", \"headers\": [\"x-one\", \"x-two\"], " FAILURES "},"
				 "{\"method\": \"GET\", \"path\": \"/a/b\", \"kind\": \"call\","
				 " \"name\": \"2\", \"headers\": [\"ce-id\"], " FAILURES "},"
				 "{\"method\": \"GET\", \"path\": \"/b\", \"kind\": \"call\","
				 " \"name\": \"3\", \"headers\": [\"other\"], " FAILURES "}");
	TlRequest request = {.segments = {{"a", 1}, {"b", 1}}, .segment_count = 2};
	static const char expected[] = ", x-one, x-two, ce-id";
	unsigned int methods;
	TlBuf out = {0};

	tl_app_table_add_headers(table, &request, &out);
	TAP_CHECK(out.len == strlen(expected) && memcmp(out.data, expected, out.len) == 0);
	TAP_CHECK(find(table, TL_METHOD_PUT, "/a/b", &methods)->header_count == 2);
	tl_buf_free(&out);
	tl_app_table_free(table);
}

static void
routes_that_cannot_be_served_are_left_out(void)
{
	static const char *const wrong[] = {
		"7",
		"{}",
		"{\"method\": \"HEAD\", \"path\": \"/w\", \"kind\": \"call\", \"name\": "
		"\"w\", " FAILURES "}",
		"{\"method\": \"OPTIONS\", \"path\": \"/w\", \"kind\": \"call\", \"name\": "
		"\"w\", " FAILURES "}",
		"{\"method\": \"PUT\", \"path\": \"/w\", \"kind\": \"events\", \"name\": "
		"\"w\", " FAILURES "}",
		"{\"method\": \"GET\", \"path\": \"w\", \"kind\": \"call\", \"name\": "
		"\"w\", " FAILURES "}",
		"{\"method\": \"GET\", \"path\": \"/w//w\", \"kind\": \"call\", \"name\": "
		"\"w\", " FAILURES "}",
		"{\"method\": \"GET\", \"path\": \"/w/1/2/3/4/5/6/7/8\", \"kind\": \"call\", \"name\": "
		"\"w\", " FAILURES "}",
		"{\"method\": \"GET\", \"path\": \"/w\", \"kind\": \"call\", " FAILURES "}",
		"{\"method\": \"GET\", \"path\": \"/w\", \"kind\": \"calls\", \"name\": \"w\", " FAILURES
		"}",
		"{\"method\": \"GET\", \"path\": \"/w\", \"kind\": \"events\", \"name\": \"GET "
		"/w\", " FAILURES "}",
		"{\"method\": \"GET\", \"path\": \"/w\", \"kind\": \"call\", \"name\": \"w\", "
		"\"caller\": \"king\", " FAILURES "}",
		"{\"method\": \"GET\", \"path\": \"/w\", \"kind\": \"call\", \"name\": \"w\", "
		"\"headers\": [\"a\", \"b\\r\\nc\"], " FAILURES "}",
		"{\"method\": \"GET\", \"path\": \"/w\", \"kind\": \"call\", \"name\": \"w\", "
		"\"headers\": [\"\"], " FAILURES "}",
		"{\"method\": \"GET\", \"path\": \"/w\", \"kind\": \"call\", \"name\": \"w\", "
		"\"headers\": \"a\", " FAILURES "}",
		"{\"method\": \"GET\", \"path\": \"/w\", \"kind\": \"call\", \"name\": \"w\"}",
		"{\"method\": \"GET\", \"path\": \"/w\", \"kind\": \"call\", \"name\": \"w\","
		" \"error_type\": \"a\\r\\nb\", \"errors\": {\"default\": \"\"}}",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
	{
		TlAppTable *table = table_of(wrong[i]);
		unsigned int methods;

		TAP_CHECK(table != NULL);
		find(table, TL_METHOD_GET, "/w", &methods);
		if (!TAP_CHECK(methods == 0))
			printf("# %s\n", wrong[i]);
		tl_app_table_free(table);
	}
}

static void
what_is_no_table_is_refused(void)
{
	TAP_CHECK(tl_app_table_create("", 0) == NULL);
	TAP_CHECK(tl_app_table_create("[]", 2) == NULL);
	TAP_CHECK(tl_app_table_create("{\"version\": 1, \"routes\": []}", 28) == NULL);
	TAP_CHECK(tl_app_table_create("{\"version\": \"v\", \"routes\": {}}", 30) == NULL);
}

static bool
composes_to(const TlAppRoute *route, int status, const char *detail, const char *expected)
{
	TlBuf out = {0};
	bool same;

	tl_failure_compose(route->failure, status, detail, &out);
	same = out.len == strlen(expected) && memcmp(out.data, expected, out.len) == 0;
	tl_buf_free(&out);
	return same;
}

static void
failures_have_the_shape_of_their_status(void)
{
	TlAppTable *table = table_of("{\"method\": \"GET\", \"path\": \"/a\", \"kind\": \"call\","
								 " \"name\": \"w\", " FAILURES "}");
	unsigned int methods;
	const TlAppRoute *route = find(table, TL_METHOD_GET, "/a", &methods);

	TAP_CHECK(composes_to(route, 400, "say \"$status\"\n",
						  "{\"ok\": false, \"why\": \"say \\\"$status\\\"\\u000a\"}"));
	TAP_CHECK(composes_to(route, 503, "away", "{\"status\": 503, \"cost\": \"5$\"}"));
	TAP_CHECK(strcmp(tl_failure_content_type(route->failure), "application/problem+json") == 0);
	tl_app_table_free(table);
}

int
main(void)
{
	TAP_RUN(routes_are_found_by_path_and_method);
	TAP_RUN(what_reads_is_told_by_its_function_and_every_get_does);
	TAP_RUN(each_method_of_a_path_has_its_route);
	TAP_RUN(headers_of_all_routes_of_a_path_are_told);
	TAP_RUN(unknown_path_speaks_the_dialect_that_shares_most_of_it);
	TAP_RUN(routes_that_cannot_be_served_are_left_out);
	TAP_RUN(what_is_no_table_is_refused);
	TAP_RUN(failures_have_the_shape_of_their_status);
	return tap_end();
}
