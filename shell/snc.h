/*
 * shell/snc.h - netcat: what `snc` was asked for, and its two ways to copy.
 */
#pragma once
#include "lib/ipaddr.h"
#include "shell/shell.h"

/* LOCKING: its command's thread only. */
struct snc {
	struct cmd *c;
	struct ip_addr addr;
	uint16_t port;
	const char *peer; /* ADDR:PORT as it was given */
	bool udp, listen, keep, verbose;
	const char *file;           /* -o, or NULL */
	uint64_t idle;              /* UDP: ns of silence after which it ends */
	int fd;                     /* the connection */
	int out;                    /* where received bytes go */
	unsigned in_mode, out_mode; /* S_IFMT of both */
	char *buf[2];               /* SNC_BUF bytes each: sent, received */
};

#define SNC_BUF (256u << 10)

/* Copies both ways until both ends have ended.  CMD_OK or what was told. */
int snc_stream(struct snc *s);
int snc_dgram(struct snc *s);

/* Writes what the output takes now: bytes, 0: none, -errno. */
ssize_t snc_write(struct snc *s, const char *data, size_t n);
/* "PEER: why", by -errno. */
int snc_fail(struct snc *s, int err);
/* The same for the output. */
int snc_fail_out(struct snc *s, int err);
