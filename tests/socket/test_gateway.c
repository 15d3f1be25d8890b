/*
 * tests/socket/test_gateway.c - the gateway's beginning and end, on a real stack: what it keeps of programs that
 * are still there is no leak (the sanitizer looks at each test's exit).
 */
#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "socket/gateway.h"
#include "socket/program.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

static struct stack *st;
static struct gateway *g;

static void setup(void)
{
	st = sockets_begin();
	ck_assert_int_eq(gateway_start(st, &g), 0);
}

static void teardown(void)
{
	gateway_stop(g);
	sockets_end(st);
}

/* A connection to one of its names. */
static int to_gateway(int type, enum program_kind kind)
{
	const struct program_name n = {.kind = kind};
	struct sockaddr_un sa;
	socklen_t len = program_address(&sa, gateway_token(g)->instance, &n);
	int fd = socket(AF_UNIX, type, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, len), 0);
	return fd;
}

/* When its thread has answered, it has seen who came before. */
static void seen(void)
{
	int fd = to_gateway(SOCK_SEQPACKET, PROGRAM_REQUEST);
	char none;

	ck_assert_int_eq(send(fd, "?", 1, 0), 1);
	ck_assert_int_eq(recv(fd, &none, 1, 0), 0); /* that is no request */
	close(fd);
}

/* To connect a socket, or to ask. */
START_TEST(test_stops_while_one_is_about_to_speak)
{
	static const int type[] = {SOCK_STREAM, SOCK_SEQPACKET};
	static const enum program_kind kind[] = {PROGRAM_DATA, PROGRAM_REQUEST};
	int fd = to_gateway(type[_i], kind[_i]);

	seen();
	teardown();
	ck_assert_int_eq(recv(fd, &(char){0}, 1, 0), 0);
	close(fd);
	setup();
}
END_TEST

static unsigned descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Its last word and its end are one event. */
START_TEST(test_one_that_asks_and_goes_is_forgotten)
{
	struct program_request q = {.magic = PROGRAM_MAGIC, .kind = PROGRAM_LINGER, .id = 99};
	struct program_reply r;
	unsigned before;

	memcpy(q.secret, gateway_token(g)->secret, PROGRAM_SECRET);
	seen();
	before = descriptors();
	for (unsigned i = 0; i < 50; i++) {
		int fd = to_gateway(SOCK_SEQPACKET, PROGRAM_REQUEST);

		q.name = 0;
		ck_assert_int_eq(send(fd, &q, sizeof(q), 0), sizeof(q));
		ck_assert_int_eq(recv(fd, &r, sizeof(r), 0), sizeof(r));
		q.name = 1;
		ck_assert_int_eq(send(fd, &q, sizeof(q), 0), sizeof(q));
		close(fd);
	}
	for (unsigned i = 0; i < 3; i++)
		seen();
	ck_assert_uint_le(descriptors(), before + 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("gateway");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_stops_while_one_is_about_to_speak, 0, 2);
	tcase_add_test(tc, test_one_that_asks_and_goes_is_forgotten);
	return unit_run("gateway", tc);
}
