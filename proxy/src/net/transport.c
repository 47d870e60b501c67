/*
 * transport.c
 *		The bytes of a connection, plain or TLS.  See transport.h.
 */
#include "net/transport.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>

/* A bufferevent reads 4 kB and then goes round the loop. */
#define BUFFEREVENT_READ_SIZE 4096
#define READ_MORE_SIZE ((size_t) 60 * 1024)

/* At most what a record of TLS holds; what is written shares it with libevent's head of a chain. */
#define RECORD_READ_SIZE ((size_t) 16 * 1024)
#define RECORD_WRITE_SIZE ((size_t) 16000)

static size_t
unsent(struct bufferevent *bev)
{
	return evbuffer_get_length(bufferevent_get_output(bev));
}

/* Plain ----------------------------------------------------------------------------------- */

/* Spares most answers a round of the loop and two calls of epoll_ctl. */
static void
plain_write(struct bufferevent *bev, const struct iovec *parts, int count)
{
	struct msghdr message = {.msg_iov = (struct iovec *) parts, .msg_iovlen = (size_t) count};
	ssize_t sent = 0;

	if (unsent(bev) == 0)
		sent = sendmsg(bufferevent_getfd(bev), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	for (int i = 0; i < count; i++)
	{
		size_t skip = sent <= 0							 ? 0
					  : (size_t) sent < parts[i].iov_len ? (size_t) sent
														 : parts[i].iov_len;

		sent -= (ssize_t) skip;
		if (skip < parts[i].iov_len)
			bufferevent_write(bev, (char *) parts[i].iov_base + skip, parts[i].iov_len - skip);
	}
}

/*
 * When the bufferevent got as much as it reads there is likely more.  End of file and errors are left
 * for it to meet.
 */
static bool
plain_read(struct bufferevent *bev)
{
	struct evbuffer *input = bufferevent_get_input(bev);
	size_t before = evbuffer_get_length(input);
	size_t high;
	ssize_t n = (ssize_t) READ_MORE_SIZE;

	if (before < BUFFEREVENT_READ_SIZE)
		return false;
	bufferevent_getwatermark(bev, EV_READ, NULL, &high);
	evbuffer_unfreeze(input, 0);
	while ((size_t) n == READ_MORE_SIZE && evbuffer_get_length(input) < high)
	{
		struct evbuffer_iovec room;

		if (evbuffer_reserve_space(input, (ev_ssize_t) READ_MORE_SIZE, &room, 1) != 1)
			break;
		n = recv(bufferevent_getfd(bev), room.iov_base, READ_MORE_SIZE, MSG_DONTWAIT);
		if (n <= 0)
			break;
		room.iov_len = (size_t) n;
		evbuffer_commit_space(input, &room, 1);
	}
	evbuffer_freeze(input, 0);
	return evbuffer_get_length(input) > before;
}

/* TLS ------------------------------------------------------------------------------------- */

/* Where in the parts we are. */
typedef struct Cursor
{
	const struct iovec *parts;
	int count;
	size_t offset; /* in the first */
} Cursor;

static void
cursor_advance(Cursor *cursor, size_t len)
{
	cursor->offset += len;
	while (cursor->count > 0 && cursor->offset >= cursor->parts->iov_len)
	{
		cursor->offset -= cursor->parts->iov_len;
		cursor->parts++;
		cursor->count--;
	}
}

/* The next bytes, as many as go into one record, in one piece. */
static const char *
cursor_piece(const Cursor *cursor, char *room, size_t *len)
{
	const struct iovec *part = cursor->parts;
	size_t left = part->iov_len - cursor->offset;

	if (left >= RECORD_WRITE_SIZE || cursor->count == 1)
	{
		*len = left < RECORD_WRITE_SIZE ? left : RECORD_WRITE_SIZE;
		return (const char *) part->iov_base + cursor->offset;
	}
	memcpy(room, (const char *) part->iov_base + cursor->offset, left);
	*len = left;
	for (int i = 1; i < cursor->count && *len < RECORD_WRITE_SIZE; i++)
	{
		size_t take = RECORD_WRITE_SIZE - *len;

		if (take > part[i].iov_len)
			take = part[i].iov_len;
		memcpy(room + *len, part[i].iov_base, take);
		*len += take;
	}
	return room;
}

/*
 * A record that the socket did not take whole must be written again with all its bytes in the first
 * piece of memory of the buffer, and a session says how much it has written only when it has written all
 * of one: so what waits is put there by records, too.
 */
static void
tls_write(struct bufferevent *bev, SSL *ssl, const struct iovec *parts, int count)
{
	bool at_once = unsent(bev) == 0 && SSL_is_init_finished(ssl);
	Cursor cursor = {parts, count, 0};
	char room[RECORD_WRITE_SIZE];

	cursor_advance(&cursor, 0);
	while (cursor.count > 0)
	{
		size_t len;
		const char *piece = cursor_piece(&cursor, room, &len);

		at_once = at_once && SSL_write(ssl, piece, (int) len) == (int) len;
		if (!at_once)
			bufferevent_write(bev, piece, len);
		cursor_advance(&cursor, len);
	}
	if (!at_once)
		ERR_clear_error();
}

/*
 * Fills the room with records, each of which may need as much as the largest.  True if more may come; an
 * error is an end, too: if the bufferevent ever meets it, there is nothing else to be done.
 */
static bool
tls_fill(SSL *ssl, struct evbuffer_iovec *room, bool *at_end)
{
	size_t size = room->iov_len;
	int error = SSL_ERROR_NONE;

	room->iov_len = 0;
	while (error == SSL_ERROR_NONE && size - room->iov_len >= RECORD_READ_SIZE)
	{
		int n;

		ERR_clear_error();
		n = SSL_read(ssl, (char *) room->iov_base + room->iov_len, (int) (size - room->iov_len));
		if (n > 0)
			room->iov_len += (size_t) n;
		else
			error = SSL_get_error(ssl, n);
	}
	ERR_clear_error();
	*at_end |=
		error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
	return error == SSL_ERROR_NONE;
}

static bool
tls_read(struct bufferevent *bev, SSL *ssl, bool wait_over, bool *at_end)
{
	struct evbuffer *input = bufferevent_get_input(bev);
	size_t before = evbuffer_get_length(input);
	bool large = wait_over && before >= BUFFEREVENT_READ_SIZE;
	bool more = true;
	size_t high;

	if (!large && !SSL_has_pending(ssl))
		return false;
	bufferevent_getwatermark(bev, EV_READ, NULL, &high);
	while (more && evbuffer_get_length(input) < high && (large || SSL_has_pending(ssl)))
	{
		struct evbuffer_iovec room;
		size_t size = large ? READ_MORE_SIZE : RECORD_READ_SIZE;

		if (evbuffer_reserve_space(input, (ev_ssize_t) size, &room, 1) != 1)
			break;
		room.iov_len = size;
		more = tls_fill(ssl, &room, at_end);
		evbuffer_commit_space(input, &room, 1);
	}
	return evbuffer_get_length(input) > before;
}

/* Either ---------------------------------------------------------------------------------- */

void
tl_transport_write(struct bufferevent *bev, const struct iovec *parts, int count)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);

	if (ssl == NULL)
		plain_write(bev, parts, count);
	else
		tls_write(bev, ssl, parts, count);
}

bool
tl_transport_read(struct bufferevent *bev, bool wait_over, bool *at_end)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);

	if (ssl != NULL)
		return tls_read(bev, ssl, wait_over, at_end);
	return wait_over && plain_read(bev);
}

bool
tl_transport_has_sent(struct bufferevent *bev)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);
	char byte;

	return evbuffer_get_length(bufferevent_get_input(bev)) > 0 ||
		   (ssl != NULL && SSL_has_pending(ssl)) ||
		   recv(bufferevent_getfd(bev), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool
tl_transport_goes_on(struct bufferevent *bev, short what)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);

	if ((what & BEV_EVENT_EOF) == 0 || (what & BEV_EVENT_WRITING) != 0)
		return false;
	if (ssl == NULL)
		return true;
	/* A connection that was lost is an end to libevent, too, which has stopped both ways. */
	if ((SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) == 0)
		return false;
	bufferevent_disable(bev, EV_READ);
	bufferevent_enable(bev, EV_WRITE);
	return true;
}

/* The other side's alert is not waited for: it may have gone. */
static void
say_goodbye(struct bufferevent *bev)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);

	if (ssl == NULL || !SSL_is_init_finished(ssl) || unsent(bev) > 0)
		return;
	ERR_clear_error();
	SSL_shutdown(ssl);
	ERR_clear_error();
}

void
tl_transport_finish(struct bufferevent *bev)
{
	if (unsent(bev) > 0)
		return;
	say_goodbye(bev);
	shutdown(bufferevent_getfd(bev), SHUT_WR);
}

void
tl_transport_close(struct bufferevent *bev)
{
	say_goodbye(bev);
	bufferevent_free(bev);
}

void
tl_transport_cut(struct bufferevent *bev)
{
	struct linger at_once = {.l_onoff = 1};

	setsockopt(bufferevent_getfd(bev), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	bufferevent_free(bev);
}
