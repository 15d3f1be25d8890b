/* SO_REUSEPORT: several sockets on one port, each with its share of the peers, the same peer with the same one. */
#include <errno.h>

#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

#define GROUP 3
#define PEERS 48

static struct stack *st;
static int group[GROUP];
static struct sockaddr_in at;

static void setup(void)
{
	st = sockets_begin();
	at = in4("127.0.0.1", 0);
}

static void teardown(void)
{
	for (int fd = WEFT_FD_FIRST; fd < WEFT_FD_FIRST + 256; fd++)
		weft_close(fd);
	sockets_end(st);
}

static int member(int type)
{
	int fd = weft_socket(AF_INET, type | SOCK_NONBLOCK, 0), on = 1;
	socklen_t n = SA_LEN;

	ck_assert_int_eq(weft_setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	ck_assert_int_eq(weft_bind(fd, sa(&at), SA_LEN), 0);
	ck_assert_int_eq(weft_getsockname(fd, sa(&at), &n), 0);
	if (type == SOCK_STREAM)
		ck_assert_int_eq(weft_listen(fd, PEERS), 0);
	return fd;
}

static void group_make(int type)
{
	for (int i = 0; i < GROUP; i++)
		group[i] = member(type);
}

static unsigned datagrams(int fd)
{
	char byte;
	unsigned n = 0;

	while (weft_recv(fd, &byte, 1, 0) == 1)
		n++;
	ck_assert_int_eq(errno, EAGAIN);
	return n;
}

START_TEST(test_datagrams_are_shared_out_by_peer)
{
	unsigned n, all = 0, used = 0;

	group_make(SOCK_DGRAM);
	for (int i = 0; i < PEERS; i++) {
		int fd = weft_socket(AF_INET, SOCK_DGRAM, 0);

		for (int j = 0; j < 2; j++)
			ck_assert_int_eq(weft_sendto(fd, "x", 1, 0, sa(&at), SA_LEN), 1);
	}
	for (int i = 0; i < GROUP; i++) {
		n = datagrams(group[i]);
		ck_assert_uint_eq(n % 2, 0); /* both of a peer came to the same one */
		all += n;
		used += n > 0;
	}
	ck_assert_uint_eq(all, 2 * PEERS);
	ck_assert_uint_gt(used, 1);
}
END_TEST

START_TEST(test_connections_are_shared_out)
{
	unsigned n, all = 0, used = 0;

	group_make(SOCK_STREAM);
	for (int i = 0; i < PEERS; i++)
		ck_assert_int_eq(
		    weft_connect(weft_socket(AF_INET, SOCK_STREAM, 0), sa(&at), SA_LEN), 0);
	for (int i = 0; i < GROUP; i++) {
		for (n = 0; weft_accept(group[i], NULL, NULL) >= 0; n++)
			;
		ck_assert_int_eq(errno, EAGAIN);
		all += n;
		used += n > 0;
	}
	ck_assert_uint_eq(all, PEERS);
	ck_assert_uint_gt(used, 1);
}
END_TEST

/* A member that ends leaves the others; the last has everything. */
START_TEST(test_what_is_left_of_a_group_has_all)
{
	int fd = weft_socket(AF_INET, SOCK_DGRAM, 0);

	group_make(SOCK_DGRAM);
	for (int i = 1; i < GROUP; i++)
		ck_assert_int_eq(weft_close(group[i]), 0);
	ck_assert_int_eq(weft_sendto(fd, "x", 1, 0, sa(&at), SA_LEN), 1);
	ck_assert_uint_eq(datagrams(group[0]), 1);
}
END_TEST

/* One that is connected has its peer to itself. */
START_TEST(test_connected_member_has_its_peer)
{
	struct sockaddr_in peer_at;
	int peer = sockets_bound(SOCK_DGRAM, &peer_at);

	group_make(SOCK_DGRAM);
	ck_assert_int_eq(weft_connect(group[_i], sa(&peer_at), SA_LEN), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(weft_sendto(peer, "x", 1, 0, sa(&at), SA_LEN), 1);
	ck_assert_uint_eq(datagrams(group[_i]), 4);
}
END_TEST

START_TEST(test_who_does_not_say_so_is_refused)
{
	int fd = weft_socket(AF_INET, SOCK_DGRAM, 0);

	group_make(SOCK_DGRAM);
	ck_assert_errno(weft_bind(fd, sa(&at), SA_LEN), EADDRINUSE);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("reuseport");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_datagrams_are_shared_out_by_peer);
	tcase_add_test(tc, test_connections_are_shared_out);
	tcase_add_test(tc, test_what_is_left_of_a_group_has_all);
	tcase_add_loop_test(tc, test_connected_member_has_its_peer, 0, GROUP);
	tcase_add_test(tc, test_who_does_not_say_so_is_refused);
	return unit_run("reuseport", tc);
}
