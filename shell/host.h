/*
 * shell/host.h - between host.c, which asks the kernel, and host_check.c, which judges.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct host;

/* An address of the host, with its subnet, or a route. */
struct host_net {
	uint32_t net; /* host byte order; of an address: the address itself */
	unsigned len;
	unsigned ifindex; /* 0: none (blackhole, multipath) */
	bool is_addr;
};

/* Before it is opened: is there such an interface? */
void host_note_device(struct host *h, unsigned device, bool known);
const struct host_net *host_nets(const struct host *h, unsigned *n);
