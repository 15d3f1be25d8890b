/*
 * tests/tcp/test_land.c - text read straight into the buffer of a program that waits in recv() (net/landing.h): the stream is
 * right whatever happens meanwhile, and when the call is over nothing refers to the buffer.
 *
 * Each test waits in recv() on the virtual clock, and what it names happens during that.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/time.h>

#include "ip/hook.h"
#include "lib/wire/ip4.h"
#include "net/ifaddr.h"
#include "net/netem.h"
#include "tests/harness/tcp_lab.h"

#define BUF (256u << 10)
#define FRAME 60000u
#define MOST 100    /* pieces, which 1 MB has no room for */
#define FIRST 5000u /* bytes of the stream that came before: its frames are large ones */

static struct {
	struct rxbuf rxbuf;
	struct alarm alarm;
	void (*meanwhile)(void);
	uint8_t buf[BUF];
	uint8_t other[BUF];
	unsigned hooked;
	struct piece *piece[MOST];
	unsigned npieces;
	ssize_t nested;
	int waiting; /* the socket whose recv() waits */
} t;

static void fire(void *arg)
{
	t.meanwhile();
}

static void setup(void)
{
	memset(&t, 0, sizeof(t));
	t.alarm = (struct alarm){.fire = fire, .when = ENV_NEVER};
	tcp_lab_setup();
	tl.rxbuf = &t.rxbuf;
	tl.syn.opts = O_WS;
	tl.syn.ws = 8;
	env_alarm_add(tl.env, &t.alarm);
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	ck_assert_int_eq(weft_fcntl(tl.fd, F_SETFL, 0), 0);
	rx(ACK, .seq = 1, .ack = 1, .len = FIRST);
	tx(ACK, .seq = 1, .ack = 1 + FIRST);
	tcp_lab_read(FIRST);
}

static void teardown(void)
{
	env_alarm_del(tl.env, &t.alarm);
	tcp_lab_teardown();
}

/* The n bytes of the stream behind `at` of what comes after the first. */
static void text(uint32_t at, uint32_t n)
{
	rx(ACK, .seq = 1 + FIRST + at, .ack = 1, .len = n);
}

/* Are they at p? */
static bool is_text(const uint8_t *p, uint32_t at, uint32_t n)
{
	return stream_is(p, n, FIRST + at);
}

/* As a program that goes on to use its buffer for something else. */
static void spoil(void)
{
	memset(t.buf, 0xee, sizeof(t.buf));
}

/* recv() of n bytes, 1 ms into which `meanwhile` happens. */
static ssize_t wait_n(void (*meanwhile)(void), size_t n, int flags)
{
	t.meanwhile = meanwhile;
	env_alarm(tl.env, &t.alarm, env_now(tl.env) + NSEC_PER_MSEC);
	return weft_recv(tl.fd, t.buf, n, flags);
}

static ssize_t wait_all(void (*meanwhile)(void))
{
	return wait_n(meanwhile, BUF, 0);
}

/* What recv() gives without waiting is the stream from `at` on. */
static void rest(uint32_t at, uint32_t n)
{
	ck_assert_int_eq(weft_recv(tl.fd, t.buf, BUF, MSG_DONTWAIT), n);
	ck_assert(is_text(t.buf, at, n));
	spoil();
	ck_assert_int_eq(weft_recv(tl.fd, t.buf, BUF, MSG_DONTWAIT), -1);
}

static void again(void (*next)(void))
{
	t.meanwhile = next;
	env_alarm(tl.env, &t.alarm, env_now(tl.env) + NSEC_PER_MSEC);
}

/* --- where it lies ------------------------------------------------------------------------------ */

/* Before recv() has looked it is there. */
static void two_land(void)
{
	text(0, FRAME);
	ck_assert(is_text(t.buf, 0, FRAME));
	text(FRAME, FRAME);
	ck_assert(is_text(t.buf, 0, 2 * FRAME));
}

START_TEST(test_text_in_the_buffer)
{
	ck_assert_int_eq(wait_all(two_land), 2 * FRAME);
	ck_assert(is_text(t.buf, 0, 2 * FRAME));
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPPlaced), 2);
}
END_TEST

static void none_lands(void)
{
	text(0, FRAME);
	ck_assert_uint_eq(t.buf[0], 0);
	ck_assert_uint_eq(t.buf[FRAME - 1], 0);
}

START_TEST(test_not_when_off)
{
	tcp_lab_sysctl("net.weft.place", 0);
	ck_assert_int_eq(wait_all(none_lands), FRAME);
	ck_assert(is_text(t.buf, 0, FRAME));
}
END_TEST

START_TEST(test_not_in_a_small_buffer)
{
	ck_assert_int_eq(wait_n(none_lands, (128u << 10) - 1, 0), FRAME);
	ck_assert(is_text(t.buf, 0, FRAME));
}
END_TEST

START_TEST(test_not_for_a_peek)
{
	ck_assert_int_eq(wait_n(none_lands, BUF, MSG_PEEK), FRAME);
	ck_assert(is_text(t.buf, 0, FRAME));
	rest(0, FRAME);
}
END_TEST

START_TEST(test_not_what_is_thrown_away)
{
	ck_assert_int_eq(wait_n(none_lands, BUF, MSG_TRUNC), FRAME);
	ck_assert_uint_eq(t.buf[0], 0);
}
END_TEST

START_TEST(test_not_in_parts_of_a_message)
{
	struct iovec iov[] = {{t.other, 100}, {t.buf, BUF}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};

	again(none_lands);
	ck_assert_int_eq(weft_recvmsg(tl.fd, &m, 0), FRAME);
	ck_assert(is_text(t.other, 0, 100) && is_text(t.buf, 100, FRAME - 100));
}
END_TEST

START_TEST(test_in_a_large_part)
{
	struct iovec iov[] = {{t.buf, BUF}, {t.other, 100}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};

	again(two_land);
	ck_assert_int_eq(weft_recvmsg(tl.fd, &m, 0), 2 * FRAME);
}
END_TEST

static void third_lands(void)
{
	text(2 * FRAME, FRAME);
	ck_assert(is_text(t.buf, 0, 3 * FRAME));
}

static void last_of_all(void)
{
	text(3 * FRAME, (BUF - 3 * FRAME) / 2);
	text(3 * FRAME + (BUF - 3 * FRAME) / 2, (BUF - 3 * FRAME) / 2);
}

static void third_lands_and_more(void)
{
	third_lands();
	again(last_of_all);
}

static void two_land_and_one(void)
{
	two_land();
	again(third_lands_and_more);
}

START_TEST(test_all_of_a_message)
{
	ck_assert_int_eq(wait_n(two_land_and_one, BUF, MSG_WAITALL), BUF);
	ck_assert(is_text(t.buf, 0, BUF));
}
END_TEST

/* --- a wrong guess ------------------------------------------------------------------------------ */

static void hole(void)
{
	text(FRAME, FRAME);
	text(0, FRAME);
}

START_TEST(test_out_of_order)
{
	ck_assert_int_eq(wait_all(hole), 2 * FRAME);
	ck_assert(is_text(t.buf, 0, 2 * FRAME));
	spoil();
	text(2 * FRAME, FRAME);
	rest(2 * FRAME, FRAME);
}
END_TEST

static void small_then_fin(void)
{
	text(0, 1);
	text(1, 100);
	text(101, 3000);
	rx(ACK | FIN, .seq = 1 + FIRST + 3101, .ack = 1, .len = FRAME);
}

START_TEST(test_small_ones_and_a_fin)
{
	ck_assert_int_eq(wait_all(small_then_fin), 3101 + FRAME);
	ck_assert(is_text(t.buf, 0, 3101 + FRAME));
	ck_assert_int_eq(weft_recv(tl.fd, t.buf, BUF, 0), 0);
}
END_TEST

/* Of the first no more than headers and payload are alike; it is of another stream, which has no socket. */
static void stranger(void)
{
	rx(ACK, .seq = 1 + FIRST, .ack = 1, .len = FRAME, .sport = 999);
	tcp_lab_drop();
	text(0, FRAME);
}

START_TEST(test_anothers_text)
{
	ck_assert_int_eq(wait_all(stranger), FRAME);
	ck_assert(is_text(t.buf, 0, FRAME));
}
END_TEST

static void acked(void)
{
	rx(ACK, .seq = 1 + FIRST, .ack = 1);
	text(0, FRAME);
}

START_TEST(test_an_ack_alone)
{
	ck_assert_int_eq(wait_all(acked), FRAME);
	ck_assert(is_text(t.buf, 0, FRAME));
}
END_TEST

/* --- nothing refers to it ----------------------------------------------------------------------- */

/* What came before once more, with a mark in the middle of what lies in the buffer. */
static void urgent(void)
{
	text(0, FRAME);
	ck_assert(is_text(t.buf, 0, FRAME));
	rx(ACK | URG, .seq = 1 + FIRST - 10, .ack = 1, .len = FRAME + 20, .up = 10 + FRAME / 2);
}

START_TEST(test_behind_an_urgent_byte)
{
	ck_assert_int_eq(wait_all(urgent), FRAME / 2 - 1);
	ck_assert(is_text(t.buf, 0, FRAME / 2 - 1));
	spoil();
	rest(FRAME / 2, FRAME + 10 - FRAME / 2);
}
END_TEST

/* And then all memory is taken: what cannot be kept is not lost in silence. */
static void urgent_and_poor(void)
{
	urgent();
	tcp_lab_sysctl("net.weft.mem_limit", 1 << 20);
	while (t.npieces < MOST && (t.piece[t.npieces] = piece_alloc(tl.st, PIECE_LARGE)))
		t.npieces++;
}

START_TEST(test_no_memory_for_the_rest)
{
	ck_assert_int_eq(wait_all(urgent_and_poor), FRAME / 2 - 1);
	ck_assert(is_text(t.buf, 0, FRAME / 2 - 1));
	ck_assert_uint_lt(t.npieces, MOST);
	while (t.npieces)
		piece_put(t.piece[--t.npieces]);
	spoil();
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPAbortOnMemory), 1);
	tcp_lab_read_errno(ENOMEM);
}
END_TEST

/* Another thread reads a part of it. */
static void other_reads(void)
{
	two_land();
	text(2 * FRAME, 1000);
	t.nested = weft_recv(tl.fd, t.other, 100, MSG_DONTWAIT);
	ck_assert(is_text(t.other, 0, 100));
}

START_TEST(test_another_reader)
{
	ck_assert_int_eq(wait_all(other_reads), 2 * FRAME + 900);
	ck_assert_int_eq(t.nested, 100);
	ck_assert(is_text(t.buf, 100, 2 * FRAME + 900));
}
END_TEST

static void other_reads_all(void)
{
	two_land();
	t.nested = weft_recv(tl.fd, t.other, BUF, MSG_DONTWAIT);
	ck_assert(is_text(t.other, 0, 2 * FRAME));
	again(third_lands);
}

static void lands_anew(void)
{
	text(2 * FRAME, FRAME);
	ck_assert(is_text(t.buf, 2 * FRAME, FRAME));
}

static void other_reads_before(void)
{
	other_reads_all();
	again(lands_anew);
}

START_TEST(test_another_reader_of_all)
{
	ck_assert_int_eq(wait_all(other_reads_before), FRAME);
	ck_assert_int_eq(t.nested, 2 * FRAME);
	ck_assert(is_text(t.buf, 2 * FRAME, FRAME));
}
END_TEST

static void closed(void)
{
	two_land();
	ck_assert_int_eq(weft_close(tl.fd), 0);
	tl.fd = -1;
}

START_TEST(test_closed_meanwhile)
{
	ck_assert_int_eq(wait_all(closed), -1);
	ck_assert_int_eq(errno, EBADF);
	spoil();
}
END_TEST

static void shut(void)
{
	two_land();
	ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_RD), 0);
}

START_TEST(test_shut_down_meanwhile)
{
	ck_assert_int_eq(wait_n(shut, BUF, MSG_WAITALL), 2 * FRAME);
}
END_TEST

static void reset(void)
{
	two_land();
	rx(RST, .seq = 1 + FIRST + 2 * FRAME);
}

START_TEST(test_reset_meanwhile)
{
	wait_all(reset);
	spoil();
	weft_recv(tl.fd, t.other, BUF, 0);
}
END_TEST

/* Of what lies there one is not sound: what is behind it is out of order, and may be forgotten. */
static void unsound(void)
{
	rx(ACK, .seq = 1 + FIRST, .ack = 1, .len = FRAME, .bad_csum = true);
	text(FRAME, FRAME);
	ck_assert(is_text(t.buf + FRAME, FRAME, FRAME));
}

START_TEST(test_timeout_with_a_hole)
{
	struct timeval tv = {.tv_usec = 2000};

	ck_assert_int_eq(weft_setsockopt(tl.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	ck_assert_int_eq(wait_all(unsound), -1);
	ck_assert_int_eq(errno, EAGAIN);
	spoil();
	text(0, FRAME);
	text(FRAME, FRAME);
	rest(0, 2 * FRAME);
}
END_TEST

static void unsound_then_sound(void)
{
	unsound();
	text(0, FRAME);
}

START_TEST(test_hole_is_filled)
{
	ck_assert_int_eq(wait_all(unsound_then_sound), 2 * FRAME);
	ck_assert(is_text(t.buf, 0, 2 * FRAME));
}
END_TEST

static void disconnected(void)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	two_land();
	ck_assert_int_eq(weft_connect(tl.fd, &none, sizeof(none)), 0);
	text(2 * FRAME, FRAME); /* nobody's: answered by a RST */
	tcp_lab_drop();
}

START_TEST(test_disconnected_meanwhile)
{
	wait_all(disconnected);
	spoil();
}
END_TEST

/* Its peer opens another connection from the same port, whose first text has the number that is waited for. */
static void another(void)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	ck_assert_int_eq(weft_connect(tl.fd, &none, sizeof(none)), 0);
	tcp_lab_drop();
	tl.rxbuf = NULL; /* these are read by another queue */
	rx(SYN, .seq = FIRST, .mss = 1460, .opts = O_WS, .ws = 8);
	tx(SYN | ACK, .seq = 0, .ack = 1 + FIRST);
	rx(ACK, .seq = 1 + FIRST, .ack = 1);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	tl.rxbuf = &t.rxbuf;
	text(0, FRAME);
	ck_assert(is_text(t.buf, 0, FRAME));
	weft_shutdown(t.waiting, SHUT_RDWR);
}

START_TEST(test_text_of_another_connection)
{
	t.waiting = tl.fd;
	wait_all(another);
	spoil();
	rest(0, FRAME);
}
END_TEST

/* The address is taken away, and what comes is for another host then, which nobody knows yet. */
static void moved_away(void)
{
	struct ip_addr own = ip_addr4(0x0a000001), other = ip_addr4(0x0a000009);
	struct batch b;

	tcp_lab_sysctl("net.ipv4.ip_forward", 1);
	batch_begin(&b, tl.st);
	ck_assert_int_eq(ifaddr_add(tl.dev, &other, IP_PREFIX4(24)), 0);
	ck_assert_int_eq(ifaddr_del(tl.dev, &own), 0);
	batch_end(&b);
	text(0, 1400); /* what is larger needs no next hop to be refused */
	ck_assert(is_text(t.buf, 0, 1400));
}

START_TEST(test_for_another_host)
{
	struct timeval tv = {.tv_usec = 2000};

	ck_assert_int_eq(weft_setsockopt(tl.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	ck_assert_int_eq(wait_all(moved_away), -1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_Ip_ForwDatagrams), 1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_TCPPlaced), 0);
	spoil();
}
END_TEST

/* --- whoever keeps it has a copy ---------------------------------------------------------------- */

START_TEST(test_raw_socket_has_its_own)
{
	int raw = weft_socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IP_PROTO_TCP), big = 1 << 20;

	ck_assert_int_eq(weft_setsockopt(raw, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big)), 0);
	ck_assert_int_eq(wait_all(two_land), 2 * FRAME);
	spoil();
	ck_assert_int_eq(weft_recv(raw, t.other, BUF, 0), FRAME + 40);
	ck_assert(is_text(t.other + 40, 0, FRAME));
	ck_assert_int_eq(weft_recv(raw, t.other, BUF, 0), FRAME + 40);
	ck_assert(is_text(t.other + 40, FRAME, FRAME));
}
END_TEST

static void delayed(void)
{
	struct netem_config slow = {.delay = 5 * NSEC_PER_MSEC};

	ck_assert_int_eq(netem_set(tl.dev, NETEM_IN, &slow), 0);
	text(0, FRAME);
}

START_TEST(test_netem_has_its_own)
{
	struct timeval tv = {.tv_usec = 2000};

	ck_assert_int_eq(weft_setsockopt(tl.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	ck_assert_int_eq(wait_all(delayed), -1);
	spoil();
	advance_ms(10);
	rest(0, FRAME);
}
END_TEST

static enum hook_verdict look(struct hook *h, struct pkbuf *b, const struct hook_io *io)
{
	ck_assert(!b->landed);
	t.hooked++;
	return HOOK_ACCEPT;
}

START_TEST(test_hook_has_its_own)
{
	static struct hook h;

	h = (struct hook){.fn = look};
	hook_register(tl.st, HOOK_LOCAL_IN, &h);
	ck_assert_int_eq(wait_all(two_land), 2 * FRAME);
	ck_assert_uint_eq(t.hooked, 2);
	ck_assert(is_text(t.buf, 0, 2 * FRAME));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("land");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_text_in_the_buffer);
	tcase_add_test(tc, test_not_when_off);
	tcase_add_test(tc, test_not_in_a_small_buffer);
	tcase_add_test(tc, test_not_for_a_peek);
	tcase_add_test(tc, test_not_what_is_thrown_away);
	tcase_add_test(tc, test_not_in_parts_of_a_message);
	tcase_add_test(tc, test_in_a_large_part);
	tcase_add_test(tc, test_all_of_a_message);
	tcase_add_test(tc, test_out_of_order);
	tcase_add_test(tc, test_small_ones_and_a_fin);
	tcase_add_test(tc, test_anothers_text);
	tcase_add_test(tc, test_an_ack_alone);
	tcase_add_test(tc, test_behind_an_urgent_byte);
	tcase_add_test(tc, test_no_memory_for_the_rest);
	tcase_add_test(tc, test_another_reader);
	tcase_add_test(tc, test_another_reader_of_all);
	tcase_add_test(tc, test_closed_meanwhile);
	tcase_add_test(tc, test_shut_down_meanwhile);
	tcase_add_test(tc, test_reset_meanwhile);
	tcase_add_test(tc, test_timeout_with_a_hole);
	tcase_add_test(tc, test_hole_is_filled);
	tcase_add_test(tc, test_disconnected_meanwhile);
	tcase_add_test(tc, test_text_of_another_connection);
	tcase_add_test(tc, test_for_another_host);
	tcase_add_test(tc, test_raw_socket_has_its_own);
	tcase_add_test(tc, test_netem_has_its_own);
	tcase_add_test(tc, test_hook_has_its_own);
	return unit_run("land", tc);
}
