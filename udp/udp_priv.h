/* udp/udp_priv.h - what the files of this room share. */
#pragma once
#include "ip/inet_dgram.h"
#include "ip/inet_hash.h"
#include "udp/udp.h"

/* LOCKING: constant after creation; the table has locks of its own. */
struct udp_state {
	struct inet_table *table;
};

extern const struct ip_proto udp_proto;

void udp_in(struct pkbuf *b);
void udp_err(const struct ip_err *e);
void udp_backlog_in(struct sock *sk, struct pkbuf *b);
/* A line of `debug udp`; b begins with the header. */
void udp_debug(const struct pkbuf *b, const char *way, const struct ip_addr *src,
	       const struct ip_addr *dst);
ssize_t udp_send(struct sock *sk, struct sock_msg *m);
/* Gives an unbound sock a port, as the first send or connect does. */
int udp_autobind(struct sock *sk);
/* The sock's path is let go: to its peer, or to whom it sent last. */
void udp_forget_path(struct sock *sk);
/* The unspecified address means this host (RFC 1122, 3.2.1.3; Linux, BSD). */
static inline struct ip_addr udp_dst(const struct ip_addr *a)
{
	return ip_addr_is_any(a) ? ip_addr_loop4 : *a;
}
