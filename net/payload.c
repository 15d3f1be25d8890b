/*
 * net/payload.c - the payload of a packet buffer: adding bytes and pieces, reading, unsharing.
 *
 * When the frag slots run out, what is there is gathered into pieces of the packet's own, so
 * that many small parts (fragments in reassembly, coalesced segments) still fit in one packet.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "lib/stack.h"
#include "net/net_priv.h"

#define COPY_MAX                                                                                   \
	2048u /* a part up to this is copied where the last piece has room, not referred to */

/* The bytes of the last piece behind the packet's own, when nobody else can see them. */
static uint32_t last_room(const struct pkbuf *b)
{
	const struct frag *f = b->nfrag ? &b->frag[b->nfrag - 1] : NULL;

	if (!f || piece_is_shared(f->piece))
		return 0;
	return piece_size(f->piece) - f->off - f->len;
}

static bool has_piece(const struct pkbuf *b, const struct piece *p)
{
	for (unsigned i = 0; i < b->nfrag; i++) {
		if (b->frag[i].piece == p)
			return true;
	}
	return false;
}

void pkbuf_give_piece(struct pkbuf *b, struct piece *p, uint32_t off, uint32_t len)
{
	assert(b->nfrag < PKBUF_FRAGS && !has_piece(b, p));
	assert(off <= piece_size(p) && len <= piece_size(p) - off);
	b->pinned += piece_size(p);
	b->frag[b->nfrag++] = (struct frag){p, off, len};
	b->len += len;
}

bool pkbuf_add_piece(struct pkbuf *b, struct piece *p, uint32_t off, uint32_t len)
{
	struct frag *last = b->nfrag ? &b->frag[b->nfrag - 1] : NULL;

	assert(off <= piece_size(p) && len <= piece_size(p) - off);
	if (len == 0)
		return true;
	if (last && last->piece == p && last->off + last->len == off) {
		last->len += len;
		b->len += len;
		return true;
	}
	if (b->nfrag == PKBUF_FRAGS)
		return false;
	if (!has_piece(b, p))
		b->pinned += piece_size(p);
	b->frag[b->nfrag++] = (struct frag){piece_get(p), off, len};
	b->len += len;
	return true;
}

/* --- a source of bytes: a buffer, an iovec or another packet ---------------------------------- */

struct source {
	const struct iovec *iov; /* of these, from `off` of the first on */
	size_t off;
	bool wire; /* from another stack: read as by a device, with the memory kept for that */
};

static void source_skip(struct source *s, size_t n)
{
	while (n > 0 && n >= s->iov->iov_len - s->off) {
		n -= s->iov->iov_len - s->off;
		s->off = 0;
		s->iov++;
	}
	s->off += n;
}

static void source_read(struct source *s, uint8_t *to, uint32_t n)
{
	while (n > 0) {
		const uint8_t *from = (const uint8_t *)s->iov->iov_base + s->off;
		size_t k = s->iov->iov_len - s->off;

		if (k == 0) { /* an empty iovec */
			s->iov++;
			s->off = 0;
			continue;
		}
		if (k > n)
			k = n;
		if (to != from) /* it may lie where it is to be, or near: net/landing.h */
			memmove(to, from, k);
		to += k;
		n -= (uint32_t)k;
		source_skip(s, k);
	}
}

/* Every byte of b as iovecs. */
static int iov_of(const struct pkbuf *b, struct iovec *iov)
{
	int n = 0;

	if (pkbuf_linear(b) > 0) {
		/* cast: an iovec for reading has no const of its own */
		iov[n].iov_base = (void *)(uintptr_t)(b->hdr + b->head);
		iov[n++].iov_len = pkbuf_linear(b);
	}
	for (unsigned i = 0; i < b->nfrag; i++) {
		iov[n].iov_base = piece_data(b->frag[i].piece) + b->frag[i].off;
		iov[n++].iov_len = b->frag[i].len;
	}
	return n;
}

int pkbuf_iov(struct pkbuf *b, struct iovec *iov)
{
	return iov_of(b, iov);
}

void pkbuf_read(const struct pkbuf *b, uint32_t off, void *to, uint32_t n)
{
	struct iovec iov[1 + PKBUF_FRAGS];
	struct source s = {.iov = iov};

	assert(off <= b->len && n <= b->len - off);
	if (off + n <= pkbuf_linear(b)) {
		memcpy(to, b->hdr + b->head + off, n);
		return;
	}
	iov_of(b, iov);
	source_skip(&s, off);
	source_read(&s, to, n);
}

/* --- appending -------------------------------------------------------------------------------- */

/* Into the room behind the last frag; there is some.  Bytes added. */
static int append_last(struct pkbuf *b, struct source *s, uint32_t n)
{
	struct frag *f = &b->frag[b->nfrag - 1];
	uint32_t room = last_room(b), k = n < room ? n : room;

	source_read(s, piece_data(f->piece) + f->off + f->len, k);
	f->len += k;
	b->len += k;
	return (int)k;
}

/* Into a new piece for `size` bytes; a frag slot is free.  Bytes added or -ENOMEM. */
static int append_new(struct pkbuf *b, struct source *s, uint32_t n, uint32_t size)
{
	uint32_t most = size < PIECE_LARGE ? size : PIECE_LARGE, k;
	struct piece *p = s->wire ? piece_alloc_rx(b->stack, most) : piece_alloc(b->stack, most);

	if (!p)
		return -ENOMEM;
	k = n < piece_size(p) ? n : piece_size(p);
	source_read(s, piece_data(p), k);
	b->pinned += piece_size(p);
	b->frag[b->nfrag++] = (struct frag){p, 0, k};
	b->len += k;
	return (int)k;
}

static void frags_put(struct frag *f, unsigned n)
{
	while (n > 0)
		piece_put(f[--n].piece);
}

/*
 * Gathers every frag into pieces of the packet's own with as much room again, so that what is
 * copied in the end is in proportion to the length.  0 or -ENOMEM: nothing changed.
 */
static int frags_gather(struct pkbuf *b)
{
	uint32_t linear = pkbuf_linear(b), n = b->len - linear, pinned = b->pinned;
	struct iovec iov[1 + PKBUF_FRAGS];
	struct source s = {.iov = iov};
	struct frag old[PKBUF_FRAGS];
	unsigned nold = b->nfrag;
	int k = 0;

	iov_of(b, iov);
	source_skip(&s, linear);
	memcpy(old, b->frag, sizeof(old));
	b->nfrag = 0;
	b->len = linear;
	for (; n > 0 && k >= 0; n -= k > 0 ? (uint32_t)k : 0)
		k = append_new(b, &s, n, 2 * n);
	if (k >= 0) {
		frags_put(old, nold);
		return 0;
	}
	frags_put(b->frag, b->nfrag);
	memcpy(b->frag, old, sizeof(old));
	b->nfrag = (uint8_t)nold;
	b->len += n;
	b->pinned = pinned;
	return k;
}

static int append_source(struct pkbuf *b, struct source *s, uint32_t n)
{
	uint32_t before = b->len;
	int k;

	if (n <= pkbuf_tailroom(b)) {
		source_read(s, b->hdr + b->tail, n);
		b->tail = (uint16_t)(b->tail + n);
		b->len += n;
		return 0;
	}
	for (; n > 0; n -= (uint32_t)k) {
		if (last_room(b) > 0)
			k = append_last(b, s, n);
		else if (b->nfrag < PKBUF_FRAGS)
			k = append_new(b, s, n, n);
		else
			k = frags_gather(b);
		if (k < 0) {
			pkbuf_trim_to(b, before);
			return k;
		}
	}
	return 0;
}

int pkbuf_append(struct pkbuf *b, const void *data, uint32_t n)
{
	struct iovec iov = {(void *)(uintptr_t)data, n};
	struct source s = {.iov = &iov};

	if (n > pkbuf_tailroom(b))
		return append_source(b, &s, n);
	memcpy(b->hdr + b->tail, data, n);
	b->tail = (uint16_t)(b->tail + n);
	b->len += n;
	return 0;
}

int pkbuf_append_iov(struct pkbuf *b, const struct iovec *iov, int niov, size_t skip, uint32_t n)
{
	struct source s = {.iov = iov};

	assert(niov > 0 || n == 0);
	(void)niov;
	if (n == 0)
		return 0;
	source_skip(&s, skip);
	return append_source(b, &s, n);
}

int pkbuf_append_copy(struct pkbuf *b, const struct pkbuf *from, uint32_t off, uint32_t n)
{
	struct iovec iov[1 + PKBUF_FRAGS];
	struct source s = {.iov = iov, .wire = from->stack != b->stack};

	assert(off <= from->len && n <= from->len - off);
	if (n == 0)
		return 0;
	iov_of(from, iov);
	source_skip(&s, off);
	return append_source(b, &s, n);
}

/* n bytes of a frag, from its `off`: copied if lent, or small and there is room, else by reference. */
static int append_frag(struct pkbuf *b, const struct frag *f, uint32_t off, uint32_t n)
{
	struct iovec iov = {piece_data(f->piece) + f->off + off, n};
	struct source s = {.iov = &iov};
	int r = 0;

	if (f->piece->class == DEPOT_CLASSES || (n <= COPY_MAX && n <= last_room(b)))
		return append_source(b, &s, n);
	while (r == 0 && !pkbuf_add_piece(b, f->piece, f->off + off, n))
		r = frags_gather(b);
	return r;
}

int pkbuf_append_from(struct pkbuf *b, const struct pkbuf *from, uint32_t off, uint32_t n)
{
	uint32_t before = b->len, have = pkbuf_linear(from), k;
	int r = 0;

	assert(off <= from->len && n <= from->len - off);
	if (off < have) {
		k = n < have - off ? n : have - off;
		r = pkbuf_append(b, from->hdr + from->head + off, k);
		n -= k;
	}
	off = off > have ? off - have : 0;
	for (unsigned i = 0; n > 0 && r == 0; i++) {
		const struct frag *f = &from->frag[i];

		if (off >= f->len) {
			off -= f->len;
			continue;
		}
		k = n < f->len - off ? n : f->len - off;
		r = append_frag(b, f, off, k);
		n -= k;
		off = 0;
	}
	if (r < 0)
		pkbuf_trim_to(b, before);
	return r;
}

/* --- writing ---------------------------------------------------------------------------------- */

int pkbuf_unshare(struct pkbuf *b)
{
	for (unsigned i = 0; i < b->nfrag; i++) {
		struct frag *f = &b->frag[i];
		struct piece *old = f->piece, *p;

		if (!piece_is_shared(old))
			continue;
		p = piece_alloc(b->stack, f->len);
		if (!p)
			return -ENOMEM;
		memcpy(piece_data(p), piece_data(old) + f->off, f->len);
		*f = (struct frag){p, 0, f->len};
		if (has_piece(b, old))
			b->pinned += piece_size(p);
		piece_put(old);
	}
	return 0;
}

/* A program's memory is shared with the program. */
int pkbuf_settle_landed(struct pkbuf *b)
{
	int r = pkbuf_unshare(b);

	if (r == 0)
		b->landed = false;
	return r;
}

void pkbuf_poke(struct pkbuf *b, uint32_t off, uint8_t value)
{
	uint32_t have = pkbuf_linear(b);
	struct frag *f = b->frag;

	assert(off < b->len);
	if (off < have) {
		b->hdr[b->head + off] = value;
		return;
	}
	for (off -= have; off >= f->len; f++)
		off -= f->len;
	assert(!piece_is_shared(f->piece));
	piece_data(f->piece)[f->off + off] = value;
}
