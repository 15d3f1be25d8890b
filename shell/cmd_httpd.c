/*
 * shell/cmd_httpd.c - `httpd`: a small web server (RFC 9112) in one thread, to try TCP with any browser.
 *
 * GET or HEAD of /hello gives a page, of /bytes/N so many patterned bytes.  The parser is http-parser's;
 * requests on one connection are answered one after the other.  No files, no timeouts.
 */
#include <errno.h>
#include <http_parser.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "shell/parse.h"
#include "shell/serve.h"

#define HTTP_IN 4096u
#define HTTP_URL 1024u
#define HTTP_BYTES_MAX (1ull << 40)
#define HTTP_TURNS 64         /* sends of one connection before the others' turn */
#define HTTP_DRAIN (1u << 20) /* of a refused request, read before the end */
#define PATTERN_PERIOD 61u    /* a prime, so that no block looks like its neighbour */
#define PATTERN_LEN (PATTERN_PERIOD * 1074u)

struct http_conn {
	struct serve_entry e; /* first: what serve frees */
	http_parser parser;
	char url[HTTP_URL + 1];
	size_t url_len; /* more than HTTP_URL: too long */
	bool complete;  /* a request has been read whole */
	bool close;     /* after the answer */
	bool drain;     /* answered: reads until the peer ends */
	char head[512];
	size_t head_off, head_len;
	uint64_t body_off, body_len; /* of patterned bytes */
	char in[HTTP_IN];
	size_t in_off, in_len;
	size_t drained;
};

static struct http_conn *http_conn_of(http_parser *p)
{
	return p->data;
}

static int http_on_url(http_parser *p, const char *at, size_t n)
{
	struct http_conn *h = http_conn_of(p);

	if (h->url_len + n <= HTTP_URL)
		memcpy(h->url + h->url_len, at, n);
	h->url_len += n;
	return 0;
}

static int http_on_complete(http_parser *p)
{
	http_conn_of(p)->complete = true;
	http_parser_pause(p, 1);
	return 0;
}

static const http_parser_settings http_settings = {
    .on_url = http_on_url,
    .on_message_complete = http_on_complete,
};

/* --- answers ----------------------------------------------------------------------------------- */

static const char *http_reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 414:
		return "URI Too Long";
	default:
		return "Request Header Fields Too Large";
	}
}

/* The head, and a short text as its body; HEAD gets the head alone. */
static void http_answer(struct http_conn *h, int status, const char *text, uint64_t bytes)
{
	bool body = h->parser.method != HTTP_HEAD;
	size_t len = text ? strlen(text) : 0;

	h->head_off = 0;
	h->head_len = (size_t)snprintf(
	    h->head, sizeof(h->head),
	    "HTTP/1.1 %d %s\r\nServer: weft\r\n%sContent-Type: %s\r\n"
	    "Content-Length: %" PRIu64 "\r\nConnection: %s\r\n\r\n%s",
	    status, http_reason(status), status == 405 ? "Allow: GET, HEAD\r\n" : "",
	    text ? "text/plain" : "application/octet-stream", text ? len : bytes,
	    h->close ? "close" : "keep-alive", text && body ? text : "");
	h->body_off = 0;
	h->body_len = !text && body ? bytes : 0;
}

static void http_refuse(struct http_conn *h, int status)
{
	char text[64];

	h->close = true;
	snprintf(text, sizeof(text), "%d %s\n", status, http_reason(status));
	http_answer(h, status, text, 0);
}

/* "/bytes/N" */
static bool http_bytes(const char *path, uint64_t *n)
{
	char *end;

	if (strncmp(path, "/bytes/", 7) || path[7] < '0' || path[7] > '9')
		return false;
	errno = 0;
	*n = strtoull(path + 7, &end, 10);
	return !errno && !*end && *n <= HTTP_BYTES_MAX;
}

static void http_request(struct http_conn *h)
{
	uint64_t n;

	h->close = !http_should_keep_alive(&h->parser) || h->parser.upgrade;
	if (h->url_len > HTTP_URL) {
		http_refuse(h, 414);
		return;
	}
	h->url[h->url_len] = '\0';
	h->url[strcspn(h->url, "?#")] = '\0';
	if (h->parser.method != HTTP_GET && h->parser.method != HTTP_HEAD)
		http_refuse(h, 405);
	else if (!strcmp(h->url, "/hello"))
		http_answer(h, 200, "Hello from weft, a TCP/IP stack in user space.\n", 0);
	else if (http_bytes(h->url, &n))
		http_answer(h, 200, NULL, n);
	else
		http_answer(h, 404, "404 Not Found: try /hello or /bytes/1000\n", 0);
}

/* --- input ------------------------------------------------------------------------------------- */

static void http_parse(struct http_conn *h)
{
	enum http_errno err;

	http_parser_pause(&h->parser, 0);
	h->in_off += http_parser_execute(&h->parser, &http_settings, h->in + h->in_off,
					 h->in_len - h->in_off);
	err = HTTP_PARSER_ERRNO(&h->parser);
	if (h->complete)
		http_request(h);
	else if (err == HPE_HEADER_OVERFLOW)
		http_refuse(h, h->url_len > HTTP_URL ? 414 : 431);
	else if (err != HPE_OK)
		http_refuse(h, 400);
	if (h->complete || err != HPE_OK)
		h->url_len = 0;
	h->complete = false;
}

/* Reads only once everything before is parsed.  False: the connection is over. */
static bool http_fill(struct http_conn *h)
{
	ssize_t n;

	if (h->in_off < h->in_len)
		return true;
	n = weft_recv(h->e.fd, h->in, HTTP_IN, 0);
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	h->in_off = 0;
	h->in_len = (size_t)n;
	return true;
}

/* --- output ------------------------------------------------------------------------------------ */

/* True: the answer is out.  False with *alive: later, or the connection is over. */
static bool http_flush(struct serve *s, struct http_conn *h, bool *alive)
{
	const char *pattern = s->arg;
	ssize_t n = 0;
	int turn = 0;

	*alive = true;
	while (n >= 0 && (h->head_off < h->head_len || h->body_off < h->body_len)) {
		if (turn++ == HTTP_TURNS) {
			h->e.events = POLLOUT;
			return false;
		}
		if (h->head_off < h->head_len) {
			n = weft_send(h->e.fd, h->head + h->head_off, h->head_len - h->head_off,
				      MSG_NOSIGNAL);
			h->head_off += n > 0 ? (size_t)n : 0;
			continue;
		}
		uint64_t left = h->body_len - h->body_off;
		size_t at = h->body_off % PATTERN_PERIOD, most = PATTERN_LEN - at;

		n = weft_send(h->e.fd, pattern + at, left < most ? left : most, MSG_NOSIGNAL);
		h->body_off += n > 0 ? (uint64_t)n : 0;
	}
	*alive = n >= 0 || errno == EAGAIN || errno == EINTR;
	h->e.events = n < 0 ? POLLOUT : POLLIN;
	return n >= 0;
}

/*
 * After the last answer: what the peer still sends is read first, for closing over it would reset the
 * connection and could take the answer away.
 */
static bool http_drain(struct http_conn *h)
{
	ssize_t n;

	if (!h->drain)
		weft_shutdown(h->e.fd, SHUT_WR);
	h->drain = true;
	while ((n = weft_recv(h->e.fd, h->in, HTTP_IN, 0)) > 0) {
		h->drained += (size_t)n;
		if (h->drained > HTTP_DRAIN)
			return false;
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static bool http_ready(struct serve *s, struct serve_entry *e, short revents)
{
	struct http_conn *h = (struct http_conn *)e;
	bool alive;

	if (h->drain)
		return http_drain(h);
	for (;;) {
		if (!http_flush(s, h, &alive))
			return alive;
		if (h->close)
			return http_drain(h);
		if (!http_fill(h))
			return false;
		if (h->in_off == h->in_len)
			return true;
		http_parse(h);
	}
}

/* --- the command ------------------------------------------------------------------------------- */

static bool http_accept_ready(struct serve *s, struct serve_entry *e, short revents)
{
	struct http_conn *h;
	int fd, on = 1;

	while ((fd = serve_accept(s, e)) >= 0) {
		h = calloc(1, sizeof(*h));
		if (!h) {
			weft_close(fd);
			continue;
		}
		weft_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		h->e = (struct serve_entry){.fd = fd, .events = POLLIN, .ready = http_ready};
		http_parser_init(&h->parser, HTTP_REQUEST);
		h->parser.data = h;
		serve_add(s, &h->e);
	}
	return true;
}

static void http_pattern_fill(char *to)
{
	static const char digits[] =
	    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	for (size_t i = 0; i < PATTERN_LEN; i++)
		to[i] = digits[i % PATTERN_PERIOD];
}

static int httpd_port(struct cmd *c, uint64_t *port)
{
	static const struct range range = {"port", 1, 65535};

	*port = 80;
	if (c->argc > 2)
		return cmd_usage(c, "too many words");
	return c->argc == 2 ? parse_count(c, c->argv[1], &range, port) : CMD_OK;
}

static int httpd_run(struct cmd *c)
{
	struct serve_entry *listener = calloc(1, sizeof(*listener));
	struct serve s = {.c = c, .arg = malloc(PATTERN_LEN)};
	uint64_t port;
	int err = -ENOMEM, status;

	status = httpd_port(c, &port);
	if (!status && listener && s.arg) {
		http_pattern_fill(s.arg);
		listener->ready = http_accept_ready;
		err = serve_open(&s, listener, SOCK_STREAM, (uint16_t)port);
		listener = NULL;
	}
	if (!status && err)
		status = cmd_error(c, "port %" PRIu64 ": %s", port, strerror(-err));
	if (!status) {
		cmd_ready(c);
		cmd_detach(c);
		status = serve_run(&s);
	}
	free(listener);
	serve_end(&s);
	free(s.arg);
	return status;
}

int cmd_httpd(struct cmd *c)
{
	uint64_t port;
	int status = httpd_port(c, &port);

	return status ? status : job_spawn(c, "httpd", httpd_run);
}
