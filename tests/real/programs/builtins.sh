# What a shell does without starting anything: arithmetic, words, patterns, functions, reading and writing.
set -eu
rounds=$1

primes() {
    n=2
    found=
    while [ "$n" -lt "$1" ]; do
        prime=yes
        for p in $found; do
            [ $((p * p)) -le "$n" ] || break
            if [ $((n % p)) -eq 0 ]; then
                prime=no
                break
            fi
        done
        [ $prime = no ] || found="$found $n"
        n=$((n + 1))
    done
    echo "${found##* }"
}

reversed() {
    text=$1
    back=
    while [ -n "$text" ]; do
        rest=${text#?}
        back=${text%"$rest"}$back
        text=$rest
    done
}

trap 'echo "the end: $sum"' EXIT
sum=0
round=0
exec 3>lines
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    primes 500
    reversed "round $round of many"
    case $back in
    ynam\ fo\ *\ dnuor) ;;
    *) exit 1 ;;
    esac
    printf '%s %d\n' "$back" $sum >&3
    sum=$(((sum * 31 + round) % 1000003))
done
exec 3>&-
count=0
while read -r first rest; do
    [ "$first" = ynam ] && count=$((count + ${#rest}))
done <lines
echo "$count"
