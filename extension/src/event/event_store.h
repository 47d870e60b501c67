/*
 * event_store.h
 *		The ledger, the log of events and conflicts, through SQL.
 *
 * Statements run as the owner of the extension's tables.  Those that store many rows read them
 * from the flush under way by set-returning functions of ours, telemetry.flushed_keys() and
 * telemetry.flushed_events().
 *
 * Locks: inserting a key waits for another transaction that has inserted it and not ended.
 * Keys are taken in ascending order within a flush, so flushes do not wait for each other in a
 * circle; transactions with several flushes may, and one of them then fails.
 */
#ifndef TL_EVENT_STORE_H
#define TL_EVENT_STORE_H

#include "event/event_buffer.h"

/* The id of the first event of a new flush. */
extern int64 tl_event_store_next_id(void);

/*
 * Inserts the keys of the buffer's sets that are not settled, with their winners; those that the
 * ledger did not have become new, and settled.
 */
extern void tl_event_store_claim(TlEventBuffer *buffer);

/* Reads what the ledger has for the sets that are not settled; what it has settles them. */
extern void tl_event_store_look_up(TlEventBuffer *buffer);

/*
 * Reads the stored versions of sets: with what the ledger has by then, which others cannot change
 * from then on if lock is true.  versions[i] is of sets[i].
 */
extern void tl_event_store_read_versions(TlEventBuffer *buffer, TlEventSet **sets, uint32 n,
										 bool lock, TlEventVersion *versions);

/* Takes the stored versions of sets out of the log, and puts their winners into the ledger. */
extern void tl_event_store_replace(TlEventBuffer *buffer, TlEventSet **sets, uint32 n);

/* Stores the winners of all sets. */
extern void tl_event_store_insert(TlEventBuffer *buffer);

extern void tl_event_store_conflicts(TlEventBuffer *buffer);

#endif
