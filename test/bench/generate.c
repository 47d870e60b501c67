/*
 * Writes the data of the benchmark: the same rows in every form a competitor reads, from a seed.
 *
 *   generate fleet   --points=N [--skip=N] [--point=FILE] [--heap=FILE] [--csv=FILE]
 *   generate repeats --points=N --sample=N [--sample-seed=N] [--point=FILE] [...]
 *   generate series  --points=N [--point=FILE] [--heap=FILE] [--csv=FILE]
 *   generate bodies  --shape=device|bulk|single --cycles=N --bodies=FILE
 *
 * "fleet" is the data of fleet.h in time order, as a collector receives it; with --skip what
 * comes after so many points. "repeats" are some of the fleet's first N points, each at most once,
 * in random order and with other values. "series" is the opposite shape: N series of one point
 * each, N / 5 devices in shuffled order within ten minutes.
 *
 * Forms: --point is COPY BINARY with value as telemetry.value (a kind byte, then a float8); --heap is
 * COPY BINARY with value as float8; --csv suits both. Columns: ts, device_id, metric, value.
 * "bodies" are request bodies, a line each: path, tab, JSON. Loading them is the load generator's
 * business, which also moves the timestamps to the present.
 */
#include "fleet.h"
#include "measure.h"

#include <endian.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TL_SERIES_SPAN_MS 600000
#define TL_ROW_MAX 256
#define TL_FILE_BUFFER (1 << 20)
#define TL_POSTGRES_EPOCH_MS INT64_C(946684800000)
#define TL_VALUE_NUMERIC 1 /* kind byte of a number in the wire form of telemetry.value */
#define TL_DEVICE_BATCH_TICKS 200
#define TL_BULK_DEVICES 200

typedef struct TlOutput
{
	FILE *point;
	FILE *heap;
	FILE *csv;
	int name_width;
} TlOutput;

static FILE *
file_open(const char *path)
{
	FILE *file = fopen(path, "wb");

	if (file == NULL)
		tl_measure_die("cannot write \"%s\"", path);
	setvbuf(file, NULL, _IOFBF, TL_FILE_BUFFER);
	return file;
}

static void
file_close(FILE *file)
{
	if (ferror(file) || fclose(file) != 0)
		tl_measure_die("cannot write the data: disk full?");
}

static char *
put_bytes(char *at, const void *bytes, size_t length)
{
	memcpy(at, bytes, length);
	return at + length;
}

static char *
put_int16(char *at, uint16_t number)
{
	number = htobe16(number);
	return put_bytes(at, &number, sizeof(number));
}

static char *
put_int32(char *at, uint32_t number)
{
	number = htobe32(number);
	return put_bytes(at, &number, sizeof(number));
}

static char *
put_int64(char *at, uint64_t number)
{
	number = htobe64(number);
	return put_bytes(at, &number, sizeof(number));
}

static char *
put_text_field(char *at, const char *text, size_t length)
{
	at = put_int32(at, (uint32_t) length);
	return put_bytes(at, text, length);
}

/* Digits of a number, at least "width" of them. */
static char *
put_digits(char *at, uint64_t number, int width)
{
	char digits[24];
	int count = 0;

	while (number > 0 || count < width)
	{
		digits[count++] = (char) ('0' + number % 10);
		number /= 10;
	}
	while (count > 0)
		*at++ = digits[--count];
	return at;
}

/* The shortest text of a scaled value: 25.50 is "25.5" and 60.0 is "60", as devices send it. */
static char *
put_value(char *at, int64_t value, int decimals)
{
	uint64_t magnitude = (uint64_t) (value < 0 ? -value : value);
	uint64_t scale;

	while (decimals > 0 && magnitude % 10 == 0)
	{
		magnitude /= 10;
		decimals--;
	}
	scale = (uint64_t) tl_decimal_scale[decimals];
	if (value < 0)
		*at++ = '-';
	at = put_digits(at, magnitude / scale, 1);
	if (decimals > 0)
	{
		*at++ = '.';
		at = put_digits(at, magnitude % scale, decimals);
	}
	return at;
}

/* "2025-06-01 06:00:00", with the separator wanted between date and time. */
static char *
put_timestamp(char *at, int64_t ts_ms, char separator)
{
	static int64_t cached_day = INT64_MIN;
	static char cached_date[10];
	int64_t day = ts_ms / TL_DAY_MS;
	uint64_t second = (uint64_t) (ts_ms % TL_DAY_MS) / 1000;

	if (day != cached_day)
	{
		time_t midnight = (time_t) (day * (TL_DAY_MS / 1000));
		struct tm date;
		char *end = cached_date;

		gmtime_r(&midnight, &date);
		end = put_digits(end, (uint64_t) (date.tm_year + 1900), 4);
		*end++ = '-';
		end = put_digits(end, (uint64_t) (date.tm_mon + 1), 2);
		*end++ = '-';
		put_digits(end, (uint64_t) date.tm_mday, 2);
		cached_day = day;
	}
	at = put_bytes(at, cached_date, sizeof(cached_date));
	*at++ = separator;
	at = put_digits(at, second / 3600, 2);
	*at++ = ':';
	at = put_digits(at, second / 60 % 60, 2);
	*at++ = ':';
	return put_digits(at, second % 60, 2);
}

static char *
put_device_name(char *at, uint32_t device, int width)
{
	at = put_bytes(at, "device_", 7);
	return put_digits(at, device + 1, width);
}

static void
output_begin(const TlOutput *output)
{
	static const char header[19] = "PGCOPY\n\377\r\n"; /* flags and extension length stay 0 */

	if (output->point != NULL)
		fwrite(header, 1, sizeof(header), output->point);
	if (output->heap != NULL)
		fwrite(header, 1, sizeof(header), output->heap);
}

static void
output_end(const TlOutput *output)
{
	static const char trailer[2] = {(char) 0xff, (char) 0xff};

	if (output->point != NULL)
	{
		fwrite(trailer, 1, sizeof(trailer), output->point);
		file_close(output->point);
	}
	if (output->heap != NULL)
	{
		fwrite(trailer, 1, sizeof(trailer), output->heap);
		file_close(output->heap);
	}
	if (output->csv != NULL)
		file_close(output->csv);
}

static void
output_write_binary(FILE *file, const TlReport *report, const char *name, size_t name_length,
					int metric, bool wire_value)
{
	char row[TL_ROW_MAX];
	char *at = row;
	double value = (double) report->values[metric] / tl_decimal_scale[tl_metric_decimals[metric]];
	uint64_t bits;

	at = put_int16(at, 4);
	at = put_int32(at, sizeof(uint64_t));
	at = put_int64(at, (uint64_t) (report->ts_ms - TL_POSTGRES_EPOCH_MS) * 1000);
	at = put_text_field(at, name, name_length);
	at = put_text_field(at, tl_metric_names[metric], strlen(tl_metric_names[metric]));
	at = put_int32(at, wire_value ? 1 + sizeof(uint64_t) : sizeof(uint64_t));
	if (wire_value)
		*at++ = TL_VALUE_NUMERIC;
	memcpy(&bits, &value, sizeof(bits));
	at = put_int64(at, bits);
	fwrite_unlocked(row, 1, (size_t) (at - row), file);
}

static void
output_write_csv(FILE *file, const TlReport *report, const char *name, size_t name_length,
				 int metric)
{
	char row[TL_ROW_MAX];
	char *at = row;

	at = put_timestamp(at, report->ts_ms, ' ');
	*at++ = '.';
	at = put_digits(at, (uint64_t) (report->ts_ms % 1000), 3);
	at = put_bytes(at, "+00,", 4);
	at = put_bytes(at, name, name_length);
	*at++ = ',';
	at = put_bytes(at, tl_metric_names[metric], strlen(tl_metric_names[metric]));
	*at++ = ',';
	at = put_value(at, report->values[metric], tl_metric_decimals[metric]);
	*at++ = '\n';
	fwrite_unlocked(row, 1, (size_t) (at - row), file);
}

static void
output_write_point(const TlOutput *output, const TlReport *report, int metric)
{
	char name[32];
	size_t length = (size_t) (put_device_name(name, report->device, output->name_width) - name);

	if (output->point != NULL)
		output_write_binary(output->point, report, name, length, metric, true);
	if (output->heap != NULL)
		output_write_binary(output->heap, report, name, length, metric, false);
	if (output->csv != NULL)
		output_write_csv(output->csv, report, name, length, metric);
}

static void
output_write_report(const TlOutput *output, const TlReport *report, int64_t metrics)
{
	for (int m = 0; m < metrics; m++)
		output_write_point(output, report, m);
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Goes through the fleet's points in time order. */
typedef struct TlFleetCursor
{
	TlRandom *random;
	size_t count;
	TlDevice *devices;
	TlReport *reports; /* of the tick */
	int64_t tick_ms;
	size_t device;
	int metric;
} TlFleetCursor;

static TlFleetCursor
cursor_open(TlRandom *random, size_t count)
{
	TlFleetCursor cursor = {.random = random, .count = count, .tick_ms = TL_START_MS};

	cursor.devices = tl_fleet_create(random, count);
	cursor.reports = tl_measure_alloc(count, sizeof(*cursor.reports));
	return cursor;
}

static void
cursor_close(TlFleetCursor *cursor)
{
	free(cursor->reports);
	free(cursor->devices);
}

/* The next point: a report, valid until the next call, and the metric of it that is meant. */
static const TlReport *
cursor_next(TlFleetCursor *cursor, int *metric)
{
	const TlReport *report = &cursor->reports[cursor->device];

	if (cursor->device == 0 && cursor->metric == 0)
	{
		tl_fleet_report_tick(cursor->devices, cursor->count, cursor->random, cursor->tick_ms,
							 cursor->reports);
		cursor->tick_ms += TL_INTERVAL_MS;
	}
	*metric = cursor->metric;
	cursor->metric = (cursor->metric + 1) % TL_METRICS;
	if (cursor->metric == 0)
		cursor->device = (cursor->device + 1) % cursor->count;
	return report;
}

static void
fleet_write(const TlOutput *output, TlRandom *random, size_t count, int64_t points, int64_t skip)
{
	TlFleetCursor cursor = cursor_open(random, count);

	output_begin(output);
	for (int64_t i = 0; i < skip + points; i++)
	{
		int metric;
		const TlReport *report = cursor_next(&cursor, &metric);

		if (i >= skip)
			output_write_point(output, report, metric);
	}
	output_end(output);
	cursor_close(&cursor);
}

typedef struct TlRepeat
{
	TlReport report;
	int metric;
} TlRepeat;

static void
repeats_write(const TlOutput *output, TlRandom *random, size_t count, int64_t points,
			  int64_t sample, TlRandom *chooser)
{
	TlFleetCursor cursor = cursor_open(random, count);
	TlRepeat *repeats = tl_measure_alloc((size_t) sample, sizeof(*repeats));
	size_t chosen = 0;

	for (int64_t i = 0; i < points; i++)
	{
		int metric;
		const TlReport *report = cursor_next(&cursor, &metric);

		/* As many of what is left as are wanted still: each point has the same chance. */
		if (tl_random_next(chooser) % (uint64_t) (points - i) < (uint64_t) sample - chosen)
		{
			size_t at = tl_random_next(chooser) % (chosen + 1);

			repeats[chosen++] = repeats[at];
			repeats[at] = (TlRepeat){*report, metric};
			repeats[at].report.values[metric] += 1 + (int64_t) (tl_random_next(chooser) % 9);
		}
	}
	output_begin(output);
	for (size_t i = 0; i < chosen; i++)
		output_write_point(output, &repeats[i].report, repeats[i].metric);
	output_end(output);
	free(repeats);
	cursor_close(&cursor);
}

static void
series_write(const TlOutput *output, TlRandom *random, int64_t points)
{
	size_t count = (size_t) (points + TL_METRICS - 1) / TL_METRICS;
	uint32_t *order = tl_measure_alloc(count, sizeof(*order));

	for (size_t i = 0; i < count; i++)
	{
		size_t j = tl_random_next(random) % (i + 1);

		order[i] = order[j];
		order[j] = (uint32_t) i;
	}
	output_begin(output);
	for (size_t i = 0; i < count; i++)
	{
		TlDevice device;
		TlReport report;

		tl_device_init(&device, random);
		tl_device_report(&device, random, TL_START_MS, &report);
		report.device = order[i];
		report.ts_ms = TL_START_MS + (int64_t) (i * TL_SERIES_SPAN_MS / count);
		output_write_report(output, &report, least(points, TL_METRICS));
		points -= TL_METRICS;
	}
	output_end(output);
	free(order);
}

static void
body_write_point(FILE *file, const TlReport *report, int metric)
{
	char text[TL_ROW_MAX];
	char *at = text;

	at = put_bytes(at, "{\"timestamp\":\"", 14);
	at = put_timestamp(at, report->ts_ms, 'T');
	at = put_bytes(at, "Z\",\"metric_name\":\"", 18);
	at = put_bytes(at, tl_metric_names[metric], strlen(tl_metric_names[metric]));
	at = put_bytes(at, "\",\"value\":", 10);
	at = put_value(at, report->values[metric], tl_metric_decimals[metric]);
	*at++ = '}';
	fwrite_unlocked(text, 1, (size_t) (at - text), file);
}

static void
body_write_report(FILE *file, const TlReport *report)
{
	for (int m = 0; m < TL_METRICS; m++)
	{
		if (m > 0)
			fputc(',', file);
		body_write_point(file, report, m);
	}
}

/* A gateway's upload of what one device measured in 2,000 seconds: 1,000 points, a line each device. */
static void
bodies_write_device(FILE *file, TlRandom *random, size_t count, int width, int64_t cycles)
{
	TlDevice *devices = tl_fleet_create(random, count);
	TlReport report;

	for (int64_t cycle = 0; cycle < cycles; cycle++)
		for (size_t i = 0; i < count; i++)
		{
			report.device = (uint32_t) i;
			fprintf(file, "/api/v1/telemetry/devices/device_%0*zu/telemetry/batch\t", width, i + 1);
			fputs("{\"data_points\":[", file);
			for (int64_t tick = 0; tick < TL_DEVICE_BATCH_TICKS; tick++)
			{
				int64_t number = cycle * TL_DEVICE_BATCH_TICKS + tick;

				if (tick > 0)
					fputc(',', file);
				tl_device_report(&devices[i], random, TL_START_MS + number * TL_INTERVAL_MS,
								 &report);
				body_write_report(file, &report);
			}
			fputs("],\"compression\":null}\n", file);
		}
	free(devices);
}

/* An edge node's upload of one report of 200 devices: 1,000 points. */
static void
bodies_write_bulk(FILE *file, TlRandom *random, size_t count, int width, int64_t cycles)
{
	TlDevice *devices = tl_fleet_create(random, count);
	TlReport *reports = tl_measure_alloc(count, sizeof(*reports));

	for (int64_t cycle = 0; cycle < cycles; cycle++)
	{
		tl_fleet_report_tick(devices, count, random, TL_START_MS + cycle * TL_INTERVAL_MS, reports);
		for (size_t i = 0; i < count; i++)
		{
			bool last = i + 1 == count || (i + 1) % TL_BULK_DEVICES == 0;

			fputs(i % TL_BULK_DEVICES == 0 ? "/api/v1/telemetry/bulk\t{" : ",", file);
			fprintf(file, "\"device_%0*" PRIu32 "\":[", width, reports[i].device + 1);
			body_write_report(file, &reports[i]);
			fputs(last ? "]}\n" : "]", file);
		}
	}
	free(reports);
	free(devices);
}

/* One point a request. */
static void
bodies_write_single(FILE *file, TlRandom *random, size_t count, int width, int64_t cycles)
{
	TlDevice *devices = tl_fleet_create(random, count);
	TlReport *reports = tl_measure_alloc(count, sizeof(*reports));

	for (int64_t cycle = 0; cycle < cycles; cycle++)
	{
		tl_fleet_report_tick(devices, count, random, TL_START_MS + cycle * TL_INTERVAL_MS, reports);
		for (size_t i = 0; i < count; i++)
			for (int m = 0; m < TL_METRICS; m++)
			{
				fprintf(file, "/api/v1/telemetry/devices/device_%0*" PRIu32 "/telemetry\t", width,
						reports[i].device + 1);
				body_write_point(file, &reports[i], m);
				fputc('\n', file);
			}
	}
	free(reports);
	free(devices);
}

static void
bodies_write(const char *path, const char *shape, TlRandom *random, size_t count, int width,
			 int64_t cycles)
{
	FILE *file = file_open(path);

	if (strcmp(shape, "device") == 0)
		bodies_write_device(file, random, count, width, cycles);
	else if (strcmp(shape, "bulk") == 0)
		bodies_write_bulk(file, random, count, width, cycles);
	else if (strcmp(shape, "single") == 0)
		bodies_write_single(file, random, count, width, cycles);
	else
		tl_measure_die("--shape is device, bulk or single, not \"%s\"", shape);
	file_close(file);
}

/* Digits enough for the highest device number, four at least. */
static int
name_width(size_t count)
{
	char digits[24];
	int width = (int) (put_digits(digits, count, 1) - digits);

	return width < 4 ? 4 : width;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"points", required_argument, NULL, 'n'},
											{"devices", required_argument, NULL, 'd'},
											{"seed", required_argument, NULL, 's'},
											{"point", required_argument, NULL, 'p'},
											{"heap", required_argument, NULL, 'h'},
											{"csv", required_argument, NULL, 'c'},
											{"shape", required_argument, NULL, 'f'},
											{"cycles", required_argument, NULL, 'y'},
											{"bodies", required_argument, NULL, 'b'},
											{"skip", required_argument, NULL, 'k'},
											{"sample", required_argument, NULL, 'm'},
											{"sample-seed", required_argument, NULL, 'o'},
											{NULL, 0, NULL, 0}};
	TlOutput output = {0};
	TlRandom random = {42};
	TlRandom chooser = {1};
	int64_t points = 2000000;
	int64_t skip = 0;
	int64_t sample = 0;
	int64_t cycles = 1;
	size_t devices = 2000;
	const char *shape = "device";
	const char *bodies = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'n':
				points = tl_measure_parse_number("points", optarg);
				break;
			case 'd':
				devices = (size_t) tl_measure_parse_number("devices", optarg);
				break;
			case 's':
				random.state = (uint64_t) tl_measure_parse_number("seed", optarg);
				break;
			case 'y':
				cycles = tl_measure_parse_number("cycles", optarg);
				break;
			case 'p':
				output.point = file_open(optarg);
				break;
			case 'h':
				output.heap = file_open(optarg);
				break;
			case 'c':
				output.csv = file_open(optarg);
				break;
			case 'f':
				shape = optarg;
				break;
			case 'b':
				bodies = optarg;
				break;
			case 'k':
				skip = tl_measure_parse_number("skip", optarg);
				break;
			case 'm':
				sample = tl_measure_parse_number("sample", optarg);
				break;
			case 'o':
				chooser.state = (uint64_t) tl_measure_parse_number("sample-seed", optarg);
				break;
			default:
				return 1;
		}
	}
	if (optind + 1 != argc || devices == 0)
		tl_measure_die("usage: generate fleet|repeats|series|bodies [options]; see generate.c");
	if (strcmp(argv[optind], "fleet") == 0)
	{
		output.name_width = name_width(devices);
		fleet_write(&output, &random, devices, points, skip);
	}
	else if (strcmp(argv[optind], "repeats") == 0 && sample > 0 && sample <= points)
	{
		output.name_width = name_width(devices);
		repeats_write(&output, &random, devices, points, sample, &chooser);
	}
	else if (strcmp(argv[optind], "series") == 0)
	{
		output.name_width = name_width((size_t) points / TL_METRICS);
		series_write(&output, &random, points);
	}
	else if (strcmp(argv[optind], "bodies") == 0 && bodies != NULL)
		bodies_write(bodies, shape, &random, devices, name_width(devices), cycles);
	else
		tl_measure_die("usage: generate fleet|repeats|series|bodies [options]; see generate.c");
	return 0;
}
