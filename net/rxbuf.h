/*
 * net/rxbuf.h - where a driver reads its next frame into, so that its size need not be known: a large piece, of which
 * small frames are copied.  It stays for the frame after it unless that took it, and a header part comes back when
 * its frame was joined to the one before.  And how many frames a batch reads.
 */
#pragma once
#include <stdbool.h>
#include <sys/uio.h>

#include "lib/wire/vnet.h"
#include "net/landing.h"
#include "net/netdev.h"

/* One byte more than may be: whoever reads it sees that the frame was too long. */
#define RXBUF_MAX (VNET_HLEN + PKBUF_MAX + 1)
/* Of a frame that is read without a large piece: a wire frame. */
#define RXBUF_LESS (PKBUF_RX_LINEAR + PIECE_SMALL)
#define RXBUF_SPARE (VNET_HLEN + RXBUF_LESS + 1)

/* LOCKING: the holder of the queue's word. */
struct rxbuf {
	struct pkbuf *head;  /* empty; NULL: there was no memory */
	struct piece *large; /* likewise: then frames are read into spare[] */
	struct iovec to[2];  /* what the next frame is read into, a vnet header before it, */
	int nto;             /* so many of them: a second one is lent */
	bool bulk;           /* the last frame was a large one, of this flow: */
	bool filled;         /* what landed last has filled it: the batch ends */
	uint8_t flow[LANDING_FLOW];
	struct landing *lent;    /* by the thread that reads this batch; NULL: nothing */
	struct landing *landing; /* the same, where the next frame's payload goes there */
	uint8_t spare[RXBUF_SPARE];
};

/*
 * Before each read into to[], and when the device is made: an idle device always holds the same.  False: no memory for
 * the header part.
 */
bool rxbuf_ready(struct rxbuf *r, struct netdev *dev);
void rxbuf_end(struct rxbuf *r);
/* The frame that was read there, n bytes with its vnet header; NULL: it was wrong, and is counted and dropped. */
struct pkbuf *rxbuf_take(struct rxbuf *r, size_t n);
/* The same for a frame that lies elsewhere, n bytes at `data`: copied. */
struct pkbuf *rxbuf_copy(struct rxbuf *r, const struct vnet_hdr *vh, const uint8_t *data, size_t n);
/* Counts and drops what was read there. */
void rxbuf_drop(struct rxbuf *r, enum drop_reason why);
/* The read said `err`: true if it was about memory that a program lent; the frame is lost, as dropped. */
bool rxbuf_fault(struct rxbuf *r, int err);

/* One frame of a queue: 0 with it in *out, or NULL there when it was dropped; -EINTR: once more, or -errno. */
typedef int rxbuf_read_fn(struct netdev_queue *q, struct pkbuf **out);
/*
 * A driver's rx: frames by read_one, which reads into r, until there is none, `max` or NETDEV_BATCH_BYTES are
 * reached.
 */
int rxbuf_batch(struct netdev_queue *q, struct rxbuf *r, struct pkq *out, int max,
		rxbuf_read_fn *read_one);
