/* ip/raw.h - raw endpoints: every matching one gets a copy of the whole datagram (raw(7)). */
#pragma once
#include "ip/inet_sock.h"

extern const struct sock_ops raw_ops;
/*
 * Once, right after sock_alloc(): which protocol sk receives and sends.  IP_PROTO_RAW only sends,
 * with a header of the program's own.  -EPROTONOSUPPORT: 0.
 */
int raw_open(struct sock *sk, uint8_t proto);
/* ICMP datagram endpoints (icmp(7)), on the list of ICMP's. */
extern const struct sock_ops ping_ops;
void ping_open(struct sock *sk);
/* Gives copies of b (front at l3) to every raw sock of its protocol; does not consume b.  True:
 * somebody took it. */
bool raw_in(struct pkbuf *b);
void raw_err(const struct ip_err *e);
void raw_each(struct stack *st, void (*fn)(struct sock *sk, void *arg), void *arg);
