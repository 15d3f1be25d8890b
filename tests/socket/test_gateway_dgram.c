/*
 * tests/socket/test_gateway_dgram.c - datagrams that a program sends to an address: what the stack refuses is
 * answered at once, what it takes is not asked about again, until something has changed.
 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ip/ip_priv.h"
#include "socket/gateway_priv.h"
#include "socket/guest.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

static struct stack *st;
static struct gateway *g;
static struct guest guest;
static struct guest_socket s; /* the program's */
static int receiver;
static struct sockaddr_in here, all;
static uint8_t bytes[PROGRAM_DATAGRAM + 1];

static void setup(void)
{
	st = sockets_begin();
	ck_assert_int_eq(gateway_start(st, &g), 0);
	guest = (struct guest){.token = *gateway_token(g)};
	receiver = sockets_bound(SOCK_DGRAM, &here);
	all = in4("255.255.255.255", 9);
	ck_assert(guest_find(&guest, guest_open(&guest, AF_INET, SOCK_DGRAM, 0), &s));
}

static void teardown(void)
{
	close(s.fd);
	weft_close(receiver);
	gateway_stop(g);
	sockets_end(st);
}

static void *nothing(void *arg)
{
	return arg;
}

/* From here on nobody answers a request. */
static void thread_rests(void)
{
	eventfd_write(g->stop.fd, 1);
	ck_assert_int_eq(pthread_join(g->thread, NULL), 0);
	ck_assert_int_eq(pthread_create(&g->thread, NULL, nothing, NULL), 0);
}

static long send_to(const struct sockaddr_in *to, size_t n)
{
	struct sockaddr_in name = *to;
	struct iovec iov = {bytes, n};
	const struct msghdr m = {
	    .msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &iov, .msg_iovlen = 1};

	return guest_sendmsg(&s, &m, MSG_DONTWAIT);
}

/* What is sent, whether it was asked about or not, comes in its order. */
static void comes(size_t n)
{
	ck_assert_int_eq(weft_recv(receiver, bytes, sizeof(bytes), 0), (int)n);
}

START_TEST(test_refused_at_once)
{
	struct sockaddr_in none = here;

	none.sin_port = 0;
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(send_to(&all, 1), -ENETUNREACH);
		ck_assert_int_eq(send_to(&none, 1), -EINVAL);
		ck_assert_int_eq(send_to(&here, 65508), -EMSGSIZE);
		ck_assert_int_eq(send_to(&here, PROGRAM_DATAGRAM + 1), -EMSGSIZE);
		ck_assert_int_eq(send_to(&here, 65507), 65507);
		comes(65507);
	}
	ck_assert_int_eq(guest_error(&s), 0);
}
END_TEST

START_TEST(test_taken_is_not_asked_about_again)
{
	ck_assert_int_eq(send_to(&here, 100), 100);
	thread_rests();
	ck_assert_int_eq(send_to(&here, 100), 100);
	ck_assert_int_eq(send_to(&here, 0), 0);
}
END_TEST

START_TEST(test_order_of_asked_and_not_asked)
{
	static const size_t sizes[] = {10, 5, 10, 20, 3, 20, 900, 1};
	const size_t n = sizeof(sizes) / sizeof(sizes[0]);

	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(send_to(&here, sizes[i]), (int)sizes[i]);
	for (size_t i = 0; i < n; i++)
		comes(sizes[i]);
}
END_TEST

static void set(int level, int name, int v)
{
	ck_assert_int_eq(guest_setsockopt(&s, level, name, &v, sizeof(v)), 0);
}

static void lo_named(void)
{
	const struct sockaddr_in lo = in4("127.0.0.1", 0);

	ck_assert_int_eq(guest_bind(&s, (const struct sockaddr *)&lo, sizeof(lo)), 0);
}

/* Bound to lo's address it goes by lo. */
START_TEST(test_broadcast_follows_the_option)
{
	lo_named();
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(send_to(&all, 1), -EACCES);
		set(SOL_SOCKET, SO_BROADCAST, 1);
		ck_assert_int_eq(send_to(&all, 1), 1);
		set(SOL_SOCKET, SO_BROADCAST, 0);
	}
}
END_TEST

START_TEST(test_routes_and_options_make_it_forgotten)
{
	const uint32_t was = atomic_load(&guest_table(&guest)->routes);
	const struct sockaddr_in far = in4("203.0.113.1", 9);

	ck_assert_int_eq(send_to(&here, 1000), 1000);
	ck_assert_uint_eq(was, route_generation(st));
	route_generation_bump(st);
	ck_assert_uint_eq(atomic_load(&guest_table(&guest)->routes), was + 1);
	ck_assert_int_eq(send_to(&here, 1000), 1000);
	set(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	ck_assert(guest_size_matters(&guest, 1));
	ck_assert_int_eq(send_to(&here, 65507), 65507);
	ck_assert_int_eq(send_to(&far, 1), -ENETUNREACH);
}
END_TEST

START_TEST(test_shut_is_told)
{
	ck_assert_int_eq(send_to(&here, 1), 1);
	ck_assert_int_eq(guest_shutdown(&s, SHUT_WR), -ENOTCONN);
	ck_assert_int_eq(send_to(&here, 1), -EPIPE);
	ck_assert_int_eq(send_to(&here, 2), -EPIPE);
}
END_TEST

START_TEST(test_another_weft_is_not_its)
{
	ck_assert_int_eq(send_to(&here, 9), 9);
	comes(9);
	gateway_stop(g);
	ck_assert_int_eq(gateway_start(st, &g), 0);
	ck_assert_int_eq(send_to(&here, 9), -ENETDOWN);
}
END_TEST

static void limit_set(rlim_t n)
{
	const struct rlimit r = {n, n};

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &r), 0);
}

/* From more remotes than there are descriptors: each is heard, and who asks meanwhile is answered. */
START_TEST(test_remotes_leave_descriptors_to_others)
{
	struct sockaddr_in to = in4("127.0.0.1", 0);
	struct guest_socket other;
	int from;

	close(s.fd);
	gateway_stop(g);
	limit_set(64);
	ck_assert_int_eq(gateway_start(st, &g), 0);
	guest = (struct guest){.token = *gateway_token(g)};
	ck_assert(guest_find(&guest, guest_open(&guest, AF_INET, SOCK_DGRAM, 0), &s));
	ck_assert_int_eq(guest_bind(&s, sa(&to), SA_LEN), 0);
	to.sin_port = htons(s.slot->local.port);
	for (int i = 0; i < 80; i++) {
		from = sockets_open(SOCK_DGRAM, 0);
		ck_assert_int_eq(weft_sendto(from, "a", 1, 0, sa(&to), SA_LEN), 1);
		ck_assert_int_eq(poll(&(struct pollfd){.fd = s.fd, .events = POLLIN}, 1, 10000), 1);
		ck_assert_int_eq(recv(s.fd, bytes, sizeof(bytes), 0), 1);
		weft_close(from);
	}
	to.sin_port = 0;
	ck_assert(guest_find(&guest, guest_open(&guest, AF_INET, SOCK_STREAM, 0), &other));
	ck_assert_int_eq(guest_bind(&other, sa(&to), SA_LEN), 0);
	close(other.fd);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("gateway_dgram");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_refused_at_once);
	tcase_add_test(tc, test_taken_is_not_asked_about_again);
	tcase_add_test(tc, test_order_of_asked_and_not_asked);
	tcase_add_test(tc, test_broadcast_follows_the_option);
	tcase_add_test(tc, test_routes_and_options_make_it_forgotten);
	tcase_add_test(tc, test_shut_is_told);
	tcase_add_test(tc, test_another_weft_is_not_its);
	tcase_add_test(tc, test_remotes_leave_descriptors_to_others);
	return unit_run("gateway_dgram", tc);
}
