/*
 * tests/udp/test_udp_out.c - datagrams out: source and destination, refusals, checksums, sizes; connect,
 * disconnect, close.
 */
#include <errno.h>
#include <string.h>

#include "ip/inet_dgram.h"
#include "ip/inet_hash.h"
#include "net/ifaddr.h"
#include "tests/harness/udp_lab.h"
#include "tests/harness/unit.h"

static struct udp_lab_got got;
static struct udp_lab_sent sent;

static void setup(void)
{
	udp_lab_open();
	memset(&got, 0, sizeof(got));
	got.room = sizeof(got.data);
}

static void teardown(void)
{
	udp_lab_close();
}

static uint64_t drops(enum drop_reason why)
{
	return pkbuf_drops(udp_lab.st, why);
}

static uint64_t mib(enum mib m)
{
	return mib_read(udp_lab.st, m);
}

static void rx(const char *data, uint16_t dport)
{
	udp_lab_rx(&(struct udp_lab_packet){
	    .sport = 1000, .dport = dport, .data = data, .n = (uint32_t)strlen(data)});
}

static void expect_recv(struct sock *sk, const char *data)
{
	ck_assert_int_eq(udp_lab_recv(sk, &got), (int)strlen(data));
	ck_assert_int_eq(memcmp(got.data, data, strlen(data)), 0);
}

/* --- send ------------------------------------------------------------------------------------- */

START_TEST(test_send_binds_a_port_and_picks_the_source)
{
	struct sock *sk = udp_lab_sock();
	struct ip_addr own = ip_of("10.0.0.1"), peer = ip_of("10.0.0.2");

	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.2", 7, "hello", 5), 5);
	ck_assert(udp_lab_sent(&sent));
	ck_assert(ip_addr_eq(&sent.src, &own) && ip_addr_eq(&sent.dst, &peer));
	ck_assert_uint_eq(sent.sport, sk->c.lport);
	ck_assert_uint_ge(sent.sport, 32768);
	ck_assert_uint_eq(sent.dport, 7);
	ck_assert_uint_eq(sent.n, 5);
	ck_assert_int_eq(memcmp(sent.data, "hello", 5), 0);
	ck_assert_uint_eq(mib(MIB_Udp_OutDatagrams), 1);
	ck_assert(ip_addr_is_any(&sk->c.laddr)); /* only its port is bound */
	udp_lab_end(sk);
}
END_TEST

/* Linux: sendto() names no port 0, but who is connected to it sends there. */
START_TEST(test_connected_to_port_0)
{
	struct sock *sk = udp_lab_sock();

	ck_assert_int_eq(udp_lab_connect(sk, "10.0.0.2", 0), 0);
	ck_assert_int_eq(udp_lab_send(sk, NULL, 0, "x", 1), 1);
	ck_assert(udp_lab_sent(&sent));
	ck_assert_uint_eq(sent.dport, 0);
	udp_lab_end(sk);
}
END_TEST

/* Each -errno of send(), and nothing goes out. */
START_TEST(test_send_refusals)
{
	struct sock *sk = udp_lab_sock();
	static uint8_t big[65508];

	ck_assert_int_eq(udp_lab_send(sk, NULL, 0, "x", 1), -EDESTADDRREQ);
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.2", 0, "x", 1), -EINVAL);
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.2", 7, big, sizeof(big)), -EMSGSIZE);
	ck_assert_int_eq(udp_lab_send(sk, "192.168.1.1", 7, "x", 1), -ENETUNREACH);
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.255", 7, "x", 1), -EACCES);
	ck_assert_int_eq(udp_lab_send(sk, "2001:db8::1", 7, "x", 1), -EAFNOSUPPORT);
	sk->pmtudisc = PMTUDISC_DO;
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.2", 7, big, 1473), -EMSGSIZE);
	ip_lab_quiet(&udp_lab, udp_lab.eth);
	ck_assert_uint_eq(mib(MIB_Udp_OutDatagrams), 0);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_send_flags_not_offered)
{
	struct sock *sk = udp_lab_sock();
	struct iovec iov = {&(uint8_t){0}, 1};
	struct sock_msg m = {.iov = &iov, .niov = 1, .len = 1, .has_addr = true, .port = 7};

	m.addr = ip_of("10.0.0.2");
	sock_lock(sk);
	m.flags = MSG_OOB;
	ck_assert_int_eq(udp_ops.send(sk, &m), -EOPNOTSUPP);
	m.flags = MSG_MORE;
	ck_assert_int_eq(udp_ops.send(sk, &m), -EOPNOTSUPP);
	m.flags = MSG_CONFIRM | MSG_DONTWAIT | MSG_NOSIGNAL;
	ck_assert_int_eq(udp_ops.send(sk, &m), 1);
	sock_unlock(sk);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_send_broadcast_with_so_broadcast)
{
	struct sock *sk = udp_lab_sock();

	sk->flags |= SOCK_BROADCAST;
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.255", 7, "x", 1), 1);
	ck_assert(udp_lab_sent(&sent));
	udp_lab_end(sk);
}
END_TEST

/* RFC 1122, 3.3.6 and 4.1.3.4: each of this host hears it as others' do, by the device it left by. */
START_TEST(test_send_broadcast_is_heard_by_all_here)
{
	static const char *const to[] = {"10.0.0.255", "255.255.255.255"};
	struct sock *sk = udp_lab_sock(), *in[3];

	ip_lab_route(&udp_lab, "0.0.0.0/0", "10.0.0.2");
	sk->flags |= SOCK_BROADCAST;
	for (unsigned i = 0; i < 3; i++) {
		in[i] = udp_lab_sock();
		in[i]->flags |= SOCK_REUSEADDR;
		if (i == 2)
			in[i]->c.ifindex = udp_lab.eth->dev->ifindex;
		ck_assert_int_eq(udp_lab_bind(in[i], "0.0.0.0", 7), 0);
	}
	ck_assert_int_eq(udp_lab_send(sk, to[_i], 7, "x", 1), 1);
	udp_lab_flush();
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(udp_lab_recv(in[i], &got), 1);
		ck_assert_uint_eq(got.m.ifindex, udp_lab.eth->dev->ifindex);
		udp_lab_end(in[i]);
	}
	udp_lab_end(sk);
}
END_TEST

/* Another source would not be whom the program said it is (RFC 1122, 4.1.3.5; Linux). */
START_TEST(test_send_from_an_address_that_has_gone)
{
	struct sock *sk = udp_lab_bound("10.0.0.1", 7);
	struct ip_addr own = ip_of("10.0.0.1"), other = ip_of("10.0.0.9");

	ck_assert_int_eq(ifaddr_add(udp_lab.eth->dev, &other, IP_PREFIX4(24)), 0);
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.2", 7, "x", 1), 1);
	ck_assert(udp_lab_sent(&sent) && ip_addr_eq(&sent.src, &own));
	ck_assert_int_eq(ifaddr_del(udp_lab.eth->dev, &own), 0);
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.2", 7, "x", 1), -EADDRNOTAVAIL);
	ck_assert(!udp_lab_sent(&sent));
	udp_lab_end(sk);
}
END_TEST

/* Linux: what was a broadcast when it was bound is no source, whatever became of its net. */
START_TEST(test_send_bound_to_a_broadcast_that_has_gone)
{
	struct sock *sk = udp_lab_bound("10.0.0.255", 7);
	struct ip_addr own = ip_of("10.0.0.1"), other = ip_of("10.0.0.9");

	ck_assert_int_eq(ifaddr_del(udp_lab.eth->dev, &own), 0);
	ck_assert_int_eq(ifaddr_add(udp_lab.eth->dev, &other, IP_PREFIX4(25)), 0);
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.2", 7, "x", 1), 1);
	ck_assert(udp_lab_sent(&sent) && ip_addr_eq(&sent.src, &other));
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_send_no_port_left_eaddrinuse)
{
	struct sock *a = udp_lab_sock(), *b = udp_lab_sock();

	sysctl_write(udp_lab.st, "net.ipv4.ip_local_port_range.first", 40000);
	sysctl_write(udp_lab.st, "net.ipv4.ip_local_port_range.last", 40000);
	ck_assert_int_eq(udp_lab_send(a, "10.0.0.2", 7, "x", 1), 1);
	ck_assert_int_eq(udp_lab_send(b, "10.0.0.2", 7, "x", 1), -EADDRINUSE);
	udp_lab_end(a);
	udp_lab_end(b);
}
END_TEST

START_TEST(test_send_empty_datagram)
{
	struct sock *sk = udp_lab_sock();

	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.2", 7, NULL, 0), 0);
	ck_assert(udp_lab_sent(&sent));
	ck_assert_uint_eq(sent.n, 0);
	udp_lab_end(sk);
}
END_TEST

/* RFC 768: a sum of zero is sent as all ones, since zero says that there is none. */
START_TEST(test_send_checksum_zero_becomes_ffff)
{
	struct sock *sk = udp_lab_bound("10.0.0.1", 5000);
	uint16_t data = 0;

	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.2", 7, &data, 2), 2);
	ck_assert(udp_lab_sent(&sent));
	data = sent.csum; /* which brings the sum to all ones */
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.2", 7, &data, 2), 2);
	ck_assert(udp_lab_sent(&sent));
	ck_assert_uint_eq(sent.csum, 0xffff);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_send_checksum_is_left_to_a_device_that_takes_it)
{
	struct sock *sk = udp_lab_sock();
	static uint8_t data[3000];
	uint8_t bytes[65535];
	unsigned fragments = 0;

	udp_lab.eth->dev->features = NETDEV_F_CSUM;
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.2", 7, "hello", 5), 5);
	ck_assert(udp_lab_sent(&sent)); /* which looks at the field */
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.2", 7, data, sizeof(data)), sizeof(data));
	while (ip_lab_sent(&udp_lab, udp_lab.eth, bytes))
		fragments++;
	ck_assert_uint_eq(fragments, 3);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_send_largest_comes_back_by_loopback)
{
	struct sock *a = udp_lab_sock(), *b = udp_lab_bound("0.0.0.0", 53);
	static uint8_t data[65507];

	pattern_fill(data, sizeof(data), 0);
	ck_assert_int_eq(udp_lab_send(a, "127.0.0.1", 53, data, sizeof(data)), sizeof(data));
	udp_lab_flush();
	ck_assert_int_eq(udp_lab_recv(b, &got), sizeof(data));
	ck_assert(pattern_is(got.data, sizeof(data), 0));
	ck_assert_uint_eq(got.m.port, a->c.lport);
	udp_lab_end(a);
	udp_lab_end(b);
}
END_TEST

/* All that programs may have is taken: send() says so, and works again when it is back. */
START_TEST(test_send_without_memory_enobufs)
{
	struct sock *sk = udp_lab_sock();
	struct piece *hog[64];
	static uint8_t data[20000];
	unsigned n = 0;

	sysctl_write(udp_lab.st, "net.weft.mem_limit", 1048576);
	while ((hog[n] = piece_alloc(udp_lab.st, PIECE_LARGE)))
		ck_assert_uint_lt(++n, 64);
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.2", 7, data, sizeof(data)), -ENOBUFS);
	ck_assert_uint_eq(mib(MIB_Udp_SndbufErrors), 1);
	while (n)
		piece_put(hog[--n]);
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.2", 7, data, sizeof(data)), sizeof(data));
	ck_assert_uint_eq(mib(MIB_Udp_SndbufErrors), 1);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_send_to_any_is_this_host)
{
	struct sock *a = udp_lab_sock(), *b = udp_lab_bound("0.0.0.0", 53);

	ck_assert_int_eq(udp_lab_send(a, "0.0.0.0", 53, "me", 2), 2);
	udp_lab_flush();
	expect_recv(b, "me");
	ck_assert(ip_addr_is_loopback(&got.m.addr));
	udp_lab_end(a);
	udp_lab_end(b);
}
END_TEST

/* --- connect ---------------------------------------------------------------------------------- */

START_TEST(test_connected_hears_only_its_peer)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 53);

	ck_assert_int_eq(udp_lab_connect(sk, "10.0.0.2", 1000), 0);
	ck_assert_uint_eq(sk->c.state, DGRAM_CONNECTED);
	rx("peer", 53);
	expect_recv(sk, "peer");
	udp_lab_rx(&(struct udp_lab_packet){.sport = 1001, .dport = 53, .data = "no", .n = 2});
	ck_assert_uint_eq(drops(DROP_UDP_NO_PORT), 1);
	udp_lab_rx(&(struct udp_lab_packet){
	    .src = "10.0.0.3", .sport = 1000, .dport = 53, .data = "no", .n = 2});
	ck_assert_uint_eq(drops(DROP_UDP_NO_PORT), 2);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_connected_sendto_goes_elsewhere)
{
	struct sock *sk = udp_lab_sock();
	struct ip_addr peer = ip_of("10.0.0.2"), other = ip_of("10.0.0.3");

	ck_assert_int_eq(udp_lab_connect(sk, "10.0.0.2", 7), 0);
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.3", 8, "x", 1), 1);
	ck_assert(udp_lab_sent(&sent));
	ck_assert(ip_addr_eq(&sent.dst, &other) && sent.dport == 8);
	ck_assert_int_eq(udp_lab_send(sk, NULL, 0, "x", 1), 1);
	ck_assert(udp_lab_sent(&sent));
	ck_assert(ip_addr_eq(&sent.dst, &peer) && sent.dport == 7);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_connect_picks_the_source_anew)
{
	struct sock *sk = udp_lab_sock();
	struct ip_addr own = ip_of("10.0.0.1");

	ck_assert_int_eq(udp_lab_connect(sk, "127.0.0.1", 7), 0);
	ck_assert(ip_addr_is_loopback(&sk->c.laddr));
	ck_assert_int_eq(udp_lab_connect(sk, "10.0.0.2", 7), 0);
	ck_assert(ip_addr_eq(&sk->c.laddr, &own));
	ck_assert_int_eq(udp_lab_connect(sk, "127.0.0.1", 7), 0);
	ck_assert_int_eq(udp_lab_send(sk, "10.0.0.2", 9, "x", 1), 1); /* so does sendto() */
	ck_assert(udp_lab_sent(&sent));
	ck_assert(ip_addr_eq(&sent.src, &own));
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_connect_refused_keeps_the_old_peer)
{
	struct sock *sk = udp_lab_sock();
	struct ip_addr peer = ip_of("10.0.0.2");

	ck_assert_int_eq(udp_lab_connect(sk, "10.0.0.2", 7), 0);
	ck_assert_int_eq(udp_lab_connect(sk, "192.168.9.9", 7), -ENETUNREACH);
	ck_assert_int_eq(udp_lab_connect(sk, "10.0.0.255", 7), -EACCES);
	ck_assert(ip_addr_eq(&sk->c.raddr, &peer));
	ck_assert_int_eq(udp_lab_send(sk, NULL, 0, "x", 1), 1);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_connect_keeps_the_source_bind_named)
{
	struct sock *sk = udp_lab_bound("10.0.0.1", 53);
	struct ip_addr own = ip_of("10.0.0.1");

	ck_assert_int_eq(udp_lab_connect(sk, "127.0.0.1", 7), 0);
	ck_assert(ip_addr_eq(&sk->c.laddr, &own));
	udp_lab_end(sk);
}
END_TEST

static void disconnect(struct sock *sk)
{
	sock_lock(sk);
	ck_assert_int_eq(udp_ops.disconnect(sk), 0);
	sock_unlock(sk);
	ck_assert_uint_eq(sk->c.state, DGRAM_UNCONNECTED);
}

START_TEST(test_disconnect_gives_a_chosen_port_back)
{
	struct sock *sk = udp_lab_sock();

	disconnect(sk); /* of one that never was connected */
	ck_assert_int_eq(udp_lab_connect(sk, "10.0.0.2", 7), 0);
	ck_assert(inet_hashed(&sk->c));
	disconnect(sk);
	ck_assert(!inet_hashed(&sk->c));
	ck_assert_uint_eq(sk->c.lport, 0);
	ck_assert(ip_addr_is_any(&sk->c.laddr) && ip_addr_is_any(&sk->c.raddr));
	ck_assert_int_eq(udp_lab_send(sk, NULL, 0, "x", 1), -EDESTADDRREQ);
	ck_assert_int_eq(udp_lab_connect(sk, "10.0.0.2", 7), 0);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_disconnect_keeps_what_bind_named)
{
	struct sock *sk = udp_lab_bound("10.0.0.1", 53);
	struct ip_addr own = ip_of("10.0.0.1");

	ck_assert_int_eq(udp_lab_connect(sk, "10.0.0.2", 7), 0);
	rx("no", 53);
	ck_assert_int_eq(udp_lab_recv(sk, &got), -EAGAIN);
	disconnect(sk);
	ck_assert(ip_addr_eq(&sk->c.laddr, &own) && sk->c.lport == 53);
	rx("yes", 53);
	expect_recv(sk, "yes");
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_close_with_data_leaves_nothing)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 53);

	rx("one", 53);
	rx("two", 53);
	ck_assert_int_gt(gauge_read(udp_lab.st, GAUGE_rcv_bytes), 0);
	udp_lab_end(sk);
	ck_assert_int_eq(gauge_read(udp_lab.st, GAUGE_rcv_bytes), 0);
	ck_assert_int_eq(gauge_read(udp_lab.st, GAUGE_pkbufs), 0);
	ck_assert_int_eq(gauge_read(udp_lab.st, GAUGE_socks), 0);
	udp_lab_end(udp_lab_bound("0.0.0.0", 53)); /* the port is free */
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("udp_out");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_send_binds_a_port_and_picks_the_source);
	tcase_add_test(tc, test_connected_to_port_0);
	tcase_add_test(tc, test_send_refusals);
	tcase_add_test(tc, test_send_flags_not_offered);
	tcase_add_test(tc, test_send_broadcast_with_so_broadcast);
	tcase_add_loop_test(tc, test_send_broadcast_is_heard_by_all_here, 0, 2);
	tcase_add_test(tc, test_send_from_an_address_that_has_gone);
	tcase_add_test(tc, test_send_bound_to_a_broadcast_that_has_gone);
	tcase_add_test(tc, test_send_no_port_left_eaddrinuse);
	tcase_add_test(tc, test_send_empty_datagram);
	tcase_add_test(tc, test_send_checksum_zero_becomes_ffff);
	tcase_add_test(tc, test_send_checksum_is_left_to_a_device_that_takes_it);
	tcase_add_test(tc, test_send_largest_comes_back_by_loopback);
	tcase_add_test(tc, test_send_to_any_is_this_host);
	tcase_add_test(tc, test_connected_hears_only_its_peer);
	tcase_add_test(tc, test_connected_sendto_goes_elsewhere);
	tcase_add_test(tc, test_connect_picks_the_source_anew);
	tcase_add_test(tc, test_connect_keeps_the_source_bind_named);
	tcase_add_test(tc, test_send_without_memory_enobufs);
	tcase_add_test(tc, test_connect_refused_keeps_the_old_peer);
	tcase_add_test(tc, test_disconnect_gives_a_chosen_port_back);
	tcase_add_test(tc, test_disconnect_keeps_what_bind_named);
	tcase_add_test(tc, test_close_with_data_leaves_nothing);
	return unit_run("udp_out", tc);
}
