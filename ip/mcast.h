/*
 * ip/mcast.h - groups: which of them this host is in, on which device, and for whom (RFC 1112, 7).
 *
 * The table counts the socks that are in a group; mcast_sock.c keeps what each sock has asked for,
 * igmp.c tells the routers.
 */
#pragma once
#include "ip/inet_sock.h"
#include "lib/timer.h"

struct stack;
struct mcast_link;

/*
 * One group on one device.  A timer that is armed or about to fire keeps it in memory.
 *
 * LOCKING
 *	c	constant after creation		m	mcast_state.lock
 */
struct mcast_group {
	struct mcast_group *next; /* m */
	struct mcast_link *link;  /* c */
	struct ip_addr addr;      /* c */
	unsigned users;           /* m: socks in it; 0: off the list */
	/* igmp.c's (RFC 2236, 6) */
	struct timer timer;   /* c: the wheel's own lock guards the inside */
	unsigned timer_refs;  /* m: armings that have not ended */
	uint64_t due;         /* m: ns, when a report goes; 0: none is due */
	unsigned unsolicited; /* m: reports still to be sent unasked */
	bool reporter;        /* m: our report was the last of the group */
};

/*
 * What the host knows of one device's groups.
 *
 * LOCKING
 *	c	constant after creation		m	mcast_state.lock
 */
struct mcast_link {
	struct mcast_link *next;    /* m */
	struct netdev *dev;         /* c */
	struct mcast_group *groups; /* m */
	uint64_t v1_until;          /* m: ns: a router of IGMPv1 was heard (RFC 2236, 4) */
};

/*
 * LOCKING
 *	c	constant after creation		m	lock
 */
struct mcast_state {
	struct stack *stack;      /* c */
	struct mutex lock;        /* c: rank NEIGH; the timer wheel is a leaf under it */
	struct mcast_link *links; /* m: made at first need, kept until the stack ends */
};

struct mcast_state *mcast_state_create(struct stack *st);
void mcast_state_destroy(struct mcast_state *s); /* no sock is in a group any more */

/* One more sock is in it, one less.  Inside a batch: reports go out.  0 or -ENOBUFS. */
int mcast_join(struct netdev *dev, const struct ip_addr *group);
void mcast_leave(struct netdev *dev, const struct ip_addr *group);
/* Does the host take what comes to a group by dev?  Of all hosts it always does. */
bool mcast_is_member(struct netdev *dev, const struct ip_addr *group);
/* Found, or made where `make`; NULL: none. */
struct mcast_link *mcast_link_find(struct mcast_state *s, struct netdev *dev, bool make)
    REQUIRES(s->lock);
struct mcast_group *mcast_group_find(struct mcast_link *l, const struct ip_addr *group);
int mcast_notify(struct netdev *dev, enum netdev_event ev, const struct ifaddr *a);

/* --- mcast_sock.c: with the sock's lock held ---------------------------------------------------- */

/* IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, IP_MULTICAST_IF.  -ENOPROTOOPT: not one of them. */
int mcast_sock_setopt(struct sock *sk, int name, const void *v, socklen_t n);
int mcast_sock_getopt(struct sock *sk, int name, void *v, socklen_t *n);
/* close(): out of every group.  Inside a batch. */
void mcast_sock_leave_all(struct sock *sk);
/* Is what came to b's group for sk? */
bool mcast_sock_wants(const struct sock *sk, const struct pkbuf *b);

/* --- igmp.c ------------------------------------------------------------------------------------- */

extern const struct ip_proto igmp_proto;
/* What a group becomes, decided under the lock, and what is then sent without it. */
struct igmp_send {
	struct netdev *dev; /* NULL: nothing */
	struct ip_addr group;
	uint8_t type;
};
void igmp_group_init(struct mcast_group *g);
struct igmp_send igmp_group_joined(struct mcast_state *s, struct mcast_group *g) REQUIRES(s->lock);
/* Reported anew, soon. */
void igmp_group_again(struct mcast_state *s, struct mcast_group *g) REQUIRES(s->lock);
/* g is off the list; frees it, or lets its timer do so. */
struct igmp_send igmp_group_left(struct mcast_state *s, struct mcast_group *g) REQUIRES(s->lock);
void igmp_send(const struct igmp_send *m);
