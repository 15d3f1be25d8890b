/*
 * tests/socket/test_guest.c - how long a call on a program's descriptor waits; who is taken for weft.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "socket/guest.h"
#include "tests/harness/unit.h"

static int pair[2];

static void setup(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
}

static void teardown(void)
{
	close(pair[0]);
	close(pair[1]);
}

static int waits_ms(time_t seconds, suseconds_t us)
{
	const struct timeval tv = {.tv_sec = seconds, .tv_usec = us};
	int ms = -2;

	ck_assert_int_eq(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	ck_assert(guest_waits(pair[0], SO_RCVTIMEO, &ms));
	return ms;
}

START_TEST(test_waits_as_long_as_the_option_says)
{
	ck_assert_int_eq(waits_ms(0, 0), -1);
	ck_assert_int_eq(waits_ms(0, 500000), 500);
	ck_assert_int_eq(waits_ms(7, 0), 7000);
}
END_TEST

/* In milliseconds these are less than nothing, and 704, in an int. */
START_TEST(test_waits_no_shorter_than_an_int_can_say)
{
	ck_assert_int_eq(waits_ms(3000000, 0), INT_MAX);
	ck_assert_int_eq(waits_ms(4294968, 0), INT_MAX);
}
END_TEST

START_TEST(test_waits_not_at_all_when_nonblocking)
{
	int ms;

	ck_assert_int_eq(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
	ck_assert(!guest_waits(pair[0], SO_RCVTIMEO, &ms));
}
END_TEST

/* close() of a process that has nothing of the kind is the kernel's alone. */
START_TEST(test_nobody_lingers_who_has_not_asked)
{
	struct guest g = {.token.instance = "1"};
	struct program_slot slot = {0};
	const struct guest_socket s = {.guest = &g, .slot = &slot, .type = SOCK_STREAM};
	struct linger l = {0};

	ck_assert(!guest_may_linger(&g));
	guest_linger_set(&s, &l, sizeof(l));
	l.l_onoff = 1; /* the close that resets */
	guest_linger_set(&s, &l, sizeof(l));
	ck_assert(!guest_may_linger(&g));
	l.l_linger = 3;
	guest_linger_set(&s, &l, sizeof(l));
	ck_assert(guest_may_linger(&g));
	ck_assert_uint_eq(atomic_load(&slot.linger), 3);
}
END_TEST

/* Has weft's name, and is heard when told: the bytes that came. */
static void impersonate(const struct guest *g, enum program_kind kind, int talk)
{
	const struct program_name n = {.kind = kind};
	int type = kind == PROGRAM_DATA ? SOCK_STREAM : SOCK_SEQPACKET, fd;
	struct sockaddr_un sa;
	socklen_t len = program_address(&sa, g->token.instance, &n);
	char bytes[sizeof(struct program_request)];
	ssize_t got;

	fd = socket(AF_UNIX, type, 0);
	if (bind(fd, (struct sockaddr *)&sa, len) || listen(fd, 1) || send(talk, "", 1, 0) != 1)
		_exit(99);
	got = recv(accept(fd, NULL, NULL), bytes, sizeof(bytes), 0);
	_exit(got > 0 ? 1 : 0);
}

static pid_t impersonated(const struct guest *g, enum program_kind kind)
{
	pid_t pid = fork();
	char byte;

	if (pid == 0)
		impersonate(g, kind, pair[1]);
	ck_assert_int_eq(recv(pair[0], &byte, 1, 0), 1);
	return pid;
}

static void ends_unheard(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static struct guest of_this_weft(void)
{
	struct guest g = {.token = {.secret = "secret", .pid = (uint32_t)getpid()}};

	for (int i = 0, pid = getpid(); i < PROGRAM_INSTANCE; i++, pid /= 10)
		g.token.instance[i] = (char)('0' + pid % 10);
	return g;
}

/* Weft has ended, and another process has the name: it is not told the secret. */
START_TEST(test_request_not_to_who_took_the_name)
{
	struct guest g = of_this_weft();
	pid_t pid = impersonated(&g, PROGRAM_REQUEST);

	ck_assert_ptr_null(guest_table(&g));
	ends_unheard(pid);
}
END_TEST

START_TEST(test_connect_not_to_who_took_the_name)
{
	struct guest g = of_this_weft();
	struct program_slot slot = {0};
	struct guest_socket s = {.guest = &g, .slot = &slot, .family = AF_INET};
	const struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = 1};
	pid_t pid = impersonated(&g, PROGRAM_DATA);

	s.type = SOCK_STREAM;
	s.fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(guest_connect(&s, (const struct sockaddr *)&a, sizeof(a)), -ENETDOWN);
	ends_unheard(pid);
	close(s.fd);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("guest");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_waits_as_long_as_the_option_says);
	tcase_add_test(tc, test_waits_no_shorter_than_an_int_can_say);
	tcase_add_test(tc, test_waits_not_at_all_when_nonblocking);
	tcase_add_test(tc, test_nobody_lingers_who_has_not_asked);
	tcase_add_test(tc, test_request_not_to_who_took_the_name);
	tcase_add_test(tc, test_connect_not_to_who_took_the_name);
	return unit_run("guest", tc);
}
