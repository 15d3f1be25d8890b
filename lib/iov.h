/*
 * lib/iov.h - how many bytes an iovec has.
 *
 * The preload library of unmodified programs includes it too, which links nothing of weft.
 */
#pragma once
#include <sys/uio.h>

static inline size_t iov_bytes(const struct iovec *iov, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += iov[i].iov_len;
	return bytes;
}
