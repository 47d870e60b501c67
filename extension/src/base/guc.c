/*
 * guc.c
 *		The settings of the extension, in one table.
 */
#include "base/guc.h"

#include "pgtime.h"
#include "utils/guc.h"

int tl_guc_max_future;
int tl_guc_max_value_size;
int tl_guc_batch_memory;
int tl_guc_max_result_rows;
int tl_guc_compression_level;
int tl_guc_mixed_block_points;
int tl_guc_batch_window;
int tl_guc_launcher_interval;
bool tl_guc_workers;
int tl_guc_compaction_level;
int tl_guc_settle_time;
static int lag_target;
static char *day_timezone;
static int buckets;

typedef struct IntSetting
{
	const char *name;
	const char *summary;
	const char *detail;
	int *variable;
	int initial;
	int min;
	int max;
	GucContext context;
	int flags;
} IntSetting;

static const IntSetting settings[] = {
	{"telemetry.max_future", "How far ahead of the server's clock a point's timestamp may be.",
	 "Points further ahead are rejected with code timestamp_in_future.", &tl_guc_max_future, 300, 0,
	 86400, PGC_SUSET, GUC_UNIT_S},
	{"telemetry.max_value_size", "Largest text, JSON or binary value, tags or metadata of a point.",
	 "Larger ones are rejected with code value_too_large.", &tl_guc_max_value_size, 1024 * 1024,
	 1024, 16 * 1024 * 1024, PGC_SUSET, GUC_UNIT_BYTE},
	{"telemetry.batch_memory", "Memory that one COPY or INSERT collects points in.",
	 "When it is full, the points become blocks and the statement goes on.", &tl_guc_batch_memory,
	 16 * 1024, 256, 512 * 1024, PGC_USERSET, GUC_UNIT_KB},
	{"telemetry.max_result_rows", "How many rows ingest_result() describes one by one.",
	 "Further rows that were not plainly accepted are counted, and rejected ones kept in "
	 "telemetry.dead_letter, but not listed.",
	 &tl_guc_max_result_rows, 100000, 0, 10000000, PGC_USERSET, 0},
	{"telemetry.compression_level", "zstd level at which ingest compresses blocks.",
	 "Negative levels are faster, higher ones smaller.", &tl_guc_compression_level, 1, -7, 19,
	 PGC_USERSET, 0},
	{"telemetry.compaction_level", "zstd level at which compaction compresses merged blocks.",
	 "They are written less often than those of ingest, and read more often.",
	 &tl_guc_compaction_level, 3, -7, 19, PGC_SIGHUP, 0},
	{"telemetry.settle_time", "How long a bucket's day must get no points to be merged further.",
	 "Within it, blocks are merged only as soon as there are many of a size.", &tl_guc_settle_time,
	 60, 0, 86400, PGC_SUSET, GUC_UNIT_S},
	{"telemetry.lag_target", "How far behind rollups may be.",
	 "What view telemetry.freshness measures against; it changes nothing else.", &lag_target, 10, 1,
	 86400, PGC_SIGHUP, GUC_UNIT_S},
	{"telemetry.mixed_block_points",
	 "Below so many points of one day, a batch becomes one block instead of one a bucket.",
	 "Few large blocks are cheaper to write; blocks of a bucket are cheaper to read.",
	 &tl_guc_mixed_block_points, 131072, 0, 10000000, PGC_USERSET, 0},
	{"telemetry.batch_window", "How long a batch_id is remembered.",
	 "Within it, a repeated batch gets the first answer again and stores nothing.",
	 &tl_guc_batch_window, 86400, 1, 31536000, PGC_SUSET, GUC_UNIT_S},
	{"telemetry.buckets", "Number of buckets that CREATE EXTENSION divides devices into.",
	 "Read once, when the extension is created; fixed from then on.", &buckets, 64, 1, 1024,
	 PGC_USERSET, 0},
	{"telemetry.launcher_interval",
	 "How often the launcher looks for databases with the extension.",
	 "It learns of most by itself, such as of CREATE EXTENSION.", &tl_guc_launcher_interval, 60, 1,
	 3600, PGC_SIGHUP, GUC_UNIT_S},
};

/* A zone that is not there would make jobs fail, long after it was set. */
static bool
check_day_timezone(char **value, void **extra, GucSource source)
{
	if (*value != NULL && pg_tzset(*value) != NULL)
		return true;
	GUC_check_errdetail("There is no such time zone.");
	GUC_check_errhint("View pg_timezone_names lists them.");
	return false;
}

void
tl_guc_define(void)
{
	for (size_t i = 0; i < lengthof(settings); i++)
	{
		const IntSetting *s = &settings[i];

		DefineCustomIntVariable(s->name, s->summary, s->detail, s->variable, s->initial, s->min,
								s->max, s->context, s->flags, NULL, NULL, NULL);
	}
	DefineCustomStringVariable(
		"telemetry.day_timezone", "Time zone of the days that rollups are by.",
		"Read once, when the extension is created; changed by telemetry.set_day_timezone().",
		&day_timezone, "UTC", PGC_USERSET, 0, check_day_timezone, NULL, NULL);
	DefineCustomBoolVariable("telemetry.workers", "Whether background workers run the jobs.",
							 "Needs telemetry in shared_preload_libraries; off stops the workers.",
							 &tl_guc_workers, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	tl_reserve_guc_prefix("telemetry");
}
