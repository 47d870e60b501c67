/*
 * transfer.h
 *		A notification on its way: what libcurl is told of it, what it may connect to, and how it went.
 */
#ifndef TL_TRANSFER_H
#define TL_TRANSFER_H

#include "deliver/notification.h"
#include "deliver/settings.h"
#include "deliver/verdict.h"

#include <curl/curl.h>
#include <sys/queue.h>

/* What is read of an answer, and what is told of it. */
#define TL_ANSWER_MAX 4096
#define TL_ANSWER_TOLD 200

#define TL_HOST_SIZE 256

typedef struct TlTransfer TlTransfer;

struct TlTransfer
{
	TAILQ_ENTRY(TlTransfer) link; /* its owner's */
	TlNotification notification;  /* its own */
	uint64_t taken_us;
	char host[TL_HOST_SIZE]; /* what is told of where it goes */

	/* When it has ended. */
	TlVerdict verdict;
	char reason[320];					  /* why not; nothing in it is the receiver's */
	char answer_told[TL_ANSWER_TOLD + 1]; /* what that said; or empty */

	CURL *easy;
	struct curl_slist *headers;
	struct curl_slist *recipients;
	char error[CURL_ERROR_SIZE];
	const TlNetworkList *allowed; /* of addresses that are not the internet's; NULL: all are */
	bool private_only;			  /* the other way round: no address of the internet */
	bool opened;				  /* a socket: some address was none that is refused */
	char refused[64];			  /* the address that was, or empty */
	size_t sent;				  /* of a message of mail */
	size_t head_size;
	size_t answer_len;
	bool answer_is_cut;
	char answer[TL_ANSWER_MAX];
};

/*
 * Takes the notification over.  `settings` must last until it has ended.  What is wrong with it is found
 * when it is sent.
 */
extern TlTransfer *tl_transfer_create(TlNotification *notification,
									  const TlDeliverSettings *settings);

/* Fills in verdict, reason and answer_told, of one that libcurl has ended so. */
extern void tl_transfer_judge(TlTransfer *transfer, CURLcode code);

/* It is in no multi handle. */
extern void tl_transfer_free(TlTransfer *transfer);

#endif
