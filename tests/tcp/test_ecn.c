/*
 * tests/tcp/test_ecn.c - ECN by RFC 3168, 6.1: who asks and who answers, which segments are marked as
 * capable, the echo of a mark until CWR comes, and the window that falls once for it.
 */
#include <linux/tcp.h>
#include <netinet/in.h>

#include "lib/wire/ip4.h"
#include "tests/harness/tcp_lab.h"

#define MSS 1000u

static void ask(int how)
{
	tcp_lab_sysctl("net.ipv4.tcp_ecn", how);
}

static void get_info(struct tcp_info *i)
{
	socklen_t n = sizeof(*i);

	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_INFO, i, &n), 0);
}

/* ESTABLISHED by a SYN that asks; ECN is agreed on. */
static void open_ecn(void)
{
	tcp_lab_established(&(struct seg){.flags = ECE | CWR, .mss = MSS, .opts = O_SACK_OK});
}

/* The field of the next segment sent, which must be this. */
#define tx_field(f, ...) (tx(f, __VA_ARGS__).tos & IP_ECN)

/* --- the handshake ------------------------------------------------------------------------------ */

static const struct {
	int sysctl;
	unsigned syn; /* flags beside SYN */
	bool ae;
	uint8_t tos;
	unsigned answer; /* flags beside SYN and ACK */
} asked[] = {
    {2, ECE | CWR, false, 0, ECE},
    {1, ECE | CWR, false, 0, ECE},
    {0, ECE | CWR, false, 0, 0},
    {2, 0, false, 0, 0},
    {2, ECE, false, 0, 0},
    {2, CWR, false, 0, 0},
    {2, ECE | CWR, false, IP_ECN_ECT0, 0},  /* a path that writes the field */
    {2, ECE | CWR, true, 0, ECE},           /* AccECN is answered as by a server of RFC 3168 */
    {2, ECE | CWR, true, IP_ECN_ECT1, ECE}, /* and may be marked */
};

START_TEST(test_syn_answered)
{
	struct tcp_info i;

	ask(asked[_i].sysctl);
	tcp_lab_listen(1);
	rx(SYN | asked[_i].syn, .seq = 0, .mss = MSS, .ae = asked[_i].ae, .tos = asked[_i].tos);
	ck_assert_uint_eq(tx_field(SYN | ACK | asked[_i].answer, .seq = 0, .ack = 1), 0);
	rx(ACK, .seq = 1, .ack = 1);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	get_info(&i);
	ck_assert_int_eq(!!(i.tcpi_options & TCPI_OPT_ECN), asked[_i].answer != 0);
	quiet();
}
END_TEST

static const struct {
	int sysctl;
	unsigned syn, synack;
	bool agreed;
} asks[] = {
    {1, ECE | CWR, ECE, true},
    {1, ECE | CWR, 0, false},
    {1, ECE | CWR, ECE | CWR, false}, /* who sends all flags back is broken */
    {2, 0, ECE, false},
    {0, 0, ECE, false},
};

START_TEST(test_syn_asks)
{
	struct tcp_info i;

	ask(asks[_i].sysctl);
	tcp_lab_connect();
	ck_assert_uint_eq(tx_field(SYN | asks[_i].syn, .seq = 0), 0);
	rx(SYN | ACK | asks[_i].synack, .seq = 0, .ack = 1, .mss = MSS);
	ck_assert_uint_eq(tx_field(ACK, .seq = 1, .ack = 1), 0);
	get_info(&i);
	ck_assert_int_eq(!!(i.tcpi_options & TCPI_OPT_ECN), asks[_i].agreed);
	tcp_lab_write(100);
	ck_assert_uint_eq(tx_field(ACK, .seq = 1, .ack = 1, .len = 100),
			  asks[_i].agreed ? IP_ECN_ECT0 : 0);
}
END_TEST

/* 6.1.1.1 */
START_TEST(test_syn_sent_again_does_not_ask)
{
	ask(1);
	tcp_lab_connect();
	tx(SYN | ECE | CWR, .seq = 0);
	wait_ms(1100);
	tx(SYN, .seq = 0);
	rx(SYN | ACK | ECE, .seq = 0, .ack = 1, .mss = MSS); /* of the first */
	tx(ACK, .seq = 1, .ack = 1);
	tcp_lab_write(100);
	ck_assert_uint_eq(tx_field(ACK, .seq = 1, .ack = 1, .len = 100), IP_ECN_ECT0);
}
END_TEST

START_TEST(test_syn_sent_again_asks_without_fallback)
{
	ask(1);
	tcp_lab_sysctl("net.ipv4.tcp_ecn_fallback", 0);
	tcp_lab_connect();
	tx(SYN | ECE | CWR, .seq = 0);
	wait_ms(1100);
	tx(SYN | ECE | CWR, .seq = 0);
}
END_TEST

START_TEST(test_simultaneous_open)
{
	ask(1);
	tcp_lab_connect();
	tx(SYN | ECE | CWR, .seq = 0);
	rx(SYN | ECE | CWR, .seq = 0, .mss = MSS);
	tx(SYN | ACK | ECE, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1);
	tcp_lab_write(100);
	ck_assert_uint_eq(tx_field(ACK, .seq = 1, .ack = 1, .len = 100), IP_ECN_ECT0);
}
END_TEST

/* --- which segments are marked as capable ------------------------------------------------------- */

/* 6.1.4, 6.1.5: data are, once; ACKs, FINs alone and what is sent again are not. */
START_TEST(test_only_new_text_is_capable)
{
	open_ecn();
	tcp_lab_write(100);
	ck_assert_uint_eq(tx_field(ACK, .seq = 1, .ack = 1, .len = 100), IP_ECN_ECT0);
	wait_ms(2000);
	ck_assert_uint_eq(tx_field(ACK, .seq = 1, .ack = 1, .len = 100), 0);
	rx(ACK, .seq = 1, .ack = 101, .len = 10);
	ck_assert_uint_eq(tx_field(ACK, .seq = 101, .ack = 11), 0);
	weft_shutdown(tl.fd, SHUT_WR);
	ck_assert_uint_eq(tx_field(FIN | ACK, .seq = 101, .ack = 11), 0);
}
END_TEST

/* 6.1.6 */
START_TEST(test_window_probe_is_not_capable)
{
	open_ecn();
	rx(ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
	tcp_lab_write(100);
	wait_ms(2000);
	ck_assert_uint_eq(tx_field(ACK, .seq = 0, .ack = 1), 0);
}
END_TEST

/* The program's own bits of the octet stay, the field is ours. */
START_TEST(test_tos_of_the_program_stays)
{
	int tos = 0x2b;

	open_ecn();
	ck_assert_int_eq(weft_setsockopt(tl.fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)), 0);
	tcp_lab_write(100);
	ck_assert_uint_eq(tx(ACK, .seq = 1, .ack = 1, .len = 100).tos, 0x28 | IP_ECN_ECT0);
	rx(ACK, .seq = 1, .ack = 101, .len = 10);
	ck_assert_uint_eq(tx(ACK, .seq = 101, .ack = 11).tos, 0x28);
}
END_TEST

/* --- the receiver ------------------------------------------------------------------------------- */

/* 6.1.3: every ACK says it until CWR comes; the mark beside CWR is a new one. */
START_TEST(test_mark_is_echoed_until_cwr)
{
	struct tcp_info i;

	open_ecn();
	rx(ACK, .seq = 1, .ack = 1, .len = 100, .tos = IP_ECN_ECT0);
	tx(ACK, .seq = 1, .ack = 101);
	rx(ACK, .seq = 101, .ack = 1, .len = 100, .tos = IP_ECN_CE);
	tx(ACK | ECE, .seq = 1, .ack = 201);
	rx(ACK, .seq = 201, .ack = 1, .len = 100, .tos = IP_ECN_ECT0);
	tx(ACK | ECE, .seq = 1, .ack = 301);
	tcp_lab_write(50); /* data say it too */
	tx(ACK | ECE, .seq = 1, .ack = 301, .len = 50);
	rx(ACK | CWR, .seq = 301, .ack = 51, .len = 100, .tos = IP_ECN_ECT0);
	tx(ACK, .seq = 51, .ack = 401);
	rx(ACK | CWR, .seq = 401, .ack = 51, .len = 100, .tos = IP_ECN_CE);
	tx(ACK | ECE, .seq = 51, .ack = 501);
	get_info(&i);
	ck_assert(i.tcpi_options & TCPI_OPT_ECN_SEEN);
	ck_assert_uint_eq(mib_read(tl.st, MIB_IpExt_InCEPkts), 2);
	ck_assert_uint_eq(mib_read(tl.st, MIB_IpExt_InECT0Pkts), 3);
}
END_TEST

START_TEST(test_mark_of_data_out_of_order_is_echoed)
{
	open_ecn();
	rx(ACK, .seq = 1001, .ack = 1, .len = 1000, .tos = IP_ECN_CE);
	tx(ACK | ECE, .seq = 1, .ack = 1, .nsack = 1, .sack = {{1001, 2001}});
}
END_TEST

START_TEST(test_mark_without_ecn_says_nothing)
{
	tcp_lab_established(&(struct seg){.mss = MSS});
	rx(ACK, .seq = 1, .ack = 1, .len = 100, .tos = IP_ECN_CE);
	tx(ACK, .seq = 1, .ack = 101);
}
END_TEST

START_TEST(test_rst_echoes_nothing)
{
	open_ecn();
	rx(ACK, .seq = 1, .ack = 1, .len = 100, .tos = IP_ECN_CE);
	tcp_lab_drop();
	weft_close(tl.fd);
	tl.fd = -1;
	tx(RST | ACK, .seq = 1, .ack = 101);
}
END_TEST

/* --- the sender --------------------------------------------------------------------------------- */

/* 6.1.2: once a window of data, by half or what the algorithm says; the next new segment has CWR. */
START_TEST(test_echo_lowers_the_window_once)
{
	struct tcp_info before, after;
	struct seg s;
	unsigned cwr = 0, new_data = 0;

	open_ecn();
	tcp_lab_write(100 * MSS);
	tcp_lab_drop();
	get_info(&before);
	for (uint32_t i = 1; i <= 10; i++)
		rx(ACK | ECE, .seq = 1, .ack = 1 + i * MSS);
	while (tcp_lab_take(&s)) {
		new_data++;
		ck_assert_uint_eq(s.tos & IP_ECN, IP_ECN_ECT0);
		cwr += !!(s.flags & CWR);
		ck_assert_int_eq(!!(s.flags & CWR), new_data == 1);
	}
	ck_assert_uint_eq(cwr, 1);
	get_info(&after);
	ck_assert_uint_eq(before.tcpi_snd_cwnd, 10);
	ck_assert_uint_eq(after.tcpi_snd_ssthresh, 7); /* CUBIC */
	ck_assert_uint_le(after.tcpi_snd_cwnd, 8);
	ck_assert_uint_eq(after.tcpi_delivered_ce, 10);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPDeliveredCE), 10);
	ck_assert_uint_eq(after.tcpi_total_retrans, 0);
}
END_TEST

START_TEST(test_echo_without_ecn_says_nothing)
{
	struct tcp_info i;

	tcp_lab_established(&(struct seg){.mss = MSS});
	tcp_lab_write(20 * MSS);
	tcp_lab_drop();
	rx(ACK | ECE, .seq = 1, .ack = 1 + MSS);
	get_info(&i);
	ck_assert_uint_ge(i.tcpi_snd_cwnd, 10);
	ck_assert_uint_eq(i.tcpi_delivered_ce, 0);
}
END_TEST

/* --- beside loss recovery ------------------------------------------------------------------------- */

/* A round trip of 100 ms, and `n` segments are out. */
static void open_far(unsigned opts, unsigned n)
{
	tcp_lab_listen(5);
	rx(SYN | ECE | CWR, .seq = 0, .mss = MSS + (opts & O_TS ? 12 : 0), .wnd = 65000,
	   .opts = opts);
	tx(SYN | ACK | ECE, .seq = 0, .ack = 1);
	advance_ms(100);
	rx(ACK, .seq = 1, .ack = 1, .wnd = 65000);
	tcp_lab_accept();
	tcp_lab_write(n * MSS);
	ck_assert_uint_eq(tcp_lab_drop(), n);
	advance_ms(100);
}

/* The peer has all before `upto`, and from..behind. */
static void sack_field(unsigned flags, unsigned upto, unsigned from, unsigned behind)
{
	rx(ACK | flags, .seq = 1, .ack = 1 + upto * MSS, .wnd = 65000, .nsack = 1,
	   .sack = {{1 + from * MSS, 1 + behind * MSS}});
}

/*
 * RFC 8985, 7.1: a loss that the probe has told of is repaired, and cwnd fell for it; what comes behind
 * the probe does not lower it again.
 */
START_TEST(test_loss_told_by_probe_in_cwr_lowers_once)
{
	struct tcp_info i;

	open_far(O_SACK_OK, 6);
	rx(ACK | ECE, .seq = 1, .ack = 1 + MSS, .wnd = 65000);
	wait_ms(300);
	tx(ACK, .seq = 1 + 5 * MSS, .ack = 1, .len = MSS);
	advance_ms(100);
	sack_field(0, 1, 5, 6);
	get_info(&i);
	ck_assert_uint_eq(i.tcpi_ca_state, 3); /* RECOVERY */
	ck_assert_uint_eq(i.tcpi_snd_ssthresh, 7);
	tcp_lab_write(6 * MSS);
	for (unsigned n = 2; n <= 12; n++) {
		advance_ms(10);
		rx(ACK, .seq = 1, .ack = 1 + n * MSS, .wnd = 65000);
	}
	tcp_lab_drop();
	get_info(&i);
	ck_assert_uint_eq(i.tcpi_snd_ssthresh, 7);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPLossProbeRecovery), 0);
}
END_TEST

/* RFC 4015, 3.2: the loss was none, but the mark was one: the windows stay lowered. */
START_TEST(test_echo_forbids_undo)
{
	struct tcp_info i;
	uint32_t first;

	open_far(O_SACK_OK | O_TS, 10);
	first = tl.peer.ts_last;
	sack_field(_i ? ECE : 0, 0, 1, 4);
	tx(ACK, .seq = 1, .ack = 1, .len = MSS);
	tcp_lab_drop();
	rx(ACK, .seq = 1, .ack = 1 + 10 * MSS, .wnd = 65000, .tsecr = first);
	get_info(&i);
	ck_assert_uint_eq(i.tcpi_ca_state, 0);
	ck_assert_uint_eq(i.tcpi_snd_cwnd, _i ? 7 : 10);
}
END_TEST

/* 6.1.3: the field of what lies outside the window is ignored. */
START_TEST(test_mark_outside_the_window_is_not_echoed)
{
	struct seg s;

	open_ecn();
	rx(ACK, .seq = 1, .ack = 1, .len = 1000, .tos = IP_ECN_ECT0);
	tcp_lab_drop();
	rx(ACK, .seq = 1, .ack = 1, .len = 1000, .tos = IP_ECN_CE);
	rx(ACK, .seq = 900001, .ack = 1, .len = 1000, .tos = IP_ECN_CE);
	while (tcp_lab_take(&s))
		ck_assert_uint_eq(s.flags & ECE, 0);
	tcp_lab_read(1000);
}
END_TEST

/* A loss lowers the window as well, and the peer is told by CWR on new text alone. */
START_TEST(test_cwr_after_a_loss)
{
	struct seg s;

	open_ecn();
	tcp_lab_write(30 * MSS);
	tcp_lab_drop();
	rx(ACK, .seq = 1, .ack = 1, .nsack = 1, .sack = {{1 + MSS, 1 + 6 * MSS}});
	rx(ACK, .seq = 1, .ack = 1 + 9 * MSS);
	ck_assert(tcp_lab_take(&s));
	ck_assert_uint_eq(s.seq, 1); /* sent again */
	ck_assert_uint_eq(s.flags & CWR, 0);
	ck_assert_uint_eq(s.tos & IP_ECN, 0);
	ck_assert(tcp_lab_take(&s));
	ck_assert_uint_gt(s.seq, 9 * MSS);
	ck_assert_uint_eq(s.flags & CWR, CWR);
	ck_assert_uint_eq(s.tos & IP_ECN, IP_ECN_ECT0);
	tcp_lab_drop();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ecn");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_loop_test(tc, test_syn_answered, 0, sizeof(asked) / sizeof(asked[0]));
	tcase_add_loop_test(tc, test_syn_asks, 0, sizeof(asks) / sizeof(asks[0]));
	tcase_add_test(tc, test_syn_sent_again_does_not_ask);
	tcase_add_test(tc, test_syn_sent_again_asks_without_fallback);
	tcase_add_test(tc, test_simultaneous_open);
	tcase_add_test(tc, test_only_new_text_is_capable);
	tcase_add_test(tc, test_window_probe_is_not_capable);
	tcase_add_test(tc, test_tos_of_the_program_stays);
	tcase_add_test(tc, test_mark_is_echoed_until_cwr);
	tcase_add_test(tc, test_mark_of_data_out_of_order_is_echoed);
	tcase_add_test(tc, test_mark_without_ecn_says_nothing);
	tcase_add_test(tc, test_rst_echoes_nothing);
	tcase_add_test(tc, test_echo_lowers_the_window_once);
	tcase_add_test(tc, test_echo_without_ecn_says_nothing);
	tcase_add_test(tc, test_cwr_after_a_loss);
	tcase_add_test(tc, test_loss_told_by_probe_in_cwr_lowers_once);
	tcase_add_loop_test(tc, test_echo_forbids_undo, 0, 2);
	tcase_add_test(tc, test_mark_outside_the_window_is_not_echoed);
	return unit_run("tcp_ecn", tc);
}
