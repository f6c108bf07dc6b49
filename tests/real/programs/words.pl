# Hashes, sorting, regular expressions, formats: what perl programs do.
use strict;
my ($rounds, $seed, %count) = ($ARGV[0], 42);
sub number { $seed = ($seed * 1103515245 + 12345) % 2147483648; return $seed >> 8 }
for my $round (1 .. $rounds) {
    my @words = map { join '', map { chr(97 + number() % 26) } 1 .. 4 } 1 .. 20000;
    $count{substr $_, 0, 3}++ for @words;
    my @sorted = sort { $b cmp $a } @words;
    my $vowels = grep { /^[aeiou].*[aeiou]$/ } @sorted;
    (my $text = join ' ', @sorted[0 .. 99]) =~ s/(\w)(\w+)/\U$1\E$2/g;
    printf "%2d %5d %s\n", $round, $vowels, substr $text, 0, 60;
}
printf "%d %d\n", scalar keys %count, eval { my $n = 0; $n += $_ for values %count; $n };
