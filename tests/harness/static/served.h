/*
 * tests/harness/static/served.h - what the files of the program share: it ends where something is not as it must be.
 */
#pragma once
#include <err.h>
#include <errno.h>
#include <netinet/in.h>

#define must(what)                                                                                 \
	do {                                                                                       \
		if (!(what))                                                                       \
			err(1, "%d: %s", __LINE__, #what);                                         \
	} while (0)

/* In decimal; one that is none ends the program. */
struct sockaddr_in address(const char *ip, const char *port);
/* ADDR PORT: datagrams to an echo service there.  served_udp.c */
int run_udp(char **v);
