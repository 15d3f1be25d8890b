/*
 * tests/socket/test_gateway_strangers.c - anybody may reach the gateway: noise, many at once and who asks much lock
 * nobody out.  Programs are played by sockets of the kernel's.
 */
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "socket/gateway_priv.h"
#include "tests/harness/gateway_lab.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

#define NOBODY 65534
#define SOON 10000 /* ms */

static void noise_once(enum program_kind kind)
{
	struct sockaddr_un sa;
	socklen_t len = gateway_lab_name(&sa, kind, 0);
	int type = kind == PROGRAM_DATA   ? SOCK_STREAM
		   : kind == PROGRAM_BELL ? SOCK_DGRAM
					  : SOCK_SEQPACKET;
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&sa, len) == 0 && kind == PROGRAM_BELL) {
		for (int i = 0; i < 1000; i++)
			send(fd, "", 1, 0);
	}
	close(fd);
}

/* Without end, and more than it hears in the time: others are heard too. */
START_TEST(test_noise_without_end_locks_nobody_out)
{
	static const enum program_kind kind[] = {PROGRAM_BELL, PROGRAM_DATA, PROGRAM_REQUEST};
	pid_t pid[3];

	for (int i = 0; i < 3; i++) {
		pid[i] = fork();
		ck_assert_int_ge(pid[i], 0);
		if (pid[i] == 0)
			prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (pid[i] == 0)
			noise_once(kind[_i]);
	}
	for (int i = 0; i < 100; i++)
		gateway_lab_round();
	for (int i = 0; i < 3; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
}
END_TEST

static void option(int fd, uint32_t id, enum program_request_kind kind, int value)
{
	struct program_request q = {
	    .kind = kind, .id = id, .level = SOL_SOCKET, .name = SO_RCVLOWAT, .len = sizeof(value)};

	memcpy(q.bytes, &value, sizeof(value));
	gateway_lab_ask(fd, &q, NULL);
}

/* For 3 * GATEWAY_TURN requests that nobody reads. */
static void room_make(int fd)
{
	int n = 1 << 20;
	socklen_t len = sizeof(n);

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, len), 0);
	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, &len), 0);
	ck_assert_int_ge(n, 400000); /* net.core.wmem_max, doubled */
}

/*
 * Who asks once behind them is answered before the last of them: they set what it asks for.  Two turns may go first,
 * for they were told of before and after its thread looked.
 */
START_TEST(test_who_asks_much_has_a_turn_only)
{
	uint32_t id = slot_make(SOCK_STREAM, IPPROTO_TCP),
		 other = slot_make(SOCK_STREAM, IPPROTO_TCP);
	struct program_request q = {.kind = PROGRAM_OPEN, .id = id};
	int fd = program_socket(id, SOCK_STREAM), fd2 = program_socket(other, SOCK_STREAM),
	    much = gateway_lab_reach(SOCK_SEQPACKET, PROGRAM_REQUEST),
	    first = gateway_lab_reach(SOCK_SEQPACKET, PROGRAM_REQUEST), value;
	struct program_reply r;

	ck_assert_int_eq(gateway_lab_ask_once(&q), 0);
	q.kind = PROGRAM_STAY;
	gateway_lab_ask(much, &q, &r);
	q.kind = PROGRAM_COLLECT;
	/* by now all are let in, and nothing is left to tell of */
	ck_assert_int_eq(gateway_lab_ask_once(&q), 0);
	room_make(much);
	/* its thread waits in the first until all have asked */
	mutex_lock(&gateway_lab.g->lock);
	q = (struct program_request){.kind = PROGRAM_OPEN, .id = other};
	gateway_lab_ask(first, &q, NULL);
	for (int i = 1; i <= 3 * GATEWAY_TURN; i++)
		option(much, id, PROGRAM_SETOPT, 1 + i);
	option(gateway_lab.staying, id, PROGRAM_GETOPT, 0);
	mutex_unlock(&gateway_lab.g->lock);
	ck_assert_int_eq(recv(gateway_lab.staying, &r, sizeof(r), 0), sizeof(r));
	ck_assert_int_eq(r.err, 0);
	memcpy(&value, r.bytes, sizeof(value));
	ck_assert_int_gt(value, GATEWAY_TURN);
	ck_assert_int_le(value, 1 + 2 * GATEWAY_TURN);
	close(first);
	close(much);
	close(fd2);
	close(fd);
}
END_TEST

/* A child of ours that has not come to exec() has copies of what the gateway closes: it is told of that still. */
START_TEST(test_asker_that_is_over_is_not_looked_at)
{
	struct program_request q = {.kind = PROGRAM_COLLECT};
	int fd = gateway_lab_reach(SOCK_SEQPACKET, PROGRAM_REQUEST);
	struct program_reply r;
	pid_t pid;

	ck_assert_int_eq(gateway_lab_ask_once(&q), 0); /* by now it is let in */
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (pid == 0)
		pause();
	gateway_lab_ask(fd, &q, &r);
	gateway_lab_round(); /* it is over */
	ck_assert_int_eq(send(fd, &q, sizeof(q), 0), sizeof(q));
	gateway_lab_round();
	gateway_lab_round();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fd);
}
END_TEST

/* To connect a socket, or to ask: those who say nothing make room for others. */
START_TEST(test_strangers_who_say_nothing_are_bounded)
{
	static const int type[] = {SOCK_STREAM, SOCK_SEQPACKET};
	static const enum program_kind kind[] = {PROGRAM_DATA, PROGRAM_REQUEST};
	int fd[600];
	struct pollfd p = {.events = POLLIN};

	for (int i = 0; i < 600; i++)
		fd[i] = gateway_lab_reach(type[_i], kind[_i]);
	p.fd = fd[0];
	ck_assert_int_eq(poll(&p, 1, SOON), 1);
	ck_assert_int_eq(recv(fd[0], &(char){0}, 1, 0), 0);
	gateway_lab_round();
	ck_assert_int_eq(recv(fd[599], &(char){0}, 1, MSG_DONTWAIT), -1);
	for (int i = 0; i < 600; i++)
		close(fd[i]);
}
END_TEST

/* When told: 600 that say nothing, of another user; says when they are there, and ends when told. */
static int silent_many(uint32_t talk)
{
	static const int type[] = {SOCK_STREAM, SOCK_SEQPACKET};
	static const enum program_kind kind[] = {PROGRAM_DATA, PROGRAM_REQUEST};
	struct sockaddr_un sa;
	char none;

	if (recv((int)talk, &none, 1, 0) != 1)
		return 97;
	for (int i = 0; i < 1200; i++) {
		socklen_t len = gateway_lab_name(&sa, kind[i % 2], 0);

		if (connect(socket(AF_UNIX, type[i % 2], 0), (struct sockaddr *)&sa, len))
			return 98;
	}
	return send((int)talk, "", 1, 0) != 1 || recv((int)talk, &none, 1, 0) != 1;
}

START_TEST(test_strangers_make_room_for_their_own_user)
{
	int fd[2], talk[2], status;
	pid_t pid;

	if (geteuid() != 0)
		return; /* there is no other user to be */
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, talk), 0);
	pid = fork();
	if (pid == 0)
		_exit(setgroups(0, NULL) || setuid(NOBODY) ? 99 : silent_many((uint32_t)talk[1]));
	fd[0] =
	    gateway_lab_reach(SOCK_STREAM, PROGRAM_DATA); /* it has no copies of the gateway's */
	fd[1] = gateway_lab_reach(SOCK_SEQPACKET, PROGRAM_REQUEST);
	gateway_lab_round();
	ck_assert_int_eq(send(talk[0], "", 1, 0), 1);
	ck_assert_int_eq(recv(talk[0], &status, 1, 0), 1);
	for (int i = 0; i < 40; i++)
		gateway_lab_round(); /* all of them, a turn each */
	for (int i = 0; i < 2; i++)
		ck_assert_msg(recv(fd[i], &status, 1, MSG_DONTWAIT) == -1, "closed: %d", i);
	ck_assert_int_eq(send(talk[0], "", 1, 0), 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	for (int i = 0; i < 2; i++) {
		close(fd[i]);
		close(talk[i]);
	}
}
END_TEST

/* It came while there was no descriptor left, and nothing tells of it again. */
START_TEST(test_who_found_no_descriptor_is_let_in_later)
{
	struct program_request q = {.kind = PROGRAM_COLLECT};
	struct rlimit was, none;
	struct pollfd p = {.events = POLLIN};

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	p.fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	none = (struct rlimit){.rlim_cur = 4, .rlim_max = was.rlim_max}; /* poll() has 3 */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	{
		struct sockaddr_un sa;
		socklen_t len = gateway_lab_name(&sa, PROGRAM_REQUEST, 0);

		ck_assert_int_eq(connect(p.fd, (struct sockaddr *)&sa, len), 0);
	}
	gateway_lab_ask(p.fd, &q, NULL);
	gateway_lab_round();
	gateway_lab_round();
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	gateway_lab_round();
	ck_assert_int_eq(poll(&p, 1, SOON), 1);
	close(p.fd);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("gateway_strangers");

	tcase_add_checked_fixture(tc, gateway_lab_begin, gateway_lab_end);
	tcase_add_loop_test(tc, test_noise_without_end_locks_nobody_out, 0, 3);
	tcase_add_test(tc, test_who_asks_much_has_a_turn_only);
	tcase_add_loop_test(tc, test_strangers_who_say_nothing_are_bounded, 0, 2);
	tcase_add_test(tc, test_strangers_make_room_for_their_own_user);
	tcase_add_test(tc, test_who_found_no_descriptor_is_let_in_later);
	tcase_add_test(tc, test_asker_that_is_over_is_not_looked_at);
	return unit_run("gateway_strangers", tc);
}
