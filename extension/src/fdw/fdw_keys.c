/*
 * fdw_keys.c
 *		Which clauses a scan decides by itself, and what they mean at run time.
 *
 * A key compares device_id or metric for equality or by how it begins, or ts with anything ordered,
 * to a value that does not depend on the row.  Equality is bytewise, so nondeterministic collations
 * stay with the executor.
 */
#include "fdw/fdw_keys.h"

#include "base/slice_text.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fdw/fdw_plan.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/pg_locale.h"
#include "utils/timestamp.h"

/* Comparisons of timestamptz, whatever the type of the other side. */
typedef struct TimeOperator
{
	Oid function;
	TlKeyOp op;
} TimeOperator;

static const TimeOperator time_operators[] = {
	{F_TIMESTAMPTZ_EQ, TL_KEY_EQ},			 {F_TIMESTAMPTZ_LT, TL_KEY_LT},
	{F_TIMESTAMPTZ_LE, TL_KEY_LE},			 {F_TIMESTAMPTZ_GT, TL_KEY_GT},
	{F_TIMESTAMPTZ_GE, TL_KEY_GE},			 {F_TIMESTAMPTZ_EQ_TIMESTAMP, TL_KEY_EQ},
	{F_TIMESTAMPTZ_LT_TIMESTAMP, TL_KEY_LT}, {F_TIMESTAMPTZ_LE_TIMESTAMP, TL_KEY_LE},
	{F_TIMESTAMPTZ_GT_TIMESTAMP, TL_KEY_GT}, {F_TIMESTAMPTZ_GE_TIMESTAMP, TL_KEY_GE},
	{F_TIMESTAMPTZ_EQ_DATE, TL_KEY_EQ},		 {F_TIMESTAMPTZ_LT_DATE, TL_KEY_LT},
	{F_TIMESTAMPTZ_LE_DATE, TL_KEY_LE},		 {F_TIMESTAMPTZ_GT_DATE, TL_KEY_GT},
	{F_TIMESTAMPTZ_GE_DATE, TL_KEY_GE},
};

/* The key column that an expression is, or -1. */
static int
key_column(Node *node, Index relid, const TlPointMap *map)
{
	Var *var;

	if (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	if (!IsA(node, Var))
		return -1;
	var = (Var *) node;
	if (var->varno != (int) relid || var->varlevelsup != 0 || var->varattno <= 0)
		return -1;
	for (int c = TL_POINT_TS; c <= TL_POINT_METRIC; c++)
		if (map->attno[c] == var->varattno)
			return c;
	return -1;
}

static bool
is_row_independent(Node *node, Index relid)
{
	return !bms_is_member((int) relid, pull_varnos(NULL, node)) &&
		   !contain_volatile_functions(node) && !contain_subplans(node);
}

static bool
time_key(Oid function, Expr *value, TlScanKey *key)
{
	for (size_t i = 0; i < lengthof(time_operators); i++)
		if (time_operators[i].function == function)
		{
			key->op = time_operators[i].op;
			key->value = value;
			return true;
		}
	return false;
}

static bool
is_bytewise(Oid collation)
{
	return OidIsValid(collation) && get_collation_isdeterministic(collation);
}

static Expr *
text_constant(const char *s, int len)
{
	return (Expr *) makeConst(TEXTOID, -1, C_COLLATION_OID, -1,
							  PointerGetDatum(cstring_to_text_with_len(s, len)), false, false);
}

/*
 * What a pattern of LIKE begins with.  Without a wildcard it is an equality, with none but a last % it is
 * that prefix and no more.  A pattern that ends in an escape is left to LIKE, which refuses it.
 */
static bool
pattern_key(const Const *pattern, TlScanKey *key)
{
	TlSlice p;
	char *literal;
	int n = 0;
	uint32 i = 0;

	if (!IsA(pattern, Const) || pattern->constisnull || pattern->consttype != TEXTOID)
		return false;
	p = tl_slice_of_text(pattern->constvalue);
	literal = palloc(Max(p.len, 1));
	for (; i < p.len && p.data[i] != '%' && p.data[i] != '_'; i++)
	{
		if (p.data[i] == '\\' && ++i == p.len)
			return false;
		literal[n++] = p.data[i];
	}
	if (i < p.len && n == 0)
		return false;
	key->op = i == p.len ? TL_KEY_EQ : TL_KEY_PREFIX;
	key->lossy = i < p.len && (i + 1 < p.len || p.data[i] == '_');
	key->value = text_constant(literal, n);
	return true;
}

/* A comparison of device_id or metric with the value on its right, by its function. */
static bool
text_key(Oid function, Node *value, Oid collation, bool commuted, TlScanKey *key)
{
	if (!is_bytewise(collation))
		return false;
	key->value = (Expr *) value;
	switch (function)
	{
		case F_TEXTEQ:
			key->op = TL_KEY_EQ;
			return true;
		case F_STARTS_WITH:
			key->op = TL_KEY_PREFIX;
			return !commuted;
		case F_TEXTLIKE:
			return !commuted && pattern_key((const Const *) value, key);
		default:
			return false;
	}
}

static bool
key_from_operator(OpExpr *clause, Index relid, const TlPointMap *map, TlScanKey *key)
{
	Oid operator= clause->opno;
	Node *left;
	Node *right;
	bool commuted = false;
	int column;

	if (list_length(clause->args) != 2)
		return false;
	left = linitial(clause->args);
	right = lsecond(clause->args);
	column = key_column(left, relid, map);
	if (column < 0)
	{
		column = key_column(right, relid, map);
		right = left;
		commuted = true;
		operator= get_commutator(operator);
		if (column < 0 || !OidIsValid(operator))
			return false;
	}
	if (!is_row_independent(right, relid))
		return false;

	key->column = (TlPointColumn) column;
	if (column == TL_POINT_TS)
		return time_key(get_opcode(operator), (Expr *) right, key);
	return text_key(get_opcode(operator), right, clause->inputcollid, commuted, key);
}

/* starts_with(device_id, prefix) */
static bool
key_from_function(FuncExpr *clause, Index relid, const TlPointMap *map, TlScanKey *key)
{
	int column;

	if (clause->funcid != F_STARTS_WITH)
		return false;
	column = key_column(linitial(clause->args), relid, map);
	if (column <= TL_POINT_TS || !is_row_independent(lsecond(clause->args), relid))
		return false;
	key->column = (TlPointColumn) column;
	return text_key(F_STARTS_WITH, lsecond(clause->args), clause->inputcollid, false, key);
}

static bool
key_from_array(ScalarArrayOpExpr *clause, Index relid, const TlPointMap *map, TlScanKey *key)
{
	Node *array = lsecond(clause->args);
	int column = key_column(linitial(clause->args), relid, map);

	if (!clause->useOr || column <= TL_POINT_TS || get_opcode(clause->opno) != F_TEXTEQ ||
		exprType(array) != TEXTARRAYOID || !is_bytewise(clause->inputcollid) ||
		!is_row_independent(array, relid))
		return false;
	key->column = (TlPointColumn) column;
	key->op = TL_KEY_ANY;
	key->value = (Expr *) array;
	return true;
}

/* The values of an equality or a list, each as an expression; false if they are not known one by one. */
static bool
add_values(const TlScanKey *key, List **values)
{
	Datum *elements;
	bool *nulls;
	int n;

	if (key->op == TL_KEY_EQ)
	{
		*values = lappend(*values, key->value);
		return true;
	}
	if (IsA(key->value, ArrayExpr) && !((ArrayExpr *) key->value)->multidims)
	{
		*values = list_concat(*values, ((ArrayExpr *) key->value)->elements);
		return true;
	}
	if (!IsA(key->value, Const) || ((Const *) key->value)->constisnull)
		return false;
	deconstruct_array(DatumGetArrayTypeP(((Const *) key->value)->constvalue), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
		{
			TlSlice s = tl_slice_of_text(elements[i]);

			*values = lappend(*values, text_constant(s.data, (int) s.len));
		}
	return true;
}

/* Alternatives that each give values of the same column: the values of all. */
static bool
key_from_alternatives(BoolExpr *clause, Index relid, const TlPointMap *map, TlScanKey *key)
{
	ArrayExpr *array = makeNode(ArrayExpr);
	int column = -1;
	ListCell *lc;

	array->array_typeid = TEXTARRAYOID;
	array->element_typeid = TEXTOID;
	array->location = -1;
	foreach(lc, clause->args)
	{
		TlScanKey one;

		if (!tl_key_from_clause(lfirst(lc), relid, map, &one) || one.lossy ||
			one.column == TL_POINT_TS || (one.op != TL_KEY_EQ && one.op != TL_KEY_ANY) ||
			(column >= 0 && (int) one.column != column) || !add_values(&one, &array->elements))
			return false;
		column = (int) one.column;
	}
	key->column = (TlPointColumn) column;
	key->op = TL_KEY_ANY;
	key->value = (Expr *) array;
	return column >= 0;
}

bool
tl_key_from_clause(Expr *clause, Index relid, const TlPointMap *map, TlScanKey *key)
{
	key->lossy = false;
	if (IsA(clause, OpExpr))
		return key_from_operator((OpExpr *) clause, relid, map, key);
	if (IsA(clause, ScalarArrayOpExpr))
		return key_from_array((ScalarArrayOpExpr *) clause, relid, map, key);
	if (IsA(clause, FuncExpr))
		return key_from_function((FuncExpr *) clause, relid, map, key);
	if (IsA(clause, BoolExpr) && ((BoolExpr *) clause)->boolop == OR_EXPR)
		return key_from_alternatives((BoolExpr *) clause, relid, map, key);
	return false;
}

void
tl_keys_divide(List *clauses, Index relid, const TlPointMap *map, TlPlanKeys *keys, List **rest)
{
	ListCell *lc;

	memset(keys, 0, sizeof(TlPlanKeys));
	*rest = NIL;
	foreach(lc, clauses)
	{
		RestrictInfo *ri = lfirst_node(RestrictInfo, lc);
		TlScanKey key;

		if (ri->pseudoconstant)
			continue;
		if (!tl_key_from_clause(ri->clause, relid, map, &key))
		{
			*rest = lappend(*rest, ri->clause);
			continue;
		}
		if (key.lossy)
			*rest = lappend(*rest, ri->clause);
		keys->clauses = lappend(keys->clauses, ri->clause);
		keys->values = lappend(keys->values, key.value);
		keys->columns = lappend_int(keys->columns, key.column);
		keys->ops = lappend_int(keys->ops, key.op);
	}
}

/*
 * What ts is compared to, as a timestamptz.  As in PostgreSQL's own comparisons, a date or timestamp
 * that no timestamptz is as late or early as is beyond all finite ones: points are of these.
 */
static int64
time_of(Datum value, Oid type)
{
	int overflow = 0;
	int64 ts;

	if (type == DATEOID)
		ts = date2timestamptz_opt_overflow(DatumGetDateADT(value), &overflow);
	else if (type == TIMESTAMPOID)
		ts = timestamp2timestamptz_opt_overflow(DatumGetTimestamp(value), &overflow);
	else
		ts = DatumGetTimestampTz(value);
	if (overflow != 0)
		return overflow < 0 ? DT_NOBEGIN : DT_NOEND;
	return ts;
}

static bool
apply_time(TlKeyOp op, int64 ts, TlFilter *f)
{
	/* Strict bounds move by a microsecond, the unit; at the ends of time nothing is beyond. */
	if ((op == TL_KEY_LT && ts == DT_NOBEGIN) || (op == TL_KEY_GT && ts == DT_NOEND))
		return false;
	switch (op)
	{
		case TL_KEY_EQ:
			f->from = Max(f->from, ts);
			f->to = Min(f->to, ts);
			break;
		case TL_KEY_LT:
			f->to = Min(f->to, ts - 1);
			break;
		case TL_KEY_LE:
			f->to = Min(f->to, ts);
			break;
		case TL_KEY_GT:
			f->from = Max(f->from, ts + 1);
			break;
		case TL_KEY_GE:
			f->from = Max(f->from, ts);
			break;
		default:
			Assert(false);
	}
	return f->from <= f->to;
}

/* Sorts a list, drops repeats, and keeps what is in the other list too, if there is one. */
static uint32
intersect(TlSlice *list, uint32 n, const TlSlice *other, uint32 n_other)
{
	uint32 kept = 0;
	uint32 o = 0;

	qsort(list, n, sizeof(TlSlice), tl_slice_order);
	for (uint32 i = 0; i < n; i++)
	{
		if (kept > 0 && tl_slice_equal(list[kept - 1], list[i]))
			continue;
		while (o < n_other && tl_slice_compare(other[o], list[i]) < 0)
			o++;
		if (n_other == 0 || (o < n_other && tl_slice_equal(other[o], list[i])))
			list[kept++] = list[i];
	}
	return kept;
}

/* Of two prefixes the longer one counts, if it begins with the other. */
static bool
apply_prefix(TlSlice prefix, TlSlice *target)
{
	if (target->len > prefix.len)
		return tl_slice_has_prefix(*target, prefix);
	if (!tl_slice_has_prefix(prefix, *target))
		return false;
	*target = prefix;
	return true;
}

bool
tl_key_apply(TlPointColumn column, TlKeyOp op, Datum value, Oid type, TlFilter *f)
{
	TlSlice *list;
	uint32 n = 0;
	TlSlice **target = column == TL_POINT_DEVICE_ID ? &f->devices : &f->metrics;
	uint32 *n_target = column == TL_POINT_DEVICE_ID ? &f->n_devices : &f->n_metrics;

	if (column == TL_POINT_TS)
		return apply_time(op, time_of(value, type), f);
	if (op == TL_KEY_PREFIX)
		return apply_prefix(tl_slice_of_text(value),
							column == TL_POINT_DEVICE_ID ? &f->device_prefix : &f->metric_prefix);

	if (op == TL_KEY_ANY)
	{
		Datum *elements;
		bool *nulls;
		int n_elements;

		deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &elements,
						  &nulls, &n_elements);
		list = palloc(sizeof(TlSlice) * Max(n_elements, 1));
		for (int i = 0; i < n_elements; i++)
			if (!nulls[i])
				list[n++] = tl_slice_of_text(elements[i]);
	}
	else
	{
		list = palloc(sizeof(TlSlice));
		list[n++] = tl_slice_of_text(value);
	}
	n = intersect(list, n, *target, *n_target);
	*target = list;
	*n_target = n;
	return n > 0;
}

void
tl_keys_begin(ForeignScanState *node, TlKeyStates *keys)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	ListCell *lc;

	keys->columns = list_nth(plan->fdw_private, TL_PRIVATE_KEY_COLUMNS);
	keys->ops = list_nth(plan->fdw_private, TL_PRIVATE_KEY_OPS);
	keys->levels = linitial_int(list_nth(plan->fdw_private, TL_PRIVATE_LEVELS));
	keys->values = ExecInitExprList(plan->fdw_exprs, (PlanState *) node);
	keys->types = NIL;
	foreach(lc, plan->fdw_exprs)
		keys->types = lappend_oid(keys->types, exprType(lfirst(lc)));
}

bool
tl_keys_filter(const TlKeyStates *keys, ExprContext *econtext, TlFilter *filter)
{
	ListCell *column;
	ListCell *op;
	ListCell *value;
	ListCell *type;

	memset(filter, 0, sizeof(TlFilter));
	filter->from = DT_NOBEGIN;
	filter->to = DT_NOEND;
	filter->levels = keys->levels;
	forfour(column, keys->columns, op, keys->ops, value, keys->values, type, keys->types)
	{
		bool isnull;
		Datum datum = ExecEvalExpr((ExprState *) lfirst(value), econtext, &isnull);

		if (isnull || !tl_key_apply((TlPointColumn) lfirst_int(column), (TlKeyOp) lfirst_int(op),
									datum, lfirst_oid(type), filter))
			return false;
	}
	return true;
}
