/*
 * tests/harness/tcp_lab.c - see tcp_lab.h: the stack, its wire and its clock.
 */
#include "tests/harness/tcp_lab.h"

#include <stdlib.h>
#include <string.h>

#include "arp/neigh.h"
#include "lib/checksum.h"
#include "lib/wire/icmp4.h"
#include "lib/wire/ip4.h"
#include "lib/wire/tcp.h"
#include "net/ifaddr.h"
#include "net/landing.h"

#define LAB_SETTLE_S 7200 /* longer than any timer but keepalive, which ends with the sockets */

struct tcp_lab tl;

static const uint8_t lab_mac[ETHER_ALEN] = {2, 0, 0, 0, 0, 1};
static const uint8_t peer_mac[ETHER_ALEN] = {2, 0, 0, 0, 0, 2};
static const struct seg_addr to_peer = {{10, 0, 0, 1}, {10, 0, 0, 2}};
static const struct seg_addr to_stack = {{10, 0, 0, 2}, {10, 0, 0, 1}};

/* --- the device ---------------------------------------------------------------------------------
 */

static int lab_xmit(struct netdev *dev, struct pkbuf *b)
{
	uint32_t n = b->len - ETHER_HLEN;
	struct tcp_lab_frame *f = malloc(sizeof(*f) + n);
	struct ether_hdr e;

	ck_assert_ptr_nonnull(f);
	if (b->csum == CSUM_PARTIAL)
		pkbuf_csum_finish(b);
	pkbuf_read(b, 0, &e, sizeof(e));
	f->at = env_now(tl.env);
	f->len = n;
	f->next = NULL;
	pkbuf_read(b, ETHER_HLEN, f->bytes, n);
	pkbuf_free(b);
	if (be16_get(e.type) != ETHER_TYPE_IP4) {
		free(f);
		return 0;
	}
	*tl.tail = f;
	tl.tail = &f->next;
	tl.nsent++;
	return 0;
}

static const struct netdev_ops lab_ops = {.kind = "lab", .xmit = lab_xmit};

static void lab_device(void)
{
	struct ip_addr own = ip_addr4(0x0a000001), other = ip_addr4(0x0a000002);
	struct batch b;

	batch_begin(&b, tl.st);
	tl.dev = netdev_alloc(tl.st, "lab0", &lab_ops, &ether_link, 1);
	ck_assert_ptr_nonnull(tl.dev);
	tl.dev->features = tl.features;
	memcpy(tl.dev->mac, lab_mac, ETHER_ALEN);
	ck_assert_int_eq(netdev_register(tl.dev), 0);
	netdev_up(tl.dev);
	ck_assert_int_eq(ifaddr_add(tl.dev, &own, IP_PREFIX4(24)), 0);
	ck_assert_int_eq(neigh_add_permanent(tl.dev, &other, peer_mac), 0);
	batch_end(&b);
}

/* --- begin and end ------------------------------------------------------------------------------
 */

static void lab_gauges(int64_t *g)
{
	for (unsigned i = 0; i < GAUGE_MAX; i++)
		g[i] = gauge_read(tl.st, i);
}

void tcp_lab_open(void)
{
	tl.env = env_lab_create(tl.seed ? tl.seed : 1);
	ck_assert_ptr_nonnull(tl.env);
	tl.st = stack_create(tl.env);
	ck_assert_ptr_nonnull(tl.st);
	tcp_lab_sysctl("net.ipv4.tcp_rmem.default", TCP_LAB_BUF);
	tcp_lab_sysctl("net.ipv4.tcp_wmem.default", TCP_LAB_BUF);
	tl.tail = &tl.head;
	tl.ls = tl.fd = -1;
	tl.syn = (struct seg){.mss = 1460};
	lab_device();
	weft_use(tl.st);
	advance_ms(20000); /* the address is announced */
	tcp_lab_drop();
	lab_gauges(tl.gauge);
	tcp_lab_peer(0);
	tcp_lab_mark();
}

void tcp_lab_setup(void)
{
	memset(&tl, 0, sizeof(tl));
	tcp_lab_open();
}

void tcp_lab_setup_tso(void)
{
	memset(&tl, 0, sizeof(tl));
	tl.features = NETDEV_F_ALL;
	tcp_lab_open();
}

static void lab_close(const struct socket_view *v, void *arg)
{
	*(int *)arg = v->fd;
}

void tcp_lab_settle(void)
{
	int64_t g[GAUGE_MAX];
	int fd = -1;

	for (socket_each(tl.st, lab_close, &fd); fd >= 0; socket_each(tl.st, lab_close, &fd)) {
		ck_assert_int_eq(weft_close(fd), 0);
		fd = -1;
	}
	tl.fd = tl.ls = -1;
	advance_ms(LAB_SETTLE_S * 1000ull);
	tcp_lab_drop();
	if (tl.rxbuf)
		rxbuf_end(tl.rxbuf);
	lab_gauges(g);
	for (unsigned i = 0; i < GAUGE_MAX; i++)
		ck_assert_msg(g[i] == tl.gauge[i], "%s: %lld, was %lld", gauge_info[i].text,
			      (long long)g[i], (long long)tl.gauge[i]);
}

void tcp_lab_teardown(void)
{
	tcp_lab_settle();
	weft_use(NULL);
	stack_destroy(tl.st);
	env_lab_destroy(tl.env);
}

void tcp_lab_setting(const char *name, const char *value)
{
	char why[SYSCTL_TEXT_MAX];

	ck_assert_msg(sysctl_write_text(tl.st, name, value, why) == 0, "%s: %s", name, why);
}

void tcp_lab_sysctl(const char *name, int64_t value)
{
	ck_assert_msg(sysctl_write(tl.st, name, value) == 0, "%s", name);
}

uint64_t tcp_lab_mib(enum mib m)
{
	return mib_read(tl.st, m);
}

/* --- the clock ----------------------------------------------------------------------------------
 */

void advance_ms(uint64_t ms)
{
	env_lab_advance(tl.env, ms * NSEC_PER_MSEC);
}

uint64_t wait_ms(uint64_t max)
{
	uint64_t start = env_now(tl.env), until = start + max * NSEC_PER_MSEC;
	unsigned before = tl.nsent;

	while (tl.nsent == before && env_lab_step(tl.env, until))
		;
	if (tl.nsent == before)
		ck_abort_msg("nothing was sent within %llu ms", (unsigned long long)max);
	return (env_now(tl.env) - start + NSEC_PER_MSEC / 2) / NSEC_PER_MSEC;
}

void tcp_lab_mark(void)
{
	tl.mark = env_now(tl.env);
}

uint64_t tcp_lab_elapsed_ms(void)
{
	return (tl.last_at - tl.mark + NSEC_PER_MSEC / 2) / NSEC_PER_MSEC;
}

/* --- what the stack receives --------------------------------------------------------------------
 */

static struct pkbuf *lab_packet(const struct ether_hdr *e, const uint8_t *datagram, uint32_t n)
{
	struct pkbuf *b = pkbuf_alloc(tl.st, PKBUF_RX_HEAD);

	ck_assert_ptr_nonnull(b);
	ck_assert_int_eq(pkbuf_append(b, e, sizeof(*e)), 0);
	ck_assert_int_eq(pkbuf_append(b, datagram, n < 60 ? n : 60), 0);
	if (n > 60)
		ck_assert_int_eq(pkbuf_append(b, datagram + 60, n - 60), 0);
	return b;
}

/* The same by a read into what is ready for it. */
static struct pkbuf *lab_read(const struct ether_hdr *e, const uint8_t *datagram, uint32_t n)
{
	static uint8_t frame[sizeof(struct vnet_hdr) + sizeof(*e) + SEG_BYTES];
	uint8_t *p = frame + sizeof(struct vnet_hdr);
	size_t all = sizeof(struct vnet_hdr) + sizeof(*e) + n;
	struct pkbuf *b;

	memcpy(p, e, sizeof(*e));
	memcpy(p + sizeof(*e), datagram, n);
	tl.rxbuf->lent = landing_of(tl.st);
	ck_assert(rxbuf_ready(tl.rxbuf, tl.dev));
	p = frame;
	for (int i = 0; i < tl.rxbuf->nto && p < frame + all; i++) {
		struct iovec v = tl.rxbuf->to[i];

		if (v.iov_len > (size_t)(frame + all - p))
			v.iov_len = (size_t)(frame + all - p);
		memcpy(v.iov_base, p, v.iov_len);
		p += v.iov_len;
	}
	b = rxbuf_take(tl.rxbuf, all);
	ck_assert_ptr_nonnull(b);
	return b;
}

void tcp_lab_rx_bytes(const uint8_t *datagram, uint32_t n)
{
	struct ether_hdr e = {.type = be16_of(ETHER_TYPE_IP4)};
	struct batch batch;
	struct pkbuf *b;

	memcpy(e.dst, lab_mac, ETHER_ALEN);
	memcpy(e.src, peer_mac, ETHER_ALEN);
	batch_begin(&batch, tl.st);
	b = tl.rxbuf ? lab_read(&e, datagram, n) : lab_packet(&e, datagram, n);
	b->stamp = env_now(tl.env);
	netdev_rx(tl.dev, b);
	batch_end(&batch);
}

/* The timestamp that goes with a segment, unless the test says it all. */
static void lab_timestamp(struct seg *s)
{
	if (s->no_ts || s->opts & O_NONE)
		return;
	if (!(s->opts & O_TS) && (!tl.peer.ts_on || s->flags & (RST | SYN)))
		return;
	s->opts |= O_TS;
	if (!s->tsval)
		s->tsval = (uint32_t)(env_now(tl.env) / NSEC_PER_MSEC);
	if (!s->tsecr && s->flags & ACK)
		s->tsecr = tl.peer.ts_last;
}

void tcp_lab_rx(const struct seg *want)
{
	static uint8_t bytes[SEG_BYTES];
	struct seg s = *want;

	if (s.flags & SYN)
		tl.peer.ts_rx = s.opts & O_TS;
	tl.peer.ts_on = tl.peer.ts_rx && tl.peer.ts_tx;
	lab_timestamp(&s);
	s.sport = s.sport ? s.sport : tl.peer.port;
	s.dport = s.dport ? s.dport : tl.peer.lport;
	if (!s.abs) {
		s.seq += tl.peer.isn;
		s.ack += s.flags & ACK ? tl.peer.iss : 0;
		for (unsigned i = 0; i < s.nsack; i++) {
			s.sack[i][0] += tl.peer.iss;
			s.sack[i][1] += tl.peer.iss;
		}
	}
	tcp_lab_rx_bytes(bytes, seg_build(&s, &to_stack, want->seq - !(s.flags & SYN), bytes));
}

void tcp_lab_rx_icmp(uint8_t type, uint8_t code, uint32_t seq, uint16_t mtu)
{
	uint8_t quoted[SEG_BYTES], out[128] = {0};
	struct seg s = {.flags = ACK,
			.seq = tl.peer.iss + seq,
			.len = TCP_LAB_MTU - 40,
			.sport = tl.peer.lport,
			.dport = tl.peer.port};
	struct ip4_hdr *ip = (struct ip4_hdr *)out;
	struct icmp4_hdr *icmp = (struct icmp4_hdr *)(out + IP4_HLEN);
	uint32_t n = IP4_HLEN + ICMP_HLEN + IP4_HLEN + 8;

	seg_build(&s, &to_peer, 0, quoted);
	*ip = (struct ip4_hdr){
	    .ver_ihl = 0x45, .len = be16_of((uint16_t)n), .ttl = 64, .proto = IP_PROTO_ICMP};
	memcpy(ip->src, to_stack.src, 4);
	memcpy(ip->dst, to_stack.dst, 4);
	ip->csum = csum_finish(csum_add(0, ip, IP4_HLEN));
	icmp->type = type;
	icmp->code = code;
	icmp->frag.mtu = be16_of(mtu);
	memcpy(out + IP4_HLEN + ICMP_HLEN, quoted, IP4_HLEN + 8);
	icmp->csum = csum_finish(csum_add(0, icmp, n - IP4_HLEN));
	tcp_lab_rx_bytes(out, n);
}

/* --- what the stack sent ------------------------------------------------------------------------
 */

unsigned tcp_lab_drop(void)
{
	struct tcp_lab_frame *f;
	unsigned n = 0;

	for (; (f = tl.head); n++) {
		tl.head = f->next;
		free(f);
	}
	tl.tail = &tl.head;
	tl.nsent = 0;
	return n;
}

/* The oldest frame taken apart, numbers absolute. */
static const char *lab_next(struct seg *s, const uint8_t **payload)
{
	static uint8_t bytes[SEG_BYTES];
	struct tcp_lab_frame *f = tl.head;
	uint32_t n = f->len;

	ck_assert_uint_le(n, sizeof(bytes));
	memcpy(bytes, f->bytes, n);
	tl.last_at = f->at;
	tl.head = f->next;
	if (!tl.head)
		tl.tail = &tl.head;
	tl.nsent--;
	free(f);
	return seg_parse(bytes, n, s, payload);
}

/* Learns from a segment, and makes its numbers relative. */
static void lab_learn(struct seg *s)
{
	if (s->flags & SYN) {
		tl.peer.iss = s->seq;
		tl.peer.iss_known = true;
		tl.peer.lport = s->sport;
		tl.peer.ts_tx = s->opts & O_TS;
		tl.peer.ts_on = tl.peer.ts_rx && tl.peer.ts_tx;
	}
	if (s->opts & O_TS)
		tl.peer.ts_last = s->tsval;
	s->seq -= tl.peer.iss;
	if (s->flags & ACK)
		s->ack -= tl.peer.isn;
	for (unsigned i = 0; i < s->nsack; i++) {
		s->sack[i][0] -= tl.peer.isn;
		s->sack[i][1] -= tl.peer.isn;
	}
}

bool tcp_lab_take(struct seg *s)
{
	const uint8_t *payload;
	const char *why;

	if (!tl.head)
		return false;
	why = lab_next(s, &payload);
	ck_assert_msg(!why, "%s", why);
	lab_learn(s);
	ck_assert_msg(stream_is(payload, s->len, s->seq - !(s->flags & SYN)),
		      "payload of seq %u is wrong", s->seq);
	return true;
}

static bool options_differ(const struct seg *got, const struct seg *want)
{
	unsigned opts = want->opts & O_NONE ? 0 : want->opts | (want->mss ? O_MSS : 0);
	unsigned have = got->opts;

	if (!(want->flags & SYN)) {
		bool ts = tl.peer.ts_on && !(want->flags & RST) && !want->no_ts;

		if (!want->opts && !(want->flags & RST) && ts != !!(have & O_TS))
			return true;
		have &= want->opts & O_TS || want->opts & O_NONE ? O_ALL : (unsigned)~O_TS;
	}
	if ((want->opts || want->mss) && have != opts)
		return true;
	return (want->mss && got->mss != want->mss) ||
	       (want->opts & O_WS && want->ws && got->ws != want->ws) ||
	       (want->tsval && got->tsval != want->tsval) ||
	       (want->tsecr && got->tsecr != want->tsecr) || got->nsack != want->nsack ||
	       memcmp(got->sack, want->sack, sizeof(got->sack));
}

static bool seg_differs(const struct seg *got, const struct seg *want)
{
	unsigned mask = want->flags & PSH ? 0xff : 0xff & ~PSH;
	int wnd = want->wnd == WND_ZERO ? 0 : want->wnd;

	return ((got->flags ^ want->flags) & mask) || got->seq != want->seq ||
	       (want->flags & ACK && got->ack != want->ack) || got->len != want->len ||
	       (want->wnd && got->wnd != wnd) || (want->flags & URG && got->up != want->up) ||
	       got->sport != (want->sport ? want->sport : tl.peer.lport) ||
	       got->dport != (want->dport ? want->dport : tl.peer.port) ||
	       options_differ(got, want);
}

struct seg tcp_lab_tx(const char *file, int line, const struct seg *want)
{
	char a[400], b[400];
	const uint8_t *payload;
	const char *why;
	struct seg s;

	if (!tl.head)
		ck_abort_msg("%s:%d: expected %s\n  nothing was sent", file, line,
			     seg_text(want, a, sizeof(a)));
	why = lab_next(&s, &payload);
	if (why)
		ck_abort_msg("%s:%d: expected %s\n  what was sent: %s", file, line,
			     seg_text(want, a, sizeof(a)), why);
	if (!want->abs)
		lab_learn(&s);
	if (seg_differs(&s, want))
		ck_abort_msg("%s:%d: expected %s\n   sent      %s", file, line,
			     seg_text(want, a, sizeof(a)), seg_text(&s, b, sizeof(b)));
	if (!stream_is(payload, s.len, s.seq - !(s.flags & SYN)))
		ck_abort_msg("%s:%d: payload wrong: %s", file, line, seg_text(&s, a, sizeof(a)));
	return s;
}

void tcp_lab_quiet(const char *file, int line)
{
	char a[400];
	const uint8_t *payload;
	const char *why;
	struct seg s;

	if (!tl.head)
		return;
	why = lab_next(&s, &payload);
	if (!why)
		lab_learn(&s);
	ck_abort_msg("%s:%d: expected nothing, sent %s", file, line,
		     why ? why : seg_text(&s, a, sizeof(a)));
}
