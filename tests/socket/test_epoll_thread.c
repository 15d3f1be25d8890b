/*
 * weft_epoll_wait() asleep: what ends it, who of several is woken, and all hands at one instance.
 */
#include <errno.h>
#include <sched.h>

#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

static struct stack *st;
static int ep, udp;
static struct sockaddr_in at;

static void setup(void)
{
	st = sockets_begin();
	ep = weft_epoll_create1(0);
	ck_assert_int_ge(ep, WEFT_FD_FIRST);
	udp = sockets_bound(SOCK_DGRAM, &at);
}

static void close_all(void)
{
	for (int fd = WEFT_FD_FIRST; fd < WEFT_FD_FIRST + 64; fd++)
		weft_close(fd);
}

static void teardown(void)
{
	close_all();
	sockets_end(st);
}

static void watch(int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.fd = fd};

	ck_assert_int_eq(weft_epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), 0);
}

static void send_to(struct sockaddr_in *a)
{
	ck_assert_int_eq(weft_sendto(udp, "x", 1, 0, sa(a), SA_LEN), 1);
}

static ssize_t wait_one(int fd, void *out)
{
	return weft_epoll_wait(fd, out, 1, -1);
}

START_TEST(test_asleep_an_event_wakes)
{
	struct epoll_event e;
	struct blocked b = {.st = st, .fn = wait_one, .fd = ep, .arg = &e};

	watch(udp, EPOLLIN);
	blocked_begin(&b);
	send_to(&at);
	ck_assert_int_eq(blocked_end(&b), 1);
	ck_assert_uint_eq(e.events, EPOLLIN);
	ck_assert_int_eq(e.data.fd, udp);
}
END_TEST

START_TEST(test_asleep_a_new_interest_wakes)
{
	struct epoll_event e;
	struct blocked b = {.st = st, .fn = wait_one, .fd = ep, .arg = &e};

	blocked_begin(&b);
	watch(udp, EPOLLOUT);
	ck_assert_int_eq(blocked_end(&b), 1);
	ck_assert_uint_eq(e.events, EPOLLOUT);
}
END_TEST

START_TEST(test_asleep_close_of_the_instance_is_ebadf)
{
	struct epoll_event e;
	struct blocked b = {.st = st, .fn = wait_one, .fd = ep, .arg = &e};

	watch(udp, EPOLLIN);
	blocked_begin(&b);
	ck_assert_int_eq(weft_close(ep), 0);
	ck_assert_blocked(&b, EBADF);
}
END_TEST

/* The instance is older than the socket, or younger. */
START_TEST(test_asleep_stop_is_enetdown)
{
	struct epoll_event e;
	struct blocked b = {.st = st, .fn = wait_one, .arg = &e};

	if (_i) {
		ck_assert_int_eq(weft_close(ep), 0);
		ep = weft_epoll_create1(0);
	}
	b.fd = ep;
	watch(udp, EPOLLIN);
	blocked_begin(&b);
	sockets_end(st);
	ck_assert_blocked(&b, ENETDOWN);
	close_all();
	st = sockets_begin();
}
END_TEST

/* Closing what is watched is no event (Linux): the wait goes on for what is left. */
START_TEST(test_asleep_close_of_a_socket_wakes_nobody)
{
	struct epoll_event e;
	struct blocked b = {.st = st, .fn = wait_one, .fd = ep, .arg = &e};
	struct sockaddr_in other_at;
	int other = sockets_bound(SOCK_DGRAM, &other_at);

	watch(udp, EPOLLIN);
	watch(other, EPOLLIN);
	blocked_begin(&b);
	ck_assert_int_eq(weft_close(other), 0);
	send_to(&at);
	ck_assert_int_eq(blocked_end(&b), 1);
	ck_assert_int_eq(e.data.fd, udp);
}
END_TEST

/* Two wait, one takes one of two: what is left is the other's. */
START_TEST(test_asleep_two_waiters_share_two_events)
{
	struct epoll_event e[2];
	struct blocked a = {.st = st, .fn = wait_one, .fd = ep, .arg = &e[0]};
	struct blocked b = {.st = st, .fn = wait_one, .fd = ep, .arg = &e[1]};
	struct sockaddr_in other_at;
	int other = sockets_bound(SOCK_DGRAM, &other_at);
	uint32_t how = EPOLLIN | (_i ? (uint32_t)EPOLLET : 0);

	watch(udp, how);
	watch(other, how);
	blocked_begin(&a);
	blocked_begin(&b);
	send_to(&at);
	send_to(&other_at);
	ck_assert_int_eq(blocked_end(&a), 1);
	ck_assert_int_eq(blocked_end(&b), 1);
	if (_i)
		ck_assert_int_ne(e[0].data.fd, e[1].data.fd);
}
END_TEST

/* Level triggered, it is everybody's until somebody takes it. */
START_TEST(test_asleep_one_level_event_wakes_all)
{
	struct epoll_event e[2];
	struct blocked a = {.st = st, .fn = wait_one, .fd = ep, .arg = &e[0]};
	struct blocked b = {.st = st, .fn = wait_one, .fd = ep, .arg = &e[1]};

	watch(udp, EPOLLIN);
	blocked_begin(&a);
	blocked_begin(&b);
	send_to(&at);
	ck_assert_int_eq(blocked_end(&a), 1);
	ck_assert_int_eq(blocked_end(&b), 1);
}
END_TEST

/* Of two instances that say EPOLLEXCLUSIVE the one is woken in which somebody sleeps. */
START_TEST(test_asleep_exclusive_event_finds_who_sleeps)
{
	int both[2] = {ep, weft_epoll_create1(0)};
	struct epoll_event e;
	struct blocked b = {.st = st, .fn = wait_one, .fd = both[_i], .arg = &e};

	for (int i = 0; i < 2; i++) {
		ep = both[i];
		watch(udp, EPOLLIN | EPOLLEXCLUSIVE);
	}
	blocked_begin(&b);
	send_to(&at);
	ck_assert_int_eq(blocked_end(&b), 1);
	ck_assert_uint_eq(e.events, EPOLLIN);
}
END_TEST

static ssize_t poll_it(int fd, void *arg)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return weft_poll(&p, 1, -1);
}

START_TEST(test_asleep_in_poll_of_an_instance)
{
	struct blocked b = {.st = st, .fn = poll_it, .fd = ep};

	watch(udp, EPOLLIN);
	blocked_begin(&b);
	send_to(&at);
	ck_assert_int_eq(blocked_end(&b), 1);
}
END_TEST

/* --- all at once: nothing to compare but that nobody is lost, torn or left asleep -------------- */

#define WAITERS 2
#define MEDDLERS 2
#define ROUNDS 200

/*
 * LOCKING
 *	c	constant once the threads run	a	atomic
 */
struct crowd {
	int ep;                  /* c */
	struct sockaddr_in done; /* c: who is told by it has finished */
	int stop;                /* c: the socket of `done` */
	_Atomic unsigned events; /* a */
};

static void *crowd_wait(void *arg)
{
	struct crowd *c = arg;
	struct epoll_event e[3];
	char byte;
	int n;

	weft_use(st);
	while ((n = weft_epoll_wait(c->ep, e, 3, -1)) > 0) {
		for (int i = 0; i < n; i++) {
			if (e[i].data.fd == c->stop)
				return NULL;
			weft_recv(e[i].data.fd, &byte, 1, MSG_DONTWAIT);
			atomic_fetch_add(&c->events, 1);
		}
	}
	return NULL;
}

static void *crowd_meddle(void *arg)
{
	static const uint32_t how[] = {EPOLLIN, EPOLLIN | EPOLLET, EPOLLIN | EPOLLONESHOT,
				       EPOLLIN | EPOLLEXCLUSIVE};
	struct crowd *c = arg;

	weft_use(st);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct epoll_event e = {.events = how[i % 4]};
		struct sockaddr_in a;
		int fd = sockets_bound(SOCK_DGRAM, &a);

		e.data.fd = fd;
		weft_epoll_ctl(c->ep, EPOLL_CTL_ADD, fd, &e);
		weft_sendto(fd, "x", 1, 0, sa(&a), SA_LEN);
		weft_epoll_ctl(c->ep, EPOLL_CTL_MOD, fd, &e);
		if (i % 2)
			weft_epoll_ctl(c->ep, EPOLL_CTL_DEL, fd, NULL);
		weft_close(fd);
	}
	return NULL;
}

START_TEST(test_all_hands_on_one_instance)
{
	struct crowd c = {.ep = ep};
	pthread_t t[WAITERS + MEDDLERS];

	c.stop = sockets_bound(SOCK_DGRAM, &c.done);
	watch(c.stop, EPOLLIN);
	for (int i = 0; i < WAITERS + MEDDLERS; i++)
		ck_assert_int_eq(
		    pthread_create(&t[i], NULL, i < WAITERS ? crowd_wait : crowd_meddle, &c), 0);
	for (int i = WAITERS; i < WAITERS + MEDDLERS; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	send_to(&c.done);
	for (int i = 0; i < WAITERS; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
}
END_TEST

/* The instance ends under them, once somebody has been told something by it. */
START_TEST(test_all_hands_survive_an_end)
{
	struct crowd c = {.ep = ep};
	pthread_t t[WAITERS + MEDDLERS];

	c.stop = sockets_bound(SOCK_DGRAM, &c.done);
	watch(udp, EPOLLIN);
	send_to(&at);
	for (int i = 0; i < WAITERS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, crowd_wait, &c), 0);
	for (int i = WAITERS; i < WAITERS + MEDDLERS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, crowd_meddle, &c), 0);
	while (!c.events)
		sched_yield();
	ck_assert_int_eq(weft_close(ep), 0);
	for (int i = 0; i < WAITERS + MEDDLERS; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
}
END_TEST

static void *crowd_ask(void *arg)
{
	struct crowd *c = arg;
	struct epoll_event e[3];
	int n;

	while ((n = weft_epoll_wait(c->ep, e, 3, 0)) >= 0)
		atomic_fetch_add(&c->events, (unsigned)n);
	ck_assert_int_eq(errno, ENETDOWN);
	return NULL;
}

/* Whoever asks a socket how it is, the socket has its sock: it ends after the instance, older or younger. */
START_TEST(test_all_hands_survive_the_end_of_the_stack)
{
	struct crowd c = {0};
	pthread_t t[WAITERS];

	if (_i) {
		ck_assert_int_eq(weft_close(ep), 0);
		ep = weft_epoll_create1(0);
	}
	c.ep = ep;
	watch(udp, EPOLLIN);
	for (int i = 0; i < 16; i++)
		watch(sockets_bound(SOCK_DGRAM, &c.done), EPOLLIN | EPOLLOUT);
	for (int i = 0; i < WAITERS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, crowd_ask, &c), 0);
	while (atomic_load(&c.events) < 100)
		sched_yield();
	sockets_end(st);
	for (int i = 0; i < WAITERS; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	close_all();
	st = sockets_begin();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("epoll_thread");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_asleep_an_event_wakes);
	tcase_add_test(tc, test_asleep_a_new_interest_wakes);
	tcase_add_test(tc, test_asleep_close_of_the_instance_is_ebadf);
	tcase_add_loop_test(tc, test_asleep_stop_is_enetdown, 0, 2);
	tcase_add_test(tc, test_asleep_close_of_a_socket_wakes_nobody);
	tcase_add_loop_test(tc, test_asleep_two_waiters_share_two_events, 0, 2);
	tcase_add_test(tc, test_asleep_one_level_event_wakes_all);
	tcase_add_loop_test(tc, test_asleep_exclusive_event_finds_who_sleeps, 0, 2);
	tcase_add_test(tc, test_asleep_in_poll_of_an_instance);
	tcase_add_test(tc, test_all_hands_on_one_instance);
	tcase_add_test(tc, test_all_hands_survive_an_end);
	tcase_add_loop_test(tc, test_all_hands_survive_the_end_of_the_stack, 0, 2);
	return unit_run("epoll_thread", tc);
}
