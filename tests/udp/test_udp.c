/*
 * tests/udp/test_udp.c - datagrams in: every drop reason, who gets one, what recv(), poll() and
 * shutdown() do.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/wire/udp.h"
#include "tests/harness/udp_lab.h"
#include "tests/harness/unit.h"

static struct udp_lab_got got;

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

static uint32_t poll_of(struct sock *sk)
{
	uint32_t ev;

	sock_lock(sk);
	ev = udp_ops.poll(sk);
	sock_unlock(sk);
	return ev;
}

static int ioctl_of(struct sock *sk, unsigned long req)
{
	int value = -1, err;

	sock_lock(sk);
	err = udp_ops.ioctl(sk, req, &value);
	sock_unlock(sk);
	return err ? err : value;
}

static int shut(struct sock *sk, int how)
{
	int err;

	sock_lock(sk);
	err = udp_ops.shutdown(sk, how);
	sock_unlock(sk);
	return err;
}

/* --- in --------------------------------------------------------------------------------------- */

START_TEST(test_in_reaches_sock_with_sender)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 53);
	struct ip_addr peer = ip_of("10.0.0.2");

	rx("hello", 53);
	ck_assert_uint_eq(mib(MIB_Udp_InDatagrams), 1);
	expect_recv(sk, "hello");
	ck_assert(got.m.has_addr && got.m.port == 1000 && got.m.out_flags == 0);
	ck_assert(ip_addr_eq(&got.m.addr, &peer));
	ck_assert_uint_eq(got.m.ifindex, udp_lab.eth->dev->ifindex);
	ck_assert_int_eq(udp_lab_recv(sk, &got), -EAGAIN);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_in_header_cut_short_is_dropped)
{
	uint8_t seven[7] = {0};

	ip_lab_rx_ip(&udp_lab, udp_lab.eth,
		     &(struct ip_packet){.src = "10.0.0.2",
					 .dst = "10.0.0.1",
					 .proto = IP_PROTO_UDP,
					 .data = seven,
					 .n = sizeof(seven)});
	ck_assert_uint_eq(drops(DROP_UDP_SHORT), 1);
	ck_assert_uint_eq(mib(MIB_Udp_InErrors), 1);
}
END_TEST

START_TEST(test_in_length_out_of_range_is_dropped)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 53);
	struct udp_lab_packet p = {.dport = 53, .data = "hello", .n = 5, .csum = CSUM_ABSENT};

	p.len_wrong = 1; /* past the end */
	udp_lab_rx(&p);
	p.len_wrong = -6; /* less than a header */
	udp_lab_rx(&p);
	ck_assert_uint_eq(drops(DROP_UDP_SHORT), 2);
	ck_assert_uint_eq(mib(MIB_Udp_InErrors), 2);
	p.len_wrong = -2; /* what lies behind is not of the datagram */
	udp_lab_rx(&p);
	expect_recv(sk, "hel");
	udp_lab_end(sk);
}
END_TEST

/* The field a device left to us to fill in lies behind what the length says is the datagram's. */
START_TEST(test_in_checksum_owed_behind_datagram_is_dropped)
{
	const uint8_t data[40] = {0};
	struct udp_hdr h = {.dport = be16_of(9), .len = be16_of(UDP_HLEN), .csum = 1};
	struct ether_hdr e = {.type = be16_of(ETHER_TYPE_IP4)};
	struct pkbuf *b = pkbuf_alloc(udp_lab.st, PKBUF_RX_HEAD);
	uint8_t bytes[IP4_HLEN + sizeof(data)], udp[sizeof(data)];

	memcpy(udp, data, sizeof(udp));
	memcpy(udp, &h, sizeof(h));
	ip_packet_build(&(struct ip_packet){.src = "10.0.0.2",
					    .dst = "10.0.0.1",
					    .proto = IP_PROTO_UDP,
					    .data = udp,
					    .n = sizeof(udp)},
			bytes);
	memcpy(e.dst, udp_lab.eth->dev->mac, sizeof(e.dst));
	ck_assert_int_eq(pkbuf_append(b, &e, sizeof(e)), 0);
	ck_assert_int_eq(pkbuf_append(b, bytes, sizeof(bytes)), 0);
	b->csum = CSUM_PARTIAL;
	b->csum_start = (uint16_t)(b->head + ETHER_HLEN + IP4_HLEN + 20);
	b->csum_off = 6;
	netdev_rx(udp_lab.eth->dev, b);
	udp_lab_flush();
	ck_assert_uint_eq(drops(DROP_UDP_CSUM), 1);
	ck_assert_uint_eq(mib(MIB_Udp_NoPorts), 0);
}
END_TEST

START_TEST(test_in_checksum_wrong_is_dropped_absent_is_not)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 53);
	struct udp_lab_packet p = {.dport = 53, .data = "odd", .n = 3, .csum = CSUM_WRONG};

	udp_lab_rx(&p);
	ck_assert_uint_eq(drops(DROP_UDP_CSUM), 1);
	ck_assert_uint_eq(mib(MIB_Udp_InCsumErrors), 1);
	ck_assert_uint_eq(mib(MIB_Udp_InErrors), 1);
	p.csum = CSUM_ABSENT;
	udp_lab_rx(&p);
	expect_recv(sk, "odd");
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_in_no_port_answers_port_unreachable)
{
	rx("anybody", 9999);
	ck_assert_uint_eq(drops(DROP_UDP_NO_PORT), 1);
	ck_assert_uint_eq(mib(MIB_Udp_NoPorts), 1);
	ip_lab_sent_icmp(&udp_lab, udp_lab.eth, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH);
}
END_TEST

START_TEST(test_in_no_port_broadcast_is_silent)
{
	udp_lab_rx(&(struct udp_lab_packet){.dst = "10.0.0.255", .dport = 9999});
	udp_lab_rx(&(struct udp_lab_packet){.dst = "255.255.255.255", .dport = 9999});
	ck_assert_uint_eq(drops(DROP_UDP_NO_PORT), 2);
	ip_lab_quiet(&udp_lab, udp_lab.eth);
	ck_assert_uint_eq(mib_read(udp_lab.st, MIB_Udp_IgnoredMulti), 2);
}
END_TEST

/* RFC 1122, 4.1.3.4 and 4.1.3.5. */
START_TEST(test_in_to_many_gives_each_a_copy)
{
	static const char *const dst[] = {"10.0.0.255", "255.255.255.255", "224.0.0.1"};
	struct sock *sk[3];

	for (int i = 0; i < 3; i++) {
		sk[i] = udp_lab_sock();
		sk[i]->flags |= SOCK_REUSEADDR;
		ck_assert_int_eq(udp_lab_bind(sk[i], i < 2 ? "0.0.0.0" : "10.0.0.1", 53), 0);
	}
	udp_lab_rx(&(struct udp_lab_packet){
	    .dst = dst[_i], .sport = 1, .dport = 53, .data = "all", .n = 3});
	expect_recv(sk[0], "all");
	expect_recv(sk[1], "all");
	ck_assert_int_eq(udp_lab_recv(sk[2], &got), -EAGAIN); /* bound to one address */
	for (int i = 0; i < 3; i++)
		udp_lab_end(sk[i]);
}
END_TEST

/* This host's own broadcast is as a stranger's: each has a copy, come by the device it left by (Linux). */
START_TEST(test_own_broadcast_gives_each_a_copy)
{
	static const char *const dst[] = {"10.0.0.255", "255.255.255.255"};
	uint32_t eth = udp_lab.eth->dev->ifindex;
	struct sock *sk[4];

	for (int i = 0; i < 4; i++) {
		sk[i] = udp_lab_sock();
		sk[i]->flags |= SOCK_REUSEADDR | SOCK_BROADCAST;
		sk[i]->c.ifindex = i < 2 ? 0 : i == 2 ? eth : eth + 1;
		ck_assert_int_eq(udp_lab_bind(sk[i], "0.0.0.0", 53), 0);
	}
	ck_assert_int_eq(udp_lab_send(sk[2], dst[_i], 53, "all", 3), 3);
	udp_lab_flush();
	for (int i = 0; i < 3; i++) {
		expect_recv(sk[i], "all");
		ck_assert_uint_eq(got.m.ifindex, eth);
	}
	ck_assert_int_eq(udp_lab_recv(sk[3], &got), -EAGAIN); /* of another device */
	for (int i = 0; i < 4; i++)
		udp_lab_end(sk[i]);
}
END_TEST

/* The net's broadcast is one by whichever device it comes. */
START_TEST(test_broadcast_by_another_device_gives_each_a_copy)
{
	struct testdev *far = ip_lab_device(&udp_lab, "test1", "10.1.0.1/24");
	struct sock *sk[2];

	for (int i = 0; i < 2; i++) {
		sk[i] = udp_lab_sock();
		sk[i]->flags |= SOCK_REUSEADDR;
		ck_assert_int_eq(udp_lab_bind(sk[i], "0.0.0.0", 53), 0);
	}
	ck_assert_ptr_nonnull(far);
	udp_lab_rx(&(struct udp_lab_packet){
	    .dst = "10.1.0.255", .sport = 1, .dport = 53, .data = "all", .n = 3});
	for (int i = 0; i < 2; i++) {
		expect_recv(sk[i], "all");
		udp_lab_end(sk[i]);
	}
}
END_TEST

START_TEST(test_in_ttl_below_minttl_is_dropped)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 53);

	sk->c.minttl = 255;
	udp_lab_rx(&(struct udp_lab_packet){.dport = 53, .data = "far", .n = 3, .ttl = 254});
	ck_assert_uint_eq(drops(DROP_SOCK_MINTTL), 1);
	udp_lab_rx(&(struct udp_lab_packet){.dport = 53, .data = "near", .n = 4, .ttl = 255});
	expect_recv(sk, "near");
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_in_over_rcvbuf_is_dropped_and_counted)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 53);
	unsigned n = 0;

	sk->rcvbuf = 4000;
	while (drops(DROP_SOCK_RCVBUF) == 0) {
		rx("x", 53);
		n++;
	}
	ck_assert_uint_gt(n, 2);
	ck_assert_uint_le(sk->rcv_bytes, 4000);
	ck_assert_uint_eq(mib(MIB_Udp_RcvbufErrors), 1);
	ck_assert_uint_eq(mib(MIB_Udp_InErrors), 1);
	ck_assert_uint_eq(mib(MIB_Udp_InDatagrams), n - 1);
	expect_recv(sk, "x");
	rx("y", 53); /* there is room again */
	ck_assert_uint_eq(drops(DROP_SOCK_RCVBUF), 1);
	udp_lab_end(sk);
	ck_assert_int_eq(gauge_read(udp_lab.st, GAUGE_rcv_bytes), 0);
}
END_TEST

/* It was found in the table, then waited on the backlog while its sock was connected or closed. */
START_TEST(test_in_backlog_of_connected_or_closed_is_dropped)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 53);
	struct udp_lab_packet late = {.dport = 53, .data = "late", .n = 4, .locked = true};
	struct ip_addr other = ip_of("10.0.0.3");

	sock_lock(sk);
	udp_lab_rx(&late);
	ck_assert_int_eq(udp_ops.connect(sk, &other, 7), 0);
	sock_unlock(sk);
	ck_assert_uint_eq(drops(DROP_SOCK_CLOSED), 1);
	udp_lab_end(sk);
	sk = udp_lab_bound("0.0.0.0", 53);
	sock_lock(sk);
	udp_lab_rx(&late);
	udp_ops.close(sk);
	sock_unlock(sk);
	ck_assert_uint_eq(drops(DROP_SOCK_CLOSED), 2);
	sock_put(sk);
}
END_TEST

/* --- recv ------------------------------------------------------------------------------------- */

START_TEST(test_recv_short_buffer_truncates)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 53);

	rx("abcdefgh", 53);
	rx("next", 53);
	got.room = 3;
	got.flags = MSG_PEEK;
	ck_assert_int_eq(udp_lab_recv(sk, &got), 3);
	ck_assert_int_eq(got.m.out_flags, MSG_TRUNC);
	got.flags = MSG_PEEK | MSG_TRUNC;
	ck_assert_int_eq(udp_lab_recv(sk, &got), 8); /* the length it really has */
	got.flags = 0;
	ck_assert_int_eq(udp_lab_recv(sk, &got), 3);
	ck_assert_int_eq(memcmp(got.data, "abc", 3), 0);
	got.room = 100;
	expect_recv(sk, "next"); /* the rest is gone */
	ck_assert_int_eq(got.m.out_flags, 0);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_recv_empty_datagram_is_zero_with_sender)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 53);

	rx("", 53);
	ck_assert_uint_ne(poll_of(sk) & EPOLLIN, 0);
	ck_assert_int_eq(udp_lab_recv(sk, &got), 0);
	ck_assert(got.m.has_addr && got.m.port == 1000);
	ck_assert_int_eq(udp_lab_recv(sk, &got), -EAGAIN);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_recv_error_queue_is_empty_without_errors)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 53);

	rx("data", 53);
	got.flags = MSG_ERRQUEUE;
	ck_assert_int_eq(udp_lab_recv(sk, &got), -EAGAIN);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_recv_large_is_whole)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 53);
	static uint8_t data[1472];

	pattern_fill(data, sizeof(data), 0);
	udp_lab_rx(&(struct udp_lab_packet){.dport = 53, .data = data, .n = sizeof(data)});
	ck_assert_int_eq(udp_lab_recv(sk, &got), sizeof(data));
	ck_assert(pattern_is(got.data, sizeof(data), 0));
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_poll_and_ioctl_follow_the_queue)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 53);
	uint32_t out = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND, in = EPOLLIN | EPOLLRDNORM;

	ck_assert_uint_eq(poll_of(sk), out);
	ck_assert_int_eq(ioctl_of(sk, SIOCINQ), 0);
	rx("abc", 53);
	rx("defgh", 53);
	ck_assert_uint_eq(poll_of(sk), out | in);
	ck_assert_int_eq(ioctl_of(sk, SIOCINQ), 3); /* the first one's */
	ck_assert_int_eq(ioctl_of(sk, SIOCOUTQ), 0);
	ck_assert_int_eq(ioctl_of(sk, SIOCGSTAMP), -ENOTTY);
	udp_lab_end(sk);
}
END_TEST

static uint32_t told;

static void note_ready(struct sock *sk, uint32_t events)
{
	told |= events;
}

static const struct sock_events note_events = {.ready = note_ready};

START_TEST(test_shutdown_both_tells_the_socket_room)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 53);

	told = 0;
	sk->stack->sock_events = &note_events;
	ck_assert_int_eq(shut(sk, SHUT_RDWR), -ENOTCONN);
	ck_assert_uint_eq(told & (EPOLLIN | EPOLLHUP), EPOLLIN | EPOLLHUP);
	ck_assert_uint_ne(poll_of(sk) & EPOLLHUP, 0);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_datagram_tells_the_socket_room)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 53);

	told = 0;
	sk->stack->sock_events = &note_events;
	rx("abc", 53);
	ck_assert_uint_eq(told, EPOLLIN | EPOLLRDNORM);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_shutdown_receive_ends_recv_and_drops)
{
	struct sock *sk = udp_lab_bound("0.0.0.0", 53);

	ck_assert_int_eq(shut(sk, SHUT_RD), -ENOTCONN); /* but it has its effect */
	ck_assert_int_eq(udp_lab_recv(sk, &got), 0);
	ck_assert_uint_eq(poll_of(sk) & (EPOLLIN | EPOLLRDHUP | EPOLLHUP), EPOLLIN | EPOLLRDHUP);
	rx("late", 53);
	ck_assert_uint_eq(drops(DROP_SOCK_CLOSED), 1);
	udp_lab_end(sk);
}
END_TEST

START_TEST(test_shutdown_send_is_epipe)
{
	struct sock *sk = udp_lab_sock();

	ck_assert_int_eq(udp_lab_connect(sk, "10.0.0.2", 7), 0);
	ck_assert_int_eq(shut(sk, SHUT_WR), 0);
	ck_assert_int_eq(udp_lab_send(sk, NULL, 0, "x", 1), -EPIPE);
	ck_assert_int_eq(shut(sk, 3), -EINVAL);
	ck_assert_int_eq(shut(sk, SHUT_RD), 0);
	ck_assert_uint_ne(poll_of(sk) & EPOLLHUP, 0);
	udp_lab_end(sk);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("udp");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_in_reaches_sock_with_sender);
	tcase_add_test(tc, test_in_header_cut_short_is_dropped);
	tcase_add_test(tc, test_in_length_out_of_range_is_dropped);
	tcase_add_test(tc, test_in_checksum_owed_behind_datagram_is_dropped);
	tcase_add_test(tc, test_in_checksum_wrong_is_dropped_absent_is_not);
	tcase_add_test(tc, test_in_no_port_answers_port_unreachable);
	tcase_add_test(tc, test_in_no_port_broadcast_is_silent);
	tcase_add_loop_test(tc, test_in_to_many_gives_each_a_copy, 0, 3);
	tcase_add_loop_test(tc, test_own_broadcast_gives_each_a_copy, 0, 2);
	tcase_add_test(tc, test_broadcast_by_another_device_gives_each_a_copy);
	tcase_add_test(tc, test_in_ttl_below_minttl_is_dropped);
	tcase_add_test(tc, test_in_over_rcvbuf_is_dropped_and_counted);
	tcase_add_test(tc, test_in_backlog_of_connected_or_closed_is_dropped);
	tcase_add_test(tc, test_recv_short_buffer_truncates);
	tcase_add_test(tc, test_recv_empty_datagram_is_zero_with_sender);
	tcase_add_test(tc, test_recv_error_queue_is_empty_without_errors);
	tcase_add_test(tc, test_recv_large_is_whole);
	tcase_add_test(tc, test_poll_and_ioctl_follow_the_queue);
	tcase_add_test(tc, test_datagram_tells_the_socket_room);
	tcase_add_test(tc, test_shutdown_receive_ends_recv_and_drops);
	tcase_add_test(tc, test_shutdown_send_is_epipe);
	tcase_add_test(tc, test_shutdown_both_tells_the_socket_room);
	return unit_run("udp", tc);
}
