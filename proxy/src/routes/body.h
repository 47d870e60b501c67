/*
 * body.h
 *		The JSON text that a request brings.
 *
 * A body of everyday size is read at once.  A large one, as sent or once decompressed, would keep the loop
 * too long: it is copied and read in a thread, and the request goes on when that has been done.
 */
#ifndef TL_BODY_H
#define TL_BODY_H

#include "base/inflate.h"
#include "base/worker.h"
#include "routes/request.h"

#include <stdatomic.h>

typedef enum TlBodyState
{
	TL_BODY_REFUSED, /* and answered: 400, 413 or 415 */
	TL_BODY_READ,	 /* the text lasts until the next request's is asked for */
	TL_BODY_LARGE	 /* for tl_body_work_begin */
} TlBodyState;

/* Finds the JSON text of the request, decompressed if need be. */
extern TlBodyState tl_body_read(TlRequest *request, const TlConfig *config, const char **body,
								size_t *len);

typedef struct TlBodyWork TlBodyWork;

/* A large body being read; the first member of what its endpoint has of it. */
struct TlBodyWork
{
	TlWork work;
	TlRequest *request;
	const TlBackend *backend;
	char *raw; /* as it was sent */
	size_t raw_len;
	TlEncoding encoding;
	size_t max;				 /* bytes of the text */
	atomic_bool is_unwanted; /* nobody waits any more: it need not be read */
	TlInflateResult result;
	TlBuf inflated;

	/* The text, for both of these. */
	const char *body;
	size_t len;

	/* In the thread: touches nothing but the work. */
	void (*read)(TlBodyWork *work);

	/* In the loop, if somebody still waits: goes on with the request, as if it had just come. */
	void (*end)(TlBodyWork *work);

	/* Frees what the endpoint has, and the work. */
	void (*free)(TlBodyWork *work);
};

/* Has the body of a request, whose expire and timeout_ms are set, read; the functions above are set, too. */
extern void tl_body_work_begin(TlBodyWork *work, TlRequest *request, const TlBackend *backend);

/* Nobody waits any more for the body that a request has being read. */
extern void tl_body_work_give_up(TlBodyWork *work);

/* Bytes of bodies that wait to be read so. */
extern size_t tl_body_pending_bytes(void);

/* Whether it comes as text/plain, which browsers send for any page without asking first. */
extern bool tl_body_is_plain_text(const TlRequest *request);

extern void tl_body_shutdown(void);

#endif
