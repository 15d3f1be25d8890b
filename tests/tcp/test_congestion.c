/*
 * tests/tcp/test_congestion.c - which algorithm a connection has: the stack's setting, TCP_CONGESTION
 * on a socket, a listener and a connection in the middle of its data; what is not allowed.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/sysctl.h"
#include "tests/harness/tcp_lab.h"

static int choose(int fd, const char *name)
{
	return weft_setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name));
}

static const char *chosen(int fd)
{
	static char name[16];
	socklen_t n = sizeof(name);

	ck_assert_int_eq(weft_getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &n), 0);
	return name;
}

static struct tcp_info info(int fd)
{
	struct tcp_info i;
	socklen_t n = sizeof(i);

	ck_assert_int_eq(weft_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &n), 0);
	return i;
}

START_TEST(test_setting_is_for_sockets_made_later)
{
	int before = tcp_lab_socket(), after;
	char first[16];

	strcpy(first, chosen(before));
	tcp_lab_setting("net.ipv4.tcp_congestion_control", "reno");
	after = tcp_lab_socket();
	ck_assert_str_eq(chosen(before), first);
	ck_assert_str_eq(chosen(after), "reno");
}
END_TEST

START_TEST(test_every_algorithm_is_available_and_allowed)
{
	char all[SYSCTL_TEXT_MAX], allowed[SYSCTL_TEXT_MAX], *name, *save;
	int fd = tcp_lab_socket();

	ck_assert_int_eq(sysctl_read_text(tl.st, "net.ipv4.tcp_available_congestion_control", all),
			 0);
	ck_assert_int_eq(
	    sysctl_read_text(tl.st, "net.ipv4.tcp_allowed_congestion_control", allowed), 0);
	ck_assert_str_eq(all, allowed);
	for (name = strtok_r(all, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		ck_assert_int_eq(choose(fd, name), 0);
		ck_assert_str_eq(chosen(fd), name);
	}
}
END_TEST

START_TEST(test_not_allowed_is_refused_but_the_default)
{
	int fd = tcp_lab_socket();

	tcp_lab_setting("net.ipv4.tcp_congestion_control", "reno");
	tcp_lab_setting("net.ipv4.tcp_allowed_congestion_control", "reno");
	ck_assert_int_eq(choose(fd, "cubic"), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(choose(fd, "reno"), 0);
	tcp_lab_setting("net.ipv4.tcp_congestion_control", "cubic");
	ck_assert_int_eq(choose(fd, "cubic"), 0); /* the stack itself has chosen it */
}
END_TEST

START_TEST(test_listeners_choice_is_its_childrens)
{
	int ls = tcp_lab_listen(5);

	ck_assert_int_eq(choose(ls, "reno"), 0);
	tcp_lab_setting("net.ipv4.tcp_congestion_control", "cubic");
	rx(SYN, .seq = 0, .mss = 1000);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1);
	ck_assert_str_eq(chosen(tcp_lab_accept()), "reno");
}
END_TEST

START_TEST(test_child_of_no_choice_has_the_setting_of_its_birth)
{
	tcp_lab_listen(5);
	tcp_lab_setting("net.ipv4.tcp_congestion_control", "reno");
	rx(SYN, .seq = 0, .mss = 1000);
	tx(SYN | ACK, .seq = 0, .ack = 1);
	rx(ACK, .seq = 1, .ack = 1);
	ck_assert_str_eq(chosen(tcp_lab_accept()), "reno");
}
END_TEST

/* The library's own calls. */
START_TEST(test_settings_by_weft_sysctl)
{
	static const char name[] = "net.ipv4.tcp_congestion_control";
	char value[8];

	ck_assert_int_eq(weft_sysctl_set(tl.st, name, "bbr"), 0);
	ck_assert_int_eq(weft_sysctl_get(tl.st, name, value, sizeof(value)), 0);
	ck_assert_str_eq(value, "bbr");
	ck_assert_str_eq(chosen(tcp_lab_socket()), "bbr");
	ck_assert_int_eq(weft_sysctl_get(tl.st, name, value, 3), -ERANGE);
	ck_assert_int_eq(weft_sysctl_set(tl.st, name, "vegas"), -EINVAL);
	ck_assert_int_eq(weft_sysctl_set(tl.st, "net.ipv4.no", "1"), -ENOENT);
	ck_assert_int_eq(weft_sysctl_get(tl.st, "net.ipv4.no", value, 8), -ENOENT);
	ck_assert_int_eq(weft_sysctl_set(tl.st, name, NULL), -EINVAL);
}
END_TEST

/* In the middle of a transfer: cwnd stays, nothing is sent or lost, and the data end well. */
START_TEST(test_change_with_data_out_keeps_cwnd)
{
	static const char *const names[] = {"reno", "bbr", "cubic"};
	uint32_t acked = 1, cwnd;

	tcp_lab_established(&(struct seg){.mss = 1000, .wnd = 65000});
	tcp_lab_write(60000);
	tcp_lab_drop();
	for (unsigned i = 0; i < 3; i++) {
		advance_ms(50);
		acked += 4000;
		rx(ACK, .seq = 1, .ack = acked, .wnd = 65000);
		tcp_lab_drop();
		cwnd = info(tl.fd).tcpi_snd_cwnd;
		ck_assert_int_eq(choose(tl.fd, names[i]), 0);
		ck_assert_str_eq(chosen(tl.fd), names[i]);
		ck_assert_uint_eq(info(tl.fd).tcpi_snd_cwnd, cwnd);
		quiet();
	}
	for (unsigned i = 0; i < 100 && info(tl.fd).tcpi_unacked; i++) {
		advance_ms(50);
		acked += acked + 6000 < 60001 ? 6000 : 60001 - acked;
		rx(ACK, .seq = 1, .ack = acked, .wnd = 65000);
		tcp_lab_drop();
	}
	ck_assert_uint_eq(acked, 60001);
	ck_assert_uint_eq(info(tl.fd).tcpi_unacked, 0);
	ck_assert_uint_eq(tcp_lab_mib(MIB_Tcp_RetransSegs), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("congestion");

	tcase_add_checked_fixture(tc, tcp_lab_setup, tcp_lab_teardown);
	tcase_add_test(tc, test_setting_is_for_sockets_made_later);
	tcase_add_test(tc, test_every_algorithm_is_available_and_allowed);
	tcase_add_test(tc, test_not_allowed_is_refused_but_the_default);
	tcase_add_test(tc, test_listeners_choice_is_its_childrens);
	tcase_add_test(tc, test_child_of_no_choice_has_the_setting_of_its_birth);
	tcase_add_test(tc, test_settings_by_weft_sysctl);
	tcase_add_test(tc, test_change_with_data_out_keeps_cwnd);
	return unit_run("tcp_congestion", tc);
}
