/*
 * edit_distance.c
 *		How alike two names are.  See edit_distance.h.
 *
 * Levenshtein's distance, by a row of the table at a time.
 */
#include "base/edit_distance.h"

#include <stdint.h>
#include <string.h>

#define LENGTH_MAX 64

size_t
tl_edit_distance(const char *a, const char *b)
{
	size_t row[LENGTH_MAX];
	size_t n = strlen(b);

	if (n >= LENGTH_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; *a != '\0'; a++, i++)
	{
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++)
		{
			size_t above = row[j];
			size_t best = diagonal + (*a == b[j - 1] ? 0 : 1);

			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[n];
}
