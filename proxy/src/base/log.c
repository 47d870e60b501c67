/*
 * log.c
 *		Lines "2025-12-18T10:00:00.123Z LEVEL text" on standard error, or "… LEVEL [process] text".
 *
 * Each line is one write(2), so the lines of several processes on one descriptor do not mix.
 * Nothing is allocated.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static TlLogLevel log_level = TL_LOG_INFO;
static char log_process[16];

static const char *const level_names[] = {"DEBUG", "INFO", "WARNING", "ERROR"};

void
tl_log_set_level(TlLogLevel level)
{
	log_level = level;
}

void
tl_log_name_process(void)
{
	snprintf(log_process, sizeof(log_process), "[%d] ", (int) getpid());
}

static void __attribute__((format(printf, 2, 0)))
log_line(TlLogLevel level, const char *format, va_list args)
{
	char line[2048];
	size_t room = sizeof(line) - 1;
	size_t used;
	struct timespec now;
	struct tm utc;
	int n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	used = strftime(line, room, "%Y-%m-%dT%H:%M:%S", &utc);
	n = snprintf(line + used, room - used, ".%03dZ %s %s", (int) (now.tv_nsec / 1000000),
				 level_names[level], log_process);
	used += (size_t) n;

	n = vsnprintf(line + used, room - used, format, args);
	if (n < 0)
		return;
	for (size_t i = used; i < room && line[i] != '\0'; i++)
	{
		if ((unsigned char) line[i] < 0x20 || line[i] == 0x7f)
			line[i] = ' ';
	}
	used += (size_t) n < room - used ? (size_t) n : room - used - 1;
	while (used > 0 && line[used - 1] == ' ')
		used--;
	line[used++] = '\n';

	/* If standard error is gone there is nobody to tell. */
	if (write(STDERR_FILENO, line, used) < 0)
		return;
}

void
tl_log(TlLogLevel level, const char *format, ...)
{
	va_list args;

	if (level < log_level)
		return;
	va_start(args, format);
	log_line(level, format, args);
	va_end(args);
}

void
tl_log_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(TL_LOG_ERROR, format, args);
	va_end(args);
	exit(1);
}
