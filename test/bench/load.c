/*
 * HTTP load: C connections, kept alive, one request outstanding on each; every answer is checked.
 *
 * The request bodies come from a file of lines "path <tab> JSON" and stay in memory. Where their
 * timestamps stand is found before the clock starts; a request is its line with the timestamps' digits
 * overwritten, so that no two requests of a run share a key and the newest point is never ahead of the
 * clock. The lines are sent in order, again and again, each time later by as long as the whole file
 * lasts.
 *
 * An answer counts if it is 200 and says that all points were taken: the sum of "ingested_count" is
 * the number of timestamps sent, or, for a single point, "success" is true. Anything else is an
 * error; the first is shown, and the program then ends with status 1. For events --status,
 * --timestamp-member and --count-member say which they are instead.
 *
 * With --tls it is HTTPS, of a server whose certificate is taken as it is.
 *
 * One thread with epoll and one write a request: the load generator shares the machine with what it
 * measures.
 */
#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TL_CLIENTS_MAX 1024
#define TL_EVENTS_MAX 128
#define TL_RESPONSE_MAX (256 * 1024)
#define TL_HEADER_MAX 512
#define TL_INTERVAL_S 10
#define TL_IDLE_LIMIT_MS 30000
#define TL_TIMESTAMP_LENGTH 19 /* 2025-06-01T06:00:00 */

static const char success_key[] = "\"success\":";

typedef struct TlStamp
{
	uint32_t offset; /* in the body */
	int32_t second;	 /* since the earliest timestamp of the file, rounded down to ten seconds */
} TlStamp;

typedef struct TlBody
{
	const char *path;
	const char *json;
	size_t path_length;
	size_t json_length;
	size_t first_stamp;
	size_t stamp_count;
} TlBody;

typedef struct TlClient
{
	int fd;
	SSL *tls; /* or NULL */
	bool busy;
	bool wants_write; /* registered for writability */
	int64_t begun;
	size_t points;
	char *request;
	size_t request_length;
	size_t request_sent;
	char *response;
	size_t response_length;
} TlClient;

typedef struct TlLoad
{
	/* options */
	const char *host;
	const char *port;
	const char *path;
	int clients;
	int64_t requests;
	int64_t seconds_limit;
	int status;			 /* of an answer that counts */
	const char *headers; /* of every request, each with its line end */
	char timestamp_key[64];
	char count_key[64];
	SSL_CTX *tls; /* or NULL */

	/* the bodies */
	char *file;
	size_t file_size;
	TlBody *bodies;
	size_t body_count;
	TlStamp *stamps;
	size_t stamp_count;
	size_t request_max;
	int64_t cycle; /* seconds the file lasts */
	int64_t start; /* what second 0 of the file becomes, Unix time */

	/* progress */
	int epoll;
	int64_t deadline;
	int64_t sent;
	int64_t answered;
	int64_t points;
	int64_t failed;
	int64_t *durations;
	TlClient client[TL_CLIENTS_MAX];
} TlLoad;

static void
file_read(TlLoad *load)
{
	struct stat status;
	size_t have = 0;
	int fd = open(load->path, O_RDONLY);

	if (fd < 0 || fstat(fd, &status) != 0 || status.st_size == 0)
		tl_measure_die("cannot read \"%s\"", load->path);
	load->file_size = (size_t) status.st_size;
	load->file = tl_measure_alloc(load->file_size + 1, 1);
	while (have < load->file_size)
	{
		ssize_t got = read(fd, load->file + have, load->file_size - have);

		if (got <= 0)
			tl_measure_die("cannot read \"%s\"", load->path);
		have += (size_t) got;
	}
	close(fd);
}

static int64_t
timestamp_parse(const char *text)
{
	struct tm date = {0};

	if (strptime(text, "%Y-%m-%dT%H:%M:%S", &date) != text + TL_TIMESTAMP_LENGTH)
		tl_measure_die("not a timestamp: \"%.*s\"", TL_TIMESTAMP_LENGTH, text);
	return timegm(&date);
}

/* Calls back for each timestamp of a body; finds them only where the generator writes them. */
static size_t
body_find_stamps(const TlLoad *load, const TlBody *body, TlStamp *stamps, int64_t origin)
{
	const char *key = load->timestamp_key;
	const char *at = body->json;
	const char *end = body->json + body->json_length;
	size_t count = 0;

	while ((at = memmem(at, (size_t) (end - at), key, strlen(key))) != NULL)
	{
		at += strlen(key);
		if (stamps != NULL)
		{
			stamps[count].offset = (uint32_t) (at - body->json);
			stamps[count].second = (int32_t) (timestamp_parse(at) - origin);
		}
		count++;
	}
	return count;
}

/* Splits the file into bodies; counts their timestamps, whose seconds are found in a second pass. */
static void
bodies_split(TlLoad *load)
{
	size_t capacity = 0;
	char *end = load->file + load->file_size;

	for (char *line = load->file; line < end;)
	{
		char *newline = memchr(line, '\n', (size_t) (end - line));
		char *tab = newline != NULL ? memchr(line, '\t', (size_t) (newline - line)) : NULL;
		TlBody *body;

		if (tab == NULL)
			tl_measure_die("\"%s\" holds a line that is not path, tab, body", load->path);
		if (load->body_count == capacity)
		{
			capacity = capacity > 0 ? capacity * 2 : 1024;
			load->bodies = realloc(load->bodies, capacity * sizeof(*load->bodies));
			if (load->bodies == NULL)
				tl_measure_die("out of memory");
		}
		body = &load->bodies[load->body_count++];
		body->path = line;
		body->path_length = (size_t) (tab - line);
		body->json = tab + 1;
		body->json_length = (size_t) (newline - tab) - 1;
		body->first_stamp = load->stamp_count;
		body->stamp_count = body_find_stamps(load, body, NULL, 0);
		load->stamp_count += body->stamp_count;
		if (TL_HEADER_MAX + body->path_length + body->json_length > load->request_max)
			load->request_max = TL_HEADER_MAX + body->path_length + body->json_length;
		line = newline + 1;
	}
}

static void
bodies_read(TlLoad *load)
{
	int64_t origin;
	int32_t last = 0;

	file_read(load);
	bodies_split(load);
	if (load->stamp_count == 0)
		tl_measure_die("\"%s\" holds no timestamps", load->path);
	load->stamps = tl_measure_alloc(load->stamp_count, sizeof(*load->stamps));
	/* The first body holds the first tick, though not always its first second. */
	body_find_stamps(load, &load->bodies[0], load->stamps, 0);
	origin = timestamp_parse(load->bodies[0].json + load->stamps[0].offset);
	origin -= origin % TL_INTERVAL_S;
	for (size_t i = 0; i < load->body_count; i++)
		body_find_stamps(load, &load->bodies[i], load->stamps + load->bodies[i].first_stamp,
						 origin);
	for (size_t i = 0; i < load->stamp_count; i++)
		if (load->stamps[i].second > last)
			last = load->stamps[i].second;
	load->cycle = (last / TL_INTERVAL_S + 1) * TL_INTERVAL_S;
}

/* The last cycle of the run ends now, at the latest. */
static void
start_choose(TlLoad *load)
{
	int64_t per_cycle = (int64_t) load->body_count;
	int64_t cycles = (load->requests + per_cycle - 1) / per_cycle;
	int64_t now = time(NULL);

	load->start = now - now % TL_INTERVAL_S - cycles * load->cycle;
}

static void
digits_write(char *at, int number)
{
	at[0] = (char) ('0' + number / 10);
	at[1] = (char) ('0' + number % 10);
}

/* Writes "2025-06-01T06:00:00"; the text of the last minute is kept, as neighbours mostly share it. */
static void
timestamp_write(char *at, int64_t second)
{
	static int64_t cached_minute = -1;
	static char cached_text[TL_TIMESTAMP_LENGTH + 1];

	if (second / 60 != cached_minute)
	{
		time_t instant = (time_t) second;
		struct tm date;

		gmtime_r(&instant, &date);
		strftime(cached_text, sizeof(cached_text), "%Y-%m-%dT%H:%M:%S", &date);
		cached_minute = second / 60;
	}
	memcpy(at, cached_text, TL_TIMESTAMP_LENGTH - 2);
	digits_write(at + TL_TIMESTAMP_LENGTH - 2, (int) (second % 60));
}

static void
request_compose(TlLoad *load, TlClient *client, int64_t number)
{
	const TlBody *body = &load->bodies[(size_t) number % load->body_count];
	int64_t base = load->start + number / (int64_t) load->body_count * load->cycle;
	int header = snprintf(client->request, load->request_max,
						  "POST %.*s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/json\r\n"
						  "%sContent-Length: %zu\r\n\r\n",
						  (int) body->path_length, body->path, load->host, load->port,
						  load->headers, body->json_length);
	char *json;

	if (header < 0 || (size_t) header + body->json_length > load->request_max)
		tl_measure_die("the request's header is too long");
	json = client->request + header;
	memcpy(json, body->json, body->json_length);
	for (size_t i = 0; i < body->stamp_count; i++)
	{
		const TlStamp *stamp = &load->stamps[body->first_stamp + i];

		timestamp_write(json + stamp->offset, base + stamp->second);
	}
	client->request_length = (size_t) header + body->json_length;
	client->request_sent = 0;
	client->points = body->stamp_count;
}

static void
client_watch(const TlLoad *load, TlClient *client, bool write, int operation)
{
	struct epoll_event event = {.events = write ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = client};

	if (epoll_ctl(load->epoll, operation, client->fd, &event) != 0)
		tl_measure_die("epoll: %s", strerror(errno));
	client->wants_write = write;
}

/* What a call of the library returned, as send and recv would have it. */
static ssize_t
tls_result(SSL *tls, int result)
{
	int error = SSL_get_error(tls, result);

	if (result > 0)
		return result;
	errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
	return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t
client_send(TlClient *client, const char *data, size_t length)
{
	if (client->tls != NULL)
		return tls_result(client->tls, SSL_write(client->tls, data, (int) length));
	return send(client->fd, data, length, MSG_NOSIGNAL);
}

static ssize_t
client_receive(TlClient *client, char *room, size_t length)
{
	if (client->tls != NULL)
		return tls_result(client->tls, SSL_read(client->tls, room, (int) length));
	return recv(client->fd, room, length, 0);
}

static void
client_write(TlLoad *load, TlClient *client)
{
	while (client->request_sent < client->request_length)
	{
		ssize_t sent = client_send(client, client->request + client->request_sent,
								   client->request_length - client->request_sent);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (sent < 0)
			tl_measure_die("send: %s", strerror(errno));
		client->request_sent += (size_t) sent;
	}
	if (client->wants_write != (client->request_sent < client->request_length))
		client_watch(load, client, !client->wants_write, EPOLL_CTL_MOD);
}

/* Sends the next request, if the run is not at its end. */
static void
client_begin_request(TlLoad *load, TlClient *client)
{
	int64_t now = tl_measure_read_clock();

	client->busy = load->sent < load->requests && now < load->deadline;
	if (!client->busy)
		return;
	request_compose(load, client, load->sent++);
	client->response_length = 0;
	client->begun = now;
	client_write(load, client);
}

/* Adds up the numbers after each key in a body; the space after the colon is the server's choice. */
static size_t
answer_sum(const char *body, const char *key)
{
	size_t sum = 0;

	while ((body = strstr(body, key)) != NULL)
	{
		body += strlen(key);
		sum += strtoul(body, NULL, 10);
	}
	return sum;
}

static bool
answer_is_success(const char *body)
{
	const char *at = strstr(body, success_key);

	if (at == NULL)
		return false;
	at += sizeof(success_key) - 1;
	at += strspn(at, " ");
	return strncmp(at, "true", 4) == 0;
}

static bool
answer_is_right(const TlLoad *load, const TlClient *client, const char *body)
{
	if (strncmp(client->response, "HTTP/1.1 ", 9) != 0 ||
		atoi(client->response + 9) != load->status)
		return false;
	if (strstr(body, load->count_key) != NULL)
		return answer_sum(body, load->count_key) == client->points;
	return client->points == 1 && answer_is_success(body);
}

/* The length of the whole answer, or 0 while its header is incomplete. */
static size_t
answer_length(const TlClient *client, const char **body)
{
	const char *end = strstr(client->response, "\r\n\r\n");
	const char *line = client->response;

	if (end == NULL)
		return 0;
	*body = end + 4;
	while (line < end)
	{
		if (strncasecmp(line, "Content-Length:", 15) == 0)
			return (size_t) (*body - client->response) + strtoul(line + 15, NULL, 10);
		line = strstr(line, "\r\n") + 2;
	}
	tl_measure_die("an answer has no Content-Length: %.300s", client->response);
}

static void
client_end_request(TlLoad *load, TlClient *client, const char *body)
{
	load->durations[load->answered++] = tl_measure_read_clock() - client->begun;
	if (answer_is_right(load, client, body))
		load->points += (int64_t) client->points;
	else if (load->failed++ == 0)
		fprintf(stderr, "wrong answer to a request of %zu points:\n%.2000s\n", client->points,
				client->response);
	client_begin_request(load, client);
}

static void
client_read(TlLoad *load, TlClient *client)
{
	const char *body = NULL;
	size_t length;
	ssize_t got = client_receive(client, client->response + client->response_length,
								 TL_RESPONSE_MAX - 1 - client->response_length);

	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (got <= 0)
		tl_measure_die("the server closed a connection after %" PRId64 " answers%s%s",
					   load->answered, got < 0 ? ": " : "", got < 0 ? strerror(errno) : "");
	client->response_length += (size_t) got;
	client->response[client->response_length] = '\0';
	length = answer_length(client, &body);
	if (length >= TL_RESPONSE_MAX)
		tl_measure_die("an answer is longer than %d bytes", TL_RESPONSE_MAX);
	if (length > 0 && client->response_length >= length)
		client_end_request(load, client, body);
}

static void
client_connect(TlLoad *load, TlClient *client)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *address;
	int on = 1;

	if (getaddrinfo(load->host, load->port, &hints, &address) != 0)
		tl_measure_die("no such host: \"%s\"", load->host);
	client->fd = socket(address->ai_family, address->ai_socktype, address->ai_protocol);
	if (client->fd < 0 || connect(client->fd, address->ai_addr, address->ai_addrlen) != 0)
		tl_measure_die("cannot connect to %s port %s: %s", load->host, load->port, strerror(errno));
	freeaddrinfo(address);
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (load->tls != NULL)
	{
		client->tls = SSL_new(load->tls);
		if (client->tls == NULL || SSL_set_fd(client->tls, client->fd) != 1 ||
			SSL_connect(client->tls) != 1)
			tl_measure_die("no session of TLS with %s port %s", load->host, load->port);
	}
	fcntl(client->fd, F_SETFL, fcntl(client->fd, F_GETFL) | O_NONBLOCK);
	client->request = tl_measure_alloc(load->request_max, 1);
	client->response = tl_measure_alloc(TL_RESPONSE_MAX, 1);
	client_watch(load, client, false, EPOLL_CTL_ADD);
}

static bool
clients_are_busy(const TlLoad *load)
{
	return load->answered < load->sent;
}

static void
load_drive(TlLoad *load)
{
	struct epoll_event events[TL_EVENTS_MAX];

	for (int i = 0; i < load->clients; i++)
		client_begin_request(load, &load->client[i]);
	while (clients_are_busy(load))
	{
		int count = epoll_wait(load->epoll, events, TL_EVENTS_MAX, TL_IDLE_LIMIT_MS);

		if (count == 0)
			tl_measure_die("no answer for %d seconds; %" PRId64 " of %" PRId64 " requests answered",
						   TL_IDLE_LIMIT_MS / 1000, load->answered, load->sent);
		for (int i = 0; i < count; i++)
		{
			TlClient *client = events[i].data.ptr;

			if ((events[i].events & EPOLLOUT) != 0)
				client_write(load, client);
			if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
				do
					client_read(load, client);
				while (client->tls != NULL && SSL_pending(client->tls) > 0);
		}
	}
}

static void
load_run(TlLoad *load)
{
	int64_t begin;
	double seconds;
	double cpu;
	size_t answered;

	load->durations = tl_measure_alloc((size_t) load->requests, sizeof(*load->durations));
	load->epoll = epoll_create1(0);
	for (int i = 0; i < load->clients; i++)
		client_connect(load, &load->client[i]);
	start_choose(load);
	cpu = tl_measure_read_cpu();
	begin = tl_measure_read_clock();
	load->deadline = begin + load->seconds_limit * INT64_C(1000000000);
	load_drive(load);
	seconds = (double) (tl_measure_read_clock() - begin) / 1e9;
	cpu = tl_measure_read_cpu() - cpu;
	answered = (size_t) load->answered;
	tl_measure_sort(load->durations, answered);
	printf("{\"clients\": %d, \"requests\": %" PRId64 ", \"points\": %" PRId64 ", "
		   "\"failed\": %" PRId64 ", \"seconds\": %.6f, ",
		   load->clients, load->answered, load->points, load->failed, seconds);
	printf("\"requests_per_second\": %.1f, \"points_per_second\": %.1f, ",
		   (double) load->answered / seconds, (double) load->points / seconds);
	printf("\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"client_cpu_seconds\": %.3f}\n",
		   tl_measure_quantile_ms(load->durations, answered, 0.50),
		   tl_measure_quantile_ms(load->durations, answered, 0.99), cpu);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"host", required_argument, NULL, 'h'},
											{"port", required_argument, NULL, 'p'},
											{"bodies", required_argument, NULL, 'b'},
											{"clients", required_argument, NULL, 'c'},
											{"requests", required_argument, NULL, 'n'},
											{"seconds-limit", required_argument, NULL, 's'},
											{"status", required_argument, NULL, 'S'},
											{"headers", required_argument, NULL, 'H'},
											{"timestamp-member", required_argument, NULL, 'T'},
											{"count-member", required_argument, NULL, 'C'},
											{"tls", no_argument, NULL, 't'},
											{NULL, 0, NULL, 0}};
	static TlLoad load = {.host = "127.0.0.1",
						  .port = "8218",
						  .clients = 1,
						  .requests = 1000,
						  .seconds_limit = 30,
						  .status = 200,
						  .headers = "",
						  .timestamp_key = "\"timestamp\":\"",
						  .count_key = "\"ingested_count\":"};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'h':
				load.host = optarg;
				break;
			case 'p':
				load.port = optarg;
				break;
			case 'b':
				load.path = optarg;
				break;
			case 'c':
				load.clients = (int) tl_measure_parse_number("clients", optarg);
				break;
			case 'n':
				load.requests = tl_measure_parse_number("requests", optarg);
				break;
			case 's':
				load.seconds_limit = tl_measure_parse_number("seconds-limit", optarg);
				break;
			case 'S':
				load.status = (int) tl_measure_parse_number("status", optarg);
				break;
			case 'H':
				load.headers = optarg;
				break;
			case 'T':
				snprintf(load.timestamp_key, sizeof(load.timestamp_key), "\"%s\":\"", optarg);
				break;
			case 'C':
				snprintf(load.count_key, sizeof(load.count_key), "\"%s\":", optarg);
				break;
			case 't':
				load.tls = SSL_CTX_new(TLS_client_method());
				if (load.tls == NULL)
					tl_measure_die("no TLS");
				SSL_CTX_set_mode(load.tls, SSL_MODE_ENABLE_PARTIAL_WRITE);
				SSL_CTX_set_read_ahead(load.tls, 1);
				break;
			default:
				return 1;
		}
	}
	if (load.path == NULL || load.clients < 1 || load.clients > TL_CLIENTS_MAX || load.requests < 1)
		tl_measure_die("usage: load --bodies=FILE [--host=NAME] [--port=N] [--clients=1..%d]"
					   " [--requests=N] [--seconds-limit=N] [--status=N] [--headers=LINES]"
					   " [--timestamp-member=NAME] [--count-member=NAME] [--tls]",
					   TL_CLIENTS_MAX);
	bodies_read(&load);
	load_run(&load);
	return load.failed > 0 ? 1 : 0;
}
