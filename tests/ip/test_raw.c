/*
 * tests/ip/test_raw.c - raw endpoints: who gets a copy of what, headers of a program's own,
 * filters, errors, bounds (raw(7)).
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "ip/inet_dgram.h"
#include "ip/raw.h"
#include "lib/checksum.h"
#include "lib/wire/udp.h"
#include "net/ifaddr.h"
#include "tests/harness/ip_lab.h"
#include "tests/harness/unit.h"

#define ICMP_FILTER 1 /* of <linux/icmp.h>, whose other names are lib/wire's too */

static struct ip_lab lab;
static struct batch batch;
static uint8_t bytes[IP4_LEN_MAX], data[IP4_LEN_MAX];

static void setup(void)
{
	ip_lab_open(&lab);
	batch_begin(&batch, lab.st);
}

static void teardown(void)
{
	batch_end(&batch);
	ip_lab_close(&lab);
}

static void flush(void)
{
	batch_end(&batch);
	batch_begin(&batch, lab.st);
}

static struct sock *raw_new(uint8_t proto)
{
	struct sock *sk = sock_alloc(lab.st, &raw_ops);

	ck_assert_ptr_nonnull(sk);
	ck_assert_int_eq(raw_open(sk, proto), 0);
	return sk;
}

static void raw_end(struct sock *sk)
{
	sock_lock(sk);
	raw_ops.close(sk);
	sock_unlock(sk);
	sock_put(sk);
}

static int raw_bind_to(struct sock *sk, const char *addr)
{
	struct ip_addr a = ip_of(addr);
	int err;

	sock_lock(sk);
	err = raw_ops.bind(sk, &a, 0);
	sock_unlock(sk);
	return err;
}

static int raw_connect_to(struct sock *sk, const char *addr)
{
	struct ip_addr a = ip_of(addr);
	int err;

	sock_lock(sk);
	err = raw_ops.connect(sk, &a, 0);
	sock_unlock(sk);
	return err;
}

static ssize_t raw_send_to(struct sock *sk, const char *addr, const void *p, size_t n)
{
	struct iovec iov = {data, n};
	struct sock_msg m = {.iov = &iov, .niov = 1, .len = n, .has_addr = addr};
	ssize_t r;

	memmove(data, p, n);
	if (addr)
		m.addr = ip_of(addr);
	sock_lock(sk);
	r = raw_ops.send(sk, &m);
	sock_unlock(sk);
	return r;
}

static ssize_t raw_recv_from(struct sock *sk, struct ip_addr *from)
{
	struct iovec iov = {bytes, sizeof(bytes)};
	struct sock_msg m = {.iov = &iov, .niov = 1, .len = sizeof(bytes)};
	ssize_t r;

	sock_lock(sk);
	r = raw_ops.recv(sk, &m);
	sock_unlock(sk);
	if (from)
		*from = m.addr;
	return r;
}

static int raw_setopt_int(struct sock *sk, int level, int name, int value)
{
	int err;

	sock_lock(sk);
	err = raw_ops.setopt(sk, level, name, &value, sizeof(value));
	sock_unlock(sk);
	return err;
}

static struct ip_packet packet(uint8_t proto, uint32_t n)
{
	return (struct ip_packet){.src = "10.0.0.2", .dst = "10.0.0.1", .proto = proto, .n = n};
}

static void rx(const struct ip_packet *p)
{
	ip_lab_rx_ip(&lab, lab.eth, p);
	flush();
}

/* sk has exactly the datagram p next. */
static void expect_copy(struct sock *sk, const struct ip_packet *p)
{
	static uint8_t want[IP4_LEN_MAX];
	uint32_t n = ip_packet_build(p, want);
	struct ip_addr from, src = ip_of(p->src);

	ck_assert_int_eq(raw_recv_from(sk, &from), (int)n);
	ck_assert_int_eq(memcmp(bytes, want, n), 0);
	ck_assert(ip_addr_eq(&from, &src));
}

static void expect_nothing(struct sock *sk)
{
	ck_assert_int_eq(raw_recv_from(sk, NULL), -EAGAIN);
}

/* --- in --------------------------------------------------------------------------------------- */

START_TEST(test_in_each_of_the_protocol_gets_the_datagram)
{
	struct sock *a = raw_new(200), *b = raw_new(200), *c = raw_new(201);
	struct ip_packet p = packet(200, 1400);

	rx(&p);
	expect_copy(a, &p);
	expect_copy(b, &p);
	expect_nothing(a);
	expect_nothing(c);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Raw_InDatagrams), 2);
	ip_lab_quiet(&lab, lab.eth); /* somebody took it: no protocol unreachable */
	raw_end(a);
	raw_end(b);
	raw_end(c);
}
END_TEST

START_TEST(test_in_none_of_the_protocol_is_unreachable)
{
	struct sock *a = raw_new(201);
	struct ip_packet p = packet(200, 8);

	rx(&p);
	ip_lab_sent_icmp(&lab, lab.eth, ICMP_DEST_UNREACH, ICMP_PROTO_UNREACH);
	raw_end(a);
}
END_TEST

START_TEST(test_in_beside_the_protocol_itself)
{
	struct sock *a = raw_new(IP_LAB_PROTO);
	struct ip_packet p = packet(IP_LAB_PROTO, 100);
	struct pkbuf *b;

	rx(&p);
	expect_copy(a, &p);
	b = pkq_take(&lab.arrived);
	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq(b->len, 100);
	pkbuf_free(b);
	raw_end(a);
}
END_TEST

START_TEST(test_in_fragments_come_whole)
{
	struct sock *a = raw_new(200);
	struct ip_packet p = packet(200, 1480), whole = packet(200, 1480 + 100);

	p.id = whole.id = 7;
	p.off = IP4_MF;
	rx(&p);
	p.off = 185;
	p.n = 100;
	rx(&p);
	expect_copy(a, &whole);
	raw_end(a);
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
	struct sock *a = raw_new(200);
	struct ip_packet p = packet(200, 8);

	ck_assert_int_eq(ifaddr_add(lab.eth->dev, &second, IP_PREFIX4(24)), 0);
	if (filters[_i].bound)
		ck_assert_int_eq(raw_bind_to(a, filters[_i].bound), 0);
	if (filters[_i].connected)
		ck_assert_int_eq(raw_connect_to(a, filters[_i].connected), 0);
	p.src = filters[_i].src;
	p.dst = filters[_i].dst;
	rx(&p);
	if (filters[_i].gets)
		expect_copy(a, &p);
	expect_nothing(a);
	raw_end(a);
}
END_TEST

START_TEST(test_in_bound_to_device)
{
	struct sock *a = raw_new(200), *b = raw_new(200);
	struct ip_packet p = packet(200, 8);

	a->c.ifindex = lab.eth->dev->ifindex;
	b->c.ifindex = a->c.ifindex + 1;
	rx(&p);
	expect_copy(a, &p);
	expect_nothing(b);
	raw_end(a);
	raw_end(b);
}
END_TEST

START_TEST(test_in_icmp_filter_by_type)
{
	struct sock *a = raw_new(IP_PROTO_ICMP), *udp = raw_new(IP_PROTO_UDP);
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
	ck_assert_int_eq(raw_setopt_int(udp, SOL_RAW, ICMP_FILTER, 0), -EOPNOTSUPP);
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
	raw_end(a);
	raw_end(udp);
}
END_TEST

START_TEST(test_in_ttl_below_minttl_is_dropped)
{
	struct sock *a = raw_new(200);
	struct ip_packet p = packet(200, 8);

	ck_assert_int_eq(raw_setopt_int(a, IPPROTO_IP, IP_MINTTL, 65), 0);
	rx(&p);
	ck_assert_uint_eq(pkbuf_drops(lab.st, DROP_SOCK_MINTTL), 1);
	raw_end(a);
}
END_TEST

START_TEST(test_in_over_rcvbuf_is_dropped_and_counted)
{
	struct sock *a = raw_new(200);
	struct ip_packet p = packet(200, 8);
	unsigned n = 0;

	a->rcvbuf = 3000;
	while (pkbuf_drops(lab.st, DROP_SOCK_RCVBUF) == 0) {
		rx(&p);
		n++;
	}
	ck_assert_uint_gt(n, 2);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Raw_RcvbufErrors), 1);
	raw_end(a);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_rcv_bytes), 0);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_pkbufs), 0);
}
END_TEST

/* A datagram of our own over lo whose checksum was left to a device: the program sees it right. */
START_TEST(test_in_partial_checksum_is_finished)
{
	struct sock *a = raw_new(IP_PROTO_UDP);
	struct ip_addr own = ip_of("10.0.0.1");
	struct udp_hdr h = {.sport = be16_of(1), .dport = be16_of(2), .len = be16_of(108)};
	uint64_t pseudo = ip_csum_pseudo(&own, &own, IP_PROTO_UDP, 108);
	struct ip_flow f = {.src = own, .dst = own, .proto = IP_PROTO_UDP};
	struct pkbuf *b = pkbuf_alloc(lab.st, PKBUF_TX_HEAD);

	h.csum = csum_fold(pseudo);
	pattern_fill(data, 100, 0);
	ck_assert_int_eq(pkbuf_append(b, &h, sizeof(h)), 0);
	ck_assert_int_eq(pkbuf_append(b, data, 100), 0);
	b->csum = CSUM_PARTIAL;
	b->csum_start = b->head;
	b->csum_off = 6;
	ck_assert_int_eq(ip_out(b, &f, NULL), 0);
	flush();
	ck_assert_int_eq(raw_recv_from(a, NULL), 128);
	ck_assert_uint_eq(csum_finish(csum_add(pseudo, bytes + 20, 108)), 0);
	raw_end(a);
}
END_TEST

/* --- out -------------------------------------------------------------------------------------- */

static const struct ip4_hdr *expect_sent(uint32_t n)
{
	ck_assert_uint_eq(ip_lab_sent(&lab, lab.eth, bytes), n);
	ck_assert(ip_packet_is_sound(bytes, n));
	return (const struct ip4_hdr *)(void *)bytes;
}

START_TEST(test_send_gets_a_header)
{
	struct sock *a = raw_new(200);
	const struct ip4_hdr *h;

	ck_assert_int_eq(raw_setopt_int(a, IPPROTO_IP, IP_TTL, 9), 0);
	ck_assert_int_eq(raw_setopt_int(a, IPPROTO_IP, IP_TOS, 0x10), 0);
	ck_assert_int_eq(raw_send_to(a, "10.0.0.2", "hello", 5), 5);
	h = expect_sent(25);
	ck_assert(h->proto == 200 && h->ttl == 9 && h->tos == 0x10);
	ck_assert_int_eq(memcmp(h->src, "\x0a\0\0\1", 4), 0);
	ck_assert_int_eq(memcmp(bytes + 20, "hello", 5), 0);
	raw_end(a);
}
END_TEST

/* IP_HDRINCL: checksum, length, and what is 0 of identification and source are filled in. */
START_TEST(test_send_own_header_is_completed)
{
	struct sock *a = raw_new(IP_PROTO_RAW);
	uint8_t own[28] = {0x45, 0, 0, 0, 0, 0, 0, 0, 3, 77};
	const struct ip4_hdr *h;

	ck_assert_uint_ne(a->flags & SOCK_HDRINCL, 0);
	own[16] = 10;
	own[19] = 2;
	ck_assert_int_eq(raw_send_to(a, "10.0.0.2", own, sizeof(own)), sizeof(own));
	h = expect_sent(28);
	ck_assert(h->proto == 77 && h->ttl == 3);
	ck_assert_int_eq(memcmp(h->src, "\x0a\0\0\1", 4), 0);
	ck_assert_uint_ne(be16_get(h->id), 0);
	own[12] = 192; /* any source it likes */
	ck_assert_int_eq(raw_send_to(a, "10.0.0.2", own, sizeof(own)), sizeof(own));
	h = expect_sent(28);
	ck_assert_uint_eq(h->src[0], 192);
	raw_end(a);
}
END_TEST

START_TEST(test_send_refusals)
{
	struct sock *a = raw_new(200), *h = raw_new(IP_PROTO_RAW);
	static uint8_t big[65535], own[20] = {0x45};

	ck_assert_int_eq(raw_send_to(a, NULL, "x", 1), -EDESTADDRREQ);
	ck_assert_int_eq(raw_send_to(a, "192.0.2.1", "x", 1), -ENETUNREACH);
	ck_assert_int_eq(raw_send_to(a, "10.0.0.255", "x", 1), -EACCES);
	ck_assert_int_eq(raw_send_to(a, "10.0.0.2", big, 65516), -EMSGSIZE);
	ck_assert_int_eq(raw_send_to(h, "10.0.0.2", own, 19), -EINVAL);
	own[0] = 0x65;
	ck_assert_int_eq(raw_send_to(h, "10.0.0.2", own, 20), -EINVAL);
	big[0] = 0x45;
	ck_assert_int_eq(raw_send_to(h, "10.0.0.2", big, 1501), -EMSGSIZE);
	ip_lab_quiet(&lab, lab.eth);
	raw_end(a);
	raw_end(h);
}
END_TEST

START_TEST(test_send_connected)
{
	struct sock *a = raw_new(200);
	struct ip_addr own = ip_of("10.0.0.1");
	const struct ip4_hdr *h;

	ck_assert_int_eq(raw_connect_to(a, "192.0.2.1"), -ENETUNREACH);
	ck_assert_int_eq(raw_connect_to(a, "10.0.0.2"), 0);
	ck_assert_uint_eq(a->c.state, DGRAM_CONNECTED);
	ck_assert_int_eq(raw_bind_to(a, "10.0.0.1"), -EINVAL);
	ck_assert_int_eq(raw_send_to(a, NULL, "x", 1), 1);
	expect_sent(21);
	ck_assert_int_eq(raw_connect_to(a, "127.0.0.1"), 0);
	ck_assert_int_eq(raw_send_to(a, "10.0.0.2", "x", 1), 1); /* with a source for there */
	h = expect_sent(21);
	ck_assert_int_eq(memcmp(h->src, "\x0a\0\0\1", 4), 0);
	ck_assert_int_eq(raw_connect_to(a, "10.0.0.2"), 0);
	ck_assert(ip_addr_eq(&a->c.laddr, &own));
	sock_lock(a);
	ck_assert_int_eq(raw_ops.disconnect(a), 0);
	sock_unlock(a);
	ck_assert(ip_addr_is_any(&a->c.laddr) && ip_addr_is_any(&a->c.raddr));
	ck_assert_int_eq(raw_send_to(a, NULL, "x", 1), -EDESTADDRREQ);
	raw_end(a);
}
END_TEST

START_TEST(test_bound_source_is_kept)
{
	struct ip_addr second = ip_of("10.0.0.200");
	struct sock *a = raw_new(200);
	const struct ip4_hdr *h;

	ck_assert_int_eq(ifaddr_add(lab.eth->dev, &second, IP_PREFIX4(24)), 0);
	ck_assert_int_eq(raw_bind_to(a, "10.0.0.200"), 0);
	ck_assert_int_eq(raw_connect_to(a, "10.0.0.2"), 0);
	ck_assert(ip_addr_eq(&a->c.laddr, &second));
	ck_assert_int_eq(raw_send_to(a, "10.0.0.3", "x", 1), 1);
	h = expect_sent(21);
	ck_assert_int_eq(memcmp(h->src, second.b + 12, 4), 0);
	sock_lock(a);
	ck_assert_int_eq(raw_ops.disconnect(a), 0);
	sock_unlock(a);
	ck_assert(ip_addr_eq(&a->c.laddr, &second));
	raw_end(a);
}
END_TEST

START_TEST(test_send_only_protocol_receives_nothing)
{
	struct sock *a = raw_new(IP_PROTO_RAW);
	struct ip_packet p = packet(IP_PROTO_RAW, 8);

	rx(&p);
	expect_nothing(a);
	ip_lab_sent_icmp(&lab, lab.eth, ICMP_DEST_UNREACH, ICMP_PROTO_UNREACH);
	raw_end(a);
}
END_TEST

START_TEST(test_send_own_copy_over_loopback)
{
	struct sock *a = raw_new(200), *b = raw_new(200);
	static uint8_t big[65515];

	pattern_fill(big, sizeof(big), 0);
	ck_assert_int_eq(raw_send_to(a, "127.0.0.1", big, sizeof(big)), sizeof(big));
	flush();
	ck_assert_int_eq(raw_recv_from(b, NULL), 65535);
	ck_assert(pattern_is(bytes + 20, sizeof(big), 0));
	ck_assert_int_eq(raw_recv_from(a, NULL), 65535);
	raw_end(a);
	raw_end(b);
}
END_TEST

/* --- errors, options, the list ---------------------------------------------------------------- */

static void rx_unreach(uint8_t proto, uint8_t code)
{
	static uint8_t quoted[64], msg[64];
	struct ip_packet q = {.src = "10.0.0.1", .dst = "10.0.0.2", .proto = proto, .n = 8};
	struct icmp4_hdr *h = (struct icmp4_hdr *)(void *)msg;
	struct ip_packet p = packet(IP_PROTO_ICMP, ICMP_HLEN + 28);

	ip_packet_build(&q, quoted);
	*h = (struct icmp4_hdr){.type = ICMP_DEST_UNREACH, .code = code};
	memcpy(msg + ICMP_HLEN, quoted, 28);
	h->csum = csum_finish(csum_add(0, msg, ICMP_HLEN + 28));
	p.data = msg;
	rx(&p);
}

START_TEST(test_err_connected_hard_or_recverr_all)
{
	struct sock *conn = raw_new(200), *free_ = raw_new(200), *all = raw_new(200);

	ck_assert_int_eq(raw_connect_to(conn, "10.0.0.2"), 0);
	ck_assert_int_eq(raw_setopt_int(all, IPPROTO_IP, IP_RECVERR, 1), 0);
	rx_unreach(200, ICMP_PROTO_UNREACH);
	ck_assert_int_eq(raw_recv_from(conn, NULL), -ENOPROTOOPT);
	ck_assert_int_eq(raw_recv_from(all, NULL), -ENOPROTOOPT);
	expect_nothing(free_);
	rx_unreach(200, ICMP_HOST_UNREACH);
	expect_nothing(conn);
	ck_assert_int_eq(raw_recv_from(all, NULL), -EHOSTUNREACH);
	rx_unreach(201, ICMP_PROTO_UNREACH);
	expect_nothing(all);
	raw_end(conn);
	raw_end(free_);
	raw_end(all);
}
END_TEST

START_TEST(test_options)
{
	struct sock *a = raw_new(200);
	int x = -1;
	socklen_t n = sizeof(x);

	sock_lock(a);
	ck_assert_int_eq(raw_ops.getopt(a, IPPROTO_IP, IP_HDRINCL, &x, &n), 0);
	ck_assert_int_eq(x, 0);
	sock_unlock(a);
	ck_assert_int_eq(raw_setopt_int(a, IPPROTO_IP, IP_HDRINCL, 1), 0);
	sock_lock(a);
	ck_assert_int_eq(raw_ops.getopt(a, IPPROTO_IP, IP_HDRINCL, &x, &n), 0);
	ck_assert_int_eq(x, 1);
	ck_assert_int_eq(raw_ops.getopt(a, IPPROTO_IP, IP_TTL, &x, &n), 0);
	ck_assert_int_eq(x, 64);
	ck_assert_int_eq(raw_ops.getopt(a, SOL_RAW, ICMP_FILTER, &x, &n), -EOPNOTSUPP);
	ck_assert_int_eq(raw_ops.getopt(a, IPPROTO_TCP, 1, &x, &n), -ENOPROTOOPT);
	ck_assert_int_eq(raw_ops.setopt(a, IPPROTO_IP, IP_HDRINCL, &x, 1), -EINVAL);
	sock_unlock(a);
	ck_assert_int_eq(raw_setopt_int(a, IPPROTO_TCP, 1, 1), -ENOPROTOOPT);
	ck_assert_int_eq(raw_setopt_int(a, IPPROTO_IP, IP_HDRINCL, 0), 0);
	ck_assert_uint_eq(a->flags & SOCK_HDRINCL, 0);
	raw_end(a);
}
END_TEST

START_TEST(test_bind_foreign_address_eaddrnotavail)
{
	struct sock *a = raw_new(200);

	ck_assert_int_eq(raw_bind_to(a, "10.0.0.2"), -EADDRNOTAVAIL);
	ck_assert_int_eq(raw_bind_to(a, "10.0.0.1"), 0);
	ck_assert_uint_ne(a->flags & SOCK_BOUND_ADDR, 0);
	ck_assert_int_eq(raw_bind_to(a, "0.0.0.0"), 0);
	ck_assert_uint_eq(a->flags & SOCK_BOUND_ADDR, 0);
	raw_end(a);
}
END_TEST

static void count(struct sock *sk, void *arg)
{
	lock_rank_none();
	++*(unsigned *)arg;
}

START_TEST(test_open_of_protocol_0_and_each)
{
	struct sock *a = sock_alloc(lab.st, &raw_ops), *b = raw_new(1), *c = raw_new(255);
	unsigned n = 0;

	ck_assert_int_eq(raw_open(a, 0), -EPROTONOSUPPORT);
	raw_end(a);
	raw_each(lab.st, count, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(b->c.lport, 1);
	raw_end(b);
	raw_end(c);
	raw_each(lab.st, count, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_socks), 0);
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
	tcase_add_loop_test(tc, test_in_filter_cell, 0,
			    (int)(sizeof(filters) / sizeof(filters[0])));
	tcase_add_test(tc, test_in_bound_to_device);
	tcase_add_test(tc, test_in_icmp_filter_by_type);
	tcase_add_test(tc, test_in_ttl_below_minttl_is_dropped);
	tcase_add_test(tc, test_in_over_rcvbuf_is_dropped_and_counted);
	tcase_add_test(tc, test_in_partial_checksum_is_finished);
	tcase_add_test(tc, test_send_gets_a_header);
	tcase_add_test(tc, test_send_own_header_is_completed);
	tcase_add_test(tc, test_send_refusals);
	tcase_add_test(tc, test_send_connected);
	tcase_add_test(tc, test_bound_source_is_kept);
	tcase_add_test(tc, test_send_only_protocol_receives_nothing);
	tcase_add_test(tc, test_send_own_copy_over_loopback);
	tcase_add_test(tc, test_err_connected_hard_or_recverr_all);
	tcase_add_test(tc, test_options);
	tcase_add_test(tc, test_bind_foreign_address_eaddrnotavail);
	tcase_add_test(tc, test_open_of_protocol_0_and_each);
	return unit_run("raw", tc);
}
