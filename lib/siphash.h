/*
 * lib/siphash.h - SipHash (Aumasson, Bernstein 2012), a keyed hash: 2-4 for what a stranger may see (ISNs, cookies,
 * identifications), 1-3 for tables, of which nobody sees the hash.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

uint64_t siphash(const void *data, size_t n, const uint8_t key[16]);
uint64_t siphash13(const void *data, size_t n, const uint8_t key[16]);
