/*
 * Listens to a channel and asks, when it is told of something, what there is.  Prints a line for each row:
 * the clock's nanoseconds at which the row was there, and its first column.  The clock is that of
 * tl_measure_read_clock(), which Python has as time.monotonic_ns().
 *
 *   listen --channel=NAME --sql=QUERY [--conninfo=...]
 *
 * It asks once before it is told anything, too, then says "ready".  It ends when its standard input does.
 */
#include "measure.h"

#include <getopt.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
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
}

static void
rows_print(PGconn *conn, const char *sql)
{
	PGresult *result = PQexec(conn, sql);
	int64_t now = tl_measure_read_clock();

	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQnfields(result) < 1)
		tl_measure_die("cannot ask: %s", PQerrorMessage(conn));
	for (int i = 0; i < PQntuples(result); i++)
		printf("%" PRId64 " %s\n", now, PQgetvalue(result, i, 0));
	fflush(stdout);
	PQclear(result);
}

static bool
notifications_take(PGconn *conn)
{
	PGnotify *notification;
	bool some = false;

	while ((notification = PQnotifies(conn)) != NULL)
	{
		some = true;
		PQfreemem(notification);
	}
	return some;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"conninfo", required_argument, NULL, 'i'},
											{"channel", required_argument, NULL, 'c'},
											{"sql", required_argument, NULL, 's'},
											{NULL, 0, NULL, 0}};
	const char *conninfo = "";
	const char *channel = NULL;
	const char *sql = NULL;
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
			case 's':
				sql = optarg;
				break;
			default:
				return 1;
		}
	}
	if (channel == NULL || sql == NULL)
		tl_measure_die("usage: listen --channel=NAME --sql=QUERY [--conninfo=...]");
	conn = PQconnectdb(conninfo);
	if (PQstatus(conn) != CONNECTION_OK)
		tl_measure_die("cannot connect: %s", PQerrorMessage(conn));
	channel_listen(conn, channel);
	rows_print(conn, sql);
	printf("ready\n");
	fflush(stdout);
	waits[1].fd = PQsocket(conn);
	while (poll(waits, 2, -1) >= 0 && waits[0].revents == 0)
	{
		if (PQconsumeInput(conn) == 0)
			tl_measure_die("the connection broke: %s", PQerrorMessage(conn));
		/* What comes while it asks is in the connection's memory, where poll() does not see it. */
		while (notifications_take(conn))
			rows_print(conn, sql);
	}
	PQfinish(conn);
	return 0;
}
