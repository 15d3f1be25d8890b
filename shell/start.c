/*
 * shell/start.c - weft from its options to its end.
 *
 * What needs privilege comes first: files, namespace, control socket, devices, the host's end.  Then it
 * confines itself, and only then come the threads.
 */
#include "shell/start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ip/route.h"
#include "lib/text.h"
#include "shell/control.h"
#include "shell/shell_priv.h"
#include "socket/gateway.h"

/* In one write: others write there too. */
static void line_say(const char *line)
{
	char *shown = text_shown(line);

	fprintf(stderr, "weft: %s\n", shown ? shown : strerror(ENOMEM));
	free(shown);
}

void shell_error(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fflush(stdout);
	line_say(line);
}

void shell_verbose(const struct options *o, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (!o->verbose)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	line_say(line);
}

void shell_ready(struct shell *sh)
{
	int fd = sh->options->ready_fd;

	fflush(stdout);
	if (!fd)
		fputs("weft: ready\n", stderr);
	else if (write(fd, "", 1) == 1)
		close(fd);
}

void shell_stop(struct shell *sh, int status)
{
	int none = -1;

	atomic_compare_exchange_strong(&sh->status, &none, status);
	atomic_store(&sh->stopping, true);
	waiter_wake(sh->stack->env, sh->watcher);
}

/* --- what needs privilege ---------------------------------------------------------------------- */

static int files_open(struct shell *sh)
{
	const struct options *o = sh->options;

	for (unsigned i = 0; i < o->nsource; i++) {
		if (!o->source[i].is_file)
			continue;
		sh->files[i] = open(o->source[i].text, O_RDONLY | O_CLOEXEC);
		if (sh->files[i] < 0) {
			shell_error("-f: %s: %s", o->source[i].text, strerror(errno));
			return -1;
		}
	}
	return 0;
}

static int gateway_open(struct shell *sh)
{
	struct route r = {.net = ip_addr_any4, .prefix = IP_PREFIX4(0), .type = ROUTE_UNICAST};
	struct batch b;
	int err;

	if (!sh->options->gateway)
		return 0;
	ip_addr_parse(sh->options->gateway, &r.gateway);
	batch_begin(&b, sh->stack);
	err = route_add(sh->stack, &r);
	batch_end(&b);
	if (!err)
		return 0;
	shell_error("--gateway: %s: %s", sh->options->gateway,
		    err == -ENETUNREACH ? "not in the subnet of a device"
		    : err == -EINVAL    ? "not the address of another host"
					: strerror(-err));
	return -1;
}

static int devices_open(struct shell *sh, bool rootless)
{
	struct host *h = host_open();
	int err = h ? 0 : -1;

	if (h && rootless)
		host_loopback_up(h);
	devices_told(sh->stack);
	for (unsigned i = 0; !err && i < sh->options->ndevice; i++)
		err = device_open(sh, h, i);
	if (h)
		host_close(h);
	return err;
}

/* --- begin and end ------------------------------------------------------------------------------ */

static int stack_open(struct shell *sh)
{
	struct env *env = env_thread_create();

	sh->stack = env ? stack_create(env) : NULL;
	if (sh->stack) {
		sh->watcher = stack_waiter(sh->stack);
		return 0;
	}
	if (env)
		env_thread_destroy(env);
	shell_error("no memory");
	return -1;
}

static void stack_close(struct shell *sh)
{
	struct env *env = sh->stack->env;

	stack_destroy(sh->stack);
	env_thread_destroy(env);
}

static int threads_start(struct shell *sh)
{
	int err = stack_threads_start(sh->stack);

	if (err)
		shell_error("threads: %s", strerror(-err));
	return err;
}

static int front_start(struct shell *sh)
{
	const struct options *o = sh->options;
	bool front = !o->daemon || o->nsource;
	int err = 0;

	if (!(o->daemon && front))
		shell_ready(sh);
	if (front) {
		sh->front.shell = sh;
		sh->front.client = -1;
		sh->has_front = true;
		err = shell_thread_start(&sh->front.thread, front_thread, sh);
	}
	if (!err)
		return 0;
	sh->has_front = false;
	shell_error("threads: %s", strerror(-err));
	return -1;
}

/* With stack and control socket: devices to the end.  False: it did not come to run. */
static bool start_run(struct shell *sh, bool rootless)
{
	if (devices_open(sh, rootless) || confine(sh->options) || threads_start(sh))
		return false;
	if ((sh->options->probe && start_probe(sh)) || gateway_open(sh) || front_start(sh))
		return false;
	shell_watch(sh);
	return true;
}

static int start_stack(struct shell *sh, const char *control, bool rootless)
{
	bool ran;

	if (stack_open(sh))
		return CMD_FAIL;
	sh->control = control_open(control);
	ran = sh->control && start_run(sh, rootless);
	if (sh->control) {
		jobs_stop(sh);
		control_close(sh->control);
		if (sh->gateway)
			gateway_stop(sh->gateway);
	}
	stack_close(sh);
	return ran ? atomic_load(&sh->status) : CMD_FAIL;
}

/* The command as it can be typed: this program need not be on the PATH. */
static void rootless_tell(const struct options *o)
{
	char addr[IP_ADDR_TEXT];

	shell_error("no CAP_NET_ADMIN: a user and network namespace of its own; the host's end is "
		    "reached by `%s host -- nc %s 7`",
		    program_invocation_name, ip_addr_text(&o->device[0].addr, addr));
}

int start_main(const struct options *o)
{
	struct shell sh = {.options = o, .status = -1};
	bool rootless = !rootless_needless(o);
	struct control_place place;
	int status = CMD_FAIL;

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	mutex_init(&sh.lock, RANK_LEAF);
	sh.signals = signals_open();
	if (files_open(&sh) == 0 && control_dir(place.dir, sizeof(place.dir)) == 0 &&
	    (!rootless || rootless_enter() == 0) && control_choose(o, &place) == 0) {
		if (rootless && !o->ready_fd)
			rootless_tell(o);
		status = start_stack(&sh, place.path, rootless);
	}
	close(sh.signals);
	mutex_fini(&sh.lock);
	return status;
}
