#!/usr/bin/env bash
# Benchmarks through `weighbridge performance-benchmark`, and their comparison. See --help.
set -euo pipefail

usage() {
    cat <<'HELP'
Usage: scripts/benchmark.sh [TYPE] [FLAGS]

TYPE  all (default), inference, memory, concurrent, cache, profiling, baseline

  --output DIR       folder of the results [benchmark_results; of a baseline performance_baseline]
  --targets FILE     targets as JSON
  --iterations N     requests of each test [100]; --duration S seconds of each test of a baseline [30]
  --model MODEL      model reference [tiny]
  --profile          flame graphs of the tests
  --compare          hold the results against the baseline
  --baseline FILE    the baseline [performance_baseline/baseline_results.json]
  --report           write the comparison to DIR/comparison_report.md and .html
  --ci               exit with 1 on a regression, or where a figure is missing
  --timeout S        seconds for everything [300]

WEIGHBRIDGE names the program; without it, it is built and run by cargo from this repository.
HELP
}

fail() {
    echo "benchmark.sh: $1" >&2
    exit "${2:-2}"
}

type=all output="" targets="" baseline=performance_baseline/baseline_results.json timeout=300
iterations=100 duration=30 model=tiny profile=0 ci=0 compare=0 report=0
while [ $# -gt 0 ]; do
    case "$1" in
        all | inference | memory | concurrent | cache | profiling | baseline) type=$1 ;;
        --output | --targets | --baseline | --timeout | --iterations | --duration | --model)
            [ $# -gt 1 ] || fail "$1 needs a value"
            declare "${1#--}=$2"
            shift
            ;;
        --profile) profile=1 ;;
        --ci) ci=1 ;;
        --compare) compare=1 ;;
        --report) report=1 ;;
        -h | --help) usage && exit 0 ;;
        *) fail "unknown argument \`$1\`; see --help" ;;
    esac
    shift
done
[[ $timeout =~ ^[1-9][0-9]*$ ]] || fail "--timeout \`$timeout\` is no number of seconds from 1 on"

if [ -n "${WEIGHBRIDGE:-}" ]; then
    weighbridge=("$WEIGHBRIDGE")
else
    manifest=$(cd "$(dirname "$0")/.." && pwd)/Cargo.toml
    # Building is no part of the time that a benchmark may take.
    cargo build --quiet --release --manifest-path "$manifest"
    weighbridge=(cargo run --quiet --release --manifest-path "$manifest" --)
fi

start=$SECONDS
# Runs a verb within what is left of the time.
run() {
    local left=$((timeout - SECONDS + start)) code=0
    [ "$left" -gt 0 ] || fail "the time of $timeout s is over: allow more with --timeout" 124
    timeout --kill-after=5 --signal=INT "$left" "${weighbridge[@]}" performance-benchmark "$@" || code=$?
    [ $code -ne 124 ] && [ $code -ne 137 ] || fail "the time of $timeout s is over: allow more with --timeout" 124
    return $code
}

flags=()
[ -z "$targets" ] || flags+=(--targets "$targets")
if [ "$type" = baseline ]; then
    run baseline --output "${output:-performance_baseline}" --duration "$duration" ${flags[@]+"${flags[@]}"}
    exit 0
fi
output=${output:-benchmark_results}
[ $profile -eq 0 ] || flags+=(--profile)
run benchmark --bench-type "$type" --iterations "$iterations" --model "$model" --output "$output" ${flags[@]+"${flags[@]}"}

[ $compare -eq 1 ] || exit 0
current=$output
[ "$type" = all ] || current=$output/${type}_benchmark.json
flags=()
[ $report -eq 0 ] || flags+=(--report "$output/comparison_report.md")
[ $ci -eq 0 ] || flags+=(--ci)
code=0
run compare --current "$current" --baseline "$baseline" ${flags[@]+"${flags[@]}"} || code=$?
# Without --ci a regression is shown, and is no failure.
if [ $code -eq 1 ] && [ $ci -eq 0 ]; then
    echo "benchmark.sh: a regression; with --ci this exits with 1" >&2
    exit 0
fi
exit $code
