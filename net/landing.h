/*
 * net/landing.h - direct placement: where the next frames of a stream are read straight into the buffer of the program that
 * waits for them, so that recv() has nothing to copy.
 *
 * The thread that waits lends its buffer for as long as it does.  Whose frame comes next is guessed: one of the
 * stream that the last large one was of, with the next number and a header as long as all of its.  What is not is moved to
 * behind its headers.  What is refers to the buffer, and nobody keeps it: a copy of such a packet shares nothing, and whoever puts
 * it aside settles it first (pkbuf_settle()), but for the sock whose it is, under its lock.  A buffer is taken back when nothing
 * refers to it any more.
 */
#pragma once
#include "lib/slot.h"
#include "net/pkbuf.h"

#define LANDING_MIN (128u << 10)  /* bytes lent at least: less is not worth a wait of its own */
#define LANDING_FRAME (64u << 10) /* left for a frame at least */
#define LANDING_FLOW 12           /* bytes of addresses and ports, as on the wire */

/*
 * LOCKING
 *	o	the thread that lends		c	constant while it is lent
 */
struct landing {
	struct piece piece; /* c: its memory; one reference is the lender's */
	void *owner;        /* c: the sock; NULL: nothing was lent yet */
	void (*idle)(
	    struct landing *l); /* o: before the thread sleeps, no lock held; NULL: nothing to do */
	uint32_t room;          /* o: bytes not read into yet; 0 after a wrong guess */
	uint32_t next;          /* o: the sequence number that they begin with */
	uint16_t hlen;          /* c: of IP and TCP headers */
	bool full;              /* o: a frame has filled it, and more may wait */
	uint8_t flow[LANDING_FLOW]; /* c: of what comes */
};

/* Lends `size` bytes from `data` on; the caller has filled in the rest.  Nothing refers to it yet. */
void landing_lend(struct landing *l, struct stack *st, void *data, uint32_t size);
/* From here on the calling thread reads into none. */
static inline void landing_withdraw(struct stack *st)
{
	slot_get(st)->landing = NULL;
}
/* What the calling thread lends; NULL: nothing. */
static inline struct landing *landing_of(struct stack *st)
{
	return slot_get(st)->landing;
}

/*
 * For net/rxbuf.c: is a frame of n bytes, behind a link header of `link`, what is waited for?  At `frame` are its headers,
 * as long as those that are.
 */
bool landing_awaits(const struct landing *l, const uint8_t *frame, size_t n, uint32_t link);
/* Its n bytes of payload, which lie there, become b's. */
void landing_take(struct landing *l, struct pkbuf *b, uint32_t n);
