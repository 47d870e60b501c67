/*
 * export_line.h
 *		Points as lines of text: CSV or JSON.
 */
#ifndef TL_EXPORT_LINE_H
#define TL_EXPORT_LINE_H

#include "block/run.h"

#include "lib/stringinfo.h"

typedef enum TlExportFormat
{
	TL_EXPORT_CSV,		 /* fields as telemetry.csv_field() makes them */
	TL_EXPORT_CSV_EXACT, /* fields as they are, in quotes where they must be */
	TL_EXPORT_NDJSON
} TlExportFormat;

typedef struct TlExportLines TlExportLines;

/* Everything is allocated under the current memory context. */
extern TlExportLines *tl_export_lines_create(TlExportFormat format);

/* What stands before the first line; empty if nothing does. */
extern const char *tl_export_head(TlExportFormat format);

/* The series of the lines to come. */
extern void tl_export_lines_key(TlExportLines *lines, const TlKey *key);

/* Adds the line of the run's point i. */
extern void tl_export_lines_add(TlExportLines *lines, const TlRun *run, uint32 i, StringInfo out);

#endif
