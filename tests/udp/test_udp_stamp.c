/*
 * tests/udp/test_udp_stamp.c - SO_TIMESTAMPING of datagrams: keys, what a message says of the packet,
 * fragments, and a packet that never goes.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "ip/inet_dgram.h"
#include "ip/inet_stamp.h"
#include "tests/harness/udp_lab.h"
#include "tests/harness/unit.h"

#define SND SOF_TIMESTAMPING_TX_SOFTWARE
#define SCHED SOF_TIMESTAMPING_TX_SCHED
#define REPORT (SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID)
#define TSONLY SOF_TIMESTAMPING_OPT_TSONLY

static struct sock *sk;
static uint8_t data[4000];

static void setup(void)
{
	udp_lab_open();
	sk = udp_lab_bound("0.0.0.0", 5000);
}

static void teardown(void)
{
	udp_lab_end(sk);
	udp_lab_close();
}

static void stamping(uint32_t flags)
{
	sock_lock(sk);
	ck_assert_int_eq(sock_stamping_set(sk, &flags, sizeof(flags)), 0);
	sock_unlock(sk);
}

static void option(int name)
{
	int on = 1;

	sock_lock(sk);
	ck_assert_int_eq(inet_sock_setopt(sk, name, &on, sizeof(on)), 0);
	sock_unlock(sk);
}

static void send_to(const char *addr, size_t n)
{
	ck_assert_int_eq(udp_lab_send(sk, addr, 7, data, n), (ssize_t)n);
	udp_lab_flush();
}

/* --- one message ---------------------------------------------------------------------------------- */

static struct {
	ssize_t n;
	uint8_t bytes[4200], control[512];
	struct sock_extended_err ee;
	struct sockaddr_in offender;
	struct in_pktinfo info;
	bool has_info;
	uint64_t at;
} got;

static void take_control(const struct cmsghdr *h)
{
	struct scm_timestamping three;

	if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SO_TIMESTAMPING) {
		memcpy(&three, CMSG_DATA(h), sizeof(three));
		got.at =
		    (uint64_t)three.ts[0].tv_sec * NSEC_PER_SEC + (uint64_t)three.ts[0].tv_nsec;
	} else if (h->cmsg_type == IP_RECVERR) {
		memcpy(&got.ee, CMSG_DATA(h), sizeof(got.ee));
		memcpy(&got.offender, CMSG_DATA(h) + sizeof(got.ee), sizeof(got.offender));
	} else if (h->cmsg_type == IP_PKTINFO) {
		memcpy(&got.info, CMSG_DATA(h), sizeof(got.info));
		got.has_info = true;
	}
}

/* False: the queue is empty. */
static bool take(void)
{
	struct iovec iov = {got.bytes, sizeof(got.bytes)};
	struct msghdr all = {0};
	struct sock_msg m = {.iov = &iov,
			     .niov = 1,
			     .len = sizeof(got.bytes),
			     .flags = MSG_ERRQUEUE,
			     .control = got.control,
			     .controllen = sizeof(got.control)};

	memset(&got, 0, sizeof(got));
	sock_lock(sk);
	got.n = udp_ops.recv(sk, &m);
	sock_unlock(sk);
	if (got.n < 0) {
		ck_assert_int_eq(got.n, -EAGAIN);
		return false;
	}
	ck_assert(!m.has_addr);
	all.msg_control = got.control;
	all.msg_controllen = m.control_done;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&all); h; h = CMSG_NXTHDR(&all, h))
		take_control(h);
	ck_assert_uint_eq(got.ee.ee_errno, ENOMSG);
	ck_assert_uint_eq(got.ee.ee_origin, SO_EE_ORIGIN_TIMESTAMPING);
	return true;
}

static void expect(uint32_t what, uint32_t key)
{
	ck_assert(take());
	ck_assert_uint_eq(got.ee.ee_info, what);
	ck_assert_uint_eq(got.ee.ee_data, key);
}

/* --- keys and times ------------------------------------------------------------------------------- */

START_TEST(test_each_datagram_has_its_key)
{
	stamping(SCHED | SND | SOF_TIMESTAMPING_TX_ACK | REPORT | TSONLY);
	for (uint32_t i = 0; i < 3; i++) {
		send_to("10.0.0.2", 10);
		expect(SCM_TSTAMP_SCHED, i);
		expect(SCM_TSTAMP_SND, i);
		ck_assert_uint_eq(got.at, env_wall(udp_lab.st->env));
		ck_assert(!take());
		ip_lab_advance_ms(&udp_lab, 5);
	}
	stamping(SND | SOF_TIMESTAMPING_SOFTWARE | TSONLY);
	send_to("10.0.0.2", 10);
	expect(SCM_TSTAMP_SND, 0);
	stamping(SND | REPORT | TSONLY); /* on again: from 0 */
	send_to("10.0.0.2", 10);
	expect(SCM_TSTAMP_SND, 0);
	send_to("10.0.0.2", 10);
	expect(SCM_TSTAMP_SND, 1);
}
END_TEST

/* An error of the network and a stamp stand in the order they came; the errno is the error's alone. */
START_TEST(test_beside_errors)
{
	option(IP_RECVERR);
	stamping(SND | REPORT | TSONLY);
	send_to("10.0.0.2", 10);
	udp_lab_rx_icmp(&(struct udp_lab_icmp){
	    .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH, .sport = 5000, .dport = 7});
	ck_assert_int_eq(sk->err, ECONNREFUSED);
	expect(SCM_TSTAMP_SND, 0);
	ck_assert_int_eq(sk->err, ECONNREFUSED);
	ck_assert_uint_ne(sk->rcv_bytes, 0);
}
END_TEST

/* --- wishes of one call --------------------------------------------------------------------------- */

static ssize_t send_asking(uint32_t asks, int level, int type)
{
	struct iovec iov = {data, 10};
	union {
		struct cmsghdr h;
		uint8_t room[CMSG_SPACE(sizeof(asks))];
	} c = {.h = {CMSG_LEN(sizeof(asks)), level, type}};
	struct sock_msg m = {.iov = &iov,
			     .niov = 1,
			     .len = 10,
			     .has_addr = true,
			     .addr = ip_of("10.0.0.2"),
			     .port = 7,
			     .control = &c,
			     .controllen = sizeof(c)};
	ssize_t r;

	memcpy(CMSG_DATA(&c.h), &asks, sizeof(asks));
	sock_lock(sk);
	r = udp_ops.send(sk, &m);
	sock_unlock(sk);
	udp_lab_flush();
	return r;
}

START_TEST(test_call_asks_for_itself)
{
	stamping(SCHED | REPORT | TSONLY);
	ck_assert_int_eq(send_asking(SND, SOL_SOCKET, SO_TIMESTAMPING), 10);
	expect(SCM_TSTAMP_SND, 0);
	ck_assert_int_eq(send_asking(0, SOL_SOCKET, SO_TIMESTAMPING), 10);
	ck_assert(!take());
	send_to("10.0.0.2", 10);
	expect(SCM_TSTAMP_SCHED, 1); /* what asks for nothing is not counted (Linux) */
	ck_assert_int_eq(send_asking(REPORT, SOL_SOCKET, SO_TIMESTAMPING), -EINVAL);
	ck_assert_int_eq(send_asking(0, SOL_SOCKET, SO_MARK), -EINVAL);
}
END_TEST

/* --- what is said of the packet ------------------------------------------------------------------- */

/* It is shown from its link header on. */
START_TEST(test_message_shows_the_packet)
{
	memset(data, 'x', sizeof(data));
	stamping(SND | REPORT);
	option(IP_PKTINFO);
	send_to("10.0.0.2", 100);
	expect(SCM_TSTAMP_SND, 0);
	ck_assert_int_eq(got.n, 14 + 20 + 8 + 100);
	ck_assert_mem_eq(got.bytes + 42, data, 100);
	ck_assert(!got.has_info);
	ck_assert_int_eq(got.offender.sin_family, AF_UNSPEC);
}
END_TEST

/* SOF_TIMESTAMPING_OPT_CMSG: by which device, and from whom. */
START_TEST(test_device_is_told)
{
	struct ip_addr own = ip_of("10.0.0.1");

	stamping(SND | REPORT | SOF_TIMESTAMPING_OPT_CMSG);
	option(IP_PKTINFO);
	send_to("10.0.0.2", 100);
	expect(SCM_TSTAMP_SND, 0);
	ck_assert(got.has_info);
	ck_assert_int_eq(got.info.ipi_ifindex, (int)udp_lab.eth->dev->ifindex);
	ck_assert_mem_eq(&got.info.ipi_spec_dst, &own.b[12], 4);
	ck_assert_mem_eq(&got.offender.sin_addr, &own.b[12], 4);
	stamping(SND | REPORT | SOF_TIMESTAMPING_OPT_CMSG | TSONLY);
	send_to("10.0.0.2", 100);
	expect(SCM_TSTAMP_SND, 1);
	ck_assert(!got.has_info);
}
END_TEST

START_TEST(test_first_fragment_speaks_for_all)
{
	stamping(SCHED | SND | REPORT);
	send_to("10.0.0.2", 4000);
	expect(SCM_TSTAMP_SCHED, 0);
	expect(SCM_TSTAMP_SND, 0);
	ck_assert_int_eq(got.n, 14 + 1500);
	ck_assert(!take());
}
END_TEST

/* --- what does not go ----------------------------------------------------------------------------- */

/* It waits for a neighbour, longer than its sock lives. */
START_TEST(test_packet_that_waits)
{
	stamping(SCHED | SND | REPORT);
	send_to("10.0.0.77", 10);
	ck_assert(!take());
}
END_TEST

START_TEST(test_no_route)
{
	stamping(SCHED | SND | REPORT);
	ck_assert_int_eq(udp_lab_send(sk, "192.0.2.1", 7, data, 10), -ENETUNREACH);
	udp_lab_flush();
	ck_assert(!take());
}
END_TEST

START_TEST(test_left_at_the_close_is_freed)
{
	stamping(SCHED | SND | REPORT);
	send_to("10.0.0.2", 10);
	ck_assert_uint_ne(sk->rcv_bytes, 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("udp_stamp");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_each_datagram_has_its_key);
	tcase_add_test(tc, test_beside_errors);
	tcase_add_test(tc, test_call_asks_for_itself);
	tcase_add_test(tc, test_message_shows_the_packet);
	tcase_add_test(tc, test_device_is_told);
	tcase_add_test(tc, test_first_fragment_speaks_for_all);
	tcase_add_test(tc, test_packet_that_waits);
	tcase_add_test(tc, test_no_route);
	tcase_add_test(tc, test_left_at_the_close_is_freed);
	return unit_run("udp_stamp", tc);
}
