/*
 * ip/ip_priv.h - what the files of this room share: the stack's ip state and the doors between the
 * stages of input, forwarding and output.
 *
 * Each sub-state belongs to the one file that knows its members: x_state_create() there makes it,
 * ip.c calls them in the order of this struct and ends them in reverse.  Nobody above includes it.
 */
#pragma once
#include <stdatomic.h>

#include "ip/hook.h"
#include "ip/icmp.h"
#include "ip/ip.h"
#include "ip/route.h"
#include "lib/checksum.h"
#include "lib/stack.h"

struct route_state;
struct pmtu_state;
struct reass_state;
struct ip_id_state;
struct redirect_state;
struct icmp_state;
struct raw_state;
struct mcast_state;

/*
 * LOCKING
 *	c	constant after creation
 *	r	registered by socket/stack.c before there are threads, constant then
 *	k	hook_lock to write; walked without
 */
struct ip_state {
	struct stack *stack;                   /* c */
	const struct ip_proto *proto[256];     /* r: by protocol number; NULL: nobody */
	struct mutex hook_lock;                /* c: a leaf */
	_Atomic(struct hook *) hook[HOOK_MAX]; /* k: by priority */
	struct route_state *route;             /* c: route.c */
	struct pmtu_state *pmtu;               /* c: pmtu.c, path MTUs and redirects */
	struct reass_state *reass;             /* c: ip_reass.c */
	struct ip_id_state *id;                /* c: ip_id.c */
	struct redirect_state *redirect;       /* c: ip_redirect.c: whom it has told */
	struct icmp_state *icmp;               /* c: icmp.c: rate limits, watches */
	struct raw_state *raw;                 /* c: raw.c: the list of raw socks */
	struct mcast_state *mcast;             /* c: mcast.c: groups this host is in */
};

/* NULL: no memory.  Called with st->ip set, so they may find each other there. */
struct route_state *route_state_create(struct stack *st);
void route_state_destroy(struct route_state *s);
struct pmtu_state *pmtu_state_create(struct stack *st);
void pmtu_state_destroy(struct pmtu_state *s);
struct reass_state *reass_state_create(struct stack *st);
void reass_state_destroy(struct reass_state *s);
struct ip_id_state *ip_id_state_create(struct stack *st);
void ip_id_state_destroy(struct ip_id_state *s);
struct redirect_state *redirect_state_create(struct stack *st);
void redirect_state_destroy(struct redirect_state *s);
struct icmp_state *icmp_state_create(struct stack *st);
void icmp_state_destroy(struct icmp_state *s);
struct raw_state *raw_state_create(struct stack *st);
void raw_state_destroy(struct raw_state *s);

/* --- ip.c ------------------------------------------------------------------------------------- */

/* Who takes protocol `proto`; NULL: nobody. */
static inline const struct ip_proto *ip_proto_find(struct stack *st, uint8_t proto)
{
	return st->ip->proto[proto];
}

/* The IPv4 header of a packet whose l3 is set and pulled; it stays valid when the front moves. */
static inline const struct ip4_hdr *ip4_hdr(const struct pkbuf *b)
{
	return (const struct ip4_hdr *)(b->hdr + b->l3);
}
static inline struct ip4_hdr *ip4_hdr_edit(struct pkbuf *b)
{
	return (struct ip4_hdr *)(b->hdr + b->l3);
}
static inline bool ip4_is_fragment(const struct ip4_hdr *h)
{
	return be16_get(h->off) & (IP4_MF | IP4_OFFMASK);
}
/* The checksum over a header as it stands: 0 where it is right.  Mostly there are no options to be added. */
static inline uint16_t ip4_csum(const struct ip4_hdr *h)
{
	uint64_t sum = csum_add_words(0, h, IP4_HLEN);

	if (ip4_hdr_len(h) > IP4_HLEN)
		sum = csum_add_words(sum, h + 1, ip4_hdr_len(h) - IP4_HLEN);
	return csum_finish(sum);
}
/* Sets header checksum from scratch. */
void ip4_csum_set(struct ip4_hdr *h);
/* Nobody looks there. */
static inline bool hook_is_empty(const struct stack *st, enum hook_point at)
{
	return !atomic_load_explicit(&st->ip->hook[at], memory_order_relaxed);
}
/* What a held packet becomes when its neighbour does not answer: ICMP host unreachable. */
void ip_unreachable(struct pkbuf *b);

/* --- route.c, path.c, pmtu.c ------------------------------------------------------------------ */

int route_notify(struct netdev *dev, enum netdev_event ev, const struct ifaddr *a);
/* Every cached path is doubted from now on. */
void route_generation_bump(struct stack *st);
/*
 * What an address is to this stack: LOCAL (one of ours, 127/8), BROADCAST (limited, or directed of
 * some device), MULTICAST, else UNICAST.
 */
enum route_type ip_addr_type(struct stack *st, const struct ip_addr *a);
/* The way of a packet that is passed on: as path_get(), but no source, and learnt path MTUs do not
 * count. */
struct path *path_get_forward(struct stack *st, const struct ip_addr *dst, int *err);

/* What is known of one destination. */
struct pmtu_info {
	uint32_t mtu;           /* 0: nothing */
	bool locked;            /* some hop takes less than min_pmtu: DF must stay clear */
	struct ip_addr gateway; /* any: no redirect */
	struct ip_addr via;     /* whose place it takes, and on which device */
	uint32_t ifindex;
};
bool pmtu_lookup(struct stack *st, const struct ip_addr *dst, struct pmtu_info *info);
/* The first hop of a route with a gateway: whom a redirect has put in this one's place, else the route's own. */
static inline struct ip_addr pmtu_first_hop(const struct pmtu_info *info, const struct route *r)
{
	bool redirected = !ip_addr_is_any(&info->gateway) && ip_addr_eq(&info->via, &r->gateway) &&
			  info->ifindex == r->dev->ifindex;

	return redirected ? info->gateway : r->gateway;
}

/* --- ip_opt.c --------------------------------------------------------------------------------- */

/* Where the options of a header stand, as offsets from it; 0: absent. */
struct ip4_opts {
	uint8_t rr, ts, srr, ra;
	uint8_t bad; /* of the byte that is wrong: the pointer of a parameter problem */
};

/* False: malformed, o->bad says where. */
bool ip_opts_parse(const uint8_t *opt, unsigned len, struct ip4_opts *o);
/* Those of a packet on its way through this room. */
static inline struct ip4_opts *ip_opts_of(struct pkbuf *b)
{
	_Static_assert(sizeof(struct ip4_opts) <= sizeof(b->cb), "a room's notes");
	return (struct ip4_opts *)b->cb;
}
/* Fills record route and timestamp in with `own`, as who sends a packet or passes it on must. */
void ip_opts_record(struct pkbuf *b, const struct ip4_opts *o, const struct ip_addr *own);
/* True: b goes on along its source route, to a dst that was taken from there. */
bool ip_opts_next_hop(struct pkbuf *b, const struct ip4_opts *o, const struct ip_addr *own);
/*
 * The options an answer to b carries (RFC 1122, 3.2.2.6): record route and timestamp as they came;
 * ip_out() records the sender of every datagram.  Returns the bytes put into out[IP_OPTIONS_MAX], a
 * multiple of 4.
 */
unsigned ip_opts_answer(const struct pkbuf *b, uint8_t *out);
/* Turns, in place, what fragments after the first must not carry into NOPs (RFC 791, 3.1). */
void ip_opts_not_copied(uint8_t *opt, unsigned len);

/* --- the stages ------------------------------------------------------------------------------- */

/* All but one consume b; front at l3. */
void ip_local_in(struct pkbuf *b);
void ip_forward(struct pkbuf *b);
/* Tells b's sender of the shorter way, if there is one; b goes on.  Does not consume b. */
void ip_redirect(struct pkbuf *b, const struct path *path);
/* A fragment goes in; the whole datagram comes out with its last one, else NULL. */
__attribute__((noinline)) struct pkbuf *ip_reass(struct pkbuf *b);
/* POST_ROUTING, fragments of at most mtu where need be, and the neighbour.  0 or -errno. */
int ip_finish(struct pkbuf *b, struct path *path, uint32_t mtu);
/*
 * Cuts b into fragments of at most mtu bytes on `out`.  Consumes b.  0 or -ENOMEM (nothing on out).
 */
int ip_fragment(struct pkbuf *b, uint32_t mtu, struct pkq *out);

/*
 * The first of n consecutive identifications for a datagram that may be fragmented (RFC 6864, 4.3;
 * RFC 7739, 5.3): by source, destination and protocol, not to be guessed by others.
 */
uint16_t ip_id_next(struct stack *st, const struct ip_addr *src, const struct ip_addr *dst,
		    uint8_t proto, unsigned n);
/* The same for b's notes and path, which belongs to one sender: hashed once; df: it may not be cut. */
uint16_t ip_id_by(struct path *path, const struct pkbuf *b, unsigned n, bool df);
/*
 * ip_out() without options, by PMTUDISC_WANT and no larger than a datagram may be, to one host by path: what the header
 * says is in b's notes, b's mark and stamp are set.
 */
int ip_out_noted(struct pkbuf *b, struct path *path);
