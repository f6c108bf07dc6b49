// C++ exceptions in flight: the checkpoint falls into a destructor that runs while the stack unwinds,
// and again the same exception is caught, rethrown and translated on the other side.
//#Links: pie nopie static staticpie
#include "../lib/sample.h"
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

static int destroyed;

struct Waiter {
    explicit Waiter(bool wait) : wait(wait) {}
    ~Waiter() {
        destroyed++;
        if (wait) {
            expect(std::uncaught_exceptions() == 1, "nothing is in flight");
            ready();
            wait_for_go();
            SPOIL(1, destroyed++);
        }
    }
    bool wait;
};

struct Own : std::runtime_error {
    Own(const std::string &text, std::vector<int> numbers) : std::runtime_error(text), numbers(numbers) {}
    std::vector<int> numbers;
};

static __attribute__((noinline)) void descend(int depth) {
    Waiter waiter(depth == 10);
    if (depth == 20)
        throw Own("thrown at the bottom", {1, 2, 3});
    descend(depth + 1);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    std::map<std::string, int> counts;
    for (int i = 0; i < 1000; i++)
        counts["key" + std::to_string(i)] = i;
    bool caught = false;
    try {
        try {
            descend(0);
        } catch (const std::logic_error &) {
            FAIL("the wrong handler");
        } catch (const std::runtime_error &) {
            expect(std::uncaught_exceptions() == 0, "still in flight");
            throw;
        }
    } catch (const Own &own) {
        SPOIL(2, counts["key7"] = 8);
        expect(std::string(own.what()) == "thrown at the bottom" && own.numbers.size() == 3, "%s", own.what());
        caught = true;
    }
    expect(caught && destroyed == 21, "%d destructors ran", destroyed);
    for (int i = 0; i < 1000; i++)
        expect(counts.at("key" + std::to_string(i)) == i, "map");
    try {
        (void)counts.at("missing");
        FAIL("no exception");
    } catch (const std::out_of_range &) {
    }
    pass();
}
