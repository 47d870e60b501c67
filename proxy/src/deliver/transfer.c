/*
 * transfer.c
 *		A notification on its way: what libcurl is told of it, what it may connect to, and how it went.
 *
 * Whoever may write channels must not reach by them what only the proxy can reach: so what is
 * looked at is the address that a socket is opened for, whatever name or way of writing it led there, and
 * redirects are not followed, nor are proxies used.  Each notification has a connection of its own, and so is
 * looked at.  Where mail goes the proxy's own configuration says.
 *
 * An answer may repeat what it was sent, such as a token, and what is told of it is for more people than
 * that: such an answer is not told.
 */
#include "deliver/transfer.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef TL_VERSION
#error "TL_VERSION is not set: build with make"
#endif

/* A head, or what a server of mail says, longer than that ends the transfer. */
#define HEAD_MAX ((size_t) 64 * 1024)

/* How long the CAs of a file are kept, in seconds: reading them takes the loop's time. */
#define CA_KEPT 3600L

/* Shorter values of headers are in many texts. */
#define SECRET_LEAST 6

#define SET(transfer, option, value)                                                               \
	do                                                                                             \
	{                                                                                              \
		if (curl_easy_setopt((transfer)->easy, option, value) != CURLE_OK)                         \
			tl_log_die("libcurl does not take option " #option);                                   \
	} while (0)

/* Callbacks --------------------------------------------------------------------------------- */

static bool
may_connect(const TlTransfer *transfer, const struct sockaddr *address)
{
	if (transfer->private_only)
		return !tl_network_is_public(address);
	return transfer->allowed == NULL || tl_network_is_public(address) ||
		   tl_network_list_has(transfer->allowed, address);
}

static void
describe(const struct sockaddr *address, char *out, socklen_t size)
{
	const void *bytes = address->sa_family == AF_INET6
							? (const void *) &((const struct sockaddr_in6 *) address)->sin6_addr
							: (const void *) &((const struct sockaddr_in *) address)->sin_addr;

	if ((address->sa_family != AF_INET && address->sa_family != AF_INET6) ||
		inet_ntop(address->sa_family, bytes, out, size) == NULL)
		snprintf(out, size, "address of family %d", address->sa_family);
}

static curl_socket_t
on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	TlTransfer *transfer = arg;

	(void) purpose;
	if (!may_connect(transfer, &address->addr))
	{
		describe(&address->addr, transfer->refused, sizeof(transfer->refused));
		return CURL_SOCKET_BAD;
	}
	transfer->opened = true;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* More than is wanted ends the transfer, whose status is known by then. */
static size_t
on_answer(char *data, size_t one, size_t len, void *arg)
{
	TlTransfer *transfer = arg;
	size_t room = sizeof(transfer->answer) - transfer->answer_len;

	(void) one;
	transfer->answer_is_cut = len > room;
	memcpy(transfer->answer + transfer->answer_len, data, len < room ? len : room);
	transfer->answer_len += len < room ? len : room;
	return transfer->answer_is_cut ? 0 : len;
}

/* Of mail, what the server says; its last refusal tells why it has not taken it. */
static size_t
on_head(char *data, size_t one, size_t len, void *arg)
{
	TlTransfer *transfer = arg;

	(void) one;
	transfer->head_size += len;
	if (transfer->head_size > HEAD_MAX)
		return 0;
	if (transfer->notification.is_mail && len > 0 && (data[0] == '4' || data[0] == '5'))
	{
		transfer->answer_len = 0;
		on_answer(data, 1, len < sizeof(transfer->answer) ? len : sizeof(transfer->answer),
				  transfer);
	}
	return len;
}

static size_t
on_read_message(char *out, size_t one, size_t room, void *arg)
{
	TlTransfer *transfer = arg;
	size_t left = transfer->notification.body_len - transfer->sent;
	size_t n = left < room ? left : room;

	(void) one;
	memcpy(out, transfer->notification.body + transfer->sent, n);
	transfer->sent += n;
	return n;
}

/* What libcurl is told ----------------------------------------------------------------------- */

static struct curl_slist *
list_add(struct curl_slist *list, const char *text)
{
	struct curl_slist *longer = curl_slist_append(list, text);

	if (longer == NULL)
		tl_log_die("out of memory");
	return longer;
}

/* For each line; they are not changed for long. */
static void
for_each_line(char *lines, void (*use)(TlTransfer *transfer, char *line), TlTransfer *transfer)
{
	while (lines != NULL && *lines != '\0')
	{
		size_t len = strcspn(lines, "\n");
		bool is_last = lines[len] == '\0';

		lines[len] = '\0';
		use(transfer, lines);
		if (is_last)
			return;
		lines[len] = '\n';
		lines += len + 1;
	}
}

/* Of "name: " libcurl makes no header, of "name;" one that is empty. */
static void
add_header(TlTransfer *transfer, char *line)
{
	size_t name = strcspn(line, ":");

	if (line[name] == ':' && line[name + 1 + strspn(line + name + 1, " ")] == '\0')
	{
		char empty[128];

		snprintf(empty, sizeof(empty), "%.*s;", (int) name, line);
		transfer->headers = list_add(transfer->headers, empty);
	}
	else
		transfer->headers = list_add(transfer->headers, line);
}

static void
add_recipient(TlTransfer *transfer, char *line)
{
	transfer->recipients = list_add(transfer->recipients, line);
}

static void
set_up_http(TlTransfer *transfer, const TlDeliverSettings *settings)
{
	TlNotification *notification = &transfer->notification;

	/* No waiting for 100. */
	transfer->headers = list_add(NULL, "Expect:");
	for_each_line(notification->headers, add_header, transfer);
	transfer->allowed = &settings->allowed;
	SET(transfer, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(transfer, CURLOPT_URL, notification->url);
	SET(transfer, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	SET(transfer, CURLOPT_USERAGENT, "telemetry-proxy/" TL_VERSION);
	SET(transfer, CURLOPT_POST, 1L);
	SET(transfer, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) notification->body_len);
	SET(transfer, CURLOPT_POSTFIELDS, notification->body);
	SET(transfer, CURLOPT_HTTPHEADER, transfer->headers);
	SET(transfer, CURLOPT_FOLLOWLOCATION, 0L);
}

static void
set_up_mail(TlTransfer *transfer, const TlDeliverSettings *settings)
{
	TlNotification *notification = &transfer->notification;

	for_each_line(notification->mail_to, add_recipient, transfer);
	transfer->private_only = settings->smtp_plain;
	SET(transfer, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	SET(transfer, CURLOPT_URL, settings->smtp_url);
	SET(transfer, CURLOPT_USE_SSL,
		(long) (settings->smtp_plain ? CURLUSESSL_NONE : CURLUSESSL_ALL));
	SET(transfer, CURLOPT_USERNAME, settings->smtp_user);
	SET(transfer, CURLOPT_PASSWORD, settings->smtp_password);
	SET(transfer, CURLOPT_MAIL_FROM, notification->mail_from);
	SET(transfer, CURLOPT_MAIL_RCPT, transfer->recipients);
	/* One address that is refused is not to keep the others from being told. */
	SET(transfer, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
	SET(transfer, CURLOPT_UPLOAD, 1L);
	SET(transfer, CURLOPT_INFILESIZE_LARGE, (curl_off_t) notification->body_len);
	SET(transfer, CURLOPT_READFUNCTION, on_read_message);
	SET(transfer, CURLOPT_READDATA, transfer);
}

/* With it alone, and not with a folder beside it, libcurl keeps what it has read of the file. */
static void
set_up_tls(TlTransfer *transfer, const char *ca)
{
	if (ca == NULL)
		ca = curl_version_info(CURLVERSION_NOW)->cainfo;
	if (ca != NULL)
	{
		SET(transfer, CURLOPT_CAINFO, ca);
		SET(transfer, CURLOPT_CAPATH, NULL);
		/* Not every library that libcurl may be built with keeps them. */
		(void) curl_easy_setopt(transfer->easy, CURLOPT_CA_CACHE_TIMEOUT, CA_KEPT);
	}
	SET(transfer, CURLOPT_SSL_VERIFYPEER, 1L);
	SET(transfer, CURLOPT_SSL_VERIFYHOST, 2L);
	SET(transfer, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
}

static void
find_host(TlTransfer *transfer, const char *text)
{
	CURLU *url = curl_url();
	char *host = NULL;

	if (url == NULL)
		tl_log_die("out of memory");
	if (text == NULL || curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
		curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		host = NULL;
	snprintf(transfer->host, sizeof(transfer->host), "%s", host != NULL ? host : "");
	curl_free(host);
	curl_url_cleanup(url);
}

TlTransfer *
tl_transfer_create(TlNotification *notification, const TlDeliverSettings *settings)
{
	TlTransfer *transfer = calloc(1, sizeof(*transfer));

	if (transfer == NULL || (transfer->easy = curl_easy_init()) == NULL)
		tl_log_die("out of memory");
	transfer->notification = *notification;
	*notification = (TlNotification){0};
	find_host(transfer,
			  transfer->notification.is_mail ? settings->smtp_url : transfer->notification.url);
	SET(transfer, CURLOPT_PRIVATE, transfer);
	SET(transfer, CURLOPT_ERRORBUFFER, transfer->error);
	SET(transfer, CURLOPT_NOSIGNAL, 1L);
	/* The loop does not wait for a resolver's thread when the time is over. */
	SET(transfer, CURLOPT_QUICK_EXIT, 1L);
	SET(transfer, CURLOPT_TIMEOUT_MS, transfer->notification.timeout_ms);
	SET(transfer, CURLOPT_PROXY, "");
	SET(transfer, CURLOPT_FRESH_CONNECT, 1L);
	SET(transfer, CURLOPT_FORBID_REUSE, 1L);
	SET(transfer, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	SET(transfer, CURLOPT_OPENSOCKETDATA, transfer);
	SET(transfer, CURLOPT_WRITEFUNCTION, on_answer);
	SET(transfer, CURLOPT_WRITEDATA, transfer);
	SET(transfer, CURLOPT_HEADERFUNCTION, on_head);
	SET(transfer, CURLOPT_HEADERDATA, transfer);
	set_up_tls(transfer, settings->ca);
	if (transfer->notification.is_mail)
		set_up_mail(transfer, settings);
	else
		set_up_http(transfer, settings);
	return transfer;
}

void
tl_transfer_free(TlTransfer *transfer)
{
	curl_easy_cleanup(transfer->easy);
	curl_slist_free_all(transfer->headers);
	curl_slist_free_all(transfer->recipients);
	tl_notification_free(&transfer->notification);
	free(transfer);
}

/* How it went ------------------------------------------------------------------------------- */

static bool
answer_has(const TlTransfer *transfer, const char *text, size_t len)
{
	return len > 0 && memmem(transfer->answer, transfer->answer_len, text, len) != NULL;
}

/* Whether a header that is the channel's own is repeated. */
static bool
repeats_header(const TlTransfer *transfer)
{
	for (const struct curl_slist *header = transfer->headers; header != NULL; header = header->next)
	{
		const char *value = strchr(header->data, ':');

		if (value == NULL || strncasecmp(header->data, "X-Telemetry-", 12) == 0 ||
			strncasecmp(header->data, "Content-Type:", 13) == 0)
			continue;
		value += 1 + strspn(value + 1, " ");
		/* Of "Bearer TOKEN" the token, too. */
		while (value != NULL && *value != '\0')
		{
			size_t len = strcspn(value, " ");

			if (len >= SECRET_LEAST && answer_has(transfer, value, len))
				return true;
			value += len + strspn(value + len, " ");
		}
	}
	return false;
}

/* Hooks of chats have their secret in the path. */
static bool
repeats_path(const TlTransfer *transfer)
{
	const char *path = transfer->notification.url;

	path = path != NULL ? strstr(path, "://") : NULL;
	path = path != NULL ? strchr(path + 3, '/') : NULL;
	return path != NULL && path[1] != '\0' && answer_has(transfer, path, strcspn(path, "?"));
}

static void
judge_status(TlTransfer *transfer)
{
	long status = 0;
	curl_off_t retry_after = 0;
	size_t used;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	transfer->verdict = tl_verdict_of_http(status);
	if (transfer->verdict == TL_VERDICT_SENT)
		return;
	used = (size_t) snprintf(transfer->reason, sizeof(transfer->reason), "status %ld", status);
	if (curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after) == CURLE_OK &&
		retry_after > 0)
		snprintf(transfer->reason + used, sizeof(transfer->reason) - used,
				 ", to be retried after %lld s", (long long) retry_after);
	if (!repeats_header(transfer) && !repeats_path(transfer))
		tl_verdict_text(transfer->answer, transfer->answer_len, TL_ANSWER_TOLD,
						transfer->answer_told);
}

static void
judge_error(TlTransfer *transfer, CURLcode code)
{
	const TlNotification *notification = &transfer->notification;
	const char *text = transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code);
	long reply = 0;

	transfer->verdict = TL_VERDICT_AGAIN;
	if (transfer->refused[0] != '\0' && !transfer->opened)
		snprintf(transfer->reason, sizeof(transfer->reason),
				 transfer->private_only
					 ? "%s is an address of the internet, where \"smtp-tls = off\" does not go"
					 : "%s is a private address, which \"deliver-allow-private\" does not have",
				 transfer->refused);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		snprintf(transfer->reason, sizeof(transfer->reason), "no answer within %ld s",
				 notification->timeout_ms / 1000);
	else if (transfer->head_size > HEAD_MAX)
		snprintf(transfer->reason, sizeof(transfer->reason), "head of more than %zu bytes",
				 HEAD_MAX);
	else
		snprintf(transfer->reason, sizeof(transfer->reason), "%s", text);
	if (!notification->is_mail || code == CURLE_LOGIN_DENIED || code == CURLE_OPERATION_TIMEDOUT)
		return;
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &reply);
	transfer->verdict = tl_verdict_of_smtp(reply);
	if (reply >= 400)
		tl_verdict_text(transfer->answer, transfer->answer_len, TL_ANSWER_TOLD,
						transfer->answer_told);
}

void
tl_transfer_judge(TlTransfer *transfer, CURLcode code)
{
	/* An answer longer than is read has been read as far as it is wanted. */
	if (transfer->notification.is_mail && code == CURLE_OK)
		transfer->verdict = TL_VERDICT_SENT;
	else if (!transfer->notification.is_mail &&
			 (code == CURLE_OK || (code == CURLE_WRITE_ERROR && transfer->answer_is_cut)))
		judge_status(transfer);
	else
		judge_error(transfer, code);
}
