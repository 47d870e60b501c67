/*
 * route.c
 *		Paths and methods to endpoints.
 *
 * Those of seed 004 that store points or tell of the service are compiled in, and listed in
 * telemetry.compiled_routes() for their documentation; all others are rows of telemetry.route, see app.h.
 *
 * Errors here: {"detail": text}; of a path that nobody has, in the words of the app whose paths have most
 * of it, if those here have less.  Any endpoint may answer
 *	400 malformed path		404 no such path		405 with Allow		413 body over --max-body
 *	503 with Retry-After: the database is away, or too much is waiting for it
 */
#include "routes/route.h"

#include "base/url.h"
#include "routes/app.h"
#include "routes/cors.h"
#include "routes/health.h"
#include "routes/ingest.h"

typedef struct Route
{
	/* Segments; "*" is any one that is not empty. */
	const char *path[TL_SEGMENTS_MAX];
	TlMethod method; /* HEAD goes with GET */
	void (*handle)(TlRequest *request, const TlBackend *backend);
} Route;

#define API "api", "v1", "telemetry"

static const Route routes[] = {
	/*
	 * POST one point (seed 004 E1-US1): {"timestamp": RFC 3339, "metric_name": text,
	 * "value": number, string, boolean, object or array, "unit": text, "tags": object,
	 * "metadata": object}; the last three may be missing or null.
	 * 200 {"success", "message", "device_id", "metric_name"}; 400 malformed JSON or
	 * compression; 415 type or encoding; 422 why the point is not stored.
	 */
	{{API, "devices", "*", "telemetry"}, TL_METHOD_POST, tl_ingest_single},

	/*
	 * POST 1 to 1000 points of a device (E1-US2): {"data_points": [point, ...],
	 * "compression": null, "gzip" or "lz4", "batch_id": text or null}.
	 * 200 {"success", "ingested_count", "failed_count", "total_count", "errors":
	 * [{"index", "metric_name", "code", "error"}]}, also when some or all points failed;
	 * a batch_id that was seen before answers as it did then.  400, 415, 422 as above.
	 */
	{{API, "devices", "*", "telemetry", "batch"}, TL_METHOD_POST, tl_ingest_batch},

	/*
	 * POST points of several devices (E1-US3): {device_id: [point, ...], ...}, at most 1000
	 * for each and 10000 in all.
	 * 200 {"success", "results": {device_id: as for a batch}, "total_devices"}.
	 */
	{{API, "bulk"}, TL_METHOD_POST, tl_ingest_bulk},

	/*
	 * GET what became of a batch with a batch_id; ?device_id= picks one if several devices
	 * used the same.  200 its receipt; 404 if there is none.
	 */
	{{API, "batches", "*"}, TL_METHOD_GET, tl_batch_receipt},

	/*
	 * GET whether points can be stored now (E6-US3), answered at once.
	 * 200 {"status": "healthy", "service", "port", "version"}, said by the database within the
	 * last second or two; 503 {"status": "unhealthy", "service", "port", "detail"}.
	 */
	{{"health"}, TL_METHOD_GET, tl_health},

	/*
	 * GET whether the process runs, for those who would start it again.  200 {"status": "alive"}.
	 */
	{{"health", "live"}, TL_METHOD_GET, tl_health_live},

	/*
	 * GET the state of each component (E6-US4).
	 * 200 or 503 {"status", "service", "components": {"data_ingestion", "time_series_db",
	 * "alert_engine", "real_time_stream"}, "performance"}.
	 */
	{{"health", "detailed"}, TL_METHOD_GET, tl_health_detailed},
};

#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

static TlBuf decoded_path;

void
tl_route_shutdown(void)
{
	tl_buf_free(&decoded_path);
}

/*
 * Splits the path, then decodes: an encoded slash stays within its segment.  One slash at the end means
 * nothing, as no route has one.  It is not redirected: many a client would leave its body behind.
 * Returns an HTTP status, 0 if all is well.
 */
static int
split_path(TlRequest *request)
{
	const char *p = request->path;
	size_t room;
	char *out;

	if (*p != '/')
		return 404;
	room = strlen(p) + TL_SEGMENTS_MAX;
	decoded_path.len = 0;
	out = tl_buf_reserve(&decoded_path, room);
	request->segment_count = 0;
	while (*p == '/')
	{
		size_t len = strcspn(++p, "/");
		TlSegment *segment = &request->segments[request->segment_count];
		long n;

		if (*p == '\0' && request->segment_count > 0)
			break;
		if (request->segment_count++ == TL_SEGMENTS_MAX)
			return 404;
		n = tl_url_decode(p, len, false, out);
		if (n < 0)
			return 400;
		segment->text = out;
		segment->len = (size_t) n;
		out[n] = '\0';
		out += n + 1;
		p += len;
	}
	return 0;
}

/* How many segments of its path, from the first on, the request has too. */
static unsigned int
shared_segments(const Route *route, const TlRequest *request)
{
	unsigned int i;

	for (i = 0; i < request->segment_count && route->path[i] != NULL; i++)
	{
		const char *want = route->path[i];

		if (strcmp(want, "*") == 0 ? request->segments[i].len == 0
								   : strcmp(want, request->segments[i].text) != 0)
			break;
	}
	return i;
}

static bool
route_matches(const Route *route, const TlRequest *request)
{
	unsigned int n = request->segment_count;

	return shared_segments(route, request) == n && (n == TL_SEGMENTS_MAX || route->path[n] == NULL);
}

/* A path that nobody has is refused in the words of those that have most of it. */
static void
refuse_unknown(TlRequest *request)
{
	unsigned int shared = 0;

	for (size_t i = 0; i < ROUTE_COUNT; i++)
	{
		unsigned int n = shared_segments(&routes[i], request);

		if (n > shared)
			shared = n;
	}
	tl_app_speak(request, shared);
	if (tl_cors_check(request))
		tl_request_refuse(request, 404, "Not Found");
}

void
tl_route_handle(TlRequest *request, const TlBackend *backend)
{
	TlMethod method = request->method == TL_METHOD_HEAD ? TL_METHOD_GET : request->method;
	int status = split_path(request);

	if (request->method == TL_METHOD_OPTIONS && strcmp(request->path, "*") == 0)
	{
		/* The server as a whole: RFC 9110, 9.3.7. */
		tl_request_answer(request, &(TlAnswer){.status = 204});
		return;
	}
	if (status != 0)
	{
		if (tl_cors_check(request))
			tl_request_refuse(request, status, status == 400 ? "malformed path" : "Not Found");
		return;
	}
	for (size_t i = 0; i < ROUTE_COUNT; i++)
	{
		if (!route_matches(&routes[i], request))
			continue;
		if (!tl_cors_check(request))
			return;
		if (method == routes[i].method)
			routes[i].handle(request, backend);
		else
			tl_request_tell_methods(request, routes[i].method, "");
		return;
	}
	if (!tl_app_handle(request, backend))
		refuse_unknown(request);
}
