/*
 * tests/socket/test_gateway_trust.c - the gateway believes nothing: what a program wrote into the table, who connects
 * or sends to its names, who has a program's name.  Programs are played by sockets of the kernel's.
 */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "socket/gateway.h"
#include "socket/program.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

#define NOBODY 65534
#define SOON 10000 /* ms */

static struct stack *st;
static struct gateway *g;
static struct program_table *table;
static int
    staying; /* a connection for requests, and what the gateway has answered there it has seen */

static void ask(int fd, struct program_request *q, struct program_reply *r)
{
	q->magic = PROGRAM_MAGIC;
	memcpy(q->secret, gateway_token(g)->secret, PROGRAM_SECRET);
	ck_assert_int_eq(send(fd, q, sizeof(*q), 0), sizeof(*q));
	if (r)
		ck_assert_int_eq(recv(fd, r, sizeof(*r), 0), sizeof(*r));
}

static socklen_t name(struct sockaddr_un *sa, enum program_kind kind, uint32_t id)
{
	const struct program_name n = {.kind = kind, .id = id, .slot = (uint16_t)id};

	return program_address(sa, gateway_token(g)->instance, &n);
}

static int to_gateway(int type, enum program_kind kind)
{
	struct sockaddr_un sa;
	socklen_t len = name(&sa, kind, 0);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, len), 0);
	return fd;
}

static int ask_once(struct program_request *q)
{
	int fd = to_gateway(SOCK_SEQPACKET, PROGRAM_REQUEST);
	struct program_reply r;

	ask(fd, q, &r);
	close(fd);
	return r.err;
}

/* The table's descriptor comes with the answer. */
static struct program_table *table_get(void)
{
	struct program_request q = {.kind = PROGRAM_STAY};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} a;
	struct program_reply r;
	struct iovec iov = {&r, sizeof(r)};
	struct msghdr m = {
	    .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &a, .msg_controllen = sizeof(a)};
	struct program_table *t;
	int fd;

	ask(staying, &q, NULL);
	ck_assert_int_eq(recvmsg(staying, &m, 0), sizeof(r));
	ck_assert_ptr_nonnull(CMSG_FIRSTHDR(&m));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	ck_assert_ptr_ne(t, MAP_FAILED);
	return t;
}

static void setup(void)
{
	st = sockets_begin();
	ck_assert_int_eq(gateway_start(st, &g), 0);
	staying = to_gateway(SOCK_SEQPACKET, PROGRAM_REQUEST);
	table = table_get();
}

static void teardown(void)
{
	munmap(table, sizeof(*table));
	close(staying);
	gateway_stop(g);
	sockets_end(st);
}

/* A round of the gateway's thread. */
static void seen(void)
{
	struct program_request q = {.kind = PROGRAM_STAY};
	struct program_reply r;

	ask(staying, &q, &r);
}

/* A slot as socket() leaves it. */
static uint32_t slot(int type, int protocol)
{
	uint32_t id = program_slot_take(table);
	struct program_slot *s = program_slot_of(table, id);

	ck_assert_ptr_nonnull(s);
	s->family = AF_INET;
	s->type = (uint16_t)type;
	s->protocol = (uint16_t)protocol;
	return id;
}

/* The program's socket, under its name. */
static int program(uint32_t id, int type)
{
	struct sockaddr_un sa;
	socklen_t len = name(&sa, type == SOCK_STREAM ? PROGRAM_STREAM : PROGRAM_DGRAM, id);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, len), 0);
	atomic_store(&program_slot_of(table, id)->pid, getpid());
	return fd;
}

/* Bound in the stack to a port of 127.0.0.1, which is returned. */
static uint16_t bound(uint32_t id)
{
	struct program_request q = {.kind = PROGRAM_BIND, .id = id, .len = SA_LEN};
	struct sockaddr_in a = in4("127.0.0.1", 0);

	memcpy(q.bytes, &a, SA_LEN);
	ck_assert_int_eq(ask_once(&q), 0);
	return program_slot_of(table, id)->local.port;
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

	for (uint32_t id; (id = program_slot_take(table)); n++) {
		program_slot_of(table, id)->type = SOCK_STREAM;
		atomic_store(&program_slot_of(table, id)->pid, pid);
	}
	return n;
}

static unsigned slots_taken(void)
{
	unsigned n = 0;

	for (uint32_t i = 1; i < PROGRAM_SLOTS; i++)
		n += atomic_load(&table->slot[i].word) & 1;
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

	return -ask_once(&q);
}

/* The type in the table is the program's to write, with any bits. */
START_TEST(test_raw_socket_not_by_flags_in_the_type)
{
	ck_assert_int_eq(other_user(open_status, slot(SOCK_RAW, IPPROTO_ICMP)), EPERM);
	ck_assert_int_eq(other_user(open_status, slot(SOCK_RAW | SOCK_NONBLOCK, IPPROTO_ICMP)),
			 EPERM);
}
END_TEST

/* The slot that the gateway takes for a connection is one that it has an end of already. */
START_TEST(test_slot_made_free_by_a_program_harms_its_connections_only)
{
	uint32_t id = slot(SOCK_STREAM, IPPROTO_TCP), other = slot(SOCK_STREAM, IPPROTO_TCP);
	struct program_request q = {.kind = PROGRAM_LISTEN, .id = id, .name = 8},
			       open = {.kind = PROGRAM_OPEN, .id = other};
	int listener = program(id, SOCK_STREAM), fd;
	struct pollfd p = {.events = POLLIN};

	program(other, SOCK_STREAM);
	ck_assert_int_eq(ask_once(&open), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	fd = (int)bound(id);
	ck_assert_int_eq(ask_once(&q), 0);
	atomic_fetch_and(&program_slot_of(table, other)->word, ~1u);
	atomic_store(&table->first, 1);
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
	uint32_t id = slot(SOCK_STREAM, IPPROTO_TCP);
	struct program_request q = {.kind = PROGRAM_LISTEN, .id = id, .name = 8};
	int listener = program(id, SOCK_STREAM);
	uint16_t port;

	ck_assert_int_eq(listen(listener, 8), 0);
	port = bound(id);
	ck_assert_int_eq(ask_once(&q), 0);
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

	for (; ask_once(&q) == -EAGAIN; turns++, was = now) {
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
		ck_assert_int_eq(ask_once(&q), 0);
		slots_forge(getpid());
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	while (slots_taken())
		seen();
}
END_TEST

/* While it is made a socket has no name yet, and its slot the last owner's number. */
START_TEST(test_slot_taken_is_kept_before_its_socket_has_a_name)
{
	struct program_request q = {.kind = PROGRAM_COLLECT};
	uint32_t id = slot(SOCK_STREAM, IPPROTO_TCP);

	atomic_store(&program_slot_of(table, id)->pid, getpid());
	program_slot_free(table, id);
	id = slot(SOCK_STREAM, IPPROTO_TCP);
	ck_assert_int_eq(ask_once(&q), 0);
	ck_assert_ptr_nonnull(program_slot_of(table, id));
}
END_TEST

/* Anybody may ring, with anything. */
START_TEST(test_bell_heard_behind_noise)
{
	uint32_t id = slot(SOCK_STREAM, IPPROTO_TCP);
	struct program_slot *s = program_slot_of(table, id);
	struct program_request open = {.kind = PROGRAM_OPEN, .id = id},
			       round = {.kind = PROGRAM_SETTLED};
	int fd = program(id, SOCK_STREAM), bell = to_gateway(SOCK_DGRAM, PROGRAM_BELL);
	const int on = 1;

	ck_assert_int_eq(ask_once(&open), 0);
	for (int i = 0; i < 200; i++) {
		ck_assert(program_option_store(s, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
		for (int k = 0; k < 4; k++)
			ck_assert_int_ge(send(bell, "noise", (size_t)k % 2, 0), 0);
		ck_assert_int_eq(send(bell, &id, sizeof(id), 0), sizeof(id));
		seen();
		ck_assert_int_eq(ask_once(&round), 0);
		ck_assert_msg(atomic_load(&s->option[0]) == 0, "round %d", i);
	}
	close(bell);
	close(fd);
}
END_TEST

static void noise_once(enum program_kind kind)
{
	struct sockaddr_un sa;
	socklen_t len = name(&sa, kind, 0);
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
		if (pid[i] == 0)
			prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (pid[i] == 0)
			noise_once(kind[_i]);
	}
	for (int i = 0; i < 100; i++)
		seen();
	for (int i = 0; i < 3; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
}
END_TEST

/* Who asked once behind them is answered before the last of them; or a try came too late. */
START_TEST(test_who_asks_much_has_a_turn_only)
{
	struct program_request q = {.kind = PROGRAM_STAY};
	int much = to_gateway(SOCK_SEQPACKET, PROGRAM_REQUEST), n = 140, tries = 0;
	struct program_reply r;

	while (n == 140) {
		ck_assert_int_lt(tries++, 5);
		slots_forge(getpid());
		for (n = 0; n < 140; n++) {
			ask(much, &q, NULL);
			q.kind = n < 70 ? PROGRAM_COLLECT : PROGRAM_SETTLED; /* slow at first */
		}
		ask(staying, &q, &r);
		for (n = 0; recv(much, &r, sizeof(r), MSG_DONTWAIT) == sizeof(r);)
			n++;
	}
	close(much);
}
END_TEST

/* Says when it has the name, and hears when to look: is there a connection that the gateway has not closed? */
static int squat(uint32_t id, int talk)
{
	struct sockaddr_un sa;
	socklen_t len = name(&sa, PROGRAM_STREAM, id);
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
	uint32_t id = slot(SOCK_STREAM, IPPROTO_TCP);
	struct program_request q = {.kind = PROGRAM_LISTEN, .id = id, .name = 8};
	int listener = program(id, SOCK_STREAM), talk[2], status;
	struct pollfd p = {.events = POLLIN};
	uint16_t port;
	pid_t pid;

	if (geteuid() != 0)
		return; /* there is no other user to be */
	ck_assert_int_eq(listen(listener, 8), 0);
	port = bound(id);
	ck_assert_int_eq(ask_once(&q), 0);
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
	socklen_t len = name(&sa, PROGRAM_PEER, id);
	size_t n = sizeof(d.head) + 1;

	ck_assert_int_eq(sendto(fd, &d, n, 0, (struct sockaddr *)&sa, len), (ssize_t)n);
}

/* Who sends to the gateway's end of a UDP socket and is not that socket is not heard. */
START_TEST(test_datagram_of_a_stranger_is_not_sent)
{
	struct sockaddr_in a;
	int to = sockets_bound(SOCK_DGRAM, &a);
	uint32_t id = slot(SOCK_DGRAM, IPPROTO_UDP), other = slot(SOCK_DGRAM, IPPROTO_UDP);
	int fd = program(id, SOCK_DGRAM), stranger = program(other, SOCK_DGRAM),
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

/* To connect a socket, or to ask: those who say nothing make room for others. */
START_TEST(test_strangers_who_say_nothing_are_bounded)
{
	static const int type[] = {SOCK_STREAM, SOCK_SEQPACKET};
	static const enum program_kind kind[] = {PROGRAM_DATA, PROGRAM_REQUEST};
	int fd[600];
	struct pollfd p = {.events = POLLIN};

	for (int i = 0; i < 600; i++)
		fd[i] = to_gateway(type[_i], kind[_i]);
	p.fd = fd[0];
	ck_assert_int_eq(poll(&p, 1, SOON), 1);
	ck_assert_int_eq(recv(fd[0], &(char){0}, 1, 0), 0);
	seen();
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
		socklen_t len = name(&sa, kind[i % 2], 0);

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
	fd[0] = to_gateway(SOCK_STREAM, PROGRAM_DATA); /* it has no copies of the gateway's */
	fd[1] = to_gateway(SOCK_SEQPACKET, PROGRAM_REQUEST);
	seen();
	ck_assert_int_eq(send(talk[0], "", 1, 0), 1);
	ck_assert_int_eq(recv(talk[0], &status, 1, 0), 1);
	for (int i = 0; i < 40; i++)
		seen(); /* all of them, a turn each */
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
		socklen_t len = name(&sa, PROGRAM_REQUEST, 0);

		ck_assert_int_eq(connect(p.fd, (struct sockaddr *)&sa, len), 0);
	}
	ask(p.fd, &q, NULL);
	seen();
	seen();
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	seen();
	ck_assert_int_eq(poll(&p, 1, SOON), 1);
	close(p.fd);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("gateway_trust");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_raw_socket_not_by_flags_in_the_type);
	tcase_add_test(tc, test_slot_made_free_by_a_program_harms_its_connections_only);
	tcase_add_test(tc, test_connection_without_a_slot_is_reset);
	tcase_add_test(tc, test_table_forged_full_is_looked_at_by_turns);
	tcase_add_test(tc, test_slots_forged_by_a_process_are_free_when_it_has_ended);
	tcase_add_test(tc, test_slot_taken_is_kept_before_its_socket_has_a_name);
	tcase_add_test(tc, test_bell_heard_behind_noise);
	tcase_add_loop_test(tc, test_noise_without_end_locks_nobody_out, 0, 3);
	tcase_add_test(tc, test_who_asks_much_has_a_turn_only);
	tcase_add_test(tc, test_connection_not_to_who_took_a_listeners_name);
	tcase_add_test(tc, test_datagram_of_a_stranger_is_not_sent);
	tcase_add_loop_test(tc, test_strangers_who_say_nothing_are_bounded, 0, 2);
	tcase_add_test(tc, test_strangers_make_room_for_their_own_user);
	tcase_add_test(tc, test_who_found_no_descriptor_is_let_in_later);
	return unit_run("gateway_trust", tc);
}
