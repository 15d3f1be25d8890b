/* Whole stacks: several in a process, on threads and in a lab; begun and ended over and over; the default one. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/batch.h"
#include "lib/env.h"
#include "lib/mib.h"
#include "lib/stack.h"
#include "net/capture.h"
#include "net/ifaddr.h"
#include "net/netem.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

/* --- two stacks and a wire in a lab ---------------------------------------------------------------------- */

#define BULK 300000u

/* All of it in one thread, on the virtual clock. */
struct lab {
	struct env *env;
	struct stack *a, *b;
	struct veth_end end_a, end_b;
	struct capture capture;
	uint64_t trace; /* every byte on the wire, and when */
	unsigned frames;
};

static void trace_frame(struct capture *c, struct netdev *dev, const struct pkbuf *b, bool out)
{
	struct lab *l = c->arg;
	uint8_t bytes[2048];
	uint64_t words[2] = {env_now(l->env), (uint64_t)b->len << 1 | out};
	uint32_t n = b->len < sizeof(bytes) ? b->len : sizeof(bytes);

	pkbuf_read(b, 0, bytes, n);
	for (size_t i = 0; i < sizeof(words); i++)
		l->trace = (l->trace ^ ((uint8_t *)words)[i]) * 0x100000001b3ull;
	for (uint32_t i = 0; i < n; i++)
		l->trace = (l->trace ^ bytes[i]) * 0x100000001b3ull;
	l->frames++;
}

static void lab_end_up(struct veth_end *e, const char *addr)
{
	struct ip_addr a;
	struct batch batch;
	unsigned prefix;

	ck_assert_int_eq(ip_prefix_parse(addr, &a, &prefix), 0);
	batch_begin(&batch, e->stack);
	ck_assert_int_eq(ifaddr_add(e->dev, &a, prefix), 0);
	netdev_up(e->dev);
	batch_end(&batch);
}

static void lab_begin(struct lab *l, uint64_t seed)
{
	struct netem_config loss = {
	    .loss = netem_percent(3), .delay = 10 * NSEC_PER_MSEC, .jitter = 5 * NSEC_PER_MSEC};

	*l = (struct lab){.env = env_lab_create(seed)};
	l->a = stack_create(l->env);
	l->b = stack_create(l->env);
	l->end_a = (struct veth_end){.stack = l->a, .name = "veth0"};
	l->end_b = (struct veth_end){.stack = l->b, .name = "veth0"};
	ck_assert_int_eq(veth_create(&l->end_a, &l->end_b), 0);
	lab_end_up(&l->end_a, "10.0.0.1/24");
	lab_end_up(&l->end_b, "10.0.0.2/24");
	ck_assert_int_eq(netem_set(l->end_a.dev, NETEM_OUT, &loss), 0);
	l->capture = (struct capture){.fn = trace_frame, .arg = l};
	capture_add(l->end_a.dev, &l->capture);
}

static void lab_end(struct lab *l)
{
	capture_del(l->end_a.dev, &l->capture);
	weft_use(NULL);
	stack_destroy(l->a);
	stack_destroy(l->b);
	env_lab_destroy(l->env);
}

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 2654435761u >> 13);
}

/* The next bytes of BULK that fit. */
static void send_more(int fd, size_t *sent)
{
	uint8_t buf[8192];
	ssize_t r;

	while (*sent < BULK) {
		size_t n = BULK - *sent < sizeof(buf) ? BULK - *sent : sizeof(buf);

		for (size_t i = 0; i < n; i++)
			buf[i] = pattern(*sent + i);
		r = weft_send(fd, buf, n, MSG_DONTWAIT);
		if (r < 0)
			return;
		*sent += (size_t)r;
	}
	weft_shutdown(fd, SHUT_WR);
}

static bool recv_more(int fd, size_t *got)
{
	uint8_t buf[8192];
	ssize_t r;

	while ((r = weft_recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		for (ssize_t i = 0; i < r; i++)
			ck_assert_uint_eq(buf[i], pattern((*got)++));
	ck_assert(r == 0 || errno == EAGAIN);
	return r < 0;
}

/* From a to b over the bad wire, one thread playing both programs; a poll over both stacks runs the world. */
static void lab_transfer(struct lab *l)
{
	struct sockaddr_in at = in4("10.0.0.2", 80);
	struct pollfd p[2];
	size_t sent = 0, got = 0;
	int listener;

	weft_use(l->b);
	listener = weft_socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(weft_bind(listener, sa(&at), SA_LEN), 0);
	ck_assert_int_eq(weft_listen(listener, 1), 0);
	weft_use(l->a);
	p[0] = (struct pollfd){.fd = weft_socket(AF_INET, SOCK_STREAM, 0)};
	ck_assert_int_eq(weft_connect(p[0].fd, sa(&at), SA_LEN), 0);
	p[1] = (struct pollfd){.fd = weft_accept(listener, NULL, NULL), .events = POLLIN};
	ck_assert_int_ge(p[1].fd, WEFT_FD_FIRST);
	do {
		send_more(p[0].fd, &sent);
		p[0].events = sent < BULK ? POLLOUT : 0;
		ck_assert_int_ge(weft_poll(p, 2, 600000), 1);
	} while (recv_more(p[1].fd, &got));
	ck_assert_uint_eq(got, BULK);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(weft_close(p[i].fd), 0);
	ck_assert_int_eq(weft_close(listener), 0);
}

static uint64_t lab_run(uint64_t seed, unsigned *frames)
{
	struct lab l;

	lab_begin(&l, seed);
	lab_transfer(&l);
	env_lab_advance(l.env, 600 * NSEC_PER_SEC); /* TIME-WAIT runs out */
	ck_assert_int_eq(gauge_read(l.a, GAUGE_socks), 0);
	ck_assert_int_eq(gauge_read(l.b, GAUGE_socks), 0);
	*frames = l.frames;
	lab_end(&l);
	return l.trace;
}

START_TEST(test_two_stacks_over_a_bad_wire_twice_the_same)
{
	unsigned n[3];
	uint64_t first = lab_run(7, &n[0]), again = lab_run(7, &n[1]), other = lab_run(8, &n[2]);

	ck_assert_uint_gt(n[0], BULK / 1500);
	ck_assert_uint_eq(n[0], n[1]);
	ck_assert_uint_eq(first, again);
	ck_assert_uint_ne(first, other);
}
END_TEST

/* In a lab nobody else can wake a call: one that waits for nothing says so. */
START_TEST(test_lab_call_without_an_event_is_edeadlk)
{
	struct env *env = env_lab_create(1);
	struct stack *st = stack_create(env);
	struct timeval tv = {.tv_sec = 5};
	char byte;
	int fd;

	weft_use(st);
	fd = weft_socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_errno(weft_recv(fd, &byte, 1, 0), EDEADLK);
	ck_assert_int_eq(weft_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	ck_assert_errno(weft_recv(fd, &byte, 1, 0), EAGAIN);
	ck_assert_uint_eq(env_now(env), 6 * NSEC_PER_SEC);
	ck_assert_int_eq(weft_close(fd), 0);
	weft_use(NULL);
	stack_destroy(st);
	env_lab_destroy(env);
}
END_TEST

/* --- begun and ended --------------------------------------------------------------------------------------- */

static unsigned entries(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	unsigned n = 0;

	while ((e = readdir(dir)))
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* Whoever joins a thread goes on a moment before it is off the list. */
static unsigned threads_down_to(unsigned n)
{
	unsigned now = entries("/proc/self/task");

	for (int i = 0; i < 5000 && now > n; i++) {
		usleep(1000);
		now = entries("/proc/self/task");
	}
	return now;
}

START_TEST(test_start_and_stop_leave_nothing)
{
	unsigned threads = UINT_MAX, fds = 0, now;

	for (int i = 0; i < 50; i++) {
		struct stack *st = sockets_begin();
		struct sockaddr_in at;
		int fd[2];

		sockets_pair(fd);
		ck_assert_int_eq(weft_send(fd[0], "unread", 6, 0), 6);
		ck_assert_int_ge(weft_eventfd(fd[1], POLLIN), 0);
		ck_assert_int_eq(weft_close(sockets_bound(SOCK_DGRAM, &at)), 0);
		sockets_end(st); /* with a connection open */
		ck_assert_int_eq(weft_close(fd[0]), 0);
		ck_assert_int_eq(weft_close(fd[1]), 0);
		now = entries("/proc/self/task"); /* with one that a sanitizer may have made */
		threads = now < threads ? now : threads;
		if (i == 0)
			fds = entries("/proc/self/fd");
	}
	ck_assert_uint_eq(threads_down_to(threads), threads);
	ck_assert_uint_eq(entries("/proc/self/fd"), fds);
}
END_TEST

/* Closed but not gone: TIME-WAIT, a FIN on its way, a SYN unanswered. */
START_TEST(test_stop_ends_what_no_program_holds)
{
	struct stack *st = sockets_begin();
	struct sockaddr_in at;
	int fd[2], l = sockets_listener(&at);

	sockets_pair(fd);
	ck_assert_int_eq(weft_close(fd[0]), 0);
	ck_assert_int_eq(weft_close(fd[1]), 0);
	sockets_pair(fd);
	ck_assert_int_eq(weft_close(fd[0]), 0);
	ck_assert_int_gt(gauge_read(st, GAUGE_socks) + gauge_read(st, GAUGE_timers), 0);
	for (int i = 0; i < 3; i++) {
		int c = weft_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

		weft_connect(c, sa(&at), SA_LEN);
		ck_assert_int_eq(weft_close(c), 0);
	}
	sockets_end(st);
	weft_close(fd[1]);
	weft_close(l);
}
END_TEST

START_TEST(test_the_oldest_started_is_the_default)
{
	struct weft_config cfg = {.ndevices = 0};
	struct env *env = env_thread_create();
	weft_stack *first, *second;
	struct stack *other;
	struct sockaddr_in at;
	int fd;

	ck_assert_errno(weft_socket(AF_INET, SOCK_DGRAM, 0), ENETDOWN);
	other = stack_create(env);
	ck_assert_ptr_nonnull(other);
	ck_assert_int_eq(stack_threads_start(other), 0); /* the shell's way: no default */
	ck_assert_errno(weft_socket(AF_INET, SOCK_DGRAM, 0), ENETDOWN);
	ck_assert_int_eq(weft_start(&cfg, &first), 0);
	ck_assert_int_eq(weft_start(&cfg, &second), 0);
	fd = sockets_bound(SOCK_DGRAM, &at);
	ck_assert_int_eq(gauge_read(first, GAUGE_sockets), 1);
	weft_use(second);
	ck_assert_int_eq(weft_close(weft_socket(AF_INET, SOCK_DGRAM, 0)), 0);
	ck_assert_int_eq(weft_stop(first), 0);
	ck_assert_errno(weft_send(fd, "", 0, 0), ENETDOWN);
	weft_use(NULL);
	ck_assert_int_eq(weft_close(sockets_bound(SOCK_DGRAM, &at)), 0); /* in the second */
	weft_use(second);
	ck_assert_int_eq(weft_stop(second), 0);
	ck_assert_errno(weft_socket(AF_INET, SOCK_DGRAM, 0), ENETDOWN);
	stack_destroy(other);
	env_thread_destroy(env);
	ck_assert_int_eq(weft_close(fd), 0);
}
END_TEST

/* Two stacks have two sets of ports and addresses. */
START_TEST(test_two_stacks_share_nothing)
{
	struct stack *a = sockets_begin(), *b = sockets_begin();
	struct sockaddr_in at;
	int in_b = sockets_bound(SOCK_DGRAM, &at), in_a;
	char byte;

	weft_use(a);
	in_a = weft_socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(weft_bind(in_a, sa(&at), SA_LEN), 0);
	ck_assert_int_eq(weft_sendto(in_a, "a", 1, 0, sa(&at), SA_LEN), 1);
	ck_assert_errno(weft_recv(in_b, &byte, 1, MSG_DONTWAIT), EAGAIN);
	ck_assert_int_eq(weft_recv(in_a, &byte, 1, 0), 1);
	ck_assert_int_eq(weft_stop(a), 0);
	ck_assert_int_eq(weft_sendto(in_b, "b", 1, 0, sa(&at), SA_LEN), 1);
	ck_assert_int_eq(weft_recv(in_b, &byte, 1, 0), 1);
	weft_close(in_a);
	weft_close(in_b);
	sockets_end(b);
}
END_TEST

/* --- what the shell sees --------------------------------------------------------------------------------------- */

static void count_view(const struct socket_view *v, void *arg)
{
	unsigned *types = arg;

	ck_assert_int_ge(v->fd, WEFT_FD_FIRST);
	ck_assert_ptr_nonnull(v->sk);
	types[v->type]++;
}

START_TEST(test_socket_each_shows_the_open_ones)
{
	struct stack *st = sockets_begin();
	unsigned types[16] = {0};
	struct sockaddr_in at;
	int fd[2], udp = sockets_bound(SOCK_DGRAM, &at);

	sockets_pair(fd);
	socket_each(st, count_view, types);
	ck_assert_uint_eq(types[SOCK_STREAM], 2);
	ck_assert_uint_eq(types[SOCK_DGRAM], 1);
	weft_close(udp);
	weft_close(fd[0]);
	memset(types, 0, sizeof(types));
	socket_each(st, count_view, types);
	ck_assert_uint_eq(types[SOCK_STREAM], 1);
	ck_assert_uint_eq(types[SOCK_DGRAM], 0);
	weft_close(fd[1]);
	sockets_end(st);
}
END_TEST

static void *open_and_close(void *arg)
{
	weft_use(arg);
	for (int i = 0; i < 300; i++)
		weft_close(weft_socket(AF_INET, i & 1 ? SOCK_DGRAM : SOCK_STREAM, 0));
	return NULL;
}

START_TEST(test_socket_each_while_they_come_and_go)
{
	struct stack *st = sockets_begin();
	unsigned types[16] = {0};
	pthread_t t[2];

	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, open_and_close, st), 0);
	for (int i = 0; i < 200; i++)
		socket_each(st, count_view, types);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	sockets_end(st);
}
END_TEST

/* weft_socket() in a thread that knows nothing of the stop. */
static void *open_until_down(void *arg)
{
	int fd;

	weft_use(arg);
	while ((fd = weft_socket(AF_INET, SOCK_STREAM, 0)) >= 0)
		weft_close(fd);
	return (void *)(intptr_t)errno;
}

START_TEST(test_stop_while_others_open)
{
	pthread_t t[3];
	void *err;

	for (int round = 0; round < 20; round++) {
		struct stack *st = sockets_begin();

		for (int i = 0; i < 3; i++)
			ck_assert_int_eq(pthread_create(&t[i], NULL, open_until_down, st), 0);
		sockets_end(st);
		for (int i = 0; i < 3; i++) {
			ck_assert_int_eq(pthread_join(t[i], &err), 0);
			ck_assert_int_eq((intptr_t)err, ENETDOWN);
		}
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("stack");

	tcase_add_test(tc, test_two_stacks_over_a_bad_wire_twice_the_same);
	tcase_add_test(tc, test_lab_call_without_an_event_is_edeadlk);
	tcase_add_test(tc, test_start_and_stop_leave_nothing);
	tcase_add_test(tc, test_stop_ends_what_no_program_holds);
	tcase_add_test(tc, test_the_oldest_started_is_the_default);
	tcase_add_test(tc, test_two_stacks_share_nothing);
	tcase_add_test(tc, test_socket_each_shows_the_open_ones);
	tcase_add_test(tc, test_socket_each_while_they_come_and_go);
	tcase_add_test(tc, test_stop_while_others_open);
	return unit_run("stack", tc);
}
