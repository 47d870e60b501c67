/*
 * transport.h
 *		The bytes of a connection, plain or TLS, past what its bufferevent does by itself.
 *
 * A bufferevent reads little at a time, and writes a round of the loop after it was told to.  These
 * read and write at once what can be; all that is left, and any error, is the bufferevent's business,
 * which need not know.  With TLS the session is that of the bufferevent, and may hold bytes that the
 * socket does not have any more: nothing but tl_transport_read brings these.
 */
#ifndef TL_TRANSPORT_H
#define TL_TRANSPORT_H

#include <stdbool.h>
#include <sys/uio.h>

struct bufferevent;

/* Sends the parts, or what the socket takes of them, behind all that waits. */
extern void tl_transport_write(struct bufferevent *bev, const struct iovec *parts, int count);

/*
 * Reads up to the high watermark: with `wait_over` what the socket has, else only what the TLS session
 * holds.  True if something came; *at_end is set if the client has said that nothing more will.
 */
extern bool tl_transport_read(struct bufferevent *bev, bool wait_over, bool *at_end);

/* True if the client has sent something that has not been read. */
extern bool tl_transport_has_sent(struct bufferevent *bev);

/*
 * After an event of the bufferevent: whether the client has only said that it will send no more, and may
 * still read, so that writing goes on.
 */
extern bool tl_transport_goes_on(struct bufferevent *bev, short what);

/* Says that nothing more is sent, when nothing waits to be. */
extern void tl_transport_finish(struct bufferevent *bev);

/* Frees the bufferevent and closes its socket. */
extern void tl_transport_close(struct bufferevent *bev);

/* The same, so that the client cannot take what it has got for all: without a good-bye, by a reset. */
extern void tl_transport_cut(struct bufferevent *bev);

#endif
