# What bash does without starting anything: arrays, associative ones, regular expressions, arithmetic, printf.
set -eu
rounds=$1
declare -A seen=()
declare -a sorted=()

collatz() {
    local -i x=$1 steps=0
    while ((x != 1)); do
        ((x = x % 2 ? 3 * x + 1 : x / 2, ++steps))
    done
    REPLY=$steps
}

insert() {
    local -i i=${#sorted[@]}
    while ((i > 0 && sorted[i - 1] > $1)); do
        ((sorted[i] = sorted[i - 1], i--)) || true
    done
    sorted[i]=$1
}

trap 'echo "the end: ${#seen[@]} ${seen[27]}"' EXIT
exec {file}>lines
for ((round = 1; round <= rounds; round++)); do
    sorted=()
    for ((n = round; n < round + 20; n++)); do
        collatz $n
        seen[$n]=$REPLY
        insert "$REPLY"
    done
    text="${sorted[*]}"
    [[ $text =~ ^([0-9]+)\ .*\ ([0-9]+)$ ]]
    printf -v line '%03d:%s-%s:%s' $round "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "${text//1/one}"
    echo "${line^^}" >&$file
done
exec {file}>&-
mapfile -t lines <lines
echo "${#lines[@]} ${lines[-1]}"
