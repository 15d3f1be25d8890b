/*
 * tests/harness/preload/handler.c - for interop/run-preload.sh: its first calls of what weft's library hooks are a signal
 * handler's.  What is looked up from then on is said after "main".
 */
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

static FILE *file;

static void handle(int signal)
{
	char byte;

	recv(-1, &byte, 1, 0);
	fclose(file);
}

int main(void)
{
	file = fopen("/dev/null", "r");
	fputs("main\n", stderr);
	signal(SIGUSR1, handle);
	return raise(SIGUSR1);
}
