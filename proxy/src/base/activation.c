/*
 * activation.c
 *		Sockets that whoever started the process has opened for it.
 *
 * $LISTEN_FDS says how many there are, from descriptor 3 on, and $LISTEN_PID for whom.  They stay
 * open for the life of the process, and beyond it where they came from: what waits in their queues
 * is for the next process.
 */
#include "base/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_DESCRIPTOR 3

static int
socket_option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

static bool
take(int fd, TlAddress *address, char *error, size_t size)
{
	*address = (TlAddress){.fd = fd, .len = sizeof(address->socket)};
	if (socket_option(fd, SO_TYPE) != SOCK_STREAM || socket_option(fd, SO_ACCEPTCONN) != 1 ||
		getsockname(fd, (struct sockaddr *) &address->socket, &address->len) != 0 ||
		!tl_address_describe(address))
	{
		snprintf(error, size, "descriptor %d of LISTEN_FDS is not a listening stream socket", fd);
		return false;
	}
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
	{
		snprintf(error, size, "descriptor %d of LISTEN_FDS: %s", fd, strerror(errno));
		return false;
	}
	return true;
}

bool
tl_activation_take(TlAddressList *list, char *error, size_t size)
{
	const char *count = getenv("LISTEN_FDS");
	const char *process = getenv("LISTEN_PID");
	bool ours = count != NULL && process != NULL && atoi(process) == (int) getpid();
	int descriptors = ours ? atoi(count) : 0;

	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	list->count = 0;
	if (descriptors > TL_ADDRESSES_MAX)
	{
		snprintf(error, size, "LISTEN_FDS has more than %d sockets", TL_ADDRESSES_MAX);
		return false;
	}
	for (int i = 0; i < descriptors; i++)
	{
		if (!take(FIRST_DESCRIPTOR + i, &list->items[list->count++], error, size))
			return false;
	}
	return true;
}
