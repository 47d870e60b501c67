/*
 * backend.c
 *		What the server gives to the codecs and blocks.  See backend.h.
 *
 * The palloc family here takes the place of libpgcommon's.
 */
#include "backend.h"

#include <setjmp.h>

/* The server refuses more, with another error than that of corrupted data. */
#define ALLOCATION_MAX ((Size) 0x3fffffff)

typedef struct Piece
{
	struct Piece *next;
	struct Piece *before;
} Piece;

static Piece pieces = {&pieces, &pieces};

static jmp_buf catcher;
static bool catching;
static const char *caught;

void
backend_die(const char *what)
{
	fprintf(stderr, "# %s\n", what);
	fflush(NULL);
	abort();
}

void
tl_corrupt_handler(const char *what)
{
	if (!catching)
		backend_die(what);
	caught = what;
	longjmp(catcher, 1);
}

const char *
backend_catch(BackendAction action, void *arg)
{
	catching = true;
	caught = NULL;
	if (setjmp(catcher) == 0)
		action(arg);
	catching = false;
	return caught;
}

static void
link_piece(Piece *piece)
{
	piece->next = pieces.next;
	piece->before = &pieces;
	piece->next->before = piece->before->next = piece;
}

static void
unlink_piece(Piece *piece)
{
	piece->next->before = piece->before;
	piece->before->next = piece->next;
}

static void
check_size(Size size)
{
	if (size > ALLOCATION_MAX)
		backend_die("an allocation that the server would refuse");
}

void *
palloc(Size size)
{
	Piece *piece;

	check_size(size);
	piece = malloc(sizeof(Piece) + size);
	if (piece == NULL)
		backend_die("out of memory");
	link_piece(piece);
	return piece + 1;
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void *
repalloc(void *pointer, Size size)
{
	Piece *piece = (Piece *) pointer - 1;

	check_size(size);
	unlink_piece(piece);
	piece = realloc(piece, sizeof(Piece) + size);
	if (piece == NULL)
		backend_die("out of memory");
	link_piece(piece);
	return piece + 1;
}

void
pfree(void *pointer)
{
	Piece *piece = (Piece *) pointer - 1;

	unlink_piece(piece);
	free(piece);
}

void
backend_reset(void)
{
	while (pieces.next != &pieces)
		pfree(pieces.next + 1);
}
