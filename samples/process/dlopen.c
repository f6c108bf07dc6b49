// Libraries loaded at run time: symbols from before are good, and more can be loaded and unloaded.
//#Links: pie nopie
//#Flags: -ldl
#include "../lib/sample.h"
#include <dlfcn.h>

int main(int argc, char **argv) {
    sample_start(argc, argv);
    void *libm = dlopen("libm.so.6", RTLD_NOW);
    expect(libm, "dlopen");
    double (*cosine)(double) = (double (*)(double))dlsym(libm, "cos");
    expect(cosine && cosine(0) == 1, "cos");

    ready();
    wait_for_go();
    SPOIL(1, cosine = (double (*)(double))dlsym(libm, "sin"));
    SPOIL(2, dlclose(libm); libm = NULL);

    expect(cosine(0) == 1, "cos");
    expect(libm && dlsym(libm, "cos") == (void *)cosine, "dlsym");
    void *more = dlopen("libgcc_s.so.1", RTLD_LAZY);
    expect(more && dlsym(more, "_Unwind_GetIP"), "a library loaded afterwards: %s", dlerror());
    expect(dlclose(more) == 0 && dlclose(libm) == 0, "dlclose");
    pass();
}
