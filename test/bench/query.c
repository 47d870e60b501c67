/*
 * Times one query in one session, from send to last row received, and prints JSON.
 *
 *   query --sql="SELECT ... WHERE device_id = $1" [--prepared] [parameter ...]
 *
 * Simple: the parameters are written into the text as literals and each run is a simple query.
 * Prepared: the text is prepared once and executed with the parameters as text. Eight runs go
 * before the measured ones, more than the five after which the server settles on a generic or a custom plan.
 * A slow query is measured fewer times, three at least, so that it ends within the time
 * limit.
 */
#include "measure.h"

#include <getopt.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TL_WARM_RUNS 8
#define TL_MEASURED_RUNS_MIN 3
#define TL_PARAMETERS_MAX 9
#define TL_SQL_MAX 8192
#define TL_STATEMENT "measured"

typedef struct TlQuery
{
	const char *sql;
	const char *parameters[TL_PARAMETERS_MAX];
	int parameter_count;
	bool prepared;
	char simple_sql[TL_SQL_MAX]; /* with the parameters written in */
} TlQuery;

/* Writes the parameters in as literals. $ stands for a parameter wherever it comes before a digit. */
static void
query_substitute(TlQuery *query, PGconn *conn)
{
	size_t length = 0;

	for (const char *at = query->sql; *at != '\0'; at++)
	{
		int number = at[0] == '$' ? at[1] - '0' : 0;
		char *literal = NULL;
		const char *piece = at;
		size_t piece_length = 1;

		if (number >= 1 && number <= query->parameter_count)
		{
			literal = PQescapeLiteral(conn, query->parameters[number - 1],
									  strlen(query->parameters[number - 1]));
			if (literal == NULL)
				tl_measure_die("cannot quote a parameter: %s", PQerrorMessage(conn));
			piece = literal;
			piece_length = strlen(literal);
			at++;
		}
		if (length + piece_length >= sizeof(query->simple_sql))
			tl_measure_die("the query is too long");
		memcpy(query->simple_sql + length, piece, piece_length);
		length += piece_length;
		PQfreemem(literal);
	}
	query->simple_sql[length] = '\0';
}

static void
query_prepare(const TlQuery *query, PGconn *conn)
{
	PGresult *result = PQprepare(conn, TL_STATEMENT, query->sql, 0, NULL);

	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		tl_measure_die("cannot prepare: %s", PQerrorMessage(conn));
	PQclear(result);
}

static PGresult *
query_execute(const TlQuery *query, PGconn *conn)
{
	PGresult *result = query->prepared ? PQexecPrepared(conn, TL_STATEMENT, query->parameter_count,
														query->parameters, NULL, NULL, 0)
									   : PQexec(conn, query->simple_sql);

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		tl_measure_die("the query failed: %s", PQerrorMessage(conn));
	return result;
}

static void
query_measure(const TlQuery *query, PGconn *conn, int64_t runs, int64_t seconds)
{
	int64_t *durations = tl_measure_alloc((size_t) runs, sizeof(*durations));
	int64_t began = tl_measure_read_clock();
	int64_t deadline = began + seconds * INT64_C(1000000000);
	int64_t half_time = began + (deadline - began) / 2;
	PGresult *result = query_execute(query, conn);
	size_t measured = 0;

	for (int i = 1; i < TL_WARM_RUNS && tl_measure_read_clock() < half_time; i++)
		PQclear(query_execute(query, conn));
	while (measured < (size_t) runs &&
		   (measured < TL_MEASURED_RUNS_MIN || tl_measure_read_clock() < deadline))
	{
		int64_t begin = tl_measure_read_clock();
		PGresult *again = query_execute(query, conn);

		durations[measured++] = tl_measure_read_clock() - begin;
		PQclear(again);
	}
	tl_measure_sort(durations, measured);
	printf("{\"median_ms\": %.4f, \"min_ms\": %.4f, \"max_ms\": %.4f, \"runs\": %zu, ",
		   tl_measure_quantile_ms(durations, measured, 0.5),
		   tl_measure_quantile_ms(durations, measured, 0),
		   tl_measure_quantile_ms(durations, measured, 1), measured);
	printf("\"rows\": %d, \"first_row\": [", PQntuples(result));
	for (int column = 0; PQntuples(result) > 0 && column < PQnfields(result); column++)
	{
		if (column > 0)
			printf(", ");
		tl_measure_print_json_string(PQgetvalue(result, 0, column));
	}
	printf("]}\n");
	PQclear(result);
	free(durations);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"conninfo", required_argument, NULL, 'i'}, {"sql", required_argument, NULL, 'q'},
		{"prepared", no_argument, NULL, 'p'},		{"runs", required_argument, NULL, 'n'},
		{"seconds", required_argument, NULL, 's'},	{NULL, 0, NULL, 0}};
	TlQuery query = {0};
	const char *conninfo = "";
	int64_t runs = 20;
	int64_t seconds = 20;
	PGconn *conn;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'i':
				conninfo = optarg;
				break;
			case 'q':
				query.sql = optarg;
				break;
			case 'p':
				query.prepared = true;
				break;
			case 'n':
				runs = tl_measure_parse_number("runs", optarg);
				break;
			case 's':
				seconds = tl_measure_parse_number("seconds", optarg);
				break;
			default:
				return 1;
		}
	}
	if (query.sql == NULL || runs < TL_MEASURED_RUNS_MIN || argc - optind > TL_PARAMETERS_MAX)
		tl_measure_die("usage: query --sql=TEXT [--prepared] [--conninfo=...] [--runs=N, 3 or more]"
					   " [--seconds=N] [parameter ...]");
	while (optind < argc)
		query.parameters[query.parameter_count++] = argv[optind++];
	conn = PQconnectdb(conninfo);
	if (PQstatus(conn) != CONNECTION_OK)
		tl_measure_die("cannot connect: %s", PQerrorMessage(conn));
	if (query.prepared)
		query_prepare(&query, conn);
	else
		query_substitute(&query, conn);
	query_measure(&query, conn, runs, seconds);
	PQfinish(conn);
	return 0;
}
