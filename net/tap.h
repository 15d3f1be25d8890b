/*
 * net/tap.h - the parts of a TAP that work without /dev/net/tun: the vnet header, and a device over
 * a descriptor that is open already.
 */
#pragma once
#include <stdbool.h>

#include "lib/wire/vnet.h"
#include "net/netdev.h"

/*
 * Reads the vnet header h of the received b, whose front is a link header of hlen bytes, into b's
 * checksum and segment fields.  False: it points outside of the packet or contradicts it.
 */
bool vnet_in(struct pkbuf *b, const struct vnet_hdr *h, unsigned hlen);
/* The vnet header that b, front at the link header, goes out with. */
void vnet_out(const struct pkbuf *b, struct vnet_hdr *h);
/* Writes b to fd behind its vnet header; consumes b.  0 or -errno. */
int vnet_xmit(int fd, struct pkbuf *b);

/*
 * Registers a device over n descriptors, a queue each, where each read and write is one frame
 * behind its vnet header and none blocks.  They are the device's from now on, also when this fails.
 */
int tap_attach(struct stack *st, const struct tap_config *cfg, const int *fd, unsigned n,
	       struct netdev **out);
