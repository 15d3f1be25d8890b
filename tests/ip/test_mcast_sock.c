/*
 * tests/ip/test_mcast_sock.c - groups by sock (ip(7), RFC 1112, 6 and 7): options and their errors, who
 * hears what, the sender's own copy.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "ip/mcast.h"
#include "tests/harness/raw_lab.h"
#include "tests/harness/unit.h"

#define GROUP "239.1.2.3"

static struct testdev *second;
static struct sock *a, *b;

static void setup(void)
{
	raw_lab_open();
	second = ip_lab_device(&raw_lab, "test1", "10.1.0.1/24");
	a = raw_lab_open_sock(200);
	b = raw_lab_open_sock(200);
}

static void teardown(void)
{
	raw_lab_end(a);
	raw_lab_end(b);
	raw_lab_close();
}

static struct in_addr in_of(const char *text)
{
	struct ip_addr x = ip_of(text);

	return (struct in_addr){htonl(ip_addr_to4(&x))};
}

static int setopt(struct sock *sk, int name, const void *v, socklen_t n)
{
	int err;

	sock_lock(sk);
	err = raw_ops.setopt(sk, IPPROTO_IP, name, v, n);
	sock_unlock(sk);
	return err;
}

/* By address; "0.0.0.0": by route. */
static int member(struct sock *sk, int name, const char *group, const char *addr)
{
	struct ip_mreq r = {in_of(group), in_of(addr)};

	return setopt(sk, name, &r, sizeof(r));
}

static int member_by_index(struct sock *sk, int name, const char *group, int ifindex)
{
	struct ip_mreqn r = {in_of(group), in_of("0.0.0.0"), ifindex};

	return setopt(sk, name, &r, sizeof(r));
}

static int set(struct sock *sk, int name, int v)
{
	return setopt(sk, name, &v, sizeof(v));
}

static int get(struct sock *sk, int name)
{
	int v = -1;
	socklen_t n = sizeof(v);

	sock_lock(sk);
	ck_assert_int_eq(raw_ops.getopt(sk, IPPROTO_IP, name, &v, &n), 0);
	sock_unlock(sk);
	ck_assert_uint_eq(n, sizeof(v));
	return v;
}

static void rx(struct testdev *d, const char *group)
{
	struct ip_packet p = {.src = "10.0.0.2", .dst = group, .proto = 200, .n = 8};

	if (d == second)
		p.src = "10.1.0.2";
	memcpy(raw_lab.to_rx, "\x01\x00\x5e\x01\x02\x03", 6);
	ip_lab_rx_ip(&raw_lab, d, &p);
	raw_lab_flush();
}

static bool hears(struct sock *sk)
{
	return raw_lab_recv(sk, NULL) > 0;
}

/* --- membership -------------------------------------------------------------------------------- */

START_TEST(test_join_errors)
{
	int lo = (int)raw_lab.lo->ifindex;

	ck_assert_int_eq(member(a, IP_ADD_MEMBERSHIP, "10.0.0.2", "10.0.0.1"), -EINVAL);
	ck_assert_int_eq(setopt(a, IP_ADD_MEMBERSHIP, "1234567", 7), -EINVAL);
	ck_assert_int_eq(member(a, IP_ADD_MEMBERSHIP, GROUP, "10.9.9.9"), -ENODEV);
	ck_assert_int_eq(member(a, IP_ADD_MEMBERSHIP, GROUP, "0.0.0.0"), -ENODEV); /* no route */
	ck_assert_int_eq(member_by_index(a, IP_ADD_MEMBERSHIP, GROUP, 77), -ENODEV);
	ck_assert_int_eq(member(a, IP_ADD_MEMBERSHIP, GROUP, "10.0.0.1"), 0);
	ck_assert_int_eq(member(a, IP_ADD_MEMBERSHIP, GROUP, "10.0.0.1"), -EADDRINUSE);
	ck_assert_int_eq(member(a, IP_ADD_MEMBERSHIP, GROUP, "10.1.0.1"), 0);
	ck_assert_int_eq(member_by_index(a, IP_ADD_MEMBERSHIP, GROUP, lo), 0);
}
END_TEST

START_TEST(test_leave_errors)
{
	ck_assert_int_eq(member(a, IP_DROP_MEMBERSHIP, GROUP, "10.0.0.1"), -EADDRNOTAVAIL);
	ck_assert_int_eq(member(a, IP_DROP_MEMBERSHIP, GROUP, "0.0.0.0"), -ENODEV);
	ck_assert_int_eq(member(a, IP_ADD_MEMBERSHIP, GROUP, "10.0.0.1"), 0);
	ck_assert_int_eq(member(a, IP_DROP_MEMBERSHIP, GROUP, "10.1.0.1"), -EADDRNOTAVAIL);
	ck_assert_int_eq(member(a, IP_DROP_MEMBERSHIP, "239.1.2.4", "10.0.0.1"), -EADDRNOTAVAIL);
	ck_assert_int_eq(member(b, IP_DROP_MEMBERSHIP, GROUP, "10.0.0.1"), -EADDRNOTAVAIL);
	ck_assert_int_eq(setopt(a, IP_DROP_MEMBERSHIP, "1234567", 7), -EINVAL);
	ck_assert_int_eq(member(a, IP_DROP_MEMBERSHIP, GROUP, "10.0.0.1"), 0);
	ck_assert_int_eq(member(a, IP_DROP_MEMBERSHIP, GROUP, "10.0.0.1"), -EADDRNOTAVAIL);
}
END_TEST

START_TEST(test_join_by_route)
{
	struct ip_addr group = ip_of(GROUP);

	ip_lab_route(&raw_lab, "0.0.0.0/0", "10.1.0.2");
	ck_assert_int_eq(member(a, IP_ADD_MEMBERSHIP, GROUP, "0.0.0.0"), 0);
	ck_assert(mcast_is_member(second->dev, &group));
	ck_assert(!mcast_is_member(raw_lab.eth->dev, &group));
	ck_assert_int_eq(member_by_index(a, IP_DROP_MEMBERSHIP, GROUP, (int)second->dev->ifindex),
			 0);
	ck_assert(!mcast_is_member(second->dev, &group));
}
END_TEST

START_TEST(test_memberships_are_bounded)
{
	char group[] = "239.0.0.a";

	for (char c = 0; c < 20; c++) {
		struct ip_mreqn r = {{htonl(0xef000001u + (uint32_t)c)}, in_of("10.0.0.1"), 0};

		ck_assert_int_eq(setopt(a, IP_ADD_MEMBERSHIP, &r, sizeof(r)), 0);
	}
	group[8] = '9';
	ck_assert_int_eq(member(a, IP_ADD_MEMBERSHIP, GROUP, "10.0.0.1"), -ENOBUFS);
	ck_assert_int_eq(member(a, IP_ADD_MEMBERSHIP, group, "10.0.0.1"), -EADDRINUSE);
	ck_assert_int_eq(member(a, IP_DROP_MEMBERSHIP, group, "10.0.0.1"), 0);
	ck_assert_int_eq(member(a, IP_ADD_MEMBERSHIP, GROUP, "10.0.0.1"), 0);
}
END_TEST

START_TEST(test_memberships_are_bounded_by_setting)
{
	ck_assert_int_eq(sysctl_write(raw_lab.st, "net.ipv4.igmp_max_memberships", 1), 0);
	ck_assert_int_eq(member(a, IP_ADD_MEMBERSHIP, GROUP, "10.0.0.1"), 0);
	ck_assert_int_eq(member(a, IP_ADD_MEMBERSHIP, "239.0.0.9", "10.0.0.1"), -ENOBUFS);
	ck_assert_int_eq(member(b, IP_ADD_MEMBERSHIP, "239.0.0.9", "10.0.0.1"), 0);
}
END_TEST

/* --- who hears --------------------------------------------------------------------------------- */

START_TEST(test_group_is_heard_where_it_was_joined)
{
	rx(raw_lab.eth, GROUP);
	ck_assert(!hears(a));
	ck_assert_uint_eq(pkbuf_drops(raw_lab.st, DROP_IP_NOT_FOR_US), 1);
	ck_assert_int_eq(member(a, IP_ADD_MEMBERSHIP, GROUP, "10.0.0.1"), 0);
	rx(raw_lab.eth, GROUP);
	ck_assert(hears(a));
	rx(second, GROUP);
	rx(raw_lab.eth, "239.1.2.4");
	ck_assert(!hears(a));
	ck_assert_int_eq(member(a, IP_DROP_MEMBERSHIP, GROUP, "10.0.0.1"), 0);
	rx(raw_lab.eth, GROUP);
	ck_assert(!hears(a));
}
END_TEST

/* IP_MULTICAST_ALL, on at first: what others of the host have joined is heard too. */
START_TEST(test_multicast_all)
{
	ck_assert_int_eq(get(b, IP_MULTICAST_ALL), 1);
	ck_assert_int_eq(member(a, IP_ADD_MEMBERSHIP, GROUP, "10.0.0.1"), 0);
	rx(raw_lab.eth, GROUP);
	ck_assert(hears(a) && hears(b));
	ck_assert_int_eq(set(b, IP_MULTICAST_ALL, 2), -EINVAL);
	ck_assert_int_eq(set(b, IP_MULTICAST_ALL, 0), 0);
	ck_assert_int_eq(get(b, IP_MULTICAST_ALL), 0);
	rx(raw_lab.eth, GROUP);
	ck_assert(hears(a) && !hears(b));
	ck_assert_uint_eq(pkbuf_drops(raw_lab.st, DROP_SOCK_MCAST), 1);
	ck_assert_int_eq(member(b, IP_ADD_MEMBERSHIP, GROUP, "10.1.0.1"), 0);
	rx(raw_lab.eth, GROUP);
	ck_assert(hears(a) && !hears(b)); /* by another device */
	ck_assert_int_eq(member(b, IP_ADD_MEMBERSHIP, GROUP, "10.0.0.1"), 0);
	rx(raw_lab.eth, GROUP);
	ck_assert(hears(a) && hears(b));
}
END_TEST

START_TEST(test_close_leaves)
{
	struct sock *c = raw_lab_open_sock(200);
	struct ip_addr group = ip_of(GROUP);

	ck_assert_int_eq(member(c, IP_ADD_MEMBERSHIP, GROUP, "10.0.0.1"), 0);
	ck_assert(mcast_is_member(raw_lab.eth->dev, &group));
	raw_lab_end(c);
	ck_assert(!mcast_is_member(raw_lab.eth->dev, &group));
}
END_TEST

/* --- sending ----------------------------------------------------------------------------------- */

/* Frames of protocol 200 that d sent; the last one's source. */
static unsigned frames(struct testdev *d, struct ip_addr *src)
{
	unsigned n = 0;

	while (ip_lab_sent(&raw_lab, d, raw_lab_bytes)) {
		if (raw_lab_bytes[9] != 200)
			continue;
		*src = ip_addr4_be(raw_lab_bytes + 12);
		n++;
	}
	return n;
}

START_TEST(test_multicast_if)
{
	struct in_addr by = in_of("10.1.0.1"), got;
	struct ip_addr own = ip_of("10.1.0.1"), src;
	struct ip_mreqn q = {.imr_ifindex = (int)raw_lab.eth->dev->ifindex};

	ck_assert_int_eq(raw_lab_send(a, GROUP, "x", 1), -ENETUNREACH);
	ck_assert_int_eq(setopt(a, IP_MULTICAST_IF, "abc", 3), -EINVAL);
	got = in_of("10.9.9.9");
	ck_assert_int_eq(setopt(a, IP_MULTICAST_IF, &got, sizeof(got)), -EADDRNOTAVAIL);
	ck_assert_int_eq(setopt(a, IP_MULTICAST_IF, &by, sizeof(by)), 0);
	ck_assert_int_eq(get(a, IP_MULTICAST_IF), (int)by.s_addr);
	ck_assert_int_eq(raw_lab_send(a, GROUP, "x", 1), 1);
	ck_assert_uint_eq(frames(second, &src), 1);
	ck_assert(ip_addr_eq(&src, &own));
	ck_assert_int_eq(setopt(a, IP_MULTICAST_IF, &q, sizeof(q)), 0);
	ck_assert_int_eq(get(a, IP_MULTICAST_IF), 0);
	ck_assert_int_eq(raw_lab_send(a, GROUP, "x", 1), 1);
	ck_assert_uint_eq(frames(raw_lab.eth, &src), 1);
	q.imr_ifindex = 77;
	ck_assert_int_eq(setopt(a, IP_MULTICAST_IF, &q, sizeof(q)), -EADDRNOTAVAIL);
	got = in_of("0.0.0.0");
	ck_assert_int_eq(setopt(a, IP_MULTICAST_IF, &got, sizeof(got)), 0);
	ck_assert_int_eq(raw_lab_send(a, GROUP, "x", 1), -ENETUNREACH);
}
END_TEST

/* Linux looks the way to a group up for each datagram. */
START_TEST(test_multicast_if_after_connect)
{
	struct ip_mreqn q = {.imr_ifindex = (int)raw_lab.eth->dev->ifindex};
	struct ip_addr src;

	ck_assert_int_eq(setopt(a, IP_MULTICAST_IF, &q, sizeof(q)), 0);
	ck_assert_int_eq(raw_lab_connect(a, GROUP), 0);
	ck_assert_int_eq(raw_lab_send(a, NULL, "x", 1), 1);
	ck_assert_uint_eq(frames(raw_lab.eth, &src), 1);
	q.imr_ifindex = (int)second->dev->ifindex;
	ck_assert_int_eq(setopt(a, IP_MULTICAST_IF, &q, sizeof(q)), 0);
	ck_assert_int_eq(raw_lab_send(a, NULL, "x", 1), 1);
	ck_assert_uint_eq(frames(raw_lab.eth, &src), 0);
	ck_assert_uint_eq(frames(second, &src), 1);
}
END_TEST

START_TEST(test_multicast_if_of_a_bound_device)
{
	struct in_addr by = in_of("10.1.0.1");

	sock_lock(a);
	a->c.ifindex = raw_lab.eth->dev->ifindex;
	sock_unlock(a);
	ck_assert_int_eq(setopt(a, IP_MULTICAST_IF, &by, sizeof(by)), -EINVAL);
}
END_TEST

/* RFC 1112, 6.1: a copy for this host, as if by the device it left by; not when the sender declines. */
START_TEST(test_own_copy)
{
	struct in_addr by = in_of("10.0.0.1");
	struct ip_addr src;

	ck_assert_int_eq(get(a, IP_MULTICAST_LOOP), 1);
	ck_assert_int_eq(setopt(a, IP_MULTICAST_IF, &by, sizeof(by)), 0);
	ck_assert_int_eq(member(b, IP_ADD_MEMBERSHIP, GROUP, "10.1.0.1"), 0);
	ck_assert_int_eq(raw_lab_send(a, GROUP, "x", 1), 1);
	raw_lab_flush();
	ck_assert(!hears(a) && !hears(b)); /* no member where it left */
	ck_assert_int_eq(member(b, IP_ADD_MEMBERSHIP, GROUP, "10.0.0.1"), 0);
	ck_assert_int_eq(set(b, IP_MULTICAST_ALL, 0), 0);
	ck_assert_int_eq(raw_lab_send(a, GROUP, "x", 1), 1);
	raw_lab_flush();
	ck_assert(hears(a) && hears(b));
	ck_assert_int_eq(set(a, IP_MULTICAST_LOOP, 0), 0);
	ck_assert_int_eq(get(a, IP_MULTICAST_LOOP), 0);
	ck_assert_int_eq(raw_lab_send(a, GROUP, "x", 1), 1);
	raw_lab_flush();
	ck_assert(!hears(a) && !hears(b));
	ck_assert_uint_eq(frames(raw_lab.eth, &src), 3);
}
END_TEST

/* A group of this host alone, by lo, which is named by its address or its number (Linux): each hears it once. */
START_TEST(test_group_of_the_loop_device)
{
	struct ip_mreqn by = {in_of("0.0.0.0"), in_of(_i ? "0.0.0.0" : "127.0.0.1"),
			      _i ? (int)raw_lab.lo->ifindex : 0};
	struct ip_addr src;

	ck_assert_int_eq(member(b, IP_ADD_MEMBERSHIP, GROUP, "127.0.0.1"), 0);
	ck_assert_int_eq(setopt(a, IP_MULTICAST_IF, &by, sizeof(by)), 0);
	ck_assert_int_eq(raw_lab_send(a, GROUP, "x", 1), 1);
	raw_lab_flush();
	ck_assert(hears(a) && hears(b));
	ck_assert(!hears(a) && !hears(b));
	ck_assert_uint_eq(frames(raw_lab.eth, &src), 0);
}
END_TEST

START_TEST(test_broadcast_by_the_loop_device)
{
	sock_lock(a);
	a->c.ifindex = raw_lab.lo->ifindex;
	a->flags |= SOCK_BROADCAST;
	sock_unlock(a);
	ck_assert_int_eq(raw_lab_send(a, "255.255.255.255", "x", 1), 1);
	raw_lab_flush();
	ck_assert(hears(a) && hears(b));
	ck_assert(!hears(a) && !hears(b));
}
END_TEST

/* Linux: members on this host hear it, and no other. */
START_TEST(test_ttl_0_stays_on_the_host)
{
	struct in_addr by = in_of("10.0.0.1");
	struct ip_addr src;

	ck_assert_int_eq(setopt(a, IP_MULTICAST_IF, &by, sizeof(by)), 0);
	ck_assert_int_eq(set(a, IP_MULTICAST_TTL, 0), 0);
	ck_assert_int_eq(raw_lab_send(a, GROUP, "x", 1), 1);
	raw_lab_flush();
	ck_assert(!hears(b));
	ck_assert_int_eq(member(b, IP_ADD_MEMBERSHIP, GROUP, "10.0.0.1"), 0);
	ck_assert_int_eq(raw_lab_send(a, GROUP, "x", 1), 1);
	raw_lab_flush();
	ck_assert(hears(b));
	ck_assert_uint_eq(frames(raw_lab.eth, &src), 0);
}
END_TEST

/* By lo it stays there anyway: each hears it (Linux). */
START_TEST(test_ttl_0_by_the_loop_device)
{
	struct in_addr by = in_of("127.0.0.1");

	ck_assert_int_eq(member(b, IP_ADD_MEMBERSHIP, GROUP, "127.0.0.1"), 0);
	ck_assert_int_eq(setopt(a, IP_MULTICAST_IF, &by, sizeof(by)), 0);
	ck_assert_int_eq(set(a, IP_MULTICAST_TTL, 0), 0);
	ck_assert_int_eq(raw_lab_send(a, GROUP, "x", 1), 1);
	raw_lab_flush();
	ck_assert(hears(b));
	ck_assert(!hears(b));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("mcast_sock");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_join_errors);
	tcase_add_test(tc, test_leave_errors);
	tcase_add_test(tc, test_join_by_route);
	tcase_add_test(tc, test_memberships_are_bounded);
	tcase_add_test(tc, test_memberships_are_bounded_by_setting);
	tcase_add_test(tc, test_group_is_heard_where_it_was_joined);
	tcase_add_test(tc, test_multicast_all);
	tcase_add_test(tc, test_close_leaves);
	tcase_add_test(tc, test_multicast_if);
	tcase_add_test(tc, test_multicast_if_after_connect);
	tcase_add_test(tc, test_multicast_if_of_a_bound_device);
	tcase_add_test(tc, test_own_copy);
	tcase_add_test(tc, test_ttl_0_stays_on_the_host);
	tcase_add_loop_test(tc, test_group_of_the_loop_device, 0, 2);
	tcase_add_test(tc, test_broadcast_by_the_loop_device);
	tcase_add_test(tc, test_ttl_0_by_the_loop_device);
	return unit_run("mcast_sock", tc);
}
