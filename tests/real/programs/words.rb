# Words counted by a thread and handed on by fibers, with a collector that runs now and then.
words = Queue.new
counts = Hash.new(0)
counter = Thread.new { while (word = words.pop) != :end do counts[word] += 1 end }
numbers = Enumerator.new { |out| x = 1; loop { x = x * 1103515245 + 12345 & 0x7fffffff; out << x } }
(1..SIZE).each do |round|
  names = numbers.take(4000).map { |x| "w#{x % 5003}" }
  names.sort_by(&:reverse).each { |name| words << name }
  GC.start if round % 20 == 0
  puts "#{round} #{names.uniq.size}"
  $stdout.flush
end
words << :end
counter.join
puts counts.size, counts.sort.hash == counts.to_a.sort.hash, counts.values.sum
