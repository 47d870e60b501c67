/*
 * fdw_option.c
 *		Options of foreign tables over the store.
 */
#include "fdw/fdw_option.h"

#include "access/reloptions.h"
#include "catalog/pg_foreign_table.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"

typedef struct Option
{
	const char *name;
	Oid catalog; /* of the objects that have it */
} Option;

static const Option options[] = {
	/* Only points that are in the rollups (true), or only those that are not yet (false). */
	{"rolled_up", ForeignTableRelationId},
	/* Only the newest of these points of each series. */
	{"newest", ForeignTableRelationId},
	/* Whether its columns are texts, to be written only. */
	{"text", ForeignTableRelationId},
};

static bool
is_valid(const char *name, Oid catalog)
{
	for (size_t i = 0; i < lengthof(options); i++)
		if (options[i].catalog == catalog && strcmp(options[i].name, name) == 0)
			return true;
	return false;
}

static const char *
valid_names(Oid catalog)
{
	const char *names = NULL;

	for (size_t i = 0; i < lengthof(options); i++)
		if (options[i].catalog == catalog)
			names = names == NULL ? options[i].name : psprintf("%s, %s", names, options[i].name);
	return names;
}

PG_FUNCTION_INFO_V1(telemetry_fdw_validator);
Datum
telemetry_fdw_validator(PG_FUNCTION_ARGS)
{
	List *given = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid catalog = PG_GETARG_OID(1);
	bool is_part = false;
	bool is_text = false;
	ListCell *lc;

	foreach(lc, given)
	{
		DefElem *option = lfirst_node(DefElem, lc);

		if (!is_valid(option->defname, catalog))
		{
			const char *names = valid_names(catalog);

			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("invalid option \"%s\"", option->defname),
					 names == NULL ? errhint("There are no valid options in this context.")
								   : errhint("Valid options in this context are: %s", names)));
		}
		if (defGetBoolean(option) && strcmp(option->defname, "text") == 0)
			is_text = true;
		is_part |= strcmp(option->defname, "text") != 0;
	}
	if (is_text && is_part)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("option \"text\" excludes \"rolled_up\" and \"newest\""),
						errdetail("It makes a table write only, and those make it read only.")));
	PG_RETURN_VOID();
}

TlLevels
tl_fdw_levels(Oid table)
{
	ListCell *lc;

	foreach(lc, GetForeignTable(table)->options)
	{
		DefElem *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "rolled_up") == 0)
			return defGetBoolean(option) ? TL_LEVELS_ROLLED : TL_LEVELS_NEW;
	}
	return TL_LEVELS_ALL;
}

/* A boolean option that a table may have. */
static bool
has_option(Oid table, const char *name)
{
	ListCell *lc;

	foreach(lc, GetForeignTable(table)->options)
	{
		DefElem *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, name) == 0)
			return defGetBoolean(option);
	}
	return false;
}

bool
tl_fdw_is_newest(Oid table)
{
	return has_option(table, "newest");
}

bool
tl_fdw_is_text(Oid table)
{
	return has_option(table, "text");
}
