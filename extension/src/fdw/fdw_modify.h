/*
 * fdw_modify.h
 *		INSERT and COPY into telemetry.point and telemetry.point_text.
 */
#ifndef TL_FDW_MODIFY_H
#define TL_FDW_MODIFY_H

#include "base/compat.h"

#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"

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

#endif
