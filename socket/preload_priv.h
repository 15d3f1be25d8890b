/*
 * socket/preload_priv.h - the preload library's own: which socket a descriptor is, and how the gateway is
 * asked.
 *
 * The kernel's calls are made by syscall(): the names of libc are the program's, and ours.
 */
#pragma once
#include <sys/syscall.h>
#include <unistd.h>

#include "socket/program.h"

#define HOOK __attribute__((visibility("default")))

/* A descriptor of the program's that is ours. */
struct preload_socket {
	uint32_t id;
	struct program_slot *slot; /* NULL: the gateway has closed it and forgotten */
	int family, type;
	bool accepted;
};

/* --- preload.c ---------------------------------------------------------------------------------------- */

const struct program_token *preload_token(void);
/* The table, fetched with the first call; NULL: no weft answers. */
struct program_table *preload_table(void);
/* False: fd is something else, or nothing. */
bool preload_find(int fd, struct preload_socket *s);
/* Asks, and waits for the answer: 0 or -errno.  q->magic and secret are filled in. */
int preload_request(struct program_request *q, struct program_reply *r);
/* One of a socket without more in it or in the answer. */
int preload_ask(enum program_request_kind kind, const struct preload_socket *s);
/* An address as a request carries it: 0 or -errno. */
int preload_ask_address(enum program_request_kind kind, const struct preload_socket *s,
			const struct sockaddr *a, socklen_t n);
/* -1 and errno of a negative errno. */
long preload_answer(long r);
/* What SO_ERROR tells: the slot's, else the kernel's; both are taken. */
int preload_error(int fd, const struct preload_socket *s);

/* --- preload_address.c ---------------------------------------------------------------------------------- */

/* Writes as much of it as *n allows, and the whole length to *n. */
void preload_address_put(const struct program_addr *p, int family, struct sockaddr *a,
			 socklen_t *n);
/* A remote that a socket of this family can reach: 0 or -errno. */
int preload_address_check(const struct sockaddr *a, socklen_t n, int family);
/* IPv4 in host order; the port too. */
uint32_t preload_address_ip4(const struct sockaddr *a, uint16_t *port);

/* --- preload_device.c ------------------------------------------------------------------------------------ */

/* The n-th interface of the stack; false past the end. */
bool preload_device(unsigned n, struct program_device *d);
/* preload_socket.c: a socket like that; a descriptor or -errno. */
int preload_socket_make(int family, int type);
