/*
 * tests/tcp/test_state_listen.c - RFC 9293, 3.10.7.2: segments that arrive in LISTEN.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/wire/ip4.h"
#include "net/ifaddr.h"
#include "tests/harness/tcp_lab.h"

static void setup(void)
{
	tcp_lab_setup();
	tcp_lab_state(TCP_LISTEN, PASSIVE);
}

/* The listener is there as before: a SYN is answered. */
static void still_listens(void)
{
	quiet();
	tcp_lab_peer(5);
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(RST, .seq = 1);
}

/* First, RST: ignored, whatever else it has. */
static const struct ignored {
	const char *name;
	unsigned flags;
	uint32_t len;
} ignored[] = {
    {"RST", RST, 0},
    {"RST, ACK", RST | ACK, 0},
    {"RST, SYN", RST | SYN, 0},
    {"RST, FIN, ACK", RST | FIN | ACK, 0},
    {"RST with text", RST, 10},
    {"no flag", 0, 0},
    {"text without a flag", 0, 10},
    {"FIN", FIN, 0},
    {"FIN, PSH, URG", FIN | PSH | URG, 0},
    {"PSH", PSH, 5},
    {"SYN, FIN", SYN | FIN, 0},
    {"SYN, FIN, PSH, URG", SYN | FIN | PSH | URG, 0},
};
#define IGNORED (int)(sizeof(ignored) / sizeof(ignored[0]))

START_TEST(test_listen_what_means_nothing_ignored)
{
	rx(ignored[_i].flags, .seq = 7, .ack = 9, .len = ignored[_i].len);
	ck_assert_msg(tl.nsent == 0, "%s was answered", ignored[_i].name);
	still_listens();
}
END_TEST

/* Second, ACK: <SEQ=SEG.ACK><CTL=RST>. */
static const struct refused {
	const char *name;
	unsigned flags;
	uint32_t len;
} refused[] = {
    {"ACK", ACK, 0},
    {"ACK with text", ACK | PSH, 100},
    {"FIN, ACK", FIN | ACK, 0},
    {"SYN, ACK", SYN | ACK, 0},
    {"URG, ACK", URG | ACK, 3},
};
#define REFUSED (int)(sizeof(refused) / sizeof(refused[0]))

START_TEST(test_listen_ack_reset)
{
	rx(refused[_i].flags, .seq = 7, .ack = 0x12345678, .len = refused[_i].len);
	tx(RST, .seq = 0x12345678);
	still_listens();
}
END_TEST

/* Third, SYN: <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>. */
static const struct opened {
	const char *name;
	unsigned flags;
	unsigned answer; /* beside SYN and ACK */
} opened[] = {
    {"SYN", SYN, 0},
    {"SYN, PSH", SYN | PSH, 0},
    {"SYN, URG", SYN | URG, 0},
    {"SYN, ECE, CWR", SYN | ECE | CWR, ECE},
};
#define OPENED (int)(sizeof(opened) / sizeof(opened[0]))

START_TEST(test_listen_syn_to_synrcvd)
{
	rx(opened[_i].flags, .seq = 0, .mss = 1460);
	tx(SYN | ACK | opened[_i].answer, .seq = 0, .ack = 1);
	ck_state(TCP_SYN_RECV);
	ck_assert_int_eq(tcp_lab_accept(), -1);
	ck_assert_int_eq(errno, EAGAIN);
	rx(ACK, .seq = 1, .ack = 1);
	quiet();
	ck_state(TCP_ESTABLISHED);
	ck_assert_int_ge(tcp_lab_accept(), 0);
}
END_TEST

START_TEST(test_listen_syn_with_text_not_acked_beyond)
{
	rx(SYN, .seq = 0, .mss = 1460, .len = 50);
	tx(SYN | ACK, .seq = 0, .ack = 1); /* without fast open: the text comes again */
	rx(ACK, .seq = 1, .ack = 1, .len = 50);
	wait_ms(3);
	tx(ACK, .seq = 1, .ack = 51);
	tcp_lab_accept();
	tcp_lab_read(50);
}
END_TEST

START_TEST(test_listen_syn_bad_checksum_dropped)
{
	rx(SYN, .seq = 0, .mss = 1460, .bad_csum = true);
	ck_assert_uint_eq(tcp_lab_mib(MIB_Tcp_InCsumErrors), 1);
	ck_state(TCP_CLOSE);
	still_listens();
}
END_TEST

/* The datagram of a SYN with other addresses. */
static void syn_of(const uint8_t src[4], const uint8_t dst[4])
{
	struct seg s = {.flags = SYN, .mss = 1460, .sport = 4000, .dport = TCP_LAB_PORT};
	struct seg_addr a;
	uint8_t bytes[100];

	for (unsigned i = 0; i < 4; i++) {
		a.src[i] = src[i];
		a.dst[i] = dst[i];
	}
	tcp_lab_rx_bytes(bytes, seg_build(&s, &a, 0, bytes));
}

/* RFC 9293, MUST-57, MUST-63: no SYN from or to a broadcast or multicast address. */
static const struct cast {
	const char *name;
	uint8_t src[4], dst[4];
} cast[] = {
    {"to the subnet", {10, 0, 0, 2}, {10, 0, 0, 255}},
    {"to all", {10, 0, 0, 2}, {255, 255, 255, 255}},
    {"to a group", {10, 0, 0, 2}, {224, 0, 0, 1}},
    {"from the subnet", {10, 0, 0, 255}, {10, 0, 0, 1}},
    {"from a group", {224, 0, 0, 1}, {10, 0, 0, 1}},
    {"from all", {255, 255, 255, 255}, {10, 0, 0, 1}},
    {"from nobody", {0, 0, 0, 0}, {10, 0, 0, 1}},
};

START_TEST(test_listen_syn_of_many_dropped)
{
	syn_of(cast[_i].src, cast[_i].dst);
	ck_assert_msg(tl.nsent == 0, "%s was answered", cast[_i].name);
	ck_assert_int_eq(gauge_read(tl.st, GAUGE_requests), 0);
	still_listens();
}
END_TEST

/* RFC 9293, MUST-50: whatever IP options it comes with. */
static const uint8_t ip_options[][8] = {
    {1, 1, 1, 0},                /* nothing */
    {0x5e, 6, 1, 2, 3, 4, 0, 0}, /* of no known kind */
    {7, 7, 4, 0, 0, 0, 0, 0},    /* record route */
};

START_TEST(test_listen_syn_with_ip_options_answered)
{
	struct seg s = {.flags = SYN, .seq = TCP_LAB_ISN, .sport = 4000, .dport = TCP_LAB_PORT};
	struct seg_addr a = {{10, 0, 0, 2}, {10, 0, 0, 1}};
	unsigned optlen = _i ? 8 : 4;
	uint8_t bytes[100];
	uint32_t n = seg_build(&s, &a, 0, bytes);

	memmove(bytes + IP4_HLEN + optlen, bytes + IP4_HLEN, n - IP4_HLEN);
	memcpy(bytes + IP4_HLEN, ip_options[_i], optlen);
	n += optlen;
	bytes[0] = (uint8_t)(0x40 | (IP4_HLEN + optlen) / 4);
	bytes[3] = (uint8_t)n;
	seg_sum(bytes, n);
	tcp_lab_rx_bytes(bytes, n);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1);
	ck_state(TCP_ESTABLISHED);
}
END_TEST

/* RFC 9293, MUST-45: the address that the SYN was for stays the connection's. */
START_TEST(test_listen_answers_from_the_address_asked)
{
	static const uint8_t peer[4] = {10, 0, 0, 2}, other[4] = {10, 0, 0, 9};
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(TCP_LAB_PORT)};
	struct ip_addr second = ip_addr4(0x0a000009);
	int fd = tcp_lab_socket();
	struct batch b;

	weft_close(tl.ls);
	ck_assert_int_eq(weft_bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	ck_assert_int_eq(weft_listen(fd, 5), 0);
	batch_begin(&b, tl.st);
	ck_assert_int_eq(ifaddr_add(tl.dev, &second, IP_PREFIX4(24)), 0);
	batch_end(&b);
	syn_of(peer, other);
	for (unsigned i = 0; i < 3; i++) { /* the SYN-ACK, and again by timer */
		ck_assert_uint_eq(tl.nsent, 1);
		ck_assert_mem_eq(tl.head->bytes + 12, other, 4);
		ck_assert_mem_eq(tl.head->bytes + 16, peer, 4);
		tcp_lab_drop();
		wait_ms(5000);
	}
	weft_close(fd);
	batch_begin(&b, tl.st);
	ck_assert_int_eq(ifaddr_del(tl.dev, &second), 0);
	batch_end(&b);
}
END_TEST

START_TEST(test_listen_syn_to_another_port_reset)
{
	rx(SYN, .seq = 0, .mss = 1460, .dport = 81);
	tx(RST | ACK, .seq = 0, .ack = 1, .sport = 81);
	still_listens();
}
END_TEST

START_TEST(test_listen_bound_elsewhere_reset)
{
	weft_close(tl.ls);
	tl.ls = -1;
	rx(SYN, .seq = 0, .mss = 1460);
	tx(RST | ACK, .seq = 0, .ack = 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("listen");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	tcase_add_loop_test(tc, test_listen_what_means_nothing_ignored, 0, IGNORED);
	tcase_add_loop_test(tc, test_listen_ack_reset, 0, REFUSED);
	tcase_add_loop_test(tc, test_listen_syn_to_synrcvd, 0, OPENED);
	tcase_add_test(tc, test_listen_syn_with_text_not_acked_beyond);
	tcase_add_test(tc, test_listen_syn_bad_checksum_dropped);
	tcase_add_loop_test(tc, test_listen_syn_of_many_dropped, 0, 7);
	tcase_add_loop_test(tc, test_listen_syn_with_ip_options_answered, 0, 3);
	tcase_add_test(tc, test_listen_answers_from_the_address_asked);
	tcase_add_test(tc, test_listen_syn_to_another_port_reset);
	tcase_add_test(tc, test_listen_bound_elsewhere_reset);
	return unit_run("tcp_state_listen", tc);
}
