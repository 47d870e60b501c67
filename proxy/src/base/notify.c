/*
 * notify.c
 *		What the process tells whoever started it, by the protocol of sd_notify(3).
 *
 * A message is one datagram of lines to the Unix socket that $NOTIFY_SOCKET names.  The manual page
 * commends writing these few lines over taking the library, which would bring its own dependencies.
 */
#include "base/notify.h"

#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int notify_fd = -1;
static uint64_t watchdog_us;

/* "@" stands for the null byte with which an abstract name begins. */
static int
connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	int fd;

	if ((path[0] != '/' && path[0] != '@') || len >= sizeof(address.sun_path))
	{
		errno = EINVAL;
		return -1;
	}
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *) &address,
						   (socklen_t) (offsetof(struct sockaddr_un, sun_path) + len)) != 0)
	{
		close(fd);
		return -1;
	}
	return fd;
}

void
tl_notify_begin(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	const char *timeout = getenv("WATCHDOG_USEC");
	const char *process = getenv("WATCHDOG_PID");

	if (path != NULL)
	{
		notify_fd = connect_to(path);
		if (notify_fd < 0)
			tl_log(TL_LOG_WARNING, "could not use NOTIFY_SOCKET \"%s\": %s", path, strerror(errno));
	}
	if (timeout != NULL && notify_fd >= 0 && (process == NULL || atoi(process) == (int) getpid()))
		watchdog_us = strtoull(timeout, NULL, 10);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void
tl_notify_through(int fd)
{
	if (notify_fd >= 0)
		close(notify_fd);
	notify_fd = fd;
}

void
tl_notify(const char *format, ...)
{
	char text[512];
	va_list args;

	if (notify_fd < 0)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* A listener that is behind or has gone is no reason to wait. */
	if (send(notify_fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		tl_log(TL_LOG_DEBUG, "nobody was told \"%s\": %s", text, strerror(errno));
}

void
tl_notify_reloading(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	tl_notify("RELOADING=1\nMONOTONIC_USEC=%llu",
			  (unsigned long long) now.tv_sec * 1000000 + (unsigned long long) now.tv_nsec / 1000);
}

uint64_t
tl_notify_watchdog_us(void)
{
	return watchdog_us;
}
