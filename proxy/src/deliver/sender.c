/*
 * sender.c
 *		Transfers under way: libcurl's multi interface, driven by the event loop.
 *
 * libcurl says which sockets it waits for, and for how long; it is told what became of them, and then says which
 * transfers have ended.  Names are resolved in threads of its own.
 */
#include "deliver/sender.h"

#include "base/log.h"

#include <event2/event.h>
#include <stdlib.h>

struct TlSender
{
	struct event_base *base;
	CURLM *multi;
	struct event *timer;
	TlSenderEnd on_end;
	void *arg;
};

static void
sender_take_ended(TlSender *sender)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(sender->multi, &left)) != NULL)
	{
		TlTransfer *transfer;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &transfer);
		/* The message goes with it. */
		curl_multi_remove_handle(sender->multi, transfer->easy);
		tl_transfer_judge(transfer, code);
		sender->on_end(transfer, sender->arg);
	}
}

static void
sender_act(TlSender *sender, curl_socket_t fd, int what)
{
	int running;

	curl_multi_socket_action(sender->multi, fd, what, &running);
	sender_take_ended(sender);
}

static void
sender_on_ready(evutil_socket_t fd, short what, void *arg)
{
	sender_act(arg, fd,
			   (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void
sender_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void) fd;
	(void) what;
	sender_act(arg, CURL_SOCKET_TIMEOUT, 0);
}

/* libcurl's: when it wants to be called, whatever happens. */
static int
on_timeout(CURLM *multi, long ms, void *arg)
{
	TlSender *sender = arg;
	struct timeval when = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	(void) multi;
	if (ms < 0)
		event_del(sender->timer);
	else
		event_add(sender->timer, &when);
	return 0;
}

/* libcurl's: what it waits for at a socket, whose event it keeps for us. */
static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *kept)
{
	TlSender *sender = arg;
	struct event *event = kept;
	short flags = (short) ((what & CURL_POLL_IN ? EV_READ : 0) |
						   (what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST);

	(void) easy;
	if (event != NULL)
		event_free(event);
	event = NULL;
	if (what != CURL_POLL_REMOVE)
	{
		event = event_new(sender->base, fd, flags, sender_on_ready, sender);
		if (event == NULL || event_add(event, NULL) != 0)
			tl_log_die("out of memory");
	}
	curl_multi_assign(sender->multi, fd, event);
	return 0;
}

TlSender *
tl_sender_open(struct event_base *base, TlSenderEnd on_end, void *arg)
{
	TlSender *sender = calloc(1, sizeof(*sender));

	if (sender == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
		(sender->multi = curl_multi_init()) == NULL)
		tl_log_die("could not start libcurl");
	sender->base = base;
	sender->on_end = on_end;
	sender->arg = arg;
	sender->timer = evtimer_new(base, sender_on_timer, sender);
	if (sender->timer == NULL)
		tl_log_die("out of memory");
	curl_multi_setopt(sender->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(sender->multi, CURLMOPT_SOCKETDATA, sender);
	curl_multi_setopt(sender->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(sender->multi, CURLMOPT_TIMERDATA, sender);
	return sender;
}

void
tl_sender_close(TlSender *sender)
{
	curl_multi_cleanup(sender->multi);
	curl_global_cleanup();
	event_free(sender->timer);
	free(sender);
}

void
tl_sender_start(TlSender *sender, TlTransfer *transfer)
{
	if (curl_multi_add_handle(sender->multi, transfer->easy) != CURLM_OK)
		tl_log_die("libcurl does not take a transfer");
}

void
tl_sender_abandon(TlSender *sender, TlTransfer *transfer)
{
	curl_multi_remove_handle(sender->multi, transfer->easy);
}
