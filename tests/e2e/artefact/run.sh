#!/usr/bin/env bash
# Tests of the files that fmc writes, as a user of them would treat them.
#
#   run.sh TEST FMC WORK     TEST is one of the functions below; models first
#
# Compilers: $CC, $CXX (default: clang-19, clang++-19); gcc and g++ where there.
set -euo pipefail
test=$1 fmc=$2 work=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
CC=${CC:-clang-19} CXX=${CXX:-clang++-19}
runtime=("$root"/runtime/*.c)
examples=(mnist_cnn xor_mlp everything names large)
# Models with every elementary function.
functions=(activations arithmetic losses normalisation)
strict=(-pedantic -Wall -Wextra -Werror -fsyntax-only -I"$root/runtime" -I"$work")

fail() {
  echo "$test: $*" >&2
  exit 1
}

# What the other tests use.
models() {
  local model
  rm -rf "$work" && mkdir -p "$work"
  "$fmc" compile "$root/examples/mnist_cnn/mnist_cnn.fm" -D batch=16 -o "$work"
  "$fmc" compile "$root/examples/xor_mlp/xor_mlp.fm" -o "$work"
  "$fmc" compile "$here/everything.fm" -o "$work"
  "$fmc" compile "$here/names.fm" -o "$work"
  "$fmc" compile "$here/large.fm" -o "$work"
  for model in "${functions[@]}"; do
    "$fmc" compile "$here/../models/$model.fm" -o "$work"
  done
}

# C99 and C++17 without a word, from gcc and clang.
headers() {
  local compilers=0 compiler model
  for model in "${examples[@]}"; do
    echo "#include \"$model.h\"" >"$work/$model.header.c"
    cp "$work/$model.header.c" "$work/$model.header.cpp"
    for compiler in "$CC" gcc; do
      command -v "$compiler" >/dev/null || continue
      "$compiler" -std=c99 "${strict[@]}" "$work/$model.header.c"
      compilers=$((compilers + 1))
    done
    for compiler in "$CXX" g++; do
      command -v "$compiler" >/dev/null || continue
      "$compiler" -std=c++17 "${strict[@]}" "$work/$model.header.cpp"
    done
  done
  echo "$compilers compilations in C"
}

# The object needs fm_ names, what fills and copies memory, and what Adam's step
# computes in f64 only: elementary functions of f32 are its own. It defines its
# API and nothing else that a linker sees.
symbols() {
  local model name
  for model in "${examples[@]}" "${functions[@]}"; do
    nm -u "$work/$model.o" | awk '{print $NF}' | while read -r name; do
      case $name in
      fm_* | memset | memcpy | memmove | pow) ;;
      *) fail "$model.o needs $name" ;;
      esac
    done
    nm -g --defined-only "$work/$model.o" | awk '{print $NF}' | while read -r name; do
      grep -qE "[ *]$name\(" "$work/$model.h" || fail "$model.o defines $name, which its header lacks"
    done
    # And every function of the header is there.
    grep -oE "\b${model}_[a-z_]+\(${model} \*" "$work/$model.h" | sed 's/(.*//' | sort -u | while read -r name; do
      nm -g --defined-only "$work/$model.o" | grep -qw "$name" || fail "$model.h declares $name, which the object lacks"
    done
  done
}

# No step allocates, and no step writes outside of what the header announces.
steps() {
  "$CC" -std=c99 -O1 -D_GNU_SOURCE -I"$root/runtime" -I"$work" "$here/steps.c" \
    "$work/everything.o" "$work/xor_mlp.o" "$work/large.o" "${runtime[@]}" -pthread -lm -o "$work/steps"
  "$work/steps"
}

# The examples, as they are, under a sanitizer: on made-up images, and with two
# threads.
sanitized() {
  local flags=(-O1 -g "$1" -fno-sanitize-recover=all -I"$root/runtime" -I"$work") name=${1#*=}
  name=${name%%,*}
  mkdir -p "$work/$name"
  (cd "$work/$name" && "$CC" -std=c99 -c "${flags[@]}" "${runtime[@]}")
  "$CC" -std=c99 "${flags[@]}" "$root/examples/xor_mlp/main.c" "$work/xor_mlp.o" "$work/$name"/*.o \
    -pthread -lm -o "$work/$name/xor_mlp"
  "$CXX" -std=c++17 "${flags[@]}" "$root/examples/mnist_cnn/main.cpp" "$work/mnist_cnn.o" "$work/$name"/*.o \
    -pthread -lm -o "$work/$name/mnist_cnn"
  python3 "$here/make_images.py" "$work/$name" 80
  "$work/$name/xor_mlp" "$work/$name/xor_mlp.safetensors" >/dev/null
  "$work/$name/mnist_cnn" "$work/$name" --epochs 2 --threads 3 --save "$work/$name/cnn.safetensors" | tail -n 1
}
address() { ASAN_OPTIONS=detect_leaks=1 sanitized -fsanitize=address,undefined; }
thread() { sanitized -fsanitize=thread; }

"$test"
