/*
 * tests/tcp/test_nomem.c - no memory for a connection's blocks: for what traffic teaches (tcp_est.h) of
 * one that gave it back unused, and for what few need (tcp_rare.h).  Nothing is written where there is no
 * block; what needs one is refused or comes again, and goes on when there is memory.
 *
 * The linker puts __wrap_malloc() in the place of the stack's malloc() (Makefile).
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "lib/cell.h"
#include "lib/wire/icmp4.h"
#include "tcp/tcp_priv.h"
#include "tests/harness/tcp_lab.h"
/* last: it has names of its own for what lib/wire/tcp.h defines */
#include <linux/tcp.h>

void *__wrap_malloc(size_t n);
void *__real_malloc(size_t n);

/* Which sizes there is no memory for; 0: nothing. */
static size_t poor[2];

void *__wrap_malloc(size_t n)
{
	return n && (n == poor[0] || n == poor[1]) ? NULL : __real_malloc(n);
}

/* Nor what threads have kept of that size (lib/cell.h). */
static void no_cell(size_t n)
{
	void *kept;

	poor[0] = cell_size(n);
	while ((kept = cell_alloc(tl.st, n)))
		free(kept);
}

static void no_est(void)
{
	no_cell(sizeof(struct tcp_est));
}

static void no_rare(void)
{
	poor[1] = sizeof(struct tcp_rare);
}

static void rich(void)
{
	poor[0] = poor[1] = 0;
}

static void setup(void)
{
	rich();
	tcp_lab_setup();
}

static int setopt(int level, int name, int v)
{
	return weft_setsockopt(tl.fd, level, name, &v, sizeof(v)) ? -errno : 0;
}

static int info(struct tcp_info *t)
{
	socklen_t n = sizeof(*t);

	return weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_INFO, t, &n) ? -errno : 0;
}

/* Open and not used: its block is given back, and there is none to be had. */
static void unused(enum tcp_lab_open how)
{
	tcp_lab_state(TCP_ESTABLISHED, how);
	no_est();
}

/* --- what traffic teaches ----------------------------------------------------------------------- */

START_TEST(test_unused_text_comes_again)
{
	unused(_i ? ACTIVE : PASSIVE);
	rx(ACK, .seq = 1, .ack = 1, .len = 100);
	rx(FIN | ACK, .seq = 1, .ack = 1);
	rx(ACK | URG, .seq = 1, .ack = 1, .len = 10, .up = 3);
	rx(SYN, .seq = 1);
	quiet();
	tcp_lab_read_errno(EAGAIN);
	ck_state(TCP_ESTABLISHED);
	rich();
	rx(ACK, .seq = 1, .ack = 1, .len = 100);
	tx(ACK, .seq = 1, .ack = 101);
	tcp_lab_read(100);
}
END_TEST

START_TEST(test_unused_reset_is_heard)
{
	unused(PASSIVE);
	rx(RST, .seq = 90000);
	quiet();
	rx(RST, .seq = 100);
	tx(ACK, .seq = 1, .ack = 1); /* RFC 5961, 3.2 */
	rx(RST, .seq = 1);
	ck_state(TCP_CLOSE);
	tcp_lab_read_errno(ECONNRESET);
	tcp_lab_read_eof();
	tcp_lab_write_errno(EPIPE);
}
END_TEST

START_TEST(test_unused_send_refused)
{
	struct tcp_info t;

	unused(PASSIVE);
	tcp_lab_write_errno(ENOBUFS);
	ck_assert_int_eq(info(&t), -ENOBUFS);
	quiet();
	rich();
	tcp_lab_write(10);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
	ck_assert_int_eq(info(&t), 0);
	ck_assert_uint_eq(t.tcpi_snd_cwnd, 10);
}
END_TEST

/* Who finds no memory to queue by, with nothing on the way, is told when to try again; by what the peer sends at once. */
START_TEST(test_send_refused_is_told)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	no_cell(sizeof(struct tcp_rec));
	tcp_lab_write_errno(EAGAIN);
	ck_assert_int_eq(tcp_lab_poll() & POLLOUT, 0);
	rich();
	if (_i) {
		rx(ACK, .seq = 1, .ack = 1);
	} else {
		advance_ms(150);
		ck_assert_int_eq(tcp_lab_poll() & POLLOUT, 0);
		advance_ms(60);
	}
	quiet();
	ck_assert_int_eq(tcp_lab_poll() & POLLOUT, POLLOUT);
	tcp_lab_write(10);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
}
END_TEST

/* A FIN cannot be queued: the peer learns of the end by a RST. */
START_TEST(test_unused_closed_is_aborted)
{
	unused(PASSIVE);
	if (_i) {
		ck_assert_int_eq(weft_close(tl.fd), 0);
		tl.fd = -1;
	} else {
		ck_assert_int_eq(weft_shutdown(tl.fd, SHUT_WR), 0);
		ck_assert_int_eq(tcp_lab_error(), ENOBUFS);
	}
	tx(RST | ACK, .seq = 1, .ack = 1);
	ck_state(TCP_CLOSE);
}
END_TEST

/* Options, errors and calls that ask: none of them writes what is not there. */
START_TEST(test_unused_is_only_read)
{
	struct tcp_view v;
	int n;

	unused(PASSIVE);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(setopt(IPPROTO_TCP, TCP_NODELAY, i == 0), 0);
		ck_assert_int_eq(setopt(IPPROTO_TCP, TCP_CORK, i == 0), 0);
		ck_assert_int_eq(setopt(IPPROTO_TCP, TCP_QUICKACK, i == 0), 0);
		ck_assert_int_eq(setopt(SOL_SOCKET, SO_SNDBUF, 4096), 0);
		ck_assert_int_eq(setopt(SOL_SOCKET, SO_RCVBUF, 4096), 0);
		ck_assert_int_eq(setopt(SOL_SOCKET, SO_MAX_PACING_RATE, 100000), 0);
		ck_assert_int_eq(setopt(IPPROTO_TCP, TCP_NOTSENT_LOWAT, 100), 0);
		ck_assert_int_eq(setopt(IPPROTO_TCP, TCP_WINDOW_CLAMP, 5000), 0);
		ck_assert_int_eq(
		    weft_setsockopt(tl.fd, IPPROTO_TCP, TCP_CONGESTION, i ? "reno" : "bbr", 4), 0);
		ck_assert_int_eq(weft_send(tl.fd, "", 0, 0), -1);
		tcp_lab_read_errno(EAGAIN);
		ck_assert_int_eq(tcp_lab_poll() & POLLIN, 0);
		ck_assert_int_eq(weft_ioctl(tl.fd, FIONREAD, &n), 0);
		tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 1, 600);
		tcp_lab_rx_icmp(ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 1, 0);
		ck_assert(tcp_lab_view(&v));
		advance_ms(1000);
		quiet();
	}
	rich();
	tcp_lab_write(10);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
}
END_TEST

START_TEST(test_unused_keepalive_goes_on)
{
	unused(PASSIVE);
	no_rare();
	tcp_lab_sysctl("net.ipv4.tcp_keepalive_time", 10);
	ck_assert_int_eq(setopt(SOL_SOCKET, SO_KEEPALIVE, 1), 0);
	ck_assert_uint_le(wait_ms(11000), 11000);
	tx(ACK, .seq = 0, .ack = 1);
	rich();
	rx(ACK, .seq = 1, .ack = 1);
	advance_ms(9000);
	quiet();
	ck_state(TCP_ESTABLISHED);
}
END_TEST

START_TEST(test_disconnect_needs_none)
{
	struct sockaddr a = {.sa_family = AF_UNSPEC};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(4000)};
	struct tcp_info t;

	to.sin_addr.s_addr = htonl(0x0a000002);
	tcp_lab_state(TCP_ESTABLISHED, ACTIVE);
	rx(ACK, .seq = 1, .ack = 1, .len = 100);
	tcp_lab_drop();
	no_est();
	ck_assert_int_eq(weft_connect(tl.fd, &a, sizeof(a)), 0);
	no_est(); /* what the first life had is kept */
	tcp_lab_drop();
	ck_assert_int_eq(weft_connect(tl.fd, (struct sockaddr *)&to, sizeof(to)), -1);
	ck_assert_int_eq(errno, ENOBUFS);
	rich();
	ck_assert_int_eq(weft_connect(tl.fd, (struct sockaddr *)&to, sizeof(to)), -1);
	ck_assert_int_eq(errno, EINPROGRESS);
	ck_assert_int_eq(info(&t), 0);
	ck_assert_uint_eq(t.tcpi_bytes_received, 0); /* nothing of the first life */
	ck_assert_uint_eq(t.tcpi_segs_in, 0);
	tcp_lab_drop();
}
END_TEST

START_TEST(test_socket_refused)
{
	no_est();
	ck_assert_int_eq(weft_socket(AF_INET, SOCK_STREAM, 0), -1);
	ck_assert_int_eq(errno, ENOBUFS);
}
END_TEST

/* The third ACK finds no memory for the connection: the SYN-ACK goes again and it is asked once more. */
static void child_made_later(void (*none)(void))
{
	rx(SYN, .seq = 0, .mss = 1460);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	none();
	rx(ACK, .seq = 1, .ack = 1);
	quiet();
	ck_assert_int_eq(tcp_lab_accept(), -1);
	ck_assert_uint_eq(tcp_lab_mib(MIB_TcpExt_ListenDrops), 1);
	rich();
	wait_ms(1100);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1);
	ck_assert_int_ge(tcp_lab_accept(), 0);
	ck_state(TCP_ESTABLISHED);
}

START_TEST(test_child_made_later)
{
	tcp_lab_listen(5);
	child_made_later(no_est);
}
END_TEST

START_TEST(test_child_has_its_listeners_options_or_is_made_later)
{
	int v = 0;
	socklen_t n = sizeof(v);

	tcp_lab_listen(5);
	tcp_lab_setopt(tl.ls, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
	child_made_later(no_rare);
	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &v, &n), 0);
	ck_assert_int_eq(v, 5000);
}
END_TEST

/* --- what few need ------------------------------------------------------------------------------ */

START_TEST(test_options_refused)
{
	static const int name[] = {TCP_MAXSEG,       TCP_KEEPIDLE,  TCP_SYNCNT,
				   TCP_DEFER_ACCEPT, TCP_LINGER2,   TCP_USER_TIMEOUT,
				   TCP_FASTOPEN,     TCP_KEEPINTVL, TCP_FASTOPEN_CONNECT};

	tl.fd = tcp_lab_socket();
	no_rare();
	ck_assert_int_eq(setopt(IPPROTO_TCP, name[_i], 1), -ENOBUFS);
	ck_assert_int_eq(setopt(SOL_SOCKET, SO_MAX_PACING_RATE, 100000), -ENOBUFS);
}
END_TEST

START_TEST(test_listen_refused)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(TCP_LAB_PORT)};

	tl.ls = tcp_lab_socket();
	ck_assert_int_eq(weft_bind(tl.ls, (struct sockaddr *)&a, sizeof(a)), 0);
	no_rare();
	ck_assert_int_eq(weft_listen(tl.ls, 5), -1);
	ck_assert_int_eq(errno, ENOMEM);
	rich();
	ck_assert_int_eq(weft_listen(tl.ls, 5), 0);
}
END_TEST

START_TEST(test_bbr_refused_leaves_newreno)
{
	char name[16] = "";
	socklen_t n = sizeof(name);

	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tcp_lab_write(10);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
	no_rare();
	ck_assert_int_eq(weft_setsockopt(tl.fd, IPPROTO_TCP, TCP_CONGESTION, "bbr", 3), -1);
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_int_eq(weft_getsockopt(tl.fd, IPPROTO_TCP, TCP_CONGESTION, name, &n), 0);
	ck_assert_str_eq(name, "reno");
}
END_TEST

/* Loss, an order that is not kept, duplicates, probes, an urgent byte: all that would count or note. */
START_TEST(test_repairs_without_a_block)
{
	struct seg syn = {.mss = 1000, .opts = O_SACK_OK};
	char c;

	tcp_lab_established(&syn);
	no_rare();
	tcp_lab_write(5000);
	for (uint32_t seq = 1; seq < 5001; seq += 1000)
		tx(ACK, .seq = seq, .ack = 1, .len = 1000);
	rx(ACK, .seq = 1, .ack = 1, .sack = {{1001, 4001}}, .nsack = 1);
	tx(ACK, .seq = 1, .ack = 1, .len = 1000);
	rx(ACK, .seq = 1, .ack = 5001, .sack = {{1, 1001}}, .nsack = 1);
	rx(ACK, .seq = 101, .ack = 5001, .len = 100); /* a hole: there is no place to keep it */
	tx(ACK, .seq = 5001, .ack = 1);
	rx(RST, .seq = 3, .ack = 5001); /* no challenge that cannot be limited */
	quiet();
	rx(ACK | URG, .seq = 1, .ack = 5001, .len = 100, .up = 5);
	tx(ACK, .seq = 5001, .ack = 101);
	ck_assert_int_eq(weft_recv(tl.fd, &c, 1, MSG_OOB), -1); /* text as any other */
	tcp_lab_read(100);
	rx(ACK, .seq = 1, .ack = 5001, .len = 100); /* once more: not told */
	tx(ACK, .seq = 5001, .ack = 101);
	rich();
	rx(ACK, .seq = 201, .ack = 5001, .len = 100);
	tx(ACK, .seq = 5001, .ack = 101, .sack = {{201, 301}}, .nsack = 1);
	rx(ACK, .seq = 101, .ack = 5001, .len = 100);
	tx(ACK, .seq = 5001, .ack = 301);
	tcp_lab_read(200);
}
END_TEST

START_TEST(test_timeout_without_a_block)
{
	tcp_lab_state(TCP_ESTABLISHED, PASSIVE);
	tcp_lab_sysctl("net.ipv4.tcp_mtu_probing", 1);
	no_rare();
	tcp_lab_write(10);
	tx(ACK, .seq = 1, .ack = 1, .len = 10);
	for (unsigned i = 0; i < 8; i++) {
		wait_ms(121000);
		tx(ACK, .seq = 1, .ack = 1, .len = 10);
	}
	rx(ACK, .seq = 1, .ack = 11);
	tcp_lab_write(10);
	tx(ACK, .seq = 11, .ack = 1, .len = 10);
}
END_TEST

static void add_est(TCase *tc)
{
	tcase_add_loop_test(tc, test_unused_text_comes_again, 0, 2);
	tcase_add_test(tc, test_unused_reset_is_heard);
	tcase_add_test(tc, test_unused_send_refused);
	tcase_add_loop_test(tc, test_send_refused_is_told, 0, 2);
	tcase_add_loop_test(tc, test_unused_closed_is_aborted, 0, 2);
	tcase_add_test(tc, test_unused_is_only_read);
	tcase_add_test(tc, test_unused_keepalive_goes_on);
	tcase_add_test(tc, test_disconnect_needs_none);
	tcase_add_test(tc, test_socket_refused);
	tcase_add_test(tc, test_child_made_later);
}

int main(void)
{
	TCase *tc = tcase_create("nomem");

	tcase_add_checked_fixture(tc, setup, tcp_lab_teardown);
	add_est(tc);
	tcase_add_test(tc, test_child_has_its_listeners_options_or_is_made_later);
	tcase_add_loop_test(tc, test_options_refused, 0, 9);
	tcase_add_test(tc, test_listen_refused);
	tcase_add_test(tc, test_bbr_refused_leaves_newreno);
	tcase_add_test(tc, test_repairs_without_a_block);
	tcase_add_test(tc, test_timeout_without_a_block);
	return unit_run("tcp_nomem", tc);
}
