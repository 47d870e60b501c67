/*
 * grant_setting.c
 *		GRANT SET ON PARAMETER in the extension's script, without it being the extension's.
 *
 * Privileges granted while an extension is created are recorded as its initial ones
 * (pg_init_privs).  Those on a setting are the cluster's: no DROP EXTENSION takes the record
 * along, and from 17 on it makes DROP OWNED BY and DROP ROLE fail ("unrecognized class ID").
 */
#include "base/compat.h"

#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"

/* "a.b" as the names that it is made of, each quoted if need be. */
static char *
quote_setting(const char *name)
{
	const char *dot = strchr(name, '.');

	if (dot == NULL)
		return pstrdup(quote_identifier(name));
	return psprintf("%s.%s", quote_identifier(pnstrdup(name, dot - name)),
					quote_identifier(dot + 1));
}

PG_FUNCTION_INFO_V1(telemetry_grant_setting);
Datum
telemetry_grant_setting(PG_FUNCTION_ARGS)
{
	char *setting = quote_setting(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	char *role = pstrdup(quote_identifier(text_to_cstring(PG_GETARG_TEXT_PP(1))));
	char *grant = psprintf("GRANT SET ON PARAMETER %s TO %s", setting, role);
	bool creating = creating_extension;

	SPI_connect();
	PG_TRY();
	{
		creating_extension = false;
		SPI_execute(grant, false, 0);
	}
	PG_FINALLY();
	{
		creating_extension = creating;
	}
	PG_END_TRY();
	SPI_finish();
	PG_RETURN_VOID();
}
