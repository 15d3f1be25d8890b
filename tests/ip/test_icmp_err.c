/*
 * tests/ip/test_icmp_err.c - ICMP errors sent: every rule of RFC 1122, 3.2.2 and RFC 1812, 4.3.2.7
 * that forbids one, the limits on a virtual clock, what is quoted, source and precedence.
 */
#include <stdio.h>
#include <string.h>

#include "ip/icmp.h"
#include "lib/checksum.h"
#include "lib/wire/tcp.h"
#include "lib/wire/udp.h"
#include "tests/harness/ip_lab.h"
#include "tests/harness/unit.h"

static struct ip_lab lab;
static struct testdev *other; /* 10.1.0.1/24 */
static uint8_t bytes[IP4_LEN_MAX];

static const struct icmp_error port_unreach = {ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0};

static void setup(void)
{
	struct batch batch;

	ip_lab_open(&lab);
	batch_begin(&batch, lab.st);
	other = ip_lab_device(&lab, "test1", "10.1.0.1/24");
	batch_end(&batch);
}

static void teardown(void)
{
	ip_lab_close(&lab);
}

/* The datagram p as eth received it, with its front at l3. */
static struct pkbuf *received(const struct ip_packet *p)
{
	uint32_t n = ip_packet_build(p, bytes);
	struct pkbuf *b = pkbuf_alloc(lab.st, PKBUF_RX_HEAD);
	uint32_t linear = n < 100 ? n : 100;

	ck_assert_int_eq(pkbuf_append(b, bytes, linear), 0);
	if (n > linear)
		ck_assert_int_eq(pkbuf_append(b, bytes + linear, n - linear), 0);
	b->l3 = b->head;
	b->l4 = (uint16_t)(b->l3 + IP4_HLEN + p->optlen);
	b->dev = lab.eth->dev;
	ck_assert_ptr_nonnull(pkbuf_pull(b, IP4_HLEN + p->optlen));
	return b;
}

static void send_about(struct pkbuf *b, const struct icmp_error *e)
{
	struct batch batch;

	batch_begin(&batch, lab.st);
	icmp_error_send(b, e);
	batch_end(&batch);
	pkbuf_free(b);
}

/* A datagram that may be answered. */
static struct ip_packet plain(void)
{
	return (struct ip_packet){
	    .src = "10.0.0.2", .dst = "10.0.0.1", .proto = IP_PROTO_UDP, .n = 40};
}

static void expect_none(uint64_t refused)
{
	ip_lab_quiet(&lab, lab.eth);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Icmp_OutErrors), refused);
}

/* --- the rules -------------------------------------------------------------------------------- */

START_TEST(test_about_plain_datagram_sent)
{
	struct ip_packet p = plain();

	send_about(received(&p), &port_unreach);
	ip_lab_sent_icmp(&lab, lab.eth, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Icmp_OutDestUnreachs), 1);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Icmp_OutMsgs), 1);
	expect_none(0);
}
END_TEST

static const uint8_t icmp_queries[] = {
    ICMP_ECHO,         ICMP_ECHO_REPLY, ICMP_TIMESTAMP,    ICMP_TIMESTAMP_REPLY,
    ICMP_INFO_REQUEST, ICMP_INFO_REPLY, ICMP_MASK_REQUEST, ICMP_MASK_REPLY};

/* Each of the 256 types: about queries an error may be sent, about all else not. */
START_TEST(test_about_icmp_type)
{
	struct icmp4_hdr h = {.type = (uint8_t)_i};
	struct ip_packet p = plain();

	p.proto = IP_PROTO_ICMP;
	p.data = &h;
	p.n = sizeof(h);
	send_about(received(&p), &port_unreach);
	if (memchr(icmp_queries, _i, sizeof(icmp_queries)))
		ip_lab_sent_icmp(&lab, lab.eth, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH);
	else
		expect_none(1);
}
END_TEST

/* Also when the front has passed the ICMP header. */
START_TEST(test_about_icmp_type_behind_the_front)
{
	struct icmp4_hdr h = {.type = ICMP_ECHO};
	struct ip_packet p = plain();
	struct pkbuf *b;

	p.proto = IP_PROTO_ICMP;
	p.data = &h;
	p.n = sizeof(h);
	for (int i = 0; i < 2; i++) {
		h.type = i ? ICMP_DEST_UNREACH : ICMP_ECHO;
		b = received(&p);
		ck_assert_ptr_nonnull(pkbuf_pull(b, 28));
		pkbuf_trim_front(b, 28);
		send_about(b, &port_unreach);
		if (i == 0)
			ip_lab_sent_icmp(&lab, lab.eth, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH);
	}
	expect_none(1);
}
END_TEST

START_TEST(test_about_icmp_without_type_none)
{
	struct ip_packet p = plain();

	p.proto = IP_PROTO_ICMP;
	p.n = 0;
	send_about(received(&p), &port_unreach);
	expect_none(1);
}
END_TEST

START_TEST(test_about_later_fragment_none)
{
	struct ip_packet p = plain();

	p.off = IP4_MF | 1;
	send_about(received(&p), &port_unreach);
	p.off = 185;
	send_about(received(&p), &port_unreach);
	expect_none(2);
	p.off = IP4_MF; /* the first one */
	send_about(received(&p), &port_unreach);
	ip_lab_sent_icmp(&lab, lab.eth, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH);
}
END_TEST

static const char *const many[] = {"255.255.255.255", "10.0.0.255", "10.1.0.255", "224.0.0.1",
				   "239.255.255.255"};

START_TEST(test_about_broadcast_or_multicast_none)
{
	struct ip_packet p = plain();

	p.dst = many[_i];
	send_about(received(&p), &port_unreach);
	expect_none(1);
}
END_TEST

START_TEST(test_about_link_broadcast_none)
{
	struct ip_packet p = plain();
	struct pkbuf *b = received(&p);

	b->cast = PKBUF_BROADCAST;
	send_about(b, &port_unreach);
	b = received(&p);
	b->cast = PKBUF_MULTICAST;
	send_about(b, &port_unreach);
	expect_none(2);
}
END_TEST

static const char *const nobody[] = {"0.0.0.0",   "0.1.2.3",    "127.0.0.1",      "224.0.0.1",
				     "240.0.0.1", "10.0.0.255", "255.255.255.255"};

START_TEST(test_about_source_that_is_no_host_none)
{
	struct ip_packet p = plain();

	p.src = nobody[_i];
	send_about(received(&p), &port_unreach);
	expect_none(1);
}
END_TEST

/* On lo 127.0.0.1 is a host: ourselves. */
START_TEST(test_about_loopback_on_lo_sent)
{
	struct ip_packet p = plain();
	struct pkbuf *b;
	uint64_t before = mib_read(lab.st, MIB_Icmp_InDestUnreachs);

	p.src = p.dst = "127.0.0.1";
	b = received(&p);
	b->dev = lab.lo;
	send_about(b, &port_unreach);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Icmp_InDestUnreachs), before + 1);
	expect_none(0);
}
END_TEST

/* --- limits ----------------------------------------------------------------------------------- */

/* n errors to one host at once: how many go out. */
static unsigned burst(const char *src, unsigned n)
{
	struct ip_packet p = plain();
	unsigned sent = 0;

	p.src = src;
	for (unsigned i = 0; i < n; i++) {
		send_about(received(&p), &port_unreach);
		while (ip_lab_sent(&lab, lab.eth, bytes))
			sent++;
	}
	return sent;
}

START_TEST(test_limit_host_six_at_once_then_one_a_second)
{
	ck_assert_uint_eq(burst("10.0.0.2", 20), 6);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Icmp_OutRateLimitHost), 14);
	ck_assert_uint_eq(burst("10.0.0.3", 20), 6); /* another has a bucket of its own */
	ip_lab_advance_ms(&lab, 999);
	ck_assert_uint_eq(burst("10.0.0.2", 3), 0);
	ip_lab_advance_ms(&lab, 1);
	ck_assert_uint_eq(burst("10.0.0.2", 3), 1);
	ip_lab_advance_ms(&lab, 3000);
	ck_assert_uint_eq(burst("10.0.0.2", 20), 3);
	ip_lab_advance_ms(&lab, 3600 * 1000);
	ck_assert_uint_eq(burst("10.0.0.2", 20), 6);
}
END_TEST

START_TEST(test_limit_host_by_sysctl)
{
	sysctl_write(lab.st, "net.ipv4.icmp_ratelimit", 100);
	ck_assert_uint_eq(burst("10.0.0.2", 20), 6);
	ip_lab_advance_ms(&lab, 200);
	ck_assert_uint_eq(burst("10.0.0.2", 20), 2);
	sysctl_write(lab.st, "net.ipv4.icmp_ratelimit", 0);
	sysctl_write(lab.st, "net.ipv4.icmp_msgs_per_sec", 0);
	ck_assert_uint_eq(burst("10.0.0.2", 40), 40);
}
END_TEST

/* One message to each of n hosts of 10.net/16; how many were sent. */
static unsigned burst_to_many(unsigned net, unsigned n)
{
	unsigned sent = 0;
	char src[40];

	for (unsigned i = 0; i < n; i++) {
		snprintf(src, sizeof(src), "10.%u.%u.%u", net, i / 200, i % 200 + 1);
		sent += burst(src, 1);
	}
	return sent;
}

/* More hosts than the table has slots: all together still stay within the other limit, on the average. */
START_TEST(test_limit_global_fifty_at_once_then_its_rate)
{
	unsigned sent;

	ip_lab_route(&lab, "10.128.0.0/9", "10.0.0.2");
	sent = burst_to_many(200, 2000);
	ck_assert_uint_ge(sent, 25);
	ck_assert_uint_le(sent, 100);
	ck_assert_uint_eq(mib_read(lab.st, MIB_Icmp_OutRateLimitGlobal), 2000 - sent);
	sent = 0;
	for (unsigned i = 0; i < 50; i++) {
		ip_lab_advance_ms(&lab, 20); /* at 1000 a second */
		sent += burst_to_many(130 + i, 100);
	}
	ck_assert_uint_ge(sent, 850);
	ck_assert_uint_le(sent, 1150);
	sysctl_write(lab.st, "net.ipv4.icmp_msgs_per_sec", 0);
	ck_assert_uint_eq(burst_to_many(202, 100), 100);
}
END_TEST

/* CVE-2020-25705: what is left for one sender does not tell how many others were answered. */
START_TEST(test_limit_global_is_not_to_be_counted)
{
	bool differs = false;

	ip_lab_route(&lab, "10.128.0.0/9", "10.0.0.2");
	for (unsigned i = 0; i < 10; i++) {
		ip_lab_advance_ms(&lab, 1000);
		differs |= burst_to_many(200 + i, 200) != 50;
	}
	ck_assert(differs);
}
END_TEST

/* Who keeps asking keeps its slot, however many others come and go. */
START_TEST(test_limit_host_is_remembered_among_many)
{
	char src[40];

	ip_lab_route(&lab, "10.128.0.0/9", "10.0.0.2");
	sysctl_write(lab.st, "net.ipv4.icmp_msgs_per_sec", 0);
	ck_assert_uint_eq(burst("10.0.0.2", 10), 6);
	for (unsigned i = 0; i < 950; i++) {
		snprintf(src, sizeof(src), "10.200.%u.%u", i / 200, i % 200 + 1);
		ck_assert_uint_eq(burst(src, 1), 1);
		ip_lab_advance_ms(&lab, 1);
		ck_assert_uint_eq(burst("10.0.0.2", 1), 0);
	}
}
END_TEST

/* One refused by the limit of all is not counted against its host. */
START_TEST(test_limit_refused_by_one_costs_the_other_nothing)
{
	ip_lab_route(&lab, "10.128.0.0/9", "10.0.0.2");
	burst_to_many(200, 200); /* all there is */
	ck_assert_uint_eq(burst("10.0.0.2", 10), 0);
	ip_lab_advance_ms(&lab, 50);
	ck_assert_uint_eq(burst("10.0.0.2", 10), 6);
}
END_TEST

/* Path MTU discovery must not stall, and redirects have a limit of their own. */
START_TEST(test_limit_not_for_frag_needed_and_redirect)
{
	static const struct icmp_error e[] = {{ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 1400},
					      {ICMP_REDIRECT, ICMP_REDIR_HOST, 0x0a000003}};
	struct ip_packet p = plain();

	for (unsigned i = 0; i < 20; i++) {
		send_about(received(&p), &e[_i]);
		ck_assert_uint_eq(ip_lab_sent_icmp(&lab, lab.eth, e[_i].type, e[_i].code),
				  e[_i].info);
	}
}
END_TEST

/* --- the message ------------------------------------------------------------------------------ */

static const struct {
	uint32_t n; /* bytes of payload */
	unsigned optlen;
	uint32_t len; /* of the whole error */
} quotes[] = {
    {0, 0, 20 + 8 + 20}, {8, 0, 20 + 8 + 28}, {528, 0, 576},       {527, 0, 575},   {529, 0, 576},
    {1480, 0, 576},      {60000, 0, 576},     {4, 8, 20 + 8 + 32}, {1000, 40, 576},
};

START_TEST(test_quote_up_to_576_bytes)
{
	static const uint8_t nops[40] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
					 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
					 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	struct ip_packet p = plain();
	static uint8_t sent[IP4_LEN_MAX], original[IP4_LEN_MAX];
	uint32_t n;

	p.n = quotes[_i].n;
	p.optlen = quotes[_i].optlen;
	p.opt = nops;
	ip_packet_build(&p, original);
	send_about(received(&p), &port_unreach);
	n = ip_lab_sent(&lab, lab.eth, sent);
	ck_assert_uint_eq(n, quotes[_i].len);
	ck_assert(ip_packet_is_sound(sent, n));
	ck_assert_uint_eq(csum_finish(csum_add(0, sent + 20, n - 20)), 0);
	ck_assert_int_eq(memcmp(sent + 28, original, n - 28), 0);
}
END_TEST

/* Wherever the front has got to, the quote begins at the IP header. */
START_TEST(test_quote_begins_at_the_ip_header)
{
	static const uint32_t fronts[] = {0, 20, 28, 100};
	struct ip_packet p = plain();
	static uint8_t sent[IP4_LEN_MAX], original[IP4_LEN_MAX];
	struct pkbuf *b;

	p.n = 700;
	ip_packet_build(&p, original);
	b = received(&p);
	ck_assert_ptr_nonnull(pkbuf_pull(b, 100));
	pkbuf_trim_front(b, fronts[_i]);
	send_about(b, &port_unreach);
	ck_assert_uint_eq(ip_lab_sent(&lab, lab.eth, sent), 576);
	ck_assert_int_eq(memcmp(sent + 28, original, 548), 0);
	b = received(&p); /* and from before it: at the link header */
	memset(pkbuf_push(b, ETHER_HLEN), 0xee, ETHER_HLEN);
	send_about(b, &port_unreach);
	ck_assert_uint_eq(ip_lab_sent(&lab, lab.eth, sent), 576);
	ck_assert_int_eq(memcmp(sent + 28, original, 548), 0);
}
END_TEST

/* A checksum still owed is put right before anybody reads it. */
START_TEST(test_quote_finishes_a_partial_checksum)
{
	struct ip_packet p = plain();
	struct ip_addr src = ip_of(p.src), dst = ip_of(p.dst);
	struct udp_hdr h = {.sport = be16_of(1), .dport = be16_of(2), .len = be16_of(8)};
	uint64_t pseudo = ip_csum_pseudo(&src, &dst, IP_PROTO_UDP, 8);
	uint8_t sent[IP4_LEN_MAX];
	struct pkbuf *b;

	h.csum = csum_fold(pseudo);
	p.data = &h;
	p.n = sizeof(h);
	b = received(&p);
	b->csum = CSUM_PARTIAL;
	b->csum_start = b->l4;
	b->csum_off = 6;
	send_about(b, &port_unreach);
	ck_assert_uint_eq(ip_lab_sent(&lab, lab.eth, sent), 56);
	ck_assert_uint_eq(csum_finish(csum_add(pseudo, sent + 48, 8)), 0);
}
END_TEST

static const struct {
	const char *dst, *src; /* of the datagram; of the error about it */
} sources[] = {
    {"10.0.0.1", "10.0.0.1"}, /* ours: who was asked answers */
    {"10.1.0.1", "10.1.0.1"}, /* ours, of another device */
    {"10.1.0.7", "10.0.0.1"}, /* forwarded: the device it came in by */
    {"192.0.2.1", "10.0.0.1"},
};

START_TEST(test_source_of_an_error)
{
	struct ip_packet p = plain();
	struct ip_addr want = ip_of(sources[_i].src);
	uint8_t sent[IP4_LEN_MAX];

	p.dst = sources[_i].dst;
	send_about(received(&p), &port_unreach);
	ck_assert_uint_gt(ip_lab_sent(&lab, lab.eth, sent), 0);
	ck_assert_int_eq(memcmp(sent + 12, want.b + 12, 4), 0);
}
END_TEST

/* RFC 1812, 4.3.2.5: the TOS as it was, internetwork control precedence; ECN is none of its own. */
START_TEST(test_precedence_and_ttl_of_an_error)
{
	struct ip_packet p = plain();
	const struct ip4_hdr *h = (const struct ip4_hdr *)(void *)bytes;

	p.tos = 0x13;
	p.ttl = 3;
	send_about(received(&p), &port_unreach);
	ck_assert_uint_gt(ip_lab_sent(&lab, lab.eth, bytes), 0);
	ck_assert_uint_eq(h->tos, 0xd0);
	ck_assert_uint_eq(h->ttl, 64);
	ck_assert_uint_eq(be16_get(h->off) & IP4_DF, 0);
}
END_TEST

START_TEST(test_second_word_and_counter_by_type)
{
	static const struct {
		struct icmp_error e;
		enum mib mib;
	} kinds[] = {
	    {{ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 1400}, MIB_Icmp_OutDestUnreachs},
	    {{ICMP_TIME_EXCEEDED, ICMP_EXC_REASM, 0}, MIB_Icmp_OutTimeExcds},
	    {{ICMP_PARAM_PROBLEM, 0, 20u << 24}, MIB_Icmp_OutParmProbs},
	    {{ICMP_REDIRECT, ICMP_REDIR_HOST, 0x0a000009}, MIB_Icmp_OutRedirects},
	};
	struct ip_packet p = plain();

	for (unsigned i = 0; i < 4; i++) {
		const struct icmp_error *e = &kinds[i].e;

		send_about(received(&p), e);
		ck_assert_uint_eq(ip_lab_sent_icmp(&lab, lab.eth, e->type, e->code), e->info);
		ck_assert_uint_eq(mib_read(lab.st, kinds[i].mib), 1);
	}
	ck_assert_uint_eq(mib_read(lab.st, MIB_Icmp_OutMsgs), 4);
}
END_TEST

#define N(a) (int)(sizeof(a) / sizeof((a)[0]))

int main(void)
{
	TCase *tc = tcase_create("icmp_err");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_about_plain_datagram_sent);
	tcase_add_loop_test(tc, test_about_icmp_type, 0, 256);
	tcase_add_test(tc, test_about_icmp_type_behind_the_front);
	tcase_add_test(tc, test_about_icmp_without_type_none);
	tcase_add_test(tc, test_about_later_fragment_none);
	tcase_add_loop_test(tc, test_about_broadcast_or_multicast_none, 0, N(many));
	tcase_add_test(tc, test_about_link_broadcast_none);
	tcase_add_loop_test(tc, test_about_source_that_is_no_host_none, 0, N(nobody));
	tcase_add_test(tc, test_about_loopback_on_lo_sent);
	tcase_add_test(tc, test_limit_host_six_at_once_then_one_a_second);
	tcase_add_test(tc, test_limit_host_by_sysctl);
	tcase_add_test(tc, test_limit_global_fifty_at_once_then_its_rate);
	tcase_add_test(tc, test_limit_global_is_not_to_be_counted);
	tcase_add_test(tc, test_limit_host_is_remembered_among_many);
	tcase_add_test(tc, test_limit_refused_by_one_costs_the_other_nothing);
	tcase_add_loop_test(tc, test_limit_not_for_frag_needed_and_redirect, 0, 2);
	tcase_add_loop_test(tc, test_quote_up_to_576_bytes, 0, N(quotes));
	tcase_add_loop_test(tc, test_quote_begins_at_the_ip_header, 0, 4);
	tcase_add_test(tc, test_quote_finishes_a_partial_checksum);
	tcase_add_loop_test(tc, test_source_of_an_error, 0, N(sources));
	tcase_add_test(tc, test_precedence_and_ttl_of_an_error);
	tcase_add_test(tc, test_second_word_and_counter_by_type);
	return unit_run("icmp_err", tc);
}
