/*
 * fdw_keys.h
 *		Keys: the clauses that a scan decides by itself, and their values at run time.
 */
#ifndef TL_FDW_KEYS_H
#define TL_FDW_KEYS_H

#include "base/compat.h"

#include "fdw/point_column.h"
#include "nodes/execnodes.h"
#include "read/source.h"

/* How a pushed-down clause restricts its column. */
typedef enum TlKeyOp
{
	TL_KEY_EQ,
	TL_KEY_ANY, /* = ANY (array) */
	TL_KEY_PREFIX,
	TL_KEY_LT,
	TL_KEY_LE,
	TL_KEY_GT,
	TL_KEY_GE
} TlKeyOp;

typedef struct TlScanKey
{
	TlPointColumn column; /* ts, device_id or metric */
	TlKeyOp op;
	Expr *value; /* of a time, text or text[]; no variables of the table, not volatile */
	bool lossy;	 /* the clause says more */
} TlScanKey;

/* Whether a clause on the relation can be a key: unless lossy, it is decided by the scan alone. */
extern bool tl_key_from_clause(Expr *clause, Index relid, const TlPointMap *map, TlScanKey *key);

/*
 * Narrows a filter by a key's value of a type at run time; false if no point can match.  Lists grow
 * by intersection and are sorted and free of repeats afterwards.
 */
extern bool tl_key_apply(TlPointColumn column, TlKeyOp op, Datum value, Oid type, TlFilter *filter);

/* What a plan has of its keys, and the values at run time. */
typedef struct TlPlanKeys
{
	List *clauses;
	List *values;  /* expressions: ForeignScan.fdw_exprs */
	List *columns; /* integers beside them */
	List *ops;	   /* likewise */
} TlPlanKeys;

/* Divides clauses into keys and the rest, which stays with the executor; a lossy key's is in both. */
extern void tl_keys_divide(List *clauses, Index relid, const TlPointMap *map, TlPlanKeys *keys,
						   List **rest);

typedef struct TlKeyStates
{
	List *columns;
	List *ops;
	List *values; /* ExprStates */
	List *types;  /* of the values */
	TlLevels levels;
} TlKeyStates;

extern void tl_keys_begin(ForeignScanState *node, TlKeyStates *keys);
/*
 * Makes a filter of the keys' current values; false if no point can match.  Lists are sorted and
 * free of repeats.
 */
extern bool tl_keys_filter(const TlKeyStates *keys, ExprContext *econtext, TlFilter *filter);

#endif
