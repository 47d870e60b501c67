/*
 * fdw.h
 *		The foreign data wrapper behind telemetry.point, in parts:
 *
 *		fdw_option.c	options of foreign tables
 *		fdw_keys.c		which clauses can be pushed down, and their values at run time
 *		fdw_plan.c		sizes, paths and plans
 *		fdw_scan.c		reading
 *		fdw_count.c		count(*) instead of reading
 *		fdw_explain.c	what EXPLAIN shows
 *		fdw_modify.c	INSERT and COPY
 *		fdw_analyze.c	sampling
 */
#ifndef TL_FDW_H
#define TL_FDW_H

#include "base/compat.h"

#include "access/tupdesc.h"
#include "foreign/fdwapi.h"

#include "read/scan.h"

/* The columns of telemetry.point, by their names. */
typedef enum TlPointColumn
{
	TL_POINT_TS,
	TL_POINT_DEVICE_ID,
	TL_POINT_METRIC,
	TL_POINT_VALUE,
	TL_POINT_UNIT,
	TL_POINT_TAGS,
	TL_POINT_METADATA,
	TL_POINT_NUM
} TlPointColumn;

#define TL_POINT_COLUMNS (TL_POINT_NUM + 1)

/* Sets of columns. */
#define TL_POINT_BIT(column) (1 << (column))
#define TL_POINT_ALL (TL_POINT_BIT(TL_POINT_COLUMNS) - 1)

/* The attribute number of each column in a table, or 0 where it has none. */
typedef struct TlPointMap
{
	AttrNumber attno[TL_POINT_COLUMNS];
} TlPointMap;

/* Raises if the table is not made like telemetry.point. */
extern void tl_point_map(TupleDesc desc, const char *table, TlPointMap *map);

/* The blocks that a foreign table shows, by its option rolled_up. */
extern TlLevels tl_fdw_levels(Oid table);

/* How a pushed-down clause restricts its column. */
typedef enum TlKeyOp
{
	TL_KEY_EQ,
	TL_KEY_ANY, /* = ANY (array) */
	TL_KEY_LT,
	TL_KEY_LE,
	TL_KEY_GT,
	TL_KEY_GE
} TlKeyOp;

typedef struct TlScanKey
{
	TlPointColumn column; /* ts, device_id or metric */
	TlKeyOp op;
	Expr *value; /* timestamptz, text or text[]; no variables of the table, not volatile */
} TlScanKey;

/* Whether a clause on the relation can be a key: then it is decided by the scan alone. */
extern bool tl_key_from_clause(Expr *clause, Index relid, const TlPointMap *map, TlScanKey *key);

/*
 * Narrows a filter by a key's value at run time; false if no point can match.  Lists grow by
 * intersection and are sorted and free of repeats afterwards.
 */
extern bool tl_key_apply(TlPointColumn column, TlKeyOp op, Datum value, TlFilter *filter);

/* What a plan has of its keys, and the values at run time. */
typedef struct TlPlanKeys
{
	List *clauses;
	List *values;  /* expressions: ForeignScan.fdw_exprs */
	List *columns; /* integers beside them */
	List *ops;	   /* likewise */
} TlPlanKeys;

/* Divides clauses into keys and the rest, which stays with the executor. */
extern void tl_keys_divide(List *clauses, Index relid, const TlPointMap *map, TlPlanKeys *keys,
						   List **rest);

typedef struct TlKeyStates
{
	List *columns;
	List *ops;
	List *values; /* ExprStates */
	TlLevels levels;
} TlKeyStates;

extern void tl_keys_begin(ForeignScanState *node, TlKeyStates *keys);
/* Makes a filter of the keys' current values; false if no point can match. */
extern bool tl_keys_filter(const TlKeyStates *keys, ExprContext *econtext, TlFilter *filter);

/* What ForeignScan.fdw_private holds: integer lists, the last two not for a count. */
enum
{
	TL_PRIVATE_KEY_COLUMNS, /* beside fdw_exprs */
	TL_PRIVATE_KEY_OPS,		/* likewise */
	TL_PRIVATE_LEVELS,		/* TlLevels */
	TL_PRIVATE_COLUMNS,		/* set of columns that are wanted */
	TL_PRIVATE_ORDER		/* TlScanOrder */
};

/* What the planner knows of a table, in RelOptInfo.fdw_private. */
typedef struct TlRelPlan
{
	TlPointMap map;
	TlLevels levels;
	double blocks; /* in the store */
} TlRelPlan;

extern void tl_fdw_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid table);
extern void tl_fdw_paths(PlannerInfo *root, RelOptInfo *rel, Oid table);
extern void tl_fdw_upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input,
							   RelOptInfo *output, void *extra);
extern ForeignScan *tl_fdw_plan(PlannerInfo *root, RelOptInfo *rel, Oid table, ForeignPath *best,
								List *tlist, List *clauses, Plan *outer);

extern void tl_fdw_begin_scan(ForeignScanState *node, int eflags);
extern TupleTableSlot *tl_fdw_iterate(ForeignScanState *node);
extern void tl_fdw_rescan(ForeignScanState *node);
extern void tl_fdw_end_scan(ForeignScanState *node);
/* What a scan has read so far, over all its rescans. */
extern void tl_fdw_scan_stats(const ForeignScanState *node, TlReadStats *stats);

/* A count is a scan without a relation of its own; the functions above hand it on to these. */
static inline bool
tl_fdw_is_count(const ForeignScanState *node)
{
	return ((const ForeignScan *) node->ss.ps.plan)->scan.scanrelid == 0;
}

extern ForeignScan *tl_count_plan(RelOptInfo *rel, List *tlist);
extern void tl_count_begin(ForeignScanState *node);
extern TupleTableSlot *tl_count_iterate(ForeignScanState *node);
extern void tl_count_rescan(ForeignScanState *node);
extern const TlReadStats *tl_count_stats(const ForeignScanState *node);

extern void tl_fdw_explain(ForeignScanState *node, struct ExplainState *es);

/* Fills the wanted columns of rows from runs, and leaves the others alone; see fdw_scan.c. */
typedef struct TlRowMaker TlRowMaker;
extern TlRowMaker *tl_row_maker_create(const TlPointMap *map, int wanted);
extern void tl_row_maker_run(TlRowMaker *maker, const TlRun *run);
extern void tl_row_maker_fill(TlRowMaker *maker, uint32 i, Datum *values, bool *nulls);

extern void tl_fdw_add_update_targets(PlannerInfo *root, Index rti, RangeTblEntry *rte,
									  Relation table);
extern List *tl_fdw_plan_modify(PlannerInfo *root, ModifyTable *plan, Index rti, int subplan);
extern void tl_fdw_begin_modify(ModifyTableState *mtstate, ResultRelInfo *rinfo, List *private,
								int subplan, int eflags);
extern void tl_fdw_begin_insert(ModifyTableState *mtstate, ResultRelInfo *rinfo);
extern TupleTableSlot *tl_fdw_insert(EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot,
									 TupleTableSlot *plan_slot);
extern void tl_fdw_end_modify(EState *estate, ResultRelInfo *rinfo);
extern int tl_fdw_updatable(Relation table);

extern bool tl_fdw_analyze(Relation table, AcquireSampleRowsFunc *func, BlockNumber *pages);

#endif
