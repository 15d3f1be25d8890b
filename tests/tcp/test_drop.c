/*
 * tests/tcp/test_drop.c - a segment that is thrown away is counted once, under the reason it has by RFC 9293, 3.10.7.
 */
#include "lib/checksum.h"
#include "lib/wire/ip4.h"
#include "net/pkbuf.h"
#include "tests/harness/tcp_lab.h"

static const struct row {
	unsigned state;
	enum tcp_lab_open how;
	enum drop_reason why;
	struct seg seg;
} rows[] = {
    {TCP_LISTEN, PASSIVE, DROP_TCP_NO_SOCKET, {.flags = SYN, .dport = 9}},
    {TCP_LISTEN, PASSIVE, DROP_TCP_LISTEN_RST, {.flags = RST}},
    {TCP_LISTEN, PASSIVE, DROP_TCP_LISTEN_ACK, {.flags = ACK, .ack = 1}},
    {TCP_LISTEN, PASSIVE, DROP_TCP_LISTEN_FLAGS, {.flags = FIN}},
    {TCP_LISTEN, PASSIVE, DROP_TCP_SYN_FIN, {.flags = SYN | FIN}},
    {TCP_LISTEN, PASSIVE, DROP_TCP_SHORT, {.flags = SYN, .off = 4}},
    {TCP_LISTEN, PASSIVE, DROP_TCP_CSUM, {.flags = SYN, .bad_csum = true}},
    {TCP_SYN_SENT, ACTIVE, DROP_TCP_SYNSENT_ACK, {.flags = SYN | ACK, .ack = 5}},
    {TCP_SYN_SENT, ACTIVE, DROP_TCP_SYNSENT_RST, {.flags = RST}},
    {TCP_SYN_SENT, ACTIVE, DROP_TCP_SYNSENT_NOTHING, {.flags = ACK, .ack = 1}},
    {TCP_SYN_RECV, PASSIVE, DROP_TCP_SYNRCVD_ACK, {.flags = ACK, .seq = 1, .ack = 100}},
    {TCP_ESTABLISHED, PASSIVE, DROP_TCP_RST_CHALLENGE, {.flags = RST, .seq = 100}},
    {TCP_ESTABLISHED, PASSIVE, DROP_TCP_SYN_CHALLENGE, {.flags = SYN, .seq = 1}},
    {TCP_ESTABLISHED, PASSIVE, DROP_TCP_RESET, {.flags = RST, .seq = 1}},
    {TCP_ESTABLISHED, PASSIVE, DROP_TCP_NO_ACK, {.flags = PSH, .seq = 1, .len = 5}},
    {TCP_ESTABLISHED, PASSIVE, DROP_TCP_ACK_UNSENT, {.flags = ACK, .seq = 1, .ack = 1000}},
    {TCP_ESTABLISHED, PASSIVE, DROP_TCP_ACK_OLD, {.flags = ACK, .seq = 1, .ack = -2000000u}},
    {TCP_ESTABLISHED, PASSIVE, DROP_TCP_WINDOW, {.flags = ACK, .seq = 9000000, .ack = 1}},
    {TCP_CLOSE_WAIT, PASSIVE, DROP_TCP_TEXT_IGNORED, {.flags = ACK, .seq = 2, .ack = 1, .len = 5}},
    {TCP_TIME_WAIT, PASSIVE, DROP_TCP_TIMEWAIT, {.flags = ACK, .seq = 2, .ack = 2}},
};

START_TEST(test_segment_dropped)
{
	const struct row *r = &rows[_i];

	tcp_lab_state(r->state, r->how);
	for (enum drop_reason why = DROP_NONE + 1; why < DROP_MAX; why++)
		ck_assert_uint_eq(pkbuf_drops(tl.st, why), 0);
	tcp_lab_rx(&r->seg);
	for (enum drop_reason why = DROP_NONE + 1; why < DROP_MAX; why++)
		ck_assert_msg(pkbuf_drops(tl.st, why) == (why == r->why), "%s: %lu",
			      drop_info[why].name, (unsigned long)pkbuf_drops(tl.st, why));
}
END_TEST

/* Nobody reads it, and the peer is told. */
START_TEST(test_text_after_close)
{
	tcp_lab_state(TCP_FIN_WAIT2, PASSIVE);
	ck_assert_int_eq(weft_close(tl.fd), 0);
	tl.fd = -1;
	rx(ACK, .seq = 1, .ack = 2, .len = 5);
	tx(RST, .seq = 2);
	ck_assert_uint_eq(pkbuf_drops(tl.st, DROP_TCP_DATA_AFTER_CLOSE), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPAbortOnData), 1);
}
END_TEST

/* RFC 1122, 4.2.3.10: the limited broadcast, that of the network, and a group the host is in. */
static const struct seg_addr to_all[] = {
    {{10, 0, 0, 2}, {255, 255, 255, 255}},
    {{10, 0, 0, 2}, {10, 0, 0, 255}},
    {{10, 0, 0, 2}, {224, 0, 0, 1}},
};
static const struct seg syn_to_all = {
    .flags = SYN, .abs = true, .sport = TCP_LAB_PEER_PORT, .dport = TCP_LAB_PORT};

START_TEST(test_to_a_broadcast_address)
{
	struct seg s = syn_to_all;
	uint8_t bytes[100];

	tcp_lab_listen(5);
	tcp_lab_rx_bytes(bytes, seg_build(&s, &to_all[_i], 0, bytes));
	quiet();
	ck_assert_uint_eq(pkbuf_drops(tl.st, DROP_TCP_BCAST), 1);
}
END_TEST

/* n bytes of a datagram's payload from `at` on, as a fragment. */
static void rx_fragment(const uint8_t *whole, uint32_t at, uint32_t n, uint16_t more)
{
	uint8_t bytes[100];
	struct ip4_hdr *h = (void *)bytes;

	memcpy(bytes, whole, IP4_HLEN);
	memcpy(bytes + IP4_HLEN, whole + IP4_HLEN + at, n);
	h->len = be16_of((uint16_t)(IP4_HLEN + n));
	h->off = be16_of((uint16_t)(at / 8 | more));
	h->csum = 0;
	h->csum = csum_finish(csum_add(0, h, IP4_HLEN));
	tcp_lab_rx_bytes(bytes, IP4_HLEN + n);
}

START_TEST(test_to_a_broadcast_address_in_fragments)
{
	struct seg s = syn_to_all;
	uint8_t bytes[100];
	uint32_t n;

	s.len = 40;
	tcp_lab_listen(5);
	n = seg_build(&s, &to_all[_i], 0, bytes);
	rx_fragment(bytes, 0, 40, IP4_MF);
	rx_fragment(bytes, 40, n - IP4_HLEN - 40, 0);
	quiet();
	ck_assert_uint_eq(pkbuf_drops(tl.st, DROP_TCP_BCAST), 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("drop");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_loop_test(tc, test_segment_dropped, 0, (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(tc, test_text_after_close);
	tcase_add_loop_test(tc, test_to_a_broadcast_address, 0, 3);
	tcase_add_loop_test(tc, test_to_a_broadcast_address_in_fragments, 0, 3);
	return unit_run("tcp_drop", tc);
}
