/*
 * tests/harness/raw_lab.h - an ip_lab with raw socks, everything in one batch that raw_lab_flush() ends
 * and begins anew.
 */
#pragma once
#include "ip/raw.h"
#include "tests/harness/ip_lab.h"

extern struct ip_lab raw_lab;
extern uint8_t raw_lab_bytes[IP4_LEN_MAX]; /* what raw_lab_recv() received */

void raw_lab_open(void);
void raw_lab_close(void);
void raw_lab_flush(void);

struct sock *raw_lab_open_sock(uint8_t proto);
void raw_lab_end(struct sock *sk);
int raw_lab_bind(struct sock *sk, const char *addr);
int raw_lab_connect(struct sock *sk, const char *addr);
/* addr NULL: to where it is connected. */
ssize_t raw_lab_send(struct sock *sk, const char *addr, const void *p, size_t n);
ssize_t raw_lab_recv(struct sock *sk, struct ip_addr *from);
int raw_lab_setopt(struct sock *sk, int level, int name, int value);
