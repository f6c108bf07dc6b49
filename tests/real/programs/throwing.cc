// Exceptions all the time: whenever it is interrupted, one is likely to be in flight.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

struct Guard {
    explicit Guard(unsigned &count) : count(count) {}
    ~Guard() { count++; }
    unsigned &count;
};

static unsigned released;

static int descend(int depth, int seed) {
    Guard guard(released);
    auto text = std::make_unique<std::string>(std::to_string(seed));
    if (depth == 0)
        throw seed % 2 ? std::runtime_error(*text) : std::runtime_error("even " + *text);
    return descend(depth - 1, seed) + static_cast<int>(text->size());
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? std::atoi(argv[1]) : 1000;
    unsigned long sum = 0;
    for (int i = 0; i < rounds; i++) {
        try {
            try {
                descend(i % 6, i);
            } catch (const std::logic_error &) {
                return 1;
            } catch (const std::runtime_error &error) {
                sum += std::string(error.what()).size();
                throw i;
            }
        } catch (int value) {
            sum += value;
        }
        if (i % 50000 == 0)
            std::printf("%d %lu %u\n", i, sum, released);
    }
    std::printf("%lu %u\n", sum, released);
    return 0;
}
