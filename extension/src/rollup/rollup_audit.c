/*
 * rollup_audit.c
 *		Whether two rollups of the same points may differ as they do.
 *
 * Sums depend on the order in which numbers were added, by little beside the numbers themselves.
 * In C, since SQL raises errors where a result is too large or too small, and where a sketch is
 * damaged.
 */
#include "base/compat.h"

#include <math.h>

#include "fmgr.h"
#include "utils/builtins.h"

/* The part of the numbers' size that rounding may make. */
#define TOLERANCE 1e-9

/*
 * Two sums of terms of a size.  Where they can leave the finite numbers on the way, their order
 * tells whether they do, and whether what comes of it is infinite or not a number.
 */
static bool
is_close(double a, double b, double n, double size, double tolerance)
{
	if (isfinite(size) && !isfinite(n * size))
		return true;
	if (isfinite(a) != isfinite(b))
		return false;
	return !isfinite(a) || fabs(a - b) <= tolerance;
}

/* sums_are_close(a, b, n, largest): of n numbers that are no larger. */
PG_FUNCTION_INFO_V1(telemetry_sums_are_close);
Datum
telemetry_sums_are_close(PG_FUNCTION_ARGS)
{
	double n = (double) PG_GETARG_INT64(2);
	double largest = PG_GETARG_FLOAT8(3);

	PG_RETURN_BOOL(
		is_close(PG_GETARG_FLOAT8(0), PG_GETARG_FLOAT8(1), n, largest, TOLERANCE * n * largest));
}

/* The same of m2, by way of the standard deviation, which is of the numbers' own size. */
PG_FUNCTION_INFO_V1(telemetry_m2_are_close);
Datum
telemetry_m2_are_close(PG_FUNCTION_ARGS)
{
	double n = (double) PG_GETARG_INT64(2);
	double largest = PG_GETARG_FLOAT8(3);

	if (isfinite(largest) && !isfinite(4 * n * largest * largest))
		PG_RETURN_BOOL(true);
	PG_RETURN_BOOL(is_close(sqrt(PG_GETARG_FLOAT8(0) / n), sqrt(PG_GETARG_FLOAT8(1) / n), 1,
							largest, TOLERANCE * largest));
}

PG_FUNCTION_INFO_V1(telemetry_sketch_bytes);
Datum
telemetry_sketch_bytes(PG_FUNCTION_ARGS)
{
	struct varlena *sketch = PG_GETARG_VARLENA_PP(0);

	PG_RETURN_BYTEA_P(
		cstring_to_text_with_len(VARDATA_ANY(sketch), (int) VARSIZE_ANY_EXHDR(sketch)));
}
