#!/usr/bin/env bash
# Runs `make <name>` for lint and `make test-<name>` for every other name, side by side, and adds up what
# Catch2 reports. A name whose build fails, or that ends without a summary, counts as one. The last line
# is the sum; the exit status is 0 only when nothing failed. A test that runs for TEST_TIMEOUT seconds
# (1200) failed.
cd "$(dirname "$0")/.."
logs=build/test/logs
mkdir -p "$logs"
rm -f "$logs"/*
jobs=${JOBS:-$(nproc)}
unset MAKEFLAGS MFLAGS MAKELEVEL

# All binaries first, in one make, so that nothing shared is built twice.
echo "building tests (log: $logs/build.log)"
make --no-print-directory -k -j"$jobs" tests-build >"$logs/build.log" 2>&1 ||
  echo "building tests: failures"

run_one() {
  name=$1
  target=test-$name
  [ "$name" = lint ] && target=lint
  start=$SECONDS
  timeout "${TEST_TIMEOUT:-1200}" make --no-print-directory "$target" >"$logs_dir/$name.log" 2>&1
  status=$?
  passed=0
  failed=0
  # "All tests passed (9 assertions in 3 test cases)" or "test cases: 3 | 2 passed | 1 failed".
  while read -r line; do
    if [[ $line =~ ^All\ tests\ passed\ \(.*\ in\ ([0-9]+)\ test\ case ]]; then
      passed=$((passed + BASH_REMATCH[1]))
    elif [[ $line =~ ^test\ cases: ]]; then
      [[ $line =~ ([0-9]+)\ passed ]] && passed=$((passed + BASH_REMATCH[1]))
      [[ $line =~ ([0-9]+)\ failed ]] && failed=$((failed + BASH_REMATCH[1]))
    fi
  done <"$logs_dir/$name.log"
  [ $status -eq 124 ] && echo "no end after ${TEST_TIMEOUT:-1200} s" >>"$logs_dir/$name.log"
  if [ $status -ne 0 ] && [ $failed -eq 0 ]; then failed=1; fi
  if [ $status -eq 0 ] && [ $((passed + failed)) -eq 0 ]; then passed=1; fi
  echo "$passed $failed" >"$logs_dir/$name.count"
  if [ $failed -eq 0 ]; then
    echo "ok    $name ($passed, $((SECONDS - start)) s)"
  else
    echo "FAIL  $name ($failed failed; log: $logs_dir/$name.log; repeat: make $target)"
    tail -n 25 "$logs_dir/$name.log" | sed 's/^/      /'
  fi
}
export -f run_one
export logs_dir=$logs

printf '%s\n' "$@" | xargs -P "$jobs" -I{} bash -c 'run_one {}'

passed=0
failed=0
for name in "$@"; do
  if read -r p f <"$logs/$name.count"; then
    passed=$((passed + p))
    failed=$((failed + f))
  else
    failed=$((failed + 1))
  fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
