/*
 * sqlstate.c
 *		What an error of the database says of the request that it ended.
 */
#include "database/sqlstate.h"

#include <stddef.h>
#include <string.h>

bool
tl_sqlstate_blames_request(const char *sqlstate)
{
	static const char *const states[] = {
		"22001", /* string_data_right_truncation */
		"22003", /* numeric_value_out_of_range */
		"22007", /* invalid_datetime_format */
		"22008", /* datetime_field_overflow */
		"22021", /* character_not_in_repertoire */
		"22023", /* invalid_parameter_value */
		"22032", /* invalid_json_text */
		"22P02", /* invalid_text_representation */
		"22P05", /* untranslatable_character */
	};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
	{
		if (strcmp(sqlstate, states[i]) == 0)
			return true;
	}
	return false;
}

bool
tl_sqlstate_is_cancel(const char *sqlstate)
{
	return strcmp(sqlstate, "57014") == 0;
}

/*
 * Class 42 is of what is missing while the extension is being made or updated, or of a right that is
 * not granted yet; a route's own function that is wrong ends in class 38, see telemetry.http_call().
 */
bool
tl_sqlstate_is_passing(const char *sqlstate)
{
	static const char *const classes[] = {"08", "25", "3F", "40", "42", "53", "55", "57", "58"};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
	{
		if (strncmp(sqlstate, classes[i], 2) == 0)
			return true;
	}
	return false;
}
