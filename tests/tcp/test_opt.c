/*
 * tests/tcp/test_opt.c - options: how they are parsed (RFC 9293, 3.2), what SYN and SYN-ACK offer, and
 * that what was not agreed on is not used (RFC 7323, RFC 2018).
 */
#include <linux/tcp.h>
#include <netinet/in.h>

#include "tests/harness/tcp_lab.h"

/* --- what we send -------------------------------------------------------------------------------
 */

START_TEST(test_syn_has_every_option)
{
	struct seg s;

	tcp_lab_connect();
	s = tx(SYN, .seq = 0, .mss = 1460, .opts = O_ALL);
	ck_assert_uint_eq(s.tsecr, 0);
	ck_assert_uint_le(s.ws, 14);
	ck_assert_int_gt(s.wnd, 1460 * 4);
}
END_TEST

static const struct offer {
	const char *sysctl;
	unsigned without;
} offer[] = {
    {"net.ipv4.tcp_timestamps", O_TS},
    {"net.ipv4.tcp_window_scaling", O_WS},
    {"net.ipv4.tcp_sack", O_SACK_OK},
};

START_TEST(test_syn_without_what_is_off)
{
	tcp_lab_sysctl(offer[_i].sysctl, 0);
	tcp_lab_connect();
	tx(SYN, .seq = 0, .mss = 1460, .opts = O_ALL & ~offer[_i].without);
}
END_TEST

START_TEST(test_synack_without_what_is_off)
{
	tcp_lab_sysctl(offer[_i].sysctl, 0);
	tcp_lab_listen(5);
	rx(SYN, .seq = 0, .opts = O_ALL, .mss = 1460, .ws = 3);
	tx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460, .opts = O_ALL & ~offer[_i].without);
}
END_TEST

/* Bits of _i are what the peer's SYN offers. */
START_TEST(test_synack_answers_what_was_offered)
{
	struct seg s;

	tcp_lab_listen(5);
	rx(SYN, .seq = 0, .opts = (unsigned)_i, .mss = _i & O_MSS ? 1400 : 0, .ws = 2,
	   .tsval = 777);
	s = tx(SYN | ACK, .seq = 0, .ack = 1, .opts = (unsigned)_i | O_MSS);
	ck_assert_uint_eq(s.mss, 1460);
	ck_assert_uint_eq(s.tsecr, _i & O_TS ? 777 : 0);
}
END_TEST

START_TEST(test_established_uses_what_synack_agreed)
{
	struct tcp_view v;

	tcp_lab_connect();
	tx(SYN, .seq = 0);
	rx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460, .wnd = 1000, .opts = (unsigned)_i, .ws = 3);
	tx(ACK, .seq = 1, .ack = 1); /* with timestamps or not: the lab looks */
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_eq(v.snd_wnd, 1000); /* of a SYN: never scaled, RFC 7323, 2.2 */
	ck_assert_uint_eq(v.snd_wscale, _i & O_WS ? 3 : 0);
	if (!(_i & O_WS))
		ck_assert_uint_eq(v.rcv_wscale, 0);
	ck_assert_uint_eq(v.mss, _i & O_TS ? 1448 : 1460);
	rx(ACK, .seq = 1, .ack = 1, .wnd = 900);
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_eq(v.snd_wnd, _i & O_WS ? 900 << 3 : 900);
}
END_TEST

START_TEST(test_window_of_syn_never_scaled)
{
	struct seg syn = {.flags = SYN, .mss = 1460, .opts = O_WS, .ws = 7, .wnd = 2000};
	struct seg s;
	struct tcp_view v;

	tcp_lab_listen(5);
	tcp_lab_rx(&syn);
	s = tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1, .wnd = 20);
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_eq(v.snd_wnd, 20 << 7);
	rx(ACK, .seq = 1, .ack = 1, .len = 1, .wnd = 20);
	tcp_lab_accept();
	wait_ms(3);
	ck_assert_int_eq(s.wnd, 65535); /* the field is full, whatever the scale */
	s = tx(ACK, .seq = 1, .ack = 2);
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_eq((uint32_t)s.wnd << v.rcv_wscale, v.rcv_wnd);
}
END_TEST

START_TEST(test_ws_over_14_is_14)
{
	struct tcp_view v;

	tcp_lab_established(&(struct seg){.mss = 1460, .opts = O_WS, .ws = (uint8_t)_i});
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_eq(v.snd_wscale, _i < 14 ? _i : 14);
}
END_TEST

/* --- MSS ----------------------------------------------------------------------------------------
 */

static const struct mss_case {
	const char *name;
	unsigned opts;
	uint16_t mss;
	uint32_t want;
} mss_case[] = {
    {"none: 536", 0, 0, 536},         {"of 1460", O_MSS, 1460, 1460},
    {"of 1000", O_MSS, 1000, 1000},   {"of 9000, over our MTU", O_MSS, 9000, 1460},
    {"of 65535", O_MSS, 65535, 1460}, {"with timestamps", O_MSS | O_TS, 1460, 1448},
    {"of 100", O_MSS, 100, 100},      {"none, with timestamps", O_TS, 0, 524},
};

START_TEST(test_mss_option_bounds_segments)
{
	const struct mss_case *c = &mss_case[_i];

	tcp_lab_established(&(struct seg){.mss = c->mss, .opts = c->opts});
	tcp_lab_write(3 * c->want);
	tx(ACK, .seq = 1, .ack = 1, .len = c->want);
	tx(ACK, .seq = 1 + c->want, .ack = 1, .len = c->want);
	tx(ACK, .seq = 1 + 2 * c->want, .ack = 1, .len = c->want);
	quiet();
}
END_TEST

/* RFC 9293, 3.7.1: IP options come off what the peer's option and the path allow. */
START_TEST(test_ip_options_come_off_both)
{
	static const uint8_t nops[8] = {1, 1, 1, 1, 1, 1, 1, 1};
	uint32_t mss = _i ? 1000 : 1460;

	tcp_lab_established(&(struct seg){.mss = (uint16_t)mss});
	ck_assert_int_eq(weft_setsockopt(tl.fd, IPPROTO_IP, IP_OPTIONS, nops, 8), 0);
	tcp_lab_write(3000);
	ck_assert_uint_ge(tl.nsent, 2);
	ck_assert_uint_eq(tl.head->bytes[0], 0x47);
	ck_assert_uint_eq(tl.head->len, mss + 40);
	tcp_lab_drop();
}
END_TEST

/* What the program sets while data flow holds from the next segment on. */
START_TEST(test_mss_set_later_holds)
{
	static const uint8_t nops[8] = {1, 1, 1, 1, 1, 1, 1, 1};

	tcp_lab_established(&(struct seg){.mss = 1460});
	tcp_lab_write(1460);
	tx(ACK, .seq = 1, .ack = 1, .len = 1460);
	rx(ACK, .seq = 1, .ack = 1461);
	tcp_lab_setopt(tl.fd, IPPROTO_TCP, TCP_MAXSEG, 1000);
	tcp_lab_write(1000);
	tx(ACK, .seq = 1461, .ack = 1, .len = 1000);
	rx(ACK, .seq = 1, .ack = 2461);
	ck_assert_int_eq(weft_setsockopt(tl.fd, IPPROTO_IP, IP_OPTIONS, nops, 8), 0);
	tcp_lab_write(1500);
	ck_assert_uint_ge(tl.nsent, 2);
	ck_assert_uint_eq(tl.head->bytes[0], 0x47);
	ck_assert_uint_eq(tl.head->len, 1000 + 40);
	tcp_lab_drop();
}
END_TEST

/* RFC 9293, 3.7.1: an MSS too small to be real is not believed. */
START_TEST(test_mss_option_tiny_is_raised)
{
	struct tcp_view v;

	tcp_lab_established(&(struct seg){.mss = (uint16_t)_i, .opts = O_MSS});
	ck_assert(tcp_lab_view(&v));
	ck_assert_uint_ge(v.mss, 36);
	ck_assert_uint_le(v.mss, 536);
	tcp_lab_write(10);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
}
END_TEST

/* --- parsing ------------------------------------------------------------------------------------
 */

static const struct parse_case {
	const char *name;
	uint8_t raw[40];
	unsigned n;
	unsigned opts; /* of the SYN-ACK */
	uint32_t mss;  /* used */
} parse_case[] = {
    {"nothing", {0}, 0, O_MSS, 536},
    {"end alone", {0, 0, 0, 0}, 4, O_MSS, 536},
    {"NOPs and MSS", {1, 1, 2, 4, 4, 0, 1, 1}, 8, O_MSS, 1024},
    {"MSS after the end", {0, 2, 4, 4, 0, 0, 0, 0}, 8, O_MSS, 536},
    {"unknown kind, then MSS", {77, 6, 9, 9, 9, 9, 2, 4, 4, 0}, 10, O_MSS, 1024},
    {"unknown of length 2, MSS", {78, 2, 2, 4, 4, 0}, 6, O_MSS, 1024},
    {"unknown of length 0, MSS", {77, 0, 2, 4, 4, 0}, 6, O_MSS, 536},
    {"unknown of length 1, MSS", {77, 1, 2, 4, 4, 0}, 6, O_MSS, 536},
    {"unknown over the end", {77, 200, 2, 4, 4, 0}, 6, O_MSS, 536},
    {"kind without a length", {1, 1, 1, 2}, 4, O_MSS, 536},
    {"MSS of length 0", {2, 0, 4, 0}, 4, O_MSS, 536},
    {"MSS of length 3", {2, 3, 4, 1}, 4, O_MSS, 536},
    {"MSS of length 5", {2, 5, 4, 0, 0, 1, 1, 1}, 8, O_MSS, 536},
    {"MSS cut", {1, 1, 2, 4}, 4, O_MSS, 536},
    {"scale of length 2", {3, 2, 1, 1}, 4, O_MSS, 536},
    {"scale of length 4", {3, 4, 1, 1}, 4, O_MSS, 536},
    {"scale", {3, 3, 1, 1}, 4, O_MSS | O_WS, 536},
    {"scale cut", {1, 1, 3, 3}, 4, O_MSS, 536},
    {"SACK permitted", {4, 2, 1, 1}, 4, O_MSS | O_SACK_OK, 536},
    {"SACK permitted of length 3", {4, 3, 1, 1}, 4, O_MSS, 536},
    {"SACK permitted of length 1", {4, 1, 1, 1}, 4, O_MSS, 536},
    {"timestamps", {1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0}, 12, O_MSS | O_TS, 524},
    {"timestamps of length 9", {1, 1, 8, 9, 0, 0, 0, 9, 0, 0, 0, 1}, 12, O_MSS, 536},
    {"timestamps of length 11", {1, 8, 11, 0, 0, 0, 9, 0, 0, 0, 0, 0}, 12, O_MSS, 536},
    {"timestamps cut", {1, 1, 8, 10, 0, 0, 0, 9}, 8, O_MSS, 536},
    {"a SACK option in a SYN", {5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1}, 12, O_MSS, 536},
    {"a SACK option of length 3", {5, 3, 1, 1, 2, 4, 4, 0}, 8, O_MSS, 1024},
    {"40 NOPs",
     {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
      1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
     40,
     O_MSS,
     536},
    {"all, unaligned",
     {8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 4, 2, 3, 3, 2, 2, 4, 4, 0, 0},
     20,
     O_ALL,
     1012},
};
#define PARSE_CASES (int)(sizeof(parse_case) / sizeof(parse_case[0]))

START_TEST(test_syn_options_parsed)
{
	const struct parse_case *c = &parse_case[_i];
	struct tcp_view v;

	tcp_lab_listen(5);
	rx(SYN, .seq = 0, .raw = c->raw, .nraw = c->n);
	tl.peer.ts_rx = c->opts & O_TS; /* the lab does not read raw bytes */
	ck_assert_msg(tl.nsent == 1, "%s: no answer", c->name);
	tx(SYN | ACK, .seq = 0, .ack = 1, .opts = c->opts);
	rx(ACK, .seq = 1, .ack = 1);
	ck_assert(tcp_lab_view(&v));
	ck_assert_msg(v.mss == c->mss, "%s: %u", c->name, v.mss);
}
END_TEST

/* The same bytes on data: none of them may matter or harm. */
START_TEST(test_data_options_harmless)
{
	const struct parse_case *c = &parse_case[_i];
	struct tcp_view v;

	tcp_lab_established(&(struct seg){.mss = 1460});
	rx(ACK, .seq = 1, .ack = 1, .len = 10, .raw = c->raw, .nraw = c->n);
	tx(ACK, .seq = 1, .ack = 11);
	ck_assert(tcp_lab_view(&v));
	ck_assert_msg(v.mss == 1460 && v.snd_wscale == 0, "%s", c->name);
	tcp_lab_read(10);
}
END_TEST

START_TEST(test_not_agreed_timestamps_ignored)
{
	tcp_lab_established(&(struct seg){.mss = 1460});
	rx(ACK, .seq = 1, .ack = 1, .len = 10, .opts = O_TS, .tsval = 1000, .tsecr = 1);
	tx(ACK, .seq = 1, .ack = 11, .opts = O_NONE);
	rx(ACK, .seq = 11, .ack = 1, .len = 10, .opts = O_TS, .tsval = 5, .tsecr = 1);
	tx(ACK, .seq = 1, .ack = 21, .opts = O_NONE);
	tcp_lab_read(20);
}
END_TEST

/* The lab looks at what it takes: a length in each option, zeros behind the last, no MSS but in a SYN. */
START_TEST(test_every_kind_of_segment_has_sound_options)
{
	tcp_lab_listen(5);
	rx(SYN, .seq = 0, .mss = 1460, .opts = O_ALL, .tsval = 5);
	tx(SYN | ACK, .seq = 0, .ack = 1, .opts = O_ALL);
	rx(ACK, .seq = 1, .ack = 1);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	tcp_lab_write(10);
	tx(ACK | PSH, .seq = 1, .ack = 1, .len = 10, .opts = O_TS);
	rx(ACK, .seq = 11, .ack = 11, .len = 10);
	tx(ACK, .seq = 11, .ack = 1, .opts = O_TS, .nsack = 1, .sack = {{11, 21}});
	ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_WR), 0);
	tx(FIN | ACK, .seq = 11, .ack = 1, .opts = O_TS, .nsack = 1, .sack = {{11, 21}});
	weft_close(tl.fd);
	rx(ACK, .seq = 1, .ack = 12, .len = 10);
	tx(RST, .seq = 12, .opts = O_NONE);
	rx(ACK, .seq = 1, .ack = 12);
	tx(RST, .seq = 12, .opts = O_NONE);
}
END_TEST

START_TEST(test_maxseg_of_the_program_sent)
{
	tl.fd = -1;
	tcp_lab_listen(5);
	tcp_lab_setopt(tl.ls, IPPROTO_TCP, TCP_MAXSEG, 1000);
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1, .mss = 1000);
	rx(ACK, .seq = 1, .ack = 1);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	tcp_lab_write(1500);
	tx(ACK, .seq = 1, .ack = 1, .len = 1000);
	tx(ACK, .seq = 1001, .ack = 1, .len = 500);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("opt");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_test(tc, test_syn_has_every_option);
	tcase_add_loop_test(tc, test_syn_without_what_is_off, 0, 3);
	tcase_add_loop_test(tc, test_synack_without_what_is_off, 0, 3);
	tcase_add_loop_test(tc, test_synack_answers_what_was_offered, 0, 16);
	tcase_add_loop_test(tc, test_established_uses_what_synack_agreed, 0, 16);
	tcase_add_test(tc, test_window_of_syn_never_scaled);
	tcase_add_loop_test(tc, test_ws_over_14_is_14, 13, 17);
	tcase_add_loop_test(tc, test_mss_option_bounds_segments, 0, 8);
	tcase_add_loop_test(tc, test_ip_options_come_off_both, 0, 2);
	tcase_add_test(tc, test_mss_set_later_holds);
	tcase_add_loop_test(tc, test_mss_option_tiny_is_raised, 0, 3);
	tcase_add_test(tc, test_every_kind_of_segment_has_sound_options);
	tcase_add_loop_test(tc, test_syn_options_parsed, 0, PARSE_CASES);
	tcase_add_loop_test(tc, test_data_options_harmless, 0, PARSE_CASES);
	tcase_add_test(tc, test_not_agreed_timestamps_ignored);
	tcase_add_test(tc, test_maxseg_of_the_program_sent);
	return unit_run("tcp_opt", tc);
}
