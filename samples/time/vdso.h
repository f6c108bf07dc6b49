// A minimal reader of the kernel's vDSO, whose functions the samples call through saved pointers.
#ifndef VDSO_H
#define VDSO_H
#include "../lib/sample.h"
#include <elf.h>
#include <sys/auxv.h>

struct vdso {
    unsigned char *base;
    size_t length;
    const Elf64_Sym *symbols;
    const char *names;
    size_t count;
};

static inline struct vdso find_vdso(void) {
    struct vdso found = {0};
    found.base = (unsigned char *)getauxval(AT_SYSINFO_EHDR);
    expect(found.base != NULL, "no vDSO");
    const Elf64_Ehdr *header = (void *)found.base;
    const Elf64_Phdr *segments = (void *)(found.base + header->e_phoff);
    const Elf64_Dyn *dynamic = NULL;
    for (int i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type == PT_DYNAMIC)
            dynamic = (void *)(found.base + segments[i].p_offset);
        if (segments[i].p_type == PT_LOAD)
            found.length = (segments[i].p_memsz + PAGE - 1) & ~(PAGE - 1);
    }
    for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
        unsigned char *at = found.base + dynamic->d_un.d_ptr;
        if (dynamic->d_tag == DT_SYMTAB)
            found.symbols = (void *)at;
        else if (dynamic->d_tag == DT_STRTAB)
            found.names = (void *)at;
    }
    expect(found.symbols && found.names, "vDSO without symbols");
    // The string table follows the symbol table in every vDSO known; count up to there.
    found.count = (size_t)((const unsigned char *)found.names - (const unsigned char *)found.symbols) /
                  sizeof(Elf64_Sym);
    return found;
}

static inline void *vdso_function(const struct vdso *vdso, const char *name) {
    for (size_t i = 0; i < vdso->count; i++)
        if (vdso->symbols[i].st_value && strcmp(vdso->names + vdso->symbols[i].st_name, name) == 0)
            return vdso->base + vdso->symbols[i].st_value;
    return NULL;
}

typedef int (*clock_gettime_function)(clockid_t, struct timespec *);
typedef int (*gettimeofday_function)(struct timeval *, void *);
typedef time_t (*time_function)(time_t *);
typedef long (*getcpu_function)(unsigned *, unsigned *, void *);
typedef int (*clock_getres_function)(clockid_t, struct timespec *);
#endif
