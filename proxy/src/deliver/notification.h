/*
 * notification.h
 *		What is to be sent, as telemetry.take_notifications() gives it.
 */
#ifndef TL_NOTIFICATION_H
#define TL_NOTIFICATION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* $1: who takes, $2: how many at most.  The lease is longer than any transfer takes, and telling of it. */
#define TL_NOTIFICATION_LEASE_SECONDS 120
#define TL_NOTIFICATION_QUERY                                                                      \
	"SELECT n.notification_id, n.channel, n.kind, n.url, n.body, n.mail_from,"                     \
	" pg_catalog.array_to_string(n.mail_to, E'\\n'), n.timeout_seconds, n.attempt,"                \
	" (SELECT pg_catalog.string_agg(pg_catalog.format('%s: %s', h.key, h.value), E'\\n')"          \
	" FROM pg_catalog.jsonb_each_text(n.headers) AS h)"                                            \
	" FROM telemetry.take_notifications($1, $2::pg_catalog.int4, '2 min') AS n"

/* Texts belong to it. */
typedef struct TlNotification
{
	char *id;
	char *channel;
	char *kind;
	bool is_mail;
	char *url; /* NULL of mail */
	char *body;
	size_t body_len;
	char *mail_from;
	char *mail_to; /* addresses, one a line */
	char *headers; /* "name: value", one a line; or NULL */
	long timeout_ms;
	int attempt;
} TlNotification;

/* Of a row of that query; false if it is not one. */
extern bool tl_notification_read(TlNotification *notification, const PGresult *rows, int row);
extern void tl_notification_free(TlNotification *notification);

#endif
