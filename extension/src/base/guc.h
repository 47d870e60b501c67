/*
 * guc.h
 *		The settings of the extension.  Each is documented in the table in guc.c.
 */
#ifndef TL_GUC_H
#define TL_GUC_H

#include "base/compat.h"

extern int tl_guc_max_future;		 /* seconds */
extern int tl_guc_max_value_size;	 /* bytes */
extern int tl_guc_batch_memory;		 /* kilobytes */
extern int tl_guc_max_result_rows;	 /* rows */
extern int tl_guc_max_result_memory; /* kilobytes */
extern int tl_guc_dead_letter_rows;
extern int tl_guc_dead_letter_size;	 /* kilobytes */
extern int tl_guc_compression_level; /* of zstd */
extern int tl_guc_mixed_block_points;
extern int tl_guc_batch_window; /* seconds */
extern int tl_guc_compaction_level;
extern int tl_guc_settle_time;	/* seconds */
extern int tl_guc_merge_memory; /* kilobytes */
extern int tl_guc_block_size;	/* kilobytes */
extern int tl_guc_roll_up_rows;

/* How telemetry.point_text reads. */
extern char *tl_guc_text_nulls;
extern bool tl_guc_text_decimal_comma;
extern bool tl_guc_text_words;
extern char *tl_guc_text_timezone;
extern int tl_guc_text_epoch;	   /* a TlEpochUnit */
extern int tl_guc_text_date_order; /* a TlDateOrder */

/* Raises query_canceled if the time has come after which the transaction may store nothing. */
extern void tl_check_deadline(void);

extern int tl_guc_launcher_interval; /* seconds */
extern bool tl_guc_workers;
extern bool tl_guc_publish_received;

extern void tl_guc_define(void);

#endif
