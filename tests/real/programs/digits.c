// Digits of e by the spigot method, more and fewer of them.
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 1000;
    unsigned sum = 0;
    for (int round = 0; round < rounds; round++) {
        int n = 100 * (1 + round % 24);
        unsigned *a = malloc((n + 10) * sizeof *a);
        for (int i = 0; i < n + 9; i++)
            a[i] = 1;
        unsigned x = 0;
        for (int d = 0; d < n; d++) {
            x = 0;
            for (int i = n + 8; i > 0; i--) {
                x += 10 * a[i];
                a[i] = x % (i + 1);
                x /= i + 1;
            }
            sum = sum * 31 + x;
        }
        free(a);
    }
    // All output at the end: in the empty root directory the output is the restoring command's, and lines
    // written between a checkpoint and the kill would come twice.
    printf("%d rounds: %u\n", rounds, sum);
    return 0;
}
