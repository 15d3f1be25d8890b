/* lib/wire/vnet.h - struct virtio_net_hdr as TAP passes it (virtio 1.2, 5.1.6), host byte order. */
#pragma once
#include <stdint.h>

#define VNET_HLEN 10
#define VNET_F_NEEDS_CSUM 1
#define VNET_F_DATA_VALID 2
#define VNET_GSO_NONE 0
#define VNET_GSO_TCP4 1
#define VNET_GSO_UDP 3
#define VNET_GSO_TCP6 4
#define VNET_GSO_UDP_L4 5
#define VNET_GSO_ECN 0x80

struct vnet_hdr {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset;
} __attribute__((packed));
_Static_assert(sizeof(struct vnet_hdr) == VNET_HLEN, "wire format");
