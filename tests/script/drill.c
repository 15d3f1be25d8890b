/*
 * tests/script/drill.c - runs scripts: one process each, for a library is begun once.
 *
 * The order of events, the waiting and the second thread for calls that block are packetdrill's.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/script/drill.h"

#define LOCAL "192.168.0.1"
#define REMOTE "192.0.2.1"
#define FLAGS "ip=4;local=" LOCAL ";prefix=16;gateway=192.168.0.2;remote=" REMOTE ";mtu=1500"
#define SPIN_US 20

void drill_fail(struct drill *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(d->why, sizeof(d->why), fmt, ap);
	va_end(ap);
	longjmp(d->failed, 1);
}

/* --- time -------------------------------------------------------------------------------------- */

static int64_t library_time(struct drill *d)
{
	struct timeval tv;

	d->ifc.gettimeofday(d->ifc.userdata, &tv, NULL);
	return (int64_t)tv.tv_sec * 1000000 + tv.tv_usec;
}

int64_t drill_time(struct drill *d)
{
	return library_time(d) - d->began;
}

static void wait_until(struct drill *d, int64_t at)
{
	int64_t now;

	while ((now = drill_time(d)) < at) {
		if (at - now > SPIN_US)
			d->ifc.usleep(d->ifc.userdata, (useconds_t)(at - now - SPIN_US));
	}
}

/* When the event is due, on the script's clock. */
static int64_t due(const struct drill *d, const struct event *ev)
{
	return ev->relative ? d->last + ev->at : ev->at;
}

static int64_t due_end(const struct drill *d, const struct event *ev)
{
	return ev->relative ? d->last + ev->until : ev->until;
}

static void check_within(struct drill *d, const char *what, int64_t at, int64_t from, int64_t to)
{
	int64_t slack = (int64_t)((double)(to - d->last) * d->script->tolerance_percent / 100);

	if (slack < d->script->tolerance_us)
		slack = d->script->tolerance_us;
	if (at < from - slack || at > to + slack)
		drill_fail(d, "%s at %.6f s, expected at %.6f s", what, (double)at / 1e6,
			   (double)from / 1e6);
}

void drill_check_moment(struct drill *d, const char *what, int64_t at, int64_t want)
{
	check_within(d, what, at, want, want);
}

void drill_check_time(struct drill *d, const char *what, int64_t at)
{
	const struct event *ev = d->now;

	if (ev->any_time) {
		d->last = at;
		return;
	}
	check_within(d, what, at, due(d, ev), ev->range ? due_end(d, ev) : due(d, ev));
}

/* --- a call that blocks: a thread of its own ---------------------------------------------------- */

/*
 * LOCKING
 *	t	written by the thread before `done`, read after it
 */
struct blocked {
	struct drill *d;
	const struct event *ev;
	struct outcome outcome; /* t */
	int64_t end;            /* t: when it came back */
	int64_t from, to;       /* when it was to */
	pid_t tid;
	sem_t started, done;
	pthread_t thread;
	bool running;
	char failed[512]; /* t */
};

static void *blocked_run(void *arg)
{
	struct blocked *b = arg;
	struct drill own = *b->d; /* so that its failure comes back here */

	b->tid = (pid_t)syscall(SYS_gettid);
	sem_post(&b->started);
	if (setjmp(own.failed) == 0)
		call_run(&own, b->ev, &b->outcome);
	else
		memcpy(b->failed, own.why, sizeof(b->failed));
	b->end = drill_time(&own);
	if (own.nfd > b->d->nfd) { /* accept(): the new descriptor is told to all */
		b->d->script_fd[b->d->nfd] = own.script_fd[own.nfd - 1];
		b->d->live_fd[b->d->nfd++] = own.live_fd[own.nfd - 1];
		b->d->flow.fd = own.flow.fd;
	}
	sem_post(&b->done);
	return NULL;
}

/* As packetdrill: until the kernel says that it sleeps, or it is done. */
static void wait_asleep(struct blocked *b)
{
	char path[64], line[512];
	int value;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)b->tid);
	for (;;) {
		FILE *f = fopen(path, "r");
		const char *paren = NULL;

		if (f && fgets(line, sizeof(line), f))
			paren = strrchr(line, ')');
		if (f)
			fclose(f);
		if ((paren && paren[1] && paren[2] == 'S') ||
		    (sem_getvalue(&b->done, &value) == 0 && value > 0))
			return;
		sched_yield();
	}
}

static void blocked_start(struct drill *d, struct blocked *b, const struct event *ev)
{
	*b = (struct blocked){.d = d, .ev = ev, .from = due_end(d, ev)};
	b->to = b->from;
	sem_init(&b->started, 0, 0);
	sem_init(&b->done, 0, 0);
	if (pthread_create(&b->thread, NULL, blocked_run, b))
		drill_fail(d, "no thread");
	b->running = true;
	sem_wait(&b->started);
	wait_asleep(b);
}

/* Before the next call, and at the end. */
static void blocked_finish(struct drill *d, struct blocked *b)
{
	struct timespec until;

	if (!b->running)
		return;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 5;
	if (sem_timedwait(&b->done, &until))
		drill_fail(d, "%s (line %d) does not come back", b->ev->name, b->ev->line);
	pthread_join(b->thread, NULL);
	b->running = false;
	if (b->failed[0])
		drill_fail(d, "%s", b->failed);
	call_check(d, b->ev, &b->outcome);
	check_within(d, "the call's end", b->end, b->from, b->to);
}

/* --- events ------------------------------------------------------------------------------------ */

static void setting(struct drill *d, const char *name, const char *value)
{
	if (d->setting && d->setting(d->ifc.userdata, name, value) && !d->lenient)
		drill_fail(d, "setting %s=%s is refused", name, value);
}

/* name=value, of sysctl or of a path below /proc/sys. */
static void sysctl_word(struct drill *d, char *word)
{
	char *eq = strchr(word, '=');
	size_t n;

	if (!eq)
		return;
	*eq++ = '\0';
	if (!strncmp(word, "/proc/sys/", 10)) {
		word += 10;
		for (char *c = word; *c; c++)
			*c = *c == '/' ? '.' : *c;
	}
	n = strlen(eq);
	if (n > 1 && (*eq == '"' || *eq == '\'')) {
		eq[n - 1] = '\0';
		eq++;
	}
	if (!strncmp(word, "net.", 4) || !strncmp(word, "harness.", 8) ||
	    !strncmp(word, "/sys/module/", 12))
		setting(d, word, eq);
}

/* What the commands that scripts use would do to the device, told to the library. */
static bool device_command(struct drill *d, const char *line)
{
	if (!strncmp(line, "tc ", 3)) {
		if (strstr(line, " limit 0"))
			setting(d, "harness.txqueue.limit", "0");
		else if (!strstr(line, " delete "))
			setting(d, "harness.txqueue.limit", "1000");
		if (strstr(line, " fq"))
			setting(d, "harness.txqueue.pacing", "1");
		return true;
	}
	if (!strncmp(line, "ip ", 3))
		setting(d, "harness.ip", line);
	else if (!strncmp(line, "ethtool ", 8))
		setting(d, "harness.ethtool", line);
	else
		return false;
	return true;
}

/* A command to its end, a line's, a `;` or a `|`; then its words, by blanks but for those in quotes. */
static void command(struct drill *d, char *line)
{
	char *word, quote = '\0';

	if (device_command(d, line))
		return;
	while (*line) {
		while (*line == ' ' || *line == '\t')
			line++;
		for (word = line; *line && (quote || !strchr(" \t", *line)); line++) {
			if (*line == '"' || *line == '\'')
				quote = quote ? '\0' : *line;
		}
		if (*line)
			*line++ = '\0';
		sysctl_word(d, word);
	}
}

static void shell(struct drill *d, const char *text)
{
	char *copy = strdup(text), *p = copy;

	if (!copy)
		abort();
	while (*p) {
		size_t n;

		p += strspn(p, " \t\n;|");
		for (n = strcspn(p, "\n;|"); p[n] == '\n' && n && p[n - 1] == '\\';) {
			p[n - 1] = p[n] = ' '; /* a line goes on */
			n += strcspn(p + n, "\n;|");
		}
		if (p[n])
			p[n++] = '\0';
		command(d, p);
		p += n;
	}
	free(copy);
}

static void call_now(struct drill *d, const struct event *ev)
{
	struct outcome o = {0};

	call_run(d, ev, &o);
	call_check(d, ev, &o);
}

static void event_run(struct drill *d, const struct event *ev, struct blocked *b)
{
	d->now = ev;
	if (ev->kind != EVENT_OUT && !ev->any_time)
		wait_until(d, due(d, ev));
	switch (ev->kind) {
	case EVENT_CALL:
		blocked_finish(d, b);
		if (ev->blocking)
			blocked_start(d, b, ev);
		else
			call_now(d, ev);
		break;
	case EVENT_IN:
		packet_send(d, &ev->packet);
		break;
	case EVENT_OUT:
		packet_expect(d, &ev->packet);
		break;
	case EVENT_SHELL:
		shell(d, ev->text);
		break;
	case EVENT_CODE:
		code_add(d, ev);
		break;
	}
	/* what follows a packet that had a while to come is timed from when it came */
	if (ev->kind == EVENT_OUT && ev->range)
		d->last = drill_time(d);
	else if (!ev->any_time)
		d->last = due(d, ev);
}

/* --- one script -------------------------------------------------------------------------------- */

/* What comes later in the flags holds. */
__attribute__((format(printf, 3, 4))) static void flags_add(char *own, size_t max, const char *fmt,
							    ...)
{
	size_t n = strlen(own);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(own + n, max - n, fmt, ap);
	va_end(ap);
}

static void library_open(struct drill *d, const char *library, const char *flags)
{
	void (*init)(const char *flags, struct packetdrill_interface *ifc);
	int how = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
	char own[512];
	void *h;

#ifndef WEFT_SANITIZE
	how |= RTLD_DEEPBIND;
#endif
	h = dlopen(library, how);
	if (!h)
		drill_fail(d, "%s", dlerror());
	*(void **)&init = dlsym(h, "packetdrill_interface_init");
	*(void **)&d->setting = dlsym(h, "packetdrill_so_setting");
	if (!init)
		drill_fail(d, "%s", dlerror());
	snprintf(own, sizeof(own), "%s", flags);
	if (d->script->local || d->script->remote)
		flags_add(own, sizeof(own), ";local=%s;gateway=192.168.255.254",
			  d->script->local ? d->script->local : LOCAL);
	if (d->script->mtu)
		flags_add(own, sizeof(own), ";mtu=%u", d->script->mtu);
	init(own, &d->ifc);
}

static void addresses(struct drill *d)
{
	const struct script *s = d->script;

	if (inet_pton(AF_INET, s->local ? s->local : LOCAL, &d->local) != 1 ||
	    inet_pton(AF_INET, s->remote ? s->remote : REMOTE, &d->remote) != 1)
		drill_fail(d, "an address of the script is none");
}

static void script_events(struct drill *d)
{
	struct blocked b = {0};

	d->began = library_time(d) + 250;
	for (const struct event *ev = d->script->events; ev; ev = ev->next)
		event_run(d, ev, &b);
	blocked_finish(d, &b);
}

struct run {
	const char *library, *flags;
	bool lenient; /* settings the library does not know are passed over */
	bool mapped;  /* AF_INET6 sockets with mapped addresses */
	bool digest;
};

/* 0, or 1 and the reason is on stderr. */
static int script_run(const char *path, const struct run *run)
{
	/* What a script needs is there to the process's end, where leaks are looked for. */
	static struct drill *d;

	d = calloc(1, sizeof(*d));
	if (!d)
		abort();
	d->script = script_read(path);
	d->next_port = 40000;
	d->digest = 0xcbf29ce484222325;
	d->lenient = run->lenient;
	d->mapped = run->mapped;
	if (setjmp(d->failed)) {
		fprintf(stderr, "%s:%d: %s\n", path, d->now ? d->now->line : 0, d->why);
		return 1;
	}
	addresses(d);
	library_open(d, run->library, run->flags);
	code_begin(d);
	script_events(d);
	d->ifc.free(d->ifc.userdata);
	if (run->digest)
		printf("digest %016" PRIx64 " %s\n", d->digest, path);
	fflush(stdout);
	return code_judge(d) ? 0 : 1;
}

static int usage(FILE *f)
{
	fputs("usage: drill [-d] [-i] [-m] [-l LIBRARY] [-f FLAGS] SCRIPT.pkt...\n", f);
	return f == stdout ? 0 : 2;
}

/* Each in a process of its own, which ends as a program does.  Prints `ok PATH` or `not ok PATH: why`. */
static int script_fork(const char *path, const struct run *run)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(60);
		exit(script_run(path, run));
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status)) {
		printf("not ok %s: see above\n", path);
		return 1;
	}
	printf("ok %s\n", path);
	return 0;
}

int main(int argc, char **argv)
{
	struct run run = {.library = "build/libweft_packetdrill.so", .flags = FLAGS};
	int opt, failed = 0;

	while ((opt = getopt(argc, argv, "diml:f:h")) != -1) {
		if (opt == 'i')
			run.lenient = true;
		else if (opt == 'd')
			run.digest = true;
		else if (opt == 'm')
			run.mapped = true;
		else if (opt == 'l')
			run.library = optarg;
		else if (opt == 'f')
			run.flags = optarg;
		else
			return usage(opt == 'h' ? stdout : stderr);
	}
	if (optind == argc)
		return usage(stderr);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = optind; i < argc; i++)
		failed |= script_fork(argv[i], &run);
	return failed;
}
