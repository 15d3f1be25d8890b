/*
 * socket/program.c - names and slots of programs' sockets, for the preload library and the gateway.
 *
 * A name is "w", its kind, the instance, and either an id of eight digits or, of a UDP peer, eight bytes:
 * slot, port and address.  It is shorter than any address another family's bind() takes (shell/confine.c).
 */
#include "socket/program.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TAG 'w'

static void peer_put(uint8_t *to, const struct program_name *n)
{
	const uint8_t b[8] = {n->slot >> 8,       (uint8_t)n->slot, n->port >> 8,
			      (uint8_t)n->port,   n->addr >> 24,    n->addr >> 16 & 255,
			      n->addr >> 8 & 255, n->addr & 255};

	memcpy(to, b, sizeof(b));
}

static void peer_get(struct program_name *n, const uint8_t *b)
{
	n->slot = (uint16_t)(b[0] << 8 | b[1]);
	n->port = (uint16_t)(b[2] << 8 | b[3]);
	n->addr = (uint32_t)b[4] << 24 | (uint32_t)b[5] << 16 | (uint32_t)b[6] << 8 | b[7];
}

socklen_t program_address(struct sockaddr_un *sa, const char *instance,
			  const struct program_name *n)
{
	char *at = sa->sun_path + 1;
	char digits[9];

	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	*at++ = TAG;
	*at++ = (char)n->kind;
	memcpy(at, instance, PROGRAM_INSTANCE);
	at += PROGRAM_INSTANCE;
	if (n->kind == PROGRAM_PEER) {
		peer_put((uint8_t *)at, n);
	} else {
		snprintf(digits, sizeof(digits), "%08x", n->id);
		memcpy(at, digits, 8);
	}
	return PROGRAM_NAME_LEN;
}

static bool id_of(uint32_t *id, const char *digits)
{
	*id = 0;
	for (int i = 0; i < 8; i++) {
		char c = digits[i];

		if (c >= '0' && c <= '9')
			*id = *id << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*id = *id << 4 | (uint32_t)(c - 'a' + 10);
		else
			return false;
	}
	return true;
}

bool program_name_of(struct program_name *n, const char *instance, const struct sockaddr_un *sa,
		     socklen_t len)
{
	const char *at = sa->sun_path + 1;

	memset(n, 0, sizeof(*n));
	if (len != PROGRAM_NAME_LEN || sa->sun_family != AF_UNIX || sa->sun_path[0] ||
	    at[0] != TAG || memcmp(at + 2, instance, PROGRAM_INSTANCE) != 0)
		return false;
	n->kind = (enum program_kind)at[1];
	at += 2 + PROGRAM_INSTANCE;
	if (n->kind != PROGRAM_PEER)
		return id_of(&n->id, at);
	peer_get(n, (const uint8_t *)at);
	return true;
}

void program_token_text(const struct program_token *t, char *text)
{
	memcpy(text, t->instance, PROGRAM_INSTANCE);
	text += PROGRAM_INSTANCE;
	*text++ = ':';
	for (int i = 0; i < PROGRAM_SECRET; i++, text += 2)
		snprintf(text, 3, "%02x", t->secret[i]);
	snprintf(text, 10, ":%08x", t->pid);
}

bool program_token_of(struct program_token *t, const char *text)
{
	unsigned byte;

	if (!text || strlen(text) != PROGRAM_TOKEN - 1 || text[PROGRAM_INSTANCE] != ':')
		return false;
	memcpy(t->instance, text, PROGRAM_INSTANCE);
	text += PROGRAM_INSTANCE + 1;
	for (int i = 0; i < PROGRAM_SECRET; i++, text += 2) {
		if (sscanf(text, "%2x", &byte) != 1)
			return false;
		t->secret[i] = (uint8_t)byte;
	}
	return *text == ':' && id_of(&t->pid, text + 1);
}

/* --- slots ---------------------------------------------------------------------------------------- */

#define INDEX(id) ((id) & (PROGRAM_SLOTS - 1))
#define GENERATION(id) ((id) >> 16)

static void top_raise(struct program_table *t, uint32_t to)
{
	uint32_t top = atomic_load(&t->top);

	while (top < to && !atomic_compare_exchange_weak(&t->top, &top, to))
		;
}

/* Slot 0 is nobody's, so no id is 0. */
uint32_t program_slot_take(struct program_table *t)
{
	uint32_t from = atomic_load(&t->first);

	for (uint32_t i = from ? from : 1; i < PROGRAM_SLOTS; i++) {
		struct program_slot *s = &t->slot[i];
		uint32_t word = atomic_load(&s->word);

		if (word & 1 || !atomic_compare_exchange_strong(&s->word, &word, word | 1))
			continue;
		atomic_store(&s->pid, 0); /* nobody's, until its socket has its name */
		atomic_compare_exchange_strong(&t->first, &from, i + 1);
		top_raise(t, i + 1);
		atomic_store(&s->state, PROGRAM_NEW);
		atomic_store(&s->error, 0);
		atomic_store(&s->flags, 0);
		atomic_store(&s->held, 0);
		atomic_store(&s->told, 0);
		atomic_store(&s->linger, 0);
		atomic_store(&s->listener, 0);
		for (unsigned k = 0; k < PROGRAM_OPTIONS; k++)
			atomic_store(&s->option[k], 0);
		atomic_store(&s->has_local, 0);
		return (word >> 1 & 0xffff) << 16 | i;
	}
	return 0;
}

struct program_slot *program_slot_of(struct program_table *t, uint32_t id)
{
	struct program_slot *s = &t->slot[INDEX(id)];

	return atomic_load(&s->word) == (GENERATION(id) << 1 | 1) && INDEX(id) ? s : NULL;
}

void program_slot_free(struct program_table *t, uint32_t id)
{
	uint32_t word = GENERATION(id) << 1 | 1, first = atomic_load(&t->first);
	struct program_slot *s = &t->slot[INDEX(id)];

	atomic_compare_exchange_strong(&s->word, &word, ((GENERATION(id) + 1) & 0xffff) << 1);
	while (first > INDEX(id) && !atomic_compare_exchange_weak(&t->first, &first, INDEX(id)))
		;
}

/* --- what was refused ----------------------------------------------------------------------------- */

#define MAKING UINT32_MAX /* of `call`: its maker fills it in */

static bool miss_is(const struct program_miss *m, int first, int second, int err)
{
	return m->first == first && m->second == second && m->err == err;
}

/* Two that come at once may have one each: who reads adds them up. */
void program_missed(struct program_table *t, enum program_call call, int first, int second, int err)
{
	for (unsigned i = 0; i < PROGRAM_MISSES; i++) {
		struct program_miss *m = &t->miss[i];
		uint32_t was = 0;

		if (atomic_compare_exchange_strong(&m->call, &was, MAKING)) {
			m->first = first;
			m->second = second;
			m->err = err;
			atomic_store(&m->call, call);
			was = call;
		}
		if (was == call && miss_is(m, first, second, err)) {
			atomic_fetch_add(&m->count, 1);
			return;
		}
	}
}

/* --- the end -------------------------------------------------------------------------------------- */

/* Not blocking, and closed at once: what is in the queue stays there and reads its end. */
void program_goodbye(const char *instance, uint32_t id, bool dgram)
{
	const struct program_name own = {.kind = PROGRAM_CHILD},
				  to = {.kind = dgram ? PROGRAM_DGRAM : PROGRAM_STREAM, .id = id};
	int type = dgram ? SOCK_DGRAM : SOCK_STREAM;
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;
	socklen_t len = program_address(&sa, instance, &own);

	if (fd < 0)
		return;
	if (bind(fd, (struct sockaddr *)&sa, len) == 0) {
		len = program_address(&sa, instance, &to);
		if (connect(fd, (struct sockaddr *)&sa, len) == 0 && dgram)
			send(fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	close(fd);
}
