// Jobs for four threads through a queue with a bound, and single ones by std::async: condition variables, a
// lock for readers and writers, thread-local objects, exceptions in all threads.
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <map>
#include <mutex>
#include <queue>
#include <shared_mutex>
#include <thread>
#include <vector>

static std::atomic<long> alive{0};

struct Scratch {
    std::vector<unsigned long> values;
    Scratch() { alive++; }
    ~Scratch() { alive--; }
};
static thread_local Scratch scratch;

static unsigned long job(unsigned long n) {
    scratch.values.assign(1000, n);
    unsigned long sum = n;
    for (int round = 0; round < 20; round++)
        for (auto &value : scratch.values) {
            value = value * 6364136223846793005UL + 1442695040888963407UL;
            sum ^= value >> 33;
            try {
                if (value % 977 == 0)
                    throw value;
            } catch (unsigned long thrown) {
                sum += thrown;
            }
        }
    return sum;
}

int main(int argc, char **argv) {
    long jobs = argc > 1 ? std::atol(argv[1]) : 1000;
    std::mutex lock;
    std::condition_variable filled, taken;
    std::queue<long> queue;
    bool over = false;
    std::shared_mutex results_lock;
    std::map<long, unsigned long> results;

    auto work = [&] {
        for (;;) {
            long n;
            {
                std::unique_lock held(lock);
                filled.wait(held, [&] { return over || !queue.empty(); });
                if (queue.empty())
                    return;
                n = queue.front();
                queue.pop();
                taken.notify_one();
            }
            unsigned long result = job(n);
            {
                std::shared_lock reading(results_lock);
                result += results.count(n);
            }
            std::unique_lock writing(results_lock);
            results[n] = result;
        }
    };
    std::vector<std::thread> team;
    for (int i = 0; i < 4; i++)
        team.emplace_back(work);
    unsigned long single = 0;
    for (long n = 0; n < jobs; n++) {
        if (n % 500 == 0)
            single += std::async(std::launch::async, job, n).get();
        std::unique_lock held(lock);
        taken.wait(held, [&] { return queue.size() < 64; });
        queue.push(n);
        filled.notify_one();
    }
    {
        std::unique_lock held(lock);
        over = true;
        filled.notify_all();
    }
    for (auto &thread : team)
        thread.join();
    unsigned long sum = 0;
    for (auto &[n, result] : results)
        sum = sum * 31 + result;
    std::printf("%zu %lx %lx %ld\n", results.size(), sum, single, alive.load());
    return 0;
}
