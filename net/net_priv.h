/*
 * net/net_priv.h - what the files of this room share: the stack's net state, the memory classes,
 * the alarms of a device and the glue of capture and netem.
 *
 * Nobody above includes it.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/drop_reason.h"
#include "lib/env.h"
#include "lib/lock.h"
#include "net/ifaddr.h"
#include "net/netdev.h"
#include "net/netem.h"
#include "net/pkbuf.h"

#define NET_PROTO_MAX 8
#define NET_NOTIFY_MAX 16
#define FRAME_BULK 4096u /* bytes: a larger frame is one of many of its stream */

struct ifaddr_table;

/*
 * LOCKING
 *	c	constant after creation
 *	r	constant once a device is up: registered by socket/stack.c before
 *	n	dev_lock for writing; read without (the list grows at its end only)
 *	t	table_lock for writing; read without: tables live until the stack ends
 *	a	atomic
 */
struct net_state {
	struct stack *stack; /* c */
	struct depot *depot; /* c */

	struct mutex dev_lock;         /* c: rank DEV; also every device's list of alarms */
	_Atomic(struct netdev *) devs; /* n: linked by netdev->next */
	_Atomic(struct netdev *) lo;   /* n: the first device with NETDEV_LOOPBACK */
	uint32_t last_ifindex;         /* n */

	const struct net_proto *proto[NET_PROTO_MAX];   /* r */
	unsigned nproto;                                /* r */
	netdev_notify_fn *notify[NET_NOTIFY_MAX];       /* r */
	unsigned nnotify;                               /* r */
	void (*reclaim[RECLAIM_MAX])(struct stack *st); /* r */

	struct mutex capture_lock; /* c: a leaf; every device's list of captures */

	struct mutex table_lock; /* c: a leaf */
	_Atomic(struct ifaddr_table *)
	    addrs; /* t: every device's addresses, sorted: net/ifaddr.c */

	_Atomic(struct netdev_queue *) busy; /* a: which a thread last read from: that may be led */

	_Atomic uint64_t drops[DROP_MAX]; /* a */
};

/* --- memory: net/depot.c -------------------------------------------------------------------------
 */

#define PIECE_HEAD 64u /* struct piece: payload begins on a cache line of its own */

enum depot_class { DEPOT_PKBUF, DEPOT_SMALL, DEPOT_MID, DEPOT_LARGE, DEPOT_CLASSES };

/* Who asks: how much of the bound is left alone. */
enum depot_need {
	DEPOT_DATA,   /* what programs send: stops first */
	DEPOT_RX,     /* reading a device */
	DEPOT_HEADER, /* a bare header part: the means to acknowledge and to close, up to the bound
		       */
	DEPOT_NEEDS,
};

/* As piece_alloc(), for what a device is read into: goes on where programs have to stop. */
struct piece *piece_alloc_rx(struct stack *st, uint32_t size);
/* One object of a class, uninitialised, for the thread whose slot s is; NULL: the bound is reached. */
void *depot_take(struct slot *s, enum depot_class c, enum depot_need need);
void depot_give(struct slot *s, enum depot_class c, void *p);

/* Empty, as pkbuf_alloc() makes it; its notes are left. */
static inline void pkbuf_reset(struct pkbuf *b, struct stack *st, unsigned head)
{
	memset(b, 0, offsetof(struct pkbuf, cb));
	b->stack = st;
	b->head = b->tail = b->l2 = b->l3 = b->l4 = b->csum_start = (uint16_t)head;
	b->pinned = sizeof(*b);
}

/* As pkbuf_add_piece(), with the caller's reference: a piece that b does not have yet, and a slot is free. */
void pkbuf_give_piece(struct pkbuf *b, struct piece *p, uint32_t off, uint32_t len);
/* Appends n bytes of `from`, at `off` from its front, sharing nothing.  0 or -ENOMEM. */
int pkbuf_append_copy(struct pkbuf *b, const struct pkbuf *from, uint32_t off, uint32_t n);

/* --- devices: net/netdev.c -----------------------------------------------------------------------
 */

/* The two steps of a device's end: queues and driver; memory (netdev_free()). */
void netdev_close(struct netdev *dev);
/* What has come up and is not in the device's counters yet. */
struct rx_sum {
	uint32_t frames;
	uint64_t bytes;
};
/* As netdev_rx(), but counts into *sum: for frames that were read together. */
void netdev_rx_sum(struct netdev *dev, struct pkbuf *b, struct rx_sum *sum);
/* The last step of netdev_tx(), of a frame that was held; consumes b.  As ops->xmit. */
int netdev_tx_held(struct netdev *dev, struct pkbuf *b);

/*
 * An alarm that a device's netdev thread runs (a lab: the world).  Drivers and netem embed it; it
 * may be added while the thread runs.
 *
 * LOCKING
 *	n	the net state's dev_lock
 */
struct netdev_alarm {
	struct alarm alarm;
	struct netdev_alarm *next; /* n: on dev->alarms */
};

void netdev_alarm_add(struct netdev *dev, struct netdev_alarm *a, void (*fire)(void *arg),
		      void *arg);
void netdev_alarm_del(struct netdev *dev, struct netdev_alarm *a); /* on return it does not fire */
/*
 * For net/interrupt.c: the thread of queue 0 takes the device's alarms over before its first
 * env_thread_run_alarms(), and with NULL leaves them when it ends.  Sets queue[0].reader.
 */
void netdev_alarms_adopt(struct netdev *dev, struct waiter *w);

/*
 * Reading and writing, but no points of cancellation: a thread must not end with a queue's word, and to
 * allow it costs more than the rest of the call in user space.  ThreadSanitizer has to see them, for what
 * happened before a write happened before its read.  One part goes by the calls for one, which are cheaper in the kernel.
 */
#ifdef WEFT_TSAN
#define QUEUE_CALL(call, ...) call(__VA_ARGS__)
#else
#define QUEUE_CALL(call, ...) syscall(SYS_##call, __VA_ARGS__)
#endif

static inline ssize_t queue_readv(int fd, const struct iovec *iov, int n)
{
	if (n == 1)
		return QUEUE_CALL(read, fd, iov->iov_base, iov->iov_len);
	return QUEUE_CALL(readv, fd, iov, n);
}

static inline ssize_t queue_writev(int fd, const struct iovec *iov, int n)
{
	if (n == 1)
		return QUEUE_CALL(write, fd, iov->iov_base, iov->iov_len);
	return QUEUE_CALL(writev, fd, iov, n);
}

/* --- what passes: net/traffic.c ------------------------------------------------------------------
 */

bool traffic_init(struct netdev *dev); /* false: no memory */
void traffic_fini(struct netdev *dev);
/* `packets` says which way. */
void traffic_count(struct netdev *dev, enum netdev_traffic packets, uint32_t frames,
		   uint64_t bytes);

/* --- who reads a queue: net/lead.c ---------------------------------------------------------------
 */

bool queue_take(struct netdev_queue *q); /* the word; false: another has it */
void queue_give(struct netdev_queue *q);
/* Gives the word to whoever is owed it; false: nobody is, the caller goes on. */
bool queue_hand_over(struct netdev_queue *q);
/* One read and its batch, by the holder of the word; as netdev_poll(). */
int queue_read(struct netdev_queue *q, int max);
/* Calls a leader off and returns when there is none; q->stop keeps others from it. */
void queue_evict(struct netdev_queue *q);

/* --- frames that go together: net/hold.c ---------------------------------------------------------
 */

void hold_init(struct hold *h);
/* The calling thread has n events to see to; what it holds goes. */
void hold_begin(struct stack *st, int n);
/* Keeps b back, of a thread that may; false: b is to go now. */
bool hold_frame(struct netdev *dev, struct pkbuf *b);
/* Writes what is held, by whichever thread: inside a batch or with no lock held. */
void hold_flush(struct netdev *dev);

/* --- addresses: net/ifaddr.c ---------------------------------------------------------------------- */

void ifaddr_free_all(struct netdev *dev); /* no notice to anybody */
void ifaddr_tables_free(struct net_state *net);

/* --- capture and netem ---------------------------------------------------------------------------
 */

/* True when somebody captures on dev: one relaxed load on the way of each packet. */
static inline bool netdev_captured(struct netdev *dev)
{
	return atomic_load_explicit(&dev->captures, memory_order_relaxed) != NULL;
}

/*
 * net/netem.c, made by netem_set(): passes what is due on by netdev_rx_link() or netdev_tx_xmit(),
 * in a batch of its own.  Whether it is on: netem_is_on(); off, a packet goes past it.  netem_in()
 * serves both directions: a netem knows its own.
 */
bool netem_is_on(const struct netem *n);
