// A wave on a grid, computed by a team of threads that meet at barriers several times in each step.
#include <stdio.h>
#include <stdlib.h>

enum { SIZE = 256, THREADS = 4 };
static double before[SIZE][SIZE], now[SIZE][SIZE], after[SIZE][SIZE];

int main(int argc, char **argv) {
    int steps = argc > 1 ? atoi(argv[1]) : 1000;
    long shares = 0;
    before[SIZE / 2][SIZE / 2] = now[SIZE / 2][SIZE / 2] = 1;
    for (int step = 0; step < steps; step++) {
#pragma omp parallel num_threads(THREADS)
        {
#pragma omp for schedule(dynamic, 16)
            for (int i = 1; i < SIZE - 1; i++)
                for (int j = 1; j < SIZE - 1; j++)
                    after[i][j] = 2 * now[i][j] - before[i][j] +
                                  0.2 * (now[i - 1][j] + now[i + 1][j] + now[i][j - 1] + now[i][j + 1] - 4 * now[i][j]);
#pragma omp for
            for (int i = 0; i < SIZE; i++)
                for (int j = 0; j < SIZE; j++) {
                    before[i][j] = now[i][j];
                    now[i][j] = after[i][j];
                }
#pragma omp critical
            shares++;
        }
    }
    double energy = 0;
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++)
            energy += now[i][j] * now[i][j];
    printf("%.17g %ld\n", energy, shares);
    return 0;
}
