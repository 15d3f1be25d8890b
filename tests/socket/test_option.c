/* Every option there is: its first value, set and read back, too short, out of range; and some there are not. */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

#include "lib/stack.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

static struct stack *st;
static int udp, tcp, raw;

static void setup(void)
{
	st = sockets_begin();
	udp = weft_socket(AF_INET, SOCK_DGRAM, 0);
	tcp = weft_socket(AF_INET, SOCK_STREAM, 0);
	raw = weft_socket(AF_INET, SOCK_RAW, 253);
}

static void teardown(void)
{
	weft_close(udp);
	weft_close(tcp);
	weft_close(raw);
	sockets_end(st);
}

static int get(int fd, int level, int name)
{
	int v = -12345;
	socklen_t n = sizeof(v);

	ck_assert_msg(weft_getsockopt(fd, level, name, &v, &n) == 0, "level %d option %d: %s",
		      level, name, strerror(errno));
	ck_assert_uint_eq(n, sizeof(v));
	return v;
}

static int set(int fd, int level, int name, int v)
{
	return weft_setsockopt(fd, level, name, &v, sizeof(v));
}

/* --- one number: what it is at first, one that it takes, what reads back, one that it refuses ------------ */

#define NONE -99999 /* it takes any number */

static const struct row {
	int level, name;
	bool udp, tcp;
	int first, good, back, bad;
} rows[] = {
    {SOL_SOCKET, SO_REUSEADDR, true, true, 0, 5, 1, NONE},
    {SOL_SOCKET, SO_REUSEPORT, true, true, 0, 5, 1, NONE},
    {SOL_SOCKET, SO_KEEPALIVE, true, true, 0, 1, 1, NONE},
    {SOL_SOCKET, SO_BROADCAST, true, true, 0, 1, 1, NONE},
    {SOL_SOCKET, SO_OOBINLINE, true, true, 0, 1, 1, NONE},
    {SOL_SOCKET, SO_RCVLOWAT, true, true, 1, 9, 9, NONE},
    {SOL_SOCKET, SO_MARK, true, true, 0, 7, 7, NONE},
    {SOL_SOCKET, SO_PRIORITY, true, true, 0, 6, 6, NONE},
    {SOL_SOCKET, SO_TIMESTAMP, true, true, 0, 5, 1, NONE},
    {SOL_SOCKET, SO_TIMESTAMPNS, true, true, 0, 5, 1, NONE},
    {SOL_SOCKET, SO_RCVBUF, true, true, NONE, 10000, 20000, NONE},
    {SOL_SOCKET, SO_SNDBUF, true, true, NONE, 10000, 20000, NONE},
    {IPPROTO_IP, IP_TOS, true, true, 0, 0x110, 0x10, NONE},
    {IPPROTO_IP, IP_TTL, true, true, 64, 3, 3, 0},
    {IPPROTO_IP, IP_TTL, true, true, 64, 255, 255, 256},
    {IPPROTO_IP, IP_RECVERR, true, true, 0, 3, 1, NONE},
    {IPPROTO_IP, IP_FREEBIND, true, true, 0, 1, 1, NONE},
    {IPPROTO_IP, IP_MINTTL, true, true, 0, 255, 255, 256},
    {IPPROTO_IP, IP_MTU_DISCOVER, true, true, IP_PMTUDISC_WANT, IP_PMTUDISC_DO, IP_PMTUDISC_DO, 17},
    {IPPROTO_IP, IP_PKTINFO, true, false, 0, 1, 1, NONE},
    {IPPROTO_IP, IP_RECVTTL, true, false, 0, 1, 1, NONE},
    {IPPROTO_IP, IP_RECVTOS, true, false, 0, 1, 1, NONE},
    {IPPROTO_IP, IP_MULTICAST_TTL, true, false, 1, 255, 255, 256},
    {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, false, true, 0, 1, 1, NONE},
    {IPPROTO_IP, IP_MULTICAST_LOOP, true, true, 1, 0, 0, NONE},
    {IPPROTO_IP, IP_MULTICAST_ALL, true, true, 1, 0, 0, 2},
    {IPPROTO_TCP, TCP_NODELAY, false, true, 0, 1, 1, NONE},
    {IPPROTO_TCP, TCP_QUICKACK, false, true, 1, 0, 0, NONE},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, false, true, 0, 2, 3, NONE},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, false, true, 0, 5000, 5000, -1},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, false, true, 0, 4096, 4096, NONE},
    {IPPROTO_TCP, TCP_FASTOPEN, false, true, 0, 5, 5, -1},
    {IPPROTO_TCP, TCP_FASTOPEN_CONNECT, false, true, 0, 1, 1, 2},
    {IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, false, true, 0, 1, 1, 2},
    {IPPROTO_TCP, TCP_INQ, false, true, 0, 1, 1, 2},
    {IPPROTO_TCP, TCP_CORK, false, true, 0, 1, 1, NONE},
    {IPPROTO_TCP, TCP_MAXSEG, false, true, 536, 1000, 1000, 87},
    {IPPROTO_TCP, TCP_KEEPIDLE, false, true, 7200, 10, 10, 0},
    {IPPROTO_TCP, TCP_KEEPINTVL, false, true, 75, 10, 10, 32768},
    {IPPROTO_TCP, TCP_KEEPCNT, false, true, 9, 10, 10, 128},
    {IPPROTO_TCP, TCP_SYNCNT, false, true, 6, 10, 10, 128},
    {IPPROTO_TCP, TCP_LINGER2, false, true, 60, 10, 10, NONE},
};

/* Linux: as 0. */
static bool takes_nothing(const struct row *r)
{
	static const int names[] = {IP_TOS,     IP_PKTINFO, IP_MTU_DISCOVER,        IP_RECVERR,
				    IP_RECVTTL, IP_RECVTOS, IP_BIND_ADDRESS_NO_PORT};
	bool takes = false;

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		takes |= r->level == IPPROTO_IP && r->name == names[i];
	return takes;
}

static void row_check(int fd, const struct row *r)
{
	int v = r->good;

	if (r->first != NONE)
		ck_assert_int_eq(get(fd, r->level, r->name), r->first);
	ck_assert_msg(set(fd, r->level, r->name, r->good) == 0, "level %d option %d: %s", r->level,
		      r->name, strerror(errno));
	ck_assert_int_eq(get(fd, r->level, r->name), r->back);
	if (r->bad != NONE)
		ck_assert_errno(set(fd, r->level, r->name, r->bad), EINVAL);
	if (!takes_nothing(r))
		ck_assert_errno(weft_setsockopt(fd, r->level, r->name, &v, 0), EINVAL);
	if (r->level != IPPROTO_IP) /* which takes a byte as well */
		ck_assert_errno(weft_setsockopt(fd, r->level, r->name, &v, 3), EINVAL);
	ck_assert_int_eq(get(fd, r->level, r->name), r->back);
}

START_TEST(test_number)
{
	const struct row *r = &rows[_i];

	if (r->udp)
		row_check(udp, r);
	else
		ck_assert_errno(set(udp, r->level, r->name, 1), ENOPROTOOPT);
	if (r->tcp)
		row_check(tcp, r);
}
END_TEST

/* --- what can only be read ---------------------------------------------------------------------------------- */

START_TEST(test_read_only)
{
	ck_assert_int_eq(get(udp, SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
	ck_assert_int_eq(get(tcp, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	ck_assert_int_eq(get(raw, SOL_SOCKET, SO_TYPE), SOCK_RAW);
	ck_assert_int_eq(get(udp, SOL_SOCKET, SO_DOMAIN), AF_INET);
	ck_assert_int_eq(get(udp, SOL_SOCKET, SO_PROTOCOL), IPPROTO_UDP);
	ck_assert_int_eq(get(tcp, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	ck_assert_int_eq(get(raw, SOL_SOCKET, SO_PROTOCOL), 253);
	ck_assert_int_eq(get(udp, SOL_SOCKET, SO_ERROR), 0);
	ck_assert_int_eq(get(udp, SOL_SOCKET, SO_ACCEPTCONN), 0);
	ck_assert_int_eq(get(udp, SOL_SOCKET, SO_SNDLOWAT), 1);
	ck_assert_errno(set(udp, SOL_SOCKET, SO_SNDLOWAT, 1), ENOPROTOOPT);
	ck_assert_errno(set(udp, SOL_SOCKET, SO_PRIORITY, 7), EPERM);
	for (int i = 0; i < 5; i++) {
		static const int names[] = {SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ERROR,
					    SO_ACCEPTCONN};

		ck_assert_errno(set(udp, SOL_SOCKET, names[i], 1), ENOPROTOOPT);
	}
}
END_TEST

START_TEST(test_unknown_is_enoprotoopt)
{
	static const int none[][2] = {{SOL_SOCKET, SO_INCOMING_CPU},
				      {SOL_SOCKET, SO_DONTROUTE},
				      {SOL_SOCKET, SO_RXQ_OVFL},
				      {SOL_SOCKET, SO_ATTACH_FILTER},
				      {SOL_SOCKET, 9999},
				      {IPPROTO_IP, IP_RECVOPTS},
				      {IPPROTO_IP, 9999},
				      {IPPROTO_TCP, TCP_REPAIR},
				      {IPPROTO_TCP, 9999},
				      {IPPROTO_UDP, 1},
				      {IPPROTO_IPV6, 26},
				      {12345, 1}};
	int fd[] = {udp, tcp, raw}, v;
	socklen_t n;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		for (int j = 0; j < 3; j++) {
			n = sizeof(v);
			ck_assert_errno(set(fd[j], none[i][0], none[i][1], 1), ENOPROTOOPT);
			ck_assert_errno(weft_getsockopt(fd[j], none[i][0], none[i][1], &v, &n),
					ENOPROTOOPT);
		}
	}
}
END_TEST

/* --- the others ---------------------------------------------------------------------------------------------- */

START_TEST(test_buffers_have_bounds)
{
	ck_assert_int_eq(set(udp, SOL_SOCKET, SO_RCVBUF, 0), 0);
	ck_assert_int_eq(get(udp, SOL_SOCKET, SO_RCVBUF), 2304);
	ck_assert_int_eq(set(udp, SOL_SOCKET, SO_SNDBUF, 0), 0);
	ck_assert_int_eq(get(udp, SOL_SOCKET, SO_SNDBUF), 4608);
	for (int i = 0; i < 2; i++) {
		int fd = i ? udp : tcp;

		ck_assert_int_eq(set(fd, SOL_SOCKET, SO_RCVBUF, 0x7fffffff), 0);
		ck_assert_int_eq(set(fd, SOL_SOCKET, SO_SNDBUF, -1), 0);
		ck_assert_int_gt(get(fd, SOL_SOCKET, SO_RCVBUF), 100000);
		ck_assert_int_lt(get(fd, SOL_SOCKET, SO_RCVBUF), 1 << 30);
		ck_assert_int_lt(get(fd, SOL_SOCKET, SO_SNDBUF), 1 << 30);
		ck_assert_int_gt(get(fd, SOL_SOCKET, SO_SNDBUF), 100000);
	}
	ck_assert_int_eq(set(udp, SOL_SOCKET, SO_RCVLOWAT, 0), 0);
	ck_assert_int_eq(get(udp, SOL_SOCKET, SO_RCVLOWAT), 1);
	ck_assert_int_eq(set(udp, SOL_SOCKET, SO_RCVLOWAT, -1), 0);
	ck_assert_int_eq(get(udp, SOL_SOCKET, SO_RCVLOWAT), 0x7fffffff);
}
END_TEST

/* Twice what was asked, and no more than twice what the setting says. */
START_TEST(test_buffers_at_most_as_set)
{
	static const struct {
		const char *setting;
		int name;
		bool stream;
	} row[] = {{"net.core.rmem_max", SO_RCVBUF, false},
		   {"net.core.wmem_max", SO_SNDBUF, false},
		   {"net.ipv4.tcp_rmem.max", SO_RCVBUF, true},
		   {"net.ipv4.tcp_wmem.max", SO_SNDBUF, true}};
	int fd = row[_i].stream ? tcp : udp;

	ck_assert_int_eq(sysctl_write(st, row[_i].setting, 50000), 0);
	ck_assert_int_eq(set(fd, SOL_SOCKET, row[_i].name, 40000), 0);
	ck_assert_int_eq(get(fd, SOL_SOCKET, row[_i].name), 80000);
	ck_assert_int_eq(set(fd, SOL_SOCKET, row[_i].name, 60000), 0);
	ck_assert_int_eq(get(fd, SOL_SOCKET, row[_i].name), 100000);
}
END_TEST

START_TEST(test_linger)
{
	struct linger l = {.l_onoff = 3, .l_linger = 44}, got;
	socklen_t n = sizeof(got);

	ck_assert_int_eq(weft_getsockopt(tcp, SOL_SOCKET, SO_LINGER, &got, &n), 0);
	ck_assert_int_eq(got.l_onoff, 0);
	ck_assert_int_eq(weft_setsockopt(tcp, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	ck_assert_int_eq(weft_getsockopt(tcp, SOL_SOCKET, SO_LINGER, &got, &n), 0);
	ck_assert_uint_eq(n, sizeof(got));
	ck_assert(got.l_onoff == 1 && got.l_linger == 44);
	ck_assert_errno(weft_setsockopt(tcp, SOL_SOCKET, SO_LINGER, &l, 4), EINVAL);
	l.l_onoff = 0;
	ck_assert_int_eq(weft_setsockopt(tcp, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
}
END_TEST

START_TEST(test_timeouts)
{
	int name = _i ? SO_RCVTIMEO : SO_SNDTIMEO;
	struct timeval tv = {.tv_sec = 5, .tv_usec = 250000}, got;
	socklen_t n = sizeof(got);

	ck_assert_int_eq(weft_setsockopt(udp, SOL_SOCKET, name, &tv, sizeof(tv)), 0);
	ck_assert_int_eq(weft_getsockopt(udp, SOL_SOCKET, name, &got, &n), 0);
	ck_assert(got.tv_sec == 5 && got.tv_usec == 250000);
	ck_assert_errno(weft_setsockopt(udp, SOL_SOCKET, name, &tv, 8), EINVAL);
	tv.tv_usec = 1000000;
	ck_assert_errno(weft_setsockopt(udp, SOL_SOCKET, name, &tv, sizeof(tv)), EDOM);
	tv.tv_usec = -1;
	ck_assert_errno(weft_setsockopt(udp, SOL_SOCKET, name, &tv, sizeof(tv)), EDOM);
	tv = (struct timeval){.tv_sec = 0x7fffffffffffffff};
	ck_assert_int_eq(weft_setsockopt(udp, SOL_SOCKET, name, &tv, sizeof(tv)), 0);
	ck_assert_int_eq(weft_getsockopt(udp, SOL_SOCKET, name, &got, &n), 0);
	ck_assert(got.tv_sec == 0 && got.tv_usec == 0);
	tv = (struct timeval){.tv_sec = -1};
	ck_assert_int_eq(weft_setsockopt(udp, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	ck_assert_errno(weft_recv(udp, &n, 1, 0), EAGAIN);
}
END_TEST

START_TEST(test_short_room_gets_the_front)
{
	unsigned char v[4] = {0x55, 0x55, 0x55, 0x55};
	socklen_t n = 2;

	ck_assert_int_eq(weft_getsockopt(udp, SOL_SOCKET, SO_TYPE, v, &n), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert(v[0] == SOCK_DGRAM && v[1] == 0 && v[2] == 0x55);
	n = 1;
	ck_assert_int_eq(weft_getsockopt(udp, IPPROTO_IP, IP_TTL, v, &n), 0);
	ck_assert(n == 1 && v[0] == 64);
	v[0] = 9;
	ck_assert_int_eq(weft_setsockopt(udp, IPPROTO_IP, IP_TTL, v, 1), 0);
	ck_assert_int_eq(get(udp, IPPROTO_IP, IP_TTL), 9);
}
END_TEST

START_TEST(test_bad_arguments)
{
	int v = 0;
	socklen_t n = (socklen_t)-1;

	ck_assert_errno(weft_getsockopt(udp, SOL_SOCKET, SO_TYPE, &v, &n), EINVAL);
	n = sizeof(v);
	ck_assert_errno(weft_getsockopt(udp, SOL_SOCKET, SO_TYPE, NULL, &n), EFAULT);
	ck_assert_errno(weft_getsockopt(udp, SOL_SOCKET, SO_TYPE, &v, NULL), EFAULT);
	ck_assert_errno(weft_setsockopt(udp, SOL_SOCKET, SO_BROADCAST, NULL, 4), EFAULT);
	ck_assert_errno(weft_setsockopt(udp, SOL_SOCKET, SO_BROADCAST, &v, (socklen_t)-1), EINVAL);
}
END_TEST

START_TEST(test_device_only_before_a_port)
{
	struct sockaddr_in a = in4("127.0.0.1", 0);

	ck_assert_int_eq(weft_setsockopt(tcp, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2), 0);
	ck_assert_int_eq(weft_bind(tcp, sa(&a), SA_LEN), 0);
	ck_assert_errno(weft_setsockopt(tcp, SOL_SOCKET, SO_BINDTODEVICE, "", 0), EINVAL);
	ck_assert_errno(
	    weft_setsockopt(udp, SOL_SOCKET, SO_BINDTODEVICE, "a-name-of-far-too-many-bytes", 28),
	    ENODEV);
}
END_TEST

START_TEST(test_ip_options_and_mtu)
{
	struct sockaddr_in a = in4("127.0.0.1", 9);
	static const unsigned char nops[3] = {1, 1, 1};
	unsigned char got[40];
	socklen_t n = sizeof(got);
	int v;

	ck_assert_int_eq(weft_setsockopt(udp, IPPROTO_IP, IP_OPTIONS, nops, 3), 0);
	ck_assert_int_eq(weft_getsockopt(udp, IPPROTO_IP, IP_OPTIONS, got, &n), 0);
	ck_assert_uint_eq(n, 4);
	ck_assert_mem_eq(got, "\1\1\1\0", 4);
	ck_assert_errno(weft_setsockopt(udp, IPPROTO_IP, IP_OPTIONS, got, 41), EINVAL);
	n = sizeof(v);
	ck_assert_errno(weft_getsockopt(tcp, IPPROTO_IP, IP_MTU, &v, &n), ENOTCONN);
	ck_assert_int_eq(weft_connect(udp, sa(&a), SA_LEN), 0);
	ck_assert_int_eq(get(udp, IPPROTO_IP, IP_MTU), 65535);
	ck_assert_errno(set(udp, IPPROTO_IP, IP_MTU, 1500), ENOPROTOOPT);
}
END_TEST

START_TEST(test_tcp_info_is_cut_to_its_room)
{
	struct tcp_info i = {.tcpi_state = 77};
	socklen_t n = sizeof(i);

	ck_assert_int_eq(weft_getsockopt(tcp, IPPROTO_TCP, TCP_INFO, &i, &n), 0);
	ck_assert_uint_eq(i.tcpi_state, TCP_CLOSE);
	n = 1;
	ck_assert_int_eq(weft_getsockopt(tcp, IPPROTO_TCP, TCP_INFO, &i, &n), 0);
	ck_assert_uint_eq(n, 1);
	ck_assert_errno(set(tcp, IPPROTO_TCP, TCP_INFO, 1), ENOPROTOOPT);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("option");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_number, 0, (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(tc, test_read_only);
	tcase_add_test(tc, test_unknown_is_enoprotoopt);
	tcase_add_test(tc, test_buffers_have_bounds);
	tcase_add_loop_test(tc, test_buffers_at_most_as_set, 0, 4);
	tcase_add_test(tc, test_linger);
	tcase_add_loop_test(tc, test_timeouts, 0, 2);
	tcase_add_test(tc, test_short_room_gets_the_front);
	tcase_add_test(tc, test_bad_arguments);
	tcase_add_test(tc, test_device_only_before_a_port);
	tcase_add_test(tc, test_ip_options_and_mtu);
	tcase_add_test(tc, test_tcp_info_is_cut_to_its_room);
	return unit_run("option", tc);
}
