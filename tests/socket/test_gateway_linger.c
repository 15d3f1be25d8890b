/*
 * tests/socket/test_gateway_linger.c - what the gateway makes of a close that waits, on a connection by lo: its thread
 * rests, so that the test says what it sees and when.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "socket/gateway_priv.h"
#include "socket/guest.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

static struct stack *st;
static struct gateway *g;
static struct guest guest;
static struct guest_socket s; /* the program's, */
static int peer, tells; /* whom it is connected to, and who tells its close that all is done */

static void *nothing(void *arg)
{
	return arg;
}

/* gateway_stop() joins one. */
static void thread_rests(void)
{
	eventfd_write(g->stop.fd, 1);
	ck_assert_int_eq(pthread_join(g->thread, NULL), 0);
	ck_assert_int_eq(pthread_create(&g->thread, NULL, nothing, NULL), 0);
}

static void setup(void)
{
	const struct linger l = {1, 20};
	struct sockaddr_in a;
	int listener, ms;

	st = sockets_begin();
	ck_assert_int_eq(gateway_start(st, &g), 0);
	guest = (struct guest){.token = *gateway_token(g)};
	listener = sockets_listener(&a);
	ck_assert(guest_find(&guest, guest_open(&guest, AF_INET, SOCK_STREAM, 0), &s));
	ck_assert_int_eq(guest_connect(&s, sa(&a), SA_LEN), -EINPROGRESS);
	ck_assert_int_eq(poll(&(struct pollfd){.fd = s.fd, .events = POLLOUT}, 1, 10000), 1);
	ck_assert_int_eq(guest_connect_outcome(&s), 0);
	peer = weft_accept(listener, NULL, NULL);
	ck_assert_int_ge(peer, 0);
	ck_assert_int_eq(guest_setsockopt(&s, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	tells = guest_linger_begin(&s, &ms);
	ck_assert_int_ge(tells, 0);
	ck_assert_int_eq(ms, 20000);
	thread_rests();
}

static void teardown(void)
{
	close(tells);
	gateway_stop(g);
	sockets_end(st);
}

/* What came for the program and never reached it: nobody waits, and the peer learns of it. */
START_TEST(test_unread_bytes_in_the_stack_make_it_a_reset)
{
	struct gateway_end *e = gateway_end_find(g, s.id);
	char byte;

	ck_assert_ptr_nonnull(e);
	ck_assert_int_eq(weft_send(peer, "abc", 3, 0), 3);
	ck_assert_int_eq(close(s.fd), 0);
	gateway_stream_ready(g, &e->watch, EPOLLIN | EPOLLRDHUP | EPOLLHUP);
	ck_assert_ptr_null(gateway_end_find(g, s.id));
	ck_assert_int_eq(poll(&(struct pollfd){.fd = tells, .events = POLLIN}, 1, 0), 1);
	ck_assert_errno(weft_recv(peer, &byte, 1, MSG_DONTWAIT), ECONNRESET);
}
END_TEST

/* The program asks before the gateway has seen its last bytes, the urgent one among them. */
START_TEST(test_urgent_byte_before_a_close_is_urgent)
{
	char text[8];

	ck_assert_int_eq(send(s.fd, "ab", 2, 0), 2);
	if (send(s.fd, "c", 1, MSG_OOB) < 0 && errno == EOPNOTSUPP)
		return; /* a kernel that carries nothing urgent */
	ck_assert_int_eq(close(s.fd), 0);
	gateway_linger_closed(g, s.id);
	ck_assert_int_eq(weft_recv(peer, text, sizeof(text), MSG_OOB | MSG_DONTWAIT), 1);
	ck_assert_int_eq(text[0], 'c');
	ck_assert_int_eq(weft_recv(peer, text, sizeof(text), MSG_DONTWAIT), 2);
	ck_assert_int_eq(memcmp(text, "ab", 2), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("gateway_linger");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_unread_bytes_in_the_stack_make_it_a_reset);
	tcase_add_test(tc, test_urgent_byte_before_a_close_is_urgent);
	return unit_run("gateway_linger", tc);
}
