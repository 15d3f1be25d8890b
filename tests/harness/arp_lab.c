/*
 * tests/harness/arp_lab.c - see arp_lab.h.
 */
#include "tests/harness/arp_lab.h"

#include <check.h>
#include <string.h>

#include "lib/mib.h"
#include "net/ifaddr.h"

struct arp_lab lab;
const uint8_t mac_own[ETHER_ALEN] = {2, 0, 0, 0, 0, 1};
const uint8_t mac_a[ETHER_ALEN] = {2, 0, 0, 0, 0, 0xa};
const uint8_t mac_b[ETHER_ALEN] = {2, 0, 0, 0, 0, 0xb};

static int lab_xmit(struct netdev *dev, struct pkbuf *b)
{
	struct arp_lab_frame *f = &lab.frame[lab.sent];

	ck_assert_uint_lt(lab.sent, ARP_LAB_FRAMES);
	lock_rank_none(); /* no neighbour lock over a device write */
	lab.sent++;
	f->at = env_now(lab.env);
	f->len = b->len;
	pkbuf_read(b, 0, f->bytes, b->len < ARP_LAB_BYTES ? b->len : ARP_LAB_BYTES);
	pkbuf_free(b);
	if (lab.on_xmit)
		lab.on_xmit(f);
	return 0;
}

static const struct netdev_ops lab_ops = {.kind = "lab", .xmit = lab_xmit};

static void lab_unreachable(struct pkbuf *b)
{
	lock_rank_none();
	batch_of(lab.st); /* asserts that there is one */
	lab.unreachable++;
	pkbuf_drop(b, DROP_NEIGH_FAILED);
}

static void lab_line(struct debug_sink *s, enum debug_level l, const char *text)
{
	ck_assert_uint_eq(l, DEBUG_ARP);
	ck_assert_uint_gt(strlen(text), 0);
	lab.lines++;
}

struct netdev *arp_lab_device(const char *name, uint32_t flags)
{
	struct netdev *dev = netdev_alloc(lab.st, name, &lab_ops, &ether_link, 1);

	memcpy(dev->mac, mac_own, ETHER_ALEN);
	dev->flags = flags;
	ck_assert_int_eq(netdev_register(dev), 0);
	netdev_up(dev);
	return dev;
}

void arp_lab_setup(void)
{
	struct ip_addr own = arp_lab_host(1);

	memset(&lab, 0, sizeof(lab));
	lab.env = env_lab_create(1);
	lab.st = stack_alloc(lab.env);
	lab.sink = (struct debug_sink){.line = lab_line, .levels = DEBUG_ARP};
	debug_sink_add(lab.st, &lab.sink);
	ck_assert_ptr_nonnull(net_state_create(lab.st));
	ck_assert_ptr_nonnull(arp_state_create(lab.st));
	neigh_unreachable_register(lab.st, lab_unreachable);
	lab.dev = arp_lab_device("lab0", NETDEV_BROADCAST);
	ck_assert_int_eq(ifaddr_add(lab.dev, &own, IP_PREFIX4(24)), 0);
}

void arp_lab_teardown(void)
{
	arp_state_destroy(lab.st);
	net_state_destroy(lab.st);
	debug_sink_del(lab.st, &lab.sink);
	for (unsigned g = 0; g < GAUGE_MAX; g++)
		ck_assert_msg(gauge_read(lab.st, g) == 0, "%s left", gauge_info[g].text);
	stack_free(lab.st);
	env_lab_destroy(lab.env);
}

void arp_lab_advance_ms(uint64_t ms)
{
	env_lab_advance(lab.env, ms * NSEC_PER_MSEC);
}

struct ip_addr arp_lab_host(uint32_t n)
{
	return ip_addr4(0x0a000000 + n);
}

/* --- packets ---------------------------------------------------------------------------------- */

struct pkbuf *arp_lab_packet(uint8_t number, uint32_t len)
{
	static uint8_t bytes[65535];
	struct pkbuf *b = pkbuf_alloc(lab.st, PKBUF_TX_HEAD);

	ck_assert_ptr_nonnull(b);
	bytes[0] = number;
	ck_assert_int_eq(pkbuf_append(b, bytes, len), 0);
	return b;
}

int arp_lab_out(struct neigh *n, uint8_t number)
{
	struct batch batch;
	int err;

	batch_begin(&batch, lab.st);
	err = neigh_out(n, arp_lab_packet(number, 20), ETHER_TYPE_IP4);
	batch_end(&batch);
	return err;
}

void arp_lab_rx(const void *frame, uint32_t len)
{
	struct batch batch;
	struct pkbuf *b;

	batch_begin(&batch, lab.st);
	b = pkbuf_alloc(lab.st, PKBUF_RX_HEAD);
	ck_assert_int_eq(pkbuf_append(b, frame, len), 0);
	netdev_rx(lab.dev, b);
	batch_end(&batch);
}

/* --- ARP -------------------------------------------------------------------------------------- */

void arp_lab_build(const struct arp_lab_arp *a, uint8_t frame[ETHER_HLEN + ARP_LEN])
{
	struct ether_hdr e = {.type = be16_of(ETHER_TYPE_ARP)};
	struct ip_addr spa = ip_addr4(a->spa), tpa = ip_addr4(a->tpa);
	struct arp_hdr h = {
	    .hrd = be16_of(ARP_HRD_ETHER),
	    .pro = be16_of(ETHER_TYPE_IP4),
	    .hln = ETHER_ALEN,
	    .pln = 4,
	    .op = be16_of(a->op),
	};

	memcpy(e.dst, a->to, ETHER_ALEN);
	memcpy(e.src, a->from, ETHER_ALEN);
	memcpy(h.sha, a->sha, ETHER_ALEN);
	memcpy(h.tha, a->tha, ETHER_ALEN);
	memcpy(h.spa, spa.b + 12, 4);
	memcpy(h.tpa, tpa.b + 12, 4);
	memcpy(frame, &e, ETHER_HLEN);
	memcpy(frame + ETHER_HLEN, &h, ARP_LEN);
}

void arp_lab_rx_arp(const struct arp_lab_arp *a)
{
	uint8_t frame[ETHER_HLEN + ARP_LEN];

	arp_lab_build(a, frame);
	arp_lab_rx(frame, sizeof(frame));
}

struct arp_lab_arp arp_lab_sent_arp(unsigned i)
{
	const struct arp_lab_frame *f = &lab.frame[i];
	struct arp_lab_arp a;
	struct ether_hdr e;
	struct arp_hdr h;

	ck_assert_uint_lt(i, lab.sent);
	ck_assert_uint_eq(f->len, ETHER_HLEN + ARP_LEN);
	memcpy(&e, f->bytes, ETHER_HLEN);
	memcpy(&h, f->bytes + ETHER_HLEN, ARP_LEN);
	ck_assert_uint_eq(be16_get(e.type), ETHER_TYPE_ARP);
	ck_assert_uint_eq(be16_get(h.hrd), ARP_HRD_ETHER);
	ck_assert_uint_eq(be16_get(h.pro), ETHER_TYPE_IP4);
	ck_assert(h.hln == ETHER_ALEN && h.pln == 4);
	memcpy(a.to, e.dst, ETHER_ALEN);
	memcpy(a.from, e.src, ETHER_ALEN);
	memcpy(a.sha, h.sha, ETHER_ALEN);
	memcpy(a.tha, h.tha, ETHER_ALEN);
	a.op = be16_get(h.op);
	a.spa = (uint32_t)h.spa[0] << 24 | h.spa[1] << 16 | h.spa[2] << 8 | h.spa[3];
	a.tpa = (uint32_t)h.tpa[0] << 24 | h.tpa[1] << 16 | h.tpa[2] << 8 | h.tpa[3];
	return a;
}

uint8_t arp_lab_sent_number(unsigned i)
{
	const struct arp_lab_frame *f = &lab.frame[i];

	ck_assert_uint_lt(i, lab.sent);
	ck_assert_uint_eq(f->bytes[12] << 8 | f->bytes[13], ETHER_TYPE_IP4);
	return f->bytes[ETHER_HLEN];
}
