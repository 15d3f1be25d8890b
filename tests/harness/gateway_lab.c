/*
 * tests/harness/gateway_lab.c - a gateway, and programs played by sockets of the kernel's: tests/harness/gateway_lab.h.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/harness/gateway_lab.h"
#include "tests/harness/sockets.h"
#include "tests/harness/unit.h"

struct gateway_lab gateway_lab;

void gateway_lab_ask(int fd, struct program_request *q, struct program_reply *r)
{
	q->magic = PROGRAM_MAGIC;
	memcpy(q->secret, gateway_token(gateway_lab.g)->secret, PROGRAM_SECRET);
	ck_assert_int_eq(send(fd, q, sizeof(*q), 0), sizeof(*q));
	if (r)
		ck_assert_int_eq(recv(fd, r, sizeof(*r), 0), sizeof(*r));
}

socklen_t gateway_lab_name(struct sockaddr_un *sa, enum program_kind kind, uint32_t id)
{
	const struct program_name n = {.kind = kind, .id = id, .slot = (uint16_t)id};

	return program_address(sa, gateway_token(gateway_lab.g)->instance, &n);
}

int gateway_lab_reach(int type, enum program_kind kind)
{
	struct sockaddr_un sa;
	socklen_t len = gateway_lab_name(&sa, kind, 0);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, len), 0);
	return fd;
}

int gateway_lab_ask_once(struct program_request *q)
{
	int fd = gateway_lab_reach(SOCK_SEQPACKET, PROGRAM_REQUEST);
	struct program_reply r;

	gateway_lab_ask(fd, q, &r);
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

	gateway_lab_ask(gateway_lab.staying, &q, NULL);
	ck_assert_int_eq(recvmsg(gateway_lab.staying, &m, 0), sizeof(r));
	ck_assert_ptr_nonnull(CMSG_FIRSTHDR(&m));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	ck_assert_ptr_ne(t, MAP_FAILED);
	return t;
}

void gateway_lab_begin(void)
{
	gateway_lab.st = sockets_begin();
	ck_assert_int_eq(gateway_start(gateway_lab.st, &gateway_lab.g), 0);
	gateway_lab.staying = gateway_lab_reach(SOCK_SEQPACKET, PROGRAM_REQUEST);
	gateway_lab.table = table_get();
}

void gateway_lab_end(void)
{
	munmap(gateway_lab.table, sizeof(*gateway_lab.table));
	close(gateway_lab.staying);
	gateway_stop(gateway_lab.g);
	sockets_end(gateway_lab.st);
}

void gateway_lab_round(void)
{
	struct program_request q = {.kind = PROGRAM_STAY};
	struct program_reply r;

	gateway_lab_ask(gateway_lab.staying, &q, &r);
}

uint32_t slot_make(int type, int protocol)
{
	uint32_t id = program_slot_take(gateway_lab.table);
	struct program_slot *s = program_slot_of(gateway_lab.table, id);

	ck_assert_ptr_nonnull(s);
	s->family = AF_INET;
	s->type = (uint16_t)type;
	s->protocol = (uint16_t)protocol;
	return id;
}

int program_socket(uint32_t id, int type)
{
	struct sockaddr_un sa;
	socklen_t len =
	    gateway_lab_name(&sa, type == SOCK_STREAM ? PROGRAM_STREAM : PROGRAM_DGRAM, id);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, len), 0);
	atomic_store(&program_slot_of(gateway_lab.table, id)->pid, getpid());
	return fd;
}
