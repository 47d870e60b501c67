/*
 * guc.c
 *		The settings of the extension, in one table.
 */
#include "base/guc.h"

#include "fmgr.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(telemetry_setting);

int tl_guc_max_future;
int tl_guc_max_value_size;
int tl_guc_batch_memory;
int tl_guc_max_result_rows;
int tl_guc_max_result_memory;
int tl_guc_dead_letter_rows;
int tl_guc_dead_letter_size;
int tl_guc_compression_level;
int tl_guc_mixed_block_points;
int tl_guc_batch_window;
int tl_guc_launcher_interval;
bool tl_guc_workers;
bool tl_guc_publish_received;
int tl_guc_compaction_level;
int tl_guc_settle_time;
int tl_guc_merge_memory;
int tl_guc_block_size;
int tl_guc_roll_up_rows;
char *tl_guc_text_nulls;
bool tl_guc_text_decimal_comma;
bool tl_guc_text_words;
char *tl_guc_text_timezone;
int tl_guc_text_epoch;
int tl_guc_text_date_order;
static char *text_device_id;
static char *text_metric;
static char *deadline;
static int64 deadline_us; /* since 1970; 0: none */
static int lag_target;
static int alert_retention;
static char *actor;
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
	{"telemetry.max_result_memory", "Memory that the rows described by ingest_result() may take.",
	 "Further rows are counted as beyond telemetry.max_result_rows.", &tl_guc_max_result_memory,
	 32 * 1024, 64, 1024 * 1024, PGC_USERSET, GUC_UNIT_KB},
	{"telemetry.dead_letter_rows", "How many rows telemetry.dead_letter keeps.",
	 "A statement keeps so many at most and counts the others in ingest_result().unkept; job prune "
	 "removes the oldest beyond.",
	 &tl_guc_dead_letter_rows, 100000, 0, 100000000, PGC_SUSET, 0},
	{"telemetry.dead_letter_size", "Size of telemetry.dead_letter on disk, without indexes.",
	 "While it is full, rejected rows are counted in ingest_result().unkept only; job prune makes "
	 "room by removing the oldest.",
	 &tl_guc_dead_letter_size, 128 * 1024, 64, 1024 * 1024 * 1024, PGC_SUSET, GUC_UNIT_KB},
	{"telemetry.compression_level", "zstd level at which ingest compresses blocks.",
	 "Negative levels are faster, higher ones smaller.", &tl_guc_compression_level, 1, -7, 19,
	 PGC_USERSET, 0},
	{"telemetry.compaction_level", "zstd level at which compaction compresses merged blocks.",
	 "They are written less often than those of ingest, and read more often.",
	 &tl_guc_compaction_level, 3, -7, 19, PGC_SIGHUP, 0},
	{"telemetry.settle_time", "How long a bucket's day must get no points to be merged further.",
	 "Within it, blocks are merged only as soon as there are many of a size.", &tl_guc_settle_time,
	 60, 0, 86400, PGC_SUSET, GUC_UNIT_S},
	{"telemetry.merge_memory", "Memory for the blocks that reading one day holds open at once.",
	 "Where a day has more, small blocks are first merged, and large ones read piece by piece.",
	 &tl_guc_merge_memory, 64 * 1024, 64, 256 * 1024, PGC_USERSET, GUC_UNIT_KB},
	{"telemetry.block_size", "Size from which on a block gets no more points when it is rolled up.",
	 "Merged blocks have up to twice as much.  Fewer bytes are for tests.", &tl_guc_block_size,
	 32 * 1024, 64, 256 * 1024, PGC_SUSET, GUC_UNIT_KB},
	{"telemetry.roll_up_rows", "After how many changed rows of rollups a step of job roll_up ends.",
	 "Fewer make steps shorter, more write the rows of a wide fleet less often.",
	 &tl_guc_roll_up_rows, 50000, 1, 10000000, PGC_SUSET, 0},
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
	{"telemetry.alert_retention", "How long alerts that are resolved are kept.",
	 "Job prune removes those that were resolved longer ago; what they count for stays.",
	 &alert_retention, 31536000, 3600, 315360000, PGC_SIGHUP, GUC_UNIT_S},
	{"telemetry.buckets", "Number of buckets that CREATE EXTENSION divides devices into.",
	 "Read once, when the extension is created; fixed from then on.", &buckets, 64, 1, 1024,
	 PGC_USERSET, 0},
	{"telemetry.launcher_interval",
	 "How often the launcher looks for databases with the extension.",
	 "It learns of most by itself, such as of CREATE EXTENSION.", &tl_guc_launcher_interval, 60, 1,
	 3600, PGC_SIGHUP, GUC_UNIT_S},
};

typedef struct BoolSetting
{
	const char *name;
	const char *summary;
	const char *detail;
	bool *variable;
	bool initial;
	GucContext context;
} BoolSetting;

static const BoolSetting bool_settings[] = {
	{"telemetry.workers", "Whether background workers run the jobs.",
	 "Needs telemetry in shared_preload_libraries; off stops the workers.", &tl_guc_workers, true,
	 PGC_SIGHUP},
	{"telemetry.publish_received", "Whether each statement that ingests points is told of.",
	 "By a row telemetry.data.received of telemetry.outbox, with how many there were.",
	 &tl_guc_publish_received, false, PGC_SUSET},
	{"telemetry.text_decimal_comma",
	 "Whether numbers brought to telemetry.point_text have a decimal comma.",
	 "On, 21,5 is a number and 21.5 is rejected; off, it is the other way round.",
	 &tl_guc_text_decimal_comma, false, PGC_USERSET},
	{"telemetry.text_words", "Whether telemetry.point_text takes any other word for a text value.",
	 "Off, a value such as open is rejected unless it is in quotation marks of its own.",
	 &tl_guc_text_words, false, PGC_USERSET},
};

/* The numbers are those of TlEpochUnit and TlDateOrder. */
static const struct config_enum_entry epochs[] = {{"auto", 0, false}, {"s", 1, false},
												  {"ms", 2, false},	  {"us", 3, false},
												  {"ns", 4, false},	  {NULL, 0, false}};
static const struct config_enum_entry date_orders[] = {
	{"ymd", 0, false}, {"dmy", 1, false}, {"mdy", 2, false}, {NULL, 0, false}};

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

static bool
check_deadline(char **value, void **extra, GucSource source)
{
	char *end;
	long long us;

	errno = 0;
	us = strtoll(*value, &end, 10);
	if (errno != 0 || *end != '\0' || us < 0)
	{
		GUC_check_errdetail("It must be a number of microseconds since 1970, or empty.");
		return false;
	}
	return true;
}

static void
assign_deadline(const char *value, void *extra)
{
	deadline_us = strtoll(value, NULL, 10);
}

void
tl_check_deadline(void)
{
	int64 now =
		GetCurrentTimestamp() + (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;

	if (deadline_us != 0 && now > deadline_us)
		ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED),
						errmsg("telemetry.deadline has passed: nothing is stored"),
						errdetail("It was %lld ms ago.", (long long) (now - deadline_us) / 1000)));
}

/* Empty means the session's. */
static bool
check_text_timezone(char **value, void **extra, GucSource source)
{
	return **value == '\0' || check_day_timezone(value, extra, source);
}

static void
define_strings(void)
{
	DefineCustomStringVariable(
		"telemetry.day_timezone", "Time zone of the days that rollups are by.",
		"Read once, when the extension is created; changed by telemetry.set_day_timezone().",
		&day_timezone, "UTC", PGC_USERSET, 0, check_day_timezone, NULL, NULL);
	DefineCustomStringVariable("telemetry.deadline",
							   "Time after which a transaction stores no points and no events.",
							   "Microseconds since 1970 by the server's clock; empty: none. Set by "
							   "who tells somebody then "
							   "that nothing has been stored.",
							   &deadline, "", PGC_USERSET, GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE,
							   check_deadline, assign_deadline, NULL);
	DefineCustomStringVariable(
		"telemetry.actor", "Who is told to have changed an alert or made a rule.",
		"Set by who speaks for others; believed of members of telemetry_writer alone. Empty: the "
		"session's user.",
		&actor, "", PGC_USERSET, GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
	DefineCustomStringVariable("telemetry.text_nulls",
							   "Words that say, to telemetry.point_text, that there is no value.",
							   "Separated by commas, in any case; \"\" is the empty field. Such "
							   "rows are rejected with code "
							   "no_value and not kept in telemetry.dead_letter.",
							   &tl_guc_text_nulls, "", PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable(
		"telemetry.text_timezone",
		"Time zone of times brought to telemetry.point_text that do not say theirs.",
		"Empty: the session's TimeZone.", &tl_guc_text_timezone, "", PGC_USERSET, 0,
		check_text_timezone, NULL, NULL);
	DefineCustomStringVariable("telemetry.text_device_id",
							   "device_id of rows of telemetry.point_text without that column.", "",
							   &text_device_id, "", PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("telemetry.text_metric",
							   "metric of rows of telemetry.point_text without that column.", "",
							   &text_metric, "", PGC_USERSET, 0, NULL, NULL, NULL);
}

static void
define_enums(void)
{
	DefineCustomEnumVariable("telemetry.text_epoch",
							 "Unit of times that telemetry.point_text gets as numbers.",
							 "s, ms, us or ns since 1970; auto: by their size, see the reference.",
							 &tl_guc_text_epoch, 0, epochs, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable(
		"telemetry.text_date_order",
		"Order of day, month and year in dates that do not begin with the year.",
		"dmy or mdy; ymd: telemetry.point_text rejects such dates.", &tl_guc_text_date_order, 0,
		date_orders, PGC_USERSET, 0, NULL, NULL, NULL);
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
	for (size_t i = 0; i < lengthof(bool_settings); i++)
	{
		const BoolSetting *s = &bool_settings[i];

		DefineCustomBoolVariable(s->name, s->summary, s->detail, s->variable, s->initial,
								 s->context, 0, NULL, NULL, NULL);
	}
	define_enums();
	define_strings();
	tl_reserve_guc_prefix("telemetry");
}

/* The call loads the library, without which the server knows nothing of its settings. */
Datum
telemetry_setting(PG_FUNCTION_ARGS)
{
	char *name = psprintf("telemetry.%s", text_to_cstring(PG_GETARG_TEXT_PP(0)));

	PG_RETURN_TEXT_P(cstring_to_text(GetConfigOptionByName(name, NULL, false)));
}
