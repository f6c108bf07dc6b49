// C++ threads: std::thread, thread_local objects that are destroyed when their thread ends, condition variables,
// shared and recursive mutexes, promises, call_once, an exception that crosses from one thread to another.
//#Flags: -pthread -std=c++17
//#Links: pie nopie static staticpie
#include "../lib/sample.h"
#include <atomic>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static std::atomic<int> destroyed{0}, made{0};

struct Witness {
    std::string name;
    int uses = 0;
    Witness() : name("a name that is too long to be held in place, by " + std::to_string(made++)) {}
    ~Witness() { destroyed += name.rfind("a name", 0) == 0 && uses > 0; }
};
static thread_local Witness witness;
static thread_local std::unique_ptr<std::vector<int>> numbers;

static std::mutex lock;
static std::condition_variable moved;
static std::shared_mutex shared;
static std::recursive_timed_mutex recursive;
static std::once_flag once;
static int turn, calls;
static bool stop;
constexpr int THREADS = 6;

static void take_turns(int id, std::promise<int> result) {
    numbers = std::make_unique<std::vector<int>>();
    std::call_once(once, [] { calls++; });
    std::unique_lock<std::mutex> held(lock);
    for (;;) {
        moved.wait(held, [&] { return stop || turn % THREADS == id; });
        if (stop)
            break;
        witness.uses++;
        numbers->push_back(turn++);
        moved.notify_all();
    }
    int sum = 0;
    for (int number : *numbers)
        sum += number % THREADS == id;
    result.set_value_at_thread_exit(sum == witness.uses ? sum : -1);
}

int main(int argc, char **argv) {
    sample_start(argc, argv);
    std::vector<std::thread> threads;
    std::vector<std::future<int>> results;
    for (int id = 0; id < THREADS; id++) {
        std::promise<int> promise;
        results.push_back(promise.get_future());
        threads.emplace_back(take_turns, id, std::move(promise));
    }
    // One that holds a lock twice over and ends by an exception; one that waits for the lock to read.
    std::promise<void> holds, let_go;
    std::future<void> held = holds.get_future();
    auto thrower = std::async(std::launch::async, [&] {
        std::lock_guard<std::recursive_timed_mutex> once_held(recursive), twice_held(recursive);
        std::unique_lock<std::shared_mutex> writes(shared);
        holds.set_value();
        let_go.get_future().wait();
        if (!recursive.try_lock())
            return;
        recursive.unlock();
        throw std::runtime_error("from the other thread");
    });
    held.wait();
    auto reader = std::async(std::launch::async, [&] {
        std::shared_lock<std::shared_mutex> reads(shared);
        return 7;
    });
    ready();
    wait_for_go();

    expect(!recursive.try_lock(), "another thread holds it");
    expect(reader.wait_for(std::chrono::milliseconds(1)) == std::future_status::timeout, "it waits");
    int seen;
    {
        std::unique_lock<std::mutex> held_here(lock);
        seen = turn;
        moved.wait(held_here, [&] { return turn >= seen + 10 * THREADS; });
        stop = true;
    }
    moved.notify_all();
    int sum = 0;
    for (auto &result : results) {
        int part = result.get();
        expect(part > 0, "a thread's own numbers are wrong");
        sum += part;
    }
    for (auto &thread : threads)
        thread.join();
    SPOIL(1, sum++);
    expect(sum == turn, "%d turns, not %d", turn, sum);
    SPOIL(2, destroyed++);
    expect(destroyed == THREADS, "%d thread-local objects were destroyed", destroyed.load());
    let_go.set_value();
    std::string what;
    try {
        thrower.get();
    } catch (const std::runtime_error &error) {
        what = error.what();
    }
    expect(what == "from the other thread", "%s", what.c_str());
    expect(reader.get() == 7, "the reader");
    std::call_once(once, [] { calls++; });
    expect(calls == 1, "call_once: %d", calls);
    // A new thread, and its object.
    std::thread([] { witness.uses++; }).join();
    expect(destroyed == THREADS + 1, "that of a new thread");
    pass();
}
