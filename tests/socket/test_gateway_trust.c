/*
 * tests/socket/test_gateway_trust.c - the gateway believes nothing: what a program wrote into the table, who connects
 * or sends to its names, who has a program's name.  Programs are played by sockets of the kernel's.
 */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/gateway_lab.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

#define NOBODY 65534
#define SOON 10000 /* ms */

/* Bound in the stack to a port of 127.0.0.1, which is returned. */
static uint16_t bound(uint32_t id)
{
	struct program_request q = {.kind = PROGRAM_BIND, .id = id, .len = SA_LEN};
	struct sockaddr_in a = in4("127.0.0.1", 0);

	memcpy(q.bytes, &a, SA_LEN);
	ck_assert_int_eq(gateway_lab_ask_once(&q), 0);
	return program_slot_of(gateway_lab.table, id)->local.port;
}

static int connecting(uint16_t port)
{
	struct sockaddr_in a = in4("127.0.0.1", port);
	int fd = sockets_open(SOCK_STREAM | SOCK_NONBLOCK, 0);

	ck_assert(weft_connect(fd, sa(&a), SA_LEN) == 0 || errno == EINPROGRESS);
	return fd;
}

/* And closed here. */
static void reset(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	ck_assert_int_eq(weft_poll(&p, 1, SOON), 1);
	ck_assert_int_eq(weft_recv(fd, &(char){0}, 1, 0), -1);
	ck_assert_int_eq(errno, ECONNRESET);
	weft_close(fd);
}

/* All that are free become a process's, without sockets.  How many. */
static unsigned slots_forge(int pid)
{
	unsigned n = 0;

	for (uint32_t id; (id = program_slot_take(gateway_lab.table)); n++) {
		program_slot_of(gateway_lab.table, id)->type = SOCK_STREAM;
		atomic_store(&program_slot_of(gateway_lab.table, id)->pid, pid);
	}
	return n;
}

static unsigned slots_taken(void)
{
	unsigned n = 0;

	for (uint32_t i = 1; i < PROGRAM_SLOTS; i++)
		n += atomic_load(&gateway_lab.table->slot[i].word) & 1;
	return n;
}

/* Another user's process; its status. */
static int other_user(int (*what)(uint32_t), uint32_t id)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(geteuid() == 0 && (setgroups(0, NULL) || setuid(NOBODY)) ? 99 : what(id));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int open_status(uint32_t id)
{
	struct program_request q = {.kind = PROGRAM_OPEN, .id = id};

	return -gateway_lab_ask_once(&q);
}

/* The type in the table is the program's to write, with any bits. */
START_TEST(test_raw_socket_not_by_flags_in_the_type)
{
	ck_assert_int_eq(other_user(open_status, slot_make(SOCK_RAW, IPPROTO_ICMP)), EPERM);
	ck_assert_int_eq(other_user(open_status, slot_make(SOCK_RAW | SOCK_NONBLOCK, IPPROTO_ICMP)),
			 EPERM);
}
END_TEST

/* The slot that the gateway takes for a connection is one that it has an end of already. */
START_TEST(test_slot_made_free_by_a_program_harms_its_connections_only)
{
	uint32_t id = slot_make(SOCK_STREAM, IPPROTO_TCP),
		 other = slot_make(SOCK_STREAM, IPPROTO_TCP);
	struct program_request q = {.kind = PROGRAM_LISTEN, .id = id, .name = 8},
			       open = {.kind = PROGRAM_OPEN, .id = other};
	int listener = program_socket(id, SOCK_STREAM), fd;
	struct pollfd p = {.events = POLLIN};

	program_socket(other, SOCK_STREAM);
	ck_assert_int_eq(gateway_lab_ask_once(&open), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	fd = (int)bound(id);
	ck_assert_int_eq(gateway_lab_ask_once(&q), 0);
	atomic_fetch_and(&program_slot_of(gateway_lab.table, other)->word, ~1u);
	atomic_store(&gateway_lab.table->first, 1);
	p.fd = connecting((uint16_t)fd);
	reset(p.fd); /* it has no end */
	p.fd = connecting((uint16_t)fd);
	ck_assert_int_eq(poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, SOON), 1);
	weft_close(p.fd);
	close(listener);
}
END_TEST

/* What its peer has sent is lost, and it is told. */
START_TEST(test_connection_without_a_slot_is_reset)
{
	uint32_t id = slot_make(SOCK_STREAM, IPPROTO_TCP);
	struct program_request q = {.kind = PROGRAM_LISTEN, .id = id, .name = 8};
	int listener = program_socket(id, SOCK_STREAM);
	uint16_t port;

	ck_assert_int_eq(listen(listener, 8), 0);
	port = bound(id);
	ck_assert_int_eq(gateway_lab_ask_once(&q), 0);
	slots_forge(getpid());
	reset(connecting(port));
	close(listener);
}
END_TEST

/* So many at once that others are heard between. */
START_TEST(test_table_forged_full_is_looked_at_by_turns)
{
	struct program_request q = {.kind = PROGRAM_COLLECT};
	unsigned forged = slots_forge(getpid()), turns = 1, was = slots_taken(), now;

	for (; gateway_lab_ask_once(&q) == -EAGAIN; turns++, was = now) {
		now = slots_taken();
		ck_assert_uint_lt(now, was);
		ck_assert_uint_le(was - now, 256);
	}
	ck_assert_uint_ge(turns, forged / 256);
	ck_assert_uint_eq(slots_taken(), 0);
}
END_TEST

START_TEST(test_slots_forged_by_a_process_are_free_when_it_has_ended)
{
	struct program_request q = {.kind = PROGRAM_HELLO};
	pid_t pid = fork();

	if (pid == 0) {
		ck_assert_int_eq(gateway_lab_ask_once(&q), 0);
		slots_forge(getpid());
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	while (slots_taken())
		gateway_lab_round();
}
END_TEST

/* While it is made a socket has no name yet, and its slot the last owner's number. */
START_TEST(test_slot_taken_is_kept_before_its_socket_has_a_name)
{
	struct program_request q = {.kind = PROGRAM_COLLECT};
	uint32_t id = slot_make(SOCK_STREAM, IPPROTO_TCP);

	atomic_store(&program_slot_of(gateway_lab.table, id)->pid, getpid());
	program_slot_free(gateway_lab.table, id);
	id = slot_make(SOCK_STREAM, IPPROTO_TCP);
	ck_assert_int_eq(gateway_lab_ask_once(&q), 0);
	ck_assert_ptr_nonnull(program_slot_of(gateway_lab.table, id));
}
END_TEST

/* Anybody may ring, with anything. */
START_TEST(test_bell_heard_behind_noise)
{
	uint32_t id = slot_make(SOCK_STREAM, IPPROTO_TCP);
	struct program_slot *s = program_slot_of(gateway_lab.table, id);
	struct program_request open = {.kind = PROGRAM_OPEN, .id = id},
			       round = {.kind = PROGRAM_SETTLED};
	int fd = program_socket(id, SOCK_STREAM),
	    bell = gateway_lab_reach(SOCK_DGRAM, PROGRAM_BELL);
	const int on = 1;

	ck_assert_int_eq(gateway_lab_ask_once(&open), 0);
	for (int i = 0; i < 200; i++) {
		ck_assert(program_option_store(s, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
		for (int k = 0; k < 4; k++)
			ck_assert_int_ge(send(bell, "noise", (size_t)k % 2, 0), 0);
		ck_assert_int_eq(send(bell, &id, sizeof(id), 0), sizeof(id));
		gateway_lab_round();
		ck_assert_int_eq(gateway_lab_ask_once(&round), 0);
		ck_assert_msg(atomic_load(&s->option[0]) == 0, "round %d", i);
	}
	close(bell);
	close(fd);
}
END_TEST

/* Says when it has the name, and hears when to look: is there a connection that the gateway has not closed? */
static int squat(uint32_t id, int talk)
{
	struct sockaddr_un sa;
	socklen_t len = gateway_lab_name(&sa, PROGRAM_STREAM, id);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), child;
	char none;

	if (bind(fd, (struct sockaddr *)&sa, len) || listen(fd, 8))
		return 98;
	if (send(talk, "", 1, 0) != 1 || recv(talk, &none, 1, 0) < 0)
		return 97;
	child = accept(fd, NULL, NULL);
	return child >= 0 && recv(child, &none, 1, MSG_DONTWAIT) != 0;
}

/* A listener was closed unseen, and another user has taken its name. */
START_TEST(test_connection_not_to_who_took_a_listeners_name)
{
	uint32_t id = slot_make(SOCK_STREAM, IPPROTO_TCP);
	struct program_request q = {.kind = PROGRAM_LISTEN, .id = id, .name = 8};
	int listener = program_socket(id, SOCK_STREAM), talk[2], status;
	struct pollfd p = {.events = POLLIN};
	uint16_t port;
	pid_t pid;

	if (geteuid() != 0)
		return; /* there is no other user to be */
	ck_assert_int_eq(listen(listener, 8), 0);
	port = bound(id);
	ck_assert_int_eq(gateway_lab_ask_once(&q), 0);
	close(listener);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, talk), 0);
	pid = fork();
	if (pid == 0)
		_exit(setgroups(0, NULL) || setuid(NOBODY) ? 99 : squat(id, talk[1]));
	ck_assert_int_eq(recv(talk[0], &status, 1, 0), 1);
	p.fd = connecting(port);
	ck_assert_int_eq(weft_poll(&p, 1, SOON), 1);
	ck_assert(p.revents & POLLERR);
	weft_close(p.fd);
	ck_assert_int_eq(send(talk[0], "", 1, 0), 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	close(talk[0]);
	close(talk[1]);
}
END_TEST

/* What goes to an address: its header, and one byte. */
static void send_by(int fd, uint32_t id, uint16_t port, char what)
{
	struct {
		struct program_dgram head;
		char byte;
	} d = {{.magic = PROGRAM_MAGIC, .addr = INADDR_LOOPBACK, .port = port, .named = 1}, what};
	struct sockaddr_un sa;
	socklen_t len = gateway_lab_name(&sa, PROGRAM_PEER, id);
	size_t n = sizeof(d.head) + 1;

	ck_assert_int_eq(sendto(fd, &d, n, 0, (struct sockaddr *)&sa, len), (ssize_t)n);
}

/* Who sends to the gateway's end of a UDP socket and is not that socket is not heard. */
START_TEST(test_datagram_of_a_stranger_is_not_sent)
{
	struct sockaddr_in a;
	int to = sockets_bound(SOCK_DGRAM, &a);
	uint32_t id = slot_make(SOCK_DGRAM, IPPROTO_UDP),
		 other = slot_make(SOCK_DGRAM, IPPROTO_UDP);
	int fd = program_socket(id, SOCK_DGRAM), stranger = program_socket(other, SOCK_DGRAM),
	    unnamed = socket(AF_UNIX, SOCK_DGRAM, 0);
	char got;

	bound(id);
	send_by(unnamed, id, ntohs(a.sin_port), 'u');
	send_by(stranger, id, ntohs(a.sin_port), 's');
	send_by(fd, id, ntohs(a.sin_port), 'p');
	ck_assert_int_eq(weft_recv(to, &got, 1, 0), 1);
	ck_assert_int_eq(got, 'p');
	weft_close(to);
	close(unnamed);
	close(stranger);
	close(fd);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("gateway_trust");

	tcase_add_checked_fixture(tc, gateway_lab_begin, gateway_lab_end);
	tcase_add_test(tc, test_raw_socket_not_by_flags_in_the_type);
	tcase_add_test(tc, test_slot_made_free_by_a_program_harms_its_connections_only);
	tcase_add_test(tc, test_connection_without_a_slot_is_reset);
	tcase_add_test(tc, test_table_forged_full_is_looked_at_by_turns);
	tcase_add_test(tc, test_slots_forged_by_a_process_are_free_when_it_has_ended);
	tcase_add_test(tc, test_slot_taken_is_kept_before_its_socket_has_a_name);
	tcase_add_test(tc, test_bell_heard_behind_noise);
	tcase_add_test(tc, test_connection_not_to_who_took_a_listeners_name);
	tcase_add_test(tc, test_datagram_of_a_stranger_is_not_sent);
	return unit_run("gateway_trust", tc);
}
