/*
 * Times GET requests: C connections, kept alive, one request outstanding on each.
 *
 *   ask --port=N --clients=C --seconds=S [--interval=MS] < paths
 *
 * With an interval each client asks that often, all of them evenly; one whose answer comes late asks at once, and what it
 * waits is counted from when it should have asked. Without, each asks as soon as it has its answer.
 *
 * The paths are lines of the standard input, asked in their order and again from the first. An answer that is not
 * 200, or a connection that ends, ends the program with status 1. The first answers of each connection are not
 * counted, as the server's sessions have to make their plans. Prints JSON.
 *
 * One thread with poll and one write a request: it shares the machine with what it measures.
 */
#include "measure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define TL_CLIENTS_MAX 256
#define TL_PATHS_MAX 100000
#define TL_ANSWERS_MAX 10000000
#define TL_ANSWER_MAX (8 * 1024 * 1024)
#define TL_WARM_ANSWERS 2
#define TL_PATIENCE_MS 60000

typedef struct TlAsker
{
	int64_t begun; /* or when it is to ask */
	bool waits;	   /* until then */
	int64_t answers;
	char *answer;
	size_t length;
} TlAsker;

typedef struct TlAsk
{
	struct pollfd sockets[TL_CLIENTS_MAX];
	TlAsker askers[TL_CLIENTS_MAX];
	char **paths;
	size_t path_count;
	size_t next;
	int64_t interval; /* nanoseconds; 0: none */
	int64_t *durations;
	size_t measured;
	int64_t bytes;
} TlAsk;

static void
ask_read_paths(TlAsk *ask)
{
	char line[2048];

	ask->paths = tl_measure_alloc(TL_PATHS_MAX, sizeof(*ask->paths));
	while (ask->path_count < TL_PATHS_MAX && fgets(line, sizeof(line), stdin) != NULL)
	{
		line[strcspn(line, "\n")] = '\0';
		ask->paths[ask->path_count++] = strdup(line);
	}
	if (ask->path_count == 0)
		tl_measure_die("there is no path");
}

static void
ask_send(TlAsk *ask, int client)
{
	char request[4096];
	int len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: ask\r\n\r\n",
					   ask->paths[ask->next++ % ask->path_count]);

	if (ask->interval == 0)
		ask->askers[client].begun = tl_measure_read_clock();
	ask->askers[client].length = 0;
	ask->askers[client].waits = false;
	if (send(ask->sockets[client].fd, request, (size_t) len, MSG_NOSIGNAL) != len)
		tl_measure_die("send: %s", strerror(errno));
}

static void
ask_connect(TlAsk *ask, int client, int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
								  .sin_port = htons((uint16_t) port),
								  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) != 0)
		tl_measure_die("cannot connect: %s", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	ask->sockets[client] = (struct pollfd){.fd = fd, .events = POLLIN};
	ask->askers[client].answer = tl_measure_alloc(TL_ANSWER_MAX, 1);
}

/* Whether all of an answer is there, which is of a length that it says, or in chunks. */
static bool
answer_is_whole(const TlAsker *asker)
{
	static const char last_chunk[] = "\r\n0\r\n\r\n";
	const size_t last_length = sizeof(last_chunk) - 1;
	const char *end = strstr(asker->answer, "\r\n\r\n");
	const char *length;

	if (end == NULL)
		return false;
	if (strncmp(asker->answer, "HTTP/1.1 200", 12) != 0)
		tl_measure_die("%.500s", asker->answer);
	length = strcasestr(asker->answer, "\r\nContent-Length:");
	if (length != NULL && length < end)
		return asker->length >= (size_t) (end + 4 - asker->answer) + strtoul(length + 17, NULL, 10);
	return asker->length >= last_length &&
		   memcmp(asker->answer + asker->length - last_length, last_chunk, last_length) == 0;
}

static void
ask_receive(TlAsk *ask, int client)
{
	TlAsker *asker = &ask->askers[client];
	ssize_t got = recv(ask->sockets[client].fd, asker->answer + asker->length,
					   TL_ANSWER_MAX - 1 - asker->length, 0);

	if (got <= 0)
		tl_measure_die("an answer ends after %zu bytes", asker->length);
	asker->length += (size_t) got;
	asker->answer[asker->length] = '\0';
	if (!answer_is_whole(asker))
		return;
	if (asker->answers++ >= TL_WARM_ANSWERS && ask->measured < TL_ANSWERS_MAX)
		ask->durations[ask->measured++] = tl_measure_read_clock() - asker->begun;
	ask->bytes += (int64_t) asker->length;
	asker->begun += ask->interval;
	asker->waits = true;
}

/* Lets those ask whose time has come; returns milliseconds until that of the next. */
static int
ask_whose_time_has_come(TlAsk *ask, int clients)
{
	int64_t now = tl_measure_read_clock();
	int64_t next = now + TL_PATIENCE_MS * INT64_C(1000000);

	for (int i = 0; i < clients; i++)
	{
		if (!ask->askers[i].waits)
			continue;
		if (ask->interval == 0 || ask->askers[i].begun <= now)
			ask_send(ask, i);
		else if (ask->askers[i].begun < next)
			next = ask->askers[i].begun;
	}
	return (int) ((next - now + 999999) / 1000000);
}

static void
ask_run(TlAsk *ask, int clients, int64_t seconds)
{
	int64_t now = tl_measure_read_clock();
	int64_t deadline = now + seconds * INT64_C(1000000000);

	for (int i = 0; i < clients; i++)
	{
		ask->askers[i].begun = now + ask->interval * i / clients;
		ask->askers[i].waits = true;
	}
	while (tl_measure_read_clock() < deadline)
	{
		int wait = ask_whose_time_has_come(ask, clients);

		if (poll(ask->sockets, (nfds_t) clients, wait) == 0 && wait == TL_PATIENCE_MS)
			tl_measure_die("no answer comes");
		for (int i = 0; i < clients; i++)
			if (ask->sockets[i].revents != 0)
				ask_receive(ask, i);
	}
	if (ask->measured == 0)
		tl_measure_die("too few answers in %" PRId64 " seconds", seconds);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"port", required_argument, NULL, 'p'},
											{"clients", required_argument, NULL, 'c'},
											{"seconds", required_argument, NULL, 's'},
											{"interval", required_argument, NULL, 'i'},
											{NULL, 0, NULL, 0}};
	static TlAsk ask;
	int64_t port = 0;
	int64_t clients = 16;
	int64_t seconds = 10;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		if (option == 'p')
			port = tl_measure_parse_number("port", optarg);
		else if (option == 'c')
			clients = tl_measure_parse_number("clients", optarg);
		else if (option == 's')
			seconds = tl_measure_parse_number("seconds", optarg);
		else if (option == 'i')
			ask.interval = tl_measure_parse_number("interval", optarg) * INT64_C(1000000);
		else
			return 1;
	}
	if (port < 1 || port > UINT16_MAX || clients < 1 || clients > TL_CLIENTS_MAX)
		tl_measure_die(
			"usage: ask --port=N [--clients=N, up to %d] [--seconds=N] [--interval=MS] < paths",
			TL_CLIENTS_MAX);
	ask_read_paths(&ask);
	ask.durations = tl_measure_alloc(TL_ANSWERS_MAX, sizeof(*ask.durations));
	for (int i = 0; i < (int) clients; i++)
		ask_connect(&ask, i, (int) port);
	ask_run(&ask, (int) clients, seconds);
	tl_measure_sort(ask.durations, ask.measured);
	printf("{\"answers\": %zu, \"bytes\": %" PRId64 ", \"answers_per_second\": %.1f, ",
		   ask.measured, ask.bytes, (double) ask.measured / (double) seconds);
	printf("\"p50_ms\": %.3f, \"p95_ms\": %.3f, \"client_cpu_seconds\": %.3f}\n",
		   tl_measure_quantile_ms(ask.durations, ask.measured, 0.5),
		   tl_measure_quantile_ms(ask.durations, ask.measured, 0.95), tl_measure_read_cpu());
	return 0;
}
