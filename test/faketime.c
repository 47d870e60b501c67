/*
 * Preloaded in front of libfaketime, for a server.
 *
 * While a program waits, libfaketime shows the real clock to its signal handlers; but a server's
 * time-outs fire in them, and a postmaster before PostgreSQL 16 forks in them.  So waits go to the
 * C library, past libfaketime, which has nothing to do there as long as the clock runs at its own
 * speed.
 *
 * Programs that the server starts have the real clock: libfaketime would leave its shared memory
 * behind when they end without their destructors.
 */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>

__attribute__((constructor)) static void
end_with_the_server(void)
{
	if (strcmp(program_invocation_short_name, "postgres") == 0)
		unsetenv("LD_PRELOAD");
}

static void *
find(const char *name)
{
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	void *found = libc == NULL ? NULL : dlsym(libc, name);

	if (found == NULL)
		abort();
	return found;
}

#define PASS_ON(name, parameters, arguments)                                                       \
	int name parameters                                                                            \
	{                                                                                              \
		static int(*real) parameters;                                                              \
                                                                                                   \
		if (real == NULL)                                                                          \
			real = (int(*) parameters) find(#name);                                                \
		return real arguments;                                                                     \
	}

PASS_ON(epoll_wait, (int fd, struct epoll_event *events, int n, int timeout),
		(fd, events, n, timeout))
PASS_ON(poll, (struct pollfd * fds, nfds_t n, int timeout), (fds, n, timeout))
PASS_ON(select, (int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout),
		(n, r, w, e, timeout))
PASS_ON(nanosleep, (const struct timespec *wanted, struct timespec *left), (wanted, left))
