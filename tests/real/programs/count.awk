# Counts words, their pairs and their letters; the output is in a fixed order.
{
    for (i = 1; i <= NF; i++) {
        seen[$i]++
        if (i > 1)
            pairs[substr($(i - 1), 1, 2) substr($i, 1, 2)]++
        letters[substr($i, 1, 1)] += length($i)
    }
}
NR % 100000 == 0 { printf "%d lines, %d words\n", NR, length(seen) }
END {
    PROCINFO["sorted_in"] = "@ind_str_asc"
    for (letter in letters)
        print letter, letters[letter]
    for (pair in pairs)
        sum += pairs[pair] * length(pair)
    print length(seen), sum
}
