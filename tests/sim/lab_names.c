/*
 * tests/sim/lab_names.c - scenes that have a name.
 */
#include <string.h>

#include "tests/sim/lab_scene.h"

const struct lab_named lab_named[] = {
    {"clean", "one bulk transfer over a router, nothing in its way",
     "host a b\nrouter r\n"
     "link a r rate 100mbit delay 1ms\n"
     "link r b rate 10mbit delay 20ms queue 100p\n"
     "bulk a b 10MB\n"},
    {"lossy", "1 % loss, both ways",
     "host a b\nrouter r\n"
     "link a r rate 100mbit delay 1ms\n"
     "link r b rate 10mbit delay 20ms queue 100p loss 1%\n"
     "bulk a b 5MB\nbulk b a 5MB\n"},
    {"bursts", "losses in bursts, by Gilbert and Elliott",
     "host a b\n"
     "link a b rate 10mbit delay 25ms queue 100p gilbert 0.5% 30%\n"
     "bulk a b 5MB\n"},
    {"reorder", "a fifth of the packets is overtaken, some come twice",
     "host a b\n"
     "link a b rate 20mbit delay 20ms queue 200p reorder 20% dup 2%\n"
     "bulk a b 5MB both\n"},
    {"dirty", "bits flip, frames are cut short",
     "host a b\n"
     "link a b rate 10mbit delay 10ms queue 100p corrupt 2% truncate 1%\n"
     "bulk a b 2MB both\n"},
    {"blackout", "the path is gone for two seconds, then for ten",
     "host a b\n"
     "link a b rate 10mbit delay 20ms queue 100p blackout 1s 3s blackout 6s 16s\n"
     "bulk a b 10MB\nrr a b 200 size 100 1000 think 50ms\n"},
    {"codel", "four flows share a bottleneck that runs CoDel",
     "host a b c d\nrouter r s\n"
     "link a r rate 100mbit delay 1ms\nlink b r rate 100mbit delay 1ms\n"
     "link r s rate 10mbit delay 20ms queue 300p codel\n"
     "link s c rate 100mbit delay 1ms\nlink s d rate 100mbit delay 1ms\n"
     "bulk a c 3MB times 2 once 2\nbulk b d 3MB times 2 once 2 at 1s\n"},
    {"fair", "two bulk transfers through one bottleneck",
     "host a b c d\nrouter r s\n"
     "link a r rate 100mbit delay 2ms\nlink b r rate 100mbit delay 2ms\n"
     "link r s rate 10mbit delay 20ms queue 100p\n"
     "link s c rate 100mbit delay 2ms\nlink s d rate 100mbit delay 2ms\n"
     "bulk a c 20MB\nbulk b d 20MB\n"},
    {"crowd", "many short connections over a path with some loss",
     "host a b\n"
     "link a b rate 100mbit delay 5ms queue 500p loss 0.5%\n"
     "many a b 2000 size 10KB once 50\n"},
    {"programs", "readers that dawdle, half-closed streams, resets",
     "host a b\n"
     "link a b rate 20mbit delay 10ms queue 100p loss 1%\n"
     "slowreader a b 500KB read 5KB every 50ms rcvbuf 32KB\n"
     "halfclose a b 200KB reply 1MB\n"
     "reset a b 1MB after 300KB by server times 5\n"
     "reset a b 1MB after 100KB by client both times 5\n"
     "rr a b 300 size 1 1 nodelay\n"},
    {"small", "a path of small MTU behind a larger one, found by ICMP, neighbours by ARP",
     "host a b\nrouter r s\n"
     "link a r delay 1ms arp\nlink r s rate 5mbit delay 10ms queue 50p mtu 600 arp\n"
     "link s b delay 1ms arp\n"
     "bulk a b 1MB both\n"},
    {"satellite", "300 ms each way and a long queue",
     "host a b\n"
     "link a b rate 20mbit delay 300ms queue 1000p loss 0.01%\n"
     "bulk a b 20MB\n"},
};
const size_t lab_named_count = sizeof(lab_named) / sizeof(lab_named[0]);

const struct lab_named *lab_named_find(const char *name)
{
	for (size_t i = 0; i < lab_named_count; i++) {
		if (strcmp(lab_named[i].name, name) == 0)
			return &lab_named[i];
	}
	return NULL;
}
