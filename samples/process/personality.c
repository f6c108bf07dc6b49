// The execution domain: flags that change how later mappings, execs and uname behave.
#include "../lib/sample.h"
#include <sys/personality.h>

int main(int argc, char **argv) {
    sample_start(argc, argv);
    int wanted = ADDR_NO_RANDOMIZE | STICKY_TIMEOUTS | UNAME26;
    expect(personality((unsigned long)wanted) != -1, "personality");
    ready();
    wait_for_go();
    SPOIL(1, personality(0));
    expect(personality(0xffffffff) == wanted, "%x", (unsigned)personality(0xffffffff));
    pass();
}
