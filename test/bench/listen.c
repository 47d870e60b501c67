/*
 * Listens to a channel and prints, a line each, the clock's nanoseconds at which a notification came: the
 * clock of tl_measure_read_clock(), which Python has as time.monotonic_ns().
 *
 *   listen --channel=NAME [--conninfo=...]
 *
 * "ready" comes first, when it listens.  It ends when its standard input does.
 */
#include "measure.h"

#include <getopt.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
channel_listen(PGconn *conn, const char *channel)
{
	char *name = PQescapeIdentifier(conn, channel, strlen(channel));
	char sql[256];
	PGresult *result;

	if (name == NULL || snprintf(sql, sizeof(sql), "LISTEN %s", name) >= (int) sizeof(sql))
		tl_measure_die("cannot quote \"%s\"", channel);
	PQfreemem(name);
	result = PQexec(conn, sql);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		tl_measure_die("cannot listen: %s", PQerrorMessage(conn));
	PQclear(result);
	printf("ready\n");
	fflush(stdout);
}

static void
notifications_print(PGconn *conn)
{
	PGnotify *notification;
	int64_t now;

	if (PQconsumeInput(conn) == 0)
		tl_measure_die("the connection broke: %s", PQerrorMessage(conn));
	now = tl_measure_read_clock();
	while ((notification = PQnotifies(conn)) != NULL)
	{
		printf("%" PRId64 "\n", now);
		PQfreemem(notification);
	}
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"conninfo", required_argument, NULL, 'i'},
											{"channel", required_argument, NULL, 'c'},
											{NULL, 0, NULL, 0}};
	const char *conninfo = "";
	const char *channel = NULL;
	struct pollfd waits[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.events = POLLIN}};
	PGconn *conn;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'i':
				conninfo = optarg;
				break;
			case 'c':
				channel = optarg;
				break;
			default:
				return 1;
		}
	}
	if (channel == NULL)
		tl_measure_die("usage: listen --channel=NAME [--conninfo=...]");
	conn = PQconnectdb(conninfo);
	if (PQstatus(conn) != CONNECTION_OK)
		tl_measure_die("cannot connect: %s", PQerrorMessage(conn));
	channel_listen(conn, channel);
	waits[1].fd = PQsocket(conn);
	while (poll(waits, 2, -1) >= 0 && waits[0].revents == 0)
		notifications_print(conn);
	PQfinish(conn);
	return 0;
}
