/*
 * tests/ip/test_raw.c - raw endpoints (raw(7)): who gets a copy of what, filters, bounds, errors, options.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "ip/inet_dgram.h"
#include "lib/checksum.h"
#include "lib/wire/udp.h"
#include "net/ifaddr.h"
#include "tests/harness/raw_lab.h"
#include "tests/harness/unit.h"

#define ICMP_FILTER 1 /* of <linux/icmp.h>, whose other names are lib/wire's too */

static void setup(void)
{
	raw_lab_open();
}

static void teardown(void)
{
	raw_lab_close();
}

static struct ip_packet packet(uint8_t proto, uint32_t n)
{
	return (struct ip_packet){.src = "10.0.0.2", .dst = "10.0.0.1", .proto = proto, .n = n};
}

static void rx(const struct ip_packet *p)
{
	ip_lab_rx_ip(&raw_lab, raw_lab.eth, p);
	raw_lab_flush();
}

/* sk has exactly the datagram p next. */
static void expect_copy(struct sock *sk, const struct ip_packet *p)
{
	static uint8_t want[IP4_LEN_MAX];
	uint32_t n = ip_packet_build(p, want);
	struct ip_addr from, src = ip_of(p->src);

	ck_assert_int_eq(raw_lab_recv(sk, &from), (int)n);
	ck_assert_int_eq(memcmp(raw_lab_bytes, want, n), 0);
	ck_assert(ip_addr_eq(&from, &src));
}

static void expect_nothing(struct sock *sk)
{
	ck_assert_int_eq(raw_lab_recv(sk, NULL), -EAGAIN);
}

/* --- in --------------------------------------------------------------------------------------- */

START_TEST(test_in_each_of_the_protocol_gets_the_datagram)
{
	struct sock *a = raw_lab_open_sock(200), *b = raw_lab_open_sock(200),
		    *c = raw_lab_open_sock(201);
	struct ip_packet p = packet(200, 1400);

	rx(&p);
	expect_copy(a, &p);
	expect_copy(b, &p);
	expect_nothing(a);
	expect_nothing(c);
	ck_assert_uint_eq(mib_read(raw_lab.st, MIB_Raw_InDatagrams), 2);
	ip_lab_quiet(&raw_lab, raw_lab.eth); /* somebody took it: no protocol unreachable */
	raw_lab_end(a);
	raw_lab_end(b);
	raw_lab_end(c);
}
END_TEST

START_TEST(test_in_none_of_the_protocol_is_unreachable)
{
	struct sock *a = raw_lab_open_sock(201);
	struct ip_packet p = packet(200, 8);

	rx(&p);
	ip_lab_sent_icmp(&raw_lab, raw_lab.eth, ICMP_DEST_UNREACH, ICMP_PROTO_UNREACH);
	raw_lab_end(a);
}
END_TEST

START_TEST(test_in_beside_the_protocol_itself)
{
	struct sock *a = raw_lab_open_sock(IP_LAB_PROTO);
	struct ip_packet p = packet(IP_LAB_PROTO, 100);
	struct pkbuf *b;

	rx(&p);
	expect_copy(a, &p);
	b = pkq_take(&raw_lab.arrived);
	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq(b->len, 100);
	pkbuf_free(b);
	raw_lab_end(a);
}
END_TEST

START_TEST(test_in_fragments_come_whole)
{
	struct sock *a = raw_lab_open_sock(200);
	struct ip_packet p = packet(200, 1480), whole = packet(200, 1480 + 100);

	p.id = whole.id = 7;
	p.off = IP4_MF;
	rx(&p);
	p.off = 185;
	p.n = 100;
	rx(&p);
	expect_copy(a, &whole);
	raw_lab_end(a);
}
END_TEST

/* Whatever the header has beside: record route, here. */
START_TEST(test_in_from_no_port)
{
	static const uint8_t opt[8] = {IP4_OPT_RR, 7, 4};
	struct sock *a = raw_lab_open_sock(200);
	struct ip_packet p = packet(200, 8);
	struct iovec iov = {raw_lab_bytes, sizeof(raw_lab_bytes)};
	struct sock_msg m = {.iov = &iov, .niov = 1, .len = sizeof(raw_lab_bytes), .port = 1};

	p.opt = opt;
	p.optlen = sizeof(opt);
	rx(&p);
	sock_lock(a);
	ck_assert_int_eq(raw_ops.recv(a, &m), IP4_HLEN + 8 + 8);
	sock_unlock(a);
	ck_assert_uint_eq(m.port, 0);
	raw_lab_end(a);
}
END_TEST

/* bind() and connect() are filters. */
static const struct {
	const char *bound, *connected, *src, *dst;
	bool gets;
} filters[] = {
    {"10.0.0.1", NULL, "10.0.0.2", "10.0.0.1", true},
    {"10.0.0.1", NULL, "10.0.0.2", "10.0.0.200", false},
    {"10.0.0.1", NULL, "10.0.0.2", "10.0.0.255", false},
    {"10.0.0.255", NULL, "10.0.0.2", "10.0.0.255", true},
    {NULL, "10.0.0.2", "10.0.0.2", "10.0.0.1", true},
    {NULL, "10.0.0.2", "10.0.0.3", "10.0.0.1", false},
    {NULL, "10.0.0.2", "10.0.0.2", "10.0.0.200", false}, /* the source it picked is ours */
    {"10.0.0.200", "10.0.0.2", "10.0.0.2", "10.0.0.200", true},
};

START_TEST(test_in_filter_cell)
{
	struct ip_addr second = ip_of("10.0.0.200");
	struct sock *a = raw_lab_open_sock(200);
	struct ip_packet p = packet(200, 8);

	ck_assert_int_eq(ifaddr_add(raw_lab.eth->dev, &second, IP_PREFIX4(24)), 0);
	if (filters[_i].bound)
		ck_assert_int_eq(raw_lab_bind(a, filters[_i].bound), 0);
	if (filters[_i].connected)
		ck_assert_int_eq(raw_lab_connect(a, filters[_i].connected), 0);
	p.src = filters[_i].src;
	p.dst = filters[_i].dst;
	rx(&p);
	if (filters[_i].gets)
		expect_copy(a, &p);
	expect_nothing(a);
	raw_lab_end(a);
}
END_TEST

START_TEST(test_in_bound_to_device)
{
	struct sock *a = raw_lab_open_sock(200), *b = raw_lab_open_sock(200);
	struct ip_packet p = packet(200, 8);

	a->c.ifindex = raw_lab.eth->dev->ifindex;
	b->c.ifindex = a->c.ifindex + 1;
	rx(&p);
	expect_copy(a, &p);
	expect_nothing(b);
	raw_lab_end(a);
	raw_lab_end(b);
}
END_TEST

START_TEST(test_in_icmp_filter_by_type)
{
	struct sock *a = raw_lab_open_sock(IP_PROTO_ICMP), *udp = raw_lab_open_sock(IP_PROTO_UDP);
	uint32_t f = ~(1u << ICMP_ECHO_REPLY), back = 0;
	struct icmp4_hdr h = {.type = ICMP_ECHO_REPLY};
	struct ip_packet p = packet(IP_PROTO_ICMP, sizeof(h));
	socklen_t n = sizeof(back);

	sock_lock(a);
	ck_assert_int_eq(raw_ops.setopt(a, SOL_RAW, ICMP_FILTER, &f, sizeof(f)), 0);
	ck_assert_int_eq(raw_ops.setopt(a, SOL_RAW, ICMP_FILTER, &f, 1), -EINVAL);
	ck_assert_int_eq(raw_ops.getopt(a, SOL_RAW, ICMP_FILTER, &back, &n), 0);
	sock_unlock(a);
	ck_assert_uint_eq(back, f);
	ck_assert_int_eq(raw_lab_setopt(udp, SOL_RAW, ICMP_FILTER, 0), -EOPNOTSUPP);
	p.data = &h;
	h.csum = csum_finish(csum_add(0, &h, sizeof(h)));
	rx(&p);
	expect_copy(a, &p);
	h = (struct icmp4_hdr){.type = ICMP_TIMESTAMP_REPLY};
	h.csum = csum_finish(csum_add(0, &h, sizeof(h)));
	rx(&p);
	expect_nothing(a);
	h = (struct icmp4_hdr){.type = 77}; /* past the mask: passes */
	h.csum = csum_finish(csum_add(0, &h, sizeof(h)));
	rx(&p);
	expect_copy(a, &p);
	raw_lab_end(a);
	raw_lab_end(udp);
}
END_TEST

START_TEST(test_in_ttl_below_minttl_is_dropped)
{
	struct sock *a = raw_lab_open_sock(200);
	struct ip_packet p = packet(200, 8);

	ck_assert_int_eq(raw_lab_setopt(a, IPPROTO_IP, IP_MINTTL, 65), 0);
	rx(&p);
	ck_assert_uint_eq(pkbuf_drops(raw_lab.st, DROP_SOCK_MINTTL), 1);
	raw_lab_end(a);
}
END_TEST

START_TEST(test_in_over_rcvbuf_is_dropped_and_counted)
{
	struct sock *a = raw_lab_open_sock(200);
	struct ip_packet p = packet(200, 8);
	unsigned n = 0;

	a->rcvbuf = 3000;
	while (pkbuf_drops(raw_lab.st, DROP_SOCK_RCVBUF) == 0) {
		rx(&p);
		n++;
	}
	ck_assert_uint_gt(n, 2);
	ck_assert_uint_eq(mib_read(raw_lab.st, MIB_Raw_RcvbufErrors), 1);
	raw_lab_end(a);
	ck_assert_int_eq(gauge_read(raw_lab.st, GAUGE_rcv_bytes), 0);
	ck_assert_int_eq(gauge_read(raw_lab.st, GAUGE_pkbufs), 0);
}
END_TEST

/* A datagram of our own over lo whose checksum was left to a device: the program sees it right. */
START_TEST(test_in_partial_checksum_is_finished)
{
	static uint8_t data[100];
	struct sock *a = raw_lab_open_sock(IP_PROTO_UDP);
	struct ip_addr own = ip_of("10.0.0.1");
	struct udp_hdr h = {.sport = be16_of(1), .dport = be16_of(2), .len = be16_of(108)};
	uint64_t pseudo = ip_csum_pseudo(&own, &own, IP_PROTO_UDP, 108);
	struct ip_flow f = {.src = own, .dst = own, .proto = IP_PROTO_UDP};
	struct pkbuf *b = pkbuf_alloc(raw_lab.st, PKBUF_TX_HEAD);

	h.csum = csum_fold(pseudo);
	pattern_fill(data, 100, 0);
	ck_assert_int_eq(pkbuf_append(b, &h, sizeof(h)), 0);
	ck_assert_int_eq(pkbuf_append(b, data, 100), 0);
	b->csum = CSUM_PARTIAL;
	b->csum_start = b->head;
	b->csum_off = 6;
	ck_assert_int_eq(ip_out(b, &f, NULL), 0);
	raw_lab_flush();
	ck_assert_int_eq(raw_lab_recv(a, NULL), 128);
	ck_assert_uint_eq(csum_finish(csum_add(pseudo, raw_lab_bytes + 20, 108)), 0);
	raw_lab_end(a);
}
END_TEST

/* --- errors, options, the list ---------------------------------------------------------------- */

/* About a datagram of ours for `dst`, of which it has the first 28 of 1100 bytes. */
static void rx_error(uint8_t proto, uint8_t code, const char *dst, uint16_t mtu)
{
	static uint8_t quoted[1100], msg[64];
	struct ip_packet q = {.src = "10.0.0.1", .dst = dst, .proto = proto, .n = 1080};
	struct icmp4_hdr *h = (struct icmp4_hdr *)(void *)msg;
	struct ip_packet p = packet(IP_PROTO_ICMP, ICMP_HLEN + 28);

	ip_packet_build(&q, quoted);
	*h = (struct icmp4_hdr){.type = ICMP_DEST_UNREACH, .code = code};
	h->frag.mtu = be16_of(mtu);
	memcpy(msg + ICMP_HLEN, quoted, 28);
	h->csum = csum_finish(csum_add(0, msg, ICMP_HLEN + 28));
	p.data = msg;
	rx(&p);
}

static void rx_unreach(uint8_t proto, uint8_t code)
{
	rx_error(proto, code, "10.0.0.2", 0);
}

static uint32_t learnt(const char *dst)
{
	struct ip_addr a;

	ck_assert_int_eq(ip_addr_parse(dst, &a), 0);
	return pmtu_get(raw_lab.st, &a);
}

static void judge(const struct ip_err *e)
{
	ck_assert_uint_eq(e->mtu, 1000);
}

/* Only where a sock may have sent it; a protocol that can tell by ports does so itself. */
START_TEST(test_err_path_mtu_of_a_sock_that_may_have_sent_it)
{
	static const struct ip_proto own = {.proto = 202, .in = pkbuf_free, .err = judge};
	struct sock *conn = raw_lab_open_sock(200), *other = raw_lab_open_sock(202), *any;

	ip_proto_register(raw_lab.st, &own);
	ck_assert_int_eq(raw_lab_connect(conn, "10.0.0.2"), 0);
	rx_error(201, ICMP_FRAG_NEEDED, "10.0.0.2", 1000); /* no sock of this protocol */
	rx_error(200, ICMP_FRAG_NEEDED, "10.0.0.3", 1000); /* another destination */
	rx_error(202, ICMP_FRAG_NEEDED, "10.0.0.2", 1000); /* its protocol does not believe it */
	ck_assert_uint_eq(learnt("10.0.0.2"), 0);
	ck_assert_uint_eq(learnt("10.0.0.3"), 0);
	rx_error(200, ICMP_FRAG_NEEDED, "10.0.0.2", 1000);
	ck_assert_uint_eq(learnt("10.0.0.2"), 1000);
	any = raw_lab_open_sock(200);
	rx_error(200, ICMP_FRAG_NEEDED, "10.0.0.3", 0);
	ck_assert_uint_eq(learnt("10.0.0.3"), 1006); /* RFC 1191, 7: a plateau */
	raw_lab_end(conn);
	raw_lab_end(other);
	raw_lab_end(any);
}
END_TEST

START_TEST(test_err_connected_hard_or_recverr_all)
{
	struct sock *conn = raw_lab_open_sock(200), *free_ = raw_lab_open_sock(200),
		    *all = raw_lab_open_sock(200);

	ck_assert_int_eq(raw_lab_connect(conn, "10.0.0.2"), 0);
	ck_assert_int_eq(raw_lab_setopt(all, IPPROTO_IP, IP_RECVERR, 1), 0);
	rx_unreach(200, ICMP_PROTO_UNREACH);
	ck_assert_int_eq(raw_lab_recv(conn, NULL), -ENOPROTOOPT);
	ck_assert_int_eq(raw_lab_recv(all, NULL), -ENOPROTOOPT);
	expect_nothing(free_);
	rx_unreach(200, ICMP_HOST_UNREACH);
	expect_nothing(conn);
	ck_assert_int_eq(raw_lab_recv(all, NULL), -EHOSTUNREACH);
	rx_unreach(201, ICMP_PROTO_UNREACH);
	expect_nothing(all);
	raw_lab_end(conn);
	raw_lab_end(free_);
	raw_lab_end(all);
}
END_TEST

static ssize_t recv_error(struct sock *sk)
{
	uint8_t bytes[600];
	struct iovec iov = {bytes, sizeof(bytes)};
	struct sock_msg m = {.iov = &iov, .niov = 1, .len = sizeof(bytes), .flags = MSG_ERRQUEUE};
	ssize_t r;

	sock_lock(sk);
	r = raw_ops.recv(sk, &m);
	sock_unlock(sk);
	return r;
}

/* What was quoted is in the queue, with its header for who writes headers. */
START_TEST(test_err_queue_shows_what_was_quoted)
{
	struct sock *plain = raw_lab_open_sock(200), *hdrincl = raw_lab_open_sock(200);
	ssize_t n;

	ck_assert_int_eq(raw_lab_setopt(plain, IPPROTO_IP, IP_RECVERR, 1), 0);
	ck_assert_int_eq(raw_lab_setopt(hdrincl, IPPROTO_IP, IP_RECVERR, 1), 0);
	ck_assert_int_eq(raw_lab_setopt(hdrincl, IPPROTO_IP, IP_HDRINCL, 1), 0);
	rx_unreach(200, ICMP_HOST_UNREACH);
	n = recv_error(plain);
	ck_assert_int_ge(n, 8);
	ck_assert_int_eq(recv_error(hdrincl), n + 20);
	ck_assert_int_eq(recv_error(plain), -EAGAIN);
	ck_assert_int_eq(raw_lab_recv(plain, NULL), -EAGAIN); /* the errno went with it */
	raw_lab_end(plain);
	raw_lab_end(hdrincl);
}
END_TEST

START_TEST(test_options)
{
	struct sock *a = raw_lab_open_sock(200);
	int x = -1;
	socklen_t n = sizeof(x);

	sock_lock(a);
	ck_assert_int_eq(raw_ops.getopt(a, IPPROTO_IP, IP_HDRINCL, &x, &n), 0);
	ck_assert_int_eq(x, 0);
	sock_unlock(a);
	ck_assert_int_eq(raw_lab_setopt(a, IPPROTO_IP, IP_HDRINCL, 1), 0);
	sock_lock(a);
	ck_assert_int_eq(raw_ops.getopt(a, IPPROTO_IP, IP_HDRINCL, &x, &n), 0);
	ck_assert_int_eq(x, 1);
	ck_assert_int_eq(raw_ops.getopt(a, IPPROTO_IP, IP_TTL, &x, &n), 0);
	ck_assert_int_eq(x, 64);
	ck_assert_int_eq(raw_ops.getopt(a, SOL_RAW, ICMP_FILTER, &x, &n), -EOPNOTSUPP);
	ck_assert_int_eq(raw_ops.getopt(a, IPPROTO_TCP, 1, &x, &n), -ENOPROTOOPT);
	ck_assert_int_eq(raw_ops.setopt(a, IPPROTO_IP, IP_HDRINCL, &x, 1), -EINVAL);
	sock_unlock(a);
	ck_assert_int_eq(raw_lab_setopt(a, IPPROTO_TCP, 1, 1), -ENOPROTOOPT);
	ck_assert_int_eq(raw_lab_setopt(a, IPPROTO_IP, IP_HDRINCL, 0), 0);
	ck_assert_uint_eq(a->flags & SOCK_HDRINCL, 0);
	raw_lab_end(a);
}
END_TEST

START_TEST(test_bind_foreign_address_eaddrnotavail)
{
	struct sock *a = raw_lab_open_sock(200);

	ck_assert_int_eq(raw_lab_bind(a, "10.0.0.2"), -EADDRNOTAVAIL);
	ck_assert_int_eq(raw_lab_bind(a, "10.0.0.1"), 0);
	ck_assert_uint_ne(a->flags & SOCK_BOUND_ADDR, 0);
	ck_assert_int_eq(raw_lab_bind(a, "0.0.0.0"), 0);
	ck_assert_uint_eq(a->flags & SOCK_BOUND_ADDR, 0);
	raw_lab_end(a);
}
END_TEST

static void count(struct sock *sk, void *arg)
{
	lock_rank_none();
	++*(unsigned *)arg;
}

START_TEST(test_open_of_protocol_0_and_each)
{
	struct sock *a = sock_alloc(raw_lab.st, &raw_ops), *b = raw_lab_open_sock(1),
		    *c = raw_lab_open_sock(255);
	unsigned n = 0;

	ck_assert_int_eq(raw_open(a, 0), -EPROTONOSUPPORT);
	raw_lab_end(a);
	raw_each(raw_lab.st, count, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(b->c.lport, 1);
	raw_lab_end(b);
	raw_lab_end(c);
	raw_each(raw_lab.st, count, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(gauge_read(raw_lab.st, GAUGE_socks), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("raw");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_in_each_of_the_protocol_gets_the_datagram);
	tcase_add_test(tc, test_in_none_of_the_protocol_is_unreachable);
	tcase_add_test(tc, test_in_beside_the_protocol_itself);
	tcase_add_test(tc, test_in_fragments_come_whole);
	tcase_add_test(tc, test_in_from_no_port);
	tcase_add_loop_test(tc, test_in_filter_cell, 0,
			    (int)(sizeof(filters) / sizeof(filters[0])));
	tcase_add_test(tc, test_in_bound_to_device);
	tcase_add_test(tc, test_in_icmp_filter_by_type);
	tcase_add_test(tc, test_in_ttl_below_minttl_is_dropped);
	tcase_add_test(tc, test_in_over_rcvbuf_is_dropped_and_counted);
	tcase_add_test(tc, test_in_partial_checksum_is_finished);
	tcase_add_test(tc, test_err_connected_hard_or_recverr_all);
	tcase_add_test(tc, test_err_path_mtu_of_a_sock_that_may_have_sent_it);
	tcase_add_test(tc, test_err_queue_shows_what_was_quoted);
	tcase_add_test(tc, test_options);
	tcase_add_test(tc, test_bind_foreign_address_eaddrnotavail);
	tcase_add_test(tc, test_open_of_protocol_0_and_each);
	return unit_run("raw", tc);
}
