/*
 * tls.h
 *		TLS as the configuration has it: certificate, key, and who may connect.
 *
 * What the files say makes a context, which each session keeps for as long as it lasts.  Reading the
 * files again makes another one for those to come; if it cannot be made, the old one stays.
 */
#ifndef TL_TLS_H
#define TL_TLS_H

#include "base/config.h"

struct bufferevent;
struct event_base;

typedef struct TlTls TlTls;

/*
 * Reads the files, if there are addresses for TLS.  NULL, with the reason in `error`, if something is
 * wrong with them.
 */
extern TlTls *tl_tls_open(const TlConfig *config, TlConfigError *error);

/* Reads them again, as the fresh configuration names them.  False if all stays as it was. */
extern bool tl_tls_reload(TlTls *tls, const TlConfig *fresh, TlConfigError *error);

/* Logs until when the certificate is good, and warns if that is soon. */
extern void tl_tls_report(const TlTls *tls);

extern void tl_tls_close(TlTls *tls);

/* A bufferevent that accepts a session on a connection, which it owns; events are not enabled yet. */
extern struct bufferevent *tl_tls_accept(const TlTls *tls, struct event_base *base, int fd);

/* The name in the client's certificate, which has been verified; NULL if there is none.  To be freed. */
extern char *tl_tls_client_name(struct bufferevent *bev);

/*
 * After a handshake that failed, which is logged as detail.  For a client that speaks HTTP instead of
 * TLS: a bufferevent without TLS on the connection, in the place of the other one.  Else NULL.
 */
extern struct bufferevent *tl_tls_fall_back(struct bufferevent *bev, struct event_base *base);

#endif
