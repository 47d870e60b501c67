/*
 * Reads one HTTP answer of any length and counts its lines; nothing is kept of it.
 *
 * Takes chunks apart and, with --gzip, asks for gzip and unpacks it. With --rate it reads so many bytes
 * a second of what comes over the wire. SIGTERM lets it lose patience and tell what it has read. An
 * answer that is not 200, or that the server ends before it is whole, ends the program with status 1.
 */
#include "measure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define TL_WINDOW_BITS (15 + 16) /* gzip */
#define TL_PACED_BUFFER (64 * 1024)
#define TL_PACE_NS INT64_C(20000000)

typedef struct TlFetch
{
	/* options */
	int port;
	const char *path;
	bool gzip;
	int64_t rate; /* bytes a second; 0: any */

	/* progress */
	int fd;
	int64_t begun;
	int64_t first; /* when the first byte came */
	int64_t wire_bytes;
	int64_t body_bytes;
	int64_t lines;
	bool whole;
	size_t len;
	char wire[256 * 1024];
	unsigned char text[1024 * 1024];
	z_stream stream;
} TlFetch;

static volatile sig_atomic_t is_over;

static void
on_signal(int number)
{
	(void) number;
	is_over = 1;
}

static void
fetch_count(TlFetch *fetch, const char *text, size_t len)
{
	const char *end = text + len;

	fetch->body_bytes += (int64_t) len;
	while (text < end && (text = memchr(text, '\n', (size_t) (end - text))) != NULL)
	{
		fetch->lines++;
		text++;
	}
}

static void
fetch_take(TlFetch *fetch, char *data, size_t len)
{
	z_stream *stream = &fetch->stream;

	if (!fetch->gzip)
	{
		fetch_count(fetch, data, len);
		return;
	}
	stream->next_in = (unsigned char *) data;
	stream->avail_in = (unsigned int) len;
	do
	{
		int outcome;

		stream->next_out = fetch->text;
		stream->avail_out = sizeof(fetch->text);
		outcome = inflate(stream, Z_NO_FLUSH);
		if (outcome != Z_OK && outcome != Z_STREAM_END && outcome != Z_BUF_ERROR)
			tl_measure_die("not gzip: %s", stream->msg != NULL ? stream->msg : "damaged");
		fetch_count(fetch, (char *) fetch->text, sizeof(fetch->text) - stream->avail_out);
	} while (stream->avail_in > 0 || stream->avail_out == 0);
}

/* Sleeps until as much may be read as was. */
static void
fetch_keep_pace(const TlFetch *fetch)
{
	while (!is_over &&
		   (double) fetch->wire_bytes >
			   (double) (tl_measure_read_clock() - fetch->begun) / 1e9 * (double) fetch->rate)
		nanosleep(&(struct timespec){.tv_nsec = TL_PACE_NS}, NULL);
}

/* Reads more behind what is there; false if it is over. */
static bool
fetch_read(TlFetch *fetch)
{
	size_t room = sizeof(fetch->wire) - 1 - fetch->len;
	size_t piece = (size_t) (fetch->rate / (INT64_C(1000000000) / TL_PACE_NS)) + 1;
	ssize_t got;

	if (fetch->rate > 0)
	{
		fetch_keep_pace(fetch);
		room = room < piece ? room : piece;
	}
	got = is_over ? 0 : recv(fetch->fd, fetch->wire + fetch->len, room, 0);
	if (is_over)
		return false;
	if (got <= 0)
		tl_measure_die("the answer ends after %" PRId64 " bytes%s%s", fetch->wire_bytes,
					   got < 0 ? ": " : "", got < 0 ? strerror(errno) : "");
	if (fetch->first == 0)
		fetch->first = tl_measure_read_clock();
	fetch->wire_bytes += got;
	fetch->len += (size_t) got;
	fetch->wire[fetch->len] = '\0';
	return true;
}

/* Drops what was dealt with. */
static void
fetch_drop(TlFetch *fetch, size_t len)
{
	fetch->len -= len;
	memmove(fetch->wire, fetch->wire + len, fetch->len + 1);
}

static bool
fetch_head(TlFetch *fetch)
{
	char *end;

	while ((end = strstr(fetch->wire, "\r\n\r\n")) == NULL)
		if (!fetch_read(fetch))
			return false;
	*end = '\0';
	if (strncmp(fetch->wire, "HTTP/1.1 200", 12) != 0)
		tl_measure_die("%s", fetch->wire);
	if (strstr(fetch->wire, "Transfer-Encoding: chunked") == NULL ||
		(strstr(fetch->wire, "Content-Encoding: gzip") != NULL) != fetch->gzip)
		tl_measure_die("not the answer that was asked for: %s", fetch->wire);
	fetch_drop(fetch, (size_t) (end + 4 - fetch->wire));
	return true;
}

/* A chunk's length, from its line. */
static bool
fetch_chunk_length(TlFetch *fetch, size_t *length)
{
	char *end;

	while ((end = strstr(fetch->wire, "\r\n")) == NULL)
		if (!fetch_read(fetch))
			return false;
	*length = strtoul(fetch->wire, NULL, 16);
	fetch_drop(fetch, (size_t) (end + 2 - fetch->wire));
	return true;
}

static bool
fetch_chunk(TlFetch *fetch, size_t left)
{
	while (left > 0)
	{
		size_t len = fetch->len < left ? fetch->len : left;

		fetch_take(fetch, fetch->wire, len);
		fetch_drop(fetch, len);
		left -= len;
		if (left > 0 && !fetch_read(fetch))
			return false;
	}
	while (fetch->len < 2)
		if (!fetch_read(fetch))
			return false;
	fetch_drop(fetch, 2);
	return true;
}

static void
fetch_answer(TlFetch *fetch)
{
	size_t length;

	if (!fetch_head(fetch))
		return;
	while (fetch_chunk_length(fetch, &length) && fetch_chunk(fetch, length))
	{
		fetch->whole = length == 0;
		if (fetch->whole)
			return;
	}
}

static void
fetch_ask(TlFetch *fetch)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
								  .sin_port = htons((uint16_t) fetch->port),
								  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int buffer = TL_PACED_BUFFER;
	char request[1024];
	int len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: fetch\r\n%s\r\n",
					   fetch->path, fetch->gzip ? "Accept-Encoding: gzip\r\n" : "");

	if (len < 0 || (size_t) len >= sizeof(request))
		tl_measure_die("the path is too long");
	if (fetch->gzip && inflateInit2(&fetch->stream, TL_WINDOW_BITS) != Z_OK)
		tl_measure_die("out of memory");
	fetch->fd = socket(AF_INET, SOCK_STREAM, 0);
	/* What lies in the kernel was not read. */
	if (fetch->rate > 0)
		setsockopt(fetch->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	if (fetch->fd < 0 || connect(fetch->fd, (struct sockaddr *) &address, sizeof(address)) != 0)
		tl_measure_die("cannot connect: %s", strerror(errno));
	fetch->begun = tl_measure_read_clock();
	if (send(fetch->fd, request, (size_t) len, MSG_NOSIGNAL) != len)
		tl_measure_die("send: %s", strerror(errno));
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"port", required_argument, NULL, 'p'},
											{"path", required_argument, NULL, 'u'},
											{"gzip", no_argument, NULL, 'z'},
											{"rate", required_argument, NULL, 'r'},
											{NULL, 0, NULL, 0}};
	static TlFetch fetch = {.port = 8218};
	double seconds;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		if (option == 'p')
			fetch.port = (int) tl_measure_parse_number("port", optarg);
		else if (option == 'u')
			fetch.path = optarg;
		else if (option == 'z')
			fetch.gzip = true;
		else if (option == 'r')
			fetch.rate = tl_measure_parse_number("rate", optarg);
		else
			return 1;
	}
	if (fetch.path == NULL || fetch.port < 1 || fetch.port > UINT16_MAX)
		tl_measure_die("usage: fetch --path=PATH [--port=N] [--gzip] [--rate=BYTES]");
	sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_signal}, NULL);
	fetch_ask(&fetch);
	fetch_answer(&fetch);
	seconds = (double) (tl_measure_read_clock() - fetch.begun) / 1e9;
	printf("{\"whole\": %s, \"lines\": %" PRId64 ", \"body_bytes\": %" PRId64 ", "
		   "\"wire_bytes\": %" PRId64 ", \"seconds\": %.6f, ",
		   fetch.whole ? "true" : "false", fetch.lines, fetch.body_bytes, fetch.wire_bytes,
		   seconds);
	printf("\"first_byte_ms\": %.3f, \"client_cpu_seconds\": %.3f}\n",
		   fetch.first > 0 ? (double) (fetch.first - fetch.begun) / 1e6 : 0, tl_measure_read_cpu());
	return 0;
}
