/*
 * tests/harness/gateway_lab.h - a gateway, and programs played by sockets of the kernel's: what they ask, the slots they
 * take, the names they have.
 */
#pragma once
#include <sys/socket.h>
#include <sys/un.h>

#include "socket/gateway.h"
#include "socket/program.h"

struct gateway_lab {
	struct stack *st;
	struct gateway *g;
	struct program_table *table;
	int staying; /* a connection for requests; what the gateway has answered there it has seen */
};
extern struct gateway_lab gateway_lab;

/* For tcase_add_checked_fixture(). */
void gateway_lab_begin(void);
void gateway_lab_end(void);

/* A connection to the gateway of its own. */
int gateway_lab_reach(int type, enum program_kind kind);
/* Writes the name of that kind and id to *sa; its length. */
socklen_t gateway_lab_name(struct sockaddr_un *sa, enum program_kind kind, uint32_t id);
/* Asks with the secret, and waits for the answer unless r is NULL. */
void gateway_lab_ask(int fd, struct program_request *q, struct program_reply *r);
/* The same on a connection for that alone; the answer's err. */
int gateway_lab_ask_once(struct program_request *q);
/* A round of the gateway's thread. */
void gateway_lab_round(void);

/* A slot as socket() leaves it. */
uint32_t slot_make(int type, int protocol);
/* The program's socket, under its name. */
int program_socket(uint32_t id, int type);
