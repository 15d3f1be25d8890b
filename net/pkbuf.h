/*
 * net/pkbuf.h - the packet buffer.
 *
 * A pkbuf has a header part of its own with headroom, and references to payload pieces that it may
 * share.  The bytes of a piece are never written again once a pkbuf refers to them (the owner of a
 * send queue may append behind them under its sock's lock; netem copies before it corrupts).  A
 * clone is a new header part over the same pieces, so a retransmission's new header cannot reach
 * the copy that waits in netem, a capture or a hold queue.
 *
 * A pkbuf has one holder at a time, who passes it on or ends it: pkbuf_free() when it has served,
 * pkbuf_drop() with a reason when it has not.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "lib/drop_reason.h"
#include "lib/ipaddr.h"

struct stack;
struct netdev;
struct slot;
struct txstamp;

#define PKBUF_HDR 256 /* header part, bytes */
#define PKBUF_RX_HEAD                                                                              \
	32 /* a received frame begins here: room to put a longer link header before it */
#define PKBUF_RX_LINEAR (PKBUF_HDR - PKBUF_RX_HEAD) /* bytes of it that the header part holds */
#define PKBUF_TX_HEAD 144 /* a packet to send begins here: 14 + 60 + 60 bytes fit before it */
#define PKBUF_FRAGS 16    /* 64 KB in 16 KB pieces, or a batch of wire frames joined */
#define PKBUF_MAX 65549   /* 65535 + 14: largest frame carried */

/*
 * Payload bytes shared by reference; from the stack's depot, in three sizes, or lent by a program that waits
 * (net/landing.h).
 *
 * LOCKING
 *	a	atomic		c	constant after creation
 */
struct piece {
	struct stack *stack;   /* c */
	uint8_t *data;         /* c */
	_Atomic uint32_t refs; /* a */
	uint32_t size;         /* c: usable bytes */
	uint8_t class;         /* c: enum depot_class */
};
#define PIECE_SMALL 2048u  /* one wire frame */
#define PIECE_MID 16384u   /* a stretch of a send queue */
#define PIECE_LARGE 65600u /* a received super-frame, as it is read */

/* At least `size` usable bytes (at most PIECE_LARGE); NULL: no memory. */
struct piece *piece_alloc(struct stack *st, uint32_t size);
struct piece *piece_get(struct piece *p);
void piece_put(struct piece *p);
uint8_t *piece_data(struct piece *p);
uint32_t piece_size(const struct piece *p); /* usable bytes */
bool piece_is_shared(const struct piece *p);

struct frag {
	struct piece *piece;
	uint32_t off, len;
};

/* Who still has to put the transport checksum right. */
enum pkbuf_csum {
	CSUM_NONE, /* received: not checked yet; sent: complete */
	/*
	 * The field holds the folded pseudo header sum, and csum_start to the end is owed.  On a
	 * received packet: its sender is local (lo, a veth, the host's end of a TAP), no wire was between, so it counts
	 * as verified; or it was joined of verified ones (net/gro.c).  Whoever shows or forwards it has what
	 * pkbuf_csum_finish() needs.
	 */
	CSUM_PARTIAL,
	CSUM_VERIFIED, /* received: the device vouches for it */
};

enum pkbuf_gso {
	GSO_NONE,
	GSO_TCP4,
	GSO_TCP6,
	GSO_UDP4, /* datagrams of one sender's call, received by a packet device: netdev_rx() cuts them */
	GSO_UDP6,
};

enum pkbuf_kind {
	PKBUF_PACKET,
	PKBUF_ERROR, /* an ICMP error on a sock's backlog; cb holds struct sock_err */
	PKBUF_STAMP, /* likewise when a packet of the sock's was sent (ip/inet_stamp.c) */
};

/* What the link destination of a received frame was. */
enum pkbuf_cast {
	PKBUF_HOST,
	PKBUF_BROADCAST,
	PKBUF_MULTICAST,
	PKBUF_OTHERHOST,
	PKBUF_LOOPED, /* came back by the loop device */
};

/*
 * LOCKING: one holder; no locks.  Offsets l2, l3, l4 and csum_start index hdr[] and stay right when
 * the front moves; len counts from head on, over the header part and the frags.
 */
struct pkbuf {
	struct pkbuf *next; /* on the queue that holds it */
	struct stack *stack;
	struct netdev *dev;         /* received from, or going out by */
	struct netdev *looped_from; /* of a copy for ourselves: what the packet itself left by */
	struct txstamp *txstamp; /* who wants to know when it goes (net/txstamp.h); NULL: nobody */
	uint64_t stamp;          /* ns, when it was received or sent; 0: not known */
	uint32_t len;            /* bytes from head to the end */
	uint32_t pinned;     /* bytes of memory it keeps from others: what accounts charge; trimming
			      * does not lower it, so that a charge can be taken back as it was made */
	uint16_t head, tail; /* header part in use: hdr[head..tail) */
	uint16_t l2, l3, l4; /* offsets into hdr[] */
	uint16_t csum_start; /* offset into hdr[]; CSUM_PARTIAL */
	uint16_t csum_off;   /* of the field, from csum_start */
	uint16_t gso_size;   /* payload bytes of each segment but the last; 0: one segment */
	uint8_t gso_type;    /* enum pkbuf_gso */
	uint8_t csum;        /* enum pkbuf_csum */
	uint8_t kind;        /* enum pkbuf_kind */
	uint8_t cast;        /* enum pkbuf_cast */
	uint8_t nfrag;
	/* Set by ip_in for the rooms above, so that they need not know the family. */
	uint8_t proto, ttl, tos;
	bool forwarded;  /* routed for another host: its TTL was taken down */
	bool netem_done; /* has passed its device's netem */
	bool landed;     /* its payload is lent by a program: net/landing.h */
	bool wide;       /* set by ip_in: it came to a group or a broadcast address */
	uint32_t mark;
	struct ip_addr src, dst;
	/*
	 * A room's own notes while it holds the packet: a struct of its own, with a static assert.  Whatever
	 * the last packet there had, until a room writes them.
	 */
	union {
		uint8_t cb[64];
		uint64_t cb_align;
	};
	struct frag frag[PKBUF_FRAGS];
	uint8_t hdr[PKBUF_HDR];
};

/* --- making and ending ------------------------------------------------------------------------ */

/* Empty, head = tail = `head` (PKBUF_TX_HEAD or PKBUF_RX_HEAD).  NULL: no memory. */
struct pkbuf *pkbuf_alloc(struct stack *st, unsigned head);
void pkbuf_free(struct pkbuf *b);
/* Ends b, counts `why` and traces it. */
void pkbuf_drop(struct pkbuf *b, enum drop_reason why);
void pkbuf_count_drop(struct stack *st, enum drop_reason why);
uint64_t pkbuf_drops(struct stack *st, enum drop_reason why);
/* A copy with its own header part over the same pieces, but for what a program lends. */
struct pkbuf *pkbuf_clone(const struct pkbuf *b);
/* A copy that shares nothing, in the memory of `st` (another stack's too). */
struct pkbuf *pkbuf_copy(struct stack *st, const struct pkbuf *b);

/* --- the front and the end -------------------------------------------------------------------- */

static inline uint8_t *pkbuf_data(struct pkbuf *b)
{
	return b->hdr + b->head;
}
static inline unsigned pkbuf_linear(const struct pkbuf *b)
{
	return (unsigned)(b->tail - b->head);
}
static inline unsigned pkbuf_headroom(const struct pkbuf *b)
{
	return b->head;
}
/* Bytes that pkbuf_append() puts into the header part, which needs no memory. */
static inline unsigned pkbuf_tailroom(const struct pkbuf *b)
{
	return b->nfrag ? 0 : PKBUF_HDR - (unsigned)b->tail;
}
/* pkbuf_pull() and pkbuf_trim_front() of more than the header part has. */
uint8_t *pkbuf_pull_frags(struct pkbuf *b, unsigned n);
void pkbuf_trim_frags(struct pkbuf *b, uint32_t n);

/* Makes the first n bytes contiguous and writable in the header part.  NULL: b is shorter, or n too
 * large. */
static inline uint8_t *pkbuf_pull(struct pkbuf *b, unsigned n)
{
	return n <= pkbuf_linear(b) ? pkbuf_data(b) : pkbuf_pull_frags(b, n);
}
/* Puts n bytes of room before the front (asserted to fit) and returns them. */
uint8_t *pkbuf_push(struct pkbuf *b, unsigned n);
/* Takes n bytes off the front, from the header part and then from the frags. */
static inline void pkbuf_trim_front(struct pkbuf *b, uint32_t n)
{
	if (n > pkbuf_linear(b)) {
		pkbuf_trim_frags(b, n);
		return;
	}
	b->head = (uint16_t)(b->head + n);
	b->len -= n;
}

/* pkbuf_trim_to() of what is longer. */
void pkbuf_trim_end(struct pkbuf *b, uint32_t len);
/* Shortens to len bytes. */
static inline void pkbuf_trim_to(struct pkbuf *b, uint32_t len)
{
	if (len < b->len)
		pkbuf_trim_end(b, len);
}

/* --- payload ---------------------------------------------------------------------------------- */

/* Appends a reference (takes its own).  False: no frag slot left. */
bool pkbuf_add_piece(struct pkbuf *b, struct piece *p, uint32_t off, uint32_t len);
/* Appends a copy of n bytes: to the header part's tail if all fit there, else to pieces.  0 or
 * -ENOMEM. */
int pkbuf_append(struct pkbuf *b, const void *data, uint32_t n);
/* The same from the first n bytes of iov[], skipping `skip` first. */
int pkbuf_append_iov(struct pkbuf *b, const struct iovec *iov, int niov, size_t skip, uint32_t n);
/* Appends n bytes of `from`, at `off` from its front, by reference where they lie in pieces. */
int pkbuf_append_from(struct pkbuf *b, const struct pkbuf *from, uint32_t off, uint32_t n);
/* Copies n bytes at `off` from the front out.  Both must lie inside. */
void pkbuf_read(const struct pkbuf *b, uint32_t off, void *to, uint32_t n);
/* Fills iov[] with every byte (at most 1 + PKBUF_FRAGS entries); returns how many. */
int pkbuf_iov(struct pkbuf *b, struct iovec *iov);
/* Makes every piece this pkbuf's own, so that payload may be written.  0 or -ENOMEM. */
int pkbuf_unshare(struct pkbuf *b);
/* Likewise of what a program lends, for whoever puts a received packet aside.  0 or -ENOMEM. */
int pkbuf_settle_landed(struct pkbuf *b);
static inline int pkbuf_settle(struct pkbuf *b)
{
	return b->landed ? pkbuf_settle_landed(b) : 0;
}
/* Writes one byte; the pkbuf must be unshared. */
void pkbuf_poke(struct pkbuf *b, uint32_t off, uint8_t value);

/* --- checksum and segments -------------------------------------------------------------------- */

/* Partial sum over n bytes at `off` from the front, added to `sum`. */
uint64_t pkbuf_csum(const struct pkbuf *b, uint32_t off, uint32_t n, uint64_t sum);
/* Finishes CSUM_PARTIAL in software: for another device, a fragmenter, netem, a capture, a raw
 * socket. */
void pkbuf_csum_finish(struct pkbuf *b);
/*
 * The longest IP datagram this packet becomes on a wire, in bytes from l3: its own length, or
 * headers + gso_size.  What an MTU is compared with.
 */
uint32_t pkbuf_wire_len(const struct pkbuf *b);

/* --- queues: no lock of their own ------------------------------------------------------------- */

struct pkq {
	struct pkbuf *head, **tail;
	uint32_t count, bytes; /* bytes: sum of len */
};

void pkq_init(struct pkq *q);
void pkq_add(struct pkq *q, struct pkbuf *b);
/* All of `from` behind what `to` has; `from` is empty then. */
void pkq_join(struct pkq *to, struct pkq *from);
struct pkbuf *pkq_take(struct pkq *q);
void pkq_free(struct pkq *q);

/* --- the depot -------------------------------------------------------------------------------- */

/* The stack's packet memory, bounded by sysctl net.weft.mem_limit; st->net->depot. */
struct depot;
struct depot *depot_create(struct stack *st);
void depot_destroy(struct depot *d);
/* True when less than an eighth of the bound is left: windows stop growing, rooms reclaim. */
bool depot_pressure(struct stack *st);
/* Bytes of it that are in use, what threads have at hand counted. */
uint64_t depot_used(struct stack *st);
/*
 * What a queue that may hold `want` bytes should hold now: all of it while half of the bound is free,
 * then less and less, nothing from three quarters on.  So those who queue leave room for others.
 */
uint32_t depot_share(struct stack *st, uint32_t want);
/*
 * How much one queue of received packets may hold: anything without pressure, else at most `want`,
 * and nothing once only the reserve for reading devices is left: packets for others must get in.
 */
uint32_t depot_share_rx(struct stack *st, uint32_t want);
uint64_t depot_bytes(struct stack *st); /* taken from the system, caches included */
/*
 * Under pressure a batch's end calls the registered functions by rank until it is relieved:
 * out-of-order data first, then fragments.  Never acknowledged bytes.
 */
enum reclaim_rank { RECLAIM_OFO, RECLAIM_FRAGMENTS, RECLAIM_MAX };
void depot_reclaim_register(struct stack *st, enum reclaim_rank rank, void (*fn)(struct stack *st));
