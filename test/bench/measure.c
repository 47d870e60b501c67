/*
 * Clocks, quantiles and small helpers of the measuring programs. See measure.h.
 */
#include "measure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define TL_NS_PER_S INT64_C(1000000000)

int64_t
tl_measure_read_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * TL_NS_PER_S + now.tv_nsec;
}

double
tl_measure_read_cpu(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		   (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int
duration_compare(const void *left, const void *right)
{
	int64_t a = *(const int64_t *) left;
	int64_t b = *(const int64_t *) right;

	return (a > b) - (a < b);
}

void
tl_measure_sort(int64_t *nanoseconds, size_t count)
{
	qsort(nanoseconds, count, sizeof(*nanoseconds), duration_compare);
}

double
tl_measure_quantile_ms(const int64_t *sorted, size_t count, double quantile)
{
	size_t position;

	if (count == 0)
		return 0;
	position = (size_t) (quantile * (double) (count - 1) + 0.5);
	return (double) sorted[position] / 1e6;
}

void *
tl_measure_alloc(size_t count, size_t size)
{
	void *memory = calloc(count > 0 ? count : 1, size);

	if (memory == NULL)
		tl_measure_die("out of memory");
	return memory;
}

int64_t
tl_measure_parse_number(const char *option, const char *text)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || number < 0)
		tl_measure_die("--%s needs a number, not \"%s\"", option, text);
	return number;
}

void
tl_measure_print_json_string(const char *text)
{
	putchar('"');
	for (const unsigned char *c = (const unsigned char *) text; *c != '\0'; c++)
	{
		if (*c == '"' || *c == '\\')
			printf("\\%c", *c);
		else if (*c < 0x20)
			printf("\\u%04x", *c);
		else
			putchar(*c);
	}
	putchar('"');
}

void
tl_measure_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}
