/*
 * compat.h
 *		What differs between PostgreSQL 14 and 18, and between server and front end.
 *
 * The only file with version tests.  The codec and block files also compile as a front end
 * program (unit tests, fuzzers), where palloc comes from libpgcommon and corruption is
 * reported through tl_corrupt_handler.
 */
#ifndef TL_COMPAT_H
#define TL_COMPAT_H

#ifdef FRONTEND
#include "postgres_fe.h"

#include "common/fe_memutils.h"
#else
#include "postgres.h"

#include "miscadmin.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif
#endif

/* In front of a declaration, where 18 wants it; before, it was an attribute without a fixed place. */
#ifndef pg_noreturn
#define pg_noreturn pg_attribute_noreturn()
#endif

#ifdef FRONTEND
#ifndef Assert
#define Assert(condition) ((void) true)
#endif
#define CHECK_FOR_INTERRUPTS() ((void) 0)

/* The test program decides what corruption means to it; it does not return. */
pg_noreturn extern void tl_corrupt_handler(const char *what);
#define tl_corrupt(what) tl_corrupt_handler(what)
#else
/* Stored bytes are not what we wrote: ERRCODE_DATA_CORRUPTED. */
pg_noreturn extern void tl_corrupt(const char *what) pg_attribute_cold;

/* Misspelt settings of ours are errors where the server can tell. */
#if PG_VERSION_NUM >= 150000
#define tl_reserve_guc_prefix(name) MarkGUCPrefixReserved(name)
#else
#define tl_reserve_guc_prefix(name) EmitWarningsOnPlaceholders(name)
#endif

/*
 * When a preloaded library may ask for shared memory: when it is called for it from 15 on, and at
 * once before.
 */
typedef void (*tl_shmem_request_hook)(void);
#if PG_VERSION_NUM >= 150000
#define tl_shmem_hook_request(previous, request)                                                   \
	((previous) = shmem_request_hook, shmem_request_hook = (request))
#define tl_shmem_call_request(previous) ((previous) != NULL ? (previous) () : (void) 0)
#else
#define tl_shmem_hook_request(previous, request) ((previous) = NULL, (request) ())
#define tl_shmem_call_request(previous) ((void) (previous))
#endif

#if PG_VERSION_NUM >= 160000
#define tl_database_ownercheck(oid, role) object_ownercheck(DatabaseRelationId, oid, role)
#define tl_extension_ownercheck(oid, role) object_ownercheck(ExtensionRelationId, oid, role)
#define tl_proc_aclcheck(oid, role, mode) object_aclcheck(ProcedureRelationId, oid, role, mode)
#else
#define tl_database_ownercheck(oid, role) pg_database_ownercheck(oid, role)
#define tl_extension_ownercheck(oid, role) pg_extension_ownercheck(oid, role)
#define tl_proc_aclcheck(oid, role, mode) pg_proc_aclcheck(oid, role, mode)
#endif

/* A lexer of a JSON text that also looks into escapes; needs common/jsonapi.h and mb/pg_wchar.h. */
#if PG_VERSION_NUM >= 170000
#define tl_json_lexer(text, len)                                                                   \
	makeJsonLexContextCstringLen(NULL, text, len, GetDatabaseEncoding(), true)
#else
#define tl_json_lexer(text, len)                                                                   \
	makeJsonLexContextCstringLen(text, len, GetDatabaseEncoding(), true)
#endif

/* The arguments of create_foreignscan_path have grown with the versions. */
#if PG_VERSION_NUM >= 180000
#define tl_create_foreignscan_path(root, rel, rows, startup, total, pathkeys, outer, private)      \
	create_foreignscan_path(root, rel, NULL, rows, 0, startup, total, pathkeys, outer, NULL, NIL,  \
							private)
#elif PG_VERSION_NUM >= 170000
#define tl_create_foreignscan_path(root, rel, rows, startup, total, pathkeys, outer, private)      \
	create_foreignscan_path(root, rel, NULL, rows, startup, total, pathkeys, outer, NULL, NIL,     \
							private)
#else
#define tl_create_foreignscan_path(root, rel, rows, startup, total, pathkeys, outer, private)      \
	create_foreignscan_path(root, rel, NULL, rows, startup, total, pathkeys, outer, NULL, private)
#endif

/* So have those of create_foreign_upper_path; here it is for a path that gives one row. */
#if PG_VERSION_NUM >= 180000
#define tl_create_upper_path(root, rel, cost)                                                      \
	create_foreign_upper_path(root, rel, NULL, 1, 0, cost, cost, NIL, NULL, NIL, NIL)
#elif PG_VERSION_NUM >= 170000
#define tl_create_upper_path(root, rel, cost)                                                      \
	create_foreign_upper_path(root, rel, NULL, 1, cost, cost, NIL, NULL, NIL, NIL)
#else
#define tl_create_upper_path(root, rel, cost)                                                      \
	create_foreign_upper_path(root, rel, NULL, 1, cost, cost, NIL, NULL, NIL)
#endif

/* A random number of a sampler: what it keeps was an array before 15. */
#if PG_VERSION_NUM >= 150000
#define tl_sampler_fract(reservoir) sampler_random_fract(&(reservoir)->randstate)
#else
#define tl_sampler_fract(reservoir) sampler_random_fract((reservoir)->randstate)
#endif

/* A scan of an index and its table: from 18 on it may be told where to count. */
#if PG_VERSION_NUM >= 180000
#define tl_index_beginscan(table, index, snapshot, n_keys)                                         \
	index_beginscan(table, index, snapshot, NULL, n_keys, 0)
#else
#define tl_index_beginscan(table, index, snapshot, n_keys)                                         \
	index_beginscan(table, index, snapshot, n_keys, 0)
#endif

/* A deferrable key, of which an index may have several entries, is none here. */
#if PG_VERSION_NUM >= 180000
#define tl_primary_key_index(relation) RelationGetPrimaryKeyIndex(relation, false)
#else
#define tl_primary_key_index(relation) RelationGetPrimaryKeyIndex(relation)
#endif

/* What a changed row needs of indexes: from 16 on perhaps only entries of those that summarize. */
#if PG_VERSION_NUM >= 160000
#define TlUpdatedIndexes TU_UpdateIndexes
#define tl_indexes_updated(indexes) ((indexes) != TU_None)
#define tl_indexes_summarize(indexes) ((indexes) == TU_Summarizing)
#define tl_insert_index_tuples(result, slot, estate, update, summarize)                            \
	ExecInsertIndexTuples(result, slot, estate, update, false, NULL, NIL, summarize)
#else
#define TlUpdatedIndexes bool
#define tl_indexes_updated(indexes) (indexes)
#define tl_indexes_summarize(indexes) false
#define tl_insert_index_tuples(result, slot, estate, update, summarize)                            \
	ExecInsertIndexTuples(result, slot, estate, update, false, NULL, NIL)
#endif

#if PG_VERSION_NUM >= 180000
#define tl_vacuum_delay_point() vacuum_delay_point(true)
#else
#define tl_vacuum_delay_point() vacuum_delay_point()
#endif

/* How many relations a plan has: from 18 on its list has an entry for what is grouped by, too. */
#if PG_VERSION_NUM >= 180000
#define tl_explain_relations(es) ((es)->rtable_size)
#else
#define tl_explain_relations(es) list_length((es)->rtable)
#endif

#if PG_VERSION_NUM >= 180000
#define tl_pathkey_is_descending(pathkey) ((pathkey)->pk_cmptype == COMPARE_GT)
#else
#define tl_pathkey_is_descending(pathkey) ((pathkey)->pk_strategy == BTGreaterStrategyNumber)
#endif
#endif

#endif
