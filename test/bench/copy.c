/*
 * Sends a prepared file through COPY ... FROM STDIN and prints how fast it went, as JSON.
 *
 * The same client serves every competitor, so what it costs is the same for all. The file is mapped and
 * cut into COPYs before the clock starts; each COPY is one simple-query string, hence one
 * transaction. Threads with a connection each take the next COPY from a shared counter, so rows arrive
 * about in the order of the file. With --ingest-result the string ends with a call of
 * telemetry.ingest_result(), as an application that wants to know each row's fate sends it, and the
 * counts are summed.
 *
 * With --replay=SPEED the first row's time becomes now, and each COPY is sent when the time of its
 * last row has come; of the times between rows the SPEEDth part is left, to the millisecond. So a
 * file of 1,000 rows a second at speed 100 is a steady stream of 100,000 rows a second. It needs a
 * binary file in time order whose first column is ts.
 */
#include "measure.h"

#include <endian.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TL_CONNECTIONS_MAX 64
#define TL_SQL_MAX 1024
#define TL_BINARY_HEADER 19
#define TL_BINARY_TS 6 /* where ts is in a row: after the number of fields and its length */
#define TL_POSTGRES_EPOCH_US INT64_C(946684800000000)

static const char binary_trailer[2] = {(char) 0xff, (char) 0xff};

/* One COPY: a piece of the file and the rows in it (0 when the file goes whole). */
typedef struct TlPiece
{
	size_t begin;
	size_t end;
	int64_t rows;
	int64_t last_ts; /* of a replay */
} TlPiece;

typedef struct TlJob
{
	/* options */
	const char *conninfo;
	const char *table;
	const char *columns;
	const char *path;
	bool binary;
	bool ingest_result;
	int64_t rows_per_copy; /* 0: the whole file in one COPY */
	int64_t rows_skipped;
	int64_t rows_limit;	   /* 0: no limit */
	int64_t seconds_limit; /* 0: no limit; no new COPY begins after it */
	int64_t replay;		   /* speed; 0: as fast as can be, with the times of the file */
	size_t chunk;
	int connections;

	/* the file and its pieces */
	const char *file;
	size_t file_size;
	TlPiece *pieces;
	size_t piece_count;

	/* shared by the threads */
	char sql[TL_SQL_MAX];
	pthread_barrier_t start;
	int64_t begin;
	int64_t begin_us; /* the same moment in microseconds of PostgreSQL */
	int64_t first_ts; /* of a replay */
	int64_t deadline;
	size_t next_piece;
	int64_t *durations; /* by piece */
} TlJob;

/* What one connection has done; added up when all have ended. */
typedef struct TlTally
{
	TlJob *job;
	int64_t copies;
	int64_t rows;
	int64_t received;
	int64_t accepted;
	int64_t duplicates;
	int64_t rejected;
	int64_t finished_at;
} TlTally;

static void
file_map(TlJob *job)
{
	struct stat status;
	void *memory;
	int fd = open(job->path, O_RDONLY);

	if (fd < 0 || fstat(fd, &status) != 0 || status.st_size == 0)
		tl_measure_die("cannot read \"%s\"", job->path);
	job->file_size = (size_t) status.st_size;
	memory = mmap(NULL, job->file_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (memory == MAP_FAILED)
		tl_measure_die("cannot map \"%s\"", job->path);
	close(fd);
	job->file = memory;
}

/* Where the binary row at "at" ends, or 0 at the trailer. */
static size_t
binary_row_end(const TlJob *job, size_t at)
{
	uint16_t fields;
	uint32_t length;

	if (at + sizeof(fields) > job->file_size)
		tl_measure_die("the file ends in the middle of a row");
	memcpy(&fields, job->file + at, sizeof(fields));
	fields = be16toh(fields);
	if (fields == UINT16_MAX)
		return 0;
	at += sizeof(fields);
	while (fields-- > 0)
	{
		if (at + sizeof(length) > job->file_size)
			tl_measure_die("the file ends in the middle of a row");
		memcpy(&length, job->file + at, sizeof(length));
		length = be32toh(length);
		at += sizeof(length) + (length == UINT32_MAX ? 0 : length);
	}
	return at;
}

/* Where the CSV row at "at" ends, or 0 at the end of the file. The files hold no quoted newlines. */
static size_t
csv_row_end(const TlJob *job, size_t at)
{
	const char *newline;

	if (at >= job->file_size)
		return 0;
	newline = memchr(job->file + at, '\n', job->file_size - at);
	return newline != NULL ? (size_t) (newline - job->file) + 1 : job->file_size;
}

static size_t
row_end(const TlJob *job, size_t at)
{
	return job->binary ? binary_row_end(job, at) : csv_row_end(job, at);
}

static void
pieces_add(TlJob *job, size_t *capacity, TlPiece piece)
{
	if (job->piece_count == *capacity)
	{
		*capacity = *capacity > 0 ? *capacity * 2 : 1024;
		job->pieces = realloc(job->pieces, *capacity * sizeof(*job->pieces));
		if (job->pieces == NULL)
			tl_measure_die("out of memory");
	}
	job->pieces[job->piece_count++] = piece;
}

static int64_t
binary_row_ts(const char *row)
{
	uint64_t ts;

	memcpy(&ts, row + TL_BINARY_TS, sizeof(ts));
	return (int64_t) be64toh(ts);
}

/* Cuts the file into COPYs. Pieces hold rows only: header and trailer are sent with each. */
static void
pieces_cut(TlJob *job)
{
	size_t capacity = 0;
	int64_t rows_left = job->rows_limit > 0 ? job->rows_limit : INT64_MAX;
	int64_t rows_each = job->rows_per_copy > 0 ? job->rows_per_copy : INT64_MAX;
	size_t at = job->binary ? TL_BINARY_HEADER : 0;

	for (int64_t i = 0; i < job->rows_skipped; i++)
		if ((at = row_end(job, at)) == 0)
			tl_measure_die("the file has no more than %" PRId64 " rows", i);
	if (job->replay > 0)
		job->first_ts = binary_row_ts(job->file + at);
	while (rows_left > 0)
	{
		TlPiece piece = {at, at, 0, 0};

		while (piece.rows < rows_each && piece.rows < rows_left && (at = row_end(job, at)) != 0)
		{
			if (job->replay > 0)
				piece.last_ts = binary_row_ts(job->file + piece.end);
			piece.end = at;
			piece.rows++;
		}
		if (piece.rows == 0)
			break;
		rows_left -= piece.rows;
		pieces_add(job, &capacity, piece);
		if (at == 0)
			break;
	}
	job->durations = tl_measure_alloc(job->piece_count, sizeof(*job->durations));
}

static void
sql_compose(TlJob *job)
{
	int length = snprintf(job->sql, sizeof(job->sql), "COPY %s (%s) FROM STDIN (FORMAT %s)%s",
						  job->table, job->columns, job->binary ? "binary" : "csv",
						  job->ingest_result
							  ? "; SELECT received, accepted, duplicates, conflicts, rejected, rows"
								" FROM telemetry.ingest_result()"
							  : "");

	if (length < 0 || (size_t) length >= sizeof(job->sql))
		tl_measure_die("the names of table and columns are too long");
}

static void
copy_put(PGconn *conn, const char *bytes, size_t length, size_t chunk)
{
	while (length > 0)
	{
		size_t part = length < chunk ? length : chunk;

		if (PQputCopyData(conn, bytes, (int) part) != 1)
			tl_measure_die("COPY broke off: %s", PQerrorMessage(conn));
		bytes += part;
		length -= part;
	}
}

static int64_t
result_number(const PGresult *result, int column)
{
	return strtoll(PQgetvalue(result, 0, column), NULL, 10);
}

/* Takes all results of the query string; anything but success ends the program. */
static void
copy_collect(TlTally *tally, PGconn *conn, int64_t rows_sent)
{
	PGresult *result;

	while ((result = PQgetResult(conn)) != NULL)
	{
		switch (PQresultStatus(result))
		{
			case PGRES_COMMAND_OK:
				if (strtoll(PQcmdTuples(result), NULL, 10) != rows_sent)
					tl_measure_die("COPY of %" PRId64 " rows answered \"%s\"", rows_sent,
								   PQcmdStatus(result));
				tally->rows += rows_sent;
				break;
			case PGRES_TUPLES_OK:
				tally->received += result_number(result, 0);
				tally->accepted += result_number(result, 1);
				tally->duplicates += result_number(result, 2);
				tally->rejected += result_number(result, 4);
				break;
			default:
				tl_measure_die("COPY failed: %s", PQresultErrorMessage(result));
		}
		PQclear(result);
	}
}

static void
piece_await(const TlJob *job, const TlPiece *piece)
{
	int64_t due = job->begin + (piece->last_ts - job->first_ts) * 1000 / job->replay;
	struct timespec until = {.tv_sec = due / 1000000000, .tv_nsec = due % 1000000000};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
		;
}

/* The rows of a piece with times of the present. */
static char *
piece_move_to_now(const TlJob *job, const TlPiece *piece)
{
	char *rows = tl_measure_alloc(piece->end - piece->begin, 1);

	memcpy(rows, job->file + piece->begin, piece->end - piece->begin);
	for (size_t at = piece->begin; at < piece->end; at = binary_row_end(job, at))
	{
		int64_t passed = (binary_row_ts(job->file + at) - job->first_ts) / job->replay;
		uint64_t ts = htobe64((uint64_t) ((job->begin_us + passed) / 1000 * 1000));

		memcpy(rows + (at - piece->begin) + TL_BINARY_TS, &ts, sizeof(ts));
	}
	return rows;
}

static void
copy_send(TlTally *tally, PGconn *conn, const TlPiece *piece, const char *rows)
{
	const TlJob *job = tally->job;
	PGresult *result = PQexec(conn, job->sql);

	if (PQresultStatus(result) != PGRES_COPY_IN)
		tl_measure_die("COPY did not start: %s", PQerrorMessage(conn));
	PQclear(result);
	if (job->binary)
		copy_put(conn, job->file, TL_BINARY_HEADER, job->chunk);
	copy_put(conn, rows, piece->end - piece->begin, job->chunk);
	if (job->binary)
		copy_put(conn, binary_trailer, sizeof(binary_trailer), job->chunk);
	if (PQputCopyEnd(conn, NULL) != 1)
		tl_measure_die("COPY broke off: %s", PQerrorMessage(conn));
	copy_collect(tally, conn, piece->rows);
	tally->copies++;
}

static void *
connection_run(void *argument)
{
	TlTally *tally = argument;
	TlJob *job = tally->job;
	PGconn *conn = PQconnectdb(job->conninfo);
	size_t number;

	if (PQstatus(conn) != CONNECTION_OK)
		tl_measure_die("cannot connect: %s", PQerrorMessage(conn));
	pthread_barrier_wait(&job->start); /* all are connected */
	pthread_barrier_wait(&job->start); /* the clock runs */
	while ((number = __atomic_fetch_add(&job->next_piece, 1, __ATOMIC_RELAXED)) < job->piece_count)
	{
		const TlPiece *piece = &job->pieces[number];
		char *moved = NULL;
		int64_t begin = tl_measure_read_clock();

		if (begin > job->deadline)
			break;
		if (job->replay > 0)
		{
			moved = piece_move_to_now(job, piece);
			piece_await(job, piece);
			begin = tl_measure_read_clock();
		}
		copy_send(tally, conn, piece, moved != NULL ? moved : job->file + piece->begin);
		job->durations[number] = tl_measure_read_clock() - begin;
		free(moved);
	}
	tally->finished_at = tl_measure_read_clock();
	PQfinish(conn);
	return NULL;
}

static void
result_print(const TlJob *job, TlTally *total, double cpu)
{
	double seconds = (double) (total->finished_at - job->begin) / 1e9;
	size_t done = (size_t) total->copies;
	int64_t *durations = job->durations;

	/* Pieces left undone by a time limit have no duration and sort first. */
	tl_measure_sort(job->durations, job->piece_count);
	durations += job->piece_count - done;
	printf("{\"rows\": %" PRId64 ", \"copies\": %" PRId64 ", \"connections\": %d, ", total->rows,
		   total->copies, job->connections);
	printf("\"seconds\": %.6f, \"rows_per_second\": %.1f, \"copies_per_second\": %.1f, ", seconds,
		   (double) total->rows / seconds, (double) total->copies / seconds);
	printf("\"p50_ms\": %.3f, \"p99_ms\": %.3f, ", tl_measure_quantile_ms(durations, done, 0.50),
		   tl_measure_quantile_ms(durations, done, 0.99));
	if (job->ingest_result)
		printf("\"received\": %" PRId64 ", \"accepted\": %" PRId64 ", \"duplicates\": %" PRId64
			   ", \"rejected\": %" PRId64 ", ",
			   total->received, total->accepted, total->duplicates, total->rejected);
	printf("\"client_cpu_seconds\": %.3f}\n", cpu);
}

static void
job_run(TlJob *job)
{
	pthread_t threads[TL_CONNECTIONS_MAX];
	TlTally tallies[TL_CONNECTIONS_MAX] = {0};
	TlTally total = {0};
	struct timespec now;
	double cpu;

	pthread_barrier_init(&job->start, NULL, (unsigned) job->connections + 1);
	for (int i = 0; i < job->connections; i++)
	{
		tallies[i].job = job;
		if (pthread_create(&threads[i], NULL, connection_run, &tallies[i]) != 0)
			tl_measure_die("cannot start a thread");
	}
	pthread_barrier_wait(&job->start);
	cpu = tl_measure_read_cpu();
	job->begin = tl_measure_read_clock();
	clock_gettime(CLOCK_REALTIME, &now);
	job->begin_us = (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000 - TL_POSTGRES_EPOCH_US;
	job->deadline =
		job->seconds_limit > 0 ? job->begin + job->seconds_limit * INT64_C(1000000000) : INT64_MAX;
	pthread_barrier_wait(&job->start);
	for (int i = 0; i < job->connections; i++)
	{
		pthread_join(threads[i], NULL);
		total.copies += tallies[i].copies;
		total.rows += tallies[i].rows;
		total.received += tallies[i].received;
		total.accepted += tallies[i].accepted;
		total.duplicates += tallies[i].duplicates;
		total.rejected += tallies[i].rejected;
		if (tallies[i].finished_at > total.finished_at)
			total.finished_at = tallies[i].finished_at;
	}
	result_print(job, &total, tl_measure_read_cpu() - cpu);
}

static void
options_parse(TlJob *job, int argc, char **argv)
{
	static const struct option options[] = {{"conninfo", required_argument, NULL, 'i'},
											{"table", required_argument, NULL, 't'},
											{"columns", required_argument, NULL, 'o'},
											{"file", required_argument, NULL, 'f'},
											{"csv", no_argument, NULL, 'v'},
											{"ingest-result", no_argument, NULL, 'r'},
											{"rows-per-copy", required_argument, NULL, 'n'},
											{"rows-skipped", required_argument, NULL, 'w'},
											{"rows-limit", required_argument, NULL, 'l'},
											{"seconds-limit", required_argument, NULL, 's'},
											{"replay", required_argument, NULL, 'p'},
											{"chunk", required_argument, NULL, 'k'},
											{"connections", required_argument, NULL, 'c'},
											{NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'i':
				job->conninfo = optarg;
				break;
			case 't':
				job->table = optarg;
				break;
			case 'o':
				job->columns = optarg;
				break;
			case 'f':
				job->path = optarg;
				break;
			case 'v':
				job->binary = false;
				break;
			case 'r':
				job->ingest_result = true;
				break;
			case 'n':
				job->rows_per_copy = tl_measure_parse_number("rows-per-copy", optarg);
				break;
			case 'w':
				job->rows_skipped = tl_measure_parse_number("rows-skipped", optarg);
				break;
			case 'l':
				job->rows_limit = tl_measure_parse_number("rows-limit", optarg);
				break;
			case 's':
				job->seconds_limit = tl_measure_parse_number("seconds-limit", optarg);
				break;
			case 'p':
				job->replay = tl_measure_parse_number("replay", optarg);
				break;
			case 'k':
				job->chunk = (size_t) tl_measure_parse_number("chunk", optarg);
				break;
			case 'c':
				job->connections = (int) tl_measure_parse_number("connections", optarg);
				break;
			default:
				exit(1);
		}
	}
	if (job->table == NULL || job->path == NULL || job->chunk == 0 || job->connections < 1 ||
		job->connections > TL_CONNECTIONS_MAX || (job->replay > 0 && !job->binary))
		tl_measure_die("usage: copy --table=NAME --file=FILE [--csv] [--conninfo=...]"
					   " [--rows-per-copy=N] [--rows-skipped=N] [--rows-limit=N]"
					   " [--connections=1..%d] [--ingest-result] [--replay=SPEED]",
					   TL_CONNECTIONS_MAX);
}

int
main(int argc, char **argv)
{
	TlJob job = {.conninfo = "",
				 .columns = "ts, device_id, metric, value",
				 .binary = true,
				 .chunk = 256 * 1024,
				 .connections = 1};

	options_parse(&job, argc, argv);
	file_map(&job);
	pieces_cut(&job);
	sql_compose(&job);
	job_run(&job);
	return 0;
}
