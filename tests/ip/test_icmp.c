/*
 * tests/ip/test_icmp.c - ICMP messages received: each of the 256 types, echo and timestamp answered,
 * errors by code and by quoted datagram, redirects; watches and echoes of the stack's own.
 */
#include <errno.h>
#include <string.h>

#include "ip/icmp.h"
#include "lib/checksum.h"
#include "net/ifaddr.h"
#include "tests/harness/ip_lab.h"
#include "tests/harness/unit.h"

static struct ip_lab lab;
static uint8_t sent[IP4_LEN_MAX];

/* The protocol of which quoted datagrams are. */
#define PROTO 252
static struct ip_err last;
static uint8_t last_l4[64];
static unsigned errors;

static void proto_in(struct pkbuf *b)
{
	pkbuf_free(b);
}

static void proto_err(const struct ip_err *e)
{
	errors++;
	last = *e;
	ck_assert_uint_ge(e->l4len, 8);
	memcpy(last_l4, e->l4, e->l4len);
}

static const struct ip_proto proto = {.proto = PROTO, .in = proto_in, .err = proto_err};

static void setup(void)
{
	ip_lab_open(&lab);
	ip_proto_register(lab.st, &proto);
	errors = 0;
}

static void teardown(void)
{
	ip_lab_close(&lab);
}

static uint64_t drops(enum drop_reason why)
{
	return pkbuf_drops(lab.st, why);
}

static uint64_t mib(enum mib m)
{
	return mib_read(lab.st, m);
}

/* A message of n bytes behind its header's first word, from 10.0.0.2. */
struct msg {
	const char *dst; /* NULL: 10.0.0.1 */
	uint8_t type, code, tos;
	uint32_t word;
	const void *data;
	uint32_t n;
	const uint8_t *opt;
	unsigned optlen;
	const char *src;
	bool wrong; /* checksum */
};

static void rx(const struct msg *m)
{
	static uint8_t bytes[IP4_LEN_MAX];
	struct icmp4_hdr *h = (struct icmp4_hdr *)(void *)bytes;

	*h = (struct icmp4_hdr){.type = m->type, .code = m->code};
	h->word = be32_of(m->word);
	if (m->n && m->data)
		memcpy(h + 1, m->data, m->n);
	else
		pattern_fill((uint8_t *)(h + 1), m->n, 0);
	h->csum = csum_finish(csum_add(0, bytes, ICMP_HLEN + m->n));
	h->csum ^= m->wrong;
	ip_lab_rx_ip(&lab, lab.eth,
		     &(struct ip_packet){.src = m->src ? m->src : "10.0.0.2",
					 .dst = m->dst ? m->dst : "10.0.0.1",
					 .proto = IP_PROTO_ICMP,
					 .tos = m->tos,
					 .opt = m->opt,
					 .optlen = m->optlen,
					 .data = bytes,
					 .n = ICMP_HLEN + m->n});
}

/* --- every type ------------------------------------------------------------------------------- */

static const struct {
	uint8_t type;
	enum mib mib;         /* 0: none of its own */
	enum drop_reason why; /* of a message of 8 + 12 zero bytes from a neighbour */
	bool answered;
} types[] = {
    {ICMP_ECHO_REPLY, MIB_Icmp_InEchoReps, DROP_NONE, false},
    {ICMP_DEST_UNREACH, MIB_Icmp_InDestUnreachs, DROP_ICMP_QUOTE, false},
    {ICMP_SOURCE_QUENCH, MIB_Icmp_InSrcQuenchs, DROP_ICMP_IGNORED, false},
    {ICMP_REDIRECT, MIB_Icmp_InRedirects, DROP_ICMP_QUOTE, false},
    {ICMP_ECHO, MIB_Icmp_InEchos, DROP_NONE, true},
    {ICMP_TIME_EXCEEDED, MIB_Icmp_InTimeExcds, DROP_ICMP_QUOTE, false},
    {ICMP_PARAM_PROBLEM, MIB_Icmp_InParmProbs, DROP_ICMP_QUOTE, false},
    {ICMP_TIMESTAMP, MIB_Icmp_InTimestamps, DROP_NONE, true},
    {ICMP_TIMESTAMP_REPLY, MIB_Icmp_InTimestampReps, DROP_NONE, false},
    {ICMP_INFO_REQUEST, 0, DROP_ICMP_IGNORED, false},
    {ICMP_INFO_REPLY, 0, DROP_ICMP_IGNORED, false},
    {ICMP_MASK_REQUEST, MIB_Icmp_InAddrMasks, DROP_ICMP_IGNORED, false},
    {ICMP_MASK_REPLY, MIB_Icmp_InAddrMaskReps, DROP_ICMP_IGNORED, false},
};
#define TYPES (sizeof(types) / sizeof(types[0]))

START_TEST(test_in_type)
{
	static const uint8_t zero[12];
	enum drop_reason why = DROP_ICMP_TYPE;
	unsigned i;

	for (i = 0; i < TYPES && types[i].type != _i; i++)
		;
	if (i < TYPES)
		why = types[i].why;
	rx(&(struct msg){.type = (uint8_t)_i, .data = zero, .n = sizeof(zero)});
	ck_assert_uint_eq(mib(MIB_Icmp_InMsgs), 1);
	if (why != DROP_NONE)
		ck_assert_uint_eq(drops(why), 1);
	ck_assert_uint_eq(mib(MIB_Icmp_InErrors), why == DROP_ICMP_TYPE || why == DROP_ICMP_QUOTE);
	if (i < TYPES && types[i].mib)
		ck_assert_uint_eq(mib(types[i].mib), 1);
	ck_assert_int_eq(ip_lab_sent(&lab, lab.eth, sent) != 0, i < TYPES && types[i].answered);
	ip_lab_quiet(&lab, lab.eth);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_pkbufs), 0);
}
END_TEST

START_TEST(test_in_too_short_is_dropped)
{
	static const uint8_t seven[7] = {ICMP_ECHO};

	ip_lab_rx_ip(&lab, lab.eth,
		     &(struct ip_packet){.src = "10.0.0.2",
					 .dst = "10.0.0.1",
					 .proto = IP_PROTO_ICMP,
					 .data = seven,
					 .n = sizeof(seven)});
	ck_assert_uint_eq(drops(DROP_ICMP_SHORT), 1);
	ck_assert_uint_eq(mib(MIB_Icmp_InErrors), 1);
}
END_TEST

START_TEST(test_in_checksum_wrong_is_dropped)
{
	rx(&(struct msg){.type = ICMP_ECHO, .n = 33, .wrong = true});
	ck_assert_uint_eq(drops(DROP_ICMP_CSUM), 1);
	ck_assert_uint_eq(mib(MIB_Icmp_InCsumErrors), 1);
	ck_assert_uint_eq(mib(MIB_Icmp_InErrors), 1);
	ip_lab_quiet(&lab, lab.eth);
}
END_TEST

/* --- echo ------------------------------------------------------------------------------------- */

static uint32_t expect_answer(uint8_t type)
{
	uint32_t n = ip_lab_sent(&lab, lab.eth, sent);
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(void *)sent;
	unsigned hlen = ip4_hdr_len(ip);

	ck_assert_uint_gt(n, 0);
	ck_assert(ip_packet_is_sound(sent, n));
	ck_assert_uint_eq(ip->proto, IP_PROTO_ICMP);
	ck_assert_uint_eq(csum_finish(csum_add(0, sent + hlen, n - hlen)), 0);
	ck_assert_uint_eq(sent[hlen], type);
	ck_assert_uint_eq(sent[hlen + 1], 0);
	return n;
}

static void expect_addrs(const char *src, const char *dst)
{
	struct ip_addr s = ip_of(src), d = ip_of(dst);

	ck_assert_int_eq(memcmp(sent + 12, s.b + 12, 4), 0);
	ck_assert_int_eq(memcmp(sent + 16, d.b + 12, 4), 0);
}

static const uint32_t echo_sizes[] = {0, 1, 56, 100, 1472};

START_TEST(test_echo_comes_back_as_it_was)
{
	uint32_t n = echo_sizes[_i];

	rx(&(struct msg){.type = ICMP_ECHO, .word = 0xabcd0102, .n = n, .tos = 0x13});
	ck_assert_uint_eq(expect_answer(ICMP_ECHO_REPLY), 28 + n);
	expect_addrs("10.0.0.1", "10.0.0.2");
	ck_assert_int_eq(memcmp(sent + 24, "\xab\xcd\x01\x02", 4), 0);
	ck_assert(pattern_is(sent + 28, n, 0));
	ck_assert_uint_eq(sent[1], 0x10); /* TOS kept, ECN not */
	ck_assert_uint_eq(mib(MIB_Icmp_OutEchoReps), 1);
	ck_assert_uint_eq(mib(MIB_Icmp_OutMsgs), 1);
}
END_TEST

START_TEST(test_echo_answered_from_the_address_asked)
{
	struct ip_addr second = ip_of("10.0.0.200");

	ck_assert_int_eq(ifaddr_add(lab.eth->dev, &second, IP_PREFIX4(24)), 0);
	rx(&(struct msg){.type = ICMP_ECHO, .dst = "10.0.0.200"});
	expect_answer(ICMP_ECHO_REPLY);
	expect_addrs("10.0.0.200", "10.0.0.2");
}
END_TEST

static const char *const wide[] = {"10.0.0.255", "255.255.255.255", "224.0.0.1"};

START_TEST(test_echo_to_many_only_when_told_so)
{
	rx(&(struct msg){.type = ICMP_ECHO, .dst = wide[_i], .n = 8});
	ck_assert_uint_eq(drops(DROP_ICMP_BCAST), 1);
	ip_lab_quiet(&lab, lab.eth);
	sysctl_write(lab.st, "net.ipv4.icmp_echo_ignore_broadcasts", 0);
	rx(&(struct msg){.type = ICMP_ECHO, .dst = wide[_i], .n = 8});
	expect_answer(ICMP_ECHO_REPLY);
	expect_addrs("10.0.0.1", "10.0.0.2");
}
END_TEST

START_TEST(test_echo_ignored_by_sysctl)
{
	sysctl_write(lab.st, "net.ipv4.icmp_echo_ignore_all", 1);
	rx(&(struct msg){.type = ICMP_ECHO});
	ck_assert_uint_eq(drops(DROP_ICMP_IGNORED), 1);
	ip_lab_quiet(&lab, lab.eth);
}
END_TEST

/* RFC 1122, 3.2.2.6: record route goes on in the answer. */
START_TEST(test_echo_record_route_is_carried_on)
{
	static const uint8_t rr[12] = {7, 11, 4};

	rx(&(struct msg){.type = ICMP_ECHO, .opt = rr, .optlen = sizeof(rr)});
	expect_answer(ICMP_ECHO_REPLY);
	ck_assert_uint_eq(sent[0], 0x48);
	ck_assert_uint_eq(sent[20], 7);
	ck_assert_uint_ge(sent[22], 8); /* an address was recorded */
	ck_assert_int_eq(memcmp(sent + 23, "\x0a\x00\x00\x01", 4), 0);
}
END_TEST

/* --- timestamp -------------------------------------------------------------------------------- */

START_TEST(test_timestamp_answered_with_a_clock_that_is_not_ut)
{
	uint8_t times[12] = {1, 2, 3, 4};
	uint32_t ms = (uint32_t)(env_now(lab.st->env) / NSEC_PER_MSEC);
	be32 now = be32_of(ms | 0x80000000u);

	rx(&(struct msg){
	    .type = ICMP_TIMESTAMP, .word = 0x00070008, .data = times, .n = sizeof(times)});
	ck_assert_uint_eq(expect_answer(ICMP_TIMESTAMP_REPLY), 40);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Icmp_OutTimestampReps), 1);
	ck_assert_int_eq(memcmp(sent + 24, "\0\7\0\10", 4), 0);
	ck_assert_int_eq(memcmp(sent + 28, times, 4), 0);
	ck_assert_int_eq(memcmp(sent + 32, &now, 4), 0);
	ck_assert_int_eq(memcmp(sent + 36, &now, 4), 0);
}
END_TEST

START_TEST(test_timestamp_short_or_wide_is_dropped)
{
	rx(&(struct msg){.type = ICMP_TIMESTAMP, .n = 11});
	ck_assert_uint_eq(drops(DROP_ICMP_SHORT), 1);
	sysctl_write(lab.st, "net.ipv4.icmp_echo_ignore_broadcasts", 0);
	rx(&(struct msg){.type = ICMP_TIMESTAMP, .n = 12, .dst = "10.0.0.255"});
	ck_assert_uint_eq(drops(DROP_ICMP_BCAST), 1);
	ip_lab_quiet(&lab, lab.eth);
}
END_TEST

/* --- errors ----------------------------------------------------------------------------------- */

/* An error about p, of which `cut` bytes are quoted. */
static void rx_error(uint8_t type, uint8_t code, uint32_t word, const struct ip_packet *p,
		     uint32_t cut)
{
	static uint8_t quoted[IP4_LEN_MAX];
	uint32_t n = ip_packet_build(p, quoted);

	rx(&(struct msg){
	    .type = type, .code = code, .word = word, .data = quoted, .n = cut < n ? cut : n});
}

static struct ip_packet ours(void)
{
	return (struct ip_packet){
	    .src = "10.0.0.1", .dst = "10.0.0.9", .proto = PROTO, .n = 1400, .off = IP4_DF};
}

START_TEST(test_error_reaches_the_protocol_whole)
{
	struct ip_packet p = ours();
	struct ip_addr src = ip_of(p.src), dst = ip_of(p.dst), from = ip_of("10.0.0.2");

	rx_error(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0, &p, 28);
	ck_assert_uint_eq(errors, 1);
	ck_assert(last.stack == lab.st && last.proto == PROTO);
	ck_assert(ip_addr_eq(&last.src, &src) && ip_addr_eq(&last.dst, &dst));
	ck_assert(ip_addr_eq(&last.from, &from));
	ck_assert(last.type == 3 && last.code == 3 && last.err == ECONNREFUSED && last.fatal);
	ck_assert_uint_eq(last.l4len, 8);
	ck_assert(pattern_is(last_l4, 8, 0));
	rx_error(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0, &p, 548);
	ck_assert_uint_eq(last.l4len, 64);
	ck_assert(pattern_is(last_l4, 64, 0));
}
END_TEST

START_TEST(test_error_about_options_finds_the_transport_header)
{
	static const uint8_t nops[40] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	struct ip_packet p = ours();

	p.opt = nops;
	p.optlen = 40;
	rx_error(ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0, &p, 68);
	ck_assert_uint_eq(errors, 1);
	ck_assert(last.err == EHOSTUNREACH && !last.fatal);
	ck_assert(pattern_is(last_l4, 8, 0));
	rx_error(ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0, &p, 67);
	ck_assert_uint_eq(drops(DROP_ICMP_QUOTE), 1);
}
END_TEST

/* What was never ours, was for many, or cannot be read. */
START_TEST(test_error_with_a_bad_quote_is_dropped)
{
	struct ip_packet p[] = {ours(), ours(), ours(), ours(), ours()};
	uint8_t bad[28] = {0x44}, six[28] = {0x65};

	/* but for what is wrong with them they might be ours */
	memcpy(bad + 12, "\x0a\0\0\1\x0a\0\0\2", 8);
	memcpy(six + 12, "\x0a\0\0\1\x0a\0\0\2", 8);

	p[0].src = "10.0.0.2";
	p[1].src = "192.0.2.1";
	p[2].dst = "10.0.0.255";
	p[3].dst = "224.0.0.1";
	p[4].off = 100; /* no transport header in it */
	for (unsigned i = 0; i < 5; i++)
		rx_error(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0, &p[i], 28);
	p[0] = ours();
	rx_error(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0, &p[0], 27);
	rx(&(struct msg){.type = ICMP_DEST_UNREACH, .code = 3, .data = bad, .n = sizeof(bad)});
	rx(&(struct msg){.type = ICMP_DEST_UNREACH, .code = 3, .data = six, .n = sizeof(six)});
	ck_assert_uint_eq(drops(DROP_ICMP_QUOTE), 8);
	ck_assert_uint_eq(mib(MIB_Icmp_InErrors), 8);
	ck_assert_uint_eq(errors, 0);
}
END_TEST

/* A protocol that wants to hear of none, and one that nobody has. */
START_TEST(test_error_without_a_receiver_is_nobodys)
{
	struct ip_packet p = ours();

	p.proto = IP_LAB_PROTO;
	rx_error(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0, &p, 28);
	p.proto = 199;
	rx_error(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0, &p, 28);
	ck_assert_uint_eq(errors, 0);
	ck_assert_uint_eq(mib(MIB_Icmp_InErrors), 0);
}
END_TEST

START_TEST(test_error_that_is_none_is_ignored)
{
	struct ip_packet p = ours();

	rx_error(ICMP_DEST_UNREACH, 16, 0, &p, 28);
	rx_error(ICMP_TIME_EXCEEDED, ICMP_EXC_REASM, 0, &p, 28);
	ck_assert_uint_eq(drops(DROP_ICMP_IGNORED), 2);
	ck_assert_uint_eq(errors, 0);
}
END_TEST

/* Who the quote is told to judges it; where nobody asked for the datagram nothing is learnt. */
START_TEST(test_frag_needed_is_told_and_not_believed)
{
	struct ip_packet p = ours();

	rx_error(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 1300, &p, 28);
	ck_assert_uint_eq(errors, 1);
	ck_assert(last.err == EMSGSIZE && last.mtu == 1300);
	ck_assert_uint_eq(pmtu_get(lab.st, &last.dst), 0);
	p.proto = 199;
	rx_error(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 1300, &p, 28);
	ck_assert_uint_eq(errors, 1);
	ck_assert_uint_eq(pmtu_get(lab.st, &last.dst), 0);
}
END_TEST

/* --- redirects -------------------------------------------------------------------------------- */

static bool redirected(const char *dst)
{
	struct ip_addr d = ip_of(dst);
	struct pmtu_info info;

	return pmtu_lookup(lab.st, &d, &info) && !ip_addr_is_any(&info.gateway);
}

static void rx_redirect(const char *from, uint32_t gateway)
{
	struct ip_packet p = ours();
	static uint8_t quoted[IP4_LEN_MAX];

	p.dst = "172.16.0.1";
	ip_packet_build(&p, quoted);
	rx(&(struct msg){.type = ICMP_REDIRECT,
			 .code = ICMP_REDIR_HOST,
			 .src = from,
			 .word = gateway,
			 .data = quoted,
			 .n = 28});
}

START_TEST(test_redirect_is_not_applied_unless_accepted)
{
	ip_lab_route(&lab, "172.16.0.0/12", "10.0.0.2");
	rx_redirect("10.0.0.2", 0x0a000003);
	ck_assert(!redirected("172.16.0.1"));
	ck_assert_uint_eq(drops(DROP_ICMP_IGNORED), 1);
	ck_assert_uint_eq(mib(MIB_Icmp_InRedirects), 1);
}
END_TEST

/* RFC 1122, 3.2.2.2: from the gateway in use, to another on the same net. */
START_TEST(test_redirect_is_applied_when_valid)
{
	ip_lab_route(&lab, "172.16.0.0/12", "10.0.0.2");
	sysctl_write(lab.st, "net.ipv4.conf.all.accept_redirects", 1);
	rx_redirect("10.0.0.3", 0x0a000004); /* not from the gateway */
	rx_redirect("10.0.0.2", 0x0a010004); /* to one that is not on the net */
	rx_redirect("10.0.0.2", 0x0a000002); /* to itself */
	ck_assert(!redirected("172.16.0.1"));
	ck_assert_uint_eq(drops(DROP_ICMP_IGNORED), 3);
	rx_redirect("10.0.0.2", 0x0a000003);
	ck_assert(redirected("172.16.0.1"));
	rx_redirect("10.0.0.2", 0x0a000004); /* it is not the gateway any more */
	ck_assert_uint_eq(drops(DROP_ICMP_IGNORED), 4);
	rx_redirect("10.0.0.3", 0x0a000004);
	ck_assert_uint_eq(drops(DROP_ICMP_IGNORED), 4);
}
END_TEST

/* --- watches, own echoes ---------------------------------------------------------------------- */

struct seen {
	struct icmp_watch w;
	unsigned n;
	uint8_t type;
};

static void see(struct icmp_watch *w, const struct pkbuf *b)
{
	struct seen *s = w->arg;

	s->n++;
	pkbuf_read(b, 0, &s->type, 1);
}

START_TEST(test_watches_see_every_good_message)
{
	struct seen a = {.w = {.fn = see, .arg = &a}}, b = {.w = {.fn = see, .arg = &b}};

	icmp_watch_add(lab.st, &a.w);
	icmp_watch_add(lab.st, &b.w);
	rx(&(struct msg){.type = ICMP_ECHO_REPLY});
	rx(&(struct msg){.type = ICMP_ECHO, .wrong = true});
	ck_assert(a.n == 1 && b.n == 1 && a.type == ICMP_ECHO_REPLY);
	icmp_watch_del(lab.st, &a.w);
	rx(&(struct msg){.type = 77});
	ck_assert(a.n == 1 && b.n == 2 && b.type == 77);
	icmp_watch_del(lab.st, &b.w);
}
END_TEST

static int echo_to(const char *dst, uint32_t n, uint8_t ttl)
{
	static uint8_t data[65536];
	struct icmp_echo e = {
	    .dst = ip_of(dst), .id = 0x1234, .seq = 5, .ttl = ttl, .data = data, .n = n};
	struct batch batch;
	int err;

	pattern_fill(data, n, 0);
	batch_begin(&batch, lab.st);
	err = icmp_echo_send(lab.st, &e);
	batch_end(&batch);
	return err;
}

START_TEST(test_echo_send_request)
{
	ck_assert_int_eq(echo_to("10.0.0.2", 56, 9), 0);
	ck_assert_uint_eq(expect_answer(ICMP_ECHO), 84);
	expect_addrs("10.0.0.1", "10.0.0.2");
	ck_assert_uint_eq(sent[8], 9);
	ck_assert_int_eq(memcmp(sent + 24, "\x12\x34\0\5", 4), 0);
	ck_assert(pattern_is(sent + 28, 56, 0));
	ck_assert_uint_eq(mib(MIB_Icmp_OutEchos), 1);
}
END_TEST

START_TEST(test_echo_send_refusals)
{
	ck_assert_int_eq(echo_to("10.0.0.2", 65508, 0), -EMSGSIZE);
	ck_assert_int_eq(echo_to("192.0.2.1", 1, 0), -ENETUNREACH);
	ck_assert_int_eq(echo_to("10.0.0.255", 1, 0), -EACCES);
	ip_lab_quiet(&lab, lab.eth);
}
END_TEST

/* The largest there is, to ourselves and back: in one piece over lo. */
START_TEST(test_echo_largest_by_loopback)
{
	ck_assert_int_eq(echo_to("127.1.2.3", 65507, 0), 0);
	ck_assert_uint_eq(mib(MIB_Icmp_InEchos), 1);
	ck_assert_uint_eq(mib(MIB_Icmp_InEchoReps), 1);
	ck_assert_int_eq(gauge_read(lab.st, GAUGE_pkbufs), 0);
}
END_TEST

#define N(a) (int)(sizeof(a) / sizeof((a)[0]))

int main(void)
{
	TCase *tc = tcase_create("icmp");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_in_type, 0, 256);
	tcase_add_test(tc, test_in_too_short_is_dropped);
	tcase_add_test(tc, test_in_checksum_wrong_is_dropped);
	tcase_add_loop_test(tc, test_echo_comes_back_as_it_was, 0, N(echo_sizes));
	tcase_add_test(tc, test_echo_answered_from_the_address_asked);
	tcase_add_loop_test(tc, test_echo_to_many_only_when_told_so, 0, N(wide));
	tcase_add_test(tc, test_echo_ignored_by_sysctl);
	tcase_add_test(tc, test_echo_record_route_is_carried_on);
	tcase_add_test(tc, test_timestamp_answered_with_a_clock_that_is_not_ut);
	tcase_add_test(tc, test_timestamp_short_or_wide_is_dropped);
	tcase_add_test(tc, test_error_reaches_the_protocol_whole);
	tcase_add_test(tc, test_error_about_options_finds_the_transport_header);
	tcase_add_test(tc, test_error_with_a_bad_quote_is_dropped);
	tcase_add_test(tc, test_error_without_a_receiver_is_nobodys);
	tcase_add_test(tc, test_error_that_is_none_is_ignored);
	tcase_add_test(tc, test_frag_needed_is_told_and_not_believed);
	tcase_add_test(tc, test_redirect_is_not_applied_unless_accepted);
	tcase_add_test(tc, test_redirect_is_applied_when_valid);
	tcase_add_test(tc, test_watches_see_every_good_message);
	tcase_add_test(tc, test_echo_send_request);
	tcase_add_test(tc, test_echo_send_refusals);
	tcase_add_test(tc, test_echo_largest_by_loopback);
	return unit_run("icmp", tc);
}
