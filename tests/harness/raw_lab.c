/*
 * tests/harness/raw_lab.c - see raw_lab.h.
 */
#include "tests/harness/raw_lab.h"

#include <string.h>

#include "tests/harness/unit.h"

struct ip_lab raw_lab;
uint8_t raw_lab_bytes[IP4_LEN_MAX];
static struct batch batch;
static uint8_t data[IP4_LEN_MAX];

void raw_lab_open(void)
{
	ip_lab_open(&raw_lab);
	batch_begin(&batch, raw_lab.st);
}

void raw_lab_close(void)
{
	batch_end(&batch);
	ip_lab_close(&raw_lab);
}

void raw_lab_flush(void)
{
	batch_end(&batch);
	batch_begin(&batch, raw_lab.st);
}

struct sock *raw_lab_open_sock(uint8_t proto)
{
	struct sock *sk = sock_alloc(raw_lab.st, &raw_ops);

	ck_assert_ptr_nonnull(sk);
	ck_assert_int_eq(raw_open(sk, proto), 0);
	return sk;
}

void raw_lab_end(struct sock *sk)
{
	sock_lock(sk);
	raw_ops.close(sk);
	sock_unlock(sk);
	sock_put(sk);
}

int raw_lab_bind(struct sock *sk, const char *addr)
{
	struct ip_addr a = ip_of(addr);
	int err;

	sock_lock(sk);
	err = raw_ops.bind(sk, &a, 0);
	sock_unlock(sk);
	return err;
}

int raw_lab_connect(struct sock *sk, const char *addr)
{
	struct ip_addr a = ip_of(addr);
	int err;

	sock_lock(sk);
	err = raw_ops.connect(sk, &a, 0);
	sock_unlock(sk);
	return err;
}

ssize_t raw_lab_send(struct sock *sk, const char *addr, const void *p, size_t n)
{
	struct iovec iov = {data, n};
	struct sock_msg m = {.iov = &iov, .niov = 1, .len = n, .has_addr = addr};
	ssize_t r;

	memmove(data, p, n);
	if (addr)
		m.addr = ip_of(addr);
	sock_lock(sk);
	r = raw_ops.send(sk, &m);
	sock_unlock(sk);
	return r;
}

ssize_t raw_lab_recv(struct sock *sk, struct ip_addr *from)
{
	struct iovec iov = {raw_lab_bytes, sizeof(raw_lab_bytes)};
	struct sock_msg m = {.iov = &iov, .niov = 1, .len = sizeof(raw_lab_bytes)};
	ssize_t r;

	sock_lock(sk);
	r = raw_ops.recv(sk, &m);
	sock_unlock(sk);
	if (from)
		*from = m.addr;
	return r;
}

int raw_lab_setopt(struct sock *sk, int level, int name, int value)
{
	int err;

	sock_lock(sk);
	err = raw_ops.setopt(sk, level, name, &value, sizeof(value));
	sock_unlock(sk);
	return err;
}
