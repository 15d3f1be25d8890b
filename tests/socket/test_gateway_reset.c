/*
 * tests/socket/test_gateway_reset.c - a peer's reset, as a program sees it: behind all that had come before, and in
 * the queue of a listener.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "socket/gateway_priv.h"
#include "socket/guest.h"
#include "tests/harness/gateway_lab.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

#define SOON 10000 /* ms */
#define LARGE 1000000

static struct guest guest;

static void setup(void)
{
	gateway_lab_begin();
	guest = (struct guest){.token = *gateway_token(gateway_lab.g)};
}

static void reset_by(int fd)
{
	const struct linger now = {.l_onoff = 1};

	ck_assert_int_eq(weft_setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	weft_close(fd);
}

static bool is_readable(int fd, int ms)
{
	return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, ms) == 1;
}

/* --- in the queue --------------------------------------------------------------------------------- */

/* A program's listener of a backlog of one. */
static void listener_open(struct guest_socket *l, struct sockaddr_in *a)
{
	*a = in4("127.0.0.1", 0);
	ck_assert(guest_find(&guest, guest_open(&guest, AF_INET, SOCK_STREAM, 0), l));
	ck_assert_int_eq(guest_bind(l, sa(a), SA_LEN), 0);
	ck_assert_int_eq(guest_listen(l, 1), 0);
	a->sin_port = htons(l->slot->local.port);
}

static int peer_connect(struct sockaddr_in *a)
{
	int fd = sockets_open(SOCK_STREAM, 0);

	ck_assert_int_eq(weft_connect(fd, sa(a), SA_LEN), 0);
	return fd;
}

/* What the stack has told before, the gateway has seen. */
static void rounds(void)
{
	gateway_lab_round();
	gateway_lab_round();
}

/* Of those that wait none is forgotten because one that was handed over was reset. */
START_TEST(test_reset_in_the_queue_makes_room_for_the_next)
{
	struct program_addr remote;
	struct guest_socket l;
	struct sockaddr_in a;
	int first, second, child;

	listener_open(&l, &a);
	first = peer_connect(&a);
	ck_assert(is_readable(l.fd, SOON));
	second = peer_connect(&a);
	rounds();
	reset_by(first);
	rounds();
	child = guest_accept(&l, 0, &remote);
	ck_assert_int_ge(child, 0);
	close(child);
	ck_assert(is_readable(l.fd, SOON));
	child = guest_accept(&l, 0, &remote);
	ck_assert_int_ge(child, 0);
	close(child);
	weft_close(second);
	close(l.fd);
}
END_TEST

/* It is accepted as any other: from whom, what came, and that it was reset. */
START_TEST(test_reset_in_the_queue_is_told_behind_what_came)
{
	struct program_addr remote;
	struct guest_socket l;
	struct sockaddr_in a, own;
	socklen_t n = SA_LEN;
	int peer, child;
	char got[8];

	listener_open(&l, &a);
	peer = peer_connect(&a);
	ck_assert(is_readable(l.fd, SOON));
	ck_assert_int_eq(weft_getsockname(peer, sa(&own), &n), 0);
	ck_assert_int_eq(weft_send(peer, "abc", 3, 0), 3);
	rounds();
	reset_by(peer);
	rounds();
	child = guest_accept(&l, 0, &remote);
	ck_assert_int_ge(child, 0);
	ck_assert_uint_eq(remote.port, ntohs(own.sin_port));
	ck_assert_int_eq(recv(child, got, sizeof(got), 0), 3);
	ck_assert_errno(recv(child, got, sizeof(got), 0), ECONNRESET);
	close(child);
	close(l.fd);
}
END_TEST

/* --- of a connection ------------------------------------------------------------------------------ */

static struct guest_socket s; /* the program's, */
static struct gateway_end *end;
static int peer; /* whom it is connected to */

static void *nothing(void *arg)
{
	return arg;
}

/* gateway_stop() joins one. */
static void thread_rests(void)
{
	struct gateway *g = gateway_lab.g;

	eventfd_write(g->stop.fd, 1);
	ck_assert_int_eq(pthread_join(g->thread, NULL), 0);
	ck_assert_int_eq(pthread_create(&g->thread, NULL, nothing, NULL), 0);
}

/* The gateway looks at both sides. */
static void stream_seen(void)
{
	end->up_ready = end->down_ready = true;
	gateway_stream_run(end);
}

/* The program writes until nobody takes more. */
static void fill(void)
{
	static const char text[4096];

	do {
		while (send(s.fd, text, sizeof(text), MSG_DONTWAIT) > 0)
			;
		stream_seen();
	} while (!end->up.bytes || send(s.fd, text, sizeof(text), MSG_DONTWAIT) > 0);
}

/* Connected, and the program's bytes fill all there is; from then on the test says what the gateway sees. */
static void stream_begin(void)
{
	struct sockaddr_in a;
	int listener = sockets_listener(&a);

	ck_assert(guest_find(&guest, guest_open(&guest, AF_INET, SOCK_STREAM, 0), &s));
	ck_assert_int_eq(guest_connect(&s, sa(&a), SA_LEN), -EINPROGRESS);
	ck_assert_int_eq(poll(&(struct pollfd){.fd = s.fd, .events = POLLOUT}, 1, SOON), 1);
	ck_assert_int_eq(guest_connect_outcome(&s), 0);
	peer = weft_accept(listener, NULL, NULL);
	ck_assert_int_ge(peer, 0);
	weft_close(listener);
	thread_rests();
	end = gateway_end_find(gateway_lab.g, s.id);
	ck_assert_ptr_nonnull(end);
	fill();
}

/* An answer to who still sends, and then the reset: both at once. */
START_TEST(test_what_came_before_a_reset_is_read)
{
	char got[8];

	stream_begin();
	ck_assert_int_eq(weft_send(peer, "answer", 6, 0), 6);
	reset_by(peer);
	stream_seen();
	ck_assert_int_eq(recv(s.fd, got, sizeof(got), MSG_DONTWAIT), 6);
	ck_assert_errno(recv(s.fd, got, sizeof(got), MSG_DONTWAIT), ECONNRESET);
	ck_assert_errno(send(s.fd, "a", 1, MSG_DONTWAIT | MSG_NOSIGNAL), EPIPE);
	ck_assert_int_eq(guest_error(&s), ECONNRESET);
	close(s.fd);
}
END_TEST

/* More than the program's descriptor holds; its writes end meanwhile. */
START_TEST(test_all_that_came_before_a_reset_is_read)
{
	static char text[LARGE];
	int there = 0, more = 0;
	ssize_t n;

	stream_begin();
	while (weft_send(peer, text, sizeof(text), MSG_DONTWAIT) > 0)
		stream_seen();
	ck_assert_int_eq(ioctl(s.fd, FIONREAD, &there), 0);
	ck_assert_int_eq(weft_ioctl(end->fd, SIOCINQ, &more), 0);
	ck_assert_int_gt(more, 0);
	reset_by(peer);
	stream_seen();
	ck_assert_int_eq(poll(&(struct pollfd){.fd = s.fd, .events = POLLOUT}, 1, 0), 1);
	ck_assert_errno(send(s.fd, "a", 1, MSG_DONTWAIT | MSG_NOSIGNAL), EPIPE);
	for (there += more; (n = recv(s.fd, text, sizeof(text), MSG_DONTWAIT)) > 0;
	     there -= (int)n) {
		if (!end->watch.gone)
			gateway_stream_ready(gateway_lab.g, &end->watch, EPOLLOUT);
	}
	ck_assert_int_eq(errno, ECONNRESET);
	ck_assert_int_eq(there, 0);
	close(s.fd);
}
END_TEST

/* Who has read to the peer's FIN has read all there was: a reset behind it is for who writes (Linux). */
START_TEST(test_reset_behind_the_end_is_none_for_who_reads)
{
	char got[8];

	stream_begin();
	ck_assert_int_eq(weft_send(peer, "answer", 6, 0), 6);
	ck_assert_int_eq(weft_shutdown(peer, SHUT_WR), 0);
	if (_i)
		stream_seen();
	reset_by(peer);
	stream_seen();
	ck_assert_int_eq(recv(s.fd, got, sizeof(got), MSG_DONTWAIT), 6);
	ck_assert_int_eq(recv(s.fd, got, sizeof(got), MSG_DONTWAIT), 0);
	ck_assert_errno(send(s.fd, "a", 1, MSG_DONTWAIT | MSG_NOSIGNAL), EPIPE);
	close(s.fd);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("gateway_reset");

	tcase_add_checked_fixture(tc, setup, gateway_lab_end);
	tcase_add_test(tc, test_reset_in_the_queue_makes_room_for_the_next);
	tcase_add_test(tc, test_reset_in_the_queue_is_told_behind_what_came);
	tcase_add_test(tc, test_what_came_before_a_reset_is_read);
	tcase_add_test(tc, test_all_that_came_before_a_reset_is_read);
	tcase_add_loop_test(tc, test_reset_behind_the_end_is_none_for_who_reads, 0, 2);
	return unit_run("gateway_reset", tc);
}
