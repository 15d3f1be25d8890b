/*
 * net/rxbuf.h - where a driver reads its next frame into, so that its size need not be known: the
 * header part of its pkbuf, a small piece and a large one.  The pieces stay for the frame after it
 * unless it filled them.  And how many frames a batch reads.
 */
#pragma once
#include <stdbool.h>
#include <sys/uio.h>

#include "lib/wire/vnet.h"
#include "net/netdev.h"

#define RXBUF_IOV 4

/* LOCKING: the holder of the queue's word. */
struct rxbuf {
	struct piece *small, *large; /* NULL: there was no memory */
};

/* Before each read, and when the device is made: an idle device always holds the same. */
void rxbuf_refill(struct rxbuf *r, struct stack *st);
void rxbuf_end(struct rxbuf *r);
/*
 * Fills in where a vnet header and the frame behind it go, b being empty and of its device: how many parts, and
 * *room, their bytes together.  A part without memory is left out: the frame may not fit.
 */
int rxbuf_iov(struct rxbuf *r, struct pkbuf *b, struct vnet_hdr *vh, struct iovec iov[RXBUF_IOV],
	      size_t *room);
/*
 * Gives b the frame that was read there, n bytes of `room` with its vnet header; what is wrong with
 * it, or DROP_NONE.
 */
enum drop_reason rxbuf_take(struct rxbuf *r, struct pkbuf *b, const struct vnet_hdr *vh, size_t n,
			    size_t room);
/* The same for a frame that lies elsewhere, n bytes at `data`: copied. */
enum drop_reason rxbuf_copy(struct rxbuf *r, struct pkbuf *b, const struct vnet_hdr *vh,
			    const uint8_t *data, size_t n);
/* Counts a frame that is dropped before the device has handed it up, and drops it. */
void rxbuf_drop(struct pkbuf *b, enum drop_reason why);

/* One frame of a queue: 1 with it on `out`, 0 when it was dropped, -EINTR: once more, or -errno. */
typedef int rxbuf_read_fn(struct netdev_queue *q, struct pkq *out);
/* A driver's rx: frames by read_one until there is none, `max` or NETDEV_BATCH_BYTES are reached. */
int rxbuf_batch(struct netdev_queue *q, struct pkq *out, int max, rxbuf_read_fn *read_one);
