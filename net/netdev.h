/*
 * net/netdev.h - devices, and the two ways through one.
 *
 * Up: netdev_rx() counts, shows the packet to captures, passes it through netem and hands it to the
 * link layer.  Down: netdev_tx() does the same towards ops->xmit, cutting what the device cannot
 * carry.  A device lives until its stack ends: who holds a pointer to one needs no reference.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/batch.h"
#include "lib/lock.h"
#include "lib/wire/ether.h"
#include "net/pkbuf.h"

#define NETDEV_NAME 16
/* What is read together at most, so that it is still in cache when the program copies it. */
#define NETDEV_BATCH_BYTES (256u << 10)

/* What the device does for its sender. */
#define NETDEV_F_CSUM 1u /* takes CSUM_PARTIAL */
#define NETDEV_F_TSO4 2u /* takes GSO_TCP4 */
#define NETDEV_F_TSO6 4u
#define NETDEV_F_ALL 7u
#define NETDEV_F_BIG 8u /* takes GSO_TCP4 of more than 64 KB, for who has the link address `host` */

/* Linux's IFF_ words. */
#define NETDEV_UP 1u
#define NETDEV_LOOPBACK 2u
#define NETDEV_BROADCAST 4u
#define NETDEV_NOARP 8u
#define NETDEV_POINTOPOINT 16u
#define NETDEV_PROMISC 32u
#define NETDEV_NOCARRIER 0x10000u /* the interface below is down, or nothing is at its other end */

struct netdev;
struct netem;
struct netdev_alarm;
struct ifaddr;
struct capture;

/* Who reads a queue: only the holder of the word does.  Taken by CAS. */
enum { QUEUE_VACANT, QUEUE_LED };

/*
 * LOCKING
 *	c	constant after creation		a	atomic		h	the holder of `word`
 *	s	the one thread that starts and stops the device's threads
 *	t	the queue's netdev thread
 */
struct netdev_queue {
	struct netdev *dev;              /* c */
	_Atomic uint32_t word;           /* a: QUEUE_VACANT or QUEUE_LED */
	int fd;                          /* c: kernel descriptor to poll, -1: none */
	void *priv;                      /* h: the driver's, for the next read */
	_Atomic(struct waiter *) reader; /* a: the netdev thread's waiter */
	_Atomic(struct waiter *) leader; /* a: of the program's thread that leads; NULL: none */
	_Atomic uint32_t turn;           /* a: how often the word was given back, by its holder */
	_Atomic int owed;                /* a: hot sleepers that were woken and are not back yet */
	_Atomic int hot;                 /* a: hot sleepers */
	_Atomic bool standby;            /* a: the netdev thread sleeps until a leader has gone */
	_Atomic bool called;             /* a: nobody will lead, the netdev thread is to read */
	bool bulk;                       /* h: the last frame was a large one */
	uint64_t read_at;                /* h: ns: when frames were read last */
	unsigned burst;                  /* h: frames that the leader's next read may bring */
	uint8_t alone, patience;         /* h: when it may bring a second one: net/lead.c */
	_Atomic bool stop;               /* a: the thread is to end */
	pthread_t thread;                /* s: valid while running */
	bool running;                    /* s: netdev_threads_start() to netdev_threads_stop() */
	bool tells_link;                 /* t: polls the device's link_fd too */
	uint64_t grace;     /* t: ns: when the netdev thread sees to it; 0: not standing by */
	uint32_t turn_seen; /* t: since when */
	bool led_seen;      /* t: likewise */
};

struct netdev_ops {
	const char *kind; /* required: "tap", "tun", "packet", "loop", "veth" */
	/*
	 * Required for a queue with a descriptor: reads at most max frames, and no more once
	 * NETDEV_BATCH_BYTES were read; never blocks.  Returns how many; -EAGAIN: none; other
	 * -errno: the device is lost.
	 */
	int (*rx)(struct netdev_queue *q, struct pkq *out, int max);
	/* Required: consumes b.  0 or -errno (counted as tx error). */
	int (*xmit)(struct netdev *dev, struct pkbuf *b);
	int (*set_mtu)(struct netdev *dev, uint32_t mtu); /* optional */
	/*
	 * Optional, with a link_fd: reads what it tells, or takes the error of a queue's
	 * descriptor, in a batch.  -errno: the device is lost.
	 */
	int (*link)(struct netdev *dev);
	void (*stats)(struct netdev *dev); /* optional: adds to dev->stats what the kernel counts */
	void (*close)(struct netdev *dev); /* optional: threads are joined by then */
};

/*
 * Small frames that wait for others to go with: net/hold.c.
 *
 * LOCKING
 *	c	constant after creation		l	lock		a	atomic
 */
struct hold {
	struct mutex lock;      /* c: a leaf */
	struct pkq frames;      /* l */
	_Atomic uint32_t count; /* a: how many, changed under the lock */
	_Atomic bool refused;   /* a: the device has had no room for one */
};

/* The link layer of a device: Ethernet, or none (a tun carries bare IP). */
struct link_ops {
	uint8_t hlen; /* bytes before l3 */
	void (*in)(struct pkbuf *b);
	/* b's front is l3; `to`: link address of the next hop (ETHER_ALEN bytes; ignored without
	 * one). */
	int (*out)(struct pkbuf *b, const uint8_t *to, uint16_t type);
};
extern const struct link_ops ether_link, raw_link;

struct netdev_stats {
	_Atomic uint64_t rx_errors, rx_dropped;
	_Atomic uint64_t tx_errors, tx_dropped;
};

/* What passes, counted in net/traffic.c: of each way packets, and their bytes behind it. */
enum netdev_traffic {
	NETDEV_RX_PACKETS,
	NETDEV_RX_BYTES,
	NETDEV_TX_PACKETS,
	NETDEV_TX_BYTES,
	NETDEV_TRAFFIC,
};

/*
 * LOCKING
 *	c	constant after creation		a	atomic
 *	i	addr_lock			n	the net state's device list lock
 */
struct netdev {
	char name[NETDEV_NAME];       /* c */
	uint32_t ifindex;             /* c: from 1 on */
	const struct netdev_ops *ops; /* c */
	const struct link_ops *link;  /* c */
	struct stack *stack;          /* c */
	void *priv;                   /* c: the driver's */
	_Atomic uint32_t flags;       /* a */
	_Atomic uint32_t mtu;         /* a: bytes of an IP datagram */
	uint32_t features;            /* c */
	uint8_t mac[ETHER_ALEN];      /* c */
	uint8_t host[ETHER_ALEN];     /* c: NETDEV_F_BIG */
	struct netdev_stats stats;    /* a */
	struct traffic *traffic;      /* c: where to; net/traffic.c */
	_Atomic bool lost;            /* a: a queue has found that it is gone */
	int link_fd;                  /* c: readable when the link below changes; -1: none */
	struct mutex addr_lock;       /* c: rank IFADDR */
	struct ifaddr *addrs;         /* i */
	_Atomic(struct netem *) netem_in,
	    netem_out;                      /* a: made at first use, kept until the device ends */
	_Atomic(struct capture *) captures; /* a: head; list under the net state's capture lock */
	unsigned nqueue;                    /* c */
	struct netdev_queue *queue;         /* c: nqueue of them */
	struct netdev_alarm *alarms;        /* n: net/net_priv.h */
	_Atomic(struct netdev *) next;      /* n to write: the list grows at its end only */
	struct hold hold;                   /* its own lock; apart from what every sender reads */
};

/* A protocol above the link layer.  Registered once, by socket/stack.c. */
struct net_proto {
	uint16_t type;               /* EtherType, host byte order */
	void (*in)(struct pkbuf *b); /* required: front and l3 are at its header; consumes b */
};

/* What other rooms want to know of devices and addresses. */
enum netdev_event {
	NETDEV_EV_UP,
	NETDEV_EV_DOWN,
	NETDEV_EV_MTU,
	NETDEV_EV_LINK, /* NETDEV_NOCARRIER has changed */
	NETDEV_EV_LOST, /* it will not be read again */
	NETDEV_EV_ADDR_ADD,
	NETDEV_EV_ADDR_DEL,
};
/* -ENOMEM takes an address back that was added; 0. */
typedef int netdev_notify_fn(struct netdev *dev, enum netdev_event ev, const struct ifaddr *a);

struct net_state *net_state_create(struct stack *st); /* with its depot; sets st->net */
void net_state_destroy(struct stack *st);             /* closes every device */
void net_proto_register(struct stack *st, const struct net_proto *p);
void netdev_notify_register(struct stack *st, netdev_notify_fn *fn);
/* 0 or the first error of them. */
int netdev_notify(struct netdev *dev, enum netdev_event ev, const struct ifaddr *a);

/* Makes a device, down, with nqueue queues (fd -1); the driver fills in the rest, then
 * netdev_register(). */
struct netdev *netdev_alloc(struct stack *st, const char *name, const struct netdev_ops *ops,
			    const struct link_ops *link, unsigned nqueue);
int netdev_register(struct netdev *dev); /* -EEXIST: name taken */
void netdev_free(struct netdev *dev);    /* of one that was not registered */
struct netdev *netdev_by_name(struct stack *st, const char *name);
struct netdev *netdev_by_index(struct stack *st, uint32_t ifindex);
struct netdev *netdev_next(struct stack *st, struct netdev *dev); /* NULL: the first */
void netdev_up(struct netdev *dev);
void netdev_down(struct netdev *dev);
int netdev_set_mtu(struct netdev *dev,
		   uint32_t mtu); /* -ERANGE: below 68 or over 65535; or the driver's */
void netdev_set_link(struct netdev *dev, bool carrier);
void netdev_stats_update(struct netdev *dev); /* with what only the kernel knows */
uint64_t netdev_traffic(const struct netdev *dev, enum netdev_traffic which);

/* Both consume b, inside a batch.  An -errno: nothing of b went; -ENOBUFS: the device's queue is full. */
void netdev_rx(struct netdev *dev, struct pkbuf *b);
int netdev_tx(struct netdev *dev, struct pkbuf *b);
/* Their second halves, behind netem: for net/netem.c. */
void netdev_rx_link(struct netdev *dev, struct pkbuf *b);
int netdev_tx_xmit(struct netdev *dev, struct pkbuf *b);

/* net/ether.c: the link header; drops what is not for us. */
void ether_in(struct pkbuf *b);
int ether_out(struct pkbuf *b, const uint8_t *to, uint16_t type);
/* Hands b, front at l3, to the registered protocol of `type`. */
void net_proto_in(struct pkbuf *b, uint16_t type);
extern const uint8_t ether_broadcast[ETHER_ALEN];
/* In place of all zero: a local unicast address (IEEE 802, 8.2), at random. */
void ether_mac_fill(struct stack *st, uint8_t *mac);

/*
 * net/interrupt.c: the netdev threads, one a queue, and the reader's word.  start: 0 or -errno with
 * none running; in a lab there is nothing to start.  stop wakes and joins them.
 */
int netdev_threads_start(struct netdev *dev);
void netdev_threads_stop(struct netdev *dev);
/*
 * One read and one batch of a queue, under its word; also what tests call.  Frames read (at most
 * max); -EAGAIN: none; -EBUSY: another holds the word; other -errno: the device is lost.
 */
int netdev_poll(struct netdev_queue *q, int max);
/*
 * net/lead.c: a blocking call sleeps here, on the waiter of the thread's slot, as env_wait() has it;
 * a thread that is soon back for more may read the device meanwhile.
 */
int netdev_wait(struct stack *st, struct pollfd *fds, int n, uint64_t deadline);
/*
 * The calling thread waits for nothing of its own but works for many others: it leads however long it is away
 * between its waits, and reads a batch at a time.
 */
void netdev_wait_serves(struct stack *st);
/*
 * The calling thread's wait told of n events at once.  With many it may be away for longer and leads all the same, and the
 * small frames that it sends meanwhile may go together (net/hold.c).
 */
void netdev_wait_told(struct stack *st, int n);
/* That is over: it comes to wait again, or to look. */
void netdev_hold_end(struct stack *st);

/* Devices.  Each returns 0 or -errno and registers what it makes. */
int loop_create(struct stack *st, struct netdev **out); /* "lo", 127.0.0.1/8, MTU 65535, up */

struct tap_config {
	const char *name;        /* kernel interface; NULL or "": the kernel chooses */
	bool tun;                /* bare IP instead of Ethernet */
	bool no_offload;         /* no checksum or segmentation offload, either way */
	unsigned queues;         /* 0 or 1: one; more: IFF_MULTI_QUEUE */
	uint8_t mac[ETHER_ALEN]; /* weft's own address; all zero: a random local one */
	uint32_t mtu;            /* 0: 1500 */
	/* of the kernel's end, where it takes super-frames of more than 64 KB; tap_create() finds out */
	uint8_t host[ETHER_ALEN];
};
int tap_create(struct stack *st, const struct tap_config *cfg, struct netdev **out);

/* An interface that the kernel has already: a veth, a NIC. */
struct packet_config {
	const char *name;
	bool no_offload;         /* sends wire frames with checksums; a ring for those that come */
	unsigned queues;         /* 0 or 1: one; more: flows are spread by the kernel */
	uint8_t mac[ETHER_ALEN]; /* weft's own address; all zero: a random local one */
	uint32_t mtu;            /* at most this; 0: the interface's */
};
/* -EPERM without CAP_NET_RAW; -ENODEV; -ENOTSUP: not Ethernet. */
int packet_create(struct stack *st, const struct packet_config *cfg, struct netdev **out);

/* A wire between two stacks (or one) of a process: what one end sends, the other receives. */
struct veth_end {
	struct stack *stack;
	const char *name;
	struct netdev *dev; /* out */
};
int veth_create(struct veth_end *a, struct veth_end *b);

/*
 * net/gso.c: cuts b (front at l2, gso_size set) into wire frames on `out`, checksums finished unless
 * `features` has NETDEV_F_CSUM.  Consumes b.  0, -ENOMEM, or -EINVAL when its headers make no sense;
 * an error leaves nothing on out.  Of UDP only what was received.
 */
int gso_cut(struct pkbuf *b, uint32_t features, struct pkq *out);
