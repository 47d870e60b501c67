/*
 * settings.h
 *		What the options say of sending, as far as it has to be read first.
 */
#ifndef TL_DELIVER_SETTINGS_H
#define TL_DELIVER_SETTINGS_H

#include "base/config.h"
#include "base/network.h"

/* Texts belong to it; those that are not set are NULL. */
typedef struct TlDeliverSettings
{
	TlNetworkList allowed; /* networks that are not the internet's */
	char *ca;			   /* file; NULL: the system's */
	char *smtp_url;
	bool smtp_plain; /* no TLS */
	char *smtp_user;
	char *smtp_password;
} TlDeliverSettings;

/* False, with the reason, if files cannot be read or the URL is none; `settings` is empty then. */
extern bool tl_deliver_settings_read(TlDeliverSettings *settings, const TlConfig *config,
									 TlConfigError *error);
extern void tl_deliver_settings_free(TlDeliverSettings *settings);

#endif
