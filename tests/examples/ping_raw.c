/*
 * ping_raw.c - ping by a raw socket, without the stack's own help (RFC 792).
 *
 *	ping_raw				127.0.0.1, over lo: no device, no privilege
 *	ping_raw DEVICE ADDRESS/PREFIX HOST	ping_raw tap:tap7 10.7.0.1/24 10.7.0.2
 */
#include <weft/weft.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define COUNT 3
#define DATA 56

struct echo {
	struct icmphdr h;
	unsigned char data[DATA];
};

/* RFC 1071 */
static uint16_t checksum(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static int echo_send(int fd, uint16_t seq)
{
	struct echo e = {.h = {.type = ICMP_ECHO}};

	e.h.un.echo.id = htons((uint16_t)getpid());
	e.h.un.echo.sequence = htons(seq);
	memset(e.data, (int)seq, sizeof(e.data));
	e.h.checksum = checksum(&e, sizeof(e));
	return weft_send(fd, &e, sizeof(e), 0) == sizeof(e) ? 0 : -1;
}

/* The datagram comes with its IP header.  True: it answers `seq`. */
static int echo_is_answer(const unsigned char *d, ssize_t n, uint16_t seq)
{
	struct iphdr ip;
	struct icmphdr h;

	memcpy(&ip, d, sizeof(ip));
	if (n < (ssize_t)(ip.ihl * 4u + sizeof(h)))
		return 0;
	memcpy(&h, d + ip.ihl * 4u, sizeof(h));
	return h.type == ICMP_ECHOREPLY && h.un.echo.id == htons((uint16_t)getpid()) &&
	       h.un.echo.sequence == htons(seq);
}

static int ping(int fd, const char *host)
{
	unsigned char d[1500];
	ssize_t n;

	for (uint16_t seq = 1; seq <= COUNT; seq++) {
		if (echo_send(fd, seq))
			return -1;
		do {
			n = weft_recv(fd, d, sizeof(d), 0);
			if (n < (ssize_t)sizeof(struct iphdr))
				return -1;
		} while (!echo_is_answer(d, n, seq));
		printf("%zd bytes from %s: icmp_seq=%u ttl=%u\n", n - 20, host, seq, d[8]);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct weft_device dev = {.spec = argv[1], .addr = argc > 2 ? argv[2] : NULL};
	struct weft_config cfg = {.devices = &dev, .ndevices = argc > 1};
	const char *host = argc > 3 ? argv[3] : "127.0.0.1";
	struct sockaddr_in a = {.sin_family = AF_INET};
	struct timeval wait = {.tv_sec = 5};
	weft_stack *stack;
	int fd, err;

	if ((argc != 1 && argc != 4) || inet_pton(AF_INET, host, &a.sin_addr) != 1) {
		fprintf(stderr, "usage: ping_raw [DEVICE ADDRESS/PREFIX HOST]\n");
		return 2;
	}
	err = weft_start(&cfg, &stack);
	if (err) {
		fprintf(stderr, "ping_raw: %s\n", strerror(-err));
		return 1;
	}
	fd = weft_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	if (fd < 0 || weft_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) ||
	    weft_connect(fd, (struct sockaddr *)&a, sizeof(a)) || ping(fd, host))
		err = errno;
	if (err)
		fprintf(stderr, "ping_raw: %s: %s\n", host, strerror(err));
	weft_close(fd);
	weft_stop(stack);
	return err ? 1 : 0;
}
