/* udp/udp.h - UDP (RFC 768; RFC 1122, 4.1). */
#pragma once
#include "ip/inet_sock.h"

struct udp_state *udp_state_create(struct stack *st); /* sets st->udp; registers with ip */
void udp_state_destroy(struct stack *st);
extern const struct sock_ops udp_ops;
struct inet_table *udp_table(struct stack *st);
