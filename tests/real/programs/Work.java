import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;

/** Threads that allocate, hash and sort: garbage is collected and code is compiled all the while. */
public class Work {
    static long job(int n) {
        Map<String, Integer> words = new HashMap<>();
        long x = n * 0x9e3779b97f4a7c15L + 1;
        for (int i = 0; i < 3000; i++) {
            x ^= x << 13;
            x ^= x >>> 7;
            x ^= x << 17;
            words.merge("w" + (x & 255) + new String(new char[(int) (x >>> 60)]), 1, Integer::sum);
        }
        long sum = 0;
        for (var word : new TreeMap<>(words).entrySet())
            sum = sum * 31 + word.getKey().hashCode() * word.getValue();
        return sum;
    }

    /** Eight threads pass a turn round. */
    static int turns() throws InterruptedException {
        Object lock = new Object();
        int[] turn = {0};
        List<Thread> team = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            int me = i;
            Thread thread = new Thread(() -> {
                for (int round = 0; round < 300; round++)
                    synchronized (lock) {
                        while (turn[0] % 8 != me)
                            try {
                                lock.wait();
                            } catch (InterruptedException interrupted) {
                                return;
                            }
                        turn[0]++;
                        lock.notifyAll();
                    }
            });
            team.add(thread);
            thread.start();
        }
        for (Thread thread : team)
            thread.join();
        return turn[0];
    }

    public static void main(String[] args) throws Exception {
        int jobs = Integer.parseInt(args[0]);
        AtomicLong ticks = new AtomicLong();
        ScheduledExecutorService timer = Executors.newScheduledThreadPool(1);
        timer.scheduleAtFixedRate(ticks::incrementAndGet, 1, 1, TimeUnit.MILLISECONDS);
        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<Long>> results = new ArrayList<>();
        for (int n = 0; n < jobs; n++) {
            int number = n;
            results.add(pool.submit(() -> job(number)));
            if (n % 500 == 0)
                System.gc();
        }
        long sum = 0;
        for (Future<Long> result : results)
            sum = sum * 31 + result.get();
        long parallel = IntStream.range(0, 1000000).parallel().mapToLong(i -> Long.reverse(i * 0x9e3779b97f4a7c15L) >>> 40).sum();
        System.out.println(sum + " " + parallel + " " + turns());
        pool.shutdown();
        timer.shutdown();
        boolean ended = pool.awaitTermination(60, TimeUnit.SECONDS) && timer.awaitTermination(60, TimeUnit.SECONDS);
        System.out.println(ended + " " + (ticks.get() > 5));
    }
}
