/*
 * main.c
 *		telemetry-proxy: start, signals, stop.
 */
#include "base/activation.h"
#include "base/address.h"
#include "routes/app.h"
#include "routes/body.h"
#include "routes/health.h"
#include "base/config.h"
#include "net/http.h"
#include "deliver/deliver.h"
#include "base/inflate.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/notify.h"
#include "net/tls.h"
#include "routes/route.h"
#include "supervise.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef TL_VERSION
#error "TL_VERSION is not set: build with make"
#endif

/* Descriptors beside those of clients, and of a notification on its way: two addresses tried at once, two of a resolver. */
#define OTHER_DESCRIPTORS 64
#define TRANSFER_DESCRIPTORS 4

/*
 * When draining has taken too long: time for the database to end what it does, then for the last
 * answers to go out.
 */
#define LAST_WORDS_MS 200

#define POINT_QUERY                                                                                \
	"COPY telemetry.point (ts, device_id, metric, value, unit, tags, metadata)"                    \
	" FROM STDIN (FORMAT binary);"                                                                 \
	"SELECT received, accepted, duplicates, conflicts, rejected, rows"                             \
	" FROM telemetry.ingest_result()"

#define EVENT_QUERY                                                                                \
	"COPY telemetry.http_event (route, params, body) FROM STDIN (FORMAT binary);"                  \
	"SELECT status, body, content_type FROM telemetry.http_event_result()"

typedef enum Action
{
	ACTION_RUN,
	ACTION_CHECK,
	ACTION_HELP,
	ACTION_VERSION
} Action;

/* What the configuration comes from, to be read again at SIGHUP. */
typedef struct Sources
{
	int argc;
	char **argv;
	const char *file;	   /* or NULL */
	TlAddressList sockets; /* that were open at the start; if there are any, "listen" is not used */
} Sources;

/* What a process that serves is given. */
typedef struct Service
{
	TlConfig *config;
	const Sources *sources;
	TlAddressList addresses;
	TlTls *tls;
} Service;

typedef struct Server
{
	struct event_base *base;
	const Service *service;
	TlBackend backend;
	TlHttp *http;
	TlDeliver *deliver;
	struct event *signals[2];
	struct event *hangup;
	struct event *deadline;
	struct event *watchdog;
	bool supervised; /* by a process that passes signals on */
	bool draining;
	unsigned int to_drain; /* HTTP, notifications */
	bool given_up;
	bool abandoned;
} Server;

static int
usage_error(const TlConfigError *error)
{
	fprintf(stderr, "telemetry-proxy: %s\n", error->text);
	if (error->hint[0] != '\0')
		fprintf(stderr, "HINT:  %s\n", error->hint);
	return 1;
}

static void
print_help(void)
{
	printf("telemetry-proxy %s: HTTP ingest of telemetry points into PostgreSQL\n\n"
		   "Usage: telemetry-proxy [-c FILE] [--option=value ...]\n\n"
		   "  -c, --config FILE   read options from FILE (name = value)\n"
		   "  --check-config      check all options, then exit with 0 or 1\n"
		   "  --version           print the version\n"
		   "  --help              print this\n\n"
		   "Each option may also be set in the environment, as TELEMETRY_PROXY_MAX_BODY for\n"
		   "--max-body.  The command line goes before the environment, the environment before\n"
		   "the file.\n\n",
		   TL_VERSION);
	tl_config_print_help(stdout);
}

/*
 * Walks the command line twice: with `config` NULL for the file and the action, later, when
 * file and environment have been read, for the options.
 */
static bool
read_arguments(int argc, char **argv, TlConfig *config, const char **file, Action *action,
			   TlConfigError *error)
{
	for (int i = 1; i < argc; i++)
	{
		const char *arg = argv[i];
		const char *value;
		char name[64];
		size_t len;

		if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
			*action = ACTION_HELP;
		else if (strcmp(arg, "--version") == 0 || strcmp(arg, "-V") == 0)
			*action = ACTION_VERSION;
		else if (strcmp(arg, "--check-config") == 0)
			*action = ACTION_CHECK;
		else if (strncmp(arg, "--config=", 9) == 0)
			*file = arg + 9;
		else if ((strcmp(arg, "-c") == 0 || strcmp(arg, "--config") == 0) && i + 1 < argc)
			*file = argv[++i];
		else if (strncmp(arg, "--", 2) != 0)
		{
			snprintf(error->text, sizeof(error->text), "unexpected argument \"%s\"", arg);
			snprintf(error->hint, sizeof(error->hint), "Options are written as --name=value.");
			return false;
		}
		else
		{
			arg += 2;
			len = strcspn(arg, "=");
			snprintf(name, sizeof(name), "%.*s", (int) len, arg);
			if (arg[len] == '=')
				value = arg + len + 1;
			else if (i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0)
				value = argv[++i];
			else
				value = tl_config_is_switch(name) ? "on" : "";
			if (config != NULL && !tl_config_set(config, name, value, error))
				return false;
		}
	}
	return true;
}

static bool
check_database(const char *conninfo, TlConfigError *error)
{
	char *message = NULL;
	PQconninfoOption *parsed = PQconninfoParse(conninfo, &message);

	if (parsed != NULL)
	{
		PQconninfoFree(parsed);
		return true;
	}
	snprintf(error->text, sizeof(error->text), "invalid value for option \"database\": %.400s",
			 message != NULL ? message : "out of memory");
	error->text[strcspn(error->text, "\n")] = '\0';
	snprintf(error->hint, sizeof(error->hint),
			 "It must be a libpq connection string, such as \"host=/run/postgresql dbname=iot\", "
			 "or a postgresql:// URI.");
	PQfreemem(message);
	return false;
}

static bool
read_addresses(const char *option, const char *value, TlAddressUse use, TlAddressList *addresses,
			   TlConfigError *error)
{
	char reason[300];

	if (tl_address_parse(value, use, addresses, reason, sizeof(reason)))
		return true;
	snprintf(error->text, sizeof(error->text), "invalid value for option \"%s\": %s", option,
			 reason);
	error->hint[0] = '\0';
	return false;
}

/* With SO_REUSEPORT an address could be bound twice, and serve one as the other. */
static bool
check_distinct(const TlAddressList *addresses, TlConfigError *error)
{
	for (size_t i = 1; i < addresses->count; i++)
	{
		for (size_t k = 0; k < i; k++)
		{
			const TlAddress *a = &addresses->items[i];
			const TlAddress *b = &addresses->items[k];

			if (a->len != b->len || memcmp(&a->socket, &b->socket, a->len) != 0 || a->fd >= 0 ||
				b->fd >= 0)
				continue;
			snprintf(error->text, sizeof(error->text), "address %s is to be listened on twice",
					 a->text);
			snprintf(error->hint, sizeof(error->hint),
					 "Look at \"listen\", \"tls-listen\" and \"health-listen\".");
			return false;
		}
	}
	return true;
}

/* Each may be empty, but not both that serve all.  Sockets that were passed take the place of "listen". */
static bool
check_listen(const TlConfig *config, const TlAddressList *sockets, TlAddressList *addresses,
			 TlConfigError *error)
{
	bool is_plain = config->listen[0] != '\0' || config->tls_listen[0] == '\0';

	*addresses = *sockets;
	if ((is_plain && sockets->count == 0 &&
		 !read_addresses("listen", config->listen, TL_ADDRESS_PLAIN, addresses, error)) ||
		(config->tls_listen[0] != '\0' &&
		 !read_addresses("tls-listen", config->tls_listen, TL_ADDRESS_TLS, addresses, error)) ||
		(config->health_listen[0] != '\0' && !read_addresses("health-listen", config->health_listen,
															 TL_ADDRESS_HEALTH, addresses, error)))
		return false;
	if (!check_distinct(addresses, error))
		return false;
	for (size_t i = 0; i < addresses->count && config->auth == TL_AUTH_NONE; i++)
	{
		if (addresses->items[i].use == TL_ADDRESS_HEALTH ||
			tl_address_is_loopback(&addresses->items[i]))
			continue;
		snprintf(error->text, sizeof(error->text), "auth=none is not accepted on address %s",
				 addresses->items[i].text);
		snprintf(error->hint, sizeof(error->hint),
				 "Anyone who can reach that address could store points.  Listen on a loopback "
				 "address such as 127.0.0.1 or [::1].");
		return false;
	}
	return true;
}

static void
raise_descriptor_limit(const TlConfig *config)
{
	int64_t clients = config->max_connections;
	rlim_t want =
		(rlim_t) (clients + OTHER_DESCRIPTORS +
				  (config->deliver ? config->deliver_transfers * TRANSFER_DESCRIPTORS : 0));
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want)
		return;
	limit.rlim_cur = want < limit.rlim_max ? want : limit.rlim_max;
	(void) setrlimit(RLIMIT_NOFILE, &limit);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < want)
		tl_log(TL_LOG_WARNING, "max-connections is %lld, but only %llu files may be open",
			   (long long) clients, (unsigned long long) limit.rlim_cur);
}

static void
server_on_drained(void *arg)
{
	Server *server = arg;

	if (--server->to_drain == 0)
		event_base_loopbreak(server->base);
}

static void
server_set_deadline(Server *server, int64_t ms)
{
	struct timeval when = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(server->deadline, &when);
}

static void
server_on_deadline(evutil_socket_t fd, short what, void *arg)
{
	Server *server = arg;

	(void) fd;
	(void) what;
	if (server->abandoned)
	{
		event_base_loopbreak(server->base);
		return;
	}
	if (!server->given_up)
	{
		server->given_up = true;
		tl_http_give_up(server->http);
		server_set_deadline(server, LAST_WORDS_MS);
		return;
	}
	server->abandoned = true;
	if (tl_metrics.in_flight > 0)
		tl_log(TL_LOG_WARNING, "%llu requests were not confirmed in time",
			   (unsigned long long) tl_metrics.in_flight);
	tl_http_abandon(server->http);
	server_set_deadline(server, LAST_WORDS_MS);
}

static void
server_on_signal(evutil_socket_t number, short what, void *arg)
{
	Server *server = arg;

	(void) what;
	/* Sent to all processes at once: the parent has it, too, and says what is to be done. */
	if (server->supervised && (server->draining || number == SIGINT))
		return;
	if (server->draining)
	{
		tl_log(TL_LOG_WARNING, "second signal: exiting now");
		_exit(1);
	}
	server->draining = true;
	tl_log(TL_LOG_INFO, "signal %d: finishing %llu requests", (int) number,
		   (unsigned long long) tl_metrics.in_flight);
	tl_notify("STOPPING=1\nSTATUS=finishing %llu requests",
			  (unsigned long long) tl_metrics.in_flight);
	server_set_deadline(server, server->backend.config->drain_timeout);
	server->to_drain = 2;
	tl_deliver_drain(server->deliver, server_on_drained, server);
	tl_http_drain(server->http, server_on_drained, server);
}

/* Reads all that the configuration comes from; what is in `config` are defaults. */
static bool
read_config(const Sources *sources, TlConfig *config, TlAddressList *addresses,
			TlConfigError *error)
{
	const char *file = NULL;
	Action action = ACTION_RUN;

	return (sources->file == NULL || tl_config_read_file(config, sources->file, error)) &&
		   tl_config_read_environment(config, environ, error) &&
		   read_arguments(sources->argc, sources->argv, config, &file, &action, error) &&
		   tl_config_check(config, error) && check_database(config->database, error) &&
		   check_listen(config, &sources->sockets, addresses, error) &&
		   tl_deliver_check(config, error);
}

/* Takes over what has changed; false if it cannot be read, and all stays as it is. */
static bool
read_config_again(const Service *service)
{
	TlConfig *config = service->config;
	TlConfig fresh;
	TlAddressList addresses;
	TlConfigError error = {0};
	bool is_good;

	tl_config_begin(&fresh);
	tl_log(TL_LOG_INFO, "reading the configuration again");
	is_good = read_config(service->sources, &fresh, &addresses, &error) &&
			  tl_tls_reload(service->tls, &fresh, &error);
	if (is_good)
	{
		tl_config_change(config, &fresh);
		tl_tls_report(service->tls);
		tl_log_set_level((TlLogLevel) config->log_level);
	}
	else
		tl_log(TL_LOG_ERROR, "the configuration stays as it is: %s", error.text);
	tl_config_free(&fresh);
	return is_good;
}

static void
server_on_hangup(evutil_socket_t number, short what, void *arg)
{
	Server *server = arg;

	(void) number;
	(void) what;
	tl_notify_reloading();
	if (read_config_again(server->service))
	{
		raise_descriptor_limit(server->service->config);
		if (!server->draining)
			tl_deliver_reload(server->deliver);
	}
	tl_notify("READY=1");
}

static void
server_on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void) fd;
	(void) what;
	(void) arg;
	tl_notify("WATCHDOG=1");
}

/* Says in time that the loop goes round, if anybody wants to know. */
static void
server_open_watchdog(Server *server)
{
	uint64_t pause_us = tl_notify_watchdog_us() / 2;
	struct timeval pause = {(time_t) (pause_us / 1000000), (suseconds_t) (pause_us % 1000000)};

	if (pause_us == 0)
		return;
	server->watchdog = event_new(server->base, -1, EV_PERSIST, server_on_watchdog, NULL);
	if (server->watchdog == NULL)
		tl_log_die("out of memory");
	event_add(server->watchdog, &pause);
}

/* A process that is supervised begins with them blocked. */
static void
unblock_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static struct event_base *
open_event_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (config == NULL)
		tl_log_die("out of memory");
	/* Descriptors switch between reading and writing many times a round; tell epoll once. */
	event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	base = event_base_new_with_config(config);
	event_config_free(config);
	if (base == NULL)
		tl_log_die("could not start the event loop");
	return base;
}

/* Connections that give up one that has not answered for twice the time that a request has. */
static TlAccess
open_access(struct event_base *base, const TlConfig *config, const char *name, int64_t connections,
			int64_t request_timeout)
{
	TlPool *pool = tl_pool_open(base, name, config->database, (unsigned int) connections,
								config->connect_timeout, request_timeout * 2);

	return (TlAccess){pool, tl_rpc_open(pool)};
}

/* All of a process that serves, given a Service; returns its exit status. */
static int
serve(void *arg)
{
	static const int numbers[] = {SIGTERM, SIGINT};
	const Service *service = arg;
	const TlAddressList *addresses = &service->addresses;
	TlConfig *config = service->config;
	Server server = {
		.base = open_event_base(),
		.service = service,
		.supervised = config->processes > 1,
	};
	TlBackend *backend = &server.backend;
	int status = 1;

	signal(SIGPIPE, SIG_IGN);
	tl_tls_report(service->tls);
	raise_descriptor_limit(config);
	tl_metrics.started_us = tl_clock_us();

	backend->base = server.base;
	backend->config = config;
	backend->report_port = config->report_port != 0 ? (unsigned int) config->report_port
													: tl_address_port(&addresses->items[0]);
	backend->ingest =
		open_access(server.base, config, "ingest", config->connections, config->request_timeout);
	backend->reads = open_access(server.base, config, "reads", config->read_connections,
								 config->request_timeout);
	backend->exports = open_access(server.base, config, "exports", config->export_connections,
								   config->request_timeout);
	backend->health = open_access(server.base, config, "health", 1, config->health_timeout);
	backend->worker = tl_worker_open(server.base, tl_inflate_shutdown);
	backend->points =
		tl_lane_open(backend->ingest.pool, TL_LANE_POINTS, POINT_QUERY,
					 (size_t) config->max_batch_rows, (size_t) config->max_batch_bytes);
	backend->events =
		tl_lane_open(backend->ingest.pool, TL_LANE_REQUESTS, EVENT_QUERY,
					 (size_t) config->max_batch_rows, (size_t) config->max_batch_bytes);
	tl_health_open(server.base, backend);
	tl_app_open(server.base, backend);
	server.deliver = tl_deliver_open(server.base, config);
	server.http = tl_http_open(server.base, backend, addresses, service->tls);
	server.deadline = evtimer_new(server.base, server_on_deadline, &server);
	for (size_t i = 0; i < 2; i++)
	{
		server.signals[i] = evsignal_new(server.base, numbers[i], server_on_signal, &server);
		if (server.signals[i] == NULL || server.deadline == NULL)
			tl_log_die("out of memory");
		evsignal_add(server.signals[i], NULL);
	}
	server.hangup = evsignal_new(server.base, SIGHUP, server_on_hangup, &server);
	if (server.hangup == NULL)
		tl_log_die("out of memory");
	evsignal_add(server.hangup, NULL);
	server_open_watchdog(&server);
	unblock_signals();

	if (server.http != NULL)
	{
		tl_log(TL_LOG_INFO, "telemetry-proxy %s is ready, process %d", TL_VERSION, (int) getpid());
		/* The database may be away for long, which is for /health to say. */
		tl_notify("READY=1\nSTATUS=serving");
		event_base_dispatch(server.base);
		tl_http_abandon(server.http);
		tl_log(TL_LOG_INFO, "stopped after %llu requests, %llu points",
			   (unsigned long long) tl_metrics.requests,
			   (unsigned long long) tl_metrics.points_received);
		status = 0;
	}

	tl_deliver_close(server.deliver);
	tl_app_stop();
	tl_health_stop();
	tl_worker_close(backend->worker);
	tl_pool_close(backend->ingest.pool);
	tl_pool_close(backend->reads.pool);
	tl_pool_close(backend->exports.pool);
	tl_pool_close(backend->health.pool);
	if (server.http != NULL)
		tl_http_close(server.http);
	tl_rpc_close(backend->ingest.rpc);
	tl_rpc_close(backend->reads.rpc);
	tl_rpc_close(backend->exports.rpc);
	tl_rpc_close(backend->health.rpc);
	tl_lane_close(backend->points);
	tl_lane_close(backend->events);
	for (size_t i = 0; i < 2; i++)
		event_free(server.signals[i]);
	event_free(server.hangup);
	event_free(server.deadline);
	if (server.watchdog != NULL)
		event_free(server.watchdog);
	event_base_free(server.base);
	return status;
}

static bool
reload_parent(void *arg)
{
	const Service *service = arg;

	return read_config_again(service);
}

/*
 * Processes with SO_REUSEPORT would share an address with others of the same user that do so, too:
 * with the second start of a proxy, say, by mistake.
 */
static bool
addresses_are_free(const TlAddressList *addresses)
{
	for (size_t i = 0; i < addresses->count; i++)
	{
		const TlAddress *address = &addresses->items[i];

		if (address->fd < 0 && !tl_address_is_free(address))
		{
			tl_log(TL_LOG_ERROR, "could not listen on %s: %s", address->text, strerror(errno));
			return false;
		}
	}
	return true;
}

/* In as many processes as are wanted; this one alone if that is one. */
static int
serve_all(Service *service)
{
	const TlConfig *config = service->config;
	TlSupervision supervision = {
		.workers = (unsigned int) config->processes,
		.work = serve,
		.reload = reload_parent,
		.arg = service,
	};

	if (service->sources->sockets.count > 0)
		tl_log(TL_LOG_INFO, "%zu sockets were passed, so option \"listen\" is not used",
			   service->sources->sockets.count);
	if (config->processes == 1)
		return serve(service);
	if (!config->reuse_port && !addresses_are_free(&service->addresses))
		return 1;
	return tl_supervise(&supervision);
}

static int
run(int argc, char **argv, TlConfig *config)
{
	Sources sources = {.argc = argc, .argv = argv};
	Service service = {.config = config, .sources = &sources};
	TlConfigError error = {0};
	Action action = ACTION_RUN;
	int status;

	if (!read_arguments(argc, argv, NULL, &sources.file, &action, &error))
		return usage_error(&error);
	if (action == ACTION_HELP)
	{
		print_help();
		return 0;
	}
	if (action == ACTION_VERSION)
	{
		printf("telemetry-proxy %s\n", TL_VERSION);
		return 0;
	}
	tl_notify_begin();
	if (!tl_activation_take(&sources.sockets, error.text, sizeof(error.text)) ||
		!read_config(&sources, config, &service.addresses, &error))
		return usage_error(&error);
	service.tls = tl_tls_open(config, &error);
	if (service.tls == NULL)
		return usage_error(&error);
	if (action == ACTION_CHECK)
	{
		tl_tls_close(service.tls);
		return 0;
	}

	tl_log_set_level((TlLogLevel) config->log_level);
	status = serve_all(&service);
	tl_tls_close(service.tls);
	tl_route_shutdown();
	tl_app_shutdown();
	tl_health_shutdown();
	tl_body_shutdown();
	tl_request_shutdown();
	tl_inflate_shutdown();
	return status;
}

int
main(int argc, char **argv)
{
	TlConfig config;
	int status;

	tl_config_begin(&config);
	status = run(argc, argv, &config);
	tl_config_free(&config);
	return status;
}
