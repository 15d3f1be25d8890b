/*
 * tests/harness/sockets.c - a whole stack and its sockets; threads that sleep in a call.
 */
#include "tests/harness/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "lib/env.h"
#include "tests/harness/unit.h"

struct stack *sockets_begin(void)
{
	const struct weft_config no_device = {.ndevices = 0};
	struct stack *st;

	ck_assert_int_eq(weft_start(&no_device, &st), 0);
	weft_use(st);
	return st;
}

void sockets_end(struct stack *st)
{
	weft_use(NULL);
	ck_assert_int_eq(weft_stop(st), 0);
}

void sockets_close_all(void)
{
	for (int fd = WEFT_FD_FIRST; fd < WEFT_FD_FIRST + 16; fd++)
		weft_close(fd);
}

struct sockaddr_in in4(const char *ip, uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

	ck_assert_int_eq(inet_pton(AF_INET, ip, &a.sin_addr), 1);
	return a;
}

struct sockaddr *sa(struct sockaddr_in *a)
{
	return (struct sockaddr *)a;
}

int sockets_open(int type, int proto)
{
	int fd = weft_socket(AF_INET, type, proto);

	ck_assert_int_ge(fd, WEFT_FD_FIRST);
	return fd;
}

int sockets_bound(int type, struct sockaddr_in *a)
{
	int fd = sockets_open(type, 0);
	socklen_t n = SA_LEN;

	*a = in4("127.0.0.1", 0);
	ck_assert_int_eq(weft_bind(fd, sa(a), SA_LEN), 0);
	ck_assert_int_eq(weft_getsockname(fd, sa(a), &n), 0);
	ck_assert_uint_eq(n, SA_LEN);
	return fd;
}

int sockets_listener(struct sockaddr_in *a)
{
	int fd = sockets_bound(SOCK_STREAM, a);

	ck_assert_int_eq(weft_listen(fd, 16), 0);
	return fd;
}

void sockets_pair(int fd[2])
{
	struct sockaddr_in a;
	int listener = sockets_listener(&a);

	fd[0] = sockets_open(SOCK_STREAM, 0);
	ck_assert_int_eq(weft_connect(fd[0], sa(&a), SA_LEN), 0);
	fd[1] = weft_accept(listener, NULL, NULL);
	ck_assert_int_ge(fd[1], 0);
	ck_assert_int_eq(weft_close(listener), 0);
}

void sockets_control(struct msghdr *m, int level, int type, void *data, size_t n)
{
	struct cmsghdr *h = CMSG_FIRSTHDR(m);

	while (h && (h->cmsg_level != level || h->cmsg_type != type))
		h = CMSG_NXTHDR(m, h);
	ck_assert_msg(h, "no control message %d", type);
	ck_assert_uint_eq(h->cmsg_len, CMSG_LEN(n));
	memcpy(data, CMSG_DATA(h), n);
}

static void *blocked_thread(void *arg)
{
	struct blocked *b = arg;

	weft_use(b->st);
	atomic_store(&b->waiter, stack_waiter(b->st));
	b->result = b->fn(b->fd, b->arg);
	b->error = errno;
	return NULL;
}

static bool blocked_sleeps(struct blocked *b)
{
	struct waiter *w = atomic_load(&b->waiter);
	uint32_t word = w ? atomic_load(&w->word) : (uint32_t)WAITER_IDLE;

	return word == WAITER_WAITING || word == WAITER_POLLING;
}

void blocked_begin(struct blocked *b)
{
	atomic_store(&b->waiter, NULL);
	ck_assert_int_eq(pthread_create(&b->thread, NULL, blocked_thread, b), 0);
	while (!blocked_sleeps(b))
		sched_yield();
}

ssize_t blocked_end(struct blocked *b)
{
	ck_assert_int_eq(pthread_join(b->thread, NULL), 0);
	return b->result;
}

ssize_t blocked_end_by(struct blocked *b, int sig)
{
	while (pthread_tryjoin_np(b->thread, NULL)) {
		pthread_kill(b->thread, sig);
		sched_yield();
	}
	return b->result;
}

ssize_t blocked_recv(int fd, void *arg)
{
	char byte;

	return weft_recv(fd, &byte, 1, 0);
}

ssize_t blocked_accept(int fd, void *arg)
{
	return weft_accept(fd, NULL, NULL);
}
