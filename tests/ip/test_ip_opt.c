/*
 * tests/ip/test_ip_opt.c - options: which are malformed and where, what a router and an answer fill
 * in.
 */
#include <errno.h>
#include <string.h>

#include "tests/harness/ip_lab.h"
#include "tests/harness/unit.h"

static struct ip_lab l;

static void setup(void)
{
	ip_lab_open(&l);
}

static void teardown(void)
{
	ip_lab_close(&l);
}

#define OPT(...)                                                                                   \
	{                                                                                          \
		{__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})                              \
	}

START_TEST(test_parse_sound)
{
	static const struct {
		uint8_t opt[40];
		unsigned len;
	} cases[] = {
	    OPT(IP4_OPT_END, 0xff, 0xff, 0xff),
	    OPT(IP4_OPT_NOP, IP4_OPT_NOP, IP4_OPT_NOP, IP4_OPT_NOP),
	    OPT(IP4_OPT_RR, 7, 4, 0, 0, 0, 0, 0),
	    OPT(IP4_OPT_RR, 7, 8, 1, 2, 3, 4, 0), /* full */
	    OPT(IP4_OPT_RR, 3, 4, 0),
	    OPT(IP4_OPT_TS, 8, 5, 0, 0, 0, 0, 0),
	    OPT(IP4_OPT_TS, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0),
	    OPT(IP4_OPT_TS, 12, 13, 3, 0, 0, 0, 0, 0, 0, 0, 0),
	    OPT(IP4_OPT_RA, 4, 0, 0),
	    OPT(IP4_OPT_LSRR, 7, 4, 1, 2, 3, 4, IP4_OPT_NOP),
	    OPT(0x9e, 4, 0, 0),
	    OPT(IP4_OPT_NOP, 0x9e, 3, 0),
	};

	ck_assert_int_eq(ip_options_check(cases[_i].opt, cases[_i].len), 0);
}
END_TEST

START_TEST(test_parse_malformed_tells_where)
{
	static const struct {
		uint8_t opt[40];
		unsigned len;
		uint8_t bad;
	} cases[] = {
	    {{IP4_OPT_NOP, IP4_OPT_NOP, IP4_OPT_NOP, IP4_OPT_RR}, 4, 23}, /* no length byte */
	    {{IP4_OPT_RR, 0, 0, 0}, 4, 21},
	    {{IP4_OPT_RR, 1, 0, 0}, 4, 21},
	    {{IP4_OPT_RR, 5, 4, 0}, 4, 21},
	    {{0x9e, 5, 4, 0}, 4, 21},
	    {{IP4_OPT_RR, 2, IP4_OPT_NOP, IP4_OPT_NOP}, 4, 21},
	    {{IP4_OPT_RR, 7, 3, 0, 0, 0, 0, 0}, 8, 22},
	    {{IP4_OPT_RR, 7, 5, 0, 0, 0, 0, 0}, 8, 22}, /* no room for a whole address */
	    {{IP4_OPT_RR, 3, 4, IP4_OPT_RR, 3, 4, 0, 0}, 8, 23},
	    {{IP4_OPT_LSRR, 3, 4, IP4_OPT_SSRR, 3, 4, 0, 0}, 8, 23},
	    {{IP4_OPT_TS, 3, 5, 0}, 4, 21},
	    {{IP4_OPT_TS, 8, 4, 0, 0, 0, 0, 0}, 8, 22},
	    {{IP4_OPT_TS, 8, 6, 0, 0, 0, 0, 0}, 8, 22},
	    {{IP4_OPT_TS, 8, 5, 1, 0, 0, 0, 0}, 8, 22},    /* address and time need 8 */
	    {{IP4_OPT_TS, 8, 5, 2, 0, 0, 0, 0}, 8, 23},    /* no such flag */
	    {{IP4_OPT_TS, 8, 9, 0xf0, 0, 0, 0, 0}, 8, 23}, /* 15 have missed already */
	    {{IP4_OPT_RA, 3, 0, 0}, 4, 21},
	};
	struct ip4_opts o;

	ck_assert(!ip_opts_parse(cases[_i].opt, cases[_i].len, &o));
	ck_assert_uint_eq(o.bad, cases[_i].bad);
	ck_assert_int_eq(ip_options_check(cases[_i].opt, cases[_i].len), -EINVAL);
}
END_TEST

START_TEST(test_check_too_long)
{
	uint8_t opt[44];

	memset(opt, IP4_OPT_NOP, sizeof(opt));
	ck_assert_int_eq(ip_options_check(opt, 40), 0);
	ck_assert_int_eq(ip_options_check(opt, 44), -EINVAL);
}
END_TEST

/* A packet with these options that has come in, its front at l3. */
static struct pkbuf *packet(const uint8_t *opt, unsigned len, struct ip4_opts *o)
{
	struct ip_packet p = {
	    .src = "10.0.0.2", .dst = "10.0.0.1", .n = 8, .opt = opt, .optlen = len};
	struct pkbuf *b = pkbuf_alloc(l.st, PKBUF_RX_HEAD);
	uint8_t bytes[80];

	ck_assert_int_eq(pkbuf_append(b, bytes, ip_packet_build(&p, bytes)), 0);
	b->l3 = b->head;
	ck_assert(ip_opts_parse(opt, len, o));
	return b;
}

static void record(const uint8_t *opt, unsigned len, uint8_t *after)
{
	struct ip_addr own = ip_of("10.0.0.1");
	struct ip4_opts o;
	struct pkbuf *b = packet(opt, len, &o);

	ip_opts_record(b, &o, &own);
	ck_assert(ip_packet_is_sound(b->hdr + b->l3, b->len));
	memcpy(after, b->hdr + b->l3 + 20, len);
	pkbuf_free(b);
}

START_TEST(test_record_route_until_full)
{
	static const uint8_t one[12] = {IP4_OPT_RR, 11, 4};
	static const uint8_t two[12] = {IP4_OPT_RR, 11, 8, 10, 0, 0, 1};
	static const uint8_t full[12] = {IP4_OPT_RR, 11, 12, 10, 0, 0, 1, 10, 0, 0, 1};
	uint8_t after[12];

	record(one, 12, after);
	ck_assert_mem_eq(after, two, 12);
	record(two, 12, after);
	ck_assert_mem_eq(after, full, 12);
	record(full, 12, after);
	ck_assert_mem_eq(after, full, 12);
}
END_TEST

/* ms since the lab's clock began at 1 s, marked non-standard. */
#define STAMP 0x80, 0, 0x03, 0xe8

START_TEST(test_stamps_by_flag)
{
	static const struct {
		uint8_t before[12], after[12];
	} cases[] = {
	    {{IP4_OPT_TS, 12, 5, 0}, {IP4_OPT_TS, 12, 9, 0, STAMP}},
	    {{IP4_OPT_TS, 12, 5, 1}, {IP4_OPT_TS, 12, 13, 1, 10, 0, 0, 1, STAMP}},
	    {{IP4_OPT_TS, 12, 5, 3, 10, 0, 0, 1}, {IP4_OPT_TS, 12, 13, 3, 10, 0, 0, 1, STAMP}},
	    {{IP4_OPT_TS, 12, 5, 3, 10, 0, 0, 9}, {IP4_OPT_TS, 12, 5, 3, 10, 0, 0, 9}},
	    {{IP4_OPT_TS, 12, 13, 0x10}, {IP4_OPT_TS, 12, 13, 0x20}}, /* no room: counted */
	    {{IP4_OPT_TS, 12, 13, 3}, {IP4_OPT_TS, 12, 13, 3}},
	};
	uint8_t after[12];

	record(cases[_i].before, 12, after);
	ck_assert_mem_eq(after, cases[_i].after, 12);
}
END_TEST

START_TEST(test_answer_carries_route_and_time_back)
{
	static const uint8_t opt[24] = {IP4_OPT_RR, 7,  4, 0, 0,    0, 0, IP4_OPT_NOP,
					IP4_OPT_TS, 12, 5, 1, 0,    0, 0, 0,
					0,          0,  0, 0, 0x9e, 4};
	static const uint8_t want[20] = {IP4_OPT_RR, 7, 4, 0, 0, 0, 0, IP4_OPT_TS, 12, 5, 1};
	uint8_t out[IP_OPTIONS_MAX];
	struct ip4_opts o;
	struct pkbuf *b = packet(opt, sizeof(opt), &o);

	ck_assert_uint_eq(ip_opts_answer(b, out), 20);
	ck_assert_mem_eq(out, want, 20);
	ck_assert_int_eq(ip_options_check(out, 20), 0);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_answer_without_them_has_none)
{
	static const uint8_t opt[4] = {IP4_OPT_RA, 4};
	uint8_t out[IP_OPTIONS_MAX];
	struct ip4_opts o;
	struct pkbuf *b = packet(opt, sizeof(opt), &o);

	ck_assert_uint_eq(ip_opts_answer(b, out), 0);
	pkbuf_free(b);
}
END_TEST

START_TEST(test_source_route_names_the_next_hop)
{
	static const uint8_t opt[12] = {IP4_OPT_LSRR, 11, 4, 192, 0, 2, 1, 192, 0, 2, 9};
	static const uint8_t want[12] = {IP4_OPT_LSRR, 11, 8, 10, 0, 0, 1, 192, 0, 2, 9};
	struct ip_addr own = ip_of("10.0.0.1"), next = ip_of("192.0.2.1");
	struct ip4_opts o;
	struct pkbuf *b = packet(opt, sizeof(opt), &o);

	ck_assert(ip_opts_next_hop(b, &o, &own));
	ck_assert(ip_addr_eq(&b->dst, &next));
	ck_assert_mem_eq(b->hdr + b->l3 + 20, want, 12);
	ck_assert(ip_packet_is_sound(b->hdr + b->l3, b->len));
	ck_assert(ip_opts_next_hop(b, &o, &own));
	ck_assert(!ip_opts_next_hop(b, &o, &own)); /* its end */
	pkbuf_free(b);
}
END_TEST

/* What a program wrote into a header of its own is cut too: lengths that lie end it, and spoil nothing behind. */
START_TEST(test_not_copied_stops_at_a_bad_length)
{
	static const uint8_t cases[][5] = {
	    {IP4_OPT_NOP, IP4_OPT_RR, 0, 9, 9},
	    {IP4_OPT_NOP, IP4_OPT_RR, 1, 9, 9},
	    {IP4_OPT_NOP, IP4_OPT_RR, 4, 9, 9},
	    {IP4_OPT_NOP, IP4_OPT_NOP, IP4_OPT_NOP, IP4_OPT_RR, 200},
	};
	uint8_t opt[5 + 255];

	memset(opt, 9, sizeof(opt));
	memcpy(opt, cases[_i], sizeof(cases[_i]));
	ip_opts_not_copied(opt, 4);
	ck_assert_mem_eq(opt, cases[_i], sizeof(cases[_i]));
	for (unsigned i = 5; i < sizeof(opt); i++)
		ck_assert_uint_eq(opt[i], 9);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ip_opt");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_parse_sound, 0, 12);
	tcase_add_loop_test(tc, test_parse_malformed_tells_where, 0, 17);
	tcase_add_test(tc, test_check_too_long);
	tcase_add_test(tc, test_record_route_until_full);
	tcase_add_loop_test(tc, test_stamps_by_flag, 0, 6);
	tcase_add_test(tc, test_answer_carries_route_and_time_back);
	tcase_add_test(tc, test_answer_without_them_has_none);
	tcase_add_test(tc, test_source_route_names_the_next_hop);
	tcase_add_loop_test(tc, test_not_copied_stops_at_a_bad_length, 0, 4);
	return unit_run("ip_opt", tc);
}
