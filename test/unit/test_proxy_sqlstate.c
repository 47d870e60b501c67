/*
 * test_proxy_sqlstate.c
 *		What an error of the database says of the request that it ended.
 */
#include "database/sqlstate.h"
#include "tap.h"

#include <stddef.h>

static void
each_error_is_of_one_kind(void)
{
	static const struct
	{
		const char *sqlstate;
		bool blames_request;
		bool is_passing;
	} table[] = {
		{"22P02", true, false}, /* a text that is no number */
		{"22023", true, false}, /* what a function says of a parameter */
		{"22003", true, false},	 {"22008", true, false},
		{"22012", false, false},						  /* a division by zero */
		{"2201E", false, false},						  /* the logarithm of nothing */
		{"22004", false, false}, {"38000", false, false}, /* a route's own fault */
		{"23505", false, false}, {"P0001", false, false},
		{"XX000", false, false}, {"42883", false, true}, /* the extension is not there yet */
		{"42501", false, true},	 {"57014", false, true},
		{"53300", false, true},	 {"40001", false, true},
		{"08006", false, true},	 {"25006", false, true},
		{"", false, false},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
	{
		if (!TAP_CHECK(tl_sqlstate_blames_request(table[i].sqlstate) == table[i].blames_request) ||
			!TAP_CHECK(tl_sqlstate_is_passing(table[i].sqlstate) == table[i].is_passing))
			printf("# %s\n", table[i].sqlstate);
	}
}

int
main(void)
{
	TAP_RUN(each_error_is_of_one_kind);
	return tap_end();
}
