/*
 * tests/harness/inet_lab.h - socks of a protocol that does nothing, for the tables of ports and
 * connections.
 */
#pragma once
#include "ip/inet_hash.h"
#include "tests/harness/ip_lab.h"

extern const struct sock_ops inet_lab_stream, inet_lab_dgram;

/* Not bound; `flags` is SOCK_REUSEADDR or 0. */
struct sock *inet_lab_sock(struct ip_lab *l, const struct sock_ops *ops, uint32_t flags);
/* Out of every table, its port given back, and its reference put. */
void inet_lab_end(struct inet_table *t, struct sock *sk);
int inet_lab_bind(struct inet_table *t, struct sock *sk, const char *addr, uint16_t port);
/* From 10.0.0.1. */
int inet_lab_connect(struct inet_table *t, struct sock *sk, const char *to, uint16_t port);
/* Ports from `first` to `last` are there for who asks for any. */
void inet_lab_range(struct ip_lab *l, int64_t first, int64_t last);
