// Per-process switches of prctl, one a variant.
//#Variants: pdeathsig subreaper dumpable thp_disable
#include "../lib/sample.h"
#include <sys/prctl.h>

static int number_now(int get, int by_pointer) {
    int value = -1;
    if (by_pointer)
        prctl(get, &value, 0, 0, 0);
    else
        value = prctl(get, 0, 0, 0, 0);
    return value;
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    static const struct {
        const char *name;
        int set, get, by_pointer, value, other;
    } kinds[] = {
        {"pdeathsig", PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, 1, SIGURG, 0},
        {"subreaper", PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER, 1, 1, 0},
        {"dumpable", PR_SET_DUMPABLE, PR_GET_DUMPABLE, 0, 0, 1},
        {"thp_disable", PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, 0, 1, 0},
    };
    const char *name = argc > 2 ? argv[2] : "pdeathsig";
    size_t i = 0;
    while (i < 4 && strcmp(kinds[i].name, name) != 0)
        i++;
    expect(i < 4, "variant %s", name);
    expect(prctl(kinds[i].set, kinds[i].value, 0, 0, 0) == 0, "set");

    ready();
    wait_for_go();
    SPOIL(1, prctl(kinds[i].set, kinds[i].other, 0, 0, 0));
    int now = number_now(kinds[i].get, kinds[i].by_pointer);
    expect(now == kinds[i].value, "%s is %d", name, now);
    expect(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "the harness sets no_new_privs");
    pass();
}
