/*
 * net/packet.h - between the files of the packet device: packet_open.c gets sockets from the
 * kernel, packet.c reads and writes them, packet_link.c follows the interface.
 */
#pragma once
#include "net/netdev.h"
#include "net/rxbuf.h"

#define PACKET_QUEUES_MAX 16
#define PACKET_SLOT 2048u  /* bytes of the ring for a wire frame and what is told of it */
#define PACKET_SLOTS 4096u /* as many as a window of wire frames */

/*
 * LOCKING
 *	c	constant after creation		a	atomic
 */
struct packet {
	int ifindex;              /* c */
	uint32_t mtu_max;         /* c: what --mtu allows; 0: whatever the interface has */
	_Atomic uint32_t mtu_had; /* a: the interface's, when last looked at */
};

/* LOCKING: the holder of the queue's word; constant after creation where it says so. */
struct packet_queue {
	struct rxbuf rx;
	uint8_t *ring; /* shared with the kernel, which it is constant for; NULL: there is none */
	unsigned next; /* the slot to look at */
};

/* What a packet device is made of. */
struct packet_fds {
	int link; /* rtnetlink: tells of changed links; -1: none */
	unsigned n;
	int queue[PACKET_QUEUES_MAX]; /* packet sockets, bound */
	uint8_t *ring[PACKET_QUEUES_MAX];
};

/* A slot of the ring, until it is released. */
struct packet_frame {
	const uint8_t *data;
	uint32_t len;
	struct vnet_hdr vnet;
	bool at_socket;  /* whole; here is only its beginning */
	bool cut;        /* the rest is nowhere, unless at_socket */
	uint32_t status; /* TP_STATUS_VLAN_... */
	uint16_t vlan_tci, vlan_tpid;
};

/* net/packet_ring.c, before the socket is bound.  0 or -errno. */
int packet_ring_open(int fd, uint8_t **ring);
void packet_ring_close(uint8_t *ring);
/* The next frame, if there is one: to be released. */
bool packet_ring_next(const struct packet_queue *pq, struct packet_frame *f);
void packet_ring_release(struct packet_queue *pq);

void packet_fds_close(const struct packet_fds *fds);
/*
 * Registers a device of them, whose address is cfg->mac.  They are the device's from now on, and so
 * is p, also when this fails.
 */
int packet_attach(struct stack *st, const struct packet_config *cfg, struct packet *p,
		  const struct packet_fds *fds, struct netdev **out);

/* Is the interface up and connected, and what is its MTU?  0; -ENODEV: it is gone. */
int packet_look(struct netdev *dev);
/* netdev_ops */
int packet_link(struct netdev *dev);
int packet_set_mtu(struct netdev *dev, uint32_t mtu);
