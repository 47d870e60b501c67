/*
 * settings.c
 *		What the options say of sending, as far as it has to be read first.
 */
#include "deliver/settings.h"

#include "base/log.h"
#include "base/secret_file.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PASSWORD_MAX 1024

static char *
copy(const char *text)
{
	char *copied = text[0] != '\0' ? strdup(text) : NULL;

	if (copied == NULL && text[0] != '\0')
		tl_log_die("out of memory");
	return copied;
}

/* Its only line. */
static bool
read_password(TlDeliverSettings *settings, const char *path, TlConfigError *error)
{
	char password[PASSWORD_MAX + 2];
	int fd = tl_secret_file_open("password file", path, error);
	ssize_t len;
	size_t first;

	if (fd < 0)
		return false;
	len = read(fd, password, sizeof(password) - 1);
	if (len < 0)
		tl_config_refuse(error, "", "could not read password file \"%s\": %s", path,
						 strerror(errno));
	close(fd);
	if (len < 0)
		return false;
	password[len] = '\0';
	first = strcspn(password, "\r\n");
	if (first == 0 || first > PASSWORD_MAX ||
		password[first + strspn(password + first, "\r\n")] != '\0' ||
		strlen(password) != (size_t) len)
		return tl_config_refuse(error, "It must be one line, with the password.",
								"password file \"%s\" has no password of up to %d bytes", path,
								PASSWORD_MAX);
	password[first] = '\0';
	settings->smtp_password = copy(password);
	explicit_bzero(password, sizeof(password));
	return true;
}

static bool
is_part(CURLU *url, CURLUPart part, const char *first, const char *second)
{
	char *text = NULL;
	bool same = curl_url_get(url, part, &text, 0) == CURLUE_OK && first != NULL &&
				(strcmp(text, first) == 0 || strcmp(text, second) == 0);
	bool found = first == NULL ? text != NULL : same;

	curl_free(text);
	return found;
}

/* A server's, and nothing of who logs in there. */
static bool
check_smtp_url(const char *text, TlConfigError *error)
{
	CURLU *url = curl_url();
	bool good;

	if (url == NULL)
		tl_log_die("out of memory");
	good = curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
		   is_part(url, CURLUPART_SCHEME, "smtp", "smtps") && strstr(text, "://") != NULL &&
		   !is_part(url, CURLUPART_USER, NULL, NULL) &&
		   !is_part(url, CURLUPART_PASSWORD, NULL, NULL) &&
		   !is_part(url, CURLUPART_QUERY, NULL, NULL) &&
		   !is_part(url, CURLUPART_FRAGMENT, NULL, NULL);
	curl_url_cleanup(url);
	return good ||
		   tl_config_refuse(error,
							"It must be smtp://host:port or smtps://host:port; a user goes into "
							"\"smtp-user\".",
							"invalid value for option \"smtp-url\"");
}

static bool
check_ca(const char *path, TlConfigError *error)
{
	return access(path, R_OK) == 0 ||
		   tl_config_refuse(error, "", "could not read CA file \"%s\": %s", path, strerror(errno));
}

bool
tl_deliver_settings_read(TlDeliverSettings *settings, const TlConfig *config, TlConfigError *error)
{
	char reason[300];

	*settings = (TlDeliverSettings){
		.ca = copy(config->deliver_ca),
		.smtp_url = copy(config->smtp_url),
		.smtp_plain = config->smtp_tls == TL_SMTP_TLS_OFF,
		.smtp_user = copy(config->smtp_user),
	};
	if (tl_network_list_parse(config->deliver_allow_private, &settings->allowed, reason,
							  sizeof(reason)) &&
		(settings->ca == NULL || check_ca(settings->ca, error)) &&
		(settings->smtp_url == NULL || check_smtp_url(settings->smtp_url, error)) &&
		(settings->smtp_user == NULL || read_password(settings, config->smtp_password_file, error)))
		return true;
	tl_deliver_settings_free(settings);
	return false;
}

void
tl_deliver_settings_free(TlDeliverSettings *settings)
{
	free(settings->ca);
	free(settings->smtp_url);
	free(settings->smtp_user);
	if (settings->smtp_password != NULL)
		explicit_bzero(settings->smtp_password, strlen(settings->smtp_password));
	free(settings->smtp_password);
	*settings = (TlDeliverSettings){0};
}
