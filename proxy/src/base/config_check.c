/*
 * config_check.c
 *		What can be wrong with options only when all are known.
 */
#include "base/config.h"

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
	return check_origins(config, error);
}
