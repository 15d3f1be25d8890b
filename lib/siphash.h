/* lib/siphash.h - SipHash-2-4 (Aumasson, Bernstein 2012): keyed hash of tables, ports and ISNs. */
#pragma once
#include <stddef.h>
#include <stdint.h>

uint64_t siphash(const void *data, size_t n, const uint8_t key[16]);
