/*
 * supervise.c
 *		Several processes that serve, and one that watches over them.
 *
 * The parent serves nothing and holds nothing that a worker needs, so what goes wrong in one worker
 * stays there: it is started again, after a pause that grows as long as it does not last.  Should one
 * of the first workers not come to serve at all, then none would, and the parent gives up.
 *
 * A worker has a socket to the parent for what it would tell systemd, which hears of the whole from the
 * parent alone.  Signals reach workers from the parent only: what a terminal or a service manager sends
 * to all processes at once they take for the parent's.  They end with it, however it ends.
 */
#include "supervise.h"

#include "base/log.h"
#include "base/metrics.h"
#include "base/notify.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Between the end of a worker and its next start. */
#define PAUSE_LEAST_US ((uint64_t) 100 * 1000)
#define PAUSE_MOST_US ((uint64_t) 30 * 1000 * 1000)

/* A worker that has lasted so long begins anew with the shortest pause. */
#define LASTED_US ((uint64_t) 60 * 1000 * 1000)

typedef struct Worker
{
	pid_t pid;			 /* 0: it does not run */
	int fd;				 /* what it tells, or -1 */
	bool ready;			 /* it serves */
	bool reloading;		 /* it was told to read the configuration and has not said that it did */
	uint64_t started_us; /* and, while it does not run, when it is to be */
	uint64_t heard_us;	 /* when it last told anything */
	uint64_t pause_us;
} Worker;

typedef struct Supervisor
{
	const TlSupervision *what;
	Worker workers[TL_WORKERS_MAX];
	int signals;  /* a signalfd */
	pid_t pid;	  /* of the parent */
	bool settled; /* all have been ready */
	bool reloading;
	bool stopping;
	bool failed;
	uint64_t pinged_us;
} Supervisor;

#define FOR_EACH_WORKER(supervisor, worker)                                                        \
	for (Worker *worker = (supervisor)->workers;                                                   \
		 worker < (supervisor)->workers + (supervisor)->what->workers; worker++)

static unsigned int
count_ready(Supervisor *supervisor)
{
	unsigned int count = 0;

	FOR_EACH_WORKER(supervisor, worker) count += worker->ready;
	return count;
}

static void
tell_status(Supervisor *supervisor)
{
	if (!supervisor->stopping)
		tl_notify("STATUS=%u of %u processes serve", count_ready(supervisor),
				  supervisor->what->workers);
}

static void
signal_workers(Supervisor *supervisor, int number)
{
	FOR_EACH_WORKER(supervisor, worker)
	{
		if (worker->pid != 0)
			kill(worker->pid, number);
	}
}

static void
stop(Supervisor *supervisor)
{
	supervisor->stopping = true;
	tl_notify("STOPPING=1\nSTATUS=finishing requests");
	signal_workers(supervisor, SIGTERM);
}

/* Whatever else the parent has open is not for a worker. */
static int
worker_work(Supervisor *supervisor, int fd)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != supervisor->pid)
		return 1; /* it died before that */
	close(supervisor->signals);
	FOR_EACH_WORKER(supervisor, worker)
	{
		if (worker->fd >= 0)
			close(worker->fd);
	}
	tl_log_name_process();
	tl_notify_through(fd);
	return supervisor->what->work(supervisor->what->arg);
}

/* When a worker that has ended is to be started again. */
static void
worker_plan_start(Worker *worker)
{
	uint64_t now = tl_clock_us();

	if (worker->pause_us == 0 || now - worker->started_us >= LASTED_US)
		worker->pause_us = PAUSE_LEAST_US;
	else
		worker->pause_us =
			2 * worker->pause_us < PAUSE_MOST_US ? 2 * worker->pause_us : PAUSE_MOST_US;
	worker->started_us = now + worker->pause_us;
}

/* Returns true in the worker, at its end, with its exit status. */
static bool
worker_start(Supervisor *supervisor, Worker *worker, int *status)
{
	int ends[2];

	worker->started_us = worker->heard_us = tl_clock_us();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
	{
		worker_plan_start(worker);
		tl_log(TL_LOG_ERROR, "could not make a socket for a process: %s", strerror(errno));
		return false;
	}
	worker->pid = fork();
	if (worker->pid == 0)
	{
		close(ends[0]);
		*status = worker_work(supervisor, ends[1]);
		return true;
	}
	close(ends[1]);
	if (worker->pid < 0)
	{
		worker->pid = 0;
		close(ends[0]);
		worker_plan_start(worker);
		tl_log(TL_LOG_ERROR, "could not start a process: %s", strerror(errno));
		return false;
	}
	worker->fd = ends[0];
	return false;
}

static void
end_reload(Supervisor *supervisor)
{
	FOR_EACH_WORKER(supervisor, worker)
	{
		if (worker->reloading)
			return;
	}
	if (supervisor->reloading)
		tl_notify("READY=1");
	supervisor->reloading = false;
}

static void
worker_is_ready(Supervisor *supervisor, Worker *worker)
{
	unsigned int all = supervisor->what->workers;

	worker->reloading = false;
	end_reload(supervisor);
	if (worker->ready)
		return;
	worker->ready = true;
	tell_status(supervisor);
	if (!supervisor->settled && count_ready(supervisor) == all)
	{
		supervisor->settled = true;
		tl_notify("READY=1");
		tl_log(TL_LOG_INFO, "%u processes serve, watched over by process %d", all,
			   (int) supervisor->pid);
	}
}

/* Takes one thing that a worker tells; false if there is none, or it tells no more. */
static bool
worker_hear(Supervisor *supervisor, Worker *worker)
{
	char text[512];
	ssize_t len = worker->fd >= 0 ? recv(worker->fd, text, sizeof(text), MSG_DONTWAIT) : -1;

	if (len > 0)
	{
		worker->heard_us = tl_clock_us();
		if (strncmp(text, "READY=1", 7) == 0)
			worker_is_ready(supervisor, worker);
		return true;
	}
	if (len == 0)
	{
		close(worker->fd);
		worker->fd = -1;
	}
	return false;
}

static void
log_end(const Worker *worker, int how)
{
	if (WIFSIGNALED(how))
		tl_log(TL_LOG_ERROR, "process %d was ended by signal %d", (int) worker->pid, WTERMSIG(how));
	else
		tl_log(how == 0 ? TL_LOG_INFO : TL_LOG_ERROR, "process %d ended with status %d",
			   (int) worker->pid, WEXITSTATUS(how));
}

static void
worker_ended(Supervisor *supervisor, Worker *worker, int how)
{
	bool was_ready;

	/* Its last words, of which its being ready may be one. */
	while (worker_hear(supervisor, worker))
		;
	was_ready = worker->ready;
	worker->ready = worker->reloading = false;
	if (!supervisor->stopping || how != 0)
		log_end(worker, how);
	worker->pid = 0;
	if (supervisor->stopping)
		supervisor->failed |= how != 0;
	else if (!was_ready && !supervisor->settled)
	{
		tl_log(TL_LOG_ERROR, "a process could not start, and so none is to serve");
		supervisor->failed = true;
		stop(supervisor);
	}
	else
		worker_plan_start(worker);
	end_reload(supervisor);
	tell_status(supervisor);
}

static void
reap(Supervisor *supervisor)
{
	pid_t pid;
	int how;

	while ((pid = waitpid(-1, &how, WNOHANG)) > 0)
	{
		FOR_EACH_WORKER(supervisor, worker)
		{
			if (worker->pid == pid)
				worker_ended(supervisor, worker, how);
		}
	}
}

static void
reload(Supervisor *supervisor)
{
	supervisor->reloading = true;
	tl_notify_reloading();
	if (supervisor->what->reload(supervisor->what->arg))
	{
		FOR_EACH_WORKER(supervisor, worker) worker->reloading = worker->ready;
		signal_workers(supervisor, SIGHUP);
	}
	end_reload(supervisor);
}

static void
on_signal(Supervisor *supervisor)
{
	struct signalfd_siginfo signal;

	if (read(supervisor->signals, &signal, sizeof(signal)) != (ssize_t) sizeof(signal))
		return;
	if (signal.ssi_signo == SIGCHLD)
		reap(supervisor);
	else if (signal.ssi_signo == SIGHUP)
		reload(supervisor);
	else if (!supervisor->stopping)
	{
		tl_log(TL_LOG_INFO, "signal %d: ending %u processes", (int) signal.ssi_signo,
			   supervisor->what->workers);
		stop(supervisor);
	}
	else
	{
		tl_log(TL_LOG_WARNING, "second signal: exiting now");
		signal_workers(supervisor, SIGKILL);
		_exit(1);
	}
}

/* What time has come for, but starting a worker; returns when it should be asked again. */
static uint64_t
keep_time(Supervisor *supervisor)
{
	uint64_t now = tl_clock_us();
	uint64_t limit = tl_notify_watchdog_us();
	uint64_t next = UINT64_MAX;

	if (limit > 0 && now - supervisor->pinged_us >= limit / 2)
	{
		tl_notify("WATCHDOG=1");
		supervisor->pinged_us = now;
	}
	if (limit > 0)
		next = supervisor->pinged_us + limit / 2;
	FOR_EACH_WORKER(supervisor, worker)
	{
		if (limit > 0 && worker->pid != 0 && now - worker->heard_us > limit)
		{
			tl_log(TL_LOG_ERROR, "process %d hangs and is ended", (int) worker->pid);
			kill(worker->pid, SIGKILL);
			worker->heard_us = now;
		}
		if (worker->pid == 0 && !supervisor->stopping && worker->started_us < next)
			next = worker->started_us;
	}
	return next;
}

/* Starts those whose time has come.  Returns true in a worker, at its end. */
static bool
start_due(Supervisor *supervisor, int *status)
{
	FOR_EACH_WORKER(supervisor, worker)
	{
		if (worker->pid == 0 && !supervisor->stopping && worker->started_us <= tl_clock_us() &&
			worker_start(supervisor, worker, status))
			return true;
	}
	return false;
}

static bool
any_runs(Supervisor *supervisor)
{
	FOR_EACH_WORKER(supervisor, worker)
	{
		if (worker->pid != 0)
			return true;
	}
	return false;
}

/* Waits for a signal, for what workers tell, or until `end`. */
static void
wait_for_news(Supervisor *supervisor, uint64_t end)
{
	struct pollfd fds[TL_WORKERS_MAX + 1];
	struct pollfd *fd = fds;
	uint64_t now = tl_clock_us();
	uint64_t left_ms = end <= now ? 0 : (end - now + 999) / 1000;

	*fd++ = (struct pollfd){.fd = supervisor->signals, .events = POLLIN};
	FOR_EACH_WORKER(supervisor, worker) *fd++ = (struct pollfd){.fd = worker->fd, .events = POLLIN};
	if (poll(fds, (nfds_t) (fd - fds), left_ms > INT32_MAX ? -1 : (int) left_ms) <= 0)
		return;
	fd = fds + 1;
	FOR_EACH_WORKER(supervisor, worker)
	{
		if ((fd++)->revents != 0)
			worker_hear(supervisor, worker);
	}
	if (fds[0].revents != 0)
		on_signal(supervisor);
}

static int
open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		tl_log_die("could not take signals: %s", strerror(errno));
	return fd;
}

int
tl_supervise(const TlSupervision *what)
{
	Supervisor supervisor = {.what = what, .signals = open_signals(), .pid = getpid()};
	int status;

	FOR_EACH_WORKER(&supervisor, worker) worker->fd = -1;
	do
	{
		if (start_due(&supervisor, &status))
			return status;
		wait_for_news(&supervisor, keep_time(&supervisor));
	} while (!supervisor.stopping || any_runs(&supervisor));
	close(supervisor.signals);
	tl_log(TL_LOG_INFO, "stopped");
	return supervisor.failed ? 1 : 0;
}
