/*
 * notification.c
 *		What is to be sent, as telemetry.take_notifications() gives it.
 */
#include "deliver/notification.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS 10
#define TIMEOUT_SECONDS_MAX 60

static char *
text(const PGresult *rows, int row, int column)
{
	char *copied;

	if (PQgetisnull(rows, row, column))
		return NULL;
	copied = strdup(PQgetvalue(rows, row, column));
	if (copied == NULL)
		tl_log_die("out of memory");
	return copied;
}

bool
tl_notification_read(TlNotification *notification, const PGresult *rows, int row)
{
	long seconds;

	*notification = (TlNotification){0};
	if (PQnfields(rows) != COLUMNS)
		return false;
	seconds = atol(PQgetvalue(rows, row, 7));
	*notification = (TlNotification){
		.id = text(rows, row, 0),
		.channel = text(rows, row, 1),
		.kind = text(rows, row, 2),
		.url = text(rows, row, 3),
		.body = text(rows, row, 4),
		.body_len = (size_t) PQgetlength(rows, row, 4),
		.mail_from = text(rows, row, 5),
		.mail_to = text(rows, row, 6),
		.headers = text(rows, row, 9),
		/* Within its lease. */
		.timeout_ms = (seconds < 1					   ? 1
					   : seconds < TIMEOUT_SECONDS_MAX ? seconds
													   : TIMEOUT_SECONDS_MAX) *
					  1000,
		.attempt = atoi(PQgetvalue(rows, row, 8)),
	};
	notification->is_mail = notification->kind != NULL && strcmp(notification->kind, "email") == 0;
	return notification->id != NULL && notification->channel != NULL &&
		   notification->kind != NULL && notification->body != NULL &&
		   (notification->is_mail ? notification->mail_from != NULL && notification->mail_to != NULL
								  : notification->url != NULL);
}

void
tl_notification_free(TlNotification *notification)
{
	free(notification->id);
	free(notification->channel);
	free(notification->kind);
	free(notification->url);
	free(notification->body);
	free(notification->mail_from);
	free(notification->mail_to);
	free(notification->headers);
	*notification = (TlNotification){0};
}
