/*
 * tests/udp/test_udp_path.c - sendto(): the path to whom the last one went is kept, and for whom it is not.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "ip/inet_dgram.h"
#include "tests/harness/udp_lab.h"
#include "tests/harness/unit.h"

static struct sock *sk;
static struct udp_lab_sent sent;

static void setup(void)
{
	udp_lab_open();
	sk = udp_lab_sock();
}

static void teardown(void)
{
	udp_lab_end(sk);
	udp_lab_close();
}

/* A datagram to addr goes there, by the wire of `eth`. */
static void goes_to(const char *addr)
{
	struct ip_addr own = ip_of("10.0.0.1"), to = ip_of(addr);

	ck_assert_int_eq(udp_lab_send(sk, addr, 7, "x", 1), 1);
	ck_assert(udp_lab_sent(&sent));
	ck_assert(ip_addr_eq(&sent.dst, &to));
	ck_assert(ip_addr_eq(&sent.src, &own));
}

/* The same by a control message: a source, or a device; 0: whichever. */
static ssize_t send_asking(const char *addr, const char *src, int ifindex)
{
	struct in_pktinfo info = {.ipi_ifindex = ifindex};
	uint8_t control[CMSG_SPACE(sizeof(info))] = {0};
	struct cmsghdr *c = (struct cmsghdr *)(void *)control;
	struct iovec iov = {(char[]){"x"}, 1};
	struct sock_msg m = {.iov = &iov, .niov = 1, .len = 1, .has_addr = true, .port = 7};
	ssize_t r;

	if (src)
		info.ipi_spec_dst.s_addr = htonl(ip_addr_to4(&(struct ip_addr[]){ip_of(src)}[0]));
	*c = (struct cmsghdr){
	    .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof(info))};
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	m.control = control;
	m.controllen = sizeof(control);
	m.addr = ip_of(addr);
	sock_lock(sk);
	r = udp_ops.send(sk, &m);
	sock_unlock(sk);
	return r;
}

START_TEST(test_kept_for_the_same)
{
	struct path *first;

	goes_to("10.0.0.2");
	first = sk->path;
	ck_assert_ptr_nonnull(first);
	goes_to("10.0.0.2");
	ck_assert_ptr_eq(sk->path, first);
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.2", 9, "x", 1),
			 1); /* the port is no part of it */
	ck_assert_ptr_eq(sk->path, first);
	ck_assert_uint_eq(atomic_load(&first->ref), 1);
}
END_TEST

START_TEST(test_another_destination)
{
	struct ip_addr other = ip_of("10.0.0.3");

	goes_to("10.0.0.2");
	goes_to("10.0.0.3");
	ck_assert(ip_addr_eq(&sk->path->nexthop, &other));
	goes_to("10.0.0.3");
	goes_to("10.0.0.2");
}
END_TEST

/* Two behind one router are two. */
START_TEST(test_another_behind_the_same_router)
{
	ip_lab_route(&udp_lab, "10.9.0.0/16", "10.0.0.3");
	goes_to("10.9.0.1");
	goes_to("10.9.0.2");
	goes_to("10.0.0.3");
	goes_to("10.9.0.2");
}
END_TEST

START_TEST(test_routes_move)
{
	struct testdev *far = ip_lab_device(&udp_lab, "test1", "10.1.0.1/24");
	static uint8_t bytes[65535];

	ip_lab_route(&udp_lab, "10.9.0.0/16", "10.0.0.3");
	goes_to("10.9.0.1");
	ip_lab_route(&udp_lab, "10.9.0.0/24", "10.1.0.2");
	ck_assert_int_eq(udp_lab_send(sk, "10.9.0.1", 7, "x", 1), 1);
	ck_assert(!udp_lab_sent(&sent));
	ck_assert_uint_gt(ip_lab_sent(&udp_lab, far, bytes), 0);
}
END_TEST

START_TEST(test_a_smaller_path_mtu_is_learnt)
{
	static const uint8_t data[1200];

	sk->pmtudisc = PMTUDISC_DO;
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.2", 7, data, sizeof(data)), sizeof(data));
	udp_lab_rx_icmp(&(struct udp_lab_icmp){
	    .type = 3, .code = 4, .sport = sk->c.lport, .dport = 7, .word = 1000});
	udp_lab_flush();
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.2", 7, data, sizeof(data)), -EMSGSIZE);
	ck_assert_uint_eq(sk->path->mtu, 1000);
}
END_TEST

START_TEST(test_unreachable_keeps_none_but_the_last)
{
	goes_to("10.0.0.2");
	ck_assert_int_eq(udp_lab_send(sk, "192.168.9.9", 7, "x", 1), -ENETUNREACH);
	goes_to("10.0.0.2");
}
END_TEST

/* SO_BROADCAST has a say in each. */
START_TEST(test_not_kept_of_broadcasts)
{
	sk->flags |= SOCK_BROADCAST;
	goes_to("10.0.0.255");
	ck_assert_ptr_null(sk->path);
	sk->flags &= ~SOCK_BROADCAST;
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.255", 7, "x", 1), -EACCES);
}
END_TEST

START_TEST(test_not_kept_of_groups)
{
	goes_to("10.0.0.2");
	ip_lab_route(&udp_lab, "224.0.0.0/4", "10.0.0.3");
	goes_to("224.1.1.1");
	ck_assert(sk->path->type == ROUTE_UNICAST);
	goes_to("10.0.0.2");
}
END_TEST

/* Or many socks that ask in vain would keep their neighbours, and new ones out. */
START_TEST(test_not_kept_before_the_neighbour_answers)
{
	struct path *kept;

	goes_to("10.0.0.2");
	kept = sk->path;
	ck_assert_ptr_nonnull(kept);
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.77", 7, "x", 1), 1);
	ck_assert_ptr_eq(sk->path, kept);
}
END_TEST

/* What a message asks for is its own; the next goes as ever. */
START_TEST(test_wishes_are_for_one_datagram)
{
	struct testdev *far = ip_lab_device(&udp_lab, "test1", "10.1.0.1/24");
	struct ip_addr src = ip_of("10.1.0.1");
	struct path *kept;

	goes_to("10.0.0.2");
	kept = sk->path;
	ck_assert_int_eq(send_asking("10.0.0.2", "10.1.0.1", 0), 1);
	ck_assert(udp_lab_sent(&sent));
	ck_assert(ip_addr_eq(&sent.src, &src));
	ck_assert_int_eq(send_asking("10.0.0.2", NULL, (int)far->dev->ifindex), 1);
	ck_assert(!udp_lab_sent(&sent)); /* by the other, which asks for it first */
	ck_assert_ptr_eq(sk->path, kept);
	goes_to("10.0.0.2");
}
END_TEST

/* A peer's path is the peer's, which is behind another device. */
START_TEST(test_connected_keeps_its_peers)
{
	struct testdev *far = ip_lab_device(&udp_lab, "test1", "10.1.0.1/24");

	goes_to("10.0.0.2");
	ck_assert_int_eq(udp_lab_connect(sk, "10.1.0.3", 7), 0);
	goes_to("10.0.0.2");
	ck_assert_ptr_eq(sk->path->dev, far->dev);
	ck_assert_int_eq(udp_lab_send(sk, NULL, 0, "x", 1), 1);
	ck_assert(!udp_lab_sent(&sent));
	sock_lock(sk);
	ck_assert_int_eq(udp_ops.disconnect(sk), 0);
	sock_unlock(sk);
	ck_assert_ptr_null(sk->path);
	goes_to("10.0.0.2");
	goes_to("10.0.0.2");
}
END_TEST

/* The last one's is there yet, and connect() has not made it a peer's. */
START_TEST(test_connect_refused)
{
	goes_to("10.0.0.2");
	ck_assert_int_eq(udp_lab_connect(sk, "192.168.9.9", 7), -ENETUNREACH);
	ck_assert_int_eq(udp_lab_send(sk, NULL, 0, "x", 1), -EDESTADDRREQ);
	goes_to("10.0.0.3");
	goes_to("10.0.0.2");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("udp_path");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_kept_for_the_same);
	tcase_add_test(tc, test_another_destination);
	tcase_add_test(tc, test_another_behind_the_same_router);
	tcase_add_test(tc, test_routes_move);
	tcase_add_test(tc, test_a_smaller_path_mtu_is_learnt);
	tcase_add_test(tc, test_unreachable_keeps_none_but_the_last);
	tcase_add_test(tc, test_not_kept_of_broadcasts);
	tcase_add_test(tc, test_not_kept_of_groups);
	tcase_add_test(tc, test_not_kept_before_the_neighbour_answers);
	tcase_add_test(tc, test_wishes_are_for_one_datagram);
	tcase_add_test(tc, test_connected_keeps_its_peers);
	tcase_add_test(tc, test_connect_refused);
	return unit_run("udp_path", tc);
}
