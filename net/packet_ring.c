/*
 * net/packet_ring.c - the receive ring of a packet socket, shared with the kernel (TPACKET_V2):
 * wire frames are copied out of it without a call a frame, where no super-frames are expected.
 *
 * A slot is of a wire frame's size.  What does not fit, a super-frame, waits whole at the socket,
 * and its slot says so: it is read from there in one copy, in its turn.  Version 3 of the ring
 * hands frames over by the block or when a timer of a millisecond or more runs out, which is no way
 * to answer anybody (docs/performance.md).
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "net/net_priv.h"
#include "net/packet.h"

#define BLOCK (64u << 10) /* what the kernel has to find in one stretch */

int packet_ring_open(int fd, uint8_t **ring)
{
	struct tpacket_req req = {.tp_block_size = BLOCK,
				  .tp_block_nr = PACKET_SLOT * PACKET_SLOTS / BLOCK,
				  .tp_frame_size = PACKET_SLOT,
				  .tp_frame_nr = PACKET_SLOTS};
	int version = TPACKET_V2, copies = 1;
	void *p;

	if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_COPY_THRESH, &copies, sizeof(copies)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)) < 0)
		return -errno;
	p = mmap(NULL, PACKET_SLOT * PACKET_SLOTS, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	*ring = p;
	return 0;
}

void packet_ring_close(uint8_t *ring)
{
	if (ring)
		munmap(ring, PACKET_SLOT * PACKET_SLOTS);
}

static struct tpacket2_hdr *ring_slot(const struct packet_queue *pq)
{
	return (void *)(pq->ring + (size_t)pq->next * PACKET_SLOT);
}

static _Atomic uint32_t *slot_status(struct tpacket2_hdr *h)
{
	return (_Atomic uint32_t *)&h->tp_status;
}

bool packet_ring_next(const struct packet_queue *pq, struct packet_frame *f)
{
	struct tpacket2_hdr *h = ring_slot(pq);
	uint32_t status = atomic_load_explicit(slot_status(h), memory_order_acquire);

	if (!(status & TP_STATUS_USER))
		return false;
	*f = (struct packet_frame){
	    .data = (uint8_t *)h + h->tp_mac,
	    .len = h->tp_snaplen,
	    .at_socket = status & TP_STATUS_COPY,
	    .cut = h->tp_snaplen < h->tp_len,
	    .status = status,
	    .vlan_tci = h->tp_vlan_tci,
	    .vlan_tpid = h->tp_vlan_tpid,
	};
	memcpy(&f->vnet, f->data - sizeof(f->vnet), sizeof(f->vnet));
	return true;
}

void packet_ring_release(struct packet_queue *pq)
{
	atomic_store_explicit(slot_status(ring_slot(pq)), TP_STATUS_KERNEL, memory_order_release);
	pq->next = (pq->next + 1) % PACKET_SLOTS;
}
