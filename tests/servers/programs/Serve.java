import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/** A server of the JVM: counts requests, sleeps in each, and has a timer. */
public class Serve {
    public static void main(String[] args) throws Exception {
        AtomicLong count = new AtomicLong();
        AtomicLong ticks = new AtomicLong();
        Executors.newScheduledThreadPool(1).scheduleAtFixedRate(ticks::incrementAndGet, 5, 5, TimeUnit.MILLISECONDS);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> Runtime.getRuntime().halt(3)));
        String[] address = args[0].split(":");
        HttpServer server = HttpServer.create(new InetSocketAddress(address[0], Integer.parseInt(address[1])), 10);
        server.setExecutor(Executors.newFixedThreadPool(3));
        server.createContext("/", exchange -> {
            long number = count.incrementAndGet();
            long before = ticks.get();
            long begin = System.nanoTime();
            try {
                Thread.sleep(50);
            } catch (InterruptedException interrupted) {
                return;
            }
            boolean right = System.nanoTime() - begin >= 50_000_000 && ticks.get() > before;
            byte[] text = ("request " + number + ": timers " + (right ? "tick" : "do not tick") + "\n").getBytes();
            exchange.sendResponseHeaders(200, text.length);
            exchange.getResponseBody().write(text);
            exchange.close();
        });
        server.start();
    }
}
