/*
 * tests/socket/test_gateway_reset.c - a peer's reset, as a program sees it whose listener has the connection in its
 * queue.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "socket/gateway_priv.h"
#include "socket/guest.h"
#include "tests/harness/gateway_lab.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

#define SOON 10000 /* ms */

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

int main(void)
{
	TCase *tc = tcase_create("gateway_reset");

	tcase_add_checked_fixture(tc, setup, gateway_lab_end);
	tcase_add_test(tc, test_reset_in_the_queue_makes_room_for_the_next);
	tcase_add_test(tc, test_reset_in_the_queue_is_told_behind_what_came);
	return unit_run("gateway_reset", tc);
}
