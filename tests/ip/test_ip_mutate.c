/*
 * tests/ip/test_ip_mutate.c - datagrams with a few bytes changed, checksums repaired so that they
 * get further in: nothing stops, leaks or ceases to answer.
 */
#include <string.h>

#include "lib/checksum.h"
#include "lib/random.h"
#include "tests/harness/ip_lab.h"
#include "tests/harness/unit.h"

#if defined(WEFT_SANITIZE)
enum { FRAMES = 20000 };
#else
enum { FRAMES = 100000 };
#endif

static struct ip_lab l;
static struct testdev *other;
static struct random rnd;

static void setup(void)
{
	ip_lab_open(&l);
	other = ip_lab_device(&l, "test1", "10.1.0.1/24");
	ip_lab_route(&l, "0.0.0.0/0", "10.1.0.2");
	netdev_set_mtu(other->dev, 576);
	sysctl_write(l.st, "net.ipv4.ipfrag_high_thresh", 200000);
}

static void teardown(void)
{
	ip_lab_close(&l);
}

/* One of what a peer may send: with options or not, whole or in part, to us or past us. */
static uint32_t seed_datagram(uint8_t *bytes)
{
	static const uint8_t opts[][12] = {
	    {IP4_OPT_RR, 11, 4},
	    {IP4_OPT_TS, 12, 5, 1},
	    {IP4_OPT_LSRR, 11, 4, 10, 1, 0, 2},
	    {IP4_OPT_RA, 4, 0, 0, IP4_OPT_SSRR, 7, 4, 10, 1, 0, 2},
	};
	static const char *const dst[] = {"10.0.0.1", "10.1.0.2", "10.0.0.255", "192.0.2.1"};
	static const uint8_t protos[] = {IP_LAB_PROTO, IP_PROTO_ICMP, IP_PROTO_TCP, 99};
	struct ip_packet p = {.src = "10.0.0.2"};

	p.dst = dst[random_below(&rnd, 4)];
	p.proto = protos[random_below(&rnd, 4)];
	p.id = (uint16_t)random_below(&rnd, 4);
	p.n = (uint32_t)random_below(&rnd, 1300);
	p.ttl = (uint8_t)random_below(&rnd, 4);
	if (random_below(&rnd, 2))
		p.off = (uint16_t)(random_below(&rnd, 2) * IP4_MF + random_below(&rnd, 200));
	if (random_below(&rnd, 2)) {
		p.opt = opts[random_below(&rnd, 4)];
		p.optlen = 12;
	}
	return ip_packet_build(&p, bytes);
}

/* Changes bytes, mostly of the header; the length may change too. */
static uint32_t mutate(uint8_t *bytes, uint32_t n)
{
	unsigned hlen, changes = (unsigned)random_below(&rnd, 4);

	for (unsigned i = 0; i < changes; i++)
		bytes[random_below(&rnd, random_below(&rnd, 4) ? 40 : n)] =
		    (uint8_t)random_next(&rnd);
	if (random_below(&rnd, 8) == 0)
		n = 1 + (uint32_t)random_below(&rnd, n);
	hlen = (bytes[0] & 0xfu) * 4;
	if (random_below(&rnd, 16) && hlen >= IP4_HLEN && hlen <= n)
		ip_packet_sum(bytes);
	return n;
}

/* The checksum of an ICMP message too, so that its parser is met. */
static void repair_icmp(uint8_t *bytes, uint32_t n)
{
	unsigned hlen = (bytes[0] & 0xfu) * 4;
	uint16_t csum = 0;

	if (bytes[9] != IP_PROTO_ICMP || n < hlen + ICMP_HLEN)
		return;
	memcpy(bytes + hlen + 2, &csum, 2);
	csum = csum_finish(csum_add(0, bytes + hlen, n - hlen));
	memcpy(bytes + hlen + 2, &csum, 2);
}

/* Whatever was sent is a sound datagram that fits its wire. */
static void check_sent(struct testdev *d)
{
	uint8_t bytes[IP4_LEN_MAX];
	uint32_t n;

	while ((n = ip_lab_sent(&l, d, bytes))) {
		ck_assert_uint_le(n, d->dev->mtu);
		if (!ip_packet_is_sound(bytes, n))
			ck_abort_msg("an unsound datagram was sent");
	}
}

static void drop_arp(struct testdev *d)
{
	struct pkq kept;
	struct pkbuf *b;

	pkq_init(&kept);
	while ((b = pkq_take(&d->sent))) {
		if (b->hdr[b->head + 13] == (ETHER_TYPE_ARP & 0xff))
			pkbuf_free(b);
		else
			pkq_add(&kept, b);
	}
	while ((b = pkq_take(&kept)))
		pkq_add(&d->sent, b);
}

static void rx_frame(const uint8_t *bytes, uint32_t n, bool partial)
{
	struct pkbuf *b = pkbuf_alloc(l.st, PKBUF_RX_HEAD);
	struct ether_hdr e = {.type = be16_of(ETHER_TYPE_IP4)};
	struct batch batch;

	memcpy(e.dst, l.eth->dev->mac, 6);
	pkbuf_append(b, &e, sizeof(e));
	pkbuf_append(b, bytes, n < 114 ? n : 114);
	if (n > 114)
		pkbuf_append(b, bytes + 114, n - 114);
	if (partial && pkbuf_linear(b) > 60) { /* as a vnet header may say */
		b->csum = CSUM_PARTIAL;
		b->csum_start = (uint16_t)(b->head + 14 + random_below(&rnd, 44));
		b->csum_off = (uint16_t)random_below(&rnd, b->tail - b->csum_start - 1u);
	}
	batch_begin(&batch, l.st);
	netdev_rx(l.eth->dev, b);
	batch_end(&batch);
}

START_TEST(test_mutated_datagrams_harm_nothing)
{
	struct ip_packet good = {.src = "10.0.0.2", .dst = "10.0.0.1", .n = 100};
	uint8_t bytes[2048];

	random_seed(&rnd, (uint64_t)_i + 1);
	sysctl_write(l.st, "net.ipv4.conf.all.accept_source_route", _i & 1);
	for (unsigned i = 0; i < FRAMES; i++) {
		uint32_t n = mutate(bytes, seed_datagram(bytes));

		repair_icmp(bytes, n);
		rx_frame(bytes, n, random_below(&rnd, 8) == 0);
		drop_arp(l.eth);
		drop_arp(other);
		check_sent(l.eth);
		check_sent(other);
		pkq_free(&l.arrived);
		if (i % 1000 == 0)
			ip_lab_advance_ms(&l, 40000);
	}
	ip_lab_advance_ms(&l, 1000000);
	drop_arp(other);
	drop_arp(l.eth);
	check_sent(other);
	check_sent(l.eth);
	pkq_free(&l.arrived);
	ck_assert_int_eq(gauge_read(l.st, GAUGE_reasm), 0);
	ck_assert_int_eq(gauge_read(l.st, GAUGE_reasm_bytes), 0);
	ck_assert_int_eq(gauge_read(l.st, GAUGE_pkbufs), 0);
	ip_lab_rx_ip(&l, l.eth, &good);
	ck_assert_uint_eq(l.arrived.count, 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ip_mutate");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_mutated_datagrams_harm_nothing, 0, 4);
	return unit_run("ip_mutate", tc);
}
