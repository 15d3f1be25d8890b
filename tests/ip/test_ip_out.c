/*
 * tests/ip/test_ip_out.c - the header of what is sent, DF and the path MTU, the loop, headers that
 * a program brings.
 */
#include <errno.h>
#include <string.h>

#include "lib/checksum.h"
#include "lib/wire/tcp.h"
#include "net/ifaddr.h"
#include "tests/harness/frame.h"
#include "tests/harness/ip_lab.h"
#include "tests/harness/unit.h"

static struct ip_lab l;
static uint8_t data[IP4_LEN_MAX + 1], bytes[IP4_LEN_MAX];

static void setup(void)
{
	ip_lab_open(&l);
	pattern_fill(data, sizeof(data), 0);
}

static void teardown(void)
{
	ip_lab_close(&l);
}

static struct ip_flow flow_to(const char *dst)
{
	struct ip_flow f = {.dst = ip_of(dst), .proto = IP_LAB_PROTO, .pmtudisc = PMTUDISC_WANT};

	return f;
}

static const struct ip4_hdr *sent(uint32_t *n)
{
	*n = ip_lab_sent(&l, l.eth, bytes);
	ck_assert(ip_packet_is_sound(bytes, *n));
	return (const struct ip4_hdr *)bytes;
}

START_TEST(test_header_says_what_the_flow_wants)
{
	struct ip_flow f = flow_to("10.0.0.2");
	const struct ip4_hdr *h;
	uint32_t n;

	f.tos = 0x10;
	f.ttl = 9;
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 100), 0);
	h = sent(&n);
	ck_assert_uint_eq(n, 120);
	ck_assert_uint_eq(h->ver_ihl, 0x45);
	ck_assert_uint_eq(h->tos, 0x10);
	ck_assert_uint_eq(h->ttl, 9);
	ck_assert_uint_eq(h->proto, IP_LAB_PROTO);
	ck_assert_uint_eq(be16_get(h->off), IP4_DF);
	ck_assert_mem_eq(h->src, "\x0a\x00\x00\x01", 4);
	ck_assert_mem_eq(h->dst, "\x0a\x00\x00\x02", 4);
	ck_assert(pattern_is(bytes + 20, 100, 0));
	ck_assert_mem_eq(l.to, "\x02\xee\x0a\x00\x00\x02", 6);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_OutRequests), 1);
	ck_assert_uint_eq(mib_read(l.st, MIB_IpExt_OutOctets), 120);
}
END_TEST

START_TEST(test_default_ttl_is_the_stacks)
{
	struct ip_flow f = flow_to("10.0.0.2");
	uint32_t n;

	ip_lab_out(&l, &f, data, 1);
	ck_assert_uint_eq(sent(&n)->ttl, 64);
	sysctl_write(l.st, "net.ipv4.ip_default_ttl", 99);
	ip_lab_out(&l, &f, data, 1);
	ck_assert_uint_eq(sent(&n)->ttl, 99);
}
END_TEST

START_TEST(test_identifications_do_not_repeat)
{
	struct ip_flow f = flow_to("10.0.0.2");
	static bool used[65536];
	uint32_t n;

	for (unsigned i = 0; i < 5000; i++) {
		uint16_t id;

		ip_lab_out(&l, &f, data, 1);
		id = be16_get(sent(&n)->id);
		ck_assert(!used[id]);
		used[id] = true;
	}
}
END_TEST

START_TEST(test_identifications_of_hosts_are_unrelated)
{
	struct ip_addr src = ip_of("10.0.0.1"), a = ip_of("10.0.0.2"), b = ip_of("10.0.0.3");
	uint16_t ida = ip_id_next(l.st, &src, &a, 17, 1), idb = ip_id_next(l.st, &src, &b, 17, 1);

	ck_assert_uint_eq(ip_id_next(l.st, &src, &a, 17, 10), (uint16_t)(ida + 1));
	ck_assert_uint_eq(ip_id_next(l.st, &src, &a, 17, 1), (uint16_t)(ida + 11));
	ck_assert_uint_ne(idb, (uint16_t)(ida + 1));
	ck_assert_uint_ne(ip_id_next(l.st, &src, &a, 6, 1), (uint16_t)(ida + 12));
}
END_TEST

START_TEST(test_options_follow_the_header)
{
	static const uint8_t opt[12] = {IP4_OPT_RR, 11, 4};
	static const uint8_t want[12] = {IP4_OPT_RR, 11, 8, 10, 0, 0, 1};
	struct ip_flow f = flow_to("10.0.0.2");
	const struct ip4_hdr *h;
	uint32_t n;

	f.opt = opt;
	f.optlen = 12;
	ip_lab_out(&l, &f, data, 10);
	h = sent(&n);
	ck_assert_uint_eq(ip4_hdr_len(h), 32);
	ck_assert_mem_eq(h + 1, want, 12); /* the sender is the first on the way */
	ck_assert_uint_eq(n, 42);
	f.optlen = 8; /* does not hold the option */
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 10), -EINVAL);
}
END_TEST

/* --- DF and fragments ------------------------------------------------------------------------- */

/* Takes all that was sent; returns how many, and whether all had DF (1), none (0), mixed (-1). */
static unsigned sent_all(int *df)
{
	unsigned count = 0, with = 0;
	uint32_t n;

	while (l.eth->sent.count) {
		with += (be16_get(sent(&n)->off) & IP4_DF) != 0;
		ck_assert_uint_le(n, l.eth->dev->mtu);
		count++;
	}
	*df = with == count ? 1 : with ? -1 : 0;
	return count;
}

START_TEST(test_pmtudisc_over_device_mtu)
{
	static const struct {
		enum ip_pmtudisc disc;
		int err;
		unsigned frames;
	} cases[] = {{PMTUDISC_DONT, 0, 3},
		     {PMTUDISC_WANT, 0, 3},
		     {PMTUDISC_DO, -EMSGSIZE, 0},
		     {PMTUDISC_PROBE, -EMSGSIZE, 0},
		     {PMTUDISC_INTERFACE, -EMSGSIZE, 0},
		     {PMTUDISC_OMIT, 0, 3}};
	struct ip_flow f = flow_to("10.0.0.2");
	int df;

	f.pmtudisc = (uint8_t)cases[_i].disc;
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 4000), cases[_i].err);
	ck_assert_uint_eq(sent_all(&df), cases[_i].frames);
	ck_assert(df != -1);
	if (cases[_i].frames)
		ck_assert_int_eq(df, 0);
}
END_TEST

START_TEST(test_pmtudisc_that_fits)
{
	struct ip_flow f = flow_to("10.0.0.2");
	int df;

	f.pmtudisc = (uint8_t)_i;
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 1480), 0);
	ck_assert_uint_eq(sent_all(&df), 1);
	ck_assert_int_eq(df, f.pmtudisc >= PMTUDISC_WANT && f.pmtudisc <= PMTUDISC_PROBE);
}
END_TEST

START_TEST(test_pmtudisc_over_learnt_mtu)
{
	struct ip_flow f = flow_to("10.0.0.2");
	int df;

	pmtu_learn(l.st, &f.dst, 1000, 1500);
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 1200), 0); /* WANT */
	ck_assert_uint_eq(sent_all(&df), 2);
	ck_assert_int_eq(df, 0);
	f.pmtudisc = PMTUDISC_DO;
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 1200), -EMSGSIZE);
	f.pmtudisc = PMTUDISC_PROBE; /* sent past what is believed */
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 1200), 0);
	ck_assert_uint_eq(sent_all(&df), 1);
	ck_assert_int_eq(df, 1);
	for (f.pmtudisc = PMTUDISC_INTERFACE; f.pmtudisc <= PMTUDISC_OMIT; f.pmtudisc++) {
		ck_assert_int_eq(ip_lab_out(&l, &f, data, 1200), 0);
		ck_assert_uint_eq(sent_all(&df), 1);
		ck_assert_int_eq(df, 0);
	}
}
END_TEST

START_TEST(test_no_df_where_path_is_below_least)
{
	struct ip_flow f = flow_to("10.0.0.2");
	int df;

	pmtu_learn(l.st, &f.dst, 300, 1500);
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 400), 0);
	ck_assert_uint_eq(sent_all(&df), 1);
	ck_assert_int_eq(df, 0);
}
END_TEST

START_TEST(test_no_pmtu_disc_sends_without_df)
{
	struct ip_flow f = flow_to("10.0.0.2");
	int df;

	sysctl_write(l.st, "net.ipv4.ip_no_pmtu_disc", 1);
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 400), 0);
	ck_assert_uint_eq(sent_all(&df), 1);
	ck_assert_int_eq(df, 0);
}
END_TEST

START_TEST(test_larger_than_a_datagram_is_refused)
{
	struct ip_flow f = flow_to("127.0.0.1");

	ck_assert_int_eq(ip_lab_out(&l, &f, data, 65516), -EMSGSIZE);
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 65515), 0);
	ck_assert_uint_eq(l.arrived.count, 1);
}
END_TEST

/* --- super-frames ----------------------------------------------------------------------------- */

/* The TCP part of a super-frame to 10.0.0.2, sent by f. */
static int out_super(const struct ip_flow *f, uint32_t n, uint16_t gso_size)
{
	struct pkbuf *b = frame_send4(l.st, n, gso_size);
	struct batch batch;
	int err;

	pkbuf_trim_front(b, ETHER_HLEN + IP4_HLEN);
	b->l4 = b->head;
	batch_begin(&batch, l.st);
	err = ip_out(b, f, NULL);
	batch_end(&batch);
	return err;
}

static struct ip_flow tcp_flow(void)
{
	struct ip_flow f = flow_to("10.0.0.2");

	f.proto = IP_PROTO_TCP;
	return f;
}

START_TEST(test_super_frame_is_cut_by_the_device)
{
	struct ip_flow f = tcp_flow();
	uint16_t id = 0;
	uint32_t n;

	ck_assert_int_eq(out_super(&f, 14600, 1460), 0);
	ck_assert_uint_eq(l.eth->sent.count, 10);
	for (unsigned i = 0; i < 10; i++) {
		const struct ip4_hdr *h = sent(&n);

		ck_assert_uint_eq(be16_get(h->off), IP4_DF);
		ck_assert(i == 0 || be16_get(h->id) == (uint16_t)(id + 1));
		id = be16_get(h->id);
	}
	out_super(&f, 14600, 1460); /* the range is used up */
	ck_assert((uint16_t)(be16_get(sent(&n)->id) - id) >= 1);
	ck_assert((uint16_t)(be16_get(((const struct ip4_hdr *)bytes)->id) - id) < 100);
}
END_TEST

START_TEST(test_super_frame_too_large_for_fallen_path_is_cut_and_fragmented)
{
	struct ip_flow f = tcp_flow();
	unsigned whole = 0, parts = 0;
	uint32_t n;

	pmtu_learn(l.st, &f.dst, 1000, 1500);
	f.pmtudisc = PMTUDISC_DO;
	ck_assert_int_eq(out_super(&f, 2920, 1460), -EMSGSIZE);
	f.pmtudisc = PMTUDISC_WANT;
	ck_assert_int_eq(out_super(&f, 2920 + 100, 1460), 0);
	while (l.eth->sent.count) {
		uint16_t off = be16_get(sent(&n)->off);

		ck_assert_uint_le(n, 1000);
		ck_assert(!(off & IP4_DF));
		if (off)
			parts++;
		else
			whole++;
	}
	ck_assert_uint_eq(parts, 4); /* two segments in two parts each */
	ck_assert_uint_eq(whole, 1); /* the last fits */
}
END_TEST

/* --- ways ------------------------------------------------------------------------------------- */

START_TEST(test_own_address_comes_back)
{
	struct ip_flow f = flow_to("10.0.0.1");
	struct pkbuf *b;

	ck_assert_int_eq(ip_lab_out(&l, &f, data, 60000), 0);
	b = pkq_take(&l.arrived);
	ck_assert_uint_eq(b->len, 60000);
	ck_assert_uint_eq(b->cast, PKBUF_LOOPED);
	ck_assert_ptr_eq(b->dev, l.lo);
	pkbuf_free(b);
	f.dst = ip_of("127.1.2.3");
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 1), 0);
	ck_assert_uint_eq(l.arrived.count, 1);
	ck_assert_uint_eq(l.eth->sent.count, 0);
}
END_TEST

START_TEST(test_broadcast_leaves_and_is_heard_here)
{
	struct ip_flow f = flow_to("10.0.0.255");
	uint32_t n;

	ck_assert_int_eq(ip_lab_out(&l, &f, data, 10), -EACCES);
	f.broadcast = true;
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 10), 0);
	sent(&n);
	ck_assert_mem_eq(l.to, "\xff\xff\xff\xff\xff\xff", 6);
	ck_assert_uint_eq(l.arrived.count, 1);
}
END_TEST

START_TEST(test_multicast_goes_to_its_link_group_with_ttl_1)
{
	struct ip_flow f = flow_to("239.129.2.3");
	uint32_t n;

	f.ifindex = l.eth->dev->ifindex;
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 10), 0);
	ck_assert_uint_eq(sent(&n)->ttl, 1);
	ck_assert_mem_eq(l.to, "\x01\x00\x5e\x01\x02\x03", 6);
	f.ttl = 5;
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 10), 0);
	ck_assert_uint_eq(sent(&n)->ttl, 5);
	ck_assert_uint_eq(l.arrived.count, 0); /* not a group of ours */
}
END_TEST

START_TEST(test_no_route_is_counted)
{
	struct ip_flow f = flow_to("192.0.2.1");

	ck_assert_int_eq(ip_lab_out(&l, &f, data, 10), -ENETUNREACH);
	ck_assert_uint_eq(mib_read(l.st, MIB_Ip_OutNoRoutes), 1);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_IP_NO_ROUTE), 1);
	f.dst = ip_of("2001:db8::1");
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 10), -EAFNOSUPPORT);
}
END_TEST

START_TEST(test_path_given_is_used)
{
	struct ip_flow f = flow_to("10.0.0.2"), g = flow_to("10.0.0.3");
	struct pkbuf *b = pkbuf_alloc(l.st, PKBUF_TX_HEAD);
	struct batch batch;
	struct path *p;
	uint32_t n;
	int err;

	p = path_get(l.st, &g, &err);
	batch_begin(&batch, l.st);
	ck_assert_int_eq(ip_out(b, &f, p), 0);
	batch_end(&batch);
	path_put(p);
	sent(&n);
	ck_assert_mem_eq(l.to, "\x02\xee\x0a\x00\x00\x03", 6);
}
END_TEST

START_TEST(test_neighbour_silent_sender_is_told_over_lo)
{
	struct ip_flow f = flow_to("10.0.0.77");

	ck_assert_int_eq(ip_lab_out(&l, &f, data, 10), 0);
	ip_lab_advance_ms(&l, 20000);
	ck_assert_uint_eq(pkbuf_drops(l.st, DROP_NEIGH_FAILED), 1);
	ck_assert_uint_eq(mib_read(l.st, MIB_Icmp_InDestUnreachs), 1);
}
END_TEST

/* --- a program's own header ------------------------------------------------------------------- */

START_TEST(test_included_header_is_completed)
{
	struct ip_packet p = {.src = "0.0.0.0", .dst = "10.0.0.2", .n = 50, .ttl = 3, .tos = 4};
	struct ip_flow f = flow_to("10.0.0.2");
	const struct ip4_hdr *h;
	uint32_t n = ip_packet_build(&p, data);

	data[2] = data[3] = data[10] = 0xaa; /* total length and checksum are ours to fill in */
	f.hdrincl = true;
	ck_assert_int_eq(ip_lab_out(&l, &f, data, n), 0);
	h = sent(&n);
	ck_assert_uint_eq(n, 70);
	ck_assert_mem_eq(h->src, "\x0a\x00\x00\x01", 4);
	ck_assert_uint_ne(be16_get(h->id), 0);
	ck_assert_uint_eq(h->ttl, 3);
	ck_assert_uint_eq(h->tos, 4);
	ck_assert_uint_eq(be16_get(h->off), 0);
}
END_TEST

START_TEST(test_included_header_is_kept)
{
	struct ip_packet p = {
	    .src = "192.0.2.7", .dst = "10.0.0.2", .n = 50, .id = 77, .off = IP4_MF | 100};
	struct ip_flow f = flow_to("10.0.0.2");
	const struct ip4_hdr *h;
	uint32_t n = ip_packet_build(&p, data);

	f.hdrincl = true;
	f.src = ip_of("192.0.2.7");
	ck_assert_int_eq(ip_lab_out(&l, &f, data, n), 0);
	h = sent(&n);
	ck_assert_mem_eq(h->src, "\xc0\x00\x02\x07", 4);
	ck_assert_uint_eq(be16_get(h->id), 77);
	ck_assert_uint_eq(be16_get(h->off), IP4_MF | 100);
}
END_TEST

START_TEST(test_included_header_that_is_none_is_refused)
{
	struct ip_packet p = {.src = "10.0.0.1", .dst = "10.0.0.2", .n = 1481};
	struct ip_flow f = flow_to("10.0.0.2");
	uint32_t n = ip_packet_build(&p, data);

	f.hdrincl = true;
	ck_assert_int_eq(ip_lab_out(&l, &f, data, n), -EMSGSIZE);
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 19), -EINVAL);
	data[0] = 0x44;
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 100), -EINVAL);
	data[0] = 0x4f;
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 40), -EINVAL);
	data[0] = 0x65;
	ck_assert_int_eq(ip_lab_out(&l, &f, data, 100), -EINVAL);
	ip_lab_quiet(&l, l.eth);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ip_out");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_header_says_what_the_flow_wants);
	tcase_add_test(tc, test_default_ttl_is_the_stacks);
	tcase_add_test(tc, test_identifications_do_not_repeat);
	tcase_add_test(tc, test_identifications_of_hosts_are_unrelated);
	tcase_add_test(tc, test_options_follow_the_header);
	tcase_add_loop_test(tc, test_pmtudisc_over_device_mtu, 0, 6);
	tcase_add_loop_test(tc, test_pmtudisc_that_fits, 0, 6);
	tcase_add_test(tc, test_pmtudisc_over_learnt_mtu);
	tcase_add_test(tc, test_no_df_where_path_is_below_least);
	tcase_add_test(tc, test_no_pmtu_disc_sends_without_df);
	tcase_add_test(tc, test_larger_than_a_datagram_is_refused);
	tcase_add_test(tc, test_super_frame_is_cut_by_the_device);
	tcase_add_test(tc, test_super_frame_too_large_for_fallen_path_is_cut_and_fragmented);
	tcase_add_test(tc, test_own_address_comes_back);
	tcase_add_test(tc, test_broadcast_leaves_and_is_heard_here);
	tcase_add_test(tc, test_multicast_goes_to_its_link_group_with_ttl_1);
	tcase_add_test(tc, test_no_route_is_counted);
	tcase_add_test(tc, test_path_given_is_used);
	tcase_add_test(tc, test_neighbour_silent_sender_is_told_over_lo);
	tcase_add_test(tc, test_included_header_is_completed);
	tcase_add_test(tc, test_included_header_is_kept);
	tcase_add_test(tc, test_included_header_that_is_none_is_refused);
	return unit_run("ip_out", tc);
}
