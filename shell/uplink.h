/*
 * shell/uplink.h - how a program on weft gets beyond the host: what is missing for that, and the commands.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "socket/program.h"

#define UPLINK_RULE 256

/* A device of weft's, as its programs see it. */
struct uplink {
	char dev[16];  /* "": none but loopback */
	uint32_t addr; /* weft's, host order, as are the others */
	uint32_t mask;
	uint32_t host; /* the kernel's address on the same interface; 0: none */
	bool tap;      /* the host's end is the way out; else it is a network of the host's */
	bool apart;    /* in a namespace that weft made for itself: there is no way out */
};

/* In weft's namespace; stay is the connection of program_stay(). */
void uplink_find(struct uplink *u, int stay, const struct program_token *token);
/* How addr, beyond weft's networks, is reached; each line begins with `lead`. */
void uplink_explain(FILE *out, const char *lead, const struct uplink *u, uint32_t addr);
/* The default route goes to the host, which does not forward: says so. */
void uplink_forwarding(FILE *out, const char *lead, const struct uplink *u, const char *gateway);
/* The command by which the host masquerades what comes from net; UPLINK_RULE bytes are enough. */
void uplink_masquerade(char *text, size_t size, const char *net, const char *dev);
/* The host forwards, by its own setting in this namespace. */
bool uplink_forwards(void);
