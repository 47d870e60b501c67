/*
 * config_check.c
 *		What can be wrong with options only when all are known.
 */
#include "base/config.h"

#include "base/network.h"
#include "base/origin.h"

static bool
check_origins(const TlConfig *config, TlConfigError *error)
{
	char reason[300];

	if (!tl_origin_list_check(config->cors_origins, reason, sizeof(reason)))
	{
		tl_config_refuse(error, "", "invalid value for option \"cors-origins\": %s", reason);
		snprintf(
			error->hint, sizeof(error->hint),
			"Each is written as https://app.example.com or https://*.example.com, in lower case, "
			"with a port only if it is not the scheme's own, and without a slash at the end.");
		return false;
	}
	if (config->cors_credentials && tl_origin_list_is_any(config->cors_origins))
	{
		tl_config_refuse(error, "", "option \"cors-credentials\" is on for any origin");
		snprintf(error->hint, sizeof(error->hint),
				 "Any page could act in the name of whoever looks at it.  Name those that may in "
				 "\"cors-origins\".");
		return false;
	}
	return true;
}

static bool
check_deliver(const TlConfig *config, TlConfigError *error)
{
	TlNetworkList list;
	char reason[300];

	if (!tl_network_list_parse(config->deliver_allow_private, &list, reason, sizeof(reason)))
		return tl_config_refuse(error,
								"It must be off, on, or networks separated by commas, such as "
								"10.0.0.0/8, fd00::/8.",
								"invalid value for option \"deliver-allow-private\": %s", reason);
	if (config->smtp_url[0] == '\0' &&
		(config->smtp_user[0] != '\0' || config->smtp_password_file[0] != '\0'))
		return tl_config_refuse(error, "Nobody would be logged in to.",
								"options of SMTP are set, but \"smtp-url\" is not");
	if ((config->smtp_user[0] != '\0') != (config->smtp_password_file[0] != '\0'))
		return tl_config_refuse(
			error, "A user needs a password.",
			"only one of options \"smtp-user\" and \"smtp-password-file\" is set");
	if (config->smtp_user[0] != '\0' && config->smtp_tls == TL_SMTP_TLS_OFF)
		return tl_config_refuse(error, "The password would be sent for all to read.",
								"option \"smtp-user\" is set, and \"smtp-tls\" is off");
	return true;
}

bool
tl_config_check(const TlConfig *config, TlConfigError *error)
{
	if (config->auth == TL_AUTH_UNSET)
	{
		tl_config_refuse(error, "", "option \"auth\" is not set");
		snprintf(error->hint, sizeof(error->hint),
				 "Who may call must be said outright: --auth=none lets in anyone who can reach "
				 "a loopback address.");
		return false;
	}
	if (config->max_decompressed < config->max_body)
	{
		tl_config_refuse(error, "", "option \"max-decompressed\" is less than \"max-body\"");
		return false;
	}
	if (config->max_buffered < 2 * config->max_body)
	{
		tl_config_refuse(error, "", "option \"max-buffered\" is less than twice \"max-body\"");
		return false;
	}
	if (config->tls_listen[0] == '\0' &&
		(config->tls_certificate[0] != '\0' || config->tls_key[0] != '\0' ||
		 config->tls_client_ca[0] != '\0' || config->tls_client_certificates != 0))
	{
		tl_config_refuse(error, "", "options of TLS are set, but \"tls-listen\" is not");
		snprintf(error->hint, sizeof(error->hint), "Nothing would be served with them.");
		return false;
	}
	return check_origins(config, error) && check_deliver(config, error);
}
